/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * context.c - open and close a context, options, texts
 *
 * Everything that can fail for lack of privilege happens here, once: configuration, key file,
 * store. A server opens its context before it enters a chroot and gives up root, and works from
 * memory and open descriptors afterwards; OpenSSL, which needs no files, starts at the first login.
 * What the configuration's values mean to names, mechanisms and stores is checked here, because
 * util/config.c does not know them.
 */
#include "lib.h"

#include <netdb.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <mailauth/admin.h>

#include "util/mem.h"

static int64_t wall_clock(void)
{
	struct timespec now;

	/* Days and log lines need no more, and this one costs no more than a memory read. */
	(void)clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec;
}

int32_t ma_today(const struct mailauth *ctx)
{
	return (int32_t)(ctx->now_s() / 86400);
}

static bool read_options(const struct mailauth_options *options, struct mailauth_options *copy_out)
{
	*copy_out = (struct mailauth_options){.size = sizeof(*copy_out)};
	if (options == NULL)
		return true;
	if (options->size != sizeof(*options) || (options->flags & ~MAILAUTH_OPEN_WRITE) != 0)
		return false;
	*copy_out = *options;
	return true;
}

bool ma_request_copy(const struct mailauth_request *request, struct mailauth_request *copy_out)
{
	const unsigned int known =
		MAILAUTH_REQUEST_TLS | MAILAUTH_REQUEST_SUCCESS_DATA | MAILAUTH_REQUEST_PROOF_ONLY;

	*copy_out = (struct mailauth_request){.size = sizeof(*copy_out)};
	if (request == NULL)
		return true;
	if (request->size != sizeof(*request) || (request->flags & ~known) != 0 ||
	    request->n_bindings > MAILAUTH_BINDINGS_MAX ||
	    (request->bindings == NULL && request->n_bindings > 0))
		return false;
	*copy_out = *request;
	return true;
}

/*
 * The host's name with its domain; the short one if nothing else is known. NULL: the answer would
 * be another one later, or there is no memory; @error_out is then what getaddrinfo() said, or 0.
 */
static char *host_name(int *error_out)
{
	char host[256];
	struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found = NULL;
	char *name = NULL;

	*error_out = 0;
	if (gethostname(host, sizeof(host)) != 0)
		return NULL;
	host[sizeof(host) - 1] = '\0';
	/* A name with a dot is whole, and need not be looked up at each start. */
	if (strchr(host, '.') == NULL)
		*error_out = getaddrinfo(host, NULL, &hints, &found);
	if (*error_out == EAI_AGAIN || *error_out == EAI_FAIL)
		return NULL;
	if (found != NULL && found->ai_canonname != NULL)
		name = ma_text_copy(ma_span_text(found->ai_canonname));
	if (found != NULL)
		freeaddrinfo(found);
	return name != NULL ? name : ma_text_copy(ma_span_text(host));
}

static enum mailauth_status set_default_realm(struct mailauth *ctx)
{
	struct ma_name name;
	const char *refusal;
	int error = 0;

	if (ctx->config.default_realm == NULL)
		ctx->config.default_realm = host_name(&error);
	if (ctx->config.default_realm == NULL && error != 0) {
		ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "config",
		       "cannot find this host's full name (%s); set default_realm in %s",
		       gai_strerror(error), ctx->config.file);
		return MAILAUTH_E_TEMPFAIL;
	}
	if (ctx->config.default_realm == NULL)
		return MAILAUTH_E_NOMEM;
	ctx->default_realm = ma_span_text(ctx->config.default_realm);
	refusal = ma_name_parse(ma_span_text("x"), ctx->default_realm, &name);
	if (refusal == NULL)
		return MAILAUTH_OK;
	ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "config", "default_realm %s: %s",
	       ctx->config.default_realm, refusal);
	return ma_config_error(&ctx->config, MA_CONFIG_DEFAULT_REALM, &ctx->log,
			       "set default_realm to a domain such as example.org");
}

/* The kind that most accounts are checked against. */
static const struct ma_kind *cheapest(const struct ma_kinds *kinds)
{
	const struct ma_kind *best = kinds->items[0];

	for (size_t i = 1; i < kinds->n; i++)
		if (kinds->items[i]->cost_ns < best->cost_ns)
			best = kinds->items[i];
	return best;
}

bool ma_context_kinds(const struct mailauth *ctx, struct ma_kinds *kinds_out,
		      struct ma_span *unknown_out)
{
	const char *list = ctx->config.mechanisms;

	return ma_mech_kinds(ma_span_text(list != NULL ? list : ""), ctx->config.recoverable,
			     kinds_out, unknown_out);
}

static enum mailauth_status check_mechanisms(struct mailauth *ctx)
{
	struct ma_kinds kinds;
	struct ma_span unknown;

