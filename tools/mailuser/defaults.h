/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * defaults.h - what a new account has where no option says otherwise
 *
 * The counterpart of /etc/default/useradd: a file `useradd` beside the configuration file.
 */
#ifndef MAILUSER_DEFAULTS_H
#define MAILUSER_DEFAULTS_H

#include <mailauth/admin.h>
#include <stdbool.h>

#include "cmd.h"

#define MA_DEFAULT_HOME	 "/var/vmail"
#define MA_DEFAULT_SHELL "/usr/sbin/nologin"

/** The defaults. */
struct defaults {
	int64_t group;			    /* gid of the mailbox; -1: none */
	char home[MAILAUTH_TEXT_MAX + 1];   /* folder with a folder for each realm */
	bool is_home_doubtful;		    /* HOME in the file is not usable */
	int64_t inactive;		    /* days; -1: never */
	char expire[MAILAUTH_TEXT_MAX + 1]; /* as -e takes it */
	char shell[MAILAUTH_TEXT_MAX + 1];
	char skeleton[MAILAUTH_TEXT_MAX + 1]; /* folder to copy into new mailboxes; empty: none */
};

/**
 * ma_defaults_read() - read the file; what it does not say is built in
 * @app:          the command: --config tells where the file is
 * @defaults_out: the defaults
 *
 * A line that makes no sense is left out with a warning, as useradd(8) does.
 *
 * Return: true; false after a message, if the file cannot be read or others than root may write it
 */
bool ma_defaults_read(const struct app *app, struct defaults *defaults_out);

/**
 * ma_defaults_write() - replace the file; lines of the old one that mean nothing here stay
 * Return: true; false after a message, the file is as it was
 */
bool ma_defaults_write(const struct app *app, const struct defaults *defaults);

/** ma_defaults_print() - print them on standard output, as they stand in the file */
void ma_defaults_print(const struct defaults *defaults);

/**
 * ma_defaults_set_home() - the base folder of mailboxes
 * @text: an absolute path without . and .., no folder of the system such as "/" or "/var"
 * Return: false if it is no such path; the defaults stay as they were
 */
bool ma_defaults_set_home(struct defaults *defaults, const char *text);

/** ma_defaults_set_shell() - an absolute path, or empty; false: the shell stays as it was */
bool ma_defaults_set_shell(struct defaults *defaults, const char *text);

/** ma_defaults_set_expire() - the text of a date; false: too long, the date stays as it was */
bool ma_defaults_set_expire(struct defaults *defaults, const char *text);

/**
 * ma_defaults_home() - the mailbox of an account: BASE/REALM/LOCAL
 * @base:     the base folder
 * @name:     local@realm
 * @home_out: the path; empty if it is too long
 */
void ma_defaults_home(const char *base, const char *name, char home_out[MAILAUTH_TEXT_MAX + 1]);

#endif
