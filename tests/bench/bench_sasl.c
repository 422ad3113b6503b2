/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_sasl.c - logins through libsasl2: servers against each other
 *
 * Usage: bench_sasl [-r ROUNDS] [-n LOGINS] GROUP ACCOUNTS FOLDER OURS PEERS MECH...
 *
 * OURS and PEERS are names, separated by commas, of servers in FOLDER (see sasl_side.h), all of
 * which know the same ACCOUNTS; FOLDER/clients has the mechanisms of the client. Each server is a
 * process. They take turns, a round of LOGINS of random users each, and only the server's calls are
 * timed. The figure of a round is its median, which does not mind that a login was interrupted; the
 * result is the median of the rounds, and so is the ratio, of those of one round each.
 *
 * Prints a JSON object for each mechanism and pair. The first of OURS goes by the mechanism's name,
 * the others by both.
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "measure.h"
#include "sasl_side.h"

#define SERVERS_MAX 8
#define ROUNDS_MAX  99
#define LOGINS_MAX  10000

struct server {
	const char *name;
	pid_t pid;
	int to;
	int from;
	double spent_us[ROUNDS_MAX];
};

struct bench {
	const char *group;
	long n_accounts;
	const char *folder;
	int n_rounds;
	int n_logins;
	size_t n_ours;
	size_t n_servers; /* ours, then peers */
	struct server servers[SERVERS_MAX];
};

/* What a server is asked for. */
struct question {
	char mech[32];
	int n_logins;
};

static double round_us(const struct question *question, long n_accounts)
{
	static double spent[LOGINS_MAX];

	for (int i = 0; i < question->n_logins; i++) {
		char user[SASL_SIDE_USER_MAX];

		sasl_side_user(random() % n_accounts, user);
		spent[i] = (double)sasl_side_login(question->mech, user) / 1000;
	}
	return median(spent, (size_t)question->n_logins);
}

static void serve(const struct bench *bench, const char *name, int in, int out)
{
	struct question question;

	sasl_side_server(bench->folder, name);
	sasl_side_client(bench->folder);
	srandom(1);
	while (read(in, &question, sizeof(question)) == (ssize_t)sizeof(question)) {
		double result = round_us(&question, bench->n_accounts);

		need(write(out, &result, sizeof(result)) == sizeof(result), "answering");
	}
}

static void start(const struct bench *bench, struct server *server)
{
	int to[2];
	int from[2];

	need(pipe(to) == 0 && pipe(from) == 0, "pipe");
	server->pid = fork();
	need(server->pid >= 0, "fork");
	if (server->pid == 0) {
		(void)close(to[1]);
		serve(bench, server->name, to[0], from[1]);
		exit(0);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	server->to = to[1];
	server->from = from[0];
}

static double ask(const struct server *server, const struct question *question)
{
	double result;

	need(write(server->to, question, sizeof(*question)) == (ssize_t)sizeof(*question),
	     "asking");
	need(read(server->from, &result, sizeof(result)) == sizeof(result), server->name);
	return result;
}

static void print_pair(const struct bench *bench, const char *mech, size_t ours, size_t peer)
{
	const struct server *a = &bench->servers[ours];
	const struct server *b = &bench->servers[peer];
	size_t n = (size_t)bench->n_rounds;
	double us[2][ROUNDS_MAX];
	double ratio[ROUNDS_MAX];

	memcpy(us[0], a->spent_us, sizeof(us[0]));
	memcpy(us[1], b->spent_us, sizeof(us[1]));
	for (size_t i = 0; i < n; i++)
		ratio[i] = us[0][i] / us[1][i];
	printf("{\"group\":\"%s\",\"case\":\"%s%s%s\",\"accounts\":%ld,\"what\":\"login\","
	       "\"unit\":\"us\",\"ours\":%.2f,\"peer\":%.2f,\"peer_name\":\"%s\","
	       "\"ratio\":%.4f}\n",
	       bench->group, mech, ours > 0 ? ", " : "", ours > 0 ? a->name : "", bench->n_accounts,
	       median(us[0], n), median(us[1], n), b->name, median(ratio, n));
}

static void measure(struct bench *bench, const char *mech)
{
	struct question question = {.n_logins = bench->n_logins};

	need(strlen(mech) < sizeof(question.mech), "a name");
	memcpy(question.mech, mech, strlen(mech));
	/* To derive the key from a password costs milliseconds, both sides. */
	if (strncmp(mech, "SCRAM-", 6) == 0)
		question.n_logins = bench->n_logins / 10 + 1;
	for (size_t k = 0; k < bench->n_servers; k++)
		(void)ask(&bench->servers[k], &question);
	for (int i = 0; i < bench->n_rounds; i++)
		for (size_t k = 0; k < bench->n_servers; k++)
			bench->servers[k].spent_us[i] = ask(&bench->servers[k], &question);
	for (size_t ours = 0; ours < bench->n_ours; ours++)
		for (size_t peer = bench->n_ours; peer < bench->n_servers; peer++)
			print_pair(bench, mech, ours, peer);
	(void)fflush(stdout);
}

/* Takes @names apart, in place. */
static void add_servers(struct bench *bench, char *names)
{
	for (char *name = names; name != NULL && *name != '\0'; names = name) {
		name = strchr(names, ',');
		if (name != NULL)
			*name++ = '\0';
		need(bench->n_servers < SERVERS_MAX, "so many servers");
		bench->servers[bench->n_servers++].name = names;
	}
}

int main(int argc, char **argv)
{
	static struct bench bench = {.n_rounds = 21, .n_logins = 500};
	int option;

	while ((option = getopt(argc, argv, "r:n:")) > 0)
		*(option == 'r' ? &bench.n_rounds : &bench.n_logins) =
			(int)strtol(optarg, NULL, 10);
	if (argc - optind < 6) {
		fprintf(stderr, "usage: bench_sasl [-r ROUNDS] [-n LOGINS] GROUP ACCOUNTS FOLDER "
				"OURS PEERS MECH...\n");
		return 2;
	}
	need(bench.n_rounds > 0 && bench.n_rounds <= ROUNDS_MAX && bench.n_logins > 0 &&
		     bench.n_logins <= LOGINS_MAX,
	     "that number of rounds or logins");
	bench.group = argv[optind];
	bench.n_accounts = strtol(argv[optind + 1], NULL, 10);
	bench.folder = argv[optind + 2];
	add_servers(&bench, argv[optind + 3]);
	bench.n_ours = bench.n_servers;
	add_servers(&bench, argv[optind + 4]);
	for (size_t k = 0; k < bench.n_servers; k++)
		start(&bench, &bench.servers[k]);
	for (int i = optind + 5; i < argc; i++)
		measure(&bench, argv[i]);
	/* All of them first: each child holds the pipes of those started before it. */
	for (size_t k = 0; k < bench.n_servers; k++)
		(void)close(bench.servers[k].to);
	for (size_t k = 0; k < bench.n_servers; k++)
		(void)waitpid(bench.servers[k].pid, NULL, 0);
	return 0;
}
