/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_shadow.c - accounts of Unix: passwd(5), shadow(5), group(5)
 *
 * passwd is read line by line. shadow and the members of groups are read before it and sorted by
 * name, so that finding an account's takes no longer in a large file. Whose hash counts is what
 * pam_unix says: shadow's where passwd has an "x", else passwd's own. Where a name stands in shadow
 * twice, the first line counts, as for getspnam(3).
 *
 * Not done: NIS and other sources of nsswitch.conf; `getent passwd` makes files of them.
 */
#include "import/import.h"

#include <errno.h>
#include <stdlib.h>

#include "util/mem.h"

#define PASSWD_FILE	  "/etc/passwd"
#define SHADOW_FILE	  "/etc/shadow"
#define GROUP_FILE	  "/etc/group"

#define PASSWD_FIELDS	  7
#define SHADOW_FIELDS	  9
#define SHADOW_FIELDS_OLD 5 /* shadow-utils and glibc read these, too */
#define GROUP_FIELDS	  4
#define GROUP_LINE_MAX	  (16u << 20) /* bytes; a group of all users has a long line */
#define TABLE_MAX	  (1u << 30)  /* bytes of names and lines kept of one file */
#define DAYS_MAX	  99999	      /* as for mailauth_user_set_number() */

/* The table at the end; each import points back to it. */
extern const struct ma_format ma_format_shadow;

/* A name and what belongs to it: offsets into the bytes of the table, which may move. */
struct row {
	size_t name;
	size_t value;
	unsigned long line;
};

struct table {
	struct ma_buf bytes;
	struct ma_buf rows; /* struct row */
};

struct shadow {
	struct ma_import import;
	struct ma_lines passwd;
	const char *shadow_file; /* NULL: none */
	struct table shadow;	 /* name, the rest of its line */
	struct table members;	 /* user, group */
	struct ma_buf hashes;	 /* copy of the line that is being split */
	struct ma_buf groups;
	struct ma_import_params params;
	unsigned long n_nis;
	bool has_groups;
};

/* ---- tables ---- */

static struct table table(void)
{
	return (struct table){.bytes = ma_buf(TABLE_MAX), .rows = ma_buf(TABLE_MAX)};
}

static void table_clear(struct table *table)
{
	ma_buf_clear(&table->bytes);
	ma_buf_clear(&table->rows);
}

static size_t put_text(struct ma_buf *bytes, const char *text)
{
	size_t at = bytes->len;

	ma_buf_put(bytes, ma_span(text, strlen(text) + 1));
	return at;
}

static void table_put(struct table *table, struct row row)
{
	ma_buf_put(&table->rows, ma_span(&row, sizeof(row)));
}

static size_t n_rows(const struct table *table)
{
	return table->rows.len / sizeof(struct row);
}

static struct row *rows_of(const struct table *table)
{
	return (struct row *)(void *)table->rows.p;
}

static const char *text_at(const struct table *table, size_t at)
{
	return (const char *)table->bytes.p + at;
}

/* By name, then as they stand in the file. */
static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct table *table = arg;
	const struct row *x = a;
	const struct row *y = b;
	int order = strcmp(text_at(table, x->name), text_at(table, y->name));

	return order != 0 ? order : (x->value > y->value) - (x->value < y->value);
}

static void table_sort(struct table *table)
{
	if (n_rows(table) > 1)
		qsort_r(table->rows.p, n_rows(table), sizeof(struct row), compare_rows, table);
}

