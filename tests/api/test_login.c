/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_login.c - log in through the shared library as an application does
 *
 * Whole dialogues with PLAIN and CRAM-MD5 as two parallel lists, what the client says and what the
 * server answers, for every way to be admitted and to be refused. Each row also names the reason
 * that the log must give, because the status is the same for most of them.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "accounts.h"
#include "support.h"

#define MESSAGES    4
#define MESSAGE_CAP (MAILAUTH_MESSAGE_MAX + 64)

enum say {
	SAY_END = 0,
	SAY_NOTHING, /* NULL, 0 */
	SAY_BYTES,   /* @text, @len */
	SAY_REPEAT,  /* the first byte of @text, @len times */
	SAY_DIGEST   /* @text, SP, the CRAM-MD5 digest with @password */
};

struct message {
	enum say say;
	const char *text;
	size_t len;
	const char *password;
};

#define NOTHING                                                                                    \
	{                                                                                          \
		.say = SAY_NOTHING                                                                 \
	}
#define BYTES(t)                                                                                   \
	{                                                                                          \
		.say = SAY_BYTES, .text = (t), .len = sizeof(t) - 1                                \
	}
#define REPEAT(t, n)                                                                               \
	{                                                                                          \
		.say = SAY_REPEAT, .text = (t), .len = (n)                                         \
	}
#define DIGEST(user, pass)                                                                         \
	{                                                                                          \
		.say = SAY_DIGEST, .text = (user), .password = (pass)                              \
	}

struct dialogue {
	const char *name;
	const char *mech;
	const struct mailauth_request *request;
	struct message client[MESSAGES];
	enum mailauth_status server[MESSAGES];
	const char *user;   /* who is logged in at the end; NULL: nobody */
	const char *reason; /* in the log; NULL: "ok" */
};

static size_t compose(const struct message *message, const void *challenge, size_t challenge_len,
		      char *out)
{
	char hex[33];

	if (message->say == SAY_BYTES) {
		memcpy(out, message->text, message->len);
		return message->len;
	}
	if (message->say == SAY_REPEAT) {
		memset(out, message->text[0], message->len);
		return message->len;
	}
	hmac_md5(message->password, challenge, challenge_len, hex);
	return (size_t)snprintf(out, MESSAGE_CAP, "%s %s", message->text, hex);
}

static void check_user(const char *name, const char *got, const char *want)
{
	if (want == NULL)
		ck_assert_msg(got == NULL, "%s: got user %s, want none", name, got);
	else
		ck_assert_msg(got != NULL && strcmp(got, want) == 0, "%s: got user %s, want %s",
			      name, got != NULL ? got : "none", want);
}

static void play(struct mailauth *ctx, const struct dialogue *row, struct support_log *log)
{
	static char message[MESSAGE_CAP];
	struct mailauth_session *session = NULL;
	const void *reply = NULL;
	size_t reply_len = 0;

	support_log_clear(log);
	support_status(row->name,
		       mailauth_session_new(ctx, row->mech,
					    row->request != NULL ? row->request : &over_tls,
					    &session),
		       MAILAUTH_OK);
	for (size_t i = 0; i < MESSAGES && row->client[i].say != SAY_END; i++) {
		const struct message *in = &row->client[i];
		size_t len = 0;
		enum mailauth_status got;

		check_user(row->name, mailauth_session_user(session), NULL);
		if (in->say != SAY_NOTHING)
			len = compose(in, reply, reply_len, message);
		got = mailauth_session_step(session, in->say == SAY_NOTHING ? NULL : message, len,
					    &reply, &reply_len);
		support_status(row->name, got, row->server[i]);
		ck_assert_msg(got == MAILAUTH_CONTINUE || reply_len == 0,
			      "%s: got a reply of %zu bytes at the end, want none", row->name,
			      reply_len);
	}
	check_user(row->name, mailauth_session_user(session), row->user);
	check_log(row->name, log, row->reason);
	mailauth_session_free(&session);
	ck_assert_ptr_null(session);
}

