/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_codec.c - base64, hexadecimal, SASLprep
 *
 * The first byte chooses, the rest is the text. Text has one form for the same bytes, or a proof
 * could be written in two ways.
 */
#include "util/codec.h"

#include <stdlib.h>

#include "fuzz.h"
#include "util/prep.h"

#define BYTES_MAX 16384

static void check_base64(struct ma_span in)
{
	MA_CLEANUP(ma_buf_clear) struct ma_buf out = ma_buf(BYTES_MAX);
	MA_CLEANUP(ma_buf_clear) struct ma_buf again = ma_buf(2 * BYTES_MAX);

	if (ma_base64_decode(in, &out)) {
		ma_base64_encode(ma_buf_span(&out), &again);
		FUZZ_CHECK(ma_span_equal(ma_buf_span(&again), in));
		fuzz_accepted = true;
	}
	ma_buf_reset(&out);
	ma_buf_reset(&again);
	ma_base64_encode(in, &again);
	FUZZ_CHECK(again.len == (in.len + 2) / 3 * 4);
	FUZZ_CHECK(ma_base64_decode(ma_buf_span(&again), &out));
	FUZZ_CHECK(ma_span_equal(ma_buf_span(&out), in));
}

/* Into a buffer that is too small: false, and nothing beyond it. */
static void check_base64_room(struct ma_span in)
{
	uint8_t *room;
	struct ma_buf out;
	uint8_t size;

	if (!ma_span_take_u8(&in, &size) || size == 0)
		return;
	room = fuzz_copy(ma_span((const uint8_t[UINT8_MAX]){0}, size));
	out = ma_buf_fixed(room, size);
	if (ma_base64_decode(in, &out)) {
		FUZZ_CHECK(out.len <= size && (out.len + 2) / 3 * 4 == in.len);
		fuzz_accepted = true;
	}
	free(room);
}

static void check_hex(struct ma_span in)
{
	uint8_t *bytes = fuzz_copy(ma_span(in.p, in.len / 2));
	MA_CLEANUP(ma_buf_clear) struct ma_buf again = ma_buf(2 * BYTES_MAX);

	FUZZ_CHECK(!ma_hex_decode(in, bytes, in.len / 2 + 1));
	if (ma_hex_decode(in, bytes, in.len / 2)) {
		ma_hex_encode(ma_span(bytes, in.len / 2), &again);
		FUZZ_CHECK(ma_span_equal_case(ma_buf_span(&again), in));
		fuzz_accepted = true;
	}
	free(bytes);
}

static void check_prep(struct ma_span in)
{
	MA_CLEANUP(ma_buf_clear) struct ma_buf out = ma_buf(MA_PREP_MAX);
	MA_CLEANUP(ma_buf_clear) struct ma_buf again = ma_buf(MA_PREP_MAX);
	enum mailauth_status status = ma_saslprep(in, &out);
	bool is_ascii = true;

	if (in.len > MAILAUTH_PASSWORD_MAX && status == MAILAUTH_E_LIMIT)
		return;
	FUZZ_CHECK(status == MAILAUTH_OK);
	FUZZ_CHECK((out.len == 0) == (in.len == 0));
	FUZZ_CHECK(ma_span_is_utf8(ma_buf_span(&out)) == ma_span_is_utf8(in));
	for (size_t i = 0; i < in.len; i++)
		is_ascii = is_ascii && in.p[i] >= ' ' && in.p[i] < 0x7f;
	if (is_ascii)
		FUZZ_CHECK(ma_span_equal(ma_buf_span(&out), in));
	FUZZ_CHECK(ma_saslprep(in, &again) == MAILAUTH_OK);
	FUZZ_CHECK(ma_span_equal(ma_buf_span(&again), ma_buf_span(&out)));
	fuzz_accepted = !ma_span_equal(ma_buf_span(&out), in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const checks[])(struct ma_span in) = {check_base64, check_base64_room,
							    check_hex, check_prep};
	struct ma_span in = ma_span(data, size);
	uint8_t which;

	fuzz_accepted = false;
	if (ma_span_take_u8(&in, &which) && in.len <= BYTES_MAX)
		checks[(uint8_t)(which - 'a') % MA_ARRAY_SIZE(checks)](in);
	return 0;
}
