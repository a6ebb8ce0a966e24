/*
 * Components as they live: their messages, what the root does with them, their end. All calls arrive at
 * one endpoint, told apart by badge; whatever a component sends, the root is not held up.
 */
#include "../../components/layout.h"
#include "component.h"
#include <string.h>

struct component components[PLATFORM_COMPONENTS];
unsigned component_count;
static uint32_t next_event;

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
    if (seL4_TCB_ReadRegisters(c->tcb, false, 0, up_to_x7, &registers) || registers.x7 != (seL4_Word)seL4_SysCall)
        return false;
    return !seL4_CNode_SaveCaller(root_slots, c->reply, ROOT_DEPTH);
}

/* The fault in the message registers as the words of an event: kind, instruction, address, detail, access. */
static void describe_fault(seL4_Word label, uint64_t words[5])
{
    static const uint8_t layouts[][4] = { /* the kind, then which message registers the next three are in */
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
    if (label >= sizeof layouts / sizeof *layouts || !layouts[label][0])
        return;
    words[0] = layouts[label][0];
    for (unsigned i = 1; i < 4; i++)
        words[i] = seL4_GetMR(layouts[label][i]);
    if (label == seL4_Fault_VMFault)
        words[4] = seL4_GetMR(seL4_VMFault_PrefetchFault) ? 1 : words[3] & (1u << 6) ? 2 : 0; /* ISS.WnR */
}

void component_message(seL4_Word badge, seL4_MessageInfo_t info)
{
    uint32_t id = (uint32_t)(badge & ~BADGE_COMPONENT);
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
    seL4_Send(c->reply, seL4_MessageInfo_new(label, 0, 0, 4));
    /* It runs below the root, so it has not moved since the answer was delivered. */
    if (c->suspended && seL4_TCB_Suspend(c->tcb))
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
    return seL4_TCB_Suspend(c->tcb) ? PLATFORM_EINVAL : 0;
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
    return seL4_TCB_Resume(c->tcb) ? PLATFORM_EINVAL : 0;
}

int platform_component_destroy(uint32_t id)
{
    struct component *c = find(id);
    if (!c)
        return PLATFORM_ENOENT;
    /* Without its VSpace no page is unmapped one by one. */
    if (c->tcb)
        seL4_CNode_Delete(root_slots, c->tcb, ROOT_DEPTH);
    if (c->vspace)
        seL4_CNode_Delete(root_slots, c->vspace, ROOT_DEPTH);
    if (c->untyped)
        seL4_CNode_Revoke(root_slots, c->untyped, ROOT_DEPTH);
    if (c->arena)
        seL4_CNode_Revoke(root_slots, c->arena, ROOT_DEPTH);
    untyped_give(c->untyped);
    untyped_give(c->arena);
    c->live = false;
    component_count--;
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
