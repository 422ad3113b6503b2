# SPDX-License-Identifier: BSD-2-Clause
"""saslpasswd2 writes to the store through the plugin, with docs/saslpasswd.conf."""
import json

import pytest

from conftest import PASSWORD, password_of
from mailserver import HOSTNAME
from submit import login

WAYS = [("CRAM-MD5", "none"), ("PLAIN", "starttls"), ("LOGIN", "tls")]


def saslpasswd2(server, *args, password=None, realm=HOSTNAME):
    """Runs saslpasswd2, password from standard input."""
    return server.run("saslpasswd2", "-p", "-u", realm, *args, stdin=password, check=False)


def accepted(server, name, password):
    """Is the login accepted, each way? The ways have to agree."""
    replies = {login(server, name, password, mech, tls).code for mech, tls in WAYS}
    assert replies in ({235}, {535}), replies
    return replies == {235}


def show(server, name):
    """mailuser show --json; None if there is no such account."""
    done = server.mailuser("show", "--json", name, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else None


def test_makes_an_account_changes_and_removes_its_password(server):
    assert show(server, "carol") is None
    assert saslpasswd2(server, "-c", "carol", password=PASSWORD).returncode == 0
    assert accepted(server, "carol", PASSWORD)

    assert saslpasswd2(server, "carol", password="Second 0ne").returncode == 0
    assert accepted(server, "carol", "Second 0ne") and not accepted(server, "carol", PASSWORD)

    before = show(server, "carol")
    assert saslpasswd2(server, "-d", "carol").returncode == 0
    assert not accepted(server, "carol", "Second 0ne") and not accepted(server, "carol", PASSWORD)
    after = show(server, "carol")
    assert after["name"] == before["name"] == f"carol@{HOSTNAME}"
    assert before["secrets"] and not after["secrets"]

    assert saslpasswd2(server, "-c", "carol", password="Third 0ne").returncode == 0
    assert accepted(server, "carol", "Third 0ne")


def test_keeps_everything_else_of_an_account(server):
    server.mailuser("add", "-c", "Dora D.", "-G", "imap,smtp", "--stdin", "dora",
                    stdin=PASSWORD + "\n")
    before = show(server, "dora")
    assert saslpasswd2(server, "dora", password="Second 0ne").returncode == 0
    after = show(server, "dora")
    changing = ("generation", "modified")
    assert {k: v for k, v in after.items() if k not in changing} == {
        k: v for k, v in before.items() if k not in changing}
    assert accepted(server, "dora", "Second 0ne")


def test_does_not_write_to_sasldb(server):
    assert saslpasswd2(server, "-c", "dave", password=PASSWORD).returncode == 0
    assert not server.path("/etc/sasldb2").exists()


def test_writes_clear_text_to_sasldb_without_the_documented_file(own_server):
    """The trap that docs/saslpasswd.conf is there for."""
    own_server.shell("mv /etc/sasl2/saslpasswd.conf /etc/sasl2/away")
    done = saslpasswd2(own_server, "-c", "dave", password=PASSWORD)
    own_server.shell("mv /etc/sasl2/away /etc/sasl2/saslpasswd.conf")
    assert done.returncode == 0 and accepted(own_server, "dave", PASSWORD)
    assert PASSWORD.encode() in own_server.path("/etc/sasldb2").read_bytes()


def test_deleting_an_unknown_user_fails(server):
    assert saslpasswd2(server, "-d", "nobody").returncode != 0
    assert show(server, "nobody") is None


@pytest.mark.parametrize("name,password", [
    ("fred", "x" * 1025), ("fred", "\u00fc\udcff"), ("fr/ed", PASSWORD), ("-fred", PASSWORD),
    ("f" * 65, PASSWORD), ("..", PASSWORD), ("fr ed", PASSWORD)],
    ids=["long password", "password not UTF-8", "slash", "dash", "long name", "dots", "space"])
def test_refuses_what_mailuser_refuses(server, name, password):
    if "\udcff" in password:
        done = server.shell(f"printf 'a\\377b' | saslpasswd2 -p -c -u {HOSTNAME} {name}",
                            check=False)
    else:
        done = saslpasswd2(server, "-c", "--", name, password=password)
    assert done.returncode != 0
    assert show(server, "fred") is None


def test_fails_without_a_store(own_server):
    own_server.shell("mv /etc/mailauth/store.key /etc/mailauth/store.key.away")
    assert saslpasswd2(own_server, "-c", "gina", password=PASSWORD).returncode != 0
    own_server.shell("mv /etc/mailauth/store.key.away /etc/mailauth/store.key")
    assert show(own_server, "gina") is None
    assert saslpasswd2(own_server, "-c", "gina", password=PASSWORD).returncode == 0
    assert accepted(own_server, "gina", PASSWORD)
    assert accepted(own_server, "bob", password_of("bob"))
