/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_saslconf.c - do the SASL options of each program fit each other and what accounts hold?
 *
 * libsasl2 takes options as they come: a word it does not know is ignored, a line that is missing
 * means "all", and the login fails later, for some users only. Each function here looks at one
 * option. Where libmailauth is not asked at all, and that is on purpose, nothing is said.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "doctor.h"

/* "write 'NAME: VALUE' into FILE, then postfix reload" */
static struct text write_line(const struct server *server, const char *name, const char *value)
{
	return ma_text("write '%s%s: %s' into %s%s%s", server->prefix, name, value, server->conf,
		       server->restart == NULL ? "" : ", then ",
		       server->restart == NULL ? "" : server->restart);
}

static void report(struct doctor *doctor, const struct server *server, enum severity severity,
		   const char *problem, struct text advice)
{
	ma_finding_add(doctor, severity, server->conf,
		       ma_text("%s: %s", server->name, problem).text, advice.text);
}

/* What an account gets by default; APOP is no mechanism of SASL. */
static struct text usual_mechs(const struct doctor *doctor)
{
	struct text out = {""};
	char mech[32];

	for (const char *rest = doctor->mechanisms; ma_word_next(&rest, mech, sizeof(mech));)
		if (strcasecmp(mech, "APOP") != 0)
			out = ma_text("%s%s%s", out.text, out.text[0] == '\0' ? "" : " ", mech);
	return out;
}

static bool offers_hashed(const struct server *server)
{
	char mech[32];

	for (const char *rest = server->offers; ma_word_next(&rest, mech, sizeof(mech));)
		if (strcasecmp(mech, "PLAIN") != 0 && strcasecmp(mech, "LOGIN") != 0 &&
		    !ma_mechs_foreign(mech))
			return true;
	return false;
}

static bool is_on(const char *value)
{
	return value != NULL && (value[0] == '1' || value[0] == 'y' || value[0] == 't' ||
				 strcmp(value, "on") == 0 || strcmp(value, "noplain") == 0);
}

/* Debian's Postfix has a folder of its own, and many instructions name the other one. */
static bool is_misplaced(const struct server *server, struct text *path_out)
{
	*path_out = ma_text("/etc/sasl2/%s", basename(server->conf));
	return strcmp(path_out->text, server->conf) != 0 && access(path_out->text, F_OK) == 0;
}

static void check_missing(struct doctor *doctor, const struct server *server)
{
	struct text path;

	if (is_misplaced(server, &path))
		report(doctor, server, MA_FINDING_ERROR,
		       ma_text("there is no such file: it is %s, where %s does not look", path.text,
			       server->name)
			       .text,
		       ma_text("mv %s %s && %s", path.text, server->conf, server->restart));
	else if (server->logs_in)
		report(doctor, server, MA_FINDING_ERROR,
		       "there is no such file, so libsasl2 asks every plugin it finds",
		       ma_text("make it with the lines 'pwcheck_method: auxprop', 'auxprop_plugin: "
			       "mailauth', 'canon_user_plugin: mailauth' and 'mech_list: %s', then "
			       "%s",
			       usual_mechs(doctor).text, server->restart));
	else
		report(doctor, server, MA_FINDING_WARNING,
		       "there is no such file, so it writes each password to /etc/sasldb2 in "
		       "clear, "
		       "too",
		       ma_text("mkdir -p /etc/sasl2 && echo 'auxprop_plugin: mailauth' >%s",
			       server->conf));
}

static void check_lines(struct doctor *doctor, const struct server *server)
{
	if (server->sasl.bad_line != 0)
		report(doctor, server, MA_FINDING_ERROR,
		       ma_text("line %u is no 'name: value', and libsasl2 refuses the whole file",
			       server->sasl.bad_line)
			       .text,
		       ma_text("edit line %u of %s", server->sasl.bad_line, server->conf));
}

/* A file that names mailauth elsewhere, or a plugin that nobody knows, is not about another one. */
static bool is_meant(const struct server *server, const char *plugins)
{
	const char *canon = ma_server_option(server, "canon_user_plugin");

	return (canon != NULL && ma_word_in(canon, "mailauth")) ||
	       !(ma_word_in(plugins, "sql") || ma_word_in(plugins, "ldapdb"));
}

