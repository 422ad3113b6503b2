/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_password.c - what a password change derives
 *
 * Which passwords are taken, which secrets they leave for which mechanisms, and the account's
 * state.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "support.h"
#include "users.h"

START_TEST(checks_passwords)
{
	static char long_one[MAILAUTH_PASSWORD_MAX + 1];
	static const struct {
		const char *name;
		const char *mechs;
		const char *password;
		size_t len;
		enum mailauth_status want;
	} rows[] = {
		{"empty", "", "", 0, MAILAUTH_E_USAGE},
		{"NULL, 0", "", NULL, 0, MAILAUTH_E_USAGE},
		{"NULL, 1", "", NULL, 1, MAILAUTH_E_USAGE},
		{"one byte", "", "x", 1, MAILAUTH_OK},
		{"a space", "", " ", 1, MAILAUTH_OK},
		{"UTF-8", "", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x94\x91", 9, MAILAUTH_OK},
		{"longest", "", long_one, MAILAUTH_PASSWORD_MAX, MAILAUTH_OK},
		{"too long", "", long_one, sizeof(long_one), MAILAUTH_E_LIMIT},
		{"NUL inside", "", "a\0b", 3, MAILAUTH_E_USAGE},
		{"NUL at the end", "", "ab", 3, MAILAUTH_E_USAGE},
		{"Latin-1", "", "\xe4", 1, MAILAUTH_E_USAGE},
		{"overlong UTF-8", "", "\xc0\xaf", 2, MAILAUTH_E_USAGE},
		{"surrogate", "", "\xed\xa0\x80", 3, MAILAUTH_E_USAGE},
		{"longest for crypt(3)", "PLAIN", long_one, 511, MAILAUTH_OK},
		{"too long for crypt(3)", "PLAIN", long_one, 512, MAILAUTH_E_LIMIT},
		{"too long for crypt(3), which is not asked", "PLAIN CRAM-MD5", long_one, 512,
		 MAILAUTH_OK},
	};
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx = support_open(cheap_crypt, &log);

	memset(long_one, 'p', sizeof(long_one));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_user *user = new_user(ctx, "alice");
		bool taken = rows[i].want == MAILAUTH_OK;

		support_log_clear(&log);
		set_text(user, MAILAUTH_TEXT_MECHS, rows[i].mechs);
		support_status(rows[i].name,
			       mailauth_user_set_password(user, rows[i].password, rows[i].len),
			       rows[i].want);
		ck_assert_msg((mailauth_user_secret(user, 0) != NULL) == taken, "%s: got secret %s",
			      rows[i].name, mailauth_user_secret(user, 0));
		ck_assert_msg((mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE) >= 0) ==
				      taken,
			      "%s: last change is wrong", rows[i].name);
		ck_assert_msg((log.n > 0) == (!taken && rows[i].password != NULL) ||
				      rows[i].len == 0,
			      "%s: got %u log lines", rows[i].name, log.n);
		support_status(rows[i].name, mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
		if (taken)
			support_status(rows[i].name,
				       mailauth_verify_plain(ctx, &over_tls, "alice", 5,
							     rows[i].password, rows[i].len, NULL),
				       MAILAUTH_OK);
		support_status(rows[i].name, mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

static void check_served(const char *name, const struct mailauth_user *user, const char *want)
{
	char got[512] = "";

	for (size_t i = 0; i < mailauth_mech_count(); i++) {
		const char *why = "x";
		bool can = mailauth_user_can(user, mailauth_mech_name(i), &why);

		ck_assert_msg((why == NULL) == can, "%s, %s: why is %s", name,
			      mailauth_mech_name(i), why);
		if (can)
			(void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s",
				       got[0] != '\0' ? " " : "", mailauth_mech_name(i));
	}
	ck_assert_msg(strcmp(got, want) == 0, "\"%s\": got %s, want %s", name, got, want);
}

/* As strong as its weakest: no slow hash beside a fast one, no fast one where a slow one will do.
 */
START_TEST(derives_what_the_mechanisms_need)
{
	static const struct {
		const char *config;
		const char *mechs;
		int recoverable;
		const char *secrets;
		const char *weakest;
		const char *serves;
	} rows[] = {
		{"", "", 0, ALL_SECRETS, "cram-md5",
		 "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 "
		 "SCRAM-SHA-256-PLUS"},
		{"", "", 1, "cram-md5 digest-md5 scram-sha-1 scram-sha-256 password sasl-plain",
		 "password",
		 "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 APOP SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 "
		 "SCRAM-SHA-256-PLUS"},
		{"", "PLAIN CRAM-MD5", 0, "cram-md5 sasl-plain", "cram-md5",
		 "PLAIN LOGIN CRAM-MD5"},
		{"", "CRAM-MD5 PLAIN CRAM-MD5", 0, "cram-md5 sasl-plain", "cram-md5",
		 "PLAIN LOGIN CRAM-MD5"},
		{"", "CRAM-MD5", 0, "cram-md5", "cram-md5", "PLAIN LOGIN CRAM-MD5"},
		{"", "DIGEST-MD5", 0, "digest-md5", "digest-md5", "PLAIN LOGIN DIGEST-MD5"},
		{"", "PLAIN", 0, "crypt", "crypt", "PLAIN LOGIN"},
		{"", "LOGIN", 0, "crypt", "crypt", "PLAIN LOGIN"},
		{"", "PLAIN SCRAM-SHA-256", 0, "scram-sha-256", "scram-sha-256",
		 "PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS"},
		{"", "SCRAM-SHA-512", 0, "scram-sha-512", "scram-sha-512",
		 "PLAIN LOGIN SCRAM-SHA-512 SCRAM-SHA-512-PLUS"},
		{"", "SCRAM-SHA-1-PLUS", 0, "scram-sha-1", "scram-sha-1",
		 "PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-1-PLUS"},
		{"", "PLAIN", 1, "password sasl-plain", "password", "PLAIN LOGIN APOP"},
		{"", "APOP", 1, "password", "password", "PLAIN LOGIN APOP"},
		{"", "CRAM-MD5", 1, "cram-md5 password", "password", "PLAIN LOGIN CRAM-MD5 APOP"},
		{"mechanisms = PLAIN\n", "", 0, "crypt", "crypt", "PLAIN LOGIN"},
		{"mechanisms = PLAIN\n", "CRAM-MD5", 0, "cram-md5", "cram-md5",
		 "PLAIN LOGIN CRAM-MD5"},
		{"mechanisms = cram-md5, plain\n", "", 0, "cram-md5 sasl-plain", "cram-md5",
		 "PLAIN LOGIN CRAM-MD5"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char config[256];
		struct mailauth *ctx;
		struct mailauth_user *user;

		(void)snprintf(config, sizeof(config), "%s%s", cheap_crypt, rows[i].config);
		support_reset();
		ctx = support_open(config, NULL);
		user = new_user(ctx, "alice");
		set_text(user, MAILAUTH_TEXT_MECHS, rows[i].mechs);
		set_number(user, MAILAUTH_NUMBER_RECOVERABLE, rows[i].recoverable);
		support_status("password", set_password(user, "secret"), MAILAUTH_OK);
		support_status("add", mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
		user = get_user(ctx, "alice");
		check_secrets(rows[i].mechs, user, rows[i].secrets);
		ck_assert_str_eq(mailauth_user_weakest(user), rows[i].weakest);
		check_served(rows[i].mechs, user, rows[i].serves);
		support_status("login", login(ctx, "alice", "secret"), MAILAUTH_OK);
		mailauth_user_free(&user);
		mailauth_free(&ctx);
	}
}
END_TEST

static void check_why(const struct mailauth_user *user, const char *mech, const char *want)
{
	const char *why = "x";
	bool can = mailauth_user_can(user, mech, &why);

	ck_assert_msg(can == (want == NULL), "%s: got %d, want %d", mech, can, want == NULL);
	ck_assert_msg((why == NULL) == (want == NULL) && (why == NULL || strcmp(why, want) == 0),
		      "%s: got \"%s\", want \"%s\"", mech, why != NULL ? why : "none",
		      want != NULL ? want : "none");
	ck_assert_int_eq(mailauth_user_can(user, mech, NULL), can);
}

START_TEST(says_why_a_mechanism_cannot_be_served)
{
	struct mailauth *ctx = support_open(cheap_crypt, NULL);
	struct mailauth_user *user = new_user(ctx, "alice");

	check_why(user, "PLAIN", "no password is set");
	check_why(user, "X-NONE", "this build does not have it");
	ck_assert_ptr_null(mailauth_user_weakest(user));
	ck_assert_ptr_null(mailauth_user_secret(user, 0));

	support_status("crypt", mailauth_user_set_crypt(user, SHA512), MAILAUTH_OK);
	check_why(user, "PLAIN", NULL);
	check_why(user, "CRAM-MD5", "there is only a crypt hash; set the password anew");

	set_text(user, MAILAUTH_TEXT_MECHS, "PLAIN");
	support_status("password", set_password(user, "secret"), MAILAUTH_OK);
	check_why(user, "PLAIN", NULL);
	check_why(user, "CRAM-MD5", "its list of mechanisms leaves it out");

	set_number(user, MAILAUTH_NUMBER_RECOVERABLE, 1);
	support_status("password", set_password(user, "secret"), MAILAUTH_OK);
	check_why(user, "CRAM-MD5", "its list of mechanisms leaves it out");
	set_text(user, MAILAUTH_TEXT_MECHS, "");
	check_why(user, "CRAM-MD5", "there is no secret for it yet; set the password anew");
	support_status("password", set_password(user, "secret"), MAILAUTH_OK);
	check_why(user, "cram-md5", NULL);
	check_why(user, "APOP", NULL);
	check_why(user, "SCRAM-SHA-512", "its list of mechanisms leaves it out");
	set_number(user, MAILAUTH_NUMBER_RECOVERABLE, 0);
	support_status("password", set_password(user, "secret"), MAILAUTH_OK);
	check_why(user, "APOP", "it needs the password kept, and the account is not recoverable");
	set_text(user, MAILAUTH_TEXT_MECHS, "SCRAM-SHA-512-PLUS");
	check_why(user, "SCRAM-SHA-512-PLUS",
		  "there is no secret for it yet; set the password anew");
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(takes_over_crypt_strings)
{
	static const struct {
		const char *name;
		const char *hash;
		bool usable;
	} rows[] = {
		{"sha512crypt", SHA512, true},
		{"md5crypt", MD5CRYPT, true},
		{"empty", "", false},
		{"locked", "!" SHA512, false},
		{"star", "*", false},
		{"failure token", "*0", false},
		{"unknown method", "$zz$salt$hash", false},
		{"too dear", "$6$rounds=999999999$saltsalt$x", false},
		{"line break", SHA512 "\n", false},
		{"NULL", NULL, false},
	};
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx = support_open("", &log);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_user *user = new_user(ctx, "alice");
		enum mailauth_status want = rows[i].usable ? MAILAUTH_OK : MAILAUTH_E_USAGE;

		support_log_clear(&log);
		support_status("old", set_password(user, "old"), MAILAUTH_OK);
		set_number(user, MAILAUTH_NUMBER_LAST_CHANGE, 0);
		support_status(rows[i].name, mailauth_user_set_crypt(user, rows[i].hash), want);
		check_secrets(rows[i].name, user, rows[i].usable ? "crypt" : ALL_SECRETS);
		ck_assert_msg((mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE) != 0) ==
				      rows[i].usable,
			      "%s: last change is wrong", rows[i].name);
		set_number(user, MAILAUTH_NUMBER_LAST_CHANGE, -1);
		support_status(rows[i].name, mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
		support_status(rows[i].name, login(ctx, "alice", "password"),
			       rows[i].usable ? MAILAUTH_OK : MAILAUTH_E_DENIED);
		support_status(rows[i].name, login(ctx, "alice", "old"),
			       rows[i].usable ? MAILAUTH_E_DENIED : MAILAUTH_OK);
		support_status(rows[i].name, mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(clearing_the_secrets_keeps_the_account)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user;

	support_add(ctx, "alice", "secret");
	support_status("clear", mailauth_user_update(ctx, "alice", clear_secrets, NULL),
		       MAILAUTH_OK);
	support_status("login", login(ctx, "alice", "secret"), MAILAUTH_E_DENIED);
	user = get_user(ctx, "alice");
	check_secrets("cleared", user, "");
	ck_assert_str_eq(mailauth_user_state(user), "no-secret");
	support_status("again", set_password(user, "secret"), MAILAUTH_OK);
	check_secrets("again", user, ALL_SECRETS);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(configuration_makes_new_accounts_recoverable)
{
	struct mailauth *ctx = support_open("recoverable = yes\n", NULL);
	struct mailauth_user *user = new_user(ctx, "alice");

	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_RECOVERABLE), 1);
	support_status("password", set_password(user, "secret"), MAILAUTH_OK);
	check_secrets("kept", user,
		      "cram-md5 digest-md5 scram-sha-1 scram-sha-256 password sasl-plain");
	set_number(user, MAILAUTH_NUMBER_RECOVERABLE, 0);
	support_status("password", set_password(user, "secret"), MAILAUTH_OK);
	check_secrets("not kept", user, ALL_SECRETS);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(states_follow_shadow)
{
	static const struct {
		const char *name;
		int locked;
		int64_t expire; /* 0: never; else days from today + 1000 */
		int64_t last;	/* 0: must change; else days from today + 1000 */
		int64_t max;
		int64_t inactive;
		bool has_password;
		const char *want;
	} rows[] = {
		{"fresh", 0, 0, 1000, -1, -1, true, NULL},
		{"locked", 1, 0, 1000, -1, -1, true, "locked"},
		{"locked before expired", 1, 999, 1000, -1, -1, true, "locked"},
		{"expired", 0, 999, 1000, -1, -1, true, "expired"},
		{"expired before must change", 0, 999, 0, -1, -1, true, "expired"},
		{"expires later", 0, 1002, 1000, -1, -1, true, NULL},
		{"must change", 0, 0, 0, -1, -1, true, "must-change"},
		{"past max", 0, 0, 980, 10, -1, true, "must-change"},
		{"past inactive", 0, 0, 980, 10, 5, true, "password-expired"},
		{"no password", 0, 0, 1000, -1, -1, false, "no-secret"},
		{"locked, no password", 1, 0, 1000, -1, -1, false, "locked"},
	};
	struct mailauth *ctx = support_open("", NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_user *user = new_user(ctx, "alice");
		const char *got;

		if (rows[i].has_password)
			support_status(rows[i].name, set_password(user, "secret"), MAILAUTH_OK);
		set_number(user, MAILAUTH_NUMBER_LOCKED, rows[i].locked);
		set_number(user, MAILAUTH_NUMBER_EXPIRE,
			   rows[i].expire == 0 ? -1 : today() - 1000 + rows[i].expire);
		set_number(user, MAILAUTH_NUMBER_LAST_CHANGE,
			   rows[i].last == 0 ? 0 : today() - 1000 + rows[i].last);
		set_number(user, MAILAUTH_NUMBER_MAX, rows[i].max);
		set_number(user, MAILAUTH_NUMBER_INACTIVE, rows[i].inactive);
		got = mailauth_user_state(user);
		ck_assert_msg((got == NULL) == (rows[i].want == NULL) &&
				      (got == NULL || strcmp(got, rows[i].want) == 0),
			      "%s: got %s, want %s", rows[i].name, got != NULL ? got : "active",
			      rows[i].want != NULL ? rows[i].want : "active");
		mailauth_user_free(&user);
	}
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api password");
	TCase *tcase = tcase_create("password");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, checks_passwords);
	tcase_add_test(tcase, derives_what_the_mechanisms_need);
	tcase_add_test(tcase, says_why_a_mechanism_cannot_be_served);
	tcase_add_test(tcase, takes_over_crypt_strings);
	tcase_add_test(tcase, clearing_the_secrets_keeps_the_account);
	tcase_add_test(tcase, configuration_makes_new_accounts_recoverable);
	tcase_add_test(tcase, states_follow_shadow);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
