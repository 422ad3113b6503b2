/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * guard.h - survive a fault in a library that reads a mapped file
 *
 * A file in memory is a promise that others can break: cut short, it faults (SIGBUS); what stands
 * on a damaged page is taken for an address (SIGSEGV), or for a divisor (SIGFPE). ma_guard_run()
 * turns such a fault into an answer. It costs some instructions and no system call.
 *
 * Guard what only reads. Code that was stopped in the middle of a change leaves that half done, and
 * a wild write does not fault: what is to be changed has to be checked before.
 */
#ifndef MA_UTIL_GUARD_H
#define MA_UTIL_GUARD_H

#include "util/base.h"

/*
 * Installs the handlers of the three signals, once in a process; what was installed before is
 * called for faults of others. They stay: the library must not be unloaded afterwards.
 */
void ma_guard_start(void);

/* fn(@arg), or @fault if that faulted. What @fn holds by then, it holds for ever. */
int ma_guard_run(int (*fn)(void *arg), void *arg, int fault);

/* For a failed assertion of the guarded library: like a fault. Returns if nothing is guarded. */
void ma_guard_fail(void);

#endif
