# SPDX-License-Identifier: BSD-2-Clause
"""mailuser mod: each option, names, mailboxes that move, all or nothing."""
import os
import re
import stat
import subprocess

import pytest

from tool import bare_fixture, locked, tool_fixture

MECHS = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")


@pytest.fixture(name="x")
def x_fixture(tool, tmp_path):
    """With an account x that has everything, and y beside it."""
    tool.add("x", "-c", "X", "-d", str(tmp_path / "vmail" / "x"), "-e", "2030-01-02", "-f", "5", "-g",
             "6002", "-G", "imap,smtp", "-s", "/bin/sh", "-u", "6001", "-m")
    tool.add("y", "-u", "6003")
    return tool


def owners(path):
    """uid and gid."""
    st = path.lstat()
    return st.st_uid, st.st_gid


# ---- attributes --------------------------------------------------------------------------------

@pytest.mark.parametrize("args, key, value", [
    (["-c", "\u00dc"], "comment", "\u00dc"), (["-c", ""], "comment", ""),
    (["-d", "/srv/x"], "home", "/srv/x"), (["-d", ""], "home", ""), (["-g", "0"], "gid", 0),
    (["-g", "mail"], "gid", 8), (["-s", "/bin/false"], "shell", "/bin/false"),
    (["-s", ""], "shell", ""), (["-u", "0"], "uid", 0), (["-L"], "locked", True),
    (["-G", "pop"], "groups", ["pop"]), (["-G", ""], "groups", []),
    (["-a", "-G", "pop,imap"], "groups", ["imap", "pop", "smtp"]),
    (["-a", "-G", ""], "groups", None), (["-r", "-G", "smtp,pop"], "groups", ["imap"]),
    (["-r", "-G", "imap,smtp"], "groups", []), (["-r", "-G", "imaps,ima"], "groups", None),
    (["--mech", "plain,cram-md5"], "mech", ["PLAIN", "CRAM-MD5"]),
    (["--recoverable"], "recoverable", True),
])
def test_an_option_changes_one_attribute(x, args, key, value):
    before = x.show("x")
    done = x.run("mod", *args, "x")
    assert done.returncode == 0
    after = x.show("x")
    if value is None:
        assert done.stdout == "mailuser: no changes\n" and after == before
        return
    assert after[key] == value and after["generation"] == before["generation"] + 1
    for other in before.keys() - {key, "generation", "modified", "state"}:
        assert after[other] == before[other], other
    assert x.accepts("x", b"secret") == (key != "locked")


@pytest.mark.parametrize("option, key, value, day", [
    ("-e", "expire", "2031-02-03", 22313), ("-e", "expire", "", None), ("-e", "expire", "-1", None),
    ("-e", "expire", "0", 0), ("-f", "inactive", "0", 0), ("-f", "inactive", "-1", None)])
def test_ageing(x, option, key, value, day):
    x.ok("mod", option, value, "x")
    assert x.show("x")["ageing"][key] == day


def test_several_options_are_one_change(x):
    before = x.show("x")["generation"]
    x.ok("mod", "-c", "new", "-L", "-G", "a", "-e", "2040-01-01", "x")
    assert x.show("x")["generation"] == before + 1
    assert x.show("x")["comment"] == "new" and x.show("x")["locked"]


@pytest.mark.parametrize("args", [
    ["-c", "X"], ["-u", "6001"], ["-g", "6002"], ["-G", "smtp,imap,smtp"], ["-s", "/bin/sh"],
    ["-e", "2030-01-02"], ["-f", "5"], ["-l", "X@LAB.test"], ["-U"], ["-o", "-u", "6001"],
    ["--no-recoverable"]])
def test_no_changes_are_no_failure(x, args):
    before = x.store.read_bytes()
    assert x.ok("mod", *args, "x") == "mailuser: no changes\n"
    assert x.store.read_bytes() == before


