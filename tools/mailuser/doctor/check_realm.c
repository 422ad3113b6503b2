/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_realm.c - do servers, and default_realm, add the realm that accounts have?
 *
 * A user who types "alice" is looked for as alice@REALM, with the server's realm. If no account has
 * it, all of them are unknown, and only the log tells. mailuser and PAM add default_realm.
 */
#include <string.h>
#include <strings.h>

#include "doctor.h"

static void check_default(struct doctor *doctor)
{
	const struct survey *survey = &doctor->survey;
	const char *at = strchr(survey->last.text, '@');

	if (!survey->is_done || at == NULL || survey->n_of_default > 0)
		return;
	ma_finding_add(
		doctor, MA_FINDING_WARNING, doctor->config,
		ma_text("no account is in default_realm '%s': mailuser and PAM take a name "
			"without a realm for one of it",
			doctor->default_realm)
			.text,
		ma_text("write 'default_realm = %s' there, or whichever realm you mean", at + 1)
			.text);
}

static void run(struct doctor *doctor)
{
	const struct survey *survey = &doctor->survey;

	check_default(doctor);
	for (size_t i = 0; survey->is_done && i < doctor->n_servers; i++) {
		const struct server *server = &doctor->servers[i];

		if (!server->logs_in || !ma_server_asks(server) || server->realm[0] == '\0')
			continue;
		if (survey->n_of_realm[i] > 0 ||
		    strcasecmp(server->realm, doctor->default_realm) == 0)
			continue;
		ma_finding_add(
			doctor, MA_FINDING_WARNING, server->name,
			ma_text("looks for users who type no realm in '%s', where no account "
				"is; default_realm is '%s'",
				server->realm, doctor->default_realm)
				.text,
			ma_text("set %s or default_realm in %s, so that they are the same, "
				"then %s",
				server->realm_where, doctor->config, server->restart)
				.text);
	}
}

const struct check ma_check_realm = {"realm", run};
