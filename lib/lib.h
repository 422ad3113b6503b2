/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lib.h - structs shared by the files of this folder; never installed
 *
 * Data flows one way: a call of the public API (session.c, verifier.c, admin.c) takes a worker,
 * reads a record into it (worker.c), decides (login.c) and answers.
 */
#ifndef MA_LIB_H
#define MA_LIB_H

#include <mailauth/admin.h>
#include <stdatomic.h>

#include "account/account.h"
#include "account/name.h"
#include "account/seal.h"
#include "mech/mech.h"
#include "store/store.h"
#include "util/base.h"
#include "util/config.h"
#include "util/hash.h"
#include "util/log.h"

#define MA_WORKERS_KEPT 16

/* What one thread needs for one login, kept for the next, so that a login allocates nothing. */
struct ma_worker {
	struct ma_cipher *cipher;
	struct ma_account account; /* points into record, plain */
	size_t record_len;
	size_t plain_len;
	size_t decoy_len;
	struct ma_credential decoy; /* points into decoy_bytes */
	uint8_t record[MA_RECORD_MAX];
	uint8_t plain[MA_RECORD_MAX];
	uint8_t decoy_bytes[MA_SECRET_MAX];
};

/*
 * All that takes a login and not an open store: OpenSSL, which needs a millisecond to start, and
 * decoys. Made at the first use, since most processes of a mail server never see a login.
 */
struct ma_engine {
	struct ma_crypto *crypto;
	uint8_t decoy_key[MA_SHA256_LEN];
	/* By kind: of all that a client does not see of a decoy. */
	uint8_t decoy_seeds[MA_KIND_PASSWORD + 1][MA_SHA256_LEN];
	struct ma_name dummy_name;
	size_t dummy_len;
	uint8_t dummy[MA_RECORD_MAX]; /* a record, opened in the place of one that is not there */
};

struct mailauth {
	struct ma_log log;
	struct ma_config config;
	struct ma_span default_realm; /* in config.default_realm */
	struct ma_keyring keyring;
	/* The highest id of a key that a record was found under: a key that was only prepared when
	 * the key file was read seals since then. */
	_Atomic uint32_t newest_seen;
	const struct ma_kind *decoy_kind; /* what an unknown user's password is checked against */
	struct ma_store *store;
	bool write;
	int64_t (*now_s)(void); /* seconds since 1970-01-01 UTC; tests put another in */
	_Atomic(struct ma_engine *) engine;
	_Atomic(struct ma_worker *) workers[MA_WORKERS_KEPT];
};

/* context.c */

/* @owner: as for ma_keyring_load(). mailauth_open() is this with root. */
MA_MUST_CHECK enum mailauth_status ma_context_open(const struct mailauth_options *options,
						   uid_t owner, struct mailauth **ctx_out);
MA_MUST_CHECK enum mailauth_status ma_store_init(const struct mailauth_options *options,
						 uid_t owner, gid_t group);
/* Copies what the caller's version of the struct has; false if that is not enough. */
MA_MUST_CHECK bool ma_request_copy(const struct mailauth_request *request,
				   struct mailauth_request *copy_out);
/* What store to copy to: as the context's own, but at another URL. */
MA_MUST_CHECK enum mailauth_status ma_context_store(struct mailauth *ctx, const char *url,
						    const struct ma_store_ops **ops_out,
						    struct ma_store_params *params_out);
int32_t ma_today(const struct mailauth *ctx);
/* The kinds that the configuration's list of mechanisms derives. */
MA_MUST_CHECK bool ma_context_kinds(const struct mailauth *ctx, struct ma_kinds *kinds_out,
				    struct ma_span *unknown_out);

/* upkeep.c; @owner as above */
MA_MUST_CHECK enum mailauth_status ma_store_rekey(const struct mailauth_options *options,
						  uid_t owner, enum mailauth_rekey step,
						  uint64_t *n_out);

/* engine.c */

/*
 * Makes it if it is not there. Each call of the public API that needs it begins with this.
 * MAILAUTH_E_CONFIG: OpenSSL lacks something; logged. MAILAUTH_E_NOMEM, _INTERNAL.
 */
MA_MUST_CHECK enum mailauth_status ma_engine_start(struct mailauth *ctx);
void ma_engine_free(struct ma_engine **engine);
/* Only the crypto, for who has no keys yet. */
MA_MUST_CHECK enum mailauth_status ma_engine_crypto(const struct ma_log *log,
						    struct ma_crypto **crypto_out);

/* After ma_engine_start(). */
static inline const struct ma_engine *ma_engine(const struct mailauth *ctx)
{
	return atomic_load_explicit(&ctx->engine, memory_order_acquire);
}

/* worker.c */

MA_MUST_CHECK enum mailauth_status ma_worker_take(struct mailauth *ctx,
						  struct ma_worker **worker_out);
/* Wipes what it held and keeps it for the next. */
void ma_worker_give_back(struct mailauth *ctx, struct ma_worker **worker);
void ma_worker_free(struct ma_worker **worker);

/* Reads an account into the worker. MAILAUTH_E_CORRUPT is logged with the name. */
MA_MUST_CHECK enum mailauth_status ma_worker_read(struct mailauth *ctx, struct ma_worker *worker,
						  const struct ma_name *name);
/* The same with a record at hand. */
MA_MUST_CHECK enum mailauth_status ma_worker_take_record(struct mailauth *ctx,
							 struct ma_worker *worker,
							 const struct ma_name *name,
							 struct ma_span record);
/* As ma_worker_read() for an account that is there, in work and time; @worker holds nothing then.
 */
void ma_worker_read_dummy(struct mailauth *ctx, struct ma_worker *worker);
/* The first account behind @name (empty: of all); @name becomes its name, if damaged, too. */
MA_MUST_CHECK enum mailauth_status
ma_worker_read_next(struct mailauth *ctx, struct ma_worker *worker, struct ma_name *name);

#endif
