/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mech_plain.c - PLAIN, and the secrets made for checking a password
 *
 * RFC 4616 section 2:  message = [authzid] NUL authcid NUL passwd
 *
 *   C: [authzid] NUL authcid NUL passwd      (S sends an empty challenge if C did not begin)
 *   S: done
 *
 * The message is split here; whether the password is right is asked of whatever secret the account
 * holds. Two kinds are at home here: `sasl-plain`, which libsasl2 can check without a daemon
 * (lib/checkpw.c of Cyrus SASL), and `crypt`, a crypt(3) string, for accounts that hold nothing
 * weaker. TLS is the session's business.
 */
#include "mech/mech.h"

#include "util/crypt.h"
#include "util/mem.h"

#define SALT_LEN 16

struct plain_state {
	bool asked; /* the empty challenge went out */
};

static enum mailauth_status step(struct ma_exchange *exchange, struct ma_span in,
				 struct ma_buf *reply)
{
	struct plain_state *state = exchange->state;
	const struct ma_candidates *candidates;
	struct ma_identity who = {.realm = ma_span(NULL, 0)};
	enum mailauth_status status;

	(void)reply;
	if (in.len == 0 && !state->asked) {
		state->asked = true;
		return MAILAUTH_CONTINUE;
	}
	/* RFC 4616 section 2: exactly two NULs, and neither authcid nor passwd is empty */
	if (!ma_span_take_until(&in, '\0', &who.authzid) ||
	    !ma_span_take_until(&in, '\0', &who.user))
		return MAILAUTH_E_PROTOCOL;
	if (who.user.len == 0 || in.len == 0 || memchr(in.p, '\0', in.len) != NULL)
		return MAILAUTH_E_PROTOCOL;
	if (in.len > MAILAUTH_PASSWORD_MAX)
		return MAILAUTH_E_LIMIT;
	status = exchange->lookup(exchange->lookup_arg, &who, &candidates);
	if (status != MAILAUTH_OK)
		return status;
	return ma_mech_verify_password(exchange, candidates, in);
}

/* The digest that libsasl2 computes for cmusaslsecretPLAIN. */
static void digest(const uint8_t *salt, struct ma_span password, uint8_t digest_out[MA_MD5_LEN])
{
	const struct ma_span parts[] = {ma_span(salt, SALT_LEN), ma_span_text("sasldb"), password};

	ma_md5(parts, MA_ARRAY_SIZE(parts), digest_out);
}

static enum mailauth_status derive_sasl_plain(const struct ma_kind *kind,
					      const struct ma_subject *subject,
					      struct ma_span password, struct ma_buf *out)
{
	uint8_t secret[SALT_LEN + MA_MD5_LEN];
	enum mailauth_status status = ma_random(subject->crypto, secret, SALT_LEN);

	(void)kind;
	if (status != MAILAUTH_OK)
		return status;
	digest(secret, password, secret + SALT_LEN);
	ma_buf_put(out, ma_span(secret, sizeof(secret)));
	ma_wipe(secret, sizeof(secret));
	return ma_buf_status(out);
}

static enum mailauth_status check_sasl_plain(const struct ma_kind *kind,
					     const struct ma_subject *subject,
					     struct ma_span secret, struct ma_span password)
{
	uint8_t got[MA_MD5_LEN];
	bool fits;

	(void)kind;
	(void)subject;
	if (secret.len != SALT_LEN + MA_MD5_LEN)
		return MAILAUTH_E_DENIED;
	digest(secret.p, password, got);
	fits = ma_equal_ct(ma_span(got, sizeof(got)), ma_span(secret.p + SALT_LEN, MA_MD5_LEN));
	ma_wipe(got, sizeof(got));
	return fits ? MAILAUTH_OK : MAILAUTH_E_DENIED;
}

static enum mailauth_status decoy_sasl_plain(const struct ma_kind *kind,
					     const struct ma_subject *subject,
					     const struct ma_decoy *from, struct ma_buf *out)
{
	(void)kind;
	(void)subject;
	ma_buf_put(out, ma_span(from->seed, SALT_LEN + MA_MD5_LEN));
	return ma_buf_status(out);
}

static enum mailauth_status derive_crypt(const struct ma_kind *kind,
					 const struct ma_subject *subject, struct ma_span password,
					 struct ma_buf *out)
{
	uint8_t salt[32];
	char text[MA_CRYPT_MAX];
	struct ma_buf setting = ma_buf_fixed(text, sizeof(text));
	enum mailauth_status status = ma_random(subject->crypto, salt, sizeof(salt));

