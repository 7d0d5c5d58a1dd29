import { VirtstatError } from '../../../model/errors.ts';
import type { CallOptions } from '../../../model/provider.ts';
import { type QemuVersion, QmpCommandError } from '../messages.ts';
import { type CheckedArguments, checkArguments, type ObjectType } from './arguments.ts';
import {
  argumentTypes,
  CAPABILITIES,
  NEGOTIATION_ARGUMENTS,
  NEGOTIATION_COMMAND,
  type QmpCommand,
  statsWords,
} from './commands.ts';
import { isOobRequest, openEnvelope, type Request } from './envelope.ts';
import { type Incoming, type ReaderLimits, RequestReader } from './request-reader.ts';
import { isDict, type QmpValue } from './value.ts';
import { type QmpOutput, writeMessage } from './writer.ts';

/** Most requests of a client with out-of-band execution that may wait; then nothing more is read from it. */
export const MAX_QUEUED = 8;

/** Who answers. It is asked only for commands that exist, with arguments that are as they should be. */
export interface QmpBackend {
  /** Which QEMU the client is to see. */
  readonly version: QemuVersion;
  /**
   * What a command returns, in QEMU's order of lists. A {@link QmpCommandError} that it rejects with is answered as QEMU's
   * own, any other error as a GenericError with its message.
   */
  execute(command: QmpCommand, args: CheckedArguments, options: CallOptions): Promise<QmpOutput>;
}

/** What a {@link QmpServerSession} needs from outside. */
export interface QmpServerOptions extends ReaderLimits {
  readonly backend: QmpBackend;
  /** Takes a message for the client, in pieces that must not be changed; one call for each message. */
  readonly send: (message: readonly Uint8Array[]) => void;
  /** Hears when {@link QmpServerSession.isHungry} has become true again. */
  readonly onHungry?: () => void;
}

/** Something that happened, for {@link QmpServerSession.notify}. */
export interface QmpServerEvent {
  readonly name: string;
  readonly data?: QmpOutput;
  /** When, in nanoseconds since 1970. */
  readonly timeNs: bigint;
}

/**
 * The monitor's side of one QMP connection, free of sockets: {@link receive} takes what the client sent, `send` gets what
 * is for it, beginning with the greeting.
 *
 * Without out-of-band execution one request at a time is read and answered; with it up to {@link MAX_QUEUED} wait, and a
 * request by `exec-oob` is answered at once. Bytes that were received but not read yet are kept: whoever owns the
 * connection stops reading from it while {@link isHungry} is false, so that they stay few.
 *
 * Never throws for what a client sends. Spec: docs/interop/qmp-spec in QEMU; everything that it leaves open is as QEMU 7.2
 * does it.
 */
export class QmpServerSession {
  readonly #options: QmpServerOptions;
  readonly #types: ReadonlyMap<string, ObjectType>;
  readonly #reader: RequestReader;
  readonly #ending = new AbortController();
  readonly #received: Uint8Array[] = [];
  /** Where the first of them has been read up to. */
  #readUpTo = 0;
  readonly #queue: Incoming[] = [];
  #isBusy = false;
  #isOutputOpen = true;
  #isNegotiated = false;
  #hasOob = false;
  #wasHungry = true;

  /** Greets. */
  constructor(options: QmpServerOptions) {
    this.#options = options;
    this.#types = argumentTypes(statsWords(options.backend.version));
    this.#reader = new RequestReader(options);
    const { major, minor, micro, package: packaged } = options.backend.version;
    this.#send({ QMP: { version: { qemu: { micro, minor, major }, package: packaged }, capabilities: CAPABILITIES } });
  }

  /** False while requests wait, or output does: what is received now is kept unread. */
  get isHungry(): boolean {
    return (
      this.#isOutputOpen && this.#queue.length < (this.#hasOob ? MAX_QUEUED : 1) && (this.#hasOob || !this.#isBusy)
    );
  }

  /** Bytes held: received but not read, and of messages that are not complete. */
  get heldBytes(): number {
    const received = this.#received.reduce((sum, chunk) => sum + chunk.length, 0);
    return received - this.#readUpTo + this.#reader.heldBytes;
  }

  /** True from the greeting until no request waits for its answer any more. */
  get isIdle(): boolean {
    return !this.#isBusy && this.#queue.length === 0 && this.#received.length === 0;
  }

