/** What `JSON.rawJSON` returns: text that `JSON.stringify` writes as it is (ECMAScript's source text access proposal). */
interface RawJson {
  readonly rawJSON: string;
}

const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): RawJson };

/** A whole number of any size as a JSON literal: no digit is lost. */
export function integer(value: bigint): RawJson {
  return rawJSON(value.toString());
}

/** What a terminal may take for a command, or what turns the order of a line around, and JSON lets stand as it is. */
const STEERING = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

/** One JSON document on one line, which a terminal may be shown: what could steer it is escaped, and means the same. */
export function document(value: unknown): string {
  const text = JSON.stringify(value).replace(
    STEERING,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${text}\n`;
}

const NS_PER_SECOND = 1_000_000_000n;

/** The first and the last second that RFC 3339 can write, since 1970: its years have four digits. */
const FIRST_SECOND = -62_167_219_200n;
const LAST_SECOND = 253_402_300_799n;

/**
 * Nanoseconds since 1970 as RFC 3339 in UTC with nine digits: `2026-11-21T12:00:00.123456789Z`. A file may claim to be of
 * any time: what lies outside the years 0000 to 9999 becomes the nearest time in them.
 */
export function timestamp(ns: bigint): string {
  const [firstNs, lastNs] = [FIRST_SECOND * NS_PER_SECOND, (LAST_SECOND + 1n) * NS_PER_SECOND - 1n];
  const writtenNs = ns < firstNs ? firstNs : ns > lastNs ? lastNs : ns;
  const fractionNs = ((writtenNs % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const seconds = (writtenNs - fractionNs) / NS_PER_SECOND;
  const fraction = fractionNs.toString().padStart(9, '0');
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}
