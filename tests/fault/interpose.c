/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * interpose.c - stands between a program and the system calls that write below one folder
 *
 * For LD_PRELOAD. It counts those calls, makes one of them fail or come out short, and records what
 * they did. By environment:
 *
 *   FAULT_FOLDER  the folder; files elsewhere are let through
 *   FAULT_AT      which call fails, from 1; 0 or not set: none
 *   FAULT_ERROR   how: ENOSPC, EIO, EINTR, EOPNOTSUPP; SHORT: half of the bytes are written, and
 * only calls that write bytes are counted; KILL: the program dies before the call; STOP: it stops
 * before the call, and makes it when it is continued FAULT_LOG     a file to append a line to for
 * each call counted FAULT_RECORD  a file to append to as record.h says
 *
 * The calls are made by number and not by name, so nothing here can come back to itself. What
 * writes by itself inside the C library is not seen: fdopen() for writing is, because mailuser uses
 * it. `strace -f` shows whether a program has more calls than FAULT_LOG.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "record.h"

#define PUBLIC __attribute__((visibility("default")))

static const char *folder;
static size_t folder_len;
static long fail_at;
static int fail_errno;
static bool is_short;
static int signal_at; /* sent instead of failing */
static int log_fd = -1;
static int record_fd = -1;
static atomic_long n_calls;

static int append_to(const char *variable)
{
	const char *path = getenv(variable);

	if (path == NULL)
		return -1;
	return (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			    0600);
}

__attribute__((constructor)) static void prepare(void)
{
	const char *at = getenv("FAULT_AT");
	const char *error = getenv("FAULT_ERROR");

	folder = getenv("FAULT_FOLDER");
	folder_len = folder != NULL ? strlen(folder) : 0;
	fail_at = at != NULL ? strtol(at, NULL, 10) : 0;
	if (error != NULL) {
		is_short = strcmp(error, "SHORT") == 0;
		signal_at = strcmp(error, "KILL") == 0	 ? SIGKILL
			    : strcmp(error, "STOP") == 0 ? SIGSTOP
							 : 0;
		fail_errno = strcmp(error, "ENOSPC") == 0	? ENOSPC
			     : strcmp(error, "EINTR") == 0	? EINTR
			     : strcmp(error, "EOPNOTSUPP") == 0 ? EOPNOTSUPP
								: EIO;
	}
	log_fd = append_to("FAULT_LOG");
	record_fd = append_to("FAULT_RECORD");
}

static bool is_below(const char *path)
{
	return folder_len > 0 && strncmp(path, folder, folder_len) == 0 &&
	       (path[folder_len] == '/' || path[folder_len] == '\0');
}

/* Where a descriptor leads; "" if nowhere. */
static void path_of(int fd, char path[PATH_MAX])
{
	char link[32];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	path[n > 0 ? n : 0] = '\0';
}

static void resolve(int at, const char *name, char path[PATH_MAX])
{
	char base[PATH_MAX];

	if (name[0] == '/') {
		(void)snprintf(path, PATH_MAX, "%s", name);
		return;
	}
	if (at != AT_FDCWD)
		path_of(at, base);
	else if (getcwd(base, sizeof(base)) == NULL)
		base[0] = '\0';
	/* Too long for a path: not below the folder. */
	if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX)
		path[0] = '\0';
}

/* Counts a call on @path; true: it is to fail, and errno says how. */
static bool fails(const char *call, const char *path, bool has_bytes)
{
	char line[PATH_MAX + 64];
	long n;
	int len;

	if (!is_below(path) || (is_short && !has_bytes))
		return false;
	n = atomic_fetch_add(&n_calls, 1) + 1;
	len = snprintf(line, sizeof(line), "%ld %s %s\n", n, call, path);
	if (log_fd >= 0)
		(void)syscall(SYS_write, log_fd, line, (size_t)len);
	if (n != fail_at)
		return false;
	if (signal_at != 0) {
		(void)raise(signal_at);
		return false;
	}
	errno = fail_errno;
	return true;
}

static bool fails_fd(const char *call, int fd, bool has_bytes)
{
	char path[PATH_MAX];

	if (folder_len == 0)
		return false;
	path_of(fd, path);
	return fails(call, path, has_bytes);
}