  /** Takes the next bytes from the client. The chunk must not change afterwards. */
  receive(chunk: Uint8Array): void {
    if (this.#ending.signal.aborted || chunk.length === 0) return;
    this.#received.push(chunk);
    this.#advance();
  }

  /** Says whether the client takes what is sent: while it does not, no further request is answered. */
  setOutputOpen(isOpen: boolean): void {
    this.#isOutputOpen = isOpen;
    this.#advance();
  }

  /** Tells the client of an event, unless it is still negotiating. */
  notify(event: QmpServerEvent): void {
    if (!this.#isNegotiated || this.#ending.signal.aborted) return;
    const micros = event.timeNs / 1000n;
    const timestamp = { seconds: micros / 1_000_000n, microseconds: micros % 1_000_000n };
    this.#send({ timestamp, event: event.name, ...(event.data !== undefined && { data: event.data }) });
  }

  /** Ends the session: what is under way is given up, and nothing is sent any more. Harmless when repeated. */
  end(): void {
    this.#ending.abort(new VirtstatError('CLOSED', 'the client has left'));
    this.#received.length = 0;
    this.#readUpTo = 0;
    this.#queue.length = 0;
  }

  #advance(): void {
    do {
      this.#read();
      this.#answerNext();
    } while (this.isHungry && this.#received.length > 0);
    const isHungry = this.isHungry;
    if (isHungry && !this.#wasHungry) this.#options.onHungry?.();
    this.#wasHungry = isHungry;
  }

  #read(): void {
    while (this.isHungry) {
      const [chunk] = this.#received;
      if (chunk === undefined) return;
      this.#readUpTo = this.#reader.feed(chunk, this.#readUpTo);
      if (this.#readUpTo === chunk.length) {
        this.#received.shift();
        this.#readUpTo = 0;
      }
      for (let message = this.#reader.next(); message !== undefined; message = this.#reader.next())
        this.#accept(message);
    }
  }

  /** What is to be executed out of band overtakes those that wait: it takes no time, since it can only be refused. */
  #accept(message: Incoming): void {
    if (message.failure === undefined && isOobRequest(message.value)) this.#begin(message.value, () => undefined);
    else this.#queue.push(message);
  }

  #answerNext(): void {
    while (!this.#isBusy && this.#isOutputOpen) {
      const message = this.#queue.shift();
      if (message === undefined) return;
      if (message.failure !== undefined) this.#send(refusal(undefined, 'GenericError', message.failure));
      else {
        this.#isBusy = true;
        this.#begin(message.value, () => {
          this.#isBusy = false;
        });
      }
    }
  }

  /** `onDone` is called when the answer has been sent: at once, where nobody has to be asked. */
  #begin(message: QmpValue, onDone: () => void): void {
    const id = isDict(message) ? message.get('id') : undefined;
    const outcome = this.#start(message);
    if (!(outcome instanceof Promise)) {
      this.#send(reply(id, outcome));
      onDone();
      return;
    }
    const finish = (result: Outcome): void => {
      if (this.#ending.signal.aborted) return;
      this.#send(reply(id, result));
      onDone();
      this.#advance();
    };
    outcome.then(
      (value) => finish({ value }),
      (error: unknown) => finish({ error: errorFrom(error) }),
    );
  }

  #start(message: QmpValue): Outcome | Promise<QmpOutput> {
    const request = openEnvelope(message, this.#hasOob);
    if (typeof request === 'string') return { error: generic(request) };
    try {
      return this.#isNegotiated ? this.#dispatch(request) : this.#negotiate(request);
    } catch (error) {
      return { error: errorFrom(error) };
    }
  }

  #negotiate({ command, args }: Request): Outcome {
    if (command !== NEGOTIATION_COMMAND) {
      return { error: notFound(`Expecting capabilities negotiation with '${NEGOTIATION_COMMAND}'`) };
    }
    const { enable } = checkArguments(command, args, NEGOTIATION_ARGUMENTS);
    this.#hasOob = Array.isArray(enable) && enable.includes('oob');
    this.#isNegotiated = true;
    return { value: {} };
  }

  #dispatch({ command, args, isOob }: Request): Outcome | Promise<QmpOutput> {
    const isNegotiation = command === NEGOTIATION_COMMAND;
    const type = isNegotiation ? NEGOTIATION_ARGUMENTS : this.#types.get(command);
    if (type === undefined) return { error: notFound(`The command ${command} has not been found`) };
    if (isOob) return { error: generic(`The command ${command} does not support OOB`) };
    const checked = checkArguments(command, args, type);
    if (isNegotiation) {
      return { error: notFound('Capabilities negotiation is already complete, command ignored') };
    }
    const { signal } = this.#ending;
    return this.#options.backend.execute(command as QmpCommand, checked, { signal });
  }

  #send(message: QmpOutput): void {
    this.#options.send(writeMessage(message));
  }
}

/** QEMU's class and words. */
interface Refusal {
  readonly className: string;
  readonly desc: string;
}

type Outcome =
  | { readonly value: QmpOutput; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: Refusal };

function generic(desc: string): Refusal {
  return { className: 'GenericError', desc };
}

function notFound(desc: string): Refusal {
  return { className: 'CommandNotFound', desc };
}

function errorFrom(error: unknown): Refusal {
  if (error instanceof QmpCommandError) return error;
  return generic(error instanceof Error ? error.message : String(error));
}

function reply(id: QmpValue | undefined, { value, error }: Outcome): QmpOutput {
  if (error !== undefined) return refusal(id, error.className, error.desc);
  return { return: value as QmpOutput, ...(id !== undefined && { id }) };
}

function refusal(id: QmpValue | undefined, className: string, desc: string): QmpOutput {
  return { ...(id !== undefined && { id }), error: { class: className, desc } };
}
