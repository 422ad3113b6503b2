/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_mod.c - mailuser mod: change an account
 *
 * Options, rules and exit codes are those of usermod(8) where a mail-only user has any use for
 * them. All of it is one change of the store: mailauth_user_update() reads, changes and writes the
 * account in one step. Before that the same is done to a copy in memory, so that what is wrong is
 * said before a mailbox is touched.
 *
 * The mailbox is moved before the account is changed, and back if the account cannot be changed.
 * Its files get a new owner afterwards: should that be interrupted, the command can be repeated
 * with the same -u and -g, since what has the new owner already stays as it is.
 */
#include <stdio.h>
#include <string.h>

#include "attributes.h"
#include "cmd.h"
#include "elsewhere.h"
#include "home.h"
#include "others.h"

enum { OPTION_NO_RECOVERABLE = MA_OPTION_OWN };

/* A run of the command. */
struct mod {
	struct app *app;
	struct mailauth_name name;
	struct mailauth_name new_name; /* empty: stays */
	struct attributes attributes;
	struct mailauth_user *before;
	struct mailauth_user *after; /* as it will be */
	bool is_moved;		     /* the mailbox */
};

static const struct attribute attribute_rows[] = {
	{'c', MA_KIND_TEXT, MAILAUTH_TEXT_COMMENT},
	{'d', MA_KIND_TEXT, MAILAUTH_TEXT_HOME},
	{'e', MA_KIND_DATE, MAILAUTH_NUMBER_EXPIRE},
	{'f', MA_KIND_DAYS, MAILAUTH_NUMBER_INACTIVE},
	{'g', MA_KIND_GID, MAILAUTH_NUMBER_GID},
	{'G', MA_KIND_GROUPS, MAILAUTH_TEXT_GROUPS},
	{'L', MA_KIND_ON, MAILAUTH_NUMBER_LOCKED},
	{'s', MA_KIND_TEXT, MAILAUTH_TEXT_SHELL},
	{'u', MA_KIND_UID, MAILAUTH_NUMBER_UID},
	{MA_OPTION_MECH, MA_KIND_MECHS, MAILAUTH_TEXT_MECHS},
	{MA_OPTION_RECOVERABLE, MA_KIND_ON, MAILAUTH_NUMBER_RECOVERABLE},
	{OPTION_NO_RECOVERABLE, MA_KIND_OFF, MAILAUTH_NUMBER_RECOVERABLE},
	{0},
};

static bool is_given(const struct app *app, int option)
{
	return ma_option(app, option) != NULL;
}

static bool is_any_given(const struct app *app)
{
	for (const struct opt *row = app->cmd->options; row->id != 0; row++) {
		if (is_given(app, row->id))
			return true;
	}
	return false;
}

static int combination_check(const struct app *app)
{
	static const char pairs[][2] = {{'a', 'G'}, {'r', 'G'}, {'o', 'u'}, {'m', 'd'}};

	if (!is_any_given(app)) {
		ma_say("no options");
		return MA_EXIT_USAGE;
	}
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (!is_given(app, pairs[i][0]) || is_given(app, pairs[i][1]))
			continue;
		ma_say("-%c flag is only allowed with the -%c flag", pairs[i][0], pairs[i][1]);
		return MA_EXIT_USAGE;
	}
	if (is_given(app, 'r') && is_given(app, 'a')) {
		ma_say("-r and -a are mutually exclusive flags");
		return MA_EXIT_USAGE;
	}
	if (is_given(app, 'L') + is_given(app, 'p') + is_given(app, 'U') > 1) {
		ma_say("the -L, -p, and -U flags are exclusive");
		return MA_EXIT_USAGE;
	}
	if (is_given(app, MA_OPTION_RECOVERABLE) && is_given(app, OPTION_NO_RECOVERABLE)) {
		ma_say("the --recoverable and --no-recoverable flags are exclusive");
		return MA_EXIT_USAGE;
	}
	return MA_EXIT_OK;
}

/* A list of mechanisms holds from the next password on, or at once where the password is kept. */
static enum mailauth_status derive(struct mailauth_user *user)
{
	enum mailauth_status status = mailauth_user_derive(user, NULL, 0, NULL);

