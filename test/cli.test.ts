import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import xterm from '@xterm/headless';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseInfoStats } from '../src/protocol/hmp/info-stats-parse.ts';
import { virtstat, virtstatJson } from './lab/cli.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = `${ROOT}bin/virtstat.cjs`;
const CAPTURES = ['-c', `kvm+file:${ROOT}captures/kvm`];
const NOBODY = ['-c', 'qmp+unix:/nonexistent.qmp'];
const DEADLINE_MS = 20_000;

const { Terminal } = xterm;

const folder = mkdtempSync(join(tmpdir(), 'virtstat-cli-'));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Element {
  readonly domain: string;
  readonly path?: string;
  readonly stats: readonly { readonly name: string; readonly value: unknown }[];
  readonly error?: { readonly code: string };
}

/** What lies beside a capture: the values that it has, in the file's order. */
function captured(name: string): { name: string; value: string | readonly string[]; size: number; unit: string }[] {
  return JSON.parse(readFileSync(`${ROOT}captures/kvm/${name}.json`, 'utf8')).stats;
}

interface Started {
  readonly stdin: NodeJS.WritableStream;
  /** Resolves once the output holds a text. */
  seen(text: string): Promise<void>;
  readonly ended: Promise<{ readonly status: number | null; readonly stdout: string }>;
  kill(signal: NodeJS.Signals): void;
}

/** Starts a program that runs until it is stopped; it does not outlive its test by more than the deadline. */
function start(program: string, args: readonly string[]): Started {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: DEADLINE_MS, killSignal: 'SIGKILL' });
  let stdout = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  return {
    stdin: child.stdin,
    seen: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!stdout.includes(text)) return;
          child.stdout.off('data', look);
          resolve();
        };
        child.stdout.on('data', look);
        child.on('close', () => resolve());
        look();
      }),
    ended: new Promise((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (status) => resolve({ status, stdout }));
    }),
    kill: (signal) => void child.kill(signal),
  };
}

describe('what is printed for programs', () => {
  it('query has every value of a capture, exactly and in its order', async () => {
    for (const [target, file, path] of [
      ['vm', 'lab-vm.t2', undefined],
      ['vcpu', 'lab-vcpu0.t2', 'vcpu-0'],
      ['vcpu', 'lab-vcpu1.t2', 'vcpu-1'],
    ] as const) {
      const elements = (await virtstatJson(...CAPTURES, 'query', target, '--domain', 'lab.t2')) as Element[];
      const element = elements.find((one) => one.path === path);
      const values = element?.stats.map(({ name, value }) => [
        name,
        Array.isArray(value) ? value.map(String) : typeof value === 'boolean' ? String(Number(value)) : String(value),
      ]);
      expect(values).toEqual(captured(file).map(({ name, value }) => [name, value]));
    }
  });

  it('query keeps the order of the schema, whatever the order of the names', async () => {
    const elements = (await virtstatJson(...CAPTURES, 'query', 'vm', 'pages_1g,pages_4k', 'kvm')) as Element[];
    expect(elements.map(({ domain }) => domain)).toEqual(['lab.t0', 'lab.t1', 'lab.t2']);
    for (const { stats } of elements) expect(stats.map(({ name }) => name)).toEqual(['pages_4k', 'pages_1g']);
  });

  it('query --path takes one object', async () => {
    const elements = (await virtstatJson(...CAPTURES, 'query', 'vcpu', 'exits', '--path', 'vcpu-1')) as Element[];
    expect(elements.map(({ path }) => path)).toEqual(['vcpu-1', 'vcpu-1', 'vcpu-1']);
  });

  it('schemas and list are documents', async () => {
    const schemas = (await virtstatJson(...CAPTURES, 'schemas', '--target', 'vcpu', '--domain', 'lab.t0')) as Element[];
    expect(schemas).toHaveLength(1);
    expect(schemas[0]?.stats).toContainEqual({ name: 'exits', type: 'cumulative', exponent: 0n });
    const list = await virtstatJson(...CAPTURES, 'list');
    expect(list).toMatchObject([{ name: 'lab.t0', vcpus: 2n }, { name: 'lab.t1' }, { name: 'lab.t2' }]);
    expect(await virtstatJson(...CAPTURES, 'list', '--domain', 'lab.t1')).toMatchObject([{ name: 'lab.t1' }]);
  });

  it('a failed domain stands beside the others', async () => {
    const { status, stdout, stderr } = await virtstat(...CAPTURES, ...NOBODY, 'query', 'vm', '--json');
    const elements = JSON.parse(stdout) as Element[];
    expect(status).toBe(0);
    expect(elements).toHaveLength(4);
    expect(elements.at(-1)?.error?.code).toBe('PATH_NOT_FOUND');
    expect(stderr).toMatch(/^virtstat: .*nonexistent\.qmp.*\n$/);
  });
});

