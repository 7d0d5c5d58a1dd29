import { arch, cpus, hostname, totalmem } from 'node:os';

/** This host, as far as those who ask for its VMs want to know. */
export interface NodeFacts {
  readonly hostname: string;
  /** The processor's architecture in the kernel's words: `x86_64`. */
  readonly machine: string;
  readonly memoryBytes: bigint;
  /** Processors that are online. */
  readonly cpus: number;
  /** 0 where it is not known. */
  readonly mhz: number;
}

/** Node's words for architectures that the kernel has others for. */
const MACHINES: ReadonlyMap<string, string> = new Map([
  ['x64', 'x86_64'],
  ['arm64', 'aarch64'],
  ['ppc64', 'ppc64le'],
]);

/** This host now. */
export function nodeFacts(): NodeFacts {
  const processors = cpus();
  return {
    hostname: hostname(),
    machine: MACHINES.get(arch()) ?? arch(),
    memoryBytes: BigInt(totalmem()),
    cpus: Math.max(1, processors.length),
    mhz: processors[0]?.speed ?? 0,
  };
}
