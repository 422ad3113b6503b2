/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_keys.c - a change of the key that was begun and not ended
 *
 * `mailuser rekey` goes in three steps, with two keys in the file in between. Only the ids are
 * looked at here; the text is wiped. For a week two keys are a change under way, afterwards a
 * forgotten one.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"

#define KEY_FILE_MAX 4096
#define WEEK_S	     (7 * 24 * 3600)

static size_t count_keys(const char *text, size_t len)
{
	size_t n = 0;
	bool is_first = true; /* of the line, but for white space */

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n') {
			is_first = true;
		} else if (is_first && text[i] != ' ' && text[i] != '\t') {
			is_first = false;
			n += text[i] >= '0' && text[i] <= '9';
		}
	}
	return n;
}

/* 0 if the file cannot be read; the library has said why. */
static size_t read_keys(const char *path, time_t *changed_out)
{
	char text[KEY_FILE_MAX];
	struct stat st;
	ssize_t len = -1;
	size_t n;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		len = read(fd, text, sizeof(text));
	(void)close(fd);
	if (len < 0)
		return 0;
	n = count_keys(text, (size_t)len);
	explicit_bzero(text, sizeof(text));
	*changed_out = st.st_mtime;
	return n;
}

static void run(struct doctor *doctor)
{
	time_t changed = 0;
	size_t n = doctor->ctx == NULL ? 0 : read_keys(doctor->key_file, &changed);
	bool is_old = time(NULL) - changed > WEEK_S;

	if (n > 1)
		ma_finding_add(doctor, is_old ? MA_FINDING_WARNING : MA_FINDING_INFO,
			       doctor->key_file,
			       ma_text("holds %zu keys: a change of the key %s", n,
				       is_old ? "was begun more than a week ago and not ended"
					      : "is under way")
				       .text,
			       "once every server is restarted: mailuser rekey && mailuser rekey "
			       "--prune");
}

const struct check ma_check_keys = {"keys", run};
