/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_verifier.c - what is handed to other authentication systems
 *
 * The form of each verifier, the rule of least secret as one table, and decoys: of the right form,
 * always the same for a name, never what an account really holds. The store's failures are in
 * lib/test_verifier.c.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
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
#define D	 MAILAUTH_VERIFIER_DIGEST_MD5
#define F	 MAILAUTH_VERIFIER_DIGEST_MD5_FULL
#define X1	 MAILAUTH_VERIFIER_SCRAM_SHA_1
#define X256	 MAILAUTH_VERIFIER_SCRAM_SHA_256
#define X512	 MAILAUTH_VERIFIER_SCRAM_SHA_512
#define X	 (X1 | X256 | X512)
#define WEAKER	 (S | C | D | F | X) /* all but the password */
#define KINDS	 8

#define PASSWORD "tanstaaftanstaaf"

struct verifier {
	size_t len;
	uint8_t bytes[MAILAUTH_VERIFIER_MAX];
};

struct given {
	unsigned int kinds;
	unsigned int n_calls;
	struct verifier by_kind[KINDS]; /* in order of the bits */
};

static size_t index_of(unsigned int kind)
{
	size_t i = 0;

	while (i < KINDS && kind != 1u << i)
		i++;
	ck_assert_msg(i < KINDS, "got kind %u", kind);
	return i;
}

static const struct verifier *of_kind(const struct given *given, unsigned int kind)
{
	return &given->by_kind[index_of(kind)];
}

static void keep(void *arg, enum mailauth_verifier kind, const void *p, size_t len)
{
	struct given *given = arg;
	struct verifier *verifier = &given->by_kind[index_of(kind)];

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

/* RFC 2831 section 2.1.2.1: MD5 of the text user:realm:password */
static bool fits_digest_md5(const struct verifier *verifier, const char *text)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	ck_assert_int_eq(EVP_Digest(text, strlen(text), digest, NULL, EVP_md5(), NULL), 1);
	return verifier->len == 16 && memcmp(verifier->bytes, digest, 16) == 0;
}

/* A SCRAM verifier taken apart: RFC 5803 section 2. */
struct scram {
	char scheme[32];
	unsigned long iterations;
	char salt[64];
	char stored[128];
	char server[128];
};

static const EVP_MD *scram_hash(unsigned int kind, const char **scheme_out)
{
	*scheme_out = kind == X1 ? "SCRAM-SHA-1" : kind == X256 ? "SCRAM-SHA-256" : "SCRAM-SHA-512";
	return kind == X1 ? EVP_sha1() : kind == X256 ? EVP_sha256() : EVP_sha512();
}

static size_t decode(const char *text, unsigned char *out)
{
	size_t len = strlen(text);
	int n = EVP_DecodeBlock(out, (const unsigned char *)text, (int)len);

	ck_assert_msg(n > 0, "\"%s\" is no base64", text);
	while (len > 0 && text[--len] == '=')
		n--;
	return (size_t)n;
}

static void take_apart(const char *name, unsigned int kind, const struct verifier *verifier,
		       struct scram *out)
{
	char text[MAILAUTH_VERIFIER_MAX + 1];
	unsigned char bytes[128];
	const char *scheme;
	const EVP_MD *md = scram_hash(kind, &scheme);
	int n = 0;

	memcpy(text, verifier->bytes, verifier->len);
	text[verifier->len] = '\0';
	ck_assert_msg(sscanf(text, "%31[^$]$%lu:%63[A-Za-z0-9+/=]$%127[A-Za-z0-9+/=]:%127s%n",
			     out->scheme, &out->iterations, out->salt, out->stored, out->server,
			     &n) == 5 &&
			      (size_t)n == verifier->len,
		      "%s: got \"%s\"", name, text);
	ck_assert_str_eq(out->scheme, scheme);
	ck_assert_uint_eq(out->iterations, 4096);
	ck_assert_uint_eq(decode(out->salt, bytes), 16);
	ck_assert_uint_eq(decode(out->stored, bytes), (size_t)EVP_MD_get_size(md));
	ck_assert_uint_eq(decode(out->server, bytes), (size_t)EVP_MD_get_size(md));
}

