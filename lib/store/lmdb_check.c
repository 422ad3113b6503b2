/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lmdb_check.c - look at an LMDB file before LMDB does
 *
 * A file is pages of one size. The first two are headers; commit N writes header N % 2. A header
 * holds the roots of two B+ trees: the free pages (key: the commit that freed them, value: a list
 * of numbers) and the records. This is the walk over both: each page is read once, into the buffer
 * of its level, and marked, so that damage cannot lead it in circles. What may stand in a page is
 * in lmdb_check_page.c.
 */
#include "store/lmdb_check.h"

#include <errno.h>
#include <unistd.h>

#include "store/lmdb_check_page.h"
#include "util/mem.h"

#define N_TRIES 10 /* to read headers while somebody commits */

struct check {
	int fd;
	size_t page_size;
	uint64_t n_pages;
	uint64_t txn_id;
	uint8_t *pages;	      /* one for each level of the deeper tree */
	uint8_t *seen;	      /* a bit for each page */
	uint64_t n_seen;      /* bits that are set */
	uint64_t highest;     /* the last of them */
	uint64_t newest_list; /* the last commit of which a list of free pages was seen */
	bool has_spare;	      /* a record has more pages than it needs */
	struct ma_lmdb_tree counted;
	struct ma_lmdb_damage *damage;
	int error;
};

/* A tree on its way down. */
struct walk {
	struct check *check;
	const struct ma_lmdb_tree *tree;
	bool is_free;
	bool has_key; /* go to @key and look at the neighbours, not everywhere */
	struct ma_span key;
};

static bool bad(struct check *check, uint64_t page, const char *what)
{
	*check->damage = (struct ma_lmdb_damage){.page = page, .what = what};
	check->error = MA_LMDB_DAMAGED;
	return false;
}

static bool has_no_fault(struct check *check, uint64_t page, const char *fault)
{
	if (fault != NULL)
		return bad(check, page, fault);
	return true;
}

/* Bytes that were there; -1: the error is noted. */
static ssize_t read_some(struct check *check, uint64_t page, size_t offset, void *out, size_t len)
{
	ssize_t n;

	do
		n = pread(check->fd, out, len, (off_t)(page * check->page_size + offset));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		check->error = errno;
	return n;
}

/* @offset: from the start of @page; it may be in a later one. */
static bool read_at(struct check *check, uint64_t page, size_t offset, void *out, size_t len)
{
	ssize_t n = read_some(check, page, offset, out, len);

	if (n < 0)
		return false;
	if ((size_t)n != len)
		return bad(check, page, "is behind the end of the file");
	return true;
}

/* ---- headers ---- */

/* Of a file that is not empty. */
static bool check_headers(struct check *check, struct ma_lmdb_header headers[2], size_t len)
{
	if (len != sizeof(headers[0]))
		return bad(check, 0, "is cut short");
	if (!has_no_fault(check, 0, ma_lmdb_header_fault(&headers[0], 0)))
		return false;
	check->page_size = headers[0].free.page_size;
	return read_at(check, 1, 0, &headers[1], sizeof(headers[1])) &&
	       has_no_fault(check, 1, ma_lmdb_header_fault(&headers[1], 1)) &&
	       has_no_fault(check, 1, ma_lmdb_headers_fault(headers));
}

/* False: an empty file. */
static bool read_headers(struct check *check, struct ma_lmdb_header headers[2])
{
	ssize_t n = read_some(check, 0, 0, &headers[0], sizeof(headers[0]));

	if (n > 0)
		(void)check_headers(check, headers, (size_t)n);
	return n != 0;
}

static void check_newer_roots(struct check *check, const struct ma_lmdb_header headers[2])
{
	uint64_t newer = headers[0].txn_id < headers[1].txn_id ? 1 : 0;

	(void)has_no_fault(check, newer, ma_lmdb_roots_fault(&headers[newer]));
}

int ma_lmdb_check_header(int fd, struct ma_lmdb_damage *damage_out)
{
	struct check check = {.fd = fd, .damage = damage_out};
	struct ma_lmdb_header headers[2];

	/* What somebody writes at this moment looks damaged, and the next moment whole. */
	for (int i = 0; i < N_TRIES; i++) {
		check.error = 0;
		if (!read_headers(&check, headers))
			break;
		if (check.error == 0)
			check_newer_roots(&check, headers);
		if (check.error != MA_LMDB_DAMAGED)
			break;
	}
	return check.error;
}

/* ---- pages ---- */

static struct ma_lmdb_page page_of(const struct walk *walk, uint64_t number, unsigned int level)
{
	const struct check *check = walk->check;

	return (struct ma_lmdb_page){
		.bytes = check->pages + level * check->page_size,
		.size = check->page_size,
		.number = number,
		.is_branch = level + 1U < walk->tree->depth,
		.is_free = walk->is_free,
	};
}

/* Each page belongs to one place. */
static bool mark(struct check *check, uint64_t number)
{
	uint8_t bit = (uint8_t)(1U << number % 8);

	if ((check->seen[number / 8] & bit) != 0)
		return bad(check, number, "is used twice");
	check->seen[number / 8] |= bit;
	check->n_seen++;
	if (number > check->highest)
		check->highest = number;
	return true;
}

