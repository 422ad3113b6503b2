/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mech_login.c - LOGIN
 *
 * draft-murchison-sasl-login-00. tests/vectors/login.txt has one secret of each kind, made by
 * another program.
 */
#include "mech/mech.h"

#include <mailauth/admin.h>

#include "support.h"
#include "util/mem.h"

extern const struct ma_mech ma_mech_login;

#define USER	 "tim"
#define PASSWORD "tanstaaftanstaaf"

static struct ma_crypto *crypto;
static char method[] = "sha512crypt";
static const struct ma_config config = {
	.crypt_method = method,
	.crypt_cost = 1000,
	.scram_iterations = 4096,
};

static struct {
	unsigned int n_lookups;
	struct ma_buf user;
	uint8_t user_bytes[MAILAUTH_MESSAGE_MAX];
	enum mailauth_status answer;
	struct ma_credential credential;
	struct ma_candidates candidates;
} account;

static enum mailauth_status lookup(void *arg, const struct ma_identity *who,
				   const struct ma_candidates **candidates_out)
{
	ck_assert_ptr_eq(arg, &account);
	ck_assert_uint_eq(who->authzid.len, 0); /* LOGIN has neither */
	ck_assert_uint_eq(who->realm.len, 0);
	ma_buf_put(&account.user, who->user);
	ck_assert_int_eq(ma_buf_status(&account.user), MAILAUTH_OK);
	account.n_lookups++;
	*candidates_out = account.answer == MAILAUTH_OK ? &account.candidates : NULL;
	return account.answer;
}

static struct ma_subject subject(void)
{
	return (struct ma_subject){
		.crypto = crypto,
		.config = &config,
		.local = ma_span_text(USER),
		.realm = ma_span_text("example.org"),
	};
}

static void hold(unsigned int id, struct ma_span value)
{
	memset(&account, 0, sizeof(account));
	account.user = ma_buf_fixed(account.user_bytes, sizeof(account.user_bytes));
	account.answer = MAILAUTH_OK;
	account.credential.n_secrets = 1;
	account.credential.secrets[0] = (struct ma_secret){.kind = (uint8_t)id, .value = value};
	account.candidates.subject = subject();
	account.candidates.n = 1;
	account.candidates.items[0] = &account.credential;
}

static void setup(void)
{
	const char *missing;

	support_reset();
	ck_assert_int_eq(ma_crypto_new(&crypto, &missing), MAILAUTH_OK);
	hold(MA_KIND_PASSWORD, ma_span_text(PASSWORD));
}

static void teardown(void)
{
	ma_crypto_free(&crypto);
}

struct dialogue {
	struct ma_exchange exchange;
	uint8_t *state;
	char bytes[16];
	struct ma_buf reply;
};

static void start(struct dialogue *dialogue)
{
	dialogue->state = ma_alloc(ma_mech_login.state_size);
	ck_assert_ptr_nonnull(dialogue->state);
	dialogue->exchange = (struct ma_exchange){
		.mech = &ma_mech_login,
		.crypto = crypto,
		.state = dialogue->state,
		.lookup = lookup,
		.lookup_arg = &account,
	};
	dialogue->reply = ma_buf_fixed(dialogue->bytes, sizeof(dialogue->bytes));
}

/* From a block of exactly its size. */
static enum mailauth_status step(struct dialogue *dialogue, struct ma_span in)
{
	uint8_t *copy = ma_alloc(in.len > 0 ? in.len : 1);
	enum mailauth_status status;

	ck_assert_ptr_nonnull(copy);
	if (in.len > 0)
		memcpy(copy, in.p, in.len);
	ma_buf_reset(&dialogue->reply);
	status = ma_mech_login.step(&dialogue->exchange, ma_span(copy, in.len), &dialogue->reply);
	ma_free(copy);
	return status;
}

static void expect_prompt(struct dialogue *dialogue, struct ma_span in, const char *want)
{
	support_status(want, step(dialogue, in), MAILAUTH_CONTINUE);
	ck_assert_str_eq(ma_buf_text(&dialogue->reply), want);
}

/* A whole dialogue; @asked: the server begins. */
static enum mailauth_status login(struct ma_span user, struct ma_span password, bool asked)
{
	struct dialogue dialogue;
	enum mailauth_status status;

	start(&dialogue);
	if (asked)
		expect_prompt(&dialogue, ma_span(NULL, 0), "Username:");
	expect_prompt(&dialogue, user, "Password:");
	ck_assert_uint_eq(account.n_lookups, 0);
	status = step(&dialogue, password);
	ck_assert_uint_eq(dialogue.reply.len, 0);
	ma_free(dialogue.state);
	return status;
}

