/*
 * The table `main.lines` or `worker.lines`: for each line of the bundle the TypeScript file and line it came from, so that a
 * stack can be read. Its layout is described in scripts/lib/line-table.ts, which writes it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether it is a whole table; the bytes must stay. `module` is the bundle's name in stacks with a colon: `main.js:`. */
bool lines_open(const char *module, const uint8_t *bytes, size_t size);
/*
 * Copies text, each `MODULE:LINE:COLUMN` in it replaced by `file.ts:LINE` as far as the table knows it.
 * The result ends with NUL and is cut at the capacity. Returns its length.
 */
size_t lines_translate(const char *text, char *into, size_t capacity);
