/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_host.c - a guest in somebody else's process
 *
 * This program runs with an OpenSSL configuration that loads no default provider and asks for
 * fips=yes, as a hardened host may: MD5 cannot be fetched here, before and after. The library must
 * work all the same and leave the process as it found it. Also here: how a context is opened.
 */
#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>
#include <mailauth/verifier.h>

#include "support.h"
#include "users.h"

extern char **environ;

/* Before anything asks OpenSSL for an algorithm: it reads its configuration once. */
static void use_hardened_openssl(void)
{
	static const char config[] = "openssl_conf = init\n"
				     "[init]\n"
				     "providers = providers\n"
				     "alg_section = algorithms\n"
				     "[providers]\n"
				     "base = base\n"
				     "[base]\n"
				     "activate = 1\n"
				     "[algorithms]\n"
				     "default_properties = fips=yes\n";

	(void)setenv("OPENSSL_CONF", support_file("openssl.cnf", config, strlen(config)), 1);
}

static void ignore(void *arg, enum mailauth_verifier kind, const void *p, size_t len)
{
	(void)arg;
	(void)kind;
	(void)p;
	(void)len;
}

/* All that the library can do, from the opening to the end. */
static void use_everything(void)
{
	static const char challenge[] = "<1896.697170952@postoffice.reston.mci.net>";
	static const char response[] = "tim b913a602c7eda7a495b4e6e7334d3890";
	struct mailauth *ctx = support_open(cheap_crypt, NULL);
	struct mailauth_session *session;
	struct mailauth_user *user;
	struct mailauth_name cursor = {""};
	const void *reply;
	size_t reply_len;

	support_add(ctx, "tim", "tanstaaftanstaaf");
	user = new_user(ctx, "tom");
	set_text(user, MAILAUTH_TEXT_MECHS, "PLAIN");
	support_status("crypt", set_password(user, "secret"), MAILAUTH_OK);
	support_status("crypt", mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
	support_status("crypt", login(ctx, "tom", "secret"), MAILAUTH_OK);
	support_status("plain", login(ctx, "tim", "tanstaaftanstaaf"), MAILAUTH_OK);
	support_status("wrong", login(ctx, "tim", "secret"), MAILAUTH_E_DENIED);
	support_status("cram",
		       mailauth_verify_cram(ctx, NULL, challenge, strlen(challenge), response,
					    strlen(response), NULL),
		       MAILAUTH_OK);
	support_status("session", mailauth_session_new(ctx, "CRAM-MD5", NULL, &session),
		       MAILAUTH_OK);
	support_status("step", mailauth_session_step(session, NULL, 0, &reply, &reply_len),
		       MAILAUTH_CONTINUE);
	mailauth_session_free(&session);
	support_status("verifier", mailauth_verifier_get(ctx, NULL, "tim", 3, 7, ignore, NULL),
		       MAILAUTH_OK);
	support_status("next", mailauth_user_next(ctx, &cursor, &user), MAILAUTH_OK);
	mailauth_user_free(&user);
	support_status("update", mailauth_user_update(ctx, "tim", clear_secrets, NULL),
		       MAILAUTH_OK);
	support_status("delete", mailauth_user_del(ctx, "tim"), MAILAUTH_OK);
	mailauth_free(&ctx);
}

/* ---- OpenSSL ------------------------------------------------------------------------------ */

struct openssl_state {
	bool fips;
	bool has_md5;
	bool has_sha256;
	bool has_gcm;
	char providers[256];
};

static int note_provider(OSSL_PROVIDER *provider, void *arg)
{
	char *names = arg;
	size_t used = strlen(names);

	(void)snprintf(names + used, 256 - used, "%s ", OSSL_PROVIDER_get0_name(provider));
	return 1;
}

static bool can_fetch_digest(const char *name)
{
	EVP_MD *md = EVP_MD_fetch(NULL, name, NULL);

	EVP_MD_free(md);
	return md != NULL;
}

static struct openssl_state look_at_openssl(void)
{
	struct openssl_state state = {.fips = EVP_default_properties_is_fips_enabled(NULL) == 1};
	EVP_CIPHER *gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);

	state.has_gcm = gcm != NULL;
	EVP_CIPHER_free(gcm);
	state.has_md5 = can_fetch_digest("MD5");
	state.has_sha256 = can_fetch_digest("SHA256");
	ck_assert_int_eq(OSSL_PROVIDER_do_all(NULL, note_provider, state.providers), 1);
	return state;
}

