/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_verifier.c - what is handed to other authentication systems
 *
 * The form of each verifier, the rule of least secret as one table, and decoys: of the right form,
 * always the same for a name, never what an account really holds. The store's failures are in
 * lib/test_verifier.c.
 */
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mailauth/verifier.h>

#include "support.h"
#include "users.h"

#define S	 MAILAUTH_VERIFIER_SASL_PLAIN
#define C	 MAILAUTH_VERIFIER_CRAM_MD5
#define P	 MAILAUTH_VERIFIER_PASSWORD

#define PASSWORD "tanstaaftanstaaf"

struct verifier {
	size_t len;
	uint8_t bytes[MAILAUTH_PASSWORD_MAX];
};

struct given {
	unsigned int kinds;
	unsigned int n_calls;
	struct verifier by_kind[3]; /* S, C, P */
};

static const struct verifier *of_kind(const struct given *given, unsigned int kind)
{
	return &given->by_kind[kind == S ? 0 : kind == C ? 1 : 2];
}

static void keep(void *arg, enum mailauth_verifier kind, const void *p, size_t len)
{
	struct given *given = arg;
	struct verifier *verifier = &given->by_kind[kind == S ? 0 : kind == C ? 1 : 2];

	ck_assert(kind == S || kind == C || kind == P);
	ck_assert_uint_le(len, sizeof(verifier->bytes));
	given->kinds |= kind;
	given->n_calls++;
	verifier->len = len;
	memcpy(verifier->bytes, p, len);
}

static struct given *get_for(struct mailauth *ctx, const struct mailauth_request *request,
			     const char *name, unsigned int wanted, struct given *given)
{
	*given = (struct given){0};
	support_status(name,
		       mailauth_verifier_get(ctx, request, name, strlen(name), wanted, keep, given),
		       MAILAUTH_OK);
	return given;
}

static struct given *get(struct mailauth *ctx, const char *name, unsigned int wanted,
			 struct given *given)
{
	return get_for(ctx, NULL, name, wanted, given);
}

static bool is_same(const struct verifier *a, const struct verifier *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* What libsasl2's lib/checkpw.c computes. */
static bool fits_sasl_plain(const struct verifier *verifier, const char *password)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *md5 = EVP_MD_CTX_new();

	ck_assert_ptr_nonnull(md5);
	ck_assert_int_eq(EVP_DigestInit_ex(md5, EVP_md5(), NULL), 1);
	ck_assert_int_eq(EVP_DigestUpdate(md5, verifier->bytes, 16), 1);
	ck_assert_int_eq(EVP_DigestUpdate(md5, "sasldb", 6), 1);
	ck_assert_int_eq(EVP_DigestUpdate(md5, password, strlen(password)), 1);
	ck_assert_int_eq(EVP_DigestFinal_ex(md5, digest, NULL), 1);
	EVP_MD_CTX_free(md5);
	return verifier->len == 32 && memcmp(verifier->bytes + 16, digest, 16) == 0;
}

static bool fits_cram_md5(const struct verifier *verifier)
{
	uint8_t want[32];

	(void)support_unhex("5211b25404b61f715e033eca6b1115701b4e6dd0a4cafc260118b6b0a3402313",
			    want, sizeof(want));
	return verifier->len == sizeof(want) && memcmp(verifier->bytes, want, sizeof(want)) == 0;
}

static bool fits_password(const struct verifier *verifier)
{
	return verifier->len == strlen(PASSWORD) && memcmp(verifier->bytes, PASSWORD, 16) == 0;
}

static unsigned int real_ones(const struct given *given)
{
	unsigned int real = 0;

	if ((given->kinds & S) != 0 && fits_sasl_plain(of_kind(given, S), PASSWORD))
		real |= S;
	if ((given->kinds & C) != 0 && fits_cram_md5(of_kind(given, C)))
		real |= C;
	if ((given->kinds & P) != 0 && fits_password(of_kind(given, P)))
		real |= P;
	return real;
}

static void check_form(const char *name, const struct given *given)
{
	ck_assert_msg((given->kinds & S) == 0 || of_kind(given, S)->len == 32,
		      "%s: got sasl-plain of %zu bytes, want 32", name, of_kind(given, S)->len);
	ck_assert_msg((given->kinds & C) == 0 || of_kind(given, C)->len == 32,
		      "%s: got cram-md5 of %zu bytes, want 32", name, of_kind(given, C)->len);
	if ((given->kinds & P) == 0)
		return;
	ck_assert_msg(of_kind(given, P)->len > 0, "%s: got an empty password", name);
	for (size_t i = 0; i < of_kind(given, P)->len; i++)
		ck_assert_msg(
			of_kind(given, P)->bytes[i] > ' ' && of_kind(given, P)->bytes[i] <= '~',
			"%s: got byte 0x%02x in a password", name, of_kind(given, P)->bytes[i]);
}

