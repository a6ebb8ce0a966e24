/* The parts of the ELF-64 format (System V ABI) that loading a static program needs. */
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct {
    unsigned char e_ident[16];
    uint16_t e_type, e_machine;
    uint32_t e_version;
    uint64_t e_entry, e_phoff, e_shoff;
    uint32_t e_flags;
    uint16_t e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
} Elf64_Ehdr;

typedef struct {
    uint32_t p_type, p_flags;
    uint64_t p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
} Elf64_Phdr;

#define ELFMAG "\177ELF"
enum { SELFMAG = 4, EI_CLASS = 4, ELFCLASS64 = 2, ET_EXEC = 2, EM_AARCH64 = 183, PT_LOAD = 1, PF_X = 1, PF_W = 2 };

/* The image's first segment to load, or the next after the given one; NULL if there is none. */
static inline const Elf64_Phdr *elf_next_load(const uint8_t *image, const Elf64_Phdr *after)
{
    const Elf64_Ehdr *header = (const void *)image;
    const Elf64_Phdr *first = (const void *)(image + header->e_phoff), *next = after ? after + 1 : first;
    while (next < first + header->e_phnum && next->p_type != PT_LOAD)
        next++;
    return next < first + header->e_phnum ? next : NULL;
}
