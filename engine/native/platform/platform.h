/*
 * What the engine needs from the machine. Everything on seL4 sits behind these functions; another
 * kernel or bare metal is another folder that implements them. None of them blocks, except
 * platform_wait(). Those that can fail return a negative PLATFORM_E* value and have then done nothing.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PLATFORM_EINVAL = -1, PLATFORM_ENOMEM = -2, PLATFORM_ENOENT = -3, PLATFORM_EBUSY = -4 };

/* Bits that platform_wait() returns; interrupt lines follow from PLATFORM_IRQ_FIRST on. */
enum {
    PLATFORM_RAISED_TIMER = 1u << 0,
    PLATFORM_RAISED_COMPONENT = 1u << 1,
    PLATFORM_IRQ_FIRST = 2,
    PLATFORM_IRQ_LAST = 29,
};
/* More components than the workers that a hive may have: there are others beside them. */
enum { PLATFORM_COMPONENTS = 80, PLATFORM_FRAME_BYTES = 16384, PLATFORM_DEVICES = 64 };

#define PLATFORM_NEVER UINT64_MAX

struct platform_device {
    char name[32];
    char compatible[32];
    uint64_t base, size;
    int32_t irq; /* GIC id, -1: none */
    bool edge;
};

struct platform_phase {
    char name[16];
    uint64_t us;
};

struct platform_caps {
    uint32_t slots_total, slots_used, untyped_count, device_untyped_count, irq_handlers, components;
    uint64_t untyped_bytes, untyped_free_bytes;
};

enum platform_event_kind { PLATFORM_EVENT_CALL = 1, PLATFORM_EVENT_FAULT = 2, PLATFORM_EVENT_VIOLATION = 3 };
enum platform_fault { PLATFORM_FAULT_VM = 1, PLATFORM_FAULT_CAP, PLATFORM_FAULT_SYSCALL, PLATFORM_FAULT_EXCEPTION, PLATFORM_FAULT_OTHER };

/* words: as EventKind in runtime-bindings.d.ts states them (event[2] is words[0]). */
struct platform_event {
    uint32_t id, kind;
    uint64_t words[5];
};

enum platform_component_state { PLATFORM_RUNNING, PLATFORM_CALLING, PLATFORM_SUSPENDED, PLATFORM_FAULTED };

struct platform_component {
    enum platform_component_state state;
    uint64_t bytes, calls, refused;
    void *frame; /* PLATFORM_FRAME_BYTES, mapped in the root too */
};

/* ---- machine ---- */
extern const char platform_kernel_name[], platform_name[];
uint64_t platform_ram_bytes(void);
/* A phase of the boot has ended. Those of the first boot are kept, in their order; later ones are not. */
void platform_phase(const char *name);
unsigned platform_phases(const struct platform_phase **phases);
const struct platform_device *platform_devices(unsigned *count);
void platform_caps(struct platform_caps *caps);
/* Polled output to the debug console, past any driver; usable from the first instruction on. */
void platform_console_write(const char *text, size_t length);
/* Says why and stops for good without using a processor. */
_Noreturn void platform_halt(const char *reason);

/* ---- time and waiting ---- */
uint64_t platform_now_us(void);
/*
 * Wait until something is raised or the deadline (platform_now_us() clock; PLATFORM_NEVER for none) has passed.
 * Returns the raised bits; drains at most a bounded number of component messages. An expired deadline returns at once
 * with PLATFORM_RAISED_TIMER and whatever else is there.
 */
uint32_t platform_wait(uint64_t deadline_us);

/* ---- memory ---- */
/* The JavaScript heap: size bytes asked for (rounded up to 2 MiB), zeroed once, never given back. NULL if there is no memory. */
void *platform_heap(size_t size);
int platform_mmio_map(uint64_t base, uint64_t size, volatile uint8_t **registers);
/* Whole pages, contiguous, cacheable, zeroed. */
int platform_dma_alloc(size_t size, void **memory, uint64_t *address);
void platform_dma_usage(uint64_t *used, uint64_t *total);

/* ---- interrupts ---- */
/* Returns the bit number. */
int platform_irq_bind(uint32_t irq, bool edge);
int platform_irq_ack(unsigned bit);

/* ---- boot files ---- */
const uint8_t *platform_rootfs(size_t *size);

/* ---- components ---- */
struct platform_spawn {
    const uint8_t *elf;
    size_t elf_size;
    uint32_t priority;
    uint64_t arena_bytes; /* whole pages */
    uint32_t args[4];
};
/* Returns the id, 0 to PLATFORM_COMPONENTS - 1. */
int platform_component_spawn(const struct platform_spawn *spawn);
bool platform_component_event(struct platform_event *event);
int platform_component_reply(uint32_t id, uint32_t label, const uint32_t words[4]);
int platform_component_suspend(uint32_t id);
int platform_component_resume(uint32_t id);
int platform_component_destroy(uint32_t id);
int platform_component_info(uint32_t id, struct platform_component *info);

/*
 * Undo what a runtime did to the machine before the next one starts: components destroyed, interrupts unbound,
 * DMA memory zeroed and free again. The heap and MMIO mappings stay.
 */
void platform_reset(void);
