# SPDX-License-Identifier: BSD-2-Clause
"""Every server, with libsasl2's mechanisms and with ours, against every client and mechanism.

What is expected of a client stands in expectations.py. A test is one server, client and mechanism;
it goes through the kinds of TLS and the forms of the name, or through the passwords.
"""
import concurrent.futures
import dataclasses

import pytest

import byhand
from byhand import Form
from clients import CLIENTS
from conftest import PASSWORD, SERVERS
from expectations import CLEARTEXT, WAYS, expected
from mailserver import HOSTNAME
from wire import Connection, Outcome

PROTOCOLS = {"postfix": ["smtp"], "sendmail": ["smtp"], "exim": ["smtp"], "cyrus": ["pop3", "imap"]}
KINDS = ["stock", "own"]
PLACES = [(name, kind, protocol) for name in SERVERS for kind in KINDS
          for protocol in PROTOCOLS[name]]
WRONG = PASSWORD[:-1]

PASSWORDS = {
    "blanks": "two  words, three",
    "around": " blanks around ",
    "percent": "100%s %n%d %%",
    "quotes": "say \"hi\" 'now'",
    "backslash": "C:\\new\\table\\",
    "symbols": "a,b=c;{d}#e|$(f)`g`",
    "latin1": "gr\u00fcn & Stra\u00dfe",
    "beyond": "\u017c\u00f3\u0142w",
    "emoji": "snow\U0001f600man",
    "long": "0123456789" * 20,
}
# The passwords go to all servers through these; through all others to one of each protocol.
THOROUGH = ("byhand", "libsasl2", "curl", "msmtp", "mpop", "mbsync")


def combinations(select):
    """(server, kind, client, mechanism) for all that select(server, client) wants."""
    return [pytest.param(name, kind, client, mech, id=f"{name}-{kind}-{client}-{mech}")
            for name, kind, protocol in PLACES
            for client, entry in CLIENTS.items() if entry.protocol == protocol
            if select(name, client) for mech in WAYS[protocol]]


def takes_passwords(name, client):
    """See THOROUGH."""
    return name in ("postfix", "cyrus") or client.startswith(THOROUGH)


@pytest.fixture(scope="session")
def place(shared_server):
    """A server with the accounts that are needed here beside conftest's."""
    ready = set()

    def get(name, kind):
        server = shared_server(name, kind)
        if server not in ready:
            server.mailuser("add", "--recoverable", "-G", "smtp,imap", "--stdin", "rhea",
                            stdin=PASSWORD + "\n")
            for label, password in PASSWORDS.items():
                server.mailuser("add", "--recoverable", "-G", "smtp,imap", "--stdin",
                                f"pw-{label}", stdin=password + "\n")
            ready.add(server)
        return server
    return get


def endpoints(server, protocol, mech):
    """Where a server takes that mechanism."""
    return [end for end in server.endpoints if end.protocol == protocol
            and (end.tls != "none" or mech not in CLEARTEXT)]


def run_logins(client, logins, certificate):
    """Runs (endpoint, mech, user, password) each; returns (what, outcome) in their order."""
    def run(login):
        endpoint, mech, user, password = login
        return client.login(endpoint, mech, user, password, str(certificate))
    if not client.program:
        return list(map(run, logins))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, logins))


def check(client, cases, certificate):
    """Runs cases of (login, the outcome wanted and why); compares."""
    outcomes = run_logins(client, [login for login, _ in cases], certificate)
    wrong = [f"{login[0].tls} {login[1]} {login[2]} {login[3]!r}: {got.value}, not {want.value}"
             + (f" ({why})" if why else "")
             for (login, (want, why)), got in zip(cases, outcomes) if got is not want]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name,kind,client,mech", combinations(lambda name, client: True))
def test_logins(place, name, kind, client, mech):
    server, entry = place(name, kind), CLIENTS[client]
    user = "rhea" if mech == "APOP" else "alice"
    cases = []
    for end in endpoints(server, entry.protocol, mech):
        want, why = expected(kind, client, mech, end.tls)
        refused = want if want is Outcome.UNSUPPORTED else Outcome.REFUSED
        for typed in (user, f"{user}@{HOSTNAME}"):
            cases.append(((end, mech, typed, PASSWORD), (want, why)))
            cases.append(((end, mech, typed, WRONG), (refused, why)))
    check(entry, cases, server.certificate)


