/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dialogue.h - whole logins made of a fuzzer's bytes
 *
 * The input is text that a person can write and a fuzzer can cut and join anywhere:
 *
 *   ba                                   one of the ways, one of the accounts, from "a" on
 *   n,,n=~U,r=abc                        one line for each message of the client
 *   c=~B,r=~N,p=~P
 *
 * The client is a small honest one: a '~' and a letter stand for what it alone would know, so that
 * the fuzzer gets behind nonces and proofs and plays with what surrounds them.
 *
 *   ~P  the proof that fits this dialogue, of the account's password   ~W  of the next account's
 *   ~U  the account's local part    ~F  local@realm    ~M  its realm
 *   ~0  NUL    ~n  line feed    ~~  '~'    ~r  the last byte, 100 times more    ~d  all again
 *   ~Q  the client goes away here
 *   ... and what a mechanism's client adds
 *
 * The messages go to real sessions on a store in memory, because that is both deeper (names,
 * decoys, states of accounts, channel bindings, the verdict, its log line) and hardly slower than
 * the mechanism alone: a lookup costs a few microseconds, most of it AES.
 *
 * What holds for each input: nobody is logged in but the account whose right proof was given, and
 * only if it may log in; before that there is no user; a dialogue ends, and what is over stays so;
 * replies have their maximum; the log has one line; and the same input does the same twice.
 */
#ifndef MA_TESTS_DIALOGUE_H
#define MA_TESTS_DIALOGUE_H

#include "fuzz.h"
#include "lib.h"

#define FUZZ_STEPS_MAX	8 /* more than any mechanism has */

#define FUZZ_PROOFS_MAX 4 /* in one message */

/* A mechanism and what the server says about the connection. */
struct fuzz_way {
	const char *mech;
	struct mailauth_request request; /* its size is filled in */
};

/* What a client makes of its password, for SCRAM. */
struct fuzz_scram_keys {
	uint8_t client[MA_HASH_MAX];
	uint8_t stored[MA_HASH_MAX];
	uint8_t server[MA_HASH_MAX];
};

struct fuzz_account {
	const char *local;
	const char *realm;
	const char *password;
	struct fuzz_scram_keys scram[MA_N_HASHES];
};

struct fuzz_dialogue {
	struct mailauth *ctx;
	const struct fuzz_way *way;
	const struct ma_mech *mech;
	const struct fuzz_account *account; /* whose proof ~P is */
	const struct fuzz_account *other;   /* whose proof ~W is */
	size_t n;			    /* messages sent so far */
	struct ma_span sent[FUZZ_STEPS_MAX];
	struct ma_span got[FUZZ_STEPS_MAX];
	/* What the server has to answer to the proofs of the last message. */
	size_t n_answers;
	struct ma_buf answers[FUZZ_PROOFS_MAX];
	uint8_t answer_bytes[FUZZ_PROOFS_MAX][128];
};

/* The client's side of one mechanism. */
struct fuzz_client {
	const struct fuzz_way *ways;
	size_t n_ways;
	/* Further tokens that are proofs, as text; NULL: none. */
	const char *proofs;
	/* Appends what stands for a letter; false: it is no token. May be NULL. */
	bool (*expand)(const struct fuzz_dialogue *dialogue, uint8_t letter, struct ma_buf *out);
	/* Appends the proof of @who that belongs at @at into @message, which is whole but for it.
	 */
	void (*prove)(struct fuzz_dialogue *dialogue, const struct fuzz_account *who,
		      uint8_t letter, struct ma_span message, size_t at, struct ma_buf *out,
		      struct ma_buf *answer);
	/* Looks at the answer to the last message sent. May be NULL. */
	void (*look)(struct fuzz_dialogue *dialogue, enum mailauth_status status,
		     struct ma_span reply);
};

/* For LLVMFuzzerTestOneInput(). */
int fuzz_dialogue(const struct fuzz_client *client, const uint8_t *data, size_t size);

/* Does this answer one of the proofs? */
bool fuzz_is_answer(const struct fuzz_dialogue *dialogue, struct ma_span reply);
/* What the server said last; empty at first. */
struct ma_span fuzz_last_reply(const struct fuzz_dialogue *dialogue);
/* The text behind @before, up to the first @end or the end; empty if it is not there. */
struct ma_span fuzz_behind(struct ma_span text, const char *before, uint8_t end);
/* Appends the text in Latin-1, or as it is if it does not fit. */
void fuzz_put_latin1(const char *text, struct ma_buf *out);

#endif
