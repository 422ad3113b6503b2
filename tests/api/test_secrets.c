/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_secrets.c - secrets as text, from and to other systems; verifiers that are added
 */
#include <ctype.h>

#include "accounts.h"

static const char sha512[] = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"
			     "jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/";

#define HEX32 "0123456789abcdef0123456789ABCDEF"

static struct mailauth_user *new_alice(struct mailauth *ctx)
{
	struct mailauth_user *user;

	support_status("new", mailauth_user_new(ctx, ALICE, &user), MAILAUTH_OK);
	return user;
}

static size_t index_of(const struct mailauth_user *user, const char *kind)
{
	size_t i = 0;

	while (mailauth_user_secret(user, i) != NULL &&
	       strcmp(mailauth_user_secret(user, i), kind) != 0)
		i++;
	return i;
}

/* Every secret of one account, as text, makes the same account elsewhere. */
START_TEST(text_and_back_loses_nothing)
{
	struct mailauth *ctx = support_open("recoverable = yes\n"
					    "digest_realms = more.test\nmechanisms = "
					    "PLAIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 "
					    "SCRAM-SHA-512 APOP\n",
					    NULL);
	struct mailauth_user *from = new_alice(ctx);
	struct mailauth_user *to = new_alice(ctx);
	char text[MAILAUTH_SECRET_TEXT_MAX];
	char copy[MAILAUTH_SECRET_TEXT_MAX];
	size_t n = 0;

	support_status("password", mailauth_user_set_password(from, "schl\xc3\xbcssel", 10),
		       MAILAUTH_OK);
	for (size_t i = 0; mailauth_user_secret(from, i) != NULL; i++)
		for (size_t part = 0; mailauth_user_secret_text(from, i, part, text) == MAILAUTH_OK;
		     part++, n++)
			support_status(
				text,
				mailauth_user_put_secret(to, mailauth_user_secret(from, i), text),
				MAILAUTH_OK);
	/* cram-md5, 3 scram, sasl-plain, password; digest-md5: 3 realms, 2 forms */
	ck_assert_uint_eq(n, 6 + 6);
	for (size_t i = 0; mailauth_user_secret(from, i) != NULL; i++) {
		ck_assert_str_eq(mailauth_user_secret(to, i), mailauth_user_secret(from, i));
		for (size_t part = 0; mailauth_user_secret_text(from, i, part, text) == MAILAUTH_OK;
		     part++) {
			support_status("copy", mailauth_user_secret_text(to, i, part, copy),
				       MAILAUTH_OK);
			ck_assert_str_eq(copy, text);
		}
	}
	support_status("add", mailauth_user_add(to), MAILAUTH_OK);
	support_status("login",
		       mailauth_verify_plain(ctx, &over_tls, ALICE, strlen(ALICE),
					     "schl\xc3\xbcssel", 10, NULL),
		       MAILAUTH_OK);
	support_status("beyond", mailauth_user_secret_text(to, 99, 0, text), MAILAUTH_E_NOTFOUND);
	ck_assert_str_eq(text, "");
	support_status("no room", mailauth_user_secret_text(to, 0, 0, NULL), MAILAUTH_E_USAGE);
	mailauth_user_free(&from);
	mailauth_user_free(&to);
	mailauth_free(&ctx);
}
END_TEST

