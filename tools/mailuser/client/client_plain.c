/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client_plain.c - the client's side of PLAIN
 *
 * RFC 4616 section 2: no authorization identity, NUL, name, NUL, password; all in one message.
 */
#include "client.h"

static bool answer(struct client_login *login, struct client_bytes in,
		   struct client_answer *answer_out)
{
	(void)in;
	ma_answer_put(answer_out, "", 1);
	ma_answer_put_text(answer_out, login->name);
	ma_answer_put(answer_out, "", 1);
	ma_answer_put(answer_out, login->password.p, login->password.len);
	return true;
}

const struct client ma_clients_plain[] = {
	{.mech = "PLAIN", .speaks_first = true, .answer = answer},
	{.mech = NULL},
};
