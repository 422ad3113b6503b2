/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_calls.c - what the unit tests of mailuser share: calls that fail, a clock, messages
 *
 * See test_calls.h. The linker's --wrap=CALL makes a call of CALL one of __wrap_CALL, and the real
 * one __real_CALL. Some calls have a second name, which the headers use for large files or where
 * they know how large an object is.
 */
#include "test_calls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

static const struct state {
	const char *failing; /* NULL: none */
	size_t left;	     /* calls that succeed before */
	int error;
	size_t n_failed;
	size_t read_max;
	bool has_clock;
	time_t now;
	bool has_users;
	uid_t owner;
	uid_t self;
	const char *etc;
	bool was_asked; /* for what was said: the next message begins anew */
	char said[4096];
} none;

static struct state state;

void test_reset(void)
{
	state = none;
}

void test_fail(const char *call, size_t nth, int error)
{
	state.failing = call;
	state.left = nth;
	state.error = error;
}

size_t test_failed(void)
{
	return state.n_failed;
}

void test_read_max(size_t max)
{
	state.read_max = max;
}

void test_clock(time_t now)
{
	state.has_clock = true;
	state.now = now;
}

void test_users(uid_t owner, uid_t self)
{
	state.has_users = true;
	state.owner = owner;
	state.self = self;
}

void test_etc(const char *folder)
{
	state.etc = folder;
}

const char *test_said(void)
{
	if (state.was_asked)
		state.said[0] = '\0';
	state.was_asked = true;
	return state.said;
}

/* Does this call fail? */
static bool fails(const char *call)
{
	if (state.failing == NULL || strcmp(state.failing, call) != 0)
		return false;
	if (state.left > 0) {
		state.left--;
		return false;
	}
	state.failing = NULL;
	state.n_failed++;
	errno = state.error;
	return true;
}

/* ---- memory ---------------------------------------------------------------------------------- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
void *__real_reallocarray(void *p, size_t n, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
void *__real_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));
void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *));
static int print_all(char **out, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
int __wrap_asprintf(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap___asprintf_chk(char **out, int flag, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void *__wrap_malloc(size_t size)
{
	return fails(TEST_MEMORY) ? NULL : __real_malloc(size);
}

char *__wrap_strdup(const char *text)
{
	return fails(TEST_MEMORY) ? NULL : __real_strdup(text);
}

void *__wrap_reallocarray(void *p, size_t n, size_t size)
{
	return fails(TEST_MEMORY) ? NULL : __real_reallocarray(p, n, size);
}

void *__wrap_tsearch(const void *key, void **root, int (*compare)(const void *, const void *))
{
	return fails(TEST_MEMORY) ? NULL : __real_tsearch(key, root, compare);
}

static int print_all(char **out, const char *format, va_list args)
{
	return fails(TEST_MEMORY) ? -1 : vasprintf(out, format, args);
}

int __wrap_asprintf(char **out, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = print_all(out, format, args);
	va_end(args);
	return len;
}

int __wrap___asprintf_chk(char **out, int flag, const char *format, ...)
{
	va_list args;
	int len;

	(void)flag;
	va_start(args, format);
	len = print_all(out, format, args);
	va_end(args);
	return len;
}

/* ---- files ----------------------------------------------------------------------------------- */

ssize_t __real_read(int fd, void *p, size_t size);
ssize_t __wrap_read(int fd, void *p, size_t size);
ssize_t __wrap___read_chk(int fd, void *p, size_t size, size_t object_size);
int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int __wrap_fstat64(int fd, struct stat *st);
uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void);
FILE *__real_fopen(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_access(const char *path, int mode);
int __wrap_access(const char *path, int mode);

ssize_t __wrap_read(int fd, void *p, size_t size)
{
	size_t max = state.read_max > 0 && state.read_max < size ? state.read_max : size;

	if (fails("read"))
		return state.error == 0 ? 0 : -1;
	return __real_read(fd, p, max);
}

ssize_t __wrap___read_chk(int fd, void *p, size_t size, size_t object_size)
{
	if (size > object_size)
		abort();
	return __wrap_read(fd, p, size);
}

int __wrap_fstat(int fd, struct stat *st)
{
	int result = fails("fstat") ? -1 : __real_fstat(fd, st);

	if (result == 0 && state.has_users)
		st->st_uid = state.owner;
	return result;
}

/* Where files may be large, which this file's own struct stat knows too. */
int __wrap_fstat64(int fd, struct stat *st)
{
	return __wrap_fstat(fd, st);
}

int __wrap_fsync(int fd)
{
	return fails("fsync") ? -1 : __real_fsync(fd);
}

int __wrap_rename(const char *from, const char *to)
{
	return fails("rename") ? -1 : __real_rename(from, to);
}

uid_t __wrap_geteuid(void)
{
	return state.has_users ? state.self : __real_geteuid();
}

/* The path, or the one that is meant; valid until the next call. */
static const char *place(const char *path)
{
	static char elsewhere[512];

	if (state.etc == NULL || strncmp(path, "/etc/", 5) != 0)
		return path;
	(void)snprintf(elsewhere, sizeof(elsewhere), "%s/%s", state.etc, path + 5);
	return elsewhere;
}

int __wrap_access(const char *path, int mode)
{
	return __real_access(place(path), mode);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
	return __real_fopen(place(path), mode);
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	return __wrap_fopen(path, mode);
}

/* ---- clock and messages ---------------------------------------------------------------------- */

time_t __real_time(time_t *out);
time_t __wrap_time(time_t *out);
void __wrap_ma_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

time_t __wrap_time(time_t *out)
{
	if (!state.has_clock)
		return __real_time(out);
	if (out != NULL)
		*out = state.now;
	return state.now;
}

void __wrap_ma_say(const char *format, ...)
{
	size_t used;
	va_list args;

	if (state.was_asked)
		state.said[0] = '\0';
	state.was_asked = false;
	used = strlen(state.said);
	va_start(args, format);
	(void)vsnprintf(state.said + used, sizeof(state.said) - used, format, args);
	va_end(args);
	used = strlen(state.said);
	(void)snprintf(state.said + used, sizeof(state.said) - used, "\n");
}
