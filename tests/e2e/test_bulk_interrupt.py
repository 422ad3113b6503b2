# SPDX-License-Identifier: BSD-2-Clause
"""Bulk commands of mailuser that do not get to their end: signals, SIGKILL, a full disk.

The store is as it was, or all of the change is in it; never something in between. Moments are
random, but spread over the whole run, which is timed before.
"""
import fcntl
import os
import random
import resource
import signal
import struct
import subprocess
import termios
import time

import pytest

from mailserver import wait_for
from tool import Tool

ROUNDS = 6
SLOW, CHEAP = 150, 20000  # accounts: the run is mostly deriving, mostly writing


@pytest.fixture(name="store", scope="module")
def store_fixture(tmp_path_factory):
    """A store with a few accounts of each kind."""
    tool = Tool(tmp_path_factory.mktemp("store") / "mailauth")
    tool.ok("init")
    with tool.config.open("a", encoding="utf-8") as config:
        config.write("default_realm = lab.test\nscram_iterations = 4096\n")
    tool.ok("newusers", "-M", stdin="".join(f"old{i}:old:::::\n" for i in range(SLOW)).encode())
    return tool


def changes(folder):
    """What is interrupted: name -> command, input."""
    def lines(count, form):
        return "".join(form.format(i=i) for i in range(count)).encode()
    passwd = folder / "passwd"
    passwd.write_bytes(lines(SLOW, "new{i}:{{PLAIN}}secret::::::\n"))
    cheap = folder / "cheap"
    cheap.write_bytes(lines(CHEAP, "new{i}:{{CRYPT}}$1$abcdefgh$WHGkVXhDjYPASZlGh8yBB1::::::\n"))
    return {
        "newusers": (["newusers", "-M"], lines(SLOW, "new{i}:secret:::::\n")),
        "newusers-cheap": (["newusers", "-M", "--mech", "CRAM-MD5"],
                           lines(CHEAP, "new{i}:secret:::::\n")),
        "chpasswd": (["chpasswd"], lines(SLOW, "old{i}:new\n")),
        "import": (["import", "dovecot", passwd], b""),
        "import-cheap": (["import", "dovecot", cheap], b""),
    }


NAMES = ("newusers", "newusers-cheap", "chpasswd", "import", "import-cheap")


def snapshot(tool):
    """All that the store says, secrets too."""
    return tool.ok("export", "json"), tool.ok("list")


def start(tool, args, stdin):
    """A command whose input is there already."""
    read, write = os.pipe()
    process = subprocess.Popen(
        [*tool.argv, "--config", tool.config, *args], env=tool.env, stdin=read,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        # As a shell would: who runs the tests in the background has them ignored.
        preexec_fn=lambda: [signal.signal(s, signal.SIG_DFL)
                            for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)])
    os.close(read)
    with open(write, "wb") as pipe:
        pipe.write(stdin)
    return process


def copy(tool, folder):
    """A store of one's own, with the accounts of another."""
    made = Tool(folder)
    subprocess.run(["cp", "-a", tool.folder, folder], check=True)
    text = made.config.read_text(encoding="utf-8").replace(str(tool.folder), str(folder))
    made.config.write_text(text, encoding="utf-8")
    return made


def duration(tool, args, stdin):
    """How long it takes if nobody interrupts."""
    begin = time.monotonic()
    process = start(tool, args, stdin)
    _, said = process.communicate()
    assert (process.returncode, said) == (0, b"")
    return time.monotonic() - begin


def has_all(tool, name):
    """Is all of the change in the store?"""
    if name == "chpasswd":
        return all(tool.accepts(f"old{i}", b"new") for i in range(SLOW))
    count = CHEAP if "cheap" in name else SLOW
    return sum(line.startswith("new") for line in tool.names()) == count


@pytest.mark.parametrize("signum, code", [
    (signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -9)])
