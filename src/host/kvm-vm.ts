import { openSync, readFileSync } from 'node:fs';
import { systemErrorCode, VirtstatError } from '../model/errors.ts';
import { libc } from './libc.ts';

/**
 * A virtual machine made through KVM's own interface, as small as one can be: some memory with a real-mode image in it,
 * an interrupt controller and its timers in the kernel, and vCPUs. There is no device and no firmware. x86-64 only.
 * Source: the kernel's Documentation/virt/kvm/api.rst and the layouts in <linux/kvm.h> and <asm/kvm.h>.
 */

/**
 * Requests of ioctl(2), with the size of their argument in bits 16 to 29:
 *
 * | request                    | on   | argument                                         |
 * | -------------------------- | ---- | ------------------------------------------------ |
 * | KVM_GET_API_VERSION        | kvm  | none                                             |
 * | KVM_CREATE_VM              | kvm  | 0                                                |
 * | KVM_GET_VCPU_MMAP_SIZE     | kvm  | none                                             |
 * | KVM_CREATE_VCPU            | vm   | vCPU id                                          |
 * | KVM_SET_USER_MEMORY_REGION | vm   | slot u32, flags u32, guest, size, address u64    |
 * | KVM_SET_TSS_ADDR           | vm   | address of 3 pages that Intel's real mode needs  |
 * | KVM_CREATE_IRQCHIP         | vm   | none                                             |
 * | KVM_CREATE_PIT2            | vm   | flags u32, pad u32[15]                           |
 * | KVM_RUN                    | vcpu | none                                             |
 * | KVM_SET_REGS               | vcpu | 18 u64: rax rbx rcx rdx rsi rdi rsp rbp r8.. rip rflags |
 * | KVM_GET_SREGS, SET_SREGS   | vcpu | begins with cs: base u64, limit u32, selector u16 |
 * | KVM_SET_CPUID2             | vcpu | count u32, pad u32, then entries of 10 u32       |
 * | KVM_GET_STATS_FD           | both | none                                             |
 */
const REQUESTS = {
  KVM_GET_API_VERSION: 0xae00,
  KVM_CREATE_VM: 0xae01,
  KVM_GET_VCPU_MMAP_SIZE: 0xae04,
  KVM_CREATE_VCPU: 0xae41,
  KVM_SET_USER_MEMORY_REGION: 0x4020ae46,
  KVM_SET_TSS_ADDR: 0xae47,
  KVM_CREATE_IRQCHIP: 0xae60,
  KVM_CREATE_PIT2: 0x4040ae77,
  KVM_RUN: 0xae80,
  KVM_SET_REGS: 0x4090ae82,
  KVM_GET_SREGS: 0x8138ae83,
  KVM_SET_SREGS: 0x4138ae84,
  KVM_SET_CPUID2: 0x4008ae90,
  KVM_GET_STATS_FD: 0xaece,
} as const;

type RequestName = keyof typeof REQUESTS;

const API_VERSION = 12;
const REGION_BYTES = 32;
const PIT_CONFIG_BYTES = 64;
const REGS_BYTES = 0x90;
const SREGS_BYTES = 0x138;
const CPUID_HEADER_BYTES = 8;
const CPUID_ENTRY_BYTES = 40;

const RSP_OFFSET = 6 * 8;
const RIP_OFFSET = 16 * 8;
const RFLAGS_OFFSET = 17 * 8;
const SELECTOR_OFFSET = 12;
const ECX_OFFSET = 20;

/** Bit 1 of rflags always reads as one. */
const RFLAGS_AT_REST = 2n;

/** CPUID leaf 1, ECX bit 21: each vCPU reaches its local APIC, and so its timer, from real mode. */
const X2APIC = 1 << 21;

/** Below the firmware's place, above all memory: nothing of ours is there. */
const TSS_ADDRESS = 0xfffb_d000;

/** mmap(2): PROT_READ | PROT_WRITE, MAP_SHARED, MAP_PRIVATE | MAP_ANONYMOUS. */
const READ_WRITE = 3;
const SHARED = 1;
const PRIVATE_ANONYMOUS = 0x22;

