/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mechs.c - which mechanisms there are, and who brings them
 *
 * libsasl2 has one plugin for each family of mechanisms. What it offers is therefore what lies in
 * its folder of plugins; the table names the files of Cyrus SASL 2.1.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "doctor.h"

static const struct {
	const char *file;
	const char *mechs;
} plugins[] = {
	{"libplain.so", "PLAIN"},
	{"liblogin.so", "LOGIN"},
	{"libcrammd5.so", "CRAM-MD5"},
	{"libdigestmd5.so", "DIGEST-MD5"},
	{"libscram.so", "SCRAM-SHA-1 SCRAM-SHA-224 SCRAM-SHA-256 SCRAM-SHA-384 SCRAM-SHA-512"},
	{"libntlm.so", "NTLM"},
	{"libotp.so", "OTP"},
	{"libanonymous.so", "ANONYMOUS"},
};

struct text ma_mechs_base(const char *mech)
{
	struct text base = ma_text("%s", mech);
	size_t len = strlen(base.text);

	if (len > 5 && strcasecmp(base.text + len - 5, "-PLUS") == 0)
		base.text[len - 5] = '\0';
	return base;
}

bool ma_mechs_known(const char *mech)
{
	for (size_t i = 0; i < mailauth_mech_count(); i++)
		if (strcasecmp(mailauth_mech_name(i), mech) == 0)
			return true;
	return false;
}

bool ma_mechs_foreign(const char *mech)
{
	return ma_word_in("EXTERNAL GSSAPI GSS-SPNEGO GS2-KRB5 GS2-IAKERB KERBEROS_V4 OAUTHBEARER "
			  "XOAUTH2 SRP PASSDSS-3DES-1",
			  mech);
}

static bool has_file(const char *folder, const char *file)
{
	return folder[0] != '\0' && access(ma_text("%s/%s", folder, file).text, F_OK) == 0;
}

bool ma_mechs_installed(const char *folder, const char *mech)
{
	const struct text base = ma_mechs_base(mech);

	for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++)
		if (ma_word_in(plugins[i].mechs, base.text))
			return has_file(folder, plugins[i].file);
	return false;
}

struct text ma_mechs_all(const char *folder)
{
	struct text all = {""};

	for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++)
		if (has_file(folder, plugins[i].file))
			all = ma_text("%s%s%s", all.text, all.text[0] == '\0' ? "" : " ",
				      plugins[i].mechs);
	return all;
}
