/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lmdb_txn.c - read and write transactions, guarded
 */
#include "store/lmdb_txn.h"

#include <errno.h>
#include <fcntl.h>

#include "util/guard.h"

#define POLL_FIRST_MS 1 /* between two looks at the writers' lock, doubled up to... */
#define POLL_MAX_MS   16
#define FAULT	      (-2) /* beside LMDB's errors and MA_LMDB_DAMAGED */

/* What is used in a guard. */
struct access {
	struct ma_lmdb_env *env;
	MDB_txn *txn;	/* NULL: none, or it has been given back */
	bool is_making; /* a fault now loses a transaction that nobody knows yet */
	int (*use)(MDB_txn *txn, MDB_dbi dbi, void *arg);
	void *arg;
};

/* ---- reading ---- */

static MDB_txn *take_kept(struct ma_lmdb_env *env)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(env->kept); i++) {
		MDB_txn *txn = NULL;

		if (atomic_load_explicit(&env->kept[i], memory_order_relaxed) != NULL)
			txn = atomic_exchange(&env->kept[i], NULL);
		if (txn != NULL)
			return txn;
	}
	return NULL;
}

/* One that was reset. */
static void keep(struct ma_lmdb_env *env, MDB_txn *txn)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(env->kept); i++) {
		MDB_txn *none = NULL;

		if (atomic_load_explicit(&env->kept[i], memory_order_relaxed) == NULL &&
		    atomic_compare_exchange_strong(&env->kept[i], &none, txn))
			return;
	}
	mdb_txn_abort(txn);
}

/*
 * The transaction is known before LMDB touches the file, so that a fault does not lose it, and its
 * place among the readers with it. That of a new one is only known when it is made: so the pages
 * that it will touch are touched before; for a fault even then see forget_lost().
 */
static int begin_guarded(void *arg)
{
	struct access *access = arg;
	MDB_env *mdb = access->env->mdb;
	MDB_envinfo info;
	int dead;
	int error;

	access->txn = take_kept(access->env);
	if (access->txn != NULL)
		return mdb_txn_renew(access->txn);
	error = mdb_env_info(mdb, &info);
	access->is_making = true;
	if (error == 0)
		error = mdb_txn_begin(mdb, NULL, MDB_RDONLY, &access->txn);
	if (error == MDB_READERS_FULL && mdb_reader_check(mdb, &dead) == 0)
		error = mdb_txn_begin(mdb, NULL, MDB_RDONLY, &access->txn);
	access->is_making = false;
	return error;
}

static int step_guarded(void *arg)
{
	struct access *access = arg;

	return access->use(access->txn, access->env->dbi, access->arg);
}

static int end_guarded(void *arg)
{
	struct access *access = arg;
	MDB_txn *txn = access->txn;

	mdb_txn_reset(txn);
	access->txn = NULL;
	keep(access->env, txn);
	return 0;
}

static int read_guarded(void *arg)
{
	int error = begin_guarded(arg);

	if (error == 0)
		error = step_guarded(arg);
	if (error == 0 || error == MDB_NOTFOUND)
		(void)end_guarded(arg);
	return error;
}

/*
 * The file was cut short in the moment in which LMDB made a transaction. Its place among the
 * readers is taken until the environment is closed, and would keep all pages that are in use now
 * from ever being used again. (Its 234 bytes of memory nobody can find.) If others are reading, the
 * next one closes it.
 */
static void forget_lost(struct ma_lmdb_env *env)
{
	if (atomic_load_explicit(&env->has_lost, memory_order_relaxed))
		ma_lmdb_env_give_up_if_idle(env);
}

static int run_read(struct access *access, int (*read)(void *access))
{
	int error = ma_guard_run(read, access, MA_LMDB_DAMAGED);

	if (access->is_making)
		atomic_store(&access->env->has_lost, true);
	access->is_making = false;
	return error;
}

