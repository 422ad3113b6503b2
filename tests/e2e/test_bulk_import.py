# SPDX-License-Identifier: BSD-2-Clause
"""mailuser import and export: what comes, what is said about it, and that nothing is lost.

On stores in temporary folders, as test_mailuser.py. What each format can hold is tested beside the
formats; what interrupts an import: test_bulk_interrupt.py; users of a real Unix:
test_import_unix.py.
"""
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess

import pytest

from mailserver import wait_for
from tool import Terminal, Tool

ALL = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
SHA512 = "$6$saltsalt$" # openssl passwd -6 -salt saltsalt secret
SHA512 += "RhJi7zsBAMzuzH3tBP4gJnCnUUcgHRXxoOFLxbzF6zQlXLCWXJZtTPmPfLX1YVrcAP2RjwHs0h5sHi7FfEsrR."


@pytest.fixture(name="tool")
def tool_fixture(tmp_path):
    """An empty store."""
    return new_tool(tmp_path / "mailauth")


def new_tool(folder):
    """An empty store."""
    tool = Tool(folder)
    tool.ok("init")
    with tool.config.open("a", encoding="utf-8") as config:
        config.write("default_realm = lab.test\nscram_iterations = 4096\n")
    return tool


def crypt(password, method="-6"):
    """A crypt(3) string."""
    return subprocess.run(["openssl", "passwd", method, password], capture_output=True, text=True,
                          check=True).stdout.strip()


class Unix:
    """Files of Unix."""

    def __init__(self, folder):
        self.passwd, self.shadow, self.group = (folder / name for name in
                                                ("passwd", "shadow", "group"))
        self.group.write_text("smtp:x:900:alice,bob\nimap:x:901:alice\n")
        self.lines = []

    def add(self, name, uid, secret, ages="19000:0:99999:7:::", comment="", shell="/bin/bash"):
        """One account."""
        self.lines.append((f"{name}:x:{uid}:100:{comment}:/home/{name}:{shell}\n",
                           f"{name}:{secret}:{ages}\n"))
        self.passwd.write_text("".join(line for line, _ in self.lines))
        self.shadow.write_text("".join(line for _, line in self.lines))

    def options(self):
        """For mailuser import."""
        return ["--passwd", self.passwd, "--shadow", self.shadow, "--group", self.group]


@pytest.fixture(name="unix")
def unix_fixture(tmp_path):
    """root, a daemon, and two people."""
    unix = Unix(tmp_path)
    unix.add("root", 0, crypt("root"))
    unix.add("daemon", 2, "*")
    unix.add("alice", 1000, crypt("secret"), comment="Alice")
    unix.add("bob", 1001, "!" + crypt("secret"), ages="19000:1:90:8:9:30000:")
    unix.add("nobody", 65534, "*")
    return unix


# ---- import shadow -----------------------------------------------------------------------------

def test_shadow_brings_people(tool, unix):
    assert tool.ok("import", *unix.options(), "shadow") == (
        "alice@lab.test: added, crypt, serves PLAIN LOGIN\n"
        "bob@lab.test: added, crypt, serves PLAIN LOGIN, locked\n"
        "2 accounts: 2 added, 0 updated\n")
    alice, bob = tool.show("alice"), tool.show("bob")
    assert (alice["comment"], alice["home"], alice["shell"], alice["uid"], alice["gid"],
            alice["groups"], alice["locked"]) == (
        "Alice", "/home/alice", "/bin/bash", 1000, 100, ["imap", "smtp"], False)
    assert bob["ageing"] == {"last_change": 19000, "min": 1, "max": 90, "warn": 8, "inactive": 9,
                             "expire": 30000}
    assert (bob["locked"], bob["groups"]) == (True, ["smtp"])
    assert tool.accepts("alice", b"secret") and not tool.accepts("alice", b"wrong")


