# SPDX-License-Identifier: BSD-2-Clause
"""mailuser del -r: what it removes, and above all what it does not."""
import os

import pytest

from tool import bare_fixture, locked, tool_fixture


@pytest.fixture(name="base")
def base_fixture(tool, tmp_path):
    """The base folder of mailboxes, with that of x in it, which has a message."""
    base = tmp_path / "vmail"
    tool.ok("add", "-D", "-b", str(base))
    tool.add("x", "-u", "6001", "-g", "6002", "-m")
    (base / "lab.test" / "x" / "new" / "1").touch()
    return base


def gone(tool, *names):
    """Are the accounts deleted?"""
    return not {f"{name}@lab.test" for name in names} & set(tool.names())


def kept(tool, message, *args):
    """Deletes x; its mailbox must stay, for a reason."""
    done = tool.run("del", "-r", *args, "x")
    assert done.returncode == 12 and message in done.stderr, done
    assert gone(tool, "x")


def test_the_mailbox_stays_unless_asked(tool, base):
    tool.ok("del", "x")
    assert (base / "lab.test" / "x" / "new" / "1").exists()


@pytest.mark.parametrize("args", [["-r"], ["--remove"], ["-r", "-f"], ["-rf"]])
def test_the_mailbox_goes(tool, base, args):
    home = base / "lab.test" / "x"
    (home / "a" / "b" / "c").mkdir(parents=True)
    (home / "a" / "b" / "link").symlink_to("/etc")
    (home / "a" / "loop").symlink_to(".")
    os.mkfifo(home / "a" / "pipe")
    tool.ok("del", *args, "x")
    assert gone(tool, "x") and os.listdir(base / "lab.test") == []
    assert os.path.exists("/etc/passwd")


def test_a_deep_mailbox_goes_up_to_a_point(tool, base):
    home = base / "lab.test" / "x"
    (home / "/".join(["d"] * 150)).mkdir(parents=True)
    tool.ok("del", "-r", "x")
    assert not home.exists()
    tool.add("x", "-u", "6001", "-g", "6002", "-m")
    (home / "/".join(["d"] * 300)).mkdir(parents=True)
    kept(tool, "so deep it is")


def test_a_mailbox_that_is_not_there_is_no_failure(tool, base):
    (base / "lab.test" / "x").rename(base / "elsewhere")
    done = tool.run("del", "-r", "x")
    assert done.returncode == 0 and gone(tool, "x")
    assert done.stderr == (
        f"mailuser: x@lab.test home directory ({base}/lab.test/x) not found\n")
    tool.add("y", "-d", "")
    done = tool.run("del", "-r", "y")
    assert done.returncode == 0 and "y@lab.test home directory () not found" in done.stderr


@pytest.mark.parametrize("args", [[], ["-f"]])
@pytest.mark.parametrize("path", ["outside/x", "vmail", "vmail/", "vmail2/x", ".", "vmail/../outside/x",
                                  "vmail/./lab.test/x", "outside/x/../../vmail/lab.test/x"])
def test_nothing_outside_the_base_goes(tool, base, tmp_path, args, path):
    for folder in ("outside/x", "vmail2/x"):
        (tmp_path / folder / "new").mkdir(parents=True)
    tool.ok("mod", "-d", f"{tmp_path}/{path}", "x")
    kept(tool, "not a usable path" if "." in path.split("/")[0:2] or ".." in path
         else "not removing it", *args)
    for folder in ("outside/x/new", "vmail2/x/new", "vmail/lab.test/x/new"):
        assert (tmp_path / folder).is_dir()


def test_no_symbolic_link_is_followed(tool, base, tmp_path):
    home = base / "lab.test" / "x"
    (tmp_path / "outside" / "x" / "new").mkdir(parents=True)
    home.rename(base / "real")
    home.symlink_to(tmp_path / "outside" / "x")
    kept(tool, "'x' is no folder, or a symbolic link", "-f")
    tool.add("x", "-u", "6001", "-d", str(base / "linked" / "x"))
    (base / "linked").symlink_to(tmp_path / "outside")
    kept(tool, "'linked' is no folder, or a symbolic link", "-f")
    assert (tmp_path / "outside" / "x" / "new").is_dir() and home.is_symlink()


