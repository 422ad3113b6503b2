/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * dialogue.c - whole logins made of a fuzzer's bytes
 *
 * See dialogue.h. The accounts are made and sealed here rather than through the public calls,
 * because some of them are what those would never write: damaged, or with several credentials.
 */
#include "dialogue.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mailauth/admin.h>

#include "login.h"
#include "util/prep.h"

#define DAY	    20000
#define MESSAGE_MAX (MAILAUTH_MESSAGE_MAX + 512) /* enough to go beyond the library's maximum */

#define KIND(k)	    (1u << MA_KIND_##k)
#define SERVED                                                                                     \
	(KIND(CRAM_MD5) | KIND(DIGEST_MD5) | KIND(SCRAM_SHA_1) | KIND(SCRAM_SHA_256) |             \
	 KIND(SCRAM_SHA_512) | KIND(SASL_PLAIN))

enum trait { PLAINLY, LOCKED, EXPIRED, MUST_CHANGE, TOO_OLD, DEVICE, DAMAGED, ABSENT };

/* The passwords are long, so that no fuzzer finds them but through a token. */
static const struct row {
	const char *local;
	const char *realm;
	const char *password;
	const char *groups;
	unsigned int kinds;
	enum trait trait;
} rows[] = {
	{"alice", "example.org", "Ohk4aemee7-alice", "imap,smtp", SERVED | KIND(PASSWORD), PLAINLY},
	{"bob", "example.org", "aiZ9ahcaiv-bob", "", SERVED, PLAINLY},
	{"j\xc3\xbcrgen", "example.org", "Gr\xc3\xbc\xc3\x9f-eiy5Ohz0", "", SERVED | KIND(PASSWORD),
	 PLAINLY},
	/* Not in Latin-1; SASLprep makes an 'a' of U+00AA */
	{"\xd0\xb4\xd0\xb8\xd0\xbc\xd0\xb0", "example.org",
	 "\xd0\xbf\xc2\xaa\xc2\xad\xd1\x80-Eib2eij", "", SERVED | KIND(PASSWORD), PLAINLY},
	{"locked", "example.org", "aePh2Iequ6-locked", "smtp", SERVED | KIND(PASSWORD), LOCKED},
	{"expired", "example.org", "ooB9zei0ai-expired", "smtp", SERVED | KIND(PASSWORD), EXPIRED},
	{"change", "example.org", "Ish8ko7oit-change", "smtp", SERVED | KIND(PASSWORD),
	 MUST_CHANGE},
	{"old", "example.org", "eeR2aiBei3-old", "smtp", SERVED | KIND(PASSWORD), TOO_OLD},
	{"dora", "example.org", "Tho3Hohz4a-dora", "smtp", SERVED | KIND(PASSWORD), DEVICE},
	{"erna", "example.org", "ahFo8ieNg6-erna", "smtp", SERVED | KIND(PASSWORD), DAMAGED},
	{"nobody", "example.org", "Aid3eeph0g-nobody", "", 0, ABSENT},
	{"carol", "other.test", "Queu5reing-carol", "smtp", SERVED | KIND(PASSWORD), PLAINLY},
	{"greg", "example.org", "Ua1tuo6Iph-greg", "smtp", KIND(CRYPT), PLAINLY},
	/* Where names need escapes: SCRAM's '=', DIGEST-MD5's '\' */
	{"o=b\\ack", "example.org", "quie=7,Na\"i\\e-oback", "smtp", SERVED | KIND(PASSWORD),
	 PLAINLY},
	{"emil", "example.org", "Chai5ooLah-emil", "", 0, PLAINLY},
};

static struct fuzz_account accounts[MA_ARRAY_SIZE(rows)];

static const char config_text[] = "store = memory:\n"
				  "key_file = %s/store.key\n"
				  "default_realm = example.org\n"
				  "digest_realms = lab.test MAIL.example.net\n"
				  "scram_iterations = 4096\n"
				  "crypt_method = sha256crypt\n"
				  "crypt_cost = 1000\n"
				  "plaintext = always\n";

/* ---- the server ---- */

static struct {
	unsigned int n_logins;
	bool quiet; /* a target asks something beside the dialogue */
	char last[MA_LOG_MAX];
} seen;

static int64_t canned_clock(void)
{
	return (int64_t)DAY * 86400;
}

