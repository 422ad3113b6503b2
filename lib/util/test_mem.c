/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mem.c - allocate, wipe, compare
 */
#include "util/mem.h"

#include <errno.h>

#include "support.h"

static unsigned int n_asked;
static bool answer;

static bool count(void)
{
	n_asked++;
	return answer;
}

START_TEST(allocates_zeroed_memory)
{
	uint8_t *p = ma_alloc(1000);

	ck_assert_ptr_nonnull(p);
	for (size_t i = 0; i < 1000; i++)
		ck_assert_uint_eq(p[i], 0);
	ma_free(p);
	ma_free(NULL);
}
END_TEST

START_TEST(moves_bytes_into_a_larger_block)
{
	char *p = ma_text_copy(ma_span_text("12345"));
	char *bigger;

	ck_assert_ptr_nonnull(p);
	bigger = ma_realloc_wipe(p, 5, 100);
	ck_assert_ptr_nonnull(bigger);
	ck_assert_mem_eq(bigger, "12345", 5);
	for (size_t i = 5; i < 100; i++)
		ck_assert_int_eq(bigger[i], 0);
	ma_free(bigger);
	bigger = ma_realloc_wipe(NULL, 0, 8);
	ck_assert_ptr_nonnull(bigger);
	ma_free(bigger);
}
END_TEST

START_TEST(keeps_the_old_block_when_a_larger_one_is_not_to_be_had)
{
	char *p = ma_text_copy(ma_span_text("12345"));

	ck_assert_ptr_nonnull(p);
	answer = true;
	ma_mem_set_fail(count);
	ck_assert_ptr_null(ma_realloc_wipe(p, 5, 100));
	ma_mem_set_fail(NULL);
	ck_assert_str_eq(p, "12345");
	ma_free(p);
}
END_TEST

START_TEST(copies_text_with_a_terminator)
{
	static const struct {
		const char *p;
		size_t len;
	} rows[] = {{"", 0}, {"a", 1}, {"abc", 2}, {"a\0b", 3}};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		MA_CLEANUP(ma_cleanup_text)
		char *copy = ma_text_copy(ma_span(rows[i].p, rows[i].len));

		ck_assert_ptr_nonnull(copy);
		ck_assert_mem_eq(copy, rows[i].p, rows[i].len);
		ck_assert_int_eq(copy[rows[i].len], '\0');
	}
	/* One more than the length would be zero. */
	ck_assert_ptr_null(ma_text_copy(ma_span("", SIZE_MAX)));
}
END_TEST

START_TEST(asks_the_test_before_each_allocation)
{
	char *p;

	n_asked = 0;
	answer = false;
	ma_mem_set_fail(count);
	p = ma_alloc(1);
	ck_assert_ptr_nonnull(p);
	ma_free(p);
	p = ma_text_copy(ma_span_text("x"));
	ck_assert_ptr_nonnull(p);
	p = ma_realloc_wipe(p, 1, 2);
	ck_assert_ptr_nonnull(p);
	ma_free(p);
	ck_assert_uint_eq(n_asked, 3);
	answer = true;
	ck_assert_ptr_null(ma_alloc(1));
	ck_assert_ptr_null(ma_text_copy(ma_span_text("x")));
	ma_mem_set_fail(NULL);
	ck_assert_uint_eq(n_asked, 5);
}
END_TEST

START_TEST(frees_without_touching_errno)
{
	errno = EXDEV;
	ma_free(ma_alloc(1 << 20)); /* large enough to be unmapped */
	ck_assert_int_eq(errno, EXDEV);
}
END_TEST

START_TEST(wipes_what_it_is_told_to)
{
	uint8_t bytes[8];

	memset(bytes, 0xaa, sizeof(bytes));
	ma_wipe(bytes + 1, 6);
	ck_assert_uint_eq(bytes[0], 0xaa);
	for (size_t i = 1; i < 7; i++)
		ck_assert_uint_eq(bytes[i], 0);
	ck_assert_uint_eq(bytes[7], 0xaa);
	ma_wipe(bytes, 0);
	ck_assert_uint_eq(bytes[0], 0xaa);
	ma_wipe(NULL, 0);
}
END_TEST

START_TEST(compares_secrets)
{
	static const struct {
		const char *a;
		size_t a_len;
		const char *b;
		size_t b_len;
		bool want;
	} rows[] = {
		{"", 0, "", 0, true},
		{"a", 1, "a", 1, true},
		{"a", 1, "b", 1, false},
		{"a", 1, "", 0, false},
		{"", 0, "a", 1, false},
		{"abc", 3, "ab", 2, false},
		{"a\0b", 3, "a\0c", 3, false},
		{"a\0b", 3, "a\0b", 3, true},
		{"xaaaaaaaaaaaaaaa", 16, "yaaaaaaaaaaaaaaa", 16, false},
		{"aaaaaaaaaaaaaaax", 16, "aaaaaaaaaaaaaaay", 16, false},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++)
		ck_assert_msg(ma_equal_ct(ma_span(rows[i].a, rows[i].a_len),
					  ma_span(rows[i].b, rows[i].b_len)) == rows[i].want,
			      "row %zu: want %d", i, rows[i].want);
	ck_assert(ma_equal_ct(ma_span(NULL, 0), ma_span("", 0)));
}
END_TEST

START_TEST(clears_a_text_twice)
{
	char *text = ma_text_copy(ma_span_text("x"));

	ma_cleanup_text(&text);
	ck_assert_ptr_null(text);
	ma_cleanup_text(&text);
	ck_assert_ptr_null(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mem");
	TCase *tcase = tcase_create("mem");

	tcase_add_test(tcase, allocates_zeroed_memory);
	tcase_add_test(tcase, moves_bytes_into_a_larger_block);
	tcase_add_test(tcase, keeps_the_old_block_when_a_larger_one_is_not_to_be_had);
	tcase_add_test(tcase, copies_text_with_a_terminator);
	tcase_add_test(tcase, asks_the_test_before_each_allocation);
	tcase_add_test(tcase, frees_without_touching_errno);
	tcase_add_test(tcase, wipes_what_it_is_told_to);
	tcase_add_test(tcase, compares_secrets);
	tcase_add_test(tcase, clears_a_text_twice);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
