/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_strangers.c - what a SCRAM dialogue tells of an account before anything was proved
 *
 * The server's first message has a salt and an iteration count. A name that is not there, an
 * account that may not log in and one without the hash asked for have to look like any other: the
 * same form, the same each time, nobody else's. And no account that is denied gets the server's
 * signature.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "accounts.h"
#include "support.h"

static const char *const mechs[] = {"SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};
#define MECHS (sizeof(mechs) / sizeof(mechs[0]))

/* What a client sees. */
struct seen {
	size_t len; /* of the whole message */
	char salt[64];
	unsigned long iterations;
};

static const struct mailauth_binding binding = {
	.type = "tls-exporter", .p = "0123456789abcdef", .len = 16};
static const struct mailauth_request with_binding = {
	.size = sizeof(with_binding), .bindings = &binding, .n_bindings = 1};

static struct seen look_for(struct mailauth *ctx, const char *mech,
			    const struct mailauth_request *request, const char *name)
{
	struct seen seen = {.len = 0};
	struct mailauth_session *session;
	char text[512];
	const void *reply;
	int n = snprintf(text, sizeof(text), "%s,,n=%s,r=abc",
			 request == &with_binding ? "p=tls-exporter" : "n", name);

	support_status(name, mailauth_session_new(ctx, mech, request, &session), MAILAUTH_OK);
	support_status(name, mailauth_session_step(session, text, (size_t)n, &reply, &seen.len),
		       MAILAUTH_CONTINUE);
	(void)snprintf(text, sizeof(text), "%.*s", (int)seen.len, (const char *)reply);
	n = 0;
	ck_assert_msg(sscanf(text, "r=abc%*24[A-Za-z0-9+/],s=%63[^,],i=%lu%n", seen.salt,
			     &seen.iterations, &n) == 2 &&
			      (size_t)n == seen.len,
		      "%s: got %s", name, text);
	mailauth_session_free(&session);
	return seen;
}

static struct seen look(struct mailauth *ctx, const char *mech, const char *name)
{
	return look_for(ctx, mech, NULL, name);
}

static void check_same(const char *what, const struct seen *got, const struct seen *want)
{
	ck_assert_msg(strcmp(got->salt, want->salt) == 0, "%s: got salt %s, want %s", what,
		      got->salt, want->salt);
	ck_assert_msg(got->iterations == want->iterations, "%s: got %lu iterations, want %lu", what,
		      got->iterations, want->iterations);
}

/* Nobody, nobody's name, and accounts that lack the hash or may not log in. */
static const char *const names[] = {
	"alice", "locked",  "expires-today", "must-change",  "past-inactive", "groupless",
	"empty", "crypt",   "nobody",	     "nobody2",	     "nobody@b.test", "no body",
	"\xff",	 "nobody@", "nobody@a@b",    "alice@b.test", "nobody3",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

START_TEST(every_name_looks_alike)
{
	struct mailauth *ctx = open_with_accounts("", NULL);

	for (size_t i = 0; i < MECHS; i++) {
		const struct seen alice = look(ctx, mechs[i], "alice");

		ck_assert_uint_eq(alice.iterations, 4096);
		ck_assert_uint_eq(strlen(alice.salt), 24); /* 16 bytes */
		for (size_t j = 0; j < NAMES; j++) {
			const struct seen seen = look(ctx, mechs[i], names[j]);

			ck_assert_msg(seen.len == alice.len,
				      "%s, \"%s\": got %zu bytes, alice gets %zu", mechs[i],
				      names[j], seen.len, alice.len);
			ck_assert_msg(seen.iterations == alice.iterations,
				      "%s, \"%s\": got %lu iterations", mechs[i], names[j],
				      seen.iterations);
		}
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(every_name_has_a_salt_of_its_own_for_each_hash)
{
	static struct seen seen[MECHS * NAMES];
	struct mailauth *ctx = open_with_accounts("", NULL);

	for (size_t i = 0; i < MECHS * NAMES; i++) {
		seen[i] = look(ctx, mechs[i % MECHS], names[i / MECHS]);
		for (size_t j = 0; j < i; j++)
			ck_assert_msg(strcmp(seen[i].salt, seen[j].salt) != 0,
				      "\"%s\" with %s has the salt of \"%s\" with %s",
				      names[i / MECHS], mechs[i % MECHS], names[j / MECHS],
				      mechs[j % MECHS]);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(salt_stays_over_sessions_and_contexts)
{
	static struct seen seen[MECHS * NAMES];
	struct mailauth *ctx = open_with_accounts("", NULL);

	for (size_t i = 0; i < MECHS * NAMES; i++)
		seen[i] = look(ctx, mechs[i % MECHS], names[i / MECHS]);
	for (int round = 0; round < 2; round++) {
		struct mailauth_options options = {.size = sizeof(options),
						   .config = support_path("mailauth.conf")};

		for (size_t i = 0; i < MECHS * NAMES; i++) {
			const struct seen again = look(ctx, mechs[i % MECHS], names[i / MECHS]);

			check_same(names[i / MECHS], &again, &seen[i]);
		}
		if (!support_is_shared())
			break;
		mailauth_free(&ctx); /* another process, in effect */
		support_status("open", mailauth_open(&options, &ctx), MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(salt_does_not_tell_how_a_name_was_written)
{
	static const char *const forms[][2] = {
		{"nobody", "NoBody"},
		{"nobody", "nobody@example.org"},
		{"nobody", "NOBODY@EXAMPLE.ORG"},
		{"alice", "Alice@Example.org"},
		{"locked", "LOCKED"},
		{"crypt", "Crypt@example.org"},
	};
	struct mailauth *ctx = open_with_accounts("", NULL);

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const struct seen one = look(ctx, "SCRAM-SHA-512", forms[i][0]);
		const struct seen two = look(ctx, "SCRAM-SHA-512", forms[i][1]);

		check_same(forms[i][1], &two, &one);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(salt_is_the_same_with_and_without_binding)
{
	struct mailauth *ctx = open_with_accounts("", NULL);

	for (size_t i = 0; i < NAMES; i++) {
		const struct seen one = look(ctx, "SCRAM-SHA-256", names[i]);
		const struct seen two =
			look_for(ctx, "SCRAM-SHA-256-PLUS", &with_binding, names[i]);

		check_same(names[i], &two, &one);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(salt_of_a_stranger_hangs_on_the_key)
{
	struct mailauth *ctx = support_open("", NULL);
	struct seen one = look(ctx, "SCRAM-SHA-256", "nobody");
	struct seen two;

	mailauth_free(&ctx);
	support_reset();
	ctx = support_open("", NULL);
	two = look(ctx, "SCRAM-SHA-256", "nobody");
	ck_assert_str_ne(one.salt, two.salt);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(stranger_has_the_iterations_of_the_configuration)
{
	struct mailauth *ctx = support_open("scram_iterations = 5000\n", NULL);
	struct seen nobody = look(ctx, "SCRAM-SHA-256", "nobody");

	ck_assert_uint_eq(nobody.iterations, 5000);
	mailauth_free(&ctx);
}
END_TEST

/* ---- an account whose state changes ---- */

static enum mailauth_status lock(struct mailauth_user *user, void *arg)
{
	(void)arg;
	return mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, 1);
}

static enum mailauth_status expire(struct mailauth_user *user, void *arg)
{
	(void)arg;
	return mailauth_user_set_number(user, MAILAUTH_NUMBER_EXPIRE, 0);
}

static enum mailauth_status leave_groups(struct mailauth_user *user, void *arg)
{
	(void)arg;
	return mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, "");
}

static enum mailauth_status force_change(struct mailauth_user *user, void *arg)
{
	(void)arg;
	return mailauth_user_set_number(user, MAILAUTH_NUMBER_LAST_CHANGE, 0);
}

START_TEST(denied_account_keeps_its_salt)
{
	static const struct {
		const char *reason;
		mailauth_edit_fn *edit;
	} rows[] = {
		{"locked", lock},
		{"expired", expire},
		{"not-in-group", leave_groups},
		{"must-change", force_change},
	};
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct account account = {"alice", MAILAUTH_NUMBER_UID, 1, true, -1, -1};
		struct seen before[MECHS];

		add_account(ctx, &account);
		for (size_t j = 0; j < MECHS; j++)
			before[j] = look_for(ctx, mechs[j], &smtp_only, "alice");
		support_status("before", support_login(ctx, mechs[1], &smtp_only, "alice", RIGHT),
			       MAILAUTH_OK);
		support_status(rows[i].reason,
			       mailauth_user_update(ctx, "alice", rows[i].edit, NULL), MAILAUTH_OK);
		for (size_t j = 0; j < MECHS; j++) {
			const struct seen after = look_for(ctx, mechs[j], &smtp_only, "alice");

			check_same(rows[i].reason, &after, &before[j]);
		}
		support_log_clear(&log);
		support_status(rows[i].reason,
			       support_login(ctx, mechs[1], &smtp_only, "alice", RIGHT),
			       MAILAUTH_E_DENIED);
		check_log(rows[i].reason, &log, rows[i].reason);
		support_status("delete", mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

/* ---- the end of their dialogues ---- */

/* A right proof, and not a word from the server: that would tell that the password is right. */
START_TEST(denied_account_gets_no_signature)
{
	static const struct {
		const char *name;
		const struct mailauth_request request;
		const char *reason;
	} rows[] = {
#define REQUEST(...) {.size = sizeof(struct mailauth_request), __VA_ARGS__}
#define BOTH(name, reason, ...)                                                                    \
	{name, REQUEST(.flags = 0, __VA_ARGS__), reason},                                          \
	{                                                                                          \
		name, REQUEST(.flags = MAILAUTH_REQUEST_SUCCESS_DATA, __VA_ARGS__), reason         \
	}
		BOTH("locked", "locked", .group = NULL),
		BOTH("expires-today", "expired", .group = NULL),
		BOTH("past-inactive", "password-expired", .group = NULL),
		BOTH("past-max", "must-change", .group = NULL),
		BOTH("groupless", "not-in-group", .group = "smtp"),
		BOTH("empty", "no-secret", .group = NULL),
		BOTH("crypt", "no-secret", .group = NULL),
		BOTH("nobody", "unknown-user", .group = NULL),
		BOTH("no body", "bad-name", .group = NULL),
#undef BOTH
#undef REQUEST
	};
	static const char *const all[] = {"DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256",
					  "SCRAM-SHA-512"};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_accounts("", &log);
	int64_t day = today();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && today() == day; i++) {
		for (size_t j = 0; j < sizeof(all) / sizeof(all[0]); j++) {
			struct support_client client = {.mech = all[j],
							.request = &rows[i].request,
							.user = rows[i].name,
							.password = RIGHT};
			char what[64];

			(void)snprintf(what, sizeof(what), "%s, %s", rows[i].name, all[j]);
			support_log_clear(&log);
			support_status(what, support_client_begin(ctx, &client), MAILAUTH_CONTINUE);
			ck_assert_uint_eq(log.n, 0);
			/* at once: its last message is not answered with data */
			support_status(what,
				       mailauth_session_step(client.session, client.last,
							     client.last_len, &client.reply,
							     &client.reply_len),
				       MAILAUTH_E_DENIED);
			ck_assert_msg(client.reply == NULL && client.reply_len == 0,
				      "%s: got a reply of %zu bytes", what, client.reply_len);
			ck_assert_ptr_null(mailauth_session_user(client.session));
			check_log(what, &log, rows[i].reason);
			mailauth_session_free(&client.session);
			ck_assert_uint_eq(log.n, 1);
		}
	}
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api strangers");
	TCase *tcase = tcase_create("strangers");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, every_name_looks_alike);
	tcase_add_test(tcase, every_name_has_a_salt_of_its_own_for_each_hash);
	tcase_add_test(tcase, salt_stays_over_sessions_and_contexts);
	tcase_add_test(tcase, salt_does_not_tell_how_a_name_was_written);
	tcase_add_test(tcase, salt_is_the_same_with_and_without_binding);
	tcase_add_test(tcase, salt_of_a_stranger_hangs_on_the_key);
	tcase_add_test(tcase, stranger_has_the_iterations_of_the_configuration);
	tcase_add_test(tcase, denied_account_keeps_its_salt);
	tcase_add_test(tcase, denied_account_gets_no_signature);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
