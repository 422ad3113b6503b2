# SPDX-License-Identifier: BSD-2-Clause
"""Users of a real Unix become mail users: made by useradd, chpasswd, usermod, passwd and chage,
imported, and then let in by Postfix exactly where su would let them in; after that, by every other
mechanism too, without a new password.
"""
import subprocess

import pytest

import byhand
from expectations import CLEARTEXT, MECHANISMS
from mailserver import HOSTNAME
from wire import Outcome

PASSWORD = "Unix-Pa55word, h\u00e9"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
METHODS = {
    "yescrypt": ["chpasswd", "-c", "YESCRYPT"],
    "sha512crypt": ["chpasswd", "-c", "SHA512"],
    "sha256crypt": ["chpasswd", "-c", "SHA256"],
    "md5crypt": ["chpasswd", "-c", "MD5"],
    "descrypt": ["chpasswd", "-c", "DES"],
    "default": ["chpasswd"],
    "bcrypt": None,  # Debian's chpasswd cannot make one
}
STATES = {
    "active": [],
    "locked": ["usermod", "-L"],
    "unlocked": ["sh", "-c", "usermod -L $0 && usermod -U $0"],
    "expired": ["chage", "-E", "2001-01-01"],
    "expires": ["chage", "-E", "2099-01-01"],
    "must-change": ["chage", "-d", "0"],
    "too-old": ["chage", "-d", "2020-01-01", "-M", "10"],
    "inactive": ["chage", "-d", "2020-01-01", "-M", "10", "-I", "10"],
    "old": ["chage", "-d", "2020-01-01", "-M", "9999"],
    "star": ["usermod", "-p", "*"],
}
DIALOGUES = [mech for mech in MECHANISMS if mech not in CLEARTEXT]


@pytest.fixture(name="machine", scope="module")
def machine_fixture(new_server):
    """A Postfix that captures, on a machine with users of every kind, all of them imported."""
    with new_server("postfix", "own") as server:
        server.set_sasl_option("auto_transition: yes")
        server.reload()
        server.run("groupadd", "smtp")
        for method, command in METHODS.items():
            make_user(server, method)
            set_password(server, method, command)
        for name, command in STATES.items():
            make_user(server, name)
            set_password(server, name, ["chpasswd", "-c", "SHA512"])
            if command:
                server.run(*command, name)
        make_user(server, "never")
        make_user(server, "open")
        server.run("passwd", "-d", "open")
        names = [*METHODS, *STATES, "never", "open"]
        server.report = server.mailuser("import", "--only", ",".join(names), "shadow").stdout
        yield server


def make_user(server, name):
    """A user as an administrator makes one."""
    server.run("useradd", "-M", "-c", f"The {name} one", "-G", "smtp", "-s", "/bin/sh", name)


def set_password(server, name, command):
    """PASSWORD, by the method that the command chooses."""
    if command is None:
        crypted = subprocess.run(
            ["perl", "-e", "print crypt($ARGV[0], '$2b$05$abcdefghijklmnopqrstuu')", PASSWORD],
            check=True, capture_output=True, text=True).stdout
        server.run("chpasswd", "-e", stdin=f"{name}:{crypted}\n")
    else:
        server.run(*command, stdin=f"{name}:{PASSWORD}\n")


def su_lets_in(server, name, password=PASSWORD):
    """What the machine itself thinks of the password."""
    done = server.run(*NOBODY, "su", name, "-c", "id -un", stdin=password + "\n", check=False)
    assert (done.stdout == name + "\n") == (done.returncode == 0), done
    return done.returncode == 0


def postfix_lets_in(server, name, mech, password=PASSWORD):
    """What Postfix thinks of it, over TLS. Temporary failures fail the test."""
    outcome = byhand.attempt(server.endpoints[-1], mech, name, password, server.certificate)
    assert outcome in (Outcome.ACCEPTED, Outcome.REFUSED)
    return outcome is Outcome.ACCEPTED


def hash_of(server, name):
    """The field of shadow(5)."""
    return server.run("getent", "shadow", name).stdout.split(":")[1]


