/* Host functions that start, serve and end components. */
#include "bindings.h"

enum { ARENA_MAX = 16 << 20, EVENT_FIELDS = 8 };

static const char *images[PLATFORM_COMPONENTS];
/* The buffers over the frames, undefined until asked for: a component's is the same each time. */
static JSValue frames[PLATFORM_COMPONENTS];

void bindings_components_reset(void)
{
    for (unsigned id = 0; id < PLATFORM_COMPONENTS; id++) {
        images[id] = "";
        frames[id] = JS_UNDEFINED; /* its runtime is gone with its heap */
    }
}

static bool argument_id(JSContext *context, const char *function, JSValueConst value, int64_t *id)
{
    return argument_integer(context, function, "id", value, 0, PLATFORM_COMPONENTS - 1, id);
}

static JSValue no_component(JSContext *context, const char *function, int64_t id)
{
    return throw_error(context, "%s: there is no component %d", function, (int)id);
}

static bool property_integer(JSContext *context, JSValueConst object, const char *name, int64_t low, int64_t high,
                             int64_t *result)
{
    JSValue value = JS_GetPropertyStr(context, object, name);
    bool valid = !JS_IsException(value) && argument_integer(context, "componentSpawn", name, value, low, high, result);

    JS_FreeValue(context, value);
    return valid;
}

static bool spawn_options(JSContext *context, JSValueConst options, struct platform_spawn *spawn)
{
    static const char *const indices[4] = {"0", "1", "2", "3"};
    int64_t priority, arena, argument;
    JSValue arguments;
    bool valid;

    if (!JS_IsObject(options)) {
        JS_ThrowTypeError(context, "componentSpawn: options must be an object");
        return false;
    }
    if (!property_integer(context, options, "priority", 1, 200, &priority) ||
        !property_integer(context, options, "arenaBytes", 0, ARENA_MAX, &arena)) {
        return false;
    }
    spawn->priority = (uint32_t)priority;
    spawn->arena_bytes = ((uint64_t)arena + 4095) & ~4095ull;
    arguments = JS_GetPropertyStr(context, options, "args");
    valid = JS_IsObject(arguments);
    if (!valid && !JS_IsException(arguments)) JS_ThrowTypeError(context, "componentSpawn: args must be an array");
    for (int i = 0; valid && i < 4; i++) {
        valid = property_integer(context, arguments, indices[i], 0, UINT32_MAX, &argument);
        spawn->args[i] = (uint32_t)argument;
    }
    JS_FreeValue(context, arguments);
    return valid;
}

HOST_FUNCTION(spawn)
{
    struct platform_spawn spawn;
    struct rootfs_file file;
    const char *name = argument_text(context, "componentSpawn", values[0], NULL);
    JSValue result;
    int id;

    if (!name) return JS_EXCEPTION;
    if (!spawn_options(context, values[1], &spawn)) {
        JS_FreeCString(context, name);
        return JS_EXCEPTION;
    }
    if (!engine_file(name, &file)) {
        result = throw_error(context, "componentSpawn: there is no file %s", name);
        JS_FreeCString(context, name);
        return result;
    }
    JS_FreeCString(context, name);
    spawn.elf = file.data;
    spawn.elf_size = file.size;
    id = platform_component_spawn(&spawn);
    if (id < 0) {
        return throw_error(context, "componentSpawn: %s: %s", file.name,
                                  id == PLATFORM_EINVAL  ? "is no ELF program for this machine"
                                  : id == PLATFORM_EBUSY ? "all component ids are in use"
                                                         : "there is not enough memory");
    }
    images[id] = file.name;
    return JS_NewInt32(context, id);
}

HOST_FUNCTION(event)
{
    struct platform_event next;
    uint8_t *bytes;
    size_t size;
    double *fields;

    if (!argument_array(context, "componentEvent", values[0], bindings_float64_class, &bytes, &size)) return JS_EXCEPTION;
    if (size < EVENT_FIELDS * sizeof(double)) {
        return JS_ThrowRangeError(context, "componentEvent: the array must have %d elements or more", EVENT_FIELDS);
    }
    if (!platform_component_event(&next)) return JS_FALSE;
    fields = (double *)bytes;
    fields[0] = next.id;
    fields[1] = next.kind;
    for (int i = 0; i < 5; i++) fields[2 + i] = (double)next.words[i];
    return JS_TRUE;
}

