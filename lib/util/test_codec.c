/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_codec.c - hexadecimal text and base64, and back
 *
 * base64: RFC 4648 section 4; its section 10 has the known answers.
 */
#include "util/codec.h"

#include "support.h"

static const struct {
	const char *text;
	size_t text_len;
	size_t len; /* bytes asked for */
	bool ok;
	uint8_t want[4];
} rows[] = {
	{"", 0, 0, true, {0}},
	{"00", 2, 1, true, {0}},
	{"ff", 2, 1, true, {0xff}},
	{"FF", 2, 1, true, {0xff}},
	{"aF09", 4, 2, true, {0xaf, 0x09}},
	{"0123abCD", 8, 4, true, {0x01, 0x23, 0xab, 0xcd}},
	{"", 0, 1, false, {0}},
	{"0", 1, 1, false, {0}},
	{"0", 1, 0, false, {0}},
	{"000", 3, 1, false, {0}},
	{"0000", 4, 1, false, {0}},
	{"00", 2, 2, false, {0}},
	{"0g", 2, 1, false, {0}},
	{"g0", 2, 1, false, {0}},
	{"G0", 2, 1, false, {0}},
	{"/0", 2, 1, false, {0}},
	{":0", 2, 1, false, {0}},
	{"@0", 2, 1, false, {0}},
	{"`0", 2, 1, false, {0}},
	{" 0", 2, 1, false, {0}},
	{"0x", 2, 1, false, {0}},
	{"-1", 2, 1, false, {0}},
	{"0\0", 2, 1, false, {0}},
	{"\0"
	 "0",
	 2,
	 1,
	 false,
	 {0}},
	{"\xb0\xb1", 2, 1, false, {0}},
};

START_TEST(decodes_exactly_what_was_asked_for)
{
	uint8_t out[5] = {0, 0, 0, 0, 0x55};
	bool ok = ma_hex_decode(ma_span(rows[_i].text, rows[_i].text_len), out, rows[_i].len);

	ck_assert_msg(ok == rows[_i].ok, "\"%s\" for %zu bytes: got %d, want %d", rows[_i].text,
		      rows[_i].len, ok, rows[_i].ok);
	if (ok)
		ck_assert_mem_eq(out, rows[_i].want, 4);
	ck_assert_uint_eq(out[4], 0x55);
}
END_TEST

START_TEST(encodes_in_lower_case)
{
	static const uint8_t bytes[] = {0x00, 0x01, 0x9a, 0xbc, 0xff};
	char text[16];
	struct ma_buf out = ma_buf_fixed(text, sizeof(text));

	ma_hex_encode(ma_span(bytes, sizeof(bytes)), &out);
	ck_assert_str_eq(ma_buf_text(&out), "00019abcff");
	ma_hex_encode(ma_span(NULL, 0), &out);
	ck_assert_uint_eq(out.len, 10);
	ma_hex_encode(ma_span(bytes, sizeof(bytes)), &out);
	ck_assert_int_eq(ma_buf_status(&out), MAILAUTH_E_LIMIT);
}
END_TEST

START_TEST(decodes_every_byte_it_encoded)
{
	for (unsigned int i = 0; i <= UINT8_MAX; i++) {
		uint8_t byte = (uint8_t)i;
		uint8_t got = (uint8_t)~i;
		char text[2];
		struct ma_buf out = ma_buf_fixed(text, sizeof(text));

		ma_hex_encode(ma_span(&byte, 1), &out);
		ck_assert(ma_hex_decode(ma_buf_span(&out), &got, 1));
		ck_assert_uint_eq(got, i);
	}
}
END_TEST

static const struct {
	const char *bytes;
	const char *text;
} known[] = {
	/* RFC 4648 section 10 */
	{"", ""},
	{"f", "Zg=="},
	{"fo", "Zm8="},
	{"foo", "Zm9v"},
	{"foob", "Zm9vYg=="},
	{"fooba", "Zm9vYmE="},
	{"foobar", "Zm9vYmFy"},
	/* RFC 4648 section 4: the last two digits */
	{"\xfb\xef\xbe", "++++"},
	{"\xff\xff\xff", "////"},
};

