# SPDX-License-Identifier: BSD-2-Clause
"""Each mail server with the files of docs/: who is let in, who is not, and what the log says.

Postfix has tests of its own; here it stands beside the others as the one they are compared with.
"""
import re

import pytest

import byhand
from byhand import log_in
from conftest import PASSWORD, SERVERS, password_of
from expectations import CLEARTEXT, MECHANISMS
from mailserver import HOSTNAME, Endpoint
from wire import Connection, Outcome, ending

STORE = "/var/lib/mailauth/accounts.mdb"
MAIL_SERVERS = [name for name in SERVERS if name != "cyrus"]
ENDPOINTS = {  # as in each server's .endpoints
    "smtp": [("smtp", "none"), ("smtp", "starttls"), ("smtp", "tls")],
    "cyrus": [(protocol, tls) for protocol in ("imap", "pop3")
              for tls in ("none", "starttls", "tls")],
}
PLACES = [(name, *place) for name in SERVERS for place in ENDPOINTS.get(name, ENDPOINTS["smtp"])]
WAYS = [(*place, mech) for place in PLACES for mech in MECHANISMS
        if mech not in CLEARTEXT or place[2] != "none"]
PLAINTEXT = [place for place in PLACES if place[2] == "none"]


def endpoint_of(server, protocol, tls):
    """The endpoint that speaks so."""
    found = [end for end in server.endpoints if (end.protocol, end.tls) == (protocol, tls)]
    assert len(found) == 1
    return found[0]


def accepted_if(right):
    """The outcome of a login with the right password, or of one with another."""
    return Outcome.ACCEPTED if right else Outcome.REFUSED


def attempt(server, end, mech, user, password):
    """One login on a connection of its own."""
    return byhand.attempt(end, mech, user, password, server.certificate, initial=False)


@pytest.mark.parametrize("name,protocol,tls,mech", WAYS)
@pytest.mark.parametrize("user", ["alice", f"alice@{HOSTNAME}", "Alice"])
def test_accepts_the_right_password(shared_server, name, protocol, tls, mech, user):
    server = shared_server(name)
    got = attempt(server, endpoint_of(server, protocol, tls), mech, user, PASSWORD)
    # DIGEST-MD5 hashes the name as it was typed.
    assert got is accepted_if(mech != "DIGEST-MD5" or user[0] == "a")


@pytest.mark.parametrize("name,protocol,tls,mech", WAYS)
@pytest.mark.parametrize("user,password", [
    ("alice", PASSWORD + "r"), ("alice", password_of("bob")), ("nobody", PASSWORD),
    ("lou-locked", PASSWORD)])
def test_refuses_everybody_else(shared_server, name, protocol, tls, mech, user, password):
    server = shared_server(name)
    with Connection(endpoint_of(server, protocol, tls), server.certificate) as link:
        assert log_in(link, mech, user, password, initial=False) is Outcome.REFUSED
        assert re.match(r"535 |-ERR |a\d+ NO authentication failure", link.last_words), link.said


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("mech", MECHANISMS)
def test_our_own_mechanisms_take_the_place_of_libsasl2s(shared_server, name, mech):
    server = shared_server(name, "own")
    assert server.shell("ls /usr/lib/*/sasl2/lib{plain,login,crammd5,digestmd5,scram}.so",
                        check=False).stdout == ""
    for end in server.endpoints:
        if mech in CLEARTEXT and end.tls == "none":
            continue
        for user in ("alice", f"alice@{HOSTNAME}"):
            assert attempt(server, end, mech, user, PASSWORD) is Outcome.ACCEPTED
            assert attempt(server, end, mech, user, "x") is Outcome.REFUSED
        assert attempt(server, end, mech, "lou-locked", PASSWORD) is Outcome.REFUSED


@pytest.mark.parametrize("name,protocol,tls", PLACES)
def test_offers_plaintext_under_tls_only(shared_server, name, protocol, tls):
    server = shared_server(name)
    with Connection(endpoint_of(server, protocol, tls), server.certificate) as link:
        offered = [mech for mech in link.mechanisms if not mech.endswith("-PLUS")]
    wanted = [mech for mech in MECHANISMS if mech not in CLEARTEXT or tls != "none"]
    assert sorted(offered) == sorted(wanted)


@pytest.mark.parametrize("name,protocol,tls", PLAINTEXT)
@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN"])
def test_refuses_plaintext_without_tls(shared_server, name, protocol, tls, mech):
    server = shared_server(name)
    verb = "AUTHENTICATE" if protocol == "imap" else "AUTH"
    with Connection(endpoint_of(server, protocol, tls), server.certificate) as link:
        assert re.match(r"5\d\d |-ERR |a\d+ NO ", link.ask(f"{verb} {mech}")), link.said


