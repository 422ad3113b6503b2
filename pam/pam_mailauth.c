/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pam_mailauth.c - the entry points of the PAM module, pam_mailauth(8)
 *
 * auth      is it the user's password? Nothing else: a password that is right and too old is right.
 * account   may the user come in today: lock, expiry, age of the password, group
 * password  change it; password.c
 * session   nothing
 *
 * The codes are those of pam_unix where it has one. A store that is away is PAM_AUTHINFO_UNAVAIL,
 * never a wrong password. A locked account is refused in auth like a wrong password, and in
 * account, which it reaches where something else proved the user, with PAM_PERM_DENIED.
 *
 * With `capture` the module has no say in auth and account (PAM_IGNORE), and takes over passwords
 * that the modules before it proved; capture.c.
 */
#include "module.h"

#include <string.h>
#include <syslog.h>
#include <time.h>

#include <security/pam_ext.h>

/* ---- auth ---- */

/* What libpam says when the application has no password to give is meant for password stacks. */
static int ask_password(const struct ma_pam *pam, const char **password_out)
{
	int code = pam_get_authtok(pam->pamh, PAM_AUTHTOK, password_out, NULL);

	if (code == PAM_CONV_AGAIN)
		return PAM_INCOMPLETE;
	return code == PAM_AUTHTOK_ERR ? PAM_CONV_ERR : code;
}

/* A file system that has become read-only, or a replica, still lets users in. */
static int open_for_login(struct ma_pam *pam)
{
	int code = ma_pam_open(pam, true);

	return code == PAM_AUTHINFO_UNAVAIL ? ma_pam_open(pam, false) : code;
}

int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct ma_pam pam;
	const char *password = NULL;
	int code = ma_pam_begin(&pam, pamh, flags, argc, argv);

	if (code == PAM_SUCCESS)
		code = ma_pam_ask_user(&pam);
	if (code != PAM_SUCCESS)
		return code;
	if (pam.capture)
		return ma_pam_remember(&pam);
	code = ask_password(&pam, &password);
	if (code == PAM_SUCCESS)
		code = open_for_login(&pam);
	if (code == PAM_SUCCESS)
		code = ma_pam_verify(&pam, password);
	return code;
}

int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct ma_pam pam;
	int code = ma_pam_begin(&pam, pamh, flags, argc, argv);

	if (code == PAM_SUCCESS && (pam.flags & PAM_DELETE_CRED) == 0)
		ma_pam_capture(&pam);
	return code;
}

/* ---- account ---- */

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (*list != '\0') {
		size_t n = strcspn(list, ",");

		if (n == len && memcmp(list, word, len) == 0)
			return true;
		list += n;
		if (*list == ',')
			list++;
	}
	return false;
}

static int state_code(const char *state)
{
	static const struct {
		const char *state;
		int code;
	} codes[] = {
		{"locked", PAM_PERM_DENIED},
		{"expired", PAM_ACCT_EXPIRED},
		{"password-expired", PAM_AUTHTOK_EXPIRED},
		{"must-change", PAM_NEW_AUTHTOK_REQD},
		{"no-secret", PAM_SUCCESS}, /* something else proved who this is */
	};

	if (state == NULL)
		return PAM_SUCCESS;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(state, codes[i].state) == 0)
			return codes[i].code;
	return PAM_PERM_DENIED;
}

static void warn(const struct ma_pam *pam, const struct mailauth_user *user)
{
	int64_t last_change = mailauth_user_number(user, MAILAUTH_NUMBER_LAST_CHANGE);
	int64_t max = mailauth_user_number(user, MAILAUTH_NUMBER_MAX);
	int64_t days = last_change + max - (int64_t)time(NULL) / 86400;

	if (last_change < 0 || max < 0 || ma_pam_is_silent(pam) ||
	    days > mailauth_user_number(user, MAILAUTH_NUMBER_WARN))
		return;
	pam_info(pam->pamh, "Warning: your password will expire in %d day%s.", (int)days,
		 days == 1 ? "" : "s");
}

static int judge(const struct ma_pam *pam, const struct mailauth_user *user)
{
	const char *state = mailauth_user_state(user);
	int code = state_code(state);

	/* Who may not come in at all need not be told to change a password. */
	if ((code == PAM_SUCCESS || code == PAM_NEW_AUTHTOK_REQD) && pam->group != NULL &&
	    !has_word(mailauth_user_text(user, MAILAUTH_TEXT_GROUPS), pam->group)) {
		state = "not-in-group";
		code = PAM_PERM_DENIED;
	}
	if (code == PAM_SUCCESS)
		warn(pam, user);
	else
		pam_syslog(pam->pamh, LOG_NOTICE, "account %s is refused: %s",
			   ma_pam_word(pam->user).text, state);
	return code;
}

int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct ma_pam pam;
	struct mailauth_user *user = NULL;
	int code = ma_pam_begin(&pam, pamh, flags, argc, argv);

	if (code != PAM_SUCCESS)
		return code;
	ma_pam_capture(&pam);
	if (pam.capture)
		return PAM_IGNORE;
	code = ma_pam_ask_user(&pam);
	if (code == PAM_SUCCESS)
		code = ma_pam_open(&pam, false);
	if (code == PAM_SUCCESS)
		code = ma_pam_find(&pam, &user);
	if (code == PAM_SUCCESS)
		code = judge(&pam, user);
	mailauth_user_free(&user);
	return code;
}

/* ---- password ---- */

int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct ma_pam pam;
	int code = ma_pam_begin(&pam, pamh, flags, argc, argv);

	if (code != PAM_SUCCESS)
		return code;
	if ((pam.flags & PAM_PRELIM_CHECK) != 0)
		return ma_pam_check_change(&pam);
	if ((pam.flags & PAM_UPDATE_AUTHTOK) != 0)
		return ma_pam_change(&pam);
	return PAM_SERVICE_ERR;
}

/* ---- session ---- */

int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct ma_pam pam;

	return ma_pam_begin(&pam, pamh, flags, argc, argv);
}

int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct ma_pam pam;

	return ma_pam_begin(&pam, pamh, flags, argc, argv);
}
