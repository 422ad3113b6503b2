/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * crypt.c - crypt(3), the only file that knows libxcrypt
 *
 * See crypt.h. Cost parameters stand in the clear in each hash, in a form of its own for each
 * method (crypt(5)); the table below reads them. The limits were set by timing on a machine where
 * yescrypt's default takes 21 ms and sha512crypt's 2.4 ms. A parameter that this file cannot read
 * counts as too high.
 */
#include "util/crypt.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>

#include "util/mem.h"

#define MEMORY_MAX (128ull << 20) /* bytes */

/* crypt(5)'s own base 64, least significant digit first; -1 for another character */
static int digit(uint8_t c)
{
	static const char digits[] =
		"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

static bool take_base64(struct ma_span *in, size_t n_digits, uint64_t *out)
{
	struct ma_span text;

	if (!ma_span_take(in, n_digits, &text))
		return false;
	*out = 0;
	for (size_t i = n_digits; i > 0; i--) {
		int d = digit(text.p[i - 1]);

		if (d < 0)
			return false;
		*out = *out << 6 | (uint64_t)d;
	}
	return true;
}

/* A decimal number up to the next '$'. */
static bool take_decimal(struct ma_span *in, uint64_t *out)
{
	struct ma_span text;

	if (!ma_span_take_until(in, '$', &text) || text.len == 0 || text.len > 10)
		return false;
	*out = 0;
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(text.p[i] - '0');
	}
	return true;
}

static bool fits_memory(uint64_t log2_n, uint64_t r)
{
	return log2_n < 32 && r > 0 && r < (1 << 20) && (r * 128 << log2_n) <= MEMORY_MAX;
}

/* $y$, $gy$: flavour, log2(N) - 1, r - 1; a digit above 47 begins a longer number. */
static bool is_cheap_yescrypt(struct ma_span in)
{
	uint64_t flavour;
	uint64_t log2_n;
	uint64_t r;

	if (!take_base64(&in, 1, &flavour) || !take_base64(&in, 1, &log2_n) ||
	    !take_base64(&in, 1, &r) || flavour > 47 || log2_n > 47 || r > 47)
		return false;
	/* Further parameters (parallelism, time, a ROM) are not made by any crypt_gensalt(). */
	return in.len > 0 && in.p[0] == '$' && fits_memory(log2_n + 1, r + 1);
}

/* $7$: log2(N), then r and p in 5 digits each */
static bool is_cheap_scrypt(struct ma_span in)
{
	uint64_t log2_n;
	uint64_t r;
	uint64_t p;

	if (!take_base64(&in, 1, &log2_n) || !take_base64(&in, 5, &r) || !take_base64(&in, 5, &p))
		return false;
	return p == 1 && fits_memory(log2_n, r);
}

/* $2b$12$ */
static bool is_cheap_bcrypt(struct ma_span in)
{
	uint64_t log2_rounds;

	return take_decimal(&in, &log2_rounds) && log2_rounds <= 14;
}

static bool take_text(struct ma_span *in, const char *text)
{
	struct ma_span word;

	return ma_span_take(in, strlen(text), &word) && ma_span_equal(word, ma_span_text(text));
}

/* $5$, $6$: an optional rounds=N$ */
static bool is_cheap_sha2(struct ma_span in)
{
	uint64_t rounds;

	/* A salt may begin with an r, too. */
	if (!take_text(&in, "rounds="))
		return true;
	return take_decimal(&in, &rounds) && rounds <= 2000000;
}

/* $sha1$N$ */
static bool is_cheap_sha1(struct ma_span in)
{
	uint64_t rounds;

	return take_decimal(&in, &rounds) && rounds <= 1000000;
}

/* $md5$, $md5,rounds=N$ */
static bool is_cheap_sunmd5(struct ma_span in)
{
	uint64_t rounds;

	if (in.len > 0 && in.p[0] == '$')
		return true;
	return ma_span_take_u8(&in, &(uint8_t){0}) && take_text(&in, "rounds=") &&
	       take_decimal(&in, &rounds) && rounds <= 500000;
}

/* _: the number of rounds in 4 digits */
static bool is_cheap_bsdi(struct ma_span in)
{
	uint64_t rounds;

	return take_base64(&in, 4, &rounds) && rounds <= 4000000;
}

/* md5crypt, NT */
static bool has_no_cost(struct ma_span in)
{
	(void)in;
	return true;
}

/* What crypt(5) says of each method with a prefix. */
struct method {
	const char *prefix;
	bool (*is_cheap)(struct ma_span in);
	size_t tail_len; /* of a whole hash, behind its last '$' */
};

static const struct method methods[] = {
	{"$y$", is_cheap_yescrypt, 43}, {"$gy$", is_cheap_yescrypt, 43},
	{"$7$", is_cheap_scrypt, 43},	{"$2a$", is_cheap_bcrypt, 53},
	{"$2b$", is_cheap_bcrypt, 53},	{"$2x$", is_cheap_bcrypt, 53},
	{"$2y$", is_cheap_bcrypt, 53},	{"$5$", is_cheap_sha2, 43},
	{"$6$", is_cheap_sha2, 86},	{"$sha1$", is_cheap_sha1, 28},
	{"$md5", is_cheap_sunmd5, 22},	{"_", is_cheap_bsdi, 19},
	{"$1$", has_no_cost, 22},	{"$3$", has_no_cost, 32},
};

