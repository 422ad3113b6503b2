/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * app.c - messages, the library's log, and how its failures become exit codes
 *
 * The library explains each failure in its log, as advice. ma_app_log() prints that text as it is
 * and remembers that it did; ma_app_fail() then only picks the exit code, by the table of the
 * command, and speaks up itself where the library had nothing to say, because the status says it
 * all: no such account, too long, out of memory.
 */
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "cmd.h"

const char *ma_program = "mailuser";

/* C0, DEL and C1, separators of lines and paragraphs, and what turns the direction of a text. */
static bool is_control(wchar_t point)
{
	return point < L' ' || (point >= 0x7f && point < 0xa0) || point == 0x061c ||
	       point == 0x200e || point == 0x200f || (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}

/* How many bytes from here are one character, which @point_out is told; 0: these are none. */
static size_t take_character(const char *text, locale_t utf8, wchar_t *point_out)
{
	mbstate_t state = {0};
	locale_t old = uselocale(utf8);
	size_t len = mbrtowc(point_out, text, strlen(text), &state);

	(void)uselocale(old);
	return len == (size_t)-1 || len == (size_t)-2 ? 0 : len;
}

/*
 * A message while it is put together: standard error has no buffer, and would write each piece by
 * itself. One that fits is written at once, so that it stays whole where several programs write to
 * one pipe.
 */
struct message {
	char bytes[PIPE_BUF];
	size_t len;
};

static void message_write(struct message *message)
{
	(void)fwrite(message->bytes, 1, message->len, stderr);
	message->len = 0;
}

static void message_put(struct message *message, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (message->len == sizeof(message->bytes))
			message_write(message);
		message->bytes[message->len++] = bytes[i];
	}
}

/* Messages quote files and arguments, which must not write to root's terminal as they please. */
static void message_put_text(struct message *message, const char *text)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

	while (*text != '\0') {
		wchar_t point = 0;
		size_t len = utf8 != (locale_t)0 ? take_character(text, utf8, &point) : 0;
		char escape[sizeof("\\xNN")];

		if (len > 0 && !is_control(point)) {
			message_put(message, text, len);
			text += len;
			continue;
		}
		for (len = len > 0 ? len : 1; len > 0; len--, text++) {
			(void)snprintf(escape, sizeof(escape), "\\x%02x", (unsigned char)*text);
			message_put(message, escape, sizeof(escape) - 1);
		}
	}
	if (utf8 != (locale_t)0)
		freelocale(utf8);
}

void ma_say(const char *format, ...)
{
	struct message message = {.len = 0};
	va_list args;
	char *text;

	/* What was printed on standard output comes first where both go to one place. */
	(void)fflush(stdout);
	message_put(&message, ma_program, strlen(ma_program));
	message_put(&message, ": ", 2);
	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	message_put_text(&message, text == NULL ? "out of memory" : text);
	free(text);
	message_put(&message, "\n", 1);
	message_write(&message);
}

const char *ma_option(const struct app *app, int id)
{
	return app->values[id];
}

void ma_app_log(void *arg, enum mailauth_log_level level, const char *event, const char *text)
{
	struct app *app = arg;

	if (level > MAILAUTH_LOG_WARN)
		return;
	app->said = true;
	app->is_busy = strcmp(event, "busy") == 0;
	ma_say("%s%s", level == MAILAUTH_LOG_WARN ? "warning: " : "", text);
}

struct mailauth_options ma_app_options(struct app *app, unsigned int flags)
{
	return (struct mailauth_options){
		.size = sizeof(struct mailauth_options),
		.flags = flags,
		.config = app->config,
		.log = ma_app_log,
		.log_arg = app,
		.log_level = MAILAUTH_LOG_WARN,
	};
}

int ma_app_open(struct app *app, unsigned int flags)
{
	struct mailauth_options options = ma_app_options(app, flags);
	enum mailauth_status status = mailauth_open(&options, &app->ctx);

	if (status == MAILAUTH_OK) {
		app->said = false;
		return MA_EXIT_OK;
	}
	if (!app->said)
		ma_say("the store cannot be opened (%s)", mailauth_status_name(status));
	if (geteuid() == 0)
		return app->cmd->exits.open;
	ma_say("you are not root: run 'mailuser %s' as root, for instance with sudo",
	       app->cmd->name);
	return app->cmd->exits.denied;
}

int ma_app_name(struct app *app, struct mailauth_name *name_out)
{
	enum mailauth_status status = mailauth_name_parse(app->ctx, app->operand, name_out);

	if (status == MAILAUTH_OK)
		return MA_EXIT_OK;
	if (status != MAILAUTH_E_USAGE)
		return ma_app_fail(app, status, app->operand);
	if (!app->said)
		ma_say("'%s' cannot be the name of an account", app->operand);
	return app->cmd->exits.name;
}

static void status_say(enum mailauth_status status, const char *what)
{
	switch (status) {
	case MAILAUTH_E_NOTFOUND:
		ma_say("user '%s' does not exist: 'mailuser list' shows all", what);
		break;
	case MAILAUTH_E_EXISTS:
		ma_say("user '%s' already exists", what);
		break;
	case MAILAUTH_E_LIMIT:
		ma_say("%s: too long", what);
		break;
	case MAILAUTH_E_TEMPFAIL:
		ma_say("the store is away: try again later");
		break;
	case MAILAUTH_E_CORRUPT:
		ma_say("the record of '%s' is damaged: delete the account or restore the store",
		       what);
		break;
	case MAILAUTH_E_NOMEM:
		ma_say("out of memory");
		break;
	default:
		ma_say("%s: refused (%s)", what, mailauth_status_name(status));
		break;
	}
}

int ma_app_fail(struct app *app, enum mailauth_status status, const char *what)
{
	const struct exits *exits = &app->cmd->exits;

	if (!app->said)
		status_say(status, what);

	switch (status) {
	case MAILAUTH_E_NOTFOUND:
		return exits->notfound;
	case MAILAUTH_E_EXISTS:
		return MA_EXIT_EXISTS;
	case MAILAUTH_E_LIMIT:
	case MAILAUTH_E_USAGE:
		return exits->argument;
	case MAILAUTH_E_TEMPFAIL:
		return app->is_busy ? exits->busy : exits->failed;
	default:
		return exits->failed;
	}
}
