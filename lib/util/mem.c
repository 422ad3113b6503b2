/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mem.c - memory: allocate, wipe, compare
 *
 * See mem.h. Wiping is the C library's and constant-time comparison OpenSSL's, because a compiler
 * must not see through them, and their people watch that. OpenSSL wipes, too, but eight bytes at a
 * time.
 */
#include "util/mem.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* Written by tests only, before they start threads. */
static bool (*fail_next)(void);

void ma_mem_set_fail(bool (*fail)(void))
{
	fail_next = fail;
}

void *ma_alloc(size_t size)
{
	ma_assert(size > 0);
	if (fail_next != NULL && fail_next())
		return NULL;
	return calloc(1, size);
}

void *ma_realloc_wipe(void *p, size_t len, size_t size)
{
	void *bigger = ma_alloc(size);

	ma_assert(len <= size);
	if (bigger == NULL)
		return NULL;
	if (len > 0) {
		memcpy(bigger, p, len);
		ma_wipe(p, len);
	}
	ma_free(p);
	return bigger;
}

char *ma_text_copy(struct ma_span text)
{
	char *copy;

	if (text.len == SIZE_MAX)
		return NULL;
	copy = ma_alloc(text.len + 1);
	if (copy != NULL && text.len > 0)
		memcpy(copy, text.p, text.len);
	return copy;
}

void ma_free(void *p)
{
	int keep = errno;

	free(p);
	errno = keep;
}

void ma_wipe(void *p, size_t len)
{
	if (len > 0)
		explicit_bzero(p, len);
}

bool ma_equal_ct(struct ma_span a, struct ma_span b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.p, b.p, a.len) == 0);
}

void ma_cleanup_text(char **p)
{
	ma_free(*p);
	*p = NULL;
}
