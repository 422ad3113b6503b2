/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lmdb_check.c - look at an LMDB file before LMDB does
 *
 * A file is pages of one size. The first two are headers; commit N writes header N % 2. A header
 * holds the roots of two B+ trees: the free pages (key: the commit that freed them, value: a list
 *of numbers) and the records. A page of a tree has
 *
 *	number 8, unused 2, flags 2, lower 2, upper 2 | offsets of nodes, 2 each | free | nodes
 *
 * where lower is the end of the offsets and upper the start of the nodes, which fill the rest
 *without gaps. A node is 8 bytes, a key and, in a leaf, the value; a value too long for a page is
 *in pages of its own, with a header like the above that counts them in the place of lower and
 *upper.
 */
#include "store/lmdb_check.h"

#include <errno.h>
#include <lmdb.h>
#include <string.h>
#include <unistd.h>

#include "util/mem.h"

#define MAGIC	     0xBEEFC0DEU
#define VERSION	     1
#define PAGE_MIN     512
#define PAGE_MAX     32768
#define MAP_MAX	     ((uint64_t)1 << 47)
#define DEPTH_MAX    32 /* LMDB's cursors go no deeper */
#define NO_PAGE	     UINT64_MAX
#define IS_BRANCH    0x01
#define IS_LEAF	     0x02
#define IS_OVERFLOW  0x04
#define IS_HEADER    0x08
#define IS_ELSEWHERE 0x01 /* of a node: the value is in pages of its own */
#define N_TRIES	     10	  /* to read headers while somebody commits */

struct page_head {
	uint64_t number;
	uint16_t unused;
	uint16_t flags;
	uint16_t lower;
	uint16_t upper;
};

struct tree {
	uint32_t page_size; /* in the tree of free pages; else unused */
	uint16_t flags;
	uint16_t depth;
	uint64_t n_branches;
	uint64_t n_leaves;
	uint64_t n_overflows;
	uint64_t n_entries;
	uint64_t root;
};

struct header {
	struct page_head head;
	uint32_t magic;
	uint32_t version;
	uint64_t address;
	uint64_t map_size;
	struct tree free;
	struct tree records;
	uint64_t last_page;
	uint64_t txn_id;
};

struct check {
	int fd;
	size_t page_size;
	uint64_t n_pages;
	uint64_t txn_id;
	uint8_t *pages;	      /* one for each level of the deeper tree */
	uint8_t *seen;	      /* a bit for each page */
	uint64_t newest_list; /* the last commit of which a list of free pages was seen */
	struct tree counted;
	struct ma_lmdb_damage *damage;
	int error;
};

/* A tree on its way down. */
struct walk {
	struct check *check;
	const struct tree *tree;
	bool is_free;
	bool has_key; /* go to @key and look at the neighbours, not everywhere */
	struct ma_span key;
};

struct node {
	uint64_t child; /* of a branch */
	uint32_t size;	/* of the value */
	uint16_t flags;
	struct ma_span key;
	const uint8_t *value; /* what is in the page: the value, or the number of its first page */
};

/* Keys of a page are from @low, if it has one, and less than @high. */
struct bounds {
	bool has_low;
	bool has_high;
	struct ma_span low;
	struct ma_span high;
};

static bool bad(struct check *check, uint64_t page, const char *what)
{
	if (check->error == 0)
		*check->damage = (struct ma_lmdb_damage){.page = page, .what = what};
	check->error = MA_LMDB_DAMAGED;
	return false;
}

/* Bytes that were there; -1: the error is noted. */
static ssize_t read_some(struct check *check, uint64_t page, void *out, size_t len)
{
	ssize_t n;

	do
		n = pread(check->fd, out, len, (off_t)(page * check->page_size));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		check->error = errno;
	return n;
}

static bool read_at(struct check *check, uint64_t page, void *out, size_t len)
{
	ssize_t n = read_some(check, page, out, len);

	if (n < 0)
		return false;
	return (size_t)n == len || bad(check, page, "is behind the end of the file");
}

/* ---- headers ---- */

static bool check_root(struct check *check, uint64_t page, const struct tree *tree,
		       uint64_t last_page)
{
	bool is_empty = tree->root == NO_PAGE;

	if (tree->depth > DEPTH_MAX || is_empty != (tree->depth == 0))
		return bad(check, page, "gives a tree an impossible depth");
	return is_empty || (tree->root > 1 && tree->root <= last_page) ||
	       bad(check, page, "gives a tree a root that is no page");
}

