/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * foreign.h - configuration files of other programs, read defensively
 */
#ifndef MAILUSER_FOREIGN_H
#define MAILUSER_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>

#define MA_FOREIGN_MAX	 ((size_t)32 * 1024 * 1024) /* bytes of a file that is looked at */
#define MA_FOREIGN_FILES 4			    /* files that make one set of settings */

enum foreign {
	MA_FOREIGN_READ,
	MA_FOREIGN_MISSING,
	MA_FOREIGN_DENIED, /* errno says why */
	MA_FOREIGN_ODD	   /* no regular file, or longer than MA_FOREIGN_MAX */
};

/** How a file is written. */
enum style {
	MA_STYLE_SASL,	   /* "name: value"; the first of a name counts */
	MA_STYLE_POSTFIX,  /* "name = value", goes on in lines that begin with white space; last */
	MA_STYLE_SENDMAIL, /* "O Name=value" among other lines; last */
	MA_STYLE_EXIM,	   /* "name = value" among other lines; in order */
	MA_STYLE_OWN	   /* mailauth.conf: "name = value"; first */
};

struct setting {
	const char *name; /* lower case, but for Exim, where capitals are macros */
	const char *value;
};

/** What one program's configuration says. Zero is empty. */
struct settings {
	enum style style;
	unsigned int bad_line; /* the first that is no setting where each must be one; 0: none */
	size_t n;
	struct setting *items;
	size_t n_texts;
	char *texts[MA_FOREIGN_FILES];
};

/**
 * ma_foreign_read() - a whole file, if it is a regular one
 * @path:     the file; links are followed
 * @text_out: the text, NUL-terminated, with '?' for each NUL inside; free() it; NULL on failure
 */
enum foreign ma_foreign_read(const char *path, char **text_out);

/**
 * ma_settings_load() - add the settings of a file
 * @path:     the file
 * @style:    how it is written
 * @settings: where they go; ma_settings_clear() frees them
 */
enum foreign ma_settings_load(const char *path, enum style style, struct settings *settings);

/** ma_settings_get() - one value; NULL: not set */
const char *ma_settings_get(const struct settings *settings, const char *name);

void ma_settings_clear(struct settings *settings);

/**
 * ma_word_next() - take the next word of a list
 * @list: the rest of the list, separated by white space, commas or colons
 * @word: the word, cut to fit
 * Return: false if there is none
 */
bool ma_word_next(const char **list, char *word, size_t size);

/** ma_word_in() - is the word in the list, in any case of letters? */
bool ma_word_in(const char *list, const char *word);

#endif
