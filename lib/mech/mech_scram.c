/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mech_scram.c - SCRAM-SHA-1, SCRAM-SHA-256, SCRAM-SHA-512, and each with -PLUS
 *
 * RFC 5802 section 5, RFC 7677:
 *
 *   C: gs2-header n=user,r=cnonce            (gs2-header: "n,,", "y,,", "p=type,,")
 *   S: r=cnonce snonce,s=salt,i=iterations
 *   C: c=base64(gs2-header binding),r=cnonce snonce,p=proof
 *   S: v=signature                           (data that go with success)
 *
 * The secret is what RFC 5802 section 3 has the server store, not the password:
 *
 *   iterations (4 bytes, big-endian), length of the salt (1 byte), salt, StoredKey, ServerKey
 *
 * Whoever has StoredKey alone cannot log in; guessing a password costs the iterations each time,
 * but a login costs us three HMACs. -PLUS binds the login to the TLS connection with data from the
 * caller. The two keys are held in the session's state between the messages, so that a password
 * changed meanwhile does not mix the old salt with new keys.
 */
#include "mech/mech.h"

#include "util/codec.h"
#include "util/mem.h"
#include "util/prep.h"

#define SALT_LEN	 16
#define NONCE_LEN	 18   /* bytes; in base64 without padding */
#define FIRST_MAX	 2048 /* bytes of the client-first-message: a name and a nonce */
#define SERVER_FIRST_MAX 4096
#define ITERATIONS_MAX	 1000000

struct scram_state {
	bool was_asked; /* the empty challenge went out */
	bool is_named;
	size_t gs2_len; /* of the header that begins client_first */
	size_t client_first_len;
	size_t server_first_len;
	size_t nonce_len;			/* behind "r=" in server_first */
	const struct mailauth_binding *binding; /* NULL: none is used */
	uint8_t stored_key[MA_HASH_MAX];
	uint8_t server_key[MA_HASH_MAX];
	uint8_t client_first[FIRST_MAX];
	uint8_t server_first[SERVER_FIRST_MAX];
};

/* ---- the secret ---- */

struct keys {
	uint32_t iterations;
	struct ma_span salt;
	struct ma_span stored_key;
	struct ma_span server_key;
};

static bool decode(const struct ma_kind *kind, struct ma_span secret, struct keys *keys_out)
{
	size_t len = ma_hash_len(kind->hash);

	return ma_span_take_u32(&secret, &keys_out->iterations) &&
	       ma_span_take_bytes8(&secret, &keys_out->salt) &&
	       ma_span_take(&secret, len, &keys_out->stored_key) &&
	       ma_span_take(&secret, len, &keys_out->server_key) && secret.len == 0 &&
	       keys_out->iterations >= 1 && keys_out->iterations <= ITERATIONS_MAX &&
	       keys_out->salt.len >= 1;
}

/* RFC 5802 section 3: from the password to what the server stores. */
static enum mailauth_status make_keys(const struct ma_kind *kind, struct ma_span password,
				      const struct keys *from, uint8_t *stored_key_out,
				      uint8_t *server_key_out)
{
	const struct ma_span client_text = ma_span_text("Client Key");
	const struct ma_span server_text = ma_span_text("Server Key");
	MA_CLEANUP(ma_buf_clear) struct ma_buf prepared = ma_buf(MA_PREP_MAX);
	uint8_t salted[MA_HASH_MAX];
	uint8_t client_key[MA_HASH_MAX];
	struct ma_span key = ma_span(salted, ma_hash_len(kind->hash));
	enum mailauth_status status = ma_saslprep(password, &prepared);

	if (status != MAILAUTH_OK)
		return status;
	ma_pbkdf2(kind->hash, ma_buf_span(&prepared), from->salt, from->iterations, salted);
	ma_hmac(kind->hash, key, &client_text, 1, client_key);
	ma_hash(kind->hash, ma_span(client_key, key.len), stored_key_out);
	ma_hmac(kind->hash, key, &server_text, 1, server_key_out);
	ma_wipe(salted, sizeof(salted));
	ma_wipe(client_key, sizeof(client_key));
	return MAILAUTH_OK;
}

