/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * scram_client.h - a client of SCRAM that derives its key once
 *
 * As clients do (RFC 5802 section 5.1): the salted password is kept for the next login with the
 * same salt. libsasl2's client derives it each time, which takes milliseconds, and leaves a server
 * that takes microseconds with cold caches.
 */
#ifndef BENCH_SCRAM_CLIENT_H
#define BENCH_SCRAM_CLIENT_H

#include <stdbool.h>

#define SCRAM_MESSAGE_MAX 512

struct scram_client {
	bool is_sha256;		       /* else SHA-1 */
	char first[SCRAM_MESSAGE_MAX]; /* with "n,," in front */
	char final[SCRAM_MESSAGE_MAX];
};

/* Makes the first message. */
void scram_client_start(struct scram_client *client, const char *mech, const char *user);

/* Makes the final one, from the server's first. */
void scram_client_step(struct scram_client *client, const char *server_first, unsigned int len);

#endif
