/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_secret.c - secrets of an account, whole and damaged
 *
 * Who has the key can seal what he likes, and a record may have been written by a faulty program,
 * so what is in a secret is taken on trust by nobody. The input:
 *
 *   1 byte   the kind of secret, from 'a' on
 *   1 byte   'a' the secret is the rest of the input; 'b' it is derived, then changed by the rest
 *   rest     if changed: steps of 3 bytes, what ('x': exclusive or, 'c': cut, '+': append), where,
 *            with what
 *
 * A password fits a derived secret exactly as long as nothing was changed, and no mechanism ends
 * with a login whose proof was zeros. Iterations and costs are looked at first: running as many as
 * the library allows would leave no time for anything else.
 */
#include <stdlib.h>

#include "fuzz.h"
#include "mech/mech.h"
#include "util/codec.h"
#include "util/crypt.h"

#define PASSWORD	 "Gr\xc3\xbc\xc3\x9f-eiy5Ohz0"
#define WRONG		 "Vaew6eing2-wrong" /* long, too: a fuzzer may write passwords */
#define ITERATIONS_CHEAP 64 /* beyond, PBKDF2 is not run; the cheapest derived secret has 1 */

static const struct ma_config config = {
	.crypt_method = NULL,
	.scram_iterations = 1,
	.digest_realms = (char[]){"lab.test MAIL.example.net"},
};

static struct ma_subject subject_of(void)
{
	return (struct ma_subject){
		.crypto = fuzz_crypto(),
		.config = &config,
		.local = ma_span_text("alice"),
		.realm = ma_span_text("example.org"),
	};
}

/* ---- the secret ---- */

static void change(struct ma_span steps, struct ma_buf *secret)
{
	uint8_t what;
	uint8_t where;
	uint8_t with;

	while (ma_span_take_u8(&steps, &what) && ma_span_take_u8(&steps, &where) &&
	       ma_span_take_u8(&steps, &with)) {
		if (what == 'x' && secret->len > 0)
			secret->p[where % secret->len] ^= with;
		else if (what == 'c' && secret->len > 0)
			secret->len -= where % secret->len + 1;
		else if (what == '+' && secret->len < secret->max)
			ma_buf_put_u8(secret, with);
	}
}

static bool is_scram(const struct ma_kind *kind)
{
	return kind->id >= MA_KIND_SCRAM_SHA_1 && kind->id <= MA_KIND_SCRAM_SHA_512;
}

static bool is_cheap(const struct ma_kind *kind, struct ma_span secret)
{
	uint32_t iterations;

	if (kind->id == MA_KIND_CRYPT) {
		const char *refusal = ma_crypt_refusal(secret);

		FUZZ_CHECK(refusal == NULL || fuzz_is_line(refusal));
		return refusal != NULL;
	}
	return !is_scram(kind) || !ma_span_take_u32(&secret, &iterations) ||
	       iterations <= ITERATIONS_CHEAP || iterations > 1000000;
}

/* ---- what is done with it ---- */

static void check_scram(const struct ma_kind *kind, struct ma_span secret)
{
	const struct ma_subject subject = subject_of();
	const struct ma_decoy from = {.like = secret};
	uint8_t bytes[2][1024];
	struct ma_buf decoy = ma_buf_fixed(bytes[0], sizeof(bytes[0]));
	struct ma_buf text = ma_buf_fixed(bytes[1], sizeof(bytes[1]));

	/* RFC 5803 section 2 */
	if (kind->format(kind, &subject, secret, 0, &text))
		FUZZ_CHECK(memchr(text.p, '\0', text.len) == NULL);
	FUZZ_CHECK(kind->decoy(kind, &subject, &from, &decoy) == MAILAUTH_OK);
	ma_buf_reset(&text);
	FUZZ_CHECK(kind->format(kind, &subject, ma_buf_span(&decoy), 0, &text));
}

/* A text that makes a secret is what the secret is written as, in some part. */
static void check_parsed(const struct ma_kind *kind, struct ma_span text, struct ma_span old)
{
	const struct ma_subject subject = subject_of();
	MA_CLEANUP(ma_buf_clear) struct ma_buf secret = ma_buf(8192);
	bool found = false;
	bool more = true;

	if (kind->parse(kind, &subject, text, old, &secret) != NULL ||
	    ma_buf_status(&secret) != MAILAUTH_OK)
		return;
	for (size_t part = 0; more && !found; part++) {
		MA_CLEANUP(ma_buf_clear) struct ma_buf again = ma_buf(8192);

		more = kind->format(kind, &subject, ma_buf_span(&secret), part, &again);
		found = more && ma_span_equal_case(ma_buf_span(&again), text);
	}
	/* Base64 has one form only and SCRAM's iterations may begin with zeros. */
	FUZZ_CHECK(found || is_scram(kind) || kind->id == MA_KIND_DIGEST_MD5);
}

