import { DOMAIN, type DomainReference } from './domain.ts';
import { define, type Procedure } from './procedure.ts';
import type { DomainArgs } from './procedures.ts';
import { MAX_STRING_BYTES, TYPED_PARAMETER, type TypedParameter } from './typed-parameter.ts';
import {
  fixedChars,
  HYPER,
  INT,
  list,
  NOTHING,
  optional,
  struct,
  text,
  UHYPER,
  UINT,
  type XdrCodec,
} from './xdr-codec.ts';

/** Most parameters of one disk. */
const MAX_BLOCK_PARAMETERS = 16;

/** Most statistics of a guest's memory. */
const MAX_MEMORY_STATS = 1024;

/** Most parameters of all host CPUs: 16 of 128 of them at a time. */
const MAX_CPU_STATS = 2048;

/** Most vCPUs of one answer. */
export const MAX_VCPU_INFOS = 16_384;

/** A domain and a name or path of one of its devices. */
export interface DeviceArgs {
  readonly domain: DomainReference;
  /** Of a disk its target (`vda`) or its image; of a NIC its device on the host. */
  readonly path: string;
}

/** What {@link DOMAIN_BLOCK_STATS} gives; -1 for what is not known. */
export interface BlockStats {
  readonly readRequests: bigint;
  readonly readBytes: bigint;
  readonly writeRequests: bigint;
  readonly writeBytes: bigint;
  readonly errors: bigint;
}

/** What {@link DOMAIN_BLOCK_STATS_FLAGS} takes. */
export interface BlockStatsFlagsArgs extends DeviceArgs {
  /** Most parameters that are wanted; 0 asks only how many there are. */
  readonly maxParameters: number;
  readonly flags: number;
}

/** What {@link DOMAIN_BLOCK_STATS_FLAGS} gives. */
export interface BlockStatsFlags {
  readonly params: readonly TypedParameter[];
  readonly count: number;
}

/** What {@link DOMAIN_INTERFACE_STATS} gives, from the guest's point of view; -1 for what is not known. */
export interface InterfaceStats {
  readonly rxBytes: bigint;
  readonly rxPackets: bigint;
  readonly rxErrors: bigint;
  readonly rxDropped: bigint;
  readonly txBytes: bigint;
  readonly txPackets: bigint;
  readonly txErrors: bigint;
  readonly txDropped: bigint;
}

/** What {@link DOMAIN_MEMORY_STATS} takes. */
export interface MemoryStatsArgs {
  readonly domain: DomainReference;
  readonly maxStats: number;
  readonly flags: number;
}

/** One of VIR_DOMAIN_MEMORY_STAT_* and its value. */
export interface MemoryStat {
  readonly tag: number;
  readonly value: bigint;
}

/** What {@link DOMAIN_GET_BLOCK_INFO} gives, in bytes. */
export interface BlockInfo {
  readonly allocation: bigint;
  readonly capacity: bigint;
  readonly physical: bigint;
}

/** What {@link DOMAIN_GET_VCPUS} takes. */
export interface VcpusArgs {
  readonly domain: DomainReference;
  readonly maxVcpus: number;
  /** Bytes of the map of host CPUs that is wanted for each; 0: none. */
  readonly mapBytes: number;
}

/** One vCPU. */
export interface VcpuInfo {
  readonly number: number;
  /** 0 offline, 1 running, 2 blocked. */
  readonly state: number;
  readonly cpuTimeNs: bigint;
  /** The host CPU that it ran on last; -1 where that is not known. */
  readonly hostCpu: number;
}

/** What {@link DOMAIN_GET_VCPUS} gives. */
export interface Vcpus {
  readonly vcpus: readonly VcpuInfo[];
  /** A bit for each host CPU that a vCPU may run on, one map after the other. */
  readonly cpuMaps: Uint8Array;
}

/** What {@link DOMAIN_GET_CPU_STATS} takes. */
export interface CpuStatsArgs {
  readonly domain: DomainReference;
  /** Most parameters of each host CPU that are wanted; 0 asks only how many there are. */
  readonly maxParameters: number;
  /** -1 for all host CPUs together. */
  readonly firstCpu: number;
  /** 0 asks only how many there are. */
  readonly cpus: number;
  readonly flags: number;
}