def test_shadow_reads_the_limits_of_login_defs(tool, unix):
    """Those of the machine, which has Debian's."""
    defs = pathlib.Path("/etc/login.defs").read_text(encoding="utf-8")
    assert re.search(r"^UID_MIN\s+1000$", defs, re.M) and re.search(r"^UID_MAX\s+60000$", defs, re.M)
    unix.add("low", 999, crypt("x"))
    unix.add("high", 60001, crypt("x"))
    unix.add("top", 60000, crypt("x"))
    tool.ok("import", *unix.options(), "shadow")
    assert tool.names() == ["alice@lab.test", "bob@lab.test", "top@lab.test"]
    tool.ok("import", *unix.options(), "--min-uid", "60001", "--max-uid", "60001", "shadow")
    assert tool.names() == ["alice@lab.test", "bob@lab.test", "high@lab.test", "top@lab.test"]


def test_shadow_brings_accounts_that_nobody_logs_in_to(tool, unix):
    unix.add("star", 1002, "*")
    unix.add("bang", 1003, "!")
    unix.add("open", 1004, "")
    out = tool.ok("import", *unix.options(), "--only", "star,bang", "--only", "open", "shadow")
    lines = out.splitlines()
    assert lines[0].startswith("star@lab.test: added, no secret, serves nothing, no-secret; ")
    assert lines[1].startswith("bang@lab.test: added, no secret, serves nothing, locked; ")
    assert "no password" in lines[2] and "serves nothing" in lines[2]
    assert lines[3] == ("3 accounts: 3 added, 0 updated; 3 of them cannot log in by any mechanism")
    for name in ("star", "bang", "open"):
        assert not tool.accepts(name, b"x")


def test_one_bad_entry_stops_all_and_each_is_named(tool, unix):
    unix.add("dear", 1002, "$6$rounds=999999999$saltsalt$" + "x" * 86)
    unix.add("odd", 1003, "$99$what$ever")
    unix.add("alice", 1004, crypt("other"))
    unix.add("a,b", 1005, "*")
    unix.add("days", 1006, "*", ages="x:0:99999:7:::")
    with unix.passwd.open("a") as passwd:
        passwd.write("short:x:1007\n")
    done = tool.run("import", *unix.options(), "shadow")
    assert done.returncode == 1 and "2 accounts" not in done.stdout
    *lines, last = done.stderr.splitlines()
    assert last == "mailuser: 6 bad entries; nothing was changed"
    where = f"mailuser: {unix.passwd}"
    starts = [f"{where}:6: dear@lab.test: its crypt(3) string cannot be used", f"{where}:7: odd@",
              f"{where}:8: alice@lab.test: line 3 has an account of this name too", f"{where}:9: a,b: ",
              f"{where}:10: days@lab.test: ", f"{where}:11: short@lab.test: "]
    assert [line[:len(start)] for line, start in zip(lines, starts)] == starts
    assert tool.names() == []


def test_update_is_asked_for(tool, unix):
    tool.ok("import", *unix.options(), "shadow")
    done = tool.run("import", *unix.options(), "shadow")
    assert done.returncode == 1 and done.stderr.count("there is such an account already") == 2
    tool.ok("mod", "-G", "pop", "alice")
    unix.add("carl", 1002, crypt("secret"))
    out = tool.ok("import", "--update", *unix.options(), "shadow")
    assert out.splitlines()[0] == "alice@lab.test: updated, crypt, serves PLAIN LOGIN"
    assert out.splitlines()[-1] == "3 accounts: 1 added, 2 updated"
    assert tool.show("alice")["groups"] == ["imap", "smtp"]


