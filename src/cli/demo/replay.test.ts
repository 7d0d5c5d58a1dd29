import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Sample, StatValue } from '../../model/sample.ts';
import { Registry } from '../../registry/registry.ts';
import { FRAME_MS, ReplaySource } from './replay.ts';

const CAPTURES = fileURLToPath(new URL('../../../captures/kvm', import.meta.url));

/** A replay that stands at a given step, and what it shows there. */
function replay(): (step: number, target?: string) => Promise<readonly Sample[]> {
  let elapsedMs = 0;
  const registry = new Registry([new ReplaySource(CAPTURES, () => elapsedMs)]);
  return async (step, target = 'vcpu') => {
    elapsedMs = step * FRAME_MS;
    const [answer] = await registry.query({ target });
    expect(answer?.errors).toEqual([]);
    return answer?.items ?? [];
  };
}

function valueIn(samples: readonly Sample[], name: string): StatValue | undefined {
  return samples[0]?.stats.find((entry) => entry.name === name)?.value;
}

describe('ReplaySource', () => {
  it('is one domain with both targets', async () => {
    const registry = new Registry([new ReplaySource(CAPTURES)]);
    const [answer, ...others] = await registry.list();
    expect(others).toEqual([]);
    expect(answer?.domain).toMatchObject({ name: 'replay', vcpus: 2 });
    expect(answer?.items).toEqual([
      { provider: 'kvm', target: 'vm', via: 'replay', available: true },
      { provider: 'kvm', target: 'vcpu', via: 'replay', available: true },
    ]);
  });

  it('shows the captures one after the other, then goes on counting', async () => {
    const at = replay();
    const exits = [];
    for (let step = 0; step < 6; step++) exits.push(valueIn(await at(step), 'exits'));
    // 583, 908 and 1073 are in the captures; the two loops after them grow alike.
    expect(exits).toEqual([583n, 908n, 1073n, 1398n, 1563n, 1888n]);
  });

  it('leaves what does not only grow as it was captured', async () => {
    const at = replay();
    const [first, later] = [await at(0), await at(2 * 1000)];
    for (const name of ['blocking', 'guest_mode']) {
      expect(valueIn(first, name)).toBeTypeOf('boolean');
      expect(valueIn(later, name)).toBe(valueIn(first, name));
    }
  });

  it('counts exactly however long it runs', async () => {
    const at = replay();
    expect(valueIn(await at(2 * 1_000_000_000_000), 'insn_emulation')).toBe(262788n + 1_000_000_000_000n * 422571n);
  });

  it('keeps objects apart, histograms whole and times new', async () => {
    const at = replay();
    const startNs = BigInt(Date.now() - 1000) * 1_000_000n;
    const samples = await at(7);
    expect(samples.map(({ path, via }) => [path, via])).toEqual([
      ['vcpu-0', 'replay'],
      ['vcpu-1', 'replay'],
    ]);
    expect(samples[0]?.collectedAtNs).toBeGreaterThan(startNs);
    expect(valueIn(samples, 'halt_wait_hist')).toHaveLength(32);
    expect(valueIn(samples.slice(1), 'exits')).toBe(0n);
    expect((await at(7, 'vm')).map(({ path }) => path)).toEqual([undefined]);
  });

  it('says where captures are missing', async () => {
    const registry = new Registry([new ReplaySource(`${CAPTURES}/none`)]);
    const [answer] = await registry.list();
    expect(answer?.errors[0]).toMatchObject({ code: 'PATH_NOT_FOUND' });
  });
});
