/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * login.c - one attempt to log in
 *
 * See login.h. The rules of who may log in stand here, once for all mechanisms and bridges: the
 * name, the authorization identity, the account's state, the group. An account that fails one of
 * them goes through the same dialogue, against its own secrets, or decoys where there are none, and
 * is refused at the end whatever it proved; the reason appears in the log alone.
 */
#include "login.h"

#include "util/mem.h"

#define LOG_GIVEN_MAX 256 /* bytes of a value in a line of the log, escaped */

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
		[MA_REASON_CHANGED] = "changed-meanwhile",
		[MA_REASON_MALFORMED] = "malformed",
		[MA_REASON_ABORTED] = "aborted",
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
	login->is_named = false;
	login->typed = ma_span(NULL, 0);
	login->name.len = 0;
	login->name.text[0] = '\0';
	login->candidates.n = 0;
}

static struct ma_span request_text(const char *text)
{
	return text != NULL ? ma_span_text(text) : ma_span(NULL, 0);
}

struct ma_span ma_login_realm(const struct ma_login *login)
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
	return ma_name_parse(authzid, ma_login_realm(login), &name) == NULL &&
	       ma_span_equal(ma_name_span(&name), ma_name_span(&login->name));
}

static enum ma_reason ageing_reason(enum ma_state state)
{
	switch (state) {
	case MA_STATE_ACTIVE:
		return MA_REASON_NONE;
	case MA_STATE_LOCKED:
		return MA_REASON_LOCKED;
	case MA_STATE_EXPIRED:
		return MA_REASON_EXPIRED;
	case MA_STATE_PASSWORD_EXPIRED:
		return MA_REASON_PASSWORD_EXPIRED;
	case MA_STATE_MUST_CHANGE:
		return MA_REASON_MUST_CHANGE;
	case MA_STATE_UNCHECKED:
		break;
	}
	return MA_REASON_UNDECIDED;
}

/* Age is the caller's to judge if he says so; a lock never is. */
static bool is_waived(const struct mailauth_request *request, enum ma_reason ageing)
{
	return (request->flags & MAILAUTH_REQUEST_PROOF_ONLY) != 0 &&
	       (ageing == MA_REASON_EXPIRED || ageing == MA_REASON_PASSWORD_EXPIRED ||
		ageing == MA_REASON_MUST_CHANGE);
}

static enum ma_reason state_reason(const struct ma_login *login)
{
	struct ma_span group = request_text(login->request->group);
	const struct ma_account *account = &login->worker->account;
	enum ma_reason ageing = ageing_reason(ma_account_state(account, ma_today(login->ctx)));

	if (ageing != MA_REASON_NONE && !is_waived(login->request, ageing))
		return ageing;
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

/*
 * What a client sees of a decoy has to differ from name to name, as salts do, and costs an HMAC,
 * which is therefore made for known users, too. The rest nobody ever sees; it only has to be
 * secret.
 */
static void make_seed(const struct ma_login *login, const struct ma_kind *kind,
		      uint8_t seed_out[MA_SEED_LEN])
{
	const struct ma_engine *engine = ma_engine(login->ctx);
	uint8_t id = (uint8_t)kind->id;
	const struct ma_span parts[] = {
		ma_span(&id, sizeof(id)),
		/* A name that could not be parsed has no other form than what was typed. */
		login->name.len > 0 ? ma_name_span(&login->name) : login->typed,
	};
	uint8_t own[MA_SHA256_LEN];

	memcpy(seed_out, engine->decoy_seeds[kind->id], MA_SEED_LEN);
	if (!kind->shows)
		return;
	ma_hmac(MA_HASH_SHA256, ma_span(engine->decoy_key, sizeof(engine->decoy_key)), parts,
		MA_ARRAY_SIZE(parts), own);
	memcpy(seed_out, own, MA_SEED_LEN / 2);
	ma_wipe(own, sizeof(own));
}

static struct ma_subject subject_of(const struct ma_login *login)
{
	struct ma_span name = ma_name_span(&login->name);
	struct ma_subject subject = {
		.crypto = ma_engine(login->ctx)->crypto,
		.config = &login->ctx->config,
		.realm = ma_login_realm(login),
	};

	if (name.len > 0) {
		subject.local = ma_span(name.p, login->name.local_len);
		subject.realm = ma_span(name.p + login->name.local_len + 1,
					name.len - login->name.local_len - 1);
	}
	return subject;
}

enum mailauth_status ma_login_decoy(const struct ma_login *login, const struct ma_kind *kind,
				    struct ma_span like, struct ma_buf *out)
{
	const struct ma_subject subject = subject_of(login);
	struct ma_decoy from = {.like = like};
	enum mailauth_status status;

