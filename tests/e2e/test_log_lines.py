# SPDX-License-Identifier: BSD-2-Clause
"""Nobody writes a log line of his own: names, hosts, values and files that hold line ends, commands to
a terminal, what is no UTF-8, printf's directives, or very much, come out as one line of plain text.

The library's own lines: log_escapes_... in tests/api/test_verify.c, and lib/util/test_log.c. Names
that imitate an address: test_fail2ban.py.
"""
import os
import socket
import subprocess

import pytest

from conftest import PASSWORD
from mailserver import SYSLOG
from pam import PamBox, write_service
from saslproperties import OPTIONS, probe
from test_pam import log_lines
from tool import bare_fixture, tool_fixture  # pylint: disable=unused-import # fixtures

FORGED = "mailauth login: result=ok reason=ok mech=PLAIN user=mallory"
WORDS = {  # as bytes, which is what arguments, files and networks have
    "line end": f"a\n{FORGED}".encode(),
    "carriage return": f"a\r{FORGED}".encode(),
    "terminal": b"a\x1b[2J\x1b]0;owned\x07",
    "backspace": b"a\x08\x08\x08",
    "delete": b"a\x7f",
    "C1": "a\u0085\u009b2J".encode(),
    "C1 in Latin-1": b"a\x85\x9b2J",
    "line separator": f"a\u2028{FORGED}\u2029".encode(),
    "right to left": "a\u202efdp.exe\u2066".encode(),
    "not UTF-8": b"a\xff\xfe\xc3",
    "overlong": b"a\xc0\x8a\xe0\x80\x8a",
    "surrogate": b"a\xed\xa0\x80",
    "directives": b"%n%s%99999d%*.*s",
    "10 kB": b"x" * 10000,
    "10 kB of it": b"\x1b" * 10000,
}
EVERY_WORD = pytest.mark.parametrize("word", WORDS.values(), ids=WORDS)


def assert_plain(output, begin=None):
    """Lines of text that can be shown, each with its own beginning."""
    lines = os.fsencode(output).decode("utf-8").splitlines()  # an error if it is no UTF-8
    for line in lines:
        assert line.isprintable(), line
        assert begin is None or line.startswith(begin), line
    assert FORGED not in lines


# ---- mailuser -----------------------------------------------------------------------------------


@EVERY_WORD
def test_arguments_of_mailuser(tool, tmp_path, word):
    text = os.fsdecode(word)
    tool.add("alice")
    for args in (["show", text], ["del", text], ["verify", "--stdin", text],
                 ["add", "--stdin", text], ["passwd", "--stdin", text], [text],
                 ["add", "--stdin", "-c", text, "bob"], ["mod", "-d", text, "alice"],
                 ["mod", "-e", text, "alice"], ["mod", "-G", text, "alice"],
                 ["mod", "-g", text, "alice"], ["verify", "--mech", text, "--stdin", "alice"],
                 ["export", text], ["import", text, text], ["chpasswd", text],
                 ["export", "--output", tmp_path / "none" / text, "json"],
                 ["import", "json", tmp_path / "none" / text], ["mod", "-l", text, "alice"],
                 ["store", "copy", tmp_path / "none" / text], ["chage", "-E", text, "alice"]):
        done = tool.run(*args, stdin=b"secret\n")
        assert_plain(done.stderr, ("mailuser: ", "Try 'mailuser ", "  "))
        assert_plain(done.stdout)
    done = tool.run("--config", tmp_path / text, "list", config=False)
    assert done.returncode != 0
    assert_plain(done.stderr, "mailuser: ")


FILES = {
    "chpasswd": (["chpasswd"], b"%s:%s\nalice:%s\n%s\n"),
    "newusers": (["newusers", "-M"], b"%s:x:%s:::%s:\nbob:x:::%s:%s:%s\n%s\n"),
    "dovecot": (["import", "dovecot", "/dev/stdin"], b"%s:{%s}x:%s:%s:%s:%s:%s\n%s\n"),
    "json": (["import", "json", "/dev/stdin"], b'{"name":"%s","comment":"%s"}\n{"%s":"%s"}\n'),
    "courier": (["import", "courier", "/dev/stdin"], b"%s\tsystempw=%s|%s=%s\n"),
    "shadow": (["import", "shadow", "/dev/stdin"], b"%s:%s:%s:%s:%s:%s:%s:%s:%s\n"),
}


