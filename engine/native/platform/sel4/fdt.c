/*
 * Reads a flattened device tree (Devicetree Specification 0.4 §5): the nodes with registers, the
 * timer's interrupt, the RAM and the console. It comes from the loader, yet every offset is checked.
 */
#include "kernel.h"
#include <string.h>

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, DEPTH_MAX = 16 };
enum { GIC_SPI_BASE = 32, GIC_PPI_BASE = 16 };

struct value {
    const uint8_t *bytes;
    uint32_t size;
};

struct node {
    char name[32];
    struct value compatible, reg, interrupts;
    uint32_t address_cells, size_cells; /* for its children */
    bool memory, kept;
};

/* A node of which no property has been read. */
static const struct node fresh = {.address_cells = 2, .size_cells = 2};

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t cells(const uint8_t *p, uint32_t count)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < count; i++)
        value = value << 32 | be32(p + 4 * i);
    return value;
}

/* An interrupt specifier of the GIC: kind (0 shared, 1 private), number, flags (1 and 2 are edges). */
static int32_t gic_irq(const uint8_t *specifier)
{
    return (int32_t)(be32(specifier + 4) + (be32(specifier) == 0 ? GIC_SPI_BASE : GIC_PPI_BASE));
}

/* Called when a node's properties are complete, so that parents come before their children. */
static void keep(struct node *n, const struct node *parent, struct platform_device *devices, unsigned *count, struct fdt_facts *facts)
{
    if (n->kept)
        return;
    n->kept = true;
    uint32_t need = 4 * (parent->address_cells + parent->size_cells);
    const char *compatible = (const char *)n->compatible.bytes;
    const uint8_t *reg = n->reg.bytes, *interrupts = n->interrupts.bytes;
    if (compatible && !strcmp(compatible, "arm,armv8-timer") && n->interrupts.size >= 24)
        facts->timer_irq = (uint32_t)gic_irq(interrupts + 12); /* the second: non-secure physical */
    if (!reg || n->reg.size < need || !need)
        return;
    uint64_t base = cells(reg, parent->address_cells), size = cells(reg + 4 * parent->address_cells, parent->size_cells);
    if (n->memory)
        facts->ram_bytes += size;
    if (!compatible || *count == PLATFORM_DEVICES)
        return;
    struct platform_device *d = &devices[(*count)++];
    memset(d, 0, sizeof *d);
    memcpy(d->name, n->name, sizeof d->name);
    strncpy(d->compatible, compatible, sizeof d->compatible - 1);
    d->base = base;
    d->size = size;
    d->irq = n->interrupts.size >= 12 ? gic_irq(interrupts) : -1;
    d->edge = n->interrupts.size >= 12 && (be32(interrupts + 8) & 3);
    if (!facts->console && !strcmp(compatible, "arm,pl011"))
        facts->console = base;
}

static void property(struct node *n, const char *name, struct value value)
{
    bool count = value.size == 4 && be32(value.bytes) <= 2;
    if (!strcmp(name, "compatible") && value.size && !value.bytes[value.size - 1])
        n->compatible = value;
    else if (!strcmp(name, "reg"))
        n->reg = value;
    else if (!strcmp(name, "interrupts"))
        n->interrupts = value;
    else if (!strcmp(name, "device_type"))
        n->memory = value.size == 7 && !memcmp(value.bytes, "memory", 7);
    else if (!strcmp(name, "#address-cells") && count)
        n->address_cells = be32(value.bytes);
    else if (!strcmp(name, "#size-cells") && count)
        n->size_cells = be32(value.bytes);
}

bool fdt_read(const uint8_t *fdt, size_t size, struct platform_device *devices, unsigned *count, struct fdt_facts *facts)
{
    if (size < 40 || be32(fdt) != 0xd00dfeed || be32(fdt + 4) > size)
        return false;
    uint32_t total = be32(fdt + 4), at = be32(fdt + 8), strings = be32(fdt + 12), strings_size = be32(fdt + 32);
    if (strings > total || !strings_size || strings_size > total - strings || fdt[strings + strings_size - 1])
        return false; /* so every name ends inside its block */
    static struct node stack[DEPTH_MAX];
    int depth = 0;
    stack[0] = fresh;
    while (at + 4 <= total) {
        uint32_t token = be32(fdt + at);
        at += 4;
        if (token == BEGIN_NODE) {
            size_t length = at < total ? strnlen((const char *)fdt + at, total - at) : 0;
            if (depth > 0)
                keep(&stack[depth], &stack[depth - 1], devices, count, facts);
            if (++depth == DEPTH_MAX)
                return false;
            stack[depth] = fresh;
            memcpy(stack[depth].name, fdt + at, length < 31 ? length : 31);
            at = (uint32_t)(at + length + 4) & ~3u;
        } else if (token == END_NODE) {
            if (depth == 0)
                return false;
            keep(&stack[depth], &stack[depth - 1], devices, count, facts);
            depth--;
        } else if (token == PROP) {
            if (at + 8 > total || be32(fdt + at) > total - at - 8 || be32(fdt + at + 4) >= strings_size)
                return false;
            struct value value = {fdt + at + 8, be32(fdt + at)};
            property(&stack[depth], (const char *)fdt + strings + be32(fdt + at + 4), value);
            at = (at + 8 + value.size + 3) & ~3u;
        } else if (token != NOP) {
            break;
        }
    }
    return *count > 0;
}
