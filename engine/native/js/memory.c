/*
 * memcpy, memmove, memset and memcmp for normal memory, 32 bytes a step: the C library's go byte by byte.
 * General registers only. Not for device registers, where an unaligned access faults.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* An access of this type may be unaligned and may alias anything. */
typedef uint64_t __attribute__((may_alias, aligned(1))) word;

struct line {
    word a, b, c, d;
};

/* Not `restrict`: memmove relies on each step's loads being before its stores, which the compiler might then exchange. */
void *memcpy(void *into, const void *from, size_t size)
{
    uint8_t *to = into;
    const uint8_t *source = from;

    for (; size >= sizeof(struct line); size -= sizeof(struct line)) {
        const struct line *line = (const struct line *)source;
        uint64_t a = line->a, b = line->b, c = line->c, d = line->d;
        struct line *out = (struct line *)to;
        out->a = a;
        out->b = b;
        out->c = c;
        out->d = d;
        to += sizeof(struct line);
        source += sizeof(struct line);
    }
    for (; size >= sizeof(word); size -= sizeof(word)) {
        *(word *)to = *(const word *)source;
        to += sizeof(word);
        source += sizeof(word);
    }
    while (size--) *to++ = *source++;
    return into;
}

void *memmove(void *into, const void *from, size_t size)
{
    uint8_t *to = into;
    const uint8_t *source = from;

    /* Every step of memcpy loads before it stores and goes upward, so only a higher target needs the other way. */
    if ((uintptr_t)to - (uintptr_t)source >= size) return memcpy(into, from, size);
    to += size;
    source += size;
    for (; size >= 2 * sizeof(word); size -= 2 * sizeof(word)) {
        to -= 2 * sizeof(word);
        source -= 2 * sizeof(word);
        uint64_t low = ((const word *)source)[0], high = ((const word *)source)[1];
        ((word *)to)[1] = high;
        ((word *)to)[0] = low;
    }
    while (size--) *--to = *--source;
    return into;
}

void *memset(void *into, int value, size_t size)
{
    uint8_t *to = into;
    uint64_t pattern = (uint8_t)value * 0x0101010101010101ull;

    for (; size >= sizeof(struct line); size -= sizeof(struct line)) {
        *(struct line *)to = (struct line){pattern, pattern, pattern, pattern};
        to += sizeof(struct line);
    }
    for (; size >= sizeof(word); size -= sizeof(word)) {
        *(word *)to = pattern;
        to += sizeof(word);
    }
    while (size--) *to++ = (uint8_t)value;
    return into;
}

int memcmp(const void *left, const void *right, size_t size)
{
    const uint8_t *a = left, *b = right;

    for (; size >= sizeof(word) && *(const word *)a == *(const word *)b; size -= sizeof(word)) {
        a += sizeof(word);
        b += sizeof(word);
    }
    for (; size--; a++, b++) {
        if (*a != *b) return *a - *b;
    }
    return 0;
}
