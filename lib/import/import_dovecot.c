/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_dovecot.c - passwd-file of Dovecot
 *
 *   user:password:uid:gid:(gecos):home:(shell):extra fields
 *
 * What Dovecot 2.3 and 2.4 read is read alike (db-passwd-file.c, password-scheme.c): any number of
 * fields, {SCHEME} or {SCHEME.ENCODING} before the password, CRYPT where there is none, and the
 * "password[13]" of libpam-pwdfile. DIGEST-MD5 hashes user:realm:password with what stands before
 * and behind the last '@' of the name.
 *
 * An account that may not log in there (nologin) is locked here. Other extra fields have no place
 * in an account of ours and are named in the note. A file that lists users only for their homes
 * says nothing about secrets.
 */
#include "import/dovecot.h"

#include <ctype.h>
#include <grp.h>
#include <pwd.h>

#include "util/codec.h"
#include "util/hash.h"
#include "util/mem.h"

#define FIELDS	   8
#define SCHEME_MAX 32	 /* bytes in the name of a scheme */
#define LOOKUP_MAX 65536 /* bytes of one user or group of the system */

/* The table at the end; each import points back to it. */
extern const struct ma_format ma_format_dovecot;

struct dovecot {
	struct ma_import import;
	struct ma_lines lines;
	struct ma_buf decoded;		       /* a password that was encoded */
	char secret[MAILAUTH_SECRET_TEXT_MAX]; /* in our form */
	char note[MA_WHY_MAX];
};

enum encoding { ENCODING_NONE, ENCODING_HEX, ENCODING_BASE64 };

/* A password field while it is read. */
struct field {
	struct dovecot *dovecot;
	char scheme[SCHEME_MAX];
	enum encoding encoding;
	const char *text; /* behind {SCHEME} */
	struct ma_entry *entry;
	char *why;
};

static enum mailauth_status lack_memory(char *why)
{
	ma_why(why, "out of memory");
	return MAILAUTH_E_NOMEM;
}

/* What was not decoded for lack of memory is nobody's mistake. */
static enum mailauth_status refuse(const struct field *field, const char *reason)
{
	if (ma_buf_status(&field->dovecot->decoded) == MAILAUTH_E_NOMEM)
		return lack_memory(field->why);
	ma_why(field->why, "its {%s} password %s", field->scheme, reason);
	return MAILAUTH_E_USAGE;
}

static void add_secret(struct ma_entry *entry, const char *kind, const char *text)
{
	entry->secrets[entry->n_secrets++] = (struct ma_entry_secret){.kind = kind, .text = text};
}

/* ---- what the schemes hold ---- */

static bool decode(struct field *field, enum encoding encoding)
{
	struct ma_span text = ma_span_text(field->text);
	struct ma_buf *out = &field->dovecot->decoded;
	uint8_t *bytes;

	ma_buf_reset(out);
	if (text.len == 0)
		return true;
	if (encoding == ENCODING_BASE64)
		return ma_base64_decode(text, out);
	bytes = text.len % 2 == 0 ? ma_buf_reserve(out, text.len / 2) : NULL;
	return bytes != NULL && ma_hex_decode(text, bytes, text.len / 2);
}

/* A scheme whose content is text; encoded only where the line says so. */
static const char *text_of(struct field *field)
{
	struct ma_buf *decoded = &field->dovecot->decoded;
	const char *text;

	if (field->encoding == ENCODING_NONE)
		return field->text;
	if (!decode(field, field->encoding) ||
	    (decoded->len > 0 && memchr(decoded->p, '\0', decoded->len) != NULL))
		return NULL;
	text = ma_buf_text(decoded);
	return ma_buf_status(decoded) == MAILAUTH_OK ? text : NULL;
}

/* A scheme whose content is @len bytes: hexadecimal if it has that length, else base 64. */
static bool bytes_of(struct field *field, size_t len)
{
	enum encoding encoding = field->encoding;

	if (encoding == ENCODING_NONE)
		encoding = strlen(field->text) == 2 * len ? ENCODING_HEX : ENCODING_BASE64;
	return decode(field, encoding) && field->dovecot->decoded.len == len;
}

