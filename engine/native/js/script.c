#include "script.h"

#include <stdio.h>

#include "heap.h"
#include "lines.h"

enum { JOBS_AT_ONCE = 64 };

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

const JSMallocFunctions script_memory = {js_allocate, js_release, js_resize, heap_usable};

void script_intrinsics(JSContext *context)
{
    /* Everything but the compiler of source text (JS_AddIntrinsicEval): only what the image carries can run. */
    JS_AddIntrinsicBaseObjects(context);
    JS_AddIntrinsicStringNormalize(context);
    JS_AddIntrinsicRegExp(context);
    JS_AddIntrinsicJSON(context);
    JS_AddIntrinsicProxy(context);
    JS_AddIntrinsicMapSet(context);
    JS_AddIntrinsicTypedArrays(context);
    JS_AddIntrinsicPromise(context);
    JS_AddIntrinsicWeakRef(context);
}

bool script_run_jobs(JSRuntime *runtime, bool *more)
{
    JSContext *context;

    for (int done = 0; done < JOBS_AT_ONCE; done++) {
        int result = JS_ExecutePendingJob(runtime, &context);
        if (result < 0) return false;
        if (result == 0) break;
    }
    *more = JS_IsJobPending(runtime);
    return true;
}

JSValue script_export(JSContext *context, JSValue module, const char *file, const char *name)
{
    JSValue done, exports, function;
    bool more;

    if (JS_IsException(module)) return JS_EXCEPTION;
    if (JS_VALUE_GET_TAG(module) != JS_TAG_MODULE) return JS_ThrowTypeError(context, "%s: not a module", file);
    if (JS_ResolveModule(context, module) < 0) return JS_EXCEPTION;
    done = JS_EvalFunction(context, JS_DupValue(context, module));
    if (JS_IsException(done) || !script_run_jobs(JS_GetRuntime(context), &more)) return JS_EXCEPTION;
    if (JS_PromiseState(context, done) == JS_PROMISE_REJECTED) return JS_Throw(context, JS_PromiseResult(context, done));
    if (JS_PromiseState(context, done) == JS_PROMISE_PENDING) {
        return JS_ThrowTypeError(context, "%s: a bundle must not wait (top-level await)", file);
    }
    exports = JS_GetModuleNamespace(context, JS_VALUE_GET_PTR(module));
    if (JS_IsException(exports)) return JS_EXCEPTION;
    function = JS_GetPropertyStr(context, exports, name);
    if (JS_IsException(function) || JS_IsFunction(context, function)) return function;
    return JS_ThrowTypeError(context, "%s: the bundle exports no function `%s`", file, name);
}

const char *script_describe(JSContext *context, JSValueConst error)
{
    static char raw[SCRIPT_TEXT], text[SCRIPT_TEXT];
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
