/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * batch.c - changes to accounts: one, or many that are made together
 *
 * See mailauth/admin.h. An account is sealed when it is put into a batch; the commit is one call of
 * the store, which makes all changes or none. A change of one account is a batch of one. Each
 * change names the bytes that it replaces, so that of two programs that change an account at once
 * one is told so, and mailauth_user_update() reads again.
 */
#include <pthread.h>
#include <stdlib.h>

#include "user.h"

#define UPDATE_TRIES 64

struct mailauth_batch {
	struct mailauth *ctx;
	pthread_mutex_t lock; /* of what follows */
	size_t n;
	size_t room;
	struct ma_store_change *changes; /* key, old and record of each are in one block, at key */
};

static void free_change(struct ma_store_change *change)
{
	union {
		const void *in;
		void *out;
	} block = {.in = change->key.p};

	ma_free(block.out);
}

static void clear_changes(struct mailauth_batch *batch)
{
	for (size_t i = 0; i < batch->n; i++)
		free_change(&batch->changes[i]);
	batch->n = 0;
}

enum mailauth_status ma_batch_new(struct mailauth *ctx, struct mailauth_batch **batch_out)
{
	struct mailauth_batch *batch;

	*batch_out = NULL;
	batch = ma_alloc(sizeof(*batch));
	if (batch == NULL)
		return MAILAUTH_E_NOMEM;
	batch->ctx = ctx;
	(void)pthread_mutex_init(&batch->lock, NULL);
	*batch_out = batch;
	return MAILAUTH_OK;
}

enum mailauth_status mailauth_batch_new(struct mailauth *ctx, struct mailauth_batch **batch_out)
{
	if (batch_out == NULL)
		return MAILAUTH_E_USAGE;
	*batch_out = NULL;
	if (ctx == NULL)
		return MAILAUTH_E_USAGE;
	return ctx->write ? ma_batch_new(ctx, batch_out) : ma_user_refuse_write(ctx);
}

void mailauth_batch_free(struct mailauth_batch **batch_in)
{
	struct mailauth_batch *batch = batch_in != NULL ? *batch_in : NULL;

	if (batch == NULL)
		return;
	clear_changes(batch);
	if (batch->changes != NULL)
		ma_free(batch->changes);
	(void)pthread_mutex_destroy(&batch->lock);
	ma_free(batch);
	*batch_in = NULL;
}

size_t mailauth_batch_count(const struct mailauth_batch *batch)
{
	return batch != NULL ? batch->n : 0;
}

/* Room for @n more. */
static bool make_room(struct mailauth_batch *batch, size_t n)
{
	size_t room = batch->room > 0 ? batch->room * 2 : 4;
	struct ma_store_change *changes;

	if (n <= batch->room - batch->n)
		return true;
	changes = ma_alloc(room * sizeof(*changes));
	if (changes == NULL)
		return false;
	if (batch->n > 0)
		memcpy(changes, batch->changes, batch->n * sizeof(*changes));
	if (batch->changes != NULL)
		ma_free(batch->changes);
	batch->changes = changes;
	batch->room = room;
	return true;
}

static struct ma_span put_copy(uint8_t **room, struct ma_span bytes)
{
	struct ma_span copy = ma_span(*room, bytes.len);

	if (bytes.len > 0)
		memcpy(*room, bytes.p, bytes.len);
	*room += bytes.len;
	return copy;
}

/* What the change points to is copied into one block, which begins with the key. */
static bool own_change(struct ma_store_change *change)
{
	uint8_t *block = ma_alloc(change->key.len + change->old.len + change->record.len);
	uint8_t *room = block;

	if (block == NULL)
		return false;
	change->key = put_copy(&room, change->key);
	change->old = put_copy(&room, change->old);
	change->record = put_copy(&room, change->record);
	return true;
}

#define TOGETHER_MAX 2

