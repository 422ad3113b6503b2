/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_import.c - mailuser import: take over the accounts of another system
 *
 * The formats are in lib/import; here is what they have in common: which accounts are wanted, what
 * is said about each, and that all come or none. The main thread reads the file and looks for names
 * that stand in it twice; the threads turn entries into accounts, which means deriving where a
 * password comes in the clear.
 *
 * An entry that is malformed or cannot be an account is named with file and line. The rest is gone
 * through all the same, so that all of them are named at once.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "bulk.h"
#include "import/import.h"
#include "parse.h"

#define LOGIN_DEFS "/etc/login.defs"
#define UID_LOWEST 1000 /* useradd(8), where login.defs does not say */
#define UID_MOST   60000

enum {
	OPTION_DRY_RUN = MA_OPTION_OWN,
	OPTION_GROUP,
	OPTION_MAX_UID,
	OPTION_MIN_UID,
	OPTION_ONLY,
	OPTION_PASSWD,
	OPTION_SHADOW,
	OPTION_UPDATE
};

/* A running import. */
struct run {
	struct bulk *bulk;
	const struct ma_format *format;
	struct ma_import_params params;
	struct ma_import_rules rules;
	struct ma_import *import;
	struct bulk_names only; /* place 1: was there */
	bool has_only;
	struct bulk_names seen;
	const char *broken; /* the file cannot be read on */
	char why[MA_WHY_MAX];
	size_t n_added;
	size_t n_updated;
	size_t n_mute; /* serve no mechanism */
	size_t n_unnumbered;
};

/* One account on its way. */
struct item {
	struct ma_entry *entry; /* NULL: bad already */
	struct mailauth_name name;
	unsigned long line;
	bool is_bad;
	bool is_new;
	bool is_mute;
	char text[512]; /* what came, and what it serves */
	char why[MA_WHY_MAX];
};

_Static_assert(MA_WHY_MAX == BULK_WHY_MAX, "texts go from one to the other");

/* ---- reading --------------------------------------------------------------------------------- */

static bool is_wanted(const struct run *run, const struct mailauth_name *name)
{
	return !run->has_only || ma_bulk_name_find(&run->only, name) != NULL;
}

static void item_refuse(struct item *item, const struct ma_entry *entry, const char *why)
{
	item->is_bad = true;
	if (why != item->why)
		(void)snprintf(item->why, sizeof(item->why), "%s", why);
	if (item->name.text[0] == '\0' && entry->name != NULL)
		(void)snprintf(item->name.text, sizeof(item->name.text), "%s", entry->name);
}

/* Each name once: which of two accounts is meant is for a person to say. */
static void item_accept(struct run *run, struct item *item, const struct ma_entry *entry)
{
	/* A database has no lines. */
	size_t number = entry->line != 0 ? entry->line : ++run->n_unnumbered;
	size_t *place = ma_bulk_name(&run->seen, &item->name, number);
	size_t *asked;

	if (place != NULL && *place != number) {
		if (entry->line != 0)
			(void)snprintf(item->why, sizeof(item->why),
				       "line %zu has an account of this name too: remove one of "
				       "them",
				       *place);
		else
			(void)snprintf(item->why, sizeof(item->why),
				       "there are two of this name, in capital and small letters: "
				       "remove one of them");
		item_refuse(item, entry, item->why);
		return;
	}
	if (place != NULL)
		item->entry = ma_entry_copy(entry);
	if (item->entry == NULL)
		item_refuse(item, entry, "out of memory");
	asked = run->has_only ? ma_bulk_name(&run->only, &item->name, 1) : NULL;
	if (asked != NULL)
		*asked = 1;
}

/* What the format made of the next entry; false: it is not wanted. */
static bool item_take(struct run *run, struct item *item, const struct ma_entry *entry,
		      enum mailauth_status status, const char *why)
{
	enum mailauth_status parsed = MAILAUTH_E_USAGE;

