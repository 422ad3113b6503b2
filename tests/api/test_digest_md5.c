/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_digest_md5.c - sessions of DIGEST-MD5
 *
 * RFC 2831 section 2.1: which names, realms and authorization identities log in whom, when the
 * session is over, and what digest_realms may hold. How responses are read is tested beside the
 * mechanism.
 */
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "accounts.h"
#include "support.h"

#define MESSAGE_CAP 1024
#define CNONCE	    "OA6MHXh6VqTrRk"
#define URI	    "imap/example.org"
#define UMLAUT	    "m\xc3\xbcller"
#define LATIN1	    "m\xfcller"

/* ---- the client: RFC 2831 section 2.1.2.1 ------------------------------------------------ */

/* What a client sends and hashes. */
struct client {
	const char *username;
	const char *realm;   /* NULL: absent */
	const char *authzid; /* NULL: absent */
	const char *password;
	bool leave_authzid; /* out of the hash */
};

struct dialogue {
	struct mailauth_session *session;
	char nonce[64];
	char reply[2048];
};

static void md5(const void *p, size_t len, unsigned char digest_out[16])
{
	unsigned int digest_len = 0;

	ck_assert_int_eq(EVP_Digest(p, len, digest_out, &digest_len, EVP_md5(), NULL), 1);
	ck_assert_uint_eq(digest_len, 16);
}

