import { type IncomingMessage, Agent as PlainAgent, request as plainRequest, type RequestOptions } from 'node:http';
import { Agent as TlsAgent, request as tlsRequest } from 'node:https';
import { createSecureContext } from 'node:tls';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import { withDeadline } from './deadline.ts';
import { UNTRUSTED_CODES } from './untrusted-codes.ts';

/** The most of an answer that is read, in bytes; what comes behind that is not waited for. */
export const MAX_ANSWER_BYTES: number = 64 << 10;

/** How many answers of the kind `100 Continue` may come before the one that counts. */
export const MAX_INTERIM_ANSWERS = 16;

/** How long a connection that nothing is sent on is kept, in milliseconds. */
const KEEP_ALIVE_MS = 30_000;

/** What is shown to a server, and what it is to show: PEM texts. */
export interface ClientTls {
  /** Who may have signed its certificate; absent: whom the platform knows. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** What a POST takes. */
export interface PostOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  readonly signal: AbortSignal;
  /** For the whole of it, connecting included, in milliseconds. */
  readonly timeoutMs: number;
}

/** What a server answered. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** As much of it as came, at most {@link MAX_ANSWER_BYTES}: the status is said before it. */
  readonly body: Uint8Array;
}

/** Sends POST requests to one http: or https: address, one at a time, over a connection that is kept. */
export class HttpPoster implements Disposable {
  readonly #url: URL;
  readonly #agent: PlainAgent;

  /** @throws TLS_FAILED where certificate or key cannot be used */
  constructor(url: URL, tls: ClientTls = {}) {
    this.#url = url;
    const options = { keepAlive: true, maxSockets: 1, timeout: KEEP_ALIVE_MS };
    this.#agent = url.protocol === 'https:' ? new TlsAgent({ ...options, ...checkedBy(tls) }) : new PlainAgent(options);
  }

  /**
   * Sends one request. Redirections are not followed.
   * @throws TIMEOUT, CANCELLED, CONNECT_REFUSED, CONNECT_FAILED, CONNECTION_LOST, TLS_FAILED
   */
  post({ signal, timeoutMs, ...sent }: PostOptions): Promise<HttpAnswer> {
    const { host } = this.#url;
    return withDeadline((limited) => this.#send(sent, limited), { signal, timeoutMs, what: host });
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  #send({ headers, body }: Pick<PostOptions, 'headers' | 'body'>, signal: AbortSignal): Promise<HttpAnswer> {
    const { protocol } = this.#url;
    const options: RequestOptions = {
      method: 'POST',
      agent: this.#agent,
      headers: { ...headers, 'content-length': body.length },
      signal,
    };
    return new Promise((resolve, reject) => {
      const request = protocol === 'https:' ? tlsRequest(this.#url, options) : plainRequest(this.#url, options);
      let interim = 0;
      request.on('information', () => {
        if (++interim > MAX_INTERIM_ANSWERS) request.destroy(aborted());
      });
      // Nobody asked for another protocol: the platform would leave such a connection to itself.
      request.on('upgrade', (_response, socket) => {
        socket.destroy();
        reject(this.#failure(aborted()));
      });
      request.on('response', (response) => read(response, resolve));
      request.on('error', (error) => reject(this.#failure(error)));
      request.end(body);
    });
  }

  #failure(error: unknown): VirtstatError {
    const { host, protocol } = this.#url;
    const code = systemErrorCode(error) ?? '';
    if (code === 'ECONNREFUSED') return VirtstatError.from(error, 'CONNECT_REFUSED', `nobody listens at ${host}`);
    // The parser of HTTP has a code for each thing that is no HTTP.
    if (code === 'ECONNRESET' || code === 'EPIPE' || code.startsWith('HPE_')) {
      return VirtstatError.from(error, 'CONNECTION_LOST', `${host} closed the connection without an answer`);
    }
    if (UNTRUSTED_CODES.has(code)) {
      const why = 'no authority that is trusted here signed its certificate';
      return VirtstatError.from(error, 'TLS_FAILED', `TLS with ${host} failed: ${why}`);
    }
    // The TLS library has hundreds of codes; the system's own are one word, and of those one is no TLS at all.
    if (protocol === 'https:' && (code === 'EPROTO' || !/^E[A-Z0-9]+$/.test(code))) {
      return VirtstatError.from(error, 'TLS_FAILED', `TLS with ${host} failed`);
    }
    return VirtstatError.from(error, 'CONNECT_FAILED', `${host} cannot be reached`);
  }
}

/** As where the server had closed the connection: what it says is no answer. */
function aborted(): Error {
  return Object.assign(new Error('there is no answer to what was asked'), { code: 'ECONNRESET' });
}

/** How servers are checked. @throws TLS_FAILED where certificate or key cannot be used */
function checkedBy(tls: ClientTls) {
  try {
    // One context for all connections, so that what is wrong with it is known now.
    const secureContext = createSecureContext({ ...tls, minVersion: 'TLSv1.2' });
    // Whatever the environment tells the platform.
    return { secureContext, rejectUnauthorized: true };
  } catch (error) {
    throw VirtstatError.from(error, 'TLS_FAILED', 'authorities, certificate and key cannot be used together');
  }
}

/** The status counts; of what follows, whatever comes. */
function read(response: IncomingMessage, resolve: (answer: HttpAnswer) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  const end = (): void => {
    const body = Buffer.concat(chunks).subarray(0, MAX_ANSWER_BYTES);
    resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
  };
  response.on('data', (chunk: Buffer) => {
    if (size < MAX_ANSWER_BYTES) chunks.push(chunk);
    size += chunk.length;
    // The connection is of no use for the next request: whoever sends that much may never end.
    if (size >= MAX_ANSWER_BYTES) response.destroy();
  });
  response.on('error', () => undefined);
  response.on('close', end);
}
