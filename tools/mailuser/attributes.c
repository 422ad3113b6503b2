/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * attributes.c - options that set attributes of an account
 *
 * What a value may be is decided where shadow decides it: numbers and dates here, before anything
 * is opened; texts by the library, whose log says what is wrong with one.
 */
#include "attributes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "day.h"
#include "parse.h"

/* Says in shadow's words what is wrong with a number. */
static int number_refuse(const struct app *app, enum ma_kind kind, const char *text)
{
	switch (kind) {
	case MA_KIND_UID:
		ma_say("invalid user ID '%s': give a number from 0 to 4294967294", text);
		break;
	case MA_KIND_GID:
		ma_say("group '%s' does not exist: give the name or number of a Unix group", text);
		return MA_EXIT_MISSING;
	case MA_KIND_DATE:
		ma_say("invalid date '%s': give YYYY-MM-DD, or '' for never", text);
		break;
	default:
		ma_say("invalid numeric argument '%s': give days, -1 to %d", text, MA_DAYS_MAX);
		break;
	}
	return app->cmd->exits.argument;
}

static bool number_parse(enum ma_kind kind, const char *text, int64_t *value_out)
{
	switch (kind) {
	case MA_KIND_UID:
		return ma_parse_uid(text, value_out);
	case MA_KIND_GID:
		return ma_parse_gid(text, value_out);
	case MA_KIND_DATE:
		return ma_day_parse(text, value_out);
	case MA_KIND_DAYS:
		return ma_parse_long(text, -1, MA_DAYS_MAX, value_out);
	default: /* MA_KIND_ON and MA_KIND_OFF: there is no text */
		*value_out = kind == MA_KIND_ON ? 1 : 0;
		return true;
	}
}

/* LIST may have commas, which is easier to type; the library wants spaces. */
static bool mechs_take(const char *text, struct attributes *out)
{
	free(out->mechs);
	out->mechs = strdup(text);
	if (out->mechs == NULL)
		return false;
	for (char *c = strchr(out->mechs, ','); c != NULL; c = strchr(c, ','))
		*c = ' ';
	out->texts[MAILAUTH_TEXT_MECHS] = out->mechs;
	return true;
}

int ma_attributes_parse(const struct app *app, const struct attribute *rows,
			struct attributes *attributes_out)
{
	*attributes_out = (struct attributes){0};
	for (; rows->option != 0; rows++) {
		const char *text = ma_option(app, rows->option);
		int64_t value = -1;

		if (text == NULL)
			continue;
		if (rows->kind == MA_KIND_MECHS) {
			if (mechs_take(text, attributes_out))
				continue;
			ma_say("out of memory");
			return app->cmd->exits.failed;
		}
		if (rows->kind == MA_KIND_TEXT || rows->kind == MA_KIND_GROUPS) {
			attributes_out->texts[rows->which] = text;
			continue;
		}
		if (!number_parse(rows->kind, text, &value))
			return number_refuse(app, rows->kind, text);
		ma_attributes_set_number(attributes_out, (enum mailauth_number)rows->which, value);
	}
	return MA_EXIT_OK;
}

void ma_attributes_clear(struct attributes *attributes)
{
	free(attributes->mechs);
	*attributes = (struct attributes){0};
}

void ma_attributes_set_number(struct attributes *attributes, enum mailauth_number which,
			      int64_t value)
{
	attributes->has_number[which] = true;
	attributes->numbers[which] = value;
}

static enum mailauth_status groups_add(struct mailauth_user *user, const char *more)
{
	const char *groups = mailauth_user_text(user, MAILAUTH_TEXT_GROUPS);
	enum mailauth_status status;
	char *all = NULL;

	if (more[0] == '\0')
		return MAILAUTH_OK;
	if (groups[0] == '\0')
		return mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, more);
	if (asprintf(&all, "%s,%s", groups, more) < 0)
		return MAILAUTH_E_NOMEM;
	status = mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, all);
	free(all);
	return status;
}

/* Is a word of this length in a list? */
static bool has_word(const char *list, char separator, const char *word, size_t len)
{
	const char separators[] = {separator, '\0'};
	size_t n;

	for (; *list != '\0'; list += n + (list[n] == separator)) {
		n = strcspn(list, separators);
		if (n == len && strncmp(list, word, len) == 0)
			return true;
	}
	return false;
}

