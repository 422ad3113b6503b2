/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_lmdb_check.c - what LMDB writes is found in order, and each kind of damage by its name
 *
 * tests/api/test_damage.c damages at random; here each number of the file is made wrong on purpose.
 * Pages that LMDB would not write are in test_lmdb_check_page.c.
 */
#include "store/lmdb_check.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "support.h"
#include "util/mem.h"

#define PAGE	4096
#define MAP	(64 << 20)
#define N_KEYS	600
#define BIG_KEY "key300" /* its value takes pages of its own */

static int file = -1;
static uint64_t last_commit;
static uint64_t root;	   /* of the records, a branch */
static uint64_t leaf;	   /* under the root, with key000 */
static uint64_t neighbour; /* the next one */
static uint64_t big;	   /* the first page of the big value */
static uint64_t big_leaf;  /* the leaf that has it */
static uint64_t free_leaf; /* of the tree of free pages */

/* ---- reads that fail ---- */

static size_t n_reads;
static size_t failing_read; /* counted from 1; 0: none */
static int failing_with;

/* In the place of the C library's, under the names that its headers give it. LMDB has its own. */
ssize_t test_pread(int fd, void *p, size_t len, off_t at) __asm__("pread64");
ssize_t test_pread_chk(int fd, void *p, size_t len, off_t at, size_t size) __asm__("__pread64_chk");

ssize_t test_pread(int fd, void *p, size_t len, off_t at)
{
	struct iovec vec = {.iov_base = p, .iov_len = len};

	if (++n_reads == failing_read) {
		errno = failing_with;
		return -1;
	}
	return preadv(fd, &vec, 1, at);
}

ssize_t test_pread_chk(int fd, void *p, size_t len, off_t at, size_t size)
{
	ck_assert_uint_le(len, size);
	return test_pread(fd, p, len, at);
}

/* ---- a file by LMDB ---- */

static void name_of(unsigned int i, char out[16])
{
	(void)snprintf(out, 16, "key%03u", i);
}

static void put(MDB_txn *txn, MDB_dbi dbi, struct ma_span name, size_t len)
{
	static char value[3 * PAGE];
	static char copy[512];
	MDB_val key = {.mv_size = name.len, .mv_data = copy};
	MDB_val record = {.mv_size = len, .mv_data = value};

	ck_assert_uint_le(name.len, sizeof(copy));
	memcpy(copy, name.p, name.len);
	ck_assert_int_eq(mdb_put(txn, dbi, &key, &record, 0), 0);
}

static MDB_txn *begin(MDB_env *env, MDB_dbi *dbi_out)
{
	MDB_txn *txn;

	ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	ck_assert_int_eq(mdb_dbi_open(txn, NULL, 0, dbi_out), 0);
	return txn;
}

static void put_some(MDB_env *env, unsigned int first, unsigned int n, size_t len)
{
	MDB_dbi dbi;
	MDB_txn *txn = begin(env, &dbi);
	char name[16];

	for (unsigned int i = first; i < first + n; i++) {
		name_of(i, name);
		put(txn, dbi, ma_span_text(name), len);
	}
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
}

/* One key, in one commit. */
static void put_twice(MDB_env *env, unsigned int number, size_t len, size_t second_len)
{
	MDB_dbi dbi;
	MDB_txn *txn = begin(env, &dbi);
	char name[16];

	name_of(number, name);
	put(txn, dbi, ma_span_text(name), len);
	put(txn, dbi, ma_span_text(name), second_len);
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
}

/* So long that few go into a branch: the tree gets deep. */
static void put_long_names(MDB_env *env, unsigned int n)
{
	MDB_dbi dbi;
	MDB_txn *txn = begin(env, &dbi);
	char name[512];

	for (unsigned int i = 0; i < n; i++) {
		(void)snprintf(name, sizeof(name), "%0500u", i);
		put(txn, dbi, ma_span_text(name), 100);
	}
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
}

static void remove_some(MDB_env *env, unsigned int first, unsigned int n)
{
	MDB_dbi dbi;
	MDB_txn *txn = begin(env, &dbi);
	char name[16];

	for (unsigned int i = first; i < first + n; i++) {
		MDB_val key = {.mv_data = name};

		name_of(i, name);
		key.mv_size = strlen(name);
		ck_assert_int_eq(mdb_del(txn, dbi, &key, NULL), 0);
	}
	ck_assert_int_eq(mdb_txn_commit(txn), 0);
}

static uint64_t number_at(uint64_t page, size_t offset, size_t len)
{
	uint64_t number = 0;
	uint8_t bytes[8];

	ck_assert_int_eq(pread(file, bytes, len, (off_t)(page * PAGE + offset)), (ssize_t)len);
	if (len == 2) {
		uint16_t word;

		memcpy(&word, bytes, sizeof(word));
		return word;
	}
	memcpy(&number, bytes, len);
	return number;
}

