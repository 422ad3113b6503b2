/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capi_bare.c - the work that no server with this store can do without
 *
 * One LMDB read, one AES-256-GCM open of the record and the hashes of the mechanism, on the very
 * records that the library reads. No parsing of messages or names, no decoding, no ageing, no copy
 * of the record, no wiping, no log, no decoys; DIGEST-MD5 and SCRAM look once, where the library
 * looks again at the end whether the account still stands.
 *
 * It is given every advantage that a server can have: a transaction that is renewed and a cipher
 * whose key was expanded before, so that only the nonce is new for each record (the library keeps
 * both, too), and the place of each secret known beforehand. LMDB forbids to open a file twice in a
 * process, for the sake of the locks on its lock file, so this side opens it under another name,
 * with a lock file of its own: nobody writes meanwhile.
 */
#include <sys/random.h>
#include <unistd.h>

#include "account/record.h"
#include "capi.h"
#include "util/codec.h"
#include "util/mem.h"

/* Reads and opens a record; its length. */
static size_t read_record(struct bare *bare, struct ma_span user, uint8_t plain[MA_RECORD_MAX])
{
	size_t local_len = user.len - strlen("@" REALM);
	uint8_t key_bytes[128] = REALM;
	uint8_t aad[128];
	MDB_val key = {.mv_size = user.len, .mv_data = key_bytes};
	MDB_val value;
	struct ma_record record;

	memcpy(key_bytes + strlen(REALM) + 1, user.p, local_len);
	aad[0] = 0;
	aad[1] = (uint8_t)user.len;
	memcpy(aad + 2, user.p, user.len);
	need(mdb_txn_renew(bare->txn) == 0, "renewing");
	need(mdb_get(bare->txn, bare->dbi, &key, &value) == 0, "reading");
	need(ma_record_split(ma_span(value.mv_data, value.mv_size), &record), "a record");
	need(ma_cipher_open(bare->cipher,
			    &(struct ma_sealing){.key = bare->ctx->keyring.keys[0].bytes,
						 .nonce = record.nonce.p,
						 .aad = {ma_span(aad, user.len + 2), record.clear}},
			    record.sealed, plain) == MAILAUTH_OK,
	     "opening a record");
	mdb_txn_reset(bare->txn);
	return record.sealed.len - MA_GCM_TAG_LEN;
}

/* Names are of one length, so the secrets stand in the same place in every record. */
static void find_secrets(struct bare *bare)
{
	static struct ma_account account;
	uint8_t plain[MA_RECORD_MAX];
	char user[64];
	size_t len = store_name(0, user);
	size_t plain_len = read_record(bare, ma_span(user, len), plain);

	need(ma_record_decode_secrets(ma_span(plain, plain_len), &account), "decoding a record");
	for (size_t i = 0; i < account.credentials[0].n_secrets; i++) {
		const struct ma_secret *secret = &account.credentials[0].secrets[i];

		bare->offsets[secret->kind] = (size_t)(secret->value.p - plain);
		bare->lens[secret->kind] = secret->value.len;
	}
}

void bare_open(struct bare *bare, const struct mailauth *ctx, const char *folder)
{
	const char *missing;
	char path[512];

	bare->ctx = ctx;
	(void)snprintf(path, sizeof(path), "%s/bare.mdb", folder);
	need(symlink("accounts.mdb", path) == 0, path);
	need(mdb_env_create(&bare->env) == 0, "lmdb");
	need(mdb_env_open(bare->env, path, MDB_NOSUBDIR | MDB_NOTLS | MDB_RDONLY, 0600) == 0, path);
	need(mdb_txn_begin(bare->env, NULL, MDB_RDONLY, &bare->txn) == 0, "a transaction");
	need(mdb_dbi_open(bare->txn, NULL, 0, &bare->dbi) == 0, "the database");
	mdb_txn_reset(bare->txn);
	need(ma_crypto_new(&bare->crypto, &missing) == MAILAUTH_OK, "OpenSSL");
	need(ma_cipher_new(bare->crypto, &bare->cipher) == MAILAUTH_OK, "a cipher");
	find_secrets(bare);
}

void bare_close(struct bare *bare)
{
	mdb_txn_abort(bare->txn);
	mdb_env_close(bare->env);
	ma_cipher_free(&bare->cipher);
	ma_crypto_free(&bare->crypto);
}

static bool check_plain(const uint8_t *secret, const struct attempt *attempt)
{
	const struct ma_span parts[] = {ma_span(secret, 16), ma_span_text("sasldb"),
					ma_span(attempt->text, attempt->text_len)};
	uint8_t digest[MA_MD5_LEN];

	ma_md5(parts, MA_ARRAY_SIZE(parts), digest);
	return memcmp(digest, secret + 16, sizeof(digest)) == 0;
}

static bool check_cram_md5(const uint8_t *secret, const struct attempt *attempt)
{
	uint8_t digest[MA_MD5_LEN];

	ma_hmac_md5_digest(secret, ma_span(attempt->text, attempt->text_len), digest);
	return memcmp(digest, attempt->proof, sizeof(digest)) == 0;
}

