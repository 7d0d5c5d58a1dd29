import {
  VIR_DOMAIN_STATS_BALLOON,
  VIR_DOMAIN_STATS_BLOCK,
  VIR_DOMAIN_STATS_CPU_TOTAL,
  VIR_DOMAIN_STATS_DIRTYRATE,
  VIR_DOMAIN_STATS_INTERFACE,
  VIR_DOMAIN_STATS_IOTHREAD,
  VIR_DOMAIN_STATS_MEMORY,
  VIR_DOMAIN_STATS_PERF,
  VIR_DOMAIN_STATS_STATE,
  VIR_DOMAIN_STATS_VCPU,
  VIR_DOMAIN_STATS_VM,
} from '../../../protocol/libvirt/constants.ts';
import { MAX_PARAMETERS } from '../../../protocol/libvirt/domain-stats.ts';
import { MAX_FIELD_BYTES } from '../../../protocol/libvirt/typed-parameter.ts';
import type { DomainFacts, Need } from '../facts.ts';
import type { Parameters } from '../parameters.ts';
import { BALLOON_NEEDS, balloonParameters } from './balloon.ts';
import { BLOCK_NEEDS, blockParameters } from './block.ts';
import { CPU_NEEDS, cpuParameters } from './cpu.ts';
import { DIRTYRATE_NEEDS, dirtyrateParameters } from './dirtyrate.ts';
import { IOTHREAD_NEEDS, iothreadParameters } from './iothread.ts';
import { NET_NEEDS, netParameters } from './net.ts';
import { OWN_NEEDS, ownParameters } from './own.ts';
import { STATE_NEEDS, stateParameters } from './state.ts';
import { VCPU_NEEDS, vcpuParameters } from './vcpu.ts';
import { VM_NEEDS, vmParameters } from './vm.ts';

/** A group that libvirt does not have, and never gives by default: all that was measured, by our names. */
export const STATS_VIRTSTAT = 0x8000_0000;

interface Group {
  readonly bit: number;
  readonly needs: readonly Need[];
  readonly parameters: (facts: DomainFacts, flags?: number) => Parameters;
}

const NONE = (): Parameters => [];

/** In libvirt's order. Nothing is measured of `perf` and `memory`, which libvirt has, and mostly leaves empty. */
const GROUPS: readonly Group[] = [
  { bit: VIR_DOMAIN_STATS_STATE, needs: STATE_NEEDS, parameters: stateParameters },
  { bit: VIR_DOMAIN_STATS_CPU_TOTAL, needs: CPU_NEEDS, parameters: cpuParameters },
  { bit: VIR_DOMAIN_STATS_BALLOON, needs: BALLOON_NEEDS, parameters: balloonParameters },
  { bit: VIR_DOMAIN_STATS_VCPU, needs: VCPU_NEEDS, parameters: vcpuParameters },
  { bit: VIR_DOMAIN_STATS_INTERFACE, needs: NET_NEEDS, parameters: netParameters },
  { bit: VIR_DOMAIN_STATS_BLOCK, needs: BLOCK_NEEDS, parameters: blockParameters },
  { bit: VIR_DOMAIN_STATS_PERF, needs: [], parameters: NONE },
  { bit: VIR_DOMAIN_STATS_IOTHREAD, needs: IOTHREAD_NEEDS, parameters: iothreadParameters },
  { bit: VIR_DOMAIN_STATS_MEMORY, needs: [], parameters: NONE },
  { bit: VIR_DOMAIN_STATS_DIRTYRATE, needs: DIRTYRATE_NEEDS, parameters: dirtyrateParameters },
  { bit: VIR_DOMAIN_STATS_VM, needs: VM_NEEDS, parameters: vmParameters },
  { bit: STATS_VIRTSTAT, needs: OWN_NEEDS, parameters: ownParameters },
];

/** Bits of groups that there are. */
export const KNOWN_GROUPS: number = GROUPS.reduce((bits, { bit }) => (bits | bit) >>> 0, 0);

/** What libvirt gives to those who name no group. */
const DEFAULT_GROUPS: number = (KNOWN_GROUPS & ~STATS_VIRTSTAT) >>> 0;

/** Some groups: what they are made of, and how. */
export interface Selection {
  readonly needs: readonly Need[];
  /**
   * Nothing whose name is longer than libvirt's clients take, and no more than they take of one domain. Of the flags BACKING
   * counts; none if absent.
   */
  readonly parameters: (facts: DomainFacts, flags?: number) => Parameters;
}

/** The groups of these bits; 0: all that libvirt has. */
export function selectGroups(bits: number): Selection {
  const wanted = bits === 0 ? DEFAULT_GROUPS : bits;
  const groups = GROUPS.filter(({ bit }) => (wanted & bit) !== 0);
  return {
    needs: groups.flatMap(({ needs }) => needs),
    parameters: (facts, flags = 0) =>
      groups
        .flatMap(({ parameters }) => parameters(facts, flags))
        .filter(({ field }) => Buffer.byteLength(field) <= MAX_FIELD_BYTES)
        .slice(0, MAX_PARAMETERS),
  };
}
