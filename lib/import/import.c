/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import.c - what an entry of a foreign file means to an account of ours, and back
 *
 * See import.h. Only the public API is used here: an import can do nothing to the store that a
 * program of the administrator's own could not. What is wrong is said in @why, and looked at before
 * the library is asked, so that the log need not be read to understand it.
 */
#include "import/import.h"

#include "util/crypt.h"
#include "util/mem.h"

#define NAME_TEXT    sizeof(((struct mailauth_name *)0)->text)
#define GROUPS_WIDTH (MAILAUTH_GROUPS_MAX * (MAILAUTH_GROUP_MAX + 1))

const struct ma_format *ma_format_find(const char *name)
{
	for (size_t i = 0; ma_formats[i] != NULL; i++)
		if (strcmp(ma_formats[i]->name, name) == 0)
			return ma_formats[i];
	return NULL;
}

/* Adds to what is there already. */
static void why_more(char *why, const char *what, const char *reason)
{
	char before[MA_WHY_MAX];

	memcpy(before, why, sizeof(before));
	ma_why(why, "%s%s%s%s", before, before[0] != '\0' ? "; " : "", what, reason);
}

/* ---- an entry as an account ---- */

/* What is being made of an entry. */
struct making {
	const struct ma_entry *entry;
	struct mailauth_user *user;
	char *why;
};

static enum mailauth_status refuse(char *why, const char *what, const char *reason)
{
	ma_why(why, "%s%s", what, reason);
	return MAILAUTH_E_USAGE;
}

static bool is_group(struct ma_span word)
{
	if (word.len > MAILAUTH_GROUP_MAX || word.p[0] == '-' || word.p[0] == '.')
		return false;
	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = word.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '_' && c != '-' && c != '.')
			return false;
	}
	return true;
}

/* Those that an account of ours can be in. */
static enum mailauth_status set_groups(struct making *making)
{
	char bytes[GROUPS_WIDTH];
	struct ma_buf list = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_span in = ma_span_text(making->entry->groups);
	struct ma_span word;
	size_t n = 0;
	size_t n_lost = 0;

	while (ma_span_take_word(&in, ",", &word)) {
		/* So there is room for all, with a comma between two, as it is stored. */
		if (!is_group(word) || n == MAILAUTH_GROUPS_MAX) {
			n_lost++;
			continue;
		}
		if (n++ > 0)
			ma_buf_put_u8(&list, ',');
		ma_buf_put(&list, word);
	}
	if (n_lost > 0)
		why_more(making->why, "some of its groups were left out: an account has 32 at ",
			 "most, of 32 letters, digits, _ - and .");
	return mailauth_user_set_text(making->user, MAILAUTH_TEXT_GROUPS, ma_buf_text(&list));
}

static const char *text_refusal(struct ma_span text, bool is_path)
{
	uint32_t point;

	if (text.len > MAILAUTH_TEXT_MAX)
		return " was left out: it is longer than 255 bytes";
	if (is_path && text.len > 0 && text.p[0] != '/')
		return " was left out: it is not an absolute path";
	while (text.len > 0) {
		if (!ma_span_take_utf8(&text, &point))
			return " was left out: it is not UTF-8";
		if (ma_is_control(point))
			return " was left out: it has a control character";
		if (point == ':')
			return " was left out: it has a colon";
	}
	return NULL;
}

static enum mailauth_status set_texts(struct making *making)
{
	const struct ma_entry *entry = making->entry;
	const struct {
		enum mailauth_text which;
		const char *text;
		const char *name;
	} texts[] = {
		{MAILAUTH_TEXT_COMMENT, entry->comment, "its comment"},
		{MAILAUTH_TEXT_HOME, entry->home, "its home"},
		{MAILAUTH_TEXT_SHELL, entry->shell, "its shell"},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(texts); i++) {
		bool is_path = texts[i].which != MAILAUTH_TEXT_COMMENT;
		enum mailauth_status status;
		const char *lost;

		if (texts[i].text == NULL)
			continue;
		lost = text_refusal(ma_span_text(texts[i].text), is_path);
		if (lost != NULL) {
			why_more(making->why, texts[i].name, lost);
			continue;
		}
		status = mailauth_user_set_text(making->user, texts[i].which, texts[i].text);
		if (status != MAILAUTH_OK)
			return status;
	}
	return entry->groups != NULL ? set_groups(making) : MAILAUTH_OK;
}

static enum mailauth_status set_mechs(struct making *making)
{
	enum mailauth_status status;

	if (making->entry->mechs == NULL)
		return MAILAUTH_OK;
	status = mailauth_user_set_text(making->user, MAILAUTH_TEXT_MECHS, making->entry->mechs);
	if (status == MAILAUTH_E_USAGE || status == MAILAUTH_E_LIMIT)
		return refuse(making->why,
			      "its list of mechanisms cannot be used: ", making->entry->mechs);
	return status;
}