/** In `struct kvm_run`, u32: why KVM_RUN came back. */
const EXIT_REASON_OFFSET = 8;

/** KVM_EXIT_UNKNOWN, as while a vCPU waits to be started, and KVM_EXIT_INTR, after a signal: run it again. */
const HARMLESS_EXITS: ReadonlySet<number> = new Set([0, 10]);

/** How often one vCPU may come back for a harmless reason before something must be wrong. */
const MAX_RETURNS = 10_000;

/** Each running vCPU occupies one of the platform's four threads for blocking calls; some have to stay free. */
export const MAX_VCPUS = 2;

/** What a VM is made of. */
export interface KvmVmOptions {
  /** Path of real-mode code for the first vCPU; it starts the others itself. */
  readonly image: string;
  /** Where the image lies and begins to run, in bytes, below 0xfff0. */
  readonly imageAddress: number;
  /** A multiple of 4096. */
  readonly memoryBytes: number;
  /** 1 to {@link MAX_VCPUS}. */
  readonly vcpus: number;
}

/** A VM that is ready to run, with the stats files of all its objects open. It ends with the process. */
export interface KvmVm {
  /** Runs the vCPUs, each in a thread of its own. @throws DEMO_FAILED as soon as one of them cannot go on */
  run(): Promise<never>;
}

/**
 * Makes a VM.
 * @throws USAGE; PLATFORM_UNSUPPORTED away from x86-64; ACCESS_DENIED or PATH_NOT_FOUND for /dev/kvm; DEMO_FAILED where the
 * image cannot be used or KVM refuses a step
 */
export function createKvmVm(options: KvmVmOptions): KvmVm {
  const { image, imageAddress, memoryBytes, vcpus } = options;
  if (process.arch !== 'x64') {
    throw new VirtstatError('PLATFORM_UNSUPPORTED', `a VM for x86 code cannot be made on ${process.arch}; use x64`);
  }
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > MAX_VCPUS) {
    throw new VirtstatError('USAGE', `a VM may have 1 to ${MAX_VCPUS} vCPUs, not ${vcpus}`);
  }
  const code = readImage(image, memoryBytes - imageAddress);
  const kvm = openKvm();
  const version = call(kvm, 'KVM_GET_API_VERSION', 0);
  if (version !== API_VERSION) throw new VirtstatError('DEMO_FAILED', `KVM speaks version ${version}, not 12`);
  const vm = call(kvm, 'KVM_CREATE_VM', 0);
  call(vm, 'KVM_SET_TSS_ADDR', TSS_ADDRESS);
  call(vm, 'KVM_CREATE_IRQCHIP', 0);
  call(vm, 'KVM_CREATE_PIT2', new Uint8Array(PIT_CONFIG_BYTES));
  addMemory(vm, memoryBytes).set(code, imageAddress);
  const runBytes = call(kvm, 'KVM_GET_VCPU_MMAP_SIZE', 0);
  const created = Array.from({ length: vcpus }, (_, id) => createVcpu(vm, id, imageAddress, runBytes));
  call(vm, 'KVM_GET_STATS_FD', 0);
  return { run: () => Promise.race(created.map(runVcpu)) };
}

interface Vcpu {
  readonly fd: number;
  readonly id: number;
  /** `struct kvm_run`, shared with the kernel. */
  readonly state: DataView;
}

function readImage(path: string, roomBytes: number): Uint8Array {
  try {
    const code = readFileSync(path);
    if (code.length <= roomBytes) return code;
  } catch (error) {
    throw VirtstatError.from(error, 'DEMO_FAILED', 'the code for a VM cannot be read');
  }
  throw new VirtstatError('DEMO_FAILED', `the code in ${path} has no room in ${roomBytes} bytes of memory`);
}

function openKvm(): number {
  try {
    return openSync('/dev/kvm', 'r+');
  } catch (error) {
    const code = systemErrorCode(error) === 'ENOENT' ? 'PATH_NOT_FOUND' : 'ACCESS_DENIED';
    throw VirtstatError.from(error, code, '/dev/kvm cannot be opened; load the kvm module or join the group kvm');
  }
}

