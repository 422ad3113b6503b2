/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_file.c - a file is whole or not there
 */
#include "util/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"

static unsigned int n_files(void)
{
	DIR *folder = opendir(support_folder());
	const struct dirent *entry;
	unsigned int n = 0;

	ck_assert_ptr_nonnull(folder);
	while ((entry = readdir(folder)) != NULL)
		n += entry->d_name[0] != '.';
	(void)closedir(folder);
	return n;
}

static void expect_content(const char *path, const void *want, size_t len)
{
	static char got[100000];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	ck_assert_int_ge(fd, 0);
	n = read(fd, got, sizeof(got));
	(void)close(fd);
	ck_assert_int_eq(n, (ssize_t)len);
	if (len > 0)
		ck_assert_mem_eq(got, want, len);
}

START_TEST(makes_a_file_with_mode_and_content)
{
	static const mode_t modes[] = {0600, 0640, 0660, 0444};
	static char large[70000];

	for (size_t i = 0; i < MA_ARRAY_SIZE(modes); i++) {
		const char *path = support_path("made");
		struct stat st;
		int got;

		memset(large, 'a', sizeof(large));
		got = ma_file_create(path, modes[i], (gid_t)-1, ma_span(large, sizeof(large)));
		ck_assert_msg(got == 0, "mode %o: got %d", modes[i], got);
		ck_assert_int_eq(lstat(path, &st), 0);
		ck_assert_msg((st.st_mode & 07777) == modes[i], "got %o, want %o",
			      st.st_mode & 07777, modes[i]);
		ck_assert(S_ISREG(st.st_mode));
		ck_assert_uint_eq(st.st_uid, geteuid());
		ck_assert_uint_eq(st.st_gid, getegid());
		ck_assert_uint_eq(st.st_nlink, 1);
		expect_content(path, large, sizeof(large));
		ck_assert_int_eq(unlink(path), 0);
		ck_assert_uint_eq(n_files(), 0);
	}
}
END_TEST

START_TEST(ignores_the_umask)
{
	const char *path = support_path("made");
	struct stat st;

	(void)umask(0777);
	ck_assert_int_eq(ma_file_create(path, 0640, (gid_t)-1, ma_span("", 0)), 0);
	(void)umask(022);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	expect_content(path, "", 0);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

static const char *const obstacles[] = {"file", "folder", "link", "dangling link"};

START_TEST(leaves_alone_what_is_there)
{
	const char *path = support_path("there");
	const char *other = support_path("other");
	struct stat before;
	struct stat after;
	int got;

	switch (_i) {
	case 0:
		support_file("there", "old", 3);
		break;
	case 1:
		ck_assert_int_eq(mkdir(path, 0700), 0);
		break;
	case 2:
		support_file("other", "old", 3);
		ck_assert_int_eq(symlink(other, path), 0);
		break;
	default:
		ck_assert_int_eq(symlink(other, path), 0);
	}
	ck_assert_int_eq(lstat(path, &before), 0);
	got = ma_file_create(path, 0600, (gid_t)-1, ma_span_text("new"));
	ck_assert_msg(got == EEXIST, "%s: got %d, want EEXIST", obstacles[_i], got);
	ck_assert_int_eq(lstat(path, &after), 0);
	ck_assert_uint_eq(before.st_ino, after.st_ino);
	if (_i == 0 || _i == 2)
		expect_content(path, "old", 3);
	if (_i == 3)
		ck_assert_int_ne(access(other, F_OK), 0);
	ck_assert_int_eq(remove(path), 0);
	(void)unlink(other);
	ck_assert_uint_eq(n_files(), 0);
}
END_TEST

START_TEST(leaves_nothing_behind_when_the_disk_is_full)
{
	/* A file-size limit stands in for a full disk: write() takes a part, then nothing. */
	static char large[70000];
	const struct rlimit small = {.rlim_cur = 5000, .rlim_max = RLIM_INFINITY};
	const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	int got;

	ck_assert_uint_eq(n_files(), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	got = ma_file_create(support_path("made"), 0600, (gid_t)-1, ma_span(large, sizeof(large)));
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	ck_assert_int_eq(got, EFBIG);
	ck_assert_uint_eq(n_files(), 0);
}
END_TEST

START_TEST(replaces_content_and_keeps_the_rest)
{
	static char large[70000];
	const struct rlimit small = {.rlim_cur = 5000, .rlim_max = RLIM_INFINITY};
	const struct rlimit none = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	const char *path = support_path("made");
	struct stat st;
	int got;

	ck_assert_int_eq(ma_file_replace(path, ma_span_text("new")), ENOENT);
	ck_assert_int_eq(ma_file_create(path, 0640, (gid_t)-1, ma_span_text("old")), 0);
	ck_assert_int_eq(ma_file_replace(path, ma_span_text("new!")), 0);
	expect_content(path, "new!", 4);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0640);
	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	got = ma_file_replace(path, ma_span(large, sizeof(large)));
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	ck_assert_int_eq(got, EFBIG);
	expect_content(path, "new!", 4);
	ck_assert_uint_eq(n_files(), 1);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(names_what_is_wrong_with_the_path)
{
	char longest[PATH_MAX + 1];
	static const struct {
		const char *name;
		const char *path;
		int want;
	} rows[] = {
		{"no folder", "/mailauth-test/no/such/folder/x", ENOENT},
		{"not a folder", "/dev/null/x", ENOTDIR},
		{"relative", "x", ENAMETOOLONG},
		{"empty", "", ENAMETOOLONG},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		int got = ma_file_create(rows[i].path, 0600, (gid_t)-1, ma_span_text("x"));

		ck_assert_msg(got == rows[i].want, "%s: got %d, want %d", rows[i].name, got,
			      rows[i].want);
	}
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[PATH_MAX] = '\0';
	ck_assert_int_eq(ma_file_create(longest, 0600, (gid_t)-1, ma_span_text("x")), ENAMETOOLONG);
	longest[PATH_MAX - 2] = '\0'; /* fits, but with nothing beside it */
	ck_assert_int_eq(ma_file_create(longest, 0600, (gid_t)-1, ma_span_text("x")), ENAMETOOLONG);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("file");
	TCase *tcase = tcase_create("file");

	tcase_add_test(tcase, makes_a_file_with_mode_and_content);
	tcase_add_test(tcase, ignores_the_umask);
	tcase_add_loop_test(tcase, leaves_alone_what_is_there, 0, MA_ARRAY_SIZE(obstacles));
	tcase_add_test(tcase, leaves_nothing_behind_when_the_disk_is_full);
	tcase_add_test(tcase, replaces_content_and_keeps_the_rest);
	tcase_add_test(tcase, names_what_is_wrong_with_the_path);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
