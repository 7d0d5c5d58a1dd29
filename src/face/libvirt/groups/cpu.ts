import { type DomainFacts, type Need, numberIn } from '../facts.ts';
import { type Parameters, ullong } from '../parameters.ts';

/** libvirt adds these of all vCPUs up, and names them itself: they are the only ones of KVM that have a key of their own. */
const HALT_POLL = { success: 'halt_poll_success_ns', fail: 'halt_poll_fail_ns' } as const;

/** What `cpu.*` is made of. */
export const CPU_NEEDS: readonly Need[] = [
  { provider: 'process', target: 'vm' },
  { provider: 'kvm', target: 'vcpu' },
];

/**
 * `cpu.time`, `cpu.user`, `cpu.system`, `cpu.haltpoll.*.time`, in nanoseconds. As in libvirt the times are those of the control
 * group that libvirt made for the VM, where it did, else those of the process.
 */
export function cpuParameters(facts: DomainFacts): Parameters {
  const vcpus = facts.samples('kvm', 'vcpu');
  const sum = (name: string): bigint | undefined => {
    const numbers = vcpus.flatMap((sample) => numberIn(sample, name) ?? []);
    return numbers.length === 0 ? undefined : numbers.reduce((total, number) => total + number);
  };
  return [
    ...ullong('cpu.time', groupNs(facts, 'cpu_time') ?? cpuTimeNs(facts)),
    ...['user', 'system'].flatMap((way) =>
      ullong(`cpu.${way}`, groupNs(facts, `${way}_time`) ?? timeNs(facts, `${way}_time`)),
    ),
    ...ullong('cpu.haltpoll.success.time', sum(HALT_POLL.success)),
    ...ullong('cpu.haltpoll.fail.time', sum(HALT_POLL.fail)),
  ];
}

/** A time of the control group, in nanoseconds; undefined where it is not the VM's own. */
function groupNs(facts: DomainFacts, name: string): bigint | undefined {
  const isOwn = facts
    .samples('process', 'vm')
    .some(({ stats }) => stats.some((stat) => stat.name === 'cgroup_own' && stat.value === true));
  return isOwn ? facts.numberIn('process', `cgroup_${name}`, 10, -9) : undefined;
}

/** CPU time of the process, in nanoseconds. */
export function cpuTimeNs(facts: DomainFacts): bigint | undefined {
  return facts.number('process', 'cpu_time') ?? facts.numberIn('process', 'cgroup_cpu_time', 10, -9);
}

/** Of the process or, where only a libvirt elsewhere was asked for it, of its control group. */
function timeNs(facts: DomainFacts, name: string): bigint | undefined {
  return facts.numberIn('process', name, 10, -9) ?? facts.numberIn('process', `cgroup_${name}`, 10, -9);
}
