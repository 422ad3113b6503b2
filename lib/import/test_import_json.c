/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_import_json.c - accounts as JSON Lines
 */
#include "import/import.h"

#include <stdio.h>
#include <stdlib.h>

#include "support.h"
#include "util/mem.h"

extern const struct ma_format ma_format_json;

#define SHA256                                                                                     \
	"SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"                                             \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"                                            \
	"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define CRAM "5211b25404b61f715e033eca6b1115701b4e6dd0a4cafc260118b6b0a3402313"

/* In the form in which it is written. */
static const char full_line[] =
	"{\"format\":1,\"name\":\"alice@example.org\",\"locked\":false,\"recoverable\":true,"
	"\"comment\":\"Alice Gr\xc3\xbc\xc3\x9f, \\\"A\\\"\",\"home\":\"/srv/mail/alice\","
	"\"shell\":\"/usr/sbin/nologin\",\"uid\":5000,\"gid\":null,\"groups\":[\"imap\",\"smtp\"],"
	"\"mech\":[\"PLAIN\",\"CRAM-MD5\"],\"ageing\":{\"last_change\":20000,\"min\":0,"
	"\"max\":99999,\"warn\":7,\"inactive\":null,\"expire\":2147483647},"
	"\"secrets\":{\"cram-md5\":[\"" CRAM "\"],\"digest-md5\":["
	"\"alice:example.org:0123456789abcdef0123456789abcdef\","
	"\"alice::0123456789abcdef0123456789abcdef\"],"
	"\"scram-sha-256\":[\"" SHA256 "\"],\"password\":[\"tanstaaftanstaaf\"]}}\n";

static struct ma_import *import;
static struct ma_entry entry;
static char why[MA_WHY_MAX];

static void open_bytes(const void *bytes, size_t len)
{
	const struct ma_import_params params = {.file = support_file("accounts.json", bytes, len)};

	ck_assert_int_eq(ma_format_json.open(&params, &import, why), MAILAUTH_OK);
}

static enum mailauth_status next(void)
{
	return ma_format_json.next(import, &entry, why);
}

static void close_all(void)
{
	ma_format_json.close(&import);
	ck_assert_ptr_null(import);
}

static void release(char *text)
{
	free(text); /* lint: free ok: the C library made it, for open_memstream() */
}

/* Writes the entry; the text is to be released. */
static char *put(enum mailauth_status want)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	const struct ma_export_params params = {.out = out};

	ck_assert_ptr_nonnull(out);
	support_status("put", ma_format_json.put(&params, &entry, why), want);
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

/* ---- reading ---- */

START_TEST(reads_all_that_an_account_holds)
{
	open_bytes(full_line, strlen(full_line));
	support_status(why, next(), MAILAUTH_OK);
	ck_assert_uint_eq(entry.line, 1);
	ck_assert_str_eq(entry.name, "alice@example.org");
	ck_assert_str_eq(entry.comment, "Alice Gr\xc3\xbc\xc3\x9f, \"A\"");
	ck_assert_str_eq(entry.home, "/srv/mail/alice");
	ck_assert_str_eq(entry.shell, "/usr/sbin/nologin");
	ck_assert_str_eq(entry.groups, "imap,smtp");
	ck_assert_str_eq(entry.mechs, "PLAIN CRAM-MD5");
	ck_assert_int_eq(entry.uid, 5000);
	ck_assert_int_eq(entry.gid, -1);
	ck_assert_int_eq(entry.locked, 0);
	ck_assert_int_eq(entry.recoverable, 1);
	ck_assert_int_eq(entry.last_change, 20000);
	ck_assert_int_eq(entry.min, 0);
	ck_assert_int_eq(entry.max, 99999);
	ck_assert_int_eq(entry.warn, 7);
	ck_assert_int_eq(entry.inactive, -1);
	ck_assert_int_eq(entry.expire, INT32_MAX);
	ck_assert_ptr_null(entry.password);
	ck_assert_uint_eq(entry.n_secrets, 5);
	ck_assert_str_eq(entry.secrets[0].kind, "cram-md5");
	ck_assert_str_eq(entry.secrets[0].text, CRAM);
	ck_assert_str_eq(entry.secrets[2].kind, "digest-md5");
	ck_assert_str_eq(entry.secrets[2].text, "alice::0123456789abcdef0123456789abcdef");
	ck_assert_str_eq(entry.secrets[4].kind, "password");
	ck_assert_str_eq(entry.secrets[4].text, "tanstaaftanstaaf");
	ck_assert(!entry.no_login);
	ck_assert_ptr_null(entry.note);
	ck_assert_int_eq(next(), MAILAUTH_E_NOTFOUND);
	ck_assert_int_eq(next(), MAILAUTH_E_NOTFOUND);
	close_all();
}
END_TEST

