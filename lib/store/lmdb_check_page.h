/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lmdb_check_page.h - what one page of an LMDB file says, and whether it can be true
 *
 * For lmdb_check.c, which reads the pages. Nothing here reads a file or remembers anything: bytes
 * go in that may be damaged in any way, and what is wrong with them comes out, as the words behind
 * "page 12 ", or NULL. Data version 1 of LMDB 0.9, numbers in the byte order of the machine.
 */
#ifndef MA_STORE_LMDB_CHECK_PAGE_H
#define MA_STORE_LMDB_CHECK_PAGE_H

#include "util/base.h"
#include "util/span.h"

#define MA_LMDB_PAGE_MAX 32768 /* bytes */
#define MA_LMDB_NO_PAGE	 UINT64_MAX

struct ma_lmdb_page_head {
	uint64_t number;
	uint16_t unused;
	uint16_t flags;
	uint16_t lower;
	uint16_t upper;
};

struct ma_lmdb_tree {
	uint32_t page_size; /* in the tree of free pages; else unused */
	uint16_t flags;
	uint16_t depth;
	uint64_t n_branches;
	uint64_t n_leaves;
	uint64_t n_overflows;
	uint64_t n_entries;
	uint64_t root; /* or MA_LMDB_NO_PAGE */
};

/* As it stands at the start of the first two pages. */
struct ma_lmdb_header {
	struct ma_lmdb_page_head head;
	uint32_t magic;
	uint32_t version;
	uint64_t address;
	uint64_t map_size;
	struct ma_lmdb_tree free;
	struct ma_lmdb_tree records;
	uint64_t last_page;
	uint64_t txn_id;
};

/* All but the trees' roots. @page: 0 or 1, where it was read. */
MA_MUST_CHECK const char *ma_lmdb_header_fault(const struct ma_lmdb_header *header, uint64_t page);
/* Each is in order; are they of one file? What is wrong is told of the second. */
MA_MUST_CHECK const char *ma_lmdb_headers_fault(const struct ma_lmdb_header headers[2]);
/* For the header in use: after a commit that failed, LMDB leaves half of a new one in the other. */
MA_MUST_CHECK const char *ma_lmdb_roots_fault(const struct ma_lmdb_header *header);

/* A page of a tree, of which all but the bytes is known before. */
struct ma_lmdb_page {
	const uint8_t *bytes;
	size_t size; /* a power of two from 512 to MA_LMDB_PAGE_MAX */
	uint64_t number;
	bool is_branch; /* or a leaf */
	bool is_free;	/* in the tree of free pages; else in the records' */
};

/* Keys below a branch: from @low, less than @high. Without an address: no bound. */
struct ma_lmdb_bounds {
	struct ma_span low;
	struct ma_span high;
};

/* A value in a page of its own stands for its first page's number. */
struct ma_lmdb_node {
	uint64_t child; /* of a branch */
	uint32_t size;	/* of the value */
	bool is_elsewhere;
	struct ma_span key;
	struct ma_span value; /* what is in the page: the value, or the number of its first page */
};

MA_MUST_CHECK const char *ma_lmdb_page_fault(const struct ma_lmdb_page *page,
					     const struct ma_lmdb_bounds *bounds);

/* The rest is for pages without fault. Spans are borrowed from the page. */
MA_MUST_CHECK size_t ma_lmdb_page_count(const struct ma_lmdb_page *page);
/* @i: less than the count. */
MA_MUST_CHECK struct ma_lmdb_node ma_lmdb_page_node(const struct ma_lmdb_page *page, size_t i);
/* The child of a branch, and the bounds of its keys. @outer: the page's own. */
MA_MUST_CHECK uint64_t ma_lmdb_page_child(const struct ma_lmdb_page *page, size_t i,
					  const struct ma_lmdb_bounds *outer,
					  struct ma_lmdb_bounds *bounds_out);
/* The branch under which @key is, or would be. */
MA_MUST_CHECK size_t ma_lmdb_page_branch(const struct ma_lmdb_page *page, struct ma_span key);

/* How many pages a value of @size bytes takes, at least. */
MA_MUST_CHECK uint64_t ma_lmdb_overflow_min(uint32_t size, size_t page_size);
/* How many it has, by the first page's head; 0: that is no such page. */
MA_MUST_CHECK uint64_t ma_lmdb_overflow_count(const struct ma_lmdb_page_head *head,
					      uint64_t number);

#endif
