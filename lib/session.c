/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * session.c - login dialogues, and the same in one call
 *
 * A session steps a mechanism with the client's messages (RFC 4422 section 3) and joins it with the
 * account through login.c. It ends with the first status that is not MAILAUTH_CONTINUE. Where the
 * protocol cannot carry data along with success, such data go out as a challenge, and an empty
 * answer completes the login (RFC 4422 section 3.6). The one-shot calls are for servers that ran
 * the dialogue themselves; they allocate nothing.
 */
#include <mailauth/mailauth.h>

#include "capture.h"
#include "lib.h"
#include "login.h"
#include "util/mem.h"

struct mailauth_session {
	struct mailauth *ctx;
	const struct ma_mech *mech;
	struct mailauth_request request; /* what it points to is ours */
	struct mailauth_binding bindings[MAILAUTH_BINDINGS_MAX];
	struct ma_login login;
	bool is_checked; /* the proof was right, the client has yet to say that it knows */
	bool is_over;
	bool is_proven;
	struct ma_span password; /* that the client sent, during the step that has it */
	struct ma_buf reply;
	/* The mechanism's state, and behind it the copies of what the request pointed to. */
	_Alignas(max_align_t) uint8_t state[];
};

/* The texts of a request, one after the other; NULL behind the last. */
static const char **text_of(struct mailauth_request *request, size_t i)
{
	const char **const texts[] = {&request->service, &request->peer, &request->group,
				      &request->realm, &request->host};

	return i < MA_ARRAY_SIZE(texts) ? texts[i] : NULL;
}

/* How much room copies of all that the request points to take. */
static size_t room_for(struct mailauth_request *request)
{
	const char **text;
	size_t size = 0;

	for (size_t i = 0; (text = text_of(request, i)) != NULL; i++)
		size += *text != NULL ? strlen(*text) + 1 : 0;
	for (size_t i = 0; i < request->n_bindings; i++)
		size += strlen(request->bindings[i].type) + 1 + request->bindings[i].len;
	return size;
}

static const void *put_copy(uint8_t **room, const void *p, size_t len)
{
	uint8_t *copy = *room;

	memcpy(copy, p, len);
	*room += len;
	return copy;
}

static void own_request(struct mailauth_session *session)
{
	struct mailauth_request *request = &session->request;
	uint8_t *room = session->state + session->mech->state_size;
	const char **text;

	for (size_t i = 0; (text = text_of(request, i)) != NULL; i++)
		if (*text != NULL)
			*text = put_copy(&room, *text, strlen(*text) + 1);
	for (size_t i = 0; i < request->n_bindings; i++) {
		const struct mailauth_binding *from = &request->bindings[i];

		session->bindings[i] = (struct mailauth_binding){
			.type = put_copy(&room, from->type, strlen(from->type) + 1),
			.p = put_copy(&room, from->p, from->len),
			.len = from->len,
		};
	}
	request->bindings = session->bindings;
}

static bool are_bindings(const struct mailauth_request *request)
{
	for (size_t i = 0; i < request->n_bindings; i++) {
		const struct mailauth_binding *binding = &request->bindings[i];

		if (binding->type == NULL || binding->p == NULL || binding->len == 0 ||
		    binding->len > MAILAUTH_BINDING_MAX)
			return false;
	}
	return true;
}

/* A password in the clear needs TLS, unless the administrator says otherwise. */
static bool may_send_password(const struct mailauth *ctx, const struct mailauth_request *request)
{
	return ctx->config.plaintext_always || (request->flags & MAILAUTH_REQUEST_TLS) != 0;
}

enum mailauth_status mailauth_session_new(struct mailauth *ctx, const char *mech_name,
					  const struct mailauth_request *request,
					  struct mailauth_session **session_out)
{
	struct mailauth_session *session;
	const struct ma_mech *mech;
	struct mailauth_request copy;
	enum mailauth_status status;

	if (session_out == NULL)
		return MAILAUTH_E_USAGE;
	*session_out = NULL;
	if (ctx == NULL || mech_name == NULL || !ma_request_copy(request, &copy) ||
	    !are_bindings(&copy))
		return MAILAUTH_E_USAGE;
	mech = ma_mech_find(ma_span_text(mech_name));
	if (mech == NULL || (mech->by_password && !may_send_password(ctx, &copy)) ||
	    (mech->needs_binding && copy.n_bindings == 0))
		return MAILAUTH_E_UNSUPPORTED;
	status = ma_engine_start(ctx);
	if (status != MAILAUTH_OK)
		return status;
	session = ma_alloc(sizeof(*session) + mech->state_size + room_for(&copy));
	if (session == NULL)
		return MAILAUTH_E_NOMEM;
	session->ctx = ctx;
	session->mech = mech;
	session->request = copy;
	session->reply = ma_buf(MAILAUTH_MESSAGE_MAX);
	ma_login_init(&session->login, ctx, &session->request, mech);
	own_request(session);
	*session_out = session;
	return MAILAUTH_OK;
}

