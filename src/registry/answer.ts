import type { Availability, Domain } from '../model/domain.ts';
import type { VirtstatError } from '../model/errors.ts';
import type { Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';

/**
 * What one domain gave. Both lists may be filled: a provider that failed costs the others nothing. A domain that failed
 * as a whole has only errors, or old samples marked stale beside them.
 */
export interface DomainAnswer<T> {
  readonly domain: Domain;
  readonly items: readonly T[];
  readonly errors: readonly VirtstatError[];
}

/** What one domain's query gave. */
export type SampleAnswer = DomainAnswer<Sample>;

/** What can be measured about one domain. */
export type SchemaAnswer = DomainAnswer<Schema>;

/** Who is there, as far as it is known without asking anybody. */
export interface FoundDomains {
  readonly domains: readonly Domain[];
  /** One for each source that could not be searched. */
  readonly errors: readonly VirtstatError[];
}

/** A domain as `list` shows it: completed as far as it answered, and what can be read. */
export type ListAnswer = DomainAnswer<Availability>;
