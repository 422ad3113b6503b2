/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * others.h - what belongs to another account already
 *
 * Found by walking through all accounts, so it takes a while in a large store, and two commands at
 * the same time do not see each other.
 */
#ifndef MAILUSER_OTHERS_H
#define MAILUSER_OTHERS_H

#include <mailauth/mailauth.h>

#include "cmd.h"

/**
 * ma_others_uid() - which other account has a uid?
 * @app:       the command, with its store open
 * @name:      the account that may have it
 * @uid:       0 to 4294967294
 * @owner_out: the first other one; empty if there is none
 *
 * A damaged account has no uid that could be compared; the library warns.
 *
 * Return: 0, or what to exit with; the user has been told
 */
int ma_others_uid(struct app *app, const char *name, int64_t uid, struct mailauth_name *owner_out);

/**
 * ma_others_home() - which other account has its mailbox in a folder, or around it?
 * @app:       the command, with its store open
 * @name:      the account that may have it
 * @home:      the folder, a path without symbolic links
 * @owner_out: the first other one, or a damaged account, which may have it; empty if there is none
 *
 * Return: 0, or what to exit with; the user has been told
 */
int ma_others_home(struct app *app, const char *name, const char *home,
		   struct mailauth_name *owner_out);

#endif
