/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user_secret.c - an account's secrets: derive, take over, show
 *
 * See mailauth/admin.h and user.h. New secrets are put behind one another into user->secrets, old
 * ones stay where the record was opened; the account's list points to both.
 */
#include "user.h"

#include <stdio.h>

void mailauth_user_clear_secrets(struct mailauth_user *user)
{
	for (size_t i = 0; i < ma_user_account(user)->n_credentials; i++)
		ma_user_account(user)->credentials[i].n_secrets = 0;
	ma_buf_reset(&user->secrets);
}

static struct ma_subject subject_of(const struct mailauth_user *user)
{
	const struct ma_name *name = &user->name;

	return (struct ma_subject){
		.crypto = ma_engine(user->ctx)->crypto,
		.config = &user->ctx->config,
		.local = ma_span(name->text, name->local_len),
		.realm = ma_span_text(name->text + name->local_len + 1),
	};
}

static struct ma_secret *find_secret(const struct mailauth_user *user, unsigned int kind)
{
	struct ma_credential *credential = ma_user_credential(user);

	for (size_t i = 0; i < credential->n_secrets; i++)
		if (credential->secrets[i].kind == kind)
			return &credential->secrets[i];
	return NULL;
}

/* Takes a replaced secret out of the new ones; how many bytes that were. Old ones lie elsewhere. */
static size_t drop_bytes(struct mailauth_user *user, struct ma_span bytes)
{
	struct ma_credential *credential = ma_user_credential(user);
	struct ma_buf *secrets = &user->secrets;
	const uint8_t *end = secrets->p + secrets->len;
	size_t at;

	if (bytes.len == 0 || bytes.p < secrets->p || bytes.p >= end)
		return 0;
	at = (size_t)(bytes.p - secrets->p);
	memmove(secrets->p + at, secrets->p + at + bytes.len, secrets->len - at - bytes.len);
	ma_buf_truncate(secrets, secrets->len - bytes.len);
	for (size_t i = 0; i < credential->n_secrets; i++) {
		struct ma_span *value = &credential->secrets[i].value;

		if (value->p > bytes.p && value->p < end)
			value->p -= bytes.len;
	}
	return bytes.len;
}

/* The secret that begins at @start of the new ones, in the place of the old one of its kind. */
static enum mailauth_status place_secret(struct mailauth_user *user, const struct ma_kind *kind,
					 size_t start)
{
	struct ma_credential *credential = ma_user_credential(user);
	struct ma_secret *secret = find_secret(user, kind->id);

	if (user->secrets.len - start > MA_SECRET_MAX)
		return MAILAUTH_E_LIMIT;
	if (secret == NULL && credential->n_secrets == MA_SECRETS_MAX)
		return MAILAUTH_E_LIMIT;
	if (secret == NULL)
		secret = &credential->secrets[credential->n_secrets++];
	else
		start -= drop_bytes(user, secret->value);
	secret->kind = (uint8_t)kind->id;
	secret->value = ma_span(user->secrets.p + start, user->secrets.len - start);
	return MAILAUTH_OK;
}

static enum mailauth_status add_secret(struct mailauth_user *user, const struct ma_kind *kind,
				       struct ma_span password)
{
	const struct ma_subject subject = subject_of(user);
	size_t start = user->secrets.len;
	enum mailauth_status status = kind->derive(kind, &subject, password, &user->secrets);

	if (status == MAILAUTH_OK)
		status = place_secret(user, kind, start);
	if (status != MAILAUTH_OK)
		ma_buf_truncate(&user->secrets, start);
	return status;
}

static void remove_secret(struct mailauth_user *user, enum ma_kind_id kind)
{
	struct ma_credential *credential = ma_user_credential(user);
	size_t n = 0;

	for (size_t i = 0; i < credential->n_secrets; i++)
		if (credential->secrets[i].kind != kind)
			credential->secrets[n++] = credential->secrets[i];
	credential->n_secrets = n;
}

