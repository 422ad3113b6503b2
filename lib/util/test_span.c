/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_span.c - the read cursor: what it takes, and that a refusal takes nothing
 *
 * Input stands in blocks of exactly its size, so that a sanitizer sees a read beyond it.
 */
#include "util/span.h"

#include "support.h"
#include "util/buf.h"
#include "util/mem.h"

/* A copy that ends where its block ends; freed with ma_free(). */
static uint8_t *exact(const void *p, size_t len)
{
	uint8_t *copy = ma_alloc(len > 0 ? len : 1);

	ck_assert_ptr_nonnull(copy);
	if (len > 0)
		memcpy(copy, p, len);
	return copy;
}

static void expect_text(struct ma_span got, const char *want, const char *row)
{
	ck_assert_msg(ma_span_equal(got, ma_span_text(want)), "%s: got \"%.*s\", want \"%s\"", row,
		      (int)got.len, (const char *)got.p, want);
}

static void expect_untouched(struct ma_span got, const uint8_t *p, size_t len, const char *row)
{
	ck_assert_msg(got.p == p && got.len == len, "%s: a refusal moved the span by %td to %zu",
		      row, got.p - p, got.len);
}

START_TEST(compares_bytes_and_lengths)
{
	static const struct {
		const char *a;
		const char *b;
		bool equal;
		bool equal_case;
	} rows[] = {
		{"", "", true, true},
		{"a", "a", true, true},
		{"a", "A", false, true},
		{"a", "", false, false},
		{"", "a", false, false},
		{"ab", "abc", false, false},
		{"abc", "abd", false, false},
		{"Zz@[", "zZ@[", false, true},
		{"@", "`", false, false},
		{"[", "{", false, false},
		{"\xc3\x84", "\xc3\xa4", false, false},
		{"K", "\xe2\x84\xaa", false, false},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct ma_span a = ma_span_text(rows[i].a);
		struct ma_span b = ma_span_text(rows[i].b);

		ck_assert_msg(ma_span_equal(a, b) == rows[i].equal, "\"%s\" and \"%s\": want %d",
			      rows[i].a, rows[i].b, rows[i].equal);
		ck_assert_msg(ma_span_equal_case(a, b) == rows[i].equal_case,
			      "\"%s\" and \"%s\" without case: want %d", rows[i].a, rows[i].b,
			      rows[i].equal_case);
	}
	ck_assert(ma_span_equal(ma_span(NULL, 0), ma_span_text("")));
	ck_assert(ma_span_equal_case(ma_span(NULL, 0), ma_span(NULL, 0)));
	ck_assert(!ma_span_equal(ma_span("a\0b", 3), ma_span("a\0c", 3)));
	ck_assert(!ma_span_equal_case(ma_span("a\0b", 3), ma_span("a\0c", 3)));
}
END_TEST

START_TEST(takes_up_to_the_last_byte)
{
	uint8_t *bytes = exact("abc", 3);
	struct ma_span in = ma_span(bytes, 3);
	struct ma_span out = ma_span(NULL, 77);

	ck_assert(!ma_span_take(&in, 4, &out));
	ck_assert(!ma_span_take(&in, SIZE_MAX, &out));
	expect_untouched(in, bytes, 3, "one long");
	ck_assert(ma_span_take(&in, 0, &out));
	ck_assert_uint_eq(out.len, 0);
	ck_assert(ma_span_take(&in, 2, &out));
	expect_text(out, "ab", "two");
	ck_assert(ma_span_take(&in, 1, &out));
	expect_text(out, "c", "the last");
	ck_assert(!ma_span_take(&in, 1, &out));
	ck_assert(ma_span_take(&in, 0, &out));
	ck_assert_uint_eq(out.len, 0);
	in = ma_span(NULL, 0);
	ck_assert(ma_span_take(&in, 0, &out));
	ck_assert(!ma_span_take(&in, 1, &out));
	ma_free(bytes);
}
END_TEST

