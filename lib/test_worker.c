/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_worker.c - scratch memory that is kept from login to login
 *
 * More workers at once than are kept, and nothing of one login left for the next.
 */
#include "lib.h"
#include "support.h"
#include "util/mem.h"

START_TEST(takes_more_than_are_kept)
{
	struct ma_worker *workers[MA_WORKERS_KEPT + 4];
	struct mailauth *ctx = support_open("", NULL);

	for (size_t i = 0; i < MA_ARRAY_SIZE(workers); i++) {
		ck_assert_int_eq(ma_worker_take(ctx, &workers[i]), MAILAUTH_OK);
		for (size_t j = 0; j < i; j++)
			ck_assert_ptr_ne(workers[i], workers[j]);
	}
	for (size_t i = 0; i < MA_ARRAY_SIZE(workers); i++) {
		ma_worker_give_back(ctx, &workers[i]);
		ck_assert_ptr_null(workers[i]);
	}
	ma_worker_give_back(ctx, &workers[0]);
	ma_worker_free(&workers[0]);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(hands_out_again_what_came_back)
{
	struct mailauth *ctx = support_open("", NULL);
	struct ma_worker *worker;
	struct ma_worker *first;

	ck_assert_int_eq(ma_worker_take(ctx, &worker), MAILAUTH_OK);
	first = worker;
	ma_worker_give_back(ctx, &worker);
	ck_assert_int_eq(ma_worker_take(ctx, &worker), MAILAUTH_OK);
	ck_assert_ptr_eq(worker, first);
	ma_worker_give_back(ctx, &worker);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(wipes_secrets_when_given_back)
{
	static const uint8_t zeros[MA_RECORD_MAX];
	struct mailauth *ctx = support_open("", NULL);
	struct ma_worker *worker;
	struct ma_name name;

	support_add(ctx, "alice", "secret");
	ck_assert_ptr_null(ma_name_parse(ma_span_text("alice"), ctx->default_realm, &name));
	ck_assert_int_eq(ma_worker_take(ctx, &worker), MAILAUTH_OK);
	ck_assert_int_eq(ma_worker_read(ctx, worker, &name), MAILAUTH_OK);
	ck_assert_uint_gt(worker->plain_len, 0);
	ma_worker_give_back(ctx, &worker);
	ck_assert_int_eq(ma_worker_take(ctx, &worker), MAILAUTH_OK);
	ck_assert_uint_eq(worker->plain_len, 0);
	ck_assert_mem_eq(worker->plain, zeros, sizeof(zeros));
	ma_worker_give_back(ctx, &worker);
	mailauth_free(&ctx);
}
END_TEST

static bool always(void)
{
	return true;
}

START_TEST(says_when_there_is_no_memory)
{
	struct mailauth *ctx = support_open("", NULL);
	struct ma_worker *worker = (struct ma_worker *)ctx;

	ma_mem_set_fail(always);
	support_status("no memory", ma_worker_take(ctx, &worker), MAILAUTH_E_NOMEM);
	ma_mem_set_fail(NULL);
	ck_assert_ptr_null(worker);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker");
	TCase *tcase = tcase_create("worker");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, takes_more_than_are_kept);
	tcase_add_test(tcase, hands_out_again_what_came_back);
	tcase_add_test(tcase, wipes_secrets_when_given_back);
	tcase_add_test(tcase, says_when_there_is_no_memory);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
