/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * auxprop.h - what the files of the Cyrus SASL plugin share
 *
 * libsasl2 loads the plugin once per sasl_server_init() and may do so again after sasl_done(), so
 * everything the plugin knows hangs off one struct ma_plugin, made in sasl_auxprop_plug_init() and
 * freed by auxprop_free. sasl_mailauth.c makes it; auxprop.c answers lookups and stores with it.
 */
#ifndef MA_PLUGINS_AUXPROP_H
#define MA_PLUGINS_AUXPROP_H

#include <pthread.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <mailauth/mailauth.h>

#define MA_PLUGIN_NAME	    "mailauth"
#define MA_PLUGIN_CAUSE_MAX 512 /* bytes kept of a log message, with the NUL */

/* Everything but @ctx is set while libsasl2 loads us and only read afterwards, so lookups may run
 * in parallel. */
struct ma_plugin {
	sasl_auxprop_plug_t plug; /* what libsasl2 holds */
	char name[sizeof(MA_PLUGIN_NAME)];
	const sasl_utils_t *utils; /* libsasl2's calls without a connection */
	pthread_key_t conn_utils;  /* the thread's connection while it is served, for the log */
	_Atomic(struct mailauth *) ctx;	 /* NULL until the store could be opened */
	char cause[MA_PLUGIN_CAUSE_MAX]; /* why it could not be opened then; empty: no matter */
	char *config;			 /* option mailauth_config, or NULL */
	char *group;			 /* option mailauth_group, or NULL */
};

/**
 * ma_plugin_open() - open a context as the options say
 * @plugin:  the plugin
 * @flags:   MAILAUTH_OPEN_WRITE or 0
 * @ctx_out: the context; NULL on failure
 *
 * The log says why it failed, and why the first attempt did if that was something else.
 *
 * Return: as mailauth_open()
 */
MAILAUTH_MUST_CHECK enum mailauth_status
ma_plugin_open(struct ma_plugin *plugin, unsigned int flags, struct mailauth **ctx_out);

/**
 * ma_plugin_reader() - the context for lookups, opened now if it is not yet
 * @plugin:  the plugin
 * @ctx_out: the context, which belongs to @plugin; NULL on failure
 *
 * Return: as mailauth_open()
 */
MAILAUTH_MUST_CHECK enum mailauth_status ma_plugin_reader(struct ma_plugin *plugin,
							  struct mailauth **ctx_out);

/* The two calls of sasl_auxprop_plug_t, as <sasl/saslplug.h> describes them. */
int ma_auxprop_lookup(void *glob_context, sasl_server_params_t *sparams, unsigned int flags,
		      const char *user, unsigned int user_len);
int ma_auxprop_store(void *glob_context, sasl_server_params_t *sparams, struct propctx *ctx,
		     const char *user, unsigned int user_len);

#endif