/* ---- the record ---- */

static uint64_t inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

/* writev() asks for the address of bytes it does not change. */
static struct iovec part(const void *p, size_t len)
{
	union {
		const void *in;
		void *out;
	} address = {.in = p};

	return (struct iovec){.iov_base = address.out, .iov_len = len};
}

static void record(struct event event, const char *path, const void *data, size_t data_len)
{
	int saved = errno;
	struct iovec parts[] = {
		part(&event, sizeof(event)),
		part(path, strlen(path) + 1),
		part(data, data_len),
	};

	if (record_fd >= 0 && is_below(path)) {
		event.path_len = (uint32_t)strlen(path) + 1;
		event.data_len = data_len;
		if (syscall(SYS_writev, record_fd, parts, 3) < 0)
			abort();
	}
	errno = saved;
}

static void record_fd_event(enum event_type type, int fd, uint64_t offset, const void *data,
			    size_t len)
{
	char path[PATH_MAX];

	if (record_fd < 0)
		return;
	path_of(fd, path);
	if (type == EVENT_WRITE && (fcntl(fd, F_GETFL) & O_DSYNC) != 0)
		type = EVENT_WRITE_DSYNC;
	record((struct event){.type = type, .inode = inode_of(fd), .offset = offset}, path, data,
	       len);
}

static void record_names(enum event_type type, const char *from, const char *to)
{
	record((struct event){.type = type}, from, to, to != NULL ? strlen(to) + 1 : 0);
}

/* ---- files ---- */

static int open_at(int at, const char *name, int flags, mode_t mode)
{
	char path[PATH_MAX];
	bool is_writing = (flags & (O_CREAT | O_WRONLY | O_RDWR | O_TRUNC)) != 0;
	bool is_new;
	int fd;

	resolve(at, name, path);
	if (is_writing && fails("open", path, false))
		return -1;
	is_new = (flags & O_TMPFILE) == O_TMPFILE ||
		 ((flags & O_CREAT) != 0 && syscall(SYS_faccessat, at, name, F_OK) != 0);
	fd = (int)syscall(SYS_openat, at, name, flags, mode);
	if (fd >= 0 && (flags & O_TMPFILE) == O_TMPFILE)
		path_of(fd, path);
	if (fd >= 0 && is_new && record_fd >= 0)
		record((struct event){.type = EVENT_CREATE, .inode = inode_of(fd)}, path, NULL, 0);
	else if (fd >= 0 && (flags & O_TRUNC) != 0)
		record_fd_event(EVENT_TRUNCATE, fd, 0, NULL, 0);
	return fd;
}

#define TAKE_MODE(flags, mode)                                                                     \
	if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                              \
		va_list args;                                                                      \
                                                                                                   \
		va_start(args, flags);                                                             \
		(mode) = va_arg(args, mode_t);                                                     \
		va_end(args);                                                                      \
	}

#define OPEN(name)                                                                                 \
	PUBLIC int name(const char *path, int flags, ...);                                         \
	PUBLIC int name(const char *path, int flags, ...)                                          \
	{                                                                                          \
		mode_t mode = 0;                                                                   \
                                                                                                   \
		TAKE_MODE(flags, mode)                                                             \
		return open_at(AT_FDCWD, path, flags, mode);                                       \
	}

#define OPENAT(name)                                                                               \
	PUBLIC int name(int at, const char *path, int flags, ...);                                 \
	PUBLIC int name(int at, const char *path, int flags, ...)                                  \
	{                                                                                          \
		mode_t mode = 0;                                                                   \
                                                                                                   \
		TAKE_MODE(flags, mode)                                                             \
		return open_at(at, path, flags, mode);                                             \
	}

OPEN(open)
OPEN(open64)
OPEN(__open_2)
OPEN(__open64_2)
OPENAT(openat)
OPENAT(openat64)
OPENAT(__openat_2)
OPENAT(__openat64_2)

/* ---- bytes ---- */

