/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_record.c - accounts as bytes: there and back, and whatever a damaged file may hold
 *
 * The codec has no integrity of its own (test_seal.c has), so a damaged record may decode to
 * something else; but never beyond its bytes and never beyond the limits. What is to be sealed
 * stands in the clear here. Input stands in blocks of exactly its size for the sanitizers.
 */
#include "account/record.h"

#include "support.h"
#include "util/mem.h"

#define KEY_ID 0x01020304u

static const uint8_t nonce[MA_RECORD_NONCE_LEN] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
static uint8_t filler[UINT16_MAX + 1];

static void fill(void)
{
	for (size_t i = 0; i < sizeof(filler); i++)
		filler[i] = (uint8_t)(i * 7 + 1);
}

/* Every field different from every other and from its default. */
static void make_account(struct ma_account *account, size_t n_credentials, size_t n_secrets)
{
	ma_account_init(account);
	account->flags = MA_ACCOUNT_LOCKED | MA_ACCOUNT_RECOVERABLE;
	account->generation = UINT64_MAX - 1;
	account->created = INT64_MIN;
	account->modified = INT64_MAX;
	account->last_change = INT32_MAX;
	account->min = INT32_MIN;
	account->max = 3;
	account->warn = -4;
	account->inactive = 5;
	account->expire = 6;
	account->uid = MA_ID_NONE - 1;
	account->gid = 8;
	account->comment = ma_span_text("a comment, with \xc3\xa4");
	account->home = ma_span_text("/var/mail/alice");
	account->shell = ma_span_text("/usr/sbin/nologin");
	account->groups = ma_span_text("smtp,imap");
	account->mechs = ma_span_text("PLAIN CRAM-MD5");
	account->n_credentials = n_credentials;
	for (size_t i = 0; i < n_credentials; i++) {
		struct ma_credential *credential = &account->credentials[i];

		credential->label = ma_span(filler, i == 0 ? 0 : i + 3);
		credential->created = -1 - (int64_t)i;
		credential->expires = 100 + (int32_t)i;
		credential->groups = ma_span(filler + 1, 2 * i);
		credential->n_secrets = n_secrets;
		for (size_t j = 0; j < n_secrets; j++)
			credential->secrets[j] = (struct ma_secret){
				.kind = (uint8_t)(i * 16 + j), .value = ma_span(filler + j, i + j)};
	}
}

static void encode(const struct ma_account *account, struct ma_buf *out)
{
	ma_record_encode_clear(account, KEY_ID, ma_span(nonce, sizeof(nonce)), out);
	ma_record_encode_secrets(account, out);
}

static bool decode(struct ma_span bytes, struct ma_account *account)
{
	struct ma_record record;

	return ma_record_split(bytes, &record) && ma_record_decode_attributes(&record, account) &&
	       ma_record_decode_secrets(record.sealed, account);
}

static void expect_span(struct ma_span got, struct ma_span want, const char *what)
{
	ck_assert_msg(ma_span_equal(got, want), "%s: got %zu other bytes, want %zu", what, got.len,
		      want.len);
}

static void expect_same_credential(const struct ma_credential *got,
				   const struct ma_credential *want)
{
	expect_span(got->label, want->label, "label");
	ck_assert_int_eq(got->created, want->created);
	ck_assert_int_eq(got->expires, want->expires);
	expect_span(got->groups, want->groups, "credential's groups");
	ck_assert_uint_eq(got->n_secrets, want->n_secrets);
	for (size_t i = 0; i < want->n_secrets; i++) {
		ck_assert_uint_eq(got->secrets[i].kind, want->secrets[i].kind);
		expect_span(got->secrets[i].value, want->secrets[i].value, "secret");
	}
}

