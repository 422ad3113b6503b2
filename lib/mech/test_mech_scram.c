/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mech_scram.c - SCRAM against the RFCs' dialogues, a client of our own and hostile ones
 *
 * RFC 5802, RFC 7677. The client is tests/support_client.c, which shares no code with the
 * mechanism. What an account may do and what a stranger sees is in the tests of session.c.
 */
#include "mech/mech.h"

#include <stdio.h>
#include <stdlib.h>

#include "support.h"
#include "util/codec.h"
#include "util/mem.h"

#define PASSWORD    "pencil"
#define FIRST_MAX   2048 /* bytes of the client's first message */
#define MESSAGE_CAP 8192

static struct ma_crypto *crypto;
static const struct ma_config config = {.scram_iterations = 2};

static const uint8_t exporter[32] = "the exported keying material ..";
static const uint8_t end_point[64] = {1, 2, 0, ',', '='};
static const uint8_t unique[12] = {0xff};
static const struct mailauth_binding bindings[] = {
	{.type = "tls-exporter", .p = exporter, .len = sizeof(exporter)},
	{.type = "tls-server-end-point", .p = end_point, .len = sizeof(end_point)},
	{.type = "tls-unique", .p = unique, .len = sizeof(unique)},
};

static void setup(void)
{
	const char *missing;

	ck_assert_int_eq(ma_crypto_new(&crypto, &missing), MAILAUTH_OK);
}

static void teardown(void)
{
	ma_mem_set_fail(NULL);
	ma_crypto_free(&crypto);
}

static const struct ma_mech *find(const char *name)
{
	const struct ma_mech *mech = ma_mech_find(ma_span_text(name));

	ck_assert_msg(mech != NULL, "no %s", name);
	return mech;
}

static struct ma_subject subject(void)
{
	return (struct ma_subject){.crypto = crypto,
				   .config = &config,
				   .local = ma_span_text("tim"),
				   .realm = ma_span_text("example.org")};
}

static enum mailauth_status check(const struct ma_mech *mech, struct ma_span secret,
				  const char *password)
{
	const struct ma_subject tim = subject();

	return mech->kind->check(mech->kind, &tim, secret, ma_span_text(password));
}

/* ---- a dialogue ---- */

struct dialogue {
	const struct ma_mech *mech;
	struct ma_exchange exchange;
	struct ma_candidates candidates;
	struct ma_credential credential;
	uint8_t secret[MA_SECRET_MAX];
	enum mailauth_status found; /* what the lookup returns */
	unsigned int n_lookups;
	char user[FIRST_MAX + 1]; /* what it was asked for */
	char authzid[FIRST_MAX + 1];
	uint8_t *state;
	uint8_t reply_bytes[MAILAUTH_MESSAGE_MAX];
	struct ma_buf reply;
};

static enum mailauth_status lookup(void *arg, const struct ma_identity *who,
				   const struct ma_candidates **candidates_out)
{
	struct dialogue *dialogue = arg;

	ck_assert_uint_eq(who->realm.len, 0);
	dialogue->n_lookups++;
	(void)snprintf(dialogue->user, sizeof(dialogue->user), "%.*s", (int)who->user.len,
		       (const char *)who->user.p);
	(void)snprintf(dialogue->authzid, sizeof(dialogue->authzid), "%.*s", (int)who->authzid.len,
		       who->authzid.len > 0 ? (const char *)who->authzid.p : "");
	*candidates_out = &dialogue->candidates;
	return dialogue->found;
}

static void set_secret(struct dialogue *dialogue, struct ma_span secret)
{
	memcpy(dialogue->secret, secret.p, secret.len);
	dialogue->credential.secrets[0] =
		(struct ma_secret){.kind = (uint8_t)dialogue->mech->kind->id,
				   .value = ma_span(dialogue->secret, secret.len)};
	dialogue->credential.n_secrets = 1;
}

static void set_password(struct dialogue *dialogue, const char *password)
{
	const struct ma_subject tim = subject();
	uint8_t bytes[MA_SECRET_MAX];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));

	ck_assert_int_eq(dialogue->mech->kind->derive(dialogue->mech->kind, &tim,
						      ma_span_text(password), &out),
			 MAILAUTH_OK);
	set_secret(dialogue, ma_buf_span(&out));
}

static struct dialogue *dialogue_new(const char *mech_name, const char *password)
{
	struct dialogue *dialogue = ma_alloc(sizeof(*dialogue));
	const struct ma_mech *mech = find(mech_name);

	ck_assert_ptr_nonnull(dialogue);
	dialogue->mech = mech;
	dialogue->state = ma_alloc(mech->state_size);
	ck_assert_ptr_nonnull(dialogue->state);
	dialogue->candidates = (struct ma_candidates){
		.subject = subject(), .n = 1, .items = {&dialogue->credential}};
	dialogue->exchange = (struct ma_exchange){
		.mech = mech,
		.crypto = crypto,
		.host = ma_span_text("mail.example.org"),
		.realm = ma_span_text("example.org"),
		.n_bindings = mech->needs_binding ? MA_ARRAY_SIZE(bindings) : 0,
		.bindings = bindings,
		.state = dialogue->state,
		.lookup = lookup,
		.lookup_arg = dialogue,
	};
	dialogue->reply = ma_buf_fixed(dialogue->reply_bytes, sizeof(dialogue->reply_bytes));
	if (password != NULL)
		set_password(dialogue, password);
	return dialogue;
}

static void dialogue_free(struct dialogue *dialogue)
{
	ma_free(dialogue->state);
	ma_free(dialogue);
}

/* From a block of exactly its size. */
static enum mailauth_status say(struct dialogue *dialogue, const void *in, size_t len)
{
	uint8_t *copy = len > 0 ? ma_alloc(len) : NULL;
	enum mailauth_status status;

	if (len > 0) {
		ck_assert_ptr_nonnull(copy);
		memcpy(copy, in, len);
	}
	ma_buf_reset(&dialogue->reply);
	status = dialogue->mech->step(&dialogue->exchange, ma_span(copy, len), &dialogue->reply);
	ma_free(copy);
	return status;
}

static void expect_reply(const char *what, struct dialogue *dialogue, const char *want)
{
	ck_assert_msg(strcmp(ma_buf_text(&dialogue->reply), want) == 0, "%s: got %s, want %s", what,
		      ma_buf_text(&dialogue->reply), want);
}

static struct support_scram client_of(const char *mech)
{
	return (struct support_scram){.mech = mech,
				      .gs2 = "n,,",
				      .user = "tim",
				      .password = PASSWORD,
				      .nonce = "fyko+d2lbbFgONRv9qkxdawL"};
}

/* Both messages of @client; the server's signature, too, if it was admitted. */
static enum mailauth_status play(const char *what, struct dialogue *dialogue,
				 struct support_scram *client)
{
	static char message[MESSAGE_CAP];
	size_t len = support_scram_first(client, message, sizeof(message));
	enum mailauth_status status = say(dialogue, message, len);

	if (status != MAILAUTH_CONTINUE)
		return status;
	len = support_scram_final(client, dialogue->reply.p, dialogue->reply.len, message,
				  sizeof(message));
	status = say(dialogue, message, len);
	if (status == MAILAUTH_OK)
		expect_reply(what, dialogue, client->want);
	return status;
}

/* ---- known answers ---- */

enum {
	MECH,
	USER,
	VECTOR_PASSWORD,
	ITERATIONS,
	SALT,
	CLIENT_NONCE,
	SERVER_NONCE,
	STORED_KEY,
	SERVER_KEY,
	PROOF,
	SIGNATURE,
	N_FIELDS
};

static void put_base64(const char *text, struct ma_buf *out)
{
	ck_assert_msg(ma_base64_decode(ma_span_text(text), out), "%s", text);
}

