/*
 * Components. Everything one consists of is made from a single untyped, so destroying it is one
 * revoke; the capabilities to its pages wait in a CNode that is part of it. Its own CSpace holds one
 * capability, the badged endpoint, where its calls and (by the same capability) its faults arrive.
 */
#include "../../components/layout.h"
#include "kernel.h"
#include "../elf.h"
#include <string.h>

enum { SLOT_UNTYPED, SLOT_TCB, SLOT_REPLY, SLOT_STORAGE, SLOTS }; /* per component, in the root CNode */
enum { CSPACE_BITS = 1, FRAME_PAGES = PLATFORM_FRAME_BYTES / 4096, BUILD_SLOTS = 4 };

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

/* ---- building ---- */

static const Elf64_Phdr *segments(const struct platform_spawn *spawn)
{
    return (const void *)(spawn->elf + ((const Elf64_Ehdr *)spawn->elf)->e_phoff);
}

static unsigned segment_count(const struct platform_spawn *spawn)
{
    return ((const Elf64_Ehdr *)spawn->elf)->e_phnum;
}

/* A new object in a scratch slot. */
static int make(struct component *c, seL4_Word type, seL4_Word size_bits, seL4_CPtr slot)
{
    return retype(c->untyped, type, size_bits, slot);
}

/* Puts a finished object's capability away; it is deleted with all the rest. */
static int store(struct component *c, seL4_CPtr slot)
{
    return seL4_CNode_Move(c->slots + SLOT_STORAGE, c->stored++, (seL4_Uint8)c->storage_bits, seL4_CapInitThreadCNode, slot, ROOT_DEPTH)
               ? PLATFORM_ENOMEM
               : 0;
}

static int add_table(struct component *c, seL4_CPtr vspace, seL4_Word at)
{
    if (make(c, seL4_ARM_PageTableObject, 0, build + 1) ||
        seL4_ARM_PageTable_Map(build + 1, vspace, at, seL4_ARM_Default_VMAttributes))
        return PLATFORM_ENOMEM;
    return store(c, build + 1);
}

/* Maps a page of the component here too; the copy of its capability is in build + 2 afterwards. */
static int map_here(seL4_CPtr frame, void *at)
{
    if (seL4_CNode_Copy(seL4_CapInitThreadCNode, build + 2, ROOT_DEPTH, seL4_CapInitThreadCNode, frame, ROOT_DEPTH, seL4_AllRights))
        return PLATFORM_ENOMEM;
    return vspace_map(build + 2, at, true);
}

static int add_page(struct component *c, seL4_CPtr vspace, seL4_Word at, unsigned flags, const uint8_t *content, size_t size)
{
    if (make(c, seL4_ARM_SmallPageObject, 0, build + 1))
        return PLATFORM_ENOMEM;
    if (size) {
        if (map_here(build + 1, vspace_scratch()))
            return PLATFORM_ENOMEM;
        memcpy(vspace_scratch(), content, size);
        seL4_ARM_Page_Unify_Instruction(build + 2, 0, PAGE_BYTES);
        seL4_CNode_Delete(seL4_CapInitThreadCNode, build + 2, ROOT_DEPTH);
    }
    seL4_Word attributes = seL4_ARM_Default_VMAttributes | (flags & PF_X ? 0 : seL4_ARM_ExecuteNever);
    if (seL4_ARM_Page_Map(build + 1, vspace, at, flags & PF_W ? seL4_ReadWrite : seL4_CanRead, attributes))
        return PLATFORM_ENOMEM;
    return store(c, build + 1);
}

/* The segment's part of a page, at most a page; the rest of it stays zero. */
static size_t page_content(const Elf64_Phdr *segment, seL4_Word offset)
{
    size_t left = offset < segment->p_filesz ? segment->p_filesz - offset : 0;
    return left < PAGE_BYTES ? left : PAGE_BYTES;
}

static int add_image(struct component *c, seL4_CPtr vspace, const struct platform_spawn *spawn)
{
    int error = 0;
    const Elf64_Phdr *segment = segments(spawn);
    for (unsigned i = 0; i < segment_count(spawn); i++, segment++)
        for (seL4_Word at = 0; segment->p_type == PT_LOAD && at < segment->p_memsz && !error; at += PAGE_BYTES)
            error = add_page(c, vspace, segment->p_vaddr + at, segment->p_flags, spawn->elf + segment->p_offset + at,
                             page_content(segment, at));
    return error;
}

