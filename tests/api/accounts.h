/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * accounts.h - accounts in every state, and what is common to the tests that log in to them
 *
 * Included by the tests beside it, each of which is a program of its own. Every password contains
 * SECRET, which no log line may.
 */
#ifndef MA_TESTS_API_ACCOUNTS_H
#define MA_TESTS_API_ACCOUNTS_H

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "support.h"

#define SECRET "Zx81"
#define RIGHT  "right " SECRET
#define WRONG  "wrong " SECRET
#define ALICE  "alice@example.org"

static const struct mailauth_request over_tls = {
	.size = sizeof(over_tls),
	.flags = MAILAUTH_REQUEST_TLS,
};
static const struct mailauth_request smtp_only = {
	.size = sizeof(smtp_only),
	.flags = MAILAUTH_REQUEST_TLS,
	.group = "smtp",
};
static const struct mailauth_request no_group = {
	.size = sizeof(no_group),
	.flags = MAILAUTH_REQUEST_TLS,
	.group = "",
};
static const struct mailauth_request two_groups = {
	.size = sizeof(two_groups),
	.flags = MAILAUTH_REQUEST_TLS,
	.group = "imap,smtp",
};
static const struct mailauth_request other_realm = {
	.size = sizeof(other_realm),
	.flags = MAILAUTH_REQUEST_TLS,
	.realm = "Other.test",
};

static inline int64_t today(void)
{
	return (int64_t)time(NULL) / 86400;
}

/* @days is added to today, but for a number that is no day. */
static const struct account {
	const char *name;
	enum mailauth_number number;
	int64_t days;
	bool absolute;
	int64_t max;
	int64_t inactive;
} accounts[] = {
	{"alice", MAILAUTH_NUMBER_UID, 5000, true, -1, -1},
	{"locked", MAILAUTH_NUMBER_LOCKED, 1, true, -1, -1},
	{"expired-yesterday", MAILAUTH_NUMBER_EXPIRE, -1, false, -1, -1},
	{"expires-today", MAILAUTH_NUMBER_EXPIRE, 0, false, -1, -1},
	{"expires-soon", MAILAUTH_NUMBER_EXPIRE, 2, false, -1, -1},
	{"must-change", MAILAUTH_NUMBER_LAST_CHANGE, 0, true, -1, -1},
	{"past-max", MAILAUTH_NUMBER_LAST_CHANGE, -11, false, 10, -1},
	{"past-max-grace", MAILAUTH_NUMBER_LAST_CHANGE, -11, false, 10, 5},
	{"past-inactive", MAILAUTH_NUMBER_LAST_CHANGE, -16, false, 10, 5},
	{"within-max", MAILAUTH_NUMBER_LAST_CHANGE, -8, false, 10, 0},
	{"clock-back", MAILAUTH_NUMBER_LAST_CHANGE, 400, false, 10, 0},
};

static inline void set_number(struct mailauth_user *user, enum mailauth_number which, int64_t value)
{
	support_status(mailauth_user_name(user), mailauth_user_set_number(user, which, value),
		       MAILAUTH_OK);
}

static inline void add_account(struct mailauth *ctx, const struct account *account)
{
	struct mailauth_user *user;
	int64_t value = account->days + (account->absolute ? 0 : today());

	support_status(account->name, mailauth_user_new(ctx, account->name, &user), MAILAUTH_OK);
	support_status(account->name, mailauth_user_set_password(user, RIGHT, strlen(RIGHT)),
		       MAILAUTH_OK);
	support_status(account->name,
		       mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, "imap,smtp"),
		       MAILAUTH_OK);
	set_number(user, account->number, value);
	set_number(user, MAILAUTH_NUMBER_MAX, account->max);
	set_number(user, MAILAUTH_NUMBER_INACTIVE, account->inactive);
	support_status(account->name, mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

static inline void add_special(struct mailauth *ctx)
{
	struct mailauth_user *user;

	support_add(ctx, "groupless", RIGHT);
	support_add(ctx, "alice@other.test", "other " SECRET);
	support_status("empty", mailauth_user_new(ctx, "empty", &user), MAILAUTH_OK);
	support_status("empty", mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
	support_status("crypt", mailauth_user_new(ctx, "crypt", &user), MAILAUTH_OK);
	support_status("crypt", mailauth_user_set_text(user, MAILAUTH_TEXT_MECHS, "PLAIN"),
		       MAILAUTH_OK);
	support_status("crypt", mailauth_user_set_password(user, RIGHT, strlen(RIGHT)),
		       MAILAUTH_OK);
	support_status("crypt", mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

/* A cheap crypt(3) method, because nothing here measures it. */
static const char cheap_crypt[] = "crypt_method = sha512crypt\ncrypt_cost = 1000\n";

static inline struct mailauth *open_with_accounts(const char *more, struct support_log *log)
{
	char config[512];
	struct mailauth *ctx;

	(void)snprintf(config, sizeof(config), "%s%s", cheap_crypt, more);
	ctx = support_open(config, log);
	for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++)
		add_account(ctx, &accounts[i]);
	add_special(ctx);
	if (log != NULL)
		support_log_clear(log);
	return ctx;
}

static inline void hmac_md5(const char *password, const void *message, size_t len, char hex_out[33])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_len = 0;

	ck_assert_ptr_nonnull(HMAC(EVP_md5(), password, (int)strlen(password), message, len, digest,
				   &digest_len));
	ck_assert_uint_eq(digest_len, 16);
	for (size_t i = 0; i < digest_len; i++)
		(void)snprintf(hex_out + 2 * i, 3, "%02x", digest[i]);
}

/* One line, with the reason (NULL: "ok") and without a password. */
static inline void check_log(const char *name, const struct support_log *log, const char *reason)
{
	char want[64];
	const char *result = reason == NULL ? "result=ok " : "result=denied ";

	(void)snprintf(want, sizeof(want), " reason=%s ", reason != NULL ? reason : "ok");
	ck_assert_msg(log->n == 1, "%s: got %u log lines, want 1: %s", name, log->n, log->text);
	ck_assert_msg(strcmp(log->event, "login") == 0, "%s: got event %s, want login", name,
		      log->event);
	ck_assert_msg(strncmp(log->text, result, strlen(result)) == 0,
		      "%s: got \"%s\", want \"%s\"", name, log->text, result);
	ck_assert_msg(strstr(log->text, want) != NULL, "%s: got \"%s\", want \"%s\"", name,
		      log->text, want);
	ck_assert_msg(strstr(log->text, SECRET) == NULL, "%s: the log tells the password: %s", name,
		      log->text);
}

#endif