def send(link):
    """Sends a mail to another place; returns the code of the first refusal, or of the end."""
    code = 0
    for line in ("MAIL FROM:<alice@example.test>", "RCPT TO:<you@elsewhere.test>", "DATA",
                 "Subject: e2e\r\n\r\nhello\r\n."):
        code = int(link.ask(line)[:3])
        if code >= 400:
            break
    return code


@pytest.mark.parametrize("name", MAIL_SERVERS)
@pytest.mark.parametrize("tls", ["none", "starttls", "tls"])
def test_submission_is_for_those_who_logged_in(shared_server, name, tls):
    server = shared_server(name)
    with Connection(endpoint_of(server, "smtp", tls), server.certificate) as link:
        assert send(link) in (530, 554)
        link.command("RSET")
        assert log_in(link, "CRAM-MD5", "alice", PASSWORD) is Outcome.ACCEPTED
        assert send(link) == 250


@pytest.mark.parametrize("name", MAIL_SERVERS)
def test_port_25_relays_for_strangers_after_a_login_only(shared_server, name):
    server = shared_server(name)
    # From 127.0.0.1 Sendmail and Exim relay for everybody, as their packages have it.
    port_25 = Endpoint("smtp", server.smtp, "none")
    with Connection(port_25, server.certificate, source="127.0.0.2") as link:
        assert send(link) in (550, 554)
        link.command("RSET")
        assert log_in(link, "CRAM-MD5", "alice", PASSWORD) is Outcome.ACCEPTED
        assert send(link) == 250


