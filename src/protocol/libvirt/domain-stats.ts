import { DOMAIN, type DomainReference, MAX_DOMAINS } from './domain.ts';
import { TYPED_PARAMETER, type TypedParameter } from './typed-parameter.ts';
import { list, struct, UINT, type XdrCodec } from './xdr-codec.ts';
import { XdrReader } from './xdr-reader.ts';
import { XdrWriter } from './xdr-writer.ts';

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

const RECORD: XdrCodec<DomainStatsRecord> = struct<DomainStatsRecord>({
  domain: DOMAIN,
  params: list(MAX_PARAMETERS, TYPED_PARAMETER),
});

/**
 * A record that is sent again and again. Its bytes are made when it is first sent, and are all that is kept from then on: they
 * take a fraction of the room that its parameters take.
 */
export class LastingRecord implements DomainStatsRecord {
  readonly domain: DomainReference;
  #params: readonly TypedParameter[] | undefined;
  #bytes: Uint8Array = new Uint8Array(0);

  constructor({ domain, params }: DomainStatsRecord) {
    this.domain = domain;
    this.#params = params;
  }

  get params(): readonly TypedParameter[] {
    return this.#params ?? RECORD.decode(new XdrReader(this.#bytes)).params;
  }

  /** As any record is encoded. @throws USAGE for a value that its form cannot hold */
  encode(writer: XdrWriter): void {
    if (this.#params !== undefined) {
      const own = new XdrWriter();
      RECORD.encode(own, this);
      this.#bytes = Uint8Array.from(own.take());
      this.#params = undefined;
    }
    writer.opaque(this.#bytes, this.#bytes.length);
  }
}

/** The result of procedure 344: an array of records, each a domain and an array of typed parameters. */
export const DOMAIN_STATS_RECORDS: XdrCodec<readonly DomainStatsRecord[]> = list(MAX_DOMAINS, {
  ...RECORD,
  encode: (writer, record) => {
    if (record instanceof LastingRecord) record.encode(writer);
    else RECORD.encode(writer, record);
  },
});
