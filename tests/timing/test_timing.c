/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_timing.c - does the time a login takes tell what it should not?
 *
 * A client must not learn from the clock whether an account is there, locked, or how much of a
 * guess was right. Two dialogues that must look alike are run in turns, in an order drawn anew each
 * time, and only the library's calls are timed. Their medians may differ by 2 %. The comparison of
 * proofs by itself is measured a million times, and Welch's t between its two cases has to stay
 * below 4.5 (the method is that of dudect: Reparaz, Balasch, Verbauwhede, 2017).
 *
 * A busy machine disturbs single rounds, but never makes equal things differ in each of them, nor
 * different ones equal: so a round in which the two agree is enough, and a real difference fails
 * them all.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#include "support.h"
#include "util/mem.h"

#define REALM	  "example.org"
#define KNOWN	  "alice"
#define UNKNOWN	  "ghost"
#define LOCKED	  "locky"
#define PASSWORD  "Wonder-1and, tea"
#define WRONG	  "wonder-1and, tea"
#define SAMPLES	  8000
#define ROUNDS	  8
#define COMPARES  1000000
#define LIMIT	  0.02
#define WELCH_MAX 4.5

static struct mailauth *ctx;
static uint32_t random_state = 1;

static uint32_t next_random(void)
{
	random_state = random_state * 1664525 + 1013904223;
	return random_state >> 16;
}

static void drop(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	size_t *n = arg;

	(void)level;
	(void)event;
	*n += strlen(text);
}

static size_t logged;

static void add_locked(const char *name)
{
	struct mailauth_user *user;

	support_status(name, mailauth_user_new(ctx, name, &user), MAILAUTH_OK);
	support_status(name, mailauth_user_set_password(user, PASSWORD, strlen(PASSWORD)),
		       MAILAUTH_OK);
	support_status(name, mailauth_user_set_number(user, MAILAUTH_NUMBER_LOCKED, 1),
		       MAILAUTH_OK);
	support_status(name, mailauth_user_add(user), MAILAUTH_OK);
	mailauth_user_free(&user);
}

static void setup(void)
{
	support_reset();
	ctx = support_open("recoverable = yes\nscram_iterations = 4096\n"
			   "plaintext = always\n",
			   NULL);
	mailauth_set_logger(ctx, drop, &logged, MAILAUTH_LOG_INFO);
	support_add(ctx, KNOWN, PASSWORD);
	add_locked(LOCKED);
	for (int i = 0; i < 30; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "user%d", i);
		support_add(ctx, name, PASSWORD);
	}
}

static void teardown(void)
{
	mailauth_free(&ctx);
}

/* ---- dialogues ---- */

struct message {
	size_t len;
	char text[1024];
};

static void put(struct message *message, const char *p, size_t len)
{
	if (message->len + len >= sizeof(message->text))
		abort();
	memcpy(message->text + message->len, p, len);
	message->len += len;
	message->text[message->len] = '\0';
}

static void put_text(struct message *message, const char *text)
{
	put(message, text, strlen(text));
}

/* Check's own assertions write to a pipe each time, which disturbs what is measured. */
static void must(bool holds, const char *what)
{
	if (!holds)
		ck_abort_msg("%s", what);
}

/* What a client with a wrong password answers to a challenge; false: it says no more. */
typedef bool answer_fn(int step, const char *user, const char *challenge, size_t challenge_len,
		       struct message *out);

static bool answer_plain(int step, const char *user, const char *challenge, size_t challenge_len,
			 struct message *out)
{
	(void)challenge;
	(void)challenge_len;
	put(out, "", 1);
	put_text(out, user);
	put(out, "", 1);
	put_text(out, WRONG);
	return step == 0;
}

static bool answer_login(int step, const char *user, const char *challenge, size_t challenge_len,
			 struct message *out)
{
	(void)challenge;
	(void)challenge_len;
	put_text(out, step == 0 ? user : WRONG);
	return step < 2;
}

static bool answer_hex(int step, const char *user, const char *challenge, size_t challenge_len,
		       struct message *out)
{
	(void)challenge;
	(void)challenge_len;
	if (step > 0) {
		put_text(out, user);
		put_text(out, " 0123456789abcdef0123456789abcdef");
	}
	return step < 2;
}

