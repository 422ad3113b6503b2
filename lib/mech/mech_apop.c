/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mech_apop.c - APOP, POP3's own login
 *
 * RFC 1939 section 7:
 *
 *   S: +OK ready <random.time@host>          (a fresh msg-id, RFC 822, in the greeting)
 *   C: APOP user hex(MD5(timestamp password))
 *   S: +OK
 *
 * It is no SASL mechanism, but a session of it runs the same way: the first reply is the timestamp
 * for the greeting, and the client's message is what follows the word APOP. MD5 of timestamp and
 * password needs the password itself, so only an account that keeps it can be served. The timestamp
 * has no '=', which mpop takes for none.
 */
#include "mech/mech.h"

#include "util/codec.h"
#include "util/mem.h"

struct apop_state {
	bool greeted;
	size_t timestamp_len;
	uint8_t timestamp[MA_CHALLENGE_MAX];
};

static enum mailauth_status greet(struct ma_exchange *exchange, struct ma_span in,
				  struct ma_buf *reply)
{
	struct apop_state *state = exchange->state;
	struct ma_buf timestamp = ma_buf_fixed(state->timestamp, sizeof(state->timestamp));
	enum mailauth_status status;

	/* RFC 1939 section 7: the greeting comes first */
	if (in.len != 0)
		return MAILAUTH_E_PROTOCOL;
	status = ma_mech_challenge(exchange, &timestamp);
	if (status != MAILAUTH_OK)
		return status;
	state->greeted = true;
	state->timestamp_len = timestamp.len;
	ma_buf_put(reply, ma_buf_span(&timestamp));
	status = ma_buf_status(reply);
	return status == MAILAUTH_OK ? MAILAUTH_CONTINUE : status;
}

static enum mailauth_status step(struct ma_exchange *exchange, struct ma_span in,
				 struct ma_buf *reply)
{
	const struct apop_state *state = exchange->state;
	struct ma_span user;
	struct ma_span digest;

	if (!state->greeted)
		return greet(exchange, in, reply);
	if (!ma_span_split_last(in, ' ', &user, &digest))
		return MAILAUTH_E_PROTOCOL;
	return ma_apop_check(exchange, ma_span(state->timestamp, state->timestamp_len), user,
			     digest);
}

static bool fits(struct ma_span password, struct ma_span timestamp, struct ma_span digest)
{
	const struct ma_span parts[] = {timestamp, password};
	uint8_t want[MA_MD5_LEN];
	bool ok;

	ma_md5(parts, MA_ARRAY_SIZE(parts), want);
	ok = ma_equal_ct(digest, ma_span(want, sizeof(want)));
	ma_wipe(want, sizeof(want));
	return ok;
}

enum mailauth_status ma_apop_check(struct ma_exchange *exchange, struct ma_span timestamp,
				   struct ma_span user, struct ma_span digest)
{
	return ma_mech_check_digest(exchange, user, timestamp, digest, fits);
}

const struct ma_mech ma_mech_apop = {
	.name = "APOP",
	.kind = &ma_kind_password,
	.state_size = sizeof(struct apop_state),
	.step = step,
};
