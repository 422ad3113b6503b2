# SPDX-License-Identifier: BSD-2-Clause
"""Each tool of shadow-utils and its counterpart in mailuser, side by side on the same input.

The rows are in shadow_table.py. Both sides start from the same five users, one in /etc/passwd and
/etc/shadow of a private machine (sandbox.py), the other in a store. A row runs the machine's own
tool and ours, and compares the exit code, what became of every user, and the first line on standard
error where both refuse. A row that is meant to differ gives the reason, in words that the manual
page of the command has too.
"""
import json
import os
import pathlib
import re
import shlex
import shutil

import pytest

from sandbox import Sandbox
from shadow_table import HASH, PASSWORD, ROWS, crypt

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
PAGES = {"useradd": "add", "usermod": "mod", "userdel": "del", "passwd": "passwd",
         "chage": "chage", "chpasswd": "chpasswd", "newusers": "newusers"}
REALM = "lab.test"
BASE = "/var/vmail"
SYSTEM_FILES = ("/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow")
STORE = "/var/lib/mailauth/accounts.mdb"
DEFAULTS = ("/etc/default/useradd", "/etc/mailauth/useradd")  # written by useradd -D
PASSWD = """root:x:0:0:root:/root:/bin/bash
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
SHADOW = "root:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n"
GROUPS = {"root": 0, "mail": 8, "staff": 50, "users": 100, "smtp": 2001, "imap": 2002,
          "mailauth": 2003, "nogroup": 65534}


class User:
    """One of the users that both sides begin with; the fields are those of effect()."""

    def __init__(self, uid, password, *ageing, comment="", groups=()):
        self.uid, self.password, self.ageing = uid, password, ageing
        self.comment, self.groups = comment, groups

    def shadow(self, name):
        """The line of shadow(5)."""
        fields = ["" if value is None else str(value) for value in self.ageing]
        return ":".join([name, self.password, *fields, ""])


USERS = {  # last change, min, max, warn, inactive, expire
    "alice": User(5001, HASH, 19000, 0, 99999, 7, None, None, comment="Alice A.",
                  groups=("smtp",)),
    "bob": User(5002, "!" + HASH, 19000, 5, 90, 3, 10, None),
    "carl": User(5003, "!", 19000, 0, 99999, 7, None, None),
    "dora": User(5004, HASH, 19000, 0, 99999, 7, None, 19500, comment="Dora"),
    "eve": User(5005, HASH, None, None, None, None, None, None),
}


class Machine(Sandbox):
    """A sandbox with both sets of users in it, and a way back to where they began."""

    def __init__(self, run, tree):
        super().__init__(run, [tree], f"mail.{REALM}")
        self.run("mailuser", "init")
        with self.path("/etc/mailauth/mailauth.conf").open("a", encoding="utf-8") as config:
            config.write(f"default_realm = {REALM}\n")
        self.path(BASE).mkdir()
        self._write_system()
        self._write_store()
        files = (*SYSTEM_FILES, STORE)
        self._saved = {name: self.path(name).read_bytes() for name in files}
        self.reset()
        self.begin = {"shadow": self.shadow_effect(), "ours": self.our_effect()}

    def _write_system(self):
        lines = [f"{name}:x:{user.uid}:100:{user.comment}:{BASE}/{name}:/bin/sh"
                 for name, user in USERS.items()]
        groups = {name: [u for u, user in USERS.items() if name in user.groups] for name in GROUPS}
        self.path("/etc/passwd").write_text(PASSWD + "\n".join(lines) + "\n", encoding="utf-8")
        self.path("/etc/shadow").write_text(SHADOW + "\n".join(
            user.shadow(name) for name, user in USERS.items()) + "\n", encoding="utf-8")
        self.path("/etc/group").write_text("".join(
            f"{name}:x:{gid}:{','.join(groups[name])}\n" for name, gid in GROUPS.items()),
            encoding="utf-8")
        self.path("/etc/gshadow").write_text("".join(
            f"{name}:*::{','.join(groups[name])}\n" for name in GROUPS), encoding="utf-8")

    def _write_store(self):
        for name, user in USERS.items():
            password = user.password.lstrip("!")
            last, least, most, warn, inactive, expire = (
                "-1" if value is None else str(value) for value in user.ageing)
            self.run("mailuser", "add", "-c", user.comment, "-d", f"{BASE}/{name}", "-s",
                     "/bin/sh", "-u", str(user.uid), "-g", "100", "-G", ",".join(user.groups),
                     *(["-p", password] if password else []), name, check=bool(password))
            self.run("mailuser", "chage", "-d", last, "-m", least, "-M", most, "-W", warn, "-I",
                     inactive, "-E", expire, name)
            if user.password.startswith("!") and password:
                self.run("mailuser", "passwd", "-l", name)

    def reset(self):
        """Both sides as they began, and the mailboxes."""
        for name, content in self._saved.items():
            self.path(name).write_bytes(content)
        for name in DEFAULTS:
            self.path(name).unlink(missing_ok=True)
        shutil.rmtree(self.path(BASE))
        for folder, owner in (self.path(BASE), 0), *(
                (self.path(f"{BASE}/{name}"), user.uid) for name, user in USERS.items()):
            folder.mkdir()
            (folder / "mail").touch()
            os.chown(folder, owner, 100)
            os.chown(folder / "mail", owner, 100)

    def _homes(self, users):
        """Adds whether the mailbox is there."""
        for user in users.values():
            user["home_exists"] = bool(user["home"]) and self.path(user["home"]).is_dir()
        return users

    def shadow_effect(self):
        """What /etc says of every user but the system's."""
        users = {}
        for line in self.lines("/etc/passwd"):
            name, _, uid, gid, comment, home, shell = line.split(":")
            if int(uid) in (0, 65534):
                continue
            users[name] = {"uid": int(uid), "gid": int(gid), "comment": comment, "home": home,
                           "shell": shell, "groups": []}
        for line in self.lines("/etc/group"):
            group, _, _, members = line.split(":")
            for name in filter(None, members.split(",")):
                if name in users:
                    users[name]["groups"].append(group)
        for line in self.lines("/etc/shadow"):
            name, password, *ageing = line.split(":")[:8]
            if name not in users:
                continue
            secret = password.lstrip("!") not in ("", "*")
            users[name].update(
                zip(("last_change", "min", "max", "warn", "inactive", "expire"),
                    (int(text) if text else None for text in ageing)),
                has_secret=secret, locked=secret and password.startswith("!"))
        return self._homes(sort_groups(users))

    def our_effect(self):
        """What the store says of every account."""
        users = {}
        for shown in json.loads(self.run("mailuser", "list", "--json").stdout):
            name = shown["name"].removesuffix(f"@{REALM}")
            users[name] = {
                **{key: shown[key] for key in ("uid", "gid", "comment", "home", "shell", "groups")},
                **shown["ageing"], "has_secret": bool(shown["secrets"]),
                "locked": bool(shown["secrets"]) and shown["locked"]}
        return self._homes(sort_groups(users))

    def lines(self, name):
        """A file of the machine."""
        return self.path(name).read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def sort_groups(users):
    """The order of groups means nothing."""
    for user in users.values():
        user["groups"].sort()
    return users


