/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pam.c - the PAM module, called by the real libpam
 *
 * Services stand in a folder of the test's own, with the path of the module as it was built. Where
 * a stack needs another module that knows a password, that is pam_mailauth again, with a store of
 * its own. libpam's waiting after a failure is noted and not done. What needs a system, a caller
 * who is not root, a log, pam_unix, is in tests/e2e/test_pam.py.
 */
#include <security/pam_appl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "support.h"

#define RIGHT "right Zx81"
#define WRONG "wrong Zx81"

extern char **environ;

static const char *module(void)
{
	const char *path = getenv("MAILAUTH_PAM_MODULE");

	ck_assert_msg(path != NULL, "MAILAUTH_PAM_MODULE is not set: run this with meson test");
	return path;
}

/* ---- an application ---- */

struct app {
	const char *password;  /* NULL: the conversation fails */
	const char *retyped;   /* NULL: the same */
	char said[256];	       /* the module's last message */
	unsigned int n_asked;  /* for passwords */
	unsigned int delay_us; /* that libpam would have waited */
	pam_handle_t *pamh;
	struct pam_conv conv;
};

static int converse(int n, const struct pam_message **messages, struct pam_response **responses_out,
		    void *arg)
{
	struct app *app = arg;
	struct pam_response *responses;

	if (app->password == NULL)
		return PAM_CONV_ERR;
	responses = calloc((size_t)n, sizeof(*responses));
	ck_assert_ptr_nonnull(responses);
	for (int i = 0; i < n; i++) {
		bool is_again = strncmp(messages[i]->msg, "Retype", 6) == 0;

		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF) {
			responses[i].resp = strdup(
				is_again && app->retyped != NULL ? app->retyped : app->password);
			app->n_asked++;
		} else {
			(void)snprintf(app->said, sizeof(app->said), "%s", messages[i]->msg);
		}
	}
	*responses_out = responses;
	return PAM_SUCCESS;
}

static void note_delay(int status, unsigned int delay_us, void *arg)
{
	struct app *app = arg;

	if (status != PAM_SUCCESS)
		app->delay_us = delay_us;
}

static void start(struct app *app, const char *service, const char *user)
{
	void (*delay)(int, unsigned int, void *) = note_delay;
	const void *item;

	memcpy(&item, &delay, sizeof(item));
	app->conv = (struct pam_conv){converse, app};
	ck_assert_int_eq(pam_start_confdir(service, user, &app->conv, support_folder(), &app->pamh),
			 0);
	ck_assert_int_eq(pam_set_item(app->pamh, PAM_FAIL_DELAY, item), PAM_SUCCESS);
}

static void stop(struct app *app, int code)
{
	ck_assert_int_eq(pam_end(app->pamh, code), PAM_SUCCESS);
	app->pamh = NULL;
}

static void check_code(const char *what, int got, int want)
{
	ck_assert_msg(got == want, "%s: got %d (%s), want %d (%s)", what, got,
		      pam_strerror(NULL, got), want, pam_strerror(NULL, want));
}

/* pam_authenticate() on a handle of its own. */
static int authenticate(const char *service, const char *user, const char *password)
{
	struct app app = {.password = password};
	int code;

	start(&app, service, user);
	code = pam_authenticate(app.pamh, 0);
	stop(&app, code);
	return code;
}

static int account(const char *service, const char *user, char said[256])
{
	struct app app = {.password = ""};
	int code;

	start(&app, service, user);
	code = pam_acct_mgmt(app.pamh, 0);
	if (said != NULL)
		memcpy(said, app.said, sizeof(app.said));
	stop(&app, code);
	return code;
}

static int change(const char *service, const char *user, struct app *app, int flags)
{
	int code;

	start(app, service, user);
	code = pam_chauthtok(app->pamh, flags);
	stop(app, code);
	return code;
}

/* ---- accounts and services ---- */

