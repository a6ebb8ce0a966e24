/*
 * The JavaScript heap: a two-level segregated fit over one piece of memory. Allocating and freeing take
 * constant time, neighbours that are free are always joined, and the counters are exact.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct heap_usage {
    size_t used;  /* bytes in live blocks, headers included */
    size_t peak;  /* the most that `used` ever was */
    size_t limit; /* what `used` can reach */
    size_t blocks;
    size_t refused; /* requests that found no block */
};

struct heap;

/* Takes over the memory (8-byte aligned, under 4 GiB), whatever is in it. NULL if it is too small for a heap. */
struct heap *heap_create(void *memory, size_t size);
/* 8-byte aligned, not zeroed; NULL if there is none. */
void *heap_allocate(struct heap *heap, size_t size);
/* NULL is allowed. A block that is not live stops the machine. */
void heap_free(struct heap *heap, void *memory);
/* In place if the space is there. On NULL the old block is untouched. */
void *heap_resize(struct heap *heap, void *memory, size_t size);
/* Bytes that may be used at this block. */
size_t heap_usable(const void *memory);
const struct heap_usage *heap_usage(const struct heap *heap);
