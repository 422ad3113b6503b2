/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_store.c - mailuser store: check, copy and measure the store
 *
 * One command with a first operand that says what to do. The library does all of it; here are the
 * words around it, and the JSON forms, which are an interface as that of `show` is: members may be
 * added, never renamed or removed (mailuser-store(8)).
 *
 * A copy is opened and checked before the command calls it one: a backup that does not open is
 * found out on the day it is made.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"

#define URL_SIZE (PATH_MAX + 64)

/* Sizes for people: three digits are enough. */
struct size_text {
	char text[32];
};

static struct size_text size_text(uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	struct size_text out;
	double value = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		(void)snprintf(out.text, sizeof(out.text), "%" PRIu64 " bytes", bytes);
		return out;
	}
	for (; value >= 1024 && i + 1 < sizeof(units) / sizeof(units[0]); i++)
		value /= 1024;
	(void)snprintf(out.text, sizeof(out.text), "%.*f %s", value < 10 ? 1 : 0, value, units[i]);
	return out;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* Only who may write can clear what dead readers left; the others look. */
static unsigned int check_flags(void)
{
	return geteuid() == 0 ? MAILAUTH_OPEN_WRITE : 0;
}

static int print_json(json_t *object)
{
	int result;

	if (object == NULL) {
		ma_say("out of memory");
		return MA_EXIT_FAILED;
	}
	result = json_dumpf(object, stdout, JSON_INDENT(2));
	json_decref(object);
	(void)printf("\n");
	/* An output that cannot be written is noticed when it is flushed; see main.c. */
	return result == 0 || ferror(stdout) != 0 ? MA_EXIT_OK : MA_EXIT_FAILED;
}

/* ---- stat -------------------------------------------------------------------------------- */

static double percent(const struct mailauth_store_stat *store)
{
	return store->bytes_max == 0 ? 0
				     : 100 * (double)store->bytes_used / (double)store->bytes_max;
}

static json_t *stat_json(const char *url, const struct mailauth_store_stat *store)
{
	bool is_limited = store->bytes_max > 0;

	return json_pack("{s:s, s:s, s:I, s:I, s:I, s:o, s:o, s:I}", "store", url, "scheme",
			 store->scheme, "accounts", (json_int_t)store->n_accounts, "bytes_used",
			 (json_int_t)store->bytes_used, "bytes_file", (json_int_t)store->bytes_file,
			 "bytes_max",
			 is_limited ? json_integer((json_int_t)store->bytes_max) : json_null(),
			 "percent", is_limited ? json_real(percent(store)) : json_null(), "readers",
			 (json_int_t)store->n_readers);
}

static int run_stat(struct app *app)
{
	struct mailauth_store_stat store = {.size = sizeof(store)};
	enum mailauth_status status;
	const char *url;
	int code = ma_app_open(app, 0);

	if (code != MA_EXIT_OK)
		return code;
	url = mailauth_config_get(app->ctx, "store");
	status = mailauth_store_stat(app->ctx, &store);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, url);
	if (ma_option(app, MA_OPTION_JSON) != NULL)
		return print_json(stat_json(url, &store));

	(void)printf("store:    %s\n", url);
	(void)printf("accounts: %" PRIu64 "\n", store.n_accounts);
	(void)printf("used:     %s\n", size_text(store.bytes_used).text);
	(void)printf("file:     %s\n", size_text(store.bytes_file).text);
	if (store.bytes_max > 0)
		(void)printf("limit:    %s, %.1f %% used\n", size_text(store.bytes_max).text,
			     percent(&store));
	(void)printf("readers:  %" PRIu64 "\n", store.n_readers);
	return MA_EXIT_OK;
}

/* ---- check ------------------------------------------------------------------------------- */

/* The names of the damaged accounts, in silence: the check has told about each of them. */
static json_t *damaged_names(struct app *app)
{
	struct mailauth_name cursor = {0};
	json_t *names = json_array();
	enum mailauth_status status;

	mailauth_set_logger(app->ctx, NULL, NULL, MAILAUTH_LOG_ERROR);
	do {
		MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;

		status = mailauth_user_next(app->ctx, &cursor, &user);
		if (status == MAILAUTH_E_CORRUPT)
			(void)json_array_append_new(names, json_string(cursor.text));
	} while (status == MAILAUTH_OK || status == MAILAUTH_E_CORRUPT);
	return names;
}

static int check_json(struct app *app, const char *url, uint64_t n_good, uint64_t n_damaged,
		      uint64_t n_cleared)
{
	json_t *names = n_damaged == 0 ? json_array() : damaged_names(app);

	return print_json(json_pack("{s:s, s:I, s:I, s:o, s:I}", "store", url, "good",
				    (json_int_t)n_good, "damaged", (json_int_t)n_damaged, "names",
				    names, "readers_cleared", (json_int_t)n_cleared));
}

