/*
 * Waiting. The root sleeps in one place, seL4_Recv on its endpoint; interrupts reach it there through
 * the notification that is bound to its TCB, each with the badge of its bit. The kernel looks at the
 * notification first, so no flood of messages can hide an interrupt.
 */
#include "kernel.h"

enum { TIMER_BIT = 0, DRAIN_MAX = 128 };

static seL4_CPtr notification;
static struct {
    seL4_CPtr handler; /* in the slot after it the notification, badged with the line's bit */
    uint32_t irq;
    bool bound;
} lines[PLATFORM_IRQ_LAST + 1];

static int bind(unsigned bit, uint32_t irq, bool edge)
{
    if (!lines[bit].handler) {
        lines[bit].handler = slots_take(2);
        if (!lines[bit].handler)
            return PLATFORM_ENOMEM;
        if (seL4_CNode_Mint(seL4_CapInitThreadCNode, lines[bit].handler + 1, ROOT_DEPTH, seL4_CapInitThreadCNode, notification, ROOT_DEPTH,
                            seL4_CanWrite, 1ul << bit))
            return PLATFORM_ENOMEM;
    }
    if (seL4_IRQControl_GetTrigger(seL4_CapIRQControl, irq, edge, seL4_CapInitThreadCNode, lines[bit].handler, ROOT_DEPTH) ||
        seL4_IRQHandler_SetNotification(lines[bit].handler, lines[bit].handler + 1) ||
        seL4_IRQHandler_Ack(lines[bit].handler))
        return PLATFORM_EINVAL;
    lines[bit].irq = irq;
    lines[bit].bound = true;
    return (int)bit;
}

static void timer_off(void)
{
    __asm__ volatile("msr cntp_ctl_el0, %0\n isb" ::"r"(0ul));
}

static uint64_t frequency(void)
{
    uint64_t hertz;
    __asm__("mrs %0, cntfrq_el0" : "=r"(hertz));
    return hertz;
}

uint64_t platform_now_us(void)
{
    uint64_t count, hertz = frequency();
    __asm__ volatile("isb\n mrs %0, cntpct_el0" : "=r"(count)::"memory");
    return count / hertz * 1000000 + count % hertz * 1000000 / hertz;
}

/* Whether the time has come; if not, the timer fires then. Rounded up: never before the microsecond that was asked for. */
static bool due_or_armed(uint64_t us)
{
    if (us <= platform_now_us())
        return true;
    if (us == PLATFORM_NEVER)
        return false;
    uint64_t hertz = frequency();
    uint64_t count = us / 1000000 * hertz + (us % 1000000 * hertz + 999999) / 1000000;
    __asm__ volatile("msr cntp_cval_el0, %0\n msr cntp_ctl_el0, %1\n isb" ::"r"(count), "r"(1ul));
    return false;
}

int interrupt_init(uint32_t timer_irq)
{
    seL4_CPtr untyped = untyped_take(seL4_PageBits);
    root_endpoint = slots_take(1);
    notification = slots_take(1);
    if (!untyped || !notification || retype(untyped, seL4_EndpointObject, 0, root_endpoint) ||
        retype(untyped, seL4_NotificationObject, 0, notification))
        return PLATFORM_ENOMEM;
    if (seL4_TCB_BindNotification(seL4_CapInitThreadTCB, notification))
        return PLATFORM_EINVAL;
    timer_off();
    return bind(TIMER_BIT, timer_irq, false);
}

uint32_t platform_wait(uint64_t deadline_us)
{
    uint32_t raised = component_waiting() ? PLATFORM_RAISED_COMPONENT : 0;
    bool due = due_or_armed(deadline_us);
    for (unsigned i = 0; i < DRAIN_MAX; i++) {
        seL4_Word badge = 0;
        seL4_MessageInfo_t info = raised || due ? seL4_NBRecv(root_endpoint, &badge) : seL4_Recv(root_endpoint, &badge);
        if (!badge)
            break;
        if (badge & BADGE_COMPONENT) {
            component_message(badge, info);
            raised |= component_waiting() ? PLATFORM_RAISED_COMPONENT : 0;
            continue;
        }
        raised |= (uint32_t)badge & ~(uint32_t)PLATFORM_RAISED_TIMER;
        if (badge & (1u << TIMER_BIT)) {
            timer_off();
            seL4_IRQHandler_Ack(lines[TIMER_BIT].handler);
            due = due_or_armed(deadline_us); /* it may be a left-over of an earlier deadline */
        }
    }
    timer_off();
    if (due || deadline_us <= platform_now_us())
        raised |= PLATFORM_RAISED_TIMER;
    return raised;
}

int platform_irq_bind(uint32_t irq, bool edge)
{
    unsigned free = 0;
    for (unsigned bit = PLATFORM_IRQ_LAST; bit >= PLATFORM_IRQ_FIRST; bit--) {
        if (lines[bit].bound && lines[bit].irq == irq)
            return PLATFORM_EBUSY;
        if (!lines[bit].bound)
            free = bit;
    }
    return free ? bind(free, irq, edge) : PLATFORM_ENOMEM;
}

int platform_irq_ack(unsigned bit)
{
    if (bit < PLATFORM_IRQ_FIRST || bit > PLATFORM_IRQ_LAST || !lines[bit].bound)
        return PLATFORM_EINVAL;
    return seL4_IRQHandler_Ack(lines[bit].handler) ? PLATFORM_EINVAL : 0;
}

unsigned interrupt_handlers(void)
{
    unsigned count = 0;
    for (unsigned bit = 0; bit <= PLATFORM_IRQ_LAST; bit++)
        count += lines[bit].bound;
    return count;
}

void interrupt_reset(void)
{
    for (unsigned bit = PLATFORM_IRQ_FIRST; bit <= PLATFORM_IRQ_LAST; bit++)
        if (lines[bit].bound) {
            seL4_CNode_Delete(seL4_CapInitThreadCNode, lines[bit].handler, ROOT_DEPTH);
            lines[bit].bound = false;
        }
    seL4_Word badge;
    seL4_Poll(notification, &badge); /* what the old lines left behind */
}
