/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * admin.h - add, change, delete and list accounts
 *
 * A struct mailauth_user is one account in memory. mailauth_user_new() or mailauth_user_get() makes
 * it, the set calls change it, mailauth_user_add() or mailauth_user_update() writes it as one
 * durable change. All calls that write need a context opened with MAILAUTH_OPEN_WRITE. Ageing has
 * the units and the meaning of shadow(5): days since 1970-01-01 UTC, -1 for "not set".
 */
#ifndef MAILAUTH_ADMIN_H
#define MAILAUTH_ADMIN_H

#include <mailauth/mailauth.h>
#include <stdbool.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

struct mailauth_user;

#define MAILAUTH_TEXT_MAX   255 /* bytes in a comment, home or shell */
#define MAILAUTH_GROUP_MAX  32	/* bytes in the name of a group */
#define MAILAUTH_GROUPS_MAX 32	/* groups of one account */

/** Text attributes of an account. */
enum mailauth_text {
	MAILAUTH_TEXT_COMMENT,
	MAILAUTH_TEXT_HOME,   /* the mailbox; an absolute path or empty */
	MAILAUTH_TEXT_SHELL,  /* an absolute path or empty */
	MAILAUTH_TEXT_GROUPS, /* words separated by commas: "imap,smtp"; kept sorted */
	MAILAUTH_TEXT_MECHS   /* mechanisms a password serves: "PLAIN CRAM-MD5"; empty: the
			       * configuration's `mechanisms` */
};

/** Numeric attributes of an account; those after INACTIVE cannot be set. */
enum mailauth_number {
	MAILAUTH_NUMBER_UID,	     /* 0 to 4294967294; -1: none */
	MAILAUTH_NUMBER_GID,	     /* likewise */
	MAILAUTH_NUMBER_LOCKED,	     /* 0 or 1 */
	MAILAUTH_NUMBER_RECOVERABLE, /* 0 or 1: keep the password, sealed, from its next change on
				      */
	MAILAUTH_NUMBER_LAST_CHANGE, /* day of the last password change; 0: must change; -1: none */
	MAILAUTH_NUMBER_MIN,	     /* days between changes; -1 to 99999, likewise the next two */
	MAILAUTH_NUMBER_MAX,	     /* days until a password is too old */
	MAILAUTH_NUMBER_WARN,	     /* days of warning before that */
	MAILAUTH_NUMBER_INACTIVE,    /* days after that until the account is refused for good */
	MAILAUTH_NUMBER_EXPIRE,	     /* day from which on the account is refused; -1: never */
	MAILAUTH_NUMBER_GENERATION,  /* goes up by one at each change; read only */
	MAILAUTH_NUMBER_CREATED,     /* seconds since 1970-01-01 UTC; read only */
	MAILAUTH_NUMBER_MODIFIED     /* likewise */
};

/**
 * mailauth_store_init() - make the key file and the store where they do not exist yet
 * @options: as for mailauth_open()
 * @group:   group that may read them, (gid_t)-1 for the caller's own
 *
 * The key file becomes 0640, the store 0640, its lock file 0660, of the caller and @group. What is
 * there already is left alone, so it is safe to repeat; the folders must exist. A store whose key
 * file is gone gets no new key: it could not open a single record.
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_CONFIG    cannot be made, or what is there is wrong; the log says what to do
 *         MAILAUTH_E_TEMPFAIL  the store cannot be opened
 *         MAILAUTH_E_UNSUPPORTED, _USAGE, _NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_store_init(const struct mailauth_options *options,
							     gid_t group);

/**
 * mailauth_name_parse() - bring a name into its stored form
 * @ctx:      the context: its default_realm goes with a name that has none
 * @text:     the name, local or local@realm
 * @name_out: local@realm, in lower case (ASCII); empty on failure
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_USAGE  refused; the log (event "name", level error) says why
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_name_parse(struct mailauth *ctx, const char *text,
							     struct mailauth_name *name_out);

/**
 * mailauth_user_new() - an account that is not stored yet
 * @ctx:      the context; must outlive the user
 * @name:     local or local@realm
 * @user_out: the account: no secrets, nothing set; NULL on failure
 *
 * `recoverable` of the configuration applies to it.
 *
 * Owner: the caller, who frees it with mailauth_user_free(); likewise for mailauth_user_get()
 * Return: MAILAUTH_OK, MAILAUTH_E_USAGE (bad name), _NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_user_new(struct mailauth *ctx, const char *name,
							   struct mailauth_user **user_out);

/**
 * mailauth_user_get() - read an account from the store
 * Parameters as for mailauth_user_new().
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_NOTFOUND  no such account
 *         MAILAUTH_E_CORRUPT   damaged, or sealed with a key that is not in the key file
 *         MAILAUTH_E_TEMPFAIL  the store is away
 *         MAILAUTH_E_USAGE (bad name), _NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_user_get(struct mailauth *ctx, const char *name,
							   struct mailauth_user **user_out);

/**
 * mailauth_user_next() - walk through all accounts
 * @ctx:      the context
 * @cursor:   empty to start with; set to the name of the account found, a damaged one too, so that
 *            the walk can go on after it
 * @user_out: the account; NULL on failure
 *
 * In order of realm, then local part, bytewise. Accounts that come and go meanwhile may be missed.
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_NOTFOUND  no more accounts
 *         MAILAUTH_E_CORRUPT   the account named by @cursor is damaged; go on
 *         MAILAUTH_E_TEMPFAIL, _NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_user_next(struct mailauth *ctx,
							    struct mailauth_name *cursor,
							    struct mailauth_user **user_out);

/**
 * mailauth_user_free() - forget an account in memory and wipe its secrets
 * @user: pointer to the account, or to NULL; set to NULL
 */
