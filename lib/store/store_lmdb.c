/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_lmdb.c - records in an LMDB file, the embedded default
 *
 * lmdb:/path/to/accounts.mdb   (and its lock file accounts.mdb-lock)
 *
 * What is LMDB's own stays in here (lmdb.h, "Restrictions/caveats"):
 *  - A file is open at most once in a process, though a plugin, a PAM module and the program may
 *    all ask: a table counted by device and inode shares the environment. A reader's environment
 *    becomes a writer's when the first writer comes.
 *  - An environment does not survive fork(). The child forgets the parent's, which it must not even
 *    close, and opens its own.
 *  - Read transactions are kept and renewed: reading then makes no system call.
 *  - Growth by another process shows as MDB_MAP_RESIZED; no transaction may run while the new size
 *    is adopted, hence the gate.
 *  - LMDB waits for its writer without end. A lock on the file, taken first, waits until
 *    store_timeout: LMDB's own is then free.
 * Durable by default: MDB_NOSYNC and its kin are not used, so a commit survives loss of power, and
 * a writer killed at any moment leaves the last commit.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util/file.h"
#include "util/mem.h"

#define MODE	      0640
#define LOCK_MODE     0660
#define READERS_MAX   2046 /* processes and threads that read at once; takes 128 KiB */
#define KEPT_READERS  16   /* read transactions kept for renewal */
#define POLL_FIRST_MS 1	   /* between two looks at the writers' lock, doubled up to... */
#define POLL_MAX_MS   16

extern const struct ma_store_ops ma_store_lmdb;

/* One environment; shared by the stores of a process. */
struct env {
	struct env *next;
	dev_t dev;
	ino_t ino;
	unsigned int refs;
	unsigned int born; /* the fork generation it belongs to */
	bool writable;
	MDB_env *mdb;		 /* NULL: could not be opened again; see reopen() */
	MDB_dbi dbi;		 /* LMDB's main database, the only one */
	pthread_rwlock_t gate;	 /* read: in a transaction. write: changing the map */
	pthread_mutex_t writing; /* the file's lock is the process's, not the thread's */
	_Atomic(MDB_txn *) kept[KEPT_READERS];
};

struct lmdb_store {
	struct ma_store base;
	_Atomic(struct env *) env;
	bool write;
	uint64_t timeout_s;
	uint64_t map_size;
	const struct ma_log *log;
	char path[PATH_MAX - sizeof("-lock")];
};

/* The table is the process's, because LMDB's restriction is. */
static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static struct env *table;
static struct env *abandoned;  /* the parents': kept within reach of leak checkers, never used */
static atomic_uint generation; /* goes up in the child of each fork */
static pthread_once_t watch_forks = PTHREAD_ONCE_INIT;

/*
 * Nobody may be writing: the child would inherit the lock on the file, and hold it for as long as
 * it lives if the parent is killed.
 */
static void before_fork(void)
{
	(void)pthread_mutex_lock(&table_lock);
	for (struct env *env = table; env != NULL; env = env->next)
		(void)pthread_mutex_lock(&env->writing);
}

