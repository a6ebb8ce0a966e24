/*
 * From the kernel's hand-over to the engine: thread-local storage, capabilities, device tree, address
 * space, interrupts; then engine_main(). What the machine is, it learns from bootinfo and the tree.
 */
#include "kernel.h"
#include <string.h>

#define STRING_(x) #x
#define STRING(x) STRING_(x)

enum { PL011_DR = 0x00, PL011_FR = 0x18, PL011_FR_TXFF = 1 << 5, PHASES_MAX = 6, FIFO_PATIENCE = 1 << 20 };

extern char __tdata_start[], __tdata_end[], __tls_size[];
extern const uint8_t rootfs_start[], rootfs_end[];
int engine_main(void);

__thread seL4_IPCBuffer *__sel4_ipc_buffer;
const seL4_BootInfo *bootinfo;
seL4_CPtr root_endpoint;

static struct platform_device devices[PLATFORM_DEVICES];
static unsigned device_count;
static struct fdt_facts facts;
static struct platform_phase phases[PHASES_MAX];
static unsigned phase_count;
static volatile uint8_t *console;
static uint8_t tls[1024] __attribute__((aligned(16)));

void platform_phase(const char *name)
{
    if (phase_count == PHASES_MAX)
        return; /* the engine has been restarted */
    strncpy(phases[phase_count].name, name, sizeof phases[0].name - 1);
    phases[phase_count++].us = platform_now_us();
}

unsigned platform_phases(const struct platform_phase **list)
{
    *list = phases;
    return phase_count;
}

const char platform_kernel_name[] = "seL4 " STRING(CONFIG_SEL4_ARCH)
#ifdef CONFIG_DEBUG_BUILD
    " debug"
#else
    " release"
#endif
#ifdef CONFIG_KERNEL_MCS
    " MCS"
#endif
    ", " STRING(CONFIG_TIMER_TICK_MS) " ms tick";
const char platform_name[] = STRING(CONFIG_ARM_PLAT);

uint64_t platform_ram_bytes(void)
{
    return facts.ram_bytes;
}

const struct platform_device *platform_devices(unsigned *count)
{
    *count = device_count;
    return devices;
}

const uint8_t *platform_rootfs(size_t *size)
{
    *size = (size_t)(rootfs_end - rootfs_start);
    return rootfs_start;
}

void platform_console_write(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (console) {
            /* A console that nobody empties must not stop the machine: its text is lost. */
            for (unsigned wait = 0; wait < FIFO_PATIENCE && (*(volatile uint32_t *)(console + PL011_FR) & PL011_FR_TXFF); wait++)
                ;
            *(volatile uint32_t *)(console + PL011_DR) = (uint8_t)text[i];
        } else {
#ifdef CONFIG_PRINTING
            seL4_DebugPutChar(text[i]);
#endif
        }
    }
}

_Noreturn void platform_halt(const char *reason)
{
    static const char prefix[] = "\r\ncohesix: halted: ";
    platform_console_write(prefix, sizeof prefix - 1);
    platform_console_write(reason, strlen(reason));
    platform_console_write("\r\n", 2);
    component_reset();
    interrupt_reset();
    for (;;)
        seL4_Recv(root_endpoint, NULL);
}

/* The loader's tree if the kernel got one, else the one that the image brings along. */
static bool find_devices(void)
{
    const uint8_t *extra = (const uint8_t *)bootinfo + seL4_BootInfoFrameSize;
    for (seL4_Word at = 0; at + sizeof(seL4_BootInfoHeader) <= bootinfo->extraLen;) {
        const seL4_BootInfoHeader *header = (const void *)(extra + at);
        if (header->len < sizeof *header || header->len > bootinfo->extraLen - at)
            break;
        if (header->id == SEL4_BOOTINFO_HEADER_FDT)
            return fdt_read((const uint8_t *)(header + 1), header->len - sizeof *header, devices, &device_count, &facts);
        at += header->len;
    }
    extern const uint8_t fdt_fallback_start[], fdt_fallback_end[];
    return fdt_read(fdt_fallback_start, (size_t)(fdt_fallback_end - fdt_fallback_start), devices, &device_count, &facts);
}

static _Noreturn void boot(void)
{
    platform_phase("kernel");
    objects_init();
    if (!find_devices() || !facts.timer_irq)
        platform_halt("no device tree, or none that names the timer");
    if (vspace_init() || component_init() || interrupt_init(facts.timer_irq))
        platform_halt("not enough memory or capabilities to start");
    if (facts.console && platform_mmio_map(facts.console, PAGE_BYTES, &console))
        console = NULL;
    platform_phase("platform");
    engine_main();
    platform_halt("the engine returned");
}

/* AArch64 TLS variant 1: two words of thread control block, then the data; nothing thread-local is touched before. */
_Noreturn void root_start(const seL4_BootInfo *info)
{
    size_t data = (size_t)(__tdata_end - __tdata_start);
    for (size_t i = 0; i < data; i++)
        ((volatile uint8_t *)tls)[16 + i] = (uint8_t)__tdata_start[i];
    __asm__ volatile("msr tpidr_el0, %0" ::"r"(tls));
    bootinfo = info;
    seL4_SetIPCBuffer(info->ipcBuffer);
    if ((size_t)__tls_size > sizeof tls)
        platform_halt("thread-local data outgrew its block");
    boot();
}
