import { decimalAt } from './decimal.ts';
import type { Decode } from './words.ts';

/** Where a number stands in a file of lines. */
export interface LinePlace {
  /** What its line begins with: `usage_usec `. */
  readonly start: string;
  /** What stands before the number further on in the line: `total=`; absent where it follows the start. */
  readonly label?: string;
}

const NEWLINE = 0x0a;
const BLANK = 0x20;
const TAB = 0x09;

interface Needle {
  readonly start: Buffer;
  readonly label: Buffer | undefined;
}

/**
 * Decodes a file of lines that begin with a word: `/proc/PID/status`, `/proc/PID/io`, a control group's `cpu.stat` and its
 * pressure files. The places stand in the order of the lines; a kernel that lacks some of them leaves those out.
 */
export function lines(places: readonly LinePlace[]): Decode {
  const needles = places.map(({ start, label }): Needle => {
    return { start: Buffer.from(start), label: label === undefined ? undefined : Buffer.from(label) };
  });
  return (bytes, sizeBytes) => {
    let at = 0;
    return needles.map(({ start, label }) => {
      const line = lineStarting(bytes, start, at, sizeBytes);
      if (line < 0) return undefined;
      const behind = line + start.length;
      const number = label === undefined ? behind : afterLabel(bytes, label, behind, sizeBytes);
      at = nextLine(bytes, behind, sizeBytes);
      return number < 0 ? undefined : decimalAt(bytes, afterBlanks(bytes, number), sizeBytes);
    });
  };
}

/**
 * The same for the last lines of a long file, or nearly the last: they are sought from its end. Those of a thread's
 * `/proc/PID/task/TID/status` stand behind sixty others.
 */
export function lastLines(starts: readonly string[]): Decode {
  const needles = starts.map((start) => Buffer.from(start));
  return (bytes, sizeBytes) => {
    const numbers = new Array<bigint | undefined>(needles.length).fill(undefined);
    let end = sizeBytes;
    for (let index = needles.length - 1; index >= 0; index--) {
      const needle = needles[index]!;
      const line = lastLineStarting(bytes, needle, end);
      if (line < 0) continue;
      numbers[index] = decimalAt(bytes, afterBlanks(bytes, line + needle.length), sizeBytes);
      end = line;
    }
    return numbers;
  };
}

/** -1 where there is none before `end`, where a line ends. */
function lastLineStarting(bytes: Buffer, start: Buffer, end: number): number {
  for (let lineEnd = end; lineEnd > 0; ) {
    let line = lineEnd - 1;
    while (line > 0 && bytes[line - 1] !== NEWLINE) line--;
    if (isAt(bytes, start, line, end)) return line;
    lineEnd = line;
  }
  return -1;
}

/** Where the line that goes on at `from` ends and the next begins. */
function nextLine(bytes: Buffer, from: number, end: number): number {
  let at = from;
  while (at < end && bytes[at] !== NEWLINE) at++;
  return at + 1;
}

function isAt(bytes: Buffer, start: Buffer, at: number, end: number): boolean {
  if (at + start.length > end) return false;
  for (let index = 0; index < start.length; index++) if (bytes[at + index] !== start[index]) return false;
  return true;
}

/** -1 where there is none. Bytes beyond the end are of an earlier, longer file. */
function lineStarting(bytes: Buffer, start: Buffer, from: number, end: number): number {
  // `from` is where a line begins, as a rule the one that is sought: to call the platform's search takes ten times as long.
  if (isAt(bytes, start, from, end)) return from;
  for (let at = from; ; at++) {
    at = bytes.indexOf(start, at);
    if (at < 0 || at + start.length > end) return -1;
    if (at === 0 || bytes[at - 1] === NEWLINE) return at;
  }
}

function afterLabel(bytes: Buffer, label: Buffer, from: number, end: number): number {
  const lineEnd = bytes.indexOf(NEWLINE, from);
  const at = bytes.indexOf(label, from);
  const isInLine = at >= 0 && at + label.length <= Math.min(end, lineEnd < 0 ? end : lineEnd);
  return isInLine ? at + label.length : -1;
}

function afterBlanks(bytes: Buffer, from: number): number {
  let at = from;
  while (bytes[at] === BLANK || bytes[at] === TAB) at++;
  return at;
}
