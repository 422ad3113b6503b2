/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * support_client.c - the client's side of every mechanism, for tests
 *
 * See support.h. Written from RFC 5802 section 3 and RFC 2831 section 2.1.2.1 with OpenSSL's own
 * calls alone, so that a mistake in the library is not made here again.
 */
#include "support.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 4096

static const EVP_MD *hash_of(const char *mech)
{
	if (strncmp(mech, "SCRAM-SHA-512", 13) == 0)
		return EVP_sha512();
	return strncmp(mech, "SCRAM-SHA-256", 13) == 0 ? EVP_sha256() : EVP_sha1();
}

static void encode(const void *bytes, size_t len, char *out, size_t size)
{
	ck_assert_uint_lt(4 * ((len + 2) / 3), size);
	ck_assert_int_ge(EVP_EncodeBlock((unsigned char *)out, bytes, (int)len), 0);
}

size_t support_scram_first(struct support_scram *client, char *out, size_t size)
{
	int n = snprintf(client->bare, sizeof(client->bare), "n=%s,r=%s%s", client->user,
			 client->nonce, client->more_first != NULL ? client->more_first : "");

	ck_assert_int_lt(n, (int)sizeof(client->bare));
	n = snprintf(out, size, "%s%s", client->gs2, client->bare);
	ck_assert_int_lt(n, (int)size);
	return (size_t)n;
}

static void hmac(const EVP_MD *md, const void *key, const char *text, unsigned char *out)
{
	ck_assert_ptr_nonnull(HMAC(md, key, EVP_MD_get_size(md), (const unsigned char *)text,
				   strlen(text), out, NULL));
}

/* c=: the header and the data of the binding. */
static void put_channel(const struct support_scram *client, char *out, size_t size)
{
	unsigned char bytes[TEXT_MAX];
	size_t len = strlen(client->gs2);

	ck_assert_uint_le(len + client->binding_len, sizeof(bytes));
	memcpy(bytes, client->gs2, len);
	if (client->binding_len > 0)
		memcpy(bytes + len, client->binding, client->binding_len);
	encode(bytes, len + client->binding_len, out, size);
}

/* RFC 5802 section 3: the proof, and the signature that the server has to answer with. */
static void sign(struct support_scram *client, const char *auth_message, char *proof_out,
		 size_t size)
{
	const EVP_MD *md = hash_of(client->mech);
	size_t len = (size_t)EVP_MD_get_size(md);
	unsigned char salt[256];
	unsigned char salted[EVP_MAX_MD_SIZE];
	unsigned char key[EVP_MAX_MD_SIZE];
	unsigned char stored[EVP_MAX_MD_SIZE];
	unsigned char signature[EVP_MAX_MD_SIZE];
	size_t n = strlen(client->salt);
	int salt_len;

	ck_assert_uint_lt(n, sizeof(salt));
	salt_len = EVP_DecodeBlock(salt, (const unsigned char *)client->salt, (int)n);
	ck_assert_int_gt(salt_len, 0);
	while (n > 0 && client->salt[--n] == '=')
		salt_len--;
	ck_assert_int_eq(PKCS5_PBKDF2_HMAC(client->password, (int)strlen(client->password), salt,
					   salt_len, (int)client->iterations, md, (int)len, salted),
			 1);
	hmac(md, salted, "Client Key", key);
	ck_assert_int_eq(EVP_Digest(key, len, stored, NULL, md, NULL), 1);
	hmac(md, stored, auth_message, signature);
	for (size_t i = 0; i < len; i++)
		key[i] ^= signature[i];
	encode(key, len, proof_out, size);
	hmac(md, salted, "Server Key", key);
	hmac(md, key, auth_message, signature);
	memcpy(client->want, "v=", 2);
	encode(signature, len, client->want + 2, sizeof(client->want) - 2);
}

size_t support_scram_final(struct support_scram *client, const void *challenge, size_t len,
			   char *out, size_t size)
{
	char auth_message[3 * TEXT_MAX];
	char text[TEXT_MAX];
	char nonce[TEXT_MAX];
	char channel[TEXT_MAX];
	char proof[128];
	int n;

	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, challenge, len);
	text[len] = '\0';
	ck_assert_msg(sscanf(text, "r=%4000[^,],s=%255[^,],i=%lu%n", nonce, client->salt,
			     &client->iterations, &n) == 3 &&
			      (size_t)n == len,
		      "got challenge %s", text);
	ck_assert_msg(strncmp(nonce, client->nonce, strlen(client->nonce)) == 0 &&
			      strlen(nonce) > strlen(client->nonce),
		      "got nonce %s, want %s and more", nonce, client->nonce);
	put_channel(client, channel, sizeof(channel));
	n = snprintf(out, size, "c=%s,r=%s%s", channel, nonce,
		     client->more_final != NULL ? client->more_final : "");
	ck_assert_int_lt(n, (int)size);
	ck_assert_int_lt(
		snprintf(auth_message, sizeof(auth_message), "%s,%s,%s", client->bare, text, out),
		(int)sizeof(auth_message));
	sign(client, auth_message, proof, sizeof(proof));
	n += snprintf(out + n, size - (size_t)n, ",p=%s", proof);
	ck_assert_int_lt(n, (int)size);
	return (size_t)n;
}

