/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mech_digest_md5.c - DIGEST-MD5
 *
 * RFC 2831. Known answers, with the RFC's nonces, stand in tests/vectors/digest_md5.txt; the client
 * here is made from RFC 2831 section 2.1.2.1 and nothing of the mechanism's own.
 */
#include "mech/mech.h"

#include <stdio.h>

#include "support.h"
#include "util/codec.h"
#include "util/mem.h"

extern const struct ma_mech ma_mech_digest_md5;

#define OWN_REALM   "elwood.innosoft.com"
#define PASSWORD    "secret"
#define NONCE	    "OA6MG9tEQGm2hh"
#define CNONCE	    "OA6MHXh6VqTrRk"
#define FULL	    "chris@" OWN_REALM
#define URI	    "imap/elwood.innosoft.com"
#define RESPONSE    "d388dad90d4bbd760a152321f2143af7"
#define RSPAUTH_HEX "ea40f60335c427b5527b84dbabcdfffd"
#define RSPAUTH	    "rspauth=" RSPAUTH_HEX

static struct ma_crypto *crypto;
static char digest_realms[] = "lab.test, old.test";
static const struct ma_config config = {.digest_realms = digest_realms};

/* ---- the account ---- */

static struct {
	unsigned int n_lookups;
	char user[MAILAUTH_MESSAGE_MAX];
	char realm[MAILAUTH_MESSAGE_MAX];
	char authzid[MAILAUTH_MESSAGE_MAX];
	enum mailauth_status answer;
	uint8_t secret_bytes[MA_SECRET_MAX];
	struct ma_buf secret;
	struct ma_credential credentials[2];
	struct ma_candidates candidates;
} account;

static void keep(char *out, struct ma_span text)
{
	ck_assert_uint_lt(text.len, MAILAUTH_MESSAGE_MAX);
	if (text.len > 0)
		memcpy(out, text.p, text.len);
	out[text.len] = '\0';
}

static enum mailauth_status lookup(void *arg, const struct ma_identity *who,
				   const struct ma_candidates **candidates_out)
{
	ck_assert_ptr_eq(arg, &account);
	keep(account.user, who->user);
	keep(account.realm, who->realm);
	keep(account.authzid, who->authzid);
	account.n_lookups++;
	*candidates_out = account.answer == MAILAUTH_OK ? &account.candidates : NULL;
	return account.answer;
}

static const struct ma_kind *kind(void)
{
	return ma_kind_find(MA_KIND_DIGEST_MD5);
}

static struct ma_subject subject_of(const char *name)
{
	struct ma_span realm = ma_span_text(name);
	struct ma_subject subject = {.crypto = crypto, .config = &config};

	ck_assert(ma_span_take_until(&realm, '@', &subject.local));
	subject.realm = realm;
	return subject;
}

/* The only credential is that of @name, local@realm. */
static void hold(const char *name, const char *password)
{
	const struct ma_subject subject = subject_of(name);

	memset(&account, 0, sizeof(account));
	account.secret = ma_buf_fixed(account.secret_bytes, sizeof(account.secret_bytes));
	support_status(name,
		       kind()->derive(kind(), &subject, ma_span_text(password), &account.secret),
		       MAILAUTH_OK);
	account.candidates.subject = subject;
	account.candidates.n = 1;
	account.candidates.items[0] = &account.credentials[0];
	account.credentials[0].n_secrets = 1;
	account.credentials[0].secrets[0] = (struct ma_secret){
		.kind = MA_KIND_DIGEST_MD5,
		.value = ma_buf_span(&account.secret),
	};
}

static void setup(void)
{
	const char *missing;

	ck_assert_int_eq(ma_crypto_new(&crypto, &missing), MAILAUTH_OK);
	hold(FULL, PASSWORD);
}

static void teardown(void)
{
	ma_crypto_free(&crypto);
}

/* ---- the client: RFC 2831 section 2.1.2.1 ---- */

static void hex_md5(const struct ma_span *parts, size_t n, char hex_out[33])
{
	uint8_t digest[MA_MD5_LEN];
	struct ma_buf out = ma_buf_fixed(hex_out, 33);

	ma_md5(parts, n, digest);
	ma_hex_encode(ma_span(digest, sizeof(digest)), &out);
	ck_assert_uint_eq(strlen(ma_buf_text(&out)), 32);
}

/* What a client sends, and what it hashes. */
struct client {
	const char *username;
	const char *realm;   /* NULL: absent */
	const char *authzid; /* NULL: absent */
	const char *charset; /* NULL: absent */
	const char *password;
	const char *hash_username; /* NULL: as sent */
	const char *hash_realm;	   /* NULL: as sent */
	const char *hash_authzid;  /* NULL: none */
};

static void respond(const struct client *client, const char *method, char hex_out[33])
{
	const char *username =
		client->hash_username != NULL ? client->hash_username : client->username;
	const char *realm = client->hash_realm != NULL ? client->hash_realm : client->realm;
	const char *authzid = client->hash_authzid;
	char text[2048];
	char a1_hex[33];
	char a2_hex[33];
	uint8_t ha1[MA_MD5_LEN];
	struct ma_span part;
	struct ma_span parts[2];

	(void)snprintf(text, sizeof(text), "%s:%s:%s", username, realm != NULL ? realm : "",
		       client->password);
	part = ma_span_text(text);
	ma_md5(&part, 1, ha1);
	(void)snprintf(text, sizeof(text), ":" NONCE ":" CNONCE "%s%s", authzid != NULL ? ":" : "",
		       authzid != NULL ? authzid : "");
	parts[0] = ma_span(ha1, sizeof(ha1));
	parts[1] = ma_span_text(text);
	hex_md5(parts, 2, a1_hex);
	(void)snprintf(text, sizeof(text), "%s:" URI, method);
	part = ma_span_text(text);
	hex_md5(&part, 1, a2_hex);
	(void)snprintf(text, sizeof(text), "%s:" NONCE ":00000001:" CNONCE ":auth:%s", a1_hex,
		       a2_hex);
	part = ma_span_text(text);
	hex_md5(&part, 1, hex_out);
}

static void put_directive(struct ma_buf *out, const char *name, const char *value)
{
	if (value != NULL)
		ma_buf_printf(out, "%s=\"%s\",", name, value);
}

static const char *compose(const struct client *client, struct ma_buf *out)
{
	char hex[33];

	respond(client, "AUTHENTICATE", hex);
	ma_buf_reset(out);
	put_directive(out, "username", client->username);
	put_directive(out, "realm", client->realm);
	put_directive(out, "authzid", client->authzid);
	if (client->charset != NULL)
		ma_buf_printf(out, "charset=%s,", client->charset);
	put_directive(out, "nonce", NONCE);
	put_directive(out, "cnonce", CNONCE);
	put_directive(out, "digest-uri", URI);
	ma_buf_printf(out, "nc=00000001,qop=auth,response=%s", hex);
	ck_assert_int_eq(ma_buf_status(out), MAILAUTH_OK);
	return ma_buf_text(out);
}

/* ---- the server ---- */

static struct {
	char bytes[4096];
	struct ma_buf buf;
} reply;

static struct ma_exchange exchange_with(void *state)
{
	return (struct ma_exchange){
		.mech = &ma_mech_digest_md5,
		.crypto = crypto,
		.host = ma_span_text("mail.example.org"),
		.realm = ma_span_text(OWN_REALM),
		.now_s = 1700000000,
		.state = state,
		.lookup = lookup,
		.lookup_arg = &account,
	};
}

/* A response to a nonce of our choice, from a block of exactly its size. */
static enum mailauth_status check_to(const char *nonce, struct ma_span in)
{
	void *state = ma_alloc(ma_mech_digest_md5.state_size);
	uint8_t *copy = ma_alloc(in.len > 0 ? in.len : 1);
	struct ma_exchange exchange = exchange_with(state);
	enum mailauth_status status;

	ck_assert_ptr_nonnull(state);
	ck_assert_ptr_nonnull(copy);
	if (in.len > 0)
		memcpy(copy, in.p, in.len);
	reply.buf = ma_buf_fixed(reply.bytes, sizeof(reply.bytes));
	account.n_lookups = 0;
	status = ma_digest_md5_check(&exchange, ma_span_text(nonce), ma_span(copy, in.len),
				     &reply.buf);
	if (status != MAILAUTH_OK)
		ck_assert_uint_eq(reply.buf.len, 0);
	ma_free(copy);
	ma_free(state);
	return status;
}

static enum mailauth_status check(struct ma_span in)
{
	return check_to(NONCE, in);
}

/* The client's response is accepted or not, and its rspauth fits. */
static void expect(const char *name, const struct client *client, enum mailauth_status want)
{
	char bytes[4096];
	struct ma_buf message = ma_buf_fixed(bytes, sizeof(bytes));
	char rspauth[64] = "rspauth=";

	compose(client, &message);
	support_status(name, check(ma_buf_span(&message)), want);
	ck_assert_msg(account.n_lookups == 1, "%s: got %u lookups", name, account.n_lookups);
	if (want != MAILAUTH_OK)
		return;
	respond(client, "", rspauth + 8);
	ck_assert_msg(strcmp(ma_buf_text(&reply.buf), rspauth) == 0, "%s: got %s, want %s", name,
		      ma_buf_text(&reply.buf), rspauth);
}

/* ---- known answers ---- */

