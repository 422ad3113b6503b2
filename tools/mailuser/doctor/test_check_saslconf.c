/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_check_saslconf.c - what the doctor says of the SASL options of a program
 *
 * A program with a configuration file is made up, the check looks at it, and what it finds is
 * compared word by word. The paths of files that a text names are made short: CONF is the
 * configuration.
 */
#include "support.h"
#include "test_calls.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

extern const struct check ma_check_saslconf;

#define GOOD                                                                                       \
	"pwcheck_method: auxprop\nauxprop_plugin: mailauth\ncanon_user_plugin: mailauth\n"         \
	"mech_list: PLAIN LOGIN CRAM-MD5\n"

static struct doctor doctor;
static struct server *server;

/* Postfix, which offers what its file says, with all that Debian's libsasl2 brings but SCRAM. */
static void set_up(void)
{
	static const char *const plugins[] = {"libplain.so", "liblogin.so", "libcrammd5.so",
					      "libdigestmd5.so"};

	test_reset();
	test_etc(support_folder());
	memset(&doctor, 0, sizeof(doctor));
	doctor.checking = "saslconf";
	doctor.mechanisms = "PLAIN LOGIN APOP CRAM-MD5";
	doctor.default_realm = "example.org";
	for (int i = 0; i < TEST_ROWS(plugins); i++)
		(void)support_file(plugins[i], "", 0);
	(void)snprintf(doctor.plugins, sizeof(doctor.plugins), "%s", support_folder());
	doctor.n_servers = 1;
	server = &doctor.servers[0];
	server->name = "Postfix";
	server->user = "postfix";
	server->restart = "postfix reload";
	server->logs_in = true;
	server->prefix = "";
	server->has_conf = true;
	(void)snprintf(server->conf, sizeof(server->conf), "/etc/postfix/sasl/smtpd.conf");
	(void)snprintf(server->where, sizeof(server->where), "mech_list in CONF");
	(void)snprintf(server->offers, sizeof(server->offers), "PLAIN LOGIN CRAM-MD5");
}

static void tear_down(void)
{
	ma_finding_clear(&doctor);
	for (size_t i = 0; i < doctor.n_servers; i++)
		ma_settings_clear(&doctor.servers[i].sasl);
	mailauth_free(&doctor.ctx);
	test_reset();
}

static void set_conf(struct server *which, const char *text)
{
	ma_settings_clear(&which->sasl);
	ck_assert_int_eq(ma_settings_load(support_file("conf", text, strlen(text)), MA_STYLE_SASL,
					  &which->sasl),
			 MA_FOREIGN_READ);
}

static void set_offers(const char *offers)
{
	(void)snprintf(server->offers, sizeof(server->offers), "%s", offers);
}

/* Each text with CONF for the path of the configuration. */
static const char *shortened(const char *text)
{
	static struct text out;
	const char *at;

	out.text[0] = '\0';
	for (at = strstr(text, server->conf); at != NULL; at = strstr(text, server->conf)) {
		out = ma_text("%s%.*sCONF", out.text, (int)(at - text), text);
		text = at + strlen(server->conf);
	}
	out = ma_text("%s%s", out.text, text);
	return out.text;
}

/* What the check finds, one line for each: "warning: problem: advice". */
static const char *found(void)
{
	static const char *const severities[] = {"error", "warning", "info"};
	static char all[8192];
	size_t len = 0;

	ma_finding_clear(&doctor);
	ma_check_saslconf.run(&doctor);
	ck_assert(!doctor.is_broken);
	all[0] = '\0';
	for (const struct finding *f = doctor.findings; f != NULL; f = f->next) {
		ck_assert_str_eq(f->subject, server->conf);
		len += (size_t)snprintf(all + len, sizeof(all) - len,
					"%s: %s: ", severities[f->severity], shortened(f->problem));
		ck_assert_uint_lt(len, sizeof(all));
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s\n", shortened(f->advice));
		ck_assert_uint_lt(len, sizeof(all));
	}
	return all;
}

#define THEN	    ", then postfix reload\n"
#define WRITE(line) "write '" line "' into CONF" THEN

START_TEST(has_nothing_to_say_of_a_good_one)
{
	set_conf(server, GOOD);
	ck_assert_str_eq(found(), "");
	server->is_unseen = true; /* a finding says so already */
	set_conf(server, "rubbish\n");
	ck_assert_str_eq(found(), "");
	doctor.n_servers = 0;
	ck_assert_str_eq(found(), "");
	doctor.n_servers = 1;
}
END_TEST

