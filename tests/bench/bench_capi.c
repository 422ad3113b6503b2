/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_capi.c - logins through the C API against the bare work that they cannot do without
 *
 * Usage: bench_capi [-q] FOLDER ACCOUNTS      (FOLDER is there and empty; -q: a few rounds)
 *
 * For each mechanism a whole dialogue ("login": mailauth_session_new() to _free(), all steps), and
 * where there is one the call for servers that ran the dialogue themselves ("verify"). Only the
 * server's side is timed: 64 attempts go side by side, and what their clients do stands between
 * the timed parts. Ours and the bare work (capi_bare.c) take turns, 1,024 attempts each, on random
 * users of the whole store; one attempt in 16 has the wrong password, and every verdict is checked.
 * What is compared are the medians of the 64s, which a busy machine disturbs least.
 *
 * Each side has gone once through the users that are drawn from (a hundred thousand) before it is
 * measured, as a server that has run for a while has its pages mapped; what the first look costs,
 * page fault and all, is a figure of its own ("first look"). Allocations and system calls are
 * counted, not estimated: see capi_count.c. Output: one JSON object a line.
 */
#include <pthread.h>
#include <unistd.h>

#include "capi.h"

#define BATCH	    64
#define TURN	    16 /* batches */
#define ROUNDS	    41
#define ROUNDS_MIN  3
#define POOL	    100000
#define POOL_MIN    2048
#define SINGLES	    5000
#define N_THREADS   2
#define WRONG_EVERY 16

struct bench {
	size_t n_accounts;
	size_t n_rounds;
	size_t n_pool;
	struct mailauth *ctx;
	struct bare bare;
};

/* What one thread works with. */
struct lane {
	struct bench *bench;
	enum mechanism mechanism;
	uint64_t position; /* among the users drawn */
	uint64_t ns;	   /* timed so far */
	uint64_t n_allocations;
	uint64_t started_ns;
	uint64_t started_allocations;
	struct attempt attempts[BATCH];
};

typedef void side_fn(struct lane *lane, size_t n);

static const struct mailauth_request request = {.size = sizeof(request),
						.flags = MAILAUTH_REQUEST_TLS};

static void start(struct lane *lane)
{
	lane->started_allocations = count_allocations();
	lane->started_ns = now_ns();
	count_begin();
}

static void stop(struct lane *lane)
{
	count_end();
	lane->ns += now_ns() - lane->started_ns;
	lane->n_allocations += count_allocations() - lane->started_allocations;
}

/* splitmix64: the same users in each run */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static void draw(struct lane *lane, size_t n, bool is_dialogue)
{
	for (size_t i = 0; i < n; i++) {
		struct attempt *attempt = &lane->attempts[i];
		uint64_t drawn = mix(lane->position++ % lane->bench->n_pool);

		attempt->mechanism = lane->mechanism;
		attempt->is_dialogue = is_dialogue;
		attempt->is_wrong = lane->position % WRONG_EVERY == 0;
		attempt->user_len = store_name(drawn % lane->bench->n_accounts, attempt->user);
		attempt->session = NULL;
		attempt->stage = 0;
		attempt->status = MAILAUTH_E_INTERNAL;
	}
}

static void check(const struct lane *lane, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct attempt *attempt = &lane->attempts[i];

		need(attempt->status == (attempt->is_wrong ? MAILAUTH_E_DENIED : MAILAUTH_OK),
		     mechanism_names[attempt->mechanism]);
	}
}

/* ---- the two sides, each with and without a dialogue ---- */

static void step_all(struct lane *lane, size_t n, const bool *has_more)
{
	for (size_t i = 0; i < n; i++) {
		struct attempt *attempt = &lane->attempts[i];

		if (has_more[i])
			attempt->status = mailauth_session_step(
				attempt->session, attempt->message, attempt->message_len,
				&attempt->reply, &attempt->reply_len);
	}
}

static void new_all(struct lane *lane, size_t n)
{
	for (size_t i = 0; i < n; i++)
		need(mailauth_session_new(lane->bench->ctx, mechanism_names[lane->mechanism],
					  &request, &lane->attempts[i].session) == MAILAUTH_OK,
		     "a session");
}

static void our_logins(struct lane *lane, size_t n)
{
	bool has_more[BATCH];
	size_t n_more = n;

	draw(lane, n, true);
	for (size_t round = 0; n_more > 0; round++) {
		n_more = 0;
		for (size_t i = 0; i < n; i++) {
			has_more[i] = client_next(&lane->attempts[i]);
			n_more += has_more[i] ? 1 : 0;
		}
		start(lane);
		if (round == 0)
			new_all(lane, n);
		step_all(lane, n, has_more);
		stop(lane);
	}
	start(lane);
	for (size_t i = 0; i < n; i++)
		mailauth_session_free(&lane->attempts[i].session);
	stop(lane);
	check(lane, n);
}

static enum mailauth_status verify(struct mailauth *ctx, const struct attempt *attempt)
{
	struct mailauth_name name;

