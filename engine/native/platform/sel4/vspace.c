/*
 * The root's address space. One window of 1 GiB holds everything that is mapped after boot: registers,
 * the frames shared with components, DMA memory and the JavaScript heap, the last two in 2 MiB pages.
 * The image itself is cut down to what each page needs: no page is both writable and executable.
 */
#include "kernel.h"
#include "../elf.h"

#define MMIO_BASE WINDOW
#define HEAP_BASE (WINDOW + 0x1000000)
#define HEAP_MAX 0x20000000ul

enum { MMIO_PAGES = 512 };

extern char __text_end[], __rodata_end[], __stack_guard[];

/* Physical pages of registers, in the order in which they are mapped from MMIO_BASE on. */
static uint64_t mmio_pages[MMIO_PAGES];
static unsigned mmio_count;

static uint64_t dma_address, dma_used;

int vspace_map(seL4_CPtr frame, seL4_CPtr vspace, seL4_Word at, unsigned flags)
{
    seL4_CapRights_t rights = flags & PF_W ? seL4_ReadWrite : seL4_CanRead;
    seL4_ARM_VMAttributes attributes = seL4_ARM_Default_VMAttributes | (flags & PF_X ? 0 : seL4_ARM_ExecuteNever);
    return seL4_ARM_Page_Map(frame, vspace, at, rights, attributes) ? PLATFORM_ENOMEM : 0;
}

static int map_table(uint64_t at)
{
    seL4_CPtr untyped = untyped_take(seL4_PageTableBits), table = slots_take(1);
    if (!untyped || !table || retype(untyped, seL4_ARM_PageTableObject, 0, table))
        return PLATFORM_ENOMEM;
    return seL4_ARM_PageTable_Map(table, seL4_CapInitThreadVSpace, at, seL4_ARM_Default_VMAttributes) ? PLATFORM_ENOMEM : 0;
}

/* Contiguous 2 MiB pages from one untyped. */
static int map_large(seL4_Word at, size_t size, uint64_t *address)
{
    unsigned count = (unsigned)(size / LARGE_BYTES);
    seL4_CPtr untyped = untyped_take(size_bits(size)), frames = slots_take(count);
    if (!untyped || !frames ||
        seL4_Untyped_Retype(untyped, seL4_ARM_LargePageObject, 0, seL4_CapInitThreadCNode, 0, 0, frames, count))
        return PLATFORM_ENOMEM;
    for (unsigned i = 0; i < count; i++)
        if (vspace_map(frames + i, seL4_CapInitThreadVSpace, at + i * LARGE_BYTES, PF_W))
            return PLATFORM_ENOMEM;
    if (address)
        *address = seL4_ARM_Page_GetAddress(frames).paddr;
    return 0;
}

static void protect_image(void)
{
    seL4_Word start = 0x400000;
    for (seL4_CPtr frame = bootinfo->userImageFrames.start; frame < bootinfo->userImageFrames.end; frame++, start += PAGE_BYTES) {
        unsigned flags = (start < (seL4_Word)__text_end ? PF_X : 0) | (start >= (seL4_Word)__rodata_end ? PF_W : 0);
        if (start == (seL4_Word)__stack_guard)
            seL4_ARM_Page_Unmap(frame);
        else if (vspace_map(frame, seL4_CapInitThreadVSpace, start, flags))
            platform_halt("the kernel refuses to protect the root server's image");
    }
}

int vspace_init(void)
{
    protect_image();
    /* The table of the window's gigabyte, then one for registers and one for component frames. */
    if (map_table(WINDOW) || map_table(MMIO_BASE) || map_table(FRAMES_BASE))
        return PLATFORM_ENOMEM;
    return map_large(DMA_BASE, DMA_BYTES, &dma_address);
}

void *platform_heap(size_t size)
{
    static size_t mapped;
    size = (size + LARGE_BYTES - 1) & ~(LARGE_BYTES - 1);
    if (!mapped && size <= HEAP_MAX && !map_large(HEAP_BASE, size, NULL))
        mapped = size;
    return mapped && mapped >= size ? (void *)HEAP_BASE : NULL;
}

static int map_registers(uint64_t page)
{
    seL4_CPtr frame;
    int error = device_frame(page, &frame);
    if (error)
        return error;
    seL4_ARM_VMAttributes device = seL4_ARM_ExecuteNever; /* neither cacheable nor parity: Device memory */
    if (seL4_ARM_Page_Map(frame, seL4_CapInitThreadVSpace, MMIO_BASE + mmio_count * PAGE_BYTES, seL4_ReadWrite, device))
        return PLATFORM_ENOMEM;
    mmio_pages[mmio_count++] = page;
    return 0;
}

/* A page is mapped once; a range that begins within what is mapped already must lie in it whole. */
int platform_mmio_map(uint64_t base, uint64_t size, volatile uint8_t **registers)
{
    uint64_t page = base & ~PAGE_MASK, end = (base + size + PAGE_MASK) & ~PAGE_MASK;
    unsigned at = 0;
    if (!size || end <= base)
        return PLATFORM_EINVAL;
    while (at < mmio_count && mmio_pages[at] != page)
        at++;
    *registers = (uint8_t *)MMIO_BASE + at * PAGE_BYTES + (base - page);
    for (; page < end; page += PAGE_BYTES, at++) {
        if (at == MMIO_PAGES)
            return PLATFORM_ENOMEM;
        int error = at < mmio_count ? (mmio_pages[at] == page ? 0 : PLATFORM_EBUSY) : map_registers(page);
        if (error)
            return error;
    }
    return 0;
}

int platform_dma_alloc(size_t size, void **memory, uint64_t *address)
{
    if (!size)
        return PLATFORM_EINVAL;
    size = (size + PAGE_MASK) & ~PAGE_MASK;
    if (size > DMA_BYTES - dma_used)
        return PLATFORM_ENOMEM;
    *memory = (void *)(DMA_BASE + dma_used);
    *address = dma_address + dma_used;
    dma_used += size;
    return 0;
}

void platform_dma_usage(uint64_t *used, uint64_t *total)
{
    *used = dma_used;
    *total = DMA_BYTES;
}

void platform_reset(void)
{
    component_reset();
    interrupt_reset();
    __builtin_memset((void *)DMA_BASE, 0, dma_used);
    dma_used = 0;
}
