/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.h - where records are kept
 *
 * A store maps keys (MA_KEY_MAX bytes) to records (MA_RECORD_MAX bytes) and knows nothing of what
 * is in them. Reads copy out: nothing borrowed survives the call. Writes are one call: a list of
 * changes, each with the bytes it expects to replace, applied all or none and durable when the call
 * returns. So two programs that change an account at once cannot overwrite each other, and no
 * caller ever holds a lock.
 *
 * All calls but open and close may run in several threads at once, and in a forked child.
 * Every failure is logged where it happens; MAILAUTH_E_TEMPFAIL means the store is away.
 */
#ifndef MA_STORE_STORE_H
#define MA_STORE_STORE_H

#include "util/base.h"
#include "util/buf.h"
#include "util/log.h"
#include "util/span.h"

#include <sys/types.h>

#define MA_STORE_KEY_MAX    320	  /* bytes */
#define MA_STORE_RECORD_MAX 16384 /* bytes */

struct ma_store_params {
	struct ma_span address; /* what follows the scheme in the URL */
	bool write;
	uint64_t timeout_s;
	uint64_t map_size;	  /* bytes */
	const struct ma_log *log; /* must outlive the store */
};

struct ma_store_change {
	struct ma_span key;
	bool must_exist;    /* false: there must be no record */
	struct ma_span old; /* the record that is to be there; ignored if @any_old */
	bool any_old;
	bool remove;
	struct ma_span record; /* what to put there unless @remove */
};

struct ma_store {
	const struct ma_store_ops *ops;
};

typedef enum mailauth_status ma_visit_fn(void *arg, struct ma_span key, struct ma_span record);

struct ma_store_stat {
	uint64_t n_records;
	uint64_t bytes_used;
	uint64_t bytes_file;
	uint64_t bytes_max; /* 0: no limit */
	uint64_t n_readers;
	uint64_t n_dead;
};

struct ma_store_ops {
	const char *scheme; /* "lmdb" */
	/* Makes an empty store if there is none, for members of @group to read. */
	enum mailauth_status (*create)(const struct ma_store_params *params, gid_t group);
	/* Is there a store? Only for create's sake; no answer about its health. */
	bool (*exists)(const struct ma_store_params *params);
	enum mailauth_status (*open)(const struct ma_store_params *params,
				     struct ma_store **store_out);
	void (*close)(struct ma_store **store);
	/* @record: at least MA_STORE_RECORD_MAX bytes of room. _NOTFOUND, _TEMPFAIL, _CORRUPT */
	enum mailauth_status (*get)(struct ma_store *store, struct ma_span key,
				    struct ma_buf *record);
	/*
	 * The first record behind @after, in order of keys; both are copied out. A key longer than
	 * MA_STORE_KEY_MAX was put there by somebody else and is passed over.
	 */
	enum mailauth_status (*next)(struct ma_store *store, struct ma_span after,
				     struct ma_buf *key, struct ma_buf *record);
	/*
	 * Calls @visit for each record in order of keys, all as they are at one moment. Both spans
	 * last for the call, which must not use the store. Ends with the first status that is not
	 * MAILAUTH_OK, and returns it.
	 */
	enum mailauth_status (*walk)(struct ma_store *store, ma_visit_fn *visit, void *arg);
	/* Fills in all but the scheme. @n_dead counts those that a store opened for writing clears.
	 */
	enum mailauth_status (*stat)(struct ma_store *store, struct ma_store_stat *stat_out);
	/* Looks for damage in the store's own structure, not in records. _CORRUPT: logged. */
	enum mailauth_status (*check)(struct ma_store *store);
	/* @conflict_out: a record was not as expected, and nothing was done. */
	enum mailauth_status (*apply)(struct ma_store *store, const struct ma_store_change *changes,
				      size_t n_changes, bool *conflict_out);
};

extern const struct ma_store_ops *const ma_stores[];
extern const size_t ma_n_stores;

/*
 * Finds the store of a URL, scheme:address. MAILAUTH_E_UNSUPPORTED: not in this build; logged.
 * @address_out points into @url.
 */
MA_MUST_CHECK enum mailauth_status ma_store_find(const char *url, const struct ma_log *log,
						 const struct ma_store_ops **ops_out,
						 struct ma_span *address_out);

/* Is the record that is there what the change expects? @found NULL: there is none. */
bool ma_store_expects(const struct ma_store_change *change, const struct ma_span *found);

#endif
