import type { Domain } from '../../model/domain.ts';
import type { CallOptions } from '../../model/provider.ts';
import {
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING,
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS,
  VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT,
  VIR_ERR_ARGUMENT_UNSUPPORTED,
  VIR_FROM_QEMU,
} from '../../protocol/libvirt/constants.ts';
import type { DomainStatsRecord, DomainStatsRequest } from '../../protocol/libvirt/domain-stats.ts';
import { LibvirtRefusal } from '../../protocol/libvirt/refusal.ts';
import type { Reader } from '../face.ts';
import { runningDomains } from './caller-view.ts';
import { FILTERS, isFitting, needsState } from './filters.ts';
import { KNOWN_GROUPS, selectGroups } from './groups/groups.ts';
import { STATE_NEEDS } from './groups/state.ts';
import type { Identities } from './identities.ts';
import type { Records } from './records.ts';
import { PATIENCE_MS, type Statistics } from './statistics.ts';

/** Flags that may be given: filters, and three that say how. */
const KNOWN_FLAGS: number =
  (FILTERS |
    VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT |
    VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING |
    VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS) >>>
  0;

/** What {@link bulkStatistics} reads from. */
export interface BulkContext {
  readonly reader: Reader;
  readonly identities: Identities;
  readonly statistics: Statistics;
  readonly records: Records;
}

/**
 * The bulk statistics: a record for each domain that fits the filters, in the order of the list where there is one. A domain
 * that is listed twice has two, one that is not there has none. With NOWAIT nobody waits for a domain that hangs and has last
 * values; with BACKING disks have an entry for each of their images.
 * @throws LibvirtRefusal for flags that do not exist, and for groups that do not where that is to be enforced
 */
export async function bulkStatistics(
  { reader, identities, statistics, records }: BulkContext,
  { domains: listed, stats, flags }: DomainStatsRequest,
  options: CallOptions,
): Promise<readonly DomainStatsRecord[]> {
  const unknownFlags = (flags & ~KNOWN_FLAGS) >>> 0;
  if (unknownFlags !== 0) throw LibvirtRefusal.ofFlags(unknownFlags, 'qemuConnectGetAllDomainStats');
  const unknownGroups = (stats & ~KNOWN_GROUPS) >>> 0;
  const enforces = (flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_ENFORCE_STATS) !== 0;
  if (enforces && unknownGroups !== 0) {
    const what = `Stats types bits 0x${unknownGroups.toString(16)} are not supported by this daemon or QEMU`;
    throw new LibvirtRefusal(VIR_ERR_ARGUMENT_UNSUPPORTED, VIR_FROM_QEMU, what);
  }
  const all = await runningDomains(reader, options);
  const wanted =
    listed.length === 0
      ? all
      : ofList(
          all,
          listed.map(({ uuid }) => uuid),
          identities,
        );
  const { needs, parameters } = selectGroups(stats);
  const unique = [...new Set(wanted)];
  const isHurried = (flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT) !== 0;
  const read = await statistics.read(reader, unique, needsState(flags) ? [...needs, ...STATE_NEEDS] : needs, {
    ...options,
    ...(isHurried && { patienceMs: PATIENCE_MS }),
  });
  const given = new Map(
    read
      .filter((facts) => isFitting(facts, flags))
      .map((facts) => {
        const domain = identities.of(facts.domain);
        const choices = [domain, stats, flags & VIR_CONNECT_GET_ALL_DOMAINS_STATS_BACKING];
        return [facts.domain, records.of(facts, choices, () => ({ domain, params: parameters(facts, flags) }))];
      }),
  );
  return wanted.flatMap((domain) => given.get(domain) ?? []);
}

/** By uuid: the first of those that share one. */
function ofList(all: readonly Domain[], uuids: readonly string[], identities: Identities): readonly Domain[] {
  const byUuid = new Map(all.toReversed().map((domain) => [identities.of(domain).uuid, domain]));
  return uuids.flatMap((uuid) => byUuid.get(uuid) ?? []);
}
