/* Host functions that reach the machine: clock, console, devices, registers, DMA memory, interrupts, boot files. */
#include <string.h>

#include "bindings.h"

enum { WINDOWS = 64, LOG_BYTES = 4096, DMA_MAX = 4 << 20 };

/* Register windows outlive a runtime: the platform keeps their mappings. */
static struct window {
    uint64_t base, size;
    volatile uint8_t *registers;
} windows[WINDOWS];
static unsigned window_count;

HOST_FUNCTION(now_us)
{
    return JS_NewInt64(context, (int64_t)platform_now_us());
}

HOST_FUNCTION(log_text)
{
    size_t length;
    const char *text = argument_text(context, "log", values[0], &length);

    if (!text) return JS_EXCEPTION;
    if (length > LOG_BYTES) {
        /* Cut before a character, not within it. */
        for (length = LOG_BYTES; length && (text[length] & 0xc0) == 0x80; length--) continue;
    }
    platform_console_write(text, length);
    JS_FreeCString(context, text);
    return JS_UNDEFINED;
}

HOST_FUNCTION(describe)
{
    JSValue text = JS_NewString(context, engine_describe(context, values[0]));

    if (!JS_IsException(text)) return text;
    /* No memory for the text either; the empty string needs none. */
    JS_FreeValue(context, JS_GetException(context));
    return JS_AtomToString(context, JS_ATOM_NULL);
}

HOST_FUNCTION(halt)
{
    const char *reason = argument_text(context, "halt", values[0], NULL);

    if (!reason) return JS_EXCEPTION;
    engine_halt("%s", reason);
}

HOST_FUNCTION(devices)
{
    struct object list = object_begin(context, JS_NewArray(context));
    unsigned found;
    const struct platform_device *device = platform_devices(&found);

    for (unsigned i = 0; i < found; i++, device++) {
        struct object node = object_begin(context, JS_NewObject(context));
        object_text(&node, "name", device->name);
        object_text(&node, "compatible", device->compatible);
        object_number(&node, "base", device->base);
        object_number(&node, "size", device->size);
        object_set(&node, "irq", JS_NewInt32(context, device->irq));
        object_text(&node, "trigger", device->edge ? "edge" : "level");
        array_set(&list, i, object_end(&node));
    }
    return object_end(&list);
}

HOST_FUNCTION(mmio_map)
{
    int64_t base, size;
    volatile uint8_t *registers;

    if (!argument_integer(context, "mmioMap", "base", values[0], 0, SAFE_INTEGER, &base) ||
        !argument_integer(context, "mmioMap", "size", values[1], 1, SAFE_INTEGER - base, &size)) {
        return JS_EXCEPTION;
    }
    for (unsigned i = 0; i < window_count; i++) {
        if (windows[i].base == (uint64_t)base && windows[i].size == (uint64_t)size) return JS_NewInt32(context, (int)i);
    }
    if (window_count == WINDOWS) return throw_error(context, "mmioMap: all %d windows are in use", WINDOWS);
    if (platform_mmio_map((uint64_t)base, (uint64_t)size, &registers) < 0) {
        return throw_error(context, "mmioMap: %#llx to %#llx is no device memory or cannot be mapped",
                                  (unsigned long long)base, (unsigned long long)(base + size - 1));
    }
    windows[window_count] = (struct window){(uint64_t)base, (uint64_t)size, registers};
    return JS_NewInt32(context, (int)window_count++);
}

/* The register that the first two arguments name; NULL after throwing. */
static volatile uint8_t *mmio_register(JSContext *context, const char *function, JSValueConst *values, int width)
{
    int64_t window, offset;

    if (!argument_integer(context, function, "window", values[0], 0, (int64_t)window_count - 1, &window)) return NULL;
    if (!argument_integer(context, function, "offset", values[1], 0, (int64_t)windows[window].size - width, &offset)) {
        return NULL;
    }
    if (offset & (width - 1)) {
        JS_ThrowRangeError(context, "%s: offset must be a multiple of %d", function, width);
        return NULL;
    }
    return windows[window].registers + offset;
}

HOST_FUNCTION_OF(mmio_read, width)
{
    static const char *const names[] = {[1] = "mmioRead8", [2] = "mmioRead16", [4] = "mmioRead32"};
    volatile uint8_t *at = mmio_register(context, names[width], values, width);

    if (!at) return JS_EXCEPTION;
    if (width == 1) return JS_NewInt32(context, *at);
    if (width == 2) return JS_NewInt32(context, *(volatile uint16_t *)at);
    return JS_NewUint32(context, *(volatile uint32_t *)at);
}

