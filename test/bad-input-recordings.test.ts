import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeMonitor } from '../src/testing.ts';
import { virtstat, virtstatJson, virtstatUnder } from './lab/cli.ts';
import { exitsAt, writeRecording } from './lab/recording.ts';

const CAPTURES = `kvm+file:${fileURLToPath(new URL('../captures/kvm', import.meta.url))}`;
const U64_MAX = (1n << 64n) - 1n;
const ONE_LINE = /^virtstat: [^\n]+\n$/;
const HOUR_MS = 3_600_000;

let folder: string;
const pathOf = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'bad-rec-'));
  await writeRecording(pathOf('good.parquet'), 10, [{ name: 'web-1' }]);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Element {
  readonly 'collected-at': string;
  readonly stats: readonly { readonly name: string; readonly value: unknown }[];
}

describe('a recording that is cut', () => {
  const fractions = [0, 0.01, 0.3, 0.6, 0.9, 0.99];

  it.each(fractions)('to %d of itself is refused in one line by all that read or write it', async (fraction) => {
    const bytes = readFileSync(pathOf('good.parquet'));
    const path = pathOf('cut.parquet');
    writeFileSync(path, bytes.subarray(0, Math.floor(bytes.length * fraction)));
    for (const args of [
      ['plot', path, 'exits'],
      ['-c', `replay:${path}`, 'query', 'vcpu'],
      ['-c', CAPTURES, 'record', 'exits', '--for', '1s', '-o', path],
    ]) {
      const run = await virtstat(...args);
      expect(run).toMatchObject({ status: 1, stdout: '', stderr: expect.stringMatching(ONE_LINE) });
      expect(run.stderr).toContain(`${path} is cut or damaged: `);
    }
    // What is there is nobody's to remove.
    expect(readFileSync(path)).toEqual(bytes.subarray(0, Math.floor(bytes.length * fraction)));
  });

  it('costs a directory that segment alone, which is said', async () => {
    const directory = pathOf('parts');
    for (const last of [10, 20]) await writeRecording(directory, last, [{ name: 'web-1' }]);
    const [first = ''] = readdirSync(directory).filter((name) => name.endsWith('.parquet'));
    const path = join(directory, first);
    writeFileSync(path, readFileSync(path).subarray(0, 1000));
    const plot = await virtstat('plot', directory, 'exits');
    expect(plot).toMatchObject({ status: 0, stderr: expect.stringMatching(ONE_LINE) });
    expect(plot.stdout).toContain('/cpu/1  last 30/s, min 30/s, max 30/s');
    const replay = await virtstat('-c', `replay:${directory}?from=end`, 'query', 'vcpu', '--json');
    expect(replay).toMatchObject({ status: 0, stderr: expect.stringMatching(ONE_LINE) });
    expect(replay.stdout).toContain(`{"name":"exits","value":${exitsAt(0, 20)}}`);
  });
});

