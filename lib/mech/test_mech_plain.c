/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mech_plain.c - PLAIN, and the kinds sasl-plain and crypt
 *
 * RFC 4616 section 2. Known answers stand in tests/vectors/plain.txt.
 */
#include "mech/mech.h"

#include "support.h"
#include "util/mem.h"

static struct ma_crypto *crypto;
static char method[] = "sha512crypt";
static const struct ma_config config = {.crypt_method = method, .crypt_cost = 1000};

static struct {
	unsigned int n_lookups;
	char authzid[64];
	char user[64];
	enum mailauth_status answer;
	struct ma_credential credential;
	struct ma_candidates candidates;
} account;

static void keep(char *out, size_t size, struct ma_span text)
{
	ck_assert_uint_lt(text.len, size);
	if (text.len > 0)
		memcpy(out, text.p, text.len);
	out[text.len] = '\0';
}

static enum mailauth_status lookup(void *arg, const struct ma_identity *who,
				   const struct ma_candidates **candidates_out)
{
	ck_assert_ptr_eq(arg, &account);
	ck_assert_uint_eq(who->realm.len, 0); /* PLAIN has none */
	keep(account.authzid, sizeof(account.authzid), who->authzid);
	keep(account.user, sizeof(account.user), who->user);
	account.n_lookups++;
	*candidates_out = account.answer == MAILAUTH_OK ? &account.candidates : NULL;
	return account.answer;
}

static struct ma_subject subject(void)
{
	return (struct ma_subject){
		.crypto = crypto,
		.config = &config,
		.local = ma_span_text("tim"),
		.realm = ma_span_text("example.org"),
	};
}

static enum mailauth_status derive(const struct ma_kind *kind, const char *password,
				   struct ma_buf *out)
{
	const struct ma_subject of = subject();

	return kind->derive(kind, &of, ma_span_text(password), out);
}

static enum mailauth_status check(const struct ma_kind *kind, struct ma_span secret,
				  struct ma_span password)
{
	const struct ma_subject of = subject();

	return kind->check(kind, &of, secret, password);
}

static void hold(unsigned int id, struct ma_span value)
{
	memset(&account, 0, sizeof(account));
	account.answer = MAILAUTH_OK;
	account.credential.n_secrets = 1;
	account.credential.secrets[0] = (struct ma_secret){.kind = (uint8_t)id, .value = value};
	account.candidates.subject = subject();
	account.candidates.n = 1;
	account.candidates.items[0] = &account.credential;
}

static void setup(void)
{
	const char *missing;

	ck_assert_int_eq(ma_crypto_new(&crypto, &missing), MAILAUTH_OK);
}

static void teardown(void)
{
	ma_crypto_free(&crypto);
}

/* One message, from a block of exactly its size; @empty_first: after the empty challenge. */
static enum mailauth_status login(struct ma_span message, bool empty_first)
{
	uint8_t *copy = ma_alloc(message.len > 0 ? message.len : 1);
	uint8_t *state = ma_alloc(ma_mech_plain.state_size);
	uint8_t bytes[16];
	struct ma_buf reply = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_exchange exchange = {
		.crypto = crypto, .state = state, .lookup = lookup, .lookup_arg = &account};
	enum mailauth_status status;

	ck_assert_ptr_nonnull(copy);
	ck_assert_ptr_nonnull(state);
	if (message.len > 0)
		memcpy(copy, message.p, message.len);
	if (empty_first)
		ck_assert_int_eq(ma_mech_plain.step(&exchange, ma_span(NULL, 0), &reply),
				 MAILAUTH_CONTINUE);
	status = ma_mech_plain.step(&exchange, ma_span(copy, message.len), &reply);
	ck_assert_uint_eq(reply.len, 0);
	ma_free(state);
	ma_free(copy);
	return status;
}

START_TEST(gives_the_known_answers)
{
	struct support_vectors *vectors = support_vectors_open("plain.txt");
	const char *fields[6];
	unsigned int n = 0;

	while (support_vectors_next(vectors, fields, 6) == 6) {
		bool is_crypt = strcmp(fields[4], "crypt") == 0;
		const struct ma_kind *kind = is_crypt ? &ma_kind_crypt : &ma_kind_sasl_plain;
		struct ma_span password = ma_span_text(fields[2]);
		uint8_t message[200];
		uint8_t bytes[64];
		size_t len = support_unhex(fields[3], message, sizeof(message));
		struct ma_span secret =
			is_crypt ? ma_span_text(fields[5])
				 : ma_span(bytes, support_unhex(fields[5], bytes, sizeof(bytes)));

		n++;
		ck_assert_str_eq(kind->name, fields[4]);
		ck_assert_msg(check(kind, secret, password) == MAILAUTH_OK, "%s: %s", fields[1],
			      fields[5]);
		for (int empty_first = 0; empty_first <= 1; empty_first++) {
			hold(kind->id, secret);
			ck_assert_msg(login(ma_span(message, len), empty_first) == MAILAUTH_OK,
				      "%s: %s", fields[1], fields[5]);
			ck_assert_str_eq(account.authzid, fields[0]);
			ck_assert_str_eq(account.user, fields[1]);
			ck_assert_uint_eq(account.n_lookups, 1);
		}
		message[len - 1] ^= 1;
		hold(kind->id, secret);
		ck_assert_int_eq(login(ma_span(message, len), false), MAILAUTH_E_DENIED);
	}
	ck_assert_uint_ge(n, 7);
	support_vectors_close(vectors);
}
END_TEST

