/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import_json.c - accounts as JSON Lines
 *
 * Our own form, which loses nothing: one object for each account, on a line of its own, so that a
 * file of any size takes the memory of one account, and grep(1), split(1) and cat(1) work on it.
 * mailuser-json(5) describes it. Members have the names of `mailuser show --json` where they mean
 * the same.
 *
 * Files may be written by hand, so what is not understood is refused: a misspelt member would be
 * lost unseen. A later version that adds members writes a higher number into "format".
 *
 * Left out are the generation and the times of creation and change: they tell of the store that an
 * account is in. jansson reads and writes; the texts of an entry are those of its object, which
 * lasts until the next call, and memory that jansson gives back is wiped.
 */
#include "import/import.h"

#include <errno.h>
#include <jansson.h>
#include <malloc.h>

#include "util/mem.h"

#define FORMAT	 1
#define ID_MAX	 4294967294 /* uid, gid; as mailauth_user_set_number() takes them */
#define AGE_MAX	 99999	    /* days */
#define SHOW_MAX 40	    /* bytes of a foreign name in a message */

struct json_import {
	struct ma_import import;
	struct ma_lines lines;
	json_t *object; /* the last account */
	struct ma_buf groups;
	struct ma_buf mechs;
};

/* One account while it is read. */
struct reader {
	struct json_import *json;
	struct ma_entry *entry;
	char *why;
};

/* One member of an object and how it is read and written. */
struct member {
	const char *name;
	enum mailauth_status (*read)(struct reader *reader, const struct member *member,
				     json_t *value);
	/* Adds it to an object if the entry says anything of it; false: no memory. NULL: nothing.
	 */
	bool (*write)(const struct ma_entry *entry, const struct member *member, json_t *object);
	size_t at; /* of the field in struct ma_entry */
	json_int_t max;
};

extern const struct ma_format ma_format_json;

/* Says why an account is malformed; the status for it. */
#define REFUSE(why, ...) (ma_why(why, __VA_ARGS__), MAILAUTH_E_USAGE)

/* ---- jansson's memory ---- */

/* jansson calls it "invalid token"; its functions have no argument to keep this in. */
static _Thread_local bool lacked_memory;

static void *allocate(size_t size)
{
	void *p = ma_alloc(size > 0 ? size : 1);

	if (p == NULL)
		lacked_memory = true;
	return p;
}

static void wipe_and_free(void *p)
{
	if (p != NULL)
		ma_wipe(p, malloc_usable_size(p));
	ma_free(p);
}

/* What was allocated before can be freed so, too: ma_alloc() is the C library's. */
static void wipe_what_is_freed(void)
{
	json_set_alloc_funcs(allocate, wipe_and_free);
}

static void forget(json_t **object)
{
	json_decref(*object);
	*object = NULL;
}

/* ---- reading a member ---- */

static void *field(const struct reader *reader, const struct member *member)
{
	return (char *)reader->entry + member->at;
}

static enum mailauth_status read_text(struct reader *reader, const struct member *member,
				      json_t *value)
{
	const char **text = field(reader, member);

	if (json_typeof(value) != JSON_STRING)
		return REFUSE(reader->why, "\"%s\" has to be a string", member->name);
	*text = json_string_value(value);
	return MAILAUTH_OK;
}

static enum mailauth_status read_flag(struct reader *reader, const struct member *member,
				      json_t *value)
{
	int64_t *flag = field(reader, member);
	json_type type = json_typeof(value);

	if (type != JSON_TRUE && type != JSON_FALSE)
		return REFUSE(reader->why, "\"%s\" has to be true or false", member->name);
	*flag = type == JSON_TRUE ? 1 : 0;
	return MAILAUTH_OK;
}