/* The first row of this name, or where it would be. */
static size_t table_find(const struct table *table, const char *name)
{
	size_t low = 0;
	size_t high = n_rows(table);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(text_at(table, rows_of(table)[middle].name), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_row_of(const struct table *table, size_t i, const char *name)
{
	return i < n_rows(table) && strcmp(text_at(table, rows_of(table)[i].name), name) == 0;
}

/* ---- shadow and group, read before all ---- */

typedef void take_line(struct table *table, struct ma_lines *lines);

static void take_shadow_line(struct table *table, struct ma_lines *lines)
{
	char *fields[2];
	struct row row = {.line = lines->n};

	if (ma_import_split(lines->text, ':', fields, MA_ARRAY_SIZE(fields)) < 2)
		return; /* no account can be meant */
	row.name = put_text(&table->bytes, fields[0]);
	row.value = put_text(&table->bytes, fields[1]);
	table_put(table, row);
}

static void take_group_line(struct table *table, struct ma_lines *lines)
{
	char *fields[GROUP_FIELDS];
	struct ma_span members;
	struct ma_span member;
	size_t group;

	if (ma_import_split(lines->text, ':', fields, GROUP_FIELDS) != GROUP_FIELDS)
		return;
	group = put_text(&table->bytes, fields[0]);
	members = ma_span_text(fields[GROUP_FIELDS - 1]);
	while (ma_span_take_word(&members, ", \t", &member)) {
		struct row row = {.name = table->bytes.len, .value = group, .line = lines->n};

		ma_buf_put(&table->bytes, member);
		ma_buf_put_u8(&table->bytes, '\0');
		table_put(table, row);
	}
}

static enum mailauth_status table_read(struct table *table, const char *path, size_t line_max,
				       take_line *take, char *why)
{
	MA_CLEANUP(ma_lines_close) struct ma_lines lines = {.file = NULL};
	char reason[MA_WHY_MAX];
	enum mailauth_status status = ma_lines_open(&lines, path, why);

	if (status != MAILAUTH_OK)
		return status;
	lines.max = line_max;
	while ((status = ma_lines_next(&lines, reason)) == MAILAUTH_OK) {
		take(table, &lines);
		if (ma_buf_status(&table->bytes) != MAILAUTH_OK ||
		    ma_buf_status(&table->rows) != MAILAUTH_OK) {
			ma_why(why, "%s:%lu: out of memory", path, lines.n);
			return MAILAUTH_E_NOMEM;
		}
	}
	if (status != MAILAUTH_E_NOTFOUND) {
		ma_why(why, "%s:%lu: %s", path, lines.n, reason);
		return status == MAILAUTH_E_USAGE ? MAILAUTH_E_CONFIG : status;
	}
	table_sort(table);
	return MAILAUTH_OK;
}

static void close_shadow(struct ma_import **import)
{
	struct shadow *shadow = (struct shadow *)*import;

	if (shadow == NULL)
		return;
	ma_lines_close(&shadow->passwd);
	table_clear(&shadow->shadow);
	table_clear(&shadow->members);
	ma_buf_clear(&shadow->hashes);
	ma_buf_clear(&shadow->groups);
	ma_free(shadow);
	*import = NULL;
}

static enum mailauth_status open_files(struct shadow *shadow, char *why)
{
	const struct ma_import_params *params = &shadow->params;
	const char *passwd = params->file != NULL ? params->file : PASSWD_FILE;
	/* Another machine's accounts must not be given the hashes of this one's. */
	bool is_ours = strcmp(passwd, PASSWD_FILE) == 0;
	const char *group = params->third;
	enum mailauth_status status = ma_lines_open(&shadow->passwd, passwd, why);

	shadow->shadow_file = params->second;
	if (shadow->shadow_file == NULL && is_ours)
		shadow->shadow_file = SHADOW_FILE;
	if (group == NULL && is_ours)
		group = GROUP_FILE;
	shadow->has_groups = group != NULL;
	if (status == MAILAUTH_OK && shadow->shadow_file != NULL)
		status = table_read(&shadow->shadow, shadow->shadow_file, MA_LINE_MAX,
				    take_shadow_line, why);
	if (status == MAILAUTH_OK && group != NULL)
		status = table_read(&shadow->members, group, GROUP_LINE_MAX, take_group_line, why);
	return status;
}

static enum mailauth_status open_shadow(const struct ma_import_params *params,
					struct ma_import **import_out, char *why)
{
	struct shadow *shadow = ma_alloc(sizeof(*shadow));
	struct ma_import *import = (struct ma_import *)shadow;
	enum mailauth_status status;

	*import_out = NULL;
	if (shadow == NULL) {
		ma_why(why, "out of memory");
		return MAILAUTH_E_NOMEM;
	}
	shadow->import.format = &ma_format_shadow;
	shadow->params = *params;
	shadow->shadow = table();
	shadow->members = table();
	shadow->hashes = ma_buf(MA_LINE_MAX + 1);
	shadow->groups = ma_buf(GROUP_LINE_MAX);
	status = open_files(shadow, why);
	if (status != MAILAUTH_OK)
		close_shadow(&import);
	*import_out = import;
	return status;
}

/* ---- one account ---- */

/* Empty or -1: not set. */
static bool parse_days(const char *text, int64_t max, int64_t *out)
{
	*out = -1;
	return text[0] == '\0' || strcmp(text, "-1") == 0 || ma_import_number(text, max, out);
}

static enum mailauth_status take_ages(char *const *fields, size_t n, struct ma_entry *entry,
				      char *why)
{
	const struct {
		int64_t *out;
		int64_t max;
		const char *name;
	} ages[] = {
		{&entry->last_change, INT32_MAX, "day of the last change"},
		{&entry->min, DAYS_MAX, "least age"},
		{&entry->max, DAYS_MAX, "greatest age"},
		{&entry->warn, DAYS_MAX, "days of warning"},
		{&entry->inactive, DAYS_MAX, "days of inactivity"},
		{&entry->expire, INT32_MAX, "day of expiry"},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(ages); i++) {
		const char *text = fields != NULL && i < n ? fields[i] : "";

		if (!parse_days(text, ages[i].max, ages[i].out)) {
			ma_why(why, "its %s, \"%.20s\", is no number from 0 to %lld", ages[i].name,
			       text, (long long)ages[i].max);
			return MAILAUTH_E_USAGE;
		}
	}
	return MAILAUTH_OK;
}

/* The hash and the ages of its line in shadow. */
static enum mailauth_status take_shadow(struct shadow *shadow, struct ma_entry *entry, char *why)
{
	char *fields[SHADOW_FIELDS - 1];
	size_t at = table_find(&shadow->shadow, entry->name);
	const struct row *row;
	enum mailauth_status status;
	size_t n;

	if (!is_row_of(&shadow->shadow, at, entry->name)) {
		entry->no_login = true;
		entry->note = "it has no line in the shadow file, so that no password fits";
		return take_ages(NULL, 0, entry, why);
	}
	row = &rows_of(&shadow->shadow)[at];
	(void)put_text(&shadow->hashes, text_at(&shadow->shadow, row->value));
	status = ma_buf_status(&shadow->hashes);
	if (status != MAILAUTH_OK)
		return status;
	n = ma_import_split((char *)shadow->hashes.p, ':', fields, MA_ARRAY_SIZE(fields));
	if (n != SHADOW_FIELDS - 1 && n != SHADOW_FIELDS_OLD - 1) {
		ma_why(why, "%s:%lu: %zu fields, where shadow(5) has 9", shadow->shadow_file,
		       row->line, n + 1);
		return MAILAUTH_E_USAGE;
	}
	status = take_ages(fields + 1, n - 1, entry, why);
	if (status == MAILAUTH_OK)
		ma_import_crypt(fields[0], entry);
	return status;
}

static enum mailauth_status take_hash(struct shadow *shadow, const char *own,
				      struct ma_entry *entry, char *why)
{
	if (strcmp(own, "x") != 0) {
		ma_import_crypt(own, entry);
		return take_ages(NULL, 0, entry, why);
	}
	if (shadow->shadow_file == NULL) {
		ma_why(why, "its hash is in a shadow file; name the one that belongs to %s",
		       shadow->passwd.path);
		return MAILAUTH_E_USAGE;
	}
	return take_shadow(shadow, entry, why);
}

static enum mailauth_status take_groups(struct shadow *shadow, struct ma_entry *entry)
{
	const struct table *members = &shadow->members;
	struct ma_buf *groups = &shadow->groups;

	if (!shadow->has_groups)
		return MAILAUTH_OK;
	for (size_t i = table_find(members, entry->name); is_row_of(members, i, entry->name); i++) {
		if (groups->len > 0)
			ma_buf_put_u8(groups, ',');
		ma_buf_put_text(groups, text_at(members, rows_of(members)[i].value));
	}
	ma_buf_put_u8(groups, '\0');
	entry->groups = (const char *)groups->p;
	return ma_buf_status(groups);
}

static bool parse_id(const char *text, int64_t *out)
{
	/* (uid_t)-1 means "none" to every call that takes one. */
	return ma_import_number(text, UINT32_MAX - 1, out);
}

static bool is_wanted(const struct shadow *shadow, int64_t uid)
{
	return (shadow->params.min_uid < 0 || uid >= shadow->params.min_uid) &&
	       (shadow->params.max_uid < 0 || uid <= shadow->params.max_uid);
}

/* @wanted_out: false: not one of those asked for. */
static enum mailauth_status take_account(struct shadow *shadow, struct ma_entry *entry,
					 bool *wanted_out, char *why)
{
	char *fields[PASSWD_FIELDS];
	size_t n = ma_import_split(shadow->passwd.text, ':', fields, PASSWD_FIELDS);
	enum mailauth_status status;

	*wanted_out = true;
	entry->name = fields[0][0] != '\0' ? fields[0] : NULL;
	if (n != PASSWD_FIELDS) {
		ma_why(why, "%zu fields, where passwd(5) has 7", n);
		return MAILAUTH_E_USAGE;
	}
	if (entry->name == NULL || !parse_id(fields[2], &entry->uid) ||
	    !parse_id(fields[3], &entry->gid)) {
		ma_why(why, "%s",
		       entry->name == NULL ? "it has no name"
		       : entry->uid < 0	   ? "its uid is no number from 0 to 4294967294"
					   : "its gid is no number from 0 to 4294967294");
		return MAILAUTH_E_USAGE;
	}
	*wanted_out = is_wanted(shadow, entry->uid);
	if (!*wanted_out)
		return MAILAUTH_OK;
	entry->comment = fields[4];
	entry->home = fields[5];
	entry->shell = fields[6];
	status = take_hash(shadow, fields[1], entry, why);
	return status == MAILAUTH_OK ? take_groups(shadow, entry) : status;
}

static void count_nis(struct shadow *shadow)
{
	shadow->n_nis++;
	ma_why(shadow->import.note,
	       "%s: %lu lines that begin with + or - were passed over; they stand for accounts of "
	       "NIS, which `getent passwd` lists",
	       shadow->passwd.path, shadow->n_nis);
}

static enum mailauth_status next_shadow(struct ma_import *import, struct ma_entry *entry_out,
					char *why)
{
	struct shadow *shadow = (struct shadow *)import;
	bool wanted = false;

	while (!wanted) {
		enum mailauth_status status = ma_lines_next(&shadow->passwd, why);
		const char *text = shadow->passwd.text;

		ma_buf_reset(&shadow->hashes);
		ma_buf_reset(&shadow->groups);
		ma_entry_init(entry_out);
		entry_out->line = shadow->passwd.n;
		if (status != MAILAUTH_OK)
			return status;
		if (text[0] == '+' || text[0] == '-') {
			count_nis(shadow);
			continue;
		}
		if (text[0] == '#' || text[strspn(text, " \t")] == '\0')
			continue;
		status = take_account(shadow, entry_out, &wanted, why);
		if (status != MAILAUTH_OK)
			return status;
	}
	return MAILAUTH_OK;
}

/* ---- export ---- */

static enum mailauth_status refuse(char *why, const char *reason)
{
	ma_why(why, "%s", reason);
	return MAILAUTH_E_UNSUPPORTED;
}

static void put_age(FILE *out, int64_t days)
{
	if (days >= 0)
		(void)fprintf(out, ":%lld", (long long)days);
	else
		(void)fputc(':', out);
}

static void put_shadow_line(FILE *out, struct ma_span name, const struct ma_entry *entry, char *why)
{
	const char *hash = ma_entry_secret(entry, "crypt");

	if (hash == NULL && (entry->n_secrets > 0 || entry->password != NULL))
		ma_why(why, "it has no crypt(3) string, and shadow(5) has no room for what it has; "
			    "set its password anew there");
	(void)fprintf(out, "%.*s:%s%s", (int)name.len, (const char *)name.p,
		      entry->locked == 1 ? "!" : "", hash != NULL ? hash : "*");
	put_age(out, entry->last_change);
	put_age(out, entry->min);
	put_age(out, entry->max);
	put_age(out, entry->warn);
	put_age(out, entry->inactive);
	put_age(out, entry->expire);
	(void)fputs(":\n", out);
}

static const char *field(const char *text)
{
	return text != NULL && ma_export_fits(text, ":") ? text : "";
}

static void put_passwd_line(FILE *out, struct ma_span name, const struct ma_entry *entry)
{
	(void)fprintf(out, "%.*s:x:%lld:%lld:%s:%s:%s\n", (int)name.len, (const char *)name.p,
		      (long long)entry->uid, (long long)entry->gid, field(entry->comment),
		      field(entry->home), field(entry->shell));
}

static enum mailauth_status put_shadow(const struct ma_export_params *params,
				       const struct ma_entry *entry, char *why)
{
	struct ma_span name = ma_export_name(params, entry);
	const char *hash = ma_entry_secret(entry, "crypt");

	why[0] = '\0';
	if (memchr(name.p, '@', name.len) != NULL)
		return refuse(why, "shadow(5) has no room for its realm; name that with --realm");
	if (!ma_export_fits(entry->name, ":/,# ") || strchr("+-", entry->name[0]) != NULL ||
	    (hash != NULL && !ma_export_fits(hash, ":")))
		return refuse(why, "passwd(5) has another meaning for a character of its name");
	if (params->second != NULL && (entry->uid < 0 || entry->gid < 0))
		return refuse(why, "passwd(5) needs a uid and a gid; set them with mailuser mod");
	put_shadow_line(params->out, name, entry, why);
	if (params->second != NULL)
		put_passwd_line(params->second, name, entry);
	if (ferror(params->out) || (params->second != NULL && ferror(params->second))) {
		ma_why(why, "cannot write: %s", strerror(errno));
		return MAILAUTH_E_TEMPFAIL;
	}
	return MAILAUTH_OK;
}

const struct ma_format ma_format_shadow = {
	.name = "shadow",
	.summary = "passwd, shadow and group of Unix",
	.default_file = PASSWD_FILE,
	.open = open_shadow,
	.next = next_shadow,
	.close = close_shadow,
	.put = put_shadow,
};