static void set_number(uint64_t page, size_t offset, size_t len, uint64_t number)
{
	uint16_t word = (uint16_t)number;
	uint32_t half = (uint32_t)number;
	const void *p = &number;

	if (len == 2)
		p = &word;
	else if (len == 4)
		p = &half;
	ck_assert_int_eq(pwrite(file, p, len, (off_t)(page * PAGE + offset)), (ssize_t)len);
}

/* Where node @i of a page is. */
static size_t node_at(uint64_t page, size_t i)
{
	return (size_t)number_at(page, 16 + 2 * i, 2);
}

static uint64_t child_at(uint64_t page, size_t i)
{
	size_t node = node_at(page, i);

	return number_at(page, node, 2) | number_at(page, node + 2, 2) << 16;
}

static uint64_t n_nodes(uint64_t page)
{
	return (number_at(page, 12, 2) - 16) / 2;
}

#define FREE_ROOT    (16 + 24 + 40)
#define RECORDS	     (16 + 24 + 48)
#define RECORDS_ROOT (RECORDS + 40)
#define LAST_PAGE    (16 + 24 + 96)
#define TXN_ID	     (LAST_PAGE + 8)

static void find_pages(void)
{
	uint64_t header = number_at(1, TXN_ID, 8) > number_at(0, TXN_ID, 8);

	last_commit = number_at(header, TXN_ID, 8);
	root = number_at(header, RECORDS_ROOT, 8);
	free_leaf = number_at(header, FREE_ROOT, 8);
	ck_assert_uint_eq(number_at(root, 10, 2), 1); /* a branch */
	leaf = child_at(root, 0);
	neighbour = child_at(root, 1);
	for (size_t i = 0; i < n_nodes(root) && big == 0; i++) {
		big_leaf = child_at(root, i);
		for (size_t j = 0; j < n_nodes(big_leaf) && big == 0; j++)
			if ((number_at(big_leaf, node_at(big_leaf, j) + 4, 2) & 1) != 0)
				big = number_at(big_leaf,
						node_at(big_leaf, j) + 8 + strlen(BIG_KEY), 8);
	}
	ck_assert_uint_gt(big, 1);
}

/* Takes the place of the last one. */
static MDB_env *open_env(void)
{
	const char *path = support_path("check.mdb");
	MDB_env *env;

	(void)unlink(path);
	(void)unlink(support_path("check.mdb-lock"));
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_set_mapsize(env, MAP), 0);
	ck_assert_int_eq(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
	if (file >= 0)
		(void)close(file);
	file = open(path, O_RDWR);
	ck_assert_int_ge(file, 0);
	return env;
}

static void make_file(void)
{
	MDB_env *env = open_env();

	put_some(env, 0, N_KEYS, 100);
	put_some(env, 300, 1, sizeof(char[2 * PAGE]));
	for (unsigned int i = 0; i < 20; i++)
		put_some(env, i * 10, 1, 100 + i);
	mdb_env_close(env);
	big = 0;
	find_pages();
}

static int check_way(const char *key, struct ma_lmdb_damage *damage)
{
	return ma_lmdb_check_way(file, last_commit, ma_span_text(key), damage);
}

/* The way to the first key of a leaf. */
static int check_way_to_first(uint64_t page, struct ma_lmdb_damage *damage)
{
	char key[512];
	size_t node = node_at(page, 0);
	size_t len = (size_t)number_at(page, node + 6, 2);

	ck_assert_uint_le(len, sizeof(key));
	ck_assert_int_eq(pread(file, key, len, (off_t)(page * PAGE + node + 8)), (ssize_t)len);
	return ma_lmdb_check_way(file, last_commit, ma_span(key, len), damage);
}

/* ---- in order ---- */

START_TEST(finds_nothing_in_a_sound_file)
{
	struct ma_lmdb_damage damage;
	char name[16];

	make_file();
	ck_assert_int_eq(ma_lmdb_check_header(file, &damage), 0);
	ck_assert_int_eq(ma_lmdb_check_all(file, last_commit, &damage), 0);
	for (unsigned int i = 0; i < N_KEYS; i++) {
		name_of(i, name);
		ck_assert_int_eq(check_way(name, &damage), 0);
	}
	ck_assert_int_eq(check_way("", &damage), 0);
	ck_assert_int_eq(check_way("a", &damage), 0);
	ck_assert_int_eq(check_way("z", &damage), 0);
}
END_TEST

