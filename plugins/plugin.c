/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plugin.c - what a process keeps while libsasl2 has the plugin loaded
 *
 * libsasl2 loads every plugin of its folder into every program that serves SASL. So the store is
 * opened at load time only where the program's options say that it will be needed: `auxprop_plugin`
 * names us, or `mailauth_mechs` a mechanism. Postfix loads plugins as root and enters its chroot
 * afterwards, when neither key nor store can be reached any more. Everywhere else nothing is opened
 * before the first lookup.
 *
 * A store that cannot be opened does not keep the plugin from loading. libsasl2 would then take
 * each login for one of an unknown user, and clients would forget good passwords; a lookup that
 * fails makes the server say "try again later" instead. Each login tries again, and if it fails
 * too it repeats in the server's log why the first attempt failed: that one had only syslog.
 *
 * The registry. libsasl2 asks for mechanisms and for properties in two calls that know nothing of
 * each other, and one context must serve both: it holds the keys, and half a megabyte of
 * OpenSSL's tables. There is no place of libsasl2's that both calls can reach, hence the one
 * process-wide variable here. Each mechanism and the auxprop plugin count as users; libsasl2 ends
 * each of them with a call of its own, mechanisms first, and the last one frees. So after
 * sasl_done() nothing is left, and the next sasl_server_init() begins anew, with options that may
 * be others. Should some user be left of an earlier beginning, it keeps what its own options made.
 *
 * The store is opened for reading, and servers change nothing in it. Where the program's option
 * auto_transition is on it is opened for writing, in the same place: smtpd writes from within its
 * chroot through what it opened as root. The library then captures a password that one of our
 * mechanisms has seen and proved, and auxprop.c one that another program has. A store that cannot
 * be written serves logins all the same; one warning says that nothing is captured.
 *
 * What the library logs goes to the server's own log, by way of the connection that is served.
 */
#include "plugin.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One call of mailauth_open(). */
struct attempt {
	struct ma_plugin *plugin;
	bool is_quiet;			 /* there is another way: nothing is logged yet */
	char cause[MA_PLUGIN_CAUSE_MAX]; /* the first error it logged */
};