/* Nothing that a client says needs a person, and each login is told once, in one line. */
static void take_log(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	(void)arg;
	FUZZ_CHECK(fuzz_is_line(text));
	FUZZ_CHECK(level == MAILAUTH_LOG_INFO);
	FUZZ_CHECK(strcmp(event, "login") == 0);
	if (seen.quiet)
		return;
	seen.n_logins++;
	(void)snprintf(seen.last, sizeof(seen.last), "%s", text);
}

static void write_text(const char *path, const char *text)
{
	FILE *stream = fopen(path, "we");

	FUZZ_CHECK(stream != NULL);
	FUZZ_CHECK(fputs(text, stream) >= 0);
	FUZZ_CHECK(fclose(stream) == 0);
}

/* The files are needed to open only, so they are gone before anything can go wrong. */
static struct mailauth *open_context(void)
{
	const char *base = getenv("TMPDIR");
	char folder[256];
	char config[300];
	char key[300];
	char text[1024];
	struct mailauth *ctx;
	const struct mailauth_options options = {.size = sizeof(options), .config = config};

	(void)snprintf(folder, sizeof(folder), "%s/mailauth-fuzz-XXXXXX",
		       base != NULL ? base : "/tmp");
	FUZZ_CHECK(mkdtemp(folder) != NULL);
	(void)snprintf(config, sizeof(config), "%s/mailauth.conf", folder);
	(void)snprintf(key, sizeof(key), "%s/store.key", folder);
	(void)snprintf(text, sizeof(text), config_text, folder);
	write_text(config, text);
	FUZZ_CHECK(ma_store_init(&options, geteuid(), (gid_t)-1) == MAILAUTH_OK);
	FUZZ_CHECK(ma_context_open(&options, geteuid(), &ctx) == MAILAUTH_OK);
	FUZZ_CHECK(unlink(config) == 0);
	FUZZ_CHECK(unlink(key) == 0);
	FUZZ_CHECK(rmdir(folder) == 0);
	FUZZ_CHECK(ma_engine_start(ctx) == MAILAUTH_OK);
	ctx->now_s = canned_clock;
	mailauth_set_logger(ctx, take_log, NULL, MAILAUTH_LOG_INFO);
	return ctx;
}

static void add_secrets(const struct mailauth *ctx, const struct row *row,
			struct ma_credential *credential, struct ma_buf *bytes)
{
	const struct ma_subject subject = {
		.crypto = ma_engine(ctx)->crypto,
		.config = &ctx->config,
		.local = ma_span_text(row->local),
		.realm = ma_span_text(row->realm),
	};

	for (unsigned int id = MA_KIND_CRYPT; id <= MA_KIND_PASSWORD; id++) {
		const struct ma_kind *kind = ma_kind_find(id);
		size_t start = bytes->len;

		if ((row->kinds & 1u << id) == 0)
			continue;
		FUZZ_CHECK(kind->derive(kind, &subject, ma_span_text(row->password), bytes) ==
			   MAILAUTH_OK);
		credential->secrets[credential->n_secrets++] = (struct ma_secret){
			.kind = (uint8_t)id,
			.value = ma_span(bytes->p + start, bytes->len - start),
		};
	}
}

/* Half of the secrets lose their last byte, the others their first. */
static void damage(struct ma_credential *credential)
{
	for (size_t i = 0; i < credential->n_secrets; i++) {
		struct ma_span *value = &credential->secrets[i].value;

		*value = ma_span(value->p + i % 2, value->len - 1);
	}
}

static void set_trait(enum trait trait, struct ma_account *account)
{
	static const uint8_t zeros[MA_HMAC_MD5_STATE];

	switch (trait) {
	case LOCKED:
		account->flags |= MA_ACCOUNT_LOCKED;
		break;
	case EXPIRED:
		account->expire = DAY;
		break;
	case MUST_CHANGE:
		account->last_change = 0;
		break;
	case TOO_OLD:
		account->last_change = DAY - 20;
		account->max = 10;
		account->inactive = 5;
		break;
	case DEVICE: /* the main credential has something else */
		account->credentials[1] = account->credentials[0];
		account->credentials[1].label = ma_span_text("printer");
		account->credentials[0].n_secrets = 1;
		account->credentials[0].secrets[0] = (struct ma_secret){
			.kind = MA_KIND_CRAM_MD5, .value = ma_span(zeros, sizeof(zeros))};
		account->n_credentials = 2;
		break;
	case DAMAGED:
		damage(&account->credentials[0]);
		break;
	case PLAINLY:
	case ABSENT:
		break;
	}
}

