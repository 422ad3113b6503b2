/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_chpasswd.c - mailuser chpasswd: change many passwords at once
 *
 * Lines NAME:PASSWORD from standard input, as chpasswd(8) takes them; a password may have colons.
 * Messages and exit codes are those of chpasswd, but nothing is ever changed by halves: chpasswd
 * itself does so only where it goes past PAM.
 *
 * Its options -c, -m and -s choose a method of crypt(3). Here a password is not stored as one hash;
 * what it is derived into is the account's and the configuration's business.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "attributes.h"
#include "bulk_list.h"
#include "parse.h"

static const char *split(char *line)
{
	char *colon = strchr(line, ':');

	if (colon == NULL)
		return "missing new password";
	*colon = '\0';
	return NULL;
}

/* A change, even to no password at all. */
static enum mailauth_status crypt_set(struct mailauth_user *user, const char *hash)
{
	enum mailauth_status status = ma_attributes_set_hash(user, hash);

	if (status != MAILAUTH_OK)
		return status;
	return mailauth_user_set_number(user, MAILAUTH_NUMBER_LAST_CHANGE,
					(int64_t)(time(NULL) / MA_DAY_S));
}

static enum mailauth_status make(const struct bulk_list *list, size_t number, bool derives,
				 struct mailauth_user **user_out, char *why)
{
	char *name = ma_bulk_row(list, number)->name;
	const char *password = ma_bulk_field_next(name);
	bool is_crypt = list->steps->arg != NULL;
	enum mailauth_status status;

	status = mailauth_user_get(list->bulk->app->ctx, name, user_out);
	if (status == MAILAUTH_E_NOTFOUND || status == MAILAUTH_E_USAGE) {
		(void)snprintf(why, BULK_WHY_MAX, "user '%s' does not exist", name);
		return MAILAUTH_E_USAGE;
	}
	if (status != MAILAUTH_OK)
		return status;
	if (password[0] == '\0') {
		(void)snprintf(why, BULK_WHY_MAX, "user '%s': the password is empty", name);
		return MAILAUTH_E_USAGE;
	}
	status = is_crypt ? crypt_set(*user_out, password)
			  : ma_bulk_password(*user_out, password, derives);
	if (status == MAILAUTH_E_LIMIT)
		(void)snprintf(why, BULK_WHY_MAX, "user '%s': the password is too long", name);
	return status;
}

static int run(struct app *app)
{
	static char is_crypt[] = "crypt";
	const struct bulk_list_steps steps = {
		.split = split,
		.make = make,
		.arg = ma_option(app, 'e') == NULL ? NULL : is_crypt,
	};

	return ma_bulk_list(app, NULL, &steps);
}

static const struct opt options[] = {
	{'e', "encrypted", NULL, "the passwords are crypt(3) strings"},
	{0},
};

const struct cmd cmd_chpasswd = {
	.name = "chpasswd",
	.alias = NULL,
	.summary = "Change many passwords: lines NAME:PASSWORD on standard input",
	.options = options,
	.exits =
		{
			.denied = MA_EXIT_FAILED,
			.open = MA_EXIT_FAILED,
			.name = MA_EXIT_FAILED,
			.notfound = MA_EXIT_FAILED,
			.argument = MA_EXIT_FAILED,
			.busy = MA_EXIT_FAILED,
			.failed = MA_EXIT_FAILED,
		},
	.run = run,
};
