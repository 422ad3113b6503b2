/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * support.c - what tests share
 *
 * See support.h.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mailauth/admin.h>

#define PATHS 8

static char folder[96];
static pid_t folder_owner;

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = (ssize_t)strlen(text);
	int ok;

	if (fd < 0)
		return -1;
	ok = write(fd, text, (size_t)len) == len ? 0 : -1;
	(void)close(fd);
	return ok;
}

/* The key file must be root's: become root of a namespace where this user is called that. */
static void become_root(void)
{
	char map[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	if (uid == 0)
		return;
	if (unshare(CLONE_NEWUSER) != 0 || write_text("/proc/self/setgroups", "deny") != 0)
		goto failed;
	(void)snprintf(map, sizeof(map), "0 %u 1", uid);
	if (write_text("/proc/self/uid_map", map) != 0)
		goto failed;
	(void)snprintf(map, sizeof(map), "0 %u 1", gid);
	if (write_text("/proc/self/gid_map", map) == 0)
		return;
failed:
	printf("Bail out! run the tests as root: no user namespaces here (%s)\n", strerror(errno));
	exit(1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	(void)remove(path);
	return 0;
}

static void remove_folder(void)
{
	/* Check runs each test in a child, which must not take the others' folder away. */
	if (folder[0] != '\0' && folder_owner == getpid())
		(void)nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int support_run(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int n_failed;

	become_root();
	(void)umask(022);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	n_failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return n_failed == 0 ? 0 : 1;
}

size_t support_rounds(size_t usual, size_t full)
{
	return getenv("MAILAUTH_FULL") != NULL ? full : usual;
}

const char *support_folder(void)
{
	const char *base = getenv("TMPDIR");

	if (folder[0] != '\0' && folder_owner == getpid())
		return folder;
	if (base == NULL || strlen(base) > 64)
		base = "/tmp";
	(void)snprintf(folder, sizeof(folder), "%s/mailauth-test-XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	folder_owner = getpid();
	ck_assert_int_eq(atexit(remove_folder), 0);
	return folder;
}

const char *support_path(const char *name)
{
	static char paths[PATHS][256];
	static unsigned int n;
	char *path = paths[n++ % PATHS];

	(void)snprintf(path, sizeof(paths[0]), "%s/%s", support_folder(), name);
	return path;
}

const char *support_file(const char *name, const void *content, size_t len)
{
	const char *path = support_path(name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, len), (ssize_t)len);
	ck_assert_int_eq(close(fd), 0);
	return path;
}

void support_reset(void)
{
	static const char *const names[] = {"accounts.mdb", "accounts.mdb-lock", "store.key"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)unlink(support_path(names[i]));
}

static int has_lmdb(const char *config)
{
	struct mailauth_options options = {.size = sizeof(options), .config = config};

	return mailauth_store_init(&options, (gid_t)-1) != MAILAUTH_E_UNSUPPORTED;
}

static const char *write_config(const char *store, const char *more)
{
	char text[4096];
	int n = snprintf(
		text, sizeof(text),
		"store = %s\nkey_file = %s\ndefault_realm = example.org\n%s%s%s", store,
		support_path("store.key"),
		strstr(more, "map_size") == NULL ? "map_size = 16M\n" : "",
		strstr(more, "scram_iterations") == NULL ? "scram_iterations = 4096\n" : "", more);

	ck_assert_int_lt(n, (int)sizeof(text));
	return support_file("mailauth.conf", text, (size_t)n);
}

const char *support_config(const char *more)
{
	char store[300];
	const char *config;

	(void)snprintf(store, sizeof(store), "lmdb:%s", support_path("accounts.mdb"));
	config = write_config(store, more);
	if (!has_lmdb(config)) {
		struct mailauth_options options = {.size = sizeof(options)};

		config = write_config("memory:", more);
		options.config = config;
		ck_assert_int_eq(mailauth_store_init(&options, (gid_t)-1), MAILAUTH_OK);
	}
	return config;
}

void support_log(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	struct support_log *log = arg;
	size_t used = strlen(log->text);

	if (level > log->level)
		return;
	(void)snprintf(log->event, sizeof(log->event), "%s", event);
	(void)snprintf(log->text + used, sizeof(log->text) - used, "%s\n", text);
	log->n++;
}

void support_log_clear(struct support_log *log)
{
	log->event[0] = '\0';
	log->text[0] = '\0';
	log->n = 0;
}

struct mailauth *support_open(const char *more, struct support_log *log)
{
	struct mailauth_options options = {
		.size = sizeof(options),
		.flags = MAILAUTH_OPEN_WRITE,
		.config = support_config(more),
		.log = log != NULL ? support_log : NULL,
		.log_arg = log,
		.log_level = MAILAUTH_LOG_DEBUG,
	};
	struct mailauth *ctx;

	ck_assert_int_eq(mailauth_open(&options, &ctx), MAILAUTH_OK);
	return ctx;
}

int support_is_shared(void)
{
	return access(support_path("accounts.mdb"), F_OK) == 0;
}

void support_add(struct mailauth *ctx, const char *name, const char *password)
{
	struct mailauth_user *user;

	support_status(name, mailauth_user_new(ctx, name, &user), MAILAUTH_OK);
	support_status(name, mailauth_user_set_password(user, password, strlen(password)),
		       MAILAUTH_OK);
	support_status(name, mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

void support_status(const char *what, enum mailauth_status got, enum mailauth_status want)
{
	ck_assert_msg(got == want, "%s: got %s, want %s", what, mailauth_status_name(got),
		      mailauth_status_name(want));
}

size_t support_unhex(const char *text, uint8_t *out, size_t size)
{
	size_t len = strlen(text) / 2;

	ck_assert_uint_eq(strlen(text) % 2, 0);
	ck_assert_uint_le(len, size);
	for (size_t i = 0; i < len; i++) {
		unsigned int byte;

		ck_assert_int_eq(sscanf(text + 2 * i, "%2x", &byte), 1);
		out[i] = (uint8_t)byte;
	}
	return len;
}

struct support_vectors {
	FILE *stream;
	char line[4096];
};

struct support_vectors *support_vectors_open(const char *name)
{
	struct support_vectors *vectors = calloc(1, sizeof(*vectors));
	char path[512];

	ck_assert_ptr_nonnull(vectors);
	ck_assert_ptr_nonnull(getenv("MAILAUTH_VECTORS"));
	(void)snprintf(path, sizeof(path), "%s/%s", getenv("MAILAUTH_VECTORS"), name);
	vectors->stream = fopen(path, "r");
	ck_assert_msg(vectors->stream != NULL, "%s: %s", path, strerror(errno));
	return vectors;
}

size_t support_vectors_next(struct support_vectors *vectors, const char *fields[], size_t max)
{
	size_t n = 0;
	char *rest = vectors->line;
	char *field;

	do {
		if (fgets(vectors->line, sizeof(vectors->line), vectors->stream) == NULL)
			return 0;
	} while (vectors->line[0] == '#' || vectors->line[0] == '\n');
	vectors->line[strcspn(vectors->line, "\n")] = '\0';
	while (n < max && (field = strsep(&rest, "\t")) != NULL)
		fields[n++] = field;
	return n;
}

void support_vectors_close(struct support_vectors *vectors)
{
	(void)fclose(vectors->stream);
	free(vectors);
}
