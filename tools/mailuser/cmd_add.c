/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_add.c - mailuser add: make an account, or set what new ones have
 *
 * Options and exit codes are those of useradd(8) where a mail-only user has any use for them. What
 * can be refused is refused before the user is asked for a password, and the password is asked for
 * before anything is made.
 *
 * The mailbox is made before the account: if it cannot be, there is no account without a mailbox,
 * and the command can simply be repeated. If the account then cannot be stored, the mailbox, still
 * without mail, is taken back.
 *
 * Whether a uid is in use is found by walking through all accounts, so it takes a while in a large
 * store, and two `add` at the same time do not see each other. -o skips it.
 */
#include <string.h>

#include "attributes.h"
#include "cmd.h"
#include "day.h"
#include "defaults.h"
#include "elsewhere.h"
#include "home.h"
#include "others.h"
#include "password.h"

/* A run of the command. */
struct add {
	struct app *app;
	struct mailauth_name name;
	struct attributes attributes;
	struct defaults defaults;
	char home[MAILAUTH_TEXT_MAX + 1]; /* by default */
};

static const struct attribute attribute_rows[] = {
	{'c', MA_KIND_TEXT, MAILAUTH_TEXT_COMMENT},
	{'d', MA_KIND_TEXT, MAILAUTH_TEXT_HOME},
	{'e', MA_KIND_DATE, MAILAUTH_NUMBER_EXPIRE},
	{'f', MA_KIND_DAYS, MAILAUTH_NUMBER_INACTIVE},
	{'g', MA_KIND_GID, MAILAUTH_NUMBER_GID},
	{'G', MA_KIND_GROUPS, MAILAUTH_TEXT_GROUPS},
	{'s', MA_KIND_TEXT, MAILAUTH_TEXT_SHELL},
	{'u', MA_KIND_UID, MAILAUTH_NUMBER_UID},
	{MA_OPTION_MECH, MA_KIND_MECHS, MAILAUTH_TEXT_MECHS},
	{MA_OPTION_RECOVERABLE, MA_KIND_ON, MAILAUTH_NUMBER_RECOVERABLE},
	{0},
};

/* The defaults, with those that options give in their place. */
static int defaults_take(struct add *add)
{
	const char *base = ma_option(add->app, 'b');
	const char *skeleton = ma_option(add->app, 'k');

	if (!ma_defaults_read(add->app, &add->defaults))
		return MA_EXIT_FAILED;
	if (base != NULL && !ma_defaults_set_home(&add->defaults, base)) {
		ma_say("invalid base directory '%s': give the absolute path of a folder for "
		       "mailboxes only, such as /var/vmail",
		       base);
		return MA_EXIT_ARGUMENT;
	}
	if (skeleton == NULL)
		return MA_EXIT_OK;
	if (strlen(skeleton) > MAILAUTH_TEXT_MAX)
		return ma_app_fail(add->app, MAILAUTH_E_LIMIT, skeleton);
	memcpy(add->defaults.skeleton, skeleton, strlen(skeleton) + 1);
	return MA_EXIT_OK;
}

static bool is_given(const struct app *app, const char *letters)
{
	for (; *letters != '\0'; letters++) {
		if (ma_option(app, *letters) != NULL)
			return true;
	}
	return false;
}

/* As useradd says it. */
static int only_with(const char *option, const char *other)
{
	ma_say("%s flag is only allowed with the %s flag", option, other);
	return MA_EXIT_USAGE;
}

/* -D, which takes no NAME and has options of its own. */
static int combination_check_defaults(const struct app *app)
{
	if (app->n_operands > 0) {
		ma_say("-D is about new accounts: leave out '%s'", app->operand);
		return MA_EXIT_USAGE;
	}
	if (!is_given(app, "cdGkmMopu") && ma_option(app, MA_OPTION_MECH) == NULL &&
	    ma_option(app, MA_OPTION_RECOVERABLE) == NULL &&
	    ma_option(app, MA_OPTION_STDIN) == NULL && ma_option(app, MA_OPTION_STRICT) == NULL)
		return MA_EXIT_OK;
	ma_say("-D takes -b, -e, -f, -g and -s only");
	return MA_EXIT_USAGE;
}

