/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_name.c - names of accounts: what is refused, what is folded, and the store's keys
 */
#include "account/name.h"

#include "support.h"
#include "util/mem.h"

#define X8	"xxxxxxxx"
#define X32	X8 X8 X8 X8
#define X64	X32 X32
#define X255	X64 X64 X64 X32 X8 X8 X8 "xxxxxxx"
#define L64	"llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll"

#define DEFAULT "default.example"

/* Parses from a block of exactly its size, so that a sanitizer sees a read beyond it. */
static const char *parse(const void *in, size_t len, const char *realm, struct ma_name *name)
{
	uint8_t *copy = ma_alloc(len > 0 ? len : 1);
	const char *refusal;

	ck_assert_ptr_nonnull(copy);
	if (len > 0)
		memcpy(copy, in, len);
	refusal = ma_name_parse(ma_span(copy, len), ma_span_text(realm), name);
	ma_free(copy);
	return refusal;
}

static const struct {
	const char *in;
	const char *want;
} accepted[] = {
	{"alice", "alice@" DEFAULT},
	{"alice@example.org", "alice@example.org"},
	{"a", "a@" DEFAULT},
	{"a@b", "a@b"},
	{"ALICE@EXAMPLE.ORG", "alice@example.org"},
	{"AZaz09@AZ", "azaz09@az"},
	{"[\\]^_`{|}~!$%&()*+=?@x", "[\\]^_`{|}~!$%&()*+=?@x"},
	{"a-@b-", "a-@b-"},
	{"a.b", "a.b@" DEFAULT},
	{"...", "...@" DEFAULT},
	{".a@.b", ".a@.b"},
	{"..a@a..", "..a@a.."},
	{"+@+", "+@+"},
	{"0@0", "0@0"},
	/* folding is ASCII only: U+00C4 and U+212A (a K) stay */
	{"\xc3\x84nne@example.org", "\xc3\x84nne@example.org"},
	{"\xe2\x84\xaa@\xc3\x84.org", "\xe2\x84\xaa@\xc3\x84.org"},
	{"\xc2\xa0@b", "\xc2\xa0@b"}, /* the first behind C1 */
	{"\xf0\x9f\x98\x80@b", "\xf0\x9f\x98\x80@b"},
	{"\xf4\x8f\xbf\xbf@b", "\xf4\x8f\xbf\xbf@b"},
	{L64, L64 "@" DEFAULT},
	{"a@" X255, "a@" X255},
	{L64 "@" X255, L64 "@" X255}, /* MAILAUTH_NAME_MAX */
};

START_TEST(accepts_and_folds)
{
	struct ma_name name;
	const char *want = accepted[_i].want;
	const char *refusal = parse(accepted[_i].in, strlen(accepted[_i].in), DEFAULT, &name);

	ck_assert_msg(refusal == NULL, "\"%s\": refused: %s", accepted[_i].in, refusal);
	ck_assert_msg(strcmp(name.text, want) == 0, "\"%s\": got \"%s\", want \"%s\"",
		      accepted[_i].in, name.text, want);
	ck_assert_uint_eq(name.len, strlen(want));
	ck_assert_uint_eq(name.local_len, strcspn(want, "@"));
	ck_assert(ma_span_equal(ma_name_span(&name), ma_span_text(want)));
}
END_TEST

#define CONTROL "control character"
#define UTF8	"not valid UTF-8"
#define SPECIAL "one of : , / ; \" ' #"

