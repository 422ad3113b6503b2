# SPDX-License-Identifier: BSD-2-Clause
"""Servers that ask PAM: Postfix by way of saslauthd, and Dovecot."""
import re

import pytest

from byhand import attempt
from conftest import PASSWORD, make_accounts, password_of
from dovecot import Dovecot
from mailserver import HOSTNAME
from pam import SaslauthdPostfix
from submit import login
from wire import Outcome

CHALLENGED = ["CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]


def started(server):
    """The server, with the accounts of conftest.py, running."""
    try:
        make_accounts(server)
        server.start()
    except BaseException:
        server.close()
        raise
    return server


@pytest.fixture(scope="module", name="postfix")
def fixture_postfix(tree, tmp_path_factory):
    """Postfix and saslauthd."""
    with started(SaslauthdPostfix(tmp_path_factory.mktemp("saslauthd") / "run", tree)) as server:
        yield server


@pytest.fixture(scope="module", name="dovecot")
def fixture_dovecot(tree, tmp_path_factory):
    """Dovecot."""
    with started(Dovecot(tmp_path_factory.mktemp("dovecot") / "run", tree)) as server:
        yield server


def add_crypt(server, name, method="-6", password=PASSWORD):
    """An account as the import of /etc/shadow makes it: a crypt(3) string and nothing else."""
    crypted = server.run("openssl", "passwd", method, password).stdout.strip()
    server.mailuser("add", "-G", "smtp,imap,pop", "-p", crypted, name)


# ---- Postfix with saslauthd ------------------------------------------------------------------

@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("user", ["alice", f"alice@{HOSTNAME}"])
def test_postfix_lets_in_by_way_of_saslauthd(postfix, mech, user):
    reply = login(postfix, user, PASSWORD, mech, "tls")
    assert reply.accepted, reply


@pytest.mark.parametrize("user,password", [
    ("alice", PASSWORD + "r"), ("alice", password_of("bob")), ("nobody", PASSWORD),
    ("lou-locked", PASSWORD), ("eve-expired", PASSWORD), ("ian-imap", PASSWORD),
    ("gus-groupless", PASSWORD)])
def test_postfix_refuses_by_way_of_saslauthd(postfix, user, password):
    assert login(postfix, user, password, "PLAIN", "tls").code == 535


def test_it_is_saslauthd_that_was_asked(postfix):
    """Without it nobody gets in with PLAIN; CRAM-MD5 needs none."""
    start = postfix.log_size()
    assert login(postfix, "alice", PASSWORD + "r", "PLAIN", "tls").code == 535
    said = postfix.path("/var/log/syslog").read_text()
    assert re.search(r"pam_mailauth\(smtp:auth\): authentication failure; .*user=alice@", said)
    assert "SASL PLAIN authentication failed" in "\n".join(postfix.log_since(start))


@pytest.mark.parametrize("method", ["-1", "-5", "-6"])
@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN"])
def test_an_imported_account_serves_everything_after_its_first_login(postfix, method, mech):
    name = f"imp{method}-{mech.lower()}"
    add_crypt(postfix, name, method)
    end = next(end for end in postfix.endpoints if end.tls == "starttls")

    def outcome(way, password=PASSWORD):
        return attempt(end, way, name, password, postfix.certificate, initial=False)

    assert [outcome(way) for way in CHALLENGED] == [Outcome.REFUSED] * len(CHALLENGED)
    assert outcome(mech, PASSWORD + "r") is Outcome.REFUSED
    assert outcome("CRAM-MD5") is outcome("CRAM-MD5", PASSWORD + "r") is Outcome.REFUSED
    assert outcome(mech) is Outcome.ACCEPTED
    assert [outcome(way) for way in CHALLENGED] == [Outcome.ACCEPTED] * len(CHALLENGED)
    assert outcome("CRAM-MD5", PASSWORD + "r") is Outcome.REFUSED


# ---- Dovecot ---------------------------------------------------------------------------------

PLACES = [(protocol, tls) for protocol in ("imap", "pop3") for tls in ("starttls", "tls")]


def place(server, protocol, tls):
    """The endpoint that speaks so."""
    return next(end for end in server.endpoints if (end.protocol, end.tls) == (protocol, tls))


@pytest.fixture(scope="module", name="reader")
def fixture_reader(dovecot):
    """An account that may read with both protocols."""
    dovecot.mailuser("add", "-G", "imap,pop", "--stdin", "rea", stdin=PASSWORD + "\n")
    return "rea"


@pytest.mark.parametrize("protocol,tls", PLACES)
@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN", "USER"])
@pytest.mark.parametrize("realm", ["", f"@{HOSTNAME}"])
def test_dovecot_lets_in(dovecot, reader, protocol, tls, mech, realm):
    got = attempt(place(dovecot, protocol, tls), mech, reader + realm, PASSWORD,
                  dovecot.certificate)
    assert got is Outcome.ACCEPTED


@pytest.mark.parametrize("protocol,user,password", [
    ("imap", "rea", PASSWORD + "r"), ("pop3", "rea", PASSWORD + "r"), ("imap", "nobody", PASSWORD),
    ("imap", "lou-locked", PASSWORD), ("imap", "eve-expired", PASSWORD),
    ("imap", "gus-groupless", PASSWORD), ("imap", "bob", password_of("bob"))])
def test_dovecot_refuses(dovecot, reader, protocol, user, password):
    user = reader if user == "rea" else user
    got = attempt(place(dovecot, protocol, "tls"), "PLAIN", user, password, dovecot.certificate)
    assert got is Outcome.REFUSED


def test_dovecot_asks_for_the_group_of_the_protocol(dovecot):
    """alice is in the group imap and not in pop."""
    for protocol, want in (("imap", Outcome.ACCEPTED), ("pop3", Outcome.REFUSED)):
        assert attempt(place(dovecot, protocol, "tls"), "PLAIN", "alice", PASSWORD,
                       dovecot.certificate) is want


def test_dovecot_tells_the_log_watcher_the_address(dovecot):
    start = dovecot.log_size()
    attempt(place(dovecot, "imap", "tls"), "PLAIN", "alice", PASSWORD + "r", dovecot.certificate)
    log = "\n".join(dovecot.log_since(start))
    assert re.search(r"pam_mailauth\(imap:auth\): authentication failure; .* rhost=127\.0\.0\.1 "
                     r" user=alice@", log), log
    assert PASSWORD not in log


def test_dovecot_captures_too(dovecot):
    add_crypt(dovecot, "dora")
    assert attempt(place(dovecot, "imap", "tls"), "PLAIN", "dora", PASSWORD,
                   dovecot.certificate) is Outcome.ACCEPTED
    for mech in CHALLENGED:
        done = dovecot.mailuser("verify", "--mech", mech, "--stdin", "dora", stdin=PASSWORD + "\n",
                                check=False)
        assert done.returncode == 0, done.stderr


def test_an_outage_is_nobodys_wrong_password(dovecot, reader):
    """Dovecot tells the client that the password is wrong, whatever PAM's reason; our log does
    not."""
    key = "/etc/mailauth/store.key"
    start = dovecot.log_size()
    dovecot.run("mv", key, f"{key}.away")
    try:
        got = attempt(place(dovecot, "imap", "tls"), "PLAIN", reader, PASSWORD,
                      dovecot.certificate)
    finally:
        dovecot.run("mv", f"{key}.away", key)
    assert got is Outcome.REFUSED
    log = "\n".join(dovecot.log_since(start))
    assert "authentication failure" not in log and "mailauth key:" in log
    assert attempt(place(dovecot, "imap", "tls"), "PLAIN", reader, PASSWORD,
                   dovecot.certificate) is Outcome.ACCEPTED