/* Is it set up to ask libmailauth? Says so if it is not, but should. */
static bool check_auxprop(struct doctor *doctor, const struct server *server)
{
	const char *plugins = ma_server_option(server, "auxprop_plugin");
	bool has_own = ma_server_option(server, "mailauth_mechs") != NULL;
	bool is_needed = !server->logs_in || ma_server_checks_with(server, "auxprop") ||
			 offers_hashed(server);

	if (plugins == NULL) {
		if (is_needed)
			report(doctor, server,
			       server->logs_in ? MA_FINDING_ERROR : MA_FINDING_WARNING,
			       server->logs_in
				       ? "without auxprop_plugin libsasl2 asks every plugin, and "
					 "the store is not opened in time"
				       : "without auxprop_plugin it writes each password to "
					 "/etc/sasldb2 in clear, too",
			       write_line(server, "auxprop_plugin", "mailauth"));
		else if (is_on(ma_server_option(server, "auto_transition")))
			report(doctor, server, MA_FINDING_WARNING,
			       "auto_transition without auxprop_plugin writes passwords to "
			       "/etc/sasldb2 in clear",
			       write_line(server, "auxprop_plugin", "mailauth"));
		return has_own;
	}
	if (ma_word_in(plugins, "sasldb"))
		report(doctor, server, MA_FINDING_WARNING,
		       ma_text("'%sauxprop_plugin: %s' uses sasldb, where passwords are in clear",
			       server->prefix, plugins)
			       .text,
		       write_line(server, "auxprop_plugin", "mailauth"));
	else if (!ma_word_in(plugins, "mailauth"))
		report(doctor, server,
		       is_meant(server, plugins) ? MA_FINDING_WARNING : MA_FINDING_INFO,
		       ma_text("'%sauxprop_plugin: %s' leaves mailauth out: accounts cannot log in "
			       "here",
			       server->prefix, plugins)
			       .text,
		       write_line(server, "auxprop_plugin", "mailauth"));
	return has_own || ma_word_in(plugins, "mailauth");
}

static void check_pwcheck(struct doctor *doctor, const struct server *server)
{
	const char *rest = ma_server_option(server, "pwcheck_method");
	char method[64];

	while (rest != NULL && ma_word_next(&rest, method, sizeof(method))) {
		if (strcasecmp(method, "alwaystrue") == 0)
			report(doctor, server, MA_FINDING_ERROR,
			       "'pwcheck_method: alwaystrue' takes every password for right",
			       write_line(server, "pwcheck_method", "auxprop"));
		else if (!ma_word_in("auxprop auxprop-hashed saslauthd authdaemond", method))
			report(doctor, server, MA_FINDING_ERROR,
			       ma_text("pwcheck_method has '%s', which libsasl2 does not know",
				       method)
				       .text,
			       write_line(server, "pwcheck_method", "auxprop"));
	}
}

static void check_transition(struct doctor *doctor, const struct server *server)
{
	const char *capture =
		doctor->ctx == NULL ? NULL : mailauth_config_get(doctor->ctx, "capture");

	if (!is_on(ma_server_option(server, "auto_transition")) ||
	    !ma_word_in(ma_server_option(server, "auxprop_plugin"), "mailauth"))
		return;
	if (server->user != NULL)
		report(doctor, server, MA_FINDING_WARNING,
		       ma_text("auto_transition is on, but %s cannot write to the store",
			       server->user)
			       .text,
		       write_line(server, "auto_transition", "no"));
	else if (capture != NULL && strcmp(capture, "no") == 0)
		report(doctor, server, MA_FINDING_INFO,
		       "auto_transition is on, but does nothing while mailauth.conf has 'capture = "
		       "no'",
		       write_line(server, "auto_transition", "no"));
}

/* Cyrus may do without where it takes the realm off itself: docs/cyrus.md. */
static void check_canon(struct doctor *doctor, const struct server *server)
{
	const char *canon = ma_server_option(server, "canon_user_plugin");

	if (!ma_word_in(server->offers, "DIGEST-MD5") || ma_server_is_own(server, "DIGEST-MD5") ||
	    (canon != NULL && strcasecmp(canon, "mailauth") == 0) ||
	    ma_settings_get(&server->sasl, "defaultdomain") != NULL)
		return;
	report(doctor, server, MA_FINDING_WARNING,
	       "without 'canon_user_plugin: mailauth' DIGEST-MD5 refuses everybody who types his "
	       "realm",
	       write_line(server, "canon_user_plugin", "mailauth"));
}

static void check_own(struct doctor *doctor, const struct server *server)
{
	const char *rest = ma_server_option(server, "mailauth_mechs");
	char mech[32];

	while (rest != NULL && ma_word_next(&rest, mech, sizeof(mech))) {
		if (!ma_mechs_known(mech) || strcasecmp(mech, "APOP") == 0 ||
		    strcmp(ma_mechs_base(mech).text, mech) != 0)
			report(doctor, server, MA_FINDING_ERROR,
			       ma_text("mailauth_mechs has '%s', which libmailauth does not know",
				       mech)
				       .text,
			       ma_text("take %s out of %smailauth_mechs in %s, then %s", mech,
				       server->prefix, server->conf, server->restart));
		else if (ma_mechs_installed(doctor->plugins, mech))
			report(doctor, server, MA_FINDING_WARNING,
			       ma_text("%s is both libsasl2's and in mailauth_mechs: either may "
				       "answer",
				       mech)
				       .text,
			       ma_text("take %s out of %smailauth_mechs in %s, then %s", mech,
				       server->prefix, server->conf, server->restart));
	}
}

