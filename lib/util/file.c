/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * file.c - make files that outlast a loss of power
 *
 * See file.h. The file appears under its name only when its content is on disk: it is written
 * beside, and linked, which fails where a file is there already.
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

static int sync_folder(const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int n = slash == path ? 1 : (int)(slash - path);
	int fd;
	int error;

	(void)snprintf(folder, sizeof(folder), "%.*s", n, path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	error = fsync(fd) == 0 ? 0 : errno;
	(void)close(fd);
	return error;
}

int ma_file_create(const char *path, mode_t mode, gid_t group, struct ma_span content)
{
	char beside[PATH_MAX];
	int fd;
	int error;
	int n = snprintf(beside, sizeof(beside), "%s.%ld", path, (long)getpid());

	if (path[0] != '/' || n < 0 || (size_t)n >= sizeof(beside))
		return ENAMETOOLONG;
	if (access(path, F_OK) == 0)
		return EEXIST;
	fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? EBUSY : errno;
	error = fill(fd, mode, group, content);
	(void)close(fd);
	if (error == 0 && link(beside, path) != 0)
		error = errno;
	(void)unlink(beside);
	return error != 0 ? error : sync_folder(path);
}
