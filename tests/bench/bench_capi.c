/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench_capi.c - CRAM-MD5 through the C API against the bare work it cannot do without
 *
 * Usage: bench_capi [ACCOUNTS...]      (default: 1000 1000000)
 *
 * The bare work is one LMDB read with a renewed transaction, one AES-256-GCM open with a kept key
 * and the two halves of HMAC-MD5, on the same records of the same size: no name, no ageing, no
 * decoding, no log. Both sides take turns on the same random accounts, each in rounds, and the
 * medians of the rounds are compared, so that a machine that slows down slows both. The bare side
 * reads a copy of the file, because LMDB forbids opening one file twice in a process.
 */
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"
#include "util/codec.h"

#define ROUNDS	 41
#define A_ROUND	 10000 /* logins */
#define BATCH	 20000 /* accounts put at once */
#define MAP_SIZE (4ull << 30)

static const char password[] = "correct horse battery staple";
static const char challenge[] = "<1896.697170952@mail.example.org>";

struct bench {
	char folder[64];
	size_t n_accounts;
	struct mailauth *ctx;
	/* the bare side */
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	struct ma_cipher *cipher;
	/* who logs in */
	struct ma_name *names;
	char (*responses)[96];
	size_t *response_lens;
	uint8_t digest[MA_MD5_LEN];
};

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "bench_capi: %s failed\n", what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void log_to_stderr(void *arg, enum mailauth_log_level level, const char *event,
			  const char *text)
{
	(void)arg;
	(void)level;
	fprintf(stderr, "bench_capi: %s: %s\n", event, text);
}

static void open_context(struct bench *bench)
{
	char path[128];
	FILE *file;
	struct mailauth_options options = {
		.size = sizeof(options),
		.flags = MAILAUTH_OPEN_WRITE,
		.config = path,
		.log = log_to_stderr,
		.log_level = MAILAUTH_LOG_WARN,
	};

	(void)snprintf(path, sizeof(path), "%s/mailauth.conf", bench->folder);
	file = fopen(path, "w");
	need(file != NULL, path);
	fprintf(file, "store = lmdb:%s/accounts.mdb\nkey_file = %s/store.key\n", bench->folder,
		bench->folder);
	fprintf(file, "default_realm = example.org\nmap_size = 4G\n");
	(void)fclose(file);
	need(ma_store_init(&options, geteuid(), (gid_t)-1) == MAILAUTH_OK, "making the store");
	need(ma_context_open(&options, geteuid(), &bench->ctx) == MAILAUTH_OK, "opening it");
}

static void name_of(size_t i, struct ma_name *name)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "user%08zu@example.org", i);

	need(ma_name_parse(ma_span(text, (size_t)n), ma_span(NULL, 0), name) == NULL, "a name");
}

/* An account as mailuser makes it: two verifiers, a comment, a home. */
static void fill_account(struct ma_account *account, uint8_t *cram, uint8_t *plain)
{
	ma_account_init(account);
	account->comment = ma_span_text("A user of the benchmark");
	account->home = ma_span_text("/var/mail/example.org/user");
	account->groups = ma_span_text("imap,smtp");
	account->last_change = 20000;
	ma_hmac_md5_derive(ma_span_text(password), cram);
	memset(plain, 0x5a, 32);
	account->credentials[0].n_secrets = 2;
	account->credentials[0].secrets[0] =
		(struct ma_secret){MA_KIND_CRAM_MD5, ma_span(cram, MA_HMAC_MD5_STATE)};
	account->credentials[0].secrets[1] =
		(struct ma_secret){MA_KIND_SASL_PLAIN, ma_span(plain, 32)};
}

struct row {
	uint8_t key[MA_KEY_MAX];
	uint8_t record[512];
};

static void put_batch(struct bench *bench, struct row *rows, struct ma_store_change *changes,
		      const struct ma_account *account, size_t from, size_t n)
{
	struct mailauth *ctx = bench->ctx;
	uint8_t nonce[MA_RECORD_NONCE_LEN];
	bool conflict;

	for (size_t i = 0; i < n; i++) {
		struct ma_buf record = ma_buf_fixed(rows[i].record, sizeof(rows[i].record));
		struct ma_name name;

		name_of(from + i, &name);
		need(ma_random(ma_engine(ctx)->crypto, nonce, sizeof(nonce)) == MAILAUTH_OK,
		     "random");
		need(ma_seal(ma_keyring_newest(&ctx->keyring), bench->cipher, &name, account,
			     ma_span(nonce, sizeof(nonce)), &record) == MAILAUTH_OK,
		     "sealing");
		changes[i] = (struct ma_store_change){.key = ma_name_key(&name, rows[i].key),
						      .record = ma_buf_span(&record)};
	}
	need(ctx->store->ops->apply(ctx->store, changes, n, &conflict) == MAILAUTH_OK && !conflict,
	     "putting accounts");
}