static void let_write(void)
{
	for (struct env *env = table; env != NULL; env = env->next)
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
	struct env **end = &abandoned;

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

static enum mailauth_status away(const struct lmdb_store *store, const char *doing, int error)
{
	const char *cure = "";

	switch (error) {
	case ENOENT:
		cure = "; run \"mailuser init\" first, or set store in the configuration";
		break;
	case EACCES:
	case EPERM:
		cure = "; run as root; members of the store's group may read";
		break;
	case ENOSPC:
	case EDQUOT:
		cure = "; nothing was changed; free some space and try again";
		break;
	case EIO: /* LMDB's word for a write that came out short, too */
		cure = "; is the disk full, or failing? If full, nothing was changed: free some "
		       "space and try again";
		break;
	case MDB_MAP_FULL:
		cure = "; nothing was changed; raise map_size in the configuration";
		break;
	case EMLINK:
		cure = "; the file has a second name (a hard link), and locks would fail: remove "
		       "one";
		break;
	case MDB_READERS_FULL:
		cure = "; too many processes read at once";
		break;
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
		cure = "; the file is damaged: restore it from a backup";
		break;
	default:
		break;
	}
	ma_log(store->log, MAILAUTH_LOG_ERROR, "store", "%s %s: %s%s", doing, store->path,
	       mdb_strerror(error), cure);
	return error == ENOMEM ? MAILAUTH_E_NOMEM : MAILAUTH_E_TEMPFAIL;
}

/*
 * A lock file that root's LMDB would make could not be written by the group, so it is made first,
 * like the store's own: opened O_EXCL, because closing one that is in use drops this process's
 * locks on it.
 */
static int make_lock_file(const char *path, gid_t group)
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

static int open_mdb(const struct lmdb_store *store, bool write, MDB_env **mdb_out, MDB_dbi *dbi_out)
{
	unsigned int flags = MDB_NOSUBDIR | MDB_NOTLS | (write ? 0 : MDB_RDONLY);
	MDB_env *mdb;
	int error = mdb_env_create(&mdb);

	*mdb_out = NULL;
	if (error != 0)
		return error;
	error = mdb_env_set_maxreaders(mdb, READERS_MAX);
	/* A reader takes the size from the file. */
	if (error == 0 && write)
		error = mdb_env_set_mapsize(mdb, store->map_size);
	if (error == 0)
		error = mdb_env_open(mdb, store->path, flags, MODE);
	if (error != 0) {
		mdb_env_close(mdb);
		return error;
	}
	close_on_exec(mdb);
	error = open_dbi(mdb, dbi_out);
	if (error != 0) {
		mdb_env_close(mdb);
		return error;
	}
	*mdb_out = mdb;
	return 0;
}

static void drop_kept(struct env *env)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(env->kept); i++) {
		MDB_txn *txn = atomic_exchange(&env->kept[i], NULL);

		if (txn != NULL)
			mdb_txn_abort(txn);
	}
}

/* With nobody inside. */
static void close_mdb(struct env *env)
{
	drop_kept(env);
	if (env->mdb != NULL)
		mdb_env_close(env->mdb);
	env->mdb = NULL;
}

static void env_free(struct env *env)
{
	close_mdb(env);
	(void)pthread_rwlock_destroy(&env->gate);
	(void)pthread_mutex_destroy(&env->writing);
	ma_free(env);
}

