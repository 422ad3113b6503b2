/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * defaults.c - what a new account has where no option says otherwise
 *
 * The file has the form of /etc/default/useradd: KEY=value, without quotes or spaces; everything
 * else in it is a comment. It is written as a new file that takes the place of the old one, so an
 * interruption leaves one of the two.
 *
 * It decides which folders root makes and removes, so a file that anybody else may write to is not
 * used.
 */
#include "defaults.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "attributes.h"
#include "day.h"
#include "parse.h"
#include "path.h"

#define CONFIG_FILE "/etc/mailauth/mailauth.conf"
#define FILE_NAME   "useradd"

static const struct defaults built_in = {
	.group = -1,
	.home = MA_DEFAULT_HOME,
	.inactive = -1,
	.shell = MA_DEFAULT_SHELL,
};

/* The keys in the order of useradd -D. */
enum key { KEY_GROUP, KEY_HOME, KEY_INACTIVE, KEY_EXPIRE, KEY_SHELL, KEY_SKEL, N_KEYS };

static const char *const keys[N_KEYS] = {"GROUP", "HOME", "INACTIVE", "EXPIRE", "SHELL", "SKEL"};

/* Beside the configuration file; false after a message. */
static bool path_make(const struct app *app, const char *suffix, char path_out[PATH_MAX])
{
	const char *config = app->config == NULL ? CONFIG_FILE : app->config;
	const char *slash = strrchr(config, '/');
	int folder_len = slash == NULL ? 0 : (int)(slash - config + 1);
	size_t n = (size_t)snprintf(path_out, PATH_MAX, "%.*s" FILE_NAME "%s", folder_len, config,
				    suffix);

	if (n < PATH_MAX)
		return true;
	ma_say("the name of the configuration file is too long");
	return false;
}

/* Which key a line is about, and its value; N_KEYS: none. */
static enum key line_split(const char *line, const char **value_out)
{
	for (int i = 0; i < N_KEYS; i++) {
		size_t len = strlen(keys[i]);

		if (strncmp(line, keys[i], len) == 0 && line[len] == '=') {
			*value_out = line + len + 1;
			return (enum key)i;
		}
	}
	return N_KEYS;
}

static bool text_set(char field[MAILAUTH_TEXT_MAX + 1], const char *text)
{
	size_t len = strlen(text);

	if (len > MAILAUTH_TEXT_MAX)
		return false;
	memcpy(field, text, len + 1);
	return true;
}

bool ma_defaults_set_home(struct defaults *defaults, const char *text)
{
	if (!ma_path_is_usable(text) || ma_path_is_system(text) || strpbrk(text, ":\n") != NULL)
		return false;
	return text_set(defaults->home, text);
}

static bool path_set(char field[MAILAUTH_TEXT_MAX + 1], const char *text)
{
	return (text[0] == '\0' || text[0] == '/') && strpbrk(text, ":\n") == NULL &&
	       text_set(field, text);
}

bool ma_defaults_set_shell(struct defaults *defaults, const char *text)
{
	return path_set(defaults->shell, text);
}

/* What it means may be another day each day. */
bool ma_defaults_set_expire(struct defaults *defaults, const char *text)
{
	return strchr(text, '\n') == NULL && text_set(defaults->expire, text);
}

static bool group_set(struct defaults *defaults, const char *text)
{
	int64_t gid = -1;

	if (text[0] != '\0' && !ma_parse_gid(text, &gid))
		return false;
	defaults->group = gid;
	return true;
}

static bool inactive_set(struct defaults *defaults, const char *text)
{
	int64_t days;

	if (!ma_parse_long(text, -1, MA_DAYS_MAX, &days))
		return false;
	defaults->inactive = days;
	return true;
}

static bool value_set(struct defaults *defaults, enum key key, const char *text)
{
	switch (key) {
	case KEY_GROUP:
		return group_set(defaults, text);
	case KEY_HOME:
		return ma_defaults_set_home(defaults, text);
	case KEY_INACTIVE:
		return inactive_set(defaults, text);
	case KEY_EXPIRE:
		return ma_defaults_set_expire(defaults, text);
	case KEY_SHELL:
		return ma_defaults_set_shell(defaults, text);
	default: /* KEY_SKEL */
		return path_set(defaults->skeleton, text);
	}
}

/* The file, if there is one and it can be trusted; *ok_out is false after a message. */
static FILE *file_open(const char *path, bool *ok_out)
{
	FILE *file = fopen(path, "re");
	struct stat st;

	*ok_out = file != NULL || errno == ENOENT;
	if (!*ok_out)
		ma_say("cannot read the defaults in %s: %s", path, strerror(errno));
	if (file == NULL)
		return NULL;
	if (fstat(fileno(file), &st) == 0 && (st.st_uid == 0 || st.st_uid == geteuid()) &&
	    (st.st_mode & (S_IWGRP | S_IWOTH)) == 0)
		return file;
	ma_say("others than root may write to the defaults in %s: chown root and chmod 0644 it",
	       path);
	(void)fclose(file);
	*ok_out = false;
	return NULL;
}

