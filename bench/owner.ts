import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A process that holds VMs with all their stats files open. */
export interface Owner {
  readonly pid: number;
  /** Ends it, and waits until it has ended. Harmless when called twice. */
  stop(): Promise<void>;
}

/** C programs of `bench/c`, compiled into a directory of their own. */
export class Programs implements Disposable {
  readonly #folder: string = mkdtempSync(join(tmpdir(), 'virtstat-bench-'));

  /** Path of the compiled program, or of the library that is to be loaded into one. */
  compile(name: string, kind: 'program' | 'library' = 'program'): string {
    const binary = join(this.#folder, name);
    const source = join(import.meta.dirname, 'c', `${name}.c`);
    const flags = ['-O2', '-Wall', '-Werror', '-pthread', ...(kind === 'library' ? ['-shared', '-fPIC'] : [])];
    execFileSync('gcc', [...flags, '-o', binary, source], { stdio: ['ignore', 'ignore', 'inherit'] });
    return binary;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Why VMs cannot be made here; undefined where they can. */
export function whyNoOwner(): string | undefined {
  return hasKvm() ? whyNoCompiler() : '/dev/kvm cannot be opened';
}

/** Whether VMs can be made through KVM. */
export function hasKvm(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Why C programs cannot be compiled here; undefined where they can. */
export function whyNoCompiler(): string | undefined {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'there is no C compiler (gcc)';
  }
}

/**
 * Starts the program `owner`, or `fleet`, with that many VMs of that many vCPUs each, and what more the program takes; all
 * stats files are open on return. `launcher` stands in front of the command; the pid is that of the launcher.
 */
export async function startOwner(
  binary: string,
  [vms, vcpus, ...more]: readonly [vms: number, vcpus: number, ...more: readonly (string | number)[]],
  launcher: readonly string[] = [],
): Promise<Owner> {
  const [command = '', ...args] = [...launcher, binary, ...[vms, vcpus, ...more].map(String)];
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const ready = once(createInterface(child.stdout), 'line').then(([line]) => String(line));
  const line = await Promise.race([ready, ended.then(([status]) => `ended with status ${String(status)}`)]);
  if (!line.startsWith('{')) throw new Error(`the owner of the VMs ${line}`);
  return {
    pid: child.pid!,
    stop: async () => {
      child.stdin.destroy();
      await ended;
    },
  };
}
