import type { Capture } from './capture.ts';

/** Captures that belong to one VM at one time: no object of it appears twice. */
export interface CaptureGroup {
  readonly name: string;
  /** Tells groups of one name apart. */
  readonly id: string;
  readonly vm: Capture | undefined;
  /** In ascending order of vCPU ids. */
  readonly vcpus: readonly Capture[];
}

/**
 * Puts captures together to VMs. The id inside a file does not say which VM a vCPU is of: it names a thread. So the names
 * of the files decide, as people choose them: the part that names the object (`vm`, `vcpu0`, `vcpu-0`) is taken out, and
 * what is left names the VM. `lab-vm.t0.bin` and `lab-vcpu0.t0.bin` of one folder are the domain `lab.t0`;
 * `lab-vcpu0.t1.bin` is of `lab.t1`. Where nothing is left (`vm.bin`, `vcpu-0.bin`), or no file of the folder names its
 * object, they are one domain named `kvm-N` by the id of the VM or of the first vCPU. Where an object would appear twice
 * in a domain, each of its files is a domain of its own, named like the file.
 */
export function groupCaptures(captures: readonly Capture[]): readonly CaptureGroup[] {
  const byKey = new Map<string, Capture[]>();
  for (const capture of captures) {
    const key = `${capture.folder}/${groupNameOf(capture.stem)}`;
    byKey.set(key, [...(byKey.get(key) ?? []), capture]);
  }
  return [...byKey.values()].flatMap((members) =>
    hasTwice(members)
      ? members.map((member) => groupOf([member], member.stem))
      : [groupOf(members, groupNameOf(members[0]!.stem) || kernelNameOf(members))],
  );
}

/** The object in the name of a file, with the separator before it. */
const OBJECT = /(?:^|[-_. ])(?:vm|vcpu[-_]?\d+)(?=$|[-_. ])/i;

/** What names the VM in the name of a file; empty where nothing does. */
function groupNameOf(stem: string): string {
  if (!OBJECT.test(stem)) return '';
  return stem.replace(OBJECT, '').replace(/^[-_. ]+|[-_. ]+$/g, '');
}

function hasTwice(members: readonly Capture[]): boolean {
  return new Set(members.map(({ objectPath }) => objectPath)).size < members.length;
}

function groupOf(members: readonly Capture[], name: string): CaptureGroup {
  return {
    name,
    id: `${members[0]!.folder}/${name}`,
    vm: members.find(({ layout }) => layout.scope.target === 'vm'),
    vcpus: members.filter(({ layout }) => layout.scope.target === 'vcpu').sort((a, b) => vcpuIdOf(a) - vcpuIdOf(b)),
  };
}

function kernelNameOf(members: readonly Capture[]): string {
  const named = members.find(({ layout }) => layout.scope.target === 'vm') ?? members[0]!;
  return named.layout.id.replace(/\/.*$/, '') || named.stem;
}

function vcpuIdOf({ layout }: Capture): number {
  return layout.scope.target === 'vcpu' ? layout.scope.vcpuId : -1;
}