/* One of the charsets' forms is what @ha1 has. */
static bool derives(const char *username, const char *realm, const char *ha1_hex)
{
	uint8_t want[MA_MD5_LEN];
	struct ma_span got;
	bool full = strchr(username, '@') != NULL;

	ck_assert_uint_eq(support_unhex(ha1_hex, want, sizeof(want)), sizeof(want));
	ck_assert_msg(
		ma_digest_md5_find(ma_buf_span(&account.secret), ma_span_text(realm), full, &got),
		"%s, \"%s\": no hash", username, realm);
	ck_assert_uint_eq(got.len, sizeof(want));
	return ma_span_equal(got, ma_span(want, sizeof(want)));
}

START_TEST(gives_the_known_answers)
{
	struct support_vectors *vectors = support_vectors_open("digest_md5.txt");
	const char *fields[12];
	unsigned int n = 0;

	while (support_vectors_next(vectors, fields, 12) == 11) {
		char bytes[1024];
		struct ma_buf message = ma_buf_fixed(bytes, sizeof(bytes));
		char name[256];
		char want[64];

		n++;
		(void)snprintf(name, sizeof(name), "%s, \"%s\", %s", fields[2], fields[3],
			       fields[4]);
		hold(fields[0], fields[1]);
		/* Of two charsets, ma_digest_md5_find() gives Latin-1. */
		ck_assert_msg(derives(fields[2], fields[3], fields[8]) ||
				      (strcmp(fields[4], "utf-8") == 0 &&
				       strcmp(fields[1], PASSWORD) != 0),
			      "%s: another HA1", name);
		for (int charset = 0; charset <= 1; charset++) {
			ma_buf_reset(&message);
			ma_buf_printf(&message,
				      "%susername=\"%s\",realm=\"%s\",nonce=\"%s\",nc=00000001,"
				      "cnonce=\"%s\",digest-uri=\"%s\",response=%s,qop=auth",
				      charset ? "charset=utf-8," : "", fields[2], fields[3],
				      fields[5], fields[6], fields[7], fields[9]);
			support_status(name, check_to(fields[5], ma_buf_span(&message)),
				       MAILAUTH_OK);
			(void)snprintf(want, sizeof(want), "rspauth=%s", fields[10]);
			ck_assert_msg(strcmp(ma_buf_text(&reply.buf), want) == 0,
				      "%s: got %s, want %s", name, ma_buf_text(&reply.buf), want);
			ck_assert_str_eq(account.user, fields[2]);
			ck_assert_str_eq(account.realm, fields[3]);
			ck_assert_str_eq(account.authzid, "");
			ck_assert_uint_eq(account.n_lookups, 1);
		}
		support_status(name, check_to("another", ma_buf_span(&message)),
			       MAILAUTH_E_PROTOCOL);
	}
	ck_assert_uint_ge(n, 16);
	support_vectors_close(vectors);
}
END_TEST

/* The client of this file is checked against the RFC, too. */
START_TEST(client_gives_the_known_answers)
{
	const struct client client = {
		.username = "chris", .realm = OWN_REALM, .password = PASSWORD};
	char hex[33];

	respond(&client, "AUTHENTICATE", hex);
	ck_assert_str_eq(hex, RESPONSE);
	respond(&client, "", hex);
	ck_assert_str_eq(hex, RSPAUTH_HEX);
}
END_TEST

/* ---- forms of a name, realms, authzid ---- */

static const struct {
	const char *name;
	const char *username;
	const char *realm;	   /* NULL: absent */
	const char *hash_username; /* NULL: as sent */
	const char *hash_realm;	   /* NULL: as sent */
	enum mailauth_status want;
} forms[] = {
	{"local", "chris", OWN_REALM, NULL, NULL, MAILAUTH_OK},
	{"local@realm", FULL, OWN_REALM, NULL, NULL, MAILAUTH_OK},
	{"realm empty", "chris", "", NULL, NULL, MAILAUTH_OK},
	{"realm empty, local@realm", FULL, "", NULL, NULL, MAILAUTH_OK},
	{"realm absent", "chris", NULL, NULL, NULL, MAILAUTH_OK},
	{"realm absent, local@realm", FULL, NULL, NULL, NULL, MAILAUTH_OK},
	{"first of digest_realms", "chris", "lab.test", NULL, NULL, MAILAUTH_OK},
	{"second of digest_realms", "chris", "old.test", NULL, NULL, MAILAUTH_OK},
	{"digest_realms, local@realm", FULL, "old.test", NULL, NULL, MAILAUTH_OK},
	{"another realm", "chris", "other.test", NULL, NULL, MAILAUTH_E_DENIED},
	{"two realms", "chris", "lab.test, old.test", NULL, NULL, MAILAUTH_E_DENIED},
	{"longer realm", "chris", OWN_REALM ".", NULL, NULL, MAILAUTH_E_DENIED},
	{"shorter realm", "chris", "elwood.innosoft.co", NULL, NULL, MAILAUTH_E_DENIED},
	{"name with another realm", "chris@lab.test", OWN_REALM, NULL, NULL, MAILAUTH_E_DENIED},
	{"nothing behind the @", "chris@", OWN_REALM, NULL, NULL, MAILAUTH_E_DENIED},
	{"another name", "kris", OWN_REALM, NULL, NULL, MAILAUTH_E_DENIED},
	/* What is hashed is what was sent. */
	{"local sent, the other hashed", "chris", OWN_REALM, FULL, NULL, MAILAUTH_E_DENIED},
	{"local@realm sent, local hashed", FULL, OWN_REALM, "chris", NULL, MAILAUTH_E_DENIED},
	{"another realm hashed", "chris", OWN_REALM, NULL, "lab.test", MAILAUTH_E_DENIED},
	{"realm absent, but hashed", "chris", NULL, NULL, OWN_REALM, MAILAUTH_E_DENIED},
	/* The client hashes letters as they were typed, and only lower case was derived. */
	{"a name typed in upper case is refused", "Chris", OWN_REALM, NULL, NULL,
	 MAILAUTH_E_DENIED},
	{"a name typed with its realm in upper case is refused", "chris@ELWOOD.innosoft.com",
	 OWN_REALM, NULL, NULL, MAILAUTH_E_DENIED},
	{"a realm typed in upper case is refused", "chris", "ELWOOD.INNOSOFT.COM", NULL, NULL,
	 MAILAUTH_E_DENIED},
	{"a client that hashes lower case whatever was typed", "Chris", OWN_REALM, "chris", NULL,
	 MAILAUTH_OK},
};

START_TEST(knows_the_forms_of_a_name)
{
	const struct client client = {
		.username = forms[_i].username,
		.realm = forms[_i].realm,
		.hash_username = forms[_i].hash_username,
		.hash_realm = forms[_i].hash_realm,
		.password = PASSWORD,
	};

	expect(forms[_i].name, &client, forms[_i].want);
	ck_assert_str_eq(account.user, client.username);
	ck_assert_str_eq(account.realm, client.realm != NULL ? client.realm : "");
	ck_assert_str_eq(account.authzid, "");
}
END_TEST

static const struct {
	const char *name;
	const char *authzid;	  /* NULL: absent */
	const char *hash_authzid; /* NULL: none */
	enum mailauth_status want;
} authzids[] = {
	{"absent", NULL, NULL, MAILAUTH_OK},
	{"the same", "chris", "chris", MAILAUTH_OK},
	{"the same with its realm", FULL, FULL, MAILAUTH_OK},
	{"another is for lookup to judge", "kris", "kris", MAILAUTH_OK},
	{"empty and hashed", "", "", MAILAUTH_OK},
	{"empty and not hashed", "", NULL, MAILAUTH_OK},
	{"sent and not hashed", "chris", NULL, MAILAUTH_E_DENIED},
	{"sent and hashed as empty", "chris", "", MAILAUTH_E_DENIED},
	{"not sent, but hashed as empty", NULL, "", MAILAUTH_E_DENIED},
	{"not sent, but hashed", NULL, "chris", MAILAUTH_E_DENIED},
	{"empty, and another hashed", "", "chris", MAILAUTH_E_DENIED},
	{"one sent, another hashed", "kris", "chris", MAILAUTH_E_DENIED},
};

/* RFC 2831 section 2.1.2: authzid; some clients hash an empty one, some leave it out */
START_TEST(binds_the_authzid)
{
	const struct client client = {
		.username = "chris",
		.realm = OWN_REALM,
		.authzid = authzids[_i].authzid,
		.hash_authzid = authzids[_i].hash_authzid,
		.password = PASSWORD,
	};

	expect(authzids[_i].name, &client, authzids[_i].want);
	ck_assert_str_eq(account.authzid, client.authzid != NULL ? client.authzid : "");
}
END_TEST

START_TEST(denies_a_wrong_password)
{
	static const char *const passwords[] = {"Secret", "secre", "secret ", "", "chris", NONCE};

	for (size_t i = 0; i < MA_ARRAY_SIZE(passwords); i++) {
		const struct client client = {
			.username = "chris", .realm = OWN_REALM, .password = passwords[i]};

		expect(passwords[i], &client, MAILAUTH_E_DENIED);
	}
}
END_TEST

/* ---- charsets ---- */

#define MUELLER_UTF8   "m\xc3\xbcller"
#define MUELLER_LATIN1 "m\xfcller"
#define WORT_UTF8      "Pa\xc3\x9fwort"
#define WORT_LATIN1    "Pa\xdfwort"
#define CYRILLIC       "\xd0\xb8\xd0\xbc\xd1\x8f"

