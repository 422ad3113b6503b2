/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loop.c - what a process keeps of thousands of logins through PAM
 *
 * loop auth CONFDIR SERVICE USER PASSWORD TIMES: pam_start() to pam_end(), TIMES over. libpam loads
 * the module for each and unloads it afterwards, and with it libmailauth and OpenSSL, because
 * nothing else here needs them: as in saslauthd or Dovecot's auth worker.
 * loop load MODULE TIMES: dlopen() and dlclose(), TIMES over.
 *
 * Nothing may grow between the second tenth and the last: no descriptor, no byte of the heap, and
 * the resident set by no more than what fragments make of it. Of each tenth the least counts,
 * because what is free and kept for the next call differs from call to call. Wants
 * GLIBC_TUNABLES=glibc.malloc.tcache_count=0, as otherwise malloc() takes chunks that are free for
 * chunks in use. Prints what it saw.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <malloc.h>
#include <security/pam_appl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RSS_GROWTH_MAX_KIB 256

struct usage {
	size_t heap;
	long rss_kib;
	int fds;
};

static struct usage measure(void)
{
	struct usage now = {.heap = mallinfo2().uordblks};
	FILE *statm = fopen("/proc/self/statm", "r");
	DIR *folder = opendir("/proc/self/fd");
	long pages = 0;

	if (statm == NULL || folder == NULL || fscanf(statm, "%*s %ld", &pages) != 1)
		exit(2);
	while (readdir(folder) != NULL)
		now.fds++;
	closedir(folder);
	(void)fclose(statm);
	now.rss_kib = pages * sysconf(_SC_PAGESIZE) / 1024;
	return now;
}

static int answer(int n, const struct pam_message **messages, struct pam_response **responses_out,
		  void *password)
{
	struct pam_response *responses = calloc((size_t)n, sizeof(*responses));

	if (responses == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++)
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
			responses[i].resp = strdup(password);
	*responses_out = responses;
	return PAM_SUCCESS;
}

static bool log_in(char *argv[])
{
	const struct pam_conv conv = {answer, argv[5]};
	pam_handle_t *pamh = NULL;
	int code = pam_start_confdir(argv[3], argv[4], &conv, argv[2], &pamh);

	if (code == PAM_SUCCESS)
		code = pam_authenticate(pamh, 0);
	if (code == PAM_SUCCESS)
		code = pam_acct_mgmt(pamh, 0);
	pam_end(pamh, code);
	if (code != PAM_SUCCESS)
		(void)fprintf(stderr, "loop: PAM says %d\n", code);
	return code == PAM_SUCCESS;
}

static bool load(char *argv[])
{
	void *module = dlopen(argv[2], RTLD_NOW);
	bool is_good = module != NULL && dlsym(module, "pam_sm_authenticate") != NULL;

	if (module == NULL || dlclose(module) != 0 || !is_good)
		(void)fprintf(stderr, "loop: %s\n", dlerror());
	return is_good;
}

static bool is_flat(struct usage before, struct usage after)
{
	printf("descriptors %d, heap %+ld bytes, resident set %+ld KiB\n", after.fds - before.fds,
	       (long)after.heap - (long)before.heap, after.rss_kib - before.rss_kib);
	return after.fds == before.fds && after.heap <= before.heap &&
	       after.rss_kib - before.rss_kib <= RSS_GROWTH_MAX_KIB;
}

static struct usage least(struct usage a, struct usage b)
{
	return (struct usage){
		.heap = a.heap < b.heap ? a.heap : b.heap,
		.rss_kib = a.rss_kib < b.rss_kib ? a.rss_kib : b.rss_kib,
		.fds = a.fds < b.fds ? a.fds : b.fds,
	};
}

static double now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char *argv[])
{
	bool is_auth = argc == 7 && strcmp(argv[1], "auth") == 0;
	long times = argc > 3 ? strtol(argv[argc - 1], NULL, 10) : 0;
	struct usage tenths[10];
	double start = now_ms();

	if (times < 10 || (!is_auth && (argc != 4 || strcmp(argv[1], "load") != 0)))
		return 2;
	for (long i = 0; i < times; i++) {
		long tenth = i * 10 / times;
		struct usage now;

		if (!(is_auth ? log_in(argv) : load(argv)))
			return 1;
		now = measure();
		tenths[tenth] =
			i == 0 || tenth != (i - 1) * 10 / times ? now : least(tenths[tenth], now);
	}
	printf("# %ld times, %.2f ms each; ", times, (now_ms() - start) / (double)times);
	return is_flat(tenths[1], tenths[9]) ? 0 : 1;
}
