import { VirtstatError } from '../../model/errors.ts';
import type { JsonObject } from '../json/json.ts';
import { encodeMessage, type MessageLimits, MessageReader } from './framing.ts';
import type { IdlStruct } from './idl.ts';
import { splitName, type VarlinkInterface } from './interface.ts';
import { decodeReply, invalid, VarlinkError, type VarlinkParameters, type VarlinkReply } from './messages.ts';
import { ReplyQueue } from './reply-queue.ts';
import { findMismatch } from './types.ts';

/** Most calls of one session that may be without an answer at once. */
export const MAX_PENDING_CALLS = 64;

/** What a {@link VarlinkClient} needs from outside. */
export interface VarlinkClientOptions extends MessageLimits {
  /** Takes bytes for the service. */
  readonly send: (bytes: Uint8Array) => void;
  /** Told once, when the session is over by itself and the connection is of no more use. */
  readonly close: (reason: VirtstatError) => void;
  /** Definitions that calls and replies are checked against; methods of other interfaces pass unchecked. */
  readonly interfaces?: readonly VarlinkInterface[];
  /** {@link MAX_PENDING_CALLS} if absent. */
  readonly maxPending?: number;
}

/** What bounds the wait for an answer. */
export interface CallMethodOptions {
  /** Ends the wait. The answer to a single call is then dropped when it comes; a stream ends with its connection. */
  readonly signal?: AbortSignal;
}

/** A call without its last reply yet. One that its caller gave up stays, so that its late reply is known. */
interface Pending {
  readonly method: string;
  readonly wantsMore: boolean;
  readonly take: (reply: VarlinkReply, sizeBytes: number) => void;
  readonly fail: (error: VirtstatError) => void;
}

/**
 * The client's side of one varlink connection, free of sockets: {@link receive} takes what the service sent, `send` gets what
 * is for it. Calls need not wait for each other: replies come in the order of the calls. There is no taking over of a
 * connection (`upgrade`).
 *
 * Spec: https://varlink.org/Method-Call
 */
export class VarlinkClient {
  readonly #options: VarlinkClientOptions;
  readonly #reader: MessageReader;
  readonly #interfaces: ReadonlyMap<string, VarlinkInterface>;
  readonly #pending: Pending[] = [];
  #ended: VirtstatError | undefined;

  constructor(options: VarlinkClientOptions) {
    this.#options = options;
    this.#reader = new MessageReader(options);
    this.#interfaces = new Map(options.interfaces?.map((each) => [each.name, each]));
  }