static void expect_same(const struct ma_account *got, const struct ma_account *want)
{
	ck_assert_uint_eq(got->flags, want->flags);
	ck_assert_uint_eq(got->generation, want->generation);
	ck_assert_int_eq(got->created, want->created);
	ck_assert_int_eq(got->modified, want->modified);
	ck_assert_int_eq(got->last_change, want->last_change);
	ck_assert_int_eq(got->min, want->min);
	ck_assert_int_eq(got->max, want->max);
	ck_assert_int_eq(got->warn, want->warn);
	ck_assert_int_eq(got->inactive, want->inactive);
	ck_assert_int_eq(got->expire, want->expire);
	ck_assert_uint_eq(got->uid, want->uid);
	ck_assert_uint_eq(got->gid, want->gid);
	expect_span(got->comment, want->comment, "comment");
	expect_span(got->home, want->home, "home");
	expect_span(got->shell, want->shell, "shell");
	expect_span(got->groups, want->groups, "groups");
	expect_span(got->mechs, want->mechs, "mechs");
	ck_assert_uint_eq(got->n_credentials, want->n_credentials);
	for (size_t i = 0; i < want->n_credentials; i++)
		expect_same_credential(&got->credentials[i], &want->credentials[i]);
}

static bool is_inside(struct ma_span part, struct ma_span whole)
{
	return part.len == 0 || (part.p >= whole.p && part.len <= whole.len &&
				 (size_t)(part.p - whole.p) <= whole.len - part.len);
}

static bool is_within_limits(const struct ma_account *account, struct ma_span bytes)
{
	bool ok = is_inside(account->comment, bytes) && is_inside(account->home, bytes) &&
		  is_inside(account->shell, bytes) && is_inside(account->groups, bytes) &&
		  is_inside(account->mechs, bytes) && account->n_credentials >= 1 &&
		  account->n_credentials <= MA_CREDENTIALS_MAX;

	for (size_t i = 0; ok && i < account->n_credentials; i++) {
		const struct ma_credential *credential = &account->credentials[i];

		ok = is_inside(credential->label, bytes) && is_inside(credential->groups, bytes) &&
		     credential->n_secrets <= MA_SECRETS_MAX;
		for (size_t j = 0; ok && j < credential->n_secrets; j++)
			ok = is_inside(credential->secrets[j].value, bytes);
	}
	return ok;
}

/* Kinds 0 to 255 are used, most of which this version does not know. */
START_TEST(gives_back_all_that_it_was_given)
{
	static const struct {
		size_t n_credentials;
		size_t n_secrets;
	} rows[] = {{1, 0}, {1, 1}, {2, 3}, {MA_CREDENTIALS_MAX, MA_SECRETS_MAX}};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct ma_account want;
		struct ma_account got;
		struct ma_buf bytes = ma_buf(MA_RECORD_MAX);
		struct ma_record record;

		make_account(&want, rows[i].n_credentials, rows[i].n_secrets);
		encode(&want, &bytes);
		ck_assert_int_eq(ma_buf_status(&bytes), MAILAUTH_OK);
		memset(&got, 0xa5, sizeof(got));
		ck_assert(decode(ma_buf_span(&bytes), &got));
		expect_same(&got, &want);
		ck_assert(ma_record_split(ma_buf_span(&bytes), &record));
		ck_assert_uint_eq(record.key_id, KEY_ID);
		expect_span(record.nonce, ma_span(nonce, sizeof(nonce)), "nonce");
		ck_assert_uint_eq(record.clear.len + record.sealed.len, bytes.len);
		ck_assert_ptr_eq(record.clear.p, bytes.p);
		ma_buf_clear(&bytes);
	}
}
END_TEST

/* One long value after the other, as long as the record or its length field allows. */
START_TEST(gives_back_the_longest_values)
{
	struct ma_account want;
	struct ma_account got;
	struct ma_buf bytes = ma_buf(MA_RECORD_MAX);
	struct ma_span *longest[] = {&want.comment, &want.home,	 &want.shell,
				     &want.groups,  &want.mechs, &want.credentials[0].groups,
				     NULL};

	for (size_t i = 0; i < MA_ARRAY_SIZE(longest); i++) {
		struct ma_span *value;
		size_t room;

		make_account(&want, 1, 1);
		value = longest[i] != NULL ? longest[i] : &want.credentials[0].secrets[0].value;
		want.credentials[0].label = ma_span(filler, UINT8_MAX);
		value->len = 0;
		ma_buf_reset(&bytes);
		encode(&want, &bytes);
		room = MA_RECORD_MAX - bytes.len;
		*value = ma_span(filler, room);
		ma_buf_reset(&bytes);
		encode(&want, &bytes);
		ck_assert_int_eq(ma_buf_status(&bytes), MAILAUTH_OK);
		ck_assert_uint_eq(bytes.len, MA_RECORD_MAX);
		ck_assert(decode(ma_buf_span(&bytes), &got));
		expect_same(&got, &want);
		*value = ma_span(filler, room + 1);
		ma_buf_reset(&bytes);
		encode(&want, &bytes);
		ck_assert_msg(ma_buf_status(&bytes) == MAILAUTH_E_LIMIT, "value %zu: got %d", i,
			      ma_buf_status(&bytes));
	}
	ma_buf_clear(&bytes);
}
END_TEST

