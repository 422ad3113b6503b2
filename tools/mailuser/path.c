/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * path.c - what the text of a path tells, before anything is opened
 */
#include "path.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

/* With mailboxes in them, perhaps. */
static const char *const places[] = {
	"/",	     "/home",	   "/root",    "/run",	     "/tmp",
	"/usr",	     "/usr/local", "/var",     "/var/cache", "/var/lib",
	"/var/lock", "/var/log",   "/var/run", "/var/spool", "/var/tmp",
};

/* With nothing in them that mailuser has to do with. */
static const char *const system_places[] = {
	"/bin",		"/boot",       "/dev",	    "/etc",	  "/lib",
	"/lib32",	"/lib64",      "/libx32",   "/proc",	  "/sbin",
	"/sys",		"/usr/bin",    "/usr/lib",  "/usr/lib32", "/usr/lib64",
	"/usr/libexec", "/usr/libx32", "/usr/sbin", "/usr/share",
};

#define N_PLACES	(sizeof(places) / sizeof(places[0]))
#define N_SYSTEM_PLACES (sizeof(system_places) / sizeof(system_places[0]))

/* The length of the first part; *path is moved to its beginning. */
static size_t part_find(const char **path)
{
	*path += strspn(*path, "/");
	return strcspn(*path, "/");
}

bool ma_path_is_usable(const char *path)
{
	size_t len;

	if (path[0] != '/' || part_find(&path) == 0)
		return false;
	for (len = part_find(&path); len > 0; path += len, len = part_find(&path)) {
		if (len > NAME_MAX || (len == 1 && path[0] == '.') ||
		    (len == 2 && memcmp(path, "..", 2) == 0))
			return false;
	}
	return true;
}

bool ma_path_is_within(const char *outer, const char *inner)
{
	for (;;) {
		size_t len = part_find(&outer);

		if (len == 0)
			return true;
		if (len != part_find(&inner) || strncmp(outer, inner, len) != 0)
			return false;
		outer += len;
		inner += len;
	}
}

bool ma_path_overlap(const char *a, const char *b)
{
	return ma_path_is_within(a, b) || ma_path_is_within(b, a);
}

bool ma_path_is_system(const char *path)
{
	for (size_t i = 0; i < N_PLACES; i++) {
		if (ma_path_is_within(path, places[i]))
			return true;
	}
	for (size_t i = 0; i < N_SYSTEM_PLACES; i++) {
		if (ma_path_overlap(path, system_places[i]))
			return true;
	}
	return false;
}

static bool is_folder(const struct stat *folder, const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == folder->st_dev && st.st_ino == folder->st_ino;
}

bool ma_path_is_system_folder(const struct stat *folder)
{
	for (size_t i = 0; i < N_PLACES; i++) {
		if (is_folder(folder, places[i]))
			return true;
	}
	for (size_t i = 0; i < N_SYSTEM_PLACES; i++) {
		if (is_folder(folder, system_places[i]))
			return true;
	}
	return false;
}

bool ma_path_is_top(const char *path)
{
	path += part_find(&path);
	return part_find(&path) == 0;
}
