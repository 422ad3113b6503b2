/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_stuck.c - programs that stop or die where others need them to go on, and what runs out
 *
 * A reader that stops within its transaction, one that is killed there, all readers' places taken;
 * a writer that stops at each of its system calls; a disk that is full; a lock file that is gone or
 * not to be opened. Logins go on or are put off, never refused, writers go on or say why not, and
 * all of it is over when the cause is.
 */
#include <errno.h>
#include <lmdb.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/capability.h>

#include "fault/fault.h"
#include "support.h"

#define CHANGES	     300
#define PAGE	     4096
#define READERS_MAX  2046 /* as in lib/store/lmdb_env.c */
#define DISK	     "size=256k"
#define LARGER_DISK  "size=4m"
#define ACCOUNTS_MAX 20000

static const char settings[] = "mechanisms = PLAIN CRAM-MD5\nmap_size = 64M\nstore_timeout = 1 s\n";

static struct support_log logged;

static struct mailauth *open_store(const char *config, unsigned int flags)
{
	struct mailauth_options options = {
		.size = sizeof(options),
		.flags = flags,
		.config = config,
		.log = support_log,
		.log_arg = &logged,
		.log_level = MAILAUTH_LOG_WARN,
	};
	struct mailauth *ctx = NULL;

	support_log_clear(&logged);
	logged.level = MAILAUTH_LOG_WARN;
	return mailauth_open(&options, &ctx) == MAILAUTH_OK ? ctx : NULL;
}

static enum mailauth_status set_comment(struct mailauth_user *user, void *arg)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%u", *(unsigned int *)arg);
	return mailauth_user_set_text(user, MAILAUTH_TEXT_COMMENT, text);
}

static enum mailauth_status change(struct mailauth *ctx, unsigned int n)
{
	support_log_clear(&logged);
	return mailauth_user_update(ctx, "ann", set_comment, &n);
}

static enum mailauth_status login(struct mailauth *ctx)
{
	support_log_clear(&logged);
	return mailauth_verify_plain(ctx, &fault_request, "ann", 3, "secret", 6, NULL);
}

static uint64_t file_size(struct mailauth *ctx)
{
	struct mailauth_store_stat stat = {.size = sizeof(stat)};

	ck_assert_int_eq(mailauth_store_stat(ctx, &stat), MAILAUTH_OK);
	return stat.bytes_file;
}

static uint64_t n_readers(struct mailauth *ctx)
{
	struct mailauth_store_stat stat = {.size = sizeof(stat)};

	ck_assert_int_eq(mailauth_store_stat(ctx, &stat), MAILAUTH_OK);
	return stat.n_readers;
}

static void check_store(struct mailauth *ctx)
{
	uint64_t n_good;
	uint64_t n_damaged;

	ck_assert_int_eq(mailauth_store_check(ctx, &n_good, &n_damaged), MAILAUTH_OK);
	ck_assert_uint_eq(n_damaged, 0);
}

/* ---- children ---- */

/* Readers of LMDB's own, as nothing of the library stays in a transaction. */
static void hold_reads(const char *store, int n)
{
	MDB_env *mdb;
	MDB_txn *txn;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (mdb_env_create(&mdb) != 0 ||
	    mdb_env_open(mdb, store, MDB_NOSUBDIR | MDB_NOTLS | MDB_RDONLY, 0) != 0)
		_exit(1);
	/* As many as there are places, or as are asked for. */
	for (int i = 0; i < n; i++) {
		int error = mdb_txn_begin(mdb, NULL, MDB_RDONLY, &txn);

		if (error != 0 && error != MDB_READERS_FULL)
			_exit(2);
	}
	(void)raise(SIGSTOP);
	_exit(3);
}

static void wait_until_stopped(pid_t child)
{
	int status;

	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	ck_assert_msg(WIFSTOPPED(status), "it ended with %x", (unsigned int)status);
}

static pid_t start_readers(int n)
{
	const char *store = support_path("accounts.mdb");
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0)
		hold_reads(store, n);
	wait_until_stopped(child);
	return child;
}

static void end(pid_t child)
{
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
}

/* ---- readers ---- */

static uint64_t grow(struct mailauth *ctx, unsigned int n)
{
	uint64_t before = file_size(ctx);

	for (unsigned int i = 0; i < n; i++) {
		ck_assert_int_eq(change(ctx, i), MAILAUTH_OK);
		ck_assert_int_eq(login(ctx), MAILAUTH_OK);
	}
	return (file_size(ctx) - before) / PAGE;
}

