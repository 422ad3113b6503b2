/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_user.c - accounts whose records are not as they were written
 *
 * Records are damaged, swapped and put under foreign keys behind the library's back, through the
 * store. One bad record must cost one account, not the walk through all of them, and must never
 * admit anybody.
 */
#include <mailauth/admin.h>

#include <stdio.h>

#include <mailauth/verifier.h>

#include "lib.h"
#include "support.h"
#include "util/mem.h"

static const struct mailauth_request over_tls = {
	.size = sizeof(over_tls),
	.flags = MAILAUTH_REQUEST_TLS,
};

struct record {
	size_t len;
	uint8_t bytes[MA_STORE_RECORD_MAX];
};

static struct ma_span key_of(struct mailauth *ctx, const char *text, uint8_t out[MA_KEY_MAX])
{
	struct ma_name name;

	ck_assert_ptr_null(ma_name_parse(ma_span_text(text), ctx->default_realm, &name));
	return ma_name_key(&name, out);
}

static void read_record(struct mailauth *ctx, const char *name, struct record *out)
{
	uint8_t key[MA_KEY_MAX];
	struct ma_buf buf = ma_buf_fixed(out->bytes, sizeof(out->bytes));

	support_status(name, ctx->store->ops->get(ctx->store, key_of(ctx, name, key), &buf),
		       MAILAUTH_OK);
	out->len = buf.len;
}

static enum mailauth_status put_raw(struct mailauth *ctx, struct ma_span key, struct ma_span bytes)
{
	struct ma_store_change change = {.key = key, .record = bytes};
	bool conflict;
	enum mailauth_status status = ctx->store->ops->apply(ctx->store, &change, 1, &conflict);

	if (status == MAILAUTH_OK && conflict) {
		change.must_exist = true;
		change.any_old = true;
		status = ctx->store->ops->apply(ctx->store, &change, 1, &conflict);
		ck_assert(!conflict);
	}
	return status;
}

static void put_record(struct mailauth *ctx, const char *name, const struct record *record)
{
	uint8_t key[MA_KEY_MAX];

	support_status(name,
		       put_raw(ctx, key_of(ctx, name, key), ma_span(record->bytes, record->len)),
		       MAILAUTH_OK);
}

static enum mailauth_status login(struct mailauth *ctx, const char *name, const char *password)
{
	struct mailauth_name who = {"x"};
	enum mailauth_status status = mailauth_verify_plain(ctx, &over_tls, name, strlen(name),
							    password, strlen(password), &who);

	ck_assert_msg((who.text[0] != '\0') == (status == MAILAUTH_OK), "%s: got user \"%s\"", name,
		      who.text);
	return status;
}

static enum mailauth_status change_nothing(struct mailauth_user *user, void *arg)
{
	(void)user;
	(void)arg;
	return MAILAUTH_OK;
}

static void count_verifier(void *arg, enum mailauth_verifier kind, const void *p, size_t len)
{
	unsigned int *n = arg;

	(void)kind;
	(void)p;
	(void)len;
	(*n)++;
}

/* Every call finds the record damaged, says whose it is, and gives nothing away. */
static void check_damaged(struct mailauth *ctx, const char *what, const char *name,
			  struct support_log *log)
{
	struct mailauth_user *user = (struct mailauth_user *)ctx;
	unsigned int n = 0;

	support_log_clear(log);
	support_status(what, login(ctx, name, "secret"), MAILAUTH_E_CORRUPT);
	ck_assert_msg(strstr(log->text, name) != NULL, "%s: got %s, want %s in it", what, log->text,
		      name);
	ck_assert_msg(strstr(log->text, " reason=damaged-record ") != NULL, "%s: got %s", what,
		      log->text);
	support_status(what, mailauth_user_get(ctx, name, &user), MAILAUTH_E_CORRUPT);
	ck_assert_ptr_null(user);
	support_status(what, mailauth_user_update(ctx, name, change_nothing, NULL),
		       MAILAUTH_E_CORRUPT);
	support_status(
		what, mailauth_verifier_get(ctx, NULL, name, strlen(name), 255, count_verifier, &n),
		MAILAUTH_E_CORRUPT);
	ck_assert_uint_eq(n, 0);
}

