/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * capture.c - take over a password that another PAM module proved right
 *
 * An account whose password another module knows (pam_unix, pam_krb5) gets its verifiers from the
 * first login, and serves CRAM-MD5, DIGEST-MD5 and SCRAM afterwards.
 *
 * In the auth stage nobody can tell yet whether the password is right: after a `required` module
 * that failed, libpam calls the rest of the stack all the same. So the password is only remembered
 * there, wiped with the PAM handle at the latest, and used when the application comes back for
 * pam_acct_mgmt() or pam_setcred(), which it does only after pam_authenticate() as a whole said
 * yes. Each pam_authenticate() forgets what an earlier one remembered. An application that lets a
 * user in by other means, on the handle of a password that failed, would still deceive us: hence
 * the advice in the manual to put the line where libpam comes only with a right password.
 *
 * Verifiers of another password are never replaced: mailauth_capture() sees to that.
 */
#include "module.h"

#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#define CAPTURE_DATA "mailauth_capture"

struct remembered {
	char *user;
	char *password;
	char *config; /* the line's arguments, or NULL: for which accounts it is */
	char *realm;
};

static void free_remembered(pam_handle_t *pamh, void *data, int status)
{
	struct remembered *kept = data;

	(void)pamh;
	(void)status;
	if (kept == NULL)
		return;
	if (kept->password != NULL)
		explicit_bzero(kept->password, strlen(kept->password));
	free(kept->password);
	free(kept->user);
	free(kept->config);
	free(kept->realm);
	free(kept);
}

static void forget(const struct ma_pam *pam)
{
	const void *data = NULL;

	if (pam_get_data(pam->pamh, CAPTURE_DATA, &data) == PAM_SUCCESS && data != NULL)
		(void)pam_set_data(pam->pamh, CAPTURE_DATA, NULL, NULL);
}

/* A copy of a text that may be NULL. */
static bool copy(const char *text, char **copy_out)
{
	*copy_out = text != NULL ? strdup(text) : NULL;
	return text == NULL || *copy_out != NULL;
}

int ma_pam_remember(struct ma_pam *pam)
{
	const char *password = ma_pam_item(pam, PAM_AUTHTOK);
	struct remembered *kept;

	forget(pam);
	if (password[0] == '\0' || strlen(password) > MAILAUTH_PASSWORD_MAX)
		return PAM_IGNORE;
	kept = calloc(1, sizeof(*kept));
	if (kept == NULL)
		return PAM_IGNORE;
	if (!copy(pam->user, &kept->user) || !copy(password, &kept->password) ||
	    !copy(pam->config, &kept->config) || !copy(pam->realm, &kept->realm) ||
	    pam_set_data(pam->pamh, CAPTURE_DATA, kept, free_remembered) != PAM_SUCCESS)
		free_remembered(pam->pamh, kept, 0);
	return PAM_IGNORE;
}

static void log_capture(const struct ma_pam *pam, enum mailauth_status status)
{
	switch (status) {
	case MAILAUTH_OK:
	case MAILAUTH_E_NOTFOUND: /* not everybody has an account here */
		break;
	case MAILAUTH_E_DENIED:
		pam_syslog(pam->pamh, LOG_INFO,
			   "%s has another password for mail, which is left as it is; \"mailuser "
			   "passwd\" changes it",
			   ma_pam_word(pam->user).text);
		break;
	default:
		pam_syslog(pam->pamh, LOG_WARNING,
			   "the password of %s could not be captured: %s; the next login tries "
			   "again",
			   ma_pam_word(pam->user).text, mailauth_status_name(status));
	}
}

void ma_pam_capture(struct ma_pam *pam)
{
	const void *data = NULL;
	const struct remembered *kept;

	if (pam_get_data(pam->pamh, CAPTURE_DATA, &data) != PAM_SUCCESS || data == NULL)
		return;
	kept = data;
	if (!ma_pam_is_same(kept->config, pam->config) || !ma_pam_is_same(kept->realm, pam->realm))
		return;
	/* A module behind us may have made somebody else of the user. */
	pam->user = ma_pam_item(pam, PAM_USER);
	if (strcmp(kept->user, pam->user) == 0 && geteuid() == 0 &&
	    ma_pam_ask_user(pam) == PAM_SUCCESS && ma_pam_open(pam, true) == PAM_SUCCESS)
		log_capture(pam, mailauth_capture(pam->store->ctx, pam->name, kept->password,
						  strlen(kept->password)));
	forget(pam);
}