static void play_all(const struct dialogue *rows, size_t n_rows)
{
	static struct support_log log;
	struct mailauth *ctx;
	int64_t day = today();

	log.level = MAILAUTH_LOG_DEBUG;
	ctx = open_with_accounts("", &log);
	/* At midnight the accounts' days are no longer those of the table. */
	for (size_t i = 0; i < n_rows && today() == day; i++)
		play(ctx, &rows[i], &log);
	mailauth_free(&ctx);
	ck_assert_ptr_null(ctx);
}

#define PLAY_ALL(rows) play_all(rows, sizeof(rows) / sizeof((rows)[0]))

#define PLAIN(row_name, what, status, who, why)                                                    \
	{                                                                                          \
		.name = row_name, .mech = "PLAIN", .client = {BYTES(what)}, .server = {status},    \
		.user = who, .reason = why                                                         \
	}
#define PLAIN_FOR(for, row_name, what, status, who, why)                                           \
	{                                                                                          \
		.name = row_name, .mech = "PLAIN", .request = (for), .client = {BYTES(what)},      \
		.server = {status}, .user = who, .reason = why                                     \
	}

START_TEST(plain_dialogues)
{
	static const struct dialogue rows[] = {
		PLAIN("accepts right password", "\0alice\0" RIGHT, MAILAUTH_OK, ALICE, NULL),
		{.name = "sends empty challenge to who does not begin",
		 .mech = "PLAIN",
		 .client = {NOTHING, BYTES("\0alice\0" RIGHT)},
		 .server = {MAILAUTH_CONTINUE, MAILAUTH_OK},
		 .user = ALICE},
		{.name = "finds the mechanism in any case",
		 .mech = "pLaIn",
		 .client = {BYTES("\0alice\0" RIGHT)},
		 .server = {MAILAUTH_OK},
		 .user = ALICE},
		PLAIN("accepts name with its realm", "\0alice@example.org\0" RIGHT, MAILAUTH_OK,
		      ALICE, NULL),
		PLAIN("folds the case of a name", "\0ALICE@Example.ORG\0" RIGHT, MAILAUTH_OK, ALICE,
		      NULL),
		PLAIN("accepts a crypt hash", "\0crypt\0" RIGHT, MAILAUTH_OK, "crypt@example.org",
		      NULL),
		PLAIN("denies wrong password against a crypt hash", "\0crypt\0" WRONG,
		      MAILAUTH_E_DENIED, NULL, "wrong-proof"),
		PLAIN("denies wrong password", "\0alice\0" WRONG, MAILAUTH_E_DENIED, NULL,
		      "wrong-proof"),
		PLAIN("denies the beginning of a password", "\0alice\0righ", MAILAUTH_E_DENIED,
		      NULL, "wrong-proof"),
		PLAIN("denies password with more behind it", "\0alice\0" RIGHT " ",
		      MAILAUTH_E_DENIED, NULL, "wrong-proof"),
		PLAIN("denies unknown user", "\0nobody\0" RIGHT, MAILAUTH_E_DENIED, NULL,
		      "unknown-user"),
		PLAIN("denies unknown realm", "\0alice@nowhere.test\0" RIGHT, MAILAUTH_E_DENIED,
		      NULL, "unknown-user"),
		PLAIN("denies account without secrets", "\0empty\0" RIGHT, MAILAUTH_E_DENIED, NULL,
		      "no-secret"),
		PLAIN("denies bad name", "\0al ice\0" RIGHT, MAILAUTH_E_DENIED, NULL, "bad-name"),
		PLAIN("denies name with two @", "\0alice@example.org@x\0" RIGHT, MAILAUTH_E_DENIED,
		      NULL, "bad-name"),
		PLAIN("denies name that is not UTF-8", "\0al\xffice\0" RIGHT, MAILAUTH_E_DENIED,
		      NULL, "bad-name"),
		/* RFC 4616 section 2: authorization identity */
		PLAIN("accepts authzid equal to the name", "alice\0alice\0" RIGHT, MAILAUTH_OK,
		      ALICE, NULL),
		PLAIN("accepts authzid in other case", "ALICE\0alice\0" RIGHT, MAILAUTH_OK, ALICE,
		      NULL),
		PLAIN("accepts authzid with the realm", "alice@EXAMPLE.org\0alice\0" RIGHT,
		      MAILAUTH_OK, ALICE, NULL),
		PLAIN("denies acting for another", "groupless\0alice\0" RIGHT, MAILAUTH_E_DENIED,
		      NULL, "authzid"),
		PLAIN("denies acting for another realm", "alice@other.test\0alice\0" RIGHT,
		      MAILAUTH_E_DENIED, NULL, "authzid"),
		PLAIN("denies bad authzid", "al ice\0alice\0" RIGHT, MAILAUTH_E_DENIED, NULL,
		      "authzid"),
		/* RFC 4616 section 2: message */
		PLAIN("rejects no NUL", "alice", MAILAUTH_E_PROTOCOL, NULL, "malformed"),
		PLAIN("rejects one NUL", "alice\0" RIGHT, MAILAUTH_E_PROTOCOL, NULL, "malformed"),
		PLAIN("rejects three NULs", "\0alice\0ri\0ght", MAILAUTH_E_PROTOCOL, NULL,
		      "malformed"),
		PLAIN("rejects NUL at the end", "\0alice\0" RIGHT "\0", MAILAUTH_E_PROTOCOL, NULL,
		      "malformed"),
		PLAIN("rejects empty name", "\0\0" RIGHT, MAILAUTH_E_PROTOCOL, NULL, "malformed"),
		PLAIN("rejects empty password", "\0alice\0", MAILAUTH_E_PROTOCOL, NULL,
		      "malformed"),
		PLAIN("rejects nothing but NULs", "\0\0", MAILAUTH_E_PROTOCOL, NULL, "malformed"),
		{.name = "rejects a second empty message",
		 .mech = "PLAIN",
		 .client = {NOTHING, NOTHING},
		 .server = {MAILAUTH_CONTINUE, MAILAUTH_E_PROTOCOL},
		 .reason = "malformed"},
		{.name = "limits the message",
		 .mech = "PLAIN",
		 .client = {REPEAT("a", MAILAUTH_MESSAGE_MAX + 1)},
		 .server = {MAILAUTH_E_LIMIT},
		 .reason = "malformed"},
		{.name = "limits the message after the challenge",
		 .mech = "PLAIN",
		 .client = {NOTHING, REPEAT("a", MAILAUTH_MESSAGE_MAX + 1)},
		 .server = {MAILAUTH_CONTINUE, MAILAUTH_E_LIMIT},
		 .reason = "malformed"},
		{.name = "reads a message of the greatest length",
		 .mech = "PLAIN",
		 .client = {REPEAT("a", MAILAUTH_MESSAGE_MAX)},
		 .server = {MAILAUTH_E_PROTOCOL},
		 .reason = "malformed"},
		{.name = "refuses a second try, right or not",
		 .mech = "PLAIN",
		 .client = {BYTES("\0alice\0" WRONG), BYTES("\0alice\0" RIGHT)},
		 .server = {MAILAUTH_E_DENIED, MAILAUTH_E_PROTOCOL},
		 .reason = "wrong-proof"},
		{.name = "refuses to begin anew after an error",
		 .mech = "PLAIN",
		 .client = {BYTES("alice"), NOTHING, BYTES("\0alice\0" RIGHT)},
		 .server = {MAILAUTH_E_PROTOCOL, MAILAUTH_E_PROTOCOL, MAILAUTH_E_PROTOCOL},
		 .reason = "malformed"},
	};

	PLAY_ALL(rows);
}
END_TEST

