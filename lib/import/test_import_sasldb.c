/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_import_sasldb.c - the accounts of Cyrus SASL's sasldb2
 *
 * The files are made here with libdb, byte for byte as saslpasswd2(8) would;
 * tests/e2e/test_sasldb_import.py has it make one.
 */
#include "import/import.h"

#include <db.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"
#include "util/codec.h"
#include "util/hash.h"

extern const struct ma_format ma_format_sasldb;

#define N_MANY	   1000
#define VALUE_LONG 8193 /* more than Cyrus SASL reads */

static struct ma_import *import;
static struct ma_entry entry;
static char why[MA_WHY_MAX];

static DB *new_database(const char *name, DBTYPE type)
{
	DB *db;

	ck_assert_int_eq(db_create(&db, NULL, 0), 0);
	ck_assert_int_eq(db->open(db, NULL, support_path(name), NULL, type, DB_CREATE, 0600), 0);
	return db;
}

static DBT dbt_of(struct ma_span span)
{
	const union {
		const void *in;
		void *out;
	} address = {.in = span.p};

	return (DBT){.data = address.out, .size = (uint32_t)span.len};
}

static void put(DB *db, struct ma_span key, struct ma_span value)
{
	DBT db_key = dbt_of(key);
	DBT db_value = dbt_of(value);

	ck_assert_int_eq(db->put(db, NULL, &db_key, &db_value, 0), 0);
}

/* _sasldb_putdata() of Cyrus SASL 2.1.28 */
static void put_property(DB *db, const char *user, const char *realm, const char *property,
			 struct ma_span value)
{
	char key[1024];
	size_t len = strlen(user) + 1 + strlen(realm) + 1 + strlen(property);

	(void)snprintf(key, sizeof(key), "%s%c%s%c%s", user, 0, realm, 0, property);
	put(db, ma_span(key, len), value);
}

static void put_text(DB *db, const char *user, const char *realm, const char *property,
		     const char *text)
{
	put_property(db, user, realm, property, ma_span_text(text));
}

static void close_database(DB *db)
{
	ck_assert_int_eq(db->close(db, 0), 0);
}

static enum mailauth_status open_file(const char *path)
{
	const struct ma_import_params params = {.file = path};

	return ma_format_sasldb.open(&params, &import, why);
}

static enum mailauth_status next(void)
{
	return ma_format_sasldb.next(import, &entry, why);
}

static void close_all(void)
{
	ma_format_sasldb.close(&import);
	ck_assert_ptr_null(import);
}

/* Opens what @fill wrote. */
static void open_filled(void (*fill)(DB *db))
{
	DB *db = new_database("sasldb2", DB_HASH);

	fill(db);
	close_database(db);
	support_status("open", open_file(support_path("sasldb2")), MAILAUTH_OK);
}

static void remove_files(void)
{
	support_reset();
	(void)remove(support_path("sasldb2"));
}

/* ---- accounts ---- */

static void fill_few(DB *db)
{
	put_text(db, "bob", "lab.test", "userPassword", "two");
	put_text(db, "alice", "example.org", "cmusaslsecretOTP", "sha1\t0499\tseed\t0123\t0");
	put_text(db, "alice", "example.org", "userPassword", "one");
	put_text(db, "alice", "example.org", "cmusaslsecretCRAM-MD5", "short");
	put_text(db, "bob", "", "userPassword", "three");
	put_text(db, "bo", "blab.test", "userPassword", "four");
}

START_TEST(groups_the_properties_of_an_account)
{
	static const char *const want[][3] = {
		{"alice@example.org", "one",
		 "cmusaslsecretOTP did not come along: there is no mechanism for it here"},
		{"bo@blab.test", "four", NULL},
		{"bob", "three", NULL},
		{"bob@lab.test", "two", NULL},
	};

	open_filled(fill_few);
	for (size_t i = 0; i < MA_ARRAY_SIZE(want); i++) {
		support_status(want[i][0], next(), MAILAUTH_OK);
		ck_assert_str_eq(entry.name, want[i][0]);
		ck_assert_str_eq(entry.password, want[i][1]);
		ck_assert_uint_eq(entry.n_secrets, 0);
		ck_assert_pstr_eq(entry.note, want[i][2]);
		ck_assert_uint_eq(entry.line, 0);
		ck_assert(!entry.no_login);
	}
	ck_assert_int_eq(next(), MAILAUTH_E_NOTFOUND);
	ck_assert_int_eq(next(), MAILAUTH_E_NOTFOUND);
	close_all();
}
END_TEST

