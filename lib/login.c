/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * login.c - one attempt to log in
 *
 * See login.h. The rules of who may log in stand here, once for all mechanisms and bridges: the
 * name, the authorization identity, the account's state, the group. An account that fails one of
 * them goes through the same dialogue against a decoy, and the reason appears in the log alone.
 */
#include "login.h"

#include "util/mem.h"

const char *ma_reason_name(enum ma_reason reason)
{
	static const char *const names[] = {
		[MA_REASON_UNDECIDED] = "undecided",
		[MA_REASON_NONE] = "ok",
		[MA_REASON_BAD_NAME] = "bad-name",
		[MA_REASON_UNKNOWN_USER] = "unknown-user",
		[MA_REASON_LOCKED] = "locked",
		[MA_REASON_EXPIRED] = "expired",
		[MA_REASON_PASSWORD_EXPIRED] = "password-expired",
		[MA_REASON_MUST_CHANGE] = "must-change",
		[MA_REASON_NOT_IN_GROUP] = "not-in-group",
		[MA_REASON_AUTHZID] = "authzid",
		[MA_REASON_NO_SECRET] = "no-secret",
		[MA_REASON_WRONG_PROOF] = "wrong-proof",
		[MA_REASON_MALFORMED] = "malformed",
		[MA_REASON_DAMAGED] = "damaged-record",
		[MA_REASON_STORE_AWAY] = "store-away",
		[MA_REASON_FAILED] = "failed",
	};

	return names[reason];
}

void ma_login_init(struct ma_login *login, struct mailauth *ctx,
		   const struct mailauth_request *request, const struct ma_mech *mech)
{
	login->ctx = ctx;
	login->request = request;
	login->mech = mech;
	login->worker = NULL;
	login->reason = MA_REASON_UNDECIDED;
	login->typed = ma_span(NULL, 0);
	login->name.len = 0;
	login->name.text[0] = '\0';
	login->candidates.n = 0;
}

static struct ma_span request_text(const char *text)
{
	return text != NULL ? ma_span_text(text) : ma_span(NULL, 0);
}

static struct ma_span realm_of(const struct ma_login *login)
{
	struct ma_span realm = request_text(login->request->realm);

	return realm.len > 0 ? realm : login->ctx->default_realm;
}

/* RFC 4616 section 2: who may act for whom is the server's policy; here nobody for another. */
static bool is_same_user(const struct ma_login *login, struct ma_span authzid)
{
	struct ma_name name;

	if (authzid.len == 0)
		return true;
	return ma_name_parse(authzid, realm_of(login), &name) == NULL &&
	       ma_span_equal(ma_name_span(&name), ma_name_span(&login->name));
}

static enum ma_reason state_reason(const struct ma_login *login)
{
	struct ma_span group = request_text(login->request->group);
	const struct ma_account *account = &login->worker->account;

	switch (ma_account_state(account, ma_today(login->ctx))) {
	case MA_STATE_ACTIVE:
		break;
	case MA_STATE_LOCKED:
		return MA_REASON_LOCKED;
	case MA_STATE_EXPIRED:
		return MA_REASON_EXPIRED;
	case MA_STATE_PASSWORD_EXPIRED:
		return MA_REASON_PASSWORD_EXPIRED;
	case MA_STATE_MUST_CHANGE:
		return MA_REASON_MUST_CHANGE;
	case MA_STATE_UNCHECKED:
		return MA_REASON_UNDECIDED;
	}
	if (group.len > 0 && !ma_words_has(account->groups, group))
		return MA_REASON_NOT_IN_GROUP;
	return MA_REASON_NONE;
}

static bool has_secret(const struct ma_login *login, const struct ma_credential *credential)
{
	if (login->mech == NULL)
		return credential->n_secrets > 0;
	for (size_t i = 0; i < credential->n_secrets; i++)
		if (ma_mech_accepts(login->mech, &credential->secrets[i]))
			return true;
	return false;
}

static void find_candidates(struct ma_login *login)
{
	const struct ma_account *account = &login->worker->account;
	struct ma_span group = request_text(login->request->group);
	int32_t today = ma_today(login->ctx);

	login->candidates.n = 0;
	for (size_t i = 0; i < account->n_credentials; i++) {
		const struct ma_credential *credential = &account->credentials[i];

		if (ma_credential_is_usable(credential, today, group) &&
		    has_secret(login, credential))
			login->candidates.items[login->candidates.n++] = credential;
	}
}

enum mailauth_status ma_login_decoy(const struct ma_login *login, const struct ma_kind *kind,
				    struct ma_buf *out)
{
	struct mailauth *ctx = login->ctx;
	uint8_t id = (uint8_t)kind->id;
	uint8_t seed[MA_SHA256_LEN];
	const struct ma_span parts[] = {
		ma_span(&id, sizeof(id)),
		/* A name that could not be parsed has no other form than what was typed. */
		login->name.len > 0 ? ma_name_span(&login->name) : login->typed,
	};
	enum mailauth_status status =
		ma_hmac_sha256(ctx->crypto, ma_span(ctx->decoy_key, sizeof(ctx->decoy_key)), parts,
			       MA_ARRAY_SIZE(parts), seed);

	if (status == MAILAUTH_OK)
		status = kind->decoy(&ctx->config, seed, out);
	ma_wipe(seed, sizeof(seed));
	return status;
}