@pytest.fixture(name="machine", scope="module")
def machine_fixture(tree, tmp_path_factory):
    """The private machine."""
    with Machine(tmp_path_factory.mktemp("shadow") / "run", tree) as machine:
        yield machine


def changes(before, after, fields):
    """What became of each user, in some fields only, if not all."""
    changed = {}
    for name in before.keys() | after.keys():
        old, new = before.get(name), after.get(name)
        if new is None:
            changed[name] = "deleted"
        elif new != old:
            changed[name] = {key: value for key, value in new.items()
                             if (old is None or old[key] != value) and key in fields}
    return changed


def plain_words(text):
    """What is said, without the name of the program, our realm, and what only Unix users have."""
    lines = [re.sub(r"^(mail)?[a-z]+: |@lab\.test\b", "", line) for line in text.splitlines()]
    lines = [re.sub(r" in /etc/passwd$|: use --badname to ignore$|\.$", "", line) for line in lines]
    return [re.sub(r"[ \t]+", " ", line) for line in lines]


def words_of(page):
    """The words of a manual page, macros and quotes left out."""
    source = (REPO / "tools" / "mailuser" / page).read_text(encoding="utf-8")
    source = re.sub(r"^\.\\\".*$", "", source, flags=re.M)
    source = re.sub(r"^\.[A-Z][a-z] ", "", source, flags=re.M)
    source = re.sub(r" (Ns|Fl|Cm|Ar|Ql)(?= )", " ", source)
    return " ".join(re.findall(r"[a-z0-9]+", source.lower()))


