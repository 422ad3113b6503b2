/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_import.c - lines, entries, and what an entry does to an account
 *
 * The formats of lines are run over the same damaged files here; what they read is tested beside
 * each.
 */
#include "import/import.h"

#include <stdio.h>

#include "import/test_import.h"
#include "support.h"
#include "util/mem.h"

#define MD5	   "$1$7K6rmBBX$BEzLZVEFIe8/0/avvkumP0" /* tanstaaftanstaaf */
#define MD5_OTHER  "$1$abcdefgh$irWbblnpmw.5z7wgBnprh0"
#define PASSWORD   "tanstaaftanstaaf"
#define CRAM	   "5211b25404b61f715e033eca6b1115701b4e6dd0a4cafc260118b6b0a3402313"
#define CRAM_OTHER "5211b25404b61f715e033eca6b1115701b4e6dd0a4cafc260118b6b0a3402314"
#define DIGEST	   "tim:lab.test:2b4280505a7eb2e4aac655d19e4a075c"
#define CONFIG	   "crypt_method = sha512crypt\ncrypt_cost = 1000\n"

/* ---- formats of lines ---- */

static const struct {
	const char *format;
	const char *line;
} samples[] = {
	{"shadow", "tim:*:1:2:a:/h:/s"},
	{"dovecot", "tim:{PLAIN}p:1:2:a:/h:/s"},
	{"courier", "tim\tuid=1|gid=2|gecos=a|home=/h|shell=/s"},
};

static struct ma_import *open_bytes(const char *format, const void *bytes, size_t len)
{
	const struct ma_import_params params = {.file = support_file("in", bytes, len), NO_IDS};

	return open_import(format, &params);
}

/* The next entry is tim with the attributes of the samples; returns its line. */
static unsigned long expect_tim(struct ma_import *import, const char *what)
{
	struct ma_entry entry;
	char why[MA_WHY_MAX] = "";
	enum mailauth_status status = import->format->next(import, &entry, why);

	ck_assert_msg(status == MAILAUTH_OK, "%s: got %d: %s", what, status, why);
	ck_assert_str_eq(entry.name, "tim");
	ck_assert_int_eq(entry.uid, 1);
	ck_assert_int_eq(entry.gid, 2);
	ck_assert_str_eq(entry.comment, "a");
	ck_assert_str_eq(entry.home, "/h");
	ck_assert_str_eq(entry.shell, "/s");
	return entry.line;
}

START_TEST(reads_lines_however_they_end)
{
	const char *format = samples[_i].format;
	char text[512];
	struct ma_import *import;

	import = open_bytes(format, "", 0);
	expect_end(&import, "empty file");
	import = open_bytes(format, "\n\r\n#\n", 5);
	expect_end(&import, "no accounts");
	(void)snprintf(text, sizeof(text), "%s\r\n\n%s\n%s", samples[_i].line, samples[_i].line,
		       samples[_i].line);
	import = open_bytes(format, text, strlen(text));
	ck_assert_uint_eq(expect_tim(import, "CRLF"), 1);
	ck_assert_uint_eq(expect_tim(import, "behind an empty line"), 3);
	ck_assert_uint_eq(expect_tim(import, "no end of line"), 4);
	expect_end(&import, "lines");
}
END_TEST

/* A sample with @len bytes, filled up in its comment. */
static size_t make_line(const char *sample, size_t len, char *out)
{
	const char *at = strstr(sample, ":a:");
	size_t before;
	size_t after;

	if (at == NULL)
		at = strstr(sample, "=a|");
	before = (size_t)(at + 1 - sample);
	after = strlen(sample) - before;
	ck_assert_uint_ge(len, before + after);
	memcpy(out, sample, before);
	memset(out + before, 'a', len - before - after);
	memcpy(out + len - after, sample + before, after);
	out[len] = '\n';
	return len + 1;
}

START_TEST(refuses_lines_beyond_the_limit_and_goes_on)
{
	static char text[300000];
	const char *format = samples[_i].format;
	const size_t lengths[] = {MA_LINE_MAX + 1, 200000};
	struct ma_import *import;
	struct ma_entry entry;
	char why[MA_WHY_MAX];
	size_t len = make_line(samples[_i].line, MA_LINE_MAX, text);

	import = open_bytes(format, text, len);
	ck_assert_int_eq(import->format->next(import, &entry, why), MAILAUTH_OK);
	ck_assert_uint_gt(strlen(entry.comment), MA_LINE_MAX - 50);
	expect_end(&import, "longest line");
	for (size_t i = 0; i < MA_ARRAY_SIZE(lengths); i++) {
		len = make_line(samples[_i].line, lengths[i], text);
		len += make_line(samples[_i].line, strlen(samples[_i].line), text + len);
		import = open_bytes(format, text, len);
		expect_refusal(import, "too long", 1, NULL, "longer than 65536 bytes");
		ck_assert_uint_eq(expect_tim(import, "behind it"), 2);
		expect_end(&import, "too long");
		/* without an end */
		len = make_line(samples[_i].line, lengths[i], text);
		import = open_bytes(format, text, len - 1);
		expect_refusal(import, "too long", 1, NULL, "longer than 65536 bytes");
		expect_end(&import, "too long");
	}
}
END_TEST

