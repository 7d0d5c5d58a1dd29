import { DOMAIN, type DomainReference, MAX_DOMAINS, UUID } from './domain.ts';
import {
  DOMAIN_STATS_RECORDS,
  DOMAIN_STATS_REQUEST,
  type DomainStatsRecord,
  type DomainStatsRequest,
} from './domain-stats.ts';
import { define, type Procedure } from './procedure.ts';
import { MAX_STRING_BYTES } from './typed-parameter.ts';
import { BOOL, chars, INT, list, NOTHING, optional, struct, text, UHYPER, UINT, type XdrCodec } from './xdr-codec.ts';

/** Most ways of authentication in a list. */
const MAX_AUTH_TYPES = 20;

/** Most bytes of one step of SASL. */
export const MAX_SASL_BYTES = 65_536;

/** Ways of authentication. */
export const AUTH_TYPE = { none: 0, sasl: 1, polkit: 2 } as const;

/** A flag of {@link CONNECT_OPEN}: nothing may be changed through the connection. */
export const CONNECT_READ_ONLY = 1;

/** What {@link CONNECT_OPEN} takes. */
export interface ConnectOpenArgs {
  /** The hypervisor driver's URI without transport: `qemu:///system`. Empty: the server chooses. */
  readonly name: string | undefined;
  /** {@link CONNECT_READ_ONLY}, or 0. */
  readonly flags: number;
}

/** One step of a SASL exchange. */
export interface SaslData {
  /** True where there are no data at all, which is not the same as empty ones. */
  readonly nil: boolean;
  readonly data: Uint8Array;
}

/** What {@link AUTH_SASL_START} takes. */
export interface SaslStart extends SaslData {
  readonly mechanism: string;
}

/** What the server answers to a step of SASL. */
export interface SaslAnswer extends SaslData {
  /** Nonzero where the server is satisfied. */
  readonly complete: number;
}

/** What {@link CONNECT_LIST_ALL_DOMAINS} takes. */
export interface ListAllDomainsArgs {
  /** 1 for the domains, 0 for their number alone. */
  readonly needResults: number;
  /** Filters: the low eight bits of VIR_CONNECT_GET_ALL_DOMAINS_STATS_* and others. */
  readonly flags: number;
}

/** What {@link CONNECT_LIST_ALL_DOMAINS} gives. */
export interface ListAllDomainsResult {
  readonly domains: readonly DomainReference[];
  readonly count: number;
}

/** A domain and flags. */
export interface DomainArgs {
  readonly domain: DomainReference;
  readonly flags: number;
}

/** What {@link DOMAIN_GET_STATE} gives: virDomainState, and a reason whose meaning depends on it. */
export interface DomainState {
  readonly state: number;
  readonly reason: number;
}

/** What {@link DOMAIN_GET_INFO} gives. */
export interface DomainInfo {
  readonly state: number;
  readonly maxMemoryKib: bigint;
  readonly memoryKib: bigint;
  readonly vcpus: number;
  readonly cpuTimeNs: bigint;
}

const STRING: XdrCodec<string> = text(MAX_STRING_BYTES);
const SASL_DATA = { nil: BOOL, data: chars(MAX_SASL_BYTES) };
const SASL_ANSWER: XdrCodec<SaslAnswer> = struct<SaslAnswer>({ complete: INT, ...SASL_DATA });
const DOMAIN_ARGS: XdrCodec<DomainArgs> = struct<DomainArgs>({ domain: DOMAIN, flags: UINT });

/** The ways of authentication that the server wants; it names one. */
export const AUTH_LIST: Procedure<void, readonly number[]> = define(
  66,
  'AUTH_LIST',
  NOTHING,
  list(MAX_AUTH_TYPES, INT),
);
/** The mechanisms of SASL that the server has, with commas between them. */
export const AUTH_SASL_INIT: Procedure<void, string> = define(67, 'AUTH_SASL_INIT', NOTHING, STRING);
/** Begins with a mechanism. */
export const AUTH_SASL_START: Procedure<SaslStart, SaslAnswer> = define(
  68,
  'AUTH_SASL_START',
  struct<SaslStart>({ mechanism: STRING, ...SASL_DATA }),
  SASL_ANSWER,
);
/** Goes on with it. */
export const AUTH_SASL_STEP: Procedure<SaslData, SaslAnswer> = define(
  69,
  'AUTH_SASL_STEP',
  struct<SaslData>(SASL_DATA),
  SASL_ANSWER,
);
/** Lets the server ask polkit about this process; nonzero where it may. */
export const AUTH_POLKIT: Procedure<void, number> = define(70, 'AUTH_POLKIT', NOTHING, INT);

