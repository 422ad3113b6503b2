/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capi_count.c - counts allocations and system calls
 *
 * Allocations: malloc() and its kin are defined here, in the program itself, so that the C library,
 * OpenSSL and LMDB call these, too. System calls: a child is traced, and a call that nothing here
 * makes otherwise marks where to begin and where to end.
 */
#include <errno.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capi.h"

#define MARK	 SYS_getppid

#define EXPORTED __attribute__((visibility("default")))

/* The C library's own, under the names that it has for such as us. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

EXPORTED void *malloc(size_t size);
EXPORTED void *calloc(size_t n, size_t size);
EXPORTED void *realloc(void *p, size_t size);
EXPORTED void *aligned_alloc(size_t alignment, size_t size);
EXPORTED int posix_memalign(void **p_out, size_t alignment, size_t size);

static _Thread_local uint64_t n_allocations;
static bool is_counting; /* in a traced child */

uint64_t count_allocations(void)
{
	return n_allocations;
}

void *malloc(size_t size)
{
	n_allocations++;
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	n_allocations++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	n_allocations++;
	return __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
	n_allocations++;
	return __libc_memalign(alignment, size);
}

int posix_memalign(void **p_out, size_t alignment, size_t size)
{
	n_allocations++;
	*p_out = __libc_memalign(alignment, size);
	return *p_out != NULL ? 0 : ENOMEM;
}

static void mark(void)
{
	if (is_counting)
		(void)syscall(MARK);
}

void count_begin(void)
{
	mark();
}

void count_end(void)
{
	mark();
}

void count_pause(bool is_paused)
{
	is_counting = !is_paused;
}

static void run_child(void (*run)(void *arg), void *arg)
{
	is_counting = true;
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0)
		_exit(1);
	run(arg);
	_exit(0);
}

/* Lets the child go on to its next system call; false: it has ended. */
static bool next_stop(pid_t child)
{
	int status;

	need(ptrace(PTRACE_SYSCALL, child, NULL, NULL) == 0, "tracing a child");
	need(waitpid(child, &status, 0) == child, "waiting for a child");
	if (WIFSTOPPED(status))
		return true;
	need(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a traced child");
	return false;
}

double count_system_calls(void (*run)(void *arg), void *arg)
{
	struct __ptrace_syscall_info info;
	bool is_inside = false;
	double n = 0;
	int status;
	pid_t child = fork();

	need(child >= 0, "making a child");
	if (child == 0)
		run_child(run, arg);
	need(waitpid(child, &status, 0) == child && WIFSTOPPED(status), "starting a child");
	need(ptrace(PTRACE_SETOPTIONS, child, NULL, (void *)PTRACE_O_TRACESYSGOOD) == 0,
	     "tracing a child");
	while (next_stop(child)) {
		if (ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info), &info) <= 0 ||
		    info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		if (info.entry.nr == MARK)
			is_inside = !is_inside;
		else if (is_inside)
			n++;
	}
	return n;
}