@pytest.mark.parametrize("method, prefix", [
    ("yescrypt", "$y$"), ("sha512crypt", "$6$"), ("sha256crypt", "$5$"), ("md5crypt", "$1$"),
    ("bcrypt", "$2b$"), ("default", "$y$"), ("descrypt", "")])
def test_each_method_comes_over(machine, method, prefix):
    assert hash_of(machine, method).startswith(prefix)
    assert f"{method}@{HOSTNAME}: added, crypt, serves PLAIN LOGIN\n" in machine.report
    assert su_lets_in(machine, method) and not su_lets_in(machine, method, "wrong")
    assert not any(postfix_lets_in(machine, method, mech) for mech in DIALOGUES)
    assert not postfix_lets_in(machine, method, "PLAIN", "wrong")
    assert not any(postfix_lets_in(machine, method, mech) for mech in DIALOGUES)
    assert postfix_lets_in(machine, method, "PLAIN")
    for mech in MECHANISMS:
        assert postfix_lets_in(machine, method, mech), mech
        assert not postfix_lets_in(machine, method, mech, "wrong"), mech


@pytest.mark.parametrize("name", STATES)
def test_postfix_decides_as_su(machine, name):
    """With the right password and with a wrong one; the other mechanisms follow PLAIN."""
    expected = su_lets_in(machine, name)
    assert expected == (name in ("active", "unlocked", "expires", "old"))
    assert postfix_lets_in(machine, name, "PLAIN") == expected
    for mech in MECHANISMS:
        assert postfix_lets_in(machine, name, mech) == expected, mech
    assert not su_lets_in(machine, name, "wrong")
    assert not postfix_lets_in(machine, name, "PLAIN", "wrong")


def test_who_never_had_a_password_is_refused(machine):
    assert hash_of(machine, "never") == "!"
    assert not su_lets_in(machine, "never")
    assert not any(postfix_lets_in(machine, "never", mech) for mech in MECHANISMS)


def test_an_empty_password_stays_at_the_console(machine):
    """The one difference from su, which lets in whoever stands there; see mailuser-import(8)."""
    assert hash_of(machine, "open") == ""
    assert su_lets_in(machine, "open", "")
    for password in ("", PASSWORD):
        for mech in CLEARTEXT:
            assert byhand.attempt(machine.endpoints[-1], mech, "open", password,
                                  machine.certificate) is not Outcome.ACCEPTED
    line, = [line for line in machine.report.splitlines() if line.startswith("open@")]
    assert "no secret, serves nothing" in line and "password" in line


def test_a_lock_that_is_taken_off_brings_the_password_back(machine):
    assert not postfix_lets_in(machine, "locked", "PLAIN")
    machine.mailuser("passwd", "--unlock", "locked")
    machine.run("usermod", "-U", "locked")
    assert su_lets_in(machine, "locked") and postfix_lets_in(machine, "locked", "PLAIN")


def test_attributes_come_over(machine):
    done = machine.mailuser("show", "--json", "active")
    for text in ('"comment": "The active one"', '"home": "/home/active"', '"shell": "/bin/sh"',
                 '"smtp"'):
        assert text in done.stdout, done.stdout


def test_absurd_costs_are_refused_and_named(machine):
    """Their users stay out, and so do all others of that import."""
    absurd = {"dearsha": "$6$rounds=999999999$saltsalt$" + "x" * 86,
              "dearyes": "$y$jET$" + "x" * 22 + "$" + "x" * 43,
              "dearbcr": "$2b$31$" + "x" * 53}
    for name, crypted in absurd.items():
        make_user(machine, name)
        machine.run("chpasswd", "-e", stdin=f"{name}:{crypted}\n")
    make_user(machine, "fine")
    set_password(machine, "fine", ["chpasswd"])
    done = machine.mailuser("import", "--only", ",".join([*absurd, "fine"]), "shadow", check=False)
    assert done.returncode == 1
    for name in absurd:
        assert f"{name}@{HOSTNAME}: its crypt(3) string cannot be used" in done.stderr
    assert done.stderr.endswith("mailuser: 3 bad entries; nothing was changed\n")
    assert machine.mailuser("show", "fine", check=False).returncode != 0