static const struct {
	const char *name;
	const char *local; /* the account's, in example.org */
	const char *password;
	const char *username;	   /* sent */
	const char *hash_username; /* NULL: as sent */
	const char *hash_password;
	enum mailauth_status want;
} charsets[] = {
	{"Latin-1 is hashed, as the RFC wants", MUELLER_UTF8, WORT_UTF8, MUELLER_UTF8,
	 MUELLER_LATIN1, WORT_LATIN1, MAILAUTH_OK},
	{"UTF-8 is hashed all the same", MUELLER_UTF8, WORT_UTF8, MUELLER_UTF8, NULL, WORT_UTF8,
	 MAILAUTH_OK},
	{"local@realm in Latin-1", MUELLER_UTF8, WORT_UTF8, MUELLER_UTF8 "@example.org",
	 MUELLER_LATIN1 "@example.org", WORT_LATIN1, MAILAUTH_OK},
	{"no charset, all in Latin-1", MUELLER_UTF8, WORT_UTF8, MUELLER_LATIN1, NULL, WORT_LATIN1,
	 MAILAUTH_OK},
	{"no charset, local@realm in Latin-1", MUELLER_UTF8, WORT_UTF8,
	 MUELLER_LATIN1 "@example.org", NULL, WORT_LATIN1, MAILAUTH_OK},
	{"no charset, UTF-8 all the same", MUELLER_UTF8, WORT_UTF8, MUELLER_UTF8, NULL, WORT_UTF8,
	 MAILAUTH_OK},
	{"name in Latin-1, password in UTF-8", MUELLER_UTF8, WORT_UTF8, MUELLER_UTF8,
	 MUELLER_LATIN1, WORT_UTF8, MAILAUTH_E_DENIED},
	{"name in UTF-8, password in Latin-1", MUELLER_UTF8, WORT_UTF8, MUELLER_UTF8, NULL,
	 WORT_LATIN1, MAILAUTH_E_DENIED},
	{"only the password has umlauts: Latin-1", "tim", WORT_UTF8, "tim", NULL, WORT_LATIN1,
	 MAILAUTH_OK},
	{"only the password has umlauts: UTF-8", "tim", WORT_UTF8, "tim", NULL, WORT_UTF8,
	 MAILAUTH_OK},
	{"only the name has umlauts: Latin-1", MUELLER_UTF8, PASSWORD, MUELLER_UTF8, MUELLER_LATIN1,
	 PASSWORD, MAILAUTH_OK},
	{"only the name has umlauts: UTF-8", MUELLER_UTF8, PASSWORD, MUELLER_UTF8, NULL, PASSWORD,
	 MAILAUTH_OK},
	/* RFC 2831 section 2.1.2.1: each of the strings by itself */
	{"password beyond Latin-1, name converted", MUELLER_UTF8, CYRILLIC, MUELLER_UTF8,
	 MUELLER_LATIN1, CYRILLIC, MAILAUTH_OK},
	{"password beyond Latin-1, nothing converted", MUELLER_UTF8, CYRILLIC, MUELLER_UTF8, NULL,
	 CYRILLIC, MAILAUTH_OK},
	{"name beyond Latin-1, password converted", CYRILLIC, WORT_UTF8, CYRILLIC, NULL,
	 WORT_LATIN1, MAILAUTH_OK},
	{"name beyond Latin-1, nothing converted", CYRILLIC, WORT_UTF8, CYRILLIC, NULL, WORT_UTF8,
	 MAILAUTH_OK},
	{"all beyond Latin-1", CYRILLIC, CYRILLIC, CYRILLIC, NULL, CYRILLIC, MAILAUTH_OK},
	{"half of the password beyond Latin-1: not converted", "tim", WORT_UTF8 CYRILLIC, "tim",
	 NULL, WORT_UTF8 CYRILLIC, MAILAUTH_OK},
	{"half of it converted", "tim", WORT_UTF8 CYRILLIC, "tim", NULL, WORT_LATIN1 CYRILLIC,
	 MAILAUTH_E_DENIED},
	{"the last character of Latin-1", "tim", "\xc3\xbf", "tim", NULL, "\xff", MAILAUTH_OK},
	{"the first one beyond", "tim", "\xc4\x80", "tim", NULL, "\xc4\x80", MAILAUTH_OK},
	{"the low byte of one beyond", "tim", "\xc5\xa5", "tim", NULL, "e", MAILAUTH_E_DENIED},
	{"a password that is no UTF-8 is taken as bytes", "tim", WORT_LATIN1, "tim", NULL,
	 WORT_LATIN1, MAILAUTH_OK},
};

/* RFC 2831 section 2.1.2: what the charset says is not what every client hashes. */
START_TEST(accepts_both_charsets)
{
	static const char *const texts[] = {NULL, "utf-8", "\"utf-8\""};
	struct client client = {
		.username = charsets[_i].username,
		.realm = "example.org",
		.hash_username = charsets[_i].hash_username,
		.password = charsets[_i].hash_password,
	};
	char name[128];

	(void)snprintf(name, sizeof(name), "%s@example.org", charsets[_i].local);
	hold(name, charsets[_i].password);
	for (size_t i = 0; i < MA_ARRAY_SIZE(texts); i++) {
		client.charset = texts[i];
		expect(charsets[_i].name, &client, charsets[_i].want);
		/* Whatever came, the name that is looked up is UTF-8. */
		account.user[strcspn(account.user, "@")] = '\0';
		ck_assert_msg(strcmp(account.user, charsets[_i].local) == 0, "%s: got %s, want %s",
			      charsets[_i].name, account.user, charsets[_i].local);
	}
}
END_TEST

/* A name of Latin-1 that grows beyond every name is handed on as it came, and is none. */
START_TEST(hands_on_long_names_in_latin1)
{
	static const size_t lens[] = {MAILAUTH_NAME_MAX, MAILAUTH_NAME_MAX + 1, 3000};

	for (size_t i = 0; i < MA_ARRAY_SIZE(lens); i++) {
		char username[3001];
		char bytes[4096];
		struct ma_buf message = ma_buf_fixed(bytes, sizeof(bytes));

		memset(username, 0xfc, lens[i]);
		username[lens[i]] = '\0';
		ma_buf_printf(&message, "nonce=\"" NONCE "\",cnonce=\"" CNONCE "\",nc=00000001,"
					"digest-uri=\"" URI "\",response=" RESPONSE ",username=\"");
		ma_buf_put_text(&message, username);
		ma_buf_put_text(&message, "\"");
		ck_assert_int_eq(check(ma_buf_span(&message)), MAILAUTH_E_DENIED);
		ck_assert_uint_eq(strlen(account.user),
				  lens[i] <= MAILAUTH_NAME_MAX ? 2 * lens[i] : lens[i]);
	}
}
END_TEST

/* ---- syntax ---- */

#define USERNAME_   "username=\"chris\""
#define REALM_	    "realm=\"" OWN_REALM "\""
#define NONCE_	    "nonce=\"" NONCE "\""
#define CNONCE_	    "cnonce=\"" CNONCE "\""
#define NC_	    "nc=00000001"
#define QOP_	    "qop=auth"
#define URI_	    "digest-uri=\"" URI "\""
#define RESPONSE_   "response=" RESPONSE
/* All but what stands before the underscore; in the order of the names above. */
#define NO_USERNAME REALM_ "," NONCE_ "," CNONCE_ "," NC_ "," QOP_ "," URI_ "," RESPONSE_
#define NO_REALM    USERNAME_ "," NONCE_ "," CNONCE_ "," NC_ "," QOP_ "," URI_ "," RESPONSE_
#define NO_NONCE    USERNAME_ "," REALM_ "," CNONCE_ "," NC_ "," QOP_ "," URI_ "," RESPONSE_
#define NO_CNONCE   USERNAME_ "," REALM_ "," NONCE_ "," NC_ "," QOP_ "," URI_ "," RESPONSE_
#define NO_NC	    USERNAME_ "," REALM_ "," NONCE_ "," CNONCE_ "," QOP_ "," URI_ "," RESPONSE_
#define NO_QOP	    USERNAME_ "," REALM_ "," NONCE_ "," CNONCE_ "," NC_ "," URI_ "," RESPONSE_
#define NO_URI	    USERNAME_ "," REALM_ "," NONCE_ "," CNONCE_ "," NC_ "," QOP_ "," RESPONSE_
#define NO_RESPONSE USERNAME_ "," REALM_ "," NONCE_ "," CNONCE_ "," NC_ "," QOP_ "," URI_
#define ALL	    NO_RESPONSE "," RESPONSE_

