/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parse.c - values of options, in the forms that the tools of shadow-utils take
 *
 * Numbers of days are what strtol() takes with base 0 there, so 010 is eight; uids are decimal.
 * Both are kept, because administrators' scripts may hold either.
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

/* Of a year that fits an int. */
static struct tm time_split(time_t seconds)
{
	struct tm tm;

	(void)gmtime_r(&seconds, &tm);
	return tm;
}

struct ma_day_text ma_format_day(int64_t day)
{
	struct ma_day_text out = {"never"};
	struct tm tm;

	if (day < 0)
		return out;
	if (day > DAY_MAX) {
		(void)snprintf(out.text, sizeof(out.text), "day %lld", (long long)day);
		return out;
	}
	tm = time_split((time_t)day * MA_DAY_S);
	(void)strftime(out.text, sizeof(out.text), "%Y-%m-%d", &tm);
	return out;
}

struct ma_day_text ma_format_time(int64_t seconds)
{
	struct ma_day_text out = {"never"};
	struct tm tm;

	if (seconds < 0)
		return out;
	if (seconds / MA_DAY_S > DAY_MAX) {
		(void)snprintf(out.text, sizeof(out.text), "second %lld", (long long)seconds);
		return out;
	}
	tm = time_split((time_t)seconds);
	(void)strftime(out.text, sizeof(out.text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}

/* What strtoll() takes to the last byte. */
static bool number_parse(const char *text, int base, int64_t min, int64_t max, int64_t *value_out)
{
	char *end = NULL;
	long long value;

	errno = 0;
	value = strtoll(text, &end, base);
	if (end == text || *end != '\0' || errno != 0 || value < min || value > max)
		return false;
	*value_out = value;
	return true;
}

bool ma_parse_long(const char *text, int64_t min, int64_t max, int64_t *value_out)
{
	*value_out = 0;
	return number_parse(text, 0, min, max, value_out);
}

bool ma_parse_uid(const char *text, int64_t *uid_out)
{
	*uid_out = -1;
	return number_parse(text, 10, 0, UINT32_MAX - 1, uid_out);
}

bool ma_parse_gid(const char *text, int64_t *gid_out)
{
	const struct group *group = getgrnam(text);

	if (group == NULL)
		return ma_parse_uid(text, gid_out);
	*gid_out = group->gr_gid;
	return true;
}
