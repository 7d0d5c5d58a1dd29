/*
 * proc-loop SWEEPS PID FILE...: opens the files, asks for the CPU time of the process and reads every file, again and
 * again, with nothing else: what no reader of the same figures can do better. Prints one line of JSON: the CPU time of one
 * sweep in nanoseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096

static void fail(const char *what) {
  fprintf(stderr, "proc-loop: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

int main(int argc, char **argv) {
  int sweeps = argc > 3 ? atoi(argv[1]) : 0;
  if (sweeps <= 0) {
    fputs("usage: proc-loop SWEEPS PID FILE...\n", stderr);
    return 2;
  }
  clockid_t clock;
  if (clock_getcpuclockid(atoi(argv[2]), &clock) != 0) fail("clock_getcpuclockid");
  int count = argc - 3;
  int *files = calloc(count, sizeof *files);
  for (int i = 0; i < count; i++) {
    files[i] = open(argv[i + 3], O_RDONLY);
    if (files[i] < 0) fail(argv[i + 3]);
  }
  char page[PAGE];
  double start = 0;
  /* One sweep before the clock starts. */
  for (int sweep = -1; sweep < sweeps; sweep++) {
    if (sweep == 0) start = cpu_ns();
    struct timespec used;
    if (clock_gettime(clock, &used) != 0) fail("clock_gettime");
    for (int i = 0; i < count; i++) {
      if (pread(files[i], page, PAGE, 0) < 0) fail(argv[i + 3]);
    }
  }
  printf("{\"files\":%d,\"nsPerSweep\":%.1f}\n", count, (cpu_ns() - start) / sweeps);
  return 0;
}
