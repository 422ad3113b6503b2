/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_attributes.c - names, texts and numbers of an account
 *
 * Every attribute with its limits, as it comes back from the store.
 */
#include <stdbool.h>
#include <string.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "support.h"
#include "users.h"

START_TEST(brings_names_into_their_stored_form)
{
	static const struct {
		const char *text;
		const char *want; /* NULL: refused */
	} rows[] = {
		{"alice", "alice@example.org"},
		{"Alice@Example.COM", "alice@example.com"},
		{"al.ice+x@b", "al.ice+x@b"},
		{"", NULL},
		{"@example.org", NULL},
		{"alice@", NULL},
		{"a b", NULL},
		{"a@b@c", NULL},
		{"-alice", NULL},
		{"..", NULL},
		{"a:b", NULL},
		{"a\nb", NULL},
		{"a\xff", NULL},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b",
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b", NULL},
	};
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx = support_open("", &log);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_name name = {"x"};
		struct mailauth_user *user = NULL;
		const char *want = rows[i].want != NULL ? rows[i].want : "";
		enum mailauth_status status = rows[i].want != NULL ? MAILAUTH_OK : MAILAUTH_E_USAGE;

		support_log_clear(&log);
		support_status(rows[i].text, mailauth_name_parse(ctx, rows[i].text, &name), status);
		ck_assert_msg(strcmp(name.text, want) == 0, "\"%s\": got \"%s\", want \"%s\"",
			      rows[i].text, name.text, want);
		ck_assert_msg(log.n == (status != MAILAUTH_OK), "\"%s\": got %u log lines",
			      rows[i].text, log.n);
		if (log.n > 0)
			ck_assert_str_eq(log.event, "name");
		support_status(rows[i].text, mailauth_user_new(ctx, rows[i].text, &user), status);
		ck_assert((user != NULL) == (status == MAILAUTH_OK));
		if (user != NULL)
			ck_assert_str_eq(mailauth_user_name(user), want);
		mailauth_user_free(&user);
	}
	mailauth_free(&ctx);
}
END_TEST

