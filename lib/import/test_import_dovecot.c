/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_import_dovecot.c - passwd-file of Dovecot: schemes, encodings, extra fields, and back
 *
 * The lines of `passwords` and what they mean were made by `doveadm pw` of Dovecot 2.3.19; the
 * password is "tanstaaftanstaaf", the user tim@lab.test.
 */
#include "import/import.h"

#include "import/test_import.h"
#include "support.h"
#include "util/mem.h"

#define CRAM_DOVECOT "d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b"
#define CRAM_OURS    "5211b25404b61f715e033eca6b1115701b4e6dd0a4cafc260118b6b0a3402313"
#define CRAM_BASE64  "0G1OGyb8yqSwthgBEyNAo1SyEVJxH7YEyj4DXnAVEWs="
#define MD5	     "$1$7K6rmBBX$BEzLZVEFIe8/0/avvkumP0"
#define BLF	     "$2y$05$CYeEIYW9yVAmgqmBSEQ0uOVopmWGu5cJppx4RV1Oxo9ODhnbTdFEi"
#define SHA512                                                                                     \
	"$6$NaEGuKqAjefz1xFY$vXoA9cvy.zV.Wrz5kOrhhr/"                                              \
	"op1V0ua2b96X6nu1SdiAKKZeT7ugnMLDPdQKVQYaIVJzEP"                                           \
	"NYTI.E7Pk4YGLAKY1"

#define NO_NETS "allow_nets=255.255.255.255/32"

static struct ma_import *open_text(const char *text)
{
	const struct ma_import_params params = {.file = support_file("users", text, strlen(text)),
						NO_IDS};

	return open_import("dovecot", &params);
}

