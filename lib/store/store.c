/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store.c - find the store that a URL names
 *
 * See store.h. The build makes ma_stores[] from the list in lib/meson.build.
 */
#include "store/store.h"

static void log_unknown(const char *url, const struct ma_log *log)
{
	char text[256];
	struct ma_buf names = ma_buf_fixed(text, sizeof(text));

	for (size_t i = 0; i < ma_n_stores; i++)
		ma_buf_printf(&names, " %s:", ma_stores[i]->scheme);
	ma_log(log, MAILAUTH_LOG_ERROR, "store", "%s: no such kind of store; this build has:%s",
	       url, ma_buf_text(&names));
}

enum mailauth_status ma_store_find(const char *url, const struct ma_log *log,
				   const struct ma_store_ops **ops_out, struct ma_span *address_out)
{
	struct ma_span rest = ma_span_text(url);
	struct ma_span scheme;

	*ops_out = NULL;
	if (!ma_span_take_until(&rest, ':', &scheme)) {
		log_unknown(url, log);
		return MAILAUTH_E_UNSUPPORTED;
	}
	for (size_t i = 0; i < ma_n_stores; i++) {
		if (ma_span_equal(scheme, ma_span_text(ma_stores[i]->scheme))) {
			*ops_out = ma_stores[i];
			*address_out = rest;
			return MAILAUTH_OK;
		}
	}
	log_unknown(url, log);
	return MAILAUTH_E_UNSUPPORTED;
}

bool ma_store_expects(const struct ma_store_change *change, const struct ma_span *found)
{
	if (found == NULL)
		return !change->must_exist;
	if (!change->must_exist)
		return false;
	return change->any_old || ma_span_equal(*found, change->old);
}
