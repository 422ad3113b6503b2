/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_lmdb.c - records in an LMDB file, the embedded default
 *
 * lmdb:/path/to/accounts.mdb   (and its lock file accounts.mdb-lock)
 *
 * The operations of store.h, and what an administrator is told when one fails. Environments and
 * transactions are in lmdb_env.c and lmdb_txn.c; lmdb_check.c looks for damage in the file, here
 * before each change of what is going to be changed.
 */
#include "store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/lmdb_txn.h"
#include "util/file.h"
#include "util/mem.h"

#define MODE	       0640
#define KEY_MAX	       511 /* LMDB's own limit */
#define CHECKED_BY_WAY 16  /* changes; for more at once, all pages are checked */

extern const struct ma_store_ops ma_store_lmdb;

struct lmdb_store {
	struct ma_store base;
	_Atomic(struct ma_lmdb_env *) env;
	uint64_t timeout_s;
	const struct ma_log *log;
	struct ma_lmdb_file file;
};

static enum mailauth_status away(const struct lmdb_store *store, const char *doing, int error)
{
	const char *cure = "";

	switch (error) {
	case ENOENT:
		cure = "; run \"mailuser init\" first, or set store in the configuration";
		break;
	case EACCES:
	case EPERM:
		cure = "; run as root; members of the store's group may read, and open the lock "
		       "file beside it (-lock) for writing";
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
	case MDB_CURSOR_FULL:
	case MA_LMDB_DAMAGED:
		cure = "; the file is damaged: restore it from a backup";
		break;
	default:
		break;
	}
	ma_log(store->log, MAILAUTH_LOG_ERROR, "store", "%s %s: %s%s", doing, store->file.path,
	       error == MA_LMDB_DAMAGED ? "LMDB cannot read it" : mdb_strerror(error), cure);
	return error == ENOMEM ? MAILAUTH_E_NOMEM : MAILAUTH_E_TEMPFAIL;
}

static enum mailauth_status damaged(const struct lmdb_store *store, const char *doing,
				    const struct ma_lmdb_damage *damage)
{
	ma_log(store->log, MAILAUTH_LOG_ERROR, "store",
	       "%s %s: the file is damaged: page %llu %s; restore it from a backup", doing,
	       store->file.path, (unsigned long long)damage->page, damage->what);
	return MAILAUTH_E_TEMPFAIL;
}

/* This process's environment. */
static enum mailauth_status current(struct lmdb_store *store, struct ma_lmdb_env **env_out)
{
	struct ma_lmdb_damage damage;
	int error = ma_lmdb_env_take(&store->file, &store->env, env_out, &damage);

	if (error == 0)
		return MAILAUTH_OK;
	if (error == MA_LMDB_DAMAGED)
		return damaged(store, "cannot open store", &damage);
	return away(store, "cannot open store", error);
}

static enum mailauth_status new_store(const struct ma_store_params *params,
				      struct lmdb_store **store_out)
{
	struct lmdb_store *store = ma_alloc(sizeof(*store));

	*store_out = NULL;
	if (store == NULL)
		return MAILAUTH_E_NOMEM;
	store->base.ops = &ma_store_lmdb;
	store->file.write = params->write;
	store->timeout_s = params->timeout_s;
	store->file.map_size = params->map_size;
	store->log = params->log;
	if (params->address.len == 0 || params->address.p[0] != '/' ||
	    params->address.len >= sizeof(store->file.path)) {
		ma_log(params->log, MAILAUTH_LOG_ERROR, "store",
		       "lmdb: needs an absolute path of a file, as in "
		       "lmdb:/var/lib/mailauth/accounts.mdb");
		ma_free(store);
		return MAILAUTH_E_CONFIG;
	}
	memcpy(store->file.path, params->address.p, params->address.len);
	*store_out = store;
	return MAILAUTH_OK;
}

/* The lock file stands beside the file itself, not beside a symbolic link to it. */
static void follow_links(struct lmdb_store *store)
{
	char real[PATH_MAX];

	/* What cannot be resolved cannot be opened, and that is where it is reported. */
	if (realpath(store->file.path, real) != NULL && strlen(real) < sizeof(store->file.path))
		memcpy(store->file.path, real, strlen(real) + 1);
}

