/*
 * Making components. Everything one consists of is made from two untypeds at most, one of them for its
 * arena, so destroying it is two revokes; all its capabilities lie in a CNode that is part of it. Its own
 * CSpace holds one capability, the badged endpoint, where its calls and (by the same capability) its faults arrive.
 */
#include "../../components/layout.h"
#include "component.h"
#include "../elf.h"
#include <string.h>

/* A slot of the root's CSpace for each component's CNode, after the one for the root CNode. */
enum { ROOT_SLOTS_BITS = 7, RETYPE_MAX = 256, SHARED_MAX = 8 };
enum { CSPACE_BITS = 1, FRAME_PAGES = PLATFORM_FRAME_BYTES / PAGE_BYTES };
/* Beside pages and tables: VSpace, TCB, CSpace, reply, two upper tables, IPC buffer, the frame's pages and the root's copies. */
enum { OTHER_SLOTS = 7 + 2 * FRAME_PAGES };
/* In pages: VSpace, two upper tables, IPC buffer, frame, and one page that the TCB and the CSpace share. */
enum { OTHER_PAGES = 5 + FRAME_PAGES };

seL4_CPtr root_slots;
static seL4_CPtr build; /* a slot to work with */

/* Segments that all components of an image share: loaded once, given back never. */
static struct {
    const Elf64_Phdr *segment;
    seL4_CPtr page;
} shared[SHARED_MAX];

static seL4_Word guard_bits(unsigned bits)
{
    return seL4_CNode_CapData_new(0, bits % seL4_WordBits).words[0];
}

/*
 * Puts a CNode above the root CNode. What the slots of that are called stays: in the first slot it stands with a
 * guard of zeros. In the others stand the CNodes of components, whose slots so get names too.
 */
int component_init(void)
{
    seL4_CPtr untyped = untyped_take(ROOT_SLOTS_BITS + seL4_SlotBits);
    root_slots = slots_take(1);
    build = slots_take(1);
    return !untyped || !build || retype(untyped, seL4_CapTableObject, ROOT_SLOTS_BITS, root_slots) ||
           seL4_CNode_Mint(root_slots, 0, ROOT_SLOTS_BITS, seL4_CapInitThreadCNode, seL4_CapInitThreadCNode, ROOT_DEPTH,
                           seL4_AllRights, guard_bits(ROOT_DEPTH - ROOT_SLOTS_BITS - (unsigned)bootinfo->initThreadCNodeSizeBits)) ||
           seL4_TCB_SetSpace(seL4_CapInitThreadTCB, 0, root_slots, 0, seL4_CapInitThreadVSpace, 0);
}

/* ---- each step returns 0, or something else if the kernel has refused it; those that return a name, 0 then ---- */

/* The next free slot of its CNode. */
static seL4_CPtr next_slot(struct component *c)
{
    return (seL4_CPtr)(c - components + 1) << (ROOT_DEPTH - ROOT_SLOTS_BITS) | c->stored++;
}

/* New objects in neighbouring slots; returns the first. */
static seL4_CPtr make(struct component *c, seL4_CPtr untyped, seL4_Word type, unsigned bits, unsigned count)
{
    seL4_CPtr first = next_slot(c);
    unsigned slot = c->stored - 1, end = slot + count;
    for (c->stored = end; slot < end; slot += RETYPE_MAX)
        if (seL4_Untyped_Retype(untyped, type, bits, root_slots, (seL4_Word)(c - components + 1), ROOT_SLOTS_BITS, slot,
                                end - slot < RETYPE_MAX ? end - slot : RETYPE_MAX))
            return 0;
    return first;
}

/* Maps a page once more, by a copy of its capability in this slot. */
static int map_copy(seL4_CPtr page, seL4_CPtr slot, seL4_CPtr vspace, seL4_Word at, unsigned flags)
{
    return seL4_CNode_Copy(root_slots, slot, ROOT_DEPTH, root_slots, page, ROOT_DEPTH, seL4_AllRights) ||
           vspace_map(slot, vspace, at, flags);
}

