# SPDX-License-Identifier: BSD-2-Clause
"""The command mailuser, as an administrator uses it: options, messages, exit codes, prompts.

Runs the program of the build folder (MAILAUTH_BUILD, default ./build) on stores in temporary
folders. Needs root, because key files must belong to root, and util-linux for setpriv.
"""
import grp
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time

import pytest

from tool import (AGAIN, BUILD, NEW, PROGRAM, REPO, Terminal, Tool, answer, bare_fixture,
                  locked, spoil_config, tool_fixture)

COMMANDS = ("init", "add", "mod", "del", "passwd", "chage", "show", "list", "verify")
MECHS = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
ALL_MECHS = (*MECHS[:4], "APOP", *MECHS[4:], "SCRAM-SHA-512")  # that verify can try, in order
CONFIG_KEYS = ("store", "key_file", "default_realm", "mechanisms", "digest_realms",
               "scram_iterations", "crypt_method", "crypt_cost", "capture", "recoverable",
               "plaintext", "store_timeout", "map_size")


@pytest.fixture(name="crowd", scope="module")
def crowd_fixture(tmp_path_factory):
    """A store for tests that change nothing in it."""
    tool = Tool(tmp_path_factory.mktemp("crowd") / "mailauth")
    tool.ok("init")
    with tool.config.open("a", encoding="utf-8") as config:
        config.write("default_realm = lab.test\n")
    tool.add("alice", "-c", "Alice \u00dc.", "-d", "/var/mail/alice", "-e", "2099-12-31", "-f", "7",
             "-g", "0", "-G", "smtp,imap", "-u", "5001", "--recoverable")
    tool.add("bob@b.test", "--mech", "PLAIN")
    tool.add("lou", "-e", "2001-01-01")
    tool.run("add", "nil")
    return tool


# ---- usage -------------------------------------------------------------------------------------

@pytest.mark.parametrize("args, message", [
    ([], "which command"),
    (["frobnicate"], "unknown command 'frobnicate'"),
    (["--frobnicate"], "unrecognized option '--frobnicate'"),
    (["add", "--frobnicate", "x"], "unrecognized option '--frobnicate'"),
    (["add", "-Z", "x"], "invalid option -- 'Z'"),
    (["add", "x", "-c"], "option requires an argument -- 'c'"),
    (["show", "--json=x", "x"], "doesn't allow an argument"),
    (["add"], "add: NAME is missing"),
    (["passwd"], "passwd: NAME is missing"),
    (["mod"], "mod: NAME is missing"),
    (["chage"], "chage: NAME is missing"),
    (["del"], "del: NAME is missing"),
    (["show"], "show: NAME is missing"),
    (["verify"], "verify: NAME is missing"),
    (["add", "x", "y"], "unexpected argument 'y'"),
    (["list", "x"], "unexpected argument 'x'"),
    (["init", "x"], "unexpected argument 'x'"),
    (["--config", "", "list"], "name of the configuration file is empty"),
    (["add", "-p", "x", "--stdin", "x"], "-p or --stdin, not both"),
    (["add", "-o", "x"], "-o flag is only allowed with the -u flag"),
    (["mod", "x"], "no options"),
    (["passwd", "-S", "-l", "x"], "give -S, or --stdin, or options that change something"),
    (["chage", "-l", "-m", "1", "x"], 'do not include "l" with other flags'),
    (["del", "-R", "x"], "invalid option -- 'R'"),
    (["verify", "--realm", "x", "x"], "--realm makes sense with --mech DIGEST-MD5 only"),
    (["verify", "--realm", "x", "--mech", "PLAIN", "x"], "--mech DIGEST-MD5 only"),
])
def test_wrong_usage_is_explained(bare, args, message):
    done = bare.run(*args, config=False)
    assert done.returncode == 2 and done.stdout == ""
    said, hint = done.stderr.splitlines()
    assert said.startswith("mailuser: ") and re.search(message, said)
    assert re.fullmatch("Try 'mailuser .*--help' for more information.", hint)


def test_help_needs_no_configuration(bare):
    for args in ((), *((command,) for command in COMMANDS)):
        done = bare.run(*args, "--help", config=False)
        assert done.returncode == 0 and done.stderr == ""
        assert done.stdout == bare.run(*args, "-h").stdout
        assert done.stdout.startswith(" ".join(["Usage: mailuser", *args]))
    assert re.fullmatch(r"mailuser \d+\.\d+\.\d+\n", bare.run("--version").stdout)
    for command in COMMANDS:
        assert f"\n  {command} " in bare.run("--help").stdout