static enum mailauth_status lmdb_open(const struct ma_store_params *params,
				      struct ma_store **store_out)
{
	struct ma_lmdb_env *env;
	struct lmdb_store *store;
	enum mailauth_status status = new_store(params, &store);

	*store_out = NULL;
	if (status != MAILAUTH_OK)
		return status;
	follow_links(store);
	status = current(store, &env);
	if (status != MAILAUTH_OK) {
		ma_free(store);
		return status;
	}
	*store_out = &store->base;
	return MAILAUTH_OK;
}

static void lmdb_close(struct ma_store **base)
{
	struct lmdb_store *store = (struct lmdb_store *)*base;

	if (store == NULL)
		return;
	ma_lmdb_env_release(&store->env);
	ma_free(store);
	*base = NULL;
}

static bool is_damage(int error)
{
	return error == MA_LMDB_DAMAGED || error == MDB_CORRUPTED || error == MDB_PAGE_NOTFOUND ||
	       error == MDB_CURSOR_FULL;
}

static enum mailauth_status read_status(const struct lmdb_store *store, int error)
{
	if (error == 0)
		return MAILAUTH_OK;
	return error == MDB_NOTFOUND ? MAILAUTH_E_NOTFOUND
				     : away(store, "cannot read store", error);
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

struct wanted {
	struct ma_span key;
	struct ma_buf *record_out;
};

/* One that is too long is not even read, for its length may be damaged; it stays too long. */
static void put_record(struct ma_buf *out, const MDB_val *record)
{
	static const uint8_t too_long[MA_STORE_RECORD_MAX + 1];

	if (record->mv_size > MA_STORE_RECORD_MAX)
		ma_buf_put(out, ma_span(too_long, sizeof(too_long)));
	else
		ma_buf_put(out, ma_span(record->mv_data, record->mv_size));
}

static int read_get(MDB_txn *txn, MDB_dbi dbi, void *arg)
{
	const struct wanted *wanted = arg;
	MDB_val key = val(wanted->key);
	MDB_val record;
	int error = mdb_get(txn, dbi, &key, &record);

	if (error == 0)
		put_record(wanted->record_out, &record);
	return error;
}

static enum mailauth_status lmdb_get(struct ma_store *base, struct ma_span key,
				     struct ma_buf *record)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct wanted wanted = {.key = key, .record_out = record};
	struct ma_lmdb_env *env;
	enum mailauth_status status;
	int error;

	status = current(store, &env);
	if (status != MAILAUTH_OK)
		return status;
	error = ma_lmdb_read(env, &store->file, read_get, &wanted);
	status = read_status(store, error);
	/* The caller knows whose it is, and says so. */
	if (is_damage(error) || (error == 0 && ma_buf_status(record) != MAILAUTH_OK))
		status = MAILAUTH_E_CORRUPT;
	return status;
}

/* Where a walk is. LMDB's cursors have to be closed, even if reading with them faulted. */
struct position {
	MDB_cursor *cursor; /* NULL: at the start, behind @last if that is not empty */
	uint8_t last[KEY_MAX];
	size_t last_len;
	struct ma_buf *key_out;
	struct ma_buf *record_out;
};

static bool is_behind(const struct position *position, const MDB_val *key)
{
	size_t len = position->last_len < key->mv_size ? position->last_len : key->mv_size;
	int order = len > 0 ? memcmp(key->mv_data, position->last, len) : 0;

	return order > 0 || (order == 0 && key->mv_size > position->last_len);
}

/* The next one, of any length. On damaged pages a walk could go in circles: it goes up, or ends. */
static int advance(struct position *position, MDB_cursor_op op, MDB_val *key, MDB_val *record)
{
	int error = mdb_cursor_get(position->cursor, key, record, op);

	if (error == 0 && op == MDB_SET_RANGE &&
	    ma_span_equal(ma_span(key->mv_data, key->mv_size),
			  ma_span(position->last, position->last_len)))
		error = mdb_cursor_get(position->cursor, key, record, MDB_NEXT);
	if (error != 0)
		return error;
	if (key->mv_size > sizeof(position->last) || !is_behind(position, key))
		return MDB_CORRUPTED;
	memcpy(position->last, key->mv_data, key->mv_size);
	position->last_len = key->mv_size;
	return 0;
}

