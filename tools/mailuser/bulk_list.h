/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bulk_list.h - lists of accounts and passwords, one a line: chpasswd and newusers
 */
#ifndef MAILUSER_BULK_LIST_H
#define MAILUSER_BULK_LIST_H

#include "bulk.h"

/** One line. */
struct bulk_row {
	char *name;	   /* as it stands there; the fields behind it belong to the command */
	size_t before;	   /* the number of the line before that has the same name; 0: none has */
	bool is_last;	   /* none behind it has the same name: this is what the account becomes */
	const char *fault; /* the line is no line of a list; a constant */
};

struct bulk_list;

/** What a command does with its lines. */
struct bulk_list_steps {
	/* Once the store is open; may be NULL. 0, or what to exit with. */
	int (*begin)(const struct bulk_list *list);
	/* Splits a line in place. NULL, or what is wrong with it, a constant. */
	const char *(*split)(char *line);
	/*
	 * The account as the line wants it; in any thread. Without @derives it is not going to be
	 * stored, and what costs time must be left out, but everything that can be refused is
	 * refused. MAILAUTH_E_USAGE: @why says why; any other failure: @why is empty, or says why.
	 */
	enum mailauth_status (*make)(const struct bulk_list *list, size_t number, bool derives,
				     struct mailauth_user **user_out, char *why);
	/* Is told of each line after the commit; may be NULL. False: something went wrong. */
	bool (*after)(const struct bulk_list *list, size_t number);
	const char *afterwards; /* as for ma_bulk_commit() */
	int exit_after;		/* what to exit with if after() returned false */
	void *arg;		/* the command's own */
};

/** All lines. */
struct bulk_list {
	struct bulk *bulk;
	const struct bulk_list_steps *steps;
	struct bulk_lines lines;
	struct bulk_row *rows;
	size_t n_rows;
	size_t size;
	struct bulk_names names;
	bool derives; /* the second walk through the lines */
	size_t n_next;
};

/** The row of a line; @number counts from 1. */
const struct bulk_row *ma_bulk_row(const struct bulk_list *list, size_t number);

/** The field behind a field. */
char *ma_bulk_field_next(char *field);

/**
 * ma_bulk_list() - read a list and make its changes, all or none
 * @app:   the command
 * @path:  the file; NULL: standard input
 * @steps: what to do
 *
 * Each bad line is named. All lines are checked before the first password is derived from, so that
 * a mistake is found in seconds.
 *
 * Return: what to exit with; the user has been told
 */
int ma_bulk_list(struct app *app, const char *path, const struct bulk_list_steps *steps);

/**
 * ma_bulk_password() - set a password, or check only that it could be set
 * @user:     the account; spoilt by a check
 * @password: NUL-terminated
 * @derives:  false: check
 */
enum mailauth_status ma_bulk_password(struct mailauth_user *user, const char *password,
				      bool derives);

#endif
