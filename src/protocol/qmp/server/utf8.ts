/**
 * QEMU's modified UTF-8. Bytes come as a string of characters U+0000 to U+00FF, one for each byte.
 *
 * | bytes                                       | code point                      |
 * | ------------------------------------------- | ------------------------------- |
 * | 00..7F                                      | themselves                      |
 * | C0 80                                       | U+0000                          |
 * | C0..FD and as many bytes 80..BF as they say | that code point, if it is valid |
 * | a longer form than needed                   | none                            |
 * | 80..BF in front, FE, FF                     | none                            |
 *
 * Surrogates, what is beyond U+10FFFF, and the non-characters (U+FDD0..U+FDEF, the last two of each plane) are not valid.
 * A sequence that is cut short ends before the byte that does not continue it.
 */

/** What stands at a place: its code point, -1 where it is none, and where the next one begins. */
export interface Decoded {
  readonly codePoint: number;
  readonly next: number;
}

const MAX_CODE_POINT = 0x10ffff;
/** The least code point that a sequence of this many bytes is needed for. */
const LEAST_OF_LENGTH: readonly number[] = [0, 0, 0x80, 0x800, 0x10000, 0x200000, 0x4000000];

/** True for a code point that QEMU takes in a string. */
export function isValidCodePoint(codePoint: number): boolean {
  if (codePoint < 0 || codePoint > MAX_CODE_POINT) return false;
  if (codePoint >= 0xd800 && codePoint <= 0xdfff) return false;
  return !(codePoint >= 0xfdd0 && codePoint <= 0xfdef) && (codePoint & 0xfffe) !== 0xfffe;
}

/** Decodes the sequence that begins at `at`, which must lie inside `bytes`. */
export function decodeAt(bytes: string, at: number): Decoded {
  const first = bytes.charCodeAt(at);
  if (first < 0x80) return { codePoint: first, next: at + 1 };
  if (first < 0xc0 || first >= 0xfe) return { codePoint: -1, next: at + 1 };
  const length = Math.clz32(~(first << 24));
  let codePoint = first & (0x7f >> length);
  for (let next = at + 1; next < at + length; next++) {
    const byte = bytes.charCodeAt(next);
    // Beyond the end the code is NaN, which continues nothing either.
    if ((byte & 0xc0) !== 0x80) return { codePoint: -1, next };
    codePoint = codePoint * 64 + (byte & 0x3f);
  }
  const isShortest = codePoint >= (LEAST_OF_LENGTH[length] as number) || (length === 2 && codePoint === 0);
  return { codePoint: isShortest && isValidCodePoint(codePoint) ? codePoint : -1, next: at + length };
}

/** The text for a message to people: up to the first byte 0, as C ends a string; what is no character shows as U+FFFD. */
export function textForMessage(bytes: string): string {
  const end = bytes.indexOf('\0');
  const shown = end < 0 ? bytes : bytes.slice(0, end);
  let text = '';
  for (let at = 0; at < shown.length; ) {
    const { codePoint, next } = decodeAt(shown, at);
    text += codePoint < 0 ? '\ufffd' : String.fromCodePoint(codePoint);
    at = next;
  }
  return text;
}

/** The bytes of a text; U+0000 becomes C0 80. */
export function encodeModified(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8');
  if (!text.includes('\0')) return bytes;
  return Uint8Array.from([...bytes].flatMap((byte) => (byte === 0 ? [0xc0, 0x80] : [byte])));
}
