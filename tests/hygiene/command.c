/* SPDX-License-Identifier: BSD-2-Clause */
/* command.c - see command.h */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void take_words(struct command *command)
{
	char *at = command->line;

	for (size_t i = 0; i < COMMAND_WORDS; i++) {
		command->words[i] = at;
		at += strcspn(at, " ");
		if (*at != '\0')
			*at++ = '\0';
	}
}

bool command_read(struct command *command)
{
	size_t len = 0;

	while (len + 1 < sizeof(command->line) && read(STDIN_FILENO, &command->line[len], 1) == 1) {
		if (command->line[len] == '\n') {
			command->line[len] = '\0';
			take_words(command);
			return true;
		}
		len++;
	}
	return false;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void command_decode(struct command *command, size_t word)
{
	const char *text = command->words[word];

	command->bytes_len = 0;
	if (strcmp(text, "-") == 0)
		return;
	for (; text[0] != '\0'; text += 2) {
		if (digit(text[0]) < 0 || digit(text[1]) < 0)
			abort();
		command->bytes[command->bytes_len++] =
			(unsigned char)(digit(text[0]) << 4 | digit(text[1]));
	}
}

static void put(const char *text, size_t len)
{
	if (write(STDOUT_FILENO, text, len) != (ssize_t)len)
		abort();
}

/* Who reads the answer may search at once, so the command is wiped before. */
void command_answer(struct command *command, int code, const void *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	static char line[COMMAND_MAX];
	const unsigned char *bytes = p;
	int n = snprintf(line, sizeof(line), "%d ", code);

	for (size_t i = 0; i < len; i++) {
		line[n++] = digits[bytes[i] >> 4];
		line[n++] = digits[bytes[i] & 15];
	}
	line[n++] = '\n';
	explicit_bzero(command, sizeof(*command));
	put(line, (size_t)n);
}
