import { whileWanted, withDeadline } from '../../host/deadline.ts';
import { addressText, type StreamAddress } from '../../host/stream.ts';
import { cancellation, type ErrorCode, VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';
import type { JsonValue } from '../../protocol/json/json.ts';
import type { QmpEvent, QmpGreeting } from '../../protocol/qmp/messages.ts';
import type { QmpArguments } from '../../protocol/qmp/session.ts';
import { type Connection, openConnection } from './connection.ts';

/** How long a monitor may take to connect, and again to greet, in milliseconds. A free monitor greets at once. */
export const DEFAULT_GREETING_TIMEOUT_MS = 1000;

/** How long a command may take, in milliseconds. QEMU's main loop may be held up by a slow disk. */
export const DEFAULT_COMMAND_TIMEOUT_MS = 10_000;

/** How long an unused connection stays open, in milliseconds: a monitor serves one client at a time, others want it too. */
export const DEFAULT_IDLE_MS = 2000;

/** After these the connection is of no use any more: what comes next on it would come late, or never. */
const HOPELESS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['TIMEOUT', 'FRAME_TOO_LARGE']);

/** Bounds and choices of a {@link Monitor}; each has a default in this module. */
export interface MonitorOptions {
  readonly greetingTimeoutMs?: number;
  readonly commandTimeoutMs?: number;
  /** 0 closes the connection as soon as nothing waits for an answer. */
  readonly idleMs?: number;
  /** Asks for out-of-band execution; false if absent. */
  readonly oob?: boolean;
  /** Hears of every event while a connection is open; must not throw. */
  readonly onEvent?: (event: QmpEvent) => void;
}

/**
 * A QEMU that can be asked through one or several QMP monitors. Connects when first asked, to the first address that
 * works, stays connected while it is used and {@link DEFAULT_IDLE_MS} longer, and connects anew when asked again. An idle
 * connection does not keep the process from exiting.
 */
export class Monitor {
  readonly #addresses: readonly StreamAddress[];
  readonly #options: MonitorOptions;
  readonly #closing = new AbortController();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #connection: Connection | undefined;
  #opening: Promise<Connection> | undefined;
  #connections = 0;
  #lastGood = 0;
  #active = 0;
  #idleTimer: NodeJS.Timeout | undefined;

  /** `addresses` are tried in turn, the one that worked last before the others. */
  constructor(addresses: StreamAddress | readonly StreamAddress[], options: MonitorOptions = {}) {
    this.#addresses = 'kind' in addresses ? [addresses] : addresses;
    this.#options = options;
    if (options.onEvent) this.subscribe(options.onEvent);
  }

  /**
   * Hears of every event while a connection is open; the listener must not throw. Returns what ends it. A subscription does
   * not open a connection, nor keep one open.
   */
  subscribe(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The addresses, for messages. */
  get name(): string {
    return this.#addresses.map(addressText).join(' or ');
  }

  /**
   * Counts connections from 1, so that what was learned on one can be told from what holds now; undefined while none is
   * open.
   */
  get connectionNumber(): number | undefined {
    return this.#isOpen() ? this.#connections : undefined;
  }

  /**
   * Executes a command. A signal that fires ends only this caller's wait; the command itself has the monitor's own limit,
   * and a monitor that exceeds it loses the connection, because what waits behind would be late as well.
   * @throws QMP_COMMAND_FAILED, TIMEOUT, CANCELLED, CONNECTION_LOST, QUEUE_FULL, CLOSED; MONITOR_BUSY, MONITOR_NOT_QMP
   * and what connecting raises; what a broken answer raises
   */
  execute(command: string, args: QmpArguments | undefined, options: CallOptions): Promise<JsonValue> {
    return this.#use(`${command} at ${this.name}`, options, (connection, signal) =>
      connection.session.execute(command, args, { signal }),
    );
  }

  /** What the monitor said when the connection was made, which is made where there is none. @throws as {@link execute} */
  greeting(options: CallOptions): Promise<QmpGreeting> {
    return this.#use(`the greeting of ${this.name}`, options, async (connection) => connection.greeting);
  }

