/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parse.h - values of options, in the forms that useradd(8) takes
 *
 * Each call is silent: the caller knows which option it is about and says so.
 */
#ifndef MAILUSER_PARSE_H
#define MAILUSER_PARSE_H

#include <mailauth/admin.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define MA_DAY_S 86400 /* seconds of a day; shadow(5) counts days in UTC */

/**
 * ma_parse_number() - a whole decimal number
 * @text:      digits, a '-' may stand before them; no white space
 * @min:       smallest value allowed
 * @max:       largest value allowed
 * @value_out: the number; 0 on failure
 */
bool ma_parse_number(const char *text, int64_t min, int64_t max, int64_t *value_out);

/**
 * ma_parse_day() - a date of expiry
 * @text:    YYYY-MM-DD, a number of days since 1970-01-01, or empty or -1 for never
 * @day_out: days since 1970-01-01; -1 for never and on failure
 *
 * Unlike useradd it refuses dates that no calendar has, such as 2025-02-30.
 */
bool ma_parse_day(const char *text, int64_t *day_out);

/** A day as YYYY-MM-DD. */
struct ma_day_text {
	char text[32];
};

/**
 * ma_format_day() - a number of days as a date
 * @day: days since 1970-01-01; below 0: "never"
 */
struct ma_day_text ma_format_day(int64_t day);

/**
 * ma_format_time() - seconds since 1970-01-01 as "2026-11-22T19:56:00Z"
 * @seconds: below 0: "never"
 */
struct ma_day_text ma_format_time(int64_t seconds);

/** Result of ma_parse_gid(). */
enum ma_gid {
	MA_GID_BAD,	/* a number out of range */
	MA_GID_MISSING, /* no Unix group has this name */
	MA_GID_OK
};

/**
 * ma_parse_gid() - a number, or the name of a Unix group
 * @gid_out: the number; -1 unless MA_GID_OK
 */
enum ma_gid ma_parse_gid(const char *text, int64_t *gid_out);

#endif