START_TEST(base64_gives_the_known_answers)
{
	char text[16];
	uint8_t bytes[16];
	struct ma_buf encoded = ma_buf_fixed(text, sizeof(text));
	struct ma_buf decoded = ma_buf_fixed(bytes, sizeof(bytes));

	ma_base64_encode(ma_span_text(known[_i].bytes), &encoded);
	ck_assert_str_eq(ma_buf_text(&encoded), known[_i].text);
	ck_assert_msg(ma_base64_decode(ma_span_text(known[_i].text), &decoded), "\"%s\" is refused",
		      known[_i].text);
	ck_assert_str_eq(ma_buf_text(&decoded), known[_i].bytes);
}
END_TEST

static const struct {
	const char *name;
	const char *text;
	size_t len;
} no_base64[] = {
	/* RFC 4648 section 3.2: padding belongs to it */
	{"one digit", "Z", 1},
	{"two digits, no padding", "Zg", 2},
	{"two digits, half the padding", "Zg=", 3},
	{"three digits, no padding", "Zm8", 3},
	{"three digits behind a group", "Zm9vYmE", 7},
	{"padding alone", "====", 4},
	{"padding twice alone", "==", 2},
	{"one digit and padding", "Z===", 4},
	{"one digit that is zero and padding", "A===", 4},
	{"too much padding", "Zg===", 5},
	{"a group of padding behind", "Zg======", 8},
	{"padding behind a whole group", "Zm9v====", 8},
	{"padding in the middle", "Zg==Zg==", 8},
	{"one sign of padding in the middle", "Zm8=Zm9v", 8},
	{"a digit behind the padding", "Zm=v", 4},
	{"padding first", "=Zm9", 4},
	/* RFC 4648 section 3.5: there is one text only */
	{"a bit behind one byte", "Zh==", 4},
	{"the highest bit behind one byte", "Zo==", 4},
	{"all bits behind one byte", "Zv==", 4},
	{"a bit behind two bytes", "Zm9=", 4},
	{"both bits behind two bytes", "Zm/=", 4},
	{"a bit behind the last group", "Zm9vYh==", 8},
	/* RFC 4648 section 3.3 */
	{"space before", " Zm9v", 5},
	{"space for a digit", "Zm9 ", 4},
	{"space inside", "Zm 9v", 5},
	{"line feed behind", "Zm9v\n", 5},
	{"four line feeds behind", "Zm9v\n\n\n\n", 8},
	{"line end between groups", "Zm9v\r\nZm9v", 10},
	{"tab", "Zm9\t", 4},
	{"NUL for a digit", "Zm9\0", 4},
	{"NUL first", "\0m9v", 4},
	{"NULs behind", "Zm9v\0\0\0\0", 8},
	{"digits of base64url", "-_-_", 4},
	{"a comma", "Zm9,", 4},
	{"UTF-8", "Zm\xc3\xa4", 4},
};

START_TEST(base64_refuses_all_but_the_canonical_text)
{
	uint8_t bytes[16];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));

	ck_assert_msg(!ma_base64_decode(ma_span(no_base64[_i].text, no_base64[_i].len), &out),
		      "%s: accepted", no_base64[_i].name);
}
END_TEST

/* RFC 4648 section 3.3: in each place of a group */
START_TEST(base64_refuses_each_foreign_character)
{
	for (unsigned int c = 0; c <= UINT8_MAX; c++) {
		bool is_digit = c != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv"
						 "wxyz0123456789+/",
						 (int)c) != NULL;

		for (size_t i = 0; i < 8; i++) {
			char text[] = "Zm9vYmFy";
			uint8_t bytes[8];
			struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));
			bool got;

			text[i] = (char)c;
			got = ma_base64_decode(ma_span(text, 8), &out);
			/* "YmF=", too: it leaves a bit over */
			ck_assert_msg(got == is_digit, "0x%02x at %zu: got %d, want %d", c, i, got,
				      is_digit);
		}
	}
}
END_TEST

