/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lmdb_env.c - one LMDB environment for each file and process
 */
#include "store/lmdb_env.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"
#include "util/guard.h"
#include "util/mem.h"

#define MODE	    0640
#define LOCK_MODE   0660
#define READERS_MAX 2046 /* processes and threads that read at once; takes 128 KiB */

/* The table is the process's, because LMDB's restriction is. */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ma_lmdb_env *table;
static struct ma_lmdb_env *abandoned; /* the parents': kept for leak checkers, never used */
static atomic_uint generation;	      /* goes up in the child of each fork */
static pthread_once_t watch_forks = PTHREAD_ONCE_INIT;

/*
 * Nobody may be writing: the child would inherit the lock on the file, and hold it for as long as
 * it lives if the parent is killed.
 */
static void before_fork(void)
{
	(void)pthread_mutex_lock(&table_lock);
	for (struct ma_lmdb_env *env = table; env != NULL; env = env->next)
		(void)pthread_mutex_lock(&env->writing);
}

static void let_write(void)
{
	for (struct ma_lmdb_env *env = table; env != NULL; env = env->next)
		(void)pthread_mutex_unlock(&env->writing);
}

static void after_fork_in_parent(void)
{
	let_write();
	(void)pthread_mutex_unlock(&table_lock);
}

/* Closing the inherited environments would free the parent's reader slots: they are left alone. */
static void after_fork_in_child(void)
{
	struct ma_lmdb_env **end = &abandoned;

	let_write();
	while (*end != NULL)
		end = &(*end)->next;
	*end = table;
	table = NULL;
	atomic_fetch_add(&generation, 1);
	(void)pthread_mutex_unlock(&table_lock);
}

static void start_watch(void)
{
	(void)pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/*
 * A lock file that root's LMDB would make could not be written by the group, so it is made first,
 * like the store's own: opened O_EXCL, because closing one that is in use drops this process's
 * locks on it.
 */
int ma_lmdb_make_lock_file(const char *path, gid_t group)
{
	char lock[PATH_MAX];
	int error;

	(void)snprintf(lock, sizeof(lock), "%s-lock", path);
	error = ma_file_create(lock, LOCK_MODE, group, ma_span(NULL, 0));
	return error == EEXIST ? 0 : error;
}

/* LMDB leaves the descriptor of the data to programs that a server starts. */
static void close_on_exec(MDB_env *mdb)
{
	int fd;

	if (mdb_env_get_fd(mdb, &fd) == 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Once and for all: lmdb.h allows no two threads in mdb_dbi_open(). */
static int open_dbi(MDB_env *mdb, MDB_dbi *dbi_out)
{
	MDB_txn *txn;
	int error = mdb_txn_begin(mdb, NULL, MDB_RDONLY, &txn);

	if (error != 0)
		return error;
	error = mdb_dbi_open(txn, NULL, 0, dbi_out);
	mdb_txn_abort(txn);
	return error;
}

/* LMDB believes what the header says; so it is looked at first. Not there yet: LMDB will tell. */
static int check_header(const char *path, struct ma_lmdb_damage *damage)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return errno == ENOENT ? 0 : errno;
	error = ma_lmdb_check_header(fd, damage);
	(void)close(fd);
	return error;
}

/* LMDB would abort the program. */
static void on_assert(MDB_env *mdb, const char *text)
{
	(void)mdb;
	(void)text;
	ma_guard_fail();
}

struct opening {
	const struct ma_lmdb_file *file;
	bool write;
	MDB_env *mdb;
	MDB_dbi dbi;
};

static int open_guarded(void *arg)
{
	struct opening *opening = arg;
	/* A login reads one record anywhere: what lies behind it would fill memory for nothing. */
	unsigned int flags =
		MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD | (opening->write ? 0 : MDB_RDONLY);
	int error = mdb_env_set_maxreaders(opening->mdb, READERS_MAX);

	if (error == 0)
		error = mdb_env_set_assert(opening->mdb, on_assert);
	/* A reader takes the size from the file. */
	if (error == 0 && opening->write)
		error = mdb_env_set_mapsize(opening->mdb, opening->file->map_size);
	if (error == 0)
		error = mdb_env_open(opening->mdb, opening->file->path, flags, MODE);
	if (error != 0)
		return error;
	close_on_exec(opening->mdb);
	return open_dbi(opening->mdb, &opening->dbi);
}

static int close_guarded(void *arg)
{
	mdb_env_close(arg);
	return 0;
}

static int stat_lock_file(const char *path, struct stat *st)
{
	char lock[PATH_MAX];

	(void)snprintf(lock, sizeof(lock), "%s-lock", path);
	return stat(lock, st) == 0 ? 0 : errno;
}

/*
 * Somebody who removed it parted those who had it open from those who come later. In a jail where
 * neither file can be seen nobody can tell.
 */
bool ma_lmdb_env_has_lock(const struct ma_lmdb_env *env, const struct ma_lmdb_file *file)
{
	struct stat st;

	if (stat_lock_file(file->path, &st) == 0)
		return st.st_dev == env->lock_dev && st.st_ino == env->lock_ino;
	return stat(file->path, &st) != 0;
}

static int open_mdb(const struct ma_lmdb_file *file, bool write, struct ma_lmdb_env *env,
		    struct ma_lmdb_damage *damage)
{
	struct opening opening = {.file = file, .write = write};
	struct stat st;
	int error = check_header(file->path, damage);

	if (error == 0)
		error = mdb_env_create(&opening.mdb);
	if (error != 0)
		return error;
	error = ma_guard_run(open_guarded, &opening, MA_LMDB_DAMAGED);
	if (error != 0) {
		(void)ma_guard_run(close_guarded, opening.mdb, 0);
		return error;
	}
	env->mdb = opening.mdb;
	env->dbi = opening.dbi;
	/* Another one in this very moment is found at the next change. */
	if (stat_lock_file(file->path, &st) == 0) {
		env->lock_dev = st.st_dev;
		env->lock_ino = st.st_ino;
	}
	return 0;
}

static int abort_guarded(void *arg)
{
	mdb_txn_abort(arg);
	return 0;
}

void ma_lmdb_abort(MDB_txn *txn)
{
	(void)ma_guard_run(abort_guarded, txn, 0);
}

static void drop_kept(struct ma_lmdb_env *env)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(env->kept); i++) {
		MDB_txn *txn = atomic_exchange(&env->kept[i], NULL);

		if (txn != NULL)
			ma_lmdb_abort(txn);
	}
}

