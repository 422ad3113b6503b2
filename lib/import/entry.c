/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * entry.c - a foreign account in memory, and one of ours as such
 *
 * See import.h.
 */
#include "import/import.h"

#include "util/mem.h"

void ma_entry_init(struct ma_entry *entry)
{
	*entry = (struct ma_entry){
		.uid = -1,
		.gid = -1,
		.locked = -1,
		.recoverable = -1,
		.last_change = MA_DAY_UNKNOWN,
		.min = MA_DAY_UNKNOWN,
		.max = MA_DAY_UNKNOWN,
		.warn = MA_DAY_UNKNOWN,
		.inactive = MA_DAY_UNKNOWN,
		.expire = MA_DAY_UNKNOWN,
	};
}

const char *ma_entry_secret(const struct ma_entry *entry, const char *kind)
{
	if (strcmp(kind, "password") == 0 && entry->password != NULL)
		return entry->password;
	for (size_t i = 0; i < entry->n_secrets; i++)
		if (strcmp(entry->secrets[i].kind, kind) == 0)
			return entry->secrets[i].text;
	return NULL;
}

#define N_TEXTS 8

/* The texts of an entry but those of its secrets. */
static void texts_of(struct ma_entry *entry, const char **texts_out[N_TEXTS])
{
	const char **texts[N_TEXTS] = {&entry->name,	 &entry->comment, &entry->home,
				       &entry->shell,	 &entry->groups,  &entry->mechs,
				       &entry->password, &entry->note};

	memcpy(texts_out, texts, sizeof(texts));
}

struct copy {
	size_t size;
	struct ma_entry entry;
	char bytes[];
};

static size_t size_of(const char *text)
{
	return text != NULL ? strlen(text) + 1 : 0;
}

static void move_text(const char **text, char **at)
{
	size_t size = size_of(*text);

	if (size == 0)
		return;
	memcpy(*at, *text, size);
	*text = *at;
	*at += size;
}

struct ma_entry *ma_entry_copy(const struct ma_entry *entry)
{
	struct ma_entry all = *entry;
	const char **texts[N_TEXTS];
	size_t size = sizeof(struct copy);
	struct copy *copy;
	char *at;

	texts_of(&all, texts);
	for (size_t i = 0; i < N_TEXTS; i++)
		size += size_of(*texts[i]);
	for (size_t i = 0; i < all.n_secrets; i++)
		size += size_of(all.secrets[i].kind) + size_of(all.secrets[i].text);
	copy = ma_alloc(size);
	if (copy == NULL)
		return NULL;
	at = copy->bytes;
	for (size_t i = 0; i < N_TEXTS; i++)
		move_text(texts[i], &at);
	for (size_t i = 0; i < all.n_secrets; i++) {
		move_text(&all.secrets[i].kind, &at);
		move_text(&all.secrets[i].text, &at);
	}
	copy->size = size;
	copy->entry = all;
	return &copy->entry;
}

void ma_entry_free(struct ma_entry **entry)
{
	struct copy *copy;

	if (*entry == NULL)
		return;
	copy = (struct copy *)(void *)((char *)*entry - offsetof(struct copy, entry));
	ma_wipe(copy, copy->size);
	ma_free(copy);
	*entry = NULL;
}

/* ---- an account as an entry ---- */

/* Appends a secret's text; where it begins. The buffer may move: no pointer yet. */
static enum mailauth_status append_secret(const struct mailauth_user *user, size_t index,
					  size_t part, struct ma_buf *bytes, size_t *start_out)
{
	char text[MAILAUTH_SECRET_TEXT_MAX];
	enum mailauth_status status = mailauth_user_secret_text(user, index, part, text);

	*start_out = bytes->len;
	if (status == MAILAUTH_OK) {
		ma_buf_put(bytes, ma_span(text, strlen(text) + 1));
		status = ma_buf_status(bytes);
	}
	ma_wipe(text, sizeof(text));
	return status;
}

static enum mailauth_status export_secrets(const struct mailauth_user *user, struct ma_buf *bytes,
					   struct ma_entry *entry)
{
	size_t starts[MA_ENTRY_SECRETS_MAX] = {0};
	size_t index = 0;
	size_t part = 0;
	const char *kind;

	while ((kind = mailauth_user_secret(user, index)) != NULL) {
		size_t n = entry->n_secrets;
		enum mailauth_status status;

		if (n == MA_ENTRY_SECRETS_MAX)
			return MAILAUTH_E_LIMIT;
		status = append_secret(user, index, part, bytes, &starts[n]);
		if (status == MAILAUTH_E_NOTFOUND && part > 0) {
			index++;
			part = 0;
			continue;
		}
		if (status != MAILAUTH_OK)
			return status;
		entry->secrets[n].kind = kind;
		entry->n_secrets++;
		part++;
	}
	for (size_t i = 0; i < entry->n_secrets; i++)
		entry->secrets[i].text = (const char *)bytes->p + starts[i];
	return MAILAUTH_OK;
}

/* A kept password stands in a place of its own. */
static void take_password_out(struct ma_entry *entry)
{
	size_t n = 0;

	for (size_t i = 0; i < entry->n_secrets; i++) {
		if (strcmp(entry->secrets[i].kind, "password") == 0)
			entry->password = entry->secrets[i].text;
		else
			entry->secrets[n++] = entry->secrets[i];
	}
	entry->n_secrets = n;
}

enum mailauth_status ma_export_entry(const struct mailauth_user *user, struct ma_buf *bytes,
				     struct ma_entry *entry_out)
{
	struct ma_entry entry;
	enum mailauth_status status;

	ma_entry_init(entry_out);
	ma_entry_init(&entry);
	status = export_secrets(user, bytes, &entry);
	if (status != MAILAUTH_OK)
		return status;
	take_password_out(&entry);
	entry.no_login = entry.n_secrets == 0 && entry.password == NULL;
	entry.name = mailauth_user_name(user);
	entry.comment = mailauth_user_text(user, MAILAUTH_TEXT_COMMENT);
	entry.home = mailauth_user_text(user, MAILAUTH_TEXT_HOME);
	entry.shell = mailauth_user_text(user, MAILAUTH_TEXT_SHELL);
	entry.groups = mailauth_user_text(user, MAILAUTH_TEXT_GROUPS);
	entry.mechs = mailauth_user_text(user, MAILAUTH_TEXT_MECHS);
	entry.uid = mailauth_user_number(user, MAILAUTH_NUMBER_UID);
	entry.gid = mailauth_user_number(user, MAILAUTH_NUMBER_GID);
	entry.locked = mailauth_user_number(user, MAILAUTH_NUMBER_LOCKED);
	entry.recoverable = mailauth_user_number(user, MAILAUTH_NUMBER_RECOVERABLE);
	entry.last_change = mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE);
	entry.min = mailauth_user_number(user, MAILAUTH_NUMBER_MIN);
	entry.max = mailauth_user_number(user, MAILAUTH_NUMBER_MAX);
	entry.warn = mailauth_user_number(user, MAILAUTH_NUMBER_WARN);
	entry.inactive = mailauth_user_number(user, MAILAUTH_NUMBER_INACTIVE);
	entry.expire = mailauth_user_number(user, MAILAUTH_NUMBER_EXPIRE);
	*entry_out = entry;
	return MAILAUTH_OK;
}
