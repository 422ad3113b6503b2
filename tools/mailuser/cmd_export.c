/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_export.c - mailuser export: take all accounts to another system
 *
 * What the other form cannot hold is said for each account on standard error, so that nobody finds
 * out later; an account that it cannot hold at all is left out, and the exit code tells.
 *
 * The output is full of secrets. It goes to no terminal, unless asked for, and a file of ours is
 * readable by its owner alone. A file appears when it is whole: it is written under another name,
 * synced and renamed, and signals wait until one half of that is undone or done.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "bulk.h"
#include "import/import.h"

#define BUFFER_SIZE 65536
#define ENTRY_MAX   (1u << 20) /* bytes of one account's texts */

enum { OPTION_FORCE = MA_OPTION_OWN, OPTION_ONLY, OPTION_OUTPUT, OPTION_PASSWD };

/* A file that appears when it is whole. */
struct output {
	const char *path; /* NULL: not asked for */
	char *draft;
	FILE *file;
	char *buffer; /* of the file, to be wiped */
};

/* A running export. */
struct run {
	struct app *app;
	const struct ma_format *format;
	struct ma_export_params params;
	struct output output;
	struct output passwd;
	struct bulk_names only;
	bool has_only;
	size_t n_done;
	size_t n_left_out;
};

/* ---- files ----------------------------------------------------------------------------------- */

static bool output_fail(const struct output *output)
{
	ma_say("%s: %s", output->path, strerror(errno));
	return false;
}

/* In the same folder, because of rename(2). mkostemp() makes it 0600. */
static bool output_open(struct output *output)
{
	int fd;

	if (output->path == NULL)
		return true;
	if (asprintf(&output->draft, "%s.XXXXXX", output->path) < 0) {
		output->draft = NULL;
		return output_fail(output);
	}
	fd = mkostemp(output->draft, O_CLOEXEC);
	if (fd < 0) {
		free(output->draft);
		output->draft = NULL;
		return output_fail(output);
	}
	output->file = fdopen(fd, "w");
	if (output->file == NULL) {
		(void)close(fd);
		return output_fail(output);
	}
	output->buffer = malloc(BUFFER_SIZE);
	if (output->buffer == NULL ||
	    setvbuf(output->file, output->buffer, _IOFBF, BUFFER_SIZE) != 0)
		return output_fail(output);
	return true;
}

/* The name of a file is durable once its folder is. */
static bool folder_sync(const char *path)
{
	char *copy = strdup(path);
	int fd;
	bool is_synced;

	if (copy == NULL)
		return false;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(copy);
	is_synced = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		(void)close(fd);
	return is_synced;
}

static bool output_finish(struct output *output)
{
	bool is_written;

	if (output->path == NULL)
		return true;
	is_written = fflush(output->file) == 0 && ferror(output->file) == 0 &&
		     fsync(fileno(output->file)) == 0;
	if (!is_written || rename(output->draft, output->path) != 0)
		return output_fail(output);
	free(output->draft);
	output->draft = NULL;
	return folder_sync(output->path) || output_fail(output);
}

/* What was not finished goes. */
static void output_close(struct output *output)
{
	if (output->file != NULL)
		(void)fclose(output->file);
	if (output->buffer != NULL)
		explicit_bzero(output->buffer, BUFFER_SIZE);
	free(output->buffer);
	if (output->draft != NULL)
		(void)unlink(output->draft);
	free(output->draft);
	*output = (struct output){0};
}

/* Lasts as long as the stream. */
static char stdout_buffer[BUFFER_SIZE];

static void stdout_open(void)
{
	(void)setvbuf(stdout, stdout_buffer, _IOFBF, sizeof(stdout_buffer));
}

/* What could not be written is gone; the stream remembers it, and main() says so. */
static void stdout_wipe(void)
{
	if (fflush(stdout) != 0)
		__fpurge(stdout);
	explicit_bzero(stdout_buffer, sizeof(stdout_buffer));
}

/* Signals that would leave a draft behind wait; is there one? */
static bool signal_waits(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	       (sigismember(&set, SIGINT) == 1 || sigismember(&set, SIGTERM) == 1 ||
		sigismember(&set, SIGHUP) == 1);
}

static void signals_block(int how)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGHUP);
	(void)sigprocmask(how, &set, NULL);
}

/* ---- accounts -------------------------------------------------------------------------------- */

static bool is_wanted(struct run *run, const struct mailauth_user *user)
{
	struct mailauth_name name = {0};
	size_t *place;

	if (!run->has_only)
		return true;
	(void)snprintf(name.text, sizeof(name.text), "%s", mailauth_user_name(user));
	if (ma_bulk_name_find(&run->only, &name) == NULL)
		return false;
	place = ma_bulk_name(&run->only, &name, 0);
	if (place != NULL)
		*place = 1;
	return true;
}

static void left_out(struct run *run, const char *name, const char *why)
{
	ma_say("%s: left out: %s", name, why);
	run->n_left_out++;
}

/* MAILAUTH_E_TEMPFAIL: cannot be written, or a signal. */
static enum mailauth_status export_user(struct run *run, const struct mailauth_user *user)
{
	MA_CLEANUP(ma_buf_clear) struct ma_buf bytes = ma_buf(ENTRY_MAX);
	const char *name = mailauth_user_name(user);
	char why[MA_WHY_MAX] = "";
	struct ma_entry entry;
	enum mailauth_status status = ma_export_entry(user, &bytes, &entry);

	if (status == MAILAUTH_OK)
		status = run->format->put(&run->params, &entry, why);
	explicit_bzero(&entry, sizeof(entry));
	if (status == MAILAUTH_OK) {
		run->n_done++;
		if (why[0] != '\0')
			ma_say("%s: %s", name, why);
	} else if (status == MAILAUTH_E_UNSUPPORTED || status == MAILAUTH_E_LIMIT) {
		left_out(run, name, why[0] == '\0' ? mailauth_status_name(status) : why);
		status = MAILAUTH_OK;
	}
	return status;
}

