/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_prep.c - SASLprep
 *
 * RFC 4013; its section 3 has the examples. What it does not allow comes back as it is, and so do
 * bytes that are no text.
 */
#include "util/prep.h"

#include "support.h"
#include "util/mem.h"

static const struct {
	const char *name;
	const char *in;
	size_t len;	  /* 0: that of the text */
	const char *want; /* NULL: as it is */
} rows[] = {
	{"empty", "", 0, NULL},
	/* RFC 4013 section 3 */
	{"soft hyphen goes", "I\xc2\xadX", 0, "IX"},
	{"no transformation", "user", 0, NULL},
	{"case stays", "USER", 0, NULL},
	{"feminine ordinal becomes a", "\xc2\xaa", 0, "a"},
	{"Roman nine becomes IX", "\xe2\x85\xa8", 0, "IX"},
	{"BEL stays: prohibited", "\x07", 0, NULL},
	{"Alef and 1 stay: bidi", "\xd8\xa7\x31", 0, NULL},
	/* RFC 4013 section 2.1: mapping */
	{"no-break space", "a\xc2\xa0z", 0, "a z"},
	{"em space", "a\xe2\x80\x83z", 0, "a z"},
	{"ideographic space", "a\xe3\x80\x80z", 0, "a z"},
	{"Ogham space mark", "a\xe1\x9a\x80z", 0, "a z"},
	{"space of ASCII stays", " a  z ", 0, NULL},
	{"joiner goes", "a\xe2\x80\x8dz", 0, "az"},
	{"byte order mark goes",
	 "\xef\xbb\xbf"
	 "a",
	 0, "a"},
	{"nothing is left: as it is", "\xc2\xad", 0, NULL},
	{"nothing is left, twice: as it is", "\xc2\xad\xe2\x80\x8d", 0, NULL},
	/* RFC 4013 section 2.2: normalization form KC */
	{"composed", "p\xc3\xa4ss", 0, NULL},
	{"decomposed is composed", "pa\xcc\x88ss", 0, "p\xc3\xa4ss"},
	{"ligature", "\xef\xac\x81", 0, "fi"},
	{"full width", "\xef\xbc\xa1\xef\xbc\x91", 0, "A1"},
	{"vulgar fraction", "\xc2\xbd", 0,
	 "1\xe2\x81\x84"
	 "2"},
	{"sharp s stays", "pa\xc3\x9f", 0, NULL},
	{"Cyrillic stays", "\xd0\xbf\xd0\xb0\xd1\x80\xd0\xbe\xd0\xbb\xd1\x8c", 0, NULL},
	{"an ideograph of another plane stays", "\xf0\xa0\x80\x80", 0, NULL},
	/* RFC 4013 section 2.3: prohibited; all of the text stays, not that character alone */
	{"control", "\xc2\xaa\x07", 0, NULL},
	{"DEL", "\xc2\xaa\x7f", 0, NULL},
	{"tab", "\xc2\xaa\t", 0, NULL},
	{"line feed", "\xc2\xaa\n", 0, NULL},
	{"control beyond ASCII", "\xc2\xaa\xc2\x85", 0, NULL},
	{"private use", "\xc2\xaa\xee\x80\x80", 0, NULL},
	{"no character", "\xc2\xaa\xef\xbf\xbe", 0, NULL},
	{"replacement character", "\xc2\xaa\xef\xbf\xbd", 0, NULL},
	{"right-to-left override", "\xc2\xaa\xe2\x80\xae", 0, NULL},
	{"tagging character", "\xc2\xaa\xf3\xa0\x81\x81", 0, NULL},
	/* RFC 3454 section 6: bidirectional characters */
	{"Hebrew", "\xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d", 0, NULL},
	{"Arabic with a digit inside", "\xd8\xa7\x31\xd8\xa8", 0, NULL},
	{"Arabic and Latin",
	 "\xd8\xa7"
	 "a\xd8\xa8\xc2\xaa",
	 0, NULL},
	{"Latin before Arabic", "\xc2\xaa\xd8\xa8", 0, NULL},
	/* RFC 4013 section 2.5: not assigned in Unicode 3.2, where the tables end */
	{"an emoji stays", "\xf0\x9f\x98\x80", 0, NULL},
	{"what is beside an emoji is prepared", "\xf0\x9f\x98\x80\xc2\xaa", 0,
	 "\xf0\x9f\x98\x80"
	 "a"},
	/* no text */
	{"NUL alone", "\0", 1, NULL},
	{"NUL in ASCII", "a\0z", 3, NULL},
	{"NUL behind", "\xc2\xaa\0", 3, NULL},
	{"NUL before", "\0\xc2\xaa", 3, NULL},
	{"NUL inside", "\xc2\xaa\0\xc2\xaa", 5, NULL},
	{"Latin-1", "\xc2\xaap\xe4ss", 0, NULL},
	{"a lone continuation", "\xc2\xaa\xaa", 0, NULL},
	{"cut off", "\xc2\xaa\xe2\x85", 0, NULL},
	{"overlong", "\xc2\xaa\xc0\xaf", 0, NULL},
	{"surrogate", "\xc2\xaa\xed\xa0\x80", 0, NULL},
	{"beyond Unicode", "\xc2\xaa\xf4\x90\x80\x80", 0, NULL},
	{"bytes", "\xff\xfe", 0, NULL},
};

