import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { childOf, type DaemonOptions, DaemonProcess } from './daemon.ts';
import { hasKvm, type Owner, Programs, startOwner, whyNoCompiler } from './owner.ts';

/** Processes of the host that are no VMs: whoever looks for VMs has to look at them too. */
const OTHERS = 300;
/** What stands for the kernel's part where there is no KVM: the stats file of a vCPU that worked. */
const CAPTURE = fileURLToPath(new URL('../captures/kvm/lab-vcpu0.t2.bin', import.meta.url));

/** A pid namespace of its own, so that a daemon finds these VMs and no others; what is in it ends with the first process. */
const APART = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc', '--'] as const;

/** Why a {@link VmmFleet} cannot be started here; undefined where it can. */
export function whyNoFleet(): string | undefined {
  return whyNoCompiler() ?? whyNotApart();
}

function whyNotApart(): string | undefined {
  try {
    execFileSync(APART[0], [...APART.slice(1), 'true'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'a pid namespace cannot be made, which needs root';
  }
}

/**
 * Many processes with a VM each, in a pid namespace of their own, for a daemon that finds them itself. Where there is no KVM,
 * captured stats files stand for the kernel's (c/fleet.c, c/kvm-names.c): a read of one costs about as much, and everything else
 * is as it is.
 */
export class VmmFleet implements AsyncDisposable {
  readonly programs: Programs;
  readonly #owner: Owner;

  private constructor(programs: Programs, owner: Owner) {
    this.programs = programs;
    this.#owner = owner;
  }

  /** Resolves when all VMs are there. */
  static async start(domains: number, vcpus: number): Promise<VmmFleet> {
    const programs = new Programs();
    try {
      const captured = hasKvm() ? [] : [CAPTURE];
      const owner = await startOwner(programs.compile('fleet'), [domains, vcpus, OTHERS, ...captured], APART);
      return new VmmFleet(programs, owner);
    } catch (error) {
      programs[Symbol.dispose]();
      throw error;
    }
  }

  /** The first process of the namespace. */
  get pid(): number {
    return childOf(this.#owner.pid);
  }

  /** A daemon that reads these VMs; `args` are more arguments. */
  daemon(...args: readonly string[]): Promise<DaemonProcess> {
    const options: DaemonOptions = { connect: ['local:'], namespaceOf: this.pid, args };
    return DaemonProcess.start(
      hasKvm() ? options : { ...options, preload: this.programs.compile('kvm-names', 'library') },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owner.stop();
    this.programs[Symbol.dispose]();
  }
}
