/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mech_apop.c - APOP
 *
 * RFC 1939 section 7. Known answers stand in tests/vectors/apop.txt.
 */
#include "mech/mech.h"

#include <stdio.h>

#include "support.h"
#include "util/codec.h"
#include "util/mem.h"

#define PASSWORD  "tanstaaf"
#define TIMESTAMP "<1896.697170952@dbc.mtview.ca.us>"
#define DIGEST	  "c4c9334bac560ecc979e58001b3e22fb"

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
	ck_assert_uint_eq(who->authzid.len, 0); /* APOP has neither */
	ck_assert_uint_eq(who->realm.len, 0);
	ma_buf_put(&account.user, who->user);
	ck_assert_int_eq(ma_buf_status(&account.user), MAILAUTH_OK);
	account.n_lookups++;
	*candidates_out = account.answer == MAILAUTH_OK ? &account.candidates : NULL;
	return account.answer;
}

static void hold(unsigned int id, struct ma_span secret)
{
	memset(&account, 0, sizeof(account));
	account.user = ma_buf_fixed(account.user_bytes, sizeof(account.user_bytes));
	account.credentials[0].n_secrets = 1;
	account.credentials[0].secrets[0] =
		(struct ma_secret){.kind = (uint8_t)id, .value = secret};
	account.candidates.n = 1;
	account.candidates.items[0] = &account.credentials[0];
}

static void setup(void)
{
	const char *missing;

	ck_assert_int_eq(ma_crypto_new(&crypto, &missing), MAILAUTH_OK);
	hold(MA_KIND_PASSWORD, ma_span_text(PASSWORD));
}

static void teardown(void)
{
	ma_crypto_free(&crypto);
}

static struct ma_exchange exchange_with(void *state)
{
	return (struct ma_exchange){
		.mech = &ma_mech_apop,
		.crypto = crypto,
		.host = ma_span_text("mail.example.org"),
		.now_s = 1700000000,
		.state = state,
		.lookup = lookup,
		.lookup_arg = &account,
	};
}

static uint8_t *copy_of(struct ma_span in)
{
	uint8_t *copy = ma_alloc(in.len > 0 ? in.len : 1);

	ck_assert_ptr_nonnull(copy);
	if (in.len > 0)
		memcpy(copy, in.p, in.len);
	return copy;
}

/* From blocks of exactly their size. */
static enum mailauth_status check(const char *timestamp, struct ma_span user, struct ma_span digest)
{
	struct ma_exchange exchange = exchange_with(NULL);
	uint8_t *user_copy = copy_of(user);
	uint8_t *digest_copy = copy_of(digest);
	enum mailauth_status status;

	ma_buf_reset(&account.user);
	status = ma_apop_check(&exchange, ma_span_text(timestamp), ma_span(user_copy, user.len),
			       ma_span(digest_copy, digest.len));
	ma_free(user_copy);
	ma_free(digest_copy);
	return status;
}

/* What a client answers: "user digest". */
static const char *answer(const char *user, const char *password, struct ma_span timestamp,
			  struct ma_buf *out)
{
	const struct ma_span parts[] = {timestamp, ma_span_text(password)};
	uint8_t digest[MA_MD5_LEN];

	ma_md5(parts, MA_ARRAY_SIZE(parts), digest);
	ma_buf_reset(out);
	ma_buf_printf(out, "%s ", user);
	ma_hex_encode(ma_span(digest, sizeof(digest)), out);
	return ma_buf_text(out);
}