START_TEST(prepares_as_rfc_4013_says)
{
	size_t len = rows[_i].len != 0 ? rows[_i].len : strlen(rows[_i].in);
	struct ma_span want =
		rows[_i].want != NULL ? ma_span_text(rows[_i].want) : ma_span(rows[_i].in, len);
	uint8_t *copy = ma_alloc(len > 0 ? len : 1); /* a block of exactly its size */
	uint8_t bytes[64];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));
	enum mailauth_status got;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, rows[_i].in, len);
	ma_buf_put_text(&out, ">");
	got = ma_saslprep(ma_span(copy, len), &out);
	ma_free(copy);
	support_status(rows[_i].name, got, MAILAUTH_OK);
	ck_assert_msg(out.len == want.len + 1, "%s: got %zu bytes \"%.*s\", want %zu",
		      rows[_i].name, out.len - 1, (int)out.len - 1, out.p + 1, want.len);
	ck_assert_msg(ma_span_equal(ma_span(out.p + 1, out.len - 1), want),
		      "%s: got \"%.*s\", want \"%.*s\"", rows[_i].name, (int)out.len - 1, out.p + 1,
		      (int)want.len, (const char *)want.p);
}
END_TEST

/* What is prepared once is prepared for good, or two clients would never agree. */
START_TEST(preparing_twice_changes_nothing)
{
	size_t len = rows[_i].len != 0 ? rows[_i].len : strlen(rows[_i].in);
	uint8_t bytes[2][64];
	struct ma_buf once = ma_buf_fixed(bytes[0], sizeof(bytes[0]));
	struct ma_buf twice = ma_buf_fixed(bytes[1], sizeof(bytes[1]));

	support_status(rows[_i].name, ma_saslprep(ma_span(rows[_i].in, len), &once), MAILAUTH_OK);
	support_status(rows[_i].name, ma_saslprep(ma_buf_span(&once), &twice), MAILAUTH_OK);
	ck_assert_msg(ma_span_equal(ma_buf_span(&once), ma_buf_span(&twice)),
		      "%s: got another text the second time", rows[_i].name);
}
END_TEST

START_TEST(keeps_every_text_of_printable_ascii)
{
	for (unsigned int c = 0x20; c <= 0x7e; c++) {
		const char in[] = {(char)c, 'x', (char)c};
		char text[8];
		struct ma_buf out = ma_buf_fixed(text, sizeof(text));

		ck_assert_int_eq(ma_saslprep(ma_span(in, sizeof(in)), &out), MAILAUTH_OK);
		ck_assert_msg(ma_span_equal(ma_buf_span(&out), ma_span(in, sizeof(in))), "0x%02x",
			      c);
	}
}
END_TEST

/* RFC 4013 section 2.1: C.1.2 of RFC 3454, all of it but the two that are mapped to nothing. */
START_TEST(maps_every_space_to_that_of_ascii)
{
	static const char *const spaces[] = {
		"\xc2\xa0",	"\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
		"\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85",
		"\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89",
		"\xe2\x80\x8a", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(spaces); i++) {
		char text[8];
		struct ma_buf out = ma_buf_fixed(text, sizeof(text));

		ck_assert_int_eq(ma_saslprep(ma_span_text(spaces[i]), &out), MAILAUTH_OK);
		ck_assert_msg(strcmp(ma_buf_text(&out), " ") == 0, "%zu: got \"%s\"", i,
			      ma_buf_text(&out));
	}
}
END_TEST

static const struct {
	const char *name;
	const char *unit; /* repeated */
	const char *want; /* for each; NULL: as it is */
} long_rows[] = {
	{"ASCII", "x", NULL},
	{"umlauts", "\xc3\xa4", NULL},
	{"spaces", "\xc2\xa0", " "},
	{"bytes", "\xff", NULL},
	{"prohibited", "\xee\x80\x80", NULL},
	/* U+FDFA becomes eighteen characters, more than any other */
	{"the longest expansion", "\xef\xb7\xba",
	 "\xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 "
	 "\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 \xd9\x88\xd8\xb3\xd9\x84\xd9\x85"},
};

