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

/* One line for who named an account and went away, at whichever step; none for who did not. */
START_TEST(logs_who_goes_away_with_a_name_given)
{
	static const struct {
		const char *name;
		const char *mech;
		const char *messages[3]; /* NULL: no more; "": an empty one */
		bool logged;
	} rows[] = {
		{"nothing said", "SCRAM-SHA-256", {NULL}, false},
		{"asked to begin", "SCRAM-SHA-256", {""}, false},
		{"SCRAM, name given", "SCRAM-SHA-256", {"n,,n=alice,r=abc"}, true},
		{"SCRAM, asked, name given", "SCRAM-SHA-256", {"", "n,,n=alice,r=abc"}, true},
		{"SCRAM, stranger", "SCRAM-SHA-256", {"n,,n=nobody,r=abc"}, true},
		{"SCRAM, bad name", "SCRAM-SHA-256", {"n,,n=a b,r=abc"}, true},
		{"DIGEST-MD5, challenge sent", "DIGEST-MD5", {""}, false},
		{"CRAM-MD5, challenge sent", "CRAM-MD5", {""}, false},
		{"APOP, timestamp sent", "APOP", {""}, false},
		{"PLAIN, asked to begin", "PLAIN", {""}, false},
		{"LOGIN, asked for the name", "LOGIN", {""}, false},
	};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_accounts("", &log);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_session *session = start(ctx, rows[i].mech, &over_tls);

		support_log_clear(&log);
		for (size_t j = 0; j < 3 && rows[i].messages[j] != NULL; j++)
			support_status(
				rows[i].name,
				say(session, rows[i].messages[j], strlen(rows[i].messages[j])),
				MAILAUTH_CONTINUE);
		ck_assert_uint_eq(log.n, 0);
		mailauth_session_free(&session);
		if (rows[i].logged)
			check_log(rows[i].name, &log, "aborted");
		else
			ck_assert_msg(log.n == 0, "%s: got %s", rows[i].name, log.text);
	}
	mailauth_free(&ctx);
}
END_TEST