  /** Closes the connection for good; what waits fails with CLOSED. Harmless when repeated. */
  async close(): Promise<void> {
    const reason = new VirtstatError('CLOSED', `the monitor at ${this.name} was closed`);
    this.#closing.abort(reason);
    this.#drop(reason);
    await this.#opening?.catch(() => undefined);
  }

  #use<T>(
    what: string,
    options: CallOptions,
    work: (connection: Connection, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason);
    if (options.signal.aborted) return Promise.reject(cancellation(options.signal, what));
    return whileWanted(this.#run(what, work), options.signal, what);
  }

  async #run<T>(what: string, work: (connection: Connection, signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#begin();
    let connection: Connection | undefined;
    try {
      connection = await this.#connected();
      const opened = connection;
      return await withDeadline((signal) => work(opened, signal), {
        signal: this.#closing.signal,
        timeoutMs: this.#options.commandTimeoutMs ?? DEFAULT_COMMAND_TIMEOUT_MS,
        what,
      });
    } catch (error) {
      if (VirtstatError.is(error) && HOPELESS.has(error.code)) connection?.close(error);
      throw error;
    } finally {
      this.#end();
    }
  }

  /** While something waits for an answer the process stays. */
  #begin(): void {
    this.#active++;
    clearTimeout(this.#idleTimer);
    this.#connection?.stream.keepAlive(true);
  }

  #end(): void {
    if (--this.#active > 0) return;
    this.#connection?.stream.keepAlive(false);
    const reason = new VirtstatError('CONNECTION_LOST', `the connection to ${this.name} was not used any more`);
    this.#idleTimer = setTimeout(() => this.#drop(reason), this.#options.idleMs ?? DEFAULT_IDLE_MS).unref();
  }

  #drop(reason: VirtstatError): void {
    clearTimeout(this.#idleTimer);
    this.#connection?.close(reason);
    this.#connection = undefined;
  }

  #isOpen(): boolean {
    return this.#connection !== undefined && this.#connection.session.state !== 'ended';
  }

  async #connected(): Promise<Connection> {
    if (this.#connection !== undefined && this.#isOpen()) return this.#connection;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<Connection> {
    const errors: VirtstatError[] = [];
    for (const index of this.#inTurn()) {
      try {
        const connection = await this.#openOne(this.#addresses[index] as StreamAddress);
        this.#lastGood = index;
        return connection;
      } catch (error) {
        errors.push(VirtstatError.from(error, 'INTERNAL', `opening ${this.name} failed`));
        if (this.#closing.signal.aborted) break;
      }
    }
    throw combine(errors);
  }

  async #openOne(address: StreamAddress): Promise<Connection> {
    const { greetingTimeoutMs = DEFAULT_GREETING_TIMEOUT_MS, oob } = this.#options;
    const connection = await openConnection(address, {
      signal: this.#closing.signal,
      greetingTimeoutMs,
      ...(oob !== undefined && { oob }),
      onEvent: (event) => {
        for (const listener of this.#listeners) listener(event);
      },
    });
    if (this.#closing.signal.aborted) {
      connection.close(this.#closing.signal.reason);
      throw this.#closing.signal.reason;
    }
    this.#connection = connection;
    this.#connections++;
    return connection;
  }

  #inTurn(): readonly number[] {
    const others = [...this.#addresses.keys()].filter((index) => index !== this.#lastGood);
    return this.#addresses.length === 0 ? [] : [this.#lastGood, ...others];
  }
}

/** One error for several addresses: a busy monitor is the news, since somebody can do something about it. */
function combine(errors: readonly VirtstatError[]): VirtstatError {
  const [first, ...others] = errors;
  if (first === undefined)
    return new VirtstatError('MONITOR_MISSING', 'there is no monitor to connect to; start QEMU with -qmp');
  if (others.length === 0) return first;
  const telling = errors.find((error) => error.code === 'MONITOR_BUSY') ?? first;
  return new VirtstatError(telling.code, errors.map((error) => error.message).join('; '), { cause: telling });
}