static int run_check(struct app *app)
{
	unsigned int flags = check_flags();
	struct mailauth_store_stat store = {.size = sizeof(store)};
	uint64_t n_good = 0;
	uint64_t n_damaged = 0;
	enum mailauth_status status;
	const char *url;
	int code = ma_app_open(app, flags);

	if (code != MA_EXIT_OK)
		return code;
	url = mailauth_config_get(app->ctx, "store");
	status = mailauth_store_stat(app->ctx, &store);
	if (status == MAILAUTH_OK)
		status = mailauth_store_check(app->ctx, &n_good, &n_damaged);
	if (status != MAILAUTH_OK && status != MAILAUTH_E_CORRUPT)
		return ma_app_fail(app, status, url);
	if ((flags & MAILAUTH_OPEN_WRITE) == 0)
		store.n_dead = 0;

	if (ma_option(app, MA_OPTION_JSON) != NULL) {
		code = check_json(app, url, n_good, n_damaged, store.n_dead);
	} else {
		(void)printf("%s: %" PRIu64 " account%s in order, %" PRIu64 " damaged\n", url,
			     n_good, plural(n_good), n_damaged);
		if (store.n_dead > 0)
			(void)printf("cleared what %" PRIu64 " dead reader%s left\n", store.n_dead,
				     plural(store.n_dead));
	}
	return status == MAILAUTH_E_CORRUPT ? app->cmd->exits.failed : code;
}

/* ---- copy -------------------------------------------------------------------------------- */

/* A plain path means lmdb:PATH, and a store wants an absolute one. */
static bool url_make(const char *operand, char url[URL_SIZE])
{
	size_t scheme = strspn(operand, "abcdefghijklmnopqrstuvwxyz");
	char folder[PATH_MAX] = "";
	int len;

	if (operand[0] == '\0') {
		ma_say("the name of the copy is empty: give a path or the URL of a store");
		return false;
	}
	if (scheme > 0 && operand[scheme] == ':') {
		len = snprintf(url, URL_SIZE, "%s", operand);
	} else {
		if (operand[0] != '/' && getcwd(folder, sizeof(folder)) == NULL) {
			ma_say("the current folder has no name (%s): give an absolute path",
			       strerror(errno));
			return false;
		}
		len = snprintf(url, URL_SIZE, "lmdb:%s%s%s", folder, folder[0] == '\0' ? "" : "/",
			       operand);
	}
	if (len >= URL_SIZE) {
		ma_say("%.60s...: too long", operand);
		return false;
	}
	return true;
}

/* Whoever may use the keys may read what is sealed with them. */
static gid_t group_of_key(const struct mailauth *ctx)
{
	struct stat st;

	return stat(mailauth_config_get(ctx, "key_file"), &st) == 0 ? st.st_gid : (gid_t)-1;
}

/* Opens the copy as a server would, and every record in it. */
static int copy_verify(struct app *app, const char *url, uint64_t n_copied)
{
	MA_CLEANUP(mailauth_free) struct mailauth *copy = NULL;
	struct mailauth_options options = ma_app_options(app, 0);
	uint64_t n_good = 0;
	uint64_t n_damaged = 0;
	enum mailauth_status status;

	options.store = url;
	app->said = false;
	status = mailauth_open(&options, &copy);
	if (status == MAILAUTH_OK)
		status = mailauth_store_check(copy, &n_good, &n_damaged);
	if (status == MAILAUTH_OK && n_good == n_copied)
		return MA_EXIT_OK;
	ma_say("%s was written, but %" PRIu64 " of its accounts do not open: do not rely on it; is "
	       "the disk failing?",
	       url, n_copied - (n_good < n_copied ? n_good : 0));
	return app->cmd->exits.failed;
}

static int run_copy(struct app *app)
{
	char url[URL_SIZE];
	uint64_t n = 0;
	enum mailauth_status status;
	int code;

	if (!url_make(app->operands[1], url))
		return MA_EXIT_USAGE;
	code = ma_app_open(app, 0);
	if (code != MA_EXIT_OK)
		return code;
	status = mailauth_store_copy(app->ctx, url, group_of_key(app->ctx), &n);
	if (status == MAILAUTH_E_EXISTS && !app->said) {
		ma_say("there are accounts in %s already: give the name of a file that does not "
		       "exist yet",
		       url);
		return MA_EXIT_EXISTS;
	}
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, url);
	code = copy_verify(app, url, n);
	if (code != MA_EXIT_OK)
		return code;
	if (ma_option(app, MA_OPTION_JSON) != NULL)
		return print_json(json_pack("{s:s, s:I}", "copy", url, "accounts", (json_int_t)n));
	(void)printf("%s: %" PRIu64 " account%s copied and checked\n"
		     "They open with the keys in %s only: keep a copy of that file too, in another "
		     "place\n",
		     url, n, plural(n), mailauth_config_get(app->ctx, "key_file"));
	return MA_EXIT_OK;
}

/* ------------------------------------------------------------------------------------------ */

static int run(struct app *app)
{
	static const struct {
		const char *name;
		int n_operands;
		int (*run)(struct app *app);
	} actions[] = {{"check", 1, run_check}, {"copy", 2, run_copy}, {"stat", 1, run_stat}};

	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		if (strcmp(app->operand, actions[i].name) != 0)
			continue;
		if (app->n_operands < actions[i].n_operands) {
			ma_say("store copy: where to? Give a path or the URL of a store");
			return MA_EXIT_USAGE;
		}
		if (app->n_operands > actions[i].n_operands) {
			ma_say("unexpected argument '%s'", app->operands[actions[i].n_operands]);
			return MA_EXIT_USAGE;
		}
		return actions[i].run(app);
	}
	ma_say("'%s' is nothing that can be done to a store: choose one of check, copy, stat",
	       app->operand);
	return MA_EXIT_USAGE;
}

static const struct opt options[] = {
	{MA_OPTION_JSON, "json", NULL, "print a JSON object"},
	{0},
};

const struct cmd cmd_store = {
	.name = "store",
	.alias = NULL,
	.operand = "check | copy URL | stat",
	.min_operands = 1,
	.max_operands = 2,
	.summary = "Check every record, copy the store, or measure it",
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
	.run = run,
};