static void put_accounts(struct bench *bench)
{
	struct row *rows = calloc(BATCH, sizeof(*rows));
	struct ma_store_change *changes = calloc(BATCH, sizeof(*changes));
	struct ma_account *account = calloc(1, sizeof(*account));
	uint8_t cram[MA_HMAC_MD5_STATE];
	uint8_t plain[32];

	need(rows != NULL && changes != NULL && account != NULL, "memory");
	need(ma_engine_start(bench->ctx) == MAILAUTH_OK, "OpenSSL");
	need(ma_cipher_new(ma_engine(bench->ctx)->crypto, &bench->cipher) == MAILAUTH_OK,
	     "a cipher");
	fill_account(account, cram, plain);
	for (size_t i = 0; i < bench->n_accounts; i += BATCH)
		put_batch(bench, rows, changes, account, i,
			  bench->n_accounts - i < BATCH ? bench->n_accounts - i : BATCH);
	free(account);
	free(changes);
	free(rows);
}

static void copy_store(struct bench *bench, const char *copy)
{
	char path[128];
	struct stat st;
	off_t at = 0;
	int in;
	int out;

	(void)snprintf(path, sizeof(path), "%s/accounts.mdb", bench->folder);
	in = open(path, O_RDONLY | O_CLOEXEC);
	out = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	need(in >= 0 && out >= 0 && fstat(in, &st) == 0, "opening a copy");
	while (at < st.st_size)
		need(sendfile(out, in, &at, (size_t)(st.st_size - at)) > 0, "copying");
	(void)close(in);
	(void)close(out);
}

static void open_bare(struct bench *bench)
{
	char copy[128];

	(void)snprintf(copy, sizeof(copy), "%s/copy.mdb", bench->folder);
	copy_store(bench, copy);
	need(mdb_env_create(&bench->env) == 0, "lmdb");
	need(mdb_env_open(bench->env, copy, MDB_NOSUBDIR | MDB_NOTLS | MDB_RDONLY, 0600) == 0,
	     "opening the copy");
	need(mdb_txn_begin(bench->env, NULL, MDB_RDONLY, &bench->txn) == 0, "a transaction");
	need(mdb_dbi_open(bench->txn, NULL, 0, &bench->dbi) == 0, "the database");
	mdb_txn_reset(bench->txn);
}

static void choose_users(struct bench *bench)
{
	uint8_t state[MA_HMAC_MD5_STATE];
	char hex[2 * MA_MD5_LEN + 1];
	struct ma_buf text = ma_buf_fixed(hex, sizeof(hex));

	bench->names = calloc(A_ROUND, sizeof(*bench->names));
	bench->responses = calloc(A_ROUND, sizeof(*bench->responses));
	bench->response_lens = calloc(A_ROUND, sizeof(*bench->response_lens));
	need(bench->names != NULL && bench->responses != NULL && bench->response_lens != NULL,
	     "memory");
	ma_hmac_md5_derive(ma_span_text(password), state);
	ma_hmac_md5_digest(state, ma_span_text(challenge), bench->digest);
	ma_hex_encode(ma_span(bench->digest, sizeof(bench->digest)), &text);
	srandom(1);
	for (size_t i = 0; i < A_ROUND; i++) {
		name_of((size_t)random() % bench->n_accounts, &bench->names[i]);
		bench->response_lens[i] =
			(size_t)snprintf(bench->responses[i], sizeof(bench->responses[i]), "%s %s",
					 bench->names[i].text, ma_buf_text(&text));
	}
}

static void login_api(struct bench *bench, size_t i)
{
	need(mailauth_verify_cram(bench->ctx, NULL, challenge, sizeof(challenge) - 1,
				  bench->responses[i], bench->response_lens[i],
				  NULL) == MAILAUTH_OK,
	     "a login through the API");
}

