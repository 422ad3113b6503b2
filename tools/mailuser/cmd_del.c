/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_del.c - mailuser del: delete an account, and its mailbox if asked to
 *
 * Deletes the record, a damaged one too. As with userdel, the account goes whatever becomes of the
 * mailbox; it goes first, so that an interruption leaves mail without an account and never an
 * account without its mail.
 *
 * A path in a record is no licence for root to remove what is there: it has to be in the folder of
 * mailboxes, and nobody else's; home.c and tree.c follow no link and enter no other file system.
 */
#include <stdio.h>

#include "cmd.h"
#include "defaults.h"
#include "home.h"
#include "others.h"

/* A run of the command. */
struct del {
	struct app *app;
	struct mailauth_name name;
	struct defaults defaults;
	char home[MAILAUTH_TEXT_MAX + 1]; /* to remove; empty: there is none */
	int64_t uid;
	bool is_kept; /* the mailbox cannot be removed; the user has been told */
};

/* Is the folder nobody else's? Asked while the account is still there. */
static int home_check(struct del *del)
{
	struct mailauth_name owner;
	int code;

	if (del->defaults.is_home_doubtful) {
		del->is_kept = true;
		ma_say("not removing directory %s: which folder mailboxes are in is not known",
		       del->home);
		return MA_EXIT_OK;
	}
	code = ma_others_home(del->app, del->name.text, del->home, &owner);
	if (code != MA_EXIT_OK || owner.text[0] == '\0')
		return code;
	del->is_kept = true;
	ma_say("not removing directory %s (would remove home of user %s)", del->home, owner.text);
	return MA_EXIT_OK;
}

/* Which mailbox it is. A damaged account cannot tell. */
static int home_find(struct del *del)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	struct app *app = del->app;
	enum mailauth_status status = mailauth_user_get(app->ctx, del->name.text, &user);

	if (status == MAILAUTH_E_CORRUPT) {
		ma_say("the mailbox of '%s' is not known and stays: remove it by hand",
		       del->name.text);
		app->said = false;
		del->is_kept = true;
		return MA_EXIT_OK;
	}
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, del->name.text);
	del->uid = mailauth_user_number(user, MAILAUTH_NUMBER_UID);
	(void)snprintf(del->home, sizeof(del->home), "%s",
		       mailauth_user_text(user, MAILAUTH_TEXT_HOME));
	return del->home[0] == '\0' ? MA_EXIT_OK : home_check(del);
}

/* The account is gone already. */
static int home_remove(const struct del *del)
{
	bool is_forced = ma_option(del->app, 'f') != NULL;
	bool is_gone = del->home[0] == '\0';

	if (del->is_kept)
		return MA_EXIT_HOME;
	if (!is_gone &&
	    !ma_home_remove(del->home, del->defaults.home,
			    is_forced || del->uid < 0 ? (uid_t)-1 : (uid_t)del->uid, &is_gone))
		return MA_EXIT_HOME;
	if (is_gone)
		ma_say("%s home directory (%s) not found", del->name.text, del->home);
	return MA_EXIT_OK;
}

static int run(struct app *app)
{
	struct del del = {.app = app, .uid = -1};
	bool removes = ma_option(app, 'r') != NULL;
	enum mailauth_status status;
	int code = ma_app_open(app, MAILAUTH_OPEN_WRITE);

	if (code == MA_EXIT_OK)
		code = ma_app_name(app, &del.name);
	if (code == MA_EXIT_OK && removes && !ma_defaults_read(app, &del.defaults))
		code = MA_EXIT_FAILED;
	if (code == MA_EXIT_OK && removes)
		code = home_find(&del);
	if (code != MA_EXIT_OK)
		return code;

	status = mailauth_user_del(app->ctx, del.name.text);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, del.name.text);
	return removes ? home_remove(&del) : MA_EXIT_OK;
}

static const struct opt options[] = {
	{'f', "force", NULL, "with -r: also if the mailbox is not owned by the account's uid"},
	{'r', "remove", NULL, "remove the mailbox with all mail in it"},
	{0},
};

const struct cmd cmd_del = {
	.name = "del",
	.alias = "userdel",
	.operand = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "Delete an account; its mailbox stays unless -r is given",
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
