/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_calls.h - what the unit tests of mailuser share: calls that fail, a clock, messages
 *
 * The linker leads some calls of mailuser, not of the libraries, through test_calls.c; the list of
 * them is in tests/meson.build. Unlike a heap of one's own that works under sanitizers and
 * valgrind, too. As long as a test asks for nothing else, each call is the real one.
 */
#ifndef MAILUSER_TEST_CALLS_H
#define MAILUSER_TEST_CALLS_H

#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

#define TEST_ROWS(table) ((int)(sizeof(table) / sizeof((table)[0])))

/** Allocations: malloc(), strdup(), asprintf(), reallocarray(), tsearch(). */
#define TEST_MEMORY	 "memory"

/**
 * test_fail() - let a call fail
 * @call:  TEST_MEMORY, "read", "fstat", "fsync" or "rename"
 * @nth:   which one from now on, 0 is the next; those before and after it succeed
 *         (Check's own calls count too: ask for it last before the call that is to see it)
 * @error: its errno; 0: read() finds the end of the file
 */
void test_fail(const char *call, size_t nth, int error);

/** How many calls have failed since test_reset(). */
size_t test_failed(void);

/** Each read() returns so many bytes at most; 0: as many as there are. */
void test_read_max(size_t max);

/** What time() says from now on. */
void test_clock(time_t now);

/** Who owns the files that fstat() looks at, and who geteuid() is. */
void test_users(uid_t owner, uid_t self);

/** access() and fopen() look for paths that begin with "/etc/" in this folder. */
void test_etc(const char *folder);

/**
 * test_said() - what ma_say() was told since the last call, each message ended by a line break
 * Return: valid until the next message after it
 */
const char *test_said(void);

/** test_reset() - real calls and no messages; a fixture of each test, as tests may share a process
 */
void test_reset(void);

#endif
