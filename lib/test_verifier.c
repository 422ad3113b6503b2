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
		for (unsigned int wanted = 1; wanted < 8; wanted++) {
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
	support_status("no memory", mailauth_verifier_get(ctx, NULL, "alice", 5, 7, count_call, &n),
		       MAILAUTH_E_NOMEM);
	ma_mem_set_fail(NULL);
	ck_assert_uint_eq(n, 0);
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
	support_status("alice", mailauth_verifier_get(ctx, NULL, "alice", 5, 7, count_call, &n),
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
	tcase_add_test(tcase, nothing_is_left_in_the_worker);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
