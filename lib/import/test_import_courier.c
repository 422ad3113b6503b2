/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_import_courier.c - userdb of Courier: general passwords, those of services, and back
 *
 * HMAC is what userdbpw -hmac-md5 of courier-authlib 0.71.4 prints for "tanstaaftanstaaf".
 */
#include "import/import.h"

#include "import/test_import.h"
#include "support.h"

#define HMAC  "d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b"
#define OURS  "5211b25404b61f715e033eca6b1115701b4e6dd0a4cafc260118b6b0a3402313"
#define MD5   "$1$7K6rmBBX$BEzLZVEFIe8/0/avvkumP0"
#define OTHER "$1$7K6rmBBX$BEzLZVEFIe8/0/avvkumP1"

static struct ma_import *open_text(const char *text)
{
	const struct ma_import_params params = {.file = support_file("userdb", text, strlen(text)),
						NO_IDS};

	return open_import("courier", &params);
}

static const struct {
	const char *line;
	const char *want;
	const char *back; /* without a line's end; NULL: as it came */
} lines[] = {
	{"tim@lab.test\tuid=1000|gid=1001|home=/home/tim|shell=/bin/sh|gecos=T. Im|systempw=" MD5
	 "|hmac-md5pw=" HMAC,
	 "name=tim@lab.test uid=1000 gid=1001 comment=T. Im home=/home/tim shell=/bin/sh crypt=" MD5
	 " cram-md5=" OURS,
	 NULL},
	{"tim\tsystempw=" MD5, "name=tim crypt=" MD5, NULL},
	{"tim\thmac-md5pw=" HMAC, "name=tim cram-md5=" OURS, NULL},
	{"tim\tuid=0", "name=tim uid=0", NULL},
	{"tim\t", "name=tim", NULL},
	{"tim\t|uid=0||", "name=tim uid=0", "tim\tuid=0"},
	{"tim\tsystempw=!" MD5, "name=tim locked=1 crypt=" MD5, NULL},
	{"tim\tsystempw=*", "name=tim no-login=1 note=systempw has no hash", "tim\t"},
	{"tim\tsystempw=*|hmac-md5pw=" HMAC, "name=tim cram-md5=" OURS " note=systempw has no hash",
	 "tim\thmac-md5pw=" HMAC},
	{"tim\tsystempw={CRYPT}" MD5, "name=tim crypt=" MD5, "tim\tsystempw=" MD5},
	{"tim\timappw=" MD5 "|pop3pw=" MD5,
	 "name=tim crypt=" MD5 " note=imappw serves every service here", "tim\tsystempw=" MD5},
	{"tim\timappw=" MD5 "|pop3pw=" OTHER,
	 "name=tim crypt=" MD5 " note=pop3pw is another password and was not taken over; imappw "
	 "serves every service here",
	 "tim\tsystempw=" MD5},
	{"tim\timappw=" OTHER "|systempw=" MD5,
	 "name=tim crypt=" MD5 " note=imappw is another password and was not taken over",
	 "tim\tsystempw=" MD5},
	{"tim\tsystempw=" MD5 "|systempw=" OTHER,
	 "name=tim crypt=" MD5 " note=systempw is another password and was not taken over",
	 "tim\tsystempw=" MD5},
	{"tim\timap-hmac-md5pw=" HMAC,
	 "name=tim cram-md5=" OURS " note=imap-hmac-md5pw serves every service here",
	 "tim\thmac-md5pw=" HMAC},
	{"tim\tmail=/m|quota=100S|hmac-sha1pw=00|flag|uid=7",
	 "name=tim uid=7 note=mail was not taken over; quota was not taken over; hmac-sha1pw was "
	 "not taken over; flag was not taken over",
	 "tim\tuid=7"},
};

