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
	uint8_t *text = bytes.len > 0 ? ma_buf_reserve(out, 2 * bytes.len) : NULL;

	for (size_t i = 0; text != NULL && i < bytes.len; i++) {
		text[2 * i] = (uint8_t)digits[bytes.p[i] >> 4];
		text[2 * i + 1] = (uint8_t)digits[bytes.p[i] & 0xf];
	}
}

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* -1: no digit. Without a table, which would have to be kept in step with the digits. */
static int base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* RFC 4648 section 3.5: the bits that padding leaves over are zero. */
static bool decode_group(const uint8_t *text, size_t n_digits, struct ma_buf *out)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < n_digits ? base64_value(text[i]) : 0;

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
	}
	for (size_t i = 0; i < 3; i++) {
		uint8_t byte = (uint8_t)(bits >> (16 - 8 * i));

		if (i + 1 < n_digits)
			ma_buf_put_u8(out, byte);
		else if (byte != 0)
			return false;
	}
	return true;
}

bool ma_base64_decode(struct ma_span text, struct ma_buf *out)
{
	size_t n_padding = 0;

	if (text.len % 4 != 0)
		return false;
	while (n_padding < 2 && n_padding < text.len && text.p[text.len - 1 - n_padding] == '=')
		n_padding++;
	for (size_t i = 0; i < text.len; i += 4) {
		size_t n_digits = i + 4 == text.len ? 4 - n_padding : 4;

		if (!decode_group(text.p + i, n_digits, out))
			return false;
	}
	return ma_buf_status(out) == MAILAUTH_OK;
}

void ma_base64_encode(struct ma_span bytes, struct ma_buf *out)
{
	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
		uint32_t bits = 0;

		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (j < n ? bytes.p[i + j] : 0u);
		for (size_t j = 0; j < 4; j++)
			ma_buf_put_u8(out,
				      j <= n ? (uint8_t)base64_digits[bits >> (18 - 6 * j) & 63]
					     : (uint8_t)'=');
	}
}