START_TEST(says_nothing_of_what_is_not_there)
{
	static const char text[] = "{\"name\": \"alice\", \"password\": \"secret\"}";
	struct ma_entry nothing;

	open_bytes(text, strlen(text));
	support_status(why, next(), MAILAUTH_OK);
	ck_assert_str_eq(entry.name, "alice");
	ck_assert_str_eq(entry.password, "secret");
	ma_entry_init(&nothing);
	nothing.line = 1;
	nothing.name = entry.name;
	nothing.password = entry.password;
	ck_assert_mem_eq(&entry, &nothing, sizeof(entry));
	close_all();
}
END_TEST

static const struct {
	const char *name;
	const char *text;
	unsigned long line;
} good[] = {
	{"name alone", "{\"name\":\"a\"}\n", 1},
	{"no line break at the end", "{\"name\":\"a\"}", 1},
	{"CR LF", "{\"name\":\"a\"}\r\n", 1},
	{"white space", " \t{ \"name\" :\t\"a\" } \t\n", 1},
	{"empty lines", "\n \t\n\r\n{\"name\":\"a\"}\n\n\n", 4},
	{"byte order mark", "\xef\xbb\xbf{\"name\":\"a\"}\n", 1},
	{"format behind the rest", "{\"name\":\"a\",\"format\":1}\n", 1},
	{"greatest id", "{\"name\":\"a\",\"uid\":4294967294}\n", 1},
	{"least id", "{\"name\":\"a\",\"gid\":0}\n", 1},
	{"greatest day", "{\"name\":\"a\",\"ageing\":{\"expire\":2147483647}}\n", 1},
	{"greatest age", "{\"name\":\"a\",\"ageing\":{\"inactive\":99999}}\n", 1},
	{"nothing about ageing", "{\"name\":\"a\",\"ageing\":{}}\n", 1},
	{"empty lists", "{\"name\":\"a\",\"groups\":[],\"mech\":[]}\n", 1},
	{"empty texts", "{\"name\":\"a\",\"comment\":\"\",\"home\":\"\",\"shell\":\"\"}\n", 1},
	{"no secrets", "{\"name\":\"a\",\"secrets\":{}}\n", 1},
	{"escapes", "{\"n\\u0061me\":\"\\u0061\"}\n", 1},
};

START_TEST(accepts_good_lines)
{
	open_bytes(good[_i].text, strlen(good[_i].text));
	support_status(good[_i].name, next(), MAILAUTH_OK);
	ck_assert_str_eq(entry.name, "a");
	ck_assert_uint_eq(entry.line, good[_i].line);
	ck_assert_str_eq(why, "");
	ck_assert_int_eq(next(), MAILAUTH_E_NOTFOUND);
	close_all();
}
END_TEST

#define A	       "{\"name\":\"a\","
#define X8(x)	       x x x x x x x x
#define ONE_TO_MANY(x) "\"" x "\"," X8(X8("\"" x "\",")) "\"" x "\""

