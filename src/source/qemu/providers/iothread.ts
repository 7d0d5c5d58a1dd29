import { nowNs } from '../../../host/clock.ts';
import { COUNT, describeStat, NANOSECONDS } from '../../../model/describe.ts';
import type { Availability, Domain } from '../../../model/domain.ts';
import type { CallOptions, OfferedProvider, SchemaOptions, StatsRequest } from '../../../model/provider.ts';
import type { Reading } from '../../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../../model/stat.ts';
import { decodeIothreads } from '../../../protocol/qmp/iothreads.ts';
import { Kept } from '../kept.ts';
import type { Monitor } from '../monitor.ts';
import { VIA_QMP } from '../via.ts';

const NAME = 'iothread';
const TARGET = 'iothread';

/** How long limits stay good, in milliseconds: somebody has to set them by hand. */
const MAX_AGE_MS = 10_000;

/** What QEMU tells of an I/O thread, by the names that `query-iothreads` has (qapi/misc.json). */
export const IOTHREAD_STATS: readonly StatDescriptor[] = [
  describeStat('poll-max-ns', 'instant', NANOSECONDS),
  describeStat('poll-grow', 'instant', COUNT),
  describeStat('poll-shrink', 'instant', COUNT),
  describeStat('aio-max-batch', 'instant', COUNT),
];

/** The provider `iothread`: each I/O thread of a VM, named by its QOM path. */
export class IothreadProvider implements OfferedProvider {
  readonly name: string = NAME;
  readonly targets: readonly string[] = [TARGET];
  readonly #threads: Kept<ReturnType<typeof decodeIothreads>>;

  constructor(monitor: Monitor) {
    this.#threads = new Kept(monitor, { maxAgeMs: MAX_AGE_MS }, async (options) =>
      decodeIothreads(await monitor.execute('query-iothreads', undefined, options)),
    );
  }

  /** None for a VM without I/O threads. @throws as {@link Monitor.execute}; QMP_REPLY_INVALID */
  async schemas(_domain: Domain, options: SchemaOptions): Promise<readonly Schema[]> {
    const told = new Set((await this.#threads.get(options)).flatMap(({ stats }) => stats.map(({ name }) => name)));
    const stats = IOTHREAD_STATS.filter(({ name }) => told.has(name));
    return stats.length === 0 ? [] : [{ provider: NAME, target: TARGET, stats }];
  }

  /** @throws as {@link schemas} */
  async stats(_domain: Domain, _request: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    const threads = await this.#threads.get(options);
    const collectedAtNs = nowNs();
    return threads.map(({ path, stats }) => ({ path, via: VIA_QMP, collectedAtNs, stats }));
  }

  /** @throws as {@link schemas} */
  async availability(_domain: Domain, options: CallOptions): Promise<readonly Availability[]> {
    const offer = { provider: NAME, target: TARGET, via: VIA_QMP };
    const threads = await this.#threads.get(options);
    if (threads.length > 0) return [{ ...offer, available: true }];
    return [{ ...offer, available: false, reason: 'the VM has no I/O threads' }];
  }
}
