import { fileMarks } from '../host/file-marks.ts';
import { readBounded } from '../host/files.ts';
import { type ClientTls, HttpPoster } from '../host/http-post.ts';
import { VirtstatError } from '../model/errors.ts';
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

/** A server that takes batches by HTTP POST. Secrets are read at every request, files of TLS when they have changed. */
export class HttpDestination implements Destination, Disposable {
  readonly #options: EndpointOptions;
  #poster: HttpPoster | undefined;
  /** Of the files that the poster was made with. */
  #marks = '';

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /** @throws what {@link HttpPoster} throws, TLS_FAILED among it, and what files that cannot be read do */
  async push({ body }: QueuedBatch, signal: AbortSignal): Promise<PushOutcome> {
    const { protocol, timeoutMs, userAgent } = this.#options;
    const credentials = await credentialHeaders(this.#options, signal);
    const poster = await this.#posterNow(signal);
    const headers = { 'user-agent': userAgent, ...credentials, ...HEADERS[protocol] };
    const answer = await poster.post({ headers, body, signal, timeoutMs });
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

  async #posterNow(signal: AbortSignal): Promise<HttpPoster> {
    const { url, caFile, certFile, keyFile } = this.#options;
    const marks = await fileMarks([caFile, certFile, keyFile].filter((path) => path !== undefined));
    if (this.#poster !== undefined && marks === this.#marks) return this.#poster;
    const poster = new HttpPoster(url, await this.#tls(signal));
    this.#poster?.[Symbol.dispose]();
    [this.#poster, this.#marks] = [poster, marks];
    return poster;
  }

  async #tls(signal: AbortSignal): Promise<ClientTls> {
    const { caFile, certFile, keyFile } = this.#options;
    const [ca, cert, key] = await Promise.all(
      [caFile, certFile, keyFile].map((path) => (path === undefined ? undefined : pemIn(path, signal))),
    );
    return { ...(ca !== undefined && { ca }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
  }
}

/** What is in a file that was named: without it, an empty one for instance, the platform would trust whom it knows. */
async function pemIn(path: string, signal: AbortSignal): Promise<string> {
  const content = await readBounded(path, { maxSizeBytes: MAX_PEM_BYTES, signal });
  const text = content === undefined ? '' : Buffer.from(content.bytes).toString('latin1');
  if (text.includes('-----BEGIN ')) return text;
  throw new VirtstatError('TLS_FAILED', `${path} has nothing in PEM form, or is larger than ${MAX_PEM_BYTES} bytes`);
}
