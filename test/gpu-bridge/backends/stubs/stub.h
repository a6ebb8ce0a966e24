/*
 * What both stub libraries have in common: failures that the environment asks for. COHESIX_STUB_FAIL=cuMemAlloc_v2=2 makes every
 * call of it return 2, cuMemAlloc_v2=2@3 its third one since stub_count_anew.
 */
#ifndef STUB_H
#define STUB_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

static int stub_calls;

static long stub_setting(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : otherwise;
}

EXPORT int stub_count_anew(void)
{
    stub_calls = 0;
    return 0;
}

static int stub_gpus(void)
{
    return (int)stub_setting("COHESIX_STUB_GPUS", 2);
}

/* 0, or the code that this call shall return without doing anything. */
static int stub_failure(const char *call)
{
    const char *rule = getenv("COHESIX_STUB_FAIL");
    size_t length = strlen(call);
    if (!rule || strncmp(rule, call, length) || rule[length] != '=') return 0;
    stub_calls++;
    char *end;
    long code = strtol(rule + length + 1, &end, 10);
    if (*end == '@' && strtol(end + 1, NULL, 10) != stub_calls) return 0;
    return (int)code;
}

#define FAIL_IF_ASKED()                              \
    do {                                             \
        int code_ = stub_failure(__func__);          \
        if (code_) return code_;                     \
    } while (0)

#define CHECK(condition, code)            \
    do {                                  \
        if (!(condition)) return (code);  \
    } while (0)

#endif
