/*
 * Wakes the boot processor's GICv3 redistributor (IHI 0069 §12.11, GICR_WAKER), found in the device tree. The
 * kernel expects its loader to have done so; else it does it with a deadline of 2 ms of real time, which an
 * emulator on a busy host can miss, and then it halts.
 */
#include <stddef.h>
#include <stdint.h>

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4 };
enum { GICR_WAKER = 0x14, PROCESSOR_SLEEP = 1 << 1, CHILDREN_ASLEEP = 1 << 2, PATIENCE = 1 << 20 };

static uint32_t be32(const uint32_t *cell)
{
    return __builtin_bswap32(*cell);
}

static int same(const char *text, const char *other)
{
    while (*text && *text == *other)
        text++, other++;
    return *text == *other;
}

/* Address of the second `reg` entry (distributor, redistributors) of the node that is an arm,gic-v3; 0 if there is none. */
static uint64_t redistributor(const uint32_t *fdt)
{
    const char *strings = (const char *)fdt + be32(&fdt[3]);
    const uint32_t *at = fdt + be32(&fdt[2]) / 4, *end = at + be32(&fdt[9]) / 4, *reg = NULL;
    int gic = 0;
    while (at < end) {
        uint32_t token = be32(at++);
        if (token == BEGIN_NODE) {
            const char *name = (const char *)at;
            reg = NULL;
            gic = 0;
            while (*name)
                name++;
            at = (const uint32_t *)(((uintptr_t)name + 4) & ~3ul);
        } else if (token == PROP) {
            uint32_t size = be32(at);
            const char *name = strings + be32(at + 1);
            if (same(name, "reg") && size >= 32)
                reg = at + 2;
            if (same(name, "compatible"))
                gic = same((const char *)(at + 2), "arm,gic-v3");
            at += 2 + (size + 3) / 4;
        } else if (token != NOP && token != END_NODE) {
            break;
        }
        if (gic && reg)
            return (uint64_t)be32(reg + 4) << 32 | be32(reg + 5);
    }
    return 0;
}

void wake_redistributor(const uint32_t *fdt)
{
    uint64_t base = redistributor(fdt);
    if (!base)
        return;
    volatile uint32_t *waker = (volatile uint32_t *)(base + GICR_WAKER);
    *waker &= ~(uint32_t)PROCESSOR_SLEEP;
    for (uint32_t i = 0; i < PATIENCE && (*waker & CHILDREN_ASLEEP); i++)
        ;
}