static void md5_hex(const void *p, size_t len, char hex_out[33])
{
	unsigned char digest[16];

	md5(p, len, digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(hex_out + 2 * i, 3, "%02x", digest[i]);
}

static void respond(const struct client *client, const char *nonce, const char *method,
		    char hex_out[33])
{
	bool has_authzid = client->authzid != NULL && !client->leave_authzid;
	char text[MESSAGE_CAP];
	char a1[33];
	char a2[33];
	int n = snprintf(text, sizeof(text), "%s:%s:%s", client->username,
			 client->realm != NULL ? client->realm : "", client->password);

	md5(text, (size_t)n, (unsigned char *)text);
	n = snprintf(text + 16, sizeof(text) - 16, ":%s:" CNONCE "%s%s", nonce,
		     has_authzid ? ":" : "", has_authzid ? client->authzid : "");
	md5_hex(text, (size_t)n + 16, a1);
	n = snprintf(text, sizeof(text), "%s:" URI, method);
	md5_hex(text, (size_t)n, a2);
	n = snprintf(text, sizeof(text), "%s:%s:00000001:" CNONCE ":auth:%s", a1, nonce, a2);
	md5_hex(text, (size_t)n, hex_out);
}

static const char *compose(const struct client *client, const char *nonce, char out[MESSAGE_CAP])
{
	const char *realm = client->realm;
	const char *authzid = client->authzid;
	char hex[33];

	respond(client, nonce, "AUTHENTICATE", hex);
	(void)snprintf(out, MESSAGE_CAP,
		       "username=\"%s\"%s%s%s%s%s%s,nonce=\"%s\",cnonce=\"" CNONCE
		       "\",nc=00000001,qop=auth,digest-uri=\"" URI "\",response=%s",
		       client->username, realm != NULL ? ",realm=\"" : "",
		       realm != NULL ? realm : "", realm != NULL ? "\"" : "",
		       authzid != NULL ? ",authzid=\"" : "", authzid != NULL ? authzid : "",
		       authzid != NULL ? "\"" : "", nonce, hex);
	return out;
}

/* ---- dialogues --------------------------------------------------------------------------- */

static enum mailauth_status say(struct dialogue *dialogue, const char *text)
{
	const void *reply;
	size_t len;
	enum mailauth_status status = mailauth_session_step(
		dialogue->session, text, text != NULL ? strlen(text) : 0, &reply, &len);

	ck_assert_uint_lt(len, sizeof(dialogue->reply));
	ck_assert_msg(status >= 0 || len == 0, "%s with %zu bytes", mailauth_status_name(status),
		      len);
	if (len > 0)
		memcpy(dialogue->reply, reply, len);
	dialogue->reply[len] = '\0';
	return status;
}

static void begin(struct dialogue *dialogue, struct mailauth *ctx,
		  const struct mailauth_request *request)
{
	const char *nonce;

	support_status("new", mailauth_session_new(ctx, "DIGEST-MD5", request, &dialogue->session),
		       MAILAUTH_OK);
	support_status("challenge", say(dialogue, NULL), MAILAUTH_CONTINUE);
	nonce = strstr(dialogue->reply, ",nonce=\"");
	ck_assert_msg(nonce != NULL, "got %s", dialogue->reply);
	(void)snprintf(dialogue->nonce, sizeof(dialogue->nonce), "%.*s",
		       (int)strcspn(nonce + 8, "\""), nonce + 8);
}

static enum mailauth_status answer(struct dialogue *dialogue, const struct client *client)
{
	char message[MESSAGE_CAP];

	return say(dialogue, compose(client, dialogue->nonce, message));
}

static void check_rspauth(const char *name, const struct dialogue *dialogue,
			  const struct client *client)
{
	char want[64] = "rspauth=";

	respond(client, dialogue->nonce, "", want + 8);
	ck_assert_msg(strcmp(dialogue->reply, want) == 0, "%s: got %s, want %s", name,
		      dialogue->reply, want);
}

static const struct mailauth_request with_data = {
	.size = sizeof(with_data),
	.flags = MAILAUTH_REQUEST_SUCCESS_DATA,
};

static struct mailauth *open_for_digest(struct support_log *log)
{
	struct mailauth *ctx = open_with_accounts("digest_realms = lab.test\n", log);

	support_add(ctx, UMLAUT, RIGHT);
	if (log != NULL)
		support_log_clear(log);
	return ctx;
}

static const struct client alice = {"alice", "example.org", NULL, RIGHT, false};

static const struct {
	const char *name;
	struct client client;
	const char *user; /* NULL: denied */
	const char *reason;
} logins[] = {
	{"local", {"alice", "example.org", NULL, RIGHT, false}, ALICE, NULL},
	{"local@realm", {ALICE, "example.org", NULL, RIGHT, false}, ALICE, NULL},
	{"realm absent", {"alice", NULL, NULL, RIGHT, false}, ALICE, NULL},
	{"realm empty", {ALICE, "", NULL, RIGHT, false}, ALICE, NULL},
	{"of digest_realms", {"alice", "lab.test", NULL, RIGHT, false}, ALICE, NULL},
	{"UTF-8", {UMLAUT, "example.org", NULL, RIGHT, false}, UMLAUT "@example.org", NULL},
	{"Latin-1", {LATIN1, "example.org", NULL, RIGHT, false}, UMLAUT "@example.org", NULL},
	{"an account of another realm",
	 {"alice", "other.test", NULL, "other " SECRET, false},
	 "alice@other.test",
	 NULL},
	{"an account of another realm, by its name",
	 {"alice@other.test", "other.test", NULL, "other " SECRET, false},
	 "alice@other.test",
	 NULL},
	{"an account of another realm, in one of digest_realms",
	 {"alice@other.test", "lab.test", NULL, "other " SECRET, false},
	 "alice@other.test",
	 NULL},
	/* What a client does with the one realm that a server for several domains offers. */
	{"an account of another realm, in the realm offered",
	 {"alice@other.test", "example.org", NULL, "other " SECRET, false},
	 "alice@other.test",
	 NULL},
	{"a realm that nobody has",
	 {"alice", "nowhere.test", NULL, RIGHT, false},
	 NULL,
	 "unknown-user"},
	{"a name in the realm of another account",
	 {ALICE, "other.test", NULL, RIGHT, false},
	 NULL,
	 "wrong-proof"},
	/* The client hashes letters as they were typed, and only lower case was derived. */
	{"a name typed in upper case",
	 {"Alice", "example.org", NULL, RIGHT, false},
	 NULL,
	 "wrong-proof"},
	{"a realm typed in upper case",
	 {"alice", "EXAMPLE.ORG", NULL, RIGHT, false},
	 NULL,
	 "wrong-proof"},
	{"wrong password", {"alice", "example.org", NULL, WRONG, false}, NULL, "wrong-proof"},
	{"unknown user", {"nobody", "example.org", NULL, RIGHT, false}, NULL, "unknown-user"},
	{"bad name", {"alice alice", "example.org", NULL, RIGHT, false}, NULL, "bad-name"},
	{"locked", {"locked", "example.org", NULL, RIGHT, false}, NULL, "locked"},
	{"a hash only", {"crypt", "example.org", NULL, RIGHT, false}, NULL, "no-secret"},
	{"authzid empty", {"alice", "example.org", "", RIGHT, false}, ALICE, NULL},
	{"authzid empty, not hashed", {"alice", "example.org", "", RIGHT, true}, ALICE, NULL},
	{"authzid the same", {"alice", "example.org", "alice", RIGHT, false}, ALICE, NULL},
	{"authzid the same in another form",
	 {"alice", "example.org", "Alice@Example.Org", RIGHT, false},
	 ALICE,
	 NULL},
	{"authzid of another user",
	 {"alice", "example.org", "alice@other.test", RIGHT, false},
	 NULL,
	 "authzid"},
	{"authzid that is no name",
	 {"alice", "example.org", "alice alice", RIGHT, false},
	 NULL,
	 "authzid"},
};

static void log_in(struct mailauth *ctx, struct support_log *log, size_t i, bool in_one)
{
	const struct client *client = &logins[i].client;
	const char *name = logins[i].name;
	const char *user = logins[i].user;
	struct dialogue dialogue;
	enum mailauth_status want = in_one ? MAILAUTH_OK : MAILAUTH_CONTINUE;

	support_log_clear(log);
	begin(&dialogue, ctx, in_one ? &with_data : NULL);
	support_status(name, answer(&dialogue, client), user != NULL ? want : MAILAUTH_E_DENIED);
	if (user != NULL)
		check_rspauth(name, &dialogue, client);
	if (user != NULL && !in_one) {
		/* RFC 4422 section 3.6: not before the client has seen rspauth */
		ck_assert_ptr_null(mailauth_session_user(dialogue.session));
		ck_assert_uint_eq(log->n, 0);
		support_status(name, say(&dialogue, NULL), MAILAUTH_OK);
		ck_assert_str_eq(dialogue.reply, "");
	}
	check_log(name, log, logins[i].reason);
	ck_assert_msg(strstr(log->text, " mech=DIGEST-MD5 ") != NULL, "%s: got %s", name,
		      log->text);
	for (int again = 0; again <= 1; again++) {
		if (user != NULL)
			ck_assert_str_eq(mailauth_session_user(dialogue.session), user);
		else
			ck_assert_ptr_null(mailauth_session_user(dialogue.session));
		/* a further message changes nothing */
		support_status(name, answer(&dialogue, client), MAILAUTH_E_PROTOCOL);
		support_status(name, say(&dialogue, NULL), MAILAUTH_E_PROTOCOL);
	}
	mailauth_session_free(&dialogue.session);
	ck_assert_uint_eq(log->n, 1);
}

START_TEST(sessions_log_in_whom_they_should)
{
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = open_for_digest(&log);

	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		log_in(ctx, &log, i, false);
		log_in(ctx, &log, i, true);
	}
	mailauth_free(&ctx);
}
END_TEST

