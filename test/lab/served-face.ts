import { execFile, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { LibvirtFace } from '../../src/face/libvirt/face.ts';
import { Registry } from '../../src/registry/registry.ts';
import { LocalSource } from '../../src/source/local/local-source.ts';
import { faceContext } from './face-context.ts';

const LIMIT = { timeout: 60_000, maxBuffer: 1 << 26, env: { ...process.env, LC_ALL: 'C.UTF-8' } };

/** Why there is no virsh, or undefined: the reason to skip with. */
export function whyNoVirsh(): string | undefined {
  return existsSync('/usr/bin/virsh') ? undefined : 'virsh (libvirt-clients) is not installed';
}

/** Why there are no bindings of libvirt for Python, or undefined: the reason to skip with. */
export function whyNoPythonLibvirt(): string | undefined {
  const { status } = spawnSync('/usr/bin/python3', ['-c', 'import libvirt']);
  return status === 0 ? undefined : 'python3-libvirt is not installed';
}

/** The libvirt face over some VMs of this machine, and the URI to reach it with. */
export class ServedFace implements AsyncDisposable {
  readonly uri: string;
  readonly socketPath: string;
  readonly #folder: string;
  readonly #registry: Registry;
  readonly #face: LibvirtFace;

  private constructor(folder: string, registry: Registry, face: LibvirtFace) {
    this.socketPath = `${folder}/libvirt-sock-ro`;
    this.uri = `qemu+unix:///system?socket=${this.socketPath}`;
    this.#folder = folder;
    this.#registry = registry;
    this.#face = face;
  }

  /** Serves VMs, by the process ids of their QEMUs, until it is disposed of. */
  static async start(pids: readonly number[]): Promise<ServedFace> {
    const folder = mkdtempSync(join(tmpdir(), 'virtstat-face-'));
    const registry = new Registry([new LocalSource({ pids })], { deadlineMs: 2000 });
    const face = new LibvirtFace({ monitors: registry });
    await face.listen(faceContext(folder, registry));
    return new ServedFace(folder, registry, face);
  }

  /** What virsh prints. */
  async virsh(...args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)('virsh', ['-q', '-c', this.uri, ...args], LIMIT);
    return stdout;
  }

  /** What a script prints that has the connection as `c`. */
  async python(script: string): Promise<string> {
    const whole = `import libvirt, sys, time, json\nc = libvirt.openReadOnly(sys.argv[1])\n${script}`;
    const { stdout } = await promisify(execFile)('/usr/bin/python3', ['-c', whole, this.uri], LIMIT);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#face.close();
    await this.#registry.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
