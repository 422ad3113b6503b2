/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mech_digest_md5.c - DIGEST-MD5
 *
 * RFC 2831 section 2.1, without security layers:
 *
 *   S: realm="...",nonce="...",qop="auth",charset=utf-8,algorithm=md5-sess
 *   C: username="...",realm="...",nonce="...",cnonce="...",nc=00000001,
 *      digest-uri="...",response=...
 *   S: rspauth=...                  (the session sees that an empty answer follows)
 *
 * The client hashes its name, the realm and the password as it has them, so the secret is a list of
 * hashes, one for each form that may come: local or local@realm; the account's realm, the empty
 * one, the configuration's default_realm and digest_realms; in UTF-8, and converted to Latin-1
 * where RFC 2831 section 2.1.2.1 wants that, which not every client does. In the record:
 *
 *   group    = length of the realm (1 byte), realm, what it holds (1 byte: 1, or 2 with Latin-1;
 *              16 and 32: without the first, the second of the following), then for each charset
 *              MD5(local:realm:password), MD5(local@realm:realm:password)
 *   secret   = 1*group; the account's own realm first
 *
 * A form is missing only where the hash came from another system, which had just one.
 *
 * Not checked is digest-uri: some clients write the realm into it where the host belongs. A
 * response to a nonce of an earlier dialogue (subsequent authentication) is not offered.
 */
#include "mech/mech.h"

#include "util/codec.h"
#include "util/mem.h"

#define NONCE_LEN     16   /* bytes, twice as many digits */
#define CHALLENGE_MAX 2047 /* RFC 2831 section 2.1.1: less than 2048 bytes */
#define RESPONSE_MAX  4095 /* RFC 2831 section 2.1.2: less than 4096 bytes */
#define HEX_LEN	      (2 * MA_MD5_LEN)
#define N_FORMS	      2 /* local, local@realm */
#define CHARSETS_MAX  2
#define CHARSETS_MASK 0x0f
#define WITHOUT_LOCAL 0x10
#define WITHOUT_FULL  0x20

struct digest_state {
	bool asked;
	uint8_t nonce[2 * NONCE_LEN];
	uint8_t text[RESPONSE_MAX]; /* the response, quoted strings unquoted in place */
};

/* ---- the secret ---- */

struct group {
	struct ma_span realm;
	uint8_t n_charsets;
	bool has[N_FORMS];
	struct ma_span hashes;
};

static size_t n_forms(const struct group *group)
{
	return (group->has[0] ? 1u : 0u) + (group->has[1] ? 1u : 0u);
}

static bool take_group(struct ma_span *in, struct group *group_out)
{
	uint8_t holds;

	if (!ma_span_take_bytes8(in, &group_out->realm) || !ma_span_take_u8(in, &holds))
		return false;
	group_out->n_charsets = holds & CHARSETS_MASK;
	group_out->has[0] = (holds & WITHOUT_LOCAL) == 0;
	group_out->has[1] = (holds & WITHOUT_FULL) == 0;
	return (holds & ~(CHARSETS_MASK | WITHOUT_LOCAL | WITHOUT_FULL)) == 0 &&
	       group_out->n_charsets >= 1 && group_out->n_charsets <= CHARSETS_MAX &&
	       n_forms(group_out) > 0 &&
	       ma_span_take(in, group_out->n_charsets * n_forms(group_out) * MA_MD5_LEN,
			    &group_out->hashes);
}

/* Empty if the group has not got this form. */
static struct ma_span hash_of(const struct group *group, bool full, bool latin1)
{
	size_t i = latin1 && group->n_charsets == CHARSETS_MAX ? n_forms(group) : 0;

	if (!group->has[full ? 1 : 0])
		return ma_span(NULL, 0);
	if (full && group->has[0])
		i++;
	return ma_span(group->hashes.p + i * MA_MD5_LEN, MA_MD5_LEN);
}

/* The first one for a realm; false also if any of the secret is damaged. */
static bool find_group(struct ma_span secret, struct ma_span realm, struct group *group_out)
{
	bool found = false;
	struct group group;

	while (secret.len > 0) {
		if (!take_group(&secret, &group))
			return false;
		if (!found && ma_span_equal(group.realm, realm)) {
			*group_out = group;
			found = true;
		}
	}
	return found;
}