static int combination_check(const struct app *app)
{
	if (ma_option(app, 'D') != NULL)
		return combination_check_defaults(app);
	if (app->n_operands == 0) {
		ma_say("add: NAME is missing");
		return MA_EXIT_USAGE;
	}
	if (ma_option(app, 'p') != NULL && ma_option(app, MA_OPTION_STDIN) != NULL) {
		ma_say("give -p or --stdin, not both");
		return MA_EXIT_USAGE;
	}
	if (is_given(app, "o") && !is_given(app, "u"))
		return only_with("-o", "-u");
	if (is_given(app, "k") && !is_given(app, "m"))
		return only_with("-k", "-m");
	if (is_given(app, "m") && is_given(app, "M")) {
		ma_say("options -m and -M conflict");
		return MA_EXIT_USAGE;
	}
	return MA_EXIT_OK;
}

/* -m, once the defaults are known. */
static int owner_check(const struct add *add)
{
	if (!is_given(add->app, "m") ||
	    (is_given(add->app, "u") && (is_given(add->app, "g") || add->defaults.group >= 0)))
		return MA_EXIT_OK;
	ma_say("-m makes the mailbox: say whose it is with -u and -g");
	return MA_EXIT_USAGE;
}

static int name_check(struct add *add)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	struct app *app = add->app;
	enum mailauth_status status = mailauth_user_get(app->ctx, add->name.text, &user);

	switch (status) {
	case MAILAUTH_E_NOTFOUND:
		app->said = false;
		return MA_EXIT_OK;
	case MAILAUTH_OK:
		return ma_app_fail(app, MAILAUTH_E_EXISTS, add->name.text);
	case MAILAUTH_E_CORRUPT:
		ma_say("there is a damaged account '%s': delete it first", add->name.text);
		return MA_EXIT_EXISTS;
	default:
		return ma_app_fail(app, status, add->name.text);
	}
}

static int uid_check(struct add *add)
{
	struct mailauth_name owner;
	int64_t uid = add->attributes.numbers[MAILAUTH_NUMBER_UID];
	int code;

	if (!is_given(add->app, "u") || is_given(add->app, "o"))
		return MA_EXIT_OK;
	code = ma_others_uid(add->app, add->name.text, uid, &owner);
	if (code != MA_EXIT_OK || owner.text[0] == '\0')
		return code;
	ma_say("UID %lld is not unique: '%s' has it; use -o to share it", (long long)uid,
	       owner.text);
	return MA_EXIT_UID;
}

/* What no option says. */
static void defaults_apply(struct add *add)
{
	struct attributes *attributes = &add->attributes;
	const struct defaults *defaults = &add->defaults;
	int64_t day;

	if (attributes->texts[MAILAUTH_TEXT_SHELL] == NULL)
		attributes->texts[MAILAUTH_TEXT_SHELL] = defaults->shell;
	if (attributes->texts[MAILAUTH_TEXT_HOME] == NULL) {
		ma_defaults_home(defaults->home, add->name.text, add->home);
		attributes->texts[MAILAUTH_TEXT_HOME] = add->home;
	}
	if (!attributes->has_number[MAILAUTH_NUMBER_GID] && defaults->group >= 0)
		ma_attributes_set_number(attributes, MAILAUTH_NUMBER_GID, defaults->group);
	if (!attributes->has_number[MAILAUTH_NUMBER_INACTIVE])
		ma_attributes_set_number(attributes, MAILAUTH_NUMBER_INACTIVE, defaults->inactive);
	if (attributes->has_number[MAILAUTH_NUMBER_EXPIRE])
		return;
	if (ma_day_parse(defaults->expire, &day))
		ma_attributes_set_number(attributes, MAILAUTH_NUMBER_EXPIRE, day);
	else
		ma_say("warning: the default EXPIRE=%s is no date: see 'mailuser add -D'",
		       defaults->expire);
}

