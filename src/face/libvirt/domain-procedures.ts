import type { NodeFacts } from '../../host/node-info.ts';
import type { Sample } from '../../model/sample.ts';
import * as classic from '../../protocol/libvirt/classic-procedures.ts';
import { VIR_ERR_INVALID_ARG, VIR_FROM_QEMU } from '../../protocol/libvirt/constants.ts';
import type { DomainReference } from '../../protocol/libvirt/domain.ts';
import * as procedures from '../../protocol/libvirt/procedures.ts';
import { LibvirtRefusal } from '../../protocol/libvirt/refusal.ts';
import { type ServedProcedure, served } from '../../protocol/libvirt/server.ts';
import type { CallerView } from './caller-view.ts';
import { cpuStats } from './cpu-stats.ts';
import { DEFINITION_NEEDS, definitionOf, diskOf } from './definition.ts';
import { type DomainFacts, numberIn } from './facts.ts';
import { BALLOON_NEEDS, maxMemoryKib, memoryKib, rssKib } from './groups/balloon.ts';
import { BLOCK_NEEDS } from './groups/block.ts';
import { CPU_NEEDS, cpuTimeNs } from './groups/cpu.ts';
import { NET_NEEDS } from './groups/net.ts';
import { STATE_NEEDS, stateOf } from './groups/state.ts';
import { currentVcpus, timeNs, VCPU_NEEDS, vcpusOf } from './groups/vcpu.ts';
import { ullong } from './parameters.ts';
import { denied } from './refusals.ts';

/** VIR_DOMAIN_XML_SECURE */
const XML_SECURE = 1;

/** VIR_DOMAIN_VCPU_MAXIMUM */
const VCPU_MAXIMUM = 4;

/** What the classic calls say where something is not known. */
const NOT_KNOWN = -1n;

const MEMORY_STATS: readonly (readonly [tag: number, name: string, isBytes: boolean])[] = [
  [0, 'stat-swap-in', true],
  [1, 'stat-swap-out', true],
  [2, 'stat-major-faults', false],
  [3, 'stat-minor-faults', false],
  [4, 'stat-free-memory', true],
  [5, 'stat-total-memory', true],
  [8, 'stat-available-memory', true],
  [9, 'last-update', false],
  [10, 'stat-disk-caches', true],
  [11, 'stat-htlb-pgalloc', false],
  [12, 'stat-htlb-pgfail', false],
];

/** VIR_DOMAIN_MEMORY_STAT_ACTUAL_BALLOON and _RSS */
const [ACTUAL_BALLOON, RSS] = [6, 7];

/** By libvirt's names for the parameters of a disk. */
const BLOCK_PARAMETERS = [
  ['wr_bytes', 'wr_bytes'],
  ['wr_operations', 'wr_operations'],
  ['rd_bytes', 'rd_bytes'],
  ['rd_operations', 'rd_operations'],
  ['flush_operations', 'flush_operations'],
  ['wr_total_times', 'wr_total_time_ns'],
  ['rd_total_times', 'rd_total_time_ns'],
  ['flush_total_times', 'flush_total_time_ns'],
] as const;

/** Procedures about one domain, from before the bulk statistics: what monitoring tools of old call. */
export function domainProcedures(view: CallerView, node: () => NodeFacts): readonly ServedProcedure[] {
  return [...descriptions(view), ...measurements(view, node)];
}

function descriptions(view: CallerView): readonly ServedProcedure[] {
  const isThere = (answer: number) => async (domain: DomainReference, options: { readonly signal: AbortSignal }) => {
    await view.facts(domain, [], options);
    return answer;
  };
  return [
    served(procedures.DOMAIN_GET_STATE, async ({ domain }, options) => {
      const { state, reason } = stateOf(await view.facts(domain, STATE_NEEDS, options));
      return { state: Number(state), reason: Number(reason) };
    }),
    served(procedures.DOMAIN_GET_INFO, async (domain, options) => {
      const needs = [...STATE_NEEDS, ...BALLOON_NEEDS, ...VCPU_NEEDS, ...CPU_NEEDS];
      const facts = await view.facts(domain, needs, options);
      return {
        state: Number(stateOf(facts).state),
        maxMemoryKib: maxMemoryKib(facts) ?? 0n,
        memoryKib: memoryKib(facts) ?? 0n,
        vcpus: Number(currentVcpus(facts) ?? 0n),
        cpuTimeNs: cpuTimeNs(facts) ?? 0n,
      };
    }),
    served(procedures.DOMAIN_GET_XML_DESC, async ({ domain, flags }, options) => {
      if ((flags & XML_SECURE) !== 0) throw denied('virDomainGetXMLDesc with secure flag');
      const facts = await view.facts(domain, DEFINITION_NEEDS, options);
      const nics = await view.statistics.nics(view.reader, facts, options);
      return definitionOf(facts, view.reference(facts.domain), nics);
    }),
    served(classic.DOMAIN_GET_MAX_VCPUS, async (domain, options) => {
      const facts = await view.facts(domain, VCPU_NEEDS, options);
      return Number(facts.number('state', 'vcpu_maximum') ?? currentVcpus(facts) ?? 0n);
    }),
    served(classic.DOMAIN_GET_VCPUS_FLAGS, async ({ domain, flags }, options) => {
      const facts = await view.facts(domain, VCPU_NEEDS, options);
      const maximum = (flags & VCPU_MAXIMUM) === 0 ? undefined : facts.number('state', 'vcpu_maximum');
      return Number(maximum ?? currentVcpus(facts) ?? 0n);
    }),
    served(classic.DOMAIN_GET_MAX_MEMORY, async (domain, options) => {
      return maxMemoryKib(await view.facts(domain, BALLOON_NEEDS, options)) ?? 0n;
    }),
    served(classic.DOMAIN_GET_OS_TYPE, async (domain, options) => {
      await view.facts(domain, [], options);
      return 'hvm';
    }),
    served(classic.DOMAIN_GET_AUTOSTART, isThere(0)),
    served(classic.DOMAIN_IS_ACTIVE, isThere(1)),
    served(classic.DOMAIN_IS_PERSISTENT, isThere(0)),
    served(classic.DOMAIN_IS_UPDATED, isThere(0)),
  ];
}

