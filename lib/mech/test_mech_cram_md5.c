/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mech_cram_md5.c - CRAM-MD5
 *
 * RFC 2195 section 2. Known answers stand in tests/vectors/cram_md5.txt.
 */
#include "mech/mech.h"

#include <stdio.h>

#include "support.h"
#include "util/codec.h"
#include "util/mem.h"

#define PASSWORD  "tanstaaftanstaaf"
#define CHALLENGE "<1896.697170952@postoffice.reston.mci.net>"
#define DIGEST	  "b913a602c7eda7a495b4e6e7334d3890"

static struct ma_crypto *crypto;

static struct {
	unsigned int n_lookups;
	struct ma_buf user;
	uint8_t user_bytes[MAILAUTH_MESSAGE_MAX];
	enum mailauth_status answer;
	struct ma_credential credentials[2];
	struct ma_candidates candidates;
} account;

static enum mailauth_status lookup(void *arg, const struct ma_identity *who,
				   const struct ma_candidates **candidates_out)
{
	ck_assert_ptr_eq(arg, &account);
	ck_assert_uint_eq(who->authzid.len, 0); /* CRAM-MD5 has neither */
	ck_assert_uint_eq(who->realm.len, 0);
	ma_buf_put(&account.user, who->user);
	ck_assert_int_eq(ma_buf_status(&account.user), MAILAUTH_OK);
	account.n_lookups++;
	*candidates_out = account.answer == MAILAUTH_OK ? &account.candidates : NULL;
	return account.answer;
}

static struct ma_exchange exchange_with(void *state)
{
	return (struct ma_exchange){
		.mech = &ma_mech_cram_md5,
		.crypto = crypto,
		.host = ma_span_text("mail.example.org"),
		.now_s = 1700000000,
		.state = state,
		.lookup = lookup,
		.lookup_arg = &account,
	};
}

static void hold(struct ma_span secret)
{
	memset(&account, 0, sizeof(account));
	account.user = ma_buf_fixed(account.user_bytes, sizeof(account.user_bytes));
	account.credentials[0].n_secrets = 1;
	account.credentials[0].secrets[0] =
		(struct ma_secret){.kind = MA_KIND_CRAM_MD5, .value = secret};
	account.candidates.n = 1;
	account.candidates.items[0] = &account.credentials[0];
}

static uint8_t state_of_password[MA_HMAC_MD5_STATE];

static void setup(void)
{
	const char *missing;

	ck_assert_int_eq(ma_crypto_new(&crypto, &missing), MAILAUTH_OK);
	ma_hmac_md5_derive(ma_span_text(PASSWORD), state_of_password);
	hold(ma_span(state_of_password, sizeof(state_of_password)));
}

static void teardown(void)
{
	ma_crypto_free(&crypto);
}

/* From a block of exactly its size. */
static enum mailauth_status check(struct ma_span challenge, struct ma_span response)
{
	struct ma_exchange exchange = exchange_with(NULL);
	uint8_t *copy = ma_alloc(response.len > 0 ? response.len : 1);
	enum mailauth_status status;

	ck_assert_ptr_nonnull(copy);
	if (response.len > 0)
		memcpy(copy, response.p, response.len);
	status = ma_cram_md5_check(&exchange, challenge, ma_span(copy, response.len));
	ma_free(copy);
	return status;
}

/* What a client answers. */
static const char *answer(const char *user, const char *password, struct ma_span challenge,
			  struct ma_buf *out)
{
	uint8_t state[MA_HMAC_MD5_STATE];
	uint8_t digest[MA_MD5_LEN];

	ma_hmac_md5_derive(ma_span_text(password), state);
	ma_hmac_md5_digest(state, challenge, digest);
	ma_buf_reset(out);
	ma_buf_printf(out, "%s ", user);
	ma_hex_encode(ma_span(digest, sizeof(digest)), out);
	return ma_buf_text(out);
}