/* Salt and iterations are where mech_scram.c has them; the client gets them from the server. */
static void make_scram_keys(enum ma_hash hash, struct ma_span secret, const char *password,
			    struct fuzz_scram_keys *keys_out)
{
	MA_CLEANUP(ma_buf_clear) struct ma_buf prepared = ma_buf(MA_PREP_MAX);
	const struct ma_span client = ma_span_text("Client Key");
	const struct ma_span server = ma_span_text("Server Key");
	uint8_t salted[MA_HASH_MAX];
	struct ma_span key = ma_span(salted, ma_hash_len(hash));
	struct ma_span salt;
	uint32_t iterations;

	FUZZ_CHECK(ma_span_take_u32(&secret, &iterations) && ma_span_take_bytes8(&secret, &salt));
	FUZZ_CHECK(ma_saslprep(ma_span_text(password), &prepared) == MAILAUTH_OK);
	ma_pbkdf2(hash, ma_buf_span(&prepared), salt, iterations, salted);
	ma_hmac(hash, key, &client, 1, keys_out->client);
	ma_hmac(hash, key, &server, 1, keys_out->server);
	ma_hash(hash, ma_span(keys_out->client, key.len), keys_out->stored);
}

static void learn(const struct ma_credential *credential, struct fuzz_account *account)
{
	static const enum ma_kind_id kinds[MA_N_HASHES] = {
		[MA_HASH_SHA1] = MA_KIND_SCRAM_SHA_1,
		[MA_HASH_SHA256] = MA_KIND_SCRAM_SHA_256,
		[MA_HASH_SHA512] = MA_KIND_SCRAM_SHA_512,
	};

	for (size_t i = 0; i < MA_N_HASHES; i++) {
		const struct ma_secret *secret = ma_credential_secret(credential, kinds[i]);

		if (secret != NULL)
			make_scram_keys((enum ma_hash)i, secret->value, account->password,
					&account->scram[i]);
	}
}

static void store(struct mailauth *ctx, const struct ma_name *name,
		  const struct ma_account *account)
{
	uint8_t nonce[MA_GCM_NONCE_LEN];
	uint8_t bytes[MA_RECORD_MAX];
	uint8_t key[MA_KEY_MAX];
	struct ma_buf record = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_store_change change = {.key = ma_name_key(name, key)};
	struct ma_cipher *cipher;
	bool conflict;

	FUZZ_CHECK(ma_random(ma_engine(ctx)->crypto, nonce, sizeof(nonce)) == MAILAUTH_OK);
	FUZZ_CHECK(ma_cipher_new(ma_engine(ctx)->crypto, &cipher) == MAILAUTH_OK);
	FUZZ_CHECK(ma_seal(ma_keyring_newest(&ctx->keyring), cipher, name, account,
			   ma_span(nonce, sizeof(nonce)), &record) == MAILAUTH_OK);
	ma_cipher_free(&cipher);
	change.record = ma_buf_span(&record);
	FUZZ_CHECK(ctx->store->ops->apply(ctx->store, &change, 1, &conflict) == MAILAUTH_OK);
	FUZZ_CHECK(!conflict);
}

static void add_account(struct mailauth *ctx, const struct row *row, struct fuzz_account *known)
{
	uint8_t bytes[MA_RECORD_MAX];
	struct ma_buf secrets = ma_buf_fixed(bytes, sizeof(bytes));
	struct ma_account account;
	struct ma_name name;

	*known = (struct fuzz_account){
		.local = row->local, .realm = row->realm, .password = row->password};
	ma_account_init(&account);
	account.groups = ma_span_text(row->groups);
	add_secrets(ctx, row, &account.credentials[0], &secrets);
	learn(&account.credentials[0], known);
	set_trait(row->trait, &account);
	FUZZ_CHECK(ma_name_parse(ma_span_text(row->local), ma_span_text(row->realm), &name) ==
		   NULL);
	if (row->trait != ABSENT)
		store(ctx, &name, &account);
}

static struct mailauth *context(void)
{
	static struct mailauth *ctx;

	if (ctx == NULL) {
		ctx = open_context();
		for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++)
			add_account(ctx, &rows[i], &accounts[i]);
	}
	return ctx;
}