# What the log says about a login with CRAM-MD5. Postfix: see test_postfix_refusal.py.
ACCEPTED = {
    "sendmail": r"AUTH=server, relay=localhost \[127\.0\.0\.1\], "
                f"authid=alice@{HOSTNAME}, mech=CRAM-MD5",
    "exim": f" A=mailauth_cram_md5:alice@{HOSTNAME} ",
    "cyrus": rf"login: localhost \[127\.0\.0\.1\] alice@{HOSTNAME} CRAM-MD5\+TLS User logged in",
}
WRONG = {
    "sendmail": r"AUTH failure \(CRAM-MD5\): authentication failure \(-13\) .* user=alice,",
    "exim": r"mailauth_cram_md5 authenticator failed .*: 535 Incorrect authentication data"
            rf" \(set_id=alice@{HOSTNAME}\)",
    "cyrus": rf"badlogin: localhost \[127\.0\.0\.1\] CRAM-MD5 \(alice@{HOSTNAME}\) "
             r"\[SASL\(-13\): authentication failure: incorrect digest response\]",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_the_log_has_what_the_documentation_says(shared_server, name):
    server = shared_server(name)
    end = [end for end in server.endpoints if end.tls == "tls"][0]
    start = server.log_size()
    with Connection(end, server.certificate) as link:
        assert log_in(link, "CRAM-MD5", "alice", PASSWORD) is Outcome.ACCEPTED
        if end.protocol == "smtp":
            assert send(link) == 250  # Exim logs a login with the mail that came by it
    assert attempt(server, end, "CRAM-MD5", "alice", "x") is Outcome.REFUSED
    for user in ("lou-locked", "nobody"):
        for mech in ("CRAM-MD5", "PLAIN"):
            assert attempt(server, end, mech, user, PASSWORD) is Outcome.REFUSED
    log = "\n".join(server.log_since(start))
    assert re.search(ACCEPTED[name], log), log
    assert re.search(WRONG[name], log), log
    ours = [line for line in log.splitlines() if "mailauth login:" in line]
    service = end.protocol
    for reason, user in (("locked", "lou-locked"), ("unknown-user", "nobody")):
        assert sum(f"result=denied reason={reason} service={service} peer=127.0.0.1 " in line
                   and line.endswith(f"user={user}@{HOSTNAME}") for line in ours) == 2, log
    assert len(ours) == 4 and PASSWORD not in log


AWAY = {  # what clients hear when the store is away: see docs/NAME.md
    "postfix": "454 4.7.0 Temporary authentication failure",
    "sendmail": "535 5.7.0 authentication failed",
    "exim": "435 Unable to authenticate at present",
    "cyrus": r"(-ERR \[AUTH\] authenticating:|a\d+ NO) remote authentication server unavailable$",
}


@pytest.fixture(scope="module", params=SERVERS)
def changing(request, new_server):
    """A server of this module's own, with its name."""
    with new_server(request.param) as server:
        yield request.param, server


@pytest.mark.parametrize("restart", [False, True], ids=["running", "restarted"])
def test_a_store_that_is_away_lets_nobody_in_and_is_logged(changing, restart):
    name, server = changing
    server.shell(f"mv {STORE} {STORE}.away")
    if restart or name == "postfix":  # a running smtpd keeps the store open
        server.reload()
    start = server.log_size()
    try:
        for end in server.endpoints:
            for mech in ("CRAM-MD5", "PLAIN") if end.tls != "none" else ("CRAM-MD5",):
                for user in ("alice", "nobody"):
                    with Connection(end, server.certificate) as link:
                        assert log_in(link, mech, user, PASSWORD, initial=False) \
                            is not Outcome.ACCEPTED
                        assert re.match(AWAY[name], link.last_words), link.said
        assert f"cannot open store {STORE}" in "\n".join(server.log_since(start))
    finally:
        server.shell(f"mv {STORE}.away {STORE}")
        server.reload()
    for end in server.endpoints:
        assert attempt(server, end, "CRAM-MD5", "alice", PASSWORD) is Outcome.ACCEPTED


def test_a_changed_password_counts_at_once(changing):
    _name, server = changing
    end = server.endpoints[-1]
    assert attempt(server, end, "PLAIN", "bob", password_of("bob")) is Outcome.ACCEPTED
    server.mailuser("passwd", "--stdin", "bob", stdin="An0ther one\n")
    for mech in ("CRAM-MD5", "PLAIN"):
        assert attempt(server, end, mech, "bob", "An0ther one") is Outcome.ACCEPTED
        assert attempt(server, end, mech, "bob", password_of("bob")) is Outcome.REFUSED


def test_a_group_admits_its_members(changing):
    _name, server = changing
    server.set_sasl_option("mailauth_group: smtp")
    server.reload()
    for end in server.endpoints:
        assert attempt(server, end, "CRAM-MD5", "alice", PASSWORD) is Outcome.ACCEPTED
        start = server.log_size()
        for user in ("gus-groupless", "ian-imap"):
            assert attempt(server, end, "CRAM-MD5", user, PASSWORD) is Outcome.REFUSED
        assert sum("reason=not-in-group" in line for line in server.log_since(start)) == 2


def test_exim_takes_the_files_in_one_piece_too(new_server):
    with new_server("exim") as server:
        server.use_one_file()
        server.reload()
        for end in server.endpoints:
            assert attempt(server, end, "CRAM-MD5", "alice", PASSWORD) is Outcome.ACCEPTED
            assert attempt(server, end, "CRAM-MD5", "alice", "x") is Outcome.REFUSED
        with Connection(server.endpoints[0], server.certificate) as link:
            assert "PLAIN" not in link.mechanisms and send(link) == 530


def test_exim_reads_its_sasl_options_at_each_login(new_server):
    with new_server("exim") as server:
        end = server.endpoints[0]
        assert attempt(server, end, "CRAM-MD5", "gus-groupless", PASSWORD) is Outcome.ACCEPTED
        server.set_sasl_option("mailauth_group: smtp")
        assert attempt(server, end, "CRAM-MD5", "gus-groupless", PASSWORD) is Outcome.REFUSED
        assert attempt(server, end, "CRAM-MD5", "alice", PASSWORD) is Outcome.ACCEPTED


# ---- what POP3 and IMAP have besides SASL --------------------------------------------------------

@pytest.fixture(scope="module")
def cyrus(shared_server):
    """Cyrus with an account that keeps its password, which APOP needs."""
    server = shared_server("cyrus")
    server.mailuser("add", "--recoverable", "--stdin", "rita", stdin=PASSWORD + "\n")
    return server


@pytest.mark.parametrize("tls", ["none", "starttls", "tls"])
@pytest.mark.parametrize("user,password,accepted", [
    ("rita", PASSWORD, True), (f"rita@{HOSTNAME}", PASSWORD, True), ("rita", "x", False),
    ("alice", PASSWORD, False), ("nobody", PASSWORD, False)])
def test_apop_is_for_accounts_that_keep_their_password(cyrus, tls, user, password, accepted):
    with Connection(endpoint_of(cyrus, "pop3", tls), cyrus.certificate) as link:
        assert log_in(link, "APOP", user, password) is accepted_if(accepted)
        if not accepted:
            assert link.last_words == "-ERR [AUTH] authenticating: authentication failure"


@pytest.mark.parametrize("tls", ["none", "starttls", "tls"])
def test_the_old_login_commands_need_tls(cyrus, tls):
    for password in (PASSWORD, "x"):
        wanted = accepted_if(tls != "none" and password == PASSWORD)
        with Connection(endpoint_of(cyrus, "pop3", tls), cyrus.certificate) as link:
            if tls == "none":
                assert link.ask("USER alice").startswith("-ERR ")
            else:
                assert log_in(link, "USER", "alice", password) is wanted
        with Connection(endpoint_of(cyrus, "imap", tls), cyrus.certificate) as link:
            assert ("LOGINDISABLED" in " ".join(link.capabilities)) == (tls == "none")
            assert ending("imap", link.ask(f'LOGIN alice "{password}"')) is wanted