def test_update_keeps_what_was_derived_from_the_same_password(tool, unix):
    tool.ok("import", *unix.options(), "shadow")
    entry = json.loads(tool.ok("export", "--only", "alice", "json"))
    entry["secrets"]["cram-md5"] = ["00" * 32]
    tool.ok("import", "--update", "json", "/dev/stdin", stdin=json.dumps(entry).encode())
    assert tool.show("alice")["secrets"] == ["crypt", "cram-md5"]
    tool.ok("import", "--update", *unix.options(), "shadow")
    assert tool.show("alice")["secrets"] == ["crypt", "cram-md5"]
    unix.lines = [(passwd, shadow.replace("alice:$", "alice:!$")) for passwd, shadow in unix.lines]
    unix.add("alice2", 1003, crypt("changed"))
    unix.lines[2] = (unix.lines[2][0], unix.lines[-1][1].replace("alice2", "alice"))
    unix.add("last", 1004, "*")
    tool.ok("import", "--update", *unix.options(), "shadow")
    assert tool.show("alice")["secrets"] == ["crypt"] and tool.accepts("alice", b"changed")


def test_dry_run_changes_nothing(tool, unix):
    out = tool.ok("import", "--dry-run", *unix.options(), "shadow")
    assert out.endswith("2 accounts: 2 added, 0 updated; a dry run: nothing was changed\n")
    assert tool.names() == []
    unix.add("odd", 1003, "$99$what$ever")
    assert tool.run("import", "--dry-run", *unix.options(), "shadow").returncode == 1


def test_realm_and_only(tool, unix):
    tool.ok("import", *unix.options(), "--realm", "b.test", "--only", "alice", "shadow")
    assert tool.names() == ["alice@b.test"]
    tool.ok("import", *unix.options(), "--realm", "c.test", "--only", "BOB@c.test", "shadow")
    assert tool.names() == ["alice@b.test", "bob@c.test"]
    done = tool.run("import", *unix.options(), "--only", "bob,carl,root", "shadow")
    assert done.returncode == 1 and tool.names() == ["alice@b.test", "bob@c.test"]
    assert done.stderr == ("mailuser: --only: there is no 'carl@lab.test' among them\n"
                           "mailuser: --only: there is no 'root@lab.test' among them\n"
                           "mailuser: 2 bad entries; nothing was changed\n")


def test_only_passes_over_bad_entries_of_others(tool, unix):
    unix.add("odd", 1003, "$99$what$ever")
    tool.ok("import", *unix.options(), "--only", "alice", "shadow")
    assert tool.names() == ["alice@lab.test"]


def test_files_that_are_not_there(tool, unix):
    unix.shadow.unlink()
    done = tool.run("import", *unix.options(), "shadow")
    assert (done.returncode, done.stdout) == (1, "") and str(unix.shadow) in done.stderr
    done = tool.run("import", "--passwd", unix.passwd, "shadow")
    assert done.returncode == 1 and "shadow" in done.stderr
    assert tool.names() == []


@pytest.mark.parametrize("args, message", [
    (["import"], "FORMAT"), (["import", "nope"], "unknown format 'nope'"),
    (["import", "json"], "which FILE"),
    (["import", "--min-uid", "1", "dovecot", "x"], "are for shadow"),
    (["import", "--min-uid", "x", "shadow"], "invalid user ID 'x'"),
    (["import", "--passwd", "a", "shadow", "b"], "give --passwd or b"),
    (["import", "--only", "-x", "shadow"], "cannot be the name"),
    (["export", "nope"], "unknown format 'nope'"), (["export"], "FORMAT"),
    (["export", "sasldb"], "nothing can be exported"),
    (["export", "--mech", "NOPE", "dovecot"], "unknown mechanism 'NOPE'"),
    (["export", "--passwd", "x", "dovecot"], "--passwd is for shadow")])
def test_usage(tool, args, message):
    done = tool.run(*args)
    assert done.returncode == 2 and message in done.stderr and done.stdout == "", done


# ---- other formats -----------------------------------------------------------------------------