static enum mailauth_status take_plain(struct field *field)
{
	const char *text = text_of(field);

	if (text == NULL)
		return refuse(field, "is not encoded as it says");
	if (text[0] == '\0')
		return refuse(field, "is empty");
	field->entry->password = text;
	return MAILAUTH_OK;
}

static enum mailauth_status take_crypt(struct field *field)
{
	const char *text = text_of(field);

	if (text == NULL)
		return refuse(field, "is not encoded as it says");
	/* A file that is written from it would have another line. */
	if (strpbrk(text, "\r\n") != NULL)
		return refuse(field, "is no crypt(3) string");
	ma_import_crypt(text, field->entry);
	/* That there is no "!" does not say that the account is not locked. */
	if (field->entry->locked == 0)
		field->entry->locked = -1;
	return MAILAUTH_OK;
}

/* An old name of MD5-CRYPT; without "$1$" it is something else. */
static enum mailauth_status take_md5(struct field *field)
{
	const char *text = text_of(field);

	if (text == NULL || strncmp(text, "$1$", 3) != 0)
		return refuse(field, "is no crypt(3) string; set a new password for it");
	return take_crypt(field);
}

static enum mailauth_status take_hmac_md5(struct field *field)
{
	char hex[MA_HMAC_MD5_TEXT];
	struct ma_buf out = ma_buf_fixed(hex, sizeof(hex));
	bool is_good = bytes_of(field, MA_HMAC_MD5_STATE);

	if (is_good) {
		ma_hex_encode(ma_buf_span(&field->dovecot->decoded), &out);
		is_good = ma_import_hmac_md5(ma_buf_text(&out), field->dovecot->secret);
	}
	ma_wipe(hex, sizeof(hex));
	if (!is_good)
		return refuse(field, "is not 64 hexadecimal digits");
	add_secret(field->entry, "cram-md5", field->dovecot->secret);
	return MAILAUTH_OK;
}

static enum mailauth_status take_digest_md5(struct field *field)
{
	struct ma_span name = ma_span_text(field->entry->name);
	struct ma_span local = name;
	struct ma_span realm = ma_span(NULL, 0);
	struct ma_buf out = ma_buf_fixed(field->dovecot->secret, MAILAUTH_SECRET_TEXT_MAX);

	if (!bytes_of(field, MA_MD5_LEN))
		return refuse(field, "is not 32 hexadecimal digits");
	if (!ma_span_split_last(name, '@', &local, &realm))
		local = name;
	ma_buf_put(&out, local);
	ma_buf_put_u8(&out, ':');
	ma_buf_put(&out, realm);
	ma_buf_put_u8(&out, ':');
	ma_hex_encode(ma_buf_span(&field->dovecot->decoded), &out);
	add_secret(field->entry, "digest-md5", ma_buf_text(&out));
	if (ma_buf_status(&out) != MAILAUTH_OK)
		return refuse(field, "belongs to a name that is too long");
	return MAILAUTH_OK;
}

/* iterations,salt,StoredKey,ServerKey; ours is RFC 5803 section 2. */
static enum mailauth_status take_scram(struct field *field, const char *kind, const char *scheme)
{
	struct ma_buf out = ma_buf_fixed(field->dovecot->secret, MAILAUTH_SECRET_TEXT_MAX);
	const char *text = text_of(field);
	struct ma_span in = ma_span_text(text != NULL ? text : "");
	struct ma_span parts[3];