static int read_here(MDB_txn *txn, MDB_dbi dbi, void *arg)
{
	struct position *position = arg;
	MDB_val key = val(ma_span(position->last, position->last_len));
	MDB_val record;
	MDB_cursor_op op = MDB_NEXT;
	int error = 0;

	if (position->cursor == NULL) {
		op = position->last_len > 0 ? MDB_SET_RANGE : MDB_FIRST;
		error = mdb_cursor_open(txn, dbi, &position->cursor);
	}
	if (error == 0)
		error = advance(position, op, &key, &record);
	while (error == 0 && key.mv_size > MA_STORE_KEY_MAX)
		error = advance(position, MDB_NEXT, &key, &record);
	if (error != 0)
		return error;
	ma_buf_put(position->key_out, ma_span(key.mv_data, key.mv_size));
	put_record(position->record_out, &record);
	return 0;
}

static int close_cursor(MDB_txn *txn, MDB_dbi dbi, void *arg)
{
	(void)txn;
	(void)dbi;
	mdb_cursor_close(arg);
	return 0;
}

static void end_position(struct ma_lmdb_env *env, MDB_txn *txn, const struct position *position)
{
	if (position->cursor != NULL)
		(void)ma_lmdb_step(env, txn, close_cursor, position->cursor);
	ma_lmdb_end(env, txn);
}

static enum mailauth_status lmdb_next(struct ma_store *base, struct ma_span after,
				      struct ma_buf *key, struct ma_buf *record)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct position position = {.key_out = key, .record_out = record};
	struct ma_lmdb_env *env;
	MDB_txn *txn;
	enum mailauth_status status;
	int error;

	status = current(store, &env);
	if (status != MAILAUTH_OK)
		return status;
	position.last_len = after.len < sizeof(position.last) ? after.len : sizeof(position.last);
	if (after.len > 0)
		memcpy(position.last, after.p, position.last_len);
	error = ma_lmdb_begin(env, &store->file, &txn);
	if (error == 0) {
		error = ma_lmdb_step(env, txn, read_here, &position);
		end_position(env, txn, &position);
	}
	if (error == 0 && ma_buf_status(record) != MAILAUTH_OK)
		return MAILAUTH_E_CORRUPT;
	return read_status(store, error);
}

/* Each record is copied out before it is shown: the visitor must not be in a guard. */
static int visit_all(struct ma_lmdb_env *env, MDB_txn *txn, struct position *position,
		     ma_visit_fn *visit, void *arg, enum mailauth_status *status_out)
{
	int error = ma_lmdb_step(env, txn, read_here, position);

	while (error == 0) {
		*status_out = ma_buf_status(position->record_out);
		if (*status_out == MAILAUTH_OK)
			*status_out = visit(arg, ma_buf_span(position->key_out),
					    ma_buf_span(position->record_out));
		if (*status_out != MAILAUTH_OK)
			return 0;
		ma_buf_reset(position->key_out);
		ma_buf_reset(position->record_out);
		error = ma_lmdb_step(env, txn, read_here, position);
	}
	return error == MDB_NOTFOUND ? 0 : error;
}

static enum mailauth_status lmdb_walk(struct ma_store *base, ma_visit_fn *visit, void *arg)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	MA_CLEANUP(ma_buf_clear) struct ma_buf key = ma_buf(MA_STORE_KEY_MAX);
	MA_CLEANUP(ma_buf_clear) struct ma_buf record = ma_buf(MA_STORE_RECORD_MAX + 1);
	struct position position = {.key_out = &key, .record_out = &record};
	struct ma_lmdb_env *env;
	enum mailauth_status status = MAILAUTH_OK;
	MDB_txn *txn;
	int error;

	status = current(store, &env);
	if (status != MAILAUTH_OK)
		return status;
	/* Grown before the first guard: what grows in one is lost if that faults. */
	if (ma_buf_reserve(&key, MA_STORE_KEY_MAX) == NULL ||
	    ma_buf_reserve(&record, MA_STORE_RECORD_MAX + 1) == NULL)
		return MAILAUTH_E_NOMEM;
	ma_buf_reset(&key);
	ma_buf_reset(&record);
	error = ma_lmdb_begin(env, &store->file, &txn);
	if (error != 0)
		return read_status(store, error);
	error = visit_all(env, txn, &position, visit, arg, &status);
	end_position(env, txn, &position);
	return error == 0 ? status : read_status(store, error);
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

