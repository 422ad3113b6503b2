/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * name.c - names of accounts, local@realm
 *
 * See name.h. The rules keep a name safe wherever mail systems put it: in a path, a map, a passwd
 * file, an address, a log line. Folding is ASCII only: what "the same letter" means beyond that
 * depends on the language, and two accounts must never fall together.
 */
#include "account/name.h"

/* What a byte is to a name. */
enum byte_class { BYTE_GOOD, BYTE_HIGH, BYTE_CONTROL, BYTE_SPACE, BYTE_AT, BYTE_SPECIAL };

static enum byte_class classify(uint8_t c)
{
	if (c >= 0x80)
		return BYTE_HIGH;
	if (c < ' ' || c == 0x7f)
		return BYTE_CONTROL;
	switch (c) {
	case ' ':
		return BYTE_SPACE;
	case '@':
		return BYTE_AT;
	case ':':
	case ',':
	case '/':
	case ';':
	case '"':
	case '\'':
	case '#':
		return BYTE_SPECIAL;
	default:
		return BYTE_GOOD;
	}
}

static const char *refuse_byte(uint8_t c)
{
	switch (classify(c)) {
	case BYTE_CONTROL:
		return "it has a control character";
	case BYTE_SPACE:
		return "it has a space";
	case BYTE_AT:
		return "it has more than one @";
	default:
		return "it has one of : , / ; \" ' #";
	}
}

static const char *check_utf8(struct ma_span part)
{
	uint32_t point;

	while (part.len > 0) {
		if (!ma_span_take_utf8(&part, &point))
			return "it is not valid UTF-8";
		if (ma_is_control(point))
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

/* The bytes that names mostly consist of, as they are stored; 0: look closer. */
static const char stored[256] = {
	['-'] = '-', ['.'] = '.', ['_'] = '_', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3',
	['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a',
	['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h',
	['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o',
	['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v',
	['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c',
	['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j',
	['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q',
	['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x',
	['Y'] = 'y', ['Z'] = 'z',
};

/* Checks one part and writes it in lower case to @out, which has room for it. */
static const char *fold_part(struct ma_span part, char *out)
{
	bool has_high = false;

	for (size_t i = 0; i < part.len; i++) {
		uint8_t c = part.p[i];

		out[i] = stored[c];
		if (out[i] != '\0')
			continue;
		if (classify(c) == BYTE_HIGH)
			has_high = true;
		else if (classify(c) != BYTE_GOOD)
			return refuse_byte(c);
		out[i] = (char)c;
	}
	if (has_high) {
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

	name_out->text[0] = '\0';
	name_out->local_len = 0;
	name_out->len = 0;
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
	size_t realm_len = name->len - name->local_len - 1;

	ma_assert(name->len <= MA_KEY_MAX);
	memcpy(key_out, name->text + name->local_len + 1, realm_len);
	key_out[realm_len] = '\0';
	memcpy(key_out + realm_len + 1, name->text, name->local_len);
	return ma_span(key_out, name->len);
}

bool ma_name_from_key(struct ma_span key, struct ma_name *name_out)
{
	uint8_t again[MA_KEY_MAX];
	struct ma_span local = key;
	struct ma_span realm;
	struct ma_name name;

	name_out->text[0] = '\0';
	name_out->local_len = 0;
	name_out->len = 0;
	if (!ma_span_take_until(&local, '\0', &realm) || local.len == 0 ||
	    memchr(local.p, '@', local.len) != NULL || ma_name_parse(local, realm, &name) != NULL)
		return false;
	/* Only the stored form is a key: no login would ever find another. */
	if (!ma_span_equal(ma_name_key(&name, again), key))
		return false;
	*name_out = name;
	return true;
}
