/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client_digest_md5.c - the client's side of DIGEST-MD5
 *
 * RFC 2831 section 2.1, quality of protection "auth":
 *
 *   S: realm="...",nonce="...",qop="auth",charset=utf-8,algorithm=md5-sess
 *   C:
 * charset=utf-8,username="...",realm="...",nonce="...",cnonce="...",nc=00000001,...,response=... S:
 * rspauth=... C:
 *
 * Name, realm and password are hashed in Latin-1, each that fits (RFC 2831 section 2.1.2.1). Not
 * every mail program does so, and the server takes both.
 */
#include <stdio.h>
#include <string.h>

#include "client.h"

#define VALUE_MAX  256 /* bytes of a realm or nonce, with the NUL */
#define CNONCE_LEN 16  /* bytes, twice as many digits */
#define HEX_LEN	   (2 * MA_CLIENT_MD5_LEN)
#define URI_TYPE   "mailuser/" /* in the place of "smtp/" */

/* What both sides hash; without the password. */
struct state {
	bool is_answered;
	char realm[VALUE_MAX];
	char nonce[VALUE_MAX];
	char uri[sizeof(URI_TYPE) + VALUE_MAX];
	struct client_answer cnonce;
	struct client_answer a1_hex; /* of A1: the session's key */
};

/* ---- the challenge ---- */

/* RFC 2831 section 7.1: the value behind NAME=, quoted or not, in a list divided by commas. */
static bool take_value(const char **in, const char *end, char *out, size_t size)
{
	bool is_quoted = *in < end && **in == '"';
	size_t len = 0;

	for (*in += is_quoted ? 1 : 0; *in < end; (*in)++) {
		if (**in == (is_quoted ? '"' : ','))
			break;
		if (is_quoted && **in == '\\')
			(*in)++;
		if (*in == end || **in == '\0' || len == size - 1)
			return false;
		out[len++] = **in;
	}
	out[len] = '\0';
	if (!is_quoted)
		return true;
	if (*in == end)
		return false;
	(*in)++;
	return true;
}

static bool find_value(struct client_bytes challenge, const char *name, char *out, size_t size)
{
	const char *in = challenge.p;
	const char *end = in + challenge.len;
	size_t name_len = strlen(name);

	while (in < end) {
		const char *equals = memchr(in, '=', (size_t)(end - in));
		bool is_it;

		if (equals == NULL)
			return false;
		is_it = (size_t)(equals - in) == name_len && memcmp(in, name, name_len) == 0;
		in = equals + 1;
		if (!take_value(&in, end, out, size))
			return false;
		if (is_it)
			return true;
		while (in < end && (*in == ',' || *in == ' '))
			in++;
	}
	return false;
}

/* ---- what is hashed ---- */

/* RFC 2831 section 2.1.2.1: in Latin-1 if all of it is in there, else as it is, in UTF-8. */
static void put_latin1(struct client_answer *out, struct client_bytes text)
{
	const unsigned char *in = text.p;
	size_t start = out->len;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = in[i];

		if (c >= 0x80) {
			/* Latin-1's upper half is C2 80 to C3 BF. */
			if ((c != 0xc2 && c != 0xc3) || i + 1 == text.len) {
				out->len = start;
				ma_answer_put(out, text.p, text.len);
				return;
			}
			c = (unsigned char)((c & 0x03) << 6 | (in[++i] & 0x3f));
		}
		ma_answer_put(out, &c, 1);
	}
}

static struct client_bytes text_bytes(const char *text)
{
	return (struct client_bytes){text, strlen(text)};
}

static struct client_bytes bytes_of(const struct client_answer *answer)
{
	return (struct client_bytes){answer->bytes, answer->len};
}

static bool put_md5_hex(const struct client_crypto *crypto, const struct client_bytes *parts,
			size_t n_parts, struct client_answer *out)
{
	unsigned char digest[MA_CLIENT_HASH_MAX];
	size_t len = ma_client_hash(crypto, "MD5", parts, n_parts, digest);

	ma_answer_put_hex(out, digest, len);
	explicit_bzero(digest, sizeof(digest));
	return len > 0;
}

/* RFC 2831 section 2.1.2.1: MD5(name:realm:password) */
static size_t hash_secret(const struct client_login *login, unsigned char *digest_out)
{
	const struct state *state = login->state;
	struct client_answer text = {.len = 0};
	struct client_bytes whole;
	size_t len;

	put_latin1(&text, text_bytes(login->name));
	ma_answer_put_text(&text, ":");
	put_latin1(&text, text_bytes(state->realm));
	ma_answer_put_text(&text, ":");
	put_latin1(&text, login->password);
	whole = bytes_of(&text);
	len = ma_client_hash(login->crypto, "MD5", &whole, 1, digest_out);
	explicit_bzero(&text, sizeof(text));
	return len;
}

