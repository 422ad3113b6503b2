/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * command.h - commands on standard input, for programs whose memory is searched
 *
 * A command is a line of words, of which some stand for bytes, in hexadecimal digits. Whatever it
 * holds is wiped when the command is done: what a search finds then was left by somebody else. For
 * the same reason there is no stdio here.
 */
#ifndef HYGIENE_COMMAND_H
#define HYGIENE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#define COMMAND_MAX   32768 /* bytes of a line */
#define COMMAND_WORDS 4

struct command {
	char line[COMMAND_MAX];
	const char *words[COMMAND_WORDS]; /* "" where there is none */
	unsigned char bytes[COMMAND_MAX]; /* what decode() gave */
	size_t bytes_len;
};

/* The next line, cut into words; false at the end of the input. */
bool command_read(struct command *command);
/* A word's bytes, in command->bytes; "-" stands for none. Ends the program if it is no such word.
 */
void command_decode(struct command *command, size_t word);
/* Answers with a number and bytes, and wipes the command. */
void command_answer(struct command *command, int code, const void *p, size_t len);

#endif
