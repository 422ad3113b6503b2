/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * user.c - an account in memory: name, attributes, state
 *
 * See mailauth/admin.h and user.h. Texts are kept as NUL-terminated copies, which the account
 * points to; what they may be is checked here, once, so that whatever is stored is well-formed.
 */
#include "user.h"

#include <stdlib.h>

static struct ma_span *text_of(const struct mailauth_user *user, enum mailauth_text which)
{
	struct ma_account *account = ma_user_account(user);

	switch (which) {
	case MAILAUTH_TEXT_COMMENT:
		return &account->comment;
	case MAILAUTH_TEXT_HOME:
		return &account->home;
	case MAILAUTH_TEXT_SHELL:
		return &account->shell;
	case MAILAUTH_TEXT_GROUPS:
		return &account->groups;
	case MAILAUTH_TEXT_MECHS:
		return &account->mechs;
	}
	return NULL;
}

static enum mailauth_status refuse_name(struct mailauth *ctx, const char *text, const char *why)
{
	char bytes[MA_LOG_MAX];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_span name = ma_span_text(text);

	if (name.len > 64)
		name.len = 64;
	ma_buf_put_escaped(&out, name);
	ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "name", "the name \"%s\"%s cannot be used: %s",
	       ma_buf_text(&out), strlen(text) > name.len ? "..." : "", why);
	return MAILAUTH_E_USAGE;
}

enum mailauth_status ma_user_name(struct mailauth *ctx, const char *text, struct ma_name *name_out)
{
	const char *why = ma_name_parse(ma_span_text(text), ctx->default_realm, name_out);

	return why != NULL ? refuse_name(ctx, text, why) : MAILAUTH_OK;
}

enum mailauth_status mailauth_name_parse(struct mailauth *ctx, const char *text,
					 struct mailauth_name *name_out)
{
	struct ma_name name;
	enum mailauth_status status;

	if (ctx == NULL || text == NULL || name_out == NULL)
		return MAILAUTH_E_USAGE;
	name_out->text[0] = '\0';
	status = ma_user_name(ctx, text, &name);
	if (status == MAILAUTH_OK)
		memcpy(name_out->text, name.text, name.len + 1);
	return status;
}

/* An empty account with a worker of its own. */
static enum mailauth_status make_user(struct mailauth *ctx, const struct ma_name *name,
				      struct mailauth_user **user_out)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = ma_alloc(sizeof(*user));
	enum mailauth_status status;

	*user_out = NULL;
	if (user == NULL)
		return MAILAUTH_E_NOMEM;
	user->ctx = ctx;
	user->name = *name;
	user->secrets = ma_buf_fixed(user->secret_bytes, sizeof(user->secret_bytes));
	status = ma_worker_take(ctx, &user->worker);
	if (status != MAILAUTH_OK)
		return status;
	ma_account_init(ma_user_account(user));
	*user_out = ma_steal(user);
	return MAILAUTH_OK;
}

/* NUL-terminated copies for callers; the account points to them from now on. */
static enum mailauth_status copy_texts(struct mailauth_user *user)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(user->texts); i++) {
		struct ma_span *text = text_of(user, (enum mailauth_text)i);

		user->texts[i] = ma_text_copy(*text);
		if (user->texts[i] == NULL)
			return MAILAUTH_E_NOMEM;
		*text = ma_span_text(user->texts[i]);
	}
	return MAILAUTH_OK;
}

/* An empty account by the name that a caller gives. */
static enum mailauth_status make_named_user(struct mailauth *ctx, const char *name_text,
					    struct mailauth_user **user_out)
{
	struct ma_name name;
	enum mailauth_status status = ma_user_name(ctx, name_text, &name);

	return status == MAILAUTH_OK ? make_user(ctx, &name, user_out) : status;
}

/* After a record was read into the worker. */
static enum mailauth_status settle_user(struct mailauth_user *user)
{
	user->is_stored = true;
	user->stored_name = user->name;
	return copy_texts(user);
}

