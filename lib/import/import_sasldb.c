/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_sasldb.c - the accounts of Cyrus SASL's sasldb2
 *
 * A hash file of Berkeley DB. A key is USER NUL REALM NUL PROPERTY, without a NUL at its end, and
 * comes in no order, so all keys are collected and sorted when the file is opened; the values,
 * which are the secrets, are read one account at a time (Cyrus SASL 2.1.28: sasldb/allockey.c,
 * db_berkeley.c).
 *
 *   userPassword              the password in the clear: everything is derived from it
 *   cmusaslsecretCRAM-MD5     and the next two: left by version 1, for an account whose password
 *   cmusaslsecretDIGEST-MD5   is not known (utils/dbconverter-2.c; plugins/cram.c, digestmd5.c;
 *   cmusaslsecretPLAIN        lib/checkpw.c)
 *   authPassword              SCRAM, RFC 5803; one hash, as sasldb keeps one value
 *                             (plugins/scram.c)
 *
 * Other properties, those of OTP and SRP, have no mechanism here and are named in the note. The
 * file is opened for reading only, and its first bytes are looked at and all of it is verified
 * before its pages are trusted.
 */
#include "import/import.h"

#include <db.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/codec.h"
#include "util/hash.h"
#include "util/mem.h"

#define PASSWORD      "userPassword"
#define VALUE_MAX     8192	      /* bytes; what Cyrus SASL reads */
#define TEXTS_MAX     (8 * VALUE_MAX) /* bytes in all texts of an account */
#define KEYS_MAX      (1u << 30)      /* bytes in all keys */
#define PLAIN_SALT    16	      /* bytes, then a NUL and as many of MD5 */
#define HEADER_LEN    32
#define NAME_SHOWN    40 /* bytes of an unknown property in a message */

#define GDBM_MAGIC    0x13579acdu /* and the next four */
#define LMDB_MAGIC    0xbeefc0deu
#define DB_MAGIC_AT   12
#define LMDB_MAGIC_AT 16

#define FILE_DEFAULT  "/etc/sasldb2"

extern const struct ma_format ma_format_sasldb;

struct key {
	size_t at; /* in the keys */
	size_t len;
};

struct sasldb {
	struct ma_import import;
	DB *db;
	struct ma_buf keys;  /* all of them, one after the other */
	struct ma_buf index; /* struct key, sorted */
	size_t n_keys;
	size_t next;
	struct ma_buf texts; /* of the last account; stays where it is */
	uint8_t texts_bytes[TEXTS_MAX];
	char note[MA_WHY_MAX];
};

/* One account while it is read. */
struct account {
	struct sasldb *sasldb;
	struct ma_entry *entry;
	struct ma_span user;
	struct ma_span realm;
};

/* ---- keys ---- */

struct parts {
	struct ma_span account; /* USER NUL REALM */
	struct ma_span user;
	struct ma_span realm;
	struct ma_span property;
};

static bool split(struct ma_span key, struct parts *parts_out)
{
	struct ma_span rest = key;

	if (!ma_span_take_until(&rest, '\0', &parts_out->user) ||
	    !ma_span_take_until(&rest, '\0', &parts_out->realm))
		return false;
	parts_out->account = ma_span(key.p, parts_out->user.len + 1 + parts_out->realm.len);
	parts_out->property = rest;
	return parts_out->user.len > 0 && rest.len > 0 && memchr(rest.p, '\0', rest.len) == NULL;
}

static struct ma_span key_span(const struct sasldb *sasldb, const struct key *key)
{
	return ma_span(sasldb->keys.p + key->at, key->len);
}

static struct ma_span key_at(const struct sasldb *sasldb, size_t i)
{
	return key_span(sasldb, (const struct key *)(const void *)sasldb->index.p + i);
}

static int compare_keys(const void *a, const void *b, void *arg)
{
	struct ma_span one = key_span(arg, a);
	struct ma_span other = key_span(arg, b);
	size_t len = one.len < other.len ? one.len : other.len;
	int order = memcmp(one.p, other.p, len);

	return order != 0 ? order : (one.len > other.len) - (one.len < other.len);
}

/* ---- what an account has ---- */

/* Adds to the note what did not come along. */
static void note(struct account *account, const char *property, const char *why)
{
	char before[MA_WHY_MAX];
	char *text = account->sasldb->note;

	(void)memcpy(before, text, sizeof(before));
	ma_why(text, "%s%s%s did not come along: %s", before, before[0] != '\0' ? "; " : "",
	       property, why);
	account->entry->note = text;
}

