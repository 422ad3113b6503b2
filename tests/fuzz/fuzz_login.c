/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_login.c - dialogues of LOGIN
 *
 * The proof is the password itself. What the one-shot call says of the same user and password has
 * to be what the session said.
 */
#include "dialogue.h"

static const struct fuzz_way ways[] = {
	{.mech = "LOGIN", .request = {.flags = MAILAUTH_REQUEST_TLS}},
	{.mech = "LOGIN", .request = {.realm = "other.test"}},
	{.mech = "login", .request = {.group = "smtp", .flags = MAILAUTH_REQUEST_SUCCESS_DATA}},
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

static void look(struct fuzz_dialogue *dialogue, enum mailauth_status status, struct ma_span reply)
{
	struct mailauth_request request = dialogue->way->request;
	struct ma_span password = dialogue->sent[dialogue->n];
	struct ma_span user;

	if (status == MAILAUTH_CONTINUE)
		FUZZ_CHECK(ma_span_equal(reply, ma_span_text("Username:")) ||
			   ma_span_equal(reply, ma_span_text("Password:")));
	if (status != MAILAUTH_OK && status != MAILAUTH_E_DENIED)
		return;
	FUZZ_CHECK(dialogue->n > 0 && reply.len == 0);
	user = dialogue->sent[dialogue->n - 1];
	request.size = sizeof(request);
	FUZZ_CHECK(mailauth_verify_plain(dialogue->ctx, &request, user.p, user.len, password.p,
					 password.len, NULL) == status);
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
