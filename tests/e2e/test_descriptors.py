# SPDX-License-Identifier: BSD-2-Clause
"""No program that a host of the library starts inherits anything of ours.

A mail server starts programs at any time, and from threads that know nothing of logins. So it is not
enough that a descriptor is closed on exec in the end: it has to be from the call that makes it.
"""
import json
import re

import pytest

from conftest import PASSWORD
from mailserver import HOSTNAME
from pam import PamBox
from sandbox import HERE
from saslproperties import OPTIONS, probe

MAKING = ("open,openat,openat2,creat,socket,socketpair,accept,accept4,pipe,pipe2,dup,dup2,dup3,"
          "memfd_create,eventfd2,epoll_create1,inotify_init1,timerfd_create,signalfd4")
STORE, COPY = "/var/lib/mailauth/accounts.mdb", "/run/copy.mdb"
# Other libraries' own, read and closed at once; nothing secret, nothing of ours.
FOREIGN = re.compile(r'"(/usr/lib/ssl/openssl\.cnf|/usr/lib/[^"]*/gconv/[^"]*|/proc/[^"]*'
                     r'|/usr/share/[^"]*|/dev/(null|tty|urandom)|/etc/(login\.defs|fstab))"')


@pytest.fixture(scope="module", name="box")
def box_fixture(tree, tmp_path_factory):
    """A machine with an account."""
    with PamBox(tmp_path_factory.mktemp("descriptors") / "run", tree) as box:
        box.add("alice", "-G", "smtp", password=PASSWORD)
        yield box


def traced(box, *argv, stdin=None, check=True):
    """The lines of strace about a program and its children: everything that makes, marks or passes
    on a descriptor."""
    box.run("strace", "-f", "-qq", "-s", "4096", "-o", "/run/trace", "-e",
            f"trace={MAKING},fcntl,clone,clone3,fork,vfork,execve", "--", *argv, stdin=stdin,
            check=check)
    lines = box.path("/run/trace").read_text().splitlines()
    # A call that was interrupted by another thread's is on two lines.
    assert lines
    return [re.sub(r"^\d+ +", "", line) for line in lines]


def open_to_children(lines):
    """The calls that made something that a child would inherit."""
    found = []
    for i, line in enumerate(lines):
        name, made = line.split("(")[0], re.search(r"\) += (\d+)", line)
        if name not in MAKING.split(",") or not made or int(made.group(1)) < 3:
            continue
        if "CLOEXEC" in line or FOREIGN.search(line):
            continue
        # LMDB's own: it cannot be told, and the library marks it before it lets a fork() begin.
        if re.search(f'"({STORE}|{COPY})"', line) and is_marked_before_any_child(lines[i + 1:], made.group(1)):
            continue
        found.append(line)
    return found


def is_marked_before_any_child(lines, descriptor):
    """Is it set to be closed on exec, with no process started until then?"""
    for line in lines:
        if re.match(r"(clone3?|v?fork|execve)\(", line):
            return False
        if line.startswith(f"fcntl({descriptor}, F_SETFD, FD_CLOEXEC)"):
            return True
    return False


OWNER = ("-o", "-u", "5000", "-g", "5000", "-b", "/var/vmail")
COMMANDS = {  # arguments, and what has to be done before
    "add": (["add", "--stdin", "bob"], []),
    "add -m": (["add", *OWNER, "-m", "carl"], []),
    "add -D": (["add", "-D", "-b", "/var/vmail"], []),
    "passwd": (["passwd", "--stdin", "alice"], []),
    "verify": (["verify", "--stdin", "alice"], []),
    "mod -m": (["mod", "-m", "-d", "/var/vmail/new", "dora"], ["add", *OWNER, "-m", "dora"]),
    "del -r": (["del", "-r", "emil"], ["add", *OWNER, "-m", "emil"]),
    "list": (["list"], []),
    "init": (["init"], []),
    "store check": (["store", "check"], []),
    "store copy": (["store", "copy", COPY], []),
    "rekey": (["rekey"], []),
    "chpasswd": (["chpasswd"], []),
    "export": (["export", "--output", "/run/all.json", "json"], []),
    "import": (["import", "--update", "json", "/run/some.json"],
               ["export", "--output", "/run/some.json", "json"]),
    "import shadow": (["import", "--dry-run", "shadow"], []),
    "doctor": (["doctor"], []),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_of_mailuser_opens_anything_for_its_children(box, command):
    args, before = COMMANDS[command]
    if before:
        box.run("mailuser", *before)
    stdin = f"alice:{PASSWORD}\n" if command == "chpasswd" else f"{PASSWORD}\n"
    # What the doctor finds is not asked.
    lines = traced(box, "mailuser", *args, stdin=stdin, check=command != "doctor")
    assert [line for line in lines if line.startswith("openat(") and "mailauth" in line]
    assert not open_to_children(lines)


@pytest.mark.parametrize("write", [False, True])
def test_the_plugin_opens_nothing_for_the_servers_children(box, write):
    options = {**OPTIONS, "auto_transition": "yes"} if write else OPTIONS
    request = {"options": options, "realm": HOSTNAME, "mechs": ["PLAIN"], "users": ["alice"],
               "names": ["*cmusaslsecretCRAM-MD5"]}
    lines = traced(box, "python3", "-B", HERE / "saslprobe.py", "lookup", stdin=json.dumps(request))
    ours = [line for line in lines if "/var/lib/mailauth/" in line or "/etc/mailauth/" in line]
    assert any(STORE in line for line in ours), lines
    assert not [line for line in open_to_children(lines) if line in ours]


def test_the_pam_module_opens_nothing_for_the_applications_children(box):
    lines = traced(box, "pamtester", "smtp", "alice", "authenticate", "acct_mgmt",
                   stdin=f"{PASSWORD}\n")
    ours = [line for line in lines if "/var/lib/mailauth/" in line or "/etc/mailauth/" in line]
    assert any(STORE in line for line in ours), lines
    assert not [line for line in open_to_children(lines) if line in ours]


@pytest.mark.parametrize("change", [None, ["alice", PASSWORD]])
def test_a_program_that_a_server_starts_is_given_nothing(box, change):
    """The plugin in a process, with the store open."""
    result = probe(box, "inherited", login=["alice", PASSWORD], change=change)
    assert set(result["codes"]) == {0}
    assert STORE in result["own"], "the store was to be open"
    assert not [path for path in result["inherited"] if "mailauth" in path]
