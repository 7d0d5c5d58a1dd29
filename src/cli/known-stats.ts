import { VirtstatError } from '../model/errors.ts';
import type { SchemaAnswer } from '../registry/answer.ts';
import type { ReadOptions } from '../registry/options.ts';
import type { Registry } from '../registry/registry.ts';
import { type StatWord, selectStats } from '../registry/selection.ts';

/**
 * The schemas of the domains, in which every word must have its stats.
 * @throws UNKNOWN_TARGET, UNKNOWN_PROVIDER, UNKNOWN_STAT with the nearest right ones; NOTHING_MATCHED; the error of the first
 *   domain where none could be asked
 */
export async function requireKnown(
  registry: Registry,
  words: readonly StatWord[],
  read: ReadOptions,
): Promise<readonly SchemaAnswer[]> {
  await registry.find(read);
  const answers = await registry.schemas(read);
  const schemas = answers.flatMap(({ items }) => items);
  const [unseen] = answers.flatMap(({ errors }) => errors);
  if (schemas.length === 0) {
    throw unseen ?? new VirtstatError('NOTHING_MATCHED', 'nothing can be measured here; `virtstat list` says why');
  }
  for (const word of words) {
    const { target, provider } = word;
    const asked = { ...(target !== undefined && { target }), ...(provider !== undefined && { provider }) };
    await registry.explaining(asked, read, () => {
      const [error] = selectStats([word], schemas, unseen).unknown;
      if (error !== undefined) throw error;
    });
  }
  return answers;
}