def test_a_base_behind_a_link_is_none(tool, base, tmp_path):
    tool.ok("add", "-D", "-b", str(tmp_path / "link"))
    (tmp_path / "link").symlink_to(base)
    kept(tool, "is not in", "-f")
    tool.add("x", "-u", "6001", "-d", str(tmp_path / "link" / "lab.test" / "x"))
    kept(tool, "'link' is no folder, or a symbolic link", "-f")
    assert (base / "lab.test" / "x" / "new" / "1").exists()


@pytest.mark.parametrize("other", ["{0}/lab.test/x", "{0}//lab.test/x/", "{0}/lab.test/x/sub",
                                   "{0}/lab.test", "{0}", "{0}/../alias/x"])
@pytest.mark.parametrize("args", [[], ["-f"]])
def test_no_mailbox_of_another_account_goes(tool, base, tmp_path, other, args):
    (tmp_path / "alias").symlink_to(base / "lab.test")
    tool.add("y", "-d", other.format(base))
    kept(tool, f"not removing directory {base}/lab.test/x (would remove home of user y@lab.test)",
         *args)
    assert (base / "lab.test" / "x" / "new" / "1").exists()


def test_a_neighbour_of_a_similar_name_does_not_matter(tool, base):
    tool.add("xx", "-u", "6003", "-g", "6002", "-m")
    tool.add("z", "-d", f"{base}/lab.test/x2")
    tool.ok("del", "-r", "x")
    assert os.listdir(base / "lab.test") == ["xx"]


def test_the_owner_must_be_that_of_the_account(tool, base):
    os.chown(base / "lab.test" / "x", 6009, -1)
    kept(tool, "is not owned by uid 6001, which the account has: not removing it; -f does")
    assert (base / "lab.test" / "x" / "new" / "1").exists()
    tool.add("x", "-u", "6001")
    tool.ok("del", "-r", "-f", "x")
    assert not (base / "lab.test" / "x").exists()


def test_an_account_without_a_uid_has_no_owner_to_check(tool, base):
    (base / "lab.test" / "v" / "cur").mkdir(parents=True)
    tool.add("v")
    tool.ok("del", "-r", "v")
    assert not (base / "lab.test" / "v").exists()


@pytest.mark.parametrize("mounted", ["vmail/lab.test/x/new", "vmail/lab.test/x", "vmail/lab.test"])
@pytest.mark.parametrize("how", ["mount -t tmpfs none", "mount --bind {0}/other"])
def test_no_other_file_system_is_entered(tool, base, tmp_path, mounted, how):
    """Nor another part of the same one that is mounted there."""
    tool.ok("mod", "-u", "0", "x")
    (tmp_path / "other" / "x" / "keep").mkdir(parents=True)
    inside = (f'{how.format(tmp_path)} "$0" && mkdir -p "$0/x/keep" && "$@"; code=$?;'
              ' [ -d "$0/x/keep" ] || exit 99; exit $code')
    tool.argv = ("unshare", "--mount", "--propagation", "private", "sh", "-c", inside,
                 tmp_path / mounted, *tool.argv)
    done = tool.run("del", "-r", "-f", "x")
    assert done.returncode == 12, done
    assert (tmp_path / "other" / "x" / "keep").is_dir()


def privately(tool, script, *args, keeps=None):
    """Lets mailuser run after a script; what that mounts is seen by nobody else. A folder of it
    that must still be there afterwards can be given; else the exit code is 99."""
    tool.argv = ("unshare", "--mount", "--propagation", "private", "sh", "-ec",
                 f'{script}\nshift {len(args)}; code=0; "$@" || code=$?\n'
                 f'[ -d "{keeps or "/"}" ] || exit 99; exit $code', "sh", *args, *tool.argv)


@pytest.mark.parametrize("place, base, home", [
    ("/srv", "/srv", "/srv/lab.test/x"), ("/srv", "//srv/", "/srv/lab.test/x"),
    ("/srv", "/", "/srv/lab.test/x"), ("/srv", "/srv/../srv/a", "/srv/a/lab.test/x"),
    *((f"/{base.split('/')[1]}", base, f"{base}/lab.test/x") for base in (
        "/home", "/root", "/var", "/var/lib", "/var/spool", "/boot/mail", "/etc", "/etc/mail")),
    ("/usr/share", "/usr/share", "/usr/share/lab.test/x"), ("/usr/share", "/usr", "/usr/share/x")])
