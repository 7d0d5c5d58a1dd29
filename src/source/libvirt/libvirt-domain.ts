import { type Availability, type Domain, SHUT_OFF } from '../../model/domain.ts';
import type { CallOptions, DomainTwin, FoundDomain, OfferedProvider, Provider } from '../../model/provider.ts';
import { VIR_DOMAIN_STATS_STATE, VIR_DOMAIN_STATS_VCPU } from '../../protocol/libvirt/constants.ts';
import type { DomainReference } from '../../protocol/libvirt/domain.ts';
import { explained } from '../explain.ts';
import type { BulkStats } from './bulk-stats.ts';
import type { ListedDomain } from './domain-list.ts';
import type { KernelStats } from './keys/key-table.ts';
import { LIBVIRT_OFFERS, libvirtProviders } from './providers.ts';
import type { StatsRecord } from './stats-record.ts';
import { VIA_LIBVIRT } from './via.ts';

/** virDomainState in virsh's words. */
const STATES: ReadonlyMap<bigint, string> = new Map([
  [0n, 'no state'],
  [1n, 'running'],
  [2n, 'idle'],
  [3n, 'paused'],
  [4n, 'in shutdown'],
  [5n, SHUT_OFF],
  [6n, 'crashed'],
  [7n, 'pmsuspended'],
]);

const NOT_RUNNING = 'the domain is shut off';

/** What identifies a domain among those of its daemon: each start of it is another VM. */
export function listedId({ uuid, id, isActive }: ListedDomain): string {
  return isActive ? `${uuid}/${id}` : uuid;
}

/** Run state and number of vCPUs, as far as libvirt tells them. @throws as {@link BulkStats.get} */
export async function describeByLibvirt(
  stats: BulkStats,
  reference: DomainReference,
  options: CallOptions,
): Promise<Pick<Domain, 'state' | 'vcpus'>> {
  const groups = VIR_DOMAIN_STATS_STATE | VIR_DOMAIN_STATS_VCPU;
  const record = await stats.get(reference, { groups, needsMonitor: false }, options);
  const state = stateOf(record);
  const vcpus = record.number('vcpu.current');
  return { ...(state !== undefined && { state }), ...(vcpus !== undefined && { vcpus: Number(vcpus) }) };
}

function stateOf(record: StatsRecord): string | undefined {
  const number = record.number('state.state');
  return number === undefined ? undefined : STATES.get(number);
}

/** A domain of a libvirt daemon, running or not. */
export class FoundLibvirtDomain implements FoundDomain {
  readonly domain: Domain;
  readonly twin?: DomainTwin;
  readonly #reference: ListedDomain;
  readonly #stats: BulkStats;
  readonly #providers: readonly OfferedProvider[];

  /** `source` is the URI that it is found at, `better` that of a source which reads it too, while it runs. */
  constructor(listed: ListedDomain, source: string, stats: BulkStats, kernel: KernelStats, better?: string) {
    const { name, uuid, isActive } = listed;
    this.domain = { id: `${source}#${listedId(listed)}`, name, uuid, source, ...(!isActive && { state: SHUT_OFF }) };
    if (better !== undefined && isActive) this.twin = { source: better, name, uuid };
    this.#reference = listed;
    this.#stats = stats;
    this.#providers = libvirtProviders((need, options) => stats.get(listed, need, options), kernel);
  }

  /** None where it does not run: what libvirt tells of its CPU time then is that of libvirt itself. */
  async providers(_options: CallOptions): Promise<readonly Provider[]> {
    return this.#reference.isActive ? this.#providers : [];
  }

  async describe(options: CallOptions): Promise<Domain> {
    if (!this.#reference.isActive) return this.domain;
    return { ...this.domain, ...(await describeByLibvirt(this.#stats, this.#reference, options)) };
  }

  async availability(options: CallOptions): Promise<readonly Availability[]> {
    if (!this.#reference.isActive) {
      return LIBVIRT_OFFERS.map((offer) => ({ ...offer, via: VIA_LIBVIRT, available: false, reason: NOT_RUNNING }));
    }
    const offers = await Promise.all(
      this.#providers.map((provider) => explained(provider, VIA_LIBVIRT, this.domain, options)),
    );
    return offers.flat();
  }
}
