/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * name.c - names of accounts, local@realm
 *
 * See name.h. The rules keep a name safe wherever mail systems put it: in a path, a map, a passwd
 * file, an address, a log line. Folding is ASCII only: what "the same letter" means beyond that
 * depends on the language, and two accounts must never fall together.
 */
#include "account/name.h"

#include "util/buf.h"

static const char *check_byte(uint8_t c)
{
	if (c < ' ' || c == 0x7f)
		return "it has a control character";
	if (c == ' ')
		return "it has a space";
	if (c == '@')
		return "it has more than one @";
	if (memchr(":,/;\"'#", c, 7) != NULL)
		return "it has one of : , / ; \" ' #";
	return NULL;
}

static const char *check_utf8(struct ma_span part)
{
	uint32_t point;

	while (part.len > 0) {
		if (!ma_span_take_utf8(&part, &point))
			return "it is not valid UTF-8";
		if (point >= 0x80 && point < 0xa0)
			return "it has a control character";
	}
	return NULL;
}

static const char *check_whole(struct ma_span part)
{
	if (part.p[0] == '-')
		return "a part begins with -";
	if (ma_span_equal(part, ma_span_text(".")) || ma_span_equal(part, ma_span_text("..")))
		return "a part is . or ..";
	return NULL;
}

/* Checks one part and writes it in lower case to @out, which has room for it. */
static const char *fold_part(struct ma_span part, char *out)
{
	uint8_t seen = 0;

	for (size_t i = 0; i < part.len; i++) {
		uint8_t c = part.p[i];
		const char *refusal = check_byte(c);

		if (refusal != NULL)
			return refusal;
		seen |= c;
		out[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
	}
	if (seen >= 0x80) {
		const char *refusal = check_utf8(part);

		if (refusal != NULL)
			return refusal;
	}
	return check_whole(part);
}

const char *ma_name_parse(struct ma_span in, struct ma_span default_realm, struct ma_name *name_out)
{
	struct ma_span local = in;
	struct ma_span realm = in;
	const char *refusal;

	*name_out = (struct ma_name){.len = 0};
	if (!ma_span_take_until(&realm, '@', &local)) {
		local = in;
		realm = default_realm;
	}
	if (local.len == 0)
		return "the part before @ is empty";
	if (realm.len == 0)
		return "the realm after @ is empty";
	if (local.len > MAILAUTH_LOCAL_MAX)
		return "the part before @ is longer than 64 bytes";
	if (realm.len > MAILAUTH_REALM_MAX)
		return "the realm is longer than 255 bytes";
	refusal = fold_part(local, name_out->text);
	if (refusal == NULL)
		refusal = fold_part(realm, name_out->text + local.len + 1);
	if (refusal != NULL) {
		name_out->text[0] = '\0';
		return refusal;
	}
	name_out->text[local.len] = '@';
	name_out->local_len = local.len;
	name_out->len = local.len + 1 + realm.len;
	name_out->text[name_out->len] = '\0';
	return NULL;
}

struct ma_span ma_name_key(const struct ma_name *name, uint8_t *key_out)
{
	struct ma_buf key = ma_buf_fixed(key_out, MA_KEY_MAX);
	const char *realm = name->text + name->local_len + 1;

	ma_buf_put(&key, ma_span(realm, name->len - name->local_len - 1));
	ma_buf_put_u8(&key, '\0');
	ma_buf_put(&key, ma_span(name->text, name->local_len));
	ma_assert(ma_buf_status(&key) == MAILAUTH_OK);
	return ma_buf_span(&key);
}

bool ma_name_from_key(struct ma_span key, struct ma_name *name_out)
{
	struct ma_span local = key;
	struct ma_span realm;

	return ma_span_take_until(&local, '\0', &realm) && local.len > 0 &&
	       memchr(local.p, '@', local.len) == NULL &&
	       ma_name_parse(local, realm, name_out) == NULL;
}