static bool answer_digest(int step, const char *user, const char *challenge, size_t challenge_len,
			  struct message *out)
{
	static const char label[] = "nonce=\"";
	const char *nonce;

	if (step == 0)
		return true;
	(void)challenge_len;
	nonce = strstr(challenge, label);
	must(nonce != NULL, "no nonce");
	nonce += strlen(label);
	put_text(out, "username=\"");
	put_text(out, user);
	put_text(out, "\",realm=\"" REALM "\",cnonce=\"0123456789\",nc=00000001,qop=auth,nonce=\"");
	put(out, nonce, strcspn(nonce, "\""));
	put_text(out, "\",digest-uri=\"smtp/" REALM "\","
		      "response=0123456789abcdef0123456789abcdef");
	return step == 1;
}

static bool answer_scram(int step, const char *user, const char *challenge, size_t challenge_len,
			 struct message *out)
{
	(void)challenge_len;
	if (step == 0) {
		put_text(out, "n,,n=");
		put_text(out, user);
		put_text(out, ",r=0123456789abcdef01234567");
		return true;
	}
	put_text(out, "c=biws,");
	put(out, challenge, strcspn(challenge, ","));
	put_text(out, ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
	return step == 1;
}

static bool answer_scram_256(int step, const char *user, const char *challenge,
			     size_t challenge_len, struct message *out)
{
	bool more = answer_scram(step, user, challenge, challenge_len, out);

	if (step == 1) {
		out->len -= strlen("AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
		put_text(out, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
	}
	return more;
}

static const struct {
	const char *mech;
	answer_fn *answer;
} mechs[] = {
	{"PLAIN", answer_plain},
	{"LOGIN", answer_login},
	{"CRAM-MD5", answer_hex},
	{"APOP", answer_hex},
	{"DIGEST-MD5", answer_digest},
	{"SCRAM-SHA-1", answer_scram},
	{"SCRAM-SHA-256", answer_scram_256},
};

/* The processor's own clock where it has one: asking the system's can take longer than a login. */
#if defined(__x86_64__)
#include <x86intrin.h>
#define UNIT "cycles"
static int64_t now(void)
{
	unsigned int core;

	return (int64_t)__rdtscp(&core);
}
#else
#define UNIT "ns"
static int64_t now(void)
{
	struct timespec time;

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}
#endif

/* The time in the library of one dialogue that is refused at its end. */
static int64_t dialogue_time(const char *mech, answer_fn *answer, const char *user)
{
	struct mailauth_session *session;
	enum mailauth_status status = MAILAUTH_CONTINUE;
	const void *reply = "";
	size_t reply_len = 0;
	int64_t start = now();
	int64_t total;

	must(mailauth_session_new(ctx, mech, NULL, &session) == MAILAUTH_OK, mech);
	total = now() - start;
	for (int step = 0; status == MAILAUTH_CONTINUE; step++) {
		struct message message = {.len = 0};
		char challenge[1024];

		must(reply_len < sizeof(challenge), mech);
		memcpy(challenge, reply, reply_len);
		challenge[reply_len] = '\0';
		must(answer(step, user, challenge, reply_len, &message), mech);
		start = now();
		status = mailauth_session_step(session, message.text, message.len, &reply,
					       &reply_len);
		total += now() - start;
		if (reply == NULL)
			reply = "";
	}
	must(status == MAILAUTH_E_DENIED, mech);
	start = now();
	mailauth_session_free(&session);
	return total + now() - start;
}

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static double median(int64_t *times, size_t n)
{
	qsort(times, n, sizeof(times[0]), compare_times);
	return (double)times[n / 2];
}

/* One round: how much longer the second takes than the first. */
typedef int64_t sample_fn(int which, const void *arg);

static double difference(sample_fn *sample, const void *arg, double *median_out)
{
	static int64_t times[2][SAMPLES];
	double medians[2];

	for (size_t i = 0; i < SAMPLES; i++) {
		int first = (int)(next_random() & 1);

		times[first][i] = sample(first, arg);
		times[!first][i] = sample(!first, arg);
	}
	medians[0] = median(times[0], SAMPLES);
	medians[1] = median(times[1], SAMPLES);
	*median_out = medians[0];
	return medians[1] / medians[0] - 1;
}

static void expect_alike(const char *what, sample_fn *sample, const void *arg)
{
	double best = 1;
	double took = 0;

	for (int round = 0; round < ROUNDS && fabs(best) >= LIMIT; round++) {
		double got = difference(sample, arg, &took);

		if (fabs(got) < fabs(best))
			best = got;
	}
	printf("# %-40s %7.0f " UNIT ", %+.2f %%\n", what, took, 100 * best);
	ck_assert_msg(fabs(best) < LIMIT, "%s: the medians differ by %+.2f %%", what, 100 * best);
}

struct pair {
	const char *mech;
	answer_fn *answer;
	const char *users[2];
};

static int64_t sample_dialogue(int which, const void *arg)
{
	const struct pair *pair = arg;

	return dialogue_time(pair->mech, pair->answer, pair->users[which]);
}

START_TEST(an_unknown_user_takes_as_long_as_a_known_one)
{
	const struct pair pair = {mechs[_i].mech, mechs[_i].answer, {KNOWN, UNKNOWN}};
	char what[64];

	(void)snprintf(what, sizeof(what), "%s: known, unknown", pair.mech);
	expect_alike(what, sample_dialogue, &pair);
}
END_TEST

START_TEST(a_locked_account_takes_as_long_as_one_that_is_not)
{
	const struct pair pair = {mechs[_i].mech, mechs[_i].answer, {KNOWN, LOCKED}};
	char what[64];

	(void)snprintf(what, sizeof(what), "%s: active, locked", pair.mech);
	expect_alike(what, sample_dialogue, &pair);
}
END_TEST

/* ---- first and last byte of a proof ---- */

/* RFC 2195 section 2 with this password and this challenge */
#define CHALLENGE      "<1896.697170952@postoffice.reston.mci.net>"
#define CRAM_PASSWORD  "tanstaaftanstaaf"
#define WRONG_AT_FIRST "a913a602c7eda7a495b4e6e7334d3890"
#define WRONG_AT_LAST  "b913a602c7eda7a495b4e6e7334d3891"

static int64_t sample_cram(int which, const void *arg)
{
	static const char *const responses[] = {"tim " WRONG_AT_FIRST, "tim " WRONG_AT_LAST};
	int64_t start = now();
	enum mailauth_status status =
		mailauth_verify_cram(ctx, NULL, CHALLENGE, strlen(CHALLENGE), responses[which],
				     strlen(responses[which]), NULL);

	(void)arg;
	must(status == MAILAUTH_E_DENIED, "not denied");
	return now() - start;
}

static int64_t sample_plain(int which, const void *arg)
{
	static const char *const passwords[] = {"Xanstaaftanstaaf", "tanstaaftanstaaX"};
	int64_t start = now();
	enum mailauth_status status = mailauth_verify_plain(ctx, NULL, "tim", 3, passwords[which],
							    strlen(passwords[which]), NULL);

	(void)arg;
	must(status == MAILAUTH_E_DENIED, "not denied");
	return now() - start;
}

START_TEST(the_place_of_the_wrong_byte_takes_no_time)
{
	enum mailauth_status status;

	support_add(ctx, "tim", CRAM_PASSWORD);
	status = mailauth_verify_cram(ctx, NULL, CHALLENGE, strlen(CHALLENGE),
				      "tim b913a602c7eda7a495b4e6e7334d3890", 36, NULL);
	ck_assert_int_eq(status, MAILAUTH_OK);
	expect_alike("CRAM-MD5: first, last digit wrong", sample_cram, NULL);
	expect_alike("PLAIN: first, last character wrong", sample_plain, NULL);
}
END_TEST

/* ---- the comparison itself ---- */

struct sums {
	double n;
	double mean;
	double m2; /* sum of squared distances from the mean */
};

static void sums_add(struct sums *sums, double value)
{
	double distance = value - sums->mean;

	sums->n++;
	sums->mean += distance / sums->n;
	sums->m2 += distance * (value - sums->mean);
}

static double welch(const struct sums sums[2])
{
	double a = sums[0].m2 / (sums[0].n - 1) / sums[0].n;
	double b = sums[1].m2 / (sums[1].n - 1) / sums[1].n;

	return (sums[0].mean - sums[1].mean) / sqrt(a + b);
}

typedef bool compare_fn(struct ma_span a, struct ma_span b);

/* What a careless programmer would write: the measurement has to find it. */
static bool compare_carelessly(struct ma_span a, struct ma_span b)
{
	size_t i = 0;

	while (i < a.len && *(volatile const uint8_t *)(a.p + i) == b.p[i])
		i++;
	return i == a.len;
}

#define SECRET_LEN 32

/*
 * The time of 16 calls, as one is shorter than the clock's tick. Both classes are compared in the
 * same place: one that crosses the border of a cache line takes longer.
 */
static int64_t compare_time(compare_fn *compare, const uint8_t secret[SECRET_LEN],
			    const uint8_t guess[SECRET_LEN])
{
	static _Alignas(64) uint8_t places[2][64];
	struct ma_span a = ma_span(places[0], SECRET_LEN);
	struct ma_span b = ma_span(places[1], SECRET_LEN);
	volatile bool equal = false;
	int64_t start;

	memcpy(places[0], secret, SECRET_LEN);
	memcpy(places[1], guess, SECRET_LEN);
	start = now();
	for (int i = 0; i < 16; i++)
		equal = compare(a, b) || equal;
	must(!equal, "equal");
	return now() - start;
}

/* What interrupts make longer is beyond three times the median of the slower class. */
static double bound_of(compare_fn *compare, const uint8_t secret[SECRET_LEN],
		       uint8_t guesses[2][SECRET_LEN])
{
	double slower = 0;

	for (size_t which = 0; which < 2; which++) {
		int64_t trial[501];
		double middle;

		for (size_t i = 0; i < sizeof(trial) / sizeof(trial[0]); i++)
			trial[i] = compare_time(compare, secret, guesses[which]);
		middle = median(trial, sizeof(trial) / sizeof(trial[0]));
		slower = middle > slower ? middle : slower;
	}
	return 3 * slower;
}

/* Samples beyond a bound are left out of both classes alike. */
static double measure(compare_fn *compare)
{
	uint8_t secret[SECRET_LEN];
	uint8_t guesses[2][SECRET_LEN];
	struct sums sums[2] = {{0, 0, 0}, {0, 0, 0}};
	double bound;

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)next_random();
	memcpy(guesses[0], secret, sizeof(secret));
	memcpy(guesses[1], secret, sizeof(secret));
	guesses[0][0] ^= 1;
	guesses[1][sizeof(secret) - 1] ^= 1;
	bound = bound_of(compare, secret, guesses);
	for (size_t i = 0; i < COMPARES; i++) {
		size_t which = next_random() & 1;
		double took = (double)compare_time(compare, secret, guesses[which]);

		if (took < bound)
			sums_add(&sums[which], took);
	}
	ck_assert_double_gt(sums[0].n, COMPARES / 4.0);
	ck_assert_double_gt(sums[1].n, COMPARES / 4.0);
	return welch(sums);
}

START_TEST(the_comparison_takes_the_same_time_wherever_the_difference_is)
{
	double best = HUGE_VAL;

	for (int round = 0; round < ROUNDS && fabs(best) >= WELCH_MAX; round++) {
		double got = measure(ma_equal_ct);

		if (fabs(got) < fabs(best))
			best = got;
	}
	printf("# comparison, %d samples: t = %.2f\n", COMPARES, best);
	ck_assert_msg(fabs(best) < WELCH_MAX, "t = %.2f", best);
}
END_TEST

/* Or the test above could not fail. */
START_TEST(a_careless_comparison_is_found_out)
{
	double got = measure(compare_carelessly);

	printf("# careless comparison: t = %.2f\n", got);
	ck_assert_msg(fabs(got) >= WELCH_MAX, "t = %.2f", got);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("timing");
	TCase *tcase = tcase_create("timing");
	int n_mechs = (int)(sizeof(mechs) / sizeof(mechs[0]));

	tcase_set_timeout(tcase, 120);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, an_unknown_user_takes_as_long_as_a_known_one, 0, n_mechs);
	tcase_add_loop_test(tcase, a_locked_account_takes_as_long_as_one_that_is_not, 0, n_mechs);
	tcase_add_test(tcase, the_place_of_the_wrong_byte_takes_no_time);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("comparison");
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, the_comparison_takes_the_same_time_wherever_the_difference_is);
	tcase_add_test(tcase, a_careless_comparison_is_found_out);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