def gives_reason(row):
    """Is the reason in the manual page of the command, or in one for all that it refers to?"""
    reason = " ".join(re.findall(r"[a-z0-9]+", row.differs.lower()))
    page = f"mailuser-{PAGES[row.tool]}.8"
    pages = [page, *(other for other in ("mailuser.8", "mailuser-chage.8")
                     if f".Xr {other[:-2]} 8" in (REPO / "tools/mailuser" / page).read_text())]
    return any(reason in words_of(name) for name in pages)


def logs_in(machine, side, name, password):
    """Would a login succeed?"""
    if side == "ours":
        return machine.run("mailuser", "verify", "--stdin", name, stdin=f"{password}\n",
                           check=False).returncode == 0
    found, = (line.split(":")[1] for line in machine.lines("/etc/shadow")
              if line.startswith(f"{name}:"))
    return crypt(password, found) == found


def outcome(machine, row, side):
    """Exit code, changes, standard output and error of one side of a row."""
    is_ours = side == "ours"
    machine.reset()
    argv = shlex.split(row.ours if is_ours else row.command)
    done = machine.run(*(["mail" + argv[0]] if is_ours else argv[:1]), *argv[1:], check=False,
                       stdin=row.stdin)
    after = machine.our_effect() if is_ours else machine.shadow_effect()
    effect = changes(machine.begin[side], after, row.fields)
    if row.accepts:
        effect["logs in"] = logs_in(machine, side, *row.accepts)
    return done.returncode, effect, plain_words(done.stdout), plain_words(done.stderr)


def test_both_sides_begin_alike(machine):
    assert machine.begin["shadow"] == machine.begin["ours"]
    assert set(machine.begin["ours"]) == set(USERS)
    assert all(user["home_exists"] for user in machine.begin["ours"].values())
    for side in machine.begin:
        assert logs_in(machine, side, "alice", PASSWORD)
        assert not logs_in(machine, side, "bob", PASSWORD), "locked"


def test_the_table_is_large_enough():
    assert len(ROWS) >= 120 and {row.tool for row in ROWS} == set(PAGES)
    names = [row.id for row in ROWS]
    assert len(set(names)) == len(names), "a row is there twice"


@pytest.mark.parametrize("row", [row for row in ROWS if not row.differs], ids=lambda row: row.id)
def test_mailuser_does_as_shadow(machine, row):
    theirs, ours = outcome(machine, row, "shadow"), outcome(machine, row, "ours")
    both = f"\nshadow: {theirs}\nours:   {ours}"
    assert ours[:2] == theirs[:2], both
    assert row.accepts is None or ours[1]["logs in"], both
    assert not row.prints or ours[2] == theirs[2], both
    if row.says:
        assert any(re.search(row.says, line) for line in ours[3]), both
    # Shadow's usage is long; ours names what is wrong, and --help.
    elif theirs[0] != 0 and not theirs[3][0].startswith("Usage:"):
        assert any(line.startswith(theirs[3][0]) for line in ours[3]), both


@pytest.mark.parametrize("row", [row for row in ROWS if row.differs], ids=lambda row: row.id)
def test_mailuser_differs_for_a_reason(machine, row):
    theirs, ours = outcome(machine, row, "shadow"), outcome(machine, row, "ours")
    assert ours[0] == row.code, ours
    seen = 3 if row.prints else 2
    assert ours[:seen] != theirs[:seen], f"they do not differ: remove the reason; {ours}"
    assert gives_reason(row), f"the manual page does not say: {row.differs}"