static const struct {
	const char *name;
	const char *in;
	size_t len; /* 0: that of the text */
	const char *why;
} refused[] = {
	{"empty", "", 0, "before @ is empty"},
	{"@ alone", "@", 0, "before @ is empty"},
	{"no local part", "@b", 0, "before @ is empty"},
	{"no realm behind @", "a@", 0, "after @ is empty"},
	{"two @", "a@b@c", 0, "more than one @"},
	{"two @ in a row", "a@@b", 0, "more than one @"},
	{"@ at the end", "a@b@", 0, "more than one @"},
	{"local part of 65", L64 "l@b", 0, "longer than 64"},
	{"local part of 65, default realm", L64 "l", 0, "longer than 64"},
	{"realm of 256", "a@" X255 "x", 0, "longer than 255"},
	{"300 bytes without @", X255 X32 X8 "xxxxx", 0, "longer than 64"},
	{"300 bytes of realm", "a@" X255 X32 X8 "xxx", 0, "longer than 255"},
	{"both too long", L64 "l@" X255 "x", 0, "longer than 64"},
	{"leading - of local", "-a@b", 0, "begins with -"},
	{"leading - of realm", "a@-b", 0, "begins with -"},
	{"- alone", "-", 0, "begins with -"},
	{".", ".", 0, ". or .."},
	{"..", "..", 0, ". or .."},
	{". as realm", "a@.", 0, ". or .."},
	{".. as realm", "a@..", 0, ". or .."},
	{"NUL at the start", "\0a@b", 4, CONTROL},
	{"NUL inside", "a\0b", 3, CONTROL},
	{"NUL before @", "a\0@b", 4, CONTROL},
	{"NUL behind @", "a@\0b", 4, CONTROL},
	{"NUL at the end", "a@b\0", 4, CONTROL},
	{"NUL alone", "\0", 1, CONTROL},
	{"C1: U+0080", "a\xc2\x80", 0, CONTROL},
	{"C1: U+0085", "a\xc2\x85", 0, CONTROL},
	{"C1: U+009F", "a\xc2\x9f", 0, CONTROL},
	{"C1 in the realm", "a@\xc2\x85", 0, CONTROL},
	{"U+2028, a line's end to some", "a\xe2\x80\xa8", 0, CONTROL},
	{"U+2029 in the realm", "a@b\xe2\x80\xa9", 0, CONTROL},
	{"U+202E, which turns what follows", "a\xe2\x80\xaez", 0, CONTROL},
	{"U+2066", "a\xe2\x81\xa6", 0, CONTROL},
	{"U+200F", "a\xe2\x80\x8f", 0, CONTROL},
	{"overlong /", "\xc0\xaf", 0, UTF8},
	{"overlong @",
	 "a\xc1\x80"
	 "b",
	 0, UTF8},
	{"overlong in three", "\xe0\x80\xaf", 0, UTF8},
	{"overlong in four", "\xf0\x80\x80\xaf", 0, UTF8},
	{"high surrogate", "\xed\xa0\x80", 0, UTF8},
	{"surrogate pair", "\xed\xa0\xbd\xed\xb8\x80", 0, UTF8},
	{"above U+10FFFF", "\xf4\x90\x80\x80", 0, UTF8},
	{"f8", "\xf8\x88\x80\x80\x80", 0, UTF8},
	{"ff", "\xff", 0, UTF8},
	{"tail alone", "a\x80", 0, UTF8},
	{"cut before @", "\xc3@b", 0, UTF8},
	{"cut at the end", "a@b\xe2\x82", 0, UTF8},
	{"Latin-1", "m\xfcller", 0, UTF8},
};

START_TEST(refuses_and_says_why)
{
	size_t len = refused[_i].len != 0 ? refused[_i].len : strlen(refused[_i].in);
	struct ma_name name;
	const char *why;

	memset(&name, 'x', sizeof(name));
	why = parse(refused[_i].in, len, DEFAULT, &name);
	ck_assert_msg(why != NULL && strstr(why, refused[_i].why) != NULL,
		      "%s: got \"%s\", want \"...%s...\"", refused[_i].name,
		      why != NULL ? why : name.text, refused[_i].why);
	ck_assert_str_eq(name.text, "");
	ck_assert_uint_eq(name.len, 0);
	ck_assert_uint_eq(name.local_len, 0);
}
END_TEST

/* Each ASCII character at each place: first, inside, last, of either part. */
START_TEST(refuses_each_forbidden_character_anywhere)
{
	static const char forbidden[] = " :,/;\"'#\x7f";
	static const size_t places[] = {0, 1, 2, 4, 5, 6};

	for (int c = 0; c < 0x80; c++) {
		bool is_bad = c < ' ' || strchr(forbidden, c) != NULL;

		if (c == '@')
			continue;
		for (size_t i = 0; i < MA_ARRAY_SIZE(places); i++) {
			char text[] = "abc@def";
			struct ma_name name;
			bool want = !is_bad && !(c == '-' && (places[i] == 0 || places[i] == 4));
			const char *why;

			text[places[i]] = (char)c;
			why = parse(text, 7, DEFAULT, &name);
			ck_assert_msg((why == NULL) == want, "%02x at %zu: got \"%s\", want %s", c,
				      places[i], why != NULL ? why : name.text,
				      want ? "it accepted" : "a refusal");
		}
	}
}
END_TEST

