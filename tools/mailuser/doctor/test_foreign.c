/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_foreign.c - configuration files of other programs, and what is none
 */
#include "foreign.h"

#include "support.h"
#include "test_calls.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- ma_foreign_read() ----------------------------------------------------------------------- */

static void expect_text(const char *path, const char *want)
{
	char *text = NULL;

	ck_assert_int_eq(ma_foreign_read(path, &text), MA_FOREIGN_READ);
	ck_assert_str_eq(text, want);
	free(text);
}

static void expect_none(const char *what, const char *path, enum foreign want, int error)
{
	char before[] = "before";
	char *text = before;
	enum foreign got;

	errno = 0;
	got = ma_foreign_read(path, &text);
	ck_assert_msg(got == want, "%s: got %d, want %d", what, got, want);
	ck_assert_msg(text == NULL, "%s: got '%s'", what, text);
	if (error != 0)
		ck_assert_int_eq(errno, error);
}

START_TEST(reads_a_file)
{
	expect_text(support_file("f", "", 0), "");
	expect_text(support_file("f", "a: b\nc", 6), "a: b\nc");
	expect_text(support_file("f", "\0a\0\0", 4), "?a??");
}
END_TEST

START_TEST(reads_in_pieces_and_to_an_early_end)
{
	const char *path = support_file("f", "abcdefgh", 8);

	test_read_max(3);
	expect_text(path, "abcdefgh");
	/* Somebody cuts it meanwhile. */
	test_fail("read", 2, 0);
	expect_text(path, "abcdef");
	test_fail("read", 0, 0);
	expect_text(path, "");
}
END_TEST

/* None of them may be waited for. */
START_TEST(takes_regular_files_alone)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const char *fifo = support_path("fifo");
	const char *listener = support_path("socket");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	expect_none("a FIFO", fifo, MA_FOREIGN_ODD, 0);
	ck_assert_int_eq(unlink(fifo), 0);

	ck_assert_int_ge(fd, 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", listener);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	expect_none("a socket", listener, MA_FOREIGN_ODD, 0);
	ck_assert_int_eq(close(fd), 0);
	ck_assert_int_eq(unlink(listener), 0);

	expect_none("a folder", support_folder(), MA_FOREIGN_ODD, 0);
	expect_none("a device", "/dev/zero", MA_FOREIGN_ODD, 0);
}
END_TEST

START_TEST(tells_what_is_missing_from_what_is_denied)
{
	const char *loop = support_path("loop");

	(void)support_file("f", "a", 1);
	expect_none("no file", support_path("missing"), MA_FOREIGN_MISSING, 0);
	expect_none("no folder", support_path("missing/f"), MA_FOREIGN_MISSING, 0);
	expect_none("no folder at all", support_path("f/f"), MA_FOREIGN_MISSING, 0);
	ck_assert_int_eq(symlink("loop", loop), 0);
	expect_none("a loop", loop, MA_FOREIGN_DENIED, ELOOP);
	ck_assert_int_eq(unlink(loop), 0);
}
END_TEST

START_TEST(says_why_it_cannot_read_on)
{
	const char *path = support_file("f", "abcdef", 6);

	for (size_t nth = 0; nth < 2; nth++) {
		test_read_max(3);
		test_fail("read", nth, EIO);
		expect_none("input and output", path, MA_FOREIGN_DENIED, EIO);
		ck_assert_uint_eq(test_failed(), nth + 1);
	}
	test_fail(TEST_MEMORY, 0, ENOMEM);
	expect_none("memory", path, MA_FOREIGN_DENIED, ENOMEM);
	test_fail("fstat", 0, EIO);
	expect_none("status", path, MA_FOREIGN_ODD, 0);
}
END_TEST

