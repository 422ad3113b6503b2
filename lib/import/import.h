/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * import.h - accounts from and to the files of other systems
 *
 * A format is one file, import_foo.c, that turns a foreign account into a struct ma_entry and back,
 * and one word in the list `imports` of lib/meson.build. What an entry means to an account of ours
 * is decided in import.c, once for all formats; it uses the public API alone. So the data flows
 *
 *   file -> format->next() -> struct ma_entry -> struct mailauth_user -> the caller's batch
 *   store -> struct mailauth_user -> struct ma_entry -> format->put() -> FILE
 *
 * All this is a library of its own, linked into mailuser and not into libmailauth.so: a mail server
 * has no use for the JSON and database libraries that it needs.
 *
 * Input is hostile: it is bounded by the limits below, and what is malformed is refused with a text
 * that the caller prints with file and line. Secrets are wiped.
 */
#ifndef MA_IMPORT_IMPORT_H
#define MA_IMPORT_IMPORT_H

#include <mailauth/admin.h>
#include <stdio.h>

#include "util/base.h"
#include "util/buf.h"
#include "util/span.h"

#define MA_LINE_MAX	     65536 /* bytes in one line or one account of a file */
#define MA_ENTRY_SECRETS_MAX 64	   /* 8 kinds, one of which is a hash for each realm and form */
#define MA_WHY_MAX	     512   /* bytes in a text for the user, with its NUL */
#define MA_DAY_UNKNOWN	     (-2)  /* the format does not say; -1: it says "not set" */

/* One secret, as mailauth_user_put_secret() takes it. */
struct ma_entry_secret {
	const char *kind;
	const char *text;
};

/*
 * An account as a format knows it. NULL, -1 and MA_DAY_UNKNOWN: the format does not say. Texts
 * belong to the import and last until its next call.
 */
struct ma_entry {
	unsigned long line; /* where it began; 0: the format has no lines */
	const char *name;   /* as it stands there: local or local@realm */
	const char *comment;
	const char *home;
	const char *shell;
	const char *groups; /* separated by commas */
	const char *mechs;
	int64_t uid;
	int64_t gid;
	int64_t locked; /* 0, 1 */
	int64_t recoverable;
	int64_t last_change; /* days; MA_DAY_UNKNOWN if not said; so are the next five */
	int64_t min;
	int64_t max;
	int64_t warn;
	int64_t inactive;
	int64_t expire;
	const char *password; /* in the clear: all verifiers are derived from it */
	size_t n_secrets;
	struct ma_entry_secret secrets[MA_ENTRY_SECRETS_MAX];
	bool no_login;	  /* the format says: no password fits */
	const char *note; /* what did not come along, and why; NULL: all came */
};

/* Says nothing. */
void ma_entry_init(struct ma_entry *entry);

/* Where accounts come from. */
struct ma_import_params {
	const char *file;   /* the format's main file; NULL: its default_file */
	const char *second; /* shadow: the shadow file; NULL: the system's if @file is, else none */
	const char *third;  /* shadow: the group file; NULL: likewise */
	const char *realm;  /* of names without one, as in struct ma_import_rules */
	int64_t min_uid;    /* shadow: accounts below and above are passed over; -1: none are */
	int64_t max_uid;
};

struct ma_import; /* an open file of one format; the format's own struct begins with it */

struct ma_export_params {
	FILE *out;
	FILE *second;	   /* shadow: where passwd(5) lines go; NULL: nowhere */
	const char *realm; /* accounts of this realm are written without it; NULL: all with */
	const char *mech;  /* dovecot, courier: the mechanism to serve where the form has room for
			    * one secret alone; NULL: the strongest secret */
};

struct ma_format {
	const char *name;
	const char *summary;	  /* for --help: "passwd-file of Dovecot" */
	const char *default_file; /* NULL: a file must be given */
	/*
	 * Opens the files. MAILAUTH_E_CONFIG: cannot be read, or not of this format; @why says
	 * which file and what to do (MA_WHY_MAX bytes).
	 */
	enum mailauth_status (*open)(const struct ma_import_params *params,
				     struct ma_import **import_out, char *why);
	/*
	 * The next account. MAILAUTH_E_NOTFOUND: no more. MAILAUTH_E_USAGE: this one is malformed;
	 * entry->line is set, and the name if there is one; @why says how; the caller may go on.
	 * MAILAUTH_E_CONFIG: the file cannot be read on; @why. MAILAUTH_E_NOMEM.
	 */
	enum mailauth_status (*next)(struct ma_import *import, struct ma_entry *entry_out,
				     char *why);
	void (*close)(struct ma_import **import);
	/*
	 * Writes an account; NULL: the format cannot be exported to. MAILAUTH_E_UNSUPPORTED: the
	 * form has no way to say it; @why. MAILAUTH_E_TEMPFAIL: cannot be written; errno. @why may
	 * also be set on success: what was left out.
	 */
	enum mailauth_status (*put)(const struct ma_export_params *params,
				    const struct ma_entry *entry, char *why);
};

