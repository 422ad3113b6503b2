/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_list.c - mailuser list: one line for each account
 *
 * The store may hold a million accounts, so each is printed as soon as it is read; the JSON form is
 * an array written element by element. A damaged account is named on standard error (the library
 * says it) and the walk goes on, since the others are fine; the exit code then tells that the list
 * is not all. If the walk itself breaks off, the JSON array is left open on purpose: no reader
 * takes half a list for a whole one.
 */
#include <stdio.h>

#include "account.h"
#include "cmd.h"

static void print_line(const struct mailauth_user *user)
{
	const char *separator = "";

	(void)printf("%-32s %-16s ", mailauth_user_name(user), ma_account_state(user));
	for (size_t i = 0; i < mailauth_mech_count(); i++) {
		const char *mech = mailauth_mech_name(i);

		if (ma_account_is_plus(mech) || !mailauth_user_can(user, mech, NULL))
			continue;
		(void)printf("%s%s", separator, mech);
		separator = ",";
	}
	(void)printf("%s\n", separator[0] == '\0' ? "-" : "");
}

/* The brackets of the array are written by the first element and by the end of the walk. */
static bool print_element(const struct mailauth_user *user, bool is_first)
{
	(void)printf("%s", is_first ? "[\n" : ",\n");
	return ma_account_print_json(user, false);
}

/* Prints all accounts; n_damaged_out counts those that cannot be read. */
static enum mailauth_status walk(struct app *app, size_t *n_damaged_out)
{
	bool is_json = ma_option(app, MA_OPTION_JSON) != NULL;
	struct mailauth_name cursor = {0};
	bool is_first = true;

	*n_damaged_out = 0;
	while (ferror(stdout) == 0) {
		MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
		enum mailauth_status status;

		app->said = false;
		status = mailauth_user_next(app->ctx, &cursor, &user);
		if (status == MAILAUTH_E_CORRUPT) {
			(void)ma_app_fail(app, status, cursor.text);
			(*n_damaged_out)++;
			continue;
		}
		if (status == MAILAUTH_E_NOTFOUND)
			break;
		if (status != MAILAUTH_OK)
			return status;
		if (!is_json)
			print_line(user);
		else if (!print_element(user, is_first))
			return MAILAUTH_E_NOMEM;
		is_first = false;
	}
	if (is_json)
		(void)printf("%s]\n", is_first ? "[" : "\n");
	return MAILAUTH_OK;
}

static int run(struct app *app)
{
	size_t n_damaged;
	enum mailauth_status status;
	int code = ma_app_open(app, 0);

	if (code != MA_EXIT_OK)
		return code;
	status = walk(app, &n_damaged);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, "list");
	if (n_damaged == 0)
		return MA_EXIT_OK;
	ma_say("%zu damaged account%s left out", n_damaged, n_damaged == 1 ? "" : "s");
	return MA_EXIT_FAILED;
}

static const struct opt options[] = {
	{MA_OPTION_JSON, "json", NULL, "print a JSON array of objects as 'show --json' prints"},
	{0},
};

const struct cmd cmd_list = {
	.name = "list",
	.alias = NULL,
	.summary = "List all accounts: name, state, mechanisms they can serve",
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