static void login_bare(struct bench *bench, size_t i)
{
	uint8_t plain[512];
	uint8_t key_bytes[MA_KEY_MAX];
	uint8_t aad[2 + MAILAUTH_NAME_MAX];
	uint8_t digest[MA_MD5_LEN];
	const struct ma_name *name = &bench->names[i];
	struct ma_span key = ma_name_key(name, key_bytes);
	MDB_val mdb_key = {.mv_size = key.len, .mv_data = key_bytes};
	MDB_val value;
	struct ma_record record;

	need(mdb_txn_renew(bench->txn) == 0, "renewing");
	need(mdb_get(bench->txn, bench->dbi, &mdb_key, &value) == 0, "reading");
	need(ma_record_split(ma_span(value.mv_data, value.mv_size), &record), "a record");
	aad[0] = (uint8_t)(name->len >> 8);
	aad[1] = (uint8_t)name->len;
	memcpy(aad + 2, name->text, name->len);
	need(ma_cipher_open(
		     bench->cipher,
		     &(struct ma_sealing){.key = bench->ctx->keyring.keys[0].bytes,
					  .nonce = record.nonce.p,
					  .aad = {ma_span(aad, name->len + 2), record.clear}},
		     record.sealed, plain) == MAILAUTH_OK,
	     "opening");
	mdb_txn_reset(bench->txn);
	/* 1 credential: label, created, expires, groups, count, kind, length, then the states */
	ma_hmac_md5_digest(plain + 1 + 1 + 8 + 4 + 2 + 1 + 1 + 2, ma_span_text(challenge), digest);
	need(memcmp(digest, bench->digest, sizeof(digest)) == 0, "a bare login");
}

static double round_ns(struct bench *bench, void (*login)(struct bench *bench, size_t i))
{
	uint64_t start = now_ns();

	for (size_t i = 0; i < A_ROUND; i++)
		login(bench, i);
	return (double)(now_ns() - start) / A_ROUND;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double p99_ns(struct bench *bench, void (*login)(struct bench *bench, size_t i))
{
	static double times[A_ROUND];

	for (size_t i = 0; i < A_ROUND; i++) {
		uint64_t start = now_ns();

		login(bench, i);
		times[i] = (double)(now_ns() - start);
	}
	qsort(times, A_ROUND, sizeof(times[0]), compare);
	return times[A_ROUND * 99 / 100];
}

static void measure(struct bench *bench)
{
	double api[ROUNDS];
	double bare[ROUNDS];
	double ratio[ROUNDS];

	(void)round_ns(bench, login_bare);
	(void)round_ns(bench, login_api);
	for (size_t i = 0; i < ROUNDS; i++) {
		bare[i] = round_ns(bench, login_bare);
		api[i] = round_ns(bench, login_api);
		ratio[i] = api[i] / bare[i];
	}
	qsort(api, ROUNDS, sizeof(api[0]), compare);
	qsort(bare, ROUNDS, sizeof(bare[0]), compare);
	qsort(ratio, ROUNDS, sizeof(ratio[0]), compare);
	printf("%10zu %10.0f %10.0f %8.2f %12.0f %10.0f\n", bench->n_accounts, bare[ROUNDS / 2],
	       api[ROUNDS / 2], ratio[ROUNDS / 2], 1e9 / api[ROUNDS / 2], p99_ns(bench, login_api));
}

static void remove_files(const struct bench *bench)
{
	static const char *const files[] = {"accounts.mdb",  "accounts.mdb-lock", "copy.mdb",
					    "copy.mdb-lock", "store.key",	  "mailauth.conf"};

	for (size_t i = 0; i < MA_ARRAY_SIZE(files); i++) {
		char path[128];

		(void)snprintf(path, sizeof(path), "%s/%s", bench->folder, files[i]);
		(void)unlink(path);
	}
	(void)rmdir(bench->folder);
}

static void run(size_t n_accounts)
{
	struct bench bench = {.folder = "/var/tmp/mailauth-bench-XXXXXX", .n_accounts = n_accounts};

	need(mkdtemp(bench.folder) != NULL, "a folder");
	open_context(&bench);
	put_accounts(&bench);
	open_bare(&bench);
	choose_users(&bench);
	measure(&bench);
	mdb_txn_abort(bench.txn);
	mdb_env_close(bench.env);
	ma_cipher_free(&bench.cipher);
	mailauth_free(&bench.ctx);
	free(bench.names);
	free(bench.responses);
	free(bench.response_lens);
	remove_files(&bench);
}

int main(int argc, char **argv)
{
	printf("CRAM-MD5, C API against bare work (ns per login, medians of %d rounds of %d)\n",
	       ROUNDS, A_ROUND);
	printf("%10s %10s %10s %8s %12s %10s\n", "accounts", "bare", "api", "ratio", "logins/s",
	       "p99 ns");
	if (argc < 2) {
		run(1000);
		run(1000000);
	}
	for (int i = 1; i < argc; i++)
		run((size_t)strtoul(argv[i], NULL, 10));
	return 0;
}
