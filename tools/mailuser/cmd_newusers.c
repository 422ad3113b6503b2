/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_newusers.c - mailuser newusers: make or change many accounts at once
 *
 * Lines NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL as newusers(8) takes them. As there, an account
 * that is there already gets the password and those of comment, home and shell that are not empty,
 * and keeps its uid and gid. What newusers makes up for a Unix user, the next free uid and a group
 * of its own, a mail user does not need: empty is none, and a group must exist.
 *
 * Mailboxes are made after the accounts: they cannot be part of all or nothing. One that cannot be
 * made is named, and the same list again makes those that are missing.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "attributes.h"
#include "bulk_list.h"
#include "defaults.h"
#include "home.h"
#include "parse.h"

#define INTERRUPTED                                                                                \
	"interrupted; the accounts were made, but not all mailboxes: give the same list again"
#define NSS_SIZE 65536 /* bytes; a group may have many members */

/* The fields of a line. */
struct fields {
	char *name;
	char *password;
	char *uid;
	char *gid;
	char *comment;
	char *home;
	char *shell;
};

static const char *split(char *line)
{
	size_t n = 1;

	for (char *colon = strchr(line, ':'); colon != NULL; colon = strchr(colon + 1, ':')) {
		*colon = '\0';
		n++;
	}
	return n == 7 ? NULL
		      : "invalid line: not NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL, 7 fields";
}

static struct fields fields_of(const struct bulk_list *list, size_t number)
{
	struct fields fields = {.name = ma_bulk_row(list, number)->name};

	fields.password = ma_bulk_field_next(fields.name);
	fields.uid = ma_bulk_field_next(fields.password);
	fields.gid = ma_bulk_field_next(fields.uid);
	fields.comment = ma_bulk_field_next(fields.gid);
	fields.home = ma_bulk_field_next(fields.comment);
	fields.shell = ma_bulk_field_next(fields.home);
	return fields;
}

static enum mailauth_status refuse(char *why, const char *what, const char *text)
{
	(void)snprintf(why, BULK_WHY_MAX, "%s '%s'", what, text);
	return MAILAUTH_E_USAGE;
}

/* A number, or the name of a Unix user, whose uid it is then. Threads: any. */
static bool uid_parse(const char *text, int64_t *uid_out)
{
	char bytes[NSS_SIZE];
	struct passwd entry;
	struct passwd *found = NULL;

	if (ma_parse_uid(text, uid_out))
		return true;
	if (getpwnam_r(text, &entry, bytes, sizeof(bytes), &found) != 0 || found == NULL)
		return false;
	*uid_out = (int64_t)entry.pw_uid;
	return true;
}

static bool gid_parse(const char *text, int64_t *gid_out)
{
	char bytes[NSS_SIZE];
	struct group entry;
	struct group *found = NULL;

	if (ma_parse_uid(text, gid_out))
		return true;
	if (getgrnam_r(text, &entry, bytes, sizeof(bytes), &found) != 0 || found == NULL)
		return false;
	*gid_out = (int64_t)entry.gr_gid;
	return true;
}

static enum mailauth_status ids_set(struct mailauth_user *user, const struct fields *fields,
				    char *why)
{
	enum mailauth_status status = MAILAUTH_OK;
	int64_t uid = -1;
	int64_t gid = -1;

	if (fields->uid[0] != '\0' && !uid_parse(fields->uid, &uid))
		return refuse(why, "can't create user: no number, and no Unix user:", fields->uid);
	if (fields->gid[0] != '\0' && !gid_parse(fields->gid, &gid))
		return refuse(why, "can't create user: no number, and no Unix group:", fields->gid);
	if (uid >= 0)
		status = mailauth_user_set_number(user, MAILAUTH_NUMBER_UID, uid);
	if (status == MAILAUTH_OK && gid >= 0)
		status = mailauth_user_set_number(user, MAILAUTH_NUMBER_GID, gid);
	return status;
}

