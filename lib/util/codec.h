/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * codec.h - bytes as text and back
 *
 * Hexadecimal, for MD5 digests and key files; base64 (RFC 4648 section 4), for SCRAM.
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

/*
 * Appends the bytes to @out; false for anything but the one canonical text of them: foreign
 * characters, missing padding, bits that are set behind the end. What was appended then is to be
 * thrown away.
 */
MA_MUST_CHECK bool ma_base64_decode(struct ma_span text, struct ma_buf *out);
void ma_base64_encode(struct ma_span bytes, struct ma_buf *out);

#endif
