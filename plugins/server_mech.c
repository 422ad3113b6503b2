/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_mech.c - mechanisms for Cyrus SASL, for what libsasl2 does not bring any more
 *
 * The option mailauth_mechs lists them, separated by spaces; without it there are none. Each is a
 * session of the library, which also knows what the client typed and writes one line to the log for
 * each login. libsasl2 keeps the rest: which mechanisms are offered, what a protocol without data
 * on success does with those that end a dialogue, who may act for whom.
 *
 * Flags and features say what a mechanism has and no more, because libsasl2 decides by them what to
 * offer where a server wants, say, no plain text. There are no security layers, and nobody may act
 * for another.
 *
 * A client that has used DIGEST-MD5 before may begin with a response to the challenge of that time
 * (RFC 2831 section 2.2); libsasl2's own does. It is told a new challenge, as by a server that
 * remembers nothing, and goes on from there.
 *
 * Channel binding. libsasl2 hands SCRAM-*-PLUS to the mechanism without PLUS and does not tell; but
 * the client's first message does, by a 'p' in front (RFC 5802 section 6). So the session is made
 * when that message is there. Where the server has a binding every session gets it: then one that
 * was told that there is none is refused.
 *
 * Whatever a client does wrong gets one code, SASL_BADAUTH, because servers do not answer alike to
 * others: to SASL_FAIL Postfix says "try again later".
 *
 * Some servers ask for the user's name before they look at that code, Exim and Cyrus IMAP among
 * them, and without one say and log something else, "wrong password" even of an outage. So a login
 * that fails leaves them a name that cannot be anybody's, where libsasl2's own mechanisms leave the
 * one that was claimed.
 */
#include "plugin.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MECH_NAME_MAX 32 /* with -PLUS and the NUL */
#define PLUS	      "-PLUS"
#define NOBODY	      "-"

struct ma_server_row {
	const char *name;
	bool binds;   /* has a -PLUS */
	bool is_deaf; /* at first: begins with its challenge, whatever the client said */
	unsigned int security_flags;
	unsigned int features;
};

#define ENCRYPTS   (SASL_SEC_NOPLAINTEXT | SASL_SEC_NOANONYMOUS)
#define CLEAR_TEXT (SASL_SEC_NOANONYMOUS | SASL_SEC_PASS_CREDENTIALS)
#define SCRAM(bits)                                                                                \
	(ENCRYPTS | SASL_SEC_NOACTIVE | SASL_SEC_MUTUAL_AUTH | SASL_SET_HASH_STRENGTH_BITS(bits))
#define SCRAM_FEATURES (SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_CHANNEL_BINDING)

static const struct ma_server_row rows[MA_PLUGIN_N_MECHS] = {
	{"SCRAM-SHA-512", true, false, SCRAM(512), SCRAM_FEATURES},
	{"SCRAM-SHA-256", true, false, SCRAM(256), SCRAM_FEATURES},
	{"SCRAM-SHA-1", true, false, SCRAM(160), SCRAM_FEATURES},
	{"DIGEST-MD5", false, true, ENCRYPTS | SASL_SEC_MUTUAL_AUTH, 0},
	{"CRAM-MD5", false, false, ENCRYPTS, SASL_FEAT_SERVER_FIRST},
	{"PLAIN", false, false, CLEAR_TEXT, SASL_FEAT_WANT_CLIENT_FIRST},
	{"LOGIN", false, false, CLEAR_TEXT, 0},
};

/* One login. Where the client speaks first, an empty message ("=") is taken for none, once. */
struct exchange {
	const struct ma_server_mech *mech;
	struct mailauth_session *session; /* NULL before the first message */
	bool was_asked;			  /* for that message, if it is the client's to begin */
	unsigned int binding;		  /* what the client says about it, SASL_CB_DISP_... */
};

/* ---- one login ---- */

static int mech_new(void *glob_context, sasl_server_params_t *sparams, const char *challenge,
		    unsigned int challenge_len, void **exchange_out)
{
	struct exchange *exchange;

	(void)challenge;
	(void)challenge_len;
	if (sparams->props.min_ssf > sparams->external_ssf) {
		sparams->utils->seterror(sparams->utils->conn, SASL_NOLOG,
					 "the mechanism has no security layer");
		return SASL_TOOWEAK;
	}
	exchange = sparams->utils->malloc(sizeof(*exchange));
	if (exchange == NULL)
		return SASL_NOMEM;
	*exchange = (struct exchange){.mech = glob_context};
	*exchange_out = exchange;
	return SASL_OK;
}

static void mech_dispose(void *conn_context, const sasl_utils_t *utils)
{
	struct exchange *exchange = conn_context;

	if (exchange == NULL)
		return;
	ma_plugin_enter(exchange->mech->plugin, utils);
	mailauth_session_free(&exchange->session);
	ma_plugin_leave(exchange->mech->plugin);
	utils->free(exchange);
}

