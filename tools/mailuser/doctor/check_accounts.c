/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_accounts.c - accounts that nobody can log in to
 *
 * Locked and expired ones are meant to be so.
 */
#include "doctor.h"

static void run(struct doctor *doctor)
{
	const struct survey *survey = &doctor->survey;

	ma_finding_names(doctor, MA_FINDING_WARNING, &survey->no_password, "no password is set",
			 "mailuser passwd NAME");
	ma_finding_names(doctor, MA_FINDING_WARNING, &survey->crypt_alone,
			 "holds only a crypt hash, which libsasl2 cannot check",
			 "let PAM check PLAIN, with 'pwcheck_method: auxprop saslauthd', saslauthd "
			 "-a pam and pam_mailauth(8), which then derives the rest; or mailuser "
			 "passwd NAME");
	ma_finding_names(doctor, MA_FINDING_WARNING, &survey->no_mech,
			 "can serve no mechanism that a server here offers",
			 "mailuser show NAME tells why; mailuser passwd NAME sets a new "
			 "password");
}

const struct check ma_check_accounts = {"accounts", run};
