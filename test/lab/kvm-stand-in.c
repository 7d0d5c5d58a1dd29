/*
 * A stand-in for /dev/kvm, loaded into QEMU with LD_PRELOAD on machines without KVM: QEMU builds a VM on it as on KVM, as long
 * as no vCPU has to run (-S), and reads statistics of the VM and its vCPUs from files that the environment names. All of
 * QEMU is real then, and only the kernel's part of a statistic is a captured one.
 *
 *   KVM_STAND_IN_VM, KVM_STAND_IN_VCPU: paths of captured stats files
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef KVM_GET_STATS_FD
#define KVM_GET_STATS_FD _IO(KVMIO, 0xce)
#endif
#ifndef KVM_CAP_BINARY_STATS_FD
#define KVM_CAP_BINARY_STATS_FD 203
#endif

/* What QEMU maps of a vCPU: struct kvm_run and two pages beside it. */
#define RUN_BYTES 12288
#define MAX_FDS 65536
#define IDLE_US 100000

enum kind { NOT_OURS, SYSTEM, VM, VCPU };
static unsigned char kinds[MAX_FDS];

static void *next(const char *name) {
  return dlsym(RTLD_NEXT, name);
}

/* A descriptor that can be mapped, as QEMU does with one of a vCPU. */
static int make(enum kind kind) {
  int fd = memfd_create("kvm-stand-in", MFD_CLOEXEC);
  if (fd < 0 || fd >= MAX_FDS || ftruncate(fd, RUN_BYTES) < 0) return -1;
  kinds[fd] = kind;
  return fd;
}

static int open_next(const char *path, int flags, mode_t mode) {
  static int (*call)(const char *, int, ...);
  if (call == NULL) call = next("open64");
  return call(path, flags, mode);
}

static int open_any(const char *path, int flags, mode_t mode) {
  return strcmp(path, "/dev/kvm") == 0 ? make(SYSTEM) : open_next(path, flags, mode);
}

#define OPEN(name)                         \
  int name(const char *path, int flags, ...) { \
    va_list rest;                          \
    va_start(rest, flags);                 \
    mode_t mode = va_arg(rest, mode_t);    \
    va_end(rest);                          \
    return open_any(path, flags, mode);    \
  }
/* Declared without their real parameters: the headers mark them as never NULL, and fortified. */
OPEN(open)
OPEN(open64)
OPEN(__open64_2)

int close(int fd) {
  static int (*call)(int);
  if (call == NULL) call = next("close");
  if (fd >= 0 && fd < MAX_FDS) kinds[fd] = NOT_OURS;
  return call(fd);
}

/* Each file is a new one, as the kernel's are. */
static int stats_file(enum kind kind) {
  const char *path = getenv(kind == VM ? "KVM_STAND_IN_VM" : "KVM_STAND_IN_VCPU");
  int from = path == NULL ? -1 : open_next(path, 0, 0);
  int to = from < 0 ? -1 : memfd_create("kvm-stand-in-stats", MFD_CLOEXEC);
  char block[8192];
  for (ssize_t count = 1; to >= 0 && count > 0;) {
    count = read(from, block, sizeof block);
    if (count > 0 && write(to, block, (size_t)count) != count) count = -1;
  }
  if (from >= 0) close(from);
  if (to >= 0) lseek(to, 0, SEEK_SET);
  else errno = EINVAL;
  return to;
}

