/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bulk_input.c - lines in memory, and the names that came up in them
 *
 * chpasswd and newusers say that the last line of a name counts, so the whole input is read before
 * anything is derived. It is full of passwords: it is read with read(2) into memory that is wiped,
 * also where it has to move to grow.
 */
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bulk.h"

#define INPUT_FIRST 65536

/* ---- lines ----------------------------------------------------------------------------------- */

void ma_bulk_lines_clear(struct bulk_lines *lines)
{
	if (lines->text != NULL)
		explicit_bzero(lines->text, lines->size);
	free(lines->text);
	*lines = (struct bulk_lines){0};
}

/* Makes room for one byte at least, and for a NUL behind it. */
static bool lines_grow(struct bulk_lines *lines)
{
	size_t size = lines->size == 0 ? INPUT_FIRST : lines->size * 2;
	char *text;

	if (lines->len + 1 < lines->size)
		return true;
	if (size > BULK_INPUT_MAX)
		return false;
	text = malloc(size);
	if (text == NULL)
		return false;
	if (lines->text != NULL) {
		memcpy(text, lines->text, lines->len);
		explicit_bzero(lines->text, lines->size);
		free(lines->text);
	}
	lines->text = text;
	lines->size = size;
	return true;
}

static bool lines_read(int fd, const char *what, struct bulk_lines *lines)
{
	for (;;) {
		ssize_t n;

		if (!lines_grow(lines)) {
			ma_say("%s is too large for the memory, or for one run; nothing was "
			       "changed: split it",
			       what);
			return false;
		}
		n = read(fd, lines->text + lines->len, lines->size - lines->len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			ma_say("%s: %s; nothing was changed", what, strerror(errno));
			return false;
		}
		if (n == 0)
			break;
		lines->len += (size_t)n;
	}
	lines->text[lines->len] = '\0';
	return true;
}

bool ma_bulk_read(const char *path, struct bulk_lines *lines_out)
{
	int fd = STDIN_FILENO;
	bool is_read;

	*lines_out = (struct bulk_lines){0};
	if (path == NULL)
		return lines_read(fd, "standard input", lines_out);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		ma_say("%s: %s", path, strerror(errno));
		return false;
	}
	is_read = lines_read(fd, path, lines_out);
	(void)close(fd);
	return is_read;
}

char *ma_bulk_line(struct bulk_lines *lines, size_t *len_out)
{
	char *line = lines->text + lines->at;
	size_t left = lines->len - lines->at;
	char *end;

	*len_out = 0;
	if (left == 0)
		return NULL;
	end = memchr(line, '\n', left);
	*len_out = end == NULL ? left : (size_t)(end - line);
	lines->at += *len_out + (end == NULL ? 0 : 1);
	line[*len_out] = '\0';
	return line;
}

/* ---- names ----------------------------------------------------------------------------------- */

struct bulk_name {
	struct bulk_name *next;
	size_t place;
	char text[]; /* NUL-terminated */
};

/* What is looked for is a node too; its text stands in a struct of its own. */
static int node_compare(const void *a, const void *b)
{
	const struct bulk_name *left = a;
	const struct bulk_name *right = b;

	return strcmp(left->text, right->text);
}

static struct bulk_name *node_new(const struct mailauth_name *name, size_t place)
{
	size_t size = strlen(name->text) + 1;
	struct bulk_name *node = malloc(sizeof(*node) + size);

	if (node == NULL)
		return NULL;
	node->next = NULL;
	node->place = place;
	memcpy(node->text, name->text, size);
	return node;
}

size_t *ma_bulk_name(struct bulk_names *names, const struct mailauth_name *name, size_t place)
{
	struct bulk_name *node = node_new(name, place);
	struct bulk_name **found;

	if (node == NULL)
		return NULL;
	found = tsearch(node, &names->root, node_compare);
	if (found == NULL || *found != node) {
		free(node);
		return found == NULL ? NULL : &(*found)->place;
	}
	if (names->last == NULL)
		names->first = node;
	else
		names->last->next = node;
	names->last = node;
	return &node->place;
}

const size_t *ma_bulk_name_find(const struct bulk_names *names, const struct mailauth_name *name)
{
	struct bulk_name *node = node_new(name, 0);
	struct bulk_name **found;

	if (node == NULL)
		return NULL;
	found = tfind(node, &names->root, node_compare);
	free(node);
	return found == NULL ? NULL : &(*found)->place;
}

/* The tree does not own them. */
static void node_keep(void *node)
{
	(void)node;
}

void ma_bulk_names_clear(struct bulk_names *names)
{
	struct bulk_name *next;

	tdestroy(names->root, node_keep);
	for (struct bulk_name *node = names->first; node != NULL; node = next) {
		next = node->next;
		free(node);
	}
	*names = (struct bulk_names){0};
}

void ma_bulk_names_each(const struct bulk_names *names,
			void (*fn)(const char *name, size_t place, void *arg), void *arg)
{
	for (const struct bulk_name *node = names->first; node != NULL; node = node->next)
		fn(node->text, node->place, arg);
}

enum mailauth_status ma_bulk_name_parse(struct mailauth *ctx, const char *text, const char *realm,
					struct mailauth_name *name_out)
{
	char full[2 * MAILAUTH_NAME_MAX];
	size_t len;

	if (realm == NULL || strchr(text, '@') != NULL)
		return mailauth_name_parse(ctx, text, name_out);
	*name_out = (struct mailauth_name){0};
	len = (size_t)snprintf(full, sizeof(full), "%s@%s", text, realm);
	if (len >= sizeof(full))
		return MAILAUTH_E_LIMIT;
	return mailauth_name_parse(ctx, full, name_out);
}

bool ma_bulk_only(struct mailauth *ctx, const char *list, const char *realm,
		  struct bulk_names *names_out)
{
	char word[MAILAUTH_NAME_MAX + 1];
	struct mailauth_name name;
	size_t len;

	*names_out = (struct bulk_names){0};
	if (list == NULL)
		return true;
	for (const char *at = list; *at != '\0'; at += len + strspn(at + len, ",")) {
		len = strcspn(at, ",");
		(void)snprintf(word, sizeof(word), "%.*s", (int)len, at);
		ma_bulk_forget();
		if (len >= sizeof(word) ||
		    ma_bulk_name_parse(ctx, word, realm, &name) != MAILAUTH_OK) {
			ma_say("--only: '%s' cannot be the name of an account", word);
			return false;
		}
		if (ma_bulk_name(names_out, &name, 0) == NULL) {
			ma_say("out of memory");
			return false;
		}
	}
	return true;
}