/* Reads it into the buffer of its level. */
static bool check_page(const struct walk *walk, uint64_t number, unsigned int level,
		       const struct ma_lmdb_bounds *bounds)
{
	struct check *check = walk->check;
	struct ma_lmdb_page page = page_of(walk, number, level);

	if (number < 2 || number >= check->n_pages)
		return bad(check, number, "is asked for, and is none");
	if (!read_at(check, number, 0, check->pages + level * check->page_size, check->page_size))
		return false;
	return has_no_fault(check, number, ma_lmdb_page_fault(&page, bounds));
}

/* ---- values ---- */

/*
 * A value that a commit writes twice, at last a shorter one, keeps the pages of the longer; LMDB's
 * own lists of free pages do. All of them are freed with it.
 */
static bool check_overflow(const struct walk *walk, const struct ma_lmdb_node *node,
			   uint64_t *first_out)
{
	struct check *check = walk->check;
	uint64_t least = ma_lmdb_overflow_min(node->size, check->page_size);
	struct ma_lmdb_page_head head;
	uint64_t first;
	uint64_t n;

	memcpy(&first, node->value.p, sizeof(first));
	if (first < 2 || first >= check->n_pages || least > check->n_pages - first)
		return bad(check, first, "is asked for, and is none");
	if (!read_at(check, first, 0, &head, sizeof(head)))
		return false;
	n = ma_lmdb_overflow_count(&head, first);
	if (n < least || n > check->n_pages - first)
		return bad(check, first, "does not begin the long record it should");
	if (n > least)
		check->has_spare = true;
	check->counted.n_overflows += n;
	for (uint64_t i = 0; i < n; i++)
		if (!mark(check, first + i))
			return false;
	*first_out = first;
	return true;
}

