/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_memory.c - records in memory, for tests
 *
 * memory:  A list sorted by key under one lock. Each open makes a store of its own, which ends with
 * it. It shows what the contract in store.h asks for, with no engine in the way.
 */
#include "store/store.h"

#include <pthread.h>

#include "util/mem.h"

/* The table at the end; each store points back to it. */
extern const struct ma_store_ops ma_store_memory;

struct entry {
	struct entry *next;
	size_t key_len;
	size_t record_len;
	uint8_t bytes[]; /* key, record */
};

struct memory_store {
	struct ma_store base;
	pthread_mutex_t lock;
	struct entry *entries;
};

static struct ma_span entry_key(const struct entry *entry)
{
	return ma_span(entry->bytes, entry->key_len);
}

static struct ma_span entry_record(const struct entry *entry)
{
	return ma_span(entry->bytes + entry->key_len, entry->record_len);
}

static int compare(struct ma_span a, struct ma_span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.p, b.p, len) : 0;

	if (order != 0)
		return order;
	return (a.len > b.len) - (a.len < b.len);
}

/* The place of the first entry whose key is not below @key. */
static struct entry **place(struct entry **list, struct ma_span key)
{
	while (*list != NULL && compare(entry_key(*list), key) < 0)
		list = &(*list)->next;
	return list;
}

static struct entry *find(struct entry **list, struct ma_span key)
{
	struct entry *entry = *place(list, key);

	return entry != NULL && compare(entry_key(entry), key) == 0 ? entry : NULL;
}

static enum mailauth_status memory_create(const struct ma_store_params *params, gid_t group)
{
	(void)params;
	(void)group;
	return MAILAUTH_OK;
}

static bool memory_exists(const struct ma_store_params *params)
{
	(void)params;
	return false;
}

static enum mailauth_status memory_open(const struct ma_store_params *params,
					struct ma_store **store_out)
{
	struct memory_store *store = ma_alloc(sizeof(*store));

	(void)params;
	*store_out = NULL;
	if (store == NULL)
		return MAILAUTH_E_NOMEM;
	store->base.ops = &ma_store_memory;
	if (pthread_mutex_init(&store->lock, NULL) != 0) {
		ma_free(store);
		return MAILAUTH_E_NOMEM;
	}
	*store_out = &store->base;
	return MAILAUTH_OK;
}

static void free_entries(struct entry *list)
{
	while (list != NULL) {
		struct entry *next = list->next;

		ma_free(list);
		list = next;
	}
}

static void memory_close(struct ma_store **base)
{
	struct memory_store *store = (struct memory_store *)*base;

	if (store == NULL)
		return;
	free_entries(store->entries);
	(void)pthread_mutex_destroy(&store->lock);
	ma_free(store);
	*base = NULL;
}

static enum mailauth_status memory_get(struct ma_store *base, struct ma_span key,
				       struct ma_buf *record)
{
	struct memory_store *store = (struct memory_store *)base;
	enum mailauth_status status = MAILAUTH_E_NOTFOUND;
	struct entry *entry;

	(void)pthread_mutex_lock(&store->lock);
	entry = find(&store->entries, key);
	if (entry != NULL) {
		ma_buf_put(record, entry_record(entry));
		status = ma_buf_status(record);
	}
	(void)pthread_mutex_unlock(&store->lock);
	return status;
}

static enum mailauth_status memory_next(struct ma_store *base, struct ma_span after,
					struct ma_buf *key, struct ma_buf *record)
{
	struct memory_store *store = (struct memory_store *)base;
	enum mailauth_status status = MAILAUTH_E_NOTFOUND;
	struct entry *entry;

	(void)pthread_mutex_lock(&store->lock);
	entry = *place(&store->entries, after);
	if (entry != NULL && compare(entry_key(entry), after) == 0)
		entry = entry->next;
	while (entry != NULL && entry->key_len > MA_STORE_KEY_MAX)
		entry = entry->next;
	if (entry != NULL) {
		ma_buf_put(key, entry_key(entry));
		ma_buf_put(record, entry_record(entry));
		status = ma_buf_status(key) != MAILAUTH_OK ? ma_buf_status(key)
							   : ma_buf_status(record);
	}
	(void)pthread_mutex_unlock(&store->lock);
	return status;
}

