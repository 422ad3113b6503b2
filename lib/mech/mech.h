/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mech.h - what a mechanism is
 *
 * A mechanism reads the client's messages, asks for the account's secrets through a callback and
 * compares. It knows neither the store nor the account's state: one that may not log in answers
 * with its own secrets, one that does not exist with decoys, and the session denies in the end
 * whatever the mechanism says, and throws its reply away.
 *
 * A kind of secret belongs to the mechanism it was made for, which brings it along: how it is
 * derived from a password, how a password is checked against it, what a decoy looks like. The build
 * makes ma_mech_files[] from the list in lib/meson.build.
 */
#ifndef MA_MECH_MECH_H
#define MA_MECH_MECH_H

#include "account/account.h"
#include "util/base.h"
#include "util/buf.h"
#include "util/config.h"
#include "util/hash.h"
#include "util/span.h"

#define MA_SECRET_MAX 4096 /* bytes in one secret */
#define MA_SEED_LEN   32

/* What a verifier is worth to somebody who has the store and its key. */
enum ma_strength {
	MA_STRENGTH_CLEAR, /* the password itself */
	MA_STRENGTH_FAST,  /* guessed at the speed of MD5 */
	MA_STRENGTH_SLOW   /* each guess is made dear */
};

/* Whose secret it is, and what else is needed to make or check one. */
struct ma_subject {
	struct ma_crypto *crypto;
	const struct ma_config *config;
	struct ma_span local; /* both halves of the account's name, as stored */
	struct ma_span realm;
};

/* What a client can see of the secret of an account before it has proved anything has to be the
 * same each time for an account that is not there, too. */
struct ma_decoy {
	uint8_t seed[MA_SEED_LEN]; /* nobody knows it; the first half is the account's own if shows
				    */
	struct ma_span like;	   /* the account's secret of this kind; empty: it has none */
};

struct ma_kind {
	enum ma_kind_id id;
	const char *name;
	const char *title; /* for a message: "SCRAM-SHA-256 keys" */
	enum ma_strength strength;
	unsigned int cost_ns; /* rough cost of checking a password, to choose the cheapest */
	bool shows;	      /* the server's first message has a part of it: a salt */
	bool by_name;	      /* decoys depend on whom they stand for */
	enum ma_hash hash;    /* where the kind has variants */
	/* Appends the secret. */
	enum mailauth_status (*derive)(const struct ma_kind *kind, const struct ma_subject *subject,
				       struct ma_span password, struct ma_buf *out);
	/* MAILAUTH_OK: the password fits; MAILAUTH_E_DENIED: not, also if the secret is damaged. */
	enum mailauth_status (*check)(const struct ma_kind *kind, const struct ma_subject *subject,
				      struct ma_span secret, struct ma_span password);
	/* Appends a secret of the usual form that no password fits, always the same one. */
	enum mailauth_status (*decoy)(const struct ma_kind *kind, const struct ma_subject *subject,
				      const struct ma_decoy *from, struct ma_buf *out);
	/*
	 * Appends the secret that a text of mailauth_user_put_secret() stands for. @old: the
	 * account's secret of this kind, or empty; what the text does not replace of it stays.
	 * NULL, or why the text is refused: a constant.
	 */
	const char *(*parse)(const struct ma_kind *kind, const struct ma_subject *subject,
			     struct ma_span text, struct ma_span old, struct ma_buf *out);
	/* Appends part @part of the secret as such a text; false: no such part, or damaged. */
	bool (*format)(const struct ma_kind *kind, const struct ma_subject *subject,
		       struct ma_span secret, size_t part, struct ma_buf *out);
};

/* The credentials that may answer; each holds a secret that the mechanism can use. */
struct ma_candidates {
	struct ma_subject subject;
	size_t n;
	const struct ma_credential *items[MA_CREDENTIALS_MAX];
};

/* Who the client says it is, in its own words. */
struct ma_identity {
	struct ma_span user;
	struct ma_span realm;	/* empty unless the mechanism has one */
	struct ma_span authzid; /* empty, or has to mean the same account */
};

/* One side of a dialogue, as the session shows it to the mechanism. */
struct ma_exchange {
	const struct ma_mech *mech;
	struct ma_crypto *crypto;
	struct ma_span host;  /* this server's name */
	struct ma_span realm; /* of this server's accounts */
	int64_t now_s;
	size_t n_bindings; /* TLS channel bindings; 0: -PLUS is not on offer */
	const struct mailauth_binding *bindings;
	struct ma_span nonce; /* of the server, for tests with known answers; empty: a random one */
	/* What the client sent, if by_password; lasts as long as its message. */
	struct ma_span password;
	void *state; /* state_size bytes, zero at first, wiped at the end */
	/* Names the account, once in a dialogue. The candidates last until the step returns. */
	enum mailauth_status (*lookup)(void *arg, const struct ma_identity *who,
				       const struct ma_candidates **candidates_out);
	void *lookup_arg;
};

