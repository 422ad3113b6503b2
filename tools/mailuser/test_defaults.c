/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_defaults.c - the file of defaults: what is taken from it, and who may write to it
 */
#include "defaults.h"

#include "support.h"
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test_calls.h"

static struct app app;
static char config[256];
static char path[256];
static struct defaults defaults;

static void set_up(void)
{
	test_reset();
	(void)snprintf(config, sizeof(config), "%s", support_path("mailauth.conf"));
	(void)snprintf(path, sizeof(path), "%s", support_path("useradd"));
	(void)remove(path);
	app = (struct app){.config = config};
	defaults = (struct defaults){.group = 77};
}

static void write_file(const char *text)
{
	(void)support_file("useradd", text, strlen(text));
}

/* The whole file, valid until the next call. */
static const char *file_text(const char *name)
{
	static char text[4096];
	FILE *file = fopen(name, "re");
	size_t len;

	ck_assert_ptr_nonnull(file);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	ck_assert_int_eq(fclose(file), 0);
	return text;
}

static void expect_said(const char *before, const char *after)
{
	char want[1200];

	(void)snprintf(want, sizeof(want), "%s%s%s\n", before, path, after);
	ck_assert_str_eq(test_said(), want);
}

static void expect_built_in(void)
{
	ck_assert_int_eq(defaults.group, -1);
	ck_assert_str_eq(defaults.home, "/var/vmail");
	ck_assert(!defaults.is_home_doubtful);
	ck_assert_int_eq(defaults.inactive, -1);
	ck_assert_str_eq(defaults.expire, "");
	ck_assert_str_eq(defaults.shell, "/usr/sbin/nologin");
	ck_assert_str_eq(defaults.skeleton, "");
}

/* ---- ma_defaults_read() ---------------------------------------------------------------------- */

START_TEST(has_the_documented_defaults)
{
	static const char *const texts[] = {
		NULL, /* no file */
		"",
		"# GROUP=1000\n\nHOME\n "
		"HOME=/srv/mail\nhome=/srv/mail\nHOMES=/srv/mail\nUMASK=022\n",
	};

	for (int i = 0; i < TEST_ROWS(texts); i++) {
		if (texts[i] != NULL)
			write_file(texts[i]);
		ck_assert(ma_defaults_read(&app, &defaults));
		expect_built_in();
		ck_assert_str_eq(test_said(), "");
	}
}
END_TEST

START_TEST(reads_every_key)
{
	write_file("# Defaults\n"
		   "GROUP=1000\n"
		   "HOME=/srv/mail\n"
		   "INACTIVE=30\n"
		   "EXPIRE=2030-12-31\n"
		   "SHELL=/bin/sh\n"
		   "SKEL=/etc/mailskel"); /* the last line needs no end */
	ck_assert(ma_defaults_read(&app, &defaults));
	ck_assert_int_eq(defaults.group, 1000);
	ck_assert_str_eq(defaults.home, "/srv/mail");
	ck_assert(!defaults.is_home_doubtful);
	ck_assert_int_eq(defaults.inactive, 30);
	ck_assert_str_eq(defaults.expire, "2030-12-31");
	ck_assert_str_eq(defaults.shell, "/bin/sh");
	ck_assert_str_eq(defaults.skeleton, "/etc/mailskel");
	ck_assert_str_eq(test_said(), "");
}
END_TEST

/* The last line of a key counts; empty is a value where it means none. */
START_TEST(takes_the_last_of_several)
{
	write_file("GROUP=1000\nGROUP=\nINACTIVE=30\nINACTIVE=-1\nSHELL=/bin/sh\nSHELL=\n"
		   "SKEL=/a\nSKEL=\nEXPIRE=1\nEXPIRE=\nHOME=/srv/a\nHOME=/srv/b\n");
	ck_assert(ma_defaults_read(&app, &defaults));
	ck_assert_int_eq(defaults.group, -1);
	ck_assert_int_eq(defaults.inactive, -1);
	ck_assert_str_eq(defaults.shell, "");
	ck_assert_str_eq(defaults.skeleton, "");
	ck_assert_str_eq(defaults.expire, "");
	ck_assert_str_eq(defaults.home, "/srv/b");
	ck_assert_str_eq(test_said(), "");
}
END_TEST

