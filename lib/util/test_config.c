/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_config.c - the configuration file: each key, and errors that name file and line
 */
#include "util/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support.h"
#include "util/mem.h"
#include "util/span.h"

static struct support_log got_log;

static enum mailauth_status load_bytes(const void *text, size_t len, struct ma_config *config)
{
	struct ma_log log = {.fn = support_log, .arg = &got_log, .level = MAILAUTH_LOG_DEBUG};

	got_log.level = MAILAUTH_LOG_ERROR;
	support_log_clear(&got_log);
	return ma_config_load(support_file("c.conf", text, len), &log, config);
}

static enum mailauth_status load(const char *text, struct ma_config *config)
{
	return load_bytes(text, strlen(text), config);
}

static void expect_refused(const char *name, const void *text, size_t len, unsigned int line,
			   const char *why)
{
	struct ma_config config = {.file = NULL, .map_size = 1};
	enum mailauth_status status = load_bytes(text, len, &config);
	char want[300];

	(void)snprintf(want, sizeof(want), "%s:%u: ", support_path("c.conf"), line);
	ck_assert_msg(status == MAILAUTH_E_CONFIG, "%s: got %d, want MAILAUTH_E_CONFIG", name,
		      status);
	ck_assert_msg(got_log.n == 1, "%s: %u lines logged, want 1: %s", name, got_log.n,
		      got_log.text);
	ck_assert_str_eq(got_log.event, "config");
	ck_assert_msg(strncmp(got_log.text, want, strlen(want)) == 0 &&
			      strstr(got_log.text, why) != NULL,
		      "%s: got %s, want %s...%s", name, got_log.text, want, why);
	ck_assert_msg(config.store == NULL && config.file == NULL && config.map_size == 0,
		      "%s: the output is not empty", name);
}

START_TEST(has_the_documented_defaults)
{
	struct ma_config config;

	ck_assert_int_eq(load("# nothing\n\n; at all\n", &config), MAILAUTH_OK);
	ck_assert_uint_eq(got_log.n, 0);
	ck_assert_str_eq(config.store, "lmdb:/var/lib/mailauth/accounts.mdb");
	ck_assert_str_eq(config.key_file, "/etc/mailauth/store.key");
	ck_assert_ptr_null(config.default_realm);
	ck_assert_ptr_null(config.mechanisms);
	ck_assert_ptr_null(config.digest_realms);
	ck_assert_ptr_null(config.crypt_method);
	ck_assert_uint_eq(config.crypt_cost, 0);
	ck_assert_uint_eq(config.scram_iterations, 10000);
	ck_assert(!config.recoverable);
	ck_assert(!config.plaintext_always);
	ck_assert_uint_eq(config.store_timeout_s, 5);
	ck_assert_uint_eq(config.map_size, 64ull << 30);
	for (size_t i = 0; i < MA_CONFIG_KEYS; i++)
		ck_assert_uint_eq(config.line[i], 0);
	ma_config_clear(&config);
	ma_config_clear(&config);
}
END_TEST

START_TEST(reads_every_key)
{
	struct ma_config config;

	ck_assert_int_eq(load("# comment\n"
			      "store = memory:\n"
			      "key_file=/k\n"
			      "default_realm = example.net  \r\n"
			      "mechanisms = PLAIN CRAM-MD5\n"
			      "\n"
			      "crypt_method = sha512crypt\n"
			      "crypt_cost = 5000\n"
			      "recoverable = yes\n"
			      "plaintext = always\n"
			      "store_timeout = 7 s\n"
			      "digest_realms = lab.test, old.test\n"
			      "scram_iterations = 4096\n"
			      "map_size = 1G", /* the last line needs no end */
			      &config),
			 MAILAUTH_OK);
	ck_assert_uint_eq(got_log.n, 0);
	ck_assert_str_eq(config.store, "memory:");
	ck_assert_str_eq(config.key_file, "/k");
	ck_assert_str_eq(config.default_realm, "example.net");
	ck_assert_str_eq(config.mechanisms, "PLAIN CRAM-MD5");
	ck_assert_str_eq(config.crypt_method, "sha512crypt");
	ck_assert_uint_eq(config.crypt_cost, 5000);
	ck_assert_str_eq(config.digest_realms, "lab.test, old.test");
	ck_assert_uint_eq(config.scram_iterations, 4096);
	ck_assert(config.recoverable);
	ck_assert(config.plaintext_always);
	ck_assert_uint_eq(config.store_timeout_s, 7);
	ck_assert_uint_eq(config.map_size, 1ull << 30);
	ck_assert_uint_eq(config.line[MA_CONFIG_STORE], 2);
	ck_assert_uint_eq(config.line[MA_CONFIG_CRYPT_METHOD], 7);
	ck_assert_uint_eq(config.line[MA_CONFIG_DIGEST_REALMS], 12);
	ck_assert_uint_eq(config.line[MA_CONFIG_SCRAM_ITERATIONS], 13);
	ck_assert_uint_eq(config.line[MA_CONFIG_MAP_SIZE], 14);
	ma_config_clear(&config);
}
END_TEST

