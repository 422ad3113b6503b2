/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_log.c - log texts: one line, cut at the maximum, only what is wanted
 */
#include "util/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support.h"

static char got[2 * MA_LOG_MAX];
static char got_event[32];
static enum mailauth_log_level got_level;
static unsigned int n_got;
static void *got_arg;

static void keep(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	got_arg = arg;
	got_level = level;
	(void)snprintf(got_event, sizeof(got_event), "%s", event);
	(void)snprintf(got, sizeof(got), "%s", text);
	n_got++;
	errno = ENOTTY;
}

static struct ma_log log_at(enum mailauth_log_level level)
{
	n_got = 0;
	got[0] = '\0';
	return (struct ma_log){.fn = keep, .arg = &n_got, .level = level};
}

START_TEST(passes_on_level_event_and_text)
{
	struct ma_log log = log_at(MAILAUTH_LOG_DEBUG);

	ma_log(&log, MAILAUTH_LOG_WARN, "store", "%s is %d%% full", "it", 90);
	ck_assert_uint_eq(n_got, 1);
	ck_assert_ptr_eq(got_arg, &n_got);
	ck_assert_int_eq(got_level, MAILAUTH_LOG_WARN);
	ck_assert_str_eq(got_event, "store");
	ck_assert_str_eq(got, "it is 90% full");
}
END_TEST

START_TEST(neutralises_control_characters)
{
	struct ma_log log = log_at(MAILAUTH_LOG_DEBUG);
	char text[2] = {0};

	for (int c = 1; c <= 0x7f; c++) {
		char want = c < ' ' || c == 0x7f ? '?' : (char)c;

		text[0] = (char)c;
		ma_log(&log, MAILAUTH_LOG_ERROR, "config", "%s", text);
		ck_assert_msg(got[0] == want && got[1] == '\0', "%02x: got %02x, want %02x", c,
			      (unsigned char)got[0], (unsigned char)want);
	}
	ma_log(&log, MAILAUTH_LOG_ERROR, "config", "a\nb\rc\x1b[2Jd");
	ck_assert_str_eq(got, "a?b?c?[2Jd");
	/* UTF-8 in a path stays readable. */
	ma_log(&log, MAILAUTH_LOG_ERROR, "config", "%s", "\xc3\xa4\xe2\x82\xac");
	ck_assert_str_eq(got, "\xc3\xa4\xe2\x82\xac");
}
END_TEST

/* Whatever a viewer takes for a new line or a command to the terminal, and what is no text. */
START_TEST(neutralises_what_is_no_plain_text)
{
	static const struct {
		const char *in;
		const char *want;
	} rows[] = {
		{"a\xc2\x80z", "a??z"},		      /* C1, the first */
		{"a\xc2\x85z", "a??z"},		      /* C1: next line */
		{"a\xc2\x9b[2Jz", "a??[2Jz"},	      /* C1: CSI */
		{"a\xc2\x9fz", "a??z"},		      /* C1, the last */
		{"a\xc2\xa0z", "a\xc2\xa0z"},	      /* a space */
		{"a\xe2\x80\xa8z", "a???z"},	      /* U+2028, line separator */
		{"a\xe2\x80\xa9z", "a???z"},	      /* U+2029, paragraph separator */
		{"a\xe2\x80\xaez", "a???z"},	      /* U+202E, right to left from here */
		{"a\xe2\x81\xa6z", "a???z"},	      /* U+2066 */
		{"a\xe2\x80\x8fz", "a???z"},	      /* U+200F */
		{"a\xd8\x9cz", "a??z"},		      /* U+061C */
		{"a\xe2\x80\xafz", "a\xe2\x80\xafz"}, /* U+202F, a space */
		{"a\x80z", "a?z"},		      /* a tail alone: C1 in Latin-1 */
		{"a\x9b[2Jz", "a?[2Jz"},
		{"a\xffz", "a?z"},
		{"a\xc0\x8az", "a??z"},	     /* overlong \n */
		{"a\xe0\x80\x8az", "a???z"}, /* the same in three */
		{"a\xed\xa0\x80z", "a???z"}, /* a surrogate */
		{"a\xe2\x80", "a??"},	     /* cut */
		{"a\xc2\nz", "a??z"},	     /* a new line in the place of a tail */
		{"a\xf0\x9f\x93\xac\xe2", "a\xf0\x9f\x93\xac?"},
	};
	struct ma_log log = log_at(MAILAUTH_LOG_DEBUG);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ma_log(&log, MAILAUTH_LOG_ERROR, "config", "%s", rows[i].in);
		ck_assert_msg(strcmp(got, rows[i].want) == 0, "row %zu: got %s, want %s", i, got,
			      rows[i].want);
	}
	/* What would be a directive of printf's is none in a text. */
	ma_log(&log, MAILAUTH_LOG_ERROR, "config", "%s", "%n%s%999999d");
	ck_assert_str_eq(got, "%n%s%999999d");
}
END_TEST

START_TEST(cuts_at_the_maximum)
{
	static const size_t lens[] = {0, 1, MA_LOG_MAX - 2, MA_LOG_MAX - 1, MA_LOG_MAX, 5000};
	struct ma_log log = log_at(MAILAUTH_LOG_DEBUG);
	static char text[5001];

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		size_t want = lens[i] < MA_LOG_MAX ? lens[i] : MA_LOG_MAX - 1;

		memset(text, 'x', lens[i]);
		text[lens[i]] = '\0';
		ma_log(&log, MAILAUTH_LOG_ERROR, "config", "%s", text);
		ck_assert_msg(strlen(got) == want, "%zu bytes: got %zu, want %zu", lens[i],
			      strlen(got), want);
		ck_assert_msg(strspn(got, "x") == want, "%zu bytes: got %s", lens[i], got);
	}
}
END_TEST

START_TEST(is_silent_above_its_level)
{
	static const enum mailauth_log_level levels[] = {MAILAUTH_LOG_ERROR, MAILAUTH_LOG_WARN,
							 MAILAUTH_LOG_INFO, MAILAUTH_LOG_DEBUG};

	for (size_t i = 0; i < 4; i++) {
		struct ma_log log = log_at(levels[i]);

		for (size_t j = 0; j < 4; j++) {
			ck_assert_int_eq(ma_log_wants(&log, levels[j]), j <= i);
			ma_log(&log, levels[j], "login", "x");
		}
		ck_assert_msg(n_got == i + 1, "level %zu: got %u, want %zu", i, n_got, i + 1);
	}
}
END_TEST

START_TEST(is_silent_without_a_sink)
{
	struct ma_log log = {.level = MAILAUTH_LOG_DEBUG};

	ck_assert(!ma_log_wants(&log, MAILAUTH_LOG_ERROR));
	ma_log(&log, MAILAUTH_LOG_ERROR, "login", "x");
}
END_TEST

START_TEST(keeps_errno)
{
	struct ma_log log = log_at(MAILAUTH_LOG_DEBUG);

	errno = EXDEV;
	ma_log(&log, MAILAUTH_LOG_ERROR, "login", "x");
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_uint_eq(n_got, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");

	tcase_add_test(tcase, passes_on_level_event_and_text);
	tcase_add_test(tcase, neutralises_control_characters);
	tcase_add_test(tcase, neutralises_what_is_no_plain_text);
	tcase_add_test(tcase, cuts_at_the_maximum);
	tcase_add_test(tcase, is_silent_above_its_level);
	tcase_add_test(tcase, is_silent_without_a_sink);
	tcase_add_test(tcase, keeps_errno);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
