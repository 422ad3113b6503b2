/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client_crypto.c - the cryptography of the client's side, all of it OpenSSL's
 *
 * In a library context of its own with the default provider: so MD5 works where the host's settings
 * (fips=yes, a crypto policy) forbid it to others, and nothing else in the process is changed.
 */
#include "client_crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NAME_MAX 16

struct client_crypto {
	OSSL_LIB_CTX *libctx;
	OSSL_PROVIDER *provider;
};

struct client_crypto *ma_client_crypto_new(void)
{
	struct client_crypto *crypto = calloc(1, sizeof(*crypto));

	if (crypto == NULL)
		return NULL;
	crypto->libctx = OSSL_LIB_CTX_new();
	if (crypto->libctx == NULL) {
		free(crypto);
		return NULL;
	}
	crypto->provider = OSSL_PROVIDER_load(crypto->libctx, "default");
	return crypto;
}

void ma_client_crypto_free(struct client_crypto *crypto)
{
	if (crypto == NULL)
		return;
	if (crypto->provider != NULL)
		(void)OSSL_PROVIDER_unload(crypto->provider);
	OSSL_LIB_CTX_free(crypto->libctx);
	free(crypto);
}

static bool hash_parts(EVP_MD_CTX *ctx, const EVP_MD *md, const struct client_bytes *parts,
		       size_t n_parts, unsigned char *digest_out)
{
	if (EVP_DigestInit_ex2(ctx, md, NULL) != 1)
		return false;
	for (size_t i = 0; i < n_parts; i++) {
		if (EVP_DigestUpdate(ctx, parts[i].p, parts[i].len) != 1)
			return false;
	}
	return EVP_DigestFinal_ex(ctx, digest_out, NULL) == 1;
}

size_t ma_client_hash(const struct client_crypto *crypto, const char *hash,
		      const struct client_bytes *parts, size_t n_parts, unsigned char *digest_out)
{
	EVP_MD *md = EVP_MD_fetch(crypto->libctx, hash, NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t len = 0;

	if (md != NULL && ctx != NULL && hash_parts(ctx, md, parts, n_parts, digest_out))
		len = (size_t)EVP_MD_get_size(md);
	EVP_MD_CTX_free(ctx);
	EVP_MD_free(md);
	return len;
}

size_t ma_client_hmac(const struct client_crypto *crypto, const char *hash, struct client_bytes key,
		      struct client_bytes message, unsigned char *mac_out)
{
	size_t len = 0;

	if (EVP_Q_mac(crypto->libctx, "HMAC", NULL, hash, NULL, key.p, key.len, message.p,
		      message.len, mac_out, MA_CLIENT_HASH_MAX, &len) == NULL)
		return 0;
	return len;
}

/* OpenSSL takes parameters that it only reads as pointers to what could be changed. */
static OSSL_PARAM octets(const char *key, struct client_bytes in)
{
	union {
		const void *in;
		void *out;
	} address = {.in = in.p};

	return OSSL_PARAM_construct_octet_string(key, address.out, in.len);
}

bool ma_client_pbkdf2(const struct client_crypto *crypto, const char *hash,
		      struct client_bytes password, struct client_bytes salt,
		      unsigned int iterations, size_t key_len, unsigned char *key_out)
{
	EVP_KDF *kdf = EVP_KDF_fetch(crypto->libctx, OSSL_KDF_NAME_PBKDF2, NULL);
	EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	char name[HASH_NAME_MAX] = "";
	bool is_made = false;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
		octets(OSSL_KDF_PARAM_PASSWORD, password),
		octets(OSSL_KDF_PARAM_SALT, salt),
		OSSL_PARAM_construct_uint(OSSL_KDF_PARAM_ITER, &iterations),
		OSSL_PARAM_construct_end(),
	};

	if (ctx != NULL && strlen(hash) < sizeof(name)) {
		memcpy(name, hash, strlen(hash) + 1);
		is_made = EVP_KDF_derive(ctx, key_out, key_len, params) == 1;
	}
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return is_made;
}

bool ma_client_random(const struct client_crypto *crypto, void *out, size_t len)
{
	return RAND_bytes_ex(crypto->libctx, out, len, 0) == 1;
}

bool ma_client_equal(struct client_bytes a, struct client_bytes b)
{
	return a.len == b.len && CRYPTO_memcmp(a.p, b.p, a.len) == 0;
}

bool ma_client_base64(struct client_bytes in, char text_out[MA_CLIENT_BASE64_MAX])
{
	text_out[0] = '\0';
	if (in.len > MA_CLIENT_BASE64_MAX / 4 * 3 - 3)
		return false;
	(void)EVP_EncodeBlock((unsigned char *)text_out, in.p, (int)in.len);
	return true;
}

bool ma_client_unbase64(struct client_bytes text, unsigned char *out, size_t *len_out)
{
	const char *p = text.p;
	int len;

	*len_out = 0;
	if (text.len == 0 || text.len % 4 != 0 || text.len > MA_CLIENT_BASE64_MAX)
		return false;
	len = EVP_DecodeBlock(out, text.p, (int)text.len);
	if (len < 3)
		return false;
	/* The padding counts as bytes there. */
	*len_out = (size_t)len - (p[text.len - 1] == '=' ? 1u : 0u) -
		   (p[text.len - 2] == '=' ? 1u : 0u);
	return true;
}
