/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.h - what the checks of `mailuser doctor` share
 *
 * cmd_doctor.c gathers: it opens the store, finds the servers that use libsasl2 with their
 * configuration, and walks once through all accounts. Then it runs the checks, which only compare.
 * A check is one file, check_foo.c, that defines `const struct check ma_check_foo`, and its word in
 * the list `checks` of meson.build. It reports with ma_finding_add(), where a finding says what is
 * wrong and what to type.
 *
 * Rules of the house: nothing is changed, no secret is printed, and no file is trusted. Whatever is
 * read comes through foreign.c, which waits for nobody and stops at a limit.
 */
#ifndef MAILUSER_DOCTOR_H
#define MAILUSER_DOCTOR_H

#include <limits.h>
#include <mailauth/admin.h>
#include <stdint.h>
#include <sys/types.h>

#include "foreign.h"

#define MA_DOCTOR_GROUP	      "mailauth"
#define MA_DOCTOR_TEXT_MAX    1024 /* bytes in a problem, an advice or a list, with the NUL */
#define MA_DOCTOR_SERVERS_MAX 8
#define MA_DOCTOR_TALLIES_MAX 64
#define MA_DOCTOR_NAMES_MAX   10 /* accounts named for one problem */

enum severity {
	MA_FINDING_ERROR,   /* logins fail, or somebody may read what he should not */
	MA_FINDING_WARNING, /* some logins fail, or it is not as it should be */
	MA_FINDING_INFO	    /* worth knowing; nothing need be done */
};

/** One line of the report. */
struct finding {
	struct finding *next;
	const char *check;
	enum severity severity;
	char subject[PATH_MAX];
	char problem[MA_DOCTOR_TEXT_MAX];
	char advice[MA_DOCTOR_TEXT_MAX];
};

/** A text made on the spot, as an argument of ma_finding_add(). */
struct text {
	char text[MA_DOCTOR_TEXT_MAX];
};

/** What the library logged while the store was opened. */
struct complaint {
	enum mailauth_log_level level;
	char event[16];
	char text[MA_DOCTOR_TEXT_MAX];
};

/** A program that uses libsasl2. */
struct server {
	const char *name;    /* "Postfix" */
	const char *user;    /* who opens the store there; NULL: root */
	const char *restart; /* the command that makes it read its configuration again */
	bool logs_in;	     /* false: saslpasswd2, which only sets passwords */

	char conf[PATH_MAX]; /* its SASL configuration, or where it belongs */
	bool has_conf;	     /* it is there and could be read */
	bool is_unseen;	     /* it is there and could not be read: a finding says so */
	const char *prefix;  /* of each SASL option in it: "", "sasl_" */
	struct settings sasl;

	char offers[MA_DOCTOR_TEXT_MAX]; /* mechanisms, separated by spaces */
	bool offers_all;		 /* no list: whatever libsasl2 has */
	bool offers_unknown;		 /* its configuration could not be read */
	char where[PATH_MAX + 64];	 /* where the list stands: "mech_list in FILE" */

	char realm[MAILAUTH_REALM_MAX + 1]; /* of users who type none; empty: not known */
	char realm_where[PATH_MAX + 64];
	char certificate[PATH_MAX];
	/* What is wrong with how it treats PLAIN and LOGIN, and the cure; empty: nothing. */
	char clear_problem[MA_DOCTOR_TEXT_MAX];
	char clear_advice[MA_DOCTOR_TEXT_MAX];
};

/** Accounts that share a problem: the first ones by name, the others counted. */
struct names {
	uint64_t n;
	struct mailauth_name items[MA_DOCTOR_NAMES_MAX];
};

/** A name that means something else to the mail system. */
struct taken {
	const char *name;
	int64_t uid; /* -1: an alias */
};

/** All such names, by name. */
struct taken_names {
	size_t n;
	struct taken *items;
	size_t n_texts;
	char *texts[3]; /* what the names point into */
};

/** How the accounts that may log in today do with one offered mechanism. */
struct tally {
	char mech[32];
	bool is_own; /* libmailauth's mechanism, not libsasl2's */
	uint64_t n_served;
	struct names lacking; /* of those whose list of mechanisms has it */
};

/** What one walk through the accounts found. */
struct survey {
	bool is_done; /* false: no store, or the walk broke off */
	uint64_t n_accounts;
	uint64_t n_usable; /* may log in today */
	uint64_t n_of_realm[MA_DOCTOR_SERVERS_MAX];
	uint64_t n_of_default;	   /* in default_realm */
	struct mailauth_name last; /* an account */
	struct names no_password;
	struct names no_mech;	  /* can serve nothing that is offered */
	struct names crypt_alone; /* likewise, and a crypt hash is all they hold */
	struct names unix_users;  /* and not the one that the account is for */
	struct names aliases;
	size_t n_tallies;
	struct tally tallies[MA_DOCTOR_TALLIES_MAX];
};

struct doctor {
	const char *checking;	  /* the name of the check that runs */
	bool is_broken;		  /* out of memory */
	struct finding *findings; /* the first one, or NULL */
	struct finding *last;

