/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * path.h - what the text of a path tells, before anything is opened
 *
 * More slashes than needed never matter.
 */
#ifndef MAILUSER_PATH_H
#define MAILUSER_PATH_H

#include <stdbool.h>

struct stat;

/** ma_path_is_usable() - absolute, not "/", and without . and .. and parts that are too long? */
bool ma_path_is_usable(const char *path);

/** ma_path_is_within() - is inner the folder outer, or in it? */
bool ma_path_is_within(const char *outer, const char *inner);

/** ma_path_overlap() - are two paths the same folder, or is one inside the other? */
bool ma_path_overlap(const char *a, const char *b);

/**
 * ma_path_is_system() - does a folder belong to the system?
 *
 * Such as /var or /home, which no account can have as a mailbox, or anything in /etc or /usr/lib,
 * where no mail is; and what is around one of them.
 */
bool ma_path_is_system(const char *path);

/** ma_path_is_system_folder() - is it one of them under another name, as a bind mount may be? */
bool ma_path_is_system_folder(const struct stat *folder);

/** ma_path_is_top() - is it directly below /, or / itself? */
bool ma_path_is_top(const char *path);

#endif