PUBLIC ssize_t write(int fd, const void *p, size_t len)
{
	bool is_hit = fails_fd("write", fd, true);
	off_t at;
	ssize_t n;

	if (is_hit && !is_short)
		return -1;
	at = record_fd >= 0 ? lseek(fd, 0, SEEK_CUR) : 0;
	n = syscall(SYS_write, fd, p, is_hit ? (len + 1) / 2 : len);
	if (n > 0)
		record_fd_event(EVENT_WRITE, fd, (uint64_t)at, p, (size_t)n);
	return n;
}

static ssize_t write_at(int fd, const void *p, size_t len, off_t at)
{
	bool is_hit = fails_fd("pwrite", fd, true);
	ssize_t n;

	if (is_hit && !is_short)
		return -1;
	n = syscall(SYS_pwrite64, fd, p, is_hit ? (len + 1) / 2 : len, at);
	if (n > 0)
		record_fd_event(EVENT_WRITE, fd, (uint64_t)at, p, (size_t)n);
	return n;
}

PUBLIC ssize_t pwrite(int fd, const void *p, size_t len, off_t at)
{
	return write_at(fd, p, len, at);
}

PUBLIC ssize_t pwrite64(int fd, const void *p, size_t len, off64_t at)
{
	return write_at(fd, p, len, at);
}

/* All parts as one call; @at < 0: where the file stands. Short: half of the first. */
static ssize_t write_parts(const char *call, int fd, const struct iovec *parts, int n_parts,
			   off_t at)
{
	bool is_hit = fails_fd(call, fd, true);
	off_t start = at < 0 ? lseek(fd, 0, SEEK_CUR) : at;
	struct iovec half = parts[0];
	ssize_t n;
	size_t left;

	if (is_hit && !is_short)
		return -1;
	half.iov_len = (half.iov_len + 1) / 2;
	if (at < 0)
		n = syscall(SYS_writev, fd, is_hit ? &half : parts, is_hit ? 1 : n_parts);
	else
		n = syscall(SYS_pwritev, fd, is_hit ? &half : parts, is_hit ? 1 : n_parts, at, 0);
	left = n > 0 ? (size_t)n : 0;
	for (int i = 0; left > 0; i++) {
		size_t len = parts[i].iov_len < left ? parts[i].iov_len : left;

		record_fd_event(EVENT_WRITE, fd, (uint64_t)start, parts[i].iov_base, len);
		start += (off_t)len;
		left -= len;
	}
	return n;
}

PUBLIC ssize_t writev(int fd, const struct iovec *parts, int n_parts)
{
	return write_parts("writev", fd, parts, n_parts, -1);
}

PUBLIC ssize_t pwritev(int fd, const struct iovec *parts, int n_parts, off_t at)
{
	return write_parts("pwritev", fd, parts, n_parts, at);
}

PUBLIC ssize_t pwritev64(int fd, const struct iovec *parts, int n_parts, off64_t at)
{
	return write_parts("pwritev", fd, parts, n_parts, at);
}

static int resize(int fd, off_t len)
{
	int result;

	if (fails_fd("ftruncate", fd, false))
		return -1;
	result = (int)syscall(SYS_ftruncate, fd, len);
	if (result == 0)
		record_fd_event(EVENT_TRUNCATE, fd, (uint64_t)len, NULL, 0);
	return result;
}

PUBLIC int ftruncate(int fd, off_t len)
{
	return resize(fd, len);
}

PUBLIC int ftruncate64(int fd, off64_t len)
{
	return resize(fd, len);
}

/* A stream writes inside the C library; one made of our own write() does not. */
static ssize_t stream_write(void *cookie, const char *p, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(*(int *)cookie, p + done, len - done);

		if (n < 0)
			return (ssize_t)done; /* as glibc: less than asked for is the error */
		done += (size_t)n;
	}
	return (ssize_t)done;
}

static int stream_close(void *cookie)
{
	int result = close(*(int *)cookie);

	free(cookie);
	return result;
}

PUBLIC FILE *fdopen(int fd, const char *mode)
{
	char path[PATH_MAX];
	union {
		void *found;
		FILE *(*call)(int fd, const char *mode);
	} real = {.found = dlsym(RTLD_NEXT, "fdopen")};
	int *cookie;

	path_of(fd, path);
	if (mode[0] == 'r' || !is_below(path))
		return real.call(fd, mode);
	cookie = malloc(sizeof(*cookie));
	if (cookie == NULL)
		return NULL;
	*cookie = fd;
	return fopencookie(cookie, mode,
			   (cookie_io_functions_t){
				   .read = NULL, .write = stream_write, .close = stream_close});
}