	make_seed(login, kind, from.seed);
	status = kind->decoy(kind, &subject, &from, out);
	ma_wipe(&from, sizeof(from));
	return status;
}

/* Puts one decoy in the place of the candidates; with some there it only takes the same time. */
static enum mailauth_status use_decoy(struct ma_login *login, const struct ma_kind *kind)
{
	struct ma_worker *worker = login->worker;
	struct ma_buf out = ma_buf_fixed(worker->decoy_bytes, sizeof(worker->decoy_bytes));
	enum mailauth_status status = ma_login_decoy(login, kind, ma_span(NULL, 0), &out);

	worker->decoy_len = out.len;
	if (status != MAILAUTH_OK || login->candidates.n > 0)
		return status;
	worker->decoy.n_secrets = 1;
	worker->decoy.secrets[0].kind = (uint8_t)kind->id;
	worker->decoy.secrets[0].value = ma_buf_span(&out);
	login->candidates.items[0] = &worker->decoy;
	login->candidates.n = 1;
	return MAILAUTH_OK;
}

/* Of the account's realm, or one that means it. */
static bool is_own_realm(const struct ma_login *login, struct ma_span realm)
{
	const char *list = login->ctx->config.digest_realms;
	struct ma_span words = ma_span_text(list != NULL ? list : "");
	struct ma_span word;

	if (realm.len == 0 || ma_span_equal_case(realm, ma_login_realm(login)))
		return true;
	while (ma_span_take_word(&words, " ,\t", &word))
		if (ma_span_equal_case(realm, word))
			return true;
	return false;
}

static bool find_name(struct ma_login *login, const struct ma_identity *who)
{
	struct ma_span realm = is_own_realm(login, who->realm) ? ma_login_realm(login) : who->realm;
	struct ma_span typed = who->user;

	login->is_named = true;
	if (ma_name_parse(who->user, realm, &login->name) == NULL)
		return true;
	/* Kept for the log and for decoys; the rest of a longer one does not matter. */
	if (typed.len > sizeof(login->typed_bytes))
		typed.len = sizeof(login->typed_bytes);
	if (typed.len > 0)
		memcpy(login->typed_bytes, typed.p, typed.len);
	login->typed = ma_span(login->typed_bytes, typed.len);
	return false;
}

/* Whether the account in the worker may log in, and with what. */
static enum ma_reason judge(struct ma_login *login, const struct ma_identity *who)
{
	enum ma_reason reason = state_reason(login);

	if (reason == MA_REASON_NONE && !is_same_user(login, who->authzid))
		reason = MA_REASON_AUTHZID;
	find_candidates(login);
	if (reason == MA_REASON_NONE && login->candidates.n == 0)
		reason = MA_REASON_NO_SECRET;
	return reason;
}

/*
 * Who is not there is put through the same as who is, with the dummy in his place. What it
 * holds are decoys, good enough but where the client's realm or a salt of its own is wanted.
 */
static void judge_dummy(struct ma_login *login, const struct ma_identity *who)
{
	enum ma_reason reason = login->reason;

	ma_worker_read_dummy(login->ctx, login->worker);
	(void)judge(login, who);
	login->reason = reason;
	if (login->mech == NULL || (login->mech->kind != NULL && login->mech->kind->by_name))
		login->candidates.n = 0;
}

static enum mailauth_status decide(struct ma_login *login, const struct ma_identity *who)
{
	enum mailauth_status status = MAILAUTH_E_NOTFOUND;

	login->reason = MA_REASON_BAD_NAME;
	if (find_name(login, who)) {
		login->reason = MA_REASON_UNKNOWN_USER;
		status = ma_worker_read(login->ctx, login->worker, &login->name);
	}
	if (status == MAILAUTH_E_NOTFOUND) {
		judge_dummy(login, who);
		return MAILAUTH_OK;
	}
	login->reason = MA_REASON_UNDECIDED;
	if (status == MAILAUTH_OK) {
		login->reason = judge(login, who);
	}
	return status;
}

enum mailauth_status ma_login_lookup(struct ma_login *login, const struct ma_identity *who)
{
	const struct ma_kind *kind;
	enum mailauth_status status = ma_worker_take(login->ctx, &login->worker);