/* ---- the file -------------------------------------------------------------------------------- */

START_TEST(says_what_to_do_where_there_is_no_file)
{
	server->has_conf = false;
	ck_assert_str_eq(
		found(),
		"error: Postfix: there is no such file, so libsasl2 asks every plugin it finds: "
		"make it with the lines 'pwcheck_method: auxprop', 'auxprop_plugin: mailauth', "
		"'canon_user_plugin: mailauth' and 'mech_list: PLAIN LOGIN CRAM-MD5'" THEN);
	doctor.mechanisms = "apop";
	ck_assert_ptr_nonnull(strstr(found(), "and 'mech_list: '" THEN));

	server->name = "saslpasswd2";
	server->restart = NULL;
	server->logs_in = false;
	(void)snprintf(server->conf, sizeof(server->conf), "/etc/sasl2/saslpasswd.conf");
	ck_assert_str_eq(found(),
			 "warning: saslpasswd2: there is no such file, so it writes each password "
			 "to /etc/sasldb2 in clear, too: mkdir -p /etc/sasl2 && echo "
			 "'auxprop_plugin: mailauth' >CONF\n");
}
END_TEST

START_TEST(finds_the_file_where_many_instructions_have_it)
{
	const char *other = support_path("sasl2");

	ck_assert_int_eq(mkdir(other, 0700), 0);
	(void)support_file("sasl2/smtpd.conf", "", 0);
	server->has_conf = false;
	ck_assert_str_eq(found(),
			 "error: Postfix: there is no such file: it is /etc/sasl2/smtpd.conf, "
			 "where Postfix does not look: mv /etc/sasl2/smtpd.conf CONF && postfix "
			 "reload\n");
	/* That is the place where it looked. */
	(void)snprintf(server->conf, sizeof(server->conf), "/etc/sasl2/smtpd.conf");
	ck_assert_ptr_nonnull(strstr(found(), "error: Postfix: there is no such file, so "));
	ck_assert_int_eq(remove(support_path("sasl2/smtpd.conf")), 0);
	ck_assert_int_eq(remove(other), 0);
}
END_TEST

START_TEST(names_the_line_that_is_none)
{
	set_conf(server, GOOD "mech_list PLAIN\nrubbish\n");
	ck_assert_str_eq(found(), "error: Postfix: line 5 is no 'name: value', and libsasl2 "
				  "refuses the whole file: edit line 5 of CONF\n");
}
END_TEST

/* ---- single options -------------------------------------------------------------------------- */

