/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.c - what fuzz targets share
 *
 * See fuzz.h.
 */
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

bool fuzz_accepted;

static uint64_t random_state;

void fuzz_fail(const char *file, int line, const char *what)
{
	(void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

void fuzz_random_reset(void)
{
	random_state = 0;
}

/* The linker's name for what is called in the place of ma_random(). */
enum mailauth_status __wrap_ma_random(struct ma_crypto *crypto, void *p, size_t len);

enum mailauth_status __wrap_ma_random(struct ma_crypto *crypto, void *p, size_t len)
{
	uint8_t *out = p;

	(void)crypto;
	for (size_t i = 0; i < len; i++) {
		/* Knuth's MMIX generator: any that is not short will do */
		random_state = random_state * 6364136223846793005u + 1442695040888963407u;
		out[i] = (uint8_t)(random_state >> 56);
	}
	return MAILAUTH_OK;
}

struct ma_crypto *fuzz_crypto(void)
{
	static struct ma_crypto *crypto;
	const char *missing;

	if (crypto == NULL)
		FUZZ_CHECK(ma_crypto_new(&crypto, &missing) == MAILAUTH_OK);
	return crypto;
}

uint8_t *fuzz_copy(struct ma_span bytes)
{
	uint8_t *copy = malloc(bytes.len);

	FUZZ_CHECK(copy != NULL || bytes.len == 0);
	if (bytes.len > 0)
		memcpy(copy, bytes.p, bytes.len);
	return copy;
}

int fuzz_file(void)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	FUZZ_CHECK(fd >= 0);
	return fd;
}

void fuzz_file_write(int fd, struct ma_span bytes)
{
	FUZZ_CHECK(pwrite(fd, bytes.p, bytes.len, 0) == (ssize_t)bytes.len);
	FUZZ_CHECK(ftruncate(fd, (off_t)bytes.len) == 0);
}

bool fuzz_is_line(const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return text[0] != '\0';
}
