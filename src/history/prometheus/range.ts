import { httpGet } from '../../host/http-get.ts';
import { VirtstatError } from '../../model/errors.ts';
import type { CallOptions } from '../../model/provider.ts';

/** The largest answer that is taken, in bytes. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

/** The most series that are taken of one answer. */
const MAX_SERIES = 10_000;

/** As much of the server's reason as is told, in characters. */
const MAX_REASON_LENGTH = 500;

/** How far from 1970 a time can be, in seconds: what is beyond has no date. */
const LAST_SECOND = 8.64e12;

/** How long the server may take, in milliseconds. */
const ANSWER_TIMEOUT_MS = 30_000;

/** From when to when, and how often; the server gives at most 11,000 values of a series. */
export interface Range {
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
}

/** A series as a server has it: its values are 64-bit floating point, whatever was written. */
export interface FloatSeries {
  readonly labels: Readonly<Record<string, string>>;
  /** In the order of time; values that are no numbers are left out, and times that have no date. */
  readonly points: readonly { readonly atMs: number; readonly value: number }[];
}

/**
 * What a Prometheus-compatible server answers to a query over a range of time (`/api/v1/query_range` of Prometheus's HTTP API, which
 * VictoriaMetrics, Mimir and Thanos have, too). `base` is where that API is: `http://localhost:9090`.
 * @throws USAGE where the server refuses the query, with its reason; HTTP_FAILED, JSON_INVALID; what {@link httpGet} throws
 */
export async function queryRange(
  base: URL,
  query: string,
  { startMs, endMs, stepMs }: Range,
  { signal }: CallOptions,
): Promise<readonly FloatSeries[]> {
  const url = new URL(`${base.pathname.replace(/\/+$/, '')}/api/v1/query_range`, base);
  url.search = new URLSearchParams({
    query,
    start: String(startMs / 1000),
    end: String(endMs / 1000),
    step: String(stepMs / 1000),
  }).toString();
  // What is asked may not have them in its URL.
  [url.username, url.password] = ['', ''];
  const headers = authorization(base);
  const { status, text } = await httpGet(url, {
    signal,
    timeoutMs: ANSWER_TIMEOUT_MS,
    maxSizeBytes: MAX_ANSWER_BYTES,
    ...(headers && { headers }),
  });
  return decodeRange(status, text, base.host);
}

function authorization({ username, password }: URL): Record<string, string> | undefined {
  if (username === '' && password === '') return undefined;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** An answer of `query_range`. @throws USAGE, HTTP_FAILED, JSON_INVALID */
export function decodeRange(status: number, text: string, what: string): readonly FloatSeries[] {
  const answer = parse(text);
  if (answer?.['status'] === 'error') {
    const reason = textOf(answer['error']).replaceAll(/\s+/g, ' ').slice(0, MAX_REASON_LENGTH);
    // What a client did wrong: 400, and 422 for a query that cannot be computed.
    if (status === 400 || status === 422) throw new VirtstatError('USAGE', `${what} refuses the query: ${reason}`);
    throw new VirtstatError('HTTP_FAILED', `${what} answered with status ${status}: ${reason}`);
  }
  if (status !== 200) throw new VirtstatError('HTTP_FAILED', `${what} answered with status ${status}`);
  const data = answer?.['data'] as Record<string, unknown> | undefined;
  const result = data?.['resultType'] === 'matrix' ? data['result'] : undefined;
  if (!Array.isArray(result)) {
    throw new VirtstatError('JSON_INVALID', `${what} gave no series over time; is it a Prometheus-compatible server?`);
  }
  return result.slice(0, MAX_SERIES).map((series) => decodeSeries(series, what));
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function decodeSeries(series: unknown, what: string): FloatSeries {
  const { metric, values } = (series ?? {}) as { metric?: unknown; values?: unknown };
  if (typeof metric !== 'object' || metric === null || !Array.isArray(values)) {
    throw new VirtstatError('JSON_INVALID', `${what} gave a series without labels or values`);
  }
  const labels = Object.fromEntries(Object.entries(metric).map(([name, value]) => [name, textOf(value)]));
  const points = values.flatMap((pair) => {
    const [seconds, text] = Array.isArray(pair) ? pair : [];
    const value = typeof text === 'string' ? Number(text) : Number.NaN;
    const isTime = typeof seconds === 'number' && Math.abs(seconds) <= LAST_SECOND;
    return isTime && Number.isFinite(value) ? [{ atMs: seconds * 1000, value }] : [];
  });
  return { labels, points };
}

/** What should be a text, whatever it is: not every object can be made one. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
