/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_memory.c - what it costs a process to have the plugin, or a context of the C API
 *
 * Usage: bench_memory [-r STARTS] ACCOUNTS FOLDER CONFIG BASE PEER OURS...
 *
 * BASE, PEER and OURS are servers in FOLDER (see sasl_side.h). Each is started in a child process
 * that has used OpenSSL before, as a server with TLS has: the time in sasl_server_init(), the time
 * of a first login, and the memory after it are compared. BASE has no accounts and logs nobody in;
 * it is what the others' memory and start are compared with, PEER what their first login is. Times
 * are of the CPU, but a first login's is of the clock without the client's. The children take
 * turns, and the medians count. In the same way a context of the C API, opened with CONFIG, is
 * compared with a process without libmailauth.
 *
 * RSS counts the pages that are shared with others in full, PSS its share of them; private is what
 * a second process would need anew.
 */
#include <dlfcn.h>
#include <mailauth/mailauth.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "sasl_side.h"

#define CASES_MAX  8
#define STARTS_MAX 99

enum figure { START, FIRST_LOGIN, RSS, PSS, PRIVATE, N_FIGURES };

static const struct {
	const char *what;
	const char *unit;
} figures[N_FIGURES] = {
	[START] = {"load", "us"}, [FIRST_LOGIN] = {"first login", "us"}, [RSS] = {"RSS", "KiB"},
	[PSS] = {"PSS", "KiB"},	  [PRIVATE] = {"private", "KiB"},
};

struct cost {
	double figure[N_FIGURES];
};

struct bench {
	const char *n_accounts;
	const char *folder;
	const char *config;
	const char *base;
	const char *peer;
	int n_starts;
};

static double read_kib(const char *key)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[256];
	double sum = 0;

	need(file != NULL, "reading smaps_rollup");
	while (fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			sum += strtod(line + strcspn(line, " "), NULL);
	(void)fclose(file);
	return sum;
}

static void read_memory(struct cost *cost)
{
	cost->figure[RSS] = read_kib("Rss:");
	cost->figure[PSS] = read_kib("Pss:");
	cost->figure[PRIVATE] = read_kib("Private_");
}

static void use_openssl(void)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	need(EVP_Digest("x", 1, digest, NULL, EVP_md5(), NULL) == 1, "MD5");
}

static double since_us(uint64_t start)
{
	return (double)(cpu_ns() - start) / 1000;
}

static struct cost start_server(const struct bench *bench, const char *name)
{
	struct cost cost = {{0}};
	uint64_t start = cpu_ns();

	sasl_side_server(bench->folder, name);
	cost.figure[START] = since_us(start);
	sasl_side_client(bench->folder);
	if (name != bench->base)
		cost.figure[FIRST_LOGIN] = (double)sasl_side_login("CRAM-MD5", "user000000") / 1000;
	read_memory(&cost);
	return cost;
}

/* A C API that is found when it is asked for: the other children have none. */
static struct cost start_context(const struct bench *bench, const char *name)
{
	const struct mailauth_options options = {.size = sizeof(options), .config = bench->config};
	const struct mailauth_request request = {.size = sizeof(request),
						 .flags = MAILAUTH_REQUEST_TLS};
	struct cost cost = {{0}};
	struct mailauth *ctx = NULL;
	uint64_t start = cpu_ns();
	void *lib;
	__typeof__(&mailauth_open) open_context;
	__typeof__(&mailauth_verify_plain) verify;

	if (name == NULL) {
		read_memory(&cost);
		return cost;
	}
	lib = dlopen("libmailauth.so.0", RTLD_NOW);
	need(lib != NULL, "dlopen(libmailauth.so.0)");
	*(void **)&open_context = dlsym(lib, "mailauth_open");
	*(void **)&verify = dlsym(lib, "mailauth_verify_plain");
	need(open_context != NULL && verify != NULL, "dlsym");
	need(open_context(&options, &ctx) == MAILAUTH_OK, "mailauth_open");
	cost.figure[START] = since_us(start);
	start = cpu_ns();
	need(verify(ctx, &request, "user000000", 10, SASL_SIDE_PASSWORD,
		    sizeof(SASL_SIDE_PASSWORD) - 1, NULL) == MAILAUTH_OK,
	     "a login through the API");
	cost.figure[FIRST_LOGIN] = since_us(start);
	read_memory(&cost);
	return cost;
}

