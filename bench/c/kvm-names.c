/*
 * Loaded into a reader with LD_PRELOAD, on machines without KVM: a memfd that is named as the kernel names KVM's descriptors
 * (fleet.c makes such) looks to it as they do. Nothing else of what it reads, or pays for it, is another.
 *
 *   /memfd:anon_inode:kvm-vcpu-stats:0 (deleted)   ->   anon_inode:kvm-vcpu-stats:0
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/types.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BEFORE "/memfd:"
#define NAME "anon_inode:kvm-"
#define AFTER " (deleted)"

ssize_t readlink(const char *path, char *link, size_t size_bytes) {
  ssize_t length = syscall(SYS_readlink, path, link, size_bytes);
  const ssize_t before = sizeof BEFORE - 1, after = sizeof AFTER - 1;
  if (length <= before + after || memcmp(link, BEFORE NAME, sizeof BEFORE NAME - 1) != 0) return length;
  memmove(link, link + before, length - before);
  return length - before - after;
}