static int read_once(struct access *access)
{
	struct ma_lmdb_env *env = access->env;
	int error = ENODEV;

	forget_lost(env);
	(void)pthread_rwlock_rdlock(&env->gate);
	if (env->mdb != NULL)
		error = run_read(access, read_guarded);
	if (access->txn != NULL)
		ma_lmdb_abort(access->txn);
	access->txn = NULL;
	(void)pthread_rwlock_unlock(&env->gate);
	return error;
}

int ma_lmdb_read(struct ma_lmdb_env *env, const struct ma_lmdb_file *file, ma_lmdb_read_fn *read,
		 void *arg)
{
	struct access access = {.env = env, .use = read, .arg = arg};
	int error = read_once(&access);

	if (error != 0 && ma_lmdb_env_cure(env, file, error))
		error = read_once(&access);
	return error;
}

static int begin_once(struct access *access)
{
	struct ma_lmdb_env *env = access->env;
	int error = ENODEV;

	forget_lost(env);
	(void)pthread_rwlock_rdlock(&env->gate);
	if (env->mdb != NULL)
		error = run_read(access, begin_guarded);
	if (error == 0)
		return 0;
	if (access->txn != NULL)
		ma_lmdb_abort(access->txn);
	access->txn = NULL;
	(void)pthread_rwlock_unlock(&env->gate);
	return error;
}

int ma_lmdb_begin(struct ma_lmdb_env *env, const struct ma_lmdb_file *file, MDB_txn **txn_out)
{
	struct access access = {.env = env};
	int error = begin_once(&access);

	if (error != 0 && ma_lmdb_env_cure(env, file, error))
		error = begin_once(&access);
	*txn_out = access.txn;
	return error;
}

int ma_lmdb_step(struct ma_lmdb_env *env, MDB_txn *txn, ma_lmdb_read_fn *read, void *arg)
{
	struct access access = {.env = env, .txn = txn, .use = read, .arg = arg};

	return ma_guard_run(step_guarded, &access, MA_LMDB_DAMAGED);
}

void ma_lmdb_end(struct ma_lmdb_env *env, MDB_txn *txn)
{
	ma_lmdb_abort(txn);
	(void)pthread_rwlock_unlock(&env->gate);
}

int ma_lmdb_fd(MDB_txn *txn)
{
	int fd;

	return mdb_env_get_fd(mdb_txn_env(txn), &fd) == 0 ? fd : -1;
}

static int clear_guarded(void *arg)
{
	struct access *access = arg;
	int *dead = access->arg;

	return mdb_reader_check(access->env->mdb, dead);
}

uint64_t ma_lmdb_clear_readers(struct ma_lmdb_env *env)
{
	int dead = 0;
	struct access access = {.env = env, .arg = &dead};
	int error = ENODEV;

	(void)pthread_rwlock_rdlock(&env->gate);
	if (env->mdb != NULL)
		error = ma_guard_run(clear_guarded, &access, MA_LMDB_DAMAGED);
	(void)pthread_rwlock_unlock(&env->gate);
	return error == 0 ? (uint64_t)dead : 0;
}

/* ---- writing ---- */

static bool is_past(const struct timespec *at)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > at->tv_sec || (now.tv_sec == at->tv_sec && now.tv_nsec > at->tv_nsec);
}

/* Bytes of the file that are locked: who writes has the first, who is next has the second. */
enum turn { TURN_NOW, TURN_NEXT };

static int set_file_lock(MDB_env *mdb, short type, enum turn turn)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = turn, .l_len = 1};
	int fd;
	int error = mdb_env_get_fd(mdb, &fd);

	if (error != 0)
		return error;
	return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