	switch (attempt->mechanism) {
	case PLAIN:
		return mailauth_verify_plain(ctx, &request, attempt->user, attempt->user_len,
					     attempt->text, attempt->text_len, &name);
	case APOP:
		return mailauth_verify_apop(ctx, &request, bench_challenge, attempt->user,
					    attempt->user_len,
					    attempt->message + attempt->user_len + 1,
					    attempt->message_len - attempt->user_len - 1, &name);
	default:
		return mailauth_verify_cram(ctx, &request, attempt->text, attempt->text_len,
					    attempt->message, attempt->message_len, &name);
	}
}

static bool has_verify(enum mechanism mechanism)
{
	return mechanism == PLAIN || mechanism == CRAM_MD5 || mechanism == APOP;
}

static void our_verifications(struct lane *lane, size_t n)
{
	draw(lane, n, false);
	for (size_t i = 0; i < n; i++)
		client_prove(&lane->attempts[i]);
	start(lane);
	for (size_t i = 0; i < n; i++)
		lane->attempts[i].status = verify(lane->bench->ctx, &lane->attempts[i]);
	stop(lane);
	check(lane, n);
}

static void bare(struct lane *lane, size_t n, bool is_dialogue)
{
	draw(lane, n, is_dialogue);
	for (size_t i = 0; i < n; i++)
		client_prove(&lane->attempts[i]);
	start(lane);
	for (size_t i = 0; i < n; i++)
		lane->attempts[i].status = bare_login(&lane->bench->bare, &lane->attempts[i])
						   ? MAILAUTH_OK
						   : MAILAUTH_E_DENIED;
	stop(lane);
	check(lane, n);
}

static void bare_logins(struct lane *lane, size_t n)
{
	bare(lane, n, true);
}

static void bare_verifications(struct lane *lane, size_t n)
{
	bare(lane, n, false);
}

/* ---- measuring ---- */

static struct lane *lane_new(struct bench *bench, enum mechanism mechanism)
{
	struct lane *lane = calloc(1, sizeof(*lane));

	need(lane != NULL, "memory");
	lane->bench = bench;
	lane->mechanism = mechanism;
	return lane;
}

/* Nanoseconds for each of @n attempts. */
static double time_batch(struct lane *lane, side_fn *side, size_t n)
{
	lane->ns = 0;
	side(lane, n);
	return (double)lane->ns / (double)n;
}

struct figures {
	double ours_ns;
	double bare_ns;
	double p99_ns;
	double per_s;	      /* in one thread */
	double per_s_threads; /* in N_THREADS */
	double allocations;
	double system_calls;
};

static void take_turns(struct lane *lane, side_fn *ours, side_fn *theirs, size_t n_rounds,
		       struct figures *figures)
{
	size_t n = n_rounds * TURN;
	double *values = calloc(2 * n, sizeof(*values));

	need(values != NULL, "memory");
	for (size_t i = 0; i < 2 * n; i++) {
		size_t turn = i / TURN;
		bool is_ours = (turn + turn / 2) % 2 == 0; /* who begins changes, too */
		size_t at = turn / 2 * TURN + i % TURN + (is_ours ? 0 : n);

		values[at] = time_batch(lane, is_ours ? ours : theirs, BATCH);
	}
	figures->ours_ns = median(values, n);
	figures->bare_ns = median(values + n, n);
	free(values);
}

static double p99_of(struct lane *lane, side_fn *ours)
{
	static double values[SINGLES];

	for (size_t i = 0; i < SINGLES; i++)
		values[i] = time_batch(lane, ours, 1);
	(void)median(values, SINGLES);
	return values[SINGLES * 99 / 100];
}

struct runner {
	pthread_t thread;
	pthread_barrier_t *barrier;
	struct lane *lane;
	side_fn *ours;
	double per_s;
};

static void *run_thread(void *arg)
{
	struct runner *runner = arg;
	size_t n = runner->lane->bench->n_rounds * TURN;
	double *values = calloc(n, sizeof(*values));

	need(values != NULL, "memory");
	(void)time_batch(runner->lane, runner->ours, BATCH);
	(void)pthread_barrier_wait(runner->barrier);
	for (size_t i = 0; i < n; i++)
		values[i] = time_batch(runner->lane, runner->ours, BATCH);
	runner->per_s = 1e9 / median(values, n);
	free(values);
	return NULL;
}

/* All at once, on one context. */
static double rate_of_threads(struct bench *bench, enum mechanism mechanism, side_fn *ours)
{
	struct runner runners[N_THREADS];
	pthread_barrier_t barrier;
	double per_s = 0;

	need(pthread_barrier_init(&barrier, NULL, N_THREADS) == 0, "a barrier");
	for (size_t i = 0; i < N_THREADS; i++) {
		runners[i] = (struct runner){
			.barrier = &barrier, .lane = lane_new(bench, mechanism), .ours = ours};
		runners[i].lane->position = i * bench->n_pool / N_THREADS;
		need(pthread_create(&runners[i].thread, NULL, run_thread, &runners[i]) == 0,
		     "a thread");
	}
	for (size_t i = 0; i < N_THREADS; i++) {
		(void)pthread_join(runners[i].thread, NULL);
		per_s += runners[i].per_s;
		free(runners[i].lane);
	}
	(void)pthread_barrier_destroy(&barrier);
	return per_s;
}