/* How many descriptors lead to a file, and may any of them write? */
static int count_open(const struct stat *file, bool *may_write_out)
{
	int n = 0;

	*may_write_out = false;
	for (int fd = 0; fd < 256; fd++) {
		struct stat info;

		if (fstat(fd, &info) != 0 || info.st_ino != file->st_ino ||
		    info.st_dev != file->st_dev)
			continue;
		n++;
		if ((fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
			*may_write_out = true;
	}
	return n;
}

START_TEST(leaves_the_file_as_it_is)
{
	bool may_write;
	struct stat before;
	struct stat after;

	open_filled(fill_few);
	close_all();
	ck_assert_int_eq(chmod(support_path("sasldb2"), 0400), 0);
	ck_assert_int_eq(stat(support_path("sasldb2"), &before), 0);
	support_status("open", open_file(support_path("sasldb2")), MAILAUTH_OK);
	ck_assert_int_ge(count_open(&before, &may_write), 1);
	ck_assert(!may_write);
	while (next() == MAILAUTH_OK)
		;
	close_all();
	ck_assert_int_eq(count_open(&before, &may_write), 0);
	ck_assert_int_eq(stat(support_path("sasldb2"), &after), 0);
	ck_assert_mem_eq(&after.st_mtim, &before.st_mtim, sizeof(after.st_mtim));
	ck_assert_uint_eq(after.st_ino, before.st_ino);
}
END_TEST

/* ---- secrets of version 1 ---- */

#define PASSWORD "tanstaaftanstaaf"
#define CRAM	 "5211b25404b61f715e033eca6b1115701b4e6dd0a4cafc260118b6b0a3402313"
#define SCRAM                                                                                      \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"                                             \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                                            \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

static void put_digest(DB *db, const char *user)
{
	char text[128] = "";
	uint8_t hash[MA_MD5_LEN];
	struct ma_span whole = ma_span(text, 0);

	whole.len = (size_t)snprintf(text, sizeof(text), "%s:example.org:" PASSWORD, user);
	ma_md5(&whole, 1, hash);
	put_property(db, user, "example.org", "cmusaslsecretDIGEST-MD5",
		     ma_span(hash, sizeof(hash)));
}

/* lib/checkpw.c, _sasl_make_plain_secret() */
static void put_plain(DB *db, const char *user, size_t len)
{
	uint8_t secret[33] = "0123456789abcdef";
	const struct ma_span parts[] = {ma_span(secret, 16), ma_span_text("sasldb" PASSWORD)};

	ma_md5(parts, 2, secret + 17);
	put_property(db, user, "example.org", "cmusaslsecretPLAIN", ma_span(secret, len));
}

static void fill_version1(DB *db)
{
	uint8_t cram[MA_HMAC_MD5_STATE];

	ck_assert_uint_eq(support_unhex(CRAM, cram, sizeof(cram)), sizeof(cram));
	put_property(db, "tim", "example.org", "cmusaslsecretCRAM-MD5", ma_span(cram, 32));
	put_digest(db, "tim");
	put_plain(db, "tim", 33);
}

START_TEST(takes_over_secrets_where_the_password_is_not_known)
{
	static const char *const mechs[] = {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"};
	const struct mailauth_request request = {.size = sizeof(request),
						 .flags = MAILAUTH_REQUEST_TLS};
	const struct ma_import_rules rules = {.realm = NULL};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user;

	open_filled(fill_version1);
	support_status("tim", next(), MAILAUTH_OK);
	ck_assert_str_eq(entry.name, "tim@example.org");
	ck_assert_ptr_null(entry.password);
	ck_assert_ptr_null(entry.note);
	ck_assert_str_eq(ma_entry_secret(&entry, "cram-md5"), CRAM);
	support_status(why, ma_import_user(ctx, &entry, &rules, &user, why), MAILAUTH_OK);
	ck_assert_int_eq(mailauth_user_add(user), MAILAUTH_OK);
	for (size_t i = 0; i < MA_ARRAY_SIZE(mechs); i++) {
		support_status(mechs[i], support_login(ctx, mechs[i], &request, "tim", PASSWORD),
			       MAILAUTH_OK);
		support_status(mechs[i], support_login(ctx, mechs[i], &request, "tim", "wrong"),
			       MAILAUTH_E_DENIED);
	}
	mailauth_user_free(&user);
	close_all();
	mailauth_free(&ctx);
}
END_TEST

static void fill_scram(DB *db)
{
	put_text(db, "user", "example.org", "authPassword", SCRAM);
}

START_TEST(takes_over_scram)
{
	open_filled(fill_scram);
	support_status("user", next(), MAILAUTH_OK);
	ck_assert_uint_eq(entry.n_secrets, 1);
	ck_assert_str_eq(entry.secrets[0].kind, "scram-sha-256");
	ck_assert_str_eq(entry.secrets[0].text, SCRAM);
	ck_assert_ptr_null(entry.note);
	close_all();
}
END_TEST

static void fill_useless(DB *db)
{
	static const uint8_t zeros[VALUE_LONG];

	put_property(db, "a", "t", "cmusaslsecretCRAM-MD5", ma_span(zeros, 31));
	put_property(db, "b", "t", "cmusaslsecretCRAM-MD5", ma_span(zeros, 33));
	put_property(db, "c", "t", "cmusaslsecretDIGEST-MD5", ma_span(zeros, 15));
	put_digest(db, "Dora1");
	put_plain(db, "e", 32);
	put_text(db, "f", "t", "authPassword", "SCRAM-SHA-384$4096:AA==$AA==:AA==");
	put_text(db, "g", "t", "authPassword", "{SSHA}0123");
	put_text(db, "h", "t", "authPassword", "");
	put_text(db, "i", "t", "userPassword", "");
	put_property(db, "j", "t", "userPassword", ma_span(zeros, sizeof(zeros)));
	put_text(db, "k", "t", "mail\x1b[2J", "x");
	put_property(db, "l", "t", "userPassword", ma_span("\0x", 2));
	put_property(db, "m", "t", "authPassword", ma_span("SCRAM-SHA-1$1:\0AA==$A:A", 21));
	put_property(db, "n", "t", "cmusaslsecretPLAIN",
		     ma_span("0123456789abcdefghijklmnopqrstuvw", 33));
	put_text(db, "o", "t", "a property with a name of more than 40 bytes", "x");
	put_text(db, "p", "t", "mail", "x");
	put_text(db, "p", "t", "uid", "x");
}

static const struct {
	const char *name;
	const char *note;
	bool no_login;
} useless[] = {
	{"Dora1@example.org",
	 "cmusaslsecretDIGEST-MD5 did not come along: it is for a name with "
	 "capital letters",
	 false},
	{"a@t", "cmusaslsecretCRAM-MD5 did not come along: it is not 32 bytes long", false},
	{"b@t", "cmusaslsecretCRAM-MD5 did not come along: it is not 32 bytes long", false},
	{"c@t", "cmusaslsecretDIGEST-MD5 did not come along: it is not 16 bytes long", false},
	{"e@example.org", "cmusaslsecretPLAIN did not come along: it is not a salt and a hash",
	 false},
	{"f@t",
	 "authPassword did not come along: it is for none of SCRAM-SHA-1, SCRAM-SHA-256 and "
	 "SCRAM-SHA-512",
	 false},
	{"g@t",
	 "authPassword did not come along: it is for none of SCRAM-SHA-1, SCRAM-SHA-256 and "
	 "SCRAM-SHA-512",
	 false},
	{"h@t",
	 "authPassword did not come along: it is for none of SCRAM-SHA-1, SCRAM-SHA-256 and "
	 "SCRAM-SHA-512",
	 false},
	{"i@t",
	 "userPassword did not come along: it is empty, and no mechanism takes an empty "
	 "password",
	 true},
	{"j@t", "userPassword did not come along: it is longer than 8192 bytes", false},
	{"k@t", "mail?[2J did not come along: there is no mechanism for it here", false},
	{"l@t",
	 "userPassword did not come along: it is empty, and no mechanism takes an empty "
	 "password",
	 true},
	{"m@t",
	 "authPassword did not come along: it is for none of SCRAM-SHA-1, SCRAM-SHA-256 and "
	 "SCRAM-SHA-512",
	 false},
	{"n@t", "cmusaslsecretPLAIN did not come along: it is not a salt and a hash", false},
	{"o@t",
	 "a property with a name of more than 40 b did not come along: there is no mechanism for "
	 "it here",
	 false},
	{"p@t",
	 "mail did not come along: there is no mechanism for it here; uid did not come along: "
	 "there is no mechanism for it here",
	 false},
};

START_TEST(names_what_does_not_come_along)
{
	open_filled(fill_useless);
	for (size_t i = 0; i < MA_ARRAY_SIZE(useless); i++) {
		support_status(useless[i].name, next(), MAILAUTH_OK);
		ck_assert_str_eq(entry.name, useless[i].name);
		ck_assert_pstr_eq(entry.note, useless[i].note);
		ck_assert(entry.no_login == useless[i].no_login);
		ck_assert_uint_eq(entry.n_secrets, 0);
		ck_assert_ptr_null(entry.password);
	}
	ck_assert_int_eq(next(), MAILAUTH_E_NOTFOUND);
	close_all();
}
END_TEST

/* ---- passwords and names ---- */

static void fill_odd(DB *db)
{
	static char name[400];

	memset(name, 'n', sizeof(name) - 1);
	put_property(db, "1nul", "t", "userPassword", ma_span("tan\0staaf", 9));
	put_text(db, "2latin", "t", "userPassword", "Gr\xfc\xdf");
	put_text(db, "3 space", "t", "userPassword", "x");
	put_text(db, "4a@b", "t", "userPassword", "x");
	put_text(db, "5\x1b", "t", "userPassword", "x");
	put_text(db, "6Fold", "T", "userPassword", "x");
	put_text(db, name, "t", "userPassword", "x");
}

static const struct {
	const char *begin;
	const char *name; /* of the account; NULL: refused */
	const char *password;
} odd[] = {
	{"1nul@t", "1nul@t", "tan"},
	{"2latin@t", NULL, NULL},
	{"3 space@t", NULL, NULL},
	{"4a@b@t", NULL, NULL},
	{"5\x1b@t", NULL, NULL},
	{"6Fold@T", "6fold@t", "x"},
	{"nnnnnnnnnnnnnnnnnnn", NULL, NULL},
};

START_TEST(gives_names_and_passwords_as_they_are)
{
	static const char *const mechs[] = {"PLAIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1",
					    "SCRAM-SHA-256"};
	const struct ma_import_rules rules = {.realm = NULL};
	const struct mailauth_request request = {.size = sizeof(request),
						 .flags = MAILAUTH_REQUEST_TLS};
	struct mailauth *ctx = support_open("", NULL);

	open_filled(fill_odd);
	for (size_t i = 0; i < MA_ARRAY_SIZE(odd); i++) {
		struct mailauth_user *user;
		enum mailauth_status status;

		support_status(odd[i].begin, next(), MAILAUTH_OK);
		ck_assert_int_eq(strncmp(entry.name, odd[i].begin, strlen(odd[i].begin)), 0);
		status = ma_import_user(ctx, &entry, &rules, &user, why);
		support_status(odd[i].begin, status,
			       odd[i].name != NULL ? MAILAUTH_OK : MAILAUTH_E_USAGE);
		if (odd[i].name == NULL) {
			ck_assert_str_ne(why, "");
			continue;
		}
		ck_assert_int_eq(mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
		for (size_t m = 0; m < MA_ARRAY_SIZE(mechs); m++)
			support_status(mechs[m],
				       support_login(ctx, mechs[m], &request, odd[i].name,
						     odd[i].password),
				       MAILAUTH_OK);
	}
	ck_assert_int_eq(next(), MAILAUTH_E_NOTFOUND);
	close_all();
	mailauth_free(&ctx);
}
END_TEST

/* All texts of an account have one place. */
static void fill_too_long(DB *db)
{
	static const char end[] = "\0t\0userPassword";
	static char key[8 * 8192 + sizeof(end) - 1];

	memset(key, 'n', sizeof(key));
	memcpy(key + sizeof(key) - sizeof(end) + 1, end, sizeof(end) - 1);
	put(db, ma_span(key, sizeof(key)), ma_span_text("x"));
	put_text(db, "z", "t", "userPassword", "x");
}

START_TEST(refuses_a_name_longer_than_all_texts_and_goes_on)
{
	open_filled(fill_too_long);
	support_status("long", next(), MAILAUTH_E_USAGE);
	ck_assert_str_eq(why, "its name is too long");
	ck_assert_str_eq(entry.name, "");
	support_status("z", next(), MAILAUTH_OK);
	ck_assert_str_eq(entry.name, "z@t");
	ck_assert_int_eq(next(), MAILAUTH_E_NOTFOUND);
	close_all();
}
END_TEST

/* ---- keys ---- */

static void fill_bad_keys(DB *db)
{
	put_text(db, "alice", "t", "userPassword", "x");
	put(db, ma_span("b", 1), ma_span_text("x"));
	put(db, ma_span("c\0t", 3), ma_span_text("x"));
	put(db, ma_span("d\0t\0", 4), ma_span_text("x"));
	put(db, ma_span("e\0t\0userPassword\0", 17), ma_span_text("x"));
	put(db, ma_span("\0t\0userPassword", 15), ma_span_text("x"));
	put(db, ma_span("", 0), ma_span_text("x"));
	put(db, ma_span_text("a key of one part that has more than 40 bytes"), ma_span_text("x"));
}

START_TEST(reports_each_key_that_is_none)
{
	unsigned int n_good = 0;
	unsigned int n_bad = 0;
	enum mailauth_status status;

	open_filled(fill_bad_keys);
	while ((status = next()) != MAILAUTH_E_NOTFOUND) {
		if (status == MAILAUTH_OK) {
			n_good++;
			ck_assert_str_eq(entry.name, "alice@t");
			continue;
		}
		ck_assert_int_eq(status, MAILAUTH_E_USAGE);
		ck_assert_ptr_nonnull(strstr(why, "is none of Cyrus SASL's"));
		n_bad++;
	}
	ck_assert_uint_eq(n_good, 1);
	ck_assert_uint_eq(n_bad, 7);
	close_all();
}
END_TEST

/* ---- files ---- */

static void fill_nothing(DB *db)
{
	(void)db;
}

START_TEST(takes_an_empty_file_of_the_right_form)
{
	open_filled(fill_nothing);
	ck_assert_int_eq(next(), MAILAUTH_E_NOTFOUND);
	close_all();
}
END_TEST

static void refuses(const char *path, const char *want)
{
	support_status(want, open_file(path), MAILAUTH_E_CONFIG);
	ck_assert_ptr_null(import);
	ck_assert_msg(strstr(why, want) != NULL, "got '%s', want '...%s...'", why, want);
	ck_assert_msg(strstr(why, path) != NULL, "%s does not name %s", why, path);
	ma_format_sasldb.close(&import);
}

START_TEST(refuses_a_file_that_is_not_there)
{
	const char *path = support_path("missing");

	refuses(path, "No such file");
	ck_assert_ptr_nonnull(strstr(why, "sasldb_path"));
	ck_assert_int_ne(access(path, F_OK), 0);
	refuses(support_folder(), "Is a directory");
}
END_TEST

static const struct {
	uint8_t bytes[32];
	size_t len;
	const char *why;
} foreign[] = {
	{"", 0, "is not a hash file of Berkeley DB"},
	{"alice:x:1000:1000::/:/bin/sh\n", 29, "is not a hash file of Berkeley DB"},
	{{0xcf, 0x9a, 0x57, 0x13}, 32, "is a gdbm file"},
	{{0xce, 0x9a, 0x57, 0x13}, 32, "is a gdbm file"},
	{{0xcd, 0x9a, 0x57, 0x13}, 4, "is a gdbm file"},
	{{0x13, 0x57, 0x9a, 0xcf}, 32, "is a gdbm file"},
	{{[16] = 0xde, 0xc0, 0xef, 0xbe}, 32, "is an LMDB file"},
	{{[12] = 0x62, 0x31, 0x05, 0x00}, 32, "is not a hash file of Berkeley DB"},
	{{[12] = 0x61, 0x15, 0x06, 0x00}, 32, "cannot be read"}, /* the magic alone */
};

START_TEST(refuses_files_of_another_kind)
{
	refuses(support_file("foreign", foreign[_i].bytes, foreign[_i].len), foreign[_i].why);
}
END_TEST

START_TEST(refuses_databases_that_are_no_sasldb)
{
	DB *db = new_database("aliases.db", DB_HASH);

	put(db, ma_span("postmaster", 11), ma_span("root", 5));
	close_database(db);
	refuses(support_path("aliases.db"), "without an account in it");
	close_database(new_database("tree.db", DB_BTREE));
	refuses(support_path("tree.db"), "is not a hash file of Berkeley DB");
}
END_TEST

static void fill_many(DB *db)
{
	char user[32];
	char password[32];

	for (int i = 0; i < N_MANY; i++) {
		(void)snprintf(user, sizeof(user), "user%d", i);
		(void)snprintf(password, sizeof(password), "password-%d", i);
		put_text(db, user, i % 2 == 0 ? "example.org" : "lab.test", "userPassword",
			 password);
	}
}

#define DAMAGE_MAX 200

static bool write_file(const char *path, const uint8_t *bytes, size_t len)
{
	FILE *file = fopen(path, "we");
	bool ok = file != NULL && fwrite(bytes, 1, len, file) == len;

	return file != NULL && fclose(file) == 0 && ok;
}

/* How many of the damaged files are refused; -1: something else came of one. */
static int read_damaged(const char *path, uint8_t *bytes, size_t len)
{
	int n_refused = 0;

	for (size_t i = 0; i < DAMAGE_MAX; i++) {
		size_t at = i < DAMAGE_MAX / 2 ? i : (i * 7919) % len; /* page 0 above all */
		enum mailauth_status status;

		bytes[at] ^= 0xff;
		if (!write_file(path, bytes, i % 10 == 9 ? len - 1000 : len))
			return -1;
		bytes[at] ^= 0xff;
		status = open_file(path);
		n_refused += status == MAILAUTH_E_CONFIG;
		while (status == MAILAUTH_OK || status == MAILAUTH_E_USAGE)
			status = next();
		if (status != MAILAUTH_E_CONFIG && status != MAILAUTH_E_NOTFOUND)
			return -1;
		ma_format_sasldb.close(&import);
	}
	return n_refused;
}

static size_t read_file(const char *path, uint8_t *bytes, size_t size)
{
	FILE *file = fopen(path, "re");
	size_t len;

	ck_assert_ptr_nonnull(file);
	len = fread(bytes, 1, size, file);
	ck_assert_int_eq(fclose(file), 0);
	return len;
}

/*
 * Whatever happened to the file: no crash, and nothing of it is printed. In a child that ends at
 * once, as libdb does not free all it has where it refuses a file.
 */
START_TEST(survives_damage)
{
	static uint8_t bytes[1u << 20];
	const char *output = support_file("output", "", 0);
	const char *damaged = support_path("damaged");
	int fd = open(output, O_RDWR | O_APPEND | O_CLOEXEC);
	struct stat printed;
	size_t len;
	int status = -1;
	pid_t child;

	ck_assert_int_ge(fd, 0);
	open_filled(fill_many);
	close_all();
	len = read_file(support_path("sasldb2"), bytes, sizeof(bytes));
	ck_assert_uint_gt(len, 16384);
	ck_assert_uint_lt(len, sizeof(bytes));
	child = fork();
	if (child == 0) {
		int n_refused = -1;

		if (dup2(fd, STDOUT_FILENO) >= 0 && dup2(fd, STDERR_FILENO) >= 0)
			n_refused = read_damaged(damaged, bytes, len);
		(void)fflush(stdout);
		_exit(n_refused > DAMAGE_MAX / 4 ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(fstat(fd, &printed), 0);
	ck_assert_int_eq(printed.st_size, 0);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* ---- 1,000 users ---- */

START_TEST(imports_a_thousand_users_who_log_in)
{
	static const char *const mechs[] = {"PLAIN", "CRAM-MD5", "DIGEST-MD5"};
	const struct mailauth_request request = {.size = sizeof(request),
						 .flags = MAILAUTH_REQUEST_TLS};
	const struct ma_import_rules rules = {.realm = NULL};
	struct mailauth *ctx = support_open("mechanisms = PLAIN CRAM-MD5 DIGEST-MD5\n", NULL);
	struct mailauth_batch *batch;

	ck_assert_int_eq(mailauth_batch_new(ctx, &batch), MAILAUTH_OK);
	open_filled(fill_many);
	while (next() == MAILAUTH_OK) {
		struct mailauth_user *user;

		support_status(entry.name, ma_import_user(ctx, &entry, &rules, &user, why),
			       MAILAUTH_OK);
		ck_assert_int_eq(mailauth_batch_put(batch, user), MAILAUTH_OK);
		mailauth_user_free(&user);
	}
	close_all();
	ck_assert_uint_eq(mailauth_batch_count(batch), N_MANY);
	ck_assert_int_eq(mailauth_batch_commit(batch, NULL), MAILAUTH_OK);
	mailauth_batch_free(&batch);
	for (int i = 0; i < N_MANY; i++) {
		char name[64];
		char password[32];

		(void)snprintf(name, sizeof(name), "user%d@%s", i,
			       i % 2 == 0 ? "example.org" : "lab.test");
		(void)snprintf(password, sizeof(password), "password-%d", i);
		for (size_t m = 0; m < MA_ARRAY_SIZE(mechs); m++)
			support_status(name, support_login(ctx, mechs[m], &request, name, password),
				       MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("import_sasldb");
	TCase *tcase = tcase_create("import_sasldb");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, remove_files, NULL);
	tcase_add_test(tcase, groups_the_properties_of_an_account);
	tcase_add_test(tcase, leaves_the_file_as_it_is);
	tcase_add_test(tcase, takes_over_secrets_where_the_password_is_not_known);
	tcase_add_test(tcase, takes_over_scram);
	tcase_add_test(tcase, names_what_does_not_come_along);
	tcase_add_test(tcase, gives_names_and_passwords_as_they_are);
	tcase_add_test(tcase, refuses_a_name_longer_than_all_texts_and_goes_on);
	tcase_add_test(tcase, reports_each_key_that_is_none);
	tcase_add_test(tcase, takes_an_empty_file_of_the_right_form);
	tcase_add_test(tcase, refuses_a_file_that_is_not_there);
	tcase_add_loop_test(tcase, refuses_files_of_another_kind, 0, MA_ARRAY_SIZE(foreign));
	tcase_add_test(tcase, refuses_databases_that_are_no_sasldb);
	tcase_add_test(tcase, survives_damage);
	tcase_add_test(tcase, imports_a_thousand_users_who_log_in);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
