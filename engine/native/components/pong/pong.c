/*
 * The smallest component: it proves that two protection domains can talk, and (by its mode, for the
 * tests) what happens when one of them misbehaves. Labels and modes are those of services/components.
 */
#include "../layout.h"
#include <sel4/sel4.h>
#include <stddef.h>
#include <stdint.h>

enum { HELLO = 0x100, PING, PONG, FLOOD, DONE, WAIT, ECHO, ECHO_OK };
enum mode { NORMAL, HANG, FAULT, CALL_FLOOD, SEND_AND_FAULT, OVERFLOW, SEND_FLOOD, ARENA, JUMP_TO_DATA, FRAME };
enum { PROTOCOL = 1, FRAME_BYTES = 16384 };

static seL4_Word call(seL4_Word label, seL4_Word word)
{
    seL4_CallWithMRs(COMPONENT_ENDPOINT, seL4_MessageInfo_new(label, 0, 0, 1), &word, NULL, NULL, NULL);
    return word;
}

static void send(seL4_Word label)
{
    seL4_Word zero = 0;
    seL4_SendWithMRs(COMPONENT_ENDPOINT, seL4_MessageInfo_new(label, 0, 0, 1), &zero, NULL, NULL, NULL);
}

/* Deeper than any stack here; the depth only keeps the compiler from seeing that it is meant. */
static unsigned overflow(volatile uint8_t *above, unsigned depth)
{
    volatile uint8_t here[512];
    here[0] = above[0];
    return depth ? overflow(here, depth - 1) + here[0] : 0;
}

static int arena_is_clean(seL4_Word size)
{
    volatile uint64_t *arena = (volatile uint64_t *)COMPONENT_ARENA;
    for (seL4_Word i = 0; i < size / 8; i++) {
        if (arena[i])
            return 0;
        arena[i] = ~i;
    }
    for (seL4_Word i = 0; i < size / 8; i++)
        if (arena[i] != ~i)
            return 0;
    return 1;
}

static int frame_is_inverted(void)
{
    volatile uint8_t *frame = (volatile uint8_t *)COMPONENT_FRAME;
    for (unsigned i = 0; i < FRAME_BYTES; i++)
        frame[i] = (uint8_t)i;
    call(ECHO, FRAME_BYTES);
    for (unsigned i = 0; i < FRAME_BYTES; i++)
        if (frame[i] != (uint8_t)~i)
            return 0;
    return 1;
}

_Noreturn void component_main(enum mode mode, seL4_Word unused1, seL4_Word unused2, seL4_Word unused3, seL4_Word arena)
{
    (void)unused1, (void)unused2, (void)unused3;
    static const uint32_t data[] = {0xd65f03c0}; /* ret: but these are constants, not code */
    volatile uint8_t top = 0;
    seL4_Word ping = call(HELLO, PROTOCOL);
    switch (mode) {
    case HANG:
        for (;;)
            __asm__ volatile("");
    case CALL_FLOOD:
        for (;;)
            call(FLOOD, 0);
    case SEND_AND_FAULT:
        send(FLOOD); /* fall through */
    case FAULT:
        *(volatile uint8_t *)0xbad0000000 = 1;
        break;
    case OVERFLOW:
        overflow(&top, 1u << 30);
        break;
    case SEND_FLOOD:
        for (;;)
            send(FLOOD);
    case JUMP_TO_DATA:
        ((void (*)(void))data)();
        break;
    case ARENA:
        ping = arena_is_clean(arena) ? ping : 0;
        break;
    case FRAME:
        call(ECHO_OK, (seL4_Word)frame_is_inverted());
        ping = 0;
        break;
    case NORMAL:
        break;
    }
    if (ping)
        call(PONG, ping);
    for (;;)
        call(WAIT, 0);
}