START_TEST(refuses_to_encode_what_a_length_field_cannot_hold)
{
	struct ma_account account;
	struct ma_buf bytes = ma_buf(4 * sizeof(filler));

	make_account(&account, 1, 1);
	account.credentials[0].label = ma_span(filler, UINT8_MAX + 1);
	ma_record_encode_secrets(&account, &bytes);
	ck_assert_int_eq(ma_buf_status(&bytes), MAILAUTH_E_LIMIT);
	ma_buf_reset(&bytes);
	make_account(&account, 1, 1);
	account.credentials[0].secrets[0].value = ma_span(filler, UINT16_MAX + 1);
	ma_record_encode_secrets(&account, &bytes);
	ck_assert_int_eq(ma_buf_status(&bytes), MAILAUTH_E_LIMIT);
	ma_buf_clear(&bytes);
}
END_TEST

/* Records lie on disks: these bytes are version 1 for ever. */
START_TEST(keeps_its_layout)
{
	static const char want[] = "01"
				   "01"
				   "0046"
				   "01020304"
				   "0102030405060708090a0b0c"
				   "0000000000000007"
				   "0000000000000001"
				   "fffffffffffffffe"
				   "00000001"
				   "00000002"
				   "00000003"
				   "ffffffff"
				   "00000005"
				   "00000006"
				   "00000007"
				   "ffffffff"
				   "0001"
				   "63"
				   "0001"
				   "68"
				   "0001"
				   "73"
				   "0001"
				   "67"
				   "0000"
				   "01"
				   "01"
				   "6c"
				   "0000000000000009"
				   "ffffffff"
				   "0000"
				   "01"
				   "02"
				   "0002"
				   "abcd";
	static const uint8_t secret[] = {0xab, 0xcd};
	struct ma_buf bytes = ma_buf(MA_RECORD_MAX);
	uint8_t expected[200];
	size_t len = support_unhex(want, expected, sizeof(expected));
	struct ma_account account;

	ma_account_init(&account);
	account.flags = MA_ACCOUNT_LOCKED;
	account.generation = 7;
	account.created = 1;
	account.modified = -2;
	account.last_change = 1;
	account.min = 2;
	account.max = 3;
	account.inactive = 5;
	account.expire = 6;
	account.uid = 7;
	account.comment = ma_span_text("c");
	account.home = ma_span_text("h");
	account.shell = ma_span_text("s");
	account.groups = ma_span_text("g");
	account.credentials[0].label = ma_span_text("l");
	account.credentials[0].created = 9;
	account.credentials[0].n_secrets = 1;
	account.credentials[0].secrets[0] = (struct ma_secret){
		.kind = MA_KIND_CRAM_MD5, .value = ma_span(secret, sizeof(secret))};
	encode(&account, &bytes);
	ck_assert_int_eq(ma_buf_status(&bytes), MAILAUTH_OK);
	ck_assert_uint_eq(bytes.len, len);
	ck_assert_mem_eq(bytes.p, expected, len);
	ma_buf_clear(&bytes);
}
END_TEST

/* The encoded account that the tests below damage; freed with ma_free(). */
static uint8_t *sample(size_t *len_out)
{
	struct ma_account account;
	struct ma_buf bytes = ma_buf(MA_RECORD_MAX);

	make_account(&account, 3, 4);
	encode(&account, &bytes);
	ck_assert_int_eq(ma_buf_status(&bytes), MAILAUTH_OK);
	*len_out = bytes.len;
	return ma_steal(bytes.p);
}

