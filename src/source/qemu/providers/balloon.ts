import { nowNs } from '../../../host/clock.ts';
import { BYTES, COUNT, describeStat, NANOSECONDS, SECONDS } from '../../../model/describe.ts';
import type { Availability, Domain } from '../../../model/domain.ts';
import { BALLOON, BALLOON_TARGET, NO_BALLOON } from '../../../model/guest-memory.ts';
import type { CallOptions, OfferedProvider, SchemaOptions, StatsRequest } from '../../../model/provider.ts';
import type { Reading, StatEntry } from '../../../model/sample.ts';
import type { Schema, StatDescriptor } from '../../../model/stat.ts';
import { U64_MAX } from '../../../model/u64.ts';
import type { BalloonDevice, BalloonMemory, BalloonReport } from '../balloon-device.ts';
import { VIA_QMP } from '../via.ts';

const NS_PER_SECOND = 1_000_000_000n;

/** What the guest reports, as VIRTIO 5.5.6.3 and Linux define it; Linux counts what was scanned and reclaimed in bytes. */
export const GUEST_STATS: readonly StatDescriptor[] = [
  describeStat('stat-swap-in', 'cumulative', BYTES),
  describeStat('stat-swap-out', 'cumulative', BYTES),
  describeStat('stat-major-faults', 'cumulative', COUNT),
  describeStat('stat-minor-faults', 'cumulative', COUNT),
  describeStat('stat-free-memory', 'instant', BYTES),
  describeStat('stat-total-memory', 'instant', BYTES),
  describeStat('stat-available-memory', 'instant', BYTES),
  describeStat('stat-disk-caches', 'instant', BYTES),
  describeStat('stat-htlb-pgalloc', 'cumulative', COUNT),
  describeStat('stat-htlb-pgfail', 'cumulative', COUNT),
  describeStat('stat-oom-kills', 'cumulative', COUNT),
  describeStat('stat-alloc-stalls', 'cumulative', COUNT),
  describeStat('stat-async-scans', 'cumulative', BYTES),
  describeStat('stat-direct-scans', 'cumulative', BYTES),
  describeStat('stat-async-reclaims', 'cumulative', BYTES),
  describeStat('stat-direct-reclaims', 'cumulative', BYTES),
];

const BY_NAME: ReadonlyMap<string, StatDescriptor> = new Map(GUEST_STATS.map((stat) => [stat.name, stat]));

const INTERVAL = 'polling-interval';

/** What the device says of itself. */
export const DEVICE_STATS: readonly StatDescriptor[] = [
  describeStat('balloon-size', 'instant', BYTES),
  describeStat('last-update', 'instant', SECONDS),
  describeStat('last-update-age', 'instant', NANOSECONDS),
  describeStat(INTERVAL, 'instant', SECONDS),
];

/**
 * The provider `balloon`: what a guest's balloon driver reports of its memory, and what the device says of itself. The guest's
 * numbers are the guest's word: they may make no sense, and are passed on as they are.
 */
export class BalloonProvider implements OfferedProvider {
  readonly name: string = BALLOON;
  readonly targets: readonly string[] = [BALLOON_TARGET];
  readonly #device: BalloonDevice;

  constructor(device: BalloonDevice) {
    this.#device = device;
  }

  /** None for a VM without a balloon. @throws what {@link BalloonDevice.report} throws */
  async schemas(_domain: Domain, options: SchemaOptions): Promise<readonly Schema[]> {
    const report = await this.#device.report(options);
    if (report === undefined) return [];
    // A later QEMU may have names that this version does not.
    const told = report.names.map((name) => BY_NAME.get(name) ?? describeStat(name, 'instant'));
    return [{ provider: BALLOON, target: BALLOON_TARGET, stats: [...told, ...DEVICE_STATS] }];
  }

  /** @throws as {@link schemas} */
  async stats(_domain: Domain, { names }: StatsRequest, options: CallOptions): Promise<readonly Reading[]> {
    const wantsInterval = names === undefined || names.includes(INTERVAL);
    const report: (BalloonMemory & Partial<BalloonReport>) | undefined = wantsInterval
      ? await this.#device.report(options)
      : await this.#device.memory(options);
    if (report === undefined) return [];
    const collectedAtNs = nowNs();
    const stats = [
      ...report.stats,
      ...entry('balloon-size', report.sizeBytes),
      ...entry('last-update', report.lastUpdateSeconds),
      ...entry('last-update-age', ageNs(report.lastUpdateSeconds, collectedAtNs)),
      ...(report.intervalSeconds === undefined ? [] : entry(INTERVAL, BigInt(report.intervalSeconds))),
    ];
    return [{ via: VIA_QMP, collectedAtNs, stats }];
  }

  /** @throws as {@link schemas} */
  async availability(_domain: Domain, options: CallOptions): Promise<readonly Availability[]> {
    const offer = { provider: BALLOON, target: BALLOON_TARGET, via: VIA_QMP };
    if ((await this.#device.report(options)) !== undefined) return [{ ...offer, available: true }];
    return [{ ...offer, available: false, reason: NO_BALLOON }];
  }
}

function entry(name: string, value: bigint | undefined): readonly StatEntry[] {
  return value === undefined ? [] : [{ name, value }];
}

/** Since the guest last answered; undefined where it never did, or where its time has not come by this host's clock. */
export function ageNs(lastUpdateSeconds: bigint, atNs: bigint): bigint | undefined {
  const age = atNs - lastUpdateSeconds * NS_PER_SECOND;
  return lastUpdateSeconds === 0n || age < 0n || age > U64_MAX ? undefined : age;
}
