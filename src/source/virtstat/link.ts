import { whileWanted } from '../../host/deadline.ts';
import { addressText, type ByteStream, connectStream, type StreamAddress } from '../../host/stream.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';
import type { JsonObject } from '../../protocol/json/json.ts';
import { VarlinkClient } from '../../protocol/varlink/client.ts';
import type { VarlinkInterface } from '../../protocol/varlink/interface.ts';
import { VarlinkError, type VarlinkParameters } from '../../protocol/varlink/messages.ts';
import { STATS_INTERFACE } from '../../protocol/varlink/stats/idl.ts';
import type { Credentials } from './credentials.ts';

/** How long connecting may take, in milliseconds, unless it is said otherwise. */
const CONNECT_TIMEOUT_MS = 3000;

/** Choices of a {@link VarlinkLink}. */
export interface VarlinkLinkOptions {
  readonly connectTimeoutMs?: number;
  /** Definitions that calls and replies are checked against; `org.virtstat.Stats` if absent. */
  readonly interfaces?: readonly VarlinkInterface[];
  /** Absent: the peer knows by itself who we are. */
  readonly credentials?: Credentials;
}

interface Connected {
  readonly client: VarlinkClient;
  readonly stream: ByteStream;
  /** Rejects where the peer did not take our token; undefined where none was shown. */
  readonly authenticated: Promise<unknown> | undefined;
  /** Chunks that came so far. */
  readonly received: () => number;
  /** Ends it; whoever calls next connects anew. */
  readonly end: (reason: VirtstatError) => void;
}

/** A connection to a varlink service that is made with the first call, and anew with the first call after it was lost. */
export class VarlinkLink {
  readonly #address: StreamAddress;
  readonly #options: VarlinkLinkOptions;
  #connecting: Promise<Connected> | undefined;
  readonly #closing = new AbortController();

  constructor(address: StreamAddress, options: VarlinkLinkOptions = {}) {
    this.#address = address;
    this.#options = options;
  }

  /** The address, for people. */
  get name(): string {
    return addressText(this.#address);
  }

  /** Calls a method with one reply. @throws what connecting and {@link VarlinkClient.call} raise; AUTHENTICATION_FAILED, CLOSED */
  async call(method: string, parameters: VarlinkParameters, options: CallOptions): Promise<JsonObject> {
    const connected = await this.#connected(options);
    const { client, stream, received } = connected;
    const before = received();
    stream.keepAlive(true);
    try {
      return await client.call(method, parameters, options);
    } catch (error) {
      if (isTimeout(error) && received() === before) this.#giveUp(connected);
      throw await this.#explained(error, connected);
    } finally {
      // Idle, it does not keep a program from ending.
      if (client.pendingCount === 0) stream.keepAlive(false);
    }
  }

  /** Calls a method with many replies; leaving the loop ends the connection. @throws as {@link call} */
  async *callMore(
    method: string,
    parameters: VarlinkParameters,
    options: CallOptions,
  ): AsyncGenerator<JsonObject, void, void> {
    const connected = await this.#connected(options);
    connected.stream.keepAlive(true);
    try {
      yield* connected.client.callMore(method, parameters, options);
    } catch (error) {
      throw await this.#explained(error, connected);
    }
  }

  /** Ends the connection; calls under way and later ones fail with CLOSED. Harmless when repeated. */
  close(): void {
    const reason = new VirtstatError('CLOSED', `the connection to ${this.name} was closed`);
    this.#closing.abort(reason);
    void this.#connecting?.then(
      ({ client, stream }) => {
        client.end(reason);
        stream.close(reason);
      },
      () => undefined,
    );
  }

  #connected({ signal }: CallOptions): Promise<Connected> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closing.signal.reason);
    if (this.#connecting === undefined) {
      const connecting = this.#connect();
      this.#connecting = connecting;
      connecting.catch(() => this.#forget(connecting));
    }
    return whileWanted(this.#connecting, signal, this.name);
  }

  async #connect(): Promise<Connected> {
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS, interfaces = [STATS_INTERFACE], credentials } = this.#options;
    const token = await credentials?.token({ signal: this.#closing.signal });
    const stream = await connectStream(this.#address, {
      signal: this.#closing.signal,
      timeoutMs: connectTimeoutMs,
    });
    const connecting = this.#connecting;
    let chunks = 0;
    const received = (): number => chunks;
    const client = new VarlinkClient({
      interfaces,
      send: (bytes) => stream.write(bytes),
      close: (reason) => {
        this.#forget(connecting);
        stream.close(reason);
      },
    });
    stream.listen({
      onData: (chunk) => {
        chunks++;
        client.receive(chunk);
      },
      onEnd: (error) => {
        this.#forget(connecting);
        client.end(error);
      },
    });
    const end = (reason: VirtstatError): void => {
      this.#forget(connecting);
      client.end(reason);
      stream.close(reason);
    };
    if (token === undefined) return { client, stream, authenticated: undefined, received, end };
    // It leaves together with the first call.
    const authenticated = client.call('org.virtstat.Stats.Authenticate', { token });
    // What is called next shows the token anew: another may be in the file by then.
    authenticated.catch((error: unknown) => end(this.#refusal(error)));
    return { client, stream, authenticated, received, end };
  }

  /** A host that vanished says nothing for a quarter of an hour: whoever asks next asks on a new connection. */
  #giveUp({ end }: Connected): void {
    if (this.#address.kind === 'unix') return;
    end(new VirtstatError('CONNECTION_LOST', `${this.name} has said nothing more`));
  }

  /** The reason behind an error: a token that was not taken before the call failed. */
  async #explained(error: unknown, { authenticated }: Connected): Promise<unknown> {
    if (!isErrorOf(error, 'NotAuthenticated')) return error;
    // Its answer came before.
    return this.#refusal(
      (await authenticated?.then(
        () => error,
        (reason: unknown) => reason,
      )) ?? error,
    );
  }

  #refusal(error: unknown): VirtstatError {
    const options = { cause: error };
    const advice = this.#options.credentials?.advice ?? 'use a client that can show who it is';
    if (isErrorOf(error, 'NotAuthenticated')) {
      return new VirtstatError('AUTHENTICATION_FAILED', `${this.name} does not know who we are; ${advice}`, options);
    }
    if (isErrorOf(error, 'AuthenticationFailed')) {
      return new VirtstatError('AUTHENTICATION_FAILED', `${this.name} does not know our token; ${advice}`, options);
    }
    return VirtstatError.from(error, 'INTERNAL', `saying who we are to ${this.name} failed`);
  }

  #forget(connecting: Promise<Connected> | undefined): void {
    if (this.#connecting === connecting) this.#connecting = undefined;
  }
}

function isErrorOf(error: unknown, name: string): boolean {
  return error instanceof VarlinkError && error.errorName === `org.virtstat.Stats.${name}`;
}

function isTimeout(error: unknown): boolean {
  return VirtstatError.is(error) && error.code === 'TIMEOUT';
}