static const struct {
	const char *line;
	uint64_t timeout_s; /* 0: not asked */
	uint64_t map_size;
	uint64_t iterations;
} good[] = {
	{"store_timeout = 1", 1, 0, 0},
	{"store_timeout = 600", 600, 0, 0},
	{"store_timeout = 30s", 30, 0, 0},
	{"store_timeout = 30 s", 30, 0, 0},
	{"map_size = 1M", 0, 1 << 20, 0},
	{"map_size = 1024K", 0, 1 << 20, 0},
	{"map_size = 1048576", 0, 1 << 20, 0},
	{"map_size = 16MiB", 0, 16 << 20, 0},
	{"map_size = 16 MiB", 0, 16 << 20, 0},
	{"map_size = 64T", 0, 1ull << 46, 0},
	{"plaintext = tls", 0, 0, 0},
	{"recoverable = no", 0, 0, 0},
	{"crypt_cost = 0", 0, 0, 0},
	{"crypt_method = yescrypt", 0, 0, 0},
	{"crypt_method = gost-yescrypt", 0, 0, 0},
	{"crypt_method = scrypt", 0, 0, 0},
	{"crypt_method = bcrypt", 0, 0, 0},
	{"crypt_method = sha256crypt", 0, 0, 0},
	{"crypt_method = bcrypt\ncrypt_cost = 14", 0, 0, 0},
	{"crypt_cost = 14\ncrypt_method = bcrypt", 0, 0, 0},
	/* RFC 5802 section 5.1: at least 4096 */
	{"scram_iterations = 4096", 0, 0, 4096},
	{"scram_iterations = 4097", 0, 0, 4097},
	{"scram_iterations = 10000", 0, 0, 10000},
	{"scram_iterations = 1000000", 0, 0, 1000000},
	{"scram_iterations = 0004096", 0, 0, 4096},
	/* names are for the context to judge */
	{"digest_realms = lab.test", 0, 0, 0},
	{"digest_realms = lab.test,old.test  new.test", 0, 0, 0},
};

START_TEST(accepts_good_values)
{
	struct ma_config config;
	enum mailauth_status status = load(good[_i].line, &config);

	ck_assert_msg(status == MAILAUTH_OK, "%s: got %d, %s", good[_i].line, status, got_log.text);
	if (good[_i].timeout_s != 0)
		ck_assert_uint_eq(config.store_timeout_s, good[_i].timeout_s);
	if (good[_i].map_size != 0)
		ck_assert_uint_eq(config.map_size, good[_i].map_size);
	if (good[_i].iterations != 0)
		ck_assert_uint_eq(config.scram_iterations, good[_i].iterations);
	ma_config_clear(&config);
}
END_TEST

