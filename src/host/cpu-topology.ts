import { readdirSync } from 'node:fs';
import { readSmallFile } from './small-file.ts';

/** Where the kernel describes the machine. */
const SYSTEM_ROOT = '/sys/devices/system';

/** Most processors that are looked at: the kernel can be built for no more. */
export const MAX_CPUS = 8192;

/** Longest file that is read, in bytes: a list of that many processors, or what the kernel tells of one node. */
const MAX_FILE_BYTES = 64 * 1024;

/** How processors are laid out: the product of the four is all of them, those that are offline too. */
export interface CpuTopology {
  readonly nodes: number;
  /** Of the node that has most. */
  readonly sockets: number;
  /** Of the socket that has most. */
  readonly cores: number;
  /** Of the core that has most. */
  readonly threads: number;
}

/**
 * The layout of this host's processors, as libvirt counts it: where nodes differ so much that the product would be wrong, they
 * are all cores of one socket. Undefined where the kernel does not tell which processors there are.
 */
export function cpuTopology(root: string = SYSTEM_ROOT): CpuTopology | undefined {
  const present = cpuList(`${root}/cpu/present`);
  if (present === undefined) return undefined;
  const nodes = nodeFolders(root).map((folder) => cpuList(`${folder}/cpulist`) ?? []);
  const layouts = (nodes.length === 0 ? [present] : nodes).map((cpus) => layoutOf(root, cpus));
  const most = (which: keyof Layout): number => Math.max(...layouts.map((layout) => layout[which]));
  const counted = {
    nodes: layouts.length,
    sockets: most('sockets'),
    cores: most('cores'),
    threads: most('threads'),
  };
  const product = counted.nodes * counted.sockets * counted.cores * counted.threads;
  return product === present.length ? counted : { nodes: 1, sockets: 1, cores: present.length, threads: 1 };
}

/** The memory of all nodes of this host, in bytes; undefined where the kernel does not tell it by nodes. */
export function nodeMemoryBytes(root: string = SYSTEM_ROOT): bigint | undefined {
  const kib = nodeFolders(root).map((folder) => {
    const [, digits] = /^Node \d+ MemTotal: +(\d{1,15}) kB$/m.exec(read(`${folder}/meminfo`)) ?? [];
    return digits === undefined ? undefined : BigInt(digits);
  });
  const known = kib.filter((each) => each !== undefined);
  if (known.length === 0 || known.length < kib.length) return undefined;
  return known.reduce((sum, each) => sum + each) * 1024n;
}

type Layout = Pick<CpuTopology, 'sockets' | 'cores' | 'threads'>;

/** Of the processors of one node. */
function layoutOf(root: string, cpus: readonly number[]): Layout {
  const coresBySocket = new Map<string, Set<string>>();
  let threads = 0;
  for (const cpu of cpus) {
    const folder = `${root}/cpu/cpu${cpu}/topology`;
    // One that is offline belongs to nothing.
    const socket = read(`${folder}/physical_package_id`);
    if (socket === '') continue;
    const cores = coresBySocket.get(socket) ?? new Set();
    coresBySocket.set(socket, cores.add(read(`${folder}/core_id`)));
    threads = Math.max(threads, cpuList(`${folder}/thread_siblings_list`)?.length ?? 1);
  }
  return {
    sockets: coresBySocket.size,
    cores: Math.max(0, ...[...coresBySocket.values()].map(({ size }) => size)),
    threads,
  };
}

function nodeFolders(root: string): readonly string[] {
  try {
    const names = readdirSync(`${root}/node`).filter((name) => /^node\d{1,4}$/.test(name));
    return names.map((name) => `${root}/node/${name}`);
  } catch {
    return [];
  }
}

/** `0-3,8`: the numbers; undefined where there is no such file, or something else in it. */
function cpuList(path: string): readonly number[] | undefined {
  const text = read(path);
  if (!/^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/.test(text)) return undefined;
  const cpus: number[] = [];
  for (const range of text.split(',')) {
    const [first = 0, last = first] = range.split('-').map(Number);
    if (last - first >= MAX_CPUS || cpus.length + last - first >= MAX_CPUS) return undefined;
    for (let cpu = first; cpu <= last; cpu++) cpus.push(cpu);
  }
  return cpus;
}

function read(path: string): string {
  return readSmallFile(path, MAX_FILE_BYTES)?.trim() ?? '';
}
