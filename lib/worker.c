/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker.c - scratch memory for one login, and reading an account into it
 *
 * Workers are kept in a small array of atomic pointers: taking one is an exchange, with no lock
 * that a fork() could leave held. When more threads log in at once than are kept, the rest is made
 * and freed.
 */
#include "lib.h"

#include "account/record.h"
#include "util/mem.h"

enum mailauth_status ma_worker_take(struct mailauth *ctx, struct ma_worker **worker_out)
{
	MA_CLEANUP(ma_worker_free) struct ma_worker *worker = NULL;
	enum mailauth_status status;

	*worker_out = NULL;
	for (size_t i = 0; i < MA_ARRAY_SIZE(ctx->workers); i++) {
		if (atomic_load_explicit(&ctx->workers[i], memory_order_relaxed) == NULL)
			continue;
		*worker_out = atomic_exchange(&ctx->workers[i], NULL);
		if (*worker_out != NULL)
			return MAILAUTH_OK;
	}
	status = ma_engine_start(ctx);
	if (status != MAILAUTH_OK)
		return status;
	worker = ma_alloc(sizeof(*worker));
	if (worker == NULL)
		return MAILAUTH_E_NOMEM;
	status = ma_cipher_new(ma_engine(ctx)->crypto, &worker->cipher);
	if (status == MAILAUTH_OK)
		*worker_out = ma_steal(worker);
	return status;
}

static void wipe(struct ma_worker *worker)
{
	ma_wipe(worker->plain, worker->plain_len);
	ma_wipe(worker->decoy_bytes, worker->decoy_len);
	worker->plain_len = 0;
	worker->decoy_len = 0;
	worker->record_len = 0;
}

void ma_worker_give_back(struct mailauth *ctx, struct ma_worker **worker)
{
	if (*worker == NULL)
		return;
	wipe(*worker);
	for (size_t i = 0; i < MA_ARRAY_SIZE(ctx->workers); i++) {
		struct ma_worker *none = NULL;

		if (atomic_load_explicit(&ctx->workers[i], memory_order_relaxed) == NULL &&
		    atomic_compare_exchange_strong(&ctx->workers[i], &none, *worker)) {
			*worker = NULL;
			return;
		}
	}
	ma_worker_free(worker);
}

void ma_worker_free(struct ma_worker **worker)
{
	if (*worker == NULL)
		return;
	wipe(*worker);
	ma_cipher_free(&(*worker)->cipher);
	ma_free(*worker);
	*worker = NULL;
}

/* Two threads at once may lose a step: the next record makes up for it. */
static void see_key(struct mailauth *ctx, uint32_t id)
{
	if (id > atomic_load_explicit(&ctx->newest_seen, memory_order_relaxed))
		atomic_store_explicit(&ctx->newest_seen, id, memory_order_relaxed);
}

/* Opens what the store put into worker->record. */
static enum mailauth_status unseal(struct mailauth *ctx, struct ma_worker *worker,
				   const struct ma_name *name)
{
	const char *why;
	enum mailauth_status status = ma_seal_open(
		&ctx->keyring, worker->cipher, name, ma_span(worker->record, worker->record_len),
		worker->plain, &worker->plain_len, &worker->account, &why);

	if (status == MAILAUTH_OK)
		see_key(ctx, ma_record_key_id(ma_span(worker->record, worker->record_len)));
	if (status == MAILAUTH_E_CORRUPT)
		ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "store", "the record of %s in %s %s",
		       name->text, ctx->config.store, why);
	return status;
}

static enum mailauth_status damaged(struct mailauth *ctx, const struct ma_name *name)
{
	ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "store",
	       "the record of %s in %s is damaged: it is too long or cannot be read; restore the "
	       "store from a backup, or delete and add the account",
	       name->text, ctx->config.store);
	return MAILAUTH_E_CORRUPT;
}

enum mailauth_status ma_worker_take_record(struct mailauth *ctx, struct ma_worker *worker,
					   const struct ma_name *name, struct ma_span record)
{
	wipe(worker);
	if (record.len > sizeof(worker->record))
		return damaged(ctx, name);
	if (record.len > 0)
		memcpy(worker->record, record.p, record.len);
	worker->record_len = record.len;
	return unseal(ctx, worker, name);
}

enum mailauth_status ma_worker_read(struct mailauth *ctx, struct ma_worker *worker,
				    const struct ma_name *name)
{
	uint8_t key[MA_KEY_MAX];
	struct ma_buf record = ma_buf_fixed(worker->record, sizeof(worker->record));
	enum mailauth_status status =
		ctx->store->ops->get(ctx->store, ma_name_key(name, key), &record);

	if (status == MAILAUTH_E_CORRUPT)
		return damaged(ctx, name);
	if (status != MAILAUTH_OK)
		return status;
	worker->record_len = record.len;
	return unseal(ctx, worker, name);
}

void ma_worker_read_dummy(struct mailauth *ctx, struct ma_worker *worker)
{
	const struct ma_engine *engine = ma_engine(ctx);
	const char *why;
	enum mailauth_status status;

	memcpy(worker->record, engine->dummy, engine->dummy_len);
	worker->record_len = engine->dummy_len;
	status = ma_seal_open(&ctx->keyring, worker->cipher, &engine->dummy_name,
			      ma_span(worker->record, worker->record_len), worker->plain,
			      &worker->plain_len, &worker->account, &why);
	if (status != MAILAUTH_OK)
		worker->account.n_credentials = 0;
}

enum mailauth_status ma_worker_read_next(struct mailauth *ctx, struct ma_worker *worker,
					 struct ma_name *name)
{
	uint8_t after_bytes[MA_KEY_MAX];
	uint8_t key_bytes[MA_STORE_KEY_MAX];
	struct ma_span after = ma_span(NULL, 0);
	struct ma_buf key;
	struct ma_buf record;
	enum mailauth_status status;

	if (name->len > 0)
		after = ma_name_key(name, after_bytes);
	for (;;) {
		key = ma_buf_fixed(key_bytes, sizeof(key_bytes));
		record = ma_buf_fixed(worker->record, sizeof(worker->record));
		status = ctx->store->ops->next(ctx->store, after, &key, &record);
		if (status != MAILAUTH_OK && status != MAILAUTH_E_CORRUPT)
			return status;
		if (ma_name_from_key(ma_buf_span(&key), name))
			break;
		/* A key that is no name of ours was put there by something else: go on behind it.
		 */
		ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "store",
		       "%s holds a record under a key that is no account name; it is passed over",
		       ctx->config.store);
		memcpy(after_bytes, key.p, key.len);
		after = ma_span(after_bytes, key.len);
	}
	if (status == MAILAUTH_E_CORRUPT)
		return damaged(ctx, name);
	worker->record_len = record.len;
	return unseal(ctx, worker, name);
}
