# SPDX-License-Identifier: BSD-2-Clause
"""What other people's programs show of passwords that go through us, smtpd, pamtester and
saslauthd, in memory, in arguments and environments, in logs and on disk.

Their own buffers are theirs. smtpd has the client's lines in them, in base64 and decoded, and
libsasl2 the properties of a connection (test_secrets_in_libsasl2.py tells which). So a password
that was sent as such is expected there, and everything else is not. saslauthd wipes what it was
sent when it has an answer, and libpam what it was told: nothing may be found there then. A request
that ends too early leaves its password on saslauthd's stack.
"""
import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading

import pytest

import byhand
import canary
import pam
from mailserver import HOSTNAME, wait_for
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


# ---- saslauthd -------------------------------------------------------------------------------

SASLAUTHD = "/run/saslauthd"
UNIX_USER = "una"


class Saslauthd:
    """"saslauthd -a pam" in a box: one process, so that the one that was asked is known."""

    def __init__(self, box):
        self.box = box
        box.run("saslauthd", "-a", "pam", "-r", "-n", "1", "-m", SASLAUTHD)
        wait_for("saslauthd", lambda: self.connect(check=False))
        self.pid, = (pid for pid, name in processes(box).items() if name == "saslauthd")

    def connect(self, check=True):
        """A connection; the socket's file is there before somebody listens."""
        with contextlib.ExitStack() as stack:
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            if sock.connect_ex(str(self.box.path(f"{SASLAUTHD}/mux"))) != 0 and not check:
                return None
            stack.pop_all()
            return sock

    @staticmethod
    def send(sock, *texts):
        """Each as saslauthd wants it, with its length before it."""
        for text in texts:
            sock.sendall(len(text).to_bytes(2, "big") + text.encode())

    def says(self, name, password, service="smtp", realm=HOSTNAME):
        """Its answer. When it has closed the connection it is done with the request."""
        with self.connect() as sock:
            self.send(sock, name, password, service, realm)
            with sock.makefile("rb") as stream:
                return stream.read()[2:].decode()

    def found(self, wanted):
        """What is in its memory now."""
        return canary.search_process(self.pid, wanted)


@pytest.fixture(scope="module", name="saslauthd")
def fixture_saslauthd(box):
    """It, with a service for users of the system, whose passwords are captured."""
    pam.write_service(box, "unix", "auth requisite pam_unix.so",
                      "auth optional pam_mailauth.so capture",
                      "account required pam_unix.so", "account optional pam_mailauth.so capture")
    box.run("useradd", UNIX_USER)
    return Saslauthd(box)


def everything_of(box, *passwords, accounts=()):
    """The passwords, the key, and what the accounts hold now."""
    wanted = secrets_of(box, **{name: password for name, password in zip(accounts, passwords)})
    wanted.forms.update(key_of(box).forms)
    for number, password in enumerate(passwords):
        wanted.add_password(f"password {number}", password)
    return wanted


def test_saslauthd(box, saslauthd):
    right, wrong = canary.new_password(), canary.new_password()
    box.add("sue", "-G", "smtp", password=right)
    wanted = everything_of(box, right, wrong, accounts=["sue"])
    for name, password, says in (("sue", wrong, "NO"), ("sue", right, "OK"),
                                 ("nobody", right, "NO"), ("sue", right * 6, "NO")):
        assert saslauthd.says(name, password)[:2] == says
        assert saslauthd.found(wanted) == {}, (name, password)


def test_saslauthd_when_an_imported_account_is_completed(box, saslauthd):
    password = canary.new_password()
    hashed = box.run("openssl", "passwd", "-6", password).stdout.strip()
    box.run("mailuser", "add", "-G", "smtp", "-p", hashed, "imp")
    assert not box.knows("imp", password)
    assert saslauthd.says("imp", password) == "OK"
    assert box.knows("imp", password)
    assert saslauthd.found(everything_of(box, password, accounts=["imp"])) == {}


def test_saslauthd_when_a_password_of_the_system_is_captured(box, saslauthd):
    password, wrong = canary.new_password(), canary.new_password()
    box.run("chpasswd", stdin=f"{UNIX_USER}:{password}\n")
    box.add(UNIX_USER)
    for given, says in ((wrong, "NO"), (password, "OK")):
        assert saslauthd.says(UNIX_USER, given, "unix", "")[:2] == says
        wanted = everything_of(box, password, wrong, accounts=[UNIX_USER])
        assert saslauthd.found(wanted) == {}, says
    assert box.knows(UNIX_USER, password)


def test_saslauthd_when_the_key_is_away(box, saslauthd):
    password = canary.new_password()
    box.add("sid", "-G", "smtp", password=password)
    wanted = everything_of(box, password, accounts=["sid"])
    box.run("mv", KEY, f"{KEY}.away")
    try:
        assert saslauthd.says("sid", password)[:2] == "NO"
    finally:
        box.run("mv", f"{KEY}.away", KEY)
    assert saslauthd.found(wanted) == {}


def test_saslauthd_keeps_the_password_of_a_request_that_ends_too_early(box, saslauthd):
    """It is saslauthd's, on its stack, until a later request lies over it. So what the tests above
    look for would be found."""
    password = canary.new_password()
    box.add("eve", "-G", "smtp", password=password)
    wanted = everything_of(box, password, accounts=["eve"])
    with saslauthd.connect() as sock:
        saslauthd.send(sock, "eve", password)
    assert saslauthd.says("", "none") == "NO NULL login received"  # it has gone on to the next
    found = saslauthd.found(wanted)
    assert set(found) == {"password of eve", "password 0"} and ours(found, ["password"]) == {}
    assert saslauthd.says("eve", password) == "OK"
    assert saslauthd.found(wanted) == {}


# ---- mailuser --------------------------------------------------------------------------------

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
