/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verifier.c - hand verifiers to another authentication system
 *
 * See verifier.h. The table joins the public kinds with those of the record; the last one in it,
 * the password, is the strongest secret and the last resort. Only the main credential is handed
 * out: a host that holds a verifier cannot tell which device it belongs to.
 */
#include <mailauth/verifier.h>

#include "lib.h"
#include "login.h"
#include "util/mem.h"

struct row {
	enum mailauth_verifier verifier;
	enum ma_kind_id kind;
};

static const struct row rows[] = {
	{MAILAUTH_VERIFIER_SASL_PLAIN, MA_KIND_SASL_PLAIN},
	{MAILAUTH_VERIFIER_CRAM_MD5, MA_KIND_CRAM_MD5},
	{MAILAUTH_VERIFIER_DIGEST_MD5, MA_KIND_DIGEST_MD5},
	{MAILAUTH_VERIFIER_DIGEST_MD5_FULL, MA_KIND_DIGEST_MD5},
	{MAILAUTH_VERIFIER_SCRAM_SHA_1, MA_KIND_SCRAM_SHA_1},
	{MAILAUTH_VERIFIER_SCRAM_SHA_256, MA_KIND_SCRAM_SHA_256},
	{MAILAUTH_VERIFIER_SCRAM_SHA_512, MA_KIND_SCRAM_SHA_512},
	{MAILAUTH_VERIFIER_PASSWORD, MA_KIND_PASSWORD},
};

/* Who gets what, during one call. */
struct handing {
	struct ma_login *login;
	const struct ma_credential *credential; /* the main one; NULL: none, or it lacks all */
	bool is_denied;				/* gets decoys, which look like what it has */
	mailauth_verifier_fn *give;
	void *arg;
};

static unsigned int known(void)
{
	unsigned int all = 0;

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++)
		all |= rows[i].verifier;
	return all;
}

static const struct ma_credential *main_credential(const struct ma_login *login)
{
	for (size_t i = 0; i < login->candidates.n; i++)
		if (login->candidates.items[i]->label.len == 0)
			return login->candidates.items[i];
	return NULL;
}

/* The account's secret for a row; empty: it has none. */
static struct ma_span secret_of(const struct handing *handing, const struct row *row)
{
	const struct ma_secret *secret = NULL;
	struct ma_span ha1;

	if (handing->credential != NULL)
		secret = ma_credential_secret(handing->credential, row->kind);
	if (secret == NULL)
		return ma_span(NULL, 0);
	if (row->kind != MA_KIND_DIGEST_MD5)
		return secret->value;
	/* One of many: that of the form and of the realm that the host offered. */
	if (!ma_digest_md5_find(secret->value, ma_login_realm(handing->login),
				row->verifier == MAILAUTH_VERIFIER_DIGEST_MD5_FULL, &ha1))
		return ma_span(NULL, 0);
	return ha1;
}

/* Of what is wanted, what the account has. */
static unsigned int held_of(const struct handing *handing, unsigned int wanted)
{
	unsigned int held = 0;

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++)
		if ((wanted & rows[i].verifier) != 0 && secret_of(handing, &rows[i]).len > 0)
			held |= rows[i].verifier;
	return held;
}

/*
 * Of what is wanted, all but the password; that only where it is wanted alone, or nothing else can
 * be given.
 */
static unsigned int choose(unsigned int wanted, unsigned int held)
{
	unsigned int weaker = wanted & ~(unsigned int)MAILAUTH_VERIFIER_PASSWORD;

	if ((held & ~(unsigned int)MAILAUTH_VERIFIER_PASSWORD) != 0)
		return weaker;
	if (held != 0)
		return MAILAUTH_VERIFIER_PASSWORD;
	return weaker != 0 ? weaker : wanted;
}

/* In the form that the header promises. */
static enum mailauth_status give(const struct handing *handing, const struct row *row,
				 struct ma_span value)
{
	const struct ma_kind *kind = ma_kind_find(row->kind);
	uint8_t bytes[MAILAUTH_VERIFIER_MAX];
	MA_CLEANUP(ma_buf_clear) struct ma_buf text = ma_buf_fixed(bytes, sizeof(bytes));