static const struct {
	const char *text;
	const char *why;
} bad[] = {
	{"{", "does not end"},
	{"[", "does not end"},
	{"{\"name\":\"a\"", "does not end"},
	{"{\"name\":\"a", "does not end"},
	{"}", "JSON"},
	{"alice:secret", "JSON"},
	{"{\"name\":\"a\"}}", "behind the object"},
	{"{\"name\":\"a\"}{\"name\":\"b\"}", "behind the object"},
	{"{'name':'a'}", "JSON"},
	{"{\"name\":\"a\",}", "JSON"},
	{"[]", "has to be a JSON object"},
	{"\"alice\"", "has to be a JSON object"},
	{"5", "has to be a JSON object"},
	{"null", "has to be a JSON object"},
	{"{}", "no \"name\""},
	{"{\"comment\":\"a\"}", "no \"name\""},
	{"{\"name\":5}", "\"name\" has to be a string"},
	{"{\"name\":null}", "\"name\" has to be a string"},
	{"{\"name\":\"a\",\"name\":\"b\"}", "twice"},
	{A "\"secrets\":{\"crypt\":[\"x\"],\"crypt\":[\"y\"]}}", "twice"},
	{A "\"groop\":[]}", "no member \"groop\""},
	{A "\"Name\":\"b\"}", "no member \"Name\""},
	{A "\"\":1}", "no member \"\""},
	{A "\"state\":\"active\"}", "no member \"state\""},
	{A "\"n\\u001b[2J\":1}", "no member \"n?[2J\""},
	{A "\"ageing\":{\"days\":1}}", "no member \"days\""},
	{A "\"ageing\":{\"format\":1}}", "no member \"format\""},
	{A "\"format\":2}", "format 2 comes from a later version"},
	{"{\"format\":2,\"future\":{},\"name\":[\"a\"]}", "format 2 comes from a later version"},
	{A "\"format\":0}", "\"format\" has to be 1"},
	{A "\"format\":-1}", "\"format\" has to be 1"},
	{A "\"format\":\"1\"}", "\"format\" has to be 1"},
	{A "\"format\":null}", "\"format\" has to be 1"},
	{A "\"comment\":null}", "\"comment\" has to be a string"},
	{A "\"locked\":1}", "\"locked\" has to be true or false"},
	{A "\"recoverable\":null}", "\"recoverable\" has to be true or false"},
	{A "\"uid\":-1}", "\"uid\" has to be a whole number from 0 to 4294967294"},
	{A "\"uid\":4294967295}", "\"uid\" has to be a whole number from 0 to 4294967294"},
	{A "\"uid\":\"5\"}", "\"uid\" has to be a whole number"},
	{A "\"uid\":5.0}", "\"uid\" has to be a whole number"},
	{A "\"uid\":1e3}", "\"uid\" has to be a whole number"},
	{A "\"uid\":true}", "\"uid\" has to be a whole number"},
	{A "\"uid\":9223372036854775808}", "too large"},
	{A "\"uid\":1e999}", "too large"},
	{A "\"uid\":010}", "JSON"},
	{A "\"ageing\":[]}", "\"ageing\" has to be an object"},
	{A "\"ageing\":null}", "\"ageing\" has to be an object"},
	{A "\"ageing\":{\"min\":-2}}", "\"min\" has to be a whole number"},
	{A "\"ageing\":{\"max\":100000}}", "\"max\" has to be a whole number"},
	{A "\"ageing\":{\"expire\":2147483648}}", "\"expire\" has to be a whole number"},
	{A "\"groups\":\"imap\"}", "\"groups\" has to be an array"},
	{A "\"groups\":[5]}", "\"groups\" has to be an array"},
	{A "\"groups\":[\"\"]}", "one word each"},
	{A "\"groups\":[\"imap,smtp\"]}", "one word each"},
	{A "\"mech\":[\"PLAIN LOGIN\"]}", "one word each"},
	{A "\"mech\":[[\"PLAIN\"]]}", "one word each"},
	{A "\"password\":[\"x\"]}", "\"password\" has to be a string"},
	{A "\"password\":\"x\",\"secrets\":{}}", "exclude each other"},
	{A "\"secrets\":[\"cram-md5\"]}", "\"secrets\" has to be an object"},
	{A "\"secrets\":null}", "\"secrets\" has to be an object"},
	{A "\"secrets\":{\"crypt\":\"x\"}}", "each member has to be an array"},
	{A "\"secrets\":{\"crypt\":[]}}", "each member has to be an array"},
	{A "\"secrets\":{\"crypt\":[5]}}", "each member has to be an array"},
	{A "\"secrets\":{\"crypt\":[5],\"cram-md5\":[\"x\"]}}", "each member has to be an array"},
	{A "\"secrets\":{\"crypt\":[" ONE_TO_MANY("x") "]}}", "more than 64 texts"},
	{A "\"comment\":\"\xff\"}", "UTF-8"},
	{A "\"comment\":\"\xc3\"}", "UTF-8"},
	{A "\"comment\":\"\xed\xa0\x80\"}", "UTF-8"},
	{A "\"comment\":\"\\ud800\"}", "JSON"},
	{A "\"password\":\"hunter2\\u0000\"}", "\\u0000 is not allowed"},
	{A "\"a\\u0000b\":1}", "\\u0000 is not allowed"},
	{A "\"comment\":\"a\tb\"}", "JSON"},
};