	item->line = entry->line;
	ma_bulk_forget();
	if (entry->name != NULL)
		parsed = ma_bulk_name_parse(run->bulk->app->ctx, entry->name, run->rules.realm,
					    &item->name);
	if (parsed == MAILAUTH_OK && !is_wanted(run, &item->name))
		return false;
	/* A name that no account of ours can have has not been asked for. */
	if (parsed != MAILAUTH_OK && entry->name != NULL && run->has_only)
		return false;
	if (status != MAILAUTH_OK) {
		item_refuse(item, entry, why);
	} else if (parsed != MAILAUTH_OK) {
		ma_bulk_why(parsed, item->why);
		item_refuse(item, entry, item->why);
	} else {
		item_accept(run, item, entry);
	}
	return true;
}

static bool item_next(void *arg, void *item_out)
{
	struct run *run = arg;

	for (;;) {
		struct ma_entry entry;
		enum mailauth_status status;

		ma_entry_init(&entry);
		run->why[0] = '\0';
		status = run->format->next(run->import, &entry, run->why);
		if (status == MAILAUTH_E_NOTFOUND)
			return false;
		if (status != MAILAUTH_OK && status != MAILAUTH_E_USAGE) {
			run->broken = run->why[0] == '\0' ? "out of memory" : run->why;
			return false;
		}
		if (item_take(run, item_out, &entry, status, run->why))
			return true;
	}
}

/* ---- working --------------------------------------------------------------------------------- */

/* "crypt cram-md5, serves PLAIN LOGIN CRAM-MD5" */
static void item_describe(struct item *item, const struct mailauth_user *user)
{
	FILE *text = fmemopen(item->text, sizeof(item->text), "w");
	const char *kind = mailauth_user_secret(user, 0);

	item->is_mute = true;
	item->is_new = mailauth_user_number(user, MAILAUTH_NUMBER_GENERATION) == 0;
	if (text == NULL)
		return;
	(void)fprintf(text, "%s", kind == NULL ? "no secret" : "");
	for (size_t i = 1; kind != NULL; i++) {
		(void)fprintf(text, "%s%s", i == 1 ? "" : " ", kind);
		kind = mailauth_user_secret(user, i);
	}
	for (size_t i = 0; i < mailauth_mech_count(); i++) {
		const char *mech = mailauth_mech_name(i);

		if (ma_account_is_plus(mech) || !mailauth_user_can(user, mech, NULL))
			continue;
		(void)fprintf(text, "%s%s", item->is_mute ? ", serves " : " ", mech);
		item->is_mute = false;
	}
	if (item->is_mute)
		(void)fprintf(text, ", serves nothing");
	if (mailauth_user_state(user) != NULL)
		(void)fprintf(text, ", %s", mailauth_user_state(user));
	(void)fclose(text);
}

static void item_work(void *arg, void *item_in_work)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	const struct run *run = arg;
	struct item *item = item_in_work;
	enum mailauth_status status;

	if (item->is_bad)
		return;
	status = ma_import_user(run->bulk->app->ctx, item->entry, &run->rules, &user, item->why);
	ma_entry_free(&item->entry);
	if (status == MAILAUTH_OK) {
		item_describe(item, user);
		status = mailauth_batch_put(run->bulk->batch, user);
	}
	item->is_bad = status != MAILAUTH_OK;
	if (item->is_bad && item->why[0] == '\0')
		ma_bulk_why(status, item->why);
}

static void item_done(void *arg, void *item_done)
{
	struct run *run = arg;
	struct item *item = item_done;
	const char *file = run->params.file == NULL ? run->format->default_file : run->params.file;
	char line[32] = "";

	ma_entry_free(&item->entry);
	if (item->is_bad) {
		if (item->line > 0)
			(void)snprintf(line, sizeof(line), ":%lu", item->line);
		ma_say("%s%s: %s%s%s", file, line, item->name.text,
		       item->name.text[0] == '\0' ? "" : ": ", item->why);
		run->bulk->n_bad++;
		return;
	}
	(void)printf("%s: %s, %s%s%s\n", item->name.text, item->is_new ? "added" : "updated",
		     item->text, item->why[0] == '\0' ? "" : "; ", item->why);
	run->n_added += item->is_new;
	run->n_updated += !item->is_new;
	run->n_mute += item->is_mute;
}

/* ---- the options ----------------------------------------------------------------------------- */

static int uid_option(const char *text, int64_t *uid_out)
{
	if (text == NULL || ma_parse_uid(text, uid_out))
		return MA_EXIT_OK;
	ma_say("invalid user ID '%s': give a number from 0 to 4294967294", text);
	return MA_EXIT_USAGE;
}

