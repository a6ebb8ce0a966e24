#include "heap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * A block is a header word, its size with two flags, and the payload. A free block keeps its list links in
 * the payload and its size again in the last word, where the block after it finds it (boundary tag).
 * Free blocks hang in lists by size class: below 256 bytes one class per size, above 32 classes per power of
 * two. Bitmaps of the lists that are not empty make finding one two bit scans.
 */
enum { FREE = 1, PREVIOUS_FREE = 2, FLAGS = 7 };
enum { CLASS_BITS = 5, CLASSES = 1 << CLASS_BITS, EXACT_BITS = 8, POWERS = 32 - EXACT_BITS + 1 };

struct block {
    size_t head;
    struct block *next, *previous; /* in a free block only */
};

enum { HEADER = sizeof(size_t), SMALLEST = sizeof(struct block) + sizeof(size_t) };

struct heap {
    struct heap_usage usage;
    uint32_t powers;
    uint32_t classes[POWERS];
    struct block *lists[POWERS][CLASSES];
};

static size_t block_size(const struct block *block)
{
    return block->head & ~(size_t)FLAGS;
}

static struct block *block_at(const void *memory, size_t offset)
{
    return (struct block *)((uint8_t *)memory + offset);
}

static struct block *block_of(const void *memory)
{
    return (struct block *)((uint8_t *)memory - HEADER);
}

static unsigned highest_bit(size_t value)
{
    return 63u - (unsigned)__builtin_clzll(value);
}

static void class_of(size_t size, unsigned *power, unsigned *class)
{
    if (size < 1u << EXACT_BITS) {
        *power = 0;
        *class = (unsigned)(size >> (EXACT_BITS - CLASS_BITS));
    } else {
        unsigned bit = highest_bit(size);
        *power = bit - EXACT_BITS + 1;
        *class = (unsigned)(size >> (bit - CLASS_BITS)) & (CLASSES - 1);
    }
}

static void insert(struct heap *heap, struct block *block, size_t size)
{
    unsigned power, class;
    struct block *after = block_at(block, size);

    block->head = size | FREE; /* its left neighbour is never free: they would have been joined */
    *((size_t *)after - 1) = size;
    after->head |= PREVIOUS_FREE;
    class_of(size, &power, &class);
    block->previous = NULL;
    block->next = heap->lists[power][class];
    if (block->next) block->next->previous = block;
    heap->lists[power][class] = block;
    heap->classes[power] |= 1u << class;
    heap->powers |= 1u << power;
}

static void take_out(struct heap *heap, struct block *block)
{
    unsigned power, class;

    class_of(block_size(block), &power, &class);
    if (block->next) block->next->previous = block->previous;
    if (block->previous) {
        block->previous->next = block->next;
        return;
    }
    heap->lists[power][class] = block->next;
    if (block->next) return;
    heap->classes[power] &= ~(1u << class);
    if (!heap->classes[power]) heap->powers &= ~(1u << power);
}

/* The first block of the smallest class of which every block is large enough. */
static struct block *find(const struct heap *heap, size_t size)
{
    unsigned power, class;
    uint32_t candidates;

    if (size >= 1u << EXACT_BITS) size += ((size_t)1 << (highest_bit(size) - CLASS_BITS)) - 1;
    class_of(size, &power, &class);
    if (power >= POWERS) return NULL;
    candidates = heap->classes[power] & (~0u << class);
    if (!candidates) {
        uint32_t powers = heap->powers & (uint32_t)(~0ull << (power + 1));
        if (!powers) return NULL;
        power = (unsigned)__builtin_ctz(powers);
        candidates = heap->classes[power];
    }
    return heap->lists[power][__builtin_ctz(candidates)];
}

/* Makes a block of `have` bytes a live one of `size`; what is left over becomes free. */
static size_t occupy(struct heap *heap, struct block *block, size_t have, size_t size)
{
    size_t flags = block->head & PREVIOUS_FREE;

    if (have - size >= SMALLEST) {
        insert(heap, block_at(block, size), have - size);
    } else {
        size = have;
        block_at(block, size)->head &= ~(size_t)PREVIOUS_FREE;
    }
    block->head = size | flags;
    return size;
}

static void account(struct heap *heap, size_t gained, size_t lost)
{
    heap->usage.used += gained - lost;
    if (heap->usage.used > heap->usage.peak) heap->usage.peak = heap->usage.used;
}

/* 0 if no block can be that large. */
static size_t block_size_for(const struct heap *heap, size_t size)
{
    if (size > heap->usage.limit) return 0;
    size = (size + HEADER + 7) & ~(size_t)7;
    return size < SMALLEST ? SMALLEST : size;
}

struct heap *heap_create(void *memory, size_t size)
{
    struct heap *heap = memory;
    size_t start = (sizeof(struct heap) + 7) & ~(size_t)7, end = size & ~(size_t)7;

    if (end < start + SMALLEST + HEADER || end > UINT32_MAX) return NULL;
    memset(heap, 0, sizeof(*heap));
    heap->usage.limit = end - HEADER - start;
    block_at(memory, end - HEADER)->head = 0; /* a live block of no size ends the heap */
    insert(heap, block_at(memory, start), heap->usage.limit);
    return heap;
}

void *heap_allocate(struct heap *heap, size_t size)
{
    size_t needed = block_size_for(heap, size);
    struct block *block = needed ? find(heap, needed) : NULL;

    if (!block) {
        heap->usage.refused++;
        return NULL;
    }
    take_out(heap, block);
    account(heap, occupy(heap, block, block_size(block), needed), 0);
    heap->usage.blocks++;
    return block_at(block, HEADER);
}

void heap_free(struct heap *heap, void *memory)
{
    struct block *block, *after;
    size_t size;

    if (!memory) return;
    block = block_of(memory);
    size = block_size(block);
    if (block->head & FREE || size < SMALLEST || size > heap->usage.used) abort();
    account(heap, 0, size);
    heap->usage.blocks--;
    after = block_at(block, size);
    if (after->head & FREE) {
        take_out(heap, after);
        size += block_size(after);
    }
    if (block->head & PREVIOUS_FREE) {
        size_t before = *((size_t *)block - 1);
        block = (struct block *)((uint8_t *)block - before);
        take_out(heap, block);
        size += before;
    }
    insert(heap, block, size);
}

void *heap_resize(struct heap *heap, void *memory, size_t size)
{
    struct block *block = block_of(memory), *after;
    size_t old = block_size(block), needed = block_size_for(heap, size), have = old;
    void *moved;

    after = block_at(block, old);
    if (after->head & FREE) have += block_size(after);
    if (needed && needed <= have) {
        if (have != old) take_out(heap, after);
        account(heap, occupy(heap, block, have, needed), old);
        return memory;
    }
    moved = heap_allocate(heap, size);
    if (!moved) return NULL;
    memcpy(moved, memory, old - HEADER);
    heap_free(heap, memory);
    return moved;
}

size_t heap_usable(const void *memory)
{
    return block_size(block_of(memory)) - HEADER;
}

const struct heap_usage *heap_usage(const struct heap *heap)
{
    return &heap->usage;
}
