/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_attributes.c - options that set attributes: what they take, what they say, what they change
 */
#include "attributes.h"

#include "support.h"
#include <errno.h>
#include <string.h>

#include "parse.h"
#include "test_calls.h"

#define DAY 20780 /* 2026-11-23 */
#define HASH                                                                                       \
	"$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITs" \
	"uk0Ry5qulYz."

enum { EXIT_ARGUMENT = 33, EXIT_FAILED = 44 };

static const struct cmd command = {.exits = {.argument = EXIT_ARGUMENT, .failed = EXIT_FAILED}};

static struct app app;
static struct mailauth *ctx;

static void set_up(void)
{
	test_reset();
	test_clock((time_t)DAY * MA_DAY_S + 1);
	app = (struct app){.cmd = &command};
	support_reset();
	ctx = support_open("", NULL);
}

static void tear_down(void)
{
	mailauth_free(&ctx);
	test_reset();
}

static struct mailauth_user *new_user(void)
{
	struct mailauth_user *user;

	support_status("new", mailauth_user_new(ctx, "ann@example.org", &user), MAILAUTH_OK);
	return user;
}

/* ---- ma_attributes_parse() ------------------------------------------------------------------- */

static const struct {
	enum ma_kind kind;
	const char *text;
	int64_t want;
} numbers[] = {
	{MA_KIND_UID, "1000", 1000}, {MA_KIND_UID, "4294967294", 4294967294},
	{MA_KIND_GID, "1000", 1000}, {MA_KIND_DATE, "2030-12-31", 22279},
	{MA_KIND_DATE, "", -1},	     {MA_KIND_DATE, "tomorrow", DAY + 1},
	{MA_KIND_DAYS, "-1", -1},    {MA_KIND_DAYS, "99999", 99999},
	{MA_KIND_ON, "", 1},	     {MA_KIND_OFF, "", 0},
};

START_TEST(takes_numbers)
{
	const struct attribute rows[] = {{'x', numbers[_i].kind, MAILAUTH_NUMBER_WARN}, {0}};
	struct attributes attributes;

	app.values['x'] = numbers[_i].text;
	ck_assert_int_eq(ma_attributes_parse(&app, rows, &attributes), MA_EXIT_OK);
	for (int i = 0; i < MA_N_NUMBERS; i++)
		ck_assert_int_eq(attributes.has_number[i], i == MAILAUTH_NUMBER_WARN);
	ck_assert_msg(attributes.numbers[MAILAUTH_NUMBER_WARN] == numbers[_i].want,
		      "'%s': got %lld, want %lld", numbers[_i].text,
		      (long long)attributes.numbers[MAILAUTH_NUMBER_WARN],
		      (long long)numbers[_i].want);
	for (int i = 0; i < MA_N_TEXTS; i++)
		ck_assert_ptr_null(attributes.texts[i]);
	ma_attributes_clear(&attributes);
}
END_TEST

#define UID_REFUSED(text)  "invalid user ID '" text "': give a number from 0 to 4294967294\n"
#define DATE_REFUSED(text) "invalid date '" text "': give YYYY-MM-DD, or '' for never\n"
#define DAYS_REFUSED(text) "invalid numeric argument '" text "': give days, -1 to 99999\n"

static const struct {
	enum ma_kind kind;
	const char *text;
	int exit;
	const char *said;
} refusals[] = {
	{MA_KIND_UID, "ann", EXIT_ARGUMENT, UID_REFUSED("ann")},
	{MA_KIND_UID, "4294967295", EXIT_ARGUMENT, UID_REFUSED("4294967295")},
	{MA_KIND_UID, "", EXIT_ARGUMENT, UID_REFUSED("")},
	{MA_KIND_GID, "no-such-group", MA_EXIT_MISSING,
	 "group 'no-such-group' does not exist: give the name or number of a Unix group\n"},
	{MA_KIND_DATE, "some day", EXIT_ARGUMENT, DATE_REFUSED("some day")},
	{MA_KIND_DATE, "-2", EXIT_ARGUMENT, DATE_REFUSED("-2")},
	{MA_KIND_DAYS, "-2", EXIT_ARGUMENT, DAYS_REFUSED("-2")},
	{MA_KIND_DAYS, "100000", EXIT_ARGUMENT, DAYS_REFUSED("100000")},
	{MA_KIND_DAYS, "1 week", EXIT_ARGUMENT, DAYS_REFUSED("1 week")},
};

