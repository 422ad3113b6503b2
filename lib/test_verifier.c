/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_verifier.c - verifiers when the store or memory fails
 *
 * A host that was handed a decoy refuses its user for good, so a failure that will pass must hand
 * out nothing at all. The store's answers are put in here.
 */
#include <mailauth/verifier.h>

#include "lib.h"
#include "support.h"
#include "util/mem.h"

#define ALL 255u

static enum mailauth_status answer;

static enum mailauth_status fail_get(struct ma_store *store, struct ma_span key,
				     struct ma_buf *record)
{
	(void)store;
	(void)key;
	(void)record;
	return answer;
}

static void count_call(void *arg, enum mailauth_verifier kind, const void *p, size_t len)
{
	unsigned int *n = arg;

	(void)kind;
	(void)p;
	(void)len;
	(*n)++;
}

START_TEST(failure_hands_out_nothing)
{
	static const struct {
		enum mailauth_status status;
		const char *reason;
	} rows[] = {
		{MAILAUTH_E_TEMPFAIL, " reason=store-away "},
		{MAILAUTH_E_CORRUPT, " reason=damaged-record "},
		{MAILAUTH_E_NOMEM, " reason=failed "},
		{MAILAUTH_E_INTERNAL, " reason=failed "},
	};
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);
	struct ma_store_ops ops = *ctx->store->ops;

	support_add(ctx, "alice", "secret");
	ops.get = fail_get;
	ctx->store->ops = &ops;
	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		for (unsigned int wanted = 1; wanted <= ALL; wanted++) {
			unsigned int n = 0;

			support_log_clear(&log);
			answer = rows[i].status;
			support_status(rows[i].reason,
				       mailauth_verifier_get(ctx, NULL, "alice", 5, wanted,
							     count_call, &n),
				       rows[i].status);
			ck_assert_uint_eq(n, 0);
			ck_assert_msg(strstr(log.text, rows[i].reason) != NULL,
				      "got %s, want %s in it", log.text, rows[i].reason);
		}
	}
	mailauth_free(&ctx);
}
END_TEST

static bool always(void)
{
	return true;
}

START_TEST(lack_of_memory_hands_out_nothing)
{
	struct mailauth *ctx = support_open("", NULL);
	unsigned int n = 0;

	ma_mem_set_fail(always);
	support_status("no memory",
		       mailauth_verifier_get(ctx, NULL, "alice", 5, ALL, count_call, &n),
		       MAILAUTH_E_NOMEM);
	ma_mem_set_fail(NULL);
	ck_assert_uint_eq(n, 0);
	mailauth_free(&ctx);
}
END_TEST

/* Seals an account with one secret and puts it into the store, past the rules of the public API. */
static void put_account(struct mailauth *ctx, const char *name_text, enum ma_kind_id kind,
			struct ma_span secret)
{
	static const uint8_t nonce[MA_GCM_NONCE_LEN] = {1};
	uint8_t bytes[MA_RECORD_MAX];
	uint8_t key[MA_KEY_MAX];
	struct ma_buf record = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_store_change change = {.any_old = true};
	struct ma_account account;
	struct ma_cipher *cipher;
	struct ma_name name;
	bool conflict;

	ma_account_init(&account);
	account.credentials[0].n_secrets = 1;
	account.credentials[0].secrets[0] =
		(struct ma_secret){.kind = (uint8_t)kind, .value = secret};
	ck_assert_ptr_null(ma_name_parse(ma_span_text(name_text), ctx->default_realm, &name));
	ck_assert_int_eq(ma_engine_start(ctx), MAILAUTH_OK);
	ck_assert_int_eq(ma_cipher_new(ma_engine(ctx)->crypto, &cipher), MAILAUTH_OK);
	ck_assert_int_eq(ma_seal(ma_keyring_newest(&ctx->keyring), cipher, &name, &account,
				 ma_span(nonce, sizeof(nonce)), &record),
			 MAILAUTH_OK);
	ma_cipher_free(&cipher);
	change.key = ma_name_key(&name, key);
	change.record = ma_buf_span(&record);
	ck_assert_int_eq(ctx->store->ops->apply(ctx->store, &change, 1, &conflict), MAILAUTH_OK);
	ck_assert(!conflict);
}

/* One that is not of the form that its kind has: nothing, or a decoy. */
START_TEST(damaged_secret_is_not_handed_out)
{
	static const struct {
		enum ma_kind_id kind;
		enum mailauth_verifier wanted;
		enum mailauth_status want;
	} rows[] = {
		{MA_KIND_DIGEST_MD5, MAILAUTH_VERIFIER_DIGEST_MD5, MAILAUTH_OK},
		{MA_KIND_DIGEST_MD5, MAILAUTH_VERIFIER_DIGEST_MD5_FULL, MAILAUTH_OK},
		{MA_KIND_SCRAM_SHA_1, MAILAUTH_VERIFIER_SCRAM_SHA_1, MAILAUTH_E_CORRUPT},
		{MA_KIND_SCRAM_SHA_256, MAILAUTH_VERIFIER_SCRAM_SHA_256, MAILAUTH_E_CORRUPT},
		{MA_KIND_SCRAM_SHA_512, MAILAUTH_VERIFIER_SCRAM_SHA_512, MAILAUTH_E_CORRUPT},
	};
	static const char damaged[] = "\xff damaged secret, of whatever kind";
	struct mailauth *ctx = support_open("", NULL);

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		char name[16] = "a";
		unsigned int n = 0;

		name[0] = (char)('a' + i);
		put_account(ctx, name, rows[i].kind, ma_span(damaged, sizeof(damaged)));
		support_status(
			name,
			mailauth_verifier_get(ctx, NULL, name, 1, rows[i].wanted, count_call, &n),
			rows[i].want);
		ck_assert_uint_eq(n, rows[i].want == MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

/* The worker's scratch memory, which the verifiers point into, is wiped when it is given back. */
START_TEST(nothing_is_left_in_the_worker)
{
	static const uint8_t zeros[512];
	struct mailauth *ctx = support_open("", NULL);
	struct ma_worker *worker;
	unsigned int n = 0;

	support_add(ctx, "alice", "secret");
	support_status("alice", mailauth_verifier_get(ctx, NULL, "alice", 5, ALL, count_call, &n),
		       MAILAUTH_OK);
	ck_assert_int_eq(ma_worker_take(ctx, &worker), MAILAUTH_OK);
	ck_assert_mem_eq(worker->plain, zeros, sizeof(zeros));
	ck_assert_mem_eq(worker->decoy_bytes, zeros, sizeof(zeros));
	ma_worker_give_back(ctx, &worker);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("verifier");
	TCase *tcase = tcase_create("verifier");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, failure_hands_out_nothing);
	tcase_add_test(tcase, lack_of_memory_hands_out_nothing);
	tcase_add_test(tcase, damaged_secret_is_not_handed_out);
	tcase_add_test(tcase, nothing_is_left_in_the_worker);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