	for (size_t i = 0; i < MA_ARRAY_SIZE(parts); i++)
		if (!ma_span_take_until(&in, ',', &parts[i]))
			return refuse(field, "is not ITERATIONS,SALT,STOREDKEY,SERVERKEY");
	ma_buf_put_text(&out, scheme);
	ma_buf_put_u8(&out, '$');
	ma_buf_put(&out, parts[0]);
	ma_buf_put_u8(&out, ':');
	ma_buf_put(&out, parts[1]);
	ma_buf_put_u8(&out, '$');
	ma_buf_put(&out, parts[2]);
	ma_buf_put_u8(&out, ':');
	ma_buf_put(&out, in);
	add_secret(field->entry, kind, ma_buf_text(&out));
	if (ma_buf_status(&out) != MAILAUTH_OK)
		return refuse(field, "is too long");
	return MAILAUTH_OK;
}

static enum mailauth_status take_scram_sha_1(struct field *field)
{
	return take_scram(field, "scram-sha-1", "SCRAM-SHA-1");
}

static enum mailauth_status take_scram_sha_256(struct field *field)
{
	return take_scram(field, "scram-sha-256", "SCRAM-SHA-256");
}

static const struct {
	const char *name;
	enum mailauth_status (*take)(struct field *field);
} schemes[] = {
	{"PLAIN", take_plain},
	{"CLEAR", take_plain},
	{"CLEARTEXT", take_plain},
	{"CRYPT", take_crypt},
	{"DES-CRYPT", take_crypt},
	{"MD5-CRYPT", take_crypt},
	{"SHA256-CRYPT", take_crypt},
	{"SHA512-CRYPT", take_crypt},
	{"BLF-CRYPT", take_crypt},
	{"MD5", take_md5},
	{"CRAM-MD5", take_hmac_md5},
	{"HMAC-MD5", take_hmac_md5},
	{"DIGEST-MD5", take_digest_md5},
	{"SCRAM-SHA-1", take_scram_sha_1},
	{"SCRAM-SHA-256", take_scram_sha_256},
};

/* ---- the password field ---- */

static bool set_scheme(struct field *field, struct ma_span name)
{
	struct ma_span base = name;
	struct ma_span suffix;

	field->encoding = ENCODING_NONE;
	if (ma_span_split_last(name, '.', &base, &suffix)) {
		if (ma_span_equal_case(suffix, ma_span_text("HEX")))
			field->encoding = ENCODING_HEX;
		else if (ma_span_equal_case(suffix, ma_span_text("B64")) ||
			 ma_span_equal_case(suffix, ma_span_text("BASE64")))
			field->encoding = ENCODING_BASE64;
		else
			return false;
	} else {
		base = name;
	}
	if (base.len >= sizeof(field->scheme))
		return false;
	for (size_t i = 0; i < base.len; i++)
		field->scheme[i] = (char)toupper(base.p[i]);
	field->scheme[base.len] = '\0';
	return true;
}

/* libpam-pwdfile's "password[13]": DES, MD5, and 56 for DIGEST-MD5. */
static void take_type(struct field *field, char *text)
{
	size_t len = strlen(text);
	const char *type;

	if (len <= 4 || text[0] == '{' || text[0] == '$' || text[len - 1] != ']' ||
	    text[len - 4] != '[')
		return;
	type = text + len - 3;
	if (strncmp(type, "34", 2) == 0)
		(void)set_scheme(field, ma_span_text("PLAIN-MD5"));
	else if (strncmp(type, "56", 2) == 0)
		(void)set_scheme(field, ma_span_text("DIGEST-MD5"));
	text[len - 4] = '\0';
}

static enum mailauth_status take_password(struct dovecot *dovecot, char *text,
					  struct ma_entry *entry, char *why)
{
	struct field field = {.dovecot = dovecot, .text = text, .entry = entry, .why = why};
	struct ma_span in = ma_span_text(text);
	struct ma_span name = ma_span_text("CRYPT");

