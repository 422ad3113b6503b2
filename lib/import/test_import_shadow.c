/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_import_shadow.c - accounts of Unix: hashes, ageing, locks, groups, and damaged files
 */
#include "import/import.h"

#include <time.h>

#include "import/test_import.h"
#include "support.h"
#include "util/mem.h"

#define MD5    "$1$abcdefgh$irWbblnpmw.5z7wgBnprh0"
#define UNAGED "last=-1 min=-1 max=-1 warn=-1 inactive=-1 expire=-1"

static struct ma_import *open_files(const char *passwd, const char *shadow, const char *group)
{
	const struct ma_import_params params = {
		.file = support_file("passwd", passwd, strlen(passwd)),
		.second = shadow != NULL ? support_file("shadow", shadow, strlen(shadow)) : NULL,
		.third = group != NULL ? support_file("group", group, strlen(group)) : NULL,
		NO_IDS,
	};

	return open_import("shadow", &params);
}

/* What the password fields of both files mean; shadow(5), passwd(5). */
static const struct {
	const char *name;
	const char *own;    /* in passwd */
	const char *shadow; /* its line there without the name; NULL: none */
	const char *want;
} hashes[] = {
	{"hash in shadow", "x", MD5 ":19000:0:99999:7:::",
	 "locked=0 last=19000 min=0 max=99999 warn=7 inactive=-1 expire=-1 crypt=" MD5},
	{"locked", "x", "!" MD5 ":19000:0:99999:7:::",
	 "locked=1 last=19000 min=0 max=99999 warn=7 inactive=-1 expire=-1 crypt=" MD5},
	{"locked twice", "x", "!!" MD5 ":::::::", "locked=1 " UNAGED " crypt=" MD5},
	{"locked, no hash", "x", "!:::::::",
	 "locked=1 " UNAGED " no-login=1 note=it has no hash, so that no password fits"},
	{"locked, no hash, Red Hat", "x", "!!:::::::",
	 "locked=1 " UNAGED " no-login=1 note=it has no hash, so that no password fits"},
	{"locked, no login", "x", "!*:::::::",
	 "locked=1 " UNAGED " no-login=1 note=it has no hash, so that no password fits"},
	{"no login", "x", "*:::::::",
	 "locked=0 " UNAGED " no-login=1 note=it has no hash, so that no password fits"},
	{"a word", "x", "NP:::::::",
	 "locked=0 " UNAGED " no-login=1 note=it has no hash, so that no password fits"},
	{"x in shadow", "x", "x:::::::",
	 "locked=0 " UNAGED " no-login=1 note=it has no hash, so that no password fits"},
	{"no password", "x", ":::::::",
	 "locked=0 " UNAGED " no-login=1 note=it has no password, and an account of ours without "
	 "one cannot log in"},
	{"no line in shadow", "x", NULL,
	 UNAGED " no-login=1 note=it has no line in the shadow file, so that no password fits"},
	{"own hash", MD5, NULL, "locked=0 " UNAGED " crypt=" MD5},
	/* pam_unix looks into shadow where passwd has an "x" only. */
	{"own hash counts", MD5, "*:1:1:1:1:1:1:", "locked=0 " UNAGED " crypt=" MD5},
	{"own refusal counts", "*", MD5 ":::::::",
	 "locked=0 " UNAGED " no-login=1 note=it has no hash, so that no password fits"},
	{"own nothing", "", MD5 ":::::::",
	 "locked=0 " UNAGED " no-login=1 note=it has no password, and an account of ours without "
	 "one cannot log in"},
	{"must change", "x", MD5 ":0::::1:2147483647:",
	 "locked=0 last=0 min=-1 max=-1 warn=-1 inactive=1 expire=2147483647 crypt=" MD5},
	{"ageing -1", "x", MD5 ":-1:-1:-1:-1:-1:-1:-1", "locked=0 " UNAGED " crypt=" MD5},
	{"five fields", "x", MD5 ":1:2:3",
	 "locked=0 last=1 min=2 max=3 warn=-1 inactive=-1 expire=-1 crypt=" MD5},
	{"DES", "x", "abJnggxhB/yWI:::::::", "locked=0 " UNAGED " crypt=abJnggxhB/yWI"},
	{"yescrypt", "x", "$y$j9T$abc$def:::::::", "locked=0 " UNAGED " crypt=$y$j9T$abc$def"},
};

