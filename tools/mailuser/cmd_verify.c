/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_verify.c - mailuser verify: would this password log in?
 *
 * Plays client and server of a real dialogue in this process, with the same session calls that a
 * mail server's plugin uses, so that the answer is the one a mail program would get. The session is
 * marked as protected by TLS, since nothing leaves the machine; but there is no TLS that -PLUS
 * could bind to.
 *
 * A server must not tell a client why a login failed. The administrator at this prompt may know:
 * the library's log line for the login, which holds the reason, is printed.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "client/client.h"
#include "cmd.h"
#include "password.h"

#define PLUS "-PLUS"

enum { EXIT_REFUSED = 1 };

/* The library's line for the login, besides what it always logs. */
static void log_login(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	struct app *app = arg;

	if (level != MAILAUTH_LOG_INFO) {
		ma_app_log(arg, level, event, text);
		return;
	}
	if (strcmp(event, "login") != 0)
		return;
	app->said = true;
	ma_say("login: %s", text);
}

static const char *mech_default(const struct mailauth_user *user)
{
	for (size_t i = 0; i < mailauth_mech_count(); i++) {
		const char *mech = mailauth_mech_name(i);

		if (mailauth_user_can(user, mech, NULL) && ma_client_find(mech) != NULL)
			return mech;
	}
	return NULL;
}

static bool is_known(const char *mech)
{
	for (size_t i = 0; i < mailauth_mech_count(); i++) {
		if (strcasecmp(mech, mailauth_mech_name(i)) == 0)
			return true;
	}
	return false;
}

/* Why a mechanism cannot be tried, and what to do. */
static void say_why_not(const char *mech)
{
	char list[256] = "";
	size_t len = 0;
	int plus = (int)strlen(mech) - (int)strlen(PLUS);

	if (is_known(mech) && plus > 0 && strcasecmp(mech + plus, PLUS) == 0) {
		ma_say("%s ties the login to a TLS connection, and here is none: try %.*s, which "
		       "uses the same secret",
		       mech, plus, mech);
		return;
	}
	for (size_t i = 0; i < mailauth_mech_count(); i++) {
		const char *name = mailauth_mech_name(i);

		if (ma_client_find(name) == NULL || strlen(name) + 1 >= sizeof(list) - len)
			continue;
		len += (size_t)snprintf(list + len, sizeof(list) - len, " %s", name);
	}
	ma_say("mechanism '%s' is not known here: choose one of%s", mech, list);
}

static bool password_read(const struct app *app, struct password *out)
{
	if (ma_option(app, MA_OPTION_STDIN) != NULL)
		return ma_password_stdin(out);
	if (ma_password_has_terminal())
		return ma_password_prompt("Password: ", NULL, out);
	ma_say("standard input is no terminal: use --stdin to give the password as its first line");
	return false;
}

/* Who tries to log in, and where. */
struct attempt {
	const char *mech;
	const char *account; /* local@realm */
	const char *name;    /* as it is sent */
	const char *realm;   /* of the client, in DIGEST-MD5; NULL: the server's */
};

static int result_print(struct app *app, const struct attempt *attempt,
			const struct client_login *login, enum mailauth_status status)
{
	const char *mech = login->client->mech;

	switch (status) {
	case MAILAUTH_OK:
		(void)printf("%s: accepted by %s", attempt->account, mech);
		if (login->iterations > 0)
			(void)printf(" (%u iterations)", login->iterations);
		(void)printf("\n");
		return MA_EXIT_OK;
	case MAILAUTH_E_DENIED:
	case MAILAUTH_E_PROTOCOL:
	case MAILAUTH_E_LIMIT:
		(void)printf("%s: refused by %s\n", attempt->account, mech);
		return EXIT_REFUSED;
	default:
		return ma_app_fail(app, status, mech);
	}
}

/* The proof of a login is the identity that it ends with: any other account's is none. */
static bool is_account(const struct mailauth_session *session, const char *account)
{
	const char *user = mailauth_session_user(session);

	return user != NULL && strcmp(user, account) == 0;
}