static enum mailauth_status texts_set(struct mailauth_user *user, const struct fields *fields,
				      char *why)
{
	const struct {
		enum mailauth_text which;
		const char *text;
		const char *what;
	} rows[] = {
		{MAILAUTH_TEXT_COMMENT, fields->comment, "the comment cannot be used:"},
		{MAILAUTH_TEXT_HOME, fields->home, "homedir must be an absolute path, not"},
		{MAILAUTH_TEXT_SHELL, fields->shell, "the shell must be an absolute path, not"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum mailauth_status status = MAILAUTH_OK;

		if (rows[i].text[0] != '\0')
			status = mailauth_user_set_text(user, rows[i].which, rows[i].text);
		if (status == MAILAUTH_E_USAGE)
			return refuse(why, rows[i].what, rows[i].text);
		if (status != MAILAUTH_OK)
			return status;
	}
	return MAILAUTH_OK;
}

static enum mailauth_status fresh_set(struct mailauth_user *user, const struct attributes *fresh)
{
	struct attributes attributes = *fresh; /* each thread its own */
	enum mailauth_status status =
		mailauth_user_set_text(user, MAILAUTH_TEXT_SHELL, MA_DEFAULT_SHELL);

	return status == MAILAUTH_OK ? ma_attributes_apply(&attributes, user) : status;
}

/* The account as it is before this line: as stored, or new, and changed by the lines before. */
static enum mailauth_status start(const struct bulk_list *list, size_t number,
				  struct mailauth_user **user_out, char *why)
{
	struct mailauth *ctx = list->bulk->app->ctx;
	struct fields fields = fields_of(list, number);
	size_t first = number;
	enum mailauth_status status = mailauth_user_get(ctx, fields.name, user_out);

	if (status == MAILAUTH_E_USAGE)
		return refuse(why, "invalid user name", fields.name);
	if (status != MAILAUTH_E_NOTFOUND)
		return status;
	ma_bulk_forget();
	status = mailauth_user_new(ctx, fields.name, user_out);
	if (status == MAILAUTH_OK)
		status = fresh_set(*user_out, list->steps->arg);
	/* As in newusers the first line of a name gives the ids. */
	while (ma_bulk_row(list, number)->is_last && ma_bulk_row(list, first)->before != 0)
		first = ma_bulk_row(list, first)->before;
	if (status != MAILAUTH_OK || ma_bulk_row(list, first)->before != 0)
		return status;
	fields = fields_of(list, first);
	return ids_set(*user_out, &fields, why);
}

/* What is empty leaves the account what it got from an earlier line, so the latest word counts. */
static void fields_merge(const struct bulk_list *list, size_t number, struct fields *fields)
{
	for (size_t n = ma_bulk_row(list, number)->before; n != 0;
	     n = ma_bulk_row(list, n)->before) {
		struct fields before = fields_of(list, n);

		if (fields->comment[0] == '\0')
			fields->comment = before.comment;
		if (fields->home[0] == '\0')
			fields->home = before.home;
		if (fields->shell[0] == '\0')
			fields->shell = before.shell;
	}
}

static enum mailauth_status make(const struct bulk_list *list, size_t number, bool derives,
				 struct mailauth_user **user_out, char *why)
{
	struct fields fields = fields_of(list, number);
	enum mailauth_status status;

	if (fields.password[0] == '\0')
		return refuse(why, "there is no password for", fields.name);
	status = start(list, number, user_out, why);
	if (status != MAILAUTH_OK)
		return status;
	if (ma_bulk_row(list, number)->is_last)
		fields_merge(list, number, &fields);
	status = texts_set(*user_out, &fields, why);
	if (status != MAILAUTH_OK)
		return status;
	status = ma_bulk_password(*user_out, fields.password, derives);
	if (status == MAILAUTH_E_LIMIT)
		return refuse(why, "the password is too long, of", fields.name);
	return status;
}

/* Only now is it known what uid and gid an account has that was there before. */
static bool home_make(const struct bulk_list *list, size_t number)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	const struct bulk_row *row = ma_bulk_row(list, number);
	const char *home;
	int64_t uid;
	int64_t gid;

	if (!row->is_last)
		return true;
	if (mailauth_user_get(list->bulk->app->ctx, row->name, &user) != MAILAUTH_OK)
		return true; /* deleted by another program */
	home = mailauth_user_text(user, MAILAUTH_TEXT_HOME);
	uid = mailauth_user_number(user, MAILAUTH_NUMBER_UID);
	gid = mailauth_user_number(user, MAILAUTH_NUMBER_GID);
	if (home[0] == '\0' || uid < 0 || gid < 0)
		return true;
	if (ma_home_make(home, NULL, (uid_t)uid, (gid_t)gid) != MA_HOME_FAILED)
		return true;
	ma_say("line %zu: the account was made, but not its mailbox", number);
	return false;
}

/* A list of mechanisms that makes no sense is refused before the input is read. */
static int fresh_check(const struct bulk_list *list)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	const struct app *app = list->bulk->app;
	enum mailauth_status status = mailauth_user_new(app->ctx, "any", &user);
	char why[BULK_WHY_MAX];

	if (status == MAILAUTH_OK)
		status = fresh_set(user, list->steps->arg);
	if (status == MAILAUTH_OK)
		return ma_attributes_check(user) ? MA_EXIT_OK : app->cmd->exits.argument;
	ma_bulk_why(status, why);
	ma_say("%s", why);
	return app->cmd->exits.argument;
}

static int run(struct app *app)
{
	static const struct attribute attributes[] = {
		{MA_OPTION_MECH, MA_KIND_MECHS, MAILAUTH_TEXT_MECHS},
		{MA_OPTION_RECOVERABLE, MA_KIND_ON, MAILAUTH_NUMBER_RECOVERABLE},
		{0},
	};
	bool makes_homes = ma_option(app, 'M') == NULL;
	struct attributes fresh = {0};
	const struct bulk_list_steps steps = {
		.begin = fresh_check,
		.split = split,
		.make = make,
		.after = makes_homes ? home_make : NULL,
		.afterwards = makes_homes ? INTERRUPTED : NULL,
		.exit_after = MA_EXIT_HOME,
		.arg = &fresh,
	};
	int code = ma_attributes_parse(app, attributes, &fresh);

	if (code == MA_EXIT_OK)
		code = ma_bulk_list(app, app->operand, &steps);
	ma_attributes_clear(&fresh);
	return code;
}

static const struct opt options[] = {
	{'M', "no-create-home", NULL, "make no mailboxes"},
	{MA_OPTION_MECH, "mech", "LIST", "mechanisms new accounts serve; default: as configured"},
	{MA_OPTION_RECOVERABLE, "recoverable", NULL,
	 "keep the passwords of new accounts, sealed; APOP needs it"},
	{0},
};

const struct cmd cmd_newusers = {
	.name = "newusers",
	.alias = NULL,
	.operand = "[FILE]",
	.max_operands = 1,
	.summary = "Make many accounts: lines NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL",
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
			.usage = MA_EXIT_FAILED, /* as newusers has it */
		},
	.run = run,
};