/* Puts one decoy in the place of the candidates. */
static enum mailauth_status use_decoy(struct ma_login *login)
{
	struct ma_worker *worker = login->worker;
	struct ma_buf out = ma_buf_fixed(worker->decoy_bytes, sizeof(worker->decoy_bytes));
	const struct ma_kind *kind;
	enum mailauth_status status;

	login->candidates.n = 0;
	if (login->mech == NULL)
		return MAILAUTH_OK;
	kind = login->mech->by_password ? login->ctx->decoy_kind : login->mech->kind;
	status = ma_login_decoy(login, kind, &out);
	if (status != MAILAUTH_OK)
		return status;
	worker->decoy_len = out.len;
	worker->decoy.n_secrets = 1;
	worker->decoy.secrets[0].kind = (uint8_t)kind->id;
	worker->decoy.secrets[0].value = ma_buf_span(&out);
	login->candidates.items[0] = &worker->decoy;
	login->candidates.n = 1;
	return MAILAUTH_OK;
}

static enum mailauth_status decide(struct ma_login *login, struct ma_span authzid)
{
	enum mailauth_status status;

	if (ma_name_parse(login->typed, realm_of(login), &login->name) != NULL) {
		login->reason = MA_REASON_BAD_NAME;
		return MAILAUTH_OK;
	}
	status = ma_worker_read(login->ctx, login->worker, &login->name);
	if (status == MAILAUTH_E_NOTFOUND) {
		login->reason = MA_REASON_UNKNOWN_USER;
		return MAILAUTH_OK;
	}
	if (status != MAILAUTH_OK)
		return status;
	login->reason = state_reason(login);
	if (login->reason == MA_REASON_NONE && !is_same_user(login, authzid))
		login->reason = MA_REASON_AUTHZID;
	find_candidates(login);
	if (login->reason == MA_REASON_NONE && login->candidates.n == 0)
		login->reason = MA_REASON_NO_SECRET;
	return MAILAUTH_OK;
}

enum mailauth_status ma_login_lookup(struct ma_login *login, struct ma_span authzid,
				     struct ma_span user)
{
	enum mailauth_status status = ma_worker_take(login->ctx, &login->worker);

	if (status != MAILAUTH_OK)
		return status;
	login->typed = user;
	status = decide(login, authzid);
	if (status == MAILAUTH_OK && login->reason != MA_REASON_NONE)
		status = use_decoy(login);
	return status;
}

static enum ma_reason failure_reason(const struct ma_login *login, enum mailauth_status status)
{
	switch (status) {
	case MAILAUTH_E_DENIED:
		if (login->reason == MA_REASON_UNDECIDED)
			return MA_REASON_MALFORMED;
		return login->reason == MA_REASON_NONE ? MA_REASON_WRONG_PROOF : login->reason;
	case MAILAUTH_E_PROTOCOL:
	case MAILAUTH_E_LIMIT:
		return MA_REASON_MALFORMED;
	case MAILAUTH_E_CORRUPT:
		return MA_REASON_DAMAGED;
	case MAILAUTH_E_TEMPFAIL:
		return MA_REASON_STORE_AWAY;
	default:
		return MA_REASON_FAILED;
	}
}

static void put_pair(struct ma_buf *out, const char *name, struct ma_span value)
{
	if (value.len == 0)
		return;
	ma_buf_printf(out, " %s=", name);
	ma_buf_put_escaped(out, value);
}

/* An outage is nobody's wrong password, and log watchers must be able to tell. */
static const char *result_name(enum mailauth_status status)
{
	switch (status) {
	case MAILAUTH_OK:
		return "ok";
	case MAILAUTH_E_DENIED:
	case MAILAUTH_E_PROTOCOL:
	case MAILAUTH_E_LIMIT:
		return "denied";
	default:
		return "error";
	}
}

void ma_login_log(const struct ma_login *login, enum mailauth_status status)
{
	const struct ma_log *log = &login->ctx->log;
	char text[MA_LOG_MAX * 4];
	struct ma_buf out = ma_buf_fixed(text, sizeof(text));
	struct ma_span typed = login->typed;

	if (!ma_log_wants(log, MAILAUTH_LOG_INFO))
		return;
	/* What an attacker typed must not push the rest out of the line. */
	if (typed.len > MAILAUTH_NAME_MAX)
		typed.len = MAILAUTH_NAME_MAX;
	ma_buf_printf(&out, "result=%s", result_name(status));
	put_pair(&out, "reason", ma_span_text(ma_reason_name(login->reason)));
	put_pair(&out, "mech", request_text(login->mech != NULL ? login->mech->name : NULL));
	put_pair(&out, "service", request_text(login->request->service));
	put_pair(&out, "peer", request_text(login->request->peer));
	put_pair(&out, "store", ma_span_text(login->ctx->store->ops->scheme));
	put_pair(&out, "user", login->name.len > 0 ? ma_name_span(&login->name) : typed);
	ma_log(log, MAILAUTH_LOG_INFO, "login", "%s", ma_buf_text(&out));
}

enum mailauth_status ma_login_finish(struct ma_login *login, enum mailauth_status proof)
{
	enum mailauth_status status = proof;

	if (status == MAILAUTH_OK && login->reason != MA_REASON_NONE)
		status = MAILAUTH_E_DENIED;
	if (status != MAILAUTH_OK)
		login->reason = failure_reason(login, status);
	ma_login_log(login, status);
	return status;
}

void ma_login_clear(struct ma_login *login)
{
	ma_worker_give_back(login->ctx, &login->worker);
}
