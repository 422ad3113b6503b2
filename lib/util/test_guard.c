/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_guard.c - faults that are survived, and those that are not ours
 */
#include "util/guard.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"

#define PAGE  4096
#define FAULT (-77)

static int file = -1;
static const volatile uint8_t *page;

/* A page of a file, mapped. */
static void map_page(void)
{
	char name[] = "/tmp/mailauth-guard-XXXXXX";
	void *p;

	file = mkstemp(name);
	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(ftruncate(file, PAGE), 0);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0);
	ck_assert_ptr_ne(p, MAP_FAILED);
	page = p;
}

static int read_page(void *arg)
{
	const int *add = arg;

	return page[100] + *add;
}

static int write_page(void *arg)
{
	union {
		const volatile uint8_t *in;
		volatile uint8_t *out;
	} address = {.in = page};

	(void)arg;
	*address.out = 1;
	return 0;
}

START_TEST(answers_a_fault)
{
	int five = 5;

	ma_guard_start();
	map_page();
	ck_assert_int_eq(ma_guard_run(read_page, &five, FAULT), 5);
	ck_assert_int_eq(ma_guard_run(write_page, &five, FAULT), FAULT);
	ck_assert_int_eq(ftruncate(file, 0), 0);
	for (int i = 0; i < 1000; i++) /* no signal stays blocked, no stack is used up */
		ck_assert_int_eq(ma_guard_run(read_page, &five, FAULT), FAULT);
	ck_assert_int_eq(ftruncate(file, PAGE), 0);
	ck_assert_int_eq(ma_guard_run(read_page, &five, FAULT), 5);
}
END_TEST

static int guard_twice(void *arg)
{
	int inner = ma_guard_run(read_page, arg, FAULT);

	/* The outer guard holds again. */
	return inner == FAULT ? page[0] : inner;
}

START_TEST(can_be_nested)
{
	int zero = 0;

	ma_guard_start();
	map_page();
	ck_assert_int_eq(ma_guard_run(guard_twice, &zero, FAULT - 1), 0);
	ck_assert_int_eq(ftruncate(file, 0), 0);
	ck_assert_int_eq(ma_guard_run(guard_twice, &zero, FAULT - 1), FAULT - 1);
}
END_TEST

static int fail_assertion(void *arg)
{
	(void)arg;
	ma_guard_fail();
	return 0;
}

START_TEST(takes_a_failed_assertion_for_a_fault)
{
	ck_assert_int_eq(ma_guard_run(fail_assertion, NULL, FAULT), FAULT);
	ck_assert_int_eq(fail_assertion(NULL), 0); /* nothing is guarded */
}
END_TEST

static void *fault_often(void *arg)
{
	int zero = 0;
	int *n_wrong = arg;

	for (int i = 0; i < 1000; i++)
		*n_wrong += ma_guard_run(read_page, &zero, FAULT) != FAULT;
	return NULL;
}

START_TEST(each_thread_has_its_own)
{
	pthread_t threads[4];
	int n_wrong[4] = {0};

	ma_guard_start();
	map_page();
	ck_assert_int_eq(ftruncate(file, 0), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, fault_often, &n_wrong[i]), 0);
	for (int i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert_int_eq(n_wrong[i], 0);
	}
}
END_TEST

static void say_and_exit(int number)
{
	_exit(number == SIGBUS || number == SIGSEGV ? 42 : 43);
}

static int send_itself(void *arg)
{
	(void)arg;
	return raise(SIGSEGV);
}

/* What a host's process ends with that does @what, having had @handler before the guard came. */
static int end_of(void (*handler)(int), const char *what)
{
	pid_t child = fork();
	int zero = 0;
	int status;

	if (child == 0) {
		(void)signal(SIGBUS, handler);
		(void)signal(SIGSEGV, handler);
		ma_guard_start();
		map_page();
		/* a guard that was, and is no more */
		if (ftruncate(file, 0) != 0 || ma_guard_run(read_page, &zero, FAULT) != FAULT)
			_exit(1);
		if (strcmp(what, "fault") == 0)
			(void)read_page(&zero);
		else
			(void)ma_guard_run(send_itself, NULL, FAULT);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	return status;
}

/* By the kernel, as the instruction is repeated; valgrind has lost the address by then. */
static bool died_of_it(int status)
{
	bool is_valgrind = getenv("LD_PRELOAD") != NULL;

	return WIFSIGNALED(status) &&
	       (WTERMSIG(status) == SIGBUS || (is_valgrind && WTERMSIG(status) == SIGSEGV));
}

START_TEST(leaves_the_faults_of_others)
{
	int status = end_of(SIG_DFL, "fault");

	ck_assert(died_of_it(status));
	status = end_of(SIG_IGN, "fault"); /* which the kernel does not ignore */
	ck_assert(died_of_it(status));
	status = end_of(say_and_exit, "fault");
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}
END_TEST

START_TEST(leaves_signals_that_were_sent)
{
	int status = end_of(SIG_DFL, "send");

	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	status = end_of(SIG_IGN, "send");
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	status = end_of(say_and_exit, "send");
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guard");
	TCase *tcase = tcase_create("guard");

	/* First: with CK_FORK=no the others start the guard for all, and their handlers stay. */
	tcase_add_test(tcase, leaves_the_faults_of_others);
	tcase_add_test(tcase, leaves_signals_that_were_sent);
	tcase_add_test(tcase, answers_a_fault);
	tcase_add_test(tcase, can_be_nested);
	tcase_add_test(tcase, takes_a_failed_assertion_for_a_fault);
	tcase_add_test(tcase, each_thread_has_its_own);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