/* Decodes from a block of exactly its size. */
static bool decode_exactly(const uint8_t *p, size_t len, struct ma_account *account, bool *within)
{
	uint8_t *copy = ma_alloc(len > 0 ? len : 1);
	bool ok;

	ck_assert_ptr_nonnull(copy);
	if (len > 0)
		memcpy(copy, p, len);
	ok = decode(ma_span(copy, len), account);
	*within = !ok || is_within_limits(account, ma_span(copy, len));
	ma_free(copy);
	return ok;
}

START_TEST(refuses_a_record_truncated_anywhere)
{
	struct ma_account account;
	size_t whole;
	uint8_t *bytes = sample(&whole);
	bool within;

	for (size_t len = 0; len < whole; len++)
		ck_assert_msg(!decode_exactly(bytes, len, &account, &within),
			      "decoded %zu of %zu bytes", len, whole);
	ck_assert(decode_exactly(bytes, whole, &account, &within));
	ma_free(bytes);
}
END_TEST

START_TEST(stays_within_limits_whichever_bit_is_flipped)
{
	size_t len;
	uint8_t *bytes = sample(&len);
	unsigned int n_refused = 0;

	for (size_t bit = 0; bit < 8 * len; bit++) {
		struct ma_account account;
		bool within;

		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		n_refused += !decode_exactly(bytes, len, &account, &within);
		bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_msg(within, "bit %zu: beyond the limits", bit);
	}
	ck_assert_uint_gt(n_refused, 0);
	ma_free(bytes);
}
END_TEST

START_TEST(stays_within_limits_whatever_the_bytes_are)
{
	size_t len;
	uint8_t *bytes = sample(&len);
	uint32_t seed = 12345;

	for (unsigned int i = 0; i < 20000; i++) {
		uint8_t damaged[1024];
		struct ma_account account;
		bool within;

		ck_assert_uint_le(len, sizeof(damaged));
		memcpy(damaged, bytes, len);
		for (unsigned int j = 0; j <= i % 4; j++) {
			seed = seed * 1664525 + 1013904223;
			damaged[(seed >> 8) % len] = (uint8_t)(seed >> 24);
		}
		(void)decode_exactly(damaged, len, &account, &within);
		ck_assert_msg(within, "round %u: beyond the limits", i);
	}
	ma_free(bytes);
}
END_TEST

START_TEST(refuses_bytes_behind_its_end)
{
	static const size_t header_len = 20;
	struct ma_account account;
	struct ma_record record;
	uint8_t bytes[1024] = {0};
	size_t len;
	uint8_t *whole = sample(&len);
	size_t attributes_len;

	ck_assert_uint_lt(len, sizeof(bytes));
	memcpy(bytes, whole, len);
	ck_assert(decode(ma_span(bytes, len), &account));
	ck_assert(!decode(ma_span(bytes, len + 1), &account));
	ck_assert_uint_eq(account.n_credentials, 0);
	/* the same inside: one byte more, one byte less of attributes */
	ck_assert(ma_record_split(ma_span(bytes, len), &record));
	attributes_len = record.attributes.len;
	for (int i = -1; i <= 1; i += 2) {
		bytes[2] = (uint8_t)((attributes_len + (size_t)i) >> 8);
		bytes[3] = (uint8_t)(attributes_len + (size_t)i);
		ck_assert(ma_record_split(ma_span(bytes, len), &record));
		ck_assert_msg(!ma_record_decode_attributes(&record, &account),
			      "attributes and %d bytes", i);
	}
	ck_assert_uint_eq(record.clear.len, header_len + attributes_len + 1);
	ma_free(whole);
}
END_TEST

