/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dovecot_put.c - lines of passwd-file, for export
 *
 * See import_dovecot.c. A line has room for one secret: that of the mechanism asked for, else the
 * strongest. An account that is locked here is not allowed from anywhere there, and so keeps its
 * secret.
 */
#include "import/dovecot.h"

#include <errno.h>

#include "util/codec.h"
#include "util/hash.h"
#include "util/mem.h"

/* One account while it is written. */
struct line {
	const struct ma_entry *entry;
	struct ma_span name;
	struct ma_buf *out;
};

static bool put_password(struct line *line, const char *text)
{
	bool fits = ma_export_fits(text, ":");

	ma_buf_put_text(line->out, fits ? "{PLAIN}" : "{PLAIN.b64}");
	if (fits)
		ma_buf_put_text(line->out, text);
	else
		ma_base64_encode(ma_span_text(text), line->out);
	return true;
}

static bool put_crypt(struct line *line, const char *text)
{
	static const char *const names[][2] = {
		{"$1$", "{MD5-CRYPT}"},	   {"$2", "{BLF-CRYPT}"}, {"$5$", "{SHA256-CRYPT}"},
		{"$6$", "{SHA512-CRYPT}"}, {"", "{CRYPT}"}, /* what libcrypt knows and Dovecot has
							       no name for */
	};
	size_t i = 0;

	while (strncmp(text, names[i][0], strlen(names[i][0])) != 0)
		i++;
	ma_buf_put_text(line->out, names[i][1]);
	ma_buf_put_text(line->out, text);
	return ma_export_fits(text, ":");
}

static bool put_cram_md5(struct line *line, const char *text)
{
	char theirs[MA_HMAC_MD5_TEXT];
	bool is_good = ma_import_hmac_md5(text, theirs);

	ma_buf_put_text(line->out, "{CRAM-MD5}");
	ma_buf_put_text(line->out, theirs);
	ma_wipe(theirs, sizeof(theirs));
	return is_good;
}

/* The hash that Dovecot would make for the name in the line. */
static bool put_digest_md5(struct line *line, const char *text)
{
	struct ma_span in = ma_span_text(text);
	struct ma_span local = line->name;
	struct ma_span realm = ma_span(NULL, 0);
	struct ma_span user;
	struct ma_span of_realm;
	struct ma_span hash;

	if (!ma_span_split_last(line->name, '@', &local, &realm))
		local = line->name;
	if (!ma_span_take_until(&in, ':', &user) || !ma_span_take_until(&in, ':', &of_realm) ||
	    !ma_span_take(&in, (size_t)2 * MA_MD5_LEN, &hash) || !ma_span_equal(user, local) ||
	    !ma_span_equal(of_realm, realm))
		return false;
	ma_buf_put_text(line->out, "{DIGEST-MD5}");
	ma_buf_put(line->out, hash);
	return true;
}

/* SCHEME$ITERATIONS:SALT$STOREDKEY:SERVERKEY, RFC 5803 section 2 */
static bool put_scram(struct line *line, const char *text)
{
	struct ma_span in = ma_span_text(text);
	struct ma_span scheme;
	struct ma_span parts[3];

	if (!ma_span_take_until(&in, '$', &scheme) || !ma_span_take_until(&in, ':', &parts[0]) ||
	    !ma_span_take_until(&in, '$', &parts[1]) || !ma_span_take_until(&in, ':', &parts[2]))
		return false;
	ma_buf_put_u8(line->out, '{');
	ma_buf_put(line->out, scheme);
	ma_buf_put_u8(line->out, '}');
	for (size_t i = 0; i < MA_ARRAY_SIZE(parts); i++) {
		ma_buf_put(line->out, parts[i]);
		ma_buf_put_u8(line->out, ',');
	}
	ma_buf_put(line->out, in);
	return true;
}

/* The strongest first. */
static const struct secret {
	const char *kind; /* also the mechanism, but for the case */
	bool (*put)(struct line *line, const char *text);
} secrets[] = {
	{"password", put_password}, {"scram-sha-256", put_scram},   {"scram-sha-1", put_scram},
	{"crypt", put_crypt},	    {"digest-md5", put_digest_md5}, {"cram-md5", put_cram_md5},
};

