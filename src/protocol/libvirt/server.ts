import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';
import { VIR_ERR_INTERNAL_ERROR, VIR_ERR_RPC, VIR_FROM_RPC } from './constants.ts';
import { REMOTE_ERROR, type RemoteError } from './error.ts';
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
import {
  AUTH_LIST,
  AUTH_TYPE,
  CONNECT_CLOSE,
  CONNECT_OPEN,
  CONNECT_SUPPORTS_FEATURE,
  type ConnectOpenArgs,
} from './procedures.ts';
import { LibvirtRefusal, remoteErrorOf } from './refusal.ts';
import { ServerKeepalive } from './server-keepalive.ts';
import { MAX_CALLS_IN_FLIGHT } from './session.ts';

/** Longest call that a server takes, in bytes (1 MiB): a list of as many domains as there may be has room in it. */
export const MAX_CALL_BYTES: number = 2 ** 20;

/** The feature of a server that answers pings, VIR_DRV_FEATURE_PROGRAM_KEEPALIVE. */
const FEATURE_KEEPALIVE = 10;

/** Other features that a server of this kind has: VIR_DRV_FEATURE_TYPED_PARAM_STRING. */
const FEATURES: ReadonlySet<number> = new Set([9]);

/** A procedure and what it does. */
export interface ServedProcedure {
  readonly procedure: Procedure<never, unknown>;
  readonly run: (args: never, options: CallOptions) => unknown;
}

/** Says what a procedure does: `run` gives its result, or raises a {@link LibvirtRefusal}. */
export function served<A, R>(
  procedure: Procedure<A, R>,
  run: (args: A, options: CallOptions) => R | Promise<R>,
): ServedProcedure {
  return { procedure: procedure as unknown as ServedProcedure['procedure'], run };
}

/** What is served, the same for every connection. */
export interface LibvirtService {
  /** Beside those of the session itself: AUTH_LIST, CONNECT_OPEN, CONNECT_CLOSE, CONNECT_SUPPORTS_FEATURE. */
  readonly procedures: ReadonlyMap<number, ServedProcedure>;
  /** Checks what is opened. @throws LibvirtRefusal where it is none of ours */
  open(args: ConnectOpenArgs): void;
  /** Why a procedure that is not served is refused, where that is not because nobody knows it. */
  refusal(procedure: number): LibvirtRefusal | undefined;
}

/** What a service does for the procedure of this number. @throws LibvirtRefusal where it is not served */
export function findServed(service: LibvirtService, number: number): ServedProcedure {
  const found = service.procedures.get(number);
  if (found !== undefined) return found;
  throw service.refusal(number) ?? rpcError(`unknown procedure: ${number}`);
}

/** What a {@link LibvirtServer} needs from outside. */
export interface LibvirtServerOptions {
  readonly service: LibvirtService;
  /** Takes bytes for the client. */
  readonly send: (bytes: Uint8Array) => void;
  /** Resolves when the client has read most of what was sent, or is gone. */
  readonly drained: () => Promise<void>;
  /** Told when nothing more is to be read until {@link onHungry}: enough calls are under way. */
  readonly onFull: () => void;
  readonly onHungry: () => void;
  /** Told when every call that came is answered. */
  readonly onIdle?: () => void;
  /** Told when the client has said goodbye and was answered. */
  readonly onGoodbye: () => void;
  /** Told once, when the session is over by itself and the connection is of no more use. */
  readonly close: (reason: VirtstatError) => void;
  /** Hears of procedures that nobody serves. */
  readonly onUnknown?: (procedure: number) => void;
  /** {@link MAX_CALLS_IN_FLIGHT} if absent. */
  readonly maxInFlight?: number;
  /** {@link MAX_CALL_BYTES} if absent. */
  readonly maxCallBytes?: number;
  /** From one ping to the next, in milliseconds; 5000 if absent. */
  readonly pingIntervalMs?: number;
}

