/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capi_client.c - what a client says, for every mechanism and for the right and the wrong password
 *
 * None of this is timed. PBKDF2 is done once: every account has the same salt.
 */
#include "capi.h"
#include "util/codec.h"

#define CLIENT_NONCE "fyko+d2lbbFgONRv9qkxdawL"

const char *const mechanism_names[N_MECHANISMS] = {
	[PLAIN] = "PLAIN",
	[LOGIN] = "LOGIN",
	[CRAM_MD5] = "CRAM-MD5",
	[DIGEST_MD5] = "DIGEST-MD5",
	[APOP] = "APOP",
	[SCRAM_1] = "SCRAM-SHA-1",
	[SCRAM_256] = "SCRAM-SHA-256",
	[SCRAM_512] = "SCRAM-SHA-512",
};
const char *const bench_passwords[2] = {"correct horse battery staple",
					"correct horse battery stable"};
const char bench_challenge[] = "<1896.697170952@mail.example.org>";

/* Of the right password and of the wrong one. */
static uint8_t cram_states[2][MA_HMAC_MD5_STATE];
static uint8_t client_keys[2][N_MECHANISMS][MA_HASH_MAX];
static char salt_and_iterations[N_MECHANISMS][256]; /* "s=...,i=..." */

static const char *password_of(const struct attempt *attempt)
{
	return bench_passwords[attempt->is_wrong ? 1 : 0];
}

static enum ma_hash hash_of(enum mechanism mechanism)
{
	if (mechanism == SCRAM_1)
		return MA_HASH_SHA1;
	return mechanism == SCRAM_256 ? MA_HASH_SHA256 : MA_HASH_SHA512;
}

static void put_hex(const uint8_t *bytes, size_t len, char *out)
{
	struct ma_buf buf = ma_buf_fixed(out, 2 * len + 1);

	ma_hex_encode(ma_span(bytes, len), &buf);
	(void)ma_buf_text(&buf);
}

/* ---- SCRAM ---- */

static void scram_first(struct attempt *attempt)
{
	int n = snprintf(attempt->first, sizeof(attempt->first), "n=%s,r=" CLIENT_NONCE,
			 attempt->user);

	need(n < (int)sizeof(attempt->first), "a first message");
	attempt->message_len = (size_t)snprintf(attempt->message, sizeof(attempt->message), "n,,%s",
						attempt->first);
}

/* RFC 5802 section 3 */
static void scram_prove(struct attempt *attempt)
{
	enum ma_hash hash = hash_of(attempt->mechanism);
	size_t len = ma_hash_len(hash);
	const uint8_t *key = client_keys[attempt->is_wrong ? 1 : 0][attempt->mechanism];
	const struct ma_span text = ma_span(attempt->text, attempt->text_len);
	uint8_t stored[MA_HASH_MAX];

	ma_hash(hash, ma_span(key, len), stored);
	ma_hmac(hash, ma_span(stored, len), &text, 1, attempt->proof);
	for (size_t i = 0; i < len; i++)
		attempt->proof[i] ^= key[i];
}

/* From the server's first message: r=nonce,s=salt,i=iterations */
static void scram_final(struct attempt *attempt, const char *server_first, int len)
{
	const char *comma = memchr(server_first, ',', (size_t)len);
	int nonce_len = comma != NULL ? (int)(comma - server_first) : 0;
	int final_len = snprintf(attempt->message, sizeof(attempt->message), "c=biws,%.*s",
				 nonce_len, server_first);
	struct ma_buf out;

	attempt->text_len = (size_t)snprintf(attempt->text, sizeof(attempt->text), "%s,%.*s,%s",
					     attempt->first, len, server_first, attempt->message);
	need(attempt->text_len < sizeof(attempt->text), "an auth message");
	scram_prove(attempt);
	out = ma_buf_fixed(attempt->message, sizeof(attempt->message));
	out.len = (size_t)final_len;
	ma_buf_put_text(&out, ",p=");
	ma_base64_encode(ma_span(attempt->proof, ma_hash_len(hash_of(attempt->mechanism))), &out);
	attempt->message_len = out.len;
}

