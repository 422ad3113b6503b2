/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_seal.c - sealed records, and the key file
 *
 * What a thief of the store can read, what somebody who can write to it can change, and which key
 * files are refused. Files here belong to the user that runs the test, who counts as root.
 */
#include "account/seal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"
#include "util/codec.h"
#include "util/mem.h"

static struct ma_crypto *crypto;
static struct ma_cipher *cipher;
static struct ma_keyring keyring;
static struct ma_name alice;
static uint8_t plain[MA_RECORD_MAX];
static struct support_log got_log;
static const struct ma_log log_here = {
	.fn = support_log, .arg = &got_log, .level = MAILAUTH_LOG_DEBUG};

static const uint8_t nonce[MA_RECORD_NONCE_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static const char secret[] = "a secret that must not be seen";
static const char label[] = "telephone";

static void setup(void)
{
	const char *missing;

	ck_assert_int_eq(ma_crypto_new(&crypto, &missing), MAILAUTH_OK);
	ck_assert_int_eq(ma_cipher_new(crypto, &cipher), MAILAUTH_OK);
	ck_assert_ptr_null(
		ma_name_parse(ma_span_text("alice@example.org"), ma_span_text("x"), &alice));
	keyring = (struct ma_keyring){.n_keys = 1, .keys = {{.id = 7, .bytes = {1, 2, 3}}}};
	got_log.level = MAILAUTH_LOG_DEBUG;
	support_log_clear(&got_log);
}

static void teardown(void)
{
	ma_cipher_free(&cipher);
	ma_crypto_free(&crypto);
}

static void make_account(struct ma_account *account)
{
	ma_account_init(account);
	account->comment = ma_span_text("comment");
	account->groups = ma_span_text("smtp,imap");
	account->expire = 20000;
	account->n_credentials = 2;
	account->credentials[1].label = ma_span_text(label);
	for (size_t i = 0; i < account->n_credentials; i++) {
		account->credentials[i].n_secrets = 1;
		account->credentials[i].secrets[0] = (struct ma_secret){
			.kind = MA_KIND_CRYPT, .value = ma_span(secret, strlen(secret))};
	}
}

/* The record of alice, sealed; in @out, which has room for MA_RECORD_MAX bytes. */
static struct ma_span seal(uint8_t *out)
{
	struct ma_buf buf = ma_buf_fixed(out, MA_RECORD_MAX);
	struct ma_account account;

	make_account(&account);
	ck_assert_int_eq(ma_seal(ma_keyring_newest(&keyring), cipher, &alice, &account,
				 ma_span(nonce, sizeof(nonce)), &buf),
			 MAILAUTH_OK);
	return ma_buf_span(&buf);
}

/* Opens from a block of exactly its size. */
static enum mailauth_status open_as(const struct ma_keyring *keys, const struct ma_name *name,
				    struct ma_span bytes, const char **why_out)
{
	static struct ma_account account;
	uint8_t *copy = ma_alloc(bytes.len > 0 ? bytes.len : 1);
	size_t plain_len = SIZE_MAX;
	enum mailauth_status status;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes.p, bytes.len);
	status = ma_seal_open(keys, cipher, name, ma_span(copy, bytes.len), plain, &plain_len,
			      &account, why_out);
	ck_assert_uint_le(plain_len, sizeof(plain));
	if (status == MAILAUTH_OK) {
		ck_assert_ptr_null(*why_out);
		ck_assert_uint_eq(account.n_credentials, 2);
		ck_assert(ma_span_equal(account.credentials[1].secrets[0].value,
					ma_span_text(secret)));
		ck_assert(ma_span_equal(account.credentials[1].label, ma_span_text(label)));
		ck_assert(ma_span_equal(account.groups, ma_span_text("smtp,imap")));
		ck_assert_int_eq(account.expire, 20000);
	}
	ma_free(copy);
	return status;
}

static void expect_corrupt(const struct ma_keyring *keys, const struct ma_name *name,
			   struct ma_span bytes, const char *why, const char *what, size_t n)
{
	const char *got = NULL;
	enum mailauth_status status;

