/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * day.c - a date as the tools of shadow-utils take it
 *
 * Their strtoday() takes a number of days, or what the getdate grammar of 1990 takes: 2030-12-31,
 * 12/31/2030, 2030/12/31, "31 dec 2030", 31-dec-30, "Dec 31, 2030", "dec 31", "+2 weeks",
 * "1 year 3 days ago", "monday", "next friday". Parts that are left out are today's, and dates that
 * no calendar has roll over: 2030-02-30 is the 2nd of March.
 *
 * Not taken over: times of day and time zones. The unit is a day, in UTC; shadow rounds times to
 * the nearest midnight, takes a lone digit for an hour and a lone letter for a time zone, so that
 * a slip of the keyboard means today. And "tomorrow" is tomorrow here; in shadow 4.13 it is one
 * minute from now.
 *
 * The text becomes tokens first; then each item is recognised by the types of its first tokens.
 */
#include "day.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "cmd.h"
#include "parse.h"

#define TOKENS_MAX 16
#define NUMBER_MAX 1000000 /* in a date; days alone may be more */
#define WORD_MAX   12

enum type {
	TYPE_END,
	TYPE_NUMBER, /* without a sign, or "next", "third" */
	TYPE_SIGNED,
	TYPE_MONTH,
	TYPE_WEEKDAY, /* 0 is Sunday */
	TYPE_DAYS,    /* a unit of so many days */
	TYPE_MONTHS,
	TYPE_YEARS,
	TYPE_AWAY, /* "tomorrow": so many days from now */
	TYPE_AGO,
	TYPE_SLASH,
	TYPE_COMMA
};

struct token {
	enum type type;
	int value;
};

struct word {
	const char *text;
	struct token token;
};

static const struct word words[] = {
	{"january", {TYPE_MONTH, 1}},	{"february", {TYPE_MONTH, 2}},
	{"march", {TYPE_MONTH, 3}},	{"april", {TYPE_MONTH, 4}},
	{"may", {TYPE_MONTH, 5}},	{"june", {TYPE_MONTH, 6}},
	{"july", {TYPE_MONTH, 7}},	{"august", {TYPE_MONTH, 8}},
	{"september", {TYPE_MONTH, 9}}, {"sept", {TYPE_MONTH, 9}},
	{"october", {TYPE_MONTH, 10}},	{"november", {TYPE_MONTH, 11}},
	{"december", {TYPE_MONTH, 12}}, {"sunday", {TYPE_WEEKDAY, 0}},
	{"monday", {TYPE_WEEKDAY, 1}},	{"tuesday", {TYPE_WEEKDAY, 2}},
	{"tues", {TYPE_WEEKDAY, 2}},	{"wednesday", {TYPE_WEEKDAY, 3}},
	{"wednes", {TYPE_WEEKDAY, 3}},	{"thursday", {TYPE_WEEKDAY, 4}},
	{"thur", {TYPE_WEEKDAY, 4}},	{"thurs", {TYPE_WEEKDAY, 4}},
	{"friday", {TYPE_WEEKDAY, 5}},	{"saturday", {TYPE_WEEKDAY, 6}},
	{"year", {TYPE_YEARS, 1}},	{"month", {TYPE_MONTHS, 1}},
	{"fortnight", {TYPE_DAYS, 14}}, {"week", {TYPE_DAYS, 7}},
	{"day", {TYPE_DAYS, 1}},	{"tomorrow", {TYPE_AWAY, 1}},
	{"yesterday", {TYPE_AWAY, -1}}, {"today", {TYPE_AWAY, 0}},
	{"now", {TYPE_AWAY, 0}},	{"this", {TYPE_AWAY, 0}},
	{"last", {TYPE_NUMBER, -1}},	{"next", {TYPE_NUMBER, 2}},
	{"first", {TYPE_NUMBER, 1}},	{"third", {TYPE_NUMBER, 3}},
	{"fourth", {TYPE_NUMBER, 4}},	{"fifth", {TYPE_NUMBER, 5}},
	{"sixth", {TYPE_NUMBER, 6}},	{"seventh", {TYPE_NUMBER, 7}},
	{"eighth", {TYPE_NUMBER, 8}},	{"ninth", {TYPE_NUMBER, 9}},
	{"tenth", {TYPE_NUMBER, 10}},	{"eleventh", {TYPE_NUMBER, 11}},
	{"twelfth", {TYPE_NUMBER, 12}}, {"ago", {TYPE_AGO, 0}},
};

