import type { CallOptions } from '../../model/provider.ts';
import type { QmpEvent } from '../../protocol/qmp/messages.ts';
import { decodeStatus, type VmStatus } from '../../protocol/qmp/queries.ts';
import { Kept } from './kept.ts';
import type { Monitor } from './monitor.ts';

/** What always begins a run state, and whether the vCPUs run in it. */
const BEGINNINGS: ReadonlyMap<string, boolean> = new Map([
  ['STOP', false],
  ['RESUME', true],
  ['SUSPEND', false],
  ['WAKEUP', true],
]);

/** What may go with another run state. */
const OCCASIONS: readonly string[] = [
  'BLOCK_IO_ERROR',
  'COLO_EXIT',
  'GUEST_CRASHLOADED',
  'GUEST_PANICKED',
  'MIGRATION',
  'POWERDOWN',
  'RESET',
  'SHUTDOWN',
  'SUSPEND_DISK',
  'WATCHDOG',
];

/** A stopped VM may go from one word to another without an event: asked again when it is that old, in milliseconds. */
const MAX_AGE_MS = 10_000;

/** The run state, and since when. */
export interface RunStateNow extends VmStatus {
  /** Nanoseconds since 1970, by QEMU's event that began it; absent where none was heard. */
  readonly sinceNs?: bigint;
}

/** The run state of a VM: asked for once on a connection, and again after an event that may have changed it. */
export class RunState {
  readonly #monitor: Monitor;
  readonly #now: Kept<RunStateNow>;
  /** The last answer, and on which connection. */
  #last: { readonly connection: number | undefined; readonly now: RunStateNow } | undefined;
  /** The last event of each kind since then. */
  #begun: HeardEvent | undefined;
  #occasion: HeardEvent | undefined;

  constructor(monitor: Monitor) {
    this.#monitor = monitor;
    monitor.subscribe((event) => this.#hear(event));
    const events = [...BEGINNINGS.keys(), ...OCCASIONS];
    this.#now = new Kept(monitor, { maxAgeMs: MAX_AGE_MS, events }, (options) => this.#ask(options));
  }

  /** @throws as {@link Monitor.execute}; QMP_REPLY_INVALID */
  get(options: CallOptions): Promise<RunStateNow> {
    return this.#now.get(options);
  }

  #hear({ name, timeNs }: QmpEvent): void {
    const heard = { connection: this.#monitor.connectionNumber, name, timeNs };
    if (BEGINNINGS.has(name)) this.#begun = heard;
    else if (OCCASIONS.includes(name)) this.#occasion = heard;
  }

  async #ask(options: CallOptions): Promise<RunStateNow> {
    const status = decodeStatus(await this.#monitor.execute('query-status', undefined, options));
    const connection = this.#monitor.connectionNumber;
    const sinceNs = this.#since(status, connection);
    const now = { ...status, ...(sinceNs !== undefined && { sinceNs }) };
    this.#last = { connection, now };
    this.#begun = undefined;
    this.#occasion = undefined;
    return now;
  }

  /** What was heard on another connection says nothing: between the two everything may have happened. */
  #since({ status, running }: VmStatus, connection: number | undefined): bigint | undefined {
    const begun = this.#heardOn(connection, this.#begun);
    if (begun !== undefined) {
      // An event that came right behind the answer began the state after this one.
      return BEGINNINGS.get(begun.name) === running ? timeOf(begun) : undefined;
    }
    if (this.#last?.connection !== connection) return undefined;
    if (this.#last?.now.status === status) return this.#last.now.sinceNs;
    return timeOf(this.#heardOn(connection, this.#occasion));
  }

  #heardOn(connection: number | undefined, heard: HeardEvent | undefined): HeardEvent | undefined {
    return heard !== undefined && heard.connection === connection ? heard : undefined;
  }
}

interface HeardEvent {
  readonly connection: number | undefined;
  readonly name: string;
  readonly timeNs: bigint;
}

/** QEMU says -1 where it cannot tell. */
function timeOf(heard: HeardEvent | undefined): bigint | undefined {
  return heard !== undefined && heard.timeNs >= 0n ? heard.timeNs : undefined;
}