/* null is -1: "does not say" for an id, "not set" for days. */
static enum mailauth_status read_number(struct reader *reader, const struct member *member,
					json_t *value)
{
	int64_t *number = field(reader, member);
	json_int_t n = json_integer_value(value);
	json_type type = json_typeof(value);

	if (type != JSON_NULL && (type != JSON_INTEGER || n < 0 || n > member->max))
		return REFUSE(reader->why,
			      "\"%s\" has to be a whole number from 0 to %lld, or null",
			      member->name, (long long)member->max);
	*number = type == JSON_NULL ? -1 : n;
	return MAILAUTH_OK;
}

/* An array of words, as the list that an account keeps. */
static enum mailauth_status read_words(struct reader *reader, const struct member *member,
				       json_t *value)
{
	bool is_groups = member->at == offsetof(struct ma_entry, groups);
	struct ma_buf *list = is_groups ? &reader->json->groups : &reader->json->mechs;
	const char **text = field(reader, member);

	if (json_typeof(value) != JSON_ARRAY)
		return REFUSE(reader->why, "\"%s\" has to be an array of strings", member->name);
	ma_buf_reset(list);
	for (size_t i = 0; i < json_array_size(value); i++) {
		const char *word = json_string_value(json_array_get(value, i));

		if (word == NULL || word[0] == '\0' || strpbrk(word, ", \t") != NULL)
			return REFUSE(reader->why,
				      "\"%s\" has to be an array of strings, one word each",
				      member->name);
		if (i > 0)
			ma_buf_put_u8(list, is_groups ? ',' : ' ');
		ma_buf_put_text(list, word);
	}
	*text = ma_buf_text(list);
	return ma_buf_status(list);
}

static enum mailauth_status read_texts(struct reader *reader, const char *kind, const json_t *texts)
{
	struct ma_entry *entry = reader->entry;

	if (json_typeof(texts) != JSON_ARRAY || json_array_size(texts) == 0)
		return REFUSE(reader->why,
			      "\"secrets\": each member has to be an array of strings");
	for (size_t i = 0; i < json_array_size(texts); i++) {
		const char *text = json_string_value(json_array_get(texts, i));

		if (text == NULL)
			return REFUSE(reader->why,
				      "\"secrets\": each member has to be an array of strings");
		if (entry->n_secrets == MA_ENTRY_SECRETS_MAX)
			return REFUSE(reader->why, "\"secrets\": more than %d texts",
				      MA_ENTRY_SECRETS_MAX);
		entry->secrets[entry->n_secrets].kind = kind;
		entry->secrets[entry->n_secrets++].text = text;
	}
	return MAILAUTH_OK;
}

static enum mailauth_status read_secrets(struct reader *reader, const struct member *member,
					 json_t *value)
{
	enum mailauth_status status = MAILAUTH_OK;
	void *at = json_object_iter(value); /* NULL if it is no object */

	if (json_typeof(value) != JSON_OBJECT)
		return REFUSE(reader->why, "\"%s\" has to be an object", member->name);
	while (at != NULL && status == MAILAUTH_OK) {
		status = read_texts(reader, json_object_iter_key(at), json_object_iter_value(at));
		at = json_object_iter_next(value, at);
	}
	reader->entry->no_login = json_object_size(value) == 0;
	return status;
}

/* ---- writing a member ---- */

static const void *field_of(const struct ma_entry *entry, const struct member *member)
{
	return (const char *)entry + member->at;
}

/* @value NULL, because memory is lacking, is false. */
static bool add(json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value) == 0;
}

static bool write_text(const struct ma_entry *entry, const struct member *member, json_t *object)
{
	const char *const *text = field_of(entry, member);

	return *text == NULL || add(object, member->name, json_string(*text));
}

static bool write_flag(const struct ma_entry *entry, const struct member *member, json_t *object)
{
	const int64_t *flag = field_of(entry, member);

	return *flag < 0 || add(object, member->name, json_boolean(*flag > 0));
}

static bool write_number(const struct ma_entry *entry, const struct member *member, json_t *object)
{
	const int64_t *number = field_of(entry, member);

	if (*number == MA_DAY_UNKNOWN)
		return true;
	return add(object, member->name, *number < 0 ? json_null() : json_integer(*number));
}

