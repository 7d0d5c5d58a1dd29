import { cancellation, VirtstatError } from '../../model/errors.ts';
import { LibvirtError, REMOTE_ERROR } from './error.ts';
import { encodeKeepalive, KEEPALIVE } from './keepalive.ts';
import {
  decodePayload,
  encodeMessage,
  MESSAGE_STATUS,
  MESSAGE_TYPE,
  type Message,
  type MessageHeader,
  MessageReader,
  PROGRAM,
  PROGRAM_VERSION,
} from './message.ts';
import type { Procedure } from './procedure.ts';
import { invalid } from './xdr-reader.ts';

/** Most calls that a server answers at once for one client, as libvirt is configured unless somebody says otherwise. */
export const MAX_CALLS_IN_FLIGHT = 5;

/** Most calls that may wait for their turn. */
export const MAX_QUEUED_CALLS = 64;

/** What a {@link LibvirtSession} needs from outside. */
export interface LibvirtSessionOptions {
  /** Takes bytes for the server. */
  readonly send: (bytes: Uint8Array) => void;
  /** Told once, when the session is over by itself and the connection is of no more use. */
  readonly close: (reason: VirtstatError) => void;
  /** {@link MAX_CALLS_IN_FLIGHT} if absent. */
  readonly maxInFlight?: number;
  /** {@link MAX_QUEUED_CALLS} if absent. */
  readonly maxQueued?: number;
}

/** What bounds the wait for an answer. */
export interface RemoteCallOptions {
  /** Ends the wait. A call that was sent keeps its place among those in flight until the server answers it. */
  readonly signal?: AbortSignal;
}

/** A call without an answer yet. One that its caller gave up after it was sent stays, so that its late reply is known. */
interface Pending {
  readonly procedure: number;
  readonly name: string;
  readonly serial: number;
  readonly bytes: Uint8Array;
  isWanted: boolean;
  readonly take: (payload: Uint8Array) => void;
  readonly fail: (error: VirtstatError) => void;
}

/**
 * The client's side of one libvirt connection, free of sockets: {@link receive} takes what the server sent, `send` gets what is
 * for it. Replies find their calls by serial, in any order. A server stops to read a connection on which too many calls are
 * under way, so no more than that are sent; others wait here. Pings are answered, events are ignored. Whatever else comes that
 * nobody asked for ends the session.
 *
 * Spec: "libvirt RPC infrastructure" in libvirt's documentation, remote_protocol.x in its source.
 */
export class LibvirtSession {
  readonly #options: LibvirtSessionOptions;
  readonly #reader = new MessageReader();
  readonly #inFlight = new Map<number, Pending>();
  readonly #queue: Pending[] = [];
  readonly #pings: PromiseWithResolvers<void>[] = [];
  #nextSerial = 0;
  #ended: VirtstatError | undefined;

  constructor(options: LibvirtSessionOptions) {
    this.#options = options;
  }

  /** Calls whose caller still waits for an answer. */
  get pendingCount(): number {
    return this.#queue.length + [...this.#inFlight.values()].filter(({ isWanted }) => isWanted).length;
  }

  /** True where the server reads no more before it has answered a call. */
  get isFull(): boolean {
    return this.#inFlight.size >= (this.#options.maxInFlight ?? MAX_CALLS_IN_FLIGHT);
  }

  /** Calls that were sent and not answered, given up or not. */
  get inFlightCount(): number {
    return this.#inFlight.size;
  }

