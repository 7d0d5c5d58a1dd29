import type { Machine } from '../../host/machine.ts';
import { VirtstatError } from '../../model/errors.ts';

/** What the demo can show, best first: QEMU's VMs, VMs of its own made through KVM, captured statistics. */
export const VM_KINDS = ['qemu', 'kvm', 'replay'] as const;

/** One of {@link VM_KINDS}. */
export type VmKind = (typeof VM_KINDS)[number];

/** What the demo shows, and in `reason`, for people, why that and nothing better. */
export type Choice =
  | { readonly kind: 'qemu'; readonly program: string; readonly accel: 'kvm' | 'tcg'; readonly reason: string }
  | { readonly kind: 'kvm'; readonly reason: string }
  | { readonly kind: 'replay'; readonly reason: string };

/** The demo's guest is code for this architecture. */
const GUEST_ARCH = 'x64';

/** QEMU's program as most systems name it, and as Red Hat's do. */
const QEMU_PROGRAMS = ['qemu-system-x86_64', '/usr/libexec/qemu-kvm'] as const;

/**
 * Chooses the best that this machine can show, or what is `wanted`.
 * @throws DEMO_FAILED where this machine cannot show what is wanted
 */
export function chooseVms(machine: Machine, wanted?: VmKind): Choice {
  const kinds = wanted === undefined ? VM_KINDS : [wanted];
  const obstacles: string[] = [];
  for (const kind of kinds) {
    const outcome = examine[kind](machine);
    if (typeof outcome !== 'string')
      return obstacles.length === 0 ? outcome : { ...outcome, reason: obstacles.join(', ') };
    if (!obstacles.includes(outcome)) obstacles.push(outcome);
  }
  throw new VirtstatError('DEMO_FAILED', `the demo cannot show --vms ${wanted}: ${obstacles.join(', ')}`);
}

/** What a kind would be here, or what stands against it. */
const examine: Readonly<Record<VmKind, (machine: Machine) => Choice | string>> = {
  qemu(machine) {
    if (machine.arch !== GUEST_ARCH) return foreignArch(machine);
    const program = QEMU_PROGRAMS.map((name) => machine.findProgram(name)).find((path) => path !== undefined);
    if (program === undefined) return `no ${QEMU_PROGRAMS[0]}`;
    const obstacle = machine.kvmObstacle();
    return obstacle === undefined
      ? { kind: 'qemu', program, accel: 'kvm', reason: `${program} is installed and /dev/kvm can be opened` }
      : { kind: 'qemu', program, accel: 'tcg', reason: noKvm(obstacle) };
  },

  kvm(machine) {
    if (machine.arch !== GUEST_ARCH) return foreignArch(machine);
    const obstacle = machine.kvmObstacle();
    return obstacle === undefined ? { kind: 'kvm', reason: '/dev/kvm can be opened' } : noKvm(obstacle);
  },

  replay: () => ({ kind: 'replay', reason: 'it needs nothing of the machine' }),
};

function foreignArch({ arch }: Machine): string {
  return `the demo's guest is x86-64 code and this machine is ${arch}`;
}

function noKvm(obstacle: string): string {
  return `/dev/kvm cannot be opened: ${obstacle}`;
}