START_TEST(sessions_refuse_a_response_made_for_another)
{
	struct mailauth *ctx = open_for_digest(NULL);
	struct dialogue first;
	struct dialogue second;
	char message[MESSAGE_CAP];

	begin(&first, ctx, NULL);
	begin(&second, ctx, NULL);
	compose(&alice, first.nonce, message);
	support_status("first", say(&first, message), MAILAUTH_CONTINUE);
	support_status("second", say(&second, message), MAILAUTH_E_PROTOCOL);
	support_status("first, still", say(&first, NULL), MAILAUTH_OK);
	ck_assert_ptr_null(mailauth_session_user(second.session));
	mailauth_session_free(&first.session);
	mailauth_session_free(&second.session);
	begin(&second, ctx, NULL);
	support_status("later", say(&second, message), MAILAUTH_E_PROTOCOL);
	mailauth_session_free(&second.session);
	mailauth_free(&ctx);
}
END_TEST

/* RFC 2831 section 2.2: subsequent authentication is not offered. */
START_TEST(sessions_refuse_a_response_before_the_challenge)
{
	static const char *const nonces[] = {
		"OA6MG9tEQGm2hh",
		"00000000000000000000000000000000",
		"",
	};
	struct mailauth *ctx = open_for_digest(NULL);

	for (size_t i = 0; i < sizeof(nonces) / sizeof(nonces[0]); i++) {
		struct dialogue dialogue;
		char message[MESSAGE_CAP];

		support_status("new",
			       mailauth_session_new(ctx, "DIGEST-MD5", NULL, &dialogue.session),
			       MAILAUTH_OK);
		support_status("response", say(&dialogue, compose(&alice, nonces[i], message)),
			       MAILAUTH_E_PROTOCOL);
		support_status("empty", say(&dialogue, NULL), MAILAUTH_E_PROTOCOL);
		ck_assert_ptr_null(mailauth_session_user(dialogue.session));
		mailauth_session_free(&dialogue.session);
	}
	mailauth_free(&ctx);
}
END_TEST

