/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd.h - what a subcommand of mailuser is, and what all of them share
 *
 * A subcommand is one file, cmd_foo.c, that defines `const struct cmd cmd_foo`, and one word in the
 * list `cmds` of meson.build, from which the build writes the registry ma_cmds. The rows of its
 * options are the only place that knows them: getopt_long() and --help are both fed from there, and
 * check-man.sh holds the manual page against --help. main.c has parsed and counted everything
 * before run() is called, so run() asks ma_option() for values and starts to work.
 *
 * Messages: the library says itself what is wrong and what to do, through its log. A command adds
 * text only where the library stayed silent; ma_app_fail() knows which of the two it is.
 */
#ifndef MAILUSER_CMD_H
#define MAILUSER_CMD_H

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>
#include <stdbool.h>

/* Frees a local variable when it goes out of scope; fn takes a pointer to the variable. */
#define MA_CLEANUP(fn) __attribute__((cleanup(fn)))

/** Exit codes, those of useradd(8), userdel(8) and passwd(1) where they have one. */
enum {
	MA_EXIT_OK = 0,
	MA_EXIT_FAILED = 1, /* the store could not be changed or read; passwd: no permission */
	MA_EXIT_USAGE = 2,
	MA_EXIT_ARGUMENT = 3, /* a bad value; passwd and verify: nothing was done */
	MA_EXIT_UID = 4,      /* the uid is in use; passwd: no store */
	MA_EXIT_MISSING = 6,  /* no such account or group; passwd: a bad argument */
	MA_EXIT_BUSY = 8,
	MA_EXIT_EXISTS = 9,
	MA_EXIT_GROUP = 10,
	MA_EXIT_HOME = 12,
	MA_EXIT_NAME = 19
};

/** Ids of options without a short letter; above every letter. */
enum {
	MA_OPTION_CONFIG = 128,
	MA_OPTION_JSON,
	MA_OPTION_MECH,
	MA_OPTION_REALM,
	MA_OPTION_RECOVERABLE,
	MA_OPTION_STDIN,
	MA_OPTION_STRICT,
	MA_OPTION_VERSION,
	MA_OPTION_OWN, /* the first that a command may give a meaning of its own */
	MA_OPTION_END = 256
};

/** One option; a table of them ends with an empty row. */
struct opt {
	int id;		  /* the short letter, or one of the ids above */
	const char *name; /* the long form without dashes */
	/* What its argument is called, NULL if it takes none. With "..." at the end the option may
	 * be given again, and its value is all arguments, separated by commas. */
	const char *argument;
	const char *help;
};

/** What a command exits with, for each way it can fail. */
struct exits {
	int denied;   /* the store cannot be opened, and the caller is not root */
	int open;     /* the store cannot be opened */
	int name;     /* the name of the account is refused */
	int notfound; /* no such account */
	int argument; /* a value is refused */
	int busy;     /* another program has been writing for too long */
	int failed;   /* anything else */
	int usage;    /* unknown options, operands missing or too many; 0: MA_EXIT_USAGE */
	int option;   /* unknown options, or without their argument; 0: as usage */
};

/** A running command: its arguments and, once open, its context. */
struct app {
	const struct cmd *cmd;
	const char *values[MA_OPTION_END]; /* by option id; NULL: not given */
	char *lists[MA_OPTION_END];	   /* those of them that were put together */
	const char *config;		   /* --config, else $MAILAUTH_CONFIG, else NULL */
	const char *operand;		   /* the first one, NAME; NULL if there is none */
	char *const *operands;		   /* all of them */
	int n_operands;
	struct mailauth *ctx;
	bool is_bad_option; /* wrong usage is that of an option */
	bool said;	    /* the library has logged an error or a warning */
	bool is_busy;	    /* the last of them was that another program is writing */
};

/** A subcommand. */
struct cmd {
	const char *name;
	const char *alias;   /* the name it has in shadow-utils, or NULL */
	const char *operand; /* "NAME", "FORMAT [FILE]"; NULL if it takes none */
	int min_operands;
	int max_operands;
	const char *summary; /* one line for --help, a sentence without its full stop */
	const struct opt *options;
	struct exits exits;
	int (*run)(struct app *app);
};

/** All subcommands, ended by NULL; written by the build. */
extern const struct cmd *const ma_cmds[];

/**
 * ma_say() - one message to the user, on standard error
 * @format: as for printf(), without the program's name and the line break
 */
void ma_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** What messages begin with: "mailuser", or the name of a link by which it was called. */
extern const char *ma_program;

/**
 * ma_option() - the value of an option
 * Return: the argument, all of them if it may be given several times, "" for an option that takes
 *         none, NULL if it was not given
 */
const char *ma_option(const struct app *app, int id);

/**
 * ma_app_log() - print what the library logs; a mailauth_log_fn
 * @arg: the struct app
 */
void ma_app_log(void *arg, enum mailauth_log_level level, const char *event, const char *text);

/**
 * ma_app_options() - how this command opens the store
 * @app:   the command
 * @flags: as in struct mailauth_options
 * Return: options that borrow from @app
 */
struct mailauth_options ma_app_options(struct app *app, unsigned int flags);

/**
 * ma_app_open() - open configuration and store
 * @app:   the command; app->ctx is set
 * @flags: MAILAUTH_OPEN_WRITE or 0
 * Return: 0, or what to exit with; the user has been told
 */
int ma_app_open(struct app *app, unsigned int flags);

/**
 * ma_app_name() - the operand NAME in its stored form
 * Return: 0, or what to exit with; the user has been told
 */
int ma_app_name(struct app *app, struct mailauth_name *name_out);

/**
 * ma_app_fail() - turn the failure of a library call into a message and an exit code
 * @app:    the command
 * @status: what the call returned, below zero
 * @what:   what it was about: the name of the account or of an option
 * Return: what to exit with
 */
int ma_app_fail(struct app *app, enum mailauth_status status, const char *what);

#endif