HOST_FUNCTION(reply)
{
    static const char *const names[4] = {"w0", "w1", "w2", "w3"};
    int64_t id, label, word;
    uint32_t words[4];

    if (!argument_id(context, "componentReply", values[0], &id) ||
        !argument_integer(context, "componentReply", "label", values[1], 0, UINT32_MAX, &label)) {
        return JS_EXCEPTION;
    }
    for (int i = 0; i < 4; i++) {
        if (!argument_integer(context, "componentReply", names[i], values[2 + i], 0, UINT32_MAX, &word)) {
            return JS_EXCEPTION;
        }
        words[i] = (uint32_t)word;
    }
    if (platform_component_reply((uint32_t)id, (uint32_t)label, words) < 0) {
        return throw_error(context, "componentReply: no call of component %d waits", (int)id);
    }
    return JS_UNDEFINED;
}

enum { SUSPEND, RESUME, DESTROY };

HOST_FUNCTION_OF(control, action)
{
    static const char *const names[] = {"componentSuspend", "componentResume", "componentDestroy"};
    static int (*const functions[])(uint32_t) = {platform_component_suspend, platform_component_resume,
                                                 platform_component_destroy};
    int64_t id;
    int result;

    if (!argument_id(context, names[action], values[0], &id)) return JS_EXCEPTION;
    result = functions[action]((uint32_t)id);
    if (result == PLATFORM_EBUSY) {
        return throw_error(context, "%s: component %d is not in a state for it", names[action], (int)id);
    }
    if (result < 0) return no_component(context, names[action], id);
    if (action == DESTROY) {
        /* Its frame's memory is another's from now on. */
        if (!JS_IsUndefined(frames[id])) JS_DetachArrayBuffer(context, frames[id]);
        JS_FreeValue(context, frames[id]);
        frames[id] = JS_UNDEFINED;
    }
    return JS_UNDEFINED;
}

HOST_FUNCTION(frame)
{
    struct platform_component component;
    int64_t id;

    if (!argument_id(context, "componentFrame", values[0], &id)) return JS_EXCEPTION;
    if (platform_component_info((uint32_t)id, &component) < 0) return no_component(context, "componentFrame", id);
    if (JS_IsUndefined(frames[id])) {
        JSValue buffer = JS_NewArrayBuffer(context, component.frame, PLATFORM_FRAME_BYTES, NULL, NULL, false);
        if (JS_IsException(buffer)) return buffer;
        frames[id] = buffer;
    }
    return JS_DupValue(context, frames[id]);
}

HOST_FUNCTION(info)
{
    static const char *const states[] = {[PLATFORM_RUNNING] = "running",
                                         [PLATFORM_CALLING] = "calling",
                                         [PLATFORM_SUSPENDED] = "suspended",
                                         [PLATFORM_FAULTED] = "faulted"};
    struct platform_component component;
    struct object summary;
    int64_t id;

    if (!argument_id(context, "componentInfo", values[0], &id)) return JS_EXCEPTION;
    if (platform_component_info((uint32_t)id, &component) < 0) return no_component(context, "componentInfo", id);
    summary = object_begin(context, JS_NewObject(context));
    object_text(&summary, "image", images[id]);
    object_text(&summary, "state", states[component.state]);
    object_number(&summary, "bytes", component.bytes);
    object_number(&summary, "calls", component.calls);
    object_number(&summary, "refused", component.refused);
    return object_end(&summary);
}

const JSCFunctionListEntry bindings_components[] = {
    JS_CFUNC_DEF("componentSpawn", 2, spawn),
    JS_CFUNC_DEF("componentEvent", 1, event),
    JS_CFUNC_DEF("componentReply", 6, reply),
    JS_CFUNC_MAGIC_DEF("componentSuspend", 1, control, SUSPEND),
    JS_CFUNC_MAGIC_DEF("componentResume", 1, control, RESUME),
    JS_CFUNC_MAGIC_DEF("componentDestroy", 1, control, DESTROY),
    JS_CFUNC_DEF("componentFrame", 1, frame),
    JS_CFUNC_DEF("componentInfo", 1, info),
};
const int bindings_components_count = sizeof(bindings_components) / sizeof(bindings_components[0]);
