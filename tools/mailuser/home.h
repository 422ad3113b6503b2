/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * home.h - make, move, give away and remove the mailbox of an account
 */
#ifndef MAILUSER_HOME_H
#define MAILUSER_HOME_H

#include <stdbool.h>
#include <sys/types.h>

#include "tree.h"

/** Result of ma_home_make() and ma_home_move(). */
enum ma_home {
	MA_HOME_FAILED = 0, /* the user has been told why */
	MA_HOME_THERE,	    /* make: there was something already; it was left alone */
	MA_HOME_MISSING,    /* move: there is nothing to move */
	MA_HOME_MADE	    /* made, or moved */
};

/**
 * ma_home_make() - make a folder that is an empty Maildir
 * @path:     absolute path; missing folders above it are made too, 0755 of root
 * @skeleton: a folder whose contents are copied into it; NULL or empty: none
 * @uid:      owner of the folder and of cur, new and tmp in it, all 0700, and of what was copied
 * @gid:      their group
 *
 * No symbolic link in @path is followed.
 */
enum ma_home ma_home_make(const char *path, const char *skeleton, uid_t uid, gid_t gid);

/**
 * ma_home_undo() - take back what ma_home_make() made
 * @path: as given to ma_home_make()
 * @uid:  likewise; what belongs to somebody else is not what was made
 */
void ma_home_undo(const char *path, uid_t uid);

/**
 * ma_home_move() - move a mailbox, to another file system if need be
 * @from: absolute path; no folder of the system
 * @to:   absolute path, where nothing may be yet; missing folders above it are made
 *
 * Owners stay. A copy is on disk before the original is removed.
 */
enum ma_home ma_home_move(const char *from, const char *to);

/**
 * ma_home_own() - give what one owner has in a mailbox to another
 * @path:  absolute path, no folder of the system; nothing there is no failure
 * @owner: who gets what; nothing is done unless the folder itself belongs to uid_old or uid_new
 * Return: true; false after a message
 */
bool ma_home_own(const char *path, const struct tree_owner *owner);

/**
 * ma_home_remove() - remove a mailbox with all mail in it
 * @path:     absolute path
 * @base:     the folder it must be in, deeper than @base itself and on its file system
 * @uid:      its owner; (uid_t)-1: whoever
 * @gone_out: there was nothing
 *
 * @base has to be at least two parts deep and no folder of the system. Nobody but root and the
 * owner of the mailbox may be able to write to a folder above it: they could put any other one in
 * its place.
 *
 * Return: true; false after a message
 */
bool ma_home_remove(const char *path, const char *base, uid_t uid, bool *gone_out);

#endif
