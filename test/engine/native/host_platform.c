/*
 * platform.h on a POSIX system, for tests of the engine: `engine_host <rootfs.cpio>`. Registers are plain
 * memory, every bound interrupt is raised until it is acknowledged, a component makes one call and no more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

enum { REGISTERS = 0x10000000, REGISTER_BYTES = 4096, DMA_BYTES = 65536 };

static uint8_t registers[REGISTER_BYTES], dma[DMA_BYTES] __attribute__((aligned(4096)));
static size_t dma_used;
static uint32_t bound[PLATFORM_IRQ_LAST + 1], raised;
static uint8_t *archive;
static size_t archive_size;

static struct {
    bool alive, called, answered;
    struct platform_component info;
} components[PLATFORM_COMPONENTS];

int main(int count, char **arguments)
{
    FILE *file = count == 2 ? fopen(arguments[1], "rb") : NULL;

    if (!file || fseek(file, 0, SEEK_END) < 0) return 2;
    archive_size = (size_t)ftell(file);
    rewind(file);
    archive = malloc(archive_size ? archive_size : 1); /* its exact size, so that reading beyond is caught */
    if (fread(archive, 1, archive_size, file) != archive_size) return 2;
    fclose(file);
    return engine_main();
}

const char platform_kernel_name[] = "host";
const char platform_name[] = "posix";
uint64_t platform_ram_bytes(void) { return 1ull << 30; }

static struct platform_phase phases[5] = {{"kernel", 1}};
static unsigned phase_count = 1;

void platform_phase(const char *name)
{
    if (phase_count == sizeof(phases) / sizeof(phases[0])) return;
    snprintf(phases[phase_count].name, sizeof(phases[0].name), "%s", name);
    phases[phase_count++].us = platform_now_us();
}

unsigned platform_phases(const struct platform_phase **list)
{
    *list = phases;
    return phase_count;
}

const struct platform_device *platform_devices(unsigned *count)
{
    static const struct platform_device devices[] = {
        {"uart@10000000", "test,uart", REGISTERS, REGISTER_BYTES, 33, false},
        {"clock@20000000", "test,clock", 0x20000000, 4096, -1, true},
    };

    *count = 2;
    return devices;
}

void platform_caps(struct platform_caps *caps)
{
    *caps = (struct platform_caps){100, 7, 3, 1, 2, 0, 1 << 20, 1 << 19};
}

void platform_console_write(const char *text, size_t length)
{
    fflush(stdout);
    if (write(1, text, length) < 0) exit(2);
}

_Noreturn void platform_halt(const char *reason)
{
    printf("halt: %s\n", reason);
    fflush(stdout);
    _exit(3);
}

uint64_t platform_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint32_t platform_wait(uint64_t deadline_us)
{
    uint32_t result = raised;

    raised = 0;
    for (unsigned id = 0; id < PLATFORM_COMPONENTS; id++) {
        if (components[id].alive && !components[id].called) result |= PLATFORM_RAISED_COMPONENT;
    }
    if (!result && deadline_us == PLATFORM_NEVER) platform_halt("nothing can ever be raised");
    while (!result && platform_now_us() < deadline_us) usleep(100);
    return platform_now_us() >= deadline_us ? result | PLATFORM_RAISED_TIMER : result;
}

void *platform_heap(size_t size) { return malloc(size); }

int platform_mmio_map(uint64_t base, uint64_t size, volatile uint8_t **mapped)
{
    if (base < REGISTERS || base + size > REGISTERS + REGISTER_BYTES) return PLATFORM_ENOENT;
    *mapped = registers + (base - REGISTERS);
    return 0;
}

int platform_dma_alloc(size_t size, void **memory, uint64_t *address)
{
    if (size > DMA_BYTES - dma_used) return PLATFORM_ENOMEM;
    *memory = dma + dma_used;
    *address = 0x40000000 + dma_used;
    dma_used += size;
    return 0;
}

void platform_dma_usage(uint64_t *used, uint64_t *total)
{
    *used = dma_used;
    *total = DMA_BYTES;
}

int platform_irq_bind(uint32_t irq, bool edge)
{
    (void)edge;
    for (int bit = PLATFORM_IRQ_FIRST; bit <= PLATFORM_IRQ_LAST; bit++) {
        if (bound[bit] == irq + 1) return PLATFORM_EBUSY;
        if (bound[bit]) continue;
        bound[bit] = irq + 1;
        raised |= 1u << bit;
        return bit;
    }
    return PLATFORM_ENOMEM;
}

int platform_irq_ack(unsigned bit)
{
    if (!bound[bit]) return PLATFORM_ENOENT;
    raised &= ~(1u << bit);
    return 0;
}

const uint8_t *platform_rootfs(size_t *size)
{
    *size = archive_size;
    return archive;
}

int platform_component_spawn(const struct platform_spawn *spawn)
{
    if (spawn->elf_size < 4 || memcmp(spawn->elf, "\177ELF", 4) != 0) return PLATFORM_EINVAL;
    for (int id = 0; id < PLATFORM_COMPONENTS; id++) {
        if (components[id].alive) continue;
        memset(&components[id], 0, sizeof(components[id]));
        components[id].alive = true;
        components[id].info.bytes = spawn->arena_bytes + spawn->args[0];
        components[id].info.frame = calloc(1, PLATFORM_FRAME_BYTES);
        return id;
    }
    return PLATFORM_EBUSY;
}

bool platform_component_event(struct platform_event *event)
{
    for (uint32_t id = 0; id < PLATFORM_COMPONENTS; id++) {
        if (!components[id].alive || components[id].called) continue;
        components[id].called = true;
        components[id].info.state = PLATFORM_CALLING;
        components[id].info.calls++;
        *event = (struct platform_event){id, PLATFORM_EVENT_CALL, {0x100, 1, 0xffffffff, 3, 4}};
        return true;
    }
    return false;
}

int platform_component_reply(uint32_t id, uint32_t label, const uint32_t words[4])
{
    if (!components[id].alive || !components[id].called || components[id].answered) return PLATFORM_ENOENT;
    components[id].answered = true;
    components[id].info.state = PLATFORM_RUNNING;
    printf("reply %u %#x %u %u %u %u\n", id, label, words[0], words[1], words[2], words[3]);
    return 0;
}

static int set_state(uint32_t id, enum platform_component_state state)
{
    if (!components[id].alive) return PLATFORM_ENOENT;
    components[id].info.state = state;
    return 0;
}

int platform_component_suspend(uint32_t id) { return set_state(id, PLATFORM_SUSPENDED); }
int platform_component_resume(uint32_t id) { return set_state(id, PLATFORM_RUNNING); }

int platform_component_destroy(uint32_t id)
{
    if (!components[id].alive) return PLATFORM_ENOENT;
    free(components[id].info.frame); /* a use of it from now on is caught */
    components[id].alive = false;
    return 0;
}

int platform_component_info(uint32_t id, struct platform_component *info)
{
    if (!components[id].alive) return PLATFORM_ENOENT;
    *info = components[id].info;
    return 0;
}

void platform_reset(void)
{
    printf("reset\n");
    for (uint32_t id = 0; id < PLATFORM_COMPONENTS; id++) platform_component_destroy(id);
    memset(bound, 0, sizeof(bound));
    memset(dma, 0, sizeof(dma));
    dma_used = 0;
    raised = 0;
}