static const struct {
	const char *name;
	const char *message;
	enum mailauth_status want;
} rows[] = {
	{"right", ALL, MAILAUTH_OK},
	{"as in the RFC", "charset=utf-8," NO_QOP "," QOP_, MAILAUTH_OK},
	{"response first", RESPONSE_ "," NO_RESPONSE, MAILAUTH_OK},
	/* RFC 2831 section 2.1.2: what each may be */
	{"qop absent", NO_QOP, MAILAUTH_OK},
	{"qop quoted", NO_QOP ",qop=\"auth\"", MAILAUTH_OK},
	{"qop empty", NO_QOP ",qop=\"\"", MAILAUTH_E_PROTOCOL},
	{"qop one short", NO_QOP ",qop=aut", MAILAUTH_E_PROTOCOL},
	{"qop one long", NO_QOP ",qop=auth-", MAILAUTH_E_PROTOCOL},
	{"qop auth-int", NO_QOP ",qop=auth-int", MAILAUTH_E_PROTOCOL},
	{"qop auth-conf", NO_QOP ",qop=auth-conf", MAILAUTH_E_PROTOCOL},
	{"two of qop", NO_QOP ",qop=\"auth,auth-int\"", MAILAUTH_E_PROTOCOL},
	{"nc quoted", NO_NC ",nc=\"00000001\"", MAILAUTH_OK},
	{"nc 2", NO_NC ",nc=00000002", MAILAUTH_E_PROTOCOL},
	{"nc 0", NO_NC ",nc=00000000", MAILAUTH_E_PROTOCOL},
	{"nc 10000001", NO_NC ",nc=10000001", MAILAUTH_E_PROTOCOL},
	{"nc of one digit", NO_NC ",nc=1", MAILAUTH_E_PROTOCOL},
	{"nc one short", NO_NC ",nc=0000001", MAILAUTH_E_PROTOCOL},
	{"nc one long", NO_NC ",nc=000000001", MAILAUTH_E_PROTOCOL},
	{"nc empty", NO_NC ",nc=\"\"", MAILAUTH_E_PROTOCOL},
	{"nc with a space", NO_NC ",nc=\" 0000001\"", MAILAUTH_E_PROTOCOL},
	{"charset", ALL ",charset=utf-8", MAILAUTH_OK},
	{"charset quoted", ALL ",charset=\"utf-8\"", MAILAUTH_OK},
	{"charset in upper case", ALL ",charset=UTF-8", MAILAUTH_OK},
	{"charset one short", ALL ",charset=utf-", MAILAUTH_E_PROTOCOL},
	{"charset one long", ALL ",charset=utf-88", MAILAUTH_E_PROTOCOL},
	{"charset empty", ALL ",charset=\"\"", MAILAUTH_E_PROTOCOL},
	{"another charset", ALL ",charset=iso-8859-1", MAILAUTH_E_PROTOCOL},
	{"maxbuf", ALL ",maxbuf=65536", MAILAUTH_OK},
	{"cipher, which nobody asked for", ALL ",cipher=\"rc4\"", MAILAUTH_OK},
	{"one that is not known", ALL ",x-new=\"a,b=\\\"c\\\"\"", MAILAUTH_OK},
	{"one that is not known, twice", ALL ",x=1,x=2", MAILAUTH_OK},
	{"algorithm, which only the server says", ALL ",algorithm=md5-sess", MAILAUTH_OK},
	{"nonce one short", NO_NONCE ",nonce=\"OA6MG9tEQGm2h\"", MAILAUTH_E_PROTOCOL},
	{"nonce one long", NO_NONCE ",nonce=\"" NONCE "h\"", MAILAUTH_E_PROTOCOL},
	{"nonce with a space", NO_NONCE ",nonce=\"" NONCE " \"", MAILAUTH_E_PROTOCOL},
	{"nonce in another case", NO_NONCE ",nonce=\"oa6mg9teqgm2hh\"", MAILAUTH_E_PROTOCOL},
	{"nonce of another day", NO_NONCE ",nonce=\"OA9BSXrbuRhWay\"", MAILAUTH_E_PROTOCOL},
	{"nonce empty", NO_NONCE ",nonce=\"\"", MAILAUTH_E_PROTOCOL},
	{"cnonce empty", NO_CNONCE ",cnonce=\"\"", MAILAUTH_E_PROTOCOL},
	{"another cnonce", NO_CNONCE ",cnonce=\"OA6MHXh6VqTrRl\"", MAILAUTH_E_DENIED},
	{"cnonce one short", NO_CNONCE ",cnonce=\"OA6MHXh6VqTrR\"", MAILAUTH_E_DENIED},
	{"digest-uri empty", NO_URI ",digest-uri=\"\"", MAILAUTH_E_PROTOCOL},
	{"another digest-uri", NO_URI ",digest-uri=\"imap/elwood\"", MAILAUTH_E_DENIED},
	{"username empty", NO_USERNAME ",username=\"\"", MAILAUTH_E_PROTOCOL},
	{"realm of another", NO_REALM ",realm=\"lab.test\"", MAILAUTH_E_DENIED},
	{"realm absent, but hashed", NO_REALM, MAILAUTH_E_DENIED},
	{"response in upper case", NO_RESPONSE ",response=D388DAD90D4BBD760A152321F2143AF7",
	 MAILAUTH_OK},
	{"response quoted", NO_RESPONSE ",response=\"" RESPONSE "\"", MAILAUTH_OK},
	{"response wrong", NO_RESPONSE ",response=d388dad90d4bbd760a152321f2143af6",
	 MAILAUTH_E_DENIED},
	{"response of zeros", NO_RESPONSE ",response=00000000000000000000000000000000",
	 MAILAUTH_E_DENIED},
	{"rspauth for a response", NO_RESPONSE ",response=ea40f60335c427b5527b84dbabcdfffd",
	 MAILAUTH_E_DENIED},
	{"response two short", NO_RESPONSE ",response=d388dad90d4bbd760a152321f2143a",
	 MAILAUTH_E_PROTOCOL},
	{"response one short", NO_RESPONSE ",response=d388dad90d4bbd760a152321f2143af",
	 MAILAUTH_E_PROTOCOL},
	{"response one long", ALL "0", MAILAUTH_E_PROTOCOL},
	{"response two long", ALL "00", MAILAUTH_E_PROTOCOL},
	{"response no hex", NO_RESPONSE ",response=g388dad90d4bbd760a152321f2143af7",
	 MAILAUTH_E_PROTOCOL},
	{"response no hex at the end", NO_RESPONSE ",response=d388dad90d4bbd760a152321f2143afx",
	 MAILAUTH_E_PROTOCOL},
	{"response empty", NO_RESPONSE ",response=\"\"", MAILAUTH_E_PROTOCOL},
	/* What wants quotes in the RFC is read without them, too: it cannot mean anything else. */
	{"username without quotes", NO_USERNAME ",username=chris", MAILAUTH_OK},
	{"realm, nonce and cnonce without quotes",
	 USERNAME_ ",realm=" OWN_REALM ",nonce=" NONCE ",cnonce=" CNONCE "," NC_ "," QOP_ "," URI_
		   "," RESPONSE_,
	 MAILAUTH_OK},
	{"digest-uri without quotes: a slash is no token", NO_URI ",digest-uri=" URI,
	 MAILAUTH_E_PROTOCOL},
	{"realm empty without quotes", NO_REALM ",realm=", MAILAUTH_E_PROTOCOL},
	{"names in upper case",
	 "USERNAME=\"chris\",Realm=\"" OWN_REALM "\"," NONCE_ "," CNONCE_
	 ",NC=00000001,QOP=auth,Digest-URI=\"" URI "\"," RESPONSE_,
	 MAILAUTH_OK},
	/* RFC 2831 section 7.1: quoted-pair */
	{"escapes in the nonce", NO_NONCE ",nonce=\"\\OA6MG9tEQGm2\\h\\h\"", MAILAUTH_OK},
	/* RFC 2831 section 7.1: implied white space, empty elements of a list */
	{"a space behind each comma",
	 USERNAME_ ", " REALM_ ", " NONCE_ ", " CNONCE_ ", " NC_ ", " QOP_ ", " URI_ ", " RESPONSE_,
	 MAILAUTH_OK},
	{"white space everywhere",
	 " \t\r\n username = \"chris\" , realm\t=\t\"" OWN_REALM "\"\r\n ," NONCE_ "," CNONCE_
	 ", nc = 00000001 , qop = auth ," URI_ "\t," RESPONSE_ " \r\n",
	 MAILAUTH_OK},
	{"empty elements", ",," NO_RESPONSE ", ,\t,, " RESPONSE_ ",,", MAILAUTH_OK},
	{"space inside a name", NO_URI ",digest -uri=\"" URI "\"", MAILAUTH_E_PROTOCOL},
	{"space inside a token", NO_NC ",nc=0000 0001", MAILAUTH_E_PROTOCOL},
	{"no comma", NO_RESPONSE " " RESPONSE_, MAILAUTH_E_PROTOCOL},
	{"a semicolon", NO_RESPONSE ";" RESPONSE_, MAILAUTH_E_PROTOCOL},
	{"text behind the quote", NO_USERNAME ",username=\"chris\"x", MAILAUTH_E_PROTOCOL},
	{"two quoted strings", NO_USERNAME ",username=\"chris\"\"\"", MAILAUTH_E_PROTOCOL},
	/* no list at all */
	{"empty", "", MAILAUTH_E_PROTOCOL},
	{"a space", " ", MAILAUTH_E_PROTOCOL},
	{"a comma", ",", MAILAUTH_E_PROTOCOL},
	{"an equals sign", "=", MAILAUTH_E_PROTOCOL},
	{"a quote", "\"", MAILAUTH_E_PROTOCOL},
	{"a backslash", "\\", MAILAUTH_E_PROTOCOL},
	{"the user's name", "chris", MAILAUTH_E_PROTOCOL},
	{"a response of CRAM-MD5", "chris " RESPONSE, MAILAUTH_E_PROTOCOL},
	{"a name without a value", ALL ",x", MAILAUTH_E_PROTOCOL},
	{"a name with an empty value", ALL ",x=", MAILAUTH_E_PROTOCOL},
	{"a value without a name", ALL ",=x", MAILAUTH_E_PROTOCOL},
	{"a value of two equals signs", ALL ",x==", MAILAUTH_E_PROTOCOL},
	{"a name in quotes", ALL ",\"x\"=1", MAILAUTH_E_PROTOCOL},
	{"a name beyond ASCII", ALL ",\xc3\xa4=1", MAILAUTH_E_PROTOCOL},
	{"a token beyond ASCII", ALL ",x=\xc3\xa4", MAILAUTH_E_PROTOCOL},
	{"an open quote at the end", ALL ",x=\"", MAILAUTH_E_PROTOCOL},
	{"an open string at the end", ALL ",x=\"abc", MAILAUTH_E_PROTOCOL},
	{"an open string before the rest", "username=\"chris," NO_USERNAME, MAILAUTH_E_PROTOCOL},
	{"a backslash at the end", ALL ",x=\"abc\\", MAILAUTH_E_PROTOCOL},
	{"an escaped quote at the end", ALL ",x=\"abc\\\"", MAILAUTH_E_PROTOCOL},
	{"a backslash outside quotes", ALL ",x=a\\b", MAILAUTH_E_PROTOCOL},
};