START_TEST(refuses_numbers_in_the_words_of_shadow)
{
	const struct attribute rows[] = {{'x', refusals[_i].kind, MAILAUTH_NUMBER_WARN}, {0}};
	struct attributes attributes;

	app.values['x'] = refusals[_i].text;
	ck_assert_int_eq(ma_attributes_parse(&app, rows, &attributes), refusals[_i].exit);
	ck_assert_str_eq(test_said(), refusals[_i].said);
	ck_assert(!attributes.has_number[MAILAUTH_NUMBER_WARN]);
	ma_attributes_clear(&attributes);
}
END_TEST

static const struct attribute all_rows[] = {
	{'c', MA_KIND_TEXT, MAILAUTH_TEXT_COMMENT},
	{'G', MA_KIND_GROUPS, MAILAUTH_TEXT_GROUPS},
	{'m', MA_KIND_MECHS, MAILAUTH_TEXT_MECHS},
	{'M', MA_KIND_MECHS, MAILAUTH_TEXT_MECHS},
	{'u', MA_KIND_UID, MAILAUTH_NUMBER_UID},
	{'W', MA_KIND_DAYS, MAILAUTH_NUMBER_WARN},
	{0},
};

START_TEST(takes_texts_as_they_are)
{
	struct attributes attributes;

	app.values['c'] = "Ann, of the office";
	app.values['G'] = "imap,smtp";
	ck_assert_int_eq(ma_attributes_parse(&app, all_rows, &attributes), MA_EXIT_OK);
	ck_assert_str_eq(attributes.texts[MAILAUTH_TEXT_COMMENT], "Ann, of the office");
	ck_assert_str_eq(attributes.texts[MAILAUTH_TEXT_GROUPS], "imap,smtp");
	ck_assert_ptr_null(attributes.texts[MAILAUTH_TEXT_MECHS]);
	for (int i = 0; i < MA_N_NUMBERS; i++)
		ck_assert(!attributes.has_number[i]);
	ma_attributes_clear(&attributes);
}
END_TEST

/* Of two options for the same the last counts, and the list of the first is freed. */
START_TEST(takes_mechanisms_with_commas_or_spaces)
{
	struct attributes attributes;

	app.values['m'] = "PLAIN,CRAM-MD5,,APOP LOGIN";
	ck_assert_int_eq(ma_attributes_parse(&app, all_rows, &attributes), MA_EXIT_OK);
	ck_assert_str_eq(attributes.texts[MAILAUTH_TEXT_MECHS], "PLAIN CRAM-MD5  APOP LOGIN");
	ma_attributes_clear(&attributes);
	ck_assert_ptr_null(attributes.texts[MAILAUTH_TEXT_MECHS]);
	ma_attributes_clear(&attributes);

	app.values['M'] = "PLAIN";
	ck_assert_int_eq(ma_attributes_parse(&app, all_rows, &attributes), MA_EXIT_OK);
	ck_assert_str_eq(attributes.texts[MAILAUTH_TEXT_MECHS], "PLAIN");
	ma_attributes_clear(&attributes);
}
END_TEST

START_TEST(says_that_there_is_no_memory_for_mechanisms)
{
	struct attributes attributes;

	app.values['m'] = "PLAIN";
	test_fail(TEST_MEMORY, 0, ENOMEM);
	ck_assert_int_eq(ma_attributes_parse(&app, all_rows, &attributes), EXIT_FAILED);
	ck_assert_str_eq(test_said(), "out of memory\n");
	ck_assert_ptr_null(attributes.texts[MAILAUTH_TEXT_MECHS]);
	ma_attributes_clear(&attributes);
}
END_TEST

/* ---- ma_attributes_apply() ------------------------------------------------------------------- */

