/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_import.h - what the tests of formats share
 *
 * A file is made of bytes, read by a format, and each entry told in one line of text that a test
 * compares with what it wants: only what the entry says, in a fixed order. Each test that includes
 * this is a program of its own.
 */
#ifndef MA_IMPORT_TEST_IMPORT_H
#define MA_IMPORT_TEST_IMPORT_H

#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "import/import.h"

#define NO_IDS	   .min_uid = -1, .max_uid = -1
#define TEST_FIELD 300 /* bytes of each text that are told */

struct told {
	char text[16384];
	size_t len;
};

static inline void tell(struct told *told, const char *name, const char *value)
{
	int n;

	if (value == NULL)
		return;
	n = snprintf(told->text + told->len, sizeof(told->text) - told->len, "%s%s=%.*s",
		     told->len > 0 ? " " : "", name, TEST_FIELD, value);
	ck_assert(n > 0 && (size_t)n < sizeof(told->text) - told->len);
	told->len += (size_t)n;
}

static inline void tell_number(struct told *told, const char *name, int64_t value, int64_t unsaid)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	if (value != unsaid)
		tell(told, name, text);
}

/* The entry in one line; valid until the next call. */
static inline const char *tell_entry(const struct ma_entry *entry)
{
	static struct told told;

	told.len = 0;
	told.text[0] = '\0';
	tell(&told, "name", entry->name);
	tell_number(&told, "uid", entry->uid, -1);
	tell_number(&told, "gid", entry->gid, -1);
	tell(&told, "comment", entry->comment);
	tell(&told, "home", entry->home);
	tell(&told, "shell", entry->shell);
	tell(&told, "groups", entry->groups);
	tell(&told, "mechs", entry->mechs);
	tell_number(&told, "locked", entry->locked, -1);
	tell_number(&told, "recoverable", entry->recoverable, -1);
	tell_number(&told, "last", entry->last_change, MA_DAY_UNKNOWN);
	tell_number(&told, "min", entry->min, MA_DAY_UNKNOWN);
	tell_number(&told, "max", entry->max, MA_DAY_UNKNOWN);
	tell_number(&told, "warn", entry->warn, MA_DAY_UNKNOWN);
	tell_number(&told, "inactive", entry->inactive, MA_DAY_UNKNOWN);
	tell_number(&told, "expire", entry->expire, MA_DAY_UNKNOWN);
	tell(&told, "password", entry->password);
	for (size_t i = 0; i < entry->n_secrets; i++)
		tell(&told, entry->secrets[i].kind, entry->secrets[i].text);
	if (entry->no_login)
		tell(&told, "no-login", "1");
	tell(&told, "note", entry->note);
	return told.text;
}

static inline const struct ma_format *format_of(const char *name)
{
	const struct ma_format *format = ma_format_find(name);

	ck_assert_msg(format != NULL, "%s: not in this build", name);
	return format;
}

static inline struct ma_import *open_import(const char *format,
					    const struct ma_import_params *params)
{
	struct ma_import *import = NULL;
	char why[MA_WHY_MAX] = "";
	enum mailauth_status status = format_of(format)->open(params, &import, why);

	ck_assert_msg(status == MAILAUTH_OK, "%s: got %d: %s", format, status, why);
	ck_assert_ptr_nonnull(import);
	ck_assert_ptr_eq(import->format, format_of(format));
	return import;
}

/* The next entry is this one, and nothing is wrong with it. */
static inline void expect_entry(struct ma_import *import, const char *what, const char *want)
{
	struct ma_entry entry;
	char why[MA_WHY_MAX] = "";
	enum mailauth_status status = import->format->next(import, &entry, why);

	ck_assert_msg(status == MAILAUTH_OK, "%s: got %d: %s", what, status, why);
	ck_assert_msg(strcmp(tell_entry(&entry), want) == 0, "%s:\n got %s\nwant %s", what,
		      tell_entry(&entry), want);
}

/* The next one is refused, with these words in the reason. */
static inline void expect_refusal(struct ma_import *import, const char *what, unsigned long line,
				  const char *name, const char *words)
{
	struct ma_entry entry;
	char why[MA_WHY_MAX] = "";
	enum mailauth_status status = import->format->next(import, &entry, why);

	ck_assert_msg(status == MAILAUTH_E_USAGE, "%s: got %d (%s), want MAILAUTH_E_USAGE", what,
		      status, tell_entry(&entry));
	ck_assert_msg(strstr(why, words) != NULL, "%s: got \"%s\", want ...%s...", what, why,
		      words);
	ck_assert_msg(entry.line == line, "%s: got line %lu, want %lu", what, entry.line, line);
	ck_assert_msg((entry.name == NULL) == (name == NULL) &&
			      (name == NULL || strcmp(entry.name, name) == 0),
		      "%s: got name %s, want %s", what, entry.name != NULL ? entry.name : "(none)",
		      name != NULL ? name : "(none)");
}

static inline void expect_end(struct ma_import **import, const char *what)
{
	struct ma_entry entry;
	char why[MA_WHY_MAX] = "";

	for (int i = 0; i < 2; i++) {
		enum mailauth_status status = (*import)->format->next(*import, &entry, why);

		ck_assert_msg(status == MAILAUTH_E_NOTFOUND, "%s: got %d (%s), want the end", what,
			      status, tell_entry(&entry));
	}
	(*import)->format->close(import);
	ck_assert_ptr_null(*import);
}

/* What a format writes of an entry; valid until the next call. */
static inline const char *written(const char *format, struct ma_export_params params,
				  const struct ma_entry *entry, enum mailauth_status want,
				  const char *words)
{
	static char *text;
	char why[MA_WHY_MAX] = "";
	size_t len;
	enum mailauth_status status;

	free(text); /* lint: free ok: open_memstream() allocated it */
	text = NULL;
	params.out = open_memstream(&text, &len);
	ck_assert_ptr_nonnull(params.out);
	status = format_of(format)->put(&params, entry, why);
	ck_assert_int_eq(fclose(params.out), 0);
	ck_assert_msg(status == want, "%s: got %d (%s), want %d", entry->name, status, why, want);
	ck_assert_msg(words != NULL ? strstr(why, words) != NULL : why[0] == '\0',
		      "%s: got \"%s\", want ...%s...", entry->name, why,
		      words != NULL ? words : "");
	return text;
}

#endif
