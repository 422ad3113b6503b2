/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tree.c - copy, give away or remove a folder with all that is in it
 *
 * Each folder is opened by its name in the one above, with O_NOFOLLOW, and everything in it is then
 * reached through that descriptor; so renaming folders or putting links in their place meanwhile
 * leads nowhere else. What is mounted inside has another mount id, also where it is a bind mount of
 * the same file system. A descriptor is held for each level: what lies deeper than DEPTH_MAX is
 * refused.
 *
 * All three work as one walk, with what is done to files, and to folders before and after, given in
 * a table.
 */
#include "tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
#define DEPTH_MAX    200
#define MODE_BITS    0777 /* no set-user-id comes along */

/* Where the walk is. */
struct place {
	int from;
	int to; /* -1 unless something is copied */
	int depth;
};

struct walk {
	const struct tree_owner *owner;
	uint64_t mount;
	/* What to do with an entry that is no folder, and with a folder after its entries; the
	 * folder is open in inner. */
	bool (*file)(const struct walk *walk, const struct place *place, const char *name);
	bool (*folder)(const struct walk *walk, const struct place *place, const char *name,
		       const struct place *inner);
};

static bool walk_folder(const struct walk *walk, const struct place *place);

static bool fail(const char *name, const char *what)
{
	ma_say("'%s' cannot be %s: %s", name, what, strerror(errno));
	return false;
}

/* Keeps errno. */
static void close_quietly(int fd)
{
	int saved = errno;

	if (fd >= 0)
		(void)close(fd);
	errno = saved;
}

/* Which mount an open folder is on; false with errno set. */
static bool mount_of(int fd, uint64_t *mount_out)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &st) != 0)
		return false;
	*mount_out = (st.stx_mask & STATX_MNT_ID) != 0
			     ? st.stx_mnt_id
			     : (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor;
	return true;
}

bool ma_tree_is_one(int a, int b)
{
	uint64_t mount_a;
	uint64_t mount_b;

	return mount_of(a, &mount_a) && mount_of(b, &mount_b) && mount_a == mount_b;
}

/* Opens a folder of the walk's own mount; -1 with errno set. */
static int folder_open(const struct walk *walk, int parent, const char *name)
{
	int fd = openat(parent, name, FOLDER_FLAGS);
	uint64_t mount;

	if (fd < 0)
		return -1;
	if (mount_of(fd, &mount) && mount == walk->mount)
		return fd;
	close_quietly(fd);
	errno = EXDEV;
	return -1;
}

/* The folder in the copy that belongs to one in the original; -1 with errno set. */
static int folder_make(int parent, const char *name)
{
	if (mkdirat(parent, name, 0700) != 0 && errno != EEXIST)
		return -1;
	return openat(parent, name, FOLDER_FLAGS);
}

static bool walk_entry(const struct walk *walk, const struct place *place, const char *name)
{
	struct place inner = {.from = -1, .to = -1, .depth = place->depth + 1};
	bool ok;

	inner.from = folder_open(walk, place->from, name);
	if (inner.from < 0 && (errno == ENOTDIR || errno == ELOOP))
		return walk->file(walk, place, name);
	if (inner.from < 0) /* or its owner has just removed it */
		return errno == ENOENT || fail(name, "opened");
	if (inner.depth > DEPTH_MAX) {
		close_quietly(inner.from);
		errno = ENAMETOOLONG;
		return fail(name, "entered, so deep it is");
	}
	if (place->to >= 0)
		inner.to = folder_make(place->to, name);
	ok = place->to < 0 || inner.to >= 0 || fail(name, "made");
	ok = ok && walk_folder(walk, &inner) && walk->folder(walk, place, name, &inner);
	close_quietly(inner.from);
	close_quietly(inner.to);
	return ok;
}