static enum mailauth_status check_password(const struct mailauth_user *user,
					   struct ma_span password)
{
	if (password.len == 0)
		return ma_user_refuse(user, "the password", "is empty");
	if (password.len > MAILAUTH_PASSWORD_MAX) {
		(void)ma_user_refuse(user, "the password", "is longer than 1024 bytes");
		return MAILAUTH_E_LIMIT;
	}
	if (memchr(password.p, '\0', password.len) != NULL)
		return ma_user_refuse(user, "the password",
				      "has a NUL byte, which no client can send");
	/* Mechanisms disagree about other encodings: each would take another password. */
	if (!ma_span_is_utf8(password))
		return ma_user_refuse(user, "the password",
				      "is not UTF-8; set the terminal's locale");
	return MAILAUTH_OK;
}

/* The account's own list, else the configuration's; empty: all. */
static struct ma_span mechs_of(const struct mailauth *ctx, const struct ma_account *account)
{
	const char *preset = ctx->config.mechanisms;

	return account->mechs.len == 0 && preset != NULL ? ma_span_text(preset) : account->mechs;
}

bool ma_account_kinds(const struct mailauth *ctx, const struct ma_account *account,
		      struct ma_kinds *kinds_out, struct ma_span *unknown_out)
{
	return ma_mech_kinds(mechs_of(ctx, account), (account->flags & MA_ACCOUNT_RECOVERABLE) != 0,
			     kinds_out, unknown_out);
}

bool ma_account_lacks(const struct mailauth *ctx, const struct ma_account *account)
{
	struct ma_kinds kinds;
	struct ma_span unknown;

	if (!ma_account_kinds(ctx, account, &kinds, &unknown))
		return false;
	for (size_t i = 0; i < kinds.n; i++)
		if (ma_credential_secret(&account->credentials[0], kinds.items[i]->id) == NULL)
			return true;
	return false;
}

/* What a new password needs: at least one kind. */
static enum mailauth_status wanted_kinds(const struct mailauth_user *user,
					 struct ma_kinds *kinds_out)
{
	struct ma_span unknown;

	if (!ma_account_kinds(user->ctx, ma_user_account(user), kinds_out, &unknown))
		return ma_user_refuse_mech(user, unknown);
	if (kinds_out->n == 0)
		return ma_user_refuse(user, "APOP",
				      "needs the password kept; make the account recoverable, or "
				      "name another mechanism");
	return MAILAUTH_OK;
}

/* Only crypt(3) takes less than check_password() lets through. */
static enum mailauth_status refuse_long(const struct mailauth_user *user,
					enum mailauth_status status)
{
	if (status == MAILAUTH_E_LIMIT)
		(void)ma_user_refuse(user, "the password",
				     "is too long for crypt(3): at most 511 bytes");
	return status;
}

static enum mailauth_status derive_all(struct mailauth_user *user, const struct ma_kinds *kinds,
				       struct ma_span password)
{
	enum mailauth_status status = MAILAUTH_OK;

	ma_user_credential(user)->n_secrets = 0;
	ma_buf_reset(&user->secrets);
	for (size_t i = 0; status == MAILAUTH_OK && i < kinds->n; i++)
		status = add_secret(user, kinds->items[i], password);
	if (status == MAILAUTH_OK)
		return MAILAUTH_OK;
	ma_user_credential(user)->n_secrets = 0;
	ma_buf_reset(&user->secrets);
	return refuse_long(user, status);
}

enum mailauth_status mailauth_user_set_password(struct mailauth_user *user, const void *password,
						size_t password_len)
{
	struct ma_span secret = ma_span(password, password_len);
	struct ma_kinds kinds;
	enum mailauth_status status;

	if (user == NULL || (password == NULL && password_len > 0))
		return MAILAUTH_E_USAGE;
	status = check_password(user, secret);
	if (status == MAILAUTH_OK)
		status = wanted_kinds(user, &kinds);
	if (status == MAILAUTH_OK)
		status = derive_all(user, &kinds, secret);
	if (status == MAILAUTH_OK)
		ma_user_account(user)->last_change = ma_today(user->ctx);
	return status;
}

/* Adds what is missing of the kinds. */
static enum mailauth_status derive_missing(struct mailauth_user *user, const struct ma_kinds *kinds,
					   struct ma_span password, size_t *n_out)
{
	size_t n_secrets = ma_user_credential(user)->n_secrets;
	size_t len = user->secrets.len;

