/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_sasl.c - logins through libsasl2: this plugin against Cyrus' sasldb
 *
 * Usage: bench_sasl PLUGIN_FOLDER CONFIG SASLDB_FILE SYSTEM_PLUGIN_FOLDER
 *
 * Two child processes, one for each auxprop plugin, log the same users in with libsasl2's own
 * mechanisms. They take turns, a round each, and only the server's calls are timed: sasl_server_new
 * to sasl_dispose, without the client's arithmetic. run-sasl makes the folder and the store.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sasl/sasl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define USERS	1000
#define ROUNDS	21
#define A_ROUND 500 /* logins */

static const char password[] = "correct horse battery staple";

struct server {
	const char *auxprop;
	const char *path; /* of plugins */
	const char *config;
	const char *sasldb;
};

/* libsasl2's callbacks get no context of ours at initialisation, so this is global. */
static struct server server;

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_sasl: %s: %s failed\n", server.auxprop, what);
	exit(1);
}

static int get_option(void *context, const char *plugin, const char *option, const char **result,
		      unsigned int *len)
{
	const char *const options[][2] = {
		{"auxprop_plugin", server.auxprop}, {"mailauth_config", server.config},
		{"sasldb_path", server.sasldb},	    {"pwcheck_method", "auxprop"},
		{"mech_list", "CRAM-MD5 PLAIN"},
	};

	(void)context;
	(void)plugin;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(option, options[i][0]) != 0)
			continue;
		*result = options[i][1];
		if (len != NULL)
			*len = (unsigned int)strlen(*result);
		return SASL_OK;
	}
	return SASL_FAIL;
}

static int get_path(void *context, const char **path)
{
	(void)context;
	*path = server.path;
	return SASL_OK;
}

static int log_nothing(void *context, int level, const char *message)
{
	(void)context;
	if (level <= SASL_LOG_WARN && level != SASL_LOG_NONE)
		fprintf(stderr, "bench_sasl: %s: %s\n", server.auxprop, message);
	return SASL_OK;
}

static const sasl_callback_t callbacks[] = {
	{SASL_CB_GETOPT, (int (*)(void))get_option, NULL},
	{SASL_CB_GETPATH, (int (*)(void))get_path, NULL},
	{SASL_CB_LOG, (int (*)(void))log_nothing, NULL},
	{SASL_CB_LIST_END, NULL, NULL},
};

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static sasl_conn_t *connect_one(void)
{
	sasl_conn_t *conn;

	need(sasl_server_new("smtp", "mail.example.org", "example.org", NULL, NULL, NULL, 0,
			     &conn) == SASL_OK,
	     "sasl_server_new");
	return conn;
}

static void add_users(void)
{
	for (int i = 0; i < USERS; i++) {
		sasl_conn_t *conn = connect_one();
		char user[32];

		(void)snprintf(user, sizeof(user), "user%06d", i);
		need(sasl_setpass(conn, user, password, sizeof(password) - 1, NULL, 0,
				  SASL_SET_CREATE) == SASL_OK,
		     "sasl_setpass");
		sasl_dispose(&conn);
	}
}

static unsigned int answer_cram(const char *user, const char *challenge, unsigned int len,
				char *out, size_t size)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_len;
	int n = snprintf(out, size, "%s ", user);

	need(HMAC(EVP_md5(), password, sizeof(password) - 1, (const unsigned char *)challenge, len,
		  digest, &digest_len) != NULL,
	     "HMAC");
	for (unsigned int i = 0; i < digest_len; i++)
		n += snprintf(out + n, size - (size_t)n, "%02x", digest[i]);
	return (unsigned int)n;
}

static uint64_t login_cram(const char *user)
{
	uint64_t start = now_ns();
	sasl_conn_t *conn = connect_one();
	const char *out;
	unsigned int out_len;
	uint64_t spent;
	char response[128];
	unsigned int response_len;

	need(sasl_server_start(conn, "CRAM-MD5", NULL, 0, &out, &out_len) == SASL_CONTINUE,
	     "sasl_server_start");
	spent = now_ns() - start;
	response_len = answer_cram(user, out, out_len, response, sizeof(response));
	start = now_ns();
	need(sasl_server_step(conn, response, response_len, &out, &out_len) == SASL_OK,
	     "a CRAM-MD5 login");
	sasl_dispose(&conn);
	return spent + now_ns() - start;
}