	memset(plain, 0, sizeof(plain));
	status = open_as(keys, name, bytes, &got);
	ck_assert_msg(status == MAILAUTH_E_CORRUPT, "%s %zu: got %d, want MAILAUTH_E_CORRUPT", what,
		      n, status);
	ck_assert_msg(got != NULL && strstr(got, why) != NULL, "%s %zu: got \"%s\", want \"%s\"",
		      what, n, got != NULL ? got : "(nothing)", why);
	ck_assert_msg(memmem(plain, sizeof(plain), secret, strlen(secret)) == NULL,
		      "%s %zu: a secret came out", what, n);
}

START_TEST(opens_what_it_sealed)
{
	uint8_t record[MA_RECORD_MAX];
	struct ma_span bytes = seal(record);
	const char *why;

	ck_assert_int_eq(open_as(&keyring, &alice, bytes, &why), MAILAUTH_OK);
}
END_TEST

START_TEST(shows_no_secret)
{
	uint8_t record[MA_RECORD_MAX];
	struct ma_span bytes = seal(record);

	for (size_t i = 0; i + 4 <= strlen(secret); i++)
		ck_assert_msg(memmem(bytes.p, bytes.len, secret + i, 4) == NULL,
			      "\"%.4s\" can be read", secret + i);
	ck_assert_ptr_null(memmem(bytes.p, bytes.len, label, strlen(label)));
	/* Attributes are in the clear, by design. */
	ck_assert_ptr_nonnull(memmem(bytes.p, bytes.len, "smtp,imap", 9));
}
END_TEST

