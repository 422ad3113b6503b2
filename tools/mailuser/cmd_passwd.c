/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_passwd.c - mailuser passwd: change a password, lock it, age it, or show the state of one
 *
 * The options of passwd(1), with its rules and exit codes. Each change goes through
 * mailauth_user_update(), which reads, changes and writes the account as one step and repeats it if
 * another program came between; so a new password is read before, and once.
 *
 * Locking is a flag: no secret is touched, and unlocking brings back the login with the password
 * that there was. A new password does not take the lock off.
 *
 * Several options at once act in passwd's order: remove the password, unlock, lock, ageing.
 */
#include <inttypes.h>
#include <stdio.h>

#include "attributes.h"
#include "cmd.h"
#include "parse.h"
#include "password.h"

/* passwd(1) has numbers of its own. */
enum { EXIT_DENIED = 1, EXIT_FAILED = 3, EXIT_NO_STORE = 4, EXIT_BUSY = 5, EXIT_ARGUMENT = 6 };

/* What options ask for; the argument of edit_state(). */
struct change {
	struct app *app;
	struct attributes ageing;
	bool is_useless; /* there is no password to unlock */
};

static const struct attribute attribute_rows[] = {
	{'i', MA_KIND_DAYS, MAILAUTH_NUMBER_INACTIVE},
	{'n', MA_KIND_DAYS, MAILAUTH_NUMBER_MIN},
	{'w', MA_KIND_DAYS, MAILAUTH_NUMBER_WARN},
	{'x', MA_KIND_DAYS, MAILAUTH_NUMBER_MAX},
	{0},
};

static bool is_given(const struct app *app, int option)
{
	return ma_option(app, option) != NULL;
}

/* One of the options that change something, but not the password to another. */
static bool is_change(const struct app *app)
{
	for (const char *letter = "deilnuwx"; *letter != '\0'; letter++) {
		if (is_given(app, *letter))
			return true;
	}
	return false;
}

static int combination_check(const struct app *app)
{
	bool change = is_change(app);
	bool status = is_given(app, 'S');

	if (is_given(app, 'a') &&
	    (!status || change || is_given(app, 's') || app->n_operands > 0)) {
		ma_say("-a goes with -S, with nothing else and without a NAME");
		return MA_EXIT_USAGE;
	}
	if (!is_given(app, 'a') && app->n_operands == 0) {
		ma_say("passwd: NAME is missing");
		return MA_EXIT_USAGE;
	}
	if (change + status + is_given(app, 's') > 1) {
		ma_say("give -S, or --stdin, or options that change something");
		return MA_EXIT_USAGE;
	}
	return MA_EXIT_OK;
}

/* ---- status ---- */

/* As `passwd -S` prints it: L locked, NP no password, P usable. */
static void status_print(const struct mailauth_user *user)
{
	const char *state = "P";

	if (mailauth_user_number(user, MAILAUTH_NUMBER_LOCKED) > 0)
		state = "L";
	else if (mailauth_user_secret(user, 0) == NULL)
		state = "NP";
	(void)printf("%s %s %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
		     mailauth_user_name(user), state,
		     ma_format_day(mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE)).text,
		     mailauth_user_number(user, MAILAUTH_NUMBER_MIN),
		     mailauth_user_number(user, MAILAUTH_NUMBER_MAX),
		     mailauth_user_number(user, MAILAUTH_NUMBER_WARN),
		     mailauth_user_number(user, MAILAUTH_NUMBER_INACTIVE));
}

static int status_one(struct app *app, const struct mailauth_name *name)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_get(app->ctx, name->text, &user);

	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, name->text);
	status_print(user);
	return MA_EXIT_OK;
}

/* Damaged accounts are left out, and are a failure in the end. */
static int status_all(struct app *app)
{
	struct mailauth_name cursor = {0};
	int code = MA_EXIT_OK;

	for (;;) {
		MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
		enum mailauth_status status;

		app->said = false;
		status = mailauth_user_next(app->ctx, &cursor, &user);
		if (status == MAILAUTH_E_NOTFOUND)
			return code;
		if (status == MAILAUTH_OK)
			status_print(user);
		else
			code = ma_app_fail(app, status, cursor.text);
		if (status != MAILAUTH_OK && status != MAILAUTH_E_CORRUPT)
			return code;
	}
}

/* ---- change ---- */

static enum mailauth_status edit_password(struct mailauth_user *user, void *arg)
{
	const struct password *password = arg;

	return mailauth_user_set_password(user, password->bytes, password->len);
}