/* The parts as one text. */
static const char *join(struct sasldb *sasldb, const struct ma_span *parts, size_t n_parts)
{
	const char *start = (const char *)sasldb->texts.p + sasldb->texts.len;

	for (size_t i = 0; i < n_parts; i++)
		ma_buf_put(&sasldb->texts, parts[i]);
	ma_buf_put_u8(&sasldb->texts, '\0');
	return ma_buf_status(&sasldb->texts) == MAILAUTH_OK ? start : "";
}

static void add_secret(struct account *account, const char *kind, const struct ma_span *parts,
		       size_t n_parts)
{
	struct ma_entry *entry = account->entry;

	entry->secrets[entry->n_secrets++] = (struct ma_entry_secret){
		.kind = kind, .text = join(account->sasldb, parts, n_parts)};
}

/* ---- properties ---- */

/* Up to the first NUL, as Cyrus SASL takes it. */
static void take_password(struct account *account, const char *property, struct ma_span value)
{
	value.len = strnlen((const char *)value.p, value.len);
	if (value.len == 0) {
		note(account, property, "it is empty, and no mechanism takes an empty password");
		account->entry->no_login = true;
		return;
	}
	account->entry->password = join(account->sasldb, &value, 1);
}

/* Bytes as hexadecimal digits, behind a prefix of two words: "alice:lab.test:0123..." */
static void add_hex(struct account *account, const char *kind, struct ma_span bytes)
{
	uint8_t digits[2 * MA_HMAC_MD5_STATE];
	struct ma_buf text = ma_buf_fixed(digits, sizeof(digits));
	const struct ma_span colon = ma_span_text(":");
	struct ma_span parts[5] = {account->user, colon, account->realm, colon};

	ma_hex_encode(bytes, &text);
	parts[4] = ma_buf_span(&text);
	if (strcmp(kind, "digest-md5") == 0)
		add_secret(account, kind, parts, 5);
	else
		add_secret(account, kind, &parts[4], 1);
	ma_wipe(digits, sizeof(digits));
}

static void take_cram_md5(struct account *account, const char *property, struct ma_span value)
{
	if (value.len == MA_HMAC_MD5_STATE)
		add_hex(account, "cram-md5", value);
	else
		note(account, property, "it is not 32 bytes long");
}

/* The hash has the name as it was written in it, and ours are in lower case. */
static void take_digest_md5(struct account *account, const char *property, struct ma_span value)
{
	bool is_folded = true;

	for (size_t i = 0; i < account->user.len; i++)
		if (account->user.p[i] >= 'A' && account->user.p[i] <= 'Z')
			is_folded = false;
	if (value.len != MA_MD5_LEN)
		note(account, property, "it is not 16 bytes long");
	else if (!is_folded)
		note(account, property, "it is for a name with capital letters");
	else
		add_hex(account, "digest-md5", value);
}

/* Salt, NUL, MD5; without the NUL for us. */
static void take_plain(struct account *account, const char *property, struct ma_span value)
{
	uint8_t both[PLAIN_SALT + MA_MD5_LEN];

	if (value.len != sizeof(both) + 1 || value.p[PLAIN_SALT] != '\0') {
		note(account, property, "it is not a salt and a hash");
		return;
	}
	memcpy(both, value.p, PLAIN_SALT);
	memcpy(both + PLAIN_SALT, value.p + PLAIN_SALT + 1, MA_MD5_LEN);
	add_hex(account, "sasl-plain", ma_span(both, sizeof(both)));
	ma_wipe(both, sizeof(both));
}

/* SCHEME$... */
static void take_scram(struct account *account, const char *property, struct ma_span value)
{
	static const struct {
		const char *scheme;
		const char *kind;
	} hashes[] = {
		{"SCRAM-SHA-1", "scram-sha-1"},
		{"SCRAM-SHA-256", "scram-sha-256"},
		{"SCRAM-SHA-512", "scram-sha-512"},
	};
	struct ma_span rest = value;
	struct ma_span scheme;

	if (!ma_span_take_until(&rest, '$', &scheme))
		scheme = ma_span(NULL, 0);
	for (size_t i = 0; i < MA_ARRAY_SIZE(hashes); i++) {
		if (ma_span_equal(scheme, ma_span_text(hashes[i].scheme)) &&
		    memchr(value.p, '\0', value.len) == NULL) {
			add_secret(account, hashes[i].kind, &value, 1);
			return;
		}
	}
	note(account, property, "it is for none of SCRAM-SHA-1, SCRAM-SHA-256 and SCRAM-SHA-512");
}