/* NULL: traditional DES, which has no prefix, or unknown. @rest_out: what follows the prefix. */
static const struct method *find_method(struct ma_span hash, struct ma_span *rest_out)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(methods); i++) {
		struct ma_span prefix;

		*rest_out = hash;
		if (ma_span_take(rest_out, strlen(methods[i].prefix), &prefix) &&
		    ma_span_equal(prefix, ma_span_text(methods[i].prefix)))
			return &methods[i];
	}
	*rest_out = hash;
	return NULL;
}

/* A method that is not in the table came with a later libcrypt, and its cost is not known here. */
static bool is_cheap(struct ma_span hash)
{
	struct ma_span rest;
	const struct method *method = find_method(hash, &rest);

	if (method != NULL)
		return method->is_cheap(rest);
	return hash.p[0] != '$';
}

/* Behind the prefix: parameters and salt, '$', the hash. BSDi's and DES's are of one piece. */
bool ma_crypt_is_whole(struct ma_span hash)
{
	struct ma_span rest;
	struct ma_span salt;
	struct ma_span tail;
	const struct method *method = find_method(hash, &rest);

	if (!ma_span_split_last(rest, '$', &salt, &tail)) {
		if (method != NULL && method->prefix[0] != '_')
			return false;
		tail = rest;
	}
	for (size_t i = 0; i < tail.len; i++)
		if (digit(tail.p[i]) < 0)
			return false;
	if (method != NULL)
		return tail.len == method->tail_len;
	/* DES: a salt of two digits and 11 for each 8 characters of the password (bigcrypt). */
	return tail.len == hash.len && tail.len >= 13 && (tail.len - 2) % 11 == 0;
}

static bool copy_text(struct ma_span text, char *out, size_t size)
{
	if (text.len >= size || (text.len > 0 && memchr(text.p, '\0', text.len) != NULL))
		return false;
	if (text.len > 0)
		memcpy(out, text.p, text.len);
	out[text.len] = '\0';
	return true;
}

/* libcrypt wants a string of its own; what is checked may be a secret. @hash: 1 to MA_CRYPT_MAX
 * bytes. */
static bool is_known(struct ma_span hash)
{
	char text[MA_CRYPT_MAX + 1] = {0};
	int known;

	memcpy(text, hash.p, hash.len);
	known = crypt_checksalt(text);
	ma_wipe(text, sizeof(text));
	return known == CRYPT_SALT_OK || known == CRYPT_SALT_METHOD_LEGACY;
}

const char *ma_crypt_refusal(struct ma_span hash)
{
	if (hash.len == 0)
		return "it is empty";
	if (hash.p[0] == '*' || hash.p[0] == '!')
		return "it stands for \"no login\"";
	if (hash.len > MA_CRYPT_MAX || memchr(hash.p, '\0', hash.len) != NULL)
		return "it is no crypt(3) string";
	if (!is_known(hash))
		return "libcrypt does not know its method";
	if (!is_cheap(hash))
		return "verifying it would take more than 2 s or 128 MiB";
	return NULL;
}

const char *ma_crypt_prefix(const char *method)
{
	static const struct {
		const char *method;
		const char *prefix;
	} prefixes[] = {
		{"yescrypt", "$y$"}, {"gost-yescrypt", "$gy$"}, {"scrypt", "$7$"},
		{"bcrypt", "$2b$"},  {"sha512crypt", "$6$"},	{"sha256crypt", "$5$"},
	};

	for (size_t i = 0; i < MA_ARRAY_SIZE(prefixes); i++)
		if (strcmp(method, prefixes[i].method) == 0)
			return prefixes[i].prefix;
	return NULL;
}

enum mailauth_status ma_crypt_setting(const char *method, unsigned long cost, struct ma_span random,
				      struct ma_buf *out)
{
	const char *prefix = method != NULL ? ma_crypt_prefix(method) : NULL;
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (method != NULL && prefix == NULL)
		return MAILAUTH_E_USAGE;
	if (crypt_gensalt_rn(prefix, cost, (const char *)random.p, (int)random.len, setting,
			     sizeof(setting)) == NULL)
		return MAILAUTH_E_USAGE;
	if (ma_crypt_refusal(ma_span_text(setting)) != NULL)
		return MAILAUTH_E_USAGE;
	ma_buf_put_text(out, setting);
	return ma_buf_status(out);
}

/* 32 KiB that crypt_ra() would allocate itself, but here they are wiped. */
static enum mailauth_status run(struct crypt_data *data, struct ma_span password,
				struct ma_span setting, struct ma_buf *out)
{
	const char *hash;

	if (!copy_text(password, data->input, sizeof(data->input)))
		return password.len > MA_CRYPT_PASSWORD_MAX ? MAILAUTH_E_LIMIT : MAILAUTH_E_USAGE;
	if (!copy_text(setting, data->setting, sizeof(data->setting)))
		return MAILAUTH_E_USAGE;
	hash = crypt_rn(data->input, data->setting, data, sizeof(*data));
	if (hash == NULL)
		return errno == ENOMEM ? MAILAUTH_E_NOMEM : MAILAUTH_E_USAGE;
	ma_buf_put_text(out, hash);
	return ma_buf_status(out);
}

enum mailauth_status ma_crypt(struct ma_span password, struct ma_span setting, struct ma_buf *out)
{
	struct crypt_data *data;
	enum mailauth_status status;

	if (ma_crypt_refusal(setting) != NULL)
		return MAILAUTH_E_USAGE;
	data = ma_alloc(sizeof(*data));
	if (data == NULL)
		return MAILAUTH_E_NOMEM;
	status = run(data, password, setting, out);
	ma_wipe(data, sizeof(*data));
	ma_free(data);
	return status;
}
