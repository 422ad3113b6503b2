/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_api.c - every public call, with each of its allocations failing
 *
 * See sweep.h. The last test reads the library's map: a public function that no scenario calls is
 * an error. Whatever fails, a wrong password is never right, a right one is never called wrong, the
 * store holds what it held or the whole change, and the next call works.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>
#include <mailauth/verifier.h>

#include "accounts.h"
#include "heap.h"
#include "support.h"
#include "sweep.h"

#define NEW "new Zx81"

static enum mailauth_status left(enum mailauth_status status)
{
	sweep_leave();
	return status;
}

#define CALL(function, ...) (sweep_enter(#function), left(function(__VA_ARGS__)))

/* What CALL() is for functions that have something else to return. */
#define LOOK(function, result, ...)                                                                \
	do {                                                                                       \
		sweep_enter(#function);                                                            \
		(result) = function(__VA_ARGS__);                                                  \
		sweep_leave();                                                                     \
	} while (0)

/* ---- contexts ---- */

static void play_open(bool failing)
{
	struct mailauth *ctx = NULL;
	const char *value = NULL;

	accounts_restore();
	if (!accounts_went_well("open", CALL(mailauth_open, accounts_options(), &ctx), failing)) {
		ck_assert_ptr_null(ctx);
		return;
	}
	sweep_enter("mailauth_set_logger");
	mailauth_set_logger(ctx, NULL, NULL, MAILAUTH_LOG_ERROR);
	sweep_leave();
	LOOK(mailauth_config_get, value, ctx, "default_realm");
	ck_assert_str_eq(value, "example.org");
	accounts_warm_up(ctx);
	sweep_enter("mailauth_free");
	mailauth_free(&ctx);
	sweep_leave();
}

static void play_store_init(bool failing)
{
	struct mailauth *ctx = NULL;

	support_reset();
	accounts_spoil();
	(void)accounts_went_well("init", CALL(mailauth_store_init, accounts_options(), (gid_t)-1),
				 failing);
	support_status("again", mailauth_store_init(accounts_options(), (gid_t)-1), MAILAUTH_OK);
	support_status("open", mailauth_open(accounts_options(), &ctx), MAILAUTH_OK);
	ck_assert_str_eq(accounts_text(ctx), "");
	mailauth_free(&ctx);
}

static void play_names(bool failing)
{
	struct mailauth *ctx = accounts_open();
	struct mailauth_name name = {""};
	size_t n = 0;
	const char *text = NULL;

	if (accounts_went_well("parse", CALL(mailauth_name_parse, ctx, "Alice", &name), failing))
		ck_assert_str_eq(name.text, "alice@example.org");
	support_status("bad", CALL(mailauth_name_parse, ctx, "a b", &name), MAILAUTH_E_USAGE);
	if (accounts_went_well("verifier name",
			       CALL(mailauth_verifier_name, "a.test", "Bob", 3, &name), failing))
		ck_assert_str_eq(name.text, "bob@a.test");
	LOOK(mailauth_mech_count, n, );
	LOOK(mailauth_mech_name, text, n - 1);
	ck_assert_ptr_nonnull(text);
	LOOK(mailauth_status_name, text, MAILAUTH_E_NOMEM);
	ck_assert_str_eq(text, "MAILAUTH_E_NOMEM");
	LOOK(mailauth_version, text, );
	ck_assert_ptr_nonnull(text);
	mailauth_free(&ctx);
}

/* ---- logins ---- */

/* What support_client.c calls, by way of the linker's --wrap: its own memory does not run out. */
enum mailauth_status __real_mailauth_session_new(struct mailauth *ctx, const char *mech,
						 const struct mailauth_request *request,
						 struct mailauth_session **session_out);
enum mailauth_status __wrap_mailauth_session_new(struct mailauth *ctx, const char *mech,
						 const struct mailauth_request *request,
						 struct mailauth_session **session_out);
enum mailauth_status __real_mailauth_session_step(struct mailauth_session *session, const void *in,
						  size_t in_len, const void **reply_out,
						  size_t *reply_len_out);
enum mailauth_status __wrap_mailauth_session_step(struct mailauth_session *session, const void *in,
						  size_t in_len, const void **reply_out,
						  size_t *reply_len_out);
const char *__real_mailauth_session_user(const struct mailauth_session *session);
const char *__wrap_mailauth_session_user(const struct mailauth_session *session);
void __real_mailauth_session_free(struct mailauth_session **session);
void __wrap_mailauth_session_free(struct mailauth_session **session);

enum mailauth_status __wrap_mailauth_session_new(struct mailauth *ctx, const char *mech,
						 const struct mailauth_request *request,
						 struct mailauth_session **session_out)
{
	sweep_enter("mailauth_session_new");
	return left(__real_mailauth_session_new(ctx, mech, request, session_out));
}

enum mailauth_status __wrap_mailauth_session_step(struct mailauth_session *session, const void *in,
						  size_t in_len, const void **reply_out,
						  size_t *reply_len_out)
{
	sweep_enter("mailauth_session_step");
	return left(__real_mailauth_session_step(session, in, in_len, reply_out, reply_len_out));
}

const char *__wrap_mailauth_session_user(const struct mailauth_session *session)
{
	const char *user;

	sweep_enter("mailauth_session_user");
	user = __real_mailauth_session_user(session);
	sweep_leave();
	return user;
}

void __wrap_mailauth_session_free(struct mailauth_session **session)
{
	sweep_enter("mailauth_session_free");
	__real_mailauth_session_free(session);
	sweep_leave();
}

/* A wrong proof, and that of somebody unknown. */
static void check_wrong(const char *what, enum mailauth_status status, bool failing)
{
	if (status != MAILAUTH_E_DENIED && accounts_went_well(what, status, failing)) {
		heap_print_failure();
		ck_abort_msg("%s: logged in", what);
	}
}

static void log_in(struct mailauth *ctx, const char *mech, bool failing)
{
	check_wrong(mech, support_login(ctx, mech, &accounts_request, "alice", WRONG), failing);
	check_wrong(mech, support_login(ctx, mech, &accounts_request, "nobody", RIGHT), failing);
	check_wrong(mech, support_login(ctx, mech, &accounts_request, "locked", RIGHT), failing);
	(void)accounts_went_well(mech, support_login(ctx, mech, &accounts_request, "alice", RIGHT),
				 failing);
	support_status("the next login", accounts_verify(ctx, "alice", RIGHT), MAILAUTH_OK);
}

/* Every mechanism, with OpenSSL up and a worker at hand. */
static const char *mech_played;

static void play_session(bool failing)
{
	struct mailauth *ctx = accounts_open();

	log_in(ctx, mech_played, failing);
	mailauth_free(&ctx);
}

/* The first login of a process starts OpenSSL, which allocates thousands of times. */
static void play_first_login(bool failing)
{
	struct mailauth *ctx = NULL;
	struct mailauth_name name;

	accounts_restore();
	support_status("open", mailauth_open(accounts_options(), &ctx), MAILAUTH_OK);
	(void)accounts_went_well("first",
				 CALL(mailauth_verify_plain, ctx, &accounts_request, "alice", 5,
				      RIGHT, strlen(RIGHT), &name),
				 failing);
	support_status("the next login", accounts_verify(ctx, "alice", RIGHT), MAILAUTH_OK);
	mailauth_free(&ctx);
}

static void play_verify_plain(bool failing)
{
	struct mailauth *ctx = accounts_open();
	struct mailauth_name name;

	check_wrong("plain",
		    CALL(mailauth_verify_plain, ctx, &accounts_request, "alice", 5, WRONG,
			 strlen(WRONG), &name),
		    failing);
	check_wrong("crypt",
		    CALL(mailauth_verify_plain, ctx, &accounts_request, "crypt", 5, WRONG,
			 strlen(WRONG), &name),
		    failing);
	(void)accounts_went_well("plain",
				 CALL(mailauth_verify_plain, ctx, &accounts_request, "alice", 5,
				      RIGHT, strlen(RIGHT), &name),
				 failing);
	support_status("the next login", accounts_verify(ctx, "alice", RIGHT), MAILAUTH_OK);
	mailauth_free(&ctx);
}

/* RFC 2195 section 2 and RFC 1939 section 7, both with the secret "RIGHT". */
static void play_verify_others(bool failing)
{
	static const char cram[] = "alice 00000000000000000000000000000000";
	struct mailauth *ctx = accounts_open();
	struct mailauth_timestamp timestamp;
	struct mailauth_name name;

	check_wrong("cram",
		    CALL(mailauth_verify_cram, ctx, &accounts_request, "<1@a>", 5, cram,
			 strlen(cram), &name),
		    failing);
	if (accounts_went_well("timestamp",
			       CALL(mailauth_apop_timestamp, ctx, &accounts_request, &timestamp),
			       failing))
		check_wrong("apop",
			    CALL(mailauth_verify_apop, ctx, &accounts_request, timestamp.text,
				 "alice", 5, cram + 6, 32, &name),
			    failing);
	support_status("the next login", accounts_verify(ctx, "alice", RIGHT), MAILAUTH_OK);
	mailauth_free(&ctx);
}

static void count_verifier(void *arg, enum mailauth_verifier kind, const void *p, size_t len)
{
	bool was_inside = heap_pause();
	unsigned int *kinds = arg;

	ck_assert_ptr_nonnull(p);
	ck_assert_uint_gt(len, 0);
	*kinds |= (unsigned int)kind;
	heap_resume(was_inside);
}

static void play_verifier(bool failing)
{
	static const char *const users[] = {"alice", "nobody", "locked"};
	const unsigned int all = 255;
	struct mailauth *ctx = accounts_open();

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		unsigned int kinds = 0;
		enum mailauth_status status =
			CALL(mailauth_verifier_get, ctx, &accounts_request, users[i],
			     strlen(users[i]), all, count_verifier, &kinds);

		if (accounts_went_well(users[i], status, failing))
			ck_assert_uint_ne(kinds, 0);
	}
	support_status("the next login", accounts_verify(ctx, "alice", RIGHT), MAILAUTH_OK);
	mailauth_free(&ctx);
}

