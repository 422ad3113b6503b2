/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * engine.c - what the first login makes and the others use
 *
 * Starting OpenSSL in a library context of our own takes about a millisecond: it describes each
 * cipher that it knows to itself. A mail server starts processes that never see a login, so this
 * waits for one. Nothing of it needs a file, so it also works in a chroot. Two threads that come
 * first at the same time both make one, and one of the two is thrown away: a lock could be left
 * held by a fork().
 *
 * The decoys: a key to make them from, and the dummy, a whole record that is opened and judged in
 * the place of one that is not there, so that both take the same time.
 */
#include "lib.h"

#include "util/mem.h"

enum mailauth_status ma_engine_crypto(const struct ma_log *log, struct ma_crypto **crypto_out)
{
	const char *missing;
	enum mailauth_status status = ma_crypto_new(crypto_out, &missing);

	if (status == MAILAUTH_E_CONFIG)
		ma_log(log, MAILAUTH_LOG_ERROR, "config",
		       "this OpenSSL lacks %s; install one that has it", missing);
	return status;
}

static void make_decoy_key(const struct mailauth *ctx, uint8_t kind, uint8_t key_out[MA_SHA256_LEN])
{
	const struct ma_span parts[] = {ma_span_text("libmailauth decoys"), ma_span(&kind, 1)};

	/* From the oldest key, so that decoys stay the same when a key is added. */
	ma_hmac(MA_HASH_SHA256, ma_span(ctx->keyring.keys[0].bytes, MA_GCM_KEY_LEN), parts,
		MA_ARRAY_SIZE(parts), key_out);
}

/* One decoy for each kind that an account usually has. */
static enum mailauth_status fill_dummy(const struct mailauth *ctx, const struct ma_engine *engine,
				       struct ma_account *account, struct ma_buf *secrets)
{
	const struct ma_subject subject = {
		.crypto = engine->crypto,
		.config = &ctx->config,
		.local = ma_span_text("user"),
		.realm = ctx->default_realm,
	};
	struct ma_credential *credential = &account->credentials[0];
	struct ma_decoy from = {.like = ma_span(NULL, 0)};
	struct ma_kinds kinds;
	struct ma_span unknown;
	enum mailauth_status status = MAILAUTH_OK;

	if (!ma_context_kinds(ctx, &kinds, &unknown))
		return MAILAUTH_E_INTERNAL;
	for (size_t i = 0; status == MAILAUTH_OK && i < kinds.n; i++) {
		const struct ma_kind *kind = kinds.items[i];
		size_t start = secrets->len;

		memcpy(from.seed, engine->decoy_seeds[kind->id], sizeof(from.seed));
		status = kind->decoy(kind, &subject, &from, secrets);
		credential->secrets[credential->n_secrets++] = (struct ma_secret){
			.kind = (uint8_t)kind->id,
			.value = ma_span(secrets->p + start, secrets->len - start),
		};
	}
	ma_wipe(&from, sizeof(from));
	return status;
}

/* The record that is opened where there is none: of the size that most have. */
static enum mailauth_status make_dummy(const struct mailauth *ctx, struct ma_engine *engine)
{
	MA_CLEANUP(ma_cipher_free) struct ma_cipher *cipher = NULL;
	MA_CLEANUP(ma_buf_clear)
	struct ma_buf secrets = ma_buf_fixed(engine->dummy + MA_RECORD_MAX / 2,
					     MA_RECORD_MAX / 2); /* behind the record */
	struct ma_buf record = ma_buf_fixed(engine->dummy, MA_RECORD_MAX / 2);
	uint8_t nonce[MA_RECORD_NONCE_LEN];
	struct ma_account account;
	enum mailauth_status status;

	ma_account_init(&account);
	account.home = ma_span_text("/var/mail/example.org/user");
	account.shell = ma_span_text("/usr/sbin/nologin");
	if (ma_name_parse(ma_span_text("user"), ctx->default_realm, &engine->dummy_name) != NULL)
		return MAILAUTH_E_INTERNAL;
	status = fill_dummy(ctx, engine, &account, &secrets);
	if (status == MAILAUTH_OK)
		status = ma_random(engine->crypto, nonce, sizeof(nonce));
	if (status == MAILAUTH_OK)
		status = ma_cipher_new(engine->crypto, &cipher);
	if (status == MAILAUTH_OK)
		status = ma_seal(ma_keyring_newest(&ctx->keyring), cipher, &engine->dummy_name,
				 &account, ma_span(nonce, sizeof(nonce)), &record);
	engine->dummy_len = record.len;
	return status;
}

static enum mailauth_status make_decoys(const struct mailauth *ctx, struct ma_engine *engine)
{
	/* 0 is no kind: the key of what is made for each name. */
	make_decoy_key(ctx, 0, engine->decoy_key);
	for (unsigned int kind = 1; kind <= MA_KIND_PASSWORD; kind++)
		make_decoy_key(ctx, (uint8_t)kind, engine->decoy_seeds[kind]);
	return make_dummy(ctx, engine);
}

void ma_engine_free(struct ma_engine **engine)
{
	if (*engine == NULL)
		return;
	ma_crypto_free(&(*engine)->crypto);
	ma_wipe(*engine, sizeof(**engine));
	ma_free(*engine);
	*engine = NULL;
}

enum mailauth_status ma_engine_start(struct mailauth *ctx)
{
	MA_CLEANUP(ma_engine_free) struct ma_engine *engine = NULL;
	struct ma_engine *theirs = NULL;
	enum mailauth_status status;

	if (ma_engine(ctx) != NULL)
		return MAILAUTH_OK;
	engine = ma_alloc(sizeof(*engine));
	if (engine == NULL)
		return MAILAUTH_E_NOMEM;
	status = ma_engine_crypto(&ctx->log, &engine->crypto);
	if (status == MAILAUTH_OK)
		status = make_decoys(ctx, engine);
	if (status == MAILAUTH_OK && atomic_compare_exchange_strong(&ctx->engine, &theirs, engine))
		(void)ma_steal(engine);
	return status;
}