static const struct {
	const char *conf;
	const char *offers;
	const char *want;
} options[] = {
	/* auxprop_plugin: is it needed? */
	{"pwcheck_method: auxprop\n", "PLAIN",
	 "error: Postfix: without auxprop_plugin libsasl2 asks every plugin, and the store is not "
	 "opened in time: " WRITE("auxprop_plugin: mailauth")},
	{"", "PLAIN",
	 "error: Postfix: without auxprop_plugin libsasl2 asks every plugin, and the store is not "
	 "opened in time: " WRITE("auxprop_plugin: mailauth")},
	{"pwcheck_method: saslauthd\n", "PLAIN CRAM-MD5",
	 "error: Postfix: without auxprop_plugin libsasl2 asks every plugin, and the store is not "
	 "opened in time: " WRITE("auxprop_plugin: mailauth")},
	{"pwcheck_method: saslauthd\n", "PLAIN login", ""},
	{"pwcheck_method: saslauthd\n", "PLAIN EXTERNAL", ""},
	/* no: but passwords may be written */
	{"pwcheck_method: saslauthd\nauto_transition: no\n", "PLAIN", ""},
	{"pwcheck_method: saslauthd\nauto_transition: off\n", "PLAIN", ""},
#define TRANSITION                                                                                 \
	"warning: Postfix: auto_transition without auxprop_plugin writes passwords to "            \
	"/etc/sasldb2 in clear: " WRITE("auxprop_plugin: mailauth")
	{"pwcheck_method: saslauthd\nauto_transition: yes\n", "PLAIN", TRANSITION},
	{"pwcheck_method: saslauthd\nauto_transition: 1\n", "PLAIN", TRANSITION},
	{"pwcheck_method: saslauthd\nauto_transition: true\n", "PLAIN", TRANSITION},
	{"pwcheck_method: saslauthd\nauto_transition: on\n", "PLAIN", TRANSITION},
	{"pwcheck_method: saslauthd\nauto_transition: noplain\n", "PLAIN", TRANSITION},
	/* is it libmailauth? */
	{"auxprop_plugin: mailauth sasldb\ncanon_user_plugin: mailauth\n", "PLAIN",
	 "warning: Postfix: 'auxprop_plugin: mailauth sasldb' uses sasldb, where passwords are in "
	 "clear: " WRITE("auxprop_plugin: mailauth")},
	{"auxprop_plugin: sasldb\n", "PLAIN NONE",
	 "warning: Postfix: 'auxprop_plugin: sasldb' uses sasldb, where passwords are in "
	 "clear: " WRITE("auxprop_plugin: mailauth")},
#define LEFT_OUT(severity, plugin)                                                                 \
	severity ": Postfix: 'auxprop_plugin: " plugin                                             \
		 "' leaves mailauth out: accounts cannot log in here: " WRITE(                     \
			 "auxprop_plugin: mailauth")
	{"auxprop_plugin: mailath\n", "PLAIN", LEFT_OUT("warning", "mailath")},
	{"auxprop_plugin: sql\n", "PLAIN", LEFT_OUT("info", "sql")},
	{"auxprop_plugin: ldapdb\n", "PLAIN", LEFT_OUT("info", "ldapdb")},
	{"auxprop_plugin: sql\ncanon_user_plugin: mailauth\n", "PLAIN", LEFT_OUT("warning", "sql")},
	{"auxprop_plugin: sql\ncanon_user_plugin: INTERNAL\n", "PLAIN", LEFT_OUT("info", "sql")},
	/* with mechanisms of its own the rest counts, too */
	{"auxprop_plugin: sql\nmailauth_mechs: APOP\n", "",
	 LEFT_OUT("info",
		  "sql") "error: Postfix: mailauth_mechs has 'APOP', which libmailauth does "
			 "not know: take APOP out of mailauth_mechs in CONF" THEN},
	{"pwcheck_method: saslauthd\nmailauth_mechs: APOP\n", "",
	 "error: Postfix: mailauth_mechs has 'APOP', which libmailauth does not know: take APOP "
	 "out "
	 "of mailauth_mechs in CONF" THEN},

	/* pwcheck_method */
	{"pwcheck_method: auxprop saslauthd authdaemond auxprop-hashed\nauxprop_plugin: mailauth\n",
	 "PLAIN", ""},
	{"pwcheck_method: AlwaysTrue\nauxprop_plugin: mailauth\n", "PLAIN",
	 "error: Postfix: 'pwcheck_method: alwaystrue' takes every password for right: " WRITE(
		 "pwcheck_method: auxprop")},
	{"pwcheck_method: auxprop mailauth\nauxprop_plugin: mailauth\n", "PLAIN",
	 "error: Postfix: pwcheck_method has 'mailauth', which libsasl2 does not know: " WRITE(
		 "pwcheck_method: auxprop")},

/* canon_user_plugin */
#define CANON                                                                                      \
	"warning: Postfix: without 'canon_user_plugin: mailauth' DIGEST-MD5 refuses everybody "    \
	"who types his realm: " WRITE("canon_user_plugin: mailauth")
	{"auxprop_plugin: mailauth\n", "PLAIN DIGEST-MD5", CANON},
	{"auxprop_plugin: mailauth\ncanon_user_plugin: INTERNAL\n", "DIGEST-MD5", CANON},
	{"auxprop_plugin: mailauth\ncanon_user_plugin: Mailauth\n", "DIGEST-MD5", ""},
	{"auxprop_plugin: mailauth\ndefaultdomain: example.org\n", "DIGEST-MD5", ""},
	{"auxprop_plugin: mailauth\n", "CRAM-MD5", ""},

	/* mailauth_mechs */
	{"auxprop_plugin: mailauth\nmailauth_mechs: SCRAM-SHA-256\n", "SCRAM-SHA-256", ""},
	{"auxprop_plugin: mailauth\nmailauth_mechs: DIGEST-MD5\n", "DIGEST-MD5",
	 "warning: Postfix: DIGEST-MD5 is both libsasl2's and in mailauth_mechs: either may "
	 "answer: "
	 "take DIGEST-MD5 out of mailauth_mechs in CONF" THEN},
	{"auxprop_plugin: mailauth\nmailauth_mechs: SCRAM-SHA-256-PLUS NTLM\n", "PLAIN",
	 "error: Postfix: mailauth_mechs has 'SCRAM-SHA-256-PLUS', which libmailauth does not "
	 "know: "
	 "take SCRAM-SHA-256-PLUS out of mailauth_mechs in CONF" THEN
	 "error: Postfix: mailauth_mechs has 'NTLM', which libmailauth does not know: "
	 "take NTLM out of mailauth_mechs in CONF" THEN},

	/* what is offered */
	{"auxprop_plugin: mailauth\n", "PLAIN GSSAPI EXTERNAL", ""},
	{"auxprop_plugin: mailauth\n", "NTLM apop",
	 "warning: Postfix: offers NTLM, for which no account can have a secret: take NTLM out of "
	 "mech_list in CONF" THEN
	 "warning: Postfix: offers apop, for which no account can have a secret: take apop out of "
	 "mech_list in CONF" THEN},
	{"auxprop_plugin: mailauth\n", "SCRAM-SHA-256",
	 "error: Postfix: offers SCRAM-SHA-256, which libsasl2 does not have: apt-get install "
	 "libsasl2-modules; or add SCRAM-SHA-256 to 'mailauth_mechs:' in CONF" THEN},
};