static const struct {
	const char *key;
	const char *value;
} bad[] = {
	{"GROUP", "no-such-group"},
	{"GROUP", "4294967295"},
	{"HOME", ""},
	{"HOME", "/"},
	{"HOME", "/var"},
	{"HOME", "/etc/mail"},
	{"HOME", "srv/mail"},
	{"HOME", "/srv/../etc"},
	{"HOME", "/srv:mail"},
	{"INACTIVE", ""},
	{"INACTIVE", "-2"},
	{"INACTIVE", "100000"},
	{"INACTIVE", "soon"},
	{"SHELL", "sh"},
	{"SHELL", "/bin:sh"},
	{"SKEL", "skel"},
	{"SKEL", "/etc:skel"},
};

START_TEST(leaves_out_what_makes_no_sense_and_says_so)
{
	char text[200];
	char before[100];
	char after[100];

	(void)snprintf(text, sizeof(text), "%s=%s\n", bad[_i].key, bad[_i].value);
	(void)snprintf(before, sizeof(before), "warning: the %s= configuration in ", bad[_i].key);
	(void)snprintf(after, sizeof(after), " will be ignored: '%s' is not usable", bad[_i].value);
	write_file(text);
	ck_assert(ma_defaults_read(&app, &defaults));
	expect_said(before, after);
	ck_assert_int_eq(defaults.is_home_doubtful, strcmp(bad[_i].key, "HOME") == 0);
	defaults.is_home_doubtful = false;
	expect_built_in();
}
END_TEST

/* A good HOME afterwards does not tell which of the two was meant, nor does another bad line. */
START_TEST(doubts_a_bad_home_whatever_follows)
{
	write_file("HOME=/\nSHELL=sh\nHOME=/srv/mail\n");
	ck_assert(ma_defaults_read(&app, &defaults));
	ck_assert(defaults.is_home_doubtful);
	ck_assert_str_eq(defaults.home, "/srv/mail");
}
END_TEST

START_TEST(takes_values_whole_or_not_at_all)
{
	static const char *const keys[] = {"HOME", "EXPIRE", "SHELL", "SKEL"};

	for (int i = 0; i < TEST_ROWS(keys); i++) {
		char value[MAILAUTH_TEXT_MAX + 2];
		char text[MAILAUTH_TEXT_MAX + 20];
		const char *field[] = {defaults.home, defaults.expire, defaults.shell,
				       defaults.skeleton};

		for (size_t k = 0; k < sizeof(value); k++)
			value[k] = k % 50 == 0 ? '/' : 'x';
		value[MAILAUTH_TEXT_MAX + 1] = '\0';
		(void)snprintf(text, sizeof(text), "%s=%s\n", keys[i], value);
		write_file(text);
		ck_assert(ma_defaults_read(&app, &defaults));
		ck_assert_ptr_nonnull(strstr(test_said(), "is not usable"));
		ck_assert_str_ne(field[i], value);

		value[MAILAUTH_TEXT_MAX] = '\0';
		(void)snprintf(text, sizeof(text), "%s=%s\n", keys[i], value);
		write_file(text);
		ck_assert(ma_defaults_read(&app, &defaults));
		ck_assert_str_eq(field[i], value);
	}
}
END_TEST

/* ---- which file, and whether it is trusted --------------------------------------------------- */

START_TEST(finds_the_file_beside_the_configuration)
{
	char folder[512];

	write_file("GROUP=1000\n");
	ck_assert_ptr_nonnull(getcwd(folder, sizeof(folder)));
	ck_assert_int_eq(chdir(support_folder()), 0);
	app.config = "mailauth.conf";
	ck_assert(ma_defaults_read(&app, &defaults));
	ck_assert_int_eq(chdir(folder), 0);
	ck_assert_int_eq(defaults.group, 1000);
	/* Without --config. */
	ck_assert_int_eq(mkdir(support_path("mailauth"), 0700), 0);
	(void)support_file("mailauth/useradd", "GROUP=1001\n", 11);
	test_etc(support_folder());
	app.config = NULL;
	ck_assert(ma_defaults_read(&app, &defaults));
	ck_assert_int_eq(defaults.group, 1001);
	ck_assert_int_eq(unlink(support_path("mailauth/useradd")), 0);
	ck_assert_int_eq(rmdir(support_path("mailauth")), 0);
}
END_TEST

