/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seal.h - keys, and records sealed with them
 *
 * A record's secrets are one blob under AES-256-GCM with a fresh 96-bit nonce. Authenticated with
 * it are the account's name and everything else in the record: the blob opens only in the record of
 * the account it was made for, and an attribute changed by anybody without the key is noticed.
 *
 * The key file holds lines of an id (1 to 4294967295) and 64 hexadecimal digits; '#' begins a
 * comment. The key with the highest id seals, all open. A key with the word "next" behind it opens,
 * but does not seal yet: servers that are started now know it when the time comes.
 */
#ifndef MA_ACCOUNT_SEAL_H
#define MA_ACCOUNT_SEAL_H

#include "account/account.h"
#include "account/name.h"
#include "account/record.h"
#include "util/base.h"
#include "util/hash.h"
#include "util/log.h"

#include <sys/types.h>

#define MA_KEYS_MAX	16
#define MA_KEY_FILE_MAX 4096 /* bytes */

struct ma_key {
	uint32_t id;
	uint8_t bytes[MA_GCM_KEY_LEN];
	bool is_next; /* does not seal yet */
};

struct ma_keyring {
	size_t n_keys;
	struct ma_key keys[MA_KEYS_MAX]; /* by rising id */
};

/*
 * @owner: the only user who may own the file; 0 but in tests.
 * MAILAUTH_E_CONFIG: not there, unsafe or malformed; logged with the cure.
 */
MA_MUST_CHECK enum mailauth_status ma_keyring_load(const char *path, uid_t owner,
						   const struct ma_log *log,
						   struct ma_keyring *keyring_out);
void ma_keyring_clear(struct ma_keyring *keyring);

/* Makes a key file with one fresh key, 0640 with @group; MAILAUTH_E_EXISTS: left as it is. */
MA_MUST_CHECK enum mailauth_status ma_keyring_create(const char *path, gid_t group,
						     struct ma_crypto *crypto,
						     const struct ma_log *log);

/* The key that seals. */
const struct ma_key *ma_keyring_newest(const struct ma_keyring *keyring);
/* The key to seal with where a record under the key @seen was found; 0: none was. */
const struct ma_key *ma_keyring_sealing(const struct ma_keyring *keyring, uint32_t seen);
/* The one that was prepared; NULL: none. */
struct ma_key *ma_keyring_next(struct ma_keyring *keyring);
/* Adds a fresh key with the highest id. MAILAUTH_E_LIMIT: there are too many. */
MA_MUST_CHECK enum mailauth_status ma_keyring_add(struct ma_keyring *keyring,
						  struct ma_crypto *crypto, bool is_next);
/* Puts the keyring in the place of what the key file holds. MAILAUTH_E_CONFIG: logged. */
MA_MUST_CHECK enum mailauth_status
ma_keyring_save(const char *path, const struct ma_keyring *keyring, const struct ma_log *log);

/*
 * Opens a record. @plain has room for MA_RECORD_MAX bytes; @account_out then points into @bytes and
 * @plain. @plain_len_out: bytes of @plain to wipe, on failure too.
 * MAILAUTH_E_CORRUPT: damaged, moved from another account, or sealed with a key we lack; @why_out
 * says which, and what to do: a constant, to go on behind "the record of NAME".
 */
MA_MUST_CHECK enum mailauth_status
ma_seal_open(const struct ma_keyring *keyring, struct ma_cipher *cipher, const struct ma_name *name,
	     struct ma_span bytes, uint8_t *plain, size_t *plain_len_out,
	     struct ma_account *account_out, const char **why_out);

/* Writes the record of an account to the empty @out. */
MA_MUST_CHECK enum mailauth_status ma_seal(const struct ma_key *key, struct ma_cipher *cipher,
					   const struct ma_name *name,
					   const struct ma_account *account, struct ma_span nonce,
					   struct ma_buf *out);

#endif