static bool check_one_header(struct check *check, const struct header *header, uint64_t page)
{
	uint64_t size = header->free.page_size;

	if (header->head.number != page || (header->head.flags & IS_HEADER) == 0 ||
	    header->magic != MAGIC)
		return bad(check, page, "is no header of an LMDB file");
	if (header->version != VERSION)
		return bad(check, page, "has the version of another LMDB");
	if (size < PAGE_MIN || size > PAGE_MAX || (size & (size - 1)) != 0)
		return bad(check, page, "has an impossible page size");
	if (header->map_size > MAP_MAX || header->last_page < 1 ||
	    header->last_page >= header->map_size / size)
		return bad(check, page, "counts more pages than there can be");
	if ((header->free.flags & ~(uint32_t)MDB_NOSUBDIR) != MDB_INTEGERKEY ||
	    header->records.flags != 0)
		return bad(check, page, "has flags that a store never has");
	if (header->txn_id != 0 && header->txn_id % 2 != page)
		return bad(check, page, "has the number of another commit");
	return true;
}

/* The older header is not used; after a commit that failed, LMDB leaves half of a new one there. */
static bool check_roots(struct check *check, const struct header headers[2])
{
	uint64_t page = headers[0].txn_id < headers[1].txn_id ? 1 : 0;
	const struct header *header = &headers[page];

	return check_root(check, page, &header->free, header->last_page) &&
	       check_root(check, page, &header->records, header->last_page);
}

/* -1: an empty file. */
static int read_headers(struct check *check, struct header headers[2])
{
	ssize_t n = read_some(check, 0, &headers[0], sizeof(headers[0]));

	if (n <= 0)
		return n == 0 ? -1 : 0;
	if (n != (ssize_t)sizeof(headers[0])) {
		(void)bad(check, 0, "is cut short");
		return 0;
	}
	if (!check_one_header(check, &headers[0], 0))
		return 0;
	check->page_size = headers[0].free.page_size;
	if (!read_at(check, 1, &headers[1], sizeof(headers[1])) ||
	    !check_one_header(check, &headers[1], 1))
		return 0;
	if (headers[1].free.page_size != check->page_size ||
	    (headers[0].txn_id > headers[1].txn_id ? headers[0].txn_id - headers[1].txn_id
						   : headers[1].txn_id - headers[0].txn_id) > 1)
		(void)bad(check, 1, "does not belong to the header on page 0");
	else
		(void)check_roots(check, headers);
	return 0;
}

int ma_lmdb_check_header(int fd, struct ma_lmdb_damage *damage_out)
{
	struct check check = {.fd = fd, .damage = damage_out};
	struct header headers[2];

	/* What somebody writes at this moment looks damaged, and the next moment whole. */
	for (int i = 0; i < N_TRIES; i++) {
		check.error = 0;
		if (read_headers(&check, headers) < 0 || check.error != MA_LMDB_DAMAGED)
			break;
	}
	return check.error;
}

/* ---- pages ---- */

static uint8_t *level_page(const struct check *check, unsigned int level)
{
	return check->pages + level * check->page_size;
}

static struct page_head head_of(const uint8_t *page)
{
	struct page_head head;

	memcpy(&head, page, sizeof(head));
	return head;
}

static size_t n_nodes(const uint8_t *page)
{
	return (head_of(page).lower - sizeof(struct page_head)) / 2;
}

/* False: not within the page. The offsets are. */
static bool node_at(const struct check *check, const uint8_t *page, size_t i, struct node *node_out)
{
	struct ma_span rest;
	uint16_t offset;
	uint16_t fields[4];
	size_t len;

	memcpy(&offset, page + sizeof(struct page_head) + 2 * i, sizeof(offset));
	if (offset % 2 != 0 || offset < head_of(page).upper ||
	    offset + sizeof(fields) > check->page_size)
		return false;
	rest = ma_span(page + offset, check->page_size - offset);
	memcpy(fields, rest.p, sizeof(fields));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	node_out->size = fields[0] | (uint32_t)fields[1] << 16;
#else
	node_out->size = fields[1] | (uint32_t)fields[0] << 16;
#endif
	node_out->flags = fields[2];
	node_out->child = node_out->size | (uint64_t)fields[2] << 32;
	len = sizeof(fields) + fields[3];
	if (len > rest.len)
		return false;
	node_out->key = ma_span(rest.p + sizeof(fields), fields[3]);
	node_out->value = rest.p + len;
	if ((head_of(page).flags & IS_BRANCH) != 0)
		return true;
	return rest.len - len >=
	       ((node_out->flags & IS_ELSEWHERE) != 0 ? sizeof(uint64_t) : node_out->size);
}

