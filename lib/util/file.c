/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file.c - make files that outlast a loss of power
 *
 * See file.h. A file appears under its name only when its content is on disk. A new one is written
 * without any name, and linked, which fails where a file is there already; so nothing is left of it
 * when the program is killed. Where the file system cannot do that, and to replace a file, it is
 * written beside.
 */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static bool write_all(int fd, struct ma_span content)
{
	ssize_t n;

	while (content.len > 0) {
		n = write(fd, content.p, content.len);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0)
			content = ma_span(content.p + n, content.len - (size_t)n);
	}
	return true;
}

static int fill(int fd, mode_t mode, gid_t group, struct ma_span content)
{
	if (write_all(fd, content) && fchown(fd, (uid_t)-1, group) == 0 && fchmod(fd, mode) == 0 &&
	    fsync(fd) == 0)
		return 0;
	return errno;
}

static void folder_of(const char *path, char folder[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	(void)snprintf(folder, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static int sync_folder(const char *path)
{
	char folder[PATH_MAX];
	int fd;
	int error;

	folder_of(path, folder);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	error = fsync(fd) == 0 ? 0 : errno;
	(void)close(fd);
	return error;
}

/* The name of the file to write to, which @path becomes in the end. */
static int name_beside(const char *path, const char *end, char beside[PATH_MAX])
{
	int n = snprintf(beside, PATH_MAX, "%s.%s", path, end);

	return path[0] != '/' || n < 0 || n >= PATH_MAX ? ENAMETOOLONG : 0;
}

/* 0 or an errno; then it is not there. */
static int make_beside(const char *beside, mode_t mode, gid_t group, struct ma_span content)
{
	int fd;
	int error;

	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? EBUSY : errno;
	error = fill(fd, mode, group, content);
	(void)close(fd);
	if (error != 0)
		(void)unlink(beside);
	return error;
}

/* Puts a file without a name into the folder of @path; < 0: errno. */
static int open_nameless(const char *path)
{
	char folder[PATH_MAX];

	folder_of(path, folder);
	return open(folder, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
}

/* Does the file system have files without a name, and is /proc there? ENOTSUP: no. */
static int create_nameless(const char *path, mode_t mode, gid_t group, struct ma_span content)
{
	char self[32];
	int fd = open_nameless(path);
	int error;

	if (fd < 0)
		return errno == EISDIR || errno == EINVAL ? ENOTSUP : errno;
	error = fill(fd, mode, group, content);
	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	if (error == 0 && access(self, F_OK) != 0)
		error = ENOTSUP;
	if (error == 0 && linkat(AT_FDCWD, self, AT_FDCWD, path, AT_SYMLINK_FOLLOW) != 0)
		error = errno;
	(void)close(fd);
	return error;
}

/* Leaves a file beside, or one with two names, if it is killed in the wrong moment. */
static int create_beside(const char *path, mode_t mode, gid_t group, struct ma_span content)
{
	char beside[PATH_MAX];
	char end[24];
	int error;

	/* Two programs may try at once. */
	(void)snprintf(end, sizeof(end), "%ld", (long)getpid());
	error = name_beside(path, end, beside);
	if (error == 0)
		error = make_beside(beside, mode, group, content);
	if (error != 0)
		return error;
	if (link(beside, path) != 0)
		error = errno;
	/* Tried again: a store cannot be opened while it has a second name. */
	for (int i = 0; i < 2; i++)
		if (unlink(beside) == 0 || errno == ENOENT)
			return error;
	return error != 0 ? error : errno;
}

int ma_file_create(const char *path, mode_t mode, gid_t group, struct ma_span content)
{
	int error;

	if (path[0] != '/' || strlen(path) >= PATH_MAX)
		return ENAMETOOLONG;
	if (access(path, F_OK) == 0)
		return EEXIST;
	error = create_nameless(path, mode, group, content);
	if (error == ENOTSUP)
		error = create_beside(path, mode, group, content);
	return error != 0 ? error : sync_folder(path);
}

int ma_file_replace(const char *path, struct ma_span content)
{
	char beside[PATH_MAX];
	struct stat st;
	int error;

	if (lstat(path, &st) != 0)
		return errno;
	error = name_beside(path, "new", beside);
	if (error != 0)
		return error;
	/* What a program that was killed left there is no use to anybody, and may hold secrets. */
	(void)unlink(beside);
	error = make_beside(beside, st.st_mode & 07777, st.st_gid, content);
	if (error != 0)
		return error;
	if (rename(beside, path) != 0) {
		error = errno;
		(void)unlink(beside);
		return error;
	}
	return sync_folder(path);
}
