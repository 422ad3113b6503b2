/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_mech.c - what mech.h promises, asked of every mechanism and kind in the registry
 *
 * A new mechanism is tested by this file before it has a test of its own. Accounts here hold decoys
 * only, as an unknown user's would: whatever the client sends, no step may say OK.
 */
#include "mech/mech.h"

#include "support.h"
#include "util/mem.h"

#define PASSWORD "tanstaaftanstaaf"

static struct ma_crypto *crypto;
/* Cheap methods, so that slow kinds cost little. */
static char method[] = "sha512crypt";
static char realms[] = "other.test third.test";
static const struct ma_config config = {
	.crypt_method = method, .crypt_cost = 1000, .digest_realms = realms, .scram_iterations = 2};
static const struct ma_decoy stranger = {.seed = "an unknown user's seed, 32 byte"};

static const struct mailauth_binding binding = {
	.type = "tls-exporter", .p = "0123456789abcdef0123456789abcdef", .len = 32};

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

/* The kinds of the registry, one after the other; NULL at the end. */
static const struct ma_kind *nth_kind(size_t n)
{
	for (unsigned int id = 0; id <= UINT8_MAX; id++) {
		const struct ma_kind *kind = ma_kind_find(id);

		if (kind != NULL && n-- == 0)
			return kind;
	}
	return NULL;
}

static struct ma_subject tim(void)
{
	return (struct ma_subject){
		.crypto = crypto,
		.config = &config,
		.local = ma_span_text("tim"),
		.realm = ma_span_text("example.org"),
	};
}

static enum mailauth_status derive(const struct ma_kind *kind, struct ma_span password,
				   struct ma_buf *out)
{
	const struct ma_subject subject = tim();

	return kind->derive(kind, &subject, password, out);
}

static enum mailauth_status check(const struct ma_kind *kind, struct ma_span secret,
				  struct ma_span password)
{
	const struct ma_subject subject = tim();

	return kind->check(kind, &subject, secret, password);
}

static enum mailauth_status make_decoy(const struct ma_kind *kind, const struct ma_decoy *from,
				       struct ma_buf *out)
{
	const struct ma_subject subject = tim();

	return kind->decoy(kind, &subject, from, out);
}

/* ---- dialogues ---- */

struct dialogue {
	struct ma_exchange exchange;
	struct ma_candidates candidates;
	struct ma_credential credential;
	uint8_t decoys[MA_SECRETS_MAX][MA_SECRET_MAX];
	unsigned int n_lookups;
	uint8_t *state;
	uint8_t reply_bytes[MAILAUTH_MESSAGE_MAX];
	struct ma_buf reply;
};

static enum mailauth_status lookup(void *arg, const struct ma_identity *who,
				   const struct ma_candidates **candidates_out)
{
	struct dialogue *dialogue = arg;

	ck_assert_uint_le(who->authzid.len, MAILAUTH_MESSAGE_MAX);
	ck_assert_uint_le(who->realm.len, MAILAUTH_MESSAGE_MAX);
	ck_assert_uint_ge(who->user.len, 1);
	ck_assert_uint_le(who->user.len, MAILAUTH_MESSAGE_MAX);
	dialogue->n_lookups++;
	*candidates_out = &dialogue->candidates;
	return MAILAUTH_OK;
}

/* With a decoy of each kind that the mechanism can use. */
static struct dialogue *dialogue_new(const struct ma_mech *mech)
{
	struct dialogue *dialogue = ma_alloc(sizeof(*dialogue));
	const struct ma_kind *kind;

	ck_assert_ptr_nonnull(dialogue);
	dialogue->state = ma_alloc(mech->state_size > 0 ? mech->state_size : 1);
	ck_assert_ptr_nonnull(dialogue->state);
	for (size_t i = 0; (kind = nth_kind(i)) != NULL; i++) {
		struct ma_credential *credential = &dialogue->credential;
		struct ma_secret secret = {.kind = (uint8_t)kind->id};
		size_t n = credential->n_secrets;
		struct ma_buf out = ma_buf_fixed(dialogue->decoys[n], MA_SECRET_MAX);

		if (!ma_mech_accepts(mech, &secret))
			continue;
		ck_assert_int_eq(make_decoy(kind, &stranger, &out), MAILAUTH_OK);
		secret.value = ma_buf_span(&out);
		credential->secrets[credential->n_secrets++] = secret;
	}
	ck_assert_uint_ge(dialogue->credential.n_secrets, 1);
	dialogue->candidates =
		(struct ma_candidates){.subject = tim(), .n = 1, .items = {&dialogue->credential}};
	dialogue->exchange = (struct ma_exchange){
		.mech = mech,
		.crypto = crypto,
		.host = ma_span_text("mail.example.org"),
		.realm = ma_span_text("example.org"),
		.now_s = 1700000000,
		.n_bindings = mech->needs_binding ? 1 : 0,
		.bindings = &binding,
		.state = dialogue->state,
		.lookup = lookup,
		.lookup_arg = dialogue,
	};
	dialogue->reply = ma_buf_fixed(dialogue->reply_bytes, sizeof(dialogue->reply_bytes));
	return dialogue;
}

