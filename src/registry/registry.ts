import { JoinedSignal, untilDeadline, whileWanted } from '../host/deadline.ts';
import { pause } from '../host/pause.ts';
import { nextTurnMs } from '../host/turn.ts';
import { type Domain, isDomainNamed } from '../model/domain.ts';
import { cancellation, VirtstatError } from '../model/errors.ts';
import type { StatsFilter } from '../model/filter.ts';
import { DEFAULT_DEADLINE_MS, MAX_TIMER_MS } from '../model/limits.ts';
import type { BalloonPolling, CallOptions, FoundDomain, MonitorRelay, Provider, Source } from '../model/provider.ts';
import type { DomainAnswer, FoundDomains, ListAnswer, SampleAnswer, SchemaAnswer } from './answer.ts';
import { type CheckedRequest, checkDomains, type Request, resolveRequest } from './check.ts';
import { collectSamples, collectSchemas } from './collect.ts';
import { Collections } from './collections.ts';
import { inTurns } from './in-turns.ts';
import { LastProviders } from './last-providers.ts';
import { LastSchemas } from './last-schemas.ts';
import { explainMissing, isUnknownWord } from './missing.ts';
import type { QueryOptions, ReadOptions, RegistryOptions, SchemaReadOptions, WatchOptions } from './options.ts';
import { plainAnswer } from './packed-sample.ts';
import { type FailedSource, isFailedSource, Search, type SearchResult } from './search.ts';

/**
 * The framework: sources bring domains, providers measure them, readers ask here. It knows no protocol. Each domain has
 * its own deadline and its own errors, readers that ask the same at the same moment share one collection, and a domain that
 * fails after it once answered yields its last values, marked stale.
 */