START_TEST(gives_the_known_answers)
{
	struct support_vectors *vectors = support_vectors_open("cram_md5.txt");
	const char *fields[5];
	unsigned int n = 0;

	while (support_vectors_next(vectors, fields, 5) == 5) {
		const struct ma_kind *kind = ma_kind_find(MA_KIND_CRAM_MD5);
		const struct ma_subject subject = {.crypto = crypto};
		struct ma_span password = ma_span_text(fields[1]);
		uint8_t want[MA_HMAC_MD5_STATE];
		uint8_t bytes[64];
		struct ma_buf secret = ma_buf_fixed(bytes, sizeof(bytes));
		char text[512];
		struct ma_buf response = ma_buf_fixed(text, sizeof(text));

		n++;
		ck_assert_uint_eq(support_unhex(fields[4], want, sizeof(want)), sizeof(want));
		/* password to verifier */
		ck_assert_int_eq(kind->derive(kind, &subject, password, &secret), MAILAUTH_OK);
		ck_assert_msg(ma_span_equal(ma_buf_span(&secret), ma_span(want, sizeof(want))),
			      "%s: another verifier", fields[0]);
		ck_assert_int_eq(kind->check(kind, &subject, ma_span(want, sizeof(want)), password),
				 MAILAUTH_OK);
		/* verifier and challenge to digest */
		ma_buf_printf(&response, "%s %s", fields[0], fields[3]);
		hold(ma_span(want, sizeof(want)));
		ck_assert_msg(check(ma_span_text(fields[2]), ma_buf_span(&response)) == MAILAUTH_OK,
			      "%s: %s is refused", fields[0], fields[3]);
		ck_assert(ma_span_equal(ma_buf_span(&account.user), ma_span_text(fields[0])));
		/* the client's side */
		ck_assert_str_eq(answer(fields[0], fields[1], ma_span_text(fields[2]), &response) +
					 strlen(fields[0]) + 1,
				 fields[3]);
	}
	ck_assert_uint_ge(n, 1);
	support_vectors_close(vectors);
}
END_TEST

static const struct {
	const char *name;
	const char *response;
	size_t len; /* 0: that of the text */
	enum mailauth_status want;
	const char *user; /* NULL: nobody is looked up */
} rows[] = {
	{"right", "tim " DIGEST, 0, MAILAUTH_OK, "tim"},
	{"upper case", "tim B913A602C7EDA7A495B4E6E7334D3890", 0, MAILAUTH_OK, "tim"},
	{"mixed case", "tim b913A602c7eda7a495b4e6e7334d3890", 0, MAILAUTH_OK, "tim"},
	{"a user with a space: the last one divides", "tim x " DIGEST, 0, MAILAUTH_OK, "tim x"},
	{"two spaces in a row", "tim  " DIGEST, 0, MAILAUTH_OK, "tim "},
	{"a user of spaces", "   " DIGEST, 0, MAILAUTH_OK, "  "},
	{"NUL in the user is for lookup to judge", "t\0m " DIGEST, 36, MAILAUTH_OK, "t"},
	{"wrong digest", "tim b913a602c7eda7a495b4e6e7334d3891", 0, MAILAUTH_E_DENIED, "tim"},
	{"digest of zeros", "tim 00000000000000000000000000000000", 0, MAILAUTH_E_DENIED, "tim"},
	{"empty", "", 0, MAILAUTH_E_PROTOCOL, NULL},
	{"no space", "tim" DIGEST, 0, MAILAUTH_E_PROTOCOL, NULL},
	{"digest alone", DIGEST, 0, MAILAUTH_E_PROTOCOL, NULL},
	{"space alone", " ", 0, MAILAUTH_E_PROTOCOL, NULL},
	{"empty user", " " DIGEST, 0, MAILAUTH_E_PROTOCOL, NULL},
	{"no digest", "tim ", 0, MAILAUTH_E_PROTOCOL, NULL},
	{"31 digits", "tim b913a602c7eda7a495b4e6e7334d389", 0, MAILAUTH_E_PROTOCOL, NULL},
	{"30 digits", "tim b913a602c7eda7a495b4e6e7334d38", 0, MAILAUTH_E_PROTOCOL, NULL},
	{"33 digits", "tim " DIGEST "0", 0, MAILAUTH_E_PROTOCOL, NULL},
	{"34 digits", "tim " DIGEST "00", 0, MAILAUTH_E_PROTOCOL, NULL},
	{"64 digits", "tim " DIGEST DIGEST, 0, MAILAUTH_E_PROTOCOL, NULL},
	{"no digit at the start", "tim g913a602c7eda7a495b4e6e7334d3890", 0, MAILAUTH_E_PROTOCOL,
	 NULL},
	{"no digit at the end", "tim b913a602c7eda7a495b4e6e7334d389g", 0, MAILAUTH_E_PROTOCOL,
	 NULL},
	{"a sign", "tim -913a602c7eda7a495b4e6e7334d3890", 0, MAILAUTH_E_PROTOCOL, NULL},
	{"0x", "tim 0x13a602c7eda7a495b4e6e7334d3890", 0, MAILAUTH_E_PROTOCOL, NULL},
	{"NUL in the digest",
	 "tim b913a602c7eda7a495b4e6e7334d38\0"
	 "0",
	 36, MAILAUTH_E_PROTOCOL, NULL},
	{"NUL behind the digest", "tim " DIGEST "\0", 37, MAILAUTH_E_PROTOCOL, NULL},
	{"NUL for the space", "tim\0" DIGEST, 36, MAILAUTH_E_PROTOCOL, NULL},
	{"tab for the space", "tim\t" DIGEST, 0, MAILAUTH_E_PROTOCOL, NULL},
	{"line feed behind", "tim " DIGEST "\n", 0, MAILAUTH_E_PROTOCOL, NULL},
	{"line end behind", "tim " DIGEST "\r\n", 0, MAILAUTH_E_PROTOCOL, NULL},
	{"space behind", "tim " DIGEST " ", 0, MAILAUTH_E_PROTOCOL, NULL},
};

