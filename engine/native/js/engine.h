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

enum { ENGINE_TEXT = 8192 };

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
/* An exception as text with TypeScript positions; valid until the next call. Leaves no exception pending. */
const char *engine_describe(JSContext *context, JSValueConst error);
_Noreturn __attribute__((format(printf, 1, 2))) void engine_halt(const char *format, ...);

/* Defines the global `host`. Returns -1 with an exception pending if there is no memory for it. */
int bindings_install(JSContext *context);
