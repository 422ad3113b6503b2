/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sasl_side.h - a process as a server that uses libsasl2, with a client to log in
 *
 * A server is a folder: plugins/ has the plugins that libsasl2 finds, server.conf its options. The
 * name of the folder is the name of the service.
 */
#ifndef BENCH_SASL_SIDE_H
#define BENCH_SASL_SIDE_H

#include <stdint.h>
#include <stdio.h>

#define SASL_SIDE_PASSWORD "correct horse battery staple"
#define SASL_SIDE_USER_MAX 32

/* The client, with the mechanisms in @folder/clients. At most one of each in a process. */
void sasl_side_client(const char *folder);

/* The server that is @folder/@name. */
void sasl_side_server(const char *folder, const char *name);

/* Logs a user in; returns the nanoseconds that the server took, from sasl_server_new() to
 * sasl_dispose(), without the client's; of its CPU time for SCRAM. */
uint64_t sasl_side_login(const char *mech, const char *user);

/* The account with that number. */
static inline void sasl_side_user(long i, char user[SASL_SIDE_USER_MAX])
{
	(void)snprintf(user, SASL_SIDE_USER_MAX, "user%06ld", i);
}

#endif