/* ---- accounts in memory ---- */

static void look_at(const struct mailauth_user *user)
{
	char secret[MAILAUTH_SECRET_TEXT_MAX];
	const char *text = NULL;
	int64_t number = 0;
	bool can = false;

	LOOK(mailauth_user_name, text, user);
	LOOK(mailauth_user_text, text, user, MAILAUTH_TEXT_GROUPS);
	ck_assert_ptr_nonnull(text);
	LOOK(mailauth_user_number, number, user, MAILAUTH_NUMBER_UID);
	LOOK(mailauth_user_secret, text, user, 0);
	if (text != NULL)
		support_status("secret", CALL(mailauth_user_secret_text, user, 0, 0, secret),
			       MAILAUTH_OK);
	LOOK(mailauth_user_weakest, text, user);
	LOOK(mailauth_user_can, can, user, "CRAM-MD5", NULL);
	LOOK(mailauth_user_state, text, user);
	(void)number;
	(void)can;
}

static void edit_all(struct mailauth_user *user, bool failing)
{
	static const char states[] =
		"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	size_t n = 0;

	(void)accounts_went_well(
		"text", CALL(mailauth_user_set_text, user, MAILAUTH_TEXT_GROUPS, "b,a"), failing);
	(void)accounts_went_well(
		"number", CALL(mailauth_user_set_number, user, MAILAUTH_NUMBER_RECOVERABLE, 1),
		failing);
	(void)accounts_went_well("password",
				 CALL(mailauth_user_set_password, user, NEW, strlen(NEW)), failing);
	(void)accounts_went_well("secret", CALL(mailauth_user_put_secret, user, "cram-md5", states),
				 failing);
	(void)accounts_went_well("rename", CALL(mailauth_user_rename, user, "carol"), failing);
	look_at(user);
	(void)accounts_went_well("derive", CALL(mailauth_user_derive, user, NEW, strlen(NEW), &n),
				 failing);
	(void)accounts_went_well(
		"crypt", CALL(mailauth_user_set_crypt, user, "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/"),
		failing);
	sweep_enter("mailauth_user_clear_secrets");
	mailauth_user_clear_secrets(user);
	sweep_leave();
	look_at(user);
}

