/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sasl_side.c - a process as a server that uses libsasl2, with a client to log in
 *
 * The client is libsasl2's own, but for SCRAM (see scram_client.h). libsasl2 reads server.conf
 * itself, as it reads smtpd.conf for Postfix.
 */
#include "sasl_side.h"

#include <sasl/sasl.h>
#include <stdio.h>
#include <string.h>

#include "measure.h"
#include "scram_client.h"

#define HOST  "mail.example.org"
#define REALM "example.org"

/* libsasl2 asks for these again and again. */
static char server_path[512];
static char plugin_path[512];
static char client_path[512];
static const char *service;
static const char *client_user;

static int get_path(void *context, const char **path)
{
	*path = context;
	return SASL_OK;
}

static int log_message(void *context, int level, const char *message)
{
	(void)context;
	if (level <= SASL_LOG_WARN && level != SASL_LOG_NONE)
		fprintf(stderr, "bench: %s: %s\n", service, message);
	return SASL_OK;
}

static int get_name(void *context, int id, const char **result, unsigned int *len)
{
	(void)context;
	*result = id == SASL_CB_AUTHNAME ? client_user : "";
	if (len != NULL)
		*len = (unsigned int)strlen(*result);
	return SASL_OK;
}

static int get_secret(sasl_conn_t *conn, void *context, int id, sasl_secret_t **secret)
{
	static union {
		sasl_secret_t secret;
		char room[sizeof(sasl_secret_t) + sizeof(SASL_SIDE_PASSWORD)];
	} held;

	(void)conn;
	(void)context;
	(void)id;
	held.secret.len = sizeof(SASL_SIDE_PASSWORD) - 1;
	memcpy(held.secret.data, SASL_SIDE_PASSWORD, sizeof(SASL_SIDE_PASSWORD));
	*secret = &held.secret;
	return SASL_OK;
}

/* Through a type that gcc takes for any function. */
#define CALLBACK(function) ((int (*)(void))(void (*)(void))(function))

static const sasl_callback_t server_callbacks[] = {
	{SASL_CB_GETPATH, CALLBACK(get_path), plugin_path},
	{SASL_CB_GETCONFPATH, CALLBACK(get_path), server_path},
	{SASL_CB_LOG, CALLBACK(log_message), NULL},
	{SASL_CB_LIST_END, NULL, NULL},
};

static const sasl_callback_t client_callbacks[] = {
	{SASL_CB_GETPATH, CALLBACK(get_path), client_path},
	{SASL_CB_LOG, CALLBACK(log_message), NULL},
	{SASL_CB_USER, CALLBACK(get_name), NULL},
	{SASL_CB_AUTHNAME, CALLBACK(get_name), NULL},
	{SASL_CB_PASS, CALLBACK(get_secret), NULL},
	{SASL_CB_LIST_END, NULL, NULL},
};

static void put_path(char path[512], const char *folder, const char *name)
{
	int len = snprintf(path, 512, "%s/%s", folder, name);

	need(len > 0 && len < 512, "a path");
}

void sasl_side_client(const char *folder)
{
	put_path(client_path, folder, "clients");
	need(sasl_client_init(client_callbacks) == SASL_OK, "sasl_client_init");
}

void sasl_side_server(const char *folder, const char *name)
{
	service = name;
	put_path(server_path, folder, name);
	put_path(plugin_path, server_path, "plugins");
	need(sasl_server_init(server_callbacks, "server") == SASL_OK, "sasl_server_init");
}

static bool is_scram(const char *mech)
{
	return strncmp(mech, "SCRAM-", 6) == 0;
}

static void refused(sasl_conn_t *conn, const char *mech, const char *user)
{
	fprintf(stderr, "bench: %s refused %s with %s: %s\n", service, user, mech,
		sasl_errdetail(conn));
	exit(1);
}

/* The server's side of a login: what it is told in the first step, and what it took. */
struct dialogue {
	const char *mech;
	sasl_conn_t *conn;
	const char *out;
	unsigned int out_len;
	uint64_t spent;
};

/* SCRAM from a password takes milliseconds, in which other processes have their turns; to read the
 * CPU's time takes a system call, which would show in the microseconds of the others. */
static uint64_t read_ns(const struct dialogue *dialogue)
{
	return is_scram(dialogue->mech) ? cpu_ns() : now_ns();
}

static int server_start(struct dialogue *dialogue, const char *in, size_t in_len)
{
	uint64_t start = read_ns(dialogue);
	int code;

	need(sasl_server_new(service, HOST, REALM, NULL, NULL, NULL, 0, &dialogue->conn) == SASL_OK,
	     "sasl_server_new");
	code = sasl_server_start(dialogue->conn, dialogue->mech, in, (unsigned int)in_len,
				 &dialogue->out, &dialogue->out_len);
	dialogue->spent += read_ns(dialogue) - start;
	return code;
}

static int server_step(struct dialogue *dialogue, const char *in, size_t in_len)
{
	uint64_t start = read_ns(dialogue);
	int code = sasl_server_step(dialogue->conn, in, (unsigned int)in_len, &dialogue->out,
				    &dialogue->out_len);

	dialogue->spent += read_ns(dialogue) - start;
	return code;
}

static int login_scram(struct dialogue *dialogue, const char *user)
{
	struct scram_client client;
	int code;

	scram_client_start(&client, dialogue->mech, user);
	code = server_start(dialogue, client.first, strlen(client.first));
	if (code != SASL_CONTINUE)
		return code;
	scram_client_step(&client, dialogue->out, dialogue->out_len);
	code = server_step(dialogue, client.final, strlen(client.final));
	if (code == SASL_CONTINUE) /* the server's proof, to which there is no answer */
		code = server_step(dialogue, "", 0);
	return code;
}

static int login_other(struct dialogue *dialogue, const char *user)
{
	sasl_conn_t *client;
	const char *chosen;
	const char *in = NULL;
	unsigned int in_len = 0;
	int code;

	client_user = user;
	need(sasl_client_new(service, HOST, NULL, NULL, client_callbacks, 0, &client) == SASL_OK,
	     "sasl_client_new");
	need(sasl_client_start(client, dialogue->mech, NULL, &in, &in_len, &chosen) >= SASL_OK,
	     "sasl_client_start");
	code = server_start(dialogue, in, in_len);
	while (code == SASL_CONTINUE) {
		need(sasl_client_step(client, dialogue->out, dialogue->out_len, NULL, &in,
				      &in_len) >= SASL_OK,
		     "sasl_client_step");
		code = server_step(dialogue, in, in_len);
	}
	sasl_dispose(&client);
	return code;
}

uint64_t sasl_side_login(const char *mech, const char *user)
{
	struct dialogue dialogue = {.mech = mech};
	uint64_t start;

	if ((is_scram(mech) ? login_scram : login_other)(&dialogue, user) != SASL_OK)
		refused(dialogue.conn, mech, user);
	start = read_ns(&dialogue);
	sasl_dispose(&dialogue.conn);
	return dialogue.spent + read_ns(&dialogue) - start;
}