static void check_text(const struct ma_kind *kind, struct ma_span secret)
{
	const struct ma_subject subject = subject_of();
	bool more = true;

	check_parsed(kind, secret, ma_span(NULL, 0));
	for (size_t part = 0; more && part < 64; part++) {
		MA_CLEANUP(ma_buf_clear) struct ma_buf text = ma_buf(8192);

		more = kind->format(kind, &subject, secret, part, &text);
		if (more)
			check_parsed(kind, ma_buf_span(&text), secret);
	}
}

static void check_digest(struct ma_span secret)
{
	static const char *const realms[] = {"", "example.org", "lab.test", "none.test"};

	for (size_t i = 0; i < MA_ARRAY_SIZE(realms); i++) {
		for (int full = 0; full < 2; full++) {
			struct ma_span ha1 = ma_span(NULL, 0);

			if (ma_digest_md5_find(secret, ma_span_text(realms[i]), full != 0, &ha1))
				FUZZ_CHECK(ha1.len == MA_MD5_LEN && ha1.p >= secret.p &&
					   ha1.p + ha1.len <= secret.p + secret.len);
		}
	}
}

struct holder {
	unsigned int n_lookups;
	struct ma_credential credential;
	struct ma_candidates candidates;
};

static enum mailauth_status lookup(void *arg, const struct ma_identity *who,
				   const struct ma_candidates **candidates_out)
{
	struct holder *holder = arg;

	FUZZ_CHECK(who->user.len > 0);
	FUZZ_CHECK(++holder->n_lookups == 1);
	*candidates_out = &holder->candidates;
	return MAILAUTH_OK;
}

/* The client of a mechanism, with the right words and a proof of zeros. */
static void answer(const struct ma_mech *mech, struct ma_span got, size_t n, struct ma_buf *out)
{
	static const uint8_t zeros[MA_HASH_MAX];
	const char *name = mech->name;

	if (strncmp(name, "SCRAM", 5) == 0 && n == 0) {
		ma_buf_put_text(out, "n,,n=alice,r=abc");
	} else if (strncmp(name, "SCRAM", 5) == 0) {
		const uint8_t *comma = memchr(got.p, ',', got.len);

		FUZZ_CHECK(comma != NULL && n == 1);
		ma_buf_put_text(out, "c=biws,");
		ma_buf_put(out, ma_span(got.p, (size_t)(comma - got.p)));
		ma_buf_put_text(out, ",p=");
		ma_base64_encode(ma_span(zeros, ma_hash_len(mech->kind->hash)), out);
	} else if (strcmp(name, "PLAIN") == 0) {
		ma_buf_put(out, ma_span("\0alice\0" WRONG, 7 + strlen(WRONG)));
	} else if (strcmp(name, "LOGIN") == 0) {
		ma_buf_put_text(out, n == 0 ? "alice" : WRONG);
	} else if (n == 1 && strcmp(name, "DIGEST-MD5") == 0) {
		const uint8_t *nonce = memmem(got.p, got.len, "nonce=\"", 7);

		FUZZ_CHECK(nonce != NULL);
		ma_buf_put_text(out, "username=\"alice\",realm=\"example.org\",nonce=\"");
		ma_buf_put(out, ma_span(nonce + 7, 32));
		ma_buf_put_text(out, "\",cnonce=\"x\",nc=00000001,digest-uri=\"x\",response=");
		ma_hex_encode(ma_span(zeros, MA_MD5_LEN), out);
	} else if (n == 1) {
		ma_buf_put_text(out, "alice ");
		ma_hex_encode(ma_span(zeros, MA_MD5_LEN), out);
	}
}

