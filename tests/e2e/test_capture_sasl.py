# SPDX-License-Identifier: BSD-2-Clause
"""auto_transition: an account that came with a crypt(3) string alone serves every mechanism after
its first login with the password itself. A capture that fails costs nobody his login.
"""
import contextlib
import itertools
import json

import pytest

import byhand
from conftest import PASSWORD, password_of
from expectations import CLEARTEXT, MECHANISMS
from mailserver import HOSTNAME, SYSLOG, wait_for
from postfix import JAIL
from wire import Outcome

STORE = "/var/lib/mailauth/accounts.mdb"
FOLDER = "/var/lib/mailauth"
CONFIG = "/etc/mailauth/mailauth.conf"
OTHER = "An0ther one"
DIALOGUES = [mech for mech in MECHANISMS if mech not in CLEARTEXT]
WARNING = "no password can be captured: "
HOLD = f"""
import fcntl, os, time
with open("{STORE}", "r+b") as file:
    fcntl.lockf(file, fcntl.LOCK_EX, 1, 0, 0)
    os.mkdir("/run/held")
    while os.path.exists("/run/held"):
        time.sleep(0.02)
os.mkdir("/run/free")
"""
numbers = itertools.count()


def attempt(server, user, password, mech):
    """A login on the last endpoint, which has TLS."""
    return byhand.attempt(server.endpoints[-1], mech, user, password, server.certificate)


def accepts(server, user, password, mech):
    """Is it let in? Temporary failures fail the test."""
    outcome = attempt(server, user, password, mech)
    assert outcome in (Outcome.ACCEPTED, Outcome.REFUSED)
    return outcome is Outcome.ACCEPTED


def served(server, user, password):
    """The mechanisms without clear text that let the user in."""
    return [mech for mech in DIALOGUES if accepts(server, user, password, mech)]


def account(server, user):
    """The account as JSON."""
    return json.loads(server.mailuser("show", "--json", user).stdout)


def generation(server, user):
    """Goes up with each change of the account."""
    return account(server, user)["generation"]


def new_crypt_account(server, password=PASSWORD):
    """The name of a new account whose only secret is a crypt(3) string."""
    name = f"cora{next(numbers)}"
    crypted = server.run("openssl", "passwd", "-6", password).stdout.strip()
    server.mailuser("add", "-G", "smtp", "-p", crypted, name)
    return name


def new_unix_user(server, name=None):
    """The name of a new user of the machine, with PASSWORD."""
    name = name or f"ulf{next(numbers)}"
    server.run("useradd", "-M", name)
    server.run("chpasswd", stdin=f"{name}:{PASSWORD}\n")
    return name


def smtpd_of(server):
    """The process number of the smtpd that serves the last endpoint."""
    start = server.log_size()
    assert accepts(server, "alice", PASSWORD, "PLAIN")
    lines = [line for line in server.log_since(start) if ": connect from" in line]
    return lines[-1].split("/submissions/smtpd[")[1].split("]")[0]


def is_open_for_writing(server, pid):
    """Has that process the store open for writing? It has it open."""
    modes = server.shell(f"cd /proc/{pid}/fd; for fd in *; do"
                         f"   [ \"$(readlink $fd)\" != {STORE} ] || grep flags: ../fdinfo/$fd"
                         "; done")
    flags = [int(line.split()[1], 8) for line in modes.stdout.splitlines()]
    assert flags
    return any(flag & 3 for flag in flags)


# ---- our own mechanisms --------------------------------------------------------------------------

@pytest.fixture(scope="module")
def postfix(new_server):
    """A Postfix with our mechanisms that captures."""
    with new_server("postfix", "own") as server:
        server.set_sasl_option("auto_transition: yes")
        server.reload()
        yield server


@pytest.fixture
def machine(postfix):
    """The same, put back as it was after the test."""
    postfix.shell(f"cp {CONFIG} /run/config")
    yield postfix
    postfix.shell(f"cp /run/config {CONFIG}")
    postfix.set_sasl_option("auto_transition: yes")
    postfix.reload()