START_TEST(reads_responses_as_rfc_2831_says)
{
	enum mailauth_status want = rows[_i].want;

	support_status(rows[_i].name, check(ma_span_text(rows[_i].message)), want);
	ck_assert_msg(account.n_lookups == (want != MAILAUTH_E_PROTOCOL), "%s: got %u lookups",
		      rows[_i].name, account.n_lookups);
	if (want == MAILAUTH_OK)
		ck_assert_str_eq(ma_buf_text(&reply.buf), RSPAUTH);
}
END_TEST

/* RFC 2831 section 7.1: quoted-pair. Whatever is in the quotes, it is the name. */
static const struct {
	const char *quoted;
	const char *want;
} names[] = {
	{"chris", "chris"},
	{"ch\\ris", "chris"},
	{"\\c\\h\\r\\i\\s", "chris"},
	{"ch\\\"ris", "ch\"ris"},
	{"ch\\\\ris", "ch\\ris"},
	{"\\\"", "\""},
	{"\\\\", "\\"},
	{"\\\\\\\"", "\\\""},
	{"chris,", "chris,"},
	{"chris,nc=2", "chris,nc=2"},
	{" chris ", " chris "},
	{"chris\r\n", "chris\r\n"},
	{"=", "="},
};

START_TEST(takes_quotes_and_escapes_off)
{
	char bytes[1024];
	struct ma_buf message = ma_buf_fixed(bytes, sizeof(bytes));

	for (int last = 0; last <= 1; last++) {
		ma_buf_reset(&message);
		ma_buf_printf(&message, "%s%susername=\"%s\"%s%s", last ? NO_USERNAME : "",
			      last ? "," : "", names[_i].quoted, last ? "" : ",",
			      last ? "" : NO_USERNAME);
		support_status(names[_i].quoted, check(ma_buf_span(&message)), MAILAUTH_OK);
		ck_assert_str_eq(account.user, names[_i].want);
	}
}
END_TEST

static const char *const directives[] = {
	/* required */
	USERNAME_,
	NONCE_,
	CNONCE_,
	NC_,
	URI_,
	RESPONSE_,
	/* not required, but at most once */
	REALM_,
	QOP_,
	"charset=utf-8",
	"maxbuf=65536",
	"cipher=\"rc4\"",
	"authzid=\"\"",
};
#define N_REQUIRED 6

/* All of them but number @without, and number @last once more. */
static struct ma_span list(size_t without, size_t last, struct ma_buf *out)
{
	ma_buf_reset(out);
	for (size_t i = 0; i < MA_ARRAY_SIZE(directives); i++)
		if (i != without)
			ma_buf_printf(out, "%s,", directives[i]);
	if (last < MA_ARRAY_SIZE(directives))
		ma_buf_put_text(out, directives[last]);
	ck_assert_int_eq(ma_buf_status(out), MAILAUTH_OK);
	return ma_buf_span(out);
}

/* RFC 2831 section 2.1.2 */
START_TEST(wants_each_required_directive_and_each_once)
{
	const size_t none = MA_ARRAY_SIZE(directives);
	char bytes[1024];
	struct ma_buf message = ma_buf_fixed(bytes, sizeof(bytes));

	support_status("all of them", check(list(none, none, &message)), MAILAUTH_OK);
	for (size_t i = 0; i < MA_ARRAY_SIZE(directives); i++) {
		char other_case[64];

		if (i < N_REQUIRED) {
			support_status(directives[i], check(list(i, none, &message)),
				       MAILAUTH_E_PROTOCOL);
			ck_assert_uint_eq(account.n_lookups, 0);
		}
		support_status(directives[i], check(list(none, i, &message)), MAILAUTH_E_PROTOCOL);
		ck_assert_uint_eq(account.n_lookups, 0);
		/* the only one, if at another place */
		support_status(directives[i], check(list(i, i, &message)), MAILAUTH_OK);
		/* A name in another case is the same name. */
		(void)snprintf(other_case, sizeof(other_case), "%s", directives[i]);
		other_case[0] = (char)(other_case[0] - 'a' + 'A');
		(void)list(none, none, &message);
		ma_buf_put_text(&message, other_case);
		support_status(other_case, check(ma_buf_span(&message)), MAILAUTH_E_PROTOCOL);
	}
}
END_TEST

START_TEST(refuses_every_part_of_a_response)
{
	static const char all[] = ALL;

	for (size_t len = 0; len < sizeof(all) - 1; len++) {
		enum mailauth_status got = check(ma_span(all, len));

		ck_assert_msg(got == MAILAUTH_E_PROTOCOL, "%zu bytes: got %d", len, got);
		got = check(ma_span(all + len + 1, sizeof(all) - 1 - len - 1));
		ck_assert_msg(got == MAILAUTH_E_PROTOCOL, "from %zu on: got %d", len + 1, got);
	}
	ck_assert_int_eq(check(ma_span(all, sizeof(all) - 1)), MAILAUTH_OK);
}
END_TEST

START_TEST(refuses_nul_anywhere)
{
	static const char all[] = ALL;

	for (size_t at = 0; at <= sizeof(all) - 1; at++) {
		char message[sizeof(all)];
		enum mailauth_status got;

		/* in the place of a byte, or behind the last */
		memcpy(message, all, sizeof(all));
		message[at] = '\0';
		got = check(
			ma_span(message, at == sizeof(all) - 1 ? sizeof(all) : sizeof(all) - 1));
		ck_assert_msg(got == MAILAUTH_E_PROTOCOL, "for byte %zu: got %d", at, got);
		ck_assert_uint_eq(account.n_lookups, 0);
	}
	for (size_t at = 0; at < sizeof(all); at++) {
		char message[sizeof(all) + 1];
		enum mailauth_status got;

		memcpy(message, all, at);
		message[at] = '\0';
		memcpy(message + at + 1, all + at, sizeof(all) - at);
		got = check(ma_span(message, sizeof(all)));
		ck_assert_msg(got == MAILAUTH_E_PROTOCOL, "before byte %zu: got %d", at, got);
	}
	support_status("escaped", check(ma_span(ALL ",x=\"\\\0\"", sizeof(ALL) + 6)),
		       MAILAUTH_E_PROTOCOL);
}
END_TEST

/* RFC 2831 section 2.1.2: less than 4096 bytes */
START_TEST(limits_responses)
{
	static const struct {
		size_t len;
		enum mailauth_status want;
	} lens[] = {
		{4094, MAILAUTH_OK},
		{4095, MAILAUTH_OK},
		{4096, MAILAUTH_E_LIMIT},
		{4097, MAILAUTH_E_LIMIT},
		{MAILAUTH_MESSAGE_MAX, MAILAUTH_E_LIMIT},
	};
	static const char start[] = ALL ",x=\"";
	static char message[MAILAUTH_MESSAGE_MAX];

	for (size_t i = 0; i < MA_ARRAY_SIZE(lens); i++) {
		enum mailauth_status got;

		/* one long string */
		memset(message, 'x', lens[i].len);
		memcpy(message, start, sizeof(start) - 1);
		message[lens[i].len - 1] = '"';
		got = check(ma_span(message, lens[i].len));
		ck_assert_msg(got == lens[i].want, "string, %zu bytes: got %d, want %d",
			      lens[i].len, got, lens[i].want);
		/* and one that does not end */
		message[lens[i].len - 1] = 'x';
		got = check(ma_span(message, lens[i].len));
		ck_assert_msg(got == (lens[i].want == MAILAUTH_OK ? MAILAUTH_E_PROTOCOL
								  : MAILAUTH_E_LIMIT),
			      "open string, %zu bytes: got %d", lens[i].len, got);
		/* white space, commas */
		for (const char *c = " ,\n"; *c != '\0'; c++) {
			memset(message, *c, lens[i].len);
			memcpy(message + lens[i].len - sizeof(ALL) + 1, ALL, sizeof(ALL) - 1);
			got = check(ma_span(message, lens[i].len));
			ck_assert_msg(got == lens[i].want, "0x%02x, %zu bytes: got %d, want %d", *c,
				      lens[i].len, got, lens[i].want);
		}
	}
}
END_TEST

START_TEST(refuses_every_other_digit_of_a_response)
{
	static const char right[] = RESPONSE;

	for (size_t i = 0; i < strlen(right); i++)
		for (const char *c = "0123456789abcdef"; *c != '\0'; c++) {
			char message[] = ALL;

			message[sizeof(ALL) - sizeof(RESPONSE) + i] = *c;
			support_status(message, check(ma_span_text(message)),
				       *c == right[i] ? MAILAUTH_OK : MAILAUTH_E_DENIED);
		}
}
END_TEST

