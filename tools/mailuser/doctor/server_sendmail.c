/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_sendmail.c - Sendmail: the options of sendmail.cf, Sendmail.conf
 *
 * sendmail.cf is what Sendmail reads; sendmail.mc may be newer, but changes nothing until m4(1) has
 * run. Sendmail opens the store as root.
 */
#include <stdio.h>
#include <string.h>

#include "doctor.h"

#define SENDMAIL_CF "/etc/mail/sendmail.cf"
#define MECHS	    "EXTERNAL GSSAPI KERBEROS_V4 DIGEST-MD5 CRAM-MD5" /* its default */

static void take(const struct settings *cf, struct server *server)
{
	const char *mechs = ma_settings_get(cf, "authmechanisms");
	const char *options = ma_settings_get(cf, "authoptions");
	const char *realm = ma_settings_get(cf, "authrealm");
	const char *certificate = ma_settings_get(cf, "servercertfile");

	(void)snprintf(server->offers, sizeof(server->offers), "%s", mechs == NULL ? MECHS : mechs);
	(void)snprintf(server->where, sizeof(server->where), "confAUTH_MECHANISMS of sendmail.mc");
	(void)snprintf(server->realm, sizeof(server->realm), "%.255s",
		       realm == NULL ? ma_host_name().text : realm);
	(void)snprintf(server->realm_where, sizeof(server->realm_where),
		       "confAUTH_REALM of sendmail.mc");
	if (certificate != NULL)
		(void)snprintf(server->certificate, sizeof(server->certificate), "%s", certificate);
	if (options != NULL && strchr(options, 'p') != NULL)
		return;
	(void)snprintf(server->clear_problem, sizeof(server->clear_problem),
		       "offers PLAIN and LOGIN without TLS, so that passwords go over the network "
		       "in clear");
	(void)snprintf(server->clear_advice, sizeof(server->clear_advice),
		       "define(`confAUTH_OPTIONS', `A p y')dnl in sendmail.mc, make sendmail.cf of "
		       "it, and systemctl restart sendmail");
}

bool ma_server_sendmail(struct doctor *doctor, struct server *server)
{
	struct settings cf = {0};
	enum foreign result;

	*server = (struct server){.name = "Sendmail",
				  .restart = "systemctl restart sendmail",
				  .logs_in = true,
				  .prefix = ""};
	result = ma_server_load(doctor, SENDMAIL_CF, MA_STYLE_SENDMAIL, &cf);
	if (result == MA_FOREIGN_READ)
		take(&cf, server);
	ma_settings_clear(&cf);
	if (result != MA_FOREIGN_READ)
		return false;
	ma_server_load_sasl(doctor, server, ma_server_folders(doctor), "Sendmail");
	return true;
}