void mailauth_session_free(struct mailauth_session **session_in)
{
	struct mailauth_session *session = session_in != NULL ? *session_in : NULL;

	if (session == NULL)
		return;
	if (!session->is_over) { /* else it was wiped at once */
		ma_login_abort(&session->login);
		ma_wipe(session->state, session->mech->state_size);
	}
	ma_buf_clear(&session->reply);
	ma_free(session);
	*session_in = NULL;
}

static struct ma_span host_of(const struct mailauth *ctx, const struct mailauth_request *request)
{
	if (request->host != NULL)
		return ma_span_text(request->host);
	return request->realm != NULL ? ma_span_text(request->realm) : ctx->default_realm;
}

static enum mailauth_status lookup(void *arg, const struct ma_identity *who,
				   const struct ma_candidates **candidates_out)
{
	struct ma_login *login = arg;

	*candidates_out = &login->candidates;
	return ma_login_lookup(login, who);
}

static struct ma_exchange exchange_for(struct ma_login *login, void *state)
{
	return (struct ma_exchange){
		.mech = login->mech,
		.crypto = ma_engine(login->ctx)->crypto,
		.host = host_of(login->ctx, login->request),
		.realm = ma_login_realm(login),
		.now_s = login->ctx->now_s(),
		.n_bindings = login->request->n_bindings,
		.bindings = login->request->bindings,
		.state = state,
		.lookup = lookup,
		.lookup_arg = login,
	};
}

static enum mailauth_status ask_mech(struct mailauth_session *session, struct ma_span in)
{
	struct ma_exchange exchange = exchange_for(&session->login, session->state);

	if (!session->is_checked) {
		enum mailauth_status status = session->mech->step(&exchange, in, &session->reply);

		session->password = exchange.password;
		return status;
	}
	/* RFC 4422 section 3.6: an empty response */
	return in.len == 0 ? MAILAUTH_OK : MAILAUTH_E_PROTOCOL;
}

/* A proof is worth nothing to an account that may not log in, or may not any more. */
static enum mailauth_status run_mech(struct mailauth_session *session, struct ma_span in)
{
	struct ma_login *login = &session->login;
	enum mailauth_status status = ask_mech(session, in);

	if (status == MAILAUTH_OK && login->reason == MA_REASON_NONE && login->worker == NULL)
		status = ma_login_look_again(login);
	if (status != MAILAUTH_OK || login->reason != MA_REASON_NONE || session->is_checked ||
	    session->reply.len == 0 ||
	    (session->request.flags & MAILAUTH_REQUEST_SUCCESS_DATA) != 0)
		return status;
	session->is_checked = true;
	return MAILAUTH_CONTINUE;
}

static enum mailauth_status run_step(struct mailauth_session *session, struct ma_span in)
{
	enum mailauth_status status = MAILAUTH_E_LIMIT;

	if (in.len <= MAILAUTH_MESSAGE_MAX)
		status = run_mech(session, in);
	if (status != MAILAUTH_CONTINUE) {
		status = ma_login_finish(&session->login, status);
		session->is_over = true;
		ma_wipe(session->state, session->mech->state_size);
		if (status != MAILAUTH_OK) /* it may prove us to a client that has proved nothing */
			ma_buf_reset(&session->reply);
	}
	session->is_proven = status == MAILAUTH_OK;
	if (session->is_proven)
		ma_capture_login(&session->login, session->password);
	if (status == MAILAUTH_CONTINUE)
		ma_login_remember(&session->login);
	session->password = ma_span(NULL, 0);
	ma_login_clear(&session->login);
	return status;
}

enum mailauth_status mailauth_session_step(struct mailauth_session *session, const void *in,
					   size_t in_len, const void **reply_out,
					   size_t *reply_len_out)
{
	enum mailauth_status status;

	if (reply_out == NULL || reply_len_out == NULL)
		return MAILAUTH_E_USAGE;
	*reply_out = NULL;
	*reply_len_out = 0;
	if (session == NULL || (in == NULL && in_len > 0))
		return MAILAUTH_E_USAGE;
	if (session->is_over)
		return MAILAUTH_E_PROTOCOL;
	ma_buf_reset(&session->reply);
	status = run_step(session, ma_span(in, in_len));
	if (status == MAILAUTH_OK || status == MAILAUTH_CONTINUE) {
		*reply_out = session->reply.p;
		*reply_len_out = session->reply.len;
	}
	return status;
}

const char *mailauth_session_user(const struct mailauth_session *session)
{
	return session != NULL && session->is_proven ? session->login.name.text : NULL;
}

/* What the calls that verify at once have in common. */
static enum mailauth_status begin(struct mailauth *ctx, const struct mailauth_request *request,
				  const struct ma_mech *mech, struct mailauth_request *copy_out,
				  struct ma_login *login_out)
{
	if (ctx == NULL || !ma_request_copy(request, copy_out))
		return MAILAUTH_E_USAGE;
	ma_login_init(login_out, ctx, copy_out, mech);
	return ma_engine_start(ctx);
}

static enum mailauth_status conclude(struct ma_login *login, enum mailauth_status proof,
				     struct ma_span password, struct mailauth_name *name_out)
{
	enum mailauth_status status = ma_login_finish(login, proof);