/* Is there a way to log in for this account at all? */
static bool may_log_in(const struct fuzz_dialogue *dialogue, const struct fuzz_account *account)
{
	const struct row *row = &rows[account - accounts];
	const char *group = dialogue->way->request.group;

	if (row->trait != PLAINLY && row->trait != DEVICE)
		return false;
	if (group != NULL && !ma_words_has(ma_span_text(row->groups), ma_span_text(group)))
		return false;
	return dialogue->mech->by_password ? row->kinds != 0
					   : (row->kinds & 1u << dialogue->mech->kind->id) != 0;
}

/* ---- the client ---- */

/* A message as it is put together. */
struct message {
	struct ma_buf text;
	size_t n_proofs;
	struct proof {
		uint8_t letter;
		size_t at;
	} proofs[FUZZ_PROOFS_MAX];
	bool quit;
	uint8_t bytes[MESSAGE_MAX];
};

static void repeat(struct ma_buf *text, size_t from, size_t times)
{
	size_t len = text->len - from;

	for (size_t i = 0; i < times; i++)
		if (len <= text->max - text->len)
			ma_buf_put(text, ma_span(text->p + from, len));
}

static bool is_proof(const struct fuzz_client *client, uint8_t letter)
{
	return letter == 'P' || letter == 'W' ||
	       (client->proofs != NULL && letter != '\0' && strchr(client->proofs, letter) != NULL);
}

static void expand(const struct fuzz_client *client, const struct fuzz_dialogue *dialogue,
		   uint8_t letter, struct message *message)
{
	struct ma_buf *text = &message->text;

	switch (letter) {
	case '0':
		ma_buf_put_u8(text, '\0');
		return;
	case 'n':
		ma_buf_put_u8(text, '\n');
		return;
	case 'r':
		if (text->len > 0)
			repeat(text, text->len - 1, 100);
		return;
	case 'd':
		repeat(text, 0, 1);
		return;
	case 'Q':
		message->quit = true;
		return;
	case 'U':
		ma_buf_put_text(text, dialogue->account->local);
		return;
	case 'F':
		ma_buf_printf(text, "%s@%s", dialogue->account->local, dialogue->account->realm);
		return;
	case 'M':
		ma_buf_put_text(text, dialogue->account->realm);
		return;
	default:
		break;
	}
	if (is_proof(client, letter)) {
		if (message->n_proofs < FUZZ_PROOFS_MAX)
			message->proofs[message->n_proofs++] =
				(struct proof){.letter = letter, .at = text->len};
	} else if (client->expand == NULL || !client->expand(dialogue, letter, text)) {
		ma_buf_put_u8(text, letter);
	}
}

static const struct fuzz_account *owner(const struct fuzz_dialogue *dialogue, uint8_t letter)
{
	return letter == 'W' ? dialogue->other : dialogue->account;
}

/* The proofs come last, because they are over the rest. */
static void insert_proofs(const struct fuzz_client *client, struct fuzz_dialogue *dialogue,
			  struct message *message)
{
	dialogue->n_answers = message->n_proofs;
	for (size_t i = message->n_proofs; i > 0; i--) {
		const struct proof *proof = &message->proofs[i - 1];
		uint8_t bytes[1024];
		struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));
		struct ma_buf *text = &message->text;
		struct ma_buf *answer = &dialogue->answers[i - 1];

		*answer = ma_buf_fixed(dialogue->answer_bytes[i - 1],
				       sizeof(dialogue->answer_bytes[i - 1]));
		client->prove(dialogue, owner(dialogue, proof->letter), proof->letter,
			      ma_buf_span(text), proof->at, &out, answer);
		if (out.len > text->max - text->len)
			continue;
		memmove(text->p + proof->at + out.len, text->p + proof->at, text->len - proof->at);
		memcpy(text->p + proof->at, out.p, out.len);
		text->len += out.len;
	}
}

static void compose(const struct fuzz_client *client, struct fuzz_dialogue *dialogue,
		    struct ma_span line, struct message *message)
{
	uint8_t c;

	message->text = ma_buf_fixed(message->bytes, sizeof(message->bytes));
	message->n_proofs = 0;
	message->quit = false;
	while (ma_span_take_u8(&line, &c)) {
		if (c == '~' && ma_span_take_u8(&line, &c))
			expand(client, dialogue, c, message);
		else if (message->text.len < message->text.max)
			message->text.p[message->text.len++] = c;
	}
	/* An answer may come late, after a message of no proofs. */
	if (message->n_proofs > 0)
		insert_proofs(client, dialogue, message);
}