static const struct {
	const char *line;
	const char *why;
} bad[] = {
	{"store = /var/lib/accounts.mdb", "store must be a store URL"},
	{"key_file = store.key", "key_file must be an absolute path"},
	{"crypt_method = md5crypt", "crypt_method must be yescrypt"},
	{"crypt_method = SHA512crypt", "crypt_method must be yescrypt"},
	{"crypt_cost = many", "crypt_cost must be a number"},
	{"crypt_cost = -1", "crypt_cost must be a number"},
	{"crypt_cost = 5 rounds", "crypt_cost must be a number"},
	{"crypt_cost = 10000000", "crypt_cost must be a number"},
	{"crypt_cost = 99999999999999999999999", "crypt_cost must be a number"},
	{"crypt_cost = 100", "crypt_cost must fit crypt_method"},
	{"scram_iterations = 4095", "scram_iterations must be 4096 to 1000000"},
	{"scram_iterations = 1000001", "scram_iterations must be 4096 to 1000000"},
	{"scram_iterations = 0", "scram_iterations must be 4096 to 1000000"},
	{"scram_iterations = -4096", "scram_iterations must be 4096 to 1000000"},
	{"scram_iterations = +4096", "scram_iterations must be 4096 to 1000000"},
	{"scram_iterations = 10000 rounds", "scram_iterations must be 4096 to 1000000"},
	{"scram_iterations = 1e5", "scram_iterations must be 4096 to 1000000"},
	{"scram_iterations = 0x1000", "scram_iterations must be 4096 to 1000000"},
	/* 2^64 + 10000 */
	{"scram_iterations = 18446744073709561616", "scram_iterations must be 4096 to 1000000"},
	{"scram_iterations =", "scram_iterations must be a value"},
	{"digest_realms =", "digest_realms must be a value"},
	{"Digest_realms = lab.test", "unknown key \"Digest_realms\""},
	{"recoverable = maybe", "recoverable must be \"yes\" or \"no\""},
	{"recoverable = Yes", "recoverable must be \"yes\" or \"no\""},
	{"recoverable = 1", "recoverable must be \"yes\" or \"no\""},
	{"plaintext = yes", "plaintext must be \"tls\" or \"always\""},
	{"plaintext = alwaysx", "plaintext must be \"tls\" or \"always\""},
	{"store_timeout = 0", "store_timeout must be seconds, 1 to 600"},
	{"store_timeout = 601", "store_timeout must be seconds, 1 to 600"},
	{"store_timeout = 5m", "store_timeout must be seconds, 1 to 600"},
	{"store_timeout = -5", "store_timeout must be seconds, 1 to 600"},
	{"store_timeout = +5", "store_timeout must be seconds, 1 to 600"},
	{"store_timeout = 5 s s", "store_timeout must be seconds, 1 to 600"},
	{"map_size = 0", "map_size must be a size"},
	{"map_size = 1023K", "map_size must be a size from 1M to 64T"},
	{"map_size = 65T", "map_size must be a size from 1M to 64T"},
	{"map_size = 64g", "map_size must be a size from 1M to 64T"},
	{"map_size = 64GG", "map_size must be a size from 1M to 64T"},
	{"map_size = 64P", "map_size must be a size from 1M to 64T"},
	{"map_size = G", "map_size must be a size"},
	{"map_size = 1.5G", "map_size must be a size from 1M to 64T"},
	/* 2^24 + 1 times 2^40 does not fit 64 bits; what is left of it would be 1T */
	{"map_size = 16777217T", "map_size must be a size from 1M to 64T"},
	{"map_size = 18446744073709551617", "map_size must be a size"},
	{"map_size = 1048575", "map_size must be a size from 1M to 64T"},
	{"store =", "store must be a value"},
	{"default_realm =   ", "default_realm must be a value"},
	{"frobnicate = 1", "unknown key \"frobnicate\""},
	{"Store = memory:", "unknown key \"Store\""},
	{"store_time = 1", "unknown key \"store_time\""},
	{"= 1", "unknown key \"\""},
	{"just words", "no \"key = value\" line"},
	{"[section", "no sections here; remove [section"},
};

/* The line stands third, between good ones. */
START_TEST(refuses_bad_lines_and_says_where)
{
	char text[300];
	int n = snprintf(text, sizeof(text), "# first\nkey_file = /k\n%s\n# last\n", bad[_i].line);

	if (strncmp(bad[_i].line, "key_file", 8) == 0)
		n = snprintf(text, sizeof(text), "# first\n\n%s\n# last\n", bad[_i].line);
	expect_refused(bad[_i].line, text, (size_t)n, 3, bad[_i].why);
}
END_TEST

START_TEST(refuses_duplicates)
{
	static const char same[] = "recoverable = yes\nkey_file = /k\nrecoverable = yes\n";
	static const char other[] = "key_file = /k\nkey_file = /l\n";
	static const char realms[] = "digest_realms = a.test\ndigest_realms = b.test\n";
	static const char rounds[] = "scram_iterations = 5000\n\nscram_iterations = 5000\n";

	expect_refused("same value", same, strlen(same), 3, "a second value for recoverable");
	expect_refused("other value", other, strlen(other), 2, "a second value for key_file");
	expect_refused("realms", realms, strlen(realms), 2, "a second value for digest_realms");
	expect_refused("rounds", rounds, strlen(rounds), 3, "a second value for scram_iterations");
}
END_TEST

START_TEST(refuses_sections)
{
	static const char used[] = "[smtp]\nkey_file = /k\n";
	static const char last[] = "key_file = /k\n[smtp]\n";
	static const char bad_before[] = "just words\n[smtp]\n";

	expect_refused("section with a key", used, strlen(used), 1, "remove [smtp]");
	expect_refused("section at the end", last, strlen(last), 2, "[smtp]");
	expect_refused("section after a bad line", bad_before, strlen(bad_before), 2, "[smtp]");
}
END_TEST

