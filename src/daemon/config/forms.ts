import { z } from 'zod';
import type { HostPort } from '../../host/tcp-listening.ts';
import { DURATION_UNITS_MS, parseDuration, parseSize, SIZE_UNITS_BYTES } from '../../model/amounts.ts';

/**
 * The forms that values of the configuration have, each with its bounds and with a sentence that says what is right. The
 * values stay as people write them until they are checked, so that an effective configuration can be shown in their words.
 */

/** The duration as it is written: `1500ms`, else in the largest unit that holds it whole. */
export function durationText(ms: number): string {
  if (ms === 0) return '0s';
  const unit = ['h', 'm', 's'].find((name) => ms % (DURATION_UNITS_MS[name] ?? 1) === 0) ?? 'ms';
  return `${ms / (DURATION_UNITS_MS[unit] ?? 1)}${unit}`;
}

/** A duration with its unit, in milliseconds: `500ms`, `1s`, `2.5s`, `1m`. */
export function duration(minMs: number, maxMs: number): z.ZodType<number> {
  const range = `from ${durationText(minMs)} to ${durationText(maxMs)}`;
  return z.string({ error: `must be a duration in quotes, ${range}, like "1s"` }).transform((text, context) => {
    const ms = parseDuration(text);
    if (ms !== undefined && ms >= minMs && ms <= maxMs) return ms;
    const reason = ms === undefined ? 'is no duration; write it' : `is out of bounds; it must be ${range},`;
    context.issues.push({
      code: 'custom',
      input: text,
      message: `${JSON.stringify(text)} ${reason} like "1s" or "500ms"`,
    });
    return z.NEVER;
  });
}

/** A size with its unit, in bytes: `500MB`, `1.5GiB`. */
export function size(minBytes: number): z.ZodType<number> {
  const right = 'a size in quotes, like "500MB" or "10GiB"';
  return z.string({ error: `must be ${right}` }).transform((text, context) => {
    const bytes = parseSize(text);
    if (bytes !== undefined && bytes >= minBytes) return bytes;
    const reason = bytes === undefined ? `is no size; it must be ${right}` : `is less than ${minBytes} bytes`;
    context.issues.push({ code: 'custom', input: text, message: `${shown(text)} ${reason}` });
    return z.NEVER;
  });
}

/** A whole number; beside the file it is a text of digits. */
export function count(min: number, max: number): z.ZodType<number> {
  const right = `a whole number from ${min} to ${max}`;
  return z.unknown().transform((value, context) => {
    const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
    if (typeof number === 'number' && Number.isInteger(number) && number >= min && number <= max) return number;
    context.issues.push({ code: 'custom', input: value, message: `${shown(value)} is not right; it must be ${right}` });
    return z.NEVER;
  }) as z.ZodType<number>;
}

/** Yes or no; beside the file it is a text. */
export function yesOrNo(): z.ZodType<boolean> {
  return z.unknown().transform((value, context) => {
    if (value === true || value === 'true') return true;
    if (value === false || value === 'false') return false;
    context.issues.push({
      code: 'custom',
      input: value,
      message: `${shown(value)} is not right; it must be true or false`,
    });
    return z.NEVER;
  }) as z.ZodType<boolean>;
}

/** A size with its unit, in bytes: `64MiB`. */
export function byteSize(minBytes: number, maxBytes: number): z.ZodType<number> {
  const textOf = (bytes: number): string => {
    const unit = ['TiB', 'GiB', 'MiB'].find((name) => bytes % (SIZE_UNITS_BYTES[name] ?? 1) === 0) ?? 'KiB';
    return `${bytes / (SIZE_UNITS_BYTES[unit] ?? 1)}${unit}`;
  };
  const right = `a size from ${textOf(minBytes)} to ${textOf(maxBytes)}, in quotes, like "64MiB"`;
  return z.string({ error: `must be ${right}` }).transform((text, context) => {
    const [, number = '', unit = ''] = /^(\d{1,9})(KiB|MiB|GiB|TiB)$/.exec(text) ?? [];
    const bytes = number === '' ? Number.NaN : Number(number) * (SIZE_UNITS_BYTES[unit] ?? 1);
    if (bytes >= minBytes && bytes <= maxBytes) return bytes;
    context.issues.push({ code: 'custom', input: text, message: `${shown(text)} is not right; it must be ${right}` });
    return z.NEVER;
  });
}

/** An `http:` or `https:` URL; secrets have keys of their own. */
export function httpUrl(): z.ZodType<string> {
  const right = 'an http:// or https:// URL without user, password and fragment';
  return z.string({ error: `must be ${right}, in quotes` }).refine(
    (text) => {
      const url = URL.canParse(text) ? new URL(text) : undefined;
      return url !== undefined && /^https?:$/.test(url.protocol) && `${url.username}${url.password}${url.hash}` === '';
    },
    { error: (issue) => `${shown(withoutUser(issue.input))} is not right; it must be ${right}` },
  );
}