static enum mailauth_status put_secret(const struct keys *keys, struct ma_buf *out)
{
	ma_buf_put_u32(out, keys->iterations);
	ma_buf_put_bytes8(out, keys->salt);
	ma_buf_put(out, keys->stored_key);
	ma_buf_put(out, keys->server_key);
	return ma_buf_status(out);
}

static enum mailauth_status derive(const struct ma_kind *kind, const struct ma_subject *subject,
				   struct ma_span password, struct ma_buf *out)
{
	size_t len = ma_hash_len(kind->hash);
	uint8_t salt[SALT_LEN];
	uint8_t stored_key[MA_HASH_MAX];
	uint8_t server_key[MA_HASH_MAX];
	const struct keys keys = {
		.iterations = (uint32_t)subject->config->scram_iterations,
		.salt = ma_span(salt, sizeof(salt)),
		.stored_key = ma_span(stored_key, len),
		.server_key = ma_span(server_key, len),
	};
	enum mailauth_status status = ma_random(subject->crypto, salt, sizeof(salt));

	if (status == MAILAUTH_OK)
		status = make_keys(kind, password, &keys, stored_key, server_key);
	if (status == MAILAUTH_OK)
		status = put_secret(&keys, out);
	ma_wipe(stored_key, sizeof(stored_key));
	ma_wipe(server_key, sizeof(server_key));
	return status;
}

static enum mailauth_status check(const struct ma_kind *kind, const struct ma_subject *subject,
				  struct ma_span secret, struct ma_span password)
{
	uint8_t stored_key[MA_HASH_MAX];
	uint8_t server_key[MA_HASH_MAX];
	size_t len = ma_hash_len(kind->hash);
	struct keys keys;
	enum mailauth_status status;
	bool fits;

	(void)subject;
	if (!decode(kind, secret, &keys) || password.len == 0 ||
	    password.len > MAILAUTH_PASSWORD_MAX)
		return MAILAUTH_E_DENIED;
	status = make_keys(kind, password, &keys, stored_key, server_key);
	if (status != MAILAUTH_OK)
		return status;
	fits = ma_equal_ct(ma_span(stored_key, len), keys.stored_key);
	fits = ma_equal_ct(ma_span(server_key, len), keys.server_key) && fits;
	ma_wipe(stored_key, sizeof(stored_key));
	ma_wipe(server_key, sizeof(server_key));
	return fits ? MAILAUTH_OK : MAILAUTH_E_DENIED;
}

/* The salt is the account's own, as far as a client can tell; the keys are no hash of anything. */
static enum mailauth_status decoy(const struct ma_kind *kind, const struct ma_subject *subject,
				  const struct ma_decoy *from, struct ma_buf *out)
{
	uint8_t bytes[MA_HASH_MAX];
	struct ma_buf filler = ma_buf_fixed(bytes, sizeof(bytes));
	struct keys keys = {.iterations = 0};
	struct keys like;

	keys.iterations = (uint32_t)subject->config->scram_iterations;
	keys.salt = ma_span(from->seed, SALT_LEN);
	if (from->like.len > 0 && decode(kind, from->like, &like)) {
		keys.iterations = like.iterations;
		keys.salt = like.salt;
	}
	while (filler.len < sizeof(bytes))
		ma_buf_put(&filler, ma_span(from->seed + MA_SEED_LEN / 2, MA_SEED_LEN / 2));
	keys.stored_key = ma_span(bytes, ma_hash_len(kind->hash));
	keys.server_key = keys.stored_key;
	(void)put_secret(&keys, out);
	ma_wipe(bytes, sizeof(bytes));
	return ma_buf_status(out);
}

