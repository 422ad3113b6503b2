/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_hash.c - known answers, and OpenSSL where the host has disabled it
 *
 * RFC 1321 section A.5 (MD5), RFC 2202 (HMAC-MD5, HMAC-SHA1), RFC 4231 section 4 (HMAC-SHA256 and
 * -SHA512), RFC 6070 (PBKDF2), and the test cases 14 and 16 that NIST's GCM specification refers
 * to.
 */
#include "util/hash.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support.h"
#include "util/codec.h"
#include "util/mem.h"

static struct ma_crypto *crypto;
static const char *program; /* this one, to run again */

static void setup(void)
{
	const char *missing = "unset";

	ck_assert_int_eq(ma_crypto_new(&crypto, &missing), MAILAUTH_OK);
	ck_assert_ptr_null(missing);
}

static void teardown(void)
{
	ma_crypto_free(&crypto);
	ck_assert_ptr_null(crypto);
	ma_crypto_free(&crypto);
}

static void expect_hex(const uint8_t *got, size_t len, const char *want, const char *what)
{
	char text[512];
	struct ma_buf hex = ma_buf_fixed(text, sizeof(text));

	ma_hex_encode(ma_span(got, len), &hex);
	ck_assert_msg(strcmp(ma_buf_text(&hex), want) == 0, "%s: got %s, want %s", what,
		      ma_buf_text(&hex), want);
}

static const struct {
	const char *text;
	const char *want;
} md5_rows[] = {
	{"", "d41d8cd98f00b204e9800998ecf8427e"},
	{"a", "0cc175b9c0f1b6a831c399e269772661"},
	{"abc", "900150983cd24fb0d6963f7d28e17f72"},
	{"message digest", "f96b697d7cb7938d525a2f31aaf161d0"},
	{"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b"},
	{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
	 "d174ab98d277d9f5a5611c2c9f419d9f"},
	{"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
	 "57edf4a22be3c955ac49da2e2107b67a"},
};

START_TEST(md5_gives_the_answers_of_rfc_1321)
{
	struct ma_span all = ma_span_text(md5_rows[_i].text);
	size_t half = all.len / 2;
	struct ma_span parts[] = {ma_span(all.p, half), ma_span(NULL, 0),
				  ma_span(all.p + half, all.len - half)};
	uint8_t got[MA_MD5_LEN];

	ma_md5(&all, 1, got);
	expect_hex(got, sizeof(got), md5_rows[_i].want, md5_rows[_i].text);
	ma_md5(parts, 3, got);
	expect_hex(got, sizeof(got), md5_rows[_i].want, "in parts");
}
END_TEST

