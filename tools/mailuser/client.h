/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * client.h - the client's side of a login, for `mailuser verify`
 */
#ifndef MAILUSER_CLIENT_H
#define MAILUSER_CLIENT_H

#include <mailauth/mailauth.h>
#include <stdbool.h>
#include <stddef.h>

#include "password.h"

/* Longest answer: PLAIN with the longest name and password. */
#define MA_ANSWER_MAX (MAILAUTH_NAME_MAX + MAILAUTH_PASSWORD_MAX + 16)

/** What the client says. */
struct answer {
	size_t len;
	unsigned char bytes[MA_ANSWER_MAX];
};

/** One mechanism. */
struct client {
	const char *mech;
	bool speaks_first; /* the first message is the client's */
	/* Answers a challenge; false if it cannot. */
	bool (*answer)(const char *name, const struct password *password, const void *challenge,
		       size_t challenge_len, struct answer *answer_out);
};

/**
 * ma_client_find() - the client for a mechanism
 * @mech: SASL name, any case
 * Return: a constant; NULL if there is none
 */
const struct client *ma_client_find(const char *mech);

/**
 * ma_client_login() - run a whole dialogue
 * @client:   the mechanism of @session
 * @session:  fresh
 * @name:     who logs in
 * @password: with what
 *
 * Return: as mailauth_session_step(); MAILAUTH_E_PROTOCOL if the dialogue does not end,
 *         MAILAUTH_E_UNSUPPORTED if the client cannot answer
 */
enum mailauth_status ma_client_login(const struct client *client, struct mailauth_session *session,
				     const char *name, const struct password *password);

#endif
