import type { HttpAnswer } from '../host/http-post.ts';

/** The longest wait that a server may ask for, in milliseconds. */
export const MAX_RETRY_AFTER_MS = 600_000;

/** How much of what a server said is told to people, in characters. */
const MAX_TOLD = 200;

/** What became of one request. */
export type PushOutcome =
  /** The server has it. `refused`: samples of it that the server says it did not take. */
  | { readonly kind: 'taken'; readonly refused: number; readonly reason?: string }
  /** It may be sent again, not before `afterMs` where the server says so. */
  | { readonly kind: 'later'; readonly reason: string; readonly afterMs?: number }
  /** It will never be taken. */
  | { readonly kind: 'never'; readonly reason: string };

/**
 * What an answer means: 2xx is taken; 429 and all of 500 and above are to be tried again; everything else never will be, a redirection
 * included. That is the rule of remote write 1.0. OTLP wants only 429, 502, 503 and 504 to be tried again; an engine behind a proxy
 * says 500 while it starts, too, so that it is tried here all the same.
 */
export function outcomeOf(answer: HttpAnswer, nowMs: number): PushOutcome {
  const { status } = answer;
  if (status >= 200 && status < 300) return { kind: 'taken', refused: 0 };
  const reason = reasonOf(answer);
  if (status !== 429 && status < 500) return { kind: 'never', reason };
  const afterMs = retryAfterMs(answer.headers['retry-after'], nowMs);
  return { kind: 'later', reason, ...(afterMs !== undefined && { afterMs }) };
}

/** Seconds, or a date (RFC 9110, section 10.2.3). */
function retryAfterMs(value: unknown, nowMs: number): number | undefined {
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(MAX_RETRY_AFTER_MS, Math.max(0, ms));
}

/** The status, and the beginning of what was said, on one line. */
function reasonOf({ status, body }: HttpAnswer): string {
  const text = shownText(new TextDecoder().decode(body));
  return `status ${status}${text === '' ? '' : `: ${text}`}`;
}

/** What a server said, on one line and short. */
export function shownText(text: string): string {
  const line = text.replaceAll(/[\s\p{Cc}\p{Cn}\ufffd]+/gu, ' ').trim();
  // Not amid a character of two halves.
  return line.length > MAX_TOLD ? `${line.slice(0, MAX_TOLD).replace(/[\ud800-\udbff]$/, '')}…` : line;
}
