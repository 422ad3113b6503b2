# SPDX-License-Identifier: BSD-2-Clause
"""mailuser chpasswd and newusers: many accounts at once, all or none.

On stores in temporary folders, as test_mailuser.py. What interrupts them: test_bulk_interrupt.py.
"""
import os
import re
import signal
import stat
import subprocess
import time

import pytest

from mailserver import wait_for
from tool import REPO, Terminal, Tool

NAMES = ("alice", "bob", "carl", "dora")
IGNORED = "mailuser: error detected, changes ignored"


@pytest.fixture(name="tool")
def tool_fixture(tmp_path):
    """A store with four accounts."""
    tool = Tool(tmp_path / "mailauth")
    tool.ok("init")
    with tool.config.open("a", encoding="utf-8") as config:
        config.write("default_realm = lab.test\nscram_iterations = 4096\n")
    for name in NAMES:
        tool.add(name, password=b"old")
    return tool


def crypt(password, method="-6"):
    """A crypt(3) string."""
    done = subprocess.run(["openssl", "passwd", method, password], capture_output=True, text=True,
                          check=True)
    return done.stdout.strip()


def snapshot(tool):
    """All that the store says."""
    return tool.ok("export", "json"), tool.ok("list")


def refused(tool, *args, stdin=b"", code=1):
    """A command that must change nothing; returns what it says of each line."""
    before = snapshot(tool)
    done = tool.run(*args, stdin=stdin)
    assert (done.returncode, done.stdout) == (code, ""), done
    *lines, last = done.stderr.splitlines()
    assert last == IGNORED
    assert snapshot(tool) == before
    return [line.removeprefix("mailuser: ") for line in lines]


# ---- chpasswd ----------------------------------------------------------------------------------

def test_chpasswd_changes_each(tool):
    tool.ok("chpasswd", stdin=b"alice:new:with:colons\nbob@lab.test: spaces \ncarl:without end")
    for name, password in (("alice", b"new:with:colons"), ("bob", b" spaces "),
                           ("carl", b"without end"), ("dora", b"old")):
        for mech in ("PLAIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"):
            assert tool.accepts(name, password, "--mech", mech), (name, mech)
    assert not tool.accepts("alice", b"old")


def test_chpasswd_takes_the_last_line_of_a_name(tool):
    before = tool.show("alice")["generation"]
    tool.ok("chpasswd", stdin=b"alice:one\nbob:x\nALICE@LAB.test:two\nalice@lab.test:three\n")
    assert tool.accepts("alice", b"three") and not tool.accepts("alice", b"one")
    assert tool.show("alice")["generation"] == before + 1


def test_chpasswd_of_nothing_is_no_error(tool):
    before = snapshot(tool)
    tool.ok("chpasswd")
    assert snapshot(tool) == before


def test_chpasswd_names_each_bad_line(tool):
    long = b"x" * 1025
    assert refused(tool, "chpasswd", stdin=b"alice:good\nnosuch:x\nbob\n\n:x\n,,:x\n#bob:x\ncarl:\n"
                   b"dora:\xff\nbob:" + long + b"\n" + b"y" * 9000 + b"\ndora:a\0b\ncarl:x\r\n"
                   b"nobody@else.test:x\n") == [
        "line 2: user 'nosuch' does not exist",
        "line 3: missing new password",
        "line 4: missing new password",
        "line 5: user '' does not exist",
        "line 6: user ',,' does not exist",
        "line 7: user '#bob' does not exist",
        "line 8: user 'carl': the password is empty",
        "line 9: dora@lab.test: the password is not UTF-8; set the terminal's locale",
        "line 10: user 'bob': the password is too long",
        "line 11: line too long",
        "line 12: there is a NUL byte in it",
        "line 13: it ends in a carriage return: convert the list to Unix lines",
        "line 14: user 'nobody@else.test' does not exist"]
    assert tool.accepts("alice", b"old")


def test_chpasswd_checks_a_line_that_another_replaces(tool):
    assert refused(tool, "chpasswd", stdin=b"alice:\nalice:good\n") == [
        "line 1: user 'alice': the password is empty"]


