/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_account.c - ageing rules day by day, words of a list, usable credentials
 *
 * Ageing follows shadow(5) as pam_unix reads it.
 */
#include "account/account.h"

#include "support.h"

#define TODAY 20000

static const struct {
	const char *name;
	uint8_t flags;
	int32_t last_change;
	int32_t max;
	int32_t inactive;
	int32_t expire;
	enum ma_state want;
} rows[] = {
	{"nothing set", 0, -1, -1, -1, -1, MA_STATE_ACTIVE},
	{"recoverable", MA_ACCOUNT_RECOVERABLE, -1, -1, -1, -1, MA_STATE_ACTIVE},
	{"locked", MA_ACCOUNT_LOCKED, -1, -1, -1, -1, MA_STATE_LOCKED},
	{"locked and recoverable", MA_ACCOUNT_LOCKED | MA_ACCOUNT_RECOVERABLE, -1, -1, -1, -1,
	 MA_STATE_LOCKED},

	{"day before expire", 0, -1, -1, -1, TODAY + 1, MA_STATE_ACTIVE},
	{"on expire", 0, -1, -1, -1, TODAY, MA_STATE_EXPIRED},
	{"day after expire", 0, -1, -1, -1, TODAY - 1, MA_STATE_EXPIRED},
	{"expire 0", 0, -1, -1, -1, 0, MA_STATE_EXPIRED},
	{"expire far away", 0, -1, -1, -1, INT32_MAX, MA_STATE_ACTIVE},

	{"last change 0", 0, 0, -1, -1, -1, MA_STATE_MUST_CHANGE},
	{"last change 0 with inactive", 0, 0, 30, 5, -1, MA_STATE_MUST_CHANGE},
	{"last change today", 0, TODAY, -1, -1, -1, MA_STATE_ACTIVE},
	{"last change in future", 0, TODAY + 1, 0, 0, -1, MA_STATE_ACTIVE},
	{"last change far in future", 0, INT32_MAX, 0, 0, -1, MA_STATE_ACTIVE},
	{"last change on day 1", 0, 1, -1, -1, -1, MA_STATE_ACTIVE},
	{"no last change, max set", 0, -1, 30, 5, -1, MA_STATE_ACTIVE},

	{"day before max", 0, TODAY - 29, 30, -1, -1, MA_STATE_ACTIVE},
	{"on max", 0, TODAY - 30, 30, -1, -1, MA_STATE_ACTIVE},
	{"day after max", 0, TODAY - 31, 30, -1, -1, MA_STATE_MUST_CHANGE},
	{"max 0, changed today", 0, TODAY, 0, -1, -1, MA_STATE_ACTIVE},
	{"max 0, changed yesterday", 0, TODAY - 1, 0, -1, -1, MA_STATE_MUST_CHANGE},
	{"max 99999", 0, 1, 99999, 7, -1, MA_STATE_ACTIVE},
	{"largest max and inactive", 0, 1, INT32_MAX, INT32_MAX, -1, MA_STATE_ACTIVE},

	{"on max, inactive 0", 0, TODAY - 30, 30, 0, -1, MA_STATE_ACTIVE},
	{"day after max, inactive 0", 0, TODAY - 31, 30, 0, -1, MA_STATE_PASSWORD_EXPIRED},
	{"day before inactive", 0, TODAY - 34, 30, 5, -1, MA_STATE_MUST_CHANGE},
	{"on inactive", 0, TODAY - 35, 30, 5, -1, MA_STATE_MUST_CHANGE},
	{"day after inactive", 0, TODAY - 36, 30, 5, -1, MA_STATE_PASSWORD_EXPIRED},
	{"largest inactive", 0, TODAY - 31, 30, INT32_MAX, -1, MA_STATE_MUST_CHANGE},
	{"inactive without max", 0, 1, -1, 5, -1, MA_STATE_ACTIVE},

	{"locked comes before expired", MA_ACCOUNT_LOCKED, TODAY - 36, 30, 5, TODAY,
	 MA_STATE_LOCKED},
	{"expired comes before password", 0, TODAY - 36, 30, 5, TODAY, MA_STATE_EXPIRED},
	{"expired comes before must change", 0, 0, -1, -1, TODAY, MA_STATE_EXPIRED},
};

START_TEST(ages_like_shadow)
{
	struct ma_account account;
	enum ma_state got;

	ma_account_init(&account);
	account.flags = rows[_i].flags;
	account.last_change = rows[_i].last_change;
	account.max = rows[_i].max;
	account.inactive = rows[_i].inactive;
	account.expire = rows[_i].expire;
	got = ma_account_state(&account, TODAY);
	ck_assert_msg(got == rows[_i].want, "%s: got %d, want %d", rows[_i].name, got,
		      rows[_i].want);
	/* min and warn do not decide about a login */
	account.min = 99999;
	account.warn = 99999;
	ck_assert_int_eq(ma_account_state(&account, TODAY), rows[_i].want);
}
END_TEST