/* With nobody inside. */
static void close_mdb(struct ma_lmdb_env *env)
{
	drop_kept(env);
	if (env->mdb != NULL)
		(void)ma_guard_run(close_guarded, env->mdb, 0);
	env->mdb = NULL;
	atomic_store(&env->has_lost, false);
}

static void env_free(struct ma_lmdb_env *env)
{
	close_mdb(env);
	(void)pthread_rwlock_destroy(&env->gate);
	(void)pthread_mutex_destroy(&env->writing);
	ma_free(env);
}

static int env_new(const struct ma_lmdb_file *file, const struct stat *st,
		   struct ma_lmdb_env **env_out, struct ma_lmdb_damage *damage)
{
	struct ma_lmdb_env *env = ma_alloc(sizeof(*env));
	int error;

	if (env == NULL)
		return ENOMEM;
	env->dev = st->st_dev;
	env->ino = st->st_ino;
	env->refs = 1;
	env->born = atomic_load(&generation);
	env->writable = file->write;
	(void)pthread_rwlock_init(&env->gate, NULL);
	(void)pthread_mutex_init(&env->writing, NULL);
	error = ma_lmdb_make_lock_file(file->path, st->st_gid);
	/* Whoever may not make it may still find it usable; LMDB will tell. */
	if (error == 0 || error == EACCES || error == EROFS)
		error = open_mdb(file, file->write, env, damage);
	if (error != 0) {
		env_free(env);
		return error;
	}
	env->next = table;
	table = env;
	*env_out = env;
	return 0;
}

/* The first writer of a process comes after readers: closed and opened again, with nobody inside.
 */
static int make_writable(struct ma_lmdb_env *env, const struct ma_lmdb_file *file,
			 struct ma_lmdb_damage *damage)
{
	int error = 0;

	/* Tried before anything is closed: in a jail the file could not be opened again at all. */
	if (faccessat(AT_FDCWD, file->path, R_OK | W_OK, AT_EACCESS) != 0)
		return errno;
	(void)pthread_rwlock_wrlock(&env->gate);
	close_mdb(env);
	error = open_mdb(file, true, env, damage);
	env->writable = error == 0;
	if (error != 0)
		(void)open_mdb(file, false, env, damage);
	(void)pthread_rwlock_unlock(&env->gate);
	return error;
}

/* Opens again what is @broken (after MDB_PANIC) or could not be opened again before. */
static int reopen(struct ma_lmdb_env *env, const struct ma_lmdb_file *file, bool is_broken,
		  struct ma_lmdb_damage *damage)
{
	struct stat st;
	int error = 0;