/* RFC 2195, 2831, 5802, 7677 and crypt(5); what other systems store for the passwords there. */
START_TEST(takes_known_answers)
{
	static const struct {
		const char *kind;
		const char *text;
	} rows[] = {
		{"cram-md5", "5211b25404b61f715e033eca6b1115701b4e6dd0a4cafc260118b6b0a3402313"},
		{"digest-md5", "alice:example.org:" HEX32},
		{"digest-md5", "alice@example.org::" HEX32 ":" HEX32},
		{"scram-sha-1", "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
				"D+CSWLOshSulAsxiupA+qs2/fTE="},
		{"crypt", sha512},
		{"sasl-plain", HEX32 HEX32},
	};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user = new_alice(ctx);
	char text[MAILAUTH_SECRET_TEXT_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool found = false;

		support_status(rows[i].text,
			       mailauth_user_put_secret(user, rows[i].kind, rows[i].text),
			       MAILAUTH_OK);
		for (size_t part = 0; mailauth_user_secret_text(user, index_of(user, rows[i].kind),
								part, text) == MAILAUTH_OK;
		     part++)
			found |= strcasecmp(text, rows[i].text) == 0;
		ck_assert_msg(found, "%s is not there again", rows[i].text);
	}
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE), -1);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(refuses_what_is_malformed)
{
	static const struct {
		const char *kind;
		const char *text;
		const char *log;
	} rows[] = {
		{"none", "x", "does not have"},
		{"", "x", "does not have"},
		{"CRAM-MD5", HEX32 HEX32, "does not have"},
		{"cram-md5", "", "CRAM-MD5 state"},
		{"cram-md5", HEX32, "hexadecimal"},
		{"cram-md5", HEX32 HEX32 "0", "hexadecimal"},
		{"cram-md5", HEX32 "0123456789abcdef0123456789ABCDEg", "hexadecimal"},
		{"sasl-plain", HEX32 HEX32 HEX32, "hexadecimal"},
		{"digest-md5", "", "USER:REALM:HASH"},
		{"digest-md5", "alice", "USER:REALM:HASH"},
		{"digest-md5", "alice:example.org", "USER:REALM:HASH"},
		{"digest-md5", "bob:example.org:" HEX32, "USER:REALM:HASH"},
		{"digest-md5", "alice@other.test:example.org:" HEX32, "USER:REALM:HASH"},
		{"digest-md5", "alice:example.org:" HEX32 "0", "USER:REALM:HASH"},
		{"digest-md5", "alice:example.org:" HEX32 ":", "USER:REALM:HASH"},
		{"digest-md5", "alice:example.org:" HEX32 ":" HEX32 ":" HEX32, "USER:REALM:HASH"},
		{"digest-md5", "alice:\xff:" HEX32, "USER:REALM:HASH"},
		{"scram-sha-1", "SCRAM-SHA-256$4096:QSXC$AA==:AA==", "SCHEME$"},
		{"scram-sha-1", "SCRAM-SHA-1$0:QSXC$AA==:AA==", "SCHEME$"},
		{"scram-sha-1", "SCRAM-SHA-1$1000001:QSXC$AA==:AA==", "SCHEME$"},
		{"scram-sha-1", "SCRAM-SHA-1$99999999999999999999:QSXC$AA==:AA==", "SCHEME$"},
		{"scram-sha-1", "SCRAM-SHA-1$4096:QSXC", "SCHEME$"},
		{"scram-sha-1", "SCRAM-SHA-1$4096:QSXC$AA==:AA==", "right length"},
		{"scram-sha-1",
		 "SCRAM-SHA-1$4096:$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
		 "D+CSWLOshSulAsxiupA+qs2/fTE=",
		 "right length"},
		{"scram-sha-1",
		 "SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$6dlGYMOdZcOPutkcNY8U2g7vK9Y=:"
		 "D+CSWLOshSulAsxiupA+qs2/fTE=x",
		 "right length"},
		{"crypt", "secret", "crypt(3) string"},
		{"crypt", "*", "no login"},
		{"crypt", "!$6$x", "no login"},
		{"crypt", "$6$saltsalt", "whole hash"},
		{"crypt", "$6$rounds=999999999$saltsalt$x", "2 s"},
		{"password", "secret", "not recoverable"},
	};
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx = support_open("", &log);
	struct mailauth_user *user = new_alice(ctx);
	char before[MAILAUTH_SECRET_TEXT_MAX];
	char after[MAILAUTH_SECRET_TEXT_MAX];

	support_status("good", mailauth_user_put_secret(user, "cram-md5", HEX32 HEX32),
		       MAILAUTH_OK);
	support_status("text", mailauth_user_secret_text(user, 0, 0, before), MAILAUTH_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		support_log_clear(&log);
		support_status(rows[i].text,
			       mailauth_user_put_secret(user, rows[i].kind, rows[i].text),
			       MAILAUTH_E_USAGE);
		ck_assert_msg(strstr(log.text, rows[i].log) != NULL, "%s %s: log is \"%s\"",
			      rows[i].kind, rows[i].text, log.text);
		ck_assert_ptr_nonnull(strstr(log.text, "alice@example.org"));
	}
	ck_assert_ptr_null(mailauth_user_secret(user, 1));
	support_status("text", mailauth_user_secret_text(user, 0, 0, after), MAILAUTH_OK);
	ck_assert_str_eq(after, before);
	support_status("NULL", mailauth_user_put_secret(user, "crypt", NULL), MAILAUTH_E_USAGE);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

/* A hash of one form answers for that form alone. */
START_TEST(one_digest_hash_serves_one_form)
{
	static const char name[] = "chris@elwood.innosoft.com";
	static const struct {
		const char *user;
		const char *realm;
		enum mailauth_status want;
	} rows[] = {
		{"chris", "elwood.innosoft.com", MAILAUTH_OK},
		{"chris@elwood.innosoft.com", "elwood.innosoft.com", MAILAUTH_E_DENIED},
	};
	struct mailauth *ctx = support_open("capture = no\n", NULL);
	struct mailauth_user *user;

	support_status("new", mailauth_user_new(ctx, name, &user), MAILAUTH_OK);
	/* RFC 2831 section 4 */
	support_status("put",
		       mailauth_user_put_secret(user, "digest-md5",
						"chris:elwood.innosoft.com:"
						"eb5a750053e4d2c34aa84bbc9b0b6ee7"),
		       MAILAUTH_OK);
	support_status("add", mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_session *session;
		struct support_digest client = {
			.user = rows[i].user, .realm = rows[i].realm, .password = "secret"};
		char message[4096];
		const void *reply;
		size_t len;

		support_status("session", mailauth_session_new(ctx, "DIGEST-MD5", NULL, &session),
			       MAILAUTH_OK);
		support_status("challenge", mailauth_session_step(session, NULL, 0, &reply, &len),
			       MAILAUTH_CONTINUE);
		len = support_digest_md5(&client, reply, len, message, sizeof(message));
		support_status(rows[i].user,
			       mailauth_session_step(session, message, len, &reply, &len),
			       rows[i].want == MAILAUTH_OK ? MAILAUTH_CONTINUE : rows[i].want);
		mailauth_session_free(&session);
	}
	/* The password itself is checked against what is there. */
	support_status("right",
		       mailauth_verify_plain(ctx, &over_tls, name, strlen(name), "secret", 6, NULL),
		       MAILAUTH_OK);
	support_status("wrong",
		       mailauth_verify_plain(ctx, &over_tls, name, strlen(name), "secreT", 6, NULL),
		       MAILAUTH_E_DENIED);
	mailauth_free(&ctx);
}
END_TEST

/* Of a system that does not say in which charset. */
START_TEST(a_single_digest_hash_checks_a_password_in_either_charset)
{
	static const char *const hashes[] = {"f248d6b26a87d5b1a4a26da96d3453fc",
					     "5f0897a6a54e551e30e4f02324481e93"};

	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		struct mailauth *ctx;
		struct mailauth_user *user;
		char text[128];

		support_reset();
		ctx = support_open("capture = no\n", NULL);
		user = new_alice(ctx);
		(void)snprintf(text, sizeof(text), "alice:example.org:%s", hashes[i]);
		support_status(text, mailauth_user_put_secret(user, "digest-md5", text),
			       MAILAUTH_OK);
		support_status("add", mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
		support_status("right",
			       mailauth_verify_plain(ctx, &over_tls, ALICE, strlen(ALICE),
						     "p\xc3\xa4sswort", 9, NULL),
			       MAILAUTH_OK);
		support_status("wrong",
			       mailauth_verify_plain(ctx, &over_tls, ALICE, strlen(ALICE),
						     "p\xc3\xa4sswor", 8, NULL),
			       MAILAUTH_E_DENIED);
		mailauth_free(&ctx);
	}
}
END_TEST

START_TEST(takes_as_many_hashes_as_a_secret_holds)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user = new_alice(ctx);
	char text[MAILAUTH_SECRET_TEXT_MAX];

	for (int i = 0; i < 200; i++) {
		(void)snprintf(text, sizeof(text), "alice%s:realm%d:%032d",
			       i % 2 == 0 ? "" : "@example.org", i % 40, i);
		support_status(text, mailauth_user_put_secret(user, "digest-md5", text),
			       MAILAUTH_OK);
		support_status("other", mailauth_user_put_secret(user, "cram-md5", HEX32 HEX32),
			       MAILAUTH_OK);
	}
	support_status("text", mailauth_user_secret_text(user, 1, 0, text), MAILAUTH_OK);
	ck_assert_int_eq(strncasecmp(text, HEX32 HEX32, 64), 0);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(derives_what_is_missing)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user = new_alice(ctx);
	size_t n = 99;

	support_status("nothing to derive from", mailauth_user_derive(user, NULL, 0, &n),
		       MAILAUTH_E_NOTFOUND);
	ck_assert_uint_eq(n, 0);
	support_status("crypt", mailauth_user_set_crypt(user, sha512), MAILAUTH_OK);
	support_status("day", mailauth_user_set_number(user, MAILAUTH_NUMBER_LAST_CHANGE, 9),
		       MAILAUTH_OK);
	support_status("derive", mailauth_user_derive(user, RIGHT, strlen(RIGHT), &n), MAILAUTH_OK);
	ck_assert_uint_eq(n, 5);
	ck_assert_str_eq(mailauth_user_secret(user, 0), "crypt");
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE), 9);
	support_status("again", mailauth_user_derive(user, RIGHT, strlen(RIGHT), &n), MAILAUTH_OK);
	ck_assert_uint_eq(n, 0);
	support_status("empty", mailauth_user_derive(user, "", 0, NULL), MAILAUTH_E_USAGE);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

