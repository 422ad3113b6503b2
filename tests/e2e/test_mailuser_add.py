# SPDX-License-Identifier: BSD-2-Clause
"""mailuser add: defaults, mailboxes and skeletons, the field of shadow(5), dates."""
import datetime
import os
import re
import stat
import subprocess

import pytest

from tool import bare_fixture, today, tool_fixture

BUILT_IN = """GROUP=
HOME=/var/vmail
INACTIVE=-1
EXPIRE=
SHELL=/usr/sbin/nologin
SKEL=
"""


def modes(path):
    """Mode, owner and group."""
    st = path.lstat()
    return stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid


def crypted(password="secret"):
    """A hash of it."""
    return subprocess.run(["openssl", "passwd", "-6", password], capture_output=True, text=True,
                          check=True).stdout.strip()


# ---- defaults ----------------------------------------------------------------------------------

def test_defaults_are_built_in(tool):
    assert tool.ok("add", "-D") == BUILT_IN
    assert not (tool.folder / "useradd").exists()
    tool.add("x")
    shown = tool.show("x")
    assert (shown["home"], shown["shell"], shown["gid"]) == (
        "/var/vmail/lab.test/x", "/usr/sbin/nologin", None)
    assert shown["ageing"]["inactive"] is None and shown["ageing"]["expire"] is None


def test_defaults_are_set_and_used(tool):
    file = tool.folder / "useradd"
    assert tool.ok("add", "-D", "-b", "/srv/mail/", "-e", "2031-02-03", "-f", "9", "-g", "mail",
                   "-s", "/bin/false") == ""
    assert modes(file) == (0o644, 0, 0)
    assert tool.ok("useradd", "--defaults") == (
        "GROUP=8\nHOME=/srv/mail/\nINACTIVE=9\nEXPIRE=2031-02-03\nSHELL=/bin/false\nSKEL=\n")
    tool.add("x@b.test")
    shown = tool.show("x@b.test")
    assert (shown["home"], shown["shell"], shown["gid"], shown["ageing"]["inactive"],
            shown["ageing"]["expire"]) == ("/srv/mail/b.test/x", "/bin/false", 8, 9, 22313)
    tool.add("y", "-b", "/other", "-e", "", "-f", "-1", "-g", "5", "-s", "")
    shown = tool.show("y")
    assert (shown["home"], shown["shell"], shown["gid"], shown["ageing"]["inactive"],
            shown["ageing"]["expire"]) == ("/other/lab.test/y", "", 5, None, None)
    tool.add("z", "-d", "/elsewhere/z", "-b", "/other")
    assert tool.show("z")["home"] == "/elsewhere/z"


def test_defaults_keep_what_else_is_in_the_file(tool):
    file = tool.folder / "useradd"
    file.write_text("# ours\nSHELL=/bin/sh\nLOG_INIT=yes\nSHELL=/bin/bash\nHOME=/a", encoding="utf-8")
    tool.ok("add", "-D", "-s", "/bin/false")
    assert file.read_text(encoding="utf-8") == (
        "# ours\nSHELL=/bin/false\nLOG_INIT=yes\nHOME=/a\nGROUP=\nINACTIVE=-1\nEXPIRE=\nSKEL=\n")
    assert sorted(os.listdir(tool.folder)) == ["accounts.mdb", "accounts.mdb-lock",
                                               "mailauth.conf", "store.key", "useradd"]


def test_defaults_that_make_no_sense_are_left_out(tool):
    (tool.folder / "useradd").write_text(
        "HOME=relative\nINACTIVE=x\nGROUP=no-such-group\nSHELL=/bin/false\nEXPIRE=x\n",
        encoding="utf-8")
    done = tool.run("add", "--stdin", "x", stdin=b"secret\n")
    assert done.returncode == 0
    for key in ("HOME", "INACTIVE", "GROUP"):
        assert f"warning: the {key}= configuration in {tool.folder}/useradd will be ignored" in (
            done.stderr)
    assert "EXPIRE=x is no date" in done.stderr
    assert (tool.show("x")["home"], tool.show("x")["shell"]) == (
        "/var/vmail/lab.test/x", "/bin/false")


@pytest.mark.parametrize("spoil", [lambda file: file.chmod(0o664), lambda file: file.chmod(0o666),
                                   lambda file: os.chown(file, 65534, -1)])
def test_defaults_of_somebody_else_are_not_used(tool, spoil):
    file = tool.folder / "useradd"
    file.write_text("HOME=/srv\n", encoding="utf-8")
    spoil(file)
    tool.fails(1, "others than root may write to the defaults in", "add", "--stdin", "x",
               stdin=b"secret\n")
    tool.fails(1, "others than root may write", "add", "-D")
    assert tool.names() == []