/* RFC 5802 section 3 */
static bool fits_scram(unsigned int kind, const struct verifier *verifier, const char *password)
{
	struct scram scram;
	const char *scheme;
	const EVP_MD *md = scram_hash(kind, &scheme);
	int md_len = EVP_MD_get_size(md);
	unsigned char salt[64];
	unsigned char salted[EVP_MAX_MD_SIZE];
	unsigned char key[EVP_MAX_MD_SIZE];
	unsigned char want[2][EVP_MAX_MD_SIZE];
	unsigned char got[128];

	take_apart(password, kind, verifier, &scram);
	ck_assert_int_eq(PKCS5_PBKDF2_HMAC(password, (int)strlen(password), salt,
					   (int)decode(scram.salt, salt), (int)scram.iterations, md,
					   md_len, salted),
			 1);
	ck_assert_ptr_nonnull(
		HMAC(md, salted, md_len, (const unsigned char *)"Client Key", 10, key, NULL));
	ck_assert_int_eq(EVP_Digest(key, (size_t)md_len, want[0], NULL, md, NULL), 1);
	ck_assert_ptr_nonnull(
		HMAC(md, salted, md_len, (const unsigned char *)"Server Key", 10, want[1], NULL));
	(void)decode(scram.stored, got);
	if (memcmp(got, want[0], (size_t)md_len) != 0)
		return false;
	(void)decode(scram.server, got);
	return memcmp(got, want[1], (size_t)md_len) == 0;
}

/* Which of them PASSWORD of the account @local, of example.org, fits. */
static unsigned int real_ones(const struct given *given, const char *local)
{
	unsigned int real = 0;
	char text[512];

	if ((given->kinds & S) != 0 && fits_sasl_plain(of_kind(given, S), PASSWORD))
		real |= S;
	if ((given->kinds & C) != 0 && fits_cram_md5(of_kind(given, C)))
		real |= C;
	if ((given->kinds & P) != 0 && fits_password(of_kind(given, P)))
		real |= P;
	(void)snprintf(text, sizeof(text), "%s:example.org:" PASSWORD, local);
	if ((given->kinds & D) != 0 && fits_digest_md5(of_kind(given, D), text))
		real |= D;
	(void)snprintf(text, sizeof(text), "%s@example.org:example.org:" PASSWORD, local);
	if ((given->kinds & F) != 0 && fits_digest_md5(of_kind(given, F), text))
		real |= F;
	for (unsigned int kind = X1; kind <= X512; kind <<= 1)
		if ((given->kinds & kind) != 0 && fits_scram(kind, of_kind(given, kind), PASSWORD))
			real |= kind;
	return real;
}

static void check_length(const char *name, const struct given *given, unsigned int kind,
			 size_t want)
{
	ck_assert_msg((given->kinds & kind) == 0 || of_kind(given, kind)->len == want,
		      "%s: got kind %u of %zu bytes, want %zu", name, kind,
		      of_kind(given, kind)->len, want);
}

static void check_form(const char *name, const struct given *given)
{
	struct scram scram;

	check_length(name, given, S, 32);
	check_length(name, given, C, 32);
	check_length(name, given, D, 16);
	check_length(name, given, F, 16);
	for (unsigned int kind = X1; kind <= X512; kind <<= 1)
		if ((given->kinds & kind) != 0)
			take_apart(name, kind, of_kind(given, kind), &scram);
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
	{"sha-512", "PLAIN SCRAM-SHA-512", 0, CHANGE_NOTHING},
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
		{"both", D, D, D},
		{"both", F, F, F},
		{"both", D | F, D | F, D | F},
		{"both", X1, X1, X1},
		{"both", X256, X256, X256},
		{"both", X512, X512, 0},
		{"both", X, X, X1 | X256},
		{"both", WEAKER, WEAKER, WEAKER & ~X512},
		{"both", D | P, D, D},
		{"both", X256 | P, X256, X256},
		{"both", X512 | P, X512, 0},
		{"both", WEAKER | P, WEAKER, WEAKER & ~X512},
		{"all", WEAKER | P, WEAKER, WEAKER & ~X512},
		{"all", D | P, D, D},
		{"all", F | P, F, F},
		{"all", X | P, X, X1 | X256},
		{"all", X512 | P, P, P}, /* it has no such hash, so the host has to make one */
		{"password-plain", D | X | P, P, P},
		{"password-cram", D | P, P, P},
		{"password-cram", C | D | P, C | D, C},
		{"sha-512", X, X, X512},
		{"sha-512", X | P, X, X512},
		{"sha-512", WEAKER | P, WEAKER, X512},
		{"crypt", D | F | X, D | F | X, 0},
		{"crypt", WEAKER | P, WEAKER, 0},
		{"cram", S | C, S | C, C},
		{"cram", S | P, S, 0},
		{"cram", C | P, C, C},
		{"locked", S | C, S | C, 0},
		{"locked", P, P, 0},
		{"locked", S | C | P, S | C, 0},
		{"locked", WEAKER | P, WEAKER, 0},
		{"expired", S | C, S | C, 0},
		{"expired", P, P, 0},
		{"must-change", S | C, S | C, 0},
		{"must-change", P, P, 0},
		{"empty", S | C | P, S | C, 0},
		{"empty", P, P, 0},
		{"nobody", S | C, S | C, 0},
		{"nobody", P, P, 0},
		{"nobody", S | C | P, S | C, 0},
		{"nobody", D, D, 0},
		{"nobody", F | P, F, 0},
		{"nobody", X, X, 0},
		{"nobody", WEAKER | P, WEAKER, 0},
		{"no body", WEAKER | P, WEAKER, 0},
		{"no body", S | C | P, S | C, 0},
		{"", S | C | P, S | C, 0},
	};
	static struct given given;
	struct mailauth *ctx = open_with_accounts(NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned int n = 0;
		unsigned int real;

		(void)get(ctx, rows[i].name, rows[i].wanted, &given);
		ck_assert_msg(given.kinds == rows[i].given, "%s, asked for %u: got %u, want %u",
			      rows[i].name, rows[i].wanted, given.kinds, rows[i].given);
		real = real_ones(&given, rows[i].name);
		ck_assert_msg(real == rows[i].real, "%s, asked for %u: got real %u, want %u",
			      rows[i].name, rows[i].wanted, real, rows[i].real);
		for (unsigned int kind = 1; kind <= X512; kind <<= 1)
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
	ck_assert_uint_eq(real_ones(get(ctx, "TIM@Example.org", WEAKER, &given), "tim"),
			  WEAKER & ~X512);
	ck_assert_uint_eq(real_ones(get(ctx, "tom", S | C, &given), "tom"), 0);
	ck_assert_uint_eq(real_ones(get_for(ctx, &request, "tom", S | C, &given), "tom"), S | C);
	mailauth_free(&ctx);
}
END_TEST

