/* SPDX-License-Identifier: BSD-2-Clause */
/* scram_client.c - a client of SCRAM that derives its key once; see scram_client.h */
#include "scram_client.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "measure.h"
#include "sasl_side.h"

#define GS2	 "n,,"
#define SALT_MAX 64

static const EVP_MD *hash_of(const struct scram_client *client)
{
	return client->is_sha256 ? EVP_sha256() : EVP_sha1();
}

void scram_client_start(struct scram_client *client, const char *mech, const char *user)
{
	client->is_sha256 = strcmp(mech, "SCRAM-SHA-256") == 0;
	need(client->is_sha256 || strcmp(mech, "SCRAM-SHA-1") == 0, mech);
	(void)snprintf(client->first, sizeof(client->first), GS2 "n=%s,r=rOprNGfwEbeRWgbNEkqO",
		       user);
}

/* ClientKey, kept while hash, salt and iterations stay the same. */
static const unsigned char *client_key(const struct scram_client *client, const char *salt_text,
				       int iterations)
{
	static unsigned char key[EVP_MAX_MD_SIZE];
	static char key_is_of[SALT_MAX + 32];
	char wanted[sizeof(key_is_of)];
	unsigned char salt[SALT_MAX];
	unsigned char salted[EVP_MAX_MD_SIZE];
	const EVP_MD *md = hash_of(client);
	size_t len = strlen(salt_text);
	int salt_len;

	(void)snprintf(wanted, sizeof(wanted), "%d %d %s", EVP_MD_get_size(md), iterations,
		       salt_text);
	if (strcmp(wanted, key_is_of) == 0)
		return key;
	need(len >= 4 && len < SALT_MAX, "a salt");
	salt_len = EVP_DecodeBlock(salt, (const unsigned char *)salt_text, (int)len);
	salt_len -= (salt_text[len - 1] == '=') + (salt_text[len - 2] == '=');
	need(PKCS5_PBKDF2_HMAC(SASL_SIDE_PASSWORD, -1, salt, salt_len, iterations, md,
			       EVP_MD_get_size(md), salted) == 1,
	     "PBKDF2");
	need(HMAC(md, salted, EVP_MD_get_size(md), (const unsigned char *)"Client Key", 10, key,
		  NULL) != NULL,
	     "HMAC");
	memcpy(key_is_of, wanted, sizeof(key_is_of));
	return key;
}

void scram_client_step(struct scram_client *client, const char *server_first, unsigned int len)
{
	char nonce[128];
	char salt[SALT_MAX];
	int iterations;
	char auth[3 * SCRAM_MESSAGE_MAX];
	unsigned char stored[EVP_MAX_MD_SIZE];
	unsigned char proof[EVP_MAX_MD_SIZE];
	const EVP_MD *md = hash_of(client);
	const unsigned char *key;
	unsigned int size = (unsigned int)EVP_MD_get_size(md);
	char text[SCRAM_MESSAGE_MAX];
	size_t at;

	(void)snprintf(text, sizeof(text), "%.*s", (int)len, server_first);
	need(sscanf(text, "r=%127[^,],s=%63[^,],i=%d", nonce, salt, &iterations) == 3,
	     "the server's first message");
	key = client_key(client, salt, iterations);
	need(EVP_Digest(key, size, stored, NULL, md, NULL) == 1, "a hash");
	at = (size_t)snprintf(client->final, sizeof(client->final), "c=biws,r=%s", nonce);
	(void)snprintf(auth, sizeof(auth), "%s,%s,%s", client->first + strlen(GS2), text,
		       client->final);
	need(HMAC(md, stored, (int)size, (const unsigned char *)auth, strlen(auth), proof, NULL) !=
		     NULL,
	     "HMAC");
	for (unsigned int i = 0; i < size; i++)
		proof[i] ^= key[i];
	memcpy(client->final + at, ",p=", 3);
	(void)EVP_EncodeBlock((unsigned char *)client->final + at + 3, proof, (int)size);
}