static bool write_words(const struct ma_entry *entry, const struct member *member, json_t *object)
{
	const char *const *text = field_of(entry, member);
	struct ma_span list;
	struct ma_span word;
	json_t *array;

	if (*text == NULL)
		return true;
	list = ma_span_text(*text);
	array = json_array();
	if (!add(object, member->name, array))
		return false;
	while (ma_span_take_word(&list, ", ", &word)) {
		if (json_array_append_new(array, json_stringn((const char *)word.p, word.len)) != 0)
			return false;
	}
	return true;
}

static bool add_secret(json_t *secrets, const char *kind, const char *text)
{
	json_t *texts = json_object_get(secrets, kind);

	if (texts == NULL) {
		texts = json_array();
		if (!add(secrets, kind, texts))
			return false;
	}
	return json_array_append_new(texts, json_string(text)) == 0;
}

static bool write_secrets(const struct ma_entry *entry, const struct member *member, json_t *object)
{
	json_t *secrets;

	if (entry->n_secrets == 0 && entry->password == NULL && !entry->no_login)
		return true;
	secrets = json_object();
	if (!add(object, member->name, secrets))
		return false;
	for (size_t i = 0; i < entry->n_secrets; i++) {
		if (!add_secret(secrets, entry->secrets[i].kind, entry->secrets[i].text))
			return false;
	}
	/* A secret among others: as "password" it would replace them when it is read. */
	return entry->password == NULL || add_secret(secrets, "password", entry->password);
}

/* ---- objects ---- */

#define AT(field) offsetof(struct ma_entry, field)

static enum mailauth_status read_ageing(struct reader *reader, const struct member *member,
					json_t *value);
static bool write_ageing(const struct ma_entry *entry, const struct member *member, json_t *object);

/* In the order in which they are written. */
static const struct member account_members[] = {
	{"name", read_text, NULL, AT(name), 0},
	{"locked", read_flag, write_flag, AT(locked), 0},
	{"recoverable", read_flag, write_flag, AT(recoverable), 0},
	{"comment", read_text, write_text, AT(comment), 0},
	{"home", read_text, write_text, AT(home), 0},
	{"shell", read_text, write_text, AT(shell), 0},
	{"uid", read_number, write_number, AT(uid), ID_MAX},
	{"gid", read_number, write_number, AT(gid), ID_MAX},
	{"groups", read_words, write_words, AT(groups), 0},
	{"mech", read_words, write_words, AT(mechs), 0},
	{"ageing", read_ageing, write_ageing, 0, 0},
	{"password", read_text, NULL, AT(password), 0},
	{"secrets", read_secrets, write_secrets, 0, 0},
};

static const struct member ageing_members[] = {
	{"last_change", read_number, write_number, AT(last_change), INT32_MAX},
	{"min", read_number, write_number, AT(min), AGE_MAX},
	{"max", read_number, write_number, AT(max), AGE_MAX},
	{"warn", read_number, write_number, AT(warn), AGE_MAX},
	{"inactive", read_number, write_number, AT(inactive), AGE_MAX},
	{"expire", read_number, write_number, AT(expire), INT32_MAX},
};

static enum mailauth_status read_members(struct reader *reader, const struct member *members,
					 size_t n_members, json_t *object)
{
	enum mailauth_status status;
	size_t i;

	for (void *at = json_object_iter(object); at != NULL;
	     at = json_object_iter_next(object, at)) {
		const char *name = json_object_iter_key(at);

		if (members == account_members && strcmp(name, "format") == 0)
			continue;
		for (i = 0; i < n_members && strcmp(name, members[i].name) != 0; i++)
			;
		if (i == n_members)
			return REFUSE(reader->why,
				      "there is no member \"%.*s\", see mailuser-json(5)", SHOW_MAX,
				      name);
		status = members[i].read(reader, &members[i], json_object_iter_value(at));
		if (status != MAILAUTH_OK)
			return status;
	}
	return MAILAUTH_OK;
}

