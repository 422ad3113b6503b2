/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * config.c - the configuration file
 *
 * See config.h. One table says for each key where its value goes and how it is read. libinih asks
 * for the file line by line through our reader, which counts the lines, so that every complaint can
 * name one.
 */
#include "util/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/crypt.h"
#include "util/mem.h"

struct key {
	const char *name;
	/* NULL if the value is good, else what would be. */
	const char *(*parse)(const char *value, void *out);
	size_t offset;
	const char *preset;
};

/* What a parser returns when nothing is wrong with the value. */
static const char no_memory[] = "out of memory";

static const char *parse_text(const char *value, void *out)
{
	char **text = out;

	ma_cleanup_text(text);
	*text = ma_text_copy(ma_span_text(value));
	return *text == NULL ? no_memory : NULL;
}

static const char *parse_path(const char *value, void *out)
{
	return value[0] == '/' ? parse_text(value, out) : "an absolute path";
}

static const char *parse_store(const char *value, void *out)
{
	return strchr(value, ':') != NULL
		       ? parse_text(value, out)
		       : "a store URL such as lmdb:/var/lib/mailauth/accounts.mdb";
}

static const char *parse_bool(const char *value, void *out)
{
	bool *flag = out;

	*flag = strcmp(value, "yes") == 0;
	return *flag || strcmp(value, "no") == 0 ? NULL : "\"yes\" or \"no\"";
}

static const char *parse_plaintext(const char *value, void *out)
{
	bool *always = out;

	*always = strcmp(value, "always") == 0;
	return *always || strcmp(value, "tls") == 0 ? NULL : "\"tls\" or \"always\"";
}

static bool parse_number(const char *value, uint64_t min, uint64_t max, const char **end_out,
			 uint64_t *out)
{
	unsigned long long number;
	char *end;

	if (value[0] < '0' || value[0] > '9')
		return false;
	errno = 0;
	number = strtoull(value, &end, 10);
	*end_out = end;
	*out = number;
	return errno == 0 && number >= min && number <= max;
}

static const char *parse_cost(const char *value, void *out)
{
	const char *end;

	return parse_number(value, 0, 9999999, &end, out) && *end == '\0'
		       ? NULL
		       : "a number that fits crypt_method";
}

/* RFC 5802 section 5.1 asks for at least 4096. */
static const char *parse_iterations(const char *value, void *out)
{
	const char *end;

	return parse_number(value, 4096, 1000000, &end, out) && *end == '\0' ? NULL
									     : "4096 to 1000000";
}

static const char *parse_timeout(const char *value, void *out)
{
	const char *end;

	if (parse_number(value, 1, 600, &end, out) &&
	    (*end == '\0' || strcmp(end, "s") == 0 || strcmp(end, " s") == 0))
		return NULL;
	return "seconds, 1 to 600";
}

#define SIZE_LIMIT (1ull << 46)

static const char *parse_size(const char *value, void *out)
{
	static const char units[] = "KMGT";
	uint64_t *size = out;
	const char *end;
	const char *unit;

	if (!parse_number(value, 1, UINT32_MAX, &end, size))
		return "a size such as 64G";
	while (*end == ' ')
		end++;
	unit = *end != '\0' ? strchr(units, *end) : NULL;
	if (unit != NULL) {
		unsigned int shift = 10 * (unsigned int)(unit - units + 1);

		if (*size > SIZE_LIMIT >> shift)
			return "a size from 1M to 64T";
		*size <<= shift;
		end++;
	}
	if (strcmp(end, "iB") == 0)
		end += 2;
	if (*end != '\0' || *size < (1u << 20))
		return "a size from 1M to 64T";
	return NULL;
}

static const char *parse_crypt_method(const char *value, void *out)
{
	return ma_crypt_prefix(value) != NULL
		       ? parse_text(value, out)
		       : "yescrypt, gost-yescrypt, scrypt, bcrypt, sha512crypt or sha256crypt";
}

#define AT(field) offsetof(struct ma_config, field)

