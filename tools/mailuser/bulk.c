/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bulk.c - many accounts at once: threads, progress, signals, one commit
 *
 * The calling thread reads items into a ring of slots and takes them out again in the same order;
 * the threads work on what is in between. So memory is bounded whatever the size of the input, and
 * the report has the order of the input. Reading and reporting need no lock of their own.
 *
 * Signals are blocked in all threads and taken by one that does nothing else. If nothing has been
 * committed it says so and ends the process at once, in the middle of whatever goes on: the store
 * changes by one commit at the end or not at all. It writes with write(2), since another thread
 * may hang in stdio, on a pipe that nobody reads. A signal that comes during the commit waits for
 * it, and is too late then. SIGPIPE is passed over, so that a report that cannot be written is seen
 * before the commit instead of ending the process after it.
 *
 * The library logs from every thread; what it says is kept per thread, for the item in work.
 */
#include "bulk.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS_MAX 64
#define SLOTS	    1024 /* items between reading and reporting */
#define BACKLOG	    32	 /* items for which threads are woken: one by one costs more than some */
#define UNCHANGED   "nothing was changed" /* the library says so too, of a full disk */
#define TICK_NS	    200000000

static _Thread_local char logged[BULK_WHY_MAX];
static _Thread_local enum mailauth_log_level logged_level;

static void bulk_log(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	(void)arg;
	(void)event;
	if (level > MAILAUTH_LOG_WARN || (logged[0] != '\0' && level > logged_level))
		return;
	logged_level = level;
	(void)snprintf(logged, sizeof(logged), "%s", text);
}

void ma_bulk_forget(void)
{
	logged[0] = '\0';
}

const char *ma_bulk_logged(void)
{
	return logged;
}

static const char *status_text(enum mailauth_status status)
{
	switch (status) {
	case MAILAUTH_E_NOTFOUND:
		return "there is no such account";
	case MAILAUTH_E_EXISTS:
		return "there is such an account already";
	case MAILAUTH_E_LIMIT:
		return "too long";
	case MAILAUTH_E_TEMPFAIL:
		return "the store is away: try again later";
	case MAILAUTH_E_CORRUPT:
		return "its record is damaged: delete the account or restore the store";
	case MAILAUTH_E_NOMEM:
		return "out of memory";
	default:
		return mailauth_status_name(status);
	}
}

void ma_bulk_why(enum mailauth_status status, char *why)
{
	(void)snprintf(why, BULK_WHY_MAX, "%s", logged[0] != '\0' ? logged : status_text(status));
}

/* ---- signals --------------------------------------------------------------------------------- */

static void *watch(void *arg)
{
	struct bulk *bulk = arg;
	char text[256];
	int signal_number;
	int len;
	ssize_t n;

	while (sigwait(&bulk->signals, &signal_number) == 0) {
		(void)pthread_mutex_lock(&bulk->ending);
		if (bulk->interrupted == NULL) {
			(void)pthread_mutex_unlock(&bulk->ending);
			continue;
		}
		len = snprintf(text, sizeof(text), "%s%s: %s\n",
			       bulk->shows_progress ? "\r\033[K" : "", ma_program,
			       bulk->interrupted);
		n = write(STDERR_FILENO, text, (size_t)len);
		(void)n;
		_exit(128 + signal_number);
	}
	return NULL;
}