START_TEST(stops_at_a_limit)
{
	const char *path = support_file("f", "a", 1);
	char *text = NULL;

	ck_assert_int_eq(truncate(path, (off_t)MA_FOREIGN_MAX + 1), 0);
	expect_none("one byte more", path, MA_FOREIGN_ODD, 0);
	ck_assert_int_eq(truncate(path, (off_t)MA_FOREIGN_MAX), 0);
	ck_assert_int_eq(ma_foreign_read(path, &text), MA_FOREIGN_READ);
	ck_assert_uint_eq(strlen(text), MA_FOREIGN_MAX);
	free(text);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

/* ---- settings -------------------------------------------------------------------------------- */

static struct settings settings;

static enum foreign load(enum style style, const char *text)
{
	return ma_settings_load(support_file("conf", text, strlen(text)), style, &settings);
}

static const struct {
	enum style style;
	const char *text;
	const char *want; /* all settings: "name=value;" */
	unsigned int bad_line;
} files[] = {
	{MA_STYLE_SASL, "", "", 0},
	{MA_STYLE_SASL, "\n \n\t\n# a: b\n  # a: b\n", "", 0},
	{MA_STYLE_SASL, "mech_list: PLAIN LOGIN\n", "mech_list=PLAIN LOGIN;", 0},
	{MA_STYLE_SASL, "\n  Mech_List \t:  PLAIN \r\nb:c", "mech_list=PLAIN;b=c;", 0},
	{MA_STYLE_SASL, "a: b: c = d", "a=b: c = d;", 0},
	{MA_STYLE_SASL, "a:", "a=;", 0},
	{MA_STYLE_SASL, "a: B", "a=B;", 0},
	/* libsasl2 refuses the file; the first bad line is the one to tell */
	{MA_STYLE_SASL, "a: b\nmech_list PLAIN\nc: d\nrubbish\n", "a=b;c=d;", 2},
	{MA_STYLE_SASL, "a = b", "", 1},
	{MA_STYLE_SASL, "a: b\n: c", "a=b;", 2},
	{MA_STYLE_SASL, " :\n", "", 1},

	{MA_STYLE_POSTFIX, "a = b\nrubbish\nC=d", "a=b;c=d;", 0},
	{MA_STYLE_POSTFIX, "= b\na: c\n", "", 0},
	{MA_STYLE_POSTFIX, "a = b\n  c\n\td\ne = f\n", "a=b   c \td;e=f;", 0},
	{MA_STYLE_POSTFIX, "a =\n b = c\n", "a=b = c;", 0},
	{MA_STYLE_POSTFIX, "a = b\n  # c\n \nd = e\n ", "a=b;d=e;", 0},
	{MA_STYLE_POSTFIX, "a = b,\n# not yet\n\n  # nor this\n  c\nd = e", "a=b,   c;d=e;", 0},
	{MA_STYLE_POSTFIX, "  a = b\n c", "a=b  c;", 0},
	{MA_STYLE_SASL, "a: b\n c: d\n", "a=b;c=d;", 0}, /* nothing goes on there */

	{MA_STYLE_SENDMAIL, "O Name=value\nO other = x\n", "name=value;other=x;", 0},
	{MA_STYLE_SENDMAIL, "DnMAILER\nOname=value\nO\nname=value\nO name\n", "", 0},

	{MA_STYLE_EXIM, "MACRO = x\nprimary_hostname = h\n", "MACRO=x;primary_hostname=h;", 0},
	{MA_STYLE_EXIM, "begin authenticators\nplain:\n  driver = sasl\n", "plain:=;driver=sasl;",
	 0},
	{MA_STYLE_EXIM, ":\na b:\na: b\nc:=d:\n", "c:=d:=;", 0},
	{MA_STYLE_OWN, "plain:\n", "", 0}, /* a label nowhere else */

	{MA_STYLE_OWN, "Store = memory:\nrubbish\n", "store=memory:;", 0},
};

static const char *told(void)
{
	static char text[4096];
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < settings.n && len < sizeof(text); i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s=%s;",
					settings.items[i].name, settings.items[i].value);
	return text;
}

