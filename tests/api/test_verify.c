/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_verify.c - check a password or a response in one call, and the log line
 *
 * For servers that ran the dialogue themselves. RFC 2195's example is the known answer. The log
 * line of a login is looked at here, because one call makes one line.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "accounts.h"
#include "support.h"

#define RFC_CHALLENGE "<1896.697170952@postoffice.reston.mci.net>"
#define RFC_DIGEST    "b913a602c7eda7a495b4e6e7334d3890"

START_TEST(accepts_rfc_2195_example)
{
	static const char challenge[] = RFC_CHALLENGE;
	static const char response[] = "tim " RFC_DIGEST;
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_name name;

	support_add(ctx, "tim", "tanstaaftanstaaf");
	support_status("example",
		       mailauth_verify_cram(ctx, NULL, challenge, strlen(challenge), response,
					    strlen(response), &name),
		       MAILAUTH_OK);
	ck_assert_str_eq(name.text, "tim@example.org");
	support_status("without a name",
		       mailauth_verify_cram(ctx, NULL, challenge, strlen(challenge), response,
					    strlen(response), NULL),
		       MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(verify_cram_checks_the_response)
{
	static char long_one[MAILAUTH_MESSAGE_MAX + 1];
	static const struct {
		const char *name;
		const char *challenge;
		size_t challenge_len;
		const char *response;
		size_t response_len;
		enum mailauth_status want;
		const char *user;
		const char *reason;
	} rows[] = {
#define ROW(n, c, r, w, u, y) {n, c, sizeof(c) - 1, r, sizeof(r) - 1, w, u, y}
		ROW("right", RFC_CHALLENGE, "tim " RFC_DIGEST, MAILAUTH_OK, "tim@example.org",
		    NULL),
		ROW("name in upper case", RFC_CHALLENGE, "TIM@example.org " RFC_DIGEST, MAILAUTH_OK,
		    "tim@example.org", NULL),
		ROW("digest in upper case", RFC_CHALLENGE, "tim B913A602C7EDA7A495B4E6E7334D3890",
		    MAILAUTH_OK, "tim@example.org", NULL),
		ROW("other challenge", "<1@example.org>", "tim " RFC_DIGEST, MAILAUTH_E_DENIED, "",
		    "wrong-proof"),
		ROW("last digit differs", RFC_CHALLENGE, "tim b913a602c7eda7a495b4e6e7334d3891",
		    MAILAUTH_E_DENIED, "", "wrong-proof"),
		ROW("first digit differs", RFC_CHALLENGE, "tim a913a602c7eda7a495b4e6e7334d3890",
		    MAILAUTH_E_DENIED, "", "wrong-proof"),
		ROW("unknown user", RFC_CHALLENGE, "tom " RFC_DIGEST, MAILAUTH_E_DENIED, "",
		    "unknown-user"),
		ROW("bad name", RFC_CHALLENGE, "tim tim " RFC_DIGEST, MAILAUTH_E_DENIED, "",
		    "bad-name"),
		ROW("NUL in the name", RFC_CHALLENGE, "tim\0 " RFC_DIGEST, MAILAUTH_E_DENIED, "",
		    "bad-name"),
		ROW("empty", RFC_CHALLENGE, "", MAILAUTH_E_PROTOCOL, "", "malformed"),
		ROW("a space", RFC_CHALLENGE, " ", MAILAUTH_E_PROTOCOL, "", "malformed"),
		ROW("no digest", RFC_CHALLENGE, "tim ", MAILAUTH_E_PROTOCOL, "", "malformed"),
		ROW("no name", RFC_CHALLENGE, " " RFC_DIGEST, MAILAUTH_E_PROTOCOL, "", "malformed"),
		ROW("no space", RFC_CHALLENGE, RFC_DIGEST, MAILAUTH_E_PROTOCOL, "", "malformed"),
		ROW("digest one short", RFC_CHALLENGE, "tim b913a602c7eda7a495b4e6e7334d389",
		    MAILAUTH_E_PROTOCOL, "", "malformed"),
		ROW("digest one long", RFC_CHALLENGE, "tim " RFC_DIGEST "0", MAILAUTH_E_PROTOCOL,
		    "", "malformed"),
		ROW("tab for space", RFC_CHALLENGE, "tim\t" RFC_DIGEST, MAILAUTH_E_PROTOCOL, "",
		    "malformed"),
#undef ROW
		{"response of the greatest length", RFC_CHALLENGE, 1, long_one,
		 MAILAUTH_MESSAGE_MAX, MAILAUTH_E_PROTOCOL, "", "malformed"},
		{"response too long", RFC_CHALLENGE, 1, long_one, sizeof(long_one),
		 MAILAUTH_E_LIMIT, "", "malformed"},
		{"challenge too long", long_one, sizeof(long_one), "tim " RFC_DIGEST, 36,
		 MAILAUTH_E_LIMIT, "", "malformed"},
		{"challenge of the greatest length", long_one, MAILAUTH_MESSAGE_MAX,
		 "tim " RFC_DIGEST, 36, MAILAUTH_E_DENIED, "", "wrong-proof"},
	};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = support_open("", &log);
	struct mailauth_name name;

	support_add(ctx, "tim", "tanstaaftanstaaf");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		support_log_clear(&log);
		memset(&name, 'x', sizeof(name));
		support_status(rows[i].name,
			       mailauth_verify_cram(ctx, NULL, rows[i].challenge,
						    rows[i].challenge_len, rows[i].response,
						    rows[i].response_len, &name),
			       rows[i].want);
		ck_assert_msg(strcmp(name.text, rows[i].user != NULL ? rows[i].user : "") == 0,
			      "%s: got user \"%s\", want \"%s\"", rows[i].name, name.text,
			      rows[i].user);
		check_log(rows[i].name, &log, rows[i].reason);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(verify_plain_checks_the_password)
{
	static char long_one[MAILAUTH_MESSAGE_MAX + 1];
	static const struct {
		const char *name;
		const struct mailauth_request *request;
		const char *user;
		size_t user_len;
		const char *password;
		size_t password_len;
		enum mailauth_status want;
		const char *who;
		const char *reason; /* NULL: "ok" */
	} rows[] = {
#define ROW(n, q, u, p, w, o, y) {n, q, u, sizeof(u) - 1, p, sizeof(p) - 1, w, o, y}
		ROW("right", &over_tls, "alice", RIGHT, MAILAUTH_OK, ALICE, NULL),
		ROW("crypt", &over_tls, "crypt", RIGHT, MAILAUTH_OK, "crypt@example.org", NULL),
		ROW("realm and case", &over_tls, "Alice@Example.Org", RIGHT, MAILAUTH_OK, ALICE,
		    NULL),
		ROW("other realm", &other_realm, "alice", "other " SECRET, MAILAUTH_OK,
		    "alice@other.test", NULL),
		ROW("member", &smtp_only, "alice", RIGHT, MAILAUTH_OK, ALICE, NULL),
		ROW("wrong", &over_tls, "alice", WRONG, MAILAUTH_E_DENIED, "", "wrong-proof"),
		ROW("wrong, NUL behind", &over_tls, "alice", RIGHT "\0", MAILAUTH_E_DENIED, "",
		    "wrong-proof"),
		ROW("crypt, NUL behind", &over_tls, "crypt", RIGHT "\0", MAILAUTH_E_DENIED, "",
		    "wrong-proof"),
		ROW("unknown", &over_tls, "nobody", RIGHT, MAILAUTH_E_DENIED, "", "unknown-user"),
		ROW("locked", &over_tls, "locked", RIGHT, MAILAUTH_E_DENIED, "", "locked"),
		ROW("expired", &over_tls, "expires-today", RIGHT, MAILAUTH_E_DENIED, "", "expired"),
		ROW("must change", &over_tls, "must-change", RIGHT, MAILAUTH_E_DENIED, "",
		    "must-change"),
		ROW("inactive", &over_tls, "past-inactive", RIGHT, MAILAUTH_E_DENIED, "",
		    "password-expired"),
		ROW("not in group", &smtp_only, "groupless", RIGHT, MAILAUTH_E_DENIED, "",
		    "not-in-group"),
		ROW("no secret", &over_tls, "empty", RIGHT, MAILAUTH_E_DENIED, "", "no-secret"),
		ROW("bad name", &over_tls, "al ice", RIGHT, MAILAUTH_E_DENIED, "", "bad-name"),
		ROW("NUL in the name", &over_tls, "alice\0", RIGHT, MAILAUTH_E_DENIED, "",
		    "bad-name"),
		ROW("no name", &over_tls, "", RIGHT, MAILAUTH_E_DENIED, "", "malformed"),
		ROW("no password", &over_tls, "alice", "", MAILAUTH_E_DENIED, "", "malformed"),
#undef ROW
		{"NULL, 0", &over_tls, "alice", 5, NULL, 0, MAILAUTH_E_DENIED, "", "malformed"},
		{"password of the greatest length", &over_tls, "alice", 5, long_one,
		 MAILAUTH_PASSWORD_MAX, MAILAUTH_E_DENIED, "", "wrong-proof"},
		{"password too long", &over_tls, "alice", 5, long_one, MAILAUTH_PASSWORD_MAX + 1,
		 MAILAUTH_E_DENIED, "", "malformed"},
		{"password too long for crypt(3)", &over_tls, "crypt", 5, long_one, 512,
		 MAILAUTH_E_DENIED, "", "wrong-proof"},
		{"name of the greatest length", &over_tls, long_one, MAILAUTH_MESSAGE_MAX, RIGHT,
		 sizeof(RIGHT) - 1, MAILAUTH_E_DENIED, "", "bad-name"},
		{"name too long", &over_tls, long_one, sizeof(long_one), RIGHT, sizeof(RIGHT) - 1,
		 MAILAUTH_E_DENIED, "", "malformed"},
	};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_accounts("", &log);
	struct mailauth_name name;
	int64_t day = today();

	memset(long_one, 'a', sizeof(long_one));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && today() == day; i++) {
		support_log_clear(&log);
		memset(&name, 'x', sizeof(name));
		support_status(rows[i].name,
			       mailauth_verify_plain(ctx, rows[i].request, rows[i].user,
						     rows[i].user_len, rows[i].password,
						     rows[i].password_len, &name),
			       rows[i].want);
		ck_assert_msg(strcmp(name.text, rows[i].who) == 0,
			      "%s: got user \"%s\", want \"%s\"", rows[i].name, name.text,
			      rows[i].who);
		check_log(rows[i].name, &log, rows[i].reason);
	}
	support_status(
		"without a name",
		mailauth_verify_plain(ctx, &over_tls, "alice", 5, RIGHT, strlen(RIGHT), NULL),
		MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(verify_plain_needs_tls)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_name name = {"x"};

	support_add(ctx, "alice", RIGHT);
	support_status("tls",
		       mailauth_verify_plain(ctx, NULL, "alice", 5, RIGHT, strlen(RIGHT), &name),
		       MAILAUTH_E_UNSUPPORTED);
	ck_assert_str_eq(name.text, "");
	mailauth_free(&ctx);
	support_reset();
	ctx = support_open("plaintext = always\n", NULL);
	support_add(ctx, "alice", RIGHT);
	support_status("always",
		       mailauth_verify_plain(ctx, NULL, "alice", 5, RIGHT, strlen(RIGHT), &name),
		       MAILAUTH_OK);
	ck_assert_str_eq(name.text, ALICE);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(one_shot_calls_refuse_bad_arguments)
{
	struct mailauth_request small = over_tls;
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_name name = {"x"};

	small.size = 0;
	support_status("plain: no context",
		       mailauth_verify_plain(NULL, &over_tls, "a", 1, "b", 1, &name),
		       MAILAUTH_E_USAGE);
	ck_assert_str_eq(name.text, "");
	support_status("plain: wrong size",
		       mailauth_verify_plain(ctx, &small, "a", 1, "b", 1, &name), MAILAUTH_E_USAGE);
	support_status("plain: no user",
		       mailauth_verify_plain(ctx, &over_tls, NULL, 1, "b", 1, &name),
		       MAILAUTH_E_USAGE);
	support_status("plain: no password",
		       mailauth_verify_plain(ctx, &over_tls, "a", 1, NULL, 1, &name),
		       MAILAUTH_E_USAGE);
	name.text[0] = 'x';
	support_status("cram: no context", mailauth_verify_cram(NULL, NULL, "<>", 2, "b", 1, &name),
		       MAILAUTH_E_USAGE);
	ck_assert_str_eq(name.text, "");
	support_status("cram: wrong size",
		       mailauth_verify_cram(ctx, &small, "<>", 2, "b", 1, &name), MAILAUTH_E_USAGE);
	support_status("cram: no challenge",
		       mailauth_verify_cram(ctx, NULL, NULL, 2, "b", 1, &name), MAILAUTH_E_USAGE);
	support_status("cram: empty challenge",
		       mailauth_verify_cram(ctx, NULL, "<>", 0, "b", 1, &name), MAILAUTH_E_USAGE);
	support_status("cram: no response",
		       mailauth_verify_cram(ctx, NULL, "<>", 2, NULL, 1, &name), MAILAUTH_E_USAGE);
	support_status("cram: NULL, 0", mailauth_verify_cram(ctx, NULL, "<>", 2, NULL, 0, &name),
		       MAILAUTH_E_PROTOCOL);
	mailauth_free(&ctx);
}
END_TEST

/* ---- log --------------------------------------------------------------------------------- */

static void check_line(const char *text, const char *want)
{
	const char *end = strchr(text, '\n');

	ck_assert_msg(end != NULL && end[1] == '\0', "got %s, want one line", text);
	ck_assert_msg(strstr(text, want) != NULL, "got %s, want %s in it", text, want);
	for (const char *c = text; c < end; c++)
		ck_assert_msg(*c >= ' ' && *c <= '~', "got byte 0x%02x in %s", (unsigned char)*c,
			      text);
}

/* A name of a host comes from whoever owns its addresses. */
START_TEST(log_escapes_what_the_caller_passes_on)
{
	static const char forged[] = "a\nlogin: result=ok\x1b[2J\xff\xe2\x80\xa8%n \"\\";
	static const char want[] =
		"=a\\x0alogin:\\x20result=ok\\x1b[2J\\xff\\xe2\\x80\\xa8%n\\x20\\x22\\x5c ";
	struct mailauth_request request = over_tls;
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = support_open("", &log);
	static char endless[10001];

	memset(endless, '\n', sizeof(endless) - 1);
	for (int i = 0; i < 2; i++) {
		char pair[sizeof(want) + 8];

		support_log_clear(&log);
		request.service = i == 0 ? forged : "smtp";
		request.peer = i == 1 ? forged : "192.0.2.1";
		support_status("forged",
			       mailauth_verify_plain(ctx, &request, "alice", 5, WRONG,
						     strlen(WRONG), NULL),
			       MAILAUTH_E_DENIED);
		(void)snprintf(pair, sizeof(pair), "%s%s", i == 0 ? "service" : "peer", want);
		check_line(log.text, pair);
	}
	request.peer = endless;
	support_log_clear(&log);
	support_status("endless",
		       mailauth_verify_plain(ctx, &request, "alice", 5, WRONG, strlen(WRONG), NULL),
		       MAILAUTH_E_DENIED);
	ck_assert_uint_eq(log.n, 1);
	check_line(log.text, "peer=\\x0a\\x0a");
	check_line(log.text, " user=alice");
	mailauth_free(&ctx);
}
END_TEST

START_TEST(log_escapes_what_the_client_sent)
{
	static const struct {
		const char *typed;
		const char *want;
	} rows[] = {
		{"a\nresult=ok", "user=a\\x0aresult=ok\n"},
		{"a\r\n", "user=a\\x0d\\x0a\n"},
		{"a b", "user=a\\x20b\n"},
		{"a\"b", "user=a\\x22b\n"},
		{"a\\ n", "user=a\\x5c\\x20n\n"},
		{"\x01\x1b[31m\x7f", "user=\\x01\\x1b[31m\\x7f\n"},
		{"\xff\xc3", "user=\\xff\\xc3\n"},
		{"\xc3\xa4 b", "user=\\xc3\\xa4\\x20b\n"},
		{"\xe2\x80\xa8", "user=\\xe2\\x80\\xa8\n"},
		{"\xc2\x85", "user=\\xc2\\x85\n"},
		{"%n %s", "user=%n\\x20%s\n"},
	};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = support_open("", &log);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		support_log_clear(&log);
		support_status(rows[i].want,
			       mailauth_verify_plain(ctx, &over_tls, rows[i].typed,
						     strlen(rows[i].typed), WRONG, strlen(WRONG),
						     NULL),
			       MAILAUTH_E_DENIED);
		check_log(rows[i].want, &log, "bad-name");
		check_line(log.text, rows[i].want);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(log_line_tells_who_asked)
{
	struct mailauth_request request = over_tls;
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = support_open("", &log);

	support_add(ctx, "alice", RIGHT);
	request.service = "smtp";
	request.peer = "192.0.2.1 user=\"root\"\n";
	support_status("alice",
		       mailauth_verify_plain(ctx, &request, "Alice", 5, RIGHT, strlen(RIGHT), NULL),
		       MAILAUTH_OK);
	check_line(log.text, "result=ok reason=ok mech=PLAIN service=smtp "
			     "peer=192.0.2.1\\x20user=\\x22root\\x22\\x0a store=");
	check_line(log.text, " user=alice@example.org\n");
	mailauth_free(&ctx);
}
END_TEST

/* What is typed must not push the rest out of the line. */
START_TEST(log_line_of_an_endless_name_keeps_the_reason)
{
	static char name[MAILAUTH_MESSAGE_MAX];
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = support_open("", &log);

	memset(name, '\n', sizeof(name));
	support_status("long name",
		       mailauth_verify_plain(ctx, &over_tls, name, sizeof(name), WRONG,
					     strlen(WRONG), NULL),
		       MAILAUTH_E_DENIED);
	ck_assert_msg(strncmp(log.text, "result=denied reason=bad-name mech=PLAIN store=", 47) == 0,
		      "got %s", log.text);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(log_level_is_kept)
{
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = support_open("", &log);
	static const struct {
		enum mailauth_log_level level;
		unsigned int want;
	} rows[] = {{MAILAUTH_LOG_ERROR, 0},
		    {MAILAUTH_LOG_WARN, 0},
		    {MAILAUTH_LOG_INFO, 1},
		    {MAILAUTH_LOG_DEBUG, 1}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		support_log_clear(&log);
		mailauth_set_logger(ctx, support_log, &log, rows[i].level);
		support_status("nobody",
			       mailauth_verify_plain(ctx, &over_tls, "nobody", 6, WRONG, 5, NULL),
			       MAILAUTH_E_DENIED);
		ck_assert_msg(log.n == rows[i].want, "level %d: got %u lines, want %u",
			      (int)rows[i].level, log.n, rows[i].want);
	}
	support_log_clear(&log);
	mailauth_set_logger(ctx, NULL, NULL, MAILAUTH_LOG_DEBUG);
	support_status("nobody", mailauth_verify_plain(ctx, &over_tls, "nobody", 6, WRONG, 5, NULL),
		       MAILAUTH_E_DENIED);
	ck_assert_uint_eq(log.n, 0);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api verify");
	TCase *tcase = tcase_create("verify");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, accepts_rfc_2195_example);
	tcase_add_test(tcase, verify_cram_checks_the_response);
	tcase_add_test(tcase, verify_plain_checks_the_password);
	tcase_add_test(tcase, verify_plain_needs_tls);
	tcase_add_test(tcase, one_shot_calls_refuse_bad_arguments);
	tcase_add_test(tcase, log_escapes_what_the_caller_passes_on);
	tcase_add_test(tcase, log_escapes_what_the_client_sent);
	tcase_add_test(tcase, log_line_tells_who_asked);
	tcase_add_test(tcase, log_line_of_an_endless_name_keeps_the_reason);
	tcase_add_test(tcase, log_level_is_kept);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
