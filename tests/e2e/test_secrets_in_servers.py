# SPDX-License-Identifier: BSD-2-Clause
"""What other people's programs show of passwords that go through us, smtpd and pamtester, in
memory, in arguments and environments, in logs and on disk.

Their own buffers are theirs. smtpd has the client's lines in them, in base64 and decoded, and
libsasl2 the properties of a connection (test_secrets_in_libsasl2.py tells which). So a password
that was sent as such is expected there, and everything else is not.
"""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import threading

import pytest

import byhand
import canary
import pam
from mailserver import wait_for
from sandbox import build_dir
from test_secrets_in_libsasl2 import PROPERTIES, ours
from wire import Outcome

PLAINTEXT = ("PLAIN", "LOGIN")
HASHED = ("CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
KEY = "/etc/mailauth/store.key"


def processes(box):
    """{host's number: program} of everything in a sandbox."""
    space = os.readlink(f"/proc/{box.init_pid}/ns/pid")
    found = {}
    for entry in os.scandir("/proc"):
        with contextlib.suppress(OSError):  # it has ended
            if entry.name.isdigit() and os.readlink(f"/proc/{entry.name}/ns/pid") == space:
                found[int(entry.name)] = pathlib.Path(f"/proc/{entry.name}/comm").read_text()[:-1]
    return found


def key_of(box):
    """What the store is sealed with, to be searched for."""
    wanted = canary.Wanted()
    lines = [line.split() for line in box.path(KEY).read_text().splitlines() if line[0] != "#"]
    wanted.add_secret("key", bytes.fromhex(lines[-1][1]))
    return wanted


def secrets_of(box, **passwords):
    """The passwords of accounts, by name, and all that these accounts hold."""
    wanted = canary.Wanted()
    for name, password in passwords.items():
        wanted.add_password(f"password of {name}", password)
        line = box.run("mailuser", "export", "json", "--only", name).stdout
        wanted.add_account(line, f"{name}: ")
    return wanted


class Watch:
    """Looks at the arguments and environments of all processes of a sandbox, again and again."""

    def __init__(self, box, wanted):
        self.box, self.wanted, self.found, self.looks = box, wanted, {}, 0
        self._end, self._thread = threading.Event(), threading.Thread(target=self._run)

    def _run(self):
        while not self._end.is_set():
            for pid, program in processes(self.box).items():
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        data = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
                        canary.merge(self.found, self.wanted.find(data), f"{name} of {program}")
            self.looks += 1

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()


def on_disk(box, wanted):
    """(what is in them, names) of the files that were written in the sandbox (see sandbox.sh): the
    store and the logs are among them."""
    mounts = pathlib.Path(f"/proc/{box.init_pid}/mounts").read_text()
    tops = ["/etc", "/run", *re.findall(r"upperdir=([^, ]+)", mounts)]
    found, seen = {}, []
    for folder, _, names in (step for top in tops for step in os.walk(box.path(top))):
        for path in (pathlib.Path(folder) / name for name in names):
            if path.is_file() and not path.is_symlink():
                canary.merge(found, canary.search_file(path, wanted), path.name)
                seen.append(path.name)
    return found, seen


def log_in(server, name, password, mechs, outcome):
    """With each of the mechanisms, over TLS."""
    endpoint = next(point for point in server.endpoints if point.tls == "tls")
    for mech in mechs:
        assert byhand.attempt(endpoint, mech, name, password, server.certificate) is outcome, mech


def test_smtpd(own_server):
    """All that a mail server does with us."""
    plain, hashed, wrong = (canary.new_password() for _ in range(3))
    early = canary.Wanted()
    for name, password in (("plain", plain), ("hashed", hashed)):
        early.add_password(f"password of {name}", password)
    with Watch(own_server, early) as watch:
        for name, password in (("plain", plain), ("hashed", hashed)):
            own_server.mailuser("add", "--stdin", name, stdin=password + "\n")
            own_server.mailuser("passwd", "--stdin", name, stdin=password + "\n")
            own_server.mailuser("verify", "--stdin", name, stdin=password + "\n")
        log_in(own_server, "plain", plain, PLAINTEXT, Outcome.ACCEPTED)
        log_in(own_server, "plain", wrong, (*PLAINTEXT, *HASHED), Outcome.REFUSED)
        log_in(own_server, "hashed", hashed, HASHED, Outcome.ACCEPTED)
        log_in(own_server, "hashed", wrong, HASHED, Outcome.REFUSED)
        wait_for("a look at the processes", lambda: watch.looks > 2, 60)
    assert watch.found == {}
    own_server.settle()
    wanted = secrets_of(own_server, plain=plain, hashed=hashed)
    found, files = on_disk(own_server, wanted)
    assert found == {} and {"accounts.mdb", "mail.log", "syslog"} <= set(files)
    smtpd, rest = 0, 0
    for pid, program in processes(own_server).items():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            found = canary.search_process(pid, wanted)
            has_key = canary.search_process(pid, key_of(own_server)) != {}
            theirs = ["password of plain", *PROPERTIES.values()] if program == "smtpd" else []
            assert ours(found, theirs) == {}, program
            assert has_key == (program == "smtpd"), program
            smtpd, rest = smtpd + (program == "smtpd"), rest + (program != "smtpd")
    assert smtpd >= 1 and rest >= 3  # master, its services, the log


# ---- PAM -------------------------------------------------------------------------------------

@pytest.fixture(scope="module", name="box")
def fixture_box(tree, tmp_path_factory):
    """A machine with the module."""
    with pam.PamBox(tmp_path_factory.mktemp("pam") / "run", tree) as box:
        yield box


def left_by_pamtester(box, operations, typed, wanted_of):
    """Runs pamtester and stops it where it ends, after pam_end(); what is left then."""
    argv = ["nsenter", "--target", str(box.init_pid), "--mount", "--root", "--uts", "--pid", "--",
            "/usr/bin/env", f"LD_PRELOAD={build_dir() / 'tests' / 'hygiene_stop.so'}",
            "pamtester", "smtp", "tim", *operations]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, cwd="/")
    process.stdin.write("".join(f"{line}\n" for line in typed))
    process.stdin.close()

    def stopped():
        return [pid for pid, program in processes(box).items() if program == "pamtester"
                and "State:\tT" in pathlib.Path(f"/proc/{pid}/status").read_text()]
    pid = wait_for("pamtester to end", stopped, 60)[0]
    found = canary.search_process(pid, wanted_of())
    os.kill(pid, signal.SIGCONT)

    def ended():  # nsenter stops when its child does, sooner or later
        process.send_signal(signal.SIGCONT)
        return process.poll() is not None
    wait_for("nsenter to end", ended, 60)
    with process.stdout:
        return found, process.stdout.read()