/* In a folder whose name has more slashes than it needs: as many as make the path so long. */
static void set_path_len(size_t len)
{
	static char text[PATH_MAX + 10];
	size_t folder_len = len - strlen("useradd");

	memset(text, '/', folder_len);
	memcpy(text, support_folder(), strlen(support_folder()));
	(void)snprintf(text + folder_len, 10, "m.conf");
	app.config = text;
}

START_TEST(says_that_the_path_is_too_long)
{
	static const char said[] = "the name of the configuration file is too long\n";

	write_file("GROUP=1000\n");
	set_path_len(PATH_MAX - 1);
	ck_assert(ma_defaults_read(&app, &defaults));
	ck_assert_int_eq(defaults.group, 1000);
	ck_assert_str_eq(test_said(), "");
	/* The name that the file has at first is longer. */
	ck_assert(!ma_defaults_write(&app, &defaults));
	ck_assert_str_eq(test_said(), said);
	set_path_len(PATH_MAX);
	ck_assert(!ma_defaults_read(&app, &defaults));
	ck_assert_str_eq(test_said(), said);
	expect_built_in();
	ck_assert(!ma_defaults_write(&app, &defaults));
	ck_assert_str_eq(test_said(), said);
}
END_TEST

static const struct {
	mode_t mode;
	uid_t owner;
	uid_t self;
	bool is_good;
} trust[] = {
	{0644, 0, 0, true},	   {0600, 0, 0, true},	      {0664, 0, 0, false},
	{0646, 0, 0, false},	   {0666, 0, 0, false},	      {0644, 1000, 0, false},
	{0644, 1000, 1000, true},  {0644, 1000, 1001, false}, {0644, 0, 1000, true},
	{0664, 1000, 1000, false},
};

START_TEST(uses_no_file_that_others_may_write)
{
	write_file("GROUP=1000\n");
	ck_assert_int_eq(chmod(path, trust[_i].mode), 0);
	test_users(trust[_i].owner, trust[_i].self);
	ck_assert_int_eq(ma_defaults_read(&app, &defaults), trust[_i].is_good);
	ck_assert_int_eq(defaults.group, trust[_i].is_good ? 1000 : -1);
	if (trust[_i].is_good)
		ck_assert_str_eq(test_said(), "");
	else
		expect_said("others than root may write to the defaults in ",
			    ": chown root and chmod 0644 it");
	/* Neither does it become one by being written anew. */
	defaults.group = 1001;
	ck_assert_int_eq(ma_defaults_write(&app, &defaults), trust[_i].is_good);
	ck_assert_int_eq(strstr(file_text(path), "GROUP=1001\n") != NULL, trust[_i].is_good);
}
END_TEST

START_TEST(uses_no_file_that_it_cannot_look_at)
{
	write_file("GROUP=1000\n");
	test_fail("fstat", 0, EIO);
	ck_assert(!ma_defaults_read(&app, &defaults));
	ck_assert_int_eq(defaults.group, -1);
	expect_said("others than root may write to the defaults in ",
		    ": chown root and chmod 0644 it");
}
END_TEST