/* RFC 2195 section 2: user SP digest; exactly 32 hexadecimal digits of either case */
START_TEST(splits_responses_as_rfc_2195_says)
{
	size_t len = rows[_i].len != 0 ? rows[_i].len : strlen(rows[_i].response);
	enum mailauth_status got = check(ma_span_text(CHALLENGE), ma_span(rows[_i].response, len));

	ck_assert_msg(got == rows[_i].want, "%s: got %d, want %d", rows[_i].name, got,
		      rows[_i].want);
	ck_assert_msg(account.n_lookups == (rows[_i].user != NULL), "%s: %u lookups", rows[_i].name,
		      account.n_lookups);
	if (rows[_i].user != NULL)
		ck_assert_msg(strcmp(ma_buf_text(&account.user), rows[_i].user) == 0,
			      "%s: got \"%s\", want \"%s\"", rows[_i].name,
			      ma_buf_text(&account.user), rows[_i].user);
}
END_TEST

START_TEST(refuses_each_character_that_is_no_digit)
{
	for (unsigned int c = 0; c <= UINT8_MAX; c++) {
		char response[] = "tim " DIGEST;
		bool is_digit = c != 0 && strchr("0123456789abcdefABCDEF", (int)c) != NULL;
		enum mailauth_status got;

		response[10] = (char)c;
		if (c == ' ')
			continue;
		got = check(ma_span_text(CHALLENGE), ma_span(response, 36));
		ck_assert_msg((got == MAILAUTH_E_PROTOCOL) == !is_digit, "%02x: got %d", c, got);
	}
}
END_TEST

START_TEST(passes_on_the_longest_user)
{
	static uint8_t response[MAILAUTH_MESSAGE_MAX];
	size_t user_len = sizeof(response) - 33;

	memset(response, 'u', user_len);
	memcpy(response + user_len, " " DIGEST, 33);
	ck_assert_int_eq(check(ma_span_text(CHALLENGE), ma_span(response, sizeof(response))),
			 MAILAUTH_OK);
	ck_assert_uint_eq(account.user.len, user_len);
}
END_TEST

