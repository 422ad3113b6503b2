/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_buf.c - the output buffer: its cap, its sticky failure, its wiping
 */
#include "util/buf.h"

#include "support.h"
#include "util/mem.h"

static void expect_bytes(const struct ma_buf *buf, const void *want, size_t len)
{
	ck_assert_uint_eq(buf->len, len);
	if (len > 0)
		ck_assert_mem_eq(buf->p, want, len);
}

static bool always_fail(void)
{
	return true;
}

START_TEST(writes_big_endian_numbers_and_lengths)
{
	uint8_t bytes[64];
	struct ma_buf buf = ma_buf_fixed(bytes, sizeof(bytes));
	static const uint8_t want[] = {0xf1, 0xf1, 2, 0xf1, 2,	 3,   4, 0xf1, 2,   3, 4, 5,
				       6,    7,	   8, 2,    'a', 'b', 0, 1,    'c', 0, 0, 0};

	ma_buf_put_u8(&buf, 0xf1);
	ma_buf_put_u16(&buf, 0xf102);
	ma_buf_put_u32(&buf, 0xf1020304);
	ma_buf_put_u64(&buf, 0xf102030405060708);
	ma_buf_put_bytes8(&buf, ma_span_text("ab"));
	ma_buf_put_bytes16(&buf, ma_span_text("c"));
	ma_buf_put_bytes8(&buf, ma_span(NULL, 0));
	ma_buf_put_bytes16(&buf, ma_span(NULL, 0));
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_OK);
	expect_bytes(&buf, want, sizeof(want));
	ck_assert(ma_span_equal(ma_buf_span(&buf), ma_span(want, sizeof(want))));
}
END_TEST

/* The cap is the same for a buffer that is fixed and for one that grows to it. */
START_TEST(fills_to_its_cap_and_no_further)
{
	uint8_t bytes[101] = {0};
	struct ma_buf buf = _i == 0 ? ma_buf_fixed(bytes, 100) : ma_buf(100);

	for (int i = 0; i < 100; i++)
		ma_buf_put_u8(&buf, (uint8_t)i);
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_OK);
	ma_buf_put(&buf, ma_span(NULL, 0)); /* nothing always fits */
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_OK);
	ma_buf_put_u8(&buf, 100);
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_E_LIMIT);
	ck_assert_uint_eq(buf.len, 100);
	for (unsigned int i = 0; i < 100; i++)
		ck_assert_uint_eq(buf.p[i], i);
	ck_assert_uint_eq(bytes[100], 0);
	ck_assert_ptr_null(ma_buf_reserve(&buf, SIZE_MAX));
	ma_buf_clear(&buf);
}
END_TEST

START_TEST(keeps_its_first_failure)
{
	struct ma_buf buf = ma_buf(8);

	ma_buf_put_text(&buf, "12345");
	ma_buf_put_text(&buf, "6789");
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_E_LIMIT);
	ma_buf_put_u8(&buf, '6'); /* would fit */
	expect_bytes(&buf, "12345", 5);
	ma_mem_set_fail(always_fail);
	ck_assert_ptr_null(ma_buf_reserve(&buf, 1));
	ma_mem_set_fail(NULL);
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_E_LIMIT);
	ck_assert_str_eq(ma_buf_text(&buf), "");
	ma_buf_reset(&buf);
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_OK);
	ma_buf_put_text(&buf, "12345678");
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_OK);
	expect_bytes(&buf, "12345678", 8);
	ma_buf_clear(&buf);
	ma_buf_clear(&buf);
	ck_assert_ptr_null(buf.p);
}
END_TEST

START_TEST(reports_lack_of_memory_and_keeps_what_it_has)
{
	struct ma_buf buf = ma_buf(1000);
	uint8_t more[100] = {0};

	ma_buf_put_text(&buf, "first");
	ma_mem_set_fail(always_fail);
	ma_buf_put(&buf, ma_span(more, sizeof(more)));
	ma_mem_set_fail(NULL);
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_E_NOMEM);
	expect_bytes(&buf, "first", 5);
	ma_buf_clear(&buf);
}
END_TEST

START_TEST(refuses_bytes_longer_than_their_length_field)
{
	static uint8_t bytes[UINT16_MAX + 1];
	static const struct {
		size_t len;
		bool two;
		enum mailauth_status want;
	} rows[] = {
		{UINT8_MAX, false, MAILAUTH_OK},
		{UINT8_MAX + 1, false, MAILAUTH_E_LIMIT},
		{UINT16_MAX, true, MAILAUTH_OK},
		{UINT16_MAX + 1, true, MAILAUTH_E_LIMIT},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct ma_buf buf = ma_buf(100000);

		if (rows[i].two)
			ma_buf_put_bytes16(&buf, ma_span(bytes, rows[i].len));
		else
			ma_buf_put_bytes8(&buf, ma_span(bytes, rows[i].len));
		ck_assert_msg(ma_buf_status(&buf) == rows[i].want, "%zu bytes: got %d, want %d",
			      rows[i].len, ma_buf_status(&buf), rows[i].want);
		if (rows[i].want != MAILAUTH_OK)
			ck_assert_uint_eq(buf.len, 0);
		ma_buf_clear(&buf);
	}
}
END_TEST

