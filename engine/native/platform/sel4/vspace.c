/*
 * The root's address space. One window of 1 GiB holds everything that is mapped after boot: registers,
 * the frames shared with components, DMA memory and the JavaScript heap, the last two in 2 MiB pages.
 * The image itself is cut down to what each page needs: no page is both writable and executable.
 */
#include "kernel.h"

#define WINDOW 0x1000000000ul
#define MMIO_BASE WINDOW
#define FRAMES_BASE (WINDOW + LARGE_BYTES)
#define SCRATCH (FRAMES_BASE + PLATFORM_COMPONENTS * PLATFORM_FRAME_BYTES)
#define DMA_BASE (WINDOW + 2 * LARGE_BYTES)
#define DMA_BYTES (2 * LARGE_BYTES)
#define HEAP_BASE (WINDOW + 0x1000000)
#define HEAP_MAX 0x20000000ul

enum { MMIO_PAGES = 512, MMIO_FRAMES = 64, MMIO_WINDOWS = 64 };

extern char __text_end[], __rodata_end[], __stack_guard[];

static struct {
    uint64_t page;
    seL4_CPtr frame;
} mmio_frames[MMIO_FRAMES];
static unsigned mmio_frame_count, mmio_pages;

static struct {
    uint64_t base, end;
    uint8_t *mapped;
} mmio_windows[MMIO_WINDOWS];
static unsigned mmio_window_count;

static uint64_t dma_address, dma_used;

int vspace_map(seL4_CPtr frame, void *at, bool writable)
{
    seL4_CapRights_t rights = writable ? seL4_ReadWrite : seL4_CanRead;
    seL4_ARM_VMAttributes attributes = seL4_ARM_Default_VMAttributes | seL4_ARM_ExecuteNever;
    return seL4_ARM_Page_Map(frame, seL4_CapInitThreadVSpace, (seL4_Word)at, rights, attributes) ? PLATFORM_ENOMEM : 0;
}

void *vspace_component_frame(uint32_t id)
{
    return (void *)(FRAMES_BASE + id * (seL4_Word)PLATFORM_FRAME_BYTES);
}

void *vspace_scratch(void)
{
    return (void *)SCRATCH;
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
    unsigned count = (unsigned)(size / LARGE_BYTES), bits = seL4_LargePageBits;
    while ((1ul << bits) < size)
        bits++;
    seL4_CPtr untyped = untyped_take(bits), frames = slots_take(count);
    if (!untyped || !frames ||
        seL4_Untyped_Retype(untyped, seL4_ARM_LargePageObject, 0, seL4_CapInitThreadCNode, 0, 0, frames, count))
        return PLATFORM_ENOMEM;
    for (unsigned i = 0; i < count; i++)
        if (vspace_map(frames + i, (void *)(at + i * LARGE_BYTES), true))
            return PLATFORM_ENOMEM;
    if (address)
        *address = seL4_ARM_Page_GetAddress(frames).paddr;
    return 0;
}

static void protect_image(void)
{
    seL4_Word start = 0x400000;
    for (seL4_CPtr frame = bootinfo->userImageFrames.start; frame < bootinfo->userImageFrames.end; frame++, start += PAGE_BYTES) {
        seL4_Word attributes = seL4_ARM_Default_VMAttributes;
        seL4_CapRights_t rights = seL4_CanRead;
        if (start == (seL4_Word)__stack_guard) {
            seL4_ARM_Page_Unmap(frame);
            continue;
        }
        if (start >= (seL4_Word)__text_end)
            attributes |= seL4_ARM_ExecuteNever;
        if (start >= (seL4_Word)__rodata_end)
            rights = seL4_ReadWrite;
        if (seL4_ARM_Page_Map(frame, seL4_CapInitThreadVSpace, start, rights, attributes))
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

static int mmio_frame(uint64_t page, seL4_CPtr *frame)
{
    for (unsigned i = 0; i < mmio_frame_count; i++)
        if (mmio_frames[i].page == page) {
            *frame = mmio_frames[i].frame;
            return 0;
        }
    if (mmio_frame_count == MMIO_FRAMES)
        return PLATFORM_ENOMEM;
    int error = device_frame(page, frame);
    if (!error) {
        mmio_frames[mmio_frame_count].page = page;
        mmio_frames[mmio_frame_count++].frame = *frame;
    }
    return error;
}

int platform_mmio_map(uint64_t base, uint64_t size, volatile uint8_t **registers)
{
    if (!size || base + size < base || size > MMIO_PAGES * PAGE_BYTES)
        return PLATFORM_EINVAL;
    for (unsigned i = 0; i < mmio_window_count; i++)
        if (mmio_windows[i].base <= base && base + size <= mmio_windows[i].end) {
            *registers = mmio_windows[i].mapped + (base - mmio_windows[i].base);
            return 0;
        }
    uint64_t first = base & ~PAGE_MASK, end = (base + size + PAGE_MASK) & ~PAGE_MASK;
    unsigned pages = (unsigned)((end - first) / PAGE_BYTES);
    if (mmio_window_count == MMIO_WINDOWS || mmio_pages + pages > MMIO_PAGES)
        return PLATFORM_ENOMEM;
    uint8_t *at = (uint8_t *)MMIO_BASE + mmio_pages * PAGE_BYTES;
    for (unsigned i = 0; i < pages; i++) {
        seL4_CPtr frame, copy;
        int error = mmio_frame(first + i * PAGE_BYTES, &frame);
        if (error)
            return error;
        /* A frame capability maps once: each window has its own copy. */
        copy = slots_take(1);
        if (!copy || seL4_CNode_Copy(seL4_CapInitThreadCNode, copy, ROOT_DEPTH, seL4_CapInitThreadCNode, frame, ROOT_DEPTH, seL4_AllRights))
            return PLATFORM_ENOMEM;
        seL4_ARM_VMAttributes device = seL4_ARM_ExecuteNever; /* neither cacheable nor parity: Device memory */
        if (seL4_ARM_Page_Map(copy, seL4_CapInitThreadVSpace, (seL4_Word)at + i * PAGE_BYTES, seL4_ReadWrite, device))
            return PLATFORM_ENOMEM;
    }
    mmio_pages += pages;
    mmio_windows[mmio_window_count].base = first;
    mmio_windows[mmio_window_count].end = end;
    mmio_windows[mmio_window_count++].mapped = at;
    *registers = at + (base - first);
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
