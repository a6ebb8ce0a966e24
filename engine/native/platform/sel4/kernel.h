/* What the files of this platform share: capability slots, memory, mappings. Every failure here is a PLATFORM_E* value. */
#pragma once
#include "../platform.h"
#include <sel4/sel4.h>

#define PAGE_BYTES 4096ul
#define PAGE_MASK (PAGE_BYTES - 1)
#define LARGE_BYTES 0x200000ul
#define ROOT_DEPTH seL4_WordBits

/* The root's window, its table for 4 KiB pages: the frames shared with components, then a page to work on. */
#define WINDOW 0x1000000000ul
#define FRAMES_BASE (WINDOW + LARGE_BYTES)
#define SCRATCH (FRAMES_BASE + PLATFORM_COMPONENTS * PLATFORM_FRAME_BYTES)
/* Two large pages of DMA memory, then one to work on; at 16 MiB begins the heap. */
#define DMA_BASE (WINDOW + 2 * LARGE_BYTES)
#define DMA_BYTES (2 * LARGE_BYTES)
#define LARGE_SCRATCH (DMA_BASE + DMA_BYTES)

/* Badge of component id's endpoint; interrupt badges are the bits of platform_wait(). */
#define BADGE_COMPONENT (1ul << 62)

extern const seL4_BootInfo *bootinfo;
extern seL4_CPtr root_endpoint;

/* ---- objects.c: slots of the root CNode and untyped memory ---- */
void objects_init(void);
/* Reserves count neighbouring empty slots; 0 if there are none. */
seL4_CPtr slots_take(unsigned count);
/* The smallest power of two that is not less. */
unsigned size_bits(seL4_Word count);
/* An untyped of exactly 2^bits bytes; 0 if there is none. untyped_give() takes back one whose objects are gone. */
seL4_CPtr untyped_take(unsigned bits);
void untyped_give(seL4_CPtr untyped);
/* A new object from the untyped in this slot of the root CNode. */
int retype(seL4_CPtr untyped, seL4_Word type, seL4_Word size_bits, seL4_CPtr slot);
/* A fresh slot with the frame of a device's page, PLATFORM_EINVAL if no device is there. */
int device_frame(uint64_t page, seL4_CPtr *frame);

/* ---- vspace.c: the root's own address space ---- */
int vspace_init(void);
/* Maps a frame, readable and as the segment flags PF_W and PF_X say. In the root there are tables for its window only. */
int vspace_map(seL4_CPtr frame, seL4_CPtr vspace, seL4_Word at, unsigned flags);

/* ---- interrupt.c ---- */
int interrupt_init(uint32_t timer_irq);
unsigned interrupt_handlers(void);
void interrupt_reset(void);

/* ---- component.c, spawn.c ---- */
int component_init(void);
/* Live ones. */
extern unsigned component_count;
/* A message with a component's badge has been received. */
void component_message(seL4_Word badge, seL4_MessageInfo_t info);
bool component_waiting(void);
void component_reset(void);

/* ---- fdt.c ---- */
struct fdt_facts {
    uint32_t timer_irq;
    uint64_t ram_bytes, console;
};
/* Fills the table and the facts; returns false if that is no device tree. */
bool fdt_read(const uint8_t *fdt, size_t size, struct platform_device *devices, unsigned *count, struct fdt_facts *facts);
