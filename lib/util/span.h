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

MA_MUST_CHECK bool ma_span_take(struct ma_span *in, size_t len, struct ma_span *out);
MA_MUST_CHECK bool ma_span_take_u8(struct ma_span *in, uint8_t *out);
MA_MUST_CHECK bool ma_span_take_u16(struct ma_span *in, uint16_t *out);
MA_MUST_CHECK bool ma_span_take_u32(struct ma_span *in, uint32_t *out);
MA_MUST_CHECK bool ma_span_take_u64(struct ma_span *in, uint64_t *out);
/* Bytes behind a length of one or two bytes. */
MA_MUST_CHECK bool ma_span_take_bytes8(struct ma_span *in, struct ma_span *out);
MA_MUST_CHECK bool ma_span_take_bytes16(struct ma_span *in, struct ma_span *out);
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

#endif