static int env_new(const struct lmdb_store *store, const struct stat *st, struct env **env_out)
{
	struct env *env = ma_alloc(sizeof(*env));
	int error;

	if (env == NULL)
		return ENOMEM;
	env->dev = st->st_dev;
	env->ino = st->st_ino;
	env->refs = 1;
	env->born = atomic_load(&generation);
	env->writable = store->write;
	(void)pthread_rwlock_init(&env->gate, NULL);
	(void)pthread_mutex_init(&env->writing, NULL);
	error = make_lock_file(store->path, st->st_gid);
	/* Whoever may not make it may still find it usable; LMDB will tell. */
	if (error == 0 || error == EACCES || error == EROFS)
		error = open_mdb(store, store->write, &env->mdb, &env->dbi);
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
static int make_writable(struct env *env, const struct lmdb_store *store)
{
	int error = 0;

	/* Tried before anything is closed: in a jail the file could not be opened again at all. */
	if (faccessat(AT_FDCWD, store->path, R_OK | W_OK, AT_EACCESS) != 0)
		return errno;
	(void)pthread_rwlock_wrlock(&env->gate);
	close_mdb(env);
	error = open_mdb(store, true, &env->mdb, &env->dbi);
	env->writable = error == 0;
	if (error != 0)
		(void)open_mdb(store, false, &env->mdb, &env->dbi);
	(void)pthread_rwlock_unlock(&env->gate);
	return error;
}

/* Opens again what is @broken (after MDB_PANIC) or could not be opened again before. */
static int reopen(struct env *env, const struct lmdb_store *store, bool is_broken)
{
	struct stat st;
	int error = 0;

	if (stat(store->path, &st) != 0)
		return errno;
	if (st.st_dev != env->dev || st.st_ino != env->ino)
		return ESTALE;
	(void)pthread_rwlock_wrlock(&env->gate);
	if (is_broken)
		close_mdb(env);
	if (env->mdb == NULL)
		error = open_mdb(store, env->writable, &env->mdb, &env->dbi);
	(void)pthread_rwlock_unlock(&env->gate);
	return error;
}

static int share_env(const struct lmdb_store *store, struct env **env_out)
{
	struct env *env = table;
	struct stat st;
	int error = 0;

	if (stat(store->path, &st) != 0)
		return errno;
	if (!S_ISREG(st.st_mode))
		return EINVAL;
	/* The lock file goes by the name: under another name there would be no common lock. */
	if (st.st_nlink > 1)
		return EMLINK;
	while (env != NULL && (env->dev != st.st_dev || env->ino != st.st_ino))
		env = env->next;
	if (env == NULL)
		return env_new(store, &st, env_out);
	if (store->write && !env->writable)
		error = make_writable(env, store);
	else
		error = reopen(env, store, false);
	if (error != 0)
		return error;
	env->refs++;
	*env_out = env;
	return 0;
}

static void release_env(struct env *env)
{
	struct env **at = &table;

	if (env->born != atomic_load(&generation) || --env->refs > 0)
		return;
	while (*at != env)
		at = &(*at)->next;
	*at = env->next;
	env_free(env);
}

/* This process's environment: after a fork, a new one. NULL: logged. */
static struct env *current(struct lmdb_store *store)
{
	struct env *env = atomic_load(&store->env);
	int error = 0;

	if (env != NULL && env->born == atomic_load_explicit(&generation, memory_order_relaxed))
		return env;
	(void)pthread_mutex_lock(&table_lock);
	env = atomic_load(&store->env);
	if (env == NULL || env->born != atomic_load(&generation)) {
		env = NULL;
		error = share_env(store, &env);
		atomic_store(&store->env, env);
	}
	(void)pthread_mutex_unlock(&table_lock);
	if (error != 0)
		(void)away(store, "cannot open store", error);
	return env;
}

static enum mailauth_status new_store(const struct ma_store_params *params,
				      struct lmdb_store **store_out)
{
	struct lmdb_store *store = ma_alloc(sizeof(*store));

	*store_out = NULL;
	if (store == NULL)
		return MAILAUTH_E_NOMEM;
	store->base.ops = &ma_store_lmdb;
	store->write = params->write;
	store->timeout_s = params->timeout_s;
	store->map_size = params->map_size;
	store->log = params->log;
	if (params->address.len == 0 || params->address.p[0] != '/' ||
	    params->address.len >= sizeof(store->path)) {
		ma_log(params->log, MAILAUTH_LOG_ERROR, "store",
		       "lmdb: needs an absolute path of a file, as in "
		       "lmdb:/var/lib/mailauth/accounts.mdb");
		ma_free(store);
		return MAILAUTH_E_CONFIG;
	}
	memcpy(store->path, params->address.p, params->address.len);
	*store_out = store;
	return MAILAUTH_OK;
}

/* The lock file stands beside the file itself, not beside a symbolic link to it. */
static void follow_links(struct lmdb_store *store)
{
	char real[PATH_MAX];

	/* What cannot be resolved cannot be opened, and that is where it is reported. */
	if (realpath(store->path, real) != NULL && strlen(real) < sizeof(store->path))
		memcpy(store->path, real, strlen(real) + 1);
}

static enum mailauth_status lmdb_open(const struct ma_store_params *params,
				      struct ma_store **store_out)
{
	struct lmdb_store *store;
	enum mailauth_status status = new_store(params, &store);
	struct env *env = NULL;
	int error;

	*store_out = NULL;
	if (status != MAILAUTH_OK)
		return status;
	follow_links(store);
	(void)pthread_once(&watch_forks, start_watch);
	(void)pthread_mutex_lock(&table_lock);
	error = share_env(store, &env);
	(void)pthread_mutex_unlock(&table_lock);
	if (error != 0) {
		status = away(store, "cannot open store", error);
		ma_free(store);
		return status;
	}
	atomic_store(&store->env, env);
	*store_out = &store->base;
	return MAILAUTH_OK;
}

static void lmdb_close(struct ma_store **base)
{
	struct lmdb_store *store = (struct lmdb_store *)*base;
	struct env *env;

	if (store == NULL)
		return;
	(void)pthread_mutex_lock(&table_lock);
	env = atomic_load(&store->env);
	if (env != NULL)
		release_env(env);
	(void)pthread_mutex_unlock(&table_lock);
	ma_free(store);
	*base = NULL;
}

/* Another process made the map larger: take its size when nobody is inside. */
static int adopt_size(struct env *env)
{
	int error;

	(void)pthread_rwlock_wrlock(&env->gate);
	drop_kept(env);
	error = env->mdb != NULL ? mdb_env_set_mapsize(env->mdb, 0) : ENODEV;
	/* LMDB unmaps first; if it cannot map again it would read where nothing is any more. */
	if (error != 0)
		close_mdb(env);
	(void)pthread_rwlock_unlock(&env->gate);
	return error;
}

static MDB_txn *take_kept(struct env *env)
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

static void keep(struct env *env, MDB_txn *txn)
{
	mdb_txn_reset(txn);
	for (size_t i = 0; i < MA_ARRAY_SIZE(env->kept); i++) {
		MDB_txn *none = NULL;

		if (atomic_load_explicit(&env->kept[i], memory_order_relaxed) == NULL &&
		    atomic_compare_exchange_strong(&env->kept[i], &none, txn))
			return;
	}
	mdb_txn_abort(txn);
}

static int begin_read(struct env *env, MDB_txn **txn_out)
{
	MDB_txn *txn = take_kept(env);
	int dead;
	int error;

	*txn_out = NULL;
	if (txn == NULL) {
		error = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn);
		if (error == MDB_READERS_FULL && mdb_reader_check(env->mdb, &dead) == 0)
			error = mdb_txn_begin(env->mdb, NULL, MDB_RDONLY, &txn);
	} else {
		error = mdb_txn_renew(txn);
		if (error != 0)
			mdb_txn_abort(txn);
	}
	if (error == 0)
		*txn_out = txn;
	return error;
}

