import { type ErrorCode, VirtstatError } from '../model/errors.ts';
import type { Sample } from '../model/sample.ts';
import type { DomainAnswer } from '../registry/answer.ts';
import { printable } from './render/text.ts';

/** What the exit status of a command says. */
export const EXIT = { done: 0, failed: 1, usage: 2, nothingMatched: 3 } as const;

/** A value of {@link EXIT}. */
export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

const STATUS_BY_CODE: Partial<Record<ErrorCode, ExitStatus>> = {
  USAGE: EXIT.usage,
  CONFIG_INVALID: EXIT.usage,
  URI_INVALID: EXIT.usage,
  URI_UNSUPPORTED: EXIT.usage,
  UNKNOWN_TARGET: EXIT.usage,
  UNKNOWN_PROVIDER: EXIT.usage,
  UNKNOWN_STAT: EXIT.usage,
  NOTHING_MATCHED: EXIT.nothingMatched,
};

/** The status of a command that an error ended. */
export function statusOfError(error: unknown): ExitStatus {
  return (VirtstatError.is(error) ? STATUS_BY_CODE[error.code] : undefined) ?? EXIT.failed;
}

/** The status of a command that got these answers: one domain that answered is enough for success. */
export function statusOfAnswers(answers: readonly DomainAnswer<unknown>[]): ExitStatus {
  if (answers.some(({ items }) => items.some(isFresh))) return EXIT.done;
  // Old values come also without an error of their own: from a virtstatd, which has the error.
  return answers.some(({ items, errors }) => items.length > 0 || errors.length > 0) ? EXIT.failed : EXIT.nothingMatched;
}

/** One line for people about whatever was thrown; names in it may be anybody's. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return printable(message.replaceAll(/\s*\n\s*/g, ' '));
}

function isFresh(item: unknown): boolean {
  return (item as Partial<Sample>).stale === undefined;
}