static void dialogue_free(struct dialogue *dialogue)
{
	ma_free(dialogue->state);
	ma_free(dialogue);
}

/* From a block of exactly its size. */
static enum mailauth_status step(const struct ma_mech *mech, struct dialogue *dialogue,
				 struct ma_span in)
{
	uint8_t *copy = in.len > 0 ? ma_alloc(in.len) : NULL;
	enum mailauth_status status;

	if (in.len > 0) {
		ck_assert_ptr_nonnull(copy);
		memcpy(copy, in.p, in.len);
	}
	ma_buf_reset(&dialogue->reply);
	status = mech->step(&dialogue->exchange, ma_span(copy, in.len), &dialogue->reply);
	ma_free(copy);
	return status;
}

#define N_RANDOM 200
#define N_FIRST	 4 /* messages that a mechanism goes on after, to try second ones with */

/* The nth hostile message, in @bytes of MAILAUTH_MESSAGE_MAX; false behind the last. */
static bool hostile(size_t n, uint8_t *bytes, struct ma_span *out)
{
	static const char fills[] = {'\0', ' ', 'a', ',', '=', '"', '\x7f', '\xff'};
	static const struct {
		const char *p;
		size_t len;
	} texts[] = {
		{"", 0},
		{"\0", 1},
		{" ", 1},
		{"a", 1},
		{"\0\0", 2},
		{"\0\0\0", 3},
		{"\0a\0", 3},
		{"\0a\0b", 4},
		{"a\0a\0a\0a", 7},
		{"a ", 2},
		{" 00000000000000000000000000000000", 33},
		{"a 00000000000000000000000000000000", 34},
		{"\0tim\0" PASSWORD, 5 + sizeof(PASSWORD) - 1},
		{"n,,n=tim,r=abc", 14},
		{"p=tls-exporter,,n=tim,r=abc", 27},
		{"tim " PASSWORD, 4 + sizeof(PASSWORD) - 1},
		{"username=\"tim\",realm=\"\",nonce=\"\",response=00", 43},
	};
	uint32_t random = (uint32_t)n * 2654435761u + 1;
	size_t len;

	if (n < MA_ARRAY_SIZE(texts)) {
		*out = ma_span(texts[n].p, texts[n].len);
		return true;
	}
	n -= MA_ARRAY_SIZE(texts);
	if (n < 2 * MA_ARRAY_SIZE(fills)) {
		memset(bytes, fills[n / 2], MAILAUTH_MESSAGE_MAX);
		*out = ma_span(bytes, n % 2 == 0 ? MAILAUTH_MESSAGE_MAX : 1);
		return true;
	}
	n -= 2 * MA_ARRAY_SIZE(fills);
	if (n >= N_RANDOM)
		return false;
	len = n % 10 == 0 ? MAILAUTH_MESSAGE_MAX : n + 1;
	for (size_t i = 0; i < len; i++) {
		random = random * 1664525 + 1013904223;
		/* every other one from few characters, to come deeper */
		bytes[i] = n % 2 == 0 ? (uint8_t)(random >> 24)
				      : (uint8_t) "\0a ,=0"[(random >> 24) % 6];
	}
	*out = ma_span(bytes, len);
	return true;
}

static void expect_no_login(const struct ma_mech *mech, enum mailauth_status status, size_t n)
{
	ck_assert_msg(status == MAILAUTH_CONTINUE || status == MAILAUTH_E_DENIED ||
			      status == MAILAUTH_E_PROTOCOL || status == MAILAUTH_E_LIMIT,
		      "%s, message %zu: got %d", mech->name, n, status);
}

START_TEST(survives_hostile_first_messages)
{
	const struct ma_mech *mech = ma_mech_at((size_t)_i);
	static uint8_t bytes[MAILAUTH_MESSAGE_MAX];
	struct ma_span message;

	for (size_t n = 0; hostile(n, bytes, &message); n++) {
		struct dialogue *dialogue = dialogue_new(mech);

		expect_no_login(mech, step(mech, dialogue, message), n);
		ck_assert_uint_le(dialogue->n_lookups, 1);
		dialogue_free(dialogue);
	}
}
END_TEST

/* The first message is empty, or such that the mechanism goes on. */
START_TEST(survives_hostile_second_messages)
{
	const struct ma_mech *mech = ma_mech_at((size_t)_i);
	static uint8_t bytes[MAILAUTH_MESSAGE_MAX];
	static uint8_t first_bytes[MAILAUTH_MESSAGE_MAX];
	struct ma_span message;
	struct ma_span first;
	unsigned int n_first = 0;

	for (size_t i = 0; n_first < N_FIRST && hostile(i, first_bytes, &first); i++) {
		struct dialogue *probe = dialogue_new(mech);
		bool goes_on = step(mech, probe, first) == MAILAUTH_CONTINUE;

		dialogue_free(probe);
		n_first += goes_on;
		for (size_t n = 0; goes_on && hostile(n, bytes, &message); n++) {
			struct dialogue *dialogue = dialogue_new(mech);

			ck_assert_int_eq(step(mech, dialogue, first), MAILAUTH_CONTINUE);
			expect_no_login(mech, step(mech, dialogue, message), n);
			ck_assert_uint_le(dialogue->n_lookups, 1);
			dialogue_free(dialogue);
		}
	}
	ck_assert_msg(n_first > 0, "%s never goes on", mech->name);
}
END_TEST