START_TEST(refuses_a_nul_byte_and_goes_on)
{
	char text[512];
	size_t len;
	struct ma_import *import;

	for (size_t at = 0; at < 8; at++) {
		(void)snprintf(text, sizeof(text), "%s\n%s\n", samples[_i].line, samples[_i].line);
		len = strlen(text);
		text[at] = '\0';
		import = open_bytes(samples[_i].format, text, len);
		expect_refusal(import, "NUL", 1, NULL, "it has a NUL byte");
		ck_assert_uint_eq(expect_tim(import, "behind it"), 2);
		expect_end(&import, "NUL");
	}
}
END_TEST

/* Finding two of a name is the caller's, whose names are in their stored form. */
START_TEST(tells_each_line_of_a_name)
{
	char text[512];
	struct ma_import *import;

	(void)snprintf(text, sizeof(text), "%s\n%s\n", samples[_i].line, samples[_i].line);
	import = open_bytes(samples[_i].format, text, strlen(text));
	ck_assert_uint_eq(expect_tim(import, "first"), 1);
	ck_assert_uint_eq(expect_tim(import, "second"), 2);
	expect_end(&import, "twice");
}
END_TEST

static unsigned int n_allocations;
static unsigned int fail_at;

static bool fail_one(void)
{
	return ++n_allocations == fail_at;
}

/* Returns the status that the file ended with. */
static enum mailauth_status read_all(const char *format, const char *path)
{
	const struct ma_import_params params = {
		.file = path, .second = path, .third = path, NO_IDS};
	struct ma_import *import = NULL;
	struct ma_entry entry;
	char why[MA_WHY_MAX];
	enum mailauth_status status = format_of(format)->open(&params, &import, why);

	ck_assert_int_eq(status == MAILAUTH_OK, import != NULL);
	while (status == MAILAUTH_OK)
		status = import->format->next(import, &entry, why);
	format_of(format)->close(&import);
	return status;
}

START_TEST(survives_each_failing_allocation)
{
	char text[1024];
	const char *path;

	(void)snprintf(text, sizeof(text), "%s\n%0*d\n", samples[_i].line, 600, 0);
	path = support_file("in", text, strlen(samples[_i].line) + 1);
	ma_mem_set_fail(fail_one);
	fail_at = 0;
	n_allocations = 0;
	ck_assert_int_eq(read_all(samples[_i].format, path), MAILAUTH_E_NOTFOUND);
	for (unsigned int n = n_allocations; n > 0; n--) {
		fail_at = n;
		n_allocations = 0;
		ck_assert_int_eq(read_all(samples[_i].format, path), MAILAUTH_E_NOMEM);
	}
	ma_mem_set_fail(NULL);
}
END_TEST

/* ---- small things ---- */

START_TEST(finds_formats_by_name)
{
	for (size_t i = 0; ma_formats[i] != NULL; i++) {
		ck_assert_ptr_eq(ma_format_find(ma_formats[i]->name), ma_formats[i]);
		ck_assert_ptr_nonnull(ma_formats[i]->summary);
	}
	ck_assert_ptr_nonnull(ma_format_find("shadow"));
	ck_assert_ptr_null(ma_format_find("Shadow"));
	ck_assert_ptr_null(ma_format_find(""));
}
END_TEST

static const struct {
	const char *in;
	const char *want;
} texts[] = {
	{"", ""},
	{"plain", "plain"},
	{"a\nb\tc\x7f", "a?b?c?"},
	{"J\xc3\xbcrgen", "J\xc3\xbcrgen"},
	{"\xff\xc3", "??"},
	{"\xc2\x9b"
	 "0m",
	 "??0m"}, /* a control sequence of terminals */
	{"\xed\xa0\x80", "???"},
	{"\xc2\xa0.", "\xc2\xa0."},
};

START_TEST(texts_are_printable)
{
	char why[MA_WHY_MAX];

	ma_why(why, "%s", texts[_i].in);
	ck_assert_str_eq(why, texts[_i].want);
}
END_TEST

