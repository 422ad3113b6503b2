/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_lmdb_check.c - what LMDB writes is found in order, and each kind of damage by its name
 *
 * tests/api/test_damage.c damages at random; here each number of the file is made wrong on purpose.
 */
#include "store/lmdb_check.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

#define PAGE	4096
#define MAP	(16 << 20)
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

/* ---- a file by LMDB ---- */

static void name_of(unsigned int i, char out[16])
{
	(void)snprintf(out, 16, "key%03u", i);
}

static void put_some(MDB_env *env, unsigned int first, unsigned int n, size_t len)
{
	static char value[3 * PAGE];
	char name[16];
	MDB_txn *txn;
	MDB_dbi dbi;

	ck_assert_int_eq(mdb_txn_begin(env, NULL, 0, &txn), 0);
	ck_assert_int_eq(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	for (unsigned int i = first; i < first + n; i++) {
		MDB_val key = {.mv_data = name};
		MDB_val record = {.mv_size = len, .mv_data = value};

		name_of(i, name);
		key.mv_size = strlen(name);
		ck_assert_int_eq(mdb_put(txn, dbi, &key, &record, 0), 0);
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

static void make_file(void)
{
	const char *path = support_path("check.mdb");
	MDB_env *env;

	(void)unlink(path);
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_set_mapsize(env, MAP), 0);
	ck_assert_int_eq(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
	put_some(env, 0, N_KEYS, 100);
	put_some(env, 300, 1, sizeof(char[2 * PAGE]));
	for (unsigned int i = 0; i < 20; i++)
		put_some(env, i * 10, 1, 100 + i);
	mdb_env_close(env);
	if (file >= 0)
		(void)close(file);
	file = open(path, O_RDWR);
	ck_assert_int_ge(file, 0);
	big = 0;
	find_pages();
}

static int check_way(const char *key, struct ma_lmdb_damage *damage)
{
	return ma_lmdb_check_way(file, last_commit, ma_span_text(key), damage);
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
	expect(last_commit % 2, RECORDS + 8, 8, 99, "counts other pages than there are");
	expect(last_commit % 2, RECORDS + 16, 8, 99, "counts other pages than there are");
	expect(last_commit % 2, RECORDS + 24, 8, 99, "counts other pages than there are");
	expect(last_commit % 2, RECORDS + 32, 8, 99, "counts other pages than there are");
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
	expect(leaf, node_at(leaf, 1) + 6, 2, 0, "has its keys in the wrong order");
	expect(leaf, node_at(leaf, 1) + 8, 2, 0x2020, "has its keys in the wrong order");
	expect(neighbour, node_at(neighbour, 0) + 8, 2, 0x2020, "has its keys in the wrong order");
	expect(leaf, node_at(leaf, n_nodes(leaf) - 1) + 8, 2, 0x7a7a,
	       "has its keys in the wrong order");
	/* a child */
	expect(root, node_at(root, 0), 2, 1, "is asked for, and is none");
	expect(root, node_at(root, 0) + 2, 2, 1, "is asked for, and is none");
	expect(root, node_at(root, 0), 2, neighbour, "has its keys in the wrong order");
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
	expect(free_leaf, node + 6, 2, 6, "has its keys in the wrong order");
	expect(free_leaf, list, 8, 1000, "has a list of free pages that is cut short");
	expect(free_leaf, list + 8, 8, 1, "lists a page as free that is none");
	expect(free_leaf, list + 8, 8, 1 << 20, "lists a page as free that is none");
	expect(free_leaf, list + 16, 8, number_at(free_leaf, list + 8, 8),
	       "lists a page as free that is none");
	/* the list of the commit before */
	expect(last_commit % 2, FREE_ROOT, 8, number_at(1 - last_commit % 2, FREE_ROOT, 8),
	       "is an old list of free pages");
	/* in use by the records; in order, if it were free */
	set_number(free_leaf, list, 8, 1);
	expect(free_leaf, list + 8, 8, root, "is used twice");
	set_number(free_leaf, list + 8, 8, root);
	ck_assert_int_eq(check_way("key599", &damage), MA_LMDB_DAMAGED);
	ck_assert_uint_eq(damage.page, root);
}
END_TEST

/* As after a change of everybody: more than go into a page, in pages of its own. */
START_TEST(knows_a_long_list_of_free_pages)
{
	struct ma_lmdb_damage damage;
	const char *path = support_path("long.mdb");
	uint64_t list = 0;
	MDB_env *env;

	(void)unlink(path);
	ck_assert_int_eq(mdb_env_create(&env), 0);
	ck_assert_int_eq(mdb_env_set_mapsize(env, MAP), 0);
	ck_assert_int_eq(mdb_env_open(env, path, MDB_NOSUBDIR, 0600), 0);
	put_some(env, 0, 999, 3000);
	put_some(env, 0, 999, 3001);
	mdb_env_close(env);
	if (file >= 0)
		(void)close(file);
	file = open(path, O_RDWR);
	ck_assert_int_ge(file, 0);
	last_commit = 2;
	free_leaf = number_at(0, FREE_ROOT, 8);
	list = number_at(free_leaf, node_at(free_leaf, n_nodes(free_leaf) - 1) + 16, 8);
	ck_assert_uint_gt(number_at(list, 16, 8), 700); /* more than are read at once */
	ck_assert_int_eq(ma_lmdb_check_all(file, last_commit, &damage), 0);
	for (size_t i = 1; i <= number_at(list, 16, 8); i += 100)
		expect(list, 16 + 8 * i, 8, 1, "lists a page as free that is none");
	expect(list, 16 + 8 * 513, 8, number_at(list, 16 + 8 * 512, 8),
	       "lists a page as free that is none");
	expect(list, 16, 8, 1 << 20, "has a list of free pages that is cut short");
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
	tcase_add_test(tcase, knows_a_value_in_pages_of_its_own);
	tcase_add_test(tcase, knows_the_list_of_free_pages);
	tcase_add_test(tcase, knows_a_long_list_of_free_pages);
	tcase_add_test(tcase, looks_at_what_a_change_touches);
	tcase_add_test(tcase, knows_a_file_that_was_cut);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