START_TEST(tells_what_a_hash_field_means)
{
	char passwd[512];
	char shadow[512];
	char want[1024];
	struct ma_import *import;

	(void)snprintf(passwd, sizeof(passwd), "alice:%s:1000:1001:A. Li,,,:/home/a:/bin/sh\n",
		       hashes[_i].own);
	(void)snprintf(shadow, sizeof(shadow), "%s%s\n",
		       hashes[_i].shadow != NULL ? "alice:" : "zoe:*:::::::",
		       hashes[_i].shadow != NULL ? hashes[_i].shadow : "");
	(void)snprintf(want, sizeof(want),
		       "name=alice uid=1000 gid=1001 comment=A. Li,,, home=/home/a shell=/bin/sh "
		       "%s",
		       hashes[_i].want);
	import = open_files(passwd, shadow, NULL);
	expect_entry(import, hashes[_i].name, want);
	expect_end(&import, hashes[_i].name);
}
END_TEST

static const struct {
	const char *name;
	const char *passwd;
	const char *shadow;
	const char *entry; /* its name */
	const char *why;
} damaged[] = {
	{"six fields", "alice:x:1:2:c:/h", "", "alice", "6 fields, where passwd(5) has 7"},
	{"eight fields", "alice:x:1:2:c:/h:/s:", "", "alice", "8 fields, where passwd(5) has 7"},
	{"one field", "alice", "", "alice", "1 fields"},
	{"no name", ":x:1:2:c:/h:/s", "", NULL, "it has no name"},
	{"no uid", "alice:x::2:c:/h:/s", "", "alice", "its uid is no number"},
	{"no gid", "alice:x:1::c:/h:/s", "", "alice", "its gid is no number"},
	{"uid with letters", "alice:x:1a:2:c:/h:/s", "", "alice", "its uid is no number"},
	{"uid below", "alice:x:-1:2:c:/h:/s", "", "alice", "its uid is no number"},
	{"uid above", "alice:x:4294967295:2:c:/h:/s", "", "alice", "its uid is no number"},
	{"gid far above", "alice:x:1:99999999999999999999999:c:/h:/s", "", "alice",
	 "its gid is no number"},
	{"shadow too short", "alice:x:1:2:c:/h:/s", "bob:*:::::::\nalice:*::::::\n", "alice",
	 "shadow:2: 8 fields, where shadow(5) has 9"},
	{"shadow with a line of one field", "alice:x:1:2:c:/h:/s", "rest\nalice:*\n", "alice",
	 "shadow:2: 2 fields"},
	{"shadow too long", "alice:x:1:2:c:/h:/s", "alice:*::::::::\n", "alice", "10 fields"},
	{"shadow all but empty", "alice:x:1:2:c:/h:/s", "alice:*\n", "alice", "2 fields"},
	{"letters in ageing", "alice:x:1:2:c:/h:/s", "alice:*:x::::::\n", "alice",
	 "its day of the last change, \"x\", is no number from 0 to 2147483647"},
	{"max above", "alice:x:1:2:c:/h:/s", "alice:*:::100000::::\n", "alice",
	 "its greatest age, \"100000\", is no number from 0 to 99999"},
	{"min below", "alice:x:1:2:c:/h:/s", "alice:*::-2:::::\n", "alice", "its least age"},
	{"warn above", "alice:x:1:2:c:/h:/s", "alice:*::::100000:::\n", "alice",
	 "its days of warning"},
	{"inactive above", "alice:x:1:2:c:/h:/s", "alice:*:::::100000::\n", "alice",
	 "its days of inactivity"},
	{"expire above", "alice:x:1:2:c:/h:/s", "alice:*::::::2147483648:\n", "alice",
	 "its day of expiry"},
};

