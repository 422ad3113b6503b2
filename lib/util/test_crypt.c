/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_crypt.c - crypt(3): known hashes, and what is refused without being run
 *
 * The hashes were made with "openssl passwd" where it has the method, else with crypt(3) itself;
 * all of them at a low cost.
 */
#include "util/crypt.h"

#include <time.h>

#include "support.h"
#include "util/mem.h"

#define PASSWORD "tanstaaf"

static enum mailauth_status hash(const char *password, const char *setting, char *out, size_t size)
{
	struct ma_buf buf = ma_buf_fixed(out, size - 1);
	enum mailauth_status status = ma_crypt(ma_span_text(password), ma_span_text(setting), &buf);

	out[buf.len] = '\0';
	return status;
}

static const char *const known[] = {
	"$y$j75$abcdefgh$/uR.3qhdklmSItryYhahjg7UBXui0FwdNTgcXd4tO50",
	"$gy$j75$abcdefgh$jZ/lLECDwSJ3ukbAWcxMVgkZ0EEf3vWEq2Pxk0nV5i7",
	"$7$76..../....saltsalt$bmVOkuHeD1rk0RHXgWBKvTMOd.S3nW9RXfV4kMzJuI9",
	"$2b$04$abcdefghijklmnopqrstuumJUK7dJmoK7yMfXBMkeTJL1Y.du7qIG",
	"$2y$04$abcdefghijklmnopqrstuumJUK7dJmoK7yMfXBMkeTJL1Y.du7qIG",
	"$2a$04$abcdefghijklmnopqrstuumJUK7dJmoK7yMfXBMkeTJL1Y.du7qIG",
	"$6$saltstring$wi5aZabVEbZhKbcLeWtMDysR5fiBLATiSFjr4ouJfQ6PS1qsrL2HlVPZG9gwohJiQ7PAmMLYS9iV"
	"dS4PtzCXk.",
	"$6$rounds=1000$saltstring$ADAkmfuKfo2tX.EoLAnedgWOOLT8JKbxsV7vlf5BL0igMWl7oPbVox5A.qOi24Wb"
	"sz6v2ct5fUfQmcAROHoH21",
	"$5$saltstring$H6.PReO3md3Wl5smNnkL1MjdT6OipU4M6Sp4CiLNB02",
	"$1$saltstri$JQd4nyppFOWs8F6o/c0Qq1",
	"$sha1$40$saltsalt$.7DoJ0SiZTGHWH0t0secLtOvE1Dy",
	"$md5$saltsalt$$xITHpUFCDtHjWbZsKXKvQ.",
	"$md5,rounds=10$saltsalt$$7EetShVqEbSXtVw1ICfWU/",
	"$3$$c001daf1b0072a380269a809bb16d2b4",
	"_J9..saltUr0DPw0DcsA",
	"ab/TdqTfG5VbQ",
};

START_TEST(finds_the_password_of_a_known_hash)
{
	char got[MA_CRYPT_MAX + 1];

	ck_assert_ptr_null(ma_crypt_refusal(ma_span_text(known[_i])));
	ck_assert_int_eq(hash(PASSWORD, known[_i], got, sizeof(got)), MAILAUTH_OK);
	ck_assert_msg(strcmp(got, known[_i]) == 0, "got %s, want %s", got, known[_i]);
	ck_assert_int_eq(hash("tanstaag", known[_i], got, sizeof(got)), MAILAUTH_OK);
	ck_assert_msg(strcmp(got, known[_i]) != 0, "%s: fits another password", known[_i]);
}
END_TEST