	if (!ma_context_kinds(ctx, &kinds, &unknown)) {
		char text[512];
		struct ma_buf why = ma_buf_fixed(text, sizeof(text));

		ma_buf_put_text(&why, "mechanisms: this build has no ");
		ma_buf_put_escaped(&why, unknown);
		ma_buf_put_text(&why, ", only");
		for (size_t i = 0; ma_mech_at(i) != NULL; i++)
			ma_buf_printf(&why, " %s", ma_mech_at(i)->name);
		return ma_config_error(&ctx->config, MA_CONFIG_MECHANISMS, &ctx->log,
				       ma_buf_text(&why));
	}
	if (kinds.n == 0)
		return ma_config_error(&ctx->config, MA_CONFIG_MECHANISMS, &ctx->log,
				       "mechanisms: APOP alone serves only accounts that keep the "
				       "password; name another one, too");
	ctx->decoy_kind = cheapest(&kinds);
	return MAILAUTH_OK;
}

static enum mailauth_status check_digest_realms(struct mailauth *ctx)
{
	const char *list = ctx->config.digest_realms;
	struct ma_span words = ma_span_text(list != NULL ? list : "");
	struct ma_span word;
	struct ma_name name;
	size_t n = 0;

	while (ma_span_take_word(&words, " ,\t", &word)) {
		const char *refusal = ma_name_parse(ma_span_text("x"), word, &name);

		if (refusal != NULL || ++n > MA_CONFIG_DIGEST_REALMS_MAX)
			return ma_config_error(&ctx->config, MA_CONFIG_DIGEST_REALMS, &ctx->log,
					       refusal != NULL
						       ? "digest_realms must be domains such as "
							 "example.org, separated by spaces"
						       : "digest_realms: at most 8 names");
	}
	return MAILAUTH_OK;
}

/* Log and configuration: what is needed before keys and store are touched. */
static enum mailauth_status prepare(const struct mailauth_options *options, struct mailauth **out)
{
	MA_CLEANUP(mailauth_free) struct mailauth *ctx = ma_alloc(sizeof(*ctx));
	enum mailauth_status status;

	*out = NULL;
	if (ctx == NULL)
		return MAILAUTH_E_NOMEM;
	mailauth_set_logger(ctx, options->log, options->log_arg, options->log_level);
	ctx->write = (options->flags & MAILAUTH_OPEN_WRITE) != 0;
	ctx->now_s = wall_clock;
	status = ma_config_load(options->config, &ctx->log, &ctx->config);
	if (status == MAILAUTH_OK && options->store != NULL) {
		ma_cleanup_text(&ctx->config.store);
		ctx->config.store = ma_text_copy(ma_span_text(options->store));
		status = ctx->config.store != NULL ? MAILAUTH_OK : MAILAUTH_E_NOMEM;
	}
	if (status == MAILAUTH_OK)
		status = set_default_realm(ctx);
	if (status == MAILAUTH_OK)
		status = check_mechanisms(ctx);
	if (status == MAILAUTH_OK)
		status = check_digest_realms(ctx);
	if (status == MAILAUTH_OK)
		*out = ma_steal(ctx);
	return status;
}

enum mailauth_status ma_context_store(struct mailauth *ctx, const char *url,
				      const struct ma_store_ops **ops_out,
				      struct ma_store_params *params_out)
{
	*params_out = (struct ma_store_params){
		.write = ctx->write,
		.timeout_s = ctx->config.store_timeout_s,
		.map_size = ctx->config.map_size,
		.log = &ctx->log,
	};
	return ma_store_find(url, &ctx->log, ops_out, &params_out->address);
}

enum mailauth_status ma_context_open(const struct mailauth_options *options, uid_t owner,
				     struct mailauth **ctx_out)
{
	MA_CLEANUP(mailauth_free) struct mailauth *ctx = NULL;
	struct mailauth_options copy;
	const struct ma_store_ops *ops;
	struct ma_store_params params;
	enum mailauth_status status;

	*ctx_out = NULL;
	if (!read_options(options, &copy))
		return MAILAUTH_E_USAGE;
	status = prepare(&copy, &ctx);
	if (status == MAILAUTH_OK)
		status = ma_context_store(ctx, ctx->config.store, &ops, &params);
	if (status == MAILAUTH_OK)
		status = ma_keyring_load(ctx->config.key_file, owner, &ctx->log, &ctx->keyring);
	if (status == MAILAUTH_OK)
		status = ops->open(&params, &ctx->store);
	if (status == MAILAUTH_OK)
		*ctx_out = ma_steal(ctx);
	return status;
}