/** Opens a hypervisor driver; what follows needs it. */
export const CONNECT_OPEN: Procedure<ConnectOpenArgs, void> = define(
  1,
  'CONNECT_OPEN',
  struct<ConnectOpenArgs>({ name: optional(STRING), flags: UINT }),
  NOTHING,
);
/** Closes it. */
export const CONNECT_CLOSE: Procedure<void, void> = define(2, 'CONNECT_CLOSE', NOTHING, NOTHING);
/** Name of the driver: `QEMU`. */
export const CONNECT_GET_TYPE: Procedure<void, string> = define(3, 'CONNECT_GET_TYPE', NOTHING, STRING);
/** Version of the hypervisor: 7002022 is 7.2.22. */
export const CONNECT_GET_VERSION: Procedure<void, bigint> = define(4, 'CONNECT_GET_VERSION', NOTHING, UHYPER);
/** Version of libvirt in the same form. */
export const CONNECT_GET_LIB_VERSION: Procedure<void, bigint> = define(157, 'CONNECT_GET_LIB_VERSION', NOTHING, UHYPER);
/** Name of the host. */
export const CONNECT_GET_HOSTNAME: Procedure<void, string> = define(59, 'CONNECT_GET_HOSTNAME', NOTHING, STRING);
/** URI of the driver. */
export const CONNECT_GET_URI: Procedure<void, string> = define(110, 'CONNECT_GET_URI', NOTHING, STRING);
/** Whether the server has a feature, by number: 1 or 0. */
export const CONNECT_SUPPORTS_FEATURE: Procedure<number, number> = define(60, 'CONNECT_SUPPORTS_FEATURE', INT, INT);
/** Asks to be told when the driver loses its own connection. */
export const CONNECT_REGISTER_CLOSE_CALLBACK: Procedure<void, void> = define(
  360,
  'CONNECT_REGISTER_CLOSE_CALLBACK',
  NOTHING,
  NOTHING,
);
/** No more. */
export const CONNECT_UNREGISTER_CLOSE_CALLBACK: Procedure<void, void> = define(
  361,
  'CONNECT_UNREGISTER_CLOSE_CALLBACK',
  NOTHING,
  NOTHING,
);
/** Asks for events of a kind, VIR_DOMAIN_EVENT_ID_*, in the way of clients whose server has no callbacks with numbers. */
export const CONNECT_DOMAIN_EVENT_REGISTER_ANY: Procedure<number, void> = define(
  167,
  'CONNECT_DOMAIN_EVENT_REGISTER_ANY',
  INT,
  NOTHING,
);
/** No more. */
export const CONNECT_DOMAIN_EVENT_DEREGISTER_ANY: Procedure<number, void> = define(
  168,
  'CONNECT_DOMAIN_EVENT_DEREGISTER_ANY',
  INT,
  NOTHING,
);

/** The domains that fit the filters. */
export const CONNECT_LIST_ALL_DOMAINS: Procedure<ListAllDomainsArgs, ListAllDomainsResult> = define(
  273,
  'CONNECT_LIST_ALL_DOMAINS',
  struct<ListAllDomainsArgs>({ needResults: INT, flags: UINT }),
  struct<ListAllDomainsResult>({ domains: list(MAX_DOMAINS, DOMAIN), count: UINT }),
);
/** Ids of running domains, at most as many as are asked for; what clients of old use. */
export const CONNECT_LIST_DOMAINS: Procedure<number, readonly number[]> = define(
  37,
  'CONNECT_LIST_DOMAINS',
  INT,
  list(MAX_DOMAINS, INT),
);
/** How many domains run. */
export const CONNECT_NUM_OF_DOMAINS: Procedure<void, number> = define(51, 'CONNECT_NUM_OF_DOMAINS', NOTHING, INT);
/** Names of domains that do not run, at most as many as are asked for. */
export const CONNECT_LIST_DEFINED_DOMAINS: Procedure<number, readonly string[]> = define(
  21,
  'CONNECT_LIST_DEFINED_DOMAINS',
  INT,
  list(MAX_DOMAINS, STRING),
);
/** How many domains do not run. */
export const CONNECT_NUM_OF_DEFINED_DOMAINS: Procedure<void, number> = define(
  25,
  'CONNECT_NUM_OF_DEFINED_DOMAINS',
  NOTHING,
  INT,
);

/** The running domain of an id. */
export const DOMAIN_LOOKUP_BY_ID: Procedure<number, DomainReference> = define(22, 'DOMAIN_LOOKUP_BY_ID', INT, DOMAIN);
/** The domain of a name. */
export const DOMAIN_LOOKUP_BY_NAME: Procedure<string, DomainReference> = define(
  23,
  'DOMAIN_LOOKUP_BY_NAME',
  STRING,
  DOMAIN,
);
/** The domain of a uuid. */
export const DOMAIN_LOOKUP_BY_UUID: Procedure<string, DomainReference> = define(
  24,
  'DOMAIN_LOOKUP_BY_UUID',
  UUID,
  DOMAIN,
);
/** Its definition, as XML. */
export const DOMAIN_GET_XML_DESC: Procedure<DomainArgs, string> = define(
  14,
  'DOMAIN_GET_XML_DESC',
  DOMAIN_ARGS,
  STRING,
);
/** State, memory, vCPUs and CPU time. */
export const DOMAIN_GET_INFO: Procedure<DomainReference, DomainInfo> = define(
  16,
  'DOMAIN_GET_INFO',
  DOMAIN,
  struct<DomainInfo>({ state: UINT, maxMemoryKib: UHYPER, memoryKib: UHYPER, vcpus: UINT, cpuTimeNs: UHYPER }),
);
/** State and its reason. */
export const DOMAIN_GET_STATE: Procedure<DomainArgs, DomainState> = define(
  212,
  'DOMAIN_GET_STATE',
  DOMAIN_ARGS,
  struct<DomainState>({ state: INT, reason: INT }),
);
/** The bulk statistics: virConnectGetAllDomainStats and virDomainListGetStats. */
export const CONNECT_GET_ALL_DOMAIN_STATS: Procedure<DomainStatsRequest, readonly DomainStatsRecord[]> = define(
  344,
  'CONNECT_GET_ALL_DOMAIN_STATS',
  DOMAIN_STATS_REQUEST,
  DOMAIN_STATS_RECORDS,
);
