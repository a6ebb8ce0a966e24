#include "rootfs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"

enum { HEADER = 110, FIELD_SIZE = 6, FIELD_NAME_SIZE = 11, NAME_MAX_BYTES = 100 };

struct entry {
    struct rootfs_file file;
    bool listed;
};

static struct entry entries[ROOTFS_FILES];
static unsigned entry_count;
static char problem[200];

/* Eight digits and nothing else: strtoul() alone would also take blanks, a sign or "0x". */
static bool hex(const uint8_t *digits, uint32_t *value)
{
    char text[9] = "";

    memcpy(text, digits, 8);
    *value = (uint32_t)strtoul(text, NULL, 16);
    return strspn(text, "0123456789abcdefABCDEF") == 8;
}

static const char *say(const char *what, const char *name)
{
    snprintf(problem, sizeof(problem), "rootfs.cpio: %s%s", what, name);
    return problem;
}

static const char *last_name(void)
{
    return entry_count ? entries[entry_count - 1].file.name : "nothing: it is the first";
}

static struct entry *lookup(const char *name, size_t length)
{
    for (unsigned i = 0; i < entry_count; i++) {
        if (strlen(entries[i].file.name) == length && memcmp(entries[i].file.name, name, length) == 0) return &entries[i];
    }
    return NULL;
}

static const char *read_directory(const uint8_t *archive, size_t size)
{
    size_t at = 0;

    for (;;) {
        uint32_t data_size, name_size;
        size_t data_at;
        const char *name;

        if (size - at < HEADER) return say("the archive is cut off after ", last_name());
        if (memcmp(archive + at, "070701", 6) != 0 || !hex(archive + at + 6 + 8 * FIELD_SIZE, &data_size) ||
            !hex(archive + at + 6 + 8 * FIELD_NAME_SIZE, &name_size)) {
            return say("no valid header after ", last_name());
        }
        name = (const char *)archive + at + HEADER;
        if (name_size < 2 || name_size > NAME_MAX_BYTES) return say("no valid name in the header after ", last_name());
        if (name_size > size - at - HEADER) return say("the archive is cut off after ", last_name());
        if (memchr(name, 0, name_size) != name + name_size - 1) return say("no valid name in the header after ", last_name());
        if (strcmp(name, "TRAILER!!!") == 0) return NULL;
        data_at = (at + HEADER + name_size + 3) & ~(size_t)3;
        if (data_at > size || data_size > size - data_at) return say("the archive is cut off within ", name);
        if (entry_count == ROOTFS_FILES) return say("more than 64 files, the first too many is ", name);
        if (lookup(name, name_size - 1)) return say("two files are named ", name);
        entries[entry_count++] = (struct entry){.file = {name, archive + data_at, data_size}};
        at = data_at + data_size;
        at = at > size - (-at & 3) ? size : (at + 3) & ~(size_t)3;
    }
}

/* Lines of `<8 hex digits> <name>`, one for every file but the list itself. */
static const char *read_checksums(void)
{
    const uint8_t *at = entries[0].file.data, *end = at + entries[0].file.size;

    while (at < end) {
        const uint8_t *newline = memchr(at, '\n', (size_t)(end - at));
        struct entry *entry;
        uint32_t crc;

        if (!newline || newline - at < 10 || at[8] != ' ' || !hex(at, &crc)) return say("malformed line in crc32", "");
        entry = lookup((const char *)at + 9, (size_t)(newline - at) - 9);
        if (!entry) return say("crc32 names a file that is missing", "");
        if (entry->listed || entry == entries) return say("crc32 has a line too many for ", entry->file.name);
        if (crc32(entry->file.data, entry->file.size) != crc) {
            return say(entry->file.name, " is damaged: its CRC-32 is not the one in crc32");
        }
        entry->listed = true;
        at = newline + 1;
    }
    for (unsigned i = 1; i < entry_count; i++) {
        if (!entries[i].listed) return say("crc32 has no line for ", entries[i].file.name);
    }
    return NULL;
}

const char *rootfs_open(const uint8_t *archive, size_t size)
{
    const char *wrong;

    entry_count = 0;
    wrong = read_directory(archive, size);
    if (wrong) return wrong;
    if (!entry_count || strcmp(entries[0].file.name, "crc32") != 0) return say("the first file is not crc32", "");
    return read_checksums();
}

const char *rootfs_name(unsigned index)
{
    return index < entry_count ? entries[index].file.name : NULL;
}

bool rootfs_find(const char *name, struct rootfs_file *file)
{
    struct entry *entry = lookup(name, strlen(name));

    if (entry) *file = entry->file;
    return entry;
}
