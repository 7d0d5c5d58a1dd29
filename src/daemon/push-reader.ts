import type { MetricsReader } from '../metrics/collect.ts';
import type { StatsFilter } from '../model/filter.ts';
import type { SampleAnswer, SchemaAnswer } from '../registry/answer.ts';
import type { QueryOptions, ReadOptions, SchemaReadOptions } from '../registry/options.ts';
import type { Registry } from '../registry/registry.ts';
import { patternOf } from './access.ts';
import type { DomainStates } from './domain-states.ts';

/** The registry as far as a push has to do with it: the domains that its configuration names. */
export class PushReader implements MetricsReader {
  readonly #registry: Registry;
  readonly #states: DomainStates;
  readonly #patterns: readonly ReturnType<typeof patternOf>[] | undefined;

  /** `domains` are names, uuids, or patterns with `*` and `?`. */
  constructor(registry: Registry, states: DomainStates, domains: readonly string[]) {
    this.#registry = registry;
    this.#states = states;
    this.#patterns = domains.includes('*') ? undefined : domains.map(patternOf);
  }

  async schemas(options: SchemaReadOptions = {}): Promise<readonly SchemaAnswer[]> {
    return this.#registry.schemas({ ...options, ...(await this.#named(options)) });
  }

  async query(filter: StatsFilter, options: QueryOptions = {}): Promise<readonly SampleAnswer[]> {
    const answers = await this.#registry.query(filter, { ...options, ...(await this.#named(options)) });
    this.#states.note(answers);
    return answers;
  }

  async #named(options: ReadOptions): Promise<Pick<ReadOptions, 'domains'>> {
    const patterns = this.#patterns;
    if (patterns === undefined) return {};
    const present = await this.#registry.present(options);
    const covered = present.filter(({ domain }) => patterns.some((pattern) => pattern.covers(domain)));
    return { domains: covered.map(({ domain }) => domain.id) };
  }
}
