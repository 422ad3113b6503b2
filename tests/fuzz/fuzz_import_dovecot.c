/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_import_dovecot.c - passwd-files of Dovecot
 *
 * The input is the file. See import.h for what has to hold.
 */
#include "import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct ma_span bytes = ma_span(data, size);
	const struct ma_import_params params = {
		.file = fuzz_import_file(0, bytes),
		.min_uid = -1,
		.max_uid = -1,
	};

	fuzz_accepted = false;
	fuzz_import(ma_format_find("dovecot"), &params, bytes);
	return 0;
}
