/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mech_cram_md5.c - CRAM-MD5
 *
 * RFC 2195 section 2:
 *
 *   S: <random.time@host>                    (a fresh msg-id, RFC 822)
 *   C: user SP hex(HMAC-MD5(password, challenge))
 *   S: done
 *
 * The secret is not the password but HMAC-MD5's two states after it (RFC 2195 section 3 suggests
 * as much), 32 bytes in the form that Cyrus SASL calls cmusaslsecretCRAM-MD5. It serves CRAM-MD5
 * as the password itself would, but no other mechanism that hashes differently.
 */
#include "mech/mech.h"

#include "util/codec.h"
#include "util/mem.h"

struct cram_state {
	bool asked;
	size_t challenge_len;
	uint8_t challenge[MA_CHALLENGE_MAX];
};

static enum mailauth_status step(struct ma_exchange *exchange, struct ma_span in,
				 struct ma_buf *reply)
{
	struct cram_state *state = exchange->state;
	struct ma_buf challenge = ma_buf_fixed(state->challenge, sizeof(state->challenge));
	enum mailauth_status status;

	if (state->asked)
		return ma_cram_md5_check(exchange, ma_span(state->challenge, state->challenge_len),
					 in);
	/* RFC 2195 section 2: the server speaks first */
	if (in.len != 0)
		return MAILAUTH_E_PROTOCOL;
	status = ma_mech_challenge(exchange, &challenge);
	if (status != MAILAUTH_OK)
		return status;
	state->asked = true;
	state->challenge_len = challenge.len;
	ma_buf_put(reply, ma_buf_span(&challenge));
	status = ma_buf_status(reply);
	return status == MAILAUTH_OK ? MAILAUTH_CONTINUE : status;
}

static bool fits(struct ma_span secret, struct ma_span challenge, struct ma_span digest)
{
	uint8_t want[MA_MD5_LEN];
	bool ok;

	if (secret.len != MA_HMAC_MD5_STATE)
		return false;
	ma_hmac_md5_digest(secret.p, challenge, want);
	ok = ma_equal_ct(digest, ma_span(want, sizeof(want)));
	ma_wipe(want, sizeof(want));
	return ok;
}

enum mailauth_status ma_cram_md5_check(struct ma_exchange *exchange, struct ma_span challenge,
				       struct ma_span response)
{
	struct ma_span user;
	struct ma_span hex;

	/* RFC 2195 section 2: a space divides; user names with spaces make it the last one */
	if (!ma_span_split_last(response, ' ', &user, &hex))
		return MAILAUTH_E_PROTOCOL;
	return ma_mech_check_digest(exchange, user, challenge, hex, fits);
}

static enum mailauth_status derive(const struct ma_kind *kind, const struct ma_subject *subject,
				   struct ma_span password, struct ma_buf *out)
{
	uint8_t *state = ma_buf_reserve(out, MA_HMAC_MD5_STATE);

	(void)kind;
	(void)subject;
	if (state != NULL)
		ma_hmac_md5_derive(password, state);
	return ma_buf_status(out);
}

static enum mailauth_status check(const struct ma_kind *kind, const struct ma_subject *subject,
				  struct ma_span secret, struct ma_span password)
{
	uint8_t got[MA_HMAC_MD5_STATE];
	bool ok;

	(void)kind;
	(void)subject;
	ma_hmac_md5_derive(password, got);
	ok = ma_equal_ct(ma_span(got, sizeof(got)), secret);
	ma_wipe(got, sizeof(got));
	return ok ? MAILAUTH_OK : MAILAUTH_E_DENIED;
}

static enum mailauth_status decoy(const struct ma_kind *kind, const struct ma_subject *subject,
				  const struct ma_decoy *from, struct ma_buf *out)
{
	(void)kind;
	(void)subject;
	ma_buf_put(out, ma_span(from->seed, MA_HMAC_MD5_STATE));
	return ma_buf_status(out);
}

static const char *parse(const struct ma_kind *kind, const struct ma_subject *subject,
			 struct ma_span text, struct ma_span old, struct ma_buf *out)
{
	(void)kind;
	(void)subject;
	(void)old;
	return ma_kind_parse_hex(text, MA_HMAC_MD5_STATE, out);
}

static bool format(const struct ma_kind *kind, const struct ma_subject *subject,
		   struct ma_span secret, size_t part, struct ma_buf *out)
{
	(void)kind;
	(void)subject;
	return ma_kind_format_hex(secret, MA_HMAC_MD5_STATE, part, out);
}

static const struct ma_kind kind_cram_md5 = {
	.id = MA_KIND_CRAM_MD5,
	.name = "cram-md5",
	.title = "CRAM-MD5 state",
	.strength = MA_STRENGTH_FAST,
	.cost_ns = 400,
	.derive = derive,
	.check = check,
	.decoy = decoy,
	.parse = parse,
	.format = format,
};

const struct ma_mech ma_mech_cram_md5 = {
	.name = "CRAM-MD5",
	.kind = &kind_cram_md5,
	.brings = {&kind_cram_md5},
	.state_size = sizeof(struct cram_state),
	.step = step,
};
