/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c - mailuser: find the subcommand, parse its options, run it
 *
 * Everything is driven by the registry ma_cmds and by the option rows of each command; there is no
 * second list of commands or options. Options may stand before or after NAME, as getopt_long()
 * allows; --config, --help and --version may also stand before the command. Called through a link
 * that has the name of a command in shadow-utils, with "mail" before it or not (mailuseradd), the
 * program is that command.
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

static char program[] = "mailuser";

static const struct opt shared_options[] = {
	{MA_OPTION_CONFIG, "config", "FILE", "configuration file"},
	{'h', "help", NULL, "display this help message and exit"},
	{0},
};

static const struct opt global_options[] = {
	{MA_OPTION_VERSION, "version", NULL, "display the version and exit"},
	{0},
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

/* The command that a link to this program stands for; NULL: it is the program itself. */
static const struct cmd *cmd_of_link(const char *called)
{
	const char *name = strncmp(called, "mail", 4) == 0 ? called + 4 : called;

	return strcmp(called, program) == 0 ? NULL : cmd_find(name);
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

/* May the command's option be given again? */
static bool is_list(const struct cmd *cmd, int id)
{
	const struct opt *row = cmd == NULL ? NULL : cmd->options;

	while (row != NULL && row->id != 0 && row->id != id)
		row++;
	return row != NULL && row->argument != NULL && strstr(row->argument, "...") != NULL;
}

/* Several arguments of one option become a list; it lasts as long as the program. */
static bool value_add(struct app *app, int id, const char *text)
{
	const char *old = app->values[id];
	char *list;

	if (old == NULL || !is_list(app->cmd, id)) {
		app->values[id] = text;
		return true;
	}
	if (asprintf(&list, "%s,%s", old, text) < 0) {
		ma_say("out of memory");
		return false;
	}
	free(app->lists[id]);
	app->lists[id] = list;
	app->values[id] = list;
	return true;
}

/* Fills app->values and leaves optind at the first operand; false after a message. */
static bool options_parse(struct app *app, const struct getopt_tables *tables, int argc,
			  char **argv)
{
	for (;;) {
		int id = getopt_long(argc, argv, tables->letters, tables->longs, NULL);

		if (id == -1)
			return true;
		if (id <= 0 || id == '?' || id >= MA_OPTION_END)
			return false;
		if (!value_add(app, id, optarg == NULL ? "" : optarg))
			return false;
	}
}

/* Takes what is left behind the options; false after a message. */
static bool operands_take(struct app *app, int n, char *const *operands)
{
	const struct cmd *cmd = app->cmd;

	if (n < cmd->min_operands) {
		ma_say("%s: %s is missing", cmd->name, cmd->operand);
		return false;
	}
	if (n > cmd->max_operands) {
		ma_say("unexpected argument '%s'", operands[cmd->max_operands]);
		return false;
	}
	app->operands = operands;
	app->n_operands = n;
	app->operand = n > 0 ? operands[0] : NULL;
	return true;
}

/* Parses what stands behind the command, and runs it. */
static int run_cmd(struct app *app, int argc, char **argv)
{
	struct getopt_tables tables = {0};

	tables_add(&tables, app->cmd->options);
	tables_add(&tables, shared_options);
	optind = 0; /* glibc: start anew, on another argv */
	app->is_bad_option = !options_parse(app, &tables, argc, argv);
	if (app->is_bad_option)
		return MA_EXIT_USAGE;
	if (ma_option(app, 'h') != NULL)
		return help_cmd(app->cmd);

	if (!operands_take(app, argc - optind, argv + optind))
		return MA_EXIT_USAGE;

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
	argv[optind] = argv[0];
	return run_cmd(app, argc - optind, argv + optind);
}

/* By the name it was called: a command, or the program, whose first operand is one. */
static int run_as(struct app *app, int argc, char **argv)
{
	app->cmd = cmd_of_link(ma_program);
	if (app->cmd != NULL)
		return run_cmd(app, argc, argv);
	ma_program = "mailuser";
	argv[0] = program;
	return run(app, argc, argv);
}

/* What this command exits with where others exit with MA_EXIT_USAGE. */
static int usage_code(const struct app *app)
{
	const struct exits *exits = app->cmd == NULL ? NULL : &app->cmd->exits;

	if (exits != NULL && app->is_bad_option && exits->option != 0)
		return exits->option;
	return exits != NULL && exits->usage != 0 ? exits->usage : MA_EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct app app = {0};
	int code;

	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)umask(027);
	(void)setlocale(LC_CTYPE, "");
	if (argc < 1)
		return MA_EXIT_USAGE;
	argv[0] = basename(argv[0]); /* getopt's messages begin with it */
	ma_program = argv[0];

	code = run_as(&app, argc, argv);
	mailauth_free(&app.ctx);
	if (code == MA_EXIT_USAGE)
		hint_print(app.cmd);
	if (code == MA_EXIT_USAGE)
		code = usage_code(&app);
	for (size_t i = 0; i < sizeof(app.lists) / sizeof(app.lists[0]); i++)
		free(app.lists[i]);

	/* A list that did not reach its file is no success. */
	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		ma_say("cannot write to standard output: %s", strerror(errno));
		if (code == MA_EXIT_OK)
			code = MA_EXIT_FAILED;
	}
	return code;
}
