/*
 * A libcuda.so.1 for tests. Device memory is malloc'ed, both kernels are computed thread by thread of their grid once their stream
 * has been asked COHESIX_STUB_POLLS times (2; -1: never), every argument is checked as cuda.h states it, and what makes the
 * caller wait for a kernel is counted. Its GPUs are those of nvml.c in the opposite order, so an index is no identity.
 */
#include "cuda-state.h"

#define NEEDS_CONTEXT()                                                           \
    do {                                                                          \
        FAIL_IF_ASKED();                                                          \
        CHECK(depth > 0 && known_context(stack[depth - 1]), INVALID_CONTEXT);     \
        CHECK(!stack[depth - 1]->broken, stack[depth - 1]->broken);               \
    } while (0)

/* One thread of the grid. */
static void thread(const struct stream *s, u32 x, u32 y)
{
    const float *a = (const float *)(uintptr_t)s->pointers[0], *b = (const float *)(uintptr_t)s->pointers[1];
    float *c = (float *)(uintptr_t)s->pointers[2];
    if (s->running->narrow == 1) {
        if (x < s->numbers[0] && y == 0) c[x] = a[x] + b[x];
        return;
    }
    u32 m = s->numbers[0], k = s->numbers[1], n = s->numbers[2];
    if (x >= n || y >= m) return;
    float sum = 0;
    for (u32 i = 0; i < k; i++) sum += a[(size_t)y * k + i] * b[(size_t)i * n + x];
    c[(size_t)y * n + x] = sum;
}

static int compute(const struct stream *s)
{
    size_t m = s->numbers[0], k = s->numbers[1], n = s->numbers[2];
    size_t sizes[] = {4 * m * k, 4 * k * n, 4 * m * n};
    for (int i = 0; i < 3; i++) {
        size_t size = s->running->narrow == 1 ? 4 * m : sizes[i];
        if (!memory_at(s->pointers[i], size)) return ILLEGAL_ADDRESS;
    }
    for (u32 y = 0; y < s->grid[1] * s->block[1]; y++)
        for (u32 x = 0; x < s->grid[0] * s->block[0]; x++) thread(s, x, y);
    return 0;
}

/* What makes the caller wait for a kernel; one that never ends would keep it for ever, so that is refused. */
static int wait_for(struct stream *stream)
{
    if (!stream->running) return 0;
    waits++;
    if (stream->polls < 0) return WOULD_WAIT;
    int code = compute(stream);
    stream->running = NULL;
    if (code) stream->context->broken = code;
    return code;
}

#define WAITS_FOR(stream)                   \
    do {                                    \
        int waited_ = wait_for(stream);     \
        if (waited_) return waited_;        \
    } while (0)

EXPORT int cuInit(u32 flags)
{
    FAIL_IF_ASKED();
    CHECK(flags == 0, INVALID_VALUE);
    CHECK(cuda_gpus() > 0, NO_DEVICE);
    initialised = 1;
    return 0;
}

EXPORT int cuDeviceGetCount(int *count)
{
    FAIL_IF_ASKED();
    CHECK(initialised, NOT_INITIALIZED);
    CHECK(count, INVALID_VALUE);
    *count = cuda_gpus();
    return 0;
}

EXPORT int cuDeviceGet(int *device, int ordinal)
{
    FAIL_IF_ASKED();
    CHECK(initialised, NOT_INITIALIZED);
    CHECK(device, INVALID_VALUE);
    CHECK(ordinal >= 0 && ordinal < cuda_gpus(), INVALID_DEVICE);
    *device = ordinal;
    return 0;
}

EXPORT int cuDeviceGetUuid_v2(unsigned char *uuid, int device)
{
    static const unsigned char start[] = {0xc0, 0xff, 0xee, 0x00, 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc};
    FAIL_IF_ASKED();
    CHECK(uuid, INVALID_VALUE);
    CHECK(device >= 0 && device < cuda_gpus(), INVALID_DEVICE);
    memset(uuid, 0, 16);
    memcpy(uuid, start, sizeof start);
    uuid[15] = (unsigned char)(stub_gpus() - 1 - device);
    return 0;
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    static const int limits[] = {0, 1024, 1024, 1024, 64, 2147483647, 65535, 65535};
    FAIL_IF_ASKED();
    CHECK(value, INVALID_VALUE);
    CHECK(device >= 0 && device < cuda_gpus(), INVALID_DEVICE);
    CHECK((attribute >= 1 && attribute <= 7) || attribute == 16, INVALID_VALUE);
    *value = attribute == 16 ? 100 + stub_gpus() - 1 - device : limits[attribute];
    return 0;
}

