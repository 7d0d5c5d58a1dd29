import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import xterm from '@xterm/headless';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { displayWidth } from '../src/cli/render/text.ts';
import { virtstat } from './lab/cli.ts';
import { guestRuns, hasKvm, startQemu, type Vm, whyNoVm } from './lab/qemu.ts';
import { RawQmp } from './lab/qmp.ts';
import { TmuxTerminal, whyNoTmux } from './lab/tmux.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = `${ROOT}bin/virtstat.cjs`;
const CAPTURES = ['-c', `kvm+file:${ROOT}captures/kvm`];
const SIZE = { columns: 100, rows: 24 };
const POLL = { timeout: 20_000, interval: 100 };
const SLOW_MS = 90_000;
const PREFIX = `top-${process.pid}`;
const DISK = [
  ...['-device', 'virtio-balloon-pci,id=balloon0', '-drive', 'driver=null-co,id=d1,if=none,read-zeroes=on'],
  ...['-device', 'virtio-blk-pci,drive=d1,id=disk1'],
];

let folder: string;
const vms: Vm[] = [];
/** Two that run, and a paused one with the kernel's statistics, where this machine can have them. */
let noVm: string | undefined;
const noKvm = whyNoVm({ accel: 'kvm', paused: true });

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-top-'));
  noVm = whyNoVm() ?? whyNoTmux();
  if (noVm !== undefined) return;
  for (const name of ['web-1', 'web-2']) {
    vms.push(await startQemu({ name: `${PREFIX}-${name}`, guest: true, qmp: 2, args: DISK }));
  }
  if (noKvm === undefined) {
    vms.push(await startQemu({ name: `${PREFIX}-kvm`, accel: 'kvm', paused: true, args: DISK }));
  }
}, SLOW_MS);

afterAll(async () => {
  await Promise.all(vms.map((vm) => vm.stop()));
  rmSync(folder, { recursive: true, force: true });
});

/** Words that start the program, here with what our VMs are called; they may stand behind others. */
function ours(...args: readonly string[]): readonly string[] {
  return [process.execPath, BIN, 'top', ...vms.flatMap(({ name }) => ['--domain', name]), ...args];
}

/** The row of a VM on the screen. */
function rowOf(terminal: TmuxTerminal, name: string): string {
  return terminal.lines().find((line) => line.slice(1).startsWith(`${PREFIX}-${name}`)) ?? '';
}