static bool take_number(struct ma_span *in, size_t n_bytes, uint64_t *out)
{
	uint8_t one;
	uint16_t two;
	uint32_t four;
	bool ok;

	switch (n_bytes) {
	case 1:
		ok = ma_span_take_u8(in, &one);
		*out = ok ? one : 0;
		return ok;
	case 2:
		ok = ma_span_take_u16(in, &two);
		*out = ok ? two : 0;
		return ok;
	case 4:
		ok = ma_span_take_u32(in, &four);
		*out = ok ? four : 0;
		return ok;
	default:
		return ma_span_take_u64(in, out);
	}
}

START_TEST(takes_big_endian_numbers_and_refuses_short_ones)
{
	static const uint8_t bytes[] = {0xf1, 2, 3, 4, 5, 6, 7, 0x88};
	static const struct {
		size_t n_bytes;
		uint64_t want;
	} rows[] = {{1, 0xf1}, {2, 0xf102}, {4, 0xf1020304}, {8, 0xf102030405060788}};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		uint64_t got = 0;

		for (size_t len = 0; len <= rows[i].n_bytes; len++) {
			uint8_t *copy = exact(bytes, len);
			struct ma_span in = ma_span(copy, len);
			bool ok = take_number(&in, rows[i].n_bytes, &got);

			ck_assert_msg(ok == (len == rows[i].n_bytes), "u%zu of %zu bytes: got %d",
				      8 * rows[i].n_bytes, len, ok);
			if (ok)
				ck_assert_uint_eq(in.len, 0);
			else
				expect_untouched(in, copy, len, "short number");
			ma_free(copy);
		}
		ck_assert_msg(got == rows[i].want, "u%zu: got %llx, want %llx", 8 * rows[i].n_bytes,
			      (unsigned long long)got, (unsigned long long)rows[i].want);
	}
}
END_TEST

START_TEST(takes_bytes_behind_a_length)
{
	static const struct {
		const char *name;
		const char *bytes;
		size_t len;
		bool two; /* bytes of length */
		bool ok;
		const char *want;
		size_t left;
	} rows[] = {
		{"8: nothing", "", 0, false, false, "", 0},
		{"8: empty", "\0", 1, false, true, "", 0},
		{"8: whole", "\3abc", 4, false, true, "abc", 0},
		{"8: more", "\3abcd", 5, false, true, "abc", 1},
		{"8: one short", "\3ab", 3, false, false, "", 0},
		{"8: length alone", "\377", 1, false, false, "", 0},
		{"16: nothing", "", 0, true, false, "", 0},
		{"16: half a length", "\0", 1, true, false, "", 0},
		{"16: empty", "\0\0", 2, true, true, "", 0},
		{"16: whole", "\0\3abc", 5, true, true, "abc", 0},
		{"16: more", "\0\2abc", 5, true, true, "ab", 1},
		{"16: one short", "\0\4abc", 5, true, false, "", 0},
		{"16: high byte counts", "\1\3abc", 5, true, false, "", 0},
		{"16: length alone", "\377\377", 2, true, false, "", 0},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		uint8_t *copy = exact(rows[i].bytes, rows[i].len);
		struct ma_span in = ma_span(copy, rows[i].len);
		struct ma_span out = {0};
		bool ok = rows[i].two ? ma_span_take_bytes16(&in, &out)
				      : ma_span_take_bytes8(&in, &out);

		ck_assert_msg(ok == rows[i].ok, "%s: got %d, want %d", rows[i].name, ok,
			      rows[i].ok);
		if (ok) {
			expect_text(out, rows[i].want, rows[i].name);
			ck_assert_msg(in.len == rows[i].left, "%s: %zu left, want %zu",
				      rows[i].name, in.len, rows[i].left);
		} else {
			expect_untouched(in, copy, rows[i].len, rows[i].name);
		}
		ma_free(copy);
	}
}
END_TEST

