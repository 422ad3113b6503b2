/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * seal.c - keys, and records sealed with them
 *
 * See seal.h. Ref: NIST SP 800-38D sections 5.2.1.1 and 8.2.2: random nonces of 96 bits are good
 * for 2^32 seals under one key.
 *
 * The key file is opened once and examined through its descriptor, so what was checked is what is
 * read.
 */
#include "account/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/codec.h"
#include "util/file.h"
#include "util/mem.h"

static enum mailauth_status unsafe(const struct ma_log *log, const char *path, const char *what,
				   const char *cure)
{
	ma_log(log, MAILAUTH_LOG_ERROR, "key", "key file %s %s; %s", path, what, cure);
	return MAILAUTH_E_CONFIG;
}

static enum mailauth_status check_file(int fd, const char *path, uid_t owner,
				       const struct ma_log *log)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return unsafe(log, path, strerror(errno), "check the file system");
	if (!S_ISREG(st.st_mode))
		return unsafe(log, path, "is not a regular file", "put the key file itself there");
	if (st.st_uid != owner)
		return unsafe(log, path, "is not owned by root",
			      "chown root it, once you know where it came from");
	if ((st.st_mode & (S_IWGRP | S_IRWXO)) != 0)
		return unsafe(log, path, "can be written by its group or accessed by others",
			      "chmod 0640 it, and replace the key if others could read it");
	if (st.st_size > MA_KEY_FILE_MAX)
		return unsafe(log, path, "is longer than 4096 bytes", "is it the right file?");
	return MAILAUTH_OK;
}

static bool take_id(struct ma_span word, uint32_t *out)
{
	uint64_t id = 0;

	if (word.len > 10)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.p[i] < '0' || word.p[i] > '9')
			return false;
		id = id * 10 + (uint64_t)(word.p[i] - '0');
	}
	*out = (uint32_t)id;
	return id >= 1 && id <= UINT32_MAX;
}

/* Puts a key in its place; false if the id is there already or there are too many. */
static bool add_key(struct ma_keyring *keyring, const struct ma_key *key)
{
	size_t at = keyring->n_keys;

	if (at == MA_KEYS_MAX)
		return false;
	while (at > 0 && keyring->keys[at - 1].id > key->id)
		at--;
	if (at > 0 && keyring->keys[at - 1].id == key->id)
		return false;
	memmove(&keyring->keys[at + 1], &keyring->keys[at], (keyring->n_keys - at) * sizeof(*key));
	keyring->keys[at] = *key;
	keyring->n_keys++;
	return true;
}

static bool parse_line(struct ma_span line, struct ma_keyring *keyring)
{
	struct ma_key key = {0};
	struct ma_span id;
	struct ma_span hex;
	struct ma_span more;
	bool ok;

	if (!ma_span_take_word(&line, " \t", &id) || id.p[0] == '#')
		return true;
	ok = take_id(id, &key.id) && ma_span_take_word(&line, " \t", &hex) &&
	     ma_hex_decode(hex, key.bytes, sizeof(key.bytes));
	if (ok && ma_span_take_word(&line, " \t", &more)) {
		key.is_next = ma_span_equal(more, ma_span_text("next"));
		ok = key.is_next && !ma_span_take_word(&line, " \t", &more);
	}
	ok = ok && add_key(keyring, &key);
	ma_wipe(&key, sizeof(key));
	return ok;
}

static enum mailauth_status parse_keys(struct ma_span text, const char *path,
				       const struct ma_log *log, struct ma_keyring *keyring)
{
	struct ma_span line;
	unsigned int n = 0;

	while (text.len > 0) {
		n++;
		if (!ma_span_take_until(&text, '\n', &line)) {
			line = text;
			text.len = 0;
		}
		if (!parse_line(line, keyring)) {
			ma_log(log, MAILAUTH_LOG_ERROR, "key",
			       "%s:%u: not an id and 64 hexadecimal digits, or the id or the "
			       "number of keys (%d) is used up; restore the file from a backup",
			       path, n, MA_KEYS_MAX);
			return MAILAUTH_E_CONFIG;
		}
	}
	if (keyring->n_keys == 0)
		return unsafe(log, path, "holds no key", "restore it from a backup");
	return MAILAUTH_OK;
}

static enum mailauth_status read_keys(int fd, const char *path, const struct ma_log *log,
				      struct ma_keyring *keyring)
{
	uint8_t text[MA_KEY_FILE_MAX];
	size_t len = 0;
	ssize_t n = 1;
	enum mailauth_status status;

