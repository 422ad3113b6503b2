/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * account.h - an account in memory: attributes, ageing, credentials, secrets
 *
 * A view: texts and secrets are spans into memory that somebody else owns and wipes (a login's
 * scratch buffers, or the blocks of a struct mailauth_user), so that a login decodes a record
 * without allocating. Days count from 1970-01-01 UTC, as in shadow(5); -1 is "not set".
 */
#ifndef MA_ACCOUNT_ACCOUNT_H
#define MA_ACCOUNT_ACCOUNT_H

#include "util/base.h"
#include "util/span.h"

#define MA_CREDENTIALS_MAX 16
#define MA_SECRETS_MAX	   16 /* of one credential */
#define MA_ID_NONE	   UINT32_MAX

enum { MA_ACCOUNT_LOCKED = 1, MA_ACCOUNT_RECOVERABLE = 2 }; /* bits of flags; also on disk */

/* Kinds of secret. The numbers are on disk and never change their meaning. */
enum ma_kind_id {
	MA_KIND_CRYPT = 1,
	MA_KIND_CRAM_MD5 = 2,
	MA_KIND_DIGEST_MD5 = 3,
	MA_KIND_SCRAM_SHA_1 = 4,
	MA_KIND_SCRAM_SHA_256 = 5,
	MA_KIND_SCRAM_SHA_512 = 6,
	MA_KIND_SASL_PLAIN = 7,
	MA_KIND_PASSWORD = 8
};

struct ma_secret {
	uint8_t kind; /* enum ma_kind_id, or one that a later version knows */
	struct ma_span value;
};

struct ma_credential {
	struct ma_span label;  /* empty: the main one */
	int64_t created;       /* seconds since 1970-01-01 UTC */
	int32_t expires;       /* day */
	struct ma_span groups; /* admits only where one of these is asked for; empty: everywhere */
	size_t n_secrets;
	struct ma_secret secrets[MA_SECRETS_MAX];
};

struct ma_account {
	uint8_t flags;
	uint64_t generation;
	int64_t created;
	int64_t modified;
	int32_t last_change;
	int32_t min;
	int32_t max;
	int32_t warn;
	int32_t inactive;
	int32_t expire;
	uint32_t uid;
	uint32_t gid;
	struct ma_span comment;
	struct ma_span home;
	struct ma_span shell;
	struct ma_span groups; /* words separated by commas */
	struct ma_span mechs;  /* words separated by spaces; empty: the configuration's */
	size_t n_credentials;
	struct ma_credential credentials[MA_CREDENTIALS_MAX];
};

/* Nothing set, one credential without secrets. */
void ma_account_init(struct ma_account *account);

/* May the account log in? The order is that of the checks: the first that holds. */
enum ma_state {
	MA_STATE_UNCHECKED = 0, /* denies, as the zero of every verdict does */
	MA_STATE_ACTIVE,
	MA_STATE_LOCKED,
	MA_STATE_EXPIRED,	   /* account past its day */
	MA_STATE_PASSWORD_EXPIRED, /* past max and inactive */
	MA_STATE_MUST_CHANGE	   /* last change 0, or past max */
};

/* shadow(5), and pam_unix's reading of it. */
enum ma_state ma_account_state(const struct ma_account *account, int32_t today);

/* Is @word in a list of words separated by commas? */
bool ma_words_has(struct ma_span words, struct ma_span word);

/* May this credential be used today, for @group (empty: none asked for)? */
bool ma_credential_is_usable(const struct ma_credential *credential, int32_t today,
			     struct ma_span group);

/* The first secret of a kind; NULL: none. */
const struct ma_secret *ma_credential_secret(const struct ma_credential *credential,
					     enum ma_kind_id kind);

#endif
