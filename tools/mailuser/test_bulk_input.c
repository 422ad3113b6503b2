/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_bulk_input.c - lines in memory, and the names that came up in them
 */
#include "support.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bulk.h"
#include "test_calls.h"

/* ---- lines ----------------------------------------------------------------------------------- */

static void expect_line(struct bulk_lines *lines, const char *want, size_t want_len)
{
	size_t len = 7;
	const char *line = ma_bulk_line(lines, &len);

	ck_assert_msg(line != NULL, "got the end, want '%s'", want);
	ck_assert_msg(len == want_len && memcmp(line, want, len) == 0 && line[len] == '\0',
		      "got '%s' of %zu bytes, want '%s' of %zu", line, len, want, want_len);
}

static void expect_end(struct bulk_lines *lines)
{
	for (int i = 0; i < 2; i++) {
		size_t len = 7;
		const char *line = ma_bulk_line(lines, &len);

		ck_assert_msg(line == NULL, "got '%s', want the end", line);
		ck_assert_uint_eq(len, 0);
	}
}

static const struct {
	const char *text;
	size_t len;
	const char *lines[4];
} inputs[] = {
	{"", 0, {NULL}},
	{"a", 1, {"a"}},
	{"a\n", 2, {"a"}},
	{"a\nb", 3, {"a", "b"}},
	{"a\r\nb\n", 5, {"a\r", "b"}},
	{"\n", 1, {""}},
	{"\n\na\n\n", 5, {"", "", "a", ""}},
	{" a b \n", 6, {" a b "}},
};

START_TEST(cuts_a_file_into_lines)
{
	const char *path = support_file("input", inputs[_i].text, inputs[_i].len);
	struct bulk_lines lines;

	ck_assert(ma_bulk_read(path, &lines));
	for (int i = 0; i < 4 && inputs[_i].lines[i] != NULL; i++)
		expect_line(&lines, inputs[_i].lines[i], strlen(inputs[_i].lines[i]));
	expect_end(&lines);
	ma_bulk_lines_clear(&lines);
	ck_assert_ptr_null(lines.text);
	ma_bulk_lines_clear(&lines);
}
END_TEST

START_TEST(counts_nul_like_any_byte)
{
	struct bulk_lines lines;

	ck_assert(ma_bulk_read(support_file("input", "a\0b\n\0\n", 6), &lines));
	expect_line(&lines, "a\0b", 3);
	expect_line(&lines, "\0", 1);
	expect_end(&lines);
	ma_bulk_lines_clear(&lines);
}
END_TEST

/* Where what there is room for is full, short of it by one, and beyond. */
START_TEST(reads_what_does_not_fit_at_first)
{
	static const size_t sizes[] = {65534, 65535, 65536, 65537, 131071, 131072, 500000};
	static char text[500000];

	for (int i = 0; i < TEST_ROWS(sizes); i++) {
		struct bulk_lines lines;

		for (size_t k = 0; k < sizes[i]; k++)
			text[k] = (char)('a' + k % 23);
		ck_assert(ma_bulk_read(support_file("input", text, sizes[i]), &lines));
		ck_assert_uint_gt(lines.size, sizes[i]);
		expect_line(&lines, text, sizes[i]);
		expect_end(&lines);
		ma_bulk_lines_clear(&lines);
	}
}
END_TEST

static const char input[] = "ann:secret\nbob:hidden\n";

START_TEST(reads_on_after_a_signal_and_in_small_pieces)
{
	const char *path = support_file("input", input, strlen(input));

	for (size_t nth = 0; nth < 5; nth++) {
		struct bulk_lines lines;

		test_read_max(3);
		test_fail("read", nth, EINTR);
		ck_assert(ma_bulk_read(path, &lines));
		ck_assert_uint_eq(test_failed(), nth + 1);
		expect_line(&lines, "ann:secret", 10);
		expect_line(&lines, "bob:hidden", 10);
		expect_end(&lines);
		ma_bulk_lines_clear(&lines);
	}
	ck_assert_str_eq(test_said(), "");
}
END_TEST