START_TEST(account_states_deny_alike)
{
	static const struct dialogue rows[] = {
		PLAIN("denies locked", "\0locked\0" RIGHT, MAILAUTH_E_DENIED, NULL, "locked"),
		PLAIN("denies locked with wrong password", "\0locked\0" WRONG, MAILAUTH_E_DENIED,
		      NULL, "locked"),
		PLAIN("denies from the day after expiry", "\0expired-yesterday\0" RIGHT,
		      MAILAUTH_E_DENIED, NULL, "expired"),
		PLAIN("denies on the day of expiry", "\0expires-today\0" RIGHT, MAILAUTH_E_DENIED,
		      NULL, "expired"),
		PLAIN("accepts before the day of expiry", "\0expires-soon\0" RIGHT, MAILAUTH_OK,
		      "expires-soon@example.org", NULL),
		PLAIN("denies who must change", "\0must-change\0" RIGHT, MAILAUTH_E_DENIED, NULL,
		      "must-change"),
		PLAIN("denies password past max", "\0past-max\0" RIGHT, MAILAUTH_E_DENIED, NULL,
		      "must-change"),
		PLAIN("denies password past max, not yet inactive", "\0past-max-grace\0" RIGHT,
		      MAILAUTH_E_DENIED, NULL, "must-change"),
		PLAIN("denies password past max and inactive", "\0past-inactive\0" RIGHT,
		      MAILAUTH_E_DENIED, NULL, "password-expired"),
		PLAIN("accepts password within max", "\0within-max\0" RIGHT, MAILAUTH_OK,
		      "within-max@example.org", NULL),
		PLAIN("accepts last change in the future", "\0clock-back\0" RIGHT, MAILAUTH_OK,
		      "clock-back@example.org", NULL),
		{.name = "denies locked with CRAM-MD5",
		 .mech = "CRAM-MD5",
		 .client = {NOTHING, DIGEST("locked", RIGHT)},
		 .server = {MAILAUTH_CONTINUE, MAILAUTH_E_DENIED},
		 .reason = "locked"},
		{.name = "denies expired with CRAM-MD5",
		 .mech = "CRAM-MD5",
		 .client = {NOTHING, DIGEST("expires-today", RIGHT)},
		 .server = {MAILAUTH_CONTINUE, MAILAUTH_E_DENIED},
		 .reason = "expired"},
		{.name = "denies who must change with CRAM-MD5",
		 .mech = "CRAM-MD5",
		 .client = {NOTHING, DIGEST("must-change", RIGHT)},
		 .server = {MAILAUTH_CONTINUE, MAILAUTH_E_DENIED},
		 .reason = "must-change"},
	};

	PLAY_ALL(rows);
}
END_TEST

