/** A vCPU as its stats file tells. */
export interface VcpuIdentity {
  /** KVM's number of the vCPU. */
  readonly vcpuId: number;
  /** Thread that created it, in the host's pid namespace. */
  readonly threadId: number;
}

/** A vCPU as QEMU tells, in ascending order of indices. */
export interface CpuIdentity {
  /** QOM path. */
  readonly path: string;
  /** Its thread, in QEMU's own pid namespace. */
  readonly threadId: number;
}

/**
 * The QOM path of each vCPU's stats file, in the order of `vcpus`; undefined where it cannot be told. QEMU creates a vCPU in
 * the thread that will run it, so the thread that a stats file names is the link. Where the threads do not match (another
 * pid namespace that cannot be seen, a VMM that creates all vCPUs in one thread) the order decides, if the numbers agree.
 */
export function pathsOf(
  vcpus: readonly VcpuIdentity[],
  cpus: readonly CpuIdentity[],
  innerToOuter: ReadonlyMap<number, number>,
): readonly (string | undefined)[] {
  const byThread = new Map(cpus.map(({ path, threadId }) => [innerToOuter.get(threadId) ?? threadId, path]));
  const matched = vcpus.map(({ threadId }) => byThread.get(threadId));
  const isOneToOne = new Set(matched).size === vcpus.length && !matched.includes(undefined);
  if (isOneToOne || vcpus.length !== cpus.length) return isOneToOne ? matched : vcpus.map(() => undefined);
  const ascending = [...vcpus].sort((a, b) => a.vcpuId - b.vcpuId);
  return vcpus.map((vcpu) => cpus[ascending.indexOf(vcpu)]?.path);
}
