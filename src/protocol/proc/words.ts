import { decimalAt } from './decimal.ts';

/** What a file tells, in the order in which it was asked for; undefined for what is not in it. */
export type Numbers = readonly (bigint | undefined)[];

/** Takes the numbers out of the first `sizeBytes` of a file. */
export type Decode = (bytes: Buffer, sizeBytes: number) => Numbers;

const BLANK = 0x20;
const CLOSING_BRACKET = 0x29;

/** Number of the word that follows the name in `/proc/PID/stat`. */
const WORD_AFTER_NAME = 3;

/** Decodes a line of words by their numbers, which count from 1: `/proc/PID/schedstat`, a file with a single number. */
export function words(wanted: readonly number[]): Decode {
  const places = inTurn(wanted);
  return (bytes, sizeBytes) => numbersOf(bytes, { start: 0, end: sizeBytes, firstWord: 1 }, places);
}

/**
 * Decodes `/proc/PID/stat` (proc_pid_stat(5)) by the manual's numbers of fields, from 3 on. The second field is the name
 * that the process gave itself: it may hold blanks and brackets, so that only the last bracket ends it.
 */
export function fieldsOfStat(wanted: readonly number[]): Decode {
  const places = inTurn(wanted);
  return (bytes, sizeBytes) => {
    const bracket = sizeBytes === 0 ? -1 : bytes.lastIndexOf(CLOSING_BRACKET, sizeBytes - 1);
    const end = bracket < 0 ? 0 : sizeBytes;
    return numbersOf(bytes, { start: bracket + 1, end, firstWord: WORD_AFTER_NAME }, places);
  };
}

/** A wanted word, and its place in the answer. */
interface WordPlace {
  readonly word: number;
  readonly index: number;
}

function inTurn(wanted: readonly number[]): readonly WordPlace[] {
  return wanted.map((word, index) => ({ word, index })).sort((a, b) => a.word - b.word);
}

/** One pass over the bytes of a range: everything up to a blank is one blank or another. */
function numbersOf(
  bytes: Buffer,
  { start, end, firstWord }: { readonly start: number; readonly end: number; readonly firstWord: number },
  places: readonly WordPlace[],
): Numbers {
  const numbers = new Array<bigint | undefined>(places.length).fill(undefined);
  let word = firstWord - 1;
  let next = 0;
  let isBetween = true;
  for (let at = start; at < end && next < places.length; at++) {
    const isBlank = bytes[at]! <= BLANK;
    if (isBetween && !isBlank && ++word === places[next]!.word) {
      numbers[places[next++]!.index] = decimalAt(bytes, at, end);
    }
    isBetween = isBlank;
  }
  return numbers;
}
