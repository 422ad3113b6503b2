/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_cram_md5.c - dialogues of CRAM-MD5
 *
 *   ~N  the challenge
 *
 * RFC 2195 section 2. What the one-shot call says of the same challenge and response has to be
 * what the session said.
 */
#include "dialogue.h"
#include "util/codec.h"

static const struct fuzz_way ways[] = {
	{.mech = "CRAM-MD5", .request = {.host = "mail.example.org"}},
	{.mech = "CRAM-MD5", .request = {.realm = "other.test"}},
	{.mech = "cram-md5", .request = {.group = "smtp", .flags = MAILAUTH_REQUEST_SUCCESS_DATA}},
};

static bool expand(const struct fuzz_dialogue *dialogue, uint8_t letter, struct ma_buf *out)
{
	if (letter != 'N')
		return false;
	ma_buf_put(out, fuzz_last_reply(dialogue));
	return true;
}

static void prove(struct fuzz_dialogue *dialogue, const struct fuzz_account *who, uint8_t letter,
		  struct ma_span message, size_t at, struct ma_buf *out, struct ma_buf *answer)
{
	uint8_t state[MA_HMAC_MD5_STATE];
	uint8_t digest[MA_MD5_LEN];

	(void)letter;
	(void)message;
	(void)at;
	(void)answer;
	ma_hmac_md5_derive(ma_span_text(who->password), state);
	ma_hmac_md5_digest(state, fuzz_last_reply(dialogue), digest);
	ma_hex_encode(ma_span(digest, sizeof(digest)), out);
}

static void look(struct fuzz_dialogue *dialogue, enum mailauth_status status, struct ma_span reply)
{
	struct mailauth_request request = dialogue->way->request;
	struct ma_span challenge = fuzz_last_reply(dialogue);
	struct ma_span response = dialogue->sent[dialogue->n];

	request.size = sizeof(request);
	if (dialogue->n == 0) {
		FUZZ_CHECK((status == MAILAUTH_CONTINUE) == (response.len == 0));
		FUZZ_CHECK(reply.len < MA_CHALLENGE_MAX);
		return;
	}
	FUZZ_CHECK(reply.len == 0);
	FUZZ_CHECK(mailauth_verify_cram(dialogue->ctx, &request, challenge.p, challenge.len,
					response.p, response.len, NULL) == status);
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