struct number {
	enum mailauth_number which;
	int64_t value;
	int64_t unsaid; /* this value and those below say nothing */
	const char *name;
};

static enum mailauth_status set_numbers(struct making *making, const struct number *numbers,
					size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (numbers[i].value <= numbers[i].unsaid)
			continue;
		if (mailauth_user_set_number(making->user, numbers[i].which, numbers[i].value) !=
		    MAILAUTH_OK)
			return refuse(making->why, numbers[i].name, " is out of range");
	}
	return MAILAUTH_OK;
}

/* Before the secrets, which the first four have a say in. */
static enum mailauth_status set_flags(struct making *making, const struct ma_import_rules *rules)
{
	const struct ma_entry *entry = making->entry;
	const bool keep = rules->recoverable && entry->password != NULL && entry->recoverable == -1;
	const struct number numbers[] = {
		{MAILAUTH_NUMBER_UID, entry->uid, -1, "its uid"},
		{MAILAUTH_NUMBER_GID, entry->gid, -1, "its gid"},
		{MAILAUTH_NUMBER_LOCKED, entry->locked, -1, "its lock"},
		{MAILAUTH_NUMBER_RECOVERABLE, keep ? 1 : entry->recoverable, -1,
		 "the keeping of its password"},
	};

	return set_numbers(making, numbers, MA_ARRAY_SIZE(numbers));
}

static enum mailauth_status set_days(struct making *making)
{
	const struct ma_entry *entry = making->entry;
	const struct number numbers[] = {
		{MAILAUTH_NUMBER_LAST_CHANGE, entry->last_change, MA_DAY_UNKNOWN,
		 "the day of its last password change"},
		{MAILAUTH_NUMBER_MIN, entry->min, MA_DAY_UNKNOWN, "the least age of its password"},
		{MAILAUTH_NUMBER_MAX, entry->max, MA_DAY_UNKNOWN,
		 "the greatest age of its password"},
		{MAILAUTH_NUMBER_WARN, entry->warn, MA_DAY_UNKNOWN,
		 "the days of warning before its password expires"},
		{MAILAUTH_NUMBER_INACTIVE, entry->inactive, MA_DAY_UNKNOWN,
		 "the days after its password expired"},
		{MAILAUTH_NUMBER_EXPIRE, entry->expire, MA_DAY_UNKNOWN, "the day that it expires"},
	};

	return set_numbers(making, numbers, MA_ARRAY_SIZE(numbers));
}

/* ---- its secrets ---- */

static enum mailauth_status put_secret(struct making *making, const struct ma_entry_secret *secret)
{
	enum mailauth_status status;

	if (strcmp(secret->kind, "crypt") == 0) {
		const char *refusal = ma_crypt_refusal(ma_span_text(secret->text));

		if (refusal == NULL && !ma_crypt_is_whole(ma_span_text(secret->text)))
			refusal = "it is not a whole hash";
		if (refusal != NULL)
			return refuse(making->why, "its crypt(3) string cannot be used: ", refusal);
	}
	status = mailauth_user_put_secret(making->user, secret->kind, secret->text);
	if (status == MAILAUTH_E_USAGE && strcmp(secret->kind, "crypt") == 0)
		return refuse(making->why,
			      "its crypt(3) string cannot be used: ", "it is not a whole hash");
	if (status == MAILAUTH_E_USAGE)
		ma_why(making->why, "its %s secret cannot be used: it is malformed", secret->kind);
	if (status == MAILAUTH_E_LIMIT) {
		ma_why(making->why, "its %s secret is more than an account can hold", secret->kind);
		return MAILAUTH_E_USAGE;
	}
	return status;
}

static enum mailauth_status set_password(struct making *making)
{
	const char *password = making->entry->password;
	struct ma_span bytes = ma_span_text(password);
	enum mailauth_status status;

	if (bytes.len == 0)
		return refuse(making->why, "its password is empty", "");
	if (bytes.len > MAILAUTH_PASSWORD_MAX)
		return refuse(making->why, "its password is longer than 1024 bytes", "");
	if (!ma_span_is_utf8(bytes))
		return refuse(making->why, "its password is not UTF-8, ",
			      "and mechanisms disagree about other encodings; set it anew");
	status = mailauth_user_set_password(making->user, bytes.p, bytes.len);
	if (status == MAILAUTH_E_USAGE || status == MAILAUTH_E_LIMIT)
		return refuse(making->why, "no secret can be derived from its password ",
			      "for its list of mechanisms");
	return status;
}

enum agreement { AGREES, DIFFERS, SILENT };

/* What the account holds where the entry has this secret. */
static enum mailauth_status compare_secret(const struct mailauth_user *user,
					   const struct ma_entry_secret *secret,
					   enum agreement *agreement_out)
{
	char text[MAILAUTH_SECRET_TEXT_MAX];
	enum mailauth_status status = MAILAUTH_OK;
	const char *kind;

