import type { Domain } from '../../model/domain.ts';
import type { VirtstatError } from '../../model/errors.ts';
import type { DomainAnswer, SampleAnswer, SchemaAnswer } from '../../registry/answer.ts';
import { SchemaBook } from '../schema-book.ts';
import { Offers } from './offers.ts';
import { Tracks } from './tracks.ts';

/** What of a domain is looked at: what the columns need, or all of it. */
export type Depth = 'columns' | 'all';

/** Who is looked at in full: one domain, by `id`, or every one. */
export interface Whole {
  readonly domain?: string;
}

/** Something that went wrong, for people. */
export interface Problem {
  /** The domain, or the source that could not be searched, which has its URI for a name. */
  readonly domain: Domain;
  readonly message: string;
}

/** All that `top` knows: who is there, what they measure, what it grew by, and what went wrong. It asks nobody. */
export class TopData {
  readonly book: SchemaBook = new SchemaBook();
  readonly offers: Offers = new Offers();
  readonly #tracks: Readonly<Record<Depth, Tracks>> = { columns: new Tracks(), all: new Tracks() };
  readonly #errors = new Map<string, Map<string, readonly VirtstatError[]>>();
  #domains: ReadonlyMap<string, Domain> = new Map();
  #failed: readonly Problem[] = [];
  #hasSearched = false;
  #whole: Whole | undefined;

  /** Who is there, in the order of the sources. */
  get domains(): readonly Domain[] {
    return [...this.#domains.values()];
  }

  /** True once it is known who is there. */
  get hasSearched(): boolean {
    return this.#hasSearched;
  }

  /** The domain of this `id`; undefined where it is not there. */
  domain(id: string): Domain | undefined {
    return this.#domains.get(id);
  }

  /** What is known of its objects. */
  tracks(depth: Depth): Tracks {
    return this.#tracks[depth];
  }

  /** Takes up who is there. Domains of a source that cannot be searched just now stay; all others that are missing go. */
  setPresent(present: readonly DomainAnswer<never>[]): void {
    this.#hasSearched = true;
    const failed = present.filter(({ errors }) => errors.length > 0);
    const failedSources = new Set(failed.map(({ domain }) => domain.source));
    const there = present.filter(({ errors }) => errors.length === 0).map(({ domain }) => domain);
    const kept = this.domains.filter(({ source }) => failedSources.has(source));
    this.#domains = new Map([...there, ...kept].map((domain) => [domain.id, domain]));
    this.#failed = failed.flatMap(({ domain, errors }) => errors.map(({ message }) => ({ domain, message })));
    const ids = new Set(this.#domains.keys());
    for (const tracks of Object.values(this.#tracks)) tracks.retain(ids);
    for (const id of this.#errors.keys()) if (!ids.has(id)) this.#errors.delete(id);
  }

  /** Takes up schemas. */
  learn(answers: readonly SchemaAnswer[]): void {
    this.book.add(answers);
    this.offers.add(answers);
  }

  /** Takes up what a domain answered about a target. One that has exited is gone at once. */
  update(depth: Depth, target: string, answer: SampleAnswer): void {
    const { domain, errors } = answer;
    if (!this.#domains.has(domain.id) || (depth === 'all' && !this.#isLookedInto(domain.id))) return;
    if (answer.items.length === 0 && errors.some(({ code }) => code === 'DOMAIN_GONE')) {
      this.forget(domain.id);
      return;
    }
    this.#tracks[depth].update(target, answer, this.book);
    let ofDomain = this.#errors.get(domain.id);
    if (ofDomain === undefined) this.#errors.set(domain.id, (ofDomain = new Map()));
    ofDomain.set(`${depth} ${target}`, errors);
  }

  /** Chooses who is looked at in full from now on; what was known of others than these, beyond what the columns need, is forgotten. */
  lookInto(whole: Whole | undefined): void {
    if (JSON.stringify(whole) === JSON.stringify(this.#whole)) return;
    this.#whole = whole;
    this.#tracks.all.retain(new Set());
    for (const ofDomain of this.#errors.values()) {
      for (const key of ofDomain.keys()) if (key.startsWith('all ')) ofDomain.delete(key);
    }
  }

  /** Lets a domain go. */
  forget(id: string): void {
    this.#domains = new Map([...this.#domains].filter(([each]) => each !== id));
    for (const tracks of Object.values(this.#tracks)) tracks.retain(new Set(this.#domains.keys()));
    this.#errors.delete(id);
  }

  /** What a domain did not answer, each reason once. */
  errorsOf(id: string): readonly string[] {
    const ofDomain = [...(this.#errors.get(id)?.values() ?? [])].flat();
    return [...new Set(ofDomain.map(({ message }) => message))];
  }

  /** Everything that went wrong in the last look, sources first. */
  get problems(): readonly Problem[] {
    const ofDomains = this.domains.flatMap((domain) =>
      this.errorsOf(domain.id).map((message) => ({ domain, message })),
    );
    return [...this.#failed, ...ofDomains];
  }

  /** An answer may come when nobody wants it any more. */
  #isLookedInto(id: string): boolean {
    return this.#whole !== undefined && (this.#whole.domain === undefined || this.#whole.domain === id);
  }

  /** Why nothing of a domain's source can be had now; undefined where it was searched. */
  sourceProblem({ source }: Domain): string | undefined {
    return this.#failed.find(({ domain }) => domain.source === source)?.message;
  }
}