/* ---- accounts ---------------------------------------------------------------------------- */

enum change { CHANGE_NOTHING, CHANGE_LOCK, CHANGE_EXPIRE, CHANGE_FORCE, CHANGE_CLEAR };

static const struct {
	const char *name;
	const char *mechs;
	int recoverable;
	enum change change;
} accounts[] = {
	{"both", "", 0, CHANGE_NOTHING},
	{"all", "", 1, CHANGE_NOTHING},
	{"password-plain", "PLAIN", 1, CHANGE_NOTHING},
	{"password-cram", "CRAM-MD5", 1, CHANGE_NOTHING},
	{"crypt", "PLAIN", 0, CHANGE_NOTHING},
	{"cram", "CRAM-MD5", 0, CHANGE_NOTHING},
	{"locked", "", 1, CHANGE_LOCK},
	{"expired", "", 1, CHANGE_EXPIRE},
	{"must-change", "", 1, CHANGE_FORCE},
	{"empty", "", 1, CHANGE_CLEAR},
};

static struct mailauth *open_with_accounts(struct support_log *log)
{
	struct mailauth *ctx = support_open(cheap_crypt, log);

	for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++) {
		struct mailauth_user *user = new_user(ctx, accounts[i].name);

		set_text(user, MAILAUTH_TEXT_MECHS, accounts[i].mechs);
		set_number(user, MAILAUTH_NUMBER_RECOVERABLE, accounts[i].recoverable);
		support_status("password", set_password(user, PASSWORD), MAILAUTH_OK);
		if (accounts[i].change == CHANGE_LOCK)
			set_number(user, MAILAUTH_NUMBER_LOCKED, 1);
		if (accounts[i].change == CHANGE_EXPIRE)
			set_number(user, MAILAUTH_NUMBER_EXPIRE, today());
		if (accounts[i].change == CHANGE_FORCE)
			set_number(user, MAILAUTH_NUMBER_LAST_CHANGE, 0);
		if (accounts[i].change == CHANGE_CLEAR)
			mailauth_user_clear_secrets(user);
		support_status("add", mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
	}
	if (log != NULL)
		support_log_clear(log);
	return ctx;
}

/* ---- real ones ---------------------------------------------------------------------------- */

