/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bulk.h - what commands that change many accounts share
 *
 * A bulk command reads items, works on them in as many threads as there are cores, reports them in
 * the order of the input, and commits one batch at the end:
 *
 *   ma_bulk_open() -> ma_bulk_run() -> ma_bulk_commit() -> ma_bulk_close()
 *
 * Until ma_bulk_commit() nothing has been written, whatever ends the process.
 */
#ifndef MAILUSER_BULK_H
#define MAILUSER_BULK_H

#include <mailauth/admin.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

#include "cmd.h"

#define BULK_WHY_MAX   512		    /* bytes in a text for the user, with its NUL */
#define BULK_INPUT_MAX ((size_t)1024 << 20) /* bytes of an input that is held in memory */

/** A running bulk command. */
struct bulk {
	struct app *app;
	struct mailauth_batch *batch;
	size_t n_bad;		/* items that were refused; nothing is committed if there are any */
	size_t n_expected;	/* for the progress; 0: not known */
	const char *step;	/* for the progress: "checking" */
	pthread_mutex_t ending; /* held by whoever ends the command: commit or signal */
	const char *interrupted; /* what to say about a signal; NULL: too late, go on */
	sigset_t signals;
	pthread_t watcher;
	bool is_watched;
	bool shows_progress;
};

/** What is done with each item; all but work() run in the thread that calls ma_bulk_run(). */
struct bulk_steps {
	size_t item_size;
	/* Fills in the next item, zeroed before; false: there are no more. */
	bool (*next)(void *arg, void *item);
	/* In any thread, several items at once. */
	void (*work)(void *arg, void *item);
	/* In the order of next(): reports the item and clears it. */
	void (*done)(void *arg, void *item);
};

/**
 * ma_bulk_open() - open the store for writing, begin a batch and watch for signals
 * @bulk: the command; cleared by ma_bulk_close(), also after a failure
 * @app:  its arguments
 *
 * From here on SIGINT, SIGTERM and SIGHUP end the process with a message that nothing was changed,
 * and what the library logs is kept for ma_bulk_why() instead of being printed.
 *
 * Return: 0, or what to exit with; the user has been told
 */
int ma_bulk_open(struct bulk *bulk, struct app *app);

/**
 * ma_bulk_run() - put all items through their steps
 * @bulk:  the command
 * @steps: what to do
 * @arg:   passed to each step
 *
 * A terminal shows the progress, in one line that is written over and gone at the end.
 *
 * Return: false after a message, if there are no threads to be had
 */
bool ma_bulk_run(struct bulk *bulk, const struct bulk_steps *steps, void *arg);

/**
 * ma_bulk_why() - why the last call of the library in this thread failed
 * @status: what it returned
 * @why:    the text it logged, else one for @status; BULK_WHY_MAX bytes
 */
void ma_bulk_why(enum mailauth_status status, char *why);

/** Forgets what the library logged in this thread. */
void ma_bulk_forget(void);

/** What the library has logged in this thread since ma_bulk_forget(); empty: nothing. */
const char *ma_bulk_logged(void);

/**
 * ma_bulk_commit() - make all changes, or say that none was made
 * @bulk:      the command
 * @afterwards: what to say if a signal comes after that; NULL: signals are passed over
 *
 * Standard output is flushed before: if a report cannot be written, nothing is changed either.
 *
 * Return: 0, or what to exit with; the user has been told
 */
int ma_bulk_commit(struct bulk *bulk, const char *afterwards);

/** ma_bulk_close() - end the batch and the watch for signals; safe to call twice */
void ma_bulk_close(struct bulk *bulk);

/** Lines of text in memory. */
struct bulk_lines {
	char *text;
	size_t len;
	size_t size;
	size_t at; /* where the next line begins */
};

/**
 * ma_bulk_read() - read all of a file or of standard input
 * @path:      NULL: standard input
 * @lines_out: the text; cleared by ma_bulk_lines_clear(), also after a failure
 * Return: false after a message
 */
bool ma_bulk_read(const char *path, struct bulk_lines *lines_out);

/**
 * ma_bulk_line() - the next line, without its line feed
 * @lines:   the text
 * @len_out: bytes in it; it is NUL-terminated and may have NUL bytes inside
 * Return: the line, which the caller may change; NULL: no more
 */
char *ma_bulk_line(struct bulk_lines *lines, size_t *len_out);

/** ma_bulk_lines_clear() - wipe and forget the text */
void ma_bulk_lines_clear(struct bulk_lines *lines);

/** Names that came up, and where. */
struct bulk_names {
	void *root; /* of tsearch(3) */
	struct bulk_name *first;
	struct bulk_name *last;
};

/**
 * ma_bulk_name() - note a name
 * @names: the names so far; empty to begin with
 * @name:  in its stored form
 * @place: a number of the caller's: the line
 * Return: the place that is kept for the name: @place if it is new, which the caller may change;
 *         NULL: out of memory
 */
size_t *ma_bulk_name(struct bulk_names *names, const struct mailauth_name *name, size_t place);

/** Is a name among them? */
const size_t *ma_bulk_name_find(const struct bulk_names *names, const struct mailauth_name *name);

/** ma_bulk_names_clear() - forget all names */
void ma_bulk_names_clear(struct bulk_names *names);

/** Calls @fn with each name, in the order in which they came up. */
void ma_bulk_names_each(const struct bulk_names *names,
			void (*fn)(const char *name, size_t place, void *arg), void *arg);

/**
 * ma_bulk_name_parse() - the stored form of a name, in a realm of the caller's choice
 * @ctx:      the context
 * @text:     local or local@realm
 * @realm:    for a name without one; NULL: default_realm
 * @name_out: the name; empty on failure
 */
enum mailauth_status ma_bulk_name_parse(struct mailauth *ctx, const char *text, const char *realm,
					struct mailauth_name *name_out);

/**
 * ma_bulk_only() - the names that --only asks for
 * @ctx:       the context
 * @list:      separated by commas; NULL: --only was not given
 * @realm:     of names without one
 * @names_out: the names, each with place 0
 * Return: false after a message
 */
bool ma_bulk_only(struct mailauth *ctx, const char *list, const char *realm,
		  struct bulk_names *names_out);

#endif
