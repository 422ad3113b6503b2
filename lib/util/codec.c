/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * codec.c - bytes as text and back
 *
 * See codec.h.
 */
#include "util/codec.h"

/* A table, because a digest is decoded at each login. Values are one too high: 0 is none. */
static const uint8_t digits_of[256] = {
	['0'] = 1,  ['1'] = 2,	['2'] = 3,  ['3'] = 4,	['4'] = 5,  ['5'] = 6,
	['6'] = 7,  ['7'] = 8,	['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12,
	['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16, ['A'] = 11, ['B'] = 12,
	['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

bool ma_hex_decode(struct ma_span text, uint8_t *out, size_t len)
{
	if (text.len % 2 != 0 || text.len / 2 != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		uint8_t high = digits_of[text.p[2 * i]];
		uint8_t low = digits_of[text.p[2 * i + 1]];

		if (high == 0 || low == 0)
			return false;
		out[i] = (uint8_t)((high - 1) << 4 | (low - 1));
	}
	return true;
}

void ma_hex_encode(struct ma_span bytes, struct ma_buf *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < bytes.len; i++) {
		ma_buf_put_u8(out, (uint8_t)digits[bytes.p[i] >> 4]);
		ma_buf_put_u8(out, (uint8_t)digits[bytes.p[i] & 0xf]);
	}
}