@pytest.mark.parametrize("code, args, message", [
    (2, ["x"], "-D is about new accounts"), *((2, [option, "1"], "-D takes -b") for option in (
        "-c", "-d", "-G", "-u", "-p", "--mech", "-k")), (2, ["-m"], "-D takes -b"),
    (2, ["--stdin"], "-D takes -b"),
    (3, ["-b", "relative"], "invalid base directory 'relative'"),
    *((3, ["-b", base], f"invalid base directory '{base}'") for base in (
        "/", "//", "/etc", "/etc/mail", "/home/", "/var", "/usr", "/srv/../etc", "/srv/.", "")), (3, ["-e", "never"], "invalid date 'never'"),
    (3, ["-f", "x"], "invalid numeric argument 'x'"), (3, ["-s", "sh"], "invalid shell 'sh'"),
    (6, ["-g", "no-such-group"], "group 'no-such-group' does not exist"),
])
def test_defaults_are_checked(tool, code, args, message):
    if args[0] == "-u" and code == 2:
        args = ["-u", "7"]
    tool.fails(code, message, "add", "-D", *args)
    assert tool.ok("add", "-D") == BUILT_IN


def test_a_home_that_would_be_too_long_is_not_noted(tool):
    name = "x" * 64 + "@" + "y" * 200
    tool.add(name)
    assert tool.show(name)["home"] == ""
    tool.fails(12, "mailbox has no folder: give one with -d", "add", "--stdin", "-m", "-u", "7",
               "-g", "7", "z" + name[1:], stdin=b"secret\n")


# ---- mailboxes ---------------------------------------------------------------------------------

OWNER = ("-u", "6001", "-g", "6002")


def test_two_realms_may_have_the_same_local_part(tool, tmp_path):
    tool.add("x", *OWNER, "-m", "-b", str(tmp_path / "vmail"))
    tool.add("x@b.test", *OWNER, "-o", "-m", "-b", str(tmp_path / "vmail"))
    for realm in ("lab.test", "b.test"):
        assert modes(tmp_path / "vmail" / realm) == (0o755, 0, 0)
        assert modes(tmp_path / "vmail" / realm / "x" / "cur") == (0o700, 6001, 6002)


@pytest.mark.parametrize("args, message", [
    (["-m"], "-m makes the mailbox: say whose it is with -u and -g"),
    (["-m", "-u", "7"], "-m makes the mailbox: say whose"),
    (["-m", "-g", "7"], "-m makes the mailbox: say whose"),
    (["-m", "-M", *OWNER], "options -m and -M conflict"),
    (["-k", "/etc/skel"], "-k flag is only allowed with the -m flag"),
])
def test_options_of_mailboxes_go_together(tool, args, message):
    tool.fails(2, message, "add", *args, "x")


def test_a_skeleton_is_copied(tool, tmp_path):
    skeleton = tmp_path / "skel"
    (skeleton / "sieve").mkdir(parents=True, mode=0o750)
    (skeleton / "cur").mkdir(mode=0o711)
    (skeleton / "sieve" / "spam").write_bytes(b"x" * 200000)
    (skeleton / "sieve" / "spam").chmod(0o4755)
    (skeleton / ".dovecot.sieve").symlink_to("sieve/spam")
    home = tmp_path / "vmail" / "lab.test" / "x"
    tool.add("x", *OWNER, "-m", "-b", str(tmp_path / "vmail"), "-k", str(skeleton))
    assert sorted(os.listdir(home)) == [".dovecot.sieve", "cur", "new", "sieve", "tmp"]
    assert (home / "sieve" / "spam").read_bytes() == b"x" * 200000
    assert modes(home / "sieve" / "spam") == (0o755, 6001, 6002)
    assert modes(home / "sieve")[0] == (skeleton / "sieve").stat().st_mode & 0o777
    assert os.readlink(home / ".dovecot.sieve") == "sieve/spam"
    for path in home.rglob("*"):
        assert modes(path)[1:] == (6001, 6002)
    assert modes(home) == (0o700, 6001, 6002)


def test_a_skeleton_by_default(tool, tmp_path):
    (tmp_path / "skel").mkdir()
    (tmp_path / "skel" / "hello").touch()
    (tool.folder / "useradd").write_text(
        f"SKEL={tmp_path}/skel\nHOME={tmp_path}/vmail\nGROUP=7\n", encoding="utf-8")
    tool.add("x", "-u", "7", "-m")
    assert modes(tmp_path / "vmail" / "lab.test" / "x" / "hello")[1:] == (7, 7)


def test_a_skeleton_that_cannot_be_copied_leaves_nothing(tool, tmp_path):
    (tmp_path / "skel").mkdir()
    (tmp_path / "skel" / "a").touch()
    os.mkfifo(tmp_path / "skel" / "pipe")
    args = ("add", "--stdin", *OWNER, "-m", "-b", str(tmp_path / "vmail"), "-k")
    for skeleton, message in ((tmp_path / "skel", "'pipe' cannot be copied"),
                              (tmp_path / "none", "skeleton .*/none cannot be read")):
        done = tool.run(*args, str(skeleton), "x", stdin=b"secret\n")
        assert done.returncode == 12 and re.search(message, done.stderr)
        assert os.listdir(tmp_path / "vmail" / "lab.test") == []
    assert tool.names() == []