static const struct key keys[MA_CONFIG_KEYS] = {
	[MA_CONFIG_STORE] = {"store", parse_store, AT(store),
			     "lmdb:/var/lib/mailauth/accounts.mdb"},
	[MA_CONFIG_KEY_FILE] = {"key_file", parse_path, AT(key_file), "/etc/mailauth/store.key"},
	[MA_CONFIG_DEFAULT_REALM] = {"default_realm", parse_text, AT(default_realm), NULL},
	[MA_CONFIG_MECHANISMS] = {"mechanisms", parse_text, AT(mechanisms), NULL},
	[MA_CONFIG_DIGEST_REALMS] = {"digest_realms", parse_text, AT(digest_realms), NULL},
	[MA_CONFIG_CRYPT_METHOD] = {"crypt_method", parse_crypt_method, AT(crypt_method), NULL},
	[MA_CONFIG_CRYPT_COST] = {"crypt_cost", parse_cost, AT(crypt_cost), "0"},
	[MA_CONFIG_SCRAM_ITERATIONS] = {"scram_iterations", parse_iterations, AT(scram_iterations),
					"10000"},
	[MA_CONFIG_CAPTURE] = {"capture", parse_bool, AT(capture), "yes"},
	[MA_CONFIG_RECOVERABLE] = {"recoverable", parse_bool, AT(recoverable), "no"},
	[MA_CONFIG_PLAINTEXT] = {"plaintext", parse_plaintext, AT(plaintext_always), "tls"},
	[MA_CONFIG_STORE_TIMEOUT] = {"store_timeout", parse_timeout, AT(store_timeout_s), "5"},
	[MA_CONFIG_MAP_SIZE] = {"map_size", parse_size, AT(map_size), "64G"},
};

/* State of one reading; handed to libinih's callbacks. */
struct reading {
	FILE *stream;
	unsigned int line;
	bool failed;
	bool lacks_memory;
	struct ma_config *config;
	const struct ma_log *log;
};

static void complain(struct reading *reading, const char *what, const char *name, const char *more)
{
	if (!reading->failed)
		ma_log(reading->log, MAILAUTH_LOG_ERROR, "config", "%s:%u: %s%s%s",
		       reading->config->file, reading->line, what, name, more);
	reading->failed = true;
}

static void set(struct reading *reading, size_t i, const char *value)
{
	void *out = (char *)reading->config + keys[i].offset;
	const char *wanted;

	if (reading->config->line[i] != 0) {
		complain(reading, "a second value for ", keys[i].name, "; remove one");
		return;
	}
	wanted = value[0] != '\0' ? keys[i].parse(value, out) : "a value";
	if (wanted == no_memory) {
		reading->lacks_memory = true;
		reading->failed = true;
		return;
	}
	if (wanted != NULL) {
		complain(reading, keys[i].name, " must be ", wanted);
		return;
	}
	reading->config->line[i] = reading->line;
	reading->config->value[i] = ma_text_copy(ma_span_text(value));
	if (reading->config->value[i] == NULL) {
		reading->lacks_memory = true;
		reading->failed = true;
	}
}

static int take_pair(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *reading = arg;

	(void)section; /* there is none: see check_line() */
	for (size_t i = 0; i < MA_ARRAY_SIZE(keys); i++) {
		if (strcmp(name, keys[i].name) == 0) {
			set(reading, i, value);
			return 1;
		}
	}
	complain(reading, "unknown key \"", name, "\"; see mailauth.conf(5)");
	return 1;
}

/* libinih drops a section that no key follows, so these are looked for here. */
static void check_line(struct reading *reading, const char *line)
{
	const char *first = line + strspn(line, " \t\xef\xbb\xbf");

	char section[64];

	if (*first != '[')
		return;
	(void)snprintf(section, sizeof(section), "%.*s", (int)strcspn(first, "\r\n"), first);
	complain(reading, "there are no sections here; remove ", section, "");
}

/* As fgets(), but a NUL is noticed and a line comes whole or not at all. */
static char *read_line(char *line, int size, void *arg)
{
	struct reading *reading = arg;
	int len = 0;
	int c;

	reading->line++;
	do {
		c = fgetc(reading->stream);
		if (c == '\0')
			complain(reading, "there is a NUL byte; is this the right file?", "", "");
		else if (c != EOF && len == size - 1)
			complain(reading, "the line is too long", "", "");
		else if (c != EOF)
			line[len++] = (char)c;
	} while (c != EOF && c != '\n' && !reading->failed);
	line[len] = '\0';
	check_line(reading, line);
	return reading->failed || len == 0 ? NULL : line;
}

/* A FIFO that nobody writes to must not hang us; it is empty then. */
static FILE *open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	FILE *stream;

	if (fd < 0)
		return NULL;
	(void)fcntl(fd, F_SETFL, 0);
	stream = fdopen(fd, "r");
	if (stream == NULL)
		(void)close(fd);
	return stream;
}

