/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_store_lmdb.c - what LMDB asks of a program, kept: sharing, fork, growth, full, busy
 *
 * Each test runs in a process of its own (Check forks), so the process-wide table starts empty;
 * without fork (CK_FORK=no, under valgrind) each uses a file of its own.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "support.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
/*
 * The sanitizers' allocators of clang 14, unlike malloc(), do not prepare for fork(): when another
 * thread is in there the child waits for ever. Where they are in use one test is left out.
 */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MALLOC_SURVIVES_FORK	     0
#define ADDRESS_SPACE_CAN_BE_LIMITED 0 /* their shadow memory alone is terabytes */
#else
#define ADDRESS_SPACE_CAN_BE_LIMITED (getenv("LD_PRELOAD") == NULL) /* valgrind's is not ours */
#define MALLOC_SURVIVES_FORK	     1
#endif

extern const struct ma_store_ops ma_store_lmdb;

static const uint8_t large[1000];

static struct support_log log_text = {.level = MAILAUTH_LOG_ERROR};
static const struct ma_log to_log = {support_log, &log_text, MAILAUTH_LOG_ERROR};

static struct ma_store_params params_of(const char *path)
{
	return (struct ma_store_params){
		.address = ma_span_text(path),
		.write = true,
		.timeout_s = 1,
		.map_size = 1 << 20,
		.log = &to_log,
	};
}

static struct ma_store *open_one(const struct ma_store_params *params)
{
	struct ma_store *store;

	ck_assert_int_eq(ma_store_lmdb.open(params, &store), MAILAUTH_OK);
	return store;
}

static struct ma_store_params create(const char *name)
{
	struct ma_store_params params = params_of(support_path(name));
	struct ma_store *store;

	support_log_clear(&log_text);
	ck_assert_int_eq(ma_store_lmdb.create(&params, (gid_t)-1), MAILAUTH_OK);
	store = open_one(&params);
	store->ops->close(&store);
	return params;
}

static enum mailauth_status put(struct ma_store *store, const char *key, const char *record)
{
	struct ma_store_change change = {.key = ma_span_text(key), .record = ma_span_text(record)};
	bool conflict;
	enum mailauth_status status = store->ops->apply(store, &change, 1, &conflict);

	return status == MAILAUTH_OK && conflict ? MAILAUTH_E_EXISTS : status;
}

static enum mailauth_status get(struct ma_store *store, const char *key)
{
	uint8_t bytes[MA_STORE_RECORD_MAX];
	struct ma_buf record = ma_buf_fixed(bytes, sizeof(bytes));

	return store->ops->get(store, ma_span_text(key), &record);
}

static void expect_child_ok(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "child ended with %x",
		      (unsigned int)status);
}