  /** Calls without their last reply, given up or not. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  /** Takes the next bytes from the service. Never throws: what is wrong with them ends the session. */
  receive(chunk: Uint8Array): void {
    if (this.#ended !== undefined) return;
    this.#reader.push(chunk);
    try {
      while (this.#ended === undefined) {
        const message = this.#reader.next();
        if (message === undefined) return;
        this.#dispatch(decodeReply(message), this.#reader.sizeBytes);
      }
    } catch (error) {
      this.#break(VirtstatError.from(error, 'INTERNAL', 'reading a reply failed'));
    }
  }

  /**
   * Calls a method and returns the parameters of its reply.
   * @throws VARLINK_CALL_FAILED as a {@link VarlinkError}; USAGE for parameters that the interface does not have; QUEUE_FULL,
   * CANCELLED; VARLINK_MESSAGE_INVALID, FRAME_TOO_LARGE, NESTING_TOO_DEEP, JSON_INVALID for a broken reply; what {@link end}
   * was given
   */
  async call(method: string, parameters: VarlinkParameters = {}, options: CallMethodOptions = {}): Promise<JsonObject> {
    const { signal } = options;
    const { promise, resolve, reject } = Promise.withResolvers<JsonObject>();
    const giveUp = (): void => reject(cancelled(signal as AbortSignal, method));
    this.#begin(method, parameters, signal, {
      method,
      wantsMore: false,
      take: (reply) => resolve(reply.parameters),
      fail: reject,
    });
    signal?.addEventListener('abort', giveUp, { once: true });
    return promise.finally(() => signal?.removeEventListener('abort', giveUp));
  }

  /**
   * Calls a method that may reply more than once, when the first reply is asked for. Varlink has no word to stop it: leaving
   * the loop before the last reply, or the signal, ends the session and its connection.
   * @throws as {@link call}; QUEUE_FULL where too much was not read
   */
  async *callMore(
    method: string,
    parameters: VarlinkParameters = {},
    options: CallMethodOptions = {},
  ): AsyncGenerator<JsonObject, void, void> {
    const { signal } = options;
    const replies = new ReplyQueue(method);
    const giveUp = (): void => replies.fail(cancelled(signal as AbortSignal, method));
    this.#begin(method, parameters, signal, {
      method,
      wantsMore: true,
      take: (reply, sizeBytes) => replies.push(reply, sizeBytes),
      fail: (error) => replies.fail(error),
    });
    signal?.addEventListener('abort', giveUp, { once: true });
    let isOver = false;
    try {
      while (!isOver) {
        const reply = await replies.next();
        isOver = !reply.continues;
        yield reply.parameters;
      }
    } catch (error) {
      isOver = error instanceof VarlinkError;
      throw error;
    } finally {
      signal?.removeEventListener('abort', giveUp);
      if (!isOver) this.#break(new VirtstatError('CLOSED', `the replies to ${method} are no longer wanted`));
    }
  }

  /**
   * Calls a method that does not reply: nobody learns what became of it.
   * @throws USAGE, what {@link end} was given
   */
  callOneway(method: string, parameters: VarlinkParameters = {}): void {
    if (this.#ended !== undefined) throw this.#ended;
    this.#checkInput(method, parameters);
    this.#options.send(encodeMessage({ method, parameters, oneway: true }));
  }

  /** Ends the session: every call that waits, and every later one, fails with `error`. Harmless when repeated. */
  end(error: VirtstatError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    for (const pending of this.#pending.splice(0)) pending.fail(error);
  }

  #break(error: VirtstatError): void {
    if (this.#ended !== undefined) return;
    this.end(error);
    this.#options.close(error);
  }

  #begin(method: string, parameters: VarlinkParameters, signal: AbortSignal | undefined, pending: Pending): void {
    const limit = this.#options.maxPending ?? MAX_PENDING_CALLS;
    if (this.#ended !== undefined) throw this.#ended;
    if (signal?.aborted) throw cancelled(signal, method);
    if (this.#pending.length >= limit) {
      throw new VirtstatError('QUEUE_FULL', `${method} was not called: ${limit} calls wait for this service`);
    }
    this.#checkInput(method, parameters);
    this.#pending.push(pending);
    const isEmpty = Object.keys(parameters).length === 0;
    this.#options.send(
      encodeMessage({ method, ...(!isEmpty && { parameters }), ...(pending.wantsMore && { more: true }) }),
    );
  }

  #dispatch(reply: VarlinkReply, sizeBytes: number): void {
    const [pending] = this.#pending;
    if (pending === undefined) throw invalid('a reply', 'the answer to a call');
    if (reply.continues && !pending.wantsMore) throw invalid(`the reply to ${pending.method}`, 'the only one');
    if (reply.continues && reply.error !== undefined) throw invalid('an error', 'the last reply');
    if (reply.error === undefined) this.#checkOutput(pending.method, reply.parameters);
    if (!reply.continues) this.#pending.shift();
    if (reply.error !== undefined) pending.fail(new VarlinkError(reply.error, reply.parameters));
    else pending.take(reply, sizeBytes);
  }

  #checkInput(method: string, parameters: VarlinkParameters): void {
    const wrong = this.#mismatch(method, 'input', parameters);
    if (wrong !== undefined) throw new VirtstatError('USAGE', `${method} was not called: ${wrong}`);
  }

  #checkOutput(method: string, parameters: JsonObject): void {
    const wrong = this.#mismatch(method, 'output', parameters);
    if (wrong !== undefined) {
      throw new VirtstatError(
        'VARLINK_MESSAGE_INVALID',
        `the reply to ${method} is not what its interface says: ${wrong}`,
      );
    }
  }

  /** A later version of a service may reply more than the definition says; nothing may be asked that it does not have. */
  #mismatch(method: string, side: 'input' | 'output', parameters: VarlinkParameters): string | undefined {
    const [interfaceName, name] = splitName(method);
    const definition = this.#interfaces.get(interfaceName);
    if (definition === undefined) return undefined;
    const struct: IdlStruct | undefined = definition.methods.get(name)?.[side];
    if (struct === undefined) return 'the interface has no such method';
    const wrong = findMismatch(parameters, struct, { types: definition.types, allowsUnknown: side === 'output' });
    return wrong && `${wrong.path || 'parameters'} should be ${wrong.expected}`;
  }
}

function cancelled(signal: AbortSignal, method: string): VirtstatError {
  if (VirtstatError.is(signal.reason)) return signal.reason;
  return new VirtstatError('CANCELLED', `the answer to ${method} is no longer waited for: the caller cancelled`, {
    cause: signal.reason,
  });
}
