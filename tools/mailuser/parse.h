/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * parse.h - values of options, in the forms that the tools of shadow-utils take
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
 * ma_parse_long() - a whole number in the forms that shadow's getlong() takes
 * @text:      as for strtol() with base 0: 10, 0x0a and 012 are the same; white space and '+' may
 *             stand before it
 * @min:       smallest value allowed
 * @max:       largest value allowed
 * @value_out: the number; 0 on failure
 */
bool ma_parse_long(const char *text, int64_t min, int64_t max, int64_t *value_out);

/**
 * ma_parse_uid() - a user id in the forms that shadow's get_uid() takes
 * @text:    decimal, 0 to 4294967294; white space and '+' may stand before it
 * @uid_out: the id; -1 on failure
 */
bool ma_parse_uid(const char *text, int64_t *uid_out);

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

/**
 * ma_parse_gid() - a number, or the name of a Unix group
 * @gid_out: the number; -1 on failure
 *
 * Unlike shadow's it takes numbers that no Unix group has: the mailboxes of mail-only users need
 * none.
 */
bool ma_parse_gid(const char *text, int64_t *gid_out);

#endif