START_TEST(makes_files_with_the_right_modes)
{
	struct ma_store_params params = create("modes.mdb");
	struct stat st;
	char lock[300];

	ck_assert_int_eq(stat((const char *)params.address.p, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	(void)snprintf(lock, sizeof(lock), "%s-lock", (const char *)params.address.p);
	ck_assert_int_eq(stat(lock, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	/* and again, when only the lock file is lost */
	ck_assert_int_eq(unlink(lock), 0);
	params.write = false;
	struct ma_store *store = open_one(&params);

	ck_assert_int_eq(stat(lock, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	store->ops->close(&store);
}
END_TEST

START_TEST(says_what_to_do_about_a_missing_file)
{
	struct ma_store_params params = params_of(support_path("missing.mdb"));
	struct ma_store *store;

	support_log_clear(&log_text);
	ck_assert_int_eq(ma_store_lmdb.open(&params, &store), MAILAUTH_E_TEMPFAIL);
	ck_assert_ptr_null(store);
	ck_assert_ptr_nonnull(strstr(log_text.text, "missing.mdb"));
	ck_assert_ptr_nonnull(strstr(log_text.text, "mailuser init"));
	ck_assert_int_eq(access((const char *)params.address.p, F_OK), -1);
}
END_TEST

START_TEST(refuses_what_is_no_store)
{
	static const char junk[8192] = "this is a text file, and no store at all";
	struct ma_store_params params = params_of(support_file("junk.mdb", junk, sizeof(junk)));
	struct ma_store *store;
	char lock[300];

	support_log_clear(&log_text);
	ck_assert_int_eq(ma_store_lmdb.open(&params, &store), MAILAUTH_E_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(log_text.text, "damaged"));
	params.address = ma_span_text("relative.mdb");
	ck_assert_int_eq(ma_store_lmdb.open(&params, &store), MAILAUTH_E_CONFIG);
	params.address = ma_span_text(support_folder());
	ck_assert_int_eq(ma_store_lmdb.open(&params, &store), MAILAUTH_E_TEMPFAIL);
	ck_assert_int_eq(ma_store_lmdb.create(&params, (gid_t)-1), MAILAUTH_E_TEMPFAIL);
	(void)snprintf(lock, sizeof(lock), "%s-lock", support_folder());
	ck_assert_int_eq(access(lock, F_OK), -1);
}
END_TEST

START_TEST(shares_a_file_within_the_process)
{
	struct ma_store_params params = create("shared.mdb");
	struct ma_store_params reading = params;
	struct ma_store *reader;
	struct ma_store *writer;

	reading.write = false;
	reader = open_one(&reading);
	ck_assert_int_eq(get(reader, "k"), MAILAUTH_E_NOTFOUND);
	ck_assert_int_eq(put(reader, "k", "1"), MAILAUTH_E_USAGE);
	writer = open_one(&params); /* the reader's environment becomes a writer's */
	ck_assert_int_eq(put(writer, "k", "1"), MAILAUTH_OK);
	ck_assert_int_eq(get(reader, "k"), MAILAUTH_OK);
	writer->ops->close(&writer);
	ck_assert_int_eq(get(reader, "k"), MAILAUTH_OK);
	reader->ops->close(&reader);
}
END_TEST

START_TEST(finds_one_file_under_two_names)
{
	struct ma_store_params params = create("name.mdb");
	char second[300];
	struct ma_store *a = open_one(&params);
	struct ma_store *b;

	(void)snprintf(second, sizeof(second), "%s", support_path("alias.mdb"));
	ck_assert_int_eq(symlink((const char *)params.address.p, second), 0);
	params.address = ma_span_text(second);
	b = open_one(&params);
	ck_assert_int_eq(put(a, "k", "1"), MAILAUTH_OK);
	ck_assert_int_eq(get(b, "k"), MAILAUTH_OK);
	a->ops->close(&a);
	ck_assert_int_eq(put(b, "l", "1"), MAILAUTH_OK);
	b->ops->close(&b);
}
END_TEST

/* Fills the store with records of 1000 bytes under numbered keys until it refuses. */
static int fill(struct ma_store *store, int max, enum mailauth_status *status_out)
{
	char key[32];
	char record[1001];
	int n = 0;

	memset(record, 'r', sizeof(record) - 1);
	record[sizeof(record) - 1] = '\0';
	*status_out = MAILAUTH_OK;
	while (n < max && *status_out == MAILAUTH_OK) {
		(void)snprintf(key, sizeof(key), "k%06d", n);
		*status_out = put(store, key, record);
		if (*status_out == MAILAUTH_OK)
			n++;
	}
	return n;
}

START_TEST(shares_one_lock_file_through_a_link_in_another_folder)
{
	struct ma_store_params params = create("linked.mdb");
	char link[300];
	char lock[320];
	struct ma_store *store;

	ck_assert_int_eq(mkdir(support_path("elsewhere"), 0700), 0);
	(void)snprintf(link, sizeof(link), "%s", support_path("elsewhere/link.mdb"));
	ck_assert_int_eq(symlink((const char *)params.address.p, link), 0);
	params.address = ma_span_text(link);
	store = open_one(&params);
	ck_assert_int_eq(put(store, "k", "1"), MAILAUTH_OK);
	(void)snprintf(lock, sizeof(lock), "%s-lock", link);
	ck_assert_int_eq(access(lock, F_OK), -1);
	store->ops->close(&store);
}
END_TEST

START_TEST(refuses_a_file_with_two_names)
{
	struct ma_store_params params = create("hard.mdb");
	struct ma_store *store;

	ck_assert_int_eq(link((const char *)params.address.p, support_path("second.mdb")), 0);
	ck_assert_int_eq(ma_store_lmdb.open(&params, &store), MAILAUTH_E_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(log_text.text, "hard link"));
	ck_assert_int_eq(unlink(support_path("second.mdb")), 0);
	store = open_one(&params);
	store->ops->close(&store);
}
END_TEST

/* Turns the lock file into a folder, so that LMDB cannot open, and back. */
static void block(const struct ma_store_params *params, bool is_blocked)
{
	char lock[300];
	char aside[320];

	(void)snprintf(lock, sizeof(lock), "%s-lock", (const char *)params->address.p);
	(void)snprintf(aside, sizeof(aside), "%s.aside", lock);
	if (is_blocked) {
		ck_assert_int_eq(rename(lock, aside), 0);
		ck_assert_int_eq(mkdir(lock, 0700), 0);
	} else {
		ck_assert_int_eq(rmdir(lock), 0);
		ck_assert_int_eq(rename(aside, lock), 0);
	}
}

START_TEST(recovers_when_the_first_writer_could_not_open)
{
	struct ma_store_params params = create("upgrade.mdb");
	struct ma_store_params reading = params;
	struct ma_store *reader;
	struct ma_store *store;

	reading.write = false;
	reader = open_one(&reading);
	ck_assert_int_eq(get(reader, "k"), MAILAUTH_E_NOTFOUND);
	block(&params, true);
	ck_assert_int_eq(ma_store_lmdb.open(&params, &store), MAILAUTH_E_TEMPFAIL);
	ck_assert_int_eq(get(reader, "k"), MAILAUTH_E_TEMPFAIL);
	ck_assert_int_eq(ma_store_lmdb.open(&reading, &store), MAILAUTH_E_TEMPFAIL);
	block(&params, false);
	ck_assert_int_eq(get(reader, "k"), MAILAUTH_E_NOTFOUND);
	store = open_one(&params);
	ck_assert_int_eq(put(store, "k", "1"), MAILAUTH_OK);
	ck_assert_int_eq(get(reader, "k"), MAILAUTH_OK);
	store->ops->close(&store);
	reader->ops->close(&reader);
}
END_TEST

START_TEST(a_map_that_cannot_grow_is_a_temporary_failure)
{
	struct ma_store_params params = create("limit.mdb");
	struct ma_store_params reading = params;
	struct rlimit all;
	struct rlimit few;
	struct ma_store *reader;
	pid_t child;

	reading.write = false;
	reader = open_one(&reading);
	ck_assert_int_eq(get(reader, "k000000"), MAILAUTH_E_NOTFOUND);
	child = fork();
	if (child == 0) {
		struct ma_store_params larger = params;
		enum mailauth_status status;
		struct ma_store *store;

		larger.map_size = 1ull << 32;
		store = open_one(&larger);
		_exit(fill(store, 3000, &status) != 3000);
	}
	expect_child_ok(child);
	ck_assert_int_eq(getrlimit(RLIMIT_AS, &all), 0);
	few = all;
	few.rlim_cur = 1u << 30;
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &few), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_lt(get(reader, "k002999"), MAILAUTH_OK);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &all), 0);
	ck_assert_int_eq(get(reader, "k002999"), MAILAUTH_OK);
	reader->ops->close(&reader);
}
END_TEST

START_TEST(works_in_parent_and_child_after_fork)
{
	struct ma_store_params params = create("fork.mdb");
	struct ma_store *store = open_one(&params);
	pid_t child;

	ck_assert_int_eq(put(store, "before", "1"), MAILAUTH_OK);
	ck_assert_int_eq(get(store, "before"), MAILAUTH_OK);
	child = fork();
	if (child == 0) {
		int failed = get(store, "before") != MAILAUTH_OK ||
			     put(store, "child", "1") != MAILAUTH_OK ||
			     get(store, "child") != MAILAUTH_OK;

		store->ops->close(&store);
		_exit(failed);
	}
	expect_child_ok(child);
	ck_assert_int_eq(get(store, "child"), MAILAUTH_OK);
	ck_assert_int_eq(put(store, "parent", "1"), MAILAUTH_OK);
	store->ops->close(&store);
}
END_TEST

START_TEST(child_that_closes_leaves_the_parent_its_readers)
{
	struct ma_store_params params = create("slots.mdb");
	struct ma_store *store = open_one(&params);

	for (int i = 0; i < 3; i++) {
		pid_t child = fork();

		if (child == 0) {
			store->ops->close(&store);
			_exit(0);
		}
		expect_child_ok(child);
		ck_assert_int_eq(get(store, "k"), MAILAUTH_E_NOTFOUND);
	}
	store->ops->close(&store);
}
END_TEST

static void *fork_and_read(void *arg)
{
	struct ma_store *store = arg;

	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		if (child == 0) {
			(void)alarm(100); /* a lock left held would hang */
			_exit(get(store, "k") != MAILAUTH_E_NOTFOUND);
		}
		expect_child_ok(child);
	}
	return NULL;
}

static void *open_and_close(void *arg)
{
	const struct ma_store_params *params = arg;

	for (int i = 0; i < 500; i++) {
		struct ma_store *store = open_one(params);

		(void)get(store, "k");
		store->ops->close(&store);
	}
	return NULL;
}

START_TEST(fork_among_busy_threads_leaves_no_lock_held)
{
	struct ma_store_params params = create("threads.mdb");
	struct ma_store *store = open_one(&params);
	pthread_t opener;
	pthread_t forker;

	ck_assert_int_eq(pthread_create(&opener, NULL, open_and_close, &params), 0);
	ck_assert_int_eq(pthread_create(&forker, NULL, fork_and_read, store), 0);
	ck_assert_int_eq(pthread_join(opener, NULL), 0);
	ck_assert_int_eq(pthread_join(forker, NULL), 0);
	store->ops->close(&store);
}
END_TEST

START_TEST(full_map_is_an_error_that_changes_nothing)
{
	struct ma_store_params params = create("full.mdb");
	struct ma_store *store = open_one(&params);
	enum mailauth_status status;
	int n = fill(store, 5000, &status);
	char key[32];

	ck_assert_int_eq(status, MAILAUTH_E_TEMPFAIL);
	ck_assert_int_gt(n, 10);
	ck_assert_ptr_nonnull(strstr(log_text.text, "raise map_size"));
	(void)snprintf(key, sizeof(key), "k%06d", n - 1);
	ck_assert_int_eq(get(store, key), MAILAUTH_OK);
	(void)snprintf(key, sizeof(key), "k%06d", n);
	ck_assert_int_eq(get(store, key), MAILAUTH_E_NOTFOUND);
	store->ops->close(&store);
}
END_TEST

START_TEST(reader_adopts_a_map_grown_by_another_process)
{
	struct ma_store_params params = create("grown.mdb");
	struct ma_store_params reading = params;
	struct ma_store *reader;
	pid_t child;

	reading.write = false;
	reader = open_one(&reading);
	ck_assert_int_eq(get(reader, "k000000"), MAILAUTH_E_NOTFOUND);
	child = fork();
	if (child == 0) {
		struct ma_store_params larger = params;
		enum mailauth_status status;
		struct ma_store *store;
		int n;

		larger.map_size = 32 << 20;
		store = open_one(&larger);
		n = fill(store, 3000, &status);
		store->ops->close(&store);
		_exit(n != 3000);
	}
	expect_child_ok(child);
	ck_assert_int_eq(get(reader, "k002999"), MAILAUTH_OK);
	reader->ops->close(&reader);
}
END_TEST

START_TEST(full_disk_is_an_error_that_changes_nothing)
{
	static const char filler[1 << 16];
	struct ma_store_params params;
	struct ma_store *store;
	enum mailauth_status status;
	char folder[300];
	int fd;
	int n;

	(void)snprintf(folder, sizeof(folder), "%s", support_path("disk"));
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	/* A mount of this process alone: it ends with it, however that ends. */
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL), 0);
	if (mount("tmpfs", folder, "tmpfs", 0, "size=1M") != 0)
		ck_abort_msg("cannot mount a small disk: %s", strerror(errno));
	params = create("disk/full.mdb");
	params.map_size = 16 << 20;
	store = open_one(&params);
	n = fill(store, 100, &status);
	ck_assert_int_eq(n, 100);
	fd = open(support_path("disk/filler"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	while (write(fd, filler, sizeof(filler)) > 0)
		;
	ck_assert_int_eq(close(fd), 0);
	support_log_clear(&log_text);
	status = MAILAUTH_OK;
	for (int i = 0; status == MAILAUTH_OK && i < 1000; i++) {
		char key[32];

		(void)snprintf(key, sizeof(key), "late%04d", i);
		status = put(store, key, filler[0] == '\0' ? "short" : "");
	}
	ck_assert_int_eq(status, MAILAUTH_E_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(log_text.text, "nothing was changed"));
	ck_assert_int_eq(get(store, "k000099"), MAILAUTH_OK);
	ck_assert_int_eq(unlink(support_path("disk/filler")), 0);
	ck_assert_int_eq(put(store, "after", "1"), MAILAUTH_OK);
	store->ops->close(&store);
	ck_assert_int_eq(umount(folder), 0);
}
END_TEST

/* A process that stops with the writers' lock held: what a stuck writer looks like to others. */
static pid_t hold_lock(const char *path)
{
	int ready[2];
	char byte;
	pid_t child;

	ck_assert_int_eq(pipe(ready), 0);
	child = fork();
	if (child == 0) {
		struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			(void)pause();
	}
	ck_assert_int_eq(close(ready[1]), 0);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	ck_assert_int_eq(close(ready[0]), 0);
	return child;
}

START_TEST(waits_for_a_stuck_writer_no_longer_than_the_timeout)
{
	struct ma_store_params params = create("busy.mdb");
	struct ma_store *store = open_one(&params);
	pid_t child = hold_lock((const char *)params.address.p);

	/* The lock is held for ever: that it comes back is the proof. */
	ck_assert_int_eq(put(store, "k", "1"), MAILAUTH_E_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(log_text.text, "is busy"));
	ck_assert_int_eq(get(store, "k"), MAILAUTH_E_NOTFOUND); /* readers do not wait */
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(put(store, "k", "1"), MAILAUTH_OK);
	store->ops->close(&store);
}
END_TEST

/* A reader that seems to live keeps every old page: 300 times 8 KiB and more. */
static void expect_pages_used_again(struct ma_store *store, const struct ma_store_params *params)
{
	struct stat before;
	struct stat after;

	ck_assert_int_eq(stat((const char *)params->address.p, &before), 0);
	for (int i = 0; i < 300; i++) {
		struct ma_store_change change = {.key = ma_span_text("k"),
						 .must_exist = true,
						 .any_old = true,
						 .record = ma_span(large, sizeof(large))};
		bool conflict;

		ck_assert_int_eq(store->ops->apply(store, &change, 1, &conflict), MAILAUTH_OK);
	}
	ck_assert_int_eq(stat((const char *)params->address.p, &after), 0);
	ck_assert_int_lt(after.st_size - before.st_size, 200 << 10);
}

START_TEST(writers_clear_the_slots_of_dead_readers)
{
	struct ma_store_params params = create("dead.mdb");
	struct ma_store *store = open_one(&params);

	ck_assert_int_eq(put(store, "k", "1"), MAILAUTH_OK);
	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		if (child == 0) {
			/* The slot stays marked: the process ends without closing. */
			_exit(get(store, "k") != MAILAUTH_OK);
		}
		expect_child_ok(child);
	}
	expect_pages_used_again(store, &params);
	store->ops->close(&store);
}
END_TEST

static MDB_txn *lost; /* as nobody else knows it any more */
static bool is_to_be_lost;

int __real_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned int flags, MDB_txn **txn_out);
int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned int flags, MDB_txn **txn_out);

