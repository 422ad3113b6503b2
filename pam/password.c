/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * password.c - change a password
 *
 * libpam runs a password stack twice: a preliminary check of every module, and the changes only if
 * all of the first round was well. A module that is `optional` is called the second time whatever
 * it said the first time, so the first round leaves its answer with the PAM handle, and without a
 * good one nothing is changed.
 *
 * root may change every password. A user has to know the old one, as mail knows it; with `capture`
 * the module before us has seen to that, and what it changes is done here, too, even where the two
 * passwords had drifted apart.
 */
#include "module.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_ext.h>

#define CHANGE_DATA "mailauth_change"

/* What the preliminary check said. */
struct answer {
	int code;
	char *user;
};

static void free_answer(pam_handle_t *pamh, void *data, int status)
{
	struct answer *answer = data;

	(void)pamh;
	(void)status;
	if (answer == NULL)
		return;
	free(answer->user);
	free(answer);
}

static int keep_answer(const struct ma_pam *pam, int code)
{
	struct answer *answer = calloc(1, sizeof(*answer));

	if (answer == NULL)
		return PAM_BUF_ERR;
	answer->code = code;
	answer->user = strdup(pam->user);
	if (answer->user == NULL ||
	    pam_set_data(pam->pamh, CHANGE_DATA, answer, free_answer) != PAM_SUCCESS) {
		free_answer(pam->pamh, answer, 0);
		return PAM_BUF_ERR;
	}
	return code;
}

/* PAM_AUTHTOK_ERR if this user's change was never checked. */
static int kept_answer(const struct ma_pam *pam)
{
	const void *data = NULL;
	const struct answer *answer;

	if (pam_get_data(pam->pamh, CHANGE_DATA, &data) != PAM_SUCCESS || data == NULL)
		return PAM_AUTHTOK_ERR;
	answer = data;
	return strcmp(answer->user, pam->user) == 0 ? answer->code : PAM_AUTHTOK_ERR;
}

static int64_t today(void)
{
	return (int64_t)time(NULL) / 86400;
}

static bool is_state(const char *state, const char *wanted)
{
	return state != NULL && strcmp(state, wanted) == 0;
}

/* Does a user who knows the password have leave to change it now? */
static int judge_change(const struct ma_pam *pam, const struct mailauth_user *user)
{
	const char *state = mailauth_user_state(user);
	int64_t last_change = mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE);
	int64_t min = mailauth_user_number(user, MAILAUTH_NUMBER_MIN);

	if (is_state(state, "locked"))
		return PAM_PERM_DENIED;
	if (is_state(state, "expired"))
		return PAM_ACCT_EXPIRED;
	if (is_state(state, "password-expired"))
		return PAM_AUTHTOK_EXPIRED;
	if (is_state(state, "must-change") || last_change < 0 || min < 0)
		return PAM_SUCCESS;
	/* Below zero after the clock was set back: a young password, but not for ever. */
	if (today() >= last_change && today() - last_change < min) {
		if (!ma_pam_is_silent(pam))
			pam_error(pam->pamh, "You must wait longer to change your password.");
		return PAM_AUTHTOK_ERR;
	}
	return PAM_SUCCESS;
}

static int check_old_password(struct ma_pam *pam)
{
	const char *password = NULL;
	int code = pam_get_authtok(pam->pamh, PAM_OLDAUTHTOK, &password, NULL);

	if (code != PAM_SUCCESS)
		return code;
	return ma_pam_verify(pam, password);
}

static int check_user(struct ma_pam *pam, const struct mailauth_user *user)
{
	const char *state = mailauth_user_state(user);
	int code;

	if ((pam->flags & PAM_CHANGE_EXPIRED_AUTHTOK) != 0 && !is_state(state, "must-change") &&
	    !is_state(state, "password-expired"))
		return PAM_IGNORE;
	if (getuid() == 0)
		return PAM_SUCCESS;
	code = check_old_password(pam);
	return code == PAM_SUCCESS ? judge_change(pam, user) : code;
}

static int check_change(struct ma_pam *pam)
{
	struct mailauth_user *user = NULL;
	int code = ma_pam_open(pam, true);

	if (code == PAM_SUCCESS)
		code = ma_pam_find(pam, &user);
	if (code == PAM_SUCCESS && !pam->capture)
		code = check_user(pam, user);
	mailauth_user_free(&user);
	/* libpam's word for "not now" in this round */
	return code == PAM_AUTHINFO_UNAVAIL ? PAM_TRY_AGAIN : code;
}

int ma_pam_check_change(struct ma_pam *pam)
{
	int code = ma_pam_ask_user(pam);

	return code == PAM_SUCCESS ? keep_answer(pam, check_change(pam)) : code;
}

/* ---- the change ---- */

static enum mailauth_status set_password(struct mailauth_user *user, void *arg)
{
	const char *password = arg;

	return mailauth_user_set_password(user, password, strlen(password));
}

static int change_code(const struct ma_pam *pam, enum mailauth_status status)
{
	switch (status) {
	case MAILAUTH_OK:
		return PAM_SUCCESS;
	case MAILAUTH_E_NOTFOUND:
		return PAM_USER_UNKNOWN;
	case MAILAUTH_E_TEMPFAIL:
		return PAM_AUTHTOK_LOCK_BUSY;
	case MAILAUTH_E_USAGE:
	case MAILAUTH_E_LIMIT:
		if (!ma_pam_is_silent(pam))
			pam_error(pam->pamh, "This password cannot be used for mail%s%s",
				  pam->store->advice[0] != '\0' ? ": " : ".", pam->store->advice);
		return PAM_AUTHTOK_ERR;
	default:
		return PAM_AUTHTOK_ERR;
	}
}

/* With `capture` it is the other module's: nobody is asked for one here. */
static int new_password(const struct ma_pam *pam, const char **password_out)
{
	const char *old = ma_pam_item(pam, PAM_OLDAUTHTOK);
	int code;

	if (pam->capture) {
		*password_out = ma_pam_item(pam, PAM_AUTHTOK);
		return (*password_out)[0] != '\0' ? PAM_SUCCESS : PAM_AUTHTOK_ERR;
	}
	code = pam_get_authtok(pam->pamh, PAM_AUTHTOK, password_out, NULL);
	if (code != PAM_SUCCESS)
		return code;
	if (getuid() != 0 && strcmp(old, *password_out) == 0) {
		if (!ma_pam_is_silent(pam))
			pam_error(pam->pamh, "The password has not been changed.");
		return PAM_AUTHTOK_ERR;
	}
	return PAM_SUCCESS;
}

int ma_pam_change(struct ma_pam *pam)
{
	const char *password = NULL;
	enum mailauth_status status;
	char *copy;
	int code = ma_pam_ask_user(pam);

	if (code == PAM_SUCCESS)
		code = kept_answer(pam);
	if (code == PAM_SUCCESS)
		code = new_password(pam, &password);
	if (code == PAM_SUCCESS)
		code = ma_pam_open(pam, true);
	if (code != PAM_SUCCESS)
		return code == PAM_AUTHINFO_UNAVAIL ? PAM_AUTHTOK_LOCK_BUSY : code;
	copy = strdup(password);
	if (copy == NULL)
		return PAM_BUF_ERR;
	pam->store->advice[0] = '\0';
	status = mailauth_user_update(pam->store->ctx, pam->name, set_password, copy);
	explicit_bzero(copy, strlen(copy));
	free(copy);
	if (status == MAILAUTH_OK)
		pam_syslog(pam->pamh, LOG_NOTICE, "password changed for %s",
			   ma_pam_word(pam->user).text);
	return change_code(pam, status);
}