START_TEST(refuses_malformed_lines_and_says_why)
{
	char text[1024];
	int len = snprintf(text, sizeof(text), "\n%s\n{\"name\":\"b\"}\n", bad[_i].text);

	ck_assert_int_lt(len, (int)sizeof(text));
	open_bytes(text, (size_t)len);
	support_status(bad[_i].text, next(), MAILAUTH_E_USAGE);
	ck_assert_uint_eq(entry.line, 2);
	ck_assert_msg(strstr(why, bad[_i].why) != NULL, "%s: got '%s', want '...%s...'",
		      bad[_i].text, why, bad[_i].why);
	ck_assert_msg(strstr(why, "hunter2") == NULL, "a password is shown: %s", why);
	support_status("the next line", next(), MAILAUTH_OK);
	ck_assert_str_eq(entry.name, "b");
	ck_assert_uint_eq(entry.line, 3);
	ck_assert_int_eq(next(), MAILAUTH_E_NOTFOUND);
	close_all();
}
END_TEST

START_TEST(names_the_account_that_is_malformed)
{
	static const char text[] = "{\"home\":5,\"name\":\"alice\"}\n";

	open_bytes(text, strlen(text));
	support_status("home", next(), MAILAUTH_E_USAGE);
	ck_assert_str_eq(entry.name, "alice");
	close_all();
}
END_TEST

START_TEST(never_shows_what_stands_in_a_string)
{
	static const char *const texts[] = {
		"{\"password\":\"hunter2\" \"name\"}", "{\"password\":\"hunter2}",
		"{\"password\":\"hunter2\\q\"}",       "{\"hunter2\"}",
		"{\"password\":\"hunter2\t\"}",	       "{\"password\":hunter2}",
	};

	open_bytes(texts[_i], strlen(texts[_i]));
	support_status(texts[_i], next(), MAILAUTH_E_USAGE);
	ck_assert_msg(strstr(why, "hunter2") == NULL, "%s: %s", texts[_i], why);
	close_all();
}
END_TEST

/* A line of exactly @len bytes with an account in it, then another. */
static void open_line_of(size_t len)
{
	static const char begin[] = "{\"name\":\"a\",\"comment\":\"";
	static const char end[] = "\"}\n{\"name\":\"b\"}\n";
	size_t n = len - strlen(begin) - 2;
	char *text = ma_alloc(len + sizeof(end));

	ck_assert_ptr_nonnull(text);
	memcpy(text, begin, strlen(begin));
	memset(text + strlen(begin), 'x', n);
	memcpy(text + strlen(begin) + n, end, strlen(end));
	open_bytes(text, strlen(begin) + n + strlen(end));
	ma_free(text);
}

START_TEST(takes_lines_up_to_the_maximum)
{
	open_line_of(MA_LINE_MAX);
	support_status("maximum", next(), MAILAUTH_OK);
	ck_assert_str_eq(entry.name, "a");
	support_status("behind it", next(), MAILAUTH_OK);
	ck_assert_str_eq(entry.name, "b");
	close_all();
}
END_TEST

START_TEST(refuses_lines_that_are_too_long)
{
	open_line_of(_i == 0 ? MA_LINE_MAX + 1 : 10u << 20);
	support_status("too long", next(), MAILAUTH_E_USAGE);
	ck_assert_uint_eq(entry.line, 1);
	ck_assert_ptr_nonnull(strstr(why, "longer than 65536 bytes"));
	support_status("behind it", next(), MAILAUTH_OK);
	ck_assert_str_eq(entry.name, "b");
	ck_assert_uint_eq(entry.line, 2);
	close_all();
}
END_TEST

