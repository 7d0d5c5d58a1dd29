import type { Caller, Reader } from '../face/face.ts';
import type { Availability, Domain } from '../model/domain.ts';
import type { StatsFilter } from '../model/filter.ts';
import type { Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import type { DomainAnswer } from '../registry/answer.ts';
import type { QueryOptions, ReadOptions, SchemaReadOptions } from '../registry/options.ts';
import type { Registry } from '../registry/registry.ts';
import type { Access, Grant } from './access.ts';
import type { DomainStates } from './domain-states.ts';
import type { Refusals } from './refusals.ts';

/** What the readers of all callers share. */
export interface ReaderContext {
  readonly registry: Registry;
  readonly states: DomainStates;
  readonly refusals: Refusals;
  /** The rules now: they may change while a reader lives. */
  readonly access: () => Access;
}

/** The registry through the rules: asks only for what the caller may read, and lets nothing else through. */
export class RuledReader implements Reader {
  readonly #context: ReaderContext;
  readonly #face: string;
  readonly #caller: Caller;

  constructor(context: ReaderContext, face: string, caller: Caller) {
    this.#context = context;
    this.#face = face;
    this.#caller = caller;
  }

  async domains(options: ReadOptions = {}): Promise<readonly Domain[]> {
    const { domains } = await this.#permitted(options);
    return domains.map(({ domain }) => domain);
  }

  list(options: ReadOptions = {}): Promise<readonly DomainAnswer<Availability>[]> {
    return this.#ask(options, (_grant, read) => this.#context.registry.list(read));
  }

  schemas(options: SchemaReadOptions = {}): Promise<readonly DomainAnswer<Schema>[]> {
    return this.#ask(options, (_grant, read) => this.#context.registry.schemas({ ...options, ...read }));
  }

  query(filter: StatsFilter, options: QueryOptions = {}): Promise<readonly DomainAnswer<Sample>[]> {
    return this.#ask(options, (grant, read) => {
      return this.#context.registry.query(this.#restricted(filter, grant), { ...options, ...read });
    });
  }

  /**
   * Asks the permitted domains, those with the same providers together, and keeps the registry's order. Where the rules changed
   * meanwhile it asks again: nobody gets by an old one what they may not read any more.
   */
  async #ask<T extends { readonly provider: string }>(
    options: ReadOptions,
    ask: (grant: Grant, read: ReadOptions) => Promise<readonly DomainAnswer<T>[]>,
  ): Promise<readonly DomainAnswer<T>[]> {
    const { domains, failed, rules } = await this.#permitted(options);
    const groups = Map.groupBy(domains, ({ grant }) => (grant === 'all' ? grant : [...grant].sort().join()));
    const asked = await Promise.all(
      [...groups.values()].map(async (group) => {
        const [{ grant }] = group as [Permitted, ...Permitted[]];
        const ids = new Set(group.map(({ domain }) => domain.id));
        // Names and uuids may be shared with a domain that is not the caller's: it is not asked, so that nobody notices how long
        // it takes.
        const answers = await ask(grant, { ...options, domains: [...ids] });
        return answers
          .filter(({ domain }) => ids.has(domain.id))
          .map((answer) => ({ ...answer, items: kept(answer.items, grant) }));
      }),
    );
    if (this.#context.access() !== rules) return this.#ask(options, ask);
    const byId = new Map(asked.flat().map((answer) => [answer.domain.id, answer]));
    this.#context.states.note([...byId.values()]);
    return [...domains.flatMap(({ domain }) => byId.get(domain.id) ?? []), ...failed];
  }

  readsAllOf(domain: Domain): boolean {
    return this.#context.access().grantFor(this.#caller, domain) === 'all';
  }

  async #permitted(options: ReadOptions): Promise<{
    readonly domains: readonly Permitted[];
    readonly failed: readonly DomainAnswer<never>[];
    readonly rules: Access;
  }> {
    const { registry, refusals, access } = this.#context;
    const found = await registry.present(options);
    const rules = access();
    const domains = found.flatMap(({ domain, errors }) => {
      if (errors.length > 0) return [];
      const grant = rules.grantFor(this.#caller, domain);
      if (grant === 'all' || grant.size > 0) return [{ domain, grant }];
      // Whoever asks for all domains means those that are theirs.
      if (options.domains !== undefined) refusals.note(this.#face, this.#caller, { domain: domain.name });
      return [];
    });
    const failed = rules.seesEverything(this.#caller) ? found.filter(({ errors }) => errors.length > 0) : [];
    return { domains, failed, rules };
  }

  #restricted(filter: StatsFilter, grant: Grant): StatsFilter {
    if (grant === 'all') return filter;
    const { providers } = filter;
    if (providers === undefined) return { ...filter, providers: [...grant].sort().map((provider) => ({ provider })) };
    for (const { provider } of providers) {
      if (!grant.has(provider)) this.#context.refusals.note(this.#face, this.#caller, { provider });
    }
    return { ...filter, providers: providers.filter(({ provider }) => grant.has(provider)) };
  }
}

interface Permitted {
  readonly domain: Domain;
  readonly grant: Grant;
}

/** The same list where nothing is taken out of it. */
function kept<T extends { readonly provider: string }>(items: readonly T[], grant: Grant): readonly T[] {
  if (grant === 'all' || items.every(({ provider }) => grant.has(provider))) return items;
  return items.filter(({ provider }) => grant.has(provider));
}