@pytest.mark.parametrize("code, args, message", [
    (2, [], "no options"), (2, ["-a"], "-a flag is only allowed with the -G flag"),
    (2, ["-o"], "-o flag is only allowed with the -u flag"),
    (2, ["-m"], "-m flag is only allowed with the -d flag"),
    *((2, args, "the -L, -p, and -U flags are exclusive") for args in (
        ["-L", "-U"], ["-L", "-p", "!"], ["-U", "-p", "!"])),
    (2, ["--recoverable", "--no-recoverable"], "are exclusive"), (2, ["-r"], "-r flag is only allowed with the -G"),
    (2, ["-r", "-a", "-G", "x"], "-r and -a are mutually exclusive flags"), (2, ["-R"], "invalid opt"),
    (3, ["-u", "x"], "invalid user ID 'x'"), (3, ["-e", "never"], "invalid date 'never'"),
    (3, ["-f", "-2"], "invalid numeric argument '-2'"), (3, ["-c", "a:b"], "comment has a colon"),
    (3, ["-d", "home"], "home folder is not an absolute path"),
    (3, ["-s", "sh"], "shell is not an absolute path"), (3, ["-G", "a!b"], "group's name"),
    (3, ["-a", "-G", "a" * 33], "too long"), (3, ["--mech", "ROT13"], "no mechanism"),
    (3, ["--mech", "APOP"], "APOP needs the password itself"), (3, ["-p", "secret"], "not a whole hash"),
    (3, ["-p", ""], "cannot be used"), (3, ["-l", "a b"], "cannot be used"), (3, ["-l", ""], "cannot be used"),
    (4, ["-u", "6003"], "UID '6003' already exists: 'y@lab.test' has it; use -o to share it"),
    (6, ["-g", "no-such-group"], "group 'no-such-group' does not exist"),
    (9, ["-l", "Y"], "user 'y@lab.test' already exists"),
    (3, ["-c", "good", "-e", "bad"], "invalid date 'bad'"),
    (3, ["-c", "good", "-p", "bad"], "not a whole hash"),
])
def test_what_is_refused_changes_nothing(x, code, args, message):
    before = x.store.read_bytes()
    x.fails(code, message, "mod", *args, "x")
    assert x.store.read_bytes() == before


def test_exit_codes(x):
    x.fails(6, "user 'nobody@lab.test' does not exist", "mod", "-c", "x", "nobody")
    x.fails(19, "cannot be used", "mod", "-c", "x", "a b")
    with locked(x.store):
        x.fails(8, "busy.*try again", "mod", "-c", "x", "x")


def test_a_uid_may_be_shared(x):
    x.ok("mod", "-o", "-u", "6003", "x")
    assert x.show("x")["uid"] == 6003


# ---- passwords ---------------------------------------------------------------------------------

def crypted(password):
    """A hash of it."""
    return subprocess.run(["openssl", "passwd", "-6", password], capture_output=True, text=True,
                          check=True).stdout.strip()


def test_the_field_of_shadow(x):
    x.ok("mod", "-p", "!" + crypted("other"), "x")
    assert x.show("x")["locked"] and x.show("x")["secrets"] == ["crypt"]
    x.ok("mod", "-U", "x")
    assert x.accepts("x", b"other") and not x.accepts("x", b"secret")
    x.ok("mod", "-L", "x")
    x.ok("mod", "-p", crypted("third"), "x")
    assert x.accepts("x", b"third")
    for field, lock in (("!", True), ("*", False)):
        x.ok("mod", "-p", field, "x")
        assert x.show("x")["secrets"] == [] and x.show("x")["locked"] == lock


def test_unlocking_without_a_password_leaves_the_lock(x):
    x.ok("mod", "-p", "!", "x")
    done = x.run("mod", "-U", "-c", "new", "x")
    assert done.returncode == 0
    assert "unlocking the user's password would result in a passwordless account" in done.stderr
    assert x.show("x")["locked"] and x.show("x")["comment"] == "new"


def test_mechanisms_hold_from_the_next_password_on(x):
    done = x.run("mod", "--mech", "SCRAM-SHA-256", "x")
    assert done.returncode == 0
    assert done.stderr == ("mailuser: warning: mechanisms and --recoverable hold from the next"
                           " password on: run 'mailuser passwd x@lab.test'\n")
    assert x.accepts("x", b"secret", "--mech", "CRAM-MD5")
    x.ok("passwd", "-s", "x", stdin=b"other\n")
    assert x.show("x")["secrets"] == ["scram-sha-256"]


def test_a_kept_password_serves_at_once_and_can_be_forgotten(x):
    x.add("z", "--recoverable", "--mech", "CRAM-MD5")
    x.run("mod", "--mech", "CRAM-MD5,SCRAM-SHA-1", "z")
    assert x.accepts("z", b"secret", "--mech", "SCRAM-SHA-1")
    x.ok("mod", "--no-recoverable", "z")
    assert sorted(x.show("z")["secrets"]) == ["cram-md5", "scram-sha-1"]
    x.add("a", "--recoverable", "--mech", "APOP,CRAM-MD5")
    x.fails(3, "APOP needs the password itself", "mod", "--no-recoverable", "a")


# ---- names -------------------------------------------------------------------------------------

