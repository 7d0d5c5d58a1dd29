import type { Domain } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { DomainAnswer, SampleAnswer } from '../registry/answer.ts';
import type { ReadOptions } from '../registry/options.ts';
import type { Registry } from '../registry/registry.ts';
import { domainNames, messageAbout } from './domain-names.ts';
import type { Terminal } from './terminal.ts';

/** Most domains that a diagnostic names: it is one line, and a host may have hundreds. */
const MAX_NAMED = 10;

/** What a query that could not even be asked gives: the errors, and no values. */
export function withoutItems(answers: readonly DomainAnswer<unknown>[]): readonly SampleAnswer[] {
  return answers.map(({ domain, errors }) => ({ domain, items: [], errors }));
}

/**
 * The one domain that a verb works on. A source that could not be searched is of interest only where there is none.
 * @throws USAGE where there are several; NOTHING_MATCHED where there is none; the error of a source that cannot be searched
 */
export async function requireOneDomain(registry: Registry, read: ReadOptions): Promise<Domain> {
  const { domains, errors } = await registry.find(read);
  const [only, ...others] = domains;
  if (only === undefined) {
    const [error] = errors;
    if (error !== undefined) throw error;
    const hint = '`virtstat list` shows where it was looked for';
    throw new VirtstatError('NOTHING_MATCHED', `no virtual machine was found; ${hint}`);
  }
  if (others.length === 0) return only;
  const names = domains.slice(0, MAX_NAMED).map(domainNames(domains)).join(', ');
  const more = domains.length > MAX_NAMED ? ` and ${domains.length - MAX_NAMED} more` : '';
  const hint = 'choose one with --domain (by name, uuid or process id) or --connect';
  throw new VirtstatError('USAGE', `this takes one domain, and there are ${names}${more}; ${hint}`);
}

/**
 * What one domain answered, of all answers: sources that could not be searched stand there too.
 * @throws DOMAIN_GONE
 */
export function answerOf<T>(domain: Domain, answers: readonly DomainAnswer<T>[]): DomainAnswer<T> {
  const answer = answers.find(({ domain: { id } }) => id === domain.id);
  if (answer !== undefined) return answer;
  throw new VirtstatError('DOMAIN_GONE', `the virtual machine ${domain.name} has exited`);
}

/** Says on the terminal that there is nobody at these sources. */
export function warnNothing(uris: readonly string[], terminal: Terminal): void {
  const told = `no virtual machine was found at ${uris.join(', ')}`;
  const isByDaemon = uris.some((uri) => uri.startsWith('virtstat+'));
  terminal.warn(isByDaemon ? `${told}; a virtstatd shows those that its rules ([[access]]) let you read` : told);
}

/** Says on the terminal what went wrong, one line for each error. */
export function warnErrors(answers: readonly DomainAnswer<unknown>[], terminal: Terminal): void {
  const nameOf = domainNames(answers.map(({ domain }) => domain));
  for (const { domain, errors } of answers) {
    const name = nameOf(domain);
    for (const { message } of errors) terminal.warn(messageAbout(name, message));
  }
}
