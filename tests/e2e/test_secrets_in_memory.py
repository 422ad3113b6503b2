# SPDX-License-Identifier: BSD-2-Clause
"""What a process still holds of passwords and verifiers when it is done with them: nothing.

A password like no other goes every way there is. Then the whole memory of the process is searched
for it and for all that was made from it, in every form that it could have there, piece by piece
(canary.py). Who keeps what:

- The C API: tests/hygiene/api.c is a server on it that wipes its own buffers, so what is found is
  the library's. The sealing key has to be there while a context is open, and gone after it.
- mailuser: it is stopped where it ends, by tests/hygiene/stop.c.

The plugin in libsasl2 is in test_secrets_in_libsasl2.py, the servers of other people are in
test_secrets_in_servers.py, cores in test_secrets_in_cores.py.
"""
import base64
import os
import signal
import subprocess
import tempfile

import pytest

import byhand
import canary
from test_sasldb_import import Sasldb
from tool import (AGAIN, BUILD, NEW, Terminal, Tool, bare_fixture,  # pylint: disable=unused-import
                  locked, spoil_config, tool_fixture)

API, STOP = (BUILD / "tests" / name for name in ("hygiene_api", "hygiene_stop.so"))
REALM = "lab.test"
NAME = f"tim@{REALM}"
DENIED, CONTINUE = -2, 1
MECHS = ("PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
STORED = {  # what an account may keep, and what is derived then
    "as usual": (),
    "crypt": ("--mech", "PLAIN,LOGIN"),
    "the password": ("--recoverable",),
}


# ---- searching -------------------------------------------------------------------------------

def key_of(tool):
    """What the store is sealed with now, as bytes."""
    lines = [line.split() for line in tool.key.read_text().splitlines() if line[0] != "#"]
    return bytes.fromhex(lines[-1][1])


def secrets_of(tool, *passwords):
    """Everything that must not be found: passwords, and all that the accounts hold now."""
    wanted = canary.Wanted()
    for number, password in enumerate(passwords):
        wanted.add_password(f"password {number}", password)
    for number, line in enumerate(tool.ok("export", "json").splitlines()):
        wanted.add_account(line, f"account {number}: ")
    return wanted


def with_key(tool):
    """The key alone."""
    wanted = canary.Wanted()
    wanted.add_secret("key", key_of(tool))
    return wanted


class Program:
    """A program of tests/hygiene: answers commands, and waits while it is searched."""

    def __init__(self, path, **env):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**os.environ, **env})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def ask(self, *words):
        """A command; returns (number, bytes)."""
        text = " ".join(word if isinstance(word, str) else word.hex() or "-" for word in words)
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline().decode()
        assert line, f"{self.process.args} ended"
        code, reply = line.rstrip("\n").split(" ")
        return int(code), bytes.fromhex(reply)

    def found(self, wanted):
        """What is in its memory now."""
        return canary.search_process(self.process.pid, wanted)


def steps_of(mech, password, name=NAME):
    """A client's side of a dialogue."""
    return byhand.steps_of("smtp", mech, name, password)


def api_login(program, mech, password, name=NAME):
    """A login through a session; returns its status."""
    steps = steps_of(mech, password, name)
    message = next(steps) or b""
    assert program.ask("session", mech)[0] == 0
    code, reply = program.ask("step", message)
    while code == CONTINUE:
        try:
            code, reply = program.ask("step", steps.send(reply))
        except ValueError:  # the server has no proof: not the right password
            code = DENIED
    assert program.ask("end")[0] == 0
    return code


# ---- the check itself ------------------------------------------------------------------------

def test_every_form_of_a_secret_would_be_found():
    password = canary.new_password()
    wanted = canary.Wanted()
    wanted.add_password("password", password)
    assert not wanted.find(os.urandom(1 << 20)) and not wanted.find(b"")
    for front in range(7):
        plain = b"x" * front + b"\0" + password.encode() + b"\0y" * 3
        for text in (plain, plain.hex().encode(), plain.hex().upper().encode(),
                     base64.b64encode(plain), plain.decode().encode("utf-16-le"),
                     plain.decode().encode("utf-32-le"), bytes(byte ^ 0x36 for byte in plain),
                     bytes(byte ^ 0x5c for byte in plain)):
            found = wanted.find(b"z" * front + text)
            # Each piece, once or more.
            assert {form.split()[0] for form in found["password"]} == set("012345"), text


