# SPDX-License-Identifier: BSD-2-Clause
"""mailuser chage: options, list and questions, beside those of the machine's own chage."""
import re
import subprocess

import pytest

from tool import bare_fixture, locked, spoil_config, tool_fixture

PROMPTS = ["Minimum Password Age", "Maximum Password Age", "Last Password Change (YYYY-MM-DD)",
           "Password Expiration Warning", "Password Inactive",
           "Account Expiration Date (YYYY-MM-DD)"]


def ageing(tool, name="x"):
    """As days, None where not set."""
    return tool.show(name)["ageing"]


@pytest.fixture(name="x")
def x_fixture(tool):
    """With an account x."""
    tool.add("x")
    return tool


def test_each_option_sets_its_value(x):
    assert x.ok("chage", "-d", "2026-01-02", "-E", "2030-01-02", "-I", "30", "-m", "1", "-M", "90",
                "-W", "7", "x") == ""
    assert ageing(x) == {"last_change": 20455, "min": 1, "max": 90, "warn": 7, "inactive": 30,
                         "expire": 21916}
    x.ok("chage", "--lastday", "0", "--expiredate", "-1", "--inactive", "-1", "--mindays", "0",
         "--maxdays", "99999", "--warndays", "0x10", "x")
    assert ageing(x) == {"last_change": 0, "min": 0, "max": 99999, "warn": 16, "inactive": None,
                         "expire": None}
    assert x.show("x")["state"] == "must-change"


def test_what_is_not_given_stays(x):
    x.ok("chage", "-M", "90", "x")
    x.ok("chage", "-W", "7", "x")
    assert (ageing(x)["max"], ageing(x)["warn"]) == (90, 7) and x.accepts("x", b"secret")


def shadow_list(tmp_path, fields, *args):
    """What the machine's chage lists for a user with these fields of shadow(5)."""
    (tmp_path / "passwd").write_text("root:x:0:0::/:/bin/sh\nx:x:7:7::/:/bin/sh\n", encoding="ascii")
    (tmp_path / "shadow").write_text(f"root:*:1::::::\nx:*:{fields}:\n", encoding="ascii")
    script = f"mount --bind {tmp_path}/passwd /etc/passwd && " \
             f"mount --bind {tmp_path}/shadow /etc/shadow && exec chage -l {' '.join(args)} x"
    return subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
                          capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("fields", [
    "20455:1:90:7:30:21916", "20455:0:99999:7::", "0:1:90:7:30:", ":1:90:7:30:0",
    "20455:0:9999:7:5:", "20455:0:10000:7:5:", "20455:0:0:0:0:1", ":::::", "20455::90:::"])
@pytest.mark.parametrize("iso", [[], ["-i"]])
def test_list_is_that_of_the_machine(x, tmp_path, fields, iso):
    last, least, most, warn, inactive, expire = (field or "-1" for field in fields.split(":"))
    x.ok("chage", "-d", last, "-m", least, "-M", most, "-W", warn, "-I", inactive, "-E", expire, "x")
    assert x.ok("chage", "-l", *iso, "x") == shadow_list(tmp_path, fields, *iso)


def test_questions_keep_what_is_not_answered(x):
    x.ok("chage", "-d", "2026-01-02", "-m", "1", "-M", "90", "x")
    before = ageing(x)
    for answers in (b"", b"\n\n\n\n\n\n", b"\n"):
        out = x.ok("chage", "x", stdin=answers)
        assert out.startswith("Changing the aging information for x@lab.test\n"
                              "Enter the new value, or press ENTER for the default\n\n")
        assert re.findall(r"\t(.*?) \[(.*?)\]: ", out) == list(zip(
            PROMPTS, ["1", "90", "2026-01-02", "-1", "-1", "-1"]))
        assert ageing(x) == before


def test_questions_take_answers(x):
    x.ok("chage", "x", stdin=b"2\n 0x64 \n2026-03-04\n-1\n5\n2031-01-01\n")
    assert ageing(x) == {"last_change": 20516, "min": 2, "max": 100, "warn": None, "inactive": 5,
                         "expire": 22280}
    x.ok("chage", "-i", "x", stdin=b"\n\n-1\n\n\n-1\n")
    assert ageing(x)["last_change"] is None and ageing(x)["expire"] is None


@pytest.mark.parametrize("answers", [b"x\n", b"1\n-2\n", b" \n", b"\n\nfoo\n", b"\n\n \n",
                                     b"\n\n\n\n\nnever\n", b"1" * 300 + b"\n", b"100000\n"])
def test_a_bad_answer_changes_nothing(x, answers):
    before = x.show("x")
    done = x.run("chage", "x", stdin=answers)
    assert done.returncode == 1
    assert done.stderr == "mailuser: error changing fields: nothing was changed\n"
    assert x.show("x") == before


@pytest.mark.parametrize("args, message", [
    (["-d", "foo"], "invalid date 'foo'"), (["-E", "-2"], "invalid date '-2'"),
    (["-d", "x" * 100], "invalid date 'x"), *((
        [option, value], f"invalid numeric argument '{value}'") for option in ("-I", "-m", "-M", "-W")
        for value in ("x", "", "-2", "100000", "1 ")),
    (["-l", "-E", "0"], 'do not include "l" with other flags'), (["-Z"], "invalid option"),
    (["y"], "unexpected argument"),
])
def test_bad_values_are_wrong_usage(x, args, message):
    x.fails(2, message, "chage", *args, "x")


def test_exit_codes(x):
    for args in (["-l"], ["-M", "5"], []):
        x.fails(1, "user 'y@lab.test' does not exist", "chage", *args, "y")
        x.fails(1, "cannot be used", "chage", *args, "a b")
    with locked(x.store):
        x.fails(1, "busy", "chage", "-M", "5", "x")
    spoil_config(x, "store = lmdb:/nowhere/at/all.mdb")
    for args in (["-l"], ["-M", "5"], []):
        assert x.run("chage", *args, "x").returncode == 15


def test_wrong_values_are_seen_before_the_store(bare):
    assert bare.run("chage", "-M", "x", "x").returncode == 2
