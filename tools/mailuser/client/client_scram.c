/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client_scram.c - the client's side of SCRAM-SHA-1, SCRAM-SHA-256 and SCRAM-SHA-512
 *
 * RFC 5802 section 5, RFC 7677:
 *
 *   C: n,,n=name,r=cnonce
 *   S: r=cnonce snonce,s=salt,i=iterations
 *   C: c=biws,r=cnonce snonce,p=proof
 *   S: v=signature
 *   C:
 *
 * The password goes through SASLprep; what that does not allow is taken as it is, as mail programs
 * that know no SASLprep do. The name does not: it is sent as the account is called. There is no TLS
 * here to bind to, so the client says "n", and -PLUS is not among its mechanisms.
 */
#include <stdlib.h>
#include <string.h>
#include <stringprep.h>

#include "client.h"

#define NONCE_LEN      18 /* bytes; in base64 without padding */
#define ITERATIONS_MAX 10000000
#define HEADER	       "n,,"
#define HEADER_BASE64  "biws"
/* Normalisation can make one character many: this much room always suffices for a password. */
#define PREPARED_MAX   (18 * MAILAUTH_PASSWORD_MAX)

struct state {
	bool is_named;
	bool is_proven;
	struct client_answer nonce;
	struct client_answer first; /* client-first-message-bare, then AuthMessage */
	size_t hash_len;
	unsigned char salted[MA_CLIENT_HASH_MAX];
	unsigned char signature[MA_CLIENT_HASH_MAX]; /* ServerSignature, as it has to be */
};

/* What the server sends before the proof. */
struct server_first {
	struct client_bytes nonce;
	size_t salt_len;
	unsigned char salt[MA_CLIENT_BASE64_MAX];
	unsigned int iterations;
};

/* ---- texts ---- */

static void put_base64(struct client_answer *out, const void *p, size_t len)
{
	char text[MA_CLIENT_BASE64_MAX];

	if (!ma_client_base64((struct client_bytes){p, len}, text))
		out->is_full = true;
	ma_answer_put_text(out, text);
	explicit_bzero(text, sizeof(text));
}

/* RFC 5802 section 5.1: ',' and '=' of a name */
static void put_name(struct client_answer *out, const char *name)
{
	for (const char *c = name; *c != '\0'; c++) {
		if (*c == ',')
			ma_answer_put_text(out, "=2C");
		else if (*c == '=')
			ma_answer_put_text(out, "=3D");
		else
			ma_answer_put(out, c, 1);
	}
}

/* RFC 5802 section 7: attr-val, one letter, '=', a value without ','; moves @in behind it */
static bool take_attribute(struct client_bytes *in, char letter, struct client_bytes *value_out)
{
	const char *p = in->p;
	const char *comma;

	if (in->len < 3 || p[0] != letter || p[1] != '=')
		return false;
	comma = memchr(p, ',', in->len);
	value_out->p = p + 2;
	value_out->len = (comma == NULL ? in->len : (size_t)(comma - p)) - 2;
	in->len -= value_out->len + 2 + (comma == NULL ? 0 : 1);
	in->p = comma == NULL ? p + value_out->len + 2 : comma + 1;
	return value_out->len > 0;
}

static bool parse_iterations(struct client_bytes text, unsigned int *out)
{
	char digits[16];
	char *end;
	unsigned long number;

	if (text.len >= sizeof(digits))
		return false;
	memcpy(digits, text.p, text.len);
	digits[text.len] = '\0';
	if (digits[0] < '1' || digits[0] > '9')
		return false;
	number = strtoul(digits, &end, 10);
	*out = (unsigned int)number;
	return *end == '\0' && number <= ITERATIONS_MAX;
}

static bool parse_server_first(struct client_bytes in, const struct client_answer *own_nonce,
			       struct server_first *out)
{
	struct client_bytes salt;
	struct client_bytes iterations;

	if (!take_attribute(&in, 'r', &out->nonce) || !take_attribute(&in, 's', &salt) ||
	    !take_attribute(&in, 'i', &iterations))
		return false;
	/* RFC 5802 section 5.1, r: ours, and something behind it */
	return out->nonce.len > own_nonce->len &&
	       memcmp(out->nonce.p, own_nonce->bytes, own_nonce->len) == 0 &&
	       ma_client_unbase64(salt, out->salt, &out->salt_len) && out->salt_len > 0 &&
	       parse_iterations(iterations, &out->iterations);
}

/* ---- keys ---- */

static bool is_printable_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < 0x20 || *text > 0x7e)
			return false;
	return true;
}

/* RFC 4013; NUL-terminated, as libidn has it. Printable ASCII is its own prepared form; libidn
 * would leave copies of it in memory that it frees. */
static bool prepare(struct client_bytes password, char out[PREPARED_MAX])
{
	memcpy(out, password.p, password.len);
	out[password.len] = '\0';
	if (is_printable_ascii(out))
		return true;
	switch (stringprep(out, PREPARED_MAX, (Stringprep_profile_flags)0, stringprep_saslprep)) {
	case STRINGPREP_MALLOC_ERROR:
		return false;
	case STRINGPREP_OK:
		if (out[0] != '\0')
			return true;
		break;
	default:
		break;
	}
	memcpy(out, password.p, password.len);
	out[password.len] = '\0';
	return true;
}

