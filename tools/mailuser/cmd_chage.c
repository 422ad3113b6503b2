/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_chage.c - mailuser chage: change or list the ageing of a password
 *
 * Options, layout, prompts and exit codes are those of chage(1). Without options it asks for each
 * value; the answers are read from standard input, whatever that is, so scripts may give them.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "attributes.h"
#include "cmd.h"
#include "day.h"
#include "parse.h"

/* chage(1) has numbers of its own. */
enum { EXIT_DENIED = 1, EXIT_NO_STORE = 15 };

#define MAX_NEVER 10000 /* days: from here on a password does not expire, for chage(1) */

static const struct attribute attribute_rows[] = {
	{'d', MA_KIND_DATE, MAILAUTH_NUMBER_LAST_CHANGE},
	{'E', MA_KIND_DATE, MAILAUTH_NUMBER_EXPIRE},
	{'I', MA_KIND_DAYS, MAILAUTH_NUMBER_INACTIVE},
	{'m', MA_KIND_DAYS, MAILAUTH_NUMBER_MIN},
	{'M', MA_KIND_DAYS, MAILAUTH_NUMBER_MAX},
	{'W', MA_KIND_DAYS, MAILAUTH_NUMBER_WARN},
	{0},
};

static bool is_any_given(const struct app *app)
{
	for (const struct attribute *row = attribute_rows; row->option != 0; row++) {
		if (ma_option(app, row->option) != NULL)
			return true;
	}
	return false;
}

/* ---- list ---- */

static void day_print(int64_t day, bool is_iso)
{
	time_t seconds = (time_t)day * MA_DAY_S;
	char text[80];
	struct tm tm;

	if (day < 0)
		(void)puts("never");
	else if (gmtime_r(&seconds, &tm) != NULL &&
		 strftime(text, sizeof(text), is_iso ? "%Y-%m-%d" : "%b %d, %Y", &tm) > 0)
		(void)puts(text);
	else
		(void)puts(ma_format_day(day).text);
}

/* A day that counts from the last change; 0 there is no day. */
static void change_print(const char *label, int64_t last, int64_t day, bool is_iso)
{
	(void)printf("%s: ", label);
	if (last == 0)
		(void)puts("password must be changed");
	else
		day_print(day, is_iso);
}

/* As chage -l prints it. */
static void ageing_print(const struct mailauth_user *user, bool is_iso)
{
	int64_t last = mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE);
	int64_t max = mailauth_user_number(user, MAILAUTH_NUMBER_MAX);
	int64_t inactive = mailauth_user_number(user, MAILAUTH_NUMBER_INACTIVE);
	bool is_ageing = last >= 0 && max >= 0 && max < MAX_NEVER;

	change_print("Last password change\t\t\t\t\t", last, last, is_iso);
	change_print("Password expires\t\t\t\t\t", last, is_ageing ? last + max : -1, is_iso);
	change_print("Password inactive\t\t\t\t\t", last,
		     is_ageing && inactive >= 0 ? last + max + inactive : -1, is_iso);
	(void)printf("Account expires\t\t\t\t\t\t: ");
	day_print(mailauth_user_number(user, MAILAUTH_NUMBER_EXPIRE), is_iso);
	(void)printf("Minimum number of days between password change\t\t: %" PRId64 "\n",
		     mailauth_user_number(user, MAILAUTH_NUMBER_MIN));
	(void)printf("Maximum number of days between password change\t\t: %" PRId64 "\n", max);
	(void)printf("Number of days of warning before password expires\t: %" PRId64 "\n",
		     mailauth_user_number(user, MAILAUTH_NUMBER_WARN));
}

/* ---- ask ---- */

/* Prompts with the value there is and takes its place if there is an answer; false: too long. */
static bool field_ask(const char *prompt, char text[80])
{
	char line[80];
	char *begin = line;
	size_t len;

	(void)printf("\t%s [%s]: ", prompt, text);
	(void)fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL || line[0] == '\n')
		return true;
	len = strlen(line);
	if (line[len - 1] != '\n' && len == sizeof(line) - 1)
		return false;
	while (len > 0 && isspace((unsigned char)line[len - 1]) != 0)
		line[--len] = '\0';
	while (isspace((unsigned char)*begin) != 0)
		begin++;
	memcpy(text, begin, strlen(begin) + 1);
	return true;
}

static bool days_ask(const struct mailauth_user *user, enum mailauth_number which,
		     const char *prompt, struct attributes *out)
{
	char text[80];
	int64_t value;

	(void)snprintf(text, sizeof(text), "%" PRId64, mailauth_user_number(user, which));
	if (!field_ask(prompt, text) || !ma_parse_long(text, -1, MA_DAYS_MAX, &value))
		return false;
	ma_attributes_set_number(out, which, value);
	return true;
}

