/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_add.c - mailuser add: make an account
 *
 * Options and exit codes are those of useradd(8) where a mail-only user has any use for them. What
 * can be refused is refused before the user is asked for a password, and the password is asked for
 * before anything is made.
 *
 * The mailbox is made before the account: if it cannot be, there is no account without a mailbox,
 * and the command can simply be repeated. If the account then cannot be stored, the mailbox, still
 * empty, is taken back.
 *
 * Whether a uid is in use is found by walking through all accounts, so it takes a while in a large
 * store, and two `add` at the same time do not see each other. -o skips it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "elsewhere.h"
#include "home.h"
#include "parse.h"
#include "password.h"

#define SHELL_DEFAULT "/usr/sbin/nologin"
#define INACTIVE_MAX  99999 /* days */

/* Options that are numbers; -1: not given. */
struct numbers {
	int64_t uid;
	int64_t gid;
	int64_t expire;
	int64_t inactive;
};

static int numbers_parse(const struct app *app, struct numbers *out)
{
	const char *uid = ma_option(app, 'u');
	const char *gid = ma_option(app, 'g');
	const char *expire = ma_option(app, 'e');
	const char *inactive = ma_option(app, 'f');

	*out = (struct numbers){-1, -1, -1, -1};
	if (uid != NULL && !ma_parse_number(uid, 0, UINT32_MAX - 1, &out->uid)) {
		ma_say("invalid user ID '%s': give a number from 0 to 4294967294", uid);
		return MA_EXIT_ARGUMENT;
	}
	if (expire != NULL && !ma_parse_day(expire, &out->expire)) {
		ma_say("invalid date '%s': give YYYY-MM-DD, or '' for never", expire);
		return MA_EXIT_ARGUMENT;
	}
	if (inactive != NULL && !ma_parse_number(inactive, -1, INACTIVE_MAX, &out->inactive)) {
		ma_say("invalid numeric argument '%s': give days, -1 to %d", inactive,
		       INACTIVE_MAX);
		return MA_EXIT_ARGUMENT;
	}
	switch (gid == NULL ? MA_GID_OK : ma_parse_gid(gid, &out->gid)) {
	case MA_GID_OK:
		return MA_EXIT_OK;
	case MA_GID_MISSING:
		ma_say("group '%s' does not exist: give the name or number of a Unix group", gid);
		return MA_EXIT_MISSING;
	default:
		ma_say("invalid group ID '%s': give a number from 0 to 4294967294", gid);
		return MA_EXIT_ARGUMENT;
	}
}

static int combination_check(const struct app *app)
{
	if (ma_option(app, 'p') != NULL && ma_option(app, MA_OPTION_STDIN) != NULL) {
		ma_say("give -p or --stdin, not both");
		return MA_EXIT_USAGE;
	}
	if (ma_option(app, 'o') != NULL && ma_option(app, 'u') == NULL) {
		ma_say("-o makes sense with -u only");
		return MA_EXIT_USAGE;
	}
	if (ma_option(app, 'm') != NULL &&
	    (ma_option(app, 'd') == NULL || ma_option(app, 'u') == NULL ||
	     ma_option(app, 'g') == NULL)) {
		ma_say("-m makes the mailbox: say where with -d, and whose it is with -u and -g");
		return MA_EXIT_USAGE;
	}
	return MA_EXIT_OK;
}

/* Mail for this name may go elsewhere: a warning, an error with --strict. */
static int elsewhere_check(const struct app *app, const struct mailauth_name *name)
{
	bool is_strict = ma_option(app, MA_OPTION_STRICT) != NULL;
	const char *level = is_strict ? "" : "warning: ";
	char local[MAILAUTH_LOCAL_MAX + 1];
	bool found = false;

	(void)snprintf(local, sizeof(local), "%.*s", (int)strcspn(name->text, "@"), name->text);
	if (ma_elsewhere_unix(local)) {
		ma_say("%s'%s' is also a Unix user: mail for it may go there", level, local);
		found = true;
	}
	if (ma_elsewhere_alias(local, MA_ALIASES_FILE)) {
		ma_say("%s'%s' is also in %s: mail for it may go elsewhere", level, local,
		       MA_ALIASES_FILE);
		found = true;
	}
	return found && is_strict ? MA_EXIT_EXISTS : MA_EXIT_OK;
}

static int name_check(struct app *app, const struct mailauth_name *name)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_get(app->ctx, name->text, &user);

	switch (status) {
	case MAILAUTH_E_NOTFOUND:
		app->said = false;
		return MA_EXIT_OK;
	case MAILAUTH_OK:
		return ma_app_fail(app, MAILAUTH_E_EXISTS, name->text);
	case MAILAUTH_E_CORRUPT:
		ma_say("there is a damaged account '%s': delete it first", name->text);
		return MA_EXIT_EXISTS;
	default:
		return ma_app_fail(app, status, name->text);
	}
}