	if (status == MAILAUTH_OK && name_out != NULL)
		memcpy(name_out->text, login->name.text, login->name.len + 1);
	if (status == MAILAUTH_OK)
		ma_capture_login(login, password);
	ma_login_clear(login);
	return status;
}

static void empty_name(struct mailauth_name *name_out)
{
	if (name_out != NULL)
		name_out->text[0] = '\0';
}

static enum mailauth_status check_plain(struct ma_login *login, struct ma_span user,
					struct ma_span password)
{
	const struct ma_identity who = {.user = user};
	enum mailauth_status status;

	if (user.len == 0 || password.len == 0)
		return MAILAUTH_E_DENIED;
	if (password.len > MAILAUTH_PASSWORD_MAX || user.len > MAILAUTH_MESSAGE_MAX)
		return MAILAUTH_E_DENIED;
	status = ma_login_lookup(login, &who);
	if (status != MAILAUTH_OK)
		return status;
	return ma_mech_check_password(&login->candidates, password);
}

enum mailauth_status mailauth_verify_plain(struct mailauth *ctx,
					   const struct mailauth_request *request, const void *user,
					   size_t user_len, const void *password,
					   size_t password_len, struct mailauth_name *name_out)
{
	struct mailauth_request copy;
	struct ma_login login;
	struct ma_span secret = ma_span(password, password_len);
	enum mailauth_status status;

	empty_name(name_out);
	if ((user == NULL && user_len > 0) || (password == NULL && password_len > 0))
		return MAILAUTH_E_USAGE;
	status = begin(ctx, request, &ma_mech_plain, &copy, &login);
	if (status != MAILAUTH_OK)
		return status;
	if (!may_send_password(ctx, &copy))
		return MAILAUTH_E_UNSUPPORTED;
	status = check_plain(&login, ma_span(user, user_len), secret);
	return conclude(&login, status, secret, name_out);
}

enum mailauth_status mailauth_verify_cram(struct mailauth *ctx,
					  const struct mailauth_request *request,
					  const void *challenge, size_t challenge_len,
					  const void *response, size_t response_len,
					  struct mailauth_name *name_out)
{
	struct mailauth_request copy;
	struct ma_login login;
	struct ma_exchange exchange;
	enum mailauth_status status;

	empty_name(name_out);
	if (challenge == NULL || challenge_len == 0 || (response == NULL && response_len > 0))
		return MAILAUTH_E_USAGE;
	status = begin(ctx, request, &ma_mech_cram_md5, &copy, &login);
	if (status != MAILAUTH_OK)
		return status;
	exchange = exchange_for(&login, NULL);
	status = MAILAUTH_E_LIMIT;
	if (challenge_len <= MAILAUTH_MESSAGE_MAX && response_len <= MAILAUTH_MESSAGE_MAX)
		status = ma_cram_md5_check(&exchange, ma_span(challenge, challenge_len),
					   ma_span(response, response_len));
	return conclude(&login, status, ma_span(NULL, 0), name_out);
}

enum mailauth_status mailauth_apop_timestamp(struct mailauth *ctx,
					     const struct mailauth_request *request,
					     struct mailauth_timestamp *timestamp_out)
{
	struct mailauth_request copy;
	struct ma_login login;
	struct ma_exchange exchange;
	struct ma_buf out;
	enum mailauth_status status;

	if (timestamp_out == NULL)
		return MAILAUTH_E_USAGE;
	timestamp_out->text[0] = '\0';
	status = begin(ctx, request, &ma_mech_apop, &copy, &login);
	if (status != MAILAUTH_OK)
		return status;
	exchange = exchange_for(&login, NULL);
	out = ma_buf_fixed(timestamp_out->text, sizeof(timestamp_out->text) - 1);
	status = ma_mech_challenge(&exchange, &out);
	timestamp_out->text[status == MAILAUTH_OK ? out.len : 0] = '\0';
	return status;
}

enum mailauth_status mailauth_verify_apop(struct mailauth *ctx,
					  const struct mailauth_request *request,
					  const char *timestamp, const void *user, size_t user_len,
					  const void *digest, size_t digest_len,
					  struct mailauth_name *name_out)
{
	struct mailauth_request copy;
	struct ma_login login;
	struct ma_exchange exchange;
	enum mailauth_status status;

	empty_name(name_out);
	if (timestamp == NULL || timestamp[0] == '\0' || (user == NULL && user_len > 0) ||
	    (digest == NULL && digest_len > 0))
		return MAILAUTH_E_USAGE;
	status = begin(ctx, request, &ma_mech_apop, &copy, &login);
	if (status != MAILAUTH_OK)
		return status;
	exchange = exchange_for(&login, NULL);
	status = MAILAUTH_E_LIMIT;
	if (user_len <= MAILAUTH_MESSAGE_MAX && digest_len <= MAILAUTH_MESSAGE_MAX)
		status = ma_apop_check(&exchange, ma_span_text(timestamp), ma_span(user, user_len),
				       ma_span(digest, digest_len));
	return conclude(&login, status, ma_span(NULL, 0), name_out);
}
