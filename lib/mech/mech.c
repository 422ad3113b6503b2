/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mech.c - find mechanisms and kinds of secret, choose among kinds
 *
 * As strong as its weakest: a record that holds an MD5 verifier is worth what MD5 is worth to
 * somebody with store and key, so a dear hash beside it costs time at each login and protects
 * nothing. Hence the two rules here. A password is checked against the cheapest secret that is
 * there; and a list of mechanisms that needs nothing weaker than a slow hash gets no fast one.
 *
 * The kind `password` is defined here, because it serves every mechanism and belongs to none.
 */
#include "mech/mech.h"

#include "util/codec.h"
#include "util/mem.h"

#define NONCE_LEN	   16
#define DECOY_PASSWORD_LEN 8 /* bytes; twice as many digits, about what a good password has */

static enum mailauth_status derive_password(const struct ma_kind *kind,
					    const struct ma_subject *subject,
					    struct ma_span password, struct ma_buf *out)
{
	(void)kind;
	(void)subject;
	ma_buf_put(out, password);
	return ma_buf_status(out);
}

static enum mailauth_status check_password(const struct ma_kind *kind,
					   const struct ma_subject *subject, struct ma_span secret,
					   struct ma_span password)
{
	(void)kind;
	(void)subject;
	return ma_equal_ct(secret, password) ? MAILAUTH_OK : MAILAUTH_E_DENIED;
}

/* Text, because what asks for a password takes it for a string. */
static enum mailauth_status decoy_password(const struct ma_kind *kind,
					   const struct ma_subject *subject,
					   const struct ma_decoy *from, struct ma_buf *out)
{
	(void)kind;
	(void)subject;
	ma_hex_encode(ma_span(from->seed, DECOY_PASSWORD_LEN), out);
	return ma_buf_status(out);
}

static const char *parse_password(const struct ma_kind *kind, const struct ma_subject *subject,
				  struct ma_span text, struct ma_span old, struct ma_buf *out)
{
	(void)kind;
	(void)subject;
	(void)old;
	if (text.len == 0 || text.len > MAILAUTH_PASSWORD_MAX)
		return "it has to be 1 to 1024 bytes long";
	if (!ma_span_is_utf8(text))
		return "it is not UTF-8";
	ma_buf_put(out, text);
	return NULL;
}

static bool format_password(const struct ma_kind *kind, const struct ma_subject *subject,
			    struct ma_span secret, size_t part, struct ma_buf *out)
{
	(void)kind;
	(void)subject;
	if (part > 0)
		return false;
	ma_buf_put(out, secret);
	return true;
}

const struct ma_kind ma_kind_password = {
	.id = MA_KIND_PASSWORD,
	.name = "password",
	.title = "password",
	.strength = MA_STRENGTH_CLEAR,
	/* Dearer than it is: accounts that keep it shall take no less time than the others. */
	.cost_ns = 4000,
	.derive = derive_password,
	.check = check_password,
	.decoy = decoy_password,
	.parse = parse_password,
	.format = format_password,
};

const struct ma_mech *ma_mech_at(size_t index)
{
	for (size_t i = 0; i < ma_n_mech_files; i++)
		for (const struct ma_mech *mech = ma_mech_files[i]; mech != NULL; mech = mech->more)
			if (index-- == 0)
				return mech;
	return NULL;
}

const struct ma_mech *ma_mech_find(struct ma_span name)
{
	for (size_t i = 0; i < ma_n_mech_files; i++)
		for (const struct ma_mech *mech = ma_mech_files[i]; mech != NULL; mech = mech->more)
			if (ma_span_equal_case(name, ma_span_text(mech->name)))
				return mech;
	return NULL;
}

const struct ma_kind *ma_kind_find(unsigned int id)
{
	if (id == MA_KIND_PASSWORD)
		return &ma_kind_password;
	for (size_t i = 0; i < ma_n_mech_files; i++)
		for (size_t j = 0; ma_mech_files[i]->brings[j] != NULL; j++)
			if (ma_mech_files[i]->brings[j]->id == id)
				return ma_mech_files[i]->brings[j];
	return NULL;
}

const struct ma_kind *ma_kind_find_name(struct ma_span name)
{
	if (ma_span_equal(name, ma_span_text(ma_kind_password.name)))
		return &ma_kind_password;
	for (size_t i = 0; i < ma_n_mech_files; i++)
		for (size_t j = 0; ma_mech_files[i]->brings[j] != NULL; j++)
			if (ma_span_equal(name, ma_span_text(ma_mech_files[i]->brings[j]->name)))
				return ma_mech_files[i]->brings[j];
	return NULL;
}

const char *ma_kind_parse_hex(struct ma_span text, size_t len, struct ma_buf *out)
{
	uint8_t *bytes = ma_buf_reserve(out, len);

	if (bytes == NULL || text.len != 2 * len || !ma_hex_decode(text, bytes, len))
		return "it has to be hexadecimal digits, two for each byte";
	return NULL;
}

bool ma_kind_format_hex(struct ma_span secret, size_t len, size_t part, struct ma_buf *out)
{
	if (part > 0 || secret.len != len)
		return false;
	ma_hex_encode(secret, out);
	return true;
}

bool ma_mech_accepts(const struct ma_mech *mech, const struct ma_secret *secret)
{
	if (mech->by_password)
		return ma_kind_find(secret->kind) != NULL;
	return secret->kind == mech->kind->id;
}

static bool has_kind(const struct ma_kinds *kinds, const struct ma_kind *kind)
{
	for (size_t i = 0; i < kinds->n; i++)
		if (kinds->items[i] == kind)
			return true;
	return false;
}

