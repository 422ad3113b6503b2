/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * accounts.c - a store that is the same again for each play of a scenario
 *
 * See accounts.h.
 */
#include "accounts.h"

#include <check.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heap.h"
#include "support.h"
#include "sweep.h"

#define TEXT_MAX 65536

static const struct mailauth_binding binding = {"tls-exporter", "0123456789abcdef", 16};
const struct mailauth_request accounts_request = {
	.size = sizeof(accounts_request),
	.flags = MAILAUTH_REQUEST_TLS,
	.service = "imap",
	.peer = "192.0.2.1",
	.realm = "example.org",
	.host = "mail.example.org",
	.bindings = &binding,
	.n_bindings = 1,
};

/* Cheap methods, because nothing here measures them. */
static const char config[] = "mechanisms = PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 "
			     "SCRAM-SHA-256 SCRAM-SHA-512\n"
			     "crypt_method = sha512crypt\ncrypt_cost = 1000\n"
			     "scram_iterations = 4096\ndigest_realms = other.test\n"
			     "map_size = 1M\n";

static bool is_spoilt;

/* Every line is made, as for an administrator who wants to know all. */
static void read_log(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	bool was_inside = heap_pause();

	(void)arg;
	(void)level;
	ck_assert_uint_gt(strlen(event), 0);
	ck_assert_ptr_null(strstr(text, "Zx81"));
	heap_resume(was_inside);
}

const struct mailauth_options *accounts_options(void)
{
	static struct mailauth_options options = {
		.size = sizeof(options),
		.flags = MAILAUTH_OPEN_WRITE,
		.log = read_log,
		.log_level = MAILAUTH_LOG_DEBUG,
	};
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s", support_path("mailauth.conf"));
	options.config = path;
	return &options;
}

bool accounts_prepare(void)
{
	/* One process: what one test called is known to the next. A disk would take its time to
	 * make each change durable, which is not what this is about. */
	return setenv("CK_FORK", "no", 1) == 0 &&
	       (access("/dev/shm", W_OK) != 0 || setenv("TMPDIR", "/dev/shm", 1) == 0);
}

/* ---- the store ---- */

static void copy_file(const char *from, const char *to)
{
	char buffer[16384];
	int in = open(support_path(from), O_RDONLY | O_CLOEXEC);
	int out = open(support_path(to), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n;

	ck_assert_int_ge(in, 0);
	ck_assert_int_ge(out, 0);
	for (n = read(in, buffer, sizeof(buffer)); n > 0; n = read(in, buffer, sizeof(buffer)))
		ck_assert_int_eq(write(out, buffer, (size_t)n), n);
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(close(in), 0);
	ck_assert_int_eq(close(out), 0);
}

static void add(struct mailauth *ctx, const char *name, const char *mechs)
{
	struct mailauth_user *user = NULL;

	support_status(name, mailauth_user_new(ctx, name, &user), MAILAUTH_OK);
	support_status(name, mailauth_user_set_text(user, MAILAUTH_TEXT_MECHS, mechs), MAILAUTH_OK);
	support_status(name, mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, "imap,smtp"),
		       MAILAUTH_OK);
	support_status(
		name, mailauth_user_set_number(user, MAILAUTH_NUMBER_RECOVERABLE, mechs[0] == '\0'),
		MAILAUTH_OK);
	support_status(
		name,
		mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, strcmp(name, "locked") == 0),
		MAILAUTH_OK);
	support_status(name, mailauth_user_set_password(user, RIGHT, strlen(RIGHT)), MAILAUTH_OK);
	/* What was derived is for these alone; what is to be captured is for all. */
	support_status(name, mailauth_user_set_text(user, MAILAUTH_TEXT_MECHS, ""), MAILAUTH_OK);
	support_status(name, mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

void accounts_make(void)
{
	struct mailauth *ctx;

	support_reset();
	(void)support_config(config);
	support_status("open", mailauth_open(accounts_options(), &ctx), MAILAUTH_OK);
	add(ctx, "alice", "");
	add(ctx, "crypt", "PLAIN");
	add(ctx, "gone", "CRAM-MD5");
	add(ctx, "locked", "CRAM-MD5");
	mailauth_free(&ctx);
	copy_file("accounts.mdb", "accounts.copy");
	copy_file("store.key", "key.copy");
	is_spoilt = false;
}

enum mailauth_status accounts_copy(const char *name)
{
	char url[300];
	struct mailauth *ctx = accounts_open();
	enum mailauth_status status;

	(void)snprintf(url, sizeof(url), "lmdb:%s", support_path(name));
	status = mailauth_store_copy(ctx, url, (gid_t)-1, NULL);
	mailauth_free(&ctx);
	return status;
}

void accounts_restore(void)
{
	if (!is_spoilt)
		return;
	support_reset();
	copy_file("accounts.copy", "accounts.mdb");
	copy_file("key.copy", "store.key");
	is_spoilt = false;
}

void accounts_spoil(void)
{
	is_spoilt = true;
}

enum mailauth_status accounts_verify(struct mailauth *ctx, const char *name, const char *password)
{
	struct mailauth_name found = {"?"};
	enum mailauth_status status = mailauth_verify_plain(
		ctx, &accounts_request, name, strlen(name), password, strlen(password), &found);

	ck_assert_msg((found.text[0] != '\0') == (status == MAILAUTH_OK),
		      "%s: a name without success, or none with it", name);
	return status;
}

void accounts_warm_up(struct mailauth *ctx)
{
	support_status("warm up", accounts_verify(ctx, "alice", RIGHT), MAILAUTH_OK);
}

struct mailauth *accounts_open(void)
{
	struct mailauth *ctx;

	accounts_restore();
	support_status("open", mailauth_open(accounts_options(), &ctx), MAILAUTH_OK);
	accounts_warm_up(ctx);
	return ctx;
}

/* ---- what is in it ---- */

struct text {
	char *p;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->p + text->len, TEXT_MAX - text->len, format, args);
	va_end(args);
	ck_assert_int_ge(n, 0);
	text->len += (size_t)n;
	ck_assert_uint_lt(text->len, TEXT_MAX);
}