START_TEST(texts_are_cut)
{
	char why[MA_WHY_MAX];

	ma_why(why, "%0*d", 2 * MA_WHY_MAX, 0);
	ck_assert_uint_eq(strlen(why), MA_WHY_MAX - 1);
	ma_why(why, "%0*d\xc3\xbc", MA_WHY_MAX - 2, 0); /* in the middle of a character */
	ck_assert_uint_eq(strlen(why), MA_WHY_MAX - 1);
	ck_assert_int_eq(why[MA_WHY_MAX - 2], '?');
}
END_TEST

static const struct {
	const char *text;
	int64_t max;
	int64_t want; /* -1: refused */
} numbers[] = {
	{"0", 0, 0},
	{"7", 9, 7},
	{"99", 99, 99},
	{"100", 99, -1},
	{"", 99, -1},
	{"-1", 99, -1},
	{"+1", 99, -1},
	{" 1", 99, -1},
	{"1 ", 99, -1},
	{"0x1", 99, -1},
	{"007", 9, 7},
	{"1", 0, -1},
	{"9223372036854775807", INT64_MAX, INT64_MAX},
	{"9223372036854775808", INT64_MAX, -1},
	{"99999999999999999999999999999999", INT64_MAX, -1},
};

START_TEST(reads_numbers)
{
	int64_t got = -1;
	bool is_good = ma_import_number(numbers[_i].text, numbers[_i].max, &got);

	ck_assert_msg(is_good == (numbers[_i].want >= 0), "\"%s\"", numbers[_i].text);
	ck_assert_int_eq(got, numbers[_i].want);
}
END_TEST

static const struct {
	const char *text;
	const char *kept;
	bool is_locked;
	bool no_login;
} hashes[] = {
	{MD5, MD5, false, false},
	{"!!" MD5, MD5, true, false},
	{"_J9..saltUr0DPw0DcsA", "_J9..saltUr0DPw0DcsA", false, false},
	{"ab/TdqTfG5VbQ", "ab/TdqTfG5VbQ", false, false},
	{"ab/TdqTfG5VbQab/TdqTfG5V", "ab/TdqTfG5VbQab/TdqTfG5V", false, false},
	{"ab/TdqTfG5Vb", NULL, false, true},
	{"ab/TdqTfG5VbQa", NULL, false, true},
	{"ab/TdqTfG5Vb!", NULL, false, true},
	{"!", NULL, true, true},
	{"*", NULL, false, true},
	{"", NULL, false, true},
};

START_TEST(knows_a_hash_from_what_is_none)
{
	struct ma_entry entry;

	ma_entry_init(&entry);
	ma_import_crypt(hashes[_i].text, &entry);
	ck_assert_int_eq(entry.locked, hashes[_i].is_locked);
	ck_assert(entry.no_login == hashes[_i].no_login);
	ck_assert_pstr_eq(ma_entry_secret(&entry, "crypt"), hashes[_i].kept);
	ck_assert_ptr_null(ma_entry_secret(&entry, "password"));
	entry.password = "p";
	ck_assert_pstr_eq(ma_entry_secret(&entry, "password"), "p");
}
END_TEST

START_TEST(fits_what_has_no_control_character)
{
	ck_assert(ma_export_fits("", ":"));
	ck_assert(ma_export_fits("a\xc3\xbc~ ", ":"));
	ck_assert(!ma_export_fits("a:", ":"));
	ck_assert(!ma_export_fits("a\x1f", ":"));
	ck_assert(!ma_export_fits("a\x7f", ":"));
}
END_TEST

START_TEST(reports_lines_that_cannot_be_read)
{
	struct ma_lines lines;
	char why[MA_WHY_MAX];

	ck_assert_int_eq(ma_lines_open(&lines, NULL, why), MAILAUTH_E_CONFIG);
	/* It can be opened, and its first page is never there to be read. */
	ck_assert_int_eq(ma_lines_open(&lines, "/proc/self/mem", why), MAILAUTH_OK);
	ck_assert_int_eq(ma_lines_next(&lines, why), MAILAUTH_E_CONFIG);
	ck_assert_ptr_nonnull(strstr(why, "cannot read /proc/self/mem"));
	ma_lines_close(&lines);

	ck_assert_int_eq(ma_lines_open(&lines, support_file("in", "\n", 1), why), MAILAUTH_OK);
	ma_mem_set_fail(fail_one);
	fail_at = 1;
	n_allocations = 0;
	ck_assert_int_eq(ma_lines_next(&lines, why), MAILAUTH_E_NOMEM);
	ma_mem_set_fail(NULL);
	ma_lines_close(&lines);
}
END_TEST

