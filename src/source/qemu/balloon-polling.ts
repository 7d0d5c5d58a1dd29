import { VirtstatError } from '../../model/errors.ts';
import type {
  BalloonPolling,
  CallOptions,
  PollingLease,
  PollingMark,
  PollingOrder,
  PollingState,
} from '../../model/provider.ts';
import { BalloonDevice, type BalloonReport, POLLING_INTERVAL } from './balloon-device.ts';
import type { Monitor } from './monitor.ts';

/** The longest interval that QEMU takes, in seconds. */
export const MAX_INTERVAL_SECONDS = 0xffff_ffff;

/** A device below one of the two folders where QEMU has its devices. */
const DEVICE_PATH = /^\/machine\/peripheral(-anon)?\/[^/\p{Cc}]{1,200}$/u;

/** After these a device may have forgotten what was set; its interval tells whether it has. */
const MAY_FORGET: ReadonlySet<string> = new Set(['RESET', 'DEVICE_DELETED']);

/**
 * Sets the one property that virtstat ever sets: how often QEMU asks the guest for its memory statistics. Nothing else can be
 * sent to a monitor this way, whatever the arguments are.
 * @throws USAGE for another path than a device's, and for an interval that is none; as {@link Monitor.execute}
 */
export async function setPollingInterval(
  monitor: Monitor,
  device: string,
  intervalSeconds: number,
  options: CallOptions,
): Promise<void> {
  if (!DEVICE_PATH.test(device)) throw new VirtstatError('USAGE', `${JSON.stringify(device)} is no path of a device`);
  if (!Number.isInteger(intervalSeconds) || intervalSeconds < 0 || intervalSeconds > MAX_INTERVAL_SECONDS) {
    throw badInterval(intervalSeconds);
  }
  await monitor.execute('qom-set', { path: device, property: POLLING_INTERVAL, value: intervalSeconds }, options);
}

/** The polling of the balloon behind a monitor. */
export class QemuBalloonPolling implements BalloonPolling {
  readonly #monitor: Monitor;
  readonly #device: BalloonDevice;

  constructor(monitor: Monitor) {
    this.#monitor = monitor;
    this.#device = new BalloonDevice(monitor);
  }

  order(order: PollingOrder): PollingLease {
    const { intervalSeconds } = order;
    if (!Number.isInteger(intervalSeconds) || intervalSeconds < 1 || intervalSeconds > MAX_INTERVAL_SECONDS) {
      throw badInterval(intervalSeconds);
    }
    return new Lease(this.#monitor, this.#device, order);
  }
}

/**
 * One order's dealings with a device:
 *
 * | found              | nothing set by us               | set by us                                            |
 * | ------------------ | ------------------------------- | ---------------------------------------------------- |
 * | what we set        | somebody else's, stays          | stays                                                |
 * | another interval   | somebody else's, stays          | somebody else's from now on                          |
 * | 0                  | set                             | set anew where the device forgot it; else somebody   |
 * |                    |                                 | switched it off, and it stays off                    |
 *
 * The monitor protocol has no way to compare and set at once: whoever else sets it between our look and our setting loses.
 */
class Lease implements PollingLease {
  readonly #monitor: Monitor;
  readonly #device: BalloonDevice;
  readonly #order: PollingOrder;
  #unsubscribe: (() => void) | undefined;
  /** What is set by us, as far as we know. */
  #held: PollingMark | undefined;
  /** Somebody switched off what we had switched on. */
  #isYielded = false;
  /** The device may have forgotten what was set: so it is with what an earlier process has set. */
  #mayHaveForgotten = true;
  #lastUpdateSeconds = 0n;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(monitor: Monitor, device: BalloonDevice, order: PollingOrder) {
    this.#monitor = monitor;
    this.#device = device;
    this.#order = order;
    this.#held = order.earlier;
  }

