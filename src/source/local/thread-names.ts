import type { ThreadOf } from '../process/thread.ts';

/** A thread as it calls itself. */
export interface NamedThread {
  readonly threadId: number;
  /** At most 15 characters: the kernel cuts the rest. */
  readonly name: string;
}

const MAX_NAME_LENGTH = 15;

/** How QEMU names its threads where it was told to (`-name …,debug-threads=on`, as libvirt does). */
const VCPU_NAME = /^CPU (\d{1,5})\/[A-Z]+$/;
const IOTHREAD_NAME = /^IO (\S+)$/;

/**
 * The threads that serve vCPUs or I/O by their names, ascending: `cpu-N` by QEMU's number of the vCPU, `/objects/ID`. A
 * name that may have been cut, and one that several threads have, says nothing.
 */
export function pathsByName(target: 'vcpu' | 'iothread', threads: readonly NamedThread[]): readonly ThreadOf[] {
  const found = target === 'vcpu' ? threads.flatMap(vcpuOf) : threads.flatMap(iothreadOf);
  const counts = new Map<string, number>();
  for (const { path } of found) counts.set(path, (counts.get(path) ?? 0) + 1);
  return found
    .filter(({ path }) => counts.get(path) === 1)
    .sort((a, b) => a.order - b.order)
    .map(({ path, threadId }) => ({ path, threadId }));
}

/** Whether a thread's name says which vCPU or which I/O it serves. */
export function saysWhatFor(thread: NamedThread): boolean {
  return vcpuOf(thread).length > 0 || iothreadOf(thread).length > 0;
}

interface Ordered extends ThreadOf {
  readonly order: number;
}

function vcpuOf({ threadId, name }: NamedThread): readonly Ordered[] {
  const index = VCPU_NAME.exec(name)?.[1];
  return index === undefined ? [] : [{ path: `cpu-${Number(index)}`, threadId, order: Number(index) }];
}

function iothreadOf({ threadId, name }: NamedThread): readonly Ordered[] {
  const id = name.length < MAX_NAME_LENGTH ? IOTHREAD_NAME.exec(name)?.[1] : undefined;
  return id === undefined ? [] : [{ path: `/objects/${id}`, threadId, order: threadId }];
}
