/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import.c - files of accounts, read and written back
 *
 * See import.h.
 */
#include "import.h"

#include <stdio.h>
#include <stdlib.h>

#include "util/codec.h"

#define N_SLOTS	 8
#define TEXT_MAX (1 << 24) /* bytes in one text of an entry; groups are the longest */

const char *fuzz_import_file(size_t slot, struct ma_span bytes)
{
	static struct {
		int fd;
		char path[32];
	} files[N_SLOTS];

	FUZZ_CHECK(slot < N_SLOTS);
	if (files[slot].path[0] == '\0') {
		files[slot].fd = fuzz_file();
		(void)snprintf(files[slot].path, sizeof(files[slot].path), "/proc/self/fd/%d",
			       files[slot].fd);
	}
	fuzz_file_write(files[slot].fd, bytes);
	return files[slot].path;
}

static unsigned long count_lines(struct ma_span bytes)
{
	unsigned long n = 1;

	for (size_t i = 0; i < bytes.len; i++)
		n += bytes.p[i] == '\n';
	return n;
}

static void check_text(const char *text)
{
	if (text != NULL)
		FUZZ_CHECK(strlen(text) < TEXT_MAX && strchr(text, '\n') == NULL);
}

static void check_secrets(const struct ma_entry *entry)
{
	char theirs[MA_HMAC_MD5_TEXT];

	FUZZ_CHECK(entry->n_secrets <= MA_ENTRY_SECRETS_MAX);
	FUZZ_CHECK(!entry->no_login || (entry->n_secrets == 0 && entry->password == NULL));
	for (size_t i = 0; i < entry->n_secrets; i++) {
		FUZZ_CHECK(strlen(entry->secrets[i].text) < MA_LINE_MAX);
		check_text(entry->secrets[i].text);
		if (strcmp(entry->secrets[i].kind, "cram-md5") == 0)
			FUZZ_CHECK(ma_import_hmac_md5(entry->secrets[i].text, theirs));
	}
}

static void check_entry(const struct ma_entry *entry)
{
	FUZZ_CHECK(entry->name != NULL && entry->name[0] != '\0');
	check_text(entry->name);
	check_text(entry->comment);
	check_text(entry->home);
	check_text(entry->shell);
	check_text(entry->groups);
	FUZZ_CHECK(entry->note == NULL || fuzz_is_line(entry->note));
	FUZZ_CHECK(entry->uid >= -1 && entry->uid < UINT32_MAX);
	FUZZ_CHECK(entry->gid >= -1 && entry->gid < UINT32_MAX);
	FUZZ_CHECK(entry->locked >= -1 && entry->locked <= 1);
	FUZZ_CHECK(entry->last_change >= MA_DAY_UNKNOWN && entry->last_change <= INT32_MAX);
	FUZZ_CHECK(entry->expire >= MA_DAY_UNKNOWN && entry->expire <= INT32_MAX);
	FUZZ_CHECK(entry->min >= MA_DAY_UNKNOWN && entry->min <= 99999);
	FUZZ_CHECK(entry->max >= MA_DAY_UNKNOWN && entry->max <= 99999);
	FUZZ_CHECK(entry->warn >= MA_DAY_UNKNOWN && entry->warn <= 99999);
	FUZZ_CHECK(entry->inactive >= MA_DAY_UNKNOWN && entry->inactive <= 99999);
	check_secrets(entry);
}

/* What an export wrote. */
struct output {
	char *main;
	size_t main_len;
	char *second;
	size_t second_len;
};

static void output_clear(struct output *output)
{
	free(output->main);
	free(output->second);
}