START_TEST(refuses_nul_anywhere)
{
	char text[] = "{\"name\":\"a\"}\n{\"name\":\"b\"}\n";

	text[_i] = '\0';
	open_bytes(text, sizeof(text) - 1);
	support_status("NUL", next(), MAILAUTH_E_USAGE);
	ck_assert_uint_eq(entry.line, 1);
	ck_assert_ptr_nonnull(strstr(why, "NUL"));
	close_all();
}
END_TEST

START_TEST(refuses_deep_nesting)
{
	static char text[MA_LINE_MAX];
	const char opening = _i == 0 ? '[' : '{';
	size_t n = 0;

	n += (size_t)snprintf(text, sizeof(text), "{\"name\":\"a\",\"home\":");
	while (n + 8 < sizeof(text)) {
		text[n++] = opening;
		if (opening == '{') {
			memcpy(text + n, "\"a\":", 4);
			n += 4;
		}
	}
	open_bytes(text, n);
	support_status("nesting", next(), MAILAUTH_E_USAGE);
	ck_assert_ptr_nonnull(strstr(why, "nested too deeply"));
	close_all();
}
END_TEST

START_TEST(reports_a_file_that_cannot_be_read)
{
	const struct ma_import_params params = {.file = support_path("missing.json")};

	ck_assert_int_eq(ma_format_json.open(&params, &import, why), MAILAUTH_E_CONFIG);
	ck_assert_ptr_null(import);
	ck_assert_ptr_nonnull(strstr(why, "missing.json"));
	ma_format_json.close(&import);
}
END_TEST

/* ---- writing ---- */

START_TEST(writes_what_it_reads)
{
	char *text;

	open_bytes(full_line, strlen(full_line));
	support_status(why, next(), MAILAUTH_OK);
	text = put(MAILAUTH_OK);
	ck_assert_str_eq(text, full_line);
	ck_assert_str_eq(why, "");
	release(text);
	close_all();
}
END_TEST

START_TEST(writes_only_what_it_knows)
{
	char *text;

	ma_entry_init(&entry);
	entry.name = "a";
	text = put(MAILAUTH_OK);
	ck_assert_str_eq(text, "{\"format\":1,\"name\":\"a\",\"uid\":null,\"gid\":null,"
			       "\"ageing\":{}}\n");
	release(text);
	entry.no_login = true;
	entry.groups = "";
	text = put(MAILAUTH_OK);
	ck_assert_str_eq(text, "{\"format\":1,\"name\":\"a\",\"uid\":null,\"gid\":null,"
			       "\"groups\":[],\"ageing\":{},\"secrets\":{}}\n");
	release(text);
}
END_TEST

START_TEST(leaves_out_the_realm_that_was_named)
{
	static const char *const rows[][3] = {
		{"alice@example.org", "example.org", "{\"format\":1,\"name\":\"alice\","},
		{"alice@example.org", "lab.test", "{\"format\":1,\"name\":\"alice@example.org\","},
		{"alice@example.org", NULL, "{\"format\":1,\"name\":\"alice@example.org\","},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		char *text = NULL;
		size_t len = 0;
		FILE *out = open_memstream(&text, &len);
		const struct ma_export_params params = {.out = out, .realm = rows[i][1]};

		ma_entry_init(&entry);
		entry.name = rows[i][0];
		ck_assert_int_eq(ma_format_json.put(&params, &entry, why), MAILAUTH_OK);
		ck_assert_int_eq(fclose(out), 0);
		ck_assert_int_eq(strncmp(text, rows[i][2], strlen(rows[i][2])), 0);
		release(text);
	}
}
END_TEST

START_TEST(refuses_to_write_what_is_not_utf8)
{
	ma_entry_init(&entry);
	entry.name = "a";
	entry.comment = "Gr\xfc\xdf";
	release(put(MAILAUTH_E_UNSUPPORTED));
	ck_assert_ptr_nonnull(strstr(why, "\"comment\" is not UTF-8"));
	entry.comment = NULL;
	entry.n_secrets = 1;
	entry.secrets[0] = (struct ma_entry_secret){.kind = "crypt", .text = "\xff"};
	release(put(MAILAUTH_E_UNSUPPORTED));
	ck_assert_ptr_nonnull(strstr(why, "\"crypt\" is not UTF-8"));
}
END_TEST

