/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attributes.h - options that set attributes of an account
 *
 * add, mod, passwd and chage give the same attributes different letters. Each has a table of them;
 * ma_attributes_parse() reads the values, before the store is opened, and ma_attributes_apply()
 * sets them, as often as mailauth_user_update() asks for it.
 */
#ifndef MAILUSER_ATTRIBUTES_H
#define MAILUSER_ATTRIBUTES_H

#include <mailauth/admin.h>
#include <stdbool.h>

#include "cmd.h"

#define MA_DAYS_MAX 99999 /* of the ageing values but dates; shadow has no limit of its own */

/** What the argument of an option is. */
enum ma_kind {
	MA_KIND_TEXT,
	MA_KIND_GROUPS, /* mail groups */
	MA_KIND_MECHS,	/* commas or spaces between them */
	MA_KIND_UID,
	MA_KIND_GID,
	MA_KIND_DATE, /* as ma_day_parse() takes it */
	MA_KIND_DAYS, /* -1 to MA_DAYS_MAX */
	MA_KIND_ON,   /* the option has no argument: 1 */
	MA_KIND_OFF   /* likewise: 0 */
};

/** One option; a table of them ends with an empty row. */
struct attribute {
	int option;
	enum ma_kind kind;
	int which; /* enum mailauth_text for the first three kinds, else enum mailauth_number */
};

#define MA_N_TEXTS   (MAILAUTH_TEXT_MECHS + 1)
#define MA_N_NUMBERS (MAILAUTH_NUMBER_EXPIRE + 1)

/** What a list of groups does. */
enum ma_groups { MA_GROUPS_REPLACE = 0, MA_GROUPS_ADD, MA_GROUPS_REMOVE };

/** What is to be set. */
struct attributes {
	const char *texts[MA_N_TEXTS]; /* NULL: stays */
	bool has_number[MA_N_NUMBERS]; /* false: stays */
	int64_t numbers[MA_N_NUMBERS];
	enum ma_groups groups; /* what the groups are to those that there are */
	char *mechs;	       /* owned: the list with spaces */
	const char *failed;    /* what ma_attributes_apply() could not set */
};

/**
 * ma_attributes_parse() - read the values of options
 * @app:            the command
 * @rows:           its options
 * @attributes_out: what they ask for; cleared by ma_attributes_clear(), also after a failure
 *
 * Return: 0, or what to exit with; the user has been told, in the words of shadow-utils
 */
int ma_attributes_parse(const struct app *app, const struct attribute *rows,
			struct attributes *attributes_out);

/** ma_attributes_clear() - free what is owned; safe to call twice */
void ma_attributes_clear(struct attributes *attributes);

/** ma_attributes_set_number() - one more number to set */
void ma_attributes_set_number(struct attributes *attributes, enum mailauth_number which,
			      int64_t value);

/**
 * ma_attributes_apply() - set them on an account
 * @attributes: on failure, failed tells which value it was about
 * @user:       the account
 * Return: as mailauth_user_set_text() and mailauth_user_set_number()
 */
enum mailauth_status ma_attributes_apply(struct attributes *attributes, struct mailauth_user *user);

/**
 * ma_attributes_differ() - has one account an attribute that the other has not?
 *
 * Texts and numbers only, those that cannot be set left aside.
 */
bool ma_attributes_differ(const struct mailauth_user *a, const struct mailauth_user *b);

/**
 * ma_attributes_set_hash() - take over the password field of a shadow(5) entry
 * @user: the account
 * @hash: a crypt(3) string, perhaps with '!' before it, which locks the account; "!" and "*" alone
 *        are no password
 *
 * The whole field: without a '!' the account is not locked afterwards.
 *
 * Return: as mailauth_user_set_crypt()
 */
enum mailauth_status ma_attributes_set_hash(struct mailauth_user *user, const char *hash);

/**
 * ma_attributes_check() - do list of mechanisms and `recoverable` go together?
 *
 * APOP in a list of an account that keeps no password would be passed over in silence, and its
 * clients fail later.
 *
 * Return: true; false after a message
 */
bool ma_attributes_check(const struct mailauth_user *user);

#endif