	(void)kind;
	if (status == MAILAUTH_OK)
		status =
			ma_crypt_setting(subject->config->crypt_method, subject->config->crypt_cost,
					 ma_span(salt, sizeof(salt)), &setting);
	if (status != MAILAUTH_OK)
		return status;
	return ma_crypt(password, ma_buf_span(&setting), out);
}

static enum mailauth_status check_crypt(const struct ma_kind *kind,
					const struct ma_subject *subject, struct ma_span secret,
					struct ma_span password)
{
	char text[MA_CRYPT_MAX];
	MA_CLEANUP(ma_buf_clear) struct ma_buf got = ma_buf_fixed(text, sizeof(text));
	enum mailauth_status status = ma_crypt(password, secret, &got);

	(void)kind;
	(void)subject;
	/* A hash that is not usable and a password that crypt(3) cannot take both mean: no. */
	if (status == MAILAUTH_E_USAGE || status == MAILAUTH_E_LIMIT)
		return MAILAUTH_E_DENIED;
	if (status != MAILAUTH_OK)
		return status;
	return ma_equal_ct(ma_buf_span(&got), secret) ? MAILAUTH_OK : MAILAUTH_E_DENIED;
}

/* A setting alone: it costs as much to run as a hash, and no hash is equal to it. */
static enum mailauth_status decoy_crypt(const struct ma_kind *kind,
					const struct ma_subject *subject,
					const struct ma_decoy *from, struct ma_buf *out)
{
	(void)kind;
	return ma_crypt_setting(subject->config->crypt_method, subject->config->crypt_cost,
				ma_span(from->seed, sizeof(from->seed)), out);
}

static const char *parse_sasl_plain(const struct ma_kind *kind, const struct ma_subject *subject,
				    struct ma_span text, struct ma_span old, struct ma_buf *out)
{
	(void)kind;
	(void)subject;
	(void)old;
	return ma_kind_parse_hex(text, SALT_LEN + MA_MD5_LEN, out);
}

static bool format_sasl_plain(const struct ma_kind *kind, const struct ma_subject *subject,
			      struct ma_span secret, size_t part, struct ma_buf *out)
{
	(void)kind;
	(void)subject;
	return ma_kind_format_hex(secret, SALT_LEN + MA_MD5_LEN, part, out);
}

static const char *parse_crypt(const struct ma_kind *kind, const struct ma_subject *subject,
			       struct ma_span text, struct ma_span old, struct ma_buf *out)
{
	const char *why = ma_crypt_refusal(text);

	(void)kind;
	(void)subject;
	(void)old;
	/* Half a hash, and a password given by mistake, can pass for a setting. */
	if (why == NULL && !ma_crypt_is_whole(text))
		why = "it is not a whole hash; did you mean a password?";
	ma_buf_put(out, text);
	return why;
}

static bool format_crypt(const struct ma_kind *kind, const struct ma_subject *subject,
			 struct ma_span secret, size_t part, struct ma_buf *out)
{
	(void)kind;
	(void)subject;
	if (part > 0)
		return false;
	ma_buf_put(out, secret);
	return true;
}

const struct ma_kind ma_kind_sasl_plain = {
	.id = MA_KIND_SASL_PLAIN,
	.name = "sasl-plain",
	.title = "salted digest",
	.strength = MA_STRENGTH_FAST,
	.cost_ns = 200,
	.derive = derive_sasl_plain,
	.check = check_sasl_plain,
	.decoy = decoy_sasl_plain,
	.parse = parse_sasl_plain,
	.format = format_sasl_plain,
};

const struct ma_kind ma_kind_crypt = {
	.id = MA_KIND_CRYPT,
	.name = "crypt",
	.title = "crypt(3) string",
	.strength = MA_STRENGTH_SLOW,
	.cost_ns = 20000000,
	.derive = derive_crypt,
	.check = check_crypt,
	.decoy = decoy_crypt,
	.parse = parse_crypt,
	.format = format_crypt,
};

const struct ma_mech ma_mech_plain = {
	.name = "PLAIN",
	.by_password = true,
	.brings = {&ma_kind_sasl_plain, &ma_kind_crypt},
	.state_size = sizeof(struct plain_state),
	.step = step,
};
