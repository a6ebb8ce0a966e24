/*
 * The address space of a component, as the root builds it and the component finds it. Pages that
 * are not named here are unmapped, so that a stray access faults; the one under the stack is kept
 * free on purpose.
 */
#pragma once

/*
 * ELF segments. A read-only one that has 2 MiB to itself, from such a boundary on, is shared by all
 * components of its image; so text may stand at 0x400000, constants at 0x600000, data at 0x800000.
 */
#define COMPONENT_IMAGE 0x400000
#define COMPONENT_IMAGE_END 0x900000
#define COMPONENT_STACK_TOP 0x980000
#define COMPONENT_STACK_BYTES 0x20000
#define COMPONENT_IPC_BUFFER 0x990000
#define COMPONENT_FRAME 0x9a0000 /* shared with the root, PLATFORM_FRAME_BYTES */
#define COMPONENT_ARENA 0xa00000 /* private heap */
#define COMPONENT_ARENA_MAX 0x1000000

/* The one capability in a component's CSpace: its badged endpoint. */
#define COMPONENT_ENDPOINT 1

/* Labels below this are the kernel's (faults). */
#define COMPONENT_LABEL_FIRST 0x100
