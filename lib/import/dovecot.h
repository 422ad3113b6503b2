/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dovecot.h - what the two halves of the passwd-file format share
 */
#ifndef MA_IMPORT_DOVECOT_H
#define MA_IMPORT_DOVECOT_H

#include "import/import.h"

/* nologin alone stops Dovecot's own services, but no SMTP server that asks Dovecot. */
#define MA_DOVECOT_NO_NETS "allow_nets=255.255.255.255/32"

/* As put of struct ma_format. */
enum mailauth_status ma_dovecot_put(const struct ma_export_params *params,
				    const struct ma_entry *entry, char *why);

#endif
