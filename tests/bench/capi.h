/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capi.h - what the files of bench_capi share
 *
 * capi_store.c makes the accounts, capi_client.c says what a client would, capi_bare.c does what no
 * server can do without, capi_count.c counts, bench_capi.c measures.
 */
#ifndef BENCH_CAPI_H
#define BENCH_CAPI_H

#include <lmdb.h>

#include "lib.h"
#include "measure.h"

#define REALM "example.org"

enum mechanism { PLAIN, LOGIN, CRAM_MD5, DIGEST_MD5, APOP, SCRAM_1, SCRAM_256, SCRAM_512 };
#define N_MECHANISMS 8
extern const char *const mechanism_names[N_MECHANISMS];

/* The password of every account, and one that is wrong for every one. */
extern const char *const bench_passwords[2];
/* Where a server ran the dialogue itself: as good as any that is fresh. */
extern const char bench_challenge[];

/* One login, from both ends. */
struct attempt {
	enum mechanism mechanism;
	bool is_wrong;	  /* with the wrong password: has to be refused */
	bool is_dialogue; /* the server sends a challenge, and does not get it from somebody else */
	char user[64];
	size_t user_len;
	/* the dialogue */
	struct mailauth_session *session;
	enum mailauth_status status;
	unsigned int stage; /* how many messages the client has sent */
	const void *reply;
	size_t reply_len;
	char message[1024]; /* what the client sends */
	size_t message_len;
	char first[256]; /* SCRAM: its first message, without the header */
	/* what the bare work checks: a proof for this text; SCRAM's auth message, or a challenge */
	char text[512];
	size_t text_len;
	uint8_t proof[MA_HASH_MAX];
};

/* capi_client.c */

/* Once; derives what clients derive from the two passwords and the salts of the accounts. */
void client_start(struct mailauth *ctx);
/* The next message, from the server's last; false: there is none. */
bool client_next(struct attempt *attempt);
/* A proof for a dialogue that the server is thought to have run: message is "user digest". */
void client_prove(struct attempt *attempt);
#define DIGEST_NONCE  "5e0b1fd05c3f4d2ba1f0c3ab9fd2c1d4"
#define DIGEST_CNONCE "OA6MHXh6VqTrRk"
#define DIGEST_URI    "imap/mail.example.org"

/* capi_store.c */

/* Makes a store of @n accounts in @folder, which is there and empty; prints how long it took. */
void store_make(const char *folder, size_t n);
/* As a server does: for reading. */
struct mailauth *store_open(const char *folder);
size_t store_name(size_t i, char out[64]);

/* capi_bare.c */

struct bare {
	const struct mailauth *ctx; /* for its key */
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	struct ma_crypto *crypto;
	struct ma_cipher *cipher;
	size_t offsets[MA_KIND_PASSWORD + 1]; /* of the secrets in an opened record, by kind */
	size_t lens[MA_KIND_PASSWORD + 1];
};
void bare_open(struct bare *bare, const struct mailauth *ctx, const char *folder);
void bare_close(struct bare *bare);
/* Whether the attempt of client_prove() has the right password. */
bool bare_login(struct bare *bare, const struct attempt *attempt);

/* capi_count.c */

/* Allocations of this thread so far, of all libraries. */
uint64_t count_allocations(void);
/* Runs @run in a child; the system calls that it makes between count_begin() and count_end(). */
double count_system_calls(void (*run)(void *arg), void *arg);
void count_begin(void);
void count_end(void);
/* What follows is not counted. */
void count_pause(bool is_paused);

#endif
