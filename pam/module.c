/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * module.c - arguments, the store, and the proof of a password
 *
 * The store is opened when it is first needed and kept with the PAM handle, so that one login opens
 * it once, and is closed by pam_end(). As root it is opened for writing: a right password then also
 * gives the account the verifiers it lacks.
 *
 * What the library logs goes where PAM's own messages go. A line for each login, and names that
 * cannot be any account's, are for `debug` only: the module's own line for a failure is pam_unix's,
 * which log watchers know. It is written when a password was wrong, never when it could not be
 * checked.
 */
#include "module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#define STORE_DATA    "mailauth_store"
#define FAIL_DELAY_US 2000000

/* ---- the log ---- */

struct ma_pam_word ma_pam_word(const char *text)
{
	struct ma_pam_word word;
	size_t len = 0;

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		bool is_safe = c > ' ' && c < 0x7f && c != '"' && c != '\\';
		size_t need = is_safe ? 1 : strlen("\\xNN");

		if (sizeof(word.text) - 1 - len < need)
			break;
		(void)snprintf(word.text + len, need + 1, is_safe ? "%c" : "\\x%02x", c);
		len += need;
	}
	word.text[len] = '\0';
	return word;
}

/* ---- arguments ---- */

static bool take_text(const char *arg, const char *key, const char **value)
{
	size_t len = strlen(key);

	if (strncmp(arg, key, len) != 0 || arg[len] == '\0')
		return false;
	*value = arg + len;
	return true;
}

static bool take_argument(struct ma_pam *pam, const char *arg)
{
	/* libpam itself acts on these, in pam_get_authtok(). */
	static const char *const for_libpam[] = {"try_first_pass", "use_first_pass", "use_authtok"};

	for (size_t i = 0; i < sizeof(for_libpam) / sizeof(for_libpam[0]); i++)
		if (strcmp(arg, for_libpam[i]) == 0)
			return true;
	if (strcmp(arg, "capture") == 0)
		pam->capture = true;
	else if (strcmp(arg, "debug") == 0)
		pam->debug = true;
	else
		return take_text(arg, "config=", &pam->config) ||
		       take_text(arg, "realm=", &pam->realm) ||
		       take_text(arg, "group=", &pam->group);
	return true;
}

int ma_pam_begin(struct ma_pam *pam, pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	*pam = (struct ma_pam){.pamh = pamh, .flags = (unsigned int)flags};
	for (int i = 0; i < argc; i++) {
		if (take_argument(pam, argv[i]))
			continue;
		pam_syslog(
			pamh, LOG_ERR,
			"unknown argument \"%s\" in the PAM configuration; there are config=FILE "
			"realm=NAME group=NAME try_first_pass use_first_pass use_authtok capture "
			"debug",
			ma_pam_word(argv[i]).text);
		return PAM_SERVICE_ERR;
	}
	return PAM_SUCCESS;
}

bool ma_pam_is_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* ---- items ---- */

const char *ma_pam_item(const struct ma_pam *pam, int which)
{
	const void *item = NULL;

	if (pam_get_item(pam->pamh, which, &item) != PAM_SUCCESS || item == NULL)
		return "";
	return item;
}

bool ma_pam_is_silent(const struct ma_pam *pam)
{
	return (pam->flags & PAM_SILENT) != 0;
}

int ma_pam_ask_user(struct ma_pam *pam)
{
	int code = pam_get_user(pam->pamh, &pam->user, NULL);
	int len;

	if (code == PAM_CONV_AGAIN)
		return PAM_INCOMPLETE;
	if (code != PAM_SUCCESS)
		return code;
	if (pam->realm == NULL || strchr(pam->user, '@') != NULL)
		len = snprintf(pam->name, sizeof(pam->name), "%s", pam->user);
	else
		len = snprintf(pam->name, sizeof(pam->name), "%s@%s", pam->user, pam->realm);
	if (len < 0 || (size_t)len >= sizeof(pam->name))
		pam->name[0] = '\0';
	return PAM_SUCCESS;
}

/* ---- the store ---- */

/* Returns -1 for what is not worth a line. A name that cannot be one is anybody's typing. */
static int syslog_level(const struct ma_pam_store *store, enum mailauth_log_level level,
			const char *event)
{
	bool is_typing = strcmp(event, "name") == 0 || strcmp(event, "account") == 0;

	if (level == MAILAUTH_LOG_ERROR && !is_typing)
		return LOG_ERR;
	if (level == MAILAUTH_LOG_WARN)
		return LOG_WARNING;
	return store->debug ? LOG_DEBUG : -1;
}

static void log_event(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	struct ma_pam_store *store = arg;
	int priority = syslog_level(store, level, event);

	if (strcmp(event, "account") == 0)
		(void)snprintf(store->advice, sizeof(store->advice), "%s", text);
	if (priority >= 0)
		pam_syslog(store->pamh, priority, "mailauth %s: %s", event, text);
}

static void free_store(pam_handle_t *pamh, void *data, int status)
{
	struct ma_pam_store *store = data;

	(void)pamh;
	(void)status;
	if (store == NULL)
		return;
	mailauth_free(&store->ctx);
	free(store->config);
	free(store);
}

