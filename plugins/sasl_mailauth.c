/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sasl_mailauth.c - entry point of the Cyrus SASL plugin
 *
 * libsasl2 loads every plugin of its folder into every program that serves SASL. So the store is
 * opened at load time only where the program's `auxprop_plugin` option names us: Postfix loads
 * plugins as root and enters its chroot afterwards, when neither key nor store can be reached any
 * more. Everywhere else nothing is opened before the first lookup.
 *
 * A store that cannot be opened does not keep the plugin from loading. libsasl2 would then take
 * each login for one of an unknown user, and clients would forget good passwords; a lookup that
 * fails makes the server say "try again later" instead. Each lookup tries again, and if it fails
 * too it repeats in the server's log why the first attempt failed: that one had only syslog.
 *
 * Options (see <sasl/sasl.h>, SASL_CB_GETOPT): mailauth_config, a file; mailauth_group, a word.
 * What the library logs goes to the server's own log, by way of the connection that is served.
 */
#include "auxprop.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* One call of mailauth_open(). */
struct attempt {
	struct ma_plugin *plugin;
	char cause[MA_PLUGIN_CAUSE_MAX]; /* the first error it logged */
};

__attribute__((visibility("default"))) sasl_auxprop_init_t sasl_auxprop_plug_init;

/* A denied login is what administrators and log watchers look for, and libsasl2's level for it is
 * the one Postfix shows; it hides SASL_LOG_NOTE. */
static int sasl_level(enum mailauth_log_level level, const char *event, const char *text)
{
	switch (level) {
	case MAILAUTH_LOG_ERROR:
		return SASL_LOG_ERR;
	case MAILAUTH_LOG_WARN:
		return SASL_LOG_WARN;
	case MAILAUTH_LOG_INFO:
		if (strcmp(event, "login") == 0 && strstr(text, "result=denied") != NULL)
			return SASL_LOG_FAIL;
		return SASL_LOG_NOTE;
	case MAILAUTH_LOG_DEBUG:
		break;
	}
	return SASL_LOG_DEBUG;
}

/* Without its connection libsasl2 would send the message to syslog, past the server. */
static const sasl_utils_t *log_utils(const struct ma_plugin *plugin)
{
	const sasl_utils_t *utils = pthread_getspecific(plugin->conn_utils);

	return utils != NULL ? utils : plugin->utils;
}

static void log_event(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	const struct ma_plugin *plugin = arg;
	const sasl_utils_t *utils = log_utils(plugin);

	utils->log(utils->conn, sasl_level(level, event, text), "%s %s: %s", MA_PLUGIN_NAME, event,
		   text);
}

static void log_attempt(void *arg, enum mailauth_log_level level, const char *event,
			const char *text)
{
	struct attempt *attempt = arg;

	if (level == MAILAUTH_LOG_ERROR && attempt->cause[0] == '\0')
		(void)snprintf(attempt->cause, sizeof(attempt->cause), "%s: %s", event, text);
	log_event(attempt->plugin, level, event, text);
}

static enum mailauth_status open_context(struct attempt *attempt, unsigned int flags,
					 struct mailauth **ctx_out)
{
	const struct mailauth_options options = {
		.size = sizeof(options),
		.flags = flags,
		.config = attempt->plugin->config,
		.log = log_attempt,
		.log_arg = attempt,
		.log_level = MAILAUTH_LOG_INFO,
	};
	enum mailauth_status status = mailauth_open(&options, ctx_out);

	if (status == MAILAUTH_OK)
		mailauth_set_logger(*ctx_out, log_event, attempt->plugin, MAILAUTH_LOG_INFO);
	return status;
}

enum mailauth_status ma_plugin_open(struct ma_plugin *plugin, unsigned int flags,
				    struct mailauth **ctx_out)
{
	struct attempt attempt = {.plugin = plugin};
	enum mailauth_status status = open_context(&attempt, flags, ctx_out);
	const sasl_utils_t *utils = log_utils(plugin);

	/* In a chroot this attempt fails for want of any file, which is not what is wrong. */
	if (status != MAILAUTH_OK && plugin->cause[0] != '\0' &&
	    strcmp(plugin->cause, attempt.cause) != 0)
		utils->log(utils->conn, SASL_LOG_ERR, "%s %s (when this process started)",
			   MA_PLUGIN_NAME, plugin->cause);
	return status;
}

enum mailauth_status ma_plugin_reader(struct ma_plugin *plugin, struct mailauth **ctx_out)
{
	struct mailauth *theirs = NULL;
	enum mailauth_status status;

