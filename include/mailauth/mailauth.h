/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mailauth.h - verify the passwords of mail-only users
 *
 * A context (struct mailauth) is made once per process from a configuration file. A login is
 * either a session, stepped with each message of the SASL dialogue, or one call where the caller
 * has run the dialogue itself. The identity is the proof: a name comes back only when a login
 * succeeded. Accounts are managed through admin.h, bridges to other systems use verifier.h.
 *
 * Every call that can fail returns enum mailauth_status, which says what the caller should do.
 * Why it happened goes to the log callback, as advice to the administrator.
 */
#ifndef MAILAUTH_MAILAUTH_H
#define MAILAUTH_MAILAUTH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#if defined(__GNUC__)
#define MAILAUTH_MUST_CHECK __attribute__((warn_unused_result))
#else
#define MAILAUTH_MUST_CHECK
#endif

/* Limits, in bytes without a terminating NUL. */
#define MAILAUTH_LOCAL_MAX     64    /* local part of a name */
#define MAILAUTH_REALM_MAX     255   /* realm of a name */
#define MAILAUTH_NAME_MAX      320   /* local@realm */
#define MAILAUTH_PASSWORD_MAX  1024  /* a password; at least 1 */
#define MAILAUTH_MESSAGE_MAX   12288 /* one message of a dialogue, after base64 decoding */
#define MAILAUTH_TIMESTAMP_MAX 511   /* APOP's timestamp */
#define MAILAUTH_BINDINGS_MAX  4     /* channel bindings of one session */
#define MAILAUTH_BINDING_MAX   128   /* data of one channel binding */

/** What the caller should do next. Zero is success, above zero goes on, below zero failed. */
enum mailauth_status {
	MAILAUTH_OK = 0,	     /* done; after a step: logged in */
	MAILAUTH_CONTINUE = 1,	     /* send the reply, call again */
	MAILAUTH_E_INTERNAL = -1,    /* give up: a bug in the library */
	MAILAUTH_E_DENIED = -2,	     /* refuse: unknown user, wrong proof, locked: all alike */
	MAILAUTH_E_PROTOCOL = -3,    /* refuse: malformed or out of order */
	MAILAUTH_E_LIMIT = -4,	     /* refuse: longer than a documented maximum */
	MAILAUTH_E_TEMPFAIL = -5,    /* say "try again later": store away, busy, timeout */
	MAILAUTH_E_UNSUPPORTED = -6, /* offer something else: unknown mechanism or store */
	MAILAUTH_E_NOTFOUND = -7,    /* admin calls only: no such account */
	MAILAUTH_E_EXISTS = -8,	     /* admin calls only: the account is there already */
	MAILAUTH_E_CONFIG = -9,	     /* a person must act: configuration, key file, permissions */
	MAILAUTH_E_CORRUPT = -10,    /* a person must act: a damaged record */
	MAILAUTH_E_NOMEM = -11,	     /* give up: out of memory */
	MAILAUTH_E_USAGE = -12	     /* the caller's own mistake: a bad argument */
};

/** How serious a log event is. */
enum mailauth_log_level {
	MAILAUTH_LOG_ERROR, /* a person must act */
	MAILAUTH_LOG_WARN,  /* worth a look */
	MAILAUTH_LOG_INFO,  /* one line for each login */
	MAILAUTH_LOG_DEBUG
};

/**
 * mailauth_log_fn - receives log events
 * @arg:   as given with the function
 * @level: how serious
 * @event: one word: "login", "store", "busy" (another program is writing), "key", "config", "name",
 *         "account"
 * @text:  what happened and what to do, or key=value pairs for "login"; printable, no line break;
 *         never holds a secret
 *
 * Owner: @event and @text are borrowed for the length of the call.
 * Threads: may be called from every thread that uses the context.
 */
typedef void mailauth_log_fn(void *arg, enum mailauth_log_level level, const char *event,
			     const char *text);

struct mailauth;
struct mailauth_session;

#define MAILAUTH_OPEN_WRITE 1u /* the context may change accounts */

/** How to open a context. Zero, NULL: the default. */
struct mailauth_options {
	size_t size;	    /* sizeof(struct mailauth_options) */
	unsigned int flags; /* MAILAUTH_OPEN_WRITE or 0 */
	const char *config; /* file; default: $MAILAUTH_CONFIG (not in set-uid programs), else
			     * /etc/mailauth/mailauth.conf, whose absence means all defaults */
	const char *store;  /* store URL instead of the configured one */
	mailauth_log_fn *log;
	void *log_arg;
	enum mailauth_log_level log_level; /* events above this level are not made */
};