EXPORT int cuCtxCreate_v2(struct context **context, u32 flags, int device)
{
    FAIL_IF_ASKED();
    CHECK(initialised, NOT_INITIALIZED);
    CHECK(context && (flags & ~0x1fu) == 0, INVALID_VALUE);
    CHECK(device >= 0 && device < cuda_gpus(), INVALID_DEVICE);
    for (int i = 0; i < CONTEXTS; i++) {
        if (contexts[i].alive) continue;
        contexts[i] = (struct context){.alive = 1, .device = device};
        CHECK(depth < STACK, OUT_OF_MEMORY);
        *context = stack[depth++] = &contexts[i];
        return 0;
    }
    return OUT_OF_MEMORY;
}

EXPORT int cuCtxDestroy_v2(struct context *context)
{
    FAIL_IF_ASKED();
    CHECK(known_context(context), INVALID_CONTEXT);
    for (int i = 0; i < STREAMS; i++)
        if (streams[i].context == context && !context->broken) WAITS_FOR(&streams[i]);
    orphans += work_of(context);
    forget(context);
    if (depth > 0 && stack[depth - 1] == context) depth--;
    return 0;
}

EXPORT int cuCtxPushCurrent_v2(struct context *context)
{
    FAIL_IF_ASKED();
    CHECK(known_context(context), INVALID_CONTEXT);
    CHECK(depth < STACK, INVALID_CONTEXT);
    stack[depth++] = context;
    return 0;
}

EXPORT int cuCtxPopCurrent_v2(struct context **context)
{
    CHECK(depth > 0, INVALID_CONTEXT);
    depth--;
    FAIL_IF_ASKED();
    if (context) *context = stack[depth];
    return 0;
}

/* Whether the module has this entry, with its pointers and numbers in this order. */
static int has_entry(const char *ptx, struct kernel *kernel)
{
    char entry[64];
    snprintf(entry, sizeof entry, ".visible .entry %s(", kernel->name);
    const char *at = strstr(ptx, entry);
    if (!at) return 0;
    const char *end = strchr(at, ')');
    int wide = 0, narrow = 0;
    for (at += strlen(entry); (at = strstr(at, ".param .u")) && at < end; at++) {
        if (!strncmp(at, ".param .u64", 11) && narrow == 0) wide++;
        else if (!strncmp(at, ".param .u32", 11)) narrow++;
        else return 0;
    }
    return wide == kernel->wide && narrow == kernel->narrow;
}

EXPORT int cuModuleLoadData(struct module **module, const char *ptx)
{
    NEEDS_CONTEXT();
    CHECK(module && ptx, INVALID_VALUE);
    CHECK(!strncmp(ptx, ".version ", 9) && strstr(ptx, ".target sm_") && strstr(ptx, ".address_size 64"), INVALID_PTX);
    for (int i = 0; i < MODULES; i++) {
        struct module *made = &modules[i];
        if (made->alive) continue;
        *made = (struct module){1, stack[depth - 1], strdup(ptx), {"vadd", 3, 1, made}, {"matmul", 3, 3, made}};
        *module = made;
        return 0;
    }
    return OUT_OF_MEMORY;
}

EXPORT int cuModuleGetFunction(struct kernel **kernel, struct module *module, const char *name)
{
    NEEDS_CONTEXT();
    CHECK(kernel && name, INVALID_VALUE);
    CHECK(module >= modules && module < modules + MODULES && module->alive, INVALID_HANDLE);
    struct kernel *found = !strcmp(name, "vadd") ? &module->vadd : !strcmp(name, "matmul") ? &module->matmul : NULL;
    CHECK(found && has_entry(module->ptx, found), NOT_FOUND);
    *kernel = found;
    return 0;
}

EXPORT int cuMemAlloc_v2(u64 *at, size_t size)
{
    NEEDS_CONTEXT();
    CHECK(at && size > 0, INVALID_VALUE);
    size_t used = size;
    struct memory *unused = NULL;
    for (int i = 0; i < MEMORIES; i++) {
        if (!memories[i].bytes) unused = &memories[i];
        used += memories[i].size;
    }
    CHECK(unused && used <= (size_t)stub_setting("COHESIX_STUB_MEMORY", 1L << 30), OUT_OF_MEMORY);
    *unused = (struct memory){stack[depth - 1], malloc(size), size};
    CHECK(unused->bytes, OUT_OF_MEMORY);
    memset(unused->bytes, 0xa5, size);
    *at = (u64)(uintptr_t)unused->bytes;
    return 0;
}