/* Every length, from and into blocks of exactly the size. */
START_TEST(base64_comes_back_at_every_length)
{
	uint8_t bytes[64];
	uint8_t back[64];
	char text[88];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 167 + 13);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		size_t text_len = (len + 2) / 3 * 4;
		struct ma_buf encoded = ma_buf_fixed(text, text_len);
		struct ma_buf decoded = ma_buf_fixed(back, len);

		ma_base64_encode(ma_span(bytes, len), &encoded);
		ck_assert_int_eq(ma_buf_status(&encoded), MAILAUTH_OK);
		ck_assert_msg(encoded.len == text_len, "%zu bytes: got %zu digits, want %zu", len,
			      encoded.len, text_len);
		ck_assert_msg(ma_base64_decode(ma_buf_span(&encoded), &decoded),
			      "%zu bytes: refused", len);
		ck_assert_msg(ma_span_equal(ma_buf_span(&decoded), ma_span(bytes, len)),
			      "%zu bytes: other bytes came back", len);
		/* no room for the last one */
		if (len == 0)
			continue;
		encoded = ma_buf_fixed(text, text_len - 1);
		ma_base64_encode(ma_span(bytes, len), &encoded);
		ck_assert_int_eq(ma_buf_status(&encoded), MAILAUTH_E_LIMIT);
		encoded = ma_buf_fixed(text, text_len);
		ma_base64_encode(ma_span(bytes, len), &encoded);
		decoded = ma_buf_fixed(back, len - 1);
		ck_assert_msg(!ma_base64_decode(ma_buf_span(&encoded), &decoded),
			      "%zu bytes into %zu", len, len - 1);
	}
}
END_TEST

/* RFC 4648 section 3.2, with more digits behind the end */
START_TEST(base64_stops_where_the_text_ends)
{
	static const char text[] = "Zm9vYmFyZm9v";

	for (size_t len = 0; len < sizeof(text); len++) {
		uint8_t bytes[16];
		struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));
		bool got = ma_base64_decode(ma_span(text, len), &out);

		ck_assert_msg(got == (len % 4 == 0), "%zu digits: got %d", len, got);
		ck_assert_uint_le(out.len, len / 4 * 3);
	}
}
END_TEST

START_TEST(base64_appends)
{
	char text[16];
	struct ma_buf out = ma_buf_fixed(text, sizeof(text));

	ma_buf_put_text(&out, "s=");
	ma_base64_encode(ma_span_text("foo"), &out);
	ck_assert_str_eq(ma_buf_text(&out), "s=Zm9v");
	ma_buf_reset(&out);
	ma_buf_put_text(&out, "x");
	ck_assert(ma_base64_decode(ma_span_text("Zm9v"), &out));
	ck_assert_str_eq(ma_buf_text(&out), "xfoo");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("codec");
	TCase *tcase = tcase_create("codec");

	tcase_add_loop_test(tcase, decodes_exactly_what_was_asked_for, 0, MA_ARRAY_SIZE(rows));
	tcase_add_test(tcase, encodes_in_lower_case);
	tcase_add_test(tcase, decodes_every_byte_it_encoded);
	tcase_add_loop_test(tcase, base64_gives_the_known_answers, 0, MA_ARRAY_SIZE(known));
	tcase_add_loop_test(tcase, base64_refuses_all_but_the_canonical_text, 0,
			    MA_ARRAY_SIZE(no_base64));
	tcase_add_test(tcase, base64_refuses_each_foreign_character);
	tcase_add_test(tcase, base64_comes_back_at_every_length);
	tcase_add_test(tcase, base64_stops_where_the_text_ends);
	tcase_add_test(tcase, base64_appends);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
