/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * upkeep.c - the store as a whole: measure, check, copy, seal with another key
 *
 * See mailauth/admin.h. Each walks through all records as they are at one moment, and writes, if at
 * all, as one change. A new key is in the key file, on disk, before any record is sealed with it,
 * and an old one leaves the file only when no record needs it: at whatever point this is
 * interrupted, every account still opens.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "user.h"

#define RESEAL_TRIES 8

enum mailauth_status mailauth_store_stat(struct mailauth *ctx, struct mailauth_store_stat *stat_out)
{
	struct ma_store_stat found;
	enum mailauth_status status;

	if (ctx == NULL || stat_out == NULL || stat_out->size != sizeof(*stat_out))
		return MAILAUTH_E_USAGE;
	status = ctx->store->ops->stat(ctx->store, &found);
	*stat_out = (struct mailauth_store_stat){
		.size = sizeof(*stat_out),
		.scheme = ctx->store->ops->scheme,
		.n_accounts = found.n_records,
		.bytes_used = found.bytes_used,
		.bytes_file = found.bytes_file,
		.bytes_max = found.bytes_max,
		.n_readers = found.n_readers,
		.n_dead = found.n_dead,
	};
	return status;
}

/* A walk that opens each record. */
struct walk {
	struct mailauth *ctx;
	struct ma_worker *worker;
	uint64_t n_good;
	uint64_t n_damaged;
	/* For each one that opens; may be NULL. */
	enum mailauth_status (*take)(struct walk *walk, const struct ma_name *name,
				     struct ma_span record);
	struct mailauth_batch *batch; /* what take() notes */
	uint32_t key_id;	      /* of the key that seals */
	uint64_t n_others;	      /* records under another key */
	bool is_used[MA_KEYS_MAX];    /* keys that records need */
};

static enum mailauth_status foreign(struct mailauth *ctx)
{
	ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "store",
	       "%s holds a record under a key that is no account name; it is passed over",
	       ctx->config.store);
	return MAILAUTH_OK;
}

static enum mailauth_status visit(void *arg, struct ma_span key, struct ma_span record)
{
	struct walk *walk = arg;
	struct ma_name name;
	enum mailauth_status status;

	if (!ma_name_from_key(key, &name))
		return foreign(walk->ctx);
	status = ma_worker_take_record(walk->ctx, walk->worker, &name, record);
	if (status == MAILAUTH_E_CORRUPT) {
		walk->n_damaged++;
		return MAILAUTH_OK;
	}
	if (status != MAILAUTH_OK)
		return status;
	walk->n_good++;
	return walk->take != NULL ? walk->take(walk, &name, record) : MAILAUTH_OK;
}

/*
 * MAILAUTH_E_CORRUPT: some are damaged, or the store itself, and not all can be found; logged. What
 * can be reached was walked through all the same.
 */
static enum mailauth_status walk_all(struct walk *walk)
{
	struct ma_store *store = walk->ctx->store;
	enum mailauth_status structure = store->ops->check(store);
	enum mailauth_status status = ma_worker_take(walk->ctx, &walk->worker);

	if (status != MAILAUTH_OK)
		return status;
	status = store->ops->walk(store, visit, walk);
	ma_worker_give_back(walk->ctx, &walk->worker);
	if (structure != MAILAUTH_OK)
		return structure;
	return status == MAILAUTH_OK && walk->n_damaged > 0 ? MAILAUTH_E_CORRUPT : status;
}

enum mailauth_status mailauth_store_check(struct mailauth *ctx, uint64_t *n_good_out,
					  uint64_t *n_damaged_out)
{
	struct walk walk = {.ctx = ctx};
	enum mailauth_status status;

	if (ctx == NULL || n_good_out == NULL || n_damaged_out == NULL)
		return MAILAUTH_E_USAGE;
	status = walk_all(&walk);
	*n_good_out = walk.n_good;
	*n_damaged_out = walk.n_damaged;
	return status;
}

static enum mailauth_status take_copy(struct walk *walk, const struct ma_name *name,
				      struct ma_span record)
{
	uint8_t key[MA_KEY_MAX];

	return ma_batch_add(walk->batch, (struct ma_store_change){
						 .key = ma_name_key(name, key),
						 .record = record,
					 });
}

/* Puts what the batch holds into a store that has nothing. */
static enum mailauth_status fill_store(struct mailauth *ctx, const char *url, gid_t group,
				       struct mailauth_batch *batch)
{
	const struct ma_store_ops *ops;
	struct ma_store_params params;
	struct ma_store_stat stat;
	struct ma_store *store = NULL;
	enum mailauth_status status = ma_context_store(ctx, url, &ops, &params);

	params.write = true;
	if (status == MAILAUTH_OK)
		status = ops->create(&params, group);
	if (status == MAILAUTH_OK)
		status = ops->open(&params, &store);
	if (status == MAILAUTH_OK)
		status = ops->stat(store, &stat);
	if (status == MAILAUTH_OK && stat.n_records > 0)
		status = MAILAUTH_E_EXISTS;
	if (status == MAILAUTH_OK)
		status = ma_batch_commit_to(batch, store);
	if (store != NULL)
		ops->close(&store);
	return status;
}

