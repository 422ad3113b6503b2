/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * auxprop.c - lookups and stores of auxiliary properties for Cyrus SASL
 *
 * Lookup. A mechanism asks for properties of the name that logs in: CRAM-MD5 for *userPassword and
 * *cmusaslsecretCRAM-MD5, SCRAM for *userPassword and *authPassword, a check of a plain password
 * for *userPassword and *cmusaslsecretPLAIN. libsasl2 asks twice per login, with flags 0 for names
 * that begin with '*' and with SASL_AUXPROP_AUTHZID for the others, of which we serve none. All
 * that is wanted is fetched by one call of the library, which knows what is least, gives decoys to
 * those who may not log in, and says in the log why. So a lookup fails only if the store is away,
 * and never with SASL_NOUSER.
 *
 * *authPassword gets a value for each hash of SCRAM that the library has, whichever asks: where its
 * own is missing SCRAM says that it ran out of memory, and Postfix that the client should try
 * again. That is what happens with SHA-224 and SHA-384, which mech_list therefore must not have.
 *
 * DIGEST-MD5's verifier is one of the realm that the mechanism offers and of the name as the client
 * wrote it, which by now is gone: alice and alice@realm both come as alice@realm. canon_user.c has
 * left a note about it on the connection. Where canon_user is another plugin's there is none, and
 * the name is taken for one without realm, as most users type it. A client that answers with a
 * realm other than the one offered cannot be served through the stock mechanism, which keeps that
 * realm to itself and shows us a name that was never typed; our own mechanism can.
 *
 * Store. userPassword with a value sets the password of an account and makes the account where
 * there is none; libsasl2 has no other call for that. userPassword without one removes the secrets
 * and keeps the account. Everything else that can be stored is derived from the password and not
 * taken from outside. In particular saslpasswd2 deletes the cmusaslsecret properties after each
 * password it has set, to clean up after versions of twenty years ago: these are ours to keep.
 *
 * Capture. Where the server's option auto_transition is on, libsasl2 stores the password of every
 * login that another program proved (pwcheck_method: saslauthd), each time. That is no new
 * password: what the account lacks is derived from it, and nothing is written if it lacks nothing.
 * Only where its secrets are those of another password is this one set, as the one that counts
 * here. libsasl2 asks to make accounts, too (SASL_SET_CREATE), for sasldb. Ours have groups,
 * mailboxes and an end, and whoever deletes one means it: nobody gets one by logging in, and root's
 * password gets no MD5.
 */
#include "plugin.h"

#include <mailauth/admin.h>
#include <mailauth/verifier.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SCRAM_KINDS                                                                                \
	(MAILAUTH_VERIFIER_SCRAM_SHA_1 | MAILAUTH_VERIFIER_SCRAM_SHA_256 |                         \
	 MAILAUTH_VERIFIER_SCRAM_SHA_512)
#define DIGEST_KINDS (MAILAUTH_VERIFIER_DIGEST_MD5 | MAILAUTH_VERIFIER_DIGEST_MD5_FULL)

/* The properties we serve, with what each may hold; of DIGEST_KINDS one. */
#define N_SERVED     5
static const struct {
	const char *name;
	unsigned int kinds;
} served[N_SERVED] = {
	{"*cmusaslsecretPLAIN", MAILAUTH_VERIFIER_SASL_PLAIN},
	{"*cmusaslsecretCRAM-MD5", MAILAUTH_VERIFIER_CRAM_MD5},
	{"*cmusaslsecretDIGEST-MD5", DIGEST_KINDS},
	{"*authPassword", SCRAM_KINDS},
	{SASL_AUX_PASSWORD, MAILAUTH_VERIFIER_PASSWORD},
};

#define SALT_LEN   16
#define DIGEST_LEN 16

/* One lookup: which kinds libsasl2 waits for, and under which name each. */
struct lookup {
	const sasl_server_params_t *sparams;
	const char *names[N_SERVED];
	unsigned int wanted;
	int code; /* of the first value that could not be handed on */
};

/* A new password, for set_password(); none at all for clear_secrets(). */
struct password {
	const char *p;
	size_t len;
};

static int served_index(const char *name)
{
	int i;

	for (i = 0; i < N_SERVED; i++)
		if (strcasecmp(name, served[i].name) == 0)
			return i;
	return -1;
}

bool ma_auxprop_wants_form(const sasl_server_params_t *sparams)
{
	const struct propval *prop = sparams->utils->prop_get(sparams->propctx);

	for (; prop != NULL && prop->name != NULL; prop++) {
		int i = served_index(prop->name);

		if (i >= 0 && (served[i].kinds & DIGEST_KINDS) != 0)
			return true;
	}
	return false;
}