  /** Takes the next bytes from the server. Never throws: what is wrong with them ends the session. */
  receive(chunk: Uint8Array): void {
    if (this.#ended !== undefined) return;
    this.#reader.push(chunk);
    try {
      while (this.#ended === undefined) {
        const message = this.#reader.next();
        if (message === undefined) return;
        this.#dispatch(message);
      }
    } catch (error) {
      this.#break(VirtstatError.from(error, 'INTERNAL', 'reading a message of libvirt failed'));
    }
  }

  /**
   * Calls a procedure and returns its result.
   * @throws LIBVIRT_CALL_FAILED as a {@link LibvirtError}; USAGE for arguments that have no form; QUEUE_FULL, CANCELLED;
   * LIBVIRT_MESSAGE_INVALID, FRAME_TOO_LARGE for a broken reply; what {@link end} was given
   */
  async call<A, R>(procedure: Procedure<A, R>, args: A, { signal }: RemoteCallOptions = {}): Promise<R> {
    const { number, name } = procedure;
    if (this.#ended !== undefined) throw this.#ended;
    if (signal?.aborted) throw cancellation(signal, `the answer to ${name}`);
    const serial = this.#takeSerial();
    const bytes = encodeMessage(callHeader(number, serial), procedure.args, args);
    const { promise, resolve, reject } = Promise.withResolvers<R>();
    const take = (payload: Uint8Array): void => resolve(decodePayload(payload, procedure.result));
    const pending = { procedure: number, name, serial, bytes, isWanted: true, take, fail: reject };
    this.#begin(pending);
    if (signal === undefined) return promise;
    const giveUp = (): void => {
      this.#abandon(pending);
      reject(cancellation(signal, `the answer to ${name}`));
    };
    signal.addEventListener('abort', giveUp, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', giveUp));
  }

  /** Asks whether the server is there, which it answers even while a call takes long. @throws what {@link end} was given */
  ping(): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    const answer = Promise.withResolvers<void>();
    this.#pings.push(answer);
    this.#options.send(encodeKeepalive(KEEPALIVE.ping));
    return answer.promise;
  }

  /** Ends the session: every call that waits, and every later one, fails with `error`. Harmless when repeated. */
  end(error: VirtstatError): void {
    if (this.#ended !== undefined) return;
    this.#ended = error;
    const waiting = [...this.#inFlight.values(), ...this.#queue.splice(0)];
    this.#inFlight.clear();
    for (const pending of waiting) pending.fail(error);
    for (const ping of this.#pings.splice(0)) ping.reject(error);
  }

  #break(error: VirtstatError): void {
    if (this.#ended !== undefined) return;
    this.end(error);
    this.#options.close(error);
  }

  #takeSerial(): number {
    // A call that the server never answers keeps its serial.
    while (this.#inFlight.has(this.#nextSerial)) this.#nextSerial = (this.#nextSerial + 1) >>> 0;
    const serial = this.#nextSerial;
    this.#nextSerial = (serial + 1) >>> 0;
    return serial;
  }

  #begin(pending: Pending): void {
    const { maxInFlight = MAX_CALLS_IN_FLIGHT, maxQueued = MAX_QUEUED_CALLS } = this.#options;
    if (this.#inFlight.size < maxInFlight) this.#send(pending);
    else if (this.#queue.length < maxQueued) this.#queue.push(pending);
    else {
      const limit = `${maxInFlight} calls are under way and ${maxQueued} wait on this connection`;
      throw new VirtstatError('QUEUE_FULL', `${pending.name} was not called: ${limit}; ask less often`);
    }
  }

  #send(pending: Pending): void {
    this.#inFlight.set(pending.serial, pending);
    this.#options.send(pending.bytes);
  }

  #abandon(pending: Pending): void {
    pending.isWanted = false;
    const place = this.#queue.indexOf(pending);
    if (place >= 0) this.#queue.splice(place, 1);
  }

  #dispatch({ header, payload }: Message): void {
    if (header.version !== PROGRAM_VERSION) throw invalid(`it is of version ${header.version} of its program`);
    if (header.program === PROGRAM.keepalive) this.#answerKeepalive(header);
    // Nobody registered for events; a server may send them all the same.
    else if (header.type === MESSAGE_TYPE.message) return;
    else if (header.program === PROGRAM.remote && header.type === MESSAGE_TYPE.reply) this.#answer(header, payload);
    else throw invalid(`nobody asked for type ${header.type} of program ${header.program}`);
  }

  #answerKeepalive({ type, procedure }: MessageHeader): void {
    if (type !== MESSAGE_TYPE.message) throw invalid(`a keepalive is of type ${type}`);
    if (procedure === KEEPALIVE.ping) this.#options.send(encodeKeepalive(KEEPALIVE.pong));
    else if (procedure === KEEPALIVE.pong) this.#pings.shift()?.resolve();
    else throw invalid(`a keepalive is neither ping nor pong but ${procedure}`);
  }

  #answer({ serial, procedure, status }: MessageHeader, payload: Uint8Array): void {
    const pending = this.#inFlight.get(serial);
    if (pending === undefined) throw invalid(`it replies to call ${serial}, which nobody made`);
    if (procedure !== pending.procedure) {
      throw invalid(`it replies to procedure ${procedure}, but call ${serial} was ${pending.name}`);
    }
    if (status !== MESSAGE_STATUS.ok && status !== MESSAGE_STATUS.error) {
      throw invalid(`the reply to ${pending.name} has status ${status}`);
    }
    this.#inFlight.delete(serial);
    const next = this.#queue.shift();
    if (next !== undefined) this.#send(next);
    if (pending.isWanted) settle(pending, status, payload);
  }
}

function callHeader(procedure: number, serial: number): MessageHeader {
  return {
    program: PROGRAM.remote,
    version: PROGRAM_VERSION,
    procedure,
    type: MESSAGE_TYPE.call,
    serial,
    status: MESSAGE_STATUS.ok,
  };
}

/** Frames are whole here: a payload that is wrong costs only its own call. */
function settle(pending: Pending, status: number, payload: Uint8Array): void {
  try {
    if (status === MESSAGE_STATUS.ok) pending.take(payload);
    else pending.fail(new LibvirtError(pending.name, decodePayload(payload, REMOTE_ERROR)));
  } catch (error) {
    pending.fail(VirtstatError.from(error, 'INTERNAL', `reading the reply to ${pending.name} failed`));
  }
}
