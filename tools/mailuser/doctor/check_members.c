/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_members.c - who is in the group that may read key and store
 *
 * Exim and Cyrus open the store as their own users, which have to be in the group. Postfix and
 * Sendmail open it as root; a user of theirs in the group gives away more than it has to.
 */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"

static bool is_member(const char *user, const struct group *group)
{
	const struct passwd *entry = getpwnam(user);

	if (entry != NULL && entry->pw_gid == group->gr_gid)
		return true;
	for (char *const *member = group->gr_mem; *member != NULL; member++)
		if (strcmp(*member, user) == 0)
			return true;
	return false;
}

static void look(struct doctor *doctor, const struct server *server)
{
	const struct group *group = getgrnam(MA_DOCTOR_GROUP);

	if (group == NULL || server->user == NULL || !ma_server_asks(server))
		return;
	if (getpwnam(server->user) == NULL)
		ma_finding_add(doctor, MA_FINDING_WARNING, server->user,
			       ma_text("there is no such user, as whom %s would open the store",
				       server->name)
				       .text,
			       ma_text("put the user that %s runs as into the group: usermod -a "
				       "-G " MA_DOCTOR_GROUP " USER",
				       server->name)
				       .text);
	else if (!is_member(server->user, group))
		ma_finding_add(doctor, MA_FINDING_ERROR, server->user,
			       ma_text("is not in the group " MA_DOCTOR_GROUP
				       ", so %s cannot read key and store",
				       server->name)
				       .text,
			       ma_text("usermod -a -G " MA_DOCTOR_GROUP " %s && %s", server->user,
				       server->restart)
				       .text);
}

static void run(struct doctor *doctor)
{
	static const char *const needless[] = {"postfix", "smmsp", "smmta"};
	const struct group *group = getgrnam(MA_DOCTOR_GROUP);

	for (size_t i = 0; i < doctor->n_servers; i++)
		look(doctor, &doctor->servers[i]);
	for (size_t i = 0; group != NULL && i < sizeof(needless) / sizeof(needless[0]); i++)
		if (is_member(needless[i], group))
			ma_finding_add(doctor, MA_FINDING_INFO, needless[i],
				       "is in the group " MA_DOCTOR_GROUP
				       " without need: its server opens key and store as root",
				       ma_text("gpasswd -d %s " MA_DOCTOR_GROUP, needless[i]).text);
}

const struct check ma_check_members = {"members", run};