static int uid_check(struct app *app, int64_t uid)
{
	struct mailauth_name cursor = {0};

	if (uid < 0 || ma_option(app, 'o') != NULL)
		return MA_EXIT_OK;
	for (;;) {
		MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
		enum mailauth_status status;

		app->said = false;
		status = mailauth_user_next(app->ctx, &cursor, &user);
		/* A damaged account has no uid that could be compared; the library warns. */
		if (status == MAILAUTH_E_CORRUPT)
			continue;
		if (status == MAILAUTH_E_NOTFOUND)
			break;
		if (status != MAILAUTH_OK)
			return ma_app_fail(app, status, cursor.text);
		if (mailauth_user_number(user, MAILAUTH_NUMBER_UID) != uid)
			continue;
		ma_say("UID %lld is not unique: '%s' has it; use -o to share it", (long long)uid,
		       mailauth_user_name(user));
		return MA_EXIT_UID;
	}
	app->said = false;
	return MA_EXIT_OK;
}

static int text_set(struct app *app, struct mailauth_user *user, enum mailauth_text which,
		    const char *text)
{
	enum mailauth_status status;

	if (text == NULL)
		return MA_EXIT_OK;
	status = mailauth_user_set_text(user, which, text);
	return status == MAILAUTH_OK ? MA_EXIT_OK : ma_app_fail(app, status, text);
}

static int texts_set(struct app *app, struct mailauth_user *user)
{
	const char *shell = ma_option(app, 's');
	const struct {
		enum mailauth_text which;
		const char *text;
	} rows[] = {
		{MAILAUTH_TEXT_COMMENT, ma_option(app, 'c')},
		{MAILAUTH_TEXT_HOME, ma_option(app, 'd')},
		{MAILAUTH_TEXT_SHELL, shell == NULL ? SHELL_DEFAULT : shell},
		{MAILAUTH_TEXT_GROUPS, ma_option(app, 'G')},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int code = text_set(app, user, rows[i].which, rows[i].text);

		if (code != MA_EXIT_OK)
			return code;
	}
	return MA_EXIT_OK;
}

/* LIST may have commas, which is easier to type; the library wants spaces. */
static int mechs_set(struct app *app, struct mailauth_user *user)
{
	const char *list = ma_option(app, MA_OPTION_MECH);
	char *copy;
	int code;

	if (list == NULL)
		return MA_EXIT_OK;
	copy = strdup(list);
	if (copy == NULL)
		return ma_app_fail(app, MAILAUTH_E_NOMEM, list);
	for (char *c = strchr(copy, ','); c != NULL; c = strchr(c, ','))
		*c = ' ';
	code = text_set(app, user, MAILAUTH_TEXT_MECHS, copy);
	free(copy);
	return code;
}

