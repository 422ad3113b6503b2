/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client_apop.c - the client's side of APOP
 *
 * RFC 1939 section 7: behind the word APOP name, space, and MD5 of the greeting's timestamp and the
 * password in lower case hexadecimal digits.
 */
#include "client.h"

static bool answer(struct client_login *login, struct client_bytes in,
		   struct client_answer *answer_out)
{
	const struct client_bytes parts[] = {in, login->password};
	unsigned char digest[MA_CLIENT_HASH_MAX];
	size_t len = ma_client_hash(login->crypto, "MD5", parts, 2, digest);

	ma_answer_put_text(answer_out, login->name);
	ma_answer_put_text(answer_out, " ");
	ma_answer_put_hex(answer_out, digest, len);
	return len > 0;
}

const struct client ma_clients_apop[] = {
	{.mech = "APOP", .answer = answer},
	{.mech = NULL},
};