START_TEST(takes_one_setting_of_each_line)
{
	ck_assert_int_eq(load(files[_i].style, files[_i].text), MA_FOREIGN_READ);
	ck_assert_str_eq(told(), files[_i].want);
	ck_assert_uint_eq(settings.bad_line, files[_i].bad_line);
}
END_TEST

static const struct {
	enum style style;
	const char *first;
	const char *second; /* a further file */
	const char *want;
} doubles[] = {
	{MA_STYLE_SASL, "a: 1\na: 2\n", "a: 3\n", "1"},
	{MA_STYLE_OWN, "a = 1\na = 2\n", "a = 3\n", "1"},
	{MA_STYLE_POSTFIX, "a = 1\na = 2\n", "a = 3\n", "3"},
	{MA_STYLE_POSTFIX, "a = 1\na = 2\n", "b = 3\n", "2"},
	{MA_STYLE_SENDMAIL, "O a=1\nO a=2\n", "O b=3\n", "2"},
	{MA_STYLE_EXIM, "a = 1\na = 2\n", "b = 3\n", "2"},
	{MA_STYLE_EXIM, "A = 1\n", "b = 3\n", NULL},
	{MA_STYLE_POSTFIX, "A = 1\n", "", "1"},
	{MA_STYLE_SASL, "ab: 1\n", "b: 2\n", NULL},
	{MA_STYLE_SASL, "", "", NULL},
};

START_TEST(knows_which_of_several_counts)
{
	const char *got;

	ck_assert_int_eq(load(doubles[_i].style, doubles[_i].first), MA_FOREIGN_READ);
	ck_assert_int_eq(load(doubles[_i].style, doubles[_i].second), MA_FOREIGN_READ);
	got = ma_settings_get(&settings, "a");
	if (doubles[_i].want == NULL)
		ck_assert_ptr_null(got);
	else
		ck_assert_str_eq(got, doubles[_i].want);
}
END_TEST

START_TEST(takes_no_more_files_than_it_has_room_for)
{
	for (int i = 0; i < MA_FOREIGN_FILES; i++)
		ck_assert_int_eq(load(MA_STYLE_SASL, "a: b\n"), MA_FOREIGN_READ);
	ck_assert_int_eq(load(MA_STYLE_SASL, "a: b\n"), MA_FOREIGN_ODD);
	ck_assert_uint_eq(settings.n, MA_FOREIGN_FILES);
	ma_settings_clear(&settings);
	ck_assert_ptr_null(ma_settings_get(&settings, "a"));
	ck_assert_int_eq(load(MA_STYLE_SASL, "a: b\n"), MA_FOREIGN_READ);
}
END_TEST

START_TEST(takes_many_lines)
{
	char text[4000] = "";
	size_t len = 0;

	for (int i = 0; i < 200; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "name%d: %d\n", i, 2 * i);
	ck_assert_int_eq(load(MA_STYLE_SASL, text), MA_FOREIGN_READ);
	ck_assert_uint_eq(settings.n, 200);
	for (int i = 0; i < 200; i++) {
		char name[20];
		char want[20];

		(void)snprintf(name, sizeof(name), "name%d", i);
		(void)snprintf(want, sizeof(want), "%d", 2 * i);
		ck_assert_str_eq(ma_settings_get(&settings, name), want);
	}
}
END_TEST

START_TEST(reports_what_cannot_be_loaded)
{
	ck_assert_int_eq(ma_settings_load(support_path("missing"), MA_STYLE_SASL, &settings),
			 MA_FOREIGN_MISSING);
	ck_assert_int_eq(ma_settings_load(support_folder(), MA_STYLE_SASL, &settings),
			 MA_FOREIGN_ODD);
	ck_assert_uint_eq(settings.n_texts, 0);
}
END_TEST

