/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_store.c - what store.h promises, asked of every store in the registry
 *
 * A new store is tested by this file before it has a test of its own.
 */
#include "store/store.h"

#include <stdio.h>

#include "support.h"
#include "util/mem.h"

static const struct ma_log no_log;
static char address[300];

/* An address nobody used before: without fork all tests share a folder. */
static struct ma_store_params params_for(const struct ma_store_ops *ops)
{
	static int n;
	char name[32];

	(void)snprintf(name, sizeof(name), "contract%d.mdb", n++);
	(void)snprintf(address, sizeof(address), "%s",
		       strcmp(ops->scheme, "memory") == 0 ? "" : support_path(name));
	return (struct ma_store_params){
		.address = ma_span_text(address),
		.write = true,
		.timeout_s = 5,
		.map_size = 16 << 20,
		.log = &no_log,
	};
}

static struct ma_store *fresh(int i)
{
	const struct ma_store_ops *ops = ma_stores[i];
	struct ma_store_params params = params_for(ops);
	struct ma_store *store;

	ck_assert_int_eq(ops->create(&params, (gid_t)-1), MAILAUTH_OK);
	ck_assert_int_eq(ops->open(&params, &store), MAILAUTH_OK);
	ck_assert_ptr_eq(store->ops, ops);
	return store;
}

static struct ma_store_change put(const char *key, const char *old, const char *record)
{
	return (struct ma_store_change){
		.key = ma_span_text(key),
		.must_exist = old != NULL,
		.old = ma_span_text(old != NULL ? old : ""),
		.record = ma_span_text(record),
	};
}

static struct ma_store_change removal(const char *key)
{
	return (struct ma_store_change){
		.key = ma_span_text(key), .must_exist = true, .any_old = true, .remove = true};
}

/* Applies and tells whether it was in conflict. */
static bool conflicts(struct ma_store *store, const struct ma_store_change *changes, size_t n)
{
	bool conflict = true;

	ck_assert_int_eq(store->ops->apply(store, changes, n, &conflict), MAILAUTH_OK);
	return conflict;
}

static void expect(struct ma_store *store, const char *key, const char *want)
{
	uint8_t bytes[MA_STORE_RECORD_MAX];
	struct ma_buf record = ma_buf_fixed(bytes, sizeof(bytes));
	enum mailauth_status status = store->ops->get(store, ma_span_text(key), &record);

	if (want == NULL) {
		ck_assert_int_eq(status, MAILAUTH_E_NOTFOUND);
		return;
	}
	ck_assert_int_eq(status, MAILAUTH_OK);
	ck_assert_msg(ma_span_equal(ma_buf_span(&record), ma_span_text(want)),
		      "%s: got %.*s, want %s", key, (int)record.len, (char *)bytes, want);
}

START_TEST(gives_back_what_was_put)
{
	struct ma_store *store = fresh(_i);
	struct ma_store_change change = put("k", NULL, "one");

	expect(store, "k", NULL);
	ck_assert(!conflicts(store, &change, 1));
	expect(store, "k", "one");
	expect(store, "K", NULL);
	expect(store, "kk", NULL);
	store->ops->close(&store);
	ck_assert_ptr_null(store);
}
END_TEST

START_TEST(changes_only_what_is_as_expected)
{
	struct ma_store *store = fresh(_i);
	struct ma_store_change change = put("k", NULL, "one");

	ck_assert(!conflicts(store, &change, 1));
	ck_assert(conflicts(store, &change, 1)); /* it is there now */
	change = put("k", "two", "three");
	ck_assert(conflicts(store, &change, 1));
	expect(store, "k", "one");
	change = put("k", "one", "two");
	ck_assert(!conflicts(store, &change, 1));
	expect(store, "k", "two");
	change = put("absent", "one", "two");
	ck_assert(conflicts(store, &change, 1));
	expect(store, "absent", NULL);
	change = removal("absent");
	ck_assert(conflicts(store, &change, 1));
	change = removal("k");
	ck_assert(!conflicts(store, &change, 1));
	expect(store, "k", NULL);
	store->ops->close(&store);
}
END_TEST

START_TEST(applies_all_or_none)
{
	struct ma_store *store = fresh(_i);
	struct ma_store_change changes[] = {put("a", NULL, "1"), put("b", NULL, "2"),
					    put("c", "absent", "3")};

	ck_assert(conflicts(store, changes, 3));
	expect(store, "a", NULL);
	expect(store, "b", NULL);
	ck_assert(!conflicts(store, changes, 2));
	expect(store, "a", "1");
	expect(store, "b", "2");
	changes[0] = removal("a");
	changes[1] = put("b", "wrong", "9");
	ck_assert(conflicts(store, changes, 2));
	expect(store, "a", "1");
	store->ops->close(&store);
}
END_TEST

