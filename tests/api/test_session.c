/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_session.c - what a session promises beside its verdict
 *
 * Sessions that overlap, are fed with each other's responses, are called again after the end or
 * never finished; the challenge; TLS; arguments that no caller should pass.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "accounts.h"
#include "support.h"

#define RESPONSE_CAP 512

static struct mailauth_session *start(struct mailauth *ctx, const char *mech,
				      const struct mailauth_request *request)
{
	struct mailauth_session *session;

	support_status(mech, mailauth_session_new(ctx, mech, request, &session), MAILAUTH_OK);
	return session;
}

static enum mailauth_status say(struct mailauth_session *session, const void *in, size_t len)
{
	const void *reply;
	size_t reply_len;

	return mailauth_session_step(session, in, len, &reply, &reply_len);
}

/* Asks for the challenge and composes the answer to it. */
static size_t answer(struct mailauth_session *session, const char *user, const char *password,
		     char out[RESPONSE_CAP])
{
	char hex[33];
	const void *reply;
	size_t reply_len;

	support_status("challenge", mailauth_session_step(session, NULL, 0, &reply, &reply_len),
		       MAILAUTH_CONTINUE);
	hmac_md5(password, reply, reply_len, hex);
	return (size_t)snprintf(out, RESPONSE_CAP, "%s %s", user, hex);
}

