/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_cleartext.c - PLAIN and LOGIN without TLS, or never at all
 *
 * What decides is each server's own setting; server_*.c have looked at it.
 */
#include "doctor.h"

static void run(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->n_servers; i++) {
		const struct server *server = &doctor->servers[i];
		bool offers_clear =
			ma_word_in(server->offers, "PLAIN") || ma_word_in(server->offers, "LOGIN");

		bool is_ours = ma_server_asks(server) || ma_server_checks_with(server, "saslauthd");

		if (server->logs_in && is_ours && offers_clear && server->clear_problem[0] != '\0')
			ma_finding_add(doctor, MA_FINDING_WARNING, server->name,
				       server->clear_problem, server->clear_advice);
	}
}

const struct check ma_check_cleartext = {"cleartext", run};
