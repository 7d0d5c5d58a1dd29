import { createHash } from 'node:crypto';
import type { Domain } from '../../model/domain.ts';
import type { DomainReference } from '../../protocol/libvirt/domain.ts';

/** Names uuids of ours are made in: a random one, for good. */
const NAMESPACE = '6f0a5d1e-3c57-4b0d-9c1a-8d2f3b7e4a55';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * What clients of libvirt call domains: a name, a uuid and a number. The number is given when a domain is first seen, counts up
 * and is not given again. A domain without a uuid has one that is made of its name (RFC 9562, version 5), so that it is the same
 * whenever a VM of this name is there; the second of one name has one that is made of its id.
 */
export class Identities {
  readonly #known = new Map<string, DomainReference>();
  #lastId = 0;

  /** Of a domain. */
  of(domain: Domain): DomainReference {
    const known = this.#known.get(domain.id);
    if (known !== undefined && known.name === domain.name) return known;
    const id = known?.id ?? ++this.#lastId;
    const reference = { name: domain.name, uuid: this.#uuidOf(domain), id };
    this.#known.set(domain.id, reference);
    return reference;
  }

  /** Forgets all others. */
  retain(domains: readonly Domain[]): void {
    const kept = new Set(domains.map(({ id }) => id));
    for (const id of this.#known.keys()) if (!kept.has(id)) this.#known.delete(id);
  }

  #uuidOf({ id, name, uuid }: Domain): string {
    const given = uuid?.toLowerCase();
    if (given !== undefined && UUID.test(given)) return given;
    const derived = nameUuid(`name ${name}`);
    const isTaken = [...this.#known].some(([other, reference]) => other !== id && reference.uuid === derived);
    return isTaken ? nameUuid(`id ${id}`) : derived;
  }
}

/** A uuid of version 5. */
function nameUuid(name: string): string {
  const hash = createHash('sha1')
    .update(Buffer.from(NAMESPACE.replaceAll('-', ''), 'hex'))
    .update(name)
    .digest();
  hash[6] = ((hash[6] ?? 0) & 0x0f) | 0x50;
  hash[8] = ((hash[8] ?? 0) & 0x3f) | 0x80;
  const hex = hash.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
