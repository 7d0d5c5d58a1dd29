import type { StatEntry } from '../../model/sample.ts';
import { U64_MAX } from '../../model/u64.ts';
import type { JsonValue } from '../json/json.ts';
import { counterOf } from './counters.ts';
import { asArray, asObject, asString } from './shape.ts';

/**
 * What QEMU tells of a virtio balloon: the device in its object model, the memory statistics that the guest's driver reports,
 * and the size of the balloon. Specs: docs/interop/virtio-balloon-stats.rst and qapi/qom.json in QEMU; Virtual I/O Device
 * (VIRTIO), 5.5.6.3.
 */

/** What a name of a statistic begins with. */
const PREFIX = 'stat-';

/** The most statistics that are taken from one reply; a guest of today has 16. */
export const MAX_GUEST_STATS = 256;

/** The names that QEMU gives to the tags 0 to 15 of the device, in their order. */
export const GUEST_STAT_NAMES: readonly string[] = [
  'stat-swap-in',
  'stat-swap-out',
  'stat-major-faults',
  'stat-minor-faults',
  'stat-free-memory',
  'stat-total-memory',
  'stat-available-memory',
  'stat-disk-caches',
  'stat-htlb-pgalloc',
  'stat-htlb-pgfail',
  'stat-oom-kills',
  'stat-alloc-stalls',
  'stat-async-scans',
  'stat-direct-scans',
  'stat-async-reclaims',
  'stat-direct-reclaims',
];

/** What the property `guest-stats` says. */
export interface GuestStats {
  /** When the guest last answered: whole seconds since 1970 by the host's clock; 0 before it ever did, or where it is no time. */
  readonly lastUpdateSeconds: bigint;
  /** The names that this QEMU knows, whether or not the guest reports them, in the order of {@link decodeGuestStats}. */
  readonly names: readonly string[];
  /** What the guest reports, as it came: nothing of it is checked for sense. */
  readonly stats: readonly StatEntry[];
}

/**
 * What the guest says, in the order of the device's tags; names that came later than this list stand behind it in alphabetical
 * order. A value that the guest does not report (2^64-1, or -1 from an old QEMU), or that is no integer of 0 to 2^64-2, is
 * absent.
 * @throws QMP_REPLY_INVALID
 */
export function decodeGuestStats(reply: JsonValue): GuestStats {
  const told = asObject(reply, 'guest-stats');
  const values = asObject(told['stats'], 'guest-stats.stats');
  const later = Object.keys(values)
    .filter((name) => name.startsWith(PREFIX) && !GUEST_STAT_NAMES.includes(name))
    .sort();
  const names = [...GUEST_STAT_NAMES.filter((name) => Object.hasOwn(values, name)), ...later].slice(0, MAX_GUEST_STATS);
  return {
    lastUpdateSeconds: counterOf(told['last-update']) ?? 0n,
    names,
    stats: names.flatMap((name) => {
      const value = counterOf(values[name]);
      return value === undefined || value === U64_MAX ? [] : [{ name, value }];
    }),
  };
}

/** The property `guest-stats-polling-interval`, whole seconds; 0 where it is off, or no number of seconds. */
export function decodePollingInterval(reply: JsonValue): number {
  return typeof reply === 'number' && Number.isSafeInteger(reply) && reply > 0 ? reply : 0;
}

/** Bytes that the guest has, as `query-balloon` or a BALLOON_CHANGE event says; undefined where it is no number of bytes. */
export function decodeBalloonSize(reply: JsonValue): bigint | undefined {
  return counterOf(asObject(reply, 'query-balloon')['actual']);
}

/** How a balloon device is typed among the children of an object: on PCI (transitional or not), on CCW, or bare. */
const BALLOON_TYPE = /^child<virtio-balloon-[\w-]+>$/;

/** A name that may stand in a path of QEMU's object model. */
const CHILD_NAME = /^[^/\p{Cc}]{1,200}$/u;

/**
 * The path of the balloon among the children of `parent`, as `qom-list` names them; undefined where there is none.
 * @throws QMP_REPLY_INVALID
 */
export function findBalloon(parent: string, reply: JsonValue): string | undefined {
  for (const [index, json] of asArray(reply, `qom-list ${parent}`).entries()) {
    const where = `qom-list ${parent}[${index}]`;
    const child = asObject(json, where);
    const name = asString(child['name'], `${where}.name`);
    if (BALLOON_TYPE.test(asString(child['type'], `${where}.type`)) && CHILD_NAME.test(name))
      return `${parent}/${name}`;
  }
  return undefined;
}