static const struct ma_kind *kind_named(const char *name)
{
	for (unsigned int id = 0; id <= UINT8_MAX; id++)
		if (ma_kind_find(id) != NULL && strcmp(ma_kind_find(id)->name, name) == 0)
			return ma_kind_find(id);
	ck_abort_msg("no kind %s", name);
}

START_TEST(gives_the_known_answers)
{
	struct support_vectors *vectors = support_vectors_open("login.txt");
	const char *fields[5];
	unsigned int n = 0;

	while (support_vectors_next(vectors, fields, 5) == 4) {
		const struct ma_kind *kind = kind_named(fields[2]);
		bool is_text = kind->id == MA_KIND_CRYPT || kind->id == MA_KIND_PASSWORD;
		struct ma_span user = ma_span_text(fields[0]);
		struct ma_span password = ma_span_text(fields[1]);
		struct ma_span secret = ma_span_text(fields[3]);
		uint8_t bytes[256];
		char wrong[64];

		n++;
		if (!is_text)
			secret = ma_span(bytes, support_unhex(fields[3], bytes, sizeof(bytes)));
		for (int asked = 0; asked <= 1; asked++) {
			hold(kind->id, secret);
			support_status(fields[2], login(user, password, asked), MAILAUTH_OK);
			ck_assert_str_eq(ma_buf_text(&account.user), fields[0]);
			ck_assert_uint_eq(account.n_lookups, 1);
		}
		memcpy(wrong, fields[1], password.len);
		wrong[password.len - 1] ^= 1;
		hold(kind->id, secret);
		support_status(fields[2], login(user, ma_span(wrong, password.len), true),
			       MAILAUTH_E_DENIED);
		hold(kind->id, secret);
		support_status(fields[2], login(user, ma_span(fields[1], password.len - 1), true),
			       MAILAUTH_E_DENIED);
	}
	ck_assert_uint_ge(n, 10);
	support_vectors_close(vectors);
}
END_TEST

/* The other direction: each kind of secret, as this library derives it. */
START_TEST(accepts_a_password_by_what_was_derived_from_it)
{
	const struct ma_kind *kind = ma_kind_find((unsigned int)_i);
	const struct ma_subject of = subject();
	uint8_t bytes[MA_SECRET_MAX];
	struct ma_buf secret = ma_buf_fixed(bytes, sizeof(bytes));

	ck_assert_ptr_nonnull(kind);
	support_status(kind->name, kind->derive(kind, &of, ma_span_text(PASSWORD), &secret),
		       MAILAUTH_OK);
	hold(kind->id, ma_buf_span(&secret));
	support_status(kind->name, login(ma_span_text(USER), ma_span_text(PASSWORD), true),
		       MAILAUTH_OK);
	hold(kind->id, ma_buf_span(&secret));
	support_status(kind->name, login(ma_span_text(USER), ma_span_text(PASSWORD "x"), true),
		       MAILAUTH_E_DENIED);
	hold(kind->id, ma_span(NULL, 0));
	support_status(kind->name, login(ma_span_text(USER), ma_span_text(PASSWORD), true),
		       MAILAUTH_E_DENIED);
}
END_TEST

static const struct {
	const char *name;
	const char *user;
	size_t len; /* 0: that of the text */
	enum mailauth_status want;
} users[] = {
	{"one letter", "t", 0, MAILAUTH_CONTINUE},
	{"with a realm", "tim@example.org", 0, MAILAUTH_CONTINUE},
	{"a space is for lookup to judge", " ", 0, MAILAUTH_CONTINUE},
	{"a line end is for lookup to judge", "tim\r\n", 0, MAILAUTH_CONTINUE},
	{"bytes that are no UTF-8, too", "\xff\xfe", 0, MAILAUTH_CONTINUE},
	{"NUL alone", "\0", 1, MAILAUTH_E_PROTOCOL},
	{"NUL before", "\0tim", 4, MAILAUTH_E_PROTOCOL},
	{"NUL inside", "t\0m", 3, MAILAUTH_E_PROTOCOL},
	{"NUL behind", "tim\0", 4, MAILAUTH_E_PROTOCOL},
	{"a message of PLAIN", "\0tim\0" PASSWORD, 5 + sizeof(PASSWORD) - 1, MAILAUTH_E_PROTOCOL},
};