	if (kind->shows) {
		if (!kind->format(kind, NULL, value, 0, &text))
			return MAILAUTH_E_CORRUPT;
		value = ma_buf_span(&text);
	}
	handing->give(handing->arg, row->verifier, value.p, value.len);
	return MAILAUTH_OK;
}

static enum mailauth_status hand_out(const struct handing *handing, const struct row *row)
{
	const struct ma_kind *kind = ma_kind_find(row->kind);
	struct ma_span secret = secret_of(handing, row);
	bool is_real = secret.len > 0 && !handing->is_denied;
	uint8_t bytes[MA_SECRET_MAX];
	MA_CLEANUP(ma_buf_clear) struct ma_buf decoy = ma_buf_fixed(bytes, sizeof(bytes));
	enum mailauth_status status;

	if (is_real && !kind->shows)
		return give(handing, row, secret);
	/* Also where it is not used, if it costs what a client could measure. */
	status = ma_login_decoy(handing->login, kind, secret, &decoy);
	if (status != MAILAUTH_OK)
		return status;
	if (is_real)
		return give(handing, row, secret);
	if (row->kind == MA_KIND_DIGEST_MD5)
		return give(handing, row, ma_span(decoy.p + decoy.len - MA_MD5_LEN, MA_MD5_LEN));
	return give(handing, row, ma_buf_span(&decoy));
}

static enum mailauth_status answer(struct handing *handing, unsigned int wanted)
{
	struct ma_login *login = handing->login;
	unsigned int held = held_of(handing, wanted);
	unsigned int chosen = choose(wanted, held);
	enum mailauth_status status = MAILAUTH_OK;

	if (login->reason == MA_REASON_NONE && (chosen & held) == 0)
		login->reason = MA_REASON_NO_SECRET;
	handing->is_denied = login->reason != MA_REASON_NONE;
	/* Who gets nothing but decoys is refused, and only this place knows why. */
	if (handing->is_denied)
		ma_login_log(login, MAILAUTH_E_DENIED);
	for (size_t i = 0; status == MAILAUTH_OK && i < MA_ARRAY_SIZE(rows); i++)
		if ((chosen & rows[i].verifier) != 0)
			status = hand_out(handing, &rows[i]);
	return status;
}

enum mailauth_status mailauth_verifier_get(struct mailauth *ctx,
					   const struct mailauth_request *request, const void *user,
					   size_t user_len, unsigned int wanted,
					   mailauth_verifier_fn *give_fn, void *arg)
{
	const struct ma_identity who = {.user = ma_span(user, user_len)};
	struct mailauth_request copy;
	struct ma_login login;
	enum mailauth_status status;

	if (ctx == NULL || give_fn == NULL || !ma_request_copy(request, &copy) ||
	    (user == NULL && user_len > 0) || wanted == 0 || (wanted & ~known()) != 0)
		return MAILAUTH_E_USAGE;
	ma_login_init(&login, ctx, &copy, NULL);
	status = ma_login_lookup(&login, &who);
	if (status == MAILAUTH_OK) {
		struct handing handing = {
			.login = &login,
			.credential = main_credential(&login),
			.is_denied = true,
			.give = give_fn,
			.arg = arg,
		};

		status = answer(&handing, wanted);
	}
	if (status != MAILAUTH_OK)
		status = ma_login_finish(&login, status);
	ma_login_clear(&login);
	return status;
}

enum mailauth_status mailauth_verifier_name(const char *realm, const void *user, size_t user_len,
					    struct mailauth_name *name_out)
{
	struct ma_name name;

	if (name_out == NULL)
		return MAILAUTH_E_USAGE;
	name_out->text[0] = '\0';
	if (realm == NULL || (user == NULL && user_len > 0))
		return MAILAUTH_E_USAGE;
	if (ma_name_parse(ma_span(user, user_len), ma_span_text(realm), &name) != NULL)
		return MAILAUTH_E_DENIED;
	memcpy(name_out->text, name.text, name.len + 1);
	return MAILAUTH_OK;
}
