/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * lmdb_txn.h - read and write transactions, guarded
 *
 * The calls return 0, an errno, LMDB's errors, or MA_LMDB_DAMAGED. What an environment can be cured
 * of (it grew, it has to be opened again) is cured, and tried a second time.
 */
#ifndef MA_STORE_LMDB_TXN_H
#define MA_STORE_LMDB_TXN_H

#include <time.h>

#include "store/lmdb_env.h"

/*
 * Runs @read with @arg in a read transaction, which sees one commit. It must do nothing but read
 * and copy out: a fault ends it anywhere.
 */
typedef int ma_lmdb_read_fn(MDB_txn *txn, MDB_dbi dbi, void *arg);
MA_MUST_CHECK int ma_lmdb_read(struct ma_lmdb_env *env, const struct ma_lmdb_file *file,
			       ma_lmdb_read_fn *read, void *arg);

/*
 * The same in parts: reading in many steps, with anything in between. ma_lmdb_begin() has to
 * be followed by ma_lmdb_end(); all in one thread.
 */
MA_MUST_CHECK int ma_lmdb_begin(struct ma_lmdb_env *env, const struct ma_lmdb_file *file,
				MDB_txn **txn_out);
int ma_lmdb_step(struct ma_lmdb_env *env, MDB_txn *txn, ma_lmdb_read_fn *read, void *arg);
void ma_lmdb_end(struct ma_lmdb_env *env, MDB_txn *txn);

/* The descriptor of a transaction's file, or -1. */
int ma_lmdb_fd(MDB_txn *txn);

/*
 * Runs @write with @arg in a write transaction, and commits if that returns 0. EAGAIN: another
 * program was writing until @until.
 */
typedef int ma_lmdb_write_fn(MDB_txn *txn, MDB_dbi dbi, void *arg);
MA_MUST_CHECK int ma_lmdb_write(struct ma_lmdb_env *env, const struct ma_lmdb_file *file,
				const struct timespec *until, ma_lmdb_write_fn *write, void *arg);

/* Frees the places of readers that were killed; how many. */
uint64_t ma_lmdb_clear_readers(struct ma_lmdb_env *env);

#endif