static const char *scheme(const struct ma_kind *kind)
{
	static const char *const schemes[MA_N_HASHES] = {
		[MA_HASH_SHA1] = "SCRAM-SHA-1",
		[MA_HASH_SHA256] = "SCRAM-SHA-256",
		[MA_HASH_SHA512] = "SCRAM-SHA-512",
	};

	return schemes[kind->hash];
}

/* RFC 5803 section 2: scheme$iterations:salt$StoredKey:ServerKey, all but the first in base64 */
static bool format(const struct ma_kind *kind, const struct ma_subject *subject,
		   struct ma_span secret, size_t part, struct ma_buf *out)
{
	struct keys keys;

	(void)subject;
	if (part > 0 || !decode(kind, secret, &keys))
		return false;
	ma_buf_put_text(out, scheme(kind));
	ma_buf_put_text(out, "$");
	ma_buf_put_decimal(out, keys.iterations);
	ma_buf_put_text(out, ":");
	ma_base64_encode(keys.salt, out);
	ma_buf_put_text(out, "$");
	ma_base64_encode(keys.stored_key, out);
	ma_buf_put_text(out, ":");
	ma_base64_encode(keys.server_key, out);
	return ma_buf_status(out) == MAILAUTH_OK;
}

static bool take_iterations(struct ma_span *in, uint32_t *iterations_out)
{
	struct ma_span digits;
	uint32_t n = 0;

	if (!ma_span_take_until(in, ':', &digits) || digits.len == 0 || digits.len > 7)
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.p[i] < '0' || digits.p[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(digits.p[i] - '0');
	}
	*iterations_out = n;
	return n >= 1 && n <= ITERATIONS_MAX;
}

/* Decodes to the end of @bytes; nothing on failure. */
static struct ma_span take_base64(struct ma_span text, struct ma_buf *bytes)
{
	size_t start = bytes->len;

	if (!ma_base64_decode(text, bytes))
		return ma_span(NULL, 0);
	return ma_span(bytes->p + start, bytes->len - start);
}

static const char *parse(const struct ma_kind *kind, const struct ma_subject *subject,
			 struct ma_span text, struct ma_span old, struct ma_buf *out)
{
	uint8_t decoded[UINT8_MAX + 2 * MA_HASH_MAX];
	MA_CLEANUP(ma_buf_clear) struct ma_buf bytes = ma_buf_fixed(decoded, sizeof(decoded));
	struct ma_span name;
	struct ma_span salt;
	struct ma_span stored_key;
	struct keys keys;

	(void)subject;
	(void)old;
	if (!ma_span_take_until(&text, '$', &name) ||
	    !ma_span_equal_case(name, ma_span_text(scheme(kind))) ||
	    !take_iterations(&text, &keys.iterations) || !ma_span_take_until(&text, '$', &salt) ||
	    !ma_span_take_until(&text, ':', &stored_key))
		return "it has to be SCHEME$ITERATIONS:SALT$STOREDKEY:SERVERKEY, with at most "
		       "1000000 iterations";
	keys.salt = take_base64(salt, &bytes);
	keys.stored_key = take_base64(stored_key, &bytes);
	keys.server_key = take_base64(text, &bytes);
	if (keys.salt.len == 0 || keys.salt.len > UINT8_MAX ||
	    keys.stored_key.len != ma_hash_len(kind->hash) ||
	    keys.server_key.len != ma_hash_len(kind->hash))
		return "its salt or one of its keys is not the base64 of bytes of the right length";
	(void)put_secret(&keys, out);
	return NULL;
}

/* ---- the client's first message ---- */

struct client_first {
	uint8_t flag;		/* gs2-cbind-flag: 'n', 'y' or 'p' */
	struct ma_span binding; /* cb-name behind "p=" */
	size_t gs2_len;
	struct ma_span authzid; /* both still escaped */
	struct ma_span user;
	struct ma_span nonce;
};

