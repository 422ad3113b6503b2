/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * format.c - what formats share: lines of a file, fields of a line, texts for the user
 *
 * See import.h.
 */
#include "import/import.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "util/codec.h"
#include "util/hash.h"
#include "util/log.h"
#include "util/mem.h"

#define STDIO_SIZE 16384 /* bytes that stdio reads at a time */
#define LINE_FIRST 256	 /* bytes; the first block for a line */

/* ---- texts for the user ---- */

void ma_why(char *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(why, MA_WHY_MAX, fmt, args);
	va_end(args);
	ma_make_printable(why);
}

/* ---- fields ---- */

bool ma_import_number(const char *text, int64_t max, int64_t *out)
{
	int64_t value = 0;

	if (text[0] == '\0')
		return false;
	for (const char *c = text; *c != '\0'; c++) {
		int digit = *c - '0';

		if (digit < 0 || digit > 9 || digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out = value;
	return true;
}

/* DES has 13 characters, and bigcrypt 11 for each further 8 of the password; others have a prefix.
 */
static bool is_hash(const char *text)
{
	size_t len = strlen(text);

	if (text[0] == '$' || text[0] == '_')
		return true;
	return len >= 13 && (len - 2) % 11 == 0 &&
	       strspn(text, "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			    "abcdefghijklmnopqrstuvwxyz") == len;
}

void ma_import_crypt(const char *hash, struct ma_entry *entry)
{
	const char *bare = hash + strspn(hash, "!");

	entry->locked = bare != hash;
	if (hash[0] == '\0') {
		entry->no_login = true;
		entry->note =
			"it has no password, and an account of ours without one cannot log in";
	} else if (!is_hash(bare)) {
		entry->no_login = true;
		entry->note = "it has no hash, so that no password fits";
	} else {
		entry->secrets[entry->n_secrets++] =
			(struct ma_entry_secret){.kind = "crypt", .text = bare};
	}
}

bool ma_import_hmac_md5(const char *text, char out[MA_HMAC_MD5_TEXT])
{
	uint8_t theirs[MA_HMAC_MD5_STATE];
	uint8_t ours[MA_HMAC_MD5_STATE];
	struct ma_buf hex = ma_buf_fixed(out, MA_HMAC_MD5_TEXT);
	bool is_good = ma_hex_decode(ma_span_text(text), theirs, sizeof(theirs));

	out[0] = '\0';
	if (!is_good)
		return false;
	for (size_t i = 0; i < sizeof(ours); i++)
		ours[i] = theirs[(i ^ 3) ^ MA_MD5_LEN];
	ma_hex_encode(ma_span(ours, sizeof(ours)), &hex);
	(void)ma_buf_text(&hex);
	ma_wipe(theirs, sizeof(theirs));
	ma_wipe(ours, sizeof(ours));
	return true;
}

size_t ma_import_split(char *line, char separator, char *fields_out[], size_t max)
{
	size_t n = 0;

	for (;;) {
		char *end = strchr(line, separator);

		if (n < max)
			fields_out[n] = line;
		n++;
		if (end == NULL)
			return n;
		if (n < max)
			*end = '\0';
		line = end + 1;
	}
}

bool ma_export_fits(const char *text, const char *forbidden)
{
	for (const char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return strpbrk(text, forbidden) == NULL;
}

struct ma_span ma_export_name(const struct ma_export_params *params, const struct ma_entry *entry)
{
	struct ma_span name = ma_span_text(entry->name);
	struct ma_span local;
	struct ma_span realm;

	if (params->realm != NULL && ma_span_split_last(name, '@', &local, &realm) &&
	    ma_span_equal_case(realm, ma_span_text(params->realm)))
		return local;
	return name;
}

/* ---- lines ---- */

static enum mailauth_status cannot_read(const struct ma_lines *lines, char *why)
{
	ma_why(why, "cannot read %s: %s", lines->path, strerror(errno));
	return MAILAUTH_E_CONFIG;
}

enum mailauth_status ma_lines_open(struct ma_lines *lines, const char *path, char *why)
{
	struct stat info;

	*lines = (struct ma_lines){.path = path, .max = MA_LINE_MAX};
	if (path == NULL) {
		ma_why(why, "no file is named");
		return MAILAUTH_E_CONFIG;
	}
	lines->file = fopen(path, "re");
	if (lines->file == NULL)
		return cannot_read(lines, why);
	if (fstat(fileno(lines->file), &info) == 0 && S_ISDIR(info.st_mode)) {
		ma_lines_close(lines);
		ma_why(why, "%s is a folder; name a file in it", path);
		return MAILAUTH_E_CONFIG;
	}
	lines->stdio = ma_alloc(STDIO_SIZE);
	if (lines->stdio == NULL || setvbuf(lines->file, lines->stdio, _IOFBF, STDIO_SIZE) != 0) {
		ma_lines_close(lines);
		ma_why(why, "out of memory");
		return MAILAUTH_E_NOMEM;
	}
	return MAILAUTH_OK;
}

static bool add_byte(struct ma_lines *lines, char c)
{
	if (lines->len + 1 >= lines->size) {
		size_t size = lines->size > 0 ? 2 * lines->size : LINE_FIRST;
		char *bigger = ma_realloc_wipe(lines->text, lines->len, size);

		if (bigger == NULL)
			return false;
		lines->text = bigger;
		lines->size = size;
	}
	lines->text[lines->len++] = c;
	return true;
}

/* The rest of a line that is of no use. */
static void skip_line(struct ma_lines *lines)
{
	int c;

	do
		c = getc_unlocked(lines->file);
	while (c != EOF && c != '\n');
}

static enum mailauth_status refuse_line(struct ma_lines *lines, int last, char *why)
{
	if (last == '\0')
		ma_why(why, "it has a NUL byte; is %s the right file?", lines->path);
	else
		ma_why(why, "it is longer than %zu bytes; is %s the right file?", lines->max,
		       lines->path);
	skip_line(lines);
	return MAILAUTH_E_USAGE;
}

static enum mailauth_status end_line(struct ma_lines *lines, char *why)
{
	/* An empty line needs memory for its NUL, too. */
	if (!add_byte(lines, '\0')) {
		ma_why(why, "out of memory");
		return MAILAUTH_E_NOMEM;
	}
	lines->len--;
	if (lines->len > 0 && lines->text[lines->len - 1] == '\r')
		lines->text[--lines->len] = '\0';
	return MAILAUTH_OK;
}

enum mailauth_status ma_lines_next(struct ma_lines *lines, char *why)
{
	int c;

	lines->len = 0;
	for (;;) {
		c = getc_unlocked(lines->file);
		if (c == '\n' || c == EOF)
			break;
		if (lines->len == 0)
			lines->n++;
		if (c == '\0' || lines->len == lines->max)
			return refuse_line(lines, c, why);
		if (!add_byte(lines, (char)c)) {
			ma_why(why, "out of memory");
			return MAILAUTH_E_NOMEM;
		}
	}
	if (c == EOF && ferror(lines->file))
		return cannot_read(lines, why);
	if (c == EOF && lines->len == 0)
		return MAILAUTH_E_NOTFOUND;
	if (lines->len == 0)
		lines->n++;
	return end_line(lines, why);
}

void ma_lines_close(struct ma_lines *lines)
{
	if (lines->file != NULL)
		(void)fclose(lines->file);
	if (lines->stdio != NULL)
		ma_wipe(lines->stdio, STDIO_SIZE);
	if (lines->text != NULL)
		ma_wipe(lines->text, lines->size);
	ma_free(lines->stdio);
	ma_free(lines->text);
	*lines = (struct ma_lines){.file = NULL};
}
