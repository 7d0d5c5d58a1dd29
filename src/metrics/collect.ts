import type { Domain } from '../model/domain.ts';
import type { VirtstatError } from '../model/errors.ts';
import type { ProviderFilter, StatsFilter } from '../model/filter.ts';
import type { Sample } from '../model/sample.ts';
import type { Schema } from '../model/stat.ts';
import type { SampleAnswer, SchemaAnswer } from '../registry/answer.ts';
import type { QueryOptions, SchemaReadOptions } from '../registry/options.ts';
import { domainLabels } from './domain-labels.ts';
import { Pace } from './pace.ts';

/** Who is asked for schemas and values: the registry, or a caller's share of it. */
export interface MetricsReader {
  schemas(options?: SchemaReadOptions): Promise<readonly SchemaAnswer[]>;
  query(filter: StatsFilter, options?: QueryOptions): Promise<readonly SampleAnswer[]>;
}

/** Names of the stats that are wanted of a schema; `all` of them, or undefined: none. */
export type Wanted = (schema: Schema) => readonly string[] | 'all' | undefined;

/** What one domain gave at one time. */
export interface DomainValues {
  readonly domain: Domain;
  /** Value of the label `domain`, which no other domain has. */
  readonly label: string;
  readonly schemas: readonly Schema[];
  readonly samples: readonly Sample[];
  /** Without those that say the same. */
  readonly errors: readonly VirtstatError[];
}

/** True for what stands in place of a domain where a source could not be searched. */
export function isSource({ id, name, source }: Domain): boolean {
  return id === source && name === source;
}

/**
 * Asks for what is wanted of every domain: one question for schemas, then one for each target. A domain that fails has errors, and
 * the old values that the registry gives; it costs the others nothing.
 * @throws the signal's reason, CANCELLED
 */
export async function collect(
  reader: MetricsReader,
  wanted: Wanted,
  options: QueryOptions,
): Promise<readonly DomainValues[]> {
  const { signal, domains } = options;
  const schemas = await reader.schemas({ ...(signal && { signal }), ...(domains && { domains }) });
  const filters = await filtersOf(schemas, wanted);
  const answers = await Promise.all(filters.map((filter) => reader.query(filter, options)));
  return valuesOf(schemas, answers.flat());
}

/** One filter for each target that any domain has. Most schemas are the same objects in many domains. */
async function filtersOf(answers: readonly SchemaAnswer[], wanted: Wanted): Promise<readonly StatsFilter[]> {
  const pace = new Pace();
  const targets = new Map<string, Map<string, ReadonlySet<string> | 'all'>>();
  const seen = new Map<Schema['stats'], Set<string>>();
  for (const { items } of answers) {
    for (const schema of items) {
      if (isSeen(seen, schema)) continue;
      const names = wanted(schema);
      if (names === undefined) continue;
      const providers = targets.get(schema.target) ?? new Map<string, ReadonlySet<string> | 'all'>();
      targets.set(schema.target, providers);
      const before = providers.get(schema.provider) ?? new Set();
      providers.set(schema.provider, names === 'all' || before === 'all' ? 'all' : new Set([...before, ...names]));
    }
    await pace.rest();
  }
  return [...targets].map(([target, providers]) => ({ target, providers: [...providers].map(filterOf) }));
}

/** True from the second time on; what is seen is the same list of descriptors, of the same provider and target. */
function isSeen(seen: Map<Schema['stats'], Set<string>>, { provider, target, stats }: Schema): boolean {
  const key = JSON.stringify([provider, target]);
  const known = seen.get(stats);
  if (known?.has(key)) return true;
  if (known === undefined) seen.set(stats, new Set([key]));
  else known.add(key);
  return false;
}

function filterOf([provider, names]: readonly [string, ReadonlySet<string> | 'all']): ProviderFilter {
  return names === 'all' ? { provider } : { provider, names: [...names] };
}

function valuesOf(schemas: readonly SchemaAnswer[], answers: readonly SampleAnswer[]): readonly DomainValues[] {
  const found = new Map<string, { domain: Domain; schemas: Schema[]; samples: Sample[]; errors: VirtstatError[] }>();
  const of = (domain: Domain) => {
    let values = found.get(domain.id);
    if (values === undefined) found.set(domain.id, (values = { domain, schemas: [], samples: [], errors: [] }));
    return values;
  };
  for (const { domain, items, errors } of schemas) {
    of(domain).schemas.push(...items);
    of(domain).errors.push(...errors);
  }
  for (const { domain, items, errors } of answers) {
    const values = of(domain);
    values.samples.push(...items);
    values.errors.push(...errors);
  }
  const labels = domainLabels([...found.values()].map(({ domain }) => domain));
  return [...found.values()].map((values, index) => ({
    ...values,
    label: labels[index] ?? values.domain.id,
    errors: withoutRepeats(values.errors),
  }));
}

function withoutRepeats(errors: readonly VirtstatError[]): readonly VirtstatError[] {
  return [...new Map(errors.map((error) => [`${error.code} ${error.message}`, error])).values()];
}