/* The record's form: see mech_scram.c. */
static void put_secret(const char *const fields[], struct ma_buf *out)
{
	uint8_t salt_bytes[255];
	struct ma_buf salt = ma_buf_fixed(salt_bytes, sizeof(salt_bytes));

	put_base64(fields[SALT], &salt);
	ma_buf_put_u32(out, (uint32_t)strtoul(fields[ITERATIONS], NULL, 10));
	ma_buf_put_bytes8(out, ma_buf_span(&salt));
	put_base64(fields[STORED_KEY], out);
	put_base64(fields[SERVER_KEY], out);
	ck_assert_int_eq(ma_buf_status(out), MAILAUTH_OK);
}

static void check_dialogue(const char *const fields[], struct dialogue *dialogue)
{
	struct support_scram client = {.mech = fields[MECH],
				       .gs2 = "n,,",
				       .user = fields[USER],
				       .password = fields[VECTOR_PASSWORD],
				       .nonce = fields[CLIENT_NONCE]};
	char message[1024];
	char want[1024];
	size_t len;

	dialogue->exchange.nonce = ma_span_text(fields[SERVER_NONCE]);
	(void)snprintf(message, sizeof(message), "n,,n=%s,r=%s", fields[USER],
		       fields[CLIENT_NONCE]);
	ck_assert_int_eq(say(dialogue, message, strlen(message)), MAILAUTH_CONTINUE);
	ck_assert_str_eq(dialogue->user, fields[USER]);
	(void)snprintf(want, sizeof(want), "r=%s%s,s=%s,i=%s", fields[CLIENT_NONCE],
		       fields[SERVER_NONCE], fields[SALT], fields[ITERATIONS]);
	expect_reply(fields[MECH], dialogue, want);
	/* The other direction: our client comes to the RFC's proof and signature, too. */
	(void)support_scram_first(&client, message, sizeof(message));
	len = support_scram_final(&client, want, strlen(want), message, sizeof(message));
	(void)snprintf(want, sizeof(want), "c=biws,r=%s%s,p=%s", fields[CLIENT_NONCE],
		       fields[SERVER_NONCE], fields[PROOF]);
	ck_assert_msg(strcmp(message, want) == 0, "got %s, want %s", message, want);
	ck_assert_int_eq(say(dialogue, want, len), MAILAUTH_OK);
	(void)snprintf(want, sizeof(want), "v=%s", fields[SIGNATURE]);
	expect_reply(fields[MECH], dialogue, want);
	ck_assert_str_eq(client.want, want);
}

START_TEST(gives_the_answers_of_the_rfcs)
{
	struct support_vectors *vectors = support_vectors_open("scram.txt");
	const char *fields[N_FIELDS];
	unsigned int n = 0;

	while (support_vectors_next(vectors, fields, N_FIELDS) == N_FIELDS) {
		struct dialogue *dialogue = dialogue_new(fields[MECH], NULL);
		uint8_t bytes[MA_SECRET_MAX];
		struct ma_buf secret = ma_buf_fixed(bytes, sizeof(bytes));
		char text[1024];
		char want[1024];
		struct ma_buf out = ma_buf_fixed(text, sizeof(text));

		put_secret(fields, &secret);
		/* from the password to the keys */
		ck_assert_int_eq(
			check(dialogue->mech, ma_buf_span(&secret), fields[VECTOR_PASSWORD]),
			MAILAUTH_OK);
		ck_assert_int_eq(check(dialogue->mech, ma_buf_span(&secret), "Pencil"),
				 MAILAUTH_E_DENIED);
		/* RFC 5803 section 2 */
		ck_assert(dialogue->mech->kind->format(dialogue->mech->kind, NULL,
						       ma_buf_span(&secret), 0, &out));
		(void)snprintf(want, sizeof(want), "%s$%s:%s$%s:%s", fields[MECH],
			       fields[ITERATIONS], fields[SALT], fields[STORED_KEY],
			       fields[SERVER_KEY]);
		ck_assert_msg(strcmp(ma_buf_text(&out), want) == 0, "got %s, want %s",
			      ma_buf_text(&out), want);
		set_secret(dialogue, ma_buf_span(&secret));
		check_dialogue(fields, dialogue);
		dialogue_free(dialogue);
		n++;
	}
	ck_assert_uint_eq(n, MA_N_HASHES);
	support_vectors_close(vectors);
}
END_TEST

/* ---- right ones ---- */

static const char *const mechs[] = {"SCRAM-SHA-1",	"SCRAM-SHA-256",      "SCRAM-SHA-512",
				    "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-512-PLUS"};

START_TEST(admits_the_right_password_and_no_other)
{
	static const char *const wrong[] = {"pencil ", "penci", "Pencil", ""};
	struct dialogue *dialogue;
	struct support_scram client;

	for (size_t i = 0; i <= MA_ARRAY_SIZE(wrong); i++) {
		dialogue = dialogue_new(mechs[_i], PASSWORD);
		client = client_of(mechs[_i]);
		if (dialogue->mech->needs_binding) {
			client.gs2 = "p=tls-exporter,,";
			client.binding = exporter;
			client.binding_len = sizeof(exporter);
		}
		if (i < MA_ARRAY_SIZE(wrong))
			client.password = wrong[i];
		support_status(mechs[_i], play(mechs[_i], dialogue, &client),
			       i < MA_ARRAY_SIZE(wrong) ? MAILAUTH_E_DENIED : MAILAUTH_OK);
		ck_assert_uint_eq(dialogue->n_lookups, 1);
		ck_assert_uint_eq(client.iterations, 2);
		if (i < MA_ARRAY_SIZE(wrong)) /* a client that failed learns no signature */
			ck_assert_uint_eq(dialogue->reply.len, 0);
		dialogue_free(dialogue);
	}
}
END_TEST

START_TEST(asks_a_client_that_does_not_begin)
{
	struct dialogue *dialogue = dialogue_new("SCRAM-SHA-256", PASSWORD);
	struct support_scram client = client_of("SCRAM-SHA-256");

	support_status("nothing", say(dialogue, NULL, 0), MAILAUTH_CONTINUE);
	ck_assert_uint_eq(dialogue->reply.len, 0);
	support_status("then", play("then", dialogue, &client), MAILAUTH_OK);
	dialogue_free(dialogue);
	dialogue = dialogue_new("SCRAM-SHA-256", PASSWORD);
	support_status("nothing", say(dialogue, NULL, 0), MAILAUTH_CONTINUE);
	support_status("twice", say(dialogue, NULL, 0), MAILAUTH_E_PROTOCOL);
	dialogue_free(dialogue);
}
END_TEST

/* RFC 5802 section 5.1: the nonce is never the same, and begins with the client's. */
START_TEST(nonce_differs_from_session_to_session)
{
	struct dialogue *first = dialogue_new("SCRAM-SHA-1", PASSWORD);
	struct dialogue *second = dialogue_new("SCRAM-SHA-1", PASSWORD);
	static const char message[] = "n,,n=tim,r=abc";

	support_status("first", say(first, message, strlen(message)), MAILAUTH_CONTINUE);
	support_status("second", say(second, message, strlen(message)), MAILAUTH_CONTINUE);
	/* 18 random bytes */
	ck_assert_mem_eq(first->reply.p, "r=abc", 5);
	ck_assert_mem_eq(first->reply.p + 5 + 24, ",s=", 3);
	ck_assert_mem_ne(first->reply.p + 5, second->reply.p + 5, 24);
	dialogue_free(first);
	dialogue_free(second);
}
END_TEST

