/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * span.c - borrowed bytes, and the only way to parse them
 *
 * See span.h. UTF-8 is checked here and not with a library because names are checked at each login,
 * where libidn would allocate and mbrtowc() would follow the host program's locale.
 */
#include "util/span.h"

bool ma_span_equal(struct ma_span a, struct ma_span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

static uint8_t fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool ma_span_equal_case(struct ma_span a, struct ma_span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (fold(a.p[i]) != fold(b.p[i]))
			return false;
	return true;
}

bool ma_span_take_until(struct ma_span *in, uint8_t byte, struct ma_span *out)
{
	const uint8_t *found = in->len > 0 ? memchr(in->p, byte, in->len) : NULL;

	if (found == NULL)
		return false;
	*out = ma_span(in->p, (size_t)(found - in->p));
	*in = ma_span(found + 1, in->len - out->len - 1);
	return true;
}

static bool is_one_of(uint8_t c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

bool ma_span_take_word(struct ma_span *in, const char *separators, struct ma_span *out)
{
	size_t start = 0;
	size_t end;

	while (start < in->len && is_one_of(in->p[start], separators))
		start++;
	if (start == in->len)
		return false;
	end = start;
	while (end < in->len && !is_one_of(in->p[end], separators))
		end++;
	*out = ma_span(in->p + start, end - start);
	*in = ma_span(in->p + end, in->len - end);
	return true;
}

bool ma_span_split_last(struct ma_span in, uint8_t byte, struct ma_span *before,
			struct ma_span *after)
{
	const uint8_t *found = in.len > 0 ? memrchr(in.p, byte, in.len) : NULL;

	if (found == NULL)
		return false;
	*before = ma_span(in.p, (size_t)(found - in.p));
	*after = ma_span(found + 1, in.len - before->len - 1);
	return true;
}

/* How many bytes follow this first byte, and which bits of it count; -1 for no first byte. */
static int utf8_tail(uint8_t first, uint32_t *bits)
{
	if (first < 0x80) {
		*bits = first;
		return 0;
	}
	if (first >= 0xc2 && first <= 0xdf) {
		*bits = first & 0x1fu;
		return 1;
	}
	if (first >= 0xe0 && first <= 0xef) {
		*bits = first & 0x0fu;
		return 2;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		*bits = first & 0x07u;
		return 3;
	}
	return -1;
}

bool ma_span_take_utf8(struct ma_span *in, uint32_t *out)
{
	static const uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
	struct ma_span rest = *in;
	uint8_t byte;
	uint32_t point;
	int tail;

	if (!ma_span_take_u8(&rest, &byte))
		return false;
	tail = utf8_tail(byte, &point);
	if (tail < 0)
		return false;
	for (int i = 0; i < tail; i++) {
		if (!ma_span_take_u8(&rest, &byte) || (byte & 0xc0) != 0x80)
			return false;
		point = point << 6 | (byte & 0x3fu);
	}
	if (point < smallest[tail] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return false;
	*out = point;
	*in = rest;
	return true;
}

bool ma_is_control(uint32_t point)
{
	return point < ' ' || (point >= 0x7f && point < 0xa0) || /* C0, DEL, C1 */
	       point == 0x061c || point == 0x200e || point == 0x200f ||
	       (point >= 0x2028 && point <= 0x202e) || /* line and paragraph separators, bidi */
	       (point >= 0x2066 && point <= 0x2069);
}

bool ma_span_is_utf8(struct ma_span in)
{
	uint32_t point;

	while (in.len > 0)
		if (!ma_span_take_utf8(&in, &point))
			return false;
	return true;
}