/* RFC 2831 section 2.1.2.1: A1 is that hash, as bytes, with both nonces */
static bool make_a1(struct client_login *login)
{
	struct state *state = login->state;
	unsigned char digest[MA_CLIENT_HASH_MAX];
	const struct client_bytes parts[] = {{digest, hash_secret(login, digest)},
					     text_bytes(":"),
					     text_bytes(state->nonce),
					     text_bytes(":"),
					     bytes_of(&state->cnonce)};
	bool is_made = parts[0].len > 0 && put_md5_hex(login->crypto, parts, 5, &state->a1_hex);

	explicit_bzero(digest, sizeof(digest));
	return is_made;
}

/* RFC 2831 section 2.1.2.1; @method is empty for the server's rspauth (section 2.1.3). */
static bool put_response(const struct client_login *login, const char *method,
			 struct client_answer *out)
{
	const struct state *state = login->state;
	const struct client_bytes colon = text_bytes(":");
	const struct client_bytes a2[] = {text_bytes(method), colon, text_bytes(state->uri)};
	struct client_answer a2_hex = {.len = 0};
	bool is_made = put_md5_hex(login->crypto, a2, 3, &a2_hex);
	const struct client_bytes all[] = {bytes_of(&state->a1_hex), colon,
					   text_bytes(state->nonce), text_bytes(":00000001:"),
					   bytes_of(&state->cnonce), text_bytes(":auth:"),
					   bytes_of(&a2_hex)};

	return is_made && put_md5_hex(login->crypto, all, 7, out);
}

/* ---- the dialogue ---- */

/* RFC 2831 section 7.2: quoted-string */
static void put_quoted(struct client_answer *out, const char *name, const char *value)
{
	ma_answer_put_text(out, name);
	ma_answer_put_text(out, "=\"");
	for (const char *c = value; *c != '\0'; c++) {
		if (*c == '"' || *c == '\\')
			ma_answer_put_text(out, "\\");
		ma_answer_put(out, c, 1);
	}
	ma_answer_put_text(out, "\",");
}

static bool respond(struct client_login *login, struct client_bytes challenge,
		    struct client_answer *out)
{
	struct state *state = login->state;
	unsigned char random[CNONCE_LEN];
	char qop[VALUE_MAX];

	if (!find_value(challenge, "realm", state->realm, sizeof(state->realm)) ||
	    !find_value(challenge, "nonce", state->nonce, sizeof(state->nonce)) ||
	    !find_value(challenge, "qop", qop, sizeof(qop)) || strcmp(qop, "auth") != 0)
		return ma_client_give_up(login, "the server's challenge is malformed");
	if (login->realm != NULL && strlen(login->realm) >= sizeof(state->realm))
		return ma_client_give_up(login, "the realm is too long");
	if (login->realm != NULL)
		(void)snprintf(state->realm, sizeof(state->realm), "%s", login->realm);
	if (!ma_client_random(login->crypto, random, sizeof(random)))
		return false;
	ma_answer_put_hex(&state->cnonce, random, sizeof(random));
	(void)snprintf(state->uri, sizeof(state->uri), URI_TYPE "%s", state->realm);
	if (!make_a1(login))
		return false;
	ma_answer_put_text(out, "charset=utf-8,");
	put_quoted(out, "username", login->name);
	put_quoted(out, "realm", state->realm);
	put_quoted(out, "nonce", state->nonce);
	put_quoted(out, "digest-uri", state->uri);
	ma_answer_put_text(out, "cnonce=\"");
	ma_answer_put(out, state->cnonce.bytes, state->cnonce.len);
	ma_answer_put_text(out, "\",nc=00000001,qop=auth,response=");
	state->is_answered = true;
	return put_response(login, "AUTHENTICATE", out);
}

static bool answer(struct client_login *login, struct client_bytes in,
		   struct client_answer *answer_out)
{
	const struct state *state = login->state;
	struct client_answer want = {.len = 0};
	char rspauth[HEX_LEN + 1] = "";

	if (!state->is_answered)
		return respond(login, in, answer_out);
	/* RFC 2831 section 2.1.3: the server knows the account, too */
	if (!put_response(login, "", &want))
		return false;
	if (!find_value(in, "rspauth", rspauth, sizeof(rspauth)) ||
	    !ma_client_equal(bytes_of(&want), text_bytes(rspauth)))
		return ma_client_give_up(login, "the server did not prove that it knows the "
						"password: its rspauth is wrong");
	login->is_mutual = true;
	return true;
}

const struct client ma_clients_digest_md5[] = {
	{.mech = "DIGEST-MD5",
	 .is_mutual = true,
	 .state_size = sizeof(struct state),
	 .answer = answer},
	{.mech = NULL},
};