/* RFC 4013 sections 2 and 3: what was stored, and what a client that prepares it hashes. */
static const struct {
	const char *name;
	const char *stored;
	const char *hashed;
	enum mailauth_status want;
} prepared_rows[] = {
	{"ASCII stays", "I X", "I X", MAILAUTH_OK},
	{"soft hyphen goes", "I\xc2\xadX", "IX", MAILAUTH_OK},
	{"roman nine becomes two letters", "\xe2\x85\xa8", "IX", MAILAUTH_OK},
	{"ordinal becomes a letter", "\xc2\xaa", "a", MAILAUTH_OK},
	{"no-break space becomes a space",
	 "a\xc2\xa0"
	 "b",
	 "a b", MAILAUTH_OK},
	{"accent joins its letter", "pa\xcc\x88sswort", "p\xc3\xa4sswort", MAILAUTH_OK},
	{"case counts", "user", "USER", MAILAUTH_E_DENIED},
	{"without preparation it is another", "I\xc2\xadX", "I\xc2\xadX", MAILAUTH_E_DENIED},
	{"control character stays",
	 "a\x07"
	 "b",
	 "a\x07"
	 "b",
	 MAILAUTH_OK},
	{"mixed directions stay",
	 "\xd8\xa7"
	 "1",
	 "\xd8\xa7"
	 "1",
	 MAILAUTH_OK},
	{"what would be empty stays", "\xc2\xad", "\xc2\xad", MAILAUTH_OK},
	{"not assigned in Unicode 3.2", "\xf0\x9f\x90\xbf", "\xf0\x9f\x90\xbf", MAILAUTH_OK},
};

START_TEST(prepares_passwords)
{
	struct dialogue *dialogue = dialogue_new("SCRAM-SHA-256", prepared_rows[_i].stored);
	struct support_scram client = client_of("SCRAM-SHA-256");

	client.password = prepared_rows[_i].hashed;
	support_status(prepared_rows[_i].name, play(prepared_rows[_i].name, dialogue, &client),
		       prepared_rows[_i].want);
	/* PLAIN, checked against it, takes the password as it was typed */
	support_status("typed",
		       check(dialogue->mech, dialogue->credential.secrets[0].value,
			     prepared_rows[_i].stored),
		       MAILAUTH_OK);
	dialogue_free(dialogue);
}
END_TEST

START_TEST(takes_the_longest_password_and_no_longer_one)
{
	char password[MAILAUTH_PASSWORD_MAX + 2];
	struct dialogue *dialogue;
	struct support_scram client = client_of("SCRAM-SHA-512");
	const struct ma_subject tim = subject();

	memset(password, 'p', sizeof(password));
	password[MAILAUTH_PASSWORD_MAX] = '\0';
	dialogue = dialogue_new("SCRAM-SHA-512", password);
	client.password = password;
	support_status("longest", play("longest", dialogue, &client), MAILAUTH_OK);
	support_status("longest",
		       check(dialogue->mech, dialogue->credential.secrets[0].value, password),
		       MAILAUTH_OK);
	support_status("longer",
		       dialogue->mech->kind->check(dialogue->mech->kind, &tim,
						   dialogue->credential.secrets[0].value,
						   ma_span(password, MAILAUTH_PASSWORD_MAX + 1)),
		       MAILAUTH_E_DENIED);
	dialogue_free(dialogue);
}
END_TEST

/* RFC 5802 section 5.1, n and a: saslname */
static const struct {
	const char *name;
	const char *gs2;
	const char *user;
	enum mailauth_status want;
	const char *user_asked;
	const char *authzid_asked;
} name_rows[] = {
	{"plain", "n,,", "tim", MAILAUTH_OK, "tim", ""},
	{"comma", "n,,", "a=2Cb", MAILAUTH_OK, "a,b", ""},
	{"equals sign", "n,,", "a=3Db", MAILAUTH_OK, "a=b", ""},
	{"both, at the ends", "n,,", "=2C=3D=2C", MAILAUTH_OK, ",=,", ""},
	{"once only", "n,,", "=3D2C", MAILAUTH_OK, "=2C", ""},
	{"UTF-8 and a space", "n,,", "t\xc3\xafm x", MAILAUTH_OK, "t\xc3\xafm x", ""},
	{"authzid", "n,a=tom,", "tim", MAILAUTH_OK, "tim", "tom"},
	{"authzid with both", "n,a=t=2Co=3Dm,", "tim", MAILAUTH_OK, "tim", "t,o=m"},
	{"authzid of a client that could bind", "y,a=tom,", "tim", MAILAUTH_OK, "tim", "tom"},
	{"lower case digits", "n,,", "a=2cb", MAILAUTH_E_PROTOCOL, "", ""},
	{"another code", "n,,", "a=41b", MAILAUTH_E_PROTOCOL, "", ""},
	{"equals sign alone", "n,,", "a=b", MAILAUTH_E_PROTOCOL, "", ""},
	{"equals sign at the end", "n,,", "tim=", MAILAUTH_E_PROTOCOL, "", ""},
	{"half a code", "n,,", "tim=2", MAILAUTH_E_PROTOCOL, "", ""},
	{"only an equals sign", "n,,", "=", MAILAUTH_E_PROTOCOL, "", ""},
	{"authzid with another code", "n,a=t=00m,", "tim", MAILAUTH_E_PROTOCOL, "", ""},
	{"authzid with half a code", "n,a=t=3,", "tim", MAILAUTH_E_PROTOCOL, "", ""},
};

START_TEST(decodes_names)
{
	struct dialogue *dialogue = dialogue_new("SCRAM-SHA-1", PASSWORD);
	struct support_scram client = client_of("SCRAM-SHA-1");
	const char *name = name_rows[_i].name;

	client.gs2 = name_rows[_i].gs2;
	client.user = name_rows[_i].user;
	support_status(name, play(name, dialogue, &client), name_rows[_i].want);
	ck_assert_msg(strcmp(dialogue->user, name_rows[_i].user_asked) == 0, "%s: got %s, want %s",
		      name, dialogue->user, name_rows[_i].user_asked);
	ck_assert_msg(strcmp(dialogue->authzid, name_rows[_i].authzid_asked) == 0,
		      "%s: got authzid %s, want %s", name, dialogue->authzid,
		      name_rows[_i].authzid_asked);
	ck_assert_uint_eq(dialogue->n_lookups, name_rows[_i].want == MAILAUTH_OK);
	dialogue_free(dialogue);
}
END_TEST

/* RFC 5802 section 5.1: optional extensions are ignored, signed as they are. */
START_TEST(ignores_extensions)
{
	static const char *const rows[][2] = {
		{",x=y", NULL},
		{NULL, ",x=y"},
		{",x=y", ",z=="},
		{",b=1,d=2,Z=3", ",A=a=b,B=\xc3\xa4"},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct dialogue *dialogue = dialogue_new("SCRAM-SHA-256", PASSWORD);
		struct support_scram client = client_of("SCRAM-SHA-256");

		client.more_first = rows[i][0];
		client.more_final = rows[i][1];
		support_status("extensions", play("extensions", dialogue, &client), MAILAUTH_OK);
		dialogue_free(dialogue);
	}
}
END_TEST

/* ---- the client's first message ---- */

#define PLAIN_MECH "SCRAM-SHA-256"
#define PLUS_MECH  "SCRAM-SHA-256-PLUS"
#define OK_FIRST   "n,,n=tim,r=abc"

