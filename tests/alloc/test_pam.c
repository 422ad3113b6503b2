/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_pam.c - the PAM module's entry points, with each of their allocations failing
 *
 * See sweep.h. The real libpam calls the module, and runs out of memory with it; only the
 * application's own memory, in its conversation, does not. What fails for that reason must say so:
 * a right password is never called wrong, and a wrong one never right.
 */
#include <check.h>
#include <dlfcn.h>
#include <security/pam_appl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accounts.h"
#include "heap.h"
#include "support.h"
#include "sweep.h"

#define NEW "new Zx81"

/* ---- an application ---- */

struct app {
	const char *password;
	struct pam_conv conv;
	pam_handle_t *pamh;
};

static int converse(int n, const struct pam_message **messages, struct pam_response **responses_out,
		    void *arg)
{
	bool was_inside = heap_pause();
	const struct app *app = arg;
	struct pam_response *responses = calloc((size_t)n, sizeof(*responses));

	ck_assert_ptr_nonnull(responses);
	for (int i = 0; i < n; i++)
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
			responses[i].resp = strdup(app->password);
	*responses_out = responses;
	heap_resume(was_inside);
	return PAM_SUCCESS;
}

static void do_not_wait(int status, unsigned int delay_us, void *arg)
{
	(void)status;
	(void)delay_us;
	(void)arg;
}

static bool start(struct app *app, const char *service, const char *user)
{
	void (*delay)(int, unsigned int, void *) = do_not_wait;
	const void *item;

	memcpy(&item, &delay, sizeof(item));
	app->conv = (struct pam_conv){converse, app};
	app->pamh = NULL;
	return pam_start_confdir(service, user, &app->conv, support_folder(), &app->pamh) ==
		       PAM_SUCCESS &&
	       pam_set_item(app->pamh, PAM_FAIL_DELAY, item) == PAM_SUCCESS;
}

static void stop(struct app *app, int code)
{
	if (app->pamh != NULL)
		ck_assert_int_eq(pam_end(app->pamh, code), PAM_SUCCESS);
}

/* True: it went well. What lack of memory has for a code depends on whether libpam met with it. */
static bool went_well(const char *what, int code, bool failing)
{
	if (code == PAM_SUCCESS)
		return true;
	sweep_relent();
	if (!failing ||
	    (code != PAM_BUF_ERR && code != PAM_AUTHINFO_UNAVAIL && code != PAM_SYSTEM_ERR &&
	     code != PAM_CONV_ERR && code != PAM_TRY_AGAIN && code != PAM_AUTHTOK_LOCK_BUSY)) {
		heap_print_failure();
		ck_abort_msg("%s: got %d (%s)", what, code, pam_strerror(NULL, code));
	}
	return false;
}

static void check_wrong(const char *what, int code, int want, bool failing)
{
	if (code != want && went_well(what, code, failing)) {
		heap_print_failure();
		ck_abort_msg("%s: let in", what);
	}
}

static int left(int code)
{
	sweep_leave();
	return code;
}

#define CALL(function, ...) (sweep_enter(#function), left(function(__VA_ARGS__)))

/* ---- scenarios ---- */

static int authenticate(const char *service, const char *user, const char *password)
{
	struct app app = {.password = password};
	int code;

	ck_assert(start(&app, service, user));
	code = CALL(pam_authenticate, app.pamh, 0);
	stop(&app, code);
	return code;
}

static void play_authenticate(bool failing)
{
	accounts_restore();
	check_wrong("wrong", authenticate("mail", "alice", WRONG), PAM_AUTH_ERR, failing);
	check_wrong("unknown", authenticate("mail", "nobody", RIGHT), PAM_USER_UNKNOWN, failing);
	check_wrong("locked", authenticate("mail", "locked", RIGHT), PAM_AUTH_ERR, failing);
	(void)went_well("right", authenticate("mail", "alice", RIGHT), failing);
	sweep_relent();
	ck_assert_int_eq(authenticate("mail", "alice", RIGHT), PAM_SUCCESS);
}

static void play_account(bool failing)
{
	struct app app = {.password = ""};

	accounts_restore();
	ck_assert(start(&app, "mail", "locked"));
	check_wrong("locked", CALL(pam_acct_mgmt, app.pamh, 0), PAM_PERM_DENIED, failing);
	stop(&app, PAM_SUCCESS);
	ck_assert(start(&app, "mail", "alice"));
	(void)went_well("account", CALL(pam_acct_mgmt, app.pamh, 0), failing);
	(void)went_well("open", CALL(pam_open_session, app.pamh, 0), failing);
	(void)went_well("close", CALL(pam_close_session, app.pamh, 0), failing);
	sweep_relent();
	ck_assert_int_eq(pam_acct_mgmt(app.pamh, 0), PAM_SUCCESS);
	stop(&app, PAM_SUCCESS);
}

static const char *text_now(void)
{
	struct mailauth *ctx = NULL;
	const char *text;

	support_status("open", mailauth_open(accounts_options(), &ctx), MAILAUTH_OK);
	text = accounts_text(ctx);
	mailauth_free(&ctx);
	return text;
}

