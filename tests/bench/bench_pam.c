/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_pam.c - logins through libpam: services against each other
 *
 * Usage: bench_pam [-r ROUNDS] ACCOUNTS CONFDIR CASE OURS PEER...
 *
 * OURS and PEER are services in CONFDIR. A login is what a server does: pam_start,
 * pam_authenticate, pam_acct_mgmt, pam_end. It never waits, so CPU time is measured, which other
 * processes do not disturb. The services take turns, a round of some milliseconds of random users
 * each; the figure of a round is its median, and so is the result. Prints a JSON object for each
 * pair.
 */
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure.h"
#include "sasl_side.h"

#define SERVICES_MAX 8
#define ROUNDS_MAX   99
#define LOGINS_MAX   500
#define ROUND_NS     20000000u

struct bench {
	long n_accounts;
	const char *confdir;
	int n_rounds;
	double spent_us[SERVICES_MAX][ROUNDS_MAX];
};

/* Answers each prompt with the password. */
static int converse(int n, const struct pam_message **messages, struct pam_response **responses,
		    void *arg)
{
	struct pam_response *answers = calloc((size_t)n, sizeof(*answers));

	(void)messages;
	(void)arg;
	if (answers == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++)
		answers[i].resp = strdup(SASL_SIDE_PASSWORD);
	*responses = answers;
	return PAM_SUCCESS;
}

static void check(int code, const char *service, const char *what, pam_handle_t *handle)
{
	if (code == PAM_SUCCESS)
		return;
	fprintf(stderr, "bench: service %s: %s: %s\n", service, what, pam_strerror(handle, code));
	exit(1);
}

static uint64_t login(const struct bench *bench, const char *service)
{
	const struct pam_conv conversation = {.conv = converse};
	char user[SASL_SIDE_USER_MAX];
	pam_handle_t *handle = NULL;
	uint64_t start;

	sasl_side_user(random() % bench->n_accounts, user);
	start = cpu_ns();
	check(pam_start_confdir(service, user, &conversation, bench->confdir, &handle), service,
	      "pam_start", handle);
	check(pam_authenticate(handle, 0), service, user, handle);
	check(pam_acct_mgmt(handle, 0), service, user, handle);
	(void)pam_end(handle, PAM_SUCCESS);
	return cpu_ns() - start;
}

static double round_us(const struct bench *bench, const char *service)
{
	static double spent[LOGINS_MAX];
	uint64_t start = cpu_ns();
	size_t n = 0;

	do
		spent[n++] = (double)login(bench, service) / 1000;
	while (n < LOGINS_MAX && cpu_ns() - start < ROUND_NS);
	return median(spent, n);
}

static void print_pair(const struct bench *bench, const char *name, size_t k, const char *peer)
{
	size_t n = (size_t)bench->n_rounds;
	double us[2][ROUNDS_MAX];
	double ratio[ROUNDS_MAX];

	memcpy(us[0], bench->spent_us[0], sizeof(us[0]));
	memcpy(us[1], bench->spent_us[k], sizeof(us[1]));
	for (size_t i = 0; i < n; i++)
		ratio[i] = us[0][i] / us[1][i];
	printf("{\"group\":\"pam\",\"case\":\"%s\",\"accounts\":%ld,\"what\":\"login\","
	       "\"unit\":\"us\",\"ours\":%.2f,\"peer\":%.2f,\"peer_name\":\"%s\","
	       "\"ratio\":%.5f}\n",
	       name, bench->n_accounts, median(us[0], n), median(us[1], n), peer, median(ratio, n));
}

int main(int argc, char **argv)
{
	static struct bench bench = {.n_rounds = 21};
	size_t n_services;
	char **services;
	int at = 1;

	if (argc > 2 && strcmp(argv[1], "-r") == 0) {
		bench.n_rounds = (int)strtol(argv[2], NULL, 10);
		at = 3;
	}
	if (argc - at < 5 || argc - at - 3 > SERVICES_MAX || bench.n_rounds < 1 ||
	    bench.n_rounds > ROUNDS_MAX) {
		fprintf(stderr,
			"usage: bench_pam [-r ROUNDS] ACCOUNTS CONFDIR CASE OURS PEER...\n");
		return 2;
	}
	bench.n_accounts = strtol(argv[at], NULL, 10);
	bench.confdir = argv[at + 1];
	services = &argv[at + 3];
	n_services = (size_t)(argc - at - 3);
	srandom(1);
	for (size_t k = 0; k < n_services; k++)
		(void)login(&bench, services[k]);
	for (int i = 0; i < bench.n_rounds; i++)
		for (size_t k = 0; k < n_services; k++)
			bench.spent_us[k][i] = round_us(&bench, services[k]);
	for (size_t k = 1; k < n_services; k++)
		print_pair(&bench, argv[at + 2], k, services[k]);
	return 0;
}
