/*
 * Components. Everything one consists of is made from a single untyped, so destroying it is one
 * revoke; the capabilities to its pages wait in a CNode that is part of it. Its own CSpace holds one
 * capability, the badged endpoint, where its calls and (by the same capability) its faults arrive.
 */
#include "../../components/layout.h"
#include "kernel.h"
#include "../elf.h"
#include <string.h>

enum { SLOT_TCB, SLOT_REPLY, SLOT_STORAGE, SLOTS }; /* per component, in the root CNode */
enum { VSPACE, CSPACE, OBJECT, COPY, BUILD_SLOTS };                 /* of the one that is being built */
enum { CSPACE_BITS = 1, FRAME_PAGES = PLATFORM_FRAME_BYTES / 4096 };

struct component {
    seL4_CPtr slots, untyped;
    struct platform_component info;
    bool live, suspended;
    unsigned waiting; /* a bit for each kind of event */
    uint64_t events[PLATFORM_EVENT_VIOLATION + 1][5];
    /* while it is built */
    unsigned stored, storage_bits;
};

static struct component components[PLATFORM_COMPONENTS];
static seL4_CPtr build; /* scratch slots */
static uint32_t next_event;

int component_init(void)
{
    build = slots_take(BUILD_SLOTS);
    return build ? 0 : PLATFORM_ENOMEM;
}

unsigned component_count(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < PLATFORM_COMPONENTS; i++)
        count += components[i].live;
    return count;
}

/* ---- building: each step returns 0, or something else if the kernel has refused it ---- */

/* Puts a finished object's capability away; it is deleted with all the rest. */
static int store(struct component *c, seL4_CPtr slot)
{
    seL4_CPtr storage = c->slots + SLOT_STORAGE;
    return seL4_CNode_Move(storage, c->stored++, (seL4_Uint8)c->storage_bits, seL4_CapInitThreadCNode, slot, ROOT_DEPTH);
}

static int add_table(struct component *c, seL4_Word at)
{
    return retype(c->untyped, seL4_ARM_PageTableObject, 0, build + OBJECT) ||
           seL4_ARM_PageTable_Map(build + OBJECT, build + VSPACE, at, seL4_ARM_Default_VMAttributes) || store(c, build + OBJECT);
}

/* A page whose capability remains in the slot OBJECT. */
static int new_page(struct component *c, seL4_Word at, unsigned flags)
{
    return retype(c->untyped, seL4_ARM_SmallPageObject, 0, build + OBJECT) ||
           vspace_map(build + OBJECT, build + VSPACE, at, flags);
}

/* Maps that page here too, by a copy of its capability that remains in the slot COPY. */
static int map_here(seL4_Word at)
{
    return seL4_CNode_Copy(seL4_CapInitThreadCNode, build + COPY, ROOT_DEPTH, seL4_CapInitThreadCNode, build + OBJECT, ROOT_DEPTH,
                           seL4_AllRights) ||
           vspace_map(build + COPY, seL4_CapInitThreadVSpace, at, PF_W);
}

/* The rest of that page stays zero. */
static int fill(const uint8_t *content, size_t size)
{
    if (map_here(SCRATCH))
        return PLATFORM_ENOMEM;
    memcpy((void *)SCRATCH, content, size < PAGE_BYTES ? size : PAGE_BYTES);
    return seL4_ARM_Page_Unify_Instruction(build + COPY, 0, PAGE_BYTES) ||
           seL4_CNode_Delete(seL4_CapInitThreadCNode, build + COPY, ROOT_DEPTH);
}

static int add_image(struct component *c, const uint8_t *elf)
{
    for (const Elf64_Phdr *s = elf_next_load(elf, NULL); s; s = elf_next_load(elf, s))
        for (seL4_Word at = 0; at < s->p_memsz; at += PAGE_BYTES)
            if (new_page(c, s->p_vaddr + at, s->p_flags) ||
                (at < s->p_filesz && fill(elf + s->p_offset + at, s->p_filesz - at)) || store(c, build + OBJECT))
                return PLATFORM_ENOMEM;
    return 0;
}

static int add_pages(struct component *c, seL4_Word from, seL4_Word end)
{
    for (; from < end; from += PAGE_BYTES)
        if (new_page(c, from, PF_W) || store(c, build + OBJECT))
            return PLATFORM_ENOMEM;
    return 0;
}

static int add_shared_frame(struct component *c, uint32_t id)
{
    seL4_Word here = FRAMES_BASE + id * (seL4_Word)PLATFORM_FRAME_BYTES;
    for (seL4_Word at = 0; at < PLATFORM_FRAME_BYTES; at += PAGE_BYTES)
        if (new_page(c, COMPONENT_FRAME + at, PF_W) || map_here(here + at) || store(c, build + COPY) || store(c, build + OBJECT))
            return PLATFORM_ENOMEM;
    c->info.frame = (void *)here;
    return 0;
}