void mailauth_user_free(struct mailauth_user **user);

/**
 * mailauth_user_name() - the account's name
 * Return: local@realm; belongs to @user
 */
const char *mailauth_user_name(const struct mailauth_user *user);

/**
 * mailauth_user_text() - one text attribute
 * @user:  the account
 * @which: which one
 * Return: the text, empty if not set; belongs to @user, valid until it is set or freed
 */
const char *mailauth_user_text(const struct mailauth_user *user, enum mailauth_text which);

/**
 * mailauth_user_set_text() - set one text attribute
 * @user:  the account
 * @which: which one
 * @text:  at most MAILAUTH_TEXT_MAX bytes of UTF-8 without control characters and ':'; a list of
 *         at most MAILAUTH_GROUPS_MAX words for groups; copied
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_USAGE  refused; the log (event "account", level error) says why
 *         MAILAUTH_E_LIMIT  too long or too many
 *         MAILAUTH_E_NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_user_set_text(struct mailauth_user *user, enum mailauth_text which, const char *text);

/**
 * mailauth_user_number() - one numeric attribute
 * Return: the number; -1 if not set
 */
int64_t mailauth_user_number(const struct mailauth_user *user, enum mailauth_number which);

/**
 * mailauth_user_set_number() - set one numeric attribute
 * @user:  the account
 * @which: which one
 * @value: within the range given with enum mailauth_number
 *
 * Return: MAILAUTH_OK; MAILAUTH_E_USAGE: out of range or read only
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_user_set_number(struct mailauth_user *user, enum mailauth_number which, int64_t value);

/**
 * mailauth_user_set_password() - derive the account's verifiers from a new password
 * @user:         the account
 * @password:     1 to MAILAUTH_PASSWORD_MAX bytes of UTF-8 without NUL
 * @password_len: bytes in @password
 *
 * Replaces the secrets of the main credential by one for each mechanism of the account and sets
 * the day of the last change to today. The password is kept only if the account is recoverable.
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_USAGE  empty, NUL inside or not UTF-8; the log (event "account") says which
 *         MAILAUTH_E_LIMIT  too long
 *         MAILAUTH_E_NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_user_set_password(struct mailauth_user *user, const void *password, size_t password_len);

/**
 * mailauth_user_set_crypt() - take over a crypt(3) string as the account's only secret
 * @user: the account
 * @hash: "$y$...": a method this machine's libcrypt can verify, at a cost below 2 s and 128 MiB
 *
 * Serves PLAIN and LOGIN only. Sets the day of the last change to today.
 *
 * Return: MAILAUTH_OK; MAILAUTH_E_USAGE: not usable, the log (event "account") says why;
 *         MAILAUTH_E_NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_user_set_crypt(struct mailauth_user *user,
								 const char *hash);

/**
 * mailauth_user_clear_secrets() - remove every secret, so that no login succeeds
 * @user: the account
 */
void mailauth_user_clear_secrets(struct mailauth_user *user);

/**
 * mailauth_user_secret() - the kinds of secret the account holds
 * @user:  the account
 * @index: 0, 1, ...
 * Return: "cram-md5"; a constant; NULL if @index is too large
 */
const char *mailauth_user_secret(const struct mailauth_user *user, size_t index);

