import { type DomainFacts, type Need, numberIn } from '../facts.ts';
import { type Parameters, ullong } from '../parameters.ts';

/** libvirt adds these of all vCPUs up, and names them itself: they are the only ones of KVM that have a key of their own. */
const HALT_POLL = { success: 'halt_poll_success_ns', fail: 'halt_poll_fail_ns' } as const;

/** What `cpu.*` is made of. */
export const CPU_NEEDS: readonly Need[] = [
  { provider: 'process', target: 'vm' },
  { provider: 'kvm', target: 'vcpu' },
];

/** `cpu.time`, `cpu.user`, `cpu.system`, `cpu.haltpoll.*.time`, in nanoseconds. */
export function cpuParameters(facts: DomainFacts): Parameters {
  const vcpus = facts.samples('kvm', 'vcpu');
  const sum = (name: string): bigint | undefined => {
    const numbers = vcpus.flatMap((sample) => numberIn(sample, name) ?? []);
    return numbers.length === 0 ? undefined : numbers.reduce((total, number) => total + number);
  };
  return [
    ...ullong('cpu.time', cpuTimeNs(facts)),
    ...ullong('cpu.user', timeNs(facts, 'user_time')),
    ...ullong('cpu.system', timeNs(facts, 'system_time')),
    ...ullong('cpu.haltpoll.success.time', sum(HALT_POLL.success)),
    ...ullong('cpu.haltpoll.fail.time', sum(HALT_POLL.fail)),
  ];
}

/** CPU time of the whole VM, in nanoseconds. */
export function cpuTimeNs(facts: DomainFacts): bigint | undefined {
  return facts.number('process', 'cpu_time') ?? facts.numberIn('process', 'cgroup_cpu_time', 10, -9);
}

/** Of the process or, where only a libvirt elsewhere was asked for it, of its control group. */
function timeNs(facts: DomainFacts, name: string): bigint | undefined {
  return facts.numberIn('process', name, 10, -9) ?? facts.numberIn('process', `cgroup_${name}`, 10, -9);
}
