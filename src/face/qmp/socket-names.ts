import { createHash } from 'node:crypto';
import type { Domain } from '../../model/domain.ts';

/** Longest name that a socket takes from its domain, in characters; a longer one is cut and told apart by a hash. */
const MAX_NAME_LENGTH = 48;
const HASH_LENGTH = 8;

/**
 * File names for domains: the domain's own name where it can be one and nobody else has it, else made fit, with a hash of
 * what identifies the domain.
 */
export class SocketNames {
  readonly #byId = new Map<string, string>();
  readonly #taken = new Set<string>();

  /** The name of a domain, which keeps it until it gives it back. */
  take(domain: Domain): string {
    const known = this.#byId.get(domain.id);
    if (known !== undefined) return known;
    const fit = domain.name.replace(/^\.|[^\w.+@:-]/g, '_').slice(0, MAX_NAME_LENGTH);
    const name = fit === domain.name && !this.#taken.has(fit) ? fit : `${fit}-${hashOf(domain.id)}`;
    this.#byId.set(domain.id, name);
    this.#taken.add(name);
    return name;
  }

  giveBack({ id }: Domain): void {
    const name = this.#byId.get(id);
    if (name !== undefined) this.#taken.delete(name);
    this.#byId.delete(id);
  }
}

function hashOf(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, HASH_LENGTH);
}
