/* Host functions that start, serve and end components. */
#include "bindings.h"
#include "engine.h"

enum { ARENA_MAX = 16 << 20, EVENT_FIELDS = 8, PAGE = 4096 };

static const char *images[PLATFORM_COMPONENTS];
/* The buffers over the frames, undefined until asked for: a component's is the same each time. */
static JSValue frames[PLATFORM_COMPONENTS];

void bindings_components_reset(void)
{
    /* The last runtime's buffers went with its heap. */
    for (unsigned id = 0; id < PLATFORM_COMPONENTS; id++) frames[id] = JS_UNDEFINED;
}

static JSValue no_component(JSContext *context, const struct host_function *self, int64_t id)
{
    return throw_error(context, self, "there is no component %d", (int)id);
}

/* An integer property of an object; throws if it is none. */
static bool property(JSContext *context, const struct host_function *self, JSValueConst object, const char *name,
                     int64_t low, int64_t high, int64_t *number)
{
    JSValue value = JS_GetPropertyStr(context, object, name);
    bool valid = !JS_IsException(value) && take_integer(context, self, name, value, low, high, number);

    JS_FreeValue(context, value);
    return valid;
}

static bool spawn_options(JSContext *context, const struct host_function *self, JSValueConst options,
                          struct platform_spawn *spawn)
{
    static const char *const indices[4] = {"0", "1", "2", "3"};
    int64_t priority, arena, argument = 0;
    JSValue arguments;
    bool valid;

    if (!JS_IsObject(options)) {
        JS_ThrowTypeError(context, "%s: expected an object with options", self->name);
        return false;
    }
    if (!property(context, self, options, "priority", 1, 200, &priority) ||
        !property(context, self, options, "arenaBytes", 0, ARENA_MAX, &arena)) {
        return false;
    }
    arguments = JS_GetPropertyStr(context, options, "args");
    valid = JS_IsObject(arguments);
    if (!valid && !JS_IsException(arguments)) JS_ThrowTypeError(context, "%s: args must be an array", self->name);
    for (int i = 0; valid && i < 4; i++) {
        valid = property(context, self, arguments, indices[i], 0, UINT32_MAX, &argument);
        spawn->args[i] = (uint32_t)argument;
    }
    JS_FreeValue(context, arguments);
    spawn->priority = (uint32_t)priority;
    spawn->arena_bytes = ((uint64_t)arena + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    return valid;
}

HOST_FUNCTION(spawn)
{
    const char *name = (const char *)given[0].bytes;
    struct platform_spawn spawn;
    struct rootfs_file file;
    int id;

    if (!spawn_options(context, self, given[1].value, &spawn)) return JS_EXCEPTION;
    if (!rootfs_find(name, &file)) return throw_error(context, self, "there is no file %s", name);
    spawn.elf = file.data;
    spawn.elf_size = file.size;
    id = platform_component_spawn(&spawn);
    if (id == PLATFORM_EINVAL) return throw_error(context, self, "%s is no ELF program for this machine", name);
    if (id == PLATFORM_EBUSY) return throw_error(context, self, "%s: all component ids are in use", name);
    if (id < 0) return throw_error(context, self, "%s: there is not enough memory", name);
    images[id] = file.name;
    return JS_NewInt32(context, id);
}

HOST_FUNCTION(event)
{
    double *fields = (double *)given->bytes;
    struct platform_event next;

    if (given->size < EVENT_FIELDS * sizeof(double)) {
        return JS_ThrowRangeError(context, "%s: the array must have %d elements or more", self->name, EVENT_FIELDS);
    }
    if (!platform_component_event(&next)) return JS_FALSE;
    fields[0] = next.id;
    fields[1] = next.kind;
    for (int i = 0; i < 5; i++) fields[2 + i] = (double)next.words[i];
    return JS_TRUE;
}

HOST_FUNCTION(reply)
{
    int64_t id = given[0].number;
    uint32_t words[4];

    for (int i = 0; i < 4; i++) words[i] = (uint32_t)given[2 + i].number;
    if (platform_component_reply((uint32_t)id, (uint32_t)given[1].number, words) < 0) {
        return throw_error(context, self, "no call of component %d waits", (int)id);
    }
    return JS_UNDEFINED;
}

enum { SUSPEND, RESUME, DESTROY };

HOST_FUNCTION(control)
{
    static int (*const actions[])(uint32_t) = {platform_component_suspend, platform_component_resume,
                                               platform_component_destroy};
    int64_t id = given->number;

    if (actions[self->parameter]((uint32_t)id) < 0) return no_component(context, self, id);
    if (self->parameter == DESTROY) {
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
    int64_t id = given->number;

    if (platform_component_info((uint32_t)id, &component) < 0) return no_component(context, self, id);
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
    int64_t id = given->number;

    if (platform_component_info((uint32_t)id, &component) < 0) return no_component(context, self, id);
    summary = object_begin(context, JS_NewObject(context));
    object_text(&summary, "image", images[id]);
    object_text(&summary, "state", states[component.state]);
    object_number(&summary, "bytes", component.bytes);
    object_number(&summary, "calls", component.calls);
    object_number(&summary, "refused", component.refused);
    return object_end(&summary);
}

const struct host_function bindings_components[] = {
    {"componentSpawn", "sv", spawn, 0},
    {"componentEvent", "f", event, 0},
    {"componentReply", "cwwwww", reply, 0},
    {"componentSuspend", "c", control, SUSPEND},
    {"componentResume", "c", control, RESUME},
    {"componentDestroy", "c", control, DESTROY},
    {"componentFrame", "c", frame, 0},
    {"componentInfo", "c", info, 0},
    {0},
};
