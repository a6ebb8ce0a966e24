/* Head of a compiled bundle (`main.qbc`); JS_WriteObject's bytecode follows. */
#pragma once

#define QBC_MAGIC "COHQBC1" /* with its NUL: 8 bytes */

struct qbc_header {
    char magic[8];
    char version[32]; /* of QuickJS, NUL-padded: bytecode fits exactly the version that wrote it */
};