static uint64_t login_plain(const char *user)
{
	char message[128];
	size_t user_len = strlen(user);
	uint64_t start;
	sasl_conn_t *conn;
	const char *out;
	unsigned int out_len;

	message[0] = '\0';
	memcpy(message + 1, user, user_len + 1);
	memcpy(message + user_len + 2, password, sizeof(password));
	start = now_ns();
	conn = connect_one();
	need(sasl_server_start(conn, "PLAIN", message,
			       (unsigned int)(user_len + 2 + sizeof(password) - 1), &out,
			       &out_len) == SASL_OK,
	     "a PLAIN login");
	sasl_dispose(&conn);
	return now_ns() - start;
}

static uint64_t (*const mechs[])(const char *user) = {login_cram, login_plain};
static const char *const mech_names[] = {"CRAM-MD5", "PLAIN"};

/* Does a round of the mechanism asked for and answers with ns per login. */
static void serve(int in, int out)
{
	unsigned char mech;
	double result;

	need(sasl_server_init(callbacks, "bench") == SASL_OK, "sasl_server_init");
	add_users();
	srandom(1);
	while (read(in, &mech, 1) == 1) {
		uint64_t spent = 0;

		for (int i = 0; i < A_ROUND; i++) {
			char user[32];

			(void)snprintf(user, sizeof(user), "user%06ld", random() % USERS);
			spent += mechs[mech](user);
		}
		result = (double)spent / A_ROUND;
		need(write(out, &result, sizeof(result)) == sizeof(result), "answering");
	}
	sasl_done();
}

struct child {
	pid_t pid;
	int to;
	int from;
};

static struct child start(const struct server *what)
{
	int to[2];
	int from[2];
	struct child child;

	need(pipe(to) == 0 && pipe(from) == 0, "pipe");
	child.pid = fork();
	need(child.pid >= 0, "fork");
	if (child.pid == 0) {
		(void)close(to[1]);
		server = *what;
		serve(to[0], from[1]);
		exit(0);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	child.to = to[1];
	child.from = from[0];
	return child;
}

static double ask(const struct child *child, unsigned char mech)
{
	double result;

	need(write(child->to, &mech, 1) == 1, "asking");
	need(read(child->from, &result, sizeof(result)) == sizeof(result), "a round");
	return result;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(const struct child *ours, const struct child *theirs, unsigned char mech)
{
	double a[ROUNDS];
	double b[ROUNDS];
	double ratio[ROUNDS];

	(void)ask(ours, mech);
	(void)ask(theirs, mech);
	for (int i = 0; i < ROUNDS; i++) {
		a[i] = ask(ours, mech);
		b[i] = ask(theirs, mech);
		ratio[i] = b[i] / a[i];
	}
	qsort(a, ROUNDS, sizeof(a[0]), compare);
	qsort(b, ROUNDS, sizeof(b[0]), compare);
	qsort(ratio, ROUNDS, sizeof(ratio[0]), compare);
	printf("%-10s %12.0f %12.0f %8.1f\n", mech_names[mech], b[ROUNDS / 2], a[ROUNDS / 2],
	       ratio[ROUNDS / 2]);
}

int main(int argc, char **argv)
{
	struct child ours;
	struct child theirs;

	if (argc != 5) {
		fprintf(stderr, "usage: bench_sasl PLUGINS CONFIG SASLDB SYSTEM_PLUGINS\n");
		return 2;
	}
	ours = start(&(struct server){"mailauth", argv[1], argv[2], argv[3]});
	theirs = start(&(struct server){"sasldb", argv[4], argv[2], argv[3]});
	printf("Through libsasl2, %d accounts (ns of server time per login, medians of %d rounds "
	       "of %d)\n%-10s %12s %12s %8s\n",
	       USERS, ROUNDS, A_ROUND, "mechanism", "sasldb", "mailauth", "ratio");
	for (unsigned char i = 0; i < 2; i++)
		measure(&ours, &theirs, i);
	(void)close(ours.to);
	(void)close(theirs.to);
	(void)waitpid(ours.pid, NULL, 0);
	(void)waitpid(theirs.pid, NULL, 0);
	return 0;
}
