import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
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
});