/**
 * mailauth_user_weakest() - the secret that an attacker with store and key would go for
 * Return: a kind as in mailauth_user_secret(); NULL if there is none
 */
const char *mailauth_user_weakest(const struct mailauth_user *user);

/**
 * mailauth_user_can() - can the account's secrets serve a mechanism?
 * @user:    the account
 * @mech:    SASL mechanism name, any case
 * @why_out: if not: the reason, a constant; else NULL; may itself be NULL
 *
 * Looks at the secrets alone, not at lock and expiry: mailauth_user_state() does.
 */
bool mailauth_user_can(const struct mailauth_user *user, const char *mech, const char **why_out);

/**
 * mailauth_user_state() - may the account log in today?
 * Return: NULL if so; else a constant: "locked", "expired", "password-expired", "must-change",
 *         "no-secret"
 */
const char *mailauth_user_state(const struct mailauth_user *user);

/**
 * mailauth_user_add() - store a new account
 * @user: made by mailauth_user_new()
 *
 * Once it returns MAILAUTH_OK the account is on disk and survives loss of power; with any other
 * status the store is as it was. The same holds for mailauth_user_update() and _del().
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_EXISTS    there is such an account
 *         MAILAUTH_E_TEMPFAIL  store away, busy for longer than store_timeout, disk full, map full
 *         MAILAUTH_E_USAGE     the context was not opened for writing
 *         MAILAUTH_E_LIMIT     the record would be too large
 *         MAILAUTH_E_NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_user_add(struct mailauth_user *user);

/**
 * mailauth_edit_fn - changes an account on behalf of mailauth_user_update()
 * @user: the account as it is in the store
 * @arg:  as given to mailauth_user_update()
 * Return: MAILAUTH_OK to write it; anything else leaves the store as it is and is passed on
 */
typedef enum mailauth_status mailauth_edit_fn(struct mailauth_user *user, void *arg);

/**
 * mailauth_user_update() - read, change and write one account
 * @ctx:  the context
 * @name: local or local@realm
 * @edit: makes the change; called again if another program changed the account meanwhile
 * @arg:  passed to @edit
 *
 * Return: as mailauth_user_get() and mailauth_user_add(), and what @edit returned
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_user_update(struct mailauth *ctx, const char *name, mailauth_edit_fn *edit, void *arg);

/**
 * mailauth_user_del() - delete an account, a damaged one too
 * @ctx:  the context
 * @name: local or local@realm
 *
 * Return: MAILAUTH_OK; MAILAUTH_E_NOTFOUND; otherwise as mailauth_user_add()
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_user_del(struct mailauth *ctx, const char *name);

/**
 * mailauth_user_rename() - give an account in memory another name
 * @user: the account; mailauth_user_update() or mailauth_batch_put() then moves it
 * @name: local or local@realm
 *
 * Every secret stays but DIGEST-MD5's, whose hashes have the old name in them: it is derived anew
 * if the password is kept, else gone until the next change of password.
 *
 * Return: MAILAUTH_OK; MAILAUTH_E_USAGE: bad name; MAILAUTH_E_NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_user_rename(struct mailauth_user *user,
							      const char *name);

/**
 * mailauth_user_put_secret() - take over one secret from another system
 * @user: the account
 * @kind: as mailauth_user_secret() names them
 * @text: the secret, by kind:
 *        crypt                 crypt(3) string, as for mailauth_user_set_crypt()
 *        cram-md5              64 hexadecimal digits: the inner and the outer state of HMAC-MD5,
 *                              as in Cyrus SASL's cmusaslsecretCRAM-MD5
 *        digest-md5            USER:REALM:HASH, as in a file of htdigest(1); USER is the account's
 *                              local part or local@realm, HASH 32 hexadecimal digits, or
 *                              HASH:HASH where the client may also have hashed in Latin-1
 *        scram-sha-1, -256, -512  SCHEME$ITERATIONS:SALT$STOREDKEY:SERVERKEY (RFC 5803)
 *        sasl-plain            64 hexadecimal digits: salt, MD5(salt, "sasldb", password)
 *        password              the password itself; taken only if the account is recoverable
 *
 * Replaces the secret of this kind; a digest-md5 hash only that of the same USER and REALM. The day
 * of the last change stays as it is.
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_USAGE  malformed, too dear, or no such kind; the log (event "account") says
 * why MAILAUTH_E_LIMIT  more than the account can hold MAILAUTH_E_NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_user_put_secret(struct mailauth_user *user, const char *kind, const char *text);

#define MAILAUTH_SECRET_TEXT_MAX 2048 /* bytes in a secret as text, with its NUL */

