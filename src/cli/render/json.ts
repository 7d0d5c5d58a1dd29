/** What `JSON.rawJSON` returns: text that `JSON.stringify` writes as it is (ECMAScript's source text access proposal). */
interface RawJson {
  readonly rawJSON: string;
}

const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): RawJson };

/** A whole number of any size as a JSON literal: no digit is lost. */
export function integer(value: bigint): RawJson {
  return rawJSON(value.toString());
}

/** One JSON document on one line. */
export function document(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** Nanoseconds since 1970 as RFC 3339 in UTC with nine digits: `2026-11-21T12:00:00.123456789Z`. */
export function timestamp(ns: bigint): string {
  const seconds = ns / 1_000_000_000n;
  const fraction = (ns % 1_000_000_000n).toString().padStart(9, '0');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}