	return status == MAILAUTH_E_NOTFOUND ? MAILAUTH_OK : status;
}

/* The change; a mailauth_edit_fn. */
static enum mailauth_status edit(struct mailauth_user *user, void *arg)
{
	struct mod *mod = arg;
	const struct app *app = mod->app;
	const char *hash = ma_option(app, 'p');
	enum mailauth_status status = ma_attributes_apply(&mod->attributes, user);

	if (status == MAILAUTH_OK && hash != NULL) {
		mod->attributes.failed = "-p";
		status = ma_attributes_set_hash(user, hash);
	}
	/* Without a password there is nothing to unlock; usermod leaves it locked too. */
	if (status == MAILAUTH_OK && is_given(app, 'U') && mailauth_user_secret(user, 0) != NULL)
		status = mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, 0);
	if (status == MAILAUTH_OK && hash == NULL &&
	    (is_given(app, MA_OPTION_MECH) || is_given(app, OPTION_NO_RECOVERABLE)))
		status = derive(user);
	if (status == MAILAUTH_OK && mod->new_name.text[0] != '\0')
		status = mailauth_user_rename(user, mod->new_name.text);
	return status;
}

/* -l NEW: where it has another name now, and the name may be used. */
static int name_take(struct mod *mod)
{
	struct app *app = mod->app;
	const char *text = ma_option(app, 'l');
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	enum mailauth_status status;

	if (text == NULL)
		return MA_EXIT_OK;
	status = mailauth_name_parse(app->ctx, text, &mod->new_name);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, text);
	if (strcmp(mod->new_name.text, mod->name.text) == 0) {
		mod->new_name = (struct mailauth_name){0};
		return MA_EXIT_OK;
	}
	status = mailauth_user_get(app->ctx, mod->new_name.text, &user);
	if (status == MAILAUTH_OK || status == MAILAUTH_E_CORRUPT) {
		app->said = false;
		return ma_app_fail(app, MAILAUTH_E_EXISTS, mod->new_name.text);
	}
	if (status != MAILAUTH_E_NOTFOUND)
		return ma_app_fail(app, status, mod->new_name.text);
	app->said = false;
	(void)ma_elsewhere_warn(mod->new_name.text, false);
	return MA_EXIT_OK;
}

static int uid_check(struct mod *mod)
{
	struct mailauth_name owner;
	int64_t uid = mailauth_user_number(mod->after, MAILAUTH_NUMBER_UID);
	int code;

	if (uid == mailauth_user_number(mod->before, MAILAUTH_NUMBER_UID) ||
	    is_given(mod->app, 'o'))
		return MA_EXIT_OK;
	code = ma_others_uid(mod->app, mod->name.text, uid, &owner);
	if (code != MA_EXIT_OK || owner.text[0] == '\0')
		return code;
	ma_say("UID '%lld' already exists: '%s' has it; use -o to share it", (long long)uid,
	       owner.text);
	return MA_EXIT_UID;
}

/* Twice: one stays as it is, the other will be changed. */
static int account_read(struct mod *mod)
{
	struct app *app = mod->app;
	enum mailauth_status status = mailauth_user_get(app->ctx, mod->name.text, &mod->before);

	if (status == MAILAUTH_OK)
		status = mailauth_user_get(app->ctx, mod->name.text, &mod->after);
	return status == MAILAUTH_OK ? MA_EXIT_OK : ma_app_fail(app, status, mod->name.text);
}

/* Makes the change in memory, as it will be made in the store. */
static int try(struct mod *mod)
{
	struct app *app = mod->app;
	enum mailauth_status status = edit(mod->after, mod);

	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status,
				   mod->attributes.failed == NULL ? mod->name.text
								  : mod->attributes.failed);
	if (is_given(app, 'U') && mailauth_user_secret(mod->after, 0) == NULL)
		ma_say("unlocking the user's password would result in a passwordless account: set "
		       "one with 'mailuser passwd %s'",
		       mod->name.text);
	return ma_attributes_check(mod->after) ? MA_EXIT_OK : MA_EXIT_ARGUMENT;
}

