/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_passwd.c - mailuser passwd: change a password, lock, unlock, or show the state of one
 *
 * The options that stay in use from passwd(1), with its exit codes. Each change goes through
 * mailauth_user_update(), which reads, changes and writes the account as one step and repeats it if
 * another program came between; so the new password is read before, and once.
 *
 * Locking is a flag: no secret is touched, and unlocking brings back the login with the password
 * that there was. An account without a password stays without login when it is unlocked.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cmd.h"
#include "parse.h"
#include "password.h"

/* passwd(1) has numbers of its own. */
enum { EXIT_DENIED = 1, EXIT_FAILED = 3, EXIT_NO_STORE = 4, EXIT_BUSY = 5, EXIT_ARGUMENT = 6 };

static enum mailauth_status edit_password(struct mailauth_user *user, void *arg)
{
	const struct password *password = arg;

	return mailauth_user_set_password(user, password->bytes, password->len);
}

static enum mailauth_status edit_locked(struct mailauth_user *user, void *arg)
{
	const int64_t *locked = arg;

	return mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, *locked);
}

/* As `passwd -S` prints it: L locked, NP no password, P usable. */
static int status_print(struct app *app, const struct mailauth_name *name)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_get(app->ctx, name->text, &user);
	const char *state = "P";

	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, name->text);
	if (mailauth_user_number(user, MAILAUTH_NUMBER_LOCKED) > 0)
		state = "L";
	else if (mailauth_user_secret(user, 0) == NULL)
		state = "NP";
	(void)printf("%s %s %s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n", name->text,
		     state,
		     ma_format_day(mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE)).text,
		     mailauth_user_number(user, MAILAUTH_NUMBER_MIN),
		     mailauth_user_number(user, MAILAUTH_NUMBER_MAX),
		     mailauth_user_number(user, MAILAUTH_NUMBER_WARN),
		     mailauth_user_number(user, MAILAUTH_NUMBER_INACTIVE));
	return MA_EXIT_OK;
}

static int lock_set(struct app *app, const struct mailauth_name *name, int64_t locked)
{
	enum mailauth_status status =
		mailauth_user_update(app->ctx, name->text, edit_locked, &locked);

	return status == MAILAUTH_OK ? MA_EXIT_OK : ma_app_fail(app, status, name->text);
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
	if (!ma_password_new(ma_option(app, 's') != NULL, &password))
		return EXIT_FAILED;
	status = mailauth_user_update(app->ctx, name->text, edit_password, &password);
	if (status == MAILAUTH_OK)
		return MA_EXIT_OK;
	/* A password that is refused is no option's argument: nothing was done. */
	(void)ma_app_fail(app, status, "password");
	return status == MAILAUTH_E_TEMPFAIL ? EXIT_BUSY : EXIT_FAILED;
}

static int run(struct app *app)
{
	bool lock = ma_option(app, 'l') != NULL;
	bool unlock = ma_option(app, 'u') != NULL;
	bool show = ma_option(app, 'S') != NULL;
	struct mailauth_name name;
	int code;

	if (lock + unlock + show + (ma_option(app, 's') != NULL) > 1) {
		ma_say("give one of -l, -u, -S and -s, not several");
		return MA_EXIT_USAGE;
	}
	code = ma_app_open(app, show ? 0 : MAILAUTH_OPEN_WRITE);
	if (code == MA_EXIT_OK)
		code = ma_app_name(app, &name);
	if (code != MA_EXIT_OK)
		return code;
	if (show)
		return status_print(app, &name);
	if (lock || unlock)
		return lock_set(app, &name, lock ? 1 : 0);
	return password_set(app, &name);
}

static const struct opt options[] = {
	{'l', "lock", NULL, "refuse every login, keep the password"},
	{'s', "stdin", NULL, "read the password from standard input, one line"},
	{'S', "status", NULL, "print the state of the password in one line"},
	{'u', "unlock", NULL, "take the lock off again"},
	{0, NULL, NULL, NULL},
};

const struct cmd cmd_passwd = {
	.name = "passwd",
	.alias = NULL,
	.operand = "NAME",
	.summary = "Change the password of an account, lock or unlock it",
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
		},
	.run = run,
};