START_TEST(reads_standard_input)
{
	int file = open(support_file("input", input, strlen(input)), O_RDONLY | O_CLOEXEC);
	int keep = dup(STDIN_FILENO);
	struct bulk_lines lines;

	ck_assert_int_ge(file, 0);
	ck_assert_int_eq(dup2(file, STDIN_FILENO), STDIN_FILENO);
	ck_assert(ma_bulk_read(NULL, &lines));
	expect_line(&lines, "ann:secret", 10);
	expect_line(&lines, "bob:hidden", 10);
	expect_end(&lines);
	ma_bulk_lines_clear(&lines);
	/* It is still open. */
	test_fail("read", 0, EIO);
	ck_assert(!ma_bulk_read(NULL, &lines));
	ck_assert_str_eq(test_said(), "standard input: Input/output error; nothing was changed\n");
	ma_bulk_lines_clear(&lines);
	if (keep >= 0) {
		ck_assert_int_eq(dup2(keep, STDIN_FILENO), STDIN_FILENO);
		ck_assert_int_eq(close(keep), 0);
	}
	ck_assert_int_eq(close(file), 0);
}
END_TEST

START_TEST(says_why_a_file_cannot_be_read)
{
	const char *missing = support_path("missing");
	const char *path = support_file("input", input, strlen(input));
	struct bulk_lines lines;
	char want[300];

	ck_assert(!ma_bulk_read(missing, &lines));
	(void)snprintf(want, sizeof(want), "%s: No such file or directory\n", missing);
	ck_assert_str_eq(test_said(), want);
	ma_bulk_lines_clear(&lines);

	for (size_t nth = 0; nth < 2; nth++) {
		test_fail("read", nth, EIO);
		ck_assert(!ma_bulk_read(path, &lines));
		(void)snprintf(want, sizeof(want), "%s: Input/output error; nothing was changed\n",
			       path);
		ck_assert_str_eq(test_said(), want);
		ma_bulk_lines_clear(&lines);
	}
}
END_TEST

/* At first, and where it has to move to grow. */
START_TEST(says_what_is_too_large)
{
	static char text[100000];
	const char *path;
	struct bulk_lines lines;
	char want[300];

	memset(text, 'x', sizeof(text));
	path = support_file("input", text, sizeof(text));
	(void)snprintf(want, sizeof(want),
		       "%s is too large for the memory, or for one run; nothing was changed: split "
		       "it\n",
		       path);
	for (size_t nth = 0; nth < 2; nth++) {
		test_fail(TEST_MEMORY, nth, ENOMEM);
		ck_assert(!ma_bulk_read(path, &lines));
		ck_assert_uint_eq(test_failed(), nth + 1);
		ck_assert_str_eq(test_said(), want);
		ma_bulk_lines_clear(&lines);
	}
}
END_TEST

/* ---- names ----------------------------------------------------------------------------------- */

static struct mailauth_name name_of(const char *text)
{
	struct mailauth_name name;

	(void)snprintf(name.text, sizeof(name.text), "%s", text);
	return name;
}

static size_t *add(struct bulk_names *names, const char *text, size_t place)
{
	struct mailauth_name name = name_of(text);

	return ma_bulk_name(names, &name, place);
}

static const size_t *find(const struct bulk_names *names, const char *text)
{
	struct mailauth_name name = name_of(text);

	return ma_bulk_name_find(names, &name);
}

static void note(const char *name, size_t place, void *arg)
{
	char *text = arg;
	size_t len = strlen(text);

	(void)snprintf(text + len, 200 - len, "%s=%zu ", name, place);
}

static void expect_names(const struct bulk_names *names, const char *want)
{
	char text[200] = "";

	ma_bulk_names_each(names, note, text);
	ck_assert_str_eq(text, want);
}

