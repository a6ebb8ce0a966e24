#include "utf8.h"

#include <stdlib.h>
#include <string.h>

/*
 * Length of the sequence at the start: positive if it is well formed, else minus the length of the
 * maximal subpart that a decoder replaces (Unicode §3.9, table 3-7).
 */
static int sequence(const uint8_t *bytes, size_t size)
{
    uint8_t lead = bytes[0], low = 0x80, high = 0xbf;
    int length;

    if (lead < 0x80) return 1;
    if (lead < 0xc2 || lead > 0xf4) return -1;
    length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    /* The second byte's range excludes overlong forms, surrogates and what lies above U+10FFFF. */
    if (lead == 0xe0) low = 0xa0;
    if (lead == 0xed) high = 0x9f;
    if (lead == 0xf0) low = 0x90;
    if (lead == 0xf4) high = 0x8f;
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= size || bytes[i] < low || bytes[i] > high) return -i;
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

/* Bytes up to the first that is not ASCII, eight a step. */
static size_t ascii_run(const uint8_t *bytes, size_t size)
{
    size_t at = 0;

    for (; size - at >= 8; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, sizeof(word));
        if (word & 0x8080808080808080ull) break;
    }
    while (at < size && bytes[at] < 0x80) at++;
    return at;
}

bool utf8_valid(const uint8_t *bytes, size_t size)
{
    size_t at = 0;

    while ((at += ascii_run(bytes + at, size - at)) < size) {
        int length = sequence(bytes + at, size - at);
        if (length < 0) return false;
        at += (size_t)length;
    }
    return true;
}

size_t utf8_repair(const uint8_t *bytes, size_t size, uint8_t *into)
{
    size_t at = 0, out = 0;

    while (at < size) {
        int length = sequence(bytes + at, size - at);
        size_t written = length > 0 ? (size_t)length : 3;
        memcpy(into + out, length > 0 ? (const void *)(bytes + at) : "\xef\xbf\xbd", written);
        out += written;
        at += (size_t)abs(length);
    }
    return out;
}

void utf8_replace_surrogates(uint8_t *bytes, size_t size)
{
    for (size_t at = ascii_run(bytes, size); at + 2 < size; at++) {
        if (bytes[at] == 0xed && bytes[at + 1] >= 0xa0) memcpy(bytes + at, "\xef\xbf\xbd", 3);
    }
}
