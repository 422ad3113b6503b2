/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sasl_ceiling.c - an auxprop plugin that answers from memory, for benchmarks alone
 *
 * What no plugin with a store can beat: it hands the mechanisms of libsasl2 the same verifiers that
 * libmailauth does, without a store, a seal, an account that could be locked, or a log. All users
 * are there, user000000 and so on, with the benchmarks' password. Of DIGEST-MD5, whose verifier
 * differs from user to user, it has a table, in which user1001 stands where user0001 does.
 */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "sasl_side.h"

#define USERS	   1000000
#define ITERATIONS 10000 /* libmailauth's default */
#define SALT_LEN   16
#define MD5_LEN	   16
#define SCRAM_MAX  256

struct ceiling {
	unsigned char plain[SALT_LEN + 1 + MD5_LEN];
	HMAC_MD5_STATE cram;
	char scram[2][SCRAM_MAX];
	unsigned char digest[USERS][MD5_LEN];
};

static struct ceiling *ceiling;

static const unsigned char salt[] = "0123456789abcdef"; /* SALT_LEN bytes */

static size_t base64(const unsigned char *in, size_t len, char *out)
{
	return (size_t)EVP_EncodeBlock((unsigned char *)out, in, (int)len);
}

/* authPassword: SCHEME$ITERATIONS:SALT$STOREDKEY:SERVERKEY */
static void derive_scram(const char *name, const EVP_MD *md, char out[SCRAM_MAX])
{
	unsigned char salted[EVP_MAX_MD_SIZE];
	unsigned char key[EVP_MAX_MD_SIZE];
	unsigned char stored[EVP_MAX_MD_SIZE];
	unsigned int len = (unsigned int)EVP_MD_get_size(md);
	size_t at = (size_t)snprintf(out, SCRAM_MAX, "%s$%d:", name, ITERATIONS);

	PKCS5_PBKDF2_HMAC(SASL_SIDE_PASSWORD, -1, salt, SALT_LEN, ITERATIONS, md, (int)len, salted);
	HMAC(md, salted, (int)len, (const unsigned char *)"Client Key", 10, key, &len);
	EVP_Digest(key, len, stored, &len, md, NULL);
	HMAC(md, salted, (int)len, (const unsigned char *)"Server Key", 10, key, &len);
	at += base64(salt, SALT_LEN, out + at);
	out[at++] = '$';
	at += base64(stored, len, out + at);
	out[at++] = ':';
	(void)base64(key, len, out + at);
}

static void md5(const sasl_utils_t *utils, const void *p, size_t len, unsigned char *out)
{
	MD5_CTX md;

	utils->MD5Init(&md);
	utils->MD5Update(&md, p, (unsigned int)len);
	utils->MD5Final(out, &md);
}

static int derive(const sasl_utils_t *utils)
{
	char text[128];
	int len;

	ceiling = calloc(1, sizeof(*ceiling));
	if (ceiling == NULL)
		return SASL_NOMEM;
	utils->hmac_md5_precalc(&ceiling->cram, (const unsigned char *)SASL_SIDE_PASSWORD,
				sizeof(SASL_SIDE_PASSWORD) - 1);
	derive_scram("SCRAM-SHA-1", EVP_sha1(), ceiling->scram[0]);
	derive_scram("SCRAM-SHA-256", EVP_sha256(), ceiling->scram[1]);
	memcpy(ceiling->plain, salt, SALT_LEN);
	len = snprintf(text, sizeof(text), "%s%s%s", (const char *)salt, "sasldb",
		       SASL_SIDE_PASSWORD);
	md5(utils, text, (size_t)len, ceiling->plain + SALT_LEN + 1);
	for (long i = 0; i < USERS; i++) {
		char user[SASL_SIDE_USER_MAX];

		sasl_side_user(i, user);
		len = snprintf(text, sizeof(text), "%s:example.org:%s", user, SASL_SIDE_PASSWORD);
		md5(utils, text, (size_t)len, ceiling->digest[i]);
	}
	return SASL_OK;
}

static void give(sasl_server_params_t *sparams, const char *name, const char *user,
		 unsigned int user_len)
{
	const sasl_utils_t *utils = sparams->utils;
	struct propctx *ctx = sparams->propctx;
	char *end = NULL;
	unsigned long i;

	if (strcasecmp(name, "*cmusaslsecretPLAIN") == 0) {
		utils->prop_set(ctx, name, (const char *)ceiling->plain, sizeof(ceiling->plain));
	} else if (strcasecmp(name, "*cmusaslsecretCRAM-MD5") == 0) {
		utils->prop_set(ctx, name, (const char *)&ceiling->cram, sizeof(ceiling->cram));
	} else if (strcasecmp(name, "*authPassword") == 0) {
		utils->prop_set(ctx, name, ceiling->scram[0], -1);
		utils->prop_set(ctx, name, ceiling->scram[1], -1);
	} else if (strcasecmp(name, "*cmusaslsecretDIGEST-MD5") == 0 && user_len > 4) {
		i = strtoul(user + 4, &end, 10);
		utils->prop_set(ctx, name, (const char *)ceiling->digest[i % USERS], MD5_LEN);
	}
}

static int lookup(void *glob_context, sasl_server_params_t *sparams, unsigned int flags,
		  const char *user, unsigned int user_len)
{
	const struct propval *prop = sparams->utils->prop_get(sparams->propctx);

	(void)glob_context;
	if ((flags & SASL_AUXPROP_AUTHZID) != 0)
		return SASL_OK;
	for (; prop != NULL && prop->name != NULL; prop++)
		if (prop->values == NULL)
			give(sparams, prop->name, user, user_len);
	return SASL_OK;
}

__attribute__((visibility("default"))) sasl_auxprop_init_t sasl_auxprop_plug_init;

int sasl_auxprop_plug_init(const sasl_utils_t *utils, int max_version, int *out_version,
			   sasl_auxprop_plug_t **plug, const char *plugname)
{
	static char name[] = "ceiling";
	static sasl_auxprop_plug_t ours = {.name = name, .auxprop_lookup = lookup};

	(void)plugname;
	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	*out_version = SASL_AUXPROP_PLUG_VERSION;
	*plug = &ours;
	return derive(utils);
}