/* Asks the server for the salt, as a client does. */
static void scram_start(struct mailauth *ctx, enum mechanism mechanism)
{
	const struct ma_span text = ma_span_text("Client Key");
	struct attempt attempt = {.mechanism = mechanism};
	enum ma_hash hash = hash_of(mechanism);
	uint8_t salt[64];
	struct ma_buf out = ma_buf_fixed(salt, sizeof(salt));
	char salt_text[128];
	char *settings = salt_and_iterations[mechanism];
	unsigned int iterations;
	const char *found;

	attempt.user_len = store_name(0, attempt.user);
	scram_first(&attempt);
	need(mailauth_session_new(ctx, mechanism_names[mechanism], NULL, &attempt.session) ==
			     MAILAUTH_OK &&
		     mailauth_session_step(attempt.session, attempt.message, attempt.message_len,
					   &attempt.reply, &attempt.reply_len) == MAILAUTH_CONTINUE,
	     "asking for a salt");
	found = memmem(attempt.reply, attempt.reply_len, "s=", 2);
	need(found != NULL, "finding the salt");
	(void)snprintf(settings, sizeof(salt_and_iterations[0]), "%.*s",
		       (int)(attempt.reply_len - (size_t)(found - (const char *)attempt.reply)),
		       found);
	mailauth_session_free(&attempt.session);
	need(sscanf(settings, "s=%127[^,],i=%u", salt_text, &iterations) == 2 &&
		     ma_base64_decode(ma_span_text(salt_text), &out),
	     "reading the salt");
	for (size_t i = 0; i < 2; i++) {
		uint8_t salted[MA_HASH_MAX];

		ma_pbkdf2(hash, ma_span_text(bench_passwords[i]), ma_buf_span(&out), iterations,
			  salted);
		ma_hmac(hash, ma_span(salted, ma_hash_len(hash)), &text, 1,
			client_keys[i][mechanism]);
	}
}

void client_start(struct mailauth *ctx)
{
	for (size_t i = 0; i < 2; i++)
		ma_hmac_md5_derive(ma_span_text(bench_passwords[i]), cram_states[i]);
	scram_start(ctx, SCRAM_1);
	scram_start(ctx, SCRAM_256);
	scram_start(ctx, SCRAM_512);
}

/* ---- the others ---- */

static void hash_text(const char *text, size_t len, uint8_t digest_out[MA_MD5_LEN])
{
	const struct ma_span span = ma_span(text, len);

	ma_md5(&span, 1, digest_out);
}

static void put_digest(struct attempt *attempt)
{
	char hex[2 * MA_MD5_LEN + 1];

	put_hex(attempt->proof, MA_MD5_LEN, hex);
	attempt->message_len = (size_t)snprintf(attempt->message, sizeof(attempt->message), "%s %s",
						attempt->user, hex);
}

static void cram_md5_respond(struct attempt *attempt, struct ma_span challenge)
{
	ma_hmac_md5_digest(cram_states[attempt->is_wrong ? 1 : 0], challenge, attempt->proof);
	put_digest(attempt);
}

static void apop_respond(struct attempt *attempt, struct ma_span timestamp)
{
	const struct ma_span parts[] = {timestamp, ma_span_text(password_of(attempt))};

	ma_md5(parts, MA_ARRAY_SIZE(parts), attempt->proof);
	put_digest(attempt);
}

/* RFC 2831 section 2.1.2.1 */
static void digest_md5_respond(struct attempt *attempt, const char *nonce, int nonce_len)
{
	char text[512];
	char hex[3][2 * MA_MD5_LEN + 1];
	uint8_t digest[MA_MD5_LEN];
	int n = snprintf(text, sizeof(text), "%s:" REALM ":%s", attempt->user,
			 password_of(attempt));

	hash_text(text, (size_t)n, (uint8_t *)text);
	n = snprintf(text + MA_MD5_LEN, sizeof(text) - MA_MD5_LEN, ":%.*s:" DIGEST_CNONCE,
		     nonce_len, nonce);
	hash_text(text, MA_MD5_LEN + (size_t)n, digest);
	put_hex(digest, sizeof(digest), hex[0]);
	hash_text("AUTHENTICATE:" DIGEST_URI, strlen("AUTHENTICATE:" DIGEST_URI), digest);
	put_hex(digest, sizeof(digest), hex[1]);
	n = snprintf(text, sizeof(text), "%s:%.*s:00000001:" DIGEST_CNONCE ":auth:%s", hex[0],
		     nonce_len, nonce, hex[1]);
	hash_text(text, (size_t)n, attempt->proof);
	put_hex(attempt->proof, MA_MD5_LEN, hex[2]);
	n = snprintf(attempt->message, sizeof(attempt->message),
		     "charset=utf-8,username=\"%s\",realm=\"" REALM
		     "\",nonce=\"%.*s\",cnonce=\"" DIGEST_CNONCE
		     "\",nc=00000001,qop=auth,digest-uri=\"" DIGEST_URI "\",response=%s",
		     attempt->user, nonce_len, nonce, hex[2]);
	need(n < (int)sizeof(attempt->message), "a response");
	attempt->message_len = (size_t)n;
}

