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

#endif
