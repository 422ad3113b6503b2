/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_plugin.c - is the Cyrus SASL plugin where libsasl2 looks, and does it load?
 *
 * It is loaded in a child, which has nothing to lose. A plugin that somebody other than root can
 * write is not loaded at all. A second copy elsewhere is what an installation under another prefix
 * leaves behind; it is a problem if the two differ, for one of them is old.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"

#define FILE_NAME    "libsasl_mailauth.so"
#define LOAD_SECONDS 10

static const char *const others[] = {
	"/usr/lib/sasl2",	"/usr/lib/*/sasl2",	  "/usr/lib64/sasl2",
	"/usr/local/lib/sasl2", "/usr/local/lib/*/sasl2", "/usr/local/lib64/sasl2",
};

/* In the child: what dlopen() has to say, to the pipe. */
static void try_load(const char *path, int fd)
{
	const char *why = "";
	void *plugin;

	(void)alarm(LOAD_SECONDS);
	plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (plugin == NULL)
		why = dlerror();
	if (plugin != NULL && dlsym(plugin, "sasl_auxprop_plug_init") == NULL)
		why = "it is no plugin of libsasl2: sasl_auxprop_plug_init is missing";
	if (write(fd, why, strlen(why)) < 0)
		_exit(1);
	_exit(why[0] == '\0' ? 0 : 1);
}

/* Empty: it loads. */
static struct text load_error(const char *path)
{
	struct text why = {""};
	size_t len = 0;
	ssize_t n;
	int ends[2];
	int result = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return why;
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0)
		try_load(path, ends[1]);
	(void)close(ends[1]);
	while (pid > 0 && len < sizeof(why.text) - 1) {
		n = read(ends[0], why.text + len, sizeof(why.text) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	(void)close(ends[0]);
	if (pid > 0 && waitpid(pid, &result, 0) == pid && result != 0 && len == 0)
		why = ma_text("%s", "it dies while it is loaded");
	return why;
}

/* Two files that both can be read and are not the same. */
static bool differ(const char *a, const char *b)
{
	struct stat st_a;
	struct stat st_b;
	char *text_a = NULL;
	char *text_b = NULL;
	bool result = false;

	if (stat(a, &st_a) != 0 || stat(b, &st_b) != 0 ||
	    (st_a.st_dev == st_b.st_dev && st_a.st_ino == st_b.st_ino))
		return false;
	if (st_a.st_size != st_b.st_size)
		return true;
	if (ma_foreign_read(a, &text_a) == MA_FOREIGN_READ &&
	    ma_foreign_read(b, &text_b) == MA_FOREIGN_READ)
		result = memcmp(text_a, text_b, (size_t)st_a.st_size) != 0;
	free(text_a);
	free(text_b);
	return result;
}

/* The next copy that is not the one at @path, counted from 0; empty: no more. */
static struct text other_copy(const char *path, size_t index)
{
	struct text copy = {""};

	for (size_t i = 0; copy.text[0] == '\0' && i < sizeof(others) / sizeof(others[0]); i++) {
		glob_t found = {0};

		if (glob(ma_text("%s/" FILE_NAME, others[i]).text, 0, NULL, &found) == 0)
			for (size_t j = 0; j < found.gl_pathc; j++)
				if (strcmp(found.gl_pathv[j], path) != 0 && index-- == 0)
					copy = ma_text("%s", found.gl_pathv[j]);
		globfree(&found);
	}
	return copy;
}

static void look_stale(struct doctor *doctor, const char *path)
{
	struct text other = other_copy(path, 0);

	for (size_t i = 1; other.text[0] != '\0'; other = other_copy(path, i++))
		if (differ(path, other.text))
			ma_finding_add(doctor, MA_FINDING_WARNING, other.text,
				       ma_text("is another version of the plugin than %s, which is "
					       "the one that libsasl2 loads",
					       path)
					       .text,
				       ma_text("see which is newer with 'ls -l %s %s', and remove "
					       "the other",
					       path, other.text)
					       .text);
}

static void look_missing(struct doctor *doctor, const char *path)
{
	struct text other = other_copy(path, 0);

	if (other.text[0] != '\0')
		ma_finding_add(doctor, MA_FINDING_ERROR, other.text,
			       "the plugin is here, where libsasl2 does not look",
			       ma_text("ln -s %s %s; or build with -Dsasl_plugin_dir=%s",
				       other.text, path, doctor->plugins)
				       .text);
	else
		ma_finding_add(doctor, MA_FINDING_ERROR, path, "the plugin for libsasl2 is missing",
			       ma_text("install it: meson setup -Dsasl=enabled "
				       "-Dsasl_plugin_dir=%s BUILD && meson install -C BUILD",
				       doctor->plugins)
				       .text);
}

static void look_at(struct doctor *doctor, const char *path, const struct stat *st)
{
	struct text why;

	if (!S_ISREG(st->st_mode) || st->st_uid != 0 || (st->st_mode & 0022) != 0) {
		ma_finding_add(doctor, MA_FINDING_ERROR, path,
			       "somebody other than root can write the plugin, which runs in every "
			       "server",
			       ma_text("install it anew, then chown root:root %s && chmod 0644 %s",
				       path, path)
				       .text);
		return;
	}
	why = load_error(path);
	if (why.text[0] != '\0')
		ma_finding_add(doctor, MA_FINDING_ERROR, path,
			       ma_text("the plugin does not load: %s", why.text).text,
			       "run ldconfig; if that is not enough, install it anew");
	look_stale(doctor, path);
}

static bool is_plugin_needed(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->n_servers; i++)
		if (ma_server_asks(&doctor->servers[i]))
			return true;
	return false;
}

static void run(struct doctor *doctor)
{
	struct text path = ma_text("%s/" FILE_NAME, doctor->plugins);
	struct stat st;

	if (doctor->plugins[0] == '\0') {
		if (is_plugin_needed(doctor))
			ma_finding_add(doctor, MA_FINDING_ERROR, "libsasl2.so.2",
				       "libsasl2 is not installed, but servers are set up for it",
				       "apt-get install libsasl2-2 libsasl2-modules");
		return;
	}
	if (stat(path.text, &st) == 0)
		look_at(doctor, path.text, &st);
	else if (is_plugin_needed(doctor))
		look_missing(doctor, path.text);
}

const struct check ma_check_plugin = {"plugin", run};