/* RFC 2831 section 2.1.2.1: the hash hangs on the realm that the host offered. */
START_TEST(digest_md5_is_that_of_the_realm_offered)
{
	static const struct {
		const char *name;
		const char *realm;
		const char *user;
		unsigned int kind;
		const char *hashed; /* NULL: a decoy */
	} rows[] = {
		{"own realm", NULL, "tim", D, "tim:example.org:" PASSWORD},
		{"own realm, full", NULL, "tim", F, "tim@example.org:example.org:" PASSWORD},
		{"own realm, named", "example.org", "tim", D, "tim:example.org:" PASSWORD},
		{"in upper case", NULL, "TIM@EXAMPLE.ORG", D, "tim:example.org:" PASSWORD},
		{"another of the list", "other.test", "tim@example.org", D,
		 "tim:other.test:" PASSWORD},
		{"another of the list, full", "third.test", "tim@example.org", F,
		 "tim@example.org:third.test:" PASSWORD},
		{"foreign realm", "foreign.test", "tim@example.org", D, NULL},
		{"foreign realm, full", "foreign.test", "tim@example.org", F, NULL},
		{"own realm in other letters", "Example.org", "tim", D, NULL},
		{"another in other letters", "OTHER.test", "tim@example.org", D, NULL},
	};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = support_open("digest_realms = other.test third.test\n", &log);
	static struct given given;

	support_add(ctx, "tim", PASSWORD);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_request request = {.size = sizeof(request), .realm = rows[i].realm};
		bool is_real = rows[i].hashed != NULL;
		const struct verifier *got;

		support_log_clear(&log);
		got = of_kind(get_for(ctx, &request, rows[i].user, rows[i].kind, &given),
			      rows[i].kind);
		ck_assert_uint_eq(got->len, 16);
		ck_assert_msg(!is_real || fits_digest_md5(got, rows[i].hashed),
			      "%s: not the hash of %s", rows[i].name, rows[i].hashed);
		ck_assert_msg(log.n == !is_real, "%s: got %u lines: %s", rows[i].name, log.n,
			      log.text);
		ck_assert_msg(is_real || strstr(log.text, " reason=no-secret ") != NULL,
			      "%s: got %s", rows[i].name, log.text);
	}
	mailauth_free(&ctx);
}
END_TEST

