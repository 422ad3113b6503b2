/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * check_open.c - what the library itself said when the store was opened
 *
 * The library names the file, the line and the cure. What check_files.c has said about the same
 * file is not said twice.
 */
#include <string.h>

#include "doctor.h"

static bool is_said(const struct doctor *doctor, const char *text)
{
	for (const struct finding *finding = doctor->findings; finding != NULL;
	     finding = finding->next)
		if (strcmp(finding->check, "files") == 0 && strstr(text, finding->subject) != NULL)
			return true;
	return false;
}

static const char *subject_of(const struct doctor *doctor, const char *event)
{
	if (strcmp(event, "key") == 0)
		return doctor->key_file;
	if (strcmp(event, "store") == 0 && doctor->store[0] != '\0')
		return doctor->store;
	return doctor->config;
}

/* "what is wrong; what to do" */
static void report(struct doctor *doctor, const struct complaint *complaint)
{
	const char *cure = strstr(complaint->text, "; ");
	int len = (int)(cure == NULL ? strlen(complaint->text) : (size_t)(cure - complaint->text));

	ma_finding_add(
		doctor,
		complaint->level == MAILAUTH_LOG_ERROR ? MA_FINDING_ERROR : MA_FINDING_WARNING,
		subject_of(doctor, complaint->event), ma_text("%.*s", len, complaint->text).text,
		cure != NULL ? cure + 2
			     : ma_text("edit %s; see mailauth.conf(5)", doctor->config).text);
}

static void run(struct doctor *doctor)
{
	if (doctor->is_bare)
		return;
	for (size_t i = 0; i < doctor->n_open_complaints; i++) {
		const struct complaint *complaint = &doctor->open_complaints[i];

		if (!is_said(doctor, complaint->text))
			report(doctor, complaint);
	}
	if (doctor->ctx == NULL && doctor->n_open_complaints == 0 && !doctor->is_odd)
		ma_finding_add(doctor, MA_FINDING_ERROR, doctor->config,
			       "the store cannot be opened",
			       "mailuser list says more; see mailauth.conf(5)");
}

const struct check ma_check_open = {"open", run};
