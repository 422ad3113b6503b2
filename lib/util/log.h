/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * log.h - tell the administrator why
 *
 * A status says what the caller should do; the reason goes here, once, at the place that knows it.
 * The text is advice: what, where, what to do. Bytes from the network go through
 * ma_buf_put_escaped() first; secrets never come here.
 */
#ifndef MA_UTIL_LOG_H
#define MA_UTIL_LOG_H

#include "util/base.h"

#define MA_LOG_MAX 1024 /* bytes in one text; the rest is cut */

struct ma_log {
	mailauth_log_fn *fn; /* NULL: silence */
	void *arg;
	enum mailauth_log_level level;
};

static inline bool ma_log_wants(const struct ma_log *log, enum mailauth_log_level level)
{
	return log->fn != NULL && level <= log->level;
}

/* Makes it one line of well-formed UTF-8: '?' for each byte of what is no text or a control. */
void ma_make_printable(char *text);

void ma_log(const struct ma_log *log, enum mailauth_log_level level, const char *event,
	    const char *fmt, ...) MA_PRINTF(4, 5);

#endif
