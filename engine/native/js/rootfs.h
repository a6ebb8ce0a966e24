/*
 * The boot file system: a `newc` CPIO archive (cpio(5)) whose first file, `crc32`, has the checksum of every
 * other. All of them are checked before anything runs, so what is found later is what was built.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rootfs_file {
    const char *name;
    const uint8_t *data;
    size_t size;
};

enum { ROOTFS_FILES = 64 };

/* Reads the archive and checks every file. Returns NULL, or a sentence that says what is wrong with which file. */
const char *rootfs_open(const uint8_t *archive, size_t size);
/* NULL after the last file. */
const char *rootfs_name(unsigned index);
/* Whether there is a file of that name. */
bool rootfs_find(const char *name, struct rootfs_file *file);