static void log_in(const struct ma_mech *mech, const struct ma_kind *kind, struct ma_span secret)
{
	struct holder holder = {.n_lookups = 0};
	struct ma_exchange exchange = {
		.mech = mech,
		.crypto = fuzz_crypto(),
		.host = ma_span_text("mail.example.org"),
		.realm = ma_span_text("example.org"),
		.state = calloc(1, mech->state_size),
		.lookup = lookup,
		.lookup_arg = &holder,
	};
	MA_CLEANUP(ma_buf_clear) struct ma_buf reply = ma_buf(MAILAUTH_MESSAGE_MAX);
	MA_CLEANUP(ma_buf_clear) struct ma_buf message = ma_buf(MAILAUTH_MESSAGE_MAX);
	enum mailauth_status status = MAILAUTH_CONTINUE;

	FUZZ_CHECK(exchange.state != NULL);
	holder.credential.n_secrets = 1;
	holder.credential.secrets[0] =
		(struct ma_secret){.kind = (uint8_t)kind->id, .value = secret};
	holder.candidates.subject = subject_of();
	holder.candidates.n = 1;
	holder.candidates.items[0] = &holder.credential;
	for (size_t n = 0; status == MAILAUTH_CONTINUE; n++) {
		FUZZ_CHECK(n < 3);
		ma_buf_reset(&message);
		answer(mech, ma_buf_span(&reply), n, &message);
		ma_buf_reset(&reply);
		status = mech->step(&exchange, ma_buf_span(&message), &reply);
	}
	FUZZ_CHECK(status == MAILAUTH_E_DENIED);
	free(exchange.state);
}

static void log_in_everywhere(const struct ma_kind *kind, struct ma_span secret)
{
	const struct ma_secret held = {.kind = (uint8_t)kind->id, .value = secret};
	const struct ma_mech *mech;

	for (size_t i = 0; (mech = ma_mech_at(i)) != NULL; i++)
		if (!mech->needs_binding && ma_mech_accepts(mech, &held))
			log_in(mech, kind, secret);
}

/* ---- the target ---- */

static void use(const struct ma_kind *kind, struct ma_span secret, bool fits)
{
	const struct ma_subject subject = subject_of();
	enum mailauth_status status;

	check_text(kind, secret);
	if (!is_cheap(kind, secret))
		return;
	if (is_scram(kind))
		check_scram(kind, secret);
	if (kind->id == MA_KIND_DIGEST_MD5)
		check_digest(secret);
	status = kind->check(kind, &subject, secret, ma_span_text(PASSWORD));
	/* A group of digest-md5 may be missing: the configuration had other realms in its day. */
	if (fits || status != MAILAUTH_OK || kind->id != MA_KIND_DIGEST_MD5)
		FUZZ_CHECK(status == (fits ? MAILAUTH_OK : MAILAUTH_E_DENIED));
	FUZZ_CHECK(kind->check(kind, &subject, secret, ma_span_text(WRONG)) == MAILAUTH_E_DENIED);
	log_in_everywhere(kind, secret);
	fuzz_accepted = fits;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum ma_kind_id ids[] = {MA_KIND_DIGEST_MD5,    MA_KIND_SCRAM_SHA_1,
					      MA_KIND_SCRAM_SHA_256, MA_KIND_SCRAM_SHA_512,
					      MA_KIND_CRAM_MD5,	     MA_KIND_SASL_PLAIN,
					      MA_KIND_PASSWORD,	     MA_KIND_CRYPT};
	static uint8_t bytes[2][MA_SECRET_MAX];
	struct ma_buf derived = ma_buf_fixed(bytes[0], MA_SECRET_MAX);
	struct ma_buf secret = ma_buf_fixed(bytes[1], MA_SECRET_MAX);
	const struct ma_subject subject = subject_of();
	struct ma_span in = ma_span(data, size);
	const struct ma_kind *kind;
	uint8_t which;
	uint8_t how;
	uint8_t *copy;
	size_t len;

	fuzz_accepted = false;
	fuzz_random_reset();
	if (!ma_span_take_u8(&in, &which) || !ma_span_take_u8(&in, &how) || in.len > MA_SECRET_MAX)
		return 0;
	kind = ma_kind_find(ids[(uint8_t)(which - 'a') % MA_ARRAY_SIZE(ids)]);
	if (how == 'b' && kind->id != MA_KIND_CRYPT) {
		FUZZ_CHECK(kind->derive(kind, &subject, ma_span_text(PASSWORD), &derived) ==
			   MAILAUTH_OK);
		ma_buf_put(&secret, ma_buf_span(&derived));
		change(in, &secret);
	} else {
		ma_buf_put(&secret, in);
	}
	copy = fuzz_copy(ma_buf_span(&secret));
	len = secret.len;
	use(kind, ma_span(copy, len),
	    derived.len > 0 && ma_span_equal(ma_buf_span(&derived), ma_buf_span(&secret)));
	free(copy);
	return 0;
}