static bool check_apop(struct ma_span secret, const struct attempt *attempt)
{
	const struct ma_span parts[] = {ma_span(attempt->text, attempt->text_len), secret};
	uint8_t digest[MA_MD5_LEN];

	ma_md5(parts, MA_ARRAY_SIZE(parts), digest);
	return memcmp(digest, attempt->proof, sizeof(digest)) == 0;
}

static void hex_of_md5(const struct ma_span *parts, size_t n, char hex_out[2 * MA_MD5_LEN])
{
	uint8_t digest[MA_MD5_LEN];
	struct ma_buf out = ma_buf_fixed(hex_out, 2 * MA_MD5_LEN);

	ma_md5(parts, n, digest);
	ma_hex_encode(ma_span(digest, sizeof(digest)), &out);
}

/* RFC 2831 section 2.1.2.1: the client's response, and ours: five times MD5 */
static bool check_digest_md5(const uint8_t *ha1, const struct attempt *attempt)
{
	static const char middle[] = ":" DIGEST_NONCE ":00000001:" DIGEST_CNONCE ":auth:";
	const struct ma_span a1[] = {ma_span(ha1, MA_MD5_LEN),
				     ma_span_text(":" DIGEST_NONCE ":" DIGEST_CNONCE)};
	const struct ma_span a2[] = {ma_span_text("AUTHENTICATE:" DIGEST_URI)};
	const struct ma_span our_a2[] = {ma_span_text(":" DIGEST_URI)};
	char hex[2][2 * MA_MD5_LEN];
	uint8_t digest[MA_MD5_LEN];
	uint8_t ours[MA_MD5_LEN];
	const struct ma_span all[] = {ma_span(hex[0], sizeof(hex[0])), ma_span_text(middle),
				      ma_span(hex[1], sizeof(hex[1]))};

	hex_of_md5(a1, MA_ARRAY_SIZE(a1), hex[0]);
	hex_of_md5(a2, MA_ARRAY_SIZE(a2), hex[1]);
	ma_md5(all, MA_ARRAY_SIZE(all), digest);
	hex_of_md5(our_a2, MA_ARRAY_SIZE(our_a2), hex[1]);
	ma_md5(all, MA_ARRAY_SIZE(all), ours);
	return memcmp(digest, attempt->proof, sizeof(digest)) == 0;
}

/* RFC 5802 section 3: two HMACs and a hash */
static bool check_scram(enum ma_hash hash, const uint8_t *secret, const struct attempt *attempt)
{
	const struct ma_span text = ma_span(attempt->text, attempt->text_len);
	size_t len = ma_hash_len(hash);
	const uint8_t *stored = secret + 4 + 1 + secret[4];
	uint8_t key[MA_HASH_MAX];
	uint8_t signature[MA_HASH_MAX];

	ma_hmac(hash, ma_span(stored, len), &text, 1, key);
	for (size_t i = 0; i < len; i++)
		key[i] ^= attempt->proof[i];
	ma_hash(hash, ma_span(key, len), key);
	ma_hmac(hash, ma_span(stored + len, len), &text, 1, signature);
	return memcmp(key, stored, len) == 0;
}

bool bare_login(struct bare *bare, const struct attempt *attempt)
{
	uint8_t plain[MA_RECORD_MAX];
	uint8_t nonce[16];

	/* A challenge has to be fresh. */
	if (attempt->is_dialogue && attempt->mechanism != PLAIN && attempt->mechanism != LOGIN)
		need(getrandom(nonce, sizeof(nonce), 0) == (ssize_t)sizeof(nonce), "getrandom");
	(void)read_record(bare, ma_span(attempt->user, attempt->user_len), plain);
	switch (attempt->mechanism) {
	case PLAIN:
	case LOGIN:
		return check_plain(plain + bare->offsets[MA_KIND_SASL_PLAIN], attempt);
	case CRAM_MD5:
		return check_cram_md5(plain + bare->offsets[MA_KIND_CRAM_MD5], attempt);
	case DIGEST_MD5: /* the realm and its length, what there is, the hash of the bare name */
		return check_digest_md5(plain + bare->offsets[MA_KIND_DIGEST_MD5] + 1 +
						strlen(REALM) + 1 + MA_MD5_LEN,
					attempt);
	case APOP:
		return check_apop(ma_span(plain + bare->offsets[MA_KIND_PASSWORD],
					  bare->lens[MA_KIND_PASSWORD]),
				  attempt);
	case SCRAM_1:
		return check_scram(MA_HASH_SHA1, plain + bare->offsets[MA_KIND_SCRAM_SHA_1],
				   attempt);
	case SCRAM_256:
		return check_scram(MA_HASH_SHA256, plain + bare->offsets[MA_KIND_SCRAM_SHA_256],
				   attempt);
	case SCRAM_512:
		break;
	}
	return check_scram(MA_HASH_SHA512, plain + bare->offsets[MA_KIND_SCRAM_SHA_512], attempt);
}
