/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_digest_md5.c - dialogues of DIGEST-MD5
 *
 *   ~N  the nonce       ~u  the local part in Latin-1
 *   ~L  the proof of the password in Latin-1      ~E  one that leaves an empty authzid out
 *
 * RFC 2831 section 2.1.2.1. The proof is over the values that stand in the message, read by a
 * parser that takes what it can and refuses nothing, so that the fuzzer may write them in all ways
 * and still be right. The right answer to it is known, and has to come.
 */
#include <strings.h>

#include "dialogue.h"
#include "util/codec.h"

static const struct fuzz_way ways[] = {
	{.mech = "DIGEST-MD5", .request = {.host = "mail.example.org"}},
	{.mech = "DIGEST-MD5", .request = {.flags = MAILAUTH_REQUEST_SUCCESS_DATA}},
	{.mech = "digest-md5", .request = {.realm = "other.test", .group = "smtp"}},
	{.mech = "DIGEST-MD5", .request = {.realm = "A \"quoted\\ realm"}},
};

/* ---- reading the message that is being written ---- */

#define VALUE_MAX 4096

/* Plain bytes, as this is most of what a run does and the library's buffers are instrumented. */
struct text {
	size_t len;
	uint8_t bytes[VALUE_MAX];
};

static bool is_one_of(uint8_t c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static void skip(struct ma_span *in, const char *set)
{
	while (in->len > 0 && is_one_of(in->p[0], set))
		*in = ma_span(in->p + 1, in->len - 1);
}

static uint8_t take(struct ma_span *in)
{
	uint8_t c = in->p[0];

	*in = ma_span(in->p + 1, in->len - 1);
	return c;
}

/* Up to one of @ends, or quoted. */
static void take_word(struct ma_span *in, const char *ends, struct text *out)
{
	bool quoted = in->len > 0 && in->p[0] == '"';

	out->len = 0;
	if (quoted)
		(void)take(in);
	while (in->len > 0 && (quoted || !is_one_of(in->p[0], ends))) {
		uint8_t c = take(in);

		if (quoted && c == '"')
			return;
		if (quoted && c == '\\' && in->len > 0)
			c = take(in);
		out->bytes[out->len++] = c; /* no longer than the message */
	}
}

enum { USERNAME, REALM, NONCE, CNONCE, DIGEST_URI, AUTHZID, N_VALUES };

struct values {
	bool has[N_VALUES];
	struct text text[N_VALUES];
	bool with_authzid;
};

/* The first directive of each name. */
static void read_values(struct ma_span message, struct values *values_out)
{
	static const char *const names[N_VALUES] = {"username", "realm",      "nonce",
						    "cnonce",	"digest-uri", "authzid"};
	static struct text word;

	for (size_t i = 0; i < N_VALUES; i++) {
		values_out->has[i] = false;
		values_out->text[i].len = 0;
	}
	while (message.len > 0) {
		struct text *value = &word;

		skip(&message, " \t\r\n,");
		take_word(&message, "= \t\r\n,", &word);
		skip(&message, " \t\r\n");
		if (message.len == 0 || take(&message) != '=')
			continue;
		skip(&message, " \t\r\n");
		for (size_t i = 0; i < N_VALUES; i++) {
			if (values_out->has[i] || word.len != strlen(names[i]) ||
			    strncasecmp((const char *)word.bytes, names[i], word.len) != 0)
				continue;
			values_out->has[i] = true;
			value = &values_out->text[i];
			break;
		}
		take_word(&message, " \t\r\n,", value);
	}
}

/* ---- the client ---- */

static bool expand(const struct fuzz_dialogue *dialogue, uint8_t letter, struct ma_buf *out)
{
	switch (letter) {
	case 'N':
		ma_buf_put(out, fuzz_behind(fuzz_last_reply(dialogue), "nonce=\"", '"'));
		return true;
	case 'u':
		fuzz_put_latin1(dialogue->account->local, out);
		return true;
	default:
		return false;
	}
}

static struct ma_span value(const struct values *values, size_t which)
{
	return ma_span(values->text[which].bytes, values->text[which].len);
}

static void put_md5(const struct ma_span *parts, size_t n, uint8_t hex_out[2 * MA_MD5_LEN])
{
	struct ma_buf hex = ma_buf_fixed(hex_out, 2 * MA_MD5_LEN);
	uint8_t digest[MA_MD5_LEN];

	ma_md5(parts, n, digest);
	ma_hex_encode(ma_span(digest, sizeof(digest)), &hex);
}

static void compute(const struct values *v, struct ma_span password, const char *method,
		    uint8_t hex_out[2 * MA_MD5_LEN])
{
	const struct ma_span colon = ma_span_text(":");
	const struct ma_span user[] = {value(v, USERNAME), colon, value(v, REALM), colon, password};
	uint8_t ha1[MA_MD5_LEN];
	const struct ma_span a1[] = {ma_span(ha1, sizeof(ha1)), colon, value(v, NONCE),	 colon,
				     value(v, CNONCE),		colon, value(v, AUTHZID)};
	const struct ma_span a2[] = {ma_span_text(method), colon, value(v, DIGEST_URI)};
	uint8_t hex[2][2 * MA_MD5_LEN];
	const struct ma_span all[] = {ma_span(hex[0], sizeof(hex[0])),
				      colon,
				      value(v, NONCE),
				      ma_span_text(":00000001:"),
				      value(v, CNONCE),
				      ma_span_text(":auth:"),
				      ma_span(hex[1], sizeof(hex[1]))};

	ma_md5(user, MA_ARRAY_SIZE(user), ha1);
	put_md5(a1, v->with_authzid ? MA_ARRAY_SIZE(a1) : MA_ARRAY_SIZE(a1) - 2, hex[0]);
	put_md5(a2, MA_ARRAY_SIZE(a2), hex[1]);
	put_md5(all, MA_ARRAY_SIZE(all), hex_out);
}

static void prove(struct fuzz_dialogue *dialogue, const struct fuzz_account *who, uint8_t letter,
		  struct ma_span message, size_t at, struct ma_buf *out, struct ma_buf *answer)
{
	static struct values v;
	uint8_t password_bytes[256];
	struct ma_buf password = ma_buf_fixed(password_bytes, sizeof(password_bytes));
	uint8_t hex[2 * MA_MD5_LEN];

	(void)dialogue;
	(void)at;
	/* RFC 2831 section 2.1.2: longer ones are read by nobody */
	if (message.len > VALUE_MAX)
		return;
	read_values(message, &v);
	v.with_authzid = v.has[AUTHZID] && letter != 'E';
	if (letter == 'L')
		fuzz_put_latin1(who->password, &password);
	else
		ma_buf_put_text(&password, who->password);
	compute(&v, ma_buf_span(&password), "AUTHENTICATE", hex);
	ma_buf_put(out, ma_span(hex, sizeof(hex)));
	compute(&v, ma_buf_span(&password), "", hex);
	ma_buf_put_text(answer, "rspauth=");
	ma_buf_put(answer, ma_span(hex, sizeof(hex)));
}

static void look(struct fuzz_dialogue *dialogue, enum mailauth_status status, struct ma_span reply)
{
	if (dialogue->n == 0) {
		FUZZ_CHECK((status == MAILAUTH_CONTINUE) == (dialogue->sent[0].len == 0));
		/* RFC 2831 section 2.1.1 */
		FUZZ_CHECK(reply.len < 2048);
	} else if (reply.len > 0) {
		FUZZ_CHECK(fuzz_is_answer(dialogue, reply));
	}
}

static const struct fuzz_client client = {
	.ways = ways,
	.n_ways = MA_ARRAY_SIZE(ways),
	.proofs = "LE",
	.expand = expand,
	.prove = prove,
	.look = look,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_dialogue(&client, data, size);
}
