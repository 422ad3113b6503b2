/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * password.h - get a password from the terminal or from standard input, and wipe it
 */
#ifndef MAILUSER_PASSWORD_H
#define MAILUSER_PASSWORD_H

#include <mailauth/mailauth.h>
#include <stdbool.h>
#include <stddef.h>

/** A password of 1 to MAILAUTH_PASSWORD_MAX bytes without NUL; not NUL-terminated. */
struct password {
	size_t len;
	unsigned char bytes[MAILAUTH_PASSWORD_MAX];
};

/**
 * ma_password_clear() - wipe a password; fits MA_CLEANUP()
 */
void ma_password_clear(struct password *password);

/**
 * ma_password_stdin() - take the first line of standard input as the password
 * @out: the password; empty on failure
 *
 * Reads no further than that line. Its line feed is not part of the password, everything else is.
 *
 * Return: true; false after a message that says what is wrong with it
 */
bool ma_password_stdin(struct password *out);

/** May the user be asked? */
bool ma_password_has_terminal(void);

/**
 * ma_password_prompt() - ask for a password without echo
 * @prompt: "Password: "
 * @again:  prompt for a second time, which must give the same; NULL: ask once
 * @out:    the password; empty on failure
 *
 * Return: true; false after a message. A signal such as that of Ctrl-C ends the process as usual,
 *         with the echo switched on again.
 */
bool ma_password_prompt(const char *prompt, const char *again, struct password *out);

/**
 * ma_password_new() - a new password, as --stdin or the terminal give it
 * @from_stdin: --stdin was given
 * @out:        the password; empty on failure
 *
 * Return: true; false after a message, also when there is neither --stdin nor a terminal
 */
bool ma_password_new(bool from_stdin, struct password *out);

#endif