static void play_memory(bool failing)
{
	struct mailauth *ctx = accounts_open();
	const char *before = accounts_text(ctx);
	struct mailauth_user *user = NULL;

	if (accounts_went_well("new", CALL(mailauth_user_new, ctx, "bob", &user), failing))
		edit_all(user, failing);
	else
		ck_assert_ptr_null(user);
	sweep_enter("mailauth_user_free");
	mailauth_user_free(&user);
	sweep_leave();
	ck_assert_ptr_null(user);
	ck_assert_str_eq(before, accounts_text(ctx));
	mailauth_free(&ctx);
}

/* ---- changes ---- */

/* One change, all of which is made or nothing. */
struct change {
	const char *name;
	enum mailauth_status (*make)(struct mailauth *ctx);
	/* Is it whole? Not called if it was not made. */
	void (*check)(struct mailauth *ctx);
};

static const struct change *change_played;

static void play_change(bool failing)
{
	const struct change *change = change_played;
	struct mailauth *ctx = accounts_open();
	const char *before = accounts_text(ctx);
	enum mailauth_status status = change->make(ctx);
	const char *after;

	sweep_relent();
	after = accounts_text(ctx);

	if (accounts_went_well(change->name, status, failing)) {
		accounts_spoil();
		ck_assert_str_ne(before, after);
		change->check(ctx);
	} else {
		ck_assert_str_eq(before, after);
		support_status("the old password", accounts_verify(ctx, "alice", RIGHT),
			       MAILAUTH_OK);
		support_status("the next change", change->make(ctx), MAILAUTH_OK);
		accounts_spoil();
		change->check(ctx);
	}
	mailauth_free(&ctx);
}