START_TEST(gives_the_known_answers)
{
	struct support_vectors *vectors = support_vectors_open("apop.txt");
	const char *fields[5];
	unsigned int n = 0;

	while (support_vectors_next(vectors, fields, 5) == 4) {
		char text[128];
		struct ma_buf response = ma_buf_fixed(text, sizeof(text));

		n++;
		hold(MA_KIND_PASSWORD, ma_span_text(fields[1]));
		support_status(fields[0],
			       check(fields[2], ma_span_text(fields[0]), ma_span_text(fields[3])),
			       MAILAUTH_OK);
		ck_assert_str_eq(ma_buf_text(&account.user), fields[0]);
		ck_assert_uint_eq(account.n_lookups, 1);
		/* the client's side */
		ck_assert_str_eq(answer(fields[0], fields[1], ma_span_text(fields[2]), &response) +
					 strlen(fields[0]) + 1,
				 fields[3]);
	}
	ck_assert_uint_ge(n, 4);
	support_vectors_close(vectors);
}
END_TEST

static const struct {
	const char *name;
	const char *user;
	size_t user_len; /* 0: that of the text */
	const char *digest;
	size_t digest_len; /* 0: that of the text */
	enum mailauth_status want;
	unsigned int n_lookups;
} rows[] = {
	{"right", "mrose", 0, DIGEST, 0, MAILAUTH_OK, 1},
	{"digits in upper case", "mrose", 0, "C4C9334BAC560ECC979E58001B3E22FB", 0, MAILAUTH_OK, 1},
	{"digits in mixed case", "mrose", 0, "c4C9334bac560ecc979e58001b3e22fB", 0, MAILAUTH_OK, 1},
	{"user with spaces", " m rose ", 0, DIGEST, 0, MAILAUTH_OK, 1},
	{"NUL in the user is for lookup to judge", "mro\0se", 6, DIGEST, 0, MAILAUTH_OK, 1},
	{"NUL as the user, too", "\0", 1, DIGEST, 0, MAILAUTH_OK, 1},
	{"last digit differs", "mrose", 0, "c4c9334bac560ecc979e58001b3e22fa", 0, MAILAUTH_E_DENIED,
	 1},
	{"first digit differs", "mrose", 0, "d4c9334bac560ecc979e58001b3e22fb", 0,
	 MAILAUTH_E_DENIED, 1},
	{"zeros", "mrose", 0, "00000000000000000000000000000000", 0, MAILAUTH_E_DENIED, 1},
	{"empty user", "", 0, DIGEST, 0, MAILAUTH_E_PROTOCOL, 0},
	{"empty digest", "mrose", 0, "", 0, MAILAUTH_E_PROTOCOL, 0},
	{"both empty", "", 0, "", 0, MAILAUTH_E_PROTOCOL, 0},
	{"30 digits", "mrose", 0, "c4c9334bac560ecc979e58001b3e22", 0, MAILAUTH_E_PROTOCOL, 0},
	{"31 digits", "mrose", 0, "c4c9334bac560ecc979e58001b3e22f", 0, MAILAUTH_E_PROTOCOL, 0},
	{"33 digits", "mrose", 0, DIGEST "0", 0, MAILAUTH_E_PROTOCOL, 0},
	{"34 digits", "mrose", 0, DIGEST "00", 0, MAILAUTH_E_PROTOCOL, 0},
	{"64 digits", "mrose", 0, DIGEST DIGEST, 0, MAILAUTH_E_PROTOCOL, 0},
	{"no digit at the start", "mrose", 0, "g4c9334bac560ecc979e58001b3e22fb", 0,
	 MAILAUTH_E_PROTOCOL, 0},
	{"no digit at the end", "mrose", 0, "c4c9334bac560ecc979e58001b3e22fg", 0,
	 MAILAUTH_E_PROTOCOL, 0},
	{"0x", "mrose", 0, "0xc9334bac560ecc979e58001b3e22fb", 0, MAILAUTH_E_PROTOCOL, 0},
	{"space before", "mrose", 0, " c4c9334bac560ecc979e58001b3e22f", 0, MAILAUTH_E_PROTOCOL, 0},
	{"space behind", "mrose", 0, DIGEST " ", 0, MAILAUTH_E_PROTOCOL, 0},
	{"line end behind", "mrose", 0, DIGEST "\r\n", 0, MAILAUTH_E_PROTOCOL, 0},
	{"NUL behind", "mrose", 0, DIGEST, 33, MAILAUTH_E_PROTOCOL, 0},
	{"NUL for a digit", "mrose", 0, "c4c9334bac560ecc979e58001b3e22f", 32, MAILAUTH_E_PROTOCOL,
	 0},
	{"the digest's bytes", "mrose", 0,
	 "\xc4\xc9\x33\x4b\xac\x56\x0e\xcc\x97\x9e\x58\x00\x1b\x3e\x22\xfb", 16,
	 MAILAUTH_E_PROTOCOL, 0},
	{"the password", "mrose", 0, PASSWORD, 0, MAILAUTH_E_PROTOCOL, 0},
};

