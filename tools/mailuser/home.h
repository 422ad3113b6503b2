/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * home.h - make the mailbox of a new account
 */
#ifndef MAILUSER_HOME_H
#define MAILUSER_HOME_H

#include <sys/types.h>

/** Result of ma_home_make(). */
enum ma_home {
	MA_HOME_FAILED = 0, /* the user has been told why */
	MA_HOME_THERE,	    /* there was something already; it was left alone */
	MA_HOME_MADE
};

/**
 * ma_home_make() - make a folder that is an empty Maildir
 * @path: absolute path; missing folders above it are made too, 0755 of root
 * @uid:  owner of the folder and of cur, new and tmp in it, all 0700
 * @gid:  their group
 *
 * No symbolic link in @path is followed.
 */
enum ma_home ma_home_make(const char *path, uid_t uid, gid_t gid);

/**
 * ma_home_undo() - take back what ma_home_make() made, if it is still empty
 * @path: as given to ma_home_make()
 */
void ma_home_undo(const char *path);

#endif
