/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * buf.c - output buffer with a hard cap
 *
 * See buf.h.
 */
#include "util/buf.h"

#include "util/mem.h"

#include <stdarg.h>
#include <stdio.h>

#define BUF_FIRST 64 /* bytes; the first block on the heap */

struct ma_buf ma_buf(size_t max)
{
	return (struct ma_buf){.max = max, .on_heap = true, .status = MAILAUTH_OK};
}

struct ma_buf ma_buf_fixed(void *p, size_t size)
{
	return (struct ma_buf){.p = p, .cap = size, .max = size, .status = MAILAUTH_OK};
}

void ma_buf_clear(struct ma_buf *buf)
{
	ma_wipe(buf->p, buf->len);
	if (buf->on_heap) {
		ma_free(buf->p);
		buf->p = NULL;
		buf->cap = 0;
	}
	buf->len = 0;
}

void ma_buf_truncate(struct ma_buf *buf, size_t len)
{
	if (buf->len > len) {
		ma_wipe(buf->p + len, buf->len - len);
		buf->len = len;
	}
	buf->status = MAILAUTH_OK;
}

void ma_buf_reset(struct ma_buf *buf)
{
	ma_buf_truncate(buf, 0);
}

static void fail(struct ma_buf *buf, enum mailauth_status status)
{
	if (buf->status == MAILAUTH_OK)
		buf->status = status;
}

static bool grow(struct ma_buf *buf, size_t len)
{
	size_t size = buf->cap > 0 ? buf->cap : BUF_FIRST;
	uint8_t *bigger;

	while (size - buf->len < len && size < buf->max)
		size = size > buf->max / 2 ? buf->max : size * 2;
	if (size > buf->max)
		size = buf->max;
	bigger = ma_realloc_wipe(buf->p, buf->len, size);
	if (bigger == NULL) {
		fail(buf, MAILAUTH_E_NOMEM);
		return false;
	}
	buf->p = bigger;
	buf->cap = size;
	return true;
}

uint8_t *ma_buf_reserve(struct ma_buf *buf, size_t len)
{
	uint8_t *at;

	if (buf->status != MAILAUTH_OK)
		return NULL;
	if (len > buf->max - buf->len) {
		fail(buf, MAILAUTH_E_LIMIT);
		return NULL;
	}
	/* Nothing needs an address, too. */
	if ((len > buf->cap - buf->len || buf->p == NULL) && !grow(buf, len))
		return NULL;
	at = buf->p + buf->len;
	buf->len += len;
	return at;
}

void ma_buf_put(struct ma_buf *buf, struct ma_span bytes)
{
	uint8_t *at;

	if (bytes.len == 0)
		return;
	at = ma_buf_reserve(buf, bytes.len);
	if (at != NULL)
		memcpy(at, bytes.p, bytes.len);
}

static void put_number(struct ma_buf *buf, uint64_t value, size_t n_bytes)
{
	uint8_t *at = ma_buf_reserve(buf, n_bytes);

	if (at == NULL)
		return;
	for (size_t i = 0; i < n_bytes; i++)
		at[i] = (uint8_t)(value >> (8 * (n_bytes - 1 - i)));
}

void ma_buf_put_u8(struct ma_buf *buf, uint8_t value)
{
	uint8_t *at = ma_buf_reserve(buf, 1);

	if (at != NULL)
		*at = value;
}

void ma_buf_put_u16(struct ma_buf *buf, uint16_t value)
{
	put_number(buf, value, sizeof(value));
}

void ma_buf_put_u32(struct ma_buf *buf, uint32_t value)
{
	put_number(buf, value, sizeof(value));
}

void ma_buf_put_u64(struct ma_buf *buf, uint64_t value)
{
	put_number(buf, value, sizeof(value));
}

void ma_buf_put_bytes8(struct ma_buf *buf, struct ma_span bytes)
{
	if (bytes.len > UINT8_MAX) {
		fail(buf, MAILAUTH_E_LIMIT);
		return;
	}
	ma_buf_put_u8(buf, (uint8_t)bytes.len);
	ma_buf_put(buf, bytes);
}

void ma_buf_put_bytes16(struct ma_buf *buf, struct ma_span bytes)
{
	if (bytes.len > UINT16_MAX) {
		fail(buf, MAILAUTH_E_LIMIT);
		return;
	}
	ma_buf_put_u16(buf, (uint16_t)bytes.len);
	ma_buf_put(buf, bytes);
}

void ma_buf_put_text(struct ma_buf *buf, const char *text)
{
	ma_buf_put(buf, ma_span_text(text));
}

void ma_buf_put_decimal(struct ma_buf *buf, uint64_t value)
{
	char digits[20];
	size_t start = sizeof(digits);

	do {
		digits[--start] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	ma_buf_put(buf, ma_span(digits + start, sizeof(digits) - start));
}

void ma_buf_printf(struct ma_buf *buf, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text)) {
		fail(buf, MAILAUTH_E_LIMIT);
		return;
	}
	ma_buf_put(buf, ma_span(text, (size_t)n));
}

static bool is_log_safe(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '"' && c != '\\';
}

void ma_buf_put_escaped(struct ma_buf *buf, struct ma_span bytes)
{
	while (bytes.len > 0) {
		size_t len = 0;

		while (len < bytes.len && is_log_safe(bytes.p[len]))
			len++;
		ma_buf_put(buf, ma_span(bytes.p, len));
		bytes = ma_span(bytes.p + len, bytes.len - len);
		if (bytes.len == 0)
			break;
		ma_buf_printf(buf, "\\x%02x", bytes.p[0]);
		bytes = ma_span(bytes.p + 1, bytes.len - 1);
	}
}

const char *ma_buf_text(struct ma_buf *buf)
{
	uint8_t *end = ma_buf_reserve(buf, 1);

	if (end == NULL)
		return "";
	*end = '\0';
	buf->len--;
	return (const char *)buf->p;
}

enum mailauth_status ma_buf_status(const struct ma_buf *buf)
{
	return buf->status;
}
