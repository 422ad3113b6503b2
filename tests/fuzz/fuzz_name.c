/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_name.c - names of accounts and keys of the store
 *
 * The input is a name, a line feed and the realm that goes with names without one. It is read as a
 * key, too, all of it. A name that is taken is one that mail systems can put anywhere, and has one
 * form and one key.
 */
#include <stdlib.h>

#include "account/name.h"
#include "fuzz.h"

static void check_part(struct ma_span part, size_t max)
{
	FUZZ_CHECK(part.len >= 1 && part.len <= max);
	FUZZ_CHECK(part.p[0] != '-');
	FUZZ_CHECK(!ma_span_equal(part, ma_span_text(".")));
	FUZZ_CHECK(!ma_span_equal(part, ma_span_text("..")));
	FUZZ_CHECK(ma_span_is_utf8(part));
	for (size_t i = 0; i < part.len; i++) {
		FUZZ_CHECK(part.p[i] > ' ' && part.p[i] != 0x7f);
		FUZZ_CHECK(part.p[i] < 'A' || part.p[i] > 'Z');
		FUZZ_CHECK(strchr("@:,/;\"'#", part.p[i]) == NULL);
	}
}

static void check_same(const struct ma_name *a, const struct ma_name *b)
{
	FUZZ_CHECK(a->len == b->len && a->local_len == b->local_len);
	FUZZ_CHECK(ma_span_equal(ma_name_span(a), ma_name_span(b)));
}

static void check_name(const struct ma_name *name)
{
	uint8_t key_bytes[MA_KEY_MAX];
	struct ma_span key = ma_name_key(name, key_bytes);
	struct ma_name again;

	FUZZ_CHECK(name->len <= MAILAUTH_NAME_MAX);
	FUZZ_CHECK(strlen(name->text) == name->len && name->text[name->local_len] == '@');
	check_part(ma_span(name->text, name->local_len), MAILAUTH_LOCAL_MAX);
	check_part(ma_span(name->text + name->local_len + 1, name->len - name->local_len - 1),
		   MAILAUTH_REALM_MAX);
	FUZZ_CHECK(ma_name_parse(ma_name_span(name), ma_span(NULL, 0), &again) == NULL);
	check_same(&again, name);
	FUZZ_CHECK(ma_name_from_key(key, &again));
	check_same(&again, name);
}

static void check_none(const struct ma_name *name)
{
	FUZZ_CHECK(name->text[0] == '\0' && name->len == 0 && name->local_len == 0);
}

static void read_key(struct ma_span key)
{
	uint8_t bytes[MA_KEY_MAX];
	struct ma_name name;

	if (!ma_name_from_key(key, &name)) {
		check_none(&name);
		return;
	}
	check_name(&name);
	FUZZ_CHECK(ma_span_equal(ma_name_key(&name, bytes), key));
	fuzz_accepted = true;
}

static void read_name(struct ma_span text, struct ma_span realm)
{
	struct ma_name name;
	const char *refusal = ma_name_parse(text, realm, &name);

	if (refusal != NULL) {
		FUZZ_CHECK(fuzz_is_line(refusal));
		check_none(&name);
		return;
	}
	check_name(&name);
	fuzz_accepted = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ma_span text;
	struct ma_span realm;
	uint8_t *copies[2];

	fuzz_accepted = false;
	read_key(ma_span(data, size));
	if (!ma_span_split_last(ma_span(data, size), '\n', &text, &realm))
		return 0;
	copies[0] = fuzz_copy(text);
	copies[1] = fuzz_copy(realm);
	read_name(ma_span(copies[0], text.len), ma_span(copies[1], realm.len));
	free(copies[0]);
	free(copies[1]);
	return 0;
}