def test_manual_pages_and_help_agree():
    folder = REPO / "tools" / "mailuser"
    done = subprocess.run([folder / "check-man.sh", PROGRAM, folder], capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_manual_page_and_template_have_the_same_keys(tool):
    page = (REPO / "tools" / "mailuser" / "mailauth.conf.5").read_text(encoding="utf-8")
    assert re.findall(r"^\.It Cm (\w+) No =", page, re.M) == list(CONFIG_KEYS)
    template = tool.config.read_text(encoding="utf-8").split("default_realm = lab.test")[0]
    assert re.findall(r"^#?(\w+) = ", template, re.M) == list(CONFIG_KEYS)


def test_the_template_s_values_are_accepted(tool):
    text = tool.config.read_text(encoding="utf-8").rsplit("default_realm", 1)[0]
    tool.config.write_text(re.sub(r"^#(\w+ = )", r"\1", text, flags=re.M), encoding="utf-8")
    assert tool.ok("list") == ""


def test_the_default_mechanisms_are_those_that_are_written_down(tool):
    page = (REPO / "tools" / "mailuser" / "mailauth.conf.5").read_text(encoding="utf-8")
    line = re.search(r"^#(mechanisms = (.*))$", tool.config.read_text(encoding="utf-8"), re.M)
    assert f"Default:\n.Ql {line[2]}\n" in page and line[2].split() == list(MECHS)
    tool.add("x")
    spoil_config(tool, line[1])
    tool.add("y")
    assert sorted(tool.show("x")["secrets"]) == sorted(tool.show("y")["secrets"]) == [
        "cram-md5", "digest-md5", "sasl-plain", "scram-sha-1", "scram-sha-256"]


def test_answers_to_the_names_of_shadow(tool):
    tool.ok("useradd", "--stdin", "x", stdin=b"secret")
    assert tool.ok("finger", "x") == tool.ok("show", "x")
    tool.ok("userdel", "x")
    assert tool.names() == []


def test_options_may_follow_the_name(tool):
    tool.ok("add", "x", "--stdin", "--comment", "X", stdin=b"secret")
    assert tool.show("x")["comment"] == "X"


def test_the_environment_names_a_configuration(tool):
    tool.env["MAILAUTH_CONFIG"] = str(tool.config)
    assert tool.run("list", config=False).returncode == 0
    tool.env["MAILAUTH_CONFIG"] = ""
    assert tool.run("list", config=False).returncode == 2


# ---- init --------------------------------------------------------------------------------------

def test_init_makes_everything_for_the_group_only(bare):
    out = bare.ok("init")
    group = grp.getgrnam("mailauth").gr_gid
    modes = {bare.folder: 0o750, bare.config: 0o640, bare.key: 0o640, bare.store: 0o640,
             pathlib.Path(f"{bare.store}-lock"): 0o660}
    for path, mode in modes.items():
        st = path.stat()
        assert (stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid) == (mode, 0, group), path
    assert re.search("group mailauth\n", out)
    for what, path in (("folder", bare.folder), ("configuration", bare.config),
                       ("key file", bare.key), ("store", bare.store)):
        assert f"made:  {what} {path}\n" in out
    assert bare.ok("list") == ""


def test_init_leaves_alone_what_is_there(tool):
    tool.add("x")
    before = {path: (path.stat().st_ino, path.read_bytes())
              for path in (tool.config, tool.key, tool.store)}
    out = tool.ok("init")
    assert f"there: configuration {tool.config}\n" in out and "made:" not in out
    assert before == {path: (path.stat().st_ino, path.read_bytes()) for path in before}
    assert tool.accepts("x", b"secret")


def test_init_follows_a_configuration_that_is_there(bare):
    other = bare.folder / "other"
    bare.folder.mkdir()
    bare.config.write_text(f"store = lmdb:{other}/a.mdb\nkey_file = {other}/k\n", encoding="utf-8")
    bare_output = bare.run("init")
    assert bare_output.returncode == 1 and str(other) in bare_output.stderr
    other.mkdir()
    bare.ok("init")
    assert sorted(os.listdir(other)) == ["a.mdb", "a.mdb-lock", "k"]


def test_init_makes_no_new_key_for_an_old_store(tool):
    tool.key.unlink()
    done = tool.run("init")
    assert done.returncode == 1 and not tool.key.exists()
    assert re.fullmatch("mailuser: key file .* is gone, .*restore.*\n", done.stderr)


def test_init_needs_the_folder_above(bare):
    bare.config = bare.folder / "sub" / "mailauth.conf"
    done = bare.run("init")
    assert done.returncode == 1
    assert re.fullmatch("mailuser: folder .*/sub cannot be made: No such file.*\n", done.stderr)


def test_init_wants_the_name_of_a_file(bare):
    done = bare.run("init", "--config", f"{bare.folder}/", config=False)
    assert done.returncode == 1 and "cannot be the name of a configuration file" in done.stderr


# ---- add ---------------------------------------------------------------------------------------

def test_add_stores_every_option(tool):
    tool.ok("add", "--stdin", "-c", "Al \u00dc.", "-d", "/var/mail/al", "-e", "2030-01-02",
            "-f", "10", "-g", "mail", "-G", "smtp,imap,smtp", "-u", "5001", "-s", "/bin/false",
            "--mech", "cram-md5,plain", "--recoverable", "Al@Lab.Test", stdin=b"secret\n")
    shown = tool.show("al@lab.test")
    assert {key: shown[key] for key in ("name", "comment", "home", "shell", "uid", "gid", "groups",
                                        "mech", "recoverable", "locked", "state")} == {
        "name": "al@lab.test", "comment": "Al \u00dc.", "home": "/var/mail/al",
        "shell": "/bin/false", "uid": 5001, "gid": grp.getgrnam("mail").gr_gid,
        "groups": ["imap", "smtp"], "mech": ["CRAM-MD5", "PLAIN"], "recoverable": True,
        "locked": False, "state": "active"}
    assert shown["ageing"] == {"last_change": int(time.time()) // 86400, "min": None, "max": None,
                               "warn": None, "inactive": 10, "expire": 21916}
    assert "password" in shown["secrets"]


def test_add_has_useradd_s_defaults(tool):
    tool.add("x")
    shown = tool.show("x")
    assert shown["name"] == "x@lab.test" and shown["shell"] == "/usr/sbin/nologin"
    assert shown["mech"] == [] and shown["uid"] is None and not shown["recoverable"]
    assert [m["mechanism"] for m in shown["mechanisms"] if m["served"]] == [
        *MECHS[:5], "SCRAM-SHA-1-PLUS", MECHS[5], "SCRAM-SHA-256-PLUS"]


@pytest.mark.parametrize("code, args, message", [
    *((3, ["-u", uid], f"invalid user ID '{re.escape(uid)}'") for uid in (
        "x", "", "-1", "1 ", "0x1", "4294967295", "99999999999999999999")),
    (3, ["-f", "x"], "invalid numeric argument 'x'"),
    (3, ["-f", "-2"], "invalid numeric argument '-2'"),
    (3, ["-f", "100000"], "invalid numeric argument '100000'"),
    (6, ["-g", "-1"], "group '-1' does not exist"),
    (6, ["-g", "4294967295"], "group '4294967295' does not exist"),
    (6, ["-g", "no-such-group"], "group 'no-such-group' does not exist"),
    (3, ["-c", "a:b"], "comment has a colon"),
    (3, ["-c", "a\tb"], "comment has a control character"),
    (3, ["-c", "a\udcff"], "comment is not valid UTF-8"),
    (3, ["-c", "a" * 256], "too long"),
    (3, ["-d", "home"], "home folder is not an absolute path"),
    (3, ["-s", "nologin"], "shell is not an absolute path"),
    (3, ["-G", "a!b"], "group's name has other characters"),
    (3, ["-G", "a" * 33], "too long"),
    (3, ["--mech", "ROT13"], "no mechanism of this build"),
    *((3, ["--mech", mech], "APOP needs the password itself: add --recoverable to keep it, sealed,"
       " or leave APOP out") for mech in ("APOP", "apop,plain", "SCRAM-SHA-256 Apop")),
    (3, ["--mech", "APOP", "-p", "$6$x$y"], "APOP needs the password itself"),
    (3, ["-p", "secret"], "not a whole hash"),
    (3, ["-p", "!secret"], "not a whole hash"),
    (3, ["-p", ""], "cannot be used|hash"),
])
def test_add_refuses_bad_values(tool, code, args, message):
    tool.fails(code, message, "add", *args, "x")
    assert tool.names() == []


def test_add_warns_without_a_password(tool):
    done = tool.run("add", "x")
    assert done.returncode == 0
    assert done.stderr == ("mailuser: warning: no password set: run 'mailuser passwd x@lab.test'\n")
    assert tool.show("x")["state"] == "no-secret"
    assert tool.run("verify", "--stdin", "x", stdin=b"x\n").returncode == 1


@pytest.mark.parametrize("method", ["-5", "-6"])
def test_add_takes_over_a_crypt_string(tool, method):
    crypted = subprocess.run(["openssl", "passwd", method, "secret"], capture_output=True,
                             text=True, check=True).stdout.strip()
    tool.ok("add", "-p", crypted, "x")
    assert tool.show("x")["secrets"] == ["crypt"]
    assert tool.accepts("x", b"secret") and not tool.accepts("x", b"Secret")
    assert not tool.accepts("x", b"secret", "--mech", "CRAM-MD5")


@pytest.mark.parametrize("mechs, secrets", [
    ("PLAIN", ["crypt"]), ("LOGIN", ["crypt"]), ("PLAIN,LOGIN", ["crypt"]),
    ("CRAM-MD5", ["cram-md5"]), ("PLAIN,CRAM-MD5", ["cram-md5", "sasl-plain"]),
    ("DIGEST-MD5", ["digest-md5"]), ("LOGIN,DIGEST-MD5", ["digest-md5", "sasl-plain"]),
    ("SCRAM-SHA-1", ["scram-sha-1"]), ("scram-sha-256-plus", ["scram-sha-256"]),
    ("PLAIN,SCRAM-SHA-256", ["scram-sha-256"]),
    ("scram-sha-512 SCRAM-SHA-1", ["scram-sha-1", "scram-sha-512"]),
    ("CRAM-MD5,SCRAM-SHA-256,SCRAM-SHA-256", ["cram-md5", "scram-sha-256"]),
])
def test_add_keeps_the_least_that_serves_a_list(tool, mechs, secrets):
    tool.add("x", "--mech", mechs)
    assert sorted(tool.show("x")["secrets"]) == secrets
    served = {mech["mechanism"] for mech in tool.show("x")["mechanisms"] if mech["served"]}
    wanted = {mech.upper() for mech in re.split("[ ,]", mechs)}
    for mech in wanted:
        wanted = wanted | ({mech.removesuffix("-PLUS"), mech.removesuffix("-PLUS") + "-PLUS"}
                           if mech.startswith("SCRAM") else {mech})
    assert served == wanted | {"PLAIN", "LOGIN"}
    for mech in ALL_MECHS:
        assert tool.accepts("x", b"secret", "--mech", mech) == (mech in served)
        assert not tool.accepts("x", b"Secret", "--mech", mech)


def test_add_keeps_the_password_for_apop(tool):
    tool.add("x", "--mech", "APOP", "--recoverable")
    assert tool.show("x")["secrets"] == ["password"] and tool.show("x")["mech"] == ["APOP"]
    assert [mech for mech in ALL_MECHS if tool.accepts("x", b"secret", "--mech", mech)] == [
        "PLAIN", "LOGIN", "APOP"]
    spoil_config(tool, "recoverable = yes")
    tool.add("y", "--mech", "apop,cram-md5")
    assert sorted(tool.show("y")["secrets"]) == ["cram-md5", "password"]
    tool.ok("passwd", "--stdin", "y", stdin=b"other\n")
    assert tool.accepts("y", b"other", "--mech", "APOP")
    assert not tool.accepts("y", b"secret", "--mech", "APOP")


def test_add_keeps_names_apart(tool):
    tool.add("x")
    tool.fails(9, "user 'x@lab.test' already exists", "add", "X@LAB.test", "-c", "other")
    assert tool.show("x")["comment"] == ""
    tool.add("x@other.test")
    assert tool.names() == ["x@lab.test", "x@other.test"]


def test_add_keeps_uids_apart_unless_told_not_to(tool):
    tool.add("x", "-u", "5001")
    tool.fails(4, "UID 5001 is not unique: 'x@lab.test' has it", "add", "-u", "5001", "y")
    tool.add("y", "-u", "5001", "-o")
    tool.add("z", "-u", "0")
    assert [tool.show(name)["uid"] for name in "xyz"] == [5001, 5001, 0]


def test_add_warns_of_a_unix_user_s_name(tool):
    done = tool.run("add", "--stdin", "root", stdin=b"x")
    assert done.returncode == 0
    assert "mailuser: warning: 'root' is also a Unix user" in done.stderr
    tool.fails(9, "'root' is also a Unix user", "add", "--strict", "root@other.test")
    assert tool.names() == ["root@lab.test"]


def test_add_warns_of_an_alias(tool, tmp_path):
    """With an /etc/aliases of its own, laid over the machine's for these commands alone."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "aliases").write_text("# comment: x\nhelpdesk: root\n", encoding="utf-8")
    tool.argv = ("unshare", "--mount", "sh", "-c",
                 'mount -t overlay overlay -o "lowerdir=$0:/etc" /etc && exec "$@"',
                 tmp_path / "etc", PROGRAM)
    tool.fails(9, "'helpdesk' is also in /etc/aliases", "add", "--strict", "HELPDESK")
    done = tool.run("add", "--stdin", "helpdesk", stdin=b"x")
    assert done.returncode == 0
    assert "mailuser: warning: 'helpdesk' is also in /etc/aliases" in done.stderr
    assert tool.run("add", "--stdin", "comment", stdin=b"x").stderr == ""


# ---- names -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name, stored", [
    ("a", "a@lab.test"), ("A.B+c_d-e@Lab.TEST", "a.b+c_d-e@lab.test"),
    ("x" * 64 + "@" + "y" * 255, "x" * 64 + "@" + "y" * 255),
    ("j\u00fcrgen@lab.test", "j\u00fcrgen@lab.test"), ("J\u00dcRGEN", "j\u00dcrgen@lab.test"),
    ("..a", "..a@lab.test"), ("\\", "\\@lab.test"), ("a%b!c$(d)", "a%b!c$(d)@lab.test"),
    ("\U0001f4e7", "\U0001f4e7@lab.test"),
])
def test_good_names(tool, name, stored):
    tool.add(name)
    assert tool.names() == [stored]
    assert tool.show(name)["name"] == stored
    for mech in MECHS:
        assert tool.accepts(name, b"secret", "--mech", mech)
    assert tool.ok("passwd", "-S", name).startswith(f"{stored} P ")
    tool.ok("del", name)
    assert tool.names() == []


@pytest.mark.parametrize("name", [
    "", "x" * 300, "x" * 65, "x@" + "y" * 256, "@", "x@", "@lab.test", "a@b@c", "a@@b", "-", "-x",
    "x@-y", ".", "..", "x@.", "x@..", "a b", "a\tb", "a\nb", "a\x1bb", "a\x7fb", "a:b", "a,b",
    "a/b", "a;b", 'a"b', "a'b", "a#b", "../x", "\udcff", "a\udcc3", "\udce2\udc82", "\u0085x",
    "\udcc0\udc80", "\udced\udca0\udc80",
])
def test_bad_names_are_refused_everywhere(tool, name):
    why = r'the name ".*"(\.\.\.)? cannot be used: '
    tool.fails(19, why, "add", "--", name)
    tool.fails(19, why, "del", "--", name)
    tool.fails(6, why, "passwd", "--stdin", "--", name, stdin=b"secret\n")
    tool.fails(6, why, "passwd", "-S", "--", name)
    tool.fails(6, why, "show", "--", name)
    tool.fails(6, why, "verify", "--stdin", "--", name, stdin=b"secret\n")
    assert tool.names() == []


def test_unknown_names(tool):
    why = "user 'x@lab.test' does not exist"
    tool.fails(6, why, "del", "x")
    tool.fails(6, why, "show", "x")
    tool.fails(6, why, "show", "--json", "x")
    tool.fails(6, why, "verify", "--stdin", "x", stdin=b"secret\n")
    for option in ("--stdin", "-l", "-u", "-S"):
        tool.fails(1, why, "passwd", option, "x", stdin=b"secret\n")


# ---- passwords ---------------------------------------------------------------------------------

@pytest.mark.parametrize("line, password", [
    (b"x\n", b"x"), (b"no line feed", b"no line feed"), (b" two  spaces ", b" two  spaces "),
    (b"first\nsecond\n", b"first"), (b"x" * 1024 + b"\n", b"x" * 1024), (b"cr\r\n", b"cr\r"),
    ("\u00fcml\u00e4ut\n".encode(), "\u00fcml\u00e4ut".encode()), (b"t\tab\n", b"t\tab"),
])
def test_good_passwords(tool, line, password):
    tool.ok("add", "--stdin", "x", stdin=line)
    tool.run("add", "y")
    tool.ok("passwd", "--stdin", "y", stdin=line)
    for name in "xy":
        for mech in MECHS:
            assert tool.accepts(name, password, "--mech", mech)
            assert not tool.accepts(name, b"x" + password[1:-1] + b"?", "--mech", mech)


@pytest.mark.parametrize("line, message", [
    (b"", "no password was given"),
    (b"\n", "password is empty"),
    (b"\nsecond\n", "password is empty"),
    (b"x" * 1025 + b"\n", "longer than 1024 bytes"),
    (b"x" * 100000, "longer than 1024 bytes"),
    (b"a\0b\n", "NUL byte"),
    (b"\0\n", "NUL byte"),
    (b"x" * 2000 + b"\0\n", "NUL byte"),
    (b"\xff\n", "not UTF-8"),
    (b"caf\xe9\n", "not UTF-8"),
])
def test_bad_passwords(tool, line, message):
    tool.fails(3, message, "add", "--stdin", "x", stdin=line)
    assert tool.names() == []
    tool.add("x")
    tool.fails(3, message, "passwd", "--stdin", "x", stdin=line)
    assert tool.accepts("x", b"secret")
    if b"\xff" not in line and b"\xe9" not in line:
        tool.fails(3, message, "verify", "--stdin", "x", stdin=line)


def test_a_slow_hash_takes_shorter_passwords(tool):
    tool.fails(3, "511 bytes", "add", "--mech", "PLAIN", "--stdin", "x", stdin=b"x" * 512)
    tool.add("x", "--mech", "PLAIN", password=b"x" * 511)
    assert tool.accepts("x", b"x" * 511)


def test_stdin_is_read_no_further_than_the_line(tool):
    script = '"$0" "$@" && cat'
    done = subprocess.run(["sh", "-c", script, PROGRAM, "--config", tool.config, "add", "--stdin",
                           "x"], input=b"secret\nrest\n", capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"rest\n")


def test_without_a_terminal_passwd_points_to_stdin(tool):
    tool.add("x")
    tool.fails(3, "no terminal: use --stdin", "passwd", "x", stdin=b"secret\n")
    tool.fails(3, "no terminal: use --stdin", "verify", "x", stdin=b"secret\n")


# ---- prompts -----------------------------------------------------------------------------------

def test_prompts_ask_twice_without_echo(tool):
    assert answer(tool, ["add", "x"], (NEW, b"s3cret\n"), (AGAIN, b"s3cret\n")) == (
        0, f"{NEW}\n{AGAIN}\n")
    assert tool.accepts("x", b"s3cret")
    assert answer(tool, ["passwd", "x"], (NEW, b"0ther\n"), (AGAIN, b"0ther\n"))[0] == 0
    assert tool.accepts("x", b"0ther") and not tool.accepts("x", b"s3cret")
    code, seen = answer(tool, ["verify", "x"], ("Password: ", b"0ther\n"))
    assert code == 0 and "x@lab.test: accepted by PLAIN" in seen and "0ther" not in seen
    assert answer(tool, ["verify", "x"], ("Password: ", b"wrong\n"))[0] == 1


def test_prompts_compare_the_two(tool):
    code, seen = answer(tool, ["add", "x"], (NEW, b"one\n"), (AGAIN, b"two\n"))
    assert code == 3
    assert seen.endswith("\nmailuser: the two passwords differ: nothing was changed\n")
    assert tool.names() == []
    tool.add("x")
    for second in (b"one!\n", b"on\n", b"\n", b"\x00one\n", b"x" * 1100 + b"\n"):
        code, seen = answer(tool, ["passwd", "x"], (NEW, b"one\n"), (AGAIN, second))
        assert code == 3 and "the two passwords differ" in seen
    assert tool.accepts("x", b"secret")


@pytest.mark.parametrize("line, message", [
    (b"\n", "password is empty"), (b"x" * 1025 + b"\n", "longer than 1024 bytes"),
    (b"a\x00b\n", "NUL byte"), (b"\x04", "no password was given")])
def test_prompts_refuse_bad_passwords(tool, line, message):
    code, seen = answer(tool, ["add", "x"], (NEW, line))
    assert code == 3 and message in seen and AGAIN not in seen
    assert tool.names() == []


def test_prompts_take_the_longest_password(tool):
    line = b"x" * 1024 + b"\n"
    assert answer(tool, ["add", "x"], (NEW, line), (AGAIN, line))[0] == 0
    assert tool.accepts("x", b"x" * 1024)


def test_nobody_is_asked_in_vain(tool):
    tool.add("x")
    assert NEW not in answer(tool, ["add", "x"])[1]
    assert NEW not in answer(tool, ["add", "--mech", "APOP", "y"])[1]
    assert NEW not in answer(tool, ["passwd", "y"])[1]
    assert "Password" not in answer(tool, ["verify", "y"])[1]
    for mech in ("ROT13", "SCRAM-SHA-1-PLUS"):
        assert "Password" not in answer(tool, ["verify", "--mech", mech, "x"])[1]


@pytest.mark.parametrize("typed, signum", [
    (b"\x03", signal.SIGINT), (b"half\x1c", signal.SIGQUIT), (None, signal.SIGTERM),
    (None, signal.SIGHUP)])
def test_a_signal_gives_the_echo_back(tool, typed, signum):
    with Terminal(tool, "add", "x", core=True) as terminal:
        terminal.expect(NEW)
        if typed is None:
            terminal.process.send_signal(signum)
        else:
            terminal.send(typed)
        assert terminal.finish()[0] == -signum
        assert terminal.echoes()
    assert tool.names() == []


def test_stop_is_ignored_while_the_echo_is_off(tool):
    code, _ = answer(tool, ["add", "x"], (NEW, b"secret\x1a\n"), (AGAIN, b"secret\x1a\n"))
    assert code == 0 and tool.accepts("x", b"secret\x1a")


def test_no_password_in_the_process_list(tool):
    with Terminal(tool, "add", "x") as terminal:
        terminal.expect(NEW)
        terminal.send(b"s3cret-one\n")
        terminal.expect(AGAIN)
        proc = pathlib.Path("/proc") / str(terminal.process.pid)
        for name in ("cmdline", "environ"):
            assert b"s3cret-one" not in (proc / name).read_bytes()
        terminal.send(b"s3cret-one\n")
        assert terminal.finish()[0] == 0
    assert b"s3cret-one" not in tool.store.read_bytes()


def test_no_option_takes_a_password(bare):
    for command in COMMANDS:
        for line in bare.run(command, "--help").stdout.splitlines():
            assert " PASSWORD" not in line


# ---- passwd ------------------------------------------------------------------------------------

def test_passwd_locks_and_unlocks(tool):
    tool.add("x")
    for lock, unlock in (("-l", "-u"), ("--lock", "--unlock")):
        assert tool.ok("passwd", lock, "x") == "mailuser: password changed.\n"
        assert tool.ok("passwd", "-q", lock, "x") == ""
        assert tool.show("x")["state"] == "locked" and tool.show("x")["locked"]
        for mech in MECHS:
            done = tool.run("verify", "--stdin", "--mech", mech, "x", stdin=b"secret\n")
            assert done.returncode == 1 and "reason=locked" in done.stderr
        tool.ok("passwd", lock, "x")
        tool.ok("passwd", unlock, "x")
        assert tool.show("x")["state"] == "active" and tool.accepts("x", b"secret")
        tool.ok("passwd", unlock, "x")


def test_passwd_status_is_that_of_shadow(tool):
    today = time.strftime("%Y-%m-%d", time.gmtime())
    tool.add("x")
    assert tool.ok("passwd", "-S", "x") == f"x@lab.test P {today} -1 -1 -1 -1\n"
    tool.ok("passwd", "-l", "x")
    assert tool.ok("passwd", "--status", "x") == f"x@lab.test L {today} -1 -1 -1 -1\n"
    tool.run("add", "-f", "5", "y")
    assert tool.ok("passwd", "-S", "y") == "y@lab.test NP never -1 -1 -1 5\n"
    shadow = subprocess.run(["passwd", "-S", "root"], capture_output=True, text=True, check=True)
    form = r"\S+ (P|L|NP) (\d{4}-\d\d-\d\d|never) -?\d+ -?\d+ -?\d+ -?\d+\n"
    for line in (shadow.stdout, tool.ok("passwd", "-S", "x"), tool.ok("passwd", "-S", "y")):
        assert re.fullmatch(form, line)


def test_passwd_changes_nothing_else(tool):
    tool.add("x", "-c", "X", "-u", "1", "-G", "smtp")
    tool.ok("passwd", "-l", "x")
    before = tool.show("x")
    assert tool.ok("passwd", "-s", "x", stdin=b"other\n") == "mailuser: password changed.\n"
    after = tool.show("x")
    assert after["generation"] == before["generation"] + 1
    for key in before.keys() - {"generation", "modified"}:
        assert after[key] == before[key]
    tool.ok("passwd", "-u", "x")
    assert tool.accepts("x", b"other") and not tool.accepts("x", b"secret")


def test_del_leaves_the_others(tool):
    for name in "xyz":
        tool.add(name)
    tool.ok("del", "y")
    assert tool.names() == ["x@lab.test", "z@lab.test"]
    tool.fails(6, "does not exist", "del", "y")
    tool.add("y", password=b"new")
    assert tool.accepts("y", b"new")


# ---- show, list --------------------------------------------------------------------------------

SCHEMA = {"name": str, "state": str, "locked": bool, "recoverable": bool, "comment": str,
          "home": str, "shell": str, "uid": (int, type(None)), "gid": (int, type(None)),
          "groups": list, "mech": list, "ageing": dict, "secrets": list,
          "weakest": (str, type(None)), "mechanisms": list, "generation": int, "created": str,
          "modified": str}
AGEING = ["last_change", "min", "max", "warn", "inactive", "expire"]


def check_schema(account):
    """Is it what mailuser-show(8) says?"""
    assert list(account) == list(SCHEMA)
    for key, kind in SCHEMA.items():
        assert isinstance(account[key], kind), key
    assert list(account["ageing"]) == AGEING
    assert all(day is None or isinstance(day, int) for day in account["ageing"].values())
    for key in ("groups", "mech", "secrets"):
        assert all(isinstance(word, str) for word in account[key])
    assert account["weakest"] in (account["secrets"] or [None])
    assert [mech["mechanism"] for mech in account["mechanisms"]] == [
        *ALL_MECHS[:6], "SCRAM-SHA-1-PLUS", ALL_MECHS[6], "SCRAM-SHA-256-PLUS", ALL_MECHS[7],
        "SCRAM-SHA-512-PLUS"]
    for mech in account["mechanisms"]:
        assert list(mech) == ["mechanism", "served", "reason"]
        assert isinstance(mech["reason"], type(None) if mech["served"] else str)
    for key in ("created", "modified"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", account[key])


def test_json_keeps_to_its_schema(crowd):
    listed = json.loads(crowd.ok("list", "--json"))
    assert [account["name"] for account in listed] == crowd.names() == [
        "bob@b.test", "alice@lab.test", "lou@lab.test", "nil@lab.test"]
    for account in listed:
        check_schema(account)
        assert account == crowd.show(account["name"])
    assert [account["state"] for account in listed] == ["active", "active", "expired", "no-secret"]


def test_json_s_members_are_in_the_manual_page():
    page = (REPO / "tools" / "mailuser" / "mailuser-show.8").read_text(encoding="utf-8")
    section = page.split(".Ss JSON")[1].split(".Sh")[0]
    named = re.findall(r"^\.It (.*)$", section, re.M)
    assert [word for line in named for word in line.split(" , ")] == list(SCHEMA)
    for word in (*AGEING, "mechanism", "served", "reason"):
        assert f".Ql {word}" in section


def test_list_prints_json_line_by_line(crowd):
    lines = crowd.ok("list", "--json").splitlines()
    assert lines[0] == "[" and lines[-1] == "]" and len(lines) == 6
    for line in lines[1:-1]:
        json.loads(line.rstrip(","))


def test_an_empty_list_is_empty(tool):
    assert tool.ok("list") == "" and json.loads(tool.ok("list", "--json")) == []


def test_list_prints_name_state_and_mechanisms(crowd):
    rows = [line.split() for line in crowd.ok("list").splitlines()]
    assert rows == [
        ["bob@b.test", "active", "PLAIN,LOGIN"],
        ["alice@lab.test", "active", ",".join(ALL_MECHS[:-1])],
        ["lou@lab.test", "expired", ",".join(MECHS)], ["nil@lab.test", "no-secret", "-"]]


def test_show_says_why_not(crowd):
    text = crowd.ok("show", "bob@b.test")
    assert re.search(r"^State: +active$", text, re.M)
    assert re.search(r"^Weakest: +crypt$", text, re.M)
    assert re.search(r"^  PLAIN +yes$", text, re.M)
    assert re.search(r"^  CRAM-MD5 +no: its list of mechanisms leaves it out$", text, re.M)
    text = crowd.ok("show", "alice")
    assert re.search(r"^Comment: +Alice \u00dc\.$", text, re.M)
    assert re.search(r"^Expires: +2099-12-31$", text, re.M)
    assert re.search(r"^Weakest: +password$", text, re.M)
    assert re.search(r"^State: +expired$", crowd.ok("show", "lou"), re.M)
    assert re.search(r"^Secrets: +-$", crowd.ok("show", "nil"), re.M)


@pytest.mark.parametrize("name, apop", [
    ("alice", "yes"),
    ("lou", "no: it needs the password kept, and the account is not recoverable")])
def test_show_has_one_line_for_a_mechanism(crowd, name, apop):
    lines = crowd.ok("show", name).splitlines()
    start = lines.index("Can serve:") + 1
    assert [line.split(None, 1) for line in lines[start:start + len(ALL_MECHS)]] == [
        *([mech, "yes"] for mech in MECHS[:4]), ["APOP", apop],
        ["SCRAM-SHA-1", "yes, also -PLUS"], ["SCRAM-SHA-256", "yes, also -PLUS"],
        ["SCRAM-SHA-512", "no: its list of mechanisms leaves it out"]]
    assert {re.match(" *[^ ]+ +", line).end() for line in lines[start:start + len(ALL_MECHS)]} == {
        len("Created:       ") + 2}
    assert lines[start + len(ALL_MECHS)].startswith("Generation:")


def test_nothing_shown_holds_a_secret(crowd):
    for args in (["list"], ["list", "--json"], ["show", "alice"], ["show", "--json", "alice"]):
        out = crowd.ok(*args)
        assert not re.search(r"[0-9a-f]{32}|\$[0-9a-z]+\$|(?<!no-)\bsecret\b", out)


def damage(tool, name):
    """Makes an account and takes its key away; what is made later is fine."""
    tool.add(name)
    other = os.urandom(32).hex()
    tool.key.write_text(f"2 {other}\n", encoding="utf-8")


def test_list_goes_on_after_a_damaged_account(tool):
    damage(tool, "m")
    tool.add("a")
    tool.add("z")
    for args, names in ((["list"], ["a@lab.test", "z@lab.test"]),
                        (["list", "--json"], ["a@lab.test", "z@lab.test"])):
        done = tool.run(*args)
        assert done.returncode == 1
        found = ([row["name"] for row in json.loads(done.stdout)] if "--json" in args
                 else [line.split()[0] for line in done.stdout.splitlines()])
        assert found == names
        damaged, summary = done.stderr.splitlines()
        assert "m@lab.test" in damaged
        assert summary == "mailuser: 1 damaged account left out"


def test_a_damaged_account_fails_alone_and_can_be_deleted(tool):
    damage(tool, "m")
    done = tool.run("add", "--stdin", "-u", "5001", "a", stdin=b"secret")
    assert done.returncode == 0 and "m@lab.test" in done.stderr
    for code, args in ((1, ["show"]), (3, ["passwd", "-l"]), (3, ["passwd", "-S"]),
                       (3, ["passwd", "--stdin"]), (3, ["verify", "--stdin"])):
        done = tool.run(*args, "m", stdin=b"secret\n")
        assert done.returncode == code and done.stdout == ""
        assert len(done.stderr.splitlines()) == 1 and "m@lab.test" in done.stderr
    done = tool.run("add", "m")
    assert done.returncode == 9
    assert done.stderr.splitlines()[-1] == (
        "mailuser: there is a damaged account 'm@lab.test': delete it first")
    done = tool.run("add", "-u", "5001", "b")
    assert done.returncode == 4 and "'a@lab.test' has it" in done.stderr
    tool.ok("del", "m")
    assert tool.names() == ["a@lab.test"]


def test_a_list_that_cannot_be_written_is_a_failure(crowd):
    for args in (["list"], ["list", "--json"], ["show", "alice"], ["--help"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, "--config", crowd.config, *args], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        assert done.returncode == 1
        assert b"mailuser: cannot write to standard output: No space left" in done.stderr


# ---- verify ------------------------------------------------------------------------------------

def accepted(name, mech, iterations=10000):
    """What verify prints."""
    rounds = f" ({iterations} iterations)" if mech.startswith("SCRAM") else ""
    return f"{name}: accepted by {mech}{rounds}\n"


@pytest.mark.parametrize("mech", [*ALL_MECHS[:-1], "plain", "Cram-Md5", "digest-md5",
                                  "Scram-Sha-256"])
def test_verify_tells_right_from_wrong(crowd, mech):
    done = crowd.run("verify", "--stdin", "--mech", mech, "Alice", stdin=b"secret\n")
    assert done.returncode == 0
    assert done.stdout == accepted("alice@lab.test", mech.upper())
    assert re.fullmatch(r"mailuser: login: result=ok .*user=alice@lab\.test\n", done.stderr)
    for wrong in (b"Secret", b"secret ", b"secre", b"x"):
        done = crowd.run("verify", "--stdin", "--mech", mech, "alice", stdin=wrong + b"\n")
        assert (done.returncode, done.stdout) == (
            1, f"alice@lab.test: refused by {mech.upper()}\n")
        assert re.fullmatch(r"mailuser: login: result=denied reason=wrong-proof .*\n", done.stderr)


@pytest.mark.parametrize("password", [
    " two  spaces ", "100%s %n %%", 'a"b\\c\\"d\\\\', "a,b=c,d==2C=3D", "\u00fcml\u00e4ut\u00ff",
    "nbsp\u00a0nbsp", "u\u0308 decomposed", "\u043f\u0430\u0440\u043e\u043b\u044c", "5 \u20ac",
    "caf\u00e9 \u0101", "\U0001f511", "x" * 200, "\u00fc" * 200, "\u20ac" * 341, "\x01\x7f",
])
def test_every_mechanism_takes_every_password(tool, password):
    tool.add("x", "--recoverable", "--mech", ",".join(ALL_MECHS), password=password.encode())
    for mech in ALL_MECHS:
        for name in ("x", "x@lab.test"):
            done = tool.run("verify", "--stdin", "--mech", mech, name,
                            stdin=password.encode() + b"\n")
            assert done.stdout == accepted("x@lab.test", mech), done
        for wrong in (password[:-1] + "?", password + "\u00fc", "\u00fc" + password[1:] + "x"):
            if len(wrong.encode()) <= 1024:
                assert not tool.accepts("x", wrong.encode(), "--mech", mech), wrong


@pytest.mark.parametrize("password, other", [
    ("I\u00adX", "IX"), ("\u00aa", "a"), ("\u2168", "IX"), ("x\u00a0y", "x y"),
    ("u\u0308", "\u00fc"), ("\ufb01", "fi")])
def test_scram_prepares_passwords(tool, password, other):
    """RFC 4013 section 3: what is typed in another way is the same password, in SCRAM alone."""
    tool.add("x", "--mech", "CRAM-MD5,SCRAM-SHA-256", password=password.encode())
    for typed, same in ((password, True), (other, True), (other + "x", False)):
        assert tool.accepts("x", typed.encode(), "--mech", "SCRAM-SHA-256") == same
        assert tool.accepts("x", typed.encode(), "--mech", "CRAM-MD5") == (typed == password)


def test_verify_prints_the_iterations_of_the_account(tool):
    tool.add("old", "--mech", "SCRAM-SHA-1,SCRAM-SHA-256,SCRAM-SHA-512")
    spoil_config(tool, "scram_iterations = 4096")
    tool.add("new", "--mech", "SCRAM-SHA-1,SCRAM-SHA-256,SCRAM-SHA-512")
    for name, iterations in (("old", 10000), ("new", 4096)):
        for mech in ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            assert tool.run("verify", "--stdin", "--mech", mech, name, stdin=b"secret\n").stdout \
                == accepted(f"{name}@lab.test", mech, iterations)
    tool.ok("passwd", "--stdin", "old", stdin=b"secret\n")
    done = tool.run("verify", "--stdin", "--mech", "SCRAM-SHA-1", "old", stdin=b"secret\n")
    assert done.stdout == accepted("old@lab.test", "SCRAM-SHA-1", 4096)


def test_verify_can_use_another_realm_of_digest_md5(tool):
    tool.add("x")
    tool.add("y@b.test")
    realm = ("--mech", "DIGEST-MD5", "--realm")
    for name in ("x", "x@lab.test", "y@b.test"):
        assert tool.accepts(name, b"secret", *realm[:2])
        assert not tool.accepts(name, b"secret", *realm, "other.test")
    assert tool.accepts("x", b"secret", *realm, "lab.test")
    assert tool.accepts("x", b"secret", *realm, "")
    spoil_config(tool, "digest_realms = other.test third.test")
    assert not tool.accepts("x", b"secret", *realm, "other.test")  # not before the next change
    for name in ("x", "y@b.test"):
        tool.ok("passwd", "--stdin", name, stdin=b"new\n")
    for name in ("x", "x@lab.test", "y@b.test"):
        for word, same in (("other.test", True), ("third.test", True), ("fourth.test", False)):
            assert tool.accepts(name, b"new", *realm, word) == same
            assert not tool.accepts(name, b"wrong", *realm, word)
    tool.fails(3, "DIGEST-MD5: the realm is too long", "verify", "--stdin", *realm, "x" * 256, "x",
               stdin=b"new\n")


def test_digest_md5_takes_each_text_in_its_own_charset(tool):
    """RFC 2831 section 2.1.2.1: in Latin-1 what fits as a whole, the rest in UTF-8."""
    spoil_config(tool, "digest_realms = \u00e9.test")
    for name in ("\u00fc@\u0175.test", "\u00fc@\u00e9.test", "\u0175@lab.test"):
        for password in ("\u00e4", "\u0101", "a"):
            tool.run("del", name)
            tool.add(name, password=password.encode())
            for realm in ((), ("--realm", "\u00e9.test"), ("--realm", "")):
                assert tool.accepts(name, password.encode(), "--mech", "DIGEST-MD5", *realm)


def test_verify_says_why_not_plus(crowd):
    for mech in ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        crowd.fails(3, f"{mech}-PLUS ties the login to a TLS connection, and here is none: try"
                    f" {mech}, which uses the same secret", "verify", "--stdin", "--mech",
                    f"{mech}-PLUS", "alice", stdin=b"secret\n")


# In the place of the library's call: a server that does not know the account.
IMPOSTOR = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

int mailauth_session_step(void *session, const void *in, size_t in_len, const void **out,
			  size_t *len)
{
	static char text[16384];
	int (*real)(void *, const void *, size_t, const void **, size_t *);
	int status;

	*(void **)&real = dlsym(RTLD_NEXT, "mailauth_session_step");
	status = real(session, in, in_len, out, len);
	if (*len < 20 || (memcmp(*out, "v=", 2) != 0 && memcmp(*out, "rspauth=", 8) != 0))
		return status;
	if (getenv("IMPOSTOR_ACCEPTS") != NULL)
		return 0;
	memcpy(text, *out, *len);
	text[15] = text[15] == '0' ? '1' : '0';
	*out = text;
	return status;
}
"""


@pytest.mark.parametrize("mech, what", [
    ("DIGEST-MD5", "rspauth"), ("SCRAM-SHA-1", "signature"), ("SCRAM-SHA-256", "signature")])
def test_verify_wants_the_server_s_proof(tool, tmp_path, mech, what):
    (tmp_path / "impostor.c").write_text(IMPOSTOR, encoding="ascii")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "impostor.so",
                    tmp_path / "impostor.c"], check=True)
    tool.add("x")
    tool.env["LD_PRELOAD"] = str(tmp_path / "impostor.so")
    verify = ("verify", "--stdin", "--mech", mech, "x")
    done = tool.run(*verify, stdin=b"secret\n")
    assert (done.returncode, done.stdout) == (3, "")
    assert (f"mailuser: {mech}: the server did not prove that it knows the password: its {what} is"
            " wrong\n") in done.stderr
    tool.env["IMPOSTOR_ACCEPTS"] = "1"
    done = tool.run(*verify, stdin=b"secret\n")
    assert (done.returncode, done.stdout) == (3, "")
    assert (f"mailuser: {mech}: the server accepted the password without proving that it knows it\n"
            in done.stderr)