START_TEST(refuses_damaged_lines_and_goes_on)
{
	char passwd[512];
	struct ma_import *import;

	(void)snprintf(passwd, sizeof(passwd), "# one\n%s\nzoe:*:7:8:::\n", damaged[_i].passwd);
	import = open_files(passwd, damaged[_i].shadow, "");
	expect_refusal(import, damaged[_i].name, 2, damaged[_i].entry, damaged[_i].why);
	expect_entry(import, damaged[_i].name,
		     "name=zoe uid=7 gid=8 comment= home= shell= groups= locked=0 " UNAGED
		     " no-login=1 note=it has no hash, so that no password fits");
	expect_end(&import, damaged[_i].name);
}
END_TEST

static bool fail_always(void)
{
	return true;
}

/* The second line needs no more memory than the first but for its hash. */
START_TEST(reports_lack_of_memory_for_a_hash)
{
	struct ma_import *import =
		open_files("tom:*:1:2:c:/h:/s\ntim:x:1:2:c:/h:/s\n", "tim:*:::::::\n", "");
	struct ma_entry entry;
	char why[MA_WHY_MAX];

	ck_assert_int_eq(import->format->next(import, &entry, why), MAILAUTH_OK);
	ma_mem_set_fail(fail_always);
	ck_assert_int_eq(import->format->next(import, &entry, why), MAILAUTH_E_NOMEM);
	ma_mem_set_fail(NULL);
	import->format->close(&import);
}
END_TEST

START_TEST(knows_whom_groups_list)
{
	struct ma_import *import =
		open_files("bob:*:1:9:::\nalice:*:2:9:::\nbo:*:3:9:::\n", "",
			   "adm:x:4:alice\nbroken:x:5\nmail:x:8:bob,alice\nown:x:9:\n"
			   "smtp:x:10:,alice,,carol,\n");

	expect_entry(import, "bob",
		     "name=bob uid=1 gid=9 comment= home= shell= groups=mail locked=0 " UNAGED
		     " no-login=1 note=it has no hash, so that no password fits");
	expect_entry(
		import, "alice",
		"name=alice uid=2 gid=9 comment= home= shell= groups=adm,mail,smtp locked=0 " UNAGED
		" no-login=1 note=it has no hash, so that no password fits");
	expect_entry(import, "bo",
		     "name=bo uid=3 gid=9 comment= home= shell= groups= locked=0 " UNAGED
		     " no-login=1 note=it has no hash, so that no password fits");
	expect_end(&import, "groups");
}
END_TEST

/* getspnam(3) finds the first. */
START_TEST(takes_the_first_of_two_lines_in_shadow)
{
	struct ma_import *import =
		open_files("alice:x:1:2:::\n", "alice:*:1::::::\nalice:" MD5 ":2::::::\n", NULL);

	expect_entry(import, "twice",
		     "name=alice uid=1 gid=2 comment= home= shell= locked=0 last=1 min=-1 max=-1 "
		     "warn=-1 inactive=-1 expire=-1 no-login=1 note=it has no hash, so that no "
		     "password fits");
	expect_end(&import, "twice");
}
END_TEST

START_TEST(passes_over_nis_and_says_so)
{
	struct ma_import *import = open_files("+@staff::::::\nalice:*:1:2:::\n-bob\n+\n", "", "");

	expect_entry(import, "alice",
		     "name=alice uid=1 gid=2 comment= home= shell= groups= locked=0 " UNAGED
		     " no-login=1 note=it has no hash, so that no password fits");
	ck_assert_ptr_nonnull(strstr(import->note, "1 lines that begin with + or -"));
	{
		struct ma_entry entry;
		char why[MA_WHY_MAX];

		ck_assert_int_eq(import->format->next(import, &entry, why), MAILAUTH_E_NOTFOUND);
	}
	ck_assert_ptr_nonnull(strstr(import->note, "3 lines that begin with + or -"));
	expect_end(&import, "NIS");
}
END_TEST