def test_passwords_in_the_clear_become_all_verifiers(tool, tmp_path):
    (tmp_path / "users").write_text("alice:{PLAIN}secret::::::\nbob@b.test:{PLAIN}s3cret::::::\n")
    out = tool.ok("import", "dovecot", tmp_path / "users")
    assert out.splitlines()[0].endswith("serves " + " ".join(ALL))
    for mech in ALL:
        assert tool.accepts("alice", b"secret", "--mech", mech)
        assert tool.accepts("bob@b.test", b"s3cret", "--mech", mech)
    assert tool.show("alice")["recoverable"] is False
    tool.ok("import", "--recoverable", "--update", "dovecot", tmp_path / "users")
    assert "password" in tool.show("alice")["secrets"]
    assert tool.accepts("alice", b"secret", "--mech", "APOP")


def test_the_report_has_the_order_of_the_file(tool, tmp_path):
    """Though the threads finish in another: every third is slow."""
    names = [f"user{i:04}" for i in range(1500)]
    with (tmp_path / "users").open("w") as users:
        for i, name in enumerate(names):
            users.write(f"{name}:" + ("{PLAIN}secret" if i % 30 == 0 else
                                      "{CRYPT}" + SHA512) + "::::::\n")
    out = tool.ok("import", "dovecot", tmp_path / "users").splitlines()
    assert [line.split("@")[0] for line in out[:-1]] == names


def test_bad_lines_are_named_among_good_ones(tool, tmp_path):
    (tmp_path / "users").write_bytes(b"alice:{PLAIN}secret\nbob:{NOPE}x\n# remark\ncarl:{PLAIN}\xff\n"
                                     b"dora:{CRAM-MD5}zz\n")
    done = tool.run("import", "dovecot", tmp_path / "users")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert [line.split(": ")[1] for line in lines[:3]] == [f"{tmp_path}/users:{n}" for n in (2, 4, 5)]
    assert lines[3:] == ["mailuser: 3 bad entries; nothing was changed"]
    assert tool.names() == []


def test_a_sasldb_of_a_thousand(tool, tmp_path):
    """Made by libsasl2's own tool; every account then serves everything."""
    if not shutil.which("saslpasswd2"):
        pytest.fail("saslpasswd2 is missing: apt-get install sasl2-bin libsasl2-modules-db")
    database = tmp_path / "sasldb2"
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "saslpasswd.conf").write_text("auxprop_plugin: sasldb\n")
    script = "".join(f"printf %s pass{i:03} | saslpasswd2 -p -c -f {database} -u lab.test user{i}\n"
                     for i in range(1000))
    subprocess.run(["bash", "-eu"], input=script, text=True, check=True,
                   env={**os.environ, "SASL_CONF_PATH": str(conf)})
    out = tool.ok("import", "sasldb", database)
    assert out.splitlines()[-1] == "1000 accounts: 1000 added, 0 updated"
    assert len(tool.names()) == 1000
    for i in (0, 1, 499, 999):
        for mech in ALL:
            assert tool.accepts(f"user{i}", f"pass{i:03}".encode(), "--mech", mech)
        assert not tool.accepts(f"user{i}", b"wrong")


# ---- export ------------------------------------------------------------------------------------

@pytest.fixture(name="full")
def full_fixture(tool, tmp_path):
    """Accounts of every kind."""
    tool.add("alice", "-c", "Alice \u00dc.", "-d", "/var/mail/alice", "-u", "5001", "-g", "8", "-G",
             "smtp,imap", "-e", "2099-12-31", "-f", "7")
    tool.add("bob@b.test", "--mech", "CRAM-MD5")
    tool.add("carl", "--recoverable", "--mech", "APOP,CRAM-MD5")
    tool.run("add", "nil")
    tool.ok("add", "-p", crypt("secret"), "unix")
    tool.ok("passwd", "--lock", "unix")
    tool.ok("chage", "-M", "90", "-d", "2026-01-01", "unix")
    (tmp_path / "latin").write_text("l\u00e4tin:{PLAIN}s\u00e9cret::::::\n", encoding="utf-8")
    tool.ok("import", "dovecot", tmp_path / "latin")
    return tool


