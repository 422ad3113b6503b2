/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lmdb_env.h - one LMDB environment for each file and process
 *
 * What lmdb.h asks of a program ("Restrictions/caveats") is kept here:
 *  - A file is open at most once in a process, though a plugin, a PAM module and the program may
 *    all ask: a table counted by device and inode shares the environment. A reader's environment
 *    becomes a writer's when the first writer comes.
 *  - An environment does not survive fork(). The child forgets the parent's, which it must not even
 *    close, and opens its own.
 *  - Read transactions are kept and renewed: reading then makes no system call.
 *  - Growth by another process shows as MDB_MAP_RESIZED; no transaction may run while the new size
 *    is adopted, hence the gate.
 *  - LMDB waits for its writer without end. A lock on the file, taken first, waits until a given
 *    time: LMDB's own is then free.
 *  - LMDB trusts its file, which may be damaged or cut short while it is open. Its header is
 *    checked before LMDB opens it, and whatever LMDB does is guarded. For more, see lmdb_check.h.
 *
 * Durable: MDB_NOSYNC and its kin are not used, so a commit survives loss of power, and a writer
 * killed at any moment leaves the last commit.
 *
 * The calls return 0, an errno, LMDB's errors, or MA_LMDB_DAMAGED.
 */
#ifndef MA_STORE_LMDB_ENV_H
#define MA_STORE_LMDB_ENV_H

#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "store/lmdb_check.h"

struct ma_lmdb_file {
	bool write;
	uint64_t map_size;
	char path[PATH_MAX - sizeof("-lock")];
};

#define MA_LMDB_KEPT 16 /* read transactions kept for renewal */

struct ma_lmdb_env {
	struct ma_lmdb_env *next;
	dev_t dev;
	ino_t ino;
	dev_t lock_dev; /* the lock file that was opened with it */
	ino_t lock_ino;
	unsigned int refs;
	unsigned int born; /* the fork generation it belongs to */
	bool writable;
	MDB_env *mdb;		 /* NULL: could not be opened again; see ma_lmdb_env_cure() */
	MDB_dbi dbi;		 /* LMDB's main database, the only one */
	pthread_rwlock_t gate;	 /* read: in a transaction. write: changing the map */
	pthread_mutex_t writing; /* the file's lock is the process's, not the thread's */
	atomic_bool has_lost;	 /* see forget_lost() in lmdb_txn.c */
	_Atomic(MDB_txn *) kept[MA_LMDB_KEPT];
};

/* The lock file, for members of @group to write. It may be there. */
MA_MUST_CHECK int ma_lmdb_make_lock_file(const char *path, gid_t group);

/*
 * This process's environment, from @slot, or after a fork, and at first, a new one or one that
 * another store of the process has. @damage_out: of MA_LMDB_DAMAGED.
 */
MA_MUST_CHECK int ma_lmdb_env_take(const struct ma_lmdb_file *file,
				   _Atomic(struct ma_lmdb_env *) *slot,
				   struct ma_lmdb_env **env_out, struct ma_lmdb_damage *damage_out);
void ma_lmdb_env_release(_Atomic(struct ma_lmdb_env *) *slot);

/* For an error of a transaction: is it worth a second try now? */
bool ma_lmdb_env_cure(struct ma_lmdb_env *env, const struct ma_lmdb_file *file, int error);

/* Is its lock file the one that others open now? If not, it is to be opened again. */
bool ma_lmdb_env_has_lock(const struct ma_lmdb_env *env, const struct ma_lmdb_file *file);

/* Closes it; whoever comes next opens it again. With no transaction open in this thread. */
void ma_lmdb_env_give_up(struct ma_lmdb_env *env);
/* The same, unless a transaction is open in any thread; also in this one. */
void ma_lmdb_env_give_up_if_idle(struct ma_lmdb_env *env);

/* mdb_txn_abort(), which with a damaged lock file may fault, too. */
void ma_lmdb_abort(MDB_txn *txn);

#endif