/**
 * The server's side of one libvirt connection, free of sockets: {@link receive} takes what the client sent, `send` gets what
 * is for it. Calls run at once, up to a bound from which on nothing more is read; replies go out as they are ready, in any
 * order, and what the client does not read counts as under way. Streams and descriptors are not taken. A client that sends
 * something else than messages loses the connection; a message that is wrong costs only its own call.
 *
 * Spec: "libvirt RPC infrastructure" in libvirt's documentation, remote_protocol.x in its source.
 */
export class LibvirtServer {
  readonly #options: LibvirtServerOptions;
  readonly #reader: MessageReader;
  readonly #gone = new AbortController();
  readonly #keepalive: ServerKeepalive;
  #inFlight = 0;
  #isOpen = false;
  #isLeaving = false;

  constructor(options: LibvirtServerOptions) {
    this.#options = options;
    this.#reader = new MessageReader(options.maxCallBytes ?? MAX_CALL_BYTES);
    this.#keepalive = new ServerKeepalive({
      ...(options.pingIntervalMs !== undefined && { intervalMs: options.pingIntervalMs }),
      ping: () => options.send(encodeKeepalive(KEEPALIVE.ping)),
      // Pongs may wait behind calls that are not read yet.
      isListening: () => !this.isFull,
      onDead: (silentMs) => this.#break(new VirtstatError('TIMEOUT', `a client answered no ping for ${silentMs} ms`)),
    });
  }

  /** True while a call is under way. */
  get isAnswering(): boolean {
    return this.#inFlight > 0;
  }

  /** True where nothing more is read until a call is answered. */
  get isFull(): boolean {
    return this.#inFlight >= (this.#options.maxInFlight ?? MAX_CALLS_IN_FLIGHT);
  }

  /** Takes the next bytes from the client. Never throws: what is wrong with them ends the session. */
  receive(chunk: Uint8Array): void {
    if (this.#gone.signal.aborted || this.#isLeaving) return;
    this.#keepalive.heard();
    this.#reader.push(chunk);
    this.#readOn();
  }

  /** Ends the session: what is under way is told by its signal. Harmless when repeated. */
  end(reason: VirtstatError): void {
    this.#keepalive.stop();
    this.#gone.abort(reason);
  }

  #readOn(): void {
    try {
      while (!this.#gone.signal.aborted && !this.#isLeaving && !this.isFull) {
        const message = this.#reader.next();
        if (message === undefined) return;
        this.#take(message);
      }
      if (this.isFull) this.#options.onFull();
    } catch (error) {
      this.#break(VirtstatError.from(error, 'INTERNAL', 'reading a message of a libvirt client failed'));
    }
  }

  #take({ header, payload }: Message): void {
    const { program, version, type, procedure, status } = header;
    if (program === PROGRAM.keepalive && version === PROGRAM_VERSION) {
      if (procedure === KEEPALIVE.ping) void this.#reply(encodeKeepalive(KEEPALIVE.pong));
      return;
    }
    // Nobody waits for an answer to these: what is left of a stream that was refused, an event, a reply.
    if (UNANSWERED.has(type)) return;
    if (program !== PROGRAM.remote || version !== PROGRAM_VERSION) {
      this.#refuse(header, `Cannot find program ${program | 0} version ${version}`);
    } else if (type !== MESSAGE_TYPE.call) this.#refuse(header, `Unexpected message type ${type}`);
    else if (status !== MESSAGE_STATUS.ok) this.#refuse(header, `Unexpected message status ${status}`);
    else void this.#answer(header, procedure, payload);
  }

  /** Rejects never. */
  async #answer(header: MessageHeader, procedure: number, payload: Uint8Array): Promise<void> {
    this.#inFlight++;
    try {
      const bytes = await this.#replyTo(header, procedure, payload);
      if (this.#gone.signal.aborted) return;
      this.#options.send(bytes);
      await this.#options.drained();
    } catch (error) {
      this.#break(VirtstatError.from(error, 'INTERNAL', 'answering a libvirt client failed'));
    } finally {
      this.#inFlight--;
      this.#goOn();
    }
  }

  #goOn(): void {
    if (this.#gone.signal.aborted) return;
    this.#readOn();
    if (!this.isFull) this.#options.onHungry();
    if (this.isAnswering) return;
    if (this.#isLeaving) this.#options.onGoodbye();
    else this.#options.onIdle?.();
  }

  async #replyTo(header: MessageHeader, number: number, payload: Uint8Array): Promise<Uint8Array> {
    const { signal } = this.#gone;
    try {
      const { procedure, run } = this.#find(number);
      const args = decode(procedure, payload);
      return encodeMessage(replyHeader(header), procedure.result, await run(args, { signal }));
    } catch (error) {
      return errorReply(header, remoteErrorOf(error));
    }
  }

  /** @throws LibvirtRefusal */
  #find(number: number): ServedProcedure {
    const own = this.#own.get(number);
    if (own !== undefined) return own;
    const { service } = this.#options;
    const isKnown = service.procedures.has(number) || service.refusal(number) !== undefined;
    if (!isKnown) this.#options.onUnknown?.(number);
    else if (!this.#isOpen) {
      throw new LibvirtRefusal(VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC, 'hypervisor connection not open');
    }
    return findServed(service, number);
  }

  /** What a session answers by itself. */
  readonly #own: ReadonlyMap<number, ServedProcedure> = new Map(
    [
      served(AUTH_LIST, () => [AUTH_TYPE.none]),
      served(CONNECT_OPEN, (args) => this.#open(args)),
      served(CONNECT_CLOSE, () => {
        this.#isLeaving = true;
      }),
      served(CONNECT_SUPPORTS_FEATURE, (feature) => this.#supports(feature)),
    ].map((each) => [each.procedure.number, each]),
  );

  /** @throws LibvirtRefusal */
  #open(args: ConnectOpenArgs): void {
    if (this.#isOpen) throw new LibvirtRefusal(VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC, 'connection already open');
    this.#options.service.open(args);
    this.#isOpen = true;
  }

  /** Only who asks whether pings are answered gets some. */
  #supports(feature: number): number {
    if (feature === FEATURE_KEEPALIVE) this.#keepalive.start();
    else if (!this.#isOpen) {
      throw new LibvirtRefusal(VIR_ERR_INTERNAL_ERROR, VIR_FROM_RPC, 'hypervisor connection not open');
    }
    return feature === FEATURE_KEEPALIVE || FEATURES.has(feature) ? 1 : 0;
  }

  #refuse(header: MessageHeader, why: string): void {
    void this.#reply(errorReply(header, rpcError(why).error));
  }

  /** Counts as a call: what nobody reads must not pile up. */
  async #reply(bytes: Uint8Array): Promise<void> {
    this.#inFlight++;
    this.#options.send(bytes);
    await this.#options.drained();
    this.#inFlight--;
    this.#goOn();
  }

  #break(error: VirtstatError): void {
    if (this.#gone.signal.aborted) return;
    this.end(error);
    this.#options.close(error);
  }
}

const UNANSWERED: ReadonlySet<number> = new Set([
  MESSAGE_TYPE.reply,
  MESSAGE_TYPE.message,
  MESSAGE_TYPE.stream,
  MESSAGE_TYPE.replyWithFds,
  MESSAGE_TYPE.streamHole,
]);

function rpcError(message: string): LibvirtRefusal {
  return new LibvirtRefusal(VIR_ERR_RPC, VIR_FROM_RPC, message);
}

/** @throws LibvirtRefusal */
function decode(procedure: Procedure<never, unknown>, payload: Uint8Array): never {
  try {
    return decodePayload(payload, procedure.args);
  } catch {
    throw rpcError('Unable to decode message payload');
  }
}

function replyHeader(header: MessageHeader): MessageHeader {
  return { ...header, type: MESSAGE_TYPE.reply, status: MESSAGE_STATUS.ok };
}

function errorReply(header: MessageHeader, error: RemoteError): Uint8Array {
  return encodeMessage({ ...replyHeader(header), status: MESSAGE_STATUS.error }, REMOTE_ERROR, error);
}
