/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_sasl.c - the Cyrus SASL plugin, with each of its allocations failing
 *
 * See sweep.h. The real libsasl2 loads the plugin. It does not check all that it allocates itself
 * (sasl_server_init() of 2.1.28 uses what it could not get), so only what is allocated within the
 * plugin fails, by libsasl2 on its behalf, too: properties, the plugin's own structs. Whatever
 * fails, a wrong password is never right; a right one is never called wrong, nor the user unknown;
 * and a password that is stored is stored whole or not at all.
 */
#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sasl/prop.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounts.h"
#include "heap.h"
#include "support.h"
#include "sweep.h"

#define NEW "new Zx81"

/* The plugin, and what only it calls here. */
static const char *const ours[] = {"/sasl_mailauth.so", "/libmailauth.so", "/libcrypto.so",
				   "/liblmdb.so",	"/libcrypt.so",	   NULL};

/* ---- a server ---- */

static const char *transition; /* the option auto_transition */

static int get_option(void *context, const char *plugin, const char *option, const char **result,
		      unsigned int *len)
{
	const char *const options[][2] = {
		{"auxprop_plugin", "mailauth"},
		{"canon_user_plugin", "mailauth"},
		{"mailauth_config", accounts_options()->config},
		{"mailauth_mechs", "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 "
				   "PLAIN LOGIN"},
		{"pwcheck_method", "auxprop"},
		{"auto_transition", transition},
	};

	(void)context;
	(void)plugin;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(option, options[i][0]) != 0)
			continue;
		*result = options[i][1];
		if (len != NULL)
			*len = (unsigned int)strlen(*result);
		return SASL_OK;
	}
	return SASL_FAIL;
}

static int get_path(void *context, const char **path)
{
	static char folder[256];

	(void)context;
	(void)snprintf(folder, sizeof(folder), "%s", support_path("plugins"));
	*path = folder;
	return SASL_OK;
}

static int read_log(void *context, int level, const char *message)
{
	bool was_inside = heap_pause();

	(void)context;
	(void)level;
	ck_assert_ptr_null(strstr(message, "Zx81"));
	heap_resume(was_inside);
	return SASL_OK;
}

/* Through a type that gcc takes for any function. */
#define CALLBACK(function) ((int (*)(void))(void (*)(void))(function))

static const sasl_callback_t callbacks[] = {
	{SASL_CB_GETOPT, CALLBACK(get_option), NULL},
	{SASL_CB_GETPATH, CALLBACK(get_path), NULL},
	{SASL_CB_LOG, CALLBACK(read_log), NULL},
	{SASL_CB_LIST_END, NULL, NULL},
};

static int left(int code)
{
	sweep_leave();
	return code;
}

#define CALL(function, ...) (sweep_enter(#function), left(function(__VA_ARGS__)))

/* True: it went well. */
static bool went_well(const char *what, int code, bool failing)
{
	if (code == SASL_OK)
		return true;
	sweep_relent();
	if (!failing || (code != SASL_NOMEM && code != SASL_UNAVAIL && code != SASL_FAIL &&
			 code != SASL_BUFOVER)) {
		heap_print_failure();
		ck_abort_msg("%s: got %d (%s)", what, code, sasl_errstring(code, NULL, NULL));
	}
	return false;
}

static void check_wrong(const char *what, int code, bool failing)
{
	if (code != SASL_BADAUTH && code != SASL_NOUSER && went_well(what, code, failing)) {
		heap_print_failure();
		ck_abort_msg("%s: logged in", what);
	}
}

static void begin(void)
{
	accounts_restore();
	ck_assert_int_eq(sasl_server_init(callbacks, "alloc"), SASL_OK);
}

static sasl_conn_t *connect_one(void)
{
	sasl_conn_t *conn = NULL;

	ck_assert_int_eq(sasl_server_new("imap", "mail.example.org", "example.org", NULL,
					 "192.0.2.1;1234", NULL, SASL_SUCCESS_DATA, &conn),
			 SASL_OK);
	return conn;
}

/* A first login starts OpenSSL: test_api.c is about that. */
static void begin_warm(void)
{
	sasl_conn_t *conn;

	begin();
	conn = connect_one();
	ck_assert_int_eq(sasl_checkpass(conn, "alice", 5, RIGHT, (unsigned int)strlen(RIGHT)),
			 SASL_OK);
	sasl_dispose(&conn);
}

/* ---- dialogues ---- */