/* back: the password field that an export writes; NULL: the one that came in. */
static const struct {
	const char *field;
	const char *want;
	const char *back;
} passwords[] = {
	{"{PLAIN}tanstaaftanstaaf", "password=tanstaaftanstaaf", NULL},
	{"{plain}tan{staaf}", "password=tan{staaf}", "{PLAIN}tan{staaf}"},
	{"{CLEAR}x", "password=x", "{PLAIN}x"},
	{"{CLEARTEXT}x", "password=x", "{PLAIN}x"},
	{"{PLAIN.B64}dGFuc3RhYWZ0YW5zdGFhZg==", "password=tanstaaftanstaaf",
	 "{PLAIN}tanstaaftanstaaf"},
	{"{PLAIN.b64}YTpi", "password=a:b", NULL},
	{"{PLAIN.base64}YTpi", "password=a:b", "{PLAIN.b64}YTpi"},
	{"{PLAIN.HEX}613a62", "password=a:b", "{PLAIN.b64}YTpi"},
	{"{CRAM-MD5}" CRAM_DOVECOT, "cram-md5=" CRAM_OURS, NULL},
	{"{HMAC-MD5}" CRAM_DOVECOT, "cram-md5=" CRAM_OURS, "{CRAM-MD5}" CRAM_DOVECOT},
	{"{CRAM-MD5.B64}" CRAM_BASE64, "cram-md5=" CRAM_OURS, "{CRAM-MD5}" CRAM_DOVECOT},
	{"{CRAM-MD5}" CRAM_BASE64, "cram-md5=" CRAM_OURS, "{CRAM-MD5}" CRAM_DOVECOT},
	{"{DIGEST-MD5}2b4280505a7eb2e4aac655d19e4a075c",
	 "digest-md5=tim:lab.test:2b4280505a7eb2e4aac655d19e4a075c", NULL},
	{"2b4280505a7eb2e4aac655d19e4a075c[56]",
	 "digest-md5=tim:lab.test:2b4280505a7eb2e4aac655d19e4a075c",
	 "{DIGEST-MD5}2b4280505a7eb2e4aac655d19e4a075c"},
	{"{SCRAM-SHA-1}4096,dVuvu2guC9nAtJL1iuiApg==,XY6JZPGQpgWZp3OeiWCLjd25NSY=,"
	 "u+3St3hla9Yx4UEIl+zVek/Bxzs=",
	 "scram-sha-1=SCRAM-SHA-1$4096:dVuvu2guC9nAtJL1iuiApg==$XY6JZPGQpgWZp3OeiWCLjd25NSY=:"
	 "u+3St3hla9Yx4UEIl+zVek/Bxzs=",
	 NULL},
	{"{SCRAM-SHA-256}4096,ObKa/bertPtzpEE1U+ye9g==,"
	 "F6ugS50jhAeuerHts5RmMjKk8wFsej2kbQqTsvm4gh8=,"
	 "vmOzFQO/VqJGaQTKrg+Blcc/LRWZ+gDp/ZGlgi/9q/Y=",
	 "scram-sha-256=SCRAM-SHA-256$4096:ObKa/bertPtzpEE1U+ye9g==$"
	 "F6ugS50jhAeuerHts5RmMjKk8wFsej2kbQqTsvm4gh8=:"
	 "vmOzFQO/VqJGaQTKrg+Blcc/LRWZ+gDp/ZGlgi/9q/Y=",
	 NULL},
	{"{MD5-CRYPT}" MD5, "crypt=" MD5, NULL},
	{"{MD5}" MD5, "crypt=" MD5, "{MD5-CRYPT}" MD5},
	{MD5, "crypt=" MD5, "{MD5-CRYPT}" MD5},
	{"{BLF-CRYPT}" BLF, "crypt=" BLF, NULL},
	{"{SHA512-CRYPT}" SHA512, "crypt=" SHA512, NULL},
	{"{CRYPT}$5$rounds=1000$a$b", "crypt=$5$rounds=1000$a$b",
	 "{SHA256-CRYPT}$5$rounds=1000$a$b"},
	{"{CRYPT}abJnggxhB/yWI", "crypt=abJnggxhB/yWI", NULL},
	{"{DES-CRYPT}abJnggxhB/yWI", "crypt=abJnggxhB/yWI", "{CRYPT}abJnggxhB/yWI"},
	{"abJnggxhB/yWI[13]", "crypt=abJnggxhB/yWI", "{CRYPT}abJnggxhB/yWI"},
	{"{CRYPT.HEX}243124612462", "crypt=$1$a$b", "{MD5-CRYPT}$1$a$b"},
	{"{CRYPT}$y$j9T$a$b", "crypt=$y$j9T$a$b", NULL},
	{"{CRYPT}*", "no-login=1 note=it has no hash, so that no password fits", NULL},
	{"*", "no-login=1 note=it has no hash, so that no password fits", "{CRYPT}*"},
};

START_TEST(reads_and_writes_each_scheme)
{
	const char *field = passwords[_i].field;
	const char *back = passwords[_i].back != NULL ? passwords[_i].back : field;
	struct ma_export_params params = {.mech = NULL};
	struct ma_entry entry;
	struct ma_import *import;
	char why[MA_WHY_MAX];
	char line[512];
	char want[512];

	(void)snprintf(line, sizeof(line), "tim@lab.test:%s:1000:1001:T. Im:/home/tim:/bin/sh:\n",
		       field);
	(void)snprintf(want, sizeof(want),
		       "name=tim@lab.test uid=1000 gid=1001 comment=T. Im home=/home/tim "
		       "shell=/bin/sh %s",
		       passwords[_i].want);
	import = open_text(line);
	expect_entry(import, field, want);
	expect_end(&import, field);

	import = open_text(line);
	ck_assert_int_eq(import->format->next(import, &entry, why), MAILAUTH_OK);
	(void)snprintf(want, sizeof(want), "tim@lab.test:%s:1000:1001:T. Im:/home/tim:/bin/sh:\n",
		       back);
	ck_assert_str_eq(written("dovecot", params, &entry, MAILAUTH_OK, NULL), want);
	import->format->close(&import);
}
END_TEST