@EVERY_WORD
@pytest.mark.parametrize("kind", FILES)
def test_content_of_files_that_mailuser_reads(tool, word, kind):
    tool.add("alice")
    args, form = FILES[kind]
    for content in (word, b"a\0" + word):
        done = tool.run(*args, stdin=form.replace(b"%s", content))
        assert_plain(done.stderr, ("mailuser: ", "  "))
        assert_plain(done.stdout)


@EVERY_WORD
def test_content_of_the_configuration(tool, word):
    for key in (b"store", b"key_file", b"default_realm", b"mechanisms", b"crypt_method", b"x",
                word):
        whole = tool.config.read_bytes()
        tool.config.write_bytes(whole + key + b" = " + word + b"\n")
        done = tool.run("list")
        assert_plain(done.stderr, "mailuser: ")
        tool.config.write_bytes(whole)


@pytest.mark.parametrize("word,pieces", [(b"nobody", 1), (b"\x1b[2J" * 200, 1), (b"x" * 4000, 1),
                                         (b"x" * 10000, 3), (b"\x1b" * 10000, 10)])
def test_a_message_is_written_at_once(tool, word, pieces):
    """What several programs write to one pipe stays whole lines, as far as a pipe keeps it whole."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # knows each write()
    with ours, subprocess.Popen([*tool.argv, "--config", tool.config, "mod", "-e", word, "alice"],
                                stderr=theirs) as process:
        theirs.close()
        written = list(iter(lambda: ours.recv(1 << 16), b""))
    text = b"".join(written)
    assert process.returncode == 3 and len(written) == pieces
    assert text.startswith(b"mailuser: ") and text.endswith(b"\n") and text.count(b"\n") == 1
    assert word.replace(b"\x1b", b"\\x1b") in text


# ---- PAM ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="box")
def box_fixture(tree, tmp_path_factory):
    """A machine with an account."""
    with PamBox(tmp_path_factory.mktemp("lines") / "run", tree) as box:
        box.add("alice", "-G", "smtp", password=PASSWORD)
        yield box


@EVERY_WORD
@pytest.mark.parametrize("item", ["rhost", "tty", "ruser", "user"])
def test_what_an_application_tells_the_pam_module(box, word, item):
    start = box.path(SYSLOG).stat().st_size
    text = os.fsdecode(word)
    write_service(box, "debug", "auth required pam_mailauth.so debug")
    user = text if item == "user" else "alice"
    box.pamtester("debug", user, "authenticate", typed=["wrong"],
                  items=[] if item == "user" else [f"{item}={text}"])
    lines = [line for line in log_lines(box, start) if "pam_mailauth" in line]
    assert any("authentication failure; " in line for line in lines), lines
    for line in lines:
        assert line.isprintable() and "#0" not in line and "\ufffd" not in line, line
        assert len(line) < 3000
        # Nothing that is given ends the field it stands in.
        assert "user=mallory" not in line.replace("\\x20", " ").split() or "\\x20" in line


# ---- the plugin ---------------------------------------------------------------------------------


TEXTS = {name: word.decode() for name, word in WORDS.items()
         if word.decode("utf-8", "replace").encode() == word}
EVERY_TEXT = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)


def assert_ours_are_plain(logged):
    """Of all that libsasl2 was given to log, our lines."""
    ours = [message for _, message in logged if message.startswith("mailauth ")]
    for message in ours:
        assert message.isprintable() and "\ufffd" not in message, message
    return ours


@EVERY_TEXT
@pytest.mark.parametrize("call", ["checkpass", "plain"])
def test_names_that_a_client_gives_to_the_plugin(box, text, call):
    result = probe(box, "check", {**OPTIONS, "mailauth_mechs": "PLAIN"} if call == "plain" else None,
                   call=call, logins=[[text, "wrong"]])
    assert_ours_are_plain(result["log"])


@EVERY_TEXT
def test_options_of_the_plugin(box, text):
    for option in ("mailauth_config", "mailauth_group", "mailauth_mechs"):
        result = probe(box, "check", {**OPTIONS, option: text}, call="checkpass",
                       logins=[["alice", "wrong"]])
        assert_ours_are_plain(result["log"])