START_TEST(hands_on_what_lookup_says)
{
	static const enum mailauth_status answers[] = {MAILAUTH_E_TEMPFAIL, MAILAUTH_E_CORRUPT,
						       MAILAUTH_E_DENIED, MAILAUTH_E_NOMEM};

	for (size_t i = 0; i < MA_ARRAY_SIZE(answers); i++) {
		account.answer = answers[i];
		support_status("lookup", check(ma_span_text(ALL)), answers[i]);
	}
}
END_TEST

START_TEST(reports_a_reply_without_room)
{
	void *state = ma_alloc(ma_mech_digest_md5.state_size);
	struct ma_exchange exchange = exchange_with(state);
	struct ma_buf out = ma_buf_fixed(reply.bytes, strlen(RSPAUTH) - 1);

	ck_assert_ptr_nonnull(state);
	support_status("rspauth",
		       ma_digest_md5_check(&exchange, ma_span_text(NONCE), ma_span_text(ALL), &out),
		       MAILAUTH_E_LIMIT);
	out = ma_buf_fixed(reply.bytes, 80);
	support_status("challenge", ma_mech_digest_md5.step(&exchange, ma_span(NULL, 0), &out),
		       MAILAUTH_E_LIMIT);
	ma_free(state);
}
END_TEST

/* ---- secrets ---- */

START_TEST(tries_every_credential)
{
	const struct ma_subject subject = subject_of(FULL);
	uint8_t bytes[MA_SECRET_MAX];
	struct ma_buf other = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_secret right = account.credentials[0].secrets[0];

	ck_assert_int_eq(kind()->derive(kind(), &subject, ma_span_text("other"), &other),
			 MAILAUTH_OK);
	account.credentials[0].secrets[0].value = ma_buf_span(&other);
	support_status("another", check(ma_span_text(ALL)), MAILAUTH_E_DENIED);
	account.credentials[1].n_secrets = 2;
	account.credentials[1].secrets[0] =
		(struct ma_secret){.kind = MA_KIND_CRYPT, .value = ma_span_text("*")};
	account.credentials[1].secrets[1] = right;
	account.candidates.items[account.candidates.n++] = &account.credentials[1];
	for (size_t i = 0; i < 2; i++) { /* either order */
		support_status("one of two", check(ma_span_text(ALL)), MAILAUTH_OK);
		ck_assert_str_eq(ma_buf_text(&reply.buf), RSPAUTH);
		account.candidates.items[0] = &account.credentials[1];
		account.candidates.items[1] = &account.credentials[0];
	}
	account.credentials[1].secrets[1].kind = MA_KIND_CRAM_MD5;
	support_status("of another kind", check(ma_span_text(ALL)), MAILAUTH_E_DENIED);
	account.candidates.n = 0;
	support_status("none", check(ma_span_text(ALL)), MAILAUTH_E_DENIED);
}
END_TEST

/* MAILAUTH_OK: the password is the secret's. */
static enum mailauth_status check_password(struct ma_span secret, const char *password)
{
	const struct ma_subject subject = subject_of(FULL);

	return kind()->check(kind(), &subject, secret, ma_span_text(password));
}

/* Bytes of the group at @p; mech_digest_md5.c tells its form. */
static size_t group_len(const uint8_t *p)
{
	return 1 + (size_t)p[0] + 1 + (size_t)p[1 + p[0]] * 2 * MA_MD5_LEN;
}

static bool is_between_groups(size_t at)
{
	size_t start = 0;

	while (start < at)
		start += group_len(account.secret.p + start);
	return start == at;
}

/* From blocks of exactly their size. */
START_TEST(a_secret_that_is_cut_serves_nothing)
{
	struct ma_span whole;

	hold(FULL, WORT_UTF8); /* with both charsets */
	whole = ma_buf_span(&account.secret);
	for (size_t len = 0; len <= whole.len; len++) {
		const struct client client = {
			.username = "chris", .realm = OWN_REALM, .password = WORT_LATIN1};
		/* What ends with a group is a secret for fewer realms. */
		bool is_whole = len > 0 && is_between_groups(len);
		uint8_t *copy = ma_alloc(len > 0 ? len : 1);
		char name[32];
		struct ma_span ha1;

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, whole.p, len);
		(void)snprintf(name, sizeof(name), "%zu bytes", len);
		account.credentials[0].secrets[0].value = ma_span(copy, len);
		expect(name, &client, is_whole ? MAILAUTH_OK : MAILAUTH_E_DENIED);
		support_status(name, check_password(ma_span(copy, len), WORT_UTF8),
			       is_whole ? MAILAUTH_OK : MAILAUTH_E_DENIED);
		support_status(name, check_password(ma_span(copy, len), PASSWORD),
			       MAILAUTH_E_DENIED);
		ck_assert_int_eq(
			ma_digest_md5_find(ma_span(copy, len), ma_span_text(OWN_REALM), true, &ha1),
			is_whole);
		ma_free(copy);
	}
}
END_TEST

START_TEST(a_secret_with_a_bit_changed_is_no_password)
{
	struct ma_span secret = ma_buf_span(&account.secret);
	size_t first_hash = 1 + strlen(OWN_REALM) + 1;
	uint8_t *copy = ma_alloc(secret.len);

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, secret.p, secret.len);
	account.credentials[0].secrets[0].value = ma_span(copy, secret.len);
	for (size_t bit = 0; bit < 8 * secret.len; bit++) {
		size_t at = bit / 8;
		/* What local in the own realm needs: all lengths, and the hash of it. */
		bool in_hash = at >= first_hash && at < first_hash + MA_MD5_LEN;
		bool in_realm = at >= 1 && at < first_hash - 1;
		enum mailauth_status got;

		copy[at] ^= (uint8_t)(1u << bit % 8);
		support_status("check", check_password(ma_span(copy, secret.len), PASSWORD),
			       MAILAUTH_E_DENIED);
		got = check(ma_span_text(ALL));
		ck_assert_msg(got == MAILAUTH_E_DENIED ||
				      (got == MAILAUTH_OK && !in_hash && !in_realm && at != 0),
			      "bit %zu: got %d", bit, got);
		copy[at] ^= (uint8_t)(1u << bit % 8);
	}
	support_status("all bits back", check(ma_span_text(ALL)), MAILAUTH_OK);
	ma_free(copy);
}
END_TEST

/* A group for the empty realm that says it has so many charsets, and has hashes for @n_hashes. */
START_TEST(a_secret_with_a_wrong_count_serves_nothing)
{
	static const struct {
		uint8_t n_charsets;
		size_t n_hashes;
		bool is_whole;
	} groups[] = {
		{1, 2, true},	 {2, 4, true},	       {0, 0, false}, {0, 2, false},
		{1, 0, false},	 {1, 1, false},	       {2, 2, false}, {2, 3, false},
		{3, 6, false},	 {255, 2, false},      {1, 4, false}, {2, 6, false},
		{129, 2, false}, {0x30 | 1, 0, false},
	};
	const struct client client = {.username = "chris", .realm = "", .password = PASSWORD};
	const struct ma_span text = ma_span_text("chris::" PASSWORD);
	uint8_t hash[MA_MD5_LEN];

	ma_md5(&text, 1, hash);
	for (size_t i = 0; i < MA_ARRAY_SIZE(groups); i++) {
		size_t len = 2 + groups[i].n_hashes * MA_MD5_LEN;
		uint8_t *secret = ma_alloc(len);
		struct ma_span ha1;
		char name[64];

		ck_assert_ptr_nonnull(secret);
		secret[0] = 0;
		secret[1] = groups[i].n_charsets;
		for (size_t j = 0; j < groups[i].n_hashes; j++)
			memcpy(secret + 2 + j * MA_MD5_LEN, hash, MA_MD5_LEN);
		(void)snprintf(name, sizeof(name), "%u charsets, %zu hashes", groups[i].n_charsets,
			       groups[i].n_hashes);
		account.credentials[0].secrets[0].value = ma_span(secret, len);
		expect(name, &client, groups[i].is_whole ? MAILAUTH_OK : MAILAUTH_E_DENIED);
		ck_assert_int_eq(
			ma_digest_md5_find(ma_span(secret, len), ma_span(NULL, 0), false, &ha1),
			groups[i].is_whole);
		/* the other hash is that of local, not of local@realm */
		support_status(name, check_password(ma_span(secret, len), PASSWORD),
			       MAILAUTH_E_DENIED);
		ma_free(secret);
	}
}
END_TEST