enum mailauth_status mailauth_store_copy(struct mailauth *ctx, const char *url, gid_t group,
					 uint64_t *n_out)
{
	MA_CLEANUP(mailauth_batch_free) struct mailauth_batch *batch = NULL;
	struct walk walk = {.ctx = ctx, .take = take_copy};
	enum mailauth_status status;

	if (n_out != NULL)
		*n_out = 0;
	if (ctx == NULL || url == NULL)
		return MAILAUTH_E_USAGE;
	status = ma_batch_new(ctx, &batch);
	walk.batch = batch;
	if (status == MAILAUTH_OK)
		status = walk_all(&walk);
	if (status == MAILAUTH_OK)
		status = fill_store(ctx, url, group, batch);
	if (status == MAILAUTH_OK && n_out != NULL)
		*n_out = walk.n_good;
	return status;
}

/* ---- keys ---- */

static enum mailauth_status take_key(struct walk *walk, const struct ma_name *name,
				     struct ma_span bytes)
{
	const struct ma_keyring *keyring = &walk->ctx->keyring;
	struct ma_record record;

	(void)name;
	if (!ma_record_split(bytes, &record))
		return MAILAUTH_E_CORRUPT;
	for (size_t i = 0; i < keyring->n_keys; i++)
		if (keyring->keys[i].id == record.key_id)
			walk->is_used[i] = true;
	if (record.key_id != walk->key_id)
		walk->n_others++;
	return MAILAUTH_OK;
}

static enum mailauth_status take_resealed(struct walk *walk, const struct ma_name *name,
					  struct ma_span bytes)
{
	MA_CLEANUP(ma_buf_clear) struct ma_buf sealed = ma_buf(MA_RECORD_MAX);
	uint8_t key[MA_KEY_MAX];
	struct ma_record record;
	enum mailauth_status status;

	if (!ma_record_split(bytes, &record))
		return MAILAUTH_E_CORRUPT;
	if (record.key_id == walk->key_id)
		return MAILAUTH_OK;
	status = ma_batch_seal(walk->ctx, walk->worker, name, &sealed);
	if (status != MAILAUTH_OK)
		return status;
	return ma_batch_add(walk->batch, (struct ma_store_change){
						 .key = ma_name_key(name, key),
						 .must_exist = true,
						 .old = bytes,
						 .record = ma_buf_span(&sealed),
					 });
}

static enum mailauth_status save_keys(struct mailauth *ctx)
{
	return ma_keyring_save(ctx->config.key_file, &ctx->keyring, &ctx->log);
}

static enum mailauth_status add_key(struct mailauth *ctx, bool is_next)
{
	enum mailauth_status status =
		ma_keyring_add(&ctx->keyring, ma_engine(ctx)->crypto, is_next);

	if (status == MAILAUTH_E_LIMIT)
		ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "key",
		       "key file %s is full; remove the keys that no account needs first",
		       ctx->config.key_file);
	return status == MAILAUTH_OK ? save_keys(ctx) : status;
}

static enum mailauth_status prepare(struct mailauth *ctx, uint64_t *n_out)
{
	*n_out = 0;
	return ma_keyring_next(&ctx->keyring) != NULL ? MAILAUTH_OK : add_key(ctx, true);
}

/* The key to seal with: the prepared one, the newest if sealing with it was interrupted, or a new
 * one. */
static enum mailauth_status choose_key(struct mailauth *ctx)
{
	struct walk walk = {
		.ctx = ctx,
		.take = take_key,
		.key_id = ma_keyring_newest(&ctx->keyring)->id,
	};
	struct ma_key *next = ma_keyring_next(&ctx->keyring);
	enum mailauth_status status = walk_all(&walk);

	if (status != MAILAUTH_OK)
		return status;
	if (next != NULL) {
		next->is_next = false;
		return save_keys(ctx);
	}
	if (walk.n_others == 0)
		return add_key(ctx, false);
	ma_log(&ctx->log, MAILAUTH_LOG_WARN, "key",
	       "an earlier change of the key was not finished for all accounts; that is done now: "
	       "for a new key, run it again");
	return MAILAUTH_OK;
}

static enum mailauth_status reseal_once(struct mailauth *ctx, uint64_t *n_out, bool *conflict_out)
{
	MA_CLEANUP(mailauth_batch_free) struct mailauth_batch *batch = NULL;
	struct walk walk = {
		.ctx = ctx,
		.take = take_resealed,
		.key_id = ma_keyring_newest(&ctx->keyring)->id,
	};
	struct mailauth_name conflict = {""};
	enum mailauth_status status = ma_batch_new(ctx, &batch);

	*conflict_out = false;
	walk.batch = batch;
	if (status == MAILAUTH_OK)
		status = walk_all(&walk);
	if (status != MAILAUTH_OK)
		return status;
	*n_out = mailauth_batch_count(batch);
	status = mailauth_batch_commit(batch, &conflict);
	*conflict_out = conflict.text[0] != '\0';
	return status;
}

