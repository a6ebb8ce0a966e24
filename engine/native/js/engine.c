#include "engine.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lines.h"
#include "qbc.h"

enum {
    JOBS_PER_TURN = 64,
    RESTARTS = 3,
    RESTART_WINDOW_US = 60 * 1000000,
    STACK_BYTES = 512 * 1024,
    HEAP_MIN = 1 << 20,
    HEAP_MAX = 1 << 30,
};

struct engine engine;

/* Heap use at which the loop collects cycles though the bundle did not ask for it. */
static size_t collect_at;

void engine_halt(const char *format, ...)
{
    static char reason[300];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    platform_halt(reason);
}

static void print(const char *text)
{
    platform_console_write(text, strlen(text));
}

static struct rootfs_file required_file(const char *name)
{
    struct rootfs_file file;

    if (!rootfs_find(name, &file)) engine_halt("rootfs.cpio: %s is missing", name);
    return file;
}

/* ---- memory ---- */

static void *js_allocate(JSMallocState *state, size_t size)
{
    void *memory = heap_allocate(state->opaque, size);

    state->malloc_size = heap_usage(state->opaque)->used;
    state->malloc_count = heap_usage(state->opaque)->blocks;
    return memory;
}

static void js_release(JSMallocState *state, void *memory)
{
    heap_free(state->opaque, memory);
    state->malloc_size = heap_usage(state->opaque)->used;
    state->malloc_count = heap_usage(state->opaque)->blocks;
}

static void *js_resize(JSMallocState *state, void *memory, size_t size)
{
    if (!memory) return size ? js_allocate(state, size) : NULL;
    if (!size) {
        js_release(state, memory);
        return NULL;
    }
    memory = heap_resize(state->opaque, memory, size);
    state->malloc_size = heap_usage(state->opaque)->used;
    return memory;
}

static const JSMallocFunctions memory_functions = {js_allocate, js_release, js_resize, heap_usable};

uint64_t engine_collect(void)
{
    const struct heap_usage *usage = heap_usage(engine.heap);
    uint64_t start = platform_now_us(), took;

    JS_RunGC(engine.runtime);
    took = platform_now_us() - start;
    engine.gc_runs++;
    if (took > engine.gc_longest_us) engine.gc_longest_us = took;
    /* Above three quarters each collection halves the room to the limit, so that they stay few. */
    collect_at = usage->limit / 4 * 3;
    if (usage->used > collect_at) collect_at = usage->used + (usage->limit - usage->used) / 2;
    return took;
}

/* QuickJS collects by itself only within a turn that takes half of what the loop leaves; afterwards it forgets that. */
static void set_threshold(void)
{
    JS_SetGCThreshold(engine.runtime, collect_at + (heap_usage(engine.heap)->limit - collect_at) / 2);
}

/*
 * Who held what. Only after the exception has left all frames: at the refusal itself an object may be half
 * built, and walking it would crash. What only those frames held is named by the exception's stack.
 */
static void report_memory(void)
{
    const struct heap_usage *usage = heap_usage(engine.heap);
    JSMemoryUsage kinds;
    char line[160];

    snprintf(line, sizeof(line), "engine: out of memory: %zu requests refused; now %zu of %zu bytes in %zu blocks, at most %zu bytes\n",
             usage->refused, usage->used, usage->limit, usage->blocks, usage->peak);
    print(line);
    JS_ComputeMemoryUsage(engine.runtime, &kinds);
    JS_DumpMemoryUsage(stdout, &kinds, engine.runtime);
    fflush(stdout);
}

/* ---- errors ---- */

const char *engine_describe(JSContext *context, JSValueConst error)
{
    static char raw[ENGINE_TEXT], text[ENGINE_TEXT];
    const char *message, *stack = NULL;
    JSValue stack_value = JS_UNDEFINED;

    if (JS_IsNull(error)) return "null (out of memory)";
    message = JS_ToCString(context, error);
    if (!message) JS_FreeValue(context, JS_GetException(context));
    if (JS_IsError(context, error)) {
        stack_value = JS_GetPropertyStr(context, error, "stack");
        if (JS_IsString(stack_value)) stack = JS_ToCString(context, stack_value);
        if (!stack) JS_FreeValue(context, JS_GetException(context));
    }
    snprintf(raw, sizeof(raw), "%s%s%s", message ? message : "an exception that cannot be shown",
             stack && *stack ? "\n" : "", stack ? stack : "");
    JS_FreeCString(context, stack);
    JS_FreeValue(context, stack_value);
    JS_FreeCString(context, message);
    size_t length = lines_translate(raw, text, sizeof(text));
    while (length && text[length - 1] == '\n') text[--length] = 0;
    return text;
}