START_TEST(checks_a_password_of_every_length)
{
	static const size_t lens[] = {1, MAILAUTH_PASSWORD_MAX - 1, MAILAUTH_PASSWORD_MAX,
				      MAILAUTH_PASSWORD_MAX + 1, MAILAUTH_MESSAGE_MAX};
	static const char *const accounts[] = {
		FULL,
		/* the longest */
		"llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll@"
		"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
		"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
		"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
		"rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr",
	};
	static uint8_t password[MAILAUTH_MESSAGE_MAX];

	for (size_t i = 0; i < sizeof(password); i++)
		password[i] = i % 2 == 0 ? 0xc3 : 0xa4;
	for (size_t i = 0; i < MA_ARRAY_SIZE(lens) * MA_ARRAY_SIZE(accounts); i++) {
		const char *name = accounts[i % MA_ARRAY_SIZE(accounts)];
		size_t len = lens[i / MA_ARRAY_SIZE(accounts)];
		const struct ma_subject subject = subject_of(name);
		struct ma_span in = ma_span(password, len);
		enum mailauth_status got;

		if (len <= MAILAUTH_PASSWORD_MAX) {
			ma_buf_reset(&account.secret);
			support_status(name, kind()->derive(kind(), &subject, in, &account.secret),
				       MAILAUTH_OK);
		}
		got = kind()->check(kind(), &subject, ma_buf_span(&account.secret), in);
		ck_assert_msg(
			got == (len <= MAILAUTH_PASSWORD_MAX ? MAILAUTH_OK : MAILAUTH_E_DENIED),
			"%zu bytes: got %d", len, got);
		in.len = len < MAILAUTH_PASSWORD_MAX ? len + 1 : MAILAUTH_PASSWORD_MAX - 1;
		support_status("another length",
			       kind()->check(kind(), &subject, ma_buf_span(&account.secret), in),
			       MAILAUTH_E_DENIED);
	}
}
END_TEST

/* Eight realms of the greatest length, both charsets. */
START_TEST(the_longest_secret_fits)
{
	char realms[8 * 256];
	const struct ma_config longest = {.digest_realms = realms};
	struct ma_subject subject = subject_of(FULL);
	uint8_t bytes[MA_SECRET_MAX];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));

	memset(realms, 'r', sizeof(realms));
	for (size_t i = 0; i < 8; i++) {
		realms[256 * i] = (char)('a' + i);
		realms[256 * i + 255] = i < 7 ? ' ' : '\0';
	}
	subject.config = &longest;
	ck_assert_int_eq(kind()->derive(kind(), &subject, ma_span_text(WORT_UTF8), &out),
			 MAILAUTH_OK);
	ck_assert_int_eq(
		kind()->check(kind(), &subject, ma_buf_span(&out), ma_span_text(WORT_UTF8)),
		MAILAUTH_OK);
}
END_TEST

START_TEST(a_decoy_looks_like_a_secret_and_fits_nothing)
{
	const struct ma_subject subject = subject_of(FULL);
	const struct ma_decoy from = {.seed = "an unknown user's seed, 32 byte"};
	static const char *const realms[] = {OWN_REALM, "", "lab.test", "old.test"};
	size_t len = account.secret.len;
	struct ma_span ha1;

	ma_buf_reset(&account.secret);
	ck_assert_int_eq(kind()->decoy(kind(), &subject, &from, &account.secret), MAILAUTH_OK);
	ck_assert_uint_eq(account.secret.len, len);
	account.credentials[0].secrets[0].value = ma_buf_span(&account.secret);
	for (size_t i = 0; i < MA_ARRAY_SIZE(realms); i++) {
		const struct client client = {
			.username = "chris", .realm = realms[i], .password = PASSWORD};

		expect(realms[i], &client, MAILAUTH_E_DENIED);
		ck_assert(ma_digest_md5_find(ma_buf_span(&account.secret), ma_span_text(realms[i]),
					     false, &ha1));
	}
	support_status("check", check_password(ma_buf_span(&account.secret), PASSWORD),
		       MAILAUTH_E_DENIED);
}
END_TEST

/* ---- the challenge ---- */

static enum mailauth_status ask(struct ma_span realm)
{
	void *state = ma_alloc(ma_mech_digest_md5.state_size);
	struct ma_exchange exchange = exchange_with(state);
	enum mailauth_status status;

	ck_assert_ptr_nonnull(state);
	exchange.realm = realm;
	reply.buf = ma_buf_fixed(reply.bytes, sizeof(reply.bytes));
	status = ma_mech_digest_md5.step(&exchange, ma_span(NULL, 0), &reply.buf);
	ma_free(state);
	return status;
}

static const struct {
	const char *name;
	const char *realm;
	const char *want;
} challenges[] = {
	{"usual", OWN_REALM, "realm=\"" OWN_REALM "\",nonce=\""},
	{"in lower case, as accounts have it", "Example.ORG", "realm=\"example.org\",nonce=\""},
	{"UTF-8",
	 "b\xc3\xbc"
	 "cher.example",
	 "realm=\"b\xc3\xbc"
	 "cher.example\",nonce=\""},
	{"a quote", "a\"b", "realm=\"a\\\"b\",nonce=\""},
	{"a backslash", "a\\b", "realm=\"a\\\\b\",nonce=\""},
	{"a quote and a directive", "\",nonce=\"x", "realm=\"\\\",nonce=\\\"x\",nonce=\""},
	{"empty", "", "realm=\"\",nonce=\""},
};

/* RFC 2831 section 2.1.1 */
START_TEST(challenge_has_one_realm_and_what_clients_need)
{
	const char *want = challenges[_i].want;
	const char *text;

	support_status(challenges[_i].name, ask(ma_span_text(challenges[_i].realm)),
		       MAILAUTH_CONTINUE);
	text = ma_buf_text(&reply.buf);
	ck_assert_msg(strncmp(text, want, strlen(want)) == 0, "%s: got %s, want %s",
		      challenges[_i].name, text, want);
	text += strlen(want);
	ck_assert_msg(strspn(text, "0123456789abcdef") == 32, "%s: got %s", challenges[_i].name,
		      text);
	ck_assert_str_eq(text + 32, "\",qop=\"auth\",charset=utf-8,algorithm=md5-sess");
}
END_TEST

/* RFC 2831 section 2.1.1: less than 2048 bytes */
START_TEST(challenge_is_shorter_than_2048_bytes)
{
	char realm[2048];

	memset(realm, '"', sizeof(realm));
	support_status("the longest realm", ask(ma_span(realm, MAILAUTH_REALM_MAX)),
		       MAILAUTH_CONTINUE);
	ck_assert_uint_lt(reply.buf.len, 2048);
	memset(realm, 'r', sizeof(realm));
	for (size_t len = 1800; len <= sizeof(realm); len++) {
		enum mailauth_status got = ask(ma_span(realm, len));

		ck_assert_msg(got == (reply.buf.len < 2048 ? MAILAUTH_CONTINUE : MAILAUTH_E_LIMIT),
			      "realm of %zu bytes, challenge of %zu: got %d", len, reply.buf.len,
			      got);
	}
	ck_assert_uint_gt(reply.buf.len, 2048);
}
END_TEST

START_TEST(nonces_never_repeat)
{
	char seen[64][33];

	for (size_t i = 0; i < MA_ARRAY_SIZE(seen); i++) {
		const char *nonce;

		ck_assert_int_eq(ask(ma_span_text(OWN_REALM)), MAILAUTH_CONTINUE);
		nonce = strstr(ma_buf_text(&reply.buf), "nonce=\"");
		ck_assert_ptr_nonnull(nonce);
		(void)snprintf(seen[i], sizeof(seen[i]), "%s", nonce + 7);
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(seen[i], seen[j]);
	}
}
END_TEST

START_TEST(refuses_a_client_that_begins)
{
	static const char *const firsts[] = {ALL, ",", " ", "x", "chris"};

	for (size_t i = 0; i < MA_ARRAY_SIZE(firsts); i++) {
		void *state = ma_alloc(ma_mech_digest_md5.state_size);
		struct ma_exchange exchange = exchange_with(state);

		ck_assert_ptr_nonnull(state);
		reply.buf = ma_buf_fixed(reply.bytes, sizeof(reply.bytes));
		support_status(
			firsts[i],
			ma_mech_digest_md5.step(&exchange, ma_span_text(firsts[i]), &reply.buf),
			MAILAUTH_E_PROTOCOL);
		ck_assert_uint_eq(reply.buf.len, 0);
		ck_assert_uint_eq(account.n_lookups, 0);
		ma_free(state);
	}
}
END_TEST

/* ---- secrets as text: USER:REALM:HASH ---- */

#define H1 "00112233445566778899aabbccddeeff"
#define H2 "ffeeddccbbaa99887766554433221100"
#define H3 "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
#define H4 "f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0"

/* Puts one text after the other, each into what the account has by then. @last_out: why the last
 * one was refused, or NULL. */
static struct ma_span put_texts(const char *const texts[], size_t n, uint8_t *bytes,
				const char **last_out)
{
	const struct ma_subject subject = subject_of(FULL);
	static uint8_t old_bytes[MA_SECRET_MAX];
	struct ma_span old = ma_span(NULL, 0);

	*last_out = NULL;
	for (size_t i = 0; i < n && texts[i] != NULL; i++) {
		struct ma_buf out = ma_buf_fixed(bytes, MA_SECRET_MAX);

		*last_out = kind()->parse(kind(), &subject, ma_span_text(texts[i]), old, &out);
		ck_assert_int_eq(ma_buf_status(&out), MAILAUTH_OK);
		if (*last_out != NULL)
			return old;
		memcpy(old_bytes, bytes, out.len);
		old = ma_span(old_bytes, out.len);
	}
	return old;
}