static bool date_ask(const struct mailauth_user *user, enum mailauth_number which,
		     const char *prompt, struct attributes *out)
{
	int64_t value = mailauth_user_number(user, which);
	char before[80] = "-1";
	char text[80];

	if (value >= 0)
		(void)snprintf(before, sizeof(before), "%s", ma_format_day(value).text);
	memcpy(text, before, sizeof(text));
	if (!field_ask(prompt, text) || text[0] == '\0')
		return false;
	if (strcmp(text, before) != 0 && !ma_day_parse(text, &value))
		return false;
	ma_attributes_set_number(out, which, value);
	return true;
}

static bool ageing_ask(const struct mailauth_user *user, struct attributes *out)
{
	(void)printf("Changing the aging information for %s\n"
		     "Enter the new value, or press ENTER for the default\n\n",
		     mailauth_user_name(user));
	return days_ask(user, MAILAUTH_NUMBER_MIN, "Minimum Password Age", out) &&
	       days_ask(user, MAILAUTH_NUMBER_MAX, "Maximum Password Age", out) &&
	       date_ask(user, MAILAUTH_NUMBER_LAST_CHANGE, "Last Password Change (YYYY-MM-DD)",
			out) &&
	       days_ask(user, MAILAUTH_NUMBER_WARN, "Password Expiration Warning", out) &&
	       days_ask(user, MAILAUTH_NUMBER_INACTIVE, "Password Inactive", out) &&
	       date_ask(user, MAILAUTH_NUMBER_EXPIRE, "Account Expiration Date (YYYY-MM-DD)", out);
}

/* ---- run ---- */

static enum mailauth_status edit(struct mailauth_user *user, void *arg)
{
	return ma_attributes_apply(arg, user);
}

static int update(struct app *app, const struct mailauth_name *name, struct attributes *attributes)
{
	enum mailauth_status status = mailauth_user_update(app->ctx, name->text, edit, attributes);

	return status == MAILAUTH_OK ? MA_EXIT_OK : ma_app_fail(app, status, name->text);
}

/* With the account at hand: to list it, or to ask with its values. */
static int show_or_ask(struct app *app, const struct mailauth_name *name,
		       struct attributes *attributes)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_get(app->ctx, name->text, &user);

	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, name->text);
	if (ma_option(app, 'l') != NULL) {
		ageing_print(user, ma_option(app, 'i') != NULL);
		return MA_EXIT_OK;
	}
	if (!ageing_ask(user, attributes)) {
		(void)putchar('\n');
		ma_say("error changing fields: nothing was changed");
		return EXIT_DENIED;
	}
	return update(app, name, attributes);
}

static int run(struct app *app)
{
	struct attributes attributes;
	struct mailauth_name name;
	bool list = ma_option(app, 'l') != NULL;
	int code = ma_attributes_parse(app, attribute_rows, &attributes);

	if (code == MA_EXIT_OK && list && is_any_given(app)) {
		ma_say("do not include \"l\" with other flags");
		code = MA_EXIT_USAGE;
	}
	if (code == MA_EXIT_OK)
		code = ma_app_open(app, list ? 0 : MAILAUTH_OPEN_WRITE);
	if (code == MA_EXIT_OK)
		code = ma_app_name(app, &name);
	if (code == MA_EXIT_OK)
		code = is_any_given(app) ? update(app, &name, &attributes)
					 : show_or_ask(app, &name, &attributes);
	ma_attributes_clear(&attributes);
	return code;
}

static const struct opt options[] = {
	{'d', "lastday", "LAST_DAY", "day of the last change: YYYY-MM-DD; 0: must be changed"},
	{'E', "expiredate", "EXPIRE_DATE", "first day without login: YYYY-MM-DD; -1 is never"},
	{'i', "iso8601", NULL, "print dates as YYYY-MM-DD"},
	{'I', "inactive", "INACTIVE", "days from a too old password to the end of the account"},
	{'l', "list", NULL, "show the ageing of the password"},
	{'m', "mindays", "MIN_DAYS", "days before the password may be changed again"},
	{'M', "maxdays", "MAX_DAYS", "days until the password is too old"},
	{'W', "warndays", "WARN_DAYS", "days of warning before that"},
	{0},
};

const struct cmd cmd_chage = {
	.name = "chage",
	.operand = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "Change or list the ageing of a password",
	.options = options,
	.exits =
		{
			.denied = EXIT_DENIED,
			.open = EXIT_NO_STORE,
			.name = EXIT_DENIED,
			.notfound = EXIT_DENIED, /* as chage(1) has it */
			.argument = MA_EXIT_USAGE,
			.busy = EXIT_DENIED,
			.failed = EXIT_DENIED,
		},
	.run = run,
};