START_TEST(reads_and_writes_each_field)
{
	const char *back = lines[_i].back != NULL ? lines[_i].back : lines[_i].line;
	const struct ma_export_params params = {.realm = NULL};
	struct ma_import *import = open_text(lines[_i].line);
	struct ma_entry entry;
	char why[MA_WHY_MAX];
	char want[512];

	expect_entry(import, lines[_i].line, lines[_i].want);
	expect_end(&import, lines[_i].line);

	import = open_text(lines[_i].line);
	ck_assert_int_eq(import->format->next(import, &entry, why), MAILAUTH_OK);
	(void)snprintf(want, sizeof(want), "%s\n", back);
	ck_assert_str_eq(written("courier", params, &entry, MAILAUTH_OK, NULL), want);
	import->format->close(&import);
}
END_TEST

static const struct {
	const char *line;
	const char *name;
	const char *why;
} refused[] = {
	{"tim", "tim", "this is no \"NAME TAB"},
	{"tim uid=1", "tim uid=1", "this is no \"NAME TAB"},
	{"\tuid=1", NULL, "this is no \"NAME TAB"},
	{"tim\tuid=", "tim", "its uid is no number"},
	{"tim\tuid", "tim", "its uid is no number"},
	{"tim\tgid=4294967295", "tim", "its gid is no number"},
	{"tim\tgid=-1", "tim", "its gid is no number"},
	{"tim\thmac-md5pw=", "tim", "its hmac-md5pw is not 64"},
	{"tim\thmac-md5pw=" HMAC "0", "tim", "its hmac-md5pw is not 64"},
	{"tim\thmac-md5pw=d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116", "tim",
	 "its hmac-md5pw is not 64"},
	{"tim\thmac-md5pw=x06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b", "tim",
	 "its hmac-md5pw is not 64"},
	{"tim\tpop3pw={SHA}abc", "tim", "its pop3pw begins with {SHA}, which cannot be taken over"},
};

START_TEST(refuses_what_it_cannot_keep_and_goes_on)
{
	char text[512];
	struct ma_import *import;

	(void)snprintf(text, sizeof(text), "\n# tim\tuid=1\n%s\nzoe\tuid=1\n", refused[_i].line);
	import = open_text(text);
	expect_refusal(import, refused[_i].line, 3, refused[_i].name, refused[_i].why);
	expect_entry(import, refused[_i].line, "name=zoe uid=1");
	expect_end(&import, refused[_i].line);
}
END_TEST

START_TEST(a_locked_account_has_no_usable_secret)
{
	const struct ma_export_params params = {.realm = "lab.test"};
	struct ma_entry entry;

	ma_entry_init(&entry);
	entry.name = "tim@lab.test";
	entry.locked = 1;
	entry.n_secrets = 1;
	entry.secrets[0] = (struct ma_entry_secret){"cram-md5", OURS};
	ck_assert_str_eq(written("courier", params, &entry, MAILAUTH_OK, NULL),
			 "tim\tsystempw=!*\n");
	entry.n_secrets = 2;
	entry.secrets[1] = (struct ma_entry_secret){"crypt", MD5};
	ck_assert_str_eq(written("courier", params, &entry, MAILAUTH_OK, NULL),
			 "tim\tsystempw=!" MD5 "\n");
}
END_TEST

START_TEST(names_what_has_no_room)
{
	const struct ma_export_params params = {.realm = NULL};
	struct ma_entry entry;

	ma_entry_init(&entry);
	entry.name = "tim@lab.test";
	entry.home = "/a|b";
	entry.password = "kept";
	ck_assert_str_eq(written("courier", params, &entry, MAILAUTH_OK, "none of its secrets"),
			 "tim@lab.test\t\n");
	entry.name = "t\tm";
	(void)written("courier", params, &entry, MAILAUTH_E_UNSUPPORTED, "begin with");
	entry.name = "#tim";
	(void)written("courier", params, &entry, MAILAUTH_E_UNSUPPORTED, "begin with");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("import_courier");
	TCase *tcase = tcase_create("courier");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, reads_and_writes_each_field, 0, MA_ARRAY_SIZE(lines));
	tcase_add_loop_test(tcase, refuses_what_it_cannot_keep_and_goes_on, 0,
			    MA_ARRAY_SIZE(refused));
	tcase_add_test(tcase, a_locked_account_has_no_usable_secret);
	tcase_add_test(tcase, names_what_has_no_room);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