static enum mailauth_status read_ageing(struct reader *reader, const struct member *member,
					json_t *value)
{
	if (json_typeof(value) != JSON_OBJECT)
		return REFUSE(reader->why, "\"%s\" has to be an object", member->name);
	return read_members(reader, ageing_members, MA_ARRAY_SIZE(ageing_members), value);
}

static bool write_members(const struct ma_entry *entry, const struct member *members,
			  size_t n_members, json_t *object)
{
	bool ok = object != NULL;

	for (size_t i = 0; ok && i < n_members; i++)
		ok = members[i].write == NULL || members[i].write(entry, &members[i], object);
	return ok;
}

static bool write_ageing(const struct ma_entry *entry, const struct member *member, json_t *object)
{
	json_t *ageing = json_object();

	return add(object, member->name, ageing) &&
	       write_members(entry, ageing_members, MA_ARRAY_SIZE(ageing_members), ageing);
}

/* Looked at first: what else a later format has is not to be called a mistake. */
static enum mailauth_status check_format(const json_t *format, char *why)
{
	/* 0 if it is no integer */
	json_int_t n = json_integer_value(format);

	if (format == NULL || n == FORMAT)
		return MAILAUTH_OK;
	if (n < FORMAT)
		return REFUSE(why, "\"format\" has to be %d", FORMAT);
	return REFUSE(why,
		      "format %lld comes from a later version of mailuser; this one knows format "
		      "%d: import the file with that version",
		      (long long)n, FORMAT);
}

static enum mailauth_status read_account(struct reader *reader)
{
	json_t *object = reader->json->object;
	enum mailauth_status status;

	if (json_typeof(object) != JSON_OBJECT)
		return REFUSE(reader->why, "each line has to be a JSON object, {...}");
	reader->entry->name = json_string_value(json_object_get(object, "name"));
	status = check_format(json_object_get(object, "format"), reader->why);
	if (status != MAILAUTH_OK)
		return status;
	status = read_members(reader, account_members, MA_ARRAY_SIZE(account_members), object);
	if (status != MAILAUTH_OK)
		return status;
	if (reader->entry->name == NULL)
		return REFUSE(reader->why, "there is no \"name\"");
	if (reader->entry->password != NULL && json_object_get(object, "secrets") != NULL)
		return REFUSE(reader->why, "\"password\" and \"secrets\" exclude each other: all "
					   "secrets are made anew from the password");
	return MAILAUTH_OK;
}

/* ---- lines ---- */

/* Texts of ours: jansson's show what stands near, which may be a password. */
static const char *describe(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_invalid_utf8:
		return "not valid UTF-8";
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return "\\u0000 is not allowed";
	case json_error_duplicate_key:
		return "a member is there twice";
	case json_error_stack_overflow:
		return "nested too deeply";
	case json_error_numeric_overflow:
		return "the number is too large";
	case json_error_premature_end_of_input:
		return "the object does not end: each account has to be on one line";
	case json_error_end_of_input_expected:
		return "there is something behind the object: each account has to be on a line of "
		       "its own";
	default:
		return "this is no JSON";
	}
}

static enum mailauth_status parse(struct json_import *json, const char *text, char *why)
{
	json_error_t error = {.line = -1};

	lacked_memory = false;
	json->object = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (lacked_memory)
		return MAILAUTH_E_NOMEM;
	if (json->object != NULL)
		return MAILAUTH_OK;
	return REFUSE(why, "character %d: %s", error.column, describe(&error));
}

static bool is_blank(const char *text)
{
	return text[strspn(text, " \t")] == '\0';
}

static enum mailauth_status next_line(struct json_import *json, const char **text_out, char *why)
{
	static const char mark[] = "\xef\xbb\xbf"; /* some editors begin a file with it */

	do {
		enum mailauth_status status = ma_lines_next(&json->lines, why);

		if (status != MAILAUTH_OK)
			return status;
		*text_out = json->lines.text;
		if (json->lines.n == 1 && strncmp(*text_out, mark, strlen(mark)) == 0)
			*text_out += strlen(mark);
	} while (is_blank(*text_out));
	return MAILAUTH_OK;
}

