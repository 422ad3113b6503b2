/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * accounts.h - a store that is the same again for each play of a scenario
 *
 * The store is made once and kept as a copy. What it holds is compared as one text, which has every
 * attribute and every secret of every account: a change that failed must not change it.
 */
#ifndef MA_TESTS_ALLOC_ACCOUNTS_H
#define MA_TESTS_ALLOC_ACCOUNTS_H

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>
#include <stdbool.h>

#define RIGHT "right Zx81"
#define WRONG "wrong Zx81"
#define OTHER "other Zx81"

extern const struct mailauth_request accounts_request; /* over TLS, with a channel binding */

/* For main(), before anything else; false: that is not possible. */
bool accounts_prepare(void);

/*
 * Makes the store: "alice" with every secret and in two groups, "crypt" with a crypt(3) string
 * alone, "gone" to be deleted, "locked". All passwords are RIGHT.
 */
void accounts_make(void);
/* Puts it back if accounts_spoil() was called since. */
void accounts_restore(void);
void accounts_spoil(void);
/* A second store beside it, with the same accounts. */
enum mailauth_status accounts_copy(const char *name);

/* How to open it, as admin.h wants it, and a context with its first login behind it. */
const struct mailauth_options *accounts_options(void);
struct mailauth *accounts_open(void);
/* What accounts_open() does after mailauth_open(). */
void accounts_warm_up(struct mailauth *ctx);

/* All there is, as text; valid until the second call after it. Fails the test if that fails. */
const char *accounts_text(struct mailauth *ctx);

/* What mailauth_verify_plain() says. */
enum mailauth_status accounts_verify(struct mailauth *ctx, const char *name, const char *password);

/* For lack of memory, documented with every call. Fails the test for any other status but
 * MAILAUTH_OK, and for any but that unless @failing. True: it went well. */
bool accounts_went_well(const char *what, enum mailauth_status status, bool failing);

#endif