@pytest.mark.parametrize("name,kind,client,mech", combinations(takes_passwords))
def test_passwords(place, name, kind, client, mech):
    server, entry = place(name, kind), CLIENTS[client]
    usable = [end for end in endpoints(server, entry.protocol, mech)
              if expected(kind, client, mech, end.tls)[0] is Outcome.ACCEPTED]
    if not usable:
        return  # what this client cannot do at all is test_logins' business
    cases = [((usable[-1], mech, f"pw-{label}", password),
              expected(kind, client, mech, usable[-1].tls, label))
             for label, password in PASSWORDS.items()]
    check(entry, cases, server.certificate)


FORMS = {
    "plain": Form(),
    "no charset": Form(charset=False),
    "no realm": Form(realm=""),
    "quoted charset": Form(quoted_charset=True),
    "white space": Form(spaces=True),
    "other host": Form(host=HOSTNAME),
    "realm as host": Form(host=HOSTNAME, charset=False),
    "UTF-8 hashed": Form(latin1=False),
    "UTF-8 hashed, no charset": Form(latin1=False, charset=False),
    "empty authzid": Form(authzid=""),
    "own authzid": Form(authzid="filled in by the test"),
}


# libsasl2's own DIGEST-MD5 gets one hash from us, and we see neither the realm nor the charset that
# the client chose: it is the hash with the server's realm, and of Latin-1 where the text allows.
STOCK_REFUSES = {("no realm", "rhea"), ("no realm", "pw-latin1"), ("UTF-8 hashed", "pw-latin1"),
                 ("UTF-8 hashed, no charset", "pw-latin1")}


@pytest.mark.parametrize("name,kind,protocol", PLACES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("user,password", [("rhea", PASSWORD), ("pw-latin1", PASSWORDS["latin1"])])
def test_forms_of_digest_md5(place, name, kind, protocol, form, user, password):
    server = place(name, kind)
    end = endpoints(server, protocol, "DIGEST-MD5")[0]
    shape = FORMS[form]
    if shape.authzid:
        shape = dataclasses.replace(shape, authzid=f"{user}@{HOSTNAME}")
    right = Outcome.ACCEPTED
    if kind == "stock" and (form, user) in STOCK_REFUSES:
        right = Outcome.REFUSED
    for typed in (user, f"{user}@{HOSTNAME}"):
        for secret, want in ((password, right), (password + "x", Outcome.REFUSED)):
            got = byhand.attempt(end, "DIGEST-MD5", typed, secret, server.certificate, shape)
            assert got is want, (typed, secret)


@pytest.mark.parametrize("name,kind,protocol", PLACES)
@pytest.mark.parametrize("mech", [mech for mech in WAYS["smtp"] if mech not in CLEARTEXT])
def test_takes_a_dialogue_without_an_initial_response(place, name, kind, protocol, mech):
    server = place(name, kind)
    for end in endpoints(server, protocol, mech):
        for password, want in ((PASSWORD, Outcome.ACCEPTED), (WRONG, Outcome.REFUSED)):
            assert byhand.attempt(end, mech, "alice", password, server.certificate,
                                  initial=False) is want


@pytest.mark.parametrize("kind", KINDS)
def test_one_account_serves_all_mechanisms_but_apop(place, kind):
    server = place("cyrus", kind)
    end = next(end for end in server.endpoints if (end.protocol, end.tls) == ("pop3", "starttls"))
    for mech in WAYS["pop3"]:
        start = server.log_size()
        got = byhand.attempt(end, mech, "alice", PASSWORD, server.certificate)
        log = [line for line in server.log_since(start) if "mailauth login:" in line]
        if mech != "APOP":
            assert got is Outcome.ACCEPTED, mech
            assert not any("reason=" in line for line in log)
        else:
            assert got is Outcome.REFUSED
            assert any("reason=no-secret" in line and f"user=alice@{HOSTNAME}" in line
                       for line in log), log


@pytest.mark.parametrize("kind", KINDS)
def test_apop_without_the_password_sounds_like_a_wrong_one(place, kind):
    server = place("cyrus", kind)
    said = set()
    for user, password in (("alice", PASSWORD), ("alice", WRONG), ("rhea", WRONG),
                           ("nobody", WRONG)):
        end = next(end for end in server.endpoints if end.protocol == "pop3")
        with Connection(end, server.certificate) as pop:
            assert byhand.log_in(pop, "APOP", user, password) is Outcome.REFUSED
            said.add(pop.last_words)
    assert len(said) == 1, said