/* All or none of them, so that an account that moves is not only deleted. */
static enum mailauth_status add_together(struct mailauth_batch *batch,
					 const struct ma_store_change *changes, size_t n)
{
	struct ma_store_change own[TOGETHER_MAX];
	size_t n_own = 0;
	bool fits = true;

	ma_assert(n <= TOGETHER_MAX);
	while (fits && n_own < n) {
		own[n_own] = changes[n_own];
		fits = own_change(&own[n_own]);
		n_own += fits ? 1 : 0;
	}
	(void)pthread_mutex_lock(&batch->lock);
	fits = fits && make_room(batch, n);
	if (fits) {
		memcpy(&batch->changes[batch->n], own, n * sizeof(own[0]));
		batch->n += n;
	}
	(void)pthread_mutex_unlock(&batch->lock);
	for (size_t i = 0; !fits && i < n_own; i++)
		free_change(&own[i]);
	return fits ? MAILAUTH_OK : MAILAUTH_E_NOMEM;
}

enum mailauth_status ma_batch_add(struct mailauth_batch *batch, struct ma_store_change change)
{
	return add_together(batch, &change, 1);
}

enum mailauth_status ma_batch_seal(struct mailauth *ctx, struct ma_worker *worker,
				   const struct ma_name *name, struct ma_buf *record_out)
{
	uint8_t nonce[MA_RECORD_NONCE_LEN];
	enum mailauth_status status = ma_random(ma_engine(ctx)->crypto, nonce, sizeof(nonce));

	if (status != MAILAUTH_OK)
		return status;
	return ma_seal(ma_keyring_sealing(&ctx->keyring, ctx->newest_seen), worker->cipher, name,
		       &worker->account, ma_span(nonce, sizeof(nonce)), record_out);
}

/* One change, or two if the account moves to another name. */
static enum mailauth_status put_changes(struct mailauth_batch *batch,
					const struct mailauth_user *user, struct ma_span record)
{
	uint8_t key[MA_KEY_MAX];
	uint8_t old_key[MA_KEY_MAX];
	struct ma_store_change changes[TOGETHER_MAX] = {
		{.key = ma_name_key(&user->name, key), .record = record},
		{.must_exist = true, .remove = true},
	};

	if (!user->is_stored)
		return ma_batch_add(batch, changes[0]);
	changes[1].key = ma_name_key(&user->stored_name, old_key);
	changes[1].old = ma_span(user->worker->record, user->worker->record_len);
	if (!ma_span_equal(changes[0].key, changes[1].key))
		return add_together(batch, changes, 2);
	changes[0].must_exist = true;
	changes[0].old = changes[1].old;
	return ma_batch_add(batch, changes[0]);
}

/* What every change touches. One that is not made leaves them as they were, in memory, too. */
struct marks {
	uint64_t generation;
	int64_t created;
	int64_t modified;
};

static struct marks marks_of(const struct ma_account *account)
{
	return (struct marks){account->generation, account->created, account->modified};
}

static void put_marks(struct ma_account *account, const struct marks *marks)
{
	account->generation = marks->generation;
	account->created = marks->created;
	account->modified = marks->modified;
}

static enum mailauth_status put_user(struct mailauth_batch *batch, struct mailauth_user *user)
{
	MA_CLEANUP(ma_buf_clear) struct ma_buf record = ma_buf(MA_RECORD_MAX);
	struct ma_account *account = ma_user_account(user);
	enum mailauth_status status;

	account->modified = user->ctx->now_s();
	if (!user->is_stored)
		account->created = account->modified;
	account->generation++;
	status = ma_batch_seal(user->ctx, user->worker, &user->name, &record);
	if (status != MAILAUTH_OK)
		return status;
	return put_changes(batch, user, ma_buf_span(&record));
}

enum mailauth_status mailauth_batch_put(struct mailauth_batch *batch, struct mailauth_user *user)
{
	struct ma_account *account;
	struct marks marks;
	enum mailauth_status status;

	if (batch == NULL || user == NULL || user->ctx != batch->ctx)
		return MAILAUTH_E_USAGE;
	account = ma_user_account(user);
	marks = marks_of(account);
	status = put_user(batch, user);
	if (status != MAILAUTH_OK)
		put_marks(account, &marks);
	return status;
}

enum mailauth_status mailauth_batch_del(struct mailauth_batch *batch, const char *name_text)
{
	struct ma_store_change change = {.must_exist = true, .any_old = true, .remove = true};
	struct ma_name name;
	uint8_t key[MA_KEY_MAX];
	enum mailauth_status status;

