/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * login.h - one attempt to log in
 *
 * From the name a client gave to the credentials that may answer, or decoys, and on to the verdict
 * and its log line. A struct ma_login lives as long as the dialogue; the worker with the account's
 * secrets is held for one call only.
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
	MA_REASON_CHANGED,
	MA_REASON_MALFORMED,
	MA_REASON_ABORTED,
	MA_REASON_DAMAGED,
	MA_REASON_STORE_AWAY,
	MA_REASON_FAILED
};

const char *ma_reason_name(enum ma_reason reason);

struct ma_login {
	struct mailauth *ctx;
	const struct mailauth_request *request;
	const struct ma_mech *mech; /* NULL: any secret will do */
	struct ma_worker *worker;   /* NULL before the lookup, and between two steps */
	enum ma_reason reason;
	bool is_named; /* the lookup was made */
	/* Of the account's record at that time, if the dialogue goes on; see is_as_remembered(). */
	uint8_t seal_tag[MA_GCM_TAG_LEN];
	uint32_t key_id;
	uint64_t generation;
	int64_t created;
	struct ma_name name;  /* empty: what was typed is none */
	struct ma_span typed; /* then its beginning, in typed_bytes */
	uint8_t typed_bytes[MAILAUTH_NAME_MAX];
	struct ma_candidates candidates; /* real ones, or one decoy; point into the worker */
};

void ma_login_init(struct ma_login *login, struct mailauth *ctx,
		   const struct mailauth_request *request, const struct ma_mech *mech);

/* The realm of names without one: the request's, else the configuration's. */
struct ma_span ma_login_realm(const struct ma_login *login);

/*
 * Finds the credentials that may answer for @who. MAILAUTH_OK also for an account that may not log
 * in: reason then tells, and the mechanism must not know. Where there is no account, or no fitting
 * secret, the candidate is a decoy (none at all without a mechanism).
 */
MA_MUST_CHECK enum mailauth_status ma_login_lookup(struct ma_login *login,
						   const struct ma_identity *who);

/*
 * Writes a decoy of a kind, the same each time for the same name. @like: the account's secret of
 * this kind, or empty.
 */
MA_MUST_CHECK enum mailauth_status ma_login_decoy(const struct ma_login *login,
						  const struct ma_kind *kind, struct ma_span like,
						  struct ma_buf *out);

/* The verdict: MAILAUTH_OK only if the proof is right and nothing else stood against it. Logs. */
MA_MUST_CHECK enum mailauth_status ma_login_finish(struct ma_login *login,
						   enum mailauth_status proof);
/* Before the worker is given back in a dialogue that goes on, for ma_login_look_again(). */
void ma_login_remember(struct ma_login *login);
/*
 * For a dialogue that ends in a later call than the one that looked: an account that was changed or
 * deleted meanwhile does not log in with what it was.
 */
MA_MUST_CHECK enum mailauth_status ma_login_look_again(struct ma_login *login);

/* The client went away. Logs that, if it had given a name. */
void ma_login_abort(struct ma_login *login);
/* Gives the worker back; safe to call twice. The candidates are gone. */
void ma_login_clear(struct ma_login *login);

/* One line for the log; for verifier.c, which hears of no verdict. */
void ma_login_log(const struct ma_login *login, enum mailauth_status status);

#endif