/* Zeroed pages; returns the first. */
static seL4_CPtr add_pages(struct component *c, seL4_CPtr untyped, seL4_Word at, seL4_Word size, unsigned flags)
{
    unsigned count = (unsigned)((size + PAGE_MASK) / PAGE_BYTES);
    seL4_CPtr first = make(c, untyped, seL4_ARM_SmallPageObject, 0, count);
    for (unsigned i = 0; first && i < count; i++)
        if (vspace_map(first + i, c->vspace, at + i * PAGE_BYTES, flags))
            return 0;
    return first;
}

/* The rest of the page stays zero. */
static int fill(seL4_CPtr page, const uint8_t *content, size_t size)
{
    if (map_copy(page, build, seL4_CapInitThreadVSpace, SCRATCH, PF_W))
        return PLATFORM_ENOMEM;
    memcpy((void *)SCRATCH, content, size < PAGE_BYTES ? size : PAGE_BYTES);
    return seL4_ARM_Page_Unify_Instruction(build, 0, PAGE_BYTES) || seL4_CNode_Delete(root_slots, build, ROOT_DEPTH);
}

/* Whether the segment is read-only and has 2 MiB to itself. */
static bool is_shared(const uint8_t *elf, const Elf64_Phdr *s)
{
    const Elf64_Phdr *next = elf_next_load(elf, s);
    seL4_Word end = s->p_vaddr + LARGE_BYTES;
    return !(s->p_flags & PF_W) && s->p_vaddr % LARGE_BYTES == 0 && s->p_memsz - 1 < LARGE_BYTES &&
           end <= COMPONENT_IMAGE_END && (!next || next->p_vaddr >= end);
}

/* The page of a shared segment, loaded when the first component needs it. */
static seL4_CPtr shared_page(const uint8_t *elf, const Elf64_Phdr *s)
{
    unsigned i = 0;
    for (; i < SHARED_MAX && shared[i].page; i++)
        if (shared[i].segment == s)
            return shared[i].page;
    seL4_CPtr untyped = i < SHARED_MAX ? untyped_take(seL4_LargePageBits) : 0, page = slots_take(1);
    if (!untyped || !page || retype(untyped, seL4_ARM_LargePageObject, 0, page) ||
        vspace_map(page, seL4_CapInitThreadVSpace, LARGE_SCRATCH, PF_W))
        return 0;
    memcpy((void *)LARGE_SCRATCH, elf + s->p_offset, s->p_filesz);
    if (seL4_ARM_Page_Unify_Instruction(page, 0, LARGE_BYTES) || seL4_ARM_Page_Unmap(page))
        return 0;
    shared[i].segment = s;
    return shared[i].page = page;
}

static int add_segment(struct component *c, const uint8_t *elf, const Elf64_Phdr *s)
{
    if (is_shared(elf, s)) {
        seL4_CPtr page = shared_page(elf, s);
        return !page || map_copy(page, next_slot(c), c->vspace, s->p_vaddr, s->p_flags);
    }
    seL4_CPtr page = add_pages(c, c->untyped, s->p_vaddr, s->p_memsz, s->p_flags);
    for (seL4_Word at = 0; page && at < s->p_filesz; at += PAGE_BYTES)
        if (fill(page + at / PAGE_BYTES, elf + s->p_offset + at, s->p_filesz - at))
            return PLATFORM_ENOMEM;
    return !page;
}

static int add_frame(struct component *c)
{
    seL4_Word here = FRAMES_BASE + (seL4_Word)(c - components) * PLATFORM_FRAME_BYTES;
    seL4_CPtr pages = add_pages(c, c->untyped, COMPONENT_FRAME, PLATFORM_FRAME_BYTES, PF_W);
    for (unsigned i = 0; pages && i < FRAME_PAGES; i++)
        if (map_copy(pages + i, next_slot(c), seL4_CapInitThreadVSpace, here + i * PAGE_BYTES, PF_W))
            return PLATFORM_ENOMEM;
    c->info.frame = (void *)here;
    return !pages;
}