/** What {@link DOMAIN_GET_CPU_STATS} gives. */
export interface CpuStats {
  /** Of each host CPU one after the other. */
  readonly params: readonly TypedParameter[];
  /** Parameters of each host CPU, or what was asked for. */
  readonly count: number;
}

/** What {@link NODE_GET_INFO} gives. */
export interface NodeInfo {
  /** Of its processor's architecture: `x86_64`. */
  readonly model: string;
  readonly memoryKib: bigint;
  readonly cpus: number;
  readonly mhz: number;
  readonly nodes: number;
  readonly sockets: number;
  readonly cores: number;
  readonly threads: number;
}

/** What {@link NODE_GET_CPU_MAP} takes. */
export interface CpuMapArgs {
  /** 1 where the map is wanted. */
  readonly needMap: number;
  /** 1 where the number of those online is wanted. */
  readonly needOnline: number;
  readonly flags: number;
}

/** What {@link NODE_GET_CPU_MAP} gives. */
export interface CpuMap {
  /** A bit for each host CPU that is online, the first in the lowest bit of the first byte. */
  readonly map: Uint8Array;
  readonly online: number;
  readonly present: number;
}

const STRING: XdrCodec<string> = text(MAX_STRING_BYTES);
const DEVICE_ARGS = { domain: DOMAIN, path: STRING };
const DOMAIN_ARGS: XdrCodec<DomainArgs> = struct<DomainArgs>({ domain: DOMAIN, flags: UINT });

/** `opaque<N>`: bytes, their number before them. */
function bytes(maxBytes: number): XdrCodec<Uint8Array> {
  return {
    minBytes: 4,
    decode: (reader) => reader.opaque(reader.count(maxBytes, 1)),
    encode: (writer, value) => {
      writer.count(value.length, maxBytes);
      writer.opaque(value, value.length);
    },
  };
}