@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN"])
def test_the_first_login_with_the_password_makes_the_others_work(postfix, mech):
    user = new_crypt_account(postfix)
    before = generation(postfix, user)
    assert not served(postfix, user, PASSWORD)
    assert not accepts(postfix, user, "wrong", mech)
    assert generation(postfix, user) == before

    assert accepts(postfix, user, PASSWORD, mech)
    assert generation(postfix, user) == before + 1
    assert served(postfix, user, PASSWORD) == DIALOGUES
    assert not served(postfix, user, "wrong")
    for again in ("PLAIN", "LOGIN"):
        assert accepts(postfix, user, PASSWORD, again)
    assert generation(postfix, user) == before + 1


def test_smtpd_writes_as_its_own_user_from_within_the_chroot(postfix):
    pid = smtpd_of(postfix)
    assert postfix.run("readlink", f"/proc/{pid}/root").stdout.strip() == JAIL
    status = postfix.run("grep", "^Uid:", f"/proc/{pid}/status").stdout.split()
    uid = postfix.run("id", "-u", "postfix").stdout.strip()
    assert status[1:] == [uid] * 4
    assert is_open_for_writing(postfix, pid)
    user = new_crypt_account(postfix)
    assert accepts(postfix, user, PASSWORD, "PLAIN") and smtpd_of(postfix) == pid
    assert served(postfix, user, PASSWORD) == DIALOGUES


@pytest.mark.parametrize("value,is_on", [
    ("yes", True), ("on", True), ("1", True), ("true", True), ("noplain", True),
    ("no", False), ("off", False), ("0", False), ("false", False), ("Yes", False)])
def test_the_option_is_read_as_libsasl2_does(machine, value, is_on):
    machine.set_sasl_option(f"auto_transition: {value}")
    machine.reload()
    assert is_open_for_writing(machine, smtpd_of(machine)) == is_on
    user = new_crypt_account(machine)
    before = generation(machine, user)
    assert accepts(machine, user, PASSWORD, "PLAIN")
    assert generation(machine, user) == before + is_on
    assert served(machine, user, PASSWORD) == (DIALOGUES if is_on else [])


def test_the_configuration_can_forbid_it(machine):
    with open(machine.path(CONFIG), "a", encoding="ascii") as config:
        config.write("capture = no\n")
    machine.reload()
    user = new_crypt_account(machine)
    before = generation(machine, user)
    assert accepts(machine, user, PASSWORD, "PLAIN")
    assert generation(machine, user) == before


def test_nothing_weaker_is_made_than_the_account_may_have(postfix):
    user = new_crypt_account(postfix)
    postfix.mailuser("del", user)
    crypted = postfix.run("openssl", "passwd", "-6", PASSWORD).stdout.strip()
    postfix.mailuser("add", "--mech", "PLAIN SCRAM-SHA-256", "-p", crypted, user)
    assert accepts(postfix, user, PASSWORD, "PLAIN")
    assert served(postfix, user, PASSWORD) == ["SCRAM-SHA-256"]


# ---- what goes wrong -----------------------------------------------------------------------------

@contextlib.contextmanager
def busy(server):
    """Somebody else is writing to the store."""
    server.path("/run/hold.py").write_text(HOLD)
    server.shell("python3 -B /run/hold.py >/run/hold.log 2>&1 </dev/null &")
    wait_for("the lock", server.path("/run/held").exists)
    try:
        yield
    finally:
        server.shell("rmdir /run/held")
        wait_for("the lock's end", server.path("/run/free").exists)
        server.shell("rmdir /run/free")


def test_a_busy_store_costs_nobody_his_login(machine):
    with open(machine.path(CONFIG), "a", encoding="ascii") as config:
        config.write("store_timeout = 1\n")
    machine.reload()
    user = new_crypt_account(machine)
    before = generation(machine, user)
    start = machine.log_size()
    with busy(machine):
        assert accepts(machine, user, PASSWORD, "PLAIN")
        assert generation(machine, user) == before
    assert sum(f"{user}@{HOSTNAME}: its password was seen, but" in line
               for line in machine.log_since(start)) == 1
    assert accepts(machine, user, PASSWORD, "PLAIN")
    assert served(machine, user, PASSWORD) == DIALOGUES


