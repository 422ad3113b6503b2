/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_plain.c - dialogues of PLAIN
 *
 * The proof is the password itself. What the one-shot call says of the same user and password has
 * to be what the session said.
 */
#include "dialogue.h"

static const struct fuzz_way ways[] = {
	{.mech = "PLAIN", .request = {.flags = MAILAUTH_REQUEST_TLS}},
	{.mech = "PLAIN", .request = {.realm = "other.test", .service = "smtp", .peer = "::1"}},
	{.mech = "plain", .request = {.group = "smtp"}},
	{.mech = "PLAIN", .request = {.group = "imap", .flags = MAILAUTH_REQUEST_SUCCESS_DATA}},
};

static void prove(struct fuzz_dialogue *dialogue, const struct fuzz_account *who, uint8_t letter,
		  struct ma_span message, size_t at, struct ma_buf *out, struct ma_buf *answer)
{
	(void)dialogue;
	(void)letter;
	(void)message;
	(void)at;
	(void)answer;
	ma_buf_put_text(out, who->password);
}

/* RFC 4616 section 2: [authzid] NUL authcid NUL passwd */
static void look(struct fuzz_dialogue *dialogue, enum mailauth_status status, struct ma_span reply)
{
	struct mailauth_request request = dialogue->way->request;
	struct ma_span message = dialogue->sent[dialogue->n];
	struct ma_span authzid;
	struct ma_span user;

	FUZZ_CHECK(reply.len == 0);
	FUZZ_CHECK(status != MAILAUTH_CONTINUE || (dialogue->n == 0 && message.len == 0));
	if ((status != MAILAUTH_OK && status != MAILAUTH_E_DENIED) ||
	    !ma_span_take_until(&message, '\0', &authzid) ||
	    !ma_span_take_until(&message, '\0', &user) || authzid.len > 0)
		return;
	request.size = sizeof(request);
	FUZZ_CHECK(mailauth_verify_plain(dialogue->ctx, &request, user.p, user.len, message.p,
					 message.len, NULL) == status);
}

static const struct fuzz_client client = {
	.ways = ways,
	.n_ways = MA_ARRAY_SIZE(ways),
	.prove = prove,
	.look = look,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_dialogue(&client, data, size);
}