/* Is there anything to write? */
static bool is_change(const struct mod *mod)
{
	return is_given(mod->app, 'p') || mod->new_name.text[0] != '\0' ||
	       ma_attributes_differ(mod->before, mod->after);
}

/* A mailbox that is not only this account's stays as it is. */
static int home_check(const struct mod *mod, const char *name, const char *home, const char *what)
{
	struct mailauth_name owner;
	int code = ma_others_home(mod->app, name, home, &owner);

	if (code != MA_EXIT_OK || owner.text[0] == '\0')
		return code;
	ma_say("mailbox %s is also that of '%s', or around it: not %s", home, owner.text, what);
	return MA_EXIT_HOME;
}

static int home_move(struct mod *mod)
{
	const char *from = mailauth_user_text(mod->before, MAILAUTH_TEXT_HOME);
	const char *to = mailauth_user_text(mod->after, MAILAUTH_TEXT_HOME);
	int code;

	if (!is_given(mod->app, 'm') || strcmp(from, to) == 0)
		return MA_EXIT_OK;
	if (from[0] == '\0' || to[0] == '\0') {
		ma_say("there is no mailbox to move%s", from[0] == '\0' ? "" : " it to");
		return from[0] == '\0' ? MA_EXIT_OK : MA_EXIT_HOME;
	}
	code = home_check(mod, mod->name.text, from, "moving it");
	if (code != MA_EXIT_OK)
		return code;
	switch (ma_home_move(from, to)) {
	case MA_HOME_MADE:
		mod->is_moved = true;
		return MA_EXIT_OK;
	case MA_HOME_MISSING:
		ma_say("The previous home directory (%s) does not exist or is inaccessible. Move "
		       "cannot be completed.",
		       from);
		return MA_EXIT_OK;
	default:
		return MA_EXIT_HOME;
	}
}

/* Files of the old uid and gid in the mailbox get the new ones, as with usermod. */
static int home_own(const struct mod *mod)
{
	const char *home = mailauth_user_text(mod->after, MAILAUTH_TEXT_HOME);
	int64_t uid_old = mailauth_user_number(mod->before, MAILAUTH_NUMBER_UID);
	int64_t gid_old = mailauth_user_number(mod->before, MAILAUTH_NUMBER_GID);
	int64_t uid_new = mailauth_user_number(mod->after, MAILAUTH_NUMBER_UID);
	int64_t gid_new = mailauth_user_number(mod->after, MAILAUTH_NUMBER_GID);
	const struct tree_owner owner = {
		.uid_old = (uid_t)uid_old,
		.uid_new = uid_new == uid_old ? (uid_t)-1 : (uid_t)uid_new,
		.gid_old = (gid_t)gid_old,
		.gid_new = gid_old < 0 || gid_new == gid_old ? (gid_t)-1 : (gid_t)gid_new,
	};

	/* An account without a uid owns nothing that could be told apart. */
	if (home[0] == '\0' || uid_old < 0 ||
	    (owner.uid_new == (uid_t)-1 && owner.gid_new == (gid_t)-1))
		return MA_EXIT_OK;
	if (home_check(mod, mailauth_user_name(mod->after), home, "giving it away") == MA_EXIT_OK &&
	    ma_home_own(home, &owner))
		return MA_EXIT_OK;
	ma_say("Failed to change ownership of the home directory: chown what is left in %s by hand",
	       home);
	return MA_EXIT_HOME;
}

/* What the account cannot do before its next password. */
static void password_advise(const struct mod *mod)
{
	const char *name = mailauth_user_name(mod->after);

	if (mod->new_name.text[0] != '\0' && mailauth_user_can(mod->before, "DIGEST-MD5", NULL) &&
	    !mailauth_user_can(mod->after, "DIGEST-MD5", NULL))
		ma_say("warning: DIGEST-MD5 needs a new password, because its hash has the name in "
		       "it: run 'mailuser passwd %s'",
		       name);
	if ((is_given(mod->app, MA_OPTION_MECH) || is_given(mod->app, MA_OPTION_RECOVERABLE)) &&
	    mailauth_user_secret(mod->after, 0) != NULL)
		ma_say("warning: mechanisms and --recoverable hold from the next password on: run "
		       "'mailuser passwd %s'",
		       name);
}

