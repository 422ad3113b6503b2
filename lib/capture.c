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
	bool is_login;	       /* it was proved against ... */
	struct ma_span record; /* ... these bytes; else somebody else vouches for it */
	bool is_complete;      /* nothing was missing */
};

/* The password of another credential, one device's, is right and not the main one. */
static bool is_of_another(const struct mailauth_user *user, struct ma_span password)
{
	for (size_t i = 1; i < ma_user_account(user)->n_credentials; i++)
		if (ma_user_check_password(user, i, password) == MAILAUTH_OK)
			return true;
	return false;
}

/* MAILAUTH_OK: it is the main credential's. */
static enum mailauth_status prove(const struct mailauth_user *user, const struct capture *capture)
{
	const struct ma_account *account = ma_user_account(user);
	struct ma_span record = ma_span(user->worker->record, user->worker->record_len);

	/* A record is never sealed twice with the same bytes, not even of an account that was
	 * deleted and made again. */
	if (capture->is_login && account->n_credentials == 1 &&
	    ma_span_equal(record, capture->record))
		return MAILAUTH_OK;
	if (ma_user_credential(user)->n_secrets == 0)
		return capture->is_login || is_of_another(user, capture->password)
			       ? MAILAUTH_E_DENIED
			       : MAILAUTH_OK;
	return ma_user_check_password(user, 0, capture->password);
}

/* MAILAUTH_E_EXISTS keeps mailauth_user_update() from writing what is there already. */
static enum mailauth_status edit(struct mailauth_user *user, void *arg)
{
	struct capture *capture = arg;
	enum mailauth_status status;
	size_t n;

	status = prove(user, capture);
	if (status == MAILAUTH_OK)
		capture->is_complete = !ma_account_lacks(user->ctx, ma_user_account(user));
	else if (status == MAILAUTH_E_DENIED)
		capture->is_complete = is_of_another(user, capture->password);
	if (capture->is_complete)
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

/* What no client of the other mechanisms could send, or derive what is stored from. */
static bool is_usable(struct ma_span password)
{
	return password.len > 0 && password.len <= MAILAUTH_PASSWORD_MAX &&
	       memchr(password.p, '\0', password.len) == NULL && ma_span_is_utf8(password);
}

void ma_capture_login(struct ma_login *login, struct ma_span password)
{
	struct mailauth *ctx = login->ctx;
	struct capture capture = {.password = password, .is_login = true};
	enum mailauth_status status;

	if (!ctx->write || !ctx->config.capture || login->worker == NULL || !is_usable(password) ||
	    !ma_account_lacks(ctx, &login->worker->account))
		return;
	capture.record = ma_span(login->worker->record, login->worker->record_len);
	status = run(ctx, login->name.text, &capture);
	/* Denied: the account was changed in this moment, or it was a device's password. */
	if (status != MAILAUTH_OK && status != MAILAUTH_E_DENIED && status != MAILAUTH_E_NOTFOUND)
		ma_log(&ctx->log, MAILAUTH_LOG_WARN, "account",
		       "%s: its password was seen, but could not be taken over (%s)",
		       login->name.text, mailauth_status_name(status));
}
