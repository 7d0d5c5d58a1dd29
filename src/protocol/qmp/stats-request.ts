import type { StatsFilter } from '../../model/filter.ts';
import type { StatsRequest } from '../../model/provider.ts';
import type { QmpArguments } from './session.ts';

/** The one target whose objects QEMU lets a request choose, as `vcpus`. */
const TARGET_WITH_PATHS = 'vcpu';

/**
 * The arguments of `query-stats` that ask what `filter` asks. Paths of other targets than `vcpu` have no place in QEMU's
 * StatsFilter: whoever asks drops the others from the reply.
 *
 * Spec: qapi/stats.json, StatsFilter.
 */
export function encodeStatsFilter(filter: StatsFilter): QmpArguments {
  return {
    target: filter.target,
    providers: filter.providers?.map(({ provider, names }) => ({ provider, names })),
    vcpus: filter.target === TARGET_WITH_PATHS ? filter.paths : undefined,
  };
}

/** The arguments of `query-stats` for what one provider is asked for. */
export function encodeStatsRequest(provider: string, request: StatsRequest): QmpArguments {
  const { target, names, paths } = request;
  return encodeStatsFilter({ target, providers: [{ provider, ...(names && { names }) }], ...(paths && { paths }) });
}