START_TEST(groups_and_realms)
{
	static const struct dialogue rows[] = {
		PLAIN_FOR(&smtp_only, "accepts member", "\0alice\0" RIGHT, MAILAUTH_OK, ALICE,
			  NULL),
		PLAIN_FOR(&smtp_only, "denies who is in no group", "\0groupless\0" RIGHT,
			  MAILAUTH_E_DENIED, NULL, "not-in-group"),
		PLAIN_FOR(&no_group, "takes an empty group for none", "\0groupless\0" RIGHT,
			  MAILAUTH_OK, "groupless@example.org", NULL),
		PLAIN_FOR(&two_groups, "takes a list for one name", "\0alice\0" RIGHT,
			  MAILAUTH_E_DENIED, NULL, "not-in-group"),
		PLAIN_FOR(&other_realm, "adds the realm asked for", "\0alice\0other " SECRET,
			  MAILAUTH_OK, "alice@other.test", NULL),
		PLAIN_FOR(&other_realm, "does not fall back to default_realm", "\0alice\0" RIGHT,
			  MAILAUTH_E_DENIED, NULL, "wrong-proof"),
		PLAIN_FOR(&other_realm, "keeps the realm of a whole name",
			  "\0alice@example.org\0" RIGHT, MAILAUTH_OK, ALICE, NULL),
		PLAIN_FOR(&other_realm, "adds the realm to authzid, too",
			  "alice@other.test\0alice\0other " SECRET, MAILAUTH_OK, "alice@other.test",
			  NULL),
		{.name = "denies who is in no group, with CRAM-MD5",
		 .mech = "CRAM-MD5",
		 .request = &smtp_only,
		 .client = {NOTHING, DIGEST("groupless", RIGHT)},
		 .server = {MAILAUTH_CONTINUE, MAILAUTH_E_DENIED},
		 .reason = "not-in-group"},
		{.name = "adds the realm asked for, with CRAM-MD5",
		 .mech = "CRAM-MD5",
		 .request = &other_realm,
		 .client = {NOTHING, DIGEST("alice", "other " SECRET)},
		 .server = {MAILAUTH_CONTINUE, MAILAUTH_OK},
		 .user = "alice@other.test"},
	};

	PLAY_ALL(rows);
}
END_TEST

