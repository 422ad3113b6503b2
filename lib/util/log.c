/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.c - tell the administrator why
 *
 * See log.h. A text is one line whatever is in a path or a configuration value: control characters
 * become '?', so no log line can be forged through them.
 */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

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
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	log->fn(log->arg, level, event, text);
	errno = keep;
}