static void md5(const void *bytes, size_t len, unsigned char digest_out[16])
{
	ck_assert_int_eq(EVP_Digest(bytes, len, digest_out, NULL, EVP_md5(), NULL), 1);
}

static void md5_hex(const void *bytes, size_t len, char out[33])
{
	unsigned char digest[16];

	md5(bytes, len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* RFC 2831 section 2.1.2.1 */
static void respond(const char *a1, size_t a1_len, const char *nonce, const char *a2, char out[33])
{
	char text[1024];
	char a1_hex[33];
	char a2_hex[33];
	int n;

	md5_hex(a1, a1_len, a1_hex);
	md5_hex(a2, strlen(a2), a2_hex);
	n = snprintf(text, sizeof(text), "%s:%s:00000001:cnonce:auth:%s", a1_hex, nonce, a2_hex);
	ck_assert_int_lt(n, (int)sizeof(text));
	md5_hex(text, (size_t)n, out);
}

size_t support_digest_md5(struct support_digest *client, const void *challenge, size_t len,
			  char *out, size_t size)
{
	char text[TEXT_MAX];
	char nonce[256];
	char realm[256];
	char a1[1024];
	char response[33];
	const char *start;
	int n;

	ck_assert_uint_lt(len, sizeof(text));
	memcpy(text, challenge, len);
	text[len] = '\0';
	start = strstr(text, "nonce=\"");
	ck_assert_msg(start != NULL && sscanf(start, "nonce=\"%255[^\"]", nonce) == 1,
		      "got challenge %s", text);
	start = strstr(text, "realm=\"");
	if (client->realm != NULL)
		n = snprintf(realm, sizeof(realm), "%s", client->realm);
	else
		n = start != NULL ? sscanf(start, "realm=\"%255[^\"]", realm) : 0;
	ck_assert_int_gt(n, 0);
	n = snprintf(text, sizeof(text), "%s:%s:%s", client->user, realm, client->password);
	ck_assert_int_lt(n, (int)sizeof(text));
	md5(text, (size_t)n, (unsigned char *)a1);
	n = snprintf(a1 + 16, sizeof(a1) - 16, ":%s:cnonce", nonce);
	ck_assert_int_lt(n, (int)sizeof(a1) - 16);
	respond(a1, 16 + (size_t)n, nonce, "AUTHENTICATE:imap/example.org", response);
	memcpy(client->want, "rspauth=", 8);
	respond(a1, 16 + (size_t)n, nonce, ":imap/example.org", client->want + 8);
	n = snprintf(out, size,
		     "charset=utf-8,username=\"%s\",realm=\"%s\",nonce=\"%s\",cnonce=\"cnonce\","
		     "nc=00000001,qop=auth,digest-uri=\"imap/example.org\",response=%s",
		     client->user, realm, nonce, response);
	ck_assert_int_lt(n, (int)size);
	return (size_t)n;
}

static enum mailauth_status say(struct support_client *client, const void *in, size_t len)
{
	return mailauth_session_step(client->session, in, len, &client->reply, &client->reply_len);
}

static void set_last(struct support_client *client, int n)
{
	ck_assert_int_lt(n, (int)sizeof(client->last));
	client->last_len = (size_t)n;
}

static enum mailauth_status begin_plain(struct support_client *client)
{
	set_last(client, snprintf(client->last, sizeof(client->last), "%c%s%c%s", 0, client->user,
				  0, client->password));
	return MAILAUTH_CONTINUE;
}

static enum mailauth_status begin_login(struct support_client *client)
{
	enum mailauth_status status = say(client, NULL, 0);

	if (status == MAILAUTH_CONTINUE)
		status = say(client, client->user, strlen(client->user));
	set_last(client, snprintf(client->last, sizeof(client->last), "%s", client->password));
	return status;
}

static enum mailauth_status begin_cram_md5(struct support_client *client)
{
	enum mailauth_status status = say(client, NULL, 0);
	unsigned char digest[EVP_MAX_MD_SIZE];
	int n;

	if (status != MAILAUTH_CONTINUE)
		return status;
	ck_assert_ptr_nonnull(HMAC(EVP_md5(), client->password, (int)strlen(client->password),
				   client->reply, client->reply_len, digest, NULL));
	n = snprintf(client->last, sizeof(client->last), "%s ", client->user);
	for (size_t i = 0; i < 16; i++)
		n += snprintf(client->last + n, sizeof(client->last) - (size_t)n, "%02x",
			      digest[i]);
	set_last(client, n);
	return MAILAUTH_CONTINUE;
}

static enum mailauth_status begin_apop(struct support_client *client)
{
	enum mailauth_status status = say(client, NULL, 0);
	char text[1024];
	char hex[33];
	int n;

	if (status != MAILAUTH_CONTINUE)
		return status;
	n = snprintf(text, sizeof(text), "%.*s%s", (int)client->reply_len,
		     (const char *)client->reply, client->password);
	ck_assert_int_lt(n, (int)sizeof(text));
	md5_hex(text, (size_t)n, hex);
	set_last(client, snprintf(client->last, sizeof(client->last), "%s %s", client->user, hex));
	return MAILAUTH_CONTINUE;
}

static enum mailauth_status begin_digest_md5(struct support_client *client)
{
	struct support_digest digest = {.user = client->user, .password = client->password};
	enum mailauth_status status = say(client, NULL, 0);

	if (status != MAILAUTH_CONTINUE)
		return status;
	client->last_len = support_digest_md5(&digest, client->reply, client->reply_len,
					      client->last, sizeof(client->last));
	(void)snprintf(client->want, sizeof(client->want), "%s", digest.want);
	return MAILAUTH_CONTINUE;
}

static enum mailauth_status begin_scram(struct support_client *client)
{
	struct support_scram scram = {.mech = client->mech,
				      .gs2 = "n,,",
				      .user = client->user,
				      .password = client->password,
				      .nonce = "fyko+d2lbbFgONRv9qkxdawL"};
	char gs2[64];
	char first[1024];
	size_t len;
	enum mailauth_status status;

	if (strstr(client->mech, "-PLUS") != NULL) {
		const struct mailauth_binding *binding = client->request->bindings;

		(void)snprintf(gs2, sizeof(gs2), "p=%s,,", binding->type);
		scram.gs2 = gs2;
		scram.binding = binding->p;
		scram.binding_len = binding->len;
	}
	len = support_scram_first(&scram, first, sizeof(first));
	status = say(client, first, len);
	if (status != MAILAUTH_CONTINUE)
		return status;
	client->last_len = support_scram_final(&scram, client->reply, client->reply_len,
					       client->last, sizeof(client->last));
	(void)snprintf(client->want, sizeof(client->want), "%s", scram.want);
	return MAILAUTH_CONTINUE;
}

enum mailauth_status support_client_begin(struct mailauth *ctx, struct support_client *client)
{
	static const struct {
		const char *prefix;
		enum mailauth_status (*begin)(struct support_client *client);
	} rows[] = {
		{"PLAIN", begin_plain},	      {"LOGIN", begin_login},
		{"CRAM-MD5", begin_cram_md5}, {"DIGEST-MD5", begin_digest_md5},
		{"APOP", begin_apop},	      {"SCRAM-", begin_scram},
	};

	enum mailauth_status status =
		mailauth_session_new(ctx, client->mech, client->request, &client->session);

	client->want[0] = '\0';
	if (status != MAILAUTH_OK)
		return status;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strncmp(client->mech, rows[i].prefix, strlen(rows[i].prefix)) == 0)
			return rows[i].begin(client);
	ck_abort_msg("no client for %s: write one in support_client.c", client->mech);
}

enum mailauth_status support_client_finish(struct support_client *client)
{
	enum mailauth_status status = say(client, client->last, client->last_len);

	if (status != MAILAUTH_OK && status != MAILAUTH_CONTINUE)
		return status;
	ck_assert_msg(client->reply_len == strlen(client->want) &&
			      (client->reply_len == 0 ||
			       memcmp(client->reply, client->want, client->reply_len) == 0),
		      "%s: got %.*s, want %s", client->mech, (int)client->reply_len,
		      client->reply_len > 0 ? (const char *)client->reply : "", client->want);
	if (status == MAILAUTH_OK)
		return status;
	ck_assert_msg(client->want[0] != '\0', "%s: goes on with nothing to say", client->mech);
	ck_assert_ptr_null(mailauth_session_user(client->session));
	return say(client, NULL, 0);
}

enum mailauth_status support_login(struct mailauth *ctx, const char *mech,
				   const struct mailauth_request *request, const char *user,
				   const char *password)
{
	struct support_client client = {
		.mech = mech, .request = request, .user = user, .password = password};
	enum mailauth_status status = support_client_begin(ctx, &client);

	if (status == MAILAUTH_CONTINUE)
		status = support_client_finish(&client);
	ck_assert_msg((mailauth_session_user(client.session) != NULL) == (status == MAILAUTH_OK),
		      "%s: a name without success, or none with it", mech);
	mailauth_session_free(&client.session);
	return status;
}