	(void)set_scheme(&field, name);
	take_type(&field, text);
	if (in.p[0] == '{' && ma_span_take_until(&in, '}', &name)) {
		field.text = (const char *)in.p;
		name = ma_span(name.p + 1, name.len - 1);
		if (!set_scheme(&field, name)) {
			ma_why(why, "{%.*s} is no scheme of a password", (int)(name.len & 0x3f),
			       (const char *)name.p);
			return MAILAUTH_E_USAGE;
		}
	}
	for (size_t i = 0; i < MA_ARRAY_SIZE(schemes); i++)
		if (strcmp(field.scheme, schemes[i].name) == 0)
			return schemes[i].take(&field);
	return refuse(&field, "cannot be taken over; put a new password in its place, or log in "
			      "once where Dovecot rewrites it in another scheme");
}

/* ---- the other fields ---- */

/* As Dovecot does: a number, or a name of the system. MAILAUTH_E_USAGE: neither. */
static enum mailauth_status parse_uid(const char *text, int64_t *out)
{
	char bytes[4096];
	struct passwd user;
	struct passwd *found = NULL;

	if (ma_import_number(text, UINT32_MAX - 1, out))
		return MAILAUTH_OK;
	(void)getpwnam_r(text, &user, bytes, sizeof(bytes), &found);
	if (found == NULL)
		return MAILAUTH_E_USAGE;
	*out = user.pw_uid;
	return MAILAUTH_OK;
}

static enum mailauth_status parse_gid(const char *text, int64_t *out)
{
	struct group group;
	struct group *found = NULL;
	char *bytes;

	if (ma_import_number(text, UINT32_MAX - 1, out))
		return MAILAUTH_OK;
	bytes = ma_alloc(LOOKUP_MAX);
	if (bytes == NULL)
		return MAILAUTH_E_NOMEM;
	(void)getgrnam_r(text, &group, bytes, LOOKUP_MAX, &found);
	if (found != NULL)
		*out = group.gr_gid;
	ma_free(bytes);
	return found != NULL ? MAILAUTH_OK : MAILAUTH_E_USAGE;
}

/* Fields that may be NULL. */
static enum mailauth_status take_ids(const char *uid, const char *gid, struct ma_entry *entry,
				     char *why)
{
	const char *field = "uid";
	enum mailauth_status status = MAILAUTH_OK;

	if (uid != NULL)
		status = parse_uid(uid, &entry->uid);
	if (status == MAILAUTH_OK && gid != NULL) {
		field = "gid";
		status = parse_gid(gid, &entry->gid);
	}
	if (status == MAILAUTH_E_NOMEM)
		return lack_memory(why);
	if (status != MAILAUTH_OK)
		ma_why(why, "its %s is neither a number from 0 to 4294967294 nor a name here",
		       field);
	return status;
}

static void leave_out(struct dovecot *dovecot, struct ma_span name)
{
	char before[MA_WHY_MAX];

	memcpy(before, dovecot->note, sizeof(before));
	ma_why(dovecot->note, "%s%s%.*s", before, before[0] == '\0' ? "not taken over: " : ", ",
	       (int)(name.len & 0x7f), (const char *)name.p);
}

static bool is_word(struct ma_span name, const char *word)
{
	return ma_span_equal(name, ma_span_text(word));
}

/* MAILAUTH_E_USAGE: it has no place in the entry. */
static enum mailauth_status take_extra_id(struct ma_span name, const char *value,
					  struct ma_entry *entry)
{
	if (is_word(name, "userdb_uid") && entry->uid < 0)
		return parse_uid(value, &entry->uid);
	if (is_word(name, "userdb_gid") && entry->gid < 0)
		return parse_gid(value, &entry->gid);
	return MAILAUTH_E_USAGE;
}

/* The note names what it leaves out, but not the values: they may be secrets of a proxy. */
static enum mailauth_status take_extra(struct dovecot *dovecot, char *extra, struct ma_entry *entry,
				       char *why)
{
	char *save = extra;
	char *word;

	while ((word = strsep(&save, " ")) != NULL) {
		struct ma_span name = ma_span(word, strcspn(word, "="));
		const char *value = word[name.len] == '=' ? word + name.len + 1 : "";
		enum mailauth_status status = MAILAUTH_OK;

		if (name.len == 0)
			continue;
		if (is_word(name, "nologin") || strcmp(word, MA_DOVECOT_NO_NETS) == 0)
			entry->locked = 1;
		else if (is_word(name, "userdb_home") && entry->home == NULL)
			entry->home = value;
		else
			status = take_extra_id(name, value, entry);
		if (status == MAILAUTH_E_NOMEM)
			return lack_memory(why);
		if (status != MAILAUTH_OK)
			leave_out(dovecot, name);
	}
	return MAILAUTH_OK;
}