START_TEST(works_where_openssl_has_no_md5_and_leaves_it_so)
{
	struct openssl_state before = look_at_openssl();
	struct openssl_state after;

	ck_assert_msg(before.fips && !before.has_md5, "this host's OpenSSL is not hardened");
	ck_assert_str_eq(before.providers, "base ");
	use_everything();
	after = look_at_openssl();
	ck_assert_int_eq(after.fips, before.fips);
	ck_assert_int_eq(after.has_md5, before.has_md5);
	ck_assert_int_eq(after.has_sha256, before.has_sha256);
	ck_assert_int_eq(after.has_gcm, before.has_gcm);
	ck_assert_str_eq(after.providers, before.providers);
}
END_TEST

START_TEST(leaves_openssl_alone_while_it_is_open)
{
	struct mailauth *ctx = support_open("", NULL);
	struct openssl_state state;

	support_add(ctx, "alice", "secret");
	support_status("login", login(ctx, "alice", "secret"), MAILAUTH_OK);
	state = look_at_openssl();
	ck_assert(state.fips && !state.has_md5);
	ck_assert_str_eq(state.providers, "base ");
	mailauth_free(&ctx);
}
END_TEST

/* ---- the process --------------------------------------------------------------------------- */

struct process_state {
	struct sigaction actions[NSIG];
	sigset_t mask;
	mode_t umask;
	char locale[64];
	char environment[8192];
	char folder[256];
	int n_descriptors;
	int n_threads;
};

static int count_entries(const char *path)
{
	DIR *folder = opendir(path);
	int n = 0;

	ck_assert_ptr_nonnull(folder);
	while (readdir(folder) != NULL)
		n++;
	ck_assert_int_eq(closedir(folder), 0);
	return n;
}

static void look_at_process(struct process_state *state)
{
	size_t used = 0;

	memset(state, 0, sizeof(*state));
	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, NULL, &state->actions[i]);
	ck_assert_int_eq(sigprocmask(SIG_SETMASK, NULL, &state->mask), 0);
	state->umask = umask(0);
	(void)umask(state->umask);
	(void)snprintf(state->locale, sizeof(state->locale), "%s", setlocale(LC_ALL, NULL));
	for (size_t i = 0; environ[i] != NULL && used < sizeof(state->environment); i++)
		used += (size_t)snprintf(state->environment + used,
					 sizeof(state->environment) - used, "%s\n", environ[i]);
	ck_assert_ptr_nonnull(getcwd(state->folder, sizeof(state->folder)));
	state->n_descriptors = count_entries("/proc/self/fd");
	state->n_threads = count_entries("/proc/self/task");
}

START_TEST(leaves_the_process_as_it_was)
{
	static struct process_state before;
	static struct process_state after;

	look_at_process(&before);
	for (int i = 0; i < 3; i++) {
		support_reset();
		use_everything();
	}
	look_at_process(&after);
	/* The store's guard has a handler for faults, which passes on those of others. */
	for (int i = 1; i < NSIG; i++)
		ck_assert_msg(
			(support_is_shared() && (i == SIGBUS || i == SIGSEGV || i == SIGFPE)) ||
				(before.actions[i].sa_handler == after.actions[i].sa_handler &&
				 before.actions[i].sa_flags == after.actions[i].sa_flags),
			"the handler of signal %d was changed", i);
	ck_assert_mem_eq(&before.mask, &after.mask, sizeof(before.mask));
	ck_assert_uint_eq(before.umask, after.umask);
	ck_assert_str_eq(before.locale, after.locale);
	ck_assert_str_eq(before.environment, after.environment);
	ck_assert_str_eq(before.folder, after.folder);
	ck_assert_int_eq(before.n_descriptors, after.n_descriptors);
	ck_assert_int_eq(before.n_threads, after.n_threads);
}
END_TEST

