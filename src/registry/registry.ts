import { nowNs } from '../host/clock.ts';
import { whileWanted, withDeadline } from '../host/deadline.ts';
import { isDomainNamed } from '../model/domain.ts';
import { VirtstatError } from '../model/errors.ts';
import type { StatsFilter } from '../model/filter.ts';
import { DEFAULT_DEADLINE_MS } from '../model/limits.ts';
import type { CallOptions, FoundDomain, MonitorRelay, Provider, Source } from '../model/provider.ts';
import type { DomainAnswer, ListAnswer, SampleAnswer, SchemaAnswer } from './answer.ts';
import { type Request, resolveRequest } from './check.ts';
import { collectSamples, collectSchemas } from './collect.ts';
import { LastAnswers, markStale } from './last-answers.ts';

/** How long a scan for domains stays good, in milliseconds. */
const SCAN_MAX_AGE_MS = 2000;

/** Bounds and choices that hold for every call on a registry. */
export interface RegistryOptions {
  /** How long one domain may take to answer, in milliseconds; 3000 if absent. */
  readonly deadlineMs?: number;
}

/** What a call on the registry takes. */
export interface ReadOptions {
  /** Only domains of these names or uuids; absent: all. */
  readonly domains?: readonly string[];
  readonly signal?: AbortSignal;
}

/** What a question for schemas takes. */
export interface SchemaReadOptions extends ReadOptions {
  /** Only the schemas of this target; absent: all. */
  readonly target?: string;
}

/** What a query takes. */
export interface QueryOptions extends ReadOptions {
  /** Values up to this old will do, in milliseconds; 0 if absent: read anew. */
  readonly maxAgeMs?: number;
}

/** What a watch takes. */
export interface WatchOptions extends ReadOptions {
  /** From the start of one sweep to the start of the next, in milliseconds. A sweep that takes longer skips turns. */
  readonly intervalMs: number;
}

/**
 * The framework: sources bring domains, providers measure them, readers ask here. It knows no protocol. Each domain has
 * its own deadline and its own errors, readers that ask the same at the same moment share one collection, and a domain that
 * fails after it once answered yields its last values, marked stale.
 */
export class Registry {
  #sources: readonly Source[];
  #deadlineMs: number;
  readonly #providers: Provider[] = [];
  readonly #lastAnswers = new LastAnswers();
  readonly #collecting = new Map<string, Promise<SampleAnswer>>();
  readonly #closing = new AbortController();
  #scan: { readonly startedMs: number; readonly result: Promise<readonly ScanResult[]> } | undefined;