	for (size_t i = 0; i < kinds->n; i++) {
		enum mailauth_status status;

		if (find_secret(user, kinds->items[i]->id) != NULL)
			continue;
		status = add_secret(user, kinds->items[i], password);
		if (status != MAILAUTH_OK) { /* all or none */
			ma_user_credential(user)->n_secrets = n_secrets;
			ma_buf_truncate(&user->secrets, len);
			return refuse_long(user, status);
		}
		(*n_out)++;
	}
	return MAILAUTH_OK;
}

enum mailauth_status mailauth_user_derive(struct mailauth_user *user, const void *password,
					  size_t password_len, size_t *n_out)
{
	struct ma_span secret = ma_span(password, password_len);
	const struct ma_secret *kept;
	struct ma_kinds kinds;
	size_t n = 0;
	enum mailauth_status status;

	if (n_out != NULL)
		*n_out = 0;
	if (user == NULL || (password == NULL && password_len > 0))
		return MAILAUTH_E_USAGE;
	kept = find_secret(user, MA_KIND_PASSWORD);
	if (password == NULL && kept == NULL)
		return MAILAUTH_E_NOTFOUND;
	if (password == NULL)
		secret = kept->value;
	status = check_password(user, secret);
	if (status == MAILAUTH_OK)
		status = wanted_kinds(user, &kinds);
	if (status == MAILAUTH_OK)
		status = derive_missing(user, &kinds, secret, &n);
	if (status != MAILAUTH_OK)
		return status;
	if ((ma_user_account(user)->flags & MA_ACCOUNT_RECOVERABLE) == 0)
		remove_secret(user, MA_KIND_PASSWORD);
	if (n_out != NULL)
		*n_out = n;
	return MAILAUTH_OK;
}

enum mailauth_status ma_user_check_password(const struct mailauth_user *user, size_t index,
					    struct ma_span password)
{
	const struct ma_candidates candidates = {
		.subject = subject_of(user),
		.n = 1,
		.items = {&ma_user_account(user)->credentials[index]},
	};

	return ma_mech_check_password(&candidates, password);
}

static enum mailauth_status put_secret(struct mailauth_user *user, const struct ma_kind *kind,
				       const char *text)
{
	const struct ma_subject subject = subject_of(user);
	const struct ma_secret *old = find_secret(user, kind->id);
	size_t start = user->secrets.len;
	enum mailauth_status status;
	const char *why = kind->parse(kind, &subject, ma_span_text(text),
				      old != NULL ? old->value : ma_span(NULL, 0), &user->secrets);
	char what[64];

	status = ma_buf_status(&user->secrets);
	if (why == NULL && status == MAILAUTH_OK)
		status = place_secret(user, kind, start);
	if (why == NULL && status == MAILAUTH_OK)
		return MAILAUTH_OK;
	ma_buf_truncate(&user->secrets, start);
	if (why == NULL)
		return status;
	(void)snprintf(what, sizeof(what), "the %s cannot be used:", kind->title);
	return ma_user_refuse(user, what, why);
}

enum mailauth_status mailauth_user_put_secret(struct mailauth_user *user, const char *kind_name,
					      const char *text)
{
	const struct ma_kind *kind;

	if (user == NULL || kind_name == NULL || text == NULL)
		return MAILAUTH_E_USAGE;
	kind = ma_kind_find_name(ma_span_text(kind_name));
	if (kind == NULL)
		return ma_user_refuse(user, "a secret",
				      "is of a kind that this build does not have");
	if (kind->id == MA_KIND_PASSWORD &&
	    (ma_user_account(user)->flags & MA_ACCOUNT_RECOVERABLE) == 0)
		return ma_user_refuse(user, "the password",
				      "cannot be kept: the account is not recoverable");
	return put_secret(user, kind, text);
}

enum mailauth_status mailauth_user_set_crypt(struct mailauth_user *user, const char *hash)
{
	enum mailauth_status status;

	if (user == NULL || hash == NULL)
		return MAILAUTH_E_USAGE;
	status = put_secret(user, &ma_kind_crypt, hash);
	if (status != MAILAUTH_OK)
		return status;
	ma_user_credential(user)->secrets[0] = *find_secret(user, MA_KIND_CRYPT);
	ma_user_credential(user)->n_secrets = 1;
	ma_user_account(user)->last_change = ma_today(user->ctx);
	return MAILAUTH_OK;
}