static int add_space(struct component *c, uint32_t id, const struct platform_spawn *spawn)
{
    seL4_Word end = COMPONENT_ARENA + spawn->arena_bytes;
    /* Two upper levels for the lowest gigabyte, then a table per 2 MiB. */
    if (retype(c->untyped, seL4_ARM_VSpaceObject, 0, build + VSPACE) ||
        seL4_ARM_ASIDPool_Assign(seL4_CapInitThreadASIDPool, build + VSPACE) || add_table(c, COMPONENT_IMAGE) ||
        add_table(c, COMPONENT_IMAGE))
        return PLATFORM_ENOMEM;
    for (seL4_Word at = COMPONENT_IMAGE; at < end; at += LARGE_BYTES)
        if (add_table(c, at))
            return PLATFORM_ENOMEM;
    return add_image(c, spawn->elf) || add_pages(c, COMPONENT_STACK_TOP - COMPONENT_STACK_BYTES, COMPONENT_STACK_TOP) ||
           add_pages(c, COMPONENT_ARENA, end) || add_shared_frame(c, id);
}

static int start(struct component *c, uint32_t id, const struct platform_spawn *spawn)
{
    seL4_CPtr tcb = c->slots + SLOT_TCB, cspace = build + CSPACE;
    seL4_CapRights_t rights = seL4_CapRights_new(true, false, false, true); /* send and be answered; not receive, not grant */
    seL4_Word guard = seL4_CNode_CapData_new(0, seL4_WordBits - CSPACE_BITS).words[0];
    seL4_UserContext registers = {
        .pc = ((const Elf64_Ehdr *)spawn->elf)->e_entry,
        .sp = COMPONENT_STACK_TOP,
        .x0 = spawn->args[0], .x1 = spawn->args[1], .x2 = spawn->args[2], .x3 = spawn->args[3],
        .x4 = spawn->arena_bytes,
    };
    return new_page(c, COMPONENT_IPC_BUFFER, PF_W) || retype(c->untyped, seL4_TCBObject, 0, tcb) ||
           retype(c->untyped, seL4_CapTableObject, CSPACE_BITS, cspace) ||
           seL4_CNode_Mint(cspace, COMPONENT_ENDPOINT, CSPACE_BITS, seL4_CapInitThreadCNode, root_endpoint, ROOT_DEPTH, rights,
                           BADGE_COMPONENT | id) ||
           seL4_TCB_Configure(tcb, COMPONENT_ENDPOINT, cspace, guard, build + VSPACE, 0, COMPONENT_IPC_BUFFER, build + OBJECT) ||
           seL4_TCB_SetPriority(tcb, seL4_CapInitThreadTCB, spawn->priority) || store(c, build + OBJECT) || store(c, cspace) ||
           store(c, build + VSPACE) ||
           seL4_TCB_WriteRegisters(tcb, true, 0, sizeof registers / sizeof(seL4_Word), &registers);
}

/*
 * Pages that the image takes if it is an AArch64 ELF whose segments lie inside the file and, page by page in
 * order, where components have their image; 0 if it is not.
 */