static void add_kind(struct ma_kinds *kinds, const struct ma_kind *kind)
{
	if (has_kind(kinds, kind))
		return;
	ma_assert(kinds->n < MA_SECRETS_MAX);
	kinds->items[kinds->n++] = kind;
}

/* Mechanisms that need the password itself are served only by accounts that keep it. */
static void add_mech(const struct ma_mech *mech, struct ma_kinds *kinds, bool *by_password)
{
	if (mech->by_password)
		*by_password = true;
	else if (mech->kind->id != MA_KIND_PASSWORD)
		add_kind(kinds, mech->kind);
}

static bool has_fast(const struct ma_kinds *kinds)
{
	for (size_t i = 0; i < kinds->n; i++)
		if (kinds->items[i]->strength < MA_STRENGTH_SLOW)
			return true;
	return false;
}

bool ma_mech_kinds(struct ma_span list, bool recoverable, struct ma_kinds *kinds_out,
		   struct ma_span *unknown_out)
{
	bool by_password = false;
	bool all = true;
	struct ma_span word;

	*kinds_out = (struct ma_kinds){.n = 0};
	while (ma_span_take_word(&list, " ,\t", &word)) {
		const struct ma_mech *mech = ma_mech_find(word);

		all = false;
		*unknown_out = word;
		if (mech == NULL)
			return false;
		add_mech(mech, kinds_out, &by_password);
	}
	for (size_t i = 0; all && ma_mech_at(i) != NULL; i++)
		if (!ma_mech_at(i)->on_request)
			add_mech(ma_mech_at(i), kinds_out, &by_password);
	if (recoverable)
		add_kind(kinds_out, &ma_kind_password);
	if (by_password && has_fast(kinds_out))
		add_kind(kinds_out, &ma_kind_sasl_plain);
	else if (by_password && kinds_out->n == 0)
		add_kind(kinds_out, &ma_kind_crypt);
	return true;
}

static enum mailauth_status check_cheapest(const struct ma_subject *subject,
					   const struct ma_credential *credential,
					   struct ma_span password)
{
	const struct ma_kind *best = NULL;
	const struct ma_secret *secret = NULL;

	for (size_t i = 0; i < credential->n_secrets; i++) {
		const struct ma_kind *kind = ma_kind_find(credential->secrets[i].kind);

		if (kind != NULL && (best == NULL || kind->cost_ns < best->cost_ns)) {
			best = kind;
			secret = &credential->secrets[i];
		}
	}
	return best != NULL ? best->check(best, subject, secret->value, password)
			    : MAILAUTH_E_DENIED;
}

enum mailauth_status ma_mech_check_password(const struct ma_candidates *candidates,
					    struct ma_span password)
{
	enum mailauth_status status = MAILAUTH_E_DENIED;

	/* All of them, so that the time does not tell which one fitted. */
	for (size_t i = 0; i < candidates->n; i++) {
		enum mailauth_status one =
			check_cheapest(&candidates->subject, candidates->items[i], password);

		if (status != MAILAUTH_OK && one != MAILAUTH_E_DENIED)
			status = one;
	}
	return status;
}

enum mailauth_status ma_mech_verify_password(struct ma_exchange *exchange,
					     const struct ma_candidates *candidates,
					     struct ma_span password)
{
	exchange->password = password;
	return ma_mech_check_password(candidates, password);
}

/* RFC 5322 section 3.4.1: what an id-right may have and no client trips over. A host's name has
 * nothing else; a realm, which may stand in for it, can. */
static void put_host(struct ma_span host, struct ma_buf *out)
{
	for (size_t i = 0; i < host.len; i++) {
		uint8_t c = host.p[i];
		bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				(c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';

		ma_buf_put_u8(out, is_plain ? c : '-');
	}
}

enum mailauth_status ma_mech_challenge(const struct ma_exchange *exchange, struct ma_buf *out)
{
	uint8_t nonce[NONCE_LEN];
	enum mailauth_status status = ma_random(exchange->crypto, nonce, sizeof(nonce));

	if (status != MAILAUTH_OK)
		return status;
	ma_buf_put_text(out, "<");
	ma_hex_encode(ma_span(nonce, sizeof(nonce)), out);
	ma_buf_put_text(out, ".");
	ma_buf_put_decimal(out, (uint64_t)exchange->now_s);
	ma_buf_put_text(out, "@");
	put_host(exchange->host, out);
	ma_buf_put_text(out, ">");
	return ma_buf_status(out);
}

enum mailauth_status ma_mech_check_digest(struct ma_exchange *exchange, struct ma_span user,
					  struct ma_span challenge, struct ma_span hex,
					  ma_fits_fn *fits)
{
	const struct ma_identity who = {.user = user};
	const struct ma_candidates *candidates;
	enum mailauth_status status;
	uint8_t digest[MA_MD5_LEN];
	bool ok = false;

	if (user.len == 0 || !ma_hex_decode(hex, digest, sizeof(digest)))
		return MAILAUTH_E_PROTOCOL;
	status = exchange->lookup(exchange->lookup_arg, &who, &candidates);
	if (status != MAILAUTH_OK)
		return status;
	/* All of them, so that the time does not tell which one fitted. */
	for (size_t i = 0; i < candidates->n; i++) {
		const struct ma_secret *secret =
			ma_credential_secret(candidates->items[i], exchange->mech->kind->id);

		if (secret != NULL &&
		    fits(secret->value, challenge, ma_span(digest, sizeof(digest))))
			ok = true;
	}
	return ok ? MAILAUTH_OK : MAILAUTH_E_DENIED;
}
