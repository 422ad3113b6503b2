/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_config.c - configuration files
 *
 * The input is the file. What is read is within its bounds; what is refused is told to the
 * administrator in one line that begins with the file and the number of one of its lines.
 */
#include "util/config.h"

#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "mech/mech.h"

static struct {
	unsigned int n;
	char text[MA_LOG_MAX];
} seen;

static void take_log(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	(void)arg;
	FUZZ_CHECK(level == MAILAUTH_LOG_ERROR && strcmp(event, "config") == 0);
	FUZZ_CHECK(fuzz_is_line(text));
	seen.n++;
	(void)snprintf(seen.text, sizeof(seen.text), "%s", text);
}

static unsigned int count_lines(const uint8_t *data, size_t size)
{
	unsigned int n = 1;

	for (size_t i = 0; i < size; i++)
		n += data[i] == '\n';
	return n;
}

/* FILE:LINE: what */
static void check_complaint(const char *path, unsigned int n_lines)
{
	size_t len = strlen(path);
	unsigned long line;
	char *end;

	FUZZ_CHECK(seen.n == 1);
	FUZZ_CHECK(strncmp(seen.text, path, len) == 0 && seen.text[len] == ':');
	line = strtoul(seen.text + len + 1, &end, 10);
	FUZZ_CHECK(end[0] == ':' && end[1] == ' ' && end[2] != '\0');
	FUZZ_CHECK(line >= 1 && line <= n_lines);
}

static void check_values(const struct ma_config *config, unsigned int n_lines)
{
	const char *list = config->mechanisms != NULL ? config->mechanisms : "";
	struct ma_kinds kinds;
	struct ma_span unknown;

	FUZZ_CHECK(seen.n == 0);
	FUZZ_CHECK(strchr(config->store, ':') != NULL && config->key_file[0] == '/');
	FUZZ_CHECK(config->default_realm == NULL || config->default_realm[0] != '\0');
	FUZZ_CHECK(config->scram_iterations >= 4096 && config->scram_iterations <= 1000000);
	FUZZ_CHECK(config->store_timeout_s >= 1 && config->store_timeout_s <= 600);
	FUZZ_CHECK(config->map_size >= 1u << 20 && config->map_size <= 1ull << 46);
	for (size_t i = 0; i < MA_CONFIG_KEYS; i++)
		FUZZ_CHECK(config->line[i] <= n_lines);
	if (ma_mech_kinds(ma_span_text(list), config->recoverable, &kinds, &unknown))
		FUZZ_CHECK(kinds.n <= MA_SECRETS_MAX);
	else
		FUZZ_CHECK(unknown.len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ma_config none;
	static int fd = -1;
	const struct ma_log log = {.fn = take_log, .level = MAILAUTH_LOG_DEBUG};
	unsigned int n_lines = count_lines(data, size);
	struct ma_config config;
	char path[64];
	enum mailauth_status status;

	if (fd < 0)
		fd = fuzz_file();
	fuzz_file_write(fd, ma_span(data, size));
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	seen.n = 0;
	status = ma_config_load(path, &log, &config);
	fuzz_accepted = status == MAILAUTH_OK;
	if (status == MAILAUTH_OK) {
		check_values(&config, n_lines);
		ma_config_clear(&config);
		return 0;
	}
	FUZZ_CHECK(status == MAILAUTH_E_CONFIG);
	FUZZ_CHECK(memcmp(&config, &none, sizeof(config)) == 0);
	check_complaint(path, n_lines);
	return 0;
}