def test_json_loses_nothing(full, tmp_path):
    text = full.ok("export", "json")
    assert len(text.splitlines()) == len(full.names())
    again = new_tool(tmp_path / "again")
    again.ok("import", "json", "/dev/stdin", stdin=text.encode())
    assert again.ok("export", "json") == text
    for name, password in (("alice", b"secret"), ("bob@b.test", b"secret"), ("carl", b"secret"),
                           ("l\u00e4tin", "s\u00e9cret".encode())):
        assert again.accepts(name, password, "--mech", "CRAM-MD5")


@pytest.mark.parametrize("form", ["dovecot", "courier"])
@pytest.mark.parametrize("mech", ["PLAIN", "CRAM-MD5"])
def test_round_trips_of_one_secret(full, tmp_path, form, mech):
    """Out, in, and out again: the same."""
    done = full.run("export", "--mech", mech, form)
    text = done.stdout
    again = new_tool(tmp_path / "again")
    (tmp_path / "file").write_text(text, encoding="utf-8")
    again.ok("import", "--recoverable", form, tmp_path / "file")
    assert again.run("export", "--mech", mech, form).stdout == text
    assert again.accepts("bob@b.test", b"secret", "--mech", "CRAM-MD5")
    if mech == "CRAM-MD5":
        assert again.accepts("alice", b"secret", "--mech", "CRAM-MD5")


@pytest.mark.parametrize("form, text", [
    ("dovecot", "alice@lab.test:{{CRAM-MD5}}{cram}:5001:8::/var/mail/alice::\n"
     "bob@b.test:{{SHA512-CRYPT}}{crypt}::::::\n"),
    ("courier", "alice@lab.test\tuid=5001|gid=8|home=/var/mail/alice|hmac-md5pw={cram}\n"
     "bob@b.test\tsystempw={crypt}\n"),
])
def test_foreign_files_come_back_with_their_secrets(tool, tmp_path, form, text):
    cram = "d06d4e1b26fccaa4b0b61801132340a354b21152711fb604ca3e035e7015116b" # tanstaaftanstaaf
    text = text.format(cram=cram, crypt=crypt("secret"))
    (tmp_path / "file").write_text(text)
    tool.ok("import", form, tmp_path / "file")
    assert tool.accepts("alice", b"tanstaaftanstaaf", "--mech", "CRAM-MD5")
    assert tool.accepts("bob@b.test", b"secret")
    out = tool.run("export", form).stdout
    for secret in (cram, text.splitlines()[1].split("}")[-1].split("=")[-1].split(":")[0]):
        assert secret in out
    again = new_tool(tmp_path / "again")
    (tmp_path / "file").write_text(out)
    again.ok("import", form, tmp_path / "file")
    def strip(line):
        entry = json.loads(line)
        return {key: entry[key] for key in ("name", "secrets", "uid", "gid", "home")}
    assert ([strip(line) for line in again.ok("export", "json").splitlines()]
            == [strip(line) for line in tool.ok("export", "json").splitlines()])


def test_shadow_goes_out_and_comes_back(tool, unix, tmp_path):
    tool.ok("import", *unix.options(), "shadow")
    done = tool.run("export", "--realm", "lab.test", "--passwd", tmp_path / "p", "--output",
                    tmp_path / "s", "shadow")
    assert done.returncode == 0
    people = {line.split(":")[0]: line for _, line in unix.lines}
    for line in (tmp_path / "s").read_text().splitlines(keepends=True):
        assert line == people.pop(line.split(":")[0])
    assert set(people) == {"root", "daemon", "nobody"}
    again = new_tool(tmp_path / "again")
    again.ok("import", "--passwd", tmp_path / "p", "--shadow", tmp_path / "s", "--group",
             unix.group, "shadow")
    assert again.ok("export", "json") == tool.ok("export", "json")


def test_what_a_form_cannot_hold_is_said(full):
    done = full.run("export", "shadow")
    assert "alice@lab.test" in done.stderr and done.returncode in (0, 1)
    done = full.run("export", "dovecot")
    assert any("carl@lab.test" in line for line in done.stderr.splitlines())


