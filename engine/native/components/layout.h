/*
 * The address space of a component, as the root builds it and the component finds it. Pages that
 * are not named here are unmapped, so that a stray access faults; the one under the stack is kept
 * free on purpose.
 */
#pragma once

#define COMPONENT_IMAGE 0x400000 /* ELF segments, up to 2 MiB */
#define COMPONENT_IMAGE_END 0x600000
#define COMPONENT_STACK_TOP 0x700000
#define COMPONENT_STACK_BYTES 0x10000
#define COMPONENT_IPC_BUFFER 0x710000
#define COMPONENT_FRAME 0x720000 /* shared with the root, PLATFORM_FRAME_BYTES */
#define COMPONENT_ARENA 0x800000 /* private heap */
#define COMPONENT_ARENA_MAX 0x1000000

/* The one capability in a component's CSpace: its badged endpoint. */
#define COMPONENT_ENDPOINT 1

/* Labels below this are the kernel's (faults). */
#define COMPONENT_LABEL_FIRST 0x100