#define CRAM(row_name, what, status, who, why)                                                     \
	{                                                                                          \
		.name = row_name, .mech = "CRAM-MD5", .client = {NOTHING, what},                   \
		.server = {MAILAUTH_CONTINUE, status}, .user = who, .reason = why                  \
	}
#define HEX_31 "0123456789abcdef0123456789abcde"

START_TEST(cram_md5_dialogues)
{
	static const struct dialogue rows[] = {
		CRAM("accepts right digest", DIGEST("alice", RIGHT), MAILAUTH_OK, ALICE, NULL),
		CRAM("accepts name with its realm", DIGEST("alice@example.org", RIGHT), MAILAUTH_OK,
		     ALICE, NULL),
		CRAM("folds the case of a name", DIGEST("Alice@EXAMPLE.org", RIGHT), MAILAUTH_OK,
		     ALICE, NULL),
		CRAM("denies wrong digest", DIGEST("alice", WRONG), MAILAUTH_E_DENIED, NULL,
		     "wrong-proof"),
		CRAM("denies unknown user", DIGEST("nobody", RIGHT), MAILAUTH_E_DENIED, NULL,
		     "unknown-user"),
		CRAM("denies account that has no such secret", DIGEST("crypt", RIGHT),
		     MAILAUTH_E_DENIED, NULL, "no-secret"),
		CRAM("denies account without secrets", DIGEST("empty", RIGHT), MAILAUTH_E_DENIED,
		     NULL, "no-secret"),
		/* DESIGN section 10: split at the last space */
		CRAM("splits at the last space", DIGEST("alice x", RIGHT), MAILAUTH_E_DENIED, NULL,
		     "bad-name"),
		CRAM("denies name that is not UTF-8", DIGEST("al\xffice", RIGHT), MAILAUTH_E_DENIED,
		     NULL, "bad-name"),
		/* RFC 2195 section 2: user SP digest */
		CRAM("rejects empty response", NOTHING, MAILAUTH_E_PROTOCOL, NULL, "malformed"),
		CRAM("rejects response without space", BYTES(HEX_31 "f"), MAILAUTH_E_PROTOCOL, NULL,
		     "malformed"),
		CRAM("rejects empty name", BYTES(" " HEX_31 "f"), MAILAUTH_E_PROTOCOL, NULL,
		     "malformed"),
		CRAM("rejects short digest", BYTES("alice " HEX_31), MAILAUTH_E_PROTOCOL, NULL,
		     "malformed"),
		CRAM("rejects long digest", BYTES("alice " HEX_31 "ff"), MAILAUTH_E_PROTOCOL, NULL,
		     "malformed"),
		CRAM("rejects digest that is not hexadecimal", BYTES("alice " HEX_31 "g"),
		     MAILAUTH_E_PROTOCOL, NULL, "malformed"),
		CRAM("rejects digest with NUL", BYTES("alice " HEX_31 "\0"), MAILAUTH_E_PROTOCOL,
		     NULL, "malformed"),
		CRAM("rejects space behind the digest", BYTES("alice " HEX_31 "f "),
		     MAILAUTH_E_PROTOCOL, NULL, "malformed"),
		CRAM("rejects line break behind the digest", BYTES("alice " HEX_31 "f\r\n"),
		     MAILAUTH_E_PROTOCOL, NULL, "malformed"),
		CRAM("limits the response", REPEAT("a", MAILAUTH_MESSAGE_MAX + 1), MAILAUTH_E_LIMIT,
		     NULL, "malformed"),
		{.name = "rejects a client that speaks first",
		 .mech = "CRAM-MD5",
		 .client = {BYTES("alice " HEX_31 "f")},
		 .server = {MAILAUTH_E_PROTOCOL},
		 .reason = "malformed"},
		{.name = "limits a client that speaks first",
		 .mech = "CRAM-MD5",
		 .client = {REPEAT("a", MAILAUTH_MESSAGE_MAX + 1)},
		 .server = {MAILAUTH_E_LIMIT},
		 .reason = "malformed"},
		{.name = "refuses a second try",
		 .mech = "CRAM-MD5",
		 .client = {NOTHING, DIGEST("alice", WRONG), DIGEST("alice", RIGHT)},
		 .server = {MAILAUTH_CONTINUE, MAILAUTH_E_DENIED, MAILAUTH_E_PROTOCOL},
		 .reason = "wrong-proof"},
		{.name = "finds the mechanism in any case",
		 .mech = "cram-md5",
		 .client = {NOTHING, DIGEST("alice", RIGHT)},
		 .server = {MAILAUTH_CONTINUE, MAILAUTH_OK},
		 .user = ALICE},
	};

	PLAY_ALL(rows);
}
END_TEST