/* A page of the file that is gone when LMDB has made the transaction, but not yet returned it. */
int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned int flags, MDB_txn **txn_out)
{
	volatile char *gone;
	int error;
	int fd;

	if (!is_to_be_lost)
		return __real_mdb_txn_begin(env, parent, flags, txn_out);
	is_to_be_lost = false;
	error = __real_mdb_txn_begin(env, parent, flags, &lost);
	ck_assert_int_eq(error, 0);
	fd = open(support_file("gone", "x", 1), O_RDWR | O_CLOEXEC);
	gone = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
	ck_assert(gone != MAP_FAILED);
	ck_assert_int_eq(ftruncate(fd, 0) + close(fd), 0);
	return *gone;
}

START_TEST(a_transaction_lost_to_a_fault_keeps_no_pages)
{
	struct ma_store_params params = create("lost.mdb");
	struct ma_store *store = open_one(&params);

	ck_assert_int_eq(put(store, "k", "1"), MAILAUTH_OK);
	store->ops->close(&store); /* with what it keeps */
	store = open_one(&params);
	is_to_be_lost = true;
	ck_assert_int_eq(get(store, "k"), MAILAUTH_E_CORRUPT);
	ck_assert_ptr_nonnull(lost);
	ck_assert_int_eq(get(store, "k"), MAILAUTH_OK);
	expect_pages_used_again(store, &params);
	store->ops->close(&store);
}
END_TEST