START_TEST(keeps_names_in_the_order_in_which_they_came)
{
	struct bulk_names names = {0};
	size_t *place;

	expect_names(&names, "");
	ck_assert_ptr_null(find(&names, "ann@a"));
	ck_assert_uint_eq(*add(&names, "bob@a", 1), 1);
	ck_assert_uint_eq(*add(&names, "ann@a", 2), 2);
	ck_assert_uint_eq(*add(&names, "cat@a", 3), 3);
	/* The place of the first time, which may be changed. */
	place = add(&names, "bob@a", 4);
	ck_assert_uint_eq(*place, 1);
	*place = 4;
	ck_assert_uint_eq(*find(&names, "bob@a"), 4);
	ck_assert_uint_eq(*find(&names, "ann@a"), 2);
	ck_assert_ptr_null(find(&names, "ann@b"));
	expect_names(&names, "bob@a=4 ann@a=2 cat@a=3 ");
	ma_bulk_names_clear(&names);
	expect_names(&names, "");
	ck_assert_ptr_null(find(&names, "ann@a"));
	ma_bulk_names_clear(&names);
}
END_TEST

START_TEST(loses_no_name_where_there_is_no_memory)
{
	struct bulk_names names = {0};

	ck_assert_uint_eq(*add(&names, "bob@a", 1), 1);
	for (size_t nth = 0; nth < 2; nth++) {
		test_fail(TEST_MEMORY, nth, ENOMEM);
		ck_assert_ptr_null(add(&names, "ann@a", 2));
		ck_assert_uint_eq(test_failed(), nth + 1);
		ck_assert_ptr_null(find(&names, "ann@a"));
	}
	test_fail(TEST_MEMORY, 0, ENOMEM);
	ck_assert_ptr_null(find(&names, "bob@a"));
	ck_assert_uint_eq(*find(&names, "bob@a"), 1);
	expect_names(&names, "bob@a=1 ");
	ma_bulk_names_clear(&names);
}
END_TEST

static const struct {
	const char *text;
	const char *realm;
	const char *want; /* NULL: refused */
} names_read[] = {
	{"ann", NULL, "ann@example.org"},
	{"ann", "lab.test", "ann@lab.test"},
	{"Ann@Lab.Test", NULL, "ann@lab.test"},
	{"ann@lab.test", "other.test", "ann@lab.test"},
	{"", NULL, NULL},
	{"", "lab.test", NULL},
	{"ann", "", NULL},
	{"ann", "lab@test", NULL},
	{"ann@", "lab.test", NULL},
	{"a\nn", "lab.test", NULL},
};

START_TEST(reads_names_in_a_realm_of_choice)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_name name = {"before"};
	enum mailauth_status status =
		ma_bulk_name_parse(ctx, names_read[_i].text, names_read[_i].realm, &name);

	support_status(names_read[_i].text, status,
		       names_read[_i].want == NULL ? MAILAUTH_E_USAGE : MAILAUTH_OK);
	ck_assert_str_eq(name.text, names_read[_i].want == NULL ? "" : names_read[_i].want);
	mailauth_free(&ctx);
}
END_TEST

/* Never cut: what is left would be somebody else's. */
START_TEST(refuses_names_that_are_too_long)
{
	static const struct {
		size_t len;
		enum mailauth_status want;
	} rows[] = {
		{MAILAUTH_NAME_MAX, MAILAUTH_E_USAGE}, /* the library's answer */
		{2 * MAILAUTH_NAME_MAX - 10, MAILAUTH_E_USAGE},
		{2 * MAILAUTH_NAME_MAX - 9, MAILAUTH_E_LIMIT}, /* there is no room for the realm */
		{3 * MAILAUTH_NAME_MAX, MAILAUTH_E_LIMIT},
	};
	struct mailauth *ctx = support_open("", NULL);

	for (int i = 0; i < TEST_ROWS(rows); i++) {
		char text[3 * MAILAUTH_NAME_MAX + 1] = "";
		struct mailauth_name name = {"before"};

		memset(text, 'x', rows[i].len);
		support_status("long", ma_bulk_name_parse(ctx, text, "lab.test", &name),
			       rows[i].want);
		ck_assert_str_eq(name.text, "");
	}
	mailauth_free(&ctx);
}
END_TEST

