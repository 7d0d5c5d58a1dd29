/*
 * fleet-loop SWEEPS BYTES: does once a second, and nothing else, what a reader of all vCPUs of this pid namespace cannot do
 * without: reads every stats file that the processes called qemu-system-x86_64 hold, reads schedstat, status and stat of the
 * threads that run their vCPUs, and sends BYTES through a unix socket to a process that takes them. Prints one line of JSON:
 * how many files, and the CPU time of it all in percent of the time that passed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM "qemu-system-x86_64"
#define PIDFD_OPEN 434
#define PIDFD_GETFD 438
#define MAX_FILES 65536
#define READ_BYTES 4096

static int files[MAX_FILES];
static int count;
static char buffer[1 << 24];

static int check(int result, const char *call) {
  if (result >= 0) return result;
  fprintf(stderr, "fleet-loop: %s: %s\n", call, strerror(errno));
  exit(1);
}

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec + now.tv_nsec / 1e9;
}

static void keep(int fd) {
  if (count == MAX_FILES) exit(1);
  files[count++] = fd;
}

static int is_vcpu(const char *task) {
  char path[700], name[32] = "";
  snprintf(path, sizeof path, "%s/comm", task);
  int fd = open(path, O_RDONLY);
  if (fd < 0) return 0;
  ssize_t length = read(fd, name, sizeof name - 1);
  close(fd);
  return length > 4 && strncmp(name, "CPU ", 4) == 0;
}

static void open_vmm(int pid) {
  char folder[64], path[600], link[128];
  int pidfd = check(syscall(PIDFD_OPEN, pid, 0), "pidfd_open");
  snprintf(folder, sizeof folder, "/proc/%d/fd", pid);
  DIR *fds = opendir(folder);
  for (struct dirent *entry; (entry = readdir(fds));) {
    ssize_t length = readlinkat(dirfd(fds), entry->d_name, link, sizeof link - 1);
    link[length < 0 ? 0 : length] = 0;
    if (strstr(link, "anon_inode:kvm-vcpu-stats:")) keep(check(syscall(PIDFD_GETFD, pidfd, atoi(entry->d_name), 0), "pidfd_getfd"));
  }
  closedir(fds);
  close(pidfd);
  snprintf(folder, sizeof folder, "/proc/%d/task", pid);
  DIR *tasks = opendir(folder);
  for (struct dirent *entry; (entry = readdir(tasks));) {
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    if (entry->d_name[0] == '.' || !is_vcpu(path)) continue;
    const char *names[] = { "schedstat", "status", "stat" };
    for (int i = 0; i < 3; i++) {
      char file[640];
      snprintf(file, sizeof file, "%s/%s", path, names[i]);
      keep(check(open(file, O_RDONLY), file));
    }
  }
  closedir(tasks);
}

static void open_all(void) {
  DIR *proc = opendir("/proc");
  for (struct dirent *entry; (entry = readdir(proc));) {
    char path[300], line[64] = "";
    if (atoi(entry->d_name) <= 0) continue;
    snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
    int fd = open(path, O_RDONLY);
    if (fd < 0) continue;
    if (read(fd, line, sizeof line - 1) > 0 && strcmp(line, PROGRAM) == 0) open_vmm(atoi(entry->d_name));
    close(fd);
  }
  closedir(proc);
}

static int start_taker(void) {
  int pair[2];
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
  if (check(fork(), "fork") > 0) {
    close(pair[1]);
    return pair[0];
  }
  close(pair[0]);
  while (read(pair[1], buffer, 65536) > 0) {
  }
  exit(0);
}

int main(int argc, char **argv) {
  int sweeps = argc == 3 ? atoi(argv[1]) : 0;
  size_t bytes = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
  if (sweeps <= 0 || bytes > sizeof buffer) {
    fputs("usage: fleet-loop SWEEPS BYTES\n", stderr);
    return 2;
  }
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  int taker = start_taker();
  open_all();
  double start = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_PROCESS_CPUTIME_ID);
  for (int sweep = 0; sweep < sweeps; sweep++) {
    for (int i = 0; i < count; i++) check(pread(files[i], buffer, READ_BYTES, 0), "pread");
    for (size_t sent = 0; sent < bytes;) sent += check(write(taker, buffer + sent, bytes - sent), "write");
    usleep(1000000);
  }
  used = seconds(CLOCK_PROCESS_CPUTIME_ID) - used;
  printf("{\"files\":%d,\"percent\":%.3f}\n", count, 100 * used / (seconds(CLOCK_MONOTONIC) - start));
  return 0;
}
