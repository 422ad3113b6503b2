/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.h - the only file that knows the cryptographic library
 *
 * OpenSSL lives in a library context of our own with its default provider: MD5 then works where the
 * host's configuration disables it for others, and nothing else in the process is changed. struct
 * ma_crypto is shared by threads; struct ma_cipher, which keeps an expanded key, belongs to one
 * thread at a time.
 */
#ifndef MA_UTIL_HASH_H
#define MA_UTIL_HASH_H

#include "util/base.h"
#include "util/buf.h"
#include "util/span.h"

#define MA_MD5_LEN	  16
#define MA_SHA1_LEN	  20
#define MA_SHA256_LEN	  32
#define MA_SHA512_LEN	  64
#define MA_HASH_MAX	  64		   /* bytes of the longest digest */
#define MA_HMAC_MD5_STATE (2 * MA_MD5_LEN) /* inner, outer; big-endian words */
#define MA_GCM_KEY_LEN	  32
#define MA_GCM_NONCE_LEN  12
#define MA_GCM_TAG_LEN	  16

struct ma_crypto;
struct ma_cipher;

/* The hashes that HMAC and PBKDF2 are wanted with (FIPS 180-4). */
enum ma_hash { MA_HASH_SHA1, MA_HASH_SHA256, MA_HASH_SHA512 };
#define MA_N_HASHES 3

/* MAILAUTH_E_CONFIG: this OpenSSL lacks @missing_out, a constant. */
MA_MUST_CHECK enum mailauth_status ma_crypto_new(struct ma_crypto **crypto_out,
						 const char **missing_out);
void ma_crypto_free(struct ma_crypto **crypto);

MA_MUST_CHECK enum mailauth_status ma_random(struct ma_crypto *crypto, void *p, size_t len);

/* MD5 (RFC 1321) over the parts, one after the other. */
void ma_md5(const struct ma_span *parts, size_t n_parts, uint8_t digest_out[MA_MD5_LEN]);

/* HMAC-MD5 (RFC 2104) in two halves: the state after the key alone, the digest from there. */
void ma_hmac_md5_derive(struct ma_span key, uint8_t state_out[MA_HMAC_MD5_STATE]);
void ma_hmac_md5_digest(const uint8_t state[MA_HMAC_MD5_STATE], struct ma_span message,
			uint8_t digest_out[MA_MD5_LEN]);

size_t ma_hash_len(enum ma_hash hash);
/* Digests have ma_hash_len() bytes. */
void ma_hash(enum ma_hash hash, struct ma_span in, uint8_t *digest_out);
/* HMAC (RFC 2104) over the parts, one after the other. */
void ma_hmac(enum ma_hash hash, struct ma_span key, const struct ma_span *parts, size_t n_parts,
	     uint8_t *mac_out);
/* PBKDF2 (RFC 8018 section 5.2) with HMAC; one block: ma_hash_len() bytes. */
void ma_pbkdf2(enum ma_hash hash, struct ma_span password, struct ma_span salt, uint32_t iterations,
	       uint8_t *key_out);

/* AES-256-GCM (NIST SP 800-38D) that keeps the last key it was used with. */
MA_MUST_CHECK enum mailauth_status ma_cipher_new(struct ma_crypto *crypto,
						 struct ma_cipher **cipher_out);
void ma_cipher_free(struct ma_cipher **cipher);

/* What ma_cipher_seal() and _open() work with. @key stays at its address as long as the cipher. */
struct ma_sealing {
	const uint8_t *key;
	const uint8_t *nonce;
	struct ma_span aad[2]; /* authenticated, one after the other */
};

/* Writes @plain.len bytes and the tag to @out. */
MA_MUST_CHECK enum mailauth_status ma_cipher_seal(struct ma_cipher *cipher,
						  const struct ma_sealing *how,
						  struct ma_span plain, uint8_t *out);
/* Writes @sealed.len - MA_GCM_TAG_LEN bytes; MAILAUTH_E_CORRUPT and nothing if the tag is wrong. */
MA_MUST_CHECK enum mailauth_status ma_cipher_open(struct ma_cipher *cipher,
						  const struct ma_sealing *how,
						  struct ma_span sealed, uint8_t *out);

#endif