static enum mailauth_status json_next(struct ma_import *import, struct ma_entry *entry_out,
				      char *why)
{
	struct json_import *json = (struct json_import *)import;
	struct reader reader = {.json = json, .entry = entry_out, .why = why};
	const char *text = NULL;
	enum mailauth_status status;

	forget(&json->object);
	ma_entry_init(entry_out);
	why[0] = '\0';
	status = next_line(json, &text, why);
	entry_out->line = json->lines.n;
	if (status != MAILAUTH_OK)
		return status;
	status = parse(json, text, why);
	if (status == MAILAUTH_OK)
		status = read_account(&reader);
	return status;
}

static void json_close(struct ma_import **import)
{
	struct json_import *json = (struct json_import *)*import;

	if (json == NULL)
		return;
	forget(&json->object);
	ma_buf_clear(&json->groups);
	ma_buf_clear(&json->mechs);
	ma_lines_close(&json->lines);
	ma_free(json);
	*import = NULL;
}

static enum mailauth_status json_open(const struct ma_import_params *params,
				      struct ma_import **import_out, char *why)
{
	struct json_import *json = ma_alloc(sizeof(*json));
	enum mailauth_status status;

	*import_out = NULL;
	if (json == NULL) {
		ma_why(why, "out of memory");
		return MAILAUTH_E_NOMEM;
	}
	status = ma_lines_open(&json->lines, params->file, why);
	if (status != MAILAUTH_OK) {
		ma_free(json);
		return status;
	}
	wipe_what_is_freed();
	json->import.format = &ma_format_json;
	json->groups = ma_buf(MA_LINE_MAX);
	json->mechs = ma_buf(MA_LINE_MAX);
	*import_out = &json->import;
	return MAILAUTH_OK;
}

/* ---- the format ---- */

static enum mailauth_status not_utf8(const char *what, char *why)
{
	ma_why(why, "\"%s\" is not UTF-8, which JSON has to be", what);
	return MAILAUTH_E_UNSUPPORTED;
}

/* Why could an object not be made? */
static enum mailauth_status blame(const struct ma_entry *entry, char *why)
{
	for (size_t i = 0; i < MA_ARRAY_SIZE(account_members); i++) {
		const char *const *text = field_of(entry, &account_members[i]);

		if (account_members[i].read == read_text && *text != NULL &&
		    !ma_span_is_utf8(ma_span_text(*text)))
			return not_utf8(account_members[i].name, why);
	}
	for (size_t i = 0; i < entry->n_secrets; i++) {
		if (!ma_span_is_utf8(ma_span_text(entry->secrets[i].text)))
			return not_utf8(entry->secrets[i].kind, why);
	}
	return MAILAUTH_E_NOMEM;
}

static enum mailauth_status json_put(const struct ma_export_params *params,
				     const struct ma_entry *entry, char *why)
{
	struct ma_span name = ma_export_name(params, entry);
	json_t *object;
	bool is_whole;
	int result;

	why[0] = '\0';
	wipe_what_is_freed();
	lacked_memory = false;
	object = json_object();
	is_whole = add(object, "format", json_integer(FORMAT)) &&
		   add(object, "name", json_stringn((const char *)name.p, name.len)) &&
		   write_members(entry, account_members, MA_ARRAY_SIZE(account_members), object);
	if (!is_whole) {
		json_decref(object);
		return blame(entry, why);
	}
	result = json_dumpf(object, params->out, JSON_COMPACT);
	forget(&object);
	if (lacked_memory)
		return MAILAUTH_E_NOMEM;
	if (result != 0 || putc('\n', params->out) == EOF)
		return MAILAUTH_E_TEMPFAIL;
	return MAILAUTH_OK;
}

const struct ma_format ma_format_json = {
	.name = "json",
	.summary = "JSON Lines, all that accounts hold, see mailuser-json(5)",
	.default_file = NULL,
	.open = json_open,
	.next = json_next,
	.close = json_close,
	.put = json_put,
};