static void parse(struct reading *reading)
{
	int wrong = ini_parse_stream(read_line, reading, take_pair, reading);

	if (wrong != 0 && !reading->failed) {
		/* GCOVR_EXCL_BR_START: negative only of a libinih that was built to use the heap */
		reading->line = wrong > 0 ? (unsigned int)wrong : reading->line;
		/* GCOVR_EXCL_BR_STOP */
		complain(reading, "this is no \"key = value\" line", "", "");
	}
	if (ferror(reading->stream))
		complain(reading, "cannot read on", "", "");
}

static enum mailauth_status read_file(struct ma_config *config, bool may_miss,
				      const struct ma_log *log)
{
	struct reading reading = {.config = config, .log = log};

	reading.stream = open_file(config->file);
	if (reading.stream == NULL) {
		if (may_miss && errno == ENOENT)
			return MAILAUTH_OK;
		ma_log(log, MAILAUTH_LOG_ERROR, "config", "cannot read configuration %s: %s",
		       config->file, strerror(errno));
		return MAILAUTH_E_CONFIG;
	}
	parse(&reading);
	(void)fclose(reading.stream);
	if (reading.lacks_memory)
		return MAILAUTH_E_NOMEM;
	return reading.failed ? MAILAUTH_E_CONFIG : MAILAUTH_OK;
}

static enum mailauth_status check_crypt(const struct ma_config *config, const struct ma_log *log)
{
	static const uint8_t any[32] = {0};
	char text[MA_CRYPT_MAX];
	struct ma_buf setting = ma_buf_fixed(text, sizeof(text));

	if (ma_crypt_setting(config->crypt_method, config->crypt_cost, ma_span(any, sizeof(any)),
			     &setting) != MAILAUTH_OK)
		return ma_config_error(config, MA_CONFIG_CRYPT_COST, log,
				       "crypt_cost must fit crypt_method (see crypt(5)) and stay "
				       "below 2 s and 128 MiB");
	return MAILAUTH_OK;
}

static enum mailauth_status preset(struct ma_config *config)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(keys); i++) {
		void *out = (char *)config + keys[i].offset;

		if (keys[i].preset != NULL && keys[i].parse(keys[i].preset, out) != NULL)
			return MAILAUTH_E_NOMEM;
	}
	return MAILAUTH_OK;
}

enum mailauth_status ma_config_load(const char *path, const struct ma_log *log,
				    struct ma_config *config_out)
{
	MA_CLEANUP(ma_config_clear) struct ma_config config = {0};
	bool may_miss = false;
	enum mailauth_status status;

	*config_out = (struct ma_config){0};
	if (path == NULL)
		path = secure_getenv("MAILAUTH_CONFIG");
	if (path == NULL) {
		path = MA_CONFIG_FILE;
		may_miss = true;
	}
	config.file = ma_text_copy(ma_span_text(path));
	if (config.file == NULL)
		return MAILAUTH_E_NOMEM;
	status = preset(&config);
	if (status == MAILAUTH_OK)
		status = read_file(&config, may_miss, log);
	if (status == MAILAUTH_OK)
		status = check_crypt(&config, log);
	if (status != MAILAUTH_OK)
		return status;
	*config_out = config;
	config = (struct ma_config){0};
	return MAILAUTH_OK;
}

void ma_config_clear(struct ma_config *config)
{
	ma_cleanup_text(&config->file);
	ma_cleanup_text(&config->store);
	ma_cleanup_text(&config->key_file);
	ma_cleanup_text(&config->default_realm);
	ma_cleanup_text(&config->mechanisms);
	ma_cleanup_text(&config->digest_realms);
	ma_cleanup_text(&config->crypt_method);
	for (size_t i = 0; i < MA_ARRAY_SIZE(config->value); i++)
		ma_cleanup_text(&config->value[i]);
}

const char *ma_config_value(const struct ma_config *config, const char *name)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(keys); i++) {
		if (strcmp(name, keys[i].name) != 0)
			continue;
		if (config->value[i] != NULL)
			return config->value[i];
		return keys[i].preset != NULL ? keys[i].preset : "";
	}
	return NULL;
}

enum mailauth_status ma_config_error(const struct ma_config *config, enum ma_config_key key,
				     const struct ma_log *log, const char *why)
{
	if (config->line[key] != 0)
		ma_log(log, MAILAUTH_LOG_ERROR, "config", "%s:%u: %s", config->file,
		       config->line[key], why);
	else
		ma_log(log, MAILAUTH_LOG_ERROR, "config", "%s: %s", config->file, why);
	return MAILAUTH_E_CONFIG;
}
