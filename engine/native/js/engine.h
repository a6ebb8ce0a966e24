/*
 * The one engine of the machine: what its loop and its host functions share. It all lives and dies with a
 * runtime, except the counters, which go on over a restart.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "heap.h"
#include "platform.h"
#include "quickjs.h"
#include "rootfs.h"

struct engine {
    struct heap *heap;
    JSRuntime *runtime;
    JSContext *context;
    uint32_t restarts;
    uint64_t gc_runs, gc_longest_us, jobs_deferred;
};

extern struct engine engine;

/* Runs the bundle for ever; ends only in platform_halt(). */
int engine_main(void);
/* Collects cycles; returns the microseconds it took. */
uint64_t engine_collect(void);
_Noreturn __attribute__((format(printf, 1, 2))) void engine_halt(const char *format, ...);
