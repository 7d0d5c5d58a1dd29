import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { open } from '../src/index.ts';
import { type Run, virtstat, virtstatUnder } from './lab/cli.ts';
import { hostileFiles, plainFile } from './lab/hostile-files.ts';
import { asNobody, objectionToNobody } from './lab/nobody.ts';

const CAPTURES = fileURLToPath(new URL('../captures/kvm', import.meta.url));

/** Longest that a command may take over files of this machine, in milliseconds: far below any of its deadlines. */
const BRISK_MS = 2500;

const folder = mkdtempSync(join(tmpdir(), 'bad-files-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Element {
  readonly domain: string;
  readonly 'collected-at'?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

function fileOf(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

const good = fileOf('good.bin', plainFile());

/** Queries one bad file beside a good one. */
async function besideGood(path: string): Promise<{ readonly run: Run; readonly elements: readonly Element[] }> {
  const startMs = performance.now();
  const run = await virtstat('-c', `kvm+file:${path}`, '-c', `kvm+file:${good}`, 'query', 'vm', '--json');
  expect(performance.now() - startMs).toBeLessThan(BRISK_MS);
  return { run, elements: JSON.parse(run.stdout) as Element[] };
}

/** The values of the good one are there, and one line says what is wrong with the other. */
async function expectOneError(path: string, code: RegExp): Promise<void> {
  const { run, elements } = await besideGood(path);
  expect(run.status).toBe(0);
  expect(run.stderr).toMatch(/^virtstat: [^\n]+\n$/);
  const [values, failure, ...others] = elements;
  expect(values).toMatchObject({ domain: 'kvm-7', via: 'kvm-file' });
  expect(failure?.error?.code).toMatch(code);
  expect(failure?.error?.message).toContain(path);
  expect(others).toEqual([]);
}

describe('a stats file that lies', () => {
  it('is an error of its own, each beside all others and the good one', async () => {
    const files = hostileFiles();
    const uris = files.flatMap(({ name, bytes }) => ['-c', `kvm+file:${fileOf(name, bytes)}`]);
    const run = await virtstat(...uris, '-c', `kvm+file:${good}`, 'query', 'vm', '--json');
    const elements = JSON.parse(run.stdout) as Element[];
    expect(run.status).toBe(0);
    expect(elements).toHaveLength(files.length + 1);
    expect(elements[0]).toMatchObject({ domain: 'kvm-7', stats: [{ name: 'first', value: 7 }, { name: 'second' }] });
    for (const [index, { name, code }] of files.entries()) {
      const { domain, error } = elements[index + 1]!;
      expect([domain, error?.code]).toEqual([`kvm+file:${join(folder, name)}`, expect.stringMatching(code)]);
      expect(error?.message).toContain(join(folder, name));
    }
    expect(run.stderr.match(/^virtstat: [^\n]+$/gm)).toHaveLength(files.length);
    expect(run.stderr.split('\n')).toHaveLength(files.length + 1);
  });

  it('is refused wherever it is cut', async () => {
    const whole = readFileSync(join(CAPTURES, 'lab-vm.t2.bin'));
    for (let sizeBytes = 0; sizeBytes < whole.length; sizeBytes += 8) {
      const path = fileOf('cut.bin', whole.subarray(0, sizeBytes));
      await using host = await openHere(`kvm+file:${path}`);
      const [answer] = await host.registry.query({ target: 'vm' });
      expect(answer?.errors.map(({ code }) => code)).toEqual(['STATS_FILE_TRUNCATED']);
    }
  });

  it('never crashes or delays, whatever bytes of a real one are changed', async () => {
    const captures = ['lab-vm.t2.bin', 'lab-vcpu0.t2.bin'].map((name) => readFileSync(join(CAPTURES, name)));
    const path = join(folder, 'changed.bin');
    // The header and the numbers of descriptors are where a change tells.
    const place = fc.oneof(
      fc.nat(23),
      fc.tuple(fc.nat(44), fc.nat(15)).map(([index, at]) => 72 + index * 64 + at),
      fc.nat(4095),
    );
    const change = fc.tuple(place, fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)));
    await fc.assert(
      fc.asyncProperty(fc.nat(1), fc.array(change, { minLength: 1, maxLength: 6 }), async (which, changes) => {
        const bytes = Uint8Array.from(captures[which]!);
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        writeFileSync(path, bytes);
        await using host = await openHere(`kvm+file:${path}`);
        for (const target of ['vm', 'vcpu']) {
          const [answer, ...others] = await host.registry.query({ target });
          expect(others).toEqual([]);
          for (const { code } of answer?.errors ?? []) expect(code).toMatch(/^STATS_FILE_/);
          for (const { value } of answer?.items.flatMap(({ stats }) => stats) ?? []) {
            expect(typeof value === 'boolean' || [value].flat().every((one) => typeof one === 'bigint')).toBe(true);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

async function openHere(uri: string) {
  const registry = await open(uri);
  return { registry, [Symbol.asyncDispose]: () => registry.close() };
}

describe('what is no ordinary file', () => {
  it('a named pipe is refused at once', async () => {
    const path = join(folder, 'pipe');
    execFileSync('mkfifo', [path]);
    await expectOneError(path, /^STATS_FILE_UNREADABLE$/);
  });

  it.each([['/dev/zero'], ['/dev/null']])('%s is refused at once', async (path) => {
    await expectOneError(path, /^STATS_FILE_UNREADABLE$/);
  });

  it('a file of a gigabyte is refused unread', async () => {
    const path = fileOf('sparse', new Uint8Array(0));
    truncateSync(path, 2 ** 30);
    await expectOneError(path, /^STATS_FILE_TOO_LARGE$/);
  });

  it('a file of the kernel that announces nothing and has no end is given up at the bound', async () => {
    await expectOneError('/proc/self/pagemap', /^STATS_FILE_(TOO_LARGE|UNREADABLE)$/);
  });

  it('a file of the kernel that waits for news neither delays nor outlives the command', async (context) => {
    if (spawnSync('test', ['-r', '/proc/kmsg']).status !== 0) return context.skip('/proc/kmsg may not be read here');
    const { run } = await besideGood('/proc/kmsg');
    expect(run.status).toBe(0);
  });

  it('a path that is not there, and one through a file', async () => {
    await expectOneError(join(folder, 'absent'), /^PATH_NOT_FOUND$/);
    await expectOneError(join(good, 'below'), /^PATH_NOT_FOUND$/);
  });

  it('an empty directory holds no stats file', async () => {
    const path = join(folder, 'empty');
    mkdirSync(path);
    await expectOneError(path, /^STATS_FILE_INVALID$/);
  });
});

describe('a directory of good and bad files', () => {
  it('gives what is good and names what is broken; what is no stats file is passed over', async () => {
    const mixed = join(folder, 'mixed');
    mkdirSync(join(mixed, 'below'), { recursive: true });
    writeFileSync(join(mixed, 'fine-vm.bin'), plainFile());
    writeFileSync(join(mixed, 'cut-vm.bin'), plainFile().subarray(0, 100));
    writeFileSync(join(mixed, 'notes.txt'), 'not a stats file, though longer than a header\n');
    execFileSync('mkfifo', [join(mixed, 'pipe')]);
    execFileSync('ln', ['-s', 'loop', join(mixed, 'loop')]);
    execFileSync('ln', ['-s', '/proc/self/pagemap', join(mixed, 'endless')]);
    const run = await virtstat('-c', `kvm+file:${mixed}`, 'query', 'vm', '--json');
    expect(run.status).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject([
      { domain: 'fine', provider: 'kvm' },
      { domain: 'cut-vm', error: { code: 'STATS_FILE_TRUNCATED' } },
    ]);
    expect(run.stderr).toMatch(/^virtstat: [^\n]+cut-vm[^\n]+\n$/);
  });

  it('keeps a file name with escape sequences off the terminal', async () => {
    const hostile = join(folder, 'hostile');
    mkdirSync(hostile);
    writeFileSync(join(hostile, 'a\u001b[2J\nb-vm.bin'), plainFile().subarray(0, 100));
    writeFileSync(join(hostile, 'c\u001b]0;x\u0007-vm.bin'), plainFile());
    for (const verb of [['query', 'vm'], ['list'], ['schemas'], ['info', 'stats', 'vm'], ['query', 'vm', 'nope']]) {
      const { stdout, stderr } = await virtstat('-c', `kvm+file:${hostile}`, ...verb);
      expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
      expect(stderr).toMatch(/^(virtstat: [^\n]+\n)+$/);
    }
    const domain = 'c\u001b]0;x\u0007';
    const launcher = ['sh', '-c', 'echo info name | "$@"', 'sh'];
    const { stdout } = await virtstatUnder(launcher, '-c', `kvm+file:${hostile}`, 'monitor', '--domain', domain);
    expect(stdout).toBe('c\\x1b]0;x\\x07\n');
  });
});

describe('the time of a file', () => {
  it.each([
    ['1960-01-01 00:00:00.5Z', '1960-01-01T00:00:00.500000000Z'],
    ['2100-01-01 00:00:00Z', '2100-01-01T00:00:00.000000000Z'],
  ])('%s is written as RFC 3339 has it', async (date, expected) => {
    const path = fileOf('dated.bin', plainFile());
    // The platform's own call takes no time before 1970.
    execFileSync('touch', ['-d', date, path]);
    const { elements } = await besideGood(path);
    expect(elements.map((element) => element['collected-at'])).toContain(expected);
  });
});

it('a file that may not be read is one error of a user without rights', async (context) => {
  const objection = await objectionToNobody();
  if (objection !== undefined) return context.skip(objection);
  const path = fileOf('secret.bin', plainFile());
  chmodSync(path, 0o600);
  chmodSync(folder, 0o755);
  const run = await asNobody('-c', `kvm+file:${path}`, '-c', `kvm+file:${good}`, 'query', 'vm', '--json');
  expect(run.status).toBe(0);
  expect(JSON.parse(run.stdout)).toMatchObject([{ domain: 'kvm-7' }, { error: { code: 'ACCESS_DENIED' } }]);
  expect(run.stderr).toMatch(/^virtstat: [^\n]+secret\.bin[^\n]+\n$/);
});