def test_a_secret_in_memory_would_be_found(tool):
    password = canary.new_password()
    wanted = canary.Wanted()
    wanted.add_password("password", password)
    with Program(API, HELD=password) as program:
        assert len(program.found(wanted)["password"]) == 6
    with Program(API) as program:
        assert program.ask("open", str(tool.config))[0] == 0
        assert not program.found(wanted)
        assert program.found(with_key(tool))  # mailauth.h: the context holds it


# ---- the C API -------------------------------------------------------------------------------

FULL = bool(os.environ.get("MAILAUTH_FULL"))


@pytest.fixture(name="account", params=STORED if FULL else ["as usual", "crypt"])
def account_fixture(tool, request):
    """(tool, password, what must not be found) of an account."""
    password = canary.new_password()
    tool.add("tim", *STORED[request.param], password=password.encode())
    return tool, password, secrets_of(tool, password)


def assert_api_is_clean(program, tool, wanted):
    """Nothing but the key, and after the end of the context not that."""
    assert program.found(wanted) == {}
    assert program.ask("close")[0] == 0
    wanted.add_secret("key", key_of(tool))
    assert program.found(wanted) == {}


@pytest.mark.parametrize("mech", MECHS)
def test_a_login_leaves_nothing(account, mech):
    tool, password, wanted = account
    wrong = canary.new_password()
    wanted.add_password("wrong password", wrong)
    serves = (NAME, password) if tool.accepts("tim", password.encode(), "--mech", mech) else None
    with Program(API) as program:
        assert program.ask("open", str(tool.config))[0] == 0
        assert api_login(program, mech, wrong) == DENIED
        assert program.found(wanted) == {}
        assert (api_login(program, mech, password) == 0) == bool(serves)
        assert api_login(program, mech, password, f"nobody@{REALM}") == DENIED
        assert_api_is_clean(program, tool, wanted)


def test_other_calls_leave_nothing(account):
    tool, password, wanted = account
    wrong, new = canary.new_password(), canary.new_password()
    with Program(API) as program:
        assert program.ask("open", str(tool.config))[0] == 0
        calls = [("plain", NAME, wrong.encode(), DENIED), ("plain", NAME, password.encode(), 0),
                 ("capture", NAME, password.encode(), 0), ("verifiers", NAME, 0),
                 ("secrets", NAME, 0), ("passwd", NAME, new.encode(), 0),
                 ("plain", NAME, new.encode(), 0), ("plain", NAME, password.encode(), DENIED)]
        for *command, code in calls:
            assert program.ask(*command)[0] == code, command
            assert program.found(wanted) == {}, command
        wanted.forms.update(secrets_of(tool, new, wrong, password).forms)
        assert_api_is_clean(program, tool, wanted)


def test_an_unfinished_dialogue_leaves_nothing_when_it_is_freed(account):
    tool, password, wanted = account
    with Program(API) as program:
        assert program.ask("open", str(tool.config))[0] == 0
        for mech in MECHS:
            steps = steps_of(mech, password)
            assert program.ask("session", mech)[0] == 0
            assert program.ask("step", next(steps) or b"")[0] in (0, CONTINUE, DENIED)
            assert program.ask("end")[0] == 0
            assert program.found(wanted) == {}, mech
        assert_api_is_clean(program, tool, wanted)