START_TEST(prepares_the_longest_password)
{
	static uint8_t in[MAILAUTH_PASSWORD_MAX];
	const char *unit = long_rows[_i].unit;
	const char *one = long_rows[_i].want != NULL ? long_rows[_i].want : unit;
	MA_CLEANUP(ma_buf_clear) struct ma_buf out = ma_buf(MA_PREP_MAX);
	size_t n = sizeof(in) / strlen(unit);

	for (size_t i = 0; i < n; i++)
		memcpy(in + i * strlen(unit), unit, strlen(unit));
	support_status(long_rows[_i].name, ma_saslprep(ma_span(in, n * strlen(unit)), &out),
		       MAILAUTH_OK);
	ck_assert_msg(out.len == n * strlen(one), "%s: got %zu bytes, want %zu", long_rows[_i].name,
		      out.len, n * strlen(one));
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(ma_span_equal(ma_span(out.p + i * strlen(one), strlen(one)),
					    ma_span_text(one)),
			      "%s: another text at %zu", long_rows[_i].name, i);
}
END_TEST

START_TEST(refuses_what_is_longer_than_the_limit)
{
	static const struct {
		const char *name;
		const char *unit;
	} units[] = {{"ASCII", "x"}, {"umlauts", "\xc3\xa4"}, {"bytes", "\xff"}};
	static uint8_t in[MA_PREP_MAX + 1];

	for (size_t i = 0; i < MA_ARRAY_SIZE(units); i++) {
		MA_CLEANUP(ma_buf_clear) struct ma_buf out = ma_buf(2 * MA_PREP_MAX);

		for (size_t j = 0; j < sizeof(in); j++)
			in[j] = (uint8_t)units[i].unit[j % strlen(units[i].unit)];
		support_status(units[i].name, ma_saslprep(ma_span(in, MA_PREP_MAX - 2), &out),
			       MAILAUTH_OK);
		ck_assert(ma_span_equal(ma_buf_span(&out), ma_span(in, MA_PREP_MAX - 2)));
		ma_buf_reset(&out);
		for (size_t len = MA_PREP_MAX; len <= MA_PREP_MAX + 1; len++)
			support_status(units[i].name, ma_saslprep(ma_span(in, len), &out),
				       MAILAUTH_E_LIMIT);
		ck_assert_uint_eq(out.len, 0);
	}
}
END_TEST

START_TEST(reports_an_output_that_is_full)
{
	static const struct {
		const char *in;
		size_t len; /* of what is prepared */
	} texts[] = {{"user", 4}, {"\xe2\x85\xa8", 2}, {"\x07\x07", 2}, {"\xff\xff", 2}};
	char text[8];

	for (size_t i = 0; i < MA_ARRAY_SIZE(texts); i++) {
		struct ma_buf out = ma_buf_fixed(text, texts[i].len);

		support_status(texts[i].in, ma_saslprep(ma_span_text(texts[i].in), &out),
			       MAILAUTH_OK);
		out = ma_buf_fixed(text, texts[i].len - 1);
		support_status(texts[i].in, ma_saslprep(ma_span_text(texts[i].in), &out),
			       MAILAUTH_E_LIMIT);
	}
}
END_TEST

static unsigned int n_left;

static bool fail_nth(void)
{
	return n_left-- == 0;
}

START_TEST(survives_lack_of_memory_anywhere)
{
	static const char *const texts[] = {"user", "I\xc2\xadX", "\xe2\x85\xa8",
					    "\x07", "\xc2\xad",	  "\xff"};

	for (size_t i = 0; i < MA_ARRAY_SIZE(texts); i++) {
		enum mailauth_status status = MAILAUTH_E_NOMEM;

		for (unsigned int n = 0; status != MAILAUTH_OK && n < 10; n++) {
			MA_CLEANUP(ma_buf_clear) struct ma_buf out = ma_buf(MA_PREP_MAX);

			n_left = n;
			ma_mem_set_fail(fail_nth);
			status = ma_saslprep(ma_span_text(texts[i]), &out);
			ma_mem_set_fail(NULL);
			if (n == 0 || status != MAILAUTH_OK) /* the output allocates, too */
				support_status(texts[i], status, MAILAUTH_E_NOMEM);
		}
		support_status(texts[i], status, MAILAUTH_OK);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("prep");
	TCase *tcase = tcase_create("prep");

	tcase_add_loop_test(tcase, prepares_as_rfc_4013_says, 0, MA_ARRAY_SIZE(rows));
	tcase_add_loop_test(tcase, preparing_twice_changes_nothing, 0, MA_ARRAY_SIZE(rows));
	tcase_add_test(tcase, keeps_every_text_of_printable_ascii);
	tcase_add_test(tcase, maps_every_space_to_that_of_ascii);
	tcase_add_loop_test(tcase, prepares_the_longest_password, 0, MA_ARRAY_SIZE(long_rows));
	tcase_add_test(tcase, refuses_what_is_longer_than_the_limit);
	tcase_add_test(tcase, reports_an_output_that_is_full);
	tcase_add_test(tcase, survives_lack_of_memory_anywhere);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