/* ---- every mechanism ---------------------------------------------------------------------- */

/* The rules of who may log in are the same for all of them, and each login makes one line. */
START_TEST(every_mechanism_judges_alike)
{
	static const char *const mechs[] = {"PLAIN",	  "LOGIN",	 "CRAM-MD5",
					    "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"};
	static const struct {
		const char *user;
		const char *password;
		const struct mailauth_request *request;
		const char *reason; /* NULL: admitted */
	} rows[] = {
		{"alice", RIGHT, &over_tls, NULL},
		{"alice@example.org", RIGHT, &over_tls, NULL},
		{"Alice", RIGHT, &over_tls, NULL},
		{"alice", WRONG, &over_tls, "wrong-proof"},
		{"nobody", RIGHT, &over_tls, "unknown-user"},
		{"no body", RIGHT, &over_tls, "bad-name"},
		{"locked", RIGHT, &over_tls, "locked"},
		{"locked", WRONG, &over_tls, "locked"},
		{"expires-today", RIGHT, &over_tls, "expired"},
		{"expires-soon", RIGHT, &over_tls, NULL},
		{"must-change", RIGHT, &over_tls, "must-change"},
		{"past-inactive", RIGHT, &over_tls, "password-expired"},
		{"within-max", RIGHT, &over_tls, NULL},
		{"empty", RIGHT, &over_tls, "no-secret"},
		{"alice", RIGHT, &smtp_only, NULL},
		{"groupless", RIGHT, &smtp_only, "not-in-group"},
		{"groupless", RIGHT, &over_tls, NULL},
		{"alice", "other " SECRET, &other_realm, NULL},
		{"alice", RIGHT, &other_realm, "wrong-proof"},
	};
	static struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = open_with_accounts("", &log);
	int64_t day = today();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && today() == day; i++) {
		for (size_t j = 0; j < sizeof(mechs) / sizeof(mechs[0]); j++) {
			char what[64];
			char mech[32];

			/* A client of DIGEST-MD5 hashes the name as it was typed. */
			if (strcmp(mechs[j], "DIGEST-MD5") == 0 && rows[i].user[0] == 'A')
				continue;
			(void)snprintf(what, sizeof(what), "%s, row %zu", mechs[j], i);
			(void)snprintf(mech, sizeof(mech), " mech=%s ", mechs[j]);
			support_log_clear(&log);
			support_status(what,
				       support_login(ctx, mechs[j], rows[i].request, rows[i].user,
						     rows[i].password),
				       rows[i].reason == NULL ? MAILAUTH_OK : MAILAUTH_E_DENIED);
			check_log(what, &log, rows[i].reason);
			ck_assert_msg(strstr(log.text, mech) != NULL, "%s: got %s", what, log.text);
		}
	}
	mailauth_free(&ctx);
}
END_TEST