/* A digest is bytes, no text. */
START_TEST(accepts_a_digest_that_holds_a_zero_byte)
{
	unsigned int n_found[MA_MD5_LEN] = {0};

	for (unsigned int i = 0; i < 4096; i++) {
		uint8_t digest[MA_MD5_LEN];
		char challenge[32];
		char text[64];
		struct ma_buf response = ma_buf_fixed(text, sizeof(text));
		const uint8_t *zero;

		(void)snprintf(challenge, sizeof(challenge), "<%u@h>", i);
		ma_hmac_md5_digest(state_of_password, ma_span_text(challenge), digest);
		zero = memchr(digest, 0, sizeof(digest));
		if (zero == NULL)
			continue;
		n_found[zero - digest]++;
		answer("tim", PASSWORD, ma_span_text(challenge), &response);
		ma_buf_reset(&account.user);
		ck_assert_int_eq(check(ma_span_text(challenge), ma_buf_span(&response)),
				 MAILAUTH_OK);
		/* what stands behind the zero counts */
		text[response.len - 1] = text[response.len - 1] == '0' ? '1' : '0';
		ma_buf_reset(&account.user);
		ck_assert_int_eq(check(ma_span_text(challenge), ma_buf_span(&response)),
				 MAILAUTH_E_DENIED);
	}
	ck_assert_uint_gt(n_found[0], 0);
	ck_assert_uint_gt(n_found[7], 0);
}
END_TEST

START_TEST(refuses_every_other_digest)
{
	static const char right[] = DIGEST;

	for (size_t i = 0; i < strlen(right); i++)
		for (const char *c = "0123456789abcdef"; *c != '\0'; c++) {
			char response[] = "tim " DIGEST;
			enum mailauth_status want =
				*c == right[i] ? MAILAUTH_OK : MAILAUTH_E_DENIED;

			response[4 + i] = *c;
			ma_buf_reset(&account.user);
			ck_assert_msg(check(ma_span_text(CHALLENGE), ma_span_text(response)) ==
					      want,
				      "%s: want %d", response, want);
		}
	ck_assert_int_eq(check(ma_span_text(CHALLENGE "x"), ma_span_text("tim " DIGEST)),
			 MAILAUTH_E_DENIED);
}
END_TEST

START_TEST(tries_every_credential)
{
	uint8_t other[MA_HMAC_MD5_STATE];

	ma_hmac_md5_derive(ma_span_text("another"), other);
	account.credentials[0].secrets[0].value = ma_span(other, sizeof(other));
	ck_assert_int_eq(check(ma_span_text(CHALLENGE), ma_span_text("tim " DIGEST)),
			 MAILAUTH_E_DENIED);
	account.credentials[1].n_secrets = 2;
	account.credentials[1].secrets[0] =
		(struct ma_secret){.kind = MA_KIND_CRYPT, .value = ma_span_text("*")};
	account.credentials[1].secrets[1] =
		(struct ma_secret){.kind = MA_KIND_CRAM_MD5,
				   .value = ma_span(state_of_password, sizeof(state_of_password))};
	account.candidates.items[account.candidates.n++] = &account.credentials[1];
	for (int i = 0; i < 2; i++) { /* either order */
		ma_buf_reset(&account.user);
		ck_assert_int_eq(check(ma_span_text(CHALLENGE), ma_span_text("tim " DIGEST)),
				 MAILAUTH_OK);
		account.candidates.items[0] = &account.credentials[1];
		account.candidates.items[1] = &account.credentials[0];
	}
	account.candidates.n = 0;
	ck_assert_int_eq(check(ma_span_text(CHALLENGE), ma_span_text("tim " DIGEST)),
			 MAILAUTH_E_DENIED);
}
END_TEST