/* The other direction: what is derived opens to the message of a client. */
START_TEST(accepts_a_password_by_what_was_derived_from_it)
{
	const struct ma_kind *const kinds[] = {&ma_kind_sasl_plain, &ma_kind_crypt};
	static const char message[] = "\0tim\0tanstaaftanstaaf";
	uint8_t bytes[2][MA_SECRET_MAX];
	struct ma_buf secret = ma_buf_fixed(bytes[0], MA_SECRET_MAX);
	struct ma_buf again = ma_buf_fixed(bytes[1], MA_SECRET_MAX);

	ck_assert_int_eq(derive(kinds[_i], "tanstaaftanstaaf", &secret), MAILAUTH_OK);
	ck_assert_int_eq(derive(kinds[_i], "tanstaaftanstaaf", &again), MAILAUTH_OK);
	ck_assert(!ma_span_equal(ma_buf_span(&secret), ma_buf_span(&again))); /* salted */
	hold(kinds[_i]->id, ma_buf_span(&secret));
	ck_assert_int_eq(login(ma_span(message, sizeof(message) - 1), false), MAILAUTH_OK);
	ck_assert_int_eq(login(ma_span(message, sizeof(message)), false), MAILAUTH_E_PROTOCOL);
	ck_assert_int_eq(login(ma_span(message, sizeof(message) - 2), false), MAILAUTH_E_DENIED);
}
END_TEST

static const struct {
	const char *name;
	const char *message;
	size_t len;
	enum mailauth_status want;
	const char *authzid; /* NULL: nobody is looked up */
	const char *user;
} rows[] = {
	{"right", "\0tim\0pass", 9, MAILAUTH_OK, "", "tim"},
	{"authzid", "bob\0tim\0pass", 12, MAILAUTH_OK, "bob", "tim"},
	{"authzid alike", "tim\0tim\0pass", 12, MAILAUTH_OK, "tim", "tim"},
	{"spaces stay", " \0 tim \0pass", 12, MAILAUTH_OK, " ", " tim "},
	{"invalid UTF-8 is for lookup to judge", "\0\xff\0pass", 7, MAILAUTH_OK, "", "\xff"},
	{"wrong password", "\0tim\0pasS", 9, MAILAUTH_E_DENIED, "", "tim"},
	{"password and a space", "\0tim\0pass ", 10, MAILAUTH_E_DENIED, "", "tim"},
	{"password and a line end", "\0tim\0pass\r\n", 11, MAILAUTH_E_DENIED, "", "tim"},
	{"password short", "\0tim\0pas", 8, MAILAUTH_E_DENIED, "", "tim"},
	/* RFC 4616 section 2: exactly two NULs, and neither authcid nor passwd is empty */
	{"no NUL", "tim pass", 8, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"one NUL", "tim\0pass", 8, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"one NUL at the start", "\0timpass", 8, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"one NUL at the end", "timpass\0", 8, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"NUL alone", "\0", 1, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"two NULs alone", "\0\0", 2, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"three NULs alone", "\0\0\0", 3, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"three NULs", "\0tim\0pass\0", 10, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"NUL in the password", "\0tim\0pa\0ss", 10, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"four NULs", "\0\0tim\0pass\0", 11, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"empty authcid", "\0\0pass", 6, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"authzid and empty authcid", "tim\0\0pass", 9, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"empty password", "\0tim\0", 5, MAILAUTH_E_PROTOCOL, NULL, NULL},
	{"authzid alone", "tim\0\0", 5, MAILAUTH_E_PROTOCOL, NULL, NULL},
};

START_TEST(splits_messages_as_rfc_4616_says)
{
	uint8_t bytes[MA_SECRET_MAX];

	for (int empty_first = 0; empty_first <= 1; empty_first++) {
		struct ma_buf secret = ma_buf_fixed(bytes, sizeof(bytes));
		enum mailauth_status got;

		ck_assert_int_eq(derive(ma_kind_find(MA_KIND_CRAM_MD5), "pass", &secret),
				 MAILAUTH_OK);
		hold(MA_KIND_CRAM_MD5, ma_buf_span(&secret));
		got = login(ma_span(rows[_i].message, rows[_i].len), empty_first);
		ck_assert_msg(got == rows[_i].want, "%s: got %d, want %d", rows[_i].name, got,
			      rows[_i].want);
		ck_assert_msg(account.n_lookups == (rows[_i].user != NULL), "%s: %u lookups",
			      rows[_i].name, account.n_lookups);
		if (rows[_i].user == NULL)
			continue;
		ck_assert_str_eq(account.authzid, rows[_i].authzid);
		ck_assert_str_eq(account.user, rows[_i].user);
	}
}
END_TEST