/* RFC 5802 section 7; the sections named here are its, too. */
static const struct {
	const char *name;
	const char *mech;
	size_t n_bindings;
	const char *message;
	size_t len;
	bool goes_on; /* else: MAILAUTH_E_PROTOCOL */
} first_rows[] = {
#define ROW(name, mech, n, message, want)                                                          \
	{                                                                                          \
		name, mech, n, message, sizeof(message) - 1, want                                  \
	}
#define BAD(name, message) ROW(name, PLAIN_MECH, 0, message, false)
	ROW("right", PLAIN_MECH, 0, OK_FIRST, true),
	ROW("nonce of every character", PLAIN_MECH, 0,
	    "n,,n=tim,r=!\"#$%&'()*+-./09:;<=>?@AZ[\\]^_`az{|}~", true),
	ROW("nonce of one character", PLAIN_MECH, 0, "n,,n=tim,r=a", true),
	BAD("one byte short of a nonce", "n,,n=tim,r="),
	BAD("without the nonce", "n,,n=tim,r"),
	BAD("without the nonce, with the comma", "n,,n=tim,"),
	BAD("nonce missing", "n,,n=tim"),
	BAD("name missing", "n,,r=abc"),
	BAD("name empty", "n,,n=,r=abc"),
	BAD("attributes swapped", "n,,r=abc,n=tim"),
	BAD("attributes in upper case", "n,,N=tim,R=abc"),
	BAD("name repeated", "n,,n=tim,n=tom,r=abc"),
	BAD("name repeated at the end", "n,,n=tim,r=abc,n=tom"),
	BAD("nonce repeated", "n,,n=tim,r=abc,r=def"),
	BAD("header alone", "n,,"),
	BAD("half a header", "n,"),
	BAD("flag alone", "n"),
	BAD("header missing", "n=tim,r=abc"),
	BAD("attribute without '='", "n,,ntim,r=abc"),
	BAD("space before an attribute", "n,, n=tim,r=abc"),
	BAD("space in the nonce", "n,,n=tim,r=a c"),
	BAD("space behind the nonce", "n,,n=tim,r=abc "),
	BAD("line break behind the nonce", "n,,n=tim,r=abc\r\n"),
	BAD("DEL in the nonce", "n,,n=tim,r=a\x7f"),
	BAD("UTF-8 in the nonce", "n,,n=tim,r=\xc3\xa4"),
	BAD("NUL in front", "\0" OK_FIRST),
	BAD("NUL in the header", "n,\0,n=tim,r=abc"),
	BAD("NUL in the authzid", "n,a=t\0m,n=tim,r=abc"),
	BAD("NUL in the name", "n,,n=t\0m,r=abc"),
	BAD("NUL in the nonce", "n,,n=tim,r=a\0c"),
	BAD("NUL at the end", OK_FIRST "\0"),
	BAD("NUL in an extension", OK_FIRST ",x=\0"),
	BAD("comma at the end", OK_FIRST ","),
	BAD("two commas at the end", OK_FIRST ",,"),
	BAD("comma behind an extension", OK_FIRST ",x=y,"),
	BAD("empty extension", OK_FIRST ",x="),
	BAD("extension without '='", OK_FIRST ",x"),
	BAD("extension of two letters", OK_FIRST ",xy=z"),
	BAD("extension of a digit", OK_FIRST ",1=z"),
	BAD("extension between the letters", OK_FIRST ",[=z"),
	BAD("extension behind the letters", OK_FIRST ",{=z"),
	BAD("empty between extensions", OK_FIRST ",,x=y"),
	BAD("channel in the first message", OK_FIRST ",c=biws"),
	BAD("proof in the first message", OK_FIRST ",p=AAAA"),
	BAD("final message first", "c=biws,r=abc,p=AAAA"),
	/* section 5.1, m: reserved-mext */
	BAD("mandatory extension before the name", "n,,m=x,n=tim,r=abc"),
	BAD("mandatory extension at the end", OK_FIRST ",m=x"),
	BAD("mandatory extension behind another", OK_FIRST ",x=y,m=x"),
	/* gs2-header */
	BAD("one comma missing", "n,n=tim,r=abc"),
	BAD("no flag", ",,n=tim,r=abc"),
	BAD("unknown flag", "x,,n=tim,r=abc"),
	BAD("flag in upper case", "N,,n=tim,r=abc"),
	BAD("flag twice", "nn,,n=tim,r=abc"),
	BAD("flag n with a name", "n=tls-unique,,n=tim,r=abc"),
	BAD("flag y with a name", "y=tls-unique,,n=tim,r=abc"),
	BAD("flag p without a name", "p,,n=tim,r=abc"),
	BAD("flag p with an empty name", "p=,,n=tim,r=abc"),
	BAD("flag p of several letters", "ptls-unique,,n=tim,r=abc"),
	BAD("empty authzid", "n,a=,n=tim,r=abc"),
	BAD("authzid without '='", "n,a,n=tim,r=abc"),
	BAD("authzid of two letters", "n,aa,n=tim,r=abc"),
	BAD("authzid of several letters", "n,atim,n=tim,r=abc"),
	BAD("other letter for the authzid", "n,b=tim,n=tim,r=abc"),
	BAD("authzid in upper case", "n,A=tim,n=tim,r=abc"),
	BAD("comma in the authzid", "n,a=ti,m,n=tim,r=abc"),
	/* section 6: channel binding */
	BAD("p where -PLUS was not chosen", "p=tls-exporter,,n=tim,r=abc"),
	ROW("p where -PLUS was on offer and not chosen", PLAIN_MECH, 3,
	    "p=tls-exporter,,n=tim,r=abc", false),
	ROW("y where -PLUS is not on offer", PLAIN_MECH, 0, "y,,n=tim,r=abc", true),
	ROW("y where it is", PLAIN_MECH, 1, "y,,n=tim,r=abc", false),
	ROW("n where it is", PLAIN_MECH, 1, OK_FIRST, true),
	ROW("-PLUS with n", PLUS_MECH, 3, OK_FIRST, false),
	ROW("-PLUS with y", PLUS_MECH, 3, "y,,n=tim,r=abc", false),
	ROW("-PLUS", PLUS_MECH, 3, "p=tls-exporter,,n=tim,r=abc", true),
	ROW("-PLUS with an authzid", PLUS_MECH, 3, "p=tls-unique,a=tim,n=tim,r=abc", true),
	ROW("-PLUS with unknown type", PLUS_MECH, 3, "p=tls-x,,n=tim,r=abc", false),
	ROW("-PLUS with a type we have no data of", PLUS_MECH, 1, "p=tls-unique,,n=tim,r=abc",
	    false),
	ROW("-PLUS with the beginning of a type", PLUS_MECH, 3, "p=tls-exporte,,n=tim,r=abc",
	    false),
	ROW("-PLUS with more behind a type", PLUS_MECH, 3, "p=tls-exporterx,,n=tim,r=abc", false),
	ROW("-PLUS with NUL behind a type", PLUS_MECH, 3, "p=tls-exporter\0,,n=tim,r=abc", false),
	ROW("-PLUS with an empty type", PLUS_MECH, 3, "p=,,n=tim,r=abc", false),
#undef BAD
#undef ROW
};

START_TEST(reads_the_first_message_strictly)
{
	struct dialogue *dialogue = dialogue_new(first_rows[_i].mech, PASSWORD);

	dialogue->exchange.n_bindings = first_rows[_i].n_bindings;
	support_status(first_rows[_i].name,
		       say(dialogue, first_rows[_i].message, first_rows[_i].len),
		       first_rows[_i].goes_on ? MAILAUTH_CONTINUE : MAILAUTH_E_PROTOCOL);
	ck_assert_uint_eq(dialogue->n_lookups, first_rows[_i].goes_on);
	dialogue_free(dialogue);
}
END_TEST

/* The longest and one more, made long by each part that can be long. */
START_TEST(limits_the_first_message)
{
	static const struct {
		const char *name;
		const char *before;
		const char *behind;
	} rows[] = {
		{"name", "n,,n=", ",r=abc"},
		{"nonce", "n,,n=tim,r=", ""},
		{"authzid", "n,a=", ",n=tim,r=abc"},
		{"extension", OK_FIRST ",x=", ""},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		for (size_t len = FIRST_MAX - 1; len <= FIRST_MAX + 1; len++) {
			struct dialogue *dialogue = dialogue_new(PLAIN_MECH, PASSWORD);
			char message[FIRST_MAX + 1];
			size_t n = strlen(rows[i].before);
			size_t rest = strlen(rows[i].behind);

			memset(message, 'x', sizeof(message));
			memcpy(message, rows[i].before, n);
			memcpy(message + len - rest, rows[i].behind, rest);
			support_status(rows[i].name, say(dialogue, message, len),
				       len > FIRST_MAX ? MAILAUTH_E_LIMIT : MAILAUTH_CONTINUE);
			dialogue_free(dialogue);
		}
	}
}
END_TEST

/* A name that fills the message, each byte of it escaped or not, still ends in a login. */
START_TEST(plays_a_dialogue_of_the_greatest_length)
{
	static char nonce[FIRST_MAX];
	struct dialogue *dialogue = dialogue_new(PLUS_MECH, PASSWORD);
	struct support_scram client = client_of(PLUS_MECH);

	memset(nonce, '~', FIRST_MAX - strlen("p=tls-server-end-point,,n=tim,r="));
	client.nonce = nonce;
	client.gs2 = "p=tls-server-end-point,,";
	client.binding = end_point;
	client.binding_len = sizeof(end_point);
	support_status("long nonce", play("long nonce", dialogue, &client), MAILAUTH_OK);
	dialogue_free(dialogue);
}
END_TEST