/* Appends the secret of this kind; false and nothing if there is none that can be said. */
static bool try_put(struct line *line, const struct secret *secret)
{
	const struct ma_entry *entry = line->entry;
	size_t start = line->out->len;

	if (entry->password != NULL && strcmp(secret->kind, "password") == 0)
		return secret->put(line, entry->password);
	for (size_t i = 0; i < entry->n_secrets; i++) {
		if (strcmp(entry->secrets[i].kind, secret->kind) != 0)
			continue;
		if (secret->put(line, entry->secrets[i].text))
			return true;
		ma_buf_truncate(line->out, start);
	}
	return false;
}

/* The kind that was written; NULL: none. */
static const char *put_secret(struct line *line, const char *mech)
{
	for (size_t i = 0; mech != NULL && i < MA_ARRAY_SIZE(secrets); i++)
		if (strcasecmp(secrets[i].kind, mech) == 0 && try_put(line, &secrets[i]))
			return secrets[i].kind;
	for (size_t i = 0; i < MA_ARRAY_SIZE(secrets); i++)
		if (try_put(line, &secrets[i]))
			return secrets[i].kind;
	ma_buf_put_text(line->out, "{CRYPT}*");
	return NULL;
}

static void put_id(struct ma_buf *out, int64_t id)
{
	ma_buf_put_u8(out, ':');
	if (id >= 0)
		ma_buf_put_decimal(out, (uint64_t)id);
}

/* What the line does not say. */
static void name_lost(const struct ma_entry *entry, const char *kind, char *why)
{
	char bytes[MA_WHY_MAX];
	struct ma_buf list = ma_buf_fixed(bytes, sizeof(bytes));
	const char *last = "";

	for (size_t i = 0; i < entry->n_secrets; i++) {
		const char *other = entry->secrets[i].kind;

		if ((kind != NULL && strcmp(other, kind) == 0) || strcmp(other, last) == 0)
			continue;
		ma_buf_printf(&list, ", %s", other);
		last = other;
	}
	if (entry->groups != NULL && entry->groups[0] != '\0')
		ma_buf_put_text(&list, ", groups");
	if (entry->mechs != NULL && entry->mechs[0] != '\0')
		ma_buf_put_text(&list, ", mechanisms");
	if (entry->min >= 0 || entry->max >= 0 || entry->warn >= 0 || entry->inactive >= 0 ||
	    entry->expire >= 0 || entry->last_change == 0)
		ma_buf_put_text(&list, ", ageing");
	if (list.len > 2)
		ma_why(why, "a line of Dovecot has no room for: %s", ma_buf_text(&list) + 2);
}

static const char *field_text(const char *text)
{
	return text != NULL && ma_export_fits(text, ":") ? text : "";
}

enum mailauth_status ma_dovecot_put(const struct ma_export_params *params,
				    const struct ma_entry *entry, char *why)
{
	MA_CLEANUP(ma_buf_clear) struct ma_buf out = ma_buf(MA_LINE_MAX);
	struct line line = {.entry = entry, .name = ma_export_name(params, entry), .out = &out};
	enum mailauth_status status;

	why[0] = '\0';
	if (!ma_export_fits(entry->name, ":") || entry->name[0] == '#') {
		ma_why(why, "a line of Dovecot cannot begin with this name");
		return MAILAUTH_E_UNSUPPORTED;
	}
	ma_buf_put(&out, line.name);
	ma_buf_put_u8(&out, ':');
	name_lost(entry, put_secret(&line, params->mech), why);
	put_id(&out, entry->uid);
	put_id(&out, entry->gid);
	ma_buf_printf(&out, ":%s:%s:%s:%s\n", field_text(entry->comment), field_text(entry->home),
		      field_text(entry->shell),
		      entry->locked == 1 ? "nologin " MA_DOVECOT_NO_NETS : "");
	status = ma_buf_status(&out);
	if (status == MAILAUTH_E_LIMIT) {
		ma_why(why, "it is too long for a line");
		return MAILAUTH_E_UNSUPPORTED;
	}
	if (status != MAILAUTH_OK)
		return status;
	if (fwrite(out.p, 1, out.len, params->out) != out.len) {
		ma_why(why, "cannot write: %s", strerror(errno));
		return MAILAUTH_E_TEMPFAIL;
	}
	return MAILAUTH_OK;
}
