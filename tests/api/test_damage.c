/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_damage.c - the store's file changed by others: bits flipped, pages zeroed, cut short
 *
 * A small store is damaged in thousands of ways, and a process of its own logs in, looks at all
 * accounts, changes some and looks again. Whatever the damage is, no wrong password is accepted,
 * the process ends as it wants to, a failure names the file, and a change does not make it worse.
 * Then the file is cut short, zeroed and restored under a process that has it open.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "users.h"

#define N_USERS	 120
#define N_LOGINS 16 /* for each mutant */
#define PAGE	 4096
#define LIMIT_S	 60 /* for one mutant; they take milliseconds */

/* Cheap, and with records of several kinds. */
static const char config_text[] = "mechanisms = PLAIN CRAM-MD5 DIGEST-MD5\nstore_timeout = 5\n";

static const char *config;
static char store_path[512];
static uint8_t *master;
static size_t master_len;

/* For the leak sanitizer: what a fault takes with it while LMDB makes a transaction (lmdb_txn.c).
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:mdb_txn_begin\n";
}

/* ---- a store ---- */

static void name_of(size_t i, char out[32])
{
	(void)snprintf(out, 32, "user%03zu", i);
}

static enum mailauth_status set_comment(struct mailauth_user *user, void *arg)
{
	return mailauth_user_set_text(user, MAILAUTH_TEXT_COMMENT, arg);
}

static void read_master(void)
{
	struct stat st;
	int fd = open(store_path, O_RDONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &st), 0);
	master_len = (size_t)st.st_size;
	master = malloc(master_len);
	ck_assert_ptr_nonnull(master);
	ck_assert_int_eq(read(fd, master, master_len), (ssize_t)master_len);
	ck_assert_int_eq(close(fd), 0);
}

/* Several levels, records of several pages, and free pages. */
static void make_master(void)
{
	char name[32];
	char text[256];
	struct mailauth *ctx = support_open(config_text, NULL);

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < N_USERS; i++) {
		struct mailauth_user *user;

		name_of(i, name);
		user = new_user(ctx, name);
		support_status(name, set_password(user, name), MAILAUTH_OK);
		if (i % 3 == 0)
			set_text(user, MAILAUTH_TEXT_COMMENT, text);
		support_status(name, mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
	}
	/* for free pages */
	for (size_t i = 0; i < N_USERS; i += 10) {
		name_of(i, name);
		support_status(name, mailauth_user_update(ctx, name, set_comment, text),
			       MAILAUTH_OK);
	}
	mailauth_free(&ctx);
	config = support_path("mailauth.conf");
	(void)snprintf(store_path, sizeof(store_path), "%s", support_path("accounts.mdb"));
	read_master();
}

