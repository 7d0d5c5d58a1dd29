import { cancellation, VirtstatError } from '../../model/errors.ts';
import { type JsonInput, type JsonValue, stringifyJson } from '../json/json.ts';
import type { FrameLimits } from './framing.ts';
import { JsonReader } from './json-reader.ts';
import { decodeMessage, QmpCommandError, type QmpEvent, type QmpGreeting, type QmpMessage } from './messages.ts';

/** Most requests of one session that may be without an answer at once. */
export const MAX_PENDING = 64;

/**
 * Where a session stands: waiting for the greeting, waiting for the answer to `qmp_capabilities`, in command mode, over.
 */
export type QmpSessionState = 'greeting' | 'negotiating' | 'running' | 'ended';

/** What a {@link QmpSession} needs from outside. */
export interface QmpSessionOptions extends FrameLimits {
  /** Takes bytes for the peer. Requests made at the same moment come in one call. */
  readonly send: (bytes: Uint8Array) => void;
  /** Hears of every event; must not throw. */
  readonly onEvent?: (event: QmpEvent) => void;
  /** Enables out-of-band execution where the monitor offers it; false if absent. */
  readonly oob?: boolean;
  /** {@link MAX_PENDING} if absent. */
  readonly maxPending?: number;
  /** Runs a function soon, after what runs now; requests made until then leave together. `queueMicrotask` if absent. */
  readonly defer?: (flush: () => void) => void;
}

/** What a command of QMP takes as arguments. */
export type QmpArguments = { readonly [name: string]: JsonInput | undefined };

/** What bounds the wait for an answer. */
export interface ExecuteOptions {
  /** Ends the wait; the answer that comes later is dropped. */
  readonly signal?: AbortSignal;
}

/** A request without an answer yet. One that its caller gave up stays, so that its late answer is known. */
interface Pending {
  readonly command: string;
  readonly resolve: (value: JsonValue) => void;
  readonly reject: (error: VirtstatError) => void;
}

/**
 * The client's side of one QMP connection, free of sockets: {@link receive} takes what the peer sent, `send` gets what is
 * for it. Nothing is sent before the peer has greeted, so that a peer that is no monitor gets no bytes; the negotiation and
 * all requests made until then leave in one piece.
 *
 * Answers find their requests by id, in any order; an answer with an unknown id is dropped. An error without an id, which is
 * what a monitor says to input that it could not parse, goes to the oldest request. Bytes that are no QMP fail every request
 * that waits, because nobody knows whose answer they were; the session then goes on behind the next line end.
 *
 * Spec: docs/interop/qmp-spec in QEMU.
 */
export class QmpSession {
  /** The greeting. Rejects with MONITOR_NOT_QMP where the peer said something else, or as {@link end} says. */
  readonly greeting: Promise<QmpGreeting>;
  readonly #options: QmpSessionOptions;
  readonly #reader: JsonReader;
  readonly #greeted: PromiseWithResolvers<QmpGreeting> = Promise.withResolvers();
  readonly #pending = new Map<JsonValue, Pending>();
  readonly #encoder = new TextEncoder();
  #outgoing = '';
  #isFlushDue = false;
  #lastId = 0;
  #state: QmpSessionState = 'greeting';
  #hasOob = false;
  #ended: VirtstatError | undefined;

  constructor(options: QmpSessionOptions) {
    this.#options = options;
    this.#reader = new JsonReader(options);
    this.greeting = this.#greeted.promise;
    // Not everybody waits for it.
    this.greeting.catch(() => undefined);
  }

  get state(): QmpSessionState {
    return this.#state;
  }

  /** Requests without an answer, given up or not. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Bytes held for a message that is not complete yet. */
  get heldBytes(): number {
    return this.#reader.heldBytes;
  }

