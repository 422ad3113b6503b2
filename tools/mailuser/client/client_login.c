/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client_login.c - the client's side of LOGIN
 *
 * draft-murchison-sasl-login-00: the name, when asked for the first time; then the password. As in
 * many mail programs, what the prompts say does not matter.
 */
#include "client.h"

struct state {
	bool is_named;
};

static bool answer(struct client_login *login, struct client_bytes in,
		   struct client_answer *answer_out)
{
	struct state *state = login->state;

	(void)in;
	if (state->is_named)
		ma_answer_put(answer_out, login->password.p, login->password.len);
	else
		ma_answer_put_text(answer_out, login->name);
	state->is_named = true;
	return true;
}

const struct client ma_clients_login[] = {
	{.mech = "LOGIN", .state_size = sizeof(struct state), .answer = answer},
	{.mech = NULL},
};