START_TEST(walks_in_order_of_keys)
{
	static const char *const sorted[] = {"a", "aa", "ab", "b", "\xc3\xa4"};
	static const int insertion[] = {3, 0, 4, 2, 1};
	struct ma_store *store = fresh(_i);
	uint8_t after_bytes[MA_STORE_KEY_MAX];
	struct ma_span after = ma_span(NULL, 0);

	for (size_t i = 0; i < MA_ARRAY_SIZE(sorted); i++) {
		struct ma_store_change change = put(sorted[insertion[i]], NULL, "r");

		ck_assert(!conflicts(store, &change, 1));
	}
	for (size_t i = 0; i <= MA_ARRAY_SIZE(sorted); i++) {
		uint8_t key_bytes[MA_STORE_KEY_MAX];
		uint8_t record_bytes[MA_STORE_RECORD_MAX];
		struct ma_buf key = ma_buf_fixed(key_bytes, sizeof(key_bytes));
		struct ma_buf record = ma_buf_fixed(record_bytes, sizeof(record_bytes));
		enum mailauth_status status = store->ops->next(store, after, &key, &record);

		if (i == MA_ARRAY_SIZE(sorted)) {
			ck_assert_int_eq(status, MAILAUTH_E_NOTFOUND);
			break;
		}
		ck_assert_int_eq(status, MAILAUTH_OK);
		ck_assert_msg(ma_span_equal(ma_buf_span(&key), ma_span_text(sorted[i])),
			      "step %zu: got %.*s, want %s", i, (int)key.len, (char *)key_bytes,
			      sorted[i]);
		memcpy(after_bytes, key_bytes, key.len);
		after = ma_span(after_bytes, key.len);
	}
	store->ops->close(&store);
}
END_TEST

struct seen {
	char text[64];
	size_t stop_at; /* length at which to stop */
};

static enum mailauth_status see(void *arg, struct ma_span key, struct ma_span record)
{
	struct seen *seen = arg;
	size_t len = strlen(seen->text);

	(void)snprintf(seen->text + len, sizeof(seen->text) - len, "%.*s=%.*s ", (int)key.len,
		       (const char *)key.p, (int)record.len, (const char *)record.p);
	return seen->stop_at != 0 && strlen(seen->text) >= seen->stop_at ? MAILAUTH_E_LIMIT
									 : MAILAUTH_OK;
}

START_TEST(visits_all_and_counts_them)
{
	const struct ma_store_change changes[] = {
		put("b", NULL, "2"),
		put("a", NULL, "1"),
		put("ab", NULL, "3"),
	};
	struct ma_store *store = fresh(_i);
	struct seen seen = {.text = ""};
	struct ma_store_stat stat;

	ck_assert_int_eq(store->ops->walk(store, see, &seen), MAILAUTH_OK);
	ck_assert_str_eq(seen.text, "");
	ck_assert(!conflicts(store, changes, 3));
	ck_assert_int_eq(store->ops->walk(store, see, &seen), MAILAUTH_OK);
	ck_assert_str_eq(seen.text, "a=1 ab=3 b=2 ");
	seen = (struct seen){.stop_at = 9};
	ck_assert_int_eq(store->ops->walk(store, see, &seen), MAILAUTH_E_LIMIT);
	ck_assert_str_eq(seen.text, "a=1 ab=3 ");
	ck_assert_int_eq(store->ops->stat(store, &stat), MAILAUTH_OK);
	ck_assert_uint_eq(stat.n_records, 3);
	ck_assert_uint_gt(stat.bytes_used, 0);
	ck_assert_uint_eq(stat.n_dead, 0);
	store->ops->close(&store);
}
END_TEST

START_TEST(walks_on_behind_a_key_that_is_gone)
{
	struct ma_store *store = fresh(_i);
	struct ma_store_change changes[] = {put("a", NULL, "1"), put("c", NULL, "3")};
	uint8_t key_bytes[MA_STORE_KEY_MAX];
	uint8_t record_bytes[MA_STORE_RECORD_MAX];
	struct ma_buf key = ma_buf_fixed(key_bytes, sizeof(key_bytes));
	struct ma_buf record = ma_buf_fixed(record_bytes, sizeof(record_bytes));

	ck_assert(!conflicts(store, changes, 2));
	ck_assert_int_eq(store->ops->next(store, ma_span_text("b"), &key, &record), MAILAUTH_OK);
	ck_assert(ma_span_equal(ma_buf_span(&key), ma_span_text("c")));
	store->ops->close(&store);
}
END_TEST