static enum mailauth_status memory_walk(struct ma_store *base, ma_visit_fn *visit, void *arg)
{
	struct memory_store *store = (struct memory_store *)base;
	enum mailauth_status status = MAILAUTH_OK;

	(void)pthread_mutex_lock(&store->lock);
	for (const struct entry *entry = store->entries; status == MAILAUTH_OK && entry != NULL;
	     entry = entry->next)
		if (entry->key_len <= MA_STORE_KEY_MAX)
			status = visit(arg, entry_key(entry), entry_record(entry));
	(void)pthread_mutex_unlock(&store->lock);
	return status;
}

/* A list in memory has no other half that it could disagree with. */
static enum mailauth_status memory_check(struct ma_store *base)
{
	(void)base;
	return MAILAUTH_OK;
}

static enum mailauth_status memory_stat(struct ma_store *base, struct ma_store_stat *stat_out)
{
	struct memory_store *store = (struct memory_store *)base;

	*stat_out = (struct ma_store_stat){0};
	(void)pthread_mutex_lock(&store->lock);
	for (const struct entry *entry = store->entries; entry != NULL; entry = entry->next) {
		stat_out->n_records++;
		stat_out->bytes_used += sizeof(*entry) + entry->key_len + entry->record_len;
	}
	(void)pthread_mutex_unlock(&store->lock);
	return MAILAUTH_OK;
}

static enum mailauth_status apply_one(struct entry **list, const struct ma_store_change *change,
				      bool *conflict_out)
{
	struct entry **at = place(list, change->key);
	struct entry *old = find(list, change->key);
	struct ma_span found = old != NULL ? entry_record(old) : ma_span(NULL, 0);
	struct entry *entry = NULL;

	*conflict_out = !ma_store_expects(change, old != NULL ? &found : NULL);
	if (*conflict_out)
		return MAILAUTH_OK;
	if (!change->remove) {
		entry = ma_alloc(sizeof(*entry) + change->key.len + change->record.len);
		if (entry == NULL)
			return MAILAUTH_E_NOMEM;
		entry->key_len = change->key.len;
		entry->record_len = change->record.len;
		memcpy(entry->bytes, change->key.p, change->key.len);
		memcpy(entry->bytes + change->key.len, change->record.p, change->record.len);
		entry->next = old != NULL ? old->next : *at;
		*at = entry;
	} else if (old != NULL) {
		*at = old->next;
	}
	ma_free(old);
	return MAILAUTH_OK;
}

static enum mailauth_status copy_entries(const struct entry *from, struct entry **copy_out)
{
	struct entry **end = copy_out;

	*copy_out = NULL;
	for (; from != NULL; from = from->next) {
		size_t len = from->key_len + from->record_len;
		struct entry *entry = ma_alloc(sizeof(*entry) + len);

		if (entry == NULL) {
			free_entries(*copy_out);
			*copy_out = NULL;
			return MAILAUTH_E_NOMEM;
		}
		entry->key_len = from->key_len;
		entry->record_len = from->record_len;
		memcpy(entry->bytes, from->bytes, len);
		*end = entry;
		end = &entry->next;
	}
	return MAILAUTH_OK;
}

/* All or none: on a copy of the list, which then takes its place. */
static enum mailauth_status memory_apply(struct ma_store *base,
					 const struct ma_store_change *changes, size_t n_changes,
					 bool *conflict_out)
{
	struct memory_store *store = (struct memory_store *)base;
	struct entry *work = NULL;
	struct entry *spare;
	enum mailauth_status status;

	*conflict_out = false;
	(void)pthread_mutex_lock(&store->lock);
	status = copy_entries(store->entries, &work);
	for (size_t i = 0; status == MAILAUTH_OK && !*conflict_out && i < n_changes; i++)
		status = apply_one(&work, &changes[i], conflict_out);
	spare = work;
	if (status == MAILAUTH_OK && !*conflict_out) {
		spare = store->entries;
		store->entries = work;
	}
	(void)pthread_mutex_unlock(&store->lock);
	free_entries(spare);
	return status;
}

const struct ma_store_ops ma_store_memory = {
	.scheme = "memory",
	.create = memory_create,
	.exists = memory_exists,
	.open = memory_open,
	.close = memory_close,
	.get = memory_get,
	.next = memory_next,
	.walk = memory_walk,
	.stat = memory_stat,
	.check = memory_check,
	.apply = memory_apply,
};