/* RFC 5802 section 7: gs2-cbind-flag, the first byte that the client sends. */
static unsigned int binding_of(const struct exchange *exchange, const char *in, unsigned int in_len)
{
	if (!exchange->mech->row->binds || in_len == 0)
		return SASL_CB_DISP_NONE;
	switch (in[0]) {
	case 'p':
		return SASL_CB_DISP_USED;
	case 'y':
		return SASL_CB_DISP_WANT;
	default:
		return SASL_CB_DISP_NONE;
	}
}

static enum mailauth_status session_new(struct exchange *exchange,
					const sasl_server_params_t *sparams)
{
	struct ma_plugin *plugin = exchange->mech->plugin;
	char peer[MA_PLUGIN_PEER_MAX];
	char name[MECH_NAME_MAX];
	struct mailauth_request request = ma_plugin_request(plugin, sparams, peer);
	struct mailauth_binding binding;
	struct mailauth *ctx = NULL;
	enum mailauth_status status = ma_plugin_reader(plugin, &ctx);
	bool is_plus = false;

	if (status != MAILAUTH_OK)
		return status;
	/* Whether a password may come in clear is decided by the server and libsasl2's properties:
	 * Postfix never tells us of TLS. */
	request.flags |= MAILAUTH_REQUEST_TLS | MAILAUTH_REQUEST_SUCCESS_DATA;
	if (exchange->mech->row->binds && SASL_CB_PRESENT(sparams)) {
		binding.type = sparams->cbinding->name;
		binding.p = sparams->cbinding->data;
		binding.len = sparams->cbinding->len;
		request.bindings = &binding;
		request.n_bindings = 1;
		is_plus = exchange->binding == SASL_CB_DISP_USED;
	}
	(void)snprintf(name, sizeof(name), "%s%s", exchange->mech->row->name, is_plus ? PLUS : "");
	return mailauth_session_new(ctx, name, &request, &exchange->session);
}

/* What the client hears is the server's own. */
static int refuse(const sasl_server_params_t *sparams, int code)
{
	const char *text = code == SASL_BADAUTH ? "authentication failure"
						: "temporary authentication failure";

	sparams->utils->seterror(sparams->utils->conn, SASL_NOLOG, "%s", text);
	return code;
}

/* For what the library does not come to see, and so does not log. */
static int refuse_early(const struct exchange *exchange, const sasl_server_params_t *sparams,
			const char *why)
{
	char peer[MA_PLUGIN_PEER_MAX];
	char service[MA_PLUGIN_PEER_MAX];
	const struct mailauth_request request =
		ma_plugin_request(exchange->mech->plugin, sparams, peer);

	(void)snprintf(service, sizeof(service), "%s",
		       request.service != NULL ? request.service : "");
	ma_plugin_clean(service);
	ma_plugin_clean(peer);
	sparams->utils->log(sparams->utils->conn, SASL_LOG_FAIL,
			    "%s login: result=denied reason=%s mech=%s service=%s peer=%s",
			    MA_PLUGIN_NAME, why, exchange->mech->row->name, service, peer);
	return refuse(sparams, SASL_BADAUTH);
}

/* The name is proved already, so whatever does not know it is not asked (EXTERNALLY_VERIFIED): an
 * auxprop plugin of somebody else's may be the one in use. */
static int accept(const struct exchange *exchange, sasl_server_params_t *sparams,
		  sasl_out_params_t *oparams)
{
	bool is_bound = exchange->binding == SASL_CB_DISP_USED && SASL_CB_PRESENT(sparams);
	int code = sparams->canon_user(
		sparams->utils->conn, mailauth_session_user(exchange->session), 0,
		SASL_CU_AUTHID | SASL_CU_AUTHZID | SASL_CU_EXTERNALLY_VERIFIED, oparams);

	if (code != SASL_OK)
		return code;
	oparams->cbindingdisp = exchange->binding;
	oparams->cbindingname = is_bound ? sparams->cbinding->name : NULL;
	oparams->doneflag = 1;
	oparams->mech_ssf = 0;
	oparams->maxoutbuf = 0;
	oparams->encode_context = NULL;
	oparams->encode = NULL;
	oparams->decode_context = NULL;
	oparams->decode = NULL;
	oparams->param_version = 0;
	return SASL_OK;
}

static enum mailauth_status session_step(struct exchange *exchange,
					 const sasl_server_params_t *sparams, const char *in,
					 unsigned int in_len, const void **reply_out,
					 size_t *reply_len_out)
{
	enum mailauth_status status = MAILAUTH_OK;

	ma_plugin_enter(exchange->mech->plugin, sparams->utils);
	if (exchange->session == NULL)
		status = session_new(exchange, sparams);
	if (status == MAILAUTH_OK)
		status = mailauth_session_step(exchange->session, in, in_len, reply_out,
					       reply_len_out);
	ma_plugin_leave(exchange->mech->plugin);
	return status;
}