static int add_pages(struct component *c, seL4_CPtr vspace, seL4_Word from, seL4_Word end)
{
    int error = 0;
    for (; from < end && !error; from += PAGE_BYTES)
        error = add_page(c, vspace, from, PF_W, NULL, 0);
    return error;
}

static int add_shared_frame(struct component *c, uint32_t id, seL4_CPtr vspace)
{
    for (unsigned i = 0; i < FRAME_PAGES; i++) {
        uint8_t *here = (uint8_t *)vspace_component_frame(id) + i * PAGE_BYTES;
        if (make(c, seL4_ARM_SmallPageObject, 0, build + 1) || map_here(build + 1, here) || store(c, build + 2) ||
            seL4_ARM_Page_Map(build + 1, vspace, COMPONENT_FRAME + i * PAGE_BYTES, seL4_ReadWrite,
                              seL4_ARM_Default_VMAttributes | seL4_ARM_ExecuteNever) ||
            store(c, build + 1))
            return PLATFORM_ENOMEM;
    }
    c->info.frame = vspace_component_frame(id);
    return 0;
}

static int add_space(struct component *c, uint32_t id, seL4_CPtr vspace, const struct platform_spawn *spawn, seL4_Word arena)
{
    int error = make(c, seL4_ARM_VSpaceObject, 0, vspace);
    if (error || seL4_ARM_ASIDPool_Assign(seL4_CapInitThreadASIDPool, vspace))
        return PLATFORM_ENOMEM;
    /* Two upper levels for the lowest gigabyte, then a table per 2 MiB. */
    error = add_table(c, vspace, COMPONENT_IMAGE);
    if (!error)
        error = add_table(c, vspace, COMPONENT_IMAGE);
    for (seL4_Word at = COMPONENT_IMAGE; at < COMPONENT_ARENA + arena && !error; at += LARGE_BYTES)
        error = add_table(c, vspace, at);
    if (!error)
        error = add_image(c, vspace, spawn);
    if (!error)
        error = add_pages(c, vspace, COMPONENT_STACK_TOP - COMPONENT_STACK_BYTES, COMPONENT_STACK_TOP);
    if (!error)
        error = add_pages(c, vspace, COMPONENT_ARENA, COMPONENT_ARENA + arena);
    return error ? error : add_shared_frame(c, id, vspace);
}

static int start(struct component *c, uint32_t id, seL4_CPtr vspace, const struct platform_spawn *spawn, seL4_Word arena)
{
    seL4_CPtr tcb = c->slots + SLOT_TCB, cspace = build + 3;
    if (make(c, seL4_ARM_SmallPageObject, 0, build + 1) ||
        seL4_ARM_Page_Map(build + 1, vspace, COMPONENT_IPC_BUFFER, seL4_ReadWrite, seL4_ARM_Default_VMAttributes | seL4_ARM_ExecuteNever) ||
        make(c, seL4_TCBObject, 0, tcb) || make(c, seL4_CapTableObject, CSPACE_BITS, cspace))
        return PLATFORM_ENOMEM;
    seL4_CapRights_t rights = seL4_CapRights_new(true, false, false, true); /* send and be answered; not receive, not grant */
    if (seL4_CNode_Mint(cspace, COMPONENT_ENDPOINT, CSPACE_BITS, seL4_CapInitThreadCNode, root_endpoint, ROOT_DEPTH, rights,
                        BADGE_COMPONENT | id))
        return PLATFORM_ENOMEM;
    seL4_Word guard = seL4_CNode_CapData_new(0, seL4_WordBits - CSPACE_BITS).words[0];
    if (seL4_TCB_Configure(tcb, COMPONENT_ENDPOINT, cspace, guard, vspace, 0, COMPONENT_IPC_BUFFER, build + 1) ||
        seL4_TCB_SetPriority(tcb, seL4_CapInitThreadTCB, spawn->priority))
        return PLATFORM_EINVAL;
    seL4_UserContext registers = {
        .pc = ((const Elf64_Ehdr *)spawn->elf)->e_entry,
        .sp = COMPONENT_STACK_TOP,
        .x0 = spawn->args[0], .x1 = spawn->args[1], .x2 = spawn->args[2], .x3 = spawn->args[3],
        .x4 = arena,
    };
    if (store(c, build + 1) || store(c, cspace) || store(c, vspace))
        return PLATFORM_ENOMEM;
    return seL4_TCB_WriteRegisters(tcb, true, 0, sizeof registers / sizeof(seL4_Word), &registers) ? PLATFORM_EINVAL : 0;
}

