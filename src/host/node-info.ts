import { arch, cpus, hostname, totalmem } from 'node:os';
import { type CpuTopology, cpuTopology, nodeMemoryBytes } from './cpu-topology.ts';
import { PROC_ROOT } from './processes.ts';
import { readBeginning } from './small-file.ts';

/** This host, as far as those who ask for its VMs want to know. */
export interface NodeFacts extends CpuTopology {
  readonly hostname: string;
  /** The processor's architecture in the kernel's words: `x86_64`. */
  readonly machine: string;
  readonly memoryBytes: bigint;
  /** Processors that are online. */
  readonly cpus: number;
  /** 0 where it is not known. */
  readonly mhz: number;
}

/** How long facts are taken to be what they were, in milliseconds: reading them costs two files for each processor. */
const MAX_AGE_MS = 10_000;

/** How much is read of what the kernel tells about processors, in bytes: the first of them is in it. */
const CPUINFO_BYTES = 16 * 1024;

/** Node's words for architectures that the kernel has others for. */
const MACHINES: ReadonlyMap<string, string> = new Map([
  ['x64', 'x86_64'],
  ['arm64', 'aarch64'],
  ['ppc64', 'ppc64le'],
]);

let known: { readonly atMs: number; readonly facts: NodeFacts } | undefined;

/** This host, as of 10 seconds ago at most. */
export function nodeFacts(): NodeFacts {
  if (known === undefined || performance.now() - known.atMs >= MAX_AGE_MS) {
    known = { atMs: performance.now(), facts: readFacts() };
  }
  return known.facts;
}

function readFacts(): NodeFacts {
  const processors = cpus();
  const online = Math.max(1, processors.length);
  return {
    hostname: hostname(),
    machine: MACHINES.get(arch()) ?? arch(),
    memoryBytes: nodeMemoryBytes() ?? BigInt(totalmem()),
    cpus: online,
    mhz: mhzNow() ?? processors[0]?.speed ?? 0,
    ...(cpuTopology() ?? { nodes: 1, sockets: 1, cores: online, threads: 1 }),
  };
}

/** Of the first processor, where the kernel tells it beside what else it tells of processors, as on x86. */
function mhzNow(): number | undefined {
  const text = readBeginning(`${PROC_ROOT}/cpuinfo`, CPUINFO_BYTES)?.toString('latin1') ?? '';
  const [, whole] = /^cpu MHz\s*: (\d{1,6})(?:\.\d+)?$/m.exec(text) ?? [];
  return whole === undefined ? undefined : Number(whole);
}
