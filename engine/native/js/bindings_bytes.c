/* Host functions over bytes and text: bulk copy, Internet checksum, UTF-8, exceptions as text. */
#include <string.h>

#include "bindings.h"
#include "script.h"
#include "utf8.h"

HOST_FUNCTION(copy)
{
    size_t room = given[0].size, size = given[2].size;

    if (size > room) return JS_ThrowRangeError(context, "%s: the array copied into is too short", self->name);
    if ((uint64_t)given[1].number > room - size) {
        return throw_range(context, self, "argument 2", 0, (int64_t)(room - size));
    }
    memmove(given[0].bytes + given[1].number, given[2].bytes, size);
    return JS_UNDEFINED;
}

static uint32_t fold(uint64_t sum)
{
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)sum;
}

/* The sum may be taken in either byte order and swapped at the end (RFC 1071 §2 (B)). */
HOST_FUNCTION(checksum)
{
    const uint8_t *bytes = given[0].bytes;
    size_t size = given[0].size;
    uint64_t sum = 0;
    uint32_t words[4];

    for (; size >= sizeof(words); size -= sizeof(words), bytes += sizeof(words)) {
        memcpy(words, bytes, sizeof(words));
        sum += (uint64_t)words[0] + words[1] + words[2] + words[3];
    }
    for (; size >= 2; size -= 2, bytes += 2) sum += bytes[0] | (uint32_t)bytes[1] << 8;
    if (size) sum += bytes[0];
    sum = __builtin_bswap16((uint16_t)fold(sum));
    return JS_NewInt32(context, (int32_t)fold(sum + (uint64_t)given[1].number));
}

/* An ASCII string comes as its own bytes, without a copy. */
HOST_FUNCTION(utf8_encode)
{
    size_t size = given[0].size, room = given[1].size;
    uint8_t *into = given[1].bytes + given[2].number;

    if ((uint64_t)given[2].number > room) return throw_range(context, self, "argument 3", 0, (int64_t)room);
    if (size > room - (size_t)given[2].number) {
        return JS_ThrowRangeError(context, "%s: the text does not fit into the array", self->name);
    }
    memcpy(into, given[0].bytes, size);
    utf8_replace_surrogates(into, size);
    return JS_NewInt64(context, (int64_t)size);
}

HOST_FUNCTION(utf8_decode)
{
    size_t size = given->size;
    uint8_t *repaired;
    JSValue text;

    if (utf8_valid(given->bytes, size)) return JS_NewStringLen(context, (const char *)given->bytes, size);
    repaired = js_malloc(context, 3 * size);
    if (!repaired) return JS_EXCEPTION;
    size = utf8_repair(given->bytes, size, repaired);
    text = JS_NewStringLen(context, (const char *)repaired, size);
    js_free(context, repaired);
    return text;
}

HOST_FUNCTION(utf8_validate)
{
    return JS_NewBool(context, utf8_valid(given->bytes, given->size));
}

HOST_FUNCTION(plain_run)
{
    size_t at = 0;

    while (at < given->size && given->bytes[at] >= 0x20 && given->bytes[at] < 0x7f) at++;
    return JS_NewInt64(context, (int64_t)at);
}

HOST_FUNCTION(describe)
{
    JSValue text = JS_NewString(context, script_describe(context, given->value));

    if (!JS_IsException(text)) return text;
    /* No memory for the text either; this one exists since the runtime does. */
    JS_FreeValue(context, JS_GetException(context));
    return JS_AtomToString(context, JS_ATOM_NULL);
}

const struct host_function bindings_bytes[] = {
    {"copy", "unr", copy, 0},
    {"utf8Encode", "sun", utf8_encode, 0},
    {"utf8Decode", "r", utf8_decode, 0},
    {"utf8Validate", "r", utf8_validate, 0},
    {"plainRun", "r", plain_run, 0},
    {"describe", "v", describe, 0},
    {0},
};

const struct host_function bindings_checksum[] = {
    {"checksum", "rw", checksum, 0},
    {0},
};
