import { VirtstatError } from '../model/errors.ts';
import type { ListAnswer } from './answer.ts';
import type { Request } from './check.ts';

/** Words that some domain may have where the asked ones have not. */
const WORDS: ReadonlySet<unknown> = new Set(['UNKNOWN_TARGET', 'UNKNOWN_PROVIDER']);

/** True for the refusal of a word for which {@link explainMissing} may know better. */
export function isUnknownWord(error: unknown): boolean {
  return VirtstatError.is(error) && WORDS.has(error.code);
}

/**
 * The error to raise for a target or provider that no schema has: where the domains themselves say that they have none of it,
 * the word was right, and their reason is the news.
 */
export function explainMissing(
  error: unknown,
  { target, provider }: Partial<Pick<Request, 'target' | 'provider'>>,
  answers: readonly ListAnswer[],
): unknown {
  const missing = answers
    .flatMap(({ items }) => items)
    .filter((item) => !item.available && (target ?? item.target) === item.target)
    .filter((item) => (provider ?? item.provider) === item.provider);
  const [reason, ...others] = new Set(missing.flatMap((item) => item.reason ?? []));
  if (reason === undefined) return error;
  const what = [
    ...(provider === undefined ? [] : [`provider ${provider}`]),
    ...(target === undefined ? [] : [`target ${target}`]),
  ];
  const more = others.length === 0 ? '' : '; `virtstat list` has the other reasons';
  return new VirtstatError('NOTHING_MATCHED', `nothing of ${what.join(' and ')} can be measured: ${reason}${more}`, {
    cause: error,
  });
}