START_TEST(says_what_is_wrong_with_an_option)
{
	set_conf(server, options[_i].conf);
	set_offers(options[_i].offers);
	ck_assert_str_eq(found(), options[_i].want);
}
END_TEST

/* Cyrus has its options with "sasl_" before them. */
START_TEST(names_options_as_the_program_does)
{
	server->prefix = "sasl_";
	set_conf(server, "sasl_pwcheck_method: alwaystrue\nsasl_auxprop_plugin: mailauth\n"
			 "sasl_mailauth_mechs: NTLM\nauxprop_plugin: sql\nmailauth_mechs: OTP\n");
	set_offers("SCRAM-SHA-1");
	ck_assert_str_eq(
		found(),
		"error: Postfix: 'pwcheck_method: alwaystrue' takes every password for "
		"right: " WRITE(
			"sasl_pwcheck_method: auxprop") "error: Postfix: mailauth_mechs has "
							"'NTLM', which libmailauth does not know: "
							"take "
							"NTLM out of sasl_mailauth_mechs in "
							"CONF" THEN
							"error: Postfix: offers SCRAM-SHA-1, which "
							"libsasl2 does not have: apt-get install "
							"libsasl2-modules; or add SCRAM-SHA-1 to "
							"'sasl_mailauth_mechs:' in CONF" THEN);
}
END_TEST

START_TEST(saslpasswd2_is_to_write_to_the_store)
{
	server->name = "saslpasswd2";
	server->restart = NULL;
	server->logs_in = false;
	set_offers("");
	set_conf(server, "pwcheck_method: saslauthd\n");
	ck_assert_str_eq(
		found(),
		"warning: saslpasswd2: without auxprop_plugin it writes each password to "
		"/etc/sasldb2 in clear, too: write 'auxprop_plugin: mailauth' into CONF\n");
	/* What it would offer is nobody's business. */
	set_conf(server, "auxprop_plugin: mailauth\npwcheck_method: alwaystrue\n");
	ck_assert_str_eq(found(), "");
}
END_TEST

static const struct {
	const char *conf;
	const char *capture; /* NULL: the configuration could not be read */
	const char *user;
	const char *want;
} transitions[] = {
	{"auto_transition: yes\nauxprop_plugin: mailauth\n", "", "postfix",
	 "warning: Postfix: auto_transition is on, but postfix cannot write to the "
	 "store: " WRITE("auto_transition: no")},
	{"auto_transition: no\nauxprop_plugin: mailauth\n", "", "postfix", ""},
	{"auto_transition: yes\nauxprop_plugin: sql\nmailauth_mechs: SCRAM-SHA-1\n", "", "postfix",
	 LEFT_OUT("info", "sql")},
	{"auto_transition: yes\nauxprop_plugin: mailauth\n", "", NULL, ""},
	{"auto_transition: yes\nauxprop_plugin: mailauth\n", "capture = yes\n", NULL, ""},
	{"auto_transition: yes\nauxprop_plugin: mailauth\n", NULL, NULL, ""},
	{"auto_transition: yes\nauxprop_plugin: mailauth\n", "capture = no\n", NULL,
	 "info: Postfix: auto_transition is on, but does nothing while mailauth.conf has 'capture "
	 "= "
	 "no': " WRITE("auto_transition: no")},
};

