/*
 * owner VMS VCPUS: creates that many VMs of that many vCPUs each, opens the stats file of every one of them, says so in
 * one line of JSON, and holds everything until its input ends. The vCPUs never run.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#ifndef KVM_GET_STATS_FD
#define KVM_GET_STATS_FD _IO(KVMIO, 0xce)
#endif

/* Descriptors for input, output, /dev/kvm and what libc needs. */
#define SPARE_FDS 32

static int check(int result, const char *call) {
  if (result >= 0) return result;
  fprintf(stderr, "owner: %s: %s\n", call, strerror(errno));
  exit(1);
}

static void allow_fds(rlim_t count) {
  struct rlimit limit;
  check(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
  if (limit.rlim_cur >= count) return;
  limit.rlim_cur = count;
  if (limit.rlim_max < count) limit.rlim_max = count;
  check(setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

int main(int argc, char **argv) {
  int vms = argc == 3 ? atoi(argv[1]) : 0;
  int vcpus = argc == 3 ? atoi(argv[2]) : -1;
  if (vms < 0 || vcpus < 0 || argc != 3) {
    fputs("usage: owner VMS VCPUS\n", stderr);
    return 2;
  }
  allow_fds((rlim_t)vms * (2 + 2 * (rlim_t)vcpus) + SPARE_FDS);
  int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "open /dev/kvm");
  for (int i = 0; i < vms; i++) {
    int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
    check(ioctl(vm, KVM_GET_STATS_FD, 0), "KVM_GET_STATS_FD");
    for (int id = 0; id < vcpus; id++) {
      int vcpu = check(ioctl(vm, KVM_CREATE_VCPU, id), "KVM_CREATE_VCPU");
      check(ioctl(vcpu, KVM_GET_STATS_FD, 0), "KVM_GET_STATS_FD");
    }
  }
  printf("{\"pid\":%d,\"vms\":%d,\"vcpus\":%d}\n", getpid(), vms, vcpus);
  fflush(stdout);
  char byte;
  while (read(STDIN_FILENO, &byte, 1) > 0) {
  }
  return 0;
}
