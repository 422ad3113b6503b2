/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * codec.c - bytes as text and back
 *
 * See codec.h.
 */
#include "util/codec.h"

static int nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool ma_hex_decode(struct ma_span text, uint8_t *out, size_t len)
{
	if (text.len % 2 != 0 || text.len / 2 != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = nibble(text.p[2 * i]);
		int low = nibble(text.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (uint8_t)(high << 4 | low);
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