/* Bytes that it takes in its page; nodes begin at even places. */
static size_t room_of(const struct node *node, bool is_branch)
{
	size_t len = 4 * sizeof(uint16_t) + node->key.len;

	if (!is_branch)
		len += (node->flags & IS_ELSEWHERE) != 0 ? sizeof(uint64_t) : node->size;
	return len + len % 2;
}

static int compare(const struct walk *walk, struct ma_span a, struct ma_span b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	uint64_t numbers[2];
	int order;

	if (walk->is_free && a.len == sizeof(numbers[0]) && b.len == sizeof(numbers[1])) {
		memcpy(&numbers[0], a.p, a.len);
		memcpy(&numbers[1], b.p, b.len);
		return numbers[0] < numbers[1] ? -1 : numbers[0] > numbers[1];
	}
	order = len > 0 ? memcmp(a.p, b.p, len) : 0;
	return order != 0 ? order : a.len < b.len ? -1 : a.len > b.len;
}

static bool is_in_place(const struct walk *walk, const struct bounds *bounds, struct ma_span key,
			struct ma_span last)
{
	if (walk->is_free ? key.len != sizeof(uint64_t) : key.len == 0)
		return false;
	if (last.p != NULL ? compare(walk, last, key) >= 0
			   : bounds->has_low && compare(walk, bounds->low, key) > 0)
		return false;
	return !bounds->has_high || compare(walk, key, bounds->high) < 0;
}

static bool check_nodes(const struct walk *walk, uint64_t number, const uint8_t *page,
			const struct bounds *bounds)
{
	struct page_head head = head_of(page);
	bool is_branch = head.flags == IS_BRANCH;
	struct ma_span last = {NULL, 0};
	size_t used = 0;

	for (size_t i = 0; i < n_nodes(page); i++) {
		struct node node;

		if (!node_at(walk->check, page, i, &node))
			return bad(walk->check, number, "has a record that does not fit in");
		used += room_of(&node, is_branch);
		if (!is_branch && (node.flags & ~IS_ELSEWHERE) != 0)
			return bad(walk->check, number, "has a record with flags that none has");
		/* The first key of a branch is never looked at. */
		if (is_branch && i == 0)
			continue;
		if (!is_in_place(walk, bounds, node.key, last))
			return bad(walk->check, number, "has its keys in the wrong order");
		last = node.key;
	}
	return used == walk->check->page_size - head.upper ||
	       bad(walk->check, number, "has records that overlap");
}

/* Each page belongs to one place. */
static bool mark(struct check *check, uint64_t number)
{
	uint8_t bit = (uint8_t)(1U << number % 8);

	if ((check->seen[number / 8] & bit) != 0)
		return bad(check, number, "is used twice");
	check->seen[number / 8] |= bit;
	return true;
}

static bool read_page(struct check *check, uint64_t number, uint8_t *page_out)
{
	if (number < 2 || number >= check->n_pages)
		return bad(check, number, "is asked for, and is none");
	if (!read_at(check, number, page_out, check->page_size))
		return false;
	return head_of(page_out).number == number ||
	       bad(check, number, "says that it is another one");
}

/* Reads it into the buffer of its level. */
static bool check_page(const struct walk *walk, uint64_t number, unsigned int level,
		       const struct bounds *bounds)
{
	struct check *check = walk->check;
	uint8_t *page = level_page(check, level);
	bool is_branch = level + 1U < walk->tree->depth;
	struct page_head head;

	if (!read_page(check, number, page))
		return false;
	head = head_of(page);
	if (head.flags != (is_branch ? IS_BRANCH : IS_LEAF))
		return bad(check, number, "is of the wrong kind");
	if (head.lower % 2 != 0 || head.lower < sizeof(head) + 2 || head.lower > head.upper ||
	    head.upper > check->page_size)
		return bad(check, number, "has impossible sizes");
	if (is_branch && !walk->is_free && n_nodes(page) < 2)
		return bad(check, number, "has a single branch");
	return check_nodes(walk, number, page, bounds);
}

/* ---- values ---- */

static bool check_overflow(struct check *check, const struct node *node, uint64_t *first_out,
			   uint64_t *n_out)
{
	uint8_t bytes[sizeof(struct page_head)];
	struct page_head head;
	uint32_t n;

	memcpy(first_out, node->value, sizeof(*first_out));
	*n_out = (sizeof(head) - 1 + (uint64_t)node->size) / check->page_size + 1;
	if (*first_out < 2 || *first_out >= check->n_pages || *n_out > check->n_pages - *first_out)
		return bad(check, *first_out, "is asked for, and is none");
	if (!read_at(check, *first_out, bytes, sizeof(bytes)))
		return false;
	head = head_of(bytes);
	memcpy(&n, bytes + offsetof(struct page_head, lower), sizeof(n));
	if (head.number != *first_out || head.flags != IS_OVERFLOW || n != *n_out)
		return bad(check, *first_out, "does not begin the long record it should");
	check->counted.n_overflows += *n_out;
	for (uint64_t i = 0; i < *n_out; i++)
		if (!mark(check, *first_out + i))
			return false;
	return true;
}

