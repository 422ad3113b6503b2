/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_sasl.c - logins through libsasl2: this plugin against Cyrus' sasldb
 *
 * Usage: bench_sasl FOLDERS CONFIG SASLDB_FILE SYSTEM_PLUGIN_FOLDER
 *
 * Three child processes log the same users in: libsasl2's mechanisms on sasldb, the same on our
 * verifiers, and our own mechanisms. They take turns, a round each, and only the server's calls are
 * timed: sasl_server_new to sasl_dispose, without the client's arithmetic. Then it is measured what
 * a process pays for having the plugin: memory, and time in sasl_server_init(). FOLDERS has a
 * folder of plugins for each case (none, stock, own); tests/bench/run makes them and the store.
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

#define USERS  1000
#define ROUNDS 21
#define STARTS 15

static const char password[] = "correct horse battery staple";

struct server {
	const char *name;
	const char *auxprop; /* "": every plugin there is */
	const char *mechs;   /* of our own */
	const char *path;    /* of plugins */
};

/* libsasl2's callbacks get no context of ours at initialisation, so these are global. */
static struct server server;
static const char *config;
static const char *sasldb;
static const char *system_path;
static const char *client_user;

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_sasl: %s: %s failed\n", server.name, what);
	exit(1);
}

static int get_option(void *context, const char *plugin, const char *option, const char **result,
		      unsigned int *len)
{
	const char *const options[][2] = {
		{"auxprop_plugin", server.auxprop},
		{"mailauth_config", config},
		{"mailauth_mechs", server.mechs},
		{"sasldb_path", sasldb},
		{"pwcheck_method", "auxprop"},
		{"mech_list", "CRAM-MD5 PLAIN DIGEST-MD5 SCRAM-SHA-256"},
	};

	(void)context;
	(void)plugin;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(option, options[i][0]) != 0 || options[i][1][0] == '\0')
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
		fprintf(stderr, "bench_sasl: %s: %s\n", server.name, message);
	return SASL_OK;
}

/* Through a type that gcc takes for any function. */
#define CALLBACK(function) ((int (*)(void))(void (*)(void))(function))

static const sasl_callback_t callbacks[] = {
	{SASL_CB_GETOPT, CALLBACK(get_option), NULL},
	{SASL_CB_GETPATH, CALLBACK(get_path), NULL},
	{SASL_CB_LOG, CALLBACK(log_nothing), NULL},
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

/* ---- libsasl2's client, for what is more than one line of arithmetic ---- */

static int get_client_path(void *context, const char **path)
{
	(void)context;
	*path = system_path;
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
		char room[sizeof(sasl_secret_t) + sizeof(password)];
	} held;

	(void)conn;
	(void)context;
	(void)id;
	held.secret.len = sizeof(password) - 1;
	memcpy(held.secret.data, password, sizeof(password));
	*secret = &held.secret;
	return SASL_OK;
}

static const sasl_callback_t client_callbacks[] = {
	{SASL_CB_GETPATH, CALLBACK(get_client_path), NULL},
	{SASL_CB_LOG, CALLBACK(log_nothing), NULL},
	{SASL_CB_USER, CALLBACK(get_name), NULL},
	{SASL_CB_AUTHNAME, CALLBACK(get_name), NULL},
	{SASL_CB_PASS, CALLBACK(get_secret), NULL},
	{SASL_CB_LIST_END, NULL, NULL},
};

static uint64_t login_dialogue(const char *user, const char *mech)
{
	sasl_conn_t *client;
	sasl_conn_t *conn;
	const char *chosen;
	const char *in = NULL;
	const char *out = NULL;
	unsigned int in_len = 0;
	unsigned int out_len = 0;
	uint64_t spent;
	uint64_t start;
	int code;

	client_user = user;
	need(sasl_client_new("smtp", "mail.example.org", NULL, NULL, client_callbacks, 0,
			     &client) == SASL_OK,
	     "sasl_client_new");
	need(sasl_client_start(client, mech, NULL, &in, &in_len, &chosen) >= SASL_OK,
	     "sasl_client_start");
	start = now_ns();
	conn = connect_one();
	code = sasl_server_start(conn, mech, in, in_len, &out, &out_len);
	spent = now_ns() - start;
	while (code == SASL_CONTINUE) {
		need(sasl_client_step(client, out, out_len, NULL, &in, &in_len) >= SASL_OK,
		     "sasl_client_step");
		start = now_ns();
		code = sasl_server_step(conn, in, in_len, &out, &out_len);
		spent += now_ns() - start;
	}
	need(code == SASL_OK, mech);
	start = now_ns();
	sasl_dispose(&conn);
	spent += now_ns() - start;
	sasl_dispose(&client);
	return spent;
}

