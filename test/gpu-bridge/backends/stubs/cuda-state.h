/* What the driver of cuda.c keeps: contexts, modules, streams, device memory, and how much of each is left. */
#ifndef CUDA_STATE_H
#define CUDA_STATE_H

#include <stdint.h>
#include "stub.h"

typedef unsigned u32;
typedef uint64_t u64;

enum {
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_CONTEXT = 201,
    INVALID_PTX = 218,
    INVALID_HANDLE = 400,
    WOULD_WAIT = 401,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700
};

struct context {
    int alive, device, broken;
};
struct kernel {
    const char *name;
    int wide, narrow;
    struct module *module;
};
struct module {
    int alive;
    struct context *context;
    char *ptx;
    struct kernel vadd, matmul;
};
struct stream {
    int alive;
    struct context *context;
    const struct kernel *running;
    long polls;
    u32 grid[3], block[3];
    u64 pointers[3];
    u32 numbers[3];
};
struct memory {
    struct context *context;
    unsigned char *bytes;
    size_t size;
};

enum { CONTEXTS = 256, MODULES = 256, STREAMS = 4096, MEMORIES = 256, STACK = 16 };
static struct context contexts[CONTEXTS];
static struct module modules[MODULES];
static struct stream streams[STREAMS];
static struct memory memories[MEMORIES];
static int initialised, orphans, waits;
static __thread struct context *stack[STACK];
static __thread int depth;

static int work_of(const struct context *context)
{
    int count = 0;
    for (int i = 0; i < STREAMS; i++) count += streams[i].alive && (!context || streams[i].context == context);
    for (int i = 0; i < MEMORIES; i++) count += memories[i].bytes && (!context || memories[i].context == context);
    return count;
}

/* Streams and memory that are not given back. */
EXPORT int stub_live_work(void)
{
    return work_of(NULL);
}

EXPORT int stub_live(void)
{
    int count = work_of(NULL);
    for (int i = 0; i < CONTEXTS; i++) count += contexts[i].alive;
    for (int i = 0; i < MODULES; i++) count += modules[i].alive;
    return count;
}

/* Streams and memory that went with their context. */
EXPORT int stub_orphans(void)
{
    return orphans;
}

/* Calls that waited for a kernel, or would have for ever. */
EXPORT int stub_waits(void)
{
    return waits;
}

EXPORT int stub_current(void)
{
    return depth;
}

static void forget(struct context *context)
{
    for (int i = 0; i < STREAMS; i++)
        if (streams[i].context == context) memset(&streams[i], 0, sizeof streams[i]);
    for (int i = 0; i < MEMORIES; i++) {
        if (memories[i].context != context) continue;
        free(memories[i].bytes);
        memset(&memories[i], 0, sizeof memories[i]);
    }
    for (int i = 0; i < MODULES; i++) {
        if (modules[i].context != context) continue;
        free(modules[i].ptx);
        memset(&modules[i], 0, sizeof modules[i]);
    }
    context->alive = 0;
}

EXPORT int stub_reset(void)
{
    for (int i = 0; i < CONTEXTS; i++)
        if (contexts[i].alive) forget(&contexts[i]);
    memset(contexts, 0, sizeof contexts);
    stub_calls = orphans = waits = depth = initialised = 0;
    return 0;
}

static int cuda_gpus(void)
{
    return (int)stub_setting("COHESIX_STUB_CUDA_GPUS", stub_gpus());
}

static int known_context(const struct context *context)
{
    return context >= contexts && context < contexts + CONTEXTS && context->alive;
}

static int known_stream(const struct stream *stream)
{
    return stream >= streams && stream < streams + STREAMS && stream->alive && stream->context == stack[depth - 1];
}

/* The memory of the current context that these bytes lie in, or NULL. */
static struct memory *memory_at(u64 at, size_t size)
{
    for (int i = 0; i < MEMORIES; i++) {
        struct memory *memory = &memories[i];
        u64 start = (u64)(uintptr_t)memory->bytes;
        if (!memory->bytes || at < start || at - start > memory->size || size > memory->size - (at - start)) continue;
        return memory->context == stack[depth - 1] ? memory : NULL;
    }
    return NULL;
}

#endif