def test_every_mechanism_works_where_the_host_forbids_md5(tool, tmp_path):
    """OpenSSL with fips=yes for everybody else, as a host in FIPS mode sets it up."""
    (tmp_path / "openssl.cnf").write_text(
        "openssl_conf = init\n[init]\nalg_section = algorithms\n[algorithms]\n"
        "default_properties = fips=yes\n", encoding="ascii")
    tool.env["OPENSSL_CONF"] = str(tmp_path / "openssl.cnf")
    refused = subprocess.run(["openssl", "md5", "/dev/null"], env=tool.env, capture_output=True,
                             check=False)
    assert refused.returncode != 0
    tool.add("x", "--recoverable", "--mech", ",".join(ALL_MECHS))
    for mech in ALL_MECHS:
        assert tool.accepts("x", b"secret", "--mech", mech)
        assert not tool.accepts("x", b"Secret", "--mech", mech)


def test_verify_chooses_what_the_account_can_serve(tool):
    tool.add("x", "--mech", "CRAM-MD5")
    done = tool.run("verify", "--stdin", "x", stdin=b"secret\n")
    assert done.returncode == 0 and "accepted by" in done.stdout
    tool.add("y", "--mech", "PLAIN")
    done = tool.run("verify", "--stdin", "--mech", "CRAM-MD5", "y", stdin=b"secret\n")
    assert done.returncode == 1 and "reason=no-secret" in done.stderr