START_TEST(wipes_what_it_held)
{
	uint8_t bytes[32];
	struct ma_buf buf = ma_buf_fixed(bytes, sizeof(bytes));

	ma_buf_put_text(&buf, "a secret");
	ma_buf_reset(&buf);
	for (size_t i = 0; i < 8; i++)
		ck_assert_msg(bytes[i] == 0, "reset: byte %zu is %02x", i, bytes[i]);
	ma_buf_put_text(&buf, "a secret");
	ma_buf_clear(&buf);
	for (size_t i = 0; i < 8; i++)
		ck_assert_msg(bytes[i] == 0, "clear: byte %zu is %02x", i, bytes[i]);
	ck_assert_uint_eq(buf.len, 0);
}
END_TEST

START_TEST(keeps_its_content_while_it_grows)
{
	struct ma_buf buf = ma_buf(1 << 16);

	for (unsigned int i = 0; i < 1 << 15; i++)
		ma_buf_put_u16(&buf, (uint16_t)i);
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_OK);
	ck_assert_uint_eq(buf.len, 1 << 16);
	for (unsigned int i = 0; i < 1 << 15; i++)
		ck_assert_uint_eq((unsigned int)(buf.p[2 * i] << 8 | buf.p[2 * i + 1]), i);
	ma_buf_clear(&buf);
}
END_TEST

START_TEST(gives_text_with_a_terminator_that_does_not_count)
{
	char bytes[6];
	struct ma_buf buf = ma_buf_fixed(bytes, sizeof(bytes));

	ck_assert_str_eq(ma_buf_text(&buf), "");
	ma_buf_put_text(&buf, "12345");
	ck_assert_str_eq(ma_buf_text(&buf), "12345");
	ck_assert_uint_eq(buf.len, 5);
	ma_buf_put_text(&buf, "6");
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_OK);
	ck_assert_str_eq(ma_buf_text(&buf), ""); /* no room for the terminator */
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_E_LIMIT);
}
END_TEST

START_TEST(formats_up_to_1023_bytes)
{
	struct ma_buf buf = ma_buf(4096);

	ma_buf_printf(&buf, "%d-%s", -7, "x");
	expect_bytes(&buf, "-7-x", 4);
	ma_buf_printf(&buf, "%1023d", 1);
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_OK);
	ck_assert_uint_eq(buf.len, 4 + 1023);
	ma_buf_printf(&buf, "%1024d", 1);
	ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_E_LIMIT);
	ck_assert_uint_eq(buf.len, 4 + 1023);
	ma_buf_clear(&buf);
}
END_TEST

START_TEST(escapes_all_but_plain_ascii)
{
	static const struct {
		const char *in;
		size_t len;
		const char *want;
	} rows[] = {
		{"", 0, ""},
		{"alice@example.org", 17, "alice@example.org"},
		{"a b", 3, "a\\x20b"},
		{"a\"b\\c", 5, "a\\x22b\\x5cc"},
		{"a\nresult=ok", 11, "a\\x0aresult=ok"},
		{"\0\x1f\x7f\x80\xff", 5, "\\x00\\x1f\\x7f\\x80\\xff"},
		{"!~", 2, "!~"},
		{"\xc3\xa4", 2, "\\xc3\\xa4"},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		char bytes[64];
		struct ma_buf buf = ma_buf_fixed(bytes, sizeof(bytes));
		const char *got;

		ma_buf_put_escaped(&buf, ma_span(rows[i].in, rows[i].len));
		got = ma_buf_text(&buf);
		ck_assert_msg(strcmp(got, rows[i].want) == 0, "row %zu: got %s, want %s", i, got,
			      rows[i].want);
	}
}
END_TEST

START_TEST(decimals_are_as_printf_writes_them)
{
	static const struct {
		uint64_t value;
		const char *text;
	} rows[] = {
		{0, "0"},
		{9, "9"},
		{10, "10"},
		{1700000000, "1700000000"},
		{UINT64_MAX, "18446744073709551615"},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		char bytes[20];
		struct ma_buf buf = ma_buf_fixed(bytes, strlen(rows[i].text));

		ma_buf_put_decimal(&buf, rows[i].value);
		ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_OK);
		ck_assert(ma_span_equal(ma_buf_span(&buf), ma_span_text(rows[i].text)));
		buf = ma_buf_fixed(bytes, strlen(rows[i].text) - 1);
		ma_buf_put_decimal(&buf, rows[i].value);
		ck_assert_int_eq(ma_buf_status(&buf), MAILAUTH_E_LIMIT);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("buf");
	TCase *tcase = tcase_create("buf");

	tcase_add_test(tcase, writes_big_endian_numbers_and_lengths);
	tcase_add_loop_test(tcase, fills_to_its_cap_and_no_further, 0, 2);
	tcase_add_test(tcase, keeps_its_first_failure);
	tcase_add_test(tcase, reports_lack_of_memory_and_keeps_what_it_has);
	tcase_add_test(tcase, refuses_bytes_longer_than_their_length_field);
	tcase_add_test(tcase, wipes_what_it_held);
	tcase_add_test(tcase, keeps_its_content_while_it_grows);
	tcase_add_test(tcase, gives_text_with_a_terminator_that_does_not_count);
	tcase_add_test(tcase, formats_up_to_1023_bytes);
	tcase_add_test(tcase, escapes_all_but_plain_ascii);
	tcase_add_test(tcase, decimals_are_as_printf_writes_them);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
