/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_lmdb_check_page.c - headers and pages made here byte by byte, and what is wrong with them
 *
 * test_lmdb_check.c damages what LMDB itself has written.
 */
#include "store/lmdb_check_page.h"

#include <stdio.h>

#include "support.h"
#include "util/mem.h"

#define PAGE	  4096
#define BRANCH	  0x01
#define LEAF	  0x02
#define OVERFLOW  0x04
#define ELSEWHERE 1

static void expect(const char *name, const char *got, const char *want)
{
	ck_assert_msg((got == NULL) == (want == NULL) && (got == NULL || strcmp(got, want) == 0),
		      "%s: got \"%s\", want \"%s\"", name, got != NULL ? got : "",
		      want != NULL ? want : "");
}

/* ---- headers ---- */

static struct ma_lmdb_header sound_header(void)
{
	return (struct ma_lmdb_header){
		.head = {.number = 1, .flags = 0x08},
		.magic = 0xBEEFC0DEU,
		.version = 1,
		.map_size = 1 << 20,
		.free = {.page_size = PAGE, .flags = 0x4008, .depth = 1, .root = 5},
		.records = {.depth = 32, .root = 2},
		.last_page = 9,
		.txn_id = 7,
	};
}

START_TEST(knows_what_a_header_can_say)
{
	static const char none[] = "is no header of an LMDB file";
	static const char pages[] = "counts more pages than there can be";
	static const char size[] = "has an impossible page size";
	static const char flags[] = "has flags that a store never has";
	struct ma_lmdb_header header;

#define EXPECT(change, want)                                                                       \
	do {                                                                                       \
		header = sound_header();                                                           \
		change;                                                                            \
		expect(#change, ma_lmdb_header_fault(&header, 1), want);                           \
	} while (0)
	EXPECT((void)0, NULL);
	EXPECT(header.head.number = 0, none);
	EXPECT(header.head.flags = 0x07, none);
	EXPECT(header.magic ^= 1, none);
	EXPECT(header.version = 2, "has the version of another LMDB");
	EXPECT(header.free.page_size = 0, size);
	EXPECT(header.free.page_size = 256, size);
	EXPECT(header.free.page_size = 512, NULL);
	EXPECT(header.free.page_size = 4098, size);
	EXPECT(header.free.page_size = 32768, NULL);
	EXPECT(header.free.page_size = 65536, size);
	EXPECT(header.map_size = 1ULL << 47, NULL);
	EXPECT(header.map_size = (1ULL << 47) + 1, pages);
	EXPECT(header.last_page = 0, pages);
	EXPECT(header.last_page = 1, NULL);
	EXPECT(header.last_page = (1 << 20) / PAGE - 1, NULL);
	EXPECT(header.last_page = (1 << 20) / PAGE, pages);
	EXPECT(header.free.flags = 8, NULL);
	EXPECT(header.free.flags = 0x4000, flags);
	EXPECT(header.free.flags = 0xc, flags);
	EXPECT(header.records.flags = 8, flags);
	EXPECT(header.txn_id = 8, "has the number of another commit");
	EXPECT(header.txn_id = 0, NULL); /* a store without a commit */
#undef EXPECT
}
END_TEST

START_TEST(knows_headers_that_do_not_go_together)
{
	static const char what[] = "does not belong to the header on page 0";
	struct ma_lmdb_header headers[2] = {sound_header(), sound_header()};

	headers[0].txn_id = 6;
	expect("older first", ma_lmdb_headers_fault(headers), NULL);
	headers[0].txn_id = 8;
	expect("newer first", ma_lmdb_headers_fault(headers), NULL);
	headers[0].txn_id = 10;
	expect("much newer", ma_lmdb_headers_fault(headers), what);
	headers[0].txn_id = 4;
	expect("much older", ma_lmdb_headers_fault(headers), what);
	headers[0].txn_id = 6;
	headers[0].free.page_size = 2 * PAGE;
	expect("page size", ma_lmdb_headers_fault(headers), what);
}
END_TEST

START_TEST(knows_where_a_tree_can_begin)
{
	static const char depth[] = "gives a tree an impossible depth";
	static const char root[] = "gives a tree a root that is no page";
	struct ma_lmdb_header header;

#define EXPECT(change, want)                                                                       \
	do {                                                                                       \
		header = sound_header();                                                           \
		change;                                                                            \
		expect(#change, ma_lmdb_roots_fault(&header), want);                               \
	} while (0)
	EXPECT((void)0, NULL);
	EXPECT(header.free.depth = 33, depth);
	EXPECT(header.records.depth = 33, depth);
	EXPECT(header.records.depth = 0, depth);
	EXPECT(header.records.root = MA_LMDB_NO_PAGE, depth);
	EXPECT((header.records.root = MA_LMDB_NO_PAGE, header.records.depth = 0), NULL);
	EXPECT(header.records.root = 1, root);
	EXPECT(header.records.root = 9, NULL);
	EXPECT(header.records.root = 10, root);
	EXPECT(header.free.root = 10, root);
#undef EXPECT
}
END_TEST

/* ---- pages ---- */

/* Allocated with no byte behind it, so that a sanitizer sees what is read there. */
struct made {
	struct ma_lmdb_page page;
	struct ma_lmdb_bounds bounds;
	uint8_t *bytes;
	uint16_t lower;
	uint16_t upper;
};

static void put_u16(struct made *made, size_t at, size_t number)
{
	uint16_t word = (uint16_t)number;

	memcpy(made->bytes + at, &word, sizeof(word));
}

static void put_head(struct made *made)
{
	struct ma_lmdb_page_head head = {.number = made->page.number,
					 .flags = made->page.is_branch ? BRANCH : LEAF,
					 .lower = made->lower,
					 .upper = made->upper};

	memcpy(made->bytes, &head, sizeof(head));
}

static void make(struct made *made, size_t size, bool is_branch, bool is_free)
{
	*made = (struct made){.bytes = ma_alloc(size), .lower = 16, .upper = (uint16_t)size};
	ck_assert_ptr_nonnull(made->bytes);
	made->page = (struct ma_lmdb_page){.bytes = made->bytes,
					   .size = size,
					   .number = 12,
					   .is_branch = is_branch,
					   .is_free = is_free};
	put_head(made);
}

static void clear(struct made *made)
{
	ma_free(made->bytes);
	made->bytes = NULL;
}

/* A node with @len bytes behind its key, which begins with @key. Returns where it is. */
static size_t add(struct made *made, uint32_t size, uint16_t flags, struct ma_span key, size_t len)
{
	size_t at = made->upper - (8 + key.len + len + 1) / 2 * 2;

	put_u16(made, at, size & 0xffff);
	put_u16(made, at + 2, size >> 16);
	put_u16(made, at + 4, flags);
	put_u16(made, at + 6, key.len);
	if (key.len > 0)
		memcpy(made->bytes + at + 8, key.p, key.len);
	put_u16(made, made->lower, at);
	made->lower = (uint16_t)(made->lower + 2);
	made->upper = (uint16_t)at;
	put_head(made);
	return at;
}

static size_t add_record(struct made *made, const char *key, uint32_t size)
{
	return add(made, size, 0, ma_span_text(key), size);
}

/* The numbers of words as on a machine where the low one stands first, or last. */
static size_t add_child(struct made *made, const char *key, uint32_t child)
{
	return add(made, child, 0, ma_span_text(key), 0);
}

static void make_leaf(struct made *made)
{
	make(made, PAGE, false, false);
	(void)add_record(made, "bb", 10);
	(void)add_record(made, "cc", 11);
	(void)add_record(made, "dd", 12);
}

static void make_branch(struct made *made)
{
	make(made, PAGE, true, false);
	(void)add_child(made, "", 20);
	(void)add_child(made, "mm", 21);
	(void)add_child(made, "tt", 22);
}

static const char *fault_of(const struct made *made)
{
	return ma_lmdb_page_fault(&made->page, &made->bounds);
}

#define DOES_NOT_FIT "has a record that does not fit in"
#define OVERLAP	     "has records that overlap"
#define NO_ORDER     "has its keys in the wrong order"
#define SIZES	     "has impossible sizes"
#define NO_KEY	     "has a key of an impossible length"

/* Two bytes of a sound page with another number in them. */
static void expect_changed(void (*maker)(struct made *), size_t at, size_t number, const char *want)
{
	struct made made;
	char name[64];

	maker(&made);
	expect("sound", fault_of(&made), NULL);
	put_u16(&made, at, number);
	(void)snprintf(name, sizeof(name), "bytes %zu and %zu: %zu", at, at + 1, number);
	expect(name, fault_of(&made), want);
	clear(&made);
}

START_TEST(knows_each_number_of_a_head)
{
	expect_changed(make_leaf, 0, 13, "says that it is another one");
	expect_changed(make_leaf, 10, BRANCH, "is of the wrong kind");
	expect_changed(make_leaf, 10, LEAF | 0x10, "is of the wrong kind");
	expect_changed(make_branch, 10, LEAF, "is of the wrong kind");
	expect_changed(make_leaf, 8, 0xffff, NULL); /* not used */
	expect_changed(make_leaf, 12, 23, SIZES);
	expect_changed(make_leaf, 12, 16, SIZES);
	expect_changed(make_leaf, 12, 0, SIZES);
	expect_changed(make_leaf, 12, PAGE, SIZES);
	expect_changed(make_leaf, 14, 20, SIZES);
	expect_changed(make_leaf, 14, PAGE, DOES_NOT_FIT);
	expect_changed(make_leaf, 14, PAGE + 2, SIZES);
	expect_changed(make_leaf, 14, 65534, SIZES);
	expect_changed(make_branch, 12, 18, "has a single branch");
	/* fewer records than there are bytes for; more */
	expect_changed(make_leaf, 12, 20, OVERLAP);
	expect_changed(make_leaf, 12, 24, DOES_NOT_FIT);
	expect_changed(make_leaf, 14, 4000, OVERLAP);
	expect_changed(make_leaf, 14, 4001, OVERLAP);
}
END_TEST

START_TEST(knows_a_node_that_does_not_fit)
{
	struct made made;
	size_t second;

	make_leaf(&made);
	second = made.upper + 8 + 2 + 12;
	clear(&made);
	expect_changed(make_leaf, 16, PAGE - 6, DOES_NOT_FIT);
	expect_changed(make_leaf, 16, PAGE - 8, OVERLAP);
	expect_changed(make_leaf, 16, 65534, DOES_NOT_FIT);
	expect_changed(make_leaf, 16, second + 1, DOES_NOT_FIT);
	expect_changed(make_leaf, 16, 24, DOES_NOT_FIT);
	/* sizes of the value and the key */
	expect_changed(make_leaf, second, 50, DOES_NOT_FIT);
	expect_changed(make_leaf, second + 2, 1, DOES_NOT_FIT);
	expect_changed(make_leaf, second + 6, 0xffff, DOES_NOT_FIT);
	expect_changed(make_leaf, second, 14, OVERLAP);
	expect_changed(make_leaf, second, 8, OVERLAP);
	expect_changed(make_leaf, second, 12, NULL); /* takes as much as 11 */
	expect_changed(make_leaf, second + 4, 2, "has a record with flags that none has");
	expect_changed(make_leaf, second + 4, 4, "has a record with flags that none has");
	/* the number of its page has 8 bytes, in the place of 11 */
	expect_changed(make_leaf, second + 4, ELSEWHERE, OVERLAP);
}
END_TEST

/* As large as LMDB makes them, and larger. */
START_TEST(knows_a_node_that_is_too_large)
{
	struct made made;

	make(&made, PAGE, false, false);
	(void)add_record(&made, "a", PAGE / 2 - 8 - 8 - 1);
	(void)add_record(&made, "b", PAGE / 2 - 8 - 8 - 1 - 4);
	expect("half a page", fault_of(&made), NULL);
	clear(&made);
	make(&made, PAGE, false, false);
	(void)add_record(&made, "a", PAGE / 2 - 8 - 8);
	expect("more than half a page", fault_of(&made), DOES_NOT_FIT);
	clear(&made);
	/* elsewhere: any size */
	make(&made, PAGE, false, false);
	(void)add(&made, UINT32_MAX, ELSEWHERE, ma_span_text("a"), 8);
	expect("elsewhere", fault_of(&made), NULL);
	clear(&made);
	make(&made, MA_LMDB_PAGE_MAX, false, false);
	(void)add_record(&made, "a", 10000);
	(void)add_record(&made, "b", 3);
	expect("the largest page", fault_of(&made), NULL);
	put_u16(&made, made.upper, 5);
	expect("the largest page", fault_of(&made), OVERLAP);
	clear(&made);
}
END_TEST

/*
 * The sizes add up, and keys are in order: only a look at where each is finds it. The first key of
 * a branch is none, so anything with two zeros in its middle could be its first node.
 */
START_TEST(knows_nodes_in_each_other)
{
	struct made made;
	uint8_t inner[12] = {'c', 'c', 2, 0, 0, 0, 0, 0, 2, 0, 'd', 'd'};
	size_t at;

	make(&made, PAGE, true, false);
	(void)add_child(&made, "", 20);
	at = add(&made, 21, 0, ma_span("mm\0\0\0\0\0\0\0\0", 10), 0);
	(void)add_child(&made, "tt", 22);
	expect("a branch", fault_of(&made), NULL);
	put_u16(&made, 16, at + 10);
	expect("a branch inside another", fault_of(&made), OVERLAP);
	put_u16(&made, 16, at);
	expect("a branch twice", fault_of(&made), OVERLAP);
	clear(&made);
	/* a record whose value is another */
	make(&made, PAGE, false, false);
	at = add_record(&made, "bb", 12);
	memcpy(made.bytes + at + 10, inner + 2, 10);
	(void)add_record(&made, "cc", 2);
	expect("a leaf", fault_of(&made), NULL);
	put_u16(&made, 18, at + 10);
	expect("a leaf", fault_of(&made), OVERLAP);
	clear(&made);
}
END_TEST

START_TEST(knows_the_order_of_keys)
{
	static const struct {
		const char *keys[3];
		const char *low;
		const char *high;
		const char *leaf;
		const char *branch; /* of which the first key is none */
	} rows[] = {
		{{"b", "c", "d"}, NULL, NULL, NULL, NULL},
		{{"b", "c", "d"}, "a", "e", NULL, NULL},
		{{"b", "c", "d"}, "b", "da", NULL, NULL},
		{{"b", "c", "d"}, "b", "d", NO_ORDER, NO_ORDER},
		{{"b", "c", "d"}, "ba", NULL, NO_ORDER, NULL},
		{{"b", "c", "d"}, "c", NULL, NO_ORDER, NO_ORDER},
		{{"b", "c", "d"}, "x", NULL, NO_ORDER, NO_ORDER},
		{{"b", "c", "d"}, NULL, "b", NO_ORDER, NO_ORDER},
		{{"b", "ba", "bab"}, NULL, NULL, NULL, NULL},
		{{"bab", "ba", "c"}, NULL, NULL, NO_ORDER, NULL},
		{{"b", "b", "c"}, NULL, NULL, NO_ORDER, NULL},
		{{"b", "c", "c"}, NULL, NULL, NO_ORDER, NO_ORDER},
		{{"a", "c", "b"}, NULL, NULL, NO_ORDER, NO_ORDER},
		{{"b", "", "c"}, NULL, NULL, NO_KEY, NO_KEY},
		{{"", "b", "c"}, NULL, NULL, NO_KEY, NULL},
		{{"\x7f", "\x80", "\xff"}, NULL, NULL, NULL, NULL},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int is_branch = 0; is_branch < 2; is_branch++) {
			struct made made;
			char name[32];

			(void)snprintf(name, sizeof(name), "row %zu, %d", i, is_branch);
			make(&made, PAGE, is_branch != 0, false);
			for (size_t j = 0; j < 3; j++)
				(void)add_child(&made, rows[i].keys[j], 0);
			if (rows[i].low != NULL)
				made.bounds.low = ma_span_text(rows[i].low);
			if (rows[i].high != NULL)
				made.bounds.high = ma_span_text(rows[i].high);
			expect(name, fault_of(&made),
			       is_branch != 0 ? rows[i].branch : rows[i].leaf);
			clear(&made);
		}
	}
}
END_TEST

START_TEST(knows_how_long_a_key_can_be)
{
	static const uint8_t key[600] = "k";

	for (size_t len = 510; len < 514; len++) {
		struct made made;

		make(&made, PAGE, false, false);
		(void)add(&made, 0, 0, ma_span(key, len), 0);
		expect("records", fault_of(&made), len <= 511 ? NULL : NO_KEY);
		clear(&made);
	}
	for (size_t len = 7; len < 10; len++) {
		struct made made;

		make(&made, PAGE, false, true);
		(void)add(&made, 0, 0, ma_span(key, len), 0);
		expect("free pages", fault_of(&made), len == 8 ? NULL : NO_KEY);
		clear(&made);
	}
}
END_TEST

/* Numbers in the order of the machine, and not bytes. */
START_TEST(knows_the_order_of_commits)
{
	static const struct {
		uint64_t keys[2];
		const char *want;
	} rows[] = {{{255, 256}, NULL}, {{256, 255}, NO_ORDER}, {{7, 7}, NO_ORDER}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct made made;

		make(&made, PAGE, false, true);
		for (size_t j = 0; j < 2; j++)
			(void)add(&made, 8, 0, ma_span(&rows[i].keys[j], 8), 8);
		expect("commits", fault_of(&made), rows[i].want);
		made.bounds.low = ma_span(&rows[i].keys[0], 8);
		expect("from the first", fault_of(&made), rows[i].want);
		clear(&made);
	}
}
END_TEST

START_TEST(lets_a_list_have_a_single_branch)
{
	struct made made;

	make(&made, PAGE, true, false);
	(void)add_child(&made, "", 20);
	expect("records", fault_of(&made), "has a single branch");
	(void)add_child(&made, "a", 21);
	expect("records", fault_of(&made), NULL);
	clear(&made);
	make(&made, PAGE, true, true);
	(void)add_child(&made, "", 20);
	expect("free pages", fault_of(&made), NULL);
	clear(&made);
}
END_TEST

START_TEST(reads_nodes)
{
	static const uint64_t elsewhere = 77;
	struct made made;
	struct ma_lmdb_node node;
	size_t at;

	make_leaf(&made);
	at = add(&made, 70000, ELSEWHERE, ma_span_text("e"), 8);
	memcpy(made.bytes + at + 9, &elsewhere, sizeof(elsewhere));
	expect("leaf", fault_of(&made), NULL);
	ck_assert_uint_eq(ma_lmdb_page_count(&made.page), 4);
	node = ma_lmdb_page_node(&made.page, 1);
	ck_assert_uint_eq(node.size, 11);
	ck_assert_uint_eq(node.value.len, 11);
	ck_assert(!node.is_elsewhere);
	ck_assert(ma_span_equal(node.key, ma_span_text("cc")));
	node = ma_lmdb_page_node(&made.page, 3);
	ck_assert_uint_eq(node.size, 70000);
	ck_assert(node.is_elsewhere);
	ck_assert(ma_span_equal(node.value, ma_span(&elsewhere, 8)));
	clear(&made);
}
END_TEST

START_TEST(finds_the_branch_of_a_key)
{
	static const struct {
		const char *key;
		size_t branch;
	} rows[] = {{"", 0},	{"a", 0},  {"m", 0},  {"mm", 1},
		    {"mmm", 1}, {"ts", 1}, {"tt", 2}, {"z", 2}};
	struct made made;

	make_branch(&made);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_uint_eq(ma_lmdb_page_branch(&made.page, ma_span_text(rows[i].key)),
				  rows[i].branch);
	ck_assert_uint_eq(ma_lmdb_page_branch(&made.page, ma_span(NULL, 0)), 0);
	clear(&made);
}
END_TEST

START_TEST(bounds_what_is_below_a_branch)
{
	struct ma_lmdb_bounds outer = {.low = ma_span_text("c"), .high = ma_span_text("x")};
	struct ma_lmdb_bounds bounds;
	struct made made;

	make_branch(&made);
	put_u16(&made, made.upper + 4, 1); /* the number of a child has 48 bits */
	ck_assert_uint_eq(ma_lmdb_page_child(&made.page, 0, &outer, &bounds), 20);
	ck_assert(ma_span_equal(bounds.low, ma_span_text("c")));
	ck_assert(ma_span_equal(bounds.high, ma_span_text("mm")));
	ck_assert_uint_eq(ma_lmdb_page_child(&made.page, 1, &outer, &bounds), 21);
	ck_assert(ma_span_equal(bounds.low, ma_span_text("mm")));
	ck_assert(ma_span_equal(bounds.high, ma_span_text("tt")));
	ck_assert_uint_eq(ma_lmdb_page_child(&made.page, 2, &outer, &bounds), 1ULL << 32 | 22);
	ck_assert(ma_span_equal(bounds.low, ma_span_text("tt")));
	ck_assert(ma_span_equal(bounds.high, ma_span_text("x")));
	clear(&made);
}
END_TEST

START_TEST(counts_pages_of_a_long_value)
{
	struct ma_lmdb_page_head head = {.number = 9, .flags = OVERFLOW};
	uint32_t n = 70000;

	ck_assert_uint_eq(ma_lmdb_overflow_min(0, PAGE), 1);
	ck_assert_uint_eq(ma_lmdb_overflow_min(PAGE - 16, PAGE), 1);
	ck_assert_uint_eq(ma_lmdb_overflow_min(PAGE - 15, PAGE), 2);
	ck_assert_uint_eq(ma_lmdb_overflow_min(2 * PAGE - 16, PAGE), 2);
	ck_assert_uint_eq(ma_lmdb_overflow_min(UINT32_MAX, 512), (1 << 23) + 1);
	memcpy((uint8_t *)&head + 12, &n, sizeof(n));
	ck_assert_uint_eq(ma_lmdb_overflow_count(&head, 9), 70000);
	ck_assert_uint_eq(ma_lmdb_overflow_count(&head, 8), 0);
	head.flags = LEAF;
	ck_assert_uint_eq(ma_lmdb_overflow_count(&head, 9), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lmdb_check_page");
	TCase *tcase = tcase_create("lmdb_check_page");

	tcase_add_test(tcase, knows_what_a_header_can_say);
	tcase_add_test(tcase, knows_headers_that_do_not_go_together);
	tcase_add_test(tcase, knows_where_a_tree_can_begin);
	tcase_add_test(tcase, knows_each_number_of_a_head);
	tcase_add_test(tcase, knows_a_node_that_does_not_fit);
	tcase_add_test(tcase, knows_a_node_that_is_too_large);
	tcase_add_test(tcase, knows_nodes_in_each_other);
	tcase_add_test(tcase, knows_the_order_of_keys);
	tcase_add_test(tcase, knows_how_long_a_key_can_be);
	tcase_add_test(tcase, knows_the_order_of_commits);
	tcase_add_test(tcase, lets_a_list_have_a_single_branch);
	tcase_add_test(tcase, reads_nodes);
	tcase_add_test(tcase, finds_the_branch_of_a_key);
	tcase_add_test(tcase, bounds_what_is_below_a_branch);
	tcase_add_test(tcase, counts_pages_of_a_long_value);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