/* passdb and userdb of passwd-file, doc/wiki AuthDatabase.PasswdFile */
static const struct {
	const char *line;
	const char *want;
} lines[] = {
	{"a", "name=a note=not taken over: a password, for there is none"},
	{"a:", "name=a note=not taken over: a password, for there is none"},
	{"a:{PLAIN}p", "name=a password=p"},
	{"a:{PLAIN}p::::::", "name=a password=p"},
	{"a:{PLAIN}p:0:4294967294", "name=a uid=0 gid=4294967294 password=p"},
	{"a:{PLAIN}p:root:root", "name=a uid=0 gid=0 password=p"},
	{"a:{PLAIN}p::::/h::nologin", "name=a home=/h locked=1 password=p"},
	{"a:{PLAIN}p::::::nologin=y allow_nets=10.0.0.0/8,::1/128",
	 "name=a locked=1 password=p note=not taken over: allow_nets"},
	{"a:{PLAIN}p::::::userdb_home=/v/a userdb_uid=5 userdb_gid=6  userdb_mail=maildir:~/M",
	 "name=a uid=5 gid=6 home=/v/a password=p note=not taken over: userdb_mail"},
	{"a:{PLAIN}p:1:2::/h::userdb_home=/v/a userdb_uid=5 userdb_gid=6",
	 "name=a uid=1 gid=2 home=/h password=p note=not taken over: userdb_home, userdb_uid, "
	 "userdb_gid"},
	{"a:{PLAIN}p::::::pass=SECRET proxy", "name=a password=p note=not taken over: pass, proxy"},
	{"a:{PLAIN}p::::::nologin " NO_NETS, "name=a locked=1 password=p"},
	{"a:!" MD5, "name=a locked=1 crypt=" MD5},
	{"a:{PLAIN}p::::::userdb_uid=nobody@here userdb_gid=nobody@here userdb_uid=7",
	 "name=a uid=7 password=p note=not taken over: userdb_uid, userdb_gid"},
	{"a:*::::::proxy", "name=a no-login=1 note=it has no hash, so that no password fits"},
	/* no type of libpam-pwdfile's */
	{"a:abcdefghijk]", "name=a no-login=1 note=it has no hash, so that no password fits"},
	{"a:ab]", "name=a no-login=1 note=it has no hash, so that no password fits"},
	{"a:{PLAIN", "name=a no-login=1 note=it has no hash, so that no password fits"},
	{"a:{PLAIN}p[34]", "name=a password=p[34]"},
	{"a:{DIGEST-MD5}7396b604a99fea7366609999d0b7fad4",
	 "name=a digest-md5=a::7396b604a99fea7366609999d0b7fad4"},
	/* as password-scheme.c: the last '@' */
	{"a@b@c:{DIGEST-MD5}7396b604a99fea7366609999d0b7fad4",
	 "name=a@b@c digest-md5=a@b:c:7396b604a99fea7366609999d0b7fad4"},
};

START_TEST(reads_each_field)
{
	struct ma_import *import = open_text(lines[_i].line);

	expect_entry(import, lines[_i].line, lines[_i].want);
	expect_end(&import, lines[_i].line);
}
END_TEST

