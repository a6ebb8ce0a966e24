/*
 * How host functions are declared: a table row has name, kinds of the arguments and C function. The arguments
 * are checked before the function runs, so what it is given is right; every error starts with the name.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "quickjs.h"

enum { ARGUMENTS = 6 };

/*
 * Kinds: n integer below 2^53, w u32, c component id, b interrupt bit, q GIC interrupt, d size of DMA memory,
 * k kind of barrier, s string, u Uint8Array, f Float64Array, v any value, r three values: Uint8Array, start
 * and length inside it.
 */
struct argument {
    JSValueConst value;
    int64_t number;
    uint8_t *bytes; /* of a string (UTF-8, NUL-terminated), an array or a range */
    size_t size;
};

struct host_function {
    const char *name, *kinds;
    JSValue (*call)(JSContext *context, const struct host_function *self, const struct argument *given);
    int parameter; /* what tells functions apart that share their C function */
};

#define HOST_FUNCTION(id) \
    static JSValue id(JSContext *context, const struct host_function *self, const struct argument *given)

/* Each ends with a row without name. */
extern const struct host_function bindings_machine[], bindings_components[], bindings_bytes[], bindings_checksum[];

/*
 * Defines a global object with the engine's name, the contract's version and the functions of all groups; NULL ends
 * the list, which stays. Returns -1 with an exception pending if there is no memory for it.
 */
int bindings_install(JSContext *context, const char *global, const struct host_function *const *groups);
/* Forget everything that belonged to the last runtime. */
void bindings_components_reset(void);

/* Throw with the function's name first. An `Error`: something is used up or missing. */
__attribute__((format(printf, 3, 4))) JSValue throw_error(JSContext *context, const struct host_function *self,
                                                          const char *format, ...);
JSValue throw_range(JSContext *context, const struct host_function *self, const char *what, int64_t low, int64_t high);
/* Whether the value is an integer in [low, high]; throws if not. */
bool take_integer(JSContext *context, const struct host_function *self, const char *what, JSValueConst value, int64_t low,
                  int64_t high, int64_t *number);

/* A result object under construction: the first failure is kept, and object_end() reports it. */
struct object {
    JSContext *context;
    JSValue value;
    bool failed;
};

struct object object_begin(JSContext *context, JSValue empty);
void object_set(struct object *object, const char *name, JSValue value);
void object_number(struct object *object, const char *name, uint64_t value);
void object_text(struct object *object, const char *name, const char *text);
void array_set(struct object *array, uint32_t index, JSValue value);
JSValue object_end(struct object *object);
