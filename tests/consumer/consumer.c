/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * consumer.c - a program of somebody else's, built against the installed library
 *
 * scripts/test compiles it with what pkg-config says and nothing else, and runs it. It makes a key
 * file and a store in a folder of its own, adds an account and checks a right and a wrong password.
 */
#define _DEFAULT_SOURCE /* mkdtemp */

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>
#include <mailauth/verifier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PASSWORD "Wonder-1and"

static void on_log(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	(void)arg;
	printf("  log: level=%d event=%s %s\n", (int)level, event, text);
}

/* Stop the program with a line that says what was expected. */
static void want(const char *what, enum mailauth_status got, enum mailauth_status wanted)
{
	printf("%s: %s\n", what, mailauth_status_name(got));
	if (got == wanted)
		return;
	printf("expected %s\n", mailauth_status_name(wanted));
	exit(1);
}

static enum mailauth_status verify(struct mailauth *ctx, const char *password,
				   struct mailauth_name *name_out)
{
	struct mailauth_request request = {
		.size = sizeof(request), .flags = MAILAUTH_REQUEST_TLS, .service = "consumer"};

	return mailauth_verify_plain(ctx, &request, "Alice", strlen("Alice"), password,
				     strlen(password), name_out);
}

int main(void)
{
	char dir[] = "/tmp/mailauth-consumer.XXXXXX", config[64], key[64], store[64], lock[80];
	struct mailauth_options options = {.size = sizeof(options),
					   .flags = MAILAUTH_OPEN_WRITE,
					   .config = config,
					   .log = on_log,
					   .log_level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = NULL;
	struct mailauth_user *user = NULL;
	struct mailauth_name name;
	FILE *f;

	if (!mkdtemp(dir)) {
		perror(dir);
		return 1;
	}
	(void)snprintf(config, sizeof(config), "%s/conf", dir);
	(void)snprintf(key, sizeof(key), "%s/key", dir);
	(void)snprintf(store, sizeof(store), "%s/accounts.mdb", dir);
	(void)snprintf(lock, sizeof(lock), "%s-lock", store);
	f = fopen(config, "w");
	if (!f) {
		perror(config);
		return 1;
	}
	fprintf(f, "store = lmdb:%s\nkey_file = %s\ndefault_realm = example.org\n", store, key);
	fclose(f);

	printf("libmailauth %s\n", mailauth_version());
	want("store_init", mailauth_store_init(&options, (gid_t)-1), MAILAUTH_OK);
	want("open", mailauth_open(&options, &ctx), MAILAUTH_OK);
	want("user_new", mailauth_user_new(ctx, "alice", &user), MAILAUTH_OK);
	want("set_password", mailauth_user_set_password(user, PASSWORD, strlen(PASSWORD)),
	     MAILAUTH_OK);
	want("user_add", mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);

	want("right password", verify(ctx, PASSWORD, &name), MAILAUTH_OK);
	if (strcmp(name.text, "alice@example.org") != 0) {
		printf("expected alice@example.org, got %s\n", name.text);
		return 1;
	}
	want("wrong password", verify(ctx, "wrong", &name), MAILAUTH_E_DENIED);
	mailauth_free(&ctx);
	unlink(lock);
	unlink(store);
	unlink(key);
	unlink(config);
	rmdir(dir);
	return 0;
}
