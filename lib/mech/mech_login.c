/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mech_login.c - LOGIN
 *
 * No RFC has it; draft-murchison-sasl-login-00 tells what is done in practice.
 *
 *   S: "Username:"        (skipped if the client began with its name)
 *   C: user
 *   S: "Password:"
 *   C: password
 *   S: done
 *
 * The prompts are those of Cyrus SASL and of Postfix's and Exim's own: some clients look at them.
 * What the account holds decides how the password is checked, as for PLAIN. TLS is the session's
 * business.
 */
#include "mech/mech.h"

#include <string.h>

#define USER_MAX 1024 /* bytes; what is longer than a name can be is refused as an unknown one */

struct login_state {
	bool asked; /* for the name */
	bool named;
	size_t user_len;
	uint8_t user[USER_MAX];
};

static enum mailauth_status prompt(const char *text, struct ma_buf *reply)
{
	enum mailauth_status status;

	ma_buf_put_text(reply, text);
	status = ma_buf_status(reply);
	return status == MAILAUTH_OK ? MAILAUTH_CONTINUE : status;
}

static enum mailauth_status take_user(struct login_state *state, struct ma_span in,
				      struct ma_buf *reply)
{
	if (in.len == 0 && !state->asked) {
		state->asked = true;
		return prompt("Username:", reply);
	}
	if (in.len == 0 || memchr(in.p, '\0', in.len) != NULL)
		return MAILAUTH_E_PROTOCOL;
	if (in.len > sizeof(state->user))
		return MAILAUTH_E_LIMIT;
	memcpy(state->user, in.p, in.len);
	state->user_len = in.len;
	state->named = true;
	return prompt("Password:", reply);
}

static enum mailauth_status step(struct ma_exchange *exchange, struct ma_span in,
				 struct ma_buf *reply)
{
	struct login_state *state = exchange->state;
	const struct ma_identity who = {.user = ma_span(state->user, state->user_len)};
	const struct ma_candidates *candidates;
	enum mailauth_status status;

	if (!state->named)
		return take_user(state, in, reply);
	if (in.len == 0 || memchr(in.p, '\0', in.len) != NULL)
		return MAILAUTH_E_PROTOCOL;
	if (in.len > MAILAUTH_PASSWORD_MAX)
		return MAILAUTH_E_LIMIT;
	status = exchange->lookup(exchange->lookup_arg, &who, &candidates);
	if (status != MAILAUTH_OK)
		return status;
	return ma_mech_verify_password(exchange, candidates, in);
}

const struct ma_mech ma_mech_login = {
	.name = "LOGIN",
	.by_password = true,
	.state_size = sizeof(struct login_state),
	.step = step,
};