/* Found by every call, whichever way it is written. */
START_TEST(finds_an_account_by_every_form_of_its_name)
{
	static const char *const names[] = {"alice", "ALICE", "alice@example.org",
					    "Alice@EXAMPLE.org"};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user;

	support_add(ctx, "aLiCe", "secret");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		user = get_user(ctx, names[i]);
		ck_assert_str_eq(mailauth_user_name(user), "alice@example.org");
		mailauth_user_free(&user);
		user = new_user(ctx, names[i]);
		support_status(names[i], mailauth_user_add(user), MAILAUTH_E_EXISTS);
		mailauth_user_free(&user);
	}
	support_status("delete", mailauth_user_del(ctx, "ALICE@example.ORG"), MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

#define TEN	 "0123456789"
#define FIFTY	 TEN TEN TEN TEN TEN
#define TEXT_255 FIFTY FIFTY FIFTY FIFTY FIFTY "01234"
#define WORD_32	 "abcdefghijklmnopqrstuvwxyz012345"
#define WORDS_32 "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,za,zb,zc,zd,ze,zf"

START_TEST(checks_texts)
{
	static const struct {
		const char *name;
		enum mailauth_text which;
		const char *text;
		enum mailauth_status want;
		const char *stored; /* NULL: as it was written */
	} rows[] = {
		{"comment", MAILAUTH_TEXT_COMMENT, "Alice, \xc3\x84rztin", MAILAUTH_OK, NULL},
		{"empty comment", MAILAUTH_TEXT_COMMENT, "", MAILAUTH_OK, NULL},
		{"longest comment", MAILAUTH_TEXT_COMMENT, TEXT_255, MAILAUTH_OK, NULL},
		{"comment too long", MAILAUTH_TEXT_COMMENT, TEXT_255 "5", MAILAUTH_E_LIMIT, NULL},
		{"colon", MAILAUTH_TEXT_COMMENT, "a:b", MAILAUTH_E_USAGE, NULL},
		{"line break", MAILAUTH_TEXT_COMMENT, "a\nb", MAILAUTH_E_USAGE, NULL},
		{"delete", MAILAUTH_TEXT_COMMENT, "a\x7f", MAILAUTH_E_USAGE, NULL},
		{"C1 control", MAILAUTH_TEXT_COMMENT, "a\xc2\x85", MAILAUTH_E_USAGE, NULL},
		{"not UTF-8", MAILAUTH_TEXT_COMMENT, "\xe4", MAILAUTH_E_USAGE, NULL},
		{"cut UTF-8", MAILAUTH_TEXT_COMMENT, "a\xc3", MAILAUTH_E_USAGE, NULL},
		{"home", MAILAUTH_TEXT_HOME, "/var/mail/alice", MAILAUTH_OK, NULL},
		{"no home", MAILAUTH_TEXT_HOME, "", MAILAUTH_OK, NULL},
		{"relative home", MAILAUTH_TEXT_HOME, "mail/alice", MAILAUTH_E_USAGE, NULL},
		{"home with colon", MAILAUTH_TEXT_HOME, "/a:b", MAILAUTH_E_USAGE, NULL},
		{"longest home", MAILAUTH_TEXT_HOME, "/" FIFTY FIFTY FIFTY FIFTY FIFTY "1234",
		 MAILAUTH_OK, NULL},
		{"home too long", MAILAUTH_TEXT_HOME, "/" TEXT_255, MAILAUTH_E_LIMIT, NULL},
		{"shell", MAILAUTH_TEXT_SHELL, "/usr/sbin/nologin", MAILAUTH_OK, NULL},
		{"relative shell", MAILAUTH_TEXT_SHELL, "sh", MAILAUTH_E_USAGE, NULL},
		{"groups are sorted", MAILAUTH_TEXT_GROUPS, "smtp,imap,a", MAILAUTH_OK,
		 "a,imap,smtp"},
		{"groups stand once", MAILAUTH_TEXT_GROUPS, "smtp,imap,smtp", MAILAUTH_OK,
		 "imap,smtp"},
		{"beginning of another", MAILAUTH_TEXT_GROUPS, "imaps,imap", MAILAUTH_OK,
		 "imap,imaps"},
		{"no groups", MAILAUTH_TEXT_GROUPS, "", MAILAUTH_OK, NULL},
		{"empty words", MAILAUTH_TEXT_GROUPS, ",,imap,,", MAILAUTH_OK, "imap"},
		{"longest group", MAILAUTH_TEXT_GROUPS, WORD_32, MAILAUTH_OK, NULL},
		{"group too long", MAILAUTH_TEXT_GROUPS, WORD_32 "6", MAILAUTH_E_LIMIT, NULL},
		{"most groups", MAILAUTH_TEXT_GROUPS, WORDS_32, MAILAUTH_OK, NULL},
		{"too many groups", MAILAUTH_TEXT_GROUPS, WORDS_32 ",zg", MAILAUTH_E_LIMIT, NULL},
		{"group with space", MAILAUTH_TEXT_GROUPS, "imap smtp", MAILAUTH_E_USAGE, NULL},
		{"group with -", MAILAUTH_TEXT_GROUPS, "-imap", MAILAUTH_E_USAGE, NULL},
		{"group with .", MAILAUTH_TEXT_GROUPS, ".imap", MAILAUTH_E_USAGE, NULL},
		{"group not ASCII", MAILAUTH_TEXT_GROUPS, "\xc3\xa4", MAILAUTH_E_USAGE, NULL},
		{"mechanisms", MAILAUTH_TEXT_MECHS, "PLAIN CRAM-MD5", MAILAUTH_OK, NULL},
		{"mechanisms in any form", MAILAUTH_TEXT_MECHS, " cram-md5,\tplain ", MAILAUTH_OK,
		 "CRAM-MD5 PLAIN"},
		{"no mechanisms", MAILAUTH_TEXT_MECHS, "", MAILAUTH_OK, NULL},
		{"unknown mechanism", MAILAUTH_TEXT_MECHS, "PLAIN X-NONE", MAILAUTH_E_USAGE, NULL},
		{"NULL", MAILAUTH_TEXT_HOME, NULL, MAILAUTH_E_USAGE, NULL},
		{"no such text", (enum mailauth_text)99, "a", MAILAUTH_E_USAGE, NULL},
	};
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx = support_open("", &log);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *want = rows[i].stored != NULL ? rows[i].stored : rows[i].text;
		struct mailauth_user *user = new_user(ctx, "alice");

		support_log_clear(&log);
		support_status(rows[i].name,
			       mailauth_user_set_text(user, rows[i].which, rows[i].text),
			       rows[i].want);
		if (rows[i].want != MAILAUTH_OK)
			want = "";
		ck_assert_msg(strcmp(mailauth_user_text(user, rows[i].which), want) == 0,
			      "%s: got \"%s\", want \"%s\"", rows[i].name,
			      mailauth_user_text(user, rows[i].which), want);
		ck_assert_msg(log.n == 0 || strcmp(log.event, "account") == 0,
			      "%s: got event %s, want account", rows[i].name, log.event);
		support_status(rows[i].name, mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
		user = get_user(ctx, "alice");
		ck_assert_msg(strcmp(mailauth_user_text(user, rows[i].which), want) == 0,
			      "%s: stored \"%s\", want \"%s\"", rows[i].name,
			      mailauth_user_text(user, rows[i].which), want);
		mailauth_user_free(&user);
		support_status(rows[i].name, mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(refused_text_leaves_the_old_one)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user = new_user(ctx, "alice");

	set_text(user, MAILAUTH_TEXT_COMMENT, "old");
	support_status("refused", mailauth_user_set_text(user, MAILAUTH_TEXT_COMMENT, "a:b"),
		       MAILAUTH_E_USAGE);
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT), "old");
	set_text(user, MAILAUTH_TEXT_COMMENT, "");
	ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT), "");
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(checks_numbers)
{
	static const struct {
		const char *name;
		enum mailauth_number which;
		int64_t min;
		int64_t max;
		int64_t preset;
	} rows[] = {
		{"uid", MAILAUTH_NUMBER_UID, -1, 4294967294, -1},
		{"gid", MAILAUTH_NUMBER_GID, -1, 4294967294, -1},
		{"locked", MAILAUTH_NUMBER_LOCKED, 0, 1, 0},
		{"recoverable", MAILAUTH_NUMBER_RECOVERABLE, 0, 1, 0},
		{"last change", MAILAUTH_NUMBER_LAST_CHANGE, -1, INT32_MAX, -1},
		{"min", MAILAUTH_NUMBER_MIN, -1, 99999, -1},
		{"max", MAILAUTH_NUMBER_MAX, -1, 99999, -1},
		{"warn", MAILAUTH_NUMBER_WARN, -1, 99999, -1},
		{"inactive", MAILAUTH_NUMBER_INACTIVE, -1, 99999, -1},
		{"expire", MAILAUTH_NUMBER_EXPIRE, -1, INT32_MAX, -1},
	};
	struct mailauth *ctx = support_open("", NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const int64_t refused[] = {rows[i].min - 1, rows[i].max + 1, INT64_MIN, INT64_MAX};
		const int64_t taken[] = {rows[i].min, 0, 1, rows[i].max};

		for (size_t j = 0; j < sizeof(taken) / sizeof(taken[0]); j++) {
			struct mailauth_user *user = new_user(ctx, "alice");
			int64_t got = mailauth_user_number(user, rows[i].which);

			ck_assert_msg(got == rows[i].preset, "%s: got %lld, want %lld at first",
				      rows[i].name, (long long)got, (long long)rows[i].preset);
			set_number(user, rows[i].which, taken[j]);
			support_status(rows[i].name,
				       mailauth_user_set_number(user, rows[i].which, refused[j]),
				       MAILAUTH_E_USAGE);
			support_status(rows[i].name, mailauth_user_add(user), MAILAUTH_OK);
			mailauth_user_free(&user);
			user = get_user(ctx, "alice");
			got = mailauth_user_number(user, rows[i].which);
			ck_assert_msg(got == taken[j], "%s: got %lld, want %lld", rows[i].name,
				      (long long)got, (long long)taken[j]);
			mailauth_user_free(&user);
			support_status(rows[i].name, mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
		}
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(some_numbers_are_read_only)
{
	static const int which[] = {MAILAUTH_NUMBER_GENERATION, MAILAUTH_NUMBER_CREATED,
				    MAILAUTH_NUMBER_MODIFIED, 99};
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_user *user = new_user(ctx, "alice");

	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++)
		support_status("read only",
			       mailauth_user_set_number(user, (enum mailauth_number)which[i], 1),
			       MAILAUTH_E_USAGE);
	ck_assert_int_eq(mailauth_user_number(user, (enum mailauth_number)99), -1);
	support_status("NULL", mailauth_user_set_number(NULL, MAILAUTH_NUMBER_UID, 1),
		       MAILAUTH_E_USAGE);
	support_status("NULL", mailauth_user_set_text(NULL, MAILAUTH_TEXT_HOME, "/"),
		       MAILAUTH_E_USAGE);
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api attributes");
	TCase *tcase = tcase_create("attributes");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, brings_names_into_their_stored_form);
	tcase_add_test(tcase, finds_an_account_by_every_form_of_its_name);
	tcase_add_test(tcase, checks_texts);
	tcase_add_test(tcase, refused_text_leaves_the_old_one);
	tcase_add_test(tcase, checks_numbers);
	tcase_add_test(tcase, some_numbers_are_read_only);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
