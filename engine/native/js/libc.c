/*
 * What picolibc and QuickJS expect of a system below them: output on the debug console, an abrupt end,
 * a clock that counts from the machine's start, and UTC as local time. No allocator: the heap is heap.c.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

#include "platform.h"

static int put(char character, FILE *stream)
{
    static char line[120];
    static size_t used;

    line[used++] = character;
    if (character == '\n' || used == sizeof(line)) {
        platform_console_write(line, used);
        used = 0;
    }
    return (unsigned char)character;
}

static FILE console = FDEV_SETUP_STREAM(put, NULL, NULL, _FDEV_SETUP_WRITE);

FILE *const stdout = &console;
FILE *const stderr = &console;

_Noreturn void abort(void)
{
    platform_halt("abort: the engine's state is inconsistent");
}

_Noreturn void __assert_func(const char *file, int line, const char *function, const char *expression)
{
    char reason[200];

    snprintf(reason, sizeof(reason), "%s:%d: %s: assertion failed: %s", file, line, function, expression);
    platform_halt(reason);
}

/* The fallback of QuickJS's growing buffers, when they are given no allocator. They always are: refuse. */
void *realloc(void *block, size_t size)
{
    return NULL;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    uint64_t now = platform_now_us();

    time->tv_sec = (time_t)(now / 1000000);
    time->tv_nsec = (long)(now % 1000000) * 1000;
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    uint64_t now = platform_now_us();

    time->tv_sec = (time_t)(now / 1000000);
    time->tv_usec = (suseconds_t)(now % 1000000);
    return 0;
}

struct tm *localtime_r(const time_t *restrict time, struct tm *restrict parts)
{
    struct tm *result = gmtime_r(time, parts);

    if (result) result->tm_gmtoff = 0;
    return result;
}