static seL4_Word image_pages(const struct platform_spawn *spawn)
{
    const Elf64_Ehdr *elf = (const void *)spawn->elf;
    if (spawn->elf_size < sizeof *elf || memcmp(elf->e_ident, ELFMAG, SELFMAG) || elf->e_ident[EI_CLASS] != ELFCLASS64 ||
        elf->e_machine != EM_AARCH64 || elf->e_type != ET_EXEC || elf->e_phentsize != sizeof(Elf64_Phdr) ||
        elf->e_phoff > spawn->elf_size || elf->e_phoff % 8 || elf->e_phnum * sizeof(Elf64_Phdr) > spawn->elf_size - elf->e_phoff)
        return 0;
    seL4_Word end = COMPONENT_IMAGE, pages = 0;
    for (const Elf64_Phdr *s = elf_next_load(spawn->elf, NULL); s; s = elf_next_load(spawn->elf, s)) {
        if (!s->p_memsz)
            continue;
        if (s->p_vaddr < end || s->p_vaddr % PAGE_BYTES || s->p_vaddr > COMPONENT_IMAGE_END || s->p_filesz > s->p_memsz ||
            s->p_memsz > COMPONENT_IMAGE_END - s->p_vaddr || s->p_offset > spawn->elf_size ||
            s->p_filesz > spawn->elf_size - s->p_offset || (s->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
            return 0;
        end = s->p_vaddr + s->p_memsz;
        pages += (s->p_memsz + PAGE_MASK) / PAGE_BYTES;
    }
    return pages;
}

int platform_component_spawn(const struct platform_spawn *spawn)
{
    seL4_Word arena = spawn->arena_bytes, pages = image_pages(spawn);
    if (!pages || arena % PAGE_BYTES || arena > COMPONENT_ARENA_MAX || spawn->priority < 1 || spawn->priority > 200)
        return PLATFORM_EINVAL;
    uint32_t id = 0;
    while (id < PLATFORM_COMPONENTS && components[id].live)
        id++;
    if (id == PLATFORM_COMPONENTS)
        return PLATFORM_EBUSY;
    struct component *c = &components[id];
    seL4_CPtr slots = c->slots ? c->slots : slots_take(SLOTS);
    if (!slots)
        return PLATFORM_ENOMEM;
    *c = (struct component){.slots = slots};
    /* The VSpace, two upper tables, one for each 2 MiB, and the IPC buffer. */
    pages += (COMPONENT_STACK_BYTES + PLATFORM_FRAME_BYTES + arena) / PAGE_BYTES +
             (COMPONENT_ARENA + arena - COMPONENT_IMAGE + LARGE_BYTES - 1) / LARGE_BYTES + 4;
    while ((1ul << c->storage_bits) < pages + FRAME_PAGES + 2)
        c->storage_bits++;
    /* The storage CNode, every page, and one page that the TCB and the CSpace share. */
    seL4_Word bytes = ((1ul << (c->storage_bits + seL4_SlotBits)) | PAGE_MASK) + 1 + (pages + 1) * PAGE_BYTES;
    unsigned bits = seL4_PageBits;
    while ((1ul << bits) < bytes)
        bits++;
    c->untyped = untyped_take(bits);
    if (!c->untyped)
        return PLATFORM_ENOMEM;
    c->info.bytes = 1ul << bits;
    c->live = true;
    if (retype(c->untyped, seL4_CapTableObject, c->storage_bits, slots + SLOT_STORAGE) || add_space(c, id, spawn) ||
        start(c, id, spawn)) {
        platform_component_destroy(id);
        return PLATFORM_ENOMEM;
    }
    return (int)id;
}

/* ---- messages ---- */

/*
 * Whether the message that was just received is a call, and its sender now waits. A receiver cannot see
 * that in the message, but the sender's x7 still holds the system call's number. The reply capability of
 * a call is saved.
 */
static bool has_called(struct component *c)
{
    seL4_UserContext registers;
    const unsigned up_to_x7 = offsetof(seL4_UserContext, x8) / sizeof(seL4_Word);
    if (seL4_TCB_ReadRegisters(c->slots + SLOT_TCB, false, 0, up_to_x7, &registers) || registers.x7 != (seL4_Word)seL4_SysCall)
        return false;
    return !seL4_CNode_SaveCaller(seL4_CapInitThreadCNode, c->slots + SLOT_REPLY, ROOT_DEPTH);
}

/* The fault in the message registers as the words of an event: kind, instruction, address, detail, access. */
static void describe_fault(seL4_Word label, uint64_t words[5])
{
    const struct {
        uint8_t kind, ip, address, detail;
    } layouts[] = {
        [seL4_Fault_CapFault] = {PLATFORM_FAULT_CAP, seL4_CapFault_IP, seL4_CapFault_Addr, seL4_CapFault_Addr},
        [seL4_Fault_UnknownSyscall] = {PLATFORM_FAULT_SYSCALL, seL4_UnknownSyscall_FaultIP, seL4_UnknownSyscall_FaultIP,
                                       seL4_UnknownSyscall_Syscall},
        [seL4_Fault_UserException] = {PLATFORM_FAULT_EXCEPTION, seL4_UserException_FaultIP, seL4_UserException_FaultIP,
                                      seL4_UserException_Number},
        [seL4_Fault_VMFault] = {PLATFORM_FAULT_VM, seL4_VMFault_IP, seL4_VMFault_Addr, seL4_VMFault_FSR},
    };
    memset(words, 0, 5 * sizeof *words);
    words[0] = PLATFORM_FAULT_OTHER;
    words[3] = label;
    if (label >= sizeof layouts / sizeof *layouts || !layouts[label].kind)
        return;
    words[0] = layouts[label].kind;
    words[1] = seL4_GetMR(layouts[label].ip);
    words[2] = seL4_GetMR(layouts[label].address);
    words[3] = seL4_GetMR(layouts[label].detail);
    if (label == seL4_Fault_VMFault)
        words[4] = seL4_GetMR(seL4_VMFault_PrefetchFault) ? 1 : words[3] & (1u << 6) ? 2 : 0; /* ISS.WnR */
}

void component_message(seL4_Word badge, seL4_MessageInfo_t info)
{
    uint32_t id = badge & (PLATFORM_COMPONENTS - 1);
    struct component *c = &components[id];
    seL4_Word label = seL4_MessageInfo_get_label(info);
    if (!c->live)
        return;
    if (label != seL4_Fault_NullFault && label < COMPONENT_LABEL_FIRST) {
        describe_fault(label, c->events[PLATFORM_EVENT_FAULT]);
        c->waiting |= 1u << PLATFORM_EVENT_FAULT;
        c->info.state = PLATFORM_FAULTED;
        return;
    }
    uint64_t words[5] = {label};
    for (unsigned i = 0; i < 4 && i < seL4_MessageInfo_get_length(info); i++)
        words[i + 1] = (uint32_t)seL4_GetMR(i);
    if (label < COMPONENT_LABEL_FIRST || c->info.state != PLATFORM_RUNNING || !has_called(c)) {
        c->info.refused++;
        c->waiting |= 1u << PLATFORM_EVENT_VIOLATION;
        return;
    }
    memcpy(c->events[PLATFORM_EVENT_CALL], words, sizeof words);
    c->waiting |= 1u << PLATFORM_EVENT_CALL;
    c->info.state = PLATFORM_CALLING;
    c->info.calls++;
}

bool component_waiting(void)
{
    unsigned waiting = 0;
    for (unsigned id = 0; id < PLATFORM_COMPONENTS; id++)
        waiting |= components[id].waiting;
    return waiting;
}

/* Round-robin over the components, so that a busy one cannot keep the others' events waiting. */
bool platform_component_event(struct platform_event *event)
{
    for (unsigned i = 0; i < PLATFORM_COMPONENTS; i++) {
        struct component *c = &components[(next_event + i) % PLATFORM_COMPONENTS];
        if (!c->waiting)
            continue;
        event->id = (uint32_t)(c - components);
        event->kind = (uint32_t)__builtin_ctz(c->waiting); /* a call, then a fault, then a violation */
        memcpy(event->words, c->events[event->kind], sizeof event->words);
        c->waiting &= c->waiting - 1;
        next_event = event->id + 1;
        return true;
    }
    return false;
}

static struct component *find(uint32_t id)
{
    return id < PLATFORM_COMPONENTS && components[id].live ? &components[id] : NULL;
}

int platform_component_reply(uint32_t id, uint32_t label, const uint32_t words[4])
{
    struct component *c = find(id);
    if (!c)
        return PLATFORM_ENOENT;
    if (c->info.state != PLATFORM_CALLING || c->waiting & 1u << PLATFORM_EVENT_CALL)
        return PLATFORM_EBUSY;
    c->info.state = PLATFORM_RUNNING;
    for (unsigned i = 0; i < 4; i++)
        seL4_SetMR(i, words[i]);
    seL4_Send(c->slots + SLOT_REPLY, seL4_MessageInfo_new(label, 0, 0, 4));
    /* It runs below the root, so it has not moved since the answer was delivered. */
    if (c->suspended && seL4_TCB_Suspend(c->slots + SLOT_TCB))
        return PLATFORM_EINVAL;
    return 0;
}

int platform_component_suspend(uint32_t id)
{
    struct component *c = find(id);
    if (!c)
        return PLATFORM_ENOENT;
    c->suspended = true;
    /* One that waits for an answer stands still already, and the kernel would cancel its call. */
    if (c->info.state != PLATFORM_RUNNING)
        return 0;
    return seL4_TCB_Suspend(c->slots + SLOT_TCB) ? PLATFORM_EINVAL : 0;
}

int platform_component_resume(uint32_t id)
{
    struct component *c = find(id);
    if (!c)
        return PLATFORM_ENOENT;
    if (!c->suspended || c->info.state == PLATFORM_FAULTED)
        return PLATFORM_EBUSY;
    c->suspended = false;
    if (c->info.state == PLATFORM_CALLING)
        return 0;
    return seL4_TCB_Resume(c->slots + SLOT_TCB) ? PLATFORM_EINVAL : 0;
}

int platform_component_destroy(uint32_t id)
{
    struct component *c = find(id);
    if (!c)
        return PLATFORM_ENOENT;
    seL4_CNode_Revoke(seL4_CapInitThreadCNode, c->untyped, ROOT_DEPTH);
    untyped_give(c->untyped);
    c->live = false;
    c->waiting = 0;
    return 0;
}

int platform_component_info(uint32_t id, struct platform_component *info)
{
    const struct component *c = find(id);
    if (!c)
        return PLATFORM_ENOENT;
    *info = c->info;
    if (c->suspended && info->state != PLATFORM_FAULTED)
        info->state = PLATFORM_SUSPENDED;
    return 0;
}

void component_reset(void)
{
    for (uint32_t id = 0; id < PLATFORM_COMPONENTS; id++)
        platform_component_destroy(id);
}