static enum mailauth_status open_store(const struct ma_pam *pam, bool write,
				       struct ma_pam_store *store)
{
	const struct mailauth_options options = {
		.size = sizeof(options),
		.flags = write ? MAILAUTH_OPEN_WRITE : 0,
		.config = pam->config,
		.log = log_event,
		.log_arg = store,
		.log_level = pam->debug ? MAILAUTH_LOG_DEBUG : MAILAUTH_LOG_WARN,
	};

	store->self = store;
	store->pamh = pam->pamh;
	store->write = write;
	store->debug = pam->debug;
	if (pam->config != NULL) {
		store->config = strdup(pam->config);
		if (store->config == NULL)
			return MAILAUTH_E_NOMEM;
	}
	return mailauth_open(&options, &store->ctx);
}

/* The one kept with the handle, if it will do. Lines of a service may differ in their arguments. */
static struct ma_pam_store *kept_store(const struct ma_pam *pam, bool write)
{
	const void *data = NULL;
	const struct ma_pam_store *store;

	if (pam_get_data(pam->pamh, STORE_DATA, &data) != PAM_SUCCESS || data == NULL)
		return NULL;
	store = data;
	if (!ma_pam_is_same(pam->config, store->config) || store->debug != pam->debug ||
	    (write && !store->write))
		return NULL;
	return store->self;
}

int ma_pam_open(struct ma_pam *pam, bool write)
{
	struct ma_pam_store *store;
	enum mailauth_status status;

	write = write && geteuid() == 0;
	pam->store = kept_store(pam, write);
	if (pam->store != NULL)
		return PAM_SUCCESS;
	store = calloc(1, sizeof(*store));
	if (store == NULL)
		return PAM_BUF_ERR;
	status = open_store(pam, write, store);
	if (status != MAILAUTH_OK || pam_set_data(pam->pamh, STORE_DATA, store, free_store) != 0) {
		free_store(pam->pamh, store, 0);
		return status == MAILAUTH_OK || status == MAILAUTH_E_NOMEM ? PAM_BUF_ERR
									   : PAM_AUTHINFO_UNAVAIL;
	}
	pam->store = store;
	return PAM_SUCCESS;
}

int ma_pam_find(struct ma_pam *pam, struct mailauth_user **user_out)
{
	switch (mailauth_user_get(pam->store->ctx, pam->name, user_out)) {
	case MAILAUTH_OK:
		return PAM_SUCCESS;
	case MAILAUTH_E_NOTFOUND:
	case MAILAUTH_E_USAGE: /* cannot be the name of any account */
		return PAM_USER_UNKNOWN;
	case MAILAUTH_E_NOMEM:
		return PAM_BUF_ERR;
	default:
		return PAM_AUTHINFO_UNAVAIL;
	}
}

/* ---- the proof ---- */

/* pam_unix's own words. Like pam_unix it keeps a name to itself that nobody has: it may well be a
 * password, typed too early. */
static void log_failure(const struct ma_pam *pam, bool is_known)
{
	const char *login = getlogin();

	pam_syslog(
		pam->pamh, LOG_NOTICE,
		"authentication failure; logname=%s uid=%u euid=%u tty=%s ruser=%s rhost=%s %s%s",
		ma_pam_word(login != NULL ? login : "").text, (unsigned int)getuid(),
		(unsigned int)geteuid(), ma_pam_word(ma_pam_item(pam, PAM_TTY)).text,
		ma_pam_word(ma_pam_item(pam, PAM_RUSER)).text,
		ma_pam_word(ma_pam_item(pam, PAM_RHOST)).text, is_known ? " user=" : "",
		ma_pam_word(is_known ? pam->user : "").text);
}

static int verify(struct ma_pam *pam, const char *password)
{
	/* PAM gets the password from a local service, and judges the rest in its account stage. */
	const struct mailauth_request request = {
		.size = sizeof(request),
		.flags = MAILAUTH_REQUEST_TLS | MAILAUTH_REQUEST_PROOF_ONLY,
		.service = ma_pam_item(pam, PAM_SERVICE),
		.peer = ma_pam_item(pam, PAM_RHOST),
		.realm = pam->realm,
	};

	switch (mailauth_verify_plain(pam->store->ctx, &request, pam->user, strlen(pam->user),
				      password, strlen(password), NULL)) {
	case MAILAUTH_OK:
		return PAM_SUCCESS;
	case MAILAUTH_E_DENIED:
	case MAILAUTH_E_PROTOCOL:
	case MAILAUTH_E_LIMIT:
		return PAM_AUTH_ERR;
	case MAILAUTH_E_NOMEM:
		return PAM_BUF_ERR;
	default:
		return PAM_AUTHINFO_UNAVAIL;
	}
}

int ma_pam_verify(struct ma_pam *pam, const char *password)
{
	struct mailauth_user *user = NULL;
	int found = ma_pam_find(pam, &user);
	int code;

	mailauth_user_free(&user);
	if (found != PAM_SUCCESS && found != PAM_USER_UNKNOWN)
		return found;
	(void)pam_fail_delay(pam->pamh, FAIL_DELAY_US);
	/* For somebody unknown as well, so that it takes as long. */
	code = verify(pam, password);
	if (code != PAM_AUTH_ERR)
		return code;
	log_failure(pam, found == PAM_SUCCESS);
	return found == PAM_SUCCESS ? PAM_AUTH_ERR : PAM_USER_UNKNOWN;
}