START_TEST(stopped_reader_costs_space_until_it_ends)
{
	struct mailauth *ctx = open_store(support_config(settings), MAILAUTH_OPEN_WRITE);
	uint64_t usual;
	uint64_t stopped;
	uint64_t after;
	pid_t reader;

	support_add(ctx, "ann", "secret");
	(void)grow(ctx, 8);
	usual = grow(ctx, CHANGES);
	reader = start_readers(1);
	stopped = grow(ctx, CHANGES);
	end(reader);
	after = grow(ctx, CHANGES);
	printf("# %d changes grow the file by %llu pages, beside a stopped reader by %llu, after "
	       "it by %llu\n",
	       CHANGES, (unsigned long long)usual, (unsigned long long)stopped,
	       (unsigned long long)after);
	(void)fflush(stdout);
	/* A change writes the page of the account, those above it, and the list of free pages. */
	ck_assert_uint_le(usual, 8);
	ck_assert_uint_le(stopped, CHANGES * 4);
	ck_assert_uint_le(after, 8);
	check_store(ctx);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(killed_readers_place_is_free_again)
{
	struct mailauth *ctx = open_store(support_config(settings), MAILAUTH_OPEN_WRITE);
	uint64_t before;
	pid_t reader;

	support_add(ctx, "ann", "secret");
	ck_assert_int_eq(login(ctx), MAILAUTH_OK);
	before = n_readers(ctx);
	reader = start_readers(5);
	ck_assert_uint_eq(n_readers(ctx), before + 5);
	end(reader);
	ck_assert_int_eq(change(ctx, 1), MAILAUTH_OK);
	ck_assert_uint_eq(n_readers(ctx), before);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(full_reader_table_puts_logins_off)
{
	const char *config = support_config(settings);
	struct mailauth *ctx = open_store(config, MAILAUTH_OPEN_WRITE);
	struct mailauth *late;
	pid_t readers;

	support_add(ctx, "ann", "secret");
	mailauth_free(&ctx);
	/* It has read nothing yet, so it has no place of its own. */
	ctx = open_store(config, MAILAUTH_OPEN_WRITE);
	readers = start_readers(READERS_MAX + 1);
	ck_assert_int_eq(login(ctx), MAILAUTH_E_TEMPFAIL);
	ck_assert_msg(strstr(logged.text, "too many processes read at once") != NULL &&
			      strstr(logged.text, "accounts.mdb") != NULL,
		      "%s", logged.text);
	/* A change has to read first. */
	ck_assert_int_eq(change(ctx, 1), MAILAUTH_E_TEMPFAIL);
	late = open_store(config, 0);
	if (late != NULL)
		ck_assert_int_eq(login(late), MAILAUTH_E_TEMPFAIL);
	mailauth_free(&late);
	end(readers);
	ck_assert_int_eq(login(ctx), MAILAUTH_OK);
	ck_assert_int_eq(change(ctx, 1), MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

/* ---- writers ---- */

/* Starts the writer on its third kind of change; it stops at the call @at. 0: it came to its end.
 */
static pid_t start_writer(const char *config, unsigned int step, unsigned int at)
{
	const char *program = getenv("MAILAUTH_WRITER");
	char text[3][16];
	int status;
	pid_t child;

	(void)snprintf(text[0], sizeof(text[0]), "%u", at);
	(void)snprintf(text[1], sizeof(text[1]), "%u", step);
	(void)snprintf(text[2], sizeof(text[2]), "%u", step + 1);
	(void)setenv("FAULT_FOLDER", support_folder(), 1);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)setenv("FAULT_AT", text[0], 1);
		(void)setenv("FAULT_ERROR", "STOP", 1);
		(void)setenv("LD_PRELOAD", getenv("MAILAUTH_INTERPOSE"), 1);
		(void)execl(program, program, config, text[1], text[2], (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(child, &status, WUNTRACED), child);
	if (WIFSTOPPED(status))
		return child;
	ck_assert_msg(status == 0, "the writer ended with %x", (unsigned int)status);
	return 0;
}

START_TEST(stopped_writer_holds_up_writers_alone)
{
	const char *config = support_config(settings);
	struct mailauth *ctx = open_store(config, MAILAUTH_OPEN_WRITE);
	enum mailauth_status status;
	unsigned int n_busy = 0;
	unsigned int at;
	int ended;
	pid_t writer = 1;

	support_add(ctx, "ann", "secret");
	for (at = 1; writer != 0; at++) {
		writer = start_writer(config, CYCLE * at + 1, at);
		if (writer == 0)
			break;
		ck_assert_int_eq(login(ctx), MAILAUTH_OK);
		status = change(ctx, at);
		if (status != MAILAUTH_OK) {
			n_busy++;
			ck_assert_int_eq(status, MAILAUTH_E_TEMPFAIL);
			ck_assert_str_eq(logged.event, "busy");
			ck_assert_ptr_nonnull(strstr(logged.text, "accounts.mdb"));
		}
		ck_assert_int_eq(kill(writer, SIGCONT), 0);
		ck_assert_int_eq(waitpid(writer, &ended, 0), writer);
		ck_assert_msg(ended == 0, "stopped at call %u, it ended with %x", at,
			      (unsigned int)ended);
		ck_assert_int_eq(change(ctx, at), MAILAUTH_OK);
	}
	ck_assert_uint_gt(n_busy, 0);
	printf("# a writer stopped at %u calls: %u times others were told it is busy\n", at - 1,
	       n_busy);
	(void)fflush(stdout);
	check_store(ctx);
	mailauth_free(&ctx);
}
END_TEST

/* ---- the disk is full ---- */

static const char *disk_config(const char *disk)
{
	char text[1024];
	int len = snprintf(text, sizeof(text),
			   "store = lmdb:%s/accounts.mdb\nkey_file = %s/store.key\n"
			   "default_realm = example.org\n%s",
			   disk, disk, settings);

	return support_file("disk.conf", text, (size_t)len);
}

/* A small file system that nobody else sees, and that ends with this process. */
static const char *mount_disk(void)
{
	const char *disk = support_path("disk");

	ck_assert_int_eq(mkdir(disk, 0700), 0);
	ck_assert_msg(unshare(CLONE_NEWNS) == 0 &&
			      mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
			      mount("tmpfs", disk, "tmpfs", 0, DISK) == 0,
		      "no mount namespace here: %s", strerror(errno));
	return disk;
}

static enum mailauth_status add_number(struct mailauth *ctx, unsigned int n)
{
	struct mailauth_user *user = NULL;
	char name[32];
	enum mailauth_status status;

	support_log_clear(&logged);
	(void)snprintf(name, sizeof(name), "user%u", n);
	status = mailauth_user_new(ctx, name, &user);
	if (status == MAILAUTH_OK)
		status = mailauth_user_set_password(user, name, strlen(name));
	if (status == MAILAUTH_OK)
		status = mailauth_user_add(user);
	mailauth_user_free(&user);
	return status;
}

static uint64_t n_accounts(struct mailauth *ctx)
{
	struct mailauth_store_stat stat = {.size = sizeof(stat)};

	ck_assert_int_eq(mailauth_store_stat(ctx, &stat), MAILAUTH_OK);
	return stat.n_accounts;
}

/* Keys, too, which are a file of their own. */
static void check_rekey_on_full_disk(const char *config)
{
	struct mailauth_options options = {
		.size = sizeof(options),
		.config = config,
		.log = support_log,
		.log_arg = &logged,
		.log_level = MAILAUTH_LOG_WARN,
	};

	support_log_clear(&logged);
	ck_assert_int_ne(mailauth_store_rekey(&options, MAILAUTH_REKEY_PREPARE, NULL), MAILAUTH_OK);
	ck_assert_msg(strstr(logged.text, "store.key") != NULL &&
			      strstr(logged.text, "free some space") != NULL,
		      "%s", logged.text);
}

START_TEST(full_disk_stops_writers_alone)
{
	const char *disk = mount_disk();
	const char *config = disk_config(disk);
	struct mailauth_options options = {.size = sizeof(options), .config = config};
	struct mailauth *ctx;
	enum mailauth_status status = MAILAUTH_OK;
	unsigned int n = 0;

	ck_assert_int_eq(mailauth_store_init(&options, (gid_t)-1), MAILAUTH_OK);
	ctx = open_store(config, MAILAUTH_OPEN_WRITE);
	support_add(ctx, "ann", "secret");
	while (status == MAILAUTH_OK && n < ACCOUNTS_MAX)
		status = add_number(ctx, n++);
	ck_assert_int_eq(status, MAILAUTH_E_TEMPFAIL);
	ck_assert_msg(strstr(logged.text, "accounts.mdb") != NULL &&
			      strstr(logged.text, "space") != NULL,
		      "%s", logged.text);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(login(ctx), MAILAUTH_OK);
		ck_assert_int_eq(add_number(ctx, n - 1), MAILAUTH_E_TEMPFAIL);
	}
	ck_assert_uint_eq(n_accounts(ctx), n);
	check_rekey_on_full_disk(config);
	ck_assert_int_eq(mount(NULL, disk, NULL, MS_REMOUNT, LARGER_DISK), 0);
	ck_assert_int_eq(add_number(ctx, n - 1), MAILAUTH_OK);
	ck_assert_uint_eq(n_accounts(ctx), n + 1);
	check_store(ctx);
	mailauth_free(&ctx);
	ck_assert_int_eq(umount2(disk, MNT_DETACH), 0);
}
END_TEST

/* ---- the lock file ---- */

/* This user is still called root, but modes bind it. */
static void give_up_override(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	ck_assert_int_eq(syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~((1U << CAP_DAC_OVERRIDE) | (1U << CAP_DAC_READ_SEARCH));
	ck_assert_int_eq(syscall(SYS_capset, &header, data), 0);
}

START_TEST(missing_lock_file_is_made_again)
{
	const char *config = support_config(settings);
	struct mailauth *ctx = open_store(config, MAILAUTH_OPEN_WRITE);
	struct stat st;

	support_add(ctx, "ann", "secret");
	mailauth_free(&ctx);
	ck_assert_int_eq(unlink(support_path("accounts.mdb-lock")), 0);
	ctx = open_store(config, 0);
	ck_assert_ptr_nonnull(ctx);
	ck_assert_int_eq(login(ctx), MAILAUTH_OK);
	ck_assert_int_eq(stat(support_path("accounts.mdb-lock"), &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0660);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(unusable_lock_file_puts_logins_off)
{
	const char *config = support_config(settings);
	struct mailauth *ctx = open_store(config, MAILAUTH_OPEN_WRITE);

	support_add(ctx, "ann", "secret");
	mailauth_free(&ctx);
	give_up_override();
	ck_assert_int_eq(chmod(support_path("accounts.mdb-lock"), 0440), 0);
	ck_assert_ptr_null(open_store(config, 0));
	ck_assert_msg(strstr(logged.text, "accounts.mdb") != NULL, "%s", logged.text);
	printf("# %s", logged.text);
	(void)fflush(stdout);
	ck_assert_int_eq(chmod(support_path("accounts.mdb-lock"), 0660), 0);
	ctx = open_store(config, 0);
	ck_assert_ptr_nonnull(ctx);
	ck_assert_int_eq(login(ctx), MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(lock_file_removed_beside_running_programs_loses_nothing)
{
	const char *config = support_config(settings);
	struct mailauth *ctx = open_store(config, MAILAUTH_OPEN_WRITE);

	support_add(ctx, "ann", "secret");
	ck_assert_int_eq(change(ctx, 1), MAILAUTH_OK);
	ck_assert_int_eq(unlink(support_path("accounts.mdb-lock")), 0);
	/* Another program, with a lock file of its own now; and this one goes on with the old. */
	for (unsigned int i = 0; i < 5; i++) {
		ck_assert_int_eq(start_writer(config, CYCLE * i + 1, 0), 0);
		ck_assert_int_eq(change(ctx, i), MAILAUTH_OK);
	}
	ck_assert_uint_eq(n_accounts(ctx), 6);
	check_store(ctx);
	mailauth_free(&ctx);
	ctx = open_store(config, 0);
	ck_assert_uint_eq(n_accounts(ctx), 6);
	check_store(ctx);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fault stuck");
	TCase *tcase = tcase_create("stuck");

	tcase_set_timeout(tcase, 280);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, stopped_reader_costs_space_until_it_ends);
	tcase_add_test(tcase, killed_readers_place_is_free_again);
	tcase_add_test(tcase, full_reader_table_puts_logins_off);
	tcase_add_test(tcase, stopped_writer_holds_up_writers_alone);
	tcase_add_test(tcase, full_disk_stops_writers_alone);
	tcase_add_test(tcase, missing_lock_file_is_made_again);
	tcase_add_test(tcase, unusable_lock_file_puts_logins_off);
	tcase_add_test(tcase, lock_file_removed_beside_running_programs_loses_nothing);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
