/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user.h - a struct mailauth_user from the inside, for the files that serve admin.h
 *
 * It holds a worker with the record as it was read; the bytes of that record are what a change
 * expects to find when it is written (batch.c), so a change made by another program meanwhile is
 * noticed.
 */
#ifndef MA_USER_H
#define MA_USER_H

#include <mailauth/admin.h>

#include "lib.h"
#include "util/mem.h"

struct mailauth_user {
	struct mailauth *ctx;
	struct ma_name name;
	bool is_stored;		    /* it was read from the store ... */
	struct ma_name stored_name; /* ... under this name */
	struct ma_worker *worker;   /* worker->account is the account */
	struct ma_buf secrets;	    /* what the account's new secrets point into */
	char *texts[MAILAUTH_TEXT_MECHS + 1];
	uint8_t secret_bytes[MA_RECORD_MAX];
};

static inline struct ma_account *ma_user_account(const struct mailauth_user *user)
{
	return &user->worker->account;
}

static inline struct ma_credential *ma_user_credential(const struct mailauth_user *user)
{
	return &ma_user_account(user)->credentials[0];
}

/* user.c */

/* Parses a name that a caller gives; MAILAUTH_E_USAGE: refused and logged. */
MA_MUST_CHECK enum mailauth_status ma_user_name(struct mailauth *ctx, const char *text,
						struct ma_name *name_out);
/* Logs why something about the account is refused; MAILAUTH_E_USAGE. */
enum mailauth_status ma_user_refuse(const struct mailauth_user *user, const char *what,
				    const char *why);
/* The same about a word that is no mechanism. */
enum mailauth_status ma_user_refuse_mech(const struct mailauth_user *user, struct ma_span word);
enum mailauth_status ma_user_refuse_write(struct mailauth *ctx);

/* batch.c */

/* As mailauth_batch_new(), also where the context may only read. */
MA_MUST_CHECK enum mailauth_status ma_batch_new(struct mailauth *ctx,
						struct mailauth_batch **batch_out);
/* Notes a change of a record; copies what it points to. */
MA_MUST_CHECK enum mailauth_status ma_batch_add(struct mailauth_batch *batch,
						struct ma_store_change change);
/* As mailauth_batch_commit(), into another store. */
MA_MUST_CHECK enum mailauth_status ma_batch_commit_to(struct mailauth_batch *batch,
						      struct ma_store *store);
/* A record of the account; the same one has another nonce each time. */
MA_MUST_CHECK enum mailauth_status ma_batch_seal(struct mailauth *ctx, struct ma_worker *worker,
						 const struct ma_name *name,
						 struct ma_buf *record_out);

/* user_secret.c */

/* The kinds of secret that an account's list of mechanisms, else the configuration's, wants. */
MA_MUST_CHECK bool ma_account_kinds(const struct mailauth *ctx, const struct ma_account *account,
				    struct ma_kinds *kinds_out, struct ma_span *unknown_out);
/* Does the main credential lack one of them? */
bool ma_account_lacks(const struct mailauth *ctx, const struct ma_account *account);
/* Is this the password of a credential? 0: of the main one. */
MA_MUST_CHECK enum mailauth_status ma_user_check_password(const struct mailauth_user *user,
							  size_t index, struct ma_span password);

#endif
