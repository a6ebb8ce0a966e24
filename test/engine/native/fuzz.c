/*
 * Seeded random tests of the engine's data structures, built with sanitizers:
 * `native_fuzz heap|memory|utf8|rootfs|lines SEED ROUNDS [FILE]`. The first wrong result ends it with a message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.c" /* the whole file, so that its invariants can be walked */
#include "lines.h"
#include "platform.h"
#include "rootfs.h"
#include "utf8.h"

void *tested_memcpy(void *into, const void *from, size_t size);
void *tested_memmove(void *into, const void *from, size_t size);
void *tested_memset(void *into, int value, size_t size);
int tested_memcmp(const void *left, const void *right, size_t size);

#define require(condition) \
    do { \
        if (!(condition)) { \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

static uint64_t state;

/* xorshift64*, so that a seed gives the same run everywhere. */
static uint32_t random_below(uint32_t bound)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545F4914F6CDD1Dull) >> 32) % bound;
}

/* Every block once, neighbours joined, flags, tags, lists and counters in agreement. */
static void check_heap(struct heap *heap)
{
    size_t at = (sizeof(struct heap) + 7) & ~(size_t)7, end = at + heap->usage.limit, used = 0, blocks = 0, free_blocks = 0;
    bool previous_free = false;

    while (at < end) {
        struct block *block = block_at(heap, at);
        size_t size = block_size(block);
        require(size >= SMALLEST && size % 8 == 0 && size <= end - at);
        require(!!(block->head & PREVIOUS_FREE) == previous_free);
        if (block->head & FREE) {
            require(!previous_free);
            require(*((size_t *)block_at(block, size) - 1) == size);
            free_blocks++;
        } else {
            used += size;
            blocks++;
        }
        previous_free = block->head & FREE;
        at += size;
    }
    require(at == end && used == heap->usage.used && blocks == heap->usage.blocks && used <= heap->usage.peak);
    for (unsigned power = 0; power < POWERS; power++) {
        require(!!(heap->powers >> power & 1) == !!heap->classes[power]);
        for (unsigned class = 0; class < CLASSES; class++) {
            require(!!(heap->classes[power] >> class & 1) == !!heap->lists[power][class]);
            for (struct block *block = heap->lists[power][class]; block; block = block->next) {
                require(block->head & FREE);
                free_blocks--;
            }
        }
    }
    require(free_blocks == 0);
}

static uint32_t random_size(void)
{
    uint32_t scale = random_below(100);

    return 1 + random_below(scale < 70 ? 200 : scale < 97 ? 5000 : 100000);
}

static void fuzz_heap(unsigned rounds)
{
    enum { SLOTS = 512, BYTES = 1 << 20 };
    static struct {
        uint8_t *memory;
        size_t size;
        uint8_t fill;
    } slots[SLOTS];
    void *memory = malloc(BYTES);
    struct heap *heap = heap_create(memory, BYTES);
    size_t whole = heap->usage.limit;

    require(heap_create(memory, sizeof(struct heap)) == NULL);
    heap = heap_create(memory, BYTES);
    for (unsigned round = 0; round < rounds; round++) {
        unsigned i = random_below(SLOTS);
        size_t size = random_size(), kept;
        for (size_t k = 0; k < slots[i].size; k++) require(slots[i].memory[k] == slots[i].fill);
        if (!slots[i].memory || random_below(3) == 0) {
            size_t refused = heap->usage.refused;
            uint8_t *next;
            if (slots[i].memory) {
                next = heap_resize(heap, slots[i].memory, size);
                kept = size < slots[i].size ? size : slots[i].size;
            } else {
                next = heap_allocate(heap, size);
                kept = 0;
                slots[i].fill = (uint8_t)round;
            }
            if (next) {
                require((uintptr_t)next % 8 == 0 && heap_usable(next) >= size && heap_usable(next) < size + 2 * SMALLEST);
                for (size_t k = 0; k < kept; k++) require(next[k] == slots[i].fill);
                slots[i].memory = next;
                slots[i].size = size;
                memset(next, slots[i].fill, heap_usable(next));
            } else {
                require(heap->usage.refused == refused + 1);
            }
        } else {
            heap_free(heap, slots[i].memory);
            slots[i].memory = NULL;
            slots[i].size = 0;
        }
        if (round % 64 == 0) check_heap(heap);
    }
    require(heap->usage.refused > 0); /* else the run did not reach the limit */
    for (unsigned i = 0; i < SLOTS; i++) heap_free(heap, slots[i].memory);
    check_heap(heap);
    require(heap->usage.used == 0 && heap->usage.blocks == 0);
    require(block_size(block_at(heap, (sizeof(struct heap) + 7) & ~(size_t)7)) == whole);
    require(!heap_allocate(heap, SIZE_MAX) && !heap_allocate(heap, whole + 1));
    free(memory);
}