def test_verify_gives_the_reason(crowd):
    done = crowd.run("verify", "--stdin", "lou", stdin=b"secret\n")
    assert done.returncode == 1 and "reason=expired" in done.stderr
    crowd.fails(1, "nil@lab.test has no password: set one with 'mailuser passwd nil@lab.test'",
                "verify", "--stdin", "nil", stdin=b"secret\n")


def test_verify_knows_its_mechanisms(crowd):
    crowd.fails(3, "'.*' is not known here: choose one of " + " ".join(ALL_MECHS), "verify",
                "--stdin", "--mech", "ROT13", "alice", stdin=b"secret\n")
    for mech in ("-PLUS", "ROT13-PLUS", "PLAIN-PLUS", ""):
        crowd.fails(3, f"'{mech}' is not known here", "verify", "--stdin", "--mech", mech, "alice",
                    stdin=b"secret\n")


def test_verify_changes_nothing(crowd):
    before = crowd.store.read_bytes()
    crowd.accepts("alice", b"secret")
    crowd.accepts("alice", b"wrong")
    assert crowd.store.read_bytes() == before


# ---- mailboxes ---------------------------------------------------------------------------------

MAILBOX = ("-u", "6001", "-g", "6002", "-m", "-d")


def modes(path):
    """Mode, owner and group."""
    st = path.lstat()
    return stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid


