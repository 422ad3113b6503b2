/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * taken.c - names that mean something else to the mail system: Unix users and aliases
 *
 * All accounts are looked up, perhaps a million, so both files are read once and sorted. The files
 * themselves are read, as the mail server does for "local" mail, and not whatever nsswitch.conf
 * would ask over the network. An account with the uid of the Unix user of its name is his own, as
 * `mailuser import shadow` makes it, and its mail goes where it should.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "doctor.h"

static int by_name(const void *a, const void *b)
{
	return strcasecmp(((const struct taken *)a)->name, ((const struct taken *)b)->name);
}

/* "name:x:uid:..."; false: not such a line. */
static bool parse_passwd(char *line, struct taken *out)
{
	char *p = line;

	out->name = strsep(&p, ":");
	if (p == NULL || out->name[0] == '\0' || out->name[0] == '+' || out->name[0] == '-')
		return false;
	(void)strsep(&p, ":");
	out->uid = p == NULL ? -1 : strtoll(p, NULL, 10);
	return p != NULL;
}

/* "name: value", the name perhaps in quotes. A line that begins with white space goes on with the
 * one before. */
static bool parse_alias(char *line, struct taken *out)
{
	char *end;

	out->uid = -1;
	if (strchr(" \t#", line[0]) != NULL)
		return false;
	out->name = line[0] == '"' ? line + 1 : line;
	end = line[0] == '"' ? strchr(line + 1, '"') : strchr(line, ':');
	if (end == NULL)
		return false;
	while (end > out->name && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	return true;
}

static bool add(struct taken_names *taken, const struct taken *one)
{
	struct taken *items = taken->items;

	if ((taken->n & (taken->n - 1)) == 0) { /* 0, or full: a power of two */
		items = reallocarray(items, taken->n == 0 ? 1 : 2 * taken->n, sizeof(*items));
		if (items == NULL)
			return false;
		taken->items = items;
	}
	items[taken->n++] = *one;
	return true;
}

static void load(struct doctor *doctor, const char *path,
		 bool (*parse_line)(char *line, struct taken *out))
{
	struct taken_names *taken = &doctor->taken;
	enum foreign result;
	char *text;
	char *line;

	result = ma_foreign_read(path, &text);
	if (result == MA_FOREIGN_DENIED || result == MA_FOREIGN_ODD)
		ma_finding_add(
			doctor, MA_FINDING_WARNING, path,
			"cannot be read, so names in it were not compared",
			ma_text("make it a regular file that all may read; see 'ls -l %s'", path)
				.text);
	if (result != MA_FOREIGN_READ)
		return;
	taken->texts[taken->n_texts++] = text;
	while ((line = strsep(&text, "\n")) != NULL) {
		struct taken one;

		if (line[0] != '\0' && parse_line(line, &one) && !add(taken, &one))
			doctor->is_broken = true;
	}
}

void ma_taken_load(struct doctor *doctor)
{
	struct taken_names *taken = &doctor->taken;

	doctor->checking = "elsewhere";
	load(doctor, "/etc/passwd", parse_passwd);
	load(doctor, "/etc/aliases", parse_alias);
	load(doctor, "/etc/mail/aliases", parse_alias);
	if (taken->n > 0)
		qsort(taken->items, taken->n, sizeof(*taken->items), by_name);
}

static void note(struct doctor *doctor, const struct taken *one, const struct mailauth_user *user)
{
	struct survey *survey = &doctor->survey;

	if (one->uid < 0)
		ma_names_add(&survey->aliases, mailauth_user_name(user));
	else if (one->uid != mailauth_user_number(user, MAILAUTH_NUMBER_UID))
		ma_names_add(&survey->unix_users, mailauth_user_name(user));
}

void ma_taken_look(struct doctor *doctor, const struct mailauth_user *user)
{
	const struct taken_names *taken = &doctor->taken;
	const char *name = mailauth_user_name(user);
	const struct text local = ma_text("%.*s", (int)strcspn(name, "@"), name);
	const struct taken key = {.name = local.text};
	const struct taken *found = NULL;
	bool was_unix = false;
	bool was_alias = false;

	if (taken->n > 0)
		found = bsearch(&key, taken->items, taken->n, sizeof(*taken->items), by_name);
	if (found == NULL)
		return;
	while (found > taken->items && by_name(found - 1, &key) == 0)
		found--;
	for (; found < taken->items + taken->n && by_name(found, &key) == 0; found++) {
		if (found->uid < 0 ? was_alias : was_unix)
			continue;
		note(doctor, found, user);
		was_alias |= found->uid < 0;
		was_unix |= found->uid >= 0;
	}
}

void ma_taken_clear(struct taken_names *taken)
{
	for (size_t i = 0; i < taken->n_texts; i++)
		free(taken->texts[i]);
	free(taken->items);
	*taken = (struct taken_names){0};
}