/* Before the first message that counts. SASL_OK: this is one. */
static int mech_begin(struct exchange *exchange, const sasl_server_params_t *sparams,
		      const char *in, unsigned int in_len, const char **out)
{
	if ((exchange->mech->row->features & SASL_FEAT_WANT_CLIENT_FIRST) != 0 && in_len == 0) {
		if (exchange->was_asked)
			return refuse_early(exchange, sparams, "malformed");
		exchange->was_asked = true;
		*out = "";
		return SASL_CONTINUE;
	}
	exchange->binding = binding_of(exchange, in, in_len);
	/* libsasl2 would see to it in the end, after the log has said that all is well. */
	if (SASL_CB_CRITICAL(sparams) && exchange->binding != SASL_CB_DISP_USED)
		return refuse_early(exchange, sparams, "no-binding");
	return SASL_OK;
}

static int step(struct exchange *exchange, sasl_server_params_t *sparams, const char *in,
		unsigned int in_len, const char **out, unsigned int *out_len,
		sasl_out_params_t *oparams)
{
	const void *reply = NULL;
	size_t reply_len = 0;
	enum mailauth_status status;
	int code;

	if (exchange->session == NULL) {
		code = mech_begin(exchange, sparams, in, in_len, out);
		if (code != SASL_OK)
			return code;
		if (exchange->mech->row->is_deaf)
			in_len = 0;
	}
	status = session_step(exchange, sparams, in, in_len, &reply, &reply_len);
	if (status != MAILAUTH_OK && status != MAILAUTH_CONTINUE)
		return refuse(sparams, ma_plugin_code(status));
	if (status == MAILAUTH_CONTINUE || reply_len > 0) {
		*out = reply_len > 0 ? reply : "";
		*out_len = (unsigned int)reply_len;
	}
	return status == MAILAUTH_OK ? accept(exchange, sparams, oparams) : SASL_CONTINUE;
}

static int mech_step(void *conn_context, sasl_server_params_t *sparams, const char *in,
		     unsigned int in_len, const char **out, unsigned int *out_len,
		     sasl_out_params_t *oparams)
{
	int code;

	*out = NULL;
	*out_len = 0;
	if (conn_context == NULL)
		return refuse(sparams, SASL_BADAUTH);
	code = step(conn_context, sparams, in, in_len, out, out_len, oparams);
	if (code != SASL_OK && code != SASL_CONTINUE) {
		oparams->authid = oparams->user = NOBODY;
		oparams->alen = oparams->ulen = sizeof(NOBODY) - 1;
	}
	return code;
}

/* ---- the list ---- */

static void mech_free(void *glob_context, const sasl_utils_t *utils)
{
	const struct ma_server_mech *mech = glob_context;

	ma_plugin_put(mech->plugin, utils);
}

/* "-PLUS" goes with the mechanism that it belongs to. */
static const struct ma_server_row *find_row(const char *word, size_t len)
{
	for (size_t i = 0; i < MA_PLUGIN_N_MECHS; i++) {
		const struct ma_server_row *row = &rows[i];
		size_t own = strlen(row->name);

		if (len < own || strncasecmp(word, row->name, own) != 0)
			continue;
		if (len == own || (row->binds && len == own + strlen(PLUS) &&
				   strncasecmp(word + own, PLUS, strlen(PLUS)) == 0))
			return row;
	}
	return NULL;
}

/* libsasl2's own formatting is not printf's: it takes no precision. */
static void log_unknown(const sasl_utils_t *utils, const char *word, size_t len)
{
	char text[SASL_MECHNAMEMAX + 1];

	(void)snprintf(text, sizeof(text), "%.*s", (int)len, word);
	ma_plugin_clean(text);
	utils->log(utils->conn, SASL_LOG_ERR,
		   "%s config: option mailauth_mechs: no mechanism %s; there are SCRAM-SHA-512 "
		   "SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN",
		   MA_PLUGIN_NAME, text);
}

int ma_server_mechs_check(const sasl_utils_t *utils, const char *list)
{
	const char *word;
	size_t len;
	int n = 0;

	while (ma_plugin_take_word(&list, &word, &len))
		if (find_row(word, len) != NULL)
			n++;
		else
			log_unknown(utils, word, len);
	return n;
}

static bool is_listed(const struct ma_server_row *row, const char *list)
{
	const char *word;
	size_t len;

	while (list != NULL && ma_plugin_take_word(&list, &word, &len))
		if (find_row(word, len) == row)
			return true;
	return false;
}

void ma_server_mechs_init(struct ma_plugin *plugin)
{
	for (size_t i = 0; i < MA_PLUGIN_N_MECHS; i++) {
		struct ma_server_mech *mech = &plugin->mech_contexts[i];

		if (!is_listed(&rows[i], plugin->options[MA_OPTION_MECHS]))
			continue;
		*mech = (struct ma_server_mech){.plugin = plugin, .row = &rows[i]};
		plugin->mechs[plugin->n_mechs++] = (sasl_server_plug_t){
			.mech_name = rows[i].name,
			.max_ssf = 0,
			.security_flags = rows[i].security_flags,
			.features = rows[i].features,
			.glob_context = mech,
			.mech_new = mech_new,
			.mech_step = mech_step,
			.mech_dispose = mech_dispose,
			.mech_free = mech_free,
		};
	}
}
