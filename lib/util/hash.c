/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.c - the only file that knows the cryptographic library
 *
 * See hash.h. The cipher is fetched once, from the default provider of a library context of our
 * own, so a host that runs with fips=yes or without MD5 is neither asked nor changed. The hashes
 * are OpenSSL's low-level ones, MD5_CTX, SHA_CTX and so on: a stored CRAM-MD5 verifier is the inner
 * state of MD5, which the EVP interface cannot take up, HMAC and PBKDF2 copy their state in each
 * round, and they need no allocation.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* MD5_CTX, SHA_CTX: see above */
#include "util/hash.h"

#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/md5.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/sha.h>
#include <sys/random.h>

#include "util/buf.h"
#include "util/mem.h"

#define MD5_BLOCK_LEN 64

struct ma_crypto {
	OSSL_LIB_CTX *libctx;
	OSSL_PROVIDER *provider;
	EVP_CIPHER *gcm;
};

struct ma_cipher {
	struct ma_crypto *crypto;
	EVP_CIPHER_CTX *evp;
	const uint8_t *key; /* the one that @evp holds, for opening; NULL: none */
};

static const size_t hash_lens[MA_N_HASHES] = {
	[MA_HASH_SHA1] = MA_SHA1_LEN,
	[MA_HASH_SHA256] = MA_SHA256_LEN,
	[MA_HASH_SHA512] = MA_SHA512_LEN,
};

/*
 * OpenSSL's queue of errors is the program's, and a server that finds one there takes it for one of
 * its TLS connection. What a failed call adds is taken out again, back to ERR_set_mark(): it stands
 * around all that allocates, which a login with a key in use does not.
 */
static enum mailauth_status why_failed(enum mailauth_status otherwise)
{
	if (ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE)
		return MAILAUTH_E_NOMEM;
	return otherwise;
}

static const char *missing(const struct ma_crypto *crypto)
{
	if (crypto->provider == NULL)
		return "the default provider";
	if (crypto->gcm == NULL)
		return "AES-256-GCM";
	return NULL;
}

/* What is missing for lack of memory is not missing: *@missing_out stays NULL. */
static enum mailauth_status load(struct ma_crypto *crypto, const char **missing_out)
{
	enum mailauth_status status;

	crypto->libctx = OSSL_LIB_CTX_new();
	if (crypto->libctx == NULL)
		return MAILAUTH_E_NOMEM;
	crypto->provider = OSSL_PROVIDER_load(crypto->libctx, "default");
	if (crypto->provider != NULL)
		crypto->gcm = EVP_CIPHER_fetch(crypto->libctx, "AES-256-GCM", "provider=default");
	if (missing(crypto) == NULL)
		return MAILAUTH_OK;
	status = why_failed(MAILAUTH_E_CONFIG);
	if (status == MAILAUTH_E_CONFIG)
		*missing_out = missing(crypto);
	return status;
}

enum mailauth_status ma_crypto_new(struct ma_crypto **crypto_out, const char **missing_out)
{
	MA_CLEANUP(ma_crypto_free) struct ma_crypto *crypto = ma_alloc(sizeof(*crypto));
	enum mailauth_status status;

	*crypto_out = NULL;
	*missing_out = NULL;
	if (crypto == NULL)
		return MAILAUTH_E_NOMEM;
	ERR_set_mark();
	status = load(crypto, missing_out);
	ERR_pop_to_mark();
	if (status == MAILAUTH_OK)
		*crypto_out = ma_steal(crypto);
	return status;
}

void ma_crypto_free(struct ma_crypto **crypto)
{
	if (*crypto == NULL)
		return;
	ERR_set_mark();
	EVP_CIPHER_free((*crypto)->gcm);
	if ((*crypto)->provider != NULL)
		OSSL_PROVIDER_unload((*crypto)->provider);
	OSSL_LIB_CTX_free((*crypto)->libctx);
	ERR_pop_to_mark();
	ma_free(*crypto);
	*crypto = NULL;
}

enum mailauth_status ma_random(struct ma_crypto *crypto, void *p, size_t len)
{
	uint8_t *at = p;

	(void)crypto;
	/* The kernel's, which OpenSSL's own is seeded from: one system call in either case, as
	 * OpenSSL asks for the process id, and a third of the time. */
	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		if (n < 0 && errno != EINTR)
			return MAILAUTH_E_INTERNAL;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return MAILAUTH_OK;
}

