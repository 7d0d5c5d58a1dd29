import { VirtstatError } from '../../model/errors.ts';
import { JsonBuffer } from '../json/json-buffer.ts';
import { SpareMemory } from '../json/spare-memory.ts';
import { encodeMessage, MAX_MESSAGE_BYTES, MessageReader } from './framing.ts';
import type { IdlMethod, IdlStruct } from './idl.ts';
import { splitName } from './interface.ts';
import { decodeCall, type VarlinkCall, VarlinkError, type VarlinkParameters } from './messages.ts';
import { SERVICE_ERRORS, type VarlinkImplementation, type VarlinkRequest, type VarlinkService } from './service.ts';
import { findMismatch } from './types.ts';

/** Longest call that a service takes, without its NUL, in bytes (1 MiB). */
export const MAX_CALL_BYTES: number = 2 ** 20;

/** Most bytes of calls that may wait while one is answered, in bytes (4 MiB). */
export const MAX_WAITING_BYTES: number = 4 * 2 ** 20;

/** Of all sessions: how much is kept must not grow with the number of clients. */
const spare = new SpareMemory();

/** What a {@link VarlinkServer} needs from outside. */
export interface VarlinkServerOptions {
  readonly service: VarlinkService;
  /** Takes bytes for the client. Told that they are sent, the session may write to their memory again. */
  readonly send: (bytes: Uint8Array, onSent?: () => void) => void;
  /** Resolves when the client has read most of what was sent, or is gone: only then the next reply is made. */
  readonly drained: () => Promise<void>;
  /** Told once, when the session is over by itself and the connection is of no more use. */
  readonly close: (reason: VirtstatError) => void;
  /** Told when every call that came is answered. */
  readonly onIdle?: () => void;
  /** Whether this client may call the method; who may not is answered PermissionDenied. Everybody may, if absent. */
  readonly mayCall?: (method: string) => boolean;
  /** {@link MAX_CALL_BYTES} if absent. */
  readonly maxCallBytes?: number;
  /** {@link MAX_WAITING_BYTES} if absent. */
  readonly maxWaitingBytes?: number;
  /** Longest reply that is sent; {@link MAX_MESSAGE_BYTES} if absent. A longer one becomes an error, FRAME_TOO_LARGE. */
  readonly maxReplyBytes?: number;
}

/**
 * The service's side of one varlink connection, free of sockets: {@link receive} takes what the client sent, `send` gets what
 * is for it. Calls are answered one after another, in their order; those that come meanwhile wait as bytes, up to a bound.
 * What goes in and out is checked against the definition of the interface. A client that sends something else than calls loses
 * the connection.
 *
 * Spec: https://varlink.org/Method-Call, https://varlink.org/Service
 */
export class VarlinkServer {
  readonly #options: VarlinkServerOptions;
  readonly #reader: MessageReader;
  readonly #gone = new AbortController();
  #isAnswering = false;

  constructor(options: VarlinkServerOptions) {
    this.#options = options;
    this.#reader = new MessageReader({ maxMessageBytes: options.maxCallBytes ?? MAX_CALL_BYTES });
  }

  /** True while a call is answered. */
  get isAnswering(): boolean {
    return this.#isAnswering;
  }