START_TEST(splits_at_the_first_byte)
{
	struct ma_span in = ma_span_text("a:b::");
	struct ma_span out;

	ck_assert(ma_span_take_until(&in, ':', &out));
	expect_text(out, "a", "first");
	ck_assert(ma_span_take_until(&in, ':', &out));
	expect_text(out, "b", "second");
	ck_assert(ma_span_take_until(&in, ':', &out));
	expect_text(out, "", "third");
	ck_assert_uint_eq(in.len, 0);
	ck_assert(!ma_span_take_until(&in, ':', &out));
	in = ma_span_text("none");
	ck_assert(!ma_span_take_until(&in, ':', &out));
	expect_text(in, "none", "without the byte");
	in = ma_span("a\0b", 3);
	ck_assert(ma_span_take_until(&in, '\0', &out));
	expect_text(out, "a", "at a NUL");
	expect_text(in, "b", "behind a NUL");
	in = ma_span(NULL, 0);
	ck_assert(!ma_span_take_until(&in, ':', &out));
}
END_TEST

START_TEST(splits_at_the_last_byte)
{
	static const struct {
		const char *in;
		bool ok;
		const char *before;
		const char *after;
	} rows[] = {
		{"", false, "", ""},	 {"ab", false, "", ""},	      {" ", true, "", ""},
		{"a b", true, "a", "b"}, {"a b c", true, "a b", "c"}, {"a ", true, "a", ""},
		{" a", true, "", "a"},	 {"a  b", true, "a ", "b"},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct ma_span before = {0};
		struct ma_span after = {0};
		bool ok = ma_span_split_last(ma_span_text(rows[i].in), ' ', &before, &after);

		ck_assert_msg(ok == rows[i].ok, "\"%s\": got %d, want %d", rows[i].in, ok,
			      rows[i].ok);
		if (!ok)
			continue;
		expect_text(before, rows[i].before, rows[i].in);
		expect_text(after, rows[i].after, rows[i].in);
	}
}
END_TEST

START_TEST(takes_words_between_separators)
{
	static const struct {
		const char *in;
		size_t len;
		const char *want; /* words, joined with | */
		size_t want_len;
	} rows[] = {
		{"", 0, "", 0},
		{" ", 1, "", 0},
		{" ,\t,", 4, "", 0},
		{"one", 3, "one", 3},
		{" one", 4, "one", 3},
		{"one ", 4, "one", 3},
		{"one two,three\tfour", 18, "one|two|three|four", 18},
		{",,one, two,,", 12, "one|two", 7},
		{"a\0b c", 5, "a\0b|c", 5}, /* NUL is no separator */
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct ma_span in = ma_span(rows[i].in, rows[i].len);
		struct ma_span word;
		char bytes[64];
		struct ma_buf got = ma_buf_fixed(bytes, sizeof(bytes));

		while (ma_span_take_word(&in, " ,\t", &word)) {
			ck_assert_uint_gt(word.len, 0);
			if (got.len > 0)
				ma_buf_put_u8(&got, '|');
			ma_buf_put(&got, word);
		}
		ck_assert_msg(
			ma_span_equal(ma_buf_span(&got), ma_span(rows[i].want, rows[i].want_len)),
			"\"%s\": got \"%s\", want \"%s\"", rows[i].in, ma_buf_text(&got),
			rows[i].want);
	}
}
END_TEST

static const struct {
	const char *name;
	const char *bytes;
	bool ok;
	uint32_t point;
} utf8_rows[] = {
	{"U+0001", "\x01", true, 1},
	{"U+007F", "\x7f", true, 0x7f},
	{"U+0080", "\xc2\x80", true, 0x80},
	{"U+07FF", "\xdf\xbf", true, 0x7ff},
	{"U+0800", "\xe0\xa0\x80", true, 0x800},
	{"U+D7FF", "\xed\x9f\xbf", true, 0xd7ff},
	{"U+E000", "\xee\x80\x80", true, 0xe000},
	{"U+FFFF", "\xef\xbf\xbf", true, 0xffff},
	{"U+10000", "\xf0\x90\x80\x80", true, 0x10000},
	{"U+10FFFF", "\xf4\x8f\xbf\xbf", true, 0x10ffff},
	{"tail alone", "\x80", false, 0},
	{"overlong NUL", "\xc0\x80", false, 0},
	{"overlong in two", "\xc1\xbf", false, 0},
	{"overlong in three", "\xe0\x9f\xbf", false, 0},
	{"overlong in four", "\xf0\x8f\xbf\xbf", false, 0},
	{"first surrogate", "\xed\xa0\x80", false, 0},
	{"last surrogate", "\xed\xbf\xbf", false, 0},
	{"U+110000", "\xf4\x90\x80\x80", false, 0},
	{"five bytes", "\xf8\x88\x80\x80\x80", false, 0},
	{"f5", "\xf5\x80\x80\x80", false, 0},
	{"ff", "\xff", false, 0},
	{"cut after one of two", "\xc3", false, 0},
	{"cut after two of three", "\xe2\x82", false, 0},
	{"cut after three of four", "\xf0\x9f\x98", false, 0},
	{"no tail", "\xc3(", false, 0},
	{"a first byte for a tail", "\xe2\x82\xe2", false, 0},
};