describe('top on a terminal', () => {
  it(
    'shows real VMs, sorts, filters, and goes down to one stat and back',
    async (context) => {
      if (noVm !== undefined) context.skip(noVm);
      using terminal = TmuxTerminal.open(ours('-d', '0.5'), SIZE);
      await expect
        .poll(() => rowOf(terminal, 'web-2'), POLL)
        .toMatch(/ running +\d+\.\d +\d+\.\d +(-|\d\S*) .* \d\.\ds/);
      expect(terminal.lines()[0]).toMatch(new RegExp(`^virtstat top .* ${vms.length} domains +every 0.5 s$`));
      terminal.press('N');
      await expect.poll(() => terminal.lines()[2], POLL).toMatch(/^ NAME↓/);
      const names = terminal
        .lines()
        .filter((line) => line.slice(1).startsWith(PREFIX))
        .map((line) => line.slice(1).split(' ')[0]);
      expect(names).toEqual(names.toSorted());
      terminal.press('/', 'web-2', 'Enter');
      await expect.poll(() => rowOf(terminal, 'web-1'), POLL).toBe('');
      terminal.press('Enter');
      await expect.poll(() => terminal.text, POLL).toMatch(/^ vcpu #1 +- +\d+\.\d +\d+\.\d/m);
      expect(terminal.text).toMatch(/^ block #0/m);
      terminal.press('Down', 'Down', 'Enter');
      await expect
        .poll(() => terminal.text, POLL)
        .toMatch(/^[ >]run_delay +\S+ \S+ +\S+ \S*s\/s +process +vcpu +cumulative/m);
      terminal.press('f', 'run_time', 'Enter', 'Enter');
      await expect.poll(() => terminal.text, POLL).toMatch(/^ vcpu #1 +\S+ \S*s +\S+ \S*s\/s/m);
      terminal.press('Left', 'Left', 'Left');
      await expect.poll(() => rowOf(terminal, 'web-2'), POLL).toMatch(/ running /);
      terminal.press('c', '?');
      await expect.poll(() => terminal.text, POLL).toContain('any key goes back');
      terminal.press('x');
      await expect.poll(() => rowOf(terminal, 'web-1'), POLL).toMatch(/ running /);
    },
    SLOW_MS,
  );

  it(
    'shows the kernel’s own stats with their units, also as a column, and histograms',
    async (context) => {
      if (noVm !== undefined || noKvm !== undefined) context.skip(noVm ?? noKvm ?? '');
      using terminal = TmuxTerminal.open(ours('--columns', 'exits,kvm:halt_wait_ns,kvm:guest_mode'), SIZE);
      await expect.poll(() => rowOf(terminal, 'kvm'), POLL).toMatch(/ +0 +0\.0 +no/);
      // These run with KVM where it is there, and have no such stats elsewhere.
      expect(rowOf(terminal, 'web-1')).toMatch(hasKvm() ? / +\d\S* +\d+\.\d +(yes|no)/ : / +- +- +-$/);
      expect(terminal.lines()[2]).toContain('halt_wait_ns%');
      terminal.press('g', 'kvm', 'Enter', 'Enter');
      await expect.poll(() => terminal.text, POLL).toMatch(/^ vcpu #0 /m);
      terminal.press('Down', 'Down', 'Down', 'Enter', 'f', 'halt_wait_hist', 'Enter', 'Enter');
      await expect.poll(() => terminal.text, POLL).toContain('0 values counted so far');
    },
    SLOW_MS,
  );

  it(
    'follows VMs that run under KVM from the busiest of them down to how long a vCPU sleeps',
    async (context) => {
      const reason = noVm ?? whyNoVm({ accel: 'kvm' });
      if (reason !== undefined) context.skip(reason);
      const [vm] = vms as [Vm];
      await guestRuns(vm);
      using terminal = TmuxTerminal.open(ours('-d', '0.5', '--sort', 'exits'), { columns: 80, rows: 24 });
      await expect.poll(() => rowOf(terminal, 'web-1'), POLL).toMatch(/ running +\d+\.\d +\d+\.\d +[1-9]\d*/);
      const head = terminal.lines()[2];
      terminal.press('<', '>', 'N', '>', 'g', vm.name, 'Enter', 'Enter');
      await expect.poll(() => terminal.text, POLL).toMatch(/^ vcpu \(2\) +- +- +\d+\.\d +[1-9]\d* /m);
      expect(head).toMatch(/EXITS\/s↓ /);
      terminal.press('Down', 'Down', 'Down', 'Enter', 'f', '^halt_', 'Enter');
      await expect.poll(() => terminal.text, POLL).toMatch(/^[ >]halt_wait_ns +\S+ m?s +[1-9]\S* \S*s\/s +kvm/m);
      terminal.press('f', '^halt_wait_hist$', 'Enter', 'Enter', 'o');
      await expect.poll(() => terminal.text, POLL).toMatch(/^ +[1-9]\d* values counted between the last two looks/m);
      expect(terminal.text).toMatch(/^ +p50 \[.*\).*\n.*p99\.9 \[/m);
      expect(terminal.text).toMatch(/^ +\[\S+ us, \S+ us\) +\d+ +█/m);
      terminal.press('Z');
      await expect.poll(() => terminal.lines()[0], POLL).toMatch(/> kvm halt_wait_hist +PAUSED$/);
      const before = terminal.lines()[3];
      terminal.press(' ');
      await expect.poll(() => terminal.lines()[3], POLL).not.toBe(before);
    },
    SLOW_MS,
  );

  it('shows a histogram as bars between bounds, with percentiles', { timeout: SLOW_MS }, async (context) => {
    if (noVm !== undefined) context.skip(noVm);
    const [vm] = vms as [Vm];
    const id = '/machine/peripheral/disk1/virtio-backend';
    const monitor = await RawQmp.open(vm.qmpPaths[1] ?? '');
    try {
      await monitor.execute('block-latency-histogram-set', { id, 'boundaries-read': [1, 1_000_000_000_000] });
      for (let count = 0; count < 5; count++) {
        const command = `qemu-io -d ${id} "aio_read ${count * 4096} 4096"`;
        await monitor.execute('human-monitor-command', { 'command-line': command });
      }
    } finally {
      monitor.close();
    }
    using terminal = TmuxTerminal.open([process.execPath, BIN, 'top', '--domain', vm.name, '-d', '0.5'], SIZE);
    await expect.poll(() => rowOf(terminal, 'web-1'), POLL).toMatch(/ running /);
    terminal.press('Enter');
    await expect.poll(() => terminal.text, POLL).toMatch(/^ block #1/m);
    terminal.press('End', 'Enter', 'f', 'rd_latency_histogram$', 'Enter', 'Enter');
    await expect.poll(() => terminal.text, POLL).toContain('5 values counted so far');
    expect(terminal.text).toMatch(/^ +p50 \[1 ns, 1000 s\) +p90 \[1 ns, 1000 s\)/m);
    expect(terminal.text).toMatch(/^ +\[1 ns, 1000 s\) +5 +█{20,}$/m);
  });

  it(
    'marks a VM that hangs, and loses one that goes, without harm to the others',
    async (context) => {
      if (noVm !== undefined) context.skip(noVm);
      const extra = await startQemu({ name: `${PREFIX}-gone`, guest: true, args: DISK });
      vms.push(extra);
      try {
        using terminal = TmuxTerminal.open(ours('-d', '0.5'), SIZE);
        await expect.poll(() => rowOf(terminal, 'gone'), POLL).toMatch(/ running +\d+\.\d /);
        process.kill(extra.pid, 'SIGSTOP');
        await expect.poll(() => rowOf(terminal, 'gone'), POLL).toMatch(/ \d+(\.\d)?s!/);
        expect(terminal.text).toMatch(new RegExp(`^${extra.name}: \\S+ old: .*no answer`, 'm'));
        await expect.poll(() => rowOf(terminal, 'web-1'), POLL).toMatch(/ [01]\.\ds( |$)/);
        await extra.stop();
        await expect.poll(() => rowOf(terminal, 'gone'), POLL).toBe('');
        expect(rowOf(terminal, 'web-1')).toMatch(/ running /);
      } finally {
        await extra.stop();
        vms.splice(vms.indexOf(extra), 1);
      }
    },
    SLOW_MS,
  );

  it(
    'fits a window that changes its size, and uses no colour where none is wanted',
    async (context) => {
      const reason = whyNoTmux();
      if (reason !== undefined) context.skip(reason);
      const command = [process.execPath, BIN, ...CAPTURES, 'top', '-d', '0.2'];
      using terminal = TmuxTerminal.open(command, { ...SIZE, environment: ['NO_COLOR=1'] });
      await expect.poll(() => terminal.text, POLL).toContain('>lab.t0');
      expect(terminal.lines(true).join('\n')).not.toContain('\u001b[');
      for (const [columns, rows] of [
        [40, 8],
        [200, 50],
        [80, 24],
      ] as const) {
        terminal.resize(columns, rows);
        const head = (): string => terminal.lines()[2] ?? '';
        await expect.poll(head, POLL).toMatch(columns > 100 ? /^ NAME.*BALLOON/ : /^ NAME(?!.*BALLOON)/);
        expect(terminal.lines().filter((line) => displayWidth(line) > columns)).toEqual([]);
        expect(terminal.text).toContain('>lab.t0');
      }
    },
    SLOW_MS,
  );
});

describe('the terminal', () => {
  /** Runs top behind a shell that says how it ended and what the terminal is like then. */
  function behindShell(node: readonly string[] = []): { readonly terminal: TmuxTerminal; readonly pidFile: string } {
    const pidFile = join(folder, 'pid');
    rmSync(pidFile, { force: true });
    const words = [process.execPath, ...node, BIN, ...CAPTURES, 'top', '-d', '0.2']
      .map((word) => `'${word}'`)
      .join(' ');
    const modes = `stty -a | grep -q ' icanon .* echo ' && echo cooked`;
    const script = `echo before; sh -c 'echo $$ > ${pidFile}; exec "$@"' sh ${words}; echo status=$?; ${modes}; sleep 60`;
    return { terminal: TmuxTerminal.open(['bash', '--norc', '-c', script], SIZE), pidFile };
  }

  const CRASH = 'data:text/javascript,setTimeout(()=>{throw(new(Error)("boom"))},5000)';

  /** What ends it, what the interpreter is told, and what stands on the terminal then. */
  const ENDS: readonly (readonly [what: string, node: readonly string[], shown: RegExp])[] = [
    ['q', [], /status=0/],
    ['Ctrl-C', [], /status=0/],
    ['SIGINT', [], /status=0/],
    ['SIGTERM', [], /status=0/],
    ['SIGHUP', [], /status=0/],
    ['a crash', ['--import', CRASH], /boom.*status=1/s],
  ];

  it.for(ENDS)('is as it was after %s', { timeout: SLOW_MS }, async ([what, node, status], context) => {
    const reason = whyNoTmux();
    if (reason !== undefined) context.skip(reason);
    const { terminal, pidFile } = behindShell(node);
    try {
      await expect.poll(() => terminal.text, POLL).toContain('>lab.t0');
      expect(terminal.modes).toEqual({ isAlternate: true, isCursorShown: false });
      if (what === 'q') terminal.press('q');
      else if (what === 'Ctrl-C') terminal.press('C-c');
      else if (what !== 'a crash') process.kill(Number(readFileSync(pidFile, 'utf8')), what as NodeJS.Signals);
      await expect.poll(() => terminal.text, POLL).toMatch(/^cooked$/m);
      expect(terminal.text).toMatch(status);
      expect(terminal.modes).toEqual({ isAlternate: false, isCursorShown: true });
      expect(terminal.text).toMatch(/^before/);
      expect(terminal.text).not.toContain('lab.t0 ');
    } finally {
      terminal.close();
    }
  });

  it(
    'of another kind shows the same: whole frames, one over the other, and nothing of them afterwards',
    async (context) => {
      if (spawnSync('script', ['--version']).error !== undefined) context.skip('script(1) is not installed');
      const words = [process.execPath, BIN, ...CAPTURES, 'top', '-n', '3', '-d', '0.2']
        .map((word) => `'${word}'`)
        .join(' ');
      const command = `stty cols 90 rows 20; TERM=xterm ${words}; echo status=$?`;
      const { stdout } = spawnSync('script', ['-qfec', command, '/dev/null'], { encoding: 'utf8', timeout: 30_000 });
      const linesAfter = async (text: string): Promise<readonly string[]> => {
        const terminal = new xterm.Terminal({ cols: 90, rows: 20, allowProposedApi: true });
        await new Promise<void>((resolve) => terminal.write(text, resolve));
        const { active } = terminal.buffer;
        const all = Array.from(
          { length: active.length },
          (_, row) => active.getLine(row)?.translateToString(true) ?? '',
        );
        terminal.dispose();
        return all.filter((line) => line !== '');
      };
      // Until the library leaves the screen of its own.
      const drawn = await linesAfter(stdout.slice(0, stdout.lastIndexOf('\u001b[?1049l')));
      expect(drawn.filter((line) => line.startsWith('virtstat top'))).toHaveLength(1);
      expect(drawn.filter((line) => /^[> ]lab\.t\d/.test(line))).toHaveLength(3);
      expect(await linesAfter(stdout)).toEqual(['status=0']);
    },
    SLOW_MS,
  );
});

describe('top without a terminal', () => {
  it('says what to do', async () => {
    const run = await virtstat(...CAPTURES, 'top');
    expect(run).toMatchObject({ status: 2, stdout: '' });
    expect(run.stderr).toMatch(/^virtstat: top draws on a terminal.*--batch -n.*\n$/);
  });

  it(
    'prints frames for scripts, every one with rates',
    async (context) => {
      if (noVm !== undefined) context.skip(noVm);
      const domains = vms.flatMap(({ name }) => ['--domain', name]);
      const run = await virtstat(
        'top',
        ...domains,
        '-b',
        '-n',
        '2',
        '-d',
        '0.5',
        '--columns',
        'cpu,delay',
        '--sort',
        'name',
      );
      expect(run).toMatchObject({ status: 0, stderr: '' });
      const frames = run.stdout.trimEnd().split('\n\n');
      expect(frames).toHaveLength(2);
      for (const frame of frames) {
        const [title, head, ...rows] = frame.split('\n');
        expect(title).toMatch(/^virtstat top /);
        expect(head).toMatch(/^NAME +CPU% +DELAY%$/);
        expect(rows).toHaveLength(vms.length);
        for (const row of rows) expect(row).toMatch(/^top-\S+ +\d+\.\d +\d+\.\d$/);
      }
    },
    SLOW_MS,
  );

  it.each([
    [['--columns', 'kvm:exist'], 2, /no stat is named "kvm:exist"; did you mean exits/],
    [['--sort', 'mem', '--columns', 'cpu'], 2, /--sort "mem" is none of the columns/],
    [['--filter', '('], 2, /no regular expression/],
    [['--domain', 'nobody'], 3, /no domain is named "nobody"/],
    [['-n', '0'], 2, /at least 1/],
  ])('refuses %j', async (args, status, message) => {
    const run = await virtstat(...CAPTURES, 'top', '--batch', ...args);
    expect(run.status).toBe(status);
    expect(run.stderr).toMatch(message);
  });
});