  constructor(sources: readonly Source[], options: RegistryOptions = {}) {
    this.#sources = sources;
    this.#deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
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
  async reconfigure(sources: readonly Source[], options: RegistryOptions = {}): Promise<void> {
    const gone = this.#sources.filter((source) => !sources.includes(source));
    this.#sources = sources;
    this.#deadlineMs = options.deadlineMs ?? DEFAULT_DEADLINE_MS;
    this.#scan = undefined;
    await Promise.allSettled(gone.map((source) => source.close()));
  }

  /** Who is there, without asking any of them: as the sources found them, and the errors of those that cannot be searched. */
  async find(options: ReadOptions = {}): Promise<readonly DomainAnswer<never>[]> {
    const found = await this.#find(options);
    return found.map((result) =>
      'error' in result ? failedSource(result) : { domain: result.domain, items: [], errors: [] },
    );
  }

  /** The domains, completed as far as they answer, with what can be read and why something cannot. */
  async list(options: ReadOptions = {}): Promise<readonly ListAnswer[]> {
    return this.#sweep(options, async (found, call) => {
      const [domain, items] = await Promise.allSettled([found.describe(call), found.availability(call)]);
      return {
        domain: domain.status === 'fulfilled' ? domain.value : found.domain,
        items: items.status === 'fulfilled' ? items.value : [],
        errors: [domain, items]
          .flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason] : []))
          .slice(0, 1),
      };
    });
  }

  /** What can be measured, by domain. */
  async schemas(options: SchemaReadOptions = {}): Promise<readonly SchemaAnswer[]> {
    const { target } = options;
    return this.#sweep(options, (found, call) =>
      collectSchemas(found, this.#providers, { ...call, ...(target !== undefined && { target }) }),
    );
  }

  /**
   * The filter for a request of a person or of anything that will run for long, checked against what exists.
   * @throws what {@link resolveRequest} throws; the error of the only domain where no domain at all could be asked
   */
  async resolve(request: Request, options: ReadOptions = {}): Promise<StatsFilter> {
    const ofTarget = await this.schemas({ ...options, target: request.target });
    const answers = ofTarget.some(({ items }) => items.length > 0) ? ofTarget : await this.schemas(options);
    const schemas = answers.flatMap(({ items }) => items);
    const [error] = answers.flatMap(({ errors }) => errors);
    if (schemas.length === 0 && error !== undefined) throw error;
    return resolveRequest(request, schemas);
  }

  /** Values now, by domain. Never rejects for what a domain does; a name that does not exist drops out silently. */
  async query(filter: StatsFilter, options: QueryOptions = {}): Promise<readonly SampleAnswer[]> {
    const request = JSON.stringify(filter);
    const found = await this.#find(options);
    return Promise.all(
      found.map((result) =>
        'error' in result ? failedSource(result) : this.#queryOne(result, filter, request, options),
      ),
    );
  }

  /** The monitor of the domain with this `id`; undefined where it has none, or the domain is not there. */
  async monitorOf(id: string, options: ReadOptions = {}): Promise<MonitorRelay | undefined> {
    const found = await this.#find(options);
    return found.find((result): result is FoundDomain => !('error' in result) && result.domain.id === id)?.monitor;
  }

  /** Values again and again. Ends with the signal, or when the consumer leaves the loop. */
  async *watch(filter: StatsFilter, options: WatchOptions): AsyncGenerator<readonly SampleAnswer[], void, void> {
    const signal = options.signal ?? neverFires();
    for (let dueMs = performance.now(); !signal.aborted; ) {
      yield await this.query(filter, options);
      do dueMs += options.intervalMs;
      while (dueMs < performance.now());
      await pause(dueMs - performance.now(), signal);
    }
  }

  /** Closes every source. Calls under way end with CLOSED. */
  async close(): Promise<void> {
    this.#closing.abort(new VirtstatError('CLOSED', 'the registry was closed'));
    await Promise.allSettled(this.#sources.map((source) => source.close()));
  }

  async #queryOne(
    found: FoundDomain,
    filter: StatsFilter,
    request: string,
    options: QueryOptions,
  ): Promise<SampleAnswer> {
    const last = this.#lastAnswers.get(found.domain.id, request);
    if (last !== undefined && isYoungerThan(last, options.maxAgeMs ?? 0)) return last;
    const key = `${found.domain.id} ${request}`;
    let collecting = this.#collecting.get(key);
    if (collecting === undefined) {
      collecting = this.#collect(found, filter, request).finally(() => this.#collecting.delete(key));
      this.#collecting.set(key, collecting);
    }
    return options.signal === undefined ? collecting : whileWanted(collecting, options.signal, found.domain.name);
  }

  async #collect(found: FoundDomain, filter: StatsFilter, request: string): Promise<SampleAnswer> {
    const answer = await this.#attempt(found, this.#closing.signal, (call) =>
      collectSamples(found, this.#providers, filter, call),
    );
    const [error] = answer.errors;
    if (error === undefined) {
      if (answer.items.length > 0) this.#lastAnswers.keep(request, answer);
      return answer;
    }
    const last = this.#lastAnswers.get(found.domain.id, request);
    if (answer.items.length > 0 || last === undefined || error.code === 'DOMAIN_GONE') return answer;
    return { ...answer, items: markStale(last.items, error, nowNs()) };
  }

  async #sweep<T>(
    options: ReadOptions,
    ask: (found: FoundDomain, call: CallOptions) => Promise<DomainAnswer<T>>,
  ): Promise<readonly DomainAnswer<T>[]> {
    const signal = this.#until(options.signal);
    const found = await this.#find(options);
    return Promise.all(
      found.map((result) =>
        'error' in result ? failedSource(result) : this.#attempt(result, signal, (call) => ask(result, call)),
      ),
    );
  }

  /** One domain's share of a sweep: bounded by its deadline, and what goes wrong is an error as data. */
  async #attempt<T>(
    found: FoundDomain,
    signal: AbortSignal,
    ask: (call: CallOptions) => Promise<DomainAnswer<T>>,
  ): Promise<DomainAnswer<T>> {
    const what = found.domain.name;
    try {
      return await withDeadline((limited) => ask({ signal: limited }), { signal, timeoutMs: this.#deadlineMs, what });
    } catch (error) {
      return {
        domain: found.domain,
        items: [],
        errors: [VirtstatError.from(error, 'INTERNAL', `reading ${what} failed`)],
      };
    }
  }

  async #find(options: ReadOptions): Promise<readonly ScanResult[]> {
    const signal = this.#until(options.signal);
    const results = await whileWanted(this.#scanned(), signal, 'the search for domains');
    const { domains } = options;
    if (domains === undefined) return results;
    return results.filter(
      (result) => 'error' in result || domains.some((wanted) => isDomainNamed(result.domain, wanted)),
    );
  }

  #scanned(): Promise<readonly ScanResult[]> {
    const startedMs = performance.now();
    if (this.#scan === undefined || startedMs - this.#scan.startedMs > SCAN_MAX_AGE_MS) {
      this.#scan = { startedMs, result: this.#scanAll() };
    }
    return this.#scan.result;
  }

  async #scanAll(): Promise<readonly ScanResult[]> {
    const results = await Promise.all(this.#sources.map((source) => this.#scanOne(source)));
    const found = results.flat();
    this.#lastAnswers.retain(new Set(found.flatMap((result) => ('error' in result ? [] : [result.domain.id]))));
    return found;
  }

  async #scanOne(source: Source): Promise<readonly ScanResult[]> {
    const limit = {
      signal: this.#closing.signal,
      timeoutMs: this.#deadlineMs,
      what: `the search for domains at ${source.uri}`,
    };
    try {
      return await withDeadline((signal) => source.scan({ signal }), limit);
    } catch (error) {
      return [{ source: source.uri, error: VirtstatError.from(error, 'INTERNAL', `searching ${source.uri} failed`) }];
    }
  }

  #until(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal]);
  }
}

type ScanResult = FoundDomain | { readonly source: string; readonly error: VirtstatError };

/** A source that could not be searched stands in the answer as a domain of its own, named by its URI. */
function failedSource({ source, error }: Exclude<ScanResult, FoundDomain>): DomainAnswer<never> {
  return { domain: { id: source, name: source, source }, items: [], errors: [error] };
}

function isYoungerThan(answer: SampleAnswer, maxAgeMs: number): boolean {
  const oldestAllowedNs = nowNs() - BigInt(Math.round(maxAgeMs * 1e6));
  return maxAgeMs > 0 && answer.items.every((sample) => sample.collectedAtNs >= oldestAllowedNs);
}

function neverFires(): AbortSignal {
  return new AbortController().signal;
}

/** Waits, or less when the signal fires. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
