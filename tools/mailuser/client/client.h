/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - the client's side of a login, for `mailuser verify`
 *
 * The library knows the server's side only. Here is what a mail program would send, written anew
 * from the RFCs and with cryptography of its own, so that a mistake of the server's side is not
 * made twice. A mechanism is the file client_foo.c, which defines `const struct client
 * ma_clients_foo[]`, and the word 'foo' in the list `clients` of meson.build. This folder knows
 * neither options nor terminals: where a client gives up, it leaves the reason in struct
 * client_login.
 */
#ifndef MAILUSER_CLIENT_H
#define MAILUSER_CLIENT_H

#include <mailauth/mailauth.h>
#include <stdbool.h>
#include <stddef.h>

#include "client_crypto.h"

#define MA_CLIENT_ANSWER_MAX 4096 /* bytes; RFC 2831 section 2.1.2 has the longest answer */

/** What the client says; a text that does not fit sets is_full. */
struct client_answer {
	bool is_full;
	size_t len;
	unsigned char bytes[MA_CLIENT_ANSWER_MAX];
};

/** One login: what the user gave, and how far it is. */
struct client_login {
	const char *name;  /* as it is to be sent */
	const char *realm; /* to use where the mechanism has one; NULL: the server's */
	struct client_bytes password;
	/* The rest is ma_client_login()'s. */
	const struct client *client;
	struct client_crypto *crypto;
	void *state;		 /* state_size bytes of the mechanism's own */
	bool is_mutual;		 /* the server has proved that it knows the account */
	unsigned int iterations; /* that the account's secret costs; 0: the mechanism has none */
	const char *why;	 /* why the client gave up, NULL if it did not; a constant */
};

/** One mechanism. */
struct client {
	const char *mech;  /* NULL ends the table of a file */
	const char *hash;  /* its hash, by OpenSSL's name, where the file has variants */
	bool speaks_first; /* the first message is the client's */
	bool is_mutual;	   /* the server has to prove itself, too */
	size_t state_size;
	/* Answers the server's message; false if it cannot, or will not: login->why tells; without
	 * one, OpenSSL failed. */
	bool (*answer)(struct client_login *login, struct client_bytes in,
		       struct client_answer *answer_out);
};

/** All tables, ended by NULL; written by the build. */
extern const struct client *const ma_client_files[];

/**
 * ma_client_find() - the client for a mechanism
 * @mech: SASL name, or "APOP"; any case
 * Return: a constant; NULL if there is none
 */
const struct client *ma_client_find(const char *mech);

/**
 * ma_client_login() - run a whole dialogue
 * @client:  the mechanism of @session
 * @session: fresh, without MAILAUTH_REQUEST_SUCCESS_DATA
 * @login:   name and password; @login->why tells why the client gave up, if it did
 *
 * Return: as mailauth_session_step(); MAILAUTH_E_PROTOCOL where the client gave up: it could not
 *         answer, or the server did not prove itself
 */
enum mailauth_status ma_client_login(const struct client *client, struct mailauth_session *session,
				     struct client_login *login);

/* For the mechanisms: append to the answer. */
void ma_answer_put(struct client_answer *answer, const void *p, size_t len);
void ma_answer_put_text(struct client_answer *answer, const char *text);
void ma_answer_put_hex(struct client_answer *answer, const void *p, size_t len);

/* For the mechanisms: give up, because of @why, a constant. Returns false. */
bool ma_client_give_up(struct client_login *login, const char *why);

/* Is it this text? */
bool ma_client_is_text(struct client_bytes in, const char *text);

#endif