/**
 * mailauth_user_secret_text() - one secret as text, to take to another system
 * @user:     the account
 * @index:    as for mailauth_user_secret()
 * @part:     0, 1, ...: a digest-md5 secret has several; the others have part 0 only
 * @text_out: the text as for mailauth_user_put_secret(), NUL-terminated; empty on failure. The
 *            caller wipes it.
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_NOTFOUND  no secret of this index, or no such part of it
 *         MAILAUTH_E_USAGE
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_user_secret_text(const struct mailauth_user *user, size_t index, size_t part,
			  char text_out[MAILAUTH_SECRET_TEXT_MAX]);

/**
 * mailauth_user_derive() - add the verifiers that the account lacks
 * @user:         the account
 * @password:     its password, which the caller vouches for; NULL: the one that the account keeps
 * @password_len: bytes in @password
 * @n_out:        how many were added; may be NULL
 *
 * What is there stays, and so does the day of the last change. A kept password is dropped if the
 * account is not recoverable.
 *
 * Return: MAILAUTH_OK        the account has all that its list of mechanisms wants
 *         MAILAUTH_E_NOTFOUND  @password is NULL and the account keeps none
 *         otherwise as mailauth_user_set_password()
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_user_derive(struct mailauth_user *user,
							      const void *password,
							      size_t password_len, size_t *n_out);

/**
 * mailauth_capture() - derive what an account lacks from a password that somebody else proved right
 * @ctx:          the context, opened with MAILAUTH_OPEN_WRITE
 * @name:         local or local@realm
 * @password:     the password, which another PAM module or a daemon has checked
 * @password_len: bytes in @password
 *
 * One write, and none if nothing is missing or the configuration says `capture = no`. An account
 * without any secret gets all of them. mailauth_verify_plain() and sessions of PLAIN and LOGIN do
 * the same after a success if their context was opened for writing.
 *
 * Return: MAILAUTH_OK          the account is as it should be
 *         MAILAUTH_E_DENIED    the account has another password; nothing was changed
 *         MAILAUTH_E_NOTFOUND  no such account
 *         MAILAUTH_E_TEMPFAIL, _CORRUPT, _USAGE, _LIMIT, _NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_capture(struct mailauth *ctx, const char *name, const void *password, size_t password_len);

struct mailauth_batch;

/**
 * mailauth_batch_new() - a list of changes that are made together or not at all
 * @ctx:       the context, opened with MAILAUTH_OPEN_WRITE; must outlive the batch
 * @batch_out: the batch, empty; NULL on failure
 *
 * Owner:   the caller, who frees it with mailauth_batch_free()
 * Threads: mailauth_batch_put() and _del() may be called from several at once
 * Return:  MAILAUTH_OK, MAILAUTH_E_USAGE, _NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_batch_new(struct mailauth *ctx,
							    struct mailauth_batch **batch_out);

/**
 * mailauth_batch_put() - note an account as it is to be
 * @batch: the batch
 * @user:  from mailauth_user_new(): is added, and must not exist then; from mailauth_user_get() or
 *         _next(): is updated, or moved if it was renamed, and must not have been changed
 * meanwhile. Sealed now: what happens to it later does not matter. At most once for each name:
 * mailauth_batch_commit() refuses what is put twice.
 *
 * Return: MAILAUTH_OK, MAILAUTH_E_LIMIT, _NOMEM, _INTERNAL, _USAGE
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_batch_put(struct mailauth_batch *batch,
							    struct mailauth_user *user);

/**
 * mailauth_batch_del() - note that an account is to be deleted, a damaged one too
 * @batch: the batch
 * @name:  local or local@realm
 * Return: MAILAUTH_OK; MAILAUTH_E_USAGE: bad name; MAILAUTH_E_NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_batch_del(struct mailauth_batch *batch,
							    const char *name);

/**
 * mailauth_batch_count() - how many changes a batch holds
 */
size_t mailauth_batch_count(const struct mailauth_batch *batch);

