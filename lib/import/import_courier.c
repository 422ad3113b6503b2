/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_courier.c - userdb of Courier, as makeuserdb(8) reads it
 *
 *   name TAB field=value|field=value
 *
 * systempw is a crypt(3) string, hmac-md5pw what CRAM-MD5 needs. Both may be for one service alone:
 * imappw, pop3-hmac-md5pw. An account of ours has one password, so the general one counts, else the
 * first that is found, and the note tells of others. The form has no lock; an account that is
 * locked is exported with a "!" before its hash and without hmac-md5pw.
 *
 * A userdb may be a folder of files for makeuserdb(8); here each is imported by itself.
 */
#include "import/import.h"

#include <errno.h>

#include "util/mem.h"

/* The table at the end; each import points back to it. */
extern const struct ma_format ma_format_courier;

/* The password of one kind that an account is to have. */
struct chosen {
	const char *name; /* of the field; NULL: none yet */
	const char *value;
	bool is_general; /* for every service */
};

struct courier {
	struct ma_import import;
	struct ma_lines lines;
	struct chosen crypt;
	struct chosen hmac_md5;
	char secret[MA_HMAC_MD5_TEXT];
	char note[MA_WHY_MAX];
};

/* ---- one account ---- */

static void note(struct courier *courier, const char *name, const char *what)
{
	char before[MA_WHY_MAX];

	memcpy(before, courier->note, sizeof(before));
	ma_why(courier->note, "%s%s%.40s %s", before, before[0] != '\0' ? "; " : "", name, what);
}