START_TEST(begins_with_nothing_set)
{
	struct ma_account account;

	ma_account_init(&account);
	ck_assert_uint_eq(account.flags, 0);
	ck_assert_int_eq(account.last_change, -1);
	ck_assert_int_eq(account.min, -1);
	ck_assert_int_eq(account.max, -1);
	ck_assert_int_eq(account.warn, -1);
	ck_assert_int_eq(account.inactive, -1);
	ck_assert_int_eq(account.expire, -1);
	ck_assert_uint_eq(account.uid, MA_ID_NONE);
	ck_assert_uint_eq(account.gid, MA_ID_NONE);
	ck_assert_uint_eq(account.groups.len, 0);
	ck_assert_uint_eq(account.n_credentials, 1);
	ck_assert_int_eq(account.credentials[0].expires, -1);
	ck_assert_uint_eq(account.credentials[0].label.len, 0);
	ck_assert_uint_eq(account.credentials[0].n_secrets, 0);
	ck_assert(ma_credential_is_usable(&account.credentials[0], INT32_MAX, ma_span(NULL, 0)));
	/* The zero of the verdict is none that admits. */
	ck_assert_int_ne(MA_STATE_UNCHECKED, MA_STATE_ACTIVE);
	ck_assert_int_eq(MA_STATE_UNCHECKED, 0);
}
END_TEST

START_TEST(finds_whole_words_only)
{
	static const struct {
		const char *words;
		const char *word;
		bool want;
	} words[] = {
		{"", "smtp", false},
		{"smtp", "smtp", true},
		{"smtp,imap", "smtp", true},
		{"smtp,imap", "imap", true},
		{"smtp,imap,pop", "imap", true},
		{"smtp", "smt", false},
		{"smtp", "smtps", false},
		{"smtps", "smtp", false},
		{"xsmtp", "smtp", false},
		{"smtp", "SMTP", false},
		{"smtp", "", false},
		{"", "", false},
		{",", "", false},
		{"a,,b", "", false},
		{"smtp imap", "imap", false},
		{"smtp,imap", "smtp,imap", false},
		{",smtp,", "smtp", true},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(words); i++)
		ck_assert_msg(ma_words_has(ma_span_text(words[i].words),
					   ma_span_text(words[i].word)) == words[i].want,
			      "\"%s\" in \"%s\": want %d", words[i].word, words[i].words,
			      words[i].want);
	ck_assert(!ma_words_has(ma_span(NULL, 0), ma_span_text("a")));
}
END_TEST

START_TEST(admits_a_credential_for_its_days_and_groups)
{
	static const struct {
		int32_t expires;
		const char *groups;
		const char *asked;
		bool want;
	} cases[] = {
		{-1, "", "", true},
		{-1, "", "smtp", true},
		{TODAY + 1, "", "", true},
		{TODAY, "", "", false},
		{TODAY - 1, "", "", false},
		{0, "", "", false},
		{-1, "smtp", "smtp", true},
		{-1, "imap,smtp", "smtp", true},
		{-1, "imap", "smtp", false},
		{-1, "smtp", "", false}, /* limited, and nobody says for what it is used */
		{-1, ",", "", false},
		{TODAY, "smtp", "smtp", false},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(cases); i++) {
		struct ma_credential credential = {.expires = cases[i].expires,
						   .groups = ma_span_text(cases[i].groups)};
		bool got =
			ma_credential_is_usable(&credential, TODAY, ma_span_text(cases[i].asked));

		ck_assert_msg(got == cases[i].want,
			      "expires %d, groups \"%s\", asked \"%s\": got %d", cases[i].expires,
			      cases[i].groups, cases[i].asked, got);
	}
}
END_TEST

START_TEST(finds_the_first_secret_of_a_kind)
{
	struct ma_credential credential = {
		.n_secrets = 3,
		.secrets = {{.kind = MA_KIND_CRAM_MD5},
			    {.kind = MA_KIND_CRYPT},
			    {.kind = MA_KIND_CRAM_MD5},
			    {.kind = MA_KIND_PASSWORD}}, /* not counted */
	};

	ck_assert_ptr_eq(ma_credential_secret(&credential, MA_KIND_CRAM_MD5),
			 &credential.secrets[0]);
	ck_assert_ptr_eq(ma_credential_secret(&credential, MA_KIND_CRYPT), &credential.secrets[1]);
	ck_assert_ptr_null(ma_credential_secret(&credential, MA_KIND_PASSWORD));
	credential.n_secrets = 0;
	ck_assert_ptr_null(ma_credential_secret(&credential, MA_KIND_CRAM_MD5));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("account");
	TCase *tcase = tcase_create("account");

	tcase_add_loop_test(tcase, ages_like_shadow, 0, MA_ARRAY_SIZE(rows));
	tcase_add_test(tcase, begins_with_nothing_set);
	tcase_add_test(tcase, finds_whole_words_only);
	tcase_add_test(tcase, admits_a_credential_for_its_days_and_groups);
	tcase_add_test(tcase, finds_the_first_secret_of_a_kind);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
