/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin.c - add, change, delete and list accounts
 *
 * See mailauth/admin.h. A struct mailauth_user holds a worker with the record as it was read; the
 * bytes of that record are what a change expects to find when it is written, so a change made by
 * another program meanwhile is noticed, and mailauth_user_update() reads again.
 */
#include <mailauth/admin.h>

#include <stdlib.h>

#include "lib.h"
#include "util/crypt.h"
#include "util/mem.h"

#define UPDATE_TRIES 64

struct mailauth_user {
	struct mailauth *ctx;
	struct ma_name name;
	struct ma_worker *worker; /* worker->account is the account */
	struct ma_buf secrets;	  /* what the account's new secrets point into */
	char *texts[MAILAUTH_TEXT_MECHS + 1];
	uint8_t secret_bytes[MA_RECORD_MAX];
};

static struct ma_account *account_of(const struct mailauth_user *user)
{
	return &user->worker->account;
}

static struct ma_credential *main_credential(const struct mailauth_user *user)
{
	return &account_of(user)->credentials[0];
}

static struct ma_span *text_of(const struct mailauth_user *user, enum mailauth_text which)
{
	struct ma_account *account = account_of(user);

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

static const char *parse_name(struct mailauth *ctx, const char *text, struct ma_name *name_out)
{
	return ma_name_parse(ma_span_text(text), ctx->default_realm, name_out);
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

enum mailauth_status mailauth_name_parse(struct mailauth *ctx, const char *text,
					 struct mailauth_name *name_out)
{
	struct ma_name name;
	const char *why;

	if (ctx == NULL || text == NULL || name_out == NULL)
		return MAILAUTH_E_USAGE;
	name_out->text[0] = '\0';
	why = parse_name(ctx, text, &name);
	if (why != NULL)
		return refuse_name(ctx, text, why);
	memcpy(name_out->text, name.text, name.len + 1);
	return MAILAUTH_OK;
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
	ma_account_init(account_of(user));
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
	const char *why = parse_name(ctx, name_text, &name);

	if (why != NULL)
		return refuse_name(ctx, name_text, why);
	return make_user(ctx, &name, user_out);
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
		account_of(user)->flags |= MA_ACCOUNT_RECOVERABLE;
	main_credential(user)->created = ctx->now_s();
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
		status = copy_texts(user);
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
	if (cursor->text[0] != '\0' && parse_name(ctx, cursor->text, &name) != NULL)
		return MAILAUTH_E_USAGE;
	status = make_user(ctx, &name, &user);
	if (status != MAILAUTH_OK)
		return status;
	status = ma_worker_read_next(ctx, user->worker, &user->name);
	if (status == MAILAUTH_OK || status == MAILAUTH_E_CORRUPT)
		memcpy(cursor->text, user->name.text, user->name.len + 1);
	if (status == MAILAUTH_OK)
		status = copy_texts(user);
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

static enum mailauth_status refuse(const struct mailauth_user *user, const char *what,
				   const char *why)
{
	ma_log(&user->ctx->log, MAILAUTH_LOG_ERROR, "account", "%s: %s %s", user->name.text, what,
	       why);
	return MAILAUTH_E_USAGE;
}

static const char *check_text(struct ma_span text)
{
	uint32_t point;

	while (text.len > 0) {
		if (!ma_span_take_utf8(&text, &point))
			return "is not valid UTF-8";
		if (point < ' ' || (point >= 0x7f && point < 0xa0))
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
		return refuse(user, what, why);
	if (which != MAILAUTH_TEXT_COMMENT && text.len > 0 && text.p[0] != '/')
		return refuse(user, what, "is not an absolute path");
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
			return refuse(user, "a group's name",
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

static enum mailauth_status refuse_mech(const struct mailauth_user *user, struct ma_span word)
{
	char text[128];
	struct ma_buf out = ma_buf_fixed(text, sizeof(text));

	if (word.len > 20) /* RFC 4422 section 3.1: no mechanism has a longer name */
		word.len = 20;
	ma_buf_put_escaped(&out, word);
	return refuse(user, ma_buf_text(&out), "is no mechanism of this build");
}

static enum mailauth_status normalise_mechs(const struct mailauth_user *user, struct ma_span list,
					    struct ma_buf *out)
{
	struct ma_span word;

	while (ma_span_take_word(&list, " ,\t", &word)) {
		const struct ma_mech *mech = ma_mech_find(word);

		if (mech == NULL)
			return refuse_mech(user, word);
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
	const struct ma_account *account = account_of(user);

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
	account = account_of(user);
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

void mailauth_user_clear_secrets(struct mailauth_user *user)
{
	for (size_t i = 0; i < account_of(user)->n_credentials; i++)
		account_of(user)->credentials[i].n_secrets = 0;
	ma_buf_reset(&user->secrets);
}

/* Puts what the kind derives behind the secrets that are there. */
static enum mailauth_status add_secret(struct mailauth_user *user, const struct ma_kind *kind,
				       struct ma_span password)
{
	struct ma_credential *credential = main_credential(user);
	const struct ma_name *name = &user->name;
	const struct ma_subject subject = {
		.crypto = ma_engine(user->ctx)->crypto,
		.config = &user->ctx->config,
		.local = ma_span(name->text, name->local_len),
		.realm = ma_span_text(name->text + name->local_len + 1),
	};
	size_t start = user->secrets.len;
	enum mailauth_status status = kind->derive(kind, &subject, password, &user->secrets);

	if (status != MAILAUTH_OK)
		return status;
	ma_assert(credential->n_secrets < MA_SECRETS_MAX);
	credential->secrets[credential->n_secrets++] = (struct ma_secret){
		.kind = (uint8_t)kind->id,
		.value = ma_span(user->secrets.p + start, user->secrets.len - start),
	};
	return MAILAUTH_OK;
}

static enum mailauth_status check_password(const struct mailauth_user *user,
					   struct ma_span password)
{
	if (password.len == 0)
		return refuse(user, "the password", "is empty");
	if (password.len > MAILAUTH_PASSWORD_MAX) {
		(void)refuse(user, "the password", "is longer than 1024 bytes");
		return MAILAUTH_E_LIMIT;
	}
	if (memchr(password.p, '\0', password.len) != NULL)
		return refuse(user, "the password", "has a NUL byte, which no client can send");
	/* Mechanisms disagree about other encodings: each would take another password. */
	if (!ma_span_is_utf8(password))
		return refuse(user, "the password", "is not UTF-8; set the terminal's locale");
	return MAILAUTH_OK;
}

/* The account's own list, else the configuration's; empty: all. */
static struct ma_span mechs_of(const struct mailauth_user *user)
{
	const char *preset = user->ctx->config.mechanisms;
	struct ma_span list = account_of(user)->mechs;

	return list.len == 0 && preset != NULL ? ma_span_text(preset) : list;
}

static enum mailauth_status derive_all(struct mailauth_user *user, const struct ma_kinds *kinds,
				       struct ma_span password)
{
	enum mailauth_status status = MAILAUTH_OK;

	main_credential(user)->n_secrets = 0;
	ma_buf_reset(&user->secrets);
	for (size_t i = 0; status == MAILAUTH_OK && i < kinds->n; i++)
		status = add_secret(user, kinds->items[i], password);
	if (status != MAILAUTH_OK) {
		main_credential(user)->n_secrets = 0;
		ma_buf_reset(&user->secrets);
	}
	return status;
}

enum mailauth_status mailauth_user_set_password(struct mailauth_user *user, const void *password,
						size_t password_len)
{
	struct ma_span secret = ma_span(password, password_len);
	struct ma_kinds kinds;
	struct ma_span unknown;
	enum mailauth_status status;

	if (user == NULL || (password == NULL && password_len > 0))
		return MAILAUTH_E_USAGE;
	status = check_password(user, secret);
	if (status != MAILAUTH_OK)
		return status;
	if (!ma_mech_kinds(mechs_of(user), (account_of(user)->flags & MA_ACCOUNT_RECOVERABLE) != 0,
			   &kinds, &unknown))
		return refuse_mech(user, unknown);
	if (kinds.n == 0)
		return refuse(user, "APOP",
			      "needs the password kept; make the account recoverable, or name "
			      "another mechanism");
	status = derive_all(user, &kinds, secret);
	if (status == MAILAUTH_E_LIMIT)
		(void)refuse(user, "the password", "is too long for crypt(3): at most 511 bytes");
	if (status == MAILAUTH_OK)
		account_of(user)->last_change = ma_today(user->ctx);
	return status;
}

/*
 * Half a hash, and a password given by mistake, can pass for the setting of traditional DES: run
 * once, a whole hash comes back as long as it is.
 */
static const char *refuse_hash(struct ma_span hash)
{
	char text[MA_CRYPT_MAX];
	MA_CLEANUP(ma_buf_clear) struct ma_buf out = ma_buf_fixed(text, sizeof(text));
	const char *why = ma_crypt_refusal(hash);

	if (why != NULL)
		return why;
	if (ma_crypt(ma_span_text("x"), hash, &out) != MAILAUTH_OK || out.len != hash.len)
		return "it is not a whole hash; did you mean a password?";
	return NULL;
}

enum mailauth_status mailauth_user_set_crypt(struct mailauth_user *user, const char *hash)
{
	struct ma_credential *credential;
	const char *why;

	if (user == NULL || hash == NULL)
		return MAILAUTH_E_USAGE;
	why = refuse_hash(ma_span_text(hash));
	if (why != NULL)
		return refuse(user, "the crypt(3) string cannot be used:", why);
	ma_buf_reset(&user->secrets);
	ma_buf_put_text(&user->secrets, hash);
	credential = main_credential(user);
	credential->secrets[0].kind = MA_KIND_CRYPT;
	credential->secrets[0].value = ma_buf_span(&user->secrets);
	credential->n_secrets = 1;
	account_of(user)->last_change = ma_today(user->ctx);
	return ma_buf_status(&user->secrets);
}

static const struct ma_kind *kind_at(const struct mailauth_user *user, size_t index)
{
	const struct ma_credential *credential = main_credential(user);

	return index < credential->n_secrets ? ma_kind_find(credential->secrets[index].kind) : NULL;
}

const char *mailauth_user_secret(const struct mailauth_user *user, size_t index)
{
	const struct ma_kind *kind = kind_at(user, index);

	if (kind != NULL)
		return kind->name;
	return index < main_credential(user)->n_secrets ? "unknown" : NULL;
}

const char *mailauth_user_weakest(const struct mailauth_user *user)
{
	const struct ma_kind *weakest = NULL;

	for (size_t i = 0; i < main_credential(user)->n_secrets; i++) {
		const struct ma_kind *kind = kind_at(user, i);

		if (kind != NULL && (weakest == NULL || kind->strength < weakest->strength))
			weakest = kind;
	}
	return weakest != NULL ? weakest->name : NULL;
}

static bool has_mech(struct ma_span list, const struct ma_mech *mech)
{
	struct ma_span word;
	bool any = false;

	while (ma_span_take_word(&list, " ,\t", &word)) {
		any = true;
		if (ma_mech_find(word) == mech)
			return true;
	}
	return !any && !mech->on_request;
}

static const char *why_not(const struct mailauth_user *user, const char *mech_name)
{
	const struct ma_mech *mech = ma_mech_find(ma_span_text(mech_name));
	const struct ma_credential *credential = main_credential(user);

	if (mech == NULL)
		return "this build does not have it";
	if (credential->n_secrets == 0)
		return "no password is set";
	for (size_t i = 0; i < credential->n_secrets; i++)
		if (ma_mech_accepts(mech, &credential->secrets[i]))
			return NULL;
	if (mech->kind == &ma_kind_password)
		return "it needs the password kept, and the account is not recoverable";
	if (!has_mech(mechs_of(user), mech))
		return "its list of mechanisms leaves it out";
	if (credential->secrets[0].kind == MA_KIND_CRYPT)
		return "there is only a crypt hash; set the password anew";
	return "there is no secret for it yet; set the password anew";
}

bool mailauth_user_can(const struct mailauth_user *user, const char *mech, const char **why_out)
{
	const char *why = why_not(user, mech);

	if (why_out != NULL)
		*why_out = why;
	return why == NULL;
}

const char *mailauth_user_state(const struct mailauth_user *user)
{
	const struct ma_account *account = account_of(user);

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

static enum mailauth_status encode(struct mailauth_user *user, struct ma_buf *record)
{
	uint8_t nonce[MA_RECORD_NONCE_LEN];
	enum mailauth_status status = ma_random(ma_engine(user->ctx)->crypto, nonce, sizeof(nonce));

	if (status != MAILAUTH_OK)
		return status;
	return ma_seal(&user->ctx->keyring, user->worker->cipher, &user->name, account_of(user),
		       ma_span(nonce, sizeof(nonce)), record);
}

/* @is_new: there must be no such account; else it must be as it was read. */
static enum mailauth_status write_user(struct mailauth_user *user, bool is_new, bool *conflict_out)
{
	struct mailauth *ctx = user->ctx;
	struct ma_account *account = account_of(user);
	MA_CLEANUP(ma_buf_clear) struct ma_buf record = ma_buf(MA_RECORD_MAX);
	uint8_t key[MA_KEY_MAX];
	struct ma_store_change change = {
		.key = ma_name_key(&user->name, key),
		.must_exist = !is_new,
		.old = ma_span(user->worker->record, user->worker->record_len),
	};
	enum mailauth_status status;

	*conflict_out = false;
	account->modified = ctx->now_s();
	if (is_new)
		account->created = account->modified;
	account->generation++;
	status = encode(user, &record);
	if (status != MAILAUTH_OK)
		return status;
	change.record = ma_buf_span(&record);
	return ctx->store->ops->apply(ctx->store, &change, 1, conflict_out);
}

/* A change that was not made leaves the account in memory as it was, too. */
static enum mailauth_status try_write(struct mailauth_user *user, bool is_new, bool *conflict_out)
{
	struct ma_account *account = account_of(user);
	uint64_t generation = account->generation;
	int64_t created = account->created;
	int64_t modified = account->modified;
	enum mailauth_status status = write_user(user, is_new, conflict_out);

	if (status != MAILAUTH_OK || *conflict_out) {
		account->generation = generation;
		account->created = created;
		account->modified = modified;
	}
	return status;
}

static enum mailauth_status refuse_write(struct mailauth *ctx)
{
	ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "account",
	       "this context was opened for reading; open it with MAILAUTH_OPEN_WRITE");
	return MAILAUTH_E_USAGE;
}

enum mailauth_status mailauth_user_add(struct mailauth_user *user)
{
	enum mailauth_status status;
	bool conflict;

	if (user == NULL)
		return MAILAUTH_E_USAGE;
	if (!user->ctx->write)
		return refuse_write(user->ctx);
	status = try_write(user, true, &conflict);
	return status == MAILAUTH_OK && conflict ? MAILAUTH_E_EXISTS : status;
}

static enum mailauth_status update_once(struct mailauth *ctx, const char *name,
					mailauth_edit_fn *edit, void *arg, bool *conflict_out)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_get(ctx, name, &user);

	*conflict_out = false;
	if (status == MAILAUTH_OK)
		status = edit(user, arg);
	if (status == MAILAUTH_OK)
		status = try_write(user, false, conflict_out);
	return status;
}

enum mailauth_status mailauth_user_update(struct mailauth *ctx, const char *name,
					  mailauth_edit_fn *edit, void *arg)
{
	enum mailauth_status status = MAILAUTH_OK;
	bool conflict = true;

	if (ctx == NULL || name == NULL || edit == NULL)
		return MAILAUTH_E_USAGE;
	if (!ctx->write)
		return refuse_write(ctx);
	for (int i = 0; status == MAILAUTH_OK && conflict && i < UPDATE_TRIES; i++)
		status = update_once(ctx, name, edit, arg, &conflict);
	if (status == MAILAUTH_OK && conflict) {
		ma_log(&ctx->log, MAILAUTH_LOG_ERROR, "account",
		       "%s is being changed by other programs all the time; try again", name);
		return MAILAUTH_E_TEMPFAIL;
	}
	return status;
}

enum mailauth_status mailauth_user_del(struct mailauth *ctx, const char *name_text)
{
	struct ma_name name;
	uint8_t key[MA_KEY_MAX];
	struct ma_store_change change = {.must_exist = true, .any_old = true, .remove = true};
	enum mailauth_status status;
	const char *why;
	bool conflict;

	if (ctx == NULL || name_text == NULL)
		return MAILAUTH_E_USAGE;
	if (!ctx->write)
		return refuse_write(ctx);
	why = parse_name(ctx, name_text, &name);
	if (why != NULL)
		return refuse_name(ctx, name_text, why);
	change.key = ma_name_key(&name, key);
	status = ctx->store->ops->apply(ctx->store, &change, 1, &conflict);
	return status == MAILAUTH_OK && conflict ? MAILAUTH_E_NOTFOUND : status;
}
