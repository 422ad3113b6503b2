/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_context.c - a whole life of a context, with each allocation failing in turn
 *
 * The scenario opens a context, adds an account, logs in by each mechanism, hands out verifiers,
 * changes, lists and deletes the account. It is run once to count the allocations and then again
 * and again with the 1st, 2nd, ... failing: alone, and with all behind it. Sanitizers and valgrind
 * look for leaks; here the statuses are checked, and that the store stays as good as it was.
 */
#include <stdio.h>

#include <mailauth/admin.h>
#include <mailauth/verifier.h>

#include "lib.h"
#include "support.h"
#include "util/mem.h"

static const struct mailauth_request over_tls = {
	.size = sizeof(over_tls),
	.flags = MAILAUTH_REQUEST_TLS,
	.service = "smtp",
	.peer = "192.0.2.1",
	.group = "imap",
	.realm = "example.org",
	.host = "mx.example.org",
};

/* ---- failures ------------------------------------------------------------------------------ */

static unsigned int n_allocations;
static unsigned int first_failure; /* 0: none */
static unsigned int last_failure;

static bool is_turn(void)
{
	n_allocations++;
	return n_allocations >= first_failure && n_allocations <= last_failure;
}

static void start_failing(unsigned int first, unsigned int last)
{
	n_allocations = 0;
	first_failure = first;
	last_failure = last;
	ma_mem_set_fail(is_turn);
}

/* ---- scenario ------------------------------------------------------------------------------ */

static enum mailauth_status add(struct mailauth *ctx, const char *name, const char *mechs,
				const char *password)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_new(ctx, name, &user);

	if (status == MAILAUTH_OK)
		status = mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, "smtp,imap");
	if (status == MAILAUTH_OK)
		status = mailauth_user_set_text(user, MAILAUTH_TEXT_MECHS, mechs);
	if (status == MAILAUTH_OK)
		status = mailauth_user_set_text(user, MAILAUTH_TEXT_HOME, "/var/mail/alice");
	if (status == MAILAUTH_OK)
		status = mailauth_user_set_password(user, password, strlen(password));
	if (status == MAILAUTH_OK)
		status = mailauth_user_add(user);
	return status;
}

/* By each mechanism that @all of the configuration, or PLAIN alone, can serve. */
static enum mailauth_status login(struct mailauth *ctx, const char *name, const char *password,
				  bool all)
{
	static const char *const mechs[] = {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5",
					    "SCRAM-SHA-256"};
	enum mailauth_status status = MAILAUTH_OK;

	for (size_t i = 0; status == MAILAUTH_OK && i < (all ? MA_ARRAY_SIZE(mechs) : 1); i++)
		status = support_login(ctx, mechs[i], &over_tls, name, password);
	return status;
}

static void count_verifier(void *arg, enum mailauth_verifier kind, const void *p, size_t len)
{
	unsigned int *n = arg;

	(void)kind;
	(void)p;
	(void)len;
	(*n)++;
}

static enum mailauth_status get_verifiers(struct mailauth *ctx, const char *name)
{
	unsigned int n = 0;
	enum mailauth_status status =
		mailauth_verifier_get(ctx, &over_tls, name, strlen(name), 255, count_verifier, &n);

	/* all but the password */
	ck_assert_uint_eq(n, status == MAILAUTH_OK ? 7 : 0);
	return status;
}

static enum mailauth_status change_password(struct mailauth_user *user, void *arg)
{
	const char *password = arg;

	return mailauth_user_set_password(user, password, strlen(password));
}

static enum mailauth_status list(struct mailauth *ctx)
{
	struct mailauth_name cursor = {""};
	enum mailauth_status status = MAILAUTH_OK;

	while (status == MAILAUTH_OK) {
		MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;

		status = mailauth_user_next(ctx, &cursor, &user);
		ck_assert((user != NULL) == (status == MAILAUTH_OK));
	}
	return status == MAILAUTH_E_NOTFOUND ? MAILAUTH_OK : status;
}

static enum mailauth_status use(struct mailauth *ctx)
{
	char second[] = "second";
	enum mailauth_status status = add(ctx, "alice", "", "first");

	if (status == MAILAUTH_OK)
		status = add(ctx, "crypt", "PLAIN", "first");
	if (status == MAILAUTH_OK)
		status = login(ctx, "alice", "first", true);
	if (status == MAILAUTH_OK)
		status = login(ctx, "crypt", "first", false);
	if (status == MAILAUTH_OK)
		status = get_verifiers(ctx, "alice");
	if (status == MAILAUTH_OK)
		status = get_verifiers(ctx, "nobody");
	if (status == MAILAUTH_OK)
		status = mailauth_user_update(ctx, "alice", change_password, second);
	if (status == MAILAUTH_OK)
		status = login(ctx, "alice", second, true);
	if (status == MAILAUTH_OK)
		status = list(ctx);
	if (status == MAILAUTH_OK)
		status = mailauth_user_del(ctx, "crypt");
	if (status == MAILAUTH_OK)
		status = mailauth_user_del(ctx, "alice");
	return status;
}

static enum mailauth_status run(const char *config, bool *is_open_out)
{
	MA_CLEANUP(mailauth_free) struct mailauth *ctx = NULL;
	struct mailauth_options options = {
		.size = sizeof(options), .flags = MAILAUTH_OPEN_WRITE, .config = config};
	enum mailauth_status status = mailauth_open(&options, &ctx);

	*is_open_out = ctx != NULL;
	ck_assert((ctx != NULL) == (status == MAILAUTH_OK));
	return status == MAILAUTH_OK ? use(ctx) : status;
}