/* Numbers of a list of free pages, which lies in the page or behind @first. */
static bool read_numbers(struct check *check, const struct node *node, uint64_t first, uint64_t i,
			 size_t n, uint64_t *out)
{
	size_t len = n * sizeof(*out);
	off_t at = (off_t)(first * check->page_size + sizeof(struct page_head) + i * sizeof(*out));

	if ((node->flags & IS_ELSEWHERE) == 0) {
		memcpy(out, node->value + i * sizeof(*out), len);
		return true;
	}
	return pread(check->fd, out, len, at) == (ssize_t)len ||
	       bad(check, first, "is behind the end of the file");
}

/* In falling order from below @last, which is set to the least of them. */
static bool check_numbers(struct check *check, uint64_t page, const uint64_t *numbers, size_t n,
			  uint64_t *last)
{
	for (size_t i = 0; i < n; i++) {
		if (numbers[i] < 2 || numbers[i] >= *last)
			return bad(check, page, "lists a page as free that is none");
		if (!mark(check, numbers[i]))
			return false;
		*last = numbers[i];
	}
	return true;
}

/* A count, and as many numbers. After many changes at once there are very many. */
static bool check_free_list(struct check *check, uint64_t page, const struct node *node,
			    uint64_t first)
{
	uint64_t numbers[512];
	uint64_t last = check->n_pages;
	uint64_t freed_by;
	uint64_t n;

	memcpy(&freed_by, node->key.p, sizeof(freed_by));
	if (freed_by == 0 || freed_by > check->txn_id)
		return bad(check, page, "lists pages as free that a later commit will free");
	check->newest_list = freed_by;
	if (node->size < sizeof(n) || node->size % sizeof(n) != 0)
		return bad(check, page, "has a list of free pages of an impossible size");
	if (!read_numbers(check, node, first, 0, 1, &n))
		return false;
	if (n > node->size / sizeof(n) - 1)
		return bad(check, page, "has a list of free pages that is cut short");
	for (uint64_t i = 0; i < n; i += MA_ARRAY_SIZE(numbers)) {
		size_t some =
			n - i < MA_ARRAY_SIZE(numbers) ? (size_t)(n - i) : MA_ARRAY_SIZE(numbers);

		if (!read_numbers(check, node, first, i + 1, some, numbers) ||
		    !check_numbers(check, page, numbers, some, &last))
			return false;
	}
	return true;
}

static bool check_values(const struct walk *walk, uint64_t number, const uint8_t *page)
{
	struct check *check = walk->check;

	for (size_t i = 0; i < n_nodes(page); i++) {
		uint64_t first = 0;
		uint64_t n;
		struct node node;

		if (!node_at(check, page, i, &node))
			return bad(check, number, "has a record that does not fit in");
		if ((node.flags & IS_ELSEWHERE) != 0 && !check_overflow(check, &node, &first, &n))
			return false;
		if (walk->is_free && !check_free_list(check, number, &node, first))
			return false;
		check->counted.n_entries++;
	}
	return true;
}

/* ---- trees ---- */

static struct bounds bounds_of(const struct check *check, const uint8_t *page, size_t i,
			       const struct bounds *outer, uint64_t *child_out)
{
	struct bounds bounds = *outer;
	struct node node = {0};

	/* All have been found in the page by now. */
	if (i + 1 < n_nodes(page) && node_at(check, page, i + 1, &node)) {
		bounds.has_high = true;
		bounds.high = node.key;
	}
	(void)node_at(check, page, i, &node);
	if (i > 0) {
		bounds.has_low = true;
		bounds.low = node.key;
	}
	*child_out = node.child;
	return bounds;
}

/* The branch under which @key is. */
static size_t branch_of(const struct walk *walk, const uint8_t *page)
{
	size_t i = 1;
	struct node node;

	while (i < n_nodes(page) && node_at(walk->check, page, i, &node) &&
	       compare(walk, node.key, walk->key) <= 0)
		i++;
	return i - 1;
}

static bool check_below(const struct walk *walk, uint64_t number, unsigned int level,
			const struct bounds *bounds);

