/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * foreign.c - configuration files of other programs, read defensively
 *
 * A file may be a FIFO, a device, endless, or full of rubbish; the doctor runs as root and must
 * neither wait nor believe. So a file is opened without waiting, must be a regular one, and is read
 * to a limit. The settings point into its text, which is cut up in place.
 *
 * These are no full parsers. Each program's own is the judge of its files; what is taken from them
 * here is one "name value" pair for each line, enough to see what usually goes wrong.
 */
#include "foreign.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static enum foreign read_all(int fd, size_t size, char **text_out)
{
	char *text = malloc(size + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (text == NULL)
		return MA_FOREIGN_DENIED;
	while (n > 0 && len < size) {
		n = read(fd, text + len, size - len);
		if (n > 0)
			len += (size_t)n;
	}
	if (n < 0) {
		free(text);
		return MA_FOREIGN_DENIED;
	}
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0')
			text[i] = '?';
	text[len] = '\0';
	*text_out = text;
	return MA_FOREIGN_READ;
}

enum foreign ma_foreign_read(const char *path, char **text_out)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	enum foreign result = MA_FOREIGN_ODD;
	struct stat st;

	*text_out = NULL;
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return MA_FOREIGN_MISSING;
	if (fd < 0) /* a socket, a device without a driver */
		return errno == ENXIO ? MA_FOREIGN_ODD : MA_FOREIGN_DENIED;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= (off_t)MA_FOREIGN_MAX)
		result = read_all(fd, (size_t)st.st_size, text_out);
	(void)close(fd);
	return result;
}

/*
 * postconf(5): a line that begins with white space goes on with the one before. Comments and empty
 * lines between do not end it; they are taken out.
 */
static void join_lines(char *text)
{
	char *end = text;
	const char *next;

	for (const char *line = text; *line != '\0'; line = next) {
		size_t len = strcspn(line, "\n");
		size_t blank = strspn(line, " \t");

		next = line + len + (line[len] == '\n');
		if (blank == len || line[blank] == '#')
			continue;
		if (blank > 0 && end > text)
			end[-1] = ' ';
		memmove(end, line, (size_t)(next - line));
		end += next - line;
	}
	*end = '\0';
}

static char *trim(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* False: the line is no setting. */
static bool split(enum style style, char *line, struct setting *out)
{
	char separator = style == MA_STYLE_SASL ? ':' : '=';
	char *value;

	if (style == MA_STYLE_SENDMAIL && (line[0] != 'O' || line[1] != ' '))
		return false;
	if (style == MA_STYLE_SENDMAIL)
		line += 2;
	value = strchr(line, separator);
	if (value == NULL)
		return false;
	*value++ = '\0';
	out->name = trim(line);
	out->value = trim(value);
	for (char *p = line; style != MA_STYLE_EXIM && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return out->name[0] != '\0';
}

static bool add(struct settings *settings, const struct setting *setting)
{
	struct setting *items;

	if ((settings->n & (settings->n - 1)) == 0) { /* 0, or full: a power of two */
		size_t room = settings->n == 0 ? 1 : 2 * settings->n;

		items = reallocarray(settings->items, room, sizeof(*items));
		if (items == NULL)
			return false;
		settings->items = items;
	}
	settings->items[settings->n++] = *setting;
	return true;
}

/* Exim's labels ("name:") tell one authenticator from the next: kept, without a value. */
static bool is_label(enum style style, const char *line)
{
	size_t len = strlen(line);

	return style == MA_STYLE_EXIM && len > 1 && line[len - 1] == ':' &&
	       strchr(line, ' ') == NULL;
}

static bool parse(char *text, struct settings *settings)
{
	bool each_counts = settings->style == MA_STYLE_SASL;
	unsigned int n = 0;
	char *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		struct setting setting = {.name = NULL};

		n++;
		line = trim(line);
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (is_label(settings->style, line))
			setting = (struct setting){.name = line, .value = ""};
		else if (!split(settings->style, line, &setting)) {
			if (each_counts && settings->bad_line == 0)
				settings->bad_line = n;
			continue;
		}
		if (!add(settings, &setting))
			return false;
	}
	return true;
}

enum foreign ma_settings_load(const char *path, enum style style, struct settings *settings)
{
	enum foreign result;
	char *text;

	if (settings->n_texts == MA_FOREIGN_FILES)
		return MA_FOREIGN_ODD;
	result = ma_foreign_read(path, &text);
	if (result != MA_FOREIGN_READ)
		return result;
	settings->texts[settings->n_texts++] = text;
	settings->style = style;
	if (style == MA_STYLE_POSTFIX)
		join_lines(text);
	if (parse(text, settings))
		return MA_FOREIGN_READ;
	errno = ENOMEM;
	return MA_FOREIGN_DENIED;
}

const char *ma_settings_get(const struct settings *settings, const char *name)
{
	bool is_first = settings->style == MA_STYLE_SASL || settings->style == MA_STYLE_OWN;
	const char *value = NULL;

	for (size_t i = 0; i < settings->n; i++) {
		if (strcmp(settings->items[i].name, name) != 0)
			continue;
		value = settings->items[i].value;
		if (is_first)
			break;
	}
	return value;
}

void ma_settings_clear(struct settings *settings)
{
	for (size_t i = 0; i < settings->n_texts; i++)
		free(settings->texts[i]);
	free(settings->items);
	*settings = (struct settings){0};
}

bool ma_word_next(const char **list, char *word, size_t size)
{
	static const char between[] = " \t\r\n,:";
	const char *p = *list + strspn(*list, between);
	size_t len = strcspn(p, between);
	size_t n = len < size ? len : size - 1;

	memcpy(word, p, n);
	word[n] = '\0';
	*list = p + len;
	return len > 0;
}

bool ma_word_in(const char *list, const char *word)
{
	char each[256];

	while (list != NULL && ma_word_next(&list, each, sizeof(each)))
		if (strcasecmp(each, word) == 0)
			return true;
	return false;
}