static const struct {
	int64_t min;
	int64_t max;
	const char *want;
} ranges[] = {
	{-1, -1, "abcd"},   {1000, -1, "bcd"}, {-1, 1000, "ab"},
	{1000, 1001, "bc"}, {1001, 1000, ""},  {0, 0, "a"},
};

START_TEST(keeps_to_the_range_of_uids)
{
	static const char text[] = "a:*:0:0:::\nb:*:1000:0:::\nc:*:1001:0:::\nd:*:65534:0:::\n";
	const struct ma_import_params params = {
		.file = support_file("passwd", text, strlen(text)),
		.min_uid = ranges[_i].min,
		.max_uid = ranges[_i].max,
	};
	struct ma_import *import = open_import("shadow", &params);
	struct ma_entry entry;
	char why[MA_WHY_MAX];
	char got[8] = "";

	for (size_t n = 0; import->format->next(import, &entry, why) == MAILAUTH_OK; n++)
		got[n] = entry.name[0];
	ck_assert_str_eq(got, ranges[_i].want);
	import->format->close(&import);
}
END_TEST

/* An account that is not asked for may be as broken as it likes. */
START_TEST(range_comes_before_the_hash)
{
	static const char passwd[] = "root:x:0:0:::\n";
	static const char shadow[] = "root:*\n";
	const struct ma_import_params params = {
		.file = support_file("passwd", passwd, strlen(passwd)),
		.second = support_file("shadow", shadow, strlen(shadow)),
		.min_uid = 1000,
		.max_uid = -1,
	};
	struct ma_import *import = open_import("shadow", &params);

	expect_end(&import, "root");
}
END_TEST

/* Another machine's passwd must not be given this machine's hashes. */
START_TEST(asks_for_the_shadow_that_belongs_to_a_passwd)
{
	struct ma_import *import = open_files("root:x:0:0:::\nalice:" MD5 ":1:2:::\n", NULL, NULL);

	expect_refusal(import, "root", 1, "root", "its hash is in a shadow file; name the one");
	expect_entry(import, "alice",
		     "name=alice uid=1 gid=2 comment= home= shell= locked=0 " UNAGED " crypt=" MD5);
	expect_end(&import, "no shadow");
}
END_TEST

START_TEST(needs_files_that_can_be_read)
{
	static const char line[] = "a:*:0:0:::\n";
	struct {
		const char *name;
		struct ma_import_params params;
		const char *why;
	} cases[] = {
		{"no passwd", {.file = support_path("none")}, "none: No such file"},
		{"a folder", {.file = support_folder()}, "is a folder"},
		{"no shadow",
		 {.file = support_file("passwd", line, strlen(line)),
		  .second = support_path("none")},
		 "none: No such file"},
		{"no group",
		 {.file = support_file("passwd", line, strlen(line)),
		  .third = support_path("none")},
		 "none: No such file"},
		{"NUL in shadow",
		 {.file = support_file("passwd", line, strlen(line)),
		  .second = support_file("bad", "a:\0b", 4)},
		 "bad:1: it has a NUL byte"},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(cases); i++) {
		struct ma_import *import = NULL;
		char why[MA_WHY_MAX] = "";

		support_status(cases[i].name,
			       format_of("shadow")->open(&cases[i].params, &import, why),
			       MAILAUTH_E_CONFIG);
		ck_assert_ptr_null(import);
		ck_assert_msg(strstr(why, cases[i].why) != NULL, "%s: got %s", cases[i].name, why);
	}
}
END_TEST

/* A group of 20,000 has a longer line than an account may. */
START_TEST(reads_long_lines_of_groups)
{
	size_t size = 300000;
	char *group = calloc(1, size); /* lint: calloc ok: a test's own */
	size_t len;
	struct ma_import *import;

	ck_assert_ptr_nonnull(group);
	len = (size_t)snprintf(group, size, "users:x:100:");
	for (int i = 0; i < 20000; i++)
		len += (size_t)snprintf(group + len, size - len, "user%d,", i);
	import = open_files("user19999:*:1:2:::\n", "", group);
	expect_entry(
		import, "last of all",
		"name=user19999 uid=1 gid=2 comment= home= shell= groups=users locked=0 " UNAGED
		" no-login=1 note=it has no hash, so that no password fits");
	expect_end(&import, "long group");
	free(group); /* lint: free ok: a test's own */
}
END_TEST

