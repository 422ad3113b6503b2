/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_sasldb.c - passwords in clear that are still lying about in a sasldb2
 *
 * Whatever kind of database it is, an entry's key ends with the word userPassword, so the file is
 * searched for that, block by block; nothing of it is kept. Entries that were deleted may still be
 * found, and rightly so: the passwords are still in the file. The copy in Postfix's jail is what
 * many instructions on the net make.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

#define WORD	  "userPassword"
#define WORD_LEN  (sizeof(WORD) - 1)
#define KEY_MAX	  ((size_t)512) /* bytes of a key that are looked at: user, realm, word */
#define BLOCK	  ((size_t)64 * 1024)
#define BYTES_MAX ((off_t)1024 * 1024 * 1024)

static const char *const files[] = {
	"/etc/sasldb2",
	"/etc/sasl2/sasldb2",
	"/var/spool/postfix/etc/sasldb2",
};

/* Debian's sasl2-bin makes the file by adding and deleting this user: nobody's password. */
static bool is_nobody(const char *block, const char *word)
{
	static const char user[] = "no:such:user";
	const char *p = word - 1; /* the NUL behind the realm */

	if (p <= block || *p != '\0')
		return false;
	do
		p--;
	while (p > block && *p != '\0');
	return (size_t)(p - block) >= sizeof(user) - 1 &&
	       memcmp(p - (sizeof(user) - 1), user, sizeof(user) - 1) == 0;
}

/* Is there an entry in the block whose key ends at @from or later? */
static bool has_entry(const char *block, size_t from, size_t len)
{
	const char *p = block + from;
	const char *word;

	while ((word = memmem(p, len - (size_t)(p - block), WORD, WORD_LEN)) != NULL) {
		if (!is_nobody(block, word))
			return true;
		p = word + WORD_LEN;
	}
	return false;
}

/* The end of each block is kept for the next one: a key may lie across. */
static bool has_passwords(int fd)
{
	char block[KEY_MAX + BLOCK];
	size_t kept = 0;
	bool found = false;
	off_t sum = 0;
	ssize_t n;

	while (!found && sum < BYTES_MAX && (n = read(fd, block + kept, BLOCK)) > 0) {
		size_t len = kept + (size_t)n;

		found = has_entry(block, kept < WORD_LEN ? 0 : kept - (WORD_LEN - 1), len);
		kept = len < KEY_MAX ? len : KEY_MAX;
		memmove(block, block + len - kept, kept);
		sum += n;
	}
	explicit_bzero(block, sizeof(block));
	return found;
}

static struct text readers(const struct stat *st)
{
	const struct group *group = getgrgid(st->st_gid);
	struct text out;

	if ((st->st_mode & S_IROTH) != 0)
		return ma_text("everybody on this machine");
	if ((st->st_mode & S_IRGRP) == 0 || st->st_gid == 0)
		return ma_text("root alone");
	out = group == NULL ? ma_text("the group %u", (unsigned int)st->st_gid)
			    : ma_text("the group %s", group->gr_name);
	for (char **member = group == NULL ? NULL : group->gr_mem;
	     member != NULL && *member != NULL; member++)
		out = ma_text("%s%s%s", out.text, member == group->gr_mem ? " with " : ", ",
			      *member);
	return out;
}

static void look(struct doctor *doctor, const char *path)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0) {
		if (errno == EACCES)
			ma_finding_add(doctor, MA_FINDING_WARNING, path,
				       "cannot be read, so it is not known whether passwords are "
				       "in it",
				       "run 'mailuser doctor' as root");
		return;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && has_passwords(fd))
		ma_finding_add(
			doctor, (st.st_mode & S_IROTH) != 0 ? MA_FINDING_ERROR : MA_FINDING_WARNING,
			path,
			ma_text("holds passwords in clear, which %s can read", readers(&st).text)
				.text,
			ma_text("mailuser import sasldb if the accounts are still wanted, "
				"then shred -u %s",
				path)
				.text);
	(void)close(fd);
}

static void run(struct doctor *doctor)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		look(doctor, files[i]);
}

const struct check ma_check_sasldb = {"sasldb", run};
