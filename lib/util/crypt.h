/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crypt.h - crypt(3), the only file that knows libxcrypt
 *
 * Hashes come from /etc/shadow and from administrators, so their cost is looked at before they are
 * run: one that would take more than about 2 s or 128 MiB is refused, and so is what is no hash at
 * all ("!", "*", "", "*0").
 */
#ifndef MA_UTIL_CRYPT_H
#define MA_UTIL_CRYPT_H

#include "util/base.h"
#include "util/buf.h"
#include "util/span.h"

#define MA_CRYPT_MAX	      383 /* bytes in a hash: CRYPT_OUTPUT_SIZE - 1 */
#define MA_CRYPT_PASSWORD_MAX 511 /* bytes in a password: CRYPT_MAX_PASSPHRASE_SIZE - 1 */

/* NULL if the hash can be used, else why not: a constant. Half a hash, and a setting, can be. */
MA_MUST_CHECK const char *ma_crypt_refusal(struct ma_span hash);

/* Of one that can be used: has it the length and the characters of a whole hash? */
MA_MUST_CHECK bool ma_crypt_is_whole(struct ma_span hash);

/* The prefix of a method fit for new hashes, by its name in crypt(5); NULL: unknown. */
MA_MUST_CHECK const char *ma_crypt_prefix(const char *method);

/*
 * Appends a fresh setting. @method NULL and @cost 0 are libxcrypt's preferred ones.
 * MAILAUTH_E_USAGE: no such method, no such cost, or one that ma_crypt_refusal() refuses.
 */
MA_MUST_CHECK enum mailauth_status ma_crypt_setting(const char *method, unsigned long cost,
						    struct ma_span random, struct ma_buf *out);

/* Appends the hash of @password. MAILAUTH_E_LIMIT: too long; _E_USAGE: @setting is not usable. */
MA_MUST_CHECK enum mailauth_status ma_crypt(struct ma_span password, struct ma_span setting,
					    struct ma_buf *out);

#endif
