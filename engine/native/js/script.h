/*
 * QuickJS as the root's engine and the worker both use it: memory from a heap of heap.h, no compiler of source
 * text, exceptions with TypeScript positions.
 */
#pragma once
#include <stdbool.h>

#include "quickjs.h"

enum { SCRIPT_TEXT = 8192 };

/* The opaque of a runtime with these functions is its `struct heap`. */
extern const JSMallocFunctions script_memory;

/* Defines ECMAScript's globals in a raw context, except Date. Out of memory shows in the heap's `refused`. */
void script_intrinsics(JSContext *context);
/*
 * Evaluates a module that JS_ReadObject() returned and takes the function it exports under that name; `file` names it
 * in errors. JS_EXCEPTION with the exception pending, also if the module was one.
 */
JSValue script_export(JSContext *context, JSValue module, const char *file, const char *name);
/* Runs a bounded number of pending jobs; sets *more if some remain. Returns false with an exception pending. */
bool script_run_jobs(JSRuntime *runtime, bool *more);
/* An exception as text with TypeScript positions; valid until the next call. Leaves no exception pending. */
const char *script_describe(JSContext *context, JSValueConst error);
