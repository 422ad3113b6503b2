/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * password.c - get a password from the terminal or from standard input, and wipe it
 *
 * Bytes are read with read(2) straight into the struct that is wiped later; stdio would leave a
 * copy in a buffer of its own. Standard input is read byte by byte, so that what follows the first
 * line is left to whoever reads next.
 *
 * The terminal must get its echo back whatever happens. The signals that could end the process are
 * blocked while the echo is off, and a signalfd tells when one is pending: the read is then given
 * up, the terminal restored and the signals let through to do what they do. No handler, no global.
 * Ctrl-Z is switched off meanwhile, since a stopped process could restore nothing.
 *
 * Whether the password is UTF-8 is for the library to say.
 */
#include "password.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "cmd.h"

/* How reading a line ended. */
enum line {
	LINE_BROKEN = 0, /* read error, or a signal is pending */
	LINE_END,	 /* end of file before any byte */
	LINE_LONG,
	LINE_NUL,
	LINE_OK
};

void ma_password_clear(struct password *password)
{
	explicit_bzero(password, sizeof(*password));
}

/* One byte; with sfd >= 0 a pending signal interrupts the wait. As read(2). */
static ssize_t byte_read(int fd, int sfd, unsigned char *byte_out)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = sfd, .events = POLLIN}};

	for (;;) {
		ssize_t n;

		if (sfd >= 0 && poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (fds[1].revents != 0)
			return -1;
		n = read(fd, byte_out, 1);
		if (n >= 0 || errno != EINTR)
			return n;
	}
}

/* Reads to the end of the line even when it is too long: no rest may end up in a shell. */
static enum line line_read(int fd, int sfd, struct password *out)
{
	enum line line = LINE_OK;
	bool is_empty = true;
	unsigned char byte = 0;
	ssize_t n;

	out->len = 0;
	for (;;) {
		n = byte_read(fd, sfd, &byte);
		if (n <= 0 || byte == '\n')
			break;
		is_empty = false;
		if (byte == '\0')
			line = LINE_NUL;
		else if (out->len == sizeof(out->bytes))
			line = line == LINE_OK ? LINE_LONG : line;
		else
			out->bytes[out->len++] = byte;
	}
	explicit_bzero(&byte, sizeof(byte));
	if (n < 0)
		return LINE_BROKEN;
	return n == 0 && is_empty ? LINE_END : line;
}

/* Says what is wrong with a line, and wipes it then. */
static bool line_check(enum line line, struct password *password)
{
	if (line == LINE_OK && password->len > 0)
		return true;

	if (line == LINE_NUL)
		ma_say("the password holds a NUL byte: choose another one");
	else if (line == LINE_LONG)
		ma_say("the password is longer than %d bytes: choose a shorter one",
		       MAILAUTH_PASSWORD_MAX);
	else if (line == LINE_BROKEN)
		ma_say("the password cannot be read: %s", strerror(errno));
	else if (line == LINE_END)
		ma_say("no password was given");
	else
		ma_say("the password is empty: choose another one");
	ma_password_clear(password);
	return false;
}

bool ma_password_stdin(struct password *out)
{
	return line_check(line_read(STDIN_FILENO, -1, out), out);
}

/* The terminal while its echo is off. */
struct terminal {
	int in;
	int out;
	int sfd;
	bool owned; /* in is ours to close */
	struct termios before;
	sigset_t signals_before;
};

static bool terminal_open(struct terminal *terminal)
{
	static const int ends[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGALRM};
	struct termios quiet;
	sigset_t set;

	terminal->in = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	terminal->owned = terminal->in >= 0;
	terminal->out = terminal->in;
	if (!terminal->owned) {
		terminal->in = STDIN_FILENO;
		terminal->out = STDERR_FILENO;
	}

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		(void)sigaddset(&set, ends[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &terminal->signals_before);
	terminal->sfd = signalfd(-1, &set, SFD_CLOEXEC);

	if (terminal->sfd < 0 || tcgetattr(terminal->in, &terminal->before) != 0)
		return false;
	quiet = terminal->before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	quiet.c_lflag |= ICANON | ISIG;
	quiet.c_cc[VSUSP] = _POSIX_VDISABLE;
	return tcsetattr(terminal->in, TCSAFLUSH, &quiet) == 0;
}

static void terminal_close(struct terminal *terminal, bool was_quiet)
{
	int saved = errno;

	if (was_quiet)
		(void)tcsetattr(terminal->in, TCSAFLUSH, &terminal->before);
	if (terminal->sfd >= 0)
		(void)close(terminal->sfd);
	if (terminal->owned)
		(void)close(terminal->in);
	/* A signal that is pending takes effect here. */
	(void)sigprocmask(SIG_SETMASK, &terminal->signals_before, NULL);
	errno = saved;
}

/* Where the prompt cannot be shown, the answer can still be read. */
static void terminal_write(const struct terminal *terminal, const char *text)
{
	ssize_t n = write(terminal->out, text, strlen(text));

	(void)n;
}

static enum line terminal_ask(const struct terminal *terminal, const char *prompt,
			      struct password *out)
{
	enum line line;

	terminal_write(terminal, prompt);
	errno = EINTR; /* what a pending signal means */
	line = line_read(terminal->in, terminal->sfd, out);
	terminal_write(terminal, "\n"); /* the user's own was not echoed */
	if (line == LINE_BROKEN)
		ma_password_clear(out);
	return line;
}

bool ma_password_has_terminal(void)
{
	return isatty(STDIN_FILENO) == 1;
}

bool ma_password_prompt(const char *prompt, const char *again, struct password *out)
{
	MA_CLEANUP(ma_password_clear) struct password second = {0};
	struct terminal terminal;
	enum line line = LINE_BROKEN;
	enum line line_again = LINE_OK;

	if (!terminal_open(&terminal)) {
		terminal_close(&terminal, false);
		ma_say("the terminal's echo cannot be switched off: use --stdin");
		return false;
	}
	line = terminal_ask(&terminal, prompt, out);
	if (again != NULL && line == LINE_OK && out->len > 0)
		line_again = terminal_ask(&terminal, again, &second);
	terminal_close(&terminal, true);

	if (!line_check(line, out))
		return false;
	if (again == NULL)
		return true;
	if (line_again == LINE_OK && second.len == out->len &&
	    CRYPTO_memcmp(second.bytes, out->bytes, out->len) == 0)
		return true;
	ma_password_clear(out);
	ma_say("the two passwords differ: nothing was changed");
	return false;
}

bool ma_password_new(bool from_stdin, struct password *out)
{
	if (from_stdin)
		return ma_password_stdin(out);
	if (ma_password_has_terminal())
		return ma_password_prompt("New password: ", "Retype new password: ", out);
	ma_say("standard input is no terminal: use --stdin to give the password as its first line");
	return false;
}
