// A wall's clock that a test sets: what the program adds up to it are the seconds in a file that is mapped.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *seconds;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("WALL_SET_BY");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *at = mmap(NULL, sizeof *seconds, PROT_READ, MAP_SHARED, file, 0);
  if (at != MAP_FAILED) seconds = at;
  close(file);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  long failed = syscall(SYS_clock_gettime, clock, time);
  if (!failed && clock == CLOCK_REALTIME && seconds) time->tv_sec += *seconds;
  return (int)failed;
}