/* Each mechanism needs its own secret, and PLAIN and LOGIN take any. */
START_TEST(account_serves_the_mechanisms_of_its_list)
{
	static const char *const mechs[] = {"PLAIN",	     "LOGIN",	     "CRAM-MD5",
					    "DIGEST-MD5",    "APOP",	     "SCRAM-SHA-1",
					    "SCRAM-SHA-256", "SCRAM-SHA-512"};
	static const struct {
		const char *list;
		int recoverable;
		const char *serves; /* a digit for each of those above */
	} rows[] = {
		{"", 0, "11110110"},
		{"", 1, "11111110"},
		{"PLAIN", 0, "11000000"},
		{"CRAM-MD5", 0, "11100000"},
		{"DIGEST-MD5", 0, "11010000"},
		{"SCRAM-SHA-1", 0, "11000100"},
		{"SCRAM-SHA-256", 0, "11000010"},
		{"SCRAM-SHA-512", 0, "11000001"},
		{"SCRAM-SHA-512-PLUS LOGIN", 0, "11000001"},
		{"APOP", 1, "11001000"},
		{"SCRAM-SHA-256 DIGEST-MD5", 0, "11010010"},
	};
	struct support_log log = {.level = MAILAUTH_LOG_DEBUG};
	struct mailauth *ctx = support_open(cheap_crypt, &log);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mailauth_user *user;

		support_status("new", mailauth_user_new(ctx, "alice", &user), MAILAUTH_OK);
		set_number(user, MAILAUTH_NUMBER_RECOVERABLE, rows[i].recoverable);
		support_status("list",
			       mailauth_user_set_text(user, MAILAUTH_TEXT_MECHS, rows[i].list),
			       MAILAUTH_OK);
		support_status("password", mailauth_user_set_password(user, RIGHT, strlen(RIGHT)),
			       MAILAUTH_OK);
		support_status("add", mailauth_user_add(user), MAILAUTH_OK);
		mailauth_user_free(&user);
		for (size_t j = 0; j < sizeof(mechs) / sizeof(mechs[0]); j++) {
			bool served = rows[i].serves[j] == '1';
			char what[128];

			(void)snprintf(what, sizeof(what), "\"%s\", recoverable %d, %s",
				       rows[i].list, rows[i].recoverable, mechs[j]);
			support_log_clear(&log);
			support_status(what,
				       support_login(ctx, mechs[j], &over_tls, "alice", RIGHT),
				       served ? MAILAUTH_OK : MAILAUTH_E_DENIED);
			check_log(what, &log, served ? NULL : "no-secret");
			if (served)
				support_status(
					what,
					support_login(ctx, mechs[j], &over_tls, "alice", WRONG),
					MAILAUTH_E_DENIED);
		}
		support_status("delete", mailauth_user_del(ctx, "alice"), MAILAUTH_OK);
	}
	mailauth_free(&ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api login");
	TCase *tcase = tcase_create("login");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, plain_dialogues);
	tcase_add_test(tcase, account_states_deny_alike);
	tcase_add_test(tcase, groups_and_realms);
	tcase_add_test(tcase, cram_md5_dialogues);
	tcase_add_test(tcase, every_mechanism_judges_alike);
	tcase_add_test(tcase, account_serves_the_mechanisms_of_its_list);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