START_TEST(checks_the_default_realm_like_any_other)
{
	static const struct {
		const char *realm;
		const char *want; /* NULL: refused */
	} rows[] = {
		{"EXAMPLE.org", "a@example.org"},
		{"x", "a@x"},
		{"", NULL},
		{"x@y", NULL},
		{"-x", NULL},
		{"..", NULL},
		{"x y", NULL},
		{"\xff", NULL},
		{X255, "a@" X255},
		{X255 "x", NULL},
	};
	struct ma_name name;

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		const char *why = parse("a", 1, rows[i].realm, &name);

		ck_assert_msg((why == NULL) == (rows[i].want != NULL), "\"%s\": got \"%s\"",
			      rows[i].realm, why != NULL ? why : name.text);
		ck_assert_str_eq(name.text, rows[i].want != NULL ? rows[i].want : "");
	}
	/* With an @ it is not looked at. */
	ck_assert_ptr_null(parse("a@b", 3, "..", &name));
	ck_assert_str_eq(name.text, "a@b");
	ck_assert_ptr_nonnull(parse("a@", 2, DEFAULT, &name));
}
END_TEST

START_TEST(finds_what_it_wrote_in_its_own_output)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(accepted); i++) {
		struct ma_name once;
		struct ma_name twice;

		ck_assert_ptr_null(parse(accepted[i].in, strlen(accepted[i].in), DEFAULT, &once));
		ck_assert_ptr_null(parse(once.text, once.len, "other", &twice));
		ck_assert_str_eq(once.text, twice.text);
	}
}
END_TEST

START_TEST(makes_keys_and_reads_them_back)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(accepted); i++) {
		uint8_t bytes[MA_KEY_MAX];
		struct ma_name name;
		struct ma_name back;
		struct ma_span key;

		ck_assert_ptr_null(parse(accepted[i].in, strlen(accepted[i].in), DEFAULT, &name));
		key = ma_name_key(&name, bytes);
		ck_assert_uint_eq(key.len, name.len);
		ck_assert(ma_name_from_key(key, &back));
		ck_assert_msg(strcmp(back.text, name.text) == 0, "%s: got %s", name.text,
			      back.text);
		ck_assert_uint_eq(back.len, name.len);
		ck_assert_uint_eq(back.local_len, name.local_len);
	}
}
END_TEST

START_TEST(writes_the_realm_first)
{
	uint8_t bytes[MA_KEY_MAX];
	struct ma_name name;

	ck_assert_ptr_null(parse("alice@example.org", 17, DEFAULT, &name));
	ck_assert(ma_span_equal(ma_name_key(&name, bytes), ma_span("example.org\0alice", 17)));
}
END_TEST

static const struct {
	const char *name;
	const char *key;
	size_t len;
} bad_keys[] = {
	{"empty", "", 0},
	{"no NUL", "example.org", 11},
	{"NUL alone", "\0", 1},
	{"no local part", "b\0", 2},
	{"no realm", "\0a", 2},
	{"two NULs", "b\0a\0", 4},
	{"NUL in the local part", "b\0a\0c", 5},
	{"@ in the local part", "b\0a@c", 5},
	{"@ in the realm", "b@c\0a", 5},
	{"local part of 65", "b\0l" L64, 67},
	{"realm of 256", "x" X255 "\0a", 258},
	{"a space", "b\0a c", 5},
	{"invalid UTF-8", "b\0\xff", 3},
	/* No name has these keys: reading on behind the name would go to another place. */
	{"local part in upper case", "b\0A", 3},
	{"realm in upper case", "B\0a", 3},
};

START_TEST(refuses_what_is_no_key)
{
	struct ma_name name;
	uint8_t *copy = ma_alloc(bad_keys[_i].len > 0 ? bad_keys[_i].len : 1);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bad_keys[_i].key, bad_keys[_i].len);
	memset(&name, 'x', sizeof(name));
	ck_assert_msg(!ma_name_from_key(ma_span(copy, bad_keys[_i].len), &name),
		      "%s: got \"%s\", want a refusal", bad_keys[_i].name, name.text);
	ck_assert_msg(name.text[0] == '\0' && name.len == 0, "%s: the output is not empty",
		      bad_keys[_i].name);
	ma_free(copy);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("name");
	TCase *tcase = tcase_create("name");

	tcase_add_loop_test(tcase, accepts_and_folds, 0, MA_ARRAY_SIZE(accepted));
	tcase_add_loop_test(tcase, refuses_and_says_why, 0, MA_ARRAY_SIZE(refused));
	tcase_add_test(tcase, refuses_each_forbidden_character_anywhere);
	tcase_add_test(tcase, checks_the_default_realm_like_any_other);
	tcase_add_test(tcase, finds_what_it_wrote_in_its_own_output);
	tcase_add_test(tcase, makes_keys_and_reads_them_back);
	tcase_add_test(tcase, writes_the_realm_first);
	tcase_add_loop_test(tcase, refuses_what_is_no_key, 0, MA_ARRAY_SIZE(bad_keys));
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