/* What the items of a date add up to. */
struct date {
	struct tm tm;
	int n_dates;
	int n_weekdays;
	int weekday;
	int ordinal; /* of the weekday: 1 is the next to come, today included */
	int days;
	int months;
	int years;
};

/* A word; months and weekdays may be cut to three letters, units may have an 's' at the end. */
static bool word_find(const char *text, size_t len, struct token *out)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		const struct word *word = &words[i];
		enum type type = word->token.type;
		size_t whole = strlen(word->text);
		bool is_name = type == TYPE_MONTH || type == TYPE_WEEKDAY;
		bool is_unit = type == TYPE_DAYS || type == TYPE_MONTHS || type == TYPE_YEARS;

		*out = word->token;
		if (len == whole && strncasecmp(text, word->text, len) == 0)
			return true;
		if (is_name && len == 3 && strncasecmp(text, word->text, 3) == 0)
			return true;
		if (is_unit && len == whole + 1 && strncasecmp(text, word->text, whole) == 0 &&
		    tolower((unsigned char)text[whole]) == 's')
			return true;
	}
	return false;
}

static const char *number_read(const char *text, struct token *out)
{
	bool is_negative = text[0] == '-';
	int value = 0;

	out->type = text[0] == '-' || text[0] == '+' ? TYPE_SIGNED : TYPE_NUMBER;
	if (out->type == TYPE_SIGNED)
		text++;
	for (; isdigit((unsigned char)*text) != 0; text++) {
		value = 10 * value + (*text - '0');
		if (value > NUMBER_MAX)
			return NULL;
	}
	out->value = is_negative ? -value : value;
	return text;
}

/* The next token and what follows it; NULL if there is none in the language. */
static const char *token_read(const char *text, struct token *out)
{
	size_t len = 0;

	*out = (struct token){TYPE_END, 0};
	while (isspace((unsigned char)*text) != 0 ||
	       ((*text == '-' || *text == '+') && isdigit((unsigned char)text[1]) == 0))
		text++;
	if (*text == '\0')
		return text;
	if (isdigit((unsigned char)*text) != 0 || *text == '-' || *text == '+')
		return number_read(text, out);
	if (*text == '/' || *text == ',') {
		out->type = *text == '/' ? TYPE_SLASH : TYPE_COMMA;
		return text + 1;
	}
	while (isalpha((unsigned char)text[len]) != 0)
		len++;
	if (len == 0 || len > WORD_MAX || !word_find(text, len, out))
		return NULL;
	if (text[len] == '.' && out->type == TYPE_MONTH)
		len++;
	return text + len;
}

/* All tokens, with TYPE_END behind them for as far as an item may look. */
static bool tokens_read(const char *text, struct token tokens[TOKENS_MAX + 5])
{
	size_t n = 0;

	memset(tokens, 0, (TOKENS_MAX + 5) * sizeof(tokens[0]));
	for (;;) {
		text = token_read(text, &tokens[n]);
		if (text == NULL)
			return false;
		if (tokens[n].type == TYPE_END)
			return n > 0;
		if (n++ == TOKENS_MAX)
			return false;
	}
}

/* XPG4: 69 to 99 are of the twentieth century. */
static int year_full(int year)
{
	if (year < 0)
		year = -year;
	if (year < 69)
		return year + 2000;
	return year < 100 ? year + 1900 : year;
}

static void date_set(struct date *date, int year, int month, int day)
{
	date->n_dates++;
	date->tm.tm_year = year_full(year) - 1900;
	date->tm.tm_mon = month - 1;
	date->tm.tm_mday = day;
}

/* A date that has no year is of this one. */
static int year_now(const struct date *date)
{
	return date->tm.tm_year + 1900;
}

/* Do the tokens begin with these types? */
static bool begins(const struct token *t, enum type a, enum type b, enum type c)
{
	return t[0].type == a && t[1].type == b && t[2].type == c;
}

