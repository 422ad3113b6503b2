/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - mailuser: find the subcommand, parse its options, run it
 *
 * Everything is driven by the registry ma_cmds and by the option rows of each command; there is no
 * second list of commands or options. Options may stand before or after NAME, as getopt_long()
 * allows; --config, --help and --version may also stand before the command.
 *
 * The process handles passwords and keys, so it forbids core dumps and tracing before it does
 * anything else. It creates nothing that others may read or write (umask 027) unless a command
 * gives a mode itself.
 */
#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "cmd.h"

#define OPTIONS_MAX 40 /* options of one command, the shared ones included */

static const struct opt shared_options[] = {
	{MA_OPTION_CONFIG, "config", "FILE", "configuration file"},
	{'h', "help", NULL, "display this help message and exit"},
	{0, NULL, NULL, NULL},
};

static const struct opt global_options[] = {
	{MA_OPTION_VERSION, "version", NULL, "display the version and exit"},
	{0, NULL, NULL, NULL},
};

static const struct cmd *cmd_find(const char *name)
{
	for (size_t i = 0; ma_cmds[i] != NULL; i++) {
		const struct cmd *cmd = ma_cmds[i];

		if (strcmp(name, cmd->name) == 0 ||
		    (cmd->alias != NULL && strcmp(name, cmd->alias) == 0))
			return cmd;
	}
	return NULL;
}

static void options_print(const struct opt *rows)
{
	for (; rows->id != 0; rows++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "--%s%s%s", rows->name,
			       rows->argument == NULL ? "" : " ",
			       rows->argument == NULL ? "" : rows->argument);
		if (rows->id < MA_OPTION_CONFIG)
			(void)printf("  -%c, %-25s %s\n", rows->id, text, rows->help);
		else
			(void)printf("      %-25s %s\n", text, rows->help);
	}
}

static int help_cmd(const struct cmd *cmd)
{
	(void)printf("Usage: mailuser %s [options]%s%s\n%s.\n", cmd->name,
		     cmd->operand == NULL ? "" : " ", cmd->operand == NULL ? "" : cmd->operand,
		     cmd->summary);
	if (cmd->alias != NULL)
		(void)printf("Also called: mailuser %s\n", cmd->alias);
	(void)printf("\nOptions:\n");
	options_print(cmd->options);
	options_print(shared_options);
	(void)printf("\nManual page: mailuser-%s(8)\n", cmd->name);
	return MA_EXIT_OK;
}

static int help_all(void)
{
	(void)printf("Usage: mailuser [options] COMMAND [options] [NAME]\n"
		     "Manage the accounts of mail-only users.\n\nCommands:\n");
	for (size_t i = 0; ma_cmds[i] != NULL; i++)
		(void)printf("  %-10s %s\n", ma_cmds[i]->name, ma_cmds[i]->summary);
	(void)printf("\nOptions:\n");
	options_print(shared_options);
	options_print(global_options);
	(void)printf("\n'mailuser COMMAND --help' lists the options of a command.\n"
		     "Manual page: mailuser(8)\n");
	return MA_EXIT_OK;
}

/* After the message that says what is wrong. */
static void hint_print(const struct cmd *cmd)
{
	(void)fprintf(stderr, "Try 'mailuser %s%s--help' for more information.\n",
		      cmd == NULL ? "" : cmd->name, cmd == NULL ? "" : " ");
}

/* What getopt_long() wants, made from rows. */
struct getopt_tables {
	size_t n;
	size_t letters_len;
	struct option longs[OPTIONS_MAX + 1];
	char letters[2 * OPTIONS_MAX + 2];
};