	if (batch == NULL || name_text == NULL)
		return MAILAUTH_E_USAGE;
	status = ma_user_name(batch->ctx, name_text, &name);
	if (status != MAILAUTH_OK)
		return status;
	change.key = ma_name_key(&name, key);
	return ma_batch_add(batch, change);
}

/* A change among those of all, by account. */
struct turn {
	const struct ma_store_change *change;
};

/* By key; those of one key in the order in which they are made. */
static int compare_turns(const void *a, const void *b)
{
	const struct ma_store_change *x = ((const struct turn *)a)->change;
	const struct ma_store_change *y = ((const struct turn *)b)->change;
	size_t len = x->key.len < y->key.len ? x->key.len : y->key.len;
	int order = memcmp(x->key.p, y->key.p, len);

	if (order == 0)
		order = (x->key.len > y->key.len) - (x->key.len < y->key.len);
	return order != 0 ? order : (x > y) - (x < y);
}

/* NULL: no memory. */
static struct turn *sort_changes(const struct mailauth_batch *batch)
{
	struct turn *turns = ma_alloc(batch->n * sizeof(*turns));

	if (turns == NULL)
		return NULL;
	for (size_t i = 0; i < batch->n; i++)
		turns[i].change = &batch->changes[i];
	qsort(turns, batch->n, sizeof(*turns), compare_turns);
	return turns;
}

/* What a change finds when its turn comes: what the one @before it left, else what is stored. */
static enum mailauth_status find_old(struct ma_store *store, const struct ma_store_change *change,
				     const struct ma_store_change *before, struct ma_buf *record)
{
	ma_buf_reset(record);
	if (before == NULL)
		return store->ops->get(store, change->key, record);
	if (before->remove)
		return MAILAUTH_E_NOTFOUND;
	ma_buf_put(record, before->record);
	return ma_buf_status(record);
}

/* The batch contradicts itself, and always will. */
static enum mailauth_status refuse_repeated(struct mailauth *ctx, const struct ma_name *name)
{
	ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "account",
	       "%s stands more than once in a batch of changes, which do not fit together; nothing "
	       "was changed",
	       name->text);
	return MAILAUTH_E_USAGE;
}

static enum mailauth_status explain_turns(struct mailauth *ctx, const struct turn *turns, size_t n,
					  struct mailauth_name *conflict_out)
{
	MA_CLEANUP(ma_buf_clear) struct ma_buf record = ma_buf(MA_STORE_RECORD_MAX);
	struct ma_name name = {.len = 0};

	for (size_t i = 0; i < n; i++) {
		const struct ma_store_change *change = turns[i].change;
		const struct ma_store_change *before = i > 0 ? turns[i - 1].change : NULL;
		enum mailauth_status status;
		struct ma_span found;

		if (before != NULL && !ma_span_equal(before->key, change->key))
			before = NULL;
		status = find_old(ctx->store, change, before, &record);
		found = ma_buf_span(&record);
		if (status == MAILAUTH_E_TEMPFAIL || status == MAILAUTH_E_NOMEM)
			return status;
		if (ma_store_expects(change, status == MAILAUTH_E_NOTFOUND ? NULL : &found))
			continue;
		if (ma_name_from_key(change->key, &name) && conflict_out != NULL)
			memcpy(conflict_out->text, name.text, name.len + 1);
		if (before != NULL)
			return refuse_repeated(ctx, &name);
		if (status == MAILAUTH_E_NOTFOUND)
			return MAILAUTH_E_NOTFOUND;
		return change->must_exist ? MAILAUTH_E_TEMPFAIL : MAILAUTH_E_EXISTS;
	}
	return MAILAUTH_E_TEMPFAIL; /* gone again meanwhile */
}

/* The store says that a record was not as expected; which one is found by looking. */
static enum mailauth_status explain(const struct mailauth_batch *batch,
				    struct mailauth_name *conflict_out)
{
	struct turn *turns = sort_changes(batch);
	enum mailauth_status status = MAILAUTH_E_NOMEM;