static void check_password(struct mailauth *ctx, const char *name, const char *right,
			   const char *wrong)
{
	static const char *const mechs[] = {"PLAIN", "CRAM-MD5", "SCRAM-SHA-256"};

	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++) {
		support_status(mechs[i],
			       support_login(ctx, mechs[i], &accounts_request, name, wrong),
			       MAILAUTH_E_DENIED);
		support_status(mechs[i],
			       support_login(ctx, mechs[i], &accounts_request, name, right),
			       MAILAUTH_OK);
	}
}

static enum mailauth_status make_add(struct mailauth *ctx)
{
	struct mailauth_user *user = NULL;
	enum mailauth_status status = CALL(mailauth_user_new, ctx, "bob", &user);

	if (status == MAILAUTH_OK)
		status = CALL(mailauth_user_set_password, user, NEW, strlen(NEW));
	if (status == MAILAUTH_OK)
		status = CALL(mailauth_user_add, user);
	mailauth_user_free(&user);
	return status;
}

static void check_bob(struct mailauth *ctx)
{
	support_status("bob", accounts_verify(ctx, "bob", NEW), MAILAUTH_OK);
	support_status("bob", accounts_verify(ctx, "bob", WRONG), MAILAUTH_E_DENIED);
	support_status("alice", accounts_verify(ctx, "alice", RIGHT), MAILAUTH_OK);
}

static enum mailauth_status set_new(struct mailauth_user *user, void *arg)
{
	const char *password = arg;

	return mailauth_user_set_password(user, password, strlen(password));
}

static enum mailauth_status make_update(struct mailauth *ctx)
{
	char password[] = NEW;

	return CALL(mailauth_user_update, ctx, "alice", set_new, password);
}

static void check_new_password(struct mailauth *ctx)
{
	check_password(ctx, "alice", NEW, RIGHT);
}

