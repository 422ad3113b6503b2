/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c - tell the administrator why
 *
 * See log.h. A text is one line of well-formed UTF-8 whatever is in a path or a configuration
 * value: what is a control character to anybody's terminal or log viewer becomes '?', so no log
 * line can be forged through them.
 */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "util/span.h"

void ma_make_printable(char *text)
{
	struct ma_span rest = ma_span_text(text);
	uint32_t point;

	while (rest.len > 0) {
		size_t left = rest.len;

		if (!ma_span_take_utf8(&rest, &point)) {
			*text++ = '?';
			rest = ma_span(rest.p + 1, rest.len - 1);
			continue;
		}
		if (ma_is_control(point))
			memset(text, '?', left - rest.len);
		text += left - rest.len;
	}
}

void ma_log(const struct ma_log *log, enum mailauth_log_level level, const char *event,
	    const char *fmt, ...)
{
	char text[MA_LOG_MAX];
	int keep = errno;
	va_list args;

	if (!ma_log_wants(log, level))
		return;
	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	ma_make_printable(text);
	log->fn(log->arg, level, event, text);
	errno = keep;
}
