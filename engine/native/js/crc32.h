/* CRC-32/ISO-HDLC, the checksum of ZIP, PNG and this system's boot files. */
#pragma once
#include <stddef.h>
#include <stdint.h>

uint32_t crc32(const uint8_t *bytes, size_t size);
