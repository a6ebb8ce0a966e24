#include "lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *module;
static const uint8_t *names, *steps, *steps_end;
static uint32_t name_count;

enum { STEP_FAR = 0xff };

static uint32_t u32(const uint8_t *bytes)
{
    return bytes[0] | bytes[1] << 8 | bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

bool lines_open(const char *name, const uint8_t *bytes, size_t size)
{
    size_t at = 8;

    module = name;
    name_count = 0;
    if (size < 8 || memcmp(bytes, "LINE", 4) != 0) return false;
    for (uint32_t left = u32(bytes + 4); left; left--) {
        const uint8_t *end = at < size ? memchr(bytes + at, 0, size - at) : NULL;
        if (!end) return false;
        at = (size_t)(end - bytes) + 1;
    }
    at = (at + 3) & ~(size_t)3;
    if (at + 4 > size || size - at - 4 != u32(bytes + at)) return false;
    names = bytes + 8;
    name_count = u32(bytes + 4);
    steps = bytes + at + 4;
    steps_end = bytes + size;
    return true;
}

/* Name and line of a bundle line, counted from 1; NULL if it came from no file. */
static const char *lookup(unsigned long line, unsigned *source_line)
{
    const char *name = (const char *)names;
    uint32_t entry = name_count;

    for (const uint8_t *at = steps; line; line--, at += *at == STEP_FAR ? 5 : 1) {
        if (at >= steps_end || (*at == STEP_FAR && steps_end - at < 5)) return NULL;
        entry = *at == STEP_FAR ? u32(at + 1) : entry + ((uint32_t)*at << 16);
    }
    if ((entry & 0xffff) >= name_count) return NULL;
    *source_line = entry >> 16;
    for (uint32_t skip = entry & 0xffff; skip; skip--) name += strlen(name) + 1;
    return name;
}

size_t lines_translate(const char *text, char *into, size_t capacity)
{
    size_t used = 0;

    while (*text && used + 1 < capacity) {
        if (name_count && strncmp(text, module, strlen(module)) == 0) {
            char *end;
            unsigned source_line = 0;
            const char *name = lookup(strtoul(text + strlen(module), &end, 10), &source_line);
            if (name) {
                int length = snprintf(into + used, capacity - used, "%s:%u", name, source_line);
                used += (size_t)length < capacity - used ? (size_t)length : capacity - used - 1;
                text = end;
                if (*text == ':') text += 1 + strspn(text + 1, "0123456789");
                continue;
            }
        }
        into[used++] = *text++;
    }
    into[used] = 0;
    return used;
}