describe('the text of QEMU’s monitor', () => {
  it('has the values of the capture', async () => {
    const { status, stdout } = await virtstat(...CAPTURES, 'info', 'stats', 'vcpu', '--domain', 'lab.t1', '--cpu', '0');
    const [result] = parseInfoStats(stdout, { target: 'vcpu' });
    expect(status).toBe(0);
    expect(result?.schema.provider).toBe('kvm');
    expect(result?.stats.map(({ name }) => name)).toEqual(captured('lab-vcpu0.t1').map(({ name }) => name));
  });

  it('names no provider where one was asked', async () => {
    const { stdout } = await virtstat(...CAPTURES, 'info', 'stats', 'vm', 'pages_4k', 'kvm', '--domain', 'lab.t0');
    expect(stdout).toBe('    pages_4k (instant): 0\n');
  });

  it('comes from a prompt that reads a pipe, without an echo', async () => {
    const session = start(process.execPath, [BIN, ...CAPTURES, 'monitor', '--domain', 'lab.t0']);
    session.stdin.end('cpu 1\ninfo stats vcpu exits\ninfo stats foo\nquit\ninfo name\n');
    expect(await session.ended).toEqual({
      status: 0,
      stdout: 'provider: kvm\n    exits (cumulative): 0\ninvalid stats target foo\n',
    });
  });

  it('a prompt ends with its input', async () => {
    const session = start(process.execPath, [BIN, ...CAPTURES, 'monitor', '--domain', 'lab.t0']);
    session.stdin.end('info name');
    expect(await session.ended).toEqual({ status: 0, stdout: 'lab.t0\n' });
  });
});

