import type { SampleAnswer } from '../../registry/answer.ts';
import type { Paint } from '../terminal.ts';
import { printable } from './text.ts';

/** What went wrong with which domain, a line each: the words are a peer's, and steer no terminal. */
export function problemsText(
  answers: readonly Pick<SampleAnswer, 'domain' | 'errors'>[],
  paint: Paint,
): readonly string[] {
  return answers.flatMap(({ domain, errors }) =>
    errors.map(({ message }) => paint('red', printable(`${domain.name}: ${message}`))),
  );
}
