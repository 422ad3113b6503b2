/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * login.h - one attempt to log in
 *
 * From the name a client gave to the credentials that may answer, or decoys, and on to the verdict
 * and its log line. A struct ma_login lives on the stack for the length of one call.
 */
#ifndef MA_LOGIN_H
#define MA_LOGIN_H

#include "lib.h"

/* Why a login was refused; counted by name in the log. */
enum ma_reason {
	MA_REASON_UNDECIDED = 0, /* denies, as the zero of every verdict does */
	MA_REASON_NONE,
	MA_REASON_BAD_NAME,
	MA_REASON_UNKNOWN_USER,
	MA_REASON_LOCKED,
	MA_REASON_EXPIRED,
	MA_REASON_PASSWORD_EXPIRED,
	MA_REASON_MUST_CHANGE,
	MA_REASON_NOT_IN_GROUP,
	MA_REASON_AUTHZID,
	MA_REASON_NO_SECRET,
	MA_REASON_WRONG_PROOF,
	MA_REASON_MALFORMED,
	MA_REASON_DAMAGED,
	MA_REASON_STORE_AWAY,
	MA_REASON_FAILED
};

const char *ma_reason_name(enum ma_reason reason);

struct ma_login {
	struct mailauth *ctx;
	const struct mailauth_request *request;
	const struct ma_mech *mech; /* NULL: any secret will do */
	struct ma_worker *worker;   /* NULL before the lookup */
	enum ma_reason reason;
	struct ma_span typed; /* the name as it came; borrowed from the caller's message */
	struct ma_name name;
	struct ma_candidates candidates; /* real ones, or one decoy; point into the worker */
};

void ma_login_init(struct ma_login *login, struct mailauth *ctx,
		   const struct mailauth_request *request, const struct ma_mech *mech);

/*
 * Finds the credentials that may answer for @user. MAILAUTH_OK also for an account that may not log
 * in: reason then tells, and the candidates are decoys (none at all without a mechanism).
 */
MA_MUST_CHECK enum mailauth_status ma_login_lookup(struct ma_login *login, struct ma_span authzid,
						   struct ma_span user);

/* Writes a decoy of a kind, the same each time for the same name. */
MA_MUST_CHECK enum mailauth_status ma_login_decoy(const struct ma_login *login,
						  const struct ma_kind *kind, struct ma_buf *out);

/* The verdict: MAILAUTH_OK only if the proof is right and nothing else stood against it. Logs. */
MA_MUST_CHECK enum mailauth_status ma_login_finish(struct ma_login *login,
						   enum mailauth_status proof);
/* Gives the worker back; safe to call twice. */
void ma_login_clear(struct ma_login *login);

/* One line for the log; for verifier.c, which hears of no verdict. */
void ma_login_log(const struct ma_login *login, enum mailauth_status status);

#endif