static bool make_salted(struct client_login *login, const struct server_first *from)
{
	struct state *state = login->state;
	char *prepared = calloc(1, PREPARED_MAX);
	bool is_made = prepared != NULL && prepare(login->password, prepared);

	if (!is_made)
		login->why = "out of memory";
	else
		is_made = ma_client_pbkdf2(login->crypto, login->client->hash,
					   (struct client_bytes){prepared, strlen(prepared)},
					   (struct client_bytes){from->salt, from->salt_len},
					   from->iterations, state->hash_len, state->salted);
	if (prepared != NULL)
		explicit_bzero(prepared, PREPARED_MAX);
	free(prepared);
	return is_made;
}

static bool hmac(const struct client_login *login, const unsigned char *key,
		 struct client_bytes message, unsigned char *mac_out)
{
	const struct state *state = login->state;

	return ma_client_hmac(login->crypto, login->client->hash,
			      (struct client_bytes){key, state->hash_len}, message,
			      mac_out) == state->hash_len;
}

/* RFC 5802 section 3. @proof_out holds the client's key on the way. */
static bool prove(const struct client_login *login, struct client_bytes auth_message,
		  unsigned char proof_out[MA_CLIENT_HASH_MAX])
{
	struct state *state = login->state;
	const struct client_bytes client_key = {proof_out, state->hash_len};
	unsigned char key[MA_CLIENT_HASH_MAX];
	unsigned char mac[MA_CLIENT_HASH_MAX];
	bool is_made =
		hmac(login, state->salted, (struct client_bytes){"Client Key", 10}, proof_out) &&
		ma_client_hash(login->crypto, login->client->hash, &client_key, 1, key) > 0 &&
		hmac(login, key, auth_message, mac);

	for (size_t i = 0; is_made && i < state->hash_len; i++)
		proof_out[i] ^= mac[i];
	is_made = is_made &&
		  hmac(login, state->salted, (struct client_bytes){"Server Key", 10}, key) &&
		  hmac(login, key, auth_message, state->signature);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(mac, sizeof(mac));
	return is_made;
}

/* ---- the dialogue ---- */

static bool say_name(struct client_login *login, struct client_answer *out)
{
	struct state *state = login->state;
	unsigned char random[NONCE_LEN];

	if (!ma_client_random(login->crypto, random, sizeof(random)))
		return false;
	put_base64(&state->nonce, random, sizeof(random));
	ma_answer_put_text(&state->first, "n=");
	put_name(&state->first, login->name);
	ma_answer_put_text(&state->first, ",r=");
	ma_answer_put(&state->first, state->nonce.bytes, state->nonce.len);
	ma_answer_put_text(out, HEADER);
	ma_answer_put(out, state->first.bytes, state->first.len);
	state->is_named = true;
	return true;
}

static bool say_proof(struct client_login *login, struct client_bytes in, struct client_answer *out)
{
	struct state *state = login->state;
	struct client_answer *auth = &state->first;
	unsigned char proof[MA_CLIENT_HASH_MAX];
	struct server_first from;
	bool is_made;

	if (!parse_server_first(in, &state->nonce, &from))
		return ma_client_give_up(login, "the server's first message is malformed");
	ma_answer_put_text(out, "c=" HEADER_BASE64 ",r=");
	ma_answer_put(out, from.nonce.p, from.nonce.len);
	/* RFC 5802 section 3: AuthMessage */
	ma_answer_put_text(auth, ",");
	ma_answer_put(auth, in.p, in.len);
	ma_answer_put_text(auth, ",");
	ma_answer_put(auth, out->bytes, out->len);
	if (auth->is_full)
		return ma_client_give_up(login, "the server's first message is too long");
	state->hash_len = ma_client_hash(login->crypto, login->client->hash, &in, 1, proof);
	is_made = state->hash_len > 0 && make_salted(login, &from) &&
		  prove(login, (struct client_bytes){auth->bytes, auth->len}, proof);
	ma_answer_put_text(out, ",p=");
	put_base64(out, proof, is_made ? state->hash_len : 0);
	explicit_bzero(proof, sizeof(proof));
	state->is_proven = true;
	login->iterations = from.iterations;
	return is_made;
}

static bool answer(struct client_login *login, struct client_bytes in,
		   struct client_answer *answer_out)
{
	const struct state *state = login->state;
	struct client_answer want = {.len = 0};

	if (!state->is_named)
		return say_name(login, answer_out);
	if (!state->is_proven)
		return say_proof(login, in, answer_out);
	/* RFC 5802 section 5.1, v: the server knows the account, too */
	ma_answer_put_text(&want, "v=");
	put_base64(&want, state->signature, state->hash_len);
	if (!ma_client_equal(in, (struct client_bytes){want.bytes, want.len}))
		return ma_client_give_up(login, "the server did not prove that it knows the "
						"password: its signature is wrong");
	login->is_mutual = true;
	return true;
}

const struct client ma_clients_scram[] = {
	{.mech = "SCRAM-SHA-1",
	 .hash = "SHA1",
	 .speaks_first = true,
	 .is_mutual = true,
	 .state_size = sizeof(struct state),
	 .answer = answer},
	{.mech = "SCRAM-SHA-256",
	 .hash = "SHA256",
	 .speaks_first = true,
	 .is_mutual = true,
	 .state_size = sizeof(struct state),
	 .answer = answer},
	{.mech = "SCRAM-SHA-512",
	 .hash = "SHA512",
	 .speaks_first = true,
	 .is_mutual = true,
	 .state_size = sizeof(struct state),
	 .answer = answer},
	{.mech = NULL},
};