void ma_md5(const struct ma_span *parts, size_t n_parts, uint8_t digest_out[MA_MD5_LEN])
{
	MD5_CTX md5;

	MD5_Init(&md5);
	for (size_t i = 0; i < n_parts; i++)
		MD5_Update(&md5, parts[i].p, parts[i].len);
	MD5_Final(digest_out, &md5);
	ma_wipe(&md5, sizeof(md5));
}

/* Not byte by byte: gcc would gather the bytes on the stack, in a place that nobody can wipe. */
static void put_word(uint8_t *p, MD5_LONG word)
{
	uint32_t big_endian = htobe32(word);

	memcpy(p, &big_endian, sizeof(big_endian));
}

/* The state of MD5 after one block: the key, padded with zeros, xor @pad. */
static void derive_half(const uint8_t key[MD5_BLOCK_LEN], uint8_t pad, uint8_t *out)
{
	uint8_t block[MD5_BLOCK_LEN];
	MD5_CTX md5;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	MD5_Init(&md5);
	MD5_Update(&md5, block, sizeof(block));
	put_word(out, md5.A);
	put_word(out + 4, md5.B);
	put_word(out + 8, md5.C);
	put_word(out + 12, md5.D);
	ma_wipe(&md5, sizeof(md5));
	ma_wipe(block, sizeof(block));
}

void ma_hmac_md5_derive(struct ma_span key, uint8_t state_out[MA_HMAC_MD5_STATE])
{
	uint8_t block[MD5_BLOCK_LEN] = {0};

	/* RFC 2104 section 2: a key longer than a block is hashed first */
	if (key.len > sizeof(block))
		ma_md5(&key, 1, block);
	else if (key.len > 0)
		memcpy(block, key.p, key.len);
	derive_half(block, 0x36, state_out);
	derive_half(block, 0x5c, state_out + MA_MD5_LEN);
	ma_wipe(block, sizeof(block));
}

/* Goes on from a state that has seen one block. */
static void resume(const uint8_t state[MA_MD5_LEN], struct ma_span message,
		   uint8_t digest_out[MA_MD5_LEN])
{
	MD5_CTX md5;

	MD5_Init(&md5);
	md5.A = ma_get_u32(state);
	md5.B = ma_get_u32(state + 4);
	md5.C = ma_get_u32(state + 8);
	md5.D = ma_get_u32(state + 12);
	md5.Nl = MD5_BLOCK_LEN * CHAR_BIT;
	MD5_Update(&md5, message.p, message.len);
	MD5_Final(digest_out, &md5);
	ma_wipe(&md5, sizeof(md5));
}

void ma_hmac_md5_digest(const uint8_t state[MA_HMAC_MD5_STATE], struct ma_span message,
			uint8_t digest_out[MA_MD5_LEN])
{
	uint8_t inner[MA_MD5_LEN];

	resume(state, message, inner);
	resume(state + MA_MD5_LEN, ma_span(inner, sizeof(inner)), digest_out);
	ma_wipe(inner, sizeof(inner));
}

size_t ma_hash_len(enum ma_hash hash)
{
	return hash_lens[hash];
}

union sha {
	SHA_CTX sha1;
	SHA256_CTX sha256;
	SHA512_CTX sha512;
};

static void sha_init(enum ma_hash hash, union sha *sha)
{
	switch (hash) {
	case MA_HASH_SHA1:
		SHA1_Init(&sha->sha1);
		return;
	case MA_HASH_SHA256:
		SHA256_Init(&sha->sha256);
		return;
	default:
		SHA512_Init(&sha->sha512);
		return;
	}
}

static void sha_update(enum ma_hash hash, union sha *sha, const uint8_t *p, size_t len)
{
	switch (hash) {
	case MA_HASH_SHA1:
		SHA1_Update(&sha->sha1, p, len);
		return;
	case MA_HASH_SHA256:
		SHA256_Update(&sha->sha256, p, len);
		return;
	default:
		SHA512_Update(&sha->sha512, p, len);
		return;
	}
}

static void sha_final(enum ma_hash hash, union sha *sha, uint8_t *digest_out)
{
	switch (hash) {
	case MA_HASH_SHA1:
		SHA1_Final(digest_out, &sha->sha1);
		return;
	case MA_HASH_SHA256:
		SHA256_Final(digest_out, &sha->sha256);
		return;
	default:
		SHA512_Final(digest_out, &sha->sha512);
		return;
	}
}

/* RFC 2104 section 4: the two states of HMAC after its key, which are the same in each round. */
struct sha_hmac {
	enum ma_hash hash;
	union sha inner;
	union sha outer;
	union sha work;
};

