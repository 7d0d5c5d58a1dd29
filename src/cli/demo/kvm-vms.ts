import { randomUUID } from 'node:crypto';
import { VirtstatError } from '../../model/errors.ts';
import { packageFile } from '../package-file.ts';
import { type Recipe, VCPUS_PER_VM, VM_COUNT } from './started-vms.ts';

/** What the owner says when its VM is made. */
const READY = 'ready';

/** How to start the demo's own VMs: each is a process of this program's platform that makes one through KVM. */
export function kvmRecipes(image: string): readonly Recipe[] {
  return Array.from({ length: VM_COUNT }, (_, index) => kvmRecipe(`virtstat-demo-${index + 1}`, image));
}

function kvmRecipe(name: string, image: string): Recipe {
  // What names a VM is put as on QEMU's command line, where everybody looks for it.
  const identity = ['-name', name, '-uuid', randomUUID()];
  return {
    name,
    command: () => [process.execPath, ownerProgram(), image, String(VCPUS_PER_VM), ...identity],
    async whenReady(owner) {
      if ((await owner.nextLine()) === READY) return;
      throw new VirtstatError('DEMO_FAILED', 'its VM could not be made');
    },
  };
}

/** The owner's program: as source where this is source, else as built. */
function ownerProgram(): string {
  return packageFile(import.meta.url.endsWith('.ts') ? 'src/cli/demo/vm-owner.ts' : 'dist/cli/vm-owner.cjs');
}
