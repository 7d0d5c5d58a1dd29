import { type Domain, isDomainNamed } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { StatsFilter } from '../model/filter.ts';
import type { DomainAnswer, SampleAnswer, SchemaAnswer } from '../registry/answer.ts';
import { nearest, type Request, resolveRequest } from '../registry/check.ts';
import type { ReadOptions, Registry } from '../registry/registry.ts';
import type { Terminal } from './terminal.ts';

/** A request that was checked against the schemas of the asked domains. */
export interface Resolved {
  /** Undefined where no domain could be asked: the answers' errors say why. */
  readonly filter: StatsFilter | undefined;
  readonly schemas: readonly SchemaAnswer[];
}

/**
 * Checks a request against what exists, and turns it into a filter.
 * @throws NOTHING_MATCHED for a domain that is not there; UNKNOWN_TARGET, UNKNOWN_PROVIDER, UNKNOWN_STAT
 */
export async function resolve(registry: Registry, request: Request, read: ReadOptions): Promise<Resolved> {
  let schemas = await registry.schemas({ ...read, target: request.target });
  await requireDomains(registry, schemas, read);
  if (!hasItems(schemas)) schemas = await registry.schemas(read);
  if (!hasItems(schemas) && schemas.some(({ errors }) => errors.length > 0)) return { filter: undefined, schemas };
  return {
    filter: resolveRequest(
      request,
      schemas.flatMap(({ items }) => items),
    ),
    schemas,
  };
}

/** What a query that could not even be asked gives: the errors, and no values. */
export function withoutItems(answers: readonly DomainAnswer<unknown>[]): readonly SampleAnswer[] {
  return answers.map(({ domain, errors }) => ({ domain, items: [], errors }));
}

/**
 * Makes sure that each domain that was asked for is among those that answered.
 * @throws NOTHING_MATCHED with the nearest names
 */
export async function requireDomains(
  registry: Registry,
  answers: readonly DomainAnswer<unknown>[],
  { domains = [], signal }: ReadOptions,
): Promise<void> {
  const missing = domains.find((wanted) => !answers.some(({ domain }) => isDomainNamed(domain, wanted)));
  if (missing === undefined) return;
  const everyone = await registry.schemas({ target: '', ...(signal && { signal }) });
  const names = everyone.filter(({ domain }) => domain.name !== domain.source).map(({ domain }) => domain.name);
  const near = nearest(missing, names);
  const hint = near.length === 0 ? '`virtstat list` shows what there is' : `did you mean ${near.join(', ')}?`;
  // A source that could not be searched may have it: that is the first thing to know.
  const [unsearched] = everyone.flatMap(({ domain, errors }) => (domain.name === domain.source ? errors : []));
  const why = unsearched === undefined ? '' : `; ${unsearched.message}`;
  throw new VirtstatError('NOTHING_MATCHED', `no domain is named ${JSON.stringify(missing)}; ${hint}${why}`);
}

/**
 * The one domain that a verb works on.
 * @throws USAGE where there are several; NOTHING_MATCHED where there is none; the error of a source that cannot be searched
 */
export async function requireOneDomain<T>(
  registry: Registry,
  answers: readonly DomainAnswer<T>[],
  read: ReadOptions,
): Promise<DomainAnswer<T>> {
  await requireDomains(registry, answers, read);
  const [only, ...others] = answers;
  if (only === undefined) {
    throw new VirtstatError(
      'NOTHING_MATCHED',
      'no virtual machine was found; `virtstat list` shows where it was looked for',
    );
  }
  if (others.length > 0) {
    const names = answers.map(({ domain }) => distinctName(domain, answers)).join(', ');
    throw new VirtstatError(
      'USAGE',
      `this takes one domain, and there are ${names}; choose one with --domain or --connect`,
    );
  }
  return only;
}

/** Says on the terminal what went wrong, one line for each error. */
export function warnErrors(answers: readonly DomainAnswer<unknown>[], terminal: Terminal): void {
  for (const { domain, errors } of answers) {
    for (const { message } of errors) {
      terminal.warn(message.includes(domain.name) ? message : `${domain.name}: ${message}`);
    }
  }
}

/** The name, with the process where others share it. */
function distinctName({ name, pid }: Domain, answers: readonly DomainAnswer<unknown>[]): string {
  const isShared = answers.filter(({ domain }) => domain.name === name).length > 1;
  return isShared && pid !== undefined ? `${name} (process ${pid})` : name;
}

function hasItems(answers: readonly DomainAnswer<unknown>[]): boolean {
  return answers.some(({ items }) => items.length > 0);
}