START_TEST(sets_what_was_asked_for_and_no_more)
{
	struct mailauth_user *user = new_user();
	struct attributes attributes = {.failed = "before"};

	support_status("shell", mailauth_user_set_text(user, MAILAUTH_TEXT_SHELL, "/bin/sh"),
		       MAILAUTH_OK);
	support_status("warn", mailauth_user_set_number(user, MAILAUTH_NUMBER_WARN, 7),
		       MAILAUTH_OK);
	attributes.texts[MAILAUTH_TEXT_COMMENT] = "Ann";
	attributes.texts[MAILAUTH_TEXT_HOME] = "/srv/ann";
	ma_attributes_set_number(&attributes, MAILAUTH_NUMBER_UID, 1000);
	ma_attributes_set_number(&attributes, MAILAUTH_NUMBER_LOCKED, 1);
	support_status("apply", ma_attributes_apply(&attributes, user), MAILAUTH_OK);
	ck_assert_ptr_null(attributes.failed);
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT), "Ann");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_HOME), "/srv/ann");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_SHELL), "/bin/sh");
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_UID), 1000);
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_LOCKED), 1);
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_WARN), 7);
	mailauth_user_free(&user);
}
END_TEST

START_TEST(tells_which_value_failed)
{
	struct mailauth_user *user = new_user();
	struct attributes texts = {0};
	struct attributes with_number = {0};

	texts.texts[MAILAUTH_TEXT_COMMENT] = "Ann";
	texts.texts[MAILAUTH_TEXT_HOME] = "srv/ann";
	texts.texts[MAILAUTH_TEXT_SHELL] = "/bin/sh";
	support_status("a relative path", ma_attributes_apply(&texts, user), MAILAUTH_E_USAGE);
	ck_assert_str_eq(texts.failed, "srv/ann");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_SHELL), "");
	ma_attributes_set_number(&with_number, MAILAUTH_NUMBER_WARN, MA_DAYS_MAX + 1);
	support_status("a large number", ma_attributes_apply(&with_number, user), MAILAUTH_E_USAGE);
	ck_assert_str_eq(with_number.failed, "number");
	mailauth_user_free(&user);
}
END_TEST

static const struct {
	const char *had;
	enum ma_groups how;
	const char *text;
	const char *want;
} groups[] = {
	{"imap,smtp", MA_GROUPS_REPLACE, "pop", "pop"},
	{"imap,smtp", MA_GROUPS_REPLACE, "", ""},
	{"imap,smtp", MA_GROUPS_ADD, "pop", "imap,pop,smtp"},
	{"imap,smtp", MA_GROUPS_ADD, "", "imap,smtp"},
	{"", MA_GROUPS_ADD, "pop,imap", "imap,pop"},
	{"", MA_GROUPS_ADD, "", ""},
	{"imap,pop,smtp", MA_GROUPS_REMOVE, "pop", "imap,smtp"},
	{"imap,pop,smtp", MA_GROUPS_REMOVE, "smtp,imap", "pop"},
	{"imap,pop,smtp", MA_GROUPS_REMOVE, "imap,pop,smtp", ""},
	{"imap,pop,smtp", MA_GROUPS_REMOVE, "web,news", "imap,pop,smtp"},
	{"imap,pop,smtp", MA_GROUPS_REMOVE, "ima,imaps,,spop", "imap,pop,smtp"},
	{"imap,pop", MA_GROUPS_REMOVE, "", "imap,pop"},
	{"", MA_GROUPS_REMOVE, "pop", ""},
};

START_TEST(replaces_adds_and_removes_groups)
{
	struct mailauth_user *user = new_user();
	struct attributes attributes = {.groups = groups[_i].how};

	support_status("groups", mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, groups[_i].had),
		       MAILAUTH_OK);
	attributes.texts[MAILAUTH_TEXT_GROUPS] = groups[_i].text;
	support_status(groups[_i].text, ma_attributes_apply(&attributes, user), MAILAUTH_OK);
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_GROUPS), groups[_i].want);
	mailauth_user_free(&user);
}
END_TEST

