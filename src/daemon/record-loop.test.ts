import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Recorder } from '../history/recorder.ts';
import { Recording } from '../history/recording.ts';
import { nowNs } from '../host/clock.ts';
import type { FoundDomain, Source } from '../model/provider.ts';
import { Registry } from '../registry/registry.ts';
import { parseStatWord } from '../registry/selection.ts';
import { type RecordLoopOptions, recordLoop } from './record-loop.ts';

/** A host of VMs that come, whose answer takes as long as they are told. */
class House implements Source {
  readonly uri = 'test:';
  names: readonly string[] = [];
  stats = ['exits'];
  takesMs = 0;
  sweeps = 0;

  async scan(): Promise<readonly FoundDomain[]> {
    return this.names.map((name) => {
      const domain = { id: name, name, source: this.uri };
      const provider = {
        name: 'kvm',
        targets: ['vm'],
        schemas: async () => [
          {
            provider: 'kvm',
            target: 'vm',
            stats: this.stats.map((stat) => ({ name: stat, type: 'cumulative', exponent: 0, size: 1 })),
          },
        ],
        stats: async () => {
          this.sweeps++;
          await sleep(this.takesMs);
          const stats = this.stats.map((stat) => ({ name: stat, value: BigInt(this.sweeps) }));
          return [{ via: 'test', collectedAtNs: nowNs(), stats }];
        },
      };
      return {
        domain,
        providers: async () => [provider],
        describe: async () => domain,
        availability: async () => [],
      };
    });
  }

  async close(): Promise<void> {}
}

const EVERY_MS = 100;
const WAIT = { timeout: 10_000, interval: 10 };

let folder: string;
let house: House;
let registry: Registry;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'virtstat-loop-'));
  house = new House();
  registry = new Registry([house]);
});
afterEach(async () => {
  await registry.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Records until it ends, and gives the values of each series by `domain stat`. */
async function record(words: readonly string[], options: Partial<RecordLoopOptions>) {
  const path = join(folder, 'r.parquet');
  const recorder = await Recorder.open({ path, everyMs: EVERY_MS, onProblem: (error) => expect.fail(error.message) });
  const signal = new AbortController().signal;
  const startMs = performance.now();
  await recordLoop({
    ...{ registry, recorder, words: words.map(parseStatWord), everyMs: EVERY_MS, signal },
    ...options,
  });
  const endMs = performance.now();
  const times = { tookMs: endMs - startMs, endMs };
  await recorder.close();
  if (recorder.progress.sampleCount === 0) return { ...times, sweepCount: recorder.progress.sweepCount, values: {} };
  await using recording = await Recording.open(path);
  const series = await recording.read({});
  const values = Object.fromEntries(series.map(({ domain, stat, values }) => [`${domain.name} ${stat.name}`, values]));
  return { ...times, sweepCount: recorder.progress.sweepCount, values };
}

describe('the loop of a recording', () => {
  it('sweeps at every turn, and ends in time', async () => {
    house.names = ['web-1'];
    const { tookMs, sweepCount, values } = await record(['exits'], { forMs: 1000 });
    // The first sweep is at once; a busy machine may miss turns, and have the last one late.
    expect(sweepCount).toBeLessThanOrEqual(10);
    expect(sweepCount).toBeGreaterThanOrEqual(3);
    expect(tookMs).toBeLessThan(3000);
    expect(values['web-1 exits']).toHaveLength(sweepCount);
  });

  it('leaves out the turns that a sweep takes longer than', async () => {
    house.names = ['web-1'];
    house.takesMs = 250;
    const { sweepCount, values } = await record(['exits'], { forMs: 1000 });
    expect(sweepCount).toBeLessThanOrEqual(4);
    expect(sweepCount).toBeGreaterThanOrEqual(1);
    expect(values['web-1 exits']).toEqual(Array.from({ length: sweepCount }, (_, index) => BigInt(index + 1)));
  });

  it.each([
    ['between two sweeps', 0, 60_000],
    ['in the middle of one', 60_000, EVERY_MS],
  ])('ends at once where it is stopped %s', async (_, takesMs, everyMs) => {
    house.names = ['web-1'];
    house.takesMs = takesMs;
    const stop = new AbortController();
    let stoppedMs = 0;
    const stopping = vi
      .waitUntil(() => house.sweeps > 0, WAIT)
      .then(async () => {
        await sleep(200);
        stoppedMs = performance.now();
        stop.abort();
      });
    const { endMs, values } = await record(['exits'], { everyMs, signal: stop.signal });
    await stopping;
    expect(endMs - stoppedMs).toBeGreaterThanOrEqual(0);
    expect(endMs - stoppedMs).toBeLessThan(2000);
    expect(values).toEqual(takesMs === 0 ? { 'web-1 exits': [1n] } : {});
  });

  it('takes up what comes later: a domain, and a stat that nobody had', async () => {
    const unknown: (readonly string[])[] = [];
    const stop = new AbortController();
    let sweepsWithAll = 0;
    const { values } = await record(['exits', 'tomorrow'], {
      signal: stop.signal,
      // Each comes when it was missed for the first time.
      onUnknown: (errors) => {
        const names = errors.map(({ message }) => /"(\w+)"/.exec(message)?.[1] ?? message);
        unknown.push(names);
        if (names.length === 2) house.names = ['web-1'];
        if (names.length === 1) house.stats = ['exits', 'tomorrow'];
      },
      onSweep: () => {
        if (unknown.at(-1)?.length === 0 && ++sweepsWithAll === 10) stop.abort();
      },
    });
    expect(unknown[0]).toEqual(['exits', 'tomorrow']);
    expect(unknown).toContainEqual(['tomorrow']);
    expect(unknown.at(-1)).toEqual([]);
    expect(values['web-1 exits']!.length).toBeGreaterThan(values['web-1 tomorrow']!.length);
    expect(values['web-1 tomorrow']!.length).toBeGreaterThan(5);
  });
});
