import { readBounded } from '../host/files.ts';
import { type ClientTls, HttpPoster } from '../host/http-post.ts';
import { partialSuccessOf } from '../protocol/otlp/answer.ts';
import { REMOTE_WRITE_HEADERS } from '../protocol/remote-write/writer.ts';
import { type Credentials, credentialHeaders } from './credentials.ts';
import { outcomeOf, type PushOutcome, shownText } from './push-outcome.ts';
import type { QueuedBatch } from './queue/record.ts';
import type { Destination } from './sender.ts';

/** What is spoken with a server. */
export type PushProtocol = 'otlp' | 'remote-write';

/** Where requests go, and with what. */
export interface EndpointOptions extends Credentials {
  readonly protocol: PushProtocol;
  readonly url: URL;
  /** For one request, in milliseconds. */
  readonly timeoutMs: number;
  /** `virtstatd/0.1.0` */
  readonly userAgent: string;
  /** Who may have signed the server's certificate; absent: whom the platform knows. */
  readonly caFile?: string;
  /** What is shown to the server. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

const HEADERS: Readonly<Record<PushProtocol, Readonly<Record<string, string>>>> = {
  otlp: { 'content-type': 'application/x-protobuf', 'content-encoding': 'gzip' },
  'remote-write': REMOTE_WRITE_HEADERS,
};

const MAX_PEM_BYTES = 1 << 20;

/** A server that takes batches by HTTP POST. Files of TLS are read once; secrets at every request. */
export class HttpDestination implements Destination, Disposable {
  readonly #options: EndpointOptions;
  #poster: HttpPoster | undefined;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /** @throws what {@link HttpPoster.post} throws, and files that cannot be read */
  async push({ body }: QueuedBatch, signal: AbortSignal): Promise<PushOutcome> {
    const { protocol, timeoutMs, userAgent, url } = this.#options;
    const credentials = await credentialHeaders(this.#options, signal);
    this.#poster ??= new HttpPoster(url, await this.#tls(signal));
    const headers = { 'user-agent': userAgent, ...credentials, ...HEADERS[protocol] };
    const answer = await this.#poster.post({ headers, body, signal, timeoutMs });
    const outcome = outcomeOf(answer, Date.now());
    if (protocol !== 'otlp' || outcome.kind !== 'taken') return outcome;
    const partial = partialSuccessOf(answer.body);
    return partial === undefined
      ? outcome
      : { kind: 'taken', refused: partial.rejectedPoints, reason: shownText(partial.reason) };
  }

  /** Closes the connection. */
  [Symbol.dispose](): void {
    this.#poster?.[Symbol.dispose]();
  }

  async #tls(signal: AbortSignal): Promise<ClientTls> {
    const { caFile, certFile, keyFile } = this.#options;
    const read = async (path: string | undefined): Promise<string | undefined> => {
      const content = path === undefined ? undefined : await readBounded(path, { maxSizeBytes: MAX_PEM_BYTES, signal });
      return content && Buffer.from(content.bytes).toString('latin1');
    };
    const [ca, cert, key] = await Promise.all([read(caFile), read(certFile), read(keyFile)]);
    return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
  }
}