static const struct {
	const char *texts[3]; /* put one after the other */
	const char *want[3];  /* what there is then; none: the last one is refused */
} texts[] = {
	{{"chris:r.test:" H1}, {"chris:r.test:" H1}},
	{{FULL ":r.test:" H1}, {FULL ":r.test:" H1}},
	{{"chris::" H1}, {"chris::" H1}},
	{{"chris:r.test:" H1 ":" H2}, {"chris:r.test:" H1 ":" H2}},
	{{"chris:r.test:" H1, "chris:r.test:" H2}, {"chris:r.test:" H2}},
	{{"chris:r.test:" H1, "chris:s.test:" H2}, {"chris:r.test:" H1, "chris:s.test:" H2}},
	{{"chris:r.test:" H1, FULL ":r.test:" H2}, {"chris:r.test:" H1, FULL ":r.test:" H2}},
	/* One hash among those of two charsets stands for both. */
	{{"chris:r.test:" H1 ":" H2, FULL ":r.test:" H3},
	 {"chris:r.test:" H1 ":" H2, FULL ":r.test:" H3 ":" H3}},
	{{"chris:r.test:" H1 ":" H2, FULL ":r.test:" H3 ":" H4},
	 {"chris:r.test:" H1 ":" H2, FULL ":r.test:" H3 ":" H4}},
	{{"chris:r.test:" H1 ":" H2, FULL ":r.test:" H3, "chris:r.test:" H4},
	 {"chris:r.test:" H4 ":" H4, FULL ":r.test:" H3 ":" H3}},
	/* Where the other form is not there, one charset remains. */
	{{"chris:r.test:" H1 ":" H2, "chris:r.test:" H3}, {"chris:r.test:" H3}},
	/* The other way round the one hash of the other form is taken twice. */
	{{FULL ":r.test:" H1, "chris:r.test:" H2 ":" H3},
	 {"chris:r.test:" H2 ":" H3, FULL ":r.test:" H1 ":" H1}},
	{{"chris"}, {NULL}},
	{{"tim:r.test:" H1}, {NULL}},
	{{"chris:r.test"}, {NULL}},
	{{"chris:r.test:"}, {NULL}},
	{{"chris:r.test:" H1 "0"}, {NULL}},
	{{"chris:r.test:" H1 ":"}, {NULL}},
	{{"chris:r.test:x:" H2}, {NULL}},
	{{"chris:r.test:" H1 ":x"}, {NULL}},
	{{"chris:r.test:" H1 ":" H2 ":" H3}, {NULL}},
	{{"chris:r\xe4.test:" H1}, {NULL}},
};

START_TEST(takes_hashes_of_other_systems)
{
	const struct ma_subject subject = subject_of(FULL);
	uint8_t bytes[MA_SECRET_MAX];
	const char *why;
	struct ma_span secret = put_texts(texts[_i].texts, 3, bytes, &why);
	size_t part;

	if (texts[_i].want[0] == NULL) {
		ck_assert_msg(why != NULL, "%s: was taken", texts[_i].texts[0]);
		return;
	}
	ck_assert_msg(why == NULL, "%s...: %s", texts[_i].texts[0], why);
	for (part = 0; part < 3 && texts[_i].want[part] != NULL; part++) {
		char text[512];
		struct ma_buf out = ma_buf_fixed(text, sizeof(text));

		ck_assert(kind()->format(kind(), &subject, secret, part, &out));
		ck_assert_str_eq(ma_buf_text(&out), texts[_i].want[part]);
	}
	ck_assert(!kind()->format(kind(), &subject, secret, part, &(struct ma_buf){.len = 0}));
}
END_TEST

START_TEST(takes_no_realm_that_is_too_long)
{
	for (size_t len = MAILAUTH_REALM_MAX; len <= MAILAUTH_REALM_MAX + 1; len++) {
		char realm[MAILAUTH_REALM_MAX + 2] = "";
		char text[512];
		const char *const all[] = {text};
		uint8_t bytes[MA_SECRET_MAX];
		const char *why;

		memset(realm, 'r', len);
		(void)snprintf(text, sizeof(text), "chris:%s:" H1, realm);
		(void)put_texts(all, 1, bytes, &why);
		ck_assert_msg((why == NULL) == (len == MAILAUTH_REALM_MAX), "%zu bytes", len);
	}
}
END_TEST

START_TEST(finds_the_form_that_is_there)
{
	static const char *const all[] = {"chris:r.test:" H1};
	uint8_t bytes[MA_SECRET_MAX];
	const char *why;
	struct ma_span secret = put_texts(all, 1, bytes, &why);
	struct ma_span ha1;

	ck_assert(ma_digest_md5_find(secret, ma_span_text("r.test"), false, &ha1));
	ck_assert_uint_eq(ha1.len, MA_MD5_LEN);
	ck_assert(!ma_digest_md5_find(secret, ma_span_text("r.test"), true, &ha1));
	ck_assert(!ma_digest_md5_find(secret, ma_span_text("s.test"), false, &ha1));
}
END_TEST

/* A damaged one is not made worse. */
START_TEST(takes_no_hash_beside_damaged_ones)
{
	const struct ma_subject subject = subject_of(FULL);
	static const uint8_t damaged[] = {3, 'a', 'b'};
	uint8_t bytes[MA_SECRET_MAX];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));
	const char *why = kind()->parse(kind(), &subject, ma_span_text("chris:r.test:" H1),
					ma_span(damaged, sizeof(damaged)), &out);

	ck_assert_ptr_nonnull(why);
	ck_assert_ptr_nonnull(strstr(why, "damaged"));
	ck_assert(!kind()->format(kind(), &subject, ma_span(damaged, sizeof(damaged)), 0, &out));
}
END_TEST

/* The realms that a password is kept for: each once. */
START_TEST(keeps_a_password_for_each_realm_once)
{
	static char too_long[MAILAUTH_REALM_MAX + 2];
	static char mixed[] = "Mail.Example.[NET]";
	static char list[] = "other.test " OWN_REALM ",mail.example.[net]";
	struct {
		char *offered;
		size_t n_parts; /* two for each realm */
	} offers[] = {{NULL, 8}, {mixed, 8}, {too_long, 8}};

	memset(too_long, 'r', sizeof(too_long) - 1);
	for (size_t i = 0; i < MA_ARRAY_SIZE(offers); i++) {
		const struct ma_config here = {.default_realm = offers[i].offered,
					       .digest_realms = list};
		struct ma_subject subject = subject_of(FULL);
		uint8_t bytes[MA_SECRET_MAX];
		struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));
		struct ma_span ha1;
		size_t n = 0;

		subject.config = &here;
		ck_assert_int_eq(kind()->derive(kind(), &subject, ma_span_text(PASSWORD), &out),
				 MAILAUTH_OK);
		for (;; n++) {
			char text[512];
			struct ma_buf part = ma_buf_fixed(text, sizeof(text));

			if (!kind()->format(kind(), &subject, ma_buf_span(&out), n, &part))
				break;
		}
		ck_assert_uint_eq(n, offers[i].n_parts);
		ck_assert(ma_digest_md5_find(ma_buf_span(&out), ma_span_text("mail.example.[net]"),
					     false, &ha1));
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mech_digest_md5");
	TCase *tcase = tcase_create("mech_digest_md5");

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, gives_the_known_answers);
	tcase_add_test(tcase, client_gives_the_known_answers);
	tcase_add_loop_test(tcase, knows_the_forms_of_a_name, 0, MA_ARRAY_SIZE(forms));
	tcase_add_loop_test(tcase, binds_the_authzid, 0, MA_ARRAY_SIZE(authzids));
	tcase_add_test(tcase, denies_a_wrong_password);
	tcase_add_loop_test(tcase, accepts_both_charsets, 0, MA_ARRAY_SIZE(charsets));
	tcase_add_test(tcase, hands_on_long_names_in_latin1);
	tcase_add_loop_test(tcase, reads_responses_as_rfc_2831_says, 0, MA_ARRAY_SIZE(rows));
	tcase_add_loop_test(tcase, takes_quotes_and_escapes_off, 0, MA_ARRAY_SIZE(names));
	tcase_add_test(tcase, wants_each_required_directive_and_each_once);
	tcase_add_test(tcase, refuses_every_part_of_a_response);
	tcase_add_test(tcase, refuses_nul_anywhere);
	tcase_add_test(tcase, limits_responses);
	tcase_add_test(tcase, refuses_every_other_digit_of_a_response);
	tcase_add_test(tcase, hands_on_what_lookup_says);
	tcase_add_test(tcase, reports_a_reply_without_room);
	tcase_add_test(tcase, tries_every_credential);
	tcase_add_test(tcase, a_secret_that_is_cut_serves_nothing);
	tcase_add_test(tcase, a_secret_with_a_bit_changed_is_no_password);
	tcase_add_test(tcase, a_secret_with_a_wrong_count_serves_nothing);
	tcase_add_test(tcase, checks_a_password_of_every_length);
	tcase_add_test(tcase, the_longest_secret_fits);
	tcase_add_test(tcase, a_decoy_looks_like_a_secret_and_fits_nothing);
	tcase_add_loop_test(tcase, challenge_has_one_realm_and_what_clients_need, 0,
			    MA_ARRAY_SIZE(challenges));
	tcase_add_test(tcase, challenge_is_shorter_than_2048_bytes);
	tcase_add_test(tcase, nonces_never_repeat);
	tcase_add_test(tcase, refuses_a_client_that_begins);
	tcase_add_loop_test(tcase, takes_hashes_of_other_systems, 0, MA_ARRAY_SIZE(texts));
	tcase_add_test(tcase, takes_no_realm_that_is_too_long);
	tcase_add_test(tcase, finds_the_form_that_is_there);
	tcase_add_test(tcase, takes_no_hash_beside_damaged_ones);
	tcase_add_test(tcase, keeps_a_password_for_each_realm_once);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
