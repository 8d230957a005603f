// A wall clock for one process, as a board has one: it begins at WALL_CLOCK_S (UTC) and may be set. By LD_PRELOAD.
// To who asks, the kernel calls its clock synchronised.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long long ahead_s;

static int real(clockid_t clock, struct timespec *now) {
    static int (*function)(clockid_t, struct timespec *);
    if (!function) {
        function = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    }
    return function(clock, now);
}

void set_wall_clock(long long utc_s) {
    struct timespec now;
    real(CLOCK_REALTIME, &now);
    ahead_s = utc_s - now.tv_sec;
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("WALL_CLOCK_S");
    if (text) {
        set_wall_clock(atoll(text));
    }
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = real(clock, now);
    if (clock == CLOCK_REALTIME) {
        now->tv_sec += ahead_s;
    }
    return result;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) {
        *where = now.tv_sec;
    }
    return now.tv_sec;
}

int gettimeofday(struct timeval *where, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    where->tv_sec = now.tv_sec;
    where->tv_usec = now.tv_nsec / 1000;
    return 0;
}

int adjtimex(void *timex) {
    // struct timex of adjtimex(2): status stands behind five long words (time.h's alignment), 0 is synchronised.
    *(int *)((char *)timex + 5 * sizeof(long)) = 0;
    return 0;
}
