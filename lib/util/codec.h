/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * codec.h - bytes as text and back
 *
 * Hexadecimal, for CRAM-MD5 digests and key files.
 */
#ifndef MA_UTIL_CODEC_H
#define MA_UTIL_CODEC_H

#include "util/base.h"
#include "util/buf.h"
#include "util/span.h"

/* Exactly @len bytes from 2 * @len digits of either case; false for anything else. */
MA_MUST_CHECK bool ma_hex_decode(struct ma_span text, uint8_t *out, size_t len);
/* Lower case. */
void ma_hex_encode(struct ma_span bytes, struct ma_buf *out);

#endif