static int dialogue(struct app *app, const struct attempt *attempt)
{
	const struct mailauth_request request = {
		.size = sizeof(request),
		.flags = MAILAUTH_REQUEST_TLS,
		.service = "mailuser",
		.realm = strchr(attempt->account, '@') + 1,
	};
	MA_CLEANUP(mailauth_session_free) struct mailauth_session *session = NULL;
	MA_CLEANUP(ma_password_clear) struct password password = {0};
	const struct client *client = ma_client_find(attempt->mech);
	struct client_login login = {.name = attempt->name, .realm = attempt->realm};
	enum mailauth_status status = MAILAUTH_E_UNSUPPORTED;

	if (client != NULL)
		status = mailauth_session_new(app->ctx, attempt->mech, &request, &session);
	if (status == MAILAUTH_E_UNSUPPORTED) {
		say_why_not(attempt->mech);
		return app->cmd->exits.argument;
	}
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, attempt->mech);
	if (!password_read(app, &password))
		return app->cmd->exits.argument;

	app->said = false;
	mailauth_set_logger(app->ctx, log_login, app, MAILAUTH_LOG_INFO);
	login.password = (struct client_bytes){password.bytes, password.len};
	status = ma_client_login(client, session, &login);
	if (login.why != NULL) {
		ma_say("%s: %s", client->mech, login.why);
		return app->cmd->exits.failed;
	}
	if (status == MAILAUTH_OK && !is_account(session, attempt->account)) {
		ma_say("%s: the login was one of another account", client->mech);
		return app->cmd->exits.failed;
	}
	return result_print(app, attempt, &login, status);
}

static int run(struct app *app)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	struct attempt attempt = {
		.mech = ma_option(app, MA_OPTION_MECH),
		.realm = ma_option(app, MA_OPTION_REALM),
	};
	struct mailauth_name name;
	char sent[sizeof(name.text)];
	enum mailauth_status status;
	int code;

	if (attempt.realm != NULL &&
	    (attempt.mech == NULL || strcasecmp(attempt.mech, "DIGEST-MD5") != 0)) {
		ma_say("--realm makes sense with --mech DIGEST-MD5 only");
		return MA_EXIT_USAGE;
	}
	code = ma_app_open(app, 0);
	if (code != MA_EXIT_OK)
		return code;
	code = ma_app_name(app, &name);
	if (code != MA_EXIT_OK)
		return code;
	status = mailauth_user_get(app->ctx, name.text, &user);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, name.text);

	if (attempt.mech == NULL)
		attempt.mech = mech_default(user);
	if (attempt.mech == NULL) {
		ma_say("%s has no password: set one with 'mailuser passwd %s'", name.text,
		       name.text);
		return EXIT_REFUSED;
	}
	/* Mail programs send what the user typed, and DIGEST-MD5 hashes it: keep the form. */
	(void)snprintf(sent, sizeof(sent), "%.*s",
		       (int)strcspn(name.text, strchr(app->operand, '@') == NULL ? "@" : ""),
		       name.text);
	attempt.account = name.text;
	attempt.name = sent;
	return dialogue(app, &attempt);
}

static const struct opt options[] = {
	{MA_OPTION_MECH, "mech", "MECH", "mechanism; default: the first the account can serve"},
	{MA_OPTION_REALM, "realm", "REALM", "realm to use in DIGEST-MD5; default: the server's"},
	{MA_OPTION_STDIN, "stdin", NULL, "read the password from standard input, one line"},
	{0},
};

const struct cmd cmd_verify = {
	.name = "verify",
	.alias = NULL,
	.operand = "NAME",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "Try a login with a password, as a mail program would",
	.options = options,
	.exits =
		{
			.denied = MA_EXIT_ARGUMENT,
			.open = MA_EXIT_ARGUMENT,
			.name = MA_EXIT_MISSING,
			.notfound = MA_EXIT_MISSING,
			.argument = MA_EXIT_ARGUMENT,
			.busy = MA_EXIT_ARGUMENT,
			.failed = MA_EXIT_ARGUMENT,
		},
	.run = run,
};