static int read_stat(MDB_txn *txn, MDB_dbi dbi, void *arg)
{
	struct ma_store_stat *out = arg;
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
	if (info.me_mapsize < out->bytes_max)
		out->bytes_max = info.me_mapsize;
	return mdb_reader_list(mdb, count_reader, &out->n_readers) < 0 ? EIO : 0;
}

static enum mailauth_status lmdb_stat(struct ma_store *base, struct ma_store_stat *stat_out)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct ma_lmdb_env *env;
	enum mailauth_status status;
	int error = 0;

	*stat_out = (struct ma_store_stat){.bytes_max = store->file.map_size};
	status = current(store, &env);
	if (status != MAILAUTH_OK)
		return status;
	if (store->file.write)
		stat_out->n_dead = ma_lmdb_clear_readers(env);
	error = ma_lmdb_read(env, &store->file, read_stat, stat_out);
	return read_status(store, error);
}

/* ---- damage ---- */

#define CHECK_TRIES 10 /* the header of a commit is written over by the second one after it */

static int check_once(struct ma_lmdb_env *env, const struct ma_lmdb_file *file,
		      struct ma_lmdb_damage *damage)
{
	MDB_txn *txn;
	int error = ma_lmdb_begin(env, file, &txn);

	if (error != 0)
		return error;
	error = ma_lmdb_check_all(ma_lmdb_fd(txn), mdb_txn_id(txn), damage);
	ma_lmdb_end(env, txn);
	return error;
}

static enum mailauth_status lmdb_check(struct ma_store *base)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct ma_lmdb_env *env;
	struct ma_lmdb_damage damage = {0};
	enum mailauth_status status;
	int error = MA_LMDB_DAMAGED;

	status = current(store, &env);
	if (status != MAILAUTH_OK)
		return status;
	for (int i = 0; i < CHECK_TRIES && error == MA_LMDB_DAMAGED && damage.page < 2; i++)
		error = check_once(env, &store->file, &damage);
	if (error != MA_LMDB_DAMAGED || damage.what == NULL)
		return read_status(store, error);
	(void)damaged(store, "cannot trust store", &damage);
	return MAILAUTH_E_CORRUPT;
}

/* ---- changes ---- */

static struct timespec deadline(uint64_t timeout_s)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)timeout_s;
	return at;
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

struct applying {
	const struct ma_store_change *changes;
	size_t n_changes;
	bool conflict;
	struct ma_lmdb_damage damage;
};

/*
 * Before anything is changed. A removal may join pages, and the next one its neighbours: the way to
 * each record is all that is touched only for one. Many changes go nearly everywhere.
 */
static int check_before(MDB_txn *txn, struct applying *applying)
{
	uint64_t last = mdb_txn_id(txn) - 1;
	size_t n_removals = 0;
	int error = 0;

	for (size_t i = 0; i < applying->n_changes; i++)
		n_removals += applying->changes[i].remove ? 1 : 0;
	if (n_removals > 1 || applying->n_changes > CHECKED_BY_WAY)
		return ma_lmdb_check_all(ma_lmdb_fd(txn), last, &applying->damage);
	for (size_t i = 0; error == 0 && i < applying->n_changes; i++)
		error = ma_lmdb_check_way(ma_lmdb_fd(txn), last, applying->changes[i].key,
					  &applying->damage);
	return error;
}

/* ECANCELED: a conflict, nothing is to be changed. */
static int apply_all(MDB_txn *txn, MDB_dbi dbi, void *arg)
{
	struct applying *applying = arg;
	int error = check_before(txn, applying);

	for (size_t i = 0; error == 0 && i < applying->n_changes; i++) {
		error = apply_change(txn, dbi, &applying->changes[i], &applying->conflict);
		if (applying->conflict)
			error = ECANCELED;
	}
	return error;
}

