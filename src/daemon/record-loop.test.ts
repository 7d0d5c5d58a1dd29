import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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
  readonly names: string[] = [];
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
  const tookMs = performance.now() - startMs;
  await recorder.close();
  if (recorder.progress.sampleCount === 0) return { tookMs, sweepCount: recorder.progress.sweepCount, values: {} };
  await using recording = await Recording.open(path);
  const series = await recording.read({});
  const values = Object.fromEntries(series.map(({ domain, stat, values }) => [`${domain.name} ${stat.name}`, values]));
  return { tookMs, sweepCount: recorder.progress.sweepCount, values };
}

describe('the loop of a recording', () => {
  it('sweeps at every turn, and ends in time', async () => {
    house.names.push('web-1');
    const { tookMs, sweepCount, values } = await record(['exits'], { forMs: 1000 });
    // The first sweep is at once; a busy machine may miss turns.
    expect(sweepCount).toBeLessThanOrEqual(10);
    expect(sweepCount).toBeGreaterThanOrEqual(5);
    expect(tookMs).toBeLessThan(1100);
    expect(values['web-1 exits']).toHaveLength(sweepCount);
  });

  it('leaves out the turns that a sweep takes longer than', async () => {
    house.names.push('web-1');
    house.takesMs = 250;
    const { sweepCount, values } = await record(['exits'], { forMs: 1000 });
    expect(sweepCount).toBeLessThanOrEqual(4);
    expect(sweepCount).toBeGreaterThanOrEqual(2);
    expect(values['web-1 exits']).toEqual(Array.from({ length: sweepCount }, (_, index) => BigInt(index + 1)));
  });

  it.each([
    ['between two sweeps', 0, 60_000],
    ['in the middle of one', 60_000, EVERY_MS],
  ])('ends at once where it is stopped %s', async (_, takesMs, everyMs) => {
    house.names.push('web-1');
    house.takesMs = takesMs;
    const stop = new AbortController();
    const stopping = sleep(300).then(() => stop.abort());
    const { tookMs, values } = await record(['exits'], { everyMs, signal: stop.signal });
    await stopping;
    expect(tookMs).toBeGreaterThan(250);
    expect(tookMs).toBeLessThan(1500);
    expect(values).toEqual(takesMs === 0 ? { 'web-1 exits': [1n] } : {});
  });

  it('takes up what comes later: a domain, and a stat that nobody had', async () => {
    const unknown: (readonly string[])[] = [];
    const coming = sleep(500).then(() => house.names.push('web-1'));
    const growing = sleep(4500).then(() => (house.stats = ['exits', 'tomorrow']));
    const { values } = await record(['exits', 'tomorrow'], {
      forMs: 9000,
      onUnknown: (errors) => unknown.push(errors.map(({ message }) => /"(\w+)"/.exec(message)?.[1] ?? message)),
    });
    await Promise.all([coming, growing]);
    expect(unknown[0]).toEqual(['exits', 'tomorrow']);
    expect(unknown).toContainEqual(['tomorrow']);
    expect(unknown.at(-1)).toEqual([]);
    expect(values['web-1 exits']!.length).toBeGreaterThan(values['web-1 tomorrow']!.length);
    expect(values['web-1 tomorrow']!.length).toBeGreaterThan(5);
  });
});
