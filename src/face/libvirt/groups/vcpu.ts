import type { Sample } from '../../../model/sample.ts';
import { type DomainFacts, type Need, numberIn } from '../facts.ts';
import { int, type Parameters, uint, ullong } from '../parameters.ts';
import { customParameters } from './custom.ts';

/** VIR_VCPU_RUNNING: libvirt's QEMU driver says so of every vCPU that is plugged in. */
const RUNNING = 1n;

/** What `vcpu.*` is made of. */
export const VCPU_NEEDS: readonly Need[] = [
  { provider: 'state', target: 'vm', names: ['vcpu_current', 'vcpu_maximum'] },
  { provider: 'process', target: 'vcpu' },
  { provider: 'kvm', target: 'vcpu' },
];

/** `vcpu.current`, `vcpu.maximum`, and of each vCPU state, times in nanoseconds, and KVM's own. */
export function vcpuParameters(facts: DomainFacts): Parameters {
  const vcpus = vcpusOf(facts);
  const current = currentVcpus(facts);
  return [
    ...uint('vcpu.current', current),
    ...uint('vcpu.maximum', facts.number('state', 'vcpu_maximum') ?? current),
    ...vcpus.flatMap(({ thread, kvm }, index) => {
      const prefix = `vcpu.${index}`;
      return [
        ...int(`${prefix}.state`, RUNNING),
        ...ullong(`${prefix}.time`, thread && timeNs(facts, thread)),
        ...ullong(`${prefix}.wait`, thread && numberIn(thread, 'run_wait')),
        ...ullong(`${prefix}.delay`, thread && numberIn(thread, 'run_delay')),
        ...(kvm === undefined ? [] : customParameters(facts, kvm, prefix)),
      ];
    }),
  ];
}

/** How many vCPUs are plugged in. */
export function currentVcpus(facts: DomainFacts): bigint | undefined {
  const count = vcpusOf(facts).length;
  return facts.number('state', 'vcpu_current') ?? (count === 0 ? undefined : BigInt(count));
}

/** One vCPU: its thread and what KVM counts. */
export interface Vcpu {
  readonly thread: Sample | undefined;
  readonly kvm: Sample | undefined;
}

/** The vCPUs, ascending. */
export function vcpusOf(facts: DomainFacts): readonly Vcpu[] {
  const [threads, kvm] = [facts.samples('process', 'vcpu'), facts.samples('kvm', 'vcpu')];
  const paths = new Set([...threads, ...kvm].map(({ path }) => path));
  return [...paths].map((path) => ({
    thread: threads.find((sample) => sample.path === path),
    kvm: kvm.find((sample) => sample.path === path),
  }));
}

/** CPU time of a vCPU's thread: exact where the kernel keeps that account, else in its steps. */
export function timeNs(facts: DomainFacts, thread: Sample): bigint | undefined {
  const exact = numberIn(thread, 'run_time');
  if (exact !== undefined) return exact;
  const [user, system] = ['user_time', 'system_time'].map((name) => facts.scaled(thread, name, 10, -9));
  return user === undefined || system === undefined ? undefined : user + system;
}
