/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_show.c - mailuser show: everything the store knows about one account, except its secrets
 *
 * Answers the two questions an administrator has when a login fails: may this account log in at
 * all, and which mechanisms can its secrets serve? So each mechanism of this build is listed, with
 * the reason where it cannot be served; its -PLUS form shares the line, as it shares the secret.
 * The weakest secret is named because it is what the whole record is worth to somebody who holds
 * both store and key.
 */
#include <inttypes.h>
#include <stdio.h>

#include "account.h"
#include "cmd.h"
#include "parse.h"

static void row_text(const char *label, const char *text)
{
	(void)printf("%-15s%s\n", label, text[0] == '\0' ? "-" : text);
}

static void row_number(const char *label, const struct mailauth_user *user,
		       enum mailauth_number which, const char *unit)
{
	int64_t value = mailauth_user_number(user, which);

	if (value < 0)
		row_text(label, "-");
	else
		(void)printf("%-15s%" PRId64 "%s\n", label, value, unit);
}

static void print_ageing(const struct mailauth_user *user)
{
	int64_t change = mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE);
	int64_t expire = mailauth_user_number(user, MAILAUTH_NUMBER_EXPIRE);

	row_text("Last change:", change == 0 ? "must be changed" : ma_format_day(change).text);
	row_number("Minimum:", user, MAILAUTH_NUMBER_MIN, " days");
	row_number("Maximum:", user, MAILAUTH_NUMBER_MAX, " days");
	row_number("Warning:", user, MAILAUTH_NUMBER_WARN, " days");
	row_number("Inactive:", user, MAILAUTH_NUMBER_INACTIVE, " days");
	row_text("Expires:", ma_format_day(expire).text);
}

static void print_secrets(const struct mailauth_user *user)
{
	const char *kind = mailauth_user_secret(user, 0);
	const char *weakest = mailauth_user_weakest(user);

	(void)printf("%-15s%s", "Secrets:", kind == NULL ? "-" : kind);
	for (size_t i = 1; kind != NULL; i++) {
		kind = mailauth_user_secret(user, i);
		if (kind != NULL)
			(void)printf(" %s", kind);
	}
	(void)printf("\n");
	row_text("Weakest:", weakest == NULL ? "" : weakest);
}

/* -PLUS in the line of the mechanism that it is a form of. */
static void print_mechs(const struct mailauth_user *user)
{
	(void)printf("Can serve:\n");
	for (size_t i = 0; i < mailauth_mech_count(); i++) {
		const char *mech = mailauth_mech_name(i);
		const char *next = mailauth_mech_name(i + 1);
		const char *also = next != NULL && ma_account_is_plus(next) ? ", also -PLUS" : "";
		const char *why = NULL;

		if (ma_account_is_plus(mech))
			continue;
		if (mailauth_user_can(user, mech, &why))
			(void)printf("  %-15syes%s\n", mech, also);
		else
			(void)printf("  %-15sno: %s\n", mech, why == NULL ? "not possible" : why);
	}
}

static void print_account(const struct mailauth_user *user)
{
	const char *mechs = mailauth_user_text(user, MAILAUTH_TEXT_MECHS);
	bool keeps = mailauth_user_number(user, MAILAUTH_NUMBER_RECOVERABLE) > 0;

	row_text("Name:", mailauth_user_name(user));
	row_text("State:", ma_account_state(user));
	row_text("Comment:", mailauth_user_text(user, MAILAUTH_TEXT_COMMENT));
	row_text("Home:", mailauth_user_text(user, MAILAUTH_TEXT_HOME));
	row_text("Shell:", mailauth_user_text(user, MAILAUTH_TEXT_SHELL));
	row_number("Uid:", user, MAILAUTH_NUMBER_UID, "");
	row_number("Gid:", user, MAILAUTH_NUMBER_GID, "");
	row_text("Groups:", mailauth_user_text(user, MAILAUTH_TEXT_GROUPS));
	row_text("Mechanisms:", mechs[0] == '\0' ? "as configured" : mechs);
	row_text("Recoverable:", keeps ? "yes" : "no");
	print_ageing(user);
	print_secrets(user);
	print_mechs(user);
	row_number("Generation:", user, MAILAUTH_NUMBER_GENERATION, "");
	row_text("Created:",
		 ma_format_time(mailauth_user_number(user, MAILAUTH_NUMBER_CREATED)).text);
	row_text("Modified:",
		 ma_format_time(mailauth_user_number(user, MAILAUTH_NUMBER_MODIFIED)).text);
}

static int run(struct app *app)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	struct mailauth_name name;
	enum mailauth_status status;
	int code = ma_app_open(app, 0);

	if (code != MA_EXIT_OK)
		return code;
	code = ma_app_name(app, &name);
	if (code != MA_EXIT_OK)
		return code;
	status = mailauth_user_get(app->ctx, name.text, &user);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, name.text);

	if (ma_option(app, MA_OPTION_JSON) == NULL) {
		print_account(user);
		return MA_EXIT_OK;
	}
	if (!ma_account_print_json(user, true))
		return ma_app_fail(app, MAILAUTH_E_NOMEM, name.text);
	(void)printf("\n");
	return MA_EXIT_OK;
}

static const struct opt options[] = {
	{MA_OPTION_JSON, "json", NULL, "print a JSON object"},
	{0},
};

const struct cmd cmd_show = {
	.name = "show",
	.alias = "finger",
	.operand = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "Show one account and which mechanisms it can serve",
	.options = options,
	.exits =
		{
			.denied = MA_EXIT_FAILED,
			.open = MA_EXIT_FAILED,
			.name = MA_EXIT_MISSING,
			.notfound = MA_EXIT_MISSING,
			.argument = MA_EXIT_FAILED,
			.busy = MA_EXIT_FAILED,
			.failed = MA_EXIT_FAILED,
		},
	.run = run,
};
