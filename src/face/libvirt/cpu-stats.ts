import type { NodeFacts } from '../../host/node-info.ts';
import type { CallOptions } from '../../model/provider.ts';
import type { CpuStats, CpuStatsArgs } from '../../protocol/libvirt/classic-procedures.ts';
import { VIR_ERR_OPERATION_UNSUPPORTED, VIR_FROM_CGROUP } from '../../protocol/libvirt/constants.ts';
import { LibvirtRefusal } from '../../protocol/libvirt/refusal.ts';
import type { CallerView } from './caller-view.ts';
import { CPU_NEEDS, cpuParameters } from './groups/cpu.ts';

/** VIR_TYPED_PARAM_STRING_OKAY, which libvirt's client gives by itself. */
const STRING_OKAY = 4;

/** Asks for all host CPUs together. */
const TOGETHER = -1;

/** Of all host CPUs together, by libvirt's names for the same in the bulk statistics. */
const TOTALS: ReadonlyMap<string, string> = new Map([
  ['cpu.time', 'cpu_time'],
  ['cpu.user', 'user_time'],
  ['cpu.system', 'system_time'],
]);

/** `cpu_time` and `vcpu_time`: what libvirt would have of each host CPU. */
const PARAMETERS_OF_EACH = 2;

/**
 * CPU time of a domain on all host CPUs together. By host CPU the kernel has not kept that account since control groups are of
 * version 2: whoever asks for it is told how many of what there would be, and then refused in libvirt's words.
 * @throws LibvirtRefusal
 */
export async function cpuStats(
  view: CallerView,
  node: () => NodeFacts,
  args: CpuStatsArgs,
  options: CallOptions,
): Promise<CpuStats> {
  const { domain, maxParameters, firstCpu, cpus, flags } = args;
  const unknownFlags = (flags & ~STRING_OKAY) >>> 0;
  if (unknownFlags !== 0) throw LibvirtRefusal.ofFlags(unknownFlags, 'qemuDomainGetCPUStats');
  const facts = await view.facts(domain, firstCpu === TOGETHER ? CPU_NEEDS : [], options);
  if (firstCpu !== TOGETHER) {
    if (cpus === 0) return { params: [], count: node().cpus };
    if (maxParameters === 0) return { params: [], count: PARAMETERS_OF_EACH };
    const what = "operation 'getCpuacctPercpuUsage' not supported for backend 'cgroup V2'";
    throw new LibvirtRefusal(VIR_ERR_OPERATION_UNSUPPORTED, VIR_FROM_CGROUP, what);
  }
  const all = cpuParameters(facts).flatMap((parameter) => {
    const field = TOTALS.get(parameter.field);
    return field === undefined ? [] : { ...parameter, field };
  });
  const params = all.slice(0, maxParameters);
  return { params, count: maxParameters === 0 ? all.length : params.length };
}