/* Of the two forms of a name, the one that is not wanted. */
static unsigned int other_form(const sasl_server_params_t *sparams)
{
	const char *names[] = {MA_PLUGIN_FORM_PROPERTY, NULL};
	struct propval note[2] = {{.name = NULL}};

	(void)sparams->utils->prop_getnames(sparams->propctx, names, note);
	if (note[0].values != NULL && note[0].values[0] != NULL &&
	    strcmp(note[0].values[0], MA_PLUGIN_FORM_FULL) == 0)
		return MAILAUTH_VERIFIER_DIGEST_MD5;
	return MAILAUTH_VERIFIER_DIGEST_MD5_FULL;
}

/* Fills in what is to be fetched. A value that is there already stays, unless libsasl2 says to
 * replace it. Where a verifier is there already nobody needs the password: PLAIN looks up before it
 * asks for anything, and finds what an earlier attempt on the connection has left. */
static void lookup_prepare(struct lookup *lookup, unsigned int flags)
{
	const sasl_utils_t *utils = lookup->sparams->utils;
	const struct propval *prop = utils->prop_get(lookup->sparams->propctx);
	bool has_verifier = false;
	int i;

	for (; prop != NULL && prop->name != NULL; prop++) {
		i = served_index(prop->name);
		if (i < 0)
			continue;
		if (prop->values != NULL && (flags & SASL_AUXPROP_OVERRIDE) == 0) {
			has_verifier |= served[i].kinds != MAILAUTH_VERIFIER_PASSWORD;
			continue;
		}
		if (prop->values != NULL)
			utils->prop_erase(lookup->sparams->propctx, prop->name);
		lookup->names[i] = prop->name;
		lookup->wanted |= served[i].kinds;
	}
	if ((lookup->wanted & DIGEST_KINDS) != 0)
		lookup->wanted &= ~other_form(lookup->sparams);
	if (has_verifier)
		lookup->wanted &= ~(unsigned int)MAILAUTH_VERIFIER_PASSWORD;
}

/* Receives one verifier from the library and hands it on. */
static void lookup_give(void *arg, enum mailauth_verifier kind, const void *p, size_t len)
{
	char plain[SALT_LEN + 1 + DIGEST_LEN] = {0}; /* salt, NUL, digest */
	struct lookup *lookup = arg;
	const sasl_utils_t *utils = lookup->sparams->utils;
	const char *value = p;
	int i = 0;
	int code;

	while (i < N_SERVED && (served[i].kinds & (unsigned int)kind) == 0)
		i++;
	if (i == N_SERVED || lookup->names[i] == NULL || len == 0 || len > MAILAUTH_PASSWORD_MAX)
		return;
	if (kind == MAILAUTH_VERIFIER_SASL_PLAIN && len == SALT_LEN + DIGEST_LEN) {
		memcpy(plain, value, SALT_LEN);
		memcpy(plain + SALT_LEN + 1, value + SALT_LEN, DIGEST_LEN);
		value = plain;
		len = sizeof(plain);
	}
	code = utils->prop_set(lookup->sparams->propctx, lookup->names[i], value, (int)len);
	if (code != SASL_OK && lookup->code == SASL_OK)
		lookup->code = code;
	explicit_bzero(plain, sizeof(plain));
}

static int lookup_run(struct ma_plugin *plugin, struct lookup *lookup, const char *user,
		      unsigned int user_len)
{
	char peer[MA_PLUGIN_PEER_MAX];
	const struct mailauth_request request = ma_plugin_request(plugin, lookup->sparams, peer);
	struct mailauth *ctx = NULL;
	enum mailauth_status status = ma_plugin_reader(plugin, &ctx);

	if (status == MAILAUTH_OK)
		status = mailauth_verifier_get(ctx, &request, user, user_len, lookup->wanted,
					       lookup_give, lookup);
	return status == MAILAUTH_OK ? lookup->code : ma_plugin_code(status);
}

int ma_auxprop_lookup(void *glob_context, sasl_server_params_t *sparams, unsigned int flags,
		      const char *user, unsigned int user_len)
{
	struct ma_plugin *plugin = glob_context;
	struct lookup lookup = {.sparams = sparams, .code = SASL_OK};
	int code;

	if (plugin == NULL || sparams == NULL || user == NULL)
		return SASL_BADPARAM;
	if ((flags & SASL_AUXPROP_AUTHZID) != 0)
		return SASL_OK;
	lookup_prepare(&lookup, flags);
	if (lookup.wanted == 0)
		return SASL_OK;
	ma_plugin_enter(plugin, sparams->utils);
	code = lookup_run(plugin, &lookup, user, user_len);
	ma_plugin_leave(plugin);
	return code;
}