def test_chpasswd_keeps_the_rest_of_the_account(tool):
    tool.ok("passwd", "--lock", "alice")
    tool.ok("mod", "-c", "Alice", "-G", "smtp", "alice")
    before = tool.show("alice")
    tool.ok("chpasswd", stdin=b"alice:new\n")
    after = tool.show("alice")
    assert after["locked"] is True and after["groups"] == ["smtp"]
    assert {key for key in before if before[key] != after[key]} <= {"generation", "modified"}
    tool.ok("passwd", "--unlock", "alice")
    assert tool.accepts("alice", b"new")


@pytest.mark.parametrize("method", ["-1", "-5", "-6"])
def test_chpasswd_takes_crypt_strings(tool, method):
    tool.ok("chpasswd", "-e", stdin=f"alice:{crypt('new', method)}\n".encode())
    assert tool.show("alice")["secrets"] == ["crypt"]
    assert tool.accepts("alice", b"new") and not tool.accepts("alice", b"old")


def test_chpasswd_reads_locks_of_crypt_strings(tool):
    good = crypt("new")
    tool.ok("chpasswd", "--encrypted",
            stdin=f"alice:!{good}\nbob:*\ncarl:!\ndora:{good}\n".encode())
    state = {name: (tool.show(name)["locked"], tool.show(name)["secrets"]) for name in NAMES}
    assert state == {"alice": (True, ["crypt"]), "bob": (False, []), "carl": (True, []),
                     "dora": (False, ["crypt"])}
    tool.ok("chpasswd", "-e", stdin=f"alice:{good}\n".encode())
    assert tool.accepts("alice", b"new")


def test_chpasswd_refuses_what_is_no_crypt_string(tool):
    lines = refused(tool, "chpasswd", "-e", stdin=b"alice:secret\nbob:$6$rounds=999999999$abc$"
                    + b"x" * 86 + b"\ncarl:$9$x$y\ndora:x\n")
    assert [line.split(":")[0] for line in lines] == ["line 1", "line 2", "line 3", "line 4"]
    assert all("crypt" in line or "hash" in line for line in lines), lines


@pytest.mark.parametrize("args", [["-x"], ["-c", "SHA512"], ["-m"], ["-s", "5000"], ["extra"]])
def test_chpasswd_usage(tool, args):
    tool.fails(2, "invalid option|unexpected argument", "chpasswd", *args)


# ---- newusers ----------------------------------------------------------------------------------

def test_newusers_makes_accounts(tool, tmp_path):
    home = tmp_path / "mail" / "eve"
    tool.ok("newusers", stdin=f"eve:s3cret:5001:8:Eve \u00dc.:{home}:/bin/sh\n"
            "frank@b.test:s3cret:::::\n".encode())
    eve, frank = tool.show("eve"), tool.show("frank@b.test")
    assert (eve["uid"], eve["gid"], eve["comment"], eve["home"], eve["shell"]) == (
        5001, 8, "Eve \u00dc.", str(home), "/bin/sh")
    assert (frank["uid"], frank["gid"], frank["comment"], frank["home"], frank["shell"]) == (
        None, None, "", "", "/usr/sbin/nologin")
    for name in ("eve", "frank@b.test"):
        for mech in ("PLAIN", "CRAM-MD5", "SCRAM-SHA-256"):
            assert tool.accepts(name, b"s3cret", "--mech", mech)
    for folder in ("cur", "new", "tmp"):
        info = (home / folder).stat()
        assert (info.st_uid, info.st_gid, stat.S_IMODE(info.st_mode)) == (5001, 8, 0o700)


def test_newusers_reads_a_file(tool, tmp_path):
    (tmp_path / "list").write_bytes(b"eve:s3cret:::::\n")
    tool.ok("newusers", tmp_path / "list")
    assert tool.accepts("eve", b"s3cret")
    done = tool.run("newusers", tmp_path / "none")
    assert done.returncode == 1
    assert done.stderr == f"mailuser: {tmp_path}/none: No such file or directory\n"
    done = tool.run("newusers", tmp_path)
    assert done.returncode == 1 and "Is a directory; nothing was changed" in done.stderr