/* An AArch64 ELF whose segments lie inside the file and, page by page in order, where components have their image. */
static bool elf_fits(const struct platform_spawn *spawn)
{
    const Elf64_Ehdr *elf = (const void *)spawn->elf;
    if (spawn->elf_size < sizeof *elf || memcmp(elf->e_ident, ELFMAG, SELFMAG) || elf->e_ident[EI_CLASS] != ELFCLASS64 ||
        elf->e_machine != EM_AARCH64 || elf->e_type != ET_EXEC || elf->e_phentsize != sizeof(Elf64_Phdr) ||
        elf->e_phoff > spawn->elf_size || elf->e_phoff % 8 || elf->e_phnum * sizeof(Elf64_Phdr) > spawn->elf_size - elf->e_phoff)
        return false;
    const Elf64_Phdr *segment = segments(spawn);
    seL4_Word end = COMPONENT_IMAGE;
    for (unsigned i = 0; i < segment_count(spawn); i++, segment++) {
        if (segment->p_type != PT_LOAD || !segment->p_memsz)
            continue;
        if (segment->p_vaddr < end || segment->p_vaddr % PAGE_BYTES || segment->p_vaddr > COMPONENT_IMAGE_END ||
            segment->p_filesz > segment->p_memsz || segment->p_memsz > COMPONENT_IMAGE_END - segment->p_vaddr ||
            segment->p_offset > spawn->elf_size || segment->p_filesz > spawn->elf_size - segment->p_offset ||
            (segment->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
            return false;
        end = segment->p_vaddr + segment->p_memsz;
    }
    return end > COMPONENT_IMAGE;
}

/* Pages a component takes, so that one untyped of the right size can be found. */
static unsigned count_pages(const struct platform_spawn *spawn, seL4_Word arena)
{
    seL4_Word bytes = COMPONENT_STACK_BYTES + PLATFORM_FRAME_BYTES + arena;
    const Elf64_Phdr *segment = segments(spawn);
    for (unsigned i = 0; i < segment_count(spawn); i++, segment++)
        if (segment->p_type == PT_LOAD)
            bytes += (segment->p_memsz + PAGE_MASK) & ~PAGE_MASK;
    unsigned tables = 3 + (unsigned)((COMPONENT_ARENA + arena - COMPONENT_IMAGE + LARGE_BYTES - 1) / LARGE_BYTES);
    return (unsigned)(bytes / PAGE_BYTES) + tables + 1; /* and the IPC buffer */
}

int platform_component_spawn(const struct platform_spawn *spawn)
{
    seL4_Word arena = (spawn->arena_bytes + PAGE_MASK) & ~PAGE_MASK;
    if (!elf_fits(spawn) || arena > COMPONENT_ARENA_MAX || spawn->priority < 1 || spawn->priority > 200)
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
    unsigned pages = count_pages(spawn, arena), bits = seL4_PageBits;
    while ((1u << c->storage_bits) < pages + FRAME_PAGES + 2)
        c->storage_bits++;
    /* The storage CNode, every page, and one page that the TCB and the CSpace share. */
    seL4_Word bytes = ((1ul << (c->storage_bits + seL4_SlotBits)) | PAGE_MASK) + 1 + (pages + 1ul) * PAGE_BYTES;
    while ((1ul << bits) < bytes)
        bits++;
    c->untyped = untyped_take(bits);
    if (!c->untyped)
        return PLATFORM_ENOMEM;
    c->info.bytes = 1ul << bits;
    c->live = true;
    int error = make(c, seL4_CapTableObject, c->storage_bits, slots + SLOT_STORAGE);
    if (!error)
        error = add_space(c, id, build, spawn, arena);
    if (!error)
        error = start(c, id, build, spawn, arena);
    if (error) {
        platform_component_destroy(id);
        return error;
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