/* RFC 5802 section 7: attr-val, one letter, '=', a value without ',' */
static bool take_attribute(struct ma_span *in, uint8_t letter, struct ma_span *value_out)
{
	struct ma_span rest = *in;
	struct ma_span value;

	if (in->len < 2 || in->p[0] != letter || in->p[1] != '=')
		return false;
	rest = ma_span(in->p + 2, in->len - 2);
	if (!ma_span_take_until(&rest, ',', &value)) {
		value = rest;
		rest = ma_span(rest.p + rest.len, 0);
	} else if (rest.len == 0) {
		return false; /* a comma with nothing behind it */
	}
	*value_out = value;
	*in = rest;
	return true;
}

/* RFC 5802 section 7: printable = %x21-2B / %x2D-7E; an attribute's value has no comma anyway */
static bool is_nonce(struct ma_span nonce)
{
	for (size_t i = 0; i < nonce.len; i++)
		if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e)
			return false;
	return nonce.len > 0;
}

/* RFC 5802 section 7: extensions are passed over, but none may be an attribute that has its place,
 * or a mandatory one (reserved-mext). */
static bool are_extensions(struct ma_span in)
{
	while (in.len > 0) {
		uint8_t letter = in.p[0];
		struct ma_span value;

		if (!((letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z')) ||
		    strchr("anrmcspive", letter) != NULL || !take_attribute(&in, letter, &value) ||
		    value.len == 0)
			return false;
	}
	return true;
}

/* RFC 5802 section 7: gs2-header */
static bool take_gs2_header(struct ma_span *in, struct client_first *out)
{
	struct ma_span flag;
	size_t len = in->len;

	if (!ma_span_take_until(in, ',', &flag) || flag.len == 0)
		return false;
	out->flag = flag.p[0];
	if (out->flag == 'p') {
		if (flag.len < 3 || flag.p[1] != '=')
			return false;
		out->binding = ma_span(flag.p + 2, flag.len - 2);
	} else if (flag.len != 1 || (out->flag != 'n' && out->flag != 'y')) {
		return false;
	}
	if (!ma_span_take_until(in, ',', &out->authzid))
		return false;
	out->gs2_len = len - in->len;
	if (out->authzid.len == 0)
		return true;
	/* authzid = "a=" saslname, of one character at least */
	if (out->authzid.len < 3 || out->authzid.p[0] != 'a' || out->authzid.p[1] != '=')
		return false;
	out->authzid = ma_span(out->authzid.p + 2, out->authzid.len - 2);
	return true;
}

static bool parse_first(struct ma_span in, struct client_first *out)
{
	*out = (struct client_first){.flag = 0};
	if (memchr(in.p, '\0', in.len) != NULL)
		return false;
	return take_gs2_header(&in, out) && take_attribute(&in, 'n', &out->user) &&
	       out->user.len > 0 && take_attribute(&in, 'r', &out->nonce) && is_nonce(out->nonce) &&
	       are_extensions(in);
}

/* RFC 5802 section 5.1: "=2C" and "=3D" stand for ',' and '=', and no other '=' may be there. */
static bool decode_name(struct ma_span in, struct ma_buf *out)
{
	struct ma_span code;
	uint8_t c;

	while (ma_span_take_u8(&in, &c)) {
		if (c == '=') {
			if (!ma_span_take(&in, 2, &code))
				return false;
			if (ma_span_equal(code, ma_span_text("2C")))
				c = ',';
			else if (!ma_span_equal(code, ma_span_text("3D")))
				return false;
		}
		ma_buf_put_u8(out, c);
	}
	return ma_buf_status(out) == MAILAUTH_OK;
}

/* RFC 5802 section 6: whether the client binds, and whether it was told the truth about us. */
static bool choose_binding(const struct ma_exchange *exchange, const struct client_first *first,
			   const struct mailauth_binding **binding_out)
{
	*binding_out = NULL;
	if (!exchange->mech->needs_binding) /* 'y': it believes we cannot; somebody made it so */
		return first->flag == 'n' || (first->flag == 'y' && exchange->n_bindings == 0);
	if (first->flag != 'p')
		return false;
	for (size_t i = 0; i < exchange->n_bindings; i++)
		if (ma_span_equal(first->binding, ma_span_text(exchange->bindings[i].type)))
			*binding_out = &exchange->bindings[i];
	return *binding_out != NULL;
}

/* ---- the server's first message ---- */

static enum mailauth_status find_keys(struct ma_exchange *exchange,
				      const struct client_first *first, struct keys *keys_out)
{
	uint8_t user_bytes[FIRST_MAX];
	uint8_t authzid_bytes[FIRST_MAX];
	struct ma_buf user = ma_buf_fixed(user_bytes, sizeof(user_bytes));
	struct ma_buf authzid = ma_buf_fixed(authzid_bytes, sizeof(authzid_bytes));
	const struct ma_kind *kind = exchange->mech->kind;
	const struct ma_candidates *candidates;
	struct ma_identity who;
	enum mailauth_status status;

	if (!decode_name(first->user, &user) || !decode_name(first->authzid, &authzid))
		return MAILAUTH_E_PROTOCOL;
	who = (struct ma_identity){.user = ma_buf_span(&user), .authzid = ma_buf_span(&authzid)};
	status = exchange->lookup(exchange->lookup_arg, &who, &candidates);
	if (status != MAILAUTH_OK)
		return status;
	/* There is one salt to send, so one credential can answer: the main one comes first. */
	for (size_t i = 0; i < candidates->n; i++) {
		const struct ma_secret *secret =
			ma_credential_secret(candidates->items[i], kind->id);

		if (secret != NULL && decode(kind, secret->value, keys_out))
			return MAILAUTH_OK;
	}
	return MAILAUTH_E_DENIED;
}

static enum mailauth_status put_server_first(struct ma_exchange *exchange, struct ma_span nonce,
					     const struct keys *keys)
{
	struct scram_state *state = exchange->state;
	struct ma_buf out = ma_buf_fixed(state->server_first, sizeof(state->server_first));
	uint8_t random[NONCE_LEN];
	enum mailauth_status status = ma_random(exchange->crypto, random, sizeof(random));

	if (status != MAILAUTH_OK)
		return status;
	ma_buf_put_text(&out, "r=");
	ma_buf_put(&out, nonce);
	if (exchange->nonce.len > 0)
		ma_buf_put(&out, exchange->nonce);
	else
		ma_base64_encode(ma_span(random, sizeof(random)), &out);
	state->nonce_len = out.len - 2;
	ma_buf_put_text(&out, ",s=");
	ma_base64_encode(keys->salt, &out);
	ma_buf_put_text(&out, ",i=");
	ma_buf_put_decimal(&out, keys->iterations);
	state->server_first_len = out.len;
	return ma_buf_status(&out);
}

static enum mailauth_status take_first(struct ma_exchange *exchange, struct ma_span in,
				       struct ma_buf *reply)
{
	struct scram_state *state = exchange->state;
	struct client_first first;
	struct keys keys;
	enum mailauth_status status;

	if (in.len > FIRST_MAX)
		return MAILAUTH_E_LIMIT;
	if (!parse_first(in, &first) || !choose_binding(exchange, &first, &state->binding))
		return MAILAUTH_E_PROTOCOL;
	status = find_keys(exchange, &first, &keys);
	if (status == MAILAUTH_OK)
		status = put_server_first(exchange, first.nonce, &keys);
	if (status != MAILAUTH_OK)
		return status;
	memcpy(state->client_first, in.p, in.len);
	state->client_first_len = in.len;
	state->gs2_len = first.gs2_len;
	memcpy(state->stored_key, keys.stored_key.p, keys.stored_key.len);
	memcpy(state->server_key, keys.server_key.p, keys.server_key.len);
	state->is_named = true;
	ma_buf_put(reply, ma_span(state->server_first, state->server_first_len));
	status = ma_buf_status(reply);
	return status == MAILAUTH_OK ? MAILAUTH_CONTINUE : status;
}

/* ---- the client's final message ---- */

/* RFC 5802 section 5.1, c: the header as it was sent, and the data of the binding, if one is used.
 * The text is compared, so nothing that is not canonical base64 passes. */
static bool is_channel(const struct scram_state *state, struct ma_span text)
{
	uint8_t bytes[FIRST_MAX + MAILAUTH_BINDING_MAX];
	uint8_t want_bytes[2 * sizeof(bytes)]; /* more than base64 needs */
	struct ma_buf channel = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_buf want = ma_buf_fixed(want_bytes, sizeof(want_bytes));

	ma_buf_put(&channel, ma_span(state->client_first, state->gs2_len));
	if (state->binding != NULL)
		ma_buf_put(&channel, ma_span(state->binding->p, state->binding->len));
	ma_base64_encode(ma_buf_span(&channel), &want);
	return ma_buf_status(&channel) == MAILAUTH_OK && ma_span_equal(text, ma_buf_span(&want));
}

/* Divides the message into what is signed and the proof, and checks all but the proof. */
static bool parse_final(const struct scram_state *state, struct ma_span in, size_t proof_len,
			struct ma_span *signed_out, uint8_t proof_out[MA_HASH_MAX])
{
	struct ma_buf proof = ma_buf_fixed(proof_out, MA_HASH_MAX);
	struct ma_span nonce = ma_span(state->server_first + 2, state->nonce_len);
	struct ma_span last;
	struct ma_span rest;
	struct ma_span value;

	/* RFC 5802 section 7: value-char is no NUL, and the proof is the last attribute */
	if (in.len == 0 || memchr(in.p, '\0', in.len) != NULL)
		return false;
	if (!ma_span_split_last(in, ',', signed_out, &last) || !take_attribute(&last, 'p', &value))
		return false;
	if (!ma_base64_decode(value, &proof) || proof.len != proof_len)
		return false;
	rest = *signed_out;
	if (!take_attribute(&rest, 'c', &value) || !is_channel(state, value))
		return false;
	if (!take_attribute(&rest, 'r', &value) || !ma_span_equal(value, nonce))
		return false;
	return are_extensions(rest);
}

static void sign(struct ma_exchange *exchange, const uint8_t *key, struct ma_span without_proof,
		 uint8_t *signature_out)
{
	const struct scram_state *state = exchange->state;
	enum ma_hash hash = exchange->mech->kind->hash;
	const struct ma_span comma = ma_span_text(",");
	const struct ma_span auth_message[] = {
		ma_span(state->client_first + state->gs2_len,
			state->client_first_len - state->gs2_len),
		comma,
		ma_span(state->server_first, state->server_first_len),
		comma,
		without_proof,
	};

	ma_hmac(hash, ma_span(key, ma_hash_len(hash)), auth_message, MA_ARRAY_SIZE(auth_message),
		signature_out);
}

/* RFC 5802 section 3: H(ClientProof XOR ClientSignature) is StoredKey. */
static enum mailauth_status check_proof(struct ma_exchange *exchange, struct ma_span without_proof,
					uint8_t *proof)
{
	const struct scram_state *state = exchange->state;
	enum ma_hash hash = exchange->mech->kind->hash;
	size_t len = ma_hash_len(hash);
	uint8_t signature[MA_HASH_MAX];
	uint8_t digest[MA_HASH_MAX];

	sign(exchange, state->stored_key, without_proof, signature);
	for (size_t i = 0; i < len; i++)
		proof[i] ^= signature[i];
	ma_hash(hash, ma_span(proof, len), digest);
	ma_wipe(signature, sizeof(signature));
	return ma_equal_ct(ma_span(digest, len), ma_span(state->stored_key, len))
		       ? MAILAUTH_OK
		       : MAILAUTH_E_DENIED;
}

static enum mailauth_status take_final(struct ma_exchange *exchange, struct ma_span in,
				       struct ma_buf *reply)
{
	const struct scram_state *state = exchange->state;
	size_t len = ma_hash_len(exchange->mech->kind->hash);
	uint8_t proof[MA_HASH_MAX];
	uint8_t signature[MA_HASH_MAX];
	struct ma_span without_proof;
	enum mailauth_status status;

	if (!parse_final(state, in, len, &without_proof, proof))
		return MAILAUTH_E_PROTOCOL;
	status = check_proof(exchange, without_proof, proof);
	ma_wipe(proof, sizeof(proof)); /* by now the client's key */
	if (status == MAILAUTH_OK)
		sign(exchange, state->server_key, without_proof, signature);
	if (status != MAILAUTH_OK)
		return status;
	ma_buf_put_text(reply, "v=");
	ma_base64_encode(ma_span(signature, len), reply);
	return ma_buf_status(reply);
}

static enum mailauth_status step(struct ma_exchange *exchange, struct ma_span in,
				 struct ma_buf *reply)
{
	struct scram_state *state = exchange->state;

	if (state->is_named)
		return take_final(exchange, in, reply);
	if (in.len > 0)
		return take_first(exchange, in, reply);
	/* RFC 5802 section 5: the client speaks first; one empty challenge asks it to. */
	if (state->was_asked)
		return MAILAUTH_E_PROTOCOL;
	state->was_asked = true;
	return MAILAUTH_CONTINUE;
}

#define SCRAM_KIND(id_, name_, title_, hash_, cost)                                                \
	{                                                                                          \
		.id = (id_), .name = (name_), .title = (title_), .strength = MA_STRENGTH_SLOW,     \
		.cost_ns = (cost), .shows = true, .by_name = true, .hash = (hash_),                \
		.derive = derive, .check = check, .decoy = decoy, .parse = parse, .format = format \
	}

static const struct ma_kind kind_sha_1 =
	SCRAM_KIND(MA_KIND_SCRAM_SHA_1, "scram-sha-1", "SCRAM-SHA-1 secret", MA_HASH_SHA1, 2500000);
static const struct ma_kind kind_sha_256 = SCRAM_KIND(
	MA_KIND_SCRAM_SHA_256, "scram-sha-256", "SCRAM-SHA-256 secret", MA_HASH_SHA256, 3000000);
static const struct ma_kind kind_sha_512 = SCRAM_KIND(
	MA_KIND_SCRAM_SHA_512, "scram-sha-512", "SCRAM-SHA-512 secret", MA_HASH_SHA512, 4000000);

#define SCRAM_MECH(name_, kind_, more_, ...)                                                       \
	{                                                                                          \
		.name = (name_), .kind = (kind_), .more = (more_),                                 \
		.state_size = sizeof(struct scram_state), .step = step, __VA_ARGS__                \
	}

static const struct ma_mech mech_sha_512_plus = SCRAM_MECH(
	"SCRAM-SHA-512-PLUS", &kind_sha_512, NULL, .on_request = true, .needs_binding = true);
static const struct ma_mech mech_sha_512 =
	SCRAM_MECH("SCRAM-SHA-512", &kind_sha_512, &mech_sha_512_plus, .on_request = true);
static const struct ma_mech mech_sha_256_plus =
	SCRAM_MECH("SCRAM-SHA-256-PLUS", &kind_sha_256, &mech_sha_512, .needs_binding = true);
static const struct ma_mech mech_sha_256 =
	SCRAM_MECH("SCRAM-SHA-256", &kind_sha_256, &mech_sha_256_plus, .needs_binding = false);
static const struct ma_mech mech_sha_1_plus =
	SCRAM_MECH("SCRAM-SHA-1-PLUS", &kind_sha_1, &mech_sha_256, .needs_binding = true);
const struct ma_mech ma_mech_scram =
	SCRAM_MECH("SCRAM-SHA-1", &kind_sha_1, &mech_sha_1_plus,
		   .brings = {&kind_sha_1, &kind_sha_256, &kind_sha_512});
