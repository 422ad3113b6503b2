/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * prep.c - SASLprep (RFC 4013)
 *
 * See prep.h. Printable ASCII is its own prepared form, which saves most passwords a walk through
 * Unicode's tables. libidn works in place, in a buffer with room to grow, on a terminated string:
 * so bytes with a NUL among them are left alone.
 */
#include "util/prep.h"

#include <stringprep.h>

#include "util/mem.h"

static bool is_plain_ascii(struct ma_span in)
{
	for (size_t i = 0; i < in.len; i++)
		if (in.p[i] < 0x20 || in.p[i] > 0x7e)
			return false;
	return true;
}

enum mailauth_status ma_saslprep(struct ma_span in, struct ma_buf *out)
{
	char *text;
	int code;

	if (in.len >= MA_PREP_MAX)
		return MAILAUTH_E_LIMIT;
	if (is_plain_ascii(in) || !ma_span_is_utf8(in) || memchr(in.p, '\0', in.len) != NULL) {
		ma_buf_put(out, in);
		return ma_buf_status(out);
	}
	text = ma_alloc(MA_PREP_MAX);
	if (text == NULL)
		return MAILAUTH_E_NOMEM;
	memcpy(text, in.p, in.len);
	/* Not with STRINGPREP_NO_UNASSIGNED: a password may be newer than libidn's tables. */
	code = stringprep(text, MA_PREP_MAX, (Stringprep_profile_flags)0, stringprep_saslprep);
	if (code == STRINGPREP_OK && text[0] != '\0')
		ma_buf_put_text(out, text);
	else if (code != STRINGPREP_MALLOC_ERROR)
		ma_buf_put(out, in);
	ma_wipe(text, MA_PREP_MAX);
	ma_free(text);
	return code == STRINGPREP_MALLOC_ERROR ? MAILAUTH_E_NOMEM : ma_buf_status(out);
}
