/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capture.c - derive what an account lacks at the moment its password is seen and proved right
 *
 * An account that came from /etc/shadow has a crypt(3) string alone, from which no other verifier
 * can be made. The first login with the password itself is the chance to make them. One write for
 * each account, ever; what is there stays, the day of the last change, too: the password is still
 * the same.
 *
 * The password is checked against the account as it is at the moment of the change, unless that is
 * the very record which the login has just proved it against. So a password that was changed
 * meanwhile, or one that another program proved against something else, is never mixed in.
 */
#include "capture.h"

#include "user.h"

struct capture {
	struct ma_span password;
	bool is_proved;	     /* against the record of ... */
	uint64_t generation; /* ... this one */
	bool is_complete;    /* nothing was missing */
};

static enum mailauth_status prove(const struct mailauth_user *user, const struct capture *capture)
{
	const struct ma_account *account = ma_user_account(user);

	/* A password of another credential is not the main one's. */
	if (capture->is_proved && capture->generation == account->generation &&
	    account->n_credentials == 1)
		return MAILAUTH_OK;
	if (ma_user_credential(user)->n_secrets == 0)
		return MAILAUTH_OK;
	return ma_user_check_password(user, capture->password);
}

/* MAILAUTH_E_EXISTS keeps mailauth_user_update() from writing what is there already. */
static enum mailauth_status edit(struct mailauth_user *user, void *arg)
{
	struct capture *capture = arg;
	enum mailauth_status status;
	size_t n;

	capture->is_complete = !ma_account_lacks(user->ctx, ma_user_account(user));
	status = prove(user, capture);
	if (status == MAILAUTH_OK && capture->is_complete)
		return MAILAUTH_E_EXISTS;
	if (status == MAILAUTH_OK)
		status = mailauth_user_derive(user, capture->password.p, capture->password.len, &n);
	return status;
}

static enum mailauth_status run(struct mailauth *ctx, const char *name, struct capture *capture)
{
	enum mailauth_status status = mailauth_user_update(ctx, name, edit, capture);

	if (status == MAILAUTH_E_EXISTS && capture->is_complete)
		return MAILAUTH_OK;
	if (status == MAILAUTH_OK)
		ma_log(&ctx->log, MAILAUTH_LOG_INFO, "account",
		       "%s: its password was seen, and serves all its mechanisms now", name);
	return status;
}

enum mailauth_status mailauth_capture(struct mailauth *ctx, const char *name, const void *password,
				      size_t password_len)
{
	struct capture capture = {.password = ma_span(password, password_len)};

	if (ctx == NULL || name == NULL || password == NULL || password_len == 0)
		return MAILAUTH_E_USAGE;
	if (!ctx->write)
		return ma_user_refuse_write(ctx);
	return ctx->config.capture ? run(ctx, name, &capture) : MAILAUTH_OK;
}

void ma_capture_login(struct ma_login *login, struct ma_span password)
{
	struct mailauth *ctx = login->ctx;
	struct capture capture = {
		.password = password,
		.is_proved = true,
		.generation = login->generation,
	};
	enum mailauth_status status;

	if (!ctx->write || !ctx->config.capture || password.len == 0 || login->worker == NULL ||
	    !ma_account_lacks(ctx, &login->worker->account))
		return;
	status = run(ctx, login->name.text, &capture);
	if (status != MAILAUTH_OK)
		ma_log(&ctx->log, MAILAUTH_LOG_WARN, "account",
		       "%s: its password was seen, but could not be taken over (%s); the next "
		       "login "
		       "tries again",
		       login->name.text, mailauth_status_name(status));
}
