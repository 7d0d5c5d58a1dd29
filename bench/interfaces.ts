import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { NetworkDevices, NetworkNamespaces } from '../src/host/network-devices.ts';
import { isStillRunning, readProcess } from '../src/host/processes.ts';
import { InterfaceProvider } from '../src/source/local/interface-provider.ts';
import { Network, whyNoNetwork } from '../test/lab/network.ts';
import { type BenchResult, type BenchSkip, cpuNs, median } from './report.ts';

const TAPS = 200;
const ROUNDS = 9;
const SWEEPS = 20;
const LIMIT = 0.5;
const NAME = `one sweep over ${TAPS} VMs' taps`;

/** Processes that hold a tap each until their standard input ends, and that print their ids. */
const OWNERS = `
import fcntl, os, struct, sys
for index in range(int(sys.argv[1])):
    pid = os.fork()
    if pid == 0:
        tap = os.open('/dev/net/tun', os.O_RDWR)
        fcntl.ioctl(tap, 0x400454ca, struct.pack('16sH22x', f'b{index}'.encode(), 0x1002))
        os.write(1, f'{os.getpid()} {tap} b{index}\\n'.encode())
        os.read(0, 1)
        os._exit(0)
os.read(0, 1)
`;

/** A process that holds a tap. */
interface Owner {
  readonly pid: number;
  readonly fd: number;
  readonly device: string;
}

/** Counters of the taps of many VMs in one namespace: ours against a read of the page for each, which is libvirt's way. */
export async function run(): Promise<readonly (BenchResult | BenchSkip)[]> {
  const skipped = whyNoNetwork();
  if (skipped !== undefined) return [{ name: NAME, skipped }];
  using network = new Network();
  const [program = '', ...args] = [...network.launcher(), 'python3', '-c', OWNERS, `${TAPS}`];
  const parent = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const owners = await ownersOf(parent.stdout);
    const ours = sweepOf(owners);
    const theirs = async () => {
      for (const { pid, device } of owners) {
        new NetworkDevices(readFileSync(`/proc/${pid}/net/dev`, 'utf8')).counters(device);
      }
    };
    const rounds: { readonly ours: number; readonly theirs: number }[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      rounds.push({ ours: await costUs(ours, SWEEPS), theirs: await costUs(theirs, 1) });
    }
    return [
      {
        name: NAME,
        rival: 'the page read for each',
        unit: 'us CPU/NIC',
        ours: median(rounds.map((one) => one.ours)),
        theirs: median(rounds.map((one) => one.theirs)),
        ratio: median(rounds.map((one) => one.ours / one.theirs)),
        limit: LIMIT,
      },
    ];
  } finally {
    parent.stdin.end();
    await once(parent, 'exit');
  }
}

async function ownersOf(output: Readable): Promise<readonly Owner[]> {
  const owners: Owner[] = [];
  for await (const line of createInterface(output)) {
    const [pid, fd, device = ''] = line.split(' ');
    owners.push({ pid: Number(pid), fd: Number(fd), device });
    if (owners.length === TAPS) return owners;
  }
  throw new Error('the taps could not be opened');
}

/** What a sweep over as many VMs does, each with one NIC: all but asking their monitors. */
function sweepOf(owners: readonly Owner[]): () => Promise<void> {
  const namespaces = new NetworkNamespaces();
  const domain = { id: 'a', name: 'a', source: 'bench:' };
  const call = { signal: new AbortController().signal };
  const providers = owners.map(({ pid, fd }) => {
    const backend = { name: 'h0', type: 'tap', fds: [fd] };
    const nics = [{ path: '/machine/peripheral/net0', name: 'net0', backend, isShared: false }];
    const found = readProcess(pid);
    return new InterfaceProvider(pid, {
      procRoot: '/proc',
      namespaces,
      nics: async () => nics,
      forgetNics: () => undefined,
      hasExited: () => found === undefined || !isStillRunning(found),
    });
  });
  return async () => {
    const sweep = providers.map((provider) => provider.stats(domain, { target: 'interface' }, call));
    if ((await Promise.all(sweep)).some(({ length }) => length !== 1)) throw new Error('a NIC was not counted');
  };
}

async function costUs(sweep: () => Promise<unknown>, count: number): Promise<number> {
  await sweep();
  const startNs = cpuNs();
  for (let done = 0; done < count; done++) {
    await sweep();
    // Longer than a page is shared.
    await sleep(15);
  }
  return (cpuNs() - startNs) / 1000 / count / TAPS;
}