static const char *const proving[] = {"DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};
#define PROVING (sizeof(proving) / sizeof(proving[0]))

/* RFC 4422 section 3.6: with success where the protocol can, else before it. */
START_TEST(proof_of_the_server_comes_with_success_or_before)
{
	struct mailauth_request request = over_tls;
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_accounts("", &log);

	for (size_t i = 0; i < 2 * PROVING; i++) {
		bool with_success = i >= PROVING;
		struct support_client client = {.mech = proving[i % PROVING],
						.request = &request,
						.user = "alice",
						.password = RIGHT};

		request.flags = with_success ? MAILAUTH_REQUEST_SUCCESS_DATA : 0;
		support_log_clear(&log);
		support_status(client.mech, support_client_begin(ctx, &client), MAILAUTH_CONTINUE);
		support_status(client.mech,
			       mailauth_session_step(client.session, client.last, client.last_len,
						     &client.reply, &client.reply_len),
			       with_success ? MAILAUTH_OK : MAILAUTH_CONTINUE);
		ck_assert_uint_eq(client.reply_len, strlen(client.want));
		ck_assert_mem_eq(client.reply, client.want, client.reply_len);
		if (!with_success) {
			ck_assert_ptr_null(mailauth_session_user(client.session));
			ck_assert_uint_eq(log.n, 0);
			support_status(client.mech,
				       mailauth_session_step(client.session, NULL, 0, &client.reply,
							     &client.reply_len),
				       MAILAUTH_OK);
			ck_assert_uint_eq(client.reply_len, 0);
		}
		ck_assert_str_eq(mailauth_session_user(client.session), ALICE);
		support_status("after the end", say(client.session, NULL, 0), MAILAUTH_E_PROTOCOL);
		ck_assert_str_eq(mailauth_session_user(client.session), ALICE);
		mailauth_session_free(&client.session);
		check_log(client.mech, &log, NULL);
	}
	mailauth_free(&ctx);
}
END_TEST

/* After the server's proof nothing but an empty answer completes the login. */
START_TEST(only_an_empty_answer_completes_the_login)
{
	static char long_one[MAILAUTH_MESSAGE_MAX + 1];
	static const struct {
		const char *name;
		const char *message;
		size_t len;
		enum mailauth_status want;
	} rows[] = {
		{"NULL", NULL, 0, MAILAUTH_OK},
		{"empty", "", 0, MAILAUTH_OK},
		{"a NUL", "", 1, MAILAUTH_E_PROTOCOL},
		{"a byte", "x", 1, MAILAUTH_E_PROTOCOL},
		{"abort", "*", 1, MAILAUTH_E_PROTOCOL},
		{"longest", long_one, MAILAUTH_MESSAGE_MAX, MAILAUTH_E_PROTOCOL},
		{"longer", long_one, sizeof(long_one), MAILAUTH_E_LIMIT},
	};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_accounts("", &log);

	for (size_t i = 0; i < PROVING * sizeof(rows) / sizeof(rows[0]); i++) {
		size_t row = i / PROVING;
		bool admitted = rows[row].want == MAILAUTH_OK;
		struct support_client client = {.mech = proving[i % PROVING],
						.request = NULL,
						.user = "alice",
						.password = RIGHT};

		support_log_clear(&log);
		support_status(rows[row].name, support_client_begin(ctx, &client),
			       MAILAUTH_CONTINUE);
		support_status(rows[row].name, say(client.session, client.last, client.last_len),
			       MAILAUTH_CONTINUE);
		support_status(rows[row].name,
			       say(client.session, rows[row].message, rows[row].len),
			       rows[row].want);
		ck_assert_msg((mailauth_session_user(client.session) != NULL) == admitted,
			      "%s: user is %s", rows[row].name,
			      mailauth_session_user(client.session));
		support_status("after the end", say(client.session, NULL, 0), MAILAUTH_E_PROTOCOL);
		ck_assert((mailauth_session_user(client.session) != NULL) == admitted);
		mailauth_session_free(&client.session);
		check_log(rows[row].name, &log, admitted ? NULL : "malformed");
	}
	mailauth_free(&ctx);
}
END_TEST

/* The proof was right, but the client never said that it has seen ours. */
START_TEST(login_that_is_not_completed_was_aborted)
{
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_accounts("", &log);

	for (size_t i = 0; i < PROVING; i++) {
		struct support_client client = {
			.mech = proving[i], .request = NULL, .user = "alice", .password = RIGHT};

		support_log_clear(&log);
		support_status("begin", support_client_begin(ctx, &client), MAILAUTH_CONTINUE);
		support_status("last", say(client.session, client.last, client.last_len),
			       MAILAUTH_CONTINUE);
		ck_assert_uint_eq(log.n, 0);
		mailauth_session_free(&client.session);
		check_log(proving[i], &log, "aborted");
		ck_assert_ptr_nonnull(strstr(log.text, " user=" ALICE "\n"));
	}
	mailauth_free(&ctx);
}
END_TEST

/* RFC 5802 section 5: the messages of one session are of no use in another. */
START_TEST(refuses_scram_response_of_another_session)
{
	struct mailauth *ctx = open_with_accounts("", NULL);
	struct support_client first = {
		.mech = "SCRAM-SHA-256", .request = NULL, .user = "alice", .password = RIGHT};
	struct support_client second = first;

	support_status("first", support_client_begin(ctx, &first), MAILAUTH_CONTINUE);
	support_status("second", support_client_begin(ctx, &second), MAILAUTH_CONTINUE);
	support_status("replayed", say(second.session, first.last, first.last_len),
		       MAILAUTH_E_PROTOCOL);
	support_status("first", support_client_finish(&first), MAILAUTH_OK);
	support_status("again", say(first.session, first.last, first.last_len),
		       MAILAUTH_E_PROTOCOL);
	mailauth_session_free(&first.session);
	mailauth_session_free(&second.session);
	mailauth_free(&ctx);
}
END_TEST

/* RFC 5802 section 5.1, a: nobody acts for another. */
START_TEST(scram_authzid_has_to_be_the_same_account)
{
	static const struct {
		const char *gs2;
		const char *user;
		enum mailauth_status want;
	} rows[] = {
		{"n,,", "alice", MAILAUTH_OK},
		{"n,a=alice,", "alice", MAILAUTH_OK},
		{"n,a=ALICE@Example.org,", "alice", MAILAUTH_OK},
		{"y,a=alice,", "alice@example.org", MAILAUTH_OK},
		{"n,a=groupless,", "alice", MAILAUTH_E_DENIED},
		{"n,a=alice@other.test,", "alice", MAILAUTH_E_DENIED},
		{"n,a=al=2Cice,", "alice", MAILAUTH_E_DENIED},
		{"n,a= ,", "alice", MAILAUTH_E_DENIED},
	};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_accounts("", &log);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_request request = {.size = sizeof(request),
						   .flags = MAILAUTH_REQUEST_SUCCESS_DATA};
		struct mailauth_session *session = start(ctx, "SCRAM-SHA-256", &request);
		struct support_scram scram = {.mech = "SCRAM-SHA-256",
					      .gs2 = rows[i].gs2,
					      .user = rows[i].user,
					      .password = RIGHT,
					      .nonce = "abc"};
		char message[1024];
		size_t len = support_scram_first(&scram, message, sizeof(message));
		const void *reply;

		support_log_clear(&log);
		support_status(rows[i].gs2,
			       mailauth_session_step(session, message, len, &reply, &len),
			       MAILAUTH_CONTINUE);
		len = support_scram_final(&scram, reply, len, message, sizeof(message));
		support_status(rows[i].gs2,
			       mailauth_session_step(session, message, len, &reply, &len),
			       rows[i].want);
		ck_assert_msg((len > 0) == (rows[i].want == MAILAUTH_OK),
			      "%s: got a reply of %zu bytes", rows[i].gs2, len);
		mailauth_session_free(&session);
		check_log(rows[i].gs2, &log, rows[i].want == MAILAUTH_OK ? NULL : "authzid");
	}
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
		{"LOGIN, no TLS", "", "LOGIN", &bare, MAILAUTH_E_UNSUPPORTED},
		{"LOGIN, no request", "", "LOGIN", NULL, MAILAUTH_E_UNSUPPORTED},
		{"LOGIN, TLS", "", "LOGIN", &over_tls, MAILAUTH_OK},
		{"LOGIN, always", "plaintext = always\n", "LOGIN", NULL, MAILAUTH_OK},
		{"CRAM-MD5 needs none", "", "CRAM-MD5", NULL, MAILAUTH_OK},
		{"DIGEST-MD5 needs none", "", "DIGEST-MD5", NULL, MAILAUTH_OK},
		{"SCRAM-SHA-1 needs none", "", "SCRAM-SHA-1", NULL, MAILAUTH_OK},
		{"SCRAM-SHA-512, which no account has", "", "scram-sha-512", NULL, MAILAUTH_OK},
		{"APOP needs none", "", "APOP", NULL, MAILAUTH_OK},
		{"-PLUS without a binding", "", "SCRAM-SHA-1-PLUS", &over_tls,
		 MAILAUTH_E_UNSUPPORTED},
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
	static const char *const want[] = {"PLAIN",
					   "LOGIN",
					   "CRAM-MD5",
					   "DIGEST-MD5",
					   "APOP",
					   "SCRAM-SHA-1",
					   "SCRAM-SHA-1-PLUS",
					   "SCRAM-SHA-256",
					   "SCRAM-SHA-256-PLUS",
					   "SCRAM-SHA-512",
					   "SCRAM-SHA-512-PLUS"};

	ck_assert_uint_eq(mailauth_mech_count(), sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		ck_assert_str_eq(mailauth_mech_name(i), want[i]);
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

static enum mailauth_status lock_it(struct mailauth_user *user, void *arg)
{
	(void)arg;
	return mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, 1);
}

static enum mailauth_status change_it(struct mailauth_user *user, void *arg)
{
	(void)arg;
	return mailauth_user_set_password(user, "another one", 11);
}

/* Somebody else's account, as young as the one before was. */
static void make_anew(struct mailauth *ctx)
{
	support_status("delete", mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	support_add(ctx, "alice", "another one");
}

static const struct {
	const char *mech;
	const char *reasons[3]; /* locked, deleted, another password */
} in_flight[] = {
	{"CRAM-MD5", {"locked", "unknown-user", "wrong-proof"}},
	{"DIGEST-MD5", {"locked", "unknown-user", "wrong-proof"}},
	{"LOGIN", {"locked", "unknown-user", "wrong-proof"}},
	{"SCRAM-SHA-1", {"locked", "unknown-user", "changed-meanwhile"}},
	{"SCRAM-SHA-256", {"locked", "unknown-user", "changed-meanwhile"}},
};

/* Between the first message and the last the administrator does something. */
START_TEST(a_change_counts_for_a_login_under_way)
{
	const struct mailauth_request request = {.size = sizeof(request),
						 .flags = MAILAUTH_REQUEST_TLS};
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);

	for (int change = 0; change < 4; change++) {
		struct support_client client = {.mech = in_flight[_i].mech,
						.request = &request,
						.user = "alice",
						.password = "secret"};
		enum mailauth_status status = MAILAUTH_OK;
		const char *want;

		support_add(ctx, "alice", "secret");
		support_log_clear(&log);
		support_status(client.mech, support_client_begin(ctx, &client), MAILAUTH_CONTINUE);
		if (change == 0)
			status = mailauth_user_update(ctx, "alice", lock_it, NULL);
		else if (change == 1)
			status = mailauth_user_del(ctx, "alice");
		else if (change == 2)
			status = mailauth_user_update(ctx, "alice", change_it, NULL);
		else
			make_anew(ctx);
		support_status("change", status, MAILAUTH_OK);
		support_status(client.mech, support_client_finish(&client), MAILAUTH_E_DENIED);
		ck_assert_uint_eq(client.reply_len, 0);
		ck_assert_ptr_null(mailauth_session_user(client.session));
		want = in_flight[_i].reasons[change < 3 ? change : 2];
		ck_assert_msg(strstr(log.text, want) != NULL, "%s: got %s, want %s", client.mech,
			      log.text, want);
		mailauth_session_free(&client.session);
		if (change != 1)
			support_status("delete", mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

/* The record is another one then, but the account is the same. */
START_TEST(a_login_under_way_does_not_notice_another_key)
{
	const struct mailauth_request request = {.size = sizeof(request),
						 .flags = MAILAUTH_REQUEST_TLS};
	struct support_client client = {.mech = in_flight[_i].mech,
					.request = &request,
					.user = "alice",
					.password = "secret"};
	struct mailauth_options options = {.size = sizeof(options),
					   .flags = MAILAUTH_OPEN_WRITE,
					   .config = support_config("")};
	struct mailauth *ctx;

	if (!support_is_shared())
		return;
	support_status("prepare", mailauth_store_rekey(&options, MAILAUTH_REKEY_PREPARE, NULL),
		       MAILAUTH_OK);
	support_status("open", mailauth_open(&options, &ctx), MAILAUTH_OK);
	support_add(ctx, "alice", "secret");
	support_status(client.mech, support_client_begin(ctx, &client), MAILAUTH_CONTINUE);
	support_status("seal", mailauth_store_rekey(&options, MAILAUTH_REKEY_SEAL, NULL),
		       MAILAUTH_OK);
	support_status(client.mech, support_client_finish(&client), MAILAUTH_OK);
	mailauth_session_free(&client.session);
	mailauth_free(&ctx);
}
END_TEST

/* DIGEST-MD5 and SCRAM without success data: after the server's proof, before the empty answer. */
START_TEST(a_change_counts_until_the_client_has_answered)
{
	struct mailauth *ctx = support_open("", NULL);
	struct support_client client = {
		.mech = _i == 0 ? "DIGEST-MD5" : "SCRAM-SHA-256",
		.user = "alice",
		.password = "secret",
	};
	const void *reply;
	size_t reply_len;

	support_add(ctx, "alice", "secret");
	support_status(client.mech, support_client_begin(ctx, &client), MAILAUTH_CONTINUE);
	support_status(client.mech,
		       mailauth_session_step(client.session, client.last, client.last_len, &reply,
					     &reply_len),
		       MAILAUTH_CONTINUE);
	ck_assert_uint_gt(reply_len, 0);
	support_status("lock", mailauth_user_update(ctx, "alice", lock_it, NULL), MAILAUTH_OK);
	support_status(client.mech, say(client.session, NULL, 0), MAILAUTH_E_DENIED);
	ck_assert_ptr_null(mailauth_session_user(client.session));
	mailauth_session_free(&client.session);
	mailauth_free(&ctx);
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
	tcase_add_test(tcase, logs_who_goes_away_with_a_name_given);
	tcase_add_test(tcase, proof_of_the_server_comes_with_success_or_before);
	tcase_add_test(tcase, only_an_empty_answer_completes_the_login);
	tcase_add_test(tcase, login_that_is_not_completed_was_aborted);
	tcase_add_test(tcase, refuses_scram_response_of_another_session);
	tcase_add_test(tcase, scram_authzid_has_to_be_the_same_account);
	tcase_add_test(tcase, challenge_names_the_host);
	tcase_add_test(tcase, refuses_host_that_makes_the_challenge_too_long);
	tcase_add_test(tcase, copies_the_request);
	tcase_add_test(tcase, plain_needs_tls);
	tcase_add_test(tcase, refuses_bad_arguments);
	tcase_add_test(tcase, names_mechanisms_and_statuses);
	tcase_add_loop_test(tcase, a_change_counts_for_a_login_under_way, 0,
			    sizeof(in_flight) / sizeof(in_flight[0]));
	tcase_add_loop_test(tcase, a_login_under_way_does_not_notice_another_key, 0,
			    sizeof(in_flight) / sizeof(in_flight[0]));
	tcase_add_loop_test(tcase, a_change_counts_until_the_client_has_answered, 0, 2);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
