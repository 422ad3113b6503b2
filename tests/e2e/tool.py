# SPDX-License-Identifier: BSD-2-Clause
"""mailuser on a store in a temporary folder, on a terminal or not; fixtures for its tests.

A test module imports bare_fixture and tool_fixture to have the fixtures `bare` and `tool`.
"""
import datetime
import fcntl
import json
import os
import pathlib
import pty
import re
import resource
import select
import signal
import subprocess
import termios
import time

import pytest

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("MAILAUTH_BUILD", REPO / "build")).resolve()
PROGRAM = BUILD / "tools" / "mailuser" / "mailuser"
PATIENCE_S = 60  # with a machine that is busy with other things
MARK = b"<the end>"


class Tool:
    """mailuser with a configuration of its own."""

    def __init__(self, folder, argv=(PROGRAM,)):
        self.folder = folder
        self.config = folder / "mailauth.conf"
        self.key = folder / "store.key"
        self.store = folder / "accounts.mdb"
        self.argv = argv
        self.env = {k: v for k, v in os.environ.items() if k != "MAILAUTH_CONFIG"}

    def run(self, *args, stdin=b"", config=True):
        """Runs a command; its output is text in which any byte survives."""
        where = ["--config", self.config] if config else []
        done = subprocess.run([*self.argv, *where, *args], input=stdin, capture_output=True,
                              timeout=300, check=False, env=self.env)
        done.stdout = os.fsdecode(done.stdout)
        done.stderr = os.fsdecode(done.stderr)
        return done

    def ok(self, *args, stdin=b""):
        """Runs a command that must succeed without a message; returns its output."""
        done = self.run(*args, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def fails(self, code, message, *args, stdin=b""):
        """Runs a command that must fail with one line that matches."""
        done = self.run(*args, stdin=stdin)
        assert done.returncode == code and done.stdout == "", done
        lines = done.stderr.splitlines()
        if code == 2:
            assert re.fullmatch("Try 'mailuser .*--help' for more information.", lines.pop())
        assert len(lines) == 1, done.stderr
        assert re.fullmatch(f"mailuser: .*({message}).*", lines[0]), lines[0]

    def add(self, name, *args, password=b"secret"):
        """Makes an account."""
        self.ok("add", "--stdin", *args, name, stdin=password + b"\n")

    def show(self, name):
        """show --json"""
        return json.loads(self.ok("show", "--json", name))

    def names(self):
        """The names that list prints."""
        return [line.split()[0] for line in self.ok("list").splitlines()]

    def accepts(self, name, password, *args):
        """Does verify accept it?"""
        done = self.run("verify", "--stdin", *args, name, stdin=password + b"\n")
        assert done.returncode in (0, 1), done
        assert (": accepted by " in done.stdout) == (done.returncode == 0), done
        return done.returncode == 0


def today():
    """The date that mailuser goes by; it does not change during a test, see conftest.py."""
    return datetime.datetime.now(datetime.timezone.utc).date()


@pytest.fixture(name="bare")
def bare_fixture(tmp_path):
    """Nothing is there yet."""
    return Tool(tmp_path / "mailauth")


@pytest.fixture(name="tool")
def tool_fixture(bare):
    """An empty store, the realm lab.test."""
    bare.ok("init")
    with bare.config.open("a", encoding="utf-8") as config:
        config.write("default_realm = lab.test\nstore_timeout = 1\n")
    return bare


class Terminal:
    """A command on a terminal of its own."""

    def __init__(self, tool, *args, **options):
        self.master, self.slave = pty.openpty()
        self.seen = b""
        self.process = subprocess.Popen(
            [*tool.argv, "--config", tool.config, *args], stdin=self.slave, stdout=self.slave,
            stderr=self.slave, env=tool.env, preexec_fn=lambda: self._child(**options))

    def _child(self, core=False):
        os.login_tty(os.dup(self.slave))
        # As a shell would: who runs the tests in the background has them ignored.
        for signum in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
            signal.signal(signum, signal.SIG_DFL)
        if core:
            _, most = resource.getrlimit(resource.RLIMIT_CORE)
            resource.setrlimit(resource.RLIMIT_CORE, (most, most))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def _read(self, timeout):
        if select.select([self.master], [], [], timeout)[0]:
            self.seen += os.read(self.master, 4096)
            return True
        return False

    def expect(self, text):
        """Waits for the end of the output."""
        end = time.monotonic() + PATIENCE_S
        while not self.seen.endswith(text.encode()):
            assert time.monotonic() < end, self.seen
            self._read(0.2)

    def send(self, data):
        """Types."""
        os.write(self.master, data)

    def echoes(self):
        """Is the echo on?"""
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def finish(self):
        """Waits for the end; returns code and output."""
        end = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < end, self.seen
            self._read(0.02)
        # What it wrote last may still be on its way: it has arrived when our own mark has.
        os.write(self.slave, MARK)
        while not self.seen.endswith(MARK):
            assert time.monotonic() < end, self.seen
            self._read(0.2)
        self.seen = self.seen.removesuffix(MARK)
        return self.process.returncode, self.seen.decode().replace("\r\n", "\n")


NEW, AGAIN = "New password: ", "Retype new password: "


def answer(tool, args, *answers):
    """Runs a command and answers its prompts; returns code and output."""
    with Terminal(tool, *args) as terminal:
        for prompt, line in answers:
            terminal.expect(prompt)
            assert not terminal.echoes()
            terminal.send(line)
        result = terminal.finish()
        assert terminal.echoes()
        return result


class locked:
    """Another program is writing, for longer than store_timeout."""

    def __init__(self, store):
        self.stream = open(store, "r+b")

    def __enter__(self):
        fcntl.lockf(self.stream, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.stream.close()


def spoil_config(tool, line):
    """A bad line."""
    with tool.config.open("a", encoding="utf-8") as config:
        config.write(line + "\n")