@pytest.mark.parametrize("name", NAMES)
def test_a_signal_changes_nothing(store, tmp_path, name, signum, code):
    args, stdin = changes(tmp_path)[name]
    whole = duration(copy(store, tmp_path / "whole"), args, stdin)
    tool = copy(store, tmp_path / "mailauth")
    before = snapshot(tool)
    n_interrupted = 0
    for n in range(ROUNDS):
        process = start(tool, args, stdin)
        begin = time.monotonic()
        time.sleep(whole * (n + random.random()) / ROUNDS)
        is_over = process.poll() == 0
        process.send_signal(signum)
        _, said = process.communicate()
        if process.returncode == 0: # too late
            if is_over: # the machine has less to do than when it was timed
                whole = min(whole, time.monotonic() - begin) / 2
            tool = copy(store, tmp_path / f"mailauth{n}")
            before = snapshot(tool)
            continue
        n_interrupted += 1
        if process.returncode == code and signum != signal.SIGKILL:
            assert said == b"mailuser: interrupted; nothing was changed\n"
            assert snapshot(tool) == before
            continue
        assert (process.returncode, said) == (-signum, b"") # at once, or before it began
        if snapshot(tool) != before: # killed between the commit and the end
            assert signum == signal.SIGKILL and has_all(tool, name)
            tool = copy(store, tmp_path / f"mailauth{n}")
            before = snapshot(tool)
    assert n_interrupted >= ROUNDS // 4
    duration(tool, args, stdin) # what was killed has left nothing that is in the way
    assert tool.ok("store", "check")


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_changes_nothing(store, tmp_path, name):
    args, stdin = changes(tmp_path)[name]
    folder = tmp_path / "small"
    folder.mkdir()
    size = sum(file.stat().st_size for file in store.folder.iterdir()) + 32768
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "small", folder],
                   check=True)
    try:
        tool = copy(store, folder / "mailauth")
        free = os.statvfs(folder)
        (folder / "ballast").write_bytes(b"x" * (free.f_bavail - 2) * free.f_bsize)
        before = snapshot(tool)
        done = tool.run(*args, stdin=stdin)
        assert done.returncode == 1
        assert "disk full" in done.stderr and done.stderr.count("nothing was changed") == 1
        assert snapshot(tool) == before
        (folder / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", folder], check=True)
        assert tool.run(*args, stdin=stdin).returncode == 0
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_may_not_grow_changes_nothing(store, tmp_path, name):
    args, stdin = changes(tmp_path)[name]
    tool = copy(store, tmp_path / "mailauth")
    before = snapshot(tool)
    limit = tool.store.stat().st_size
    done = subprocess.run(
        [*tool.argv, "--config", tool.config, *args], env=tool.env, input=stdin,
        capture_output=True, check=False,
        preexec_fn=lambda: [signal.signal(signal.SIGXFSZ, signal.SIG_IGN),
                            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))])
    assert done.returncode == 1 and b"nothing was changed" in done.stderr, done
    assert snapshot(tool) == before


@pytest.mark.parametrize("name", ["import", "import-cheap"])
def test_a_report_that_cannot_be_written_changes_nothing(store, tmp_path, name):
    args, _ = changes(tmp_path)[name]
    tool = copy(store, tmp_path / "mailauth")
    before = snapshot(tool)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*tool.argv, "--config", tool.config, *args], stdout=full,
                              stderr=subprocess.PIPE, check=False, env=tool.env)
    assert (done.returncode, done.stderr) == (
        1, b"mailuser: the report cannot be written: No space left on device; nothing was"
        b" changed\n")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*tool.argv, "--config", tool.config, *args], stdout=write,
                          stderr=subprocess.PIPE, check=False, env=tool.env)
    os.close(write)
    assert (done.returncode, done.stderr) == (
        1, b"mailuser: the report cannot be written: Broken pipe; nothing was changed\n")
    assert snapshot(tool) == before


def test_an_input_that_breaks_off_changes_nothing(store, tmp_path):
    """/proc/self/mem cannot be read from its beginning."""
    tool = copy(store, tmp_path / "mailauth")
    before = snapshot(tool)
    for args in (["newusers", "/proc/self/mem"], ["import", "dovecot", "/proc/self/mem"]):
        done = tool.run(*args)
        assert done.returncode == 1 and "Input/output error" in done.stderr
        assert done.stderr.endswith("nothing was changed\n")
    with open("/proc/self/mem", "rb") as broken:
        done = subprocess.run([*tool.argv, "--config", tool.config, "chpasswd"], stdin=broken,
                              capture_output=True, check=False, env=tool.env)
    assert (done.returncode, done.stderr) == (
        1, b"mailuser: standard input: Input/output error; nothing was changed\n")
    assert snapshot(tool) == before


def n_unread(pipe):
    """Bytes that are in the pipe."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))[0]


def test_a_signal_while_waiting_for_input(store, tmp_path):
    tool = copy(store, tmp_path / "mailauth")
    for args in (["chpasswd"], ["newusers"], ["import", "dovecot", "/dev/stdin"]):
        with subprocess.Popen([*tool.argv, "--config", tool.config, *args], env=tool.env,
                              stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                              preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
                              ) as process:
            process.stdin.write(b"old1:x")
            process.stdin.flush()
            wait_for("it to read", lambda pipe=process.stdin: n_unread(pipe) == 0)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
            assert process.stderr.read() == b"mailuser: interrupted; nothing was changed\n"


def test_what_nohup_ignores_stays_ignored(store, tmp_path):
    tool = copy(store, tmp_path / "mailauth")
    process = subprocess.Popen([*tool.argv, "--config", tool.config, "chpasswd"], env=tool.env,
                               stdin=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.stdin.write(b"old1:")
    process.stdin.flush()
    wait_for("it to read", lambda: n_unread(process.stdin) == 0)
    process.send_signal(signal.SIGHUP)
    _, said = process.communicate(b"new\n")
    assert (process.returncode, said) == (0, b"")
    assert tool.accepts("old1", b"new")
