/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * module.h - what the files of the PAM module share
 *
 * One call of libpam's is one struct ma_pam, filled by ma_pam_begin(). What has to last from one
 * call to the next (the open store, a password to capture, leave to change one) is kept by libpam
 * with the PAM handle and ends with it: the module itself has no state.
 */
#ifndef MA_PAM_MODULE_H
#define MA_PAM_MODULE_H

#include <stdbool.h>
#include <stddef.h>

#pragma GCC visibility push(default) /* pam_sm_*() are for libpam */
#include <security/pam_modules.h>
#pragma GCC visibility pop

#include <mailauth/admin.h>
#include <mailauth/mailauth.h>

#define MA_PAM_ADVICE_MAX 256
#define MA_PAM_WORD_MAX	  256

/* A store that is kept open with the PAM handle. */
struct ma_pam_store {
	struct ma_pam_store *self; /* libpam gives back a pointer to const */
	struct mailauth *ctx;
	pam_handle_t *pamh; /* where its events go */
	char *config;	    /* the argument it was opened with, or NULL */
	bool write;
	bool debug;
	char advice[MA_PAM_ADVICE_MAX]; /* why an account or its password was refused */
};

/* One call of the module. */
struct ma_pam {
	pam_handle_t *pamh;
	unsigned int flags;
	/* the arguments; NULL: not given */
	const char *config;
	const char *realm;
	const char *group;
	bool capture;
	bool debug;
	/* whose account: PAM_USER, and the same with the realm; belongs to the handle */
	const char *user;
	char name[2 * MAILAUTH_NAME_MAX]; /* empty: too long for a name */
	struct ma_pam_store *store;	  /* belongs to the handle; NULL until ma_pam_open() */
};

/* Reads the arguments. PAM_SERVICE_ERR for one that there is not; logged. */
int ma_pam_begin(struct ma_pam *pam, pam_handle_t *pamh, int flags, int argc, const char **argv);
/* Finds out for whom, asking if need be. */
int ma_pam_ask_user(struct ma_pam *pam);
/* Opens the store, for writing if asked and if this process is root. PAM_AUTHINFO_UNAVAIL if that
 * cannot be done; logged. */
int ma_pam_open(struct ma_pam *pam, bool write);
/* Reads the account. PAM_USER_UNKNOWN; PAM_AUTHINFO_UNAVAIL: cannot be told. */
int ma_pam_find(struct ma_pam *pam, struct mailauth_user **user_out);
/* Is this the user's password? PAM_AUTH_ERR, PAM_USER_UNKNOWN (both logged as failures),
 * PAM_AUTHINFO_UNAVAIL. */
int ma_pam_verify(struct ma_pam *pam, const char *password);
/* What an application or a user gave, as one word of a log line: what is no printable ASCII becomes
 * \xNN, as in the library's own lines; the end may be cut. */
struct ma_pam_word {
	char text[MA_PAM_WORD_MAX];
};
struct ma_pam_word ma_pam_word(const char *text);
/* An item that is text; empty if it is not set. */
const char *ma_pam_item(const struct ma_pam *pam, int which);
bool ma_pam_is_silent(const struct ma_pam *pam);
/* Are two arguments the same? Either may be NULL. */
bool ma_pam_is_same(const char *a, const char *b);

/* capture.c: keeps the password that another module asked for. PAM_IGNORE: this is no verdict. */
int ma_pam_remember(struct ma_pam *pam);
/* Gives it to the account, now that it has been proved right; forgets it. */
void ma_pam_capture(struct ma_pam *pam);

/* password.c */
int ma_pam_check_change(struct ma_pam *pam);
int ma_pam_change(struct ma_pam *pam);

#endif