static enum mailauth_status rename_it(struct mailauth_user *user, void *arg)
{
	(void)arg;
	return mailauth_user_rename(user, "carol");
}

static enum mailauth_status make_rename(struct mailauth *ctx)
{
	return CALL(mailauth_user_update, ctx, "alice", rename_it, NULL);
}

static void check_carol(struct mailauth *ctx)
{
	support_status("carol", accounts_verify(ctx, "carol", RIGHT), MAILAUTH_OK);
	support_status("alice", accounts_verify(ctx, "alice", RIGHT), MAILAUTH_E_DENIED);
}

static enum mailauth_status make_del(struct mailauth *ctx)
{
	return CALL(mailauth_user_del, ctx, "gone");
}

static void check_gone(struct mailauth *ctx)
{
	support_status("gone", mailauth_user_del(ctx, "gone"), MAILAUTH_E_NOTFOUND);
	support_status("alice", accounts_verify(ctx, "alice", RIGHT), MAILAUTH_OK);
}

static enum mailauth_status make_capture(struct mailauth *ctx)
{
	enum mailauth_status status = CALL(mailauth_capture, ctx, "crypt", WRONG, strlen(WRONG));

	if (status != MAILAUTH_E_DENIED)
		return status != MAILAUTH_OK ? status : MAILAUTH_E_CORRUPT;
	return CALL(mailauth_capture, ctx, "crypt", RIGHT, strlen(RIGHT));
}

static void check_captured(struct mailauth *ctx)
{
	check_password(ctx, "crypt", RIGHT, WRONG);
}

/* Five accounts: added, changed, renamed, deleted. */
static enum mailauth_status fill_batch(struct mailauth *ctx, struct mailauth_batch *batch)
{
	struct mailauth_user *bob = NULL;
	struct mailauth_user *alice = NULL;
	enum mailauth_status status = CALL(mailauth_user_new, ctx, "bob", &bob);

	if (status == MAILAUTH_OK)
		status = CALL(mailauth_user_set_password, bob, NEW, strlen(NEW));
	if (status == MAILAUTH_OK)
		status = CALL(mailauth_batch_put, batch, bob);
	if (status == MAILAUTH_OK)
		status = CALL(mailauth_user_get, ctx, "alice", &alice);
	if (status == MAILAUTH_OK)
		status = CALL(mailauth_user_rename, alice, "carol");
	if (status == MAILAUTH_OK)
		status = CALL(mailauth_batch_put, batch, alice);
	if (status == MAILAUTH_OK)
		status = CALL(mailauth_batch_del, batch, "gone");
	if (status == MAILAUTH_OK)
		status = CALL(mailauth_batch_del, batch, "locked");
	mailauth_user_free(&bob);
	mailauth_user_free(&alice);
	return status;
}

static enum mailauth_status make_batch(struct mailauth *ctx)
{
	struct mailauth_batch *batch = NULL;
	struct mailauth_name conflict;
	enum mailauth_status status = CALL(mailauth_batch_new, ctx, &batch);
	size_t n = 0;

	if (status == MAILAUTH_OK)
		status = fill_batch(ctx, batch);
	LOOK(mailauth_batch_count, n, batch);
	if (status == MAILAUTH_OK) {
		ck_assert_uint_eq(n, 5);
		status = CALL(mailauth_batch_commit, batch, &conflict);
	}
	sweep_enter("mailauth_batch_free");
	mailauth_batch_free(&batch);
	sweep_leave();
	return status;
}

static void check_batch(struct mailauth *ctx)
{
	support_status("bob", accounts_verify(ctx, "bob", NEW), MAILAUTH_OK);
	check_carol(ctx);
	support_status("gone", mailauth_user_del(ctx, "gone"), MAILAUTH_E_NOTFOUND);
	support_status("locked", mailauth_user_del(ctx, "locked"), MAILAUTH_E_NOTFOUND);
}

