import { createRequire } from 'node:module';
import type { KoffiFunc } from 'koffi';
import { VirtstatError } from '../model/errors.ts';

/** The functions of the C library that Node has no function for, and what belongs to calling them. */
export interface Libc {
  /** `typedArguments`: for each argument its C type, then its value. */
  readonly syscall: (number: number, ...typedArguments: readonly (string | number)[]) => number;
  readonly pread: (fd: number, into: Uint8Array, sizeBytes: number, offsetBytes: number) => number;
  readonly poll: (entries: Int32Array, count: number, timeoutMs: number) => number;
  readonly ioctl: (fd: number, request: number, type: string, argument: number | Uint8Array) => number;
  /**
   * ioctl(2) with a number, callable in another thread, as a variadic function is not: on x86-64 an integer travels alike
   * in both forms.
   */
  readonly ioctlOfNumber: KoffiFunc<(fd: number, request: number, argument: number) => number>;
  readonly mmap: (at: null, bytes: number, protection: number, flags: number, fd: number, offset: number) => unknown;
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly sendto: (
    fd: number,
    bytes: Uint8Array,
    sizeBytes: number,
    flags: number,
    address: Uint8Array,
    addressBytes: number,
  ) => number;
  readonly getsockopt: (fd: number, level: number, option: number, into: Uint8Array, sizeBytes: Uint32Array) => number;
  readonly flock: (fd: number, operation: number) => number;
  readonly clockGettime: (clock: number, into: BigInt64Array) => number;
  readonly getpwnam: (name: string) => unknown;
  readonly getgrnam: (name: string) => unknown;
  /** The number that stands at a distance from where a pointer points. */
  readonly uint32At: (pointer: unknown, offsetBytes: number) => number;
  /** Name of the error of the call that failed just now: `EPERM`. */
  readonly errorName: () => string;
  /** The memory at an address that {@link Libc.mmap} gave. */
  readonly view: (address: bigint, sizeBytes: number) => ArrayBuffer;
}

let loaded: Libc | undefined;

/**
 * The C library, loaded with the first call. This is the one place where foreign functions are declared, since a wrong
 * declaration corrupts memory.
 * @throws PLATFORM_UNSUPPORTED
 */
export function libc(): Libc {
  loaded ??= load();
  return loaded;
}

/** True where calling costs no loading any more. */
export function isLibcLoaded(): boolean {
  return loaded !== undefined;
}

/** The error where system calls, or one of them, cannot be made here. */
export function unsupported(reason: string): VirtstatError {
  return new VirtstatError('PLATFORM_UNSUPPORTED', `${reason}; use a qmp+unix: source instead`);
}

type Koffi = typeof import('koffi');

/** Machines whose native part is loaded straight away, by Node's names. */
const NATIVE: Readonly<Record<string, string>> = { x64: 'linux_x64', arm64: 'linux_arm64' };

/**
 * The native part alone where it is where it should be: the package around it finds out which one the platform needs, and takes
 * five times as long to load as the rest.
 */
function loadKoffi(): Koffi {
  const require = createRequire(import.meta.url);
  const { arch } = process;
  try {
    return require(`@koromix/koffi-linux-${arch}/${NATIVE[arch]}/koffi.node`) as Koffi;
  } catch {
    return require('koffi') as Koffi;
  }
}

function load(): Libc {
  if (process.platform !== 'linux') throw unsupported(`there are no pidfds on ${process.platform}`);
  try {
    const koffi = loadKoffi();
    const library = koffi.load(null);
    const names = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));
    return {
      syscall: library.func('long syscall(long number, ...)'),
      pread: library.func('intptr_t pread64(int fd, void *into, size_t size, int64_t offset)'),
      poll: library.func('int poll(void *entries, unsigned long count, int timeout)'),
      ioctl: library.func('int ioctl(int fd, unsigned long request, ...)'),
      ioctlOfNumber: library.func('int ioctl(int fd, unsigned long request, unsigned long argument)') as never,
      mmap: library.func('void *mmap(void *addr, size_t length, int prot, int flags, int fd, long offset)'),
      socket: library.func('int socket(int domain, int type, int protocol)'),
      sendto: library.func(
        'intptr_t sendto(int fd, void *bytes, size_t size, int flags, void *address, uint32_t address_size)',
      ),
      getsockopt: library.func('int getsockopt(int fd, int level, int option, void *into, void *size)'),
      flock: library.func('int flock(int fd, int operation)'),
      clockGettime: library.func('int clock_gettime(int clock, void *into)'),
      getpwnam: library.func('void *getpwnam(const char *name)'),
      getgrnam: library.func('void *getgrnam(const char *name)'),
      uint32At: (pointer, offsetBytes) => koffi.decode(pointer, offsetBytes, 'uint32_t'),
      errorName: () => names.get(koffi.errno()) ?? `errno ${koffi.errno()}`,
      view: (address, sizeBytes) => koffi.view(address, sizeBytes),
    };
  } catch (error) {
    throw VirtstatError.from(
      error,
      'PLATFORM_UNSUPPORTED',
      'system calls cannot be made; install virtstat with its optional packages for this platform',
    );
  }
}
