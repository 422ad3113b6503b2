/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tree.h - copy, give away or remove a folder with all that is in it
 *
 * Made for root at work in folders that somebody else may change at the same time: no symbolic link
 * is followed, no name is looked up twice, and no other file system is entered.
 */
#ifndef MAILUSER_TREE_H
#define MAILUSER_TREE_H

#include <stdbool.h>
#include <sys/types.h>

/** Who gets what; (uid_t)-1 as old: everybody's, as new: stays. */
struct tree_owner {
	uid_t uid_old;
	uid_t uid_new;
	gid_t gid_old;
	gid_t gid_new;
};

/**
 * ma_tree_remove() - remove a folder and all that is in it
 * @parent: an open folder
 * @name:   of the folder in it; must be on the file system of @parent
 * @folder: the same, open: what is in it goes, whatever @name has become meanwhile
 *
 * Return: true; false after a message, with some of it gone
 */
bool ma_tree_remove(int parent, const char *name, int folder);

/**
 * ma_tree_own() - give a folder and all that is in it to somebody else
 * @folder: open
 * @owner:  who gets what
 * Return: true; false after a message
 */
bool ma_tree_own(int folder, const struct tree_owner *owner);

/**
 * ma_tree_copy() - copy what is in a folder
 * @from:  an open folder: files, folders and symbolic links, with modes and times
 * @to:    an open folder; folders in it may be there already, files must not
 * @owner: who gets the copies
 * Return: true; false after a message, with some of it copied
 */
bool ma_tree_copy(int from, int to, const struct tree_owner *owner);

/** ma_tree_is_one() - are two open folders on one mount of one file system? */
bool ma_tree_is_one(int a, int b);

#endif
