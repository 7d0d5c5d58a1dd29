import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Schema } from '../src/index.ts';
import { type FakeFault, FakeMonitor, type FakeMonitorOptions } from '../src/testing.ts';
import { type Run, virtstat } from './lab/cli.ts';
import { asNobody, objectionToNobody } from './lab/nobody.ts';

/** Deadline of a domain in these tests, in milliseconds. A query may take it once to learn schemas and once for values. */
const DEADLINE_MS = 4000;
/** Start-up, and what a busy machine adds, in milliseconds. */
const SLACK_MS = 3000;

const folder = mkdtempSync(join(tmpdir(), 'bad-monitors-'));
const fakes: FakeMonitor[] = [];
let sockets = 0;

afterEach(async () => {
  for (const fake of fakes.splice(0)) await fake.close();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Element {
  readonly domain: string;
  readonly stats?: readonly unknown[];
  readonly error?: { readonly code: string; readonly message: string };
}

const SCHEMAS: readonly Schema[] = [
  { provider: 'kvm', target: 'vm', stats: [{ name: 'x', type: 'cumulative', exponent: 0 }] },
];
const RESULTS = { vm: [{ provider: 'kvm', stats: [{ name: 'x', value: 2n ** 64n - 1n }] }] };

async function fakeMonitor(options: FakeMonitorOptions = {}): Promise<FakeMonitor> {
  const path = join(folder, `${sockets++}.qmp`);
  const fake = await FakeMonitor.listen({ schemas: SCHEMAS, results: RESULTS, path, ...options });
  fakes.push(fake);
  return fake;
}

/** Runs a command on bad monitors beside a good one: the good one's values are there, and time is bounded. */
async function besideGood(uris: readonly string[], ...command: readonly string[]): Promise<readonly Element[]> {
  const good = await fakeMonitor({ name: 'good' });
  const connects = [...uris, good.uri].flatMap((uri) => ['-c', uri]);
  const startMs = performance.now();
  const run = await virtstat(...connects, '--timeout', String(DEADLINE_MS), ...command, '--json');
  expect(performance.now() - startMs).toBeLessThan(2 * DEADLINE_MS + SLACK_MS);
  return elementsOf(run, uris.length);
}

/** The errors and, behind them, an element of the good one. */
function elementsOf({ status, stdout, stderr }: Run, failures: number): readonly Element[] {
  expect(status).toBe(0);
  expect(stderr).toMatch(new RegExp(`^(virtstat: [^\\n]{1,400}\\n){${failures}}$`));
  const elements = JSON.parse(stdout) as Element[];
  const errors = elements.filter(({ error }) => error !== undefined);
  // The good one is asked last.
  const good = elements.findLast(({ error }) => error === undefined);
  expect(errors).toHaveLength(failures);
  expect(stdout).toMatch(/"name":"(good|x)"/);
  expect(good).toBeDefined();
  return [...errors, good as Element];
}

const FAULTS: Readonly<Record<FakeFault, string>> = {
  'never-greets': 'MONITOR_BUSY',
  'no-qmp': 'MONITOR_NOT_QMP',
  'never-answers': 'TIMEOUT',
  'dies-in-mid-reply': 'CONNECTION_LOST',
  'wrong-id': 'TIMEOUT',
  garbage: 'JSON_INVALID',
  binary: 'JSON_INVALID',
  'endless-line': 'FRAME_TOO_LARGE',
  'deep-nesting': 'NESTING_TOO_DEEP',
  'wrong-shape': 'QMP_REPLY_INVALID',
};

describe('a monitor that misbehaves, beside a good one', () => {
  it.each(['query', 'schemas', 'list'])('is one error of its own, all of them at once: %s', async (verb) => {
    const bad = [];
    for (const fault of Object.keys(FAULTS) as FakeFault[]) bad.push((await fakeMonitor({ fault })).uri);
    const elements = await besideGood(bad, ...(verb === 'query' ? ['query', 'vm'] : [verb]));
    expect(elements.map(({ error }) => error?.code)).toEqual([...Object.values(FAULTS), undefined]);
    for (const [index, uri] of bad.entries()) expect(elements[index]?.domain).toBe(uri);
  });

  it.each(Object.entries(FAULTS))('that is the only one makes the command fail: %s', async (fault, code) => {
    const { uri } = await fakeMonitor({ fault: fault as FakeFault });
    const run = await virtstat('-c', uri, '--timeout', String(DEADLINE_MS), 'query', 'vm', '--json');
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/^virtstat: [^\n]+\n$/);
    expect(JSON.parse(run.stdout)).toMatchObject([{ domain: uri, error: { code } }]);
  });

  it('that sends byte after byte is read all the same', async () => {
    const { uri } = await fakeMonitor({ chunkBytes: 1, name: 'slow' });
    const run = await virtstat('-c', uri, 'query', 'vm', '--json');
    expect(JSON.parse(run.stdout)).toMatchObject([{ stats: [{ name: 'x' }] }, { provider: 'state' }]);
    expect(run.stdout).toContain('"value":18446744073709551615}');
  });

  it('that drowns its answers in events costs no more than its deadline', async () => {
    const fake = await fakeMonitor({ fault: 'never-answers' });
    const line = `${JSON.stringify({ event: 'RESUME', timestamp: { seconds: 1, microseconds: 2 } })}\r\n`.repeat(500);
    const flood = setInterval(() => fake.sendBytes(line), 5);
    try {
      const [failure] = await besideGood([fake.uri], 'query', 'vm');
      expect(failure?.error?.code).toBe('TIMEOUT');
    } finally {
      clearInterval(flood);
    }
  });

  it('that answers with numbers which no counter has says which', async () => {
    for (const value of [-1n, 1.5, 2n ** 64n, 'x', null, [[1n]], [true], {}] as const) {
      const { uri } = await fakeMonitor({
        commands: { 'query-stats': () => [{ provider: 'kvm', stats: [{ name: 'x', value }] }] as never },
      });
      const [failure] = await besideGood([uri], 'query', 'vm');
      expect(failure?.error).toMatchObject({ code: 'QMP_REPLY_INVALID', message: expect.stringContaining('stats[0]') });
    }
  });

  it('that refuses in many words with escape sequences leaves the terminal alone', async () => {
    const desc = `no\u001b[2J\r\nthanks\u009b31m`;
    const { uri } = await fakeMonitor({
      commands: {
        'query-stats-schemas': () => {
          throw Object.assign(new Error(desc), { desc });
        },
      },
      name: '\u001b]0;owned\u0007\n',
    });
    for (const verb of [['query', 'vm'], ['list'], ['info', 'stats', 'vm']]) {
      const { stdout, stderr } = await virtstat('-c', uri, '--timeout', '500', ...verb);
      expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    }
  });
});

describe('an address that cannot be used', () => {
  it('is one error of its own', async () => {
    const long = `qmp+unix:${join(folder, 'x'.repeat(108))}`;
    const missing = `qmp+unix:${join(folder, 'missing')}`;
    const elements = await besideGood([missing, long, `qmp+unix:${folder}`, 'qmp+tcp://127.0.0.1:1'], 'query', 'vm');
    expect(elements.map(({ error }) => error?.code)).toEqual([
      'PATH_NOT_FOUND',
      'CONNECT_FAILED',
      'CONNECT_REFUSED',
      'CONNECT_REFUSED',
      undefined,
    ]);
  });

  it('is one error for a user without rights', async (context) => {
    const objection = await objectionToNobody();
    if (objection !== undefined) return context.skip(objection);
    chmodSync(folder, 0o755);
    const [closed, good] = [await fakeMonitor(), await fakeMonitor({ name: 'good' })];
    if (closed.address.kind !== 'unix' || good.address.kind !== 'unix') throw new Error('these are unix sockets');
    chmodSync(closed.address.path, 0o700);
    chmodSync(good.address.path, 0o777);
    const run = await asNobody('-c', closed.uri, '-c', good.uri, 'query', 'vm', '--json');
    const [failure] = elementsOf(run, 1);
    expect(failure?.error?.code).toBe('ACCESS_DENIED');
  });
});

describe('a monitor behind TLS', () => {
  const key = join(folder, 'key.pem');
  const certificate = (name: string, ...more: readonly string[]): string => {
    const cert = join(folder, `${name}.pem`);
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'rsa:2048',
        '-nodes',
        '-subj',
        `/CN=${name}`,
        '-keyout',
        `${key}.${name}`,
        '-out',
        cert,
        ...more,
      ],
      { stdio: 'ignore' },
    );
    return cert;
  };
  const hasOpenssl = spawnSync('openssl', ['version']).error === undefined;
  const serve = (cert: string, name: string): Promise<FakeMonitor> =>
    tlsFake({ cert: readFileSync(cert, 'utf8'), key: readFileSync(`${key}.${name}`, 'utf8') });

  async function tlsFake(tls: { readonly cert: string; readonly key: string }): Promise<FakeMonitor> {
    const fake = await FakeMonitor.listen({ schemas: SCHEMAS, results: RESULTS, name: 'good', tls });
    fakes.push(fake);
    return fake;
  }

  it('is asked only where its certificate is the right one', async (context) => {
    if (!hasOpenssl) return context.skip('openssl(1) is not installed');
    const right = certificate('right', '-addext', 'subjectAltName=IP:127.0.0.1');
    const other = certificate('other', '-addext', 'subjectAltName=DNS:elsewhere.example');
    const [rightFake, otherFake] = [await serve(right, 'right'), await serve(other, 'other')];
    const wrong = [
      // Signed by nobody that is known, signed by another, made out to another.
      rightFake.uri,
      `${rightFake.uri}?ca=${other}`,
      `${otherFake.uri}?ca=${other}`,
    ];
    const elements = await besideGood(wrong, 'query', 'vm');
    expect(elements.map(({ error }) => error?.code)).toEqual(['TLS_FAILED', 'TLS_FAILED', 'TLS_FAILED', undefined]);
    const run = await virtstat('-c', `${rightFake.uri}?ca=${right}`, 'query', 'vm', '--json');
    expect(run).toMatchObject({ status: 0, stderr: '' });
  });

  it('that does not speak TLS, or says nothing, is one error', async () => {
    const plain = await FakeMonitor.listen();
    fakes.push(plain);
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const bound = silent.address();
    const port = typeof bound === 'object' ? bound?.port : 0;
    try {
      const uris = [plain.uri.replace('tcp', 'tls'), `qmp+tls://127.0.0.1:${port}`, `qmp+tcp://127.0.0.1:${port}`];
      const elements = await besideGood(uris, 'query', 'vm');
      expect(elements.map(({ error }) => error?.code)).toEqual(['TLS_FAILED', 'TIMEOUT', 'MONITOR_BUSY', undefined]);
    } finally {
      silent.close();
    }
  });
});

it('two commands that want one monitor at the same time both get it, one after the other', async () => {
  const fake = await fakeMonitor({ name: 'good' });
  const runs = await Promise.all(Array.from({ length: 4 }, () => virtstat('-c', fake.uri, 'query', 'vm', '--json')));
  for (const run of runs) expect(run).toMatchObject({ status: 0, stderr: '' });
});