	*agreement_out = SILENT;
	for (size_t i = 0; (kind = mailauth_user_secret(user, i)) != NULL; i++) {
		if (strcmp(kind, secret->kind) != 0)
			continue;
		for (size_t part = 0; status == MAILAUTH_OK && *agreement_out != AGREES; part++) {
			status = mailauth_user_secret_text(user, i, part, text);
			if (status == MAILAUTH_OK)
				*agreement_out =
					ma_equal_ct(ma_span_text(text), ma_span_text(secret->text))
						? AGREES
						: DIFFERS;
		}
		ma_wipe(text, sizeof(text));
	}
	return status == MAILAUTH_E_NOTFOUND ? MAILAUTH_OK : status;
}

/* Is the password of the entry the one that the account has? */
static enum mailauth_status is_same_password(const struct making *making, bool *same_out)
{
	bool agrees = false;
	bool differs = false;

	*same_out = false;
	for (size_t i = 0; i < making->entry->n_secrets; i++) {
		enum agreement agreement;
		enum mailauth_status status =
			compare_secret(making->user, &making->entry->secrets[i], &agreement);

		if (status != MAILAUTH_OK)
			return status;
		agrees = agrees || agreement == AGREES;
		differs = differs || agreement == DIFFERS;
	}
	*same_out = agrees && !differs;
	return MAILAUTH_OK;
}

static enum mailauth_status set_secrets(struct making *making)
{
	const struct ma_entry *entry = making->entry;
	enum mailauth_status status = MAILAUTH_OK;
	bool same = false;

	if (entry->n_secrets == 0 && entry->password == NULL && !entry->no_login)
		return MAILAUTH_OK;
	if (entry->password == NULL && !entry->no_login)
		status = is_same_password(making, &same);
	if (status != MAILAUTH_OK)
		return status;
	if (!same)
		mailauth_user_clear_secrets(making->user);
	if (entry->no_login)
		return MAILAUTH_OK;
	if (entry->password != NULL)
		status = set_password(making);
	for (size_t i = 0; status == MAILAUTH_OK && i < entry->n_secrets; i++)
		status = put_secret(making, &entry->secrets[i]);
	return status;
}

/* ---- all of it ---- */

static bool full_name(const struct ma_entry *entry, const char *realm, char out[NAME_TEXT + 1])
{
	struct ma_buf text = ma_buf_fixed(out, NAME_TEXT + 1);

	ma_buf_put_text(&text, entry->name);
	if (realm != NULL && strchr(entry->name, '@') == NULL) {
		ma_buf_put_u8(&text, '@');
		ma_buf_put_text(&text, realm);
	}
	return ma_buf_text(&text)[0] != '\0' && ma_buf_status(&text) == MAILAUTH_OK;
}

/* The account as it is stored, or a new one. */
static enum mailauth_status begin(struct mailauth *ctx, const struct ma_entry *entry,
				  const struct ma_import_rules *rules,
				  struct mailauth_user **user_out, char *why)
{
	char name[NAME_TEXT + 1];
	enum mailauth_status status = MAILAUTH_E_USAGE;

	if (entry->name == NULL)
		return refuse(why, "it has no name", "");
	if (full_name(entry, rules->realm, name))
		status = mailauth_user_get(ctx, name, user_out);
	if (status == MAILAUTH_E_NOTFOUND)
		return mailauth_user_new(ctx, name, user_out);
	if (status == MAILAUTH_OK && !rules->update) {
		mailauth_user_free(user_out);
		ma_why(why, "there is such an account already");
		return MAILAUTH_E_EXISTS;
	}
	if (status == MAILAUTH_E_USAGE)
		return refuse(why,
			      "its name cannot be used: an account's name is 1 to 64 bytes of "
			      "UTF-8 without space, ",
			      "control characters and :,/;\"'#, not beginning with -; then @ and "
			      "its realm, if any");
	if (status == MAILAUTH_E_CORRUPT)
		ma_why(why, "the account in the store is damaged; delete it first");
	return status;
}

enum mailauth_status ma_import_user(struct mailauth *ctx, const struct ma_entry *entry,
				    const struct ma_import_rules *rules,
				    struct mailauth_user **user_out, char *why)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	struct making making = {.entry = entry, .why = why};
	enum mailauth_status status;

	*user_out = NULL;
	why[0] = '\0';
	status = begin(ctx, entry, rules, &user, why);
	if (status != MAILAUTH_OK)
		return status;
	making.user = user;
	if (entry->note != NULL)
		why_more(why, entry->note, "");
	status = set_flags(&making, rules);
	if (status == MAILAUTH_OK)
		status = set_mechs(&making);
	if (status == MAILAUTH_OK)
		status = set_texts(&making);
	if (status == MAILAUTH_OK)
		status = set_secrets(&making);
	/* Behind the secrets: a new password sets the day of the last change. */
	if (status == MAILAUTH_OK)
		status = set_days(&making);
	if (status == MAILAUTH_OK)
		*user_out = ma_steal(user);
	return status;
}
