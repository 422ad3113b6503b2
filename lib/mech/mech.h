/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mech.h - what a mechanism is
 *
 * A mechanism reads the client's messages, asks for the account's secrets through a callback and
 * compares. It knows neither the store nor the account's state: an account that may not log in, and
 * one that does not exist, answers with decoys, and the session denies whatever the mechanism says.
 *
 * A kind of secret belongs to the mechanism it was made for, which brings it along: how it is
 * derived from a password, how a password is checked against it, what a decoy looks like. The build
 * makes ma_mechs[] from the list in lib/meson.build.
 */
#ifndef MA_MECH_MECH_H
#define MA_MECH_MECH_H

#include "account/account.h"
#include "util/base.h"
#include "util/buf.h"
#include "util/config.h"
#include "util/hash.h"
#include "util/span.h"

#define MA_SECRET_MAX 1536 /* bytes in one secret */

/* What a verifier is worth to somebody who has the store and its key. */
enum ma_strength {
	MA_STRENGTH_CLEAR, /* the password itself */
	MA_STRENGTH_FAST,  /* guessed at the speed of MD5 */
	MA_STRENGTH_SLOW   /* each guess is made dear */
};

struct ma_derive {
	struct ma_crypto *crypto;
	const struct ma_config *config;
	struct ma_span password;
};

struct ma_kind {
	enum ma_kind_id id;
	const char *name;
	enum ma_strength strength;
	unsigned int cost_ns; /* rough cost of checking a password, to choose the cheapest */
	/* Appends the secret. */
	enum mailauth_status (*derive)(const struct ma_derive *from, struct ma_buf *out);
	/* MAILAUTH_OK: the password fits; MAILAUTH_E_DENIED: not, also if the secret is damaged. */
	enum mailauth_status (*check)(struct ma_span secret, struct ma_span password);
	/* Appends a secret of the usual form that no password fits, made from @seed alone. */
	enum mailauth_status (*decoy)(const struct ma_config *config,
				      const uint8_t seed[MA_SHA256_LEN], struct ma_buf *out);
};

/* The credentials that may answer; each holds a secret that the mechanism can use. */
struct ma_candidates {
	size_t n;
	const struct ma_credential *items[MA_CREDENTIALS_MAX];
};

/* One side of a dialogue, as the session shows it to the mechanism. */
struct ma_exchange {
	struct ma_crypto *crypto;
	struct ma_span host; /* this server's name */
	int64_t now_s;
	void *state; /* state_size bytes, zero at first, wiped at the end */
	/* Names the account, once in a dialogue. @authzid is empty or has to mean the same. */
	enum mailauth_status (*lookup)(void *arg, struct ma_span authzid, struct ma_span user,
				       const struct ma_candidates **candidates_out);
	void *lookup_arg;
};

struct ma_mech {
	const char *name;
	bool by_password;		 /* gets the password: any kind that can check one serves */
	const struct ma_kind *kind;	 /* else: the kind it needs; NULL if by_password */
	const struct ma_kind *brings[4]; /* the kinds defined in its file, NULL-terminated */
	size_t state_size;
	/* MAILAUTH_OK: the proof is right. @reply is empty at entry. */
	enum mailauth_status (*step)(struct ma_exchange *exchange, struct ma_span in,
				     struct ma_buf *reply);
};

extern const struct ma_mech *const ma_mechs[];
extern const size_t ma_n_mechs;

/* What PLAIN brings; the rule in ma_mech_kinds() chooses between them. */
extern const struct ma_kind ma_kind_sasl_plain;
extern const struct ma_kind ma_kind_crypt;

const struct ma_mech *ma_mech_find(struct ma_span name);
const struct ma_kind *ma_kind_find(unsigned int id);

/* Can this secret serve the mechanism? */
bool ma_mech_accepts(const struct ma_mech *mech, const struct ma_secret *secret);

/* Of all that a list of mechanisms needs; at most MA_SECRETS_MAX kinds. */
struct ma_kinds {
	size_t n;
	const struct ma_kind *items[MA_SECRETS_MAX];
};

/*
 * The kinds to derive for a list of mechanisms, words separated by spaces or commas; empty: all
 * that need no password kept. False: an unknown mechanism; @unknown_out is the word.
 */
MA_MUST_CHECK bool ma_mech_kinds(struct ma_span list, bool recoverable, struct ma_kinds *kinds_out,
				 struct ma_span *unknown_out);

/* Is this the password? Asks the cheapest secret of each candidate. */
MA_MUST_CHECK enum mailauth_status ma_mech_check_password(const struct ma_candidates *candidates,
							  struct ma_span password);

/* The mechanisms that have one-shot calls. */
extern const struct ma_mech ma_mech_plain;
extern const struct ma_mech ma_mech_cram_md5;

/* CRAM-MD5's check alone, for servers that ran the dialogue themselves. */
MA_MUST_CHECK enum mailauth_status
ma_cram_md5_check(struct ma_exchange *exchange, struct ma_span challenge, struct ma_span response);

#endif