START_TEST(reports_a_full_disk)
{
	FILE *out = fopen("/dev/full", "we");
	const struct ma_export_params params = {.out = out};

	ck_assert_ptr_nonnull(out);
	setbuf(out, NULL);
	ma_entry_init(&entry);
	entry.name = "a";
	ck_assert_int_eq(ma_format_json.put(&params, &entry, why), MAILAUTH_E_TEMPFAIL);
	ck_assert_int_ne(fclose(out), 1);
}
END_TEST

/* ---- with a store ---- */

static char *export_all(struct mailauth *ctx)
{
	struct mailauth_name cursor = {.text = ""};
	struct mailauth_user *user;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	const struct ma_export_params params = {.out = out};

	while (mailauth_user_next(ctx, &cursor, &user) == MAILAUTH_OK) {
		struct ma_buf bytes = ma_buf(1u << 20);

		ck_assert_int_eq(ma_export_entry(user, &bytes, &entry), MAILAUTH_OK);
		ck_assert_int_eq(ma_format_json.put(&params, &entry, why), MAILAUTH_OK);
		ma_buf_clear(&bytes);
		mailauth_user_free(&user);
	}
	ck_assert_int_eq(fclose(out), 0);
	return text;
}

static void import_all(struct mailauth *ctx, const char *text)
{
	const struct ma_import_rules rules = {.realm = NULL};
	struct mailauth_user *user;
	enum mailauth_status status;

	open_bytes(text, strlen(text));
	while ((status = next()) == MAILAUTH_OK) {
		support_status(entry.name, ma_import_user(ctx, &entry, &rules, &user, why),
			       MAILAUTH_OK);
		ck_assert_str_eq(why, "");
		ck_assert_int_eq(mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
	}
	support_status(why, status, MAILAUTH_E_NOTFOUND);
	close_all();
}

/* One account of each sort that there is. */
static const char sorts[] =
	"{\"name\":\"plain\",\"password\":\"tanstaaftanstaaf\"}\n"
	"{\"name\":\"kept\",\"password\":\"tanstaaf\",\"recoverable\":true}\n"
	"{\"name\":\"latin\",\"password\":\"Gr\xc3\xbc\xc3\x9f\",\"recoverable\":true}\n"
	"{\"name\":\"gr\xc3\xbc\xc3\x9f@lab.test\",\"password\":\"Gr\xc3\xbc\xc3\x9f\"}\n"
	"{\"name\":\"scram\",\"password\":\"x\",\"mech\":[\"SCRAM-SHA-512\",\"SCRAM-SHA-1\"]}\n"
	"{\"name\":\"hash\",\"secrets\":{\"crypt\":[\"$1$abcdefgh$8WsCVEj4cUcMHwX9TFTyv/\"]}}\n"
	"{\"name\":\"half\",\"secrets\":{\"digest-md5\":["
	"\"half@example.org:other.test:0123456789abcdef0123456789abcdef\"]}}\n"
	"{\"name\":\"none\",\"locked\":true,\"comment\":\"\\\\ \\\"\xe2\x80\xa0\"}\n"
	"{\"name\":\"set\",\"home\":\"/srv/mail/set\",\"shell\":\"/bin/false\",\"uid\":0,"
	"\"gid\":4294967294,\"groups\":[\"smtp\",\"imap\"],\"password\":\"x\",\"ageing\":"
	"{\"last_change\":0,\"min\":1,\"max\":2,\"warn\":3,\"inactive\":4,\"expire\":5}}\n"
	"{\"name\":\"unset\",\"password\":\"x\",\"ageing\":{\"last_change\":null}}\n";

static const char more[] = "digest_realms = r1.test r2.test r3.test r4.test r5.test r6.test "
			   "r7.test r8.test\n";

START_TEST(loses_nothing_on_a_round_trip)
{
	/* PLAIN would derive what is missing, so it is last. */
	static const char *const mechs[] = {"APOP",	   "CRAM-MD5",	    "DIGEST-MD5",
					    "SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"};
	const struct mailauth_request request = {.size = sizeof(request),
						 .flags = MAILAUTH_REQUEST_TLS};
	struct mailauth *ctx = support_open(more, NULL);
	char *first;
	char *second;

	import_all(ctx, sorts);
	first = export_all(ctx);
	mailauth_free(&ctx);
	support_reset();
	ctx = support_open(more, NULL);
	import_all(ctx, first);
	second = export_all(ctx);
	ck_assert_str_eq(second, first);
	ck_assert_ptr_nonnull(strstr(second, "\"password\":[\"tanstaaf\"]"));
	for (size_t i = 0; i < MA_ARRAY_SIZE(mechs); i++)
		support_status(mechs[i], support_login(ctx, mechs[i], &request, "kept", "tanstaaf"),
			       MAILAUTH_OK);
	mailauth_free(&ctx);
	release(first);
	release(second);
}
END_TEST

/* ---- memory ---- */

static unsigned int n_left;

static bool fail_nth(void)
{
	return n_left-- == 0;
}

/* Strings are short: jansson 2.14 itself reads beyond one that it had no memory to collect. */
static enum mailauth_status read_and_write(void)
{
	static const char text[] = "{\"name\":\"a\",\"groups\":[\"g\"],\"mech\":[\"PLAIN\"],"
				   "\"secrets\":{\"crypt\":[\"x\"]},\"ageing\":{\"min\":1}}\n";
	const struct ma_import_params params = {
		.file = support_file("accounts.json", text, strlen(text))};
	FILE *out = fopen("/dev/null", "we");
	const struct ma_export_params to = {.out = out};
	enum mailauth_status status;

	ma_mem_set_fail(fail_nth);
	status = ma_format_json.open(&params, &import, why);
	if (status == MAILAUTH_OK)
		status = next();
	if (status == MAILAUTH_OK)
		status = ma_format_json.put(&to, &entry, why);
	ma_mem_set_fail(NULL);
	ma_format_json.close(&import);
	ck_assert_int_eq(fclose(out), 0);
	return status;
}

START_TEST(survives_lack_of_memory_anywhere)
{
	enum mailauth_status status = MAILAUTH_E_NOMEM;
	unsigned int n;

	for (n = 0; n < 1000; n++) {
		n_left = n;
		status = read_and_write();
		if (status == MAILAUTH_OK)
			break;
		ck_assert_msg(status == MAILAUTH_E_NOMEM, "allocation %u: got %d, want NOMEM; %s",
			      n, (int)status, why);
	}
	ck_assert_uint_gt(n, 50);
	ck_assert_int_eq(status, MAILAUTH_OK);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("import_json");
	TCase *tcase = tcase_create("import_json");

	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, reads_all_that_an_account_holds);
	tcase_add_test(tcase, says_nothing_of_what_is_not_there);
	tcase_add_loop_test(tcase, accepts_good_lines, 0, MA_ARRAY_SIZE(good));
	tcase_add_loop_test(tcase, refuses_malformed_lines_and_says_why, 0, MA_ARRAY_SIZE(bad));
	tcase_add_test(tcase, names_the_account_that_is_malformed);
	tcase_add_loop_test(tcase, never_shows_what_stands_in_a_string, 0, 6);
	tcase_add_test(tcase, takes_lines_up_to_the_maximum);
	tcase_add_loop_test(tcase, refuses_lines_that_are_too_long, 0, 2);
	tcase_add_loop_test(tcase, refuses_nul_anywhere, 0, 12);
	tcase_add_loop_test(tcase, refuses_deep_nesting, 0, 2);
	tcase_add_test(tcase, reports_a_file_that_cannot_be_read);
	tcase_add_test(tcase, writes_what_it_reads);
	tcase_add_test(tcase, writes_only_what_it_knows);
	tcase_add_test(tcase, leaves_out_the_realm_that_was_named);
	tcase_add_test(tcase, refuses_to_write_what_is_not_utf8);
	tcase_add_test(tcase, reports_a_full_disk);
	tcase_add_test(tcase, loses_nothing_on_a_round_trip);
	tcase_add_test(tcase, survives_lack_of_memory_anywhere);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
