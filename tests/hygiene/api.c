/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * api.c - a server on the C API that keeps no secret itself; see command.h
 *
 *   open CONFIG            close
 *   session MECH           step HEX            end
 *   plain NAME HEX         capture NAME HEX    passwd NAME HEX
 *   verifiers NAME         secrets NAME
 *
 * The answer is a status, and for "step" the reply.
 */
#include <mailauth/admin.h>
#include <mailauth/mailauth.h>
#include <mailauth/verifier.h>
#include <string.h>

#include "command.h"

#define EVERY_VERIFIER 0xffu

static struct mailauth *ctx;
static struct mailauth_session *session;
static struct command command;
static const struct mailauth_request request = {
	.size = sizeof(request),
	.flags = MAILAUTH_REQUEST_TLS,
	.service = "hygiene",
};

static bool is_command(const char *word)
{
	return strcmp(command.words[0], word) == 0;
}

static enum mailauth_status open_context(void)
{
	const struct mailauth_options options = {
		.size = sizeof(options),
		.flags = MAILAUTH_OPEN_WRITE,
		.config = command.words[1],
	};

	return mailauth_open(&options, &ctx);
}

static enum mailauth_status set_password(struct mailauth_user *user, void *arg)
{
	const struct command *given = arg;

	return mailauth_user_set_password(user, given->bytes, given->bytes_len);
}

static void ignore(void *arg, enum mailauth_verifier kind, const void *p, size_t len)
{
	(void)arg;
	(void)kind;
	(void)p;
	(void)len;
}

static enum mailauth_status read_secrets(void)
{
	char text[MAILAUTH_SECRET_TEXT_MAX];
	struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_get(ctx, command.words[1], &user);

	for (size_t i = 0; status == MAILAUTH_OK && mailauth_user_secret(user, i) != NULL; i++)
		status = mailauth_user_secret_text(user, i, 0, text);
	explicit_bzero(text, sizeof(text));
	mailauth_user_free(&user);
	return status;
}

static enum mailauth_status run_on_account(void)
{
	const char *name = command.words[1];

	if (is_command("verifiers"))
		return mailauth_verifier_get(ctx, &request, name, strlen(name), EVERY_VERIFIER,
					     ignore, NULL);
	if (is_command("secrets"))
		return read_secrets();
	command_decode(&command, 2);
	if (is_command("plain"))
		return mailauth_verify_plain(ctx, &request, name, strlen(name), command.bytes,
					     command.bytes_len, NULL);
	if (is_command("capture"))
		return mailauth_capture(ctx, name, command.bytes, command.bytes_len);
	if (is_command("passwd"))
		return mailauth_user_update(ctx, name, set_password, &command);
	return MAILAUTH_E_USAGE;
}

static enum mailauth_status run(const void **reply_out, size_t *len_out)
{
	if (is_command("open"))
		return open_context();
	if (is_command("session"))
		return mailauth_session_new(ctx, command.words[1], &request, &session);
	if (is_command("step")) {
		command_decode(&command, 1);
		return mailauth_session_step(session, command.bytes, command.bytes_len, reply_out,
					     len_out);
	}
	if (is_command("end"))
		mailauth_session_free(&session);
	else if (is_command("close"))
		mailauth_free(&ctx);
	else
		return run_on_account();
	return MAILAUTH_OK;
}

int main(void)
{
	while (command_read(&command)) {
		const void *reply = NULL;
		size_t len = 0;
		enum mailauth_status status = run(&reply, &len);

		command_answer(&command, (int)status, reply, len);
	}
	mailauth_session_free(&session);
	mailauth_free(&ctx);
	return 0;
}