START_TEST(denies_with_a_secret_of_another_length_or_kind)
{
	static const size_t lens[] = {0, 1, 16, 31, 33};
	uint8_t bytes[33] = {0};

	memcpy(bytes, state_of_password, sizeof(state_of_password));
	for (size_t i = 0; i < MA_ARRAY_SIZE(lens); i++) {
		hold(ma_span(bytes, lens[i]));
		ck_assert_msg(check(ma_span_text(CHALLENGE), ma_span_text("tim " DIGEST)) ==
				      MAILAUTH_E_DENIED,
			      "%zu bytes", lens[i]);
	}
	hold(ma_span(bytes, 32));
	account.credentials[0].secrets[0].kind = MA_KIND_SASL_PLAIN;
	ck_assert_int_eq(check(ma_span_text(CHALLENGE), ma_span_text("tim " DIGEST)),
			 MAILAUTH_E_DENIED);
}
END_TEST

START_TEST(hands_on_what_lookup_says)
{
	static const enum mailauth_status answers[] = {MAILAUTH_E_TEMPFAIL, MAILAUTH_E_CORRUPT,
						       MAILAUTH_E_DENIED, MAILAUTH_E_NOMEM};

	for (size_t i = 0; i < MA_ARRAY_SIZE(answers); i++) {
		account.answer = answers[i];
		ma_buf_reset(&account.user);
		ck_assert_int_eq(check(ma_span_text(CHALLENGE), ma_span_text("tim " DIGEST)),
				 answers[i]);
	}
}
END_TEST

/* ---- the dialogue ---- */

struct dialogue {
	struct ma_exchange exchange;
	uint8_t *state;
	char bytes[1024];
	struct ma_buf reply;
};

static void start(struct dialogue *dialogue)
{
	dialogue->state = ma_alloc(ma_mech_cram_md5.state_size);
	ck_assert_ptr_nonnull(dialogue->state);
	dialogue->exchange = exchange_with(dialogue->state);
	dialogue->reply = ma_buf_fixed(dialogue->bytes, sizeof(dialogue->bytes));
}

static enum mailauth_status step(struct dialogue *dialogue, struct ma_span in)
{
	return ma_mech_cram_md5.step(&dialogue->exchange, in, &dialogue->reply);
}

START_TEST(logs_in_with_a_fresh_challenge)
{
	struct dialogue dialogue;
	char text[512];
	struct ma_buf response = ma_buf_fixed(text, sizeof(text));

	start(&dialogue);
	ck_assert_int_eq(step(&dialogue, ma_span(NULL, 0)), MAILAUTH_CONTINUE);
	answer("tim", PASSWORD, ma_buf_span(&dialogue.reply), &response);
	ma_buf_reset(&dialogue.reply);
	ck_assert_int_eq(step(&dialogue, ma_buf_span(&response)), MAILAUTH_OK);
	ck_assert_uint_eq(dialogue.reply.len, 0);
	ck_assert_str_eq(ma_buf_text(&account.user), "tim");
	ma_free(dialogue.state);
}
END_TEST

START_TEST(refuses_the_answer_to_another_challenge)
{
	struct dialogue first;
	struct dialogue second;
	char text[512];
	struct ma_buf response = ma_buf_fixed(text, sizeof(text));

	start(&first);
	start(&second);
	ck_assert_int_eq(step(&first, ma_span(NULL, 0)), MAILAUTH_CONTINUE);
	ck_assert_int_eq(step(&second, ma_span(NULL, 0)), MAILAUTH_CONTINUE);
	answer("tim", PASSWORD, ma_buf_span(&first.reply), &response);
	ma_buf_reset(&second.reply);
	ck_assert_int_eq(step(&second, ma_buf_span(&response)), MAILAUTH_E_DENIED);
	ma_free(first.state);
	ma_free(second.state);
}
END_TEST