  keep(options: CallOptions): Promise<PollingState> {
    this.#unsubscribe ??= this.#monitor.subscribe(({ name }) => {
      if (MAY_FORGET.has(name)) this.#mayHaveForgotten = true;
    });
    return this.#inTurn(() => this.#keep(options));
  }

  release(options: CallOptions): Promise<void> {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    return this.#inTurn(() => this.#release(options));
  }

  /** One after the other: each stands on what the one before it has set. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(work, work);
    this.#turn = next.catch(() => undefined);
    return next;
  }

  async #keep(options: CallOptions): Promise<PollingState> {
    const report = await this.#device.report(options);
    // What happened before this answer was heard before it.
    const mayHaveForgotten = this.#mayHaveForgotten;
    this.#mayHaveForgotten = report === undefined;
    if (report === undefined) {
      this.#forget();
      return { owner: 'no-device', intervalSeconds: 0, lastUpdateSeconds: 0n };
    }
    try {
      return await this.#keepAt(report, mayHaveForgotten, options);
    } catch (error) {
      this.#mayHaveForgotten ||= mayHaveForgotten;
      throw error;
    }
  }

  async #keepAt(report: BalloonReport, mayHaveForgotten: boolean, options: CallOptions): Promise<PollingState> {
    // A device that was plugged in anew has never been answered.
    const isAnother = report.lastUpdateSeconds === 0n && this.#lastUpdateSeconds > 0n;
    this.#lastUpdateSeconds = report.lastUpdateSeconds;
    const owner = await this.#settle(report, mayHaveForgotten || isAnother, options);
    const intervalSeconds = owner === 'ours' ? this.#order.intervalSeconds : report.intervalSeconds;
    return { owner, intervalSeconds, lastUpdateSeconds: report.lastUpdateSeconds };
  }

  async #settle(report: BalloonReport, mayHaveForgotten: boolean, options: CallOptions): Promise<'ours' | 'theirs'> {
    const { device, intervalSeconds } = report;
    const hasForgotten = mayHaveForgotten || (this.#held !== undefined && this.#held.device !== device);
    if (this.#isHeld(report)) {
      if (intervalSeconds === this.#order.intervalSeconds) return 'ours';
      await setPollingInterval(this.#monitor, device, 0, options);
    } else if (intervalSeconds !== 0) {
      this.#isYielded ||= this.#held !== undefined;
      this.#forget();
      return 'theirs';
    } else if (!hasForgotten && (this.#held !== undefined || this.#isYielded)) {
      this.#isYielded = true;
      this.#forget();
      return 'theirs';
    }
    await this.#set(device, options);
    return 'ours';
  }

  /** What is noted first can be put back whatever happens next. */
  async #set(device: string, options: CallOptions): Promise<void> {
    const mark = { device, intervalSeconds: this.#order.intervalSeconds };
    this.#order.note?.(mark);
    this.#held = mark;
    this.#isYielded = false;
    try {
      await setPollingInterval(this.#monitor, device, mark.intervalSeconds, options);
    } catch (error) {
      // Of a connection that broke nobody knows whether it came through; of a refusal everybody does.
      if (VirtstatError.is(error) && error.code === 'QMP_COMMAND_FAILED') this.#forget();
      throw error;
    }
  }

  async #release(options: CallOptions): Promise<void> {
    if (this.#held === undefined) return;
    const report = await this.#device.report(options);
    if (report !== undefined && this.#isHeld(report)) {
      await setPollingInterval(this.#monitor, report.device, 0, options);
    }
    this.#forget();
  }

  #isHeld({ device, intervalSeconds }: BalloonReport): boolean {
    return this.#held?.device === device && this.#held.intervalSeconds === intervalSeconds;
  }

  #forget(): void {
    if (this.#held === undefined) return;
    this.#held = undefined;
    this.#order.note?.(undefined);
  }
}

function badInterval(intervalSeconds: number): VirtstatError {
  const range = `a whole number of seconds, 1 to ${MAX_INTERVAL_SECONDS}`;
  return new VirtstatError('USAGE', `an interval must be ${range}, and is ${intervalSeconds}`);
}
