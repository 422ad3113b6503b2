/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_path.c - what the text of a path tells
 */
#include "path.h"

#include "support.h"
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "test_calls.h"

static const struct {
	const char *path;
	bool is_usable;
} paths[] = {
	{"/a", true},
	{"/srv/mail", true},
	{"//srv///mail//", true},
	{"/srv/.mail", true},
	{"/srv/..mail", true},
	{"/srv/mail.", true},
	{"/srv/.a", true},
	{"/srv/a.", true},
	{"/srv/...", true},
	{"", false},
	{"/", false},
	{"//", false},
	{"a", false},
	{"srv/mail", false},
	{"./a", false},
	{"/.", false},
	{"/..", false},
	{"/./a", false},
	{"/../a", false},
	{"/srv/./mail", false},
	{"/srv/../mail", false},
	{"/srv/mail/.", false},
	{"/srv/mail/..", false},
};

START_TEST(knows_paths_that_can_be_mailboxes)
{
	ck_assert_msg(ma_path_is_usable(paths[_i].path) == paths[_i].is_usable, "'%s': want %d",
		      paths[_i].path, paths[_i].is_usable);
}
END_TEST

START_TEST(refuses_parts_that_no_file_can_have)
{
	char path[NAME_MAX + 20] = "/srv/";
	size_t start = strlen(path);

	memset(path + start, 'x', NAME_MAX + 1);
	ck_assert(!ma_path_is_usable(path));
	path[start + NAME_MAX] = '\0';
	ck_assert(ma_path_is_usable(path));
}
END_TEST

static const struct {
	const char *outer;
	const char *inner;
	bool is_within;
	bool overlap;
} pairs[] = {
	{"/srv/mail", "/srv/mail", true, true},
	{"/srv/mail", "/srv/mail/ann", true, true},
	{"//srv/mail/", "/srv//mail///ann/", true, true},
	{"/", "/srv", true, true},
	{"/srv/mail/ann", "/srv/mail", false, true},
	{"/srv", "/", false, true},
	{"/srv/mail", "/srv/mails", false, false},
	{"/srv/mails", "/srv/mail", false, false},
	{"/srv/mail", "/srv/news", false, false},
	{"/srv/mail", "/var/mail", false, false},
};

START_TEST(knows_what_is_inside)
{
	const char *outer = pairs[_i].outer;
	const char *inner = pairs[_i].inner;

	ck_assert_msg(ma_path_is_within(outer, inner) == pairs[_i].is_within, "%s, %s: want %d",
		      outer, inner, pairs[_i].is_within);
	ck_assert_msg(ma_path_overlap(outer, inner) == pairs[_i].overlap, "%s, %s: want %d", outer,
		      inner, pairs[_i].overlap);
	ck_assert_int_eq(ma_path_overlap(inner, outer), pairs[_i].overlap);
}
END_TEST

static const struct {
	const char *path;
	bool is_system;
	bool is_top;
} places[] = {
	{"/", true, true},
	{"//", true, true},
	{"/var", true, true},
	{"/var/", true, true},
	{"/home", true, true},
	{"/usr", true, true},
	{"/usr/local", true, false},
	{"/var/lib", true, false},
	{"/etc", true, true},
	{"/etc/mail", true, false},
	{"/usr/lib/mail", true, false},
	{"//usr//share/doc", true, false},
	{"/srv", false, true},
	{"/srv/mail", false, false},
	{"/vmail", false, true},
	{"/var/vmail", false, false},
	{"/home/ann", false, false},
	{"/usr/local/mail", false, false},
	{"/etcetera", false, true},
};

START_TEST(knows_the_folders_of_the_system)
{
	ck_assert_msg(ma_path_is_system(places[_i].path) == places[_i].is_system, "%s: want %d",
		      places[_i].path, places[_i].is_system);
	ck_assert_msg(ma_path_is_top(places[_i].path) == places[_i].is_top, "%s: want %d",
		      places[_i].path, places[_i].is_top);
}
END_TEST

/* By what they are, as a bind mount or a link gives them another name. */
START_TEST(knows_the_folders_of_the_system_by_their_looks)
{
	static const char *const system[] = {"/", "/usr", "/var/lib", "/etc", "/proc"};
	struct stat st;

	for (int i = 0; i < TEST_ROWS(system); i++) {
		ck_assert_int_eq(stat(system[i], &st), 0);
		ck_assert_msg(ma_path_is_system_folder(&st), "%s is not known", system[i]);
	}
	ck_assert_int_eq(stat(support_folder(), &st), 0);
	ck_assert(!ma_path_is_system_folder(&st));
	/* The same number on another disk is another folder. */
	ck_assert_int_eq(stat("/etc", &st), 0);
	st.st_dev = ~st.st_dev;
	ck_assert(!ma_path_is_system_folder(&st));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("path");
	TCase *tcase = tcase_create("path");

	tcase_add_checked_fixture(tcase, test_reset, test_reset);
	tcase_add_loop_test(tcase, knows_paths_that_can_be_mailboxes, 0, TEST_ROWS(paths));
	tcase_add_test(tcase, refuses_parts_that_no_file_can_have);
	tcase_add_loop_test(tcase, knows_what_is_inside, 0, TEST_ROWS(pairs));
	tcase_add_loop_test(tcase, knows_the_folders_of_the_system, 0, TEST_ROWS(places));
	tcase_add_test(tcase, knows_the_folders_of_the_system_by_their_looks);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
