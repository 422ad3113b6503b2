/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_import_json.c - accounts as JSON Lines
 *
 * The input is the file. What is read is what an entry may be, and written down it is read as the
 * same again; what is refused is told in one line, and its number is that of a line of the file.
 */
#include "import/import.h"

#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

extern const struct ma_format ma_format_json;

static void check_text(const char *text)
{
	FUZZ_CHECK(text == NULL || ma_span_is_utf8(ma_span_text(text)));
}

static void check_days(int64_t days, int64_t max)
{
	FUZZ_CHECK(days == MA_DAY_UNKNOWN || (days >= -1 && days <= max));
}

static void check_entry(const struct ma_entry *entry)
{
	FUZZ_CHECK(entry->name != NULL && entry->note == NULL);
	check_text(entry->name);
	check_text(entry->comment);
	check_text(entry->home);
	check_text(entry->shell);
	check_text(entry->groups);
	check_text(entry->mechs);
	check_text(entry->password);
	FUZZ_CHECK(entry->uid >= -1 && entry->uid < UINT32_MAX);
	FUZZ_CHECK(entry->gid >= -1 && entry->gid < UINT32_MAX);
	FUZZ_CHECK(entry->locked >= -1 && entry->locked <= 1);
	FUZZ_CHECK(entry->recoverable >= -1 && entry->recoverable <= 1);
	check_days(entry->last_change, INT32_MAX);
	check_days(entry->min, 99999);
	check_days(entry->max, 99999);
	check_days(entry->warn, 99999);
	check_days(entry->inactive, 99999);
	check_days(entry->expire, INT32_MAX);
	FUZZ_CHECK(entry->n_secrets <= MA_ENTRY_SECRETS_MAX);
	FUZZ_CHECK(entry->n_secrets == 0 || (!entry->no_login && entry->password == NULL));
	for (size_t i = 0; i < entry->n_secrets; i++) {
		check_text(entry->secrets[i].kind);
		check_text(entry->secrets[i].text);
	}
}

static struct ma_import *open_file(int fd, struct ma_span bytes)
{
	static char paths[2][64]; /* has to last as long as the import */
	static unsigned int n;
	char *path = paths[n++ % 2];
	char why[MA_WHY_MAX];
	struct ma_import_params params = {.file = path};
	struct ma_import *import;

	fuzz_file_write(fd, bytes);
	(void)snprintf(path, sizeof(paths[0]), "/proc/self/fd/%d", fd);
	FUZZ_CHECK(ma_format_json.open(&params, &import, why) == MAILAUTH_OK);
	return import;
}

static char *write_entry(const struct ma_entry *entry, size_t *len_out)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len_out);
	const struct ma_export_params params = {.out = out};
	char why[MA_WHY_MAX];

	FUZZ_CHECK(out != NULL);
	FUZZ_CHECK(ma_format_json.put(&params, entry, why) == MAILAUTH_OK && why[0] == '\0');
	FUZZ_CHECK(fclose(out) == 0);
	return text;
}

/* What was written is one line, and is written the same once it was read. */
static void check_round_trip(const struct ma_entry *entry)
{
	static int fd = -1;
	struct ma_import *import;
	struct ma_entry again;
	char why[MA_WHY_MAX];
	size_t len;
	size_t again_len;
	char *text = write_entry(entry, &len);
	char *again_text;

	if (fd < 0)
		fd = fuzz_file();
	FUZZ_CHECK(memchr(text, '\n', len) == text + len - 1);
	import = open_file(fd, ma_span(text, len));
	if (len <= MA_LINE_MAX) {
		FUZZ_CHECK(ma_format_json.next(import, &again, why) == MAILAUTH_OK);
		check_entry(&again);
		again_text = write_entry(&again, &again_len);
		FUZZ_CHECK(again_len == len && memcmp(again_text, text, len) == 0);
		free(again_text);
		FUZZ_CHECK(ma_format_json.next(import, &again, why) == MAILAUTH_E_NOTFOUND);
	}
	ma_format_json.close(&import);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	struct ma_import *import;
	struct ma_entry entry;
	char why[MA_WHY_MAX];
	unsigned long line = 0;
	bool is_good = true;
	enum mailauth_status status;

	if (fd < 0)
		fd = fuzz_file();
	import = open_file(fd, ma_span(data, size));
	while ((status = ma_format_json.next(import, &entry, why)) != MAILAUTH_E_NOTFOUND) {
		FUZZ_CHECK(entry.line > line && entry.line <= size);
		line = entry.line;
		if (status == MAILAUTH_OK) {
			FUZZ_CHECK(why[0] == '\0');
			check_entry(&entry);
			check_round_trip(&entry);
			continue;
		}
		FUZZ_CHECK(status == MAILAUTH_E_USAGE && fuzz_is_line(why));
		is_good = false;
	}
	fuzz_accepted = is_good && line > 0;
	ma_format_json.close(&import);
	return 0;
}