static int password_set(struct app *app, struct mailauth_user *user)
{
	MA_CLEANUP(ma_password_clear) struct password password = {0};
	const char *hash = ma_option(app, 'p');
	bool from_stdin = ma_option(app, MA_OPTION_STDIN) != NULL;
	enum mailauth_status status;

	if (hash != NULL) {
		status = ma_attributes_set_hash(user, hash);
	} else if (from_stdin || ma_password_has_terminal()) {
		if (!ma_password_new(from_stdin, &password))
			return MA_EXIT_ARGUMENT;
		status = mailauth_user_set_password(user, password.bytes, password.len);
	} else {
		return MA_EXIT_OK; /* as useradd does; store() warns */
	}
	return status == MAILAUTH_OK ? MA_EXIT_OK : ma_app_fail(app, status, "password");
}

/* Makes the mailbox if asked to. */
static int home_make(const struct add *add, const struct mailauth_user *user,
		     enum ma_home *made_out)
{
	const char *home = mailauth_user_text(user, MAILAUTH_TEXT_HOME);

	*made_out = MA_HOME_THERE;
	if (!is_given(add->app, "m"))
		return MA_EXIT_OK;
	if (home[0] == '\0') {
		ma_say("the mailbox has no folder: give one with -d");
		return MA_EXIT_HOME;
	}
	*made_out = ma_home_make(home, add->defaults.skeleton,
				 (uid_t)mailauth_user_number(user, MAILAUTH_NUMBER_UID),
				 (gid_t)mailauth_user_number(user, MAILAUTH_NUMBER_GID));
	if (*made_out == MA_HOME_FAILED)
		return MA_EXIT_HOME;
	if (*made_out == MA_HOME_THERE)
		ma_say("warning: mailbox %s is there already and stays as it is", home);
	return MA_EXIT_OK;
}

static int store(struct add *add, struct mailauth_user *user)
{
	enum ma_home made;
	enum mailauth_status status;
	int code = home_make(add, user, &made);

	if (code != MA_EXIT_OK)
		return code;
	status = mailauth_user_add(user);
	if (status != MAILAUTH_OK) {
		if (made == MA_HOME_MADE)
			ma_home_undo(mailauth_user_text(user, MAILAUTH_TEXT_HOME),
				     (uid_t)mailauth_user_number(user, MAILAUTH_NUMBER_UID));
		return ma_app_fail(add->app, status, mailauth_user_name(user));
	}
	if (mailauth_user_secret(user, 0) == NULL)
		ma_say("warning: no password set: run 'mailuser passwd %s'",
		       mailauth_user_name(user));
	return MA_EXIT_OK;
}

static int fill_and_store(struct add *add)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	struct app *app = add->app;
	enum mailauth_status status = mailauth_user_new(app->ctx, add->name.text, &user);
	int code;

	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, add->name.text);
	defaults_apply(add);
	status = ma_attributes_apply(&add->attributes, user);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, add->attributes.failed);
	if (!ma_attributes_check(user))
		return MA_EXIT_ARGUMENT;
	code = password_set(app, user);
	return code == MA_EXIT_OK ? store(add, user) : code;
}

static int account_make(struct add *add)
{
	struct app *app = add->app;
	int code = ma_app_open(app, MAILAUTH_OPEN_WRITE);

	if (code == MA_EXIT_OK)
		code = defaults_take(add);
	if (code == MA_EXIT_OK)
		code = owner_check(add);
	if (code == MA_EXIT_OK)
		code = ma_app_name(app, &add->name);
	if (code == MA_EXIT_OK &&
	    ma_elsewhere_warn(add->name.text, ma_option(app, MA_OPTION_STRICT) != NULL) &&
	    ma_option(app, MA_OPTION_STRICT) != NULL)
		code = MA_EXIT_EXISTS;
	if (code == MA_EXIT_OK)
		code = name_check(add);
	if (code == MA_EXIT_OK)
		code = uid_check(add);
	return code == MA_EXIT_OK ? fill_and_store(add) : code;
}

