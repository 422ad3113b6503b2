/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * heap.h - every allocation of a process, counted and made to fail
 *
 * heap.c defines malloc() and its kin. Linked into a test program it serves the program and all
 * libraries, so that OpenSSL, LMDB, libsasl2 and libpam run out of memory like the library itself.
 * Allocations fail in one thread only, and only between heap_enter() and heap_leave(): what the
 * test itself or its client allocates in between always succeeds.
 */
#ifndef MA_TESTS_ALLOC_HEAP_H
#define MA_TESTS_ALLOC_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* Nothing can fail where somebody else has taken over malloc(), as valgrind does. */
bool heap_is_ours(void);

/* From here on this thread's blocks are noted. With @trace each with where it comes from: slow. */
void heap_begin(bool trace);
/*
 * How many noted blocks are left. With trace they are printed, and those do not count that a
 * library is known to lose where it runs out of memory; heap.c says which.
 */
size_t heap_end(void);

/*
 * For a host that does not survive its own lack of memory: only what is allocated by or for these
 * files, parts of paths up to a NULL, counts and fails from now on.
 */
void heap_restrict(const char *const *files);

/*
 * The @nth allocation inside heap_enter() and heap_leave() will fail, with @and_all each one after
 * it, too. 0: none. @what is printed together with where it failed should the process crash.
 */
void heap_fail(const char *what, size_t nth, bool and_all);
void heap_enter(void);
void heap_leave(void);
/* For what libraries call in the test, which must not fail: pause, and resume with the answer. */
bool heap_pause(void);
void heap_resume(bool was_inside);
/* Enough of it: until the next heap_fail() none fails. */
void heap_relent(void);
/* How many allocations there were inside since heap_fail(). */
size_t heap_count(void);
/* When it was counted, was this one made by OpenSSL, which makes thousands when it starts? */
bool heap_is_crypto(size_t nth);
/* Where the first one failed, for a message: prints it to stderr. */
void heap_print_failure(void);

#endif
