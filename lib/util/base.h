/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base.h - the few words that all of the library shares
 *
 * Attributes, automatic clean-up, and the status codes of the public header. Nothing here knows
 * about mail or logins.
 */
#ifndef MA_UTIL_BASE_H
#define MA_UTIL_BASE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mailauth/mailauth.h>

#define MA_MUST_CHECK	     MAILAUTH_MUST_CHECK
#define MA_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define MA_ARRAY_SIZE(a)     (sizeof(a) / sizeof((a)[0]))

/* Runs @fn on the variable when it goes out of scope; the variable is set at its declaration. */
#define MA_CLEANUP(fn)	     __attribute__((cleanup(fn)))

/* Gives an owned pointer away: the clean-up of @p then finds NULL. */
#define ma_steal(p)                                                                                \
	__extension__({                                                                            \
		__typeof__(p) stolen_ = (p);                                                       \
		(p) = NULL;                                                                        \
		stolen_;                                                                           \
	})

/* For bugs only; no input can reach it. */
#define ma_assert(x) assert(x)

#endif