def test_a_failed_login_leaves_nothing(tool):
    password = canary.new_password()
    tool.add("tim", password=password.encode())
    wanted = secrets_of(tool, password)
    wanted.add_secret("key", key_of(tool))
    damaged = tool.store.read_bytes().replace(b"tim", b"tom")  # in the record's key: moved
    kept = tool.key.read_bytes()
    with Program(API) as program:
        tool.key.unlink()
        assert program.ask("open", str(tool.config))[0] < 0
        assert program.found(wanted) == {}
        tool.key.write_bytes(kept)
        tool.key.chmod(0o644)
        assert program.ask("open", str(tool.config))[0] < 0
        assert program.found(wanted) == {}
        tool.key.chmod(0o640)
        tool.key.write_bytes(kept + b"2 beef\n")  # the first key has been read by then
        assert program.ask("open", str(tool.config))[0] < 0
        assert program.found(wanted) == {}
        tool.key.write_bytes(kept)
        tool.store.write_bytes(damaged)
        assert program.ask("open", str(tool.config))[0] == 0
        for mech in MECHS:
            assert api_login(program, mech, password) == DENIED  # there is no tim any more
            assert api_login(program, mech, password, f"tom@{REALM}") not in (0, DENIED)
        assert program.ask("plain", f"tom@{REALM}", password.encode())[0] < 0
        assert program.ask("passwd", f"tom@{REALM}", password.encode())[0] < 0
        assert program.ask("close")[0] == 0
        assert program.found(wanted) == {}


# ---- mailuser --------------------------------------------------------------------------------

class StoppedTool(Tool):
    """mailuser, stopped where it ends; what is in its memory then."""

    def __init__(self, tool):
        super().__init__(tool.folder, tool.argv)
        self.env = {**tool.env, "LD_PRELOAD": str(STOP)}

    def leave(self, *args, stdin=b""):
        """Runs a command; returns it while it is stopped. What it prints goes to process.output:
        a file, since nobody would read a pipe in the meantime."""
        output = tempfile.TemporaryFile()
        process = subprocess.Popen([*self.argv, "--config", self.config, *args], env=self.env,
                                   stdin=subprocess.PIPE, stdout=output, stderr=output)
        process.output = output
        try:
            process.stdin.write(stdin)
            process.stdin.close()
        except BrokenPipeError:
            pass
        wait_for_stop(process)
        return process


def wait_for_stop(process):
    """Waits until stop.c has stopped it."""
    _, status = os.waitpid(process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status) and os.WSTOPSIG(status) == signal.SIGSTOP, status


def go_on(process):
    """Lets it end; returns its code and what it printed."""
    process.send_signal(signal.SIGCONT)
    process.wait()
    with process.output as stream:
        stream.seek(0)
        return process.returncode, stream.read().decode("utf-8", "replace")


def left_by(tool, codes, *args, stdin=b"", passwords=()):
    """Runs a command that ends with one of the codes; what it leaves of the passwords, of the key,
    and of what the accounts hold when it is done. `passwords` are in none of the arguments."""
    before = secrets_of(tool, *passwords) if tool.key.exists() else canary.Wanted()
    process = StoppedTool(tool).leave(*args, stdin=stdin)
    wanted = secrets_of(tool, *passwords)
    wanted.forms.update({f"before: {name}": forms for name, forms in before.forms.items()})
    wanted.add_secret("key", key_of(tool))
    found = canary.search_process(process.pid, wanted)
    code, text = go_on(process)
    assert code in codes, text
    assert not wanted.find(text.encode()) or args[0] == "export"
    return found


@pytest.fixture(name="canary_tool")
def canary_tool_fixture(tool):
    """(tool, password) with an account tim, and one that the password is not of."""
    password = canary.new_password()
    tool.add("tim", password=password.encode())
    tool.add("other", password=canary.new_password().encode())
    return tool, password


CHANGES = {  # arguments, standard input; {} is a new password
    "add": (["add", "--stdin", "new"], "{}\n"),
    "add with crypt": (["add", "--stdin", "--mech", "PLAIN,LOGIN", "new"], "{}\n"),
    "add recoverable": (["add", "--stdin", "--recoverable", "new"], "{}\n"),
    "add the same again": (["add", "--stdin", "tim"], "{}\n"),
    "passwd": (["passwd", "--stdin", "tim"], "{}\n"),
    "passwd of nobody": (["passwd", "--stdin", "nobody"], "{}\n"),
    "passwd, NUL": (["passwd", "--stdin", "tim"], "{}\0\n"),
    "passwd, too long": (["passwd", "--stdin", "tim"], "{}" * 30 + "\n"),
    "passwd, not UTF-8": (["passwd", "--stdin", "tim"], "{}\udcff\n"),
    "passwd, no line end": (["passwd", "--stdin", "tim"], "{}"),
    "chpasswd": (["chpasswd"], "tim:{}\nother:{}x\n"),
    "chpasswd, a bad line": (["chpasswd"], "tim:{}\nother{}\n"),
    "chpasswd, nobody": (["chpasswd"], "tim:{}\nnobody:{}\n"),
    "chpasswd, much": (["chpasswd"], "".join(f"user{n}:{{}}\n" for n in range(3000))),
    "newusers": (["newusers"], "new:{}:::::\nnewer:{}x:::::\n"),
    "newusers, a bad line": (["newusers"], "new:{}:::::\nnewer:{}:::\n"),
    "verify, wrong": (["verify", "--stdin", "tim"], "{}\n"),
}