export class Registry {
  #sources: readonly Source[];
  #search: Search;
  #deadlineMs: number;
  readonly #providers: Provider[] = [];
  readonly #last = { providers: new LastProviders(), schemas: new LastSchemas() };
  readonly #collections = new Collections((found, filter, question) => {
    const { signal } = this.#closing;
    const collecting = {
      question,
      lastProviders: this.#last.providers,
      limit: { signal, timeoutMs: this.#deadlineMs },
    };
    return this.#attempt(found, signal, (call) => collectSamples(found, this.#providers, filter, collecting, call));
  });
  readonly #closing = new AbortController();

  /** @throws USAGE for a deadline out of range */
  constructor(sources: readonly Source[], { deadlineMs = DEFAULT_DEADLINE_MS }: RegistryOptions = {}) {
    checkDuration('deadlineMs', deadlineMs);
    this.#sources = sources;
    this.#deadlineMs = deadlineMs;
    this.#search = this.#newSearch();
  }

  /**
   * Adds a provider that measures every domain of every source. Returns the function that takes it away again.
   * @throws PROVIDER_DUPLICATE where one of this name was registered before
   */
  registerProvider(provider: Provider): () => void {
    if (this.#providers.some(({ name }) => name === provider.name)) {
      throw new VirtstatError(
        'PROVIDER_DUPLICATE',
        `a provider named ${provider.name} is already registered; choose another name`,
      );
    }
    this.#providers.push(provider);
    return () => {
      const index = this.#providers.indexOf(provider);
      if (index >= 0) this.#providers.splice(index, 1);
    };
  }

  /** Which sources it has, in their order. */
  get sources(): readonly Source[] {
    return this.#sources;
  }

  /**
   * Goes on with other sources and another deadline. A source that is in both lists stays as it is; one that is in the new
   * list no more is closed, and what it is being asked ends with what closing it raises.
   */
  async reconfigure(
    sources: readonly Source[],
    { deadlineMs = DEFAULT_DEADLINE_MS }: RegistryOptions = {},
  ): Promise<void> {
    checkDuration('deadlineMs', deadlineMs);
    const gone = this.#sources.filter((source) => !sources.includes(source));
    this.#sources = sources;
    this.#deadlineMs = deadlineMs;
    this.#collections.forgive();
    this.#search = this.#newSearch();
    await Promise.allSettled(gone.map((source) => source.close()));
  }

  /** Who is there, source by source: a domain as its source found it, or a source that could not be searched, named by its URI. */
  async present(options: ReadOptions = {}): Promise<readonly DomainAnswer<never>[]> {
    const results = await this.#find(options);
    return results.map((result) =>
      isFailedSource(result) ? failedAnswer(result) : { domain: result.domain, items: [], errors: [] },
    );
  }

  /**
   * Who is there. Asks no domain anything.
   * @throws NOTHING_MATCHED where one that was asked for is not among them, with the nearest names
   */
  async find(options: ReadOptions = {}): Promise<FoundDomains> {
    const { domains: wanted = [], ...everyone } = options;
    const present = await this.present(everyone);
    const domains = present.filter(({ errors }) => errors.length === 0).map(({ domain }) => domain);
    const errors = present.flatMap((answer) => answer.errors);
    checkDomains(wanted, domains, errors);
    return { domains: options.domains === undefined ? domains : domains.filter(namedIn(wanted)), errors };
  }

  /** The domains, completed as far as they answer, with what can be read and why something cannot. */
  async list(options: ReadOptions = {}): Promise<readonly ListAnswer[]> {
    return this.#sweep(options, async (found, attempt) => {
      const { domain } = found;
      const ask = <T>(question: (call: CallOptions) => Promise<T>, call: CallOptions) =>
        whileWanted(question(call), call.signal, domain.name);
      const [described, readable] = await Promise.all([
        attempt(async (call) => ({ domain: await ask((c) => found.describe(c), call), items: [], errors: [] })),
        attempt(async (call) => ({ domain, items: await ask((c) => found.availability(c), call), errors: [] })),
      ]);
      // Both fail for the same reason, most often.
      const errors = [...described.errors, ...readable.errors].slice(0, 1);
      return { domain: described.domain, items: readable.items, errors };
    });
  }

  /** What can be measured, by domain. */
  async schemas(options: SchemaReadOptions = {}): Promise<readonly SchemaAnswer[]> {
    const { target } = options;
    return this.#sweep(options, (found, attempt) =>
      attempt((call) => {
        const asked = { ...call, ...(target !== undefined && { target }) };
        return collectSchemas(found, this.#providers, this.#last, asked);
      }),
    );
  }

  /**
   * The filter for a request of a person or of anything that will run for long, checked against what exists.
   * @throws what {@link check} throws; the error of the first domain where none at all could be asked
   */
  async resolve(request: Request, options: ReadOptions = {}): Promise<StatsFilter> {
    const { filter, schemas } = await this.check(request, options);
    if (filter === undefined) throw schemas.flatMap(({ errors }) => errors)[0];
    return filter;
  }

  /**
   * Like {@link resolve}, with the schemas that it took and, where no domain could be asked, everybody's errors.
   * @throws NOTHING_MATCHED for a domain that is not there; what {@link resolveRequest} throws
   */
  async check(request: Request, options: ReadOptions = {}): Promise<CheckedRequest> {
    await this.find(options);
    const ofTarget = await this.schemas({ ...options, target: request.target });
    const schemas = ofTarget.some(({ items }) => items.length > 0) ? ofTarget : await this.schemas(options);
    const all = schemas.flatMap(({ items }) => items);
    const failed = all.length === 0 && schemas.some(({ errors }) => errors.length > 0);
    if (failed) return { filter: undefined, schemas };
    const [unseen] = schemas.flatMap(({ errors }) => errors);
    return { filter: await this.explaining(request, options, () => resolveRequest(request, all, unseen)), schemas };
  }

  /**
   * What `choose` makes of schemas; where it refuses a target or provider that the domains know but do not have, their reason.
   * @throws NOTHING_MATCHED with that reason, what `choose` throws
   */
  async explaining<T>(words: Partial<Request>, options: ReadOptions, choose: () => T): Promise<T> {
    try {
      return choose();
    } catch (error) {
      throw isUnknownWord(error) ? explainMissing(error, words, await this.list(options)) : error;
    }
  }

  /** Values now, by domain. Never rejects for what a domain does; a name that does not exist drops out silently. */
  async query(filter: StatsFilter, options: QueryOptions = {}): Promise<readonly SampleAnswer[]> {
    const found = await this.#find(options);
    const ask = this.#collections.asking(filter, options);
    const answers = await inTurns(found, (result) => (isFailedSource(result) ? failedAnswer(result) : ask(result)));
    return options.takesPacked ? answers : answers.map(plainAnswer);
  }

  /** The monitor of the domain with this `id`; undefined where it has none, or the domain is not there. */
  async monitorOf(id: string, options: ReadOptions = {}): Promise<MonitorRelay | undefined> {
    return (await this.#foundAs(id, options))?.monitor;
  }

  /** What switches the polling of this domain's balloon; undefined where its source cannot, or the domain is not there. */
  async balloonPollingOf(id: string, options: ReadOptions = {}): Promise<BalloonPolling | undefined> {
    return (await this.#foundAs(id, options))?.balloonPolling;
  }

  /**
   * Values again and again. Ends with the signal, or when the consumer leaves the loop.
   * @throws USAGE for an interval out of range; CLOSED when the registry is closed
   */
  async *watch(filter: StatsFilter, options: WatchOptions): AsyncGenerator<readonly SampleAnswer[], void, void> {
    const { intervalMs } = options;
    checkDuration('intervalMs', intervalMs);
    using joined = new JoinedSignal(options.signal, this.#closing.signal);
    const { signal } = joined;
    for (let dueMs = performance.now(); !signal.aborted; ) {
      const answers = await this.query(filter, options).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
      if (answers === undefined) break;
      yield answers;
      dueMs = nextTurnMs(dueMs, intervalMs);
      await pause(dueMs - performance.now(), signal);
    }
    if (!options.signal?.aborted) throw cancellation(signal, 'the next sweep');
  }

  /** Closes every source. Calls under way end with CLOSED. */
  async close(): Promise<void> {
    this.#closing.abort(new VirtstatError('CLOSED', 'the registry was closed'));
    await Promise.allSettled(this.#sources.map((source) => source.close()));
  }

  #newSearch(): Search {
    return new Search(this.#sources, {
      deadlineMs: this.#deadlineMs,
      closing: this.#closing.signal,
      whenDone: (results) => this.#forgetAbsent(results),
    });
  }

  async #sweep<T>(
    options: ReadOptions,
    ask: (found: FoundDomain, attempt: Attempt<T>) => Promise<DomainAnswer<T>>,
  ): Promise<readonly DomainAnswer<T>[]> {
    using joined = new JoinedSignal(options.signal, this.#closing.signal);
    const { signal } = joined;
    const results = await this.#find(options);
    return await inTurns(results, (result) =>
      isFailedSource(result)
        ? failedAnswer(result)
        : ask(result, (question) => this.#attempt(result, signal, question)),
    );
  }

  /** One domain's share of a sweep: bounded by its deadline, and what goes wrong is an error as data. */
  async #attempt<T>(
    { domain }: FoundDomain,
    signal: AbortSignal,
    question: (call: CallOptions) => Promise<DomainAnswer<T>>,
  ): Promise<DomainAnswer<T>> {
    const what = domain.name;
    const limit = { signal, timeoutMs: this.#deadlineMs, what };
    try {
      return await untilDeadline((limited) => question({ signal: limited }), limit);
    } catch (error) {
      return { domain, items: [], errors: [VirtstatError.from(error, 'INTERNAL', `reading ${what} failed`)] };
    }
  }

  async #find({ domains, signal }: ReadOptions): Promise<readonly SearchResult[]> {
    const searched = this.#search.results(this.#closing.signal);
    const results = await (signal === undefined ? searched : whileWanted(searched, signal, 'the search for domains'));
    if (domains === undefined) return results;
    const isWanted = namedIn(domains);
    return results.filter((result) => isFailedSource(result) || isWanted(result.domain));
  }

  async #foundAs(id: string, options: ReadOptions): Promise<FoundDomain | undefined> {
    const results = await this.#find(options);
    return results.find((result): result is FoundDomain => !isFailedSource(result) && result.domain.id === id);
  }

  /** A source that could not be searched says nothing about who has gone. */
  #forgetAbsent(results: readonly SearchResult[]): void {
    if (results.some(isFailedSource)) return;
    const present = new Set(results.flatMap((result) => ('domain' in result ? [result.domain.id] : [])));
    this.#collections.retain(present);
    this.#last.providers.retain(present);
    this.#last.schemas.retain(present);
  }
}

