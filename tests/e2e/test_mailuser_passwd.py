# SPDX-License-Identifier: BSD-2-Clause
"""mailuser passwd: the options beside a new password."""
import pytest

from tool import bare_fixture, locked, spoil_config, today, tool_fixture

DONE = "mailuser: password changed.\n"


def status(tool, name="x"):
    """What -S prints behind the name."""
    return tool.ok("passwd", "-S", name).split(" ", 1)[1].strip()


def test_ageing_in_one_step(tool):
    tool.add("x")
    before = tool.show("x")["generation"]
    assert tool.ok("passwd", "-n", "1", "-x", "90", "-w", "7", "-i", "30", "x") == DONE
    assert status(tool) == f"P {today()} 1 90 7 30"
    assert tool.show("x")["generation"] == before + 1
    assert tool.ok("passwd", "--mindays", "-1", "--maxdays", "99999", "--warndays", "0x10",
                   "--inactive", "010", "--quiet", "x") == ""
    assert status(tool) == f"P {today()} -1 99999 16 8"


@pytest.mark.parametrize("option", ["-n", "-x", "-w", "-i"])
@pytest.mark.parametrize("value", ["", "x", "-2", "1.5", "100000", "5 ", "08", "9" * 30])
def test_bad_numbers(tool, option, value):
    tool.add("x")
    tool.fails(6, f"invalid numeric argument '{value}': give days, -1 to 99999", "passwd", option,
               value, "x")


def test_expire_asks_for_a_new_password(tool):
    tool.add("x")
    assert tool.ok("passwd", "-e", "x") == DONE
    assert status(tool) == "P 1970-01-01 -1 -1 -1 -1"
    assert tool.show("x")["state"] == "must-change" and not tool.accepts("x", b"secret")
    tool.ok("passwd", "-s", "x", stdin=b"other\n")
    assert tool.accepts("x", b"other")


def test_delete_removes_every_secret(tool):
    tool.add("x", "--recoverable")
    tool.ok("passwd", "-l", "x")
    assert tool.ok("passwd", "-d", "x") == DONE
    assert status(tool).startswith("NP ")
    shown = tool.show("x")
    assert shown["secrets"] == [] and not shown["locked"] and shown["state"] == "no-secret"
    for password in (b"secret", b"!", b"*"):
        assert tool.run("verify", "--stdin", "x", stdin=password + b"\n").returncode == 1
    tool.ok("passwd", "-s", "x", stdin=b"other\n")
    assert tool.accepts("x", b"other")


def test_options_act_in_passwd_s_order(tool):
    tool.add("x")
    tool.ok("passwd", "-l", "-u", "x")
    assert status(tool).startswith("L ")
    tool.ok("passwd", "-u", "-d", "-l", "-e", "x")
    assert status(tool).startswith("L 1970-01-01") and tool.show("x")["secrets"] == []


def test_unlock_needs_a_password(tool):
    tool.run("add", "x")
    tool.ok("passwd", "-l", "x")
    tool.fails(3, "unlocking the password would result in a passwordless account: set one with"
               " 'mailuser passwd x@lab.test'", "passwd", "-u", "-x", "9", "x")
    assert status(tool) == "L never -1 -1 -1 -1"


def test_status_of_all(tool):
    assert tool.ok("passwd", "-S", "-a") == ""
    for name in ("x", "a@b.test", "y"):
        tool.add(name)
    tool.ok("passwd", "-l", "y")
    lines = tool.ok("passwd", "--status", "--all").splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["a@b.test", "P"], ["x@lab.test", "P"], ["y@lab.test", "L"]]


def test_status_of_all_goes_on_after_a_damaged_account(tool):
    tool.add("m")
    tool.key.write_text("2 " + "5a" * 32 + "\n", encoding="utf-8")
    tool.add("a")
    tool.add("z")
    done = tool.run("passwd", "-S", "-a")
    assert done.returncode == 3 and "m@lab.test" in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["a@lab.test", "z@lab.test"]


@pytest.mark.parametrize("args", [
    ["-a"], ["-a", "x"], ["-S", "-a", "x"], ["-S", "-a", "-l"], ["-S", "-a", "-s"], ["-S", "-l", "x"],
    ["-S", "-x", "5", "x"], ["-s", "-l", "x"], ["-S", "-s", "x"], ["-s", "-e", "x"], [], ["-S"],
    ["-l"], ["x", "y"]])
def test_wrong_combinations(tool, args):
    tool.add("x")
    done = tool.run("passwd", *args, stdin=b"other\n")
    assert done.returncode == 2 and done.stdout == "", done
    assert len(done.stderr.splitlines()) == 2
    assert status(tool).startswith("P ") and tool.accepts("x", b"secret")


@pytest.mark.parametrize("args", [["-Z", "x"], ["--frobnicate", "x"], ["x", "-n"], ["-k", "x"]])
def test_unknown_options_have_an_exit_code_of_their_own(tool, args):
    done = tool.run("passwd", *args)
    assert done.returncode == 6 and "Try 'mailuser passwd --help'" in done.stderr


def test_exit_codes_of_a_store_that_is_not_there(tool):
    tool.add("x")
    with locked(tool.store):
        for option in ("-l", "-d", "-e"):
            tool.fails(5, "busy.*try again", "passwd", option, "x")
    spoil_config(tool, "store = lmdb:/nowhere/at/all.mdb")
    for args in (["-l", "x"], ["-S", "x"], ["-S", "-a"]):
        assert tool.run("passwd", *args).returncode == 4


def test_messages_begin_with_the_name_of_the_link(tool, tmp_path):
    link = tmp_path / "mailpasswd"
    link.symlink_to(tool.argv[0])
    tool.add("x")
    tool.argv = (link,)
    done = tool.run("-l", "x")
    assert (done.returncode, done.stdout) == (0, "mailpasswd: password changed.\n")
    assert tool.run("-l", "y").stderr.startswith("mailpasswd: user 'y@lab.test' does not exist")