	char config[PATH_MAX];
	char key_file[PATH_MAX];
	char store[PATH_MAX];	   /* empty: no file */
	bool is_odd;		   /* one of them is no regular file: nothing was opened */
	bool is_bare;		   /* nothing was ever set up */
	struct mailauth *ctx;	   /* NULL: could not be opened */
	const char *mechanisms;	   /* what a new password serves: the configuration's, or default */
	const char *default_realm; /* "" if not known */
	size_t n_complaints;	   /* of the library, since this was last set to 0 */
	struct complaint complaints[4];
	size_t n_open_complaints; /* those while the store was opened */
	struct complaint open_complaints[4];

	char plugins[PATH_MAX]; /* where libsasl2 looks for plugins; empty: not found */
	size_t n_servers;
	struct server servers[MA_DOCTOR_SERVERS_MAX];
	struct taken_names taken;
	struct survey survey;
};

struct check {
	const char *name; /* a word, in the report and in the JSON */
	void (*run)(struct doctor *doctor);
};

/** All checks, ended by NULL, in the order of the report; written by the build. */
extern const struct check *const ma_checks[];

/* ---- finding.c ---- */

/** ma_text() - printf() into a value */
struct text ma_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * ma_finding_add() - report a problem
 * @doctor:   the doctor
 * @severity: how bad
 * @subject:  the file, account, user or program it is about
 * @problem:  what is wrong
 * @advice:   what to do, as a command where there is one
 */
void ma_finding_add(struct doctor *doctor, enum severity severity, const char *subject,
		    const char *problem, const char *advice);

/** ma_finding_account() - report a problem of an account; NAME in the advice stands for it */
void ma_finding_account(struct doctor *doctor, enum severity severity, const char *name,
			const char *problem, const char *advice);

/** ma_finding_names() - the same problem for each account of a list, which may be cut short */
void ma_finding_names(struct doctor *doctor, enum severity severity, const struct names *names,
		      const char *problem, const char *advice);

/** ma_finding_print() - all findings, one line each */
void ma_finding_print(const struct doctor *doctor);

void ma_finding_clear(struct doctor *doctor);

/** ma_finding_print_json() - all findings as an array; false if memory ran out */
bool ma_finding_print_json(const struct doctor *doctor);

/** ma_names_add() - one more account that shares a problem */
void ma_names_add(struct names *names, const char *name);

/** ma_names_some() - "a, b, c and 4 more" */
struct text ma_names_some(const struct names *names);

/* ---- server.c and server_*.c ---- */

/** ma_servers_find() - fill in doctor->servers and doctor->plugins */
void ma_servers_find(struct doctor *doctor);

/** ma_server_option() - a SASL option; NULL: not set */
const char *ma_server_option(const struct server *server, const char *name);

/** ma_server_asks() - is libmailauth asked by this server? */
bool ma_server_asks(const struct server *server);

/** ma_server_is_own() - does libmailauth's own code serve this mechanism there? */
bool ma_server_is_own(const struct server *server, const char *mech);

/** ma_server_checks_with() - does pwcheck_method have this word? */
bool ma_server_checks_with(const struct server *server, const char *method);

/** ma_server_load() - read a server's own configuration file, or say why not */
enum foreign ma_server_load(struct doctor *doctor, const char *path, enum style style,
			    struct settings *settings);

/** ma_server_load_sasl() - read the first of NAME.conf in folders separated by colons */
void ma_server_load_sasl(struct doctor *doctor, struct server *server, const char *folders,
			 const char *name);

/* Each adds what it finds of its program; false: it is not there, or does not use libsasl2. */
bool ma_server_postfix(struct doctor *doctor, struct server *server);
bool ma_server_sendmail(struct doctor *doctor, struct server *server);
bool ma_server_exim(struct doctor *doctor, struct server *server);
bool ma_server_cyrus(struct doctor *doctor, struct server *server);

/** Where libsasl2 looks for the configuration of a program, but for Postfix on Debian. */
const char *ma_server_folders(const struct doctor *doctor);

/** ma_host_name() - this host's full name; empty if it is not known without asking others */
struct text ma_host_name(void);

/* ---- mechs.c ---- */

/** ma_mechs_known() - is it one that libmailauth has a secret for? -PLUS counts */
bool ma_mechs_known(const char *mech);

/** ma_mechs_foreign() - is it one that proves something else than a password? */
bool ma_mechs_foreign(const char *mech);

/** ma_mechs_base() - without -PLUS, which libsasl2 takes for the same mechanism */
struct text ma_mechs_base(const char *mech);

/** ma_mechs_installed() - does libsasl2 bring it itself, in this folder of plugins? */
bool ma_mechs_installed(const char *folder, const char *mech);

/** ma_mechs_all() - all that libsasl2 brings itself, separated by spaces */
struct text ma_mechs_all(const char *folder);

/* ---- taken.c ---- */

/** ma_taken_load() - read /etc/passwd and the aliases files */
void ma_taken_load(struct doctor *doctor);

/** ma_taken_look() - note an account whose name also stands there */
void ma_taken_look(struct doctor *doctor, const struct mailauth_user *user);

void ma_taken_clear(struct taken_names *taken);

/* ---- survey.c ---- */

/** ma_survey_take() - walk through all accounts; damaged ones are reported */
void ma_survey_take(struct doctor *doctor);

/** ma_survey_tally() - the row of a mechanism; NULL: there is none */
const struct tally *ma_survey_tally(const struct survey *survey, const char *mech, bool is_own);

#endif