enum mailauth_status mailauth_user_new(struct mailauth *ctx, const char *name,
				       struct mailauth_user **user_out)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	enum mailauth_status status;

	if (ctx == NULL || name == NULL || user_out == NULL)
		return MAILAUTH_E_USAGE;
	*user_out = NULL;
	status = make_named_user(ctx, name, &user);
	if (status == MAILAUTH_OK)
		status = copy_texts(user);
	if (status != MAILAUTH_OK)
		return status;
	if (ctx->config.recoverable)
		ma_user_account(user)->flags |= MA_ACCOUNT_RECOVERABLE;
	ma_user_credential(user)->created = ctx->now_s();
	*user_out = ma_steal(user);
	return MAILAUTH_OK;
}

enum mailauth_status mailauth_user_get(struct mailauth *ctx, const char *name,
				       struct mailauth_user **user_out)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	enum mailauth_status status;

	if (ctx == NULL || name == NULL || user_out == NULL)
		return MAILAUTH_E_USAGE;
	*user_out = NULL;
	status = make_named_user(ctx, name, &user);
	if (status == MAILAUTH_OK)
		status = ma_worker_read(ctx, user->worker, &user->name);
	if (status == MAILAUTH_OK)
		status = settle_user(user);
	if (status == MAILAUTH_OK)
		*user_out = ma_steal(user);
	return status;
}

enum mailauth_status mailauth_user_next(struct mailauth *ctx, struct mailauth_name *cursor,
					struct mailauth_user **user_out)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	struct ma_name name = {.len = 0};
	enum mailauth_status status;

	if (ctx == NULL || cursor == NULL || user_out == NULL)
		return MAILAUTH_E_USAGE;
	*user_out = NULL;
	if (cursor->text[0] != '\0' &&
	    ma_name_parse(ma_span_text(cursor->text), ctx->default_realm, &name) != NULL)
		return MAILAUTH_E_USAGE;
	status = make_user(ctx, &name, &user);
	if (status != MAILAUTH_OK)
		return status;
	status = ma_worker_read_next(ctx, user->worker, &user->name);
	if (status == MAILAUTH_OK || status == MAILAUTH_E_CORRUPT)
		memcpy(cursor->text, user->name.text, user->name.len + 1);
	if (status == MAILAUTH_OK)
		status = settle_user(user);
	if (status == MAILAUTH_OK)
		*user_out = ma_steal(user);
	return status;
}

void mailauth_user_free(struct mailauth_user **user_in)
{
	struct mailauth_user *user = user_in != NULL ? *user_in : NULL;

	if (user == NULL)
		return;
	for (size_t i = 0; i < MA_ARRAY_SIZE(user->texts); i++)
		ma_cleanup_text(&user->texts[i]);
	ma_buf_clear(&user->secrets);
	ma_worker_give_back(user->ctx, &user->worker);
	ma_free(user);
	*user_in = NULL;
}

const char *mailauth_user_name(const struct mailauth_user *user)
{
	return user->name.text;
}

const char *mailauth_user_text(const struct mailauth_user *user, enum mailauth_text which)
{
	return text_of(user, which) != NULL ? user->texts[which] : "";
}

enum mailauth_status ma_user_refuse(const struct mailauth_user *user, const char *what,
				    const char *why)
{
	ma_log(&user->ctx->log, MAILAUTH_LOG_ERROR, "account", "%s: %s %s", user->name.text, what,
	       why);
	return MAILAUTH_E_USAGE;
}

enum mailauth_status ma_user_refuse_write(struct mailauth *ctx)
{
	ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "account",
	       "this context was opened for reading; open it with MAILAUTH_OPEN_WRITE");
	return MAILAUTH_E_USAGE;
}

static const char *check_text(struct ma_span text)
{
	uint32_t point;

	while (text.len > 0) {
		if (!ma_span_take_utf8(&text, &point))
			return "is not valid UTF-8";
		if (ma_is_control(point))
			return "has a control character";
		if (point == ':')
			return "has a colon";
	}
	return NULL;
}

static enum mailauth_status check_plain_text(const struct mailauth_user *user,
					     enum mailauth_text which, struct ma_span text)
{
	const char *what = which == MAILAUTH_TEXT_COMMENT ? "the comment"
			   : which == MAILAUTH_TEXT_HOME  ? "the home folder"
							  : "the shell";
	const char *why = check_text(text);

	if (text.len > MAILAUTH_TEXT_MAX)
		return MAILAUTH_E_LIMIT;
	if (why != NULL)
		return ma_user_refuse(user, what, why);
	if (which != MAILAUTH_TEXT_COMMENT && text.len > 0 && text.p[0] != '/')
		return ma_user_refuse(user, what, "is not an absolute path");
	return MAILAUTH_OK;
}

