/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_del.c - mailuser del: delete an account
 *
 * Deletes the record only, a damaged one too. The mailbox is left where it is: mail is the user's,
 * and whether it may go is a decision of its own.
 */
#include <stddef.h>

#include "cmd.h"

static int run(struct app *app)
{
	struct mailauth_name name;
	enum mailauth_status status;
	int code = ma_app_open(app, MAILAUTH_OPEN_WRITE);

	if (code != MA_EXIT_OK)
		return code;
	code = ma_app_name(app, &name);
	if (code != MA_EXIT_OK)
		return code;

	status = mailauth_user_del(app->ctx, name.text);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, name.text);
	return MA_EXIT_OK;
}

static const struct opt options[] = {
	{0, NULL, NULL, NULL},
};

const struct cmd cmd_del = {
	.name = "del",
	.alias = "userdel",
	.operand = "NAME",
	.summary = "Delete an account; its mailbox stays",
	.options = options,
	.exits =
		{
			.denied = MA_EXIT_FAILED,
			.open = MA_EXIT_FAILED,
			.name = MA_EXIT_NAME,
			.notfound = MA_EXIT_MISSING,
			.argument = MA_EXIT_ARGUMENT,
			.busy = MA_EXIT_BUSY,
			.failed = MA_EXIT_FAILED,
		},
	.run = run,
};