def test_no_base_of_the_system(tool, place, base, home):
    """Whatever the file of defaults says. What is mounted at the place is the test's own."""
    (tool.folder / "useradd").write_text(f"HOME={base}\n", encoding="utf-8")
    tool.run("add", "-u", "6001", "-d", home, "x")
    privately(tool, 'mount -t tmpfs none "$1"; mkdir -p "$2/new"; chown 6001 "$2"', place, home,
              keeps=f"{home}/new")
    kept(tool, "not removing", "-f")


def test_no_base_that_is_not_known(tool):
    """Above all not the one that is built in."""
    (tool.folder / "useradd").write_text("HOME=/etc\n", encoding="utf-8")
    home = "/var/vmail/lab.test/x"
    tool.run("add", "-d", home, "x")
    privately(tool, 'mount -t tmpfs none /var; mkdir -p "$1"', home, keeps=home)
    kept(tool, "which folder mailboxes are in is not known", "-f")


@pytest.mark.parametrize("system", ["/etc", "/home", "/usr/share"])
def test_no_folder_of_the_system_under_another_name(tool, base, system):
    privately(tool, 'mount -t tmpfs none "$1"; mount --bind "$1" "$2"; mkdir -p "$2/lab.test/x"',
              system, base, keeps=base / "lab.test" / "x")
    kept(tool, "is in a folder of the system", "-f")


@pytest.mark.parametrize("folder", [".", "..", "lab.test"])
@pytest.mark.parametrize("mode, uid, gid, may", [
    (0o755, 0, 0, True), (0o775, 0, 6002, True), (0o2770, 6001, 6002, True), (0o1777, 0, 0, True),
    (0o775, 0, 0, False), (0o757, 0, 0, False), (0o775, 6001, 6009, False), (0o755, 6009, 0, False),
    (0o1777, 6009, 0, False)])
def test_nobody_else_may_have_swapped_the_mailbox(tool, base, folder, mode, uid, gid, may):
    os.chown(base / folder, uid, gid)
    (base / folder).chmod(mode)
    if may:
        tool.ok("del", "-r", "x")
        assert not (base / "lab.test" / "x").exists()
    else:
        kept(tool, "in a folder that others than root and its owner may change", "-f")
        assert (base / "lab.test" / "x" / "new" / "1").exists()


@pytest.mark.parametrize("other", ["lab.test/x", "lab.test/x/new", "lab.test", ""])
def test_no_mailbox_of_another_account_under_another_name(tool, base, tmp_path, other):
    (tmp_path / "alias").mkdir()
    tool.add("y", "-d", f"{tmp_path}/alias/{other}")
    privately(tool, 'mount --bind "$1" "$2"', base, tmp_path / "alias")
    kept(tool, "would remove home of user y@lab.test", "-f")
    assert (base / "lab.test" / "x" / "new" / "1").exists()


def test_a_damaged_account_keeps_its_mailbox_and_that_of_others(tool, base):
    tool.key.write_text("2 " + "5a" * 32 + "\n", encoding="utf-8")  # x is damaged now
    tool.add("y", "-u", "6003", "-o", "-g", "6002", "-m")
    done = tool.run("del", "-r", "y")
    assert done.returncode == 12 and "would remove home of user x@lab.test" in done.stderr
    kept(tool, "the mailbox of 'x@lab.test' is not known and stays")
    assert sorted(os.listdir(base / "lab.test")) == ["x", "y"]


def test_nothing_goes_while_the_store_is_busy(tool, base):
    with locked(tool.store):
        tool.fails(8, "busy.*try again", "del", "-r", "x")
    assert (base / "lab.test" / "x" / "new" / "1").exists() and not gone(tool, "x")


def test_unknown_accounts(tool, base):
    for args in ([], ["-r"], ["-f"], ["-rf"]):
        tool.fails(6, "user 'y@lab.test' does not exist", "del", *args, "y")
    tool.fails(2, "NAME is missing", "del", "-r")


def test_the_base_can_be_a_default_that_is_not_there(tool, tmp_path):
    tool.ok("add", "-D", "-b", str(tmp_path / "nowhere"))
    (tmp_path / "mail" / "x").mkdir(parents=True)
    tool.add("x", "-d", str(tmp_path / "mail" / "x"))
    kept(tool, f"mailbox {tmp_path}/mail/x is not in {tmp_path}/nowhere: not removing it")
    assert (tmp_path / "mail" / "x").is_dir()