static const struct change changes[] = {
	{"user_add", make_add, check_bob},
	{"user_update", make_update, check_new_password},
	{"user_update renames", make_rename, check_carol},
	{"user_del", make_del, check_gone},
	{"capture", make_capture, check_captured},
	{"batch", make_batch, check_batch},
};

/* A login that captures is a login first: it succeeds where only the capture fails. */
static void play_capturing_login(bool failing)
{
	struct mailauth *ctx = accounts_open();
	const char *before = accounts_text(ctx);
	const char *after;

	(void)accounts_went_well("login",
				 CALL(mailauth_verify_plain, ctx, &accounts_request, "crypt", 5,
				      RIGHT, strlen(RIGHT), NULL),
				 failing);
	sweep_relent();
	after = accounts_text(ctx);
	if (strcmp(before, after) != 0)
		check_captured(ctx);
	else
		ck_assert(failing);
	accounts_spoil();
	mailauth_free(&ctx);
}

/* ---- the store as a whole ---- */

static void play_list(bool failing)
{
	struct mailauth *ctx = accounts_open();
	struct mailauth_name cursor = {""};
	struct mailauth_user *user = NULL;
	enum mailauth_status status = CALL(mailauth_user_next, ctx, &cursor, &user);
	int n = 0;

	while (status == MAILAUTH_OK) {
		mailauth_user_free(&user);
		n++;
		status = CALL(mailauth_user_next, ctx, &cursor, &user);
	}
	ck_assert_ptr_null(user);
	if (status == MAILAUTH_E_NOTFOUND)
		ck_assert_int_eq(n, 4);
	else
		(void)accounts_went_well("list", status, failing);
	(void)accounts_went_well("get", CALL(mailauth_user_get, ctx, "alice", &user), failing);
	mailauth_user_free(&user);
	support_status("the next login", accounts_verify(ctx, "alice", RIGHT), MAILAUTH_OK);
	mailauth_free(&ctx);
}

static void play_check(bool failing)
{
	struct mailauth *ctx = accounts_open();
	struct mailauth_store_stat stat = {.size = sizeof(stat)};
	uint64_t n_good = 0;
	uint64_t n_damaged = 0;

	if (accounts_went_well("stat", CALL(mailauth_store_stat, ctx, &stat), failing))
		ck_assert_uint_eq(stat.n_accounts, 4);
	if (accounts_went_well("check", CALL(mailauth_store_check, ctx, &n_good, &n_damaged),
			       failing))
		ck_assert_uint_eq(n_good, 4);
	ck_assert_uint_eq(n_damaged, 0);
	mailauth_free(&ctx);
}

static void play_copy(bool failing)
{
	struct mailauth *ctx = accounts_open();
	const char *before = accounts_text(ctx);
	char url[300];
	uint64_t n = 0;

	(void)unlink(support_path("copy.mdb"));
	(void)unlink(support_path("copy.mdb-lock"));
	(void)snprintf(url, sizeof(url), "lmdb:%s", support_path("copy.mdb"));
	/* Where it failed there is nothing in the way of the next attempt. */
	if (!accounts_went_well("copy", CALL(mailauth_store_copy, ctx, url, (gid_t)-1, &n),
				failing))
		support_status("again", mailauth_store_copy(ctx, url, (gid_t)-1, &n), MAILAUTH_OK);
	ck_assert_uint_eq(n, 4);
	ck_assert_str_eq(before, accounts_text(ctx));
	mailauth_free(&ctx);
}

static enum mailauth_rekey step_played;