/* ---- to the disk ---- */

static int sync_fd(const char *call, long number, int fd)
{
	char path[PATH_MAX];
	struct stat st;
	int result;

	if (fails_fd(call, fd, false))
		return -1;
	result = (int)syscall(number, fd);
	if (result != 0 || record_fd < 0)
		return result;
	path_of(fd, path);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		record((struct event){.type = EVENT_SYNC_FOLDER}, path, NULL, 0);
	else
		record_fd_event(EVENT_SYNC, fd, 0, NULL, 0);
	return result;
}

PUBLIC int fsync(int fd)
{
	return sync_fd("fsync", SYS_fsync, fd);
}

PUBLIC int fdatasync(int fd)
{
	return sync_fd("fdatasync", SYS_fdatasync, fd);
}

PUBLIC int msync(void *p, size_t len, int flags)
{
	return (int)syscall(SYS_msync, p, len, flags);
}

/* ---- names ---- */

PUBLIC int link(const char *from, const char *to)
{
	int result;

	if (fails("link", to, false))
		return -1;
	result = (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
	if (result == 0)
		record_names(EVENT_LINK, from, to);
	return result;
}

PUBLIC int rename(const char *from, const char *to)
{
	int result;

	if (fails("rename", to, false))
		return -1;
	result = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
	if (result == 0)
		record_names(EVENT_RENAME, from, to);
	return result;
}

/* A file that was opened without a name gets one. */
PUBLIC int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
	char path[PATH_MAX];
	ssize_t n = readlink(from, path, sizeof(path) - 1);
	int result;

	if (fails("linkat", to, false))
		return -1;
	result = (int)syscall(SYS_linkat, from_at, from, to_at, to, flags);
	path[n > 0 ? n : 0] = '\0';
	if (result == 0)
		record_names(EVENT_RENAME, path, to);
	return result;
}

PUBLIC int unlink(const char *path)
{
	int result;

	if (fails("unlink", path, false))
		return -1;
	result = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
	if (result == 0)
		record_names(EVENT_UNLINK, path, NULL);
	return result;
}

PUBLIC int mkdir(const char *path, mode_t mode)
{
	if (fails("mkdir", path, false))
		return -1;
	return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

/* ---- owners, modes, locks, maps ---- */

PUBLIC int fchmod(int fd, mode_t mode)
{
	return fails_fd("fchmod", fd, false) ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

PUBLIC int fchown(int fd, uid_t owner, gid_t group)
{
	return fails_fd("fchown", fd, false) ? -1 : (int)syscall(SYS_fchown, fd, owner, group);
}

PUBLIC int flock(int fd, int operation)
{
	return fails_fd("flock", fd, false) ? -1 : (int)syscall(SYS_flock, fd, operation);
}

static bool is_lock(int command)
{
	return command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK ||
	       command == F_OFD_SETLKW;
}

#define FCNTL(name)                                                                                \
	PUBLIC int name(int fd, int command, ...);                                                 \
	PUBLIC int name(int fd, int command, ...)                                                  \
	{                                                                                          \
		va_list args;                                                                      \
		void *arg;                                                                         \
                                                                                                   \
		va_start(args, command);                                                           \
		arg = va_arg(args, void *);                                                        \
		va_end(args);                                                                      \
		if (is_lock(command) && fails_fd("lock", fd, false))                               \
			return -1;                                                                 \
		return (int)syscall(SYS_fcntl, fd, command, arg);                                  \
	}

FCNTL(fcntl)
FCNTL(fcntl64)

#define MMAP(name)                                                                                 \
	PUBLIC void *name(void *p, size_t len, int prot, int flags, int fd, off_t at)              \
	{                                                                                          \
		if (fd >= 0 && (flags & MAP_SHARED) != 0 && fails_fd("mmap", fd, false))           \
			return MAP_FAILED;                                                         \
		return (void *)syscall(SYS_mmap, p, len, prot, flags, fd, at);                     \
	}

MMAP(mmap)
MMAP(mmap64)