static void put_user(struct text *text, const struct mailauth_user *user)
{
	char secret[MAILAUTH_SECRET_TEXT_MAX];

	put(text, "%s:", mailauth_user_name(user));
	for (int i = MAILAUTH_NUMBER_UID; i <= MAILAUTH_NUMBER_MODIFIED; i++)
		put(text, " %lld", (long long)mailauth_user_number(user, (enum mailauth_number)i));
	for (int i = MAILAUTH_TEXT_COMMENT; i <= MAILAUTH_TEXT_MECHS; i++)
		put(text, " \"%s\"", mailauth_user_text(user, (enum mailauth_text)i));
	for (size_t i = 0; mailauth_user_secret(user, i) != NULL; i++)
		for (size_t part = 0;
		     mailauth_user_secret_text(user, i, part, secret) == MAILAUTH_OK; part++)
			put(text, " %s=%s", mailauth_user_secret(user, i), secret);
	put(text, "\n");
}

const char *accounts_text(struct mailauth *ctx)
{
	static char texts[2][TEXT_MAX];
	static unsigned int n;
	struct text text = {.p = texts[n++ % 2]};
	struct mailauth_name cursor = {""};
	struct mailauth_user *user = NULL;
	enum mailauth_status status = mailauth_user_next(ctx, &cursor, &user);

	text.p[0] = '\0';
	while (status == MAILAUTH_OK) {
		put_user(&text, user);
		mailauth_user_free(&user);
		status = mailauth_user_next(ctx, &cursor, &user);
	}
	support_status("the end", status, MAILAUTH_E_NOTFOUND);
	return text.p;
}

bool accounts_went_well(const char *what, enum mailauth_status status, bool failing)
{
	if (status == MAILAUTH_OK)
		return true;
	sweep_relent();
	if (!failing || (status != MAILAUTH_E_NOMEM && status != MAILAUTH_E_TEMPFAIL &&
			 status != MAILAUTH_E_INTERNAL && status != MAILAUTH_E_CONFIG)) {
		heap_print_failure();
		ck_abort_msg("%s: got %s", what, mailauth_status_name(status));
	}
	return false;
}
