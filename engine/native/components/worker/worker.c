/*
 * The worker: QuickJS in a component. Its bundle exports `step`, which is given the last reply and returns the
 * next call; between two of them it sees its arena, the frame and nothing else. Whatever ends it in JavaScript
 * becomes one last call with a text.
 */
#include <sel4/sel4.h>
#include <string.h>

#include "../layout.h"
#include "bindings.h"
#include "heap.h"
#include "lines.h"
#include "platform.h"
#include "protocol.h"
#include "qbc.h"
#include "script.h"
#include "utf8.h"

/* What QuickJS leaves of the stack is for the native functions below its last check. */
enum { STACK_BYTES = COMPONENT_STACK_BYTES - 0x8000, ARENA_MIN = 256 * 1024, TLS_BYTES = 1024 };

extern char __tdata_start[], __tdata_end[], __tls_size[];
extern const uint8_t worker_qbc_start[], worker_qbc_end[], worker_lines_start[], worker_lines_end[];

static uint8_t tls[TLS_BYTES] __attribute__((aligned(16)));
static JSContext *context;
static struct heap *heap;

struct message {
    uint32_t label, word;
};

static struct message call(struct message message)
{
    seL4_MessageInfo_t info = seL4_MessageInfo_new(message.label, 0, 0, 1);
    seL4_Word word = message.word;

    info = seL4_CallWithMRs(COMPONENT_ENDPOINT, info, &word, NULL, NULL, NULL);
    return (struct message){(uint32_t)seL4_MessageInfo_get_label(info), (uint32_t)word};
}

/* Needs no memory. */
static _Noreturn void fail(const char *text)
{
    uint8_t *frame = (uint8_t *)COMPONENT_FRAME;
    size_t size = strlen(text);

    if (size > WORKER_FAILED_MAX) {
        /* Cut before a character, not within it. */
        for (size = WORKER_FAILED_MAX; size && (text[size] & 0xc0) == 0x80; size--) continue;
    }
    memcpy(frame, text, size);
    utf8_replace_surrogates(frame, size);
    for (;;) call((struct message){WORKER_FAILED, (uint32_t)size});
}

static _Noreturn void fail_with_exception(void)
{
    fail(script_describe(context, JS_GetException(context)));
}

/* ---- what the C library hooks and the host functions ask of a platform ---- */

void platform_console_write(const char *text, size_t length)
{
    (void)text, (void)length;
}

_Noreturn void platform_halt(const char *reason)
{
    fail(reason);
}

uint64_t platform_now_us(void)
{
    return 0; /* a worker has no clock */
}

/* ---- start ---- */

/* AArch64 TLS variant 1: two words of thread control block, then the data; nothing thread-local is touched before. */
static void start_tls(void)
{
    memcpy(tls + 16, __tdata_start, (size_t)(__tdata_end - __tdata_start));
    __asm__ volatile("msr tpidr_el0, %0" ::"r"(tls));
    if ((size_t)__tls_size > sizeof(tls)) fail("thread-local data outgrew its block");
}

/* The global `sys`, and no chance. */
static bool define_globals(const seL4_Word words[4])
{
    static const struct host_function *const groups[] = {bindings_bytes, NULL};
    struct object list = object_begin(context, JS_NewArray(context)), sys;
    JSValue global = JS_GetGlobalObject(context), math = JS_GetPropertyStr(context, global, "Math");
    JSAtom random = JS_NewAtom(context, "random");
    bool done = JS_DeleteProperty(context, math, random, 0) >= 0;

    for (uint32_t i = 0; i < 4; i++) array_set(&list, i, JS_NewInt64(context, (uint32_t)words[i]));
    done = done && bindings_install(context, "sys", groups) == 0;
    sys = object_begin(context, JS_GetPropertyStr(context, global, "sys"));
    object_set(&sys, "args", object_end(&list));
    object_set(&sys, "frame", JS_NewArrayBuffer(context, (uint8_t *)COMPONENT_FRAME, PLATFORM_FRAME_BYTES, NULL, NULL, false));
    JS_FreeValue(context, object_end(&sys));
    JS_FreeAtom(context, random);
    JS_FreeValue(context, math);
    JS_FreeValue(context, global);
    return done && !sys.failed;
}

/* Returns the bundle's `step`. */
static JSValue start(const seL4_Word words[4], size_t arena)
{
    static const char too_small[] = "worker: the arena is too small, it needs 256 KiB";
    const uint8_t *code = worker_qbc_start + sizeof(struct qbc_header);
    JSRuntime *runtime;
    JSValue module, step;

    lines_open("worker.js:", worker_lines_start, (size_t)(worker_lines_end - worker_lines_start));
    heap = arena < ARENA_MIN ? NULL : heap_create((void *)COMPONENT_ARENA, arena);
    runtime = heap ? JS_NewRuntime2(&script_memory, heap) : NULL;
    context = runtime ? JS_NewContextRaw(runtime) : NULL;
    if (!context) fail(too_small);
    JS_SetMaxStackSize(runtime, STACK_BYTES);
    /* What is left out (regular expressions, Unicode's tables, Proxy, WeakRef) would be a fifth of the image. */
    JS_AddIntrinsicBaseObjects(context);
    JS_AddIntrinsicJSON(context);
    JS_AddIntrinsicMapSet(context);
    JS_AddIntrinsicTypedArrays(context);
    JS_AddIntrinsicPromise(context);
    if (heap_usage(heap)->refused || !define_globals(words)) fail(too_small);
    module = JS_ReadObject(context, code, (size_t)(worker_qbc_end - code), JS_READ_OBJ_BYTECODE);
    step = script_export(context, module, "worker.js", "step");
    if (JS_IsException(step)) fail_with_exception();
    return step;
}

/* ---- the loop ---- */

static struct message run(JSValueConst step, struct message reply)
{
    static const struct host_function self = {.name = "step"};
    JSRuntime *runtime = JS_GetRuntime(context);
    JSValue arguments[2] = {JS_NewInt64(context, reply.label), JS_NewInt64(context, reply.word)};
    JSValue result, label, word;
    int64_t numbers[2];
    bool more;

    /* QuickJS would collect later and later, in the end too late for the arena. */
    JS_SetGCThreshold(runtime, heap_usage(heap)->limit / 4 * 3);
    result = JS_Call(context, step, JS_UNDEFINED, 2, arguments);
    if (JS_IsException(result)) fail_with_exception();
    label = JS_GetPropertyUint32(context, result, 0);
    word = JS_GetPropertyUint32(context, result, 1);
    if (JS_IsException(label) || JS_IsException(word) ||
        !take_integer(context, &self, "the label", label, COMPONENT_LABEL_FIRST, UINT32_MAX, &numbers[0]) ||
        !take_integer(context, &self, "the word", word, 0, UINT32_MAX, &numbers[1])) {
        fail_with_exception();
    }
    JS_FreeValue(context, result);
    if (!script_run_jobs(runtime, &more)) fail_with_exception();
    return (struct message){(uint32_t)numbers[0], (uint32_t)numbers[1]};
}

_Noreturn void component_main(seL4_Word a, seL4_Word b, seL4_Word c, seL4_Word d, seL4_Word arena)
{
    struct message message = {0, 0};
    JSValue step;

    start_tls();
    step = start((seL4_Word[4]){a, b, c, d}, arena);
    for (;;) message = call(run(step, message));
}