static uint64_t login_digest(const char *user)
{
	return login_dialogue(user, "DIGEST-MD5");
}

static uint64_t login_scram(const char *user)
{
	return login_dialogue(user, "SCRAM-SHA-256");
}

/* SCRAM's iterations cost the client some milliseconds each time. */
static const struct {
	const char *name;
	int a_round; /* logins */
	uint64_t (*login)(const char *user);
} mechs[] = {
	{"CRAM-MD5", 500, login_cram},
	{"PLAIN", 500, login_plain},
	{"DIGEST-MD5", 500, login_digest},
	{"SCRAM-SHA-256", 20, login_scram},
};
#define N_MECHS (sizeof(mechs) / sizeof(mechs[0]))

/* Does a round of the mechanism asked for and answers with ns per login. */
static void serve(int in, int out)
{
	unsigned char mech;
	double result;

	need(sasl_server_init(callbacks, "bench") == SASL_OK, "sasl_server_init");
	need(sasl_client_init(client_callbacks) == SASL_OK, "sasl_client_init");
	if (server.mechs[0] == '\0')
		add_users();
	srandom(1);
	while (read(in, &mech, 1) == 1) {
		uint64_t spent = 0;

		for (int i = 0; i < mechs[mech].a_round; i++) {
			char user[32];

			(void)snprintf(user, sizeof(user), "user%06ld", random() % USERS);
			spent += mechs[mech].login(user);
		}
		result = (double)spent / mechs[mech].a_round;
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

static double median(double *values, size_t n)
{
	qsort(values, n, sizeof(values[0]), compare);
	return values[n / 2];
}

#define N_SERVERS 3

static void measure(const struct child *children, unsigned char mech)
{
	double spent[N_SERVERS][ROUNDS];
	double ratio[N_SERVERS][ROUNDS];

	for (size_t k = 0; k < N_SERVERS; k++)
		(void)ask(&children[k], mech);
	for (int i = 0; i < ROUNDS; i++)
		for (size_t k = 0; k < N_SERVERS; k++) {
			spent[k][i] = ask(&children[k], mech);
			ratio[k][i] = spent[0][i] / spent[k][i];
		}
	printf("%-14s %12.0f %12.0f %8.1f %12.0f %8.1f\n", mechs[mech].name,
	       median(spent[0], ROUNDS), median(spent[1], ROUNDS), median(ratio[1], ROUNDS),
	       median(spent[2], ROUNDS), median(ratio[2], ROUNDS));
}

/* ---- what it costs to have the plugin ---- */

struct cost {
	double start_us; /* in sasl_server_init() */
	double rss_kib;
	double pss_kib;
	double private_kib;
};

static double read_kib(const char *key)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	double sum = 0;

	need(file != NULL, "smaps_rollup");
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			sum += strtod(line + strcspn(line, " "), NULL);
	(void)fclose(file);
	return sum;
}

static void start_once(int out)
{
	struct cost cost;
	char response[128];
	uint64_t start;

	/* A server with TLS has started OpenSSL long before. */
	(void)answer_cram("user000000", "x", 1, response, sizeof(response));
	start = now_ns();
	need(sasl_server_init(callbacks, "bench") == SASL_OK, "sasl_server_init");
	cost.start_us = (double)(now_ns() - start) / 1000;
	if (server.auxprop[0] != '\0' || server.mechs[0] != '\0')
		(void)login_cram("user000000");
	cost.rss_kib = read_kib("Rss:");
	cost.pss_kib = read_kib("Pss:");
	cost.private_kib = read_kib("Private_");
	need(write(out, &cost, sizeof(cost)) == sizeof(cost), "answering");
	sasl_done();
}

static struct cost start_many(const struct server *what)
{
	double values[4][STARTS];

	(void)fflush(stdout); /* or each child prints it again */
	for (int i = 0; i < STARTS; i++) {
		struct cost cost;
		int from[2];
		pid_t pid;

		need(pipe(from) == 0, "pipe");
		pid = fork();
		need(pid >= 0, "fork");
		if (pid == 0) {
			server = *what;
			start_once(from[1]);
			exit(0);
		}
		need(read(from[0], &cost, sizeof(cost)) == sizeof(cost), "a start");
		(void)close(from[0]);
		(void)close(from[1]);
		(void)waitpid(pid, NULL, 0);
		values[0][i] = cost.start_us;
		values[1][i] = cost.rss_kib;
		values[2][i] = cost.pss_kib;
		values[3][i] = cost.private_kib;
	}
	return (struct cost){median(values[0], STARTS), median(values[1], STARTS),
			     median(values[2], STARTS), median(values[3], STARTS)};
}

static void measure_start(const struct server *servers, size_t n)
{
	struct cost none = start_many(&servers[0]);

	printf("\nA process at its start (us in sasl_server_init) and after a login (KiB, the "
	       "difference to one without the plugin)\n%-26s %10s %10s %10s %10s\n%-26s %10.0f\n",
	       "", "start", "RSS", "PSS", "private", servers[0].name, none.start_us);
	for (size_t i = 1; i < n; i++) {
		struct cost cost = start_many(&servers[i]);

		printf("%-26s %10.0f %10.0f %10.0f %10.0f\n", servers[i].name, cost.start_us,
		       cost.rss_kib - none.rss_kib, cost.pss_kib - none.pss_kib,
		       cost.private_kib - none.private_kib);
	}
}

/* Takes place in @path. */
static const char *folder(char path[512], const char *base, const char *name)
{
	need(snprintf(path, 512, "%s/%s", base, name) < 512, "a path");
	return path;
}

int main(int argc, char **argv)
{
	static const char all[] = "CRAM-MD5 PLAIN DIGEST-MD5 SCRAM-SHA-256";
	char none[512];
	char stock[512];
	char own[512];
	struct child children[N_SERVERS];

	if (argc != 5) {
		fprintf(stderr, "usage: bench_sasl FOLDERS CONFIG SASLDB SYSTEM_PLUGINS\n");
		return 2;
	}
	config = argv[2];
	sasldb = argv[3];
	system_path = argv[4];
	(void)folder(none, argv[1], "none");
	(void)folder(stock, argv[1], "stock");
	(void)folder(own, argv[1], "own");
	children[0] = start(&(struct server){"sasldb", "sasldb", "", system_path});
	children[1] = start(&(struct server){"verifiers", "mailauth", "", stock});
	children[2] = start(&(struct server){"own mechanisms", "mailauth", all, own});
	printf("Through libsasl2, %d accounts (ns of server time per login, medians of %d "
	       "rounds)\n%-14s %12s %12s %8s %12s %8s\n",
	       USERS, ROUNDS, "mechanism", "sasldb", "verifiers", "ratio", "own", "ratio");
	for (unsigned char i = 0; i < N_MECHS; i++)
		measure(children, i);
	/* All of them first: each child holds the pipes of those started before it. */
	for (size_t k = 0; k < N_SERVERS; k++)
		(void)close(children[k].to);
	for (size_t k = 0; k < N_SERVERS; k++)
		(void)waitpid(children[k].pid, NULL, 0);
	measure_start(
		(const struct server[]){
			{"without the plugin", "", "", none},
			{"with it, not named", "", "", stock},
			{"verifiers", "mailauth", "", stock},
			{"own mechanisms, stock too", "mailauth", all, stock},
			{"own mechanisms alone", "mailauth", all, own},
		},
		5);
	return 0;
}