static int password_set(struct app *app, const struct mailauth_name *name)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	MA_CLEANUP(ma_password_clear) struct password password = {0};
	enum mailauth_status status;

	/* Nobody should type a password twice to learn that there is no such account. */
	status = mailauth_user_get(app->ctx, name->text, &user);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, name->text);
	if (!ma_password_new(is_given(app, 's'), &password))
		return EXIT_FAILED;
	status = mailauth_user_update(app->ctx, name->text, edit_password, &password);
	if (status == MAILAUTH_OK)
		return MA_EXIT_OK;
	/* A password that is refused is no option's argument: nothing was done. */
	(void)ma_app_fail(app, status, "password");
	return status == MAILAUTH_E_TEMPFAIL ? EXIT_BUSY : EXIT_FAILED;
}

static enum mailauth_status edit_locked(struct mailauth_user *user, int64_t locked)
{
	return mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, locked);
}

static enum mailauth_status edit_state(struct mailauth_user *user, void *arg)
{
	struct change *change = arg;
	const struct app *app = change->app;
	enum mailauth_status status = MAILAUTH_OK;

	/* The password field of shadow would be empty then, without a '!'. */
	if (is_given(app, 'd')) {
		mailauth_user_clear_secrets(user);
		status = edit_locked(user, 0);
	}
	change->is_useless =
		is_given(app, 'u') && !is_given(app, 'd') && mailauth_user_secret(user, 0) == NULL;
	if (change->is_useless)
		return MAILAUTH_E_DENIED;
	if (status == MAILAUTH_OK && is_given(app, 'u'))
		status = edit_locked(user, 0);
	if (status == MAILAUTH_OK && is_given(app, 'l'))
		status = edit_locked(user, 1);
	if (status == MAILAUTH_OK && is_given(app, 'e'))
		status = mailauth_user_set_number(user, MAILAUTH_NUMBER_LAST_CHANGE, 0);
	return status == MAILAUTH_OK ? ma_attributes_apply(&change->ageing, user) : status;
}

static int state_change(struct change *change, const struct mailauth_name *name)
{
	struct app *app = change->app;
	enum mailauth_status status =
		mailauth_user_update(app->ctx, name->text, edit_state, change);

	if (status == MAILAUTH_OK)
		return MA_EXIT_OK;
	if (!change->is_useless)
		return ma_app_fail(app, status, name->text);
	ma_say("unlocking the password would result in a passwordless account: set one with "
	       "'mailuser passwd %s'",
	       name->text);
	return EXIT_FAILED;
}

/* ---- run ---- */

static int one_run(struct app *app, struct change *change)
{
	struct mailauth_name name;
	int code = ma_app_name(app, &name);

	if (code != MA_EXIT_OK)
		return code;
	if (is_given(app, 'S'))
		return status_one(app, &name);
	code = is_change(app) ? state_change(change, &name) : password_set(app, &name);
	if (code == MA_EXIT_OK && !is_given(app, 'q'))
		(void)printf("%s: password changed.\n", ma_program);
	return code;
}

static int run(struct app *app)
{
	struct change change = {.app = app};
	int code = ma_attributes_parse(app, attribute_rows, &change.ageing);

	if (code == MA_EXIT_OK)
		code = combination_check(app);
	if (code == MA_EXIT_OK)
		code = ma_app_open(app, is_given(app, 'S') ? 0 : MAILAUTH_OPEN_WRITE);
	if (code == MA_EXIT_OK)
		code = is_given(app, 'a') ? status_all(app) : one_run(app, &change);
	ma_attributes_clear(&change.ageing);
	return code;
}

static const struct opt options[] = {
	{'a', "all", NULL, "print the state of all accounts; only with -S"},
	{'d', "delete", NULL, "remove the password: nobody can log in"},
	{'e', "expire", NULL, "the password must be changed before the next login"},
	{'i', "inactive", "INACTIVE", "days from a too old password to the end of the account"},
	{'l', "lock", NULL, "refuse every login, keep the password"},
	{'n', "mindays", "MIN_DAYS", "days before the password may be changed again"},
	{'q', "quiet", NULL, "do not say that it was done"},
	{'s', "stdin", NULL, "read the password from standard input, one line"},
	{'S', "status", NULL, "print the state of the password in one line"},
	{'u', "unlock", NULL, "take the lock off again"},
	{'w', "warndays", "WARN_DAYS", "days of warning before the password is too old"},
	{'x', "maxdays", "MAX_DAYS", "days until the password is too old"},
	{0},
};

const struct cmd cmd_passwd = {
	.name = "passwd",
	.alias = NULL,
	.operand = "NAME",
	.max_operands = 1, /* none with -a */
	.summary = "Change the password of an account, lock or age it",
	.options = options,
	.exits =
		{
			.denied = EXIT_DENIED,
			.open = EXIT_NO_STORE,
			.name = EXIT_ARGUMENT,
			.notfound = EXIT_DENIED, /* as passwd(1) has it */
			.argument = EXIT_ARGUMENT,
			.busy = EXIT_BUSY,
			.failed = EXIT_FAILED,
			.option = EXIT_ARGUMENT,
		},
	.run = run,
};
