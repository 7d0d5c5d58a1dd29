import { mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { OwnedFd } from '../../host/owned-fd.ts';
import { U64_MAX } from '../../model/u64.ts';
import { encodeStatsFile, type StatToEncode } from '../../protocol/kvm-stats/encode.ts';
import { MACHINE_BYTE_ORDER } from '../../protocol/kvm-stats/format.ts';
import { LayoutCache } from '../../protocol/kvm-stats/layout-cache.ts';
import { Sampler } from './sampler.ts';
import { StatsFile } from './stats-file.ts';

let folder: string;
const opened: StatsFile[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-sampler-'));
});

afterEach(() => {
  for (const file of opened.splice(0)) file.close();
  rmSync(folder, { recursive: true });
});

/** Writes the same file again with other values, in place: the descriptor stays good. */
function write(name: string, stats: readonly StatToEncode[]): void {
  writeFileSync(join(folder, name), encodeStatsFile({ id: 'kvm-1/vcpu-0', stats }));
}

function open(name: string, cache?: LayoutCache): StatsFile {
  const file = StatsFile.open(new OwnedFd(openSync(join(folder, name), 'r')), cache);
  opened.push(file);
  return file;
}

/** Two scalars around a histogram. */
function statsOf(first: bigint, last: bigint): readonly StatToEncode[] {
  return [
    { name: 'first', type: 'cumulative', values: [first] },
    { name: 'histogram', type: 'log2-histogram', values: [1n, 2n, 3n] },
    { name: 'last', type: 'instant', unit: 'boolean', values: [last] },
  ];
}

