/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * elsewhere.c - does a name already mean something to the mail system?
 *
 * An account whose name is also a Unix user or an alias gets no mail where the mail server looks
 * there first, and the administrator wonders for days. So `mailuser add` looks too.
 *
 * The aliases file is read as aliases(5) of Postfix and Sendmail describe it: "name: value", the
 * name possibly in quotes, any case; lines that begin with white space go on with the entry before,
 * '#' begins a comment. Values, includes and alias databases of other kinds are not looked at.
 */
#include "elsewhere.h"

#include <mailauth/admin.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cmd.h"

bool ma_elsewhere_unix(const char *local)
{
	return getpwnam(local) != NULL;
}

/* Is this line the beginning of the entry for local? */
static bool alias_is(const char *line, const char *local)
{
	const char *name = line;
	const char *end;
	size_t len;

	if (line[0] == '"') {
		name = line + 1;
		end = strchr(name, '"');
	} else {
		end = strchr(name, ':');
	}
	if (end == NULL)
		return false;

	len = (size_t)(end - name);
	while (len > 0 && (name[len - 1] == ' ' || name[len - 1] == '\t'))
		len--;
	return len == strlen(local) && strncasecmp(name, local, len) == 0;
}

bool ma_elsewhere_alias(const char *local, const char *file)
{
	bool found = false;
	char *line = NULL;
	size_t size = 0;
	FILE *stream = fopen(file, "re");

	if (stream == NULL)
		return false;
	while (!found && getline(&line, &size, stream) >= 0)
		found = alias_is(line, local);
	free(line);
	(void)fclose(stream);
	return found;
}

bool ma_elsewhere_warn(const char *name, bool is_strict)
{
	const char *level = is_strict ? "" : "warning: ";
	char local[MAILAUTH_LOCAL_MAX + 1];
	bool found = false;

	(void)snprintf(local, sizeof(local), "%.*s", (int)strcspn(name, "@"), name);
	if (ma_elsewhere_unix(local)) {
		ma_say("%s'%s' is also a Unix user: mail for it may go there", level, local);
		found = true;
	}
	if (ma_elsewhere_alias(local, MA_ALIASES_FILE)) {
		ma_say("%s'%s' is also in %s: mail for it may go elsewhere", level, local,
		       MA_ALIASES_FILE);
		found = true;
	}
	return found;
}