/**
 * mailauth_open() - make a context from a configuration
 * @options: how, or NULL for all defaults
 * @ctx_out: the context; NULL on failure
 *
 * Reads the configuration, loads the key file and opens the store, so that a server can call it
 * before it gives up its privileges or enters a chroot. OpenSSL is started at the first login: that
 * needs no file. After a fork the child may go on using the context: the store is opened anew, by
 * the path in the configuration.
 *
 * A store in a mapped file may be damaged or cut short while it is in use. So that this does not
 * end the process, a handler for SIGBUS, SIGSEGV and SIGFPE is installed once, which passes on what
 * is not the store's to whatever handled it before; and the library stays loaded. A handler that
 * the process installs later takes that away.
 *
 * Owner:   the caller, who frees it with mailauth_free()
 * Threads: any; the context may be shared by all threads
 *
 * Return: MAILAUTH_OK          the context is ready
 *         MAILAUTH_E_CONFIG    configuration or key file: the log says which line or mode
 *         MAILAUTH_E_TEMPFAIL  the store cannot be opened now; try again later
 *         MAILAUTH_E_UNSUPPORTED  no such kind of store in this build
 *         MAILAUTH_E_USAGE, _NOMEM
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_open(const struct mailauth_options *options,
						       struct mailauth **ctx_out);

/**
 * mailauth_free() - close a context and wipe its keys
 * @ctx: pointer to the context, or to NULL; set to NULL
 *
 * Sessions and users of the context must be freed before.
 * Threads: no other thread may use the context any more; those that did must have ended, or never
 *          end before the process does, because OpenSSL keeps something for each of them
 */
void mailauth_free(struct mailauth **ctx);

/**
 * mailauth_set_logger() - send the context's log events elsewhere
 * @ctx:   the context
 * @log:   function, or NULL for silence
 * @arg:   passed to @log
 * @level: events above it are not made
 *
 * Threads: no other thread may use the context during the call.
 */
void mailauth_set_logger(struct mailauth *ctx, mailauth_log_fn *log, void *arg,
			 enum mailauth_log_level level);

/**
 * mailauth_mech_count() - how many mechanisms this build has
 * Return: a count, for mailauth_mech_name()
 */
size_t mailauth_mech_count(void);

/**
 * mailauth_mech_name() - name of one mechanism
 * @index: 0 to mailauth_mech_count() - 1
 * Return: the SASL name, "CRAM-MD5"; a constant. NULL if @index is too large.
 */
const char *mailauth_mech_name(size_t index);

#define MAILAUTH_REQUEST_TLS	      1u /* what the client sends is protected by TLS, or is local */
#define MAILAUTH_REQUEST_SUCCESS_DATA 2u /* the protocol carries data along with success */
/* Judge the proof alone: expiry and a password that must be changed are for the caller to ask about
 * with mailauth_user_state(), as PAM's account stage does. A locked account is refused all the
 * same. */
#define MAILAUTH_REQUEST_PROOF_ONLY   4u

/**
 * What ties a login to the TLS connection it is made through, or with tls-server-end-point to the
 * certificate of the server, so that nobody in between can pass it on.
 * Ref: RFC 5056; RFC 5929 (tls-unique, tls-server-end-point), RFC 9266 (tls-exporter)
 */
struct mailauth_binding {
	const char *type; /* "tls-exporter", "tls-server-end-point", "tls-unique" */
	const void *p;	  /* the data, as the RFC of the type says */
	size_t len;	  /* bytes at @p, 1 to MAILAUTH_BINDING_MAX */
};

/** Who asks, and for what. Zero, NULL: not known. mailauth_session_new() copies all of it. */
struct mailauth_request {
	size_t size;	     /* sizeof(struct mailauth_request) */
	unsigned int flags;  /* or-ed MAILAUTH_REQUEST_ bits */
	const char *service; /* "smtp", for the log */
	const char *peer;    /* client address, for the log */
	const char *group;   /* admit only members of this group */
	const char *realm;   /* for names without one; default: default_realm */
	const char *host;    /* this server's name, in challenges; default: the realm */
	/* Of the TLS connection, for SCRAM-*-PLUS. With any, a client that could use one and was
	 * told that the server cannot is refused (RFC 5802 section 6). */
	const struct mailauth_binding *bindings;
	size_t n_bindings; /* 0 to MAILAUTH_BINDINGS_MAX */
};

/** An APOP timestamp, for a POP3 greeting. */
struct mailauth_timestamp {
	char text[MAILAUTH_TIMESTAMP_MAX + 1];
};

/** The name of an account, local@realm, as it is stored. */
struct mailauth_name {
	char text[MAILAUTH_NAME_MAX + 1];
};