/* An item that is a date; how many tokens it has, 0 if it is none. */
static size_t item_date(const struct token *t, struct date *date)
{
	if (begins(t, TYPE_NUMBER, TYPE_SLASH, TYPE_NUMBER)) {
		if (t[3].type != TYPE_SLASH || t[4].type != TYPE_NUMBER) {
			date_set(date, year_now(date), t[0].value, t[2].value);
			return 3;
		}
		if (t[0].value >= 1000)
			date_set(date, t[0].value, t[2].value, t[4].value);
		else
			date_set(date, t[4].value, t[0].value, t[2].value);
		return 5;
	}
	if (begins(t, TYPE_NUMBER, TYPE_SIGNED, TYPE_SIGNED)) {
		date_set(date, t[0].value, -t[1].value, -t[2].value);
		return 3;
	}
	if (t[0].type == TYPE_NUMBER && t[1].type == TYPE_MONTH) {
		bool has_year = t[2].type == TYPE_NUMBER || t[2].type == TYPE_SIGNED;

		date_set(date, has_year ? t[2].value : year_now(date), t[1].value, t[0].value);
		return has_year ? 3 : 2;
	}
	if (t[0].type == TYPE_MONTH && t[1].type == TYPE_NUMBER) {
		bool has_year = t[2].type == TYPE_COMMA && t[3].type == TYPE_NUMBER;

		date_set(date, has_year ? t[3].value : year_now(date), t[0].value, t[1].value);
		return has_year ? 4 : 2;
	}
	return 0;
}

static bool relative_add(struct date *date, const struct token *unit, int count)
{
	if (unit->type == TYPE_DAYS || unit->type == TYPE_AWAY)
		date->days += count * unit->value;
	else if (unit->type == TYPE_MONTHS)
		date->months += count;
	else if (unit->type == TYPE_YEARS)
		date->years += count;
	else
		return false;
	return true;
}

/* An item that is a distance from the date: "2 weeks", "month ago"; "ago" turns all before it. */
static size_t item_relative(const struct token *t, struct date *date)
{
	bool has_count = t[0].type == TYPE_NUMBER || t[0].type == TYPE_SIGNED;
	size_t n = has_count ? 2 : 1;

	if (!relative_add(date, &t[n - 1], has_count ? t[0].value : 1))
		return 0;
	if (t[n].type != TYPE_AGO)
		return n;
	date->days = -date->days;
	date->months = -date->months;
	date->years = -date->years;
	return n + 1;
}

static size_t item_weekday(const struct token *t, struct date *date)
{
	size_t n = t[0].type == TYPE_NUMBER ? 2 : 1;

	if (t[n - 1].type != TYPE_WEEKDAY)
		return 0;
	date->n_weekdays++;
	date->ordinal = n == 2 ? t[0].value : 1;
	date->weekday = t[n - 1].value;
	return n == 1 && t[1].type == TYPE_COMMA ? 2 : n;
}

static bool items_read(const struct token *t, struct date *date)
{
	while (t->type != TYPE_END) {
		size_t n = item_date(t, date);

		if (n == 0)
			n = item_weekday(t, date);
		if (n == 0)
			n = item_relative(t, date);
		if (n == 0)
			return false;
		t += n;
	}
	return date->n_dates <= 1 && date->n_weekdays <= 1;
}

/* The library's range is checked where it is set. */
static bool date_day(struct date *date, int64_t *day_out)
{
	struct tm *tm = &date->tm;
	time_t seconds;

	tm->tm_year += date->years;
	tm->tm_mon += date->months;
	tm->tm_mday += date->days;
	seconds = timegm(tm);
	if (date->n_weekdays > 0 && date->n_dates == 0) {
		int weeks = date->ordinal > 0 ? date->ordinal - 1 : date->ordinal;

		tm->tm_mday += (date->weekday - tm->tm_wday + 7) % 7 + 7 * weeks;
		seconds = timegm(tm);
	}
	if (seconds < 0)
		return false;
	*day_out = (int64_t)seconds / MA_DAY_S;
	return true;
}

/* Is it a number of days, good or bad? */
static bool is_days(const char *text)
{
	if (*text == '-')
		text++;
	text += strspn(text, " ");
	return text[strspn(text, "0123456789")] == '\0';
}

bool ma_day_parse(const char *text, int64_t *day_out)
{
	struct token tokens[TOKENS_MAX + 5];
	struct date date = {.ordinal = 1};
	time_t now = time(NULL);
	int64_t day;

	*day_out = -1;
	if (text[0] == '\0')
		return true;
	if (is_days(text)) {
		if (ma_parse_long(text, -1, INT32_MAX, day_out))
			return true;
		*day_out = -1;
		return false;
	}

	(void)gmtime_r(&now, &date.tm); /* fails in the year 2^31 */
	date.tm.tm_hour = date.tm.tm_min = date.tm.tm_sec = 0;
	if (!tokens_read(text, tokens) || !items_read(tokens, &date) || !date_day(&date, &day))
		return false;
	if (strcmp(ma_format_day(day).text, text) != 0)
		ma_say("warning: '%s' is taken to be %s", text, ma_format_day(day).text);
	*day_out = day;
	return true;
}