START_TEST(says_where_nothing_is_captured)
{
	if (transitions[_i].capture != NULL) {
		support_reset();
		doctor.ctx = support_open(transitions[_i].capture, NULL);
	}
	server->user = transitions[_i].user;
	set_conf(server, transitions[_i].conf);
	set_offers("PLAIN");
	ck_assert_str_eq(found(), transitions[_i].want);
}
END_TEST

START_TEST(says_what_is_offered_without_a_list)
{
	server->offers_all = true;
	set_offers("PLAIN NTLM");
	set_conf(server, "auxprop_plugin: mailauth\n");
	ck_assert_str_eq(found(),
			 "warning: Postfix: without mech_list everything is offered that libsasl2 "
			 "has: PLAIN NTLM: " WRITE("mech_list: PLAIN LOGIN CRAM-MD5"));
}
END_TEST

/* ---- what accounts hold ---------------------------------------------------------------------- */

/* A mechanism that some accounts lack; the names end with NULL. */
static void add_tally(const char *mech, bool is_own, uint64_t n_served, const char *const *names)
{
	struct tally *tally = &doctor.survey.tallies[doctor.survey.n_tallies++];

	doctor.survey.is_done = true;
	(void)snprintf(tally->mech, sizeof(tally->mech), "%s", mech);
	tally->is_own = is_own;
	tally->n_served = n_served;
	for (; *names != NULL; names++)
		ma_names_add(&tally->lacking, *names);
}

