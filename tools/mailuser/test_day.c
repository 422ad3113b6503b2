/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_day.c - dates as shadow's tools take them: forms, arithmetic, and what is none
 *
 * Today is the 23rd of November 2026, a Monday.
 */
#include "day.h"

#include "support.h"
#include <stdio.h>

#include "parse.h"
#include "test_calls.h"

#define NOW 1795437296 /* 2026-11-23T12:34:56Z */

static void set_up(void)
{
	test_reset();
	test_clock(NOW);
}

static const struct {
	const char *text;
	int64_t day;
} numbers[] = {
	{"", -1},
	{"-1", -1},
	{"0", 0},
	{"20000", 20000},
	{" 20000", 20000},
	{"010", 8}, /* as getlong() takes it */
	{"2147483647", INT32_MAX},
	{"2030-12-31", 22279},
};

/* In the form of the answer there is nothing to say. */
START_TEST(takes_days_and_dates_in_silence)
{
	int64_t day = 7;

	ck_assert_msg(ma_day_parse(numbers[_i].text, &day), "'%s' is refused", numbers[_i].text);
	ck_assert_msg(day == numbers[_i].day, "'%s': got %lld, want %lld", numbers[_i].text,
		      (long long)day, (long long)numbers[_i].day);
	ck_assert_str_eq(test_said(), "");
}
END_TEST

static const struct {
	const char *text;
	const char *want;
} dates[] = {
	/* all three parts */
	{"12/31/2030", "2030-12-31"},
	{"2030/12/31", "2030-12-31"},
	{"1000/1/1 1000 years", "2000-01-01"},
	{"31 dec 2030", "2030-12-31"},
	{"31-dec-30", "2030-12-31"},
	{"31-Dec-2030", "2030-12-31"},
	{"Dec 31, 2030", "2030-12-31"},
	{"Dec. 31, 2030", "2030-12-31"},
	{"DECEMBER 31,2030", "2030-12-31"},
	{"2030-12-31 ", "2030-12-31"},
	{"2030-1-2", "2030-01-02"},
	/* no such day: it rolls over */
	{"2030-02-30", "2030-03-02"},
	{"13/1/2030", "2031-01-01"},
	/* years of two digits */
	{"12/31/68", "2068-12-31"},
	{"12/31/70", "1970-12-31"},
	{"12/31/99", "1999-12-31"},
	{"12/31/100 2000 years", "2100-12-31"},
	{"1/2/3", "2003-01-02"},
	/* this year's */
	{"12/31", "2026-12-31"},
	{"dec 31", "2026-12-31"},
	{"31 dec", "2026-12-31"},
	{"sept 5", "2026-09-05"},
	{"5 sep", "2026-09-05"},
	{"monday dec 31", "2026-12-31"},
	/* from today on */
	{"tomorrow", "2026-11-24"},
	{"yesterday", "2026-11-22"},
	{"today", "2026-11-23"},
	{"now", "2026-11-23"},
	{"day", "2026-11-24"},
	{"+ 1 day", "2026-11-24"},
	{"- day", "2026-11-24"},
	{"+2 weeks", "2026-12-07"},
	{"2 WEEKS", "2026-12-07"},
	{"fortnight", "2026-12-07"},
	{"-1 day", "2026-11-22"},
	{"2 weeks ago", "2026-11-09"},
	{"month ago", "2026-10-23"},
	{"months", "2026-12-23"},
	{"1 year 3 days ago", "2025-11-20"},
	{"3 days ago 1 year", "2027-11-20"},
	{"next year", "2028-11-23"},
	{"1000000 days", "4764-10-20"},
	{"2030-12-31 1 day", "2031-01-01"},
	{"1 day 1 day 1 day 1 day 1 day 1 day 1 day 1 day", "2026-12-01"},
	/* days of the week: today is one */
	{"monday", "2026-11-23"},
	{"tues", "2026-11-24"},
	{"wed", "2026-11-25"},
	{"wednes", "2026-11-25"},
	{"Thurs", "2026-11-26"},
	{"friday", "2026-11-27"},
	{"friday,", "2026-11-27"},
	{"sunday", "2026-11-29"},
	{"next friday", "2026-12-04"},
	{"last friday", "2026-11-20"},
	{"0 friday", "2026-11-27"},
	{"third tuesday", "2026-12-08"},
	{"friday 1 week", "2026-12-04"},
	{"fri, 31 dec 2030", "2030-12-31"},
};

/* It says which day that is: "next friday" should not be a surprise. */
START_TEST(takes_many_forms_and_says_which_day)
{
	char want[200];
	int64_t day = -1;

	ck_assert_msg(ma_day_parse(dates[_i].text, &day), "'%s' is refused", dates[_i].text);
	ck_assert_str_eq(ma_format_day(day).text, dates[_i].want);
	(void)snprintf(want, sizeof(want), "warning: '%s' is taken to be %s\n", dates[_i].text,
		       dates[_i].want);
	ck_assert_str_eq(test_said(), want);
}
END_TEST

static const char *const bad[] = {
	/* days */
	" ",
	"-",
	"- 1",
	"-2",
	"08",
	"2147483648",
	"99999999999999999999",
	"+5",
	"0x10",
	/* words */
	"blah",
	"x",
	"de 31",
	"decem 31",
	"dayz",
	"dais",
	"abcdefghijklmno",
	"\xc3\xa9",
	"@",
	"mon.",
	"\t",
	/* numbers */
	"1000001 days",
	"99999999999999999999 days",
	"2030-1000001-1",
	/* parts that are missing */
	"dec",
	"dec 31 2030",
	"ago",
	"3 days ago ago",
	"2030-12",
	"12/",
	"12/dec",
	"12/31/",
	"12/31/dec",
	",",
	"dec 31,",
	"next",
	/* too many */
	"2030-12-31 12/31",
	"monday tuesday",
	"1 day 1 day 1 day 1 day 1 day 1 day 1 day 1 day now",
	/* before 1970 */
	"1969-12-31",
	"12/31/69",
	"100 years ago",
};

START_TEST(refuses_what_is_no_date)
{
	int64_t day = 7;

	ck_assert_msg(!ma_day_parse(bad[_i], &day), "'%s': got %s", bad[_i],
		      ma_format_day(day).text);
	ck_assert_int_eq(day, -1);
	ck_assert_str_eq(test_said(), "");
}
END_TEST

/* The first second and the last are of the same day. */
START_TEST(the_day_does_not_depend_on_the_hour)
{
	static const time_t seconds[] = {NOW - NOW % MA_DAY_S, NOW - NOW % MA_DAY_S + MA_DAY_S - 1};

	for (size_t i = 0; i < 2; i++) {
		int64_t day = -1;

		test_clock(seconds[i]);
		ck_assert(ma_day_parse("today", &day));
		ck_assert_str_eq(ma_format_day(day).text, "2026-11-23");
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("day");
	TCase *tcase = tcase_create("day");

	tcase_add_checked_fixture(tcase, set_up, test_reset);
	tcase_add_loop_test(tcase, takes_days_and_dates_in_silence, 0, TEST_ROWS(numbers));
	tcase_add_loop_test(tcase, takes_many_forms_and_says_which_day, 0, TEST_ROWS(dates));
	tcase_add_loop_test(tcase, refuses_what_is_no_date, 0, TEST_ROWS(bad));
	tcase_add_test(tcase, the_day_does_not_depend_on_the_hour);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
