/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault.h - what writer.c and the tests beside it share
 */
#ifndef MA_TESTS_FAULT_FAULT_H
#define MA_TESTS_FAULT_FAULT_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mailauth/admin.h>

#include "fault/record.h"

/* Kinds of changes that writer.c makes, one after the other; the first makes the store. */
#define CYCLE	   12

/* What crypt(3) makes of "secret" with the method 1 and the salt "abcdefgh". */
#define SECRET_MD5 "cHJi5PXp/ki/ktXzqlk6I1"

enum { LOGIN_REFUSED = 120, NOT_MADE = 121 }; /* exit codes of writer.c */

static const struct mailauth_request fault_request = {
	.size = sizeof(struct mailauth_request),
	.flags = MAILAUTH_REQUEST_TLS,
};

static inline void fault_dump_one(struct mailauth *ctx, const struct mailauth_user *user, FILE *out)
{
	const char *name = mailauth_user_name(user);
	const char *comment = mailauth_user_text(user, MAILAUTH_TEXT_COMMENT);
	enum mailauth_status status = mailauth_verify_plain(ctx, &fault_request, name, strlen(name),
							    comment, strlen(comment), NULL);

	(void)fprintf(out, "%s %lld '%s' %s\n", name,
		      (long long)mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION), comment,
		      mailauth_status_name(status));
}

/*
 * All accounts as text: name, generation, comment, and whether the comment is the password, which
 * opens the seal. Opened for reading, so nothing is captured. NULL: the store or an account does
 * not open. The caller frees it.
 */
static inline char *fault_dump(const struct mailauth_options *options)
{
	struct mailauth_name cursor = {""};
	struct mailauth *ctx = NULL;
	enum mailauth_status status = mailauth_open(options, &ctx);
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool is_whole;

	while (out != NULL && status == MAILAUTH_OK) {
		struct mailauth_user *user = NULL;

		status = mailauth_user_next(ctx, &cursor, &user);
		if (status == MAILAUTH_OK)
			fault_dump_one(ctx, user, out);
		mailauth_user_free(&user);
	}
	is_whole = out != NULL && fclose(out) == 0 && status == MAILAUTH_E_NOTFOUND;
	mailauth_free(&ctx);
	if (is_whole)
		return text;
	free(text);
	return NULL;
}

/* What went before is acknowledged; nothing if nothing is recorded. */
static inline void fault_mark(uint64_t n)
{
	const char *path = getenv("FAULT_RECORD");
	struct event event = {.type = EVENT_MARK, .offset = n};
	int fd = path != NULL ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;

	if (fd >= 0 && write(fd, &event, sizeof(event)) != sizeof(event))
		exit(NOT_MADE);
	if (fd >= 0)
		(void)close(fd);
}

#endif