static void write_store(const uint8_t *bytes, size_t len)
{
	int fd = open(store_path, O_WRONLY | O_TRUNC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	ck_assert_int_eq(close(fd), 0);
}

/* ---- mutants ---- */

static uint64_t random_state;

static size_t below(size_t n)
{
	random_state = random_state * 6364136223846793005U + 1442695040888963407U;
	return n == 0 ? 0 : (size_t)(random_state >> 33) % n;
}

static void flip(uint8_t *bytes, size_t first, size_t n)
{
	bytes[first + below(n)] ^= (uint8_t)(1U << below(8));
}

/* A page's own numbers: header, offsets, or the 8 bytes in front of a key. */
static void flip_structure(uint8_t *bytes)
{
	uint8_t *page = bytes + PAGE * below(master_len / PAGE);
	uint16_t lower;
	uint16_t offset;

	memcpy(&lower, page + 12, sizeof(lower));
	if (below(3) == 0 || lower < 18 || lower > PAGE) {
		flip(page, 0, 16);
	} else if (below(2) == 0) {
		flip(page, 16, lower - 16U);
	} else {
		memcpy(&offset, page + 16 + 2 * below((lower - 16U) / 2), sizeof(offset));
		flip(page, offset < PAGE - 8 ? offset : 0, 8);
	}
}

/* Of 10,000, each kind about 1,000. Returns the new length. */
static size_t mutate(uint8_t *bytes, size_t number)
{
	size_t page = PAGE * below(master_len / PAGE);
	uint16_t word;

	switch (number % 10) {
	case 0:
		flip(bytes, 0, master_len);
		break;
	case 1:
	case 2:
	case 3:
		flip_structure(bytes);
		break;
	case 4:
		flip(bytes, PAGE * below(2), 16 + 136); /* a header */
		break;
	case 5:
		word = (uint16_t)below(65536);
		memcpy(bytes + page + 2 * below(64), &word, sizeof(word));
		break;
	case 6:
		memset(bytes + page + 512 * below(8), 0, 512);
		break;
	case 7:
		memset(bytes + page, 0, PAGE);
		break;
	case 8:
		memcpy(bytes + page, bytes + PAGE * below(master_len / PAGE), PAGE);
		break;
	default:
		return number % 20 < 10 ? below(master_len) : page;
	}
	return master_len;
}

/* ---- what a server and an administrator do with it ---- */

static struct support_log log_text = {.level = MAILAUTH_LOG_ERROR};

/* The child's own words; the parent shows them with the mutant's number. */
static void give_up(const char *what, const char *name, enum mailauth_status status)
{
	(void)fprintf(stderr, "%s: %s: %s; log: %s\n", what, name, mailauth_status_name(status),
		      log_text.text);
	_exit(1);
}

static struct mailauth *open_for(unsigned int flags)
{
	struct mailauth_options options = {.size = sizeof(options),
					   .flags = flags,
					   .config = config,
					   .log = support_log,
					   .log_arg = &log_text,
					   .log_level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx;
	enum mailauth_status status;

	support_log_clear(&log_text);
	status = mailauth_open(&options, &ctx);
	if (status != MAILAUTH_OK && strstr(log_text.text, store_path) == NULL)
		give_up("cannot open, and does not say which file", "", status);
	return ctx;
}

static enum mailauth_status log_in(struct mailauth *ctx, const char *name, const char *password)
{
	support_log_clear(&log_text);
	return mailauth_verify_plain(ctx, &over_tls, name, strlen(name), password, strlen(password),
				     NULL);
}

/* A wrong password is refused; the right one is accepted unless damage is in the way. */
static bool can_log_in(struct mailauth *ctx, size_t i)
{
	char name[32];
	enum mailauth_status status;

	name_of(i, name);
	if (log_in(ctx, name, "wrong") == MAILAUTH_OK)
		give_up("a wrong password was accepted", name, MAILAUTH_OK);
	status = log_in(ctx, name, name);
	if (status == MAILAUTH_OK || status == MAILAUTH_E_DENIED)
		return status == MAILAUTH_OK;
	if (status != MAILAUTH_E_TEMPFAIL && status != MAILAUTH_E_CORRUPT)
		give_up("no failure of the store", name, status);
	if (strstr(log_text.text, store_path) == NULL || strstr(log_text.text, name) == NULL)
		give_up("does not name file and account", name, status);
	return false;
}

static void list(struct mailauth *ctx)
{
	struct mailauth_name cursor = {.text = ""};
	enum mailauth_status status = MAILAUTH_OK;

	/* A damaged tree may go round in circles; whoever lists must not. */
	for (size_t n = 0; status == MAILAUTH_OK || status == MAILAUTH_E_CORRUPT; n++) {
		struct mailauth_user *user;

		status = mailauth_user_next(ctx, &cursor, &user);
		mailauth_user_free(&user);
		if (n > 100 * (size_t)N_USERS)
			give_up("there is no end of accounts", cursor.text, status);
	}
}

static void look(void)
{
	struct mailauth *ctx = open_for(0);
	uint64_t n_good;
	uint64_t n_damaged;

	if (ctx == NULL)
		return;
	for (size_t i = 0; i < N_LOGINS; i++)
		(void)can_log_in(ctx, below(N_USERS));
	list(ctx);
	if (mailauth_store_check(ctx, &n_good, &n_damaged) != MAILAUTH_OK &&
	    strstr(log_text.text, store_path) == NULL)
		give_up("a check does not name the file", "", MAILAUTH_E_CORRUPT);
	mailauth_free(&ctx);
}

/* Are the store's pages in order, whatever is in the records? */
static bool has_sound_pages(struct mailauth *ctx)
{
	uint64_t n_good;
	uint64_t n_damaged;

	support_log_clear(&log_text);
	return mailauth_store_check(ctx, &n_good, &n_damaged) == MAILAUTH_OK ||
	       strstr(log_text.text, "cannot trust store") == NULL;
}

/*
 * Where pages are sound, whoever could log in before accounts of others are changed can do so
 * afterwards. Where they are not, what was found may have been an old page, free to be written
 * over.
 */
static void change(void)
{
	struct mailauth *ctx = open_for(MAILAUTH_OPEN_WRITE);
	char text[200] = "another";
	bool could[N_USERS];
	char name[32];
	bool is_sound;

	if (ctx == NULL)
		return;
	is_sound = has_sound_pages(ctx);
	for (size_t i = 0; i < N_USERS; i++)
		could[i] = can_log_in(ctx, i);
	for (size_t i = 0; i < 6; i++) {
		size_t victim = below(N_USERS);
		enum mailauth_status status;

		name_of(victim, name);
		memset(text, 'y', 1 + below(sizeof(text) - 2));
		support_log_clear(&log_text);
		if (i % 3 == 2) {
			status = mailauth_user_del(ctx, name);
			could[victim] = could[victim] && status != MAILAUTH_OK;
		} else {
			status = mailauth_user_update(ctx, name, set_comment, text);
		}
		if (status == MAILAUTH_E_TEMPFAIL && strstr(log_text.text, store_path) == NULL)
			give_up("a change does not name the file", name, status);
	}
	for (size_t i = 0; i < N_USERS; i++) {
		name_of(i, name);
		if (could[i] && !can_log_in(ctx, i) && is_sound)
			give_up("a change to others took this account away", name, MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}

/* In a process of its own, which must end as it wants to. */
static void expect_survival(size_t number)
{
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		(void)alarm(LIMIT_S);
		look();
		change();
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "mutant %zu: ended with %s %d",
		      number, WIFSIGNALED(status) ? "signal" : "code",
		      WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

START_TEST(no_damage_is_fatal)
{
	size_t n = support_rounds(300, 10000);
	uint8_t *bytes;

	make_master();
	bytes = malloc(master_len);
	ck_assert_ptr_nonnull(bytes);
	for (size_t i = 0; i < n; i++) {
		random_state = i;
		memcpy(bytes, master, master_len);
		write_store(bytes, mutate(bytes, i));
		expect_survival(i);
	}
	free(bytes);
	free(master);
}
END_TEST

/* The store without damage, so that the above does not pass for want of logins. */
START_TEST(without_damage_all_log_in)
{
	struct mailauth *ctx;

	make_master();
	write_store(master, master_len);
	ctx = open_for(MAILAUTH_OPEN_WRITE);
	ck_assert_ptr_nonnull(ctx);
	for (size_t i = 0; i < N_USERS; i++)
		ck_assert(can_log_in(ctx, i));
	mailauth_free(&ctx);
	free(master);
}
END_TEST

/* ---- under a process that has it open ---- */

static void put_back(void)
{
	int fd = open(store_path, O_WRONLY);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, master, master_len, 0), (ssize_t)master_len);
	ck_assert_int_eq(close(fd), 0);
}

static void expect_all(struct mailauth *ctx)
{
	for (size_t i = 0; i < N_USERS; i++)
		ck_assert_msg(can_log_in(ctx, i), "user%03zu cannot log in: %s", i, log_text.text);
}

START_TEST(survives_a_file_that_is_cut_short)
{
	struct mailauth *ctx;

	make_master();
	ctx = open_for(0);
	ck_assert_ptr_nonnull(ctx);
	for (size_t pages = 0; pages < master_len / PAGE; pages++) {
		size_t n = 0;

		ck_assert_int_eq(truncate(store_path, (off_t)(pages * PAGE)), 0);
		for (size_t i = 0; i < N_USERS; i++)
			n += can_log_in(ctx, i) ? 1 : 0;
		ck_assert(pages > 2 || n == 0);
		list(ctx);
		put_back();
		expect_all(ctx);
	}
	mailauth_free(&ctx);
	free(master);
}
END_TEST

struct busy {
	struct mailauth *ctx;
	atomic_bool is_over;
	atomic_uint n_right;
	atomic_uint n_other;
	atomic_uint n_wrong;
};

static void *log_in_often(void *arg)
{
	struct busy *busy = arg;
	char name[32];

	for (size_t i = 0; !atomic_load(&busy->is_over); i++) {
		enum mailauth_status status;

		name_of(i % N_USERS, name);
		status = mailauth_verify_plain(busy->ctx, &over_tls, name, strlen(name), name,
					       strlen(name), NULL);
		atomic_fetch_add(status == MAILAUTH_OK ? &busy->n_right : &busy->n_other, 1);
		status = mailauth_verify_plain(busy->ctx, &over_tls, name, strlen(name), "x", 1,
					       NULL);
		if (status == MAILAUTH_OK)
			atomic_fetch_add(&busy->n_wrong, 1);
	}
	return NULL;
}

/* What `cp backup accounts.mdb` does to a running server. */
START_TEST(survives_a_copy_over_the_file_while_threads_log_in)
{
	size_t n = support_rounds(100, 2000);
	struct busy busy = {.ctx = NULL};
	struct mailauth_options options = {.size = sizeof(options)};
	pthread_t threads[4];

	make_master();
	options.config = config;
	ck_assert_int_eq(mailauth_open(&options, &busy.ctx), MAILAUTH_OK);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, log_in_often, &busy), 0);
	for (size_t i = 0; i < n; i++) {
		unsigned int before;

		write_store(master, below(master_len));
		put_back();
		before = atomic_load(&busy.n_right);
		while (atomic_load(&busy.n_right) == before)
			(void)usleep(100); /* they have come back */
	}
	atomic_store(&busy.is_over, true);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&busy.n_wrong), 0);
	mailauth_free(&busy.ctx);
	free(master);
}
END_TEST

