# SPDX-License-Identifier: BSD-2-Clause
"""What a stolen store gives away: nothing. Looks at the bytes of the files on disk."""
import base64
import hashlib

import pytest

import cram
from conftest import PASSWORD, password_of
from mailserver import HOSTNAME
from saslproperties import lookup
from submit import login

FILES = ["/var/lib/mailauth/accounts.mdb", "/var/lib/mailauth/accounts.mdb-lock"]
KEPT = "Kept 4 ever, sealed"


def test_the_helper_knows_cram_md5():
    known = "5211b25404b61f715e033eca6b1115701b4e6dd0a4cafc260118b6b0a3402313"
    assert cram.verifier("tanstaaftanstaaf").hex() == known  # RFC 2195 section 2


def forms(secret):
    """A secret as it stands and as people write it down; whole and, if it is long, in halves."""
    parts = [secret]
    if len(secret) >= 32:
        parts += [secret[:16], secret[16:32]]
    for part in parts:
        yield part
        yield part.hex().encode()
        yield part.hex().upper().encode()
        for cut in range(3):  # in the midst of a longer base64 text
            yield base64.b64encode(part[cut:len(part) - (len(part) - cut) % 3])


@pytest.fixture(scope="module")
def files(server):
    """The bytes on disk after logins and changes, and the plain verifier of alice."""
    server.mailuser("add", "--recoverable", "--stdin", "kept", stdin=KEPT + "\n")
    for name, password in (("alice", PASSWORD), ("bob", password_of("bob")), ("kept", KEPT)):
        for mech in ("CRAM-MD5", "PLAIN"):
            assert login(server, name, password, mech, "tls").accepted
    return b"".join(server.path(name).read_bytes() for name in FILES)


def test_a_password_would_be_found(server):
    """The check itself: the key file is found when it is looked for in itself."""
    key = server.path("/etc/mailauth/store.key").read_bytes()
    assert any(form in key for form in forms(key[8:40]))


@pytest.mark.parametrize("password", [PASSWORD, password_of("bob"), KEPT])
def test_no_password_is_readable(files, password):
    for text in (password, password.lower(), password.upper(), password[::-1]):
        for secret in (text.encode(), text.encode("utf-16-le")):
            assert not any(form in files for form in forms(secret))


@pytest.mark.parametrize("password", [PASSWORD, password_of("bob"), KEPT])
def test_no_cram_md5_verifier_is_readable(files, password):
    for order in "<>":
        assert not any(form in files for form in forms(cram.verifier(password, order)))


@pytest.mark.parametrize("name", ["alice", "bob", "kept"])
def test_no_plain_verifier_is_readable(server, files, name):
    password = {"alice": PASSWORD, "kept": KEPT}.get(name) or password_of(name)
    secret = lookup(server, [name], ["*cmusaslsecretPLAIN"])[name]["*cmusaslsecretPLAIN"]
    salt, digest = secret[:16], secret[17:]
    assert digest == hashlib.md5(salt + b"sasldb" + password.encode()).digest()
    assert not any(form in files for form in forms(digest))
    assert not any(form in files for form in forms(salt))


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_no_unsalted_hash_is_readable(files, name):
    password = PASSWORD if name == "alice" else password_of(name)
    for text in (password, f"{name}:{HOSTNAME}:{password}",
                 f"{name}@{HOSTNAME}:{HOSTNAME}:{password}"):
        for method in ("md5", "sha1", "sha256", "sha512"):
            digest = hashlib.new(method, text.encode()).digest()
            assert not any(form in files for form in forms(digest))


def test_modes_and_owners(server):
    for name, mode in ((FILES[0], "640"), (FILES[1], "660"), ("/etc/mailauth/store.key", "640")):
        assert server.run("stat", "-c", "%a %U %G", name).stdout == f"{mode} root mailauth\n"
