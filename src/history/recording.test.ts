import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Domain } from '../model/domain.ts';
import type { Sample, StatEntry } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import { U64_MAX } from '../model/u64.ts';
import { Recorder, type RecorderOptions } from './recorder.ts';
import { Recording } from './recording.ts';

const DOMAIN: Domain = { id: 'a-1', name: 'web-1', uuid: '00000000-0000-0000-0000-00000000000a', source: 'local:' };

const SCHEMA: Schema = {
  provider: 'kvm',
  target: 'vcpu',
  stats: [
    { name: 'exits', type: 'cumulative', exponent: 0, size: 1 },
    { name: 'halt_wait_ns', type: 'cumulative', unit: 'seconds', base: 10, exponent: -9, size: 1 },
    { name: 'guest_mode', type: 'instant', unit: 'boolean', exponent: 0, size: 1 },
    { name: 'halt_hist', type: 'linear-histogram', unit: 'seconds', base: 10, exponent: -9, bucketSize: 3, size: 3 },
  ],
};

const START_NS = 1_795_000_000_000_000_001n;

function sampleAt(second: number, path: string, stats: readonly StatEntry[]): Sample {
  const collectedAtNs = START_NS + BigInt(second) * 1_000_000_000n;
  return { domain: 'web-1', provider: 'kvm', target: 'vcpu', path, via: 'qmp', collectedAtNs, stats };
}