	if (turns != NULL)
		status = explain_turns(batch->ctx, turns, batch->n, conflict_out);
	ma_free(turns);
	return status;
}

/* @conflict_out: MAILAUTH_E_TEMPFAIL is not the store's, but another program's change. */
static enum mailauth_status commit(struct mailauth_batch *batch, struct mailauth_name *name_out,
				   bool *conflict_out)
{
	struct ma_store *store = batch->ctx->store;
	enum mailauth_status status = MAILAUTH_OK;

	*conflict_out = false;
	if (batch->n > 0)
		status = store->ops->apply(store, batch->changes, batch->n, conflict_out);
	if (status == MAILAUTH_OK && *conflict_out)
		status = explain(batch, name_out);
	clear_changes(batch);
	return status;
}

enum mailauth_status mailauth_batch_commit(struct mailauth_batch *batch,
					   struct mailauth_name *conflict_out)
{
	bool conflict;

	if (conflict_out != NULL)
		conflict_out->text[0] = '\0';
	if (batch == NULL)
		return MAILAUTH_E_USAGE;
	return commit(batch, conflict_out, &conflict);
}

enum mailauth_status ma_batch_commit_to(struct mailauth_batch *batch, struct ma_store *store)
{
	enum mailauth_status status;
	bool conflict = false;

	status = store->ops->apply(store, batch->changes, batch->n, &conflict);
	clear_changes(batch);
	return status == MAILAUTH_OK && conflict ? MAILAUTH_E_EXISTS : status;
}

static enum mailauth_status write_user(struct mailauth_user *user, bool *conflict_out)
{
	MA_CLEANUP(mailauth_batch_free) struct mailauth_batch *batch = NULL;
	const struct marks marks = marks_of(ma_user_account(user));
	enum mailauth_status status = mailauth_batch_new(user->ctx, &batch);

	*conflict_out = false;
	if (status == MAILAUTH_OK)
		status = mailauth_batch_put(batch, user);
	if (status == MAILAUTH_OK)
		status = commit(batch, NULL, conflict_out);
	if (status != MAILAUTH_OK)
		put_marks(ma_user_account(user), &marks);
	return status;
}

enum mailauth_status mailauth_user_add(struct mailauth_user *user)
{
	bool conflict;

	if (user == NULL)
		return MAILAUTH_E_USAGE;
	if (user->is_stored)
		return MAILAUTH_E_EXISTS;
	return write_user(user, &conflict);
}

static enum mailauth_status update_once(struct mailauth *ctx, const char *name,
					mailauth_edit_fn *edit, void *arg, bool *conflict_out)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_get(ctx, name, &user);

	*conflict_out = false;
	if (status == MAILAUTH_OK)
		status = edit(user, arg);
	if (status == MAILAUTH_OK)
		status = write_user(user, conflict_out);
	return status;
}

enum mailauth_status mailauth_user_update(struct mailauth *ctx, const char *name,
					  mailauth_edit_fn *edit, void *arg)
{
	enum mailauth_status status;
	bool conflict = true;

	if (ctx == NULL || name == NULL || edit == NULL)
		return MAILAUTH_E_USAGE;
	if (!ctx->write)
		return ma_user_refuse_write(ctx);
	for (int i = 0; i < UPDATE_TRIES; i++) {
		status = update_once(ctx, name, edit, arg, &conflict);
		if (!conflict || status != MAILAUTH_E_TEMPFAIL)
			return status;
	}
	ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "account",
	       "%s is being changed by other programs all the time; try again", name);
	return MAILAUTH_E_TEMPFAIL;
}

enum mailauth_status mailauth_user_del(struct mailauth *ctx, const char *name)
{
	MA_CLEANUP(mailauth_batch_free) struct mailauth_batch *batch = NULL;
	enum mailauth_status status;

	if (ctx == NULL || name == NULL)
		return MAILAUTH_E_USAGE;
	status = mailauth_batch_new(ctx, &batch);
	if (status == MAILAUTH_OK)
		status = mailauth_batch_del(batch, name);
	if (status == MAILAUTH_OK)
		status = mailauth_batch_commit(batch, NULL);
	return status;
}
