/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_keyring.c - key files
 *
 * The input is the file. Keys that are read are in order, each id once, and written down they are
 * read again; what is refused leaves no key behind and is told in one line.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/seal.h"
#include "fuzz.h"
#include "util/codec.h"

static unsigned int n_complaints;

static void take_log(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	(void)arg;
	FUZZ_CHECK(level == MAILAUTH_LOG_ERROR && strcmp(event, "key") == 0);
	FUZZ_CHECK(fuzz_is_line(text));
	n_complaints++;
}

/* No link may stand in the place of a key file, so it has to be one with a name; in memory, where
 * writing it takes less time than reading it. */
static char path[300];

static void remove_file(void)
{
	(void)unlink(path);
}

static int make_file(void)
{
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
	int fd;

	(void)snprintf(path, sizeof(path), "%s/mailauth-fuzz-XXXXXX", base != NULL ? base : "/tmp");
	fd = mkostemp(path, O_CLOEXEC);
	FUZZ_CHECK(fd >= 0 && fchmod(fd, 0600) == 0 && atexit(remove_file) == 0);
	return fd;
}

static enum mailauth_status load(int fd, struct ma_span bytes, struct ma_keyring *keyring_out)
{
	const struct ma_log log = {.fn = take_log, .level = MAILAUTH_LOG_DEBUG};

	fuzz_file_write(fd, bytes);
	n_complaints = 0;
	return ma_keyring_load(path, geteuid(), &log, keyring_out);
}

static void load_again(int fd, const struct ma_keyring *keyring)
{
	char bytes[MA_KEY_FILE_MAX];
	struct ma_buf text = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_keyring again;

	for (size_t i = keyring->n_keys; i > 0; i--) {
		ma_buf_printf(&text, "%u ", (unsigned int)keyring->keys[i - 1].id);
		ma_hex_encode(ma_span(keyring->keys[i - 1].bytes, MA_GCM_KEY_LEN), &text);
		ma_buf_put_text(&text, "\n");
	}
	FUZZ_CHECK(ma_buf_status(&text) == MAILAUTH_OK);
	FUZZ_CHECK(load(fd, ma_buf_span(&text), &again) == MAILAUTH_OK);
	FUZZ_CHECK(memcmp(&again, keyring, sizeof(again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ma_keyring none;
	static int fd = -1;
	struct ma_keyring keyring;
	enum mailauth_status status;

	if (fd < 0)
		fd = make_file();
	status = load(fd, ma_span(data, size), &keyring);
	fuzz_accepted = status == MAILAUTH_OK;
	if (status != MAILAUTH_OK) {
		FUZZ_CHECK(status == MAILAUTH_E_CONFIG && n_complaints == 1);
		FUZZ_CHECK(memcmp(&keyring, &none, sizeof(keyring)) == 0);
		return 0;
	}
	FUZZ_CHECK(n_complaints == 0 && size <= MA_KEY_FILE_MAX);
	FUZZ_CHECK(keyring.n_keys >= 1 && keyring.n_keys <= MA_KEYS_MAX);
	FUZZ_CHECK(keyring.keys[0].id >= 1);
	for (size_t i = 1; i < keyring.n_keys; i++)
		FUZZ_CHECK(keyring.keys[i - 1].id < keyring.keys[i].id);
	load_again(fd, &keyring);
	return 0;
}