static void tables_add(struct getopt_tables *tables, const struct opt *rows)
{
	for (; rows->id != 0 && tables->n < OPTIONS_MAX; rows++) {
		struct option *entry = &tables->longs[tables->n++];

		entry->name = rows->name;
		entry->has_arg = rows->argument == NULL ? no_argument : required_argument;
		entry->val = rows->id;
		if (rows->id >= MA_OPTION_CONFIG)
			continue;
		tables->letters[tables->letters_len++] = (char)rows->id;
		if (rows->argument != NULL)
			tables->letters[tables->letters_len++] = ':';
	}
}

/* Fills app->values and leaves optind at the first operand; false after getopt's own message. */
static bool options_parse(struct app *app, const struct getopt_tables *tables, int argc,
			  char **argv)
{
	for (;;) {
		int id = getopt_long(argc, argv, tables->letters, tables->longs, NULL);

		if (id == -1)
			return true;
		if (id <= 0 || id == '?' || id >= MA_OPTION_END)
			return false;
		app->values[id] = optarg == NULL ? "" : optarg;
	}
}

/* Parses what stands behind the command, and runs it. */
static int run_cmd(struct app *app, int argc, char **argv)
{
	struct getopt_tables tables = {0};
	int wanted = app->cmd->operand == NULL ? 0 : 1;

	tables_add(&tables, app->cmd->options);
	tables_add(&tables, shared_options);
	optind = 0; /* glibc: start anew, on another argv */
	if (!options_parse(app, &tables, argc, argv))
		return MA_EXIT_USAGE;
	if (ma_option(app, 'h') != NULL)
		return help_cmd(app->cmd);

	if (argc - optind < wanted) {
		ma_say("%s needs the %s of an account", app->cmd->name, app->cmd->operand);
		return MA_EXIT_USAGE;
	}
	if (argc - optind > wanted) {
		ma_say("unexpected argument '%s'", argv[optind + wanted]);
		return MA_EXIT_USAGE;
	}
	if (wanted > 0)
		app->operand = argv[optind];

	app->config = ma_option(app, MA_OPTION_CONFIG);
	if (app->config == NULL)
		app->config = secure_getenv("MAILAUTH_CONFIG");
	if (app->config != NULL && app->config[0] == '\0') {
		ma_say("the name of the configuration file is empty: give a FILE with --config, "
		       "or unset MAILAUTH_CONFIG");
		return MA_EXIT_USAGE;
	}
	return app->cmd->run(app);
}

static int run(struct app *app, int argc, char **argv)
{
	/* '+': what stands behind the command is the command's own */
	struct getopt_tables tables = {.letters = "+", .letters_len = 1};

	tables_add(&tables, shared_options);
	tables_add(&tables, global_options);
	if (!options_parse(app, &tables, argc, argv))
		return MA_EXIT_USAGE;
	if (ma_option(app, 'h') != NULL)
		return help_all();
	if (ma_option(app, MA_OPTION_VERSION) != NULL) {
		(void)printf("mailuser %s\n", mailauth_version());
		return MA_EXIT_OK;
	}
	if (optind >= argc) {
		ma_say("which command?");
		return MA_EXIT_USAGE;
	}

	app->cmd = cmd_find(argv[optind]);
	if (app->cmd == NULL) {
		ma_say("unknown command '%s'", argv[optind]);
		return MA_EXIT_USAGE;
	}
	argv[optind] = argv[0]; /* getopt's messages begin with it */
	return run_cmd(app, argc - optind, argv + optind);
}

int main(int argc, char **argv)
{
	static char program[] = "mailuser";
	struct app app = {0};
	int code;

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)umask(027);
	(void)setlocale(LC_CTYPE, "");
	if (argc < 1)
		return MA_EXIT_USAGE;
	argv[0] = program;

	code = run(&app, argc, argv);
	mailauth_free(&app.ctx);
	if (code == MA_EXIT_USAGE)
		hint_print(app.cmd);

	/* A list that did not reach its file is no success. */
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		ma_say("cannot write to standard output: %s", strerror(errno));
		if (code == MA_EXIT_OK)
			code = MA_EXIT_FAILED;
	}
	return code;
}