@contextlib.contextmanager
def mounted(server, script):
    """Something else lies over the store's folder."""
    server.shell(script)
    server.reload()
    try:
        yield
    finally:
        # The old smtpd keeps the files open, and with them the file system.
        server.shell(f"umount -l {FOLDER}")
        server.reload()


def test_a_full_disk_costs_nobody_his_login(machine):
    users = [new_crypt_account(machine) for _ in range(12)]
    copy = (f"mkdir -p /run/full; mount -t tmpfs -o size=512k tmpfs /run/full"
            f"; cp -a {FOLDER}/. /run/full; mount --move /run/full {FOLDER}")
    with mounted(machine, copy):
        machine.shell(f"dd if=/dev/zero of={FOLDER}/rest bs=4k status=none || :")
        start = machine.log_size()
        for user in users:
            assert accepts(machine, user, PASSWORD, "PLAIN")
        # The file has a little room of its own.
        missed = [user for user in users if generation(machine, user) == 1]
        lines = machine.log_since(start)
        assert missed and all(sum(f"{user}@{HOSTNAME}: its password was seen, but" in line
                                  for line in lines) == 1 for user in missed), lines
        machine.shell(f"rm {FOLDER}/rest")
        for user in users:
            assert accepts(machine, user, PASSWORD, "PLAIN")
            assert served(machine, user, PASSWORD) == DIALOGUES


def test_a_disk_that_cannot_be_written_serves_logins(machine):
    user = new_crypt_account(machine)
    logged = len(machine.path(SYSLOG).read_text())
    with mounted(machine, f"mount --bind {FOLDER} {FOLDER}; mount -o remount,bind,ro {FOLDER}"):
        for _ in range(2):
            assert accepts(machine, user, PASSWORD, "PLAIN")
        assert not is_open_for_writing(machine, smtpd_of(machine))
        said = [line for line in machine.path(SYSLOG).read_text()[logged:].splitlines()
                if WARNING in line]
        assert len(said) == 1 and f"{STORE}: Read-only file system" in said[0], said
    assert generation(machine, user) == 1


def test_a_store_that_is_away_is_not_made_anew(machine):
    machine.shell(f"mv {FOLDER} {FOLDER}.away; mkdir -m 0755 {FOLDER}")
    try:
        machine.reload()
        for mech in ("PLAIN", "CRAM-MD5"):
            assert attempt(machine, "alice", PASSWORD, mech) is Outcome.TEMPORARY
        assert not list(machine.path(FOLDER).iterdir())
    finally:
        machine.shell(f"rmdir {FOLDER}; mv {FOLDER}.away {FOLDER}")


@pytest.mark.parametrize("name", ["sendmail", "exim", "cyrus"])
def test_other_servers_capture_where_they_may_write(new_server, name):
    with new_server(name, "own") as server:
        server.set_sasl_option("auto_transition: yes")
        server.reload()
        if name != "sendmail":  # which is root
            user = new_crypt_account(server)
            start = server.log_size()
            assert accepts(server, user, PASSWORD, "PLAIN")
            said = [line for line in server.log_since(start) if WARNING in line]
            assert said and all(f"{WARNING}store: cannot open store {STORE}: Permission denied"
                                in line for line in said), said
            assert not served(server, user, PASSWORD)
            server.shell(f"chmod 0660 {STORE}")
            server.reload()
        user = new_crypt_account(server)
        assert accepts(server, user, PASSWORD, "PLAIN")
        assert served(server, user, PASSWORD) == DIALOGUES


# ---- saslauthd -----------------------------------------------------------------------------------

PAM_SMTP = "auth required pam_unix.so\naccount required pam_unix.so\n"


@pytest.fixture(scope="module", params=["shadow", "pam"])
def behind(request, new_server):
    """A Postfix that asks saslauthd for plain passwords, and serves the rest from the store."""
    with new_server("postfix") as server:
        server.path("/etc/pam.d/smtp").write_text(PAM_SMTP)
        server.shell(f"mkdir -p {JAIL}/var/run/saslauthd"
                     f"; saslauthd -a {request.param} -m {JAIL}/var/run/saslauthd")
        server.set_sasl_option("pwcheck_method: saslauthd")
        server.set_sasl_option("auto_transition: yes")
        server.reload()
        new_unix_user(server, "alice")
        yield server


