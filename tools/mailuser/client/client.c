/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.c - the client's side of a login: find the mechanism, run the dialogue
 *
 * See client.h. A dialogue is the client's answers to the server's messages until the server has
 * decided. Where a mechanism lets the server prove itself, success without that proof is none: a
 * server that says yes to everything knows nothing.
 */
#include "client.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIALOGUE_MAX 8 /* messages; no mechanism needs more */

void ma_answer_put(struct client_answer *answer, const void *p, size_t len)
{
	if (answer->is_full || len > sizeof(answer->bytes) - answer->len) {
		answer->is_full = true;
		return;
	}
	if (len > 0)
		memcpy(answer->bytes + answer->len, p, len);
	answer->len += len;
}

void ma_answer_put_text(struct client_answer *answer, const char *text)
{
	ma_answer_put(answer, text, strlen(text));
}

void ma_answer_put_hex(struct client_answer *answer, const void *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *bytes = p;

	for (size_t i = 0; i < len; i++) {
		ma_answer_put(answer, &digits[bytes[i] >> 4], 1);
		ma_answer_put(answer, &digits[bytes[i] & 15], 1);
	}
}

bool ma_client_give_up(struct client_login *login, const char *why)
{
	login->why = why;
	return false;
}

bool ma_client_is_text(struct client_bytes in, const char *text)
{
	return in.len == strlen(text) && (in.len == 0 || memcmp(in.p, text, in.len) == 0);
}

const struct client *ma_client_find(const char *mech)
{
	for (size_t i = 0; ma_client_files[i] != NULL; i++) {
		for (const struct client *client = ma_client_files[i]; client->mech != NULL;
		     client++)
			if (strcasecmp(mech, client->mech) == 0)
				return client;
	}
	return NULL;
}

static enum mailauth_status answer_step(struct mailauth_session *session,
					struct client_login *login, struct client_bytes *in)
{
	struct client_answer answer = {.len = 0};
	enum mailauth_status status = MAILAUTH_E_PROTOCOL;

	if (!login->client->answer(login, *in, &answer)) {
		if (login->why == NULL)
			login->why = "this machine's OpenSSL lacks an algorithm: install its "
				     "default provider";
	} else if (answer.is_full) {
		login->why = "the answer would be longer than the mechanism allows";
	} else {
		status = mailauth_session_step(session, answer.bytes, answer.len, &in->p, &in->len);
	}
	explicit_bzero(&answer, sizeof(answer));
	return status;
}

static enum mailauth_status run(struct mailauth_session *session, struct client_login *login)
{
	enum mailauth_status status = MAILAUTH_CONTINUE;
	struct client_bytes in = {NULL, 0};

	if (!login->client->speaks_first)
		status = mailauth_session_step(session, NULL, 0, &in.p, &in.len);
	for (int i = 0; status == MAILAUTH_CONTINUE && i < DIALOGUE_MAX; i++)
		status = answer_step(session, login, &in);
	if (status == MAILAUTH_CONTINUE)
		login->why = "the server does not come to an end";
	else if (status == MAILAUTH_OK && login->client->is_mutual && !login->is_mutual)
		login->why = "the server accepted the password without proving that it knows it";
	return login->why == NULL ? status : MAILAUTH_E_PROTOCOL;
}

enum mailauth_status ma_client_login(const struct client *client, struct mailauth_session *session,
				     struct client_login *login)
{
	/* One byte more, so that a mechanism without a state has a pointer, too. */
	unsigned char *state = calloc(1, client->state_size + 1);
	struct client_crypto *crypto = ma_client_crypto_new();
	enum mailauth_status status = MAILAUTH_E_NOMEM;

	login->client = client;
	login->crypto = crypto;
	login->state = state;
	login->is_mutual = false;
	login->iterations = 0;
	login->why = NULL;
	if (state != NULL && crypto != NULL)
		status = run(session, login);
	ma_client_crypto_free(crypto);
	if (state != NULL)
		explicit_bzero(state, client->state_size);
	free(state);
	login->crypto = NULL;
	login->state = NULL;
	return status;
}