START_TEST(limits_passwords)
{
	static uint8_t message[MAILAUTH_MESSAGE_MAX];
	static const struct {
		size_t len; /* of the password */
		enum mailauth_status want;
	} lens[] = {
		{1, MAILAUTH_OK},
		{MAILAUTH_PASSWORD_MAX - 1, MAILAUTH_OK},
		{MAILAUTH_PASSWORD_MAX, MAILAUTH_OK},
		{MAILAUTH_PASSWORD_MAX + 1, MAILAUTH_E_LIMIT},
		{MAILAUTH_MESSAGE_MAX - 5, MAILAUTH_E_LIMIT},
	};

	memset(message, 'p', sizeof(message));
	memcpy(message, "\0tim\0", 5);
	for (size_t i = 0; i < MA_ARRAY_SIZE(lens); i++) {
		enum mailauth_status got;

		hold(MA_KIND_PASSWORD, ma_span(message + 5, lens[i].len));
		got = login(ma_span(message, 5 + lens[i].len), false);
		ck_assert_msg(got == lens[i].want, "%zu bytes: got %d, want %d", lens[i].len, got,
			      lens[i].want);
		ck_assert_uint_eq(account.n_lookups, lens[i].want == MAILAUTH_OK);
	}
}
END_TEST

START_TEST(asks_with_an_empty_challenge_once)
{
	hold(MA_KIND_PASSWORD, ma_span_text("pass"));
	ck_assert_int_eq(login(ma_span(NULL, 0), false), MAILAUTH_CONTINUE);
	ck_assert_int_eq(login(ma_span(NULL, 0), true), MAILAUTH_E_PROTOCOL);
	ck_assert_uint_eq(account.n_lookups, 0);
}
END_TEST

START_TEST(hands_on_what_lookup_says)
{
	static const enum mailauth_status answers[] = {MAILAUTH_E_TEMPFAIL, MAILAUTH_E_CORRUPT,
						       MAILAUTH_E_DENIED, MAILAUTH_E_NOMEM};

	for (size_t i = 0; i < MA_ARRAY_SIZE(answers); i++) {
		hold(MA_KIND_PASSWORD, ma_span_text("pass"));
		account.answer = answers[i];
		ck_assert_int_eq(login(ma_span("\0tim\0pass", 9), false), answers[i]);
	}
}
END_TEST

/* An imported hash may be no hash; it must be refused and not be run. */
START_TEST(denies_with_a_crypt_string_that_is_none)
{
	static const char *const strings[] = {
		"",
		"*",
		"!",
		"*0",
		"*1",
		"!!",
		"!$1$saltstri$lw24ibqVUrlKcHafxRsrg.",
		"tanstaaftanstaaf",
		"x",
		"$6$rounds=999999999$saltstring$",
		"$2b$31$abcdefghijklmnopqrstuu",
		"$1$saltstri$",
		"$1$saltstri$lw24ibqVUrlKcHafxRsrg",
		"$1$saltstri$lw24ibqVUrlKcHafxRsrg.x",
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(strings); i++) {
		hold(MA_KIND_CRYPT, ma_span_text(strings[i]));
		ck_assert_msg(login(ma_span("\0tim\0tanstaaftanstaaf", 21), false) ==
				      MAILAUTH_E_DENIED,
			      "\"%s\"", strings[i]);
		hold(MA_KIND_CRYPT, ma_span_text(strings[i]));
		ck_assert_int_eq(login(ma_span("\0tim\0*0", 7), false), MAILAUTH_E_DENIED);
	}
	/* longer than crypt(3) takes, shorter than the maximum */
	{
		uint8_t password[600];
		static const char hash[] = "$1$saltstri$lw24ibqVUrlKcHafxRsrg.";

		memset(password, 'p', sizeof(password));
		ck_assert_int_eq(check(&ma_kind_crypt, ma_span_text(hash),
				       ma_span(password, sizeof(password))),
				 MAILAUTH_E_DENIED);
		ck_assert_int_eq(check(&ma_kind_crypt, ma_span_text(hash),
				       ma_span("tanstaaftanstaaf\0x", 18)),
				 MAILAUTH_E_DENIED);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mech_plain");
	TCase *tcase = tcase_create("mech_plain");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, gives_the_known_answers);
	tcase_add_loop_test(tcase, accepts_a_password_by_what_was_derived_from_it, 0, 2);
	tcase_add_loop_test(tcase, splits_messages_as_rfc_4616_says, 0, MA_ARRAY_SIZE(rows));
	tcase_add_test(tcase, limits_passwords);
	tcase_add_test(tcase, asks_with_an_empty_challenge_once);
	tcase_add_test(tcase, hands_on_what_lookup_says);
	tcase_add_test(tcase, denies_with_a_crypt_string_that_is_none);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