/* How the groups are to change is not how other texts do. */
START_TEST(sets_other_texts_as_they_are)
{
	struct mailauth_user *user = new_user();
	struct attributes attributes = {.groups = _i == 0 ? MA_GROUPS_ADD : MA_GROUPS_REMOVE};

	support_status("comment", mailauth_user_set_text(user, MAILAUTH_TEXT_COMMENT, "Ann"),
		       MAILAUTH_OK);
	attributes.texts[MAILAUTH_TEXT_COMMENT] = "Ann";
	attributes.texts[MAILAUTH_TEXT_MECHS] = "PLAIN";
	support_status("apply", ma_attributes_apply(&attributes, user), MAILAUTH_OK);
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT), "Ann");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_MECHS), "PLAIN");
	mailauth_user_free(&user);
}
END_TEST

START_TEST(keeps_the_groups_where_there_is_no_memory)
{
	struct mailauth_user *user = new_user();
	struct attributes attributes = {.groups = _i == 0 ? MA_GROUPS_ADD : MA_GROUPS_REMOVE};

	support_status("groups", mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, "imap,pop"),
		       MAILAUTH_OK);
	attributes.texts[MAILAUTH_TEXT_GROUPS] = _i == 0 ? "smtp" : "pop";
	test_fail(TEST_MEMORY, 0, ENOMEM);
	support_status("apply", ma_attributes_apply(&attributes, user), MAILAUTH_E_NOMEM);
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_GROUPS), "imap,pop");
	mailauth_user_free(&user);
}
END_TEST

/* ---- ma_attributes_differ() ------------------------------------------------------------------ */

static const struct {
	enum mailauth_text which;
	const char *text;
} texts[] = {
	{MAILAUTH_TEXT_COMMENT, "Ann"}, {MAILAUTH_TEXT_HOME, "/srv/ann"},
	{MAILAUTH_TEXT_SHELL, "/x"},	{MAILAUTH_TEXT_GROUPS, "imap"},
	{MAILAUTH_TEXT_MECHS, "PLAIN"},
};

START_TEST(sees_each_difference)
{
	struct mailauth_user *a = new_user();
	struct mailauth_user *b = new_user();

	ck_assert(!ma_attributes_differ(a, b));
	for (int i = 0; i < TEST_ROWS(texts); i++) {
		support_status("text", mailauth_user_set_text(b, texts[i].which, texts[i].text),
			       MAILAUTH_OK);
		ck_assert_msg(ma_attributes_differ(a, b), "%s is not seen", texts[i].text);
		support_status("text", mailauth_user_set_text(a, texts[i].which, texts[i].text),
			       MAILAUTH_OK);
		ck_assert(!ma_attributes_differ(a, b));
	}
	for (int i = 0; i < MA_N_NUMBERS; i++) {
		enum mailauth_number which = (enum mailauth_number)i;

		support_status("number", mailauth_user_set_number(b, which, 1), MAILAUTH_OK);
		ck_assert_msg(ma_attributes_differ(a, b), "number %d is not seen", i);
		support_status("number", mailauth_user_set_number(a, which, 1), MAILAUTH_OK);
		ck_assert(!ma_attributes_differ(a, b));
	}
	mailauth_user_free(&a);
	mailauth_user_free(&b);
}
END_TEST

/* ---- ma_attributes_set_hash() ---------------------------------------------------------------- */

static const struct {
	const char *hash;
	int locked;
	bool has_secret;
} hashes[] = {
	{HASH, 0, true}, {"!" HASH, 1, true}, {"!!" HASH, 1, true}, {"*", 0, false},
	{"!", 1, false}, {"!!", 1, false},    {"!*", 1, false},
};

START_TEST(takes_over_a_password_field)
{
	for (int was_locked = 0; was_locked < 2; was_locked++) {
		struct mailauth_user *user = new_user();
		const char *kind;

		support_status("password", mailauth_user_set_password(user, "old", 3), MAILAUTH_OK);
		support_status("locked",
			       mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, was_locked),
			       MAILAUTH_OK);
		support_status(hashes[_i].hash, ma_attributes_set_hash(user, hashes[_i].hash),
			       MAILAUTH_OK);
		kind = mailauth_user_secret(user, 0);
		ck_assert_int_eq(kind != NULL, hashes[_i].has_secret);
		ck_assert(kind == NULL || strcmp(kind, "crypt") == 0);
		ck_assert_ptr_null(mailauth_user_secret(user, 1));
		ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_LOCKED),
				 hashes[_i].locked);
		/* The day of a hash is the library's. */
		if (!hashes[_i].has_secret)
			ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE),
					 DAY);
		mailauth_user_free(&user);
	}
}
END_TEST