bool ma_digest_md5_find(struct ma_span secret, struct ma_span realm, bool full,
			struct ma_span *ha1_out)
{
	struct group group = {.n_charsets = 0};

	if (!find_group(secret, realm, &group))
		return false;
	*ha1_out = hash_of(&group, full, true);
	return ha1_out->len > 0;
}

/* Appends the text in Latin-1; false: it does not fit, or there is nothing to convert. */
static bool put_latin1(struct ma_span text, struct ma_buf *out)
{
	size_t start = out->len;
	size_t len = text.len;
	uint32_t point;

	while (text.len > 0) {
		if (!ma_span_take_utf8(&text, &point) || point > 0xff) {
			ma_wipe(out->p + start, out->len - start);
			out->len = start;
			return false;
		}
		ma_buf_put_u8(out, (uint8_t)point);
	}
	return out->len - start != len;
}

/* RFC 2831 section 2.1.2.1: each of the strings by itself, if all of it is in ISO 8859-1. */
static bool convert(struct ma_span *text, struct ma_buf *scratch)
{
	size_t start = scratch->len;

	if (!put_latin1(*text, scratch))
		return false;
	*text = ma_span(scratch->p + start, scratch->len - start);
	return true;
}

/* What a client hashes, before or after conversion. */
struct texts {
	struct ma_span users[N_FORMS]; /* local, local@realm */
	struct ma_span realm;
	struct ma_span password;
};

static void hash_texts(const struct texts *texts, size_t form, uint8_t digest_out[MA_MD5_LEN])
{
	const struct ma_span colon = ma_span_text(":");
	const struct ma_span parts[] = {texts->users[form], colon, texts->realm, colon,
					texts->password};

	ma_md5(parts, MA_ARRAY_SIZE(parts), digest_out);
}

static void put_hashes(const struct texts *texts, struct ma_buf *out)
{
	uint8_t digest[MA_MD5_LEN];

	for (size_t form = 0; form < N_FORMS; form++) {
		hash_texts(texts, form, digest);
		ma_buf_put(out, ma_span(digest, sizeof(digest)));
	}
	ma_wipe(digest, sizeof(digest));
}

static struct ma_span put_full_name(const struct ma_subject *subject, struct ma_buf *out)
{
	size_t start = out->len;

	ma_buf_put(out, subject->local);
	ma_buf_put_text(out, "@");
	ma_buf_put(out, subject->realm);
	return ma_span(out->p + start, out->len - start);
}

static void put_holds(uint8_t n_charsets, const bool has[N_FORMS], struct ma_buf *out)
{
	ma_buf_put_u8(out, (uint8_t)(n_charsets | (has[0] ? 0 : WITHOUT_LOCAL) |
				     (has[1] ? 0 : WITHOUT_FULL)));
}

/* Both sets of texts; is there anything that differs in Latin-1? */
static bool make_texts(const struct ma_subject *subject, struct ma_span realm,
		       struct ma_span password, struct ma_buf *scratch, struct texts *utf8_out,
		       struct texts *latin1_out)
{
	bool differs;

	*utf8_out = (struct texts){
		.users = {subject->local, put_full_name(subject, scratch)},
		.realm = realm,
		.password = password,
	};
	*latin1_out = *utf8_out;
	differs = convert(&latin1_out->users[0], scratch);
	differs = convert(&latin1_out->users[1], scratch) || differs;
	differs = convert(&latin1_out->realm, scratch) || differs;
	return convert(&latin1_out->password, scratch) || differs;
}

#define TEXTS_MAX (MAILAUTH_PASSWORD_MAX + 4 * MAILAUTH_NAME_MAX)

static void put_group(const struct ma_subject *subject, struct ma_span realm,
		      struct ma_span password, struct ma_buf *out)
{
	static const bool both[N_FORMS] = {true, true};
	uint8_t bytes[TEXTS_MAX];
	MA_CLEANUP(ma_buf_clear) struct ma_buf scratch = ma_buf_fixed(bytes, sizeof(bytes));
	struct texts utf8;
	struct texts latin1;
	bool differs = make_texts(subject, realm, password, &scratch, &utf8, &latin1);