static const struct {
	const char *line;
	const char *name;
	const char *why;
} refused[] = {
	{":{PLAIN}p", NULL, "it has no name"},
	{"a:{SSHA}x", "a", "its {SSHA} password cannot be taken over"},
	{"a:{ARGON2ID}$argon2id$v=19", "a", "its {ARGON2ID} password cannot be taken over"},
	{"a:{PLAIN-MD5}5ebe2294ecd0e0f08eab7690d2a6ee69", "a", "its {PLAIN-MD5} password"},
	{"a:5ebe2294ecd0e0f08eab7690d2a6ee69[34]", "a", "its {PLAIN-MD5} password"},
	{"a:{MD5}5ebe2294ecd0e0f08eab7690d2a6ee69", "a", "its {MD5} password is no crypt(3)"},
	{"a:{PLAIN-TRUNC}4-abcd", "a", "its {PLAIN-TRUNC} password cannot"},
	{"a:{}x", "a", "its {} password cannot"},
	{"a:{PLAIN.ROT13}x", "a", "{PLAIN.ROT13} is no scheme"},
	{"a:{ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHI}x", "a", "is no scheme"},
	{"a:{ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF}x", "a", "is no scheme"},
	{"a:{ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF.HEX}x", "a", "is no scheme"},
	{"a:{abcdefghijklmnopqrstuvwxyzabcde}x", "a", "its {ABCDEFGHIJKLMNOPQRSTUVWXYZABCDE} pass"},
	{"a:{MD5.HEX}zz", "a", "its {MD5} password is no crypt(3)"},
	{"a:{SCRAM-SHA-256.HEX}zz", "a", "is not ITERATIONS,SALT"},
	{"a:{PLAIN}", "a", "its {PLAIN} password is empty"},
	{"a:{PLAIN.b64}", "a", "its {PLAIN} password is empty"},
	{"a:{PLAIN.hex}", "a", "its {PLAIN} password is empty"},
	{"a:{PLAIN.b64}YWE", "a", "its {PLAIN} password is not encoded"},
	{"a:{PLAIN.b64}YQBh", "a", "its {PLAIN} password is not encoded"}, /* a NUL inside */
	{"a:{PLAIN.hex}612", "a", "its {PLAIN} password is not encoded"},
	{"a:{PLAIN.hex}6z", "a", "its {PLAIN} password is not encoded"},
	{"a:{CRYPT.hex}6z", "a", "its {CRYPT} password is not encoded"},
	{"a:{CRAM-MD5}", "a", "is not 64 hexadecimal digits"},
	{"a:{CRAM-MD5}d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116", "a",
	 "is not 64 hexadecimal digits"},
	{"a:{CRAM-MD5}" CRAM_DOVECOT "0", "a", "is not 64 hexadecimal digits"},
	{"a:{DIGEST-MD5}2b4280505a7eb2e4aac655d19e4a075", "a", "is not 32 hexadecimal digits"},
	{"a:{DIGEST-MD5}2b4280505a7eb2e4aac655d19e4a075cc", "a", "is not 32 hexadecimal digits"},
	{"a:{SCRAM-SHA-1}4096,salt,key", "a", "is not ITERATIONS,SALT"},
	{"a:{SCRAM-SHA-256}", "a", "is not ITERATIONS,SALT"},
	{"a:{PLAIN}p:x y", "a", "its uid is neither a number"},
	{"a:{PLAIN}p:4294967295", "a", "its uid is neither a number"},
	{"a:{PLAIN}p:-1", "a", "its uid is neither a number"},
	{"a:{PLAIN}p:1:no such group", "a", "its gid is neither a number"},
	{"a:{PLAIN}p::no such group", "a", "its gid is neither a number"},
};

START_TEST(refuses_what_it_cannot_keep_and_goes_on)
{
	char text[512];
	struct ma_import *import;

	(void)snprintf(text, sizeof(text), "#\n\n%s\nzoe:{PLAIN}p\n", refused[_i].line);
	import = open_text(text);
	expect_refusal(import, refused[_i].line, 3, refused[_i].name, refused[_i].why);
	expect_entry(import, refused[_i].line, "name=zoe password=p");
	expect_end(&import, refused[_i].line);
}
END_TEST

static unsigned int n_allocations;
static unsigned int fail_at;

static bool fail_one(void)
{
	return ++n_allocations == fail_at;
}

/* Each needs memory beyond that for the line: for a group, for what it decodes, for its NUL. */
static const char *const needy[] = {
	"a:{PLAIN}p:1:root",
	"a:{PLAIN}p:1:::::userdb_gid=root",
	"a:{PLAIN.hex}7c7c:1:2",
	"a:{PLAIN.b64}YTpi:1:2",
	"a:{CRAM-MD5}" CRAM_DOVECOT,
	"a:{SCRAM-SHA-1.hex}312c732c6b2c6c",
	/* 64 bytes, so that the NUL needs another piece of memory */
	"a:{CRYPT.hex}2461246161616161616161616161616161616161616161616161616161616161"
	"6161616161616161616161616161616161616161616161616161616161616161",
};

/* How the second line is read, the first of which has had its memory already. */
static enum mailauth_status read_needy(const char *line, unsigned int fail, char *why)
{
	char text[2048];
	struct ma_entry entry;
	struct ma_import *import;
	enum mailauth_status status;