static const char *const option_names[MA_N_OPTIONS] = {
	[MA_OPTION_CONFIG] = "mailauth_config",
	[MA_OPTION_GROUP] = "mailauth_group",
	[MA_OPTION_MECHS] = "mailauth_mechs",
	[MA_OPTION_TRANSITION] = "auto_transition",
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ma_plugin *registry;

/* ---- the log ---- */

/* A denied login is what administrators and log watchers look for, and libsasl2's level for it is
 * the one Postfix shows; it hides SASL_LOG_NOTE. */
static int sasl_level(enum mailauth_log_level level, const char *event, const char *text)
{
	static const char denied[] = "result=denied ";

	switch (level) {
	case MAILAUTH_LOG_ERROR:
		return SASL_LOG_ERR;
	case MAILAUTH_LOG_WARN:
		return SASL_LOG_WARN;
	case MAILAUTH_LOG_INFO:
		if (strcmp(event, "login") == 0 && strncmp(text, denied, sizeof(denied) - 1) == 0)
			return SASL_LOG_FAIL;
		return SASL_LOG_NOTE;
	case MAILAUTH_LOG_DEBUG:
		break;
	}
	return SASL_LOG_DEBUG;
}

static void log_event(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	const struct ma_plugin *plugin = arg;

	/* Without its connection libsasl2 would send the message to syslog, past the server. */
	plugin->log(pthread_getspecific(plugin->conn), sasl_level(level, event, text), "%s %s: %s",
		    MA_PLUGIN_NAME, event, text);
}

static void log_attempt(void *arg, enum mailauth_log_level level, const char *event,
			const char *text)
{
	struct attempt *attempt = arg;

	if (level == MAILAUTH_LOG_ERROR && attempt->cause[0] == '\0')
		(void)snprintf(attempt->cause, sizeof(attempt->cause), "%s: %s", event, text);
	if (!attempt->is_quiet)
		log_event(attempt->plugin, level, event, text);
}

void ma_plugin_enter(struct ma_plugin *plugin, const sasl_utils_t *utils)
{
	pthread_setspecific(plugin->conn, utils->conn);
}

void ma_plugin_leave(struct ma_plugin *plugin)
{
	pthread_setspecific(plugin->conn, NULL);
}

/* ---- the context ---- */

static enum mailauth_status open_context(struct attempt *attempt, unsigned int flags,
					 struct mailauth **ctx_out)
{
	const struct mailauth_options options = {
		.size = sizeof(options),
		.flags = flags,
		.config = attempt->plugin->options[MA_OPTION_CONFIG],
		.log = log_attempt,
		.log_arg = attempt,
		.log_level = MAILAUTH_LOG_INFO,
	};
	enum mailauth_status status = mailauth_open(&options, ctx_out);

	if (status == MAILAUTH_OK)
		mailauth_set_logger(*ctx_out, log_event, attempt->plugin, MAILAUTH_LOG_INFO);
	return status;
}

/* For logins, and for what they may capture: for writing if that is wanted and possible. */
static enum mailauth_status open_shared(struct attempt *attempt, struct mailauth **ctx_out)
{
	struct ma_plugin *plugin = attempt->plugin;
	struct attempt writing = {.plugin = plugin, .is_quiet = true};
	enum mailauth_status status;

	if (!plugin->captures)
		return open_context(attempt, 0, ctx_out);
	if (open_context(&writing, MAILAUTH_OPEN_WRITE, ctx_out) == MAILAUTH_OK) {
		atomic_store(&plugin->can_write, true);
		return MAILAUTH_OK;
	}
	status = open_context(attempt, 0, ctx_out);
	if (status == MAILAUTH_OK)
		plugin->log(pthread_getspecific(plugin->conn), SASL_LOG_WARN,
			    "%s capture: auto_transition is on, but no password can be captured: "
			    "%s",
			    MA_PLUGIN_NAME, writing.cause);
	return status;
}

/* In a chroot a later attempt fails for want of any file, which is not what is wrong. */
static void log_first_cause(const struct attempt *attempt)
{
	const struct ma_plugin *plugin = attempt->plugin;

	if (plugin->cause[0] != '\0' && strcmp(plugin->cause, attempt->cause) != 0)
		plugin->log(pthread_getspecific(plugin->conn), SASL_LOG_ERR,
			    "%s %s (when this process started)", MA_PLUGIN_NAME, plugin->cause);
}

enum mailauth_status ma_plugin_open(struct ma_plugin *plugin, struct mailauth **ctx_out)
{
	struct attempt attempt = {.plugin = plugin};
	enum mailauth_status status = open_context(&attempt, MAILAUTH_OPEN_WRITE, ctx_out);

	if (status != MAILAUTH_OK)
		log_first_cause(&attempt);
	return status;
}

enum mailauth_status ma_plugin_reader(struct ma_plugin *plugin, struct mailauth **ctx_out)
{
	struct attempt attempt = {.plugin = plugin};
	struct mailauth *theirs = NULL;
	enum mailauth_status status;

	*ctx_out = atomic_load_explicit(&plugin->ctx, memory_order_acquire);
	if (*ctx_out != NULL)
		return MAILAUTH_OK;
	status = open_shared(&attempt, ctx_out);
	if (status != MAILAUTH_OK) {
		log_first_cause(&attempt);
		return status;
	}
	/* Another thread may have been faster: one context is enough. */
	if (!atomic_compare_exchange_strong(&plugin->ctx, &theirs, *ctx_out)) {
		mailauth_free(ctx_out);
		*ctx_out = theirs;
	}
	return MAILAUTH_OK;
}

enum mailauth_status ma_plugin_writer(struct ma_plugin *plugin, struct mailauth **ctx_out)
{
	enum mailauth_status status = ma_plugin_reader(plugin, ctx_out);

	if (status != MAILAUTH_OK || atomic_load(&plugin->can_write))
		return status;
	plugin->log(pthread_getspecific(plugin->conn), SASL_LOG_WARN,
		    "%s capture: this password is not captured: the store could not be opened for "
		    "writing, an earlier line says why",
		    MA_PLUGIN_NAME);
	*ctx_out = NULL;
	return MAILAUTH_E_TEMPFAIL;
}

/* Once: if this fails each login tries again. */
static void open_first(struct ma_plugin *plugin)
{
	struct attempt attempt = {.plugin = plugin};
	struct mailauth *ctx = NULL;

	plugin->was_tried = true;
	if (open_shared(&attempt, &ctx) == MAILAUTH_OK)
		atomic_store(&plugin->ctx, ctx);
	else
		memcpy(plugin->cause, attempt.cause, sizeof(plugin->cause));
}

/* ---- options ---- */

bool ma_plugin_take_word(const char **list, const char **word_out, size_t *len_out)
{
	const char *p = *list;
	size_t len = 0;

	while (isspace((unsigned char)*p))
		p++;
	while (p[len] != '\0' && !isspace((unsigned char)p[len]))
		len++;
	*list = p + len;
	*word_out = p;
	*len_out = len;
	return len > 0;
}

/* Does a list of words, as libsasl2 reads it, contain our name? */
static bool names_us(const char *list)
{
	const char *word;
	size_t len;

	while (ma_plugin_take_word(&list, &word, &len))
		if (len == strlen(MA_PLUGIN_NAME) && strncasecmp(word, MA_PLUGIN_NAME, len) == 0)
			return true;
	return false;
}

/* Returns NULL if the option is not set. */
static const char *option(const sasl_utils_t *utils, const char *key)
{
	const char *value = NULL;

	if (utils->getopt(utils->getopt_context, NULL, key, &value, NULL) != SASL_OK)
		return NULL;
	return value != NULL && *value != '\0' ? value : NULL;
}

/* An option outlives its source: an application may give us a buffer it uses again. */
static int copy_option(const sasl_utils_t *utils, const char *key, char **value_out)
{
	const char *value = option(utils, key);
	size_t size;

	if (value == NULL)
		return SASL_OK;
	size = strlen(value) + 1;
	*value_out = utils->malloc(size);
	if (*value_out == NULL)
		return SASL_NOMEM;
	memcpy(*value_out, value, size);
	return SASL_OK;
}

const char *ma_plugin_option(const sasl_utils_t *utils, enum ma_option which)
{
	return option(utils, option_names[which]);
}

static bool has_options(const struct ma_plugin *plugin, const sasl_utils_t *utils)
{
	for (int i = 0; i < MA_N_OPTIONS; i++) {
		const char *value = option(utils, option_names[i]);
		const char *own = plugin->options[i];

		if (value == NULL || own == NULL ? value != own : strcmp(value, own) != 0)
			return false;
	}
	return true;
}

/* As libsasl2 reads it, in lib/server.c; "noplain" there asks for all but the clear text, of which
 * we keep none unless the account says so. */
static bool is_transition_on(const char *value)
{
	if (value == NULL)
		return false;
	return *value == '1' || *value == 'y' || *value == 't' ||
	       (*value == 'o' && value[1] == 'n') || strcmp(value, "noplain") == 0;
}

static bool is_needed(const struct ma_plugin *plugin, const sasl_utils_t *utils)
{
	const char *list = option(utils, "auxprop_plugin");

	return plugin->n_mechs > 0 || (list != NULL && names_us(list));
}

/* ---- the registry ---- */

static void plugin_free(struct ma_plugin *plugin, const sasl_utils_t *utils)
{
	struct mailauth *ctx = atomic_exchange(&plugin->ctx, NULL);

	mailauth_free(&ctx);
	for (int i = 0; i < MA_N_OPTIONS; i++)
		if (plugin->options[i] != NULL)
			utils->free(plugin->options[i]);
	utils->free(plugin);
}

static void auxprop_free(void *glob_context, const sasl_utils_t *utils)
{
	ma_plugin_put(glob_context, utils);
}

static int plugin_new(const sasl_utils_t *utils, struct ma_plugin **plugin_out)
{
	struct ma_plugin *plugin = utils->malloc(sizeof(*plugin));
	int code = SASL_OK;

	if (plugin == NULL)
		return SASL_NOMEM;
	*plugin = (struct ma_plugin){.name = MA_PLUGIN_NAME, .log = utils->log};
	plugin->auxprop = (sasl_auxprop_plug_t){
		.glob_context = plugin,
		.auxprop_free = auxprop_free,
		.auxprop_lookup = ma_auxprop_lookup,
		.name = plugin->name,
		.auxprop_store = ma_auxprop_store,
	};
	for (int i = 0; i < MA_N_OPTIONS && code == SASL_OK; i++)
		code = copy_option(utils, option_names[i], &plugin->options[i]);
	if (code == SASL_OK && pthread_key_create(&plugin->conn, NULL) != 0)
		code = SASL_NOMEM;
	if (code != SASL_OK) {
		plugin_free(plugin, utils);
		return code;
	}
	plugin->captures = is_transition_on(plugin->options[MA_OPTION_TRANSITION]);
	ma_server_mechs_init(plugin);
	*plugin_out = plugin;
	return SASL_OK;
}

static int find_or_make(const sasl_utils_t *utils, struct ma_plugin **plugin_out)
{
	struct ma_plugin *plugin = registry;
	int code;

	while (plugin != NULL && !has_options(plugin, utils))
		plugin = plugin->next;
	if (plugin == NULL) {
		code = plugin_new(utils, &plugin);
		if (code != SASL_OK)
			return code;
		plugin->next = registry;
		registry = plugin;
	}
	*plugin_out = plugin;
	return SASL_OK;
}

int ma_plugin_get(const sasl_utils_t *utils, struct ma_plugin **plugin_out)
{
	int code;

	*plugin_out = NULL;
	if (pthread_mutex_lock(&registry_lock) != 0)
		return SASL_FAIL;
	code = find_or_make(utils, plugin_out);
	if (code == SASL_OK) {
		(*plugin_out)->n_users++;
		if (!(*plugin_out)->was_tried && is_needed(*plugin_out, utils))
			open_first(*plugin_out);
	}
	pthread_mutex_unlock(&registry_lock);
	return code;
}

void ma_plugin_share(struct ma_plugin *plugin, unsigned int n)
{
	pthread_mutex_lock(&registry_lock);
	plugin->n_users += n;
	pthread_mutex_unlock(&registry_lock);
}

void ma_plugin_put(struct ma_plugin *plugin, const sasl_utils_t *utils)
{
	struct ma_plugin **link = &registry;
	bool is_last;

	if (plugin == NULL)
		return;
	pthread_mutex_lock(&registry_lock);
	plugin->n_users--;
	is_last = plugin->n_users == 0;
	if (is_last) {
		while (*link != plugin)
			link = &(*link)->next;
		*link = plugin->next;
	}
	pthread_mutex_unlock(&registry_lock);
	if (!is_last)
		return;
	pthread_key_delete(plugin->conn);
	plugin_free(plugin, utils);
}

/* ---- connections ---- */

const char *ma_plugin_realm(const sasl_server_params_t *sparams)
{
	if (sparams->user_realm != NULL && *sparams->user_realm != '\0')
		return sparams->user_realm;
	return sparams->serverFQDN;
}

void ma_plugin_clean(char *word)
{
	for (; *word != '\0'; word++)
		if (*word <= ' ' || *word > '~')
			*word = '?';
}

/* The client's address alone, from libsasl2's "address;port": as log watchers want it. */
static void put_peer(const sasl_server_params_t *sparams, char peer[MA_PLUGIN_PEER_MAX])
{
	const char *text = sparams->ipremoteport != NULL ? sparams->ipremoteport : "";
	size_t len = strcspn(text, ";");

	if (len >= MA_PLUGIN_PEER_MAX)
		len = MA_PLUGIN_PEER_MAX - 1;
	memcpy(peer, text, len);
	peer[len] = '\0';
}

struct mailauth_request ma_plugin_request(const struct ma_plugin *plugin,
					  const sasl_server_params_t *sparams,
					  char peer[MA_PLUGIN_PEER_MAX])
{
	put_peer(sparams, peer);
	return (struct mailauth_request){
		.size = sizeof(struct mailauth_request),
		.flags = sparams->external_ssf > 0 ? MAILAUTH_REQUEST_TLS : 0,
		.service = sparams->service,
		.peer = peer,
		.group = plugin->options[MA_OPTION_GROUP],
		.realm = ma_plugin_realm(sparams),
		.host = sparams->serverFQDN,
	};
}

int ma_plugin_code(enum mailauth_status status)
{
	switch (status) {
	case MAILAUTH_OK:
		return SASL_OK;
	case MAILAUTH_E_NOMEM:
		return SASL_NOMEM;
	case MAILAUTH_E_DENIED:
	case MAILAUTH_E_PROTOCOL:
	case MAILAUTH_E_LIMIT:
		return SASL_BADAUTH;
	default:
		return SASL_UNAVAIL;
	}
}