static int format_find(struct app *app, struct run *run)
{
	run->format = ma_format_find(app->operand);
	if (run->format != NULL)
		return MA_EXIT_OK;
	ma_say("unknown format '%s'; this build knows:", app->operand);
	for (size_t i = 0; ma_formats[i] != NULL; i++)
		(void)fprintf(stderr, "  %-10s %s\n", ma_formats[i]->name, ma_formats[i]->summary);
	return MA_EXIT_USAGE;
}

/* A number of login.defs(5), as useradd reads it; @value_out stays if it does not say. */
static void login_defs_number(const char *key, int64_t *value_out)
{
	FILE *file = fopen(LOGIN_DEFS, "re");
	size_t key_len = strlen(key);
	char line[1024];

	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		char *at = line + strspn(line, " \t");
		char *value = at + key_len + strspn(at + strnlen(at, key_len), " \t");

		if (strncmp(at, key, key_len) != 0 || value == at + key_len)
			continue;
		value[strcspn(value, " \t\n")] = '\0';
		(void)ma_parse_long(value, 0, UINT32_MAX - 1, value_out);
	}
	if (file != NULL)
		(void)fclose(file);
}

static int uids_parse(const struct app *app, struct run *run)
{
	int code;

	run->params.min_uid = UID_LOWEST;
	run->params.max_uid = UID_MOST;
	login_defs_number("UID_MIN", &run->params.min_uid);
	login_defs_number("UID_MAX", &run->params.max_uid);
	code = uid_option(ma_option(app, OPTION_MIN_UID), &run->params.min_uid);
	if (code == MA_EXIT_OK)
		code = uid_option(ma_option(app, OPTION_MAX_UID), &run->params.max_uid);
	return code;
}

/* The options that say something about files of Unix. */
static int unix_parse(const struct app *app, struct run *run)
{
	static const int ids[] = {OPTION_PASSWD, OPTION_SHADOW, OPTION_GROUP, OPTION_MIN_UID,
				  OPTION_MAX_UID};
	const char *passwd = ma_option(app, OPTION_PASSWD);

	run->params.min_uid = -1;
	run->params.max_uid = -1;
	if (strcmp(run->format->name, "shadow") != 0) {
		for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
			if (ma_option(app, ids[i]) == NULL)
				continue;
			ma_say("--passwd, --shadow, --group, --min-uid and --max-uid are for "
			       "shadow, not for %s",
			       run->format->name);
			return MA_EXIT_USAGE;
		}
		return MA_EXIT_OK;
	}
	if (passwd != NULL && run->params.file != NULL) {
		ma_say("give --passwd or %s, not both", run->params.file);
		return MA_EXIT_USAGE;
	}
	if (passwd != NULL)
		run->params.file = passwd;
	run->params.second = ma_option(app, OPTION_SHADOW);
	run->params.third = ma_option(app, OPTION_GROUP);
	return uids_parse(app, run);
}

static int params_parse(struct app *app, struct run *run)
{
	int code = format_find(app, run);

	if (code != MA_EXIT_OK)
		return code;
	run->params.file = app->n_operands > 1 ? app->operands[1] : NULL;
	run->params.realm = ma_option(app, MA_OPTION_REALM);
	run->rules.realm = run->params.realm;
	run->rules.update = ma_option(app, OPTION_UPDATE) != NULL;
	run->rules.recoverable = ma_option(app, MA_OPTION_RECOVERABLE) != NULL;
	run->has_only = ma_option(app, OPTION_ONLY) != NULL;
	code = unix_parse(app, run);
	if (code != MA_EXIT_OK || run->params.file != NULL || run->format->default_file != NULL)
		return code;
	ma_say("which FILE? 'mailuser import %s FILE'", run->format->name);
	return MA_EXIT_USAGE;
}

/* ---- the whole ------------------------------------------------------------------------------- */

static void only_check(const char *name, size_t place, void *arg)
{
	struct run *run = arg;

	if (place > 0)
		return;
	ma_say("--only: there is no '%s' among them", name);
	run->bulk->n_bad++;
}