/* ---- one run ---- */

/* What happened, to be compared with the second time. */
struct run {
	size_t n;
	enum mailauth_status status[FUZZ_STEPS_MAX];
	struct ma_span replies[FUZZ_STEPS_MAX];
	char log[MA_LOG_MAX];
};

static void check_end(struct mailauth_session *session, enum mailauth_status status)
{
	const char *user = mailauth_session_user(session);
	const void *reply;
	size_t len;

	FUZZ_CHECK(status == MAILAUTH_OK || status == MAILAUTH_E_DENIED ||
		   status == MAILAUTH_E_PROTOCOL || status == MAILAUTH_E_LIMIT);
	FUZZ_CHECK(mailauth_session_step(session, "", 0, &reply, &len) == MAILAUTH_E_PROTOCOL);
	FUZZ_CHECK(reply == NULL && len == 0);
	FUZZ_CHECK(mailauth_session_user(session) == user);
	FUZZ_CHECK(seen.n_logins == 1);
	FUZZ_CHECK((strncmp(seen.last, "result=ok ", 10) == 0) == (status == MAILAUTH_OK));
}

/* The user is one of those whose right proof was given, in its stored form. */
static void check_user(const struct fuzz_dialogue *dialogue, const char *user,
		       const bool proved[MA_ARRAY_SIZE(rows)])
{
	bool found = false;

	FUZZ_CHECK(user != NULL);
	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		char name[MAILAUTH_NAME_MAX + 1];

		(void)snprintf(name, sizeof(name), "%s@%s", rows[i].local, rows[i].realm);
		if (strcmp(user, name) != 0)
			continue;
		FUZZ_CHECK(proved[i]);
		FUZZ_CHECK(may_log_in(dialogue, &accounts[i]));
		found = true;
	}
	FUZZ_CHECK(found);
}

static enum mailauth_status step(const struct fuzz_client *client, struct fuzz_dialogue *dialogue,
				 struct mailauth_session *session, struct ma_span message,
				 bool null_if_empty, struct run *run)
{
	uint8_t *copy = fuzz_copy(message);
	const void *reply;
	size_t reply_len;
	enum mailauth_status status =
		mailauth_session_step(session, null_if_empty && message.len == 0 ? NULL : copy,
				      message.len, &reply, &reply_len);

	FUZZ_CHECK(reply_len <= MAILAUTH_MESSAGE_MAX);
	FUZZ_CHECK(reply_len == 0 || status == MAILAUTH_OK || status == MAILAUTH_CONTINUE);
	FUZZ_CHECK((mailauth_session_user(session) != NULL) == (status == MAILAUTH_OK));
	dialogue->sent[dialogue->n] = ma_span(copy, message.len);
	dialogue->got[dialogue->n] = ma_span(fuzz_copy(ma_span(reply, reply_len)), reply_len);
	run->status[dialogue->n] = status;
	run->replies[dialogue->n] = dialogue->got[dialogue->n];
	seen.quiet = true;
	if (client->look != NULL)
		client->look(dialogue, status, dialogue->got[dialogue->n]);
	seen.quiet = false;
	dialogue->n++;
	return status;
}

/* Until the client's words are at an end, and then with empty messages until the server's are. */
static void play(const struct fuzz_client *client, struct fuzz_dialogue *dialogue,
		 struct ma_span lines, bool null_if_empty, struct run *run)
{
	static struct message message;
	struct mailauth_request request = dialogue->way->request;
	struct mailauth_session *session;
	bool proved[MA_ARRAY_SIZE(rows)] = {false};
	enum mailauth_status status = MAILAUTH_CONTINUE;
	struct ma_span line;