/* Without one character, with one more, or with a strange one none of them is whole. */
START_TEST(knows_a_whole_hash_by_its_form)
{
	char text[MA_CRYPT_MAX + 2];
	size_t len = strlen(known[_i]);

	memcpy(text, known[_i], len + 1);
	ck_assert_msg(ma_crypt_is_whole(ma_span(text, len)), "%s", text);
	ck_assert_msg(!ma_crypt_is_whole(ma_span(text, len - 1)), "%s cut", text);
	text[len] = 'x';
	ck_assert_msg(!ma_crypt_is_whole(ma_span(text, len + 1)), "%sx", text);
	text[len - 1] = ' ';
	ck_assert_msg(!ma_crypt_is_whole(ma_span(text, len)), "%s", text);
	ck_assert(!ma_crypt_is_whole(ma_span_text("secret")));
	ck_assert(!ma_crypt_is_whole(ma_span_text("$6$saltstring")));
	ck_assert(!ma_crypt_is_whole(ma_span("ab\0TdqTfG5VbQ", 13)));
	ck_assert(!ma_crypt_is_whole(ma_span_text("xx$ab/TdqTfG5VbQ")));
	ck_assert(ma_crypt_is_whole(ma_span_text("ab/TdqTfG5VbQab/TdqTfG5V"))); /* bigcrypt */
}
END_TEST

static const struct {
	const char *hash;
	size_t len;
	const char *why; /* part of the reason */
} refused[] = {
	{"", 0, "empty"},
	{"*", 1, "no login"},
	{"!", 1, "no login"},
	{"!!", 2, "no login"},
	{"*0", 2, "no login"},
	{"*1", 2, "no login"},
	{"*LK*", 4, "no login"},
	{"!$1$saltstri$JQd4nyppFOWs8F6o/c0Qq1", 35, "no login"},
	{"\0", 1, "no crypt(3) string"},
	{"$1$salt\0stri$JQd4nyppFOWs8F6o/c0Qq1", 35, "no crypt(3) string"},
	{"$1$saltstri$JQd4nyppFOWs8F6o/c0Qq1\0", 35, "no crypt(3) string"},
	{"x", 1, "does not know"},
	{"$", 1, "does not know"},
	{"$9$abc$def", 10, "does not know"},
	{"$2$04$abcdefghijklmnopqrstuu", 28, "does not know"},
	{"{SHA}AAAA", 9, "does not know"},
	{"tanstaaf", 8, NULL}, /* traditional DES takes any two characters */
	{"plain text", 10, "does not know"},
	{"$1$salt:stri$", 13, "does not know"},
	{"$1$salt\nstri$", 13, "does not know"},
};

START_TEST(refuses_what_is_no_hash)
{
	struct ma_span text = ma_span(refused[_i].hash, refused[_i].len);
	const char *why = ma_crypt_refusal(text);
	char bytes[MA_CRYPT_MAX];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));

	if (refused[_i].why == NULL) {
		ck_assert_ptr_null(why);
		return;
	}
	ck_assert_msg(why != NULL && strstr(why, refused[_i].why) != NULL,
		      "\"%s\": got \"%s\", want \"...%s...\"", refused[_i].hash,
		      why != NULL ? why : "(usable)", refused[_i].why);
	ck_assert_int_eq(ma_crypt(ma_span_text(PASSWORD), text, &out), MAILAUTH_E_USAGE);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

START_TEST(refuses_a_hash_longer_than_any)
{
	char text[MA_CRYPT_MAX + 1];
	char bytes[MA_CRYPT_MAX];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));

	memset(text, 'x', sizeof(text));
	memcpy(text, "$1$saltstri$", 12);
	ck_assert_ptr_null(ma_crypt_refusal(ma_span(text, MA_CRYPT_MAX)));
	ck_assert_ptr_nonnull(ma_crypt_refusal(ma_span(text, MA_CRYPT_MAX + 1)));
	ck_assert_int_eq(ma_crypt(ma_span_text(PASSWORD), ma_span(text, MA_CRYPT_MAX + 1), &out),
			 MAILAUTH_E_USAGE);
}
END_TEST