/* Runs @read in a read transaction. What it copies out is whole: it sees one commit. */
struct reading {
	int (*read)(MDB_txn *txn, MDB_dbi dbi, struct reading *reading);
	struct ma_span key;
	struct ma_buf *key_out;
	struct ma_buf *record_out;
	ma_visit_fn *visit;
	void *visit_arg;
	enum mailauth_status visit_status;
	struct ma_store_stat *stat_out;
	uint64_t map_size;
};

static int read_once(struct env *env, struct reading *reading)
{
	MDB_txn *txn;
	int error;

	(void)pthread_rwlock_rdlock(&env->gate);
	if (env->mdb == NULL) {
		(void)pthread_rwlock_unlock(&env->gate);
		return ENODEV;
	}
	error = begin_read(env, &txn);
	if (error == 0) {
		error = reading->read(txn, env->dbi, reading);
		keep(env, txn);
	}
	(void)pthread_rwlock_unlock(&env->gate);
	return error;
}

/* After what cure() can mend, the transaction is worth a second try. */
static bool is_curable(int error)
{
	return error == MDB_MAP_RESIZED || error == ENODEV || error == MDB_PANIC;
}

static int cure(struct env *env, const struct lmdb_store *store, int error)
{
	if (error == MDB_MAP_RESIZED)
		return adopt_size(env);
	return reopen(env, store, error == MDB_PANIC);
}

static enum mailauth_status run_reading(struct ma_store *base, struct reading *reading)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct env *env = current(store);
	int error;

	if (env == NULL)
		return MAILAUTH_E_TEMPFAIL;
	error = read_once(env, reading);
	if (is_curable(error) && cure(env, store, error) == 0)
		error = read_once(env, reading);
	if (error == MDB_NOTFOUND)
		return MAILAUTH_E_NOTFOUND;
	if (error != 0)
		return away(store, "cannot read store", error);
	/* A record larger than any of ours is not one of ours. */
	if (reading->record_out != NULL && ma_buf_status(reading->record_out) != MAILAUTH_OK)
		return MAILAUTH_E_CORRUPT;
	return MAILAUTH_OK;
}

