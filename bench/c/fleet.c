/*
 * fleet DOMAINS VCPUS: starts that many processes that look like QEMU, each of which makes a VM of that many vCPUs and keeps
 * the stats file of every vCPU open, as QEMU does from 8.1 on. Says so in one line of JSON, and holds everything until its
 * input ends. The vCPUs never run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef KVM_GET_STATS_FD
#define KVM_GET_STATS_FD _IO(KVMIO, 0xce)
#endif

#define PROGRAM "qemu-system-x86_64"

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

/* What a QEMU process of the fleet is: argv is PROGRAM -name NAME -smp VCPUS. One byte on its output says that it is ready. */
static int be_vmm(char **argv) {
  int vcpus = atoi(argv[4]);
  int kvm = check(open("/dev/kvm", O_RDWR | O_CLOEXEC), "open /dev/kvm");
  int vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  for (int id = 0; id < vcpus; id++) {
    int vcpu = check(ioctl(vm, KVM_CREATE_VCPU, id), "KVM_CREATE_VCPU");
    check(ioctl(vcpu, KVM_GET_STATS_FD, 0), "KVM_GET_STATS_FD");
  }
  check(write(STDOUT_FILENO, "r", 1), "write");
  wait_for_end_of_input();
  return 0;
}

/* The input of a VMM ends with this process, however that ends: it alone holds the other end. */
static void start_vmm(int number, char *vcpus, int input, int output) {
  char name[32];
  snprintf(name, sizeof name, "fleet-%d", number);
  if (check(fork(), "fork") > 0) return;
  check(dup2(input, STDIN_FILENO), "dup2");
  check(dup2(output, STDOUT_FILENO), "dup2");
  execl("/proc/self/exe", PROGRAM, "-name", name, "-smp", vcpus, (char *)NULL);
  check(-1, "exec");
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[0], PROGRAM) == 0) return be_vmm(argv);
  int domains = argc == 3 ? atoi(argv[1]) : 0;
  if (domains <= 0) {
    fputs("usage: fleet DOMAINS VCPUS\n", stderr);
    return 2;
  }
  int life[2];
  int ready[2];
  check(pipe2(life, O_CLOEXEC), "pipe");
  check(pipe2(ready, O_CLOEXEC), "pipe");
  for (int number = 0; number < domains; number++) start_vmm(number, argv[2], life[0], ready[1]);
  close(ready[1]);
  for (int number = 0; number < domains; number++) {
    char byte;
    if (read(ready[0], &byte, 1) == 1) continue;
    fputs("fleet: a VMM did not start\n", stderr);
    return 1;
  }
  printf("{\"pid\":%d,\"domains\":%d,\"vcpus\":%s}\n", getpid(), domains, argv[2]);
  fflush(stdout);
  wait_for_end_of_input();
  return 0;
}
