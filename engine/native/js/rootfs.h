/*
 * The boot file system: a `newc` CPIO archive (cpio(5)) whose first file, `crc32`, has the checksum of every
 * other. A file is checked when it is read first; whatever is wrong stops the machine with the file's name.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct rootfs_file {
    const char *name;
    const uint8_t *data;
    size_t size;
};

enum { ROOTFS_FILES = 64 };

/* Reads the archive's directory. Returns NULL, or a sentence that says what is wrong with it. */
const char *rootfs_open(const uint8_t *archive, size_t size);
/* NULL after the last file. */
const char *rootfs_name(unsigned index);
/* Returns 0 and the file; 1 if there is none of that name; -1 if its content is not what was built. */
int rootfs_find(const char *name, struct rootfs_file *file);
