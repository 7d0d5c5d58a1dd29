import { nowNs } from '../../../host/clock.ts';
import { BOOLEAN, BYTES, COUNT, describeStat, MICROSECONDS, type Scale, SECONDS } from '../../../model/describe.ts';
import type { Availability, Domain } from '../../../model/domain.ts';
import type { CallOptions, OfferedProvider, StatsRequest } from '../../../model/provider.ts';
import type { Reading, StatValue } from '../../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../../model/stat.ts';
import type { JsonValue } from '../../../protocol/json/json.ts';
import { decodeDirtyRate, decodeMaxCpus, decodeMaxMemory, decodeMemorySize } from '../../../protocol/qmp/machine.ts';
import { decodeCpus } from '../../../protocol/qmp/queries.ts';
import { libvirtState } from '../../../protocol/qmp/run-state.ts';
import type { QmpArguments } from '../../../protocol/qmp/session.ts';
import { Kept, type KeptOptions } from '../kept.ts';
import type { Monitor } from '../monitor.ts';
import { unlessRefused } from '../refused.ts';
import { RunState } from '../run-state.ts';
import { VIA_QMP } from '../via.ts';

const NAME = 'state';
const TARGET = 'vm';

/** How long what changes by hand stays good, in milliseconds: no event tells of it. */
const MAX_AGE_MS = 10_000;

const MEBIBYTES: Scale = { unit: 'bytes', base: 2, exponent: 20 };

const RUN_STATE_STATS: readonly StatDescriptor[] = [
  describeStat('state', 'instant', COUNT),
  describeStat('reason', 'instant', COUNT),
  describeStat('running', 'instant', BOOLEAN),
  describeStat('since', 'instant', MICROSECONDS),
];
const VCPU_CURRENT = describeStat('vcpu_current', 'instant', COUNT);
const VCPU_MAXIMUM = describeStat('vcpu_maximum', 'instant', COUNT);
const MEMORY_CURRENT = describeStat('memory_current', 'instant', BYTES);
const MEMORY_MAXIMUM = describeStat('memory_maximum', 'instant', BYTES);
const DIRTY_RATE_STATS: readonly StatDescriptor[] = [
  describeStat('dirty_rate', 'instant', MEBIBYTES),
  describeStat('dirty_rate_start_time', 'instant', SECONDS),
  describeStat('dirty_rate_calc_time', 'instant', SECONDS),
  describeStat('dirty_rate_status', 'instant', COUNT),
  describeStat('dirty_rate_mode', 'instant', COUNT),
];

/** All that the provider may tell, whoever tells it. */
export const STATE_STATS: readonly StatDescriptor[] = [
  ...RUN_STATE_STATS,
  VCPU_CURRENT,
  VCPU_MAXIMUM,
  MEMORY_CURRENT,
  MEMORY_MAXIMUM,
  ...DIRTY_RATE_STATS,
];

/** Values by the stats' names; what is undefined cannot be had. */
type Values = Readonly<Record<string, StatValue | undefined>>;

/** Stats that one question tells. */
interface Fact {
  readonly stats: readonly StatDescriptor[];
  readonly read: (options: CallOptions) => Promise<Values>;
}

/** A question that an older QEMU may not know: it then tells nothing. */
interface Question {
  readonly command: string;
  readonly args?: QmpArguments;
  readonly kept: KeptOptions;
  readonly decode: (reply: JsonValue) => Values;
}

/** The provider `state`: what the VM is just now. Each stat is asked for only where it is wanted. */
export class StateProvider implements OfferedProvider {
  readonly name: string = NAME;
  readonly targets: readonly string[] = [TARGET];
  readonly #monitor: Monitor;
  readonly #runState: RunState;
  readonly #facts: readonly Fact[];

  constructor(monitor: Monitor, { isOneProcess = false }: Pick<KeptOptions, 'isOneProcess'> = {}) {
    this.#monitor = monitor;
    this.#runState = new RunState(monitor);
    this.#facts = this.#makeFacts({ isOneProcess });
  }

  /** All that there may be: what this VM does not have is absent from its values. Asks nothing. */
  async schemas(): Promise<readonly Schema[]> {
    return [{ provider: NAME, target: TARGET, stats: STATE_STATS }];
  }

  /** @throws as {@link Monitor.execute}; QMP_REPLY_INVALID */
  async stats(_domain: Domain, { names }: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    const wanted = this.#facts.filter(
      ({ stats }) => names === undefined || stats.some(({ name }) => names.includes(name)),
    );
    if (wanted.length === 0) return [];
    const read = await Promise.all(wanted.map((fact) => fact.read(options)));
    const stats = wanted.flatMap((fact, index) =>
      fact.stats.flatMap(({ name }) => {
        const value = read[index]?.[name];
        return value === undefined ? [] : [{ name, value }];
      }),
    );
    return [{ via: VIA_QMP, collectedAtNs: nowNs(), stats }];
  }

  /** @throws as {@link stats} */
  async availability(_domain: Domain, options: CallOptions): Promise<readonly Availability[]> {
    await this.#runState.get(options);
    return [{ provider: NAME, target: TARGET, via: VIA_QMP, available: true }];
  }

  #makeFacts(fixed: KeptOptions): readonly Fact[] {
    const slow = { ...fixed, maxAgeMs: MAX_AGE_MS };
    return [
      {
        stats: RUN_STATE_STATS,
        read: (options) => this.#readState(options),
      },
      this.#fact([VCPU_CURRENT], {
        command: 'query-cpus-fast',
        kept: slow,
        decode: (reply) => ({ vcpu_current: BigInt(decodeCpus(reply).length) }),
      }),
      this.#fact([VCPU_MAXIMUM], {
        command: 'qom-get',
        args: { path: '/machine', property: 'smp' },
        kept: fixed,
        decode: (reply) => ({ vcpu_maximum: decodeMaxCpus(reply) }),
      }),
      this.#fact([MEMORY_CURRENT], {
        command: 'query-memory-size-summary',
        kept: slow,
        decode: (reply) => ({ memory_current: decodeMemorySize(reply) }),
      }),
      this.#fact([MEMORY_MAXIMUM], {
        command: 'qom-get',
        args: { path: '/machine', property: 'memory' },
        kept: fixed,
        decode: (reply) => ({ memory_maximum: decodeMaxMemory(reply) }),
      }),
      this.#fact(DIRTY_RATE_STATS, {
        command: 'query-dirty-rate',
        kept: slow,
        decode: (reply) => {
          const { mebibytes, startSeconds, calcSeconds, status, mode } = decodeDirtyRate(reply);
          return {
            dirty_rate: mebibytes,
            dirty_rate_start_time: startSeconds,
            dirty_rate_calc_time: calcSeconds,
            dirty_rate_status: status,
            dirty_rate_mode: mode,
          };
        },
      }),
    ];
  }

  #fact(stats: readonly StatDescriptor[], { command, args, kept, decode }: Question): Fact {
    const values = new Kept<Values>(this.#monitor, kept, async (options) => {
      const reply = await unlessRefused(this.#monitor.execute(command, args, options));
      return reply === undefined ? {} : decode(reply);
    });
    return { stats, read: (options) => values.get(options) };
  }

  async #readState(options: CallOptions): Promise<Values> {
    const now = await this.#runState.get(options);
    const { state, reason } = libvirtState(now);
    const { running, sinceNs } = now;
    return {
      state: BigInt(state),
      reason: BigInt(reason),
      running,
      // QEMU's events tell no less.
      since: sinceNs === undefined ? undefined : sinceNs / 1000n,
    };
  }
}