def test_a_password_that_saslauthd_proved_is_captured(behind):
    user = new_unix_user(behind)
    crypted = behind.run("getent", "shadow", user).stdout.split(":")[1]
    behind.mailuser("add", "-p", crypted, user)
    before = generation(behind, user)
    assert not accepts(behind, user, "wrong", "PLAIN")
    assert generation(behind, user) == before and not served(behind, user, PASSWORD)

    assert accepts(behind, user, PASSWORD, "PLAIN")
    assert generation(behind, user) == before + 1
    assert served(behind, user, PASSWORD) == DIALOGUES
    for mech in ("PLAIN", "LOGIN"):
        assert accepts(behind, user, PASSWORD, mech)
    assert generation(behind, user) == before + 1


def test_an_account_without_any_secret_gets_them(behind):
    user = new_unix_user(behind)
    behind.mailuser("add", "--stdin", user, stdin=OTHER + "\n")
    behind.run("saslpasswd2", "-d", "-u", HOSTNAME, user)
    assert accepts(behind, user, PASSWORD, "PLAIN")
    assert served(behind, user, PASSWORD) == DIALOGUES


def test_a_password_that_differs_is_set_anew(behind):
    user = new_unix_user(behind)
    behind.mailuser("add", "--stdin", user, stdin=OTHER + "\n")
    before = generation(behind, user)
    assert not accepts(behind, user, OTHER, "PLAIN")  # saslauthd knows another
    assert served(behind, user, OTHER) == DIALOGUES and generation(behind, user) == before

    assert accepts(behind, user, PASSWORD, "PLAIN")
    assert served(behind, user, PASSWORD) == DIALOGUES and not served(behind, user, OTHER)
    changed = generation(behind, user)
    assert changed == before + 1
    assert accepts(behind, user, PASSWORD, "PLAIN") and generation(behind, user) == changed


def test_a_lock_stays(behind):
    user = new_unix_user(behind)
    behind.mailuser("add", "--stdin", user, stdin=OTHER + "\n")
    behind.mailuser("passwd", "--lock", user)
    attempt(behind, user, PASSWORD, "PLAIN")
    assert account(behind, user)["locked"] and not served(behind, user, PASSWORD)


def test_nobody_gets_an_account_by_logging_in(behind):
    user = new_unix_user(behind)
    accounts = behind.mailuser("list").stdout
    start = behind.log_size()
    assert accepts(behind, user, PASSWORD, "PLAIN")
    assert behind.mailuser("list").stdout == accounts
    assert any(f"setpass failed for {user}@{HOSTNAME}: user not found" in line
               for line in behind.log_since(start))


def test_saslauthds_word_counts_where_nothing_can_be_written(behind):
    user = new_unix_user(behind)
    behind.mailuser("add", "--stdin", user, stdin=OTHER + "\n")
    start = behind.log_size()
    with busy(behind):
        assert accepts(behind, user, PASSWORD, "PLAIN")
    with mounted(behind, f"mount --bind {FOLDER} {FOLDER}; mount -o remount,bind,ro {FOLDER}"):
        assert accepts(behind, user, PASSWORD, "PLAIN")
    lines = behind.log_since(start)
    for said in (f"store {STORE} is busy", "mailauth capture: this password is not captured"):
        assert sum(said in line for line in lines) == 1, lines
    assert generation(behind, user) == 1 and served(behind, user, OTHER) == DIALOGUES


def test_without_the_option_nothing_is_written(behind):
    behind.set_sasl_option("auto_transition: no")
    behind.reload()
    user = new_unix_user(behind)
    behind.mailuser("add", "--stdin", user, stdin=password_of("bob") + "\n")
    before = generation(behind, user)
    try:
        assert not is_open_for_writing(behind, smtpd_of(behind))
        assert accepts(behind, user, PASSWORD, "PLAIN")
        assert generation(behind, user) == before
    finally:
        behind.set_sasl_option("auto_transition: yes")
        behind.reload()
