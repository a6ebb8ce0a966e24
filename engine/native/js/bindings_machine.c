/* Host functions that reach the machine: clock, console, devices, registers, DMA memory, interrupts, boot files. */
#include <string.h>

#include "bindings.h"
#include "engine.h"

enum { WINDOWS = 64, LOG_BYTES = 4096 };

/* Register windows outlive a runtime: the platform keeps their mappings. */
static struct window {
    uint64_t base, size;
    volatile uint8_t *registers;
} windows[WINDOWS];
static int window_count;

HOST_FUNCTION(now_us)
{
    return JS_NewInt64(context, (int64_t)platform_now_us());
}

HOST_FUNCTION(log_text)
{
    size_t length = given->size;

    if (length > LOG_BYTES) {
        /* Cut before a character, not within it. */
        for (length = LOG_BYTES; length && (given->bytes[length] & 0xc0) == 0x80; length--) continue;
    }
    platform_console_write((const char *)given->bytes, length);
    return JS_UNDEFINED;
}

HOST_FUNCTION(halt)
{
    engine_halt("%s", (const char *)given->bytes);
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
    struct window window = {(uint64_t)given[0].number, (uint64_t)given[1].number, NULL};

    if (!window.size) return throw_range(context, self, "argument 2", 1, INT64_MAX >> 10);
    for (int i = 0; i < window_count; i++) {
        if (windows[i].base == window.base && windows[i].size == window.size) return JS_NewInt32(context, i);
    }
    if (window_count == WINDOWS) return throw_error(context, self, "all %d windows are in use", WINDOWS);
    if (platform_mmio_map(window.base, window.size, &window.registers) < 0) {
        return throw_error(context, self, "%#llx to %#llx is no device memory or cannot be mapped",
                           (unsigned long long)window.base, (unsigned long long)(window.base + window.size - 1));
    }
    windows[window_count] = window;
    return JS_NewInt32(context, window_count++);
}

/* The register that the first two arguments name; NULL after throwing. */
static volatile uint8_t *mmio_register(JSContext *context, const struct host_function *self, const struct argument *given)
{
    int64_t window = given[0].number, offset = given[1].number, width = self->parameter;

    if (window >= window_count) {
        throw_range(context, self, "the window", 0, window_count - 1);
    } else if (offset > (int64_t)windows[window].size - width) {
        throw_range(context, self, "the offset", 0, (int64_t)windows[window].size - width);
    } else if (offset & (width - 1)) {
        JS_ThrowRangeError(context, "%s: the offset must be a multiple of %d", self->name, (int)width);
    } else {
        return windows[window].registers + offset;
    }
    return NULL;
}

HOST_FUNCTION(mmio_read)
{
    volatile uint8_t *at = mmio_register(context, self, given);

    if (!at) return JS_EXCEPTION;
    if (self->parameter == 1) return JS_NewInt32(context, *at);
    if (self->parameter == 2) return JS_NewInt32(context, *(volatile uint16_t *)at);
    return JS_NewUint32(context, *(volatile uint32_t *)at);
}

HOST_FUNCTION(mmio_write)
{
    volatile uint8_t *at = mmio_register(context, self, given);
    int64_t value = given[2].number, most = (1ll << 8 * self->parameter) - 1;

    if (!at) return JS_EXCEPTION;
    if (value > most) return throw_range(context, self, "the value", 0, most);
    if (self->parameter == 1) *at = (uint8_t)value;
    if (self->parameter == 2) *(volatile uint16_t *)at = (uint16_t)value;
    if (self->parameter == 4) *(volatile uint32_t *)at = (uint32_t)value;
    return JS_UNDEFINED;
}

HOST_FUNCTION(dma_alloc)
{
    size_t size = ((size_t)given->number + 4095) & ~(size_t)4095;
    struct object result;
    void *memory;
    uint64_t address;

    if (platform_dma_alloc(size, &memory, &address) < 0) {
        return throw_error(context, self, "no %zu bytes of DMA memory are left", size);
    }
    result = object_begin(context, JS_NewObject(context));
    object_set(&result, "buffer", JS_NewArrayBuffer(context, memory, size, NULL, NULL, false));
    object_number(&result, "address", address);
    return object_end(&result);
}