/* The same: each text in ISO 8859-1 if all of it is, else in UTF-8. */
START_TEST(digest_md5_is_in_latin_1_where_it_can_be)
{
	static const struct {
		const char *name;
		const char *password;
		const char *hashed;
	} rows[] = {
		{"m\xc3\xbcller", "secret", "m\xfcller:example.org:secret"},
		{"tim", "pa\xc3\x9fw\xc3\xb6rd", "tim:example.org:pa\xdfw\xf6rd"},
		{"\xc3\xa9mile", "\xc3\xbf", "\xe9mile:example.org:\xff"},
		{"tom", "20\xe2\x82\xac", "tom:example.org:20\xe2\x82\xac"},
		{"m\xc3\xa4x", "20\xe2\x82\xac", "m\xe4x:example.org:20\xe2\x82\xac"},
		{"tam", "\xc3\xa4\xe2\x82\xac", "tam:example.org:\xc3\xa4\xe2\x82\xac"},
	};
	struct mailauth *ctx = support_open("", NULL);
	static struct given given;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		support_add(ctx, rows[i].name, rows[i].password);
		ck_assert_msg(fits_digest_md5(of_kind(get(ctx, rows[i].name, D, &given), D),
					      rows[i].hashed),
			      "%s: not the hash of %s", rows[i].name, rows[i].hashed);
	}
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

	(void)get(ctx, name, WEAKER, given);
	(void)get(ctx, name, P, &password);
	given->kinds |= password.kinds;
	given->by_kind[index_of(P)] = password.by_kind[index_of(P)];
	ck_assert_uint_eq(given->kinds, WEAKER | P);
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
			for (size_t kind = 0; kind < KINDS; kind++)
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

