import { decimalAt } from './decimal.ts';

/** What a file tells, in the order in which it was asked for; undefined for what is not in it. */
export type Numbers = readonly (bigint | undefined)[];

/** Takes the numbers out of the first `sizeBytes` of a file. */
export type Decode = (bytes: Buffer, sizeBytes: number) => Numbers;

const BLANK = 0x20;
const CLOSING_BRACKET = 0x29;

/** Number of the word that follows the name in `/proc/PID/stat`. */
const WORD_AFTER_NAME = 3;

/**
 * Decodes a line of words by their numbers, which count from 1 and ascend: `/proc/PID/schedstat`, a file with a single
 * number.
 */
export function words(wanted: readonly number[]): Decode {
  return (bytes, sizeBytes) => numbersOf(bytes, 0, sizeBytes, 1, wanted);
}

/**
 * Decodes `/proc/PID/stat` (proc_pid_stat(5)) by the manual's numbers of fields, which ascend, from 3 on. The second field
 * is the name that the process gave itself: it may hold blanks and brackets, so that only the last bracket ends it.
 */
export function fieldsOfStat(wanted: readonly number[]): Decode {
  return (bytes, sizeBytes) => {
    const bracket = sizeBytes === 0 ? -1 : bytes.lastIndexOf(CLOSING_BRACKET, sizeBytes - 1);
    if (bracket < 0) return wanted.map(() => undefined);
    return numbersOf(bytes, bracket + 1, sizeBytes, WORD_AFTER_NAME, wanted);
  };
}

/** One pass over the bytes: everything up to a blank is one blank or another. */
function numbersOf(bytes: Buffer, start: number, end: number, firstWord: number, wanted: readonly number[]): Numbers {
  const numbers: (bigint | undefined)[] = [];
  let word = firstWord - 1;
  let isBetween = true;
  for (let at = start; at < end && numbers.length < wanted.length; at++) {
    const isBlank = bytes[at]! <= BLANK;
    if (isBetween && !isBlank && ++word === wanted[numbers.length]) numbers.push(decimalAt(bytes, at, end));
    isBetween = isBlank;
  }
  while (numbers.length < wanted.length) numbers.push(undefined);
  return numbers;
}
