/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_files.c - owners and modes of configuration, key and store, and of their folders
 *
 * `mailuser init` makes everything as it should be; this finds what was restored, copied or
 * "repaired" otherwise. Stricter than init is good: only what others may do, and what a server that
 * reads as a member of the group may not do, is wrong.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

struct rule {
	const char *what;
	mode_t mode;	  /* as init makes it */
	mode_t forbidden; /* nobody is to have these */
	mode_t needed;	  /* for a server in the group */
	enum severity severity;
};

static const struct rule folder_rule = {"the folder", 0750, 0022, 0010, MA_FINDING_ERROR};
static const struct rule config_rule = {"the configuration", 0640, 0022, 0040, MA_FINDING_ERROR};
static const struct rule key_rule = {"the key file", 0640, 0027, 0040, MA_FINDING_ERROR};
static const struct rule store_rule = {"the store", 0640, 0027, 0040, MA_FINDING_WARNING};
static const struct rule lock_rule = {"the store's lock file", 0660, 0007, 0060,
				      MA_FINDING_WARNING};

static const struct group *group_of_store(void)
{
	return getgrnam(MA_DOCTOR_GROUP);
}

/* Is there a server that reads as a member of the group? */
static bool is_group_needed(const struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->n_servers; i++)
		if (doctor->servers[i].user != NULL && ma_server_asks(&doctor->servers[i]))
			return true;
	return false;
}

static const char *problem_of(const struct doctor *doctor, const struct rule *rule,
			      const struct stat *st)
{
	const struct group *group = group_of_store();

	if (st->st_uid != 0)
		return "does not belong to root";
	if ((st->st_mode & rule->forbidden & 0007) != 0)
		return rule->forbidden == 0022 ? "can be written by everybody"
					       : "can be accessed by everybody";
	if ((st->st_mode & rule->forbidden) != 0)
		return "can be written by its group";
	if (!is_group_needed(doctor) || group == NULL)
		return NULL;
	if (st->st_gid != group->gr_gid)
		return "does not belong to the group " MA_DOCTOR_GROUP
		       ", in which servers are that must read it";
	return (st->st_mode & rule->needed) == rule->needed
		       ? NULL
		       : "does not let its group " MA_DOCTOR_GROUP
			 " in, in which servers are that must read it";
}

/* What to look at is lstat()'s: a link in the place of the key is refused. */
static void look(struct doctor *doctor, const char *path, const struct rule *rule)
{
	bool is_folder = rule == &folder_rule;
	const char *problem;
	struct stat st;

	if (path[0] == '\0')
		return;
	if ((rule == &key_rule ? lstat(path, &st) : stat(path, &st)) != 0) {
		if (errno != ENOENT && errno != ENOTDIR)
			ma_finding_add(
				doctor, MA_FINDING_WARNING, path,
				ma_text("%s cannot be looked at: %s", rule->what, strerror(errno))
					.text,
				"run 'mailuser doctor' as root");
		return;
	}
	if (is_folder ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode)) {
		ma_finding_add(
			doctor, MA_FINDING_ERROR, path,
			ma_text("%s is no regular %s", rule->what, is_folder ? "folder" : "file")
				.text,
			ma_text("see 'ls -ld %s', remove it, and put the real one there", path)
				.text);
		return;
	}
	problem = problem_of(doctor, rule, &st);
	if (problem != NULL)
		ma_finding_add(
			doctor, rule->severity, path,
			ma_text("%s %s (mode %04o)", rule->what, problem,
				(unsigned int)st.st_mode & 07777)
				.text,
			ma_text("chown root:" MA_DOCTOR_GROUP " %s && chmod %04o %s%s", path,
				(unsigned int)rule->mode, path,
				rule == &key_rule && (st.st_mode & 0007) != 0
					? ", then mailuser rekey, for others may have read it"
					: "")
				.text);
}

static void look_folder(struct doctor *doctor, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash != NULL && slash != path)
		look(doctor, ma_text("%.*s", (int)(slash - path), path).text, &folder_rule);
}

static bool is_missing(const char *path)
{
	return access(path, F_OK) != 0 && errno == ENOENT;
}

static bool same_folder(const char *a, const char *b)
{
	size_t len = (size_t)(strrchr(a, '/') == NULL ? 0 : strrchr(a, '/') - a);

	return strncmp(a, b, len) == 0 && b[len] == '/' && strchr(b + len + 1, '/') == NULL;
}

static void run(struct doctor *doctor)
{
	struct text lock = ma_text("%s%s", doctor->store, doctor->store[0] == '\0' ? "" : "-lock");

	if (doctor->store[0] != '\0' && is_missing(doctor->key_file) && is_missing(doctor->store) &&
	    is_missing(doctor->config)) {
		doctor->is_bare = true;
		ma_finding_add(doctor, MA_FINDING_ERROR, doctor->config,
			       "there is no configuration, no key and no store", "mailuser init");
		return;
	}
	if (group_of_store() == NULL)
		ma_finding_add(doctor, MA_FINDING_ERROR, MA_DOCTOR_GROUP, "there is no such group",
			       "mailuser init");
	look_folder(doctor, doctor->config);
	look(doctor, doctor->config, &config_rule);
	if (!same_folder(doctor->config, doctor->key_file))
		look_folder(doctor, doctor->key_file);
	look(doctor, doctor->key_file, &key_rule);
	if (!same_folder(doctor->config, doctor->store) &&
	    !same_folder(doctor->key_file, doctor->store))
		look_folder(doctor, doctor->store);
	look(doctor, doctor->store, &store_rule);
	look(doctor, lock.text, &lock_rule);
}

const struct check ma_check_files = {"files", run};