/* The client's side, from the server's challenge; NULL, 0 at first. Returns its length. */
struct client {
	const char *mech;
	const char *user;
	const char *password;
	struct support_scram scram;
	unsigned int n;
};

static size_t answer_cram(const struct client *client, const char *in, size_t in_len, char *out,
			  size_t size)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	int n = snprintf(out, size, "%s ", client->user);

	ck_assert_ptr_nonnull(HMAC(EVP_md5(), client->password, (int)strlen(client->password),
				   (const unsigned char *)in, in_len, digest, NULL));
	for (size_t i = 0; i < 16; i++)
		n += snprintf(out + n, size - (size_t)n, "%02x", digest[i]);
	return (size_t)n;
}

static size_t answer_scram(struct client *client, const char *in, size_t in_len, char *out,
			   size_t size)
{
	if (client->n > 0)
		return support_scram_final(&client->scram, in, in_len, out, size);
	client->scram = (struct support_scram){
		.mech = client->mech,
		.gs2 = "n,,",
		.user = client->user,
		.password = client->password,
		.nonce = "fyko+d2lbbFgONRv9qkxdawL",
	};
	return support_scram_first(&client->scram, out, size);
}

static size_t answer(struct client *client, const char *in, size_t in_len, char *out, size_t size)
{
	struct support_digest digest = {.user = client->user, .password = client->password};

	if (strcmp(client->mech, "PLAIN") == 0)
		return (size_t)snprintf(out, size, "%c%s%c%s", 0, client->user, 0,
					client->password);
	if (strncmp(client->mech, "SCRAM-", 6) == 0)
		return answer_scram(client, in, in_len, out, size);
	if (strcmp(client->mech, "LOGIN") == 0)
		return (size_t)snprintf(out, size, "%s",
					client->n == 1 ? client->user : client->password);
	if (strcmp(client->mech, "CRAM-MD5") == 0)
		return answer_cram(client, in, in_len, out, size);
	return support_digest_md5(&digest, in, in_len, out, size);
}

static bool begins(const char *mech)
{
	return strcmp(mech, "PLAIN") == 0 || strncmp(mech, "SCRAM-", 6) == 0;
}

static int log_in(const char *mech, const char *user, const char *password)
{
	struct client client = {.mech = mech, .user = user, .password = password};
	sasl_conn_t *conn = connect_one();
	char said[4096];
	size_t said_len = 0;
	const char *out = NULL;
	unsigned int out_len = 0;
	int code;

	if (begins(mech))
		said_len = answer(&client, NULL, 0, said, sizeof(said));
	code = CALL(sasl_server_start, conn, mech, said_len > 0 ? said : NULL,
		    (unsigned int)said_len, &out, &out_len);
	while (code == SASL_CONTINUE) {
		client.n++;
		said_len = answer(&client, out, out_len, said, sizeof(said));
		code = CALL(sasl_server_step, conn, said, (unsigned int)said_len, &out, &out_len);
	}
	sasl_dispose(&conn);
	return code;
}

static const char *mech_played;

static void play_mech(bool failing)
{
	begin_warm();
	check_wrong("wrong", log_in(mech_played, "alice", WRONG), failing);
	check_wrong("locked", log_in(mech_played, "locked", RIGHT), failing);
	(void)went_well("right", log_in(mech_played, "alice", RIGHT), failing);
	sweep_relent();
	ck_assert_int_eq(log_in(mech_played, "alice", RIGHT), SASL_OK);
	sasl_done();
}

/* ---- lookups, names and stores, for libsasl2's own mechanisms ---- */

static int check_password(const char *user, const char *password)
{
	static const char *wanted[] = {"*cmusaslsecretCRAM-MD5", "*cmusaslsecretDIGEST-MD5",
				       "*authPassword", NULL};
	sasl_conn_t *conn = connect_one();
	int code = CALL(sasl_auxprop_request, conn, wanted);

	if (code == SASL_OK)
		code = CALL(sasl_checkpass, conn, user, (unsigned int)strlen(user), password,
			    (unsigned int)strlen(password));
	sasl_dispose(&conn);
	return code;
}

