/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_apop.c - APOP, in one call and as a session
 *
 * RFC 1939 section 7. Only an account that keeps its password can be served; every other one is
 * refused like a wrong password, and the log alone knows.
 */
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "accounts.h"
#include "support.h"

#define RFC_TIMESTAMP "<1896.697170952@dbc.mtview.ca.us>"
#define RFC_DIGEST    "c4c9334bac560ecc979e58001b3e22fb"
#define RFC_PASSWORD  "tanstaaf"

static void add_recoverable(struct mailauth *ctx, const char *name, const char *password,
			    bool locked)
{
	struct mailauth_user *user;

	support_status(name, mailauth_user_new(ctx, name, &user), MAILAUTH_OK);
	set_number(user, MAILAUTH_NUMBER_RECOVERABLE, 1);
	set_number(user, MAILAUTH_NUMBER_LOCKED, locked);
	support_status(name, mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, "imap"),
		       MAILAUTH_OK);
	support_status(name, mailauth_user_set_password(user, password, strlen(password)),
		       MAILAUTH_OK);
	support_status(name, mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

static struct mailauth *open_with_mrose(struct support_log *log)
{
	struct mailauth *ctx = open_with_accounts("", log);

	add_recoverable(ctx, "mrose", RFC_PASSWORD, false);
	add_recoverable(ctx, "locked-mrose", RFC_PASSWORD, true);
	support_add(ctx, "hashed-mrose", RFC_PASSWORD);
	if (log != NULL)
		support_log_clear(log);
	return ctx;
}

static void md5_hex(const char *timestamp, const char *password, char hex_out[33])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_len = 0;
	char text[1024];
	int n = snprintf(text, sizeof(text), "%s%s", timestamp, password);

	ck_assert_int_lt(n, (int)sizeof(text));
	ck_assert_int_eq(EVP_Digest(text, (size_t)n, digest, &digest_len, EVP_md5(), NULL), 1);
	ck_assert_uint_eq(digest_len, 16);
	for (size_t i = 0; i < digest_len; i++)
		(void)snprintf(hex_out + 2 * i, 3, "%02x", digest[i]);
}