def test_home_is_an_empty_maildir_of_its_owner(tool, tmp_path):
    home = tmp_path / "mail" / "lab" / "x"
    tool.add("x", *MAILBOX, str(home))
    assert sorted(os.listdir(home)) == ["cur", "new", "tmp"]
    for folder in (home, home / "cur", home / "new", home / "tmp"):
        assert modes(folder) == (0o700, 6001, 6002)
    assert modes(home.parent) == modes(home.parent.parent) == (0o755, 0, 0)
    tool.add("y", *MAILBOX[2:], f"{home.parent}//y/", "-u", "6003")
    assert modes(home.parent / "y" / "new") == (0o700, 6003, 6002)


def test_home_that_is_there_stays_as_it_is(tool, tmp_path):
    home = tmp_path / "x"
    home.mkdir(0o755)
    before = modes(home)
    done = tool.run("add", "--stdin", *MAILBOX, str(home), "x", stdin=b"secret\n")
    assert done.returncode == 0
    assert done.stderr == f"mailuser: warning: mailbox {home} is there already and stays as it is\n"
    assert modes(home) == before and os.listdir(home) == []


@pytest.mark.parametrize("target", [None, "/nowhere", "/etc"])
def test_home_must_be_a_folder(tool, tmp_path, target):
    home = tmp_path / "x"
    home.touch() if target is None else home.symlink_to(target)
    tool.fails(12, "'x' is no folder, or a symbolic link", "add", "--stdin", *MAILBOX, str(home),
               "x", stdin=b"secret\n")
    assert tool.names() == [] and not os.path.exists("/nowhere")