	(void)snprintf(text, sizeof(text), "b:*::::%01024d\n%s\n", 0, line);
	import = open_text(text);
	ck_assert_int_eq(import->format->next(import, &entry, why), MAILAUTH_OK);
	n_allocations = 0;
	fail_at = fail;
	ma_mem_set_fail(fail_one);
	status = import->format->next(import, &entry, why);
	ma_mem_set_fail(NULL);
	import->format->close(&import);
	return status;
}

START_TEST(reports_lack_of_memory_and_blames_nobody)
{
	char why[MA_WHY_MAX] = "";
	unsigned int n;

	ck_assert_int_eq(read_needy(needy[_i], 0, why), MAILAUTH_OK);
	n = n_allocations;
	ck_assert_uint_gt(n, 0);
	for (; n > 0; n--) {
		ck_assert_msg(read_needy(needy[_i], n, why) == MAILAUTH_E_NOMEM, "%s: %s",
			      needy[_i], why);
		ck_assert_str_eq(why, "out of memory");
	}
}
END_TEST

START_TEST(refuses_a_secret_longer_than_any)
{
	char text[4096];
	struct ma_import *import;

	(void)snprintf(text, sizeof(text), "a:{SCRAM-SHA-1}4096,%02047d,key,key\n", 0);
	import = open_text(text);
	expect_refusal(import, "SCRAM", 1, "a", "is too long");
	expect_end(&import, "SCRAM");
	(void)snprintf(text, sizeof(text), "%02047d:{DIGEST-MD5}2b4280505a7eb2e4aac655d19e4a075c\n",
		       0);
	import = open_text(text);
	{
		struct ma_entry entry;
		char why[MA_WHY_MAX];

		support_status("DIGEST", import->format->next(import, &entry, why),
			       MAILAUTH_E_USAGE);
		ck_assert_ptr_nonnull(strstr(why, "too long"));
	}
	expect_end(&import, "DIGEST");
}
END_TEST

/* ---- export ---- */

static struct ma_entry full_entry(void)
{
	struct ma_entry entry;

	ma_entry_init(&entry);
	entry.name = "tim@lab.test";
	entry.password = "kept";
	entry.n_secrets = 6;
	entry.secrets[0] = (struct ma_entry_secret){"cram-md5", CRAM_OURS};
	entry.secrets[1] =
		(struct ma_entry_secret){"digest-md5", "tim@lab.test:lab.test:" CRAM_OURS};
	entry.secrets[2] = (struct ma_entry_secret){"digest-md5",
						    "tim:lab.test:2b4280505a7eb2e4aac655d19e4a075c"
						    ":00000000000000000000000000000000"};
	entry.secrets[3] = (struct ma_entry_secret){"crypt", MD5};
	entry.secrets[4] = (struct ma_entry_secret){"scram-sha-1", "SCRAM-SHA-1$1:s$k:l"};
	entry.secrets[5] = (struct ma_entry_secret){"scram-sha-256", "SCRAM-SHA-256$1:s$k:l"};
	return entry;
}

static const struct {
	const char *mech;
	size_t without; /* this many secrets from the end, and the password if any */
	const char *want;
	const char *why;
} choices[] = {
	{NULL, 0, "{PLAIN}kept", "cram-md5, digest-md5, crypt, scram-sha-1, scram-sha-256"},
	{NULL, 1, "{SCRAM-SHA-1}1,s,k,l", "room for: cram-md5, digest-md5, crypt"},
	{NULL, 2, "{MD5-CRYPT}" MD5, "room for: cram-md5, digest-md5"},
	{NULL, 3, "{DIGEST-MD5}2b4280505a7eb2e4aac655d19e4a075c", "room for: cram-md5"},
	{NULL, 4, "{CRAM-MD5}" CRAM_DOVECOT, "room for: digest-md5"},
	{NULL, 5, "{CRAM-MD5}" CRAM_DOVECOT, NULL},
	{NULL, 6, "{CRYPT}*", NULL},
	{"cram-md5", 0, "{CRAM-MD5}" CRAM_DOVECOT, "room for: digest-md5, crypt"},
	{"DIGEST-MD5", 0, "{DIGEST-MD5}2b4280505a7eb2e4aac655d19e4a075c", "room for: cram-md5"},
	{"SCRAM-SHA-256", 0, "{SCRAM-SHA-256}1,s,k,l", "scram-sha-1"},
	{"SCRAM-SHA-256", 1, "{SCRAM-SHA-1}1,s,k,l", "room for"}, /* it has none: the strongest */
	{"PLAIN", 0, "{PLAIN}kept", "room for"},
};

