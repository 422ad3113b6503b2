/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client_cram_md5.c - the client's side of CRAM-MD5
 *
 * RFC 2195 section 2: name, space, HMAC-MD5 of the challenge in lower case hexadecimal digits.
 */
#include "client.h"

static bool answer(struct client_login *login, struct client_bytes in,
		   struct client_answer *answer_out)
{
	unsigned char mac[MA_CLIENT_HASH_MAX];
	size_t len = ma_client_hmac(login->crypto, "MD5", login->password, in, mac);

	ma_answer_put_text(answer_out, login->name);
	ma_answer_put_text(answer_out, " ");
	ma_answer_put_hex(answer_out, mac, len);
	return len > 0;
}

const struct client ma_clients_cram_md5[] = {
	{.mech = "CRAM-MD5", .answer = answer},
	{.mech = NULL},
};