START_TEST(refuses_to_change_a_file_that_was_replaced)
{
	static char text[] = "changed";
	struct mailauth *ctx;

	make_master();
	ctx = open_for(MAILAUTH_OPEN_WRITE);
	ck_assert_ptr_nonnull(ctx);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(mailauth_user_update(ctx, "user001", set_comment, text),
				 MAILAUTH_OK);
	put_back(); /* an older state, of which LMDB's lock file knows nothing */
	support_log_clear(&log_text);
	ck_assert_int_eq(mailauth_user_update(ctx, "user001", set_comment, text),
			 MAILAUTH_E_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(log_text.text, "was the file replaced?"));
	ck_assert_ptr_nonnull(strstr(log_text.text, store_path));
	mailauth_free(&ctx);
	/* Nobody has it open any more: what stands there counts. */
	ctx = open_for(MAILAUTH_OPEN_WRITE);
	ck_assert_ptr_nonnull(ctx);
	expect_all(ctx);
	ck_assert_int_eq(mailauth_user_update(ctx, "user001", set_comment, text), MAILAUTH_OK);
	expect_all(ctx);
	mailauth_free(&ctx);
	free(master);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("damage");
	TCase *tcase = tcase_create("damage");

	tcase_set_timeout(tcase, 240);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, without_damage_all_log_in);
	tcase_add_test(tcase, no_damage_is_fatal);
	tcase_add_test(tcase, survives_a_file_that_is_cut_short);
	tcase_add_test(tcase, survives_a_copy_over_the_file_while_threads_log_in);
	tcase_add_test(tcase, refuses_to_change_a_file_that_was_replaced);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