/* RFC 4422 section 3.6: the answer to rspauth is empty */
START_TEST(sessions_want_nothing_after_rspauth)
{
	static const char *const answers[] = {" ", "*", ",", "rspauth=", "username=\"alice\""};
	struct support_log log = {.level = MAILAUTH_LOG_INFO};
	struct mailauth *ctx = open_for_digest(&log);
	struct dialogue dialogue;

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		support_log_clear(&log);
		begin(&dialogue, ctx, NULL);
		support_status("response", answer(&dialogue, &alice), MAILAUTH_CONTINUE);
		support_status(answers[i], say(&dialogue, answers[i]), MAILAUTH_E_PROTOCOL);
		ck_assert_ptr_null(mailauth_session_user(dialogue.session));
		check_log(answers[i], &log, "malformed");
		support_status("empty, too late", say(&dialogue, NULL), MAILAUTH_E_PROTOCOL);
		ck_assert_ptr_null(mailauth_session_user(dialogue.session));
		mailauth_session_free(&dialogue.session);
	}
	support_log_clear(&log);
	begin(&dialogue, ctx, NULL);
	support_status("response", answer(&dialogue, &alice), MAILAUTH_CONTINUE);
	mailauth_session_free(&dialogue.session);
	check_log("gone away", &log, "aborted");
	mailauth_free(&ctx);
}
END_TEST

START_TEST(sessions_offer_the_realm_asked_for)
{
	const struct client other = {"alice", "other.test", NULL, "other " SECRET, false};
	struct mailauth *ctx = open_for_digest(NULL);
	struct dialogue dialogue;

	begin(&dialogue, ctx, NULL);
	ck_assert_msg(strncmp(dialogue.reply, "realm=\"example.org\",nonce=\"", 27) == 0, "got %s",
		      dialogue.reply);
	mailauth_session_free(&dialogue.session);
	begin(&dialogue, ctx, &other_realm); /* which says "Other.test" */
	ck_assert_msg(strncmp(dialogue.reply, "realm=\"other.test\",nonce=\"", 26) == 0, "got %s",
		      dialogue.reply);
	support_status("other", answer(&dialogue, &other), MAILAUTH_CONTINUE);
	support_status("other", say(&dialogue, NULL), MAILAUTH_OK);
	ck_assert_str_eq(mailauth_session_user(dialogue.session), "alice@other.test");
	mailauth_session_free(&dialogue.session);
	mailauth_free(&ctx);
}
END_TEST

START_TEST(digest_realms_are_eight_names_at_most)
{
	static const struct {
		const char *line;
		enum mailauth_status want;
	} lines[] = {
		{"digest_realms = a b c d e f g h\n", MAILAUTH_OK},
		{"digest_realms = a, b,c\td\n", MAILAUTH_OK},
		{"digest_realms = a b c d e f g h i\n", MAILAUTH_E_CONFIG},
		{"digest_realms = lab.test a/b\n", MAILAUTH_E_CONFIG},
		{"digest_realms = alice@lab.test\n", MAILAUTH_E_CONFIG},
		{"digest_realms = -x\n", MAILAUTH_E_CONFIG},
		{"digest_realms = \xff\n", MAILAUTH_E_CONFIG},
	};
	struct mailauth *made = support_open("", NULL); /* the key */

	mailauth_free(&made);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct support_log log = {.level = MAILAUTH_LOG_ERROR};
		struct mailauth_options options = {
			.size = sizeof(options),
			.store = "memory:",
			.log = support_log,
			.log_arg = &log,
		};
		struct mailauth *ctx;
		char text[512];
		int n = snprintf(text, sizeof(text),
				 "key_file = %s\ndefault_realm = example.org\n%s",
				 support_path("store.key"), lines[i].line);

		options.config = support_file("realms.conf", text, (size_t)n);
		support_status(lines[i].line, mailauth_open(&options, &ctx), lines[i].want);
		ck_assert_msg((strstr(log.text, "realms.conf:3: digest_realms") != NULL) ==
				      (lines[i].want != MAILAUTH_OK),
			      "%s: got %s", lines[i].line, log.text);
		mailauth_free(&ctx);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("api digest_md5");
	TCase *tcase = tcase_create("digest_md5");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, support_reset, NULL);
	tcase_add_test(tcase, sessions_log_in_whom_they_should);
	tcase_add_test(tcase, sessions_refuse_a_response_made_for_another);
	tcase_add_test(tcase, sessions_refuse_a_response_before_the_challenge);
	tcase_add_test(tcase, sessions_want_nothing_after_rspauth);
	tcase_add_test(tcase, sessions_offer_the_realm_asked_for);
	tcase_add_test(tcase, digest_realms_are_eight_names_at_most);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