/**
 * mailauth_batch_commit() - make all changes as one, durable before this returns
 * @batch:        the batch; empty afterwards
 * @conflict_out: on MAILAUTH_E_EXISTS, _NOTFOUND, _TEMPFAIL and _USAGE the account it is about, if
 *                it is about one; else empty; may be NULL
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_EXISTS    an account that was to be added is there already
 *         MAILAUTH_E_NOTFOUND  one that was to be updated or deleted is gone
 *         MAILAUTH_E_TEMPFAIL  one that was to be updated was changed meanwhile: read it again; or
 *                              as for mailauth_user_add()
 *         MAILAUTH_E_USAGE     an account was put or deleted twice, so that the batch contradicts
 *                              itself: logged (event "account"); nothing was changed
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_batch_commit(struct mailauth_batch *batch,
							       struct mailauth_name *conflict_out);

/**
 * mailauth_batch_free() - forget a batch
 * @batch: pointer to the batch, or to NULL; set to NULL
 */
void mailauth_batch_free(struct mailauth_batch **batch);

/** The size and state of a store. */
struct mailauth_store_stat {
	size_t size;	     /* sizeof(struct mailauth_store_stat), set by the caller */
	const char *scheme;  /* "lmdb"; a constant */
	uint64_t n_accounts; /* damaged ones included */
	uint64_t bytes_used; /* of the file, by accounts */
	uint64_t bytes_file; /* of the file */
	uint64_t bytes_max;  /* to which it may grow; 0: no limit */
	uint64_t n_readers;  /* places taken by programs that read it, this one too */
	uint64_t n_dead;     /* of them, those of programs that died: cleared; counted only if the
			      * context may write */
};

/**
 * mailauth_store_stat() - measure the store
 * @ctx:      the context
 * @stat_out: size is set by the caller, the rest here
 * Return: MAILAUTH_OK, MAILAUTH_E_TEMPFAIL, _USAGE
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_store_stat(struct mailauth *ctx,
							     struct mailauth_store_stat *stat_out);

/**
 * mailauth_store_check() - look at the store's own structure, open and decode every account
 * @ctx:           the context
 * @n_good_out:    accounts in order
 * @n_damaged_out: accounts that are not; each is logged with its name (event "store")
 *
 * Of a store with a damaged structure, those accounts are counted that can be reached.
 *
 * Return: MAILAUTH_OK, MAILAUTH_E_CORRUPT (some are damaged, or the structure is; logged),
 * _TEMPFAIL, _USAGE, _NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_store_check(struct mailauth *ctx, uint64_t *n_good_out, uint64_t *n_damaged_out);

/**
 * mailauth_store_copy() - copy all accounts into another store, as they are at one moment
 * @ctx:   the context of the store to copy
 * @url:   where to: a store that does not exist yet, or is empty
 * @group: of the new files, as for mailauth_store_init()
 * @n_out: accounts copied; may be NULL
 *
 * The records stay sealed with the same keys: the copy needs the same key file. All or nothing.
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_EXISTS   there are accounts in it
 *         MAILAUTH_E_CORRUPT  an account is damaged: nothing was copied; the log names it
 *         MAILAUTH_E_CONFIG, _TEMPFAIL, _UNSUPPORTED, _USAGE, _NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_store_copy(struct mailauth *ctx, const char *url,
							     gid_t group, uint64_t *n_out);

/** What mailauth_store_rekey() does. */
enum mailauth_rekey {
	MAILAUTH_REKEY_PREPARE, /* add a key to the key file that opens, but does not seal yet, so
				 * that servers can be restarted before anything needs it */
	MAILAUTH_REKEY_SEAL,	/* seal every account with the newest key; adds one if none was
				 * prepared */
	MAILAUTH_REKEY_PRUNE	/* remove the keys that no account needs any more */
};

/**
 * mailauth_store_rekey() - change the key that seals the secrets
 * @options: as for mailauth_open()
 * @step:    what to do
 * @n_out:   accounts sealed anew, or keys removed; may be NULL
 *
 * A program that was started before the newest key was made cannot open what it seals: prepare,
 * restart the servers, seal, and prune when all is well. Safe to repeat after any interruption.
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_CORRUPT   an account is damaged: nothing was sealed anew; the log names it
 *         MAILAUTH_E_LIMIT     the key file is full: prune it
 *         MAILAUTH_E_CONFIG, _TEMPFAIL, _UNSUPPORTED, _USAGE, _NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_store_rekey(const struct mailauth_options *options, enum mailauth_rekey step,
		     uint64_t *n_out);

/**
 * mailauth_config_get() - the value of a configuration key that is in force
 * @ctx: the context
 * @key: as in the configuration file: "store", "key_file", "default_realm", "mechanisms", ...
 * Return: the value as text; empty if it is not set and has no default; belongs to @ctx. NULL: no
 *         such key
 */
const char *mailauth_config_get(const struct mailauth *ctx, const char *key);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
