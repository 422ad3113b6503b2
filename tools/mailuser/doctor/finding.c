/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * finding.c - the report: collect findings, print them as lines or as JSON
 *
 * Texts quote files and names that others wrote. Whatever is not printable ASCII becomes '?', so
 * that no escape sequence reaches a root's terminal and every text is good JSON.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

static const char *const severities[] = {
	[MA_FINDING_ERROR] = "error",
	[MA_FINDING_WARNING] = "warning",
	[MA_FINDING_INFO] = "info",
};

struct text ma_text(const char *format, ...)
{
	struct text out;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(out.text, sizeof(out.text), format, args);
	va_end(args);
	return out;
}

static void copy_clean(char *out, size_t size, const char *text)
{
	(void)snprintf(out, size, "%s", text);
	for (; *out != '\0'; out++)
		if (*out < ' ' || *out > '~')
			*out = '?';
}

void ma_finding_add(struct doctor *doctor, enum severity severity, const char *subject,
		    const char *problem, const char *advice)
{
	struct finding *finding = malloc(sizeof(*finding));

	if (finding == NULL) {
		doctor->is_broken = true;
		return;
	}
	if (doctor->last == NULL)
		doctor->findings = finding;
	else
		doctor->last->next = finding;
	doctor->last = finding;
	finding->next = NULL;
	finding->check = doctor->checking;
	finding->severity = severity;
	copy_clean(finding->subject, sizeof(finding->subject), subject);
	copy_clean(finding->problem, sizeof(finding->problem), problem);
	copy_clean(finding->advice, sizeof(finding->advice), advice);
}

/* With the account's name for NAME, if a shell takes that as it is: it was chosen by somebody. */
static struct text advise(const char *advice, const char *name)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyz0123456789.@_+-";
	struct text out = {""};
	const char *at;

	if (name[strspn(name, harmless)] != '\0')
		return ma_text("%s", advice);
	for (at = strstr(advice, "NAME"); at != NULL; at = strstr(advice, "NAME")) {
		out = ma_text("%s%.*s%s", out.text, (int)(at - advice), advice, name);
		advice = at + strlen("NAME");
	}
	return ma_text("%s%s", out.text, advice);
}

void ma_finding_account(struct doctor *doctor, enum severity severity, const char *name,
			const char *problem, const char *advice)
{
	ma_finding_add(doctor, severity, name, problem, advise(advice, name).text);
}

void ma_finding_names(struct doctor *doctor, enum severity severity, const struct names *names,
		      const char *problem, const char *advice)
{
	for (size_t i = 0; i < names->n && i < MA_DOCTOR_NAMES_MAX; i++)
		ma_finding_account(doctor, severity, names->items[i].text, problem, advice);
	if (names->n > MA_DOCTOR_NAMES_MAX)
		ma_finding_add(doctor, severity,
			       ma_text("%llu more accounts",
				       (unsigned long long)(names->n - MA_DOCTOR_NAMES_MAX))
				       .text,
			       problem, advice);
}

void ma_names_add(struct names *names, const char *name)
{
	if (names->n < MA_DOCTOR_NAMES_MAX)
		(void)snprintf(names->items[names->n].text, sizeof(names->items[0].text), "%s",
			       name);
	names->n++;
}

struct text ma_names_some(const struct names *names)
{
	size_t shown = names->n > 3 ? 2 : (size_t)names->n;
	struct text out = {""};

	for (size_t i = 0; i < shown; i++)
		out = ma_text("%s%s%s", out.text, i == 0 ? "" : ", ", names->items[i].text);
	if (names->n > shown)
		out = ma_text("%s and %llu more", out.text, (unsigned long long)(names->n - shown));
	return out;
}

void ma_finding_clear(struct doctor *doctor)
{
	while (doctor->findings != NULL) {
		struct finding *next = doctor->findings->next;

		free(doctor->findings);
		doctor->findings = next;
	}
	doctor->last = NULL;
}

void ma_finding_print(const struct doctor *doctor)
{
	for (const struct finding *finding = doctor->findings; finding != NULL;
	     finding = finding->next)
		(void)printf("%s: %s: %s: %s\n", severities[finding->severity], finding->subject,
			     finding->problem, finding->advice);
}

bool ma_finding_print_json(const struct doctor *doctor)
{
	json_t *array = json_array();
	bool is_good = array != NULL;

	for (const struct finding *finding = doctor->findings; is_good && finding != NULL;
	     finding = finding->next)
		is_good = json_array_append_new(
				  array,
				  json_pack("{s:s, s:s, s:s, s:s, s:s}", "check", finding->check,
					    "severity", severities[finding->severity], "subject",
					    finding->subject, "problem", finding->problem, "advice",
					    finding->advice)) == 0;
	is_good = is_good && json_dumpf(array, stdout, JSON_INDENT(2)) == 0;
	(void)printf("\n");
	json_decref(array);
	return is_good;
}
