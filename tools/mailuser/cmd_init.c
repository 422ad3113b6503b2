/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * cmd_init.c - mailuser init: make what the library needs, where it is not there yet
 *
 * Group, folders, configuration, key file, store, in this order, because each belongs to or stands
 * in the one before. Whatever is there already is left as it is, so it is safe to repeat. Key and
 * store are made by the library; they have to have their final owner and mode from the start.
 *
 * Who may read what: everything belongs to root. The group may enter the folders and read, so that
 * a mail server that runs as a member of it can check passwords; nobody else gets in. Postfix needs
 * no membership: its smtpd opens the files as root before it enters its chroot.
 *
 * With --config (or MAILAUTH_CONFIG) and no such file yet, store and key go beside that file, so
 * that a second set or a trial needs one folder and nothing else. Other folders that an existing
 * configuration names are the administrator's: the library says which one is missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmd.h"

#define GROUP	      "mailauth"
#define GROUPADD      "/usr/sbin/groupadd"
#define CONFIG_FOLDER "/etc/mailauth"
#define STORE_FOLDER  "/var/lib/mailauth"

/* Where things go. */
struct places {
	bool is_default;
	bool is_new;	       /* the configuration was made just now */
	char config[PATH_MAX]; /* as the user wrote it */
	/* Where a new configuration puts them; one that was there may say otherwise. */
	char key[PATH_MAX + 16];
	char store[PATH_MAX + 16];
};

static void say_made(const char *what, const char *path)
{
	(void)printf("made:  %s %s\n", what, path);
}

static void say_there(const char *what, const char *path)
{
	(void)printf("there: %s %s\n", what, path);
}

static void say_either(bool was_there, const char *what, const char *path)
{
	if (was_there)
		say_there(what, path);
	else
		say_made(what, path);
}

/* Runs groupadd without a shell, and without the caller's environment. */
static bool groupadd_run(void)
{
	static char program[] = GROUPADD;
	static char system_option[] = "--system";
	static char group[] = GROUP;
	static char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
	char *const argv[] = {program, system_option, group, NULL};
	char *const envp[] = {path, NULL};
	pid_t pid;
	int result = 0;

	if (posix_spawn(&pid, GROUPADD, NULL, NULL, argv, envp) != 0)
		return false;
	while (waitpid(pid, &result, 0) < 0) {
		if (errno != EINTR)
			return false;
	}
	return WIFEXITED(result) && WEXITSTATUS(result) == 0;
}

static int group_make(gid_t *gid_out)
{
	const struct group *group = getgrnam(GROUP);

	if (group != NULL) {
		say_there("group", GROUP);
		*gid_out = group->gr_gid;
		return MA_EXIT_OK;
	}
	if (groupadd_run())
		group = getgrnam(GROUP);
	if (group == NULL) {
		ma_say("group '%s' cannot be made: make it with your system's own tool, then run "
		       "this again",
		       GROUP);
		return MA_EXIT_GROUP;
	}
	say_made("group", GROUP);
	*gid_out = group->gr_gid;
	return MA_EXIT_OK;
}

static bool folder_give(const char *path, gid_t gid)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	bool is_given;

	if (fd < 0)
		return false;
	is_given = fchown(fd, geteuid(), gid) == 0 && fchmod(fd, 0750) == 0;
	(void)close(fd);
	return is_given;
}

static int folder_make(const char *path, gid_t gid)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		say_there("folder", path);
		return MA_EXIT_OK;
	}
	if (mkdir(path, 0700) == 0 && folder_give(path, gid)) {
		say_made("folder", path);
		return MA_EXIT_OK;
	}
	ma_say("folder %s cannot be made: %s", path, strerror(errno));
	return MA_EXIT_FAILED;
}

static void config_print(FILE *stream, const struct places *places)
{
	const char *mark = places->is_default ? "#" : "";

	(void)fprintf(stream, "# Configuration of libmailauth; see mailauth.conf(5).\n"
			      "# Lines that begin with '#' are comments. The values in them are "
			      "the defaults.\n\n");
	(void)fprintf(stream, "# Where the accounts are, and the key that seals their secrets.\n"
			      "# Keep backups of the two apart.\n");
	(void)fprintf(stream, "%sstore = lmdb:%s\n", mark, places->store);
	(void)fprintf(stream, "%skey_file = %s\n\n", mark, places->key);
	(void)fprintf(stream, "# What goes behind the @ of a name that has none; default: the "
			      "host's full name.\n"
			      "#default_realm = mail.example.org\n\n");
	(void)fprintf(stream,
		      "# What a new password serves. Where no old client is left, leave "
		      "CRAM-MD5 and DIGEST-MD5\n"
		      "# out: what they need is cheap to guess at for somebody with store "
		      "and key. But\n"
		      "# keep one of the two where libsasl2's own PLAIN and LOGIN are used.\n"
		      "#mechanisms = PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 "
		      "SCRAM-SHA-256\n\n");
	(void)fprintf(stream, "# Realms that clients of DIGEST-MD5 may use besides the account's "
			      "own.\n"
			      "#digest_realms = mail.example.org mail\n\n"
			      "# How dear SCRAM's secrets are to guess at: 4096 to 1000000.\n"
			      "#scram_iterations = 10000\n\n");
	(void)fprintf(stream, "# How the hash of an account with PLAIN and LOGIN alone is made; "
			      "default: as libcrypt\n"
			      "# prefers.\n"
			      "#crypt_method = yescrypt\n"
			      "#crypt_cost = 0\n\n"
			      "# Make what an account lacks when its password is seen: yes or "
			      "no.\n"
			      "#capture = yes\n\n"
			      "# Keep the passwords of new accounts, sealed: yes or no.\n"
			      "#recoverable = no\n\n"
			      "# Accept passwords in clear: tls (only over TLS) or always.\n"
			      "#plaintext = tls\n\n"
			      "# How long to wait for a store that is busy.\n"
			      "#store_timeout = 5 s\n\n"
			      "# Largest size of the store; address space, not memory.\n"
			      "#map_size = 64G\n");
}