@pytest.mark.parametrize("form, of, to", [
    ("json", "SCRAM-SHA-256$4096:", "SCRAM-SHA-256${}:"),
    ("dovecot", "{SCRAM-SHA-256}4096,", "{{SCRAM-SHA-256}}{},")])
@pytest.mark.parametrize("iterations", ["1000001", "4294967295", "99999999999999999999", "0"])
def test_scram_iterations_that_cost_too_much_are_refused(tool, form, of, to, iterations):
    """Each login of such an account would be hours of the server's time, or of its client's."""
    tool.add("alice", "--mech", "SCRAM-SHA-256")
    text = tool.run("export", form).stdout  # dovecot's form says what it has no place for
    assert of in text
    done = tool.run("import", "--update", form, "/dev/stdin",
                    stdin=text.replace(of, to.format(iterations)).encode())
    assert done.returncode == 1 and "alice" in done.stderr, done
    assert tool.run("export", form).stdout == text
    done = tool.run("import", "--update", form, "/dev/stdin",
                    stdin=text.replace(of, to.format(1000000)).encode())
    assert done.returncode == 0, done


def test_output_is_whole_and_for_its_owner_alone(full, tmp_path):
    path = tmp_path / "out"
    path.write_text("before")
    path.chmod(0o644)
    full.ok("export", "--output", path, "json")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text(encoding="utf-8") == full.ok("export", "json")
    done = full.run("export", "--output", tmp_path / "none" / "out", "json")
    assert done.returncode == 1 and "No such file" in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["latin", "mailauth", "out"]


def test_output_stays_as_it_was_on_a_signal(tool, tmp_path):
    tool.ok("newusers", "-M", "--mech", "CRAM-MD5",
            stdin="".join(f"user{i}:x:::::\n" for i in range(30000)).encode())
    path = tmp_path / "out"
    path.write_text("before")
    for signum in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([*tool.argv, "--config", tool.config, "export", "--output", path,
                               "json"], env=tool.env,
                              preexec_fn=lambda: [signal.signal(s, signal.SIG_DFL)
                                                  for s in (signal.SIGINT, signal.SIGTERM)]
                              ) as process:
            wait_for("the file beside", lambda: list(tmp_path.glob("out.*")))
            process.send_signal(signum)
        assert process.returncode == -signum
        assert path.read_text() == "before" and not list(tmp_path.glob("out.*"))


def test_secrets_do_not_go_to_a_terminal(full):
    with Terminal(full, "export", "json") as terminal:
        code, seen = terminal.finish()
    assert code == 2 and "do not belong on a screen" in seen and "alice" not in seen
    with Terminal(full, "export", "--force", "json") as terminal:
        code, seen = terminal.finish()
    assert code == 0 and "alice@lab.test" in seen


def test_export_only(full):
    out = full.ok("export", "--only", "alice,BOB@b.test", "json")
    assert [json.loads(line)["name"] for line in out.splitlines()] == [
        "bob@b.test", "alice@lab.test"]
    done = full.run("export", "--only", "alice,nosuch", "json")
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 1
    assert "nosuch@lab.test: left out: there is no such account" in done.stderr


def test_progress_of_an_import(tool, tmp_path):
    with tool.config.open("a", encoding="utf-8") as config:
        config.write("mechanisms = SCRAM-SHA-256\n")
    text = tool.config.read_text(encoding="utf-8").replace("iterations = 4096", "iterations = 900000")
    tool.config.write_text(text, encoding="utf-8")
    (tmp_path / "users").write_text("".join(f"u{i}:{{PLAIN}}x::::::\n" for i in range(6)))
    with Terminal(tool, "import", "dovecot", tmp_path / "users") as terminal:
        code, seen = terminal.finish()
    assert code == 0 and re.search(r"importing: \d+, \d+ a second", seen)
    # A last line of progress may stand before it, wiped out again.
    assert re.search(r"(\n|\r\x1b\[K)6 accounts: 6 added, 0 updated\n$", seen)