/* Accounts that are changed meanwhile make it begin again. */
static enum mailauth_status reseal(struct mailauth *ctx, uint64_t *n_out)
{
	enum mailauth_status status = choose_key(ctx);
	bool conflict = true;

	if (status != MAILAUTH_OK)
		return status;
	for (int i = 0; conflict && i < RESEAL_TRIES; i++)
		status = reseal_once(ctx, n_out, &conflict);
	if (conflict)
		ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "store",
		       "accounts are being changed all the time; try again when it is quieter");
	return conflict ? MAILAUTH_E_TEMPFAIL : status;
}

/* Also where nothing is to be removed: the file is written anew, and with it goes what a program
 * that was killed may have left beside it. */
static enum mailauth_status prune_once(struct mailauth *ctx, uint64_t *n_out)
{
	struct ma_keyring *keyring = &ctx->keyring;
	struct walk walk = {
		.ctx = ctx,
		.take = take_key,
		.key_id = ma_keyring_newest(keyring)->id,
	};
	enum mailauth_status status = walk_all(&walk);
	size_t n = 0;

	if (status != MAILAUTH_OK)
		return status;
	for (size_t i = 0; i < keyring->n_keys; i++)
		if (walk.is_used[i] || keyring->keys[i].is_next ||
		    keyring->keys[i].id == walk.key_id)
			keyring->keys[n++] = keyring->keys[i];
	*n_out = keyring->n_keys - n;
	ma_wipe(&keyring->keys[n], (keyring->n_keys - n) * sizeof(keyring->keys[0]));
	keyring->n_keys = n;
	return save_keys(ctx);
}

/* A program that does not know the newest key may have sealed with another meanwhile. */
static enum mailauth_status prune(struct mailauth *ctx, uint64_t *n_out)
{
	struct ma_keyring before = ctx->keyring;
	struct walk walk = {.ctx = ctx};
	enum mailauth_status status = prune_once(ctx, n_out);

	if (status == MAILAUTH_OK)
		status = walk_all(&walk);
	if (status == MAILAUTH_E_CORRUPT && walk.n_damaged > 0) {
		ctx->keyring = before;
		*n_out = 0;
		ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "key",
		       "an old key was used just now; all keys are kept: restart the servers that "
		       "write to the store, seal again, then prune");
		status = save_keys(ctx) == MAILAUTH_OK ? MAILAUTH_E_TEMPFAIL : MAILAUTH_E_CONFIG;
	}
	ma_keyring_clear(&before);
	return status;
}

/* One at a time: the key file's folder is locked, since the file itself is replaced. */
static int lock_keys(struct mailauth *ctx)
{
	const char *path = ctx->config.key_file;
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	int fd;

	(void)snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path),
		       path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "busy",
	       "the folder of key file %s cannot be locked: %s", path,
	       errno == EWOULDBLOCK ? "another rekey is running; try again" : strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static enum mailauth_status run_step(struct mailauth *ctx, enum mailauth_rekey step,
				     uint64_t *n_out)
{
	enum mailauth_status status = ma_engine_start(ctx);

	if (status != MAILAUTH_OK)
		return status;
	switch (step) {
	case MAILAUTH_REKEY_PREPARE:
		return prepare(ctx, n_out);
	case MAILAUTH_REKEY_SEAL:
		return reseal(ctx, n_out);
	case MAILAUTH_REKEY_PRUNE:
		return prune(ctx, n_out);
	}
	return MAILAUTH_E_USAGE;
}

enum mailauth_status ma_store_rekey(const struct mailauth_options *options, uid_t owner,
				    enum mailauth_rekey step, uint64_t *n_out)
{
	MA_CLEANUP(mailauth_free) struct mailauth *ctx = NULL;
	struct mailauth_options copy = {.size = sizeof(copy)};
	enum mailauth_status status;
	uint64_t n = 0;
	int fd;

	if (n_out != NULL)
		*n_out = 0;
	if (options != NULL && options->size != sizeof(*options))
		return MAILAUTH_E_USAGE;
	if (options != NULL)
		copy = *options;
	copy.flags |= MAILAUTH_OPEN_WRITE;
	/* Opened once to learn where the key file is, and again when nobody else can change it. */
	status = ma_context_open(&copy, owner, &ctx);
	if (status != MAILAUTH_OK)
		return status;
	fd = lock_keys(ctx);
	if (fd < 0)
		return MAILAUTH_E_TEMPFAIL;
	mailauth_free(&ctx);
	status = ma_context_open(&copy, owner, &ctx);
	if (status == MAILAUTH_OK)
		status = run_step(ctx, step, &n);
	(void)close(fd);
	if (n_out != NULL && status == MAILAUTH_OK)
		*n_out = n;
	return status;
}

enum mailauth_status mailauth_store_rekey(const struct mailauth_options *options,
					  enum mailauth_rekey step, uint64_t *n_out)
{
	return ma_store_rekey(options, 0, step, n_out);
}
