# SPDX-License-Identifier: BSD-2-Clause
"""Who is let in: every mechanism, kind of TLS and client; and what is not even offered."""
import re
import smtplib

import pytest

import submit
from conftest import PASSWORD, password_of
from mailserver import HOSTNAME, wait_for
from submit import authenticate, connect, login

WAYS = [("CRAM-MD5", "none"), ("CRAM-MD5", "starttls"), ("CRAM-MD5", "tls"),
        ("PLAIN", "starttls"), ("PLAIN", "tls"), ("LOGIN", "starttls"), ("LOGIN", "tls")]


def delivered(server, queue_id):
    """Waits until the mail has left the queue by way of the transport discard."""
    wait_for(f"delivery of {queue_id}", lambda: [
        line for line in server.log_since(0)
        if f": {queue_id}: " in line and "status=sent" in line and "postfix/discard" in line])


@pytest.mark.parametrize("client", submit.CLIENTS)
@pytest.mark.parametrize("mech,tls", WAYS)
def test_accepts_the_right_password_and_delivers(server, mech, tls, client):
    start = server.log_size()
    reply = login(server, "alice", PASSWORD, mech, tls, client)
    assert reply.accepted, reply
    delivered(server, reply.queued)
    log = "\n".join(server.log_since(start))
    assert f"sasl_method={mech}, sasl_username=alice@{HOSTNAME}" in log


@pytest.mark.parametrize("client", submit.CLIENTS)
@pytest.mark.parametrize("mech,tls", WAYS)
def test_refuses_a_wrong_password(server, mech, tls, client):
    reply = login(server, "alice", PASSWORD + "r", mech, tls, client)
    assert reply.code == 535 and not reply.queued, reply


@pytest.mark.parametrize("mech,tls", [("CRAM-MD5", "none"), ("PLAIN", "tls"), ("LOGIN", "tls")])
@pytest.mark.parametrize("typed", ["alice", f"alice@{HOSTNAME}", "Alice",
                                   f"ALICE@{HOSTNAME.upper()}"])
def test_takes_the_name_with_and_without_realm(server, typed, mech, tls):
    reply = login(server, typed, PASSWORD, mech, tls)
    assert reply.accepted, reply


def test_postfix_finds_no_fault_with_the_documented_files(server):
    start = server.log_size()
    done = server.run("postfix", "check")
    assert done.stdout + done.stderr == "" and server.log_since(start) == []


def test_port_25_takes_logins_too(server):
    assert login(server, "alice", PASSWORD, "CRAM-MD5", "none", port=server.smtp).accepted
    assert login(server, "alice", PASSWORD, "PLAIN", "starttls", port=server.smtp).accepted


@pytest.mark.parametrize("mech,tls", WAYS)
def test_passwords_belong_to_one_account(server, mech, tls):
    assert login(server, "bob", password_of("bob"), mech, tls).accepted
    assert login(server, "bob", PASSWORD, mech, tls).code == 535
    assert login(server, "alice", password_of("bob"), mech, tls).code == 535


# What a mechanism leaves behind in a connection must not help or hinder the next attempt.
ATTEMPTS = {
    "wrong CRAM-MD5, then CRAM-MD5": [
        ("CRAM-MD5", "alice", "x", 535), ("CRAM-MD5", "alice", None, 235)],
    "wrong CRAM-MD5, then PLAIN": [("CRAM-MD5", "alice", "x", 535), ("PLAIN", "alice", None, 235)],
    "wrong PLAIN, then CRAM-MD5": [("PLAIN", "alice", "x", 535), ("CRAM-MD5", "alice", None, 235)],
    "wrong PLAIN, then LOGIN": [("PLAIN", "alice", "x", 535), ("LOGIN", "alice", None, 235)],
    "other user's password after his try": [
        ("PLAIN", "bob", "x", 535), ("PLAIN", "alice", password_of("bob"), 535),
        ("LOGIN", "alice", password_of("bob"), 535),
        ("CRAM-MD5", "alice", password_of("bob"), 535), ("PLAIN", "alice", None, 235)],
    "unknown user, then a known one": [
        ("PLAIN", "nobody", "x", 535), ("CRAM-MD5", "nobody", "x", 535),
        ("PLAIN", "bob", None, 235)],
    "locked user, then a known one": [
        ("LOGIN", "lou-locked", None, 535), ("CRAM-MD5", "bob", None, 235)],
}


@pytest.mark.parametrize("attempts", ATTEMPTS.values(), ids=ATTEMPTS)
def test_attempts_in_one_connection_are_independent(server, attempts):
    with connect(server, server.submissions, "tls") as smtp:
        for mech, user, password, want in attempts:
            code, text = authenticate(smtp, mech, user, password or password_of(user))
            assert code == want, (mech, user, text)