describe('what is wrong is said in one line, with the status for it', () => {
  it.each([
    [2, [...CAPTURES, 'query', 'vmm'], 'no target is named "vmm"; did you mean vm?'],
    [2, [...CAPTURES, ...NOBODY, 'query', 'vmm'], 'no target is named "vmm"; did you mean vm?'],
    [2, [...CAPTURES, 'query', 'vcpu', 'exit'], 'exits'],
    [2, [...CAPTURES, 'query', 'vm', '*', 'kvn'], 'did you mean kvm?'],
    [2, [...CAPTURES, 'schemas', '--target', 'vmm'], 'did you mean vm?'],
    [2, [...CAPTURES, 'schemas', '--provider', 'kvn'], 'did you mean kvm?'],
    [2, [...CAPTURES, 'info', 'stats', 'vm'], 'lab.t0, lab.t1, lab.t2'],
    [2, [...CAPTURES, 'info', 'stats', 'vcpu', '--domain', 'lab.t0', '--cpu', '2'], 'invalid CPU index'],
    [2, [...CAPTURES, 'monitor'], '--domain'],
    [2, ['query'], "missing required argument 'target'"],
    [2, ['query', 'vm', '--jsn'], '--json'],
    [2, ['lst'], 'list'],
    [3, [...CAPTURES, 'list', '--domain', 'lab.tt1'], 'did you mean lab.t1'],
    [2, ['--timeout', '0', 'list'], 'whole number of milliseconds'],
    [2, ['query', 'vm', '--watch=x'], 'number of seconds'],
    [2, ['-c', 'nonsense', 'list'], 'nonsense'],
    [2, ['-c', 'telnet://x', 'list'], 'telnet'],
    [2, ['completion', 'powershell'], 'bash, zsh, fish'],
    [3, [...CAPTURES, 'query', 'vm', '--domain', 'lab.t9'], 'did you mean lab.t0, lab.t1, lab.t2?'],
    [3, [...CAPTURES, 'query', 'vcpu', '--path', 'vcpu-9'], 'did you mean vcpu-0, vcpu-1?'],
    [3, [...CAPTURES, 'query', 'vm', ''], 'vm'],
    [1, [...NOBODY, 'query', 'vm'], '/nonexistent.qmp'],
    [1, [...NOBODY, 'query', 'vm', 'x', '--json'], '/nonexistent.qmp'],
    [1, [...NOBODY, 'list'], '/nonexistent.qmp'],
    [1, [...NOBODY, 'schemas'], '/nonexistent.qmp'],
    [1, [...NOBODY, 'info', 'stats', 'vm'], '/nonexistent.qmp'],
  ])('%i for %j', async (status, args, said) => {
    const run = await virtstat(...args);
    expect(run.stderr).toMatch(/^virtstat: [^\n]+\n$/);
    expect(run.stderr).toContain(said);
    expect(run.status).toBe(status);
    if (!args.includes('--json')) expect(run.stdout).toBe('');
  });

  it('help goes to the standard output, and every verb has an example', async () => {
    const { stdout, status } = await virtstat('--help');
    expect(status).toBe(0);
    for (const verb of ['list', 'schemas', 'query', 'info', 'monitor', 'demo', 'completion']) {
      expect(stdout).toMatch(new RegExp(`^ {2}${verb}\\b`, 'm'));
      const help = await virtstat(...(verb === 'info' ? [verb, 'stats'] : [verb]), '--help');
      expect(help).toMatchObject({ status: 0, stderr: '' });
      expect(help.stdout).toMatch(/Examples?:\n {2}\S/);
    }
  });

  it('the version is that of the package', async () => {
    const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
    expect(await virtstat('--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('an old Node is told what to do', async (context) => {
    const old = '/usr/bin/node';
    const { stdout: version } = existsSync(old) ? spawnSync(old, ['-p', 'process.versions.node']) : { stdout: '' };
    const [major = 99] = String(version).split('.').map(Number);
    if (!(major < 22)) return context.skip('this machine has no Node older than 22 at /usr/bin/node');
    const run = spawnSync(old, [BIN, 'list'], { encoding: 'utf8' });
    expect(run.status).toBe(1);
    expect(run.stderr).toMatch(/^virtstat: this is Node [^\n]+ needs 22\.18[^\n]+\n$/);
  });
});

describe('output that cannot be written', () => {
  it('is a failure, said in one line', () => {
    const run = spawnSync('sh', ['-c', '"$0" "$@" > /dev/full', process.execPath, BIN, ...CAPTURES, 'query', 'vm'], {
      encoding: 'utf8',
      timeout: DEADLINE_MS,
    });
    expect(run.stderr).toMatch(/^virtstat: writing the output failed: ENOSPC[^\n]*\n$/);
    expect(run.status).toBe(1);
  });
});

describe('output of more than a pipe holds', () => {
  /** Twenty times what a pipe of Linux takes before somebody reads. */
  const VCPUS = 600;
  const many = join(folder, 'many');

  beforeAll(() => {
    mkdirSync(many);
    const file = readFileSync(`${ROOT}captures/kvm/lab-vcpu0.t0.bin`);
    for (let index = 0; index < VCPUS; index++) writeFileSync(join(many, `${index}.bin`), file);
  });

  const query = [process.execPath, `${ROOT}bin/virtstat.cjs`, '-c', `kvm+file:${many}`, 'query', 'vcpu', '--json'];

  it('comes whole, also to a reader that takes its time', () => {
    const script = 'set -o pipefail; "$0" "$@" | { sleep 1; cat; }';
    const { status, stdout } = spawnSync('bash', ['-c', script, ...query], { encoding: 'utf8', maxBuffer: 1 << 26 });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toHaveLength(VCPUS);
    expect(stdout.length).toBeGreaterThan(1_000_000);
  });

  it('is nobody’s loss where the reader has seen enough', () => {
    const script = 'set -o pipefail; "$0" "$@" | head -c 10';
    const { status, stderr } = spawnSync('bash', ['-c', script, ...query], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });

  it.each([['--help'], ['--version'], ['query', '--help'], ['completion', 'bash']])(
    'is nobody’s loss where nobody reads it: %s',
    (...args) => {
      // The reader is gone before anything is written.
      const script = 'set -o pipefail; { sleep 0.2; "$0" "$@"; } | true';
      const { status, stderr } = spawnSync('bash', ['-c', script, process.execPath, BIN, ...args], {
        encoding: 'utf8',
      });
      expect([status, stderr]).toEqual([0, '']);
    },
  );
});

describe('a watch', () => {
  it('prints a document on each line until it is interrupted, and that is success', async () => {
    const watch = start(process.execPath, [BIN, ...CAPTURES, 'query', 'vm', '--watch=0.05', '--json']);
    await watch.seen(']');
    await new Promise((resolve) => setTimeout(resolve, 300));
    watch.kill('SIGINT');
    const { status, stdout } = await watch.ended;
    const documents = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Element[]);
    expect(status).toBe(0);
    expect(documents.length).toBeGreaterThan(1);
    for (const document of documents) expect(document).toHaveLength(3);
  });

  it('ends quietly when its reader has seen enough', () => {
    const run = spawnSync(
      'sh',
      ['-c', `"$0" "$@" | head -n 1`, process.execPath, BIN, ...CAPTURES, 'query', 'vm', '--watch=0.01', '--json'],
      {
        encoding: 'utf8',
        timeout: DEADLINE_MS,
      },
    );
    expect(run.status).toBe(0);
    expect(run.stderr).toBe('');
    expect(JSON.parse(run.stdout)).toHaveLength(3);
  });

  it('is drawn in place on a terminal until q is pressed', async (context) => {
    if (!hasScript) return context.skip('script(1) is not installed');
    const { screen, isAlternate } = await onTerminal(
      [...CAPTURES, 'query', 'vm', 'pages_4k,pages_2m', '--domain', 'lab.t0', '--watch=0.1'],
      'pages_4k',
    );
    expect(screen).toEqual(['lab.t0  kvm vm (kvm-file)', '  pages_4k  0', '  pages_2m  0', 'status=0']);
    expect(isAlternate).toBe(false);
  });

  it('on a terminal ends with a signal as with q', async (context) => {
    if (!hasScript) return context.skip('script(1) is not installed');
    const watch = [...CAPTURES, 'query', 'vm', 'pages_4k', '--domain', 'lab.t0', '--watch=0.1'];
    const killed = ['timeout', '--foreground', '--preserve-status', '-s', 'TERM', '2'];
    const { screen } = await onTerminal(watch, 'status=', killed);
    expect(screen).toEqual(['lab.t0  kvm vm (kvm-file)', '  pages_4k  0', 'status=0']);
  });

  it('of the demo is a table, and the terminal afterwards as it was', async (context) => {
    if (!hasScript) return context.skip('script(1) is not installed');
    const { stdout, screen, isAlternate } = await onTerminal(['demo', '--vms', 'replay'], '/s');
    // The first sweep has no rates yet: what stands there afterwards was drawn over it.
    expect(stdout).toContain('nothing moves');
    expect(stdout).toContain('(q quits)');
    expect(stdout).toMatch(/replay #0 .*\d(\.\d+)?( k)?\/s/);
    expect(screen).toEqual(['status=0']);
    expect(isAlternate).toBe(false);
  });
});

/** The commands that docs/cli.md shows, each with what it prints there. */
function documentedExamples(): readonly (readonly [command: string, output: string])[] {
  const blocks = [...readFileSync(`${ROOT}docs/cli.md`, 'utf8').matchAll(/^```\n(.*?)^```$/gms)];
  const examples = blocks.flatMap(([, text = '']) => text.split(/^(?=\$ )/m)).filter((text) => text.startsWith('$ '));
  return examples.map((text) => {
    const end = text.indexOf('\n');
    return [text.slice(2, end), text.slice(end).trim()];
  });
}

describe('an example of docs/cli.md', () => {
  it.each(documentedExamples())('%s', (command, output) => {
    const withoutTimes = (text: string): string => text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME').trimEnd();
    const [shown = '', ...more] = output.split('\n…');
    const script = `virtstat() { '${process.execPath}' '${BIN}' "$@"; }; ${command}`;
    const run = spawnSync('bash', ['-c', `{ ${script}\n} 2>&1`], { encoding: 'utf8', cwd: ROOT, timeout: DEADLINE_MS });
    const printed = withoutTimes(run.stdout);
    if (output !== '') expect(more.length > 0 ? printed.slice(0, shown.length) : printed).toBe(withoutTimes(shown));
    else expect(run.status).toBe(0);
  });

  it('stands there for every command', () => {
    expect(documentedExamples().length).toBeGreaterThan(8);
  });
});

const hasScript = spawnSync('script', ['--version']).error === undefined;

interface Shown {
  readonly stdout: string;
  /** The lines that are on the screen at the end, without empty ones. */
  readonly screen: readonly string[];
  /** Whether the terminal was left on its alternate screen. */
  readonly isAlternate: boolean;
}

/**
 * Runs the program, behind another if one is given, on a terminal of its own, presses q once `text` was seen and some time has
 * passed, and looks at the screen.
 */
async function onTerminal(args: readonly string[], text: string, before: readonly string[] = []): Promise<Shown> {
  const words = [...before, process.execPath, BIN, ...args].map((word) => `'${word}'`).join(' ');
  const command = `stty cols 100 rows 24; TERM=xterm ${words}; echo status=$?; stty -a | grep -q ' icanon .* echo ' || echo raw`;
  const session = start('script', ['-qfec', command, '/dev/null']);
  await session.seen(text);
  await new Promise((resolve) => setTimeout(resolve, 500));
  session.stdin.write('q');
  const { stdout } = await session.ended;
  const terminal = new Terminal({ cols: 100, rows: 24, allowProposedApi: true });
  await new Promise<void>((resolve) => terminal.write(stdout, resolve));
  const { active } = terminal.buffer;
  const lines = Array.from({ length: active.length }, (_, row) => active.getLine(row)?.translateToString(true) ?? '');
  const isAlternate = active.type === 'alternate';
  terminal.dispose();
  return { stdout, screen: lines.filter((line) => line !== ''), isAlternate };
}

describe('completion', () => {
  it('of bash needs nothing but bash, and evaluates no name of a VM', async () => {
    const captures = join(folder, 'captures');
    const mark = join(folder, 'mark');
    mkdirSync(captures);
    const file = readFileSync(`${ROOT}captures/kvm/lab-vm.t0.bin`);
    for (const name of ['web-1', 'web-2', '$(echo > mark)']) {
      writeFileSync(join(captures, `${name}-vm.bin`), file);
    }
    const offered = async (line: string): Promise<readonly string[]> => {
      const lines = [
        `virtstat() { '${process.execPath}' '${BIN}' "$@"; }`,
        (await virtstat('completion', 'bash')).stdout,
        `COMP_LINE='${line}' COMP_POINT=${line.length}`,
        `_virtstat && printf '%s\\n' "\${COMPREPLY[@]}"`,
      ];
      const run = spawnSync('bash', ['--norc', '-c', lines.join('\n')], { encoding: 'utf8', cwd: folder });
      expect(run.stderr).toBe('');
      return run.stdout.trimEnd().split('\n');
    };
    expect(await offered('virtstat sch')).toEqual(['schemas']);
    expect(await offered('virtstat query vm --ra')).toEqual(['--rate']);
    expect(await offered('virtstat completion ')).toEqual(['bash', 'zsh', 'fish']);
    const connected = `virtstat -c kvm+file:${captures} query`;
    expect(await offered(`${connected} v`)).toEqual(['vm']);
    expect(await offered(`${connected} vm --domain `)).toEqual(['web-1', 'web-2']);
    expect(existsSync(mark)).toBe(false);
  });

  it.each(['bash', 'zsh', 'fish'])('has a script for %s', async (shell) => {
    const { status, stdout } = await virtstat('completion', shell);
    expect(status).toBe(0);
    expect(stdout).toContain('complete --');
    const script = join(folder, shell);
    writeFileSync(script, stdout);
    const check = spawnSync(shell, ['-n', script], { encoding: 'utf8' });
    // What is not installed cannot be asked; bash always is.
    if (check.error === undefined) expect(check).toMatchObject({ status: 0, stderr: '' });
  });

  it.each([
    [['sch'], ['schemas']],
    [['query', '--w'], ['--watch']],
    [['top', '--ba'], ['--batch']],
    [[...CAPTURES, 'top', '--columns', 'cpu,exi'], ['cpu,exits']],
    [[...CAPTURES, 'top', '--sort', 'de'], ['delay']],
    [
      [...CAPTURES, 'query', 'v'],
      ['vm', 'vcpu'],
    ],
    [[...CAPTURES, 'query', 'vm', 'pages_4k,pages_2'], ['pages_4k,pages_2m']],
    [
      [...CAPTURES, 'query', 'vm', '--domain', ''],
      ['lab.t0', 'lab.t1', 'lab.t2'],
    ],
    [[...CAPTURES, 'query', '--domain', 'lab.t0', 'vcpu', 'exi'], ['exits']],
    [[...CAPTURES, 'info', 'stats', 'vcpu', 'exi'], ['exits']],
    [[...NOBODY, 'query', 'v'], []],
  ])('of %j is %j', async (words, expected) => {
    const { stdout, stderr } = await virtstat('complete', '--', ...words);
    const offered = stdout.split('\n').filter((line) => line !== '' && !line.startsWith(':'));
    expect(offered.map((line) => line.split('\t')[0])).toEqual(expected);
    expect(stderr).toBe('');
  });
});