static enum mailauth_status busy(const struct lmdb_store *store)
{
	ma_log(store->log, MAILAUTH_LOG_ERROR, "busy",
	       "store %s is busy: another program has been writing for %llu s; try again",
	       store->file.path, (unsigned long long)store->timeout_s);
	return MAILAUTH_E_TEMPFAIL;
}

static enum mailauth_status lmdb_apply(struct ma_store *base, const struct ma_store_change *changes,
				       size_t n_changes, bool *conflict_out)
{
	struct lmdb_store *store = (struct lmdb_store *)base;
	struct applying applying = {.changes = changes, .n_changes = n_changes};
	struct timespec until = deadline(store->timeout_s);
	struct ma_lmdb_env *env;
	enum mailauth_status status;
	int error;

	*conflict_out = false;
	if (!store->file.write)
		return MAILAUTH_E_USAGE;
	status = current(store, &env);
	if (status != MAILAUTH_OK)
		return status;
	error = ma_lmdb_write(env, &store->file, &until, apply_all, &applying);
	*conflict_out = error == ECANCELED;
	if (error == 0 || error == ECANCELED)
		return MAILAUTH_OK;
	if (error == EAGAIN)
		return busy(store);
	if (error == MA_LMDB_DAMAGED && applying.damage.what != NULL)
		return damaged(store, "cannot change store", &applying.damage);
	return away(store, "cannot change store", error);
}

static bool lmdb_exists(const struct ma_store_params *params)
{
	struct lmdb_store *store;
	struct stat st;
	bool exists;

	if (new_store(params, &store) != MAILAUTH_OK)
		return false;
	exists = stat(store->file.path, &st) == 0 && st.st_size > 0;
	ma_free(store);
	return exists;
}

static int make_pages(const char *path, uint64_t map_size)
{
	MDB_env *mdb;
	int error = mdb_env_create(&mdb);

	if (error != 0)
		return error;
	error = mdb_env_set_mapsize(mdb, map_size);
	if (error == 0)
		error = mdb_env_open(mdb, path, MDB_NOSUBDIR | MDB_NOLOCK, MODE);
	mdb_env_close(mdb);
	return error;
}

/*
 * LMDB writes its first two pages in place and does not wait for the disk; half of them, or the
 * second alone, is no store and not empty either. So they are made in memory, and appear with the
 * file.
 */
static int make_file(const char *path, gid_t group, uint64_t map_size)
{
	uint8_t pages[2 * 65536];
	char memory[32];
	ssize_t n = 0;
	int fd = memfd_create("store", MFD_CLOEXEC);
	int error;

	if (fd < 0)
		return errno;
	(void)snprintf(memory, sizeof(memory), "/proc/self/fd/%d", fd);
	error = make_pages(memory, map_size);
	if (error == 0)
		n = pread(fd, pages, sizeof(pages), 0);
	if (error == 0 && n <= 0)
		error = n < 0 ? errno : EIO;
	(void)close(fd);
	if (error == ENOENT) /* no /proc here: LMDB will make them in place */
		return ma_file_create(path, MODE, group, ma_span(NULL, 0));
	return error != 0 ? error : ma_file_create(path, MODE, group, ma_span(pages, (size_t)n));
}

static enum mailauth_status lmdb_create(const struct ma_store_params *params, gid_t group)
{
	struct lmdb_store *store;
	enum mailauth_status status = new_store(params, &store);
	struct stat st;
	int error;

	if (status != MAILAUTH_OK)
		return status;
	error = access(store->file.path, F_OK) == 0
			? EEXIST
			: make_file(store->file.path, group, store->file.map_size);
	follow_links(store);
	/* No lock file beside what is no store. */
	if (error == EEXIST)
		error = stat(store->file.path, &st) != 0 ? errno : S_ISREG(st.st_mode) ? 0 : EINVAL;
	if (error == 0)
		error = ma_lmdb_make_lock_file(store->file.path, group);
	if (error == ENOENT) {
		ma_log(params->log, MAILAUTH_LOG_ERROR, "store",
		       "cannot make store %s: its folder does not exist; make it first",
		       store->file.path);
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
	.check = lmdb_check,
	.apply = lmdb_apply,
};
