/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prep.h - SASLprep (RFC 4013)
 *
 * Brings a password that can be typed in several ways into one form before it is hashed, as SCRAM
 * wants it. libidn does the work.
 */
#ifndef MA_UTIL_PREP_H
#define MA_UTIL_PREP_H

#include "util/base.h"
#include "util/buf.h"
#include "util/span.h"

/* Normalisation can make one character many: this much room always suffices for a password. */
#define MA_PREP_MAX (18 * MAILAUTH_PASSWORD_MAX)

/*
 * Appends the prepared form. What SASLprep does not allow (RFC 4013 section 2.3: characters without
 * meaning, mixed directions) is appended as it is: clients that do not prepare send it so, and
 * those that do cannot send it at all. A character that was not assigned in Unicode 3.2 stays, and
 * the rest is prepared. MAILAUTH_E_NOMEM, _E_LIMIT.
 */
MA_MUST_CHECK enum mailauth_status ma_saslprep(struct ma_span in, struct ma_buf *out);

#endif