START_TEST(follows_rfc_3629)
{
	size_t len = strlen(utf8_rows[_i].bytes);
	uint8_t *copy = exact(utf8_rows[_i].bytes, len);
	struct ma_span in = ma_span(copy, len);
	uint32_t point = 0;
	bool ok;

	ck_assert_msg(ma_span_is_utf8(in) == utf8_rows[_i].ok, "%s: is_utf8: want %d",
		      utf8_rows[_i].name, utf8_rows[_i].ok);
	ok = ma_span_take_utf8(&in, &point);
	ck_assert_msg(ok == utf8_rows[_i].ok, "%s: got %d, want %d", utf8_rows[_i].name, ok,
		      utf8_rows[_i].ok);
	if (ok)
		ck_assert_uint_eq(in.len, 0);
	else
		expect_untouched(in, copy, len, utf8_rows[_i].name);
	ck_assert_msg(point == utf8_rows[_i].point, "%s: got %x, want %x", utf8_rows[_i].name,
		      point, utf8_rows[_i].point);
	ma_free(copy);
}
END_TEST

START_TEST(reads_utf8_to_the_end)
{
	struct ma_span in = ma_span("a\0\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 11);
	static const uint32_t want[] = {'a', 0, 0xe4, 0x20ac, 0x1f600};
	uint32_t point;

	ck_assert(ma_span_is_utf8(in));
	for (size_t i = 0; i < MA_ARRAY_SIZE(want); i++) {
		ck_assert(ma_span_take_utf8(&in, &point));
		ck_assert_uint_eq(point, want[i]);
	}
	ck_assert(!ma_span_take_utf8(&in, &point));
	ck_assert(ma_span_is_utf8(ma_span(NULL, 0)));
	ck_assert(!ma_span_is_utf8(ma_span_text("good then \xff")));
}
END_TEST

START_TEST(knows_control_characters)
{
	/* The first and the last of each range. */
	static const uint32_t controls[][2] = {{0, 0x1f},	 {0x7f, 0x9f},
					       {0x061c, 0x061c}, {0x200e, 0x200f},
					       {0x2028, 0x202e}, {0x2066, 0x2069}};

	for (size_t i = 0; i < MA_ARRAY_SIZE(controls); i++) {
		ck_assert(i == 0 || !ma_is_control(controls[i][0] - 1));
		ck_assert(ma_is_control(controls[i][0]));
		ck_assert(ma_is_control(controls[i][1]));
		ck_assert(!ma_is_control(controls[i][1] + 1));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("span");
	TCase *tcase = tcase_create("span");

	tcase_add_test(tcase, compares_bytes_and_lengths);
	tcase_add_test(tcase, takes_up_to_the_last_byte);
	tcase_add_test(tcase, takes_big_endian_numbers_and_refuses_short_ones);
	tcase_add_test(tcase, takes_bytes_behind_a_length);
	tcase_add_test(tcase, splits_at_the_first_byte);
	tcase_add_test(tcase, splits_at_the_last_byte);
	tcase_add_test(tcase, takes_words_between_separators);
	tcase_add_loop_test(tcase, follows_rfc_3629, 0, MA_ARRAY_SIZE(utf8_rows));
	tcase_add_test(tcase, reads_utf8_to_the_end);
	tcase_add_test(tcase, knows_control_characters);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
