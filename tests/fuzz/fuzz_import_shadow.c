/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_import_shadow.c - passwd, shadow and group files
 *
 * The input is the three files, with lines of "%" between them. See import.h for what has to hold.
 */
#include "import.h"

/* What stands before the next separator. */
static struct ma_span take_file(struct ma_span *in)
{
	const uint8_t *end = in->len > 0 ? memmem(in->p, in->len, "%\n", 2) : NULL;
	struct ma_span file = *in;

	if (end == NULL) {
		*in = ma_span(NULL, 0);
		return file;
	}
	file.len = (size_t)(end - in->p);
	*in = ma_span(end + 2, in->len - file.len - 2);
	return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ma_span in = ma_span(data, size);
	struct ma_span passwd = take_file(&in);
	struct ma_span shadow = take_file(&in);
	const struct ma_import_params params = {
		.file = fuzz_import_file(0, passwd),
		.second = fuzz_import_file(1, shadow),
		.third = fuzz_import_file(2, in),
		.min_uid = 10,
		.max_uid = 60000,
	};

	fuzz_accepted = false;
	fuzz_import(ma_format_find("shadow"), &params, passwd);
	return 0;
}