static const struct property {
	const char *name;
	void (*take)(struct account *account, const char *property, struct ma_span value);
} properties[] = {
	{PASSWORD, take_password},
	{"cmusaslsecretCRAM-MD5", take_cram_md5},
	{"cmusaslsecretDIGEST-MD5", take_digest_md5},
	{"cmusaslsecretPLAIN", take_plain},
	{"authPassword", take_scram},
};

static const struct property *find_property(struct ma_span name)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(properties); i++)
		if (ma_span_equal(name, ma_span_text(properties[i].name)))
			return &properties[i];
	return NULL;
}

static void note_unknown(struct account *account, struct ma_span name)
{
	char text[MA_WHY_MAX];
	int len = name.len < NAME_SHOWN ? (int)name.len : NAME_SHOWN;

	ma_why(text, "%.*s", len, (const char *)name.p);
	note(account, text, "there is no mechanism for it here");
}

/* ---- one account ---- */

/* libdb's type has no const; it does not write to keys. */
static DBT dbt_of(struct ma_span span)
{
	const union {
		const void *in;
		void *out;
	} address = {.in = span.p};

	return (DBT){.data = address.out, .size = (uint32_t)span.len};
}

static enum mailauth_status read_property(struct account *account, struct ma_span key,
					  const struct property *property, char *why)
{
	uint8_t bytes[VALUE_MAX];
	DBT db_key = dbt_of(key);
	DBT value = {.data = bytes, .ulen = sizeof(bytes), .flags = DB_DBT_USERMEM};
	DB *db = account->sasldb->db;
	int error = db->get(db, NULL, &db_key, &value, 0);

	if (error == DB_BUFFER_SMALL)
		note(account, property->name, "it is longer than 8192 bytes");
	else if (error == 0)
		property->take(account, property->name, ma_span(bytes, value.size));
	ma_wipe(bytes, sizeof(bytes));
	if (error == 0 || error == DB_BUFFER_SMALL)
		return MAILAUTH_OK;
	ma_why(why, "cannot read on: %s; if another program changes the file, import a copy",
	       db_strerror(error));
	return MAILAUTH_E_CONFIG;
}

/* How many keys from @first on are of one account, and is its password among them? */
static size_t measure(const struct sasldb *sasldb, size_t first, struct ma_span name,
		      bool *has_password_out)
{
	struct parts parts;
	size_t n;

	*has_password_out = false;
	for (n = 0; first + n < sasldb->n_keys; n++) {
		if (!split(key_at(sasldb, first + n), &parts) ||
		    !ma_span_equal(parts.account, name))
			break;
		if (ma_span_equal(parts.property, ma_span_text(PASSWORD)))
			*has_password_out = true;
	}
	return n;
}

static enum mailauth_status read_account(struct account *account, size_t first, size_t n,
					 bool has_password, char *why)
{
	enum mailauth_status status = MAILAUTH_OK;

	for (size_t i = first; status == MAILAUTH_OK && i < first + n; i++) {
		struct ma_span key = key_at(account->sasldb, i);
		const struct property *property;
		struct parts parts;

		if (!split(key, &parts))
			continue;
		property = find_property(parts.property);
		if (property == NULL)
			note_unknown(account, parts.property);
		/* The others are made of it, if they are not older. */
		else if (!has_password || property->take == take_password)
			status = read_property(account, key, property, why);
	}
	return status;
}

static enum mailauth_status sasldb_next(struct ma_import *import, struct ma_entry *entry_out,
					char *why)
{
	struct sasldb *sasldb = (struct sasldb *)import;
	struct account account = {.sasldb = sasldb, .entry = entry_out};
	const struct ma_span at = ma_span_text("@");
	struct ma_span key;
	struct parts parts;
	bool has_password;
	size_t first = sasldb->next;
	size_t n;

	ma_entry_init(entry_out);
	ma_buf_reset(&sasldb->texts);
	sasldb->note[0] = '\0';
	why[0] = '\0';
	if (first == sasldb->n_keys)
		return MAILAUTH_E_NOTFOUND;
	key = key_at(sasldb, first);
	if (!split(key, &parts)) {
		sasldb->next++;
		ma_why(why, "the key %.*s is none of Cyrus SASL's",
		       key.len < NAME_SHOWN ? (int)key.len : NAME_SHOWN, (const char *)key.p);
		return MAILAUTH_E_USAGE;
	}
	n = measure(sasldb, first, parts.account, &has_password);
	sasldb->next += n;
	account.user = parts.user;
	account.realm = parts.realm;
	entry_out->name = join(sasldb, (struct ma_span[]){parts.user, at, parts.realm},
			       parts.realm.len > 0 ? 3 : 1);
	if (ma_buf_status(&sasldb->texts) != MAILAUTH_OK) {
		ma_why(why, "its name is too long");
		return MAILAUTH_E_USAGE;
	}
	return read_account(&account, first, n, has_password, why);
}

