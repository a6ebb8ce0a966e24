/* What the worker itself says to the root; everything else is services/workers/protocol.ts. */
#pragma once

enum {
    /* Call, word = bytes of a text in the frame: why this worker ended. It is not answered. */
    WORKER_FAILED = 0x203,
    WORKER_FAILED_MAX = 2048,
};