static bool config_write(int fd, const struct places *places, gid_t gid)
{
	FILE *stream = fdopen(fd, "w");
	bool is_written;

	if (stream == NULL) {
		(void)close(fd);
		return false;
	}
	config_print(stream, places);
	is_written = fflush(stream) == 0 && fchown(fd, geteuid(), gid) == 0 &&
		     fchmod(fd, 0640) == 0 && fsync(fd) == 0;
	return fclose(stream) == 0 && is_written;
}

/* The name of a file is durable once its folder is. */
static bool folder_sync(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX] = ".";
	int fd;
	bool is_synced;

	if (slash != NULL)
		(void)snprintf(folder, sizeof(folder), "%.*s",
			       slash == path ? 1 : (int)(slash - path), path);
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	is_synced = fd >= 0 && fsync(fd) == 0;
	if (fd >= 0)
		(void)close(fd);
	return is_synced;
}

/* Written beside, because half a file, or an empty one, would count as "there" the next time. */
static bool config_write_beside(const struct places *places, gid_t gid)
{
	char beside[PATH_MAX + 8];
	int fd;
	int error = 0;

	(void)snprintf(beside, sizeof(beside), "%s.XXXXXX", places->config);
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return false;
	if (!config_write(fd, places, gid) || link(beside, places->config) != 0)
		error = errno;
	(void)unlink(beside);
	errno = error;
	return error == 0;
}

static int config_make(struct places *places, gid_t gid)
{
	const char *path = places->config;
	struct stat st;

	if (lstat(path, &st) == 0) {
		say_there("configuration", path);
		return MA_EXIT_OK;
	}
	if (config_write_beside(places, gid) && folder_sync(path)) {
		places->is_new = true;
		say_made("configuration", path);
		return MA_EXIT_OK;
	}
	if (errno == EEXIST) { /* another init was faster */
		say_there("configuration", path);
		return MA_EXIT_OK;
	}
	ma_say("configuration %s cannot be written: %s", path, strerror(errno));
	return MA_EXIT_FAILED;
}

static void places_set(struct places *places, const char *key_folder, const char *store_folder)
{
	(void)snprintf(places->key, sizeof(places->key), "%s/store.key", key_folder);
	(void)snprintf(places->store, sizeof(places->store), "%s/accounts.mdb", store_folder);
}

/* Makes the folder of a configuration that is not in the default place. */
static int places_make_beside(gid_t gid, struct places *places)
{
	const char *slash = strrchr(places->config, '/');
	char folder[PATH_MAX] = ".";
	char real[PATH_MAX];
	int code;

	if (slash != NULL)
		(void)snprintf(folder, sizeof(folder), "%.*s",
			       slash == places->config ? 1 : (int)(slash - places->config),
			       places->config);
	code = folder_make(folder, gid);
	if (code != MA_EXIT_OK)
		return code;
	/* Key and store need absolute paths. */
	if (realpath(folder, real) == NULL) {
		ma_say("folder %s cannot be resolved: %s", folder, strerror(errno));
		return MA_EXIT_FAILED;
	}
	places_set(places, real, real);
	return MA_EXIT_OK;
}

static int places_make(const struct app *app, gid_t gid, struct places *places)
{
	const char *config = app->config == NULL ? CONFIG_FOLDER "/mailauth.conf" : app->config;
	size_t len = strlen(config);
	int code;

	*places = (struct places){.is_default = app->config == NULL};
	if (len >= sizeof(places->config) || config[len - 1] == '/') {
		ma_say("'%s' cannot be the name of a configuration file", config);
		return MA_EXIT_FAILED;
	}
	memcpy(places->config, config, len + 1);
	if (!places->is_default)
		return places_make_beside(gid, places);
	places_set(places, CONFIG_FOLDER, STORE_FOLDER);
	code = folder_make(CONFIG_FOLDER, gid);
	return code == MA_EXIT_OK ? folder_make(STORE_FOLDER, gid) : code;
}

static int store_make(struct app *app, gid_t gid, const struct places *places)
{
	struct mailauth_options options = ma_app_options(app, MAILAUTH_OPEN_WRITE);
	bool had_key = access(places->key, F_OK) == 0;
	bool had_store = access(places->store, F_OK) == 0;
	enum mailauth_status status;

	options.config = places->config;
	status = mailauth_store_init(&options, gid);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, places->config);
	if (places->is_new) {
		say_either(had_key, "key file", places->key);
		say_either(had_store, "store", places->store);
	}
	(void)printf("ready: key file and store of %s\n", places->config);
	return MA_EXIT_OK;
}

static int run(struct app *app)
{
	struct places places;
	gid_t gid = (gid_t)-1;
	int code;

	if (geteuid() != 0) {
		ma_say("init makes files that belong to root: run it as root, for instance with "
		       "sudo");
		return app->cmd->exits.denied;
	}
	code = group_make(&gid);
	if (code == MA_EXIT_OK)
		code = places_make(app, gid, &places);
	if (code == MA_EXIT_OK)
		code = config_make(&places, gid);
	return code == MA_EXIT_OK ? store_make(app, gid, &places) : code;
}

static const struct opt options_none[] = {
	{0},
};

const struct cmd cmd_init = {
	.name = "init",
	.alias = NULL,
	.summary = "Make group, folders, configuration, key file and store",
	.options = options_none,
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