def test_a_new_name_keeps_all_but_digest_md5(x):
    before = x.show("x")
    done = x.run("mod", "-l", "New@other.test", "x")
    assert done.returncode == 0 and done.stderr == (
        "mailuser: warning: DIGEST-MD5 needs a new password, because its hash has the name in it:"
        " run 'mailuser passwd new@other.test'\n")
    assert x.names() == ["y@lab.test", "new@other.test"]
    after = x.show("new@other.test")
    for key in before.keys() - {"name", "generation", "modified", "secrets", "mechanisms"}:
        assert after[key] == before[key], key
    for mech in MECHS:
        assert x.accepts("new@other.test", b"secret", "--mech", mech) == (mech != "DIGEST-MD5")
    x.ok("passwd", "-q", "-s", "new@other.test", stdin=b"other\n")
    assert x.accepts("new@other.test", b"other", "--mech", "DIGEST-MD5")


def test_a_new_name_of_an_account_that_keeps_its_password(x):
    x.add("z", "--recoverable")
    x.ok("mod", "-l", "zz", "-c", "renamed", "z")
    for mech in MECHS:
        assert x.accepts("zz", b"secret", "--mech", mech)
    assert x.show("zz")["comment"] == "renamed" and "z@lab.test" not in x.names()


def test_a_new_name_may_belong_to_a_unix_user(x):
    done = x.run("mod", "-l", "root", "x")
    assert done.returncode == 0 and "'root' is also a Unix user" in done.stderr


def test_the_name_of_a_damaged_account_is_taken(tool):
    tool.add("m")
    tool.key.write_text("2 " + "5a" * 32 + "\n", encoding="utf-8")
    tool.add("a")
    assert tool.run("mod", "-l", "m", "a").returncode == 9


# ---- mailboxes ---------------------------------------------------------------------------------

def put_mail(home):
    """A message, a folder and a link in it."""
    (home / "new" / "1").write_text("mail\n", encoding="ascii")
    (home / ".Sent" / "cur").mkdir(parents=True)
    (home / "link").symlink_to("/etc/passwd")
    (home / "foreign").touch()
    for path in (home / "new" / "1", home / ".Sent", home / ".Sent" / "cur"):
        os.chown(path, 6001, 6002)
    os.chown(home / "link", 6001, 6002, follow_symlinks=False)
    os.utime(home / "new" / "1", (1000000000, 1000000000))


def test_a_mailbox_moves(x, tmp_path):
    old, new = tmp_path / "vmail" / "x", tmp_path / "other" / "lab" / "x"
    put_mail(old)
    x.ok("mod", "-m", "-d", str(new), "x")
    assert not old.exists() and x.show("x")["home"] == str(new)
    assert (new / "new" / "1").read_text(encoding="ascii") == "mail\n"
    assert owners(new) == owners(new / "new" / "1") == (6001, 6002)
    assert stat.S_IMODE(new.stat().st_mode) == 0o700 and owners(new.parent) == (0, 0)


def test_a_mailbox_moves_to_another_file_system(x, tmp_path):
    old, new = tmp_path / "vmail" / "x", tmp_path / "disk" / "lab" / "x"
    put_mail(old)
    (tmp_path / "disk").mkdir()
    inside = 'mount -t tmpfs none "$0" && "$@" && cp -a "$0/lab" "$0.copy"'
    x.argv = ("unshare", "--mount", "--propagation", "private", "sh", "-c", inside,
              tmp_path / "disk", *x.argv)
    x.ok("mod", "-m", "-d", str(new), "-u", "7001", "x")
    assert not old.exists()
    copy = tmp_path / "disk.copy" / "x"
    assert (copy / "new" / "1").read_text(encoding="ascii") == "mail\n"
    assert (copy / "new" / "1").stat().st_mtime == 1000000000
    assert os.readlink(copy / "link") == "/etc/passwd"
    for path in (copy, copy / "new" / "1", copy / ".Sent" / "cur", copy / "link"):
        assert owners(path) == (7001, 6002), path
    assert owners(copy / "foreign") == (0, 0)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700


def test_a_mailbox_gets_its_new_owner(x, tmp_path):
    home = tmp_path / "vmail" / "x"
    put_mail(home)
    x.ok("mod", "-u", "7001", "-g", "7002", "x")
    for path in (home, home / "new", home / "new" / "1", home / ".Sent" / "cur", home / "link"):
        assert owners(path) == (7001, 7002), path
    assert owners(home / "foreign") == (0, 0) and os.stat("/etc/passwd").st_uid == 0


def test_a_mailbox_of_somebody_else_keeps_its_owner(x, tmp_path):
    home = tmp_path / "vmail" / "x"
    put_mail(home)
    os.chown(home, 9, 9)
    x.ok("mod", "-u", "7001", "x")
    assert owners(home / "new" / "1") == (6001, 6002) and x.show("x")["uid"] == 7001


