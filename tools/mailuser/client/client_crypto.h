/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client_crypto.h - the cryptography of the client's side, all of it OpenSSL's
 */
#ifndef MAILUSER_CLIENT_CRYPTO_H
#define MAILUSER_CLIENT_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>

#define MA_CLIENT_MD5_LEN  16
#define MA_CLIENT_HASH_MAX 64 /* bytes; SHA-512 */

struct client_bytes {
	const void *p;
	size_t len;
};

struct client_crypto;

/** NULL: out of memory. What OpenSSL lacks is noticed when it is used. */
struct client_crypto *ma_client_crypto_new(void);
void ma_client_crypto_free(struct client_crypto *crypto);

/*
 * @hash is OpenSSL's name of it: "MD5", "SHA1", "SHA256", "SHA512". Each output has room for
 * MA_CLIENT_HASH_MAX bytes; the length of the hash, or 0 if OpenSSL lacks it.
 */
size_t ma_client_hash(const struct client_crypto *crypto, const char *hash,
		      const struct client_bytes *parts, size_t n_parts, unsigned char *digest_out);
size_t ma_client_hmac(const struct client_crypto *crypto, const char *hash, struct client_bytes key,
		      struct client_bytes message, unsigned char *mac_out);
/* The key is as long as the hash: @key_len. */
bool ma_client_pbkdf2(const struct client_crypto *crypto, const char *hash,
		      struct client_bytes password, struct client_bytes salt,
		      unsigned int iterations, size_t key_len, unsigned char *key_out);
bool ma_client_random(const struct client_crypto *crypto, void *out, size_t len);

/* In a time that does not depend on where they differ. */
bool ma_client_equal(struct client_bytes a, struct client_bytes b);

#define MA_CLIENT_BASE64_MAX 512 /* bytes of a text, with the NUL */

/* False: it is longer than MA_CLIENT_BASE64_MAX. */
bool ma_client_base64(struct client_bytes in, char text_out[MA_CLIENT_BASE64_MAX]);
/* @out has room for MA_CLIENT_BASE64_MAX bytes. */
bool ma_client_unbase64(struct client_bytes text, unsigned char *out, size_t *len_out);

#endif