static int store(struct mod *mod)
{
	struct app *app = mod->app;
	enum mailauth_status status = mailauth_user_update(app->ctx, mod->name.text, edit, mod);

	if (status == MAILAUTH_OK)
		return MA_EXIT_OK;
	if (mod->is_moved &&
	    ma_home_move(mailauth_user_text(mod->after, MAILAUTH_TEXT_HOME),
			 mailauth_user_text(mod->before, MAILAUTH_TEXT_HOME)) != MA_HOME_MADE)
		ma_say("the mailbox is in %s now: move it back by hand",
		       mailauth_user_text(mod->after, MAILAUTH_TEXT_HOME));
	return ma_app_fail(app, status,
			   status == MAILAUTH_E_EXISTS ? mod->new_name.text : mod->name.text);
}

static int account_change(struct mod *mod)
{
	struct app *app = mod->app;
	int code = ma_app_open(app, MAILAUTH_OPEN_WRITE);

	if (code == MA_EXIT_OK)
		code = ma_app_name(app, &mod->name);
	if (code == MA_EXIT_OK)
		code = account_read(mod);
	if (code == MA_EXIT_OK)
		code = name_take(mod);
	if (code == MA_EXIT_OK)
		code = try(mod);
	if (code == MA_EXIT_OK && !is_change(mod)) {
		(void)printf("%s: no changes\n", ma_program);
		return MA_EXIT_OK;
	}
	if (code == MA_EXIT_OK)
		code = uid_check(mod);
	if (code == MA_EXIT_OK)
		code = home_move(mod);
	if (code == MA_EXIT_OK)
		code = store(mod);
	if (code != MA_EXIT_OK)
		return code;
	password_advise(mod);
	return home_own(mod);
}

static int run(struct app *app)
{
	struct mod mod = {.app = app};
	int code = ma_attributes_parse(app, attribute_rows, &mod.attributes);

	if (is_given(app, 'a') || is_given(app, 'r'))
		mod.attributes.groups = is_given(app, 'a') ? MA_GROUPS_ADD : MA_GROUPS_REMOVE;
	if (code == MA_EXIT_OK)
		code = combination_check(app);
	if (code == MA_EXIT_OK)
		code = account_change(&mod);
	mailauth_user_free(&mod.before);
	mailauth_user_free(&mod.after);
	ma_attributes_clear(&mod.attributes);
	return code;
}

static const struct opt options[] = {
	{'a', "append", NULL, "add to the groups of -G, leave none"},
	{'c', "comment", "COMMENT", "full name or other remark"},
	{'d', "home", "HOME_DIR", "folder of the mailbox"},
	{'e', "expiredate", "EXPIRE_DATE", "first day without login: YYYY-MM-DD; '' is never"},
	{'f', "inactive", "INACTIVE", "days from a too old password to the end of the account"},
	{'g', "gid", "GROUP", "Unix group of the mailbox, name or number"},
	{'G', "groups", "GROUPS", "mail groups, separated by commas; the others are left"},
	{'l', "login", "NEW_NAME", "new name of the account"},
	{'L', "lock", NULL, "refuse every login, keep the password"},
	{'m', "move-home", NULL, "move the mailbox to HOME_DIR; only with -d"},
	{'o', "non-unique", NULL, "the uid may belong to another account too"},
	{'p', "password", "CRYPT", "crypt(3) string as the only secret"},
	{'r', "remove", NULL, "take out of the groups of -G only"},
	{'s', "shell", "SHELL", "shell"},
	{'u', "uid", "UID", "user id of the mailbox"},
	{'U', "unlock", NULL, "take the lock off again"},
	{MA_OPTION_MECH, "mech", "LIST", "mechanisms its next password serves"},
	{MA_OPTION_RECOVERABLE, "recoverable", NULL, "keep the next password itself, sealed"},
	{OPTION_NO_RECOVERABLE, "no-recoverable", NULL, "keep no password, forget the one kept"},
	{0},
};

const struct cmd cmd_mod = {
	.name = "mod",
	.alias = "usermod",
	.operand = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "Change an account",
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
