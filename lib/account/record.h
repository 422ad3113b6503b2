/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * record.h - accounts as bytes
 *
 *   offset  bytes
 *        0      1  version: 1
 *        1      1  flags
 *        2      2  length of the attributes
 *        4      4  id of the key that sealed the secrets
 *        8     12  nonce
 *       20         attributes, in the clear, authenticated
 *                  secrets, sealed; the last 16 bytes are the tag
 *
 * Numbers are big-endian. Decoding checks every length and takes nothing on trust: the bytes may
 * come from a damaged file. seal.h joins this with the keys.
 */
#ifndef MA_ACCOUNT_RECORD_H
#define MA_ACCOUNT_RECORD_H

#include "account/account.h"
#include "util/base.h"
#include "util/buf.h"
#include "util/span.h"

#define MA_RECORD_MAX	    16384 /* bytes of a whole record */
#define MA_RECORD_NONCE_LEN 12

/* A record taken apart; spans into its bytes. */
struct ma_record {
	uint8_t flags;
	uint32_t key_id;
	struct ma_span nonce;
	struct ma_span attributes;
	struct ma_span clear; /* all before the sealed part: what the seal authenticates */
	struct ma_span sealed;
};

/* Of a record that was opened. */
static inline uint32_t ma_record_key_id(struct ma_span bytes)
{
	return bytes.len >= 8 ? ma_get_u32(bytes.p + 4) : 0;
}

MA_MUST_CHECK bool ma_record_split(struct ma_span bytes, struct ma_record *record_out);

/* Writes all before the sealed part. @nonce: MA_RECORD_NONCE_LEN bytes. */
void ma_record_encode_clear(const struct ma_account *account, uint32_t key_id, struct ma_span nonce,
			    struct ma_buf *out);
/* Writes what is to be sealed. */
void ma_record_encode_secrets(const struct ma_account *account, struct ma_buf *out);

/* Fills in all of @account_out but the credentials; then the credentials. */
MA_MUST_CHECK bool ma_record_decode_attributes(const struct ma_record *record,
					       struct ma_account *account_out);
MA_MUST_CHECK bool ma_record_decode_secrets(struct ma_span plain, struct ma_account *account_out);

#endif
