import { VirtstatError } from '../model/errors.ts';
import type { Provider } from '../model/provider.ts';
import { orAfter } from './or-after.ts';
import { isFoundByWaiting } from './patience.ts';

/** How long a domain that said before who measures it is waited for, in milliseconds: it seldom says anything else. */
const KNOWN_PATIENCE_MS = 50;

/**
 * Who measured each domain when it was last asked. One that hangs does not keep those from answering who need nothing of it, and
 * is not waited for twice: once to hear who measures it, and once for what they measure.
 */
export class LastProviders {
  readonly #byDomain = new Map<string, readonly Provider[]>();

  /**
   * Those of the domain with this id as `asked` gives them or, where that takes long and it is known who they were, those: a domain
   * that `isLate` is not waited for.
   * @throws what `asked` raises; not what is found out by waiting where it is known who they were
   */
  async get(
    domainId: string,
    asked: Promise<readonly Provider[]>,
    isLate: boolean = false,
  ): Promise<readonly Provider[]> {
    const told = asked.then((providers) => {
      this.#byDomain.set(domainId, providers);
      return providers;
    });
    const last = this.#byDomain.get(domainId);
    if (last === undefined) return told;
    const answer = told.catch((error: unknown) => {
      if (VirtstatError.is(error) && isFoundByWaiting(error)) return last;
      throw error;
    });
    return orAfter(isLate ? 0 : KNOWN_PATIENCE_MS, answer, () => last);
  }

  /** Forgets every domain that is not among `domainIds`. */
  retain(domainIds: ReadonlySet<string>): void {
    for (const id of this.#byDomain.keys()) if (!domainIds.has(id)) this.#byDomain.delete(id);
  }
}