/** Counters of a disk. */
export const DOMAIN_BLOCK_STATS: Procedure<DeviceArgs, BlockStats> = define(
  64,
  'DOMAIN_BLOCK_STATS',
  struct<DeviceArgs>(DEVICE_ARGS),
  struct<BlockStats>({
    readRequests: HYPER,
    readBytes: HYPER,
    writeRequests: HYPER,
    writeBytes: HYPER,
    errors: HYPER,
  }),
);
/** Counters of a disk, times too. */
export const DOMAIN_BLOCK_STATS_FLAGS: Procedure<BlockStatsFlagsArgs, BlockStatsFlags> = define(
  243,
  'DOMAIN_BLOCK_STATS_FLAGS',
  struct<BlockStatsFlagsArgs>({ ...DEVICE_ARGS, maxParameters: INT, flags: UINT }),
  struct<BlockStatsFlags>({ params: list(MAX_BLOCK_PARAMETERS, TYPED_PARAMETER), count: INT }),
);
/** Sizes of a disk. */
export const DOMAIN_GET_BLOCK_INFO: Procedure<DeviceArgs & { readonly flags: number }, BlockInfo> = define(
  194,
  'DOMAIN_GET_BLOCK_INFO',
  struct<DeviceArgs & { readonly flags: number }>({ ...DEVICE_ARGS, flags: UINT }),
  struct<BlockInfo>({ allocation: UHYPER, capacity: UHYPER, physical: UHYPER }),
);
/** Counters of a NIC. */
export const DOMAIN_INTERFACE_STATS: Procedure<DeviceArgs, InterfaceStats> = define(
  65,
  'DOMAIN_INTERFACE_STATS',
  struct<DeviceArgs>(DEVICE_ARGS),
  struct<InterfaceStats>({
    rxBytes: HYPER,
    rxPackets: HYPER,
    rxErrors: HYPER,
    rxDropped: HYPER,
    txBytes: HYPER,
    txPackets: HYPER,
    txErrors: HYPER,
    txDropped: HYPER,
  }),
);
/** What the guest reports of its memory. */
export const DOMAIN_MEMORY_STATS: Procedure<MemoryStatsArgs, readonly MemoryStat[]> = define(
  159,
  'DOMAIN_MEMORY_STATS',
  struct<MemoryStatsArgs>({ domain: DOMAIN, maxStats: UINT, flags: UINT }),
  list(MAX_MEMORY_STATS, struct<MemoryStat>({ tag: INT, value: UHYPER })),
);
/** Each vCPU. */
export const DOMAIN_GET_VCPUS: Procedure<VcpusArgs, Vcpus> = define(
  20,
  'DOMAIN_GET_VCPUS',
  struct<VcpusArgs>({ domain: DOMAIN, maxVcpus: INT, mapBytes: INT }),
  struct<Vcpus>({
    vcpus: list(MAX_VCPU_INFOS, struct<VcpuInfo>({ number: UINT, state: INT, cpuTimeNs: UHYPER, hostCpu: INT })),
    cpuMaps: bytes(MAX_STRING_BYTES),
  }),
);
/** CPU time of a domain, by host CPU or of all. */
export const DOMAIN_GET_CPU_STATS: Procedure<CpuStatsArgs, CpuStats> = define(
  262,
  'DOMAIN_GET_CPU_STATS',
  struct<CpuStatsArgs>({ domain: DOMAIN, maxParameters: UINT, firstCpu: INT, cpus: UINT, flags: UINT }),
  struct<CpuStats>({ params: list(MAX_CPU_STATS, TYPED_PARAMETER), count: INT }),
);
/** How many vCPUs it may have. */
export const DOMAIN_GET_MAX_VCPUS: Procedure<DomainReference, number> = define(18, 'DOMAIN_GET_MAX_VCPUS', DOMAIN, INT);
/** How many vCPUs it has (flag 1), or may have (flag 4). */
export const DOMAIN_GET_VCPUS_FLAGS: Procedure<DomainArgs, number> = define(
  200,
  'DOMAIN_GET_VCPUS_FLAGS',
  DOMAIN_ARGS,
  INT,
);
/** How much memory it may have, in KiB. */
export const DOMAIN_GET_MAX_MEMORY: Procedure<DomainReference, bigint> = define(
  17,
  'DOMAIN_GET_MAX_MEMORY',
  DOMAIN,
  UHYPER,
);
/** `hvm`: what sort of machine the guest sees. */
export const DOMAIN_GET_OS_TYPE: Procedure<DomainReference, string> = define(19, 'DOMAIN_GET_OS_TYPE', DOMAIN, STRING);
/** Whether it starts with the host. */
export const DOMAIN_GET_AUTOSTART: Procedure<DomainReference, number> = define(15, 'DOMAIN_GET_AUTOSTART', DOMAIN, INT);
/** Whether it runs. */
export const DOMAIN_IS_ACTIVE: Procedure<DomainReference, number> = define(150, 'DOMAIN_IS_ACTIVE', DOMAIN, INT);
/** Whether its definition stays when it ends. */
export const DOMAIN_IS_PERSISTENT: Procedure<DomainReference, number> = define(
  151,
  'DOMAIN_IS_PERSISTENT',
  DOMAIN,
  INT,
);
/** Whether its definition was changed since it started. */
export const DOMAIN_IS_UPDATED: Procedure<DomainReference, number> = define(202, 'DOMAIN_IS_UPDATED', DOMAIN, INT);
/** The host. */
export const NODE_GET_INFO: Procedure<void, NodeInfo> = define(
  6,
  'NODE_GET_INFO',
  NOTHING,
  struct<NodeInfo>({
    model: fixedChars(32),
    memoryKib: UHYPER,
    cpus: INT,
    mhz: INT,
    nodes: INT,
    sockets: INT,
    cores: INT,
    threads: INT,
  }),
);
/** Which host CPUs there are and which are online. */
export const NODE_GET_CPU_MAP: Procedure<CpuMapArgs, CpuMap> = define(
  293,
  'NODE_GET_CPU_MAP',
  struct<CpuMapArgs>({ needMap: INT, needOnline: INT, flags: UINT }),
  struct<CpuMap>({ map: bytes(MAX_STRING_BYTES), online: UINT, present: INT }),
);
/** How many vCPUs a domain of some type may have. */
export const CONNECT_GET_MAX_VCPUS: Procedure<string | undefined, number> = define(
  5,
  'CONNECT_GET_MAX_VCPUS',
  optional(STRING),
  INT,
);
/** Whether nobody can listen to the connection. */
export const CONNECT_IS_SECURE: Procedure<void, number> = define(149, 'CONNECT_IS_SECURE', NOTHING, INT);