/* Neighbours of the branch, which a page that becomes too empty is joined with, and the branch. */
static bool check_branch(const struct walk *walk, unsigned int level, const struct bounds *bounds)
{
	const uint8_t *page = level_page(walk->check, level);
	size_t at = branch_of(walk, page);
	uint64_t child;
	struct bounds inner;

	if (at > 0) {
		inner = bounds_of(walk->check, page, at - 1, bounds, &child);
		if (!check_page(walk, child, level + 1, &inner) || !mark(walk->check, child))
			return false;
	}
	if (at + 1 < n_nodes(page)) {
		inner = bounds_of(walk->check, page, at + 1, bounds, &child);
		if (!check_page(walk, child, level + 1, &inner) || !mark(walk->check, child))
			return false;
	}
	inner = bounds_of(walk->check, page, at, bounds, &child);
	return check_below(walk, child, level + 1, &inner);
}

/* As deep as the tree, of which the depth was checked. */
static bool check_below(const struct walk *walk, uint64_t number, unsigned int level,
			const struct bounds *bounds)
{
	struct check *check = walk->check;
	const uint8_t *page = level_page(check, level);

	if (!check_page(walk, number, level, bounds) || !mark(check, number))
		return false;
	if (level + 1U == walk->tree->depth) {
		check->counted.n_leaves++;
		return check_values(walk, number, page);
	}
	check->counted.n_branches++;
	if (walk->has_key)
		return check_branch(walk, level, bounds);
	for (size_t i = 0; i < n_nodes(page); i++) {
		uint64_t child;
		struct bounds inner = bounds_of(check, page, i, bounds, &child);

		if (!check_below(walk, child, level + 1, &inner))
			return false;
	}
	return true;
}

static bool check_tree(const struct walk *walk)
{
	struct tree *counted = &walk->check->counted;

	*counted = (struct tree){0};
	if (walk->tree->root != NO_PAGE &&
	    !check_below(walk, walk->tree->root, 0, &(struct bounds){.has_low = false}))
		return false;
	if (walk->has_key)
		return true;
	return (counted->n_branches == walk->tree->n_branches &&
		counted->n_leaves == walk->tree->n_leaves &&
		counted->n_overflows == walk->tree->n_overflows &&
		counted->n_entries == walk->tree->n_entries) ||
	       bad(walk->check, walk->check->txn_id % 2, "counts other pages than there are");
}

static bool begin(struct check *check, uint64_t txn_id, struct header *header_out)
{
	struct header headers[2];
	unsigned int depth;

	if (read_headers(check, headers) < 0)
		return bad(check, 0, "is gone");
	if (check->error != 0)
		return false;
	*header_out = headers[txn_id % 2];
	/* The lock file has its own idea of which commit is the last. */
	if (header_out->txn_id != txn_id)
		return bad(check, txn_id % 2, "is not of the last commit: was the file replaced?");
	check->txn_id = txn_id;
	check->n_pages = header_out->last_page + 1;
	depth = header_out->free.depth > header_out->records.depth ? header_out->free.depth
								   : header_out->records.depth;
	check->pages = ma_alloc((depth + 1) * check->page_size);
	check->seen = ma_alloc(check->n_pages / 8 + 1);
	if (check->pages == NULL || check->seen == NULL)
		check->error = ENOMEM;
	return check->error == 0;
}

/*
 * An old list of free pages is in order, but for the fact that the pages are in use again. Each
 * commit frees some, unless there are hardly any.
 */
static bool check_free_tree(struct check *check, const struct header *header)
{
	if (!check_tree(&(struct walk){.check = check, .tree = &header->free, .is_free = true}))
		return false;
	return header->records.depth < 2 || header->free.root == NO_PAGE ||
	       check->newest_list == header->txn_id ||
	       bad(check, header->free.root, "is an old list of free pages");
}

static int check_trees(int fd, uint64_t txn_id, const struct ma_span *key,
		       struct ma_lmdb_damage *damage)
{
	struct check check = {.fd = fd, .damage = damage};
	struct header header;

	if (begin(&check, txn_id, &header) && check_free_tree(&check, &header))
		(void)check_tree(&(struct walk){.check = &check,
						.tree = &header.records,
						.has_key = key != NULL,
						.key = key != NULL ? *key : ma_span(NULL, 0)});
	ma_free(check.seen);
	ma_free(check.pages);
	return check.error;
}

int ma_lmdb_check_way(int fd, uint64_t txn_id, struct ma_span key,
		      struct ma_lmdb_damage *damage_out)
{
	return check_trees(fd, txn_id, &key, damage_out);
}

int ma_lmdb_check_all(int fd, uint64_t txn_id, struct ma_lmdb_damage *damage_out)
{
	return check_trees(fd, txn_id, NULL, damage_out);
}
