/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import.h - files of accounts, read and written back
 *
 * What the targets of import formats share. Whatever is in the files: each entry is within its
 * bounds, each complaint is one printable line about a line of the file, and reading ends. What an
 * export writes is read back as one account, and written the same again.
 */
#ifndef MA_TESTS_FUZZ_IMPORT_H
#define MA_TESTS_FUZZ_IMPORT_H

#include "fuzz.h"
#include "import/import.h"

/* A file with these bytes, which the next call for the same @slot (0 to 3) replaces; its path. */
const char *fuzz_import_file(size_t slot, struct ma_span bytes);

/*
 * Reads all accounts of params->file, @bytes, and writes each. Sets fuzz_accepted if there was one
 * and nothing was refused.
 */
void fuzz_import(const struct ma_format *format, const struct ma_import_params *params,
		 struct ma_span bytes);

#endif