START_TEST(refuses_unknown_versions_and_flags)
{
	size_t len;
	uint8_t *bytes = sample(&len);
	struct ma_record record;

	for (unsigned int version = 0; version <= UINT8_MAX; version++) {
		bytes[0] = (uint8_t)version;
		ck_assert_msg(ma_record_split(ma_span(bytes, len), &record) == (version == 1),
			      "version %u", version);
	}
	bytes[0] = 1;
	for (unsigned int flags = 0; flags <= UINT8_MAX; flags++) {
		bytes[1] = (uint8_t)flags;
		ck_assert_msg(ma_record_split(ma_span(bytes, len), &record) == (flags <= 3),
			      "flags %02x", flags);
	}
	ma_free(bytes);
}
END_TEST

START_TEST(refuses_a_record_longer_than_the_maximum)
{
	uint8_t *bytes = ma_alloc(MA_RECORD_MAX + 1);
	struct ma_record record;

	ck_assert_ptr_nonnull(bytes);
	bytes[0] = 1;
	ck_assert(ma_record_split(ma_span(bytes, MA_RECORD_MAX), &record));
	ck_assert_uint_eq(record.sealed.len, MA_RECORD_MAX - 20);
	ck_assert(!ma_record_split(ma_span(bytes, MA_RECORD_MAX + 1), &record));
	ma_free(bytes);
}
END_TEST

/* n credentials of m secrets, all of them empty */
static bool decode_counts(unsigned int n_credentials, unsigned int n_secrets)
{
	uint8_t bytes[4096];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_account account;
	bool ok;

	ma_buf_put_u8(&out, (uint8_t)n_credentials);
	for (unsigned int i = 0; i < n_credentials; i++) {
		ma_buf_put_u8(&out, 0);
		ma_buf_put_u64(&out, 0);
		ma_buf_put_u32(&out, 0);
		ma_buf_put_u16(&out, 0);
		ma_buf_put_u8(&out, (uint8_t)n_secrets);
		for (unsigned int j = 0; j < n_secrets; j++) {
			ma_buf_put_u8(&out, MA_KIND_CRYPT);
			ma_buf_put_u16(&out, 0);
		}
	}
	ck_assert_int_eq(ma_buf_status(&out), MAILAUTH_OK);
	ok = ma_record_decode_secrets(ma_buf_span(&out), &account);
	ck_assert_uint_eq(account.n_credentials, ok ? n_credentials : 0);
	return ok;
}

START_TEST(refuses_too_many_credentials_and_secrets)
{
	static const struct {
		unsigned int n_credentials;
		unsigned int n_secrets;
		bool want;
	} rows[] = {
		{0, 0, false},
		{1, 0, true},
		{1, MA_SECRETS_MAX, true},
		{1, MA_SECRETS_MAX + 1, false},
		{1, 255, false},
		{MA_CREDENTIALS_MAX, 1, true},
		{MA_CREDENTIALS_MAX + 1, 1, false},
		{255, 0, false},
		{MA_CREDENTIALS_MAX, MA_SECRETS_MAX, true},
		{MA_CREDENTIALS_MAX, MA_SECRETS_MAX + 1, false},
		{2, MA_SECRETS_MAX + 1, false},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++)
		ck_assert_msg(decode_counts(rows[i].n_credentials, rows[i].n_secrets) ==
				      rows[i].want,
			      "%u credentials of %u secrets: want %d", rows[i].n_credentials,
			      rows[i].n_secrets, rows[i].want);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *tcase = tcase_create("record");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, fill, NULL);
	tcase_add_test(tcase, gives_back_all_that_it_was_given);
	tcase_add_test(tcase, gives_back_the_longest_values);
	tcase_add_test(tcase, refuses_to_encode_what_a_length_field_cannot_hold);
	tcase_add_test(tcase, keeps_its_layout);
	tcase_add_test(tcase, refuses_a_record_truncated_anywhere);
	tcase_add_test(tcase, stays_within_limits_whichever_bit_is_flipped);
	tcase_add_test(tcase, stays_within_limits_whatever_the_bytes_are);
	tcase_add_test(tcase, refuses_bytes_behind_its_end);
	tcase_add_test(tcase, refuses_unknown_versions_and_flags);
	tcase_add_test(tcase, refuses_a_record_longer_than_the_maximum);
	tcase_add_test(tcase, refuses_too_many_credentials_and_secrets);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
