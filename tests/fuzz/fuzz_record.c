/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_record.c - accounts as bytes
 *
 * The input is a record with its secrets in the clear, as seal.c sees it once the seal is off. What
 * decodes points into its own bytes, and makes the same bytes again: a record has one form, and
 * nothing is lost on the way of a change.
 */
#include "account/record.h"

#include "account.h"

static void encode_again(const struct ma_record *record, const struct ma_account *account,
			 struct ma_span bytes)
{
	static uint8_t again_bytes[MA_RECORD_MAX];
	struct ma_buf again = ma_buf_fixed(again_bytes, sizeof(again_bytes));

	ma_record_encode_clear(account, record->key_id, record->nonce, &again);
	ma_record_encode_secrets(account, &again);
	FUZZ_CHECK(ma_buf_status(&again) == MAILAUTH_OK);
	FUZZ_CHECK(ma_span_equal(ma_buf_span(&again), bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ma_span bytes = ma_span(data, size);
	struct ma_record record;
	struct ma_account account;
	bool ok;

	fuzz_accepted = false;
	if (!ma_record_split(bytes, &record))
		return 0;
	FUZZ_CHECK(size <= MA_RECORD_MAX && record.nonce.len == MA_RECORD_NONCE_LEN);
	FUZZ_CHECK(record.clear.p == data && record.clear.len + record.sealed.len == size);
	ok = ma_record_decode_attributes(&record, &account);
	if (!ma_record_decode_secrets(record.sealed, &account)) {
		FUZZ_CHECK(account.n_credentials == 0);
		ok = false;
	}
	if (!ok)
		return 0;
	fuzz_check_account(&account, record.clear, record.sealed);
	encode_again(&record, &account, bytes);
	fuzz_accepted = true;
	return 0;
}
