/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lmdb_check.h - look at an LMDB file before LMDB does
 *
 * LMDB trusts its file. A flipped bit makes it read what is not there, which a guard survives, or
 * worse: change a page by numbers that stand in the page, beyond its end. So a header is checked
 * before the file is opened, and what a change is going to touch before it is changed.
 *
 * These calls read the file with pread() and know its layout (data version 1 of LMDB 0.9, pages in
 * the byte order of the machine); they do not call LMDB.
 */
#ifndef MA_STORE_LMDB_CHECK_H
#define MA_STORE_LMDB_CHECK_H

#include "util/base.h"
#include "util/span.h"

struct ma_lmdb_damage {
	uint64_t page;
	const char *what; /* "page 12 " + what; static */
};

/* What a check says beside 0 and an errno. Not one of LMDB's own (-30799 to -30780). */
#define MA_LMDB_DAMAGED (-1)

/* Both header pages. An empty file is a store to be, and fine. */
MA_MUST_CHECK int ma_lmdb_check_header(int fd, struct ma_lmdb_damage *damage_out);

/*
 * What a change of the record under @key touches: the header, the list of free pages, the pages on
 * the way to @key and their neighbours. @txn_id: the last commit, which must stay the last
 * one until this returns.
 */
MA_MUST_CHECK int ma_lmdb_check_way(int fd, uint64_t txn_id, struct ma_span key,
				    struct ma_lmdb_damage *damage_out);

/* Every page of that commit, each used once. A reader of that commit must be open meanwhile. */
MA_MUST_CHECK int ma_lmdb_check_all(int fd, uint64_t txn_id, struct ma_lmdb_damage *damage_out);

#endif