static void sha_hmac_half(enum ma_hash hash, const uint8_t *key, uint8_t pad, union sha *out)
{
	uint8_t block[SHA512_CBLOCK];
	size_t block_len = hash == MA_HASH_SHA512 ? SHA512_CBLOCK : SHA256_CBLOCK;

	for (size_t i = 0; i < block_len; i++)
		block[i] = key[i] ^ pad;
	sha_init(hash, out);
	sha_update(hash, out, block, block_len);
	ma_wipe(block, sizeof(block));
}

static void sha_hmac_init(struct sha_hmac *hmac, enum ma_hash hash, struct ma_span key)
{
	uint8_t block[SHA512_CBLOCK] = {0};
	size_t block_len = hash == MA_HASH_SHA512 ? SHA512_CBLOCK : SHA256_CBLOCK;

	hmac->hash = hash;
	if (key.len > block_len) {
		sha_init(hash, &hmac->inner);
		sha_update(hash, &hmac->inner, key.p, key.len);
		sha_final(hash, &hmac->inner, block);
	} else if (key.len > 0) {
		memcpy(block, key.p, key.len);
	}
	sha_hmac_half(hash, block, 0x36, &hmac->inner);
	sha_hmac_half(hash, block, 0x5c, &hmac->outer);
	ma_wipe(block, sizeof(block));
}

/* @in and @out may be the same. */
static void sha_hmac(struct sha_hmac *hmac, const struct ma_span *parts, size_t n_parts,
		     uint8_t *out)
{
	hmac->work = hmac->inner;
	for (size_t i = 0; i < n_parts; i++)
		sha_update(hmac->hash, &hmac->work, parts[i].p, parts[i].len);
	sha_final(hmac->hash, &hmac->work, out);
	hmac->work = hmac->outer;
	sha_update(hmac->hash, &hmac->work, out, hash_lens[hmac->hash]);
	sha_final(hmac->hash, &hmac->work, out);
}

void ma_hash(enum ma_hash hash, struct ma_span in, uint8_t *digest_out)
{
	union sha sha;

	sha_init(hash, &sha);
	sha_update(hash, &sha, in.p, in.len);
	sha_final(hash, &sha, digest_out);
	ma_wipe(&sha, sizeof(sha));
}

void ma_hmac(enum ma_hash hash, struct ma_span key, const struct ma_span *parts, size_t n_parts,
	     uint8_t *mac_out)
{
	struct sha_hmac hmac;

	sha_hmac_init(&hmac, hash, key);
	sha_hmac(&hmac, parts, n_parts, mac_out);
	ma_wipe(&hmac, sizeof(hmac));
}

/*
 * RFC 8018 section 5.2, the first block. OpenSSL has this function, too, but sets an HMAC up anew
 * in each of thousands of rounds: that takes more than twice the time, and thousands of accounts
 * are imported at once.
 */
void ma_pbkdf2(enum ma_hash hash, struct ma_span password, struct ma_span salt, uint32_t iterations,
	       uint8_t *key_out)
{
	static const uint8_t first_block[] = {0, 0, 0, 1};
	const struct ma_span parts[] = {salt, ma_span(first_block, sizeof(first_block))};
	size_t len = hash_lens[hash];
	uint8_t round[MA_HASH_MAX];
	const struct ma_span last = ma_span(round, len);
	struct sha_hmac hmac;

	sha_hmac_init(&hmac, hash, password);
	sha_hmac(&hmac, parts, MA_ARRAY_SIZE(parts), round);
	memcpy(key_out, round, len);
	for (uint32_t i = 1; i < iterations; i++) {
		sha_hmac(&hmac, &last, 1, round);
		for (size_t k = 0; k < len; k++)
			key_out[k] ^= round[k];
	}
	ma_wipe(round, sizeof(round));
	ma_wipe(&hmac, sizeof(hmac));
}

enum mailauth_status ma_cipher_new(struct ma_crypto *crypto, struct ma_cipher **cipher_out)
{
	MA_CLEANUP(ma_cipher_free) struct ma_cipher *cipher = ma_alloc(sizeof(*cipher));

	*cipher_out = NULL;
	if (cipher == NULL)
		return MAILAUTH_E_NOMEM;
	cipher->crypto = crypto;
	ERR_set_mark();
	cipher->evp = EVP_CIPHER_CTX_new();
	ERR_pop_to_mark();
	if (cipher->evp == NULL)
		return MAILAUTH_E_NOMEM;
	*cipher_out = ma_steal(cipher);
	return MAILAUTH_OK;
}

void ma_cipher_free(struct ma_cipher **cipher)
{
	if (*cipher == NULL)
		return;
	EVP_CIPHER_CTX_free((*cipher)->evp); /* wipes the expanded key */
	ma_free(*cipher);
	*cipher = NULL;
}