/* RFC 1939 section 7: a name, and 16 octets in hexadecimal */
START_TEST(checks_name_and_digest)
{
	size_t user_len = rows[_i].user_len != 0 ? rows[_i].user_len : strlen(rows[_i].user);
	size_t digest_len =
		rows[_i].digest_len != 0 ? rows[_i].digest_len : strlen(rows[_i].digest);

	support_status(rows[_i].name,
		       check(TIMESTAMP, ma_span(rows[_i].user, user_len),
			     ma_span(rows[_i].digest, digest_len)),
		       rows[_i].want);
	ck_assert_msg(account.n_lookups == rows[_i].n_lookups, "%s: got %u lookups, want %u",
		      rows[_i].name, account.n_lookups, rows[_i].n_lookups);
	if (account.n_lookups > 0)
		ck_assert(ma_span_equal(ma_buf_span(&account.user),
					ma_span(rows[_i].user, user_len)));
}
END_TEST

START_TEST(refuses_each_character_that_is_no_digit)
{
	for (unsigned int c = 0; c <= UINT8_MAX; c++) {
		char digest[] = DIGEST;
		bool is_digit = c != 0 && strchr("0123456789abcdefABCDEF", (int)c) != NULL;
		enum mailauth_status got;

		digest[7] = (char)c;
		got = check(TIMESTAMP, ma_span_text("mrose"), ma_span(digest, 32));
		ck_assert_msg((got == MAILAUTH_E_PROTOCOL) == !is_digit, "%02x: got %d", c, got);
	}
}
END_TEST

START_TEST(refuses_every_other_digest_and_timestamp)
{
	static const char right[] = DIGEST;
	static const char *const timestamps[] = {
		"",
		TIMESTAMP " ",
		TIMESTAMP PASSWORD,
		"<1896.697170952@dbc.mtview.ca.us",
		"1896.697170952@dbc.mtview.ca.us>",
		"<1896.697170953@dbc.mtview.ca.us>",
		"<1896.697170952@DBC.mtview.ca.us>",
	};

	for (size_t i = 0; i < strlen(right); i++)
		for (const char *c = "0123456789abcdef"; *c != '\0'; c++) {
			char digest[] = DIGEST;

			digest[i] = *c;
			support_status(
				digest,
				check(TIMESTAMP, ma_span_text("mrose"), ma_span_text(digest)),
				*c == right[i] ? MAILAUTH_OK : MAILAUTH_E_DENIED);
		}
	for (size_t i = 0; i < MA_ARRAY_SIZE(timestamps); i++)
		support_status(timestamps[i],
			       check(timestamps[i], ma_span_text("mrose"), ma_span_text(DIGEST)),
			       MAILAUTH_E_DENIED);
}
END_TEST

/* Timestamp and password are hashed one after the other: where one ends has to be known. */
START_TEST(does_not_take_the_end_of_the_timestamp_for_the_password)
{
	hold(MA_KIND_PASSWORD, ma_span_text("us>" PASSWORD));
	support_status("a longer password",
		       check(TIMESTAMP, ma_span_text("mrose"), ma_span_text(DIGEST)),
		       MAILAUTH_E_DENIED);
	support_status("and a shorter timestamp",
		       check("<1896.697170952@dbc.mtview.ca.", ma_span_text("mrose"),
			     ma_span_text(DIGEST)),
		       MAILAUTH_OK);
}
END_TEST

