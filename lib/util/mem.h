/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mem.h - memory: allocate, wipe, compare
 *
 * The only callers of malloc() and free() in the library. Freeing keeps errno, so that it can run
 * between a failed call and its report. Tests make allocations fail through ma_mem_set_fail().
 */
#ifndef MA_UTIL_MEM_H
#define MA_UTIL_MEM_H

#include "util/base.h"
#include "util/span.h"

/* Zeroed memory, or NULL. @size is at least 1. */
MA_MUST_CHECK void *ma_alloc(size_t size);
/* Moves @len bytes into a block of @size; the old block is wiped and freed on success. */
MA_MUST_CHECK void *ma_realloc_wipe(void *p, size_t len, size_t size);
/* A NUL-terminated copy; NULL on failure. */
MA_MUST_CHECK char *ma_text_copy(struct ma_span text);
void ma_free(void *p);

/* Overwrites in a way the compiler keeps. */
void ma_wipe(void *p, size_t len);
/* Compares in a time that depends on the lengths alone. */
MA_MUST_CHECK bool ma_equal_ct(struct ma_span a, struct ma_span b);

/* For MA_CLEANUP on a char *. */
void ma_cleanup_text(char **p);

/* For tests: called before each allocation, which fails if it returns true. NULL: never. */
void ma_mem_set_fail(bool (*fail)(void));

#endif
