/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_cyrus.c - Cyrus IMAP: everything is in imapd.conf, SASL options with the prefix sasl_
 *
 * @include is followed for as many files as settings may come from. Lines for one service only
 * (pop3_sasl_mech_list) are not looked at.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "doctor.h"

#define IMAPD_CONF "/etc/imapd.conf"

static bool is_yes(const char *value)
{
	return value != NULL && (value[0] == '1' || strncasecmp(value, "y", 1) == 0 ||
				 strncasecmp(value, "t", 1) == 0 || strcasecmp(value, "on") == 0);
}

static void include(struct doctor *doctor, struct settings *conf)
{
	for (size_t i = 0; i < conf->n && conf->n_texts < MA_FOREIGN_FILES; i++)
		if (strcmp(conf->items[i].name, "@include") == 0)
			(void)ma_server_load(doctor, conf->items[i].value, MA_STYLE_SASL, conf);
}

/* Names: docs/cyrus.md, "Names and realms", says what goes together. */
static void check_names(struct doctor *doctor, const struct settings *conf)
{
	const char *canon = ma_settings_get(conf, "sasl_canon_user_plugin");
	const char *virtual = ma_settings_get(conf, "virtdomains");
	bool has_canon = canon != NULL && strcmp(canon, "mailauth") == 0;

	if (has_canon && ma_settings_get(conf, "defaultdomain") != NULL)
		ma_finding_add(doctor, MA_FINDING_ERROR, IMAPD_CONF,
			       "has both defaultdomain and sasl_canon_user_plugin: imapd and pop3d "
			       "die after a login",
			       "remove one of the two lines, then systemctl restart cyrus-imapd");
	else if (has_canon && (virtual == NULL || strcasecmp(virtual, "userid") != 0))
		ma_finding_add(doctor, MA_FINDING_ERROR, IMAPD_CONF,
			       "without 'virtdomains: userid' Cyrus refuses the names that "
			       "sasl_canon_user_plugin makes",
			       "write 'virtdomains: userid' into it, then systemctl restart "
			       "cyrus-imapd");
}

static void take(struct server *server)
{
	const struct settings *conf = &server->sasl;
	const char *name = ma_settings_get(conf, "servername");
	const char *certificate = ma_settings_get(conf, "tls_server_cert");

	(void)snprintf(server->realm, sizeof(server->realm), "%.255s",
		       name == NULL ? ma_host_name().text : name);
	(void)snprintf(server->realm_where, sizeof(server->realm_where),
		       "servername in " IMAPD_CONF);
	if (certificate != NULL && certificate[0] == '/')
		(void)snprintf(server->certificate, sizeof(server->certificate), "%s", certificate);
	if (!is_yes(ma_settings_get(conf, "allowplaintext")))
		return;
	(void)snprintf(server->clear_problem, sizeof(server->clear_problem),
		       "takes passwords without TLS, so that they go over the network in clear");
	(void)snprintf(server->clear_advice, sizeof(server->clear_advice),
		       "write 'allowplaintext: no' into " IMAPD_CONF
		       ", then systemctl restart cyrus-imapd");
}

bool ma_server_cyrus(struct doctor *doctor, struct server *server)
{
	enum foreign result;

	*server = (struct server){.name = "Cyrus IMAP",
				  .user = "cyrus",
				  .restart = "systemctl restart cyrus-imapd",
				  .logs_in = true,
				  .conf = IMAPD_CONF,
				  .prefix = "sasl_"};
	result = ma_server_load(doctor, IMAPD_CONF, MA_STYLE_SASL, &server->sasl);
	if (result == MA_FOREIGN_MISSING)
		return false;
	server->has_conf = result == MA_FOREIGN_READ;
	server->is_unseen = !server->has_conf;
	if (server->has_conf) {
		include(doctor, &server->sasl);
		take(server);
		check_names(doctor, &server->sasl);
	}
	return true;
}