struct ma_mech {
	const char *name;
	bool by_password;	    /* gets the password: any kind that can check one serves */
	bool on_request;	    /* not among those that an empty list of mechanisms means */
	bool needs_binding;	    /* only with TLS channel bindings */
	const struct ma_kind *kind; /* else: the kind it needs; NULL if by_password */
	const struct ma_kind *brings[4]; /* the kinds defined in its file, NULL-terminated */
	const struct ma_mech *more;	 /* the next mechanism of the same file; NULL: none */
	size_t state_size;
	/*
	 * MAILAUTH_OK: the proof is right; a reply is data for the client that goes with success.
	 * @reply is empty at entry.
	 */
	enum mailauth_status (*step)(struct ma_exchange *exchange, struct ma_span in,
				     struct ma_buf *reply);
};

/* The first mechanism of each file in the list of lib/meson.build. */
extern const struct ma_mech *const ma_mech_files[];
extern const size_t ma_n_mech_files;

/* The mechanisms in order; NULL behind the last. */
const struct ma_mech *ma_mech_at(size_t index);

/* The password itself; APOP's kind, and no other mechanism's. */
extern const struct ma_kind ma_kind_password;

/* What PLAIN brings; the rule in ma_mech_kinds() chooses between them. */
extern const struct ma_kind ma_kind_sasl_plain;
extern const struct ma_kind ma_kind_crypt;

const struct ma_mech *ma_mech_find(struct ma_span name);
const struct ma_kind *ma_kind_find(unsigned int id);
const struct ma_kind *ma_kind_find_name(struct ma_span name);

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

/* As ma_mech_check_password(), for a message; keeps the password in the exchange. */
MA_MUST_CHECK enum mailauth_status ma_mech_verify_password(struct ma_exchange *exchange,
							   const struct ma_candidates *candidates,
							   struct ma_span password);

/* parse and format of the kinds that are bytes of one length, written in hexadecimal digits. */
MA_MUST_CHECK const char *ma_kind_parse_hex(struct ma_span text, size_t len, struct ma_buf *out);
MA_MUST_CHECK bool ma_kind_format_hex(struct ma_span secret, size_t len, size_t part,
				      struct ma_buf *out);

/*
 * For verifier.c: of a digest-md5 secret, the hash (MA_MD5_LEN bytes) for one realm, letter for
 * letter, and one form of the name, local or (@full) local@realm; in Latin-1 if there is such a
 * one. False: there is none.
 */
MA_MUST_CHECK bool ma_digest_md5_find(struct ma_span secret, struct ma_span realm, bool full,
				      struct ma_span *ha1_out);
/*
 * For mechanisms that answer a challenge with 32 hexadecimal digits, of either case. @fits says
 * whether a secret of the mechanism's kind makes this digest.
 */
typedef bool ma_fits_fn(struct ma_span secret, struct ma_span challenge, struct ma_span digest);
MA_MUST_CHECK enum mailauth_status ma_mech_check_digest(struct ma_exchange *exchange,
							struct ma_span user,
							struct ma_span challenge,
							struct ma_span hex, ma_fits_fn *fits);

/* The mechanisms that have one-shot calls. */
extern const struct ma_mech ma_mech_plain;
extern const struct ma_mech ma_mech_cram_md5;
extern const struct ma_mech ma_mech_apop;

/* Writes a challenge that was never sent before: a msg-id (RFC 822), "<random.time@host>", without
 * '=', of MA_CHALLENGE_MAX bytes at most. */
#define MA_CHALLENGE_MAX 512
MA_MUST_CHECK enum mailauth_status ma_mech_challenge(const struct ma_exchange *exchange,
						     struct ma_buf *out);

/* CRAM-MD5's and APOP's check alone, for servers that ran the dialogue themselves. @response is
 * "user digest". */
MA_MUST_CHECK enum mailauth_status
ma_cram_md5_check(struct ma_exchange *exchange, struct ma_span challenge, struct ma_span response);
MA_MUST_CHECK enum mailauth_status ma_apop_check(struct ma_exchange *exchange,
						 struct ma_span challenge, struct ma_span user,
						 struct ma_span digest);
/* DIGEST-MD5's step alone, for tests that bring the nonce; the exchange has a state. */
MA_MUST_CHECK enum mailauth_status ma_digest_md5_check(struct ma_exchange *exchange,
						       struct ma_span nonce,
						       struct ma_span response,
						       struct ma_buf *reply);

#endif