/* Outer shareable, since devices are outside the processors' inner domain (Arm DDI 0487, B2.7.5; virtio 1.2 §2.7.13). */
HOST_FUNCTION(barrier)
{
#ifdef __aarch64__
    if (given->number == 0) __asm__ volatile("dmb osh" ::: "memory");
    if (given->number == 1) __asm__ volatile("dmb oshld" ::: "memory");
    if (given->number == 2) __asm__ volatile("dmb oshst" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
    return JS_UNDEFINED;
}

HOST_FUNCTION(irq_bind)
{
    const char *trigger = (const char *)given[1].bytes;
    bool edge = strcmp(trigger, "edge") == 0;
    int irq = (int)given[0].number, bit;

    if (!edge && strcmp(trigger, "level") != 0) {
        return JS_ThrowRangeError(context, "irqBind: trigger must be \"level\" or \"edge\"");
    }
    bit = platform_irq_bind((uint32_t)irq, edge);
    if (bit == PLATFORM_EBUSY) return throw_error(context, self, "interrupt %d is bound already", irq);
    if (bit < 0) return throw_error(context, self, "interrupt %d: no bit or no handler is left for it", irq);
    return JS_NewInt32(context, bit);
}

HOST_FUNCTION(irq_ack)
{
    int bit = (int)given->number;

    if (platform_irq_ack((unsigned)bit) < 0) return throw_error(context, self, "bit %d is not bound", bit);
    return JS_UNDEFINED;
}

HOST_FUNCTION(rootfs_read)
{
    struct rootfs_file file;

    if (!rootfs_find((const char *)given->bytes, &file)) return JS_NULL;
    /* The archive itself, without a copy: QuickJS has no read-only buffers, so the contract forbids writing. */
    return JS_NewArrayBuffer(context, (uint8_t *)file.data, file.size, NULL, NULL, false);
}

HOST_FUNCTION(rootfs_list)
{
    struct object list = object_begin(context, JS_NewArray(context));

    for (unsigned i = 0; rootfs_name(i); i++) array_set(&list, i, JS_NewString(context, rootfs_name(i)));
    return object_end(&list);
}

HOST_FUNCTION(boot_info)
{
    struct object info = object_begin(context, JS_NewObject(context));
    struct object phases = object_begin(context, JS_NewArray(context));
    const struct platform_phase *phase;
    unsigned count = platform_phases(&phase);

    for (unsigned i = 0; i < count; i++, phase++) {
        struct object entry = object_begin(context, JS_NewObject(context));
        object_text(&entry, "name", phase->name);
        object_number(&entry, "us", phase->us);
        array_set(&phases, i, object_end(&entry));
    }
    object_text(&info, "kernel", platform_kernel_name);
    object_text(&info, "platform", platform_name);
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

const struct host_function bindings_machine[] = {
    {"nowUs", "", now_us, 0},
    {"log", "s", log_text, 0},
    {"halt", "s", halt, 0},
    {"devices", "", devices, 0},
    {"mmioMap", "nn", mmio_map, 0},
    {"mmioRead8", "nn", mmio_read, 1},
    {"mmioRead16", "nn", mmio_read, 2},
    {"mmioRead32", "nn", mmio_read, 4},
    {"mmioWrite8", "nnw", mmio_write, 1},
    {"mmioWrite16", "nnw", mmio_write, 2},
    {"mmioWrite32", "nnw", mmio_write, 4},
    {"dmaAlloc", "d", dma_alloc, 0},
    {"barrier", "k", barrier, 0},
    {"irqBind", "qs", irq_bind, 0},
    {"irqAck", "b", irq_ack, 0},
    {"rootfsRead", "s", rootfs_read, 0},
    {"rootfsList", "", rootfs_list, 0},
    {"bootInfo", "", boot_info, 0},
    {"caps", "", caps, 0},
    {"memory", "", memory, 0},
    {"gc", "", gc, 0},
    {0},
};