EXPORT int cuMemFree_v2(u64 at)
{
    NEEDS_CONTEXT();
    struct memory *memory = memory_at(at, 0);
    CHECK(memory && at == (u64)(uintptr_t)memory->bytes, INVALID_VALUE);
    for (int i = 0; i < STREAMS; i++)
        for (int j = 0; j < 3; j++)
            if (streams[i].running && memory_at(streams[i].pointers[j], 0) == memory) WAITS_FOR(&streams[i]);
    free(memory->bytes);
    memset(memory, 0, sizeof *memory);
    return 0;
}

EXPORT int cuMemcpyHtoDAsync_v2(u64 to, const void *from, size_t size, struct stream *stream)
{
    NEEDS_CONTEXT();
    CHECK(known_stream(stream), INVALID_HANDLE);
    CHECK(from && memory_at(to, size), INVALID_VALUE);
    WAITS_FOR(stream);
    memcpy((void *)(uintptr_t)to, from, size);
    return 0;
}

EXPORT int cuMemcpyDtoHAsync_v2(void *to, u64 from, size_t size, struct stream *stream)
{
    NEEDS_CONTEXT();
    CHECK(known_stream(stream), INVALID_HANDLE);
    CHECK(to && memory_at(from, size), INVALID_VALUE);
    WAITS_FOR(stream);
    memcpy(to, (const void *)(uintptr_t)from, size);
    return 0;
}

EXPORT int cuStreamCreate(struct stream **stream, u32 flags)
{
    NEEDS_CONTEXT();
    CHECK(stream && flags <= 1, INVALID_VALUE);
    for (int i = 0; i < STREAMS; i++) {
        if (streams[i].alive) continue;
        streams[i] = (struct stream){.alive = 1, .context = stack[depth - 1]};
        *stream = &streams[i];
        return 0;
    }
    return OUT_OF_MEMORY;
}

EXPORT int cuStreamDestroy_v2(struct stream *stream)
{
    NEEDS_CONTEXT();
    CHECK(known_stream(stream), INVALID_HANDLE);
    memset(stream, 0, sizeof *stream);
    return 0;
}

EXPORT int cuLaunchKernel(struct kernel *kernel, u32 gx, u32 gy, u32 gz, u32 bx, u32 by, u32 bz, u32 shared,
                          struct stream *stream, void **parameters, void **extra)
{
    NEEDS_CONTEXT();
    CHECK(kernel && kernel->module && kernel->module->context == stack[depth - 1], INVALID_HANDLE);
    CHECK(known_stream(stream), INVALID_HANDLE);
    CHECK(parameters && !extra && shared == 0, INVALID_VALUE);
    CHECK(gx && gy && gz && gx <= 2147483647u && gy <= 65535 && gz <= 65535, INVALID_VALUE);
    CHECK(bx && by && bz && bx <= 1024 && by <= 1024 && bz <= 64 && bx * by * bz <= 1024, INVALID_VALUE);
    WAITS_FOR(stream);
    for (int i = 0; i < kernel->wide; i++) memcpy(&stream->pointers[i], parameters[i], sizeof(u64));
    for (int i = 0; i < kernel->narrow; i++) memcpy(&stream->numbers[i], parameters[kernel->wide + i], sizeof(u32));
    memcpy(stream->grid, (u32[]){gx, gy, gz}, sizeof stream->grid);
    memcpy(stream->block, (u32[]){bx, by, bz}, sizeof stream->block);
    stream->running = kernel;
    stream->polls = stub_setting("COHESIX_STUB_POLLS", 2);
    return 0;
}

EXPORT int cuStreamQuery(struct stream *stream)
{
    NEEDS_CONTEXT();
    CHECK(known_stream(stream), INVALID_HANDLE);
    if (!stream->running) return 0;
    if (stream->polls != 0) {
        if (stream->polls > 0) stream->polls--;
        return NOT_READY;
    }
    int code = compute(stream);
    stream->running = NULL;
    if (code) stream->context->broken = code;
    return code;
}