static bool is_group_name(struct ma_span word)
{
	if (word.p[0] == '-' || word.p[0] == '.')
		return false;
	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = word.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z') &&
		    c != '_' && c != '-' && c != '.')
			return false;
	}
	return true;
}

static int compare_words(const void *a, const void *b)
{
	const struct ma_span *x = a;
	const struct ma_span *y = b;
	int order = memcmp(x->p, y->p, x->len < y->len ? x->len : y->len);

	return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

/* Sorted, each once. */
static enum mailauth_status normalise_groups(const struct mailauth_user *user, struct ma_span list,
					     struct ma_buf *out)
{
	struct ma_span words[MAILAUTH_GROUPS_MAX];
	struct ma_span word;
	size_t n = 0;

	while (ma_span_take_word(&list, ",", &word)) {
		if (word.len > MAILAUTH_GROUP_MAX || n == MA_ARRAY_SIZE(words))
			return MAILAUTH_E_LIMIT;
		if (!is_group_name(word))
			return ma_user_refuse(
				user, "a group's name",
				"has other characters than letters, digits, _ - and .");
		words[n++] = word;
	}
	qsort(words, n, sizeof(words[0]), compare_words);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && ma_span_equal(words[i], words[i - 1]))
			continue;
		if (i > 0)
			ma_buf_put_u8(out, ',');
		ma_buf_put(out, words[i]);
	}
	return ma_buf_status(out);
}

enum mailauth_status ma_user_refuse_mech(const struct mailauth_user *user, struct ma_span word)
{
	char text[128];
	struct ma_buf out = ma_buf_fixed(text, sizeof(text));

	if (word.len > 20) /* RFC 4422 section 3.1: no mechanism has a longer name */
		word.len = 20;
	ma_buf_put_escaped(&out, word);
	return ma_user_refuse(user, ma_buf_text(&out), "is no mechanism of this build");
}

static enum mailauth_status normalise_mechs(const struct mailauth_user *user, struct ma_span list,
					    struct ma_buf *out)
{
	struct ma_span word;

	while (ma_span_take_word(&list, " ,\t", &word)) {
		const struct ma_mech *mech = ma_mech_find(word);

		if (mech == NULL)
			return ma_user_refuse_mech(user, word);
		if (out->len > 0)
			ma_buf_put_u8(out, ' ');
		ma_buf_put_text(out, mech->name);
	}
	return ma_buf_status(out);
}

enum mailauth_status mailauth_user_set_text(struct mailauth_user *user, enum mailauth_text which,
					    const char *text)
{
	MA_CLEANUP(ma_buf_clear) struct ma_buf out = ma_buf(2048);
	struct ma_span *field = user != NULL ? text_of(user, which) : NULL;
	enum mailauth_status status;
	char *copy;

	if (field == NULL || text == NULL)
		return MAILAUTH_E_USAGE;
	if (which == MAILAUTH_TEXT_GROUPS) {
		status = normalise_groups(user, ma_span_text(text), &out);
	} else if (which == MAILAUTH_TEXT_MECHS) {
		status = normalise_mechs(user, ma_span_text(text), &out);
	} else {
		status = check_plain_text(user, which, ma_span_text(text));
		ma_buf_put_text(&out, text);
	}
	if (status == MAILAUTH_OK)
		status = ma_buf_status(&out);
	if (status != MAILAUTH_OK)
		return status;
	copy = ma_text_copy(ma_buf_span(&out));
	if (copy == NULL)
		return MAILAUTH_E_NOMEM;
	ma_cleanup_text(&user->texts[which]);
	user->texts[which] = copy;
	*field = ma_span_text(copy);
	return MAILAUTH_OK;
}

static int64_t id_number(uint32_t id)
{
	return id == MA_ID_NONE ? -1 : (int64_t)id;
}