/* A password that was kept is dropped with the wish to keep it. */
START_TEST(derives_from_a_kept_password)
{
	struct mailauth *ctx = support_open("recoverable = yes\nmechanisms = CRAM-MD5\n", NULL);
	struct mailauth_user *user = new_alice(ctx);
	size_t n;

	support_status("password", mailauth_user_set_password(user, RIGHT, strlen(RIGHT)),
		       MAILAUTH_OK);
	support_status("list", mailauth_user_set_text(user, MAILAUTH_TEXT_MECHS, "SCRAM-SHA-1"),
		       MAILAUTH_OK);
	support_status("flag", mailauth_user_set_number(user, MAILAUTH_NUMBER_RECOVERABLE, 0),
		       MAILAUTH_OK);
	support_status("derive", mailauth_user_derive(user, NULL, 0, &n), MAILAUTH_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert(mailauth_user_can(user, "SCRAM-SHA-1", NULL));
	ck_assert(!mailauth_user_can(user, "APOP", NULL));
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api_secrets");
	TCase *tcase = tcase_create("secrets");

	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, text_and_back_loses_nothing);
	tcase_add_test(tcase, takes_known_answers);
	tcase_add_test(tcase, refuses_what_is_malformed);
	tcase_add_test(tcase, one_digest_hash_serves_one_form);
	tcase_add_test(tcase, a_single_digest_hash_checks_a_password_in_either_charset);
	tcase_add_test(tcase, takes_as_many_hashes_as_a_secret_holds);
	tcase_add_test(tcase, derives_what_is_missing);
	tcase_add_test(tcase, derives_from_a_kept_password);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