/* What crypt(5) says of each method's cost: at the cap, just over it, far over it, unreadable. */
static const struct {
	const char *setting;
	bool usable;
} costs[] = {
	{"$y$jCT$abcdefgh$", true}, /* N = 2^15, r = 32: 128 MiB */
	{"$y$jDT$abcdefgh$", false},
	{"$y$jCU$abcdefgh$", false},
	{"$y$jST$abcdefgh$", false}, /* N = 2^31 */
	{"$y$jj$abcdefgh$", false},
	{"$y$jzT$abcdefgh$", false},
	{"$y$j.zzzzz$abcdefgh$", false},
	{"$y$j9T.$abcdefgh$", false}, /* parallelism and more: not made by any crypt_gensalt() */
	{"$y$j9T/.....$abcdefgh$", false},
	{"$y$z9T$abcdefgh$", false},
	{"$y$", false},
	{"$y$j", false},
	{"$y$j9", false},
	{"$y$j9T", false},
	{"$gy$jCT$abcdefgh$", true},
	{"$gy$jDT$abcdefgh$", false},
	{"$7$F6..../....saltsalt$", true}, /* N = 2^17, r = 8: 128 MiB */
	{"$7$G6..../....saltsalt$", false},
	{"$7$F7..../....saltsalt$", false},
	{"$7$C6....0....saltsalt$", false}, /* p = 2 */
	{"$7$C6.........saltsalt$", false}, /* p = 0 */
	{"$7$C...../....saltsalt$", false}, /* r = 0 */
	{"$7$Czzzzz/....saltsalt$", false},
	{"$7$z6..../....saltsalt$", false},
	{"$7$C6..../...", false},
	{"$7$C6....", false},
	{"$7$C6...", false},
	{"$7$", false},
	{"$2b$14$abcdefghijklmnopqrstuu", true},
	{"$2b$15$abcdefghijklmnopqrstuu", false},
	{"$2b$31$abcdefghijklmnopqrstuu", false},
	{"$2a$15$abcdefghijklmnopqrstuu", false},
	{"$2x$31$abcdefghijklmnopqrstuu", false},
	{"$2y$31$abcdefghijklmnopqrstuu", false},
	{"$2b$0x$abcdefghijklmnopqrstuu", false},
	{"$2b$$abcdefghijklmnopqrstuu", false},
	{"$2b$14", false},
	{"$6$rounded1$", true}, /* a salt, not a cost */
	{"$5$r$", true},
	{"$6$rounds$", true},
	{"$6$rounds=2000000$saltstring$", true},
	{"$6$rounds=2000001$saltstring$", false},
	{"$6$rounds=999999999$saltstring$", false},
	{"$6$rounds=18446744073709551617$saltstring$", false},
	{"$6$rounds=$saltstring$", false},
	{"$6$rounds=1e9$saltstring$", false},
	{"$6$rounds=999999999", false},
	{"$6$rounds=-1$saltstring$", false},
	{"$6$ounds=999999999$saltstring$", true}, /* a salt */
	{"$5$rounds=2000000$saltstring$", true},
	{"$5$rounds=999999999$saltstring$", false},
	{"$sha1$1000000$saltsalt$", true},
	{"$sha1$1000001$saltsalt$", false},
	{"$sha1$4294967295$saltsalt$", false},
	{"$sha1$$saltsalt$", false},
	{"$sha1$", false},
	{"$md5,rounds=500000$saltsalt$", true},
	{"$md5,rounds=500001$saltsalt$", false},
	{"$md5,rounds=4294963199$saltsalt$", false},
	{"$md5,rounds=$saltsalt$", false},
	{"$md5,rounder=5$saltsalt$", false},
	{"$md5,", false},
	{"$md5", false},
	{"_J9.", false},
	{"_J9.!salt", false},
};

