/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - the client's side of a login, for `mailuser verify`
 *
 * The library knows the server's side only. Here is what a mail program would send, so that a
 * login can be tried without one: PLAIN (RFC 4616 section 2) sends everything at once, CRAM-MD5
 * (RFC 2195 section 2) answers the challenge with HMAC-MD5 of it.
 *
 * A further mechanism is one function and one row of the table `clients`.
 */
#include "client.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <string.h>
#include <strings.h>

#include "cmd.h"

#define DIALOGUE_MAX 8 /* messages; no mechanism needs more */
#define MD5_LEN	     16

static bool answer_add(struct answer *answer, const void *p, size_t len)
{
	if (len > sizeof(answer->bytes) - answer->len)
		return false;
	memcpy(answer->bytes + answer->len, p, len);
	answer->len += len;
	return true;
}

static void answer_clear(struct answer *answer)
{
	explicit_bzero(answer, sizeof(*answer));
}

/* RFC 4616 section 2: no authorization identity, NUL, name, NUL, password. */
static bool plain_answer(const char *name, const struct password *password, const void *challenge,
			 size_t challenge_len, struct answer *answer_out)
{
	(void)challenge;
	(void)challenge_len;
	return answer_add(answer_out, "", 1) && answer_add(answer_out, name, strlen(name)) &&
	       answer_add(answer_out, "", 1) &&
	       answer_add(answer_out, password->bytes, password->len);
}

/* In a library context of its own, since the host's settings may forbid MD5. */
static bool hmac_md5(const void *key, size_t key_len, const void *p, size_t len,
		     unsigned char digest_out[MD5_LEN])
{
	OSSL_LIB_CTX *libctx = OSSL_LIB_CTX_new();
	OSSL_PROVIDER *provider = NULL;
	size_t digest_len = 0;

	if (libctx != NULL)
		provider = OSSL_PROVIDER_load(libctx, "default");
	if (provider != NULL) {
		(void)EVP_Q_mac(libctx, "HMAC", NULL, "MD5", NULL, key, key_len, p, len, digest_out,
				MD5_LEN, &digest_len);
		(void)OSSL_PROVIDER_unload(provider);
	}
	OSSL_LIB_CTX_free(libctx);
	return digest_len == MD5_LEN;
}

/* RFC 2195 section 2: name, space, HMAC-MD5 of the challenge in lower case hex digits. */
static bool cram_md5_answer(const char *name, const struct password *password,
			    const void *challenge, size_t challenge_len, struct answer *answer_out)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[MD5_LEN];
	char text[2 * MD5_LEN];

	if (!hmac_md5(password->bytes, password->len, challenge, challenge_len, digest)) {
		ma_say("this machine's OpenSSL has no MD5: install its default provider");
		return false;
	}
	for (size_t i = 0; i < MD5_LEN; i++) {
		text[2 * i] = hex[digest[i] >> 4];
		text[2 * i + 1] = hex[digest[i] & 15];
	}
	return answer_add(answer_out, name, strlen(name)) && answer_add(answer_out, " ", 1) &&
	       answer_add(answer_out, text, sizeof(text));
}

static const struct client clients[] = {
	{"PLAIN", true, plain_answer},
	{"CRAM-MD5", false, cram_md5_answer},
};

const struct client *ma_client_find(const char *mech)
{
	for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
		if (strcasecmp(mech, clients[i].mech) == 0)
			return &clients[i];
	}
	return NULL;
}

enum mailauth_status ma_client_login(const struct client *client, struct mailauth_session *session,
				     const char *name, const struct password *password)
{
	enum mailauth_status status = MAILAUTH_CONTINUE;
	const void *challenge = NULL;
	size_t challenge_len = 0;

	if (!client->speaks_first)
		status = mailauth_session_step(session, NULL, 0, &challenge, &challenge_len);
	for (int i = 0; status == MAILAUTH_CONTINUE; i++) {
		MA_CLEANUP(answer_clear) struct answer answer = {0};

		if (i == DIALOGUE_MAX)
			return MAILAUTH_E_PROTOCOL;
		if (!client->answer(name, password, challenge, challenge_len, &answer))
			return MAILAUTH_E_UNSUPPORTED;
		status = mailauth_session_step(session, answer.bytes, answer.len, &challenge,
					       &challenge_len);
	}
	return status;
}