def test_newusers_changes_who_is_there(tool):
    """Ids stay, empty fields too, as newusers has it."""
    tool.ok("mod", "-u", "5001", "-g", "8", "-c", "Alice", "-d", "/var/mail/alice", "alice")
    tool.ok("newusers", "-M", stdin=b"alice:new:6001:6001:::/bin/sh\n")
    alice = tool.show("alice")
    assert (alice["uid"], alice["gid"], alice["comment"], alice["home"], alice["shell"]) == (
        5001, 8, "Alice", "/var/mail/alice", "/bin/sh")
    assert tool.accepts("alice", b"new")


def test_newusers_takes_lines_of_one_name_in_turn(tool):
    tool.ok("newusers", "-M", stdin=b"eve:one:5001:8:Eve:/var/mail/eve:\neve:two:6001:9:::/bin/sh\n"
            b"EVE@lab.test:three:::E.::\n")
    eve = tool.show("eve")
    assert (eve["uid"], eve["gid"], eve["comment"], eve["home"], eve["shell"]) == (
        5001, 8, "E.", "/var/mail/eve", "/bin/sh")
    assert tool.accepts("eve", b"three") and eve["generation"] == 1


def test_newusers_knows_users_and_groups_of_unix(tool):
    tool.ok("newusers", "-M", stdin=b"eve:s3cret:nobody:mail:::\n")
    assert (tool.show("eve")["uid"], tool.show("eve")["gid"]) == (65534, 8)


def test_newusers_names_each_bad_line(tool):
    assert refused(tool, "newusers", stdin=b"eve:good:::::\nfrank:x\nfrank:x:::::/bin/sh:\n"
                   b"frank::::::\n-x:x:::::\ngus:x:12x::::\nhal:x::nosuch:::\n"
                   b"ida:x::::rel:\njo:x:::::rel\nkim:x:::\xff::\n\nlee:\xff:::::\n"
                   b"mo:x:4294967295::::\n") == [
        "line 2: invalid line: not NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL, 7 fields",
        "line 3: invalid line: not NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL, 7 fields",
        "line 4: there is no password for 'frank'",
        "line 5: invalid user name '-x'",
        "line 6: can't create user: no number, and no Unix user: '12x'",
        "line 7: can't create user: no number, and no Unix group: 'nosuch'",
        "line 8: homedir must be an absolute path, not 'rel'",
        "line 9: the shell must be an absolute path, not 'rel'",
        "line 10: the comment cannot be used: '\\xff'",
        "line 11: invalid line: not NAME:PASSWORD:UID:GID:COMMENT:HOME:SHELL, 7 fields",
        "line 12: lee@lab.test: the password is not UTF-8; set the terminal's locale",
        "line 13: can't create user: no number, and no Unix user: '4294967295'"]


def test_newusers_mech_and_recoverable_are_for_new_accounts(tool):
    tool.ok("newusers", "--mech", "cram-md5,APOP", "--recoverable",
            stdin=b"eve:s3cret:::::\nalice:new:::::\n")
    assert tool.show("eve")["secrets"] == ["cram-md5", "password"]
    assert tool.show("eve")["mech"] == ["CRAM-MD5", "APOP"]
    assert tool.accepts("eve", b"s3cret", "--mech", "APOP")
    assert "scram-sha-256" in tool.show("alice")["secrets"]
    assert tool.show("alice")["recoverable"] is False


@pytest.mark.parametrize("args, message", [
    (["--mech", "NOPE"], "NOPE"), (["--mech", "APOP"], "APOP needs the password itself"),
    (["-r"], "invalid option"), (["a", "b"], "unexpected argument 'b'")])
def test_newusers_refuses_options_at_once(tool, args, message):
    done = tool.run("newusers", *args, stdin=b"eve:s3cret:::::\n")
    assert done.returncode == 1 and message in done.stderr
    assert "eve@lab.test" not in tool.names()


def test_newusers_names_mailboxes_that_cannot_be_made(tool, tmp_path):
    (tmp_path / "file").touch()
    lines = f"eve:x:5001:8::{tmp_path}/file/eve:\nfrank:x:5001:8::{tmp_path}/frank:\n".encode()
    done = tool.run("newusers", stdin=lines)
    assert done.returncode == 12
    assert done.stderr.splitlines()[-1] == (
        "mailuser: line 1: the account was made, but not its mailbox")
    assert tool.accepts("eve", b"x") and (tmp_path / "frank" / "cur").is_dir()
    (tmp_path / "file").unlink()
    tool.ok("newusers", stdin=lines)
    assert (tmp_path / "file" / "eve" / "cur").is_dir()