static void fuzz_memory(unsigned rounds)
{
    static uint8_t mine[600], theirs[600];

    for (unsigned round = 0; round < rounds; round++) {
        size_t size = random_below(200), to = random_below(400), from = random_below(400);
        int order, expected;
        for (size_t i = 0; i < sizeof(mine); i++) mine[i] = theirs[i] = (uint8_t)random_below(256);
        switch (random_below(3)) {
        case 0:
            if (to < from + size && from < to + size) continue;
            require(tested_memcpy(mine + to, mine + from, size) == mine + to);
            memmove(theirs + to, theirs + from, size);
            break;
        case 1:
            require(tested_memmove(mine + to, mine + from, size) == mine + to);
            memmove(theirs + to, theirs + from, size);
            break;
        default:
            require(tested_memset(mine + to, (int)round, size) == mine + to);
            memset(theirs + to, (int)round, size);
        }
        require(memcmp(mine, theirs, sizeof(mine)) == 0);
        memmove(mine + to, mine + from, size);
        if (size && random_below(2)) mine[to + random_below((uint32_t)size)] ^= 1;
        order = tested_memcmp(mine + to, mine + from, size);
        expected = memcmp(mine + to, mine + from, size);
        require((order > 0) == (expected > 0) && (order < 0) == (expected < 0));
    }
}

static void fuzz_utf8(unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        size_t size = random_below(40), repaired_size;
        uint8_t *bytes = malloc(size + 1), *repaired = malloc(3 * size + 1);
        bytes[size] = 0;
        for (size_t i = 0; i < size; i++) {
            static const uint8_t likely[] = {0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf};
            bytes[i] = random_below(2) ? likely[random_below(sizeof(likely))] : (uint8_t)random_below(256);
        }
        bytes = realloc(bytes, size ? size : 1);
        repaired_size = utf8_repair(bytes, size, repaired);
        require(repaired_size <= 3 * size && utf8_valid(repaired, repaired_size));
        require(utf8_valid(bytes, size) == (repaired_size == size && memcmp(bytes, repaired, size) == 0));
        utf8_replace_surrogates(bytes, size);
        free(bytes);
        free(repaired);
    }
}

static uint8_t *read_file(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    uint8_t *bytes;

    require(file && fseek(file, 0, SEEK_END) == 0);
    *size = (size_t)ftell(file);
    rewind(file);
    bytes = malloc(*size);
    require(fread(bytes, 1, *size, file) == *size);
    fclose(file);
    return bytes;
}

/* A copy of its own size, cut or with some bytes changed, so that the sanitizer sees any read beyond it. */
static uint8_t *mutated(const uint8_t *bytes, size_t *size)
{
    uint8_t *copy;

    if (random_below(2)) *size = random_below((uint32_t)*size + 1);
    copy = malloc(*size ? *size : 1);
    memcpy(copy, bytes, *size);
    for (uint32_t changes = random_below(6); changes && *size; changes--) {
        copy[random_below((uint32_t)*size)] = random_below(2) ? "0f0F\0\xff"[random_below(6)] : (uint8_t)random_below(256);
    }
    return copy;
}

static void fuzz_rootfs(unsigned rounds, const uint8_t *archive, size_t whole)
{
    unsigned refused = 0, damaged = 0;
    struct rootfs_file file;

    require(rootfs_open(archive, whole) == NULL && rootfs_name(1));
    for (unsigned i = 0; rootfs_name(i); i++) require(rootfs_find(rootfs_name(i), &file));
    for (unsigned round = 0; round < rounds; round++) {
        size_t size = whole;
        uint8_t *copy = mutated(archive, &size);
        const char *problem = rootfs_open(copy, size);
        if (problem) {
            require(strncmp(problem, "rootfs.cpio: ", 13) == 0);
            refused++;
            if (strstr(problem, " is damaged: ")) damaged++;
        } else {
            for (unsigned i = 0; rootfs_name(i); i++) require(rootfs_find(rootfs_name(i), &file));
        }
        free(copy);
    }
    require(refused > 0 && damaged > 0);
}

static void fuzz_lines(unsigned rounds, const uint8_t *table, size_t whole)
{
    char text[100], into[60];

    require(lines_open("main.js:", table, whole));
    for (unsigned round = 0; round < rounds; round++) {
        size_t size = whole;
        uint8_t *copy = mutated(table, &size);
        if (lines_open("main.js:", copy, size)) {
            snprintf(text, sizeof(text), "at f (main.js:%u:7)\n at main.js:%u main.js:", random_below(8), random_below(1u << 31));
            size_t length = lines_translate(text, into, 1 + random_below(sizeof(into)));
            require(length == strlen(into));
        }
        free(copy);
    }
}

/* The engine's library wants them for what these tests do not reach. */
_Noreturn void platform_halt(const char *reason)
{
    printf("halt: %s\n", reason);
    exit(1);
}

int main(int count, char **arguments)
{
    unsigned rounds;
    size_t size = 0;
    uint8_t *file;

    if (count < 4) return 2;
    state = strtoull(arguments[2], NULL, 0) | 1ull << 63;
    rounds = (unsigned)strtoul(arguments[3], NULL, 0);
    file = count > 4 ? read_file(arguments[4], &size) : NULL;
    if (strcmp(arguments[1], "heap") == 0) fuzz_heap(rounds);
    else if (strcmp(arguments[1], "memory") == 0) fuzz_memory(rounds);
    else if (strcmp(arguments[1], "utf8") == 0) fuzz_utf8(rounds);
    else if (strcmp(arguments[1], "rootfs") == 0 && file) fuzz_rootfs(rounds, file, size);
    else if (strcmp(arguments[1], "lines") == 0 && file) fuzz_lines(rounds, file, size);
    else return 2;
    free(file);
    printf("ok\n");
    return 0;
}