/* Prints the pending exception, and who held what if it came with memory running out. */
static void report_failure(size_t refused_before)
{
    JSValue error = JS_GetException(engine.context);

    print("engine: uncaught: ");
    print(engine_describe(engine.context, error));
    print("\n");
    if (heap_usage(engine.heap)->refused != refused_before) report_memory();
    JS_FreeValue(engine.context, error);
}

/* ---- bundle ---- */

static const struct rootfs_file *bundle(void)
{
    static struct rootfs_file file;
    const struct qbc_header *header;

    if (file.data) return &file;
    file = required_file("main.qbc");
    header = (const struct qbc_header *)file.data;
    if (file.size < sizeof(*header) || memcmp(header->magic, QBC_MAGIC, sizeof(header->magic)) != 0) {
        engine_halt("main.qbc: not a compiled bundle");
    }
    if (strncmp(header->version, CONFIG_VERSION, sizeof(header->version)) != 0) {
        engine_halt("main.qbc: made by QuickJS %.32s, but this engine is QuickJS %s; build the image again",
                    header->version, CONFIG_VERSION);
    }
    file.data += sizeof(*header);
    file.size -= sizeof(*header);
    return &file;
}

static bool start_runtime(void)
{
    engine.runtime = JS_NewRuntime2(&memory_functions, engine.heap);
    if (!engine.runtime) return false;
    JS_SetMaxStackSize(engine.runtime, STACK_BYTES);
    collect_at = heap_usage(engine.heap)->limit / 4 * 3;
    set_threshold();
    engine.context = JS_NewContextRaw(engine.runtime);
    if (!engine.context) return false;
    /* Everything but the compiler of source text (JS_AddIntrinsicEval): only what the image carries can run. */
    JS_AddIntrinsicBaseObjects(engine.context);
    JS_AddIntrinsicDate(engine.context);
    JS_AddIntrinsicStringNormalize(engine.context);
    JS_AddIntrinsicRegExp(engine.context);
    JS_AddIntrinsicJSON(engine.context);
    JS_AddIntrinsicProxy(engine.context);
    JS_AddIntrinsicMapSet(engine.context);
    JS_AddIntrinsicTypedArrays(engine.context);
    JS_AddIntrinsicPromise(engine.context);
    JS_AddIntrinsicWeakRef(engine.context);
    return heap_usage(engine.heap)->refused == 0 && bindings_install(engine.context) == 0;
}

/* At most the bound; sets *more if jobs remain. */
static bool run_jobs(bool *more)
{
    JSContext *context;

    for (int done = 0; done < JOBS_PER_TURN; done++) {
        int result = JS_ExecutePendingJob(engine.runtime, &context);
        if (result < 0) return false;
        if (result == 0) break;
    }
    *more = JS_IsJobPending(engine.runtime);
    if (*more) engine.jobs_deferred++;
    return true;
}

/* Evaluates the module and takes its `turn`. */
static bool load_bundle(JSValue *turn)
{
    JSContext *context = engine.context;
    const struct rootfs_file *file = bundle();
    JSValue module = JS_ReadObject(context, file->data, file->size, JS_READ_OBJ_BYTECODE), done, exports;
    bool more;

    if (JS_IsException(module)) return false;
    if (JS_VALUE_GET_TAG(module) != JS_TAG_MODULE) engine_halt("main.qbc: not a module");
    if (JS_ResolveModule(context, module) < 0) return false;
    done = JS_EvalFunction(context, JS_DupValue(context, module));
    if (JS_IsException(done) || !run_jobs(&more)) return false;
    switch (JS_PromiseState(context, done)) {
    case JS_PROMISE_REJECTED:
        JS_Throw(context, JS_PromiseResult(context, done));
        return false;
    case JS_PROMISE_PENDING:
        JS_ThrowTypeError(context, "main.js: a bundle must not wait (top-level await)");
        return false;
    default:
        break;
    }
    exports = JS_GetModuleNamespace(context, JS_VALUE_GET_PTR(module));
    if (JS_IsException(exports)) return false;
    *turn = JS_GetPropertyStr(context, exports, "turn");
    if (!JS_IsFunction(context, *turn)) {
        JS_ThrowTypeError(context, "main.js: the bundle exports no function `turn`");
        return false;
    }
    return true;
}

