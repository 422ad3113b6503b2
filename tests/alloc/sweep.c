/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sweep.c - run a scenario once for each allocation that can fail in it
 *
 * See sweep.h.
 */
#include "sweep.h"

#include <check.h>
#include <openssl/err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heap.h"
#include "support.h"

#define WARM_UPS  2 /* libraries make some things once in a process */
#define SAMPLE	  8 /* of OpenSSL's allocations, in the short form; all others fail there, too */
#define CALLS_MAX 128

static const char *calls[CALLS_MAX];
static size_t n_calls;
static struct {
	size_t sweeps;
	size_t plays;
	size_t failed;
} total;

void sweep_enter(const char *call)
{
	if (!sweep_was_called(call)) {
		ck_assert_uint_lt(n_calls, CALLS_MAX);
		calls[n_calls++] = call;
	}
	heap_enter();
}

void sweep_leave(void)
{
	heap_leave();
}

void sweep_relent(void)
{
	heap_relent();
}

bool sweep_was_called(const char *call)
{
	for (size_t i = 0; i < n_calls; i++)
		if (strcmp(calls[i], call) == 0)
			return true;
	return false;
}

static void check_errors(const struct sweep *sweep)
{
	unsigned long error = ERR_peek_error();

	if (error != 0)
		heap_print_failure();
	ck_assert_msg(error == 0, "%s leaves an error in OpenSSL's queue: %s", sweep->name,
		      ERR_error_string(error, NULL));
}

/* How many blocks are left. */
static size_t play_once(const struct sweep *sweep, size_t nth, bool and_all, bool trace)
{
	heap_begin(trace);
	heap_fail(sweep->name, nth, and_all);
	sweep->play(nth > 0);
	total.plays++;
	total.failed += nth > 0 && heap_count() >= nth ? 1 : 0;
	return heap_end();
}

static void play(const struct sweep *sweep, size_t nth, bool and_all)
{
	size_t n_left = play_once(sweep, nth, and_all, false);

	check_errors(sweep);
	if (n_left == 0)
		return;
	/* What is made once for all, and only now, is not there a second time. */
	n_left = play_once(sweep, nth, and_all, true);
	if (n_left == 0)
		return;
	heap_print_failure();
	ck_abort_msg("%s: %zu blocks are left where allocation %zu%s fails", sweep->name, n_left,
		     nth, and_all ? " and each after it" : "");
}

/* A prime, so that it does not go in step with what libraries do in turns. */
static size_t step_of(size_t n)
{
	static const size_t primes[] = {1, 3, 7, 13, 29, 61, 127, 251, 509, 1021};
	size_t i = 0;

	while (i + 1 < sizeof(primes) / sizeof(primes[0]) && primes[i] * SAMPLE < n)
		i++;
	return support_rounds(primes[i], 1);
}

/* Under valgrind, which has a heap of its own and looks for leaks itself, once will do. */
static void play_only(const struct sweep *sweep)
{
	ck_assert_msg(getenv("MAILAUTH_VALGRIND") != NULL,
		      "malloc() is somebody else's: no allocation can be made to fail");
	sweep->play(false);
	total.sweeps++;
	total.plays++;
}

void sweep_run(const struct sweep *sweep)
{
	size_t n;
	size_t step;

	if (!heap_is_ours()) {
		play_only(sweep);
		return;
	}
	for (int i = 0; i < WARM_UPS; i++) {
		heap_fail(sweep->name, 0, false);
		sweep->play(false);
		ERR_clear_error();
	}
	play(sweep, 0, false);
	n = heap_count();
	step = step_of(n);
	for (size_t nth = 1; nth <= n; nth++) {
		if (heap_is_crypto(nth) && nth % step != 0)
			continue;
		play(sweep, nth, false);
		play(sweep, nth, true);
	}
	play(sweep, 0, false);
	heap_fail(sweep->name, 0, false);
	total.sweeps++;
	printf("# %s: %zu allocations\n", sweep->name, n);
}

void sweep_print_total(void)
{
	printf("# %zu scenarios, %zu plays, %zu times an allocation failed\n", total.sweeps,
	       total.plays, total.failed);
}