START_TEST(keeps_no_descriptor_after_close)
{
	struct ma_store_params params = create("descriptors.mdb");
	int before = dup(0);
	int after;

	ck_assert_int_eq(close(before), 0);
	for (int i = 0; i < 100; i++) {
		struct ma_store *store = open_one(&params);

		ck_assert_int_eq(get(store, "k"), MAILAUTH_E_NOTFOUND);
		store->ops->close(&store);
	}
	after = dup(0);
	ck_assert_int_eq(close(after), 0);
	ck_assert_int_eq(after, before);
}
END_TEST

#define LARGE_MAP (64 << 20)
#define N_PLACES  24
#define N_CHOICES 40

/* A reader that looks at another commit each time it gets a byte. */
static pid_t start_reader(const char *path, const int pipe_fds[2])
{
	pid_t child = fork();
	MDB_txn *txn = NULL;
	MDB_env *env;
	char byte;

	if (child != 0)
		return child;
	if (close(pipe_fds[1]) != 0 || mdb_env_create(&env) != 0 ||
	    mdb_env_set_mapsize(env, LARGE_MAP) != 0 ||
	    mdb_env_open(env, path, MDB_NOSUBDIR, 0) != 0)
		_exit(1);
	while (read(pipe_fds[0], &byte, 1) == 1) {
		if (txn != NULL)
			mdb_txn_abort(txn);
		if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0)
			_exit(1);
	}
	_exit(0);
}