/**
 * mailauth_session_new() - start one login dialogue
 * @ctx:         the context; must outlive the session
 * @mech:        SASL mechanism name, any case; or "APOP"
 * @request:     who asks, or NULL; copied
 * @session_out: the session; NULL on failure
 *
 * Owner: the caller, who frees it with mailauth_session_free()
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_UNSUPPORTED  no such mechanism; PLAIN or LOGIN without MAILAUTH_REQUEST_TLS
 *                                 where the configuration says `plaintext = tls`; a -PLUS
 *                                 mechanism without channel bindings
 *         MAILAUTH_E_CONFIG    this OpenSSL lacks what is needed: treat as _TEMPFAIL; logged
 *         MAILAUTH_E_USAGE, _NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_session_new(struct mailauth *ctx, const char *mech, const struct mailauth_request *request,
		     struct mailauth_session **session_out);

/**
 * mailauth_session_step() - feed one client message to a login session
 * @session:       made by mailauth_session_new()
 * @in:            client message after base64 decoding; any bytes; NULL if there is none
 * @in_len:        bytes in @in, 0 to MAILAUTH_MESSAGE_MAX
 * @reply_out:     reply before base64 encoding; empty if there is none
 * @reply_len_out: bytes in the reply
 *
 * Start with the client's initial response, or with nothing: the reply is then the server's
 * challenge, which may be empty. A session ends with the first status that is not
 * MAILAUTH_CONTINUE; a further call is MAILAUTH_E_PROTOCOL and changes nothing.
 *
 * DIGEST-MD5 and SCRAM end with data that prove the server to the client. SMTP, POP3 and IMAP
 * cannot send them along with success: they come with MAILAUTH_CONTINUE then, and the client's
 * empty answer completes the login. With MAILAUTH_REQUEST_SUCCESS_DATA they come with MAILAUTH_OK.
 *
 * In a session of APOP the first reply is the timestamp for the greeting, and the client's message
 * is "user digest", what follows the word APOP.
 *
 * Owner:   the reply belongs to @session, valid until the next call on it
 * Threads: one at a time per session; sessions of a context may run in parallel
 * Ref:     RFC 4422 section 3; PLAIN: RFC 4616 section 2; CRAM-MD5: RFC 2195 section 2;
 *          DIGEST-MD5: RFC 2831 section 2.1; SCRAM: RFC 5802 section 5, RFC 7677;
 *          APOP: RFC 1939 section 7; LOGIN: draft-murchison-sasl-login-00
 *
 * Return: MAILAUTH_OK        logged in, mailauth_session_user() answers
 *         MAILAUTH_CONTINUE  send the reply, call again
 *         MAILAUTH_E_DENIED, _PROTOCOL, _LIMIT, _TEMPFAIL  session is over
 *         MAILAUTH_E_CORRUPT the account's record is damaged: treat as _TEMPFAIL
 *         MAILAUTH_E_NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status mailauth_session_step(struct mailauth_session *session,
							       const void *in, size_t in_len,
							       const void **reply_out,
							       size_t *reply_len_out);

/**
 * mailauth_session_user() - who logged in
 * @session: the session
 * Return: the account, local@realm, valid until the session is freed; NULL before success
 */
const char *mailauth_session_user(const struct mailauth_session *session);

/**
 * mailauth_session_free() - end a dialogue and wipe it
 * @session: pointer to the session, or to NULL; set to NULL
 */
void mailauth_session_free(struct mailauth_session **session);