/* Of the processor's time: others may use the machine. */
static double now_s(void)
{
	struct timespec now;

	ck_assert_int_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now), 0);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void write_many(FILE *passwd, FILE *shadow, int n)
{
	for (int i = 0; i < n; i++) {
		/* Not in order, so that the search has something to do. */
		int k = (int)((long long)i * 7919 % n);

		ck_assert_int_gt(fprintf(passwd, "user%d:x:%d:%d:User %d:/home/user%d:/bin/sh\n", i,
					 1000 + i, 1000 + i, i, i),
				 0);
		ck_assert_int_gt(fprintf(shadow, "user%d:" MD5 ":%d:0:99999:7:::\n", k, k), 0);
	}
	ck_assert_int_eq(fclose(passwd), 0);
	ck_assert_int_eq(fclose(shadow), 0);
}

/* Quadratic search would take minutes; the limit leaves room for sanitizers and valgrind. */
START_TEST(reads_100000_accounts_at_once)
{
	const struct ma_import_params params = {
		.file = support_path("passwd"), .second = support_path("shadow"), NO_IDS};
	const int n = 100000;
	struct ma_import *import;
	struct ma_entry entry;
	char why[MA_WHY_MAX];
	double start;
	int got = 0;

	write_many(fopen(params.file, "we"), fopen(params.second, "we"), n);
	start = now_s();
	import = open_import("shadow", &params);
	while (import->format->next(import, &entry, why) == MAILAUTH_OK) {
		ck_assert_int_eq(entry.last_change, got);
		got++;
	}
	import->format->close(&import);
	ck_assert_int_eq(got, n);
	ck_assert_double_lt(now_s() - start, 20);
}
END_TEST

/* ---- export ---- */

static struct ma_entry some_entry(void)
{
	struct ma_entry entry;

	ma_entry_init(&entry);
	entry.name = "alice@example.org";
	entry.uid = 1000;
	entry.gid = 1001;
	entry.comment = "A. Li";
	entry.home = "/home/a";
	entry.shell = "/bin/sh";
	entry.locked = 0;
	entry.last_change = 19000;
	entry.min = 0;
	entry.max = 99999;
	entry.warn = 7;
	entry.inactive = -1;
	entry.expire = -1;
	entry.n_secrets = 2;
	entry.secrets[0] = (struct ma_entry_secret){"crypt", MD5};
	entry.secrets[1] = (struct ma_entry_secret){"cram-md5", "00"};
	return entry;
}

static const struct ma_export_params own_realm = {.realm = "Example.ORG"};

START_TEST(writes_lines_of_shadow)
{
	struct ma_entry entry = some_entry();

	ck_assert_str_eq(written("shadow", own_realm, &entry, MAILAUTH_OK, NULL),
			 "alice:" MD5 ":19000:0:99999:7:::\n");
	entry.locked = 1;
	ck_assert_str_eq(written("shadow", own_realm, &entry, MAILAUTH_OK, NULL),
			 "alice:!" MD5 ":19000:0:99999:7:::\n");
	entry.secrets[0].kind = "sasl-plain";
	ck_assert_str_eq(written("shadow", own_realm, &entry, MAILAUTH_OK, "no crypt(3) string"),
			 "alice:!*:19000:0:99999:7:::\n");
	entry.n_secrets = 0;
	entry.locked = -1;
	entry.last_change = MA_DAY_UNKNOWN;
	entry.inactive = 3;
	entry.expire = 20000;
	ck_assert_str_eq(written("shadow", own_realm, &entry, MAILAUTH_OK, NULL),
			 "alice:*::0:99999:7:3:20000:\n");
	entry.password = "kept";
	(void)written("shadow", own_realm, &entry, MAILAUTH_OK, "no crypt(3) string");
}
END_TEST

