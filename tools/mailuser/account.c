/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * account.c - an account as `show` and `list` present it
 *
 * The JSON form is an interface: scripts of administrators read it. Members may be added, never
 * renamed or removed, and mailuser-show(8) lists all of them. What is not set is null, days are
 * numbers as in shadow(5), times are texts in UTC. It never holds a secret, only the kinds.
 */
#include "account.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "parse.h"

const char *ma_account_state(const struct mailauth_user *user)
{
	const char *state = mailauth_user_state(user);

	return state == NULL ? "active" : state;
}

bool ma_account_is_plus(const char *mech)
{
	static const char plus[] = "-PLUS";
	size_t len = strlen(mech);

	return len >= sizeof(plus) && strcmp(mech + len - strlen(plus), plus) == 0;
}

/* The words of a list as an array. */
static json_t *json_words(const char *text, const char *separators)
{
	json_t *array = json_array();
	size_t len;

	for (const char *word = text; *word != '\0'; word += len) {
		word += strspn(word, separators);
		len = strcspn(word, separators);
		if (len > 0)
			(void)json_array_append_new(array, json_stringn(word, len));
	}
	return array;
}

static json_t *json_secrets(const struct mailauth_user *user)
{
	json_t *array = json_array();
	const char *kind = mailauth_user_secret(user, 0);

	for (size_t i = 1; kind != NULL; i++) {
		(void)json_array_append_new(array, json_string(kind));
		kind = mailauth_user_secret(user, i);
	}
	return array;
}

static json_t *json_mechs(const struct mailauth_user *user)
{
	json_t *array = json_array();

	for (size_t i = 0; i < mailauth_mech_count(); i++) {
		const char *mech = mailauth_mech_name(i);
		const char *why = NULL;
		bool can = mailauth_user_can(user, mech, &why);

		(void)json_array_append_new(array, json_pack("{s:s, s:b, s:s?}", "mechanism", mech,
							     "served", (int)can, "reason",
							     can ? NULL : why));
	}
	return array;
}

static json_t *json_number(const struct mailauth_user *user, enum mailauth_number which)
{
	int64_t value = mailauth_user_number(user, which);

	return value < 0 ? json_null() : json_integer(value);
}

static json_t *json_flag(const struct mailauth_user *user, enum mailauth_number which)
{
	return json_boolean(mailauth_user_number(user, which) > 0);
}

static json_t *json_time(const struct mailauth_user *user, enum mailauth_number which)
{
	int64_t value = mailauth_user_number(user, which);

	return value < 0 ? json_null() : json_string(ma_format_time(value).text);
}

static json_t *json_ageing(const struct mailauth_user *user)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "last_change",
			 json_number(user, MAILAUTH_NUMBER_LAST_CHANGE), "min",
			 json_number(user, MAILAUTH_NUMBER_MIN), "max",
			 json_number(user, MAILAUTH_NUMBER_MAX), "warn",
			 json_number(user, MAILAUTH_NUMBER_WARN), "inactive",
			 json_number(user, MAILAUTH_NUMBER_INACTIVE), "expire",
			 json_number(user, MAILAUTH_NUMBER_EXPIRE));
}

/* One row for each member, so that their order is that of the manual page. */
static json_t *account_json(const struct mailauth_user *user)
{
	json_t *object = json_object();
	const struct {
		const char *name;
		json_t *value;
	} members[] = {
		{"name", json_string(mailauth_user_name(user))},
		{"state", json_string(ma_account_state(user))},
		{"locked", json_flag(user, MAILAUTH_NUMBER_LOCKED)},
		{"recoverable", json_flag(user, MAILAUTH_NUMBER_RECOVERABLE)},
		{"comment", json_string(mailauth_user_text(user, MAILAUTH_TEXT_COMMENT))},
		{"home", json_string(mailauth_user_text(user, MAILAUTH_TEXT_HOME))},
		{"shell", json_string(mailauth_user_text(user, MAILAUTH_TEXT_SHELL))},
		{"uid", json_number(user, MAILAUTH_NUMBER_UID)},
		{"gid", json_number(user, MAILAUTH_NUMBER_GID)},
		{"groups", json_words(mailauth_user_text(user, MAILAUTH_TEXT_GROUPS), ",")},
		{"mech", json_words(mailauth_user_text(user, MAILAUTH_TEXT_MECHS), " ,")},
		{"ageing", json_ageing(user)},
		{"secrets", json_secrets(user)},
		{"weakest", json_pack("s?", mailauth_user_weakest(user))},
		{"mechanisms", json_mechs(user)},
		{"generation", json_number(user, MAILAUTH_NUMBER_GENERATION)},
		{"created", json_time(user, MAILAUTH_NUMBER_CREATED)},
		{"modified", json_time(user, MAILAUTH_NUMBER_MODIFIED)},
	};
	bool is_whole = true;

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (json_object_set_new(object, members[i].name, members[i].value) != 0)
			is_whole = false;
	}
	if (is_whole)
		return object;
	json_decref(object);
	return NULL;
}

bool ma_account_print_json(const struct mailauth_user *user, bool indent)
{
	json_t *object = account_json(user);
	int result;

	if (object == NULL)
		return false;
	result = json_dumpf(object, stdout, indent ? JSON_INDENT(2) : JSON_COMPACT);
	json_decref(object);
	/* An output that cannot be written is noticed when it is flushed; see main.c. */
	return result == 0 || ferror(stdout) != 0;
}
