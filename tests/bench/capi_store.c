/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capi_store.c - the store that is measured
 *
 * Accounts that serve every mechanism, put through the library as a program would put them, in
 * batches. To derive the secrets of ten million would take a day, so one account's are taken over
 * by all, salts too, as in an import; DIGEST-MD5's have the name in them and are made for each. A
 * login cannot tell: each record is sealed by itself, under a nonce of its own.
 *
 * The names go in in order, as from a sorted list, since at random each batch would rewrite most
 * pages of a large store. Its pages are fuller for that, five accounts in each and not three or
 * four, but the tree is as high as it would be, and who logs in is chosen at random among all.
 */
#include <sys/stat.h>

#include "capi.h"
#include "util/codec.h"
#include "util/mem.h"

#define BATCH	    100000
#define SECRETS_MAX 16

struct secret {
	char kind[32];
	char text[MAILAUTH_SECRET_TEXT_MAX];
};

static struct secret secrets[SECRETS_MAX]; /* of all accounts */
static size_t n_secrets;

static void log_to_stderr(void *arg, enum mailauth_log_level level, const char *event,
			  const char *text)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "bench_capi: %s: %s\n", event, text);
}

static void path_in(const char *folder, const char *name, char out[512])
{
	(void)snprintf(out, 512, "%s/%s", folder, name);
}

static struct mailauth *open_context(const char *folder, unsigned int flags)
{
	char path[512];
	struct mailauth *ctx;
	struct mailauth_options options = {
		.size = sizeof(options),
		.flags = flags,
		.config = path,
		.log = log_to_stderr,
		.log_level = MAILAUTH_LOG_WARN,
	};

	path_in(folder, "mailauth.conf", path);
	if (flags != 0)
		need(mailauth_store_init(&options, (gid_t)-1) == MAILAUTH_OK, "making a store");
	need(mailauth_open(&options, &ctx) == MAILAUTH_OK, "opening the store");
	return ctx;
}

struct mailauth *store_open(const char *folder)
{
	return open_context(folder, 0);
}

static void write_config(const char *folder, size_t n)
{
	char path[512];
	FILE *file;

	path_in(folder, "mailauth.conf", path);
	file = fopen(path, "w");
	need(file != NULL, path);
	fprintf(file, "store = lmdb:%s/accounts.mdb\nkey_file = %s/store.key\n", folder, folder);
	fprintf(file, "default_realm = " REALM "\nmap_size = %zuM\n", 64 + n / 400);
	/* All of them; APOP needs the password itself. */
	fprintf(file, "recoverable = yes\nmechanisms = PLAIN LOGIN CRAM-MD5 DIGEST-MD5 APOP "
		      "SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512\n");
	need(fclose(file) == 0, path);
}

size_t store_name(size_t i, char out[64])
{
	return (size_t)snprintf(out, 64, "user%07zu@" REALM, i);
}

/* The secrets that every account gets, from one that is not stored. */
static void derive_secrets(struct mailauth *ctx)
{
	struct mailauth_user *user;
	const char *kind;

	need(mailauth_user_new(ctx, "template", &user) == MAILAUTH_OK &&
		     mailauth_user_set_password(user, bench_passwords[0],
						strlen(bench_passwords[0])) == MAILAUTH_OK,
	     "deriving secrets");
	for (size_t i = 0; (kind = mailauth_user_secret(user, i)) != NULL; i++) {
		struct secret *secret = &secrets[n_secrets];

		if (strcmp(kind, "digest-md5") == 0)
			continue;
		(void)snprintf(secret->kind, sizeof(secret->kind), "%s", kind);
		need(mailauth_user_secret_text(user, i, 0, secret->text) == MAILAUTH_OK,
		     "a secret as text");
		n_secrets++;
	}
	mailauth_user_free(&user);
}