/* libinih hands an indented line over as one more value of the key before. */
START_TEST(refuses_continuation_lines)
{
	static const char text[] = "mechanisms = PLAIN\n  CRAM-MD5\n";
	static const char assignment[] = "store = memory:\n  key_file = /k\n";

	expect_refused("continued", text, strlen(text), 2, "a second value for mechanisms");
	expect_refused("indented", assignment, strlen(assignment), 2, "a second value for store");
}
END_TEST

START_TEST(refuses_lines_that_are_too_long)
{
	char text[1000];
	size_t n = (size_t)snprintf(text, sizeof(text), "key_file = /k\n# ");

	memset(text + n, 'x', 900);
	text[n + 900] = '\n';
	expect_refused("a long comment", text, n + 901, 2, "too long");
	(void)snprintf(text, sizeof(text), "# first\nmechanisms = PLAIN%800s", "CRAM-MD5");
	expect_refused("a long last line", text, strlen(text), 2, "too long");
}
END_TEST

/* Never cut: a line is taken whole, or refused. */
START_TEST(takes_a_line_whole_or_not_at_all)
{
	unsigned int n_taken = 0;

	for (size_t len = 150; len <= 250; len++) {
		struct ma_config config;
		char text[300] = "key_file = /";
		size_t start = strlen(text);
		enum mailauth_status status;

		memset(text + start, 'x', len - start);
		text[len] = _i == 0 ? '\n' : '\0';
		status = load_bytes(text, len + (_i == 0), &config);
		if (status == MAILAUTH_OK) {
			n_taken++;
			ck_assert_uint_eq(strlen(config.key_file), len - start + 1);
			ma_config_clear(&config);
		} else {
			ck_assert_int_eq(status, MAILAUTH_E_CONFIG);
			ck_assert_ptr_nonnull(strstr(got_log.text, ":1: the line is too long"));
		}
	}
	ck_assert_uint_gt(n_taken, 0);
	ck_assert_uint_lt(n_taken, 101);
}
END_TEST

START_TEST(refuses_nul)
{
	static const struct {
		const char *name;
		const char *text;
		size_t len;
		unsigned int line;
	} rows[] = {
		{"in a value", "key_file = /k\0x\n# more\n", 23, 1},
		{"in a later line", "key_file = /k\nstore = memory:\0\n# more\n", 38, 2},
		{"before a line", "\0key_file = /k\n# more\n", 22, 1},
		{"in a comment", "# a\0b\nkey_file = /k\n", 20, 1},
		{"in the last line", "store = memory:\nkey_file = /k\0x\n", 32, 2},
		{"in the last line without an end", "key_file = /k\0x", 15, 1},
		{"at the end", "key_file = /k\n\0", 15, 2},
		{"in a section", "[a\0b]\nkey_file = /k\n", 21, 1},
	};

	expect_refused(rows[_i].name, rows[_i].text, rows[_i].len, rows[_i].line, "");
}
END_TEST