static int add_table(struct component *c, seL4_Word at)
{
    seL4_CPtr table = make(c, c->untyped, seL4_ARM_PageTableObject, 0, 1);
    return !table || seL4_ARM_PageTable_Map(table, c->vspace, at, seL4_ARM_Default_VMAttributes);
}

static int add_space(struct component *c, const struct platform_spawn *spawn, uint32_t tables)
{
    c->vspace = make(c, c->untyped, seL4_ARM_VSpaceObject, 0, 1);
    /* Two upper levels for the lowest gigabyte, then a table for 2 MiB each. */
    if (!c->vspace || seL4_ARM_ASIDPool_Assign(seL4_CapInitThreadASIDPool, c->vspace) || add_table(c, COMPONENT_IMAGE) ||
        add_table(c, COMPONENT_IMAGE))
        return PLATFORM_ENOMEM;
    for (; tables; tables &= tables - 1)
        if (add_table(c, (seL4_Word)__builtin_ctz(tables) * LARGE_BYTES))
            return PLATFORM_ENOMEM;
    for (const Elf64_Phdr *s = elf_next_load(spawn->elf, NULL); s; s = elf_next_load(spawn->elf, s))
        if (add_segment(c, spawn->elf, s))
            return PLATFORM_ENOMEM;
    return !add_pages(c, c->untyped, COMPONENT_STACK_TOP - COMPONENT_STACK_BYTES, COMPONENT_STACK_BYTES, PF_W) ||
           !add_pages(c, c->arena, COMPONENT_ARENA, spawn->arena_bytes, PF_W) || add_frame(c);
}

static int start(struct component *c, const struct platform_spawn *spawn)
{
    seL4_CapRights_t rights = seL4_CapRights_new(true, false, false, true); /* send and be answered; not receive, not grant */
    seL4_Word badge = BADGE_COMPONENT | (seL4_Word)(c - components);
    seL4_UserContext registers = {
        .pc = ((const Elf64_Ehdr *)spawn->elf)->e_entry,
        .sp = COMPONENT_STACK_TOP,
        .x0 = spawn->args[0], .x1 = spawn->args[1], .x2 = spawn->args[2], .x3 = spawn->args[3],
        .x4 = spawn->arena_bytes,
    };
    seL4_CPtr buffer = add_pages(c, c->untyped, COMPONENT_IPC_BUFFER, PAGE_BYTES, PF_W), cspace;
    c->tcb = make(c, c->untyped, seL4_TCBObject, 0, 1);
    cspace = make(c, c->untyped, seL4_CapTableObject, CSPACE_BITS, 1);
    c->reply = next_slot(c);
    return !buffer || !c->tcb || !cspace ||
           seL4_CNode_Mint(cspace, COMPONENT_ENDPOINT, CSPACE_BITS, root_slots, root_endpoint, ROOT_DEPTH, rights, badge) ||
           seL4_TCB_Configure(c->tcb, COMPONENT_ENDPOINT, cspace, guard_bits(ROOT_DEPTH - CSPACE_BITS), c->vspace, 0,
                              COMPONENT_IPC_BUFFER, buffer) ||
           seL4_TCB_SetPriority(c->tcb, seL4_CapInitThreadTCB, spawn->priority) ||
           seL4_TCB_WriteRegisters(c->tcb, true, 0, sizeof registers / sizeof(seL4_Word), &registers);
}

/* ---- what a component takes ---- */

struct needs {
    unsigned slots;
    uint32_t tables; /* a bit for each 2 MiB that has small pages */
};

static void add_need(struct needs *needs, seL4_Word from, seL4_Word size)
{
    for (seL4_Word at = from / LARGE_BYTES; at * LARGE_BYTES < from + size; at++)
        needs->tables |= 1u << at;
    needs->slots += (unsigned)((size + PAGE_MASK) / PAGE_BYTES);
}