static const struct {
	const char *list;
	const char *realm;
	const char *want;
} lists[] = {
	{NULL, NULL, ""},
	{"", NULL, ""},
	{"ann", NULL, "ann@example.org=0 "},
	{"bob,ann", "lab.test", "bob@lab.test=0 ann@lab.test=0 "},
	{"bob,,ann,", "lab.test", "bob@lab.test=0 ann@lab.test=0 "},
	{"ann,ann@lab.test,ANN", "lab.test", "ann@lab.test=0 "},
};

START_TEST(reads_the_list_of_only)
{
	struct mailauth *ctx = support_open("", NULL);
	struct bulk_names names;

	ck_assert(ma_bulk_only(ctx, lists[_i].list, lists[_i].realm, &names));
	expect_names(&names, lists[_i].want);
	ck_assert_str_eq(test_said(), "");
	ma_bulk_names_clear(&names);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(says_which_name_of_only_is_none)
{
	static const struct {
		const char *list;
		const char *said;
	} rows[] = {
		{"ann,a b c,bob", "--only: 'a b c' cannot be the name of an account\n"},
		{",ann", "--only: '' cannot be the name of an account\n"},
		{"ann@", "--only: 'ann@' cannot be the name of an account\n"},
	};
	struct mailauth *ctx = support_open("", NULL);
	char list[MAILAUTH_NAME_MAX + 10] = "ann,";
	struct bulk_names names;

	for (int i = 0; i < TEST_ROWS(rows); i++) {
		ck_assert(!ma_bulk_only(ctx, rows[i].list, NULL, &names));
		ck_assert_str_eq(test_said(), rows[i].said);
		ma_bulk_names_clear(&names);
	}
	memset(list + 4, 'x', MAILAUTH_NAME_MAX + 1);
	ck_assert(!ma_bulk_only(ctx, list, NULL, &names));
	ck_assert_ptr_nonnull(strstr(test_said(), "--only: 'xxx"));
	ma_bulk_names_clear(&names);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(says_that_there_is_no_memory_for_only)
{
	struct mailauth *ctx = support_open("", NULL);
	struct bulk_names names;

	test_fail(TEST_MEMORY, 0, ENOMEM);
	ck_assert(!ma_bulk_only(ctx, "ann", NULL, &names));
	ck_assert_str_eq(test_said(), "out of memory\n");
	ma_bulk_names_clear(&names);
	mailauth_free(&ctx);
}
END_TEST

static void set_up(void)
{
	test_reset();
	support_reset();
}

int main(void)
{
	Suite *suite = suite_create("bulk_input");
	TCase *tcase = tcase_create("bulk_input");

	tcase_add_checked_fixture(tcase, set_up, test_reset);
	tcase_add_loop_test(tcase, cuts_a_file_into_lines, 0, TEST_ROWS(inputs));
	tcase_add_test(tcase, counts_nul_like_any_byte);
	tcase_add_test(tcase, reads_what_does_not_fit_at_first);
	tcase_add_test(tcase, reads_on_after_a_signal_and_in_small_pieces);
	tcase_add_test(tcase, reads_standard_input);
	tcase_add_test(tcase, says_why_a_file_cannot_be_read);
	tcase_add_test(tcase, says_what_is_too_large);
	tcase_add_test(tcase, keeps_names_in_the_order_in_which_they_came);
	tcase_add_test(tcase, loses_no_name_where_there_is_no_memory);
	tcase_add_loop_test(tcase, reads_names_in_a_realm_of_choice, 0, TEST_ROWS(names_read));
	tcase_add_test(tcase, refuses_names_that_are_too_long);
	tcase_add_loop_test(tcase, reads_the_list_of_only, 0, TEST_ROWS(lists));
	tcase_add_test(tcase, says_which_name_of_only_is_none);
	tcase_add_test(tcase, says_that_there_is_no_memory_for_only);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