int64_t mailauth_user_number(const struct mailauth_user *user, enum mailauth_number which)
{
	const struct ma_account *account = ma_user_account(user);

	switch (which) {
	case MAILAUTH_NUMBER_UID:
		return id_number(account->uid);
	case MAILAUTH_NUMBER_GID:
		return id_number(account->gid);
	case MAILAUTH_NUMBER_LOCKED:
		return (account->flags & MA_ACCOUNT_LOCKED) != 0;
	case MAILAUTH_NUMBER_RECOVERABLE:
		return (account->flags & MA_ACCOUNT_RECOVERABLE) != 0;
	case MAILAUTH_NUMBER_LAST_CHANGE:
		return account->last_change;
	case MAILAUTH_NUMBER_MIN:
		return account->min;
	case MAILAUTH_NUMBER_MAX:
		return account->max;
	case MAILAUTH_NUMBER_WARN:
		return account->warn;
	case MAILAUTH_NUMBER_INACTIVE:
		return account->inactive;
	case MAILAUTH_NUMBER_EXPIRE:
		return account->expire;
	case MAILAUTH_NUMBER_GENERATION:
		return (int64_t)account->generation;
	case MAILAUTH_NUMBER_CREATED:
		return account->created;
	case MAILAUTH_NUMBER_MODIFIED:
		return account->modified;
	}
	return -1;
}

static enum mailauth_status set_id(uint32_t *id, int64_t value)
{
	if (value < -1 || value >= MA_ID_NONE)
		return MAILAUTH_E_USAGE;
	*id = value == -1 ? MA_ID_NONE : (uint32_t)value;
	return MAILAUTH_OK;
}

static enum mailauth_status set_days(int32_t *days, int64_t value, int64_t max)
{
	if (value < -1 || value > max)
		return MAILAUTH_E_USAGE;
	*days = (int32_t)value;
	return MAILAUTH_OK;
}

static enum mailauth_status set_flag(struct ma_account *account, uint8_t flag, int64_t value)
{
	if (value != 0 && value != 1)
		return MAILAUTH_E_USAGE;
	account->flags = (uint8_t)(value == 1 ? account->flags | flag : account->flags & ~flag);
	return MAILAUTH_OK;
}

enum mailauth_status mailauth_user_set_number(struct mailauth_user *user,
					      enum mailauth_number which, int64_t value)
{
	struct ma_account *account;

	if (user == NULL)
		return MAILAUTH_E_USAGE;
	account = ma_user_account(user);
	switch (which) {
	case MAILAUTH_NUMBER_UID:
		return set_id(&account->uid, value);
	case MAILAUTH_NUMBER_GID:
		return set_id(&account->gid, value);
	case MAILAUTH_NUMBER_LOCKED:
		return set_flag(account, MA_ACCOUNT_LOCKED, value);
	case MAILAUTH_NUMBER_RECOVERABLE:
		return set_flag(account, MA_ACCOUNT_RECOVERABLE, value);
	case MAILAUTH_NUMBER_LAST_CHANGE:
		return set_days(&account->last_change, value, INT32_MAX);
	case MAILAUTH_NUMBER_MIN:
		return set_days(&account->min, value, 99999);
	case MAILAUTH_NUMBER_MAX:
		return set_days(&account->max, value, 99999);
	case MAILAUTH_NUMBER_WARN:
		return set_days(&account->warn, value, 99999);
	case MAILAUTH_NUMBER_INACTIVE:
		return set_days(&account->inactive, value, 99999);
	case MAILAUTH_NUMBER_EXPIRE:
		return set_days(&account->expire, value, INT32_MAX);
	case MAILAUTH_NUMBER_GENERATION:
	case MAILAUTH_NUMBER_CREATED:
	case MAILAUTH_NUMBER_MODIFIED:
		break;
	}
	return MAILAUTH_E_USAGE;
}

const char *mailauth_user_state(const struct mailauth_user *user)
{
	const struct ma_account *account = ma_user_account(user);

	switch (ma_account_state(account, ma_today(user->ctx))) {
	case MA_STATE_ACTIVE:
		break;
	case MA_STATE_LOCKED:
		return "locked";
	case MA_STATE_EXPIRED:
		return "expired";
	case MA_STATE_PASSWORD_EXPIRED:
		return "password-expired";
	case MA_STATE_MUST_CHANGE:
		return "must-change";
	case MA_STATE_UNCHECKED:
		return "unknown";
	}
	for (size_t i = 0; i < account->n_credentials; i++)
		if (account->credentials[i].n_secrets > 0)
			return NULL;
	return "no-secret";
}
