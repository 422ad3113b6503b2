/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_doctor.c - mailuser doctor: look at everything that administrators get wrong
 *
 * Gathers in one pass what doctor/check_*.c compare, see doctor/doctor.h, runs them, and prints one
 * line for each finding. It has to work where everything is broken, so nothing here gives up: what
 * cannot be opened or read is a finding, and the rest is looked at all the same.
 *
 * The paths of key and store come from the library once it has opened them, and before that from
 * the configuration as far as it can be read: what keeps the library from opening them is what is
 * looked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"
#include "doctor/doctor.h"

#define CONFIG_FILE "/etc/mailauth/mailauth.conf"
#define KEY_FILE    "/etc/mailauth/store.key"
#define MECHANISMS  "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256"
#define STORE	    "lmdb:/var/lib/mailauth/accounts.mdb"

static void take_log(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	struct doctor *doctor = arg;
	struct complaint *complaint = &doctor->complaints[doctor->n_complaints];

	if (level > MAILAUTH_LOG_WARN ||
	    doctor->n_complaints == sizeof(doctor->complaints) / sizeof(doctor->complaints[0]))
		return;
	complaint->level = level;
	(void)snprintf(complaint->event, sizeof(complaint->event), "%s", event);
	(void)snprintf(complaint->text, sizeof(complaint->text), "%s", text);
	doctor->n_complaints++;
}

/* Only a file can be looked at: "lmdb:PATH". */
static void set_store(struct doctor *doctor, const char *url)
{
	static const char lmdb[] = "lmdb:";
	bool is_file = strncmp(url, lmdb, sizeof(lmdb) - 1) == 0;

	(void)snprintf(doctor->store, sizeof(doctor->store), "%s",
		       is_file ? url + sizeof(lmdb) - 1 : "");
}

static void find_paths(const struct app *app, struct doctor *doctor)
{
	struct settings own = {0};
	const char *key_file;
	const char *store;

	(void)snprintf(doctor->config, sizeof(doctor->config), "%s",
		       app->config == NULL ? CONFIG_FILE : app->config);
	(void)ma_settings_load(doctor->config, MA_STYLE_OWN, &own);
	key_file = ma_settings_get(&own, "key_file");
	store = ma_settings_get(&own, "store");
	(void)snprintf(doctor->key_file, sizeof(doctor->key_file), "%s",
		       key_file == NULL ? KEY_FILE : key_file);
	set_store(doctor, store == NULL ? STORE : store);
	ma_settings_clear(&own);
}

/* The library, or LMDB, might wait for ever where no regular file is. */
static bool is_odd(const char *path)
{
	struct stat st;

	return path[0] != '\0' && stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

static void open_store(struct app *app, struct doctor *doctor)
{
	struct mailauth_options options = ma_app_options(app, 0);

	doctor->is_odd = is_odd(doctor->config) || is_odd(doctor->key_file) ||
			 is_odd(doctor->store) || is_odd(ma_text("%s-lock", doctor->store).text);
	doctor->mechanisms = MECHANISMS;
	doctor->default_realm = "";
	if (doctor->is_odd)
		return;
	options.log = take_log;
	options.log_arg = doctor;
	if (mailauth_open(&options, &app->ctx) == MAILAUTH_OK) {
		doctor->ctx = app->ctx;
		if (mailauth_config_get(doctor->ctx, "mechanisms")[0] != '\0')
			doctor->mechanisms = mailauth_config_get(doctor->ctx, "mechanisms");
		doctor->default_realm = mailauth_config_get(doctor->ctx, "default_realm");
		set_store(doctor, mailauth_config_get(doctor->ctx, "store"));
		(void)snprintf(doctor->key_file, sizeof(doctor->key_file), "%s",
			       mailauth_config_get(doctor->ctx, "key_file"));
	}
	memcpy(doctor->open_complaints, doctor->complaints, sizeof(doctor->complaints));
	doctor->n_open_complaints = doctor->n_complaints;
	doctor->n_complaints = 0;
}

/* Does one of the findings want something done? */
static bool is_ill(const struct doctor *doctor)
{
	for (const struct finding *finding = doctor->findings; finding != NULL;
	     finding = finding->next)
		if (finding->severity != MA_FINDING_INFO)
			return true;
	return false;
}

static void print_all_is_well(const struct doctor *doctor)
{
	struct text list = {""};

	for (size_t i = 0; i < doctor->n_servers; i++)
		list = ma_text("%s, %s", list.text, doctor->servers[i].name);
	(void)printf("all is well: looked at configuration, key file, store, plugin, %llu "
		     "account%s%s%s\n",
		     (unsigned long long)doctor->survey.n_accounts,
		     doctor->survey.n_accounts == 1 ? "" : "s", list.text,
		     doctor->n_servers == 0 ? " (no server that uses libsasl2 was found)" : "");
}

static int print(struct app *app, const struct doctor *doctor)
{
	bool is_json = ma_option(app, MA_OPTION_JSON) != NULL;

	if (doctor->is_broken || (is_json && !ma_finding_print_json(doctor)))
		return ma_app_fail(app, MAILAUTH_E_NOMEM, "doctor");
	if (!is_json)
		ma_finding_print(doctor);
	if (is_ill(doctor))
		return MA_EXIT_FAILED;
	if (!is_json)
		print_all_is_well(doctor);
	return MA_EXIT_OK;
}

static void look(struct app *app, struct doctor *doctor)
{
	find_paths(app, doctor);
	open_store(app, doctor);
	ma_servers_find(doctor);
	if (doctor->ctx != NULL) {
		ma_taken_load(doctor);
		ma_survey_take(doctor);
	}
	for (size_t i = 0; ma_checks[i] != NULL; i++) {
		doctor->checking = ma_checks[i]->name;
		ma_checks[i]->run(doctor);
	}
}

static int run(struct app *app)
{
	struct doctor *doctor = calloc(1, sizeof(*doctor)); /* too large for the stack */
	int code;

	if (doctor == NULL)
		return ma_app_fail(app, MAILAUTH_E_NOMEM, "doctor");
	look(app, doctor);
	code = print(app, doctor);
	/* The logger ends with the doctor, the context with the program. */
	mailauth_free(&app->ctx);
	for (size_t i = 0; i < doctor->n_servers; i++)
		ma_settings_clear(&doctor->servers[i].sasl);
	ma_taken_clear(&doctor->taken);
	ma_finding_clear(doctor);
	free(doctor);
	return code;
}

static const struct opt options[] = {
	{MA_OPTION_JSON, "json", NULL, "print a JSON array of findings"},
	{0},
};

const struct cmd cmd_doctor = {
	.name = "doctor",
	.alias = NULL,
	.summary = "Look at the whole set-up and say what to do",
	.options = options,
	.exits =
		{
			.denied = MA_EXIT_FAILED,
			.open = MA_EXIT_FAILED,
			.name = MA_EXIT_FAILED,
			.notfound = MA_EXIT_FAILED,
			.argument = MA_EXIT_FAILED,
			.busy = MA_EXIT_FAILED,
			.failed = MA_EXIT_FAILED,
		},
	.run = run,
};
