/**
 * Text as a terminal may be shown it. Names come from guests, command lines and peers: one that holds control characters
 * must neither move the cursor nor break a table.
 */
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** Characters that take two columns in a terminal. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\uff01-\uff60]/u;

/** Characters that take none. */
const ZERO = /\p{Mark}|\u200b|\u200c|\u200d/u;

/** The escape sequences that our own styles write. */
const STYLE = /\u001b\[[\d;]*m/g;

/** The text with every control character written out: `\x1b`, `\u2028`. */
export function printable(text: string): string {
  return text.replace(CONTROL, (char) => {
    const code = char.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
}

/** How many columns a text takes, styles aside. */
export function displayWidth(text: string): number {
  const bare = text.replace(STYLE, '');
  // Nearly all text is ASCII, and needs no look at each character.
  if (/^[ -~]*$/.test(bare)) return bare.length;
  let width = 0;
  for (const char of bare) width += ZERO.test(char) ? 0 : WIDE.test(char) ? 2 : 1;
  return width;
}

/** The text filled up with blanks to a width, at its end or at its start. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const blanks = ' '.repeat(Math.max(0, width - displayWidth(text)));
  return align === 'left' ? text + blanks : blanks + text;
}

/** The text cut to at most `width` columns, with `…` where something is missing. Styles are lost where it is cut. */
export function clip(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = '';
  for (const char of text.replace(STYLE, '')) {
    if (displayWidth(kept + char) > width - 1) break;
    kept += char;
  }
  return `${kept}…`;
}
