import { whileWanted, withDeadline } from '../host/deadline.ts';
import { VirtstatError } from '../model/errors.ts';
import type { DomainTwin, FoundDomain, Source } from '../model/provider.ts';

/** How long the result of a search stays good, in milliseconds since it was there. */
const MAX_AGE_MS = 2000;

/** A source that could not be searched. */
export interface FailedSource {
  /** Its URI. */
  readonly source: string;
  readonly error: VirtstatError;
}

/** What a search brings: domains, and sources that failed. */
export type SearchResult = FoundDomain | FailedSource;

/** What a search works with. */
export interface SearchOptions {
  /** How long each source may take, in milliseconds. */
  readonly deadlineMs: number;
  /** Ends all searches, when nobody will ask any more. */
  readonly closing: AbortSignal;
  /** Called with the result of each search. */
  readonly whenDone: (results: readonly SearchResult[]) => void;
}

/** True for a source that could not be searched. */
export function isFailedSource(result: SearchResult): result is FailedSource {
  return 'error' in result;
}

/** Looks for domains at all sources at once, at most one search at a time, whoever asks. */
export class Search {
  readonly #sources: readonly Source[];
  readonly #options: SearchOptions;
  #last: Promise<readonly SearchResult[]> | undefined;
  /** When the last search ended; undefined while it is under way. */
  #endedMs: number | undefined;

  constructor(sources: readonly Source[], options: SearchOptions) {
    this.#sources = sources;
    this.#options = options;
  }

  /** The domains as of a moment ago, source by source. The signal ends this wait, not the search. */
  results(signal: AbortSignal): Promise<readonly SearchResult[]> {
    const isOld = this.#endedMs !== undefined && performance.now() - this.#endedMs > MAX_AGE_MS;
    if (this.#last === undefined || isOld) this.#last = this.#searchAll();
    return whileWanted(this.#last, signal, 'the search for domains');
  }

  async #searchAll(): Promise<readonly SearchResult[]> {
    this.#endedMs = undefined;
    const results = withoutTwins((await Promise.all(this.#sources.map((source) => this.#searchOne(source)))).flat());
    this.#endedMs = performance.now();
    this.#options.whenDone(results);
    return results;
  }

  async #searchOne(source: Source): Promise<readonly SearchResult[]> {
    const { closing, deadlineMs } = this.#options;
    const limit = { signal: closing, timeoutMs: deadlineMs, what: `the search for domains at ${source.uri}` };
    try {
      return await withDeadline(async (signal) => source.scan({ signal }), limit);
    } catch (error) {
      return [{ source: source.uri, error: VirtstatError.from(error, 'INTERNAL', `searching ${source.uri} failed`) }];
    }
  }
}

/** A VM that two sources have is one domain where one of them says so. */
function withoutTwins(results: readonly SearchResult[]): readonly SearchResult[] {
  const found = results.flatMap((result) => (isFailedSource(result) ? [] : result));
  if (!found.some(({ twin }) => twin !== undefined)) return results;
  const present = new Set(found.map(({ domain }) => keyOf(domain)));
  return results.filter((result) => isFailedSource(result) || !result.twin || !present.has(keyOf(result.twin)));
}

function keyOf({ source, name, uuid }: DomainTwin): string {
  return JSON.stringify([source, name, uuid?.toLowerCase()]);
}
