import { createKvmVm } from '../../host/kvm-vm.ts';

/**
 * The program that owns one of the demo's own VMs: `node vm-owner IMAGE VCPUS`. It says `ready` once the VM's stats files are
 * open, and runs until it is killed.
 */

/** Where a BIOS loads a boot sector. */
const BOOT_ADDRESS = 0x7c00;

/** The guest uses the first 64 KiB and a stack for each vCPU above. */
const MEMORY_BYTES = 128 * 1024;

/** Ends at once: in the ordinary way the platform would wait for threads that run a vCPU, for ever. */
function fail(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`, () =>
    process.kill(process.pid, 'SIGKILL'),
  );
}

try {
  const [image = '', vcpus = '1'] = process.argv.slice(2);
  const vm = createKvmVm({
    image,
    imageAddress: BOOT_ADDRESS,
    memoryBytes: MEMORY_BYTES,
    vcpus: Number(vcpus),
  });
  vm.run().catch(fail);
  process.stdout.write('ready\n');
} catch (error) {
  fail(error);
}