function addMemory(vm: number, sizeBytes: number): Uint8Array {
  const memory = map(sizeBytes, PRIVATE_ANONYMOUS, -1);
  const region = new DataView(new ArrayBuffer(REGION_BYTES));
  region.setBigUint64(16, BigInt(sizeBytes), true);
  region.setBigUint64(24, memory, true);
  call(vm, 'KVM_SET_USER_MEMORY_REGION', bytesOf(region));
  return new Uint8Array(libc().view(memory, sizeBytes));
}

/** The stats file comes before the first run: a vCPU that runs answers no further request. */
function createVcpu(vm: number, id: number, startAddress: number, runBytes: number): Vcpu {
  const fd = call(vm, 'KVM_CREATE_VCPU', id);
  call(fd, 'KVM_SET_CPUID2', cpuidWithX2apic());
  const sregs = new Uint8Array(SREGS_BYTES);
  call(fd, 'KVM_GET_SREGS', sregs);
  const codeSegment = new DataView(sregs.buffer);
  codeSegment.setBigUint64(0, 0n, true);
  codeSegment.setUint16(SELECTOR_OFFSET, 0, true);
  call(fd, 'KVM_SET_SREGS', sregs);
  const regs = new DataView(new ArrayBuffer(REGS_BYTES));
  regs.setBigUint64(RSP_OFFSET, BigInt(startAddress), true);
  regs.setBigUint64(RIP_OFFSET, BigInt(startAddress), true);
  regs.setBigUint64(RFLAGS_OFFSET, RFLAGS_AT_REST, true);
  call(fd, 'KVM_SET_REGS', bytesOf(regs));
  call(fd, 'KVM_GET_STATS_FD', 0);
  return { fd, id, state: new DataView(libc().view(map(runBytes, SHARED, fd), runBytes)) };
}

function cpuidWithX2apic(): Uint8Array {
  const table = new DataView(new ArrayBuffer(CPUID_HEADER_BYTES + CPUID_ENTRY_BYTES));
  table.setUint32(0, 1, true);
  table.setUint32(CPUID_HEADER_BYTES, 1, true);
  table.setUint32(CPUID_HEADER_BYTES + ECX_OFFSET, X2APIC, true);
  return bytesOf(table);
}

async function runVcpu({ fd, id, state }: Vcpu): Promise<never> {
  let reason = 0;
  for (let returns = 0; returns < MAX_RETURNS; returns += 1) {
    const result = await runOnce(fd);
    reason = state.getUint32(EXIT_REASON_OFFSET, true);
    if (result >= 0 || !HARMLESS_EXITS.has(reason)) break;
  }
  throw new VirtstatError('DEMO_FAILED', `vCPU ${id} stopped with KVM exit reason ${reason}; try --vms replay`);
}

function runOnce(fd: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const done = (error: unknown, result: number): void => (error ? reject(error) : resolve(result));
    libc().ioctlOfNumber.async(fd, REQUESTS.KVM_RUN, 0, done);
  });
}

function map(sizeBytes: number, flags: number, fd: number): bigint {
  const address: unknown = libc().mmap(null, sizeBytes, READ_WRITE, flags, fd, 0);
  if (typeof address === 'bigint' && address !== MAP_FAILED) return address;
  throw new VirtstatError(
    'DEMO_FAILED',
    `${sizeBytes} bytes of memory for a VM could not be mapped: ${libc().errorName()}`,
  );
}

function call(fd: number, name: RequestName, argument: number | Uint8Array): number {
  const type = typeof argument === 'number' ? 'unsigned long' : 'void *';
  const result = libc().ioctl(fd, REQUESTS[name], type, argument);
  if (result >= 0) return result;
  throw new VirtstatError('DEMO_FAILED', `KVM refused ${name}: ${libc().errorName()}; try --vms replay`);
}

function bytesOf(view: DataView<ArrayBuffer>): Uint8Array {
  return new Uint8Array(view.buffer);
}

const MAP_FAILED = 0xffff_ffff_ffff_ffffn;