PAM = {  # what pamtester does, which passwords are typed: "old", "new", "wrong"
    "authenticate": (["authenticate", "acct_mgmt"], ["old"], "successfully authenticated"),
    "a wrong password": (["authenticate"], ["wrong"], "Authentication failure"),
    "a change": (["chauthtok"], ["new", "new"], "authentication token altered"),
    "a change that fails": (["chauthtok"], ["new", "wrong"], "do not match"),
}


@pytest.mark.parametrize("operations,typed,says", PAM.values(), ids=PAM)
def test_pam(box, operations, typed, says):
    passwords = {name: canary.new_password() for name in ("old", "new", "wrong")}
    box.run("mailuser", "del", "tim", check=False)
    box.add("tim", password=passwords["old"])

    def wanted():
        everything = secrets_of(box, tim=passwords["old"])
        for name, password in passwords.items():
            everything.add_password(name, password)
        everything.forms.update(key_of(box).forms)
        return everything
    found, text = left_by_pamtester(box, operations, [passwords[name] for name in typed], wanted)
    assert says in text
    assert found == {}


def test_nobody_else_may_read_the_memory_of_mailuser(box):
    box.run("mailuser", "add", "--stdin", "ida", stdin="secret\n")
    group = box.run("stat", "-c", "%g", KEY).stdout.strip()
    argv = ["nsenter", "--target", str(box.init_pid), "--mount", "--root", "--uts", "--pid", "--",
            "setpriv", "--reuid", "65534", "--regid", group, "--clear-groups"]
    owners = {}
    for program in (["mailuser", "verify", "--stdin", "ida"], ["head", "-n1"]):
        with subprocess.Popen([*argv, *program], stdin=subprocess.PIPE, cwd="/",
                              stdout=subprocess.DEVNULL) as process:
            def running(name=program[0]):
                return [pid for pid, comm in processes(box).items() if comm == name
                        and "S (sleeping)" in pathlib.Path(f"/proc/{pid}/status").read_text()]
            pid = wait_for("the program to read", running, 60)[0]
            owners[program[0]] = os.stat(f"/proc/{pid}/mem").st_uid
            process.stdin.write(b"secret\n")
            process.stdin.close()
            process.wait()
    assert owners == {"mailuser": 0, "head": 65534}
