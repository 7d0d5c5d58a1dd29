import type { Schema } from '../model/stat.ts';

/**
 * What providers said last that can be measured, to say again while they cannot be asked: a VM that hangs still has the stats
 * that it had.
 */
export class LastSchemas {
  readonly #byDomain = new Map<string, Map<string, readonly Schema[]>>();

  /** Remembers what a provider of a domain said of one target or, where that is absent, of all. */
  keep(domainId: string, provider: string, target: string | undefined, schemas: readonly Schema[]): void {
    let known = this.#byDomain.get(domainId);
    if (known === undefined) this.#byDomain.set(domainId, (known = new Map()));
    known.set(keyOf(provider, target), schemas);
  }

  /** What it said last of the target, which may be that there is nothing; undefined where it never said. */
  get(domainId: string, provider: string, target: string | undefined): readonly Schema[] | undefined {
    const known = this.#byDomain.get(domainId);
    return known?.get(keyOf(provider, target)) ?? known?.get(keyOf(provider, undefined));
  }

  /** Forgets every domain that is not among `domainIds`. */
  retain(domainIds: ReadonlySet<string>): void {
    for (const id of this.#byDomain.keys()) if (!domainIds.has(id)) this.#byDomain.delete(id);
  }
}

function keyOf(provider: string, target: string | undefined): string {
  return JSON.stringify([provider, target]);
}