/**
 * mailauth_verify_plain() - is this the user's password?
 * @ctx:          the context
 * @request:      who asks, or NULL; needs MAILAUTH_REQUEST_TLS unless `plaintext = always`
 * @user:         name as the client gave it; any bytes
 * @user_len:     bytes in @user
 * @password:     password as the client gave it; any bytes
 * @password_len: bytes in @password, 1 to MAILAUTH_PASSWORD_MAX
 * @name_out:     the account on success, else empty; may be NULL
 *
 * Checks against the cheapest verifier that the account holds.
 *
 * Threads: any
 * Ref:     RFC 4616 section 2
 *
 * Return: MAILAUTH_OK          yes
 *         MAILAUTH_E_DENIED    no: wrong, unknown, locked, expired, not in the group
 *         MAILAUTH_E_UNSUPPORTED  not over TLS and the configuration wants it
 *         MAILAUTH_E_TEMPFAIL  the store is away
 *         MAILAUTH_E_CORRUPT   the account's record is damaged: treat as _TEMPFAIL
 *         MAILAUTH_E_CONFIG    this OpenSSL lacks what is needed: treat as _TEMPFAIL; logged
 *         MAILAUTH_E_USAGE, _NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_verify_plain(struct mailauth *ctx, const struct mailauth_request *request,
		      const void *user, size_t user_len, const void *password, size_t password_len,
		      struct mailauth_name *name_out);

/**
 * mailauth_verify_cram() - check a CRAM-MD5 response for a server that ran the dialogue itself
 * @ctx:           the context
 * @request:       who asks, or NULL
 * @challenge:     what the server sent, before base64 encoding
 * @challenge_len: bytes in @challenge, 1 to MAILAUTH_MESSAGE_MAX; the caller vouches that the
 *                 challenge was fresh
 * @response:      the client's "user digest", after base64 decoding; any bytes
 * @response_len:  bytes in @response
 * @name_out:      the account on success, else empty; may be NULL
 *
 * Threads: any
 * Ref:     RFC 2195 section 2
 *
 * Return: MAILAUTH_OK          the digest is right
 *         MAILAUTH_E_DENIED    it is not, or unknown, locked, expired, not in the group
 *         MAILAUTH_E_PROTOCOL  the response is malformed
 *         MAILAUTH_E_LIMIT     longer than MAILAUTH_MESSAGE_MAX
 *         MAILAUTH_E_TEMPFAIL  the store is away
 *         MAILAUTH_E_CORRUPT   the account's record is damaged: treat as _TEMPFAIL
 *         MAILAUTH_E_CONFIG    this OpenSSL lacks what is needed: treat as _TEMPFAIL; logged
 *         MAILAUTH_E_USAGE, _NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_verify_cram(struct mailauth *ctx, const struct mailauth_request *request,
		     const void *challenge, size_t challenge_len, const void *response,
		     size_t response_len, struct mailauth_name *name_out);

/**
 * mailauth_apop_timestamp() - a timestamp for a POP3 greeting
 * @ctx:           the context
 * @request:       host is this server's name; or NULL
 * @timestamp_out: "<random.time@host>", never the same twice; empty on failure
 *
 * Threads: any
 * Ref:     RFC 1939 section 7
 *
 * Return: MAILAUTH_OK
 *         MAILAUTH_E_LIMIT  the host's name is too long
 *         MAILAUTH_E_CONFIG    this OpenSSL lacks what is needed: treat as _TEMPFAIL; logged
 *         MAILAUTH_E_USAGE, _NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_apop_timestamp(struct mailauth *ctx, const struct mailauth_request *request,
			struct mailauth_timestamp *timestamp_out);

/**
 * mailauth_verify_apop() - check an APOP command for a server that ran the dialogue itself
 * @ctx:        the context
 * @request:    who asks, or NULL
 * @timestamp:  what the greeting had, with its angle brackets; the caller vouches that it was fresh
 * @user:       the command's first argument; any bytes
 * @user_len:   bytes in @user
 * @digest:     its second: 32 hexadecimal digits, in any case; any bytes
 * @digest_len: bytes in @digest
 * @name_out:   the account on success, else empty; may be NULL
 *
 * Only accounts that keep their password can be served; the others are refused like a wrong one.
 *
 * Threads: any
 * Ref:     RFC 1939 section 7
 *
 * Return: MAILAUTH_OK          the digest is right
 *         MAILAUTH_E_DENIED    it is not, or unknown, locked, expired, not in the group
 *         MAILAUTH_E_PROTOCOL  the arguments are malformed
 *         MAILAUTH_E_LIMIT     longer than MAILAUTH_MESSAGE_MAX
 *         MAILAUTH_E_TEMPFAIL  the store is away
 *         MAILAUTH_E_CORRUPT   the account's record is damaged: treat as _TEMPFAIL
 *         MAILAUTH_E_CONFIG    this OpenSSL lacks what is needed: treat as _TEMPFAIL; logged
 *         MAILAUTH_E_USAGE, _NOMEM, _INTERNAL
 */
MAILAUTH_MUST_CHECK enum mailauth_status
mailauth_verify_apop(struct mailauth *ctx, const struct mailauth_request *request,
		     const char *timestamp, const void *user, size_t user_len, const void *digest,
		     size_t digest_len, struct mailauth_name *name_out);

/**
 * mailauth_status_name() - a status as text
 * @status: any value
 * Return: "MAILAUTH_E_DENIED"; a constant; "MAILAUTH_E_?" for an unknown value
 */
const char *mailauth_status_name(enum mailauth_status status);

/**
 * mailauth_version() - the version of the library in use
 * Return: "0.1.0"; a constant
 */
const char *mailauth_version(void);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