	*ctx_out = atomic_load_explicit(&plugin->ctx, memory_order_acquire);
	if (*ctx_out != NULL)
		return MAILAUTH_OK;
	status = ma_plugin_open(plugin, 0, ctx_out);
	if (status != MAILAUTH_OK)
		return status;
	/* Another thread may have been faster: one context is enough. */
	if (!atomic_compare_exchange_strong(&plugin->ctx, &theirs, *ctx_out)) {
		mailauth_free(ctx_out);
		*ctx_out = theirs;
	}
	return MAILAUTH_OK;
}

/* Does a list of words separated by white space, as libsasl2 reads it, contain our name? */
static bool names_us(const char *list)
{
	size_t len;

	while (*list != '\0') {
		while (isspace((unsigned char)*list))
			list++;
		for (len = 0; list[len] != '\0' && !isspace((unsigned char)list[len]); len++)
			;
		if (len == strlen(MA_PLUGIN_NAME) && strncasecmp(list, MA_PLUGIN_NAME, len) == 0)
			return true;
		list += len;
	}
	return false;
}

/* Returns NULL if the option is not set. */
static const char *option(const sasl_utils_t *utils, const char *key)
{
	const char *value = NULL;

	if (utils->getopt(utils->getopt_context, NULL, key, &value, NULL) != SASL_OK)
		return NULL;
	return value;
}

/* An option outlives its source: an application may give us a buffer it uses again. */
static int copy_option(const sasl_utils_t *utils, const char *key, char **value_out)
{
	const char *value = option(utils, key);
	size_t size;

	if (value == NULL || *value == '\0')
		return SASL_OK;
	size = strlen(value) + 1;
	*value_out = utils->malloc(size);
	if (*value_out == NULL)
		return SASL_NOMEM;
	memcpy(*value_out, value, size);
	return SASL_OK;
}

/* Frees what plugin_new() made, except for the key of the log, which may not be there yet. */
static void plugin_free(struct ma_plugin *plugin, const sasl_utils_t *utils)
{
	if (plugin->config != NULL)
		utils->free(plugin->config);
	if (plugin->group != NULL)
		utils->free(plugin->group);
	utils->free(plugin);
}

static void auxprop_free(void *glob_context, const sasl_utils_t *utils)
{
	struct ma_plugin *plugin = glob_context;
	struct mailauth *ctx;

	if (plugin == NULL)
		return;
	ctx = atomic_exchange(&plugin->ctx, NULL);
	mailauth_free(&ctx);
	pthread_key_delete(plugin->conn_utils);
	plugin_free(plugin, utils);
}

static int plugin_new(const sasl_utils_t *utils, struct ma_plugin **plugin_out)
{
	struct ma_plugin *plugin = utils->malloc(sizeof(*plugin));
	int code;

	if (plugin == NULL)
		return SASL_NOMEM;
	*plugin = (struct ma_plugin){.name = MA_PLUGIN_NAME, .utils = utils};
	plugin->plug = (sasl_auxprop_plug_t){
		.glob_context = plugin,
		.auxprop_free = auxprop_free,
		.auxprop_lookup = ma_auxprop_lookup,
		.name = plugin->name,
		.auxprop_store = ma_auxprop_store,
	};
	code = copy_option(utils, "mailauth_config", &plugin->config);
	if (code == SASL_OK)
		code = copy_option(utils, "mailauth_group", &plugin->group);
	if (code == SASL_OK && pthread_key_create(&plugin->conn_utils, NULL) != 0)
		code = SASL_NOMEM;
	if (code != SASL_OK) {
		plugin_free(plugin, utils);
		return code;
	}
	*plugin_out = plugin;
	return SASL_OK;
}

/* If this fails each lookup tries again. */
static void open_first(struct ma_plugin *plugin)
{
	struct attempt attempt = {.plugin = plugin};
	struct mailauth *ctx = NULL;

	if (open_context(&attempt, 0, &ctx) == MAILAUTH_OK)
		atomic_store(&plugin->ctx, ctx);
	else
		memcpy(plugin->cause, attempt.cause, sizeof(plugin->cause));
}

int sasl_auxprop_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
			   sasl_auxprop_plug_t **plug, const char *plugname)
{
	struct ma_plugin *plugin = NULL;
	const char *list;
	int code;

	(void)plugname;
	if (utils == NULL || out_version == NULL || plug == NULL)
		return SASL_BADPARAM;
	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	code = plugin_new(utils, &plugin);
	if (code != SASL_OK)
		return code;

	list = option(utils, "auxprop_plugin");
	if (list != NULL && names_us(list))
		open_first(plugin);

	*out_version = SASL_AUXPROP_PLUG_VERSION;
	*plug = &plugin->plug;
	return SASL_OK;
}
