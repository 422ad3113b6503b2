/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * writer.c - a program that changes a store through the library, to be disturbed
 *
 * writer CONFIG FIRST LAST [SNAPSHOTS]: makes changes FIRST to LAST - 1, each in its turn one of
 * the kinds below, and ends with 0 if all were acknowledged, else with 1; what the library logs
 * goes to standard error. With SNAPSHOTS, a folder, the accounts as they are after each change go
 * into a file there, and a mark into the record.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mailauth/admin.h>

#include "fault/fault.h"

static const char *config;
static struct mailauth *ctx;

static void say(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	(void)arg;
	(void)level;
	(void)fprintf(stderr, "%s: %s\n", event, text);
}

static struct mailauth_options options(void)
{
	return (struct mailauth_options){
		.size = sizeof(struct mailauth_options),
		.flags = MAILAUTH_OPEN_WRITE,
		.config = config,
		.log = say,
		.log_level = MAILAUTH_LOG_WARN,
	};
}

static enum mailauth_status init(unsigned int n)
{
	struct mailauth_options with = options();

	(void)n;
	return mailauth_store_init(&with, (gid_t)-1);
}

static enum mailauth_status set_number(struct mailauth_user *user, void *arg)
{
	const unsigned int *n = arg;
	char text[32];
	enum mailauth_status status;

	(void)snprintf(text, sizeof(text), "%u", *n);
	status = mailauth_user_set_text(user, MAILAUTH_TEXT_COMMENT, text);
	return status == MAILAUTH_OK ? mailauth_user_set_password(user, text, strlen(text))
				     : status;
}

static const char *name_of(const char *kind, unsigned int n)
{
	static char name[32];

	(void)snprintf(name, sizeof(name), "%s%u", kind, n);
	return name;
}

static enum mailauth_status add(unsigned int n)
{
	struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_new(ctx, name_of("one", n), &user);

	if (status == MAILAUTH_OK)
		status = set_number(user, &n);
	if (status == MAILAUTH_OK)
		status = mailauth_user_add(user);
	mailauth_user_free(&user);
	return status;
}

/* Sixty accounts at once, most of them new; so large that more than one page splits. */
static enum mailauth_status batch(unsigned int n)
{
	struct mailauth_batch *batch = NULL;
	enum mailauth_status status = mailauth_batch_new(ctx, &batch);

	for (unsigned int i = 0; status == MAILAUTH_OK && i < 60; i++) {
		struct mailauth_user *user = NULL;

		status = mailauth_user_new(ctx, name_of("many", n * 60 + i), &user);
		if (status == MAILAUTH_OK)
			status = set_number(user, &n);
		if (status == MAILAUTH_OK)
			status = mailauth_batch_put(batch, user);
		mailauth_user_free(&user);
	}
	if (status == MAILAUTH_OK)
		status = mailauth_batch_commit(batch, NULL);
	mailauth_batch_free(&batch);
	return status;
}

/* Of the account that the last add() made; each cycle has the same order of kinds. */
static enum mailauth_status update(unsigned int n)
{
	return mailauth_user_update(ctx, name_of("one", n - n % CYCLE + 1), set_number, &n);
}

static enum mailauth_status edit_name(struct mailauth_user *user, void *arg)
{
	return mailauth_user_rename(user, arg);
}

static enum mailauth_status rename_one(unsigned int n)
{
	char other[32];

	(void)snprintf(other, sizeof(other), "other%u", n);
	return mailauth_user_update(ctx, name_of("one", n - n % CYCLE + 1), edit_name, other);
}

/* An account that has a string of crypt(3) alone ... */
static enum mailauth_status add_old(unsigned int n)
{
	struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_new(ctx, name_of("old", n), &user);

	if (status == MAILAUTH_OK)
		status = mailauth_user_set_text(user, MAILAUTH_TEXT_COMMENT, "secret");
	if (status == MAILAUTH_OK)
		status = mailauth_user_set_crypt(user, "$1$abcdefgh$" SECRET_MD5);
	if (status == MAILAUTH_OK)
		status = mailauth_user_add(user);
	mailauth_user_free(&user);
	return status;
}

/* ... logs in, which must succeed whether or not what it lacked can be written. */
static enum mailauth_status capture(unsigned int n)
{
	const char *name = name_of("old", n - 1);
	struct mailauth_user *user = NULL;
	enum mailauth_status status =
		mailauth_verify_plain(ctx, &fault_request, name, strlen(name), "secret", 6, NULL);

	if (status != MAILAUTH_OK) {
		(void)fprintf(stderr, "a login was refused with %s\n",
			      mailauth_status_name(status));
		exit(LOGIN_REFUSED);
	}
	status = mailauth_user_get(ctx, name, &user);
	if (status == MAILAUTH_OK && !mailauth_user_can(user, "CRAM-MD5", NULL))
		status = MAILAUTH_E_TEMPFAIL;
	mailauth_user_free(&user);
	return status;
}

static enum mailauth_status del(unsigned int n)
{
	return mailauth_user_del(ctx, name_of("many", (n - n % CYCLE + 2) * 60 + 7));
}

static enum mailauth_status rekey(enum mailauth_rekey step)
{
	struct mailauth_options with = options();
	enum mailauth_status status = mailauth_store_rekey(&with, step, NULL);

	/* A program has the keys that were there when it began. */
	mailauth_free(&ctx);
	return status == MAILAUTH_OK ? mailauth_open(&with, &ctx) : status;
}

static enum mailauth_status rekey_prepare(unsigned int n)
{
	(void)n;
	return rekey(MAILAUTH_REKEY_PREPARE);
}

static enum mailauth_status rekey_seal(unsigned int n)
{
	(void)n;
	return rekey(MAILAUTH_REKEY_SEAL);
}

static enum mailauth_status rekey_prune(unsigned int n)
{
	(void)n;
	return rekey(MAILAUTH_REKEY_PRUNE);
}

static enum mailauth_status (*const kinds[CYCLE])(unsigned int n) = {
	init,	 add, batch,	     update,	 rename_one,  add_old,
	capture, del, rekey_prepare, rekey_seal, rekey_prune, add,
};

static void snapshot(const char *folder, unsigned int n)
{
	char path[256];
	struct mailauth_options with = options();
	char *text;
	FILE *file;

	with.flags = 0;
	text = fault_dump(&with);
	(void)snprintf(path, sizeof(path), "%s/%u", folder, n + 1);
	file = fopen(path, "we");
	if (text == NULL || file == NULL || fputs(text, file) < 0 || fclose(file) != 0)
		exit(NOT_MADE);
	free(text);
	fault_mark(n + 1);
}

int main(int argc, char **argv)
{
	struct mailauth_options with;
	unsigned int last;

	if (argc < 4)
		return NOT_MADE;
	config = argv[1];
	last = (unsigned int)strtoul(argv[3], NULL, 10);
	with = options();
	for (unsigned int n = (unsigned int)strtoul(argv[2], NULL, 10); n < last; n++) {
		enum mailauth_status status = MAILAUTH_OK;

		if (ctx == NULL && n > 0)
			status = mailauth_open(&with, &ctx);
		if (status == MAILAUTH_OK)
			status = kinds[n % CYCLE](n);
		if (status == MAILAUTH_OK && ctx == NULL)
			status = mailauth_open(&with, &ctx);
		if (status != MAILAUTH_OK) {
			(void)fprintf(stderr, "change %u: %s\n", n, mailauth_status_name(status));
			mailauth_free(&ctx);
			return 1;
		}
		if (argc > 4)
			snapshot(argv[4], n);
	}
	mailauth_free(&ctx);
	return 0;
}