describe('a VM', () => {
  it('all of whose values are the largest there are is recorded, played and drawn', async () => {
    const stats = [
      { name: 'exits', type: 'cumulative', exponent: 0 },
      { name: 'waits', type: 'log2-histogram', unit: 'seconds', base: 10, exponent: -9 },
      { name: 'held', type: 'instant', unit: 'bytes', exponent: 0 },
      { name: 'most', type: 'peak', exponent: 0 },
    ];
    const values = stats.map(({ name }) => ({ name, value: name === 'waits' ? Array(4).fill(U64_MAX) : U64_MAX }));
    await using monitor = await FakeMonitor.listen({
      name: 'max',
      path: pathOf('max.qmp'),
      schemas: [{ provider: 'kvm', target: 'vcpu', stats }],
      results: { vcpu: [{ provider: 'kvm', path: '/cpu/0', stats: values }] },
    });
    const output = pathOf('max.parquet');
    const run = await virtstat('-c', monitor.uri, 'record', 'vcpu/*', '--every', '200ms', '--for', '1s', '-o', output);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const [element] = (await virtstatJson('-c', `replay:${output}`, 'query', 'vcpu')) as readonly Element[];
    expect(element?.stats).toEqual(values);
    const plot = await virtstat('plot', output, 'vcpu/*');
    expect(plot).toMatchObject({ status: 0, stderr: '' });
    expect(plot.stdout).toContain('last 16 EiB, min 16 EiB, max 16 EiB');
    expect(plot.stdout).toContain('last 0/s, min 0/s, max 0/s');
    expect(await virtstat('plot', output, 'vcpu/*', '--svg', pathOf('max.svg'))).toMatchObject({ status: 0 });
    const top = ['top', '--batch', '-n', '1', '-d', '0.2', '--columns', 'kvm:held,kvm:exits,kvm:most'];
    expect((await virtstat('-c', monitor.uri, ...top)).stdout).toMatch(/^max +16Ei +0 +18\.4E$/m);
  });

  it('that comes back under another name goes on with its series', async () => {
    const startMs = Date.now();
    const renamed = { value: false };
    let asked = 0;
    await using monitor = await FakeMonitor.listen({
      get name() {
        return renamed.value ? 'after' : 'before';
      },
      uuid: '00000000-0000-0000-0000-00000000000a',
      path: pathOf('renamed.qmp'),
      schemas: [{ provider: 'kvm', target: 'vcpu', stats: [{ name: 'exits', type: 'cumulative', exponent: 0 }] }],
      results: {
        get vcpu() {
          asked++;
          const stats = [{ name: 'exits', value: BigInt(Date.now() - startMs) }];
          return [{ provider: 'kvm', path: '/cpu/0', stats }];
        },
      },
    });
    const output = pathOf('renamed.parquet');
    const args = ['record', 'vcpu/exits', '--every', '200ms', '--for', '8s', '-o', output];
    const running = virtstat('-c', monitor.uri, ...args);
    await expect.poll(() => asked).toBeGreaterThan(3);
    renamed.value = true;
    monitor.disconnect();
    expect(await running).toMatchObject({ status: 0 });
    const names = (await virtstatJson('-c', `replay:${output}?from=end`, 'list')) as readonly {
      readonly name: string;
    }[];
    expect(names.map(({ name }) => name)).toEqual(['after']);
    // By either name all of it is there, in one line.
    for (const name of ['before', 'after']) {
      const plot = await virtstat('plot', output, 'exits', '--domain', name);
      expect(plot).toMatchObject({ status: 0, stderr: '' });
      expect(plot.stdout.match(/ last .*, min .*, max /g)).toHaveLength(1);
      expect(plot.stdout).toContain('after /cpu/0  last ');
    }
  });
});

describe('a clock that goes back', () => {
  it('in mid-recording costs no value, and readers have all in the order of time', async () => {
    const mark = pathOf('back');
    let asked = 0;
    await using monitor = await FakeMonitor.listen({
      name: 'back',
      path: pathOf('back.qmp'),
      schemas: [{ provider: 'kvm', target: 'vcpu', stats: [{ name: 'now', type: 'instant', exponent: 0 }] }],
      results: {
        get vcpu() {
          if (++asked === 6) writeFileSync(mark, '');
          return [{ provider: 'kvm', path: '/cpu/0', stats: [{ name: 'now', value: BigInt(Date.now()) }] }];
        },
      },
    });
    const output = pathOf('back.parquet');
    // The system's clock is set back by an hour, as far as the recorder can see.
    const isBack = `existsSync(${JSON.stringify(mark)})`;
    const set = `import{existsSync}from'node:fs';const now=Date.now;Date.now=()=>now()-(${isBack}?${HOUR_MS}:0)`;
    const launcher = ['env', `NODE_OPTIONS=--import=data:text/javascript,${encodeURIComponent(set)}`];
    const args = ['record', 'vcpu/now', '--every', '200ms', '--for', '4s', '-o', output];
    const run = await virtstatUnder(launcher, '-c', monitor.uri, ...args);
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const [, samples] = /, (\d+) samples, /.exec(run.stdout) ?? [];
    expect(Number(samples)).toBeGreaterThan(8);
    const at = async (moment: string): Promise<number> => {
      const [element] = (await virtstatJson(
        '-c',
        `replay:${output}?from=${moment}`,
        'query',
        'vcpu',
      )) as readonly Element[];
      return Date.parse(element!['collected-at']);
    };
    const spanMs = (await at('end')) - (await at('start'));
    expect(spanMs).toBeGreaterThan(HOUR_MS - 4000);
    expect(spanMs).toBeLessThan(HOUR_MS + 4000);
    const plot = await virtstat('plot', output, 'now');
    expect(plot).toMatchObject({ status: 0, stderr: '' });
    // The later half comes first, and ends with a gap of an hour.
    expect(plot.stdout).toContain('back /cpu/0  last ');
  });
});
