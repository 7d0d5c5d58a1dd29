import type { CallOptions } from '../../model/provider.ts';
import type { JsonValue } from '../../protocol/json/json.ts';
import {
  decodeBalloonSize,
  decodeGuestStats,
  decodePollingInterval,
  findBalloon,
  type GuestStats,
} from '../../protocol/qmp/guest-stats.ts';
import { QmpCommandError } from '../../protocol/qmp/messages.ts';
import { Kept } from './kept.ts';
import type { Monitor } from './monitor.ts';

/** Where devices lie in QEMU's object model: those with an id, those without. */
const PARENTS = ['/machine/peripheral', '/machine/peripheral-anon'] as const;

/** How long a VM without a balloon is taken to have none, in milliseconds: QEMU has no event for a device that comes. */
export const ABSENT_MS = 10_000;

const STATS = 'guest-stats';
/** The property that says, and sets, how often the guest is asked. */
export const POLLING_INTERVAL = 'guest-stats-polling-interval';

/** What a balloon device says of the guest's memory at one time. */
export interface BalloonMemory extends GuestStats {
  /** QOM path of the device. */
  readonly device: string;
  /** How much memory the guest has, in bytes; undefined where QEMU cannot tell. */
  readonly sizeBytes: bigint | undefined;
}

/** All that a balloon device says at one time. */
export interface BalloonReport extends BalloonMemory {
  /** How often the guest is asked, whole seconds; 0: it is not. */
  readonly intervalSeconds: number;
}

/** The balloon of a VM, which has at most one: found when it is first wanted, and again when it is no longer where it was. */
export class BalloonDevice {
  readonly #monitor: Monitor;
  /** Good until a question shows that it is not: another QEMU, and a device that went, refuse the path. */
  readonly #path: Kept<string | undefined>;
  /** Asked once, and again after QEMU said that it changed. */
  readonly #size: Kept<bigint | undefined>;
  #absentSinceMs: number | undefined;

  constructor(monitor: Monitor) {
    this.#monitor = monitor;
    this.#path = new Kept(monitor, { isOneProcess: true }, (options) => this.#find(options));
    this.#size = new Kept(monitor, { events: ['BALLOON_CHANGE'] }, (options) => this.#askSize(options));
  }

  /** What the device says now; undefined where the VM has none. @throws as {@link Monitor.execute}; QMP_REPLY_INVALID */
  report(options: CallOptions): Promise<BalloonReport | undefined> {
    return this.#atDevice(options, async (device) => {
      const [memory, interval] = await Promise.all([
        this.#askMemory(device, options),
        this.#get(device, POLLING_INTERVAL, options),
      ]);
      return { ...memory, intervalSeconds: decodePollingInterval(interval) };
    });
  }

  /** The same as far as it is about the guest's memory, which is one question less. @throws as {@link report} */
  memory(options: CallOptions): Promise<BalloonMemory | undefined> {
    return this.#atDevice(options, (device) => this.#askMemory(device, options));
  }

  /** Asks at the path where the device was, and where it is by now if it is not there any more. */
  async #atDevice<T>(options: CallOptions, ask: (device: string) => Promise<T>): Promise<T | undefined> {
    const device = await this.#pathNow(options);
    if (device === undefined) return undefined;
    try {
      return await ask(device);
    } catch (error) {
      if (!(error instanceof QmpCommandError)) throw error;
      this.#path.forget();
      const next = await this.#pathNow(options);
      // Where it is still there, the refusal means something else.
      if (next === device) throw error;
      return next === undefined ? undefined : ask(next);
    }
  }

  async #pathNow(options: CallOptions): Promise<string | undefined> {
    const isOld = this.#absentSinceMs !== undefined && performance.now() - this.#absentSinceMs > ABSENT_MS;
    if (isOld) this.#path.forget();
    return this.#path.get(options);
  }

  async #find(options: CallOptions): Promise<string | undefined> {
    const found = await Promise.all(
      PARENTS.map(async (path) => findBalloon(path, await this.#childrenOf(path, options))),
    );
    const device = found.find((path) => path !== undefined);
    this.#absentSinceMs = device === undefined ? performance.now() : undefined;
    return device;
  }

  /** A machine without devices of its own may lack the folder too. */
  async #childrenOf(path: string, options: CallOptions): Promise<JsonValue> {
    try {
      return await this.#monitor.execute('qom-list', { path }, options);
    } catch (error) {
      if (error instanceof QmpCommandError && error.className === 'DeviceNotFound') return [];
      throw error;
    }
  }

  async #askMemory(device: string, options: CallOptions): Promise<BalloonMemory> {
    const [stats, sizeBytes] = await Promise.all([this.#get(device, STATS, options), this.#size.get(options)]);
    return { ...decodeGuestStats(stats), device, sizeBytes };
  }

  #get(device: string, property: string, options: CallOptions): Promise<JsonValue> {
    return this.#monitor.execute('qom-get', { path: device, property }, options);
  }

  async #askSize(options: CallOptions): Promise<bigint | undefined> {
    try {
      return decodeBalloonSize(await this.#monitor.execute('query-balloon', undefined, options));
    } catch (error) {
      // KVM without what the balloon needs, or a device that the guest has not set up.
      if (error instanceof QmpCommandError) return undefined;
      throw error;
    }
  }
}