/* After PREPARE and SEAL nothing is pruned before it is sealed: every account opens at any time. */
static void play_rekey(bool failing)
{
	char before[65536];
	struct mailauth *ctx;
	uint64_t n = 0;

	accounts_restore();
	accounts_spoil();
	for (int step = MAILAUTH_REKEY_PREPARE; step < (int)step_played; step++)
		support_status(
			"steps before",
			mailauth_store_rekey(accounts_options(), (enum mailauth_rekey)step, NULL),
			MAILAUTH_OK);
	support_status("open", mailauth_open(accounts_options(), &ctx), MAILAUTH_OK);
	(void)snprintf(before, sizeof(before), "%s", accounts_text(ctx));
	mailauth_free(&ctx);
	if (!accounts_went_well("rekey",
				CALL(mailauth_store_rekey, accounts_options(), step_played, &n),
				failing))
		support_status("again", mailauth_store_rekey(accounts_options(), step_played, &n),
			       MAILAUTH_OK);
	support_status("open", mailauth_open(accounts_options(), &ctx), MAILAUTH_OK);
	ck_assert_str_eq(before, accounts_text(ctx));
	support_status("the next login", accounts_verify(ctx, "alice", RIGHT), MAILAUTH_OK);
	mailauth_free(&ctx);
}

/* ---- tests ---- */

static const struct sweep sweeps[] = {
	{"open", play_open},
	{"store_init", play_store_init},
	{"names and texts", play_names},
	{"the first login", play_first_login},
	{"verify_plain", play_verify_plain},
	{"verify_cram and APOP", play_verify_others},
	{"verifier_get", play_verifier},
	{"an account in memory", play_memory},
	{"a login that captures", play_capturing_login},
	{"list", play_list},
	{"stat and check", play_check},
	{"copy", play_copy},
};

START_TEST(calls_survive_lack_of_memory)
{
	sweep_run(&sweeps[_i]);
}
END_TEST

START_TEST(sessions_survive_lack_of_memory)
{
	struct sweep sweep = {.play = play_session};

	for (size_t i = 0; i < mailauth_mech_count(); i++) {
		mech_played = sweep.name = mailauth_mech_name(i);
		sweep_run(&sweep);
	}
}
END_TEST

START_TEST(changes_are_made_whole_or_not_at_all)
{
	const struct sweep sweep = {.name = changes[_i].name, .play = play_change};

	change_played = &changes[_i];
	sweep_run(&sweep);
}
END_TEST

START_TEST(rekeying_loses_no_account)
{
	static const char *const names[] = {"rekey: prepare", "rekey: seal", "rekey: prune"};
	const struct sweep sweep = {.name = names[_i], .play = play_rekey};

	step_played = (enum mailauth_rekey)_i;
	sweep_run(&sweep);
}
END_TEST

/* The exported symbols, one a line: "\tmailauth_open;". */
START_TEST(no_public_function_is_left_out)
{
	const char *path = getenv("MAILAUTH_MAP");
	FILE *map = path != NULL ? fopen(path, "r") : NULL;
	char line[256];
	char name[128];
	int n = 0;

	ck_assert_msg(map != NULL, "MAILAUTH_MAP is not set to lib/libmailauth.map");
	while (fgets(line, sizeof(line), map) != NULL) {
		if (sscanf(line, " mailauth_%100[a-z0-9_];", name) != 1)
			continue;
		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(line + 1, ";"), line + 1);
		ck_assert_msg(
			sweep_was_called(name),
			"%s is called in no scenario: add it to one in tests/alloc/test_api.c",
			name);
		n++;
	}
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(fclose(map), 0);
	printf("# %d public functions\n", n);
	sweep_print_total();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("alloc api");
	TCase *tcase = tcase_create("sweep");

	/* The last test has to know what the others called. */
	if (!accounts_prepare())
		return 1;
	tcase_add_unchecked_fixture(tcase, accounts_make, NULL);
	tcase_add_loop_test(tcase, calls_survive_lack_of_memory, 0,
			    sizeof(sweeps) / sizeof(sweeps[0]));
	tcase_add_test(tcase, sessions_survive_lack_of_memory);
	tcase_add_loop_test(tcase, changes_are_made_whole_or_not_at_all, 0,
			    sizeof(changes) / sizeof(changes[0]));
	tcase_add_loop_test(tcase, rekeying_loses_no_account, MAILAUTH_REKEY_PREPARE,
			    MAILAUTH_REKEY_PRUNE + 1);
	tcase_add_test(tcase, no_public_function_is_left_out);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