#define COUNTED_BATCHES 4

struct counted {
	struct lane *lane;
	side_fn *ours;
};

static void run_counted(void *arg)
{
	struct counted *counted = arg;

	for (size_t i = 0; i < COUNTED_BATCHES; i++)
		counted->ours(counted->lane, BATCH);
}

/* The child opens the store anew, as after any fork, and that is not the steady state. */
static void warm_and_run(void *arg)
{
	struct counted *counted = arg;

	count_pause(true);
	counted->ours(counted->lane, BATCH);
	count_pause(false);
	run_counted(counted);
}

static void count(struct lane *lane, side_fn *ours, struct figures *figures)
{
	struct counted counted = {.lane = lane, .ours = ours};

	lane->n_allocations = 0;
	run_counted(&counted);
	figures->allocations = (double)lane->n_allocations / (COUNTED_BATCHES * BATCH);
	figures->system_calls =
		count_system_calls(warm_and_run, &counted) / (COUNTED_BATCHES * BATCH);
}

static void measure(struct bench *bench, enum mechanism mechanism, const char *what, side_fn *ours,
		    side_fn *theirs)
{
	struct lane *lane = lane_new(bench, mechanism);
	struct figures figures;

	take_turns(lane, ours, theirs, 1, &figures); /* to warm up */
	take_turns(lane, ours, theirs, bench->n_rounds, &figures);
	figures.p99_ns = p99_of(lane, ours);
	figures.per_s_threads = rate_of_threads(bench, mechanism, ours);
	count(lane, ours, &figures);
	free(lane);
	printf("{\"group\":\"capi\",\"case\":\"%s\",\"accounts\":%zu,\"what\":\"%s\","
	       "\"unit\":\"us\",\"ours\":%.3f,\"peer\":%.3f,\"peer_name\":\"bare\","
	       "\"p99\":%.3f,\"per_s\":%.0f,\"per_s_%d_threads\":%.0f,\"allocations\":%.3f,"
	       "\"system_calls\":%.3f}\n",
	       mechanism_names[mechanism], bench->n_accounts, what, figures.ours_ns / 1e3,
	       figures.bare_ns / 1e3, figures.p99_ns / 1e3, 1e9 / figures.ours_ns, N_THREADS,
	       figures.per_s_threads, figures.allocations, figures.system_calls);
	(void)fflush(stdout);
}

/* Goes once through the users that are drawn from, on both sides. */
static void look_first(struct bench *bench)
{
	struct lane *lane = lane_new(bench, CRAM_MD5);
	size_t n = bench->n_pool / BATCH;
	double *values = calloc(n, sizeof(*values));
	double ours_ns;
	double bare_ns;

	need(values != NULL, "memory");
	for (size_t i = 0; i < n; i++)
		values[i] = time_batch(lane, our_verifications, BATCH);
	ours_ns = median(values, n);
	lane->position = 0;
	for (size_t i = 0; i < n; i++)
		values[i] = time_batch(lane, bare_verifications, BATCH);
	bare_ns = median(values, n);
	free(values);
	free(lane);
	printf("{\"group\":\"capi\",\"case\":\"CRAM-MD5\",\"accounts\":%zu,\"what\":\"first look\","
	       "\"unit\":\"us\",\"ours\":%.3f,\"peer\":%.3f,\"peer_name\":\"bare\"}\n",
	       bench->n_accounts, ours_ns / 1e3, bare_ns / 1e3);
	(void)fflush(stdout);
}

static void run(struct bench *bench, const char *folder)
{
	store_make(folder, bench->n_accounts);
	bench->ctx = store_open(folder);
	client_start(bench->ctx);
	bare_open(&bench->bare, bench->ctx, folder);
	look_first(bench);
	for (enum mechanism i = PLAIN; i < N_MECHANISMS; i++) {
		fprintf(stderr, "bench_capi: %zu accounts: %s\n", bench->n_accounts,
			mechanism_names[i]);
		measure(bench, i, "login", our_logins, bare_logins);
		if (has_verify(i))
			measure(bench, i, "verify", our_verifications, bare_verifications);
	}
	bare_close(&bench->bare);
	mailauth_free(&bench->ctx);
}

int main(int argc, char **argv)
{
	struct bench bench = {.n_rounds = ROUNDS, .n_pool = POOL};
	int at = 1;

	if (argc > 1 && strcmp(argv[1], "-q") == 0) {
		bench.n_rounds = ROUNDS_MIN;
		bench.n_pool = POOL_MIN;
		at++;
	}
	if (argc - at == 2)
		bench.n_accounts = (size_t)strtoull(argv[at + 1], NULL, 10);
	if (bench.n_accounts == 0) {
		fprintf(stderr, "usage: bench_capi [-q] FOLDER ACCOUNTS\n");
		return 2;
	}
	run(&bench, argv[at]);
	return 0;
}