START_TEST(tries_every_credential)
{
	const struct ma_span user = ma_span_text("mrose");
	const struct ma_span digest = ma_span_text(DIGEST);

	account.credentials[0].secrets[0].value = ma_span_text("another");
	support_status("another", check(TIMESTAMP, user, digest), MAILAUTH_E_DENIED);
	account.credentials[1].n_secrets = 2;
	account.credentials[1].secrets[0] =
		(struct ma_secret){.kind = MA_KIND_CRYPT, .value = ma_span_text("*")};
	account.credentials[1].secrets[1] =
		(struct ma_secret){.kind = MA_KIND_PASSWORD, .value = ma_span_text(PASSWORD)};
	account.candidates.items[account.candidates.n++] = &account.credentials[1];
	support_status("second", check(TIMESTAMP, user, digest), MAILAUTH_OK);
	account.candidates.items[0] = &account.credentials[1];
	account.candidates.items[1] = &account.credentials[0];
	support_status("first", check(TIMESTAMP, user, digest), MAILAUTH_OK);
	account.candidates.n = 0;
	support_status("none", check(TIMESTAMP, user, digest), MAILAUTH_E_DENIED);
}
END_TEST

START_TEST(denies_with_a_secret_of_another_kind)
{
	for (unsigned int id = 0; id <= UINT8_MAX; id++) {
		hold(id, ma_span_text(PASSWORD));
		ck_assert_msg(check(TIMESTAMP, ma_span_text("mrose"), ma_span_text(DIGEST)) ==
				      (id == MA_KIND_PASSWORD ? MAILAUTH_OK : MAILAUTH_E_DENIED),
			      "kind %u", id);
	}
}
END_TEST

