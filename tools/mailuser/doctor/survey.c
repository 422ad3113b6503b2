/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * survey.c - one walk through all accounts, counting what the checks want to know
 *
 * There may be a million accounts, so each is read once, and only counts and the first few names
 * are kept. Reading an account opens its seal, so the walk also finds every damaged record.
 * Accounts that may not log in today are not asked which mechanisms they serve: nothing is wrong
 * with them.
 *
 * An account lacks a mechanism only if its own list, or else the configuration's, has it. One that
 * was made for CRAM-MD5 alone is as it should be, as long as somebody offers that.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "doctor.h"

/* The secrets that libsasl2's own PLAIN and LOGIN can be checked against. */
static bool holds_plain(const struct mailauth_user *user)
{
	const char *kind;

	for (size_t i = 0; (kind = mailauth_user_secret(user, i)) != NULL; i++)
		if (strcmp(kind, "sasl-plain") == 0 || strcmp(kind, "password") == 0)
			return true;
	return false;
}

static bool is_clear(const char *mech)
{
	return strcasecmp(mech, "PLAIN") == 0 || strcasecmp(mech, "LOGIN") == 0;
}

static bool serves(const struct mailauth_user *user, const char *mech, bool is_own)
{
	if (is_clear(mech) && !is_own)
		return holds_plain(user);
	return mailauth_user_can(user, mech, NULL);
}

const struct tally *ma_survey_tally(const struct survey *survey, const char *mech, bool is_own)
{
	for (size_t i = 0; i < survey->n_tallies; i++)
		if (survey->tallies[i].is_own == is_own &&
		    strcasecmp(survey->tallies[i].mech, mech) == 0)
			return &survey->tallies[i];
	return NULL;
}

/* A row for each mechanism that a server which asks us offers. */
static void prepare(struct doctor *doctor)
{
	struct survey *survey = &doctor->survey;

	for (size_t i = 0; i < doctor->n_servers; i++) {
		const struct server *server = &doctor->servers[i];
		const char *rest = server->offers;
		char mech[32];

		if (!server->logs_in || !ma_server_asks(server))
			continue;
		while (ma_word_next(&rest, mech, sizeof(mech))) {
			bool is_own = ma_server_is_own(server, mech);
			struct tally *tally = &survey->tallies[survey->n_tallies];

			if (!ma_mechs_known(mech) ||
			    ma_survey_tally(survey, mech, is_own) != NULL ||
			    survey->n_tallies == MA_DOCTOR_TALLIES_MAX)
				continue;
			(void)snprintf(tally->mech, sizeof(tally->mech), "%s", mech);
			tally->is_own = is_own;
			survey->n_tallies++;
		}
	}
}

/* saslauthd asks somebody else about a password, perhaps us by way of PAM. */
static bool saslauthd_serves(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->n_servers; i++) {
		const struct server *server = &doctor->servers[i];

		if (server->logs_in && ma_server_checks_with(server, "saslauthd") &&
		    (ma_word_in(server->offers, "PLAIN") || ma_word_in(server->offers, "LOGIN")))
			return true;
	}
	return false;
}

static bool holds_crypt_alone(const struct mailauth_user *user)
{
	const char *kind = mailauth_user_secret(user, 0);

	return kind != NULL && strcmp(kind, "crypt") == 0 && mailauth_user_secret(user, 1) == NULL;
}

/* An account that nothing serves is named for that, and not for each mechanism again. */
static void count_mechs(struct doctor *doctor, const struct mailauth_user *user)
{
	struct survey *survey = &doctor->survey;
	const char *own = mailauth_user_text(user, MAILAUTH_TEXT_MECHS);
	const char *list = own[0] == '\0' ? doctor->mechanisms : own;
	bool is_served[MA_DOCTOR_TALLIES_MAX] = {false};
	bool any = survey->n_tallies == 0 || saslauthd_serves(doctor);

	for (size_t i = 0; i < survey->n_tallies; i++) {
		struct tally *tally = &survey->tallies[i];

		is_served[i] = serves(user, tally->mech, tally->is_own);
		tally->n_served += is_served[i];
		any |= is_served[i];
	}
	if (!any)
		ma_names_add(holds_crypt_alone(user) ? &survey->crypt_alone : &survey->no_mech,
			     mailauth_user_name(user));
	for (size_t i = 0; any && i < survey->n_tallies; i++)
		if (!is_served[i] && ma_word_in(list, survey->tallies[i].mech))
			ma_names_add(&survey->tallies[i].lacking, mailauth_user_name(user));
}

static void count(struct doctor *doctor, const struct mailauth_user *user)
{
	struct survey *survey = &doctor->survey;
	const char *name = mailauth_user_name(user);
	const char *realm = strchr(name, '@');
	const char *state = mailauth_user_state(user);

	for (size_t i = 0; i < doctor->n_servers; i++)
		if (realm != NULL && strcasecmp(realm + 1, doctor->servers[i].realm) == 0)
			survey->n_of_realm[i]++;
	if (realm != NULL && strcasecmp(realm + 1, doctor->default_realm) == 0)
		survey->n_of_default++;
	(void)snprintf(survey->last.text, sizeof(survey->last.text), "%s", name);
	ma_taken_look(doctor, user);
	if (state == NULL) {
		survey->n_usable++;
		count_mechs(doctor, user);
	} else if (strcmp(state, "no-secret") == 0) {
		ma_names_add(&survey->no_password, name);
	}
}

/* The library has said what is wrong with the record. */
static void damaged(struct doctor *doctor, const char *name, uint64_t n)
{
	const struct complaint *last = &doctor->complaints[0];

	if (n > MA_DOCTOR_NAMES_MAX)
		return;
	ma_finding_account(doctor, MA_FINDING_ERROR, name,
			   doctor->n_complaints > 0 ? last->text : "the record is damaged",
			   "see what it says; in the end remove the account: mailuser del NAME");
}

void ma_survey_take(struct doctor *doctor)
{
	struct survey *survey = &doctor->survey;
	struct mailauth_name cursor = {""};
	uint64_t n_damaged = 0;
	enum mailauth_status status = MAILAUTH_OK;

	doctor->checking = "store";
	prepare(doctor);
	while (status == MAILAUTH_OK || status == MAILAUTH_E_CORRUPT) {
		struct mailauth_user *user = NULL;

		doctor->n_complaints = 0;
		status = mailauth_user_next(doctor->ctx, &cursor, &user);
		if (status == MAILAUTH_OK)
			count(doctor, user);
		if (status == MAILAUTH_E_CORRUPT)
			damaged(doctor, cursor.text, ++n_damaged);
		if (status == MAILAUTH_OK || status == MAILAUTH_E_CORRUPT)
			survey->n_accounts++;
		mailauth_user_free(&user);
	}
	survey->is_done = status == MAILAUTH_E_NOTFOUND;
	if (n_damaged > MA_DOCTOR_NAMES_MAX)
		ma_finding_add(
			doctor, MA_FINDING_ERROR, doctor->store,
			ma_text("%llu damaged accounts in all", (unsigned long long)n_damaged).text,
			"mailuser store check names them");
	if (!survey->is_done)
		ma_finding_add(doctor, MA_FINDING_ERROR, doctor->store,
			       doctor->n_complaints > 0 ? doctor->complaints[0].text
							: "the accounts cannot be read",
			       "mailuser store check");
}
