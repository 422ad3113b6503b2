/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * plugin.h - what the files of the Cyrus SASL plugin share
 *
 * libsasl2 asks one file for three plugins, and for mechanisms apart from properties. Store and key
 * are the same for all, so everything they know hangs off one struct ma_plugin, which plugin.c
 * counts. sasl_mailauth.c has the entry points; auxprop.c, canon_user.c and server_mech.c do what
 * libsasl2 calls them for.
 */
#ifndef MA_PLUGINS_PLUGIN_H
#define MA_PLUGINS_PLUGIN_H

#include <pthread.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <mailauth/mailauth.h>

#define MA_PLUGIN_NAME		"mailauth"
#define MA_PLUGIN_CAUSE_MAX	512 /* bytes kept of a log message, with the NUL */
#define MA_PLUGIN_PEER_MAX	64  /* bytes in an address, with the NUL */
#define MA_PLUGIN_N_MECHS	7   /* mechanisms there are */

/* A property of our own, in which canon_user tells the lookup that follows on the same connection
 * how the client wrote its name. Nobody else serves it, and it ends with the connection. */
#define MA_PLUGIN_FORM_PROPERTY "*mailauthNameForm"
#define MA_PLUGIN_FORM_LOCAL	"local"
#define MA_PLUGIN_FORM_FULL	"local@realm"

/* SASL options that are read once, when libsasl2 loads us. */
enum ma_option {
	MA_OPTION_CONFIG,
	MA_OPTION_GROUP,
	MA_OPTION_MECHS,
	MA_OPTION_TRANSITION, /* libsasl2's own */
	MA_N_OPTIONS
};

struct ma_plugin;

/* What libsasl2 hands to one mechanism. */
struct ma_server_mech {
	struct ma_plugin *plugin;
	const struct ma_server_row *row; /* in server_mech.c */
};

/* Everything but @ctx, @can_write and what the registry counts is set before libsasl2 sees it and
 * only read afterwards, so connections may be served in parallel. */
struct ma_plugin {
	struct ma_plugin *next; /* in the registry */
	unsigned int n_users;	/* entries of libsasl2's lists that point here */
	char name[sizeof(MA_PLUGIN_NAME)];
	sasl_auxprop_plug_t auxprop;
	int n_mechs;
	sasl_server_plug_t mechs[MA_PLUGIN_N_MECHS];
	struct ma_server_mech mech_contexts[MA_PLUGIN_N_MECHS];
	char *options[MA_N_OPTIONS]; /* NULL: not set */
	/* libsasl2's. The table it came in may end before us, the function does not. */
	void (*log)(sasl_conn_t *conn, int level, const char *format, ...)
		__attribute__((format(printf, 3, 4)));
	pthread_key_t conn; /* the thread's connection while it is served, for the log */
	bool captures;	    /* auto_transition: a password that proved right may be written */
	bool was_tried;	    /* to open the store while libsasl2 loaded us */
	_Atomic(struct mailauth *) ctx;	 /* NULL until the store could be opened */
	atomic_bool can_write;		 /* @ctx is open for writing, as @captures wants it */
	char cause[MA_PLUGIN_CAUSE_MAX]; /* why it could not be opened then; empty: no matter */
};

/**
 * ma_plugin_get() - the plugin for what the options say now, made if there is none yet
 * @utils:      libsasl2's calls without a connection
 * @plugin_out: the plugin; NULL on failure
 *
 * Opens the store if the options say that it will be needed, and logs it if that fails.
 *
 * Owner:  the caller, who gives it back with ma_plugin_put()
 * Return: SASL_OK, SASL_NOMEM, SASL_FAIL
 */
int ma_plugin_get(const sasl_utils_t *utils, struct ma_plugin **plugin_out);

/* Counts @n more users of a plugin that the caller has got. */
void ma_plugin_share(struct ma_plugin *plugin, unsigned int n);

/* Gives it back; the last one frees it. */
void ma_plugin_put(struct ma_plugin *plugin, const sasl_utils_t *utils);

/**
 * ma_plugin_open() - open a context for one change, as the options say
 * @plugin:  the plugin
 * @ctx_out: the context, open for writing; NULL on failure
 *
 * The log says why it failed, and why the first attempt did if that was something else.
 *
 * Return: as mailauth_open()
 */
MAILAUTH_MUST_CHECK enum mailauth_status ma_plugin_open(struct ma_plugin *plugin,
							struct mailauth **ctx_out);

/**
 * ma_plugin_reader() - the context for logins, opened now if it is not yet
 * @plugin:  the plugin
 * @ctx_out: the context, which belongs to @plugin; NULL on failure
 *
 * Return: as mailauth_open()
 */
MAILAUTH_MUST_CHECK enum mailauth_status ma_plugin_reader(struct ma_plugin *plugin,
							  struct mailauth **ctx_out);

/**
 * ma_plugin_writer() - the same context, for a password that is to be captured
 * @plugin:  the plugin
 * @ctx_out: the context, open for writing, which belongs to @plugin; NULL on failure
 *
 * Return: MAILAUTH_E_TEMPFAIL: it is open for reading only; logged. Else as mailauth_open()
 */
MAILAUTH_MUST_CHECK enum mailauth_status ma_plugin_writer(struct ma_plugin *plugin,
							  struct mailauth **ctx_out);

/* The value an option has now; NULL: none. */
const char *ma_plugin_option(const sasl_utils_t *utils, enum ma_option which);

/* Until ma_plugin_leave() what the library logs in this thread goes the way of the connection. */
void ma_plugin_enter(struct ma_plugin *plugin, const sasl_utils_t *utils);
void ma_plugin_leave(struct ma_plugin *plugin);

/* The next of several words separated by white space; false: there is none. */
bool ma_plugin_take_word(const char **list, const char **word_out, size_t *len_out);

/* The realm of names without one, which is also the one that stock DIGEST-MD5 offers. A realm of no
 * length is none: Postfix has smtpd_sasl_local_domain empty by default. May be NULL. */
const char *ma_plugin_realm(const sasl_server_params_t *sparams);

/* For a line of the log that the library does not write: a word of printable ASCII. */
void ma_plugin_clean(char *word);
/* Who asks; the address is written to @peer. The request lives as long as @sparams and @peer. */
struct mailauth_request ma_plugin_request(const struct ma_plugin *plugin,
					  const sasl_server_params_t *sparams,
					  char peer[MA_PLUGIN_PEER_MAX]);

/* What libsasl2 answers for a status. Never SASL_NOUSER, and one code for all that a client did
 * wrong: servers give different answers for different ones, which would tell it what it was. */
int ma_plugin_code(enum mailauth_status status);

/* Does anybody wait for the verifier that depends on how the client wrote its name? */
bool ma_auxprop_wants_form(const sasl_server_params_t *sparams);
/* The two calls of sasl_auxprop_plug_t, as <sasl/saslplug.h> describes them. */
int ma_auxprop_lookup(void *glob_context, sasl_server_params_t *sparams, unsigned int flags,
		      const char *user, unsigned int user_len);
int ma_auxprop_store(void *glob_context, sasl_server_params_t *sparams, struct propctx *ctx,
		     const char *user, unsigned int user_len);

/* How many mechanisms a value of the option mailauth_mechs names. Logs words that are none. */
int ma_server_mechs_check(const sasl_utils_t *utils, const char *list);
/* Fills in @mechs and @n_mechs from the option. */
void ma_server_mechs_init(struct ma_plugin *plugin);

/* What libsasl2 holds of canon_user; nothing in it depends on options. */
sasl_canonuser_plug_t *ma_canon_user_plug(void);

#endif