/* -D: shows the defaults, or sets some. The date is kept as it was written. */
static int defaults_run(struct add *add)
{
	struct defaults *defaults = &add->defaults;
	const char *expire = ma_option(add->app, 'e');
	const char *shell = ma_option(add->app, 's');
	int code = defaults_take(add);

	if (code != MA_EXIT_OK)
		return code;
	if (!is_given(add->app, "befgs")) {
		ma_defaults_print(defaults);
		return MA_EXIT_OK;
	}
	if (shell != NULL && !ma_defaults_set_shell(defaults, shell)) {
		ma_say("invalid shell '%s': give an absolute path", shell);
		return MA_EXIT_ARGUMENT;
	}
	if (expire != NULL && !ma_defaults_set_expire(defaults, expire))
		return ma_app_fail(add->app, MAILAUTH_E_LIMIT, expire);
	if (is_given(add->app, "f"))
		defaults->inactive = add->attributes.numbers[MAILAUTH_NUMBER_INACTIVE];
	if (is_given(add->app, "g"))
		defaults->group = add->attributes.numbers[MAILAUTH_NUMBER_GID];
	return ma_defaults_write(add->app, defaults) ? MA_EXIT_OK : MA_EXIT_FAILED;
}

static int run(struct app *app)
{
	struct add add = {.app = app};
	int code = ma_attributes_parse(app, attribute_rows, &add.attributes);

	if (code == MA_EXIT_OK)
		code = combination_check(app);
	if (code == MA_EXIT_OK)
		code = ma_option(app, 'D') != NULL ? defaults_run(&add) : account_make(&add);
	ma_attributes_clear(&add.attributes);
	return code;
}

static const struct opt options[] = {
	{'b', "base-dir", "BASE_DIR", "the mailbox is BASE_DIR/REALM/LOCAL, unless -d says more"},
	{'c', "comment", "COMMENT", "full name or other remark"},
	{'d', "home-dir", "HOME_DIR", "folder of the mailbox"},
	{'D', "defaults", NULL, "show the defaults, or set them with -b, -e, -f, -g and -s"},
	{'e', "expiredate", "EXPIRE_DATE", "first day without login: YYYY-MM-DD; '' is never"},
	{'f', "inactive", "INACTIVE", "days from a too old password to the end of the account"},
	{'g', "gid", "GROUP", "Unix group of the mailbox, name or number"},
	{'G', "groups", "GROUPS", "mail groups, separated by commas"},
	{'k', "skel", "SKEL_DIR", "folder whose contents -m copies into the mailbox"},
	{'m', "create-home", NULL, "make the mailbox as an empty Maildir"},
	{'M', "no-create-home", NULL, "make no mailbox; the default"},
	{'o', "non-unique", NULL, "the uid may belong to another account too"},
	{'p', "password", "CRYPT", "crypt(3) string as the only secret"},
	{'s', "shell", "SHELL", "shell; default: " MA_DEFAULT_SHELL},
	{'u', "uid", "UID", "user id of the mailbox"},
	{MA_OPTION_MECH, "mech", "LIST", "mechanisms its password serves; default: as configured"},
	{MA_OPTION_RECOVERABLE, "recoverable", NULL,
	 "keep the password itself, sealed; APOP needs it"},
	{MA_OPTION_STDIN, "stdin", NULL, "read the password from standard input, one line"},
	{MA_OPTION_STRICT, "strict", NULL, "refuse a name that a Unix user or an alias has"},
	{0},
};

const struct cmd cmd_add = {
	.name = "add",
	.alias = "useradd",
	.operand = "NAME",
	.max_operands = 1, /* none with -D */
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
