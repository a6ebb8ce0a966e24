#include "bindings.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "platform.h"

enum { GROUP_SHIFT = 8 };

static const struct host_function *const *groups;

static const struct {
    char kind;
    int64_t low, high;
} bounds[] = {
    {'n', 0, (1ll << 53) - 1},
    {'w', 0, UINT32_MAX},
    {'c', 0, PLATFORM_COMPONENTS - 1},
    {'b', PLATFORM_IRQ_FIRST, PLATFORM_IRQ_LAST},
    {'q', 0, 1019},
    {'d', 1, 4 << 20},
    {'k', 0, 2},
};

/* Classes of typed arrays, looked up once per runtime. */
static JSClassID uint8_class, float64_class;

JSValue throw_error(JSContext *context, const struct host_function *self, const char *format, ...)
{
    struct object error = object_begin(context, JS_NewError(context));
    char message[200];
    int length = snprintf(message, sizeof(message), "%s: ", self->name);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(message + length, sizeof(message) - (size_t)length, format, arguments);
    va_end(arguments);
    object_text(&error, "message", message);
    return JS_IsException(object_end(&error)) ? JS_EXCEPTION : JS_Throw(context, error.value);
}

JSValue throw_range(JSContext *context, const struct host_function *self, const char *what, int64_t low, int64_t high)
{
    return JS_ThrowRangeError(context, "%s: %s must be an integer from %lld to %lld", self->name, what, (long long)low,
                              (long long)high);
}

bool take_integer(JSContext *context, const struct host_function *self, const char *what, JSValueConst value, int64_t low,
                  int64_t high, int64_t *number)
{
    if (JS_VALUE_GET_TAG(value) == JS_TAG_INT) {
        *number = JS_VALUE_GET_INT(value);
        if (*number >= low && *number <= high) return true;
    } else if (JS_TAG_IS_FLOAT64(JS_VALUE_GET_TAG(value))) {
        double real = JS_VALUE_GET_FLOAT64(value);
        /* Also false for NaN. The bounds are below 2^53, so the comparison is exact. */
        if (real >= (double)low && real <= (double)high && (double)(*number = (int64_t)real) == real) return true;
    } else {
        JS_ThrowTypeError(context, "%s: %s must be a number", self->name, what);
        return false;
    }
    throw_range(context, self, what, low, high);
    return false;
}

static bool take_array(JSContext *context, const struct host_function *self, JSClassID class, struct argument *taken)
{
    const char *kind = class == uint8_class ? "Uint8Array" : "Float64Array";
    size_t offset, buffer_size;
    JSValue buffer;

    if (JS_GetClassID(taken->value) != class) {
        JS_ThrowTypeError(context, "%s: expected a %s", self->name, kind);
        return false;
    }
    buffer = JS_GetTypedArrayBuffer(context, taken->value, &offset, &taken->size, NULL);
    if (JS_IsException(buffer)) {
        JS_FreeValue(context, JS_GetException(context));
        JS_ThrowTypeError(context, "%s: the buffer of the %s is detached", self->name, kind);
        return false;
    }
    taken->bytes = JS_GetArrayBuffer(context, &buffer_size, buffer) + offset;
    JS_FreeValue(context, buffer); /* the array holds it on */
    return true;
}

/* Checks one argument, which for a range begins three values. */
static bool take(JSContext *context, const struct host_function *self, char kind, int position, JSValueConst *values,
                 struct argument *taken)
{
    static const char *const names[ARGUMENTS] = {"argument 1", "argument 2", "argument 3",
                                                 "argument 4", "argument 5", "argument 6"};
    int64_t start, length;
    unsigned i = 0;

    taken->value = values[position];
    switch (kind) {
    case 'v':
        return true;
    case 's':
        if (JS_IsString(taken->value)) {
            taken->bytes = (uint8_t *)JS_ToCStringLen(context, &taken->size, taken->value);
            return taken->bytes != NULL;
        }
        JS_ThrowTypeError(context, "%s: expected a string", self->name);
        return false;
    case 'u':
    case 'f':
        return take_array(context, self, kind == 'u' ? uint8_class : float64_class, taken);
    case 'r':
        if (!take_array(context, self, uint8_class, taken) ||
            !take_integer(context, self, "start", values[position + 1], 0, (int64_t)taken->size, &start) ||
            !take_integer(context, self, "length", values[position + 2], 0, (int64_t)taken->size - start, &length)) {
            return false;
        }
        taken->bytes += start;
        taken->size = (size_t)length;
        return true;
    default:
        while (bounds[i].kind != kind) i++;
        return take_integer(context, self, names[position], taken->value, bounds[i].low, bounds[i].high, &taken->number);
    }
}

static JSValue call(JSContext *context, JSValueConst this, int count, JSValueConst *values, int index)
{
    const struct host_function *self = &groups[index >> GROUP_SHIFT][index & ((1 << GROUP_SHIFT) - 1)];
    struct argument taken[ARGUMENTS];
    JSValue result = JS_EXCEPTION;
    int done = 0;

    for (int at = 0; self->kinds[done] && take(context, self, self->kinds[done], at, values, &taken[done]); done++) {
        at += self->kinds[done] == 'r' ? 3 : 1;
    }
    if (!self->kinds[done]) result = self->call(context, self, taken);
    while (done--) {
        if (self->kinds[done] == 's') JS_FreeCString(context, (const char *)taken[done].bytes);
    }
    return result;
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
    char name[12];

    snprintf(name, sizeof(name), "%u", (unsigned)index);
    object_set(array, name, value);
}

JSValue object_end(struct object *object)
{
    if (!object->failed) return object->value;
    JS_FreeValue(object->context, object->value);
    return JS_EXCEPTION;
}

/* The class of a typed array kind, taken from one of them; 0 if there is no memory for it. */
static JSClassID class_of(JSContext *context, JSTypedArrayEnum kind)
{
    /* The constructor reads three arguments without looking at their number. */
    JSValue arguments[3] = {JS_UNDEFINED, JS_UNDEFINED, JS_UNDEFINED};
    JSValue array = JS_NewTypedArray(context, 3, arguments, kind);
    JSClassID class = JS_GetClassID(array);

    JS_FreeValue(context, array);
    return class;
}

int bindings_install(JSContext *context, const char *name, const struct host_function *const *functions)
{
    struct object host = object_begin(context, JS_NewObject(context)), global;

    groups = functions;
    uint8_class = class_of(context, JS_TYPED_ARRAY_UINT8);
    float64_class = class_of(context, JS_TYPED_ARRAY_FLOAT64);
    object_text(&host, "engine", "sel4");
    object_number(&host, "abi", 1);
    for (int group = 0; groups[group]; group++) {
        for (int i = 0; groups[group][i].name; i++) {
            const struct host_function *function = &groups[group][i];
            /* QuickJS pads the values to the length stated here. */
            int length = (int)strlen(function->kinds) + (strchr(function->kinds, 'r') ? 2 : 0);
            object_set(&host, function->name,
                       JS_NewCFunctionMagic(context, call, function->name, length, JS_CFUNC_generic_magic,
                                            group << GROUP_SHIFT | i));
        }
    }
    global = object_begin(context, JS_GetGlobalObject(context));
    object_set(&global, name, object_end(&host));
    JS_FreeValue(context, global.value);
    return global.failed || !uint8_class || !float64_class ? -1 : 0;
}