/* It would wait for ever. */
START_TEST(does_not_wait_for_a_fifo)
{
	struct ma_config config;
	const char *path = support_path("fifo");

	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(ma_config_load(path, &(struct ma_log){.fn = NULL}, &config), MAILAUTH_OK);
	ma_config_clear(&config);
	ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(reports_a_file_that_cannot_be_read)
{
	struct ma_log log = {.fn = support_log, .arg = &got_log, .level = MAILAUTH_LOG_DEBUG};
	const char *missing = support_path("missing.conf");
	struct ma_config config;

	got_log.level = MAILAUTH_LOG_ERROR;
	ck_assert_int_eq(ma_config_load(missing, &log, &config), MAILAUTH_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(got_log.text, missing));
	ck_assert_ptr_null(config.store);
	support_log_clear(&got_log);
	ck_assert_int_eq(ma_config_load(support_folder(), &log, &config), MAILAUTH_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(got_log.text, support_folder()));
	ck_assert_ptr_null(config.store);
	/* It can be opened, and its first page is never there to be read. */
	support_log_clear(&got_log);
	ck_assert_int_eq(ma_config_load("/proc/self/mem", &log, &config), MAILAUTH_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(got_log.text, "/proc/self/mem:1: cannot read on"));
}
END_TEST

START_TEST(takes_the_path_from_the_environment)
{
	struct ma_log log = {.fn = support_log, .arg = &got_log, .level = MAILAUTH_LOG_DEBUG};
	const char *path = support_file("env.conf", "key_file = /from-env\n", 21);
	struct ma_config config;

	ck_assert_int_eq(setenv("MAILAUTH_CONFIG", path, 1), 0);
	ck_assert_int_eq(ma_config_load(NULL, &log, &config), MAILAUTH_OK);
	ck_assert_str_eq(config.key_file, "/from-env");
	ck_assert_str_eq(config.file, path);
	ma_config_clear(&config);
	/* A path that was named must be there; only the default may be missing. */
	ck_assert_int_eq(setenv("MAILAUTH_CONFIG", support_path("missing.conf"), 1), 0);
	ck_assert_int_eq(ma_config_load(NULL, &log, &config), MAILAUTH_E_CONFIG);
	ck_assert_int_eq(unsetenv("MAILAUTH_CONFIG"), 0);
	if (access(MA_CONFIG_FILE, F_OK) == 0)
		return;
	ck_assert_int_eq(ma_config_load(NULL, &log, &config), MAILAUTH_OK);
	ck_assert_str_eq(config.key_file, "/etc/mailauth/store.key");
	ma_config_clear(&config);
}
END_TEST

START_TEST(reports_errors_of_others_with_file_and_line)
{
	struct ma_log log = {.fn = support_log, .arg = &got_log, .level = MAILAUTH_LOG_DEBUG};
	struct ma_config config;
	char want[300];

	ck_assert_int_eq(load("\nmechanisms = NONE\n", &config), MAILAUTH_OK);
	ck_assert_int_eq(ma_config_error(&config, MA_CONFIG_MECHANISMS, &log, "why"),
			 MAILAUTH_E_CONFIG);
	(void)snprintf(want, sizeof(want), "%s:2: why\n", config.file);
	ck_assert_str_eq(got_log.text, want);
	support_log_clear(&got_log);
	ck_assert_int_eq(ma_config_error(&config, MA_CONFIG_STORE, &log, "why"), MAILAUTH_E_CONFIG);
	(void)snprintf(want, sizeof(want), "%s: why\n", config.file);
	ck_assert_str_eq(got_log.text, want);
	ma_config_clear(&config);
}
END_TEST

static unsigned int n_left;

static bool fail_nth(void)
{
	return n_left-- == 0;
}

START_TEST(survives_lack_of_memory_anywhere)
{
	static const char text[] = "store = memory:\nkey_file = /k\ndefault_realm = x\n"
				   "mechanisms = PLAIN\ndigest_realms = lab.test\n"
				   "crypt_method = bcrypt\n";
	enum mailauth_status status = MAILAUTH_E_NOMEM;
	struct ma_config config;
	unsigned int n;

	for (n = 0; status != MAILAUTH_OK && n < 100; n++) {
		n_left = n;
		ma_mem_set_fail(fail_nth);
		status = load(text, &config);
		ma_mem_set_fail(NULL);
		if (status == MAILAUTH_OK)
			break;
		ck_assert_msg(status == MAILAUTH_E_NOMEM, "allocation %u: got %d, want NOMEM; %s",
			      n, status, got_log.text);
		ck_assert_ptr_null(config.store);
		ck_assert_ptr_null(config.digest_realms);
	}
	ck_assert_uint_gt(n, 6);
	ck_assert_int_eq(status, MAILAUTH_OK);
	ma_config_clear(&config);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");

	tcase_add_test(tcase, has_the_documented_defaults);
	tcase_add_test(tcase, reads_every_key);
	tcase_add_loop_test(tcase, accepts_good_values, 0, MA_ARRAY_SIZE(good));
	tcase_add_loop_test(tcase, refuses_bad_lines_and_says_where, 0, MA_ARRAY_SIZE(bad));
	tcase_add_test(tcase, refuses_duplicates);
	tcase_add_test(tcase, refuses_sections);
	tcase_add_test(tcase, refuses_continuation_lines);
	tcase_add_test(tcase, refuses_lines_that_are_too_long);
	tcase_add_loop_test(tcase, takes_a_line_whole_or_not_at_all, 0, 2);
	tcase_add_loop_test(tcase, refuses_nul, 0, 8);
	tcase_add_test(tcase, does_not_wait_for_a_fifo);
	tcase_add_test(tcase, reports_a_file_that_cannot_be_read);
	tcase_add_test(tcase, takes_the_path_from_the_environment);
	tcase_add_test(tcase, reports_errors_of_others_with_file_and_line);
	tcase_add_test(tcase, survives_lack_of_memory_anywhere);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