START_TEST(writes_the_secret_asked_for_or_the_strongest)
{
	const struct ma_export_params params = {.mech = choices[_i].mech};
	struct ma_entry entry = full_entry();
	char want[256];

	entry.n_secrets -= choices[_i].without;
	if (choices[_i].without > 0)
		entry.password = NULL;
	(void)snprintf(want, sizeof(want), "tim@lab.test:%s::::::\n", choices[_i].want);
	ck_assert_str_eq(written("dovecot", params, &entry, MAILAUTH_OK, choices[_i].why), want);
}
END_TEST

START_TEST(writes_the_name_as_asked)
{
	const struct ma_export_params params = {.realm = "LAB.test", .mech = "digest-md5"};
	struct ma_entry entry;

	ma_entry_init(&entry);
	entry.name = "tim@lab.test";
	entry.locked = 1;
	entry.n_secrets = 1;
	entry.secrets[0] =
		(struct ma_entry_secret){"digest-md5", "tim::7396b604a99fea7366609999d0b7fad4"};
	ck_assert_str_eq(written("dovecot", params, &entry, MAILAUTH_OK, NULL),
			 "tim:{DIGEST-MD5}7396b604a99fea7366609999d0b7fad4::::::nologin " NO_NETS
			 "\n");
	entry.name = "tim@other.test";
	ck_assert_str_eq(written("dovecot", params, &entry, MAILAUTH_OK, "room for: digest-md5"),
			 "tim@other.test:{CRYPT}*::::::nologin " NO_NETS "\n");
}
END_TEST

START_TEST(names_what_has_no_room)
{
	const struct ma_export_params params = {.realm = NULL};
	struct ma_entry entry;

	ma_entry_init(&entry);
	entry.name = "tim";
	entry.groups = "smtp";
	entry.mechs = "PLAIN";
	entry.max = 90;
	entry.comment = "a:b";
	entry.password = " sp\rce";
	ck_assert_str_eq(written("dovecot", params, &entry, MAILAUTH_OK,
				 "room for: groups, mechanisms, ageing"),
			 "tim:{PLAIN.b64}IHNwDWNl::::::\n");
	entry.name = "t:m";
	ck_assert_str_eq(written("dovecot", params, &entry, MAILAUTH_E_UNSUPPORTED, "begin with"),
			 "");
	entry.name = "#tim";
	ck_assert_str_eq(written("dovecot", params, &entry, MAILAUTH_E_UNSUPPORTED, "begin with"),
			 "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("import_dovecot");
	TCase *tcase = tcase_create("dovecot");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, reads_and_writes_each_scheme, 0, MA_ARRAY_SIZE(passwords));
	tcase_add_loop_test(tcase, reads_each_field, 0, MA_ARRAY_SIZE(lines));
	tcase_add_loop_test(tcase, refuses_what_it_cannot_keep_and_goes_on, 0,
			    MA_ARRAY_SIZE(refused));
	tcase_add_test(tcase, refuses_a_secret_longer_than_any);
	tcase_add_loop_test(tcase, reports_lack_of_memory_and_blames_nobody, 0,
			    MA_ARRAY_SIZE(needy));
	tcase_add_loop_test(tcase, writes_the_secret_asked_for_or_the_strongest, 0,
			    MA_ARRAY_SIZE(choices));
	tcase_add_test(tcase, writes_the_name_as_asked);
	tcase_add_test(tcase, names_what_has_no_room);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
