/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record.c - accounts as bytes
 *
 * See record.h for the layout. Encoding and decoding of a part stand side by side, in the same
 * order, so that a field added to one is missed in the other by nobody.
 */
#include "account/record.h"

#define RECORD_VERSION 1
#define KNOWN_FLAGS    (MA_ACCOUNT_LOCKED | MA_ACCOUNT_RECOVERABLE)

bool ma_record_split(struct ma_span bytes, struct ma_record *record_out)
{
	struct ma_span in = bytes;
	uint8_t version;
	uint16_t attributes_len;

	if (bytes.len > MA_RECORD_MAX)
		return false;
	if (!ma_span_take_u8(&in, &version) || version != RECORD_VERSION)
		return false;
	if (!ma_span_take_u8(&in, &record_out->flags) || (record_out->flags & ~KNOWN_FLAGS) != 0)
		return false;
	if (!ma_span_take_u16(&in, &attributes_len) ||
	    !ma_span_take_u32(&in, &record_out->key_id) ||
	    !ma_span_take(&in, MA_RECORD_NONCE_LEN, &record_out->nonce) ||
	    !ma_span_take(&in, attributes_len, &record_out->attributes))
		return false;
	record_out->clear = ma_span(bytes.p, bytes.len - in.len);
	record_out->sealed = in;
	return true;
}

static void put_i32(struct ma_buf *out, int32_t value)
{
	ma_buf_put_u32(out, (uint32_t)value);
}

static bool take_i32(struct ma_span *in, int32_t *out)
{
	uint32_t value;

	if (!ma_span_take_u32(in, &value))
		return false;
	*out = (int32_t)value;
	return true;
}

static void put_i64(struct ma_buf *out, int64_t value)
{
	ma_buf_put_u64(out, (uint64_t)value);
}

static bool take_i64(struct ma_span *in, int64_t *out)
{
	uint64_t value;

	if (!ma_span_take_u64(in, &value))
		return false;
	*out = (int64_t)value;
	return true;
}

/* The numbers come first, so that a login reads them as one block. */
#define NUMBERS_LEN (3 * 8 + 8 * 4)

static void encode_attributes(const struct ma_account *account, struct ma_buf *out)
{
	ma_buf_put_u64(out, account->generation);
	put_i64(out, account->created);
	put_i64(out, account->modified);
	put_i32(out, account->last_change);
	put_i32(out, account->min);
	put_i32(out, account->max);
	put_i32(out, account->warn);
	put_i32(out, account->inactive);
	put_i32(out, account->expire);
	ma_buf_put_u32(out, account->uid);
	ma_buf_put_u32(out, account->gid);
	ma_buf_put_bytes16(out, account->comment);
	ma_buf_put_bytes16(out, account->home);
	ma_buf_put_bytes16(out, account->shell);
	ma_buf_put_bytes16(out, account->groups);
	ma_buf_put_bytes16(out, account->mechs);
}

static void decode_numbers(const uint8_t *p, struct ma_account *account_out)
{
	account_out->generation = ma_get_u64(p);
	account_out->created = (int64_t)ma_get_u64(p + 8);
	account_out->modified = (int64_t)ma_get_u64(p + 16);
	account_out->last_change = (int32_t)ma_get_u32(p + 24);
	account_out->min = (int32_t)ma_get_u32(p + 28);
	account_out->max = (int32_t)ma_get_u32(p + 32);
	account_out->warn = (int32_t)ma_get_u32(p + 36);
	account_out->inactive = (int32_t)ma_get_u32(p + 40);
	account_out->expire = (int32_t)ma_get_u32(p + 44);
	account_out->uid = ma_get_u32(p + 48);
	account_out->gid = ma_get_u32(p + 52);
}

bool ma_record_decode_attributes(const struct ma_record *record, struct ma_account *account_out)
{
	struct ma_span in = record->attributes;
	struct ma_span numbers;

	account_out->flags = record->flags;
	account_out->n_credentials = 0;
	if (!ma_span_take(&in, NUMBERS_LEN, &numbers))
		return false;
	decode_numbers(numbers.p, account_out);
	return ma_span_take_bytes16(&in, &account_out->comment) &&
	       ma_span_take_bytes16(&in, &account_out->home) &&
	       ma_span_take_bytes16(&in, &account_out->shell) &&
	       ma_span_take_bytes16(&in, &account_out->groups) &&
	       ma_span_take_bytes16(&in, &account_out->mechs) && in.len == 0;
}

void ma_record_encode_clear(const struct ma_account *account, uint32_t key_id, struct ma_span nonce,
			    struct ma_buf *out)
{
	size_t len_at;
	size_t start;
	size_t len;

	ma_assert(nonce.len == MA_RECORD_NONCE_LEN);
	ma_buf_put_u8(out, RECORD_VERSION);
	ma_buf_put_u8(out, account->flags);
	len_at = out->len;
	ma_buf_put_u16(out, 0); /* filled in below */
	ma_buf_put_u32(out, key_id);
	ma_buf_put(out, nonce);
	start = out->len;
	encode_attributes(account, out);
	if (ma_buf_status(out) != MAILAUTH_OK)
		return;
	len = out->len - start;
	ma_assert(len <= UINT16_MAX); /* @out is capped at MA_RECORD_MAX */
	out->p[len_at] = (uint8_t)(len >> 8);
	out->p[len_at + 1] = (uint8_t)len;
}

static void encode_credential(const struct ma_credential *credential, struct ma_buf *out)
{
	ma_buf_put_bytes8(out, credential->label);
	put_i64(out, credential->created);
	put_i32(out, credential->expires);
	ma_buf_put_bytes16(out, credential->groups);
	ma_buf_put_u8(out, (uint8_t)credential->n_secrets);
	for (size_t i = 0; i < credential->n_secrets; i++) {
		ma_buf_put_u8(out, credential->secrets[i].kind);
		ma_buf_put_bytes16(out, credential->secrets[i].value);
	}
}

static bool decode_credential(struct ma_span *in, struct ma_credential *out)
{
	uint8_t n_secrets;

	if (!ma_span_take_bytes8(in, &out->label) || !take_i64(in, &out->created) ||
	    !take_i32(in, &out->expires) || !ma_span_take_bytes16(in, &out->groups) ||
	    !ma_span_take_u8(in, &n_secrets) || n_secrets > MA_SECRETS_MAX)
		return false;
	for (size_t i = 0; i < n_secrets; i++)
		if (!ma_span_take_u8(in, &out->secrets[i].kind) ||
		    !ma_span_take_bytes16(in, &out->secrets[i].value))
			return false;
	out->n_secrets = n_secrets;
	return true;
}

void ma_record_encode_secrets(const struct ma_account *account, struct ma_buf *out)
{
	ma_assert(account->n_credentials >= 1 && account->n_credentials <= MA_CREDENTIALS_MAX);
	ma_buf_put_u8(out, (uint8_t)account->n_credentials);
	for (size_t i = 0; i < account->n_credentials; i++)
		encode_credential(&account->credentials[i], out);
}

bool ma_record_decode_secrets(struct ma_span plain, struct ma_account *account_out)
{
	uint8_t n;

	account_out->n_credentials = 0;
	if (!ma_span_take_u8(&plain, &n) || n < 1 || n > MA_CREDENTIALS_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!decode_credential(&plain, &account_out->credentials[i]))
			return false;
	if (plain.len != 0)
		return false;
	account_out->n_credentials = n;
	return true;
}
