/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * span.h - borrowed bytes, and the only way to parse them
 *
 * A span is a pointer and a length; it owns nothing. The take calls read from its front and move it
 * on. They check the length by comparison with what is left, so no sum can overflow. A call that
 * finds too little returns false and leaves the span as it was. Numbers are big-endian.
 */
#ifndef MA_UTIL_SPAN_H
#define MA_UTIL_SPAN_H

#include "util/base.h"

#include <string.h>

struct ma_span {
	const uint8_t *p;
	size_t len;
};

static inline struct ma_span ma_span(const void *p, size_t len)
{
	return (struct ma_span){.p = p, .len = len};
}

static inline struct ma_span ma_span_text(const char *text)
{
	return ma_span(text, strlen(text));
}

/* Big-endian numbers at @p, which the caller knows to be long enough. */
static inline uint32_t ma_get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t ma_get_u64(const uint8_t *p)
{
	return (uint64_t)ma_get_u32(p) << 32 | ma_get_u32(p + 4);
}

/* Not for secrets: ma_equal_ct() is. */
bool ma_span_equal(struct ma_span a, struct ma_span b);
/* The same without regard to ASCII case. */
bool ma_span_equal_case(struct ma_span a, struct ma_span b);

/* These stand here for the compiler to see what they come to: each login decodes a record. */
MA_MUST_CHECK static inline bool ma_span_take(struct ma_span *in, size_t len, struct ma_span *out)
{
	if (len > in->len)
		return false;
	*out = ma_span(in->p, len);
	/* An empty span may have no address, and NULL + 0 is not defined in C. */
	if (len > 0)
		*in = ma_span(in->p + len, in->len - len);
	return true;
}

MA_MUST_CHECK static inline bool ma_span_take_number(struct ma_span *in, size_t n_bytes,
						     uint64_t *out)
{
	struct ma_span bytes;
	uint64_t value = 0;

	if (!ma_span_take(in, n_bytes, &bytes))
		return false;
	for (size_t i = 0; i < n_bytes; i++)
		value = value << 8 | bytes.p[i];
	*out = value;
	return true;
}

MA_MUST_CHECK static inline bool ma_span_take_u8(struct ma_span *in, uint8_t *out)
{
	uint64_t value;

	if (!ma_span_take_number(in, sizeof(*out), &value))
		return false;
	*out = (uint8_t)value;
	return true;
}

MA_MUST_CHECK static inline bool ma_span_take_u16(struct ma_span *in, uint16_t *out)
{
	uint64_t value;

	if (!ma_span_take_number(in, sizeof(*out), &value))
		return false;
	*out = (uint16_t)value;
	return true;
}

MA_MUST_CHECK static inline bool ma_span_take_u32(struct ma_span *in, uint32_t *out)
{
	uint64_t value;

	if (!ma_span_take_number(in, sizeof(*out), &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

MA_MUST_CHECK static inline bool ma_span_take_u64(struct ma_span *in, uint64_t *out)
{
	return ma_span_take_number(in, sizeof(*out), out);
}

/* Bytes behind a length of one or two bytes. */
MA_MUST_CHECK static inline bool ma_span_take_bytes8(struct ma_span *in, struct ma_span *out)
{
	struct ma_span rest = *in;
	uint8_t len;

	if (!ma_span_take_u8(&rest, &len) || !ma_span_take(&rest, len, out))
		return false;
	*in = rest;
	return true;
}

MA_MUST_CHECK static inline bool ma_span_take_bytes16(struct ma_span *in, struct ma_span *out)
{
	struct ma_span rest = *in;
	uint16_t len;

	if (!ma_span_take_u16(&rest, &len) || !ma_span_take(&rest, len, out))
		return false;
	*in = rest;
	return true;
}

/* What stands before the first @byte; @in goes on behind it. False if there is none. */
MA_MUST_CHECK bool ma_span_take_until(struct ma_span *in, uint8_t byte, struct ma_span *out);
/* The next word of a list separated by any of @separators; false at the end. */
MA_MUST_CHECK bool ma_span_take_word(struct ma_span *in, const char *separators,
				     struct ma_span *out);

/* Both sides of the last @byte; false if there is none. */
MA_MUST_CHECK bool ma_span_split_last(struct ma_span in, uint8_t byte, struct ma_span *before,
				      struct ma_span *after);

/* Well-formed UTF-8 (RFC 3629 section 4: no surrogates, no overlong forms). */
bool ma_span_is_utf8(struct ma_span in);
/* The next code point of well-formed UTF-8; false at the end or on a malformed one. */
MA_MUST_CHECK bool ma_span_take_utf8(struct ma_span *in, uint32_t *out);
/* Would it begin a line, move the cursor or turn the direction of what is shown behind it? */
bool ma_is_control(uint32_t point);

#endif
