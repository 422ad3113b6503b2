/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash.c - the only file that knows the cryptographic library
 *
 * See hash.h. Everything is fetched once, from the default provider of a library context of our
 * own, so a host that runs with fips=yes or without MD5 is neither asked nor changed. MD5 is
 * OpenSSL's low-level MD5_CTX: a stored CRAM-MD5 verifier is the inner state of MD5, which the EVP
 * interface cannot take up, and the low-level calls need no allocation.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* MD5_CTX: see above */
#include "util/hash.h"

#include <errno.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/md5.h>
#include <openssl/provider.h>
#include <sys/random.h>

#include "util/mem.h"

#define MD5_BLOCK_LEN 64

struct ma_crypto {
	OSSL_LIB_CTX *libctx;
	OSSL_PROVIDER *provider;
	EVP_CIPHER *gcm;
	EVP_MAC *hmac;
	EVP_KDF *pbkdf2;
	EVP_MD *hashes[MA_N_HASHES];
	EVP_MAC_CTX *hmacs[MA_N_HASHES]; /* without a key: copied for each use */
};

struct ma_cipher {
	struct ma_crypto *crypto;
	EVP_CIPHER_CTX *evp;
	const uint8_t *key; /* the one that @evp holds, for opening; NULL: none */
};

static const struct {
	char name[7];
	size_t len;
} hashes[MA_N_HASHES] = {
	[MA_HASH_SHA1] = {"SHA1", MA_SHA1_LEN},
	[MA_HASH_SHA256] = {"SHA256", MA_SHA256_LEN},
	[MA_HASH_SHA512] = {"SHA512", MA_SHA512_LEN},
};

/* Looking a hash up by its name takes longer than an HMAC of a short text, so it is done once. */
static const char *fetch_hashes(struct ma_crypto *crypto)
{
	for (size_t i = 0; i < MA_N_HASHES; i++) {
		char name[sizeof(hashes[i].name)];
		OSSL_PARAM params[] = {
			OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name,
							 strlen(hashes[i].name)),
			OSSL_PARAM_construct_end(),
		};

		memcpy(name, hashes[i].name, sizeof(name));
		crypto->hashes[i] = EVP_MD_fetch(crypto->libctx, name, "provider=default");
		crypto->hmacs[i] = EVP_MAC_CTX_new(crypto->hmac);
		if (crypto->hashes[i] == NULL || crypto->hmacs[i] == NULL ||
		    EVP_MAC_CTX_set_params(crypto->hmacs[i], params) != 1)
			return hashes[i].name;
	}
	return NULL;
}

static const char *missing(const struct ma_crypto *crypto)
{
	if (crypto->provider == NULL)
		return "the default provider";
	if (crypto->gcm == NULL)
		return "AES-256-GCM";
	if (crypto->hmac == NULL)
		return "HMAC";
	if (crypto->pbkdf2 == NULL)
		return "PBKDF2";
	return NULL;
}

enum mailauth_status ma_crypto_new(struct ma_crypto **crypto_out, const char **missing_out)
{
	MA_CLEANUP(ma_crypto_free) struct ma_crypto *crypto = ma_alloc(sizeof(*crypto));

	*crypto_out = NULL;
	*missing_out = NULL;
	if (crypto == NULL)
		return MAILAUTH_E_NOMEM;
	crypto->libctx = OSSL_LIB_CTX_new();
	if (crypto->libctx == NULL)
		return MAILAUTH_E_NOMEM;
	crypto->provider = OSSL_PROVIDER_load(crypto->libctx, "default");
	crypto->gcm = EVP_CIPHER_fetch(crypto->libctx, "AES-256-GCM", "provider=default");
	crypto->hmac = EVP_MAC_fetch(crypto->libctx, OSSL_MAC_NAME_HMAC, "provider=default");
	crypto->pbkdf2 = EVP_KDF_fetch(crypto->libctx, OSSL_KDF_NAME_PBKDF2, "provider=default");
	*missing_out = missing(crypto);
	if (*missing_out == NULL)
		*missing_out = fetch_hashes(crypto);
	if (*missing_out != NULL)
		return MAILAUTH_E_CONFIG;
	*crypto_out = ma_steal(crypto);
	return MAILAUTH_OK;
}