def test_nothing_of_another_account_gets_a_new_owner(x, tmp_path):
    home = tmp_path / "vmail" / "x"
    put_mail(home)
    for other in ("", "/.Sent", "/.."):
        x.ok("mod", "-d", f"{home}{other}", "y")
        done = x.run("mod", "-u", "7001", "x")
        assert done.returncode == 12 and "is also that of 'y@lab.test'" in done.stderr, done
        assert owners(home) == owners(home / ".Sent") == (6001, 6002)
        assert x.show("x")["uid"] == 7001
        x.run("mod", "-u", "6001", "x")
    x.ok("mod", "-d", "", "y")
    done = x.run("mod", "-l", "xx", "-u", "7001", "x")
    assert done.returncode == 0 and owners(home / "new" / "1") == (7001, 6002), done


def test_a_file_that_is_mounted_keeps_its_owner(x, tmp_path):
    put_mail(tmp_path / "vmail" / "x")
    (tmp_path / "other").touch()
    os.chown(tmp_path / "other", 6001, 6002)
    x.argv = ("unshare", "--mount", "--propagation", "private", "sh", "-ec",
              'mount --bind "$0" "$1"; shift; "$@"', tmp_path / "other",
              tmp_path / "vmail" / "x" / "new" / "1", *x.argv)
    done = x.run("mod", "-u", "7001", "x")
    assert done.returncode == 12 and "'1' cannot be given away" in done.stderr, done
    assert owners(tmp_path / "other") == (6001, 6002)


@pytest.mark.parametrize("home, at", [("/home", "/home"), ("/home/", "/home"), ("/etc/mail", "/etc"),
                                      ("/var/lib", "/var")])
def test_no_folder_of_the_system_moves_or_gets_an_owner(x, tmp_path, home, at):
    x.ok("mod", "-d", home, "-u", "6001", "x")
    x.argv = ("unshare", "--mount", "--propagation", "private", "sh", "-ec",
              """mount -t tmpfs none "$0"; mkdir -p "$1/sub"; chown -R 6001:6001 "$1"; home=$1; shift
              trap 'code=$?; [ "$(stat -c %u "$home/sub")" = 6001 ] || code=99; exit $code' EXIT
              "$@" """, at, home, *x.argv)
    done = x.run("mod", "-u", "7001", "x")
    assert done.returncode == 12 and "is a folder of the system: not giving it away" in done.stderr
    x.fails(12, "is a folder of the system: not moving it", "mod", "-m", "-d", str(tmp_path / "z"), "x")
    assert not (tmp_path / "z").exists()


def test_a_mailbox_does_not_move_onto_another(x, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").touch()
    before = x.store.read_bytes()
    for to, message in (("there", "directory .*/there exists"), ("file", "directory .*/file exists"),
                        ("link/z", "'link' is no folder, or a symbolic link"),
                        ("a/../z", "not a usable path"), ("a/./z", "not a usable path"),
                        ("vmail/x/inside", "not a usable path")):
        x.fails(12, message, "mod", "-m", "-d", f"{tmp_path}/{to}", "x")
        assert (tmp_path / "vmail" / "x" / "new").is_dir()
    assert x.store.read_bytes() == before and not (tmp_path / "a").exists()


def test_a_mailbox_that_is_not_there_does_not_move(x, tmp_path):
    (tmp_path / "vmail" / "x").rename(tmp_path / "gone")
    done = x.run("mod", "-m", "-d", str(tmp_path / "z"), "x")
    assert done.returncode == 0 and x.show("x")["home"] == str(tmp_path / "z")
    assert re.search(r"The previous home directory \(.*/vmail/x\) does not exist", done.stderr)
    (tmp_path / "z").symlink_to(tmp_path / "gone")
    assert x.run("mod", "-m", "-d", str(tmp_path / "zz"), "x").returncode == 12
    assert (tmp_path / "z").is_symlink() and (tmp_path / "gone").is_dir()


def test_a_mailbox_that_others_use_does_not_move(x, tmp_path):
    x.ok("mod", "-d", str(tmp_path / "vmail" / "x" / "sub"), "y")
    x.fails(12, "is also that of 'y@lab.test', or around it: not moving it", "mod", "-m", "-d",
            str(tmp_path / "z"), "x")


def test_a_mailbox_moves_back_if_the_account_cannot_be_changed(x, tmp_path):
    with locked(x.store):
        x.fails(8, "busy", "mod", "-m", "-d", str(tmp_path / "z"), "x")
    assert (tmp_path / "vmail" / "x" / "cur").is_dir() and not (tmp_path / "z").exists()
    assert x.show("x")["home"] == str(tmp_path / "vmail" / "x")