@pytest.mark.parametrize("args,stdin", CHANGES.values(), ids=CHANGES)
def test_mailuser_leaves_no_new_password(canary_tool, args, stdin):
    tool, _ = canary_tool
    new = canary.new_password()
    data = os.fsencode(stdin.replace("{}", new))
    assert left_by(tool, range(20), *args, stdin=data, passwords=[new]) == {}


@pytest.mark.parametrize("mech", MECHS)
def test_mailuser_verify_leaves_nothing(canary_tool, mech):
    tool, password = canary_tool
    stdin = password.encode() + b"\n"
    for code, name in ((0, "tim"), (1, "other")):
        found = left_by(tool, [code], "verify", "--stdin", "--mech", mech, name, stdin=stdin,
                        passwords=[password])
        assert found == {}, name


OTHERS = [["show", "tim"], ["show", "--json", "tim"], ["list"], ["list", "--json"],
          ["mod", "-l", "timothy", "tim"], ["mod", "-G", "smtp", "tim"], ["passwd", "-l", "tim"],
          ["passwd", "-d", "tim"], ["chage", "-M", "9", "tim"], ["del", "tim"], ["rekey"],
          ["rekey", "--prepare"], ["rekey", "--prune"], ["store", "check"], ["store", "stat"],
          ["doctor"], ["init"]]


@pytest.mark.parametrize("args", OTHERS, ids=" ".join)
def test_other_commands_leave_nothing(canary_tool, args):
    tool, password = canary_tool
    assert left_by(tool, range(20), *args, passwords=[password]) == {}


@pytest.mark.parametrize("to", ["standard output", "file"])
@pytest.mark.parametrize("form", ["json", "dovecot", "courier", "shadow"])
def test_export_leaves_nothing(canary_tool, tmp_path, form, to):
    tool, password = canary_tool
    tool.add("crypt", "--mech", "PLAIN,LOGIN", password=password.encode())
    tool.add("kept", "--recoverable", password=password.encode())
    where = [] if to == "standard output" else ["--output", tmp_path / "out"]
    assert left_by(tool, (0, 1), "export", form, *where, passwords=[password]) == {}


IMPORTS = {
    "json": '{{"format":1,"name":"new","password":"{}"}}\n',
    "json, escaped": '{{"format":1,"name":"new","password":"\\u0041{}"}}\n',
    "json, refused": '{{"format":1,"name":"new","password":"{}","nonsense":1}}\n',
    "json, broken": '{{"format":1,"name":"new","password":"{}"\n',
    "dovecot": "new:{{PLAIN}}{}::::::\n",
    "dovecot, refused": "new:{{PLAIN}}{}\0::::::\n",
    "dovecot, hex": "new:{{PLAIN.HEX}}{hex}::::::\n",
}


@pytest.mark.parametrize("name", IMPORTS)
def test_import_leaves_no_password(tool, tmp_path, name):
    password = canary.new_password()
    source = tmp_path / "source"
    source.write_bytes(IMPORTS[name].format(password, hex=password.encode().hex()).encode())
    found = left_by(tool, (0, 1), "import", name.split(",")[0], source, passwords=[password])
    assert found == {}


