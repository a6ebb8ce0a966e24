/*
 * What the files of host functions share: checked arguments, result objects, and the tables of functions.
 * A check that fails throws with the function's name first, and its caller returns JS_EXCEPTION.
 */
#pragma once
#include "engine.h"

#define SAFE_INTEGER 9007199254740991

extern const JSCFunctionListEntry bindings_machine[], bindings_components[], bindings_bytes[];
extern const int bindings_machine_count, bindings_components_count, bindings_bytes_count;

/* Forget everything that belonged to the last runtime. */
void bindings_components_reset(void);
/* Classes of typed arrays, looked up once per runtime. */
extern JSClassID bindings_uint8_class, bindings_float64_class;

/* Every host function has the same form; most need neither `this` nor the number of arguments, which QuickJS pads. */
#define HOST_FUNCTION(name) static JSValue name(JSContext *context, JSValueConst this, int count, JSValueConst *values)
#define HOST_FUNCTION_OF(name, parameter) \
    static JSValue name(JSContext *context, JSValueConst this, int count, JSValueConst *values, int parameter)

/* Throws an `Error`: something is used up or missing. */
__attribute__((format(printf, 2, 3))) JSValue throw_error(JSContext *context, const char *format, ...);

/* An integer in [low, high]. */
bool argument_integer(JSContext *context, const char *function, const char *name, JSValueConst value, int64_t low,
                      int64_t high, int64_t *result);
/* A typed array of that class; its bytes. */
bool argument_array(JSContext *context, const char *function, JSValueConst value, JSClassID class, uint8_t **bytes,
                    size_t *size);
/* A Uint8Array and a range inside it. Returns the range's first byte, NULL after throwing. */
uint8_t *argument_range(JSContext *context, const char *function, JSValueConst array, JSValueConst start,
                        JSValueConst length, size_t *size);
/* A string; to be freed with JS_FreeCString(). */
const char *argument_text(JSContext *context, const char *function, JSValueConst value, size_t *length);

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