/* RFC 2195 section 2: "<" random "." time "@" host ">" */
START_TEST(challenges_are_msg_ids_and_fresh)
{
	char seen[64][128];

	for (size_t i = 0; i < 64; i++) {
		struct dialogue dialogue;
		const char *text;
		size_t n_random;

		start(&dialogue);
		ck_assert_int_eq(step(&dialogue, ma_span(NULL, 0)), MAILAUTH_CONTINUE);
		text = ma_buf_text(&dialogue.reply);
		ck_assert_msg(text[0] == '<', "got %s", text);
		n_random = strspn(text + 1, "0123456789abcdef");
		ck_assert_msg(n_random >= 32, "%zu random digits in %s", n_random, text);
		ck_assert_msg(strcmp(text + 1 + n_random, ".1700000000@mail.example.org>") == 0,
			      "got %s", text);
		(void)snprintf(seen[i], sizeof(seen[i]), "%s", text);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(seen[i], seen[j]);
		ma_free(dialogue.state);
	}
}
END_TEST

START_TEST(refuses_an_initial_response)
{
	static const char *const firsts[] = {("tim " DIGEST), "x", " ", "\n"};

	for (size_t i = 0; i < MA_ARRAY_SIZE(firsts); i++) {
		struct dialogue dialogue;

		start(&dialogue);
		ck_assert_msg(step(&dialogue, ma_span_text(firsts[i])) == MAILAUTH_E_PROTOCOL, "%s",
			      firsts[i]);
		ck_assert_uint_eq(dialogue.reply.len, 0);
		ck_assert_uint_eq(account.n_lookups, 0);
		ma_free(dialogue.state);
	}
}
END_TEST

START_TEST(refuses_an_empty_response)
{
	struct dialogue dialogue;

	start(&dialogue);
	ck_assert_int_eq(step(&dialogue, ma_span(NULL, 0)), MAILAUTH_CONTINUE);
	ck_assert_int_eq(step(&dialogue, ma_span(NULL, 0)), MAILAUTH_E_PROTOCOL);
	ck_assert_uint_eq(account.n_lookups, 0);
	ma_free(dialogue.state);
}
END_TEST

START_TEST(reports_a_host_name_that_is_too_long)
{
	static uint8_t host[4096];
	static const struct {
		size_t len;
		enum mailauth_status want;
	} hosts[] = {{0, MAILAUTH_CONTINUE},
		     {255, MAILAUTH_CONTINUE},
		     {512, MAILAUTH_E_LIMIT},
		     {4096, MAILAUTH_E_LIMIT}};

	memset(host, 'h', sizeof(host));
	for (size_t i = 0; i < MA_ARRAY_SIZE(hosts); i++) {
		struct dialogue dialogue;
		enum mailauth_status got;

		start(&dialogue);
		dialogue.exchange.host = ma_span(host, hosts[i].len);
		got = step(&dialogue, ma_span(NULL, 0));
		ck_assert_msg(got == hosts[i].want, "%zu bytes: got %d, want %d", hosts[i].len, got,
			      hosts[i].want);
		if (got != MAILAUTH_CONTINUE)
			ck_assert_uint_eq(dialogue.reply.len, 0);
		ma_free(dialogue.state);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mech_cram_md5");
	TCase *tcase = tcase_create("mech_cram_md5");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, gives_the_known_answers);
	tcase_add_loop_test(tcase, splits_responses_as_rfc_2195_says, 0, MA_ARRAY_SIZE(rows));
	tcase_add_test(tcase, refuses_each_character_that_is_no_digit);
	tcase_add_test(tcase, passes_on_the_longest_user);
	tcase_add_test(tcase, accepts_a_digest_that_holds_a_zero_byte);
	tcase_add_test(tcase, refuses_every_other_digest);
	tcase_add_test(tcase, tries_every_credential);
	tcase_add_test(tcase, denies_with_a_secret_of_another_length_or_kind);
	tcase_add_test(tcase, hands_on_what_lookup_says);
	tcase_add_test(tcase, logs_in_with_a_fresh_challenge);
	tcase_add_test(tcase, refuses_the_answer_to_another_challenge);
	tcase_add_test(tcase, challenges_are_msg_ids_and_fresh);
	tcase_add_test(tcase, refuses_an_initial_response);
	tcase_add_test(tcase, refuses_an_empty_response);
	tcase_add_test(tcase, reports_a_host_name_that_is_too_long);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