static enum mailauth_status walk(struct run *run)
{
	struct mailauth_name cursor = {0};
	enum mailauth_status status = MAILAUTH_OK;

	while (status == MAILAUTH_OK && !signal_waits()) {
		MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;

		run->app->said = false;
		status = mailauth_user_next(run->app->ctx, &cursor, &user);
		if (status == MAILAUTH_E_CORRUPT) {
			left_out(run, cursor.text, "it is damaged");
			status = MAILAUTH_OK;
		} else if (status == MAILAUTH_OK && is_wanted(run, user)) {
			status = export_user(run, user);
		}
	}
	return status == MAILAUTH_E_NOTFOUND ? MAILAUTH_OK : status;
}

static void only_check(const char *name, size_t place, void *arg)
{
	struct run *run = arg;

	if (place == 0)
		left_out(run, name, "there is no such account");
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int export(struct run *run)
{
	int failed = run->app->cmd->exits.failed;
	enum mailauth_status status;

	if (!output_open(&run->output) || !output_open(&run->passwd))
		return failed;
	if (run->output.path == NULL)
		stdout_open();
	run->params.out = run->output.path == NULL ? stdout : run->output.file;
	run->params.second = run->passwd.file;
	status = walk(run);
	if (signal_waits())
		return failed; /* taken when the drafts are gone */
	if (status == MAILAUTH_E_TEMPFAIL && !run->app->said) {
		ma_say("%s: %s", run->output.path == NULL ? "standard output" : run->output.path,
		       strerror(errno));
		return failed;
	}
	if (status != MAILAUTH_OK)
		return ma_app_fail(run->app, status, "export");
	ma_bulk_names_each(&run->only, only_check, run);
	/* The one without secrets last: whoever waits for it finds the other. */
	if (!output_finish(&run->output) || !output_finish(&run->passwd))
		return failed;
	if (run->n_left_out == 0)
		return MA_EXIT_OK;
	ma_say("%zu of %zu accounts left out", run->n_left_out, run->n_left_out + run->n_done);
	return failed;
}

static bool is_mech(const char *name)
{
	const char *mech = mailauth_mech_name(0);

	for (size_t i = 1; mech != NULL && strcasecmp(mech, name) != 0; i++)
		mech = mailauth_mech_name(i);
	return mech != NULL;
}

static int params_parse(struct app *app, struct run *run)
{
	run->format = ma_format_find(app->operand);
	run->params.realm = ma_option(app, MA_OPTION_REALM);
	run->params.mech = ma_option(app, MA_OPTION_MECH);
	run->output.path = ma_option(app, OPTION_OUTPUT);
	run->passwd.path = ma_option(app, OPTION_PASSWD);
	run->has_only = ma_option(app, OPTION_ONLY) != NULL;
	if (run->format == NULL || run->format->put == NULL) {
		ma_say("%s format '%s'; there are:",
		       run->format == NULL ? "unknown" : "nothing can be exported to the",
		       app->operand);
		for (size_t i = 0; ma_formats[i] != NULL; i++)
			if (ma_formats[i]->put != NULL)
				(void)fprintf(stderr, "  %-10s %s\n", ma_formats[i]->name,
					      ma_formats[i]->summary);
		return MA_EXIT_USAGE;
	}
	if (run->params.mech != NULL && !is_mech(run->params.mech)) {
		ma_say("unknown mechanism '%s'", run->params.mech);
		return MA_EXIT_USAGE;
	}
	if (run->passwd.path != NULL && strcmp(run->format->name, "shadow") != 0) {
		ma_say("--passwd is for shadow, not for %s", run->format->name);
		return MA_EXIT_USAGE;
	}
	if (run->output.path != NULL || ma_option(app, OPTION_FORCE) != NULL ||
	    isatty(STDOUT_FILENO) == 0)
		return MA_EXIT_OK;
	ma_say("the secrets of all accounts do not belong on a screen: give --output FILE, or "
	       "--force");
	return MA_EXIT_USAGE;
}

static int run_export(struct app *app)
{
	struct run run = {.app = app};
	int code = params_parse(app, &run);

	if (code == MA_EXIT_OK)
		code = ma_app_open(app, 0);
	if (code != MA_EXIT_OK)
		return code;
	signals_block(SIG_BLOCK);
	if (ma_bulk_only(app->ctx, ma_option(app, OPTION_ONLY), run.params.realm, &run.only))
		code = export(&run);
	else
		code = MA_EXIT_USAGE;
	ma_bulk_names_clear(&run.only);
	output_close(&run.output);
	output_close(&run.passwd);
	stdout_wipe();
	signals_block(SIG_UNBLOCK);
	return code;
}

static const struct opt options[] = {
	{OPTION_FORCE, "force", NULL, "write to a terminal too"},
	{MA_OPTION_MECH, "mech", "MECH", "dovecot, courier: serve this one, where one has room"},
	{OPTION_ONLY, "only", "NAME...", "these accounts alone; may be given again"},
	{OPTION_OUTPUT, "output", "FILE", "write there, mode 0600, instead of standard output"},
	{OPTION_PASSWD, "passwd", "FILE", "shadow: write lines of passwd(5) there"},
	{MA_OPTION_REALM, "realm", "REALM", "write accounts of this realm without it"},
	{0},
};

const struct cmd cmd_export = {
	.name = "export",
	.alias = NULL,
	.operand = "FORMAT",
	.min_operands = 1,
	.max_operands = 1,
	.summary = "Write all accounts: json, dovecot, courier, shadow",
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
	.run = run_export,
};