static struct text take_out(const struct server *server, const char *mech)
{
	return ma_text("take %s out of %s, then %s", mech, server->where, server->restart);
}

static const struct tally *tally_of(const struct doctor *doctor, const struct server *server,
				    const char *mech)
{
	bool is_own = ma_server_is_own(server, mech);
	bool is_clear = strcasecmp(mech, "PLAIN") == 0 || strcasecmp(mech, "LOGIN") == 0;

	/* What saslauthd asks for a password is not ours to know. */
	if (!doctor->survey.is_done ||
	    (is_clear && !is_own && ma_server_checks_with(server, "saslauthd")))
		return NULL;
	return ma_survey_tally(&doctor->survey, mech, is_own);
}

static bool same_names(const struct names *a, const struct names *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n && i < MA_DOCTOR_NAMES_MAX; i++)
		if (strcmp(a->items[i].text, b->items[i].text) != 0)
			return false;
	return true;
}

/* The other mechanisms on offer that the same accounts lack; empty if one of them came before. */
static struct text lacked_with(const struct doctor *doctor, const struct server *server,
			       const char *first, const struct tally *tally)
{
	struct text out = {""};
	char mech[32];

	for (const char *rest = server->offers; ma_word_next(&rest, mech, sizeof(mech));) {
		const struct tally *other = tally_of(doctor, server, mech);

		if (other == NULL || !same_names(&tally->lacking, &other->lacking))
			continue;
		if (out.text[0] == '\0' && strcasecmp(mech, first) != 0)
			break;
		out = ma_text("%s%s%s", out.text, out.text[0] == '\0' ? "" : " ", mech);
	}
	return out;
}

static void check_lacking(struct doctor *doctor, const struct server *server, const char *mech,
			  const struct tally *tally)
{
	const struct names *lacking = &tally->lacking;
	struct text mechs = {""};

	if (lacking->n > 0)
		mechs = lacked_with(doctor, server, mech, tally);
	if (mechs.text[0] != '\0')
		report(doctor, server, MA_FINDING_WARNING,
		       ma_text("offers %s, for which %llu account%s no verifier: %s", mechs.text,
			       (unsigned long long)lacking->n, lacking->n == 1 ? " has" : "s have",
			       ma_names_some(lacking).text)
			       .text,
		       ma_text("mailuser passwd NAME, or a first login with PLAIN where it is "
			       "captured; or take %s out of %s, then %s",
			       mechs.text, server->where, server->restart));
	if (lacking->n == 0 && tally->n_served == 0 && !ma_word_in(doctor->mechanisms, mech))
		report(doctor, server, MA_FINDING_WARNING,
		       ma_text("offers %s, which no account can serve, because 'mechanisms' in "
			       "mailauth.conf leaves it out",
			       mech)
			       .text,
		       take_out(server, mech));
}

static void check_offer(struct doctor *doctor, const struct server *server, const char *mech)
{
	const struct tally *tally = tally_of(doctor, server, mech);

	if (ma_mechs_foreign(mech))
		return;
	if (!ma_mechs_known(mech) || strcasecmp(mech, "APOP") == 0)
		report(doctor, server, MA_FINDING_WARNING,
		       ma_text("offers %s, for which no account can have a secret", mech).text,
		       take_out(server, mech));
	else if (!ma_server_is_own(server, mech) && !ma_mechs_installed(doctor->plugins, mech))
		report(doctor, server, MA_FINDING_ERROR,
		       ma_text("offers %s, which libsasl2 does not have", mech).text,
		       ma_text("apt-get install libsasl2-modules; or add %s to '%smailauth_mechs:' "
			       "in %s, then %s",
			       mech, server->prefix, server->conf, server->restart));
	else if (tally != NULL)
		check_lacking(doctor, server, mech, tally);
}

static void check_offers(struct doctor *doctor, const struct server *server)
{
	char mech[32];

	if (server->offers_all) {
		report(doctor, server, MA_FINDING_WARNING,
		       ma_text("without mech_list everything is offered that libsasl2 has: %s",
			       server->offers)
			       .text,
		       write_line(server, "mech_list", usual_mechs(doctor).text));
		return;
	}
	for (const char *rest = server->offers; ma_word_next(&rest, mech, sizeof(mech));)
		check_offer(doctor, server, mech);
}

static void look(struct doctor *doctor, const struct server *server)
{
	if (server->is_unseen)
		return;
	if (!server->has_conf) {
		check_missing(doctor, server);
		return;
	}
	check_lines(doctor, server);
	if (!check_auxprop(doctor, server) || !server->logs_in)
		return;
	check_pwcheck(doctor, server);
	check_transition(doctor, server);
	check_canon(doctor, server);
	check_own(doctor, server);
	check_offers(doctor, server);
}

static void run(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->n_servers; i++)
		look(doctor, &doctor->servers[i]);
}

const struct check ma_check_saslconf = {"saslconf", run};
