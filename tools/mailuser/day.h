/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * day.h - a date as the tools of shadow-utils take it
 */
#ifndef MAILUSER_DAY_H
#define MAILUSER_DAY_H

#include <stdbool.h>
#include <stdint.h>

/**
 * ma_day_parse() - a day, in one of the many forms of usermod -e and chage -d
 * @text:    a number of days since 1970-01-01; empty or -1 for never; or a date, see day.c
 * @day_out: days since 1970-01-01; -1 for never and on failure
 *
 * Silent, but for a warning that says which day was understood where @text is neither a number nor
 * of the form YYYY-MM-DD: "next friday" should not be a surprise.
 */
bool ma_day_parse(const char *text, int64_t *day_out);

#endif
