/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_engine.c - what the first login makes
 */
#include <pthread.h>
#include <stdbool.h>

#include "lib.h"
#include "support.h"
#include "util/mem.h"

#define N_THREADS 8

static struct mailauth *ctx;

static void setup(void)
{
	support_reset();
	ctx = support_open("plaintext = always\n", NULL);
}

static void teardown(void)
{
	ma_mem_set_fail(NULL);
	mailauth_free(&ctx);
}

static enum mailauth_status log_in(void)
{
	return mailauth_verify_plain(ctx, NULL, "alice", 5, "x", 1, NULL);
}

START_TEST(opening_a_context_does_not_start_openssl)
{
	ck_assert_ptr_null(ma_engine(ctx));
	ck_assert_int_eq(log_in(), MAILAUTH_E_DENIED);
	ck_assert_ptr_nonnull(ma_engine(ctx));
}
END_TEST

START_TEST(every_kind_of_first_call_starts_it)
{
	struct mailauth_timestamp timestamp;
	struct mailauth_session *session = NULL;

	switch (_i) {
	case 0:
		ck_assert_int_eq(mailauth_verify_cram(ctx, NULL, "<1@x>", 5, "alice 0", 7, NULL),
				 MAILAUTH_E_PROTOCOL);
		break;
	case 1:
		ck_assert_int_eq(mailauth_verify_apop(ctx, NULL, "<1@x>", "alice", 5, "0", 1, NULL),
				 MAILAUTH_E_PROTOCOL);
		break;
	case 2:
		ck_assert_int_eq(mailauth_apop_timestamp(ctx, NULL, &timestamp), MAILAUTH_OK);
		break;
	case 3:
		ck_assert_int_eq(mailauth_session_new(ctx, "CRAM-MD5", NULL, &session),
				 MAILAUTH_OK);
		mailauth_session_free(&session);
		break;
	default:
		support_add(ctx, "alice", "secret");
		break;
	}
	ck_assert_ptr_nonnull(ma_engine(ctx));
}
END_TEST

START_TEST(is_made_once)
{
	const struct ma_engine *first;

	ck_assert_int_eq(ma_engine_start(ctx), MAILAUTH_OK);
	first = ma_engine(ctx);
	ck_assert_int_eq(ma_engine_start(ctx), MAILAUTH_OK);
	ck_assert_ptr_eq(ma_engine(ctx), first);
}
END_TEST

static void *start(void *barrier)
{
	const struct ma_engine *engine = NULL;

	(void)pthread_barrier_wait(barrier);
	if (ma_engine_start(ctx) == MAILAUTH_OK)
		engine = ma_engine(ctx);
	return ma_engine(ctx) == engine ? ctx : NULL;
}

START_TEST(threads_that_come_first_together_get_the_same_one)
{
	pthread_barrier_t barrier;
	pthread_t threads[N_THREADS];
	void *result;

	ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, N_THREADS), 0);
	for (size_t i = 0; i < N_THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, start, &barrier), 0);
	for (size_t i = 0; i < N_THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &result), 0);
		ck_assert_ptr_nonnull(result);
	}
	ck_assert_ptr_nonnull(ma_engine(ctx));
	ck_assert_int_eq(pthread_barrier_destroy(&barrier), 0);
}
END_TEST

static int allocations_left;

static bool out_of_memory(void)
{
	return allocations_left-- <= 0;
}

START_TEST(lack_of_memory_leaves_none_and_can_be_tried_again)
{
	enum mailauth_status status = MAILAUTH_E_NOMEM;

	for (int n = 0; status == MAILAUTH_E_NOMEM; n++) {
		ck_assert_int_lt(n, 100);
		allocations_left = n;
		ck_assert_ptr_null(ma_engine(ctx));
		ma_mem_set_fail(out_of_memory);
		status = ma_engine_start(ctx);
		ma_mem_set_fail(NULL);
	}
	ck_assert_int_eq(status, MAILAUTH_OK);
	ck_assert_int_eq(log_in(), MAILAUTH_E_DENIED);
}
END_TEST

/* No password fits what stands in for an account that is not there. */
START_TEST(the_dummy_has_a_decoy_of_each_usual_kind)
{
	struct ma_worker *worker;
	struct ma_kinds kinds;
	struct ma_span unknown;

	ck_assert_int_eq(ma_worker_take(ctx, &worker), MAILAUTH_OK);
	ck_assert(ma_context_kinds(ctx, &kinds, &unknown));
	ma_worker_read_dummy(ctx, worker);
	ck_assert_uint_eq(worker->account.n_credentials, 1);
	ck_assert_uint_eq(worker->account.credentials[0].n_secrets, kinds.n);
	for (size_t i = 0; i < kinds.n; i++) {
		const struct ma_secret *secret = &worker->account.credentials[0].secrets[i];
		const struct ma_subject subject = {
			.crypto = ma_engine(ctx)->crypto,
			.config = &ctx->config,
			.local = ma_span_text("user"),
			.realm = ctx->default_realm,
		};

		ck_assert_uint_eq(secret->kind, kinds.items[i]->id);
		ck_assert_int_eq(kinds.items[i]->check(kinds.items[i], &subject, secret->value,
						       ma_span_text("user")),
				 MAILAUTH_E_DENIED);
	}
	ma_worker_give_back(ctx, &worker);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine");
	TCase *tcase = tcase_create("engine");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, opening_a_context_does_not_start_openssl);
	tcase_add_loop_test(tcase, every_kind_of_first_call_starts_it, 0, 5);
	tcase_add_test(tcase, is_made_once);
	tcase_add_test(tcase, threads_that_come_first_together_get_the_same_one);
	tcase_add_test(tcase, lack_of_memory_leaves_none_and_can_be_tried_again);
	tcase_add_test(tcase, the_dummy_has_a_decoy_of_each_usual_kind);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
