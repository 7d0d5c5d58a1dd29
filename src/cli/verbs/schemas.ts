import type { SchemaAnswer } from '../../registry/answer.ts';
import { selectSchemas } from '../../registry/check.ts';
import { type ExitStatus, statusOfAnswers } from '../exit.ts';
import { document } from '../render/json.ts';
import { schemasDocument } from '../render/schemas-document.ts';
import { schemasText } from '../render/schemas-text.ts';
import { warnErrors } from '../select.ts';
import { type GlobalOptions, withSession } from '../session.ts';

/** What `schemas` takes. */
export interface SchemasOptions extends GlobalOptions {
  readonly target?: string;
  readonly provider?: string;
  readonly domain?: readonly string[];
  readonly json?: boolean;
}

/** `virtstat schemas`: what can be measured. */
export function schemas(options: SchemasOptions): Promise<ExitStatus> {
  return withSession(options, async ({ registry, terminal }) => {
    const { domain: domains } = options;
    const read = { signal: terminal.gone, ...(domains && { domains }) };
    await registry.find(read);
    const everything = await registry.schemas(read);
    const answers = await registry.explaining(options, read, () => select(everything, options));
    terminal.out(options.json ? document(schemasDocument(answers)) : schemasText(answers, terminal.paint));
    warnErrors(answers, terminal);
    const status = statusOfAnswers(answers);
    if (answers.every(({ items, errors }) => items.length === 0 && errors.length === 0)) {
      terminal.warn('nothing can be measured here; `virtstat list` says why');
    }
    return status;
  });
}

/**
 * Keeps what was asked for.
 * @throws UNKNOWN_TARGET, UNKNOWN_PROVIDER
 */
function select(answers: readonly SchemaAnswer[], choice: SchemasOptions): readonly SchemaAnswer[] {
  const all = answers.flatMap(({ items }) => items);
  if (all.length === 0) return answers;
  const wanted = new Set(selectSchemas(all, choice));
  return answers.map((answer) => ({ ...answer, items: answer.items.filter((schema) => wanted.has(schema)) }));
}
