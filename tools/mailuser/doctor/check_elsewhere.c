/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_elsewhere.c - accounts whose name means something else to the mail system
 */
#include "doctor.h"

static void run(struct doctor *doctor)
{
	ma_finding_names(doctor, MA_FINDING_WARNING, &doctor->survey.unix_users,
			 "is also a Unix user in /etc/passwd, with another uid: mail may go there",
			 "rename one of the two, or give the account the user's uid: mailuser mod "
			 "-u UID NAME");
	ma_finding_names(doctor, MA_FINDING_WARNING, &doctor->survey.aliases,
			 "is also an alias: mail may go elsewhere",
			 "take the name out of /etc/aliases and run newaliases, or rename the "
			 "account: mailuser mod -l NEW NAME");
}

const struct check ma_check_elsewhere = {"elsewhere", run};
