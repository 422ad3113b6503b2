/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lmdb_check_page.c - what one page of an LMDB file says, and whether it can be true
 *
 * A page of a tree has
 *
 *	number 8, unused 2, flags 2, lower 2, upper 2 | offsets of nodes, 2 each | free | nodes
 *
 * where lower is the end of the offsets and upper the start of the nodes, which fill the rest
 * without gaps. A node is 8 bytes, a key and, in a leaf, the value; a value too long for a page is
 * in pages of its own, with a header like the above that counts them in the place of lower and
 * upper.
 */
#include "store/lmdb_check_page.h"

#include <lmdb.h>

#define MAGIC	     0xBEEFC0DEU
#define VERSION	     1
#define PAGE_MIN     512
#define MAP_MAX	     ((uint64_t)1 << 47)
#define DEPTH_MAX    32	 /* LMDB's cursors go no deeper */
#define KEY_MAX	     511 /* LMDB's own limit */
#define IS_BRANCH    0x01
#define IS_LEAF	     0x02
#define IS_OVERFLOW  0x04
#define IS_HEADER    0x08
#define IS_ELSEWHERE 0x01 /* of a node: the value is in pages of its own */

/* ---- headers ---- */

const char *ma_lmdb_header_fault(const struct ma_lmdb_header *header, uint64_t page)
{
	uint64_t size = header->free.page_size;

	if (header->head.number != page || (header->head.flags & IS_HEADER) == 0 ||
	    header->magic != MAGIC)
		return "is no header of an LMDB file";
	if (header->version != VERSION)
		return "has the version of another LMDB";
	if (size < PAGE_MIN || size > MA_LMDB_PAGE_MAX || (size & (size - 1)) != 0)
		return "has an impossible page size";
	if (header->map_size > MAP_MAX || header->last_page < 1 ||
	    header->last_page >= header->map_size / size)
		return "counts more pages than there can be";
	if ((header->free.flags & ~(uint32_t)MDB_NOSUBDIR) != MDB_INTEGERKEY ||
	    header->records.flags != 0)
		return "has flags that a store never has";
	if (header->txn_id != 0 && header->txn_id % 2 != page)
		return "has the number of another commit";
	return NULL;
}

const char *ma_lmdb_headers_fault(const struct ma_lmdb_header headers[2])
{
	uint64_t a = headers[0].txn_id;
	uint64_t b = headers[1].txn_id;

	if (headers[0].free.page_size != headers[1].free.page_size || (a > b ? a - b : b - a) > 1)
		return "does not belong to the header on page 0";
	return NULL;
}

static const char *root_fault(const struct ma_lmdb_tree *tree, uint64_t last_page)
{
	bool is_empty = tree->root == MA_LMDB_NO_PAGE;

	if (tree->depth > DEPTH_MAX || is_empty != (tree->depth == 0))
		return "gives a tree an impossible depth";
	if (!is_empty && (tree->root < 2 || tree->root > last_page))
		return "gives a tree a root that is no page";
	return NULL;
}

const char *ma_lmdb_roots_fault(const struct ma_lmdb_header *header)
{
	const char *fault = root_fault(&header->free, header->last_page);

	return fault != NULL ? fault : root_fault(&header->records, header->last_page);
}

/* ---- nodes ---- */

static struct ma_lmdb_page_head head_of(const struct ma_lmdb_page *page)
{
	struct ma_lmdb_page_head head;

	memcpy(&head, page->bytes, sizeof(head));
	return head;
}

/* The 8 bytes that a node begins with. */
struct shape {
	uint32_t size; /* of the value; of a branch, a part of the child's number */
	uint16_t flags;
	uint16_t key_len;
};

static struct shape shape_at(const struct ma_lmdb_page *page, size_t offset)
{
	struct shape shape;
	uint16_t fields[4];

	memcpy(fields, page->bytes + offset, sizeof(fields));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	shape.size = fields[0] | (uint32_t)fields[1] << 16;
#else
	shape.size = fields[1] | (uint32_t)fields[0] << 16;
#endif
	shape.flags = fields[2];
	shape.key_len = fields[3];
	return shape;
}

/* Bytes in this page behind the key. */
static uint64_t value_len(const struct ma_lmdb_page *page, const struct shape *shape)
{
	if (page->is_branch)
		return 0;
	return (shape->flags & IS_ELSEWHERE) != 0 ? sizeof(uint64_t) : shape->size;
}

static uint64_t node_len(const struct ma_lmdb_page *page, const struct shape *shape)
{
	return sizeof(uint16_t[4]) + shape->key_len + value_len(page, shape);
}

static size_t offset_of(const struct ma_lmdb_page *page, size_t i)
{
	uint16_t offset;

	memcpy(&offset, page->bytes + sizeof(struct ma_lmdb_page_head) + 2 * i, sizeof(offset));
	return offset;
}

/* Two have to fit in a page, or it could not be split. */
static bool fits(const struct ma_lmdb_page *page, size_t upper, size_t offset)
{
	struct shape shape;
	uint64_t len;

	if (offset % 2 != 0 || offset < upper || offset > page->size - sizeof(uint16_t[4]))
		return false;
	shape = shape_at(page, offset);
	len = node_len(page, &shape);
	return len <= page->size - offset &&
	       len <= (page->size - sizeof(struct ma_lmdb_page_head)) / 2;
}

/*
 * Nodes lie one behind the other up to the end of the page. LMDB moves what is between two of them
 * by what their sizes add up to: with nodes that overlap it would write behind the page.
 */