START_TEST(takes_the_largest_key_and_record)
{
	static uint8_t big[MA_STORE_RECORD_MAX];
	static uint8_t got[MA_STORE_RECORD_MAX];
	uint8_t key[MA_STORE_KEY_MAX];
	struct ma_store *store = fresh(_i);
	struct ma_buf record = ma_buf_fixed(got, sizeof(got));
	struct ma_store_change change = {.key = ma_span(key, sizeof(key)),
					 .record = ma_span(big, sizeof(big))};

	memset(key, 0xff, sizeof(key));
	memset(big, 0xa5, sizeof(big));
	ck_assert(!conflicts(store, &change, 1));
	ck_assert_int_eq(store->ops->get(store, change.key, &record), MAILAUTH_OK);
	ck_assert(ma_span_equal(ma_buf_span(&record), change.record));
	store->ops->close(&store);
}
END_TEST

START_TEST(refuses_a_record_too_large_for_the_buffer)
{
	struct ma_store *store = fresh(_i);
	struct ma_store_change change = put("k", NULL, "0123456789");
	uint8_t small[9];
	struct ma_buf record = ma_buf_fixed(small, sizeof(small));

	ck_assert(!conflicts(store, &change, 1));
	ck_assert_int_lt(store->ops->get(store, ma_span_text("k"), &record), MAILAUTH_OK);
	store->ops->close(&store);
}
END_TEST

static int until_failure;

static bool fail_this_one(void)
{
	return until_failure-- == 0;
}

START_TEST(survives_each_failed_allocation)
{
	for (int n = 0; n < 50; n++) {
		const struct ma_store_ops *ops = ma_stores[_i];
		struct ma_store_params params = params_for(ops);
		struct ma_store_change change = put("sweep", NULL, "1");
		struct ma_store *store = NULL;
		enum mailauth_status status;
		bool conflict = false;

		ck_assert_int_eq(ops->create(&params, (gid_t)-1), MAILAUTH_OK);
		until_failure = n;
		ma_mem_set_fail(fail_this_one);
		status = ops->open(&params, &store);
		if (status == MAILAUTH_OK)
			status = ops->apply(store, &change, 1, &conflict);
		ma_mem_set_fail(NULL);
		ck_assert_int_eq(status, until_failure < 0 ? MAILAUTH_E_NOMEM : MAILAUTH_OK);
		if (store != NULL)
			ops->close(&store);
		if (status == MAILAUTH_OK) {
			ck_assert_int_gt(n, 0);
			return;
		}
	}
	ck_abort_msg("50 allocations, and still not enough");
}
END_TEST

START_TEST(finds_stores_by_url)
{
	const struct ma_store_ops *ops;
	struct ma_span rest;
	char url[64];

	(void)snprintf(url, sizeof(url), "%s:where", ma_stores[_i]->scheme);
	ck_assert_int_eq(ma_store_find(url, &no_log, &ops, &rest), MAILAUTH_OK);
	ck_assert_ptr_eq(ops, ma_stores[_i]);
	ck_assert(ma_span_equal(rest, ma_span_text("where")));
}
END_TEST

START_TEST(refuses_unknown_urls_by_name)
{
	static const char *const urls[] = {"", ":", "lmdb", "mongodb:x", "LMDB", "lmd:/x", "/x"};
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct ma_log to_log = {support_log, &log, MAILAUTH_LOG_ERROR};
	const struct ma_store_ops *ops;
	struct ma_span rest;

	ck_assert_int_eq(ma_store_find(urls[_i], &to_log, &ops, &rest), MAILAUTH_E_UNSUPPORTED);
	ck_assert_ptr_null(ops);
	ck_assert_uint_eq(log.n, 1);
	ck_assert_ptr_nonnull(strstr(log.text, "this build has: memory:"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *tcase = tcase_create("contract");
	int n = (int)ma_n_stores;

	tcase_add_loop_test(tcase, gives_back_what_was_put, 0, n);
	tcase_add_loop_test(tcase, changes_only_what_is_as_expected, 0, n);
	tcase_add_loop_test(tcase, applies_all_or_none, 0, n);
	tcase_add_loop_test(tcase, walks_in_order_of_keys, 0, n);
	tcase_add_loop_test(tcase, visits_all_and_counts_them, 0, n);
	tcase_add_loop_test(tcase, walks_on_behind_a_key_that_is_gone, 0, n);
	tcase_add_loop_test(tcase, takes_the_largest_key_and_record, 0, n);
	tcase_add_loop_test(tcase, refuses_a_record_too_large_for_the_buffer, 0, n);
	tcase_add_loop_test(tcase, survives_each_failed_allocation, 0, n);
	tcase_add_loop_test(tcase, finds_stores_by_url, 0, n);
	tcase_add_loop_test(tcase, refuses_unknown_urls_by_name, 0, 7);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
