/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * verifier.h - hand verifiers to another authentication system
 *
 * For bridges whose host runs the dialogue, such as a Cyrus SASL auxprop plugin. The rule of least
 * secret is kept here, once: of what the host asks for, it gets the weakest that does the job. The
 * password itself is handed out only for an account that keeps it, and only when no verifier that
 * was also asked for can be given.
 */
#ifndef MAILAUTH_VERIFIER_H
#define MAILAUTH_VERIFIER_H

#include <mailauth/mailauth.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/** Kinds of verifier, to be or-ed together. */
enum mailauth_verifier {
	/* 16 bytes salt, 16 bytes MD5(salt, "sasldb", password) */
	MAILAUTH_VERIFIER_SASL_PLAIN = 1,
	/* 16 bytes inner, 16 outer HMAC-MD5 state; big-endian */
	MAILAUTH_VERIFIER_CRAM_MD5 = 2,
	/* the password itself */
	MAILAUTH_VERIFIER_PASSWORD = 4,
	/* 16 bytes MD5(user:realm:password), RFC 2831 section 2.1.2.1, where the client gave its
	 * name as "local" or as "local@realm"; the realm is the request's. In Latin-1 where the
	 * text allows it, as the RFC has it. */
	MAILAUTH_VERIFIER_DIGEST_MD5 = 8,
	MAILAUTH_VERIFIER_DIGEST_MD5_FULL = 16,
	/* "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", RFC 5803 section 2 */
	MAILAUTH_VERIFIER_SCRAM_SHA_1 = 32,
	MAILAUTH_VERIFIER_SCRAM_SHA_256 = 64,
	MAILAUTH_VERIFIER_SCRAM_SHA_512 = 128
};

#define MAILAUTH_VERIFIER_MAX 1024 /* bytes of the longest verifier */

/**
 * mailauth_verifier_fn - receives one verifier
 * @arg:  as given to mailauth_verifier_get()
 * @kind: which kind; exactly one bit
 * @p:    the verifier; wiped after the call
 * @len:  bytes in @p
 */
typedef void mailauth_verifier_fn(void *arg, enum mailauth_verifier kind, const void *p,
				  size_t len);

/**
 * mailauth_verifier_get() - hand out the verifiers of one account
 * @ctx:      the context
 * @request:  who asks, or NULL; its realm is also the one that DIGEST-MD5 offered, letter for
 * letter
 * @user:     name as the client gave it; any bytes
 * @user_len: bytes in @user
 * @wanted:   or-ed enum mailauth_verifier
 * @give:     called once for each kind handed out
 * @arg:      passed to @give
 *
 * An account that is unknown, locked, expired or not in the group, and one that lacks the kind,
 * gets decoys: verifiers of the right form that no password fits, the same each time for the same
 * name. So the dialogue runs its course and fails like a wrong password; only the log tells, where
 * all that was handed out are decoys. What a client sees of a verifier, SCRAM's salt and
 * iterations, stays the same when an account is locked.
 *
 * Threads: any
 * Ref:     lib/saslint.h and plugins/cram.c of Cyrus SASL for the form of the verifiers
 *
 * Return: MAILAUTH_OK          handed out, real or decoy
 *         MAILAUTH_E_TEMPFAIL  the store is away; nothing was handed out
 *         MAILAUTH_E_CORRUPT   the account's record is damaged: treat as _TEMPFAIL
 *         MAILAUTH_E_CONFIG    this OpenSSL lacks what is needed: treat as _TEMPFAIL; logged
 *         MAILAUTH_E_USAGE, _NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_verifier_get(struct mailauth *ctx, const struct mailauth_request *request,
		      const void *user, size_t user_len, unsigned int wanted,
		      mailauth_verifier_fn *give, void *arg);

/**
 * mailauth_verifier_name() - the stored form of a name that a client gave
 * @realm:    for a name without one
 * @user:     as the client gave it; any bytes
 * @user_len: bytes in @user
 * @name_out: local@realm, in lower case; empty on failure
 *
 * Says nothing about whether there is such an account. Needs no context.
 *
 * Threads: any
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_DENIED  this cannot be a name
 *         MAILAUTH_E_USAGE
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_verifier_name(const char *realm, const void *user,
								size_t user_len,
								struct mailauth_name *name_out);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