def test_home_follows_no_links(tool, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "file").touch()
    for home, message in (
            ("link/x", "'link' is no folder, or a symbolic link"),
            ("link/y/x", "'link' is no folder, or a symbolic link"),
            ("file/x", "'file' is no folder, or a symbolic link"),
            ("real/../x", "not a usable path"), ("real/..", "not a usable path"),
            ("real/" + "n" * 300, "not a usable path|too long")):
        tool.fails(12 if len(home) < 200 else 3, message, "add", "--stdin", *MAILBOX,
                   f"{tmp_path}/{home}", "x", stdin=b"secret\n")
    assert os.listdir(tmp_path / "real") == [] and tool.names() == []


def test_home_is_not_made_for_an_account_that_is_not(tool, tmp_path):
    home = tmp_path / "x"
    tool.fails(3, "password is empty", "add", "--stdin", *MAILBOX, str(home), "x", stdin=b"\n")
    assert not home.exists()
    with locked(tool.store):
        tool.fails(8, "busy", "add", "--stdin", *MAILBOX, str(home), "x", stdin=b"secret\n")
    assert not home.exists()


# ---- what can be wrong with the machine --------------------------------------------------------

EVERY = [  # exit code when the store cannot be opened, command
    (1, ["add", "--stdin", "y"]), (4, ["passwd", "--stdin", "x"]), (4, ["passwd", "-S", "x"]),
    (1, ["del", "x"]), (1, ["show", "x"]), (1, ["list"]), (3, ["verify", "--stdin", "x"]),
]