# ---- the field of shadow(5) --------------------------------------------------------------------

@pytest.mark.parametrize("before, locked, has_secret", [
    ("", False, True), ("!", True, True), ("!!", True, True)])
def test_a_hash_may_be_locked(tool, before, locked, has_secret):
    tool.ok("add", "-p", before + crypted(), "x")
    assert tool.show("x")["locked"] == locked
    assert bool(tool.show("x")["secrets"]) == has_secret
    tool.ok("passwd", "-q", "-u", "x")
    assert tool.accepts("x", b"secret")


@pytest.mark.parametrize("field, locked", [("!", True), ("*", False), ("!*", True)])
def test_a_field_without_a_hash_is_no_password(tool, field, locked):
    done = tool.run("add", "-p", field, "x")
    assert done.returncode == 0 and "warning: no password set" in done.stderr
    assert tool.show("x")["secrets"] == [] and tool.show("x")["locked"] == locked
    assert tool.show("x")["ageing"]["last_change"] == days(today())


# ---- dates -------------------------------------------------------------------------------------

def days(date):
    """Since 1970."""
    return (date - datetime.date(1970, 1, 1)).days


# Days that depend on today's date are functions: tests are collected on some day and run on another.

def this_year(month, day):
    """A day of it."""
    return lambda: days(datetime.date(today().year, month, day))


def from_today(number):
    """So many days from now."""
    return lambda: days(today()) + number


def weekday(number, weeks=0):
    """The next one, Monday is 0."""
    return lambda: days(today()) + (number - today().weekday()) % 7 + 7 * weeks


@pytest.mark.parametrize("date, day", [
    ("1970-01-01", 0), ("2024-02-29", 19782), ("9999-12-31", 2932896), ("20000", 20000), ("0", 0),
    ("", None), ("-1", None), ("010", 8), (" 5", 5), ("2147483647", 2147483647)])
def test_days_and_plain_dates_need_no_words(tool, date, day):
    tool.add("x", "-e", date)
    assert tool.show("x")["ageing"]["expire"] == day


@pytest.mark.parametrize("date, day", [
    ("2030-1-2", 21916), ("30-1-2", 21916), ("2025-02-30", 20149), ("2025-13-01", 20454),
    (" 2030-01-02 ", 21916), ("01/02/2030", 21916), ("1/2/30", 21916), ("2030/1/2", 21916),
    ("1/2", this_year(1, 2)), ("2 Jan 2030", 21916), ("2-jan-2030", 21916), ("2jan30", 21916),
    ("jan 2, 2030", 21916), ("January 2", this_year(1, 2)), ("2 jan", this_year(1, 2)),
    ("Sept. 1, 1970", 243), ("10000-01-01", 2932897),
    ("today", from_today(0)), ("now", from_today(0)), ("tomorrow", from_today(1)),
    ("yesterday", from_today(-1)), ("+2 weeks", from_today(14)), ("day", from_today(1)),
    ("3 days ago", from_today(-3)), ("fortnight", from_today(14)),
    ("2030-01-02 1 year", 22281), ("2030-01-31 +1 month", 21976),
    ("jan 2, 2030 1 month 1 day ago", 21884), ("monday", weekday(0)), ("sun", weekday(6)),
    ("next friday", weekday(4, 1)), ("wed,", weekday(2)), ("last wed", weekday(2, -1)), ("third tues", weekday(1, 2)),
])
def test_dates_are_those_of_shadow(tool, date, day):
    day = day() if callable(day) else day
    done = tool.run("add", "--stdin", "-e", date, "x", stdin=b"secret\n")
    assert done.returncode == 0
    assert tool.show("x")["ageing"]["expire"] == day
    form = (datetime.date(1970, 1, 1) + datetime.timedelta(day)).isoformat() if day < 2932897 else (
        f"day {day}")
    assert done.stderr == f"mailuser: warning: '{date}' is taken to be {form}\n"


@pytest.mark.parametrize("date", [
    "x", "never", "-2", "- 1", "1e3", "0x10", "2030-01-02x", "2030-01-02 12:00", "12:00", "5 ",
    "+5", "  ", "1969-12-31", "2030-01-02 2030-01-03", "monday friday", "jan", "jan 2 2030", "/",
    "1/", "1/2/", "ago", "next", "2147483648", "99999999999", "9" * 30, "1 " * 20, "jan 2,",
    "2030-01-02 \u00e9", "dayss", "januaryx", "janu 2", "1.5", "2030.01.02", "utc",
])
def test_no_dates(tool, date):
    tool.fails(3, f"invalid date '{re.escape(date)}': give YYYY-MM-DD", "add", "-e", date, "x")
