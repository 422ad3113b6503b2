/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_rekey.c - mailuser rekey: change the key that seals the secrets
 *
 * Three steps, because a running server has the keys that were in the file when it started:
 * --prepare adds a key, the servers are restarted, `rekey` seals every account with it, --prune
 * removes the keys that are left without an account. Without --prepare the second step makes the
 * key itself; the servers then refuse everybody until they are restarted. Each step says what comes
 * next, and each may be interrupted and repeated: the library sees to that.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"

enum { OPTION_PREPARE = MA_OPTION_OWN, OPTION_PRUNE };

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

static void say_next(enum mailauth_rekey step, uint64_t n)
{
	switch (step) {
	case MAILAUTH_REKEY_PREPARE:
		(void)printf("a new key is in the key file; it opens, but seals nothing yet\n"
			     "next: restart every server that checks passwords in this store, then "
			     "run 'mailuser rekey'\n");
		break;
	case MAILAUTH_REKEY_SEAL:
		(void)printf(
			"%" PRIu64 " account%s sealed with the newest key\n"
			"next: restart every server that was not restarted since 'mailuser "
			"rekey --prepare': it knows the old key only, and tells its users to "
			"try again later; make a new backup of the key file; then run 'mailuser "
			"rekey --prune' when all is well\n",
			n, plural(n));
		break;
	case MAILAUTH_REKEY_PRUNE:
		(void)printf("%" PRIu64 " key%s removed that no account needs\n", n, plural(n));
		if (n > 0)
			(void)printf(
				"next: make a new backup of the store; older ones open with an "
				"older copy of the key file only\n");
		break;
	}
}

static int run(struct app *app)
{
	struct mailauth_options options = ma_app_options(app, MAILAUTH_OPEN_WRITE);
	enum mailauth_rekey step = MAILAUTH_REKEY_SEAL;
	enum mailauth_status status;
	uint64_t n = 0;

	if (ma_option(app, OPTION_PREPARE) != NULL && ma_option(app, OPTION_PRUNE) != NULL) {
		ma_say("--prepare comes first and --prune last: give one of them");
		return MA_EXIT_USAGE;
	}
	if (geteuid() != 0) {
		ma_say("rekey writes files that belong to root: run it as root, for instance with "
		       "sudo");
		return app->cmd->exits.denied;
	}
	if (ma_option(app, OPTION_PREPARE) != NULL)
		step = MAILAUTH_REKEY_PREPARE;
	else if (ma_option(app, OPTION_PRUNE) != NULL)
		step = MAILAUTH_REKEY_PRUNE;

	status = mailauth_store_rekey(&options, step, &n);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, "the key file");
	say_next(step, n);
	return MA_EXIT_OK;
}

static const struct opt options[] = {
	{OPTION_PREPARE, "prepare", NULL, "only add a key, for servers to know before it seals"},
	{OPTION_PRUNE, "prune", NULL, "only remove the keys that no account needs any more"},
	{0},
};

const struct cmd cmd_rekey = {
	.name = "rekey",
	.alias = NULL,
	.summary = "Change the key that seals the secrets",
	.options = options,
	.exits =
		{
			.denied = MA_EXIT_FAILED,
			.open = MA_EXIT_FAILED,
			.name = MA_EXIT_FAILED,
			.notfound = MA_EXIT_FAILED,
			.argument = MA_EXIT_FAILED,
			.busy = MA_EXIT_BUSY,
			.failed = MA_EXIT_FAILED,
		},
	.run = run,
};
