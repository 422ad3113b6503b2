/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sweep.h - run a scenario once for each allocation that can fail in it
 *
 * A scenario is played as it is, to count what it allocates, and then again and again with the
 * first, the second, ... allocation failing: alone, and together with all that come after it. Each
 * time it says itself whether what came out is right; the sweep sees to it that no memory is left
 * behind, that OpenSSL's queue of errors, which belongs to the program, is as it was, and that
 * nothing crashed. scripts/test --full fails every allocation; of the thousands that OpenSSL makes
 * when it starts the short form takes a sample.
 */
#ifndef MA_TESTS_ALLOC_SWEEP_H
#define MA_TESTS_ALLOC_SWEEP_H

#include <stdbool.h>
#include <stddef.h>

struct sweep {
	const char *name;
	/*
	 * Plays it from the beginning to the end: what it opens it closes. What is to fail stands
	 * between sweep_enter() and sweep_leave(). @failing: an allocation was made to fail, so the
	 * calls may; else they have to succeed.
	 */
	void (*play)(bool failing);
};

/* Inside, allocations fail. @call: the name of a function, for sweep_was_called(). */
void sweep_enter(const char *call);
void sweep_leave(void);
/* A call failed and was judged: what the scenario does to look after it succeeds. */
void sweep_relent(void);

/* Fails the test where something is wrong. */
void sweep_run(const struct sweep *sweep);

/* Was the function called in any scenario of this process? */
bool sweep_was_called(const char *call);

/* Says how many scenarios, plays and failed allocations there were, as a TAP comment. */
void sweep_print_total(void);

#endif
