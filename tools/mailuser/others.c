/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * others.c - what belongs to another account already
 */
#include "others.h"

#include <errno.h>
#include <limits.h>
#include <mailauth/admin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "path.h"

/* What is looked for. */
struct search {
	const char *name; /* the account that does not count */
	int64_t uid;
	const char *home; /* NULL: it is the uid */
};

/* Is inner the folder outer, or in it, by what is there? Two paths may lead to one folder. */
static bool is_really_within(const char *outer, const char *inner)
{
	char part[PATH_MAX];
	struct stat want;
	struct stat st;

	if (stat(outer, &want) != 0)
		return false;
	(void)snprintf(part, sizeof(part), "%s", inner);
	for (char *slash = part + strlen(part); slash > part; slash = strrchr(part, '/')) {
		*slash = '\0';
		if (stat(part, &st) == 0 && st.st_dev == want.st_dev && st.st_ino == want.st_ino)
			return true;
	}
	return false;
}

/* As written, as it is behind symbolic links, and where one folder has two names. */
static bool has_home(const struct mailauth_user *user, const char *home)
{
	const char *other = mailauth_user_text(user, MAILAUTH_TEXT_HOME);
	char *real;
	bool has;

	if (other[0] == '\0')
		return false;
	if (ma_path_overlap(home, other))
		return true;
	real = realpath(other, NULL);
	if (real == NULL) /* what is there but cannot be looked at may be anything */
		return errno != ENOENT && errno != ENOTDIR;
	has = ma_path_overlap(home, real) || is_really_within(home, real) ||
	      is_really_within(real, home);
	free(real);
	return has;
}

static bool is_wanted(const struct mailauth_user *user, const struct search *search)
{
	if (strcmp(mailauth_user_name(user), search->name) == 0)
		return false;
	if (search->home != NULL)
		return has_home(user, search->home);
	return mailauth_user_number(user, MAILAUTH_NUMBER_UID) == search->uid;
}

static int find(struct app *app, const struct search *search, struct mailauth_name *owner_out)
{
	struct mailauth_name cursor = {0};

	*owner_out = (struct mailauth_name){0};
	for (;;) {
		MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
		enum mailauth_status status;
		bool is_found;

		app->said = false;
		status = mailauth_user_next(app->ctx, &cursor, &user);
		if (status == MAILAUTH_E_NOTFOUND)
			break;
		if (status == MAILAUTH_E_CORRUPT)
			is_found = search->home != NULL && strcmp(cursor.text, search->name) != 0;
		else if (status == MAILAUTH_OK)
			is_found = is_wanted(user, search);
		else
			return ma_app_fail(app, status, cursor.text);
		if (is_found) {
			*owner_out = cursor;
			break;
		}
	}
	app->said = false;
	return MA_EXIT_OK;
}

int ma_others_uid(struct app *app, const char *name, int64_t uid, struct mailauth_name *owner_out)
{
	const struct search search = {.name = name, .uid = uid};

	return find(app, &search, owner_out);
}

int ma_others_home(struct app *app, const char *name, const char *home,
		   struct mailauth_name *owner_out)
{
	const struct search search = {.name = name, .home = home};

	return find(app, &search, owner_out);
}
