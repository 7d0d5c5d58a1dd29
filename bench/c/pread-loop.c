/*
 * pread-loop PID SWEEPS: shares every vCPU stats file of that process and reads the data block of each one, again and
 * again, with nothing else: what no reader can do better. Prints one line of JSON: how many files, and the CPU time of one
 * read in nanoseconds.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PIDFD_OPEN 434
#define PIDFD_GETFD 438
#define MAX_FILES 65536

struct file {
  int fd;
  size_t size;
  off_t offset;
  char *data;
};

static void fail(const char *call) {
  fprintf(stderr, "pread-loop: %s: %s\n", call, strerror(errno));
  exit(1);
}

static double cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

/* The end of the last value is the end of the block. */
static void prepare(struct file *file) {
  struct kvm_stats_header header;
  if (pread(file->fd, &header, sizeof header, 0) != sizeof header) fail("header");
  size_t stride = sizeof(struct kvm_stats_desc) + header.name_size;
  char *table = malloc(stride * header.num_desc);
  if (pread(file->fd, table, stride * header.num_desc, header.desc_offset) < 0) fail("descriptors");
  for (uint32_t i = 0; i < header.num_desc; i++) {
    const struct kvm_stats_desc *desc = (const void *)(table + i * stride);
    size_t end = desc->offset + 8ul * desc->size;
    if (end > file->size) file->size = end;
  }
  free(table);
  file->offset = header.data_offset;
  file->data = malloc(file->size);
}

static int share_all(int pid, struct file *files) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  int pidfd = syscall(PIDFD_OPEN, pid, 0);
  if (pidfd < 0) fail("pidfd_open");
  char folder[64];
  snprintf(folder, sizeof folder, "/proc/%d/fd", pid);
  DIR *dir = opendir(folder);
  if (!dir) fail(folder);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(dir)) && count < MAX_FILES;) {
    char link[64] = "";
    if (readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1) < 0) continue;
    if (!strstr(link, "kvm-vcpu-stats:")) continue;
    files[count].fd = syscall(PIDFD_GETFD, pidfd, atoi(entry->d_name), 0);
    if (files[count].fd < 0) fail("pidfd_getfd");
    prepare(&files[count++]);
  }
  closedir(dir);
  return count;
}

int main(int argc, char **argv) {
  int sweeps = argc == 3 ? atoi(argv[2]) : 0;
  if (sweeps <= 0) {
    fputs("usage: pread-loop PID SWEEPS\n", stderr);
    return 2;
  }
  struct file *files = calloc(MAX_FILES, sizeof *files);
  int count = share_all(atoi(argv[1]), files);
  double start = 0;
  /* One sweep before the clock starts: the first touches memory that is not there yet. */
  for (int sweep = -1; sweep < sweeps; sweep++) {
    if (sweep == 0) start = cpu_ns();
    for (int i = 0; i < count; i++) {
      if (pread(files[i].fd, files[i].data, files[i].size, files[i].offset) < 0) fail("pread");
    }
  }
  printf("{\"files\":%d,\"nsPerFile\":%.1f}\n", count, (cpu_ns() - start) / sweeps / count);
  return 0;
}