/* A dialogue of empty messages ends. */
START_TEST(ends_a_dialogue_of_empty_messages)
{
	const struct ma_mech *mech = ma_mech_at((size_t)_i);
	struct dialogue *dialogue = dialogue_new(mech);
	enum mailauth_status status = MAILAUTH_CONTINUE;
	unsigned int n;

	for (n = 0; status == MAILAUTH_CONTINUE && n < 10; n++) {
		status = step(mech, dialogue, ma_span(NULL, 0));
		expect_no_login(mech, status, n);
	}
	ck_assert_msg(n < 10, "%s goes on", mech->name);
	ck_assert_uint_eq(dialogue->n_lookups, 0);
	dialogue_free(dialogue);
}
END_TEST

START_TEST(is_found_by_its_name_in_any_case)
{
	const struct ma_mech *mech = ma_mech_at((size_t)_i);
	char lower[32];
	size_t len = strlen(mech->name);

	ck_assert_uint_ge(len, 1);
	ck_assert_uint_le(len, 20); /* RFC 4422 section 3.1 */
	ck_assert_uint_eq(strspn(mech->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"), len);
	for (size_t i = 0; i <= len; i++)
		lower[i] = mech->name[i] >= 'A' && mech->name[i] <= 'Z'
				   ? (char)(mech->name[i] + 'a' - 'A')
				   : mech->name[i];
	ck_assert_ptr_eq(ma_mech_find(ma_span_text(mech->name)), mech);
	ck_assert_ptr_eq(ma_mech_find(ma_span_text(lower)), mech);
	ck_assert_ptr_null(ma_mech_find(ma_span(mech->name, len - 1)));
	ck_assert_ptr_null(ma_mech_find(ma_span(mech->name, len + 1))); /* with its NUL */
	ck_assert_ptr_null(ma_mech_find(ma_span(NULL, 0)));
	/* by password, or with a kind that the registry knows */
	ck_assert_int_eq(mech->by_password, mech->kind == NULL);
	if (mech->kind != NULL)
		ck_assert_ptr_eq(ma_kind_find(mech->kind->id), mech->kind);
}
END_TEST

/* ---- kinds ---- */

START_TEST(every_kind_is_complete_and_has_an_id_of_its_own)
{
	for (size_t i = 0; i < ma_n_mech_files; i++)
		for (size_t j = 0; ma_mech_files[i]->brings[j] != NULL; j++) {
			const struct ma_kind *kind = ma_mech_files[i]->brings[j];

			ck_assert_msg(ma_kind_find(kind->id) == kind, "%s: its id is taken",
				      kind->name);
			ck_assert(kind->derive != NULL);
			ck_assert(kind->check != NULL);
			ck_assert(kind->decoy != NULL);
			ck_assert_uint_gt(kind->cost_ns, 0);
		}
	for (size_t i = 0; nth_kind(i) != NULL; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(nth_kind(i)->name, nth_kind(j)->name);
	ck_assert_ptr_null(ma_kind_find(0));
	ck_assert_ptr_null(ma_kind_find(255));
	ck_assert_ptr_null(ma_kind_find(256 + MA_KIND_CRYPT));
}
END_TEST

START_TEST(derives_what_it_checks)
{
	static const char *const passwords[] = {
		PASSWORD,
		"x",
		" ",
		"p\xc3\xa4sswort",
		"\xff\xfe",
		"a password that is longer than one block of MD5, which has 64 bytes in it",
	};
	const struct ma_kind *kind = nth_kind((size_t)_i);

	for (size_t i = 0; i < MA_ARRAY_SIZE(passwords); i++) {
		MA_CLEANUP(ma_buf_clear) struct ma_buf secret = ma_buf(MA_SECRET_MAX);
		struct ma_span password = ma_span_text(passwords[i]);
		struct ma_span value;

		ck_assert_int_eq(derive(kind, password, &secret), MAILAUTH_OK);
		value = ma_buf_span(&secret);
		ck_assert_msg(check(kind, value, password) == MAILAUTH_OK,
			      "%s: \"%s\" does not fit", kind->name, passwords[i]);
		for (size_t j = 0; j < MA_ARRAY_SIZE(passwords); j++)
			ck_assert_msg(j == i || check(kind, value, ma_span_text(passwords[j])) ==
							MAILAUTH_E_DENIED,
				      "%s: \"%s\" fits \"%s\"", kind->name, passwords[j],
				      passwords[i]);
		/* one byte less, and what stands in the store, are other passwords */
		password.len--;
		ck_assert_int_eq(check(kind, value, password), MAILAUTH_E_DENIED);
		if (kind->strength != MA_STRENGTH_CLEAR)
			ck_assert_int_eq(check(kind, value, value), MAILAUTH_E_DENIED);
	}
}
END_TEST

/* Two accounts with one password must not look alike where a salt can prevent it. */
START_TEST(derives_anew_each_time_if_salted)
{
	const struct ma_kind *kind = nth_kind((size_t)_i);
	struct ma_buf one = ma_buf(MA_SECRET_MAX);
	struct ma_buf two = ma_buf(MA_SECRET_MAX);
	bool salted =
		kind->shows || kind->strength == MA_STRENGTH_SLOW || kind->id == MA_KIND_SASL_PLAIN;

	ck_assert_int_eq(derive(kind, ma_span_text(PASSWORD), &one), MAILAUTH_OK);
	ck_assert_int_eq(derive(kind, ma_span_text(PASSWORD), &two), MAILAUTH_OK);
	ck_assert_msg(ma_span_equal(ma_buf_span(&one), ma_buf_span(&two)) == !salted,
		      "%s: two secrets of one password are %s", kind->name,
		      salted ? "the same" : "different");
	ma_buf_clear(&one);
	ma_buf_clear(&two);
}
END_TEST

/* A list of secrets is whole without the last ones: bytes of the first, of the second, ... */
static bool is_whole(const struct ma_kind *kind, size_t len)
{
	const char *const list[] = {"example.org", "", "other.test", "third.test"};

	if (kind->id != MA_KIND_DIGEST_MD5)
		return false;
	for (size_t i = 0; i < MA_ARRAY_SIZE(list) && len > 0; i++) {
		size_t one = 1 + strlen(list[i]) + 1 + 2 * (size_t)MA_MD5_LEN;

		if (len < one)
			return false;
		len -= one;
	}
	return len == 0;
}

/* MAILAUTH_E_DENIED for any password: a damaged secret admits nobody and is no error. */
START_TEST(denies_with_a_damaged_secret)
{
	const struct ma_kind *kind = nth_kind((size_t)_i);
	const struct ma_span password = ma_span_text(PASSWORD);
	struct ma_buf secret = ma_buf(MA_SECRET_MAX);
	static uint8_t large[MA_SECRET_MAX + 1];

	ck_assert_int_eq(derive(kind, password, &secret), MAILAUTH_OK);
	for (size_t len = 0; len < secret.len; len++) {
		uint8_t *copy = ma_alloc(len > 0 ? len : 1);

		ck_assert_ptr_nonnull(copy);
		memcpy(copy, secret.p, len);
		ck_assert_msg(check(kind, ma_span(copy, len), password) == MAILAUTH_E_DENIED ||
				      (len > 0 && is_whole(kind, len)),
			      "%s: fits when cut at %zu", kind->name, len);
		ma_free(copy);
	}
	memcpy(large, secret.p, secret.len);
	ck_assert_int_eq(check(kind, ma_span(large, secret.len + 1), password), MAILAUTH_E_DENIED);
	ck_assert_int_eq(check(kind, ma_span(large, sizeof(large)), password), MAILAUTH_E_DENIED);
	for (size_t bit = 0; bit < 8 * secret.len;
	     bit += kind->strength == MA_STRENGTH_SLOW ? 9 : 1) {
		secret.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_msg(check(kind, ma_buf_span(&secret), password) == MAILAUTH_E_DENIED,
			      "%s: fits with bit %zu flipped", kind->name, bit);
		secret.p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_int_eq(check(kind, ma_span(NULL, 0), ma_span(NULL, 0)),
			 kind->strength == MA_STRENGTH_CLEAR ? MAILAUTH_OK : MAILAUTH_E_DENIED);
	ma_buf_clear(&secret);
}
END_TEST

START_TEST(decoys_are_stable_for_a_seed_and_fit_no_password)
{
	static const char *const passwords[] = {"", "x", PASSWORD, "*0", "!"};
	const struct ma_kind *kind = nth_kind((size_t)_i);
	uint8_t bytes[3][MA_SECRET_MAX];
	struct ma_buf first = ma_buf_fixed(bytes[0], MA_SECRET_MAX);
	struct ma_buf again = ma_buf_fixed(bytes[1], MA_SECRET_MAX);
	struct ma_buf other = ma_buf_fixed(bytes[2], MA_SECRET_MAX);
	struct ma_decoy another = stranger;
	struct ma_span value;

	another.seed[0] ^= 1;
	ck_assert_int_eq(make_decoy(kind, &stranger, &first), MAILAUTH_OK);
	ck_assert_int_eq(make_decoy(kind, &stranger, &again), MAILAUTH_OK);
	ck_assert_int_eq(make_decoy(kind, &another, &other), MAILAUTH_OK);
	ck_assert_uint_gt(first.len, 0);
	ck_assert_msg(ma_span_equal(ma_buf_span(&first), ma_buf_span(&again)),
		      "%s: two decoys for one seed", kind->name);
	ck_assert_msg(!ma_span_equal(ma_buf_span(&first), ma_buf_span(&other)),
		      "%s: one decoy for two seeds", kind->name);
	value = ma_buf_span(&first);
	for (size_t i = 0; i < MA_ARRAY_SIZE(passwords); i++)
		ck_assert_msg(check(kind, value, ma_span_text(passwords[i])) == MAILAUTH_E_DENIED,
			      "%s: \"%s\" fits a decoy", kind->name, passwords[i]);
	ck_assert_int_eq(check(kind, value, ma_span(stranger.seed, MA_SEED_LEN)),
			 MAILAUTH_E_DENIED);
}
END_TEST

/* Of the same form, or a dialogue would tell an unknown user from a known one. */
START_TEST(decoys_look_like_secrets)
{
	const struct ma_kind *kind = nth_kind((size_t)_i);
	struct ma_buf secret = ma_buf(MA_SECRET_MAX);
	struct ma_buf decoy = ma_buf(MA_SECRET_MAX);

	ck_assert_int_eq(derive(kind, ma_span_text(PASSWORD), &secret), MAILAUTH_OK);
	ck_assert_int_eq(make_decoy(kind, &stranger, &decoy), MAILAUTH_OK);
	if (kind->id == MA_KIND_CRYPT) /* a setting: the same method and cost */
		ck_assert_mem_eq(decoy.p, secret.p, strlen("$6$rounds=1000$"));
	else if (kind->id != MA_KIND_PASSWORD)
		ck_assert_uint_eq(decoy.len, secret.len);
	ma_buf_clear(&secret);
	ma_buf_clear(&decoy);
}
END_TEST

/* An account that was locked shows what it showed before, and its password fits no longer. */
START_TEST(decoys_show_what_the_account_did)
{
	const struct ma_kind *kind = nth_kind((size_t)_i);
	const struct ma_span password = ma_span_text(PASSWORD);
	struct ma_buf secret = ma_buf(MA_SECRET_MAX);
	struct ma_buf decoy = ma_buf(MA_SECRET_MAX);
	struct ma_decoy from = stranger;
	struct ma_config changed = config; /* since the password was set */
	struct ma_subject subject = tim();

	ck_assert_int_eq(derive(kind, password, &secret), MAILAUTH_OK);
	from.like = ma_buf_span(&secret);
	changed.scram_iterations++;
	subject.config = &changed;
	ck_assert_int_eq(kind->decoy(kind, &subject, &from, &decoy), MAILAUTH_OK);
	ck_assert_int_eq(check(kind, ma_buf_span(&decoy), password), MAILAUTH_E_DENIED);
	if (kind->shows) { /* the iterations and the salt */
		ck_assert_uint_eq(decoy.len, secret.len);
		ck_assert_mem_eq(decoy.p, secret.p, 4 + 1 + 16);
	}
	/* of what is damaged nothing is taken over */
	for (size_t len = 1; len < secret.len; len++) {
		MA_CLEANUP(ma_buf_clear) struct ma_buf other = ma_buf(MA_SECRET_MAX);

		from.like = ma_span(secret.p, len);
		ck_assert_int_eq(make_decoy(kind, &from, &other), MAILAUTH_OK);
		if (kind->shows)
			ck_assert_mem_ne(other.p, secret.p, 4 + 1 + 16);
	}
	ma_buf_clear(&secret);
	ma_buf_clear(&decoy);
}
END_TEST

static unsigned int n_left;

static bool fail_nth(void)
{
	return n_left-- == 0;
}

START_TEST(survives_lack_of_memory_anywhere_in_derive)
{
	/* not ASCII, so that SASLprep has work, too */
	const struct ma_span password = ma_span_text("p\xc3\xa4sswort");
	const struct ma_kind *kind = nth_kind((size_t)_i);
	enum mailauth_status status = MAILAUTH_E_NOMEM;
	unsigned int n = 0;

	while (status != MAILAUTH_OK) {
		MA_CLEANUP(ma_buf_clear) struct ma_buf secret = ma_buf(MA_SECRET_MAX);

		n_left = n++;
		ma_mem_set_fail(fail_nth);
		status = derive(kind, password, &secret);
		ma_mem_set_fail(NULL);
		ck_assert_msg(status == MAILAUTH_OK || status == MAILAUTH_E_NOMEM,
			      "%s, allocation %u: got %d", kind->name, n, status);
		ck_assert_uint_lt(n, 100);
		if (status == MAILAUTH_OK)
			ck_assert_int_eq(check(kind, ma_buf_span(&secret), password), MAILAUTH_OK);
	}
	ck_assert_uint_ge(n, 2);
}
END_TEST

START_TEST(survives_lack_of_memory_anywhere_in_check)
{
	const struct ma_span password = ma_span_text("p\xc3\xa4sswort");
	const struct ma_kind *kind = nth_kind((size_t)_i);
	MA_CLEANUP(ma_buf_clear) struct ma_buf secret = ma_buf(MA_SECRET_MAX);
	enum mailauth_status status = MAILAUTH_E_NOMEM;

	ck_assert_int_eq(derive(kind, password, &secret), MAILAUTH_OK);
	for (unsigned int n = 0; status != MAILAUTH_OK; n++) {
		n_left = n;
		ma_mem_set_fail(fail_nth);
		status = check(kind, ma_buf_span(&secret), password);
		ma_mem_set_fail(NULL);
		ck_assert_msg(status == MAILAUTH_OK || status == MAILAUTH_E_NOMEM,
			      "%s, allocation %u: got %d", kind->name, n, status);
		ck_assert_uint_lt(n, 100);
	}
}
END_TEST

START_TEST(reports_a_secret_too_long_for_its_buffer)
{
	const struct ma_kind *kind = nth_kind((size_t)_i);
	uint8_t bytes[8];
	struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));

	ck_assert_msg(derive(kind, ma_span_text(PASSWORD), &out) == MAILAUTH_E_LIMIT, "%s",
		      kind->name);
	ma_buf_reset(&out);
	ck_assert_msg(make_decoy(kind, &stranger, &out) == MAILAUTH_E_LIMIT, "%s", kind->name);
}
END_TEST

/* ---- which kinds a list of mechanisms needs ---- */

#define CRYPT	   (1u << MA_KIND_CRYPT)
#define CRAM_MD5   (1u << MA_KIND_CRAM_MD5)
#define DIGEST_MD5 (1u << MA_KIND_DIGEST_MD5)
#define SHA_1	   (1u << MA_KIND_SCRAM_SHA_1)
#define SHA_256	   (1u << MA_KIND_SCRAM_SHA_256)
#define SHA_512	   (1u << MA_KIND_SCRAM_SHA_512)
#define SASL_PLAIN (1u << MA_KIND_SASL_PLAIN)
#define CLEAR	   (1u << MA_KIND_PASSWORD)

/* As strong as its weakest: see mech.c. */
static const struct {
	const char *list;
	bool recoverable;
	unsigned int want;
} kinds_rows[] = {
	{"PLAIN", false, CRYPT},
	{"plain", false, CRYPT},
	{"PLAIN PLAIN", false, CRYPT},
	{"LOGIN", false, CRYPT},
	{"PLAIN LOGIN", false, CRYPT},
	{"PLAIN", true, CLEAR | SASL_PLAIN},
	{"CRAM-MD5", false, CRAM_MD5},
	{"CRAM-MD5", true, CRAM_MD5 | CLEAR},
	{"CRAM-MD5 CRAM-MD5", false, CRAM_MD5},
	{"PLAIN CRAM-MD5", false, CRAM_MD5 | SASL_PLAIN},
	{"CRAM-MD5 PLAIN", false, CRAM_MD5 | SASL_PLAIN},
	{"cram-md5,plain", false, CRAM_MD5 | SASL_PLAIN},
	{" ,\tPLAIN,,\tCRAM-MD5 ", false, CRAM_MD5 | SASL_PLAIN},
	{"PLAIN CRAM-MD5", true, CRAM_MD5 | CLEAR | SASL_PLAIN},
	{"DIGEST-MD5", false, DIGEST_MD5},
	{"LOGIN DIGEST-MD5", false, DIGEST_MD5 | SASL_PLAIN},
	{"DIGEST-MD5 CRAM-MD5", false, DIGEST_MD5 | CRAM_MD5},
	{"SCRAM-SHA-1", false, SHA_1},
	{"SCRAM-SHA-256", false, SHA_256},
	{"SCRAM-SHA-512", false, SHA_512},
	{"SCRAM-SHA-1-PLUS", false, SHA_1},
	{"scram-sha-256-plus SCRAM-SHA-256", false, SHA_256},
	{"SCRAM-SHA-512-PLUS", false, SHA_512},
	/* nothing fast: a password is checked against SCRAM's */
	{"PLAIN SCRAM-SHA-256", false, SHA_256},
	{"PLAIN LOGIN SCRAM-SHA-1 SCRAM-SHA-512", false, SHA_1 | SHA_512},
	{"PLAIN SCRAM-SHA-256 CRAM-MD5", false, SHA_256 | CRAM_MD5 | SASL_PLAIN},
	{"PLAIN SCRAM-SHA-256", true, SHA_256 | CLEAR | SASL_PLAIN},
	/* it needs the password, which only a recoverable account keeps */
	{"APOP", false, 0},
	{"APOP", true, CLEAR},
	{"PLAIN APOP", false, CRYPT},
	{"APOP CRAM-MD5", false, CRAM_MD5},
};

static unsigned int kind_bits(const struct ma_kinds *kinds)
{
	unsigned int bits = 0;

	for (size_t i = 0; i < kinds->n; i++) {
		ck_assert_uint_eq(bits & 1u << kinds->items[i]->id, 0); /* none twice */
		bits |= 1u << kinds->items[i]->id;
	}
	return bits;
}

START_TEST(derives_nothing_weaker_than_the_list_needs)
{
	struct ma_kinds kinds;
	struct ma_span unknown = {0};

	ck_assert(ma_mech_kinds(ma_span_text(kinds_rows[_i].list), kinds_rows[_i].recoverable,
				&kinds, &unknown));
	ck_assert_msg(kind_bits(&kinds) == kinds_rows[_i].want,
		      "\"%s\", recoverable %d: got %x, want %x", kinds_rows[_i].list,
		      kinds_rows[_i].recoverable, kind_bits(&kinds), kinds_rows[_i].want);
}
END_TEST

START_TEST(an_empty_list_means_all_that_need_no_password)
{
	static const char *const lists[] = {"", " ", ",\t"};

	for (size_t i = 0; i < MA_ARRAY_SIZE(lists); i++) {
		struct ma_kinds kinds;
		struct ma_span unknown = {0};
		const struct ma_mech *mech;

		ck_assert(ma_mech_kinds(ma_span_text(lists[i]), false, &kinds, &unknown));
		for (size_t j = 0; (mech = ma_mech_at(j)) != NULL; j++) {
			bool served = mech->kind == NULL || mech->kind->id == MA_KIND_PASSWORD ||
				      mech->on_request;

			for (size_t k = 0; k < kinds.n; k++)
				served = served || kinds.items[k] == mech->kind;
			ck_assert_msg(served, "%s is not served", mech->name);
		}
		ck_assert_uint_eq(kind_bits(&kinds),
				  CRAM_MD5 | DIGEST_MD5 | SHA_1 | SHA_256 | SASL_PLAIN);
	}
}
END_TEST

START_TEST(names_an_unknown_mechanism)
{
	static const struct {
		const char *list;
		const char *want;
	} rows[] = {
		{"NONE", "NONE"},
		{"PLAIN NONE CRAM-MD5", "NONE"},
		{"PLAIN;CRAM-MD5", "PLAIN;CRAM-MD5"},
		{"PLAINX", "PLAINX"},
		{"PLAI", "PLAI"},
		{"none,other", "none"},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		struct ma_kinds kinds;
		struct ma_span unknown = {0};

		ck_assert(!ma_mech_kinds(ma_span_text(rows[i].list), false, &kinds, &unknown));
		ck_assert_msg(ma_span_equal(unknown, ma_span_text(rows[i].want)),
			      "\"%s\": got \"%.*s\", want \"%s\"", rows[i].list, (int)unknown.len,
			      (const char *)unknown.p, rows[i].want);
	}
}
END_TEST

/* ---- checking a password against what an account holds ---- */

static struct ma_secret make_secret(unsigned int id, const char *password, uint8_t *bytes)
{
	struct ma_buf out = ma_buf_fixed(bytes, MA_SECRET_MAX);

	ck_assert_int_eq(derive(ma_kind_find(id), ma_span_text(password), &out), MAILAUTH_OK);
	return (struct ma_secret){.kind = (uint8_t)id, .value = ma_buf_span(&out)};
}

START_TEST(asks_the_cheapest_secret)
{
	/* from the dearest on, as the kinds tell it: each is asked until a cheaper one is there */
	static const struct {
		enum ma_kind_id kind;
		const char *password;
	} rows[] = {
		{MA_KIND_CRYPT, "crypt"},	    {MA_KIND_SCRAM_SHA_512, "sha-512"},
		{MA_KIND_SCRAM_SHA_256, "sha-256"}, {MA_KIND_SCRAM_SHA_1, "sha-1"},
		{MA_KIND_PASSWORD, "password"},	    {MA_KIND_DIGEST_MD5, "digest"},
		{MA_KIND_CRAM_MD5, "cram"},	    {MA_KIND_SASL_PLAIN, "plain"},
	};
	uint8_t bytes[MA_ARRAY_SIZE(rows)][MA_SECRET_MAX];
	struct ma_credential credential = {.n_secrets = 0};
	struct ma_candidates candidates = {.subject = tim(), .n = 1, .items = {&credential}};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		credential.secrets[credential.n_secrets++] =
			make_secret(rows[i].kind, rows[i].password, bytes[i]);
		for (size_t j = 0; j <= i; j++)
			ck_assert_msg((ma_mech_check_password(&candidates,
							      ma_span_text(rows[j].password)) ==
				       MAILAUTH_OK) == (j == i),
				      "with %zu secrets: \"%s\" %s", i + 1, rows[j].password,
				      j == i ? "is refused" : "fits");
	}
	credential.n_secrets = 1;
	credential.secrets[0].kind = 200; /* of a later version */
	ck_assert_int_eq(ma_mech_check_password(&candidates, ma_span_text("crypt")),
			 MAILAUTH_E_DENIED);
	credential.n_secrets = 0;
	ck_assert_int_eq(ma_mech_check_password(&candidates, ma_span_text("crypt")),
			 MAILAUTH_E_DENIED);
	candidates.n = 0;
	ck_assert_int_eq(ma_mech_check_password(&candidates, ma_span_text("crypt")),
			 MAILAUTH_E_DENIED);
}
END_TEST

START_TEST(asks_every_credential)
{
	uint8_t bytes[3][MA_SECRET_MAX];
	static const char *const passwords[] = {"one", "two", "three"};
	struct ma_credential credentials[3] = {0};
	struct ma_candidates candidates = {.subject = tim(), .n = 3};

	for (size_t i = 0; i < 3; i++) {
		credentials[i].n_secrets = 1;
		credentials[i].secrets[0] = make_secret(MA_KIND_CRAM_MD5, passwords[i], bytes[i]);
		candidates.items[i] = &credentials[i];
	}
	for (size_t i = 0; i < 3; i++)
		ck_assert_msg(ma_mech_check_password(&candidates, ma_span_text(passwords[i])) ==
				      MAILAUTH_OK,
			      "%s", passwords[i]);
	ck_assert_int_eq(ma_mech_check_password(&candidates, ma_span_text("four")),
			 MAILAUTH_E_DENIED);
}
END_TEST

/* ---- secrets as text ---- */

START_TEST(finds_each_kind_by_its_name)
{
	const struct ma_kind *kind;

	for (size_t i = 0; (kind = nth_kind(i)) != NULL; i++)
		ck_assert_ptr_eq(ma_kind_find_name(ma_span_text(kind->name)), kind);
	ck_assert_ptr_null(ma_kind_find_name(ma_span_text("")));
	ck_assert_ptr_null(ma_kind_find_name(ma_span_text("Password")));
	ck_assert_ptr_null(ma_kind_find_name(ma_span_text("passwords")));
}
END_TEST

START_TEST(takes_a_password_that_can_be_one)
{
	static char longest[MAILAUTH_PASSWORD_MAX + 1];
	const struct ma_subject subject = tim();
	const struct {
		struct ma_span text;
		bool fits;
	} rows[] = {
		{ma_span_text("x"), true},
		{ma_span_text("p\xc3\xa4ssword"), true},
		{ma_span_text(""), false},
		{ma_span_text("p\xe4ssword"), false},
		{ma_span(longest, sizeof(longest) - 1), true},
		{ma_span(longest, sizeof(longest)), false},
	};

	memset(longest, 'x', sizeof(longest));
	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		uint8_t bytes[MAILAUTH_PASSWORD_MAX];
		struct ma_buf out = ma_buf_fixed(bytes, sizeof(bytes));
		const char *why = ma_kind_password.parse(&ma_kind_password, &subject, rows[i].text,
							 ma_span(NULL, 0), &out);

		ck_assert_msg((why == NULL) == rows[i].fits, "row %zu", i);
		ck_assert(ma_span_equal(ma_buf_span(&out),
					rows[i].fits ? rows[i].text : ma_span(NULL, 0)));
	}
}
END_TEST