START_TEST(says_why_it_cannot_be_read)
{
	/* What is no folder has no files in it. */
	(void)support_file("mailauth.conf", "", 0);
	(void)snprintf(config, sizeof(config), "%s", support_path("mailauth.conf/x"));
	(void)snprintf(path, sizeof(path), "%s", support_path("mailauth.conf/useradd"));
	ck_assert(!ma_defaults_read(&app, &defaults));
	expect_said("cannot read the defaults in ", ": Not a directory");

	set_up();
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert(!ma_defaults_read(&app, &defaults));
	expect_said("cannot read the defaults in ", ": Is a directory");
	expect_built_in();
	ck_assert(!ma_defaults_write(&app, &defaults));
	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

/* ---- writing --------------------------------------------------------------------------------- */

#define PRINTED                                                                                    \
	"GROUP=77\nHOME=/srv/mail\nINACTIVE=30\nEXPIRE=tomorrow\nSHELL=/bin/sh\nSKEL=/etc/skel\n"

static void fill(void)
{
	defaults = (struct defaults){.group = 77, .inactive = 30};
	ck_assert(ma_defaults_set_home(&defaults, "/srv/mail"));
	ck_assert(ma_defaults_set_expire(&defaults, "tomorrow"));
	ck_assert(ma_defaults_set_shell(&defaults, "/bin/sh"));
	(void)snprintf(defaults.skeleton, sizeof(defaults.skeleton), "/etc/skel");
}

/* What goes to standard output, which is the report of the tests meanwhile; free() it. */
static char *printed(void)
{
	FILE *keep = stdout;
	char *text = NULL;
	size_t len;
	FILE *stream = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(stream);
	ck_assert_int_eq(fflush(stdout), 0);
	stdout = stream;
	ma_defaults_print(&defaults);
	stdout = keep;
	ck_assert_int_eq(fclose(stream), 0);
	return text;
}

START_TEST(prints_all_of_them)
{
	char *text;

	fill();
	text = printed();
	ck_assert_str_eq(text, PRINTED);
	free(text);
	ck_assert(ma_defaults_read(&app, &defaults));
	text = printed();
	ck_assert_str_eq(text, "GROUP=\nHOME=/var/vmail\nINACTIVE=-1\nEXPIRE=\n"
			       "SHELL=/usr/sbin/nologin\nSKEL=\n");
	free(text);
}
END_TEST

static const struct {
	const char *before; /* NULL: there is no file */
	const char *after;
} files[] = {
	{NULL, "# Defaults of mailuser add; see mailuser-add(8)\n" PRINTED},
	{"", PRINTED},
	{PRINTED, PRINTED},
	/* each where it was, with comments and what is not known */
	{"# mine\nSHELL=x\n\nUMASK=022\nGROUP=1\n# end",
	 "# mine\nSHELL=/bin/sh\n\nUMASK=022\nGROUP=77\n# end\n"
	 "HOME=/srv/mail\nINACTIVE=30\nEXPIRE=tomorrow\nSKEL=/etc/skel\n"},
	/* and once */
	{"SKEL=/a\nHOME=/\nSKEL=/b\nHOME=/b\nEXPIRE=\nINACTIVE=\nSHELL=\nGROUP=",
	 "SKEL=/etc/skel\nHOME=/srv/mail\nEXPIRE=tomorrow\nINACTIVE=30\nSHELL=/bin/sh\nGROUP=77\n"},
};

START_TEST(writes_each_key_once_and_keeps_the_rest)
{
	struct defaults again;
	struct stat st;

	if (files[_i].before != NULL)
		write_file(files[_i].before);
	fill();
	ck_assert(ma_defaults_write(&app, &defaults));
	ck_assert_str_eq(file_text(path), files[_i].after);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert(ma_defaults_read(&app, &again));
	ck_assert_int_eq(again.group, 77);
	ck_assert_str_eq(again.home, "/srv/mail");
	ck_assert_int_eq(again.inactive, 30);
	ck_assert_str_eq(again.expire, "tomorrow");
	ck_assert_str_eq(again.shell, "/bin/sh");
	ck_assert_str_eq(again.skeleton, "/etc/skel");
	ck_assert_str_eq(test_said(), "");
}
END_TEST

START_TEST(says_why_it_cannot_be_written)
{
	(void)snprintf(config, sizeof(config), "%s", support_path("missing/mailauth.conf"));
	(void)snprintf(path, sizeof(path), "%s", support_path("missing/useradd"));
	ck_assert(!ma_defaults_write(&app, &defaults));
	expect_said("the defaults in ", " cannot be written: No such file or directory");
}
END_TEST

/* Nor is anything left of the new one. */
START_TEST(keeps_the_old_file_until_the_new_one_is_complete)
{
	static const char *const calls[] = {"fsync", "rename"};

	for (int i = 0; i < TEST_ROWS(calls); i++) {
		glob_t found;

		write_file("GROUP=1000\n");
		test_fail(calls[i], 0, EIO);
		ck_assert(!ma_defaults_write(&app, &defaults));
		ck_assert_uint_eq(test_failed(), (size_t)i + 1);
		expect_said("the defaults in ", " cannot be written: Input/output error");
		ck_assert_str_eq(file_text(path), "GROUP=1000\n");
		ck_assert_int_eq(glob(support_path("useradd.*"), 0, NULL, &found), GLOB_NOMATCH);
		globfree(&found);
	}
}
END_TEST

/* ---- single values --------------------------------------------------------------------------- */

START_TEST(leaves_values_as_they_were_where_the_new_one_is_bad)
{
	fill();
	ck_assert(!ma_defaults_set_home(&defaults, "/srv/ma\nil"));
	ck_assert(!ma_defaults_set_home(&defaults, "/usr"));
	ck_assert_str_eq(defaults.home, "/srv/mail");
	ck_assert(!ma_defaults_set_shell(&defaults, "sh"));
	ck_assert(!ma_defaults_set_shell(&defaults, "/bin/sh\n"));
	ck_assert_str_eq(defaults.shell, "/bin/sh");
	ck_assert(ma_defaults_set_shell(&defaults, ""));
	ck_assert_str_eq(defaults.shell, "");
	ck_assert(!ma_defaults_set_expire(&defaults, "tomorrow\n"));
	ck_assert_str_eq(defaults.expire, "tomorrow");
	ck_assert(ma_defaults_set_expire(&defaults, ""));
	ck_assert_str_eq(defaults.expire, "");
}
END_TEST

static const struct {
	const char *base;
	const char *name;
	const char *want;
} homes[] = {
	{"/var/vmail", "ann@example.org", "/var/vmail/example.org/ann"},
	{"/var/vmail//", "ann@example.org", "/var/vmail/example.org/ann"},
	{"/", "ann@example.org", "//example.org/ann"},
	{"", "ann@example.org", "/example.org/ann"},
	{"/var/vmail", "ann@", "/var/vmail//ann"},
	{"/var/vmail", "ann", ""},
	{"/var/vmail", "", ""},
};

START_TEST(makes_the_path_of_a_mailbox)
{
	char home[MAILAUTH_TEXT_MAX + 1] = "before";

	ma_defaults_home(homes[_i].base, homes[_i].name, home);
	ck_assert_str_eq(home, homes[_i].want);
}
END_TEST

/* Never cut: the mailbox of somebody else. */
START_TEST(makes_no_path_that_is_too_long)
{
	char home[MAILAUTH_TEXT_MAX + 1];
	char name[MAILAUTH_TEXT_MAX + 10];
	/* "/srv/", "/" and the rest of the name */
	size_t fits = MAILAUTH_TEXT_MAX - strlen("/srv//");

	memset(name, 'x', sizeof(name));
	name[3] = '@';
	name[fits + 1] = '\0';
	ma_defaults_home("/srv", name, home);
	ck_assert_uint_eq(strlen(home), MAILAUTH_TEXT_MAX);
	name[fits + 1] = 'x';
	name[fits + 2] = '\0';
	ma_defaults_home("/srv", name, home);
	ck_assert_str_eq(home, "");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("defaults");
	TCase *tcase = tcase_create("defaults");

	tcase_add_checked_fixture(tcase, set_up, test_reset);
	tcase_add_test(tcase, has_the_documented_defaults);
	tcase_add_test(tcase, reads_every_key);
	tcase_add_test(tcase, takes_the_last_of_several);
	tcase_add_loop_test(tcase, leaves_out_what_makes_no_sense_and_says_so, 0, TEST_ROWS(bad));
	tcase_add_test(tcase, doubts_a_bad_home_whatever_follows);
	tcase_add_test(tcase, takes_values_whole_or_not_at_all);
	tcase_add_test(tcase, finds_the_file_beside_the_configuration);
	tcase_add_test(tcase, says_that_the_path_is_too_long);
	tcase_add_loop_test(tcase, uses_no_file_that_others_may_write, 0, TEST_ROWS(trust));
	tcase_add_test(tcase, uses_no_file_that_it_cannot_look_at);
	tcase_add_test(tcase, says_why_it_cannot_be_read);
	tcase_add_test(tcase, prints_all_of_them);
	tcase_add_loop_test(tcase, writes_each_key_once_and_keeps_the_rest, 0, TEST_ROWS(files));
	tcase_add_test(tcase, says_why_it_cannot_be_written);
	tcase_add_test(tcase, keeps_the_old_file_until_the_new_one_is_complete);
	tcase_add_test(tcase, leaves_values_as_they_were_where_the_new_one_is_bad);
	tcase_add_loop_test(tcase, makes_the_path_of_a_mailbox, 0, TEST_ROWS(homes));
	tcase_add_test(tcase, makes_no_path_that_is_too_long);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