struct ma_import {
	const struct ma_format *format;
	/* About the file as a whole, for the caller to print at its end; empty: nothing. */
	char note[MA_WHY_MAX];
};

/* All formats, ended by NULL; written by the build. */
extern const struct ma_format *const ma_formats[];

const struct ma_format *ma_format_find(const char *name);

/* What becomes of an entry. */
struct ma_import_rules {
	const char *realm;
	bool update;	  /* accounts that are there take over what the entry says */
	bool recoverable; /* keep passwords that come in the clear */
};

/*
 * An account for mailauth_batch_put(). MAILAUTH_E_EXISTS: it is there and rules->update is not set;
 * MAILAUTH_E_USAGE: it cannot be an account; @why. On success @why is what did not come along, or
 * empty. Passwords in the clear are derived from here, so this is the slow part, and may run in
 * several threads at once.
 *
 * An update replaces what the entry knows. Secrets: the entry's replace all of the account's, and
 * no_login removes them; but where the entry has a secret that the account holds already, say its
 * crypt string, and none of a kind that it holds otherwise, the password is still the same, and
 * what was derived from it stays.
 *
 * A text that an account of ours cannot hold, say a comment that is not UTF-8, is left out and
 * @why says so. A secret that cannot be used is an error.
 */
MA_MUST_CHECK enum mailauth_status ma_import_user(struct mailauth *ctx,
						  const struct ma_entry *entry,
						  const struct ma_import_rules *rules,
						  struct mailauth_user **user_out, char *why);

/*
 * An account as an entry: a password that is kept is ->password, all else is among ->secrets. Texts
 * point into @user and @bytes (at least 128 KiB of maximum), which the caller clears.
 */
MA_MUST_CHECK enum mailauth_status
ma_export_entry(const struct mailauth_user *user, struct ma_buf *bytes, struct ma_entry *entry_out);

/*
 * A deep copy in one block, for handing an entry to another thread; NULL: no memory.
 * ma_entry_free() wipes it.
 */
MA_MUST_CHECK struct ma_entry *ma_entry_copy(const struct ma_entry *entry);
void ma_entry_free(struct ma_entry **entry);

/* ---- for formats ---- */

/* A text for the user: one line, printable whatever stands in the arguments, cut at MA_WHY_MAX. */
void ma_why(char *why, const char *fmt, ...) MA_PRINTF(2, 3);

/* Decimal digits alone, from 0 to @max; false for anything else. */
MA_MUST_CHECK bool ma_import_number(const char *text, int64_t max, int64_t *out);

/*
 * What a crypt(3) field of a passwd file means to an entry: a hash is a secret; "!" before it is a
 * lock; no hash is no login, with a note. @hash lasts as long as the entry's texts.
 */
void ma_import_crypt(const char *hash, struct ma_entry *entry);

#define MA_HMAC_MD5_TEXT 65 /* bytes in a cram-md5 secret as text, with its NUL */

/*
 * Dovecot and Courier keep what a cram-md5 secret holds in another order: the outer state first,
 * and words with their least significant byte first. The way back is the same. False: not 64
 * digits.
 */
MA_MUST_CHECK bool ma_import_hmac_md5(const char *text, char out[MA_HMAC_MD5_TEXT]);

/*
 * Splits a line of a file at @separator, in place. How many fields there are, which may be more
 * than @max: the last of them has the rest then.
 */
size_t ma_import_split(char *line, char separator, char *fields_out[], size_t max);

/* Can the text stand in a line: no control character, none of @forbidden? */
bool ma_export_fits(const char *text, const char *forbidden);

/* The name to write: without its realm if that is params->realm. */
struct ma_span ma_export_name(const struct ma_export_params *params, const struct ma_entry *entry);

/* The text of a secret of this kind, NULL if there is none; "password" is ->password. */
const char *ma_entry_secret(const struct ma_entry *entry, const char *kind);

/* Reads a file of lines. */
struct ma_lines {
	FILE *file;
	const char *path; /* as given; must last */
	char *text;	  /* the line without its end, NUL-terminated; the caller may change it */
	size_t len;
	size_t size;
	size_t max;	 /* MA_LINE_MAX; the caller may change it */
	unsigned long n; /* its number, from 1 */
	char *stdio;	 /* so that no password stays in the memory of stdio */
};

MA_MUST_CHECK enum mailauth_status ma_lines_open(struct ma_lines *lines, const char *path,
						 char *why);
/*
 * The next line, with "\n" or "\r\n" taken off. MAILAUTH_E_NOTFOUND: no more; MAILAUTH_E_USAGE: too
 * long, or has a NUL byte, and the next call goes on behind it; MAILAUTH_E_CONFIG: cannot be read;
 * MAILAUTH_E_NOMEM. @why.
 */
MA_MUST_CHECK enum mailauth_status ma_lines_next(struct ma_lines *lines, char *why);
void ma_lines_close(struct ma_lines *lines);

#endif
