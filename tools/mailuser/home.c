/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * home.c - make the mailbox of a new account
 *
 * This runs as root in folders that mail users may own, so a name is never looked up twice: the
 * path is walked part by part with openat() and O_NOFOLLOW, and everything then happens relative to
 * the folders so opened. A symbolic link anywhere in the path is an error; the administrator gives
 * the real path instead. A new folder is given away last, when it is complete, so that its owner
 * cannot interfere before.
 */
#include "home.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static const char *const maildir[] = {"cur", "new", "tmp"};

#define N_MAILDIR (sizeof(maildir) / sizeof(maildir[0]))

/* Keeps errno. */
static void close_quietly(int fd)
{
	int saved = errno;

	(void)close(fd);
	errno = saved;
}

/* A new folder of root, opened; -1 on failure. */
static int folder_make(int parent, const char *name, mode_t mode)
{
	struct stat st;
	int fd;

	if (mkdirat(parent, name, 0700) != 0)
		return -1;
	fd = openat(parent, name, FOLDER_FLAGS);
	if (fd < 0)
		return -1;
	/* Somebody who may write to the parent could have put another one in its place. */
	if (fstat(fd, &st) != 0 || st.st_uid != geteuid()) {
		close_quietly(fd);
		errno = EPERM;
		return -1;
	}
	if (fchmod(fd, mode) != 0) {
		close_quietly(fd);
		return -1;
	}
	return fd;
}

/* The next part of a path without its slashes; false at the end. */
static bool part_next(const char **path, char part_out[NAME_MAX + 1])
{
	const char *begin = *path + strspn(*path, "/");
	size_t len = strcspn(begin, "/");

	if (len == 0 || len > NAME_MAX)
		return false;
	memcpy(part_out, begin, len);
	part_out[len] = '\0';
	*path = begin + len;
	return true;
}

/*
 * Opens the folder above the last part of the path and gives that part. -1 on failure; then
 * last_out is the part that failed, empty if the path itself is bad.
 */
static int parent_open(const char *path, bool make, char last_out[NAME_MAX + 1])
{
	char part[NAME_MAX + 1];
	int dir;

	last_out[0] = '\0';
	errno = EINVAL;
	if (path[0] != '/' || !part_next(&path, last_out))
		return -1;
	dir = open("/", FOLDER_FLAGS);
	while (dir >= 0 && part_next(&path, part)) {
		int next = -1;

		errno = EINVAL;
		if (strcmp(last_out, "..") != 0)
			next = openat(dir, last_out, FOLDER_FLAGS);
		if (next < 0 && errno == ENOENT && make)
			next = folder_make(dir, last_out, 0755);
		close_quietly(dir);
		dir = next;
		if (dir >= 0)
			memcpy(last_out, part, sizeof(part));
	}
	if (dir >= 0 && (path[strspn(path, "/")] != '\0' || strcmp(last_out, ".") == 0 ||
			 strcmp(last_out, "..") == 0)) {
		close_quietly(dir);
		errno = EINVAL;
		return -1;
	}
	return dir;
}

/* Fills the new folder and gives it away. */
static bool maildir_fill(int home, uid_t uid, gid_t gid)
{
	for (size_t i = 0; i < N_MAILDIR; i++) {
		int fd = folder_make(home, maildir[i], 0700);
		bool is_given;

		if (fd < 0)
			return false;
		is_given = fchown(fd, uid, gid) == 0;
		close_quietly(fd);
		if (!is_given)
			return false;
	}
	return fchown(home, uid, gid) == 0;
}

static void home_remove(int parent, const char *name)
{
	int home = openat(parent, name, FOLDER_FLAGS);

	if (home < 0)
		return;
	for (size_t i = 0; i < N_MAILDIR; i++)
		(void)unlinkat(home, maildir[i], AT_REMOVEDIR);
	(void)close(home);
	(void)unlinkat(parent, name, AT_REMOVEDIR);
}

/* A link in its place would send the mail wherever it points. */
static bool is_folder(int parent, const char *name)
{
	int home = openat(parent, name, FOLDER_FLAGS);

	if (home >= 0)
		(void)close(home);
	return home >= 0;
}

static enum ma_home home_make_at(int parent, const char *name, uid_t uid, gid_t gid)
{
	bool is_filled;
	int saved;
	int home = folder_make(parent, name, 0700);

	if (home < 0 && errno == EEXIST)
		return is_folder(parent, name) ? MA_HOME_THERE : MA_HOME_FAILED;
	if (home < 0)
		return MA_HOME_FAILED;
	is_filled = maildir_fill(home, uid, gid);
	close_quietly(home);
	if (is_filled)
		return MA_HOME_MADE;
	saved = errno;
	home_remove(parent, name);
	errno = saved;
	return MA_HOME_FAILED;
}

enum ma_home ma_home_make(const char *path, uid_t uid, gid_t gid)
{
	char last[NAME_MAX + 1];
	int parent = parent_open(path, true, last);
	enum ma_home result = MA_HOME_FAILED;

	if (parent >= 0) {
		result = home_make_at(parent, last, uid, gid);
		close_quietly(parent);
	}
	if (result != MA_HOME_FAILED)
		return result;
	if (errno == ENOTDIR || errno == ELOOP)
		ma_say("mailbox %s: '%s' is no folder, or a symbolic link: give the real path",
		       path, last);
	else if (errno == EINVAL)
		ma_say("mailbox %s: not a usable path", path);
	else
		ma_say("mailbox %s: '%s' cannot be made: %s", path, last, strerror(errno));
	return MA_HOME_FAILED;
}

void ma_home_undo(const char *path)
{
	char last[NAME_MAX + 1];
	int parent = parent_open(path, false, last);

	if (parent < 0)
		return;
	home_remove(parent, last);
	(void)close(parent);
}