/* The full name of the account that is changed, by the rule that lookups follow. */
static enum mailauth_status full_name(const sasl_server_params_t *sparams, const char *user,
				      unsigned int user_len, struct mailauth_name *name_out)
{
	const char *realm = ma_plugin_realm(sparams);
	int len;

	if (user_len > MAILAUTH_NAME_MAX)
		return MAILAUTH_E_LIMIT;
	if (memchr(user, '\0', user_len) != NULL)
		return MAILAUTH_E_USAGE;
	if (realm == NULL || memchr(user, '@', user_len) != NULL)
		realm = "";
	len = snprintf(name_out->text, sizeof(name_out->text), "%.*s%s%s", (int)user_len, user,
		       *realm != '\0' ? "@" : "", realm);
	if (len < 0 || (size_t)len >= sizeof(name_out->text))
		return MAILAUTH_E_LIMIT;
	return MAILAUTH_OK;
}

static enum mailauth_status set_password(struct mailauth_user *user, void *arg)
{
	const struct password *password = arg;

	return mailauth_user_set_password(user, password->p, password->len);
}

static enum mailauth_status clear_secrets(struct mailauth_user *user, void *arg)
{
	(void)arg;
	mailauth_user_clear_secrets(user);
	return MAILAUTH_OK;
}

static enum mailauth_status add_user(struct mailauth *ctx, const char *name,
				     struct password *password)
{
	struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_new(ctx, name, &user);

	if (status == MAILAUTH_OK)
		status = set_password(user, password);
	if (status == MAILAUTH_OK)
		status = mailauth_user_add(user);
	mailauth_user_free(&user);
	return status;
}

static enum mailauth_status change_password(struct mailauth *ctx, const char *name,
					    struct password *password)
{
	enum mailauth_status status;

	if (password->p == NULL)
		return mailauth_user_update(ctx, name, clear_secrets, NULL);
	status = mailauth_user_update(ctx, name, set_password, password);
	if (status == MAILAUTH_E_NOTFOUND)
		status = add_user(ctx, name, password);
	if (status == MAILAUTH_E_EXISTS) /* made by someone else just now */
		status = mailauth_user_update(ctx, name, set_password, password);
	return status;
}

static enum mailauth_status capture_password(struct mailauth *ctx, const char *name,
					     struct password *password)
{
	enum mailauth_status status;

	if (password->p == NULL)
		return change_password(ctx, name, password);
	status = mailauth_capture(ctx, name, password->p, password->len);
	if (status == MAILAUTH_E_DENIED)
		status = mailauth_user_update(ctx, name, set_password, password);
	return status;
}

/* Opens for writing for as long as one change takes: saslpasswd2 ends after it. A server that
 * captures keeps open what it could open as root. */
static enum mailauth_status change(struct ma_plugin *plugin, const char *name,
				   struct password *password)
{
	struct mailauth *ctx = NULL;
	enum mailauth_status status;

	if (plugin->captures) {
		status = ma_plugin_writer(plugin, &ctx);
		return status == MAILAUTH_OK ? capture_password(ctx, name, password) : status;
	}
	status = ma_plugin_open(plugin, &ctx);
	if (status == MAILAUTH_OK)
		status = change_password(ctx, name, password);
	mailauth_free(&ctx);
	return status;
}

static int store_run(struct ma_plugin *plugin, const sasl_server_params_t *sparams,
		     const char *user, unsigned int user_len, struct password *password)
{
	struct mailauth_name name = {""};
	enum mailauth_status status = full_name(sparams, user, user_len, &name);

	if (status == MAILAUTH_OK)
		status = change(plugin, name.text, password);
	switch (status) {
	case MAILAUTH_E_NOTFOUND:
		return SASL_NOUSER;
	case MAILAUTH_E_LIMIT:
	case MAILAUTH_E_USAGE:
		return SASL_BADPARAM;
	default:
		return ma_plugin_code(status);
	}
}

int ma_auxprop_store(void *glob_context, sasl_server_params_t *sparams, struct propctx *ctx,
		     const char *user, unsigned int user_len)
{
	struct ma_plugin *plugin = glob_context;
	const struct propval *prop;
	struct password password = {NULL, 0};
	bool has_password = false;
	bool has_other = false;
	int code;

	if (ctx == NULL) /* "can you store at all?" */
		return SASL_OK;
	if (plugin == NULL || sparams == NULL || user == NULL)
		return SASL_BADPARAM;

	/* Where a property was only asked for, values is NULL; to delete it, values[0] is. */
	for (prop = sparams->utils->prop_get(ctx); prop != NULL && prop->name != NULL; prop++) {
		if (prop->values == NULL || prop->name[0] == '*')
			continue;
		if (strcasecmp(prop->name, SASL_AUX_PASSWORD_PROP) != 0) {
			has_other |= prop->values[0] != NULL;
			continue;
		}
		has_password = true;
		password.p = prop->values[0];
		if (password.p != NULL)
			password.len = prop->nvalues == 1 ? prop->valsize : strlen(password.p);
	}
	if (!has_password)
		return has_other ? SASL_CONSTRAINT_VIOLAT : SASL_OK;
	ma_plugin_enter(plugin, sparams->utils);
	code = store_run(plugin, sparams, user, user_len, &password);
	ma_plugin_leave(plugin);
	return code;
}