function measurements(view: CallerView, node: () => NodeFacts): readonly ServedProcedure[] {
  return [
    served(classic.DOMAIN_BLOCK_STATS, async ({ domain, path }, options) => {
      const disk = findDisk(await view.facts(domain, BLOCK_NEEDS, options), path);
      const count = (name: string): bigint => numberIn(disk, name) ?? NOT_KNOWN;
      return {
        readRequests: count('rd_operations'),
        readBytes: count('rd_bytes'),
        writeRequests: count('wr_operations'),
        writeBytes: count('wr_bytes'),
        errors: NOT_KNOWN,
      };
    }),
    served(classic.DOMAIN_BLOCK_STATS_FLAGS, async ({ domain, path, maxParameters }, options) => {
      const disk = findDisk(await view.facts(domain, BLOCK_NEEDS, options), path);
      const params = BLOCK_PARAMETERS.flatMap(([field, name]) => ullong(field, numberIn(disk, name))).map((param) => {
        return { field: param.field, type: 'llong', value: param.value as bigint } as const;
      });
      return { params: params.slice(0, Math.max(0, maxParameters)), count: params.length };
    }),
    served(classic.DOMAIN_GET_BLOCK_INFO, async ({ domain, path }, options) => {
      const disk = findDisk(await view.facts(domain, BLOCK_NEEDS, options), path);
      const [allocation = 0n, capacity = 0n, physical = 0n] = ['allocation', 'capacity', 'physical'].map((name) =>
        numberIn(disk, name),
      );
      return { allocation, capacity, physical };
    }),
    served(classic.DOMAIN_INTERFACE_STATS, async ({ domain, path }, options) => {
      const facts = await view.facts(domain, NET_NEEDS, options);
      const nic = facts.samples('interface', 'interface').find(({ device }) => device === path);
      if (nic === undefined) throw invalid(`invalid path, '${path}' is not a known interface`);
      const count = (name: string): bigint => numberIn(nic, name) ?? NOT_KNOWN;
      return {
        rxBytes: count('rx_bytes'),
        rxPackets: count('rx_packets'),
        rxErrors: count('rx_errors'),
        rxDropped: count('rx_dropped'),
        txBytes: count('tx_bytes'),
        txPackets: count('tx_packets'),
        txErrors: count('tx_errors'),
        txDropped: count('tx_dropped'),
      };
    }),
    served(classic.DOMAIN_MEMORY_STATS, async ({ domain, maxStats }, options) => {
      const facts = await view.facts(domain, BALLOON_NEEDS, options);
      const values: readonly (readonly [tag: number, value: bigint | undefined])[] = [
        ...MEMORY_STATS.map(([tag, name, isBytes]) => {
          const value = facts.number('balloon', name);
          return [tag, isBytes && value !== undefined ? value / 1024n : value] as const;
        }),
        [ACTUAL_BALLOON, memoryKib(facts)],
        [RSS, rssKib(facts)],
      ];
      return values.flatMap(([tag, value]) => (value === undefined ? [] : [{ tag, value }])).slice(0, maxStats);
    }),
    served(classic.DOMAIN_GET_CPU_STATS, (args, options) => cpuStats(view, node, args, options)),
    served(classic.DOMAIN_GET_VCPUS, async ({ domain, maxVcpus }, options) => {
      const facts = await view.facts(domain, VCPU_NEEDS, options);
      const vcpus = vcpusOf(facts)
        .slice(0, Math.max(0, Math.min(maxVcpus, classic.MAX_VCPU_INFOS)))
        .map(({ thread }, number) => ({
          number,
          state: 1,
          cpuTimeNs: (thread && timeNs(facts, thread)) ?? 0n,
          hostCpu: Number((thread && numberIn(thread, 'processor')) ?? NOT_KNOWN),
        }));
      return { vcpus, cpuMaps: new Uint8Array(0) };
    }),
  ];
}

/** By its target or its image. @throws LibvirtRefusal where there is none */
function findDisk(facts: DomainFacts, path: string): Sample {
  const found = facts.samples('block', 'block').find((sample) => {
    const disk = diskOf(facts, sample);
    return path !== '' && (disk?.target === path || disk?.source === path);
  });
  if (found === undefined) throw invalid(`invalid path ${path} not assigned to domain`);
  return found;
}

function invalid(why: string): LibvirtRefusal {
  return new LibvirtRefusal(VIR_ERR_INVALID_ARG, VIR_FROM_QEMU, why);
}