  /** Takes the next bytes from the client. Never throws: what is wrong with them ends the session. */
  receive(chunk: Uint8Array): void {
    if (this.#gone.signal.aborted) return;
    this.#reader.push(chunk);
    const limit = this.#options.maxWaitingBytes ?? MAX_WAITING_BYTES;
    if (this.#isAnswering && this.#reader.heldBytes > limit) {
      this.#break(new VirtstatError('QUEUE_FULL', `a varlink client sent more than ${limit} bytes of calls at once`));
    } else void this.#answerAll();
  }

  /** Ends the session: what is under way is told by its signal. Harmless when repeated. */
  end(reason: VirtstatError): void {
    this.#gone.abort(reason);
  }

  async #answerAll(): Promise<void> {
    if (this.#isAnswering) return;
    this.#isAnswering = true;
    try {
      while (!this.#gone.signal.aborted) {
        const message = this.#reader.next();
        if (message === undefined) break;
        await this.#answer(decodeCall(message));
        await this.#options.drained();
      }
    } catch (error) {
      this.#break(VirtstatError.from(error, 'INTERNAL', 'answering a varlink call failed'));
    } finally {
      this.#isAnswering = false;
    }
    if (!this.#gone.signal.aborted) this.#options.onIdle?.();
  }

  async #answer(call: VarlinkCall): Promise<void> {
    const [interfaceName, name] = splitName(call.method);
    const implementation = this.#options.service.get(interfaceName);
    try {
      if (implementation === undefined) throw SERVICE_ERRORS.interfaceNotFound(interfaceName);
      const method = implementation.definition.methods.get(name);
      if (method === undefined) throw SERVICE_ERRORS.methodNotFound(call.method);
      if (this.#options.mayCall?.(call.method) === false) throw SERVICE_ERRORS.permissionDenied();
      await this.#run(call, implementation, method);
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      const { errorName, parameters } = toVarlinkError(error, implementation);
      if (!call.isOneway) this.#options.send(encodeMessage({ error: errorName, parameters }));
    }
  }

  async #run(call: VarlinkCall, implementation: VarlinkImplementation, method: IdlMethod): Promise<void> {
    const single = ownMember(implementation.single, method.name);
    const stream = ownMember(implementation.stream, method.name);
    if ((single === undefined && stream === undefined) || call.wantsUpgrade) {
      throw SERVICE_ERRORS.methodNotImplemented(call.method);
    }
    const { types } = implementation.definition;
    const wrong = findMismatch(call.parameters, method.input, { types });
    if (wrong !== undefined) throw SERVICE_ERRORS.invalidParameter(wrong.path);
    const request: VarlinkRequest = { parameters: call.parameters, signal: this.#gone.signal };
    const reply = (parameters: VarlinkParameters, continues: boolean): void =>
      this.#reply(call, implementation, method.output, parameters, continues);
    if (single !== undefined) reply(await single(request), false);
    else if (stream !== undefined) {
      if (!call.wantsMore) throw SERVICE_ERRORS.expectedMore();
      const replies = stream(request);
      try {
        for (;;) {
          const { value, done } = await replies.next();
          if (this.#gone.signal.aborted) return;
          reply(value, done !== true);
          if (done) return;
          await this.#options.drained();
        }
      } finally {
        await replies.return({});
      }
    }
  }

  #reply(
    call: VarlinkCall,
    { definition }: VarlinkImplementation,
    output: IdlStruct,
    parameters: VarlinkParameters,
    continues: boolean,
  ): void {
    const wrong = findMismatch(parameters, output, { types: definition.types });
    if (wrong !== undefined) {
      throw new VirtstatError(
        'INTERNAL',
        `the reply to ${call.method} has ${wrong.path} that is not ${wrong.expected}`,
      );
    }
    if (call.isOneway || this.#gone.signal.aborted) return;
    const buffer = new JsonBuffer(spare);
    const bytes = encodeMessage({ parameters, ...(continues && { continues }) }, buffer);
    const limit = this.#options.maxReplyBytes ?? MAX_MESSAGE_BYTES;
    if (bytes.length - 1 > limit) {
      const size = `the reply to ${call.method} would be ${bytes.length - 1} bytes long, more than ${limit}`;
      throw new VirtstatError('FRAME_TOO_LARGE', `${size}; ask for less at once`);
    }
    this.#options.send(bytes, () => buffer.giveBack());
  }

  #break(error: VirtstatError): void {
    if (this.#gone.signal.aborted) return;
    this.end(error);
    this.#options.close(error);
  }
}

/** Names come from outside: `constructor` is no method. */
function ownMember<T>(members: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return members !== undefined && Object.hasOwn(members, name) ? members[name] : undefined;
}

/** @throws what cannot be told to a client */
function toVarlinkError(error: unknown, implementation: VarlinkImplementation | undefined): VarlinkError {
  if (error instanceof VarlinkError) return error;
  const own = VirtstatError.from(error, 'INTERNAL', 'a varlink method failed');
  if (implementation?.errorOf === undefined) throw own;
  return implementation.errorOf(own);
}