START_TEST(call_after_success_changes_nothing)
{
	static const char alice[] = "\0alice\0" RIGHT;
	static const char groupless[] = "\0groupless\0" RIGHT;
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_accounts("", &log);
	struct mailauth_session *session = start(ctx, "PLAIN", &over_tls);
	const void *reply = "";
	size_t reply_len = 1;

	support_status("first", say(session, alice, sizeof(alice) - 1), MAILAUTH_OK);
	support_status("second",
		       mailauth_session_step(session, groupless, sizeof(groupless) - 1, &reply,
					     &reply_len),
		       MAILAUTH_E_PROTOCOL);
	ck_assert_ptr_null(reply);
	ck_assert_uint_eq(reply_len, 0);
	support_status("third", say(session, NULL, 0), MAILAUTH_E_PROTOCOL);
	ck_assert_str_eq(mailauth_session_user(session), ALICE);
	ck_assert_uint_eq(log.n, 1);
	mailauth_session_free(&session);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(refuses_response_of_another_session)
{
	struct mailauth *ctx = open_with_accounts("", NULL);
	struct mailauth_session *first = start(ctx, "CRAM-MD5", NULL);
	struct mailauth_session *second = start(ctx, "CRAM-MD5", NULL);
	static char response[RESPONSE_CAP];
	static char unused[RESPONSE_CAP];
	size_t len = answer(first, "alice", RIGHT, response);

	(void)answer(second, "alice", RIGHT, unused);
	support_status("first", say(first, response, len), MAILAUTH_OK);
	support_status("replayed", say(second, response, len), MAILAUTH_E_DENIED);
	ck_assert_ptr_null(mailauth_session_user(second));
	mailauth_session_free(&first);
	mailauth_session_free(&second);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(keeps_interleaved_sessions_apart)
{
	static const char plain[] = "\0groupless\0" RIGHT;
	struct mailauth *ctx = open_with_accounts("", NULL);
	struct mailauth_session *one = start(ctx, "CRAM-MD5", NULL);
	struct mailauth_session *two = start(ctx, "CRAM-MD5", NULL);
	struct mailauth_session *three = start(ctx, "PLAIN", &over_tls);
	static char first[RESPONSE_CAP];
	static char second[RESPONSE_CAP];
	size_t first_len = answer(one, "alice", RIGHT, first);
	size_t second_len = answer(two, "expires-soon", RIGHT, second);

	support_status("three", say(three, NULL, 0), MAILAUTH_CONTINUE);
	support_status("two", say(two, second, second_len), MAILAUTH_OK);
	ck_assert_ptr_null(mailauth_session_user(one));
	support_status("three", say(three, plain, sizeof(plain) - 1), MAILAUTH_OK);
	support_status("one", say(one, first, first_len), MAILAUTH_OK);
	ck_assert_str_eq(mailauth_session_user(one), ALICE);
	ck_assert_str_eq(mailauth_session_user(two), "expires-soon@example.org");
	ck_assert_str_eq(mailauth_session_user(three), "groupless@example.org");
	mailauth_session_free(&one);
	mailauth_session_free(&two);
	mailauth_session_free(&three);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(accepts_upper_case_digest)
{
	struct mailauth *ctx = open_with_accounts("", NULL);
	struct mailauth_session *session = start(ctx, "CRAM-MD5", NULL);
	static char response[RESPONSE_CAP];
	size_t len = answer(session, "alice", RIGHT, response);

	for (size_t i = strlen("alice "); i < len; i++)
		if (response[i] >= 'a' && response[i] <= 'f')
			response[i] = (char)(response[i] - ('a' - 'A'));
	support_status("upper case", say(session, response, len), MAILAUTH_OK);
	mailauth_session_free(&session);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(forgets_aborted_dialogues)
{
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_accounts("", &log);

	for (int i = 0; i < 3; i++) {
		struct mailauth_session *fresh = start(ctx, "PLAIN", &over_tls);
		struct mailauth_session *plain = start(ctx, "PLAIN", &over_tls);
		struct mailauth_session *cram = start(ctx, "CRAM-MD5", NULL);

		support_status("PLAIN", say(plain, NULL, 0), MAILAUTH_CONTINUE);
		support_status("CRAM-MD5", say(cram, NULL, 0), MAILAUTH_CONTINUE);
		mailauth_session_free(&cram);
		mailauth_session_free(&plain);
		mailauth_session_free(&fresh);
		ck_assert_ptr_null(fresh);
		mailauth_session_free(&fresh);
	}
	mailauth_session_free(NULL);
	ck_assert_uint_eq(log.n, 0);
	mailauth_free(&ctx);
}
END_TEST

static void check_challenge(struct mailauth *ctx, const struct mailauth_request *request,
			    const char *host)
{
	struct mailauth_session *session = start(ctx, "CRAM-MD5", request);
	char text[256] = "";
	char want[128];
	const void *reply;
	size_t len;
	size_t want_len;

	support_status(host, mailauth_session_step(session, NULL, 0, &reply, &len),
		       MAILAUTH_CONTINUE);
	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, reply, len);
	want_len = (size_t)snprintf(want, sizeof(want), "@%s>", host);
	/* RFC 2195 section 2: <random.time@host> */
	ck_assert_msg(text[0] == '<' && strspn(text + 1, "0123456789abcdef") == 32 &&
			      text[33] == '.' &&
			      strspn(text + 34, "0123456789") == len - 34 - want_len &&
			      strcmp(text + len - want_len, want) == 0,
		      "got challenge %s, want <...%s", text, want);
	mailauth_session_free(&session);
}

START_TEST(challenge_names_the_host)
{
	static const struct mailauth_request with_host = {
		.size = sizeof(with_host), .realm = "other.test", .host = "mx.example.net"};
	static const struct mailauth_request with_realm = {.size = sizeof(with_realm),
							   .realm = "other.test"};
	struct mailauth *ctx = support_open("", NULL);

	check_challenge(ctx, &with_host, "mx.example.net");
	check_challenge(ctx, &with_realm, "other.test");
	check_challenge(ctx, NULL, "example.org");
	mailauth_free(&ctx);
}
END_TEST

START_TEST(refuses_host_that_makes_the_challenge_too_long)
{
	char host[1024];
	const struct mailauth_request request = {.size = sizeof(request), .host = host};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_session *session;
	const void *reply = "";
	size_t len = 1;

	memset(host, 'h', sizeof(host));
	host[sizeof(host) - 1] = '\0';
	session = start(ctx, "CRAM-MD5", &request);
	support_status("long host", mailauth_session_step(session, NULL, 0, &reply, &len),
		       MAILAUTH_E_LIMIT);
	ck_assert_ptr_null(reply);
	ck_assert_uint_eq(len, 0);
	mailauth_session_free(&session);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(copies_the_request)
{
	static const char message[] = "\0groupless\0" RIGHT;
	char group[] = "smtp";
	struct mailauth_request request = {
		.size = sizeof(request), .flags = MAILAUTH_REQUEST_TLS, .group = group};
	struct mailauth *ctx = open_with_accounts("", NULL);
	struct mailauth_session *session = start(ctx, "PLAIN", &request);

	group[0] = '\0';
	request.group = NULL;
	support_status("group", say(session, message, sizeof(message) - 1), MAILAUTH_E_DENIED);
	mailauth_session_free(&session);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(plain_needs_tls)
{
	static const struct mailauth_request bare = {.size = sizeof(bare)};
	static const struct {
		const char *name;
		const char *config;
		const char *mech;
		const struct mailauth_request *request;
		enum mailauth_status want;
	} rows[] = {
		{"no request", "", "PLAIN", NULL, MAILAUTH_E_UNSUPPORTED},
		{"no TLS", "", "PLAIN", &bare, MAILAUTH_E_UNSUPPORTED},
		{"TLS", "", "PLAIN", &over_tls, MAILAUTH_OK},
		{"tls is the default", "plaintext = tls\n", "PLAIN", NULL, MAILAUTH_E_UNSUPPORTED},
		{"always", "plaintext = always\n", "PLAIN", NULL, MAILAUTH_OK},
		{"CRAM-MD5 needs none", "", "CRAM-MD5", NULL, MAILAUTH_OK},
		{"unknown", "", "X-NONE", &over_tls, MAILAUTH_E_UNSUPPORTED},
		{"empty", "", "", &over_tls, MAILAUTH_E_UNSUPPORTED},
		{"beginning of a name", "", "PLAI", &over_tls, MAILAUTH_E_UNSUPPORTED},
		{"name with more", "", "PLAIN ", &over_tls, MAILAUTH_E_UNSUPPORTED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth *ctx = support_open(rows[i].config, NULL);
		struct mailauth_session *session = (struct mailauth_session *)ctx;
		enum mailauth_status got =
			mailauth_session_new(ctx, rows[i].mech, rows[i].request, &session);

		support_status(rows[i].name, got, rows[i].want);
		ck_assert_msg((session != NULL) == (got == MAILAUTH_OK), "%s: session is %p",
			      rows[i].name, (void *)session);
		mailauth_session_free(&session);
		mailauth_free(&ctx);
	}
}
END_TEST

START_TEST(refuses_bad_arguments)
{
	struct mailauth_request small = over_tls;
	struct mailauth_request flags = over_tls;
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_session *session = NULL;
	const void *reply = "";
	size_t len = 1;

	small.size--;
	flags.flags |= 0x80;
	support_status("no context", mailauth_session_new(NULL, "PLAIN", &over_tls, &session),
		       MAILAUTH_E_USAGE);
	support_status("no mechanism", mailauth_session_new(ctx, NULL, &over_tls, &session),
		       MAILAUTH_E_USAGE);
	support_status("no output", mailauth_session_new(ctx, "PLAIN", &over_tls, NULL),
		       MAILAUTH_E_USAGE);
	support_status("wrong size", mailauth_session_new(ctx, "PLAIN", &small, &session),
		       MAILAUTH_E_USAGE);
	support_status("unknown flag", mailauth_session_new(ctx, "PLAIN", &flags, &session),
		       MAILAUTH_E_USAGE);
	ck_assert_ptr_null(session);
	support_status("no session", mailauth_session_step(NULL, "", 0, &reply, &len),
		       MAILAUTH_E_USAGE);
	ck_assert_ptr_null(reply);
	ck_assert_uint_eq(len, 0);
	ck_assert_ptr_null(mailauth_session_user(NULL));

	session = start(ctx, "PLAIN", &over_tls);
	support_status("no reply", mailauth_session_step(session, "", 0, NULL, &len),
		       MAILAUTH_E_USAGE);
	support_status("no length", mailauth_session_step(session, "", 0, &reply, NULL),
		       MAILAUTH_E_USAGE);
	reply = "";
	len = 1;
	support_status("no input", mailauth_session_step(session, NULL, 1, &reply, &len),
		       MAILAUTH_E_USAGE);
	ck_assert_ptr_null(reply);
	ck_assert_uint_eq(len, 0);
	mailauth_session_free(&session);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(names_mechanisms_and_statuses)
{
	bool has_plain = false;
	bool has_cram = false;

	for (size_t i = 0; i < mailauth_mech_count(); i++) {
		has_plain |= strcmp(mailauth_mech_name(i), "PLAIN") == 0;
		has_cram |= strcmp(mailauth_mech_name(i), "CRAM-MD5") == 0;
	}
	ck_assert(has_plain);
	ck_assert(has_cram);
	ck_assert_ptr_null(mailauth_mech_name(mailauth_mech_count()));
	ck_assert_ptr_null(mailauth_mech_name(SIZE_MAX));
	ck_assert_str_eq(mailauth_status_name(MAILAUTH_OK), "MAILAUTH_OK");
	ck_assert_str_eq(mailauth_status_name(MAILAUTH_CONTINUE), "MAILAUTH_CONTINUE");
	for (int i = MAILAUTH_E_USAGE; i <= MAILAUTH_E_INTERNAL; i++)
		ck_assert_msg(strncmp(mailauth_status_name((enum mailauth_status)i), "MAILAUTH_E_",
				      11) == 0 &&
				      mailauth_status_name((enum mailauth_status)i)[11] != '?',
			      "status %d has no name", i);
	ck_assert_str_eq(mailauth_status_name((enum mailauth_status) - 99), "MAILAUTH_E_?");
	ck_assert_int_gt((int)strspn(mailauth_version(), "0123456789."), 4);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api session");
	TCase *tcase = tcase_create("session");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, call_after_success_changes_nothing);
	tcase_add_test(tcase, refuses_response_of_another_session);
	tcase_add_test(tcase, keeps_interleaved_sessions_apart);
	tcase_add_test(tcase, accepts_upper_case_digest);
	tcase_add_test(tcase, forgets_aborted_dialogues);
	tcase_add_test(tcase, challenge_names_the_host);
	tcase_add_test(tcase, refuses_host_that_makes_the_challenge_too_long);
	tcase_add_test(tcase, copies_the_request);
	tcase_add_test(tcase, plain_needs_tls);
	tcase_add_test(tcase, refuses_bad_arguments);
	tcase_add_test(tcase, names_mechanisms_and_statuses);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