/* False: there is no way to say it. */
static bool put(const struct ma_format *format, const struct ma_entry *entry, struct output *out)
{
	struct ma_export_params params = {
		.out = open_memstream(&out->main, &out->main_len),
		.second = open_memstream(&out->second, &out->second_len),
	};
	char why[MA_WHY_MAX];
	enum mailauth_status status;

	FUZZ_CHECK(params.out != NULL && params.second != NULL);
	status = format->put(&params, entry, why);
	FUZZ_CHECK(status == MAILAUTH_OK || status == MAILAUTH_E_UNSUPPORTED);
	FUZZ_CHECK(status == MAILAUTH_OK ? why[0] == '\0' || fuzz_is_line(why) : fuzz_is_line(why));
	FUZZ_CHECK(fclose(params.out) == 0 && fclose(params.second) == 0);
	FUZZ_CHECK((status == MAILAUTH_OK) == (out->main_len > 0));
	return status == MAILAUTH_OK;
}

/* shadow writes to its second file what it reads from its first. */
static struct ma_import *open_output(const struct ma_format *format, const struct output *out)
{
	struct ma_span bytes = ma_span(out->main, out->main_len);
	struct ma_import_params params = {.min_uid = -1, .max_uid = -1};
	struct ma_import *import;
	char why[MA_WHY_MAX];

	if (out->second_len > 0) {
		params.second = fuzz_import_file(N_SLOTS - 1, bytes);
		bytes = ma_span(out->second, out->second_len);
	}
	params.file = fuzz_import_file(N_SLOTS - 2, bytes);
	FUZZ_CHECK(format->open(&params, &import, why) == MAILAUTH_OK);
	return import;
}

static void check_output(const struct ma_format *format, const struct ma_entry *entry)
{
	struct output first = {.main = NULL};
	struct output again = {.main = NULL};
	struct ma_import *import;
	struct ma_entry read;
	char why[MA_WHY_MAX];

	if (put(format, entry, &first)) {
		import = open_output(format, &first);
		FUZZ_CHECK(format->next(import, &read, why) == MAILAUTH_OK);
		check_entry(&read);
		FUZZ_CHECK(strcmp(read.name, entry->name) == 0);
		FUZZ_CHECK(put(format, &read, &again));
		FUZZ_CHECK(ma_span_equal(ma_span(first.main, first.main_len),
					 ma_span(again.main, again.main_len)));
		FUZZ_CHECK(ma_span_equal(ma_span(first.second, first.second_len),
					 ma_span(again.second, again.second_len)));
		FUZZ_CHECK(format->next(import, &read, why) == MAILAUTH_E_NOTFOUND);
		format->close(&import);
	}
	output_clear(&first);
	output_clear(&again);
}

static void check_copy(const struct ma_entry *entry)
{
	struct ma_entry *copy = ma_entry_copy(entry);

	FUZZ_CHECK(copy != NULL);
	check_entry(copy);
	ma_entry_free(&copy);
}

void fuzz_import(const struct ma_format *format, const struct ma_import_params *params,
		 struct ma_span bytes)
{
	unsigned long n_lines = count_lines(bytes);
	unsigned long line = 0;
	struct ma_import *import;
	struct ma_entry entry;
	char why[MA_WHY_MAX] = "";
	enum mailauth_status status = format->open(params, &import, why);
	bool any = false;
	bool all = true;

	if (status != MAILAUTH_OK) {
		FUZZ_CHECK(status == MAILAUTH_E_CONFIG && import == NULL && fuzz_is_line(why));
		return;
	}
	while ((status = format->next(import, &entry, why)) != MAILAUTH_E_NOTFOUND) {
		FUZZ_CHECK(status == MAILAUTH_OK || status == MAILAUTH_E_USAGE);
		FUZZ_CHECK(entry.line > line && entry.line <= n_lines);
		line = entry.line;
		if (status == MAILAUTH_OK) {
			any = true;
			check_entry(&entry);
			check_copy(&entry);
			check_output(format, &entry);
		} else {
			all = false;
			FUZZ_CHECK(fuzz_is_line(why));
		}
	}
	FUZZ_CHECK(import->note[0] == '\0' || fuzz_is_line(import->note));
	format->close(&import);
	FUZZ_CHECK(import == NULL);
	fuzz_accepted = any && all;
}