static const char *const nobody[] = {NULL};
static const char *const ann[] = {"ann@a.test", NULL};
static const char *const bob[] = {"bob@a.test", NULL};
static const char *const both[] = {"ann@a.test", "bob@a.test", NULL};
static const char *const many[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", NULL};

#define ADVICE(mechs)                                                                              \
	"mailuser passwd NAME, or a first login with PLAIN where it is captured; or take " mechs   \
	" out of mech_list in CONF" THEN

START_TEST(names_accounts_without_a_verifier)
{
	set_conf(server, GOOD);
	add_tally("PLAIN", false, 2, nobody);
	add_tally("LOGIN", false, 2, nobody);
	add_tally("CRAM-MD5", false, 1, ann);
	ck_assert_str_eq(found(), "warning: Postfix: offers CRAM-MD5, for which 1 account has no "
				  "verifier: ann@a.test: " ADVICE("CRAM-MD5"));
	/* Nobody knows, where the accounts could not be read. */
	doctor.survey.is_done = false;
	ck_assert_str_eq(found(), "");
}
END_TEST

/* Mechanisms that the same accounts lack are told once, in the place of the first. */
START_TEST(tells_at_once_what_the_same_accounts_lack)
{
	set_conf(server, GOOD);
	set_offers("PLAIN CRAM-MD5 NTLM DIGEST-MD5 LOGIN");
	add_tally("PLAIN", false, 0, both);
	add_tally("CRAM-MD5", false, 1, bob);
	add_tally("DIGEST-MD5", false, 0, both);
	add_tally("LOGIN", false, 1, ann);
	ck_assert_str_eq(
		found(),
		"warning: Postfix: offers PLAIN DIGEST-MD5, for which 2 accounts have no verifier: "
		"ann@a.test, bob@a.test: " ADVICE(
			"PLAIN DIGEST-MD5") "warning: Postfix: offers CRAM-MD5, for which 1 "
					    "account has no verifier: "
					    "bob@a.test: " ADVICE(
						    "CRAM-MD5") "warning: Postfix: offers NTLM, "
								"for which no account can have a "
								"secret: take NTLM "
								"out of mech_list in CONF" THEN
								"warning: Postfix: offers LOGIN, "
								"for which 1 account has no "
								"verifier: "
								"ann@a.test: " ADVICE("LOGIN"));
}
END_TEST

/* Only the first names are kept; as many more are taken for the same. */
START_TEST(compares_as_many_names_as_there_are)
{
	set_conf(server, GOOD);
	set_offers("PLAIN LOGIN");
	add_tally("PLAIN", false, 0, many);
	add_tally("LOGIN", false, 0, many);
	ck_assert_str_eq(found(),
			 "warning: Postfix: offers PLAIN LOGIN, for which 11 accounts have no "
			 "verifier: a, b and 9 more: " ADVICE("PLAIN LOGIN"));
}
END_TEST

START_TEST(says_what_no_account_can_serve)
{
	set_conf(server, GOOD);
	set_offers("PLAIN DIGEST-MD5 CRAM-MD5 LOGIN");
	add_tally("PLAIN", false, 1, nobody);
	add_tally("DIGEST-MD5", false, 0, nobody); /* not one of doctor.mechanisms */
	add_tally("CRAM-MD5", false, 0, nobody);   /* one of them: there are no accounts */
	add_tally("LOGIN", false, 0, ann);
	ck_assert_str_eq(
		found(),
		"warning: Postfix: offers DIGEST-MD5, which no account can serve, because "
		"'mechanisms' in mailauth.conf leaves it out: take DIGEST-MD5 out of mech_list in "
		"CONF" THEN "warning: Postfix: offers LOGIN, for which 1 account has no verifier: "
		"ann@a.test: " ADVICE("LOGIN"));
}
END_TEST

/* What saslauthd is asked is another's account; but libmailauth's own mechanisms ask no other. */
START_TEST(leaves_to_saslauthd_what_is_its)
{
	set_conf(server, "pwcheck_method: auxprop saslauthd\nauxprop_plugin: mailauth\n");
	set_offers("PLAIN LOGIN CRAM-MD5");
	add_tally("PLAIN", false, 0, ann);
	add_tally("LOGIN", false, 0, ann);
	add_tally("CRAM-MD5", false, 0, ann);
	ck_assert_str_eq(found(), "warning: Postfix: offers CRAM-MD5, for which 1 account has no "
				  "verifier: ann@a.test: " ADVICE("CRAM-MD5"));

	doctor.plugins[0] = '\0'; /* libsasl2 brings none */
	set_conf(server, "pwcheck_method: saslauthd\nauxprop_plugin: mailauth\n"
			 "mailauth_mechs: PLAIN\n");
	set_offers("PLAIN");
	add_tally("PLAIN", true, 0, bob);
	ck_assert_str_eq(found(), "warning: Postfix: offers PLAIN, for which 1 account has no "
				  "verifier: bob@a.test: " ADVICE("PLAIN"));
}
END_TEST

START_TEST(looks_at_every_program)
{
	set_conf(server, "auxprop_plugin: sasldb\n");
	doctor.servers[1] = *server;
	doctor.servers[1].sasl = (struct settings){0};
	doctor.servers[1].name = "sendmail";
	doctor.n_servers = 2;
	set_conf(&doctor.servers[1], "auxprop_plugin: sql\n");
	ck_assert_str_eq(found(),
			 "warning: Postfix: 'auxprop_plugin: sasldb' uses sasldb, where passwords "
			 "are in clear: " WRITE(
				 "auxprop_plugin: mailauth") "info: sendmail: 'auxprop_plugin: "
							     "sql' leaves mailauth out: accounts "
							     "cannot log in here: " WRITE(
								     "auxprop_plugin: mailauth"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("check_saslconf");
	TCase *tcase = tcase_create("check_saslconf");

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_add_test(tcase, has_nothing_to_say_of_a_good_one);
	tcase_add_test(tcase, says_what_to_do_where_there_is_no_file);
	tcase_add_test(tcase, finds_the_file_where_many_instructions_have_it);
	tcase_add_test(tcase, names_the_line_that_is_none);
	tcase_add_loop_test(tcase, says_what_is_wrong_with_an_option, 0, TEST_ROWS(options));
	tcase_add_test(tcase, names_options_as_the_program_does);
	tcase_add_test(tcase, saslpasswd2_is_to_write_to_the_store);
	tcase_add_loop_test(tcase, says_where_nothing_is_captured, 0, TEST_ROWS(transitions));
	tcase_add_test(tcase, says_what_is_offered_without_a_list);
	tcase_add_test(tcase, names_accounts_without_a_verifier);
	tcase_add_test(tcase, tells_at_once_what_the_same_accounts_lack);
	tcase_add_test(tcase, compares_as_many_names_as_there_are);
	tcase_add_test(tcase, says_what_no_account_can_serve);
	tcase_add_test(tcase, leaves_to_saslauthd_what_is_its);
	tcase_add_test(tcase, looks_at_every_program);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