	if (status != MAILAUTH_OK)
		return status;
	status = decide(login, who);
	if (status != MAILAUTH_OK)
		return status;
	login->candidates.subject = subject_of(login);
	if (login->mech == NULL)
		return MAILAUTH_OK;
	kind = login->mech->by_password ? login->ctx->decoy_kind : login->mech->kind;
	if (login->candidates.n == 0 || kind->by_name)
		status = use_decoy(login, kind);
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
	ma_buf_put_text(out, " ");
	ma_buf_put_text(out, name);
	ma_buf_put_text(out, "=");
	ma_buf_put_escaped(out, value);
}

/* What the caller passes on, cut so that the user's name behind it has room. */
static void put_given(struct ma_buf *out, const char *name, const char *text)
{
	char bytes[LOG_GIVEN_MAX];
	struct ma_buf cut = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_span value = request_text(text);

	if (value.len <= LOG_GIVEN_MAX / strlen("\\xNN")) {
		put_pair(out, name, value);
		return;
	}
	for (size_t i = 0; i < value.len && ma_buf_status(&cut) == MAILAUTH_OK; i++)
		ma_buf_put_escaped(&cut, ma_span(value.p + i, 1));
	ma_buf_printf(out, " %s=", name);
	ma_buf_put(out, ma_buf_span(&cut));
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

	if (!ma_log_wants(log, MAILAUTH_LOG_INFO))
		return;
	ma_buf_put_text(&out, "result=");
	ma_buf_put_text(&out, result_name(status));
	put_pair(&out, "reason", ma_span_text(ma_reason_name(login->reason)));
	put_pair(&out, "mech", request_text(login->mech != NULL ? login->mech->name : NULL));
	put_given(&out, "service", login->request->service);
	put_given(&out, "peer", login->request->peer);
	put_pair(&out, "store", ma_span_text(login->ctx->store->ops->scheme));
	put_pair(&out, "user", login->name.len > 0 ? ma_name_span(&login->name) : login->typed);
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

/* The end of a record that was opened. */
static const uint8_t *seal_tag_of(const struct ma_worker *worker)
{
	ma_assert(worker->record_len >= MA_GCM_TAG_LEN);
	return worker->record + worker->record_len - MA_GCM_TAG_LEN;
}

static uint32_t key_id_of(const struct ma_worker *worker)
{
	return ma_record_key_id(ma_span(worker->record, worker->record_len));
}

void ma_login_remember(struct ma_login *login)
{
	const struct ma_worker *worker = login->worker;

	if (worker == NULL)
		return;
	memcpy(login->seal_tag, seal_tag_of(worker), MA_GCM_TAG_LEN);
	login->key_id = key_id_of(worker);
	login->generation = worker->account.generation;
	login->created = worker->account.created;
}

/*
 * Each change makes another tag, also of an account of the same name that is made after it was
 * deleted. So does a change of the key, of which no login must notice: it leaves the account's own
 * counts alone.
 */
static bool is_as_remembered(const struct ma_login *login)
{
	const struct ma_worker *worker = login->worker;

	if (ma_equal_ct(ma_span(seal_tag_of(worker), MA_GCM_TAG_LEN),
			ma_span(login->seal_tag, MA_GCM_TAG_LEN)))
		return true;
	return key_id_of(worker) != login->key_id &&
	       worker->account.generation == login->generation &&
	       worker->account.created == login->created;
}

enum mailauth_status ma_login_look_again(struct ma_login *login)
{
	enum mailauth_status status = ma_worker_take(login->ctx, &login->worker);

	if (status == MAILAUTH_OK)
		status = ma_worker_read(login->ctx, login->worker, &login->name);
	if (status == MAILAUTH_E_NOTFOUND) {
		login->reason = MA_REASON_UNKNOWN_USER;
		return MAILAUTH_E_DENIED;
	}
	if (status != MAILAUTH_OK)
		return status;
	login->reason = state_reason(login);
	if (login->reason == MA_REASON_NONE && !is_as_remembered(login))
		login->reason = MA_REASON_CHANGED;
	return login->reason == MA_REASON_NONE ? MAILAUTH_OK : MAILAUTH_E_DENIED;
}

void ma_login_abort(struct ma_login *login)
{
	if (!login->is_named)
		return;
	login->reason = MA_REASON_ABORTED;
	ma_login_log(login, MAILAUTH_E_DENIED);
}

void ma_login_clear(struct ma_login *login)
{
	login->candidates.n = 0;
	ma_worker_give_back(login->ctx, &login->worker);
}
