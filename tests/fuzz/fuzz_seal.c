/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_seal.c - sealed records
 *
 * No fuzzer finds a tag, so this one is given a key: the input is a record with its secrets in the
 * clear, sealed here before it is opened, and behind it, in the first bytes, what is done to it
 * then.
 *
 *   1 byte   'a' nothing, 'b' another name, 'c' one bit is turned, 'd' cut, 'e' one byte more,
 *            'f' not sealed at all
 *   2 bytes  where, big-endian
 *
 * What was touched does not open; what was not opens if it decodes, and sealing it again makes the
 * same bytes.
 */
#include "account/seal.h"

#include <stdlib.h>

#include "account.h"

static struct ma_keyring keyring = {
	.n_keys = 3,
	.keys = {{.id = 1, .bytes = "one"},
		 {.id = 7, .bytes = "seven"},
		 {.id = 300, .bytes = "newest"}},
};

/* Both of one length, so that only the seal can tell. */
static struct ma_name alice;
static struct ma_name malic;

static struct ma_cipher *cipher_of(void)
{
	static struct ma_cipher *cipher;

	if (cipher == NULL) {
		FUZZ_CHECK(ma_cipher_new(fuzz_crypto(), &cipher) == MAILAUTH_OK);
		FUZZ_CHECK(ma_name_parse(ma_span_text("alice@x"), ma_span(NULL, 0), &alice) ==
			   NULL);
		FUZZ_CHECK(ma_name_parse(ma_span_text("malic@x"), ma_span(NULL, 0), &malic) ==
			   NULL);
	}
	return cipher;
}

static const struct ma_key *key_of(uint32_t id)
{
	for (size_t i = 0; i < keyring.n_keys; i++)
		if (keyring.keys[i].id == id)
			return &keyring.keys[i];
	return NULL;
}

/* Seals what is in the clear as ma_seal() does; the record is @len + MA_GCM_TAG_LEN bytes then. */
static bool seal(uint8_t *bytes, size_t len)
{
	uint8_t aad[2 + MAILAUTH_NAME_MAX] = {0, (uint8_t)alice.len};
	struct ma_record record;
	const struct ma_key *key;
	uint8_t *plain;

	/* No account is without any secrets' bytes, so there is no way to seal none. */
	if (!ma_record_split(ma_span(bytes, len), &record) || record.sealed.len == 0)
		return false;
	key = key_of(record.key_id);
	if (key == NULL)
		return false;
	memcpy(aad + 2, alice.text, alice.len);
	plain = fuzz_copy(record.sealed);
	FUZZ_CHECK(ma_cipher_seal(
			   cipher_of(),
			   &(struct ma_sealing){.key = key->bytes,
						.nonce = record.nonce.p,
						.aad = {ma_span(aad, 2 + alice.len), record.clear}},
			   ma_span(plain, record.sealed.len),
			   bytes + record.clear.len) == MAILAUTH_OK);
	free(plain);
	return true;
}

static void seal_again(const struct ma_account *account, struct ma_span bytes)
{
	static uint8_t again_bytes[MA_RECORD_MAX];
	struct ma_buf again = ma_buf_fixed(again_bytes, sizeof(again_bytes));
	struct ma_record record;

	FUZZ_CHECK(ma_record_split(bytes, &record));
	if (record.key_id != keyring.keys[keyring.n_keys - 1].id)
		return;
	FUZZ_CHECK(ma_seal(ma_keyring_newest(&keyring), cipher_of(), &alice, account, record.nonce,
			   &again) == MAILAUTH_OK);
	FUZZ_CHECK(ma_span_equal(ma_buf_span(&again), bytes));
}

/* Opens from a block of exactly its size. */
static bool open_record(const struct ma_name *name, struct ma_span bytes, bool untouched)
{
	static uint8_t plain[MA_RECORD_MAX];
	uint8_t *copy = fuzz_copy(bytes);
	struct ma_span exact = ma_span(copy, bytes.len);
	struct ma_account account;
	struct ma_record record;
	const char *why;
	size_t len;
	enum mailauth_status status =
		ma_seal_open(&keyring, cipher_of(), name, exact, plain, &len, &account, &why);

	FUZZ_CHECK(status == MAILAUTH_OK || status == MAILAUTH_E_CORRUPT);
	FUZZ_CHECK((why == NULL) == (status == MAILAUTH_OK));
	FUZZ_CHECK(status != MAILAUTH_OK || untouched);
	FUZZ_CHECK(len == 0 || untouched);
	if (status == MAILAUTH_OK) {
		FUZZ_CHECK(ma_record_split(exact, &record));
		fuzz_check_account(&account, record.clear, ma_span(plain, len));
		seal_again(&account, exact);
	}
	free(copy);
	return status == MAILAUTH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[MA_RECORD_MAX + MA_GCM_TAG_LEN + 1];
	struct ma_span in = ma_span(data, size);
	uint8_t how;
	uint16_t where;
	size_t len;

	fuzz_accepted = false;
	(void)cipher_of();
	if (!ma_span_take_u8(&in, &how) || !ma_span_take_u16(&in, &where) || in.len == 0 ||
	    in.len > MA_RECORD_MAX)
		return 0;
	len = in.len;
	memcpy(bytes, in.p, len);
	if (how == 'f' || !seal(bytes, len)) {
		(void)open_record(&alice, ma_span(bytes, len), false);
		return 0;
	}
	len += MA_GCM_TAG_LEN;
	bytes[len] = 0;
	if (how == 'c')
		bytes[where / 8 % len] ^= (uint8_t)(1u << where % 8);
	else if (how == 'd')
		len = where % len;
	else if (how == 'e')
		len++;
	fuzz_accepted = open_record(how == 'b' ? &malic : &alice, ma_span(bytes, len),
				    how < 'b' || how > 'e');
	return 0;
}
