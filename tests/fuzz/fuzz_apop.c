/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_apop.c - dialogues of APOP
 *
 *   ~N  the timestamp
 *
 * RFC 1939 section 7. What the one-shot call says of the same timestamp, user and digest has to be
 * what the session said.
 */
#include <stdio.h>

#include "dialogue.h"
#include "util/codec.h"

static const struct fuzz_way ways[] = {
	{.mech = "APOP", .request = {.host = "mail.example.org"}},
	{.mech = "APOP", .request = {.realm = "other.test"}},
	{.mech = "apop", .request = {.group = "smtp", .flags = MAILAUTH_REQUEST_SUCCESS_DATA}},
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
	const struct ma_span parts[] = {fuzz_last_reply(dialogue), ma_span_text(who->password)};
	uint8_t digest[MA_MD5_LEN];

	(void)letter;
	(void)message;
	(void)at;
	(void)answer;
	ma_md5(parts, MA_ARRAY_SIZE(parts), digest);
	ma_hex_encode(ma_span(digest, sizeof(digest)), out);
}

static void look(struct fuzz_dialogue *dialogue, enum mailauth_status status, struct ma_span reply)
{
	struct mailauth_request request = dialogue->way->request;
	struct ma_span got = fuzz_last_reply(dialogue);
	char timestamp[MAILAUTH_TIMESTAMP_MAX + 1];
	struct ma_span user;
	struct ma_span digest;

	request.size = sizeof(request);
	if (dialogue->n == 0) {
		FUZZ_CHECK((status == MAILAUTH_CONTINUE) == (dialogue->sent[0].len == 0));
		FUZZ_CHECK(reply.len <= MAILAUTH_TIMESTAMP_MAX);
		return;
	}
	FUZZ_CHECK(reply.len == 0);
	if (dialogue->sent[dialogue->n].len > MAILAUTH_MESSAGE_MAX ||
	    !ma_span_split_last(dialogue->sent[dialogue->n], ' ', &user, &digest))
		return;
	(void)snprintf(timestamp, sizeof(timestamp), "%.*s", (int)got.len, (const char *)got.p);
	FUZZ_CHECK(mailauth_verify_apop(dialogue->ctx, &request, timestamp, user.p, user.len,
					digest.p, digest.len, NULL) == status);
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