@pytest.mark.parametrize("form", ["json", "dovecot", "courier"])
def test_import_leaves_no_verifier(canary_tool, tmp_path, form):
    tool, password = canary_tool
    tool.add("kept", "--recoverable", password=password.encode())
    tool.run("export", form, "--output", tmp_path / "out")
    for name in ("tim", "other", "kept"):
        tool.ok("del", name)
    assert left_by(tool, (0, 1), "import", form, tmp_path / "out", passwords=[password]) == {}
    assert "tim" in "".join(tool.names())


def test_import_of_shadow_leaves_nothing(tool, tmp_path):
    password = canary.new_password()
    hashed = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=password, text=True,
                            check=True, capture_output=True).stdout.strip()
    shadow, passwd = tmp_path / "shadow", tmp_path / "passwd"
    shadow.write_text(f"new:{hashed}:19000:0:99999:7:::\n")
    passwd.write_text("new:x:2000:2000::/home/new:/bin/sh\n")
    found = left_by(tool, [0], "import", "--shadow", shadow, "--passwd", passwd, "shadow",
                    passwords=[password])
    assert found == {} and tool.names()


def test_import_of_sasldb_leaves_nothing(tool, tmp_path):
    password = canary.new_password()
    sasldb = Sasldb(tmp_path)
    sasldb.put("tim", password)
    sasldb.put("nopass", password, "-n")
    found = left_by(tool, (0, 1), "import", "sasldb", sasldb.path, passwords=[password])
    assert found == {}
    assert tool.accepts("tim", password.encode())


# ---- mailuser, when it fails -----------------------------------------------------------------

def take_key_away(tool):
    """No key."""
    tool.key.rename(tool.folder / "away.key")


def damage_record(tool):
    """A record that belongs to another name."""
    tool.store.write_bytes(tool.store.read_bytes().replace(b"tim", b"tom"))


FAILURES = {
    "key away": take_key_away,
    "store away": lambda tool: tool.store.unlink(),
    "store is a text": lambda tool: tool.store.write_text("nonsense"),
    "record damaged": damage_record,
    "configuration with a bad line": lambda tool: spoil_config(tool, "nonsense = 1"),
    "no configuration": lambda tool: tool.config.unlink(),
}


@pytest.mark.parametrize("command", [["passwd", "--stdin", "tim"], ["passwd", "--stdin", "tom"],
                                     ["verify", "--stdin", "tom"], ["chpasswd"]],
                         ids=" ".join)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_leaves_nothing(canary_tool, command, failure):
    tool, password = canary_tool
    wanted = secrets_of(tool, password)
    wanted.add_secret("key", key_of(tool))
    FAILURES[failure](tool)
    stdin = f"tom:{password}\n" if command == ["chpasswd"] else f"{password}\n"
    process = StoppedTool(tool).leave(*command, stdin=stdin.encode())
    found = canary.search_process(process.pid, wanted)
    code, text = go_on(process)
    assert code != 0 and found == {} and not wanted.find(text.encode())


def test_a_busy_store_leaves_nothing(canary_tool):
    tool, _ = canary_tool
    new = canary.new_password()
    before = secrets_of(tool, new)
    with locked(tool.store):
        process = StoppedTool(tool).leave("passwd", "--stdin", "tim", stdin=new.encode() + b"\n")
        found = canary.search_process(process.pid, before)
        code, _ = go_on(process)
    assert code != 0 and found == {}


# ---- mailuser at a terminal ------------------------------------------------------------------

ANSWERS = {"twice the same": (0, 0, True), "two that differ": (0, 1, False)}


@pytest.mark.parametrize("first,second,changes", ANSWERS.values(), ids=ANSWERS)
def test_a_prompt_leaves_nothing(canary_tool, first, second, changes):
    tool, _ = canary_tool
    typed = [canary.new_password(), canary.new_password()]
    with Terminal(StoppedTool(tool), "passwd", "tim") as terminal:
        terminal.expect(NEW)
        terminal.send(typed[first].encode() + b"\n")
        terminal.expect(AGAIN)
        terminal.send(typed[second].encode() + b"\n")
        wait_for_stop(terminal.process)
        wanted = secrets_of(tool, *typed)
        assert canary.search_process(terminal.process.pid, wanted) == {}
        terminal.process.send_signal(signal.SIGCONT)
        code, shown = terminal.finish()
    assert (code == 0) == changes and typed[0] not in shown
