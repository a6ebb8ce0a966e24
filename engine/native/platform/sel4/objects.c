/*
 * Untyped memory in a static table. A piece that is too large is split in halves until it fits, so a
 * device's page is found by its address. The kernel zeroes an untyped whole at its first retype, so one large
 * piece is split at boot and what is taken later comes from it as long as it lasts.
 */
#include "kernel.h"

/* The pool: 128 MiB, for heap, DMA memory and 64 workers. */
enum { UNTYPED_MAX = 768, POOL_BITS = 27 };

struct untyped {
    seL4_CPtr cap;
    uint64_t address;
    uint8_t bits;
    bool device, used, split, zeroed;
};

static struct untyped untypeds[UNTYPED_MAX];
static unsigned untyped_count;
static seL4_CPtr next_slot;

seL4_CPtr slots_take(unsigned count)
{
    if (bootinfo->empty.end - next_slot < count)
        return 0;
    seL4_CPtr first = next_slot;
    next_slot += count;
    return first;
}

unsigned size_bits(seL4_Word count)
{
    return count > 1 ? seL4_WordBits - (unsigned)__builtin_clzl(count - 1) : 0;
}

int retype(seL4_CPtr untyped, seL4_Word type, seL4_Word size_bits, seL4_CPtr slot)
{
    return seL4_Untyped_Retype(untyped, type, size_bits, seL4_CapInitThreadCNode, 0, 0, slot, 1) ? PLATFORM_ENOMEM : 0;
}

/* Splits the piece in two; the returned one holds the address. */
static struct untyped *halve(struct untyped *whole, uint64_t address)
{
    if (untyped_count + 2 > UNTYPED_MAX)
        return NULL;
    seL4_CPtr slots = slots_take(2);
    unsigned bits = whole->bits - 1u;
    if (!slots || seL4_Untyped_Retype(whole->cap, seL4_UntypedObject, bits, seL4_CapInitThreadCNode, 0, 0, slots, 2))
        return NULL;
    whole->used = whole->split = true;
    struct untyped *low = &untypeds[untyped_count];
    untyped_count += 2;
    low[0] = (struct untyped){slots, whole->address, (uint8_t)bits, whole->device, false, false, true};
    low[1] = (struct untyped){slots + 1, whole->address + (1ul << bits), (uint8_t)bits, whole->device, false, false, true};
    return address >= low[1].address ? &low[1] : &low[0];
}

/* The smallest piece that is large enough, of those that were zeroed already if there is one. */
static struct untyped *best_fit(unsigned bits)
{
    struct untyped *best = NULL;
    for (unsigned i = 0; i < untyped_count; i++) {
        struct untyped *u = &untypeds[i];
        if (!u->device && !u->used && u->bits >= bits &&
            (!best || (u->zeroed == best->zeroed ? u->bits < best->bits : u->zeroed)))
            best = u;
    }
    return best;
}

void objects_init(void)
{
    next_slot = bootinfo->empty.start;
    seL4_Word count = bootinfo->untyped.end - bootinfo->untyped.start;
    for (seL4_Word i = 0; i < count && i < UNTYPED_MAX; i++) {
        const seL4_UntypedDesc *d = &bootinfo->untypedList[i];
        untypeds[untyped_count++] = (struct untyped){bootinfo->untyped.start + i, d->paddr, d->sizeBits, d->isDevice, false, false, false};
    }
    /* Zeroed now, it does not hold up a turn later. */
    struct untyped *pool = best_fit(POOL_BITS);
    if (pool)
        halve(pool, 0);
}

seL4_CPtr untyped_take(unsigned bits)
{
    struct untyped *best = best_fit(bits);
    while (best && best->bits > bits)
        best = halve(best, 0);
    if (!best)
        return 0;
    best->used = true;
    return best->cap;
}

void untyped_give(seL4_CPtr untyped)
{
    for (unsigned i = 0; i < untyped_count; i++)
        if (untypeds[i].cap == untyped)
            untypeds[i].used = false;
}

int device_frame(uint64_t page, seL4_CPtr *frame)
{
    for (unsigned i = 0; i < untyped_count; i++) {
        struct untyped *u = &untypeds[i];
        if (!u->device || u->used || page < u->address || page - u->address >= 1ul << u->bits)
            continue;
        while (u && u->bits > seL4_PageBits)
            u = halve(u, page);
        *frame = u ? slots_take(1) : 0;
        if (!*frame || retype(u->cap, seL4_ARM_SmallPageObject, 0, *frame))
            return PLATFORM_ENOMEM;
        u->used = true;
        return 0;
    }
    return PLATFORM_EINVAL;
}

void platform_caps(struct platform_caps *caps)
{
    uint32_t slots = 1u << bootinfo->initThreadCNodeSizeBits;
    *caps = (struct platform_caps){
        .slots_total = slots,
        .slots_used = slots - (uint32_t)(bootinfo->empty.end - next_slot),
        .irq_handlers = interrupt_handlers(),
        .components = component_count,
    };
    for (unsigned i = 0; i < untyped_count; i++) {
        const struct untyped *u = &untypeds[i];
        if (u->split)
            continue;
        if (u->device) {
            caps->device_untyped_count++;
        } else {
            caps->untyped_count++;
            caps->untyped_bytes += 1ul << u->bits;
            caps->untyped_free_bytes += u->used ? 0 : 1ul << u->bits;
        }
    }
}
