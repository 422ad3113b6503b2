/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay.c - a fuzz target without a fuzzer: every seed once
 *
 * Linked to each target where libFuzzer is not. The argument is a folder of seeds; each of its
 * files is one test, told as TAP. A crash or a broken promise ends the process, which the missing
 * rest of the plan shows. A folder without seeds is an error, or a target would be forgotten
 * unseen.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define SEED_MAX 65536 /* bytes */

static int is_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool read_seed(const char *folder, const char *name, uint8_t *bytes_out, size_t *len_out)
{
	char path[1024];
	FILE *stream;
	bool ok;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	stream = fopen(path, "re");
	if (stream == NULL)
		return false;
	*len_out = fread(bytes_out, 1, SEED_MAX, stream);
	ok = !ferror(stream) && *len_out < SEED_MAX;
	(void)fclose(stream);
	return ok;
}

/* From a block of exactly its size. */
static void run(struct ma_span bytes)
{
	uint8_t *copy = fuzz_copy(bytes);

	fuzz_accepted = false;
	(void)LLVMFuzzerTestOneInput(copy, bytes.len);
	free(copy);
}

int main(int argc, char **argv)
{
	static uint8_t bytes[SEED_MAX];
	struct dirent **entries;
	int n_failed = 0;
	int n = argc == 2 ? scandir(argv[1], &entries, is_file, alphasort) : 0;

	if (n <= 0) {
		printf("Bail out! no seeds in %s\n", argc == 2 ? argv[1] : "(no folder given)");
		return 1;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		size_t len = 0;
		bool ok = read_seed(argv[1], name, bytes, &len);

		printf("# %s\n", name);
		(void)fflush(stdout); /* to be seen if this one ends the process */
		if (ok)
			run(ma_span(bytes, len));
		if (ok && strncmp(name, "ok", 2) == 0)
			ok = fuzz_accepted;
		printf("%s %d - %s\n", ok ? "ok" : "not ok", i + 1, name);
		n_failed += !ok;
		free(entries[i]);
	}
	free(entries);
	return n_failed == 0 ? 0 : 1;
}