/* A salt goes out to the client: two names, or two hashes, with one would be nobody's. */
START_TEST(salts_of_decoys_differ_by_name_and_hash)
{
	static struct scram seen[3 * STRANGERS];
	static struct given given;
	struct mailauth *ctx = open_with_accounts(NULL);
	size_t n = 0;

	for (size_t i = 0; i < STRANGERS; i++) {
		(void)get(ctx, strangers[i], X, &given);
		for (unsigned int kind = X1; kind <= X512; kind <<= 1) {
			take_apart(strangers[i], kind, of_kind(&given, kind), &seen[n]);
			for (size_t j = 0; j < n; j++)
				ck_assert_msg(strcmp(seen[j].salt, seen[n].salt) != 0,
					      "\"%s\", kind %u: salt %s is that of \"%s\"",
					      strangers[i], kind, seen[n].salt, strangers[j / 3]);
			n++;
		}
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(decoys_fit_no_password)
{
	static const char *const passwords[] = {"", PASSWORD, "password", "secret", "nobody"};
	static struct given given;
	struct mailauth *ctx = open_with_accounts(NULL);

	for (size_t i = 0; i < STRANGERS; i++) {
		get_all(ctx, strangers[i], &given);
		check_form(strangers[i], &given);
		ck_assert_uint_eq(real_ones(&given, strangers[i]), 0);
		for (size_t j = 0; j < sizeof(passwords) / sizeof(passwords[0]); j++) {
			ck_assert(!fits_sasl_plain(of_kind(&given, S), passwords[j]));
			for (unsigned int kind = X1; kind <= X512; kind <<= 1)
				ck_assert(!fits_scram(kind, of_kind(&given, kind), passwords[j]));
		}
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
	for (size_t kind = 0; kind < KINDS; kind++)
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
	for (size_t kind = 0; kind < KINDS; kind++)
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
	ck_assert_uint_eq(real_ones(&locked, "locked"), 0);
	ck_assert_uint_eq(real_ones(&unlocked, "locked"), (WEAKER & ~X512) | P);
	/* What a client sees stays: the salt. Nobody can tell from it that the account was locked.
	 */
	for (unsigned int kind = X1; kind <= X512; kind <<= 1) {
		struct scram before;
		struct scram after;

		take_apart("locked", kind, of_kind(&locked, kind), &before);
		take_apart("unlocked", kind, of_kind(&unlocked, kind), &after);
		ck_assert_str_eq(before.salt, after.salt);
		ck_assert_int_eq(strcmp(before.stored, after.stored) == 0, kind == X512);
		ck_assert_int_eq(strcmp(before.server, after.server) == 0, kind == X512);
	}
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
	ck_assert_uint_eq(real_ones(get_for(ctx, &smtp, "tim", WEAKER, &given), "tim"),
			  WEAKER & ~X512);
	ck_assert_uint_eq(real_ones(get_for(ctx, &smtp, "tom", WEAKER, &given), "tom"), 0);
	ck_assert_uint_eq(given.kinds, WEAKER);
	check_form("tom", &given);
	ck_assert_uint_eq(real_ones(get(ctx, "tom", WEAKER, &given), "tom"), WEAKER & ~X512);
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
		{"both", S, NULL},
		{"all", P, NULL},
		{"cram", S | C, NULL},
		{"nobody", S, "unknown-user"},
		{"no body", S, "bad-name"},
		{"locked", C, "locked"},
		{"expired", C, "expired"},
		{"must-change", P, "must-change"},
		{"empty", S, "no-secret"},
		{"crypt", S | C, "no-secret"},
		{"both", P, "no-secret"},
		{"both", X512, "no-secret"},
		{"both", X, NULL},
		{"both", D | F, NULL},
		{"crypt", D, "no-secret"},
		{"locked", X, "locked"},
		{"nobody", D | X, "unknown-user"},
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
	support_status("unknown kind", mailauth_verifier_get(ctx, NULL, "a", 1, 256, keep, &given),
		       MAILAUTH_E_USAGE);
	support_status("one unknown kind",
		       mailauth_verifier_get(ctx, NULL, "a", 1, S | 512, keep, &given),
		       MAILAUTH_E_USAGE);
	support_status("no callback", mailauth_verifier_get(ctx, NULL, "a", 1, S, NULL, NULL),
		       MAILAUTH_E_USAGE);
	ck_assert_uint_eq(given.n_calls, 0);
	mailauth_free(&ctx);
}
END_TEST

/* ---- names ---- */

#define TEXT_64 "1234567890123456789012345678901234567890123456789012345678901234"

START_TEST(brings_names_into_their_stored_form)
{
	static const struct {
		const char *name;
		const char *realm;
		const char *user;
		size_t len;
		const char *want; /* NULL: this cannot be a name */
	} rows[] = {
#define ROW(name, realm, user, want) {name, realm, user, sizeof(user) - 1, want}
		ROW("realm is added", "example.org", "tim", "tim@example.org"),
		ROW("its own counts", "example.org", "tim@other.test", "tim@other.test"),
		ROW("lower case", "Example.ORG", "TIM", "tim@example.org"),
		ROW("UTF-8", "example.org", "t\xc3\xafm", "t\xc3\xafm@example.org"),
		ROW("longer than any", "x", TEXT_64 "5", NULL),
		ROW("empty", "example.org", "", NULL),
		ROW("space", "example.org", "t m", NULL),
		ROW("NUL", "example.org", "ti\0m", NULL),
		ROW("NUL at the end", "example.org", "tim\0", NULL),
		ROW("not UTF-8", "example.org", "t\xefm", NULL),
		ROW("two realms", "example.org", "tim@a@b", NULL),
		ROW("realm alone", "example.org", "@example.org", NULL),
		ROW("no realm at all", "", "tim", NULL),
		ROW("longest", "x", TEXT_64, TEXT_64 "@x"),
#undef ROW
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_name name = {"x"};

		support_status(
			rows[i].name,
			mailauth_verifier_name(rows[i].realm, rows[i].user, rows[i].len, &name),
			rows[i].want != NULL ? MAILAUTH_OK : MAILAUTH_E_DENIED);
		ck_assert_msg(strcmp(name.text, rows[i].want != NULL ? rows[i].want : "") == 0,
			      "%s: got \"%s\", want \"%s\"", rows[i].name, name.text,
			      rows[i].want != NULL ? rows[i].want : "");
	}
}
END_TEST

START_TEST(name_refuses_bad_arguments)
{
	struct mailauth_name name;

	support_status("no realm", mailauth_verifier_name(NULL, "tim", 3, &name), MAILAUTH_E_USAGE);
	support_status("no user", mailauth_verifier_name("example.org", NULL, 3, &name),
		       MAILAUTH_E_USAGE);
	support_status("no output", mailauth_verifier_name("example.org", "tim", 3, NULL),
		       MAILAUTH_E_USAGE);
	support_status("NULL, 0", mailauth_verifier_name("example.org", NULL, 0, &name),
		       MAILAUTH_E_DENIED);
	ck_assert_str_eq(name.text, "");
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
	tcase_add_test(tcase, digest_md5_is_that_of_the_realm_offered);
	tcase_add_test(tcase, digest_md5_is_in_latin_1_where_it_can_be);
	tcase_add_test(tcase, decoys_stay_the_same);
	tcase_add_test(tcase, salts_of_decoys_differ_by_name_and_hash);
	tcase_add_test(tcase, decoys_fit_no_password);
	tcase_add_test(tcase, decoys_hang_on_the_key);
	tcase_add_test(tcase, decoys_do_not_tell_how_the_name_was_written);
	tcase_add_test(tcase, locking_takes_the_real_one_away);
	tcase_add_test(tcase, group_decides_as_in_a_login);
	tcase_add_test(tcase, log_alone_tells_decoys);
	tcase_add_test(tcase, refuses_bad_arguments);
	tcase_add_test(tcase, brings_names_into_their_stored_form);
	tcase_add_test(tcase, name_refuses_bad_arguments);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