START_TEST(refuses_what_is_no_hash)
{
	static const char *const bad[] = {"", "x", "**", "*!", "!x", "$9$x$y"};

	for (int i = 0; i < TEST_ROWS(bad); i++) {
		struct mailauth_user *user = new_user();

		support_status("locked", mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, 1),
			       MAILAUTH_OK);
		support_status(bad[i], ma_attributes_set_hash(user, bad[i]), MAILAUTH_E_USAGE);
		ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_LOCKED), 1);
		mailauth_user_free(&user);
	}
}
END_TEST

/* Such a clock is wrong, and the account stays locked. */
START_TEST(refuses_a_day_that_no_account_can_have)
{
	struct mailauth_user *user = new_user();

	support_status("locked", mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, 1),
		       MAILAUTH_OK);
	test_clock(((time_t)INT32_MAX + 1) * MA_DAY_S);
	support_status("*", ma_attributes_set_hash(user, "*"), MAILAUTH_E_USAGE);
	ck_assert_int_eq(mailauth_user_number(user, MAILAUTH_NUMBER_LOCKED), 1);
	mailauth_user_free(&user);
}
END_TEST

/* ---- ma_attributes_check() ------------------------------------------------------------------- */

static const struct {
	const char *mechs;
	bool is_recoverable;
	bool want;
} lists[] = {
	{"", false, true},	    {"PLAIN", false, true},	  {"PLAIN CRAM-MD5", false, true},
	{"APOP", false, false},	    {"PLAIN APOP", false, false}, {"APOP PLAIN", false, false},
	{"PLAIN APOP", true, true}, {"PLAIN", true, true},
};

START_TEST(wants_the_password_where_apop_is_listed)
{
	struct mailauth_user *user = new_user();

	support_status(lists[_i].mechs,
		       mailauth_user_set_text(user, MAILAUTH_TEXT_MECHS, lists[_i].mechs),
		       MAILAUTH_OK);
	support_status("recoverable",
		       mailauth_user_set_number(user, MAILAUTH_NUMBER_RECOVERABLE,
						lists[_i].is_recoverable),
		       MAILAUTH_OK);
	ck_assert_msg(ma_attributes_check(user) == lists[_i].want, "'%s': want %d", lists[_i].mechs,
		      lists[_i].want);
	ck_assert_str_eq(test_said(),
			 lists[_i].want ? ""
					: "APOP needs the password itself: add --recoverable to "
					  "keep it, sealed, or leave APOP out\n");
	mailauth_user_free(&user);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("attributes");
	TCase *tcase = tcase_create("attributes");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_loop_test(tcase, takes_numbers, 0, TEST_ROWS(numbers));
	tcase_add_loop_test(tcase, refuses_numbers_in_the_words_of_shadow, 0, TEST_ROWS(refusals));
	tcase_add_test(tcase, takes_texts_as_they_are);
	tcase_add_test(tcase, takes_mechanisms_with_commas_or_spaces);
	tcase_add_test(tcase, says_that_there_is_no_memory_for_mechanisms);
	tcase_add_test(tcase, sets_what_was_asked_for_and_no_more);
	tcase_add_test(tcase, tells_which_value_failed);
	tcase_add_loop_test(tcase, replaces_adds_and_removes_groups, 0, TEST_ROWS(groups));
	tcase_add_loop_test(tcase, sets_other_texts_as_they_are, 0, 2);
	tcase_add_loop_test(tcase, keeps_the_groups_where_there_is_no_memory, 0, 2);
	tcase_add_test(tcase, sees_each_difference);
	tcase_add_loop_test(tcase, takes_over_a_password_field, 0, TEST_ROWS(hashes));
	tcase_add_test(tcase, refuses_what_is_no_hash);
	tcase_add_test(tcase, refuses_a_day_that_no_account_can_have);
	tcase_add_loop_test(tcase, wants_the_password_where_apop_is_listed, 0, TEST_ROWS(lists));
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