START_TEST(long_header_is_repeated_in_the_last_message)
{
	static char gs2[FIRST_MAX];
	struct dialogue *dialogue = dialogue_new(PLUS_MECH, PASSWORD);
	struct support_scram client = client_of(PLUS_MECH);
	static const char start[] = "p=tls-exporter,a=";
	size_t rest = strlen("n=tim,r=") + strlen(client.nonce);

	memset(gs2, 'a', FIRST_MAX - rest);
	memcpy(gs2, start, strlen(start));
	gs2[FIRST_MAX - rest - 1] = ',';
	client.gs2 = gs2;
	client.binding = exporter;
	client.binding_len = sizeof(exporter);
	support_status("long header", play("long header", dialogue, &client), MAILAUTH_OK);
	dialogue_free(dialogue);
}
END_TEST

/* ---- the client's last message ---- */

/* A right one taken apart: c, r, p; and what stands for wrong ones. */
struct parts {
	char nonce[256];
	char proof[128];
};

static void take_apart(struct dialogue *dialogue, struct support_scram *client, struct parts *parts)
{
	char message[1024];
	size_t len = support_scram_first(client, message, sizeof(message));

	support_status("first", say(dialogue, message, len), MAILAUTH_CONTINUE);
	(void)support_scram_final(client, dialogue->reply.p, dialogue->reply.len, message,
				  sizeof(message));
	ck_assert_int_eq(sscanf(message, "c=%*[^,],r=%255[^,],p=%127s", parts->nonce, parts->proof),
			 2);
}

/* Replaces $n by the nonce, $p by the proof, $0 by a NUL byte. */
static size_t fill_in(const char *text, const struct parts *parts, char *out)
{
	size_t len = 0;

	for (; *text != '\0'; text++) {
		const char *part = text[1] == 'n' ? parts->nonce : parts->proof;

		if (*text != '$') {
			out[len++] = *text;
			continue;
		}
		text++;
		if (*text == '0') {
			out[len++] = '\0';
			continue;
		}
		memcpy(out + len, part, strlen(part));
		len += strlen(part);
	}
	return len;
}

/* SHA-1's proof has 20 bytes, 27 digits and a '='. */
#define ZEROS_19 "AAAAAAAAAAAAAAAAAAAAAAAAAA=="
#define ZEROS_20 "AAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ZEROS_21 "AAAAAAAAAAAAAAAAAAAAAAAAAAAA"