#define ALICE "alice@example.org"

START_TEST(each_changed_byte_is_noticed)
{
	static struct record good;
	static struct record bad;
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);

	support_add(ctx, ALICE, "secret");
	read_record(ctx, ALICE, &good);
	for (size_t i = 0; i < good.len; i++) {
		char what[32];

		bad = good;
		bad.bytes[i] ^= (uint8_t)(1u << i % 8);
		(void)snprintf(what, sizeof(what), "byte %zu", i);
		put_record(ctx, ALICE, &bad);
		check_damaged(ctx, what, ALICE, &log);
	}
	put_record(ctx, ALICE, &good);
	support_status("as it was", login(ctx, ALICE, "secret"), MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(each_other_length_is_noticed)
{
	static struct record good;
	static struct record bad;
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);
	char what[32];

	support_add(ctx, ALICE, "secret");
	read_record(ctx, ALICE, &good);
	for (size_t len = 0; len < good.len; len++) {
		bad = good;
		bad.len = len;
		(void)snprintf(what, sizeof(what), "%zu bytes", len);
		put_record(ctx, ALICE, &bad);
		check_damaged(ctx, what, ALICE, &log);
	}
	memset(bad.bytes, 0, sizeof(bad.bytes));
	memcpy(bad.bytes, good.bytes, good.len);
	bad.len = good.len + 1;
	put_record(ctx, ALICE, &bad);
	check_damaged(ctx, "one byte more", ALICE, &log);
	bad.len = MA_STORE_RECORD_MAX;
	put_record(ctx, ALICE, &bad);
	check_damaged(ctx, "the greatest length", ALICE, &log);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(record_longer_than_any_is_damaged)
{
	static const uint8_t bytes[MA_STORE_RECORD_MAX + 1];
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);
	uint8_t key[MA_KEY_MAX];

	if (support_is_shared()) {
		support_status("put",
			       put_raw(ctx, key_of(ctx, ALICE, key), ma_span(bytes, sizeof(bytes))),
			       MAILAUTH_OK);
		check_damaged(ctx, "too long", ALICE, &log);
		support_status("delete", mailauth_user_del(ctx, ALICE), MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

/* The seal holds the account's name: a record under another name admits nobody. */
START_TEST(swapped_records_admit_neither)
{
	static const char *const names[][2] = {
		{"alice@example.org", "mallory@example.org"},
		{"alice@example.org", "alice@other.test"},
		{"a@bc", "ab@c"},
	};
	static struct record records[2];
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);

	for (size_t i = 0; i < MA_ARRAY_SIZE(names); i++) {
		support_add(ctx, names[i][0], "secret");
		support_add(ctx, names[i][1], "mallory's");
		read_record(ctx, names[i][0], &records[0]);
		read_record(ctx, names[i][1], &records[1]);
		put_record(ctx, names[i][0], &records[1]);
		put_record(ctx, names[i][1], &records[0]);
		for (size_t j = 0; j < 2; j++) {
			check_damaged(ctx, "swapped", names[i][j], &log);
			support_status("swapped", login(ctx, names[i][j], "mallory's"),
				       MAILAUTH_E_CORRUPT);
		}
		put_record(ctx, names[i][0], &records[0]);
		put_record(ctx, names[i][1], &records[1]);
		support_status("as it was", login(ctx, names[i][0], "secret"), MAILAUTH_OK);
		support_status("as it was", login(ctx, names[i][1], "mallory's"), MAILAUTH_OK);
		for (size_t j = 0; j < 2; j++)
			support_status("delete", mailauth_user_del(ctx, names[i][j]), MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

/* An old record put back is whole, so it opens: the store's history is not sealed, only its state.
 */
START_TEST(damaged_account_can_be_deleted_and_added)
{
	static const struct record garbage = {.len = 3, .bytes = {1, 2, 3}};
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);
	struct mailauth_user *user;

	support_add(ctx, ALICE, "secret");
	put_record(ctx, ALICE, &garbage);
	ck_assert_int_eq(mailauth_user_new(ctx, ALICE, &user), MAILAUTH_OK);
	support_status("add", mailauth_user_add(user), MAILAUTH_E_EXISTS);
	mailauth_user_free(&user);
	support_status("delete", mailauth_user_del(ctx, ALICE), MAILAUTH_OK);
	support_add(ctx, ALICE, "new");
	support_status("login", login(ctx, ALICE, "new"), MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

/* ---- the walk ---------------------------------------------------------------------------------
 */

struct step {
	const char *name;
	enum mailauth_status status;
};

static void check_walk(struct mailauth *ctx, const struct step *steps, size_t n_steps)
{
	struct mailauth_name cursor = {""};
	struct mailauth_user *user;

	for (size_t i = 0; i < n_steps; i++) {
		support_status(steps[i].name, mailauth_user_next(ctx, &cursor, &user),
			       steps[i].status);
		ck_assert_msg(strcmp(cursor.text, steps[i].name) == 0, "step %zu: got %s, want %s",
			      i, cursor.text, steps[i].name);
		ck_assert((user != NULL) == (steps[i].status == MAILAUTH_OK));
		mailauth_user_free(&user);
	}
	support_status("end", mailauth_user_next(ctx, &cursor, &user), MAILAUTH_E_NOTFOUND);
}

START_TEST(walk_goes_on_after_damaged_records)
{
	static const struct step steps[] = {
		{"a@example.org", MAILAUTH_E_CORRUPT}, {"b@example.org", MAILAUTH_OK},
		{"c@example.org", MAILAUTH_E_CORRUPT}, {"d@example.org", MAILAUTH_E_CORRUPT},
		{"e@example.org", MAILAUTH_OK},	       {"z@z.test", MAILAUTH_E_CORRUPT},
	};
	static const struct record garbage = {.len = 5, .bytes = "xxxxx"};
	struct mailauth *ctx = support_open("", NULL);

	for (size_t i = 0; i < MA_ARRAY_SIZE(steps); i++) {
		support_add(ctx, steps[i].name, "secret");
		if (steps[i].status != MAILAUTH_OK)
			put_record(ctx, steps[i].name, &garbage);
	}
	check_walk(ctx, steps, MA_ARRAY_SIZE(steps));
	mailauth_free(&ctx);
}
END_TEST

START_TEST(walk_goes_on_after_a_record_that_is_too_long)
{
	static const struct step steps[] = {
		{"a@example.org", MAILAUTH_OK},
		{"b@example.org", MAILAUTH_E_CORRUPT},
		{"c@example.org", MAILAUTH_OK},
	};
	static const uint8_t bytes[MA_STORE_RECORD_MAX + 1];
	struct mailauth *ctx = support_open("", NULL);
	uint8_t key[MA_KEY_MAX];

	if (support_is_shared()) {
		support_add(ctx, "a", "secret");
		support_add(ctx, "c", "secret");
		support_status("put",
			       put_raw(ctx, key_of(ctx, "b", key), ma_span(bytes, sizeof(bytes))),
			       MAILAUTH_OK);
		check_walk(ctx, steps, MA_ARRAY_SIZE(steps));
	}
	mailauth_free(&ctx);
}
END_TEST

/* Stops a walk that goes round in circles. */
static void count_complaints(void *arg, enum mailauth_log_level level, const char *event,
			     const char *text)
{
	unsigned int *n = arg;

	(void)level;
	(void)event;
	(*n)++;
	ck_assert_msg(*n < 100, "the walk does not end: %s", text);
}

/* Something else that was put into the file is passed over, whatever its key, and only that. */
static void walk_past_foreign_key(struct ma_span key)
{
	static const struct step steps[] = {
		{"aaron@example.org", MAILAUTH_OK},
		{"zoe@example.org", MAILAUTH_OK},
	};
	unsigned int n_complaints = 0;
	struct mailauth *ctx = support_open("", NULL);

	support_add(ctx, "aaron", "secret");
	support_add(ctx, "zoe", "secret");
	mailauth_set_logger(ctx, count_complaints, &n_complaints, MAILAUTH_LOG_ERROR);
	support_status("put", put_raw(ctx, key, ma_span_text("foreign")), MAILAUTH_OK);
	check_walk(ctx, steps, MA_ARRAY_SIZE(steps));
	/* The store itself passes over a key that no buffer of ours would hold. */
	ck_assert_uint_ge(n_complaints, key.len > MA_STORE_KEY_MAX ? 0 : 1);
	mailauth_free(&ctx);
}

#define KEY(text) ma_span((text), sizeof(text) - 1)

START_TEST(walk_passes_keys_that_are_no_names)
{
	const struct ma_span keys[] = {
		KEY("a"),	  KEY("example.org"),	      KEY("example.org\0"),
		KEY("\0bob"),	  KEY("example.org\0b b"),    KEY("example.org\0b@b"),
		KEY("\xff\0bob"), KEY("example.org\0bob\0x"), KEY("zzz"),
		KEY("\0"),	  KEY("example.org\0a\xff"),
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(keys); i++) {
		support_reset();
		walk_past_foreign_key(keys[i]);
	}
}
END_TEST

/* Names are stored in lower case; a key that is not would end the walk at its lower-case place. */
START_TEST(walk_passes_a_key_that_is_not_in_stored_form)
{
	walk_past_foreign_key(KEY("example.org\0Zed"));
}
END_TEST

START_TEST(walk_passes_a_key_longer_than_any)
{
	static const char longest[MA_STORE_KEY_MAX + 2] = "longer than any key of ours";

	walk_past_foreign_key(KEY(longest));
}
END_TEST

static unsigned int n_left;

static bool fail_nth(void)
{
	return n_left-- == 0;
}

/* An account that is to move is not only deleted where memory runs out. */
START_TEST(renaming_without_memory_changes_nothing)
{
	struct mailauth *ctx = support_open("", NULL);
	enum mailauth_status status = MAILAUTH_E_NOMEM;

	support_add(ctx, "alice", "secret");
	for (unsigned int n = 0; status == MAILAUTH_E_NOMEM; n++) {
		struct mailauth_user *user;
		struct mailauth_batch *batch;

		ck_assert_uint_lt(n, 100);
		ck_assert_int_eq(mailauth_user_get(ctx, "alice", &user), MAILAUTH_OK);
		ck_assert_int_eq(mailauth_user_rename(user, "bob"), MAILAUTH_OK);
		ck_assert_int_eq(mailauth_batch_new(ctx, &batch), MAILAUTH_OK);
		n_left = n;
		ma_mem_set_fail(fail_nth);
		status = mailauth_batch_put(batch, user);
		ma_mem_set_fail(NULL);
		ck_assert_uint_eq(mailauth_batch_count(batch), status == MAILAUTH_OK ? 2 : 0);
		mailauth_batch_free(&batch);
		mailauth_user_free(&user);
	}
	support_status("with all memory", status, MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("user");
	TCase *tcase = tcase_create("user");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, renaming_without_memory_changes_nothing);
	tcase_add_test(tcase, each_changed_byte_is_noticed);
	tcase_add_test(tcase, each_other_length_is_noticed);
	tcase_add_test(tcase, record_longer_than_any_is_damaged);
	tcase_add_test(tcase, swapped_records_admit_neither);
	tcase_add_test(tcase, damaged_account_can_be_deleted_and_added);
	tcase_add_test(tcase, walk_goes_on_after_damaged_records);
	tcase_add_test(tcase, walk_goes_on_after_a_record_that_is_too_long);
	tcase_add_test(tcase, walk_passes_keys_that_are_no_names);
	tcase_add_test(tcase, walk_passes_a_key_that_is_not_in_stored_form);
	tcase_add_test(tcase, walk_passes_a_key_longer_than_any);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
