#include "engine.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bindings.h"
#include "lines.h"
#include "qbc.h"
#include "script.h"

enum {
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

/* Prints the pending exception, and who held what if it came with memory running out. */
static void report_failure(size_t refused_before)
{
    JSValue error = JS_GetException(engine.context);

    print("engine: uncaught: ");
    print(script_describe(engine.context, error));
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
    static const struct host_function *const groups[] = {bindings_machine, bindings_components, bindings_bytes,
                                                         bindings_checksum, NULL};

    engine.runtime = JS_NewRuntime2(&script_memory, engine.heap);
    if (!engine.runtime) return false;
    JS_SetMaxStackSize(engine.runtime, STACK_BYTES);
    collect_at = heap_usage(engine.heap)->limit / 4 * 3;
    set_threshold();
    engine.context = JS_NewContextRaw(engine.runtime);
    if (!engine.context) return false;
    bindings_components_reset();
    script_intrinsics(engine.context);
    JS_AddIntrinsicDate(engine.context);
    return heap_usage(engine.heap)->refused == 0 && bindings_install(engine.context, "host", groups) == 0;
}

static bool run_jobs(bool *more)
{
    if (!script_run_jobs(engine.runtime, more)) return false;
    if (*more) engine.jobs_deferred++;
    return true;
}

/* Evaluates the module and takes its `turn`. */
static bool load_bundle(JSValue *turn)
{
    const struct rootfs_file *file = bundle();
    JSValue module = JS_ReadObject(engine.context, file->data, file->size, JS_READ_OBJ_BYTECODE);

    *turn = script_export(engine.context, module, "main.js", "turn");
    return !JS_IsException(*turn);
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
    if (!lines_open("main.js:", lines.data, lines.size)) engine_halt("main.lines: not a line table");
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