# ---- both --------------------------------------------------------------------------------------

@pytest.mark.parametrize("command", ["chpasswd", "newusers"])
def test_links_are_the_commands(tool, tmp_path, command):
    link = tmp_path / f"mail{command}"
    link.symlink_to(tool.argv[0])
    done = subprocess.run([link, "--config", tool.config], input=b"x\n", capture_output=True,
                          check=False, env=tool.env)
    assert done.returncode == 1
    assert done.stderr.decode().startswith(f"mail{command}: line 1: ")


def n_threads(process):
    """How many it has now."""
    try:
        return len(os.listdir(f"/proc/{process.pid}/task"))
    except FileNotFoundError:
        return 0


def cpu_s(process):
    """The processor's time that it has used."""
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as stat_file:
        fields = stat_file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_another_program_in_between_is_noticed(tool):
    lines = "".join(f"eve{i}:secret:::::\n" for i in range(1500)).encode()
    with subprocess.Popen([*tool.argv, "--config", tool.config, "newusers"], env=tool.env,
                          stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(lines)
        process.stdin.close()
        # Deriving takes seconds in all. It has looked at the eighth account, and is far from the end.
        wait_for("it to work", lambda: cpu_s(process) > 0.3)
        process.send_signal(signal.SIGSTOP)
        tool.add("eve7", password=b"other")
        process.send_signal(signal.SIGCONT)
        said = process.stderr.read().decode()
    assert said == ("mailuser: 'eve7@lab.test' was changed by another program meanwhile; nothing was"
                    " changed: try again\n")
    assert len(tool.names()) == len(NAMES) + 1 and tool.accepts("eve7", b"other")


def test_all_cores_work(tool):
    if len(os.sched_getaffinity(0)) < 2:
        pytest.fail("this test needs two cores")
    lines = "".join(f"eve{i}:secret:::::\n" for i in range(300)).encode()
    with subprocess.Popen([*tool.argv, "--config", tool.config, "newusers"], env=tool.env,
                          stdin=subprocess.PIPE) as process:
        process.stdin.write(lines)
        process.stdin.close()
        busy = 0
        while process.poll() is None:
            busy = max(busy, n_threads(process))
            time.sleep(0.001)
    assert process.returncode == 0
    assert busy == 2 + len(os.sched_getaffinity(0)) # main, and the one that waits for signals


def test_progress_is_for_terminals(tool, tmp_path):
    (tmp_path / "list").write_text("".join(f"eve{i}:secret:::::\n" for i in range(400)))
    with Terminal(tool, "newusers", tmp_path / "list") as terminal:
        code, seen = terminal.finish()
    assert code == 0 and re.search(r"deriving: \d+ of 400, \d+ a second", seen), seen
    assert seen.endswith("\r\x1b[K")
    (tmp_path / "list").write_text("".join(f"fay{i}:secret:::::\n" for i in range(400)))
    assert tool.ok("newusers", tmp_path / "list") == ""


def test_the_store_may_be_away(tool):
    tool.store.unlink()
    for command in ("chpasswd", "newusers"):
        done = tool.run(command, stdin=b"alice:x\n")
        assert done.returncode == 1 and "mailuser init" in done.stderr


def test_valgrind_finds_nothing(tool):
    with tool.config.open("a", encoding="utf-8") as config:
        config.write("map_size = 67108864\n")  # it has not room for the default
    done = subprocess.run(
        ["valgrind", "-q", "--error-exitcode=99", "--leak-check=full",
         "--errors-for-leak-kinds=definite,possible",
         f"--suppressions={REPO}/tests/valgrind.supp",
         tool.argv[0], "--config", tool.config, "chpasswd"],
        input=b"alice:new\nbob:new\nalice:newer\n", capture_output=True, check=False,
        env=tool.env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert tool.accepts("alice", b"newer")