static const char *layout_fault(const struct ma_lmdb_page *page, size_t upper)
{
	uint8_t starts[MA_LMDB_PAGE_MAX / 16 + 1] = {0}; /* a bit for each even place */
	size_t n = ma_lmdb_page_count(page);
	size_t at = upper;

	for (size_t i = 0; i < n; i++) {
		size_t offset = offset_of(page, i);

		if (!fits(page, upper, offset))
			return "has a record that does not fit in";
		starts[offset / 16] |= (uint8_t)(1U << offset / 2 % 8);
	}
	for (size_t i = 0; i < n; i++) {
		struct shape shape;

		if ((starts[at / 16] & 1U << at / 2 % 8) == 0)
			return "has records that overlap";
		shape = shape_at(page, at);
		at += (size_t)(node_len(page, &shape) + 1) & ~(size_t)1;
	}
	return at == page->size ? NULL : "has records that overlap";
}

/* ---- keys ---- */

static int compare(const struct ma_lmdb_page *page, struct ma_span a, struct ma_span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	uint64_t numbers[2];
	int order;

	if (page->is_free) {
		memcpy(&numbers[0], a.p, sizeof(numbers[0]));
		memcpy(&numbers[1], b.p, sizeof(numbers[1]));
		return numbers[0] < numbers[1] ? -1 : numbers[0] > numbers[1];
	}
	order = len > 0 ? memcmp(a.p, b.p, len) : 0;
	if (order == 0)
		return a.len < b.len ? -1 : a.len > b.len;
	return order;
}

static bool is_key(const struct ma_lmdb_page *page, struct ma_span key)
{
	return page->is_free ? key.len == sizeof(uint64_t) : key.len > 0 && key.len <= KEY_MAX;
}

static const char *keys_fault(const struct ma_lmdb_page *page, const struct ma_lmdb_bounds *bounds)
{
	struct ma_span last = bounds->low;
	bool may_be_last = !page->is_branch; /* the lowest key of a leaf */

	/* The first key of a branch is never looked at. */
	for (size_t i = page->is_branch ? 1 : 0; i < ma_lmdb_page_count(page); i++) {
		struct shape shape = shape_at(page, offset_of(page, i));
		struct ma_span key = ma_lmdb_page_node(page, i).key;
		int order;

		if (!page->is_branch && (shape.flags & ~IS_ELSEWHERE) != 0)
			return "has a record with flags that none has";
		if (!is_key(page, key))
			return "has a key of an impossible length";
		order = last.p != NULL ? compare(page, last, key) : -1;
		if (order > 0 || (order == 0 && !may_be_last))
			return "has its keys in the wrong order";
		if (bounds->high.p != NULL && compare(page, key, bounds->high) >= 0)
			return "has its keys in the wrong order";
		last = key;
		may_be_last = false;
	}
	return NULL;
}

/* ---- pages ---- */

const char *ma_lmdb_page_fault(const struct ma_lmdb_page *page, const struct ma_lmdb_bounds *bounds)
{
	struct ma_lmdb_page_head head = head_of(page);
	const char *fault;

	if (head.number != page->number)
		return "says that it is another one";
	if (head.flags != (page->is_branch ? IS_BRANCH : IS_LEAF))
		return "is of the wrong kind";
	if (head.lower % 2 != 0 || head.lower < sizeof(head) + 2 || head.lower > head.upper ||
	    head.upper > page->size)
		return "has impossible sizes";
	/* Where free pages are listed, LMDB leaves one now and then. */
	if (page->is_branch && !page->is_free && ma_lmdb_page_count(page) < 2)
		return "has a single branch";
	fault = layout_fault(page, head.upper);
	return fault != NULL ? fault : keys_fault(page, bounds);
}

size_t ma_lmdb_page_count(const struct ma_lmdb_page *page)
{
	return (head_of(page).lower - sizeof(struct ma_lmdb_page_head)) / 2;
}

struct ma_lmdb_node ma_lmdb_page_node(const struct ma_lmdb_page *page, size_t i)
{
	size_t offset = offset_of(page, i);
	struct shape shape = shape_at(page, offset);
	const uint8_t *key = page->bytes + offset + sizeof(uint16_t[4]);

	return (struct ma_lmdb_node){
		.child = shape.size | (uint64_t)shape.flags << 32,
		.size = shape.size,
		.is_elsewhere = (shape.flags & IS_ELSEWHERE) != 0,
		.key = ma_span(key, shape.key_len),
		.value = ma_span(key + shape.key_len, (size_t)value_len(page, &shape)),
	};
}

uint64_t ma_lmdb_page_child(const struct ma_lmdb_page *page, size_t i,
			    const struct ma_lmdb_bounds *outer, struct ma_lmdb_bounds *bounds_out)
{
	struct ma_lmdb_node node = ma_lmdb_page_node(page, i);

	*bounds_out = *outer;
	if (i > 0)
		bounds_out->low = node.key;
	if (i + 1 < ma_lmdb_page_count(page))
		bounds_out->high = ma_lmdb_page_node(page, i + 1).key;
	return node.child;
}

size_t ma_lmdb_page_branch(const struct ma_lmdb_page *page, struct ma_span key)
{
	size_t i = 1;

	while (i < ma_lmdb_page_count(page) &&
	       compare(page, ma_lmdb_page_node(page, i).key, key) <= 0)
		i++;
	return i - 1;
}

/* ---- long values ---- */

uint64_t ma_lmdb_overflow_min(uint32_t size, size_t page_size)
{
	return (sizeof(struct ma_lmdb_page_head) - 1 + (uint64_t)size) / page_size + 1;
}

uint64_t ma_lmdb_overflow_count(const struct ma_lmdb_page_head *head, uint64_t number)
{
	uint32_t n;

	memcpy(&n, (const uint8_t *)head + offsetof(struct ma_lmdb_page_head, lower), sizeof(n));
	return head->number == number && head->flags == IS_OVERFLOW ? n : 0;
}
