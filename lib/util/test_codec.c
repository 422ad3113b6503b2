/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_codec.c - hexadecimal text and back
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

int main(void)
{
	Suite *suite = suite_create("codec");
	TCase *tcase = tcase_create("codec");

	tcase_add_loop_test(tcase, decodes_exactly_what_was_asked_for, 0, MA_ARRAY_SIZE(rows));
	tcase_add_test(tcase, encodes_in_lower_case);
	tcase_add_test(tcase, decodes_every_byte_it_encoded);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
