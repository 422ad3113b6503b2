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

static const struct {
	enum mailauth_verifier verifier;
	enum ma_kind_id kind;
} kinds[] = {
	{MAILAUTH_VERIFIER_SASL_PLAIN, MA_KIND_SASL_PLAIN},
	{MAILAUTH_VERIFIER_CRAM_MD5, MA_KIND_CRAM_MD5},
	{MAILAUTH_VERIFIER_PASSWORD, MA_KIND_PASSWORD},
};

static const unsigned int known =
	MAILAUTH_VERIFIER_SASL_PLAIN | MAILAUTH_VERIFIER_CRAM_MD5 | MAILAUTH_VERIFIER_PASSWORD;

/* The main credential, if the account may log in with it. */
static const struct ma_credential *main_credential(const struct ma_login *login)
{
	for (size_t i = 0; i < login->candidates.n; i++)
		if (login->candidates.items[i]->label.len == 0)
			return login->candidates.items[i];
	return NULL;
}

/*
 * Of what is wanted, all but the password; that only where it is wanted alone, or nothing else can
 * be given.
 */
static unsigned int choose(const struct ma_credential *credential, unsigned int wanted)
{
	unsigned int held = 0;
	unsigned int weaker = wanted & ~(unsigned int)MAILAUTH_VERIFIER_PASSWORD;

	for (size_t i = 0; credential != NULL && i < MA_ARRAY_SIZE(kinds); i++)
		if (ma_credential_secret(credential, kinds[i].kind) != NULL)
			held |= kinds[i].verifier;
	if ((wanted & held & ~(unsigned int)MAILAUTH_VERIFIER_PASSWORD) != 0)
		return weaker;
	if ((wanted & held) != 0)
		return MAILAUTH_VERIFIER_PASSWORD;
	return weaker != 0 ? weaker : wanted;
}

static enum mailauth_status hand_out(const struct ma_login *login,
				     const struct ma_credential *credential, size_t i,
				     mailauth_verifier_fn *give, void *arg)
{
	const struct ma_secret *secret =
		credential != NULL ? ma_credential_secret(credential, kinds[i].kind) : NULL;
	uint8_t bytes[MA_SECRET_MAX];
	MA_CLEANUP(ma_buf_clear) struct ma_buf decoy = ma_buf_fixed(bytes, sizeof(bytes));
	enum mailauth_status status;

	if (secret != NULL) {
		give(arg, kinds[i].verifier, secret->value.p, secret->value.len);
		return MAILAUTH_OK;
	}
	status = ma_login_decoy(login, ma_kind_find(kinds[i].kind), &decoy);
	if (status == MAILAUTH_OK)
		give(arg, kinds[i].verifier, decoy.p, decoy.len);
	return status;
}

static bool has_any(const struct ma_credential *credential, unsigned int chosen)
{
	for (size_t i = 0; credential != NULL && i < MA_ARRAY_SIZE(kinds); i++)
		if ((chosen & kinds[i].verifier) != 0 &&
		    ma_credential_secret(credential, kinds[i].kind) != NULL)
			return true;
	return false;
}

static enum mailauth_status answer(struct ma_login *login, unsigned int wanted,
				   mailauth_verifier_fn *give, void *arg)
{
	const struct ma_credential *credential = main_credential(login);
	unsigned int chosen = choose(credential, wanted);
	enum mailauth_status status = MAILAUTH_OK;

	if (login->reason == MA_REASON_NONE && !has_any(credential, chosen))
		login->reason = MA_REASON_NO_SECRET;
	/* Who gets nothing but decoys is refused, and only this place knows why. */
	if (login->reason != MA_REASON_NONE)
		ma_login_log(login, MAILAUTH_E_DENIED);
	for (size_t i = 0; status == MAILAUTH_OK && i < MA_ARRAY_SIZE(kinds); i++)
		if ((chosen & kinds[i].verifier) != 0)
			status = hand_out(login, credential, i, give, arg);
	return status;
}

enum mailauth_status mailauth_verifier_get(struct mailauth *ctx,
					   const struct mailauth_request *request, const void *user,
					   size_t user_len, unsigned int wanted,
					   mailauth_verifier_fn *give, void *arg)
{
	struct mailauth_request copy;
	struct ma_login login;
	enum mailauth_status status;

	if (ctx == NULL || give == NULL || !ma_request_copy(request, &copy) ||
	    (user == NULL && user_len > 0) || wanted == 0 || (wanted & ~known) != 0)
		return MAILAUTH_E_USAGE;
	ma_login_init(&login, ctx, &copy, NULL);
	status = ma_login_lookup(&login, ma_span(NULL, 0), ma_span(user, user_len));
	if (status == MAILAUTH_OK)
		status = answer(&login, wanted, give, arg);
	else
		status = ma_login_finish(&login, status);
	ma_login_clear(&login);
	return status;
}