static const char *field_at(char *const *fields, size_t n, size_t i)
{
	return i < n && fields[i][0] != '\0' ? fields[i] : NULL;
}

static enum mailauth_status take_account(struct dovecot *dovecot, struct ma_entry *entry, char *why)
{
	char *fields[FIELDS];
	size_t n = ma_import_split(dovecot->lines.text, ':', fields, FIELDS);
	enum mailauth_status status;

	entry->name = field_at(fields, n, 0);
	if (entry->name == NULL) {
		ma_why(why, "it has no name");
		return MAILAUTH_E_USAGE;
	}
	status = take_ids(field_at(fields, n, 2), field_at(fields, n, 3), entry, why);
	if (status != MAILAUTH_OK)
		return status;
	entry->comment = field_at(fields, n, 4);
	entry->home = field_at(fields, n, 5);
	entry->shell = field_at(fields, n, 6);
	if (field_at(fields, n, 1) != NULL)
		status = take_password(dovecot, fields[1], entry, why);
	else
		leave_out(dovecot, ma_span_text("a password, for there is none"));
	if (status == MAILAUTH_OK && field_at(fields, n, 7) != NULL)
		status = take_extra(dovecot, fields[7], entry, why);
	if (dovecot->note[0] != '\0' && entry->note == NULL)
		entry->note = dovecot->note;
	return status;
}

static enum mailauth_status next_dovecot(struct ma_import *import, struct ma_entry *entry_out,
					 char *why)
{
	struct dovecot *dovecot = (struct dovecot *)import;
	enum mailauth_status status;

	ma_buf_reset(&dovecot->decoded);
	dovecot->note[0] = '\0';
	ma_entry_init(entry_out);
	do {
		status = ma_lines_next(&dovecot->lines, why);
		entry_out->line = dovecot->lines.n;
		if (status != MAILAUTH_OK)
			return status;
	} while (dovecot->lines.text[0] == '\0' || dovecot->lines.text[0] == '#');
	return take_account(dovecot, entry_out, why);
}

static void close_dovecot(struct ma_import **import)
{
	struct dovecot *dovecot = (struct dovecot *)*import;

	if (dovecot == NULL)
		return;
	ma_lines_close(&dovecot->lines);
	ma_buf_clear(&dovecot->decoded);
	ma_wipe(dovecot, sizeof(*dovecot));
	ma_free(dovecot);
	*import = NULL;
}

static enum mailauth_status open_dovecot(const struct ma_import_params *params,
					 struct ma_import **import_out, char *why)
{
	struct dovecot *dovecot = ma_alloc(sizeof(*dovecot));
	struct ma_import *import = (struct ma_import *)dovecot;
	enum mailauth_status status;

	*import_out = NULL;
	if (dovecot == NULL)
		return lack_memory(why);
	dovecot->import.format = &ma_format_dovecot;
	dovecot->decoded = ma_buf(MA_LINE_MAX + 1);
	status = ma_lines_open(&dovecot->lines,
			       params->file != NULL ? params->file : ma_format_dovecot.default_file,
			       why);
	if (status != MAILAUTH_OK)
		close_dovecot(&import);
	*import_out = import;
	return status;
}

const struct ma_format ma_format_dovecot = {
	.name = "dovecot",
	.summary = "passwd-file of Dovecot",
	.default_file = "/etc/dovecot/users",
	.open = open_dovecot,
	.next = next_dovecot,
	.close = close_dovecot,
	.put = ma_dovecot_put,
};