/* fcntl() can wait for ever or not at all, so this looks again and again. */
static int wait_for_lock(struct ma_lmdb_env *env, enum turn turn, const struct timespec *until)
{
	long pause_ms = POLL_FIRST_MS;
	int error = set_file_lock(env->mdb, F_WRLCK, turn);

	while ((error == EAGAIN || error == EACCES || error == EINTR) && !is_past(until)) {
		struct timespec pause = {.tv_nsec = pause_ms * 1000000};

		(void)nanosleep(&pause, NULL);
		/* Who is next must not leave the store idle. */
		if (turn != TURN_NOW && pause_ms < POLL_MAX_MS)
			pause_ms *= 2;
		error = set_file_lock(env->mdb, F_WRLCK, turn);
	}
	return error == EACCES || error == EINTR ? EAGAIN : error;
}

/* pthread_mutex_clocklock() would do, but gcc 12's thread sanitizer does not know it. */
static int wait_for_threads(struct ma_lmdb_env *env, const struct timespec *until)
{
	struct timespec pause = {.tv_nsec = POLL_FIRST_MS * 1000000L};

	while (pthread_mutex_trylock(&env->writing) != 0) {
		if (is_past(until))
			return EAGAIN;
		(void)nanosleep(&pause, NULL);
	}
	return 0;
}

/*
 * The turn is this thread's among its own, and this process's among all. Who writes again and again
 * has to be next first, as everybody; so whoever is next does get the turn.
 */
static int wait_for_turn(struct ma_lmdb_env *env, const struct timespec *until)
{
	int error = wait_for_threads(env, until);

	if (error != 0)
		return error;
	error = wait_for_lock(env, TURN_NEXT, until);
	if (error == 0) {
		error = wait_for_lock(env, TURN_NOW, until);
		(void)set_file_lock(env->mdb, F_UNLCK, TURN_NEXT);
	}
	if (error != 0)
		(void)pthread_mutex_unlock(&env->writing);
	return error;
}

static void end_turn(struct ma_lmdb_env *env)
{
	(void)set_file_lock(env->mdb, F_UNLCK, TURN_NOW);
	(void)pthread_mutex_unlock(&env->writing);
}

static int write_guarded(void *arg)
{
	struct access *access = arg;
	struct ma_lmdb_env *env = access->env;
	MDB_envinfo info;
	int dead;
	int error = mdb_reader_check(env->mdb, &dead); /* it would keep old pages in use */

	/* A fault while LMDB begins would leave its writers' lock taken; see begin_guarded(). */
	if (error == 0)
		error = mdb_env_info(env->mdb, &info);
	if (error == 0)
		error = mdb_txn_begin(env->mdb, NULL, 0, &access->txn);
	if (error == 0)
		error = access->use(access->txn, env->dbi, access->arg);
	if (error != 0)
		return error;
	error = mdb_txn_commit(access->txn);
	access->txn = NULL;
	return error;
}

static int write_once(struct access *access, const struct ma_lmdb_file *file,
		      const struct timespec *until)
{
	struct ma_lmdb_env *env = access->env;
	int error = ENODEV;

	(void)pthread_rwlock_rdlock(&env->gate);
	if (env->mdb != NULL)
		error = wait_for_turn(env, until);
	if (error == 0) {
		/* MDB_PANIC: opened again, and tried again. */
		error = ma_lmdb_env_has_lock(env, file) ? ma_guard_run(write_guarded, access, FAULT)
							: MDB_PANIC;
		if (access->txn != NULL)
			ma_lmdb_abort(access->txn);
		access->txn = NULL;
		end_turn(env);
	}
	(void)pthread_rwlock_unlock(&env->gate);
	if (error != FAULT)
		return error;
	/* Nobody knows what LMDB holds in memory. */
	ma_lmdb_env_give_up(env);
	return MA_LMDB_DAMAGED;
}

int ma_lmdb_write(struct ma_lmdb_env *env, const struct ma_lmdb_file *file,
		  const struct timespec *until, ma_lmdb_write_fn *write, void *arg)
{
	struct access access = {.env = env, .use = write, .arg = arg};
	int error = write_once(&access, file, until);

	if (error != 0 && ma_lmdb_env_cure(env, file, error))
		error = write_once(&access, file, until);
	return error;
}