/* Writes a service. In @lines, M is the module, C its config= argument, B that of other_store(). */
static void service(const char *name, const char *lines)
{
	char text[4096];
	size_t len = 0;

	for (const char *p = lines; *p != '\0'; p++) {
		const char *more = *p == 'M'   ? module()
				   : *p == 'C' ? "config="
				   : *p == 'B' ? "config="
					       : NULL;
		const char *file = *p == 'C'   ? support_path("mailauth.conf")
				   : *p == 'B' ? support_path("other.conf")
					       : "";

		len += (size_t)(more != NULL ? snprintf(text + len, sizeof(text) - len, "%s%s",
							more, file)
					     : snprintf(text + len, sizeof(text) - len, "%c", *p));
		ck_assert_uint_lt(len, sizeof(text));
	}
	(void)support_file(name, text, len);
}

static void services(void)
{
	service("mail", "auth required M C\naccount required M C\n"
			"password required M C\nsession required M C\n");
	service("smtp", "auth required M C\naccount required M C group=smtp\n");
	service("other-realm", "auth required M C realm=other.test\n"
			       "account required M C realm=other.test\n");
}

static int64_t today(void)
{
	return (int64_t)time(NULL) / 86400;
}

static struct mailauth_user *new_user(struct mailauth *ctx, const char *name, const char *password)
{
	struct mailauth_user *user = NULL;

	support_status(name, mailauth_user_new(ctx, name, &user), MAILAUTH_OK);
	if (password != NULL)
		support_status(name, mailauth_user_set_password(user, password, strlen(password)),
			       MAILAUTH_OK);
	return user;
}

static void add_user(struct mailauth_user *user)
{
	support_status("add", mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

static void add_aged(struct mailauth *ctx, const char *name, enum mailauth_number which,
		     int64_t value)
{
	struct mailauth_user *user = new_user(ctx, name, RIGHT);

	support_status(name, mailauth_user_set_number(user, MAILAUTH_NUMBER_MAX, 10), MAILAUTH_OK);
	support_status(name, mailauth_user_set_number(user, MAILAUTH_NUMBER_WARN, 3), MAILAUTH_OK);
	support_status(name, mailauth_user_set_number(user, MAILAUTH_NUMBER_INACTIVE, 5),
		       MAILAUTH_OK);
	support_status(name, mailauth_user_set_number(user, which, value), MAILAUTH_OK);
	add_user(user);
}

static void add_users(struct mailauth *ctx)
{
	struct mailauth_user *user = new_user(ctx, "alice", RIGHT);

	support_status("alice", mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, "imap,smtp"),
		       MAILAUTH_OK);
	add_user(user);
	user = new_user(ctx, "near", RIGHT); /* groups whose names contain the one asked for */
	support_status("near",
		       mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, "asmtp,smtp2,smt"),
		       MAILAUTH_OK);
	add_user(user);
	add_user(new_user(ctx, "alice@other.test", "other Zx81"));
	add_user(new_user(ctx, "empty", NULL));
	add_aged(ctx, "locked", MAILAUTH_NUMBER_LOCKED, 1);
	add_aged(ctx, "expired", MAILAUTH_NUMBER_EXPIRE, today());
	add_aged(ctx, "must-change", MAILAUTH_NUMBER_LAST_CHANGE, 0);
	add_aged(ctx, "warned", MAILAUTH_NUMBER_LAST_CHANGE, today() - 8);
	add_aged(ctx, "past-max", MAILAUTH_NUMBER_LAST_CHANGE, today() - 11);
	add_aged(ctx, "past-inactive", MAILAUTH_NUMBER_LAST_CHANGE, today() - 16);
}

/* A context for the test itself, with the accounts and services above. */
static struct mailauth *open_all(void)
{
	struct mailauth *ctx = support_open("", NULL);

	add_users(ctx);
	services();
	return ctx;
}

static void check_login(const char *what, struct mailauth *ctx, const char *mech, const char *user,
			const char *password, enum mailauth_status want)
{
	const struct mailauth_request request = {
		.size = sizeof(request), .flags = MAILAUTH_REQUEST_TLS, .realm = "example.org"};

	support_status(what, support_login(ctx, mech, &request, user, password), want);
}