/* RFC 5802 section 7: client-final-message */
static const struct {
	const char *name;
	const char *message;
	enum mailauth_status want;
} final_rows[] = {
	{"right", "c=biws,r=$n,p=$p", MAILAUTH_OK},
	{"proof of nothing", "c=biws,r=$n,p=" ZEROS_20, MAILAUTH_E_DENIED},
	{"extension that the proof does not cover", "c=biws,r=$n,x=y,p=$p", MAILAUTH_E_DENIED},
	{"empty", "", MAILAUTH_E_PROTOCOL},
	{"NUL", "$0", MAILAUTH_E_PROTOCOL},
	{"first message again", OK_FIRST, MAILAUTH_E_PROTOCOL},
	{"channel missing", "r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"nonce missing", "c=biws,p=$p", MAILAUTH_E_PROTOCOL},
	{"proof missing", "c=biws,r=$n", MAILAUTH_E_PROTOCOL},
	{"proof alone", "p=$p", MAILAUTH_E_PROTOCOL},
	{"proof alone behind a comma", ",p=$p", MAILAUTH_E_PROTOCOL},
	{"channel repeated", "c=biws,c=biws,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"channel repeated behind", "c=biws,r=$n,c=biws,p=$p", MAILAUTH_E_PROTOCOL},
	{"nonce repeated", "c=biws,r=$n,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"proof repeated", "c=biws,r=$n,p=$p,p=$p", MAILAUTH_E_PROTOCOL},
	{"name repeated", "c=biws,r=$n,n=tim,p=$p", MAILAUTH_E_PROTOCOL},
	{"channel and nonce swapped", "r=$n,c=biws,p=$p", MAILAUTH_E_PROTOCOL},
	{"nonce and proof swapped", "c=biws,p=$p,r=$n", MAILAUTH_E_PROTOCOL},
	{"proof in front", "p=$p,c=biws,r=$n", MAILAUTH_E_PROTOCOL},
	{"something behind the proof", "c=biws,r=$n,p=$p,x=y", MAILAUTH_E_PROTOCOL},
	{"comma at the end", "c=biws,r=$n,p=$p,", MAILAUTH_E_PROTOCOL},
	{"comma in front", ",c=biws,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"two commas before the proof", "c=biws,r=$n,,p=$p", MAILAUTH_E_PROTOCOL},
	{"two commas before the nonce", "c=biws,,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"attributes in upper case", "C=biws,R=$n,P=$p", MAILAUTH_E_PROTOCOL},
	{"semicolons for commas", "c=biws;r=$n;p=$p", MAILAUTH_E_PROTOCOL},
	{"empty extension", "c=biws,r=$n,x=,p=$p", MAILAUTH_E_PROTOCOL},
	{"extension without '='", "c=biws,r=$n,x,p=$p", MAILAUTH_E_PROTOCOL},
	{"NUL in an extension", "c=biws,r=$n,x=$0,p=$p", MAILAUTH_E_PROTOCOL},
	{"mandatory extension", "c=biws,r=$n,m=x,p=$p", MAILAUTH_E_PROTOCOL},
	{"mandatory extension in front", "m=x,c=biws,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"signature in the message", "c=biws,r=$n,v=AAAA,p=$p", MAILAUTH_E_PROTOCOL},
	/* c: the header as it was sent, in canonical base64 */
	{"empty channel", "c=,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"channel of another flag", "c=eSws,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"channel with an authzid", "c=bixhPXRpbSw=,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"channel with data", "c=biwsAA==,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"channel cut", "c=biw,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"channel with padding", "c=biws=,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"channel with a line break", "c=biws\n,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"channel not encoded", "c=n\\,\\,,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"channel in other case", "c=BIWS,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"NUL behind the channel", "c=biws$0,r=$n,p=$p", MAILAUTH_E_PROTOCOL},
	/* r: both nonces */
	{"empty nonce", "c=biws,r=,p=$p", MAILAUTH_E_PROTOCOL},
	{"the client's nonce alone", "c=biws,r=abc,p=$p", MAILAUTH_E_PROTOCOL},
	{"longer nonce", "c=biws,r=$nx,p=$p", MAILAUTH_E_PROTOCOL},
	{"nonce with something in front", "c=biws,r=x$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"nonce twice", "c=biws,r=$n$n,p=$p", MAILAUTH_E_PROTOCOL},
	{"NUL behind the nonce", "c=biws,r=$n$0,p=$p", MAILAUTH_E_PROTOCOL},
	/* p: canonical base64 of as many bytes as the hash has */
	{"empty proof", "c=biws,r=$n,p=", MAILAUTH_E_PROTOCOL},
	{"proof of one byte less", "c=biws,r=$n,p=" ZEROS_19, MAILAUTH_E_PROTOCOL},
	{"proof of one byte more", "c=biws,r=$n,p=" ZEROS_21, MAILAUTH_E_PROTOCOL},
	{"proof of three bytes", "c=biws,r=$n,p=AAAA", MAILAUTH_E_PROTOCOL},
	{"proof of SHA-256", "c=biws,r=$n,p=AAAAAAAAAAAAAAAA" ZEROS_20, MAILAUTH_E_PROTOCOL},
	{"proof longer than any hash",
	 "c=biws,r=$n,p=" ZEROS_21 ZEROS_21 ZEROS_21 ZEROS_21 ZEROS_21 ZEROS_21,
	 MAILAUTH_E_PROTOCOL},
	{"proof with bits behind its end",
	 "c=biws,r=$n,p=AAAAAAAAAAAAAAAAAAAAAAAAAAB=", MAILAUTH_E_PROTOCOL},
	{"proof without padding", "c=biws,r=$n,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA", MAILAUTH_E_PROTOCOL},
	{"proof with more padding", "c=biws,r=$n,p=$p=", MAILAUTH_E_PROTOCOL},
	{"proof with a foreign character",
	 "c=biws,r=$n,p=AAAAAAAAAAAAAAAAAAAAAAAAA-A=", MAILAUTH_E_PROTOCOL},
	{"proof with a line break", "c=biws,r=$n,p=$p\r\n", MAILAUTH_E_PROTOCOL},
	{"space before the proof", "c=biws,r=$n,p= $p", MAILAUTH_E_PROTOCOL},
	{"NUL behind the proof", "c=biws,r=$n,p=$p$0", MAILAUTH_E_PROTOCOL},
};

START_TEST(reads_the_last_message_strictly)
{
	struct dialogue *dialogue = dialogue_new("SCRAM-SHA-1", PASSWORD);
	struct support_scram client = client_of("SCRAM-SHA-1");
	struct parts parts;
	char message[2048];
	size_t len;

	client.nonce = "abc";
	take_apart(dialogue, &client, &parts);
	len = fill_in(final_rows[_i].message, &parts, message);
	support_status(final_rows[_i].name, say(dialogue, message, len), final_rows[_i].want);
	if (final_rows[_i].want == MAILAUTH_OK)
		expect_reply("right", dialogue, client.want);
	else
		ck_assert_uint_eq(dialogue->reply.len, 0);
	dialogue_free(dialogue);
}
END_TEST

/* Each byte cut off, each byte changed: none of it may log in. */
START_TEST(refuses_a_last_message_with_any_change)
{
	struct support_scram client = client_of("SCRAM-SHA-256");
	size_t len = SIZE_MAX;

	for (size_t i = 0; i < len; i++) {
		for (int cut = 0; cut < 2; cut++) {
			struct dialogue *dialogue = dialogue_new("SCRAM-SHA-256", PASSWORD);
			char message[1024];
			enum mailauth_status got;

			len = support_scram_first(&client, message, sizeof(message));
			support_status("first", say(dialogue, message, len), MAILAUTH_CONTINUE);
			len = support_scram_final(&client, dialogue->reply.p, dialogue->reply.len,
						  message, sizeof(message));
			message[i] ^= 1;
			got = say(dialogue, message, cut ? i : len);
			ck_assert_msg(got == MAILAUTH_E_DENIED || got == MAILAUTH_E_PROTOCOL,
				      "byte %zu of %zu, %s: got %d", i, len,
				      cut ? "cut" : "changed", got);
			dialogue_free(dialogue);
		}
	}
}
END_TEST

START_TEST(refuses_the_last_message_of_another_dialogue)
{
	struct dialogue *first = dialogue_new("SCRAM-SHA-256", PASSWORD);
	struct dialogue *second = dialogue_new("SCRAM-SHA-256", PASSWORD);
	struct support_scram client = client_of("SCRAM-SHA-256");
	char message[1024];
	size_t len = support_scram_first(&client, message, sizeof(message));

	support_status("first", say(first, message, len), MAILAUTH_CONTINUE);
	support_status("second", say(second, message, len), MAILAUTH_CONTINUE);
	len = support_scram_final(&client, first->reply.p, first->reply.len, message,
				  sizeof(message));
	support_status("first", say(first, message, len), MAILAUTH_OK);
	support_status("second", say(second, message, len), MAILAUTH_E_PROTOCOL);
	dialogue_free(first);
	dialogue_free(second);
}
END_TEST

/* ---- channel binding (RFC 5802 section 6) ---- */

static const struct {
	const char *name;
	const char *first;
	const char *final; /* the header in c= */
	const char *data;
	size_t len;
	enum mailauth_status want;
} binding_rows[] = {
#define DATA(a) (const char *)(a), sizeof(a)
#define P(type) "p=" type ",,"
	{"tls-exporter", P("tls-exporter"), P("tls-exporter"), DATA(exporter), MAILAUTH_OK},
	{"tls-server-end-point", P("tls-server-end-point"), P("tls-server-end-point"),
	 DATA(end_point), MAILAUTH_OK},
	{"tls-unique", P("tls-unique"), P("tls-unique"), DATA(unique), MAILAUTH_OK},
	{"with an authzid", "p=tls-unique,a=tim,", "p=tls-unique,a=tim,", DATA(unique),
	 MAILAUTH_OK},
	{"another channel's data", P("tls-exporter"), P("tls-exporter"), "x", 1,
	 MAILAUTH_E_PROTOCOL},
	{"another type's data", P("tls-exporter"), P("tls-exporter"), DATA(unique),
	 MAILAUTH_E_PROTOCOL},
	{"no data", P("tls-exporter"), P("tls-exporter"), "", 0, MAILAUTH_E_PROTOCOL},
	{"data cut", P("tls-exporter"), P("tls-exporter"), (const char *)exporter,
	 sizeof(exporter) - 1, MAILAUTH_E_PROTOCOL},
	{"header of another type", P("tls-exporter"), P("tls-unique"), DATA(exporter),
	 MAILAUTH_E_PROTOCOL},
	{"header and data of another type", P("tls-exporter"), P("tls-unique"), DATA(unique),
	 MAILAUTH_E_PROTOCOL},
	{"header without a binding", P("tls-exporter"), "n,,", "", 0, MAILAUTH_E_PROTOCOL},
	{"header without the authzid", "p=tls-unique,a=tim,", P("tls-unique"), DATA(unique),
	 MAILAUTH_E_PROTOCOL},
	{"header with another authzid", "p=tls-unique,a=tim,", "p=tls-unique,a=tom,", DATA(unique),
	 MAILAUTH_E_PROTOCOL},
#undef P
#undef DATA
};

START_TEST(binds_to_the_channel)
{
	struct dialogue *dialogue = dialogue_new(PLUS_MECH, PASSWORD);
	struct support_scram client = client_of(PLUS_MECH);
	const char *name = binding_rows[_i].name;
	char message[1024];
	size_t len;

	client.gs2 = binding_rows[_i].first;
	len = support_scram_first(&client, message, sizeof(message));
	support_status(name, say(dialogue, message, len), MAILAUTH_CONTINUE);
	client.gs2 = binding_rows[_i].final;
	client.binding = binding_rows[_i].data;
	client.binding_len = binding_rows[_i].len;
	len = support_scram_final(&client, dialogue->reply.p, dialogue->reply.len, message,
				  sizeof(message));
	support_status(name, say(dialogue, message, len), binding_rows[_i].want);
	dialogue_free(dialogue);
}
END_TEST

/* The session takes no more than MAILAUTH_BINDING_MAX bytes; if it did, none would be left out. */
START_TEST(binding_that_is_too_long_fits_nothing)
{
	static const uint8_t data[MAILAUTH_BINDING_MAX + 2048];
	static char message[8192];

	for (size_t i = 0; i < 2; i++) {
		const struct mailauth_binding binding = {
			.type = "tls-exporter",
			.p = data,
			.len = i == 0 ? MAILAUTH_BINDING_MAX : sizeof(data),
		};
		struct dialogue *dialogue = dialogue_new(PLUS_MECH, PASSWORD);
		struct support_scram client = client_of(PLUS_MECH);
		size_t len;

		dialogue->exchange.bindings = &binding;
		dialogue->exchange.n_bindings = 1;
		client.gs2 = "p=tls-exporter,,";
		client.binding = data;
		client.binding_len = MAILAUTH_BINDING_MAX;
		len = support_scram_first(&client, message, sizeof(message));
		support_status("first", say(dialogue, message, len), MAILAUTH_CONTINUE);
		len = support_scram_final(&client, dialogue->reply.p, dialogue->reply.len, message,
					  sizeof(message));
		support_status("final", say(dialogue, message, len),
			       i == 0 ? MAILAUTH_OK : MAILAUTH_E_PROTOCOL);
		dialogue_free(dialogue);
	}
}
END_TEST

/* RFC 5802 section 7: cb-name has a character at least, whatever the caller calls its data. */
START_TEST(binding_without_a_name_is_never_used)
{
	static const struct mailauth_binding nameless = {.type = "", .p = unique, .len = 12};
	static const char *const messages[] = {"p=,,n=tim,r=abc", "p,,n=tim,r=abc", OK_FIRST,
					       "y,,n=tim,r=abc"};

	for (size_t i = 0; i < MA_ARRAY_SIZE(messages); i++) {
		struct dialogue *dialogue = dialogue_new(PLUS_MECH, PASSWORD);

		dialogue->exchange.bindings = &nameless;
		dialogue->exchange.n_bindings = 1;
		support_status(messages[i], say(dialogue, messages[i], strlen(messages[i])),
			       MAILAUTH_E_PROTOCOL);
		dialogue_free(dialogue);
	}
}
END_TEST

/* Without one, c= repeats the header all the same. */
START_TEST(header_without_binding_is_repeated)
{
	static const struct {
		const char *first;
		const char *final;
		enum mailauth_status want;
	} rows[] = {
		{"n,,", "n,,", MAILAUTH_OK},
		{"y,,", "y,,", MAILAUTH_OK},
		{"n,a=tim,", "n,a=tim,", MAILAUTH_OK},
		{"n,,", "y,,", MAILAUTH_E_PROTOCOL},
		{"y,,", "n,,", MAILAUTH_E_PROTOCOL},
		{"n,a=tim,", "n,,", MAILAUTH_E_PROTOCOL},
		{"n,,", "n,a=tim,", MAILAUTH_E_PROTOCOL},
		{"n,,", "p=tls-unique,,", MAILAUTH_E_PROTOCOL},
		{"n,,", "", MAILAUTH_E_PROTOCOL},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct dialogue *dialogue = dialogue_new(PLAIN_MECH, PASSWORD);
		struct support_scram client = client_of(PLAIN_MECH);
		char message[1024];
		size_t len;

		client.gs2 = rows[i].first;
		len = support_scram_first(&client, message, sizeof(message));
		support_status(rows[i].first, say(dialogue, message, len), MAILAUTH_CONTINUE);
		client.gs2 = rows[i].final;
		len = support_scram_final(&client, dialogue->reply.p, dialogue->reply.len, message,
					  sizeof(message));
		support_status(rows[i].final, say(dialogue, message, len), rows[i].want);
		dialogue_free(dialogue);
	}
}
END_TEST

/* ---- secrets ---- */

/* The keys of the first message count: a password changed meanwhile does not mix with its salt. */
START_TEST(keys_are_those_of_the_first_message)
{
	struct dialogue *dialogue = dialogue_new("SCRAM-SHA-256", PASSWORD);
	struct support_scram client = client_of("SCRAM-SHA-256");
	char message[1024];
	size_t len = support_scram_first(&client, message, sizeof(message));

	support_status("first", say(dialogue, message, len), MAILAUTH_CONTINUE);
	set_password(dialogue, "changed");
	dialogue->candidates.n = 0;
	len = support_scram_final(&client, dialogue->reply.p, dialogue->reply.len, message,
				  sizeof(message));
	support_status("last", say(dialogue, message, len), MAILAUTH_OK);
	ck_assert_uint_eq(dialogue->n_lookups, 1);
	dialogue_free(dialogue);
}
END_TEST

/* One salt can be sent: of the first credential that has one of this hash. */
START_TEST(first_fitting_credential_answers)
{
	struct dialogue *dialogue = dialogue_new("SCRAM-SHA-256", PASSWORD);
	struct dialogue *device = dialogue_new("SCRAM-SHA-256", "device");
	struct dialogue *other_hash = dialogue_new("SCRAM-SHA-512", PASSWORD);
	struct ma_credential damaged = {
		.n_secrets = 1,
		.secrets = {{.kind = MA_KIND_SCRAM_SHA_256, .value = ma_span_text("damaged")}}};
	struct support_scram client = client_of("SCRAM-SHA-256");

	dialogue->candidates.n = 4;
	dialogue->candidates.items[0] = &other_hash->credential;
	dialogue->candidates.items[1] = &damaged;
	dialogue->candidates.items[2] = &dialogue->credential;
	dialogue->candidates.items[3] = &device->credential;
	support_status("main", play("main", dialogue, &client), MAILAUTH_OK);
	memset(dialogue->state, 0, dialogue->mech->state_size);
	client.password = "device";
	support_status("device", play("device", dialogue, &client), MAILAUTH_E_DENIED);
	dialogue_free(dialogue);
	dialogue_free(device);
	dialogue_free(other_hash);
}
END_TEST

/* A secret that cannot be used admits nobody, whatever its form. */
START_TEST(damaged_secrets_admit_nobody)
{
	struct dialogue *dialogue = dialogue_new("SCRAM-SHA-1", PASSWORD);
	uint8_t good[MA_SECRET_MAX];
	size_t good_len = dialogue->credential.secrets[0].value.len;
	struct support_scram client = client_of("SCRAM-SHA-1");
	char text[1024];
	struct ma_buf out = ma_buf_fixed(text, sizeof(text));

	ck_assert_uint_eq(good_len, 4 + 1 + 16 + 2 * MA_SHA1_LEN);
	memcpy(good, dialogue->secret, good_len);
	for (size_t len = 0; len <= good_len + 1; len++) {
		dialogue->credential.secrets[0].value.len = len;
		memset(dialogue->state, 0, dialogue->mech->state_size);
		support_status("cut", play("cut", dialogue, &client),
			       len == good_len ? MAILAUTH_OK : MAILAUTH_E_DENIED);
		ck_assert_msg(dialogue->mech->kind->format(dialogue->mech->kind, NULL,
							   dialogue->credential.secrets[0].value, 0,
							   &out) == (len == good_len),
			      "%zu bytes of %zu", len, good_len);
		ma_buf_reset(&out);
	}
	dialogue->candidates.n = 0;
	memset(dialogue->state, 0, dialogue->mech->state_size);
	support_status("no secret", play("no secret", dialogue, &client), MAILAUTH_E_DENIED);
	dialogue_free(dialogue);
}
END_TEST

/* Each byte of StoredKey counts for the proof, and each of ServerKey for the signature. */
START_TEST(every_byte_of_the_keys_counts)
{
	for (size_t i = 0; i < 2 * (size_t)MA_SHA256_LEN; i++) {
		struct dialogue *dialogue = dialogue_new("SCRAM-SHA-256", PASSWORD);
		struct support_scram client = client_of("SCRAM-SHA-256");
		bool is_stored = i < MA_SHA256_LEN;
		char message[1024];
		size_t len = support_scram_first(&client, message, sizeof(message));

		dialogue->secret[4 + 1 + 16 + i] ^= 1;
		support_status("first", say(dialogue, message, len), MAILAUTH_CONTINUE);
		len = support_scram_final(&client, dialogue->reply.p, dialogue->reply.len, message,
					  sizeof(message));
		support_status("last", say(dialogue, message, len),
			       is_stored ? MAILAUTH_E_DENIED : MAILAUTH_OK);
		ck_assert_str_ne(ma_buf_text(&dialogue->reply), client.want);
		dialogue_free(dialogue);
	}
}
END_TEST

/* A count of zero, beyond the configuration's range, and no salt are not run. */
START_TEST(secrets_out_of_range_admit_nobody)
{
	static const struct {
		const char *name;
		uint32_t iterations;
		uint8_t salt_len;
		bool goes_on;
	} rows[] = {
		{"one", 1, 16, true},		{"greatest count", 1000000, 16, true},
		{"beyond", 1000001, 16, false}, {"far beyond", UINT32_MAX, 16, false},
		{"none", 0, 16, false},		{"salt of a byte", 1, 1, true},
		{"longest salt", 1, 255, true}, {"no salt", 1, 0, false},
	};
	static const uint8_t bytes[255];
	static const char message[] = OK_FIRST;

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct dialogue *dialogue = dialogue_new("SCRAM-SHA-256", NULL);
		uint8_t secret_bytes[MA_SECRET_MAX];
		struct ma_buf secret = ma_buf_fixed(secret_bytes, sizeof(secret_bytes));

		ma_buf_put_u32(&secret, rows[i].iterations);
		ma_buf_put_bytes8(&secret, ma_span(bytes, rows[i].salt_len));
		ma_buf_put(&secret, ma_span(bytes, 2 * (size_t)MA_SHA256_LEN));
		set_secret(dialogue, ma_buf_span(&secret));
		support_status(rows[i].name, say(dialogue, message, strlen(message)),
			       rows[i].goes_on ? MAILAUTH_CONTINUE : MAILAUTH_E_DENIED);
		if (!rows[i].goes_on)
			support_status(rows[i].name,
				       check(dialogue->mech, ma_buf_span(&secret), PASSWORD),
				       MAILAUTH_E_DENIED);
		dialogue_free(dialogue);
	}
}
END_TEST

/* What the lookup says of the store is passed on, and the dialogue has not begun. */
START_TEST(passes_on_what_the_lookup_says)
{
	static const enum mailauth_status rows[] = {MAILAUTH_E_TEMPFAIL, MAILAUTH_E_CORRUPT,
						    MAILAUTH_E_NOMEM, MAILAUTH_E_INTERNAL};
	static const char message[] = OK_FIRST;

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct dialogue *dialogue = dialogue_new("SCRAM-SHA-256", PASSWORD);

		dialogue->found = rows[i];
		support_status("lookup", say(dialogue, message, strlen(message)), rows[i]);
		ck_assert_uint_eq(dialogue->reply.len, 0);
		dialogue_free(dialogue);
	}
}
END_TEST

/* ---- RFC 5803 section 2 ---- */

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define X64 "eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4"

/* Text of another system, and whether it is one of ours. */
static const struct {
	const char *text;
	bool fits;
} texts[] = {
	{"SCRAM-SHA-256$4096:c2FsdA==$" KEY ":" KEY, true},
	{"scram-sha-256$1:c2FsdA==$" KEY ":" KEY, true},
	{"SCRAM-SHA-256$1000000:c2FsdA==$" KEY ":" KEY, true},
	{"SCRAM-SHA-256$1000001:c2FsdA==$" KEY ":" KEY, false},
	{"SCRAM-SHA-256$0:c2FsdA==$" KEY ":" KEY, false},
	{"SCRAM-SHA-256$:c2FsdA==$" KEY ":" KEY, false},
	{"SCRAM-SHA-256$00004096:c2FsdA==$" KEY ":" KEY, false},
	{"SCRAM-SHA-256$4e3:c2FsdA==$" KEY ":" KEY, false},
	{"SCRAM-SHA-256$+4096:c2FsdA==$" KEY ":" KEY, false},
	{"SCRAM-SHA-256$4096", false},
	{"SCRAM-SHA-256$4096:c2FsdA==", false},
	{"SCRAM-SHA-256$4096:c2FsdA==$" KEY, false},
	{"SCRAM-SHA-256$4096:c2FsdA==$" KEY ":", false},
	{"SCRAM-SHA-256$4096:c2FsdA==$" KEY ":" KEY KEY, false},
	{"SCRAM-SHA-256$4096:c2FsdA==$:" KEY, false},
	{"SCRAM-SHA-256$4096:$" KEY ":" KEY, false},
	{"SCRAM-SHA-256$4096:c2FsdA=$" KEY ":" KEY, false},
	{"SCRAM-SHA-1$4096:c2FsdA==$" KEY ":" KEY, false},
	{"SCRAM-SHA-256", false},
	{"", false},
	/* salts of 240, 255, 256 and 528 bytes */
	{"SCRAM-SHA-256$4096:" X64 X64 X64 X64 X64 "$" KEY ":" KEY, true},
	{"SCRAM-SHA-256$4096:" X64 X64 X64 X64 X64 "eHh4eHh4eHh4eHh4eHh4$" KEY ":" KEY, true},
	{"SCRAM-SHA-256$4096:" X64 X64 X64 X64 X64 "eHh4eHh4eHh4eHh4eHh4eA==$" KEY ":" KEY, false},
	{"SCRAM-SHA-256$4096:" X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 X64 "$" KEY ":" KEY, false},
};

START_TEST(takes_keys_of_other_systems)
{
	const struct ma_kind *kind = find("SCRAM-SHA-256")->kind;
	const struct ma_subject tim = subject();
	uint8_t bytes[MA_SECRET_MAX];
	struct ma_buf secret = ma_buf_fixed(bytes, sizeof(bytes));
	char again[2048];
	struct ma_buf text = ma_buf_fixed(again, sizeof(again));
	const char *why =
		kind->parse(kind, &tim, ma_span_text(texts[_i].text), ma_span(NULL, 0), &secret);

	ck_assert_msg((why == NULL) == texts[_i].fits, "%s: got \"%s\"", texts[_i].text,
		      why != NULL ? why : "(taken)");
	if (why != NULL) {
		ck_assert_uint_eq(secret.len, 0);
		return;
	}
	ck_assert(kind->format(kind, &tim, ma_buf_span(&secret), 0, &text));
	ck_assert_msg(strcasecmp(ma_buf_text(&text), texts[_i].text) == 0, "got %s, want %s",
		      ma_buf_text(&text), texts[_i].text);
	ck_assert(!kind->format(kind, &tim, ma_buf_span(&secret), 1, &text));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mech_scram");
	TCase *tcase = tcase_create("mech_scram");

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, gives_the_answers_of_the_rfcs);
	tcase_add_loop_test(tcase, admits_the_right_password_and_no_other, 0, MA_ARRAY_SIZE(mechs));
	tcase_add_test(tcase, asks_a_client_that_does_not_begin);
	tcase_add_test(tcase, nonce_differs_from_session_to_session);
	tcase_add_loop_test(tcase, prepares_passwords, 0, MA_ARRAY_SIZE(prepared_rows));
	tcase_add_test(tcase, takes_the_longest_password_and_no_longer_one);
	tcase_add_loop_test(tcase, decodes_names, 0, MA_ARRAY_SIZE(name_rows));
	tcase_add_test(tcase, ignores_extensions);
	tcase_add_loop_test(tcase, reads_the_first_message_strictly, 0, MA_ARRAY_SIZE(first_rows));
	tcase_add_test(tcase, limits_the_first_message);
	tcase_add_test(tcase, plays_a_dialogue_of_the_greatest_length);
	tcase_add_test(tcase, long_header_is_repeated_in_the_last_message);
	tcase_add_loop_test(tcase, reads_the_last_message_strictly, 0, MA_ARRAY_SIZE(final_rows));
	tcase_add_test(tcase, refuses_a_last_message_with_any_change);
	tcase_add_test(tcase, refuses_the_last_message_of_another_dialogue);
	tcase_add_loop_test(tcase, binds_to_the_channel, 0, MA_ARRAY_SIZE(binding_rows));
	tcase_add_test(tcase, binding_that_is_too_long_fits_nothing);
	tcase_add_test(tcase, binding_without_a_name_is_never_used);
	tcase_add_test(tcase, header_without_binding_is_repeated);
	tcase_add_test(tcase, keys_are_those_of_the_first_message);
	tcase_add_test(tcase, first_fitting_credential_answers);
	tcase_add_test(tcase, damaged_secrets_admit_nobody);
	tcase_add_test(tcase, every_byte_of_the_keys_counts);
	tcase_add_test(tcase, secrets_out_of_range_admit_nobody);
	tcase_add_test(tcase, passes_on_what_the_lookup_says);
	tcase_add_loop_test(tcase, takes_keys_of_other_systems, 0, MA_ARRAY_SIZE(texts));
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