/* DESIGN: Cyrus' order and the order of Dovecot and Courier */
START_TEST(turns_hmac_md5_round)
{
	static const char theirs[] =
		"d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b";
	char out[MA_HMAC_MD5_TEXT];

	ck_assert(ma_import_hmac_md5(theirs, out));
	ck_assert_str_eq(out, CRAM);
	ck_assert(ma_import_hmac_md5(CRAM, out));
	ck_assert_str_eq(out, theirs);
	ck_assert(!ma_import_hmac_md5(CRAM "0", out));
	ck_assert_str_eq(out, "");
	ck_assert(!ma_import_hmac_md5("", out));
}
END_TEST

static struct ma_entry full_entry(void)
{
	return (struct ma_entry){
		.line = 7,
		.name = "tim@lab.test",
		.comment = "T. Im",
		.home = "/home/tim",
		.shell = "/bin/sh",
		.groups = "imap,smtp",
		.mechs = "PLAIN CRAM-MD5",
		.uid = 1000,
		.gid = 1001,
		.locked = 1,
		.recoverable = 0,
		.last_change = 19000,
		.min = 1,
		.max = 90,
		.warn = 7,
		.inactive = 3,
		.expire = 30000,
		.n_secrets = 3,
		.secrets = {{"crypt", MD5}, {"cram-md5", CRAM}, {"digest-md5", DIGEST}},
	};
}

START_TEST(copies_are_deep)
{
	struct ma_entry entry = full_entry();
	char name[] = "tim";
	char *want;
	struct ma_entry *copy;

	entry.password = PASSWORD;
	entry.note = "note";
	entry.name = name;
	want = strdup(tell_entry(&entry)); /* lint: strdup ok: a test's own */
	copy = ma_entry_copy(&entry);
	ck_assert_ptr_nonnull(copy);
	name[0] = 'x';
	ck_assert_str_eq(tell_entry(copy), want);
	ck_assert_uint_eq(copy->line, 7);
	ck_assert_ptr_ne(copy->secrets[0].text, entry.secrets[0].text);
	ma_entry_free(&copy);
	ck_assert_ptr_null(copy);
	ma_entry_free(&copy);
	free(want); /* lint: free ok: strdup() allocated it */
}
END_TEST

START_TEST(a_copy_without_memory_is_none)
{
	struct ma_entry entry;

	ma_entry_init(&entry);
	ma_mem_set_fail(fail_one);
	fail_at = 1;
	n_allocations = 0;
	ck_assert_ptr_null(ma_entry_copy(&entry));
	ma_mem_set_fail(NULL);
}
END_TEST

/* ---- entries as accounts ---- */

static struct support_log got_log;

static struct mailauth *open_store(void)
{
	got_log.level = MAILAUTH_LOG_ERROR;
	support_log_clear(&got_log);
	return support_open(CONFIG, &got_log);
}

static const struct ma_import_rules add_only = {.realm = "lab.test"};
static const struct ma_import_rules update = {.realm = "lab.test", .update = true};

/* Makes and stores an account; @words: in the text that goes with it, NULL: none. */
static void import_entry(struct mailauth *ctx, const struct ma_entry *entry,
			 const struct ma_import_rules *rules, const char *words)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	struct mailauth_batch *batch = NULL;
	char why[MA_WHY_MAX] = "old";
	enum mailauth_status status = ma_import_user(ctx, entry, rules, &user, why);

	ck_assert_msg(status == MAILAUTH_OK, "%s: got %d: %s", entry->name, status, why);
	ck_assert_msg(words != NULL ? strstr(why, words) != NULL : why[0] == '\0',
		      "got \"%s\", want ...%s...", why, words);
	support_status("new batch", mailauth_batch_new(ctx, &batch), MAILAUTH_OK);
	support_status("put", mailauth_batch_put(batch, user), MAILAUTH_OK);
	support_status("commit", mailauth_batch_commit(batch, NULL), MAILAUTH_OK);
	mailauth_batch_free(&batch);
}

/* What the account tim looks like now, as an entry; without the secrets of @hide. */
static void expect_tim_stored(struct mailauth *ctx, const char *hide, const char *want)
{
	MA_CLEANUP(mailauth_user_free) struct mailauth_user *user = NULL;
	MA_CLEANUP(ma_buf_clear) struct ma_buf bytes = ma_buf(131072);
	struct ma_entry entry;
	size_t n = 0;

	support_status("get", mailauth_user_get(ctx, "tim@lab.test", &user), MAILAUTH_OK);
	support_status("export", ma_export_entry(user, &bytes, &entry), MAILAUTH_OK);
	for (size_t i = 0; i < entry.n_secrets; i++)
		if (hide == NULL || strstr(hide, entry.secrets[i].kind) == NULL)
			entry.secrets[n++] = entry.secrets[i];
	entry.n_secrets = n;
	ck_assert_str_eq(tell_entry(&entry), want);
}