static void play_lookup(bool failing)
{
	begin_warm();
	check_wrong("wrong", check_password("alice", WRONG), failing);
	check_wrong("unknown", check_password("nobody", RIGHT), failing);
	(void)went_well("right", check_password("Alice", RIGHT), failing);
	sweep_relent();
	ck_assert_int_eq(check_password("alice", RIGHT), SASL_OK);
	sasl_done();
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

static void check_stored(const char *user, const char *right)
{
	static const char *const mechs[] = {"PLAIN", "CRAM-MD5", "SCRAM-SHA-256"};
	struct mailauth *ctx = NULL;

	support_status("open", mailauth_open(accounts_options(), &ctx), MAILAUTH_OK);
	for (size_t i = 0; i < sizeof(mechs) / sizeof(mechs[0]); i++) {
		support_status(mechs[i],
			       support_login(ctx, mechs[i], &accounts_request, user, right),
			       MAILAUTH_OK);
		support_status(mechs[i],
			       support_login(ctx, mechs[i], &accounts_request, user, WRONG),
			       MAILAUTH_E_DENIED);
	}
	mailauth_free(&ctx);
}

static void store(const char *user, bool failing)
{
	const char *before = text_now();
	sasl_conn_t *conn;
	int code;

	begin();
	conn = connect_one();
	code = CALL(sasl_setpass, conn, user, NEW, (unsigned int)strlen(NEW), NULL, 0,
		    SASL_SET_CREATE);
	(void)went_well(user, code, failing);
	sweep_relent();
	sasl_dispose(&conn);
	sasl_done();
	/* libsasl2 may fail afterwards: what counts is that there is no half of it. */
	if (strcmp(before, text_now()) == 0) {
		ck_assert_int_ne(code, SASL_OK);
		return;
	}
	accounts_spoil();
	check_stored(user, NEW);
}

static void play_store(bool failing)
{
	accounts_restore();
	store("alice", failing);
}

static void play_create(bool failing)
{
	accounts_restore();
	store("bob", failing);
}

/* A server that captures has the store open for writing. */
static void play_capture(bool failing)
{
	const char *before;
	int code;

	accounts_restore();
	before = text_now();
	transition = "yes";
	begin();
	code = log_in("PLAIN", "crypt", RIGHT);
	(void)went_well("capture", code, failing);
	sweep_relent();
	sasl_done();
	transition = "no";
	if (strcmp(before, text_now()) == 0) {
		ck_assert(failing);
		return;
	}
	accounts_spoil();
	check_stored("crypt", RIGHT);
}

/* libsasl2 loads the plugin, which opens its store; a plugin that cannot load is not there. */
static void play_load(bool failing)
{
	int code;

	accounts_restore();
	code = CALL(sasl_server_init, callbacks, "alloc");
	sweep_relent();
	if (went_well("init", code, failing)) {
		code = check_password("alice", RIGHT);
		ck_assert(failing || code == SASL_OK);
		ck_assert_int_ne(check_password("alice", WRONG), SASL_OK);
	}
	sasl_done();
}

static const struct sweep sweeps[] = {
	{"loading", play_load},	 {"lookup", play_lookup},   {"store", play_store},
	{"create", play_create}, {"capture", play_capture},
};

START_TEST(plugin_survives_lack_of_memory)
{
	sweep_run(&sweeps[_i]);
}
END_TEST

static const char *const mechs[] = {"CRAM-MD5",	   "PLAIN",	    "LOGIN",	    "DIGEST-MD5",
				    "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"};

START_TEST(mechanisms_survive_lack_of_memory)
{
	const struct sweep sweep = {.name = mechs[_i], .play = play_mech};

	mech_played = mechs[_i];
	sweep_run(&sweep);
}
END_TEST

static void make_all(void)
{
	const char *plugin = getenv("MAILAUTH_SASL_PLUGIN");

	ck_assert_msg(plugin != NULL, "MAILAUTH_SASL_PLUGIN is not set: run this with meson test");
	transition = "no";
	accounts_make();
	ck_assert_int_eq(mkdir(support_path("plugins"), 0700), 0);
	ck_assert_int_eq(symlink(plugin, support_path("plugins/libmailauth.so")), 0);
}

int main(void)
{
	Suite *suite = suite_create("alloc sasl");
	TCase *tcase = tcase_create("sweep");
	int code;

	if (!accounts_prepare())
		return 1;
	heap_restrict(ours);
	tcase_add_unchecked_fixture(tcase, make_all, NULL);
	tcase_add_loop_test(tcase, plugin_survives_lack_of_memory, 0,
			    sizeof(sweeps) / sizeof(sweeps[0]));
	tcase_add_loop_test(tcase, mechanisms_survive_lack_of_memory, 0,
			    sizeof(mechs) / sizeof(mechs[0]));
	suite_add_tcase(suite, tcase);
	code = support_run(suite);
	sweep_print_total();
	return code;
}
