import { randomUUID } from 'node:crypto';
import { makeDisk } from '../../host/disk.ts';
import { firstBytes } from '../../host/first-bytes.ts';
import { VirtstatError } from '../../model/errors.ts';
import { type Recipe, VCPUS_PER_VM, VM_COUNT } from './started-vms.ts';

/** Memory of a guest, in mebibytes; it uses a hundredth of that, the firmware a little more. */
const MEMORY_MIB = 16;

/** A BIOS boots from no disk that is smaller than a cylinder, which may have 504 KiB. */
const DISK_BYTES = 1024 * 1024;

/** Longest path of a unix socket, in bytes, as the kernel's `struct sockaddr_un` has room for. */
const MAX_SOCKET_PATH_BYTES = 107;

/** What QEMU is started with. */
export interface QemuOptions {
  readonly program: string;
  readonly accel: 'kvm' | 'tcg';
  /** Path of the boot sector. */
  readonly image: string;
}

/** How to start the demo's VMs with QEMU: no devices but the disk that they boot from, and a QMP monitor. */
export function qemuRecipes(options: QemuOptions): readonly Recipe[] {
  return Array.from({ length: VM_COUNT }, (_, index) => qemuRecipe(`virtstat-demo-${index + 1}`, options));
}

function qemuRecipe(name: string, options: QemuOptions): Recipe {
  const uuid = randomUUID();
  return {
    name,
    prepare: (folder) => makeDisk(diskIn(folder), options.image, DISK_BYTES),
    command(folder) {
      const vm = { name, uuid, accel: options.accel, disk: diskIn(folder), monitor: monitorIn(folder) };
      return [options.program, ...qemuArguments(vm)];
    },
    whenReady: ({ folder }, signal) => firstBytes(monitorIn(folder), signal),
  };
}

/** What differs from one of QEMU's VMs to the next. */
export interface QemuVm {
  readonly name: string;
  readonly uuid: string;
  readonly accel: 'kvm' | 'tcg';
  /** Path of the image to boot from. */
  readonly disk: string;
  /** Path of the monitor's socket. */
  readonly monitor: string;
}

/** The arguments of QEMU for one VM; they mean the same to every version from 7.2 on. */
export function qemuArguments({ name, uuid, accel, disk, monitor }: QemuVm): readonly string[] {
  return [
    ...['-name', `${name},debug-threads=on`],
    ...['-uuid', uuid],
    ...['-machine', 'pc'],
    ...['-accel', accel],
    ...['-smp', String(VCPUS_PER_VM)],
    ...['-m', String(MEMORY_MIB)],
    ...['-nodefaults', '-no-user-config'],
    ...['-display', 'none'],
    ...['-serial', 'none'],
    ...['-drive', `file=${escaped(disk)},format=raw,if=virtio`],
    ...['-qmp', `unix:${escaped(monitor)},server=on,wait=off`],
  ];
}

function diskIn(folder: string): string {
  return `${folder}/disk.img`;
}

function monitorIn(folder: string): string {
  const path = `${folder}/demo.qmp`;
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return path;
  throw new VirtstatError(
    'DEMO_FAILED',
    `${folder} is too long a path for a socket below it; set TMPDIR to a shorter one`,
  );
}

/** In QEMU's options a comma ends a value; two of them stand for one. */
function escaped(value: string): string {
  return value.replaceAll(',', ',,');
}
