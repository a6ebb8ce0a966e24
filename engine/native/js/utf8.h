/* UTF-8 as RFC 3629 defines it: shortest forms, no surrogates, at most U+10FFFF. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool utf8_valid(const uint8_t *bytes, size_t size);
/*
 * Replaces each maximal invalid subsequence by U+FFFD (WHATWG Encoding §4, UTF-8 decoder). `into` holds
 * 3 * size bytes. Returns the bytes written.
 */
size_t utf8_repair(const uint8_t *bytes, size_t size, uint8_t *into);
/* Replaces in place surrogates in their three-byte form by U+FFFD, which is as long. */
void utf8_replace_surrogates(uint8_t *bytes, size_t size);
