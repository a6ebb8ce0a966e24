/* QuickJS asks for malloc_usable_size() here; its heap is heap.c, so the C library's is never linked. */
#pragma once
#include <stddef.h>

size_t malloc_usable_size(void *block);