/* lmdb.h asks for the address of bytes it promises not to change. */
static MDB_val val(struct ma_span span)
{
	union {
		const void *in;
		void *out;
	} address = {.in = span.p};

	return (MDB_val){.mv_size = span.len, .mv_data = address.out};
}

static int read_get(MDB_txn *txn, MDB_dbi dbi, struct reading *reading)
{
	MDB_val key = val(reading->key);
	MDB_val record;
	int error = mdb_get(txn, dbi, &key, &record);

	if (error == 0)
		ma_buf_put(reading->record_out, ma_span(record.mv_data, record.mv_size));
	return error;
}

static enum mailauth_status lmdb_get(struct ma_store *base, struct ma_span key,
				     struct ma_buf *record)
{
	return run_reading(base,
			   &(struct reading){.read = read_get, .key = key, .record_out = record});
}

static int find_next(MDB_cursor *cursor, struct reading *reading)
{
	MDB_val key = val(reading->key);
	MDB_val record;
	int error;

	error = mdb_cursor_get(cursor, &key, &record,
			       reading->key.len > 0 ? MDB_SET_RANGE : MDB_FIRST);
	if (error == 0 && ma_span_equal(ma_span(key.mv_data, key.mv_size), reading->key))
		error = mdb_cursor_get(cursor, &key, &record, MDB_NEXT);
	while (error == 0 && key.mv_size > MA_STORE_KEY_MAX)
		error = mdb_cursor_get(cursor, &key, &record, MDB_NEXT);
	if (error != 0)
		return error;
	ma_buf_put(reading->key_out, ma_span(key.mv_data, key.mv_size));
	ma_buf_put(reading->record_out, ma_span(record.mv_data, record.mv_size));
	return 0;
}

static int read_next(MDB_txn *txn, MDB_dbi dbi, struct reading *reading)
{
	MDB_cursor *cursor;
	int error = mdb_cursor_open(txn, dbi, &cursor);

	if (error != 0)
		return error;
	error = find_next(cursor, reading);
	mdb_cursor_close(cursor);
	return error;
}

static enum mailauth_status lmdb_next(struct ma_store *base, struct ma_span after,
				      struct ma_buf *key, struct ma_buf *record)
{
	return run_reading(base, &(struct reading){.read = read_next,
						   .key = after,
						   .key_out = key,
						   .record_out = record});
}

static int visit_all(MDB_cursor *cursor, struct reading *reading)
{
	MDB_val key;
	MDB_val record;
	int error = mdb_cursor_get(cursor, &key, &record, MDB_FIRST);

	reading->visit_status = MAILAUTH_OK;
	while (error == 0 && reading->visit_status == MAILAUTH_OK) {
		if (key.mv_size <= MA_STORE_KEY_MAX)
			reading->visit_status = reading->visit(
				reading->visit_arg, ma_span(key.mv_data, key.mv_size),
				ma_span(record.mv_data, record.mv_size));
		error = mdb_cursor_get(cursor, &key, &record, MDB_NEXT);
	}
	return error == MDB_NOTFOUND ? 0 : error;
}

static int read_walk(MDB_txn *txn, MDB_dbi dbi, struct reading *reading)
{
	MDB_cursor *cursor;
	int error = mdb_cursor_open(txn, dbi, &cursor);

	if (error != 0)
		return error;
	error = visit_all(cursor, reading);
	mdb_cursor_close(cursor);
	return error;
}

static enum mailauth_status lmdb_walk(struct ma_store *base, ma_visit_fn *visit, void *arg)
{
	struct reading reading = {.read = read_walk, .visit = visit, .visit_arg = arg};
	enum mailauth_status status = run_reading(base, &reading);

	return status == MAILAUTH_OK ? reading.visit_status : status;
}

/* Lines of "pid thread transaction", after a line of titles; digits begin one. */
static int count_reader(const char *line, void *arg)
{
	uint64_t *n = arg;
	const char *first = line + strspn(line, " ");

	if (*first >= '0' && *first <= '9')
		(*n)++;
	return 0;
}

