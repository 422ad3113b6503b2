/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_parse.c - numbers, ids and days, in the forms that shadow's tools take and print
 */
#include "parse.h"

#include "support.h"
#include <grp.h>

#include "test_calls.h"

static const struct {
	const char *text;
	bool is_good;
	int64_t want;
} numbers[] = {
	{"10", true, 10},
	{"0x0a", true, 10},
	{"012", true, 10},
	{"+10", true, 10},
	{" \t10", true, 10},
	{"-1", true, -1},
	{"99", true, 99},
	{"-2", false, 0},
	{"100", false, 0},
	{"", false, 0},
	{" ", false, 0},
	{"-", false, 0},
	{"x", false, 0},
	{"10x", false, 0},
	{"10 ", false, 0},
	{"08", false, 0},
	{"0x", false, 0},
	{"1.5", false, 0},
	{"99999999999999999999", false, 0},
	{"-99999999999999999999", false, 0},
};

START_TEST(takes_numbers_as_getlong_does)
{
	int64_t value = 7;
	bool is_good = ma_parse_long(numbers[_i].text, -1, 99, &value);

	ck_assert_msg(is_good == numbers[_i].is_good && value == numbers[_i].want,
		      "'%s': got %d, %lld", numbers[_i].text, is_good, (long long)value);
}
END_TEST

/* strtoll() answers with the nearest number that there is. */
START_TEST(refuses_numbers_that_do_not_fit)
{
	int64_t value = 7;

	ck_assert(!ma_parse_long("9223372036854775808", INT64_MIN, INT64_MAX, &value));
	ck_assert_int_eq(value, 0);
	ck_assert(ma_parse_long("9223372036854775807", INT64_MIN, INT64_MAX, &value));
	ck_assert_int_eq(value, INT64_MAX);
	ck_assert(!ma_parse_long("-9223372036854775809", INT64_MIN, INT64_MAX, &value));
	ck_assert_int_eq(value, 0);
}
END_TEST

static const struct {
	const char *text;
	int64_t want; /* -1: refused */
} ids[] = {
	{"0", 0},
	{"1000", 1000},
	{"+1000", 1000},
	{"010", 10}, /* decimal, as get_uid() takes it */
	{"4294967294", 4294967294},
	{"4294967295", -1}, /* (uid_t)-1 means none */
	{"4294967296", -1},
	{"18446744073709551616", -1},
	{"-1", -1},
	{"0x10", -1},
	{"", -1},
	{"no-such-group", -1},
};

START_TEST(takes_ids_that_a_system_can_have)
{
	int64_t uid = 7;
	int64_t gid = 7;

	ck_assert_int_eq(ma_parse_uid(ids[_i].text, &uid), ids[_i].want >= 0);
	ck_assert_msg(uid == ids[_i].want, "'%s': got %lld", ids[_i].text, (long long)uid);
	ck_assert_int_eq(ma_parse_gid(ids[_i].text, &gid), ids[_i].want >= 0);
	ck_assert_msg(gid == ids[_i].want, "'%s': got %lld", ids[_i].text, (long long)gid);
}
END_TEST

START_TEST(takes_the_name_of_a_group)
{
	const struct group *group = getgrgid(0);
	int64_t gid = -1;
	char *name;

	ck_assert_ptr_nonnull(group);
	name = group->gr_name;
	ck_assert(!ma_parse_uid(name, &gid));
	ck_assert(ma_parse_gid(name, &gid));
	ck_assert_int_eq(gid, 0);
}
END_TEST

static const struct {
	int64_t value;
	const char *as_day;
	const char *as_time;
} formats[] = {
	{INT64_MIN, "never", "never"},
	{-1, "never", "never"},
	{0, "1970-01-01", "1970-01-01T00:00:00Z"},
	{1, "1970-01-02", "1970-01-01T00:00:01Z"},
	{19782, "2024-02-29", "1970-01-01T05:29:42Z"},
	{2932896, "9999-12-31", "1970-02-03T22:41:36Z"},
	{2932897, "day 2932897", "1970-02-03T22:41:37Z"},
	{253402300799, "day 253402300799", "9999-12-31T23:59:59Z"},
	{253402300800, "day 253402300800", "second 253402300800"},
	{INT64_MAX, "day 9223372036854775807", "second 9223372036854775807"},
};

START_TEST(prints_days_and_times)
{
	ck_assert_str_eq(ma_format_day(formats[_i].value).text, formats[_i].as_day);
	ck_assert_str_eq(ma_format_time(formats[_i].value).text, formats[_i].as_time);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("parse");
	TCase *tcase = tcase_create("parse");

	tcase_add_checked_fixture(tcase, test_reset, test_reset);
	tcase_add_loop_test(tcase, takes_numbers_as_getlong_does, 0, TEST_ROWS(numbers));
	tcase_add_test(tcase, refuses_numbers_that_do_not_fit);
	tcase_add_loop_test(tcase, takes_ids_that_a_system_can_have, 0, TEST_ROWS(ids));
	tcase_add_test(tcase, takes_the_name_of_a_group);
	tcase_add_loop_test(tcase, prints_days_and_times, 0, TEST_ROWS(formats));
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
