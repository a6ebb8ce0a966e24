/*
 * Puts the kernel and the root server where their ELF headers say, hands on the machine's own device
 * tree, and builds the boot page tables. Runs with the MMU off, so every access is aligned.
 */
#include "../platform/elf.h"
#include <stddef.h>
#include <stdint.h>

#define MIB2 0x200000ul
#define PAGE 0x1000ul
#define RAM_BASE 0x40000000ul /* where the kernel is linked, and where QEMU leaves the device tree */
#define FDT_MAGIC 0xedfe0dd0u /* 0xd00dfeed, big-endian in memory */

struct entry {
    uint64_t root_start, root_end, root_offset, root_entry, fdt, fdt_size, kernel_entry;
};

extern const uint8_t loader_kernel[], loader_root[];
extern char __loader_end[];
void wake_redistributor(const uint32_t *fdt);
uint64_t loader_low[512] __attribute__((aligned(4096)));
uint64_t loader_high[512] __attribute__((aligned(4096)));
static uint64_t window[512] __attribute__((aligned(4096)));
static struct entry entry;

static uint64_t align_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) & ~(to - 1);
}

/* Whole words: sources and destinations here are 8-aligned, and slack behind an image is free memory. */
static void move(uint64_t to, const void *from, uint64_t length)
{
    volatile uint64_t *out = (volatile uint64_t *)to;
    const uint64_t *in = from;
    for (uint64_t i = 0; i < (length + 7) / 8; i++)
        out[i] = in[i];
}

static void clear(uint64_t from, uint64_t end)
{
    for (volatile uint64_t *p = (volatile uint64_t *)align_up(from, 8); (uint64_t)p < end; p++)
        *p = 0;
}

/* Copies the loadable segments to their addresses plus offset; returns the end of memory they take. */
static uint64_t place(const uint8_t *image, uint64_t offset)
{
    uint64_t end = 0;
    for (const Elf64_Phdr *s = elf_next_load(image, NULL); s; s = elf_next_load(image, s)) {
        uint64_t at = s->p_paddr + offset;
        move(at, image + s->p_offset, s->p_filesz);
        clear(at + s->p_filesz, at + s->p_memsz);
        if (at + s->p_memsz > end)
            end = at + s->p_memsz;
    }
    return end;
}

static uint64_t first_page(const uint8_t *image)
{
    uint64_t first = UINT64_MAX;
    for (const Elf64_Phdr *s = elf_next_load(image, NULL); s; s = elf_next_load(image, s))
        if (s->p_paddr < first)
            first = s->p_paddr;
    return first & ~(PAGE - 1);
}

/* QEMU pads its tree to 1 MiB: only the bytes in use are kept (Devicetree Specification 0.4 §5.2). */
static uint64_t fdt_used(const uint32_t *header)
{
    uint64_t structure = (uint64_t)__builtin_bswap32(header[2]) + __builtin_bswap32(header[9]);
    uint64_t strings = (uint64_t)__builtin_bswap32(header[3]) + __builtin_bswap32(header[8]);
    return align_up(structure > strings ? structure : strings, 8);
}

struct entry *load(void)
{
    /* The tree lies where the kernel goes: it is moved out of the way first, behind this loader. */
    uint64_t parked = align_up((uint64_t)__loader_end, PAGE), fdt_size = 0;
    const uint32_t *fdt = (const void *)RAM_BASE;
    if (fdt[0] == FDT_MAGIC) {
        wake_redistributor(fdt);
        fdt_size = fdt_used(fdt);
        move(parked, fdt, fdt_size);
        ((volatile uint32_t *)parked)[1] = __builtin_bswap32((uint32_t)fdt_size);
    }
    uint64_t kernel_end = place(loader_kernel, 0);
    /* The kernel wants the tree between itself and the root server. */
    if (fdt_size) {
        entry.fdt = align_up(kernel_end, PAGE);
        entry.fdt_size = fdt_size;
        move(entry.fdt, (const void *)parked, fdt_size);
    }
    entry.root_start = align_up(entry.fdt + entry.fdt_size > kernel_end ? entry.fdt + entry.fdt_size : kernel_end, MIB2);
    entry.root_offset = entry.root_start - first_page(loader_root); /* linked with equal addresses of both kinds */
    entry.root_end = align_up(place(loader_root, entry.root_offset), PAGE);
    entry.root_entry = ((const Elf64_Ehdr *)loader_root)->e_entry;
    entry.kernel_entry = ((const Elf64_Ehdr *)loader_kernel)->e_entry;

    /* 1 GiB blocks, attribute 4 (normal), access flag, inner shareable: identity, and the kernel's window. */
    const uint64_t block = (4u << 2) | (1u << 10) | (3u << 8) | 1;
    for (uint64_t i = 0; i < 4; i++)
        window[i] = (i << 30) | block;
    loader_low[0] = (uint64_t)window | 3;
    loader_high[511] = (uint64_t)window | 3;
    return &entry;
}
