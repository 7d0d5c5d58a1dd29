import { EXIT, type ExitStatus } from '../exit.ts';
import { document } from '../render/json.ts';
import { listDocument } from '../render/list-document.ts';
import { listText } from '../render/list-text.ts';
import { warnErrors, warnNothing } from '../select.ts';
import { type GlobalOptions, urisOf, withSession } from '../session.ts';

/** What `list` takes. */
export interface ListOptions extends GlobalOptions {
  readonly domain?: readonly string[];
  readonly json?: boolean;
}

/** `virtstat list`: the domains, and what can be read of each. A host without any is no failure. */
export function list(options: ListOptions): Promise<ExitStatus> {
  return withSession(options, async ({ registry, terminal }) => {
    const { domain: domains } = options;
    const read = { signal: terminal.gone, ...(domains && { domains }) };
    await registry.find(read);
    const answers = await registry.list(read);
    terminal.out(options.json ? document(listDocument(answers)) : listText(answers, terminal.paint));
    warnErrors(answers, terminal);
    if (answers.length === 0) warnNothing(urisOf(options), terminal);
    const failed = answers.length > 0 && answers.every(({ items, errors }) => items.length === 0 && errors.length > 0);
    return failed ? EXIT.failed : EXIT.done;
  });
}
