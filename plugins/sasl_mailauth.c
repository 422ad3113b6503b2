/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sasl_mailauth.c - entry points of the Cyrus SASL plugin
 *
 * libsasl2 looks for three symbols in the file, in this order: mechanisms, properties, names. Each
 * gives a program something else, and the program's options decide whether it is used:
 *
 *   auxprop_plugin: mailauth      properties (auxprop.c), for libsasl2's own mechanisms
 *   canon_user_plugin: mailauth   names (canon_user.c)
 *   mailauth_mechs: CRAM-MD5 ...  mechanisms (server_mech.c), for what libsasl2 lacks
 *
 * Two more options concern both of the first and the last: mailauth_config, a file; mailauth_group,
 * a word (see <sasl/sasl.h>, SASL_CB_GETOPT). What they share is plugin.c's.
 */
#include "plugin.h"

#include <stddef.h>

__attribute__((visibility("default"))) sasl_server_plug_init_t sasl_server_plug_init;
__attribute__((visibility("default"))) sasl_auxprop_init_t sasl_auxprop_plug_init;
__attribute__((visibility("default"))) sasl_canonuser_init_t sasl_canonuser_init;

int sasl_server_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
			  sasl_server_plug_t **pluglist, int *plugcount)
{
	struct ma_plugin *plugin = NULL;
	const char *list;
	int code;

	if (utils == NULL || out_version == NULL || pluglist == NULL || plugcount == NULL)
		return SASL_BADPARAM;
	if (max_version < SASL_SERVER_PLUG_VERSION)
		return SASL_BADVERS;
	*out_version = SASL_SERVER_PLUG_VERSION;
	*pluglist = NULL;
	*plugcount = 0;
	/* An empty list is no error to libsasl2; anything else would show in the log. */
	list = ma_plugin_option(utils, MA_OPTION_MECHS);
	if (list == NULL || ma_server_mechs_check(utils, list) == 0)
		return SASL_OK;
	code = ma_plugin_get(utils, &plugin);
	if (code != SASL_OK)
		return code;

	/* Each of them gives the plugin back. */
	ma_plugin_share(plugin, (unsigned int)plugin->n_mechs - 1);
	*pluglist = plugin->mechs;
	*plugcount = plugin->n_mechs;
	return SASL_OK;
}

int sasl_auxprop_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
			   sasl_auxprop_plug_t **plug, const char *plugname)
{
	struct ma_plugin *plugin = NULL;
	int code;

	(void)plugname;
	if (utils == NULL || out_version == NULL || plug == NULL)
		return SASL_BADPARAM;
	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	code = ma_plugin_get(utils, &plugin);
	if (code != SASL_OK)
		return code;

	*out_version = SASL_AUXPROP_PLUG_VERSION;
	*plug = &plugin->auxprop;
	return SASL_OK;
}

int sasl_canonuser_init(const sasl_utils_t *utils, int max_version, int *out_version,
			sasl_canonuser_plug_t **plug, const char *plugname)
{
	(void)plugname;
	if (utils == NULL || out_version == NULL || plug == NULL)
		return SASL_BADPARAM;
	if (max_version < SASL_CANONUSER_PLUG_VERSION)
		return SASL_BADVERS;
	*out_version = SASL_CANONUSER_PLUG_VERSION;
	*plug = ma_canon_user_plug();
	return SASL_OK;
}