/* The server's nonce="..." */
static void digest_md5_answer(struct attempt *attempt)
{
	const char *end = (const char *)attempt->reply + attempt->reply_len;
	const char *nonce = memmem(attempt->reply, attempt->reply_len, "nonce=\"", 7);
	const char *quote;

	need(nonce != NULL, "finding the nonce");
	nonce += 7;
	quote = memchr(nonce, '"', (size_t)(end - nonce));
	need(quote != NULL, "finding the end of the nonce");
	digest_md5_respond(attempt, nonce, (int)(quote - nonce));
}

static void send_text(struct attempt *attempt, const char *text)
{
	attempt->message_len = strlen(text);
	memcpy(attempt->message, text, attempt->message_len);
}

static void plain_send(struct attempt *attempt)
{
	attempt->message_len =
		(size_t)snprintf(attempt->message, sizeof(attempt->message), "%c%s%c%s", '\0',
				 attempt->user, '\0', password_of(attempt));
}

static void answer(struct attempt *attempt)
{
	const struct ma_span reply = ma_span(attempt->reply, attempt->reply_len);

	switch (attempt->mechanism) {
	case PLAIN:
		return;
	case LOGIN:
		send_text(attempt, attempt->stage == 1 ? attempt->user : password_of(attempt));
		return;
	case CRAM_MD5:
		cram_md5_respond(attempt, reply);
		return;
	case APOP:
		apop_respond(attempt, reply);
		return;
	case DIGEST_MD5:
		if (attempt->stage == 1)
			digest_md5_answer(attempt);
		return;
	default:
		if (attempt->stage == 1)
			scram_final(attempt, attempt->reply, (int)attempt->reply_len);
		return;
	}
}

bool client_next(struct attempt *attempt)
{
	if (attempt->stage > 0 && attempt->status != MAILAUTH_CONTINUE)
		return false;
	attempt->message_len = 0; /* an empty one asks for a challenge, and confirms the last */
	if (attempt->stage > 0)
		answer(attempt);
	else if (attempt->mechanism == PLAIN)
		plain_send(attempt);
	else if (attempt->mechanism >= SCRAM_1)
		scram_first(attempt);
	attempt->stage++;
	return true;
}

void client_prove(struct attempt *attempt)
{
	const struct ma_span challenge = ma_span_text(bench_challenge);
	char server_first[512];
	int n;

	attempt->text_len = (size_t)snprintf(attempt->text, sizeof(attempt->text), "%s",
					     attempt->mechanism <= LOGIN ? password_of(attempt)
									 : bench_challenge);
	switch (attempt->mechanism) {
	case PLAIN:
	case LOGIN:
		return;
	case CRAM_MD5:
		cram_md5_respond(attempt, challenge);
		return;
	case APOP:
		apop_respond(attempt, challenge);
		return;
	case DIGEST_MD5:
		digest_md5_respond(attempt, DIGEST_NONCE, (int)strlen(DIGEST_NONCE));
		return;
	default:
		scram_first(attempt);
		n = snprintf(server_first, sizeof(server_first),
			     "r=" CLIENT_NONCE "3rfcNHYJY1ZVvWVs7j,%s",
			     salt_and_iterations[attempt->mechanism]);
		scram_final(attempt, server_first, n);
		return;
	}
}