HOST_FUNCTION_OF(mmio_write, width)
{
    static const char *const names[] = {[1] = "mmioWrite8", [2] = "mmioWrite16", [4] = "mmioWrite32"};
    volatile uint8_t *at = mmio_register(context, names[width], values, width);
    int64_t value;

    if (!at || !argument_integer(context, names[width], "value", values[2], 0, (1ll << 8 * width) - 1, &value)) {
        return JS_EXCEPTION;
    }
    if (width == 1) *at = (uint8_t)value;
    if (width == 2) *(volatile uint16_t *)at = (uint16_t)value;
    if (width == 4) *(volatile uint32_t *)at = (uint32_t)value;
    return JS_UNDEFINED;
}

HOST_FUNCTION(dma_alloc)
{
    struct object result;
    int64_t size;
    void *memory;
    uint64_t address;

    if (!argument_integer(context, "dmaAlloc", "size", values[0], 1, DMA_MAX, &size)) return JS_EXCEPTION;
    size = (size + 4095) & ~4095ll;
    if (platform_dma_alloc((size_t)size, &memory, &address) < 0) {
        return throw_error(context, "dmaAlloc: no %lld bytes of DMA memory are left", (long long)size);
    }
    result = object_begin(context, JS_NewObject(context));
    object_set(&result, "buffer", JS_NewArrayBuffer(context, memory, (size_t)size, NULL, NULL, false));
    object_number(&result, "address", address);
    return object_end(&result);
}