START_TEST(refuses_a_record_with_any_bit_flipped)
{
	uint8_t record[MA_RECORD_MAX];
	struct ma_span bytes = seal(record);
	const char *why;

	for (size_t bit = 0; bit < 8 * bytes.len; bit++) {
		record[bit / 8] ^= (uint8_t)(1u << bit % 8);
		expect_corrupt(&keyring, &alice, bytes, "", "bit", bit);
		record[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_int_eq(open_as(&keyring, &alice, bytes, &why), MAILAUTH_OK);
}
END_TEST

START_TEST(refuses_a_record_truncated_anywhere_or_longer)
{
	uint8_t record[MA_RECORD_MAX] = {0};
	struct ma_span bytes = seal(record);
	const char *why;

	for (size_t len = 0; len < bytes.len; len++)
		expect_corrupt(&keyring, &alice, ma_span(record, len), "", "length", len);
	expect_corrupt(&keyring, &alice, ma_span(record, bytes.len + 1), "", "length",
		       bytes.len + 1);
	expect_corrupt(&keyring, &alice, ma_span(record, MA_RECORD_MAX), "", "length",
		       MA_RECORD_MAX);
	ck_assert_int_eq(open_as(&keyring, &alice, bytes, &why), MAILAUTH_OK);
}
END_TEST

START_TEST(refuses_a_record_of_no_key_or_without_a_seal)
{
	uint8_t record[MA_RECORD_MAX];
	struct ma_span bytes = seal(record);
	struct ma_record parts;

	ck_assert(ma_record_split(bytes, &parts));
	expect_corrupt(&keyring, &alice, ma_span(record, parts.clear.len + MA_GCM_TAG_LEN - 1),
		       "its form", "seal cut", 0);
	memset(record + 4, 0, 4);
	expect_corrupt(&keyring, &alice, bytes, "its form", "key 0", 0);
	ck_assert_uint_eq(ma_record_key_id(bytes), 0);
	ck_assert_uint_eq(ma_record_key_id(ma_span(record, 7)), 0);
}
END_TEST

START_TEST(refuses_the_record_of_another_account)
{
	static const char *const others[] = {"bob@example.org",	 "alice@example.com",
					     "alice@example.or", "alice@example.orgg",
					     "alic@example.org", "aalice@example.org"};
	uint8_t record[MA_RECORD_MAX];
	struct ma_span bytes = seal(record);

	for (size_t i = 0; i < MA_ARRAY_SIZE(others); i++) {
		struct ma_name name;

		ck_assert_ptr_null(
			ma_name_parse(ma_span_text(others[i]), ma_span_text("x"), &name));
		expect_corrupt(&keyring, &name, bytes, "belongs to another account", others[i], i);
	}
}
END_TEST

/* An older blob of the same account does not go with new attributes. */
START_TEST(refuses_secrets_under_other_attributes)
{
	uint8_t first[MA_RECORD_MAX];
	uint8_t second[MA_RECORD_MAX];
	struct ma_buf buf = ma_buf_fixed(second, sizeof(second));
	struct ma_span bytes = seal(first);
	struct ma_account account;
	struct ma_record record;

	make_account(&account);
	account.flags = MA_ACCOUNT_LOCKED;
	ck_assert_int_eq(ma_seal(ma_keyring_newest(&keyring), cipher, &alice, &account,
				 ma_span(nonce, sizeof(nonce)), &buf),
			 MAILAUTH_OK);
	ck_assert_uint_eq(buf.len, bytes.len);
	ck_assert(ma_record_split(bytes, &record));
	memcpy(second + record.clear.len, first + record.clear.len, record.sealed.len);
	expect_corrupt(&keyring, &alice, ma_buf_span(&buf), "its seal is broken", "mixed", 0);
}
END_TEST

START_TEST(seals_with_the_newest_key_and_opens_with_all)
{
	struct ma_keyring old = keyring;
	uint8_t by_old[MA_RECORD_MAX];
	uint8_t by_new[MA_RECORD_MAX];
	struct ma_span old_bytes = seal(by_old);
	struct ma_span new_bytes;
	struct ma_record record;
	const char *why;

	keyring.n_keys = 3;
	keyring.keys[1] = (struct ma_key){.id = 8, .bytes = {8}};
	keyring.keys[2] = (struct ma_key){.id = UINT32_MAX, .bytes = {9}};
	new_bytes = seal(by_new);
	ck_assert(ma_record_split(new_bytes, &record));
	ck_assert_uint_eq(record.key_id, UINT32_MAX);
	for (int i = 0; i < 3; i++) { /* the cipher keeps a key; take turns */
		ck_assert_int_eq(open_as(&keyring, &alice, old_bytes, &why), MAILAUTH_OK);
		ck_assert_int_eq(open_as(&keyring, &alice, new_bytes, &why), MAILAUTH_OK);
	}
	expect_corrupt(&old, &alice, new_bytes, "is not among this program", "old keys", 0);
}
END_TEST

START_TEST(refuses_a_record_sealed_with_another_key)
{
	uint8_t record[MA_RECORD_MAX];
	struct ma_span bytes = seal(record);
	struct ma_keyring others = keyring;

	others.keys[0].id = 6;
	expect_corrupt(&others, &alice, bytes, "is not among this program", "another id", 0);
	others = keyring;
	others.keys[0].bytes[31] ^= 1;
	expect_corrupt(&others, &alice, bytes, "its seal is broken", "same id, another key", 0);
	others.n_keys = 0;
	expect_corrupt(&others, &alice, bytes, "is not among this program", "no keys", 0);
}
END_TEST

/* A seal proves where bytes come from, not that they are well made. */
START_TEST(refuses_what_a_faulty_program_sealed)
{
	static const uint8_t garbage[] = {99, 1, 2};
	uint8_t record[MA_RECORD_MAX];
	struct ma_buf buf = ma_buf_fixed(record, sizeof(record));
	uint8_t aad[2 + MAILAUTH_NAME_MAX] = {0};
	struct ma_account account;
	struct ma_span clear;
	uint8_t *sealed;

	make_account(&account);
	ma_record_encode_clear(&account, 7, ma_span(nonce, sizeof(nonce)), &buf);
	clear = ma_buf_span(&buf);
	aad[1] = (uint8_t)alice.len;
	memcpy(aad + 2, alice.text, alice.len);
	sealed = ma_buf_reserve(&buf, sizeof(garbage) + MA_GCM_TAG_LEN);
	ck_assert_int_eq(
		ma_cipher_seal(cipher,
			       &(struct ma_sealing){.key = keyring.keys[0].bytes,
						    .nonce = nonce,
						    .aad = {ma_span(aad, alice.len + 2), clear}},
			       ma_span(garbage, sizeof(garbage)), sealed),
		MAILAUTH_OK);
	expect_corrupt(&keyring, &alice, ma_buf_span(&buf), "faulty program", "garbage", 0);
}
END_TEST

START_TEST(seals_up_to_the_maximum_size)
{
	static uint8_t value[MA_RECORD_MAX];
	uint8_t record[MA_RECORD_MAX];
	struct ma_account account;
	size_t room;

	make_account(&account);
	account.credentials[0].secrets[0].value.len = 0;
	{
		struct ma_buf buf = ma_buf_fixed(record, sizeof(record));

		ck_assert_int_eq(ma_seal(ma_keyring_newest(&keyring), cipher, &alice, &account,
					 ma_span(nonce, sizeof(nonce)), &buf),
				 MAILAUTH_OK);
		room = MA_RECORD_MAX - buf.len;
	}
	for (size_t more = 0; more <= 1; more++) {
		struct ma_buf buf = ma_buf_fixed(record, sizeof(record));
		enum mailauth_status status;
		const char *why;

		account.credentials[0].secrets[0].value = ma_span(value, room + more);
		status = ma_seal(ma_keyring_newest(&keyring), cipher, &alice, &account,
				 ma_span(nonce, sizeof(nonce)), &buf);
		ck_assert_msg(status == (more == 0 ? MAILAUTH_OK : MAILAUTH_E_LIMIT),
			      "%zu too many: got %d", more, status);
		if (more == 0) {
			ck_assert_uint_eq(buf.len, MA_RECORD_MAX);
			ck_assert_int_eq(open_as(&keyring, &alice, ma_buf_span(&buf), &why),
					 MAILAUTH_OK);
		}
	}
}
END_TEST

static unsigned int n_left;

static bool fail_nth(void)
{
	return n_left-- == 0;
}

START_TEST(survives_lack_of_memory_anywhere)
{
	enum mailauth_status status = MAILAUTH_E_NOMEM;
	struct ma_account account;
	unsigned int n = 0;

	make_account(&account);
	while (status != MAILAUTH_OK) {
		struct ma_buf buf = ma_buf(MA_RECORD_MAX);

		n_left = n++;
		ma_mem_set_fail(fail_nth);
		status = ma_seal(ma_keyring_newest(&keyring), cipher, &alice, &account,
				 ma_span(nonce, sizeof(nonce)), &buf);
		ma_mem_set_fail(NULL);
		ck_assert(status == MAILAUTH_OK || status == MAILAUTH_E_NOMEM);
		ma_buf_clear(&buf);
		ck_assert_uint_lt(n, 100);
	}
	ck_assert_uint_gt(n, 3);
}
END_TEST

/* ---- key files ---- */

#define HEX   "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define HEX_B "FFFEFDFCFBFAF9F8F7F6F5F4F3F2F1F0efeeedecebeae9e8e7e6e5e4e3e2e1e0"

static enum mailauth_status load(const char *path, struct ma_keyring *keys)
{
	memset(keys, 0xa5, sizeof(*keys));
	support_log_clear(&got_log);
	return ma_keyring_load(path, geteuid(), &log_here, keys);
}

static void expect_refused_file(const char *path, const char *what, const char *why)
{
	static const struct ma_keyring empty;
	struct ma_keyring keys;
	enum mailauth_status status = load(path, &keys);

	ck_assert_msg(status == MAILAUTH_E_CONFIG, "%s: got %d, want MAILAUTH_E_CONFIG", what,
		      status);
	ck_assert_msg(got_log.n == 1 && strcmp(got_log.event, "key") == 0 &&
			      strstr(got_log.text, path) != NULL &&
			      strstr(got_log.text, why) != NULL,
		      "%s: got %s, want %s and %s", what, got_log.text, path, why);
	ck_assert_msg(strstr(got_log.text, "0001020304") == NULL, "%s: a key was logged: %s", what,
		      got_log.text);
	ck_assert_msg(memcmp(&keys, &empty, sizeof(keys)) == 0, "%s: the output is not empty",
		      what);
}

static const struct {
	const char *name;
	const char *text;
	size_t n_keys;
	uint32_t ids[3];
} good_files[] = {
	{"one key", "1 " HEX "\n", 1, {1}},
	{"no end of line", "1 " HEX, 1, {1}},
	{"either case", "1 " HEX_B "\n", 1, {1}},
	{"largest id", "4294967295 " HEX "\n", 1, {UINT32_MAX}},
	{"comments, blanks, empty lines",
	 "# a comment\n\n \t\n#x\n\t3 \t" HEX " \t\n  # y\n",
	 1,
	 {3}},
	{"any order", "5 " HEX "\n2 " HEX_B "\n9 " HEX "\n", 3, {2, 5, 9}},
	{"falling", "9 " HEX "\n5 " HEX "\n2 " HEX "\n", 3, {2, 5, 9}},
	{"rising", "2 " HEX "\n5 " HEX "\n9 " HEX "\n", 3, {2, 5, 9}},
};

START_TEST(loads_good_key_files)
{
	struct ma_keyring keys;
	const char *path =
		support_file("store.key", good_files[_i].text, strlen(good_files[_i].text));
	enum mailauth_status status = load(path, &keys);

	ck_assert_msg(status == MAILAUTH_OK, "%s: got %d, %s", good_files[_i].name, status,
		      got_log.text);
	ck_assert_uint_eq(got_log.n, 0);
	ck_assert_uint_eq(keys.n_keys, good_files[_i].n_keys);
	for (size_t i = 0; i < keys.n_keys; i++)
		ck_assert_msg(keys.keys[i].id == good_files[_i].ids[i], "%s: got %u, want %u",
			      good_files[_i].name, keys.keys[i].id, good_files[_i].ids[i]);
	ma_keyring_clear(&keys);
	ck_assert_uint_eq(keys.n_keys, 0);
	ck_assert_uint_eq(keys.keys[0].bytes[1], 0);
}
END_TEST

/* Which key seals, and which one was prepared. */
START_TEST(a_key_that_is_next_does_not_seal)
{
	static const struct {
		const char *text;
		uint32_t newest;
		uint32_t next; /* 0: none */
	} rows[] = {
		{"1 " HEX "\n", 1, 0},
		{"1 " HEX "\n2 " HEX_B "\n", 2, 0},
		{"1 " HEX "\n2 " HEX_B " next\n", 1, 2},
		{"2 " HEX_B "\tnext \n1 " HEX "\n", 1, 2},
		{"1 " HEX " next\n", 1, 1},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct ma_keyring keys;
		const struct ma_key *next;
		const char *path = support_file("store.key", rows[i].text, strlen(rows[i].text));

		ck_assert_int_eq(load(path, &keys), MAILAUTH_OK);
		next = ma_keyring_next(&keys);
		ck_assert_uint_eq(ma_keyring_newest(&keys)->id, rows[i].newest);
		ck_assert_uint_eq(next != NULL ? next->id : 0, rows[i].next);
	}
}
END_TEST

START_TEST(saves_what_it_loads)
{
	static const char text[] = "5 " HEX "\n2 " HEX_B "\n";
	const struct ma_log log = {.fn = support_log, .arg = &got_log};
	const char *path = support_file("store.key", text, strlen(text));
	struct ma_keyring keys;
	struct ma_keyring again;

	ck_assert_int_eq(load(path, &keys), MAILAUTH_OK);
	ck_assert_int_eq(ma_keyring_add(&keys, crypto, true), MAILAUTH_OK);
	ck_assert_uint_eq(keys.keys[2].id, 6);
	ck_assert_int_eq(ma_keyring_save(path, &keys, &log), MAILAUTH_OK);
	ck_assert_int_eq(load(path, &again), MAILAUTH_OK);
	ck_assert_mem_eq(&again, &keys, sizeof(keys));
	ck_assert_int_eq(ma_keyring_save(support_path("none.key"), &keys, &log), MAILAUTH_E_CONFIG);
	while (keys.n_keys < MA_KEYS_MAX)
		ck_assert_int_eq(ma_keyring_add(&keys, crypto, false), MAILAUTH_OK);
	ck_assert_int_eq(ma_keyring_add(&keys, crypto, false), MAILAUTH_E_LIMIT);
	keys.n_keys = 1;
	keys.keys[0].id = UINT32_MAX;
	ck_assert_int_eq(ma_keyring_add(&keys, crypto, false), MAILAUTH_E_LIMIT);
	ck_assert_uint_eq(keys.n_keys, 1);
}
END_TEST

START_TEST(keeps_each_key_with_its_id)
{
	static const char text[] = "5 " HEX "\n2 " HEX_B "\n";
	struct ma_keyring keys;

	ck_assert_int_eq(load(support_file("store.key", text, strlen(text)), &keys), MAILAUTH_OK);
	ck_assert_uint_eq(keys.keys[0].id, 2);
	ck_assert_uint_eq(keys.keys[1].id, 5);
	for (unsigned int i = 0; i < MA_GCM_KEY_LEN; i++) {
		ck_assert_uint_eq(keys.keys[0].bytes[i], 0xff - i);
		ck_assert_uint_eq(keys.keys[1].bytes[i], i);
	}
}
END_TEST

static const struct {
	const char *name;
	const char *text;
	size_t len; /* 0: that of the text */
	const char *why;
} bad_files[] = {
	{"empty", "", 0, "holds no key"},
	{"comment only", "# nothing\n", 0, "holds no key"},
	{"blank lines only", "\n \n\t\n", 0, "holds no key"},
	{"id alone", "1\n", 0, ":1:"},
	{"key alone", HEX "\n", 0, ":1:"},
	{"too short", "1 " HEX "\n2 0001020304\n", 0, ":2:"},
	{"one digit short", "2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1\n",
	 0, ":1:"},
	{"one digit long", "1 " HEX "0\n", 0, ":1:"},
	{"one byte long", "1 " HEX "00\n", 0, ":1:"},
	{"bad digit", "1 g00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 0,
	 ":1:"},
	{"NUL in the key", "1 00\0 02030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
	 67, ":1:"},
	{"NUL behind the key", "1 " HEX "\0\n", 68, ":1:"},
	{"id 0", "0 " HEX "\n", 0, ":1:"},
	{"id too large", "4294967296 " HEX "\n", 0, ":1:"},
	{"id of 11 digits", "10000000000 " HEX "\n", 0, ":1:"},
	{"id of 2^64 + 1", "18446744073709551617 " HEX "\n", 0, ":1:"},
	{"negative id", "-1 " HEX "\n", 0, ":1:"},
	{"id with a sign", "+1 " HEX "\n", 0, ":1:"},
	{"id in hexadecimal", "0x1 " HEX "\n", 0, ":1:"},
	{"duplicate id", "# x\n1 " HEX "\n1 " HEX_B "\n", 0, ":3:"},
	{"duplicate id, not in a row", "1 " HEX "\n2 " HEX "\n1 " HEX_B "\n", 0, ":3:"},
	{"same id written otherwise", "1 " HEX "\n01 " HEX_B "\n", 0, ":2:"},
	{"extra word", "1 " HEX " x\n", 0, ":1:"},
	{"extra word behind next", "1 " HEX " next x\n", 0, ":1:"},
	{"next in capitals", "1 " HEX " NEXT\n", 0, ":1:"},
	{"comment behind the key", "1 " HEX " # mine\n", 0, ":1:"},
	{"carriage return", "1 " HEX "\r\n", 0, ":1:"},
	{"a good one, then garbage", "1 " HEX "\ngarbage\n", 0, ":2:"},
};

START_TEST(refuses_malformed_key_files)
{
	size_t len = bad_files[_i].len != 0 ? bad_files[_i].len : strlen(bad_files[_i].text);

	expect_refused_file(support_file("store.key", bad_files[_i].text, len), bad_files[_i].name,
			    bad_files[_i].why);
}
END_TEST

START_TEST(limits_the_number_of_keys)
{
	for (unsigned int n = MA_KEYS_MAX; n <= MA_KEYS_MAX + 1; n++) {
		char text[MA_KEY_FILE_MAX];
		struct ma_buf buf = ma_buf_fixed(text, sizeof(text));
		struct ma_keyring keys;
		const char *path;

		for (unsigned int id = n; id > 0; id--)
			ma_buf_printf(&buf, "%u %s\n", id, HEX);
		ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_OK);
		path = support_file("store.key", text, buf.len);
		if (n == MA_KEYS_MAX) {
			ck_assert_int_eq(load(path, &keys), MAILAUTH_OK);
			ck_assert_uint_eq(keys.n_keys, MA_KEYS_MAX);
			for (unsigned int i = 0; i < MA_KEYS_MAX; i++)
				ck_assert_uint_eq(keys.keys[i].id, i + 1);
		} else {
			expect_refused_file(path, "17 keys", ":17:");
		}
	}
}
END_TEST

START_TEST(limits_the_size_of_the_file)
{
	static char text[MA_KEY_FILE_MAX + 1] = "1 " HEX "\n# ";
	size_t used = strlen(text);
	struct ma_keyring keys;

	memset(text + used, 'x', sizeof(text) - used);
	ck_assert_int_eq(load(support_file("store.key", text, MA_KEY_FILE_MAX), &keys),
			 MAILAUTH_OK);
	expect_refused_file(support_file("store.key", text, MA_KEY_FILE_MAX + 1), "4097 bytes",
			    "longer than 4096 bytes");
}
END_TEST

START_TEST(wants_a_safe_mode)
{
	static const struct {
		mode_t mode;
		bool want;
	} modes[] = {
		{0600, true},  {0640, true},  {0400, true},  {0440, true},  {0644, false},
		{0660, false}, {0604, false}, {0666, false}, {0620, false}, {0602, false},
		{0601, false}, {0777, false}, {0641, false},
	};
	const char *path = support_file("store.key", "1 " HEX "\n", 67);

	for (size_t i = 0; i < MA_ARRAY_SIZE(modes); i++) {
		struct ma_keyring keys;
		char name[8];

		ck_assert_int_eq(chmod(path, modes[i].mode), 0);
		(void)snprintf(name, sizeof(name), "%04o", modes[i].mode);
		if (modes[i].want)
			ck_assert_msg(load(path, &keys) == MAILAUTH_OK, "%s: %s", name,
				      got_log.text);
		else
			expect_refused_file(path, name, "chmod 0640");
	}
}
END_TEST

START_TEST(wants_the_right_owner)
{
	const char *path = support_file("store.key", "1 " HEX "\n", 67);
	struct ma_keyring keys;

	ck_assert_int_eq(ma_keyring_load(path, geteuid() + 1, &log_here, &keys), MAILAUTH_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(got_log.text, "not owned by root"));
	ck_assert_ptr_nonnull(strstr(got_log.text, path));
	ck_assert_uint_eq(keys.n_keys, 0);
}
END_TEST

START_TEST(wants_a_regular_file)
{
	const char *file = support_file("real.key", "1 " HEX "\n", 67);
	const char *link = support_path("link.key");
	const char *fifo = support_path("fifo.key");
	const char *folder = support_path("folder.key");

	ck_assert_int_eq(symlink(file, link), 0);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	expect_refused_file(link, "symbolic link", "is a symbolic link");
	expect_refused_file(fifo, "FIFO", "is not a regular file");
	expect_refused_file(folder, "folder", "is not a regular file");
	expect_refused_file("/dev/null", "device", "is not a regular file");
	/* It can be opened, and its first page is never there to be read. */
	expect_refused_file("/proc/self/mem", "memory", "check the file system");
	expect_refused_file(support_path("missing.key"), "missing", "does not exist");
	expect_refused_file(support_path("missing/missing.key"), "missing folder",
			    "does not exist");
	expect_refused_file(support_path("real.key/x"), "below a file", "check the path");
}
END_TEST

START_TEST(creates_a_key_file_that_loads)
{
	const char *path = support_path("new.key");
	struct ma_keyring first;
	struct ma_keyring again;
	struct stat st;

	ck_assert_int_eq(ma_keyring_create(path, (gid_t)-1, crypto, &log_here), MAILAUTH_OK);
	ck_assert_uint_eq(got_log.n, 0);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_msg((st.st_mode & 07777) == 0640, "got %o, want 0640", st.st_mode & 07777);
	ck_assert_int_eq(load(path, &first), MAILAUTH_OK);
	ck_assert_uint_eq(first.n_keys, 1);
	ck_assert_uint_eq(first.keys[0].id, 1);
	/* never over one that is there */
	ck_assert_int_eq(ma_keyring_create(path, (gid_t)-1, crypto, &log_here), MAILAUTH_E_EXISTS);
	ck_assert_int_eq(load(path, &again), MAILAUTH_OK);
	ck_assert_mem_eq(&again, &first, sizeof(first));
	/* and each time another key */
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(ma_keyring_create(path, (gid_t)-1, crypto, &log_here), MAILAUTH_OK);
	ck_assert_int_eq(load(path, &again), MAILAUTH_OK);
	ck_assert_mem_ne(again.keys[0].bytes, first.keys[0].bytes, MA_GCM_KEY_LEN);
}
END_TEST

START_TEST(says_why_a_key_file_cannot_be_created)
{
	const char *path = support_path("missing/new.key");

	ck_assert_int_eq(ma_keyring_create(path, (gid_t)-1, crypto, &log_here), MAILAUTH_E_CONFIG);
	ck_assert_uint_eq(got_log.n, 1);
	ck_assert_ptr_nonnull(strstr(got_log.text, path));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("seal");
	TCase *records = tcase_create("records");
	TCase *files = tcase_create("files");

	tcase_set_timeout(records, 120);
	tcase_add_checked_fixture(records, setup, teardown);
	tcase_add_test(records, opens_what_it_sealed);
	tcase_add_test(records, shows_no_secret);
	tcase_add_test(records, refuses_a_record_with_any_bit_flipped);
	tcase_add_test(records, refuses_a_record_truncated_anywhere_or_longer);
	tcase_add_test(records, refuses_a_record_of_no_key_or_without_a_seal);
	tcase_add_test(records, refuses_the_record_of_another_account);
	tcase_add_test(records, refuses_secrets_under_other_attributes);
	tcase_add_test(records, seals_with_the_newest_key_and_opens_with_all);
	tcase_add_test(records, refuses_a_record_sealed_with_another_key);
	tcase_add_test(records, refuses_what_a_faulty_program_sealed);
	tcase_add_test(records, seals_up_to_the_maximum_size);
	tcase_add_test(records, survives_lack_of_memory_anywhere);
	suite_add_tcase(suite, records);

	tcase_add_checked_fixture(files, setup, teardown);
	tcase_add_loop_test(files, loads_good_key_files, 0, MA_ARRAY_SIZE(good_files));
	tcase_add_test(files, a_key_that_is_next_does_not_seal);
	tcase_add_test(files, saves_what_it_loads);
	tcase_add_test(files, keeps_each_key_with_its_id);
	tcase_add_loop_test(files, refuses_malformed_key_files, 0, MA_ARRAY_SIZE(bad_files));
	tcase_add_test(files, limits_the_number_of_keys);
	tcase_add_test(files, limits_the_size_of_the_file);
	tcase_add_test(files, wants_a_safe_mode);
	tcase_add_test(files, wants_the_right_owner);
	tcase_add_test(files, wants_a_regular_file);
	tcase_add_test(files, creates_a_key_file_that_loads);
	tcase_add_test(files, says_why_a_key_file_cannot_be_created);
	suite_add_tcase(suite, files);
	return support_run(suite);
}
