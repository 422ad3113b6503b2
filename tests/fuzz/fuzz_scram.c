/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_scram.c - dialogues of SCRAM, all hashes, with and without channel binding
 *
 *   ~N  the nonce, both halves    ~B  what belongs behind "c="    ~e  the local part, escaped
 *
 * RFC 5802 section 5. The client signs what really was said, cut at the places where RFC 5802
 * section 3 cuts it, so that the fuzzer may fill it with whatever it likes. The right answer is
 * known, and has to come.
 */
#include "dialogue.h"
#include "util/codec.h"

#define DATA_16	 "0123456789abcdef"
#define DATA_64	 DATA_16 DATA_16 DATA_16 DATA_16
#define DATA_128 DATA_64 DATA_64

static const struct mailauth_binding one[] = {{"tls-exporter", DATA_16 DATA_16, 32}};
static const struct mailauth_binding many[] = {
	{"tls-exporter", "\0\xff\0", 3},
	{"tls-server-end-point", DATA_128, MAILAUTH_BINDING_MAX},
	{"tls-unique", "\1", 1},
	{"x", DATA_64, 64},
};

#define WITH(b) .bindings = b, .n_bindings = MA_ARRAY_SIZE(b)

static const struct fuzz_way ways[] = {
	{.mech = "SCRAM-SHA-1", .request = {.host = "mail.example.org"}},
	{.mech = "SCRAM-SHA-256", .request = {.flags = MAILAUTH_REQUEST_SUCCESS_DATA}},
	{.mech = "SCRAM-SHA-512", .request = {.realm = "other.test"}},
	{.mech = "SCRAM-SHA-1-PLUS",
	 .request = {.flags = MAILAUTH_REQUEST_SUCCESS_DATA, WITH(many)}},
	{.mech = "SCRAM-SHA-256-PLUS", .request = {WITH(one)}},
	{.mech = "SCRAM-SHA-512-PLUS", .request = {WITH(many), .group = "smtp"}},
	/* It could have bound, and 'y' says that somebody took that offer out */
	{.mech = "SCRAM-SHA-256", .request = {WITH(one), .group = "imap"}},
};

/* RFC 5802 section 7: client-first-message-bare stands behind the two commas of gs2-header */
static struct ma_span first_bare(const struct fuzz_dialogue *dialogue)
{
	struct ma_span bare = dialogue->n > 0 ? dialogue->sent[dialogue->n - 1] : ma_span(NULL, 0);
	struct ma_span head;

	(void)!(ma_span_take_until(&bare, ',', &head) && ma_span_take_until(&bare, ',', &head));
	return bare;
}

static void put_channel(const struct fuzz_dialogue *dialogue, struct ma_buf *out)
{
	const struct mailauth_request *request = &dialogue->way->request;
	struct ma_span bare = first_bare(dialogue);
	struct ma_span header =
		dialogue->n > 0 ? dialogue->sent[dialogue->n - 1] : ma_span(NULL, 0);
	struct ma_span type = fuzz_behind(header, "p=", ',');
	uint8_t bytes[MAILAUTH_MESSAGE_MAX];
	struct ma_buf channel = ma_buf_fixed(bytes, sizeof(bytes));

	header.len -= bare.len;
	ma_buf_put(&channel, header);
	for (size_t i = 0; i < request->n_bindings; i++) {
		const struct mailauth_binding *binding = &request->bindings[i];

		if (header.len > 0 && header.p[0] == 'p' &&
		    ma_span_equal(type, ma_span_text(binding->type)))
			ma_buf_put(&channel, ma_span(binding->p, binding->len));
	}
	ma_base64_encode(ma_buf_span(&channel), out);
}

static bool expand(const struct fuzz_dialogue *dialogue, uint8_t letter, struct ma_buf *out)
{
	switch (letter) {
	case 'N':
		ma_buf_put(out, fuzz_behind(fuzz_last_reply(dialogue), "r=", ','));
		return true;
	case 'B':
		put_channel(dialogue, out);
		return true;
	case 'e':
		for (const char *c = dialogue->account->local; *c != '\0'; c++) {
			if (*c == '=')
				ma_buf_put_text(out, "=3D");
			else
				ma_buf_put_u8(out, (uint8_t)*c);
		}
		return true;
	default:
		return false;
	}
}

/* RFC 5802 section 3 */
static void sign(const struct fuzz_dialogue *dialogue, const uint8_t *key, struct ma_span signed_,
		 uint8_t *out)
{
	enum ma_hash hash = dialogue->mech->kind->hash;
	const struct ma_span comma = ma_span_text(",");
	const struct ma_span parts[] = {first_bare(dialogue), comma, fuzz_last_reply(dialogue),
					comma, signed_};

	ma_hmac(hash, ma_span(key, ma_hash_len(hash)), parts, MA_ARRAY_SIZE(parts), out);
}

static void prove(struct fuzz_dialogue *dialogue, const struct fuzz_account *who, uint8_t letter,
		  struct ma_span message, size_t at, struct ma_buf *out, struct ma_buf *answer)
{
	enum ma_hash hash = dialogue->mech->kind->hash;
	const struct fuzz_scram_keys *keys = &who->scram[hash];
	size_t len = ma_hash_len(hash);
	struct ma_span signed_ = ma_span(message.p, at);
	struct ma_span attribute;
	uint8_t bytes[MA_HASH_MAX];

	(void)letter;
	(void)!ma_span_split_last(signed_, ',', &signed_, &attribute);
	sign(dialogue, keys->stored, signed_, bytes);
	for (size_t i = 0; i < len; i++)
		bytes[i] ^= keys->client[i];
	ma_base64_encode(ma_span(bytes, len), out);
	sign(dialogue, keys->server, signed_, bytes);
	ma_buf_put_text(answer, "v=");
	ma_base64_encode(ma_span(bytes, len), answer);
}

static void look(struct fuzz_dialogue *dialogue, enum mailauth_status status, struct ma_span reply)
{
	const struct mailauth_request *request = &dialogue->way->request;
	struct ma_span first = dialogue->sent[0];

	(void)status;
	if (reply.len > 1 && reply.p[0] == 'v') {
		FUZZ_CHECK(fuzz_is_answer(dialogue, reply));
		return;
	}
	if (reply.len == 0 || first.len == 0)
		return;
	/* RFC 5802 section 6: no login but with the binding that was agreed on */
	FUZZ_CHECK((first.p[0] == 'p') == dialogue->mech->needs_binding);
	FUZZ_CHECK(first.p[0] != 'y' || request->n_bindings == 0);
}

static const struct fuzz_client client = {
	.ways = ways,
	.n_ways = MA_ARRAY_SIZE(ways),
	.expand = expand,
	.prove = prove,
	.look = look,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_dialogue(&client, data, size);
}
