import type { QmpValue } from '../src/protocol/qmp/server/value.ts';

/**
 * What QMP makes of a JSON text, told a second time with the platform's parser, and in which texts QEMU's grammar is
 * narrower than the standard.
 */

const MAX_STANDARD_DEPTH = 900;

/** The value of bytes that are one JSON object or list in UTF-8, in QMP's types; undefined for everything else. */
export function expectedValue(input: Uint8Array): { readonly text: string; readonly value: QmpValue } | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input);
    if (!/^[ \t\r\n]*[{[]/.test(text) || text.split(/[[{]/).length > MAX_STANDARD_DEPTH) return undefined;
    const parsed: unknown = JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) =>
      typeof value === 'number' ? numberOf(context?.source ?? String(value)) : value,
    );
    return { text, value: asQmp(parsed) };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

function numberOf(literal: string): bigint | number {
  if (!/^-?\d+$/.test(literal)) return Number(literal);
  const value = BigInt(literal);
  return value >= -(2n ** 63n) && value < 2n ** 64n ? value : Number(literal);
}

function asQmp(value: unknown): QmpValue {
  if (Array.isArray(value)) return value.map(asQmp);
  if (typeof value !== 'object' || value === null) return value as QmpValue;
  return new Map(Object.entries(value).map(([name, member]) => [name, asQmp(member)]));
}

/** What QEMU refuses of the standard's JSON: the failure, and what a text must have for it. */
const NARROWER: readonly (readonly [failure: RegExp, text: RegExp])[] = [
  [/duplicate key$/, /:[\s\S]*:/],
  [/is not a valid Unicode character$/, /\\u/],
  [/invalid UTF-8 sequence in string$/, /\p{Noncharacter_Code_Point}/u],
  [/expected separator in (list|dict)$/, /0[eE]/],
  [/invalid keyword 'e'$/, /0[eE]/],
  [/stray 'E/, /0E/],
  [/token size limit exceeded$/, /[\s\S]{2000}/],
  [/token count limit exceeded$/, /[\s\S]{500}/],
];

/** Whether QEMU may refuse this right JSON text with these words. */
export function mayRefuse(text: string, failure: string): boolean {
  return NARROWER.some(([words, needed]) => words.test(failure) && needed.test(text));
}
