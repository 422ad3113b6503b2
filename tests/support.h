/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * support.h - what tests share
 *
 * A runner that prints TAP, temporary folders, a configuration with a store in one of them, and a
 * log to look into. Nothing here needs root: key files have to be root's, so a test that is not run
 * by root moves into a user namespace where it is.
 */
#ifndef MA_TESTS_SUPPORT_H
#define MA_TESTS_SUPPORT_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#include <mailauth/mailauth.h>

/* Runs one suite, prints TAP; the exit status for main(). */
int support_run(Suite *suite);

/* A folder that is removed when the test program ends. The text belongs to support. */
const char *support_folder(void);
/* The path of @name in support_folder(); valid until 8 further calls. */
const char *support_path(const char *name);
/* Writes a file in support_folder(), mode 0600; its path as above. */
const char *support_file(const char *name, const void *content, size_t len);

/* How often to repeat: @usual, or @full where scripts/test --full asks for the long form. */
size_t support_rounds(size_t usual, size_t full);

/* For tcase_add_checked_fixture(): no store, no key, as with CK_FORK=no tests share a folder. */
void support_reset(void);

/*
 * Writes a configuration for an LMDB store (or memory, if there is none in this build) and a key in
 * support_folder(), with @more lines, and makes store and key. Returns the path of the file.
 */
const char *support_config(const char *more);

/* Keeps what was logged. */
struct support_log {
	char event[32];	 /* of the last one */
	char text[1024]; /* all texts of the level asked for, cut at the end */
	enum mailauth_log_level level;
	unsigned int n;
};

mailauth_log_fn support_log;
void support_log_clear(struct support_log *log);

/* A context on support_config(@more), opened for writing, logging to @log (may be NULL). */
struct mailauth *support_open(const char *more, struct support_log *log);

/* Can a second context see what the first wrote? Not in a build without LMDB. */
int support_is_shared(void);

/* Stores a new account with a password. */
void support_add(struct mailauth *ctx, const char *name, const char *password);

/* Fails the test if a status is not the one wanted; @what says in which case. */
void support_status(const char *what, enum mailauth_status got, enum mailauth_status want);

/*
 * Clients that share no code with the library. The first fields are set by the test; the texts are
 * NUL-terminated and go out as they are. Messages are NUL-terminated, too, and fail the test where
 * @size is too small.
 */

/* RFC 5802 section 5 */
struct support_scram {
	const char *mech; /* which hash */
	const char *gs2;  /* "n,," */
	const char *user;
	const char *password;
	const char *nonce;
	const void *binding;
	size_t binding_len;
	const char *more_first; /* behind the nonce, ",x=y"; or NULL */
	const char *more_final;
	/* set by the calls */
	char bare[4096];
	char salt[256]; /* as the server sent it */
	unsigned long iterations;
	char want[128]; /* the server's last message */
};
size_t support_scram_first(struct support_scram *client, char *out, size_t size);
size_t support_scram_final(struct support_scram *client, const void *challenge, size_t len,
			   char *out, size_t size);

/* RFC 2831 section 2.1.2 */
struct support_digest {
	const char *user;
	const char *realm; /* NULL: the one that the server offers */
	const char *password;
	char want[64]; /* set by the call: rspauth */
};
size_t support_digest_md5(struct support_digest *client, const void *challenge, size_t len,
			  char *out, size_t size);

/*
 * A client of any mechanism that talks to a session. The first fields are set by the test; @user
 * and
 * @password have no characters that a mechanism would have to escape or prepare.
 */
struct support_client {
	const char *mech;
	const struct mailauth_request *request;
	const char *user;
	const char *password;
	/* set by the calls */
	struct mailauth_session *session;
	char last[8192]; /* the client's last message, not counting an empty one */
	size_t last_len;
	char want[128]; /* the server's data that go with success; empty: none */
	const void *reply;
	size_t reply_len;
};
/* Plays all but the client's last message: MAILAUTH_CONTINUE, or what the session ended with, or
 * why there is none. */
enum mailauth_status support_client_begin(struct mailauth *ctx, struct support_client *client);
/* Sends it, and the empty message if the server's data came before success; fails the test if they
 * are not as they should be. */
enum mailauth_status support_client_finish(struct support_client *client);
/* Both, and frees the session. */
enum mailauth_status support_login(struct mailauth *ctx, const char *mech,
				   const struct mailauth_request *request, const char *user,
				   const char *password);

/* Bytes from hexadecimal text; returns how many. Fails the test if the text is none. */
size_t support_unhex(const char *text, uint8_t *out, size_t size);

/* The next line of tests/vectors/@name that is no comment, cut at tabs; 0 at the end. */
struct support_vectors;
struct support_vectors *support_vectors_open(const char *name);
size_t support_vectors_next(struct support_vectors *vectors, const char *fields[], size_t max);
void support_vectors_close(struct support_vectors *vectors);

#endif
