# SPDX-License-Identifier: BSD-2-Clause
"""Accounts that saslpasswd2 put into a sasldb2 come over with `mailuser import sasldb`.

Nothing of the machine is touched: saslpasswd2 writes to a file that the test names, and has a
configuration of its own, which keeps SCRAM's secrets, too.
"""
import os
import subprocess

import pytest

from tool import bare_fixture, tool_fixture  # pylint: disable=unused-import # fixtures

N_USERS = 50
MECHS = ("PLAIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")


class Sasldb:
    """A sasldb2 and the program that writes it."""

    def __init__(self, folder):
        self.path = folder / "sasldb2"
        (folder / "saslpasswd.conf").write_text("scram_secret_generate: yes\n", encoding="ascii")
        self.env = {**os.environ, "SASL_CONF_PATH": str(folder)}

    def put(self, user, password, *args, realm="lab.test"):
        """Makes an account or changes its password."""
        subprocess.run(["saslpasswd2", "-p", "-c", "-u", realm, "-f", self.path, *args, user],
                       input=password.encode(), check=True, env=self.env, timeout=60)


@pytest.fixture(name="sasldb")
def sasldb_fixture(tmp_path):
    """An empty one."""
    return Sasldb(tmp_path)


def password_of(number):
    """A password for a user: not two have the same, some are not ASCII."""
    return f"Gr\u00fc\u00df {number}" if number % 5 == 0 else f"password-{number}"


def test_every_user_logs_in_after_the_import(tool, sasldb):
    for number in range(N_USERS):
        sasldb.put(f"user{number}", password_of(number), realm=f"r{number % 2}.test")
    before = sasldb.path.read_bytes()
    printed = tool.ok("import", "sasldb", sasldb.path)
    assert printed.endswith(f"\n{N_USERS} accounts: {N_USERS} added, 0 updated\n")
    assert sorted(tool.names()) == sorted(f"user{n}@r{n % 2}.test" for n in range(N_USERS))
    for number in range(N_USERS):
        name = f"user{number}@r{number % 2}.test"
        password = password_of(number).encode()
        for mech in MECHS:
            assert tool.accepts(name, password, "--mech", mech), (name, mech)
        assert not tool.accepts(name, password + b"x", "--mech", "CRAM-MD5")
    assert sasldb.path.read_bytes() == before


def test_scram_comes_where_it_is_all_there_is(tool, sasldb):
    sasldb.put("tim", "tanstaaftanstaaf", "-n")
    printed = tool.ok("import", "sasldb", sasldb.path)
    assert "tim@lab.test: added, scram-sha-" in printed
    assert tool.show("tim")["secrets"] in (["scram-sha-1"], ["scram-sha-256"], ["scram-sha-512"])
    mech = tool.show("tim")["secrets"][0].upper()
    assert tool.accepts("tim", b"tanstaaftanstaaf", "--mech", mech)
    assert not tool.accepts("tim", b"tanstaaf", "--mech", mech)


def test_a_password_is_kept_only_where_asked_for(tool, sasldb):
    sasldb.put("kept", "tanstaaf")
    tool.ok("import", "--recoverable", "sasldb", sasldb.path)
    assert tool.accepts("kept", b"tanstaaf", "--mech", "APOP")
    tool.ok("del", "kept")
    tool.ok("import", "sasldb", sasldb.path)
    assert not tool.accepts("kept", b"tanstaaf", "--mech", "APOP")


def test_a_name_that_is_refused_is_named_and_nothing_comes(tool, sasldb):
    sasldb.put("alice", "secret")
    sasldb.put("sp ace", "secret")
    done = tool.run("import", "sasldb", sasldb.path)
    assert done.returncode == 1
    assert "sp ace@lab.test" in done.stderr and "it has a space" in done.stderr
    assert "1 bad entry; nothing was changed" in done.stderr
    assert not tool.names()


@pytest.mark.parametrize("content, why", [
    (None, "No such file or directory"),
    (b"alice:x:1000:1000::/:/bin/sh\n", "is not a hash file of Berkeley DB"),
    (b"\xcf\x9a\x57\x13" + bytes(4092), "is a gdbm file"),
], ids=["missing", "text", "gdbm"])
def test_another_file_is_refused_with_advice(tool, sasldb, content, why):
    if content is not None:
        sasldb.path.write_bytes(content)
    tool.fails(1, why, "import", "sasldb", sasldb.path)
    assert sasldb.path.exists() == (content is not None)


def test_json_takes_all_of_it_to_another_store(tool, sasldb):
    for number in range(5):
        sasldb.put(f"user{number}", password_of(number))
    tool.ok("import", "sasldb", sasldb.path)
    exported = tool.ok("export", "json")
    for name in tool.names():
        tool.ok("del", name)
    file = tool.folder / "accounts.json"
    file.write_text(exported, encoding="utf-8")
    tool.ok("import", "json", file)
    assert tool.ok("export", "json") == exported
    assert tool.accepts("user0", password_of(0).encode(), "--mech", "SCRAM-SHA-256")


def test_two_names_that_are_one_are_refused(tool, sasldb):
    sasldb.put("Bob", "one")
    sasldb.put("bob", "two")
    done = tool.run("import", "sasldb", sasldb.path)
    assert done.returncode != 0 and tool.names() == []
    assert "bob@lab.test: there are two of this name, in capital and small letters" in done.stderr


def test_a_name_does_not_write_to_the_terminal_as_it_pleases(tool, sasldb):
    sasldb.put("esc\x1b[2J", "one")
    done = tool.run("import", "sasldb", sasldb.path)
    assert done.returncode != 0 and tool.names() == []
    assert "\x1b" not in done.stderr and "esc\\x1b[2J" in done.stderr
