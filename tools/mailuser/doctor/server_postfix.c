/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * server_postfix.c - Postfix's smtpd: main.cf, a little of master.cf, smtpd.conf
 *
 * Postfix's own postconf(1) would know all values, but the doctor runs no program of a mail system
 * that may be broken. What is needed of main.cf is plain; values are expanded as far as they name
 * other settings. Debian's Postfix looks for smtpd.conf in its own folder, not in /etc/sasl2.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "doctor.h"

#define FOLDER	"/etc/postfix"
#define MAIN_CF FOLDER "/main.cf"
#define DEPTH	4

/* The value of a setting or its default, as it stands there. */
static struct text raw(const struct settings *main_cf, const char *name)
{
	static const char *const presets[][2] = {
		{"smtpd_sasl_auth_enable", "no"},
		{"smtpd_sasl_path", "smtpd"},
		{"smtpd_sasl_security_options", "noanonymous"},
		{"smtpd_sasl_tls_security_options", "$smtpd_sasl_security_options"},
		{"smtpd_sasl_type", "cyrus"},
		{"smtpd_tls_auth_only", "no"},
	};
	const char *value = ma_settings_get(main_cf, name);
	struct text host = ma_host_name();
	const char *dot;

	for (size_t i = 0; value == NULL && i < sizeof(presets) / sizeof(presets[0]); i++)
		if (strcmp(presets[i][0], name) == 0)
			value = presets[i][1];
	if (value == NULL && strcmp(name, "myhostname") == 0)
		return host;
	if (value == NULL && strcmp(name, "mydomain") == 0) {
		host = raw(main_cf, "myhostname");
		dot = strchr(host.text, '.');
		return ma_text("%s", dot == NULL ? "" : dot + 1);
	}
	return ma_text("%s", value == NULL ? "" : value);
}

/* With $name, ${name} and $(name) replaced; empty if that cannot be done. */
static struct text get(const struct settings *main_cf, const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
	struct text value = raw(main_cf, name);

	for (int i = 0; i < DEPTH; i++) {
		char *dollar = strchr(value.text, '$');
		const char *p = dollar == NULL ? "" : dollar + 1;
		bool is_long = *p == '{' || *p == '(';
		size_t len = strspn(p + is_long, letters);
		char closing = *p == '{' ? '}' : ')';

		if (dollar == NULL)
			return value;
		if (len == 0 || (is_long && p[1 + len] != closing))
			break;
		*dollar = '\0';
		value = ma_text("%s%s%s", value.text,
				raw(main_cf, ma_text("%.*s", (int)len, p + is_long).text).text,
				p + len + (is_long ? 2 : 0));
	}
	return ma_text("%s", strchr(value.text, '$') == NULL ? value.text : "");
}

/* Is it on for one of master.cf's services? */
static bool master_enables(void)
{
	char *text = NULL;
	char *rest;
	char *line;
	bool found = false;

	(void)ma_foreign_read(FOLDER "/master.cf", &text);
	rest = text;
	while (!found && (line = strsep(&rest, "\n")) != NULL)
		found = line[0] != '#' && strstr(line, "smtpd_sasl_auth_enable=yes") != NULL;
	free(text);
	return found;
}

static void clear_text(const struct settings *main_cf, struct server *server)
{
	struct text outside = get(main_cf, "smtpd_sasl_security_options");
	struct text inside = get(main_cf, "smtpd_sasl_tls_security_options");
	bool needs_tls = strcasecmp(get(main_cf, "smtpd_tls_auth_only").text, "yes") == 0;
	const char *problem = "";
	const char *advice = "";

	if (!needs_tls && !ma_word_in(outside.text, "noplaintext")) {
		problem = "offers PLAIN and LOGIN without TLS, so that passwords go over the "
			  "network in clear";
		advice = "postconf -e 'smtpd_sasl_security_options = noanonymous, noplaintext' "
			 "'smtpd_sasl_tls_security_options = noanonymous' && postfix reload";
	} else if (ma_word_in(inside.text, "noplaintext")) {
		problem = "never offers PLAIN and LOGIN, not even over TLS";
		advice = "postconf -e 'smtpd_sasl_tls_security_options = noanonymous' && postfix "
			 "reload";
	}
	(void)snprintf(server->clear_problem, sizeof(server->clear_problem), "%s", problem);
	(void)snprintf(server->clear_advice, sizeof(server->clear_advice), "%s", advice);
}

static void realm(const struct settings *main_cf, struct server *server)
{
	struct text value = get(main_cf, "smtpd_sasl_local_domain");

	if (value.text[0] == '\0') /* libsasl2 then takes the server's name */
		value = get(main_cf, "myhostname");
	(void)snprintf(server->realm, sizeof(server->realm), "%.255s", value.text);
	(void)snprintf(server->realm_where, sizeof(server->realm_where),
		       "smtpd_sasl_local_domain in " MAIN_CF);
}

static void load(struct doctor *doctor, const struct settings *main_cf, struct server *server)
{
	struct text own = get(main_cf, "cyrus_sasl_config_path");
	struct text path = get(main_cf, "smtpd_sasl_path");
	const char *folders = FOLDER "/sasl:/usr/lib/sasl2";

	if (own.text[0] != '\0')
		folders = own.text;
	else if (access("/etc/debian_version", F_OK) != 0)
		folders = ma_server_folders(doctor);
	ma_server_load_sasl(doctor, server, folders, path.text);
}

bool ma_server_postfix(struct doctor *doctor, struct server *server)
{
	struct settings main_cf = {0};
	bool is_on;

	*server = (struct server){
		.name = "Postfix", .restart = "postfix reload", .logs_in = true, .prefix = ""};
	if (ma_server_load(doctor, MAIN_CF, MA_STYLE_POSTFIX, &main_cf) != MA_FOREIGN_READ)
		return false;
	is_on = strcasecmp(get(&main_cf, "smtpd_sasl_type").text, "cyrus") == 0;
	if (is_on) {
		load(doctor, &main_cf, server);
		realm(&main_cf, server);
		clear_text(&main_cf, server);
		(void)snprintf(server->certificate, sizeof(server->certificate), "%s",
			       get(&main_cf, "smtpd_tls_cert_file").text);
		is_on = strcasecmp(get(&main_cf, "smtpd_sasl_auth_enable").text, "yes") == 0 ||
			master_enables();
		if (!is_on && ma_server_asks(server))
			ma_finding_add(doctor, MA_FINDING_WARNING, MAIN_CF,
				       "Postfix does not offer AUTH, although its SASL "
				       "configuration is there",
				       "postconf -e smtpd_sasl_auth_enable=yes && postfix reload");
	}
	ma_settings_clear(&main_cf);
	return is_on;
}
