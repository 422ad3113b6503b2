/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * name.h - names of accounts, local@realm
 *
 * A name is parsed once, where it comes in; everything behind works with struct ma_name, which
 * holds the stored form. Parsing allocates nothing: it happens at each login.
 */
#ifndef MA_ACCOUNT_NAME_H
#define MA_ACCOUNT_NAME_H

#include "util/base.h"
#include "util/span.h"

#define MA_KEY_MAX MAILAUTH_NAME_MAX /* realm NUL local: as long as local@realm */

struct ma_name {
	char text[MAILAUTH_NAME_MAX + 1]; /* local@realm, NUL-terminated */
	size_t local_len;
	size_t len;
};

/*
 * NULL: @name_out is set. Else why the name is refused: a constant.
 * @default_realm goes with a name without '@'; it is checked like any other.
 */
MA_MUST_CHECK const char *ma_name_parse(struct ma_span in, struct ma_span default_realm,
					struct ma_name *name_out);

static inline struct ma_span ma_name_span(const struct ma_name *name)
{
	return ma_span(name->text, name->len);
}

/* The store's key: realm NUL local, so that a realm is one range. @key_out: MA_KEY_MAX bytes. */
struct ma_span ma_name_key(const struct ma_name *name, uint8_t *key_out);
/* Back from a key; false if it is none. */
MA_MUST_CHECK bool ma_name_from_key(struct ma_span key, struct ma_name *name_out);

#endif