/* A key or a text: bytes in hexadecimal, so many times. */
static const struct {
	const char *key;
	unsigned int n_key;
	const char *text;
	unsigned int n_text;
	const char *want;
} hmac_md5_rows[] = {
	{"0b", 16, "4869205468657265", 1, "9294727a3638bb1c13f48ef8158bfc9d"},
	{"4a656665", 1, "7768617420646f2079612077616e7420666f72206e6f7468696e673f", 1,
	 "750c783e6ab0b503eaa86e310a5db738"},
	{"aa", 16, "dd", 50, "56be34521d144c88dbb8c733f0e8b3f6"},
	{"0102030405060708090a0b0c0d0e0f10111213141516171819", 1, "cd", 50,
	 "697eaf0aca3a3aea3a75164746ffaa79"},
	{"0c", 16, "546573742057697468205472756e636174696f6e", 1,
	 "56461ef2342edc00f9bab995690efd4c"},
	/* keys longer than a block, texts shorter and longer than one */
	{"aa", 80,
	 "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d204"
	 "86173"
	 "68204b6579204669727374",
	 1, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"},
	{"aa", 80,
	 "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b657920616e6"
	 "4204c"
	 "6172676572205468616e204f6e6520426c6f636b2d53697a652044617461",
	 1, "6f630fad67cda0ee1fb1f562db3aa53e"},
};

#define LARGER_KEY                                                                                 \
	"54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d20486173"   \
	"68204b6579204669727374"

/* RFC 2202 section 3 (SHA-1), RFC 4231 section 4. */
static const struct {
	enum ma_hash hash;
	const char *key;
	unsigned int n_key;
	const char *text;
	unsigned int n_text;
	const char *want;
} hmac_rows[] = {
	{MA_HASH_SHA1, "0b", 20, "4869205468657265", 1, "b617318655057264e28bc0b6fb378c8ef146be00"},
	{MA_HASH_SHA1, "4a656665", 1, "7768617420646f2079612077616e7420666f72206e6f7468696e673f", 1,
	 "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
	{MA_HASH_SHA1, "aa", 20, "dd", 50, "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
	{MA_HASH_SHA1, "0102030405060708090a0b0c0d0e0f10111213141516171819", 1, "cd", 50,
	 "4c9007f4026250c6bc8414f9bf50c86c2d7235da"},
	{MA_HASH_SHA1, "0c", 20, "546573742057697468205472756e636174696f6e", 1,
	 "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"},
	{MA_HASH_SHA1, "aa", 80, LARGER_KEY, 1, "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
	{MA_HASH_SHA256, "0b", 20, "4869205468657265", 1,
	 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{MA_HASH_SHA256, "4a656665", 1, "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	 1, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{MA_HASH_SHA256, "aa", 20, "dd", 50,
	 "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	{MA_HASH_SHA256, "0102030405060708090a0b0c0d0e0f10111213141516171819", 1, "cd", 50,
	 "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
	{MA_HASH_SHA256, "aa", 131, LARGER_KEY, 1,
	 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	{MA_HASH_SHA256, "aa", 131,
	 "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d7369"
	 "7a65206b657920616e642061206c6172676572207468616e20626c6f636b2d73697a6520646174612e2054"
	 "6865206b6579206e6565647320746f20626520686173686564206265666f7265206265696e672075736564"
	 "2062792074686520484d414320616c676f726974686d2e",
	 1, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
	{MA_HASH_SHA512, "0b", 20, "4869205468657265", 1,
	 "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
	 "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
	{MA_HASH_SHA512, "4a656665", 1, "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	 1,
	 "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
	 "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
	{MA_HASH_SHA512, "aa", 20, "dd", 50,
	 "fa73b0089d56a284efb0f0756c890be9b1b5dbdd8ee81a3655f83e33b2279d39"
	 "bf3e848279a722c806b485a47e67c807b946a337bee8942674278859e13292fb"},
	{MA_HASH_SHA512, "aa", 131, LARGER_KEY, 1,
	 "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
	 "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"},
};

static struct ma_span repeat(const char *hex, unsigned int n, uint8_t *out, size_t size)
{
	size_t len = 0;

	for (unsigned int i = 0; i < n; i++)
		len += support_unhex(hex, out + len, size - len);
	return ma_span(out, len);
}

START_TEST(hmac_md5_gives_the_answers_of_rfc_2202)
{
	uint8_t key[256];
	uint8_t text[256];
	uint8_t state[MA_HMAC_MD5_STATE];
	uint8_t got[MA_MD5_LEN];

	ma_hmac_md5_derive(repeat(hmac_md5_rows[_i].key, hmac_md5_rows[_i].n_key, key, sizeof(key)),
			   state);
	ma_hmac_md5_digest(
		state, repeat(hmac_md5_rows[_i].text, hmac_md5_rows[_i].n_text, text, sizeof(text)),
		got);
	expect_hex(got, sizeof(got), hmac_md5_rows[_i].want, hmac_md5_rows[_i].text);
}
END_TEST

/* RFC 2104 section 2: zeros fill a short key up, so those at its end do not count; a block does. */
START_TEST(hmac_md5_pads_keys_up_to_a_block)
{
	static const uint8_t bytes[65] = {'k', 'e', 'y'};
	uint8_t short_key[MA_HMAC_MD5_STATE];
	uint8_t block[MA_HMAC_MD5_STATE];
	uint8_t longer[MA_HMAC_MD5_STATE];
	uint8_t empty[MA_HMAC_MD5_STATE];
	uint8_t got[MA_MD5_LEN];

	ma_hmac_md5_derive(ma_span(bytes, 3), short_key);
	ma_hmac_md5_derive(ma_span(bytes, 64), block);
	ma_hmac_md5_derive(ma_span(bytes, 65), longer);
	ck_assert_mem_eq(short_key, block, sizeof(block));
	ck_assert_mem_ne(longer, block, sizeof(block));
	ma_hmac_md5_derive(ma_span(NULL, 0), empty);
	ma_hmac_md5_digest(empty, ma_span(NULL, 0), got);
	expect_hex(got, sizeof(got), "74e6f7298a9c2d168935f58c001bad88", "empty key and text");
}
END_TEST

START_TEST(hmac_gives_the_answers_of_rfc_2202_and_4231)
{
	enum ma_hash hash = hmac_rows[_i].hash;
	uint8_t key[256];
	uint8_t text[256];
	uint8_t got[MA_HASH_MAX];
	struct ma_span all = repeat(hmac_rows[_i].text, hmac_rows[_i].n_text, text, sizeof(text));
	struct ma_span parts[] = {ma_span(all.p, 1), ma_span(NULL, 0),
				  ma_span(all.p + 1, all.len - 1)};
	struct ma_span secret = repeat(hmac_rows[_i].key, hmac_rows[_i].n_key, key, sizeof(key));

	ma_hmac(hash, secret, &all, 1, got);
	expect_hex(got, ma_hash_len(hash), hmac_rows[_i].want, hmac_rows[_i].text);
	ma_hmac(hash, secret, parts, 3, got);
	expect_hex(got, ma_hash_len(hash), hmac_rows[_i].want, "in parts");
}
END_TEST

/* The context that is kept without a key must not take one up. */
START_TEST(hmac_forgets_the_last_key)
{
	struct ma_span text = ma_span_text("text");
	uint8_t first[MA_HASH_MAX];
	uint8_t other[MA_HASH_MAX];
	uint8_t again[MA_HASH_MAX];

	for (enum ma_hash hash = MA_HASH_SHA1; hash < MA_N_HASHES; hash++) {
		size_t len = ma_hash_len(hash);

		ma_hmac(hash, ma_span_text("one"), &text, 1, first);
		ma_hmac(hash, ma_span_text("two"), &text, 1, other);
		ma_hmac(hash, ma_span_text("one"), &text, 1, again);
		ck_assert_mem_ne(first, other, len);
		ck_assert_mem_eq(first, again, len);
	}
}
END_TEST

/* FIPS 180-4 in NIST's example values. */
static const struct {
	enum ma_hash hash;
	const char *text;
	const char *want;
} hash_rows[] = {
	{MA_HASH_SHA1, "", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
	{MA_HASH_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
	{MA_HASH_SHA1, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
	{MA_HASH_SHA256, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
	{MA_HASH_SHA256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
	{MA_HASH_SHA256, "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	{MA_HASH_SHA512, "",
	 "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
	 "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
	{MA_HASH_SHA512, "abc",
	 "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
};

START_TEST(hash_gives_the_answers_of_nist)
{
	enum ma_hash hash = hash_rows[_i].hash;
	uint8_t got[MA_HASH_MAX];

	ma_hash(hash, ma_span_text(hash_rows[_i].text), got);
	ck_assert_uint_eq(2 * ma_hash_len(hash), strlen(hash_rows[_i].want));
	expect_hex(got, ma_hash_len(hash), hash_rows[_i].want, hash_rows[_i].text);
}
END_TEST

/* A digest is as long as it says: what stands behind it stays. */
START_TEST(digests_do_not_write_beyond_their_length)
{
	struct ma_span text = ma_span_text("text");

	for (enum ma_hash hash = MA_HASH_SHA1; hash < MA_N_HASHES; hash++) {
		for (int i = 0; i < 3; i++) {
			size_t len = ma_hash_len(hash);
			uint8_t *out = ma_alloc(len); /* exactly: sanitizers and valgrind look */
			ck_assert_ptr_nonnull(out);
			if (i == 0)
				ma_hash(hash, text, out);
			if (i == 1)
				ma_hmac(hash, text, &text, 1, out);
			if (i == 2)
				ma_pbkdf2(hash, text, text, 1, out);
			ma_free(out);
		}
	}
}
END_TEST

/*
 * RFC 6070 section 2 (SHA-1), RFC 7914 section 11 (SHA-256); SHA-512 and the last of SHA-256 from
 * Python's hashlib. The RFCs' keys have other lengths: of theirs and ours the shorter one counts,
 * which is the beginning of the longer one.
 */
static const struct {
	enum ma_hash hash;
	const char *password;
	size_t password_len;
	const char *salt;
	size_t salt_len;
	uint32_t iterations;
	const char *want;
} pbkdf2_rows[] = {
	{MA_HASH_SHA1, "password", 8, "salt", 4, 1, "0c60c80f961f0e71f3a9b524af6012062fe037a6"},
	{MA_HASH_SHA1, "password", 8, "salt", 4, 2, "ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957"},
	{MA_HASH_SHA1, "password", 8, "salt", 4, 4096, "4b007901b765489abead49d926f721d065a429c1"},
	{MA_HASH_SHA1, "passwordPASSWORDpassword", 24, "saltSALTsaltSALTsaltSALTsaltSALTsalt", 36,
	 4096, "3d2eec4fe41c849b80c8d83662c0e44a8b291a96"},
	{MA_HASH_SHA1, "pass\0word", 9, "sa\0lt", 5, 4096,
	 "56fa6aa75548099dcc37d7f03425e0c37f1c42b2"},
	{MA_HASH_SHA256, "passwd", 6, "salt", 4, 1,
	 "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"},
	{MA_HASH_SHA256, "Password", 8, "NaCl", 4, 80000,
	 "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"},
	{MA_HASH_SHA256, "pass\0word", 9, "sa\0lt", 5, 4096,
	 "89b69d0516f829893c696226650a86878c029ac13ee276509d5ae58b6466a724"},
	{MA_HASH_SHA512, "password", 8, "salt", 4, 1,
	 "867f70cf1ade02cff3752599a3a53dc4af34c7a669815ae5d513554e1c8cf252"
	 "c02d470a285a0501bad999bfe943c08f050235d7d68b1da55e63f73b60a57fce"},
	{MA_HASH_SHA512, "password", 8, "salt", 4, 4096,
	 "d197b1b33db0143e018b12f3d1d1479e6cdebdcc97c5c0f87f6902e072f457b5"
	 "143f30602641b3d55cd335988cb36b84376060ecd532e039b742a239434af2d5"},
};

START_TEST(pbkdf2_gives_the_answers_of_rfc_6070)
{
	enum ma_hash hash = pbkdf2_rows[_i].hash;
	uint8_t got[MA_HASH_MAX];

	ma_pbkdf2(hash, ma_span(pbkdf2_rows[_i].password, pbkdf2_rows[_i].password_len),
		  ma_span(pbkdf2_rows[_i].salt, pbkdf2_rows[_i].salt_len),
		  pbkdf2_rows[_i].iterations, got);
	expect_hex(got, ma_hash_len(hash), pbkdf2_rows[_i].want, "key");
}
END_TEST

static const struct {
	const char *key;
	const char *nonce;
	const char *plain;
	const char *aad;
	const char *want; /* sealed bytes and tag */
} gcm_rows[] = {
	{"0000000000000000000000000000000000000000000000000000000000000000",
	 "000000000000000000000000", "00000000000000000000000000000000", "",
	 "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
	{"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	 "cafebabefacedbaddecaf888",
	 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
	 "49a6b525b16aedf5aa0de657ba637b39",
	 "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10"
	 "56828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
};

START_TEST(gcm_gives_the_answers_of_nist)
{
	uint8_t key[MA_GCM_KEY_LEN];
	uint8_t nonce[MA_GCM_NONCE_LEN];
	uint8_t plain[64];
	uint8_t aad[32];
	uint8_t sealed[64 + MA_GCM_TAG_LEN];
	uint8_t opened[64];
	size_t len = support_unhex(gcm_rows[_i].plain, plain, sizeof(plain));
	size_t aad_len = support_unhex(gcm_rows[_i].aad, aad, sizeof(aad));
	struct ma_sealing how = {.key = key,
				 .nonce = nonce,
				 .aad = {ma_span(aad, aad_len / 3),
					 ma_span(aad + aad_len / 3, aad_len - aad_len / 3)}};
	struct ma_cipher *cipher;

	support_unhex(gcm_rows[_i].key, key, sizeof(key));
	support_unhex(gcm_rows[_i].nonce, nonce, sizeof(nonce));
	ck_assert_int_eq(ma_cipher_new(crypto, &cipher), MAILAUTH_OK);
	ck_assert_int_eq(ma_cipher_seal(cipher, &how, ma_span(plain, len), sealed), MAILAUTH_OK);
	expect_hex(sealed, len + MA_GCM_TAG_LEN, gcm_rows[_i].want, "sealed");
	ck_assert_int_eq(
		ma_cipher_open(cipher, &how, ma_span(sealed, len + MA_GCM_TAG_LEN), opened),
		MAILAUTH_OK);
	ck_assert_mem_eq(opened, plain, len);
	ma_cipher_free(&cipher);
	ck_assert_ptr_null(cipher);
	ma_cipher_free(&cipher);
}
END_TEST

#define TEXT_LEN 40

/* Something sealed, for the tests below. */
struct sample {
	uint8_t key[MA_GCM_KEY_LEN];
	uint8_t nonce[MA_GCM_NONCE_LEN];
	uint8_t aad[6];
	uint8_t plain[TEXT_LEN];
	uint8_t sealed[TEXT_LEN + MA_GCM_TAG_LEN];
	struct ma_sealing how;
};

static void make_sample(struct ma_cipher *cipher, uint8_t seed, struct sample *sample)
{
	memset(sample->key, seed, sizeof(sample->key));
	memset(sample->nonce, seed + 1, sizeof(sample->nonce));
	memset(sample->aad, seed + 2, sizeof(sample->aad));
	memset(sample->plain, seed + 3, sizeof(sample->plain));
	sample->how =
		(struct ma_sealing){.key = sample->key,
				    .nonce = sample->nonce,
				    .aad = {ma_span(sample->aad, 2), ma_span(sample->aad + 2, 4)}};
	ck_assert_int_eq(ma_cipher_seal(cipher, &sample->how,
					ma_span(sample->plain, sizeof(sample->plain)),
					sample->sealed),
			 MAILAUTH_OK);
}

static enum mailauth_status open_sample(struct ma_cipher *cipher, const struct sample *sample,
					uint8_t *out)
{
	return ma_cipher_open(cipher, &sample->how, ma_span(sample->sealed, sizeof(sample->sealed)),
			      out);
}

START_TEST(gcm_takes_additional_data_of_any_length)
{
	static uint8_t aad[2][3000];
	struct ma_cipher *cipher;
	struct sample sample;
	uint8_t out[TEXT_LEN];

	ck_assert_int_eq(ma_cipher_new(crypto, &cipher), MAILAUTH_OK);
	make_sample(cipher, 1, &sample);
	for (size_t len = 0; len <= sizeof(aad[0]); len += 8) {
		sample.how.aad[0] = ma_span(aad[0], len / 3);
		sample.how.aad[1] = ma_span(aad[1], len);
		memset(aad, (int)(len & 0xff), sizeof(aad));
		ck_assert_int_eq(ma_cipher_seal(cipher, &sample.how,
						ma_span(sample.plain, sizeof(sample.plain)),
						sample.sealed),
				 MAILAUTH_OK);
		ck_assert_int_eq(open_sample(cipher, &sample, out), MAILAUTH_OK);
		ck_assert_mem_eq(out, sample.plain, sizeof(out));
		if (len > 0) {
			aad[1][len - 1] ^= 1;
			ck_assert_int_eq(open_sample(cipher, &sample, out), MAILAUTH_E_CORRUPT);
		}
	}
	ma_cipher_free(&cipher);
}
END_TEST

START_TEST(gcm_wipes_the_output_when_the_tag_is_wrong)
{
	static const uint8_t zeros[TEXT_LEN];
	struct ma_cipher *cipher;
	struct sample sample;

	ck_assert_int_eq(ma_cipher_new(crypto, &cipher), MAILAUTH_OK);
	make_sample(cipher, 1, &sample);
	for (size_t bit = 0; bit < 8 * sizeof(sample.sealed); bit++) {
		uint8_t out[TEXT_LEN];
		enum mailauth_status status;

		memset(out, 0xaa, sizeof(out));
		sample.sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		status = open_sample(cipher, &sample, out);
		sample.sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_msg(status == MAILAUTH_E_CORRUPT, "bit %zu: got %d", bit, status);
		ck_assert_msg(memcmp(out, zeros, sizeof(out)) == 0, "bit %zu: output stays", bit);
	}
	ma_cipher_free(&cipher);
}
END_TEST

START_TEST(gcm_refuses_other_keys_nonces_and_additional_data)
{
	struct ma_cipher *cipher;
	struct sample sample;
	struct sample other;
	uint8_t out[TEXT_LEN];

	ck_assert_int_eq(ma_cipher_new(crypto, &cipher), MAILAUTH_OK);
	make_sample(cipher, 1, &sample);
	other = sample;
	other.how.key = (const uint8_t[MA_GCM_KEY_LEN]){0};
	ck_assert_int_eq(open_sample(cipher, &other, out), MAILAUTH_E_CORRUPT);
	other.how = sample.how;
	other.how.nonce = (const uint8_t[MA_GCM_NONCE_LEN]){0};
	ck_assert_int_eq(open_sample(cipher, &other, out), MAILAUTH_E_CORRUPT);
	for (size_t i = 0; i < MA_ARRAY_SIZE(other.how.aad); i++) {
		other.how = sample.how;
		other.how.aad[i].len--;
		ck_assert_int_eq(open_sample(cipher, &other, out), MAILAUTH_E_CORRUPT);
	}
	ck_assert_int_eq(open_sample(cipher, &sample, out), MAILAUTH_OK);
	ma_cipher_free(&cipher);
}
END_TEST

START_TEST(gcm_refuses_what_is_shorter_than_a_tag)
{
	struct ma_cipher *cipher;
	struct sample sample;
	uint8_t out[TEXT_LEN];

	ck_assert_int_eq(ma_cipher_new(crypto, &cipher), MAILAUTH_OK);
	make_sample(cipher, 1, &sample);
	for (size_t len = 0; len < sizeof(sample.sealed); len++)
		ck_assert_int_eq(
			ma_cipher_open(cipher, &sample.how, ma_span(sample.sealed, len), out),
			MAILAUTH_E_CORRUPT);
	ma_cipher_free(&cipher);
}
END_TEST

/* The expanded key is kept between openings; every order of use must give the right one. */
START_TEST(gcm_changes_keys_in_any_order)
{
	struct ma_cipher *cipher;
	struct sample samples[2];
	uint8_t out[TEXT_LEN];

	ck_assert_int_eq(ma_cipher_new(crypto, &cipher), MAILAUTH_OK);
	make_sample(cipher, 1, &samples[0]);
	make_sample(cipher, 100, &samples[1]);
	for (unsigned int order = 0; order < 1u << 8; order++) {
		for (unsigned int i = 0; i < 8; i++) {
			const struct sample *sample = &samples[order >> i & 1];

			if (i == 4) { /* sealing and a failure between */
				struct sample again;

				make_sample(cipher, 50, &again);
				again.sealed[0] ^= 1;
				ck_assert_int_eq(open_sample(cipher, &again, out),
						 MAILAUTH_E_CORRUPT);
			}
			ck_assert_msg(open_sample(cipher, sample, out) == MAILAUTH_OK,
				      "order %02x, step %u", order, i);
			ck_assert_mem_eq(out, sample->plain, sizeof(out));
		}
	}
	ma_cipher_free(&cipher);
}
END_TEST

START_TEST(random_bytes_differ)
{
	uint8_t a[32] = {0};
	uint8_t b[32] = {0};

	ck_assert_int_eq(ma_random(crypto, a, sizeof(a)), MAILAUTH_OK);
	ck_assert_int_eq(ma_random(crypto, b, sizeof(b)), MAILAUTH_OK);
	ck_assert_mem_ne(a, b, sizeof(a));
}
END_TEST

static bool always_fail(void)
{
	return true;
}

START_TEST(reports_lack_of_memory)
{
	struct ma_crypto *none = crypto;
	struct ma_cipher *cipher = (struct ma_cipher *)crypto;
	const char *missing;

	ma_mem_set_fail(always_fail);
	ck_assert_int_eq(ma_crypto_new(&none, &missing), MAILAUTH_E_NOMEM);
	ck_assert_ptr_null(none);
	ck_assert_int_eq(ma_cipher_new(crypto, &cipher), MAILAUTH_E_NOMEM);
	ck_assert_ptr_null(cipher);
	ma_mem_set_fail(NULL);
}
END_TEST

/*
 * In a program of its own, which reads OPENSSL_CONF as it starts. "Has" is whether MD5 and AES are
 * there for the rest of the process.
 */
static const struct {
	const char *name;
	bool has;
	const char *conf; /* NULL: the file is missing */
} host_rows[] = {
	{"fips=yes", false,
	 "openssl_conf = init\n[init]\nproviders = p\nalg_section = a\n[a]\n"
	 "default_properties = fips=yes\n[p]\ndefault = d\n[d]\nactivate = 1\n"},
	{"fips=no", true,
	 "openssl_conf = init\n[init]\nproviders = p\nalg_section = a\n[a]\n"
	 "default_properties = fips=no\n[p]\ndefault = d\n[d]\nactivate = 1\n"},
	{"no default provider", false,
	 "openssl_conf = init\n[init]\nproviders = p\n[p]\nnull = n\n[n]\nactivate = 1\n"},
	{"no file", true, NULL},
};

/* 0: all works, and the rest of the process is as it was; else what failed. */
static int crypto_child(bool has)
{
	uint8_t bytes[TEXT_LEN] = {0};
	uint8_t digest[MA_HASH_MAX];
	uint8_t sealed[TEXT_LEN + MA_GCM_TAG_LEN];
	const uint8_t key[MA_GCM_KEY_LEN] = {1};
	const struct ma_sealing how = {.key = key, .nonce = key};
	struct ma_span text = ma_span_text("abc");
	struct ma_crypto *own;
	struct ma_cipher *cipher;
	const char *missing;
	EVP_MD *md;

	if (ma_crypto_new(&own, &missing) != MAILAUTH_OK)
		return 10;
	ma_md5(&text, 1, bytes);
	if (bytes[0] != 0x90 || bytes[15] != 0x72)
		return 11;
	for (enum ma_hash hash = MA_HASH_SHA1; hash < MA_N_HASHES; hash++) {
		static const uint8_t first[MA_N_HASHES] = {0xa9, 0xba, 0xdd};

		ma_hash(hash, text, digest); /* FIPS 180-4's first example */
		if (digest[0] != first[hash])
			return 12;
	}
	if (ma_random(own, bytes, sizeof(bytes)) != MAILAUTH_OK)
		return 13;
	if (ma_cipher_new(own, &cipher) != MAILAUTH_OK ||
	    ma_cipher_seal(cipher, &how, ma_span(bytes, sizeof(bytes)), sealed) != MAILAUTH_OK ||
	    ma_cipher_open(cipher, &how, ma_span(sealed, sizeof(sealed)), bytes) != MAILAUTH_OK)
		return 14;
	ma_cipher_free(&cipher);
	md = EVP_MD_fetch(NULL, "MD5", NULL);
	if ((md != NULL) != has)
		return 15; /* the configuration was not read, or we changed it */
	EVP_MD_free(md);
	ma_crypto_free(&own);
	return 0;
}

START_TEST(works_whatever_the_host_configured)
{
	const char *conf = support_path("missing.cnf");
	int status;
	pid_t pid;

	if (host_rows[_i].conf != NULL)
		conf = support_file("openssl.cnf", host_rows[_i].conf, strlen(host_rows[_i].conf));
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		(void)setenv("OPENSSL_CONF", conf, 1);
		(void)execl(program, program, "--crypto", host_rows[_i].has ? "y" : "n",
			    (char *)NULL);
		_exit(127);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
		      "%s: got %x, want 0; see crypto_child()", host_rows[_i].name, status);
}
END_TEST

int main(int argc, char *argv[])
{
	Suite *suite;
	TCase *tcase;

	if (argc == 3 && strcmp(argv[1], "--crypto") == 0)
		return crypto_child(argv[2][0] == 'y');
	program = argv[0];
	suite = suite_create("hash");
	tcase = tcase_create("hash");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, md5_gives_the_answers_of_rfc_1321, 0, MA_ARRAY_SIZE(md5_rows));
	tcase_add_loop_test(tcase, hmac_md5_gives_the_answers_of_rfc_2202, 0,
			    MA_ARRAY_SIZE(hmac_md5_rows));
	tcase_add_test(tcase, hmac_md5_pads_keys_up_to_a_block);
	tcase_add_loop_test(tcase, hmac_gives_the_answers_of_rfc_2202_and_4231, 0,
			    MA_ARRAY_SIZE(hmac_rows));
	tcase_add_test(tcase, hmac_forgets_the_last_key);
	tcase_add_loop_test(tcase, hash_gives_the_answers_of_nist, 0, MA_ARRAY_SIZE(hash_rows));
	tcase_add_test(tcase, digests_do_not_write_beyond_their_length);
	tcase_add_loop_test(tcase, pbkdf2_gives_the_answers_of_rfc_6070, 0,
			    MA_ARRAY_SIZE(pbkdf2_rows));
	tcase_add_loop_test(tcase, gcm_gives_the_answers_of_nist, 0, MA_ARRAY_SIZE(gcm_rows));
	tcase_add_test(tcase, gcm_takes_additional_data_of_any_length);
	tcase_add_test(tcase, gcm_wipes_the_output_when_the_tag_is_wrong);
	tcase_add_test(tcase, gcm_refuses_other_keys_nonces_and_additional_data);
	tcase_add_test(tcase, gcm_refuses_what_is_shorter_than_a_tag);
	tcase_add_test(tcase, gcm_changes_keys_in_any_order);
	tcase_add_test(tcase, random_bytes_differ);
	tcase_add_test(tcase, reports_lack_of_memory);
	tcase_add_loop_test(tcase, works_whatever_the_host_configured, 0, MA_ARRAY_SIZE(host_rows));
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