static bool seal(EVP_CIPHER_CTX *evp, const struct ma_sealing *how, struct ma_span plain,
		 uint8_t *out)
{
	int n;

	for (size_t i = 0; i < MA_ARRAY_SIZE(how->aad); i++)
		if (EVP_EncryptUpdate(evp, NULL, &n, how->aad[i].p, (int)how->aad[i].len) != 1)
			return false;
	if (EVP_EncryptUpdate(evp, out, &n, plain.p, (int)plain.len) != 1)
		return false;
	if (EVP_EncryptFinal_ex(evp, out + plain.len, &n) != 1)
		return false;
	return EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, MA_GCM_TAG_LEN, out + plain.len) ==
	       1;
}

enum mailauth_status ma_cipher_seal(struct ma_cipher *cipher, const struct ma_sealing *how,
				    struct ma_span plain, uint8_t *out)
{
	enum mailauth_status status = MAILAUTH_OK;

	ma_assert(plain.len > 0 && plain.len <= INT_MAX);
	cipher->key = NULL;
	ERR_set_mark();
	if (EVP_EncryptInit_ex2(cipher->evp, cipher->crypto->gcm, how->key, how->nonce, NULL) !=
		    1 ||
	    !seal(cipher->evp, how, plain, out))
		status = why_failed(MAILAUTH_E_INTERNAL);
	ERR_pop_to_mark();
	return status;
}

/*
 * Expanding the key takes as long as opening a record, so the last one is kept. The tag goes along:
 * each further call of OpenSSL's costs as much as a block of MD5.
 */
static enum mailauth_status start_open(struct ma_cipher *cipher, const struct ma_sealing *how,
				       uint8_t tag[MA_GCM_TAG_LEN])
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, MA_GCM_TAG_LEN),
		OSSL_PARAM_END,
	};
	enum mailauth_status status = MAILAUTH_OK;

	if (cipher->key == how->key)
		return EVP_DecryptInit_ex2(cipher->evp, NULL, NULL, how->nonce, params) == 1
			       ? MAILAUTH_OK
			       : MAILAUTH_E_INTERNAL;
	cipher->key = NULL;
	ERR_set_mark();
	if (EVP_DecryptInit_ex2(cipher->evp, cipher->crypto->gcm, how->key, how->nonce, params) !=
	    1)
		status = why_failed(MAILAUTH_E_INTERNAL);
	ERR_pop_to_mark();
	if (status == MAILAUTH_OK)
		cipher->key = how->key;
	return status;
}

/* In one call, for the same reason, unless it is longer than what accounts have. */
static bool add_aad(EVP_CIPHER_CTX *evp, const struct ma_sealing *how)
{
	uint8_t both[1024];
	struct ma_buf aad = ma_buf_fixed(both, sizeof(both));
	int n;

	for (size_t i = 0; i < MA_ARRAY_SIZE(how->aad); i++)
		ma_buf_put(&aad, how->aad[i]);
	if (ma_buf_status(&aad) == MAILAUTH_OK)
		return EVP_DecryptUpdate(evp, NULL, &n, both, (int)aad.len) == 1;
	for (size_t i = 0; i < MA_ARRAY_SIZE(how->aad); i++)
		if (EVP_DecryptUpdate(evp, NULL, &n, how->aad[i].p, (int)how->aad[i].len) != 1)
			return false;
	return true;
}

enum mailauth_status ma_cipher_open(struct ma_cipher *cipher, const struct ma_sealing *how,
				    struct ma_span sealed, uint8_t *out)
{
	enum mailauth_status status;
	uint8_t tag[MA_GCM_TAG_LEN];
	size_t len;
	int n;

	if (sealed.len < MA_GCM_TAG_LEN || sealed.len > INT_MAX)
		return MAILAUTH_E_CORRUPT;
	len = sealed.len - MA_GCM_TAG_LEN;
	memcpy(tag, sealed.p + len, sizeof(tag));
	status = start_open(cipher, how, tag);
	if (status != MAILAUTH_OK)
		return status;
	if (!add_aad(cipher->evp, how) ||
	    EVP_DecryptUpdate(cipher->evp, out, &n, sealed.p, (int)len) != 1) {
		ma_wipe(out, len);
		return MAILAUTH_E_INTERNAL;
	}
	if (EVP_DecryptFinal_ex(cipher->evp, out + len, &n) != 1) {
		ma_wipe(out, len);
		return MAILAUTH_E_CORRUPT;
	}
	return MAILAUTH_OK;
}
