import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { systemErrorCode } from '../model/errors.ts';

/** Where KVM is asked for VMs. */
const KVM_DEVICE = '/dev/kvm';

/** What this machine has to run VMs with. */
export interface Machine {
  /** The processor's architecture, in Node's words (`x64`, `arm64`, …). */
  readonly arch: string;
  /** Path of a program: looked for in `PATH`, or given in full; undefined where it is not there or not executable. */
  findProgram(name: string): string | undefined;
  /** Why /dev/kvm cannot be opened, as the system's error code (`ENOENT`, `EACCES`, …); undefined where it can. */
  kvmObstacle(): string | undefined;
}

/** The machine that this process runs on. */
export const thisMachine: Machine = {
  arch: process.arch,

  findProgram(name) {
    if (name.startsWith('/')) return isProgram(name) ? name : undefined;
    const folders = (process.env['PATH'] ?? '').split(':').filter((folder) => folder.startsWith('/'));
    return folders.map((folder) => join(folder, name)).find(isProgram);
  },

  kvmObstacle() {
    try {
      closeSync(openSync(KVM_DEVICE, 'r+'));
      return undefined;
    } catch (error) {
      return systemErrorCode(error) ?? String(error);
    }
  },
};

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
