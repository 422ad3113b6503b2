/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.c - survive a fault in a library that reads a mapped file
 *
 * The handler runs in the thread that faulted. If that thread is inside ma_guard_run() it jumps
 * back there; the fault of anybody else goes to whom it went before. Signals that were sent, not
 * raised by the processor, are never ours.
 */
#include "util/guard.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>

static const int signals[] = {SIGBUS, SIGSEGV, SIGFPE};

/*
 * Where the thread goes on after a fault; NULL: it is not in here. Initial-exec, because the
 * handler must not be the one who allocates the thread's storage.
 */
static _Thread_local sigjmp_buf *armed __attribute__((tls_model("initial-exec")));

static struct sigaction before[MA_ARRAY_SIZE(signals)];
static pthread_once_t is_started = PTHREAD_ONCE_INIT;

/* Whoever was there first decides; by default that is the kernel, once more and with its handler.
 */
static void pass_on(int number, siginfo_t *info, void *context)
{
	bool is_raised = info->si_code > 0; /* not sent: comes again, and cannot be ignored */
	size_t i = MA_ARRAY_SIZE(signals) - 1;

	while (i > 0 && signals[i] != number)
		i--;
	if ((before[i].sa_flags & SA_SIGINFO) != 0) {
		before[i].sa_sigaction(number, info, context);
	} else if (before[i].sa_handler == SIG_DFL ||
		   (before[i].sa_handler == SIG_IGN && is_raised)) {
		(void)signal(number, SIG_DFL);
		if (!is_raised)
			(void)raise(number);
	} else if (before[i].sa_handler != SIG_IGN) {
		before[i].sa_handler(number);
	}
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	if (armed != NULL && info->si_code > 0)
		siglongjmp(*armed, 1);
	pass_on(number, info, context);
}

static void install(void)
{
	/* Not blocked while it runs, for it does not return. A thread's own signal stack is used.
	 */
	struct sigaction action = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK,
	};

	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < MA_ARRAY_SIZE(signals); i++) {
		(void)sigaction(signals[i], NULL, &before[i]);
		(void)sigaction(signals[i], &action, NULL);
	}
}

void ma_guard_start(void)
{
	(void)pthread_once(&is_started, install);
}

int ma_guard_run(int (*fn)(void *arg), void *arg, int fault)
{
	sigjmp_buf here;
	sigjmp_buf *const outer = armed;
	volatile int answer = fault; /* a jump keeps no other */

	if (sigsetjmp(here, 0) != 0) {
		armed = outer;
		return answer;
	}
	armed = &here;
	atomic_signal_fence(memory_order_seq_cst);
	answer = fn(arg);
	atomic_signal_fence(memory_order_seq_cst);
	armed = outer;
	return answer;
}

void ma_guard_fail(void)
{
	if (armed != NULL)
		siglongjmp(*armed, 1);
}
