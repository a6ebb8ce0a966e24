/* A component as the platform keeps it: component.c serves it, spawn.c makes it. */
#pragma once
#include "kernel.h"

struct component {
    seL4_CPtr untyped, arena; /* arena: what its private heap is made from; 0 if it has none */
    seL4_CPtr vspace, tcb, reply;
    struct platform_component info;
    bool live, suspended;
    unsigned waiting; /* a bit for each kind of event */
    uint64_t events[PLATFORM_EVENT_VIOLATION + 1][5];
    unsigned stored; /* slots of its CNode that are in use */
};

extern struct component components[PLATFORM_COMPONENTS];
/* The root of the root's CSpace: its first slot holds the root CNode, the next ones the CNodes of components. */
extern seL4_CPtr root_slots;
