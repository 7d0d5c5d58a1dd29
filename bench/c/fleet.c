/*
 * fleet DOMAINS VCPUS OTHERS [CAPTURE]: starts that many processes that look like QEMU, and others that do not. Says so in one
 * line of JSON, and holds everything until its input ends.
 *
 * Each of the former makes a VM, each vCPU in a thread of its own that is named as QEMU names it, and keeps the stats file of
 * every vCPU open, as QEMU does from 8.1 on. The vCPUs never run, but their threads wake up once a second.
 *
 * With CAPTURE, a captured stats file of a vCPU, there is no KVM. A VMM then holds memfds of the captured bytes, with an id of
 * their own, that are named as the kernel names KVM's files (kvm-names.c has readers see them so), and each thread lets the
 * values of its file grow when it wakes up: whoever reads finds that all that counts has changed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef KVM_GET_STATS_FD
#define KVM_GET_STATS_FD _IO(KVMIO, 0xce)
#endif

#define PROGRAM "qemu-system-x86_64"
#define OTHER "other"
#define STACK_BYTES 65536
#define WAKE_US 1000000

/* Descriptors of a VMM that are not KVM's: of devices, sockets and the event loop. */
#define PLAIN_FDS 48

struct vcpu {
  int id;
  /* -1 where CAPTURE is given. */
  int vm;
  const char *capture;
  pthread_barrier_t *ready;
};

static int check(int result, const char *call) {
  if (result >= 0) return result;
  fprintf(stderr, "fleet: %s: %s\n", call, strerror(errno));
  exit(1);
}

static void wait_for_end_of_input(void) {
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
}

static int named(const char *name) {
  return check(memfd_create(name, MFD_CLOEXEC), "memfd_create");
}

/* The captured file with the id that the kernel would give to this vCPU; its bytes, shared with whoever has the file. */
static char *stats_file(const struct vcpu *vcpu) {
  char name[64];
  snprintf(name, sizeof name, "anon_inode:kvm-vcpu:%d", vcpu->id);
  named(name);
  int from = check(open(vcpu->capture, O_RDONLY | O_CLOEXEC), "open the capture");
  struct stat status;
  check(fstat(from, &status), "fstat");
  snprintf(name, sizeof name, "anon_inode:kvm-vcpu-stats:%d", vcpu->id);
  int to = named(name);
  check(ftruncate(to, status.st_size), "ftruncate");
  char *bytes = mmap(NULL, status.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, to, 0);
  if (bytes == MAP_FAILED) check(-1, "mmap");
  if (read(from, bytes, status.st_size) != status.st_size) check(-1, "read the capture");
  close(from);
  const struct kvm_stats_header *header = (const void *)bytes;
  snprintf(bytes + header->id_offset, header->name_size, "kvm-%d/vcpu-%d", gettid(), vcpu->id);
  return bytes;
}

/* Everything that counts and has ever counted goes on. */
static void grow(char *bytes) {
  const struct kvm_stats_header *header = (const void *)bytes;
  const char *descriptor = bytes + header->desc_offset;
  for (uint32_t i = 0; i < header->num_desc; i++, descriptor += sizeof(struct kvm_stats_desc) + header->name_size) {
    const struct kvm_stats_desc *desc = (const void *)descriptor;
    uint32_t type = desc->flags & KVM_STATS_TYPE_MASK;
    if (type == KVM_STATS_TYPE_INSTANT || type == KVM_STATS_TYPE_PEAK) continue;
    uint64_t *values = (void *)(bytes + header->data_offset + desc->offset);
    for (uint32_t k = 0; k < desc->size; k++) values[k] += values[k] == 0 ? 0 : 1 + values[k] / 1024;
  }
}

static void *run_vcpu(void *argument) {
  const struct vcpu *vcpu = argument;
  char name[16];
  snprintf(name, sizeof name, "CPU %d/KVM", vcpu->id);
  pthread_setname_np(pthread_self(), name);
  char *bytes = NULL;
  if (vcpu->vm < 0) bytes = stats_file(vcpu);
  else check(ioctl(check(ioctl(vcpu->vm, KVM_CREATE_VCPU, vcpu->id), "KVM_CREATE_VCPU"), KVM_GET_STATS_FD, 0), "KVM_GET_STATS_FD");
  pthread_barrier_wait(vcpu->ready);
  while (usleep(WAKE_US) == 0) {
    if (bytes != NULL) grow(bytes);
  }
  return NULL;
}

/* What a QEMU process of the fleet is: argv is PROGRAM -name NAME -smp VCPUS [CAPTURE]. One byte on its output: it is ready. */
static int be_vmm(int argc, char **argv) {
  int vcpus = atoi(argv[4]);
  const char *capture = argc > 5 ? argv[5] : NULL;
  for (int i = 0; i < PLAIN_FDS; i++) check(eventfd(0, EFD_CLOEXEC), "eventfd");
  int vm = -1;
  if (capture != NULL) named("anon_inode:kvm-vm");
  else vm = check(ioctl(check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "open /dev/kvm"), KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  pthread_barrier_t ready;
  pthread_barrier_init(&ready, NULL, vcpus + 1);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  struct vcpu all[vcpus];
  for (int id = 0; id < vcpus; id++) {
    all[id] = (struct vcpu){ id, vm, capture, &ready };
    pthread_t thread;
    errno = pthread_create(&thread, &attributes, run_vcpu, &all[id]);
    if (errno != 0) check(-1, "pthread_create");
  }
  pthread_barrier_wait(&ready);
  check(write(STDOUT_FILENO, "r", 1), "write");
  wait_for_end_of_input();
  exit(0);
}

/* Something else that runs on the host. */
static int be_other(void) {
  check(write(STDOUT_FILENO, "r", 1), "write");
  wait_for_end_of_input();
  return 0;
}

/* The input of a child ends with this process, however that ends: it alone holds the other end. */
static void start(char *const *argv, int input, int output) {
  if (check(fork(), "fork") > 0) return;
  check(dup2(input, STDIN_FILENO), "dup2");
  check(dup2(output, STDOUT_FILENO), "dup2");
  execv("/proc/self/exe", argv);
  check(-1, "exec");
}

int main(int argc, char **argv) {
  if (strcmp(argv[0], PROGRAM) == 0) return be_vmm(argc, argv);
  if (strcmp(argv[0], OTHER) == 0) return be_other();
  int domains = argc == 4 || argc == 5 ? atoi(argv[1]) : 0;
  if (domains <= 0) {
    fputs("usage: fleet DOMAINS VCPUS OTHERS [CAPTURE]\n", stderr);
    return 2;
  }
  int others = atoi(argv[3]);
  int life[2];
  int ready[2];
  check(pipe2(life, O_CLOEXEC), "pipe");
  check(pipe2(ready, O_CLOEXEC), "pipe");
  for (int number = 0; number < domains; number++) {
    char name[48];
    snprintf(name, sizeof name, "guest=fleet-%d,debug-threads=on", number);
    start((char *[]){ PROGRAM, "-name", name, "-smp", argv[2], argv[4], NULL }, life[0], ready[1]);
  }
  for (int number = 0; number < others; number++) start((char *[]){ OTHER, NULL }, life[0], ready[1]);
  close(ready[1]);
  for (int number = 0; number < domains + others; number++) {
    char byte;
    if (read(ready[0], &byte, 1) == 1) continue;
    fputs("fleet: a process did not start\n", stderr);
    return 1;
  }
  printf("{\"pid\":%d,\"domains\":%d,\"vcpus\":%s}\n", getpid(), domains, argv[2]);
  fflush(stdout);
  wait_for_end_of_input();
  return 0;
}