/* What is ignored, by nohup(1) or a shell's "&", stays so. */
static bool watch_start(struct bulk *bulk)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

	(void)sigemptyset(&bulk->signals);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct sigaction action;

		if (sigaction(ends[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			(void)sigaddset(&bulk->signals, ends[i]);
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)pthread_sigmask(SIG_BLOCK, &bulk->signals, NULL);
	bulk->is_watched = pthread_create(&bulk->watcher, NULL, watch, bulk) == 0;
	return bulk->is_watched;
}

/* ---- from open to close ---------------------------------------------------------------------- */

int ma_bulk_open(struct bulk *bulk, struct app *app)
{
	enum mailauth_status status;
	int code;

	*bulk = (struct bulk){
		.app = app,
		.interrupted = "interrupted; " UNCHANGED,
		.step = "working",
		.shows_progress = isatty(STDERR_FILENO) == 1,
	};
	(void)pthread_mutex_init(&bulk->ending, NULL);
	code = ma_app_open(app, MAILAUTH_OPEN_WRITE);
	if (code != MA_EXIT_OK)
		return code;
	status = mailauth_batch_new(app->ctx, &bulk->batch);
	if (status != MAILAUTH_OK)
		return ma_app_fail(app, status, app->cmd->name);
	mailauth_set_logger(app->ctx, bulk_log, NULL, MAILAUTH_LOG_WARN);
	if (watch_start(bulk))
		return MA_EXIT_OK;
	ma_say("no thread can be started: %s", strerror(errno));
	return app->cmd->exits.failed;
}

static int commit_fail(struct bulk *bulk, enum mailauth_status status,
		       const struct mailauth_name *conflict)
{
	char why[BULK_WHY_MAX];

	if (conflict->text[0] != '\0') {
		ma_say("'%s' was changed by another program meanwhile; nothing was changed: try "
		       "again",
		       conflict->text);
		return bulk->app->cmd->exits.busy;
	}
	ma_bulk_why(status, why);
	ma_say("%s%s", why, strstr(why, UNCHANGED) == NULL ? "; " UNCHANGED : "");
	return bulk->app->cmd->exits.failed;
}

int ma_bulk_commit(struct bulk *bulk, const char *afterwards)
{
	struct mailauth_name conflict = {0};
	enum mailauth_status status;

	if (fflush(stdout) != 0 || ferror(stdout) != 0) {
		ma_say("the report cannot be written: %s; nothing was changed", strerror(errno));
		clearerr(stdout);
		return bulk->app->cmd->exits.failed;
	}
	ma_bulk_forget();
	(void)pthread_mutex_lock(&bulk->ending);
	status = mailauth_batch_commit(bulk->batch, &conflict);
	if (status == MAILAUTH_OK)
		bulk->interrupted = afterwards;
	(void)pthread_mutex_unlock(&bulk->ending);
	return status == MAILAUTH_OK ? MA_EXIT_OK : commit_fail(bulk, status, &conflict);
}

void ma_bulk_close(struct bulk *bulk)
{
	if (bulk->is_watched) {
		(void)pthread_mutex_lock(&bulk->ending);
		bulk->interrupted = NULL;
		(void)pthread_mutex_unlock(&bulk->ending);
		(void)pthread_cancel(bulk->watcher);
		(void)pthread_join(bulk->watcher, NULL);
		bulk->is_watched = false;
	}
	if (bulk->app != NULL && bulk->app->ctx != NULL)
		mailauth_set_logger(bulk->app->ctx, ma_app_log, bulk->app, MAILAUTH_LOG_WARN);
	mailauth_batch_free(&bulk->batch);
	if (bulk->app != NULL)
		(void)pthread_mutex_destroy(&bulk->ending);
	bulk->app = NULL;
}

/* ---- progress -------------------------------------------------------------------------------- */

struct progress {
	bool is_on;
	bool is_shown;
	size_t n_done;
	struct timespec start;
	struct timespec next;
};

static int64_t ms_between(const struct timespec *from, const struct timespec *to)
{
	return ((int64_t)to->tv_sec - from->tv_sec) * 1000 +
	       (to->tv_nsec - from->tv_nsec) / 1000000;
}

static struct timespec now(void)
{
	struct timespec time = {0};

	(void)clock_gettime(CLOCK_MONOTONIC, &time);
	return time;
}

static struct timespec tick_after(struct timespec time)
{
	time.tv_nsec += TICK_NS;
	if (time.tv_nsec >= 1000000000) {
		time.tv_nsec -= 1000000000;
		time.tv_sec++;
	}
	return time;
}

static void progress_hide(struct progress *progress)
{
	if (progress->is_shown)
		(void)fprintf(stderr, "\r\033[K");
	progress->is_shown = false;
}

static void progress_show(struct progress *progress, const struct bulk *bulk)
{
	struct timespec time;
	int64_t ms;
	char of[32] = "";

	if (!progress->is_on)
		return;
	time = now();
	if (ms_between(&progress->next, &time) < 0)
		return;
	progress->next = tick_after(time);
	ms = ms_between(&progress->start, &time);
	if (bulk->n_expected > 0)
		(void)snprintf(of, sizeof(of), " of %zu", bulk->n_expected);
	(void)fflush(stdout);
	(void)fprintf(stderr, "\r\033[K%s: %zu%s, %.0f a second", bulk->step, progress->n_done, of,
		      (double)progress->n_done * 1000.0 / (double)(ms > 0 ? ms : 1));
	progress->is_shown = true;
}

/* ---- threads --------------------------------------------------------------------------------- */

/* Slots from n_out to n_taken are in work or done, from there to n_in they wait for a thread. */
struct ring {
	const struct bulk_steps *steps;
	void *arg;
	char *items;
	bool is_done[SLOTS];
	size_t n_in;
	size_t n_taken;
	size_t n_out;
	bool is_over; /* nothing more comes in */
	size_t n_threads;
	pthread_t threads[THREADS_MAX];
	pthread_mutex_t lock;
	pthread_cond_t has_work; /* for the threads */
	pthread_cond_t has_done; /* for the caller: the slot at n_out is done */
};

static void *slot_item(const struct ring *ring, size_t n)
{
	return ring->items + (n % SLOTS) * ring->steps->item_size;
}

static void *work(void *arg)
{
	struct ring *ring = arg;

	(void)pthread_mutex_lock(&ring->lock);
	for (;;) {
		size_t n;

		while (ring->n_taken == ring->n_in && !ring->is_over)
			(void)pthread_cond_wait(&ring->has_work, &ring->lock);
		if (ring->n_taken == ring->n_in)
			break;
		n = ring->n_taken++;
		(void)pthread_mutex_unlock(&ring->lock);
		ma_bulk_forget();
		ring->steps->work(ring->arg, slot_item(ring, n));
		(void)pthread_mutex_lock(&ring->lock);
		ring->is_done[n % SLOTS] = true;
		if (n == ring->n_out)
			(void)pthread_cond_signal(&ring->has_done);
	}
	(void)pthread_mutex_unlock(&ring->lock);
	return NULL;
}

static size_t core_count(void)
{
	cpu_set_t set;
	int n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return n < THREADS_MAX ? (size_t)n : THREADS_MAX;
}

static bool ring_start(struct ring *ring)
{
	pthread_condattr_t attributes;
	size_t n_threads = core_count();

	ring->items = calloc(SLOTS, ring->steps->item_size);
	if (ring->items == NULL)
		return false;
	(void)pthread_mutex_init(&ring->lock, NULL);
	(void)pthread_cond_init(&ring->has_work, NULL);
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&ring->has_done, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	while (ring->n_threads < n_threads &&
	       pthread_create(&ring->threads[ring->n_threads], NULL, work, ring) == 0)
		ring->n_threads++;
	return ring->n_threads > 0;
}

static void ring_stop(struct ring *ring)
{
	if (ring->items == NULL)
		return;
	(void)pthread_mutex_lock(&ring->lock);
	ring->is_over = true;
	(void)pthread_cond_broadcast(&ring->has_work);
	(void)pthread_mutex_unlock(&ring->lock);
	for (size_t i = 0; i < ring->n_threads; i++)
		(void)pthread_join(ring->threads[i], NULL);
	(void)pthread_mutex_destroy(&ring->lock);
	(void)pthread_cond_destroy(&ring->has_work);
	(void)pthread_cond_destroy(&ring->has_done);
	free(ring->items);
}

/* Reads one item into the ring; false: there are no more. */
static bool ring_fill(struct ring *ring)
{
	void *item = slot_item(ring, ring->n_in);

	memset(item, 0, ring->steps->item_size);
	if (!ring->steps->next(ring->arg, item))
		return false;
	(void)pthread_mutex_lock(&ring->lock);
	ring->is_done[ring->n_in % SLOTS] = false;
	ring->n_in++;
	if (ring->n_in - ring->n_taken >= BACKLOG)
		(void)pthread_cond_broadcast(&ring->has_work);
	(void)pthread_mutex_unlock(&ring->lock);
	return true;
}

/* Is the oldest item done? Waits for it, until a tick has passed, if @waits. */
static bool ring_has_done(struct ring *ring, bool waits)
{
	struct timespec until = tick_after(now());
	int error = 0;
	bool is_done;

	(void)pthread_mutex_lock(&ring->lock);
	if (waits && ring->n_taken < ring->n_in)
		(void)pthread_cond_broadcast(&ring->has_work);
	while (waits && !ring->is_done[ring->n_out % SLOTS] && error == 0)
		error = pthread_cond_timedwait(&ring->has_done, &ring->lock, &until);
	is_done = ring->is_done[ring->n_out % SLOTS];
	(void)pthread_mutex_unlock(&ring->lock);
	return is_done;
}

static void ring_drain(struct ring *ring, struct progress *progress, bool waits)
{
	while (ring->n_out < ring->n_in && ring_has_done(ring, waits)) {
		progress_hide(progress);
		ring->steps->done(ring->arg, slot_item(ring, ring->n_out));
		/* n_out is looked at by the threads */
		(void)pthread_mutex_lock(&ring->lock);
		ring->n_out++;
		(void)pthread_mutex_unlock(&ring->lock);
		progress->n_done++;
		waits = false;
	}
}

bool ma_bulk_run(struct bulk *bulk, const struct bulk_steps *steps, void *arg)
{
	struct progress progress = {.is_on = bulk->shows_progress, .start = now()};
	struct ring *ring = calloc(1, sizeof(*ring));
	bool has_more = true;
	bool is_started = false;

	progress.next = tick_after(progress.start);
	if (ring != NULL) {
		ring->steps = steps;
		ring->arg = arg;
		is_started = ring_start(ring);
	}
	while (is_started && (has_more || ring->n_out < ring->n_in)) {
		bool is_full = ring->n_in - ring->n_out == SLOTS;

		if (has_more && !is_full)
			has_more = ring_fill(ring);
		ring_drain(ring, &progress, is_full || !has_more);
		progress_show(&progress, bulk);
	}
	progress_hide(&progress);
	if (ring != NULL)
		ring_stop(ring);
	free(ring);
	if (!is_started)
		ma_say("no thread can be started, or memory ran out; nothing was changed");
	return is_started;
}
