#include "bindings.h"

#include <stdarg.h>
#include <stdio.h>

JSClassID bindings_uint8_class, bindings_float64_class;

JSValue throw_error(JSContext *context, const char *format, ...)
{
    struct object error = object_begin(context, JS_NewError(context));
    char message[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    object_text(&error, "message", message);
    return JS_IsException(object_end(&error)) ? JS_EXCEPTION : JS_Throw(context, error.value);
}

bool argument_integer(JSContext *context, const char *function, const char *name, JSValueConst value, int64_t low,
                      int64_t high, int64_t *result)
{
    if (JS_VALUE_GET_TAG(value) == JS_TAG_INT) {
        *result = JS_VALUE_GET_INT(value);
        if (*result >= low && *result <= high) return true;
    } else if (JS_TAG_IS_FLOAT64(JS_VALUE_GET_TAG(value))) {
        double number = JS_VALUE_GET_FLOAT64(value);
        /* Also false for NaN. The bounds are safe integers, so the comparison is exact. */
        if (number >= (double)low && number <= (double)high) {
            *result = (int64_t)number;
            if ((double)*result == number) return true;
        }
    } else {
        JS_ThrowTypeError(context, "%s: %s must be a number", function, name);
        return false;
    }
    JS_ThrowRangeError(context, "%s: %s must be an integer from %lld to %lld", function, name, (long long)low,
                       (long long)high);
    return false;
}

bool argument_array(JSContext *context, const char *function, JSValueConst value, JSClassID class, uint8_t **bytes,
                    size_t *size)
{
    const char *kind = class == bindings_uint8_class ? "Uint8Array" : "Float64Array";
    size_t offset, buffer_size;
    JSValue buffer;

    if (JS_GetClassID(value) != class) {
        JS_ThrowTypeError(context, "%s: expected a %s", function, kind);
        return false;
    }
    buffer = JS_GetTypedArrayBuffer(context, value, &offset, size, NULL);
    if (JS_IsException(buffer)) {
        JS_FreeValue(context, JS_GetException(context));
        JS_ThrowTypeError(context, "%s: the buffer of the %s is detached", function, kind);
        return false;
    }
    *bytes = JS_GetArrayBuffer(context, &buffer_size, buffer) + offset;
    JS_FreeValue(context, buffer); /* the array holds it on */
    return true;
}

uint8_t *argument_range(JSContext *context, const char *function, JSValueConst array, JSValueConst start,
                        JSValueConst length, size_t *size)
{
    int64_t first, count;
    uint8_t *bytes;
    size_t limit;

    if (!argument_array(context, function, array, bindings_uint8_class, &bytes, &limit) ||
        !argument_integer(context, function, "start", start, 0, (int64_t)limit, &first) ||
        !argument_integer(context, function, "length", length, 0, (int64_t)limit - first, &count)) {
        return NULL;
    }
    *size = (size_t)count;
    return bytes + first;
}

const char *argument_text(JSContext *context, const char *function, JSValueConst value, size_t *length)
{
    if (!JS_IsString(value)) {
        JS_ThrowTypeError(context, "%s: expected a string", function);
        return NULL;
    }
    return JS_ToCStringLen(context, length, value);
}

struct object object_begin(JSContext *context, JSValue empty)
{
    return (struct object){context, empty, JS_IsException(empty)};
}

void object_set(struct object *object, const char *name, JSValue value)
{
    if (object->failed || JS_IsException(value)) {
        JS_FreeValue(object->context, value);
        object->failed = true;
    } else {
        object->failed = JS_DefinePropertyValueStr(object->context, object->value, name, value, JS_PROP_C_W_E) < 0;
    }
}

void object_number(struct object *object, const char *name, uint64_t value)
{
    object_set(object, name, JS_NewInt64(object->context, (int64_t)value));
}

void object_text(struct object *object, const char *name, const char *text)
{
    object_set(object, name, JS_NewString(object->context, text));
}

void array_set(struct object *array, uint32_t index, JSValue value)
{
    if (array->failed || JS_IsException(value)) {
        JS_FreeValue(array->context, value);
        array->failed = true;
    } else {
        array->failed = JS_DefinePropertyValueUint32(array->context, array->value, index, value, JS_PROP_C_W_E) < 0;
    }
}

JSValue object_end(struct object *object)
{
    if (!object->failed) return object->value;
    JS_FreeValue(object->context, object->value);
    return JS_EXCEPTION;
}

/* The class of a typed array kind, taken from one of them. */
static bool class_of(JSContext *context, JSTypedArrayEnum kind, JSClassID *class)
{
    /* The constructor reads three arguments without looking at their number. */
    JSValue arguments[3] = {JS_UNDEFINED, JS_UNDEFINED, JS_UNDEFINED};
    JSValue array = JS_NewTypedArray(context, 3, arguments, kind);

    if (JS_IsException(array)) return false;
    *class = JS_GetClassID(array);
    JS_FreeValue(context, array);
    return true;
}

int bindings_install(JSContext *context)
{
    struct object host = object_begin(context, JS_NewObject(context));
    JSValue global;
    int result;

    bindings_components_reset();
    if (!class_of(context, JS_TYPED_ARRAY_UINT8, &bindings_uint8_class) ||
        !class_of(context, JS_TYPED_ARRAY_FLOAT64, &bindings_float64_class)) {
        return -1;
    }
    object_text(&host, "engine", "sel4");
    object_number(&host, "abi", 1);
    if (JS_IsException(object_end(&host))) return -1;
    JS_SetPropertyFunctionList(context, host.value, bindings_machine, bindings_machine_count);
    JS_SetPropertyFunctionList(context, host.value, bindings_components, bindings_components_count);
    JS_SetPropertyFunctionList(context, host.value, bindings_bytes, bindings_bytes_count);
    global = JS_GetGlobalObject(context);
    result = JS_DefinePropertyValueStr(context, global, "host", host.value, JS_PROP_ENUMERABLE);
    JS_FreeValue(context, global);
    return result < 0 ? -1 : 0;
}
