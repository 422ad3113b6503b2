/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * buf.h - output buffer with a hard cap
 *
 * Bytes are appended and the first failure sticks: a caller writes all it has and asks once, with
 * ma_buf_status(). The buffer starts in memory of the caller (so that a login allocates nothing) or
 * on the heap, where it grows up to the cap. What it held is wiped when it moves and when it is
 * cleared, so it may carry secrets. Numbers are big-endian.
 */
#ifndef MA_UTIL_BUF_H
#define MA_UTIL_BUF_H

#include "util/base.h"
#include "util/span.h"

struct ma_buf {
	uint8_t *p;
	size_t len;
	size_t cap;
	size_t max; /* never grows beyond */
	bool on_heap;
	enum mailauth_status status; /* the first failure */
};

/* Grows on the heap up to @max bytes. */
struct ma_buf ma_buf(size_t max);
/* Stays in @p; does not grow. */
struct ma_buf ma_buf_fixed(void *p, size_t size);
void ma_buf_clear(struct ma_buf *buf);
/* Wipes the content, keeps the memory, forgets a failure. */
void ma_buf_reset(struct ma_buf *buf);
/* Wipes what stands behind the first @len bytes, and forgets a failure. */
void ma_buf_truncate(struct ma_buf *buf, size_t len);

void ma_buf_put(struct ma_buf *buf, struct ma_span bytes);
void ma_buf_put_u8(struct ma_buf *buf, uint8_t value);
void ma_buf_put_u16(struct ma_buf *buf, uint16_t value);
void ma_buf_put_u32(struct ma_buf *buf, uint32_t value);
void ma_buf_put_u64(struct ma_buf *buf, uint64_t value);
/* A length of one or two bytes, then the bytes; MAILAUTH_E_LIMIT if the length does not fit. */
void ma_buf_put_bytes8(struct ma_buf *buf, struct ma_span bytes);
void ma_buf_put_bytes16(struct ma_buf *buf, struct ma_span bytes);
void ma_buf_put_text(struct ma_buf *buf, const char *text);
/* A number as text; printf() takes ten times as long. */
void ma_buf_put_decimal(struct ma_buf *buf, uint64_t value);
void ma_buf_printf(struct ma_buf *buf, const char *fmt, ...) MA_PRINTF(2, 3);
/* User-supplied bytes for a log line: printable ASCII but for space, '"' and '\', else \xNN. */
void ma_buf_put_escaped(struct ma_buf *buf, struct ma_span bytes);
/* Room for @len bytes that the caller fills in; NULL on failure. */
uint8_t *ma_buf_reserve(struct ma_buf *buf, size_t len);
/* A terminating NUL that does not count; the text, or "" after a failure. */
const char *ma_buf_text(struct ma_buf *buf);

/* MAILAUTH_OK, _E_LIMIT (beyond the cap) or _E_NOMEM. */
MA_MUST_CHECK enum mailauth_status ma_buf_status(const struct ma_buf *buf);

static inline struct ma_span ma_buf_span(const struct ma_buf *buf)
{
	return ma_span(buf->p, buf->len);
}

#endif