static void check_password(const char *name, const char *right, const char *wrong)
{
	static const char *const mechs[] = {"PLAIN", "CRAM-MD5", "SCRAM-SHA-256"};
	struct mailauth *ctx = NULL;

	support_status("open", mailauth_open(accounts_options(), &ctx), MAILAUTH_OK);
	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++) {
		support_status(mechs[i],
			       support_login(ctx, mechs[i], &accounts_request, name, right),
			       MAILAUTH_OK);
		support_status(mechs[i],
			       support_login(ctx, mechs[i], &accounts_request, name, wrong),
			       MAILAUTH_E_DENIED);
	}
	mailauth_free(&ctx);
}

static void play_chauthtok(bool failing)
{
	struct app app = {.password = NEW};
	const char *before;
	int code;

	accounts_restore();
	before = text_now();
	ck_assert(start(&app, "mail", "alice"));
	code = CALL(pam_chauthtok, app.pamh, 0);
	sweep_relent();
	/* The library's words for it are the user's, not the administrator's. */
	if (code == PAM_AUTHTOK_ERR && failing)
		code = PAM_BUF_ERR;
	(void)went_well("change", code, failing);
	stop(&app, code);
	if (strcmp(before, text_now()) == 0) {
		ck_assert_int_ne(code, PAM_SUCCESS);
		return;
	}
	accounts_spoil();
	/* The change was made; libpam could not tell the kernel's audit about it afterwards. */
	if (code != PAM_SUCCESS && code != PAM_SYSTEM_ERR) {
		heap_print_failure();
		ck_abort_msg("got %d (%s), but the password was changed", code,
			     pam_strerror(NULL, code));
	}
	check_password("alice", NEW, RIGHT);
}

/* Another module proves the password, this one takes it over: in setcred and in account. */
static void play_capture(bool failing)
{
	struct app app = {.password = RIGHT};
	const char *before;
	int code;

	accounts_restore();
	before = text_now();
	ck_assert(start(&app, "capture", "crypt"));
	code = CALL(pam_authenticate, app.pamh, 0);
	if (went_well("auth", code, failing))
		code = CALL(pam_setcred, app.pamh, PAM_ESTABLISH_CRED);
	if (code == PAM_SUCCESS)
		code = CALL(pam_acct_mgmt, app.pamh, 0);
	(void)went_well("capture", code, failing);
	sweep_relent();
	stop(&app, code);
	if (strcmp(before, text_now()) == 0) {
		ck_assert(failing);
		return;
	}
	accounts_spoil();
	check_password("crypt", RIGHT, WRONG);
}

/* All of it, with the module loaded and its store opened and closed. */
static void play_handle(bool failing)
{
	struct app app = {.password = WRONG};
	int code = PAM_BUF_ERR;
	bool started;

	accounts_restore();
	sweep_enter("pam_start_confdir");
	started = start(&app, "mail", "alice");
	if (started)
		code = pam_authenticate(app.pamh, 0);
	sweep_leave();
	ck_assert(failing || started);
	/* A module that could not be loaded is PAM_MODULE_UNKNOWN. */
	ck_assert_int_ne(code, PAM_SUCCESS);
	if (app.pamh != NULL)
		code = CALL(pam_end, app.pamh, code);
	/* Where the module could not be loaded glibc keeps what it said until it is asked again. */
	(void)dlerror();
	(void)dlerror();
}

/* ---- services ---- */

static const char *module(void)
{
	const char *path = getenv("MAILAUTH_PAM_MODULE");

	ck_assert_msg(path != NULL, "MAILAUTH_PAM_MODULE is not set: run this with meson test");
	return path;
}

static void service(const char *name, const char *const lines[], size_t n)
{
	char text[4096];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		const char *more = strstr(lines[i], " capture");
		bool is_other = strstr(lines[i], " other") != NULL;

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%.*s %s config=%s%s\n",
					(int)strcspn(lines[i], "."), lines[i], module(),
					support_path(is_other ? "other.conf" : "mailauth.conf"),
					more != NULL ? more : "");
		ck_assert_uint_lt(len, sizeof(text));
	}
	(void)support_file(name, text, len);
}

static void make_all(void)
{
	static const char *const mail[] = {"auth required.", "account required.",
					   "password required.", "session required."};
	static const char *const capture[] = {"auth required. other", "auth optional. capture",
					      "account required. other",
					      "account optional. capture"};
	char config[1024];
	int n;

	accounts_make();
	/* Another store, with the same accounts, which is never written to. */
	support_status("copy", accounts_copy("other.mdb"), MAILAUTH_OK);
	n = snprintf(config, sizeof(config),
		     "store = lmdb:%s\nkey_file = %s\ndefault_realm = example.org\ncapture = no\n"
		     "map_size = 1M\n",
		     support_path("other.mdb"), support_path("store.key"));
	(void)support_file("other.conf", config, (size_t)n);
	service("mail", mail, 4);
	service("capture", capture, 4);
}

static const struct sweep sweeps[] = {
	{"authenticate", play_authenticate}, {"account and session", play_account},
	{"chauthtok", play_chauthtok},	     {"capture", play_capture},
	{"a handle", play_handle},
};

START_TEST(entry_points_survive_lack_of_memory)
{
	sweep_run(&sweeps[_i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("alloc pam");
	TCase *tcase = tcase_create("sweep");
	int code;

	if (!accounts_prepare())
		return 1;
	tcase_add_unchecked_fixture(tcase, make_all, NULL);
	tcase_add_loop_test(tcase, entry_points_survive_lack_of_memory, 0,
			    sizeof(sweeps) / sizeof(sweeps[0]));
	suite_add_tcase(suite, tcase);
	code = support_run(suite);
	sweep_print_total();
	return code;
}