static enum mailauth_status groups_remove(struct mailauth_user *user, const char *out)
{
	const char *groups = mailauth_user_text(user, MAILAUTH_TEXT_GROUPS);
	char *rest = strdup(groups);
	enum mailauth_status status;
	size_t end = 0;
	size_t len;

	if (rest == NULL)
		return MAILAUTH_E_NOMEM;
	for (; *groups != '\0'; groups += len + (groups[len] == ',')) {
		len = strcspn(groups, ",");
		if (has_word(out, ',', groups, len))
			continue;
		if (end > 0)
			rest[end++] = ',';
		memcpy(rest + end, groups, len);
		end += len;
	}
	rest[end] = '\0';
	status = mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, rest);
	free(rest);
	return status;
}

static enum mailauth_status text_apply(const struct attributes *attributes,
				       struct mailauth_user *user, enum mailauth_text which)
{
	const char *text = attributes->texts[which];

	if (which == MAILAUTH_TEXT_GROUPS && attributes->groups == MA_GROUPS_ADD)
		return groups_add(user, text);
	if (which == MAILAUTH_TEXT_GROUPS && attributes->groups == MA_GROUPS_REMOVE)
		return groups_remove(user, text);
	return mailauth_user_set_text(user, which, text);
}

enum mailauth_status ma_attributes_apply(struct attributes *attributes, struct mailauth_user *user)
{
	enum mailauth_status status;

	for (int i = 0; i < MA_N_TEXTS; i++) {
		attributes->failed = attributes->texts[i];
		if (attributes->texts[i] == NULL)
			continue;
		status = text_apply(attributes, user, (enum mailauth_text)i);
		if (status != MAILAUTH_OK)
			return status;
	}
	attributes->failed = "number";
	for (int i = 0; i < MA_N_NUMBERS; i++) {
		if (!attributes->has_number[i])
			continue;
		status = mailauth_user_set_number(user, (enum mailauth_number)i,
						  attributes->numbers[i]);
		if (status != MAILAUTH_OK)
			return status;
	}
	attributes->failed = NULL;
	return MAILAUTH_OK;
}

bool ma_attributes_differ(const struct mailauth_user *a, const struct mailauth_user *b)
{
	for (int i = 0; i < MA_N_TEXTS; i++) {
		if (strcmp(mailauth_user_text(a, (enum mailauth_text)i),
			   mailauth_user_text(b, (enum mailauth_text)i)) != 0)
			return true;
	}
	for (int i = 0; i < MA_N_NUMBERS; i++) {
		if (mailauth_user_number(a, (enum mailauth_number)i) !=
		    mailauth_user_number(b, (enum mailauth_number)i))
			return true;
	}
	return false;
}

enum mailauth_status ma_attributes_set_hash(struct mailauth_user *user, const char *hash)
{
	bool is_locked = hash[0] == '!';
	bool is_none;
	enum mailauth_status status;

	if (is_locked)
		hash += strspn(hash, "!");
	is_none = strcmp(hash, "*") == 0 || (is_locked && hash[0] == '\0');
	status = is_none ? MAILAUTH_OK : mailauth_user_set_crypt(user, hash);
	if (status != MAILAUTH_OK)
		return status;
	if (is_none) {
		mailauth_user_clear_secrets(user);
		status = mailauth_user_set_number(user, MAILAUTH_NUMBER_LAST_CHANGE,
						  (int64_t)time(NULL) / MA_DAY_S);
	}
	if (status != MAILAUTH_OK)
		return status;
	return mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, is_locked ? 1 : 0);
}

bool ma_attributes_check(const struct mailauth_user *user)
{
	static const char apop[] = "APOP";
	const char *mechs = mailauth_user_text(user, MAILAUTH_TEXT_MECHS);

	if (mailauth_user_number(user, MAILAUTH_NUMBER_RECOVERABLE) > 0 ||
	    !has_word(mechs, ' ', apop, strlen(apop)))
		return true;
	ma_say("APOP needs the password itself: add --recoverable to keep it, sealed, or leave "
	       "APOP out");
	return false;
}