/* What `turn` returned as platform_wait() takes it. */
static bool to_deadline(JSValueConst value, uint64_t *deadline)
{
    double us;

    if (!JS_IsNumber(value)) {
        JS_ThrowTypeError(engine.context, "turn: must return a number");
        return false;
    }
    JS_ToFloat64(engine.context, &us, value);
    if (isnan(us)) {
        JS_ThrowRangeError(engine.context, "turn: returned NaN as the next deadline");
        return false;
    }
    *deadline = us <= 0 ? 0 : us >= 9007199254740992.0 ? PLATFORM_NEVER : (uint64_t)ceil(us);
    return true;
}

static bool run_turn(JSValueConst turn, uint64_t *deadline)
{
    uint32_t raised = platform_wait(*deadline);
    JSValue arguments[2] = {JS_NewInt32(engine.context, (int32_t)raised),
                            JS_NewInt64(engine.context, (int64_t)platform_now_us())};
    JSValue result = JS_Call(engine.context, turn, JS_UNDEFINED, 2, arguments);
    bool more = false;

    if (JS_IsException(result) || !to_deadline(result, deadline) || !run_jobs(&more)) return false;
    if (more) *deadline = 0;
    if (heap_usage(engine.heap)->used > collect_at) engine_collect();
    set_threshold();
    return true;
}

/* One life of the runtime, to its first uncaught exception. */
static void run(void)
{
    size_t refused = 0;
    uint64_t deadline = 0;
    JSValue turn;

    if (!start_runtime()) engine_halt("engine.conf: a heap of %zu bytes is too small for QuickJS", heap_usage(engine.heap)->limit);
    platform_phase("runtime");
    if (load_bundle(&turn)) {
        platform_phase("bundle");
        do {
            refused = heap_usage(engine.heap)->refused;
        } while (run_turn(turn, &deadline));
    }
    report_failure(refused);
}

static size_t configured_heap(void)
{
    struct rootfs_file file = required_file("engine.conf");
    char text[64] = "", *end;
    unsigned long size;

    memcpy(text, file.data, file.size < sizeof(text) ? file.size : sizeof(text) - 1);
    size = strncmp(text, "heap=", 5) == 0 ? strtoul(text + 5, &end, 10) : 0;
    if (size < HEAP_MIN || size > HEAP_MAX || *end != '\n') {
        engine_halt("engine.conf: heap=BYTES must be %d to %d", HEAP_MIN, HEAP_MAX);
    }
    return size;
}

int engine_main(void)
{
    static uint64_t restarted[RESTARTS];
    struct rootfs_file lines;
    const uint8_t *archive;
    const char *problem;
    size_t archive_size, heap_size;
    void *memory;

    archive = platform_rootfs(&archive_size);
    problem = rootfs_open(archive, archive_size);
    if (problem) engine_halt("%s", problem);
    lines = required_file("main.lines");
    if (!lines_open(lines.data, lines.size)) engine_halt("main.lines: not a line table");
    bundle();
    platform_phase("files");
    heap_size = configured_heap();
    memory = platform_heap(heap_size);
    if (!memory) engine_halt("engine.conf: there is no memory for a heap of %zu bytes", heap_size);
    platform_phase("heap");
    for (;;) {
        uint64_t *oldest = &restarted[engine.restarts % RESTARTS], now;

        /* The heap is laid out afresh, so nothing of the last runtime has to be freed, nor can it leak. */
        engine.heap = heap_create(memory, heap_size);
        run();
        now = platform_now_us();
        if (engine.restarts >= RESTARTS && now - *oldest < RESTART_WINDOW_US) {
            engine_halt("the runtime failed %d times within 60 s", RESTARTS + 1);
        }
        *oldest = now;
        engine.restarts++;
        print("engine: the runtime is rebuilt\n");
        platform_reset();
    }
}