/* The account that was there before is whole; the scenario's is whole or not there. */
static void check_store(const char *config, unsigned int n)
{
	MA_CLEANUP(mailauth_free) struct mailauth *ctx = NULL;
	struct mailauth_options options = {
		.size = sizeof(options), .flags = MAILAUTH_OPEN_WRITE, .config = config};
	struct mailauth_user *user;
	enum mailauth_status status;
	char what[32];

	if (!support_is_shared())
		return;
	(void)snprintf(what, sizeof(what), "after failure %u", n);
	support_status(what, mailauth_open(&options, &ctx), MAILAUTH_OK);
	support_status(what, login(ctx, "base", "base", false), MAILAUTH_OK);
	support_status(what, list(ctx), MAILAUTH_OK);
	status = mailauth_user_get(ctx, "alice", &user);
	if (status != MAILAUTH_E_NOTFOUND) {
		support_status(what, status, MAILAUTH_OK);
		mailauth_user_free(&user);
		status = login(ctx, "alice", "second", false);
		if (status == MAILAUTH_E_DENIED)
			status = login(ctx, "alice", "first", false);
		support_status(what, status, MAILAUTH_OK);
		support_status(what, mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	}
	status = mailauth_user_del(ctx, "crypt");
	if (status != MAILAUTH_E_NOTFOUND)
		support_status(what, status, MAILAUTH_OK);
}

static const char *prepare(void)
{
	static const char more[] = "crypt_method = sha512crypt\ncrypt_cost = 1000\n"
				   "mechanisms = PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-256\n"
				   "digest_realms = other.test\n";
	struct mailauth *ctx = support_open(more, NULL);

	support_status("base", add(ctx, "base", "", "base"), MAILAUTH_OK);
	mailauth_free(&ctx);
	return support_path("mailauth.conf");
}

static void sweep(bool all_behind)
{
	char config[256];
	unsigned int total;
	bool is_open;

	(void)snprintf(config, sizeof(config), "%s", prepare());
	start_failing(0, 0);
	support_status("without failure", run(config, &is_open), MAILAUTH_OK);
	total = n_allocations;
	ck_assert_uint_gt(total, 20);
	for (unsigned int i = 1; i <= total; i++) {
		enum mailauth_status status;

		start_failing(i, all_behind ? UINT32_MAX : i);
		status = run(config, &is_open);
		ma_mem_set_fail(NULL);
		ck_assert_msg(n_allocations >= i, "failure %u of %u was not reached", i, total);
		/* A value of the configuration that finds no memory counts as a bad one. */
		ck_assert_msg(status == MAILAUTH_E_NOMEM ||
				      (status == MAILAUTH_E_CONFIG && !is_open),
			      "failure %u of %u: got %s, want MAILAUTH_E_NOMEM", i, total,
			      mailauth_status_name(status));
		check_store(config, i);
	}
}

START_TEST(survives_each_failing_allocation)
{
	sweep(false);
}
END_TEST

START_TEST(survives_lasting_lack_of_memory)
{
	sweep(true);
}
END_TEST

START_TEST(init_survives_each_failing_allocation)
{
	struct mailauth_options options = {.size = sizeof(options)};
	enum mailauth_status status = MAILAUTH_E_INTERNAL;
	struct mailauth *ctx;
	char config[256];

	(void)snprintf(config, sizeof(config), "%s", support_config(""));
	options.config = config;
	for (unsigned int i = 1; status != MAILAUTH_OK; i++) {
		support_reset();
		start_failing(i, i);
		status = mailauth_store_init(&options, (gid_t)-1);
		ma_mem_set_fail(NULL);
		ck_assert_msg(status == MAILAUTH_OK || status == MAILAUTH_E_NOMEM ||
				      status == MAILAUTH_E_CONFIG,
			      "failure %u: got %s, want MAILAUTH_E_NOMEM", i,
			      mailauth_status_name(status));
		/* A second try ends what the first began. */
		support_status("again", mailauth_store_init(&options, (gid_t)-1), MAILAUTH_OK);
		support_status("open", mailauth_open(&options, &ctx), MAILAUTH_OK);
		mailauth_free(&ctx);
		ck_assert_uint_lt(i, 1000);
	}
}
END_TEST

static void ignore_verifier(void *arg, enum mailauth_verifier kind, const void *p, size_t len)
{
	(void)arg;
	(void)kind;
	(void)p;
	(void)len;
}

/* A login takes its memory from the worker that the first one left. */
START_TEST(second_login_allocates_nothing)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_name name;

	support_status("add", add(ctx, "alice", "", "secret"), MAILAUTH_OK);
	start_failing(1, UINT32_MAX);
	for (int i = 0; i < 3; i++) {
		support_status(
			"right",
			mailauth_verify_plain(ctx, &over_tls, "alice", 5, "secret", 6, &name),
			MAILAUTH_OK);
		support_status("wrong",
			       mailauth_verify_plain(ctx, &over_tls, "alice", 5, "wrong", 5, &name),
			       MAILAUTH_E_DENIED);
		support_status(
			"unknown",
			mailauth_verify_plain(ctx, &over_tls, "nobody", 6, "wrong", 5, &name),
			MAILAUTH_E_DENIED);
		support_status("verifiers",
			       mailauth_verifier_get(ctx, &over_tls, "alice", 5, 255,
						     ignore_verifier, NULL),
			       MAILAUTH_OK);
	}
	ma_mem_set_fail(NULL);
	ck_assert_uint_eq(n_allocations, 0);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("context");
	TCase *tcase = tcase_create("context");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, survives_each_failing_allocation);
	tcase_add_test(tcase, survives_lasting_lack_of_memory);
	tcase_add_test(tcase, init_survives_each_failing_allocation);
	tcase_add_test(tcase, second_login_allocates_nothing);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