static int read_stat(MDB_txn *txn, MDB_dbi dbi, struct reading *reading)
{
	struct ma_store_stat *out = reading->stat_out;
	MDB_env *mdb = mdb_txn_env(txn);
	MDB_envinfo info;
	MDB_stat stat;
	struct stat st;
	int fd;
	int error = mdb_stat(txn, dbi, &stat);

	if (error == 0)
		error = mdb_env_info(mdb, &info);
	if (error == 0)
		error = mdb_env_get_fd(mdb, &fd);
	if (error != 0)
		return error;
	if (fstat(fd, &st) != 0)
		return errno;
	out->n_records = stat.ms_entries;
	out->bytes_used = (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages) *
			  (uint64_t)stat.ms_psize;
	out->bytes_file = (uint64_t)st.st_size;
	/* LMDB has the largest that any program asked for; ours may stop before that. */
	out->bytes_max = info.me_mapsize < reading->map_size ? info.me_mapsize : reading->map_size;
	return mdb_reader_list(mdb, count_reader, &out->n_readers) < 0 ? EIO : 0;
}

static enum mailauth_status lmdb_stat(struct ma_store *base, struct ma_store_stat *stat_out)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct env *env = current(store);
	int dead = 0;

	*stat_out = (struct ma_store_stat){0};
	if (env == NULL)
		return MAILAUTH_E_TEMPFAIL;
	(void)pthread_rwlock_rdlock(&env->gate);
	if (store->write && env->mdb != NULL && mdb_reader_check(env->mdb, &dead) == 0)
		stat_out->n_dead = (uint64_t)dead;
	(void)pthread_rwlock_unlock(&env->gate);
	return run_reading(base, &(struct reading){.read = read_stat,
						   .stat_out = stat_out,
						   .map_size = store->map_size});
}

static struct timespec deadline(uint64_t timeout_s)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)timeout_s;
	return at;
}

static bool is_past(const struct timespec *at)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > at->tv_sec || (now.tv_sec == at->tv_sec && now.tv_nsec > at->tv_nsec);
}

static int set_file_lock(MDB_env *mdb, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
	int fd;
	int error = mdb_env_get_fd(mdb, &fd);

	if (error != 0)
		return error;
	return fcntl(fd, F_OFD_SETLK, &lock) == 0 ? 0 : errno;
}

/* The turn is this thread's among its own, and this process's among all. */
static int try_turn(struct env *env)
{
	int error = pthread_mutex_trylock(&env->writing);

	if (error != 0)
		return EAGAIN;
	error = set_file_lock(env->mdb, F_WRLCK);
	if (error != 0)
		(void)pthread_mutex_unlock(&env->writing);
	return error == EACCES || error == EINTR ? EAGAIN : error;
}

/* fcntl() can wait for ever or not at all, so this looks again and again. */
static int wait_for_turn(struct env *env, const struct timespec *until)
{
	long pause_ms = POLL_FIRST_MS;
	int error = try_turn(env);

	while (error == EAGAIN && !is_past(until)) {
		struct timespec pause = {.tv_nsec = pause_ms * 1000000};

		(void)nanosleep(&pause, NULL);
		if (pause_ms < POLL_MAX_MS)
			pause_ms *= 2;
		error = try_turn(env);
	}
	return error;
}

static void end_turn(struct env *env)
{
	(void)set_file_lock(env->mdb, F_UNLCK);
	(void)pthread_mutex_unlock(&env->writing);
}

static int apply_change(MDB_txn *txn, MDB_dbi dbi, const struct ma_store_change *change,
			bool *conflict_out)
{
	MDB_val key = val(change->key);
	MDB_val record = val(change->record);
	MDB_val old;
	struct ma_span found;
	int error = mdb_get(txn, dbi, &key, &old);

	if (error != 0 && error != MDB_NOTFOUND)
		return error;
	if (error == 0)
		found = ma_span(old.mv_data, old.mv_size);
	*conflict_out = !ma_store_expects(change, error == 0 ? &found : NULL);
	if (*conflict_out)
		return 0;
	if (!change->remove)
		return mdb_put(txn, dbi, &key, &record, 0);
	error = mdb_del(txn, dbi, &key, NULL);
	return error == MDB_NOTFOUND ? 0 : error;
}