START_TEST(takes_an_empty_file_for_a_store_to_be)
{
	struct ma_lmdb_damage damage = {0};
	int fd;

	(void)unlink(support_path("empty.mdb"));
	fd = open(support_path("empty.mdb"), O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ma_lmdb_check_header(fd, &damage), 0);
	ck_assert_int_eq(ma_lmdb_check_all(fd, 1, &damage), MA_LMDB_DAMAGED);
	ck_assert_str_eq(damage.what, "is gone");
	ck_assert_int_eq(write(fd, "x", 1), 1);
	ck_assert_int_eq(ma_lmdb_check_header(fd, &damage), MA_LMDB_DAMAGED);
	ck_assert_str_eq(damage.what, "is cut short");
	ck_assert_int_eq(close(fd), 0);
	ck_assert_int_eq(ma_lmdb_check_header(fd, &damage), EBADF);
}
END_TEST

START_TEST(finds_nothing_in_a_store_without_records)
{
	struct ma_lmdb_damage damage;
	MDB_env *env;
	const char *path = support_path("fresh.mdb");
	int fd;

	(void)unlink(path);
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
	mdb_env_close(env);
	fd = open(path, O_RDWR);
	ck_assert_int_eq(ma_lmdb_check_header(fd, &damage), 0);
	ck_assert_int_eq(ma_lmdb_check_all(fd, 0, &damage), 0);
	ck_assert_int_eq(ma_lmdb_check_way(fd, 0, ma_span_text("k"), &damage), 0);
	ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* ---- damaged ---- */

/* Each is put right again afterwards. */
static void expect(uint64_t page, size_t offset, size_t len, uint64_t number, const char *what)
{
	struct ma_lmdb_damage damage = {0};
	uint64_t before = number_at(page, offset, len);
	int error;

	set_number(page, offset, len, number);
	error = ma_lmdb_check_all(file, last_commit, &damage);
	ck_assert_msg(error == MA_LMDB_DAMAGED && strcmp(damage.what, what) == 0,
		      "page %llu, byte %zu: got %d \"page %llu %s\", want \"%s\"",
		      (unsigned long long)page, offset, error, (unsigned long long)damage.page,
		      damage.what != NULL ? damage.what : "", what);
	set_number(page, offset, len, before);
	ck_assert_int_eq(ma_lmdb_check_all(file, last_commit, &damage), 0);
}

START_TEST(knows_each_number_of_a_header)
{
	static const struct {
		size_t offset;
		size_t len;
		uint64_t number;
		const char *what;
	} rows[] = {
		{0, 8, 7, "is no header of an LMDB file"},
		{10, 2, 2, "is no header of an LMDB file"},
		{16, 4, 1, "is no header of an LMDB file"},
		{20, 4, 2, "has the version of another LMDB"},
		{40, 4, 0, "has an impossible page size"},
		{40, 4, 256, "has an impossible page size"},
		{40, 4, 4097, "has an impossible page size"},
		{40, 4, 65536, "has an impossible page size"},
		{32, 8, UINT64_MAX, "counts more pages than there can be"},
		{32, 8, PAGE, "counts more pages than there can be"},
		{LAST_PAGE, 8, 0, "counts more pages than there can be"},
		{LAST_PAGE, 8, UINT64_MAX, "counts more pages than there can be"},
		{44, 2, 0, "has flags that a store never has"},
		{44, 2, 0xc, "has flags that a store never has"},
		{RECORDS + 4, 2, 4, "has flags that a store never has"},
		{46, 2, 33, "gives a tree an impossible depth"},
		{46, 2, 0, "gives a tree an impossible depth"},
		{FREE_ROOT, 8, UINT64_MAX, "gives a tree an impossible depth"},
		{RECORDS + 6, 2, 33, "gives a tree an impossible depth"},
		{RECORDS_ROOT, 8, 1, "gives a tree a root that is no page"},
		{RECORDS_ROOT, 8, 1 << 20, "gives a tree a root that is no page"},
	};
	struct ma_lmdb_damage damage;

	make_file();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (uint64_t page = 0; page < 2; page++)
			if (page == last_commit % 2 || strstr(rows[i].what, "a tree") == NULL)
				expect(page, rows[i].offset, rows[i].len, rows[i].number,
				       rows[i].what);
	/* The roots of the older one are not used, and half of a new one after a failed write. */
	set_number(1 - last_commit % 2, RECORDS + 6, 2, 33);
	ck_assert_int_eq(ma_lmdb_check_header(file, &damage), 0);
	ck_assert_int_eq(ma_lmdb_check_all(file, last_commit, &damage), 0);
	make_file();
	expect(0, TXN_ID, 8, last_commit + 1 + last_commit % 2, "has the number of another commit");
	expect(0, TXN_ID, 8, 1000, "does not belong to the header on page 0");
	expect(1, TXN_ID, 8, 1001, "does not belong to the header on page 0");
	/* pages of each kind, and records */
	for (size_t at = 8; at <= 32; at += 8)
		expect(last_commit % 2, RECORDS + at, 8, 0, "counts other pages than there are");
	expect(last_commit % 2, RECORDS + 32, 8, 999, "counts other pages than there are");
	for (size_t at = 8; at <= 24; at += 8) {
		expect(last_commit % 2, RECORDS + at, 8, 999, "counts fewer pages than there are");
		expect(last_commit % 2, RECORDS + at, 8, UINT64_MAX,
		       "counts fewer pages than there are");
	}
}
END_TEST

START_TEST(knows_when_the_file_was_replaced)
{
	static const char what[] = "is not of the last commit: was the file replaced?";
	struct ma_lmdb_damage damage;

	make_file();
	ck_assert_int_eq(ma_lmdb_check_all(file, last_commit + 2, &damage), MA_LMDB_DAMAGED);
	ck_assert_str_eq(damage.what, what);
	ck_assert_int_eq(ma_lmdb_check_way(file, last_commit - 2, ma_span_text("k"), &damage),
			 MA_LMDB_DAMAGED);
	ck_assert_str_eq(damage.what, what);
}
END_TEST

START_TEST(knows_each_number_of_a_page)
{
	make_file();
	expect(leaf, 0, 8, leaf + 1, "says that it is another one");
	expect(leaf, 10, 2, 1, "is of the wrong kind");
	expect(leaf, 10, 2, 0, "is of the wrong kind");
	expect(leaf, 10, 2, 0x22, "is of the wrong kind");
	expect(root, 10, 2, 2, "is of the wrong kind");
	expect(leaf, 12, 2, 16, "has impossible sizes");
	expect(leaf, 12, 2, 21, "has impossible sizes");
	expect(leaf, 12, 2, 4000, "has impossible sizes");
	expect(leaf, 14, 2, PAGE + 2, "has impossible sizes");
	expect(leaf, 14, 2, number_at(leaf, 14, 2) - 2, "has records that overlap");
	expect(root, 12, 2, 18, "has a single branch");
	/* the place of a node */
	expect(leaf, 16, 2, number_at(leaf, 16, 2) + 1, "has a record that does not fit in");
	expect(leaf, 16, 2, 20, "has a record that does not fit in");
	expect(leaf, 16, 2, PAGE - 2, "has a record that does not fit in");
	/* its size, flags and key */
	expect(leaf, node_at(leaf, 1) + 2, 2, 1, "has a record that does not fit in");
	expect(leaf, node_at(leaf, 1) + 6, 2, 5000, "has a record that does not fit in");
	expect(leaf, node_at(leaf, 1) + 4, 2, 2, "has a record with flags that none has");
	expect(leaf, node_at(leaf, 1) + 6, 2, 0, "has records that overlap");
	expect(leaf, node_at(leaf, 1) + 8, 2, 0x2020, "has its keys in the wrong order");
	expect(neighbour, node_at(neighbour, 0) + 8, 2, 0x2020, "has its keys in the wrong order");
	expect(leaf, node_at(leaf, n_nodes(leaf) - 1) + 8, 2, 0x7a7a,
	       "has its keys in the wrong order");
	/* a child */
	expect(root, node_at(root, 0), 2, 1, "is asked for, and is none");
	expect(root, node_at(root, 0) + 2, 2, 1, "is asked for, and is none");
	expect(root, node_at(root, 0), 2, number_at(last_commit % 2, LAST_PAGE, 8) + 1,
	       "is asked for, and is none");
	expect(root, node_at(root, 0), 2, neighbour, "has its keys in the wrong order");
}
END_TEST

/*
 * The first branch in the last bytes of another: 8 bytes as before, and its key is never looked at.
 * A change far from it would move what lies between them.
 */
START_TEST(knows_nodes_in_each_other)
{
	struct ma_lmdb_damage damage;

	make_file();
	for (size_t i = 1; i + 1 < n_nodes(root); i++) {
		size_t before = node_at(root, 0);

		set_number(root, 16, 2, node_at(root, i) - 4);
		ck_assert_int_eq(check_way("key599", &damage), MA_LMDB_DAMAGED);
		ck_assert_uint_eq(damage.page, root);
		ck_assert_str_eq(damage.what, "has records that overlap");
		set_number(root, 16, 2, before);
	}
	ck_assert_int_eq(check_way("key599", &damage), 0);
}
END_TEST

START_TEST(knows_a_value_in_pages_of_its_own)
{
	size_t node = 0;

	make_file();
	for (size_t j = 0; j < n_nodes(big_leaf); j++)
		if ((number_at(big_leaf, node_at(big_leaf, j) + 4, 2) & 1) != 0)
			node = node_at(big_leaf, j);
	expect(big, 0, 8, big + 1, "does not begin the long record it should");
	expect(big, 10, 2, 2, "does not begin the long record it should");
	expect(big, 12, 4, 2, "does not begin the long record it should");
	expect(big, 12, 4, UINT32_MAX, "does not begin the long record it should");
	expect(big_leaf, node + 8 + strlen(BIG_KEY), 8, 1, "is asked for, and is none");
	expect(big_leaf, node + 8 + strlen(BIG_KEY), 8, 1 << 20, "is asked for, and is none");
	expect(big_leaf, node + 2, 2, 0xffff, "is asked for, and is none");
	expect(big_leaf, node + 8 + strlen(BIG_KEY), 8, leaf,
	       "does not begin the long record it should");
}
END_TEST

START_TEST(knows_the_list_of_free_pages)
{
	struct ma_lmdb_damage damage;
	size_t node;
	size_t list;

	make_file();
	node = node_at(free_leaf, 0);
	list = node + 8 + 8;
	ck_assert_uint_gt(number_at(free_leaf, list, 8), 1);
	expect(free_leaf, node + 8, 8, 0, "lists pages as free that a later commit will free");
	expect(free_leaf, node_at(free_leaf, n_nodes(free_leaf) - 1) + 8, 8, last_commit + 1,
	       "lists pages as free that a later commit will free");
	expect(free_leaf, node + 6, 2, 6, "has records that overlap");
	expect(free_leaf, node + 6, 2, 7, "has a key of an impossible length");
	expect(free_leaf, node, 2, number_at(free_leaf, node, 2) - 1,
	       "has a list of free pages of an impossible size");
	expect(free_leaf, list, 8, 1000, "has a list of free pages that is cut short");
	expect(free_leaf, list + 8, 8, 1, "lists a page as free that is none");
	expect(free_leaf, list + 8, 8, 1 << 20, "lists a page as free that is none");
	expect(free_leaf, list + 16, 8, number_at(free_leaf, list + 8, 8),
	       "lists a page as free that is none");
	/* the list of the commit before */
	expect(last_commit % 2, FREE_ROOT, 8, number_at(1 - last_commit % 2, FREE_ROOT, 8),
	       "is an old list of free pages");
	/* in use; in order, if they were free */
	set_number(free_leaf, list, 8, 1);
	expect(free_leaf, list + 8, 8, free_leaf, "is used twice");
	expect(free_leaf, list + 8, 8, root, "is used twice");
	expect(free_leaf, list + 8, 8, leaf, "is used twice");
	expect(free_leaf, list + 8, 8, big, "is used twice");
	expect(free_leaf, list + 8, 8, big + 2, "is used twice");
	set_number(free_leaf, list + 8, 8, root);
	ck_assert_int_eq(check_way("key599", &damage), MA_LMDB_DAMAGED);
	ck_assert_uint_eq(damage.page, root);
	/* a neighbour on either side */
	set_number(free_leaf, list + 8, 8, neighbour);
	ck_assert_int_eq(check_way("key000", &damage), MA_LMDB_DAMAGED);
	ck_assert_uint_eq(damage.page, neighbour);
	set_number(free_leaf, list + 8, 8, leaf);
	ck_assert_int_eq(check_way("key599", &damage), 0);
	ck_assert_int_eq(check_way_to_first(neighbour, &damage), MA_LMDB_DAMAGED);
	ck_assert_uint_eq(damage.page, leaf);
	ck_assert_str_eq(damage.what, "is used twice");
}
END_TEST

/* As after a change of everybody: more than go into a page, in pages of its own. */
static uint64_t make_long_list(void)
{
	MDB_env *env = open_env();
	uint64_t list;
	size_t node;

	put_some(env, 0, 999, 3000);
	put_some(env, 0, 999, 3001);
	mdb_env_close(env);
	last_commit = 2;
	free_leaf = number_at(0, FREE_ROOT, 8);
	node = node_at(free_leaf, n_nodes(free_leaf) - 1);
	ck_assert_uint_eq(number_at(free_leaf, node + 4, 2), 1); /* elsewhere */
	list = number_at(free_leaf, node + 16, 8);
	ck_assert_uint_gt(number_at(list, 16, 8), 700); /* more than are read at once */
	return list;
}

START_TEST(knows_a_long_list_of_free_pages)
{
	struct ma_lmdb_damage damage;
	uint64_t list = make_long_list();
	size_t node = node_at(free_leaf, n_nodes(free_leaf) - 1);

	ck_assert_int_eq(ma_lmdb_check_all(file, last_commit, &damage), 0);
	for (size_t i = 1; i <= number_at(list, 16, 8); i += 100)
		expect(list, 16 + 8 * i, 8, 1, "lists a page as free that is none");
	expect(list, 16 + 8 * 513, 8, number_at(list, 16 + 8 * 512, 8),
	       "lists a page as free that is none");
	expect(list, 16, 8, 1 << 20, "has a list of free pages that is cut short");
	expect(list, 12, 4, 1, "does not begin the long record it should");
	expect(free_leaf, node, 2, 0, "has a list of free pages of an impossible size");
	/* Behind the end of the file: its number of pages is right, and the first is there. */
	ck_assert_int_eq(ftruncate(file, (off_t)(list * PAGE + 24)), 0);
	ck_assert_int_eq(ma_lmdb_check_all(file, last_commit, &damage), MA_LMDB_DAMAGED);
	ck_assert_str_eq(damage.what, "is behind the end of the file");
	ck_assert_uint_eq(damage.page, list);
}
END_TEST

/*
 * LMDB reserves pages for lists of free pages before it knows how many they will be, and leaves
 * those that it did not need.
 */
START_TEST(lets_a_list_have_more_pages_than_it_needs)
{
	struct ma_lmdb_damage damage;
	uint64_t list = make_long_list();
	size_t node = node_at(free_leaf, n_nodes(free_leaf) - 1);

	ck_assert_uint_gt(number_at(list, 12, 4), 1);
	set_number(list, 16, 8, 100);
	set_number(free_leaf, node, 2, 101 * 8);
	ck_assert_int_eq(ma_lmdb_check_all(file, last_commit, &damage), 0);
	ck_assert_int_eq(check_way("key000", &damage), 0);
	expect(list, 12, 4, 1, "counts other pages than there are");
}
END_TEST

/* A leaf with a value in more pages than one of its size takes. */
static bool has_spare(uint64_t page)
{
	for (size_t i = 0; i < n_nodes(page); i++) {
		size_t node = node_at(page, i);
		uint64_t size = number_at(page, node, 2) | number_at(page, node + 2, 2) << 16;

		if (number_at(page, node + 4, 2) == 1 &&
		    number_at(number_at(page, node + 16, 8), 12, 4) > (size + 15) / PAGE + 1)
			return true;
	}
	return false;
}

/* The same by LMDB itself, after thousands were removed at once. */
START_TEST(lets_lmdb_have_more_pages_than_it_needs)
{
	static const unsigned int n = 5544; /* by trial */
	struct ma_lmdb_damage damage;
	MDB_env *env = open_env();
	size_t n_spare = 0;

	for (unsigned int i = 0; i < 3; i++)
		put_some(env, 900000 + i, 1, 10);
	put_some(env, 100000, n, 3000);
	remove_some(env, 100000, n);
	for (unsigned int i = 0; i < 8; i++) {
		put_some(env, 900000 + i, 1, 10 + i * 300);
		last_commit = 6 + i;
		n_spare += has_spare(number_at(last_commit % 2, FREE_ROOT, 8)) ? 1 : 0;
		ck_assert_msg(ma_lmdb_check_all(file, last_commit, &damage) == 0,
			      "commit %llu: page %llu %s", (unsigned long long)last_commit,
			      (unsigned long long)damage.page, damage.what);
	}
	mdb_env_close(env);
	ck_assert_uint_gt(n_spare, 0);
}
END_TEST

/* A value that was long, and is short at the end of the same commit, keeps its pages. */
START_TEST(lets_a_value_have_more_pages_than_it_needs)
{
	struct ma_lmdb_damage damage;
	MDB_env *env = open_env();

	put_some(env, 0, N_KEYS, 100);
	put_twice(env, 300, sizeof(char[2 * PAGE]), PAGE);
	mdb_env_close(env);
	big = 0;
	find_pages();
	ck_assert_uint_eq(number_at(big, 12, 4), 3);
	ck_assert_int_eq(ma_lmdb_check_all(file, last_commit, &damage), 0);
	ck_assert_int_eq(check_way(BIG_KEY, &damage), 0);
	/* What it has too many may be another's, which nobody sees who looks at the way alone. */
	set_number(neighbour, 10, 2, 0);
	ck_assert_int_eq(check_way(BIG_KEY, &damage), MA_LMDB_DAMAGED);
	ck_assert_uint_eq(damage.page, neighbour);
	set_number(neighbour, 10, 2, 2);
	expect(big, 12, 4, 4, "is used twice");
	expect(big, 12, 4, 2, "counts other pages than there are");
	set_number(big, 12, 4, 4);
	ck_assert_int_eq(check_way(BIG_KEY, &damage), MA_LMDB_DAMAGED);
}
END_TEST

/* A commit that found no records frees no pages: the list is the one before it. */
START_TEST(lets_an_emptied_store_be_filled_at_once)
{
	struct ma_lmdb_damage damage;
	MDB_env *env = open_env();
	uint64_t free_root;

	put_some(env, 0, 1, 100);
	remove_some(env, 0, 1);
	free_root = number_at(0, FREE_ROOT, 8);
	put_some(env, 0, N_KEYS, 100);
	last_commit = 3;
	ck_assert_int_eq(ma_lmdb_check_all(file, last_commit, &damage), 0);
	ck_assert_int_eq(check_way("key000", &damage), 0);
	ck_assert_uint_eq(number_at(1, FREE_ROOT, 8), free_root);
	/* But the next one does. */
	put_some(env, 0, 1, 50);
	mdb_env_close(env);
	last_commit = 4;
	expect(0, FREE_ROOT, 8, free_root, "is an old list of free pages");
}
END_TEST

/* With a last page that is too low LMDB would give out pages that are in use. */
START_TEST(knows_that_there_are_more_pages)
{
	struct ma_lmdb_damage damage;
	MDB_env *env = open_env();
	uint64_t last;

	put_some(env, 0, N_KEYS, 100);
	mdb_env_close(env);
	last_commit = 1;
	last = number_at(1, LAST_PAGE, 8);
	ck_assert_int_eq(check_way("key000", &damage), 0);
	/* Neither the root nor anything on the way is behind it. */
	for (uint64_t n = 1; n < last / 2; n++) {
		set_number(1, LAST_PAGE, 8, last - n);
		ck_assert_int_eq(check_way("key000", &damage), MA_LMDB_DAMAGED);
		ck_assert_uint_eq(damage.page, 1);
		ck_assert_str_eq(damage.what, "counts fewer pages than there are");
	}
}
END_TEST

/* A reader may be one commit behind the newest. */
START_TEST(looks_at_the_header_that_is_in_use)
{
	static const char depth[] = "gives a tree an impossible depth";
	struct ma_lmdb_damage damage;
	uint64_t older;

	make_file();
	older = 1 - last_commit % 2;
	for (uint64_t number = 0; number <= 33; number += 33) {
		uint64_t before = number_at(older, RECORDS + 6, 2);

		set_number(older, RECORDS + 6, 2, number);
		ck_assert_int_eq(ma_lmdb_check_header(file, &damage), 0);
		ck_assert_int_eq(ma_lmdb_check_all(file, last_commit - 1, &damage),
				 MA_LMDB_DAMAGED);
		ck_assert_str_eq(damage.what, depth);
		ck_assert_uint_eq(damage.page, older);
		set_number(older, RECORDS + 6, 2, before);
	}
}
END_TEST

/* The lowest key under a page that is joined with another becomes a key of both. */
START_TEST(looks_at_the_lowest_keys_beside_the_way)
{
	struct ma_lmdb_damage damage;
	MDB_env *env = open_env();
	uint64_t header;
	uint64_t way;
	uint64_t low[3]; /* leaves */

	put_long_names(env, 600);
	mdb_env_close(env);
	last_commit = 1;
	header = 1;
	ck_assert_uint_eq(number_at(header, RECORDS + 6, 2), 4); /* deep */
	root = number_at(header, RECORDS_ROOT, 8);
	ck_assert_uint_ge(n_nodes(root), 3);
	for (size_t i = 0; i < 3; i++)
		low[i] = child_at(child_at(child_at(root, i), 0), 0);
	way = child_at(root, 1);
	way = child_at(way, n_nodes(way) - 1);
	way = child_at(way, n_nodes(way) - 1);
	ck_assert_int_eq(check_way_to_first(way, &damage), 0);
	for (size_t i = 0; i < 3; i++) {
		set_number(low[i], 10, 2, 0);
		ck_assert_int_eq(check_way_to_first(way, &damage), MA_LMDB_DAMAGED);
		ck_assert_uint_eq(damage.page, low[i]);
		set_number(low[i], 10, 2, 2);
	}
}
END_TEST

/* ---- what is no damage ---- */

static size_t n_left;

static bool fail_at_zero(void)
{
	return n_left-- == 0;
}

START_TEST(tells_lack_of_memory_from_damage)
{
	struct ma_lmdb_damage damage = {0};

	make_file();
	for (size_t i = 0; i < 2; i++) {
		n_left = i;
		ma_mem_set_fail(fail_at_zero);
		ck_assert_int_eq(ma_lmdb_check_all(file, last_commit, &damage), ENOMEM);
		ma_mem_set_fail(NULL);
	}
	ck_assert_ptr_null(damage.what);
}
END_TEST

static int check_once(int what)
{
	struct ma_lmdb_damage damage;

	n_reads = 0;
	if (what == 0)
		return ma_lmdb_check_header(file, &damage);
	if (what == 1)
		return ma_lmdb_check_all(file, last_commit, &damage);
	return check_way(BIG_KEY, &damage);
}

/* Each read in turn. */
static void fail_reads(int what)
{
	size_t n;

	failing_read = 0;
	ck_assert_int_eq(check_once(what), 0);
	n = n_reads;
	ck_assert_uint_gt(n, 1);
	for (failing_read = 1; failing_read <= n; failing_read++) {
		failing_with = EIO;
		ck_assert_int_eq(check_once(what), EIO);
		failing_with = EINTR;
		ck_assert_int_eq(check_once(what), 0);
		ck_assert_uint_eq(n_reads, n + 1);
	}
	failing_read = 0;
}

START_TEST(tells_a_failing_disk_from_damage)
{
	make_file();
	for (int what = 0; what < 3; what++)
		fail_reads(what);
	(void)make_long_list();
	fail_reads(2);
}
END_TEST

START_TEST(looks_at_what_a_change_touches)
{
	struct ma_lmdb_damage damage;
	uint64_t last;

	make_file();
	last = child_at(root, n_nodes(root) - 1);
	set_number(neighbour, 10, 2, 0);
	/* itself, and as the neighbour of those beside it */
	ck_assert_int_eq(check_way("key000", &damage), MA_LMDB_DAMAGED);
	ck_assert_uint_eq(damage.page, neighbour);
	/* far away */
	ck_assert_int_eq(check_way("key599", &damage), 0);
	ck_assert_int_eq(check_way(BIG_KEY, &damage), 0);
	set_number(neighbour, 10, 2, 2);
	set_number(last, 12, 2, 0);
	ck_assert_int_eq(check_way("key000", &damage), 0);
	ck_assert_int_eq(check_way("key599", &damage), MA_LMDB_DAMAGED);
	ck_assert_uint_eq(damage.page, last);
}
END_TEST

START_TEST(knows_a_file_that_was_cut)
{
	struct ma_lmdb_damage damage;
	struct stat st;

	make_file();
	ck_assert_int_eq(fstat(file, &st), 0);
	for (off_t pages = st.st_size / PAGE - 1; pages >= 2; pages--) {
		ck_assert_int_eq(ftruncate(file, pages * PAGE), 0);
		if (ma_lmdb_check_all(file, last_commit, &damage) == 0)
			continue; /* they were free */
		ck_assert_str_eq(damage.what, "is behind the end of the file");
		ck_assert_uint_ge(damage.page, (uint64_t)pages);
	}
	ck_assert_int_eq(check_way("key000", &damage), MA_LMDB_DAMAGED);
	ck_assert_int_eq(ftruncate(file, PAGE), 0);
	ck_assert_int_eq(ma_lmdb_check_header(file, &damage), MA_LMDB_DAMAGED);
	ck_assert_str_eq(damage.what, "is behind the end of the file");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lmdb_check");
	TCase *tcase = tcase_create("lmdb_check");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, finds_nothing_in_a_sound_file);
	tcase_add_test(tcase, takes_an_empty_file_for_a_store_to_be);
	tcase_add_test(tcase, finds_nothing_in_a_store_without_records);
	tcase_add_test(tcase, knows_each_number_of_a_header);
	tcase_add_test(tcase, knows_when_the_file_was_replaced);
	tcase_add_test(tcase, knows_each_number_of_a_page);
	tcase_add_test(tcase, knows_nodes_in_each_other);
	tcase_add_test(tcase, knows_a_value_in_pages_of_its_own);
	tcase_add_test(tcase, knows_the_list_of_free_pages);
	tcase_add_test(tcase, knows_a_long_list_of_free_pages);
	tcase_add_test(tcase, lets_a_list_have_more_pages_than_it_needs);
	tcase_add_test(tcase, lets_lmdb_have_more_pages_than_it_needs);
	tcase_add_test(tcase, lets_a_value_have_more_pages_than_it_needs);
	tcase_add_test(tcase, lets_an_emptied_store_be_filled_at_once);
	tcase_add_test(tcase, knows_that_there_are_more_pages);
	tcase_add_test(tcase, looks_at_the_header_that_is_in_use);
	tcase_add_test(tcase, looks_at_the_lowest_keys_beside_the_way);
	tcase_add_test(tcase, tells_lack_of_memory_from_damage);
	tcase_add_test(tcase, tells_a_failing_disk_from_damage);
	tcase_add_test(tcase, looks_at_what_a_change_touches);
	tcase_add_test(tcase, knows_a_file_that_was_cut);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