	request.size = sizeof(request);
	seen.n_logins = 0;
	seen.last[0] = '\0';
	fuzz_random_reset();
	FUZZ_CHECK(mailauth_session_new(dialogue->ctx, dialogue->way->mech, &request, &session) ==
		   MAILAUTH_OK);
	for (dialogue->n = 0; status == MAILAUTH_CONTINUE;) {
		FUZZ_CHECK(dialogue->n < FUZZ_STEPS_MAX);
		if (!ma_span_take_until(&lines, '\n', &line)) {
			line = lines;
			lines = ma_span(NULL, 0);
		}
		compose(client, dialogue, line, &message);
		if (message.quit)
			break;
		for (size_t i = 0; i < message.n_proofs; i++)
			proved[owner(dialogue, message.proofs[i].letter) - accounts] = true;
		status = step(client, dialogue, session, ma_buf_span(&message.text), null_if_empty,
			      run);
	}
	run->n = dialogue->n;
	if (status != MAILAUTH_CONTINUE)
		check_end(session, status);
	if (status == MAILAUTH_OK)
		check_user(dialogue, mailauth_session_user(session), proved);
	fuzz_accepted = status == MAILAUTH_OK;
	mailauth_session_free(&session);
	FUZZ_CHECK(session == NULL);
	FUZZ_CHECK(seen.n_logins <= 1);
	(void)snprintf(run->log, sizeof(run->log), "%s", seen.last);
}

static void free_span(struct ma_span span)
{
	union {
		const uint8_t *in;
		void *out;
	} address = {.in = span.p};

	free(address.out);
}

static void check_same(const struct run *a, const struct run *b)
{
	FUZZ_CHECK(a->n == b->n);
	for (size_t i = 0; i < a->n; i++) {
		FUZZ_CHECK(a->status[i] == b->status[i]);
		FUZZ_CHECK(ma_span_equal(a->replies[i], b->replies[i]));
	}
	FUZZ_CHECK(strcmp(a->log, b->log) == 0);
}

static size_t pick(struct ma_span *line, size_t n)
{
	uint8_t c = 'a';

	(void)!ma_span_take_u8(line, &c);
	return (size_t)(uint8_t)(c - 'a') % n;
}

int fuzz_dialogue(const struct fuzz_client *client, const uint8_t *data, size_t size)
{
	static struct run runs[2];
	struct fuzz_dialogue dialogues[2];
	struct ma_span lines = ma_span(data, size);
	struct ma_span head;
	size_t way;
	size_t who;

	if (!ma_span_take_until(&lines, '\n', &head))
		return 0;
	way = pick(&head, client->n_ways);
	who = pick(&head, MA_ARRAY_SIZE(accounts));
	for (size_t i = 0; i < 2; i++) {
		struct fuzz_dialogue *dialogue = &dialogues[i];

		*dialogue = (struct fuzz_dialogue){
			.ctx = context(),
			.way = &client->ways[way],
			.mech = ma_mech_find(ma_span_text(client->ways[way].mech)),
			.account = &accounts[who],
			.other = &accounts[(who + 1) % MA_ARRAY_SIZE(accounts)],
		};
		/* No message is one of no bytes, wherever they are not. */
		play(client, dialogue, lines, i == 0, &runs[i]);
	}
	check_same(&runs[0], &runs[1]);
	for (size_t i = 0; i < 2; i++) {
		for (size_t j = 0; j < dialogues[i].n; j++) {
			free_span(dialogues[i].sent[j]);
			free_span(dialogues[i].got[j]);
		}
	}
	return 0;
}

/* ---- for the clients ---- */

bool fuzz_is_answer(const struct fuzz_dialogue *dialogue, struct ma_span reply)
{
	for (size_t i = 0; i < dialogue->n_answers; i++)
		if (ma_span_equal(reply, ma_buf_span(&dialogue->answers[i])))
			return true;
	return false;
}

struct ma_span fuzz_last_reply(const struct fuzz_dialogue *dialogue)
{
	return dialogue->n > 0 ? dialogue->got[dialogue->n - 1] : ma_span(NULL, 0);
}

struct ma_span fuzz_behind(struct ma_span text, const char *before, uint8_t end)
{
	size_t len = strlen(before);
	const uint8_t *at = text.len > 0 ? memmem(text.p, text.len, before, len) : NULL;
	struct ma_span rest;
	struct ma_span value;

	if (at == NULL)
		return ma_span(NULL, 0);
	rest = ma_span(at + len, text.len - (size_t)(at + len - text.p));
	return ma_span_take_until(&rest, end, &value) ? value : rest;
}

void fuzz_put_latin1(const char *text, struct ma_buf *out)
{
	struct ma_span in = ma_span_text(text);
	size_t start = out->len;
	uint32_t point;

	while (ma_span_take_utf8(&in, &point)) {
		if (point > 0xff) {
			out->len = start;
			ma_buf_put_text(out, text);
			return;
		}
		ma_buf_put_u8(out, (uint8_t)point);
	}
}
