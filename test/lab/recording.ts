import { Recorder } from '../../src/history/recorder.ts';
import type { Sample } from '../../src/model/sample.ts';
import type { Schema } from '../../src/model/stat.ts';

/** A VM of a made recording, and when it was there. */
export interface RecordedVm {
  readonly name: string;
  /** First and last second; those of the recording if absent. */
  readonly seconds?: readonly [first: number, last: number];
}

/** When a made recording begins: nanoseconds since 1970. */
export const RECORDING_START_NS = 1_795_000_000_000_000_000n;

/** How much `exits` grows in a second, by the place of the vCPU. */
export const EXITS_PER_SECOND: readonly bigint[] = [10n, 30n];

const SCHEMA: Schema = {
  provider: 'kvm',
  target: 'vcpu',
  stats: [{ name: 'exits', type: 'cumulative', exponent: 0 }],
};

/** What `exits` is at a second: beyond what a `number` holds. */
export function exitsAt(vcpu: number, second: number): bigint {
  return (1n << 60n) + 1n + BigInt(second) * (EXITS_PER_SECOND[vcpu] ?? 0n);
}

/** Writes a recording with a sample of each vCPU in each second, the last one included. */
export async function writeRecording(path: string, lastSecond: number, vms: readonly RecordedVm[]): Promise<void> {
  const recorder = await Recorder.open({
    path,
    everyMs: 1000,
    onProblem: (error) => {
      throw error;
    },
  });
  for (let second = 0; second <= lastSecond; second++) {
    const there = vms.filter(({ seconds: [first, last] = [0, lastSecond] }) => first <= second && second <= last);
    const answers = there.map(({ name }) => ({
      domain: { id: `id-${name}`, name, source: 'test:' },
      items: EXITS_PER_SECOND.map((_, vcpu) => sampleOf(name, vcpu, second)),
    }));
    await recorder.add(answers, () => SCHEMA);
  }
  await recorder.close();
}

function sampleOf(domain: string, vcpu: number, second: number): Sample {
  return {
    domain,
    provider: SCHEMA.provider,
    target: SCHEMA.target,
    path: `/cpu/${vcpu}`,
    via: 'qmp',
    collectedAtNs: RECORDING_START_NS + BigInt(second) * 1_000_000_000n,
    stats: [{ name: 'exits', value: exitsAt(vcpu, second) }],
  };
}