START_TEST(checks_the_name)
{
	size_t len = users[_i].len != 0 ? users[_i].len : strlen(users[_i].user);

	for (int asked = 0; asked <= 1; asked++) {
		struct dialogue dialogue;

		start(&dialogue);
		hold(MA_KIND_PASSWORD, ma_span_text(PASSWORD));
		if (asked)
			expect_prompt(&dialogue, ma_span(NULL, 0), "Username:");
		support_status(users[_i].name, step(&dialogue, ma_span(users[_i].user, len)),
			       users[_i].want);
		ck_assert_uint_eq(account.n_lookups, 0);
		if (users[_i].want == MAILAUTH_CONTINUE) {
			ck_assert_str_eq(ma_buf_text(&dialogue.reply), "Password:");
			support_status(users[_i].name, step(&dialogue, ma_span_text(PASSWORD)),
				       MAILAUTH_OK);
			ck_assert_str_eq(ma_buf_text(&account.user), users[_i].user);
		} else {
			ck_assert_uint_eq(dialogue.reply.len, 0);
		}
		ma_free(dialogue.state);
	}
}
END_TEST

static const struct {
	const char *name;
	const char *password;
	size_t len; /* 0: that of the text */
	enum mailauth_status want;
	unsigned int n_lookups;
} passwords[] = {
	{"right", PASSWORD, 0, MAILAUTH_OK, 1},
	{"wrong", "tanstaaftanstaaF", 0, MAILAUTH_E_DENIED, 1},
	{"one short", "tanstaaftanstaa", 0, MAILAUTH_E_DENIED, 1},
	{"one long", PASSWORD "f", 0, MAILAUTH_E_DENIED, 1},
	{"space behind", PASSWORD " ", 0, MAILAUTH_E_DENIED, 1},
	{"line end behind", PASSWORD "\r\n", 0, MAILAUTH_E_DENIED, 1},
	{"the name", USER, 0, MAILAUTH_E_DENIED, 1},
	{"empty", "", 0, MAILAUTH_E_PROTOCOL, 0},
	{"NUL alone", "\0", 1, MAILAUTH_E_PROTOCOL, 0},
	{"NUL before", "\0" PASSWORD, sizeof(PASSWORD), MAILAUTH_E_PROTOCOL, 0},
	{"NUL behind", PASSWORD, sizeof(PASSWORD), MAILAUTH_E_PROTOCOL, 0},
	{"NUL inside", "tanst\0aftanstaaf", 16, MAILAUTH_E_PROTOCOL, 0},
};

START_TEST(checks_the_password)
{
	size_t len = passwords[_i].len != 0 ? passwords[_i].len : strlen(passwords[_i].password);

	for (int asked = 0; asked <= 1; asked++) {
		hold(MA_KIND_PASSWORD, ma_span_text(PASSWORD));
		support_status(
			passwords[_i].name,
			login(ma_span_text(USER), ma_span(passwords[_i].password, len), asked),
			passwords[_i].want);
		ck_assert_msg(account.n_lookups == passwords[_i].n_lookups,
			      "%s: got %u lookups, want %u", passwords[_i].name, account.n_lookups,
			      passwords[_i].n_lookups);
	}
}
END_TEST

START_TEST(limits_names_and_passwords)
{
	static uint8_t bytes[MAILAUTH_MESSAGE_MAX];
	static const struct {
		size_t len;
		enum mailauth_status user;
		enum mailauth_status password;
	} lens[] = {
		{1, MAILAUTH_CONTINUE, MAILAUTH_OK},
		{MAILAUTH_NAME_MAX, MAILAUTH_CONTINUE, MAILAUTH_OK},
		{MAILAUTH_PASSWORD_MAX - 1, MAILAUTH_CONTINUE, MAILAUTH_OK},
		{MAILAUTH_PASSWORD_MAX, MAILAUTH_CONTINUE, MAILAUTH_OK},
		{MAILAUTH_PASSWORD_MAX + 1, MAILAUTH_E_LIMIT, MAILAUTH_E_LIMIT},
		{MAILAUTH_MESSAGE_MAX, MAILAUTH_E_LIMIT, MAILAUTH_E_LIMIT},
	};

	memset(bytes, 'p', sizeof(bytes));
	for (size_t i = 0; i < MA_ARRAY_SIZE(lens); i++) {
		struct ma_span in = ma_span(bytes, lens[i].len);
		struct dialogue dialogue;
		enum mailauth_status got;

		hold(MA_KIND_PASSWORD, in);
		start(&dialogue);
		got = step(&dialogue, in);
		ck_assert_msg(got == lens[i].user, "name of %zu bytes: got %d, want %d",
			      lens[i].len, got, lens[i].user);
		ck_assert_uint_eq(account.n_lookups, 0);
		ma_free(dialogue.state);
		got = login(ma_span_text(USER), in, true);
		ck_assert_msg(got == lens[i].password, "password of %zu bytes: got %d, want %d",
			      lens[i].len, got, lens[i].password);
		ck_assert_uint_eq(account.n_lookups, lens[i].password == MAILAUTH_OK);
	}
}
END_TEST