void ma_crypto_free(struct ma_crypto **crypto)
{
	if (*crypto == NULL)
		return;
	for (size_t i = 0; i < MA_N_HASHES; i++) {
		EVP_MAC_CTX_free((*crypto)->hmacs[i]);
		EVP_MD_free((*crypto)->hashes[i]);
	}
	EVP_KDF_free((*crypto)->pbkdf2);
	EVP_MAC_free((*crypto)->hmac);
	EVP_CIPHER_free((*crypto)->gcm);
	if ((*crypto)->provider != NULL)
		OSSL_PROVIDER_unload((*crypto)->provider);
	OSSL_LIB_CTX_free((*crypto)->libctx);
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

static void put_word(uint8_t *p, MD5_LONG word)
{
	for (unsigned int i = 0; i < 4; i++)
		p[i] = (uint8_t)(word >> (24 - 8 * i));
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
	return hashes[hash].len;
}

enum mailauth_status ma_hash(struct ma_crypto *crypto, enum ma_hash hash, struct ma_span in,
			     uint8_t *digest_out)
{
	if (EVP_Digest(in.p, in.len, digest_out, NULL, crypto->hashes[hash], NULL) != 1)
		return MAILAUTH_E_INTERNAL;
	return MAILAUTH_OK;
}

static bool mac(EVP_MAC_CTX *ctx, struct ma_span key, const struct ma_span *parts, size_t n_parts,
		uint8_t *mac_out)
{
	size_t len;

	if (EVP_MAC_init(ctx, key.p, key.len, NULL) != 1)
		return false;
	for (size_t i = 0; i < n_parts; i++)
		if (EVP_MAC_update(ctx, parts[i].p, parts[i].len) != 1)
			return false;
	return EVP_MAC_final(ctx, mac_out, &len, MA_HASH_MAX) == 1;
}

enum mailauth_status ma_hmac(struct ma_crypto *crypto, enum ma_hash hash, struct ma_span key,
			     const struct ma_span *parts, size_t n_parts, uint8_t *mac_out)
{
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(crypto->hmacs[hash]);
	uint8_t mac_bytes[MA_HASH_MAX];
	bool ok;

	if (ctx == NULL)
		return MAILAUTH_E_NOMEM;
	ok = mac(ctx, key, parts, n_parts, mac_bytes);
	EVP_MAC_CTX_free(ctx);
	if (ok)
		memcpy(mac_out, mac_bytes, hashes[hash].len);
	ma_wipe(mac_bytes, sizeof(mac_bytes));
	return ok ? MAILAUTH_OK : MAILAUTH_E_INTERNAL;
}

/* OpenSSL takes parameters that it only reads as pointers to what could be changed. */
static OSSL_PARAM octets(const char *key, struct ma_span in)
{
	union {
		const uint8_t *in;
		void *out;
	} address = {.in = in.p};

	return OSSL_PARAM_construct_octet_string(key, address.out, in.len);
}

enum mailauth_status ma_pbkdf2(struct ma_crypto *crypto, enum ma_hash hash, struct ma_span password,
			       struct ma_span salt, uint32_t iterations, uint8_t *key_out)
{
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(crypto->pbkdf2);
	char name[sizeof(hashes[hash].name)];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name,
						 strlen(hashes[hash].name)),
		octets(OSSL_KDF_PARAM_PASSWORD, password),
		octets(OSSL_KDF_PARAM_SALT, salt),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_ITER, &iterations),
		OSSL_PARAM_construct_end(),
	};
	int ok;

	if (ctx == NULL)
		return MAILAUTH_E_NOMEM;
	memcpy(name, hashes[hash].name, sizeof(name));
	ok = EVP_KDF_derive(ctx, key_out, hashes[hash].len, params);
	EVP_KDF_CTX_free(ctx);
	return ok == 1 ? MAILAUTH_OK : MAILAUTH_E_INTERNAL;
}

enum mailauth_status ma_cipher_new(struct ma_crypto *crypto, struct ma_cipher **cipher_out)
{
	MA_CLEANUP(ma_cipher_free) struct ma_cipher *cipher = ma_alloc(sizeof(*cipher));

	*cipher_out = NULL;
	if (cipher == NULL)
		return MAILAUTH_E_NOMEM;
	cipher->crypto = crypto;
	cipher->evp = EVP_CIPHER_CTX_new();
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
	ma_assert(plain.len > 0 && plain.len <= INT_MAX);
	cipher->key = NULL;
	if (EVP_EncryptInit_ex2(cipher->evp, cipher->crypto->gcm, how->key, how->nonce, NULL) != 1)
		return MAILAUTH_E_INTERNAL;
	if (!seal(cipher->evp, how, plain, out))
		return MAILAUTH_E_INTERNAL;
	return MAILAUTH_OK;
}

/* Expanding the key takes as long as opening a record, so the last one is kept. */
static bool start_open(struct ma_cipher *cipher, const struct ma_sealing *how)
{
	if (cipher->key == how->key)
		return EVP_DecryptInit_ex2(cipher->evp, NULL, NULL, how->nonce, NULL) == 1;
	cipher->key = NULL;
	if (EVP_DecryptInit_ex2(cipher->evp, cipher->crypto->gcm, how->key, how->nonce, NULL) != 1)
		return false;
	cipher->key = how->key;
	return true;
}

enum mailauth_status ma_cipher_open(struct ma_cipher *cipher, const struct ma_sealing *how,
				    struct ma_span sealed, uint8_t *out)
{
	uint8_t tag[MA_GCM_TAG_LEN];
	size_t len;
	int n;

	if (sealed.len < MA_GCM_TAG_LEN || sealed.len > INT_MAX)
		return MAILAUTH_E_CORRUPT;
	len = sealed.len - MA_GCM_TAG_LEN;
	memcpy(tag, sealed.p + len, sizeof(tag));
	if (!start_open(cipher, how))
		return MAILAUTH_E_INTERNAL;
	for (size_t i = 0; i < MA_ARRAY_SIZE(how->aad); i++)
		if (EVP_DecryptUpdate(cipher->evp, NULL, &n, how->aad[i].p, (int)how->aad[i].len) !=
		    1)
			return MAILAUTH_E_INTERNAL;
	if (EVP_DecryptUpdate(cipher->evp, out, &n, sealed.p, (int)len) != 1 ||
	    EVP_CIPHER_CTX_ctrl(cipher->evp, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) != 1) {
		ma_wipe(out, len);
		return MAILAUTH_E_INTERNAL;
	}
	if (EVP_DecryptFinal_ex(cipher->evp, out + len, &n) != 1) {
		ma_wipe(out, len);
		return MAILAUTH_E_CORRUPT;
	}
	return MAILAUTH_OK;
}