	if (stat(file->path, &st) != 0)
		return errno;
	if (st.st_dev != env->dev || st.st_ino != env->ino)
		return ESTALE;
	error = ma_lmdb_make_lock_file(file->path, st.st_gid);
	if (error != 0 && error != EACCES && error != EROFS)
		return error;
	(void)pthread_rwlock_wrlock(&env->gate);
	error = 0;
	if (is_broken)
		close_mdb(env);
	if (env->mdb == NULL)
		error = open_mdb(file, env->writable, env, damage);
	(void)pthread_rwlock_unlock(&env->gate);
	return error;
}

static int share_env(const struct ma_lmdb_file *file, struct ma_lmdb_env **env_out,
		     struct ma_lmdb_damage *damage)
{
	struct ma_lmdb_env *env = table;
	struct stat st;
	int error = 0;

	if (stat(file->path, &st) != 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EINVAL;
	/* The lock file goes by the name: under another name there would be no common lock. */
	if (st.st_nlink > 1)
		return EMLINK;
	while (env != NULL && (env->dev != st.st_dev || env->ino != st.st_ino))
		env = env->next;
	if (env == NULL)
		return env_new(file, &st, env_out, damage);
	if (file->write && !env->writable)
		error = make_writable(env, file, damage);
	else
		error = reopen(env, file, false, damage);
	if (error != 0)
		return error;
	env->refs++;
	*env_out = env;
	return 0;
}

static void release_env(struct ma_lmdb_env *env)
{
	struct ma_lmdb_env **at = &table;

	if (env->born != atomic_load(&generation) || --env->refs > 0)
		return;
	while (*at != env)
		at = &(*at)->next;
	*at = env->next;
	env_free(env);
}

int ma_lmdb_env_take(const struct ma_lmdb_file *file, _Atomic(struct ma_lmdb_env *) *slot,
		     struct ma_lmdb_env **env_out, struct ma_lmdb_damage *damage_out)
{
	struct ma_lmdb_env *env = atomic_load(slot);
	int error = 0;

	*env_out = env;
	if (env != NULL && env->born == atomic_load_explicit(&generation, memory_order_relaxed))
		return 0;
	ma_guard_start();
	(void)pthread_once(&watch_forks, start_watch);
	(void)pthread_mutex_lock(&table_lock);
	env = atomic_load(slot);
	if (env == NULL || env->born != atomic_load(&generation)) {
		env = NULL;
		error = share_env(file, &env, damage_out);
		atomic_store(slot, env);
	}
	(void)pthread_mutex_unlock(&table_lock);
	*env_out = env;
	return error;
}

void ma_lmdb_env_release(_Atomic(struct ma_lmdb_env *) *slot)
{
	struct ma_lmdb_env *env;

	(void)pthread_mutex_lock(&table_lock);
	env = atomic_exchange(slot, NULL);
	if (env != NULL)
		release_env(env);
	(void)pthread_mutex_unlock(&table_lock);
}

static int set_size_guarded(void *arg)
{
	return mdb_env_set_mapsize(arg, 0);
}

/* Another process made the map larger: take its size when nobody is inside. */
static int adopt_size(struct ma_lmdb_env *env)
{
	int error;

	(void)pthread_rwlock_wrlock(&env->gate);
	drop_kept(env);
	error = env->mdb != NULL ? ma_guard_run(set_size_guarded, env->mdb, MA_LMDB_DAMAGED)
				 : ENODEV;
	/* LMDB unmaps first; if it cannot map again it would read where nothing is any more. */
	if (error != 0)
		close_mdb(env);
	(void)pthread_rwlock_unlock(&env->gate);
	return error;
}

/* Opens again what LMDB gave up (MDB_PANIC) or could not be opened again before. */
bool ma_lmdb_env_cure(struct ma_lmdb_env *env, const struct ma_lmdb_file *file, int error)
{
	struct ma_lmdb_damage damage;

	if (error == MDB_MAP_RESIZED)
		return adopt_size(env) == 0;
	if (error != ENODEV && error != MDB_PANIC)
		return false;
	return reopen(env, file, error == MDB_PANIC, &damage) == 0;
}

void ma_lmdb_env_give_up(struct ma_lmdb_env *env)
{
	(void)pthread_rwlock_wrlock(&env->gate);
	close_mdb(env);
	(void)pthread_rwlock_unlock(&env->gate);
}

void ma_lmdb_env_give_up_if_idle(struct ma_lmdb_env *env)
{
	if (pthread_rwlock_trywrlock(&env->gate) != 0)
		return;
	close_mdb(env);
	(void)pthread_rwlock_unlock(&env->gate);
}
