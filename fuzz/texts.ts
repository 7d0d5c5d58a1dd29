import fc from 'fast-check';
import { bytesOf } from './target.ts';

/** Any character, those more often that formats and terminals care about. fast-check's own `binary` first makes a table of all. */
const character = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('"', '\\', '\0', '\n', '\x7f', '\x85', '\u2028', '\ufeff', '\ufffe', '\ud800', '😀'),
  },
);

/** Any text of at most `maxLength` characters. */
export function anyText(maxLength: number): fc.Arbitrary<string> {
  return fc.string({ unit: character, maxLength });
}

/** A text as its bytes in UTF-8. */
export function utf8(text: string): Uint8Array {
  return bytesOf(Buffer.from(text).toString('latin1'));
}