/** Asks a domain within its deadline. */
type Attempt<T> = (question: (call: CallOptions) => Promise<DomainAnswer<T>>) => Promise<DomainAnswer<T>>;

/** A source that could not be searched stands in the answer as a domain of its own, named by its URI. */
function failedAnswer({ source, error }: FailedSource): DomainAnswer<never> {
  return { domain: { id: source, name: source, source }, items: [], errors: [error] };
}

/** What {@link isDomainNamed} says of any of the names: who asks for a thousand domains names them all. */
function namedIn(names: readonly string[]): (domain: Domain) => boolean {
  const [first, ...others] = names;
  if (first !== undefined && others.length === 0) return (domain) => isDomainNamed(domain, first);
  const [exact, uuids] = [new Set(names), new Set(names.map((name) => name.toLowerCase()))];
  return ({ name, uuid, pid, id }) =>
    exact.has(name) || exact.has(id) || exact.has(String(pid)) || (uuid !== undefined && uuids.has(uuid.toLowerCase()));
}

/** A timer would take what is out of its range for a millisecond. */
function checkDuration(name: string, ms: number): void {
  if (ms >= 1 && ms <= MAX_TIMER_MS) return;
  throw new VirtstatError('USAGE', `${name} must be 1 to ${MAX_TIMER_MS} milliseconds, and is ${ms}`);
}