/* ---- auth and account ---- */

static const char long_name[] =
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

START_TEST(judges_the_password_in_auth_and_the_rest_in_account)
{
	static const struct {
		const char *service;
		const char *user;
		const char *password;
		int auth;
		int account;
	} rows[] = {
		{"mail", "alice", RIGHT, PAM_SUCCESS, PAM_SUCCESS},
		{"mail", "Alice@Example.ORG", RIGHT, PAM_SUCCESS, PAM_SUCCESS},
		{"mail", "alice", WRONG, PAM_AUTH_ERR, PAM_SUCCESS},
		{"mail", "alice", "", PAM_AUTH_ERR, PAM_SUCCESS},
		{"mail", "alice", NULL, PAM_CONV_ERR, PAM_SUCCESS},
		{"mail", "nobody", RIGHT, PAM_USER_UNKNOWN, PAM_USER_UNKNOWN},
		{"mail", "nobody", "", PAM_USER_UNKNOWN, PAM_USER_UNKNOWN},
		{"mail", "a b", RIGHT, PAM_USER_UNKNOWN, PAM_USER_UNKNOWN},
		{"mail", "alice@", RIGHT, PAM_USER_UNKNOWN, PAM_USER_UNKNOWN},
		{"mail", long_name, RIGHT, PAM_USER_UNKNOWN, PAM_USER_UNKNOWN},
		{"mail", "locked", RIGHT, PAM_AUTH_ERR, PAM_PERM_DENIED},
		{"mail", "expired", RIGHT, PAM_SUCCESS, PAM_ACCT_EXPIRED},
		{"mail", "expired", WRONG, PAM_AUTH_ERR, PAM_ACCT_EXPIRED},
		{"mail", "must-change", RIGHT, PAM_SUCCESS, PAM_NEW_AUTHTOK_REQD},
		{"mail", "must-change", WRONG, PAM_AUTH_ERR, PAM_NEW_AUTHTOK_REQD},
		{"mail", "past-max", RIGHT, PAM_SUCCESS, PAM_NEW_AUTHTOK_REQD},
		{"mail", "past-inactive", RIGHT, PAM_SUCCESS, PAM_AUTHTOK_EXPIRED},
		{"mail", "empty", RIGHT, PAM_AUTH_ERR, PAM_SUCCESS},
		{"smtp", "alice", RIGHT, PAM_SUCCESS, PAM_SUCCESS},
		{"smtp", "near", RIGHT, PAM_SUCCESS, PAM_PERM_DENIED},
		{"smtp", "must-change", RIGHT, PAM_SUCCESS, PAM_PERM_DENIED},
		{"other-realm", "alice", "other Zx81", PAM_SUCCESS, PAM_SUCCESS},
		{"other-realm", "alice", RIGHT, PAM_AUTH_ERR, PAM_SUCCESS},
		{"other-realm", "alice@example.org", RIGHT, PAM_SUCCESS, PAM_SUCCESS},
		{"other-realm", "locked", RIGHT, PAM_USER_UNKNOWN, PAM_USER_UNKNOWN},
		{"other-realm", long_name, RIGHT, PAM_USER_UNKNOWN, PAM_USER_UNKNOWN},
	};
	struct mailauth *ctx = open_all();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char what[128];

		(void)snprintf(what, sizeof(what), "row %zu: %.20s in %s", i, rows[i].user,
			       rows[i].service);
		check_code(what, authenticate(rows[i].service, rows[i].user, rows[i].password),
			   rows[i].auth);
		check_code(what, account(rows[i].service, rows[i].user, NULL), rows[i].account);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(refuses_passwords_and_names_of_a_megabyte)
{
	struct mailauth *ctx = open_all();
	size_t len = 1024 * (size_t)1024;
	char *text = malloc(len + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', len);
	text[len] = '\0';
	check_code("password", authenticate("mail", "alice", text), PAM_AUTH_ERR);
	check_code("unknown user", authenticate("mail", "nobody", text), PAM_USER_UNKNOWN);
	check_code("name", authenticate("mail", text, RIGHT), PAM_USER_UNKNOWN);
	check_code("name", authenticate("other-realm", text, RIGHT), PAM_USER_UNKNOWN);
	check_code("name", account("other-realm", text, NULL), PAM_USER_UNKNOWN);
	check_code("afterwards", authenticate("mail", "alice", RIGHT), PAM_SUCCESS);
	free(text);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(asks_for_two_seconds_after_a_failure)
{
	static const char *const users[] = {"alice", "nobody", "locked"};
	struct mailauth *ctx = open_all();

	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		struct app app = {.password = WRONG};
		int code;

		start(&app, "mail", users[i]);
		code = pam_authenticate(app.pamh, 0);
		stop(&app, code);
		ck_assert_int_ne(code, PAM_SUCCESS);
		/* pam_fail_delay(3): up to a half more or less, by chance */
		ck_assert_msg(app.delay_us >= 1000000 && app.delay_us <= 3000000,
			      "%s: got %u us, want about 2000000", users[i], app.delay_us);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(warns_before_a_password_is_too_old)
{
	struct mailauth *ctx = open_all();
	char said[256];

	check_code("warned", account("mail", "warned", said), PAM_SUCCESS);
	ck_assert_str_eq(said, "Warning: your password will expire in 2 days.");
	check_code("alice", account("mail", "alice", said), PAM_SUCCESS);
	ck_assert_str_eq(said, "");
	mailauth_free(&ctx);
}
END_TEST

START_TEST(takes_the_first_password_only_if_told_to)
{
	struct app app = {.password = RIGHT};
	struct mailauth *ctx = open_all();

	service("first", "auth required M C use_first_pass\n");
	service("twice", "auth required M C\nauth required M C use_first_pass\n"
			 "auth required M C try_first_pass\n");
	check_code("no first", authenticate("first", "alice", RIGHT), PAM_AUTH_ERR);
	start(&app, "twice", "alice");
	check_code("twice", pam_authenticate(app.pamh, 0), PAM_SUCCESS);
	ck_assert_uint_eq(app.n_asked, 1);
	check_code("setcred", pam_setcred(app.pamh, PAM_ESTABLISH_CRED), PAM_SUCCESS);
	stop(&app, PAM_SUCCESS);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(refuses_every_argument_it_does_not_know)
{
	static const char *const arguments[] = {"nullok",	 "config=", "captured",
						"group=",	 "realm=",  "debugx",
						"use_authtok=1", "=",	    "realm"};
	struct mailauth *ctx = open_all();
	struct app app = {.password = RIGHT};

	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		char lines[256];
		const char *arg = arguments[i];

		(void)snprintf(lines, sizeof(lines),
			       "auth required M C %s\naccount required M C %s\n"
			       "password required M C %s\nsession required M C %s\n",
			       arg, arg, arg, arg);
		service("bad", lines);
		start(&app, "bad", "alice");
		check_code(arg, pam_authenticate(app.pamh, 0), PAM_SERVICE_ERR);
		check_code(arg, pam_acct_mgmt(app.pamh, 0), PAM_SERVICE_ERR);
		check_code(arg, pam_chauthtok(app.pamh, 0), PAM_SERVICE_ERR);
		check_code(arg, pam_open_session(app.pamh, 0), PAM_SERVICE_ERR);
		stop(&app, PAM_SERVICE_ERR);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(says_that_the_store_is_away)
{
	static const char text[] = "default_realm = example.org\nstore = lmdb:/nonexistent/a.mdb\n"
				   "key_file = /nonexistent/key\n";
	struct app app = {.password = RIGHT};

	service("mail", "auth required M B\naccount required M B\npassword required M B\n"
			"session required M B\n");
	(void)support_file("other.conf", text, sizeof(text) - 1);
	start(&app, "mail", "alice");
	check_code("auth", pam_authenticate(app.pamh, 0), PAM_AUTHINFO_UNAVAIL);
	ck_assert_uint_eq(app.delay_us, 0);
	check_code("account", pam_acct_mgmt(app.pamh, 0), PAM_AUTHINFO_UNAVAIL);
	check_code("password", pam_chauthtok(app.pamh, 0), PAM_TRY_AGAIN);
	check_code("session", pam_open_session(app.pamh, 0), PAM_SUCCESS);
	check_code("session", pam_close_session(app.pamh, 0), PAM_SUCCESS);
	stop(&app, PAM_SUCCESS);
}
END_TEST

/* ---- password ---- */

START_TEST(changes_a_password_for_root)
{
	struct mailauth *ctx = open_all();
	struct app app = {.password = "new Zx81"};

	check_code("change", change("mail", "alice", &app, 0), PAM_SUCCESS);
	ck_assert_uint_eq(app.n_asked, 2);
	check_login("new", ctx, "CRAM-MD5", "alice", "new Zx81", MAILAUTH_OK);
	check_login("old", ctx, "CRAM-MD5", "alice", RIGHT, MAILAUTH_E_DENIED);
	check_code("must-change", change("mail", "must-change", &app, PAM_CHANGE_EXPIRED_AUTHTOK),
		   PAM_SUCCESS);
	check_code("must-change", account("mail", "must-change", NULL), PAM_SUCCESS);
	check_code("locked", change("mail", "locked", &app, 0), PAM_SUCCESS);
	check_code("locked", account("mail", "locked", NULL), PAM_PERM_DENIED);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(leaves_the_password_where_the_change_fails)
{
	static const struct {
		const char *name;
		const char *user;
		const char *password;
		const char *retyped;
		int flags;
		int want;
	} rows[] = {
		{"unknown", "nobody", "new Zx81", NULL, 0, PAM_USER_UNKNOWN},
		{"bad name", "a b", "new Zx81", NULL, 0, PAM_USER_UNKNOWN},
		{"mistyped", "alice", "new Zx81", "new Zx82", 0, PAM_TRY_AGAIN},
		{"empty", "alice", "", NULL, 0, PAM_AUTHTOK_ERR},
		{"not UTF-8", "alice", "new \xff", NULL, 0, PAM_AUTHTOK_ERR},
		{"conversation", "alice", NULL, NULL, 0, PAM_AUTHTOK_ERR},
		/* PAM_IGNORE of the only module, in libpam's words */
		{"not expired", "alice", "new Zx81", NULL, PAM_CHANGE_EXPIRED_AUTHTOK,
		 PAM_PERM_DENIED},
	};
	struct mailauth *ctx = open_all();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct app app = {.password = rows[i].password, .retyped = rows[i].retyped};

		check_code(rows[i].name, change("mail", rows[i].user, &app, rows[i].flags),
			   rows[i].want);
		check_login(rows[i].name, ctx, "CRAM-MD5", "alice", RIGHT, MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(never_asks_for_the_password_that_another_module_changes)
{
	static const char *const lines[] = {
		"password required M C use_authtok\n",
		"password required M C capture\n",
		"password required M C use_authtok capture\n",
	};
	struct mailauth *ctx = open_all();

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct app app = {.password = "new Zx81"};

		service("follow", lines[i]);
		check_code(lines[i], change("follow", "alice", &app, 0), PAM_AUTHTOK_ERR);
		ck_assert_uint_eq(app.n_asked, 0);
	}
	check_login("old", ctx, "CRAM-MD5", "alice", RIGHT, MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

/* ---- capture ---- */

/* A store in which a module before the one with `capture` looks: all users have RIGHT there. */
static void other_store(void)
{
	static const char *const names[] = {"alice", "empty", "crypt"};
	char text[1024];
	struct mailauth *ctx = NULL;
	struct mailauth_options options = {.size = sizeof(options), .flags = MAILAUTH_OPEN_WRITE};
	int len = snprintf(text, sizeof(text),
			   "default_realm = example.org\nstore = lmdb:%s/other.mdb\n"
			   "key_file = %s/other.key\n",
			   support_folder(), support_folder());

	options.config = support_file("other.conf", text, (size_t)len);
	support_status("init", mailauth_store_init(&options, (gid_t)-1), MAILAUTH_OK);
	support_status("open", mailauth_open(&options, &ctx), MAILAUTH_OK);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add_user(new_user(ctx, names[i], RIGHT));
	mailauth_free(&ctx);
}

static void check_captured(const char *what, struct mailauth *ctx, const char *password)
{
	static const char *const mechs[] = {"PLAIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256"};

	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "%s: %s", what, mechs[i]);
		check_login(text, ctx, mechs[i], "empty", password, MAILAUTH_OK);
	}
}

static void check_no_secret(const char *what, struct mailauth *ctx)
{
	struct mailauth_user *user = NULL;

	support_status(what, mailauth_user_get(ctx, "empty", &user), MAILAUTH_OK);
	ck_assert_msg(mailauth_user_secret(user, 0) == NULL, "%s: the account has a secret", what);
	mailauth_user_free(&user);
}

START_TEST(captures_once_the_whole_stack_said_yes)
{
	struct mailauth *ctx = open_all();
	struct app app = {.password = RIGHT};

	other_store();
	service("stack", "auth required M B\nauth optional M C capture\n"
			 "account required M B\naccount optional M C capture\n");
	start(&app, "stack", "empty");
	check_code("auth", pam_authenticate(app.pamh, 0), PAM_SUCCESS);
	check_no_secret("before account", ctx);
	check_code("account", pam_acct_mgmt(app.pamh, 0), PAM_SUCCESS);
	check_captured("account", ctx, RIGHT);
	stop(&app, PAM_SUCCESS);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(captures_in_setcred_or_in_an_account_line_that_judges)
{
	struct mailauth *ctx = open_all();
	struct mailauth_user *user;

	other_store();
	service("stack", "auth required M B\nauth optional M C capture\naccount required M C\n");
	for (int i = 0; i < 2; i++) {
		struct app app = {.password = RIGHT};

		start(&app, "stack", "empty");
		check_code("auth", pam_authenticate(app.pamh, 0), PAM_SUCCESS);
		check_code("setcred", pam_setcred(app.pamh, PAM_DELETE_CRED), PAM_SUCCESS);
		check_no_secret("deleting", ctx);
		check_code("next",
			   i == 0 ? pam_setcred(app.pamh, PAM_ESTABLISH_CRED)
				  : pam_acct_mgmt(app.pamh, 0),
			   PAM_SUCCESS);
		check_captured(i == 0 ? "setcred" : "account", ctx, RIGHT);
		stop(&app, PAM_SUCCESS);
		support_status("del", mailauth_user_del(ctx, "empty"), MAILAUTH_OK);
		user = new_user(ctx, "empty", NULL);
		add_user(user);
	}
	mailauth_free(&ctx);
}
END_TEST

static const char debian_stack[] = "auth [success=1 default=ignore] M B\n"
				   "auth requisite pam_deny.so\n"
				   "auth optional M C capture\n"
				   "account optional M C capture\n";

/* libpam calls the modules behind a `required` one that failed. */
START_TEST(captures_no_password_that_was_refused)
{
	static const char *const stacks[] = {
		"auth required M B\nauth optional M C capture\naccount optional M C capture\n",
		"auth required M B\nauth required M C capture\naccount required M C\n",
		"auth requisite M B\nauth optional M C capture\naccount optional M C capture\n",
		"auth sufficient M B\nauth required M C capture\naccount required M C\n",
		debian_stack,
		/* nothing else knows the password: nobody may come in on this line's word */
		"auth required M C capture\naccount required M C\n",
		"auth sufficient M C capture\naccount required M C\n",
	};
	struct mailauth *ctx = open_all();

	other_store();
	for (size_t i = 0; i < sizeof(stacks) / sizeof(stacks[0]); i++) {
		struct app app = {.password = WRONG};
		int code;

		service("stack", stacks[i]);
		start(&app, "stack", "empty");
		code = pam_authenticate(app.pamh, 0);
		ck_assert_msg(code != PAM_SUCCESS, "%s: let in", stacks[i]);
		/* what applications do now, also those that try again on the same handle */
		check_no_secret(stacks[i], ctx);
		app.password = WRONG "r";
		ck_assert_int_ne(pam_authenticate(app.pamh, 0), PAM_SUCCESS);
		stop(&app, code);
		check_no_secret(stacks[i], ctx);
	}
	mailauth_free(&ctx);
}
END_TEST

/* Wrong, then right on the same handle: what counts is the last one. An application that goes on
 * after a failure is no danger where the line is reached with a right password only. */
START_TEST(forgets_a_refused_password)
{
	struct mailauth *ctx = open_all();
	struct app app = {.password = WRONG};

	other_store();
	service("stack", "auth requisite M B\nauth optional M C capture\n"
			 "account optional M C capture\naccount required M B\n");
	start(&app, "stack", "empty");
	check_code("wrong", pam_authenticate(app.pamh, 0), PAM_AUTH_ERR);
	check_code("goes on", pam_acct_mgmt(app.pamh, 0), PAM_SUCCESS);
	check_no_secret("goes on", ctx);
	app.password = RIGHT;
	check_code("right", pam_authenticate(app.pamh, 0), PAM_SUCCESS);
	check_code("right", pam_acct_mgmt(app.pamh, 0), PAM_SUCCESS);
	check_captured("right", ctx, RIGHT);
	stop(&app, PAM_SUCCESS);

	service("stack", "auth required M B\nauth optional M C capture\n"
			 "account required M B\naccount optional M C capture\n");
	support_status("del", mailauth_user_del(ctx, "empty"), MAILAUTH_OK);
	add_user(new_user(ctx, "empty", NULL));
	app.password = WRONG;
	start(&app, "stack", "empty");
	check_code("wrong", pam_authenticate(app.pamh, 0), PAM_AUTH_ERR);
	app.password = RIGHT;
	check_code("right", pam_authenticate(app.pamh, 0), PAM_SUCCESS);
	check_code("right", pam_acct_mgmt(app.pamh, 0), PAM_SUCCESS);
	check_captured("right", ctx, RIGHT);
	stop(&app, PAM_SUCCESS);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(keeps_verifiers_of_another_password)
{
	struct mailauth *ctx = open_all();
	struct app app = {.password = RIGHT};

	other_store();
	support_status("del", mailauth_user_del(ctx, "empty"), MAILAUTH_OK);
	add_user(new_user(ctx, "empty", "mail Zx81"));
	service("stack", "auth required M B\nauth optional M C capture\n"
			 "account required M B\naccount optional M C capture\n");
	start(&app, "stack", "empty");
	check_code("auth", pam_authenticate(app.pamh, 0), PAM_SUCCESS);
	check_code("account", pam_acct_mgmt(app.pamh, 0), PAM_SUCCESS);
	stop(&app, PAM_SUCCESS);
	check_login("other", ctx, "CRAM-MD5", "empty", "mail Zx81", MAILAUTH_OK);
	check_login("unix", ctx, "CRAM-MD5", "empty", RIGHT, MAILAUTH_E_DENIED);
	mailauth_free(&ctx);
}
END_TEST

/* An imported hash needs no line of its own: pam_mailauth knows the password itself. */
START_TEST(gives_an_imported_account_its_verifiers_at_the_first_login)
{
	/* openssl passwd -6 -salt saltsalt "right Zx81" */
	static const char hash[] = "$6$saltsalt$oTmwUQFZHf9yBqiV1j.YD2z."
				   "bwXqpZ0O6UnFUh4VaZu0zpzZyRsMJEs19nVdrsaXLZW5FsCEFj0x.NIRdvMyB1";
	struct mailauth *ctx = open_all();
	struct mailauth_user *user = new_user(ctx, "crypt", NULL);

	support_status("crypt", mailauth_user_set_crypt(user, hash), MAILAUTH_OK);
	add_user(user);
	check_login("before", ctx, "CRAM-MD5", "crypt", RIGHT, MAILAUTH_E_DENIED);
	check_code("wrong", authenticate("mail", "crypt", WRONG), PAM_AUTH_ERR);
	check_login("wrong", ctx, "CRAM-MD5", "crypt", WRONG, MAILAUTH_E_DENIED);
	check_code("right", authenticate("mail", "crypt", RIGHT), PAM_SUCCESS);
	check_login("after", ctx, "CRAM-MD5", "crypt", RIGHT, MAILAUTH_OK);
	check_login("after", ctx, "SCRAM-SHA-256", "crypt", RIGHT, MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

/* ---- thousands ---- */

/* Runs tests/pam/loop.c and expects it to find nothing left behind. */
static void run_loop(char *const argv[])
{
	const char *path = getenv("MAILAUTH_PAM_LOOP");
	int status = -1;
	pid_t pid;

	ck_assert_ptr_nonnull(path);
	ck_assert_int_eq(setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1), 0);
	ck_assert_int_eq(posix_spawn(&pid, path, NULL, NULL, argv, environ), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "%s %s: ended with %d, see above", path, argv[1], status);
}

START_TEST(leaves_nothing_behind_after_10000_logins)
{
	struct mailauth *ctx = open_all();
	char folder[512];
	char *argv[] = {
		(char[]){"loop"}, (char[]){"auth"},  folder, (char[]){"mail"}, (char[]){"alice"},
		(char[]){RIGHT},  (char[]){"10000"}, NULL};

	mailauth_free(&ctx);
	(void)snprintf(folder, sizeof(folder), "%s", support_folder());
	run_loop(argv);
}
END_TEST

START_TEST(can_be_loaded_1000_times)
{
	char path[512];
	char *argv[] = {(char[]){"loop"}, (char[]){"load"}, path, (char[]){"1000"}, NULL};

	(void)snprintf(path, sizeof(path), "%s", module());
	run_loop(argv);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pam");
	TCase *calls = tcase_create("calls");
	TCase *loops;

	tcase_add_checked_fixture(calls, support_reset, NULL);
	tcase_set_timeout(calls, 60);
	tcase_add_test(calls, judges_the_password_in_auth_and_the_rest_in_account);
	tcase_add_test(calls, refuses_passwords_and_names_of_a_megabyte);
	tcase_add_test(calls, asks_for_two_seconds_after_a_failure);
	tcase_add_test(calls, warns_before_a_password_is_too_old);
	tcase_add_test(calls, takes_the_first_password_only_if_told_to);
	tcase_add_test(calls, refuses_every_argument_it_does_not_know);
	tcase_add_test(calls, says_that_the_store_is_away);
	tcase_add_test(calls, changes_a_password_for_root);
	tcase_add_test(calls, leaves_the_password_where_the_change_fails);
	tcase_add_test(calls, never_asks_for_the_password_that_another_module_changes);
	tcase_add_test(calls, captures_once_the_whole_stack_said_yes);
	tcase_add_test(calls, captures_in_setcred_or_in_an_account_line_that_judges);
	tcase_add_test(calls, captures_no_password_that_was_refused);
	tcase_add_test(calls, forgets_a_refused_password);
	tcase_add_test(calls, keeps_verifiers_of_another_password);
	tcase_add_test(calls, gives_an_imported_account_its_verifiers_at_the_first_login);
	suite_add_tcase(suite, calls);
	if (getenv("MAILAUTH_PAM_LOOP") != NULL) {
		loops = tcase_create("loops");
		tcase_add_checked_fixture(loops, support_reset, NULL);
		tcase_set_timeout(loops, 240);
		tcase_add_test(loops, leaves_nothing_behind_after_10000_logins);
		tcase_add_test(loops, can_be_loaded_1000_times);
		suite_add_tcase(suite, loops);
	}
	return support_run(suite);
}