static int numbers_set(struct app *app, struct mailauth_user *user, const struct numbers *numbers)
{
	const struct {
		enum mailauth_number which;
		int64_t value;
		const char *what;
	} rows[] = {
		{MAILAUTH_NUMBER_UID, numbers->uid, "uid"},
		{MAILAUTH_NUMBER_GID, numbers->gid, "gid"},
		{MAILAUTH_NUMBER_EXPIRE, numbers->expire, "expiredate"},
		{MAILAUTH_NUMBER_INACTIVE, numbers->inactive, "inactive"},
		{MAILAUTH_NUMBER_RECOVERABLE,
		 ma_option(app, MA_OPTION_RECOVERABLE) == NULL ? -1 : 1, "recoverable"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum mailauth_status status = MAILAUTH_OK;

		if (rows[i].value >= 0)
			status = mailauth_user_set_number(user, rows[i].which, rows[i].value);
		if (status != MAILAUTH_OK)
			return ma_app_fail(app, status, rows[i].what);
	}
	return MA_EXIT_OK;
}

/* APOP beside other mechanisms would be passed over in silence, and its clients fail later. */
static int apop_check(const struct mailauth_user *user)
{
	static const char apop[] = "APOP";
	const char *list = mailauth_user_text(user, MAILAUTH_TEXT_MECHS);
	size_t len;

	if (mailauth_user_number(user, MAILAUTH_NUMBER_RECOVERABLE) > 0)
		return MA_EXIT_OK;
	for (const char *word = list; *word != '\0'; word += len + strspn(word + len, " ")) {
		len = strcspn(word, " ");
		if (len != strlen(apop) || strncmp(word, apop, len) != 0)
			continue;
		ma_say("APOP needs the password itself: add --recoverable to keep it, sealed, or "
		       "leave APOP out");
		return MA_EXIT_ARGUMENT;
	}
	return MA_EXIT_OK;
}

static int password_set(struct app *app, struct mailauth_user *user)
{
	MA_CLEANUP(ma_password_clear) struct password password = {0};
	const char *hash = ma_option(app, 'p');
	bool from_stdin = ma_option(app, MA_OPTION_STDIN) != NULL;
	enum mailauth_status status;

	if (hash != NULL) {
		status = mailauth_user_set_crypt(user, hash);
	} else if (from_stdin || ma_password_has_terminal()) {
		if (!ma_password_new(from_stdin, &password))
			return MA_EXIT_ARGUMENT;
		status = mailauth_user_set_password(user, password.bytes, password.len);
	} else {
		return MA_EXIT_OK; /* as useradd does; store() warns */
	}
	return status == MAILAUTH_OK ? MA_EXIT_OK : ma_app_fail(app, status, "password");
}

/* Makes the mailbox if asked to, and stores the account. */
static int store(struct app *app, struct mailauth_user *user, const struct numbers *numbers)
{
	const char *home = mailauth_user_text(user, MAILAUTH_TEXT_HOME);
	enum ma_home made = MA_HOME_THERE;
	enum mailauth_status status;

	if (ma_option(app, 'm') != NULL) {
		made = ma_home_make(home, (uid_t)numbers->uid, (gid_t)numbers->gid);
		if (made == MA_HOME_FAILED)
			return MA_EXIT_HOME;
		if (made == MA_HOME_THERE)
			ma_say("warning: mailbox %s is there already and stays as it is", home);
	}
	status = mailauth_user_add(user);
	if (status != MAILAUTH_OK) {
		if (made == MA_HOME_MADE)
			ma_home_undo(home);
		return ma_app_fail(app, status, mailauth_user_name(user));
	}
	if (mailauth_user_secret(user, 0) == NULL)
		ma_say("warning: no password set: run 'mailuser passwd %s'",
		       mailauth_user_name(user));
	return MA_EXIT_OK;
}

static int fill_and_store(struct app *app, const struct mailauth_name *name,
			  const struct numbers *numbers)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_new(app->ctx, name->text, &user);
	int code;

	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, name->text);
	code = texts_set(app, user);
	if (code == MA_EXIT_OK)
		code = mechs_set(app, user);
	if (code == MA_EXIT_OK)
		code = numbers_set(app, user, numbers);
	if (code == MA_EXIT_OK)
		code = apop_check(user);
	if (code == MA_EXIT_OK)
		code = password_set(app, user);
	return code == MA_EXIT_OK ? store(app, user, numbers) : code;
}

static int run(struct app *app)
{
	struct mailauth_name name;
	struct numbers numbers;
	int code = combination_check(app);

	if (code == MA_EXIT_OK)
		code = numbers_parse(app, &numbers);
	if (code == MA_EXIT_OK)
		code = ma_app_open(app, MAILAUTH_OPEN_WRITE);
	if (code == MA_EXIT_OK)
		code = ma_app_name(app, &name);
	if (code == MA_EXIT_OK)
		code = elsewhere_check(app, &name);
	if (code == MA_EXIT_OK)
		code = name_check(app, &name);
	if (code == MA_EXIT_OK)
		code = uid_check(app, numbers.uid);
	return code == MA_EXIT_OK ? fill_and_store(app, &name, &numbers) : code;
}

static const struct opt options[] = {
	{'c', "comment", "COMMENT", "full name or other remark"},
	{'d', "home-dir", "HOME_DIR", "folder of the mailbox"},
	{'e', "expiredate", "EXPIRE_DATE", "first day without login: YYYY-MM-DD; '' is never"},
	{'f', "inactive", "INACTIVE", "days from a too old password to the end of the account"},
	{'g', "gid", "GROUP", "Unix group of the mailbox, name or number"},
	{'G', "groups", "GROUPS", "mail groups, separated by commas"},
	{'m', "create-home", NULL, "make the mailbox as an empty Maildir"},
	{'o', "non-unique", NULL, "the uid may belong to another account too"},
	{'p', "password", "CRYPT", "crypt(3) string as the only secret"},
	{'s', "shell", "SHELL", "shell; default: " SHELL_DEFAULT},
	{'u', "uid", "UID", "user id of the mailbox"},
	{MA_OPTION_MECH, "mech", "LIST", "mechanisms its password serves; default: as configured"},
	{MA_OPTION_RECOVERABLE, "recoverable", NULL,
	 "keep the password itself, sealed; APOP needs it"},
	{MA_OPTION_STDIN, "stdin", NULL, "read the password from standard input, one line"},
	{MA_OPTION_STRICT, "strict", NULL, "refuse a name that a Unix user or an alias has"},
	{0, NULL, NULL, NULL},
};

const struct cmd cmd_add = {
	.name = "add",
	.alias = "useradd",
	.operand = "NAME",
	.summary = "Make an account and set its password",
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