START_TEST(hands_on_what_lookup_says)
{
	static const enum mailauth_status answers[] = {MAILAUTH_E_TEMPFAIL, MAILAUTH_E_CORRUPT,
						       MAILAUTH_E_DENIED, MAILAUTH_E_NOMEM};

	for (size_t i = 0; i < MA_ARRAY_SIZE(answers); i++) {
		account.answer = answers[i];
		support_status("lookup",
			       check(TIMESTAMP, ma_span_text("mrose"), ma_span_text(DIGEST)),
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
	dialogue->state = ma_alloc(ma_mech_apop.state_size);
	ck_assert_ptr_nonnull(dialogue->state);
	dialogue->exchange = exchange_with(dialogue->state);
	dialogue->reply = ma_buf_fixed(dialogue->bytes, sizeof(dialogue->bytes));
}

static enum mailauth_status step(struct dialogue *dialogue, struct ma_span in)
{
	uint8_t *copy = copy_of(in);
	enum mailauth_status status =
		ma_mech_apop.step(&dialogue->exchange, ma_span(copy, in.len), &dialogue->reply);

	ma_free(copy);
	return status;
}

static void greet(struct dialogue *dialogue)
{
	start(dialogue);
	ck_assert_int_eq(step(dialogue, ma_span(NULL, 0)), MAILAUTH_CONTINUE);
}

START_TEST(logs_in_with_a_fresh_timestamp)
{
	struct dialogue dialogue;
	char text[1024];
	struct ma_buf response = ma_buf_fixed(text, sizeof(text));

	greet(&dialogue);
	answer("m rose", PASSWORD, ma_buf_span(&dialogue.reply), &response);
	ma_buf_reset(&dialogue.reply);
	ck_assert_int_eq(step(&dialogue, ma_buf_span(&response)), MAILAUTH_OK);
	ck_assert_uint_eq(dialogue.reply.len, 0);
	ck_assert_str_eq(ma_buf_text(&account.user), "m rose"); /* the last space divides */
	ma_free(dialogue.state);
}
END_TEST

START_TEST(refuses_the_answer_to_another_timestamp)
{
	struct dialogue first;
	struct dialogue second;
	char text[1024];
	struct ma_buf response = ma_buf_fixed(text, sizeof(text));

	greet(&first);
	greet(&second);
	answer("mrose", PASSWORD, ma_buf_span(&first.reply), &response);
	ck_assert_int_eq(step(&second, ma_buf_span(&response)), MAILAUTH_E_DENIED);
	ma_free(first.state);
	ma_free(second.state);
}
END_TEST

/* RFC 1939 section 7: a msg-id of RFC 822, and never the same twice */
START_TEST(timestamps_are_msg_ids_and_fresh)
{
	char seen[64][128];

	for (size_t i = 0; i < MA_ARRAY_SIZE(seen); i++) {
		struct dialogue dialogue;
		const char *text;
		size_t n_random;

		greet(&dialogue);
		text = ma_buf_text(&dialogue.reply);
		ck_assert_msg(text[0] == '<', "got %s", text);
		n_random = strspn(text + 1, "0123456789abcdef");
		ck_assert_msg(n_random >= 32, "%zu random digits in %s", n_random, text);
		ck_assert_msg(strcmp(text + 1 + n_random, ".1700000000@mail.example.org>") == 0,
			      "got %s", text);
		/* printable, without a space, and without the '=' that mpop takes for none */
		for (const char *c = text; *c != '\0'; c++)
			ck_assert_msg(*c > ' ' && *c <= '~' && *c != '=', "got %s", text);
		(void)snprintf(seen[i], sizeof(seen[i]), "%s", text);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(seen[i], seen[j]);
		ma_free(dialogue.state);
	}
}
END_TEST

START_TEST(refuses_a_client_that_begins)
{
	static const char *const firsts[] = {("mrose " DIGEST), "x", " ", "\n", "APOP"};

	for (size_t i = 0; i < MA_ARRAY_SIZE(firsts); i++) {
		struct dialogue dialogue;

		start(&dialogue);
		support_status(firsts[i], step(&dialogue, ma_span_text(firsts[i])),
			       MAILAUTH_E_PROTOCOL);
		ck_assert_uint_eq(dialogue.reply.len, 0);
		ck_assert_uint_eq(account.n_lookups, 0);
		ma_free(dialogue.state);
	}
}
END_TEST

static const struct {
	const char *name;
	const char *response;
	size_t len; /* 0: that of the text */
} malformed[] = {
	{"empty", "", 0},
	{"space alone", " ", 0},
	{"NUL alone", "\0", 1},
	{"user alone", "mrose", 0},
	{"user and a space", "mrose ", 0},
	{"digest alone", DIGEST, 0},
	{"no user", " " DIGEST, 0},
	{"no space", "mrose" DIGEST, 0},
	{"tab for the space", "mrose\t" DIGEST, 0},
	{"NUL for the space", "mrose\0" DIGEST, 38},
	{"NUL behind", "mrose " DIGEST, 39},
	{"space behind", "mrose " DIGEST " ", 0},
	{"line end behind", "mrose " DIGEST "\r\n", 0},
	{"one digit short", "mrose c4c9334bac560ecc979e58001b3e22f", 0},
	{"one digit long", "mrose " DIGEST "0", 0},
	{"digest first", DIGEST " mrose", 0},
};

START_TEST(refuses_malformed_responses)
{
	size_t len = malformed[_i].len != 0 ? malformed[_i].len : strlen(malformed[_i].response);
	struct dialogue dialogue;

	greet(&dialogue);
	ma_buf_reset(&dialogue.reply);
	support_status(malformed[_i].name, step(&dialogue, ma_span(malformed[_i].response, len)),
		       MAILAUTH_E_PROTOCOL);
	ck_assert_uint_eq(dialogue.reply.len, 0);
	ck_assert_uint_eq(account.n_lookups, 0);
	ma_free(dialogue.state);
}
END_TEST

START_TEST(passes_on_the_longest_user)
{
	static uint8_t response[MAILAUTH_MESSAGE_MAX];
	size_t user_len = sizeof(response) - 33;
	struct dialogue dialogue;

	memset(response, 'u', user_len);
	memcpy(response + user_len, " " DIGEST, 33);
	greet(&dialogue);
	ck_assert_int_eq(step(&dialogue, ma_span(response, sizeof(response))), MAILAUTH_E_DENIED);
	ck_assert_uint_eq(account.user.len, user_len);
	ma_free(dialogue.state);
}
END_TEST

START_TEST(reports_a_host_name_that_is_too_long)
{
	static uint8_t host[MA_CHALLENGE_MAX];
	/* "<", 32 digits, ".1700000000@" and ">" */
	const size_t room = MA_CHALLENGE_MAX - 46;

	memset(host, 'h', sizeof(host));
	for (size_t len = room - 1; len <= room + 1; len++) {
		struct dialogue dialogue;
		enum mailauth_status want = len <= room ? MAILAUTH_CONTINUE : MAILAUTH_E_LIMIT;
		enum mailauth_status got;

		start(&dialogue);
		dialogue.exchange.host = ma_span(host, len);
		got = step(&dialogue, ma_span(NULL, 0));
		ck_assert_msg(got == want, "%zu bytes: got %d, want %d", len, got, want);
		ck_assert_uint_eq(dialogue.reply.len, got == MAILAUTH_CONTINUE ? len + 46 : 0);
		ma_free(dialogue.state);
	}
}
END_TEST

/* A realm may stand in for the host, and have what a msg-id must not. */
START_TEST(timestamps_of_odd_hosts_are_plain)
{
	struct dialogue dialogue;
	struct ma_span text;

	start(&dialogue);
	dialogue.exchange.host = ma_span_text("b\xc3=her>.net_1[A{Z-");
	ck_assert_int_eq(step(&dialogue, ma_span(NULL, 0)), MAILAUTH_CONTINUE);
	text = ma_buf_span(&dialogue.reply);
	ck_assert_uint_gt(text.len, 21);
	ck_assert_mem_eq(text.p + text.len - 20, "@b--her-.net_1-A-Z->", 20);
	ma_free(dialogue.state);
}
END_TEST

START_TEST(reports_a_reply_without_room)
{
	struct dialogue dialogue;

	start(&dialogue);
	dialogue.reply = ma_buf_fixed(dialogue.bytes, 40);
	ck_assert_int_eq(step(&dialogue, ma_span(NULL, 0)), MAILAUTH_E_LIMIT);
	ma_free(dialogue.state);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mech_apop");
	TCase *tcase = tcase_create("mech_apop");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, gives_the_known_answers);
	tcase_add_loop_test(tcase, checks_name_and_digest, 0, MA_ARRAY_SIZE(rows));
	tcase_add_test(tcase, refuses_each_character_that_is_no_digit);
	tcase_add_test(tcase, refuses_every_other_digest_and_timestamp);
	tcase_add_test(tcase, does_not_take_the_end_of_the_timestamp_for_the_password);
	tcase_add_test(tcase, tries_every_credential);
	tcase_add_test(tcase, denies_with_a_secret_of_another_kind);
	tcase_add_test(tcase, hands_on_what_lookup_says);
	tcase_add_test(tcase, logs_in_with_a_fresh_timestamp);
	tcase_add_test(tcase, refuses_the_answer_to_another_timestamp);
	tcase_add_test(tcase, timestamps_are_msg_ids_and_fresh);
	tcase_add_test(tcase, refuses_a_client_that_begins);
	tcase_add_loop_test(tcase, refuses_malformed_responses, 0, MA_ARRAY_SIZE(malformed));
	tcase_add_test(tcase, passes_on_the_longest_user);
	tcase_add_test(tcase, reports_a_host_name_that_is_too_long);
	tcase_add_test(tcase, timestamps_of_odd_hosts_are_plain);
	tcase_add_test(tcase, reports_a_reply_without_room);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