static size_t random_changes(bool removes, unsigned int *seed,
			     struct ma_store_change changes[N_PLACES])
{
	static uint8_t bytes[MA_STORE_RECORD_MAX];
	static char keys[N_PLACES][16];
	static bool is_there[N_PLACES][N_CHOICES];
	size_t n = 1 + (size_t)rand_r(seed) % N_PLACES;

	for (size_t i = 0; i < n; i++) {
		size_t choice = (size_t)rand_r(seed) % N_CHOICES;
		size_t len = 1 + (size_t)rand_r(seed) % (i % 5 == 0 ? sizeof(bytes) : 900);

		(void)snprintf(keys[i], sizeof(keys[i]), "%02zu.%zu", choice, i);
		changes[i] = (struct ma_store_change){
			.key = ma_span_text(keys[i]),
			.must_exist = is_there[i][choice],
			.any_old = true,
			.remove = is_there[i][choice] && removes && rand_r(seed) % 8 != 0,
			.record = ma_span(bytes, len),
		};
		is_there[i][choice] = !changes[i].remove;
	}
	return n;
}

/*
 * What LMDB itself writes must never look damaged: the store would refuse changes for nothing.
 * Records of all sizes come and go, with a reader beside that keeps old pages.
 */
START_TEST(never_finds_damage_in_its_own_work)
{
	struct ma_store_params params = create("sound.mdb");
	struct ma_store *store;
	size_t n = support_rounds(300, 5000);
	unsigned int seed = 1;
	int fds[2];
	pid_t child;

	ck_assert_int_eq(pipe(fds), 0);
	child = start_reader((const char *)params.address.p, fds);
	params.map_size = LARGE_MAP;
	store = open_one(&params);
	for (size_t i = 0; i < n; i++) {
		struct ma_store_change changes[N_PLACES];
		size_t n_changes = random_changes(i / 40 % 2 == 1, &seed, changes);
		bool conflict;

		ck_assert_msg(store->ops->apply(store, changes, n_changes, &conflict) ==
					      MAILAUTH_OK &&
				      !conflict && store->ops->check(store) == MAILAUTH_OK,
			      "round %zu: %s", i, log_text.text);
		if (i % 20 == 0)
			ck_assert_int_eq(write(fds[1], "x", 1), 1);
	}
	store->ops->close(&store);
	ck_assert_int_eq(close(fds[0]) + close(fds[1]), 0);
	expect_child_ok(child);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store_lmdb");
	TCase *tcase = tcase_create("lmdb");

	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, makes_files_with_the_right_modes);
	tcase_add_test(tcase, never_finds_damage_in_its_own_work);
	tcase_add_test(tcase, says_what_to_do_about_a_missing_file);
	tcase_add_test(tcase, refuses_what_is_no_store);
	tcase_add_test(tcase, shares_a_file_within_the_process);
	tcase_add_test(tcase, finds_one_file_under_two_names);
	tcase_add_test(tcase, shares_one_lock_file_through_a_link_in_another_folder);
	tcase_add_test(tcase, refuses_a_file_with_two_names);
	tcase_add_test(tcase, recovers_when_the_first_writer_could_not_open);
	if (ADDRESS_SPACE_CAN_BE_LIMITED)
		tcase_add_test(tcase, a_map_that_cannot_grow_is_a_temporary_failure);
	tcase_add_test(tcase, works_in_parent_and_child_after_fork);
	tcase_add_test(tcase, child_that_closes_leaves_the_parent_its_readers);
	if (MALLOC_SURVIVES_FORK)
		tcase_add_test(tcase, fork_among_busy_threads_leaves_no_lock_held);
	tcase_add_test(tcase, full_map_is_an_error_that_changes_nothing);
	tcase_add_test(tcase, reader_adopts_a_map_grown_by_another_process);
	tcase_add_test(tcase, full_disk_is_an_error_that_changes_nothing);
	tcase_add_test(tcase, waits_for_a_stuck_writer_no_longer_than_the_timeout);
	tcase_add_test(tcase, writers_clear_the_slots_of_dead_readers);
	tcase_add_test(tcase, a_transaction_lost_to_a_fault_keeps_no_pages);
	tcase_add_test(tcase, keeps_no_descriptor_after_close);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
