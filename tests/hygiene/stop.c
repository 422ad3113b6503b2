/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * stop.c - stops a program when it is done, so that a test can look at what is left in its memory
 *
 * For LD_PRELOAD. The program's own clearing up is over then: main() has returned or called exit().
 * It goes on with SIGCONT.
 */
#include <signal.h>

__attribute__((destructor)) static void stop(void)
{
	(void)raise(SIGSTOP);
}