	ma_buf_put_bytes8(out, realm);
	put_holds(differs ? 2 : 1, both, out);
	put_hashes(&utf8, out);
	if (differs)
		put_hashes(&latin1, out);
}

typedef void put_fn(const struct ma_subject *subject, struct ma_span realm, struct ma_span arg,
		    struct ma_buf *out);

/* The realm that the server offers to all, in lower case as it is offered; empty: not known. */
static struct ma_span offered_realm(const struct ma_config *config,
				    uint8_t bytes[MAILAUTH_REALM_MAX])
{
	size_t len = config->default_realm != NULL ? strlen(config->default_realm) : 0;

	if (len > MAILAUTH_REALM_MAX)
		len = 0;
	for (size_t i = 0; i < len; i++) {
		char c = config->default_realm[i];

		bytes[i] = (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
	}
	return ma_span(bytes, len);
}

/*
 * Puts a group for each realm that clients of this account may use: its own, none, the one that a
 * server for several domains offers to all, and those of the configuration.
 */
static enum mailauth_status put_groups(const struct ma_subject *subject, put_fn *put,
				       struct ma_span arg, struct ma_buf *out)
{
	uint8_t bytes[MAILAUTH_REALM_MAX];
	struct ma_span offered = offered_realm(subject->config, bytes);
	const char *list = subject->config->digest_realms;
	struct ma_span words = ma_span_text(list != NULL ? list : "");
	struct ma_span word;

	put(subject, subject->realm, arg, out);
	put(subject, ma_span(NULL, 0), arg, out);
	if (offered.len > 0 && !ma_span_equal(offered, subject->realm))
		put(subject, offered, arg, out);
	while (ma_span_take_word(&words, " ,\t", &word))
		if (!ma_span_equal(word, subject->realm) && !ma_span_equal(word, offered))
			put(subject, word, arg, out);
	return ma_buf_status(out);
}

static enum mailauth_status derive(const struct ma_kind *kind, const struct ma_subject *subject,
				   struct ma_span password, struct ma_buf *out)
{
	(void)kind;
	return put_groups(subject, put_group, password, out);
}

/* Other systems say of a hash neither which charset it was made in nor leave room for the other. */
static bool fits_group(const struct ma_subject *subject, const struct group *group,
		       struct ma_span password)
{
	uint8_t bytes[TEXTS_MAX];
	MA_CLEANUP(ma_buf_clear) struct ma_buf scratch = ma_buf_fixed(bytes, sizeof(bytes));
	struct texts texts[CHARSETS_MAX];
	uint8_t want[CHARSETS_MAX][MA_MD5_LEN];
	bool differs = make_texts(subject, group->realm, password, &scratch, &texts[0], &texts[1]);
	bool fits = true;

	for (size_t form = 0; form < N_FORMS; form++) {
		hash_texts(&texts[0], form, want[0]);
		hash_texts(&texts[differs ? 1 : 0], form, want[1]);
		for (uint8_t i = 0; group->has[form] && i < group->n_charsets; i++) {
			struct ma_span got = hash_of(group, form != 0, i != 0);
			bool is_utf8 = ma_equal_ct(got, ma_span(want[0], MA_MD5_LEN));
			bool is_latin1 = ma_equal_ct(got, ma_span(want[1], MA_MD5_LEN));

			fits = (is_utf8 || is_latin1) && fits;
		}
	}
	ma_wipe(want, sizeof(want));
	return fits;
}

/* Every hash that is there has to be the password's, in the realms of its day. */
static enum mailauth_status check(const struct ma_kind *kind, const struct ma_subject *subject,
				  struct ma_span secret, struct ma_span password)
{
	bool fits = secret.len > 0;
	struct group group;

	(void)kind;
	if (password.len > MAILAUTH_PASSWORD_MAX)
		return MAILAUTH_E_DENIED;
	while (secret.len > 0) {
		if (!take_group(&secret, &group))
			return MAILAUTH_E_DENIED;
		fits = fits_group(subject, &group, password) && fits;
	}
	return fits ? MAILAUTH_OK : MAILAUTH_E_DENIED;
}

static void put_decoy(const struct ma_subject *subject, struct ma_span realm, struct ma_span seed,
		      struct ma_buf *out)
{
	(void)subject;
	ma_buf_put_bytes8(out, realm);
	ma_buf_put_u8(out, 1);
	for (size_t i = 0; i < N_FORMS; i++)
		ma_buf_put(out, ma_span(seed.p, MA_MD5_LEN));
}

static enum mailauth_status decoy(const struct ma_kind *kind, const struct ma_subject *subject,
				  const struct ma_decoy *from, struct ma_buf *out)
{
	(void)kind;
	return put_groups(subject, put_decoy, ma_span(from->seed, sizeof(from->seed)), out);
}

/* ---- the secret as text: USER:REALM:HASH or USER:REALM:HASH:HASH ---- */

/* One hash, or one in each charset, of one form. */
struct entry {
	size_t form;
	struct ma_span realm;
	uint8_t n_charsets;
	uint8_t hashes[CHARSETS_MAX][MA_MD5_LEN];
};

static bool is_user(struct ma_span user, const struct ma_subject *subject, size_t *form_out)
{
	uint8_t bytes[MAILAUTH_NAME_MAX];
	struct ma_buf full = ma_buf_fixed(bytes, sizeof(bytes));

	*form_out = ma_span_equal(user, subject->local) ? 0 : 1;
	return *form_out == 0 || ma_span_equal(user, put_full_name(subject, &full));
}

static bool parse_entry(struct ma_span text, const struct ma_subject *subject,
			struct entry *entry_out)
{
	struct ma_span user;
	struct ma_span first;

	if (!ma_span_take_until(&text, ':', &user) || !is_user(user, subject, &entry_out->form) ||
	    !ma_span_take_until(&text, ':', &entry_out->realm) ||
	    entry_out->realm.len > MAILAUTH_REALM_MAX || !ma_span_is_utf8(entry_out->realm))
		return false;
	entry_out->n_charsets = 1;
	if (!ma_span_take_until(&text, ':', &first))
		return ma_hex_decode(text, entry_out->hashes[0], MA_MD5_LEN);
	entry_out->n_charsets = 2;
	return ma_hex_decode(first, entry_out->hashes[0], MA_MD5_LEN) &&
	       ma_hex_decode(text, entry_out->hashes[1], MA_MD5_LEN);
}

/* The group with the entry in the place of what it had of that form; @old NULL: a new group. */
static void put_merged(const struct entry *entry, const struct group *old, struct ma_buf *out)
{
	bool has[N_FORMS] = {entry->form == 0, entry->form == 1};
	uint8_t n_charsets = entry->n_charsets;

	for (size_t form = 0; old != NULL && form < N_FORMS; form++)
		has[form] = has[form] || old->has[form];
	if (old != NULL && old->n_charsets > n_charsets && has[1 - entry->form])
		n_charsets = old->n_charsets;
	ma_buf_put_bytes8(out, entry->realm);
	put_holds(n_charsets, has, out);
	for (uint8_t charset = 0; charset < n_charsets; charset++)
		for (size_t form = 0; form < N_FORMS; form++) {
			size_t own = charset < entry->n_charsets ? charset : 0;

			if (form == entry->form)
				ma_buf_put(out, ma_span(entry->hashes[own], MA_MD5_LEN));
			else if (has[form])
				ma_buf_put(out, hash_of(old, form != 0, charset != 0));
		}
}

static void clear_entry(struct entry *entry)
{
	ma_wipe(entry, sizeof(*entry));
}

static const char *parse_text(const struct ma_kind *kind, const struct ma_subject *subject,
			      struct ma_span text, struct ma_span old, struct ma_buf *out)
{
	MA_CLEANUP(clear_entry) struct entry entry = {.form = 0};
	bool merged = false;

	(void)kind;
	if (!parse_entry(text, subject, &entry))
		return "it has to be USER:REALM:HASH, with the account's name, bare or with its "
		       "realm, and 32 hexadecimal digits";
	while (old.len > 0) {
		struct ma_span bytes = old;
		struct group group;

		if (!take_group(&old, &group))
			return "the account's own is damaged; set the password anew";
		bytes.len -= old.len;
		if (ma_span_equal(group.realm, entry.realm)) {
			put_merged(&entry, &group, out);
			merged = true;
		} else {
			ma_buf_put(out, bytes);
		}
	}
	if (!merged)
		put_merged(&entry, NULL, out);
	return NULL;
}

static void format_form(const struct ma_subject *subject, const struct group *group, size_t form,
			struct ma_buf *out)
{
	if (form == 0)
		ma_buf_put(out, subject->local);
	else
		(void)put_full_name(subject, out);
	ma_buf_put_text(out, ":");
	ma_buf_put(out, group->realm);
	for (uint8_t charset = 0; charset < group->n_charsets; charset++) {
		ma_buf_put_text(out, ":");
		ma_hex_encode(hash_of(group, form != 0, charset != 0), out);
	}
}

static bool format_part(const struct ma_kind *kind, const struct ma_subject *subject,
			struct ma_span secret, size_t part, struct ma_buf *out)
{
	struct group group;

	(void)kind;
	while (secret.len > 0) {
		if (!take_group(&secret, &group))
			return false;
		for (size_t form = 0; form < N_FORMS; form++) {
			if (!group.has[form] || part-- != 0)
				continue;
			format_form(subject, &group, form, out);
			return true;
		}
	}
	return false;
}

/* ---- the client's response ---- */

enum directive {
	USERNAME,
	REALM,
	NONCE,
	CNONCE,
	NC,
	QOP,
	DIGEST_URI,
	RESPONSE,
	MAXBUF,
	CHARSET,
	CIPHER,
	AUTHZID,
	N_DIRECTIVES
};

static const char *const directive_names[N_DIRECTIVES] = {
	[USERNAME] = "username",
	[REALM] = "realm",
	[NONCE] = "nonce",
	[CNONCE] = "cnonce",
	[NC] = "nc",
	[QOP] = "qop",
	[DIGEST_URI] = "digest-uri",
	[RESPONSE] = "response",
	[MAXBUF] = "maxbuf",
	[CHARSET] = "charset",
	[CIPHER] = "cipher",
	[AUTHZID] = "authzid",
};

struct response {
	bool has[N_DIRECTIVES];
	struct ma_span value[N_DIRECTIVES];
};

/* RFC 2831 section 7.1: implied white space */
static bool is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* RFC 2831 section 7.1: any CHAR except CTLs or separators */
static bool is_token(uint8_t c)
{
	static const bool separators[256] = {
		['('] = true, [')'] = true, ['<'] = true,  ['>'] = true, ['@'] = true, [','] = true,
		[';'] = true, [':'] = true, ['\\'] = true, ['"'] = true, ['/'] = true, ['['] = true,
		[']'] = true, ['?'] = true, ['='] = true,  ['{'] = true, ['}'] = true,
	};

	return c > ' ' && c < 0x7f && !separators[c];
}

static void skip_space(struct ma_span *in)
{
	while (in->len > 0 && is_space(in->p[0]))
		*in = ma_span(in->p + 1, in->len - 1);
}

static bool take_char(struct ma_span *in, uint8_t c)
{
	if (in->len == 0 || in->p[0] != c)
		return false;
	*in = ma_span(in->p + 1, in->len - 1);
	return true;
}

static bool take_token(struct ma_span *in, struct ma_span *out)
{
	size_t len = 0;

	while (len < in->len && is_token(in->p[len]))
		len++;
	*out = ma_span(in->p, len);
	*in = ma_span(in->p + len, in->len - len);
	return len > 0;
}

/* The text between the quotes, with its escapes resolved into @text, which is as long as @in. */
static bool take_quoted(struct ma_span *in, struct ma_buf *text, struct ma_span *out)
{
	size_t start = text->len;
	uint8_t c;

	while (ma_span_take_u8(in, &c)) {
		if (c == '"') {
			*out = ma_span(text->p + start, text->len - start);
			return true;
		}
		if (c == '\0' || (c == '\\' && (!ma_span_take_u8(in, &c) || c == '\0')))
			return false;
		ma_buf_put_u8(text, c);
	}
	return false;
}

static bool take_directive(struct ma_span *in, struct ma_buf *text, struct response *response)
{
	struct ma_span name;
	struct ma_span value;

	if (!take_token(in, &name))
		return false;
	skip_space(in);
	if (!take_char(in, '='))
		return false;
	skip_space(in);
	if (take_char(in, '"') ? !take_quoted(in, text, &value) : !take_token(in, &value))
		return false;
	skip_space(in);
	for (size_t i = 0; i < N_DIRECTIVES; i++) {
		if (!ma_span_equal_case(name, ma_span_text(directive_names[i])))
			continue;
		/* RFC 2831 section 2.1.2: once each, or the authentication fails */
		if (response->has[i])
			return false;
		response->has[i] = true;
		response->value[i] = value;
	}
	return true; /* one that is not known is ignored: auth-param */
}

/* RFC 2831 section 7.1: #rule, a list with commas, elements of which may be empty. */
static bool parse(struct ma_span in, struct ma_buf *text, struct response *response_out)
{
	*response_out = (struct response){.has = {false}};
	for (;;) {
		skip_space(&in);
		while (take_char(&in, ','))
			skip_space(&in);
		if (in.len == 0)
			return true;
		if (!take_directive(&in, text, response_out))
			return false;
		if (in.len > 0 && in.p[0] != ',')
			return false;
	}
}

static bool is_text(const struct response *response, enum directive which, const char *text)
{
	return ma_span_equal_case(response->value[which], ma_span_text(text));
}

/* RFC 2831 section 2.1.2: what has to be there, and what it may be. */
static bool is_acceptable(const struct response *response, struct ma_span nonce)
{
	static const enum directive wanted[] = {USERNAME, NONCE, CNONCE, NC, DIGEST_URI, RESPONSE};

	for (size_t i = 0; i < MA_ARRAY_SIZE(wanted); i++)
		if (!response->has[wanted[i]] || response->value[wanted[i]].len == 0)
			return false;
	return ma_span_equal(response->value[NONCE], nonce) && is_text(response, NC, "00000001") &&
	       (!response->has[QOP] || is_text(response, QOP, "auth")) &&
	       (!response->has[CHARSET] || is_text(response, CHARSET, "utf-8"));
}

/* ---- the proof ---- */

/* RFC 2831 section 2.1.2.1; @method is empty for rspauth. */
static void compute(const struct response *response, struct ma_span ha1, bool with_authzid,
		    const char *method, uint8_t digest_out[MA_MD5_LEN])
{
	const struct ma_span colon = ma_span_text(":");
	const struct ma_span *value = response->value;
	const struct ma_span a1[] = {ha1,	    colon, value[NONCE],  colon,
				     value[CNONCE], colon, value[AUTHZID]};
	const struct ma_span a2[] = {ma_span_text(method), colon, value[DIGEST_URI]};
	uint8_t digest[MA_MD5_LEN];
	uint8_t hex[2][HEX_LEN];
	struct ma_buf a1_hex = ma_buf_fixed(hex[0], HEX_LEN);
	struct ma_buf a2_hex = ma_buf_fixed(hex[1], HEX_LEN);
	const struct ma_span all[] = {
		ma_span(hex[0], HEX_LEN),   colon,	   value[NONCE],
		ma_span_text(":00000001:"), value[CNONCE], ma_span_text(":auth:"),
		ma_span(hex[1], HEX_LEN)};

	ma_md5(a1, with_authzid ? MA_ARRAY_SIZE(a1) : MA_ARRAY_SIZE(a1) - 2, digest);
	ma_hex_encode(ma_span(digest, sizeof(digest)), &a1_hex);
	ma_md5(a2, MA_ARRAY_SIZE(a2), digest);
	ma_hex_encode(ma_span(digest, sizeof(digest)), &a2_hex);
	ma_md5(all, MA_ARRAY_SIZE(all), digest_out);
	ma_wipe(digest, sizeof(digest));
	ma_wipe(hex, sizeof(hex));
}

/* What was found to fit, for rspauth. */
struct proof {
	bool fits;
	bool with_authzid;
	uint8_t ha1[MA_MD5_LEN];
};

static void try_hash(const struct response *response, struct ma_span ha1, bool with_authzid,
		     struct ma_span digest, struct proof *proof)
{
	uint8_t want[MA_MD5_LEN];

	ma_assert(ha1.p != NULL && ha1.len == MA_MD5_LEN);
	compute(response, ha1, with_authzid, "AUTHENTICATE", want);
	if (ma_equal_ct(digest, ma_span(want, sizeof(want)))) {
		proof->fits = true;
		proof->with_authzid = with_authzid;
		memcpy(proof->ha1, ha1.p, MA_MD5_LEN);
	}
	ma_wipe(want, sizeof(want));
}

/* Both charsets are tried even if they are one, so that the time does not tell. */
static void try_secret(const struct response *response, struct ma_span secret,
		       struct ma_span digest, struct proof *proof)
{
	struct ma_span local;
	struct ma_span rest = response->value[USERNAME];
	bool full = ma_span_take_until(&rest, '@', &local);
	bool has_authzid = response->has[AUTHZID];
	struct proof nothing = {.fits = false};
	struct group group = {.n_charsets = 0};

	if (!find_group(secret, response->value[REALM], &group))
		return;
	/* What the other form proves is nothing, and takes as long. */
	if (!group.has[full ? 1 : 0]) {
		proof = &nothing;
		full = !full;
	}
	for (size_t latin1 = 0; latin1 < CHARSETS_MAX; latin1++) {
		struct ma_span ha1 = hash_of(&group, full, latin1 != 0);

		try_hash(response, ha1, has_authzid, digest, proof);
		/* An empty one is hashed by some clients and left out by others. */
		if (has_authzid && response->value[AUTHZID].len == 0)
			try_hash(response, ha1, false, digest, proof);
	}
	ma_wipe(&nothing, sizeof(nothing));
}

static enum mailauth_status put_rspauth(const struct response *response, const struct proof *proof,
					struct ma_buf *reply)
{
	uint8_t digest[MA_MD5_LEN];

	compute(response, ma_span(proof->ha1, MA_MD5_LEN), proof->with_authzid, "", digest);
	ma_buf_put_text(reply, "rspauth=");
	ma_hex_encode(ma_span(digest, sizeof(digest)), reply);
	return ma_buf_status(reply);
}

/* RFC 2831 section 2.1.2: without charset=utf-8 names are in ISO 8859-1. */
static struct ma_span as_utf8(struct ma_span user, struct ma_buf *scratch)
{
	if (ma_span_is_utf8(user))
		return user;
	for (size_t i = 0; i < user.len; i++) {
		uint8_t c = user.p[i];

		if (c >= 0x80)
			ma_buf_put_u8(scratch, (uint8_t)(0xc0 | c >> 6));
		ma_buf_put_u8(scratch, c >= 0x80 ? (uint8_t)(0x80 | (c & 0x3f)) : c);
	}
	return ma_buf_status(scratch) == MAILAUTH_OK ? ma_buf_span(scratch) : user;
}

static enum mailauth_status verify(struct ma_exchange *exchange, const struct response *response,
				   struct ma_buf *reply)
{
	uint8_t name[2 * MAILAUTH_NAME_MAX];
	struct ma_buf scratch = ma_buf_fixed(name, sizeof(name));
	const struct ma_identity who = {
		.user = as_utf8(response->value[USERNAME], &scratch),
		.realm = response->value[REALM],
		.authzid = response->value[AUTHZID],
	};
	const struct ma_candidates *candidates;
	struct proof proof = {.fits = false};
	uint8_t digest[MA_MD5_LEN];
	enum mailauth_status status;

	if (!ma_hex_decode(response->value[RESPONSE], digest, sizeof(digest)))
		return MAILAUTH_E_PROTOCOL;
	status = exchange->lookup(exchange->lookup_arg, &who, &candidates);
	if (status != MAILAUTH_OK)
		return status;
	for (size_t i = 0; i < candidates->n; i++) {
		const struct ma_secret *secret =
			ma_credential_secret(candidates->items[i], MA_KIND_DIGEST_MD5);

		if (secret != NULL)
			try_secret(response, secret->value, ma_span(digest, sizeof(digest)),
				   &proof);
	}
	status = proof.fits ? put_rspauth(response, &proof, reply) : MAILAUTH_E_DENIED;
	ma_wipe(&proof, sizeof(proof));
	return status;
}

/* RFC 2831 section 2.1.1; in lower case, as accounts have it, since the client hashes it. */
static void put_realm(struct ma_span realm, struct ma_buf *out)
{
	ma_buf_put_text(out, "realm=\"");
	for (size_t i = 0; i < realm.len; i++) {
		uint8_t c = realm.p[i];

		if (c == '"' || c == '\\')
			ma_buf_put_u8(out, '\\');
		ma_buf_put_u8(out, c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c);
	}
	ma_buf_put_text(out, "\"");
}

static enum mailauth_status ask(struct ma_exchange *exchange, struct ma_buf *reply)
{
	struct digest_state *state = exchange->state;
	struct ma_buf hex = ma_buf_fixed(state->nonce, sizeof(state->nonce));
	uint8_t nonce[NONCE_LEN];
	enum mailauth_status status = ma_random(exchange->crypto, nonce, sizeof(nonce));

	if (status != MAILAUTH_OK)
		return status;
	ma_hex_encode(ma_span(nonce, sizeof(nonce)), &hex);
	put_realm(exchange->realm, reply);
	ma_buf_put_text(reply, ",nonce=\"");
	ma_buf_put(reply, ma_buf_span(&hex));
	/* Unquoted, as curl has it. */
	ma_buf_put_text(reply, "\",qop=\"auth\",charset=utf-8,algorithm=md5-sess");
	state->asked = true;
	status = ma_buf_status(reply);
	if (status == MAILAUTH_OK && reply->len > CHALLENGE_MAX)
		status = MAILAUTH_E_LIMIT;
	return status == MAILAUTH_OK ? MAILAUTH_CONTINUE : status;
}

enum mailauth_status ma_digest_md5_check(struct ma_exchange *exchange, struct ma_span nonce,
					 struct ma_span in, struct ma_buf *reply)
{
	struct digest_state *state = exchange->state;
	struct ma_buf text = ma_buf_fixed(state->text, sizeof(state->text));
	struct response response;

	if (in.len > RESPONSE_MAX)
		return MAILAUTH_E_LIMIT;
	if (!parse(in, &text, &response) || !is_acceptable(&response, nonce))
		return MAILAUTH_E_PROTOCOL;
	return verify(exchange, &response, reply);
}

static enum mailauth_status step(struct ma_exchange *exchange, struct ma_span in,
				 struct ma_buf *reply)
{
	struct digest_state *state = exchange->state;

	if (state->asked)
		return ma_digest_md5_check(exchange, ma_span(state->nonce, sizeof(state->nonce)),
					   in, reply);
	/* RFC 2831 section 2.2 has the client begin only to renew an old login */
	return in.len == 0 ? ask(exchange, reply) : MAILAUTH_E_PROTOCOL;
}

static const struct ma_kind kind_digest_md5 = {
	.id = MA_KIND_DIGEST_MD5,
	.name = "digest-md5",
	.title = "DIGEST-MD5 hash",
	.strength = MA_STRENGTH_FAST,
	.cost_ns = 2000,
	.by_name = true, /* the hashes are listed by realm */
	.derive = derive,
	.check = check,
	.decoy = decoy,
	.parse = parse_text,
	.format = format_part,
};

const struct ma_mech ma_mech_digest_md5 = {
	.name = "DIGEST-MD5",
	.kind = &kind_digest_md5,
	.brings = {&kind_digest_md5},
	.state_size = sizeof(struct digest_state),
	.step = step,
};