static bool has_suffix(const char *text, const char *suffix)
{
	size_t len = strlen(text);
	size_t suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

/* The general one counts; among those of services the first. */
static void choose(struct courier *courier, struct chosen *chosen, bool is_general,
		   const char *name, const char *value)
{
	struct chosen lost = {.name = name, .value = value};

	if (chosen->name == NULL || (is_general && !chosen->is_general)) {
		lost = *chosen;
		*chosen = (struct chosen){.name = name, .value = value, .is_general = is_general};
	}
	if (lost.name != NULL &&
	    !ma_equal_ct(ma_span_text(lost.value), ma_span_text(chosen->value)))
		note(courier, lost.name, "is another password and was not taken over");
}

static enum mailauth_status take_number(const char *name, const char *value, int64_t *out,
					char *why)
{
	if (ma_import_number(value, UINT32_MAX - 1, out))
		return MAILAUTH_OK;
	ma_why(why, "its %s is no number from 0 to 4294967294", name);
	return MAILAUTH_E_USAGE;
}

static enum mailauth_status take_field(struct courier *courier, struct ma_entry *entry, char *field,
				       char *why)
{
	char *value = strchr(field, '=');
	const char *text = "";

	if (field[0] == '\0')
		return MAILAUTH_OK;
	if (value != NULL) {
		*value = '\0';
		text = value + 1;
	}
	if (strcmp(field, "uid") == 0)
		return take_number(field, text, &entry->uid, why);
	if (strcmp(field, "gid") == 0)
		return take_number(field, text, &entry->gid, why);
	if (strcmp(field, "home") == 0)
		entry->home = text;
	else if (strcmp(field, "shell") == 0)
		entry->shell = text;
	else if (strcmp(field, "gecos") == 0)
		entry->comment = text;
	else if (has_suffix(field, "hmac-md5pw"))
		choose(courier, &courier->hmac_md5, strcmp(field, "hmac-md5pw") == 0, field, text);
	else if (has_suffix(field, "pw") && strstr(field, "hmac-") == NULL)
		choose(courier, &courier->crypt, strcmp(field, "systempw") == 0, field, text);
	else
		note(courier, field, "was not taken over");
	return MAILAUTH_OK;
}

/* Courier takes {CRYPT} before a hash, and other schemes, which no verifier can be made of. */
static enum mailauth_status take_crypt(struct courier *courier, struct ma_entry *entry, char *why)
{
	const char *hash = courier->crypt.value;

	if (strncasecmp(hash, "{CRYPT}", strlen("{CRYPT}")) == 0)
		hash += strlen("{CRYPT}");
	if (hash[0] == '{') {
		ma_why(why,
		       "its %.40s begins with %.*s}, which cannot be taken over; put a new "
		       "password in its place",
		       courier->crypt.name, (int)(strcspn(hash, "}") & 0x1f), hash);
		return MAILAUTH_E_USAGE;
	}
	ma_import_crypt(hash, entry);
	if (entry->note != NULL)
		note(courier, courier->crypt.name, "has no hash");
	/* That there is no "!" does not say that the account is not locked. */
	if (entry->locked == 0)
		entry->locked = -1;
	return MAILAUTH_OK;
}

static enum mailauth_status take_secrets(struct courier *courier, struct ma_entry *entry, char *why)
{
	const struct chosen *chosen[] = {&courier->crypt, &courier->hmac_md5};
	enum mailauth_status status = MAILAUTH_OK;

	for (size_t i = 0; i < MA_ARRAY_SIZE(chosen); i++)
		if (chosen[i]->name != NULL && !chosen[i]->is_general)
			note(courier, chosen[i]->name, "serves every service here");
	if (courier->crypt.name != NULL)
		status = take_crypt(courier, entry, why);
	if (status != MAILAUTH_OK || courier->hmac_md5.name == NULL)
		return status;
	if (!ma_import_hmac_md5(courier->hmac_md5.value, courier->secret)) {
		ma_why(why, "its %.40s is not 64 hexadecimal digits", courier->hmac_md5.name);
		return MAILAUTH_E_USAGE;
	}
	entry->no_login = false;
	entry->secrets[entry->n_secrets++] =
		(struct ma_entry_secret){.kind = "cram-md5", .text = courier->secret};
	return MAILAUTH_OK;
}

static enum mailauth_status take_account(struct courier *courier, struct ma_entry *entry, char *why)
{
	char *fields = courier->lines.text;
	char *name = strsep(&fields, "\t");
	enum mailauth_status status = MAILAUTH_OK;
	char *field;

	entry->name = name[0] != '\0' ? name : NULL;
	if (fields == NULL || entry->name == NULL) {
		ma_why(why, "this is no \"NAME TAB FIELD=VALUE|FIELD=VALUE\" line");
		return MAILAUTH_E_USAGE;
	}
	while (status == MAILAUTH_OK && (field = strsep(&fields, "|")) != NULL)
		status = take_field(courier, entry, field, why);
	if (status == MAILAUTH_OK)
		status = take_secrets(courier, entry, why);
	entry->note = courier->note[0] != '\0' ? courier->note : NULL;
	return status;
}

static enum mailauth_status next_courier(struct ma_import *import, struct ma_entry *entry_out,
					 char *why)
{
	struct courier *courier = (struct courier *)import;
	enum mailauth_status status;

	courier->note[0] = '\0';
	courier->crypt = (struct chosen){.name = NULL};
	courier->hmac_md5 = (struct chosen){.name = NULL};
	ma_entry_init(entry_out);
	do {
		status = ma_lines_next(&courier->lines, why);
		entry_out->line = courier->lines.n;
		if (status != MAILAUTH_OK)
			return status;
	} while (courier->lines.text[0] == '\0' || courier->lines.text[0] == '#');
	return take_account(courier, entry_out, why);
}

static void close_courier(struct ma_import **import)
{
	struct courier *courier = (struct courier *)*import;

	if (courier == NULL)
		return;
	ma_lines_close(&courier->lines);
	ma_wipe(courier, sizeof(*courier));
	ma_free(courier);
	*import = NULL;
}

static enum mailauth_status open_courier(const struct ma_import_params *params,
					 struct ma_import **import_out, char *why)
{
	struct courier *courier = ma_alloc(sizeof(*courier));
	struct ma_import *import = (struct ma_import *)courier;
	enum mailauth_status status;

	*import_out = NULL;
	if (courier == NULL) {
		ma_why(why, "out of memory");
		return MAILAUTH_E_NOMEM;
	}
	courier->import.format = &ma_format_courier;
	status = ma_lines_open(&courier->lines,
			       params->file != NULL ? params->file : ma_format_courier.default_file,
			       why);
	if (status != MAILAUTH_OK)
		close_courier(&import);
	*import_out = import;
	return status;
}

/* ---- export ---- */

#define FORBIDDEN "|\t\n"

static void put_field(struct ma_buf *out, const char *name, const char *lock, const char *value)
{
	if (value == NULL || value[0] == '\0' || !ma_export_fits(value, FORBIDDEN))
		return;
	if (out->len > 0)
		ma_buf_put_u8(out, '|');
	ma_buf_put_text(out, name);
	ma_buf_put_u8(out, '=');
	ma_buf_put_text(out, lock);
	ma_buf_put_text(out, value);
}

static void put_id(struct ma_buf *out, const char *name, int64_t id)
{
	char digits[24];
	struct ma_buf text = ma_buf_fixed(digits, sizeof(digits));

	if (id < 0)
		return;
	ma_buf_put_decimal(&text, (uint64_t)id);
	put_field(out, name, "", ma_buf_text(&text));
}

static void put_secrets(const struct ma_entry *entry, struct ma_buf *out, char *why)
{
	char theirs[MA_HMAC_MD5_TEXT];
	const char *crypt = ma_entry_secret(entry, "crypt");
	const char *hmac_md5 = ma_entry_secret(entry, "cram-md5");
	bool is_locked = entry->locked == 1;

	if (is_locked && crypt == NULL)
		crypt = "*";
	put_field(out, "systempw", is_locked ? "!" : "", crypt);
	if (hmac_md5 != NULL && !is_locked && ma_import_hmac_md5(hmac_md5, theirs)) {
		put_field(out, "hmac-md5pw", "", theirs);
		ma_wipe(theirs, sizeof(theirs));
	} else if (crypt == NULL && (entry->n_secrets > 0 || entry->password != NULL)) {
		ma_why(why, "Courier knows none of its secrets; set its password anew there");
	}
}

static enum mailauth_status put_courier(const struct ma_export_params *params,
					const struct ma_entry *entry, char *why)
{
	MA_CLEANUP(ma_buf_clear) struct ma_buf fields = ma_buf(MA_LINE_MAX);
	struct ma_span name = ma_export_name(params, entry);
	enum mailauth_status status;

	why[0] = '\0';
	if (!ma_export_fits(entry->name, FORBIDDEN) || entry->name[0] == '#') {
		ma_why(why, "a line of a userdb cannot begin with this name");
		return MAILAUTH_E_UNSUPPORTED;
	}
	put_id(&fields, "uid", entry->uid);
	put_id(&fields, "gid", entry->gid);
	put_field(&fields, "home", "", entry->home);
	put_field(&fields, "shell", "", entry->shell);
	put_field(&fields, "gecos", "", entry->comment);
	put_secrets(entry, &fields, why);
	status = ma_buf_status(&fields);
	if (status != MAILAUTH_OK) {
		ma_why(why, "it is too long for a line");
		return status == MAILAUTH_E_LIMIT ? MAILAUTH_E_UNSUPPORTED : status;
	}
	if (fprintf(params->out, "%.*s\t%s\n", (int)name.len, (const char *)name.p,
		    ma_buf_text(&fields)) < 0) {
		ma_why(why, "cannot write: %s", strerror(errno));
		return MAILAUTH_E_TEMPFAIL;
	}
	return MAILAUTH_OK;
}

const struct ma_format ma_format_courier = {
	.name = "courier",
	.summary = "userdb of Courier",
	.default_file = "/etc/courier/userdb",
	.open = open_courier,
	.next = next_courier,
	.close = close_courier,
	.put = put_courier,
};