START_TEST(takes_hexadecimal_digits_of_the_right_number)
{
	static const struct {
		const char *text;
		size_t size; /* of the buffer */
		bool fits;
	} rows[] = {
		{"00ff7f", 3, true},   {"00FF7f", 3, true},  {"00ff7", 3, false},
		{"00ff7f0", 3, false}, {"00ff7g", 3, false}, {"00ff7f00", 4, false},
		{"", 3, false},	       {"00ff7f", 2, false},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(rows); i++) {
		uint8_t bytes[4];
		struct ma_buf out = ma_buf_fixed(bytes, rows[i].size);
		const char *why = ma_kind_parse_hex(ma_span_text(rows[i].text), 3, &out);

		ck_assert_msg((why == NULL) == rows[i].fits, "%s", rows[i].text);
		if (why == NULL)
			ck_assert_mem_eq(bytes, "\x00\xff\x7f", 3);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("mech");
	TCase *tcase = tcase_create("mech");
	int n_mechs = 0;
	int n_kinds = 0;

	while (ma_mech_at((size_t)n_mechs) != NULL)
		n_mechs++;
	while (nth_kind((size_t)n_kinds) != NULL)
		n_kinds++;
	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, survives_hostile_first_messages, 0, n_mechs);
	tcase_add_loop_test(tcase, survives_hostile_second_messages, 0, n_mechs);
	tcase_add_loop_test(tcase, ends_a_dialogue_of_empty_messages, 0, n_mechs);
	tcase_add_loop_test(tcase, is_found_by_its_name_in_any_case, 0, n_mechs);
	tcase_add_test(tcase, every_kind_is_complete_and_has_an_id_of_its_own);
	tcase_add_loop_test(tcase, derives_what_it_checks, 0, n_kinds);
	tcase_add_loop_test(tcase, derives_anew_each_time_if_salted, 0, n_kinds);
	tcase_add_loop_test(tcase, denies_with_a_damaged_secret, 0, n_kinds);
	tcase_add_loop_test(tcase, decoys_are_stable_for_a_seed_and_fit_no_password, 0, n_kinds);
	tcase_add_loop_test(tcase, decoys_look_like_secrets, 0, n_kinds);
	tcase_add_loop_test(tcase, decoys_show_what_the_account_did, 0, n_kinds);
	tcase_add_loop_test(tcase, survives_lack_of_memory_anywhere_in_check, 0, n_kinds);
	tcase_add_loop_test(tcase, survives_lack_of_memory_anywhere_in_derive, 0, n_kinds);
	tcase_add_loop_test(tcase, reports_a_secret_too_long_for_its_buffer, 0, n_kinds);
	tcase_add_loop_test(tcase, derives_nothing_weaker_than_the_list_needs, 0,
			    MA_ARRAY_SIZE(kinds_rows));
	tcase_add_test(tcase, an_empty_list_means_all_that_need_no_password);
	tcase_add_test(tcase, names_an_unknown_mechanism);
	tcase_add_test(tcase, asks_the_cheapest_secret);
	tcase_add_test(tcase, asks_every_credential);
	tcase_add_test(tcase, finds_each_kind_by_its_name);
	tcase_add_test(tcase, takes_a_password_that_can_be_one);
	tcase_add_test(tcase, takes_hexadecimal_digits_of_the_right_number);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
