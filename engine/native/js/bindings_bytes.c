/* Host functions over bytes: bulk copy, Internet checksum, UTF-8. */
#include <string.h>

#include "bindings.h"
#include "utf8.h"

HOST_FUNCTION(copy)
{
    size_t size, limit;
    uint8_t *into, *from;
    int64_t at;

    from = argument_range(context, "copy", values[2], values[3], values[4], &size);
    if (!from || !argument_array(context, "copy", values[0], bindings_uint8_class, &into, &limit)) return JS_EXCEPTION;
    if (size > limit) return JS_ThrowRangeError(context, "copy: the array copied into is too short");
    if (!argument_integer(context, "copy", "at", values[1], 0, (int64_t)(limit - size), &at)) return JS_EXCEPTION;
    memmove(into + at, from, size);
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
    uint64_t sum = 0;
    uint32_t words[4], folded;
    int64_t initial;
    size_t size;
    uint8_t *bytes = argument_range(context, "checksum", values[0], values[1], values[2], &size);

    if (!bytes || !argument_integer(context, "checksum", "initial", values[3], 0, UINT32_MAX, &initial)) {
        return JS_EXCEPTION;
    }
    for (; size >= sizeof(words); size -= sizeof(words), bytes += sizeof(words)) {
        memcpy(words, bytes, sizeof(words));
        sum += (uint64_t)words[0] + words[1] + words[2] + words[3];
    }
    for (; size >= 2; size -= 2, bytes += 2) sum += bytes[0] | (uint32_t)bytes[1] << 8;
    if (size) sum += bytes[0];
    folded = fold(sum);
    return JS_NewInt32(context, (int32_t)fold((uint64_t)initial + (folded >> 8 | (folded & 0xff) << 8)));
}

HOST_FUNCTION(utf8_encode)
{
    uint8_t *into;
    size_t limit, length;
    const char *text;
    int64_t at;
    JSValue result;

    if (!JS_IsString(values[0])) return JS_ThrowTypeError(context, "utf8Encode: expected a string");
    if (!argument_array(context, "utf8Encode", values[1], bindings_uint8_class, &into, &limit) ||
        !argument_integer(context, "utf8Encode", "at", values[2], 0, (int64_t)limit, &at)) {
        return JS_EXCEPTION;
    }
    text = JS_ToCStringLen(context, &length, values[0]); /* an ASCII string's own bytes, without a copy */
    if (!text) return JS_EXCEPTION;
    if (length > limit - (size_t)at) {
        result = JS_ThrowRangeError(context, "utf8Encode: the text does not fit into the array");
    } else {
        memcpy(into + at, text, length);
        utf8_replace_surrogates(into + at, length);
        result = JS_NewInt64(context, (int64_t)length);
    }
    JS_FreeCString(context, text);
    return result;
}

HOST_FUNCTION(utf8_decode)
{
    size_t size;
    uint8_t *bytes = argument_range(context, "utf8Decode", values[0], values[1], values[2], &size), *repaired;
    JSValue text;

    if (!bytes) return JS_EXCEPTION;
    if (utf8_valid(bytes, size)) return JS_NewStringLen(context, (const char *)bytes, size);
    repaired = js_malloc(context, 3 * size);
    if (!repaired) return JS_EXCEPTION;
    size = utf8_repair(bytes, size, repaired);
    text = JS_NewStringLen(context, (const char *)repaired, size);
    js_free(context, repaired);
    return text;
}

HOST_FUNCTION(utf8_validate)
{
    size_t size;
    uint8_t *bytes = argument_range(context, "utf8Validate", values[0], values[1], values[2], &size);

    if (!bytes) return JS_EXCEPTION;
    return JS_NewBool(context, utf8_valid(bytes, size));
}

const JSCFunctionListEntry bindings_bytes[] = {
    JS_CFUNC_DEF("copy", 5, copy),
    JS_CFUNC_DEF("checksum", 4, checksum),
    JS_CFUNC_DEF("utf8Encode", 3, utf8_encode),
    JS_CFUNC_DEF("utf8Decode", 3, utf8_decode),
    JS_CFUNC_DEF("utf8Validate", 3, utf8_validate),
};
const int bindings_bytes_count = sizeof(bindings_bytes) / sizeof(bindings_bytes[0]);
