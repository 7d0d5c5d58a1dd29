import { type Domain, SHUT_OFF } from '../../model/domain.ts';
import type { CallOptions } from '../../model/provider.ts';
import { VIR_ERR_NO_DOMAIN, VIR_FROM_QEMU } from '../../protocol/libvirt/constants.ts';
import type { DomainReference } from '../../protocol/libvirt/domain.ts';
import { LibvirtRefusal } from '../../protocol/libvirt/refusal.ts';
import type { Reader } from '../face.ts';
import type { DomainFacts, Need } from './facts.ts';
import type { Identities } from './identities.ts';
import { Records } from './records.ts';
import type { Statistics } from './statistics.ts';

/** What one caller sees of domains, by libvirt's names for them. Who has no right to a domain does not find it. */
export class CallerView {
  readonly reader: Reader;
  readonly identities: Identities;
  readonly statistics: Statistics;
  readonly records: Records;

  /** Where `records` is absent none are kept. */
  constructor(
    reader: Reader,
    identities: Identities,
    statistics: Statistics,
    records: Records = new Records({ maxOfValues: 0 }),
  ) {
    this.reader = reader;
    this.identities = identities;
    this.statistics = statistics;
    this.records = records;
  }

  /** All domains. @throws what ends the wait */
  async all(options: CallOptions): Promise<readonly DomainReference[]> {
    return (await runningDomains(this.reader, options)).map((domain) => this.identities.of(domain));
  }

  /** Facts of all domains. @throws what ends the wait */
  async allFacts(needs: readonly Need[], options: CallOptions): Promise<readonly DomainFacts[]> {
    return this.statistics.read(this.reader, await runningDomains(this.reader, options), needs, options);
  }

  /** @throws LibvirtRefusal where there is none */
  byId(id: number, options: CallOptions): Promise<DomainReference> {
    return this.#find((reference) => reference.id === id, `no domain with matching id ${id}`, options);
  }

  /** @throws LibvirtRefusal where there is none */
  byName(name: string, options: CallOptions): Promise<DomainReference> {
    return this.#find((reference) => reference.name === name, `no domain with matching name '${name}'`, options);
  }

  /** @throws LibvirtRefusal where there is none */
  byUuid(uuid: string, options: CallOptions): Promise<DomainReference> {
    return this.#find((reference) => reference.uuid === uuid, `no domain with matching uuid '${uuid}'`, options);
  }

  /** Facts of one domain, which its uuid names. @throws LibvirtRefusal where there is none */
  async facts(wanted: DomainReference, needs: readonly Need[], options: CallOptions): Promise<DomainFacts> {
    const domains = await runningDomains(this.reader, options);
    const domain = domains.find((each) => this.identities.of(each).uuid === wanted.uuid);
    const [facts] = domain === undefined ? [] : await this.statistics.read(this.reader, [domain], needs, options);
    if (facts === undefined) throw noDomain(`no domain with matching uuid '${wanted.uuid}' (${wanted.name})`);
    return facts;
  }

  /** As it is called now. */
  reference(domain: Domain): DomainReference {
    return this.identities.of(domain);
  }

  async #find(
    fits: (reference: DomainReference) => boolean,
    otherwise: string,
    options: CallOptions,
  ): Promise<DomainReference> {
    const found = (await this.all(options)).find(fits);
    if (found === undefined) throw noDomain(otherwise);
    return found;
  }
}

/** Those that run: all domains here are active and transient, and one that is shut off has nothing to tell. */
export async function runningDomains(reader: Reader, options: CallOptions): Promise<readonly Domain[]> {
  return (await reader.domains(options)).filter(({ state }) => state !== SHUT_OFF);
}

function noDomain(why: string): LibvirtRefusal {
  return new LibvirtRefusal(VIR_ERR_NO_DOMAIN, VIR_FROM_QEMU, why);
}