describe('Sampler', () => {
  it('says what changed since the sweep before, of every scalar', () => {
    write('a', statsOf(5n, 0n));
    write('b', [{ name: 'other', type: 'peak', values: [7n] }, ...statsOf(U64_MAX - 5n, 1n)]);
    const sampler = new Sampler([open('a'), open('b')]);
    sampler.sweep();
    expect([...sampler.deltas].every(Number.isNaN)).toBe(true);
    expect(sampler.intervalNs).toBeNaN();
    write('a', statsOf(8n, 1n));
    write('b', [{ name: 'other', type: 'peak', values: [6n] }, ...statsOf(U64_MAX, 0n)]);
    sampler.sweep();
    expect([...sampler.deltas]).toStrictEqual([3, 1, -1, 5, -1]);
    expect(sampler.scalars(1).map(({ name }) => name)).toStrictEqual(['other', 'first', 'last']);
    expect([sampler.firstDelta(0), sampler.firstDelta(1)]).toStrictEqual([0, 2]);
    expect(sampler.value(1, 1)).toBe(U64_MAX);
    expect(sampler.value(1, 3)).toBeUndefined();
    sampler.sweep();
    expect([...sampler.deltas]).toStrictEqual([0, 0, 0, 0, 0]);
    expect(sampler.intervalNs).toBeGreaterThan(0);
    expect(() => sampler.value(2, 0)).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it('is exact below 2^53 for all values', () => {
    const u64 = fc.bigInt({ min: 0n, max: U64_MAX });
    fc.assert(
      fc.property(u64, fc.bigInt({ min: -(2n ** 53n) + 1n, max: 2n ** 53n - 1n }), (start, change) => {
        const end = start + change < 0n || start + change > U64_MAX ? start - change : start + change;
        write('a', statsOf(start, 0n));
        const file = open('a');
        const sampler = new Sampler([file]);
        sampler.sweep();
        write('a', statsOf(end, 0n));
        sampler.sweep();
        file.close();
        expect(BigInt(sampler.deltas[0]!)).toBe(end - start);
      }),
      { numRuns: 50 },
    );
  });

  it('gives rates by the time between sweeps', () => {
    write('a', statsOf(0n, 0n));
    const sampler = new Sampler([open('a')]);
    sampler.sweep();
    write('a', statsOf(1000n, 0n));
    sampler.sweep();
    const rates = sampler.rates(new Float64Array(2));
    expect(rates[0]).toBeCloseTo(1000 / (sampler.intervalNs / 1e9));
    expect(rates[1]).toBe(0);
    expect(() => sampler.rates(new Float64Array(1))).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });

  it('goes on with the others where a file fails, and starts anew where it comes back', () => {
    write('a', statsOf(1n, 0n));
    write('b', statsOf(1n, 0n));
    const whole = encodeStatsFile({ id: 'kvm-1/vcpu-0', stats: statsOf(4n, 0n) });
    const sampler = new Sampler([open('a'), open('b')]);
    sampler.sweep();
    truncateSync(join(folder, 'a'), whole.length - 1);
    write('b', statsOf(2n, 0n));
    sampler.sweep();
    expect([...sampler.deltas]).toStrictEqual([Number.NaN, Number.NaN, 1, 0]);
    expect([sampler.isFailed(0), sampler.isFailed(1), sampler.failedCount]).toStrictEqual([true, false, 1]);
    expect(sampler.value(0, 0)).toBeUndefined();
    write('a', statsOf(4n, 0n));
    sampler.sweep();
    expect([...sampler.deltas]).toStrictEqual([Number.NaN, Number.NaN, 0, 0]);
    expect([sampler.isFailed(0), sampler.failedCount, sampler.value(0, 0)]).toStrictEqual([false, 0, 4n]);
    write('a', statsOf(6n, 1n));
    sampler.sweep();
    expect([...sampler.deltas]).toStrictEqual([2, 1, 0, 0]);
  });

  it('never reads a file that was closed, though another has its number', () => {
    write('a', statsOf(1n, 0n));
    const file = open('a');
    const sampler = new Sampler([file]);
    sampler.sweep();
    const { fd } = file;
    file.close();
    expect(open('a').fd).toBe(fd);
    sampler.sweep();
    expect(sampler.failedCount).toBe(1);
  });

  it('of no file is content', () => {
    const sampler = new Sampler([]);
    sampler.sweep();
    expect([sampler.fileCount, sampler.deltas.length]).toStrictEqual([0, 0]);
  });
});

describe('StatsFile', () => {
  it('samples a copy', () => {
    write('a', statsOf(1n, 1n));
    const file = open('a');
    const reading = file.sample();
    write('a', statsOf(2n, 0n));
    expect(reading).toMatchObject({ path: 'vcpu-0', via: 'kvm-file' });
    expect(reading.stats).toStrictEqual([
      { name: 'first', value: 1n },
      { name: 'histogram', value: [1n, 2n, 3n] },
      { name: 'last', value: true },
    ]);
    expect(file.sample().stats[0]?.value).toBe(2n);
  });

  it('that became shorter is truncated; closed, it says so', () => {
    write('a', statsOf(1n, 1n));
    const file = open('a');
    truncateSync(join(folder, 'a'), 100);
    expect(() => file.sample()).toThrow(expect.objectContaining({ code: 'STATS_FILE_TRUNCATED' }));
    file.close();
    expect(() => file.sample()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  it('that cannot be decoded is closed', () => {
    writeFileSync(join(folder, 'bad'), 'no stats');
    const fd = new OwnedFd(openSync(join(folder, 'bad'), 'r'));
    expect(() => StatsFile.open(fd)).toThrow(expect.objectContaining({ code: 'STATS_FILE_TRUNCATED' }));
    expect(fd.fd).toBe(-1);
  });

  it('shares its layout with files that are alike, and is of this machine', () => {
    write('a', statsOf(1n, 1n));
    write('b', statsOf(2n, 1n));
    const cache = new LayoutCache();
    const [a, b] = [open('a', cache), open('b', cache)];
    expect(a.layout.stats).toBe(b.layout.stats);
    expect(a.layout.byteOrder).toBe(MACHINE_BYTE_ORDER);
  });
});