START_TEST(writes_lines_of_passwd)
{
	struct ma_export_params params = own_realm;
	struct ma_entry entry = some_entry();
	char *text = NULL;
	size_t len;

	params.second = open_memstream(&text, &len);
	(void)written("shadow", params, &entry, MAILAUTH_OK, NULL);
	entry.comment = "a:b";
	entry.shell = NULL;
	(void)written("shadow", params, &entry, MAILAUTH_OK, NULL);
	entry.uid = -1;
	ck_assert_str_eq(written("shadow", params, &entry, MAILAUTH_E_UNSUPPORTED, "needs a uid"),
			 "");
	ck_assert_int_eq(fclose(params.second), 0);
	ck_assert_str_eq(text, "alice:x:1000:1001:A. Li:/home/a:/bin/sh\n"
			       "alice:x:1000:1001::/home/a:\n");
	free(text); /* lint: free ok: open_memstream() allocated it */
}
END_TEST

START_TEST(refuses_names_that_passwd_cannot_hold)
{
	const struct ma_export_params no_realm = {.realm = NULL};
	struct ma_entry entry = some_entry();

	ck_assert_str_eq(written("shadow", no_realm, &entry, MAILAUTH_E_UNSUPPORTED, "realm"), "");
	entry.name = "alice@other.test";
	ck_assert_str_eq(written("shadow", own_realm, &entry, MAILAUTH_E_UNSUPPORTED, "realm"), "");
	entry.name = "+alice";
	ck_assert_str_eq(written("shadow", own_realm, &entry, MAILAUTH_E_UNSUPPORTED, "name"), "");
	entry.name = "al\nice";
	ck_assert_str_eq(written("shadow", own_realm, &entry, MAILAUTH_E_UNSUPPORTED, "name"), "");
}
END_TEST

START_TEST(says_when_it_cannot_write)
{
	struct ma_export_params params = {.out = fopen("/dev/full", "we"), .realm = "example.org"};
	struct ma_entry entry = some_entry();
	char why[MA_WHY_MAX] = "";

	ck_assert_ptr_nonnull(params.out);
	setbuf(params.out, NULL);
	support_status("full", format_of("shadow")->put(&params, &entry, why), MAILAUTH_E_TEMPFAIL);
	ck_assert_ptr_nonnull(strstr(why, "cannot write"));
	(void)fclose(params.out);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("import_shadow");
	TCase *tcase = tcase_create("shadow");

	tcase_set_timeout(tcase, 120);
	tcase_add_loop_test(tcase, tells_what_a_hash_field_means, 0, MA_ARRAY_SIZE(hashes));
	tcase_add_loop_test(tcase, refuses_damaged_lines_and_goes_on, 0, MA_ARRAY_SIZE(damaged));
	tcase_add_test(tcase, reports_lack_of_memory_for_a_hash);
	tcase_add_test(tcase, knows_whom_groups_list);
	tcase_add_test(tcase, takes_the_first_of_two_lines_in_shadow);
	tcase_add_test(tcase, passes_over_nis_and_says_so);
	tcase_add_loop_test(tcase, keeps_to_the_range_of_uids, 0, MA_ARRAY_SIZE(ranges));
	tcase_add_test(tcase, range_comes_before_the_hash);
	tcase_add_test(tcase, asks_for_the_shadow_that_belongs_to_a_passwd);
	tcase_add_test(tcase, needs_files_that_can_be_read);
	tcase_add_test(tcase, reads_long_lines_of_groups);
	tcase_add_test(tcase, reads_100000_accounts_at_once);
	tcase_add_test(tcase, writes_lines_of_shadow);
	tcase_add_test(tcase, writes_lines_of_passwd);
	tcase_add_test(tcase, refuses_names_that_passwd_cannot_hold);
	tcase_add_test(tcase, says_when_it_cannot_write);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
