/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * users.h - what the tests of admin.h share
 *
 * Included by the tests beside it, each of which is a program of its own. A call here fails the
 * test where the library fails.
 */
#ifndef MA_TESTS_API_USERS_H
#define MA_TESTS_API_USERS_H

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "support.h"

static const struct mailauth_request over_tls = {
	.size = sizeof(over_tls),
	.flags = MAILAUTH_REQUEST_TLS,
};

/* A cheap crypt(3) method, because nothing here measures it. */
static const char cheap_crypt[] = "crypt_method = sha512crypt\ncrypt_cost = 1000\n";

static inline int64_t today(void)
{
	return (int64_t)time(NULL) / 86400;
}

static inline struct mailauth_user *new_user(struct mailauth *ctx, const char *name)
{
	struct mailauth_user *user;

	support_status(name, mailauth_user_new(ctx, name, &user), MAILAUTH_OK);
	return user;
}

static inline struct mailauth_user *get_user(struct mailauth *ctx, const char *name)
{
	struct mailauth_user *user;

	support_status(name, mailauth_user_get(ctx, name, &user), MAILAUTH_OK);
	return user;
}

static inline void set_text(struct mailauth_user *user, enum mailauth_text which, const char *text)
{
	support_status(text, mailauth_user_set_text(user, which, text), MAILAUTH_OK);
}

static inline void set_number(struct mailauth_user *user, enum mailauth_number which, int64_t value)
{
	support_status(mailauth_user_name(user), mailauth_user_set_number(user, which, value),
		       MAILAUTH_OK);
}

static inline enum mailauth_status set_password(struct mailauth_user *user, const char *password)
{
	return mailauth_user_set_password(user, password, strlen(password));
}

static inline enum mailauth_status login(struct mailauth *ctx, const char *name,
					 const char *password)
{
	return mailauth_verify_plain(ctx, &over_tls, name, strlen(name), password, strlen(password),
				     NULL);
}

static inline struct mailauth *open_as(unsigned int flags, struct support_log *log)
{
	struct mailauth_options options = {
		.size = sizeof(options),
		.flags = flags,
		.config = support_path("mailauth.conf"),
		.log = log != NULL ? support_log : NULL,
		.log_arg = log,
		.log_level = MAILAUTH_LOG_DEBUG,
	};
	struct mailauth *ctx;

	support_status("open", mailauth_open(&options, &ctx), MAILAUTH_OK);
	return ctx;
}

/* `password` of crypt(5)'s methods; made with crypt(3). */
#define SHA512                                                                                     \
	"$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/"                                  \
	"jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
#define MD5CRYPT    "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/"

/* What an empty list of mechanisms derives. */
#define ALL_SECRETS "cram-md5 digest-md5 scram-sha-1 scram-sha-256 sasl-plain"

static inline void check_secrets(const char *name, const struct mailauth_user *user,
				 const char *want)
{
	char got[128] = "";

	for (size_t i = 0; mailauth_user_secret(user, i) != NULL; i++)
		(void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s",
			       i > 0 ? " " : "", mailauth_user_secret(user, i));
	ck_assert_msg(strcmp(got, want) == 0, "%s: got \"%s\", want \"%s\"", name, got, want);
}

static inline enum mailauth_status clear_secrets(struct mailauth_user *user, void *arg)
{
	(void)arg;
	mailauth_user_clear_secrets(user);
	return MAILAUTH_OK;
}

#endif
