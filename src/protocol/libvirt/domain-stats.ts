import { DOMAIN, type DomainReference, MAX_DOMAINS } from './domain.ts';
import { TYPED_PARAMETER, type TypedParameter } from './typed-parameter.ts';
import { list, struct, UINT, type XdrCodec } from './xdr-codec.ts';

/** Most parameters of one domain. */
export const MAX_PARAMETERS = 262_144;

/** What procedure 344 is asked for. */
export interface DomainStatsRequest {
  /** None means all. */
  readonly domains: readonly DomainReference[];
  /** Groups, VIR_DOMAIN_STATS_*; 0 means all that are supported. */
  readonly stats: number;
  /** VIR_CONNECT_GET_ALL_DOMAINS_STATS_*. */
  readonly flags: number;
}

/** The statistics of one domain. What could not be had is missing: libvirt does not say why. */
export interface DomainStatsRecord<D extends DomainReference = DomainReference> {
  readonly domain: D;
  readonly params: readonly TypedParameter[];
}

/** The arguments of procedure 344: domains, stats, flags. */
export const DOMAIN_STATS_REQUEST: XdrCodec<DomainStatsRequest> = struct<DomainStatsRequest>({
  domains: list(MAX_DOMAINS, DOMAIN),
  stats: UINT,
  flags: UINT,
});

/** The result of procedure 344: an array of records, each a domain and an array of typed parameters. */
export const DOMAIN_STATS_RECORDS: XdrCodec<readonly DomainStatsRecord[]> = list(
  MAX_DOMAINS,
  struct<DomainStatsRecord>({ domain: DOMAIN, params: list(MAX_PARAMETERS, TYPED_PARAMETER) }),
);