static int write_once(const struct env *env, const struct ma_store_change *changes,
		      size_t n_changes, bool *conflict_out)
{
	MDB_txn *txn;
	int dead;
	int error = mdb_reader_check(env->mdb, &dead); /* it would keep old pages in use */

	if (error == 0)
		error = mdb_txn_begin(env->mdb, NULL, 0, &txn);
	if (error != 0)
		return error;
	for (size_t i = 0; error == 0 && !*conflict_out && i < n_changes; i++)
		error = apply_change(txn, env->dbi, &changes[i], conflict_out);
	if (error == 0 && !*conflict_out)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return error;
}

static int write_locked(struct env *env, const struct ma_store_change *changes, size_t n_changes,
			const struct timespec *until, bool *conflict_out)
{
	int error;

	(void)pthread_rwlock_rdlock(&env->gate);
	if (env->mdb == NULL) {
		(void)pthread_rwlock_unlock(&env->gate);
		return ENODEV;
	}
	error = wait_for_turn(env, until);
	if (error == 0) {
		error = write_once(env, changes, n_changes, conflict_out);
		end_turn(env);
	}
	(void)pthread_rwlock_unlock(&env->gate);
	return error;
}

static enum mailauth_status busy(const struct lmdb_store *store)
{
	ma_log(store->log, MAILAUTH_LOG_ERROR, "busy",
	       "store %s is busy: another program has been writing for %llu s; try again",
	       store->path, (unsigned long long)store->timeout_s);
	return MAILAUTH_E_TEMPFAIL;
}

static enum mailauth_status lmdb_apply(struct ma_store *base, const struct ma_store_change *changes,
				       size_t n_changes, bool *conflict_out)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct timespec until = deadline(store->timeout_s);
	struct env *env;
	int error;

	*conflict_out = false;
	if (!store->write)
		return MAILAUTH_E_USAGE;
	env = current(store);
	if (env == NULL)
		return MAILAUTH_E_TEMPFAIL;
	error = write_locked(env, changes, n_changes, &until, conflict_out);
	if (is_curable(error) && cure(env, store, error) == 0)
		error = write_locked(env, changes, n_changes, &until, conflict_out);
	if (error == EAGAIN)
		return busy(store);
	return error == 0 ? MAILAUTH_OK : away(store, "cannot change store", error);
}

static bool lmdb_exists(const struct ma_store_params *params)
{
	struct lmdb_store *store;
	struct stat st;
	bool exists;

	if (new_store(params, &store) != MAILAUTH_OK)
		return false;
	exists = stat(store->path, &st) == 0 && st.st_size > 0;
	ma_free(store);
	return exists;
}

static enum mailauth_status lmdb_create(const struct ma_store_params *params, gid_t group)
{
	struct lmdb_store *store;
	enum mailauth_status status = new_store(params, &store);
	struct stat st;
	int error;

	if (status != MAILAUTH_OK)
		return status;
	error = ma_file_create(store->path, MODE, group, ma_span(NULL, 0));
	follow_links(store);
	/* No lock file beside what is no store. */
	if (error == EEXIST)
		error = stat(store->path, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
	if (error == 0)
		error = make_lock_file(store->path, group);
	if (error == ENOENT) {
		ma_log(params->log, MAILAUTH_LOG_ERROR, "store",
		       "cannot make store %s: its folder does not exist; make it first",
		       store->path);
		status = MAILAUTH_E_CONFIG;
	} else if (error != 0) {
		status = away(store, "cannot make store", error);
	}
	ma_free(store);
	return status;
}

const struct ma_store_ops ma_store_lmdb = {
	.scheme = "lmdb",
	.create = lmdb_create,
	.exists = lmdb_exists,
	.open = lmdb_open,
	.close = lmdb_close,
	.get = lmdb_get,
	.next = lmdb_next,
	.walk = lmdb_walk,
	.stat = lmdb_stat,
	.apply = lmdb_apply,
};