START_TEST(refuses_dear_hashes_without_running_them)
{
	const char *setting = costs[_i].setting;
	struct timespec start;
	struct timespec end;
	double took_s;
	const char *why = ma_crypt_refusal(ma_span_text(setting));

	ck_assert_msg((why == NULL) == costs[_i].usable, "%s: got \"%s\"", setting,
		      why != NULL ? why : "(usable)");
	if (costs[_i].usable)
		return;
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
	for (int i = 0; i < 100; i++) {
		char got[MA_CRYPT_MAX + 1];

		ck_assert_int_eq(hash(PASSWORD, setting, got, sizeof(got)), MAILAUTH_E_USAGE);
		ck_assert_str_eq(got, "");
	}
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	took_s = (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
	ck_assert_msg(took_s < 1, "%s: took %f s for 100", setting, took_s);
}
END_TEST

/* bsdicrypt: _, then the rounds in 4 digits, the least significant first. */
START_TEST(caps_the_rounds_of_bsdicrypt)
{
	static const char digits[] =
		"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	static const struct {
		unsigned int rounds;
		bool usable;
	} rows[] = {{725, true}, {4000000, true}, {4000001, false}, {(1u << 24) - 1, false}};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		char setting[] = "_....salt";

		for (unsigned int j = 0; j < 4; j++)
			setting[1 + j] = digits[rows[i].rounds >> 6 * j & 63];
		ck_assert_msg((ma_crypt_refusal(ma_span_text(setting)) == NULL) == rows[i].usable,
			      "%s, %u rounds: want %d", setting, rows[i].rounds, rows[i].usable);
	}
}
END_TEST

START_TEST(limits_passwords)
{
	static const char setting[] = "$1$saltstri$";
	static char password[MA_CRYPT_PASSWORD_MAX + 1];
	char bytes[MA_CRYPT_MAX];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));

	memset(password, 'p', sizeof(password));
	ck_assert_int_eq(ma_crypt(ma_span(password, sizeof(password)), ma_span_text(setting), &out),
			 MAILAUTH_E_LIMIT);
	ck_assert_int_eq(ma_crypt(ma_span("a\0b", 3), ma_span_text(setting), &out),
			 MAILAUTH_E_USAGE);
	ck_assert_uint_eq(out.len, 0);
	ck_assert_int_eq(
		ma_crypt(ma_span(password, sizeof(password) - 1), ma_span_text(setting), &out),
		MAILAUTH_OK);
	ma_buf_reset(&out);
	ck_assert_int_eq(ma_crypt(ma_span(NULL, 0), ma_span_text(setting), &out), MAILAUTH_OK);
}
END_TEST

static bool always_fail(void)
{
	return true;
}

START_TEST(reports_a_full_buffer_and_lack_of_memory)
{
	char bytes[10];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));

	ma_mem_set_fail(always_fail);
	ck_assert_int_eq(ma_crypt(ma_span_text(PASSWORD), ma_span_text("$1$saltstri$"), &out),
			 MAILAUTH_E_NOMEM);
	ma_mem_set_fail(NULL);
	ck_assert_int_eq(ma_buf_status(&out), MAILAUTH_OK);

	ck_assert_int_eq(ma_crypt(ma_span_text(PASSWORD), ma_span_text("$1$saltstri$"), &out),
			 MAILAUTH_E_LIMIT);
}
END_TEST

static const struct {
	const char *method;
	unsigned long cost;
	const char *want; /* how the setting begins; NULL: refused */
} settings[] = {
	{"yescrypt", 0, "$y$"},
	{"yescrypt", 1, "$y$"},
	{"yescrypt", 8, "$y$jCT$"},
	{"yescrypt", 9, NULL}, /* 256 MiB */
	{"yescrypt", 12, NULL},
	{"gost-yescrypt", 0, "$gy$"},
	{"gost-yescrypt", 11, NULL},
	{"scrypt", 0, "$7$"},
	{"scrypt", 11, NULL},
	{"bcrypt", 0, "$2b$"},
	{"bcrypt", 4, "$2b$04$"},
	{"bcrypt", 14, "$2b$14$"},
	{"bcrypt", 15, NULL},
	{"bcrypt", 32, NULL},
	{"bcrypt", 3, NULL},
	{"sha512crypt", 0, "$6$"},
	{"sha512crypt", 2000000, "$6$rounds=2000000$"},
	{"sha512crypt", 2000001, NULL},
	{"sha256crypt", 0, "$5$"},
	{"sha256crypt", 1000, "$5$rounds=1000$"},
	{NULL, 0, "$"},
	{"md5crypt", 0, NULL},
	{"descrypt", 0, NULL},
	{"", 0, NULL},
	{"YESCRYPT", 0, NULL},
	{"$6$", 0, NULL},
};

