# SPDX-License-Identifier: BSD-2-Clause
"""What is expected of each client: everything works, except what stands here with its reason.

test_matrix.py checks the exceptions as well: a client that suddenly can do what is said here to be
beyond it fails the test, so that this table stays true. An exception is the client's own limit
(Outcome.UNSUPPORTED), or a login that is refused although the password is right.
"""
from wire import Outcome

MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]
WAYS = {  # what a server of this protocol is asked for; USER stands for IMAP's LOGIN command, too
    "smtp": MECHANISMS,
    "pop3": [*MECHANISMS, "USER", "APOP"],
    "imap": [*MECHANISMS, "USER"],
}
CLEARTEXT = ("PLAIN", "LOGIN", "USER")  # not without TLS

SCRAM = ("SCRAM-SHA-1", "SCRAM-SHA-256")
SASL = tuple(MECHANISMS)

CANNOT_MECH = {  # client: [(mechanisms, why)]
    "libsasl2-pop3": [(("USER", "APOP"), "no SASL mechanisms")],
    "libsasl2-imap": [(("USER",), "no SASL mechanism")],
    "smtplib": [(("DIGEST-MD5", *SCRAM), "not in Python's library")],
    "poplib": [(SASL, "poplib does no SASL")],
    "imaplib": [(("LOGIN", "DIGEST-MD5", *SCRAM), "not in Python's library")],
    "swaks": [(SCRAM, "not in swaks 20201014")],
    "curl-smtp": [(SCRAM, "Debian builds curl without GNU SASL")],
    "curl-pop3": [(SCRAM, "Debian builds curl without GNU SASL"),
                  (("USER",), "curl has no option for it")],
    "curl-imap": [(SCRAM, "Debian builds curl without GNU SASL"),
                  (("USER",), "curl has no option for it")],
    "gsasl-imap": [(("USER",), "no SASL mechanism")],
    "fetchmail-pop3": [(("PLAIN", "LOGIN", "DIGEST-MD5", *SCRAM), "not in fetchmail 6.4")],
    "fetchmail-imap": [(("PLAIN", "LOGIN", "DIGEST-MD5", *SCRAM), "not in fetchmail 6.4")],
    "mbsync": [(("LOGIN",), "with that word it sends IMAP's command")],
    "ruby-smtp": [(("DIGEST-MD5", *SCRAM), "not in net-smtp 0.3")],
    "ruby-pop3": [(SASL, "net-pop does no SASL")],
    "ruby-imap": [(("DIGEST-MD5",), "net-imap 0.2 changes a frozen string"),
                  (SCRAM, "not in net-imap 0.2")],
    "php": [(SCRAM, "Net_SMTP 1.10 does not ask Auth_SASL for it")],
}

CANNOT_TLS = {  # (client, kind of TLS): why
    ("gsasl-smtp", "tls"): "gsasl has STARTTLS only",
    ("gsasl-imap", "tls"): "gsasl has STARTTLS only",
    ("ruby-pop3", "starttls"): "net-pop has no STLS",
}

ASCII_ONLY = "Python encodes the password as ASCII"
SASLPREP = "GNU SASL refuses what Unicode 3.2 did not have"
CANNOT_PASSWORD = {  # (client, passwords): [(mechanisms, why)]
    ("smtplib", "latin1 beyond emoji"): [(("PLAIN", "LOGIN", "CRAM-MD5"), ASCII_ONLY)],
    ("imaplib", "latin1 beyond emoji"): [(("USER",), ASCII_ONLY)],
    ("ruby-smtp", "latin1 beyond emoji"): [(("CRAM-MD5",), "net-smtp mixes encodings")],
    ("ruby-imap", "latin1 beyond emoji"): [(("CRAM-MD5", "USER"), "net-imap mixes encodings")],
    ("gsasl-smtp", "emoji"): [(("CRAM-MD5", *SCRAM), SASLPREP)],
    ("gsasl-imap", "emoji"): [(("CRAM-MD5", *SCRAM), SASLPREP)],
    ("msmtp", "emoji"): [(("CRAM-MD5", *SCRAM), SASLPREP)],
    ("mpop", "emoji"): [(("CRAM-MD5", *SCRAM), SASLPREP)],
}

# A right password is refused all the same: (mechanisms of the server, client, password): ...
ONE_FORM = ("libsasl2's DIGEST-MD5 takes one hash, that of the Latin-1 text as RFC 2831 has it;"
            " this client hashes UTF-8")
REFUSED_PASSWORD = {
    ("stock", "swaks curl-smtp curl-pop3 curl-imap php", "latin1"): [(("DIGEST-MD5",), ONE_FORM)],
}


def _reason(rules, mech):
    return next((why for mechs, why in rules if mech in mechs), None)


def unsupported(client, mech, tls, password=None):
    """Why this client cannot do that, or None."""
    reasons = [_reason(CANNOT_MECH.get(client, []), mech), CANNOT_TLS.get((client, tls))]
    reasons += [_reason(rules, mech) for (name, passwords), rules in CANNOT_PASSWORD.items()
                if name == client and password in passwords.split()]
    return next(filter(None, reasons), None)


def expected(mechanisms, client, mech, tls, password=None):
    """The outcome of a login with the right password, and why it is none if it is none."""
    why = unsupported(client, mech, tls, password)
    if why:
        return Outcome.UNSUPPORTED, why
    for (kind, clients, passwords), rules in REFUSED_PASSWORD.items():
        if kind == mechanisms and client in clients.split() and password in passwords.split():
            why = why or _reason(rules, mech)
    return (Outcome.REFUSED, why) if why else (Outcome.ACCEPTED, None)