START_TEST(asks_for_the_name_once)
{
	struct dialogue dialogue;

	start(&dialogue);
	expect_prompt(&dialogue, ma_span(NULL, 0), "Username:");
	support_status("empty again", step(&dialogue, ma_span(NULL, 0)), MAILAUTH_E_PROTOCOL);
	ck_assert_uint_eq(account.n_lookups, 0);
	ma_free(dialogue.state);
}
END_TEST

START_TEST(hands_on_what_lookup_says)
{
	static const enum mailauth_status answers[] = {MAILAUTH_E_TEMPFAIL, MAILAUTH_E_CORRUPT,
						       MAILAUTH_E_DENIED, MAILAUTH_E_NOMEM};

	for (size_t i = 0; i < MA_ARRAY_SIZE(answers); i++) {
		hold(MA_KIND_PASSWORD, ma_span_text(PASSWORD));
		account.answer = answers[i];
		support_status("lookup", login(ma_span_text(USER), ma_span_text(PASSWORD), true),
			       answers[i]);
	}
	hold(MA_KIND_PASSWORD, ma_span_text(PASSWORD));
	account.candidates.n = 0;
	support_status("nobody", login(ma_span_text(USER), ma_span_text(PASSWORD), true),
		       MAILAUTH_E_DENIED);
}
END_TEST

START_TEST(reports_a_reply_without_room)
{
	struct dialogue dialogue;

	start(&dialogue);
	dialogue.reply = ma_buf_fixed(dialogue.bytes, 8);
	support_status("Username:", step(&dialogue, ma_span(NULL, 0)), MAILAUTH_E_LIMIT);
	support_status("Password:", step(&dialogue, ma_span_text(USER)), MAILAUTH_E_LIMIT);
	ma_free(dialogue.state);
}
END_TEST

/* ---- sessions ---- */

static const struct mailauth_request over_tls = {
	.size = sizeof(over_tls),
	.flags = MAILAUTH_REQUEST_TLS,
};

static enum mailauth_status say(struct mailauth_session *session, const char *text)
{
	const void *reply;
	size_t len;
	enum mailauth_status status =
		mailauth_session_step(session, text, text != NULL ? strlen(text) : 0, &reply, &len);

	if (status != MAILAUTH_CONTINUE)
		ck_assert_uint_eq(len, 0);
	return status;
}