START_TEST(accepts_rfc_1939_example)
{
	struct mailauth *ctx = open_with_mrose(NULL);
	struct mailauth_name name;

	support_status(
		"example",
		mailauth_verify_apop(ctx, NULL, RFC_TIMESTAMP, "mrose", 5, RFC_DIGEST, 32, &name),
		MAILAUTH_OK);
	ck_assert_str_eq(name.text, "mrose@example.org");
	support_status(
		"without a name",
		mailauth_verify_apop(ctx, NULL, RFC_TIMESTAMP, "mrose", 5, RFC_DIGEST, 32, NULL),
		MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(verify_apop_checks_the_digest)
{
	static char long_one[MAILAUTH_MESSAGE_MAX + 2];
	static const struct mailauth_request smtp = {.size = sizeof(smtp), .group = "smtp"};
	static const struct mailauth_request imap = {.size = sizeof(imap), .group = "imap"};
	static const struct {
		const char *name;
		const struct mailauth_request *request;
		const char *timestamp;
		const char *user;
		size_t user_len;
		const char *digest;
		size_t digest_len;
		enum mailauth_status want;
		const char *reason; /* NULL: "ok" */
	} rows[] = {
#define ROW(n, q, t, u, d, w, y) {n, q, t, u, sizeof(u) - 1, d, sizeof(d) - 1, w, y}
		ROW("right", NULL, RFC_TIMESTAMP, "mrose", RFC_DIGEST, MAILAUTH_OK, NULL),
		ROW("member", &imap, RFC_TIMESTAMP, "mrose", RFC_DIGEST, MAILAUTH_OK, NULL),
		ROW("name in upper case", NULL, RFC_TIMESTAMP, "MRose@Example.ORG", RFC_DIGEST,
		    MAILAUTH_OK, NULL),
		ROW("digest in upper case", NULL, RFC_TIMESTAMP, "mrose",
		    "C4C9334BAC560ECC979E58001B3E22FB", MAILAUTH_OK, NULL),
		ROW("not in the group", &smtp, RFC_TIMESTAMP, "mrose", RFC_DIGEST,
		    MAILAUTH_E_DENIED, "not-in-group"),
		ROW("locked", NULL, RFC_TIMESTAMP, "locked-mrose", RFC_DIGEST, MAILAUTH_E_DENIED,
		    "locked"),
		ROW("password not kept", NULL, RFC_TIMESTAMP, "hashed-mrose", RFC_DIGEST,
		    MAILAUTH_E_DENIED, "no-secret"),
		ROW("no password", NULL, RFC_TIMESTAMP, "empty", RFC_DIGEST, MAILAUTH_E_DENIED,
		    "no-secret"),
		ROW("unknown user", NULL, RFC_TIMESTAMP, "nrose", RFC_DIGEST, MAILAUTH_E_DENIED,
		    "unknown-user"),
		ROW("bad name", NULL, RFC_TIMESTAMP, "m rose", RFC_DIGEST, MAILAUTH_E_DENIED,
		    "bad-name"),
		ROW("NUL in the name", NULL, RFC_TIMESTAMP, "mrose\0", RFC_DIGEST,
		    MAILAUTH_E_DENIED, "bad-name"),
		ROW("other timestamp", NULL, "<1@example.org>", "mrose", RFC_DIGEST,
		    MAILAUTH_E_DENIED, "wrong-proof"),
		ROW("last digit differs", NULL, RFC_TIMESTAMP, "mrose",
		    "c4c9334bac560ecc979e58001b3e22fa", MAILAUTH_E_DENIED, "wrong-proof"),
		ROW("empty user", NULL, RFC_TIMESTAMP, "", RFC_DIGEST, MAILAUTH_E_PROTOCOL,
		    "malformed"),
		ROW("empty digest", NULL, RFC_TIMESTAMP, "mrose", "", MAILAUTH_E_PROTOCOL,
		    "malformed"),
		ROW("digest one short", NULL, RFC_TIMESTAMP, "mrose",
		    "c4c9334bac560ecc979e58001b3e22f", MAILAUTH_E_PROTOCOL, "malformed"),
		ROW("digest one long", NULL, RFC_TIMESTAMP, "mrose", RFC_DIGEST "0",
		    MAILAUTH_E_PROTOCOL, "malformed"),
		ROW("NUL behind the digest", NULL, RFC_TIMESTAMP, "mrose", RFC_DIGEST "\0",
		    MAILAUTH_E_PROTOCOL, "malformed"),
		ROW("no digits", NULL, RFC_TIMESTAMP, "mrose", "c4c9334bac560ecc979e58001b3e22fg",
		    MAILAUTH_E_PROTOCOL, "malformed"),
		ROW("user and digest in one", NULL, RFC_TIMESTAMP, "", "mrose " RFC_DIGEST,
		    MAILAUTH_E_PROTOCOL, "malformed"),
#undef ROW
		{"longest user", NULL, RFC_TIMESTAMP, long_one, MAILAUTH_MESSAGE_MAX, RFC_DIGEST,
		 32, MAILAUTH_E_DENIED, "bad-name"},
		{"user too long", NULL, RFC_TIMESTAMP, long_one, MAILAUTH_MESSAGE_MAX + 1,
		 RFC_DIGEST, 32, MAILAUTH_E_LIMIT, "malformed"},
		{"longest digest", NULL, RFC_TIMESTAMP, "mrose", 5, long_one, MAILAUTH_MESSAGE_MAX,
		 MAILAUTH_E_PROTOCOL, "malformed"},
		{"digest too long", NULL, RFC_TIMESTAMP, "mrose", 5, long_one,
		 MAILAUTH_MESSAGE_MAX + 1, MAILAUTH_E_LIMIT, "malformed"},
		{"a timestamp longer than any", NULL, long_one, "mrose", 5, RFC_DIGEST, 32,
		 MAILAUTH_E_DENIED, "wrong-proof"},
	};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_mrose(&log);
	struct mailauth_name name;

	memset(long_one, 'x', sizeof(long_one) - 1);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *who = rows[i].want == MAILAUTH_OK ? "mrose@example.org" : "";

		support_log_clear(&log);
		memset(&name, 'x', sizeof(name));
		support_status(rows[i].name,
			       mailauth_verify_apop(ctx, rows[i].request, rows[i].timestamp,
						    rows[i].user, rows[i].user_len, rows[i].digest,
						    rows[i].digest_len, &name),
			       rows[i].want);
		ck_assert_msg(strcmp(name.text, who) == 0, "%s: got user \"%s\", want \"%s\"",
			      rows[i].name, name.text, who);
		check_log(rows[i].name, &log, rows[i].reason);
		ck_assert_msg(strstr(log.text, " mech=APOP ") != NULL, "%s: got %s", rows[i].name,
			      log.text);
		ck_assert_msg(strstr(log.text, RFC_PASSWORD) == NULL, "%s: got %s", rows[i].name,
			      log.text);
	}
	mailauth_free(&ctx);
}
END_TEST

/* RFC 1939 section 7: a msg-id, "<random.time@host>" */
START_TEST(timestamp_is_a_msg_id_and_never_the_same)
{
	static const struct mailauth_request named = {
		.size = sizeof(named),
		.realm = "other.test",
		.host = "pop.example.net",
	};
	static const struct {
		const struct mailauth_request *request;
		const char *want;
	} hosts[] = {
		{NULL, "@example.org>"},
		{&other_realm, "@Other.test>"},
		{&named, "@pop.example.net>"},
	};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_timestamp seen[64] = {{""}};

	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++) {
		size_t which = i % (sizeof(hosts) / sizeof(hosts[0]));
		const char *text = seen[i].text;

		support_status("timestamp",
			       mailauth_apop_timestamp(ctx, hosts[which].request, &seen[i]),
			       MAILAUTH_OK);
		ck_assert_msg(text[0] == '<' && strchr(text, '@') != NULL, "got %s", text);
		ck_assert_msg(strcmp(strchr(text, '@'), hosts[which].want) == 0, "got %s, want %s",
			      text, hosts[which].want);
		for (const char *c = text; *c != '\0'; c++)
			ck_assert_msg(*c > ' ' && *c <= '~' && *c != '=', "got %s", text);
		for (size_t j = 0; j < i; j++)
			ck_assert_msg(strncmp(seen[i].text, seen[j].text, 33) != 0, "got %s again",
				      text);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(timestamp_and_verify_go_together)
{
	struct mailauth *ctx = open_with_mrose(NULL);
	struct mailauth_timestamp timestamp;
	struct mailauth_timestamp other;
	char hex[33];

	support_status("timestamp", mailauth_apop_timestamp(ctx, NULL, &timestamp), MAILAUTH_OK);
	support_status("timestamp", mailauth_apop_timestamp(ctx, NULL, &other), MAILAUTH_OK);
	md5_hex(timestamp.text, RFC_PASSWORD, hex);
	support_status("right",
		       mailauth_verify_apop(ctx, NULL, timestamp.text, "mrose", 5, hex, 32, NULL),
		       MAILAUTH_OK);
	support_status("other timestamp",
		       mailauth_verify_apop(ctx, NULL, other.text, "mrose", 5, hex, 32, NULL),
		       MAILAUTH_E_DENIED);
	md5_hex(timestamp.text, "tanstaafl", hex);
	support_status("other password",
		       mailauth_verify_apop(ctx, NULL, timestamp.text, "mrose", 5, hex, 32, NULL),
		       MAILAUTH_E_DENIED);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(timestamp_reports_a_host_that_is_too_long)
{
	static char host[MAILAUTH_TIMESTAMP_MAX + 2];
	struct mailauth_request request = {.size = sizeof(request), .host = host};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_timestamp timestamp;
	size_t room;

	support_status("short", mailauth_apop_timestamp(ctx, &request, &timestamp), MAILAUTH_OK);
	room = MAILAUTH_TIMESTAMP_MAX - strlen(timestamp.text);
	for (size_t len = room - 1; len <= room + 1; len++) {
		memset(host, 'h', len);
		memset(&timestamp, 'x', sizeof(timestamp));
		support_status("long", mailauth_apop_timestamp(ctx, &request, &timestamp),
			       len <= room ? MAILAUTH_OK : MAILAUTH_E_LIMIT);
		ck_assert_uint_eq(strlen(timestamp.text),
				  len <= room ? MAILAUTH_TIMESTAMP_MAX - room + len : 0);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(refuses_bad_arguments)
{
	struct mailauth_request small = {.size = 0};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_timestamp timestamp = {"x"};
	struct mailauth_name name = {"x"};

	support_status("timestamp: nowhere", mailauth_apop_timestamp(ctx, NULL, NULL),
		       MAILAUTH_E_USAGE);
	support_status("timestamp: no context", mailauth_apop_timestamp(NULL, NULL, &timestamp),
		       MAILAUTH_E_USAGE);
	ck_assert_str_eq(timestamp.text, "");
	timestamp.text[0] = 'x';
	support_status("timestamp: wrong size", mailauth_apop_timestamp(ctx, &small, &timestamp),
		       MAILAUTH_E_USAGE);
	ck_assert_str_eq(timestamp.text, "");
	support_status("no context",
		       mailauth_verify_apop(NULL, NULL, "<1@h>", "a", 1, "b", 1, &name),
		       MAILAUTH_E_USAGE);
	ck_assert_str_eq(name.text, "");
	support_status("wrong size",
		       mailauth_verify_apop(ctx, &small, "<1@h>", "a", 1, "b", 1, &name),
		       MAILAUTH_E_USAGE);
	support_status("no timestamp", mailauth_verify_apop(ctx, NULL, NULL, "a", 1, "b", 1, &name),
		       MAILAUTH_E_USAGE);
	support_status("empty timestamp",
		       mailauth_verify_apop(ctx, NULL, "", "a", 1, "b", 1, &name),
		       MAILAUTH_E_USAGE);
	support_status("no user", mailauth_verify_apop(ctx, NULL, "<1@h>", NULL, 1, "b", 1, &name),
		       MAILAUTH_E_USAGE);
	support_status("no digest",
		       mailauth_verify_apop(ctx, NULL, "<1@h>", "a", 1, NULL, 1, &name),
		       MAILAUTH_E_USAGE);
	support_status("user NULL, 0",
		       mailauth_verify_apop(ctx, NULL, "<1@h>", NULL, 0, RFC_DIGEST, 32, &name),
		       MAILAUTH_E_PROTOCOL);
	support_status("digest NULL, 0",
		       mailauth_verify_apop(ctx, NULL, "<1@h>", "a", 1, NULL, 0, &name),
		       MAILAUTH_E_PROTOCOL);
	mailauth_free(&ctx);
}
END_TEST

/* ---- sessions ---------------------------------------------------------------------------- */

/* Starts a session; its timestamp goes to @timestamp_out. */
static struct mailauth_session *greet(struct mailauth *ctx,
				      struct mailauth_timestamp *timestamp_out)
{
	struct mailauth_session *session;
	const void *reply;
	size_t len;

	support_status("new", mailauth_session_new(ctx, "APOP", NULL, &session), MAILAUTH_OK);
	support_status("greeting", mailauth_session_step(session, NULL, 0, &reply, &len),
		       MAILAUTH_CONTINUE);
	ck_assert_uint_le(len, MAILAUTH_TIMESTAMP_MAX);
	memcpy(timestamp_out->text, reply, len);
	timestamp_out->text[len] = '\0';
	return session;
}

static enum mailauth_status say(struct mailauth_session *session, const char *text)
{
	const void *reply;
	size_t len;
	enum mailauth_status status =
		mailauth_session_step(session, text, strlen(text), &reply, &len);

	ck_assert_uint_eq(len, 0);
	return status;
}

START_TEST(sessions_log_in_and_end)
{
	static const struct {
		const char *user;
		const char *password;
		enum mailauth_status want;
		const char *reason; /* NULL: "ok" */
	} logins[] = {
		{"mrose", RFC_PASSWORD, MAILAUTH_OK, NULL},
		{"MROSE@EXAMPLE.ORG", RFC_PASSWORD, MAILAUTH_OK, NULL},
		{"mrose", "tanstaafl", MAILAUTH_E_DENIED, "wrong-proof"},
		{"nrose", RFC_PASSWORD, MAILAUTH_E_DENIED, "unknown-user"},
		{"hashed-mrose", RFC_PASSWORD, MAILAUTH_E_DENIED, "no-secret"},
		{"locked-mrose", RFC_PASSWORD, MAILAUTH_E_DENIED, "locked"},
		{"m rose", RFC_PASSWORD, MAILAUTH_E_DENIED, "bad-name"},
	};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_mrose(&log);

	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		struct mailauth_timestamp timestamp;
		struct mailauth_session *session = greet(ctx, &timestamp);
		bool ok = logins[i].want == MAILAUTH_OK;
		char response[256];
		char hex[33];

		support_log_clear(&log);
		md5_hex(timestamp.text, logins[i].password, hex);
		(void)snprintf(response, sizeof(response), "%s %s", logins[i].user, hex);
		support_status(logins[i].user, say(session, response), logins[i].want);
		ck_assert_int_eq(mailauth_session_user(session) != NULL, ok);
		check_log(logins[i].user, &log, logins[i].reason);
		/* RFC 1939 section 7: one try for a greeting; what follows changes nothing */
		support_status("again", say(session, response), MAILAUTH_E_PROTOCOL);
		support_status("empty", say(session, ""), MAILAUTH_E_PROTOCOL);
		ck_assert_int_eq(mailauth_session_user(session) != NULL, ok);
		ck_assert_uint_eq(log.n, 1);
		mailauth_session_free(&session);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(sessions_refuse_each_others_responses)
{
	struct mailauth *ctx = open_with_mrose(NULL);
	struct mailauth_timestamp timestamps[2];
	struct mailauth_session *first = greet(ctx, &timestamps[0]);
	struct mailauth_session *second = greet(ctx, &timestamps[1]);
	char response[64];
	char hex[33];

	md5_hex(timestamps[0].text, RFC_PASSWORD, hex);
	(void)snprintf(response, sizeof(response), "mrose %s", hex);
	support_status("first", say(first, response), MAILAUTH_OK);
	support_status("second", say(second, response), MAILAUTH_E_DENIED);
	mailauth_session_free(&first);
	mailauth_session_free(&second);
	mailauth_free(&ctx);
}
END_TEST

/* RFC 1939 section 7: without a greeting there is nothing to answer */
START_TEST(sessions_refuse_a_response_before_the_timestamp)
{
	struct mailauth *ctx = open_with_mrose(NULL);
	struct mailauth_session *session;

	support_status("new", mailauth_session_new(ctx, "APOP", NULL, &session), MAILAUTH_OK);
	support_status("response", say(session, "mrose " RFC_DIGEST), MAILAUTH_E_PROTOCOL);
	support_status("after it", say(session, ""), MAILAUTH_E_PROTOCOL);
	ck_assert_ptr_null(mailauth_session_user(session));
	mailauth_session_free(&session);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api apop");
	TCase *tcase = tcase_create("apop");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, accepts_rfc_1939_example);
	tcase_add_test(tcase, verify_apop_checks_the_digest);
	tcase_add_test(tcase, timestamp_is_a_msg_id_and_never_the_same);
	tcase_add_test(tcase, timestamp_and_verify_go_together);
	tcase_add_test(tcase, timestamp_reports_a_host_that_is_too_long);
	tcase_add_test(tcase, refuses_bad_arguments);
	tcase_add_test(tcase, sessions_log_in_and_end);
	tcase_add_test(tcase, sessions_refuse_each_others_responses);
	tcase_add_test(tcase, sessions_refuse_a_response_before_the_timestamp);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
