/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bulk_list.c - lists of accounts and passwords, one a line: chpasswd and newusers
 *
 * The tools of shadow-utils take such a list line by line, so the last line of a name counts. A
 * batch takes each name once; so the lines of a name are linked, and only the last is stored.
 *
 * Two walks: the first checks all lines and derives nothing, the second derives and fills the
 * batch. A list of 100,000 with a typo in its last line is refused at once, and not after minutes.
 */
#include "bulk_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_LEN 8190 /* bytes; that of chpasswd(8) and newusers(8) */

const struct bulk_row *ma_bulk_row(const struct bulk_list *list, size_t number)
{
	return &list->rows[number - 1];
}

char *ma_bulk_field_next(char *field)
{
	return field + strlen(field) + 1;
}

enum mailauth_status ma_bulk_password(struct mailauth_user *user, const char *password,
				      bool derives)
{
	enum mailauth_status status = MAILAUTH_OK;

	/* The cheapest mechanism refuses the same passwords as all others. */
	if (!derives)
		status = mailauth_user_set_text(user, MAILAUTH_TEXT_MECHS, "CRAM-MD5");
	if (status == MAILAUTH_OK)
		status = mailauth_user_set_password(user, password, strlen(password));
	return status;
}

/* ---- reading --------------------------------------------------------------------------------- */

static void bad_line(struct bulk_list *list, size_t number, const char *why)
{
	ma_say("line %zu: %s", number, why);
	list->bulk->n_bad++;
}

static struct bulk_row *row_add(struct bulk_list *list)
{
	size_t size = list->size == 0 ? 1024 : list->size * 2;
	struct bulk_row *rows;

	if (list->n_rows == list->size) {
		rows = reallocarray(list->rows, size, sizeof(*rows));
		if (rows == NULL)
			return NULL;
		list->rows = rows;
		list->size = size;
	}
	list->rows[list->n_rows] = (struct bulk_row){0};
	return &list->rows[list->n_rows++];
}

static const char *line_fault(const char *line, size_t len)
{
	if (len > LINE_MAX_LEN)
		return "line too long";
	if (strlen(line) != len)
		return "there is a NUL byte in it";
	if (len > 0 && line[len - 1] == '\r')
		return "it ends in a carriage return: convert the list to Unix lines";
	return NULL;
}

/* Notes that the line is the last of its name so far. A bad name is found out later. */
static bool row_link(struct bulk_list *list, struct bulk_row *row)
{
	struct mailauth_name name;
	size_t *place;

	row->is_last = true;
	if (mailauth_name_parse(list->bulk->app->ctx, row->name, &name) != MAILAUTH_OK)
		return true;
	place = ma_bulk_name(&list->names, &name, list->n_rows);
	if (place == NULL)
		return false;
	if (*place == list->n_rows)
		return true;
	row->before = *place;
	list->rows[*place - 1].is_last = false;
	*place = list->n_rows;
	return true;
}

/* What is wrong with a line is said in its turn. */
static bool list_read(struct bulk_list *list, const char *path)
{
	size_t len;
	char *line;

	if (!ma_bulk_read(path, &list->lines))
		return false;
	for (line = ma_bulk_line(&list->lines, &len); line != NULL;
	     line = ma_bulk_line(&list->lines, &len)) {
		struct bulk_row *row = row_add(list);
		bool has_memory = row != NULL;

		if (has_memory) {
			row->name = line;
			row->fault = line_fault(line, len);
			if (row->fault == NULL)
				row->fault = list->steps->split(line);
			has_memory = row->fault != NULL || row_link(list, row);
		}
		if (!has_memory) {
			ma_say("out of memory; nothing was changed");
			return false;
		}
	}
	return true;
}

/* ---- the two walks --------------------------------------------------------------------------- */

struct item {
	size_t number;
	enum mailauth_status status;
	char why[BULK_WHY_MAX];
};

static bool item_next(void *arg, void *item_out)
{
	struct bulk_list *list = arg;
	struct item *item = item_out;

	if (list->n_next == list->n_rows)
		return false;
	item->number = ++list->n_next;
	return true;
}

static void item_work(void *arg, void *item_in_work)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	const struct bulk_list *list = arg;
	struct item *item = item_in_work;
	const struct bulk_row *row = ma_bulk_row(list, item->number);

	if (row->fault != NULL) {
		item->status = MAILAUTH_E_USAGE;
		(void)snprintf(item->why, sizeof(item->why), "%s", row->fault);
		return;
	}
	/* What another line replaces has been checked, and that is all. */
	if (list->derives && !row->is_last)
		return;
	item->status = list->steps->make(list, item->number, list->derives, &user, item->why);
	if (item->status == MAILAUTH_OK && list->derives)
		item->status = mailauth_batch_put(list->bulk->batch, user);
	if (item->status != MAILAUTH_OK && item->why[0] == '\0')
		ma_bulk_why(item->status, item->why);
}

static void item_done(void *arg, void *item_done)
{
	struct bulk_list *list = arg;
	const struct item *item = item_done;

	if (item->status != MAILAUTH_OK)
		bad_line(list, item->number, item->why);
}

static bool walk(struct bulk_list *list, bool derives)
{
	static const struct bulk_steps steps = {
		.item_size = sizeof(struct item),
		.next = item_next,
		.work = item_work,
		.done = item_done,
	};

	list->derives = derives;
	list->n_next = 0;
	list->bulk->step = derives ? "deriving" : "checking";
	list->bulk->n_expected = list->n_rows;
	return ma_bulk_run(list->bulk, &steps, list);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int finish(struct bulk_list *list)
{
	int code = ma_bulk_commit(list->bulk, list->steps->afterwards);
	bool is_well = true;

	if (code != MA_EXIT_OK || list->steps->after == NULL)
		return code;
	for (size_t number = 1; number <= list->n_rows; number++)
		if (!list->steps->after(list, number))
			is_well = false;
	return is_well ? MA_EXIT_OK : list->steps->exit_after;
}

static int change(struct bulk_list *list, const char *path)
{
	int failed = list->bulk->app->cmd->exits.failed;

	if (!list_read(list, path) || !walk(list, false))
		return failed;
	if (list->bulk->n_bad == 0 && !walk(list, true))
		return failed;
	if (list->bulk->n_bad == 0)
		return finish(list);
	ma_say("error detected, changes ignored");
	return failed;
}

int ma_bulk_list(struct app *app, const char *path, const struct bulk_list_steps *steps)
{
	struct bulk bulk;
	struct bulk_list list = {.bulk = &bulk, .steps = steps};
	int code = ma_bulk_open(&bulk, app);

	if (code == MA_EXIT_OK && steps->begin != NULL)
		code = steps->begin(&list);
	if (code == MA_EXIT_OK)
		code = change(&list, path);
	ma_bulk_names_clear(&list.names);
	ma_bulk_lines_clear(&list.lines);
	free(list.rows);
	ma_bulk_close(&bulk);
	return code;
}
