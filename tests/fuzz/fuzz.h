/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz.h - what fuzz targets share
 *
 * A target is a function that takes any bytes and checks promises that hold whatever they are; it
 * ends the process when one does not. With -Dfuzz=true libFuzzer calls it; else replay.c does, with
 * the files of seeds/<surface>/, in the normal test run.
 *
 * The same input has to do the same each time, or a finding could not be shown again. So the
 * linker puts a generator of ours in the place of ma_random() (--wrap): the library itself has no
 * switch that makes its nonces predictable.
 */
#ifndef MA_TESTS_FUZZ_H
#define MA_TESTS_FUZZ_H

#include "util/base.h"
#include "util/hash.h"
#include "util/span.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Did the last input get as far as one can: a login, a record that decodes? Seeds whose names begin
 * with "ok" have to, so that nobody breaks a target's way to the deep places unseen. */
extern bool fuzz_accepted;

_Noreturn void fuzz_fail(const char *file, int line, const char *what);

#define FUZZ_CHECK(x) ((x) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #x))

/* From here on ma_random() gives the same bytes again. */
void fuzz_random_reset(void);

/* Shared by all calls; never freed. */
struct ma_crypto *fuzz_crypto(void);

/* A block of exactly this size, so that the sanitizers see each byte read behind it; with free().
 */
uint8_t *fuzz_copy(struct ma_span bytes);

/* A file that goes away with the process, in memory where that can be. */
int fuzz_file(void);
/* Puts these bytes into it, and nothing else. */
void fuzz_file_write(int fd, struct ma_span bytes);

/* Is it one printable line? */
bool fuzz_is_line(const char *text);

#endif