/* What QEMU cannot do without, and nothing that it could want more of. */
static int capability(long number) {
  switch (number) {
  case KVM_CAP_USER_MEMORY:
  case KVM_CAP_DESTROY_MEMORY_REGION_WORKS:
  case KVM_CAP_JOIN_MEMORY_REGIONS_WORKS:
  case KVM_CAP_SET_TSS_ADDR:
  case KVM_CAP_SET_IDENTITY_MAP_ADDR:
  case KVM_CAP_EXT_CPUID:
  case KVM_CAP_MP_STATE:
  case KVM_CAP_SYNC_MMU:
  case KVM_CAP_INTERNAL_ERROR_DATA:
  case KVM_CAP_X86_ROBUST_SINGLESTEP:
  case KVM_CAP_MCE:
  case KVM_CAP_IMMEDIATE_EXIT:
  case KVM_CAP_VCPU_EVENTS:
  case KVM_CAP_DEBUGREGS:
  case KVM_CAP_XSAVE:
  case KVM_CAP_XCRS:
  case KVM_CAP_IRQCHIP:
  case KVM_CAP_PIT2:
  case KVM_CAP_PIT_STATE2:
  case KVM_CAP_IRQFD:
  case KVM_CAP_IOEVENTFD:
  case KVM_CAP_IOEVENTFD_ANY_LENGTH:
  case KVM_CAP_READONLY_MEM:
  case KVM_CAP_SIGNAL_MSI:
  case KVM_CAP_ADJUST_CLOCK:
  case KVM_CAP_BINARY_STATS_FD:
    return 1;
  case KVM_CAP_NR_VCPUS:
  case KVM_CAP_MAX_VCPUS:
  case KVM_CAP_MAX_VCPU_ID:
    return 1024;
  case KVM_CAP_IRQ_ROUTING:
    return 4096;
  case KVM_CAP_NR_MEMSLOTS:
    return 512;
  default:
    return 0;
  }
}

/* Registers of a vCPU that never ran. */
static int zeroes(void *into, size_t size_bytes) {
  memset(into, 0, size_bytes);
  return 0;
}

static int answer(enum kind kind, unsigned request, void *argument) {
  switch (request) {
  case KVM_GET_API_VERSION: return KVM_API_VERSION;
  case KVM_CHECK_EXTENSION: return capability((long)argument);
  case KVM_GET_VCPU_MMAP_SIZE: return RUN_BYTES;
  case KVM_CREATE_VM: return make(VM);
  case KVM_CREATE_VCPU: return make(VCPU);
  case KVM_GET_STATS_FD: return stats_file(kind);
  case KVM_RUN:
    usleep(IDLE_US);
    errno = EINTR;
    return -1;
  case KVM_GET_SUPPORTED_CPUID: ((struct kvm_cpuid2 *)argument)->nent = 0; return 0;
  case KVM_GET_MSR_INDEX_LIST: ((struct kvm_msr_list *)argument)->nmsrs = 0; return 0;
  case KVM_GET_MSRS:
  case KVM_SET_MSRS: return (int)((struct kvm_msrs *)argument)->nmsrs;
  case KVM_GET_REGS: return zeroes(argument, sizeof(struct kvm_regs));
  case KVM_GET_SREGS: return zeroes(argument, sizeof(struct kvm_sregs));
  case KVM_GET_FPU: return zeroes(argument, sizeof(struct kvm_fpu));
  case KVM_GET_MP_STATE: return zeroes(argument, sizeof(struct kvm_mp_state));
  case KVM_X86_GET_MCE_CAP_SUPPORTED: return zeroes(argument, sizeof(__u64));
  case KVM_GET_PIT2: return zeroes(argument, sizeof(struct kvm_pit_state2));
  case KVM_GET_LAPIC: return zeroes(argument, sizeof(struct kvm_lapic_state));
  case KVM_GET_VCPU_EVENTS: return zeroes(argument, sizeof(struct kvm_vcpu_events));
  case KVM_GET_DEBUGREGS: return zeroes(argument, sizeof(struct kvm_debugregs));
  case KVM_GET_XSAVE: return zeroes(argument, sizeof(struct kvm_xsave));
  case KVM_GET_XCRS: return zeroes(argument, sizeof(struct kvm_xcrs));
  case KVM_GET_CLOCK: return zeroes(argument, sizeof(struct kvm_clock_data));
  default: return 0;
  }
}

int ioctl(int fd, unsigned long request, ...) {
  static int (*call)(int, unsigned long, ...);
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  if (call == NULL) call = next("ioctl");
  /* QEMU passes the request as an int, which may be negative. */
  if (fd >= 0 && fd < MAX_FDS && kinds[fd] != NOT_OURS) return answer(kinds[fd], (unsigned)request, argument);
  return call(fd, request, argument);
}