typedef struct cost (*starter)(const struct bench *bench, const char *name);

static struct cost start_child(const struct bench *bench, starter start, const char *name)
{
	struct cost cost;
	int from[2];
	pid_t pid;

	need(pipe(from) == 0, "pipe");
	pid = fork();
	need(pid >= 0, "fork");
	if (pid == 0) {
		use_openssl();
		cost = start(bench, name);
		need(write(from[1], &cost, sizeof(cost)) == (ssize_t)sizeof(cost), "answering");
		_exit(0);
	}
	(void)close(from[1]);
	need(read(from[0], &cost, sizeof(cost)) == (ssize_t)sizeof(cost), "a start");
	(void)close(from[0]);
	(void)waitpid(pid, NULL, 0);
	return cost;
}

/* Starts each of @names in turn, and puts the medians into @costs. */
static void start_many(const struct bench *bench, starter start, const char *const *names,
		       size_t n_names, struct cost *costs)
{
	static double values[CASES_MAX][N_FIGURES][STARTS_MAX];

	for (int i = 0; i < bench->n_starts; i++)
		for (size_t k = 0; k < n_names; k++) {
			struct cost cost = start_child(bench, start, names[k]);

			for (size_t f = 0; f < N_FIGURES; f++)
				values[k][f][i] = cost.figure[f];
		}
	for (size_t k = 0; k < n_names; k++)
		for (size_t f = 0; f < N_FIGURES; f++)
			costs[k].figure[f] = median(values[k][f], (size_t)bench->n_starts);
}

static void print_figure(const struct bench *bench, const char *name, enum figure f,
			 const struct cost *ours, const struct cost *peer, const char *peer_name)
{
	printf("{\"group\":\"memory\",\"case\":\"%s\",\"accounts\":%s,\"what\":\"%s\","
	       "\"unit\":\"%s\",\"ours\":%.1f,\"peer\":%.1f,\"peer_name\":\"%s\",\"more\":%.1f}\n",
	       name, bench->n_accounts, figures[f].what, figures[f].unit, ours->figure[f],
	       peer->figure[f], peer_name, ours->figure[f] - peer->figure[f]);
}

static void measure_servers(const struct bench *bench, const char *const *names, size_t n_names)
{
	struct cost costs[CASES_MAX];

	start_many(bench, start_server, names, n_names, costs);
	for (size_t k = 2; k < n_names; k++)
		for (enum figure f = 0; f < N_FIGURES; f++)
			print_figure(bench, names[k], f, &costs[k],
				     &costs[f == FIRST_LOGIN ? 1 : 0],
				     f == FIRST_LOGIN ? bench->peer : bench->base);
}

static void measure_context(const struct bench *bench)
{
	const char *const names[] = {NULL, "C API"};
	struct cost costs[2];

	start_many(bench, start_context, names, 2, costs);
	for (enum figure f = RSS; f < N_FIGURES; f++)
		print_figure(bench, names[1], f, &costs[1], &costs[0], "a process without it");
}

int main(int argc, char **argv)
{
	const char *names[CASES_MAX] = {NULL};
	struct bench bench = {.n_starts = 15};
	size_t n_names = 0;
	int at = 1;

	if (argc > 2 && strcmp(argv[1], "-r") == 0) {
		bench.n_starts = (int)strtol(argv[2], NULL, 10);
		at = 3;
	}
	if (argc - at < 6 || bench.n_starts < 1 || bench.n_starts > STARTS_MAX) {
		fprintf(stderr, "usage: bench_memory [-r STARTS] ACCOUNTS FOLDER CONFIG BASE PEER "
				"OURS...\n");
		return 2;
	}
	bench.n_accounts = argv[at];
	bench.folder = argv[at + 1];
	bench.config = argv[at + 2];
	bench.base = argv[at + 3];
	bench.peer = argv[at + 4];
	for (int i = at + 3; i < argc && n_names < CASES_MAX; i++)
		names[n_names++] = argv[i];
	measure_servers(&bench, names, n_names);
	measure_context(&bench);
	return 0;
}