/* ---- the file ---- */

static enum mailauth_status refuse(char *why, const char *path, const char *reason,
				   const char *advice)
{
	ma_why(why, "%s %s; %s", path, reason, advice);
	return MAILAUTH_E_CONFIG;
}

static uint32_t get_native(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* Either byte order: the file may come from another machine. */
static bool is_magic(uint32_t got, uint32_t want)
{
	return got == want || __builtin_bswap32(got) == want;
}

static bool is_gdbm(const uint8_t *header)
{
	for (uint32_t i = 0; i < 5; i++)
		if (is_magic(get_native(header), GDBM_MAGIC + i))
			return true;
	return false;
}

/* What is it, if not what it should be? Says so before libdb says "Invalid argument". */
static enum mailauth_status check_header(const char *path, const uint8_t *header, char *why)
{
	static const char other[] = "mailuser-json(5) shows how to import it through a JSON file";

	if (is_gdbm(header))
		return refuse(why, path, "is a gdbm file, and only Berkeley DB is read here",
			      other);
	if (is_magic(get_native(header + LMDB_MAGIC_AT), LMDB_MAGIC))
		return refuse(why, path, "is an LMDB file, and only Berkeley DB is read here",
			      other);
	if (!is_magic(get_native(header + DB_MAGIC_AT), DB_HASHMAGIC))
		return refuse(why, path, "is not a hash file of Berkeley DB", "is it a sasldb2?");
	return MAILAUTH_OK;
}

static enum mailauth_status check_file(const char *path, char *why)
{
	uint8_t header[HEADER_LEN] = {0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t len = fd < 0 ? -1 : pread(fd, header, sizeof(header), 0);
	int error = errno;

	if (fd >= 0)
		(void)close(fd);
	if (len < 0)
		return refuse(why, path, strerror(error),
			      "Cyrus SASL's option sasldb_path may name another file");
	return check_header(path, header, why);
}

static enum mailauth_status lack_memory(char *why)
{
	ma_why(why, "out of memory");
	return MAILAUTH_E_NOMEM;
}

static enum mailauth_status refuse_error(char *why, const char *path, int error)
{
	char reason[MA_WHY_MAX];

	if (error == ENOMEM)
		return lack_memory(why);
	ma_why(reason, "cannot be read: %s", db_strerror(error));
	if (error == DB_OLD_VERSION)
		return refuse(why, path, reason, "run db_upgrade(1) on a copy of it");
	return refuse(why, path, reason,
		      "if another program changes it now, try again; else look at it with "
		      "db_verify(1)");
}

static void be_silent(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	(void)text;
}

/* What libdb gives back had passwords in it. */
static void wipe_and_free(void *p)
{
	if (p != NULL)
		ma_wipe(p, malloc_usable_size(p));
	ma_free(p);
}

static int make_handle(DB **db_out)
{
	int error = db_env_set_func_free(wipe_and_free);

	if (error == 0)
		error = db_create(db_out, NULL, 0);
	if (error == 0)
		(*db_out)->set_errcall(*db_out, be_silent);
	return error;
}

/*
 * libdb trusts what it reads; only its verification does not. Not so the order of keys: where that
 * is wrong, libdb 5.3 prints the page on standard output, with the passwords.
 */
static int verify(const char *path)
{
	DB *db = NULL;
	int error = make_handle(&db);

	/* Frees the handle. */
	return error != 0 ? error : db->verify(db, path, NULL, NULL, DB_NOORDERCHK);
}

static int open_database(const char *path, DB **db_out)
{
	int error = verify(path);

	if (error == 0)
		error = make_handle(db_out);
	if (error == 0)
		error = (*db_out)->open(*db_out, NULL, path, NULL, DB_HASH, DB_RDONLY, 0);
	return error;
}

static enum mailauth_status add_key(struct sasldb *sasldb, const DBT *db_key, size_t *n_good)
{
	struct ma_span bytes = ma_span(db_key->data, db_key->size);
	const struct key key = {.at = sasldb->keys.len, .len = bytes.len};
	struct parts parts;

	if (split(bytes, &parts))
		(*n_good)++;
	ma_buf_put(&sasldb->keys, bytes);
	ma_buf_put(&sasldb->index, ma_span(&key, sizeof(key)));
	sasldb->n_keys++;
	return ma_buf_status(&sasldb->keys) != MAILAUTH_OK ? ma_buf_status(&sasldb->keys)
							   : ma_buf_status(&sasldb->index);
}

/* Walks through all keys, without their values. */
static enum mailauth_status walk(struct sasldb *sasldb, DBC *cursor, size_t *n_good, int *error_out)
{
	DBT value = {.flags = DB_DBT_PARTIAL};
	DBT key = {.size = 0};
	enum mailauth_status status = MAILAUTH_OK;

	while (status == MAILAUTH_OK) {
		*error_out = cursor->get(cursor, &key, &value, DB_NEXT);
		if (*error_out != 0)
			break;
		status = add_key(sasldb, &key, n_good);
	}
	return status;
}

static enum mailauth_status collect_keys(struct sasldb *sasldb, const char *path, char *why)
{
	enum mailauth_status status = MAILAUTH_OK;
	DBC *cursor = NULL;
	size_t n_good = 0;
	int error = sasldb->db->cursor(sasldb->db, NULL, &cursor, 0);

	if (error != 0)
		return refuse_error(why, path, error);
	status = walk(sasldb, cursor, &n_good, &error);
	(void)cursor->close(cursor);
	if (status == MAILAUTH_E_LIMIT)
		return refuse(why, path, "has more than 1 GiB of keys", "is it a sasldb2?");
	if (status != MAILAUTH_OK)
		return lack_memory(why);
	if (error != DB_NOTFOUND)
		return refuse_error(why, path, error);
	if (n_good == 0 && sasldb->n_keys > 0)
		return refuse(why, path, "is a hash file of Berkeley DB without an account in it",
			      "is it a sasldb2?");
	if (sasldb->n_keys > 0)
		qsort_r(sasldb->index.p, sasldb->n_keys, sizeof(struct key), compare_keys, sasldb);
	return MAILAUTH_OK;
}

static void sasldb_close(struct ma_import **import)
{
	struct sasldb *sasldb = (struct sasldb *)*import;

	if (sasldb == NULL)
		return;
	if (sasldb->db != NULL)
		(void)sasldb->db->close(sasldb->db, 0);
	ma_buf_clear(&sasldb->keys);
	ma_buf_clear(&sasldb->index);
	ma_buf_clear(&sasldb->texts);
	ma_free(sasldb);
	*import = NULL;
}

static enum mailauth_status open_file(struct sasldb *sasldb, const char *path, char *why)
{
	enum mailauth_status status = check_file(path, why);
	int error;

	if (status != MAILAUTH_OK)
		return status;
	error = open_database(path, &sasldb->db);
	if (error != 0)
		return refuse_error(why, path, error);
	return collect_keys(sasldb, path, why);
}

static enum mailauth_status sasldb_open(const struct ma_import_params *params,
					struct ma_import **import_out, char *why)
{
	struct sasldb *sasldb = ma_alloc(sizeof(*sasldb));
	enum mailauth_status status;

	*import_out = NULL;
	if (sasldb == NULL)
		return lack_memory(why);
	sasldb->import.format = &ma_format_sasldb;
	sasldb->keys = ma_buf(KEYS_MAX);
	sasldb->index = ma_buf(KEYS_MAX);
	sasldb->texts = ma_buf_fixed(sasldb->texts_bytes, TEXTS_MAX);
	*import_out = &sasldb->import;
	status = open_file(sasldb, params->file != NULL ? params->file : FILE_DEFAULT, why);
	if (status != MAILAUTH_OK)
		sasldb_close(import_out);
	return status;
}

const struct ma_format ma_format_sasldb = {
	.name = "sasldb",
	.summary = "sasldb2 of Cyrus SASL",
	.default_file = FILE_DEFAULT,
	.open = sasldb_open,
	.next = sasldb_next,
	.close = sasldb_close,
	.put = NULL,
};