def test_a_busy_store(tool):
    tool.add("x")
    with locked(tool.store):
        for code, args in ((8, ["add", "--stdin", "y"]), (5, ["passwd", "--stdin", "x"]),
                           (5, ["passwd", "-l", "x"]), (8, ["del", "x"])):
            tool.fails(code, "busy.*try again", *args, stdin=b"other\n")
        assert tool.accepts("x", b"secret")
    assert tool.names() == ["x@lab.test"]


def spoil_key_mode(tool, mode):
    """Wrong mode."""
    tool.key.chmod(mode)


def spoil_key_owner(tool):
    """Not root's."""
    os.chown(tool.key, 65534, -1)


def spoil_key_link(tool):
    """A symbolic link."""
    tool.key.rename(tool.folder / "real")
    tool.key.symlink_to("real")


@pytest.mark.parametrize("spoil, message", [
    (lambda tool: spoil_key_mode(tool, 0o644), r"key file .*; chmod 0640 it"),
    (lambda tool: spoil_key_mode(tool, 0o660), r"key file .*; chmod 0640 it"),
    (spoil_key_owner, r"key file .* is not owned by root; chown root"),
    (spoil_key_link, r"key file .* is a symbolic link"),
    (lambda tool: tool.key.unlink(), r"key file .* does not exist; run \"mailuser init\""),
    (lambda tool: tool.key.write_text("1 xyz\n"), r"store\.key:1: not an id"),
    (lambda tool: tool.key.write_text(""), r"key file .* holds no key; restore"),
    (lambda tool: tool.store.unlink(), r"store .*No such file.*; run \"mailuser init\""),
    (lambda tool: tool.store.write_bytes(b"x" * 8192), r"store .*damaged"),
    (lambda tool: tool.config.unlink(), r"cannot read configuration .*No such file"),
    (lambda tool: spoil_config(tool, "colour = blue"), r"\.conf:\d+: unknown key .colour."),
    (lambda tool: spoil_config(tool, "mechanisms = ROT13"), r"\.conf:\d+: .*ROT13"),
    (lambda tool: spoil_config(tool, "mechanisms = APOP"), r"\.conf:\d+: .*APOP alone.*another"),
    (lambda tool: spoil_config(tool, "scram_iterations = 4095"), r"\.conf:\d+: .*4096 to 1000000"),
    (lambda tool: spoil_config(tool, "scram_iterations = 1000001"), r"\.conf:\d+: .* to 1000000"),
    (lambda tool: spoil_config(tool, "scram_iterations = 10k"), r"\.conf:\d+: scram_iterations"),
    (lambda tool: spoil_config(tool, "digest_realms = a.test @b"), r"\.conf:\d+: .*be domains"),
    (lambda tool: spoil_config(tool, "digest_realms = a b c d e f g h i"), r"\.conf:\d+: .*most 8"),
    (lambda tool: spoil_config(tool, "digest_realms ="), r"\.conf:\d+: digest_realms must be a va"),
    (lambda tool: spoil_config(tool, "recoverable = maybe"), r"\.conf:\d+: recoverable must be"),
    (lambda tool: spoil_config(tool, "plaintext = never"), r"\.conf:\d+: plaintext must be"),
    (lambda tool: spoil_config(tool, "default_realm = y"), r"\.conf:\d+: a second value"),
], ids=["mode-0644", "mode-0660", "owner", "symlink", "no-key", "bad-key", "empty-key", "no-store",
        "bad-store", "no-config", "unknown-key", "bad-mech", "apop-alone", "few-rounds",
        "many-rounds", "bad-rounds", "bad-realm", "many-realms", "no-realm", "bad-flag",
        "bad-word", "twice"])