static enum mailauth_status init_key(struct mailauth *ctx, const struct ma_store_ops *ops,
				     const struct ma_store_params *params, uid_t owner, gid_t group)
{
	MA_CLEANUP(ma_crypto_free) struct ma_crypto *crypto = NULL;
	const char *path = ctx->config.key_file;
	enum mailauth_status status;

	if (access(path, F_OK) != 0 && ops->exists(params)) {
		ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "key",
		       "key file %s is gone, but there is a store; restore the key from a backup, "
		       "or remove the store %s to begin anew",
		       path, ctx->config.store);
		return MAILAUTH_E_CONFIG;
	}
	status = ma_engine_crypto(&ctx->log, &crypto);
	if (status != MAILAUTH_OK)
		return status;
	status = ma_keyring_create(path, group, crypto, &ctx->log);
	if (status != MAILAUTH_OK && status != MAILAUTH_E_EXISTS)
		return status;
	return ma_keyring_load(path, owner, &ctx->log, &ctx->keyring);
}

enum mailauth_status ma_store_init(const struct mailauth_options *options, uid_t owner, gid_t group)
{
	MA_CLEANUP(mailauth_free) struct mailauth *ctx = NULL;
	struct mailauth_options copy;
	const struct ma_store_ops *ops;
	struct ma_store_params params;
	enum mailauth_status status;

	if (!read_options(options, &copy))
		return MAILAUTH_E_USAGE;
	copy.flags |= MAILAUTH_OPEN_WRITE;
	status = prepare(&copy, &ctx);
	if (status == MAILAUTH_OK)
		status = ma_context_store(ctx, ctx->config.store, &ops, &params);
	if (status == MAILAUTH_OK)
		status = init_key(ctx, ops, &params, owner, group);
	if (status == MAILAUTH_OK)
		status = ops->create(&params, group);
	if (status == MAILAUTH_OK)
		status = ops->open(&params, &ctx->store);
	return status;
}

enum mailauth_status mailauth_open(const struct mailauth_options *options,
				   struct mailauth **ctx_out)
{
	if (ctx_out == NULL)
		return MAILAUTH_E_USAGE;
	return ma_context_open(options, 0, ctx_out);
}

enum mailauth_status mailauth_store_init(const struct mailauth_options *options, gid_t group)
{
	return ma_store_init(options, 0, group);
}

void mailauth_free(struct mailauth **ctx_in)
{
	struct mailauth *ctx = ctx_in != NULL ? *ctx_in : NULL;
	struct ma_engine *engine;

	if (ctx == NULL)
		return;
	for (size_t i = 0; i < MA_ARRAY_SIZE(ctx->workers); i++) {
		struct ma_worker *worker = atomic_exchange(&ctx->workers[i], NULL);

		ma_worker_free(&worker);
	}
	if (ctx->store != NULL)
		ctx->store->ops->close(&ctx->store);
	engine = atomic_exchange(&ctx->engine, NULL);
	ma_engine_free(&engine);
	ma_keyring_clear(&ctx->keyring);
	ma_config_clear(&ctx->config);
	ma_free(ctx);
	*ctx_in = NULL;
}

void mailauth_set_logger(struct mailauth *ctx, mailauth_log_fn *log, void *arg,
			 enum mailauth_log_level level)
{
	ctx->log = (struct ma_log){.fn = log, .arg = arg, .level = level};
}

const char *mailauth_config_get(const struct mailauth *ctx, const char *key)
{
	if (ctx == NULL || key == NULL)
		return NULL;
	/* What options and the host's name may have put there. */
	if (strcmp(key, "store") == 0)
		return ctx->config.store;
	if (strcmp(key, "default_realm") == 0)
		return ctx->config.default_realm;
	return ma_config_value(&ctx->config, key);
}

size_t mailauth_mech_count(void)
{
	size_t n = 0;

	while (ma_mech_at(n) != NULL)
		n++;
	return n;
}

const char *mailauth_mech_name(size_t index)
{
	const struct ma_mech *mech = ma_mech_at(index);

	return mech != NULL ? mech->name : NULL;
}

const char *mailauth_version(void)
{
	return MAILAUTH_VERSION;
}

const char *mailauth_status_name(enum mailauth_status status)
{
	switch (status) {
#define NAME(s)                                                                                    \
	case s:                                                                                    \
		return #s
		NAME(MAILAUTH_OK);
		NAME(MAILAUTH_CONTINUE);
		NAME(MAILAUTH_E_INTERNAL);
		NAME(MAILAUTH_E_DENIED);
		NAME(MAILAUTH_E_PROTOCOL);
		NAME(MAILAUTH_E_LIMIT);
		NAME(MAILAUTH_E_TEMPFAIL);
		NAME(MAILAUTH_E_UNSUPPORTED);
		NAME(MAILAUTH_E_NOTFOUND);
		NAME(MAILAUTH_E_EXISTS);
		NAME(MAILAUTH_E_CONFIG);
		NAME(MAILAUTH_E_CORRUPT);
		NAME(MAILAUTH_E_NOMEM);
		NAME(MAILAUTH_E_USAGE);
#undef NAME
	}
	return "MAILAUTH_E_?";
}