/*
 * Whether the image is an AArch64 ELF whose segments lie inside the file and, page by page in order, where components
 * have their image.
 */
static bool add_image_needs(struct needs *needs, const struct platform_spawn *spawn)
{
    const Elf64_Ehdr *elf = (const void *)spawn->elf;
    if (spawn->elf_size < sizeof *elf || memcmp(elf->e_ident, ELFMAG, SELFMAG) || elf->e_ident[EI_CLASS] != ELFCLASS64 ||
        elf->e_machine != EM_AARCH64 || elf->e_type != ET_EXEC || elf->e_phentsize != sizeof(Elf64_Phdr) ||
        elf->e_phoff > spawn->elf_size || elf->e_phoff % 8 || elf->e_phnum * sizeof(Elf64_Phdr) > spawn->elf_size - elf->e_phoff)
        return false;
    seL4_Word end = COMPONENT_IMAGE;
    for (const Elf64_Phdr *s = elf_next_load(spawn->elf, NULL); s; s = elf_next_load(spawn->elf, s)) {
        if (!s->p_memsz)
            continue;
        if (s->p_vaddr < end || s->p_vaddr % PAGE_BYTES || s->p_vaddr > COMPONENT_IMAGE_END || s->p_filesz > s->p_memsz ||
            s->p_memsz > COMPONENT_IMAGE_END - s->p_vaddr || s->p_offset > spawn->elf_size ||
            s->p_filesz > spawn->elf_size - s->p_offset || (s->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
            return false;
        end = s->p_vaddr + s->p_memsz;
        if (is_shared(spawn->elf, s))
            needs->slots++;
        else
            add_need(needs, s->p_vaddr, s->p_memsz);
    }
    return end > COMPONENT_IMAGE;
}

int platform_component_spawn(const struct platform_spawn *spawn)
{
    seL4_Word arena = spawn->arena_bytes;
    struct needs needs = {0};
    if (!add_image_needs(&needs, spawn) || arena % PAGE_BYTES || arena > COMPONENT_ARENA_MAX || spawn->priority < 1 ||
        spawn->priority > 200)
        return PLATFORM_EINVAL;
    uint32_t id = 0;
    while (id < PLATFORM_COMPONENTS && components[id].live)
        id++;
    if (id == PLATFORM_COMPONENTS)
        return PLATFORM_EBUSY;
    struct component *c = &components[id];
    *c = (struct component){0};
    add_need(&needs, COMPONENT_STACK_TOP - COMPONENT_STACK_BYTES, COMPONENT_STACK_BYTES);
    add_need(&needs, COMPONENT_ARENA, arena);
    needs.slots += (unsigned)__builtin_popcount(needs.tables) + OTHER_SLOTS;
    unsigned slot_bits = size_bits(needs.slots);
    /* Shared segments are counted as pages here: that much is rounded away anyway. */
    seL4_Word bytes = (needs.slots - OTHER_SLOTS + OTHER_PAGES) * PAGE_BYTES - arena;
    bytes += ((1ul << (slot_bits + seL4_SlotBits)) | PAGE_MASK) + 1;
    c->arena = arena ? untyped_take(size_bits(arena)) : 0;
    c->untyped = untyped_take(size_bits(bytes));
    c->info.bytes = (1ul << size_bits(bytes)) + (arena ? 1ul << size_bits(arena) : 0);
    c->live = true;
    component_count++;
    if (!c->untyped || (arena && !c->arena) || retype(c->untyped, seL4_CapTableObject, slot_bits, build) ||
        seL4_CNode_Mutate(root_slots, id + 1, ROOT_SLOTS_BITS, root_slots, build, ROOT_DEPTH,
                          guard_bits(ROOT_DEPTH - ROOT_SLOTS_BITS - slot_bits)) ||
        add_space(c, spawn, needs.tables) || start(c, spawn)) {
        platform_component_destroy(id);
        return PLATFORM_ENOMEM;
    }
    return (int)id;
}
