import { VirtstatError } from '../model/errors.ts';
import { type DeadlineOptions, withDeadline } from './deadline.ts';

/** What asking takes. */
export interface HttpGetOptions extends Pick<DeadlineOptions, 'signal' | 'timeoutMs'> {
  /** A longer answer is refused. */
  readonly maxSizeBytes: number;
  /** Beside those that every request has. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer, whole. */
export interface HttpAnswer {
  readonly status: number;
  readonly text: string;
}

/**
 * Asks an HTTP server, and takes what it answers, whatever its status.
 * @throws CONNECT_REFUSED, CONNECT_FAILED; FRAME_TOO_LARGE; TIMEOUT, CANCELLED
 */
export function httpGet(url: URL, { signal, timeoutMs, maxSizeBytes, headers }: HttpGetOptions): Promise<HttpAnswer> {
  const what = url.host;
  return withDeadline(
    async (limited) => {
      try {
        const response = await fetch(url, { signal: limited, redirect: 'follow', ...(headers && { headers }) });
        return { status: response.status, text: await boundedText(response, what, maxSizeBytes) };
      } catch (error) {
        throw httpError(error, what);
      }
    },
    { signal, timeoutMs, what },
  );
}

async function boundedText(response: Response, what: string, maxSizeBytes: number): Promise<string> {
  const decoder = new TextDecoder();
  let [text, sizeBytes] = ['', 0];
  for await (const chunk of response.body ?? []) {
    sizeBytes += chunk.byteLength;
    if (sizeBytes > maxSizeBytes) {
      throw new VirtstatError('FRAME_TOO_LARGE', `${what} answered with more than ${maxSizeBytes} bytes; ask for less`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function httpError(error: unknown, what: string): VirtstatError {
  if (VirtstatError.is(error)) return error;
  const cause = (error as { cause?: { code?: unknown } }).cause;
  const options = { cause: error };
  if (cause?.code === 'ECONNREFUSED') {
    return new VirtstatError('CONNECT_REFUSED', `nobody listens at ${what}; check the address`, options);
  }
  const reason = cause instanceof Error && cause.message !== '' ? cause.message : String((error as Error).message);
  return new VirtstatError('CONNECT_FAILED', `asking ${what} failed: ${reason}`, options);
}