bool ma_defaults_read(const struct app *app, struct defaults *defaults_out)
{
	char path[PATH_MAX];
	char *line = NULL;
	size_t size = 0;
	FILE *file;
	bool ok;

	*defaults_out = built_in;
	if (!path_make(app, "", path))
		return false;
	file = file_open(path, &ok);
	if (file == NULL)
		return ok;
	while (getline(&line, &size, file) >= 0) {
		const char *value = NULL;
		enum key key;

		line[strcspn(line, "\n")] = '\0';
		key = line_split(line, &value);
		if (key == N_KEYS || value_set(defaults_out, key, value))
			continue;
		ma_say("warning: the %s= configuration in %s will be ignored: '%s' is not usable",
		       keys[key], path, value);
		defaults_out->is_home_doubtful = defaults_out->is_home_doubtful || key == KEY_HOME;
	}
	ok = ferror(file) == 0;
	if (!ok)
		ma_say("cannot read the defaults in %s: %s", path, strerror(errno));
	free(line);
	(void)fclose(file);
	return ok;
}

static void value_print(const struct defaults *defaults, enum key key, FILE *file)
{
	const char *texts[N_KEYS] = {
		[KEY_HOME] = defaults->home,
		[KEY_EXPIRE] = defaults->expire,
		[KEY_SHELL] = defaults->shell,
		[KEY_SKEL] = defaults->skeleton,
	};

	if (key == KEY_INACTIVE)
		(void)fprintf(file, "%s=%lld\n", keys[key], (long long)defaults->inactive);
	else if (key == KEY_GROUP && defaults->group >= 0)
		(void)fprintf(file, "%s=%lld\n", keys[key], (long long)defaults->group);
	else
		(void)fprintf(file, "%s=%s\n", keys[key], texts[key] == NULL ? "" : texts[key]);
}

void ma_defaults_print(const struct defaults *defaults)
{
	for (int i = 0; i < N_KEYS; i++)
		value_print(defaults, (enum key)i, stdout);
}

/* Each key once, where it stood or at the end; comments as they were. */
static bool file_copy(const char *path, const struct defaults *defaults, FILE *out)
{
	bool done[N_KEYS + 1] = {false};
	char *line = NULL;
	size_t size = 0;
	bool ok;
	FILE *in = file_open(path, &ok);

	if (!ok)
		return false;
	if (in == NULL)
		(void)fprintf(out, "# Defaults of mailuser add; see mailuser-add(8)\n");
	while (in != NULL && getline(&line, &size, in) >= 0) {
		const char *value;
		enum key key = line_split(line, &value);

		if (key == N_KEYS)
			(void)fprintf(out, "%.*s\n", (int)strcspn(line, "\n"), line);
		else if (!done[key])
			value_print(defaults, key, out);
		done[key] = true;
	}
	for (int i = 0; i < N_KEYS; i++) {
		if (!done[i])
			value_print(defaults, (enum key)i, out);
	}
	ok = in == NULL || ferror(in) == 0;
	free(line);
	if (in != NULL)
		(void)fclose(in);
	return ok;
}

static bool file_fill(const char *path, const struct defaults *defaults, int fd)
{
	FILE *out = fdopen(fd, "w");
	bool ok;

	if (out == NULL) {
		(void)close(fd);
		return false;
	}
	ok = file_copy(path, defaults, out) && fflush(out) == 0 && ferror(out) == 0 &&
	     fchmod(fd, 0644) == 0 && fsync(fd) == 0;
	return fclose(out) == 0 && ok;
}

bool ma_defaults_write(const struct app *app, const struct defaults *defaults)
{
	char path[PATH_MAX];
	char fresh[PATH_MAX];
	int fd;

	if (!path_make(app, "", path) || !path_make(app, ".XXXXXX", fresh))
		return false;
	fd = mkostemp(fresh, O_CLOEXEC);
	if (fd >= 0 && file_fill(path, defaults, fd) && rename(fresh, path) == 0)
		return true;
	ma_say("the defaults in %s cannot be written: %s", path, strerror(errno));
	if (fd >= 0)
		(void)unlink(fresh);
	return false;
}

void ma_defaults_home(const char *base, const char *name, char home_out[MAILAUTH_TEXT_MAX + 1])
{
	const char *at = strchr(name, '@');
	size_t base_len = strlen(base);
	size_t n;

	home_out[0] = '\0';
	if (at == NULL)
		return;
	while (base_len > 1 && base[base_len - 1] == '/')
		base_len--;
	n = (size_t)snprintf(home_out, MAILAUTH_TEXT_MAX + 1, "%.*s/%s/%.*s", (int)base_len, base,
			     at + 1, (int)(at - name), name);
	if (n > MAILAUTH_TEXT_MAX)
		home_out[0] = '\0';
}
