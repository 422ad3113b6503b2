/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.h - the configuration file
 *
 * `key = value` lines, parsed by libinih. An unknown key, a bad value, a section, a duplicate and a
 * line that is too long are errors with file and line. What a value means to other modules is for
 * them to check: they report it with ma_config_error().
 */
#ifndef MA_UTIL_CONFIG_H
#define MA_UTIL_CONFIG_H

#include "util/base.h"
#include "util/log.h"

#define MA_CONFIG_FILE		    "/etc/mailauth/mailauth.conf"

#define MA_CONFIG_DIGEST_REALMS_MAX 8 /* names in digest_realms */

enum ma_config_key {
	MA_CONFIG_STORE,
	MA_CONFIG_KEY_FILE,
	MA_CONFIG_DEFAULT_REALM,
	MA_CONFIG_MECHANISMS,
	MA_CONFIG_DIGEST_REALMS,
	MA_CONFIG_CRYPT_METHOD,
	MA_CONFIG_CRYPT_COST,
	MA_CONFIG_SCRAM_ITERATIONS,
	MA_CONFIG_CAPTURE,
	MA_CONFIG_RECOVERABLE,
	MA_CONFIG_PLAINTEXT,
	MA_CONFIG_STORE_TIMEOUT,
	MA_CONFIG_MAP_SIZE,
	MA_CONFIG_KEYS
};

struct ma_config {
	char *file;			   /* where it came from */
	unsigned int line[MA_CONFIG_KEYS]; /* 0: the default */
	char *value[MA_CONFIG_KEYS];	   /* as it stands there; NULL: the default */
	char *store;
	char *key_file;
	char *default_realm; /* NULL: the host's name */
	char *mechanisms;    /* NULL: all that need no password */
	char *digest_realms; /* words; NULL: none */
	char *crypt_method;  /* NULL: libxcrypt's preferred */
	uint64_t crypt_cost; /* 0: libxcrypt's preferred */
	uint64_t scram_iterations;
	bool capture;
	bool recoverable;
	bool plaintext_always;
	uint64_t store_timeout_s;
	uint64_t map_size; /* bytes */
};

/*
 * @path NULL: $MAILAUTH_CONFIG, else MA_CONFIG_FILE, which may be missing.
 * MAILAUTH_E_CONFIG: logged.
 */
MA_MUST_CHECK enum mailauth_status ma_config_load(const char *path, const struct ma_log *log,
						  struct ma_config *config_out);
void ma_config_clear(struct ma_config *config);

/* The text of a key's value or default; "" if it has neither, NULL if there is no such key. */
const char *ma_config_value(const struct ma_config *config, const char *name);

/* Logs what is wrong with a value and where it stands. Returns MAILAUTH_E_CONFIG. */
enum mailauth_status ma_config_error(const struct ma_config *config, enum ma_config_key key,
				     const struct ma_log *log, const char *why);

#endif