/** A password that stands where it must not is not told once more. */
function withoutUser(text: unknown): unknown {
  return typeof text === 'string' ? text.replace(/\/\/.*@/, '//…@') : text;
}

/** Permission bits in octal, as in chmod: `0660`. */
export function fileMode(): z.ZodType<number> {
  return z
    .string({ error: 'must be permission bits in octal, in quotes, like "0660"' })
    .regex(/^0?[0-7]{3}$/, {
      error: (issue) => `${JSON.stringify(issue.input)} is no mode; write octal digits, like "0660"`,
    })
    .transform((text) => Number.parseInt(text, 8));
}

/** Where to listen: `0.0.0.0:16515`, `[::1]:16515`, `host.example:16515`; and `:16516` where the host may be left out. */
export function hostPort({ mayOmitHost = false }: { readonly mayOmitHost?: boolean } = {}): z.ZodType<HostPort> {
  return z.string({ error: 'must be HOST:PORT in quotes' }).transform((text, context) => {
    const [, anyHostDigits] = mayOmitHost ? (/^:(\d{1,5})$/.exec(text) ?? []) : [];
    if (anyHostDigits !== undefined && isPort(Number(anyHostDigits))) return { host: '', port: Number(anyHostDigits) };
    const [, address, name, digits] =
      /^(?:\[([\da-f:.]+)\]|([a-z\d](?:[a-z\d._-]{0,252})?)):(\d{1,5})$/i.exec(text) ?? [];
    const [host, port] = [address ?? name, Number(digits)];
    if (host !== undefined && (address === undefined || URL.canParse(`tcp://[${address}]`)) && isPort(port)) {
      return { host, port };
    }
    const right = 'HOST:PORT, like "0.0.0.0:16515" or "[::1]:16515", with a port from 1 to 65535';
    context.issues.push({ code: 'custom', input: text, message: `${shown(text)} is not right; it must be ${right}` });
    return z.NEVER;
  });
}

function isPort(port: number): boolean {
  return port >= 1 && port <= 65_535;
}

/** An absolute path; `tooLong` says why a longer one is of no use. */
export function absolutePath(maxBytes: number, tooLong: string): z.ZodType<string> {
  return z
    .string({ error: 'must be an absolute path in quotes' })
    .refine((text) => text.startsWith('/') && !text.includes('\0'), {
      error: (issue) => `${JSON.stringify(issue.input)} is no absolute path; begin it with /`,
    })
    .refine((text) => Buffer.byteLength(text) <= maxBytes, {
      error: `is longer than ${maxBytes} bytes${tooLong}; choose a shorter one`,
    });
}

/** One of several words. */
export function oneOf<const T extends readonly [string, ...string[]]>(words: T): z.ZodType<T[number]> {
  const right = `one of ${words.map((word) => JSON.stringify(word)).join(', ')}`;
  return z.enum(words, { error: (issue) => `${shown(issue.input)} is not ${right}` }) as unknown as z.ZodType<
    T[number]
  >;
}

/** A short text without control characters, of a form that `pattern` knows and `hint` explains. */
export function word(pattern: RegExp, hint: string): z.ZodType<string> {
  return z
    .string({ error: `must be a text in quotes: ${hint}` })
    .min(1, { error: `is empty; it must be ${hint}`, abort: true })
    .max(MAX_WORD_LENGTH, { error: `is longer than ${MAX_WORD_LENGTH} characters` })
    .regex(pattern, { error: (issue) => `${shown(issue.input)} is not right; it must be ${hint}` });
}

/** Longest single text, in characters. */
export const MAX_WORD_LENGTH = 1024;

/** A list. */
export function listOf<T>(item: z.ZodType<T>, min: number, max: number): z.ZodType<readonly T[]> {
  return z
    .array(item, {
      error: ({ input }) =>
        input === undefined ? 'is missing; it must be a list' : 'must be a list in square brackets',
    })
    .min(min, { error: `is empty; at least ${min} must be named` })
    .max(max, { error: `has more than ${max} elements` }) as unknown as z.ZodType<readonly T[]>;
}

/** The value as a mistake shows it: short, on one line. */
function shown(value: unknown): string {
  const text = JSON.stringify(value, (_key, each: unknown) => (typeof each === 'bigint' ? String(each) : each)) ?? 'it';
  return text.length > MAX_SHOWN_LENGTH ? `${text.slice(0, MAX_SHOWN_LENGTH)}…` : text;
}

const MAX_SHOWN_LENGTH = 80;