#define FULL                                                                                       \
	"name=tim@lab.test uid=1000 gid=1001 comment=T. Im home=/home/tim shell=/bin/sh "          \
	"groups=imap,smtp mechs=PLAIN CRAM-MD5 locked=1 recoverable=0 last=19000 min=1 max=90 "    \
	"warn=7 inactive=3 expire=30000 "

START_TEST(an_entry_becomes_an_account_and_an_entry_again)
{
	struct mailauth *ctx = open_store();
	struct ma_entry entry = full_entry();

	import_entry(ctx, &entry, &add_only, NULL);
	expect_tim_stored(ctx, NULL, FULL "crypt=" MD5 " cram-md5=" CRAM " digest-md5=" DIGEST);
	ck_assert_uint_eq(got_log.n, 0);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(an_entry_that_says_little_changes_little)
{
	struct mailauth *ctx = open_store();
	struct ma_entry entry = full_entry();
	struct ma_entry little;

	import_entry(ctx, &entry, &add_only, NULL);
	ma_entry_init(&little);
	little.name = "TIM"; /* the stored form, and the realm of the rules */
	little.comment = "new";
	little.note = "a note";
	import_entry(ctx, &little, &update, "a note");
	expect_tim_stored(ctx, NULL,
			  "name=tim@lab.test uid=1000 gid=1001 comment=new home=/home/tim "
			  "shell=/bin/sh groups=imap,smtp mechs=PLAIN CRAM-MD5 locked=1 "
			  "recoverable=0 last=19000 min=1 max=90 warn=7 inactive=3 expire=30000 "
			  "crypt=" MD5 " cram-md5=" CRAM " digest-md5=" DIGEST);
	little.groups = "";
	little.comment = "";
	little.mechs = "";
	little.locked = 0;
	little.expire = -1;
	little.last_change = 0;
	import_entry(ctx, &little, &update, "a note");
	expect_tim_stored(ctx, NULL,
			  "name=tim@lab.test uid=1000 gid=1001 comment= home=/home/tim "
			  "shell=/bin/sh groups= mechs= locked=0 recoverable=0 last=0 min=1 max=90 "
			  "warn=7 inactive=3 expire=-1 crypt=" MD5 " cram-md5=" CRAM
			  " digest-md5=" DIGEST);
	mailauth_free(&ctx);
}
END_TEST

/* An account has all three secrets; what does an entry leave? */
static const struct {
	const char *name;
	struct ma_entry_secret secrets[2];
	bool no_login;
	const char *want;
} updates[] = {
	{"same crypt",
	 {{"crypt", MD5}},
	 false,
	 "crypt=" MD5 " cram-md5=" CRAM " digest-md5=" DIGEST},
	{"same cram-md5",
	 {{"cram-md5", CRAM}},
	 false,
	 "crypt=" MD5 " cram-md5=" CRAM " digest-md5=" DIGEST},
	{"same digest-md5",
	 {{"digest-md5", DIGEST}},
	 false,
	 "crypt=" MD5 " cram-md5=" CRAM " digest-md5=" DIGEST},
	{"other crypt", {{"crypt", MD5_OTHER}}, false, "crypt=" MD5_OTHER},
	{"other cram-md5", {{"cram-md5", CRAM_OTHER}}, false, "cram-md5=" CRAM_OTHER},
	{"one the same, one not",
	 {{"crypt", MD5}, {"cram-md5", CRAM_OTHER}},
	 false,
	 "crypt=" MD5 " cram-md5=" CRAM_OTHER},
	{"one not, one the same",
	 {{"crypt", MD5_OTHER}, {"cram-md5", CRAM}},
	 false,
	 "crypt=" MD5_OTHER " cram-md5=" CRAM},
	{"no login", {{NULL, NULL}}, true, "no-login=1"},
	{"says nothing",
	 {{NULL, NULL}},
	 false,
	 "crypt=" MD5 " cram-md5=" CRAM " digest-md5=" DIGEST},
};

START_TEST(an_update_keeps_what_belongs_to_the_same_password)
{
	struct mailauth *ctx = open_store();
	struct ma_entry entry = full_entry();
	struct ma_entry change;
	char want[1024];

	import_entry(ctx, &entry, &add_only, NULL);
	ma_entry_init(&change);
	change.name = "tim@lab.test";
	change.no_login = updates[_i].no_login;
	while (change.n_secrets < 2 && updates[_i].secrets[change.n_secrets].kind != NULL) {
		change.secrets[change.n_secrets] = updates[_i].secrets[change.n_secrets];
		change.n_secrets++;
	}
	import_entry(ctx, &change, &update, NULL);
	(void)snprintf(want, sizeof(want), FULL "%s", updates[_i].want);
	expect_tim_stored(ctx, NULL, want);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(a_password_in_the_clear_serves_all_mechanisms)
{
	struct mailauth *ctx = open_store();
	const struct ma_import_rules keep = {
		.realm = "lab.test", .recoverable = true, .update = true};
	struct ma_entry entry;
	struct mailauth_user *user;

	ma_entry_init(&entry);
	entry.name = "tim@lab.test";
	entry.password = PASSWORD;
	entry.last_change = 12345;
	import_entry(ctx, &entry, &add_only, NULL);
	expect_tim_stored(ctx, "scram-sha-1 scram-sha-256 digest-md5 sasl-plain",
			  "name=tim@lab.test comment= home= shell= groups= mechs= locked=0 "
			  "recoverable=0 last=12345 min=-1 max=-1 warn=-1 inactive=-1 expire=-1 "
			  "cram-md5=" CRAM);
	support_status("get", mailauth_user_get(ctx, "tim@lab.test", &user), MAILAUTH_OK);
	ck_assert(mailauth_user_can(user, "PLAIN", NULL));
	ck_assert(mailauth_user_can(user, "DIGEST-MD5", NULL));
	ck_assert(mailauth_user_can(user, "SCRAM-SHA-256", NULL));
	ck_assert(!mailauth_user_can(user, "APOP", NULL));
	mailauth_user_free(&user);
	import_entry(ctx, &entry, &keep, NULL);
	expect_tim_stored(ctx, "scram-sha-1 scram-sha-256 digest-md5 sasl-plain",
			  "name=tim@lab.test comment= home= shell= groups= mechs= locked=0 "
			  "recoverable=1 last=12345 min=-1 max=-1 warn=-1 inactive=-1 expire=-1 "
			  "password=" PASSWORD " cram-md5=" CRAM);
	mailauth_free(&ctx);
}
END_TEST

/* An entry may know better than the rules. */
START_TEST(an_entry_that_is_not_recoverable_stays_so)
{
	struct mailauth *ctx = open_store();
	const struct ma_import_rules keep = {.recoverable = true};
	struct mailauth_user *user = NULL;
	struct ma_entry entry;
	char why[MA_WHY_MAX];

	ma_entry_init(&entry);
	entry.name = "tim";
	entry.password = PASSWORD;
	entry.recoverable = 0;
	support_status("import", ma_import_user(ctx, &entry, &keep, &user, why), MAILAUTH_OK);
	ck_assert_str_eq(mailauth_user_name(user), "tim@example.org"); /* the default realm */
	ck_assert(!mailauth_user_can(user, "APOP", NULL));
	mailauth_user_free(&user);
	mailauth_free(&ctx);
}
END_TEST

static char long_name[400];
static char long_password[MAILAUTH_PASSWORD_MAX + 2];

static const struct {
	const char *what;
	struct ma_entry entry; /* 0 and NULL: not said */
	const char *why;
} bad[] = {
	{"no name", {.name = NULL}, "it has no name"},
	{"empty name", {.name = ""}, "its name cannot be used"},
	{"empty local part", {.name = "@lab.test"}, "its name cannot be used"},
	{"bad name", {.name = "t m"}, "its name cannot be used"},
	{"long name", {.name = long_name}, "its name cannot be used"},
	{"uid", {.name = "t", .uid = 4294967295}, "its uid is out of range"},
	{"gid", {.name = "t", .gid = INT64_MAX}, "its gid is out of range"},
	{"lock", {.name = "t", .locked = 2}, "its lock is out of range"},
	{"last change", {.name = "t", .last_change = INT64_MAX}, "the day of its last password"},
	{"min", {.name = "t", .min = 100000}, "the least age"},
	{"max", {.name = "t", .max = 100000}, "the greatest age"},
	{"warn", {.name = "t", .warn = 100000}, "the days of warning"},
	{"inactive", {.name = "t", .inactive = 100000}, "the days after"},
	{"expire", {.name = "t", .expire = 2147483648}, "the day that it expires"},
	{"mechanism", {.name = "t", .mechs = "PLAIN FOO"}, "its list of mechanisms cannot be used"},
	{"empty password", {.name = "t", .password = ""}, "its password is empty"},
	{"long password", {.name = "t", .password = long_password}, "longer than 1024 bytes"},
	{"Latin-1 password", {.name = "t", .password = "\xfc"}, "its password is not UTF-8"},
	{"no mechanism",
	 {.name = "t", .password = "p", .mechs = "APOP", .recoverable = 0},
	 "no secret can be derived"},
	{"dear hash",
	 {.name = "t", .n_secrets = 1, .secrets = {{"crypt", "$6$rounds=99999999$a$b"}}},
	 "its crypt(3) string cannot be used: verifying it would take more than 2 s or 128 MiB"},
	{"dear bcrypt",
	 {.name = "t",
	  .n_secrets = 1,
	  .secrets = {{"crypt", "$2y$31$CYeEIYW9yVAmgqmBSEQ0uOVopmWGu5cJppx4RV1Oxo9ODhnbTdFEi"}}},
	 "verifying it would take more than"},
	{"unknown hash",
	 {.name = "t", .n_secrets = 1, .secrets = {{"crypt", "$argon2id$v=19$m=1"}}},
	 "libcrypt does not know its method"},
	{"half a hash",
	 {.name = "t", .n_secrets = 1, .secrets = {{"crypt", "$1$7K6rmBBX$BEzLZVEFIe8/0/avvkumP"}}},
	 "it is not a whole hash"},
	{"CRAM-MD5",
	 {.name = "t", .n_secrets = 1, .secrets = {{"cram-md5", "00"}}},
	 "its cram-md5 secret cannot be used"},
	{"digest of another",
	 {.name = "t", .n_secrets = 1, .secrets = {{"digest-md5", DIGEST}}},
	 "its digest-md5 secret cannot be used"},
	{"unknown kind",
	 {.name = "t", .n_secrets = 1, .secrets = {{"rot13", "x"}}},
	 "its rot13 secret cannot be used"},
};

START_TEST(refuses_what_cannot_be_an_account)
{
	struct mailauth *ctx = open_store();
	struct ma_entry entry = bad[_i].entry;
	struct ma_entry unsaid;
	struct mailauth_user *user = (struct mailauth_user *)&entry;
	char why[MA_WHY_MAX] = "";
	int64_t *ids[] = {&entry.uid, &entry.gid, &entry.locked};
	int64_t *days[] = {&entry.last_change, &entry.min,	&entry.max,
			   &entry.warn,	       &entry.inactive, &entry.expire};

	memset(long_name, 'a', sizeof(long_name) - 1);
	memset(long_password, 'a', sizeof(long_password) - 1);
	ma_entry_init(&unsaid);
	for (size_t i = 0; i < MA_ARRAY_SIZE(ids); i++)
		*ids[i] = *ids[i] != 0 ? *ids[i] : unsaid.uid;
	for (size_t i = 0; i < MA_ARRAY_SIZE(days); i++)
		*days[i] = *days[i] != 0 ? *days[i] : unsaid.min;
	support_status(bad[_i].what, ma_import_user(ctx, &entry, &add_only, &user, why),
		       MAILAUTH_E_USAGE);
	ck_assert_ptr_null(user);
	ck_assert_msg(strstr(why, bad[_i].why) != NULL, "%s: got \"%s\", want ...%s...",
		      bad[_i].what, why, bad[_i].why);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(an_account_that_exists_stays_without_update)
{
	struct mailauth *ctx = open_store();
	struct ma_entry entry = full_entry();
	struct mailauth_user *user = NULL;
	char why[MA_WHY_MAX];

	import_entry(ctx, &entry, &add_only, NULL);
	support_status("again", ma_import_user(ctx, &entry, &add_only, &user, why),
		       MAILAUTH_E_EXISTS);
	ck_assert_ptr_null(user);
	ck_assert_ptr_nonnull(strstr(why, "there is such an account"));
	mailauth_free(&ctx);
}
END_TEST

static const struct {
	const char *what;
	struct ma_entry entry;
	const char *why;
} lost[] = {
	{"comment", {.comment = "M\xfcller"}, "its comment was left out: it is not UTF-8"},
	{"control", {.comment = "a\tb"}, "its comment was left out: it has a control"},
	{"colon", {.comment = "a:b"}, "its comment was left out: it has a colon"},
	{"home", {.home = "home"}, "its home was left out: it is not an absolute path"},
	{"shell", {.shell = "sh"}, "its shell was left out: it is not an absolute path"},
	{"long home", {.home = long_name}, "its home was left out: it is longer than 255"},
	{"group", {.groups = "a$b,smtp"}, "some of its groups were left out"},
	{"long group", {.groups = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,smtp"}, "some of its groups"},
	{"group with a dash", {.groups = "-a,smtp"}, "some of its groups"},
	{"group with a dot", {.groups = ".a,smtp"}, "some of its groups"},
	{"group between digits and letters", {.groups = "a:,A[,z{,A0z.9_-Z"}, "some of its groups"},
	{"comment and home",
	 {.comment = "a:b", .home = "home"},
	 "its comment was left out: it has a colon; its home was left out: it is not an"},
	{"groups",
	 {.groups = "a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,y,z,1,2,3,4,5,6,7"},
	 "some of its groups"},
};

START_TEST(leaves_out_texts_that_do_not_fit)
{
	struct mailauth *ctx = open_store();
	struct ma_entry entry;

	memset(long_name, 'a', sizeof(long_name) - 1);
	ma_entry_init(&entry);
	entry.name = "tim@lab.test";
	entry.comment = lost[_i].entry.comment;
	entry.home = lost[_i].entry.home;
	entry.shell = lost[_i].entry.shell;
	entry.groups = lost[_i].entry.groups;
	import_entry(ctx, &entry, &add_only, lost[_i].why);
	ck_assert_uint_eq(got_log.n, 0); /* it is said once */
	mailauth_free(&ctx);
}
END_TEST

/* As many groups as an account has room for, each as long as can be. */
START_TEST(takes_as_many_groups_as_there_is_room_for)
{
	struct mailauth *ctx = open_store();
	struct ma_entry entry;
	char groups[MAILAUTH_GROUPS_MAX * (MAILAUTH_GROUP_MAX + 1) + 1];
	size_t len = 0;

	for (int i = 0; i < MAILAUTH_GROUPS_MAX; i++)
		len += (size_t)snprintf(groups + len, sizeof(groups) - len, "%sgroup%0*d",
					i > 0 ? "," : "", MAILAUTH_GROUP_MAX - 5, i);
	ma_entry_init(&entry);
	entry.name = "tim@lab.test";
	entry.groups = groups;
	import_entry(ctx, &entry, &add_only, NULL);
	{
		struct mailauth_user *user;

		support_status("get", mailauth_user_get(ctx, "tim@lab.test", &user), MAILAUTH_OK);
		ck_assert_str_eq(mailauth_user_text(user, MAILAUTH_TEXT_GROUPS), groups);
		mailauth_user_free(&user);
	}
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("import");
	TCase *lines = tcase_create("lines");
	TCase *entries = tcase_create("entries");

	tcase_set_timeout(lines, 60);
	tcase_add_loop_test(lines, reads_lines_however_they_end, 0, MA_ARRAY_SIZE(samples));
	tcase_add_loop_test(lines, refuses_lines_beyond_the_limit_and_goes_on, 0,
			    MA_ARRAY_SIZE(samples));
	tcase_add_loop_test(lines, refuses_a_nul_byte_and_goes_on, 0, MA_ARRAY_SIZE(samples));
	tcase_add_loop_test(lines, tells_each_line_of_a_name, 0, MA_ARRAY_SIZE(samples));
	tcase_add_loop_test(lines, survives_each_failing_allocation, 0, MA_ARRAY_SIZE(samples));
	tcase_add_test(lines, finds_formats_by_name);
	tcase_add_loop_test(lines, texts_are_printable, 0, MA_ARRAY_SIZE(texts));
	tcase_add_test(lines, texts_are_cut);
	tcase_add_loop_test(lines, reads_numbers, 0, MA_ARRAY_SIZE(numbers));
	tcase_add_loop_test(lines, knows_a_hash_from_what_is_none, 0, MA_ARRAY_SIZE(hashes));
	tcase_add_test(lines, fits_what_has_no_control_character);
	tcase_add_test(lines, reports_lines_that_cannot_be_read);
	tcase_add_test(lines, turns_hmac_md5_round);
	suite_add_tcase(suite, lines);

	tcase_set_timeout(entries, 60);
	tcase_add_checked_fixture(entries, support_reset, NULL);
	tcase_add_test(entries, copies_are_deep);
	tcase_add_test(entries, a_copy_without_memory_is_none);
	tcase_add_test(entries, an_entry_becomes_an_account_and_an_entry_again);
	tcase_add_test(entries, an_entry_that_says_little_changes_little);
	tcase_add_loop_test(entries, an_update_keeps_what_belongs_to_the_same_password, 0,
			    MA_ARRAY_SIZE(updates));
	tcase_add_test(entries, a_password_in_the_clear_serves_all_mechanisms);
	tcase_add_test(entries, an_entry_that_is_not_recoverable_stays_so);
	tcase_add_loop_test(entries, refuses_what_cannot_be_an_account, 0, MA_ARRAY_SIZE(bad));
	tcase_add_test(entries, an_account_that_exists_stays_without_update);
	tcase_add_loop_test(entries, leaves_out_texts_that_do_not_fit, 0, MA_ARRAY_SIZE(lost));
	tcase_add_test(entries, takes_as_many_groups_as_there_is_room_for);
	suite_add_tcase(suite, entries);
	return support_run(suite);
}