/* As the library derives it: for both forms of the name, with and without the realm. */
static void put_digests(struct mailauth_user *user, const char *name)
{
	static const char *const realms[] = {REALM, ""};
	const char *at = strchr(name, '@');

	for (size_t i = 0; i < 4; i++) {
		int len = (int)(i % 2 == 0 ? (size_t)(at - name) : strlen(name));
		char text[256];
		char hex[2 * MA_MD5_LEN + 1];
		uint8_t digest[MA_MD5_LEN];
		struct ma_buf out = ma_buf_fixed(hex, sizeof(hex));
		struct ma_span span;
		int n = snprintf(text, sizeof(text), "%.*s:%s:%s", len, name, realms[i / 2],
				 bench_passwords[0]);

		span = ma_span(text, (size_t)n);
		ma_md5(&span, 1, digest);
		ma_hex_encode(ma_span(digest, sizeof(digest)), &out);
		(void)snprintf(text, sizeof(text), "%.*s:%s:%s", len, name, realms[i / 2],
			       ma_buf_text(&out));
		need(mailauth_user_put_secret(user, "digest-md5", text) == MAILAUTH_OK,
		     "a hash of DIGEST-MD5");
	}
}

static void put_account(struct mailauth *ctx, struct mailauth_batch *batch, size_t i)
{
	struct mailauth_user *user;
	char name[64];
	char home[128];

	(void)store_name(i, name);
	(void)snprintf(home, sizeof(home), "/var/vmail/" REALM "/user%07zu", i);
	need(mailauth_user_new(ctx, name, &user) == MAILAUTH_OK, name);
	need(mailauth_user_set_text(user, MAILAUTH_TEXT_HOME, home) == MAILAUTH_OK &&
		     mailauth_user_set_text(user, MAILAUTH_TEXT_GROUPS, "imap,smtp") ==
			     MAILAUTH_OK &&
		     mailauth_user_set_number(user, MAILAUTH_NUMBER_LAST_CHANGE, 20000) ==
			     MAILAUTH_OK,
	     "an attribute");
	for (size_t k = 0; k < n_secrets; k++)
		need(mailauth_user_put_secret(user, secrets[k].kind, secrets[k].text) ==
			     MAILAUTH_OK,
		     secrets[k].kind);
	put_digests(user, name);
	need(mailauth_batch_put(batch, user) == MAILAUTH_OK, "putting an account");
	mailauth_user_free(&user);
}

static void print_store(const char *folder, size_t n, double seconds)
{
	char path[512];
	struct stat st;

	path_in(folder, "accounts.mdb", path);
	need(stat(path, &st) == 0, path);
	printf("{\"group\":\"capi\",\"case\":\"store\",\"accounts\":%zu,\"what\":\"on disk\","
	       "\"unit\":\"bytes/account\",\"ours\":%.0f}\n",
	       n, (double)st.st_size / (double)n);
	printf("{\"group\":\"capi\",\"case\":\"store\",\"accounts\":%zu,\"what\":\"filling\","
	       "\"unit\":\"accounts/s\",\"ours\":%.0f}\n",
	       n, (double)n / seconds);
	(void)fflush(stdout);
}

void store_make(const char *folder, size_t n)
{
	struct mailauth_batch *batch;
	struct mailauth *ctx;
	uint64_t start = now_ns();

	write_config(folder, n);
	ctx = open_context(folder, MAILAUTH_OPEN_WRITE);
	derive_secrets(ctx);
	need(mailauth_batch_new(ctx, &batch) == MAILAUTH_OK, "a batch");
	for (size_t i = 0; i < n; i++) {
		put_account(ctx, batch, i);
		if (i + 1 < n && (i + 1) % BATCH != 0)
			continue;
		need(mailauth_batch_commit(batch, NULL) == MAILAUTH_OK, "a commit");
		fprintf(stderr, "bench_capi: %zu of %zu accounts made\n", i + 1, n);
	}
	mailauth_batch_free(&batch);
	mailauth_free(&ctx);
	print_store(folder, n, (double)(now_ns() - start) / 1e9);
}