START_TEST(makes_settings_that_can_be_used)
{
	uint8_t random[32];
	char text[MA_CRYPT_MAX];
	struct ma_buf out = ma_buf_fixed(text, sizeof(text));
	enum mailauth_status status;

	memset(random, 0x5a, sizeof(random));
	status = ma_crypt_setting(settings[_i].method, settings[_i].cost,
				  ma_span(random, sizeof(random)), &out);
	if (settings[_i].want == NULL) {
		ck_assert_msg(status == MAILAUTH_E_USAGE, "%s %lu: got %d, want a refusal",
			      settings[_i].method, settings[_i].cost, status);
		ck_assert_uint_eq(out.len, 0);
		return;
	}
	ck_assert_int_eq(status, MAILAUTH_OK);
	ck_assert_msg(strncmp(ma_buf_text(&out), settings[_i].want, strlen(settings[_i].want)) == 0,
		      "%s %lu: got %s, want %s...",
		      settings[_i].method != NULL ? settings[_i].method : "default",
		      settings[_i].cost, ma_buf_text(&out), settings[_i].want);
	ck_assert_ptr_null(ma_crypt_refusal(ma_buf_span(&out)));
	if (settings[_i].method != NULL)
		ck_assert_ptr_nonnull(ma_crypt_prefix(settings[_i].method));
}
END_TEST

START_TEST(salts_a_setting_with_the_random_bytes)
{
	uint8_t random[32] = {0};
	char first[MA_CRYPT_MAX];
	char second[MA_CRYPT_MAX];
	struct ma_buf a = ma_buf_fixed(first, sizeof(first));
	struct ma_buf b = ma_buf_fixed(second, sizeof(second));

	ck_assert_int_eq(ma_crypt_setting("bcrypt", 4, ma_span(random, sizeof(random)), &a),
			 MAILAUTH_OK);
	random[0] = 1;
	ck_assert_int_eq(ma_crypt_setting("bcrypt", 4, ma_span(random, sizeof(random)), &b),
			 MAILAUTH_OK);
	ck_assert_str_ne(ma_buf_text(&a), ma_buf_text(&b));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crypt");
	TCase *tcase = tcase_create("crypt");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, finds_the_password_of_a_known_hash, 0, MA_ARRAY_SIZE(known));
	tcase_add_loop_test(tcase, knows_a_whole_hash_by_its_form, 0, MA_ARRAY_SIZE(known));
	tcase_add_loop_test(tcase, refuses_what_is_no_hash, 0, MA_ARRAY_SIZE(refused));
	tcase_add_test(tcase, refuses_a_hash_longer_than_any);
	tcase_add_loop_test(tcase, refuses_dear_hashes_without_running_them, 0,
			    MA_ARRAY_SIZE(costs));
	tcase_add_test(tcase, caps_the_rounds_of_bsdicrypt);
	tcase_add_test(tcase, limits_passwords);
	tcase_add_test(tcase, reports_a_full_buffer_and_lack_of_memory);
	tcase_add_loop_test(tcase, makes_settings_that_can_be_used, 0, MA_ARRAY_SIZE(settings));
	tcase_add_test(tcase, salts_a_setting_with_the_random_bytes);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
