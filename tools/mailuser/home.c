/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * home.c - make, move, give away and remove the mailbox of an account
 *
 * This runs as root in folders that mail users may own, so a name is never looked up twice: the
 * path is walked part by part with openat() and O_NOFOLLOW, and everything then happens relative to
 * the folders so opened. A symbolic link anywhere in the path is an error; the administrator gives
 * the real path instead. A new folder is given away last, when it is complete, so that its owner
 * cannot interfere before.
 */
#include "home.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "path.h"

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

static bool is_empty(int folder)
{
	int fd = openat(folder, ".", FOLDER_FLAGS);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int n = 0;

	if (dir == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	while (n <= 2 && readdir(dir) != NULL)
		n++;
	(void)closedir(dir);
	return n <= 2; /* . and .. */
}

/* A new folder of root that will be given away, opened; -1 on failure. */
static int folder_make(int parent, const char *name)
{
	struct stat st;
	int fd;

	if (mkdirat(parent, name, 0700) != 0)
		return -1;
	fd = openat(parent, name, FOLDER_FLAGS);
	if (fd < 0)
		return -1;
	/* Who may write to the parent could have put another one in its place; root's too. */
	if (fstat(fd, &st) != 0 || st.st_uid != geteuid() || !is_empty(fd)) {
		close_quietly(fd);
		errno = EPERM;
		return -1;
	}
	if (fchmod(fd, 0700) != 0) {
		close_quietly(fd);
		return -1;
	}
	return fd;
}

/* A folder on the way to a new one; -1 on failure. What is there already keeps its mode. */
static int way_make(int parent, const char *name)
{
	mode_t mask = umask(022);
	int rc = mkdirat(parent, name, 0755);

	(void)umask(mask);
	if (rc != 0 && errno != EEXIST) /* another command may have been faster */
		return -1;
	return openat(parent, name, FOLDER_FLAGS);
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
	if (!ma_path_is_usable(path) || !part_next(&path, last_out))
		return -1;
	dir = open("/", FOLDER_FLAGS);
	while (dir >= 0 && part_next(&path, part)) {
		int next = openat(dir, last_out, FOLDER_FLAGS);

		if (next < 0 && errno == ENOENT && make)
			next = way_make(dir, last_out);
		close_quietly(dir);
		dir = next;
		if (dir >= 0)
			memcpy(last_out, part, sizeof(part));
	}
	return dir;
}

/* One of cur, new and tmp; the skeleton may have had it. */
static bool part_make(int home, const char *name, uid_t uid, gid_t gid)
{
	int fd = folder_make(home, name);
	bool is_given;

	if (fd < 0)
		return errno == EEXIST;
	is_given = fchown(fd, uid, gid) == 0;
	close_quietly(fd);
	return is_given;
}

static bool skeleton_copy(int home, const char *skeleton, uid_t uid, gid_t gid)
{
	const struct tree_owner owner = {(uid_t)-1, uid, (gid_t)-1, gid};
	int from = open(skeleton, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool is_copied;

	if (from < 0) {
		ma_say("skeleton %s cannot be read: %s", skeleton, strerror(errno));
		return false;
	}
	is_copied = ma_tree_copy(from, home, &owner);
	close_quietly(from);
	return is_copied;
}

/* Fills the new folder and gives it away. */
static bool maildir_fill(int home, const char *skeleton, uid_t uid, gid_t gid)
{
	if (skeleton != NULL && skeleton[0] != '\0' && !skeleton_copy(home, skeleton, uid, gid))
		return false;
	for (size_t i = 0; i < N_MAILDIR; i++) {
		if (!part_make(home, maildir[i], uid, gid))
			return false;
	}
	return fchown(home, uid, gid) == 0;
}

/* A link in its place would send the mail wherever it points. */
static bool is_folder(int parent, const char *name)
{
	int home = openat(parent, name, FOLDER_FLAGS);

	if (home >= 0)
		(void)close(home);
	return home >= 0;
}

static enum ma_home home_make_at(int parent, const char *name, const char *skeleton, uid_t uid,
				 gid_t gid)
{
	bool is_filled;
	int saved;
	int home = folder_make(parent, name);

	if (home < 0 && errno == EEXIST)
		return is_folder(parent, name) ? MA_HOME_THERE : MA_HOME_FAILED;
	if (home < 0)
		return MA_HOME_FAILED;
	is_filled = maildir_fill(home, skeleton, uid, gid);
	saved = errno;
	if (!is_filled)
		(void)ma_tree_remove(parent, name, home);
	(void)close(home);
	errno = saved;
	return is_filled ? MA_HOME_MADE : MA_HOME_FAILED;
}

/* Why something cannot be done to a path, of which the part last failed. */
static void path_say(const char *path, const char *last, const char *what)
{
	if (errno == ENOTDIR || errno == ELOOP)
		ma_say("mailbox %s: '%s' is no folder, or a symbolic link: give the real path",
		       path, last);
	else if (errno == EINVAL)
		ma_say("mailbox %s: not a usable path", path);
	else
		ma_say("mailbox %s: '%s' cannot be %s: %s", path, last, what, strerror(errno));
}

enum ma_home ma_home_make(const char *path, const char *skeleton, uid_t uid, gid_t gid)
{
	char last[NAME_MAX + 1];
	int parent = parent_open(path, true, last);
	enum ma_home result = MA_HOME_FAILED;

	if (parent >= 0) {
		result = home_make_at(parent, last, skeleton, uid, gid);
		close_quietly(parent);
	}
	if (result != MA_HOME_FAILED)
		return result;
	path_say(path, last, "made");
	return MA_HOME_FAILED;
}

void ma_home_undo(const char *path, uid_t uid)
{
	char last[NAME_MAX + 1];
	int parent = parent_open(path, false, last);
	int home = parent < 0 ? -1 : openat(parent, last, FOLDER_FLAGS);
	struct stat st;

	if (home >= 0) {
		if (fstat(home, &st) == 0 && st.st_uid == uid)
			(void)ma_tree_remove(parent, last, home);
		(void)close(home);
	}
	if (parent >= 0)
		(void)close(parent);
}

/* The folder itself, opened; -1 after a message, or silently with *gone_out if there is none. */
static int home_open(const char *path, bool *gone_out)
{
	char last[NAME_MAX + 1];
	int parent = parent_open(path, false, last);
	int home = -1;

	if (parent >= 0) {
		home = openat(parent, last, FOLDER_FLAGS);
		close_quietly(parent);
	}
	*gone_out = home < 0 && errno == ENOENT;
	if (home < 0 && !*gone_out)
		path_say(path, last, "opened");
	return home;
}

/* Copies a mailbox into a new folder, and gives that to its owner when it is safe on disk. */
static bool copy_fill(int old, int new)
{
	static const struct tree_owner same = {(uid_t)-1, (uid_t)-1, (gid_t)-1, (gid_t)-1};
	struct stat st;

	return fstat(old, &st) == 0 && ma_tree_copy(old, new, &same) && syncfs(new) == 0 &&
	       fchown(new, st.st_uid, st.st_gid) == 0 && fchmod(new, st.st_mode & 0777) == 0 &&
	       fsync(new) == 0;
}

/* To another file system: the copy takes the place of the original. */
static bool home_copy(int from_parent, const char *from, int to_parent, const char *to)
{
	int old = openat(from_parent, from, FOLDER_FLAGS);
	int new = old < 0 ? -1 : folder_make(to_parent, to);
	bool is_copied = new >= 0 && copy_fill(old, new);
	int saved = errno;

	if (is_copied && !ma_tree_remove(from_parent, from, old))
		ma_say("warning: failed to completely remove the old mailbox: do it by hand");
	if (new >= 0 && !is_copied)
		(void)ma_tree_remove(to_parent, to, new);
	if (old >= 0)
		(void)close(old);
	if (new >= 0)
		(void)close(new);
	errno = saved;
	return is_copied;
}

/* renameat2() with the flag never puts it in the place of another. */
static bool home_rename(int from_parent, const char *from, int to_parent, const char *to)
{
	if (renameat2(from_parent, from, to_parent, to, RENAME_NOREPLACE) == 0)
		return true;
	return errno == EXDEV && home_copy(from_parent, from, to_parent, to);
}

/* What belongs to the system is no mailbox, whatever an account says. */
static bool system_refuse(const char *path, const char *what)
{
	if (!ma_path_is_system(path))
		return false;
	ma_say("mailbox %s is a folder of the system: not %s", path, what);
	return true;
}

enum ma_home ma_home_move(const char *from, const char *to)
{
	char from_last[NAME_MAX + 1];
	char to_last[NAME_MAX + 1];
	bool is_gone;
	int from_parent;
	int to_parent;
	bool is_moved;
	int home;

	if (system_refuse(from, "moving it"))
		return MA_HOME_FAILED;
	home = home_open(from, &is_gone);
	if (home < 0)
		return is_gone ? MA_HOME_MISSING : MA_HOME_FAILED;
	(void)close(home);
	from_parent = parent_open(from, false, from_last);
	if (from_parent < 0) {
		path_say(from, from_last, "moved");
		return MA_HOME_FAILED;
	}
	to_parent = parent_open(to, true, to_last);
	is_moved = to_parent >= 0 && home_rename(from_parent, from_last, to_parent, to_last);
	if (!is_moved && errno == EEXIST)
		ma_say("directory %s exists: move it away, or leave out -m", to);
	else if (!is_moved)
		path_say(to, to_last, "made");
	close_quietly(from_parent);
	if (to_parent >= 0)
		close_quietly(to_parent);
	return is_moved ? MA_HOME_MADE : MA_HOME_FAILED;
}

bool ma_home_own(const char *path, const struct tree_owner *owner)
{
	struct stat st;
	bool is_gone;
	bool ok;
	int home;

	if (system_refuse(path, "giving it away"))
		return false;
	home = home_open(path, &is_gone);
	if (home < 0)
		return is_gone;
	ok = fstat(home, &st) == 0 && st.st_uid != owner->uid_old && st.st_uid != owner->uid_new;
	ok = ok || ma_tree_own(home, owner);
	(void)close(home);
	return ok;
}

/* May somebody else than root and the owner of the mailbox put another folder in its place? */
static bool is_open_to_others(const struct stat *above, const struct stat *home)
{
	if (above->st_uid != 0 && above->st_uid != home->st_uid)
		return true;
	if ((above->st_mode & S_ISVTX) != 0) /* each can move away only what is his own */
		return false;
	return (above->st_mode & S_IWOTH) != 0 ||
	       ((above->st_mode & S_IWGRP) != 0 && above->st_gid != home->st_gid);
}

static bool is_same(int fd_a, const struct stat *a, int fd_b, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && ma_tree_is_one(fd_a, fd_b);
}

/* A step on the way up; returns why the mailbox must stay, NULL if it need not. */
static const char *step_check(const struct stat *above, const struct stat *home, bool is_above_base)
{
	if (!is_above_base && ma_path_is_system_folder(above))
		return "is in a folder of the system";
	if (is_open_to_others(above, home))
		return "is in a folder that others than root and its owner may change (see its "
		       "owner, group and mode, and of those above it)";
	return NULL;
}

/*
 * Looks at the folders that the mailbox is really in, from it up to the root folder, whatever way
 * led to it; returns as step_check().
 */
static const char *way_check(int home, const struct stat *home_st, int base,
			     const struct stat *base_st)
{
	const char *refusal = NULL;
	bool is_base_seen = false;
	struct stat st = *home_st;
	int fd = openat(home, ".", FOLDER_FLAGS);

	while (fd >= 0 && refusal == NULL) {
		struct stat above = {0};
		int up = openat(fd, "..", FOLDER_FLAGS);

		if (up < 0 || fstat(up, &above) != 0)
			refusal = "is in a folder that cannot be opened";
		else if (!is_base_seen && !ma_tree_is_one(home, up))
			refusal = "is not on the file system of the base folder";
		else
			refusal = step_check(&above, home_st, is_base_seen);
		if (refusal == NULL && is_same(fd, &st, up, &above)) { /* the root folder */
			close_quietly(up);
			break;
		}
		is_base_seen =
			is_base_seen || (refusal == NULL && is_same(up, &above, base, base_st));
		close_quietly(fd);
		fd = up;
		st = above;
	}
	if (fd >= 0)
		close_quietly(fd);
	return refusal != NULL || is_base_seen ? refusal : "is not in the base folder";
}

/* Is it in the base folder, on its file system, and whose it should be? */
static bool may_remove(int home, const char *path, const char *base, uid_t uid)
{
	struct stat home_st;
	struct stat base_st;
	const char *refusal;
	bool is_gone;
	int base_fd;

	base_fd = home_open(base, &is_gone);
	if (base_fd < 0)
		return false;
	if (fstat(home, &home_st) != 0 || fstat(base_fd, &base_st) != 0)
		refusal = "cannot be looked at";
	else
		refusal = way_check(home, &home_st, base_fd, &base_st);
	(void)close(base_fd);
	if (refusal != NULL) {
		ma_say("mailbox %s %s: not removing it", path, refusal);
		return false;
	}
	if (uid == (uid_t)-1 || uid == home_st.st_uid)
		return true;
	ma_say("mailbox %s is not owned by uid %u, which the account has: not removing it; -f does",
	       path, (unsigned int)uid);
	return false;
}

/* What the two texts tell. */
static bool may_be_in(const char *path, const char *base)
{
	if (ma_path_is_top(base) || ma_path_is_system(base)) {
		ma_say("mailbox %s: the base folder %s is not one for mailboxes only: not removing "
		       "it",
		       path, base);
		return false;
	}
	if (ma_path_is_within(base, path) && !ma_path_is_within(path, base))
		return true;
	ma_say("mailbox %s is not in %s: not removing it", path, base);
	return false;
}

bool ma_home_remove(const char *path, const char *base, uid_t uid, bool *gone_out)
{
	char last[NAME_MAX + 1];
	int parent = parent_open(path, false, last);
	int home = parent < 0 ? -1 : openat(parent, last, FOLDER_FLAGS);
	bool is_removed = false;

	*gone_out = home < 0 && errno == ENOENT;
	if (home < 0 && !*gone_out)
		path_say(path, last, "removed");
	if (home >= 0) {
		is_removed = may_be_in(path, base) && may_remove(home, path, base, uid) &&
			     ma_tree_remove(parent, last, home);
		(void)close(home);
	}
	if (parent >= 0)
		(void)close(parent);
	return is_removed || *gone_out;
}