static void summary_print(const struct run *run, bool is_dry)
{
	size_t n = run->n_added + run->n_updated;

	(void)printf("%zu account%s: %zu added, %zu updated", n, n == 1 ? "" : "s", run->n_added,
		     run->n_updated);
	if (run->n_mute > 0)
		(void)printf("; %zu of them cannot log in by any mechanism", run->n_mute);
	(void)printf("%s\n", is_dry ? "; a dry run: nothing was changed" : "");
}

static int finish(struct run *run)
{
	const struct app *app = run->bulk->app;
	bool is_dry = ma_option(app, OPTION_DRY_RUN) != NULL;
	int code = MA_EXIT_OK;

	if (run->broken != NULL) {
		ma_say("%s; nothing was changed", run->broken);
		return app->cmd->exits.failed;
	}
	if (run->import->note[0] != '\0')
		ma_say("%s", run->import->note);
	ma_bulk_names_each(&run->only, only_check, run);
	if (run->bulk->n_bad > 0) {
		ma_say("%zu bad entr%s; nothing was changed", run->bulk->n_bad,
		       run->bulk->n_bad == 1 ? "y" : "ies");
		return app->cmd->exits.failed;
	}
	if (!is_dry)
		code = ma_bulk_commit(run->bulk, NULL);
	if (code == MA_EXIT_OK)
		summary_print(run, is_dry);
	return code;
}

static int import(struct run *run)
{
	static const struct bulk_steps steps = {
		.item_size = sizeof(struct item),
		.next = item_next,
		.work = item_work,
		.done = item_done,
	};
	const struct app *app = run->bulk->app;

	if (!ma_bulk_only(app->ctx, ma_option(app, OPTION_ONLY), run->rules.realm, &run->only))
		return MA_EXIT_USAGE;
	if (run->format->open(&run->params, &run->import, run->why) != MAILAUTH_OK) {
		ma_say("%s", run->why);
		return app->cmd->exits.failed;
	}
	run->bulk->step = "importing";
	if (!ma_bulk_run(run->bulk, &steps, run))
		return app->cmd->exits.failed;
	return finish(run);
}

static int run_import(struct app *app)
{
	struct bulk bulk = {0};
	struct run run = {.bulk = &bulk};
	int code = params_parse(app, &run);

	if (code != MA_EXIT_OK)
		return code;
	code = ma_bulk_open(&bulk, app);
	if (code == MA_EXIT_OK)
		code = import(&run);
	if (run.import != NULL)
		run.format->close(&run.import);
	ma_bulk_names_clear(&run.only);
	ma_bulk_names_clear(&run.seen);
	ma_bulk_close(&bulk);
	return code;
}

static const struct opt options[] = {
	{OPTION_DRY_RUN, "dry-run", NULL, "say what would come, and change nothing"},
	{OPTION_GROUP, "group", "FILE", "shadow: group file; default: /etc/group"},
	{OPTION_MAX_UID, "max-uid", "UID", "shadow: the highest; default: UID_MAX of login.defs"},
	{OPTION_MIN_UID, "min-uid", "UID", "shadow: the lowest; default: UID_MIN of login.defs"},
	{OPTION_ONLY, "only", "NAME...", "these accounts alone; may be given again"},
	{OPTION_PASSWD, "passwd", "FILE", "shadow: passwd file; default: /etc/passwd"},
	{MA_OPTION_REALM, "realm", "REALM", "of names without one; default: as configured"},
	{MA_OPTION_RECOVERABLE, "recoverable", NULL, "keep passwords that come in the clear"},
	{OPTION_SHADOW, "shadow", "FILE", "shadow: shadow file; default: /etc/shadow"},
	{OPTION_UPDATE, "update", NULL, "accounts that are there take over what comes"},
	{0},
};

const struct cmd cmd_import = {
	.name = "import",
	.alias = NULL,
	.operand = "FORMAT [FILE]",
	.min_operands = 1,
	.max_operands = 2,
	.summary = "Take over accounts: shadow, sasldb, dovecot, courier, json",
	.options = options,
	.exits =
		{
			.denied = MA_EXIT_FAILED,
			.open = MA_EXIT_FAILED,
			.name = MA_EXIT_FAILED,
			.notfound = MA_EXIT_FAILED,
			.argument = MA_EXIT_FAILED,
			.busy = MA_EXIT_BUSY,
			.failed = MA_EXIT_FAILED,
		},
	.run = run_import,
};