/* Outer shareable, since devices are outside the processors' domain (Arm ARM B2.3.5; virtio 1.2 §2.7.13). */
HOST_FUNCTION(barrier)
{
    int64_t kind;

    if (!argument_integer(context, "barrier", "kind", values[0], 0, 2, &kind)) return JS_EXCEPTION;
#ifdef __aarch64__
    if (kind == 0) __asm__ volatile("dmb osh" ::: "memory");
    if (kind == 1) __asm__ volatile("dmb oshld" ::: "memory");
    if (kind == 2) __asm__ volatile("dmb oshst" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
    return JS_UNDEFINED;
}

HOST_FUNCTION(irq_bind)
{
    const char *trigger;
    bool edge, known;
    int64_t irq;
    int bit;

    if (!argument_integer(context, "irqBind", "irq", values[0], 0, 1019, &irq)) return JS_EXCEPTION;
    trigger = argument_text(context, "irqBind", values[1], NULL);
    if (!trigger) return JS_EXCEPTION;
    edge = strcmp(trigger, "edge") == 0;
    known = edge || strcmp(trigger, "level") == 0;
    JS_FreeCString(context, trigger);
    if (!known) return JS_ThrowRangeError(context, "irqBind: trigger must be \"level\" or \"edge\"");
    bit = platform_irq_bind((uint32_t)irq, edge);
    if (bit < 0) {
        return throw_error(context, "irqBind: interrupt %d %s", (int)irq,
                                  bit == PLATFORM_EBUSY ? "is bound already" : "cannot be bound: no bit or no handler is left");
    }
    return JS_NewInt32(context, bit);
}

HOST_FUNCTION(irq_ack)
{
    int64_t bit;

    if (!argument_integer(context, "irqAck", "bit", values[0], PLATFORM_IRQ_FIRST, PLATFORM_IRQ_LAST, &bit)) {
        return JS_EXCEPTION;
    }
    if (platform_irq_ack((unsigned)bit) < 0) return throw_error(context, "irqAck: bit %d is not bound", (int)bit);
    return JS_UNDEFINED;
}

HOST_FUNCTION(rootfs_read)
{
    const char *name = argument_text(context, "rootfsRead", values[0], NULL);
    struct rootfs_file file;
    bool found;

    if (!name) return JS_EXCEPTION;
    found = engine_file(name, &file);
    JS_FreeCString(context, name);
    /* The archive itself, without a copy: QuickJS has no read-only buffers, so the contract forbids writing. */
    return found ? JS_NewArrayBuffer(context, (uint8_t *)file.data, file.size, NULL, NULL, false) : JS_NULL;
}

HOST_FUNCTION(rootfs_list)
{
    struct object list = object_begin(context, JS_NewArray(context));

    for (unsigned i = 0; i < rootfs_count(); i++) array_set(&list, i, JS_NewString(context, rootfs_name(i)));
    return object_end(&list);
}

HOST_FUNCTION(boot_info)
{
    struct object info = object_begin(context, JS_NewObject(context)), phases = object_begin(context, JS_NewArray(context));
    const struct platform_phase *phase;
    unsigned before = platform_phases(&phase);

    for (unsigned i = 0; i < before + engine.phase_count; i++) {
        const struct platform_phase *next = i < before ? &phase[i] : &engine.phases[i - before];
        struct object entry = object_begin(context, JS_NewObject(context));
        object_text(&entry, "name", next->name);
        object_number(&entry, "us", next->us);
        array_set(&phases, i, object_end(&entry));
    }
    object_text(&info, "kernel", platform_kernel_name());
    object_text(&info, "platform", platform_name());
    object_number(&info, "ramBytes", platform_ram_bytes());
    object_set(&info, "phases", object_end(&phases));
    object_number(&info, "restarts", engine.restarts);
    return object_end(&info);
}

HOST_FUNCTION(caps)
{
    struct object summary = object_begin(context, JS_NewObject(context));
    struct platform_caps now;

    platform_caps(&now);
    object_number(&summary, "slotsTotal", now.slots_total);
    object_number(&summary, "slotsUsed", now.slots_used);
    object_number(&summary, "untypedCount", now.untyped_count);
    object_number(&summary, "untypedBytes", now.untyped_bytes);
    object_number(&summary, "untypedFreeBytes", now.untyped_free_bytes);
    object_number(&summary, "deviceUntypedCount", now.device_untyped_count);
    object_number(&summary, "irqHandlers", now.irq_handlers);
    object_number(&summary, "components", now.components);
    object_number(&summary, "componentsMax", PLATFORM_COMPONENTS);
    return object_end(&summary);
}

HOST_FUNCTION(memory)
{
    struct heap_usage heap = *heap_usage(engine.heap); /* before this summary adds to it */
    struct object summary = object_begin(context, JS_NewObject(context));
    uint64_t used, total;

    platform_dma_usage(&used, &total);
    object_number(&summary, "heapUsed", heap.used);
    object_number(&summary, "heapPeak", heap.peak);
    object_number(&summary, "heapLimit", heap.limit);
    object_number(&summary, "heapBlocks", heap.blocks);
    object_number(&summary, "dmaUsed", used);
    object_number(&summary, "dmaTotal", total);
    object_number(&summary, "gcRuns", engine.gc_runs);
    object_number(&summary, "gcLongestUs", engine.gc_longest_us);
    object_number(&summary, "jobsDeferred", engine.jobs_deferred);
    return object_end(&summary);
}

HOST_FUNCTION(gc)
{
    return JS_NewInt64(context, (int64_t)engine_collect());
}

const JSCFunctionListEntry bindings_machine[] = {
    JS_CFUNC_DEF("nowUs", 0, now_us),
    JS_CFUNC_DEF("log", 1, log_text),
    JS_CFUNC_DEF("describe", 1, describe),
    JS_CFUNC_DEF("halt", 1, halt),
    JS_CFUNC_DEF("devices", 0, devices),
    JS_CFUNC_DEF("mmioMap", 2, mmio_map),
    JS_CFUNC_MAGIC_DEF("mmioRead8", 2, mmio_read, 1),
    JS_CFUNC_MAGIC_DEF("mmioRead16", 2, mmio_read, 2),
    JS_CFUNC_MAGIC_DEF("mmioRead32", 2, mmio_read, 4),
    JS_CFUNC_MAGIC_DEF("mmioWrite8", 3, mmio_write, 1),
    JS_CFUNC_MAGIC_DEF("mmioWrite16", 3, mmio_write, 2),
    JS_CFUNC_MAGIC_DEF("mmioWrite32", 3, mmio_write, 4),
    JS_CFUNC_DEF("dmaAlloc", 1, dma_alloc),
    JS_CFUNC_DEF("barrier", 1, barrier),
    JS_CFUNC_DEF("irqBind", 2, irq_bind),
    JS_CFUNC_DEF("irqAck", 1, irq_ack),
    JS_CFUNC_DEF("rootfsRead", 1, rootfs_read),
    JS_CFUNC_DEF("rootfsList", 0, rootfs_list),
    JS_CFUNC_DEF("bootInfo", 0, boot_info),
    JS_CFUNC_DEF("caps", 0, caps),
    JS_CFUNC_DEF("memory", 0, memory),
    JS_CFUNC_DEF("gc", 0, gc),
};
const int bindings_machine_count = sizeof(bindings_machine) / sizeof(bindings_machine[0]);