/* Numbers of a list of free pages, which lies in the page or behind @first. */
static bool read_numbers(struct check *check, const struct ma_lmdb_node *node, uint64_t first,
			 uint64_t i, size_t n, uint64_t *out)
{
	if (node->is_elsewhere)
		return read_at(check, first, sizeof(struct ma_lmdb_page_head) + i * sizeof(*out),
			       out, n * sizeof(*out));
	memcpy(out, node->value.p + i * sizeof(*out), n * sizeof(*out));
	return true;
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
static bool check_free_list(struct check *check, uint64_t page, const struct ma_lmdb_node *node,
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
	if (node->size == 0 || node->size % sizeof(n) != 0)
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

static bool check_values(const struct walk *walk, const struct ma_lmdb_page *page)
{
	struct check *check = walk->check;

	for (size_t i = 0; i < ma_lmdb_page_count(page); i++) {
		struct ma_lmdb_node node = ma_lmdb_page_node(page, i);
		uint64_t first = 0;

		if (node.is_elsewhere && !check_overflow(walk, &node, &first))
			return false;
		if (walk->is_free && !check_free_list(check, page->number, &node, first))
			return false;
		check->counted.n_entries++;
	}
	return true;
}

/* ---- trees ---- */

/* The pages that lead to the lowest key below a page, which is at @level. */
static bool check_lowest(const struct walk *walk, uint64_t number, unsigned int level,
			 const struct ma_lmdb_bounds *bounds)
{
	struct ma_lmdb_page page = page_of(walk, number, level);
	struct ma_lmdb_bounds inner = *bounds;

	while (page.is_branch) {
		struct ma_lmdb_bounds outer = inner;
		uint64_t child = ma_lmdb_page_child(&page, 0, &outer, &inner);

		level++;
		if (!check_page(walk, child, level, &inner))
			return false;
		page = page_of(walk, child, level);
	}
	return true;
}

/* A page may be joined with the one beside it, under the lowest key that is below. */
static bool check_beside(const struct walk *walk, const struct ma_lmdb_page *page, size_t i,
			 unsigned int level, const struct ma_lmdb_bounds *bounds)
{
	struct ma_lmdb_bounds inner;
	uint64_t child = ma_lmdb_page_child(page, i, bounds, &inner);

	return check_page(walk, child, level, &inner) && mark(walk->check, child) &&
	       check_lowest(walk, child, level, &inner);
}

static bool check_below(const struct walk *walk, uint64_t number, unsigned int level,
			const struct ma_lmdb_bounds *bounds);

/* What a change of the key may touch: the neighbours of its branch, and the branch. */
static bool check_branch(const struct walk *walk, const struct ma_lmdb_page *page,
			 unsigned int level, const struct ma_lmdb_bounds *bounds)
{
	size_t at = ma_lmdb_page_branch(page, walk->key);
	struct ma_lmdb_bounds inner;
	uint64_t child;

	if (!check_lowest(walk, page->number, level, bounds))
		return false;
	if (at > 0 && !check_beside(walk, page, at - 1, level + 1, bounds))
		return false;
	if (at + 1 < ma_lmdb_page_count(page) &&
	    !check_beside(walk, page, at + 1, level + 1, bounds))
		return false;
	child = ma_lmdb_page_child(page, at, bounds, &inner);
	return check_below(walk, child, level + 1, &inner);
}

/* As deep as the tree, of which the depth was checked. */
static bool check_below(const struct walk *walk, uint64_t number, unsigned int level,
			const struct ma_lmdb_bounds *bounds)
{
	struct check *check = walk->check;
	struct ma_lmdb_page page = page_of(walk, number, level);

	if (!check_page(walk, number, level, bounds) || !mark(check, number))
		return false;
	if (!page.is_branch) {
		check->counted.n_leaves++;
		return check_values(walk, &page);
	}
	check->counted.n_branches++;
	if (walk->has_key)
		return check_branch(walk, &page, level, bounds);
	for (size_t i = 0; i < ma_lmdb_page_count(&page); i++) {
		struct ma_lmdb_bounds inner;
		uint64_t child = ma_lmdb_page_child(&page, i, bounds, &inner);

		if (!check_below(walk, child, level + 1, &inner))
			return false;
	}
	return true;
}

static bool check_tree(const struct walk *walk)
{
	static const struct ma_lmdb_bounds everything = {.low = {.p = NULL}};
	struct ma_lmdb_tree *counted = &walk->check->counted;

	*counted = (struct ma_lmdb_tree){0};
	if (walk->tree->root != MA_LMDB_NO_PAGE &&
	    !check_below(walk, walk->tree->root, 0, &everything))
		return false;
	if (walk->has_key)
		return true;
	if (counted->n_branches != walk->tree->n_branches ||
	    counted->n_leaves != walk->tree->n_leaves ||
	    counted->n_overflows != walk->tree->n_overflows ||
	    counted->n_entries != walk->tree->n_entries)
		return bad(walk->check, walk->check->txn_id % 2,
			   "counts other pages than there are");
	return true;
}

static bool begin(struct check *check, uint64_t txn_id, struct ma_lmdb_header *header_out)
{
	struct ma_lmdb_header headers[2];
	unsigned int depth;

	if (!read_headers(check, headers))
		return bad(check, 0, "is gone");
	if (check->error != 0)
		return false;
	*header_out = headers[txn_id % 2];
	/* The lock file has its own idea of which commit is the last. */
	if (header_out->txn_id != txn_id)
		return bad(check, txn_id % 2, "is not of the last commit: was the file replaced?");
	/* It need not be the newer one: somebody may have committed since. */
	if (!has_no_fault(check, txn_id % 2, ma_lmdb_roots_fault(header_out)))
		return false;
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

static bool take(uint64_t *room, uint64_t n)
{
	if (n > *room)
		return false;
	*room -= n;
	return true;
}

/*
 * Pages that are neither free nor of the tree of free pages are there for the records; if they are
 * too few, the header's last page is too low, and LMDB would write over those behind it.
 *
 * An old list of free pages is in order, but for the fact that the pages are in use again. Each
 * commit frees some, unless it found no records: then all of its pages are new, behind the others.
 */
static bool check_free_tree(struct check *check, const struct ma_lmdb_header *header)
{
	const struct ma_lmdb_tree *records = &header->records;
	uint64_t room;

	if (!check_tree(&(struct walk){.check = check, .tree = &header->free, .is_free = true}))
		return false;
	room = header->last_page - 1 - check->n_seen;
	if (!take(&room, records->n_branches) || !take(&room, records->n_leaves) ||
	    !take(&room, records->n_overflows))
		return bad(check, check->txn_id % 2, "counts fewer pages than there are");
	if (header->free.root != MA_LMDB_NO_PAGE && check->newest_list != header->txn_id &&
	    check->highest != room + 1 + check->n_seen)
		return bad(check, header->free.root, "is an old list of free pages");
	return true;
}

static int check_trees(struct check *check, uint64_t txn_id, const struct ma_span *key)
{
	struct ma_lmdb_header header;

	if (begin(check, txn_id, &header) && check_free_tree(check, &header)) {
		/* Those of lists are no matter: that tree was seen whole, and its pages add up. */
		check->has_spare = false;
		(void)check_tree(&(struct walk){.check = check,
						.tree = &header.records,
						.has_key = key != NULL,
						.key = key != NULL ? *key : ma_span(NULL, 0)});
	}
	ma_free(check->seen);
	ma_free(check->pages);
	return check->error;
}

int ma_lmdb_check_way(int fd, uint64_t txn_id, struct ma_span key,
		      struct ma_lmdb_damage *damage_out)
{
	struct check check = {.fd = fd, .damage = damage_out};
	int error = check_trees(&check, txn_id, &key);

	/* Whether the pages to spare are another record's can only be seen of all. */
	if (error == 0 && check.has_spare)
		return ma_lmdb_check_all(fd, txn_id, damage_out);
	return error;
}

int ma_lmdb_check_all(int fd, uint64_t txn_id, struct ma_lmdb_damage *damage_out)
{
	struct check check = {.fd = fd, .damage = damage_out};

	return check_trees(&check, txn_id, NULL);
}