@pytest.mark.parametrize("port", ["smtp", "submission"])
def test_offers_no_plaintext_without_tls(server, port):
    encrypted = ["CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]
    with connect(server, getattr(server, port), "none") as smtp:
        assert sorted(smtp.esmtp_features["auth"].split()) == encrypted
        smtp.starttls()
        smtp.ehlo()
        offered = smtp.esmtp_features["auth"].split()
        assert sorted(offered) == sorted([*encrypted, "LOGIN", "PLAIN"])


@pytest.mark.parametrize("port", ["smtp", "submission"])
@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN"])
def test_refuses_plaintext_without_tls(server, port, mech):
    with connect(server, getattr(server, port), "none") as smtp:
        code, text = authenticate(smtp, mech, "alice", PASSWORD)
        assert code == 535 and "encryption needed" in text
        assert smtp.mail("alice@example.test")[0] == 250
        assert smtp.rcpt(submit.RCPT)[0] in (550, 554)


@pytest.mark.parametrize("port,tls", [("smtp", "none"), ("submission", "none"),
                                      ("submission", "starttls"), ("submissions", "tls")])
def test_relays_only_after_a_login(server, port, tls):
    with connect(server, getattr(server, port), tls) as smtp:
        smtp.mail("alice@example.test")
        code, text = smtp.rcpt(submit.RCPT)
        assert code == 554 and re.search(b"Relay access denied|Access denied", text), text


def test_an_account_without_the_verifier_is_refused(server):
    name = "carl-cram"
    assert login(server, name, PASSWORD, "CRAM-MD5", "none").accepted
    assert login(server, name, PASSWORD, "PLAIN", "tls").code == 535


@pytest.mark.parametrize("client", ["swaks", "curl"])
@pytest.mark.parametrize("mech,tls", [("CRAM-MD5", "none"), ("PLAIN", "tls"),
                                      ("LOGIN", "starttls")])
def test_takes_passwords_beyond_ascii(server, mech, tls, client):
    password = "Gr\u00fc\u00dfe \u20ac 5"
    server.mailuser("add", "--stdin", "uwe", stdin=password + "\n", check=False)
    assert login(server, "uwe", password, mech, tls, client).accepted
    assert login(server, "uwe", "Grusse EUR 5", mech, tls, client).code == 535


HOSTILE = {
    "empty name": "",
    "blank": " ",
    "dot": ".",
    "at": "@",
    "no local part": f"@{HOSTNAME}",
    "two ats": f"alice@{HOSTNAME}@{HOSTNAME}",
    "control characters": "alice\x01\x1b[2J",
    "percent": "%s%n%s%n%n",
    "quotes": "alice' or '1'='1",
    "not UTF-8 when cut": "a" * 63 + "\u00fc",
    "64 bytes": "a" * 64,
    "65 bytes": "a" * 65,
    "320 bytes": "a" * 64 + "@" + "b" * 255,
    "321 bytes": "a" * 65 + "@" + "b" * 255,
    "1000 bytes": "a" * 1000,
    "other realm": "alice@elsewhere.test",
    "path": "../../etc/passwd",
}


@pytest.mark.parametrize("mech", ["CRAM-MD5", "PLAIN", "LOGIN"])
@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_survives_hostile_names(server, name, mech):
    before = server.smtpd_pids()
    with connect(server, server.submissions, "tls") as smtp:
        before |= server.smtpd_pids()
        smtp.command_encoding = "utf-8"
        initial = {"PLAIN": f"\0{name}\0{PASSWORD}", "LOGIN": name, "CRAM-MD5": ""}[mech]
        code, text = raw_auth(smtp, mech, initial, name)
        assert code in (454, 500, 501, 535), text
        assert code != 454 or name in ("", " "), text  # those are libsasl2's own answers
        assert smtp.noop()[0] == 250
    assert server.smtpd_pids() <= before
    assert login(server, "alice", PASSWORD, mech, "tls").accepted


def raw_auth(smtp, mech, initial, name):
    """A dialogue that smtplib itself would not run; it wants ASCII."""
    if mech == "CRAM-MD5":
        code, text = smtp.docmd("AUTH CRAM-MD5")
        answer = f"{name} " + "0123456789abcdef" * 2
    else:
        code, text = smtp.docmd(f"AUTH {mech}", encode(initial) or "=")
        answer = PASSWORD
    while code == 334:
        code, text = smtp.docmd(encode(answer))
    return code, text


def encode(text):
    """One line of a SASL dialogue."""
    return smtplib.encode_base64(text.encode(), eol="")