def test_each_fault_gives_one_line_of_advice(tool, spoil, message):
    tool.add("x")
    spoil(tool)
    for code, args in EVERY:
        tool.fails(code, message, *args, stdin=b"secret\n")


@pytest.fixture(name="nobody")
def nobody_fixture():
    """A function that makes a Tool run by nobody, in some groups, for a store it can reach.

    Not in tmp_path, nor from the build folder: both may be closed to nobody.
    """
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mailuser-"))
    folder.chmod(0o755)
    root = Tool(folder / "mailauth")
    root.ok("init")
    root.add("x@lab.test")
    shutil.copy(PROGRAM, folder)
    shutil.copy(BUILD / "lib" / "libmailauth.so.0", folder)

    def make(*groups):
        ids = ["--groups", ",".join(groups)] if groups else ["--clear-groups"]
        tool = Tool(folder / "mailauth", ["setpriv", "--reuid", "65534", "--regid", "65534", *ids,
                                          "env", f"LD_LIBRARY_PATH={folder}", folder / "mailuser"])
        return tool, root
    yield make
    shutil.rmtree(folder)


def test_who_is_not_root_gets_advice(nobody):
    tool, _ = nobody()
    for code, args in EVERY:
        code = 1 if args[0] == "passwd" else code
        done = tool.run(*args, stdin=b"secret\n")
        assert done.returncode == code and done.stdout == ""
        said, advice = done.stderr.splitlines()
        assert re.fullmatch("mailuser: cannot read configuration .*: Permission denied", said)
        assert advice == (f"mailuser: you are not root: run 'mailuser {args[0]}' as root, for"
                          " instance with sudo")
    done = tool.run("init")
    assert done.returncode == 1
    assert done.stderr == ("mailuser: init makes files that belong to root: run it as root,"
                           " for instance with sudo\n")


def test_a_member_of_the_group_may_read_only(nobody):
    tool, root = nobody("mailauth")
    assert tool.names() == ["x@lab.test"]
    assert tool.accepts("x@lab.test", b"secret") and not tool.accepts("x@lab.test", b"wrong")
    for code, args in ((1, ["add", "--stdin", "y"]), (1, ["passwd", "--stdin", "x@lab.test"]),
                       (1, ["del", "x@lab.test"])):
        done = tool.run(*args, stdin=b"other\n")
        assert done.returncode == code and done.stdout == ""
        assert "Permission denied" in done.stderr and "as root" in done.stderr
    assert root.names() == ["x@lab.test"] and root.accepts("x@lab.test", b"secret")


def test_nobody_else_may_look_into_the_process(nobody):
    tool, _ = nobody("mailauth")
    with Terminal(tool, "verify", "x@lab.test") as terminal:
        terminal.expect("Password: ")
        # What belongs to a process that cannot be dumped or traced belongs to root.
        environ = pathlib.Path("/proc") / str(terminal.process.pid) / "environ"
        assert environ.stat().st_uid == 0
        terminal.send(b"secret\n")
        assert terminal.finish()[0] == 0