enum mailauth_status mailauth_user_secret_text(const struct mailauth_user *user, size_t index,
					       size_t part, char text_out[MAILAUTH_SECRET_TEXT_MAX])
{
	const struct ma_credential *credential;
	const struct ma_kind *kind;
	struct ma_subject subject;
	struct ma_buf out;

	if (text_out == NULL)
		return MAILAUTH_E_USAGE;
	text_out[0] = '\0';
	if (user == NULL)
		return MAILAUTH_E_USAGE;
	credential = ma_user_credential(user);
	kind = index < credential->n_secrets ? ma_kind_find(credential->secrets[index].kind) : NULL;
	if (kind == NULL)
		return MAILAUTH_E_NOTFOUND;
	subject = subject_of(user);
	out = ma_buf_fixed(text_out, MAILAUTH_SECRET_TEXT_MAX - 1);
	if (!kind->format(kind, &subject, credential->secrets[index].value, part, &out) ||
	    ma_buf_status(&out) != MAILAUTH_OK) {
		ma_wipe(text_out, MAILAUTH_SECRET_TEXT_MAX);
		return MAILAUTH_E_NOTFOUND;
	}
	text_out[out.len] = '\0';
	return MAILAUTH_OK;
}

enum mailauth_status mailauth_user_rename(struct mailauth_user *user, const char *name_text)
{
	struct ma_name name;
	enum mailauth_status status;

	if (user == NULL || name_text == NULL)
		return MAILAUTH_E_USAGE;
	status = ma_user_name(user->ctx, name_text, &name);
	if (status != MAILAUTH_OK || ma_span_equal(ma_name_span(&name), ma_name_span(&user->name)))
		return status;
	user->name = name;
	if (find_secret(user, MA_KIND_DIGEST_MD5) == NULL)
		return MAILAUTH_OK;
	remove_secret(user, MA_KIND_DIGEST_MD5);
	status = mailauth_user_derive(user, NULL, 0, NULL);
	return status == MAILAUTH_E_NOTFOUND ? MAILAUTH_OK : status;
}

static const struct ma_kind *kind_at(const struct mailauth_user *user, size_t index)
{
	const struct ma_credential *credential = ma_user_credential(user);

	return index < credential->n_secrets ? ma_kind_find(credential->secrets[index].kind) : NULL;
}

const char *mailauth_user_secret(const struct mailauth_user *user, size_t index)
{
	const struct ma_kind *kind = kind_at(user, index);

	if (kind != NULL)
		return kind->name;
	return index < ma_user_credential(user)->n_secrets ? "unknown" : NULL;
}

const char *mailauth_user_weakest(const struct mailauth_user *user)
{
	const struct ma_kind *weakest = NULL;

	for (size_t i = 0; i < ma_user_credential(user)->n_secrets; i++) {
		const struct ma_kind *kind = kind_at(user, i);

		if (kind != NULL && (weakest == NULL || kind->strength < weakest->strength))
			weakest = kind;
	}
	return weakest != NULL ? weakest->name : NULL;
}

static bool has_mech(struct ma_span list, const struct ma_mech *mech)
{
	struct ma_span word;
	bool any = false;

	while (ma_span_take_word(&list, " ,\t", &word)) {
		any = true;
		if (ma_mech_find(word) == mech)
			return true;
	}
	return !any && !mech->on_request;
}

static const char *why_not(const struct mailauth_user *user, const char *mech_name)
{
	const struct ma_mech *mech = ma_mech_find(ma_span_text(mech_name));
	const struct ma_credential *credential = ma_user_credential(user);

	if (mech == NULL)
		return "this build does not have it";
	if (credential->n_secrets == 0)
		return "no password is set";
	for (size_t i = 0; i < credential->n_secrets; i++)
		if (ma_mech_accepts(mech, &credential->secrets[i]))
			return NULL;
	if (mech->kind == &ma_kind_password)
		return "it needs the password kept, and the account is not recoverable";
	if (!has_mech(mechs_of(user->ctx, ma_user_account(user)), mech))
		return "its list of mechanisms leaves it out";
	if (credential->secrets[0].kind == MA_KIND_CRYPT)
		return "there is only a crypt hash; set the password anew";
	return "there is no secret for it yet; set the password anew";
}

bool mailauth_user_can(const struct mailauth_user *user, const char *mech, const char **why_out)
{
	const char *why = why_not(user, mech);

	if (why_out != NULL)
		*why_out = why;
	return why == NULL;
}
