/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parse.c - values of options, in the forms that useradd(8) takes
 *
 * Dates go through strptime() and timegm(), which know the calendar; both are lenient (strptime
 * skips white space, timegm makes 2025-02-30 the 2nd of March), so what they understood is printed
 * again and compared with what was given.
 */
#include "parse.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The day on which time_t of 32 bits ends would be too early; year 9999 is the limit of the form.
 */
#define DAY_MAX 2932896 /* 9999-12-31 */

bool ma_parse_number(const char *text, int64_t min, int64_t max, int64_t *value_out)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	char *end = NULL;
	long long value;

	*value_out = 0;
	/* strtoll() alone would take white space, '+' and an empty text. */
	if (digits[0] < '0' || digits[0] > '9')
		return false;
	errno = 0;
	value = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0' || value < min || value > max)
		return false;
	*value_out = value;
	return true;
}

struct ma_day_text ma_format_day(int64_t day)
{
	struct ma_day_text out = {"never"};
	time_t seconds = (time_t)day * MA_DAY_S;
	struct tm tm;

	if (day < 0)
		return out;
	if (day > DAY_MAX || gmtime_r(&seconds, &tm) == NULL ||
	    strftime(out.text, sizeof(out.text), "%Y-%m-%d", &tm) == 0)
		(void)snprintf(out.text, sizeof(out.text), "day %lld", (long long)day);
	return out;
}

struct ma_day_text ma_format_time(int64_t seconds)
{
	struct ma_day_text out = {"never"};
	time_t clock = (time_t)seconds;
	struct tm tm;

	if (seconds < 0)
		return out;
	if (seconds / MA_DAY_S > DAY_MAX || gmtime_r(&clock, &tm) == NULL ||
	    strftime(out.text, sizeof(out.text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		(void)snprintf(out.text, sizeof(out.text), "second %lld", (long long)seconds);
	return out;
}

bool ma_parse_day(const char *text, int64_t *day_out)
{
	struct tm tm = {0};
	const char *end;
	int64_t day;

	*day_out = -1;
	if (text[0] == '\0')
		return true;
	if (ma_parse_number(text, -1, DAY_MAX, day_out))
		return true;

	*day_out = -1;
	end = strptime(text, "%Y-%m-%d", &tm);
	if (end == NULL || *end != '\0')
		return false;
	day = (int64_t)timegm(&tm) / MA_DAY_S;
	if (strcmp(ma_format_day(day).text, text) != 0)
		return false;
	*day_out = day;
	return true;
}

enum ma_gid ma_parse_gid(const char *text, int64_t *gid_out)
{
	const struct group *group;

	*gid_out = -1;
	if (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) {
		if (ma_parse_number(text, 0, UINT32_MAX - 1, gid_out))
			return MA_GID_OK;
		*gid_out = -1;
		return MA_GID_BAD;
	}
	group = getgrnam(text);
	if (group == NULL)
		return MA_GID_MISSING;
	*gid_out = group->gr_gid;
	return MA_GID_OK;
}