/* All entries of the folder place->from. */
static bool walk_folder(const struct walk *walk, const struct place *place)
{
	int fd = fcntl(place->from, F_DUPFD_CLOEXEC, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool ok = true;

	if (dir == NULL) {
		close_quietly(fd);
		return fail(".", "read");
	}
	rewinddir(dir);
	while (ok) {
		errno = 0;
		entry = readdir(dir);
		if (entry == NULL)
			break;
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			ok = walk_entry(walk, place, entry->d_name);
	}
	if (ok && errno != 0)
		ok = fail(".", "read");
	(void)closedir(dir);
	return ok;
}

/* ---- remove ---- */

static bool remove_file(const struct walk *walk, const struct place *place, const char *name)
{
	(void)walk;
	return unlinkat(place->from, name, 0) == 0 || errno == ENOENT || fail(name, "removed");
}

static bool remove_folder(const struct walk *walk, const struct place *place, const char *name,
			  const struct place *inner)
{
	(void)walk;
	(void)inner;
	return unlinkat(place->from, name, AT_REMOVEDIR) == 0 || fail(name, "removed");
}

bool ma_tree_remove(int parent, const char *name, int folder)
{
	struct walk walk = {.file = remove_file, .folder = remove_folder};
	const struct place place = {.from = folder, .to = -1};

	if (!mount_of(folder, &walk.mount))
		return fail(name, "removed");
	if (!ma_tree_is_one(parent, folder)) {
		errno = EXDEV;
		return fail(name, "removed");
	}
	return walk_folder(&walk, &place) &&
	       (unlinkat(parent, name, AT_REMOVEDIR) == 0 || fail(name, "removed"));
}

/* ---- give away ---- */

static uid_t uid_for(const struct tree_owner *owner, uid_t uid)
{
	return owner->uid_old == (uid_t)-1 || owner->uid_old == uid ? owner->uid_new : (uid_t)-1;
}

static gid_t gid_for(const struct tree_owner *owner, gid_t gid)
{
	return owner->gid_old == (gid_t)-1 || owner->gid_old == gid ? owner->gid_new : (gid_t)-1;
}

/* By descriptor, so that it is what was looked at. */
static bool own_fd(int fd, const struct tree_owner *owner, const struct stat *st)
{
	return fchown(fd, uid_for(owner, st->st_uid), gid_for(owner, st->st_gid)) == 0;
}

static bool own_open(int fd, const struct tree_owner *owner, const char *name)
{
	struct stat st;

	return (fstat(fd, &st) == 0 && own_fd(fd, owner, &st)) || fail(name, "given away");
}

/* O_PATH opens whatever it is, and lets fchownat() act on just that. */
static bool own_file(const struct walk *walk, const struct place *place, const char *name)
{
	int fd = openat(place->from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	uint64_t mount;
	struct stat st;
	bool ok;

	if (fd < 0)
		return errno == ENOENT || fail(name, "given away");
	ok = fstat(fd, &st) == 0 && mount_of(fd, &mount);
	if (ok && mount != walk->mount) { /* a file can be mounted too */
		errno = EXDEV;
		ok = false;
	}
	ok = ok && fchownat(fd, "", uid_for(walk->owner, st.st_uid),
			    gid_for(walk->owner, st.st_gid), AT_EMPTY_PATH) == 0;
	close_quietly(fd);
	return ok || fail(name, "given away");
}

static bool own_folder(const struct walk *walk, const struct place *place, const char *name,
		       const struct place *inner)
{
	(void)place;
	return own_open(inner->from, walk->owner, name);
}

bool ma_tree_own(int folder, const struct tree_owner *owner)
{
	struct walk walk = {.owner = owner, .file = own_file, .folder = own_folder};
	const struct place place = {.from = folder, .to = -1};

	if (!mount_of(folder, &walk.mount))
		return fail(".", "given away");
	return walk_folder(&walk, &place) && own_open(folder, owner, ".");
}

/* ---- copy ---- */

/* What stays is the owner of the original, not root, who made the copy. */
static bool own_copy(int fd, const char *name, const struct tree_owner *owner,
		     const struct stat *st, int flags)
{
	uid_t uid = uid_for(owner, st->st_uid);
	gid_t gid = gid_for(owner, st->st_gid);

	return fchownat(fd, name, uid == (uid_t)-1 ? st->st_uid : uid,
			gid == (gid_t)-1 ? st->st_gid : gid, flags) == 0;
}

/* Owner first: giving a file away takes bits off its mode. */
static bool finish(int fd, const struct tree_owner *owner, const struct stat *st)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};

	return own_copy(fd, "", owner, st, AT_EMPTY_PATH) &&
	       fchmod(fd, st->st_mode & MODE_BITS) == 0 && futimens(fd, times) == 0;
}

static bool bytes_copy(int from, int to)
{
	static char buffer[65536];

	for (;;) {
		ssize_t n = read(from, buffer, sizeof(buffer));
		ssize_t done = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		while (done < n) {
			ssize_t written = write(to, buffer + done, (size_t)(n - done));

			if (written < 0 && errno != EINTR)
				return false;
			done += written > 0 ? written : 0;
		}
	}
}

static bool copy_link(const struct walk *walk, const struct place *place, const char *name)
{
	char target[PATH_MAX];
	ssize_t len = readlinkat(place->from, name, target, sizeof(target) - 1);
	struct stat st;

	if (len < 0 || fstatat(place->from, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	target[len] = '\0';
	if (symlinkat(target, place->to, name) != 0)
		return false;
	return own_copy(place->to, name, walk->owner, &st, AT_SYMLINK_NOFOLLOW);
}

/* A pipe or a device opens with O_NONBLOCK, and is refused then. */
static bool copy_file(const struct walk *walk, const struct place *place, const char *name)
{
	int from = openat(place->from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int to = -1;
	struct stat st;
	bool ok;

	if (from < 0 && errno == ELOOP)
		return copy_link(walk, place, name) || fail(name, "copied");
	if (from < 0)
		return errno == ENOENT || fail(name, "copied");
	ok = fstat(from, &st) == 0;
	if (ok && !S_ISREG(st.st_mode)) {
		errno = EINVAL;
		ok = false;
	}
	if (ok)
		to = openat(place->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			    0600);
	ok = ok && to >= 0 && bytes_copy(from, to) && finish(to, walk->owner, &st);
	close_quietly(from);
	close_quietly(to);
	return ok || fail(name, "copied");
}

static bool copy_folder(const struct walk *walk, const struct place *place, const char *name,
			const struct place *inner)
{
	struct stat st;

	(void)place;
	return (fstat(inner->from, &st) == 0 && finish(inner->to, walk->owner, &st)) ||
	       fail(name, "copied");
}

bool ma_tree_copy(int from, int to, const struct tree_owner *owner)
{
	struct walk walk = {.owner = owner, .file = copy_file, .folder = copy_folder};
	const struct place place = {.from = from, .to = to};

	if (!mount_of(from, &walk.mount))
		return fail(".", "copied");
	return walk_folder(&walk, &place);
}