  /** Takes the next bytes from the peer. Never throws: what is wrong with them fails the requests that wait. */
  receive(chunk: Uint8Array): void {
    if (this.#state === 'ended') return;
    this.#reader.push(chunk);
    while (this.#ended === undefined) {
      try {
        const message = this.#reader.next();
        if (message === undefined) return;
        this.#dispatch(decodeMessage(message));
      } catch (error) {
        this.#mistrust(VirtstatError.from(error, 'INTERNAL', 'reading a message of the monitor failed'));
      }
    }
  }

  /**
   * Executes a command and returns what it returned.
   * @throws QMP_COMMAND_FAILED as a {@link QmpCommandError}, QUEUE_FULL, CANCELLED; FRAME_TOO_LARGE, NESTING_TOO_DEEP,
   * JSON_INVALID, QMP_REPLY_INVALID for a broken answer; what {@link end} was given
   */
  execute(command: string, args?: QmpArguments, options: ExecuteOptions = {}): Promise<JsonValue> {
    return this.#request('execute', command, args, options);
  }

  /**
   * Executes a command out of band: it overtakes those that were sent before.
   * @throws USAGE where `oob` is not enabled; else as {@link execute}
   */
  executeOob(command: string, args?: QmpArguments, options: ExecuteOptions = {}): Promise<JsonValue> {
    if (!this.#hasOob) {
      return Promise.reject(
        new VirtstatError('USAGE', `${command} cannot be executed out of band: oob is not enabled on this connection`),
      );
    }
    return this.#request('exec-oob', command, args, options);
  }

  /** Ends the session: every request that waits, and every later one, fails with `error`. Harmless when repeated. */
  end(error: VirtstatError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    this.#state = 'ended';
    this.#outgoing = '';
    this.#greeted.reject(error);
    this.#failAll(error);
  }

  #request(verb: string, command: string, args: QmpArguments | undefined, options: ExecuteOptions): Promise<JsonValue> {
    const limit = this.#options.maxPending ?? MAX_PENDING;
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (options.signal?.aborted) return Promise.reject(cancellation(options.signal, `the answer to ${command}`));
    if (this.#pending.size >= limit) {
      return Promise.reject(
        new VirtstatError(
          'QUEUE_FULL',
          `${command} was not sent: ${limit} requests wait for this monitor; ask less often`,
        ),
      );
    }
    const answer = this.#await(command, options.signal, ++this.#lastId);
    this.#write(`${stringifyJson({ [verb]: command, arguments: args, id: this.#lastId })}\n`);
    return answer;
  }

  #await(command: string, signal: AbortSignal | undefined, id: number): Promise<JsonValue> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => reject(cancellation(signal as AbortSignal, `the answer to ${command}`));
      const release = (): void => signal?.removeEventListener('abort', giveUp);
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#pending.set(id, {
        command,
        resolve: (value) => {
          release();
          resolve(value);
        },
        reject: (error) => {
          release();
          reject(error);
        },
      });
    });
  }

  #dispatch(message: QmpMessage): void {
    const isGreeting = message.kind === 'greeting';
    if (isGreeting !== (this.#state === 'greeting')) {
      const fault = isGreeting ? 'it greeted a second time' : 'its first message is no greeting';
      throw new VirtstatError('QMP_REPLY_INVALID', `the monitor is not understood: ${fault}`);
    }
    if (isGreeting) this.#negotiate(message.greeting);
    else if (message.kind === 'event') this.#options.onEvent?.(message.event);
    else if (message.kind === 'return') this.#take(message.id)?.resolve(message.value);
    else this.#refuse(message);
  }

  #refuse(message: Extract<QmpMessage, { kind: 'error' }>): void {
    const pending = message.id === undefined ? this.#takeOldest() : this.#take(message.id);
    pending?.reject(new QmpCommandError(pending.command, message.className, message.desc));
  }

  /** The requests that were made before the greeting follow in the same piece. */
  #negotiate(greeting: QmpGreeting): void {
    const wantsOob = this.#options.oob === true && greeting.capabilities.includes('oob');
    const id = ++this.#lastId;
    const args = wantsOob ? { enable: ['oob'] } : undefined;
    const early = this.#outgoing;
    this.#outgoing = '';
    this.#state = 'negotiating';
    this.#pending.set(id, {
      command: 'qmp_capabilities',
      resolve: () => {
        this.#state = 'running';
        this.#hasOob = wantsOob;
        this.#greeted.resolve(greeting);
      },
      reject: (error) => this.end(error),
    });
    this.#write(`${stringifyJson({ execute: 'qmp_capabilities', arguments: args, id })}\n${early}`);
    if (!wantsOob) this.#greeted.resolve(greeting);
  }

  #write(text: string): void {
    this.#outgoing += text;
    if (this.#state === 'greeting' || this.#isFlushDue) return;
    this.#isFlushDue = true;
    (this.#options.defer ?? queueMicrotask)(() => this.#flush());
  }

  #flush(): void {
    this.#isFlushDue = false;
    if (this.#outgoing === '') return;
    const bytes = this.#encoder.encode(this.#outgoing);
    this.#outgoing = '';
    this.#options.send(bytes);
  }

  #take(id: JsonValue | undefined): Pending | undefined {
    const pending = id === undefined ? undefined : this.#pending.get(id);
    if (id !== undefined) this.#pending.delete(id);
    return pending;
  }

  #takeOldest(): Pending | undefined {
    const [oldest] = this.#pending.keys();
    return this.#take(oldest);
  }

  /** A peer that begins with something else is no monitor; one that breaks off later may recover. */
  #mistrust(error: VirtstatError): void {
    if (this.#state === 'greeting') {
      const message = `the peer does not speak QMP: ${error.message}; is it a monitor in mode=control?`;
      this.end(new VirtstatError('MONITOR_NOT_QMP', message, { cause: error }));
    } else if (this.#state === 'negotiating') this.end(error);
    else this.#failAll(error);
  }

  #failAll(error: VirtstatError): void {
    const waiting = [...this.#pending.values()];
    this.#pending.clear();
    for (const pending of waiting) pending.reject(error);
  }
}
