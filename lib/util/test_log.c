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
	tcase_add_test(tcase, cuts_at_the_maximum);
	tcase_add_test(tcase, is_silent_above_its_level);
	tcase_add_test(tcase, is_silent_without_a_sink);
	tcase_add_test(tcase, keeps_errno);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