START_TEST(failed_open_leaves_no_descriptor)
{
	static const char *const configs[] = {
		"key_file = /nonexistent/store.key\n", "unknown = 1\n",
		"store = lmdb:/nonexistent/accounts.mdb\n", "store = sqlite:/x\n"};
	int before = count_entries("/proc/self/fd");

	for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++) {
		struct mailauth_options options = {.size = sizeof(options)};
		struct mailauth *ctx;

		options.config = support_file("bad.conf", configs[i], strlen(configs[i]));
		ck_assert_int_lt(mailauth_open(&options, &ctx), 0);
		ck_assert_ptr_null(ctx);
	}
	ck_assert_int_eq(count_entries("/proc/self/fd"), before);
}
END_TEST

/* No program that the host starts inherits the store. */
START_TEST(descriptors_are_closed_on_exec)
{
	struct mailauth *ctx = support_open("", NULL);

	support_add(ctx, "alice", "secret");
	support_status("login", login(ctx, "alice", "secret"), MAILAUTH_OK);
	for (int fd = 3; fd < 256; fd++) {
		char link[64];
		char target[256] = "";
		int flags = fcntl(fd, F_GETFD);

		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		if (flags < 0 || readlink(link, target, sizeof(target) - 1) < 0 ||
		    strncmp(target, support_folder(), strlen(support_folder())) != 0)
			continue;
		ck_assert_msg((flags & FD_CLOEXEC) != 0, "%s would be inherited", target);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(child_goes_on_after_fork)
{
	struct mailauth *ctx = support_open("", NULL);
	char answer = 'x';
	int ends[2];
	pid_t child;

	support_add(ctx, "alice", "secret");
	support_status("parent", login(ctx, "alice", "secret"), MAILAUTH_OK);
	ck_assert_int_eq(pipe(ends), 0);
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0) {
		bool ok = login(ctx, "alice", "secret") == MAILAUTH_OK &&
			  login(ctx, "alice", "wrong") == MAILAUTH_E_DENIED;

		_exit(write(ends[1], ok ? "+" : "-", 1) == 1 ? 0 : 1);
	}
	support_status("beside the child", login(ctx, "alice", "secret"), MAILAUTH_OK);
	ck_assert_int_eq(close(ends[1]), 0);
	ck_assert_int_eq(read(ends[0], &answer, 1), 1);
	ck_assert_int_eq(answer, '+');
	ck_assert_int_eq(close(ends[0]), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	support_status("after the child", login(ctx, "alice", "secret"), MAILAUTH_OK);
	mailauth_free(&ctx);
}
END_TEST

/* ---- options -------------------------------------------------------------------------------- */

START_TEST(environment_names_the_configuration)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_options options = {.size = sizeof(options)};

	support_add(ctx, "alice", "secret");
	if (support_is_shared()) {
		mailauth_free(&ctx);
		ck_assert_int_eq(setenv("MAILAUTH_CONFIG", support_path("mailauth.conf"), 1), 0);
		support_status("no options", mailauth_open(NULL, &ctx), MAILAUTH_OK);
		support_status("login", login(ctx, "alice", "secret"), MAILAUTH_OK);
		support_status("read only", mailauth_user_del(ctx, "alice"), MAILAUTH_E_USAGE);
		mailauth_free(&ctx);
		ck_assert_int_eq(setenv("MAILAUTH_CONFIG", support_path("none.conf"), 1), 0);
		support_status("not there", mailauth_open(NULL, &ctx), MAILAUTH_E_CONFIG);
		options.config = support_path("mailauth.conf");
		support_status("option goes first", mailauth_open(&options, &ctx), MAILAUTH_OK);
		ck_assert_int_eq(unsetenv("MAILAUTH_CONFIG"), 0);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(open_says_what_is_wrong)
{
	char folder_store[300];
	char missing_store[300];
	const struct {
		const char *name;
		const char *config; /* appended to a good one */
		const char *store;  /* option */
		enum mailauth_status want;
		const char *event;
		const char *text;
	} rows[] = {
		{"unknown key", "colour = red\n", NULL, MAILAUTH_E_CONFIG, "config", "colour"},
		{"bad value", "plaintext = maybe\n", NULL, MAILAUTH_E_CONFIG, "config", ":4: "},
		{"unknown mechanism", "mechanisms = PLAIN X-NONE\n", NULL, MAILAUTH_E_CONFIG,
		 "config", "X-NONE"},
		{"duplicate", "default_realm = a.test\n", NULL, MAILAUTH_E_CONFIG, "config",
		 "default_realm"},
		{"no such kind of store", "", "sqlite:/x", MAILAUTH_E_UNSUPPORTED, "store",
		 "sqlite:/x"},
		{"store without scheme", "", "x", MAILAUTH_E_UNSUPPORTED, "store", "x"},
		{"store missing", "", missing_store, MAILAUTH_E_TEMPFAIL, "store", "mailuser init"},
		{"store is a folder", "", folder_store, MAILAUTH_E_TEMPFAIL, "store", "cannot"},
	};
	struct support_log log = {.level = MAILAUTH_LOG_ERROR};
	struct mailauth *ctx = support_open("", NULL);
	bool has_lmdb = support_is_shared();

	mailauth_free(&ctx);
	(void)snprintf(folder_store, sizeof(folder_store), "lmdb:%s", support_folder());
	(void)snprintf(missing_store, sizeof(missing_store), "lmdb:%s", support_path("none.mdb"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_options options = {.size = sizeof(options),
						   .store = rows[i].store,
						   .log = support_log,
						   .log_arg = &log,
						   .log_level = MAILAUTH_LOG_ERROR};
		char text[1024];
		int len =
			snprintf(text, sizeof(text),
				 "store = memory:\nkey_file = %s\ndefault_realm = example.org\n%s",
				 support_path("store.key"), rows[i].config);

		if (rows[i].store != NULL && rows[i].store[0] == 'l' && !has_lmdb)
			continue;
		support_log_clear(&log);
		options.config = support_file("bad.conf", text, (size_t)len);
		support_status(rows[i].name, mailauth_open(&options, &ctx), rows[i].want);
		ck_assert_ptr_null(ctx);
		ck_assert_msg(log.n == 1 && strcmp(log.event, rows[i].event) == 0 &&
				      strstr(log.text, rows[i].text) != NULL,
			      "%s: got %u lines, %s: %s, want %s: ...%s", rows[i].name, log.n,
			      log.event, log.text, rows[i].event, rows[i].text);
	}
}
END_TEST

START_TEST(open_refuses_bad_options)
{
	struct mailauth_options options = {.size = sizeof(options)};
	struct mailauth *ctx = (struct mailauth *)&options;

	options.config = support_config("");
	support_status("no output", mailauth_open(&options, NULL), MAILAUTH_E_USAGE);
	options.flags = 2;
	support_status("unknown flag", mailauth_open(&options, &ctx), MAILAUTH_E_USAGE);
	ck_assert_ptr_null(ctx);
	options.flags = 0;
	options.size--;
	support_status("wrong size", mailauth_open(&options, &ctx), MAILAUTH_E_USAGE);
	options.size = 0;
	support_status("no size", mailauth_open(&options, &ctx), MAILAUTH_E_USAGE);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api host");
	TCase *tcase = tcase_create("host");

	tcase_set_timeout(tcase, 60);
	tcase_add_unchecked_fixture(tcase, use_hardened_openssl, NULL);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, works_where_openssl_has_no_md5_and_leaves_it_so);
	tcase_add_test(tcase, leaves_openssl_alone_while_it_is_open);
	tcase_add_test(tcase, leaves_the_process_as_it_was);
	tcase_add_test(tcase, failed_open_leaves_no_descriptor);
	tcase_add_test(tcase, descriptors_are_closed_on_exec);
	tcase_add_test(tcase, child_goes_on_after_fork);
	tcase_add_test(tcase, environment_names_the_configuration);
	tcase_add_test(tcase, open_says_what_is_wrong);
	tcase_add_test(tcase, open_refuses_bad_options);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