START_TEST(hands_out_the_least_secret)
{
	static const struct {
		const char *name;
		unsigned int wanted;
		unsigned int given;
		unsigned int real; /* of those, the ones that are no decoys */
	} rows[] = {
		{"both", S, S, S},
		{"both", C, C, C},
		{"both", P, P, 0},
		{"both", S | C, S | C, S | C},
		{"both", S | P, S, S},
		{"both", C | P, C, C},
		{"both", S | C | P, S | C, S | C},
		{"all", S, S, S},
		{"all", C, C, C},
		{"all", P, P, P},
		{"all", S | P, S, S},
		{"all", C | P, C, C},
		{"all", S | C | P, S | C, S | C},
		{"password-plain", C, C, 0},
		{"password-plain", P, P, P},
		{"password-plain", S | P, S, S},
		{"password-plain", C | P, P, P},
		{"password-plain", S | C | P, S | C, S},
		{"password-cram", C | P, C, C},
		{"password-cram", P, P, P},
		{"crypt", S, S, 0},
		{"crypt", C, C, 0},
		{"crypt", P, P, 0},
		{"crypt", S | C | P, S | C, 0},
		{"cram", S | C, S | C, C},
		{"cram", S | P, S, 0},
		{"cram", C | P, C, C},
		{"locked", S | C, S | C, 0},
		{"locked", P, P, 0},
		{"locked", S | C | P, S | C, 0},
		{"expired", S | C, S | C, 0},
		{"expired", P, P, 0},
		{"must-change", S | C, S | C, 0},
		{"must-change", P, P, 0},
		{"empty", S | C | P, S | C, 0},
		{"empty", P, P, 0},
		{"nobody", S | C, S | C, 0},
		{"nobody", P, P, 0},
		{"nobody", S | C | P, S | C, 0},
		{"no body", S | C | P, S | C, 0},
		{"", S | C | P, S | C, 0},
	};
	static struct given given;
	struct mailauth *ctx = open_with_accounts(NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned int n = 0;

		(void)get(ctx, rows[i].name, rows[i].wanted, &given);
		ck_assert_msg(given.kinds == rows[i].given, "%s, asked for %u: got %u, want %u",
			      rows[i].name, rows[i].wanted, given.kinds, rows[i].given);
		ck_assert_msg(real_ones(&given) == rows[i].real,
			      "%s, asked for %u: got real %u, want %u", rows[i].name,
			      rows[i].wanted, real_ones(&given), rows[i].real);
		for (unsigned int kind = 1; kind <= P; kind <<= 1)
			n += (rows[i].given & kind) != 0;
		ck_assert_msg(given.n_calls == n, "%s: got %u calls, want %u", rows[i].name,
			      given.n_calls, n);
		check_form(rows[i].name, &given);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(name_is_normalised)
{
	static const struct mailauth_request request = {.size = sizeof(request), .realm = "b.test"};
	static struct given given;
	struct mailauth *ctx = support_open("", NULL);

	support_add(ctx, "tim", PASSWORD);
	support_add(ctx, "tom@b.test", PASSWORD);
	ck_assert_uint_eq(real_ones(get(ctx, "TIM@Example.org", S | C, &given)), S | C);
	ck_assert_uint_eq(real_ones(get(ctx, "tom", S | C, &given)), 0);
	ck_assert_uint_eq(real_ones(get_for(ctx, &request, "tom", S | C, &given)), S | C);
	mailauth_free(&ctx);
}
END_TEST

/* ---- decoys -------------------------------------------------------------------------------- */

static const char *const strangers[] = {"nobody", "nobody2", "nobody@b.test", "no body", "",
					"locked", "expired", "must-change",   "empty",	 "crypt"};
#define STRANGERS (sizeof(strangers) / sizeof(strangers[0]))

static void get_all(struct mailauth *ctx, const char *name, struct given *given)
{
	static struct given password;

	(void)get(ctx, name, S | C, given);
	(void)get(ctx, name, P, &password);
	given->kinds |= password.kinds;
	given->by_kind[2] = password.by_kind[2];
	ck_assert_uint_eq(given->kinds, S | C | P);
}

START_TEST(decoys_stay_the_same)
{
	static struct given first[STRANGERS];
	static struct given again;
	struct mailauth *ctx = open_with_accounts(NULL);

	for (size_t i = 0; i < STRANGERS; i++)
		get_all(ctx, strangers[i], &first[i]);
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < STRANGERS; i++) {
			get_all(ctx, strangers[i], &again);
			for (size_t kind = 0; kind < 3; kind++)
				ck_assert_msg(
					is_same(&first[i].by_kind[kind], &again.by_kind[kind]),
					"\"%s\": kind %zu changed in round %d", strangers[i], kind,
					round);
		}
		if (!support_is_shared())
			break;
		mailauth_free(&ctx);
		ctx = open_as(0, NULL); /* another process, in effect */
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(decoys_differ_by_name_and_kind)
{
	static struct given given[STRANGERS];
	struct mailauth *ctx = open_with_accounts(NULL);

	for (size_t i = 0; i < STRANGERS; i++) {
		get_all(ctx, strangers[i], &given[i]);
		ck_assert_msg(!is_same(&given[i].by_kind[0], &given[i].by_kind[1]),
			      "\"%s\": one decoy for two kinds", strangers[i]);
		for (size_t j = 0; j < i; j++)
			for (size_t kind = 0; kind < 3; kind++)
				ck_assert_msg(
					!is_same(&given[i].by_kind[kind], &given[j].by_kind[kind]),
					"\"%s\" and \"%s\" share decoy %zu", strangers[i],
					strangers[j], kind);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(decoys_hang_on_the_key)
{
	static struct given first;
	static struct given second;
	struct mailauth *ctx = support_open("", NULL);

	get_all(ctx, "nobody", &first);
	mailauth_free(&ctx);
	support_reset();
	ctx = support_open("", NULL);
	get_all(ctx, "nobody", &second);
	for (size_t kind = 0; kind < 3; kind++)
		ck_assert_msg(!is_same(&first.by_kind[kind], &second.by_kind[kind]),
			      "decoy %zu is the same under another key", kind);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(decoys_do_not_tell_how_the_name_was_written)
{
	static struct given first;
	static struct given second;
	struct mailauth *ctx = support_open("", NULL);

	get_all(ctx, "nobody", &first);
	get_all(ctx, "NoBody@EXAMPLE.org", &second);
	for (size_t kind = 0; kind < 3; kind++)
		ck_assert(is_same(&first.by_kind[kind], &second.by_kind[kind]));
	mailauth_free(&ctx);
}
END_TEST

static enum mailauth_status unlock(struct mailauth_user *user, void *arg)
{
	(void)arg;
	return mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, 0);
}

START_TEST(locking_takes_the_real_one_away)
{
	static struct given locked;
	static struct given unlocked;
	struct mailauth *ctx = open_with_accounts(NULL);

	get_all(ctx, "locked", &locked);
	support_status("unlock", mailauth_user_update(ctx, "locked", unlock, NULL), MAILAUTH_OK);
	get_all(ctx, "locked", &unlocked);
	ck_assert_uint_eq(real_ones(&locked), 0);
	ck_assert_uint_eq(real_ones(&unlocked), S | C | P);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(group_decides_as_in_a_login)
{
	static const struct mailauth_request smtp = {.size = sizeof(smtp), .group = "smtp"};
	static struct given given;
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user = new_user(ctx, "tim");

	set_text(user, MAILAUTH_TEXT_GROUPS, "imap,smtp");
	support_status("password", set_password(user, PASSWORD), MAILAUTH_OK);
	support_status("add", mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
	support_add(ctx, "tom", PASSWORD);
	ck_assert_uint_eq(real_ones(get_for(ctx, &smtp, "tim", S | C, &given)), S | C);
	ck_assert_uint_eq(real_ones(get_for(ctx, &smtp, "tom", S | C, &given)), 0);
	ck_assert_uint_eq(given.kinds, S | C);
	check_form("tom", &given);
	ck_assert_uint_eq(real_ones(get(ctx, "tom", S | C, &given)), S | C);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(log_alone_tells_decoys)
{
	static const struct {
		const char *name;
		unsigned int wanted;
		const char *reason; /* NULL: no line, the login is not decided here */
	} rows[] = {
		{"both", S, NULL},	    {"all", P, NULL},
		{"cram", S | C, NULL},	    {"nobody", S, "unknown-user"},
		{"no body", S, "bad-name"}, {"locked", C, "locked"},
		{"expired", C, "expired"},  {"must-change", P, "must-change"},
		{"empty", S, "no-secret"},  {"crypt", S | C, "no-secret"},
		{"both", P, "no-secret"},
	};
	static struct given given;
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_accounts(&log);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char want[64];

		support_log_clear(&log);
		(void)snprintf(want, sizeof(want), "result=denied reason=%s ",
			       rows[i].reason != NULL ? rows[i].reason : "");
		(void)get(ctx, rows[i].name, rows[i].wanted, &given);
		ck_assert_msg(log.n == (rows[i].reason != NULL), "%s: got %u lines: %s",
			      rows[i].name, log.n, log.text);
		ck_assert_msg(rows[i].reason == NULL || strstr(log.text, want) == log.text,
			      "%s: got %s, want %s", rows[i].name, log.text, want);
		ck_assert_ptr_null(strstr(log.text, PASSWORD));
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(refuses_bad_arguments)
{
	static struct given given;
	struct mailauth_request small = {.size = 1};
	struct mailauth *ctx = support_open("", NULL);

	support_status("no context", mailauth_verifier_get(NULL, NULL, "a", 1, S, keep, &given),
		       MAILAUTH_E_USAGE);
	support_status("wrong size", mailauth_verifier_get(ctx, &small, "a", 1, S, keep, &given),
		       MAILAUTH_E_USAGE);
	support_status("no user", mailauth_verifier_get(ctx, NULL, NULL, 1, S, keep, &given),
		       MAILAUTH_E_USAGE);
	support_status("nothing wanted", mailauth_verifier_get(ctx, NULL, "a", 1, 0, keep, &given),
		       MAILAUTH_E_USAGE);
	support_status("unknown kind", mailauth_verifier_get(ctx, NULL, "a", 1, 8, keep, &given),
		       MAILAUTH_E_USAGE);
	support_status("one unknown kind",
		       mailauth_verifier_get(ctx, NULL, "a", 1, S | 64, keep, &given),
		       MAILAUTH_E_USAGE);
	support_status("no callback", mailauth_verifier_get(ctx, NULL, "a", 1, S, NULL, NULL),
		       MAILAUTH_E_USAGE);
	ck_assert_uint_eq(given.n_calls, 0);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api verifier");
	TCase *tcase = tcase_create("verifier");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, hands_out_the_least_secret);
	tcase_add_test(tcase, name_is_normalised);
	tcase_add_test(tcase, decoys_stay_the_same);
	tcase_add_test(tcase, decoys_differ_by_name_and_kind);
	tcase_add_test(tcase, decoys_hang_on_the_key);
	tcase_add_test(tcase, decoys_do_not_tell_how_the_name_was_written);
	tcase_add_test(tcase, locking_takes_the_real_one_away);
	tcase_add_test(tcase, group_decides_as_in_a_login);
	tcase_add_test(tcase, log_alone_tells_decoys);
	tcase_add_test(tcase, refuses_bad_arguments);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