	while (n > 0 && len < sizeof(text)) {
		n = read(fd, text + len, sizeof(text) - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	if (n < 0)
		status = unsafe(log, path, strerror(errno), "check the file system");
	else
		status = parse_keys(ma_span(text, len), path, log, keyring);
	ma_wipe(text, sizeof(text));
	return status;
}

static enum mailauth_status cannot_open(const char *path, const struct ma_log *log)
{
	if (errno == ELOOP)
		return unsafe(log, path, "is a symbolic link", "put the key file itself there");
	if (errno == ENOENT)
		return unsafe(log, path, "does not exist",
			      "run \"mailuser init\", or restore it from a backup if there are "
			      "accounts already");
	if (errno == EACCES)
		return unsafe(log, path, "cannot be read by this user",
			      "run as root or as a member of its group");
	return unsafe(log, path, strerror(errno), "check the path");
}

enum mailauth_status ma_keyring_load(const char *path, uid_t owner, const struct ma_log *log,
				     struct ma_keyring *keyring_out)
{
	enum mailauth_status status;
	int fd;

	*keyring_out = (struct ma_keyring){.n_keys = 0};
	/* O_NONBLOCK: a FIFO in its place must not hang us before it is refused. */
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return cannot_open(path, log);
	status = check_file(fd, path, owner, log);
	if (status == MAILAUTH_OK)
		status = read_keys(fd, path, log, keyring_out);
	(void)close(fd);
	if (status != MAILAUTH_OK)
		ma_keyring_clear(keyring_out);
	return status;
}

void ma_keyring_clear(struct ma_keyring *keyring)
{
	ma_wipe(keyring, sizeof(*keyring));
}

enum mailauth_status ma_keyring_add(struct ma_keyring *keyring, struct ma_crypto *crypto,
				    bool is_next)
{
	struct ma_key key = {.id = 1, .is_next = is_next};
	enum mailauth_status status = ma_random(crypto, key.bytes, sizeof(key.bytes));
	bool fits;

	if (status != MAILAUTH_OK)
		return status;
	if (keyring->n_keys > 0)
		key.id = keyring->keys[keyring->n_keys - 1].id + 1;
	fits = key.id != 0 && add_key(keyring, &key);
	ma_wipe(&key, sizeof(key));
	return fits ? MAILAUTH_OK : MAILAUTH_E_LIMIT;
}

static void put_keys(const struct ma_keyring *keyring, struct ma_buf *out)
{
	ma_buf_put_text(out, "# Seals the secrets in libmailauth's store. Back it up apart from "
			     "the store;\n# without it no account can log in.\n");
	for (size_t i = 0; i < keyring->n_keys; i++) {
		const struct ma_key *key = &keyring->keys[i];

		ma_buf_put_decimal(out, key->id);
		ma_buf_put_text(out, " ");
		ma_hex_encode(ma_span(key->bytes, sizeof(key->bytes)), out);
		ma_buf_put_text(out, key->is_next ? " next\n" : "\n");
	}
}

enum mailauth_status ma_keyring_create(const char *path, gid_t group, struct ma_crypto *crypto,
				       const struct ma_log *log)
{
	uint8_t text[MA_KEY_FILE_MAX];
	MA_CLEANUP(ma_buf_clear) struct ma_buf buf = ma_buf_fixed(text, sizeof(text));
	struct ma_keyring keyring = {.n_keys = 0};
	enum mailauth_status status = ma_keyring_add(&keyring, crypto, false);
	int error;

	put_keys(&keyring, &buf);
	ma_keyring_clear(&keyring);
	if (status != MAILAUTH_OK)
		return status;
	error = ma_file_create(path, 0640, group, ma_buf_span(&buf));
	if (error == EEXIST)
		return MAILAUTH_E_EXISTS;
	if (error != 0)
		return unsafe(log, path, strerror(error),
			      "run as root, make its folder, free some space");
	return MAILAUTH_OK;
}

enum mailauth_status ma_keyring_save(const char *path, const struct ma_keyring *keyring,
				     const struct ma_log *log)
{
	uint8_t text[MA_KEY_FILE_MAX];
	MA_CLEANUP(ma_buf_clear) struct ma_buf buf = ma_buf_fixed(text, sizeof(text));
	int error;

	put_keys(keyring, &buf);
	if (ma_buf_status(&buf) != MAILAUTH_OK)
		return ma_buf_status(&buf);
	error = ma_file_replace(path, ma_buf_span(&buf));
	if (error != 0)
		return unsafe(log, path, strerror(error), "run as root, free some space");
	return MAILAUTH_OK;
}

const struct ma_key *ma_keyring_newest(const struct ma_keyring *keyring)
{
	size_t i = keyring->n_keys;

	while (i > 1 && keyring->keys[i - 1].is_next)
		i--;
	return &keyring->keys[i - 1];
}

const struct ma_key *ma_keyring_sealing(const struct ma_keyring *keyring, uint32_t seen)
{
	const struct ma_key *newest = ma_keyring_newest(keyring);

	for (size_t i = 0; i < keyring->n_keys; i++)
		if (keyring->keys[i].id == seen && seen > newest->id)
			return &keyring->keys[i];
	return newest;
}

struct ma_key *ma_keyring_next(struct ma_keyring *keyring)
{
	for (size_t i = 0; i < keyring->n_keys; i++)
		if (keyring->keys[i].is_next)
			return &keyring->keys[i];
	return NULL;
}

#define RESTORE "restore it from a backup, or delete and add the account"

static const struct ma_key *find_key(const struct ma_keyring *keyring, uint32_t id)
{
	for (size_t i = keyring->n_keys; i > 0; i--)
		if (keyring->keys[i - 1].id == id)
			return &keyring->keys[i - 1];
	return NULL;
}

/* The length of the name goes first, so that no name runs into the bytes behind it. */
static struct ma_span name_aad(const struct ma_name *name, uint8_t *out)
{
	out[0] = (uint8_t)(name->len >> 8);
	out[1] = (uint8_t)name->len;
	memcpy(out + 2, name->text, name->len);
	return ma_span(out, name->len + 2);
}

enum mailauth_status ma_seal_open(const struct ma_keyring *keyring, struct ma_cipher *cipher,
				  const struct ma_name *name, struct ma_span bytes, uint8_t *plain,
				  size_t *plain_len_out, struct ma_account *account_out,
				  const char **why_out)
{
	uint8_t aad[2 + MAILAUTH_NAME_MAX];
	struct ma_record record;
	const struct ma_key *key;
	enum mailauth_status status;

	*plain_len_out = 0;
	*why_out = "is damaged: its form is not that of a record; " RESTORE;
	if (!ma_record_split(bytes, &record) || record.key_id == 0 ||
	    record.sealed.len < MA_GCM_TAG_LEN)
		return MAILAUTH_E_CORRUPT;
	key = find_key(keyring, record.key_id);
	*why_out = "cannot be opened: the key that sealed it is not among this program's; if the "
		   "key was "
		   "changed, restart this program, else restore the key file";
	if (key == NULL)
		return MAILAUTH_E_CORRUPT;
	*why_out = "is damaged: its seal is broken: it was changed, or belongs to another "
		   "account; " RESTORE;
	status = ma_cipher_open(cipher,
				&(struct ma_sealing){.key = key->bytes,
						     .nonce = record.nonce.p,
						     .aad = {name_aad(name, aad), record.clear}},
				record.sealed, plain);
	if (status != MAILAUTH_OK)
		return status;
	*plain_len_out = record.sealed.len - MA_GCM_TAG_LEN;
	*why_out = "is damaged: it was sealed by a faulty program; " RESTORE;
	if (!ma_record_decode_attributes(&record, account_out) ||
	    !ma_record_decode_secrets(ma_span(plain, *plain_len_out), account_out))
		return MAILAUTH_E_CORRUPT;
	*why_out = NULL;
	return MAILAUTH_OK;
}

static enum mailauth_status seal_secrets(const struct ma_key *key, struct ma_cipher *cipher,
					 const struct ma_name *name, struct ma_span nonce,
					 struct ma_span plain, struct ma_buf *out)
{
	uint8_t aad[2 + MAILAUTH_NAME_MAX];
	size_t clear_len = out->len;
	uint8_t *sealed = ma_buf_reserve(out, plain.len + MA_GCM_TAG_LEN);

	if (sealed == NULL)
		return ma_buf_status(out);
	return ma_cipher_seal(
		cipher,
		&(struct ma_sealing){.key = key->bytes,
				     .nonce = nonce.p,
				     .aad = {name_aad(name, aad), ma_span(out->p, clear_len)}},
		plain, sealed);
}

enum mailauth_status ma_seal(const struct ma_key *key, struct ma_cipher *cipher,
			     const struct ma_name *name, const struct ma_account *account,
			     struct ma_span nonce, struct ma_buf *out)
{
	MA_CLEANUP(ma_buf_clear) struct ma_buf plain = ma_buf(MA_RECORD_MAX);

	ma_assert(out->len == 0);
	ma_record_encode_clear(account, key->id, nonce, out);
	ma_record_encode_secrets(account, &plain);
	if (ma_buf_status(out) != MAILAUTH_OK)
		return ma_buf_status(out);
	if (ma_buf_status(&plain) != MAILAUTH_OK)
		return ma_buf_status(&plain);
	return seal_secrets(key, cipher, name, nonce, ma_buf_span(&plain), out);
}
