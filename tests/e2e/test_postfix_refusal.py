# SPDX-License-Identifier: BSD-2-Clause
"""Everybody who is refused hears the same; only the mail log knows why.

Run with `mailauth_group: smtp`, as smtpd.conf suggests.
"""
import pytest

from conftest import PASSWORD
from mailserver import HOSTNAME
from submit import authenticate, connect, login

REFUSED = "535 5.7.8 Error: authentication failed: authentication failure"
WAYS = [("CRAM-MD5", "none"), ("PLAIN", "starttls"), ("LOGIN", "tls")]
CASES = {  # what: (name, password, reason in the log)
    "wrong password": ("alice", "Wonder-1an", None),
    "empty password": ("alice", "", None),
    "password with more behind": ("alice", PASSWORD + " ", None),
    "unknown": ("nobody", PASSWORD, "unknown-user"),
    "unknown realm": ("alice@elsewhere.test", PASSWORD, "unknown-user"),
    "locked": ("lou-locked", PASSWORD, "locked"),
    "expired": ("eve-expired", PASSWORD, "expired"),
    "no group": ("gus-groupless", PASSWORD, "not-in-group"),
    "other group": ("ian-imap", PASSWORD, "not-in-group"),
    "never had a password": ("pam-passwordless", PASSWORD, "no-secret"),
}


@pytest.fixture(scope="module")
def grouped(own_server):
    """A Postfix that admits members of the group smtp only."""
    own_server.mailuser("add", "-G", "smtp", "--stdin", "pam-passwordless", stdin=PASSWORD + "\n")
    own_server.run("saslpasswd2", "-d", "-u", HOSTNAME, "pam-passwordless")
    own_server.set_sasl_option("mailauth_group: smtp")
    own_server.reload()
    return own_server


@pytest.mark.parametrize("mech,tls", WAYS)
@pytest.mark.parametrize("case", CASES)
def test_refusals_sound_alike_and_are_logged(grouped, case, mech, tls):
    name, password, reason = CASES[case]
    start = grouped.log_size()
    reply = login(grouped, name, password, mech, tls)
    assert reply.text == REFUSED
    lines = [line for line in grouped.log_since(start) if "/smtpd[" in line]
    ours = [line for line in lines if "mailauth login:" in line]
    full = name if "@" in name else f"{name}@{HOSTNAME}"
    if reason:
        assert len(ours) == 1, lines
        assert "warning: SASL authentication failure: " in ours[0]
        assert "result=denied" in ours[0] and "service=smtp peer=127.0.0.1 " in ours[0]
        assert ours[0].endswith(f" user={full}")
        assert f"reason={reason} " in ours[0]
    else:
        assert ours == []
    assert any(f"SASL {mech} authentication failed: authentication failure, sasl_username={full}"
               in line for line in lines)
    assert password == "" or password not in "\n".join(lines)


@pytest.mark.parametrize("name,reasons", [("alice", 0), ("lou-locked", 3)])
def test_each_attempt_of_a_connection_is_logged_once(grouped, name, reasons):
    start = grouped.log_size()
    with connect(grouped, grouped.submissions, "tls") as smtp:
        for mech in ("PLAIN", "PLAIN", "LOGIN"):
            assert authenticate(smtp, mech, name, "x")[0] == 535
    lines = [line for line in grouped.log_since(start) if "mailauth login:" in line]
    assert len(lines) == reasons, lines


@pytest.mark.parametrize("mech,tls", WAYS)
def test_admits_members(grouped, mech, tls):
    assert login(grouped, "alice", PASSWORD, mech, tls).accepted


def test_lock_and_unlock_count_at_once(grouped):
    before = grouped.smtpd_pids()
    grouped.mailuser("passwd", "--lock", "alice")
    assert login(grouped, "alice", PASSWORD).text == REFUSED
    grouped.mailuser("passwd", "--unlock", "alice")
    assert login(grouped, "alice", PASSWORD).accepted
    assert grouped.smtpd_pids() <= before