function statsAt(second: number): readonly StatEntry[] {
  return [
    { name: 'exits', value: U64_MAX - BigInt(second) },
    { name: 'halt_wait_ns', value: BigInt(second) },
    { name: 'guest_mode', value: second % 2 === 1 },
    { name: 'halt_hist', value: [0n, BigInt(second), U64_MAX] },
  ];
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-rec-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function recorder(path: string, options: Partial<RecorderOptions> = {}): Promise<Recorder> {
  return Recorder.open({
    path,
    everyMs: 1000,
    onProblem: (error) => {
      throw error;
    },
    ...options,
  });
}

async function record(into: Recorder, seconds: readonly number[], domain: Domain = DOMAIN): Promise<void> {
  for (const second of seconds) {
    const items = ['vcpu-0', 'vcpu-1'].map((path) => sampleAt(second, path, statsAt(second)));
    await into.add([{ domain, items }], () => SCHEMA);
  }
}

describe('a recording', () => {
  it('gives back every value and descriptor as it was', async () => {
    const path = join(folder, 'r.parquet');
    const writer = await recorder(path);
    await record(writer, [0, 1, 2]);
    await writer.close();
    expect(readdirSync(folder)).toContain('r.parquet');

    await using recording = await Recording.open(path);
    expect(recording.schemas).toEqual([SCHEMA]);
    expect(recording.domains).toEqual([DOMAIN]);
    expect(recording.span).toEqual({ startNs: START_NS, endNs: START_NS + 2_000_000_000n });
    const series = await recording.read({});
    expect(series.map(({ path, stat }) => [path, stat])).toEqual(
      ['vcpu-0', 'vcpu-1'].flatMap((object) => SCHEMA.stats.map((stat) => [object, stat])),
    );
    for (const [index, { timesNs, values }] of series.entries()) {
      expect(timesNs).toEqual([0n, 1n, 2n].map((second) => START_NS + second * 1_000_000_000n));
      expect(values).toEqual([0, 1, 2].map((second) => statsAt(second)[index % 4]!.value));
    }
  });

  it('makes a row group of each minute, and goes on beside what is there', async () => {
    const path = join(folder, 'r.parquet');
    for (const run of [0, 1]) {
      const writer = await recorder(path, { minuteMs: 1 });
      for (const second of [0, 1, 2]) {
        await record(writer, [run * 3 + second]);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      await writer.close();
      expect(readdirSync(folder)).toEqual(['r.parquet']);
    }
    await using recording = await Recording.open(path);
    expect(recording.segments.map(({ rowCount, rowGroupCount }) => [rowCount, rowGroupCount])).toEqual([[12, 6]]);
    const [exits] = await recording.read({ names: ['exits'], paths: ['vcpu-0'] });
    expect(exits?.values).toEqual([0, 1, 2, 3, 4, 5].map((second) => U64_MAX - BigInt(second)));
  });

  it('is filled while the minute before is written, and loses neither', async () => {
    const directory = join(folder, 'd');
    const writer = await recorder(directory, { minuteMs: 1 });
    let second = 0;
    // Until some were written, however busy the machine is.
    for (; second < 400 || writer.progress.segmentCount < 4; second++) {
      const items = ['a', 'b', 'c', 'd'].map((target) => ({ ...sampleAt(second, 'vcpu-0', statsAt(second)), target }));
      await writer.add([{ domain: DOMAIN, items }], (_, { target }) => ({ ...SCHEMA, target }));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await writer.close();
    expect(writer.progress).toMatchObject({ sweepCount: second, sampleCount: 4 * second, lostCount: 0 });
    await using recording = await Recording.open(directory);
    const [exits] = await recording.read({ names: ['exits'] });
    expect(exits?.values).toEqual(Array.from({ length: second }, (_, index) => U64_MAX - BigInt(index)));
  });

  it('is not begun in a directory that is not there', async () => {
    for (const name of ['r.parquet', 'd']) {
      await expect(recorder(join(folder, 'mistyped', name))).rejects.toMatchObject({
        code: 'RECORDING_FAILED',
        message: expect.stringContaining('is not there; make it'),
      });
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  it('has all minutes but the open one when nobody closes it', async () => {
    const path = join(folder, 'r.parquet');
    const killed = await recorder(path, { minuteMs: 1 });
    await record(killed, [0]);
    await new Promise((resolve) => setTimeout(resolve, 600));
    await record(killed, [1]);
    await using recording = await Recording.open(path);
    expect(recording.span).toEqual({ startNs: START_NS, endNs: START_NS });
    await expect(recorder(path)).rejects.toMatchObject({ code: 'ADDRESS_IN_USE' });
    await killed.close();
    await recording.refresh();
    expect(recording.span.endNs).toBe(START_NS + 1_000_000_000n);
  });

  it('goes on as one series when its domain is renamed, and when the clock goes back', async () => {
    const writer = await recorder(join(folder, 'd'));
    await record(writer, [10, 11]);
    await record(writer, [12], { ...DOMAIN, name: 'web-2' });
    await record(writer, [5], { ...DOMAIN, name: 'web-2' });
    await writer.close();
    await using recording = await Recording.open(join(folder, 'd'));
    expect(recording.domains.map(({ name }) => name)).toEqual(['web-2']);
    const [series] = await recording.read({ domains: ['web-1'], names: ['halt_wait_ns'] });
    expect(series?.values).toEqual([5n, 10n, 11n, 12n]);
    expect(recording.segments).toHaveLength(2);
  });

  it('is refused where it is cut anywhere, and costs other segments nothing', async () => {
    const directory = join(folder, 'd');
    for (const second of [0, 1]) {
      const writer = await recorder(directory);
      await record(writer, [second]);
      await writer.close();
    }
    const [first = ''] = readdirSync(directory).filter((name) => name.endsWith('.parquet'));
    const bytes = readFileSync(join(directory, first));
    for (let size = 0; size < bytes.length; size += 397) {
      writeFileSync(join(directory, first), bytes.subarray(0, size));
      await using recording = await Recording.open(directory);
      expect(recording.unusable).toMatchObject([{ error: { code: 'RECORDING_INVALID' } }]);
      expect((await recording.read({ names: ['exits'], paths: ['vcpu-0'] })).map(({ values }) => values)).toEqual([
        [U64_MAX - 1n],
      ]);
    }
  });

  it('is no less than it is where its path has a word of the engine', async () => {
    const directory = join(folder, 'interrupted');
    for (const second of [0, 1]) {
      const writer = await recorder(directory);
      await record(writer, [second]);
      await writer.close();
    }
    const [first = ''] = readdirSync(directory).filter((name) => name.endsWith('.parquet'));
    writeFileSync(join(directory, first), 'no Parquet at all');
    await using recording = await Recording.open(directory);
    expect(recording.unusable).toMatchObject([{ isDamaged: true, error: { code: 'RECORDING_INVALID' } }]);
    expect(recording.segments).toHaveLength(1);
  });

  it('keeps no more than it is to, and the newest always', async () => {
    const directory = join(folder, 'd');
    const writer = await recorder(directory, { minuteMs: 1, retention: { sizeBytes: 1 } });
    for (const second of [0, 1, 2]) {
      await record(writer, [second]);
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    await writer.close();
    await using recording = await Recording.open(directory);
    expect(recording.span).toEqual({ startNs: START_NS + 2_000_000_000n, endNs: START_NS + 2_000_000_000n });
  });
});