static void add(struct mailauth *ctx, const char *name, const char *mechs)
{
	struct mailauth_user *user;

	support_status(name, mailauth_user_new(ctx, name, &user), MAILAUTH_OK);
	support_status(name, mailauth_user_set_text(user, MAILAUTH_TEXT_MECHS, mechs), MAILAUTH_OK);
	support_status(name, mailauth_user_set_password(user, PASSWORD, strlen(PASSWORD)),
		       MAILAUTH_OK);
	support_status(name, mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

START_TEST(sessions_log_in_and_end)
{
	static const struct {
		const char *user;
		const char *password;
		enum mailauth_status want;
		const char *log;
	} logins[] = {
		{"tim", PASSWORD, MAILAUTH_OK, "result=ok reason=ok mech=LOGIN "},
		{"TIM@Example.Org", PASSWORD, MAILAUTH_OK, "result=ok reason=ok mech=LOGIN "},
		{"login", PASSWORD, MAILAUTH_OK, "result=ok reason=ok mech=LOGIN "},
		{"cram", PASSWORD, MAILAUTH_OK, "result=ok reason=ok mech=LOGIN "},
		{"digest", PASSWORD, MAILAUTH_OK, "result=ok reason=ok mech=LOGIN "},
		{"scram", PASSWORD, MAILAUTH_OK, "result=ok reason=ok mech=LOGIN "},
		{"tim", "wrong", MAILAUTH_E_DENIED, "result=denied reason=wrong-proof "},
		{"login", "wrong", MAILAUTH_E_DENIED, "result=denied reason=wrong-proof "},
		{"tom", PASSWORD, MAILAUTH_E_DENIED, "result=denied reason=unknown-user "},
		{"tim tim", PASSWORD, MAILAUTH_E_DENIED, "result=denied reason=bad-name "},
		{"tim", NULL, MAILAUTH_E_PROTOCOL, "result=denied reason=malformed "},
	};
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx =
		support_open("crypt_method = sha512crypt\ncrypt_cost = 1000\n", &log);

	add(ctx, "tim", "");
	add(ctx, "login", "LOGIN");
	add(ctx, "cram", "CRAM-MD5");
	add(ctx, "digest", "DIGEST-MD5");
	add(ctx, "scram", "SCRAM-SHA-256");
	for (size_t i = 0; i < MA_ARRAY_SIZE(logins); i++) {
		struct mailauth_session *session;

		support_log_clear(&log);
		ck_assert_int_eq(mailauth_session_new(ctx, "login", &over_tls, &session),
				 MAILAUTH_OK);
		ck_assert_int_eq(say(session, NULL), MAILAUTH_CONTINUE);
		ck_assert_int_eq(say(session, logins[i].user), MAILAUTH_CONTINUE);
		ck_assert_ptr_null(mailauth_session_user(session));
		ck_assert_uint_eq(log.n, 0);
		support_status(logins[i].user, say(session, logins[i].password), logins[i].want);
		ck_assert_int_eq(mailauth_session_user(session) != NULL,
				 logins[i].want == MAILAUTH_OK);
		ck_assert_msg(log.n == 1 &&
				      strncmp(log.text, logins[i].log, strlen(logins[i].log)) == 0,
			      "%s: got %u lines: %s, want %s", logins[i].user, log.n, log.text,
			      logins[i].log);
		/* a further message changes nothing */
		ck_assert_int_eq(say(session, PASSWORD), MAILAUTH_E_PROTOCOL);
		ck_assert_int_eq(say(session, NULL), MAILAUTH_E_PROTOCOL);
		ck_assert_int_eq(mailauth_session_user(session) != NULL,
				 logins[i].want == MAILAUTH_OK);
		ck_assert_uint_eq(log.n, 1);
		mailauth_session_free(&session);
		ck_assert_uint_eq(log.n, 1);
	}
	mailauth_free(&ctx);
}
END_TEST

/* A client that goes away between name and password has not tried one. */
START_TEST(sessions_without_a_password_log_nothing)
{
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = support_open("", &log);
	struct mailauth_session *session;

	ck_assert_int_eq(mailauth_session_new(ctx, "LOGIN", &over_tls, &session), MAILAUTH_OK);
	ck_assert_int_eq(say(session, "tim"), MAILAUTH_CONTINUE);
	mailauth_session_free(&session);
	ck_assert_msg(log.n == 0, "got %s", log.text);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(sessions_need_tls)
{
	struct mailauth *ctx = support_open("", NULL);
	struct mailauth_session *session;

	support_status("tls", mailauth_session_new(ctx, "LOGIN", NULL, &session),
		       MAILAUTH_E_UNSUPPORTED);
	ck_assert_ptr_null(session);
	mailauth_free(&ctx);
	support_reset();
	ctx = support_open("plaintext = always\n", NULL);
	support_status("always", mailauth_session_new(ctx, "LOGIN", NULL, &session), MAILAUTH_OK);
	mailauth_session_free(&session);
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mech_login");
	TCase *tcase = tcase_create("mech_login");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, gives_the_known_answers);
	tcase_add_loop_test(tcase, accepts_a_password_by_what_was_derived_from_it, MA_KIND_CRYPT,
			    MA_KIND_PASSWORD + 1);
	tcase_add_loop_test(tcase, checks_the_name, 0, MA_ARRAY_SIZE(users));
	tcase_add_loop_test(tcase, checks_the_password, 0, MA_ARRAY_SIZE(passwords));
	tcase_add_test(tcase, limits_names_and_passwords);
	tcase_add_test(tcase, asks_for_the_name_once);
	tcase_add_test(tcase, hands_on_what_lookup_says);
	tcase_add_test(tcase, reports_a_reply_without_room);
	tcase_add_test(tcase, sessions_log_in_and_end);
	tcase_add_test(tcase, sessions_without_a_password_log_nothing);
	tcase_add_test(tcase, sessions_need_tls);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
