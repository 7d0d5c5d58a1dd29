import type { Reading, StatEntry } from './sample.ts';
import { humanize } from './scale.ts';

/** The provider that measures a guest's memory through its balloon. */
export const BALLOON = 'balloon';

/** Its target. */
export const BALLOON_TARGET = 'vm';

/** Why a VM without a balloon measures nothing. */
export const NO_BALLOON = 'the VM has no balloon device; give it one (-device virtio-balloon-pci)';

/** What the names of what the guest reports begin with; the others are the device's. */
const GUEST_STAT = 'stat-';

/** After this many intervals without an answer a guest is silent. */
const SILENT_AFTER_INTERVALS = 3n;

const NS_PER_SECOND = 1_000_000_000n;

const OFF = 'nobody asks the guest; --poll switches that on, or [[balloon]] in the configuration of virtstatd';

const WHETHER_ASKED =
  'and whether it is asked is not told here; libvirt asks it where its balloon has a <stats period> in the definition';

/** How many names a reason has at most; guests that report nothing would fill the screen. */
const MAX_NAMED = 16;

/**
 * How a guest's memory statistics stand:
 *
 * | status           |                                                                                                |
 * | ---------------- | ---------------------------------------------------------------------------------------------- |
 * | `reporting`      | the guest is asked, and answers                                                                |
 * | `off`            | nobody asks it: polling is off                                                                 |
 * | `never-answered` | it is asked, and has not answered yet: no driver, or one without statistics                    |
 * | `silent`         | it answered once, and for more than three intervals no more                                    |
 * | `paused`         | it is not asked while the VM does not run                                                      |
 * | `no-device`      | the VM has no balloon device                                                                   |
 * | `unavailable`    | this source cannot tell                                                                        |
 */
export type GuestMemoryStatus =
  | 'reporting'
  | 'off'
  | 'never-answered'
  | 'silent'
  | 'paused'
  | 'no-device'
  | 'unavailable';

/** What a guest reports of its memory, and how that stands. */
export interface GuestMemory {
  readonly status: GuestMemoryStatus;
  /** One sentence for people: why there are no values, why they are old, or which are missing. */
  readonly reason?: string;
  /** Bytes that the guest has; absent where QEMU cannot tell. */
  readonly balloonSizeBytes?: bigint;
  /** How often it is asked; 0: it is not; absent where the source does not tell. */
  readonly pollingIntervalSeconds?: bigint;
  /** When it last answered, whole seconds since 1970 by the clock of QEMU's host; 0: never. */
  readonly lastUpdateSeconds: bigint;
  /** Since then, in nanoseconds; absent where it never answered. */
  readonly ageNs?: bigint;
  /** What it reports, in the schema's order, as it said so. */
  readonly stats: readonly StatEntry[];
}

/** What the status is told from: the sample of the provider, and what stands beside it. */
export interface GuestMemoryFacts {
  /** The sample of provider `balloon`; undefined where it gave none. */
  readonly sample: Pick<Reading, 'stats'> | undefined;
  /** The VM's run state in QEMU's words; undefined where it is not known. */
  readonly state: string | undefined;
  /** The names of the provider's schema; none where it is not known. */
  readonly offered: readonly string[];
  /** Why there is no sample, as the provider says; undefined where it says nothing. */
  readonly whyNone: string | undefined;
}

/** Tells how a guest's memory statistics stand. It knows nothing of where the sample came from. */
export function guestMemoryOf({ sample, state, offered, whyNone }: GuestMemoryFacts): GuestMemory {
  if (sample === undefined) {
    const status = whyNone === NO_BALLOON ? 'no-device' : 'unavailable';
    const reason = whyNone ?? 'nobody can ask this VM for its balloon: that takes its QMP monitor';
    return { status, reason, pollingIntervalSeconds: 0n, lastUpdateSeconds: 0n, stats: [] };
  }
  const size = numberIn(sample, 'balloon-size');
  const ageNs = numberIn(sample, 'last-update-age');
  const interval = numberIn(sample, 'polling-interval');
  const facts = {
    ...(size !== undefined && { balloonSizeBytes: size }),
    ...(interval !== undefined && { pollingIntervalSeconds: interval }),
    lastUpdateSeconds: numberIn(sample, 'last-update') ?? 0n,
    ...(ageNs !== undefined && { ageNs }),
    stats: sample.stats.filter(({ name }) => name.startsWith(GUEST_STAT)),
  };
  return { ...standing(facts, state, offered), ...facts };
}

type Standing = Pick<GuestMemory, 'status' | 'reason'>;

function standing(
  { pollingIntervalSeconds: interval, lastUpdateSeconds: last, ageNs, stats }: Omit<GuestMemory, 'status'>,
  state: string | undefined,
  offered: readonly string[],
): Standing {
  if (interval === 0n)
    return { status: 'off', reason: last === 0n ? OFF : `${OFF}; the values are those of its last answer` };
  if (state !== undefined && state !== 'running') {
    return { status: 'paused', reason: `the VM does not run (${state}): QEMU asks the guest only while it does` };
  }
  const asked = interval === undefined ? WHETHER_ASKED : `it is asked every ${interval} s`;
  if (last === 0n) {
    const hint = interval === undefined ? '' : ': has it a balloon driver?';
    const reason = `the guest has not answered yet, ${asked}${hint}`;
    return { status: 'never-answered', reason };
  }
  // QEMU gives whole seconds: an answer may be nearly a second younger than it seems.
  if (
    ageNs !== undefined &&
    interval !== undefined &&
    ageNs > SILENT_AFTER_INTERVALS * interval * NS_PER_SECOND + NS_PER_SECOND
  ) {
    const age = humanize(ageNs / NS_PER_SECOND, { unit: 'seconds', exponent: 0 });
    const reason = `the guest last answered ${age} ago, ${asked}: its balloon driver has gone, or hangs`;
    return { status: 'silent', reason };
  }
  if (ageNs === undefined) {
    return { status: 'reporting', reason: 'the last answer lies in the future: the clocks of two hosts differ' };
  }
  if (interval === undefined) return { status: 'reporting', reason: 'how often it is asked is not told here' };
  const missing = offered.filter((name) => name.startsWith(GUEST_STAT) && !stats.some((stat) => stat.name === name));
  if (missing.length === 0) return { status: 'reporting' };
  return { status: 'reporting', reason: `the guest does not report ${missing.slice(0, MAX_NAMED).join(', ')}` };
}

function numberIn({ stats }: Pick<Reading, 'stats'>, name: string): bigint | undefined {
  const value = stats.find((stat) => stat.name === name)?.value;
  return typeof value === 'bigint' ? value : undefined;
}
