import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Recording } from '../src/history/recording.ts';
import { virtstat, virtstatJson } from './lab/cli.ts';
import { DaemonProcess } from './lab/daemon.ts';
import { FreshCaptures } from './lab/fresh-captures.ts';

const VCPUS = 2;
const TOUCH_MS = 100;
const WHILE_MS = 1500;
/** What takes a minute of recording. */
const MINUTE_LIMIT_MS = 100_000;

let folder: string;
let captures: FreshCaptures;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vs-rec-'));
  captures = new FreshCaptures(join(folder, 'vms'), { domains: ['lab.t0'], everyMs: TOUCH_MS });
});
afterEach(() => {
  captures[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const pathOf = (name: string): string => join(folder, name);

function rule(stats: readonly string[], directory: string, more = ''): string {
  return `[[record]]\nstats = ${JSON.stringify(stats)}\nevery = "200ms"\ndirectory = "${pathOf(directory)}"\n${more}\n`;
}

function write(rules: string): void {
  const common = [`connect = ["${captures.uri}"]`, `runtime-dir = "${folder}/run"`, 'faces = ["varlink"]'];
  writeFileSync(pathOf('virtstat.toml'), `${common.join('\n')}\ndiscovery-interval = "200ms"\n${rules}`);
}

const start = (): Promise<DaemonProcess> => DaemonProcess.ready('--config', pathOf('virtstat.toml'));

async function reload(daemon: DaemonProcess, rules: string, times = 1): Promise<void> {
  write(rules);
  daemon.child.kill('SIGHUP');
  expect(await daemon.said('reloaded the configuration', times)).toMatchObject({ changed: ['record'] });
}

function segmentsOf(directory: string): readonly string[] {
  return existsSync(pathOf(directory))
    ? readdirSync(pathOf(directory)).filter((name) => name.endsWith('.parquet'))
    : [];
}

/** The names of the stats, and the number of samples of one of them, of a recording. */
async function recorded(directory: string): Promise<Readonly<Record<string, number>>> {
  await using recording = await Recording.open(pathOf(directory));
  const series = await recording.read({});
  return Object.fromEntries(series.map(({ domain, stat, values }) => [`${domain.name} ${stat.name}`, values.length]));
}

describe('a daemon that records', () => {
  it(
    'follows its rules through a reload, forgets what is old, and goes on after SIGKILL',
    async () => {
      const keep = 'keep-age = "1m"';
      write(rule(['exits'], 'd', keep));
      await using daemon = await start();
      await daemon.said('recording');
      await sleep(WHILE_MS);
      await reload(daemon, '');
      expect(await daemon.said('stopped recording')).toMatchObject({ directory: pathOf('d'), lostCount: 0 });
      expect(Object.keys(await recorded('d'))).toEqual(['lab.t0 exits']);
      const [first = ''] = segmentsOf('d');
      await sleep(WHILE_MS);
      await reload(daemon, rule(['vcpu/halt_exits'], 'd', keep), 2);
      await daemon.said('recording', 2);

      // A minute later the first segment is older than that.
      await expect
        .poll(() => segmentsOf('d').filter((name) => name !== first), { timeout: 75_000, interval: 200 })
        .toHaveLength(1);
      await expect.poll(() => segmentsOf('d'), { timeout: 5000 }).not.toContain(first);
      expect(await daemon.end('SIGKILL')).toBe('SIGKILL');
      const before = await recorded('d');
      expect(Object.keys(before)).toEqual(['lab.t0 halt_exits']);
      expect(before['lab.t0 halt_exits']).toBeGreaterThan(100);

      await using again = await start();
      await again.said('recording');
      await sleep(WHILE_MS);
      expect(await again.end('SIGTERM')).toBe(0);
      expect(again.lines.filter(({ level }) => level !== 'info')).toEqual([]);
      expect(segmentsOf('d')).toHaveLength(2);
      const after = await recorded('d');
      expect(after['lab.t0 halt_exits']).toBeGreaterThan(before['lab.t0 halt_exits']!);
      expect(await virtstat('plot', pathOf('d'), 'halt_exits')).toMatchObject({ status: 0, stderr: '' });
      expect(await virtstatJson('-c', `replay:${pathOf('d')}?from=end`, 'query', 'vcpu')).toHaveLength(VCPUS);
    },
    MINUTE_LIMIT_MS,
  );

  it('keeps as much as it may, and the newest always', async () => {
    write(rule(['exits'], 'd', 'keep-size = "1B"'));
    await using daemon = await start();
    for (const times of [1, 2, 3]) {
      await daemon.said('recording', times);
      await sleep(WHILE_MS);
      // Each time another rule for the same place, so that what is open is written.
      await reload(
        daemon,
        rule(['exits', `vcpu/halt_${['exits', 'wakeup', 'poll_fail_ns'][times - 1]}`], 'd', 'keep-size = "1B"'),
        times,
      );
      await daemon.said('stopped recording', times);
      expect(segmentsOf('d')).toEqual([expect.stringMatching(new RegExp(`^0000000${times}-`))]);
    }
  });

  it('says what it cannot record, records it when it comes, and lets no recording harm another', async () => {
    writeFileSync(pathOf('taken'), '');
    rmSync(pathOf('vms'), { recursive: true });
    mkdirSync(pathOf('vms'));
    write(rule(['vcpu/exits'], 'good') + rule(['*'], 'taken') + rule(['exits'], 'good'));
    await using daemon = await start();
    const problems = (): readonly unknown[] => daemon.lines.filter(({ msg }) => msg === 'a recording has a problem');
    await expect.poll(problems, { timeout: 10_000 }).toHaveLength(2);
    expect(problems()).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ directory: pathOf('taken'), code: 'RECORDING_INVALID' }),
        expect.objectContaining({ code: 'ADDRESS_IN_USE', reason: expect.stringContaining(`${daemon.child.pid}`) }),
      ]),
    );
    expect((await daemon.said('not recorded until a domain has it'))['reason']).toMatch(/"(vcpu|exits)"/);
    captures.add('lab.t1');
    await sleep(3 * WHILE_MS + 2500);
    expect(await daemon.end('SIGTERM')).toBe(0);
    expect((await recorded('good'))['lab.t1 exits']).toBeGreaterThan(3);
  });
});
