/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * elsewhere.h - does a name already mean something to the mail system?
 */
#ifndef MAILUSER_ELSEWHERE_H
#define MAILUSER_ELSEWHERE_H

#include <stdbool.h>

#define MA_ALIASES_FILE "/etc/aliases"

/**
 * ma_elsewhere_unix() - is there a Unix user of this name?
 * @local: local part of an account's name
 */
bool ma_elsewhere_unix(const char *local);

/**
 * ma_elsewhere_alias() - does an aliases file have an entry for this name?
 * @local: local part of an account's name
 * @file:  the file, in the format of aliases(5); one that is missing has no entries
 */
bool ma_elsewhere_alias(const char *local, const char *file);

/**
 * ma_elsewhere_warn() - say so if mail for an account may go elsewhere
 * @name:      the account, local@realm
 * @is_strict: it is an error, not a warning
 * Return: true if it may
 */
bool ma_elsewhere_warn(const char *name, bool is_strict);

#endif