START_TEST(survives_lack_of_memory_anywhere)
{
	static const char text[] = "a: 1\nb: 2\nc: 3\nd: 4\ne: 5\n";
	const char *path = support_file("conf", text, strlen(text));
	size_t nth = 0;

	for (;; nth++) {
		enum foreign got;

		test_fail(TEST_MEMORY, nth, ENOMEM);
		errno = 0;
		got = ma_settings_load(path, MA_STYLE_SASL, &settings);
		if (got == MA_FOREIGN_READ)
			break;
		ck_assert_int_eq(got, MA_FOREIGN_DENIED);
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert_uint_eq(test_failed(), nth + 1);
		ma_settings_clear(&settings);
	}
	/* The text, and room for 1, 2, 4 and 8 settings. */
	ck_assert_uint_eq(nth, 5);
	ck_assert_uint_eq(settings.n, 5);
}
END_TEST

/* ---- words ----------------------------------------------------------------------------------- */

static const struct {
	const char *list;
	const char *words[4];
} lists[] = {
	{"", {NULL}},
	{" ,:\t\r\n", {NULL}},
	{"PLAIN", {"PLAIN"}},
	{"  PLAIN, LOGIN:\r\n\tAPOP ", {"PLAIN", "LOGIN", "APOP"}},
	{"/a/b:/c/d", {"/a/b", "/c/d"}},
	{"1234567", {"1234567"}},
	{"12345678 b", {"1234567", "b"}}, /* cut to fit */
};

START_TEST(takes_words_one_by_one)
{
	const char *rest = lists[_i].list;
	char word[8] = "before";

	for (int i = 0; i < 4 && lists[_i].words[i] != NULL; i++) {
		ck_assert(ma_word_next(&rest, word, sizeof(word)));
		ck_assert_str_eq(word, lists[_i].words[i]);
	}
	ck_assert(!ma_word_next(&rest, word, sizeof(word)));
	ck_assert_str_eq(word, "");
	ck_assert_str_eq(rest, "");
}
END_TEST

START_TEST(finds_words_in_any_case)
{
	ck_assert(ma_word_in("PLAIN LOGIN", "login"));
	ck_assert(ma_word_in("plain", "PLAIN"));
	ck_assert(!ma_word_in("PLAIN LOGIN", "LOG"));
	ck_assert(!ma_word_in("PLAIN LOGIN", "LOGINS"));
	ck_assert(!ma_word_in("PLAIN LOGIN", ""));
	ck_assert(!ma_word_in("", "PLAIN"));
	ck_assert(!ma_word_in(NULL, "PLAIN"));
}
END_TEST

static void set_up(void)
{
	test_reset();
	ma_settings_clear(&settings);
}

int main(void)
{
	Suite *suite = suite_create("foreign");
	TCase *tcase = tcase_create("foreign");

	tcase_add_checked_fixture(tcase, set_up, set_up);
	tcase_add_test(tcase, reads_a_file);
	tcase_add_test(tcase, reads_in_pieces_and_to_an_early_end);
	tcase_add_test(tcase, takes_regular_files_alone);
	tcase_add_test(tcase, tells_what_is_missing_from_what_is_denied);
	tcase_add_test(tcase, says_why_it_cannot_read_on);
	tcase_add_test(tcase, stops_at_a_limit);
	tcase_add_loop_test(tcase, takes_one_setting_of_each_line, 0, TEST_ROWS(files));
	tcase_add_loop_test(tcase, knows_which_of_several_counts, 0, TEST_ROWS(doubles));
	tcase_add_test(tcase, takes_no_more_files_than_it_has_room_for);
	tcase_add_test(tcase, takes_many_lines);
	tcase_add_test(tcase, reports_what_cannot_be_loaded);
	tcase_add_test(tcase, survives_lack_of_memory_anywhere);
	tcase_add_loop_test(tcase, takes_words_one_by_one, 0, TEST_ROWS(lists));
	tcase_add_test(tcase, finds_words_in_any_case);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
